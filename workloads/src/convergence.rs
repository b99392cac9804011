//! Registers and sets from which elements are removed: what must become equal, and stay deleted.
//!
//! | f | argument | result when ok |
//! |---|---|---|
//! | `read`, `write`, `cas` | as in [`register`](crate::register) | |
//! | `add` | a whole number, different from all others of the run, or one that was removed from this set | the argument |
//! | `remove` | an element whose add was acknowledged | the argument |
//! | `read-set` | nil | the list of its elements, in any order |
//!
//! `key` names the set: "s1", "s2", and so on. An element is removed only after its add was
//! acknowledged, and added again only after its remove was, so that whoever brings it back
//! otherwise has undone a delete.
//!
//! After recovery the operator reads every register and every set on every node: see
//! [`finals`](crate::finals).
//!
//! **Detects**: nodes that differ in the end, and in what; how long they took to become equal;
//! deletes that are undone; nodes that do not follow one order; stale reads and by how much;
//! outages.

use checkers::history::{Kind, Op, Value};
use checkers::{AllOf, Availability, Checker, Convergence, Prefix, Stale};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use crate::generator::{Context, Generator, Invocation, Next, some_process};
use crate::load::{Values, on, percent};
use crate::register::Registers;
use crate::{Options, Workload};

/// How many of a hundred adds bring back what was removed, if anything was.
const AGAIN_PERCENT: u32 = 20;

/// The workload, as a value.
#[must_use]
pub fn workload(options: &Options) -> Workload {
    let all: Vec<Box<dyn Checker>> = vec![
        Box::new(Convergence),
        Box::new(Prefix),
        Box::new(Stale),
        Box::new(Availability),
    ];
    Workload {
        name: "convergence",
        generator: Box::new(Changing {
            registers: Registers::new(options),
            sets: Sets::new(options),
            // Without a share of either there is nothing to see of it.
            set_percent: options.set_percent.clamp(1, 99),
            values: Values::default(),
        }),
        checker: Box::new(AllOf::new("convergence", all)),
    }
}

/// Operations by any free process, as fast as asked. It is never over.
#[derive(Debug)]
struct Changing {
    registers: Registers,
    sets: Sets,
    set_percent: u32,
    values: Values,
}

impl Generator for Changing {
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
            Kind::Ok => {
                self.registers.learn(op);
                self.sets.learn(op);
            }
            // What certainly did not happen wears nothing out.
            Kind::Fail => {
                self.registers.take_back(op);
                self.sets.take_back(op);
            }
            Kind::Invoke | Kind::Info => {}
        }
    }
}

#[derive(Debug)]
struct Set {
    key: Value,
    adds: u32,
    /// Elements whose add was acknowledged, and that nobody was asked to remove.
    present: Vec<Value>,
    /// Elements whose remove was acknowledged, and that nobody was asked to add again.
    removed: Vec<Value>,
}

#[derive(Debug)]
struct Sets {
    active: Vec<Set>,
    named: usize,
    read_percent: u32,
    remove_percent: u32,
    adds_per_set: u32,
}

impl Sets {
    fn new(options: &Options) -> Self {
        let mut sets = Self {
            active: Vec::new(),
            named: 0,
            read_percent: options.read_set_percent.min(100),
            remove_percent: options.remove_percent.min(100),
            adds_per_set: options.adds_per_set.max(1),
        };
        for _ in 0..options.active_sets.max(1) {
            let set = sets.fresh();
            sets.active.push(set);
        }
        sets
    }

    fn fresh(&mut self) -> Set {
        self.named += 1;
        Set {
            key: Value::str(&format!("s{}", self.named)),
            adds: 0,
            present: Vec::new(),
            removed: Vec::new(),
        }
    }

    fn invocation(&mut self, values: &mut Values, rng: &mut ChaCha8Rng) -> Invocation {
        let place = rng.random_range(0..self.active.len());
        let is_worn = self.active[place].adds >= self.adds_per_set;
        if percent(rng, self.read_percent) {
            let read = on(&self.active[place].key, "read-set", Value::Nil);
            // A set that had its adds is read once more before it is retired.
            if is_worn {
                self.active[place] = self.fresh();
            }
            return read;
        }
        if is_worn {
            self.active[place] = self.fresh();
        }
        let removes = percent(rng, self.remove_percent);
        let set = &mut self.active[place];
        if removes && !set.present.is_empty() {
            let element = set
                .present
                .swap_remove(rng.random_range(0..set.present.len()));
            return on(&set.key, "remove", element);
        }
        set.adds += 1;
        if !set.removed.is_empty() && percent(rng, AGAIN_PERCENT) {
            let element = set
                .removed
                .swap_remove(rng.random_range(0..set.removed.len()));
            return on(&set.key, "add", element);
        }
        on(&set.key, "add", Value::Int(values.fresh()))
    }

    fn find(&mut self, op: &Op) -> Option<&mut Set> {
        let key = op.key.as_ref();
        self.active.iter_mut().find(|set| Some(&set.key) == key)
    }

    /// Remembers what is there to be removed, and what to be added again.
    fn learn(&mut self, op: &Op) {
        let Some(set) = self.find(op) else {
            return;
        };
        match op.f.as_str() {
            "add" => set.present.push(op.value.clone()),
            "remove" => set.removed.push(op.value.clone()),
            _ => {}
        }
    }

    /// What did not happen may be tried again.
    fn take_back(&mut self, op: &Op) {
        let Some(set) = self.find(op) else {
            return;
        };
        match op.f.as_str() {
            "add" => set.adds = set.adds.saturating_sub(1),
            "remove" => set.present.push(op.value.clone()),
            _ => {}
        }
    }
}
