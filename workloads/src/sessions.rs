//! Registers, asked such that it shows what sessions are promised.
//!
//! Operations, arguments and results are those of [`register`](crate::register), and so is the
//! way in which keys retire. What differs is who asks what. Every client goes through short
//! scripts on two keys, a and b:
//!
//! | script | what it can show |
//! |---|---|
//! | read b, read a, read b | what it misses of what others wrote to a before b; reads that go back |
//! | write a, write b | for others: whether its writes arrive in their order |
//! | read a, write b | for others: whether what it read arrives before what it wrote |
//! | write a, read a | whether it sees its own writes |
//!
//! Writers go from the first key to the second, readers from the second to the first: who sees
//! the effect looks for the cause. The same few keys are shared by all, so that every client
//! meets what every other one did.
//!
//! After recovery the operator reads every key on every node: see [`finals`](crate::finals).
//!
//! **Detects**: which guarantees of sessions are broken, up to sequential consistency; and what
//! `register` detects.

use std::collections::{BTreeMap, VecDeque};

use checkers::history::{Kind, Op, Process, Value};
use checkers::{AllOf, Checker, Sessions};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use crate::generator::{Context, Generator, Next, some_process};
use crate::load::{Values, percent};
use crate::register::{Registers, checkers};
use crate::{Options, Workload};

/// The workload, as a value.
#[must_use]
pub fn workload(options: &Options) -> Workload {
    let mut all = checkers();
    all.push(Box::new(Sessions::all()) as Box<dyn Checker>);
    Workload {
        name: "sessions",
        generator: Box::new(Scripts {
            registers: Registers::new(options),
            values: Values::default(),
            read_percent: options.read_percent.min(100),
            scripts: BTreeMap::new(),
        }),
        checker: Box::new(AllOf::new("sessions", all)),
    }
}

/// What a client does next: on which key, and whether it reads it.
#[derive(Clone, Debug)]
struct Step {
    key: Value,
    reads: bool,
}

/// Each client's script, as fast as asked. It is never over.
#[derive(Debug)]
struct Scripts {
    registers: Registers,
    values: Values,
    /// How many of a hundred scripts only read.
    read_percent: u32,
    scripts: BTreeMap<Process, VecDeque<Step>>,
}

impl Scripts {
    fn script(&self, rng: &mut ChaCha8Rng) -> VecDeque<Step> {
        let mut places = [0, 0].map(|_| rng.random_range(0..self.registers.len()));
        places.sort_unstable();
        let [a, b] = places.map(|place| self.registers.key(place));
        let steps: &[(&Value, bool)] = if percent(rng, self.read_percent) {
            &[(b, true), (a, true), (b, true)]
        } else {
            match rng.random_range(0..3) {
                0 => &[(a, false), (b, false)],
                1 => &[(a, true), (b, false)],
                _ => &[(a, false), (a, true)],
            }
        };
        let steps = steps.iter().map(|&(key, reads)| Step {
            key: key.clone(),
            reads,
        });
        steps.collect()
    }
}

impl Generator for Scripts {
    fn next(&mut self, ctx: &mut Context<'_>) -> Next {
        let Some(process) = some_process(ctx) else {
            return Next::Wait { until: None };
        };
        let mut script = self.scripts.remove(&process).unwrap_or_default();
        loop {
            let Some(step) = script.pop_front() else {
                script = self.script(ctx.rng);
                continue;
            };
            // The key may have retired since the script was made.
            let Some(place) = self.registers.place(&step.key) else {
                continue;
            };
            let invocation = self
                .registers
                .ask(place, step.reads, &mut self.values, ctx.rng);
            self.scripts.insert(process, script);
            return Next::Invoke(process, invocation);
        }
    }

    fn update(&mut self, _: &Context<'_>, op: &Op) {
        match op.kind {
            Kind::Ok => self.registers.learn(op),
            // As in the other workloads: refusals must not wear the keys out.
            Kind::Fail => self.registers.take_back(op),
            Kind::Info => {
                self.scripts.remove(&op.process);
            }
            Kind::Invoke => {}
        }
    }
}
