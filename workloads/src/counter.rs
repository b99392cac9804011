//! Counters: a few at a time, each retired after so many changes.
//!
//! | f | argument | result when ok |
//! |---|---|---|
//! | `increment` | 1 | the argument |
//! | `decrement` | 1; asked for only if [`Options::decrement_percent`] says so | the argument |
//! | `read` | nil | the value, a whole number; 0 of a counter that nobody changed |
//!
//! `key` is text: "c1", "c2", and so on. All changes are by one, so that counters that only rise
//! are judged exactly, and what a read counts too few is a number of changes. After recovery the
//! operator reads every counter on every node: see [`finals`](crate::finals).
//!
//! **Detects**: changes that are lost or counted twice, reads that no order of the changes
//! explains, nodes that disagree in the end, outages.

use checkers::history::{Kind, Op, Value};
use checkers::{AllOf, Availability, Checker, Counter, PnCounter};
use rand::RngExt;

use crate::generator::{Context, Generator, Next, some_process};
use crate::load::{on, percent};
use crate::{Options, Workload};

/// The workload, as a value.
#[must_use]
pub fn workload(options: &Options) -> Workload {
    let all: Vec<Box<dyn Checker>> = vec![
        Box::new(Counter),
        Box::new(PnCounter),
        Box::new(Availability),
    ];
    let mut load = Counters {
        active: Vec::new(),
        named: 0,
        read_percent: options.read_percent.min(100),
        decrement_percent: options.decrement_percent.min(100),
        changes: options.writes_per_key.max(1),
    };
    for _ in 0..options.active_keys.max(1) {
        let fresh = load.fresh();
        load.active.push(fresh);
    }
    Workload {
        name: "counter",
        generator: Box::new(load),
        checker: Box::new(AllOf::new("counter", all)),
    }
}

/// The counters in use: key, and how often it was changed.
#[derive(Debug)]
struct Counters {
    active: Vec<(Value, u32)>,
    named: usize,
    read_percent: u32,
    decrement_percent: u32,
    changes: u32,
}

impl Counters {
    fn fresh(&mut self) -> (Value, u32) {
        self.named += 1;
        (Value::str(&format!("c{}", self.named)), 0)
    }
}

impl Generator for Counters {
    fn next(&mut self, ctx: &mut Context<'_>) -> Next {
        let Some(process) = some_process(ctx) else {
            return Next::Wait { until: None };
        };
        let place = ctx.rng.random_range(0..self.active.len());
        if percent(ctx.rng, self.read_percent) {
            let read = on(&self.active[place].0, "read", Value::Nil);
            // A counter that had its changes is read once more before it is retired.
            if self.active[place].1 >= self.changes {
                self.active[place] = self.fresh();
            }
            return Next::Invoke(process, read);
        }
        if self.active[place].1 >= self.changes {
            self.active[place] = self.fresh();
        }
        let f = if percent(ctx.rng, self.decrement_percent) {
            "decrement"
        } else {
            "increment"
        };
        self.active[place].1 += 1;
        Next::Invoke(process, on(&self.active[place].0, f, Value::Int(1)))
    }

    /// A change that did not happen does not count towards retirement.
    fn update(&mut self, _: &Context<'_>, op: &Op) {
        if op.kind == Kind::Fail
            && matches!(op.f.as_str(), "increment" | "decrement")
            && let Some((_, changes)) = self
                .active
                .iter_mut()
                .find(|(key, _)| Some(key) == op.key.as_ref())
        {
            *changes = changes.saturating_sub(1);
        }
    }
}
