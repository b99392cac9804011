//! Logs against their definition on small random histories, and simulated ones whose faults are
//! known.

mod made;

use std::collections::{BTreeMap, BTreeSet};

use checkers::history::jepsen::Options;
use checkers::history::{Format, Kind, Value};
use checkers::{Budget, Checker, Log, Verdict};
use made::{Made, history, int, laws, list, made, seeds, weaken};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

fn messages(of: &[(i64, i64)]) -> Value {
    let pairs = of
        .iter()
        .map(|(offset, value)| list([int(*offset), int(*value)]));
    Value::map([("x", list(pairs))])
}

/// Sends and polls of one log, with assigns and subscribes; some of it wrong.
fn any(rng: &mut ChaCha8Rng) -> Vec<Made> {
    let mut log: Vec<(i64, i64)> = Vec::new();
    let mut next = rng.random_range(0..3);
    let mut at = [0_usize; 2];
    let wrong = if rng.random_bool(0.4) { 0.0 } else { 0.2 };
    let count = rng.random_range(1..14);
    let width = rng.random_range(1..4);
    let starts = rng.random_bool(0.5);
    made(rng, count, width, |rng, number| {
        let own = i64::try_from(number).expect("few");
        if starts && rng.random_bool(0.2) {
            let f = if rng.random_bool(0.2) {
                "assign"
            } else {
                "subscribe"
            };
            return (f, Value::Nil, Value::Nil);
        }
        if log.is_empty() || rng.random_bool(0.5) {
            let mut offset = next;
            next += if rng.random_bool(0.8) {
                1
            } else {
                rng.random_range(1..4)
            };
            if rng.random_bool(wrong) {
                offset = rng.random_range(0..6);
            }
            log.push((offset, own));
            log.sort_unstable();
            let offset = if rng.random_bool(0.1) {
                Value::Nil
            } else {
                int(offset)
            };
            return ("send", int(own), offset);
        }
        let who = rng.random_range(0..2);
        let mut from = at[who];
        if rng.random_bool(wrong) {
            from = rng.random_range(0..=log.len());
        }
        let to = (from + rng.random_range(0..4)).min(log.len());
        let mut batch = log[from.min(to)..to].to_vec();
        at[who] = to;
        if rng.random_bool(wrong) && batch.len() > 1 {
            let place = rng.random_range(0..batch.len());
            batch.remove(place);
        }
        if rng.random_bool(wrong / 2.0) && !batch.is_empty() {
            let place = rng.random_range(0..batch.len());
            batch[place].1 = rng.random_range(0..12);
        }
        if rng.random_bool(wrong / 3.0) {
            batch.reverse();
        }
        ("poll", Value::Nil, messages(&batch))
    })
}

/// What a poll returned.
fn polled(call: &Made) -> Vec<(i64, i64)> {
    if call.f != "poll" || call.kind != Kind::Ok {
        return Vec::new();
    }
    let Some(Value::List(items)) = call.result.get("x") else {
        panic!("a poll returns a map")
    };
    let number = |value: &Value| value.as_int().expect("a number");
    let pair = |item: &Value| {
        let pair = item.as_list().expect("a pair");
        (number(&pair[0]), number(&pair[1]))
    };
    items.iter().map(pair).collect()
}

/// The offset and the value of a send that was acknowledged with an offset.
fn stored(call: &Made) -> Option<(i64, i64)> {
    let is = call.f == "send" && call.kind == Kind::Ok;
    is.then(|| Some((call.result.as_int()?, call.argument.as_int()?)))
        .flatten()
}

fn defined(calls: &[Made]) -> BTreeMap<&'static str, i64> {
    let mut counts: BTreeMap<&'static str, i64> = BTreeMap::new();
    let mut add = |name: &'static str, count: usize| {
        *counts.entry(name).or_default() += i64::try_from(count).expect("few");
    };
    let told: BTreeSet<(i64, i64)> = calls
        .iter()
        .flat_map(|c| polled(c).into_iter().chain(stored(c)))
        .collect();
    let offsets: BTreeSet<i64> = told.iter().map(|(offset, _)| *offset).collect();
    let values: BTreeSet<i64> = told.iter().map(|(_, value)| *value).collect();
    let at = |offset: i64| told.iter().filter(|(of, _)| *of == offset).count();
    let of = |value: i64| told.iter().filter(|(_, of)| *of == value).count();
    add(
        "inconsistent_offsets",
        offsets.iter().filter(|offset| at(**offset) > 1).count(),
    );
    add(
        "duplicates",
        values.iter().filter(|value| of(**value) > 1).count(),
    );

    let send = |value: i64| {
        calls
            .iter()
            .find(|c| c.f == "send" && c.argument == int(value))
    };
    let seen: Vec<(i64, i64)> = calls.iter().flat_map(polled).collect();
    let distinct: BTreeSet<i64> = seen.iter().map(|(_, value)| *value).collect();
    add("polled", seen.len());
    add("seen", distinct.len());
    for &value in &distinct {
        match send(value) {
            None => add("phantoms", 1),
            Some(send) if send.kind == Kind::Fail => add("aborted_reads", 1),
            Some(send) => {
                let early = calls.iter().filter(|c| c.ends < send.begins);
                let early = early.flat_map(polled).filter(|(_, of)| *of == value);
                add("phantoms", early.count());
            }
        }
    }
    // What lies between these offsets, consumers passed over.
    let doubtful = calls.iter().any(|c| c.f == "poll" && c.kind == Kind::Info);
    let mut passed: Vec<(i64, i64)> = Vec::new();
    for process in calls.iter().map(|c| c.process).collect::<BTreeSet<u32>>() {
        let mut last: Option<i64> = None;
        let mut subscribed = false;
        for call in calls.iter().filter(|c| c.process == process) {
            if matches!(call.f, "assign" | "subscribe") && call.kind != Kind::Fail {
                subscribed = call.f == "subscribe";
                last = None;
            }
            for (place, (offset, _)) in polled(call).into_iter().enumerate() {
                let goes_on = place > 0 || !subscribed;
                match last {
                    _ if !doubtful => passed.push((i64::MIN, offset)),
                    Some(last) if goes_on => passed.push((last, offset)),
                    _ => {}
                }
                last = Some(offset);
            }
        }
    }
    for sent in calls.iter().filter(|c| c.f == "send" && c.kind == Kind::Ok) {
        let value = sent.argument.as_int().expect("a number");
        if !distinct.contains(&value) {
            let beyond = |at: i64| passed.iter().any(|(from, to)| *from < at && at < *to);
            let beyond = stored(sent).is_some_and(|(offset, _)| beyond(offset));
            add(if beyond { "lost" } else { "unseen" }, 1);
        }
    }

    let processes: BTreeSet<u32> = calls.iter().map(|c| c.process).collect();
    for process in processes {
        let mut last: Option<i64> = None;
        let mut subscribed = false;
        let mut sent: Option<i64> = None;
        for call in calls.iter().filter(|c| c.process == process) {
            if matches!(call.f, "assign" | "subscribe") && call.kind != Kind::Fail {
                subscribed = call.f == "subscribe";
                last = None;
            }
            for (place, (offset, _)) in polled(call).into_iter().enumerate() {
                if let Some(last) = last {
                    let next = offsets.range(last + 1..).next();
                    let lenient = subscribed && place == 0;
                    let name = match (Some(&offset) == next, offset > last, lenient) {
                        (true, _, _) => "fine",
                        (false, true, true) => "rebalanced_skips",
                        (false, true, false) => "poll_skips",
                        (false, false, true) => "rebalanced_repeats",
                        (false, false, false) => "nonmonotonic_polls",
                    };
                    add(name, 1);
                }
                last = Some(offset);
            }
            if let Some((offset, _)) = stored(call) {
                add(
                    "nonmonotonic_sends",
                    usize::from(sent.is_some_and(|sent| sent >= offset)),
                );
                sent = Some(offset);
            }
        }
    }
    for call in calls {
        let Some((offset, _)) = stored(call) else {
            continue;
        };
        let over = calls
            .iter()
            .filter(|c| c.ends < call.begins)
            .filter_map(stored);
        add(
            "send_inversions",
            usize::from(over.clone().any(|(other, _)| other > offset)),
        );
    }
    counts
}

const NAMES: [&str; 14] = [
    "inconsistent_offsets",
    "duplicates",
    "lost",
    "unseen",
    "aborted_reads",
    "phantoms",
    "poll_skips",
    "nonmonotonic_polls",
    "rebalanced_skips",
    "rebalanced_repeats",
    "nonmonotonic_sends",
    "send_inversions",
    "seen",
    "polled",
];

#[test]
fn logs_agree_with_their_definition() {
    let mut sums: BTreeMap<&str, i64> = BTreeMap::new();
    let mut verdicts = [0; 3];
    for seed in 0..seeds() {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let calls = any(&mut rng);
        let expected = defined(&calls);
        let report = Log.check(&history(&calls), &Budget::unlimited());
        let of = |name: &str| expected.get(name).copied().unwrap_or(0);
        for name in NAMES {
            let told = || format!("{name}, seed {seed}: {calls:#?}");
            assert_eq!(report.number(name), Some(of(name)), "{}", told());
            *sums.entry(name).or_default() += of(name);
        }
        let bad = ["poll_skips", "nonmonotonic_polls", "nonmonotonic_sends"];
        let bad: i64 = NAMES[..3]
            .iter()
            .chain(&NAMES[4..6])
            .chain(&bad)
            .map(|n| of(n))
            .sum();
        assert_eq!(
            report.verdict == Verdict::Violated,
            bad > 0,
            "seed {seed}: {report:#?}"
        );
        assert_eq!(
            report.anomalies.is_empty(),
            bad == 0,
            "seed {seed}: {report:#?}"
        );
        assert!(report.verdict != Verdict::Held || of("unseen") == 0 && of("polled") > 0);
        verdicts[report.verdict as usize] += 1;
    }
    println!("{verdicts:?} {sums:?}");
    let few = i64::try_from(seeds() / 2_500).expect("few");
    assert!(sums.values().all(|sum| *sum > few), "lopsided: {sums:?}");
    assert!(
        verdicts.iter().all(|count| *count > few),
        "lopsided: {verdicts:?}"
    );
}

/// A log that does each thing at one instant, or does one thing wrong once.
#[test]
fn a_simulated_log_is_accused_only_of_what_it_did() {
    for seed in 0..3_000 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let bugs = ["none", "loses", "reorders", "skips", "repeats", "doubles"];
        let bug = bugs[rng.random_range(0..bugs.len())];
        let mut log: Vec<Option<i64>> = Vec::new();
        let mut calls: Vec<Made> = Vec::new();
        let mut at = 0;
        let mut is_done = false;
        let count: u64 = rng.random_range(6..40);
        for number in 0..=count {
            let value = i64::try_from(number).expect("few");
            let is_send = number < 4 || number < count && rng.random_bool(0.5);
            let (f, argument, result) = if is_send {
                let mut offset = log.len();
                match bug {
                    "loses" if !is_done => {
                        log.push(None);
                        is_done = true;
                    }
                    "doubles" if !is_done => {
                        log.extend([Some(value), Some(value)]);
                        is_done = true;
                    }
                    // It stands where another should, and that goes after it.
                    "reorders" if !is_done && at < log.len() => {
                        offset = log.len() - 1;
                        log.insert(offset, Some(value));
                        is_done = true;
                    }
                    _ => log.push(Some(value)),
                }
                ("send", int(value), int(i64::try_from(offset).expect("few")))
            } else {
                let to = if number == count {
                    log.len()
                } else {
                    (at + 3).min(log.len())
                };
                let places = (at..to)
                    .filter_map(|place| Some((i64::try_from(place).expect("few"), log[place]?)));
                let mut batch: Vec<(i64, i64)> = places.collect();
                if bug == "skips" && !is_done && batch.len() > 2 {
                    batch.remove(1);
                    is_done = true;
                }
                at = to;
                if bug == "repeats" && !is_done && !batch.is_empty() && number < count {
                    at -= 1;
                    is_done = true;
                }
                ("poll", Value::Nil, messages(&batch))
            };
            calls.push(Made {
                process: u32::from(!is_send),
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
        let report = Log.check(&history(&calls), &Budget::unlimited());
        let expected = if is_done {
            Verdict::Violated
        } else {
            Verdict::Held
        };
        assert_eq!(report.verdict, expected, "seed {seed}, {bug}: {report:#?}");
        let number = |name: &str| report.number(name).expect(name);
        let did = |name: &str| i64::from(is_done && bug == name);
        assert_eq!(
            number("lost"),
            did("loses") + did("skips"),
            "seed {seed}, {bug}"
        );
        assert_eq!(
            number("aborted_reads") + number("phantoms"),
            0,
            "seed {seed}"
        );
    }
}

/// As Jepsen's Kafka test writes them, names of logs and all.
#[test]
fn what_jepsen_writes_is_read() {
    let text = "\
        {:type :invoke, :f :send, :value [[:send 3 1]], :process 0, :time 1, :index 0}\n\
        {:type :ok, :f :send, :value [[:send 3 [0 1]]], :process 0, :time 2, :index 1}\n\
        {:type :invoke, :f :assign, :value [3], :process 1, :time 3, :index 2}\n\
        {:type :ok, :f :assign, :value [3], :process 1, :time 4, :index 3}\n\
        {:type :invoke, :f :poll, :value [[:poll]], :process 1, :time 5, :index 4}\n\
        {:type :ok, :f :poll, :value [[:poll {3 [[0 1]]}]], :process 1, :time 6, :index 5}\n\
        {:type :invoke, :f :txn, :value [[:send 3 2] [:poll]], :process 1, :time 7, :index 6}\n\
        {:type :ok, :f :txn, :value [[:send 3 [2 2]] [:poll {}]], :process 1, :time 8, :index 7}\n\
        {:type :invoke, :f :poll, :value [[:poll]], :process 1, :time 9, :index 8}\n\
        {:type :ok, :f :poll, :value [[:poll {3 [[2 2]]}]], :process 1, :time 10, :index 9}\n";
    let judge = |text: &str| {
        let read = Format::JepsenEdn.read(text.as_bytes(), Options::default());
        let (history, _) = read
            .expect("it can be read")
            .history()
            .expect("it is lawful");
        Log.check(&history, &Budget::unlimited())
    };
    let report = judge(text);
    assert_eq!(report.verdict, Verdict::Held, "{report:#?}");
    assert_eq!(report.number("acknowledged"), Some(2));
    assert_eq!(report.number("logs"), Some(1));
    let moved = judge(&text.replace("{3 [[2 2]]}", "{3 [[5 2]]}"));
    assert_eq!(moved.number("duplicates"), Some(1), "{moved:#?}");
}

/// A longer call, or one of which nobody knows what came of it, makes nothing wrong.
#[test]
fn what_is_held_is_not_violated_when_less_is_known() {
    let mut tried = 0;
    for seed in 0..seeds() / 5 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let calls = any(&mut rng);
        let judge = |calls: &[Made]| Log.check(&history(calls), &Budget::unlimited()).verdict;
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
        // What only one poll returned is lost without it: none may be left out.
        held += u64::from(laws::obeys(&Log, &history, &mut rng, |_| false));
    }
    assert!(held > seeds() / 400, "only {held}");
}
