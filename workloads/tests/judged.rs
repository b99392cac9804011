//! The workloads against imagined stores whose faults are known: what they ask must let their
//! checkers find exactly what went wrong.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use checkers::history::{F, History, Kind, Op, Process, Value};
use checkers::{Budget, Report, Verdict};
use rand::RngExt;
use workloads::finals::{self, Keys};
use workloads::generator::{Invocation, limit, list, phases, simulate};
use workloads::{About, Options, WORKLOADS, find};

/// A store that does each operation at one instant; on request it loses some writes after it
/// acknowledged them.
#[derive(Default)]
struct Store {
    registers: BTreeMap<Value, Value>,
    sets: BTreeMap<Value, BTreeSet<Value>>,
    /// One in so many acknowledged adds is dropped; none if zero.
    drops_one_in: u32,
    dropped: BTreeSet<Value>,
    /// One in so many acknowledged removes is dropped; none if zero.
    keeps_one_in: u32,
    kept: BTreeSet<Value>,
    /// Reads of registers answer what was there before the last write.
    is_stale: bool,
    before: BTreeMap<Value, Value>,
    counters: BTreeMap<Value, i64>,
    queues: BTreeMap<Value, VecDeque<Value>>,
    logs: BTreeMap<Value, Vec<Value>>,
    /// One in so many changes of counters, elements of queues and messages is dropped.
    loses_one_in: u32,
    lost: i64,
}

impl Store {
    fn perform(&mut self, asked: &Invocation, rng: &mut impl RngExt) -> (Kind, Value) {
        let key = asked.key.clone().expect("every operation has a key");
        let list = |set: Option<&BTreeSet<Value>>| {
            Value::List(set.into_iter().flatten().cloned().collect())
        };
        let current = self.registers.get(&key).cloned().unwrap_or_default();
        match asked.f.as_str() {
            "read" if self.is_stale => {
                (Kind::Ok, self.before.get(&key).cloned().unwrap_or_default())
            }
            "read" if self.counters.contains_key(&key) || key.to_string().contains('c') => (
                Kind::Ok,
                Value::Int(self.counters.get(&key).copied().unwrap_or(0)),
            ),
            "read" | "final-read" => (Kind::Ok, current),
            "write" => {
                self.before.insert(key.clone(), current);
                self.registers.insert(key, asked.value.clone());
                (Kind::Ok, asked.value.clone())
            }
            "cas" => {
                let pair = asked.value.as_list().expect("two values");
                if pair[0] != current {
                    return (Kind::Fail, asked.value.clone());
                }
                self.registers.insert(key, pair[1].clone());
                (Kind::Ok, asked.value.clone())
            }
            "add" if self.drops_one_in > 0 && rng.random_ratio(1, self.drops_one_in) => {
                self.dropped.insert(asked.value.clone());
                (Kind::Ok, asked.value.clone())
            }
            "add" => {
                self.sets
                    .entry(key)
                    .or_default()
                    .insert(asked.value.clone());
                (Kind::Ok, asked.value.clone())
            }
            "remove" if self.keeps_one_in > 0 && rng.random_ratio(1, self.keeps_one_in) => {
                self.kept.insert(asked.value.clone());
                (Kind::Ok, asked.value.clone())
            }
            "remove" => {
                self.sets.entry(key).or_default().remove(&asked.value);
                (Kind::Ok, asked.value.clone())
            }
            "read-set" | "final-read-set" => (Kind::Ok, list(self.sets.get(&key))),
            _ => self.perform_more(asked, key, rng),
        }
    }
}

impl Store {
    /// Counters, queues and logs.
    fn perform_more(
        &mut self,
        asked: &Invocation,
        key: Value,
        rng: &mut impl RngExt,
    ) -> (Kind, Value) {
        let is_lost = self.loses_one_in > 0
            && matches!(asked.f.as_str(), "increment" | "enqueue" | "send")
            && rng.random_ratio(1, self.loses_one_in);
        self.lost += i64::from(is_lost);
        let answer = match asked.f.as_str() {
            "increment" | "decrement" => {
                let by = asked.value.as_int().expect("a number");
                let by = if asked.f == "decrement" { -by } else { by };
                *self.counters.entry(key).or_default() += if is_lost { 0 } else { by };
                asked.value.clone()
            }
            "final-read-counter" => Value::Int(self.counters.get(&key).copied().unwrap_or(0)),
            "enqueue" => {
                let queue = self.queues.entry(key).or_default();
                if !is_lost {
                    queue.push_back(asked.value.clone());
                }
                asked.value.clone()
            }
            "dequeue" => self
                .queues
                .entry(key)
                .or_default()
                .pop_front()
                .unwrap_or_default(),
            "drain" => Value::List(self.queues.remove(&key).unwrap_or_default().into()),
            "send" => {
                let log = self.logs.entry(key).or_default();
                log.push(if is_lost {
                    Value::Nil
                } else {
                    asked.value.clone()
                });
                Value::Int(i64::try_from(log.len()).expect("few") - 1)
            }
            "poll" => {
                let Value::Str(name) = &key else {
                    panic!("logs have names")
                };
                let from = asked
                    .value
                    .get(name)
                    .and_then(Value::as_int)
                    .expect("an offset");
                let log = self.logs.get(&key).into_iter().flatten();
                let messages = (0_i64..)
                    .zip(log)
                    .skip(usize::try_from(from).expect("not below 0"));
                let there = messages.filter(|(_, value)| **value != Value::Nil);
                let pairs = there
                    .map(|(offset, value)| Value::List(vec![Value::Int(offset), value.clone()]));
                Value::map([(&**name, Value::List(pairs.collect()))])
            }
            other => panic!("{other} is in no workload"),
        };
        (Kind::Ok, answer)
    }
}

/// The workloads that this store speaks; those of invariants are in a file of their own.
fn of_objects() -> impl Iterator<Item = &'static About> {
    let spoken = [
        "mixed",
        "register",
        "set",
        "set-full",
        "convergence",
        "counter",
        "queue",
        "log",
    ];
    WORKLOADS
        .iter()
        .filter(move |about| spoken.contains(&about.name))
}

fn nodes() -> Vec<Arc<str>> {
    ["n1", "n2", "n3"].map(Arc::from).to_vec()
}

fn run(name: &str, options: &Options, store: &mut Store, seed: u64) -> (Vec<Op>, Report) {
    let workload = find(name).expect("it is in the table").build(options);
    let answer = |store: &mut Store, asked: &Invocation, rng: &mut _| {
        let (kind, value) = store.perform(asked, rng);
        simulate::Answer {
            kind,
            value,
            latency: 2_000_000,
        }
    };
    let mut load = limit(3_000, workload.generator);
    let mut ops = simulate::simulate(&mut load, 5, seed, |_, asked, rng| {
        answer(store, asked, rng)
    });
    // The one store answers under the name of each node by turns.
    for op in ops.iter_mut().filter(|op| op.kind == Kind::Ok) {
        op.node = Some(Arc::clone(&nodes()[op.index % 3]));
    }
    let finals = finals::final_ops(&finals::keys(&ops), &nodes());
    let mut last = list(finals.clone());
    let read = simulate::simulate(&mut last, 5, seed, |_, asked, rng| {
        answer(store, asked, rng)
    });
    let end = ops.last().map_or(0, |op| op.time + 1);
    let start = ops.len();
    ops.extend(read.into_iter().map(|mut op| {
        op.index += start;
        op.time += end;
        op
    }));
    assert!(finals::unanswered(&ops, &finals).is_empty());
    let history = History::new(ops.clone()).expect("the simulator makes lawful histories");
    (ops, workload.checker.check(&history, &Budget::unlimited()))
}

fn part<'a>(report: &'a Report, name: &str) -> &'a Report {
    report
        .parts
        .iter()
        .find(|part| part.checker == name)
        .expect("it has that part")
}

#[test]
fn a_correct_store_passes_every_workload_with_every_option() {
    let options = [
        Options::default(),
        Options {
            cas_percent: 40,
            writes_per_key: 5,
            ..Options::default()
        },
        Options {
            active_keys: 1,
            active_sets: 1,
            adds_per_set: 3,
            ..Options::default()
        },
        Options {
            read_percent: 95,
            read_set_percent: 80,
            ..Options::default()
        },
    ];
    for about in of_objects() {
        for options in &options {
            for seed in 0..5 {
                let (_, report) = run(about.name, options, &mut Store::default(), seed);
                assert_eq!(
                    report.verdict,
                    Verdict::Held,
                    "{} {seed} {report:#?}",
                    about.name
                );
            }
        }
    }
}

#[test]
fn dropped_elements_are_counted_and_named_exactly() {
    for seed in 0..20 {
        let mut store = Store {
            drops_one_in: 40,
            ..Store::default()
        };
        let (_, report) = run("set", &Options::default(), &mut store, seed);
        let loss = part(&report, "loss");
        assert_eq!(loss.verdict, Verdict::Violated);
        let ids = loss.figures["lost_ids"].as_list().expect("a list");
        let named: BTreeSet<Value> = ids
            .iter()
            .map(|pair| pair.as_list().expect("a pair")[1].clone())
            .collect();
        assert_eq!(named, store.dropped, "seed {seed}");
        let count = i64::try_from(store.dropped.len()).expect("few");
        assert_eq!(loss.number("lost"), Some(count));
        assert_eq!(part(&report, "linearizable").verdict, Verdict::Violated);
    }
}

#[test]
fn a_store_that_forgets_its_last_writes_is_caught() {
    let mut store = Store::default();
    let workload = find("register")
        .expect("it is in the table")
        .build(&Options::default());
    let mut acknowledged = BTreeSet::new();
    let mut kept = BTreeMap::new();
    let mut count = 0;
    // One client, so that nothing is concurrent; the store falls back to its state after a
    // thousand operations.
    let mut load = limit(1_500, workload.generator);
    let mut ops = simulate::simulate(&mut load, 1, 9, |_, asked, rng| {
        let (kind, value) = store.perform(asked, rng);
        count += 1;
        if count <= 1_000 {
            kept.clone_from(&store.registers);
        } else if asked.f == "write" {
            acknowledged.insert(asked.value.clone());
        }
        simulate::Answer {
            kind,
            value,
            latency: 1,
        }
    });
    let (index, time) = (ops.len(), ops.last().expect("some").time + 1);
    let keys = finals::keys(&ops);
    for (step, key) in keys.registers.iter().enumerate() {
        for (kind, value) in [
            (Kind::Invoke, Value::Nil),
            (Kind::Ok, kept.get(key).cloned().unwrap_or_default()),
        ] {
            ops.push(Op {
                index: index + step * 2 + usize::from(kind == Kind::Ok),
                time,
                process: Process::Client(7),
                kind,
                f: F::new("final-read"),
                key: Some(key.clone()),
                value,
                node: Some(Arc::from("n1")),
                error: None,
            });
        }
    }
    let history = History::new(ops).expect("lawful");
    let report = workload.checker.check(&history, &Budget::unlimited());
    let loss = part(&report, "loss");
    let ids = loss.figures["lost_ids"].as_list().expect("a list");
    let named: BTreeSet<Value> = ids
        .iter()
        .map(|pair| pair.as_list().expect("a pair")[1].clone())
        .collect();
    assert!(!acknowledged.is_empty());
    assert_eq!(named, acknowledged);
}

/// What counters, queues and logs lose is counted exactly.
#[test]
fn what_is_lost_of_counters_queues_and_logs_is_counted() {
    for seed in 0..10 {
        for (workload, checker) in [
            ("counter", "pn-counter"),
            ("queue", "queue"),
            ("log", "log"),
        ] {
            let mut store = Store {
                loses_one_in: 60,
                ..Store::default()
            };
            let (_, report) = run(workload, &Options::default(), &mut store, seed);
            let part = part(&report, checker);
            assert!(store.lost > 0, "seed {seed}: nothing was lost");
            assert_eq!(part.verdict, Verdict::Violated, "{workload}, seed {seed}");
            let lost = part.number("lost").unwrap_or(0);
            if workload == "queue" {
                assert_eq!(lost, store.lost, "seed {seed}: {part:#?}");
            }
            // A message at the end of a log, which no poll got beyond, may just be unseen.
            if workload == "log" {
                let unseen = part.number("unseen").expect("a figure");
                assert_eq!(lost + unseen, store.lost, "seed {seed}: {part:#?}");
            }
        }
    }
}

#[test]
fn stale_reads_are_caught() {
    let mut store = Store {
        is_stale: true,
        ..Store::default()
    };
    let (_, report) = run("register", &Options::default(), &mut store, 3);
    assert_eq!(part(&report, "stale").verdict, Verdict::Violated);
    assert_eq!(part(&report, "linearizable").verdict, Verdict::Violated);
    assert_eq!(part(&report, "loss").verdict, Verdict::Held);
}

#[test]
fn removes_that_are_undone_are_named_exactly() {
    for seed in 0..10 {
        let mut store = Store {
            keeps_one_in: 20,
            ..Store::default()
        };
        let options = Options {
            set_percent: 70,
            ..Options::default()
        };
        let (ops, report) = run("convergence", &options, &mut store, seed);
        let part = part(&report, "convergence");
        let last = |f: &str, kind: Kind, element: &Value| {
            let of = |op: &&Op| op.f == *f && op.kind == kind && op.value == *element;
            ops.iter().rev().find(of).map(|op| op.time)
        };
        // An add that ended when the remove began may have come after it.
        let removed = |element: &&Value| {
            last("add", Kind::Ok, element) < last("remove", Kind::Invoke, element)
        };
        let there = |element: &&Value| store.sets.values().any(|set| set.contains(element));
        let back = store.kept.iter().filter(there);
        let back = back.filter(removed);
        let count = i64::try_from(back.count()).expect("few");
        assert!(count > 0);
        assert_eq!(
            part.number("resurrected"),
            Some(count),
            "seed {seed}: {part:#?}"
        );
        assert_eq!(part.verdict, Verdict::Violated);
        let tested = part.number("deletes_tested").expect("it is there");
        assert!(tested > 100, "seed {seed}: {tested}");
    }
}

/// A store of copies that lag: each client reads one copy after another, or always its own,
/// which has taken the first so many writes; clients may wait there for their own.
struct Copies {
    log: Vec<(Value, Value)>,
    /// How much of the log each client's copy has taken.
    taken: BTreeMap<Process, usize>,
    waits_for_own: bool,
    roams: bool,
}

impl Copies {
    fn answer(&mut self, process: Process, asked: &Invocation, rng: &mut impl RngExt) -> Value {
        let key = asked.key.clone().expect("every operation has a key");
        let taken = self.taken.entry(process).or_insert(0);
        if asked.f == "write" {
            self.log.push((key, asked.value.clone()));
            if self.waits_for_own {
                *taken = self.log.len();
            }
            return asked.value.clone();
        }
        let behind = self.log.len().saturating_sub(rng.random_range(0..40));
        let seen = if self.roams {
            behind
        } else {
            behind.max(*taken)
        };
        *taken = seen;
        let on_key = self.log[..seen].iter().rfind(|(other, _)| *other == key);
        on_key.map_or(Value::Nil, |(_, value)| value.clone())
    }
}

fn verdicts_of_copies(waits_for_own: bool, roams: bool, seed: u64) -> BTreeMap<String, Verdict> {
    let workload = find("sessions")
        .expect("it is in the table")
        .build(&Options::default());
    let mut copies = Copies {
        log: Vec::new(),
        taken: BTreeMap::new(),
        waits_for_own,
        roams,
    };
    let mut load = limit(2_000, workload.generator);
    let ops = simulate::simulate(&mut load, 5, seed, |process, asked, rng| simulate::Answer {
        kind: Kind::Ok,
        value: copies.answer(process, asked, rng),
        latency: 2_000_000,
    });
    let history = History::new(ops).expect("the simulator makes lawful histories");
    let report = workload.checker.check(&history, &Budget::unlimited());
    let parts = part(&report, "sessions").parts.iter();
    parts
        .map(|part| (part.checker.clone(), part.verdict))
        .collect()
}

#[test]
fn promises_to_sessions_are_told_apart() {
    for seed in 0..5 {
        let kept = verdicts_of_copies(true, false, seed);
        assert!(
            kept.values().all(|verdict| *verdict == Verdict::Held),
            "{kept:?}"
        );

        let own = verdicts_of_copies(false, false, seed);
        assert_eq!(own["read-your-writes"], Verdict::Violated);
        for name in ["monotonic-reads", "monotonic-writes", "writes-follow-reads"] {
            assert_eq!(own[name], Verdict::Held, "{name}, seed {seed}");
        }

        let back = verdicts_of_copies(true, true, seed);
        assert_eq!(back["monotonic-reads"], Verdict::Violated);
        assert_eq!(back["monotonic-writes"], Verdict::Undecided);
        assert_eq!(back["causal"], Verdict::Violated);
    }
}

#[test]
fn values_are_unique_and_keys_retire() {
    for about in of_objects() {
        let options = Options {
            cas_percent: 30,
            writes_per_key: 7,
            ..Options::default()
        };
        let (ops, _) = run(about.name, &options, &mut Store::default(), 1);
        let (mut values, mut removed) = (BTreeSet::new(), BTreeSet::new());
        let mut writes: BTreeMap<Value, usize> = BTreeMap::new();
        for op in ops.iter().filter(|op| op.kind == Kind::Invoke) {
            let value = match op.f.as_str() {
                "write" | "add" | "enqueue" | "send" => op.value.clone(),
                "cas" => op.value.as_list().expect("a pair")[1].clone(),
                "remove" => {
                    assert!(values.contains(&op.value), "it was never added");
                    removed.insert(op.value.clone());
                    continue;
                }
                _ => continue,
            };
            let again = op.f == "add" && removed.remove(&value);
            let fresh = values.insert(value);
            assert!(fresh || again, "{}: a value stands twice", about.name);
            *writes.entry(op.key.clone().expect("a key")).or_default() += 1;
        }
        // What certainly did not happen wears nothing out.
        for op in ops.iter().filter(|op| op.kind == Kind::Fail) {
            if let ("write" | "cas" | "add" | "enqueue" | "send", Some(key)) =
                (op.f.as_str(), &op.key)
            {
                *writes.get_mut(key).expect("it was begun") -= 1;
            }
        }
        let most = |letter| {
            let of = writes
                .iter()
                .filter(|(key, _)| key.to_string().contains(letter));
            of.map(|(_, count)| *count).max().unwrap_or(0)
        };
        assert!(
            most('q') <= 7 && most('l') <= 7 && most('r') <= 7 && most('s') <= 300,
            "{}: {writes:?}",
            about.name
        );
        let known: BTreeSet<&str> = about.operations.iter().copied().collect();
        let client = |op: &&Op| !op.f.as_str().starts_with("final-read");
        assert!(
            ops.iter()
                .filter(client)
                .all(|op| known.contains(op.f.as_str()))
        );
    }
}

#[test]
fn every_object_is_finally_read_on_every_node_and_again_if_unanswered() {
    let keys = Keys {
        registers: vec!["r1".into(), "r2".into()],
        sets: vec!["s1".into()],
        ..Keys::default()
    };
    let reads = finals::final_ops(&keys, &nodes());
    assert_eq!(reads.len(), 9);
    let more = Keys {
        counters: vec!["c1".into()],
        queues: vec!["q1".into()],
        logs: vec!["l1".into()],
        ..Keys::default()
    };
    let more = finals::final_ops(&more, &nodes());
    assert_eq!(more.len(), 7, "one drain is enough");
    assert!(more.iter().filter(|read| read.node.is_some()).count() == 6);
    // The second half is not answered.
    let mut asked = phases(vec![Box::new(list(reads.clone()))]);
    let mut count = 0;
    let ops = simulate::simulate(&mut asked, 2, 1, |_, asked, _| {
        count += 1;
        let kind = if count > 4 { Kind::Fail } else { Kind::Ok };
        simulate::Answer {
            kind,
            value: asked.value.clone(),
            latency: 5,
        }
    });
    assert_eq!(finals::unanswered(&ops, &reads), reads[4..]);
    assert_eq!(
        finals::keys(&ops),
        Keys::default(),
        "reading touches nothing"
    );
}
