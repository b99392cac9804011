//! Small random histories against a brute-force judge, and laws that need no judge.

use std::collections::BTreeSet;
use std::sync::Arc;

use checkers::history::{F, History, Kind, Nanos, Op, Process, Value};
use checkers::{Budget, Checker, Linearizable, Verdict};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// What an operation does, with its answer; `None` is an absent register.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Does {
    Read(Option<i64>),
    Write(i64),
    Cas(Option<i64>, i64),
    Add(i64),
    ReadSet(BTreeSet<i64>),
}

#[derive(Clone, Debug)]
struct Call {
    begins: Nanos,
    ends: Nanos,
    kind: Kind,
    does: Does,
}

/// The state of one register or of one set.
#[derive(Clone, Default)]
struct State {
    register: Option<i64>,
    set: BTreeSet<i64>,
}

impl State {
    fn after(&self, does: &Does) -> Option<State> {
        let mut next = self.clone();
        match does {
            Does::Read(value) => return (*value == self.register).then_some(next),
            Does::ReadSet(set) => return (*set == self.set).then_some(next),
            Does::Write(value) => next.register = Some(*value),
            Does::Cas(old, new) => {
                if *old != self.register {
                    return None;
                }
                next.register = Some(*new);
            }
            Does::Add(value) => {
                next.set.insert(*value);
            }
        }
        Some(next)
    }
}

/// Whether some order of all successful and any of the unknown calls is legal and agrees with
/// real time.
fn linearizable(calls: &[Call]) -> bool {
    fn search(calls: &[Call], done: u32, state: &State) -> bool {
        let open = |i: usize| done & (1 << i) == 0;
        let required = |i: usize| calls[i].kind == Kind::Ok && open(i);
        if !(0..calls.len()).any(required) {
            return true;
        }
        (0..calls.len()).any(|i| {
            let late = |j: usize| required(j) && calls[j].ends < calls[i].begins;
            open(i)
                && calls[i].kind != Kind::Fail
                && !(0..calls.len()).any(late)
                && state
                    .after(&calls[i].does)
                    .is_some_and(|next| search(calls, done | (1 << i), &next))
        })
    }
    search(calls, 0, &State::default())
}

fn value(register: Option<i64>) -> Value {
    register.map_or(Value::Nil, Value::Int)
}

/// The calls as a history, each by a process of its own.
fn history(calls: &[Call], key: &str, first_process: u32) -> History {
    let mut entries: Vec<(Nanos, bool, usize)> = Vec::new();
    for (i, call) in calls.iter().enumerate() {
        entries.push((call.begins, false, i));
        entries.push((call.ends, true, i));
    }
    entries.sort_unstable();
    let ops = entries.iter().enumerate().map(|(index, &(time, end, i))| {
        let call = &calls[i];
        let (f, argument, result) = match &call.does {
            Does::Read(result) => ("read", Value::Nil, value(*result)),
            Does::Write(new) => ("write", Value::Int(*new), Value::Int(*new)),
            Does::Cas(old, new) => {
                let pair = Value::List(vec![value(*old), Value::Int(*new)]);
                ("cas", pair.clone(), pair)
            }
            Does::Add(element) => ("add", Value::Int(*element), Value::Int(*element)),
            Does::ReadSet(set) => {
                let elements = set.iter().copied().map(Value::Int).collect();
                ("read-set", Value::Nil, Value::List(elements))
            }
        };
        Op {
            index,
            time,
            process: Process::Client(first_process + u32::try_from(i).expect("few calls")),
            kind: if end { call.kind } else { Kind::Invoke },
            f: F::new(f),
            key: Some(Value::str(key)),
            value: if end && call.kind == Kind::Ok {
                result
            } else {
                argument
            },
            node: Some(Arc::from("n1")),
            error: None,
        }
    });
    History::new(ops.collect()).expect("the test makes lawful histories")
}

fn verdict(calls: &[Call]) -> Verdict {
    Linearizable::default()
        .check(&history(calls, "x", 0), &Budget::unlimited())
        .verdict
}

fn kind(rng: &mut ChaCha8Rng) -> Kind {
    match rng.random_range(0..10) {
        0..6 => Kind::Ok,
        6..9 => Kind::Info,
        _ => Kind::Fail,
    }
}

/// Anything at all; the answers are mostly wrong.
fn wild_register(rng: &mut ChaCha8Rng) -> Vec<Call> {
    let count: i64 = rng.random_range(1..8);
    let some = |rng: &mut ChaCha8Rng| match rng.random_range(0..=count) {
        0 => None,
        value => Some(value),
    };
    let span = rng.random_range(2..14);
    (1..=count)
        .map(|new| {
            let begins = rng.random_range(0..span);
            let does = match rng.random_range(0..4) {
                0 | 1 => Does::Read(some(rng)),
                2 => Does::Write(new),
                _ => Does::Cas(some(rng), new),
            };
            let ends = begins + rng.random_range(0..5);
            Call {
                begins,
                ends,
                kind: kind(rng),
                does,
            }
        })
        .collect()
}

/// What one copy really did, with a small change now and then: mostly right answers.
fn likely(rng: &mut ChaCha8Rng, set: bool) -> Vec<Call> {
    let count: i64 = rng.random_range(2..8);
    let mut state = State::default();
    let mut calls = Vec::new();
    let mut at = 5;
    for new in 1..=count {
        at += rng.random_range(0..3);
        let kind = kind(rng);
        let choice = rng.random_range(0..4);
        let does = match (set, choice) {
            (true, 0 | 1) => Does::ReadSet(state.set.clone()),
            (true, _) => Does::Add(new),
            (false, 0 | 1) => Does::Read(state.register),
            (false, 2) => Does::Write(new),
            (false, _) if rng.random_bool(0.8) => Does::Cas(state.register, new),
            (false, _) => Does::Cas(Some(rng.random_range(1..=count)), new),
        };
        let happens = kind == Kind::Ok || kind == Kind::Info && rng.random_bool(0.5);
        let next = state.after(&does);
        if kind == Kind::Ok && next.is_none() {
            continue;
        }
        if happens && let Some(next) = next {
            state = next;
        }
        let begins = at - rng.random_range(0..4);
        let ends = if kind == Kind::Ok {
            at + rng.random_range(0..4)
        } else {
            begins + rng.random_range(0..3)
        };
        calls.push(Call {
            begins,
            ends,
            kind,
            does,
        });
    }
    for call in &mut calls {
        if !rng.random_bool(0.1) {
            continue;
        }
        match &mut call.does {
            Does::Read(answer) => *answer = Some(rng.random_range(1..=count)),
            Does::ReadSet(answer) => {
                let element = rng.random_range(1..=count);
                if !answer.remove(&element) {
                    answer.insert(element);
                }
            }
            Does::Write(_) | Does::Cas(..) | Does::Add(_) => {
                call.begins += rng.random_range(0..4);
                call.ends = call.ends.max(call.begins);
            }
        }
    }
    calls
}

/// Whether a checker may decline: nobody read, or nobody can have changed anything.
fn is_powerless(calls: &[Call]) -> bool {
    let read = |call: &Call| {
        call.kind == Kind::Ok && matches!(call.does, Does::Read(_) | Does::ReadSet(_))
    };
    let change = |call: &Call| {
        call.kind != Kind::Fail
            && matches!(call.does, Does::Write(_) | Does::Cas(..) | Does::Add(_))
    };
    !calls.iter().any(read) || !calls.iter().any(change)
}

/// Compares over many seeds; the counts of valid and invalid histories seen.
fn compare(seeds: u64, make: impl Fn(&mut ChaCha8Rng) -> Vec<Call>) -> (u64, u64) {
    let (mut valid, mut invalid) = (0, 0);
    for seed in 0..seeds {
        let calls = make(&mut ChaCha8Rng::seed_from_u64(seed));
        let truth = linearizable(&calls);
        let expected = match truth {
            false => Verdict::Violated,
            true if is_powerless(&calls) => Verdict::Undecided,
            true => Verdict::Held,
        };
        assert_eq!(verdict(&calls), expected, "seed {seed}: {calls:#?}");
        if truth {
            valid += 1;
        } else {
            invalid += 1;
        }
    }
    (valid, invalid)
}

#[test]
fn registers_agree_with_brute_force() {
    let wild = compare(60_000, wild_register);
    let likely = compare(60_000, |rng| likely(rng, false));
    println!("wild: {wild:?} valid, invalid; likely: {likely:?}");
    assert!(wild.0 > 5_000 && wild.1 > 5_000, "lopsided: {wild:?}");
    assert!(likely.0 > 5_000 && likely.1 > 5_000, "lopsided: {likely:?}");
}

#[test]
fn sets_agree_with_brute_force() {
    let likely = compare(100_000, |rng| likely(rng, true));
    println!("sets: {likely:?} valid, invalid");
    assert!(likely.0 > 5_000 && likely.1 > 5_000, "lopsided: {likely:?}");
}

/// Every history of up to three calls on a small line of time, in every way.
#[test]
fn every_tiny_register_history_agrees_with_brute_force() {
    let mut count = 0;
    let spans: Vec<(Nanos, Nanos)> = (0..4)
        .flat_map(|begins| (begins..4).map(move |ends| (begins, ends)))
        .collect();
    let options = |new: i64| {
        let mut options = vec![(Kind::Ok, Does::Write(new)), (Kind::Info, Does::Write(new))];
        for seen in [None, Some(1), Some(2), Some(3)] {
            options.push((Kind::Ok, Does::Read(seen)));
            options.push((Kind::Ok, Does::Cas(seen, new)));
        }
        options
    };
    let call = |(begins, ends): (Nanos, Nanos), (kind, does): &(Kind, Does)| Call {
        begins,
        ends,
        kind: *kind,
        does: does.clone(),
    };
    for first in &spans {
        for second in &spans {
            for third in &spans {
                for a in &options(1) {
                    for b in &options(2) {
                        // The third is always a read, or there would be five million.
                        for seen in [None, Some(1), Some(2)] {
                            let read = (Kind::Ok, Does::Read(seen));
                            let calls = [call(*first, a), call(*second, b), call(*third, &read)];
                            let expected = match linearizable(&calls) {
                                false => Verdict::Violated,
                                true if is_powerless(&calls) => Verdict::Undecided,
                                true => Verdict::Held,
                            };
                            assert_eq!(verdict(&calls), expected, "{calls:#?}");
                            count += 1;
                        }
                    }
                }
            }
        }
    }
    println!("{count} tiny histories");
}

#[test]
fn every_anomaly_alone_is_a_contradiction() {
    for seed in 0..20_000 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let set = rng.random_bool(0.5);
        let calls = likely(&mut rng, set);
        let history = history(&calls, "x", 0);
        let report = Linearizable::default().check(&history, &Budget::unlimited());
        for anomaly in &report.anomalies {
            // The evidence alone, and nothing else, must not be linearizable.
            let evidence: Vec<Call> = calls
                .iter()
                .enumerate()
                .filter(|(i, _)| {
                    anomaly.ops.iter().any(|&index| {
                        let process = u32::try_from(*i).expect("few calls");
                        history.ops()[index].process == Process::Client(process)
                    })
                })
                .map(|(_, call)| call.clone())
                .collect();
            assert!(
                !linearizable(&evidence),
                "seed {seed}: {anomaly:#?}\n{calls:#?}"
            );
        }
    }
}

#[test]
fn laws_that_need_no_judge() {
    for seed in 0..20_000 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let set = rng.random_bool(0.5);
        let calls = likely(&mut rng, set);
        let before = verdict(&calls);

        let renamed = history(&calls, "another key", 1_000);
        let renamed = Linearizable::default()
            .check(&renamed, &Budget::unlimited())
            .verdict;
        assert_eq!(before, renamed, "seed {seed}: names matter");

        let mut later = calls.clone();
        for call in &mut later {
            call.begins = call.begins * 3 + 7;
            call.ends = call.ends * 3 + 7;
        }
        assert_eq!(
            before,
            verdict(&later),
            "seed {seed}: the scale of time matters"
        );

        if before == Verdict::Violated || calls.is_empty() {
            continue;
        }
        let one = rng.random_range(0..calls.len());
        let mut wider = calls.clone();
        wider[one].begins = wider[one].begins.saturating_sub(rng.random_range(0..5));
        wider[one].ends += rng.random_range(0..5);
        assert_ne!(
            verdict(&wider),
            Verdict::Violated,
            "seed {seed}: stretching broke it"
        );

        let mut unknown = calls.clone();
        unknown[one].kind = match unknown[one].kind {
            Kind::Fail => Kind::Fail,
            _ => Kind::Info,
        };
        assert_ne!(
            verdict(&unknown),
            Verdict::Violated,
            "seed {seed}: not knowing broke it"
        );

        if matches!(calls[one].does, Does::Read(_) | Does::ReadSet(_)) {
            let mut fewer = calls.clone();
            fewer.remove(one);
            assert_ne!(
                verdict(&fewer),
                Verdict::Violated,
                "seed {seed}: reading less broke it"
            );
        }
    }
}
