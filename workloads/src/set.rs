//! Grow-only sets: a few at a time, each retired after so many adds.
//!
//! | f | argument | result when ok |
//! |---|---|---|
//! | `add` | a whole number, different from all others of the run | the argument |
//! | `read-set` | nil | the list of its elements, in any order |
//!
//! `key` names the set: "s1", "s2", and so on. Every element that was ever acknowledged must be
//! there for ever, so no write can hide the loss of another: of all workloads this counts lost
//! writes most exactly.
//!
//! After recovery the operator reads every set on every node: see [`finals`](crate::finals).
//!
//! **Detects**: acknowledged elements that are lost or that some nodes lack, elements from
//! nowhere or twice, reads that no order of the adds explains, outages.

use checkers::history::{Op, Value};
use checkers::{AllOf, Availability, Checker, Linearizable, Loss};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use crate::generator::Invocation;
use crate::load::{Load, Values, on, percent};
use crate::{Options, Workload};

/// The workload, as a value.
#[must_use]
pub fn workload(options: &Options) -> Workload {
    let all: Vec<Box<dyn Checker>> = vec![
        Box::new(Linearizable::default()),
        Box::new(Loss),
        Box::new(Availability),
    ];
    Workload {
        name: "set",
        generator: Box::new(Load::new(options, 100)),
        checker: Box::new(AllOf::new("set", all)),
    }
}

#[derive(Debug)]
struct Set {
    key: Value,
    adds: u32,
}

/// The sets in use.
#[derive(Debug)]
pub(crate) struct Sets {
    active: Vec<Set>,
    named: usize,
    read_percent: u32,
    adds_per_set: u32,
}

impl Sets {
    pub(crate) fn new(options: &Options) -> Self {
        let mut sets = Self {
            active: Vec::new(),
            named: 0,
            read_percent: options.read_set_percent.min(100),
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
        }
    }

    pub(crate) fn invocation(&mut self, values: &mut Values, rng: &mut ChaCha8Rng) -> Invocation {
        let place = rng.random_range(0..self.active.len());
        if percent(rng, self.read_percent) {
            let read = on(&self.active[place].key, "read-set", Value::Nil);
            // A set that had its adds is read once more before it is retired.
            if self.active[place].adds >= self.adds_per_set {
                self.active[place] = self.fresh();
            }
            return read;
        }
        if self.active[place].adds >= self.adds_per_set {
            self.active[place] = self.fresh();
        }
        let set = &mut self.active[place];
        set.adds += 1;
        on(&set.key, "add", Value::Int(values.fresh()))
    }

    /// An add that did not happen does not count towards the set's retirement.
    pub(crate) fn take_back(&mut self, op: &Op) {
        let key = op.key.as_ref();
        if op.f == "add"
            && let Some(set) = self.active.iter_mut().find(|set| Some(&set.key) == key)
        {
            set.adds = set.adds.saturating_sub(1);
        }
    }
}
