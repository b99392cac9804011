//! The ledger against a simulated store that forgets its tail, and knows what it forgot.

use std::collections::BTreeSet;
use std::sync::Arc;

use checkers::history::{F, History, Kind, Nanos, Op, Process, Value};
use checkers::{Budget, Checker, Loss, Verdict};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

struct Write {
    begins: Nanos,
    ends: Nanos,
    /// When it took effect, if it did.
    effect: Option<Nanos>,
    kind: Kind,
    is_forgotten: bool,
}

/// Writes to one register, of which those that took effect within a stretch of time are
/// forgotten; the value of each is its position.
fn simulate(rng: &mut ChaCha8Rng, concurrent: bool) -> Vec<Write> {
    let forgotten = rng.random_range(0..100)..rng.random_range(0..150);
    let mut at = 1;
    let mut writes: Vec<Write> = (0..rng.random_range(1..12))
        .map(|_| {
            at = if concurrent {
                rng.random_range(1..100)
            } else {
                at + 10
            };
            let length = if concurrent {
                rng.random_range(0..40)
            } else {
                5
            };
            let kind = if rng.random_bool(0.8) {
                Kind::Ok
            } else {
                Kind::Info
            };
            let effect = match kind {
                Kind::Ok => Some(at + rng.random_range(0..=length)),
                _ => rng.random_bool(0.5).then(|| at + rng.random_range(0..60)),
            };
            let is_forgotten = effect.is_some_and(|effect| forgotten.contains(&effect));
            Write {
                begins: at,
                ends: at + length,
                effect,
                kind,
                is_forgotten,
            }
        })
        .collect();
    writes.sort_by_key(|write| write.begins);
    writes
}

/// The write that is left in the end.
fn left(writes: &[Write]) -> Option<usize> {
    let kept = |i: &usize| writes[*i].effect.is_some() && !writes[*i].is_forgotten;
    (0..writes.len())
        .filter(kept)
        .max_by_key(|&i| (writes[i].effect, i))
}

fn history(writes: &[Write]) -> History {
    let mut entries: Vec<(Nanos, bool, usize)> = Vec::new();
    for (i, write) in writes.iter().enumerate() {
        entries.push((write.begins, false, i));
        entries.push((write.ends, true, i));
    }
    entries.sort_unstable();
    let entry = |time, process, kind, f, value| Op {
        index: 0,
        time,
        process: Process::Client(process),
        kind,
        f: F::new(f),
        key: Some(Value::str("x")),
        value,
        node: Some(Arc::from("n1")),
        error: None,
    };
    let number = |i: usize| i64::try_from(i).expect("few writes");
    let mut ops: Vec<Op> = entries
        .into_iter()
        .map(|(time, end, i)| {
            let kind = if end { writes[i].kind } else { Kind::Invoke };
            let process = u32::try_from(i).expect("few writes");
            entry(time, process, kind, "write", Value::Int(number(i)))
        })
        .collect();
    let found = left(writes).map_or(Value::Nil, |i| Value::Int(number(i)));
    ops.push(entry(1_000, 99, Kind::Invoke, "final-read", Value::Nil));
    ops.push(entry(1_001, 99, Kind::Ok, "final-read", found));
    for (index, op) in ops.iter_mut().enumerate() {
        op.index = index;
    }
    History::new(ops).expect("the simulator makes lawful histories")
}

/// Forgotten although acknowledged, with nothing newer left.
fn truly_lost(writes: &[Write]) -> BTreeSet<i64> {
    let last = left(writes).and_then(|i| writes[i].effect);
    (0_i64..)
        .zip(writes)
        .filter(|(_, w)| w.kind == Kind::Ok && w.is_forgotten && w.effect > last)
        .map(|(i, _)| i)
        .collect()
}

fn named_lost(writes: &[Write]) -> (BTreeSet<i64>, Verdict) {
    let report = Loss.check(&history(writes), &Budget::unlimited());
    let ids = report.figures["lost_ids"].as_list().expect("a list");
    let value = |pair: &Value| {
        pair.as_list().expect("a pair")[1]
            .as_int()
            .expect("a number")
    };
    let counted = report.number("lost").expect("a figure");
    assert_eq!(usize::try_from(counted), Ok(ids.len()));
    (ids.iter().map(value).collect(), report.verdict)
}

#[test]
fn what_is_called_lost_is_lost() {
    let (mut lost, mut named) = (0, 0);
    for seed in 0..30_000 {
        let writes = simulate(&mut ChaCha8Rng::seed_from_u64(seed), true);
        let truth = truly_lost(&writes);
        let (found, verdict) = named_lost(&writes);
        assert!(
            found.is_subset(&truth),
            "seed {seed}: {found:?} of {truth:?}"
        );
        assert_eq!(
            verdict == Verdict::Violated,
            !found.is_empty(),
            "seed {seed}"
        );
        lost += truth.len();
        named += found.len();
    }
    println!("{named} of {lost} lost writes named");
    assert!(named * 3 > lost, "only {named} of {lost} were found");
}

#[test]
fn without_concurrency_every_lost_write_is_named() {
    let mut lost = 0;
    for seed in 0..30_000 {
        let mut writes = simulate(&mut ChaCha8Rng::seed_from_u64(seed), false);
        // What is known of an unknown outcome is too little to name all.
        writes.retain(|write| write.kind == Kind::Ok);
        if writes.is_empty() {
            continue;
        }
        let truth = truly_lost(&writes);
        assert_eq!(named_lost(&writes).0, truth, "seed {seed}");
        lost += truth.len();
    }
    assert!(lost > 1_000);
}
