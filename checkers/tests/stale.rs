//! Staleness against a simulator that knows when every write took effect.

use checkers::history::{F, History, Kind, Nanos, Op, Process, Value};
use checkers::stale::{Lag, lags};
use checkers::{Budget, Checker, Stale, Verdict};
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

struct Simulated {
    history: History,
    /// For every read: the index of its start, and how far it was really behind.
    truths: Vec<(usize, usize, u64)>,
}

struct Entry {
    begins: Nanos,
    ends: Nanos,
    kind: Kind,
    f: &'static str,
    argument: Value,
    result: Value,
    truth: Option<(usize, u64)>,
}

/// Writes with a hidden effect time within their interval, or after it where the outcome is
/// unknown; reads that return a state of any age, some older than their start.
fn simulate(seed: u64, fresh: bool) -> Simulated {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let span = rng.random_range(10..400);
    let mut effects: Vec<(Nanos, i64)> = Vec::new();
    let mut entries = Vec::new();
    for value in 1..=rng.random_range(0..12) {
        let begins = rng.random_range(0..span);
        let length = rng.random_range(0..span / 4 + 1);
        let known = rng.random_bool(0.75);
        if known {
            effects.push((begins + rng.random_range(0..=length), value));
        } else if rng.random_bool(0.5) {
            effects.push((begins + rng.random_range(0..span), value));
        }
        entries.push(Entry {
            begins,
            ends: begins + length,
            kind: if known { Kind::Ok } else { Kind::Info },
            f: "write",
            argument: Value::Int(value),
            result: Value::Int(value),
            truth: None,
        });
    }
    // Of effects at the same time any may come last.
    effects.shuffle(&mut rng);
    effects.sort_by_key(|(at, _)| *at);
    for _ in 0..rng.random_range(1..12) {
        let begins = rng.random_range(0..span * 2);
        let ends = begins + rng.random_range(0..span / 4 + 1);
        let age = if fresh { 0 } else { rng.random_range(0..span) };
        let seen_at = rng.random_range(begins..=ends).saturating_sub(age);
        let seen_at = if fresh { seen_at.max(begins) } else { seen_at };
        let position = effects.partition_point(|(at, _)| *at <= seen_at);
        let value = position.checked_sub(1).map(|last| effects[last].1);
        let missed = effects[position..].iter().filter(|(at, _)| *at < begins);
        let versions = missed.clone().count();
        let behind = missed.clone().next().map_or(0, |(at, _)| begins - at);
        entries.push(Entry {
            begins,
            ends,
            kind: Kind::Ok,
            f: "read",
            argument: Value::Nil,
            result: value.map_or(Value::Nil, Value::Int),
            truth: Some((versions, behind)),
        });
    }
    let mut ends: Vec<(Nanos, bool, usize)> = Vec::new();
    for (position, entry) in entries.iter().enumerate() {
        ends.push((entry.begins, false, position));
        ends.push((entry.ends, true, position));
    }
    ends.sort_unstable();
    let mut ops = Vec::new();
    let mut truths = Vec::new();
    for (index, &(time, end, position)) in ends.iter().enumerate() {
        let entry = &entries[position];
        if let Some((versions, behind)) = entry.truth.filter(|_| !end) {
            truths.push((index, versions, behind));
        }
        ops.push(Op {
            index,
            time,
            process: Process::Client(u32::try_from(position).expect("the simulator made it so")),
            kind: if end { entry.kind } else { Kind::Invoke },
            f: F::new(entry.f),
            key: Some(Value::str("x")),
            value: if end {
                entry.result.clone()
            } else {
                entry.argument.clone()
            },
            node: None,
            error: None,
        });
    }
    Simulated {
        history: History::new(ops).expect("the simulator made it so"),
        truths,
    }
}

#[test]
fn the_truth_lies_between_the_bounds() {
    let (mut reads, mut stale, mut certain) = (0, 0, 0);
    for seed in 0..15_000 {
        let simulated = simulate(seed, false);
        let lags = lags(&simulated.history);
        for &(index, versions, behind) in &simulated.truths {
            let lag: Lag = lags[&index];
            assert!(
                lag.versions_lo <= versions && versions <= lag.versions_hi,
                "seed {seed}, read {index}: {versions} versions is outside of {lag:?}"
            );
            assert!(
                lag.behind_lo <= behind && behind <= lag.behind_hi,
                "seed {seed}, read {index}: {behind} ns is outside of {lag:?}"
            );
            reads += 1;
            stale += usize::from(versions > 0);
            certain += usize::from(lag.versions_lo > 0);
        }
    }
    println!("{reads} reads, {stale} stale, {certain} certainly so");
    assert!(reads >= 20_000);
    assert!(
        certain * 2 > stale,
        "only {certain} of {stale} stale reads were found"
    );
}

#[test]
fn fresh_reads_are_never_called_stale() {
    let mut held = 0;
    for seed in 0..5_000 {
        let simulated = simulate(seed, true);
        let report = Stale.check(&simulated.history, &Budget::unlimited());
        assert_ne!(
            report.verdict,
            Verdict::Violated,
            "seed {seed}: {report:#?}"
        );
        held += usize::from(report.verdict == Verdict::Held);
    }
    assert!(held > 1_000, "only {held} histories had power");
}

/// The bounds by their definition, value by value.
fn by_definition(history: &History) -> Vec<(usize, Lag)> {
    let ends = |kind: Kind, time: Nanos| if kind == Kind::Ok { time + 1 } else { u64::MAX };
    let mut values: Vec<(Value, u64, u64)> = vec![(Value::Nil, 0, 0)];
    for call in history.calls().filter(|call| call.invoke.f == "write") {
        let end = call.complete.expect("the simulator made it so");
        values.push((
            call.invoke.value.clone(),
            call.invoke.time + 1,
            ends(end.kind, end.time),
        ));
    }
    let reads: Vec<_> = history
        .calls()
        .filter(|call| call.invoke.f == "read")
        .collect();
    for read in &reads {
        let end = read.complete.expect("the simulator made it so");
        let value = values
            .iter_mut()
            .find(|(value, ..)| *value == end.value)
            .expect("the simulator made it so");
        value.2 = value.2.min(end.time + 1);
    }
    let bounds = |read: &checkers::history::Call<'_>| {
        let i = read.invoke.time + 1;
        let result = &read.complete.expect("the simulator made it so").value;
        let (_, a_v, f_v) = *values
            .iter()
            .find(|(value, ..)| value == result)
            .expect("the simulator made it so");
        let others = || values.iter().filter(|(value, ..)| value != result);
        let newer = || others().filter(|(_, a, _)| f_v < *a);
        let maybe = || others().filter(|(_, a, f)| *a < i && *f >= a_v);
        Lag {
            versions_lo: newer().filter(|(_, _, f)| *f < i).count(),
            versions_hi: maybe().count(),
            behind_lo: newer()
                .map(|(_, _, f)| i.saturating_sub(*f))
                .max()
                .unwrap_or(0),
            behind_hi: maybe()
                .map(|(_, a, _)| i.saturating_sub(*a.max(&a_v)))
                .max()
                .unwrap_or(0),
        }
    };
    reads
        .iter()
        .map(|read| (read.invoke.index, bounds(read)))
        .collect()
}

#[test]
fn the_bounds_are_those_of_the_definition() {
    for seed in 0..10_000 {
        let simulated = simulate(seed, seed % 5 == 0);
        let lags = lags(&simulated.history);
        for (index, lag) in by_definition(&simulated.history) {
            assert_eq!(lags[&index], lag, "seed {seed}, read {index}");
        }
    }
}
