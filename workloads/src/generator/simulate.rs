//! Runs a generator against an imagined system, without waiting: the same loop as the
//! interpreter's, with a clock of its own. For tests of generators and workloads.

use std::collections::BTreeMap;

use checkers::history::{Kind, Nanos, Op, Process, Value};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{Context, Generator, Invocation, Next};

/// How an imagined system answers one operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// How it ends: never `Invoke`.
    pub kind: Kind,
    /// The result; what was asked, where nothing came back.
    pub value: Value,
    /// How long it takes, in nanoseconds.
    pub latency: Nanos,
}

/// How long an operation takes in a perfect system, in nanoseconds.
pub const PERFECT_LATENCY: Nanos = 10;

/// The most entries that a simulation records: a generator that is never over would go on.
pub const MOST_ENTRIES: usize = 1_000_000;

/// Runs `generator` with that many clients against `system`, from time zero, until it is over
/// and nothing is open. Returns every entry: a start at its index, and its end later.
///
/// A client whose operation ends in `Info` is replaced by one with a new number. A generator
/// that waits while nothing is open and no time was named is stuck: the simulation ends.
///
/// # Panics
///
/// If the generator names a process that is not free.
pub fn simulate(
    generator: &mut dyn Generator,
    clients: u32,
    seed: u64,
    mut system: impl FnMut(Process, &Invocation, &mut ChaCha8Rng) -> Answer,
) -> Vec<Op> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut free: Vec<Process> = (0..clients).map(Process::Client).collect();
    let mut next_client = clients;
    let total = free.len();
    let mut now = 0;
    let mut ops: Vec<Op> = Vec::new();
    let mut open: BTreeMap<(Nanos, usize), (Invocation, Answer)> = BTreeMap::new();
    while ops.len() < MOST_ENTRIES {
        let mut ctx = Context {
            now,
            free: &free,
            total,
            rng: &mut rng,
        };
        let wake = match generator.next(&mut ctx) {
            Next::Invoke(process, invocation) => {
                let place = free.iter().position(|other| *other == process);
                free.swap_remove(place.expect("a generator names only a free process"));
                let answer = system(process, &invocation, &mut rng);
                let op = entry(&ops, now, process, Kind::Invoke, &invocation);
                generator.update(
                    &Context {
                        now,
                        free: &free,
                        total,
                        rng: &mut rng,
                    },
                    &op,
                );
                open.insert((now + answer.latency, ops.len()), (invocation, answer));
                ops.push(op);
                continue;
            }
            Next::Wait { until } => until,
            Next::Done if open.is_empty() => return ops,
            Next::Done => None,
        };
        let ends = open.first_key_value().map(|((end, _), _)| *end);
        let Some(at) = super::sooner(ends, wake) else {
            return ops;
        };
        now = now.max(at);
        if ends.is_some_and(|end| end <= now) {
            let ((_, start), (invocation, answer)) = open.pop_first().expect("one is open");
            let process = ops[start].process;
            let mut op = entry(&ops, now, process, answer.kind, &invocation);
            op.value = answer.value;
            free.push(match (answer.kind, process) {
                (Kind::Info, Process::Client(_)) => {
                    next_client += 1;
                    Process::Client(next_client - 1)
                }
                _ => process,
            });
            generator.update(
                &Context {
                    now,
                    free: &free,
                    total,
                    rng: &mut rng,
                },
                &op,
            );
            ops.push(op);
        }
    }
    ops
}

fn entry(ops: &[Op], time: Nanos, process: Process, kind: Kind, asked: &Invocation) -> Op {
    Op {
        index: ops.len(),
        time,
        process,
        kind,
        f: asked.f.clone(),
        key: asked.key.clone(),
        value: asked.value.clone(),
        node: asked.node.clone(),
        error: None,
    }
}

/// Against a system that does everything at once and without fail.
pub fn perfect(generator: &mut dyn Generator, clients: u32, seed: u64) -> Vec<Op> {
    simulate(generator, clients, seed, |_, asked, _| Answer {
        kind: Kind::Ok,
        value: asked.value.clone(),
        latency: PERFECT_LATENCY,
    })
}

/// Against a system that takes from one to a hundred milliseconds.
pub fn slow(generator: &mut dyn Generator, clients: u32, seed: u64) -> Vec<Op> {
    simulate(generator, clients, seed, |_, asked, rng| Answer {
        kind: Kind::Ok,
        value: asked.value.clone(),
        latency: rng.random_range(1_000_000..100_000_000),
    })
}

/// Against a system that loses one operation in three and refuses one in three.
pub fn crashing(generator: &mut dyn Generator, clients: u32, seed: u64) -> Vec<Op> {
    simulate(generator, clients, seed, |_, asked, rng| Answer {
        kind: [Kind::Ok, Kind::Fail, Kind::Info][rng.random_range(0..3)],
        value: asked.value.clone(),
        latency: rng.random_range(1_000_000..100_000_000),
    })
}
