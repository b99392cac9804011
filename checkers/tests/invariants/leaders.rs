//! Leaders and terms.

use checkers::history::{F, History, Kind, Op, Process, Value};
use checkers::invariants::LeaderTerms;
use checkers::{Budget, Checker, Verdict};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use crate::made::{Made, Truth, agrees, calls, int};

pub(crate) fn made(rng: &mut ChaCha8Rng) -> Vec<Made> {
    let count = rng.random_range(1..7);
    let (slow, honest) = (rng.random_range(1..4), rng.random_bool(0.6));
    calls(rng, count, 3, |rng, number, call| {
        call.f = "status";
        let number = i64::try_from(number).expect("few");
        let term = (number + rng.random_range(0..2)) / slow;
        let leader = ["n1", "n2", "n3"][usize::try_from(term % 3).expect("three")];
        let leads = if honest {
            call.node == leader
        } else {
            rng.random_bool(0.3)
        };
        let role = if leads { "leader" } else { "follower" };
        let name = ["epoch", "term"][rng.random_range(0..2)];
        call.result = match rng.random_range(0..40) {
            0 => Value::map([("role", Value::str(role))]),
            _ => Value::map([("role", Value::str(role)), (name, int(term))]),
        };
    })
}

fn term(call: &Made) -> Option<i64> {
    let named = call.result.get("epoch").or_else(|| call.result.get("term"));
    named?.as_int()
}

#[test]
fn one_entry_of_the_nemesis_tells_of_several_nodes() {
    let said = |role: &'static str, epoch: i64| {
        Value::map([("role", Value::str(role)), ("epoch", int(epoch))])
    };
    let verdict = |polls: &[&[(&'static str, Value)]]| {
        let ops = polls.iter().flat_map(|told| {
            let told = told.iter().map(|(node, said)| (*node, said.clone()));
            [Value::Nil, Value::map(told)]
        });
        let op = |(index, value): (usize, Value)| Op {
            index,
            time: 1_000 * index as u64,
            process: Process::Nemesis,
            kind: Kind::Info,
            f: F::new("status"),
            key: None,
            value,
            node: None,
            error: None,
        };
        let history = History::new(ops.enumerate().map(op).collect()).unwrap();
        LeaderTerms.check(&history, &Budget::unlimited())
    };
    let calm = [("n1", said("leader", 1)), ("n2", said("follower", 1))];
    let later = [("n1", said("leader", 1)), ("n2", said("leader", 2))];
    // Nobody answered the second time.
    assert_eq!(verdict(&[&calm, &[], &later]).verdict, Verdict::Held);
    let two = [("n1", said("leader", 1)), ("n2", said("leader", 1))];
    let found = verdict(&[&calm, &two]);
    assert_eq!(found.verdict, Verdict::Violated);
    assert_eq!(found.anomalies[0].name, "two-leaders");
    let back = verdict(&[&later, &calm]);
    assert_eq!(back.anomalies[0].name, "term-went-back");
}

#[test]
fn leaders_agree_with_their_definition() {
    agrees(&LeaderTerms, made, |made| {
        let told: Vec<&Made> = made.iter().filter(|call| call.is_ok()).collect();
        let leads = |call: &Made| call.result.get("role") == Some(&Value::str("leader"));
        let mut truth = Truth {
            violated: false,
            power: false,
        };
        for one in &told {
            for other in &told {
                let (Some(first), Some(second)) = (term(one), term(other)) else {
                    continue;
                };
                let same = one.node == other.node;
                let two_lead = leads(one) && leads(other) && !same && first == second;
                truth.violated |= two_lead || same && one.precedes(other) && first > second;
                let led = |third: &&Made| leads(third) && term(third) == Some(first);
                truth.power |= !same && first == second && told.iter().any(led);
            }
        }
        truth.power &= told.iter().all(|call| term(call).is_some());
        truth
    });
}

fn entry(index: usize, time: u64, node: &str, role: &str, epoch: i64) -> Op {
    Op {
        index,
        time,
        process: Process::Nemesis,
        kind: Kind::Info,
        f: F::new("status"),
        key: None,
        value: Value::map([("role", Value::str(role)), ("epoch", int(epoch))]),
        node: Some(node.into()),
        error: None,
    }
}

#[test]
fn what_the_nemesis_was_told_counts_and_two_reigns_at_once_are_measured() {
    const MS: u64 = 1_000_000;
    let mut ops = Vec::new();
    for (time, node, role, epoch) in [
        (10, "n1", "leader", 1),
        (20, "n2", "follower", 1),
        (30, "n2", "leader", 2),
        (40, "n1", "leader", 1),
        (60, "n2", "leader", 2),
        (70, "n1", "leader", 1),
    ] {
        // It is asked a millisecond before it tells.
        let mut asked = entry(ops.len(), (time - 1) * MS, node, role, epoch);
        asked.value = Value::Nil;
        ops.push(asked);
        ops.push(entry(ops.len(), time * MS, node, role, epoch));
    }
    let judge = |ops: &[Op]| {
        let history = History::new(ops.to_vec()).expect("lawful");
        LeaderTerms.check(&history, &Budget::unlimited())
    };
    let report = judge(&ops);
    assert_eq!(report.verdict, Verdict::Held, "{report:#?}");
    // n1 certainly led from 10 to 69 ms, n2 from 30 to 59 ms.
    assert_eq!(report.number("dual_leader_windows"), Some(1));
    assert_eq!(report.number("dual_leader_us"), Some(29_000));

    ops.push(entry(ops.len(), 80 * MS, "n3", "leader", 2));
    let report = judge(&ops);
    assert_eq!(report.verdict, Verdict::Violated);
    assert_eq!(report.anomalies[0].name, "two-leaders");
    assert!(report.anomalies[0].because[2].contains("both led in term 2"));
}
