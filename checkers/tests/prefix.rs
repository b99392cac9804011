//! Consistent prefix against every order of the writes of tiny histories.

mod made;

use checkers::history::notation::h;
use checkers::history::{F, History, Kind, Op, Process, Value};
use checkers::{Budget, Checker, Prefix, Report, Verdict};
use made::seeds;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

#[derive(Clone, Copy, Debug)]
struct Made {
    begins: u64,
    ends: u64,
    info: bool,
    writes: bool,
    key: usize,
    /// The number of the write; zero is the initial value of any key.
    value: usize,
    node: usize,
}

/// Writes in a true order, and nodes that follow it, some of them falsely.
fn make(rng: &mut ChaCha8Rng, keys: usize) -> Vec<Made> {
    let span = rng.random_range(4..20);
    let mut made = Vec::new();
    let mut effects = Vec::new();
    for value in 1..=rng.random_range(1..=4) {
        let begins = rng.random_range(0..span);
        let ends = begins + rng.random_range(0..=span / 4);
        let key = rng.random_range(0..keys);
        effects.push((rng.random_range(begins..=ends), value, key));
        made.push(Made {
            begins,
            ends,
            info: rng.random_bool(0.15),
            writes: true,
            key,
            value,
            node: 0,
        });
    }
    effects.sort_unstable();
    let wild = rng.random_bool(0.7);
    let lags = [rng.random_range(0..span / 2), rng.random_range(0..span)];
    for _ in 0..rng.random_range(2..=7) {
        let begins = rng.random_range(0..span + span / 2);
        let ends = begins + rng.random_range(0..=span / 6);
        let key = rng.random_range(0..keys);
        let node = rng.random_range(0..2);
        let begun = |value: usize| {
            made.iter()
                .any(|call: &Made| call.writes && call.value == value && call.begins <= ends)
        };
        // Now and then a node shows anything that was begun.
        let strange = wild && rng.random_bool(0.4);
        let skipped = rng.random_range(0..3);
        let mut seen = effects.iter().rev().filter(|(at, value, of)| {
            *of == key
                && if strange {
                    begun(*value)
                } else {
                    at + lags[node] <= begins
                }
        });
        let seen = if strange {
            seen.nth(skipped)
        } else {
            seen.next()
        };
        made.push(Made {
            begins,
            ends,
            info: false,
            writes: false,
            key,
            value: seen.map_or(0, |(_, value, _)| *value),
            node,
        });
    }
    made
}

/// Writes at the same time, and nodes that take them in orders of their own.
fn concurrent(rng: &mut ChaCha8Rng, keys: usize) -> Vec<Made> {
    let writes = rng.random_range(2..=4);
    let mut made: Vec<Made> = (1..=writes)
        .map(|value| Made {
            begins: rng.random_range(0..3),
            ends: rng.random_range(3..40),
            info: rng.random_bool(0.1),
            writes: true,
            key: rng.random_range(0..keys),
            value,
            node: 0,
        })
        .collect();
    for node in 0..2 {
        let mut order: Vec<usize> = (1..=writes).collect();
        if node == 1 {
            let at = rng.random_range(1..writes);
            order.swap(at - 1, at);
        }
        let mut taken = 0;
        for at in 0..rng.random_range(2..=5) {
            taken = (taken + rng.random_range(0..2)).min(writes);
            let key = rng.random_range(0..keys);
            let begins = 4 + 6 * at + rng.random_range(0..3);
            let mut own = order[..taken].iter().rev();
            let value = own.find(|value| made[**value - 1].key == key);
            made.push(Made {
                begins,
                ends: begins + rng.random_range(0..5),
                info: false,
                writes: false,
                key,
                value: value.copied().unwrap_or(0),
                node,
            });
        }
    }
    made
}

/// Whether some order of all writes keeps real time and has every node's reads as growing
/// prefixes.
fn possible(made: &[Made]) -> bool {
    let writes: Vec<&Made> = made.iter().filter(|call| call.writes).collect();
    let reads: Vec<&Made> = {
        let mut reads: Vec<&Made> = made.iter().filter(|call| !call.writes).collect();
        reads.sort_by_key(|read| read.begins);
        reads
    };
    let f = |write: &Made| {
        let seen = reads.iter().filter(|read| read.value == write.value);
        let seen = seen.map(|read| read.ends).min().unwrap_or(u64::MAX);
        seen.min(if write.info { u64::MAX } else { write.ends })
    };
    let embeds = |order: &[&Made]| {
        let mut positions: Vec<usize> = Vec::new();
        for (at, read) in reads.iter().enumerate() {
            let before = (0..at)
                .filter(|&other| reads[other].node == read.node && reads[other].ends < read.begins);
            let least = before.map(|other| positions[other]).max().unwrap_or(0);
            let place = order.iter().position(|write| write.value == read.value);
            let own = if read.value == 0 {
                0
            } else {
                place.expect("it was written") + 1
            };
            let next = (own..order.len()).find(|&later| order[later].key == read.key);
            let most = next.unwrap_or(order.len());
            if least > most {
                return false;
            }
            positions.push(own.max(least));
        }
        true
    };
    fn orders(
        left: &mut Vec<usize>,
        order: &mut Vec<usize>,
        found: &mut dyn FnMut(&[usize]) -> bool,
    ) -> bool {
        if left.is_empty() {
            return found(order);
        }
        for at in 0..left.len() {
            let next = left.remove(at);
            order.push(next);
            let done = orders(left, order, found);
            order.pop();
            left.insert(at, next);
            if done {
                return true;
            }
        }
        false
    }
    let mut left: Vec<usize> = (0..writes.len()).collect();
    orders(&mut left, &mut Vec::new(), &mut |order| {
        let order: Vec<&Made> = order.iter().map(|&at| writes[at]).collect();
        let lawful = (0..order.len())
            .all(|late| (0..late).all(|early| f(order[late]) >= order[early].begins));
        lawful && embeds(&order)
    })
}

fn history(made: &[Made]) -> History {
    let mut ends: Vec<(u64, bool, usize)> = Vec::new();
    for (at, call) in made.iter().enumerate() {
        ends.push((call.begins, false, at));
        ends.push((call.ends, true, at));
    }
    ends.sort_unstable();
    let op = |(index, &(time, end, at)): (usize, &(u64, bool, usize))| {
        let call = &made[at];
        let value = match call.value {
            0 => Value::Nil,
            value => Value::Int(i64::try_from(value).expect("few")),
        };
        Op {
            index,
            time,
            process: Process::Client(u32::try_from(at).expect("few")),
            kind: match (end, call.info) {
                (false, _) => Kind::Invoke,
                (true, false) => Kind::Ok,
                (true, true) => Kind::Info,
            },
            f: F::new(if call.writes { "write" } else { "read" }),
            key: Some(Value::str(["x", "y", "z"][call.key])),
            value: if call.writes || end {
                value
            } else {
                Value::Nil
            },
            node: (!call.writes).then(|| ["n1", "n2"][call.node].into()),
            error: None,
        }
    };
    History::new(ends.iter().enumerate().map(op).collect()).expect("lawful")
}

fn judge(history: &History) -> Report {
    Prefix.check(history, &Budget::unlimited())
}

#[test]
fn one_register_is_judged_as_by_every_order() {
    let (mut held, mut violated) = (0, 0);
    for seed in 0..seeds() {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let made = make(&mut rng, 1);
        let report = judge(&history(&made));
        let truth = possible(&made);
        let told = || format!("seed {seed}: {made:#?} {report:#?}");
        match report.verdict {
            Verdict::Held => {
                held += 1;
                assert!(truth, "a miss: {}", told());
            }
            Verdict::Violated => {
                violated += 1;
                assert!(!truth, "a false alarm: {}", told());
                assert!(report.anomalies[0].ops.len() > 2, "{}", told());
            }
            Verdict::Undecided => assert!(truth, "a miss: {}", told()),
        }
    }
    println!("{held} held, {violated} violated");
    assert!(held * 4 > seeds() && violated * 20 > seeds());
}

/// Whether there may be an order, and none was found.
fn left_open(report: &Report) -> bool {
    let why = report.why.as_deref().unwrap_or_default();
    why.starts_with("no order of the writes to all registers")
}

#[test]
fn several_registers_are_judged_as_by_every_order() {
    let (mut refuted, mut gaps, mut across, mut open) = (0, 0, 0, 0);
    for seed in 0..seeds() {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let keys = rng.random_range(2..=3);
        let made = if rng.random_bool(0.5) {
            make(&mut rng, keys)
        } else {
            concurrent(&mut rng, keys)
        };
        let report = judge(&history(&made));
        let truth = possible(&made);
        let told = || format!("seed {seed}: {made:#?} {report:#?}");
        if report.verdict == Verdict::Violated {
            assert!(!truth, "a false alarm: {}", told());
            let gap = report.number("gap_in_prefix").is_some();
            let of_one = report.number("reads_across") == Some(0);
            gaps += u64::from(gap);
            across += u64::from(!gap && !of_one);
        } else {
            assert!(truth, "a miss: {}", told());
            open += u64::from(report.verdict == Verdict::Undecided && left_open(&report));
        }
        refuted += u64::from(!truth);
    }
    println!("{refuted} refuted, {gaps} by gaps, {across} across registers, {open} left open");
    assert!(refuted * 50 > seeds() && gaps * 500 > seeds());
    assert!(across * 1_000 > seeds(), "only {across} across registers");
}

#[test]
fn a_node_that_goes_back_is_told_in_words() {
    let report = judge(&h(
        "0:w1 1:w2 0:ok 1:ok 2:r 2:ok=1%n1 2:r 2:ok=2%n1 3:r 3:ok=2%n2 3:r 3:ok=1%n2",
    ));
    assert_eq!(report.verdict, Verdict::Violated);
    assert_eq!(report.anomalies[0].name, "no-single-order");
    let because = report.anomalies[0].because.last().expect("a conclusion");
    assert_eq!(because, "n1 showed 1 before 2; n2 showed 2 before 1.");
    assert_eq!(report.anomalies[0].ops, [4, 5, 6, 7, 8, 9, 10, 11]);
}

#[test]
fn a_gap_is_told_in_words() {
    let report = judge(&h(
        "0:w1@x 0:ok 0:w2@y 0:ok 2:r@y 2:ok=2%n1 2:r@x 2:ok=nil%n1",
    ));
    assert_eq!(report.anomalies[0].name, "gap-in-prefix");
    assert_eq!(
        report.anomalies[0].because.last().expect("a conclusion"),
        "n1 showed 2, and then lacked 1, which had taken effect by 1.000 ms, before that write began."
    );
    let other = judge(&h(
        "0:w1@x 0:ok 0:w2@y 0:ok 2:r@y 2:ok=2%n1 2:r@x 2:ok=nil%n2",
    ));
    let why = "another node may lag";
    assert_ne!(other.verdict, Verdict::Violated, "{why}: {other:#?}");
}

#[test]
fn what_no_one_register_shows_is_told_in_words() {
    let report = judge(&h("0:w1@x 1:w2@y 0:ok 1:ok \
         2:r@x 2:ok=1%n1 2:r@y 2:ok=nil%n1 3:r@y 3:ok=2%n2 3:r@x 3:ok=nil%n2"));
    assert_eq!(report.verdict, Verdict::Violated, "{report:#?}");
    assert_eq!(report.anomalies[0].name, "no-single-order");
    assert_eq!(report.anomalies[0].ops, (0..12).collect::<Vec<_>>());
    assert_eq!(
        report.anomalies[0].because.last().expect("a conclusion"),
        "n1 showed 1 of \"x\" and then the initial value of \"y\"; n2 showed 2 of \"y\" and then \
         the initial value of \"x\"."
    );
}

/// Operations in order, each over before the next: function, key, result when ok, node.
fn told(entries: &[(&'static str, &str, Value, &str)]) -> History {
    let mut ops = Vec::new();
    for (at, (f, key, value, node)) in entries.iter().enumerate() {
        for kind in [Kind::Invoke, Kind::Ok] {
            ops.push(Op {
                index: ops.len(),
                time: ops.len() as u64,
                process: Process::Client(u32::try_from(at).expect("few")),
                kind,
                f: F::new(f),
                key: Some(Value::str(key)),
                value: if kind == Kind::Ok || *f == "append" {
                    value.clone()
                } else {
                    Value::Nil
                },
                node: Some((*node).into()),
                error: None,
            });
        }
    }
    History::new(ops).expect("lawful")
}

fn list(items: &[i64]) -> Value {
    Value::List(items.iter().map(|item| Value::Int(*item)).collect())
}

#[test]
fn lists_and_logs_are_prefixes_of_one_another() {
    let of = |reads: &[(&[i64], &'static str)]| {
        let mut entries: Vec<(&'static str, &str, Value, &str)> = (1..=3)
            .map(|item| ("append", "l", Value::Int(item), "n1"))
            .collect();
        entries.extend(
            reads
                .iter()
                .map(|(items, node)| ("read", "l", list(items), *node)),
        );
        judge(&told(&entries))
    };
    let held = of(&[(&[1], "n1"), (&[1, 2, 3], "n2"), (&[1, 2], "n1")]);
    assert_eq!(held.verdict, Verdict::Held, "{held:#?}");
    let other = of(&[(&[1, 2], "n1"), (&[2, 1, 3], "n2")]);
    assert_eq!(other.anomalies[0].name, "incompatible-order");
    let shrunk = of(&[(&[1, 2], "n1"), (&[1], "n1")]);
    assert_eq!(shrunk.anomalies[0].name, "prefix-regression");
    let logs = |logs: &[(&'static str, &[i64])]| {
        let entries: Vec<_> = (logs.iter())
            .map(|(node, items)| ("node-log", *node, list(items), *node))
            .collect();
        judge(&told(&entries))
    };
    assert_eq!(
        logs(&[("n1", &[1, 2, 3]), ("n2", &[1, 2])]).verdict,
        Verdict::Held
    );
    let differ = logs(&[("n1", &[1, 2, 3]), ("n2", &[1, 3])]);
    assert_eq!(differ.anomalies[0].name, "log-divergence");
    let because = &differ.anomalies[0].because[2];
    assert!(
        because.contains("at position 2 the one has 2, the other 3"),
        "{because}"
    );
    assert_eq!(logs(&[("n1", &[1])]).verdict, Verdict::Undecided);
}

/// Logs that lack their beginnings: they are told apart if and only if two of them have
/// something else at one position, and are compared if two have one at all.
#[test]
fn logs_that_begin_later_agree_with_brute_force() {
    let mut counts = [0; 3];
    for seed in 0..seeds() {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let logs: Vec<(i64, Vec<i64>)> = (0..rng.random_range(1..=4))
            .map(|_| {
                let first = rng.random_range(1..=6);
                let end = first + rng.random_range(0..=4);
                let item = |position| match rng.random_bool(0.03) {
                    true => 99,
                    false => position,
                };
                (first, (first..end).map(item).collect())
            })
            .collect();
        let mut ops = Vec::new();
        for (at, (first, items)) in logs.iter().enumerate() {
            for (kind, value) in [
                (
                    Kind::Invoke,
                    if *first == 1 {
                        Value::Nil
                    } else {
                        Value::Int(*first)
                    },
                ),
                (Kind::Ok, list(items)),
            ] {
                ops.push(Op {
                    index: ops.len(),
                    time: ops.len() as u64,
                    process: Process::Client(u32::try_from(at).expect("few")),
                    kind,
                    f: F::new("node-log"),
                    key: Some(Value::str(&format!("n{at}"))),
                    value,
                    node: Some(format!("n{at}").into()),
                    error: None,
                });
            }
        }
        let at = |(first, items): &(i64, Vec<i64>), position: i64| {
            let place = usize::try_from(position - first).ok()?;
            items.get(place).copied()
        };
        let (mut common, mut differ) = (false, false);
        for (place, one) in logs.iter().enumerate() {
            for other in &logs[..place] {
                for position in 1..=10 {
                    if let (Some(one), Some(other)) = (at(one, position), at(other, position)) {
                        common = true;
                        differ |= one != other;
                    }
                }
            }
        }
        let (expected, which) = match (common, differ) {
            (_, true) => (Verdict::Violated, 0),
            (true, false) => (Verdict::Held, 1),
            (false, false) => (Verdict::Undecided, 2),
        };
        let report = judge(&History::new(ops).expect("lawful"));
        assert_eq!(
            report.verdict, expected,
            "seed {seed}: {logs:?} {report:#?}"
        );
        counts[which] += 1;
    }
    assert!(
        counts.iter().all(|count| *count > seeds() / 20),
        "{counts:?}"
    );
}

#[test]
fn what_is_missing_is_said() {
    let why = |text: &str| {
        let report = judge(&h(text));
        assert_eq!(report.verdict, Verdict::Undecided, "{report:#?}");
        report.why.expect("it says why")
    };
    assert!(why("0:w1 0:ok 0:r 0:ok=1 0:r 0:ok=1").contains("needs the names of the nodes"));
    assert!(why("0:w1 0:ok 0:r 0:ok=1%n1").contains("needs two reads of one node"));
    let twice = "0:w1 0:ok 0:r 0:ok=1%n1 0:r 0:ok=1%n1 0:w7@y 0:ok 0:w7@y 0:ok";
    assert!(why(twice).contains("same value twice"));
}

#[test]
fn names_change_nothing_and_longer_calls_and_fewer_reads_break_nothing() {
    let mut held = 0;
    for seed in 0..seeds() / 5 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let keys = rng.random_range(1..=3);
        let history = history(&make(&mut rng, keys));
        held += u64::from(made::laws::obeys(&Prefix, &history, &mut rng, |op| {
            op.f == *"read"
        }));
        let renamed = made::laws::other_values(&history);
        assert_eq!(judge(&renamed).verdict, judge(&history).verdict, "{seed}");
    }
    assert!(held > seeds() / 50, "only {held}");
}
