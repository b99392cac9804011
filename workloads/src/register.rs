//! Registers: a few keys at a time, each retired after so many writes.
//!
//! | f | argument | result when ok |
//! |---|---|---|
//! | `read` | nil | a whole number, or nil: the key is absent |
//! | `write` | a whole number, different from all others of the run | the argument |
//! | `cas` | the list `[old, new]`: becomes `new`, different from all others of the run, if it is `old`; `old` may be nil | the argument |
//!
//! `key` is text: "r1", "r2", and so on. Retiring keeps the history of each key short, so that
//! an operation of unknown outcome is forgotten, and it spreads the load over many keys, so
//! that every moment of the run leaves keys whose last write was near it: those are the ones
//! that show a loss.
//!
//! After recovery the operator reads every key on every node: see [`finals`](crate::finals).
//!
//! **Detects**: reads that no order of the operations explains, stale reads and by how much,
//! acknowledged writes that are lost, values that come from nowhere, outages.

use checkers::history::{Op, Value};
use checkers::{AllOf, Availability, Checker, Linearizable, Loss, Stale};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use crate::generator::Invocation;
use crate::load::{Load, Values, on, percent};
use crate::{Options, Workload};

/// How often a key is read after its last write, before it is retired.
const LAST_READS: u32 = 3;

/// The workload, as a value.
#[must_use]
pub fn workload(options: &Options) -> Workload {
    Workload {
        name: "register",
        generator: Box::new(Load::new(options, 0)),
        checker: checker("register"),
    }
}

/// Everything that can be judged of registers.
pub(crate) fn checker(name: &str) -> Box<dyn Checker> {
    Box::new(AllOf::new(name, checkers()))
}

pub(crate) fn checkers() -> Vec<Box<dyn Checker>> {
    vec![
        Box::new(Linearizable::default()),
        Box::new(Loss),
        Box::new(Stale),
        Box::new(Availability),
    ]
}

#[derive(Debug)]
struct Register {
    key: Value,
    writes: u32,
    last_reads: u32,
    /// The value that was last seen in it.
    seen: Value,
}

/// The keys in use.
#[derive(Debug)]
pub(crate) struct Registers {
    active: Vec<Register>,
    named: usize,
    read_percent: u32,
    cas_percent: u32,
    writes_per_key: u32,
}

impl Registers {
    pub(crate) fn new(options: &Options) -> Self {
        let mut registers = Self {
            active: Vec::new(),
            named: 0,
            read_percent: options.read_percent.min(100),
            cas_percent: options.cas_percent.min(100),
            writes_per_key: options.writes_per_key.max(1),
        };
        for _ in 0..options.active_keys.max(1) {
            let register = registers.fresh();
            registers.active.push(register);
        }
        registers
    }

    fn fresh(&mut self) -> Register {
        self.named += 1;
        Register {
            key: Value::str(&format!("r{}", self.named)),
            writes: 0,
            last_reads: 0,
            seen: Value::Nil,
        }
    }

    pub(crate) fn invocation(&mut self, values: &mut Values, rng: &mut ChaCha8Rng) -> Invocation {
        let place = rng.random_range(0..self.active.len());
        let reads = self.is_written(place) || percent(rng, self.read_percent);
        self.ask(place, reads, values, rng)
    }

    /// How many are in use.
    pub(crate) fn len(&self) -> usize {
        self.active.len()
    }

    /// The key of the one at that place.
    pub(crate) fn key(&self, place: usize) -> &Value {
        &self.active[place].key
    }

    /// Where the one of that key is, while it is in use.
    pub(crate) fn place(&self, key: &Value) -> Option<usize> {
        self.active.iter().position(|register| register.key == *key)
    }

    fn is_written(&self, place: usize) -> bool {
        self.active[place].writes >= self.writes_per_key
    }

    /// A read of the one at that place, or else a change; a read too if it had all its writes.
    pub(crate) fn ask(
        &mut self,
        place: usize,
        reads: bool,
        values: &mut Values,
        rng: &mut ChaCha8Rng,
    ) -> Invocation {
        let is_written = self.is_written(place);
        let register = &mut self.active[place];
        if is_written || reads {
            let read = on(&register.key, "read", Value::Nil);
            register.last_reads += u32::from(is_written);
            self.retire(place);
            return read;
        }
        register.writes += 1;
        let new = Value::Int(values.fresh());
        let write = if percent(rng, self.cas_percent) {
            let pair = Value::List(vec![register.seen.clone(), new]);
            on(&register.key, "cas", pair)
        } else {
            on(&register.key, "write", new)
        };
        self.retire(place);
        write
    }

    /// Takes a new key in place of one that had its writes and was read after them.
    fn retire(&mut self, place: usize) {
        let register = &self.active[place];
        let reads = if self.read_percent == 0 {
            0
        } else {
            LAST_READS
        };
        if register.writes >= self.writes_per_key && register.last_reads >= reads {
            self.active[place] = self.fresh();
        }
    }

    /// An operation that did not happen does not count towards the register's retirement.
    pub(crate) fn take_back(&mut self, op: &Op) {
        let key = op.key.as_ref();
        let Some(register) = self.active.iter_mut().find(|r| Some(&r.key) == key) else {
            return;
        };
        match op.f.as_str() {
            "write" | "cas" => register.writes = register.writes.saturating_sub(1),
            "read" => register.last_reads = register.last_reads.saturating_sub(1),
            _ => {}
        }
    }

    /// Remembers what a register was seen to hold, for compare-and-set to expect.
    pub(crate) fn learn(&mut self, op: &Op) {
        let value = match op.f.as_str() {
            "read" | "write" => &op.value,
            "cas" => match op.value.as_list() {
                Some([_, new]) => new,
                _ => return,
            },
            _ => return,
        };
        let key = op.key.as_ref();
        if let Some(register) = self.active.iter_mut().find(|r| Some(&r.key) == key) {
            register.seen = value.clone();
        }
    }
}
