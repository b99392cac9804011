//! How fast the weaker guarantees are judged, and how much memory that takes.
//!
//! ```text
//! cargo bench -p checkers --bench weak                      # 10^4 to 10^6 operations
//! cargo bench -p checkers --bench weak -- 10000000          # that many
//! cargo bench -p checkers --bench weak -- causal 1000000    # one of them
//! ```
//!
//! The histories are made here, in memory, and lie there as columns before the clock starts.
//! Memory is what the judge adds to them at its peak. A further judge is a row of [`JUDGES`],
//! with a history that it must not refute.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a benchmark reads files and clocks, and prints"
)]

use std::collections::VecDeque;
use std::time::Instant;

use checkers::calls::Calls;
use checkers::history::{Event, Kind, Process, Sink, ValueRef};
use checkers::{Budget, Checker, Guarantee, Sessions, Verdict};
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
];

/// How many keys are in use at a time, and after how many operations one is retired.
const KEYS: usize = 64;
const PER_KEY: u32 = 200;

/// A key in use: its name, what was asked of it, and its writes, each with its place in the log.
#[derive(Default)]
struct Key {
    name: i64,
    asked: u32,
    writes: VecDeque<(usize, i64)>,
}

/// A history of registers with copies that lag: every session reads at its own place in one
/// log of the writes, never before its own last one, and never going back.
fn registers(shape: Shape) -> Calls {
    let mut calls = Calls::default();
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut keys: Vec<Key> = Vec::new();
    let mut named = 0;
    for _ in 0..KEYS {
        named += 1;
        keys.push(Key {
            name: named,
            ..Key::default()
        });
    }
    let mut processes: Vec<u32> = (0..).take(shape.sessions).collect();
    let mut fresh = u32::try_from(shape.sessions).expect("few sessions");
    let mut places = vec![0; shape.sessions];
    let (mut log, mut line) = (0, 0);
    for _ in 0..shape.operations {
        let session = rng.random_range(0..shape.sessions);
        let place = rng.random_range(0..KEYS);
        if keys[place].asked == PER_KEY {
            named += 1;
            keys[place] = Key {
                name: named,
                ..Key::default()
            };
        }
        let key = &mut keys[place];
        key.asked += 1;
        let (f, argument, result, kind) = if rng.random_bool(0.5) {
            log += 1;
            let value = i64::try_from(log).expect("few writes");
            key.writes.push_back((log, value));
            places[session] = log;
            let unknown = rng.random_ratio(shape.unknown, 1000);
            let kind = if unknown { Kind::Info } else { Kind::Ok };
            ("write", ValueRef::Int(value), ValueRef::Int(value), kind)
        } else {
            let behind = log.saturating_sub(rng.random_range(0..200));
            places[session] = places[session].max(behind);
            let seen = key.writes.iter().rev();
            let seen = seen.clone().find(|(at, _)| *at <= places[session]);
            let seen = seen.map_or(ValueRef::Nil, |(_, value)| ValueRef::Int(*value));
            ("read", ValueRef::Nil, seen, Kind::Ok)
        };
        let name = key.name;
        let mut tell = |kind, value| {
            line += 1;
            calls.event(&Event {
                line,
                index: Some(line),
                time: None,
                process: Process::Client(processes[session]),
                kind,
                f,
                key: Some(ValueRef::Int(name)),
                value,
                node: None,
                error: None,
            });
        };
        tell(Kind::Invoke, argument);
        tell(kind, result);
        if kind == Kind::Info {
            processes[session] = fresh;
            fresh += 1;
        }
    }
    calls
}

fn megabytes(name: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with(name));
    let kilobytes = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<f64>().ok());
    kilobytes.unwrap_or(0.0) / 1024.0
}

/// The best of three runs in seconds, the memory in megabytes, and the verdict.
fn measure(checker: &dyn Checker, calls: &Calls, name: &str) -> (f64, f64, Verdict) {
    let (mut best, mut peak) = (f64::INFINITY, 0.0_f64);
    let mut verdict = Verdict::Undecided;
    for _ in 0..3 {
        let before = megabytes("VmRSS");
        // Where the kernel lets us, the peak is measured from here.
        let reset = std::fs::write("/proc/self/clear_refs", "5").is_ok();
        let start = Instant::now();
        let report = checker.judge(calls, &Budget::unlimited());
        best = best.min(start.elapsed().as_secs_f64());
        assert_ne!(report.verdict, Verdict::Violated, "{name}: {report:#?}");
        verdict = report.verdict;
        if reset {
            peak = peak.max(megabytes("VmHWM") - before);
        }
    }
    (best, peak, verdict)
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let told = words.iter().find_map(|word| word.parse().ok());
    let sizes = told.map_or(vec![10_000, 100_000, 1_000_000], |size: usize| vec![size]);
    let asked = |judge: &&Judge| {
        let names = || {
            JUDGES
                .iter()
                .filter(|other| words.iter().any(|word| word == other.name))
        };
        names().next().is_none() || names().any(|other| other.name == judge.name)
    };
    println!(
        "| judge | operations | sessions | unknown | M operations/s | bytes/operation | verdict |"
    );
    println!("| --- | ---: | ---: | ---: | ---: | ---: | --- |");
    for &operations in &sizes {
        for (sessions, unknown) in [(5, 0), (50, 0), (50, 10), (50, 200)] {
            let shape = Shape {
                operations,
                sessions,
                unknown,
            };
            let mut made: Option<(Make, Calls)> = None;
            for judge in JUDGES.iter().filter(asked) {
                // One history serves all judges of its kind.
                if !made
                    .as_ref()
                    .is_some_and(|(make, _)| std::ptr::fn_addr_eq(*make, judge.make))
                {
                    made = Some((judge.make, (judge.make)(shape)));
                }
                let Some((_, calls)) = &made else { continue };
                assert!(calls.irregular().is_none(), "{:?}", calls.irregular());
                let (best, peak, verdict) = measure(&*(judge.build)(), calls, judge.name);
                #[expect(clippy::cast_precision_loss, reason = "it is printed with one digit")]
                let count = operations as f64;
                println!(
                    "| {} | {operations} | {sessions} | {} % | {:.2} | {:.0} | {verdict:?} |",
                    judge.name,
                    f64::from(unknown) / 10.0,
                    count / best / 1e6,
                    peak * 1_048_576.0 / count,
                );
            }
        }
    }
}
