//! Set and set-full against their definitions, word by word, on small random histories.

mod made;

use std::collections::BTreeSet;

use checkers::history::{Kind, Value};
use checkers::{Budget, Checker, Report, Set, SetFull, Verdict};
use made::{Made, history, int, made, seeds, weaken};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Adds, removes and whole reads that return about what was added so far; perhaps final reads.
fn any(rng: &mut ChaCha8Rng, faults: f64) -> Vec<Made> {
    let count = rng.random_range(1..11);
    let width = rng.random_range(1..4);
    let removes = rng.random_bool(0.2);
    let mut added: Vec<Value> = Vec::new();
    let show = |rng: &mut ChaCha8Rng, added: &[Value]| {
        let mut items: Vec<Value> = added.to_vec();
        if !items.is_empty() && rng.random_bool(faults) {
            items.remove(rng.random_range(0..items.len()));
        }
        if rng.random_bool(faults / 8.0) {
            items.push(int(rng.random_range(0..12)));
        }
        if rng.random_bool(0.3) && !items.is_empty() {
            let turn = rng.random_range(0..items.len());
            items.rotate_left(turn);
        }
        Value::List(items)
    };
    let mut calls = made(rng, count, width, |rng, number| {
        let own = int(i64::try_from(number).expect("few"));
        if removes && rng.random_bool(0.15) {
            let other = int(rng.random_range(0..10));
            return ("remove", other.clone(), other);
        }
        if rng.random_bool(0.5) {
            if rng.random_bool(0.8) {
                added.push(own.clone());
            }
            return ("add", own.clone(), own);
        }
        let f = if rng.random_bool(0.5) {
            "read"
        } else {
            "read-set"
        };
        (f, Value::Nil, show(rng, &added))
    });
    if rng.random_bool(0.3) {
        let from = if rng.random_bool(0.2) { 4 } else { 60 };
        for (place, node) in ["n1", "n2"].into_iter().enumerate() {
            if rng.random_bool(0.1) {
                continue;
            }
            calls.push(Made {
                process: 90 + u32::try_from(place).expect("few"),
                begins: from + rng.random_range(0..2),
                ends: from + 3,
                kind: if rng.random_bool(0.05) {
                    Kind::Fail
                } else {
                    Kind::Ok
                },
                f: "final-read-set",
                key: Value::str("x"),
                argument: Value::Nil,
                result: show(rng, &added),
                node,
            });
        }
    }
    calls
}

/// A read as the definitions have it: when it began and ended, and what it showed.
#[derive(Clone, Debug)]
struct Seen {
    begins: u64,
    ends: u64,
    items: Vec<Value>,
    /// Made of the reads of some nodes only: it shows what is there, and lacks nothing.
    is_partial: bool,
}

fn items(call: &Made) -> Vec<Value> {
    call.result.as_list().expect("a list").to_vec()
}

fn reads(calls: &[Made]) -> Vec<Seen> {
    let own = calls
        .iter()
        .filter(|c| c.kind == Kind::Ok && matches!(c.f, "read" | "read-set"))
        .map(|c| Seen {
            begins: c.begins,
            ends: c.ends,
            items: items(c),
            is_partial: false,
        });
    let mut reads: Vec<Seen> = own.collect();
    let finals: Vec<&Made> = calls.iter().filter(|c| c.f == "final-read-set").collect();
    let answered: Vec<&&Made> = finals.iter().filter(|c| c.kind == Kind::Ok).collect();
    let used = calls
        .iter()
        .filter(|c| c.kind == Kind::Ok || c.f == "final-read-set");
    let used: BTreeSet<&str> = used.map(|c| c.node).collect();
    let told: BTreeSet<&str> = answered.iter().map(|c| c.node).collect();
    if !answered.is_empty() {
        let mut all: BTreeSet<Value> = BTreeSet::new();
        let mut twice: Vec<Value> = Vec::new();
        for read in &answered {
            let mut here = BTreeSet::new();
            let again: Vec<Value> = items(read)
                .into_iter()
                .filter(|i| !here.insert(i.clone()))
                .collect();
            if twice.is_empty() {
                twice = again;
            }
            all.extend(here);
        }
        reads.push(Seen {
            begins: answered.iter().map(|c| c.begins).min().expect("some"),
            ends: answered.iter().map(|c| c.ends).max().expect("some"),
            items: all.into_iter().chain(twice).collect(),
            is_partial: used != told,
        });
    }
    reads
}

/// The counts that a report must have.
#[derive(Debug, Default, PartialEq, Eq)]
struct Counts {
    stable: i64,
    stale: i64,
    lost: i64,
    never: i64,
    flickering: i64,
    duplicate: i64,
    dirty: i64,
    phantom: i64,
}

fn defined(calls: &[Made]) -> Counts {
    let reads = reads(calls);
    let mut counts = Counts::default();
    for read in &reads {
        let distinct: BTreeSet<&Value> = read.items.iter().collect();
        counts.duplicate += i64::try_from(read.items.len() - distinct.len()).expect("few");
    }
    let adds = || calls.iter().filter(|c| c.f == "add");
    let shown: BTreeSet<&Value> = reads.iter().flat_map(|read| &read.items).collect();
    for value in shown {
        match adds().find(|add| add.argument == *value) {
            None => counts.phantom += 1,
            Some(add) if add.kind == Kind::Fail => counts.dirty += 1,
            Some(add) => {
                let early = |read: &Seen| {
                    !read.is_partial && read.ends < add.begins && read.items.contains(value)
                };
                counts.phantom += i64::from(reads.iter().any(early));
            }
        }
    }
    for add in adds().filter(|add| add.kind != Kind::Fail) {
        let value = &add.argument;
        let gone = calls
            .iter()
            .filter(|c| c.f == "remove" && c.kind != Kind::Fail && c.argument == *value);
        let gone = gone.map(|remove| remove.begins).min();
        let shows = |read: &&Seen| read.items.contains(value);
        let lacks = |read: &&Seen| {
            !read.items.contains(value)
                && !read.is_partial
                && read.ends >= add.begins
                && gone.is_none_or(|gone| read.ends < gone)
        };
        let seen = reads.iter().filter(shows).filter(|read| !read.is_partial);
        let seen = seen.map(|read| read.ends).min();
        let acknowledged = (add.kind == Kind::Ok).then_some(add.ends);
        let known = seen.into_iter().chain(acknowledged).min();
        let present = reads.iter().filter(shows).map(|read| read.begins).max();
        let absent = reads.iter().filter(lacks).map(|read| read.begins).max();
        let is_stable = present.is_some() && absent < present;
        let is_lost = known.is_some_and(|known| {
            absent.is_some_and(|absent| absent > known && present.is_none_or(|p| absent > p))
        });
        assert!(!(is_stable && is_lost));
        counts.stable += i64::from(is_stable);
        counts.lost += i64::from(is_lost);
        counts.never += i64::from(!is_stable && !is_lost);
        let is_late = absent.is_some_and(|absent| known.is_some_and(|known| absent > known));
        counts.stale += i64::from(is_stable && is_late);
        let flickers = reads.iter().any(|gap| {
            !gap.items.contains(value)
                && !gap.is_partial
                && (reads.iter()).any(|r| shows(&r) && !r.is_partial && r.ends < gap.begins)
                && reads.iter().any(|r| shows(&r) && gap.ends < r.begins)
        });
        counts.flickering += i64::from(flickers && gone.is_none());
    }
    counts
}

fn told(report: &Report) -> Counts {
    let number = |name: &str| report.number(name).expect(name);
    Counts {
        stable: number("stable"),
        stale: number("stale"),
        lost: number("lost"),
        never: number("never_read"),
        flickering: number("flickering"),
        duplicate: number("duplicate"),
        dirty: number("dirty"),
        phantom: number("phantom"),
    }
}

#[test]
fn set_full_agrees_with_its_definition() {
    let mut sums = [0_i64; 8];
    for seed in 0..seeds() {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let calls = any(&mut rng, 0.3);
        if !calls.iter().any(|call| call.f == "add") {
            continue;
        }
        let history = history(&calls);
        let expected = defined(&calls);
        for linearizable in [false, true] {
            let report = SetFull { linearizable }.check(&history, &Budget::unlimited());
            assert_eq!(told(&report), expected, "seed {seed}: {calls:#?}");
            let c = &expected;
            let mut bad = c.lost + c.duplicate + c.dirty + c.phantom;
            if linearizable {
                bad += c.stale + c.flickering;
            }
            let verdict = if bad > 0 {
                Verdict::Violated
            } else if c.stable == 0 {
                Verdict::Undecided
            } else {
                Verdict::Held
            };
            assert_eq!(report.verdict, verdict, "seed {seed}: {report:#?}");
        }
        let c = expected;
        let all = [
            c.stable,
            c.stale,
            c.lost,
            c.never,
            c.flickering,
            c.duplicate,
            c.dirty,
            c.phantom,
        ];
        for (sum, count) in sums.iter_mut().zip(all) {
            *sum += count;
        }
    }
    println!("stable, stale, lost, never read, flickering, duplicate, dirty, phantom: {sums:?}");
    let few = i64::try_from(seeds() / 200).expect("few");
    assert!(sums.iter().all(|sum| *sum > few), "lopsided: {sums:?}");
}

#[test]
fn set_agrees_with_its_definition() {
    let mut verdicts = [0; 3];
    for seed in 0..seeds() / 2 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let calls = any(&mut rng, if seed % 2 == 0 { 0.05 } else { 0.3 });
        if !calls.iter().any(|call| call.f == "add") {
            continue;
        }
        let report = Set.check(&history(&calls), &Budget::unlimited());
        let reads = reads(&calls);
        // Of those that began last, the one that stands last.
        let last = (0..reads.len()).max_by_key(|&at| (reads[at].begins, place(&calls, &reads, at)));
        let Some(last) = last.map(|at| &reads[at]) else {
            assert_eq!(report.verdict, Verdict::Undecided);
            continue;
        };
        let (mut lost, mut late, mut bad) = (0, 0, 0);
        let distinct: BTreeSet<&Value> = last.items.iter().collect();
        bad += last.items.len() - distinct.len();
        for add in calls.iter().filter(|c| c.f == "add" && c.kind == Kind::Ok) {
            let gone = calls
                .iter()
                .any(|c| c.f == "remove" && c.kind != Kind::Fail && c.argument == add.argument);
            if last.items.contains(&add.argument) || gone {
            } else if add.ends < last.begins && !last.is_partial {
                lost += 1;
            } else {
                late += 1;
            }
        }
        for value in distinct {
            let asked = |c: &&Made| c.f == "add" && c.kind != Kind::Fail && c.argument == *value;
            bad += usize::from(!calls.iter().any(|c| asked(&c)));
        }
        assert_eq!(report.number("lost"), Some(lost), "seed {seed}: {calls:#?}");
        assert_eq!(report.number("late"), Some(late), "seed {seed}: {calls:#?}");
        let is_bad = lost > 0 || bad > 0;
        assert_eq!(
            report.verdict == Verdict::Violated,
            is_bad,
            "seed {seed}: {report:#?}"
        );
        assert!(report.verdict != Verdict::Held || late == 0);
        verdicts[report.verdict as usize] += 1;
    }
    println!("held, undecided, violated: {verdicts:?}");
    assert!(
        verdicts.iter().all(|count| *count > 500),
        "lopsided: {verdicts:?}"
    );
}

/// Where a read stands among those that began at the same time: as the history has it, and the
/// one of all final reads last.
fn place(calls: &[Made], reads: &[Seen], at: usize) -> usize {
    let own = calls
        .iter()
        .filter(|c| c.kind == Kind::Ok && matches!(c.f, "read" | "read-set"))
        .count();
    assert!(own <= reads.len());
    at
}

/// Other names change nothing.
#[test]
fn renaming_changes_nothing() {
    for seed in 0..seeds() / 20 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let calls = any(&mut rng, 0.3);
        let full = SetFull { linearizable: true };
        let before = full.check(&history(&calls), &Budget::unlimited());
        let mut renamed = calls.clone();
        for call in &mut renamed {
            call.key = Value::Nil;
            call.process += 500;
        }
        let after = full.check(&history(&renamed), &Budget::unlimited());
        assert_eq!(before.verdict, after.verdict, "seed {seed}");
        assert_eq!(before.figures, after.figures, "seed {seed}");
    }
}

/// A longer add, or one of which nobody knows what came of it, makes nothing wrong.
#[test]
fn what_is_held_is_not_violated_when_less_is_known() {
    let mut tried = 0;
    for seed in 0..seeds() / 5 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let calls = any(&mut rng, 0.1);
        let judge = |calls: &[Made]| {
            SetFull {
                linearizable: seed % 2 == 0,
            }
            .check(&history(calls), &Budget::unlimited())
            .verdict
        };
        if judge(&calls) != Verdict::Held {
            continue;
        }
        // A node of which nothing is known any more need not have been read.
        let finals = calls.iter().filter(|call| call.f == "final-read-set");
        if finals.filter(|call| call.kind == Kind::Ok).count() == 1 {
            continue;
        }
        let weaker = weaken(&mut rng, &calls);
        // The last read decides by definition, so only adds may be known less well.
        let differs =
            |(one, other): (&Made, &Made)| one.kind != other.kind || one.ends != other.ends;
        let mut pairs = weaker.iter().zip(&calls);
        if pairs.any(|(one, other)| one.f != "add" && differs((one, other))) {
            continue;
        }
        tried += 1;
        assert_ne!(
            judge(&weaker),
            Verdict::Violated,
            "seed {seed}: {calls:#?} {weaker:#?}"
        );
    }
    assert!(tried > seeds() / 200, "only {tried}");
}
