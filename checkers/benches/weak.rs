//! How fast the weaker guarantees are judged, and how much memory that takes.
//!
//! ```text
//! cargo bench -p checkers --bench weak                      # 10^4 to 10^6 operations
//! cargo bench -p checkers --bench weak -- 10000000          # that many; of one shape only
//! cargo bench -p checkers --bench weak -- causal 1000000    # one of them
//! cargo bench -p checkers --bench weak -- 10000 10000000    # several sizes
//! ```
//!
//! The histories are made here, in memory, and lie there as columns before the clock starts:
//! copies of one log that lag, which is sequential, or replicas that take writes all by
//! themselves and hand them on in causal order. Where the latest of two wins, that is causal and
//! convergent; where the last to arrive does, each session has an order of its own: causal memory
//! and PRAM. Each row is measured in a process of its own. Memory is what the judge adds at its
//! peak. A further judge is a row of [`JUDGES`], with a history that it must not refute.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a benchmark reads files and clocks, and prints"
)]

use std::collections::VecDeque;
use std::time::Instant;

use checkers::calls::Calls;
use checkers::history::{Event, Kind, Process, Sink, ValueRef};
use checkers::{Budget, Checker, Convergence, Guarantee, Prefix, Sessions, Verdict};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// What a history is made of.
#[derive(Clone, Copy)]
struct Shape {
    operations: usize,
    sessions: usize,
    /// How many of a thousand writes end unknown.
    unknown: u32,
}

/// Makes a history.
type Make = fn(Shape) -> Calls;

/// A judge, and what it judges.
struct Judge {
    name: &'static str,
    build: fn() -> Box<dyn Checker>,
    make: Make,
}

const JUDGES: &[Judge] = &[
    Judge {
        name: "read-your-writes",
        build: || Box::new(Sessions::of(Guarantee::ReadYourWrites)),
        make: registers,
    },
    Judge {
        name: "monotonic-reads",
        build: || Box::new(Sessions::of(Guarantee::MonotonicReads)),
        make: registers,
    },
    Judge {
        name: "monotonic-writes",
        build: || Box::new(Sessions::of(Guarantee::MonotonicWrites)),
        make: registers,
    },
    Judge {
        name: "writes-follow-reads",
        build: || Box::new(Sessions::of(Guarantee::WritesFollowReads)),
        make: registers,
    },
    Judge {
        name: "pram",
        build: || Box::new(Sessions::of(Guarantee::Pram)),
        make: registers,
    },
    Judge {
        name: "causal",
        build: || Box::new(Sessions::of(Guarantee::Causal)),
        make: registers,
    },
    Judge {
        name: "causal-convergence",
        build: || Box::new(Sessions::of(Guarantee::CausalConvergence)),
        make: registers,
    },
    Judge {
        name: "causal-memory",
        build: || Box::new(Sessions::of(Guarantee::CausalMemory)),
        make: registers,
    },
    Judge {
        name: "sequential",
        build: || Box::new(Sessions::of(Guarantee::Sequential)),
        make: registers,
    },
    Judge {
        name: "sessions",
        build: || Box::new(Sessions::all()),
        make: registers,
    },
    Judge {
        name: "prefix",
        build: || Box::new(Prefix),
        make: copies,
    },
    Judge {
        name: "convergence",
        build: || Box::new(Convergence),
        make: copies,
    },
    Judge {
        name: "writes-follow-reads, replicas",
        build: || Box::new(Sessions::of(Guarantee::WritesFollowReads)),
        make: |shape| replicas(shape, true),
    },
    Judge {
        name: "pram, replicas",
        build: || Box::new(Sessions::of(Guarantee::Pram)),
        make: |shape| replicas(shape, false),
    },
    Judge {
        name: "causal-memory, replicas",
        build: || Box::new(Sessions::of(Guarantee::CausalMemory)),
        make: |shape| replicas(shape, false),
    },
    Judge {
        name: "causal, replicas",
        build: || Box::new(Sessions::of(Guarantee::Causal)),
        make: |shape| replicas(shape, true),
    },
    Judge {
        name: "causal-convergence, replicas",
        build: || Box::new(Sessions::of(Guarantee::CausalConvergence)),
        make: |shape| replicas(shape, true),
    },
];

/// How many keys are in use at a time, and after how many operations one is retired.
const KEYS: usize = 64;
const PER_KEY: u32 = 200;

/// The keys in use: of each its name, and how often it was asked for.
struct Keys {
    names: Vec<(i64, u32)>,
    named: i64,
}

impl Keys {
    fn new() -> Self {
        let named = i64::try_from(KEYS).expect("few keys");
        Self {
            names: (1..=named).map(|name| (name, 0)).collect(),
            named,
        }
    }

    /// One of them by chance: its place, and its name. A key that was asked for often enough
    /// makes way for a new one.
    fn pick(&mut self, rng: &mut ChaCha8Rng) -> (usize, i64) {
        let place = rng.random_range(0..KEYS);
        if self.names[place].1 == PER_KEY {
            self.named += 1;
            self.names[place] = (self.named, 0);
        }
        self.names[place].1 += 1;
        (place, self.names[place].0)
    }
}

/// Writes down what sessions do.
struct Scribe {
    calls: Calls,
    rng: ChaCha8Rng,
    shape: Shape,
    processes: Vec<u32>,
    fresh: u32,
    line: usize,
}

impl Scribe {
    fn new(shape: Shape) -> Self {
        Self {
            calls: Calls::default(),
            rng: ChaCha8Rng::seed_from_u64(1),
            shape,
            processes: (0..).take(shape.sessions).collect(),
            fresh: u32::try_from(shape.sessions).expect("few sessions"),
            line: 0,
        }
    }

    fn tell(&mut self, process: u32, kind: Kind, f: &str, key: i64, value: Option<i64>, node: u8) {
        self.line += 1;
        let name = [b'n', b'0' + node];
        self.calls.event(&Event {
            line: self.line,
            index: Some(self.line),
            time: None,
            process: Process::Client(process),
            kind,
            f,
            key: Some(ValueRef::Int(key)),
            value: value.map_or(ValueRef::Nil, ValueRef::Int),
            node: std::str::from_utf8(&name).ok(),
            error: None,
        });
    }

    fn write(&mut self, session: usize, key: i64, value: i64, node: u8) {
        let process = self.processes[session];
        self.tell(process, Kind::Invoke, "write", key, Some(value), node);
        if self.rng.random_ratio(self.shape.unknown, 1000) {
            self.tell(process, Kind::Info, "write", key, Some(value), node);
            self.processes[session] = self.fresh;
            self.fresh += 1;
        } else {
            self.tell(process, Kind::Ok, "write", key, Some(value), node);
        }
    }

    fn read(&mut self, session: usize, key: i64, seen: Option<i64>, node: u8) {
        let process = self.processes[session];
        self.tell(process, Kind::Invoke, "read", key, None, node);
        self.tell(process, Kind::Ok, "read", key, seen, node);
    }
}

/// The writes to a key in use, each with its place in the log; and the key's name.
type Written = (i64, VecDeque<(usize, i64)>);

/// What was the last write to a key at some place in the log.
fn last_at(written: &mut [Written], (place, name): (usize, i64), at: usize) -> Option<i64> {
    let (named, writes) = &mut written[place];
    if *named != name {
        (*named, *writes) = (name, VecDeque::new());
    }
    let seen = writes.iter().rev().find(|(other, _)| *other <= at);
    seen.map(|(_, value)| *value)
}

/// Copies that lag: every session reads at its own place in one log of the writes, never before
/// its own last one, and never going back.
fn registers(shape: Shape) -> Calls {
    let mut scribe = Scribe::new(shape);
    let mut keys = Keys::new();
    let mut written: Vec<Written> = vec![(0, VecDeque::new()); KEYS];
    let mut places = vec![0; shape.sessions];
    let mut log = 0;
    for _ in 0..shape.operations {
        let session = scribe.rng.random_range(0..shape.sessions);
        let key = keys.pick(&mut scribe.rng);
        last_at(&mut written, key, 0);
        if scribe.rng.random_bool(0.5) {
            log += 1;
            let value = i64::try_from(log).expect("few writes");
            written[key.0].1.push_back((log, value));
            places[session] = log;
            scribe.write(session, key.1, value, 0);
        } else {
            let behind = log.saturating_sub(scribe.rng.random_range(0..200));
            places[session] = places[session].max(behind);
            let seen = last_at(&mut written, key, places[session]);
            scribe.read(session, key.1, seen, 0);
        }
    }
    scribe.calls
}

/// How many nodes there are.
const NODES: usize = 5;

/// Nodes that follow one log, each from its own place, and are equal in the end.
fn copies(shape: Shape) -> Calls {
    let mut scribe = Scribe::new(shape);
    let mut keys = Keys::new();
    let mut written: Vec<Written> = vec![(0, VecDeque::new()); KEYS];
    let mut lasts: Vec<Option<i64>> = vec![None];
    let mut places = [0; NODES];
    let mut log = 0;
    for _ in 0..shape.operations {
        let session = scribe.rng.random_range(0..shape.sessions);
        let key = keys.pick(&mut scribe.rng);
        last_at(&mut written, key, 0);
        let named = usize::try_from(keys.named).expect("few keys") + 1;
        lasts.resize(named.max(lasts.len()), None);
        if scribe.rng.random_bool(0.5) {
            log += 1;
            let value = i64::try_from(log).expect("few writes");
            written[key.0].1.push_back((log, value));
            lasts[usize::try_from(key.1).expect("few keys")] = Some(value);
            scribe.write(session, key.1, value, 0);
        } else {
            let node = scribe.rng.random_range(0..NODES);
            let behind = log.saturating_sub(scribe.rng.random_range(0..200));
            places[node] = places[node].max(behind);
            let seen = last_at(&mut written, key, places[node]);
            let number = u8::try_from(node).expect("few nodes");
            scribe.read(session, key.1, seen, number);
        }
    }
    for (key, last) in (0..).zip(lasts).skip(1) {
        for node in 0..u8::try_from(NODES).expect("few nodes") {
            let process = scribe.fresh;
            scribe.tell(process, Kind::Invoke, "final-read", key, None, node);
            scribe.tell(process, Kind::Ok, "final-read", key, last, node);
        }
    }
    scribe.calls
}

/// A write that replicas hand on: the key's place and name, the value, its stamp, and how many
/// writes of each replica its own one had when it was made.
struct Handed {
    key: (usize, i64),
    value: i64,
    stamp: (u64, usize),
    after: [usize; NODES],
}

/// What a replica holds of a key in use: its name, the value and its stamp.
type Held = (i64, Option<i64>, (u64, usize));

/// A node that takes writes by itself.
struct Replica {
    held: [Held; KEYS],
    /// How many writes of each replica it has.
    has: [usize; NODES],
    clock: u64,
}

impl Replica {
    fn take(&mut self, from: usize, handed: &Handed, latest_wins: bool) {
        self.has[from] += 1;
        self.clock = self.clock.max(handed.stamp.0);
        let held = &mut self.held[handed.key.0];
        // A key that has made way is nobody's business any more.
        let newer = handed.key.1 > held.0;
        let wins = !latest_wins || handed.stamp > held.2;
        if newer || handed.key.1 == held.0 && wins {
            *held = (handed.key.1, Some(handed.value), handed.stamp);
        }
    }

    fn read(&self, key: (usize, i64)) -> Option<i64> {
        let held = self.held[key.0];
        (held.0 == key.1).then_some(held.1).flatten()
    }
}

/// Replicas that take writes all by themselves and hand them on in causal order; the latest wins,
/// or whichever arrives last.
fn replicas(shape: Shape, latest_wins: bool) -> Calls {
    let mut scribe = Scribe::new(shape);
    let mut keys = Keys::new();
    let mut nodes: Vec<Replica> = (0..NODES)
        .map(|_| Replica {
            held: [(0, None, (0, 0)); KEYS],
            has: [0; NODES],
            clock: 0,
        })
        .collect();
    let mut logs: Vec<Vec<Handed>> = (0..NODES).map(|_| Vec::new()).collect();
    for value in (1..).take(shape.operations) {
        let session = scribe.rng.random_range(0..shape.sessions);
        let key = keys.pick(&mut scribe.rng);
        let at = session % NODES;
        let number = u8::try_from(at).expect("few nodes");
        if scribe.rng.random_bool(0.5) {
            let stamp = (nodes[at].clock + 1, at);
            let after = nodes[at].has;
            let handed = Handed {
                key,
                value,
                stamp,
                after,
            };
            nodes[at].take(at, &handed, latest_wins);
            logs[at].push(handed);
            scribe.write(session, key.1, value, number);
        } else {
            let seen = nodes[at].read(key);
            scribe.read(session, key.1, seen, number);
        }
        // Now and then one gets from another all that it may have.
        if scribe.rng.random_ratio(1, 10) {
            let into = scribe.rng.random_range(0..NODES);
            let from = scribe.rng.random_range(0..NODES);
            while let Some(handed) = logs[from].get(nodes[into].has[from])
                && from != into
                && (0..NODES).all(|one| handed.after[one] <= nodes[into].has[one])
            {
                nodes[into].take(from, handed, latest_wins);
            }
        }
    }
    scribe.calls
}

fn megabytes(name: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with(name));
    let kilobytes = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<f64>().ok());
    kilobytes.unwrap_or(0.0) / 1024.0
}

/// Small histories are judged so often that this many operations are.
const OPERATIONS: usize = 1_000_000;

/// The best of three times in seconds, the memory in megabytes, and the verdict.
fn measure(checker: &dyn Checker, calls: &Calls, name: &str) -> (f64, f64, Verdict) {
    let (mut best, mut peak) = (f64::INFINITY, 0.0_f64);
    let mut verdict = Verdict::Undecided;
    let times = OPERATIONS.div_ceil(calls.len().max(1));
    for _ in 0..3 {
        let before = megabytes("VmRSS");
        // Where the kernel lets us, the peak is measured from here.
        let reset = std::fs::write("/proc/self/clear_refs", "5").is_ok();
        let start = Instant::now();
        for _ in 0..times {
            let report = checker.judge(calls, &Budget::unlimited());
            assert_ne!(report.verdict, Verdict::Violated, "{name}: {report:#?}");
            verdict = report.verdict;
        }
        #[expect(clippy::cast_precision_loss, reason = "few times")]
        let once = start.elapsed().as_secs_f64() / times as f64;
        best = best.min(once);
        if reset {
            peak = peak.max(megabytes("VmHWM") - before);
        }
    }
    (best, peak, verdict)
}

/// Sessions, and how many of a thousand writes end unknown.
const SHAPES: [(usize, u32); 4] = [(5, 0), (50, 0), (50, 10), (50, 200)];

/// What tells a process to measure one row: the places of the judge and of the shape follow, and
/// how many operations.
const ALONE: &str = "--alone";

/// Measures one row, and prints it.
fn alone(judge: &Judge, shape: Shape) {
    let calls = (judge.make)(shape);
    assert!(calls.irregular().is_none(), "{:?}", calls.irregular());
    let (best, peak, verdict) = measure(&*(judge.build)(), &calls, judge.name);
    #[expect(clippy::cast_precision_loss, reason = "it is printed with one digit")]
    let count = shape.operations as f64;
    println!(
        "| {} | {} | {} | {} % | {:.2} | {:.0} | {verdict:?} |",
        judge.name,
        shape.operations,
        shape.sessions,
        f64::from(shape.unknown) / 10.0,
        count / best / 1e6,
        peak * 1_048_576.0 / count,
    );
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let mut sizes: Vec<usize> = words.iter().filter_map(|word| word.parse().ok()).collect();
    if words.first().is_some_and(|word| word == ALONE) {
        let (sessions, unknown) = SHAPES[sizes[1]];
        let shape = Shape {
            operations: sizes[2],
            sessions,
            unknown,
        };
        return alone(&JUDGES[sizes[0]], shape);
    }
    if sizes.is_empty() {
        sizes = vec![10_000, 100_000, 1_000_000];
    }
    let is_named = |judge: &Judge| words.iter().any(|word| word == judge.name);
    let all = !JUDGES.iter().any(is_named);
    println!(
        "| judge | operations | sessions | unknown | M operations/s | bytes/operation | verdict |"
    );
    println!("| --- | ---: | ---: | ---: | ---: | ---: | --- |");
    let this = std::env::current_exe().expect("a program knows where it lies");
    for &operations in &sizes {
        for (shape, &(sessions, unknown)) in SHAPES.iter().enumerate() {
            // Beyond a million, one shape tells how the cost grows.
            if operations > 1_000_000 && (sessions, unknown) != (50, 0) {
                continue;
            }
            for (place, _) in JUDGES
                .iter()
                .enumerate()
                .filter(|(_, judge)| all || is_named(judge))
            {
                let row = [place, shape, operations].map(|number| number.to_string());
                let mut child = std::process::Command::new(&this);
                let status = child.arg(ALONE).args(row).status().expect("it starts");
                assert!(status.success(), "{} failed", JUDGES[place].name);
            }
        }
    }
}
