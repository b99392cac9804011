//! What may be done to any history, and what must come of it.

#![allow(
    dead_code,
    reason = "each test that shares this uses another part of it"
)]

use std::collections::BTreeMap;

use checkers::history::{History, Kind, Op, Process, Value};
use checkers::{Checker, Verdict};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

/// The same with other numbers of processes, other names of nodes and another clock, which goes
/// slower; nobody's business is which they are.
pub(crate) fn other_names(history: &History) -> History {
    let mut names: BTreeMap<String, String> = BTreeMap::new();
    let ops = history.ops().iter().map(|op| {
        let mut op = op.clone();
        if let Process::Client(number) = op.process {
            op.process = Process::Client(50_000 - number);
        }
        if let Some(node) = &op.node {
            // The nodes as they come, with names in the opposite order.
            let next = format!("node-{}", 99 - names.len());
            let name = names.entry(node.to_string()).or_insert(next);
            op.node = Some(name.as_str().into());
        }
        op.time = op.time * 3 + 1_000;
        op
    });
    History::new(ops.collect()).expect("lawful as before")
}

/// The same with other keys and elements, for histories in which numbers are only names.
pub(crate) fn other_values(history: &History) -> History {
    fn other(value: &Value) -> Value {
        match value {
            Value::Int(number) => Value::Int(9_000 - number),
            Value::List(items) => Value::List(items.iter().map(other).collect()),
            value => value.clone(),
        }
    }
    let ops = history.ops().iter().map(|op| {
        let mut op = op.clone();
        op.value = other(&op.value);
        let key = op.key.as_ref().and_then(Value::as_str);
        if let Some(key) = key.map(|key| key.chars().rev().collect::<String>()) {
            op.key = Some(Value::str(&format!("{key}-other")));
        }
        op
    });
    History::new(ops.collect()).expect("lawful as before")
}

fn again(mut ops: Vec<Op>) -> History {
    for (index, op) in ops.iter_mut().enumerate() {
        op.index = index;
    }
    History::new(ops).expect("lawful as before")
}

/// The same with one call that lasts longer, if there is one that can: it ends later, or begins
/// sooner, as far as its process lets it.
pub(crate) fn wider(history: &History, rng: &mut ChaCha8Rng) -> Option<History> {
    let mut ops = history.ops().to_vec();
    let at = rng.random_range(0..ops.len().max(1));
    let op = ops.get(at)?.clone();
    let mine = |other: &Op| other.process == op.process;
    let place = if op.kind == Kind::Invoke {
        let before = ops[..at].iter().rposition(mine);
        rng.random_range(before.map_or(0, |before| before + 1)..=at)
    } else {
        let after = ops[at + 1..].iter().position(mine);
        let last = after.map_or(ops.len() - 1, |after| at + after);
        rng.random_range(at..=last)
    };
    let time = ops[place].time;
    let mut op = ops.remove(at);
    op.time = time;
    ops.insert(place, op);
    (place != at).then(|| again(ops))
}

/// The same without one of the calls that `may` be left out, if there is one.
pub(crate) fn without(
    history: &History,
    rng: &mut ChaCha8Rng,
    may: impl Fn(&Op) -> bool,
) -> Option<History> {
    let ops = history.ops();
    let starts: Vec<usize> = (0..ops.len())
        .filter(|&at| ops[at].kind == Kind::Invoke && may(&ops[at]))
        .collect();
    let at = *starts.get(rng.random_range(0..starts.len().max(1)))?;
    let is_end = |other: &Op| other.process == ops[at].process;
    let end = ops[at + 1..].iter().position(is_end);
    let end = end.map(|end| at + 1 + end);
    let kept = (0..ops.len()).filter(|&other| other != at && Some(other) != end);
    Some(again(kept.map(|other| ops[other].clone()).collect()))
}

/// Other names change no verdict, and what is held is not violated if a call lasts longer, or if
/// a read that `may` be left out is. How often something was held to begin with.
pub(crate) fn obeys(
    checker: &dyn Checker,
    history: &History,
    rng: &mut ChaCha8Rng,
    may: impl Fn(&Op) -> bool,
) -> bool {
    let judge = |history: &History| checker.check(history, &checkers::Budget::unlimited());
    let report = judge(history);
    let renamed = other_names(history);
    let told = || format!("{:#?}\n{:#?}", history.ops(), renamed.ops());
    assert_eq!(judge(&renamed).verdict, report.verdict, "{}", told());
    if report.verdict != Verdict::Held {
        return false;
    }
    let weaker = [wider(history, rng), without(history, rng, may)];
    for weaker in weaker.into_iter().flatten() {
        let report = judge(&weaker);
        let told = || format!("{:#?}\n{:#?}\n{report:#?}", history.ops(), weaker.ops());
        assert_ne!(report.verdict, Verdict::Violated, "{}", told());
    }
    true
}
