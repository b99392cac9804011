//! The generator behind the workloads: registers and sets, each retired after so many changes.

use checkers::history::{F, Kind, Op, Value};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use crate::Options;
use crate::generator::{Context, Generator, Invocation, Next, some_process};
use crate::register::Registers;
use crate::set::Sets;

/// Operations on registers and sets by any free process, as fast as asked. It is never over.
#[derive(Debug)]
pub(crate) struct Load {
    registers: Registers,
    sets: Sets,
    /// How many operations of a hundred are on sets.
    set_percent: u32,
    values: Values,
}

/// Values that are different over the whole run.
#[derive(Debug, Default)]
pub(crate) struct Values {
    last: i64,
}

impl Values {
    pub(crate) fn fresh(&mut self) -> i64 {
        self.last += 1;
        self.last
    }
}

impl Load {
    pub(crate) fn new(options: &Options, set_percent: u32) -> Self {
        Self {
            registers: Registers::new(options),
            sets: Sets::new(options),
            set_percent,
            values: Values::default(),
        }
    }
}

/// Whether a thing that happens so many times in a hundred happens now.
pub(crate) fn percent(rng: &mut ChaCha8Rng, percent: u32) -> bool {
    rng.random_range(0..100) < percent
}

/// An operation on a named object.
pub(crate) fn on(key: &Value, f: &'static str, value: Value) -> Invocation {
    Invocation::new(F::new(f), Some(key.clone()), value)
}

impl Generator for Load {
    fn next(&mut self, ctx: &mut Context<'_>) -> Next {
        let Some(process) = some_process(ctx) else {
            return Next::Wait { until: None };
        };
        let invocation = if percent(ctx.rng, self.set_percent) {
            self.sets.invocation(&mut self.values, ctx.rng)
        } else {
            self.registers.invocation(&mut self.values, ctx.rng)
        };
        Next::Invoke(process, invocation)
    }

    fn update(&mut self, _: &Context<'_>, op: &Op) {
        match op.kind {
            Kind::Ok => self.registers.learn(op),
            // Refusals come fast while nobody leads; counted, they would retire every object
            // before the new leader answers, and nobody would ask for what the old one lost.
            Kind::Fail => {
                self.registers.take_back(op);
                self.sets.take_back(op);
            }
            Kind::Invoke | Kind::Info => {}
        }
    }
}
