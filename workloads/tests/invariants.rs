//! The workloads of invariants against imagined stores of known truth: a serializable one is
//! never accused, one of snapshot isolation only of what that allows, and each broken one of
//! exactly what it breaks.

use std::collections::{BTreeMap, BTreeSet};

use checkers::history::{History, Kind, Process, Value};
use checkers::{Budget, Report, Verdict};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use workloads::bank::{ACCOUNTS, OPENING, account};
use workloads::generator::{Invocation, limit, simulate};
use workloads::{Options, find};

const NAMES: [&str; 7] = [
    "unique-ids",
    "lock",
    "bank",
    "long-fork",
    "causal-reverse",
    "monotonic",
    "write-skew",
];

/// What a store does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flaw {
    None,
    /// Transactions read a snapshot that may be a little old, and fail only if what they write
    /// was written since.
    Snapshots,
    /// Two sites; each shows its own writes at once, and those of the other later.
    TwoSites,
    /// Every key shows a write after a delay of its own.
    Delays,
    /// What failed is there all the same.
    Dirty,
    /// Each half of the accounts is read at another time.
    ReadCommitted,
    /// A transfer may take without giving.
    HalfTransfers,
    /// Nobody looks at the balance.
    Overdrafts,
    /// Two counters instead of one.
    TwoCounters,
    /// The clocks of two nodes are apart.
    Clocks,
    /// A lock is granted while it is held, and has no tokens.
    TwoHolders,
    /// Locks are leases that run out, of which clients know nothing.
    ShortLeases,
    /// The same, and the resource takes any token.
    NoGuard,
    /// Tokens now and then repeat.
    OldTokens,
}

#[derive(Debug, Default)]
struct Lock {
    holder: Option<(Process, u64)>,
    token: i64,
    accepted: Option<(i64, Value)>,
}

/// A store that does each operation at one instant, when it is asked.
struct Store {
    flaw: Flaw,
    now: u64,
    next: i64,
    counters: [i64; 2],
    last: Value,
    balances: Vec<i64>,
    before: Vec<i64>,
    /// By key: commit numbers and values, the delay after which they show, and the site.
    versions: BTreeMap<Value, Vec<(u64, Value, u64, u32)>>,
    inserted: BTreeMap<Value, u64>,
    locks: BTreeMap<Value, Lock>,
}

impl Store {
    fn new(flaw: Flaw) -> Self {
        let balances = vec![OPENING; usize::try_from(ACCOUNTS).expect("few")];
        Self {
            flaw,
            now: 0,
            next: 0,
            counters: [0; 2],
            last: Value::Nil,
            before: balances.clone(),
            balances,
            versions: BTreeMap::new(),
            inserted: BTreeMap::new(),
            locks: BTreeMap::new(),
        }
    }

    fn ask(&mut self, who: Process, asked: &Invocation, rng: &mut ChaCha8Rng) -> (Kind, Value) {
        self.now += 1;
        let refused = (Kind::Fail, asked.value.clone());
        let unknown = (Kind::Info, asked.value.clone());
        match rng.random_range(0..100) {
            // It did not happen, and the client knows or does not.
            0..3 if self.flaw != Flaw::Dirty => return refused,
            3 => return unknown,
            // It happened, and the client does not know, or is told the contrary.
            0 | 1 => {
                self.act(who, asked, rng);
                return refused;
            }
            // Nobody would give the lock back.
            4 if asked.f != "acquire" => {
                self.act(who, asked, rng);
                return unknown;
            }
            _ => {}
        }
        match self.act(who, asked, rng) {
            Some(value) => (Kind::Ok, value),
            None => refused,
        }
    }

    fn act(&mut self, who: Process, asked: &Invocation, rng: &mut ChaCha8Rng) -> Option<Value> {
        match asked.f.as_str() {
            "generate" => {
                self.next += 1;
                let repeats = self.flaw == Flaw::TwoCounters && rng.random_ratio(1, 50);
                Some(Value::Int(self.next - i64::from(repeats && self.next > 1)))
            }
            "increment" => Some(self.increment(rng)),
            "read" if asked.key.is_some() => Some(self.last.clone()),
            "read" => Some(self.balances(rng)),
            "transfer" => self
                .transfer(&asked.value, rng)
                .then(|| asked.value.clone()),
            "txn" => self.txn(who, &asked.value, rng),
            "insert" => self
                .insert(asked.key.as_ref()?, rng)
                .then(|| asked.value.clone()),
            _ => self.lock(who, asked, rng),
        }
    }

    fn increment(&mut self, rng: &mut ChaCha8Rng) -> Value {
        let node = rng.random_range(0..2);
        let counter = usize::from(self.flaw == Flaw::TwoCounters && node == 1);
        self.counters[counter] += 1;
        let mut stamp = i64::try_from(self.now).expect("few") * 10;
        if self.flaw == Flaw::Clocks && node == 1 {
            stamp += 35;
        }
        let row = [
            ("value", Value::Int(self.counters[counter])),
            ("ts", Value::Int(stamp)),
        ];
        self.last = Value::map(row);
        self.last.clone()
    }

    fn balances(&mut self, rng: &mut ChaCha8Rng) -> Value {
        let skewed = self.flaw == Flaw::ReadCommitted && rng.random_bool(0.5);
        let names: Vec<String> = (0..ACCOUNTS).map(account).collect();
        let halves = self.before.iter().zip(&self.balances).enumerate();
        let shown = halves.map(|(place, (before, now))| {
            if skewed && place < names.len() / 2 {
                *before
            } else {
                *now
            }
        });
        Value::map(names.iter().map(String::as_str).zip(shown.map(Value::Int)))
    }

    fn transfer(&mut self, asked: &Value, rng: &mut ChaCha8Rng) -> bool {
        let place = |name: &str| {
            let name = asked.get(name).and_then(Value::as_str).expect("an account");
            let mut all = 0..ACCOUNTS;
            let place = all.position(|place| account(place) == name);
            place.expect("one of the accounts")
        };
        let amount = asked
            .get("amount")
            .and_then(Value::as_int)
            .expect("an amount");
        let (from, to) = (place("from"), place("to"));
        // Dear ones, so that something is refused.
        let amount = if self.flaw == Flaw::Overdrafts {
            amount * 1_000
        } else {
            amount
        };
        if self.balances[from] < amount && self.flaw != Flaw::Overdrafts {
            return false;
        }
        self.before.clone_from(&self.balances);
        self.balances[from] -= amount;
        if self.flaw != Flaw::HalfTransfers || !rng.random_ratio(1, 150) {
            self.balances[to] += amount;
        }
        true
    }

    /// What a key shows at a snapshot, and when that was committed.
    fn shown(&self, key: &Value, snapshot: u64, site: u32) -> (u64, Value) {
        let all = self.versions.get(key).map_or(&[][..], Vec::as_slice).iter();
        let visible = all.filter(|(commit, _, delay, of)| {
            let waits = match self.flaw {
                Flaw::Delays => *delay,
                Flaw::TwoSites if *of != site => 12,
                _ => 0,
            };
            *commit + waits <= snapshot
        });
        let mut newest = visible.rev();
        let last = newest.next();
        last.map_or((0, Value::Nil), |(commit, value, _, _)| {
            (*commit, value.clone())
        })
    }

    fn txn(&mut self, who: Process, asked: &Value, rng: &mut ChaCha8Rng) -> Option<Value> {
        let Process::Client(number) = who else {
            unreachable!("clients ask")
        };
        let site = number % 2;
        let old = if self.flaw == Flaw::Snapshots {
            rng.random_range(0..6)
        } else {
            0
        };
        // What is committed now has the number of this operation.
        let snapshot = self.now.saturating_sub(old + 1);
        let mut answer = Vec::new();
        let mut writes = Vec::new();
        for step in asked.as_list()? {
            let [f, key, value] = step.as_list()? else {
                return None;
            };
            let value = if *f == Value::str("r") {
                self.shown(key, snapshot, site).1
            } else {
                let latest = self.versions.get(key).and_then(|all| all.last());
                if latest.is_some_and(|(commit, _, _, _)| *commit > snapshot) {
                    return None;
                }
                writes.push((key.clone(), value.clone()));
                value.clone()
            };
            answer.push(Value::List(vec![f.clone(), key.clone(), value]));
        }
        for (key, value) in writes {
            let version = (self.now, value, rng.random_range(0..20), site);
            self.versions.entry(key).or_default().push(version);
        }
        Some(Value::List(answer))
    }

    fn insert(&mut self, key: &Value, rng: &mut ChaCha8Rng) -> bool {
        let blind = self.flaw == Flaw::Snapshots && rng.random_bool(0.5);
        let there = self.inserted.contains_key(key);
        self.inserted.insert(key.clone(), self.now);
        !there || blind
    }

    fn lock(&mut self, who: Process, asked: &Invocation, rng: &mut ChaCha8Rng) -> Option<Value> {
        let (flaw, now) = (self.flaw, self.now);
        let lock = self.locks.entry(asked.key.clone()?).or_default();
        let leases = matches!(flaw, Flaw::ShortLeases | Flaw::NoGuard);
        if leases && lock.holder.is_some_and(|(_, since)| since + 12 < now) {
            lock.holder = None;
        }
        match asked.f.as_str() {
            "acquire" => {
                let grants =
                    lock.holder.is_none() || flaw == Flaw::TwoHolders && rng.random_ratio(1, 30);
                if !grants {
                    return None;
                }
                lock.holder = Some((who, now));
                let repeats = flaw == Flaw::OldTokens && rng.random_ratio(1, 20);
                lock.token += i64::from(!repeats);
                Some(match flaw {
                    Flaw::TwoHolders => Value::Nil,
                    _ => Value::Int(lock.token),
                })
            }
            "release" => {
                lock.holder = lock.holder.filter(|(holder, _)| *holder != who);
                Some(Value::Nil)
            }
            "guarded-read" => Some(match &lock.accepted {
                Some((_, value)) => value.clone(),
                None => Value::Nil,
            }),
            "guarded-write" => {
                let token = asked.value.get("token")?.as_int()?;
                let lower = lock
                    .accepted
                    .as_ref()
                    .is_some_and(|(last, _)| token < *last);
                if lower && flaw != Flaw::NoGuard {
                    return None;
                }
                lock.accepted = Some((token, asked.value.clone()));
                Some(asked.value.clone())
            }
            other => panic!("{other} is in no workload"),
        }
    }
}

fn run(name: &str, flaw: Flaw, seed: u64) -> Report {
    let workload = find(name)
        .expect("it is in the table")
        .build(&Options::default());
    let mut store = Store::new(flaw);
    let mut load = limit(2_000, workload.generator);
    let ops = simulate::simulate(&mut load, 5, seed, |who, asked, rng| {
        let (kind, value) = store.ask(who, asked, rng);
        simulate::Answer {
            kind,
            value,
            latency: rng.random_range(500_000..4_000_000),
        }
    });
    let known: BTreeSet<&str> = find(name)
        .expect("it is there")
        .operations
        .iter()
        .copied()
        .collect();
    assert!(ops.iter().all(|op| known.contains(op.f.as_str())), "{name}");
    let history = History::new(ops).expect("the simulator makes lawful histories");
    workload.checker.check(&history, &Budget::unlimited())
}

fn part<'a>(report: &'a Report, name: &str) -> &'a Report {
    let mut parts = report.parts.iter();
    parts
        .find(|part| part.checker == name)
        .expect("it has that part")
}

#[test]
fn a_serializable_store_passes_every_workload() {
    for name in NAMES {
        for seed in 0..5 {
            let report = run(name, Flaw::None, seed);
            assert_eq!(report.verdict, Verdict::Held, "{name} {seed} {report:#?}");
        }
    }
}

#[test]
fn snapshot_isolation_is_accused_of_write_skew_and_of_nothing_else() {
    for name in NAMES {
        for seed in 0..5 {
            let report = run(name, Flaw::Snapshots, seed);
            let expected = if name == "write-skew" {
                Verdict::Violated
            } else {
                Verdict::Held
            };
            assert_eq!(report.verdict, expected, "{name} {seed} {report:#?}");
        }
    }
}

/// That a flaw is found by one checker, by this name, and that the others of the workload hold.
fn found(name: &str, flaw: Flaw, checker: &str, anomaly: &str) -> Report {
    let mut last = None;
    for seed in 0..5 {
        let report = run(name, flaw, seed);
        let part = part(&report, checker);
        assert_eq!(
            part.verdict,
            Verdict::Violated,
            "{flaw:?} {seed} {report:#?}"
        );
        assert!(
            part.anomalies.iter().any(|a| a.name == anomaly),
            "{flaw:?} {part:#?}"
        );
        assert!(part.anomalies.iter().all(|a| a.because.len() <= 15));
        last = Some(report);
    }
    last.expect("there were seeds")
}

#[test]
fn every_flaw_is_found_by_its_name() {
    found(
        "unique-ids",
        Flaw::TwoCounters,
        "unique-ids",
        "duplicate-id",
    );
    found("long-fork", Flaw::TwoSites, "long-fork", "long-fork");
    found("long-fork", Flaw::Dirty, "long-fork", "dirty-read");
    found(
        "causal-reverse",
        Flaw::Delays,
        "causal-reverse",
        "causal-reverse",
    );
    found(
        "causal-reverse",
        Flaw::Delays,
        "sequential-keys",
        "sequential-order",
    );
    found(
        "monotonic",
        Flaw::TwoCounters,
        "monotonic",
        "duplicate-value",
    );
    found("monotonic", Flaw::Clocks, "monotonic", "timestamp-disorder");
    found("bank", Flaw::ReadCommitted, "bank", "wrong-total");
    found(
        "bank",
        Flaw::Overdrafts,
        "bank-overdraft",
        "negative-balance",
    );
    found("lock", Flaw::TwoHolders, "locks", "mutual-exclusion");
    found("lock", Flaw::OldTokens, "fencing-tokens", "duplicate-token");
    found(
        "lock",
        Flaw::NoGuard,
        "guarded-resource",
        "stale-token-accepted",
    );
}

#[test]
fn two_sites_keep_the_order_of_each_client() {
    // Each client stays at its site, whose writes arrive at the other in their order.
    for seed in 0..5 {
        let report = run("causal-reverse", Flaw::TwoSites, seed);
        assert_eq!(
            part(&report, "sequential-keys").verdict,
            Verdict::Held,
            "{report:#?}"
        );
        assert_eq!(part(&report, "causal-reverse").verdict, Verdict::Violated);
    }
}

#[test]
fn a_half_applied_transfer_is_named_by_its_amount() {
    let report = found("bank", Flaw::HalfTransfers, "bank", "wrong-total");
    let bank = part(&report, "bank");
    assert!(bank.number("half_transfers_named") > Some(0), "{bank:#?}");
    let words = &bank.anomalies[0].because;
    assert!(
        words
            .iter()
            .any(|words| words.contains("not given to the other")),
        "{words:#?}"
    );
    assert_eq!(part(&report, "bank-overdraft").verdict, Verdict::Held);
}

#[test]
fn leases_that_run_out_are_not_accused_while_tokens_protect() {
    let mut overlaps = 0;
    for seed in 0..5 {
        let report = run("lock", Flaw::ShortLeases, seed);
        let locks = part(&report, "locks");
        assert_ne!(locks.verdict, Verdict::Violated, "{locks:#?}");
        overlaps += locks.number("granted_while_held").unwrap_or(0);
        for name in ["fencing-tokens", "guarded-resource"] {
            assert_eq!(part(&report, name).verdict, Verdict::Held, "{report:#?}");
        }
    }
    assert!(
        overlaps > 0,
        "some lease ran out while its holder thought it had it"
    );
}
