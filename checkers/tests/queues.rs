//! Queues against their definition on small random histories, and simulated ones whose faults
//! are known.

mod made;

use std::collections::{BTreeMap, BTreeSet};

use checkers::history::{Kind, Value};
use checkers::queue::{Delivery, Order};
use checkers::{Budget, Checker, Queue, Verdict};
use made::{Made, history, int, laws, made, seeds, weaken};
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Enqueues, and dequeues and drains of about what went in.
fn any(rng: &mut ChaCha8Rng) -> Vec<Made> {
    let mut inside: Vec<Value> = Vec::new();
    let count = rng.random_range(1..10);
    let width = rng.random_range(1..4);
    let wrong = if rng.random_bool(0.5) { 0.0 } else { 0.2 };
    let repeats = rng.random_bool(0.2);
    let mut calls = made(rng, count, width, |rng, number| {
        let own = int(i64::try_from(number).expect("few"));
        match rng.random_range(0..10) {
            0..6 => {
                let value = if repeats {
                    int(rng.random_range(0..3))
                } else {
                    own
                };
                inside.push(value.clone());
                ("enqueue", value.clone(), value)
            }
            6..9 => {
                let place = if rng.random_bool(wrong) {
                    inside.len() / 2
                } else {
                    0
                };
                let value = if inside.len() > place {
                    inside.remove(place)
                } else {
                    Value::Nil
                };
                if rng.random_bool(wrong) {
                    return ("dequeue", Value::Nil, int(rng.random_range(0..10)));
                }
                if rng.random_bool(wrong) {
                    inside.push(value.clone());
                }
                ("dequeue", Value::Nil, value)
            }
            _ => {
                let most = rng.random_bool(0.5).then(|| rng.random_range(0..3_usize));
                let count = most.unwrap_or(inside.len()).min(inside.len());
                let taken = inside.drain(..count).collect();
                let most = most.map(|most| int(i64::try_from(most).expect("few")));
                ("drain", most.unwrap_or_default(), Value::List(taken))
            }
        }
    });
    if rng.random_bool(0.7) {
        if rng.random_bool(wrong) {
            inside.shuffle(rng);
            inside.pop();
        }
        calls.push(Made {
            process: 90,
            begins: if rng.random_bool(0.1) { 3 } else { 60 },
            ends: 61,
            kind: if rng.random_bool(0.1) {
                Kind::Info
            } else {
                Kind::Ok
            },
            f: "drain",
            key: Value::str("x"),
            argument: Value::Nil,
            result: Value::List(inside),
            node: "n1",
        });
    }
    calls
}

/// What came out: value, call and place.
fn delivered(calls: &[Made]) -> Vec<(Value, usize, usize)> {
    let mut all = Vec::new();
    for (at, call) in calls.iter().enumerate().filter(|(_, c)| c.kind == Kind::Ok) {
        match (call.f, &call.result) {
            ("dequeue", Value::Nil) => {}
            ("dequeue", value) => all.push((value.clone(), at, 0)),
            ("drain", Value::List(items)) => {
                let items = items.iter().enumerate();
                all.extend(items.map(|(place, value)| (value.clone(), at, place)));
            }
            _ => {}
        }
    }
    all
}

/// How many of the missing can have been taken, each by another that began in time.
fn matched(missing: &[u64], takers: &[u64]) -> usize {
    fn place(
        one: usize,
        (missing, takers): (&[u64], &[u64]),
        owner: &mut [Option<usize>],
        seen: &mut [bool],
    ) -> bool {
        for taker in 0..takers.len() {
            if takers[taker] > missing[one] || std::mem::replace(&mut seen[taker], true) {
                continue;
            }
            let free = match owner[taker] {
                None => true,
                Some(other) => place(other, (missing, takers), owner, seen),
            };
            if free {
                owner[taker] = Some(one);
                return true;
            }
        }
        false
    }
    let mut owner = vec![None; takers.len()];
    let all = (0..missing.len()).filter(|&one| {
        let mut seen = vec![false; takers.len()];
        place(one, (missing, takers), &mut owner, &mut seen)
    });
    all.count()
}

fn defined(calls: &[Made], order: Order) -> BTreeMap<&'static str, i64> {
    let out = delivered(calls);
    let enqueues = || calls.iter().filter(|c| c.f == "enqueue");
    let mut counts: BTreeMap<&'static str, i64> = BTreeMap::new();
    let mut add = |name: &'static str, count: usize| {
        *counts.entry(name).or_default() += i64::try_from(count).expect("few");
    };
    let values: BTreeSet<&Value> = enqueues()
        .map(|c| &c.argument)
        .chain(out.iter().map(|(v, _, _)| v))
        .collect();
    let limit = |c: &Made| {
        c.argument
            .as_int()
            .map(|most| usize::try_from(most).expect("few"))
    };
    let emptied = calls
        .iter()
        .filter(|c| c.f == "drain" && c.kind == Kind::Ok)
        .filter(|c| match &c.result {
            Value::List(items) => limit(c).is_none_or(|most| items.len() < most),
            _ => false,
        });
    let drained = emptied.map(|c| c.begins).max();
    // By start, once for each element that can have been taken.
    let takers: Vec<u64> = calls
        .iter()
        .filter(|c| c.kind == Kind::Info && c.f != "enqueue")
        .flat_map(|c| {
            let most = if c.f == "dequeue" {
                1
            } else {
                limit(c).unwrap_or(99)
            };
            std::iter::repeat_n(c.begins, most)
        })
        .collect();
    let place_of = |c: &Made| calls.iter().position(|other| std::ptr::eq(c, other));
    // By element: when it had to be out.
    let mut missing: Vec<u64> = Vec::new();
    let (mut candidates, mut open) = (0, 0);
    for value in values {
        let own = || enqueues().filter(|c| c.argument == *value);
        let times = out.iter().filter(|(v, _, _)| v == value).count();
        let attempted = own().filter(|c| c.kind != Kind::Fail).count();
        let sure = own().filter(|c| c.kind == Kind::Ok).count();
        let before = own()
            .filter(|c| drained.is_some_and(|d| c.is_before(d)))
            .count();
        let certain = before.saturating_sub(times);
        candidates += certain;
        let mut until = None;
        if certain > 0 && attempted == 1 {
            let put = own().find(|c| c.kind != Kind::Fail).expect("it was tried");
            for later in enqueues().filter(|c| c.kind != Kind::Fail) {
                let same =
                    enqueues().filter(|c| c.kind != Kind::Fail && c.argument == later.argument);
                let taken: Vec<_> = out
                    .iter()
                    .filter(|(v, _, _)| *v == later.argument)
                    .collect();
                let follows = match order {
                    Order::None => false,
                    Order::Producer => {
                        later.process == put.process && place_of(later) > place_of(put)
                    }
                    Order::Fifo => later.begins > put.ends,
                };
                if follows && same.count() == 1 && taken.len() == 1 {
                    let ends = calls[taken[0].1].ends;
                    until = Some(until.unwrap_or(u64::MAX).min(ends));
                }
            }
        }
        missing.extend(std::iter::repeat_n(until.unwrap_or(u64::MAX), certain));
        open += sure.saturating_sub(times) - certain.min(sure.saturating_sub(times));
        add(
            "recovered",
            times.saturating_sub(sure).min(attempted - sure),
        );
        if times == 0 {
        } else if attempted == 0 {
            add(
                if own().next().is_some() {
                    "dirty"
                } else {
                    "phantom"
                },
                1,
            );
        } else {
            add("duplicates", times.saturating_sub(attempted));
            let began = own().filter(|c| c.kind != Kind::Fail).map(|c| c.begins);
            let over = out.iter().filter(|(v, _, _)| v == value);
            let over = over.map(|(_, at, _)| calls[*at].ends).min();
            add("phantom", usize::from(over < began.min()));
        }
    }
    let most = matched(&missing, &takers);
    add("lost", candidates - most);
    add("undecided", open + most);

    // Elements that went in and came out once.
    let once: Vec<(&Made, usize, (usize, usize))> = calls
        .iter()
        .enumerate()
        .filter(|(_, c)| c.f == "enqueue" && c.kind != Kind::Fail)
        .filter_map(|(at, c)| {
            let same = enqueues().filter(|o| o.kind != Kind::Fail && o.argument == c.argument);
            let mut own = out.iter().filter(|(v, _, _)| *v == c.argument);
            let (first, second) = (own.next()?, own.next());
            (same.count() == 1 && second.is_none()).then_some((c, at, (first.1, first.2)))
        })
        .collect();
    let earlier = |one: (usize, usize), other: (usize, usize)| {
        calls[one.0].ends < calls[other.0].begins || one.0 == other.0 && one.1 < other.1
    };
    let overtakes = |then: &(&Made, usize, (usize, usize)), own: bool| {
        once.iter().any(|first| {
            let inside = if first.0.kind == Kind::Ok {
                first.0.ends
            } else {
                u64::MAX
            };
            let inside = inside.min(calls[first.2.0].ends);
            let before = if own {
                first.0.process == then.0.process && first.1 < then.1
            } else {
                inside < then.0.begins
            };
            before && earlier(then.2, first.2)
        })
    };
    add("ordered", once.len());
    add(
        "fifo_violations",
        once.iter().filter(|of| overtakes(of, false)).count(),
    );
    add(
        "producer_violations",
        once.iter().filter(|of| overtakes(of, true)).count(),
    );
    counts
}

#[test]
fn queues_agree_with_their_definition() {
    let mut sums: BTreeMap<&str, i64> = BTreeMap::new();
    for seed in 0..seeds() {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let calls = any(&mut rng);
        if !calls.iter().any(|call| call.f == "enqueue") {
            continue;
        }
        let queue = Queue {
            delivery: [Delivery::AtLeastOnce, Delivery::ExactlyOnce][rng.random_range(0..2)],
            order: [Order::None, Order::Producer, Order::Fifo][rng.random_range(0..3)],
        };
        let report = queue.check(&history(&calls), &Budget::unlimited());
        let expected = defined(&calls, queue.order);
        let of = |name: &str| expected.get(name).copied().unwrap_or(0);
        for name in [
            "lost",
            "undecided",
            "recovered",
            "dirty",
            "phantom",
            "duplicates",
            "ordered",
            "fifo_violations",
            "producer_violations",
        ] {
            let told = || format!("{name}, seed {seed}: {calls:#?}");
            assert_eq!(report.number(name), Some(of(name)), "{}", told());
            *sums.entry(name).or_default() += of(name);
        }
        let mut bad = of("lost") + of("dirty") + of("phantom");
        bad += if queue.delivery == Delivery::ExactlyOnce {
            of("duplicates")
        } else {
            0
        };
        bad += match queue.order {
            Order::None => 0,
            Order::Producer => of("producer_violations"),
            Order::Fifo => of("fifo_violations"),
        };
        assert_eq!(
            report.verdict == Verdict::Violated,
            bad > 0,
            "seed {seed}: {report:#?}"
        );
        let open = of("undecided") > 0;
        assert!(
            report.verdict != Verdict::Held || !open,
            "seed {seed}: {report:#?}"
        );
        assert_eq!(
            report.anomalies.is_empty(),
            bad == 0,
            "seed {seed}: {report:#?}"
        );
    }
    println!("{sums:?}");
    let few = i64::try_from(seeds() / 500).expect("few");
    assert!(sums.values().all(|sum| *sum > few), "lopsided: {sums:?}");
}

/// A queue that does each thing at one instant, or does one thing wrong.
#[test]
fn a_simulated_queue_is_accused_only_of_what_it_did() {
    for seed in 0..3_000 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let bug = ["none", "loses", "doubles", "swaps"][rng.random_range(0..4)];
        let mut inside: Vec<i64> = Vec::new();
        let mut calls: Vec<Made> = Vec::new();
        let count = rng.random_range(4..40);
        let mut is_done = false;
        for number in 0..=count {
            let last = number == count;
            let put = !last && (number < 3 || rng.random_bool(0.5));
            if bug == "swaps" && !is_done && inside.len() > 1 {
                inside.swap(0, 1);
                is_done = true;
            }
            let value = i64::try_from(number).expect("few");
            let (f, argument, result) = if put {
                let times = match bug {
                    _ if is_done => 1,
                    "loses" => 0,
                    "doubles" => 2,
                    _ => 1,
                };
                is_done |= times != 1;
                inside.extend(std::iter::repeat_n(value, times));
                ("enqueue", int(value), int(value))
            } else if last {
                (
                    "drain",
                    Value::Nil,
                    Value::List(inside.drain(..).map(int).collect()),
                )
            } else if inside.is_empty() {
                ("dequeue", Value::Nil, Value::Nil)
            } else {
                ("dequeue", Value::Nil, int(inside.remove(0)))
            };
            calls.push(Made {
                process: 0,
                begins: 10 * number,
                ends: 10 * number + 5,
                kind: Kind::Ok,
                f,
                key: Value::str("x"),
                argument,
                result,
                node: "n1",
            });
        }
        let strict = Queue {
            delivery: Delivery::ExactlyOnce,
            order: Order::Fifo,
        };
        let report = strict.check(&history(&calls), &Budget::unlimited());
        let number = |name: &str| report.number(name).expect(name);
        let expected = if is_done {
            Verdict::Violated
        } else {
            Verdict::Held
        };
        assert_eq!(report.verdict, expected, "seed {seed}, {bug}: {report:#?}");
        assert_eq!(
            number("lost"),
            i64::from(bug == "loses" && is_done),
            "seed {seed}"
        );
        assert_eq!(
            number("duplicates"),
            i64::from(bug == "doubles" && is_done),
            "seed {seed}"
        );
        assert_eq!(
            number("fifo_violations") > 0,
            bug == "swaps" && is_done,
            "seed {seed}"
        );
    }
}

/// A longer call, or one of which nobody knows what came of it, makes nothing wrong.
#[test]
fn what_is_held_is_not_violated_when_less_is_known() {
    let mut tried = 0;
    for seed in 0..seeds() / 5 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let calls = any(&mut rng);
        let judge = |calls: &[Made]| {
            Queue {
                delivery: Delivery::ExactlyOnce,
                order: [Order::Producer, Order::Fifo][usize::from(seed % 2 == 0)],
            }
            .check(&history(calls), &Budget::unlimited())
            .verdict
        };
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

#[test]
fn names_change_nothing_and_longer_calls_break_nothing() {
    let mut held = 0;
    for seed in 0..seeds() / 10 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let history = history(&any(&mut rng));
        let queue = Queue {
            delivery: [Delivery::ExactlyOnce, Delivery::AtLeastOnce][usize::from(seed % 3 == 0)],
            order: [Order::Producer, Order::Fifo][usize::from(seed % 2 == 0)],
        };
        // What a dequeue took, nobody finds any more: none may be left out.
        held += u64::from(laws::obeys(&queue, &history, &mut rng, |_| false));
    }
    assert!(held > seeds() / 400, "only {held}");
}
