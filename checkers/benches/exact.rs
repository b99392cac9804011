//! How fast linearizability is judged where no search is needed, and how much memory it takes.
//!
//! ```text
//! cargo bench -p checkers --bench exact            # a million operations
//! cargo bench -p checkers --bench exact -- 10000000
//! cargo bench -p checkers --bench exact -- register
//! ```
//!
//! The histories are made here, in memory, and lie there as columns before the clock starts.
//! Memory is what the judge adds to them at its peak. The time is that of the fastest run, and
//! beside it stands what that of all processors was in the run that took the least of it: on a
//! machine that is not quiet this says more.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a benchmark reads files and clocks, and prints"
)]

use std::collections::{BTreeSet, VecDeque};
use std::time::Instant;

use checkers::calls::Calls;
use checkers::history::{Event, Kind, Process, Sink, ValueRef};
use checkers::model::Known;
use checkers::{Budget, Checker, Linearizable, Verdict};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// One object of a correct system.
#[derive(Clone, Default)]
struct Object {
    value: i64,
    line: VecDeque<i64>,
    ordered: BTreeSet<i64>,
}

/// What a client asked, and the answer once it has taken effect.
#[derive(Clone, Copy)]
struct Asked {
    f: &'static str,
    key: usize,
    argument: i64,
    old: i64,
    answer: Option<i64>,
}

/// How often each history is judged at most.
const RUNS: usize = 10;

struct Maker {
    known: Known,
    rng: ChaCha8Rng,
    objects: Vec<Object>,
    next: i64,
}

impl Maker {
    fn ask(&mut self, keys: usize) -> Asked {
        let key = self.rng.random_range(0..keys);
        let coin = self.rng.random_range(0..4);
        self.next += 1;
        let object = &self.objects[key];
        let filled = object.line.len() + object.ordered.len() > 0;
        let (f, argument) = match self.known {
            Known::Register | Known::CasRegister => match coin {
                0 | 1 => ("read", 0),
                3 if self.known == Known::Register => ("write", self.next),
                2 => ("write", self.next),
                _ => ("cas", self.next),
            },
            Known::FifoQueue if coin < 2 || !filled => ("enqueue", self.next),
            // Priorities in no order.
            Known::PriorityQueue if coin < 2 || !filled => {
                ("enqueue", self.next.wrapping_mul(0x9E37_79B9) & 0xFFFF_FFFF)
            }
            Known::FifoQueue | Known::PriorityQueue => ("dequeue", 0),
            Known::Stack if coin < 2 || !filled => ("push", self.next),
            Known::Stack => ("pop", 0),
            Known::Counter if coin < 3 => ("add", 1),
            Known::Counter => ("read", 0),
            Known::Set if coin < 2 => ("add", self.next),
            Known::Set => ("contains", self.rng.random_range(0..=self.next)),
            other => unreachable!("{other} is not measured"),
        };
        Asked {
            f,
            key,
            argument,
            old: object.value,
            answer: None,
        }
    }

    fn act(&mut self, asked: &mut Asked) {
        let object = &mut self.objects[asked.key];
        asked.answer = Some(match asked.f {
            "read" => object.value,
            "write" | "cas" => {
                object.value = asked.argument;
                asked.argument
            }
            "enqueue" if self.known == Known::PriorityQueue => {
                object.ordered.insert(asked.argument);
                asked.argument
            }
            "enqueue" | "push" => {
                object.line.push_back(asked.argument);
                asked.argument
            }
            "dequeue" if self.known == Known::PriorityQueue => {
                object.ordered.pop_last().unwrap_or(-1)
            }
            "dequeue" => object.line.pop_front().unwrap_or(-1),
            "pop" => object.line.pop_back().unwrap_or(-1),
            "add" if self.known == Known::Counter => {
                object.value += 1;
                asked.argument
            }
            "add" => {
                object.ordered.insert(asked.argument);
                asked.argument
            }
            _ => i64::from(object.ordered.contains(&asked.argument)),
        });
    }
}

/// A history of a correct system. `info` of a thousand operations that change something end
/// unknown.
fn made(known: Known, ops: usize, keys: usize, clients: usize, info: u32) -> Calls {
    let mut calls = Calls::default();
    let mut maker = Maker {
        known,
        rng: ChaCha8Rng::seed_from_u64(1),
        objects: vec![Object::default(); keys],
        next: 0,
    };
    let mut processes: Vec<u32> = (0..).take(clients).collect();
    let mut fresh = u32::try_from(clients).expect("few clients");
    let mut open: Vec<Option<Asked>> = vec![None; clients];
    let (mut begun, mut line) = (0, 0);
    while begun < ops || open.iter().any(Option::is_some) {
        let client = maker.rng.random_range(0..clients);
        let (kind, asked) = match open[client].take() {
            None if begun == ops => continue,
            None => {
                let mut asked = maker.ask(keys);
                begun += 1;
                // A compare-and-set acts at once, so that what it expects is there.
                if asked.f == "cas" || maker.rng.random_bool(0.5) {
                    maker.act(&mut asked);
                }
                open[client] = Some(asked);
                (Kind::Invoke, asked)
            }
            Some(mut asked) => {
                let changes = matches!(asked.f, "write" | "cas" | "enqueue" | "push" | "add");
                if changes && maker.rng.random_ratio(info, 1000) {
                    (Kind::Info, asked)
                } else {
                    if asked.answer.is_none() {
                        maker.act(&mut asked);
                    }
                    (Kind::Ok, asked)
                }
            }
        };
        line += 1;
        tell(&mut calls, line, processes[client], kind, &asked);
        if kind == Kind::Info {
            processes[client] = fresh;
            fresh += 1;
        }
    }
    calls
}

fn tell(calls: &mut Calls, line: usize, process: u32, kind: Kind, asked: &Asked) {
    let answers = matches!(asked.f, "read" | "dequeue" | "pop" | "contains");
    let value = match (kind, asked.answer) {
        (Kind::Ok, Some(answer)) if answers => match (asked.f, answer) {
            ("contains", truth) => ValueRef::Bool(truth == 1),
            ("read", 0) if calls.function("write").is_some() => ValueRef::Nil,
            (_, -1) => ValueRef::Nil,
            (_, answer) => ValueRef::Int(answer),
        },
        _ if answers && asked.f != "contains" => ValueRef::Nil,
        _ => ValueRef::Int(asked.argument),
    };
    if asked.f == "cas" {
        let old = if asked.old == 0 {
            None
        } else {
            Some(asked.old)
        };
        checkers::history::with_pair(old, asked.argument, |pair| {
            calls.event(&event(line, process, kind, asked, pair));
        });
    } else {
        calls.event(&event(line, process, kind, asked, value));
    }
}

fn event<'e>(
    line: usize,
    process: u32,
    kind: Kind,
    asked: &Asked,
    value: ValueRef<'e>,
) -> Event<'e> {
    Event {
        line,
        index: Some(line),
        time: None,
        process: Process::Client(process),
        kind,
        f: asked.f,
        key: Some(ValueRef::Int(i64::try_from(asked.key).expect("few keys"))),
        value,
        node: None,
        error: None,
    }
}

fn megabytes(name: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with(name));
    let kilobytes = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<f64>().ok());
    kilobytes.unwrap_or(0.0) / 1024.0
}

/// What this process has taken of all processors, in seconds.
fn processor() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after = stat.rsplit_once(')').map_or("", |(_, after)| after);
    let ticks = after.split_whitespace().skip(11).take(2);
    let ticks: f64 = ticks.filter_map(|word| word.parse::<f64>().ok()).sum();
    ticks / 100.0
}

fn main() {
    let told = std::env::args().skip(1).find_map(|word| word.parse().ok());
    let ops: usize = told.unwrap_or(1_000_000);
    let only = std::env::args()
        .skip(1)
        .find_map(|word| word.parse::<Known>().ok());
    println!(
        "| objects | operations | keys | clients | unknown | M operations/s | processor ns/operation | bytes/operation | decided by |"
    );
    println!("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- |");
    let rows = [
        (Known::Register, 1, 10, 0),
        (Known::Register, 100_000, 10, 0),
        (Known::Register, 1, 50, 10),
        (Known::CasRegister, 1, 10, 0),
        (Known::CasRegister, 100_000, 10, 0),
        (Known::FifoQueue, 1, 10, 0),
        (Known::FifoQueue, 1_000, 50, 10),
        (Known::Set, 1, 10, 0),
        (Known::Set, 1, 50, 10),
        (Known::Set, 1_000, 10, 0),
        (Known::Counter, 1, 10, 0),
        (Known::Counter, 1, 50, 10),
        (Known::Stack, 1, 10, 0),
        (Known::PriorityQueue, 1, 10, 0),
    ];
    // So many keys alone, by `keys=`.
    let keyed = std::env::args().find_map(|word| word.strip_prefix("keys=")?.parse::<usize>().ok());
    for (known, keys, clients, info) in rows {
        if only.is_some_and(|only| only != known) || keyed.is_some_and(|keyed| keyed != keys) {
            continue;
        }
        let calls = made(known, ops, keys, clients, info);
        assert!(calls.irregular().is_none(), "{:?}", calls.irregular());
        let (mut best, mut least) = (f64::INFINITY, f64::INFINITY);
        let mut peak = 0.0_f64;
        let mut by = String::new();
        let begun = Instant::now();
        for run in 0..RUNS {
            // Not longer than need be.
            if run >= 3 && begun.elapsed().as_secs_f64() > 3.0 {
                break;
            }
            let before = megabytes("VmRSS");
            // Where the kernel lets us, the peak is measured from here.
            let reset = std::fs::write("/proc/self/clear_refs", "5").is_ok();
            let (start, taken) = (Instant::now(), processor());
            let report = Linearizable::of(known).judge(&calls, &Budget::unlimited());
            best = best.min(start.elapsed().as_secs_f64());
            least = least.min(processor() - taken);
            assert_eq!(report.verdict, Verdict::Held, "{known}: {report:#?}");
            if reset {
                peak = peak.max(megabytes("VmHWM") - before);
            }
            let names = report
                .figures
                .keys()
                .filter_map(|name| name.strip_prefix("keys_by_"));
            by = names.collect::<Vec<_>>().join(", ");
        }
        #[expect(clippy::cast_precision_loss, reason = "it is printed with one digit")]
        let count = ops as f64;
        println!(
            "| {known} | {ops} | {keys} | {clients} | {} % | {:.1} | {:.0} | {:.0} | {by} |",
            f64::from(info) / 10.0,
            count / best / 1e6,
            least / count * 1e9,
            peak * 1048576.0 / count,
        );
    }
}
