//! Queues: a few at a time, each retired after so many elements were put in.
//!
//! | f | argument | result when ok |
//! |---|---|---|
//! | `enqueue` | a whole number, different from all others of the run | the argument |
//! | `dequeue` | nil | what was taken out, or nil: it was empty |
//! | `drain` | nil | the list of all that was left; asked for only after recovery |
//!
//! `key` is text: "q1", "q2", and so on. What goes in more often than it comes out is left for
//! the drain, which empties every queue after recovery: see [`finals`](crate::finals). So
//! whatever was acknowledged has come out in the end, or is lost.
//!
//! **Detects**: elements that are lost, come out twice, come from nowhere, or overtake what the
//! same process had put in before; outages.

use checkers::history::{Kind, Op, Value};
use checkers::queue::{Delivery, Order};
use checkers::{AllOf, Availability, Checker, Queue};
use rand::RngExt;

use crate::generator::{Context, Generator, Next, some_process};
use crate::load::{Values, on, percent};
use crate::{Options, Workload};

/// The workload, as a value. Of a hundred operations [`Options::read_percent`] are dequeues.
#[must_use]
pub fn workload(options: &Options) -> Workload {
    let queue = Queue {
        delivery: Delivery::ExactlyOnce,
        order: Order::Producer,
    };
    let all: Vec<Box<dyn Checker>> = vec![Box::new(queue), Box::new(Availability)];
    let mut load = Queues {
        active: Vec::new(),
        named: 0,
        dequeue_percent: options.read_percent.min(100),
        enqueues: options.writes_per_key.max(1),
        values: Values::default(),
    };
    for _ in 0..options.active_keys.max(1) {
        let fresh = load.fresh();
        load.active.push(fresh);
    }
    Workload {
        name: "queue",
        generator: Box::new(load),
        checker: Box::new(AllOf::new("queue", all)),
    }
}

/// The queues in use: key, and how often something was put in.
#[derive(Debug)]
struct Queues {
    active: Vec<(Value, u32)>,
    named: usize,
    dequeue_percent: u32,
    enqueues: u32,
    values: Values,
}

impl Queues {
    fn fresh(&mut self) -> (Value, u32) {
        self.named += 1;
        (Value::str(&format!("q{}", self.named)), 0)
    }
}

impl Generator for Queues {
    fn next(&mut self, ctx: &mut Context<'_>) -> Next {
        let Some(process) = some_process(ctx) else {
            return Next::Wait { until: None };
        };
        let place = ctx.rng.random_range(0..self.active.len());
        if percent(ctx.rng, self.dequeue_percent) {
            let dequeue = on(&self.active[place].0, "dequeue", Value::Nil);
            return Next::Invoke(process, dequeue);
        }
        if self.active[place].1 >= self.enqueues {
            self.active[place] = self.fresh();
        }
        self.active[place].1 += 1;
        let value = Value::Int(self.values.fresh());
        Next::Invoke(process, on(&self.active[place].0, "enqueue", value))
    }

    /// What was certainly not put in does not count towards retirement.
    fn update(&mut self, _: &Context<'_>, op: &Op) {
        if op.kind == Kind::Fail
            && op.f == "enqueue"
            && let Some((_, count)) = self
                .active
                .iter_mut()
                .find(|(key, _)| Some(key) == op.key.as_ref())
        {
            *count = count.saturating_sub(1);
        }
    }
}
