//! Logs in Kafka's style: a few at a time, each retired after so many messages.
//!
//! | f | argument | result when ok |
//! |---|---|---|
//! | `send` | a whole number, different from all others of the run | its offset |
//! | `poll` | a map from the log to the offset from which to read on | a map from the log to the list of `[offset, value]` found there, perhaps only the first of them |
//!
//! `key` is the log, text: "l1", "l2", and so on. Each process goes on where its last answered
//! poll of a log ended; so nodes keep nothing of consumers. After recovery every log is polled
//! from its start on every node: see [`finals`](crate::finals).
//!
//! **Detects**: messages that are lost or passed over, that stand at two offsets, offsets with
//! two messages, polls that go back, messages from nowhere or of failed sends; how far polls are
//! behind; outages.

use std::collections::HashMap;

use checkers::history::{Kind, Op, Process, Value};
use checkers::{AllOf, Availability, Checker, Log};
use rand::RngExt;

use crate::generator::{Context, Generator, Next, some_process};
use crate::load::{Values, on, percent};
use crate::{Options, Workload};

/// The workload, as a value. Of a hundred operations [`Options::read_percent`] are polls.
#[must_use]
pub fn workload(options: &Options) -> Workload {
    let all: Vec<Box<dyn Checker>> = vec![Box::new(Log), Box::new(Availability)];
    let mut load = Logs {
        active: Vec::new(),
        named: 0,
        poll_percent: options.read_percent.min(100),
        sends: options.writes_per_key.max(1),
        values: Values::default(),
        next: HashMap::new(),
    };
    for _ in 0..options.active_keys.max(1) {
        let fresh = load.fresh();
        load.active.push(fresh);
    }
    Workload {
        name: "log",
        generator: Box::new(load),
        checker: Box::new(AllOf::new("log", all)),
    }
}

/// What a poll asks for: to read a log from this offset on.
pub(crate) fn from(key: &Value, offset: i64) -> Value {
    let text = match key {
        Value::Str(text) => text.to_string(),
        _ => key.to_string(),
    };
    Value::map([(text.as_str(), Value::Int(offset))])
}

/// The logs in use: key, and how often something was sent to it.
#[derive(Debug)]
struct Logs {
    active: Vec<(Value, u32)>,
    named: usize,
    poll_percent: u32,
    sends: u32,
    values: Values,
    /// Where each process reads on.
    next: HashMap<(Process, Value), i64>,
}

impl Logs {
    fn fresh(&mut self) -> (Value, u32) {
        self.named += 1;
        (Value::str(&format!("l{}", self.named)), 0)
    }
}

impl Generator for Logs {
    fn next(&mut self, ctx: &mut Context<'_>) -> Next {
        let Some(process) = some_process(ctx) else {
            return Next::Wait { until: None };
        };
        let place = ctx.rng.random_range(0..self.active.len());
        if percent(ctx.rng, self.poll_percent) {
            let key = self.active[place].0.clone();
            let offset = self.next.get(&(process, key.clone())).copied().unwrap_or(0);
            // A log that had its messages is polled once more before it is retired.
            if self.active[place].1 >= self.sends {
                self.active[place] = self.fresh();
            }
            return Next::Invoke(process, on(&key, "poll", from(&key, offset)));
        }
        if self.active[place].1 >= self.sends {
            self.active[place] = self.fresh();
        }
        self.active[place].1 += 1;
        let value = Value::Int(self.values.fresh());
        Next::Invoke(process, on(&self.active[place].0, "send", value))
    }

    fn update(&mut self, _: &Context<'_>, op: &Op) {
        let Some(key) = &op.key else { return };
        match (op.kind, op.f.as_str()) {
            (Kind::Fail, "send") => {
                // What was certainly not sent does not count towards retirement.
                if let Some((_, sends)) = self.active.iter_mut().find(|(of, _)| of == key) {
                    *sends = sends.saturating_sub(1);
                }
            }
            (Kind::Ok, "poll") => {
                let Value::Str(name) = key else { return };
                let messages = op.value.get(name).and_then(Value::as_list);
                let last =
                    messages.and_then(|messages| messages.last()?.as_list()?.first()?.as_int());
                if let Some(last) = last {
                    self.next.insert((op.process, key.clone()), last + 1);
                }
            }
            _ => {}
        }
    }
}
