//! Counters against their definitions on small random histories, and a simulated counter whose
//! nodes are behind.

mod made;

use std::collections::BTreeSet;

use checkers::history::{Kind, Value};
use checkers::{Budget, Checker, Counter, Linearizable, PnCounter, Verdict};
use made::{Made, history, int, made, seeds, weaken};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// By how much a call changes the counter.
fn by(call: &Made) -> i64 {
    let number = match call.argument {
        Value::Nil => 1,
        _ => call.argument.as_int().expect("a number"),
    };
    if call.f == "decrement" {
        -number
    } else {
        number
    }
}

fn is_change(call: &&Made) -> bool {
    matches!(call.f, "add" | "increment" | "decrement") && call.kind != Kind::Fail
}

/// Changes of one step or several, and reads that return about what was counted so far.
fn any(rng: &mut ChaCha8Rng, finals: bool) -> Vec<Made> {
    let steps = rng.random_range(1..4);
    let falls = rng.random_bool(0.4);
    let mut sum = 0;
    let count = rng.random_range(1..9);
    let width = rng.random_range(1..4);
    let wrong = if rng.random_bool(0.5) { 0.0 } else { 0.3 };
    let mut calls = made(rng, count, width, |rng, _| {
        if rng.random_bool(0.5) {
            let seen = sum
                + if rng.random_bool(wrong) {
                    rng.random_range(-2..3)
                } else {
                    0
                };
            return ("read", Value::Nil, int(seen));
        }
        let number = rng.random_range(1..=steps);
        let down = falls && rng.random_bool(0.4);
        sum += if down { -number } else { number };
        let (f, argument) = match (down, number) {
            (true, 1) if rng.random_bool(0.5) => ("decrement", Value::Nil),
            (true, _) => ("decrement", int(number)),
            (false, 1) if rng.random_bool(0.5) => ("increment", Value::Nil),
            (false, _) if rng.random_bool(0.5) => ("add", int(number)),
            (false, _) => ("increment", int(number)),
        };
        (f, argument.clone(), argument)
    });
    if finals {
        for (process, node) in [(90, "n1"), (91, "n2")] {
            let near = rng.random_range(-3..2);
            calls.push(Made {
                process,
                begins: if rng.random_bool(0.1) { 3 } else { 60 },
                ends: 61,
                kind: Kind::Ok,
                f: "final-read-counter",
                key: Value::str("x"),
                argument: Value::Nil,
                result: int(sum + if rng.random_bool(0.5) { 0 } else { near }),
                node,
            });
        }
    }
    calls
}

fn is_counter(calls: &[Made]) -> bool {
    calls
        .iter()
        .any(|call| matches!(call.f, "increment" | "decrement" | "add"))
}

#[test]
fn bounds_agree_with_their_definition_and_one_step_with_linearizability() {
    let (mut wrong, mut exact, mut verdicts) = (0, 0, [0; 3]);
    for seed in 0..seeds() {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let calls = any(&mut rng, false);
        if !is_counter(&calls) {
            continue;
        }
        let history = history(&calls);
        let report = Counter.check(&history, &Budget::unlimited());
        let sum = |is: &dyn Fn(&Made) -> bool| {
            calls
                .iter()
                .filter(is_change)
                .filter(|c| is(c))
                .map(by)
                .sum::<i64>()
        };
        let (mut outside, mut distance) = (0, 0);
        let mut power = false;
        for read in calls.iter().filter(|c| c.f == "read" && c.kind == Kind::Ok) {
            let seen = read.result.as_int().expect("a number");
            let must = |c: &Made| c.is_before(read.begins);
            let may = |c: &Made| c.begins <= read.ends;
            let least = sum(&|c| by(c) > 0 && must(c)) + sum(&|c| by(c) < 0 && may(c));
            let most = sum(&|c| by(c) > 0 && may(c)) + sum(&|c| by(c) < 0 && must(c));
            outside += i64::from(seen < least || seen > most);
            distance += (least - seen).max(seen - most).max(0);
            power |= calls.iter().filter(is_change).any(must);
        }
        let told = || format!("seed {seed}: {calls:#?} {report:#?}");
        assert_eq!(report.number("reads_outside"), Some(outside), "{}", told());
        assert_eq!(report.number("distance_sum"), Some(distance), "{}", told());
        wrong += outside;
        if outside > 0 {
            assert_eq!(report.verdict, Verdict::Violated, "{}", told());
        } else if report.number("counters_exact") == Some(1) {
            exact += 1;
            let general = Linearizable::of(checkers::model::Known::Counter);
            let general = general.check(&history, &Budget::unlimited());
            let bad = general.verdict == Verdict::Violated;
            assert_eq!(report.verdict == Verdict::Violated, bad, "{}", told());
        } else {
            assert_ne!(report.verdict, Verdict::Violated, "{}", told());
        }
        assert!(power || report.verdict != Verdict::Held, "{}", told());
        verdicts[report.verdict as usize] += 1;
    }
    println!("{wrong} reads outside, {exact} judged exactly; {verdicts:?}");
    let few = i64::try_from(seeds() / 100).expect("few");
    assert!(wrong > few && exact > few && verdicts.iter().all(|count| *count > few));
}

#[test]
fn final_values_agree_with_their_definition() {
    let (mut wrong, mut differ, mut held) = (0, 0, 0);
    for seed in 0..seeds() / 2 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let calls = any(&mut rng, true);
        if !calls.iter().any(|c| is_change(&c)) {
            continue;
        }
        let report = PnCounter.check(&history(&calls), &Budget::unlimited());
        let told = || format!("seed {seed}: {calls:#?} {report:#?}");
        let sure = || {
            calls
                .iter()
                .filter(is_change)
                .filter(|c| c.kind == Kind::Ok)
        };
        let unknown: Vec<i64> = calls
            .iter()
            .filter(is_change)
            .filter(|c| c.kind == Kind::Info)
            .map(by)
            .collect();
        let mut possible: BTreeSet<i64> = BTreeSet::new();
        for chosen in 0_u32..1 << unknown.len() {
            let some = (0..unknown.len()).filter(|bit| chosen >> bit & 1 == 1);
            possible
                .insert(sure().map(by).sum::<i64>() + some.map(|bit| unknown[bit]).sum::<i64>());
        }
        let mut expected_wrong = 0;
        let mut seen: BTreeSet<i64> = BTreeSet::new();
        let over = sure().map(|c| c.ends).max();
        for read in calls.iter().filter(|c| c.f == "final-read-counter") {
            if over.is_some_and(|over| read.begins > over) {
                let value = read.result.as_int().expect("a number");
                expected_wrong += i64::from(!possible.contains(&value));
                seen.insert(value);
            }
        }
        assert_eq!(
            report.number("final_reads_wrong"),
            Some(expected_wrong),
            "{}",
            told()
        );
        assert_eq!(
            report.number("counters_divergent"),
            Some(i64::from(seen.len() > 1))
        );
        let certain = expected_wrong > 0 || seen.len() > 1 && unknown.is_empty();
        if certain {
            assert_eq!(report.verdict, Verdict::Violated, "{}", told());
        } else if seen.len() != 1 {
            assert_ne!(report.verdict, Verdict::Held, "{}", told());
        }
        wrong += expected_wrong;
        differ += i64::from(seen.len() > 1);
        held += i64::from(report.verdict == Verdict::Held);
    }
    println!("{wrong} wrong final values, {differ} counters differ, {held} held");
    let few = i64::try_from(seeds() / 100).expect("few");
    assert!(wrong > few && differ > few && held > few);
}

/// Nodes that count each change once, each when it hears of it: never accused. One that counts
/// some change twice, or forgets one, always found.
#[test]
fn a_simulated_counter_is_accused_only_of_what_it_did() {
    for seed in 0..3_000 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let bug = ["none", "twice", "forgets"][rng.random_range(0..3)];
        let mut calls: Vec<Made> = Vec::new();
        let mut nodes = [0_i64; 2];
        let mut late: Vec<(usize, i64)> = Vec::new();
        let count = rng.random_range(2..30);
        let culprit = rng.random_range(0..count);
        for number in 0..count {
            let at = 10 * number;
            let here = rng.random_range(0..2);
            let change = rng.random_range(1..5) * if rng.random_bool(0.4) { -1 } else { 1 };
            let read = number != culprit && rng.random_bool(0.4);
            calls.push(Made {
                process: 0,
                begins: at,
                ends: at + 5,
                kind: Kind::Ok,
                f: if read { "read" } else { "increment" },
                key: Value::str("x"),
                argument: if read { Value::Nil } else { int(change) },
                result: int(if read { nodes[here] } else { change }),
                node: ["n1", "n2"][here],
            });
            if !read {
                let times = match bug {
                    "twice" if number == culprit => 2,
                    "forgets" if number == culprit => 0,
                    _ => 1,
                };
                nodes[here] += change * times;
                late.push((1 - here, change * times));
            }
            if rng.random_bool(0.3) {
                for (node, change) in late.drain(..) {
                    nodes[node] += change;
                }
            }
        }
        for (node, change) in late {
            nodes[node] += change;
        }
        for (place, node) in ["n1", "n2"].into_iter().enumerate() {
            calls.push(Made {
                process: 1,
                begins: 10 * count + 10 * place as u64,
                ends: 10 * count + 10 * place as u64 + 1,
                kind: Kind::Ok,
                f: "final-read-counter",
                key: Value::str("x"),
                argument: Value::Nil,
                result: int(nodes[place]),
                node,
            });
        }
        let report = PnCounter.check(&history(&calls), &Budget::unlimited());
        let expected = if bug == "none" {
            Verdict::Held
        } else {
            Verdict::Violated
        };
        assert_eq!(report.verdict, expected, "seed {seed}, {bug}: {report:#?}");
    }
}

/// A longer call, or one of which nobody knows what came of it, makes nothing wrong.
#[test]
fn what_is_held_is_not_violated_when_less_is_known() {
    let mut tried = 0;
    for seed in 0..seeds() / 5 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let calls = any(&mut rng, false);
        let judge = |calls: &[Made]| Counter.check(&history(calls), &Budget::unlimited()).verdict;
        if judge(&calls) != Verdict::Held {
            continue;
        }
        tried += 1;
        let weaker = weaken(&mut rng, &calls);
        assert_ne!(
            judge(&weaker),
            Verdict::Violated,
            "seed {seed}: {calls:#?} {weaker:#?}"
        );
    }
    assert!(tried > seeds() / 200, "only {tried}");
}
