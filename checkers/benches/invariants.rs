//! How fast invariants are judged, and how much memory it takes.
//!
//! ```text
//! cargo bench -p checkers --bench invariants            # 10^4, 10^5 and 10^6 operations
//! cargo bench -p checkers --bench invariants -- 10000000
//! cargo bench -p checkers --bench invariants -- bank
//! ```
//!
//! The histories are those of a correct system, made here, in memory, and lie there as columns
//! before the clock starts, each row in a process of its own. Where the kernel tells, time is what the judge's one thread ran, so
//! that neighbours do not count; memory is what the judge adds at its peak.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a benchmark reads files and clocks, and prints"
)]

use std::collections::BTreeMap;
use std::time::Instant;

use checkers::calls::Calls;
use checkers::history::{Columns, F, Kind, Op, Process, Value};
use checkers::{Budget, CHECKERS, Verdict};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// An operation that has taken effect.
struct Done {
    f: &'static str,
    key: Value,
    argument: Value,
    result: Value,
    kind: Kind,
}

fn done(f: &'static str, argument: Value, result: Value) -> Done {
    Done {
        f,
        key: Value::Nil,
        argument,
        result,
        kind: Kind::Ok,
    }
}

fn list(items: impl IntoIterator<Item = Value>) -> Value {
    Value::List(items.into_iter().collect())
}

fn step(f: &str, key: i64, value: Value) -> Value {
    list([Value::str(f), Value::Int(key), value])
}

/// A correct system that acts at once, one operation after another.
struct System {
    rng: ChaCha8Rng,
    next: i64,
    holder: Option<usize>,
    balances: Vec<i64>,
    names: Vec<String>,
    keys: BTreeMap<i64, i64>,
}

/// Accounts of the bank.
const ACCOUNTS: usize = 8;

/// Keys of a group.
const GROUP: i64 = 3;

/// Operations of a client, by client, if it can do any now.
impl System {
    fn act(&mut self, checker: &str, client: usize) -> Option<Done> {
        self.next += 1;
        let now = self.next;
        Some(match checker {
            "unique-ids" | "ordered-ids" => done("generate", Value::Nil, Value::Int(now)),
            "locks" | "fencing-tokens" => match self.holder {
                Some(holder) if holder == client => {
                    self.holder = None;
                    done("release", Value::Nil, Value::Nil)
                }
                Some(_) => return None,
                None => {
                    self.holder = Some(client);
                    let token = [Value::Nil, Value::Int(now)];
                    let [none, token] = token;
                    let answer = if checker == "locks" { none } else { token };
                    done("acquire", Value::Nil, answer)
                }
            },
            "guarded-resource" => {
                let stale = self.rng.random_ratio(1, 20);
                let token = if stale { now / 2 } else { now };
                let pair = Value::map([("token", Value::Int(token)), ("value", Value::Int(now))]);
                let mut write = done("guarded-write", pair.clone(), pair);
                if stale {
                    write.kind = Kind::Fail;
                }
                write
            }
            "leader-terms" => {
                let term = now / 1_000;
                let leads = usize::try_from(term % 5).ok() == Some(client % 5);
                let role = Value::str(if leads { "leader" } else { "follower" });
                let node = ["n1", "n2", "n3", "n4", "n5"][client % 5];
                let said = [
                    ("role", role),
                    ("epoch", Value::Int(term)),
                    ("node", Value::str(node)),
                ];
                done("status", Value::Nil, Value::map(said))
            }
            "bank" | "bank-overdraft" => self.bank(),
            "long-fork" | "causal-reverse" | "sequential-keys" => self.keys(),
            "monotonic" => {
                let row = [("value", Value::Int(now)), ("ts", Value::Int(now * 3))];
                done("increment", Value::Nil, Value::map(row))
            }
            "write-skew" => {
                let key = self.rng.random_range(0..1_000) * 2;
                let mine = i64::from(self.rng.random_bool(0.5));
                let read = |keys: &BTreeMap<i64, i64>, key: i64| {
                    step(
                        "r",
                        key,
                        keys.get(&key).map_or(Value::Nil, |v| Value::Int(*v)),
                    )
                };
                let seen = [read(&self.keys, key), read(&self.keys, key + 1)];
                let write = step("w", key + mine, Value::Int(now));
                self.keys.insert(key + mine, now);
                let [x, y] = seen;
                let asked = [step("r", key, Value::Nil), step("r", key + 1, Value::Nil)];
                let [a, b] = asked;
                done("txn", list([a, b, write.clone()]), list([x, y, write]))
            }
            other => unreachable!("{other} is not measured"),
        })
    }

    fn bank(&mut self) -> Done {
        if self.rng.random_bool(0.5) {
            let all = self.names.iter().zip(&self.balances);
            let all = all.map(|(name, balance)| (name.as_str(), Value::Int(*balance)));
            return done("read", Value::Nil, Value::map(all));
        }
        let (from, to) = (
            self.rng.random_range(0..ACCOUNTS),
            self.rng.random_range(0..ACCOUNTS),
        );
        let amount = self.rng.random_range(1..50).min(self.balances[from]);
        self.balances[from] -= amount;
        self.balances[to] += amount;
        let ends = [("from", from), ("to", to)];
        let ends = ends.map(|(name, place)| (name, Value::str(&self.names[place])));
        let argument = Value::map(ends.into_iter().chain([("amount", Value::Int(amount))]));
        done("transfer", argument.clone(), argument)
    }

    /// Groups of keys that are written once, and reads of the group that is being written.
    fn keys(&mut self) -> Done {
        let written = i64::try_from(self.keys.len()).expect("few");
        if self.rng.random_ratio(2, 5) {
            self.keys.insert(written, self.next);
            let write = list([step("w", written, Value::Int(self.next))]);
            return done("txn", write.clone(), write);
        }
        let group = (written - i64::from(written > 0)) / GROUP * GROUP;
        let keys = group..group + GROUP;
        let asked = keys.clone().map(|key| step("r", key, Value::Nil));
        let seen = keys.map(|key| {
            let value = self.keys.get(&key);
            step(
                "r",
                key,
                value.map_or(Value::Nil, |value| Value::Int(*value)),
            )
        });
        done("txn", list(asked), list(seen))
    }
}

/// A history of a correct system.
fn made(checker: &str, ops: usize, clients: usize) -> Calls {
    let mut columns = Columns::default();
    let mut system = System {
        rng: ChaCha8Rng::seed_from_u64(1),
        next: 0,
        holder: None,
        balances: vec![100; ACCOUNTS],
        names: (0..ACCOUNTS).map(|place| format!("a{place}")).collect(),
        keys: BTreeMap::new(),
    };
    let mut open: Vec<Option<Done>> = (0..clients).map(|_| None).collect();
    let (mut begun, mut index) = (0, 0);
    while begun < ops || open.iter().any(Option::is_some) {
        let client = system.rng.random_range(0..clients);
        let (done, is_end) = match open[client].take() {
            Some(done) => (done, true),
            None if begun == ops => continue,
            // Of a lock and a counter only the ends are in the order of the effects.
            None => match system.act(checker, client) {
                Some(done) => (done, false),
                None => continue,
            },
        };
        let at_once = matches!(done.f, "acquire" | "release");
        for is_end in if at_once {
            vec![false, true]
        } else {
            vec![is_end]
        } {
            columns.op(&Op {
                index,
                time: u64::try_from(index).expect("few") * 100,
                process: Process::Client(u32::try_from(client).expect("few clients")),
                kind: if is_end { done.kind } else { Kind::Invoke },
                f: F::new(done.f),
                key: (done.key != Value::Nil).then(|| done.key.clone()),
                value: if is_end {
                    done.result.clone()
                } else {
                    done.argument.clone()
                },
                node: None,
                error: None,
            });
            index += 1;
        }
        begun += usize::from(!is_end);
        if !is_end && !at_once {
            open[client] = Some(done);
        }
    }
    Calls::of_columns(columns)
}

/// Seconds that this thread has run, if the kernel tells.
fn ran() -> Option<f64> {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    let nanos: f64 = told.split_whitespace().next()?.parse().ok()?;
    Some(nanos / 1e9)
}

fn megabytes(name: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with(name));
    let kilobytes = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<f64>().ok());
    kilobytes.unwrap_or(0.0) / 1024.0
}

const NAMES: [&str; 13] = [
    "unique-ids",
    "ordered-ids",
    "locks",
    "fencing-tokens",
    "guarded-resource",
    "leader-terms",
    "bank",
    "bank-overdraft",
    "long-fork",
    "causal-reverse",
    "sequential-keys",
    "monotonic",
    "write-skew",
];

const CLIENTS: usize = 10;

/// Small histories are judged so often that this many operations are: the kernel counts in
/// milliseconds.
const OPERATIONS: usize = 1_000_000;

/// Measures one row, and prints it.
fn row(name: &str, ops: usize) {
    let calls = made(name, ops, CLIENTS);
    assert!(calls.irregular().is_none(), "{:?}", calls.irregular());
    let about = CHECKERS.iter().find(|about| about.name == name);
    let checker = (about.expect("it is in the table").build)();
    let (mut best, mut peak) = (f64::INFINITY, 0.0_f64);
    let times = OPERATIONS.div_ceil(ops.max(1));
    for _ in 0..3 {
        let before = megabytes("VmRSS");
        // Where the kernel lets us, the peak is measured from here.
        let reset = std::fs::write("/proc/self/clear_refs", "5").is_ok();
        let (start, ran_before) = (Instant::now(), ran());
        for _ in 0..times {
            let report = checker.judge(&calls, &Budget::unlimited());
            assert_eq!(report.verdict, Verdict::Held, "{report:#?}");
        }
        let ran = ran().zip(ran_before).map(|(after, before)| after - before);
        let ran = ran.unwrap_or_else(|| start.elapsed().as_secs_f64());
        #[expect(clippy::cast_precision_loss, reason = "few times")]
        let once = ran / times as f64;
        best = best.min(once);
        if reset {
            peak = peak.max(megabytes("VmHWM") - before);
        }
    }
    #[expect(clippy::cast_precision_loss, reason = "it is printed with one digit")]
    let count = ops as f64;
    let bytes = peak.max(0.0) * 1024.0 * 1024.0 / count;
    println!(
        "| {name} | {ops} | {CLIENTS} | {:.1} | {bytes:.0} |",
        count / best / 1e6
    );
}

/// What tells a process to measure one row: the checker and how many operations follow.
const ALONE: &str = "--alone";

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let mut sizes: Vec<usize> = words.iter().filter_map(|word| word.parse().ok()).collect();
    if words.first().is_some_and(|word| word == ALONE) {
        return row(&words[1], sizes[0]);
    }
    if sizes.is_empty() {
        sizes = vec![10_000, 100_000, 1_000_000];
    }
    let is_named = |name: &&&str| words.iter().any(|word| word == **name);
    let all = !NAMES.iter().any(|name| is_named(&name));
    println!("| checker | operations | clients | M operations/s | bytes/operation |");
    println!("| --- | ---: | ---: | ---: | ---: |");
    let this = std::env::current_exe().expect("a program knows where it lies");
    for name in NAMES.iter().filter(|name| all || is_named(name)) {
        for &ops in &sizes {
            let mut child = std::process::Command::new(&this);
            let status = child.args([ALONE, *name, &ops.to_string()]).status();
            assert!(status.expect("it starts").success(), "{name} failed");
        }
    }
}
