//! Small random histories for the tests that compare a checker with its definition.

#![allow(
    dead_code,
    reason = "each test that shares this uses another part of it"
)]

pub(crate) mod laws;

use std::sync::Arc;

use checkers::history::{F, History, Kind, Nanos, Op, Process, Value};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

/// How many small histories are compared: what SCHISM_SOAK_SEEDS says, or 100,000.
pub(crate) fn seeds() -> u64 {
    let asked = std::env::var("SCHISM_SOAK_SEEDS").ok();
    asked.map_or(100_000, |text| {
        text.parse().expect("SCHISM_SOAK_SEEDS is a number")
    })
}

/// An operation from its start to its end.
#[derive(Clone, Debug)]
pub(crate) struct Made {
    pub(crate) process: u32,
    pub(crate) begins: Nanos,
    pub(crate) ends: Nanos,
    pub(crate) kind: Kind,
    pub(crate) f: &'static str,
    pub(crate) key: Value,
    pub(crate) argument: Value,
    pub(crate) result: Value,
    pub(crate) node: &'static str,
}

impl Made {
    /// Whether it certainly ended before that time; equal times tell nothing.
    pub(crate) fn is_before(&self, time: Nanos) -> bool {
        self.kind == Kind::Ok && self.ends < time
    }
}

/// The outcome of an operation: mostly well.
pub(crate) fn kind(rng: &mut ChaCha8Rng) -> Kind {
    match rng.random_range(0..10) {
        0 => Kind::Fail,
        1 | 2 => Kind::Info,
        _ => Kind::Ok,
    }
}

/// Operations of a few processes, one after another in each; equal times are many.
pub(crate) fn made(
    rng: &mut ChaCha8Rng,
    count: usize,
    width: u32,
    mut ask: impl FnMut(&mut ChaCha8Rng, usize) -> (&'static str, Value, Value),
) -> Vec<Made> {
    let mut free: Vec<(u32, Nanos)> = (0..width).map(|process| (process, 0)).collect();
    let mut fresh = width;
    let mut all = Vec::new();
    for number in 0..count {
        let who = rng.random_range(0..free.len());
        let begins = free[who].1 + rng.random_range(0..3);
        let ends = begins + rng.random_range(0..4);
        let (f, argument, result) = ask(rng, number);
        let kind = kind(rng);
        all.push(Made {
            process: free[who].0,
            begins,
            ends,
            kind,
            f,
            key: Value::str("x"),
            argument,
            result,
            node: ["n1", "n2"][rng.random_range(0..2)],
        });
        free[who].1 = ends + rng.random_range(0..2);
        if kind == Kind::Info {
            free[who].0 = fresh;
            fresh += 1;
        }
    }
    all
}

/// The history of these operations; of one process they stand in their order.
pub(crate) fn history(made: &[Made]) -> History {
    // Time, then starts before ends of other processes, but after the end of the own one.
    let mut entries: Vec<(Nanos, usize, bool)> = Vec::new();
    for (at, call) in made.iter().enumerate() {
        entries.push((call.begins, at, false));
        entries.push((call.ends, at, true));
    }
    entries.sort_by_key(|(time, at, end)| (*time, *at, *end));
    let mut ops: Vec<Op> = Vec::new();
    for (time, at, end) in entries {
        let call = &made[at];
        ops.push(Op {
            index: ops.len(),
            time,
            process: Process::Client(call.process),
            kind: if end { call.kind } else { Kind::Invoke },
            f: F::new(call.f),
            key: (call.key != Value::Nil).then(|| call.key.clone()),
            value: if end && call.kind == Kind::Ok {
                call.result.clone()
            } else {
                call.argument.clone()
            },
            node: Some(Arc::from(call.node)),
            error: None,
        });
    }
    History::new(ops).expect("what is made here is lawful")
}

pub(crate) fn int(number: i64) -> Value {
    Value::Int(number)
}

pub(crate) fn list(items: impl IntoIterator<Item = Value>) -> Value {
    Value::List(items.into_iter().collect())
}

/// The same with less known: a call that is the last of its process takes longer, or nobody
/// knows what came of it.
pub(crate) fn weaken(rng: &mut ChaCha8Rng, calls: &[Made]) -> Vec<Made> {
    let mut weaker = calls.to_vec();
    let is_last = |at: &usize| {
        let later = &calls[at + 1..];
        calls[*at].kind == Kind::Ok && later.iter().all(|c| c.process != calls[*at].process)
    };
    let last: Vec<usize> = (0..calls.len()).filter(is_last).collect();
    if let Some(&at) = last.get(rng.random_range(0..last.len().max(1))) {
        if rng.random_bool(0.5) {
            weaker[at].kind = Kind::Info;
        } else {
            weaker[at].ends += rng.random_range(1..80);
        }
    }
    weaker
}
