//! Convergence of simulated replicas: some that converge, and some that are broken.

mod made;

use std::collections::{BTreeMap, BTreeSet};

use checkers::history::notation::h;
use checkers::history::{F, History, Kind, Op, Process, Value};
use checkers::{Budget, Checker, Convergence, Report, Verdict};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// The last write wins, by time and node; removes leave tombstones.
    Correct,
    /// A replica takes what arrives, whatever it has.
    ArrivalWins,
    /// Tombstones are not sent.
    NoTombstones,
}

#[derive(Clone, Debug, Default, PartialEq)]
struct Replica {
    registers: BTreeMap<usize, (u64, i64)>,
    added: BTreeSet<i64>,
    removed: BTreeSet<i64>,
}

impl Replica {
    fn merge(&mut self, other: &Self, mode: Mode) {
        for (key, theirs) in &other.registers {
            let own = self.registers.entry(*key).or_insert(*theirs);
            if mode == Mode::ArrivalWins || theirs > own {
                *own = *theirs;
            }
        }
        self.added.extend(&other.added);
        if mode != Mode::NoTombstones {
            self.removed.extend(&other.removed);
        }
        self.added.retain(|element| !self.removed.contains(element));
        if mode == Mode::NoTombstones {
            // A tombstone is dropped once it has done its work.
            self.removed.clear();
        }
    }

    fn elements(&self) -> Value {
        Value::List(self.added.iter().copied().map(Value::Int).collect())
    }
}

const US: u64 = 1_000;
const NODES: [&str; 3] = ["n1", "n2", "n3"];

struct Recorder {
    ops: Vec<Op>,
    time: u64,
    processes: u32,
}

impl Recorder {
    fn call(
        &mut self,
        f: &'static str,
        key: &str,
        argument: &Value,
        node: usize,
        end: (Kind, Value),
    ) {
        self.processes += 1;
        for (kind, value) in [(Kind::Invoke, argument.clone()), end] {
            self.ops.push(Op {
                index: self.ops.len(),
                time: self.time,
                process: Process::Client(self.processes),
                kind,
                f: F::new(f),
                key: Some(Value::str(key)),
                value,
                node: Some(NODES[node].into()),
                error: None,
            });
            self.time += US;
        }
    }
}

struct Simulated {
    history: History,
    /// How long after the end of the last write all nodes came to hold what they then kept.
    took_us: u64,
    /// Whether some node holds something else than another in the end.
    differ: bool,
}

fn name(key: usize) -> String {
    format!("r{key}")
}

fn simulate(seed: u64, mode: Mode, info: bool, sets: bool) -> Simulated {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut nodes = vec![Replica::default(); 3];
    let mut recorder = Recorder {
        ops: Vec::new(),
        time: 0,
        processes: 0,
    };
    let keys = if sets { 3 } else { 1 };
    let mut elements = Vec::new();
    let mut last_write = 0;
    let mut settled = 0;
    let steps = rng.random_range(10..60);
    // Writes end two thirds of the way.
    for step in 0..steps {
        let node = rng.random_range(0..3);
        let key = rng.random_range(0..keys);
        let value = i64::from(step) + 1;
        let writes = step < steps * 2 / 3;
        match rng.random_range(0..6) {
            0 | 1 if writes => {
                let unknown = info && rng.random_bool(0.2);
                if !unknown || rng.random_bool(0.5) {
                    nodes[node].registers.insert(key, (recorder.time, value));
                }
                let kind = if unknown { Kind::Info } else { Kind::Ok };
                let written = Value::Int(value);
                recorder.call("write", &name(key), &written, node, (kind, written.clone()));
                last_write = recorder.time - US;
                settled = last_write;
            }
            2 if writes && sets => {
                nodes[node].added.insert(value);
                elements.push(value);
                let element = Value::Int(value);
                recorder.call("add", "s", &element, node, (Kind::Ok, element.clone()));
            }
            3 if writes && sets && !elements.is_empty() => {
                let element = elements[rng.random_range(0..elements.len())];
                nodes[node].added.remove(&element);
                nodes[node].removed.insert(element);
                let element = Value::Int(element);
                recorder.call("remove", "s", &element, node, (Kind::Ok, element.clone()));
            }
            4 => {
                let seen = nodes[node].registers.get(&key);
                let seen = seen.map_or(Value::Nil, |(_, value)| Value::Int(*value));
                recorder.call("read", &name(key), &Value::Nil, node, (Kind::Ok, seen));
            }
            _ => {
                let other = nodes[rng.random_range(0..3)].clone();
                let before = nodes[node].clone();
                nodes[node].merge(&other, mode);
                if nodes[node] != before {
                    settled = recorder.time;
                }
                recorder.time += US;
            }
        }
    }
    // Every node hears of every other at once, twice.
    for _ in 0..2 {
        let before = nodes.clone();
        for at in 0..3 {
            for other in [1, 2] {
                nodes[at].merge(&before[(at + other) % 3], mode);
            }
        }
        if nodes != before {
            settled = recorder.time;
        }
        recorder.time += US;
    }
    let touched: BTreeSet<String> = (recorder.ops.iter())
        .filter(|op| op.f == "write")
        .filter_map(|op| op.key.as_ref()?.as_str().map(str::to_owned))
        .collect();
    for (at, node) in nodes.iter().enumerate() {
        for key in 0..keys {
            if touched.contains(&name(key)) {
                let seen = node.registers.get(&key);
                let seen = seen.map_or(Value::Nil, |(_, value)| Value::Int(*value));
                recorder.call("final-read", &name(key), &Value::Nil, at, (Kind::Ok, seen));
            }
        }
        if sets {
            let seen = node.elements();
            recorder.call("final-read-set", "s", &Value::Nil, at, (Kind::Ok, seen));
        }
    }
    Simulated {
        history: History::new(recorder.ops).expect("lawful"),
        took_us: settled.saturating_sub(last_write) / US,
        differ: nodes
            .iter()
            .any(|node| node.registers != nodes[0].registers || node.added != nodes[0].added),
    }
}

fn judge(history: &History) -> Report {
    Convergence.check(history, &Budget::unlimited())
}

fn has(report: &Report, name: &str) -> bool {
    report.anomalies.iter().any(|anomaly| anomaly.name == name)
}

#[test]
fn replicas_that_converge_are_never_accused_and_broken_ones_are_found() {
    let (mut held, mut diverged, mut back) = (0, 0, 0);
    for seed in 0..3_000 {
        let simulated = simulate(seed, Mode::Correct, seed % 2 == 0, true);
        let report = judge(&simulated.history);
        let told = || format!("seed {seed}: {report:#?}");
        assert_ne!(report.verdict, Verdict::Violated, "{}", told());
        held += u64::from(report.verdict == Verdict::Held);
        for mode in [Mode::ArrivalWins, Mode::NoTombstones] {
            let broken = simulate(seed, mode, false, true);
            let report = judge(&broken.history);
            assert_eq!(
                has(&report, "divergence"),
                broken.differ,
                "seed {seed}: {report:#?}"
            );
            diverged += u64::from(broken.differ);
            back += u64::from(has(&report, "resurrected-delete"));
        }
    }
    println!("{held} held, {diverged} diverged, {back} resurrected");
    assert!(held > 2_900 && diverged > 250 && back > 500);
}

#[test]
fn the_time_it_took_lies_between_the_bounds() {
    let (mut timed, mut late) = (0, 0);
    for seed in 0..5_000 {
        let simulated = simulate(seed, Mode::Correct, false, false);
        let report = judge(&simulated.history);
        let number =
            |name: &str| report.number(&format!("converged_after_last_write_max_{name}_us"));
        let (Some(low), Some(high)) = (number("at_least"), number("at_most")) else {
            continue;
        };
        let took = i64::try_from(simulated.took_us).expect("short");
        assert!(
            low <= took && took <= high,
            "seed {seed}: {took} is outside of {low}..{high}: {report:#?}"
        );
        timed += 1;
        late += i64::from(low > 0);
    }
    assert!(timed > 4_000 && late > 500, "{timed} timed, {late} late");
}

#[test]
fn who_differs_in_what_is_told() {
    let report = judge(&h(
        "0:w1 0:ok%n1 0:w2@y 0:ok%n1 7:fr%n1 7:ok=1 8:fr%n2 8:ok=nil 9:fr%n3 9:ok=1 \
         7:fr@y%n1 7:ok=2 8:fr@y%n2 8:ok=2 9:fr@y%n3 9:ok=2",
    ));
    assert_eq!(report.verdict, Verdict::Violated);
    let matrix = &report.figures["differing_by_nodes"];
    let count = |one: &str, other: &str| {
        let row = matrix.get(one).expect("every node has a row");
        row.get(other).and_then(Value::as_int).expect("a number")
    };
    assert_eq!(
        [count("n1", "n2"), count("n2", "n3"), count("n1", "n3")],
        [1, 1, 0]
    );
    assert_eq!(
        report.figures["differing_keys"],
        Value::List(vec!["x".into()])
    );
    assert_eq!(report.number("keys_equal"), Some(1));
    let because = report.anomalies[0].because.last().expect("a conclusion");
    assert_eq!(
        because,
        "n1 has 1 and lacks 1 that others have (nil); n2 has 1 and lacks 1 that others have (1), \
         3.000 ms after the last change that was acknowledged."
    );
}

#[test]
fn what_was_under_way_explains_a_difference() {
    let verdict = |text: &str| judge(&h(text)).verdict;
    let finals = "8:fr%n1 8:ok=1 9:fr%n2 9:ok=2";
    assert_eq!(
        verdict(&format!("0:w1 0:ok 1:w2 1:ok {finals}")),
        Verdict::Violated
    );
    assert_eq!(
        verdict(&format!("0:w1 0:ok 1:w2 1:info {finals}")),
        Verdict::Undecided
    );
    assert_eq!(
        verdict(&format!("0:w1 0:ok 1:w2 {finals} 1:ok")),
        Verdict::Undecided
    );
    // Somebody had seen it, so it had taken effect.
    let seen = format!("0:w1 0:ok 1:w2 1:info 0:r 0:ok=2%n1 {finals}");
    assert_eq!(verdict(&seen), Verdict::Violated);
    // An unknown write explains what it wrote, and nothing else.
    let other = format!("0:w1 0:ok 0:w2 0:ok 1:w3 1:info {finals}");
    assert_eq!(verdict(&other), Verdict::Violated);
    let set = "8:frs%n1 8:ok=[1,2] 9:frs%n2 9:ok=[1]";
    assert_eq!(
        verdict(&format!("0:a1 0:ok 1:a2 1:info {set}")),
        Verdict::Undecided
    );
    assert_eq!(
        verdict(&format!("0:a1 0:ok 1:a2 1:ok {set}")),
        Verdict::Violated
    );
    let order = "8:frs%n1 8:ok=[2,1] 9:frs%n2 9:ok=[1,2]";
    assert_eq!(
        verdict(&format!("0:a1 0:ok 1:a2 1:ok {order}")),
        Verdict::Held
    );
}

#[test]
fn what_is_missing_is_said() {
    let why = |text: &str| {
        let report = judge(&h(text));
        assert_eq!(report.verdict, Verdict::Undecided, "{report:#?}");
        report.why.expect("it says why")
    };
    assert!(why("0:r 0:ok=nil").contains("nothing was changed"));
    assert!(why("0:w1 0:ok").contains("needs final reads of every key on every node"));
    assert!(why("0:w1 0:ok%n2 9:fr%n1 9:ok=1").contains("there is none of \"x\" on n2"));
    assert!(why("0:w1 0:ok 9:fr%n1 9:ok=1").contains("only one was ever read"));
    assert!(why("0:w1 0:info 8:fr%n1 8:ok=1 9:fr%n2 9:ok=1").contains("nothing was acknowledged"));
}

/// Operations in order, each over before the next: function, argument, result, node.
fn told(key: &str, entries: &[(&'static str, Value, Value, usize)]) -> History {
    let mut recorder = Recorder {
        ops: Vec::new(),
        time: 0,
        processes: 0,
    };
    for (f, argument, result, node) in entries {
        recorder.call(f, key, argument, *node, (Kind::Ok, result.clone()));
    }
    History::new(recorder.ops).expect("lawful")
}

fn list(items: &[i64]) -> Value {
    Value::List(items.iter().copied().map(Value::Int).collect())
}

#[test]
fn a_delete_that_is_undone_is_found_where_it_is_certain() {
    let of = |entries: &[(&'static str, Value, Value, usize)]| {
        let report = judge(&told("k", entries));
        has(&report, "resurrected-delete")
    };
    let one = Value::Int(1);
    let add = ("add", one.clone(), one.clone(), 0);
    let remove = ("remove", one.clone(), one.clone(), 1);
    let set = |items: &[i64], node| ("read-set", Value::Nil, list(items), node);
    let last = |items: &[i64], node| ("final-read-set", Value::Nil, list(items), node);
    assert!(of(&[
        add.clone(),
        remove.clone(),
        last(&[1], 0),
        last(&[], 1)
    ]));
    assert!(!of(&[
        add.clone(),
        remove.clone(),
        last(&[], 0),
        last(&[], 1)
    ]));
    assert!(
        !of(&[add.clone(), remove.clone(), add.clone(), last(&[1], 0)]),
        "added again"
    );
    // Another node may lag; the same one has gone back.
    assert!(!of(&[
        add.clone(),
        remove.clone(),
        set(&[], 1),
        set(&[1], 2)
    ]));
    assert!(of(&[
        add.clone(),
        remove.clone(),
        set(&[], 1),
        set(&[1], 1)
    ]));
    assert!(
        !of(&[add.clone(), set(&[], 1), remove.clone(), set(&[1], 1)]),
        "it came late"
    );
    let write = ("write", one.clone(), one.clone(), 0);
    let delete = ("delete", Value::Nil, Value::Nil, 0);
    let read = ("final-read", Value::Nil, one.clone(), 0);
    assert!(of(&[write.clone(), delete.clone(), read.clone()]));
    assert!(!of(&[delete, write, read]));
}

#[test]
fn the_same_updates_have_one_state_and_a_version_one_content() {
    let append = |item| ("append", Value::Int(item), Value::Int(item), 0);
    let read = |items: &[i64], node| ("read", Value::Nil, list(items), node);
    let strong = judge(&told(
        "k",
        &[append(1), append(2), read(&[1, 2], 0), read(&[2, 1], 1)],
    ));
    assert!(has(&strong, "strong-divergence"), "{strong:#?}");
    let fewer = judge(&told(
        "k",
        &[append(1), append(2), read(&[1, 2], 0), read(&[2], 1)],
    ));
    assert!(!has(&fewer, "strong-divergence"));
    let state = |updates: &[i64], state: i64| {
        let map = Value::map([("updates", list(updates)), ("state", Value::Int(state))]);
        ("read", Value::Nil, map, 0)
    };
    let differ = judge(&told("k", &[state(&[1, 2], 7), state(&[2, 1], 8)]));
    assert!(has(&differ, "strong-divergence"), "{differ:#?}");
    let version = |version: i64, value: i64| {
        let map = Value::map([
            ("version", Value::Int(version)),
            ("value", Value::Int(value)),
        ]);
        ("read", Value::Nil, map, 0)
    };
    let two = judge(&told("k", &[version(1, 7), version(2, 8), version(1, 9)]));
    assert!(has(&two, "version-conflict"), "{two:#?}");
    let one = judge(&told("k", &[version(1, 7), version(2, 8), version(1, 7)]));
    assert!(!has(&one, "version-conflict"));
}

#[test]
fn names_change_nothing_and_longer_calls_and_fewer_reads_break_nothing() {
    let (mut held, mut violated) = (0, 0);
    for seed in 0..9_000 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let modes = [Mode::Correct, Mode::ArrivalWins, Mode::NoTombstones];
        let mode = modes[usize::try_from(seed % 3).expect("few")];
        let history = simulate(seed, mode, rng.random(), rng.random()).history;
        let may = |op: &Op| op.f == *"read";
        held += u64::from(made::laws::obeys(&Convergence, &history, &mut rng, may));
        let before = judge(&history).verdict;
        violated += u64::from(before == Verdict::Violated);
        let renamed = made::laws::other_values(&history);
        assert_eq!(judge(&renamed).verdict, before, "{seed}");
    }
    assert!(held > 1_000 && violated > 1_000, "{held} {violated}");
}
