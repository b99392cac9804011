//! The generator behind workloads of keys that are written once: a few groups at a time.
//!
//! Each group is written key by key while it is read as a whole, and retired some reads after
//! its last write. Reads are frequent in between, since only reads that see a part of a group
//! can contradict each other.

use checkers::history::{F, Kind, Op, Value};
use rand::RngExt;

use crate::Options;
use crate::generator::{Context, Generator, Invocation, Next, some_process};
use crate::load::{Values, percent};

/// How often a group is read after its last write, before it is retired.
const LAST_READS: u32 = 3;

/// One step of a transaction.
pub(crate) fn step(f: &str, key: i64, value: Value) -> Value {
    Value::List(vec![Value::str(f), Value::Int(key), value])
}

/// A transaction of these steps.
pub(crate) fn txn(steps: impl IntoIterator<Item = Value>) -> Invocation {
    Invocation::new(
        F::new("txn"),
        None,
        Value::List(steps.into_iter().collect()),
    )
}

#[derive(Debug)]
struct Group {
    /// The keys that are to be written, the last one first.
    unwritten: Vec<i64>,
    first: i64,
    last_reads: u32,
}

/// Groups of keys in use.
#[derive(Debug)]
pub(crate) struct Groups {
    size: i64,
    active: Vec<Group>,
    wanted: usize,
    next_key: i64,
    read_percent: u32,
    values: Values,
}

impl Groups {
    pub(crate) fn new(options: &Options, size: i64) -> Self {
        Self {
            size,
            active: Vec::new(),
            // Every client at one group would leave little to chance.
            wanted: options.active_keys.clamp(1, 4),
            next_key: 0,
            read_percent: options.read_percent.clamp(20, 95),
            values: Values::default(),
        }
    }

    fn fill(&mut self) {
        while self.active.len() < self.wanted {
            let first = self.next_key;
            self.next_key += self.size;
            self.active.push(Group {
                unwritten: (first..self.next_key).rev().collect(),
                first,
                last_reads: 0,
            });
        }
    }
}

impl Generator for Groups {
    fn next(&mut self, ctx: &mut Context<'_>) -> Next {
        let Some(process) = some_process(ctx) else {
            return Next::Wait { until: None };
        };
        self.fill();
        let place = ctx.rng.random_range(0..self.active.len());
        let group = &mut self.active[place];
        let is_read = group.unwritten.is_empty() || percent(ctx.rng, self.read_percent);
        if !is_read && let Some(key) = group.unwritten.pop() {
            let write = step("w", key, Value::Int(self.values.fresh()));
            return Next::Invoke(process, txn([write]));
        }
        let keys = group.first..group.first + self.size;
        if group.unwritten.is_empty() {
            group.last_reads += 1;
            if group.last_reads > LAST_READS {
                self.active.remove(place);
            }
        }
        Next::Invoke(process, txn(keys.map(|key| step("r", key, Value::Nil))))
    }

    /// What certainly did not happen is asked for again.
    fn update(&mut self, _: &Context<'_>, op: &Op) {
        let Some([only]) = op.value.as_list() else {
            return;
        };
        if op.kind != Kind::Fail {
            return;
        }
        if let Some([_, Value::Int(key), _]) = only.as_list() {
            let within = |group: &&mut Group| (group.first..group.first + self.size).contains(key);
            if let Some(group) = self.active.iter_mut().find(within) {
                group.unwritten.push(*key);
            }
        }
    }
}
