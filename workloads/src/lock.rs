//! Locks with fencing tokens, and the resources they guard.
//!
//! | f | argument | result when ok |
//! |---|---|---|
//! | `acquire` | nil | the fencing token, a whole number, or `{token, ttl-ms}`; nil if the lock has none |
//! | `release` | nil | nil |
//! | `guarded-write` | `{token, value}`: the token that was granted, and a value different from all others of the run | the argument; it fails if the resource refused the token |
//! | `guarded-read` | nil | the `{token, value}` that is there, or nil |
//!
//! `key` names the lock and its resource: "l1", "l2", and so on. An acquire that does not get the
//! lock fails. Whoever holds it writes a few times and releases it; now and then somebody goes on
//! to write with a token that he gave back, as one who slept through the end of his lease would:
//! without such, nobody would know whether the resource refuses them. A client that is lost holds
//! its lock for ever, so locks are retired.
//!
//! **Detects**: locks that two hold, tokens that repeat or go back, old tokens that are accepted.

use std::collections::BTreeMap;

use checkers::AllOf;
use checkers::history::{Kind, Op, Process, Value};
use checkers::invariants::{FencingTokens, GuardedResource, Locks};
use rand::RngExt;

use crate::generator::{Context, Generator, Invocation, Next, some_process};
use crate::load::{Values, on, percent};
use crate::{Options, Workload};

/// After how many operations a lock is retired.
const OPERATIONS: u32 = 200;

/// How many locks are in use at a time.
const LOCKS: usize = 2;

/// The workload, as a value; there is nothing to choose.
#[must_use]
pub fn workload(_: &Options) -> Workload {
    Workload {
        name: "lock",
        generator: Box::new(Holders::default()),
        checker: Box::new(AllOf::new(
            "lock",
            vec![
                Box::new(Locks::default()),
                Box::new(FencingTokens),
                Box::new(GuardedResource),
            ],
        )),
    }
}

/// A lock that a client holds, or held, and its token.
#[derive(Clone, Debug)]
struct Hold {
    lock: Value,
    token: Option<i64>,
}

#[derive(Debug, Default)]
struct Holders {
    holds: BTreeMap<Process, Hold>,
    /// The last hold that each client gave back.
    gave_back: BTreeMap<Process, Hold>,
    /// Names and counts of operations.
    locks: Vec<(Value, u32)>,
    named: usize,
    values: Values,
}

impl Holders {
    /// A lock in use.
    fn some_lock(&mut self, ctx: &mut Context<'_>) -> Value {
        while self.locks.len() < LOCKS {
            self.named += 1;
            self.locks
                .push((Value::str(&format!("l{}", self.named)), 0));
        }
        let place = ctx.rng.random_range(0..LOCKS);
        let (lock, count) = &mut self.locks[place];
        *count += 1;
        let lock = lock.clone();
        if self.locks[place].1 >= OPERATIONS {
            self.locks.remove(place);
        }
        lock
    }

    fn write(&mut self, hold: &Hold) -> Invocation {
        let pair = [
            ("token", hold.token.map_or(Value::Nil, Value::Int)),
            ("value", Value::Int(self.values.fresh())),
        ];
        on(&hold.lock, "guarded-write", Value::map(pair))
    }
}

fn token(answer: &Value) -> Option<i64> {
    answer.as_int().or_else(|| answer.get("token")?.as_int())
}

impl Generator for Holders {
    fn next(&mut self, ctx: &mut Context<'_>) -> Next {
        let Some(process) = some_process(ctx) else {
            return Next::Wait { until: None };
        };
        let has_token = |hold: &&Hold| hold.token.is_some();
        let held = self.holds.get(&process).cloned();
        let old = self.gave_back.get(&process).filter(has_token).cloned();
        let invocation = match (held, old) {
            (Some(hold), _) if hold.token.is_some() && percent(ctx.rng, 60) => self.write(&hold),
            (Some(hold), _) => on(&hold.lock, "release", Value::Nil),
            (None, Some(hold)) if percent(ctx.rng, 20) => {
                self.gave_back.remove(&process);
                self.write(&hold)
            }
            (None, _) => {
                let lock = self.some_lock(ctx);
                let f = if percent(ctx.rng, 15) {
                    "guarded-read"
                } else {
                    "acquire"
                };
                on(&lock, f, Value::Nil)
            }
        };
        Next::Invoke(process, invocation)
    }

    fn update(&mut self, _: &Context<'_>, op: &Op) {
        match (op.kind, op.f.as_str()) {
            // The client goes on under another number, and knows of no hold.
            (Kind::Info, _) => {
                self.holds.remove(&op.process);
                self.gave_back.remove(&op.process);
            }
            (Kind::Ok, "acquire") => {
                let hold = Hold {
                    lock: op.key.clone().unwrap_or_default(),
                    token: token(&op.value),
                };
                self.holds.insert(op.process, hold);
            }
            // Who cannot release it has lost it.
            (Kind::Ok | Kind::Fail, "release") => {
                if let Some(hold) = self.holds.remove(&op.process) {
                    self.gave_back.insert(op.process, hold);
                }
            }
            _ => {}
        }
    }
}
