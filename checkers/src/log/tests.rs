//! What is found of logs, by name.

use super::*;
use crate::Verdict;
use crate::history::{F, History, Kind, Op, Process, Value};

/// Histories of sends and polls: "0 send 5 7" says that process 0 sent 5 and it got offset 7, "1
/// poll 7:5 8:6" what process 1 polled; each begins after the one before it is over.
fn judge(lines: &[&str]) -> Report {
    let mut ops: Vec<Op> = Vec::new();
    for line in lines {
        let words: Vec<&str> = line.split_whitespace().collect();
        let number = |text: &str| Value::Int(text.parse().expect("a number"));
        let messages = |words: &[&str]| {
            let pairs = words.iter().map(|word| {
                let (offset, value) = word.split_once(':').expect("offset:value");
                Value::List(vec![number(offset), number(value)])
            });
            Value::List(pairs.collect())
        };
        let process: u32 = words[0].parse().expect("a process");
        let f = words[1];
        let mut kind = Kind::Ok;
        let (argument, result) = match (f, &words[2..]) {
            ("send", [value, "fail"]) => {
                kind = Kind::Fail;
                (number(value), number(value))
            }
            ("send", [value, "info"]) => {
                kind = Kind::Info;
                (number(value), number(value))
            }
            ("send", [value, offset]) => (number(value), number(offset)),
            ("poll", [from, rest @ ..]) if from.starts_with("from=") => {
                let from = Value::map([("k", number(&from[5..]))]);
                (from, Value::map([("k", messages(rest))]))
            }
            ("poll", rest) => (Value::Nil, Value::map([("k", messages(rest))])),
            _ => (Value::Nil, Value::Nil),
        };
        for (kind, value) in [(Kind::Invoke, argument), (kind, result)] {
            ops.push(Op {
                index: ops.len(),
                time: ops.len() as u64 * 1_000_000,
                process: Process::Client(process),
                kind,
                f: F::owned(f.to_owned()),
                key: (f == "send").then(|| Value::str("k")),
                value,
                node: None,
                error: None,
            });
        }
    }
    Log.check(&History::new(ops).expect("lawful"), &Budget::unlimited())
}

fn names(lines: &[&str]) -> Vec<String> {
    let report = judge(lines);
    report
        .anomalies
        .into_iter()
        .map(|anomaly| anomaly.name)
        .collect()
}

#[test]
fn a_log_that_is_read_whole_is_held() {
    let report = judge(&["0 send 5 0", "0 send 6 3", "1 poll 0:5", "1 poll 3:6"]);
    assert_eq!(report.verdict, Verdict::Held, "{report:#?}");
    assert_eq!(report.number("seen"), Some(2));
    assert_eq!(
        report.number("lag_max_us"),
        Some(1_000),
        "6 was known a millisecond before"
    );
    let unread = judge(&["0 send 5 0", "0 send 6 3", "1 poll 0:5"]);
    assert_eq!(unread.verdict, Verdict::Undecided);
    assert_eq!(unread.number("unseen"), Some(1));
}

#[test]
fn what_is_wrong_has_a_name() {
    assert_eq!(
        names(&["0 send 5 0", "1 poll 0:5", "2 poll 0:6", "0 send 6 info"]),
        ["inconsistent-offsets", "phantom-value"]
    );
    assert_eq!(names(&["0 send 5 0", "1 poll 0:5 1:5"]), ["duplicate"]);
    assert_eq!(
        names(&["0 send 5 0", "0 send 6 1", "1 poll 1:6"]),
        ["lost-write"]
    );
    assert_eq!(
        names(&["0 send 5 fail", "0 send 6 1", "1 poll 0:5 1:6"]),
        ["aborted-read"]
    );
    assert_eq!(names(&["0 send 6 1", "1 poll 0:5 1:6"]), ["phantom-value"]);
    assert_eq!(names(&["1 poll 0:5", "0 send 5 0"]), ["phantom-value"]);
    let all = [
        "0 send 5 0",
        "0 send 6 1",
        "0 send 7 2",
        "2 poll 0:5 1:6 2:7",
    ];
    let with = |more: &[&'static str]| names(&[&all[..], more].concat());
    assert_eq!(with(&["1 poll 0:5", "1 poll 2:7"]), ["poll-skip"]);
    assert_eq!(with(&["1 poll 0:5 2:7"]), ["int-poll-skip"]);
    assert_eq!(with(&["1 poll 0:5", "1 poll 0:5"]), ["nonmonotonic-poll"]);
    assert_eq!(with(&["1 poll 1:6 0:5"]), ["int-nonmonotonic-poll"]);
    assert_eq!(
        names(&["0 send 5 1", "0 send 6 0", "1 poll 0:6 1:5"]),
        ["nonmonotonic-send"]
    );
}

#[test]
fn a_consumer_may_start_over() {
    let all = [
        "0 send 5 0",
        "0 send 6 1",
        "0 send 7 2",
        "2 poll 0:5 1:6 2:7",
    ];
    let report = |more: &[&'static str]| judge(&[&all[..], more].concat());
    let assigned = report(&["1 poll 1:6", "1 assign", "1 poll 0:5"]);
    assert_eq!(assigned.verdict, Verdict::Held, "{assigned:#?}");
    let subscribed = report(&["1 subscribe", "1 poll 0:5", "1 poll 2:7", "1 poll 0:5"]);
    assert_eq!(subscribed.verdict, Verdict::Held, "{subscribed:#?}");
    assert_eq!(subscribed.number("rebalanced_skips"), Some(1));
    assert_eq!(subscribed.number("rebalanced_repeats"), Some(1));
}

#[test]
fn who_chooses_where_to_begin_passes_over_nothing_before() {
    let chosen = judge(&["0 send 5 0", "0 send 6 1", "1 poll from=1 1:6"]);
    assert_eq!(chosen.verdict, Verdict::Undecided, "{chosen:#?}");
    assert_eq!(chosen.number("unseen"), Some(1));
    let skipped = names(&["0 send 5 0", "0 send 6 1", "1 poll from=0 1:6"]);
    assert_eq!(skipped, ["lost-write", "poll-skip"]);
    let early = names(&["0 send 5 0", "0 send 6 1", "1 poll from=1 0:5 1:6"]);
    assert_eq!(early, ["nonmonotonic-poll"]);
}

#[test]
fn micro_operations_are_read_as_well() {
    let text = |text: &str| Value::str(text);
    let send = |value: Value| Value::List(vec![text("send"), Value::Int(3), value]);
    let poll = |rest: Option<Value>| Value::List([text("poll")].into_iter().chain(rest).collect());
    let pair = |offset: i64, value: i64| Value::List(vec![Value::Int(offset), Value::Int(value)]);
    let seen = Value::map([("3", Value::List(vec![pair(0, 5)]))]);
    let txn = |f: &'static str, asked: Vec<Value>, told: Vec<Value>| {
        [
            (f, Kind::Invoke, Value::List(asked)),
            (f, Kind::Ok, Value::List(told)),
        ]
    };
    let both = txn(
        "txn",
        vec![send(Value::Int(5)), poll(None)],
        vec![send(pair(0, 5)), poll(Some(seen.clone()))],
    );
    let again = txn("poll", vec![poll(None)], vec![poll(Some(seen))]);
    let ops = both.into_iter().chain(again).enumerate();
    let ops: Vec<Op> = ops
        .map(|(index, (f, kind, value))| Op {
            index,
            time: index as u64,
            process: Process::Client(u32::from(index > 1)),
            kind,
            f: F::new(f),
            key: None,
            value,
            node: None,
            error: None,
        })
        .collect();
    let report = Log.check(&History::new(ops).expect("lawful"), &Budget::unlimited());
    assert_eq!(report.verdict, Verdict::Held, "{report:#?}");
    assert_eq!(report.number("logs"), Some(1), "3 and \"3\" are one");
    assert_eq!(report.number("polled"), Some(2));
}
