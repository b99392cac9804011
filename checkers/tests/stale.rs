//! Staleness against a simulator that knows when every write took effect.

use checkers::history::{F, History, Kind, Nanos, Op, Process, Value};
use checkers::stale::{Bound, Lag, lags};
use checkers::{Budget, Checker, Stale, Verdict};
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

struct Simulated {
    history: History,
    /// For every read: the index of its start, and how far it was really behind.
    truths: Vec<(usize, usize, u64)>,
    /// Of the acknowledged writes after whose end somebody read: how long each was missed.
    missed: Vec<u64>,
}

/// What the objects are, and so what a read reveals.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sort {
    Register,
    List,
    Counter,
}

/// Times are a thousand nanoseconds apart, so that figures in microseconds are exact.
const US: Nanos = 1_000;

struct Entry {
    begins: Nanos,
    ends: Nanos,
    kind: Kind,
    f: &'static str,
    argument: Value,
    result: Value,
    truth: Option<(usize, u64)>,
    node: Option<&'static str>,
    /// How many effects a read shows.
    shows: usize,
}

/// Writes with a hidden effect time within their interval, or after it where the outcome is
/// unknown; reads that return a state of any age, some older than their start.
fn simulate(seed: u64, fresh: bool) -> Simulated {
    simulate_of(seed, fresh, Sort::Register)
}

fn simulate_of(seed: u64, fresh: bool, sort: Sort) -> Simulated {
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
            f: match sort {
                Sort::Register => "write",
                Sort::List => "append",
                Sort::Counter => "increment",
            },
            argument: Value::Int(if sort == Sort::Counter { 1 } else { value }),
            result: Value::Int(value),
            truth: None,
            node: None,
            shows: 0,
        });
    }
    // Of effects at the same time any may come last.
    effects.shuffle(&mut rng);
    effects.sort_by_key(|(at, _)| *at);
    // Each node lags by as much as it does, and a little more or less.
    let lags: Vec<Nanos> = (0..3).map(|_| rng.random_range(0..span)).collect();
    for _ in 0..rng.random_range(1..12) {
        let begins = rng.random_range(0..span * 2);
        let ends = begins + rng.random_range(0..span / 4 + 1);
        let node = rng.random_range(0..3);
        let age = if fresh {
            0
        } else {
            lags[node] / 2 + rng.random_range(0..span / 2)
        };
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
            result: match sort {
                Sort::Register => value.map_or(Value::Nil, Value::Int),
                Sort::List => {
                    let seen = effects[..position].iter();
                    Value::List(seen.map(|(_, value)| Value::Int(*value)).collect())
                }
                Sort::Counter => Value::Int(i64::try_from(position).expect("few")),
            },
            truth: Some((versions, behind * US)),
            node: Some(["n1", "n2", "n3"][node]),
            shows: position,
        });
    }
    let mut missed = Vec::new();
    for write in entries
        .iter()
        .filter(|entry| entry.truth.is_none() && entry.kind == Kind::Ok)
    {
        let place = effects
            .iter()
            .position(|(_, value)| Value::Int(*value) == write.result);
        let place = place.expect("it was acknowledged");
        let reads = entries.iter().filter(|entry| entry.truth.is_some());
        let later = reads.filter(|read| read.begins > write.ends);
        if later.clone().count() > 0 {
            let misses = later.filter(|read| read.shows <= place);
            let last = misses.map(|read| read.begins - write.ends).max();
            missed.push(last.unwrap_or(0) * US);
        }
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
            time: time * US,
            process: Process::Client(u32::try_from(position).expect("the simulator made it so")),
            kind: if end { entry.kind } else { Kind::Invoke },
            f: F::new(entry.f),
            key: Some(Value::str("x")),
            value: if end {
                entry.result.clone()
            } else {
                entry.argument.clone()
            },
            node: entry.node.map(Into::into),
            error: None,
        });
    }
    Simulated {
        history: History::new(ops).expect("the simulator made it so"),
        truths,
        missed,
    }
}

#[test]
fn the_truth_lies_between_the_bounds() {
    let (mut reads, mut stale, mut certain) = (0, 0, 0);
    for seed in 0..20_000 {
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
    assert!(reads >= 100_000);
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

#[test]
fn lists_and_counters_reveal_how_far_they_were_behind() {
    for sort in [Sort::List, Sort::Counter] {
        let (mut reads, mut certain) = (0, 0);
        for seed in 0..10_000 {
            let simulated = simulate_of(seed, false, sort);
            let lags = lags(&simulated.history);
            for &(index, versions, behind) in &simulated.truths {
                // Without any change nothing tells a list or a counter from a register.
                let Some(lag) = lags.get(&index) else {
                    continue;
                };
                assert!(
                    (lag.versions_lo..=lag.versions_hi).contains(&versions)
                        && (lag.behind_lo..=lag.behind_hi).contains(&behind),
                    "seed {seed}, read {index}: {versions}, {behind} ns are outside of {lag:?}"
                );
                reads += 1;
                certain += usize::from(lag.versions_lo > 0);
            }
        }
        assert!(
            reads >= 40_000 && certain * 8 > reads,
            "{certain} of {reads}"
        );
    }
}

#[test]
fn how_long_writes_were_missed_lies_between_the_bounds() {
    let (mut tested, mut certain) = (0, 0);
    for seed in 0..4_000 {
        let simulated = simulate(seed, false);
        let report = Stale.check(&simulated.history, &Budget::unlimited());
        let number = |name: &str| report.number(name).expect("it is a number");
        // A value that was seen before its write began is not simulated: every write counts.
        let told = || format!("seed {seed}: {:?} {report:#?}", simulated.missed);
        let mut missed = simulated.missed.clone();
        missed.sort_unstable();
        let count = i64::try_from(missed.len()).expect("few");
        assert_eq!(number("writes_visibility_tested"), count, "{}", told());
        for (of, permille) in [("p50", 500), ("p99", 990), ("max", 1000)] {
            let place = (missed.len() * permille).div_ceil(1000);
            let truth = place.checked_sub(1).map_or(0, |place| missed[place] / US);
            let truth = i64::try_from(truth).expect("short");
            let low = number(&format!("visibility_lag_{of}_us"));
            let high = number(&format!("possible_visibility_lag_{of}_us"));
            assert!(low <= truth && truth <= high, "{of} is {truth}: {}", told());
        }
        tested += count;
        certain += i64::from(number("visibility_lag_max_us") > 0);
    }
    assert!(tested > 8_000 && certain > 800, "{tested}, {certain}");
}

#[test]
fn a_bound_is_violated_or_held_only_if_it_truly_is() {
    let mut came_out = [0; 3];
    for seed in 0..2_000 {
        let simulated = simulate(seed, seed % 2 == 0);
        let most = |of: fn(&(usize, usize, u64)) -> u64| {
            let truths = simulated.truths.iter();
            truths.map(of).max().unwrap_or(0)
        };
        let versions = most(|(_, versions, _)| *versions as u64);
        for bound in [0, 1, 3] {
            let checker = Stale::bounded_by(Bound::Versions(bound));
            let report = checker.check(&simulated.history, &Budget::unlimited());
            let told = || format!("seed {seed}, {bound}, really {versions}: {report:#?}");
            match report.verdict {
                Verdict::Violated => {
                    assert!(versions > bound, "{}", told());
                    assert!(!report.anomalies.is_empty(), "{}", told());
                }
                Verdict::Held => assert!(versions <= bound, "{}", told()),
                Verdict::Undecided => assert!(report.why.is_some(), "{}", told()),
            }
            came_out[report.verdict as usize] += 1;
        }
    }
    assert!(came_out.iter().all(|count| *count > 200), "{came_out:?}");
}

#[test]
fn a_write_that_nobody_saw_only_raises_the_upper_bounds() {
    for seed in 0..3_000 {
        let simulated = simulate(seed, false);
        let own = lags(&simulated.history);
        let mut ops = simulated.history.ops().to_vec();
        let last = ops.last().expect("some").clone();
        // It began with everything else, and nobody knows its end.
        let mut lost = ops[0].clone();
        lost.process = Process::Client(9_999);
        lost.kind = Kind::Invoke;
        lost.f = F::new("write");
        lost.value = Value::Int(9_999);
        for op in &mut ops {
            op.index += 1;
        }
        ops.insert(0, lost.clone());
        ops.push(Op {
            index: ops.len(),
            time: last.time,
            kind: Kind::Info,
            ..lost
        });
        let with = lags(&History::new(ops).expect("lawful"));
        for (index, lag) in own {
            let other = with[&(index + 1)];
            assert_eq!(other.versions_lo, lag.versions_lo, "seed {seed}");
            assert_eq!(other.behind_lo, lag.behind_lo, "seed {seed}");
            assert!(other.versions_hi >= lag.versions_hi, "seed {seed}");
            assert!(other.behind_hi >= lag.behind_hi, "seed {seed}");
        }
    }
}

fn judge(text: &str) -> checkers::Report {
    let history = checkers::history::notation::h(text);
    Stale.check(&history, &Budget::unlimited())
}

#[test]
fn figures_tell_nodes_roles_sessions_and_faults_apart() {
    let report = judge(
        "0:w1 0:ok%n1 0:w2 0:ok%n1 1:r 1:ok=2%n1 n:kill=[n3] n:kill=[n3] \
         1:r 1:ok=1%n2 2:r 2:ok=2%n1 n:start=[n3] n:start=[n3] 1:r 1:ok=1%n2",
    );
    let of = |path: &[&str]| {
        let mut value = report.figures[path[0]].clone();
        for name in &path[1..] {
            value = value.get(name).cloned().unwrap_or_default();
        }
        value
    };
    assert_eq!(of(&["by_node", "n2", "stale"]), Value::Int(2));
    assert_eq!(of(&["by_node", "n1", "reads"]), Value::Int(2));
    assert_eq!(of(&["by_node", "n2", "behind_max_us"]), Value::Int(11_000));
    assert_eq!(of(&["by_role"]), Value::str("unknown"));
    assert_eq!(of(&["by_session", "stale_sessions"]), Value::Int(1));
    assert_eq!(of(&["by_session", "worst", "p1", "reads"]), Value::Int(3));
    let faults = of(&["by_fault"]);
    let rows = faults.as_list().expect("a list");
    let row = |at: usize, name| rows[at].get(name).cloned().unwrap_or_default();
    assert_eq!(rows.len(), 3);
    assert_eq!(
        [row(0, "window"), row(0, "reads")],
        ["before".into(), Value::Int(1)]
    );
    assert_eq!(row(1, "window"), "kill of n3".into());
    assert_eq!(
        [row(1, "reads"), row(1, "stale")],
        [Value::Int(2), Value::Int(1)]
    );
    assert_eq!(
        [row(2, "window"), row(2, "stale")],
        ["after".into(), Value::Int(1)]
    );
}

#[test]
fn what_cannot_be_read_leaves_the_claim_open() {
    let why = |text: &str| {
        let report = judge(text);
        assert_eq!(report.verdict, Verdict::Undecided, "{report:#?}");
        report.why.expect("undecided says why")
    };
    assert!(why("0:w1 0:ok 0:w1 0:ok 0:r 0:ok=1").contains("nothing was checked"));
    assert!(why("0:w1 0:ok 0:r 0:ok=1 1:w7@y 1:ok 1:w7@y 1:ok").contains("twice"));
    assert!(why("0:w1 0:ok 0:r 0:ok=1 1:a7@x 1:ok").contains("not an operation of registers"));
    assert!(why("0:w1 0:ok").contains("nothing was checked"));
    assert!(why("0:r 0:ok=nil 0:w1 0:ok").contains("none could have been stale"));
    let nil = "0:w1 0:ok 0:wnil 0:ok 0:r 0:ok=nil 0:w1@y 0:ok 0:r@y 0:ok=1";
    assert!(
        why(nil).contains("writes nil"),
        "the read of nil may be fresh"
    );
}

#[test]
fn the_worst_reads_are_explained() {
    let report = judge("0:w1 0:ok 0:w2 0:ok 1:r 1:ok=1");
    assert_eq!(
        report.anomalies[0].because.join("\n"),
        "write 1 (p0) ran from 0.000 ms to 1.000 ms and was acknowledged.\n\
         write 2 (p0) ran from 2.000 ms to 3.000 ms and was acknowledged.\n\
         read (p1) ran from 4.000 ms to 5.000 ms and returned 1.\n\
         2 had taken effect by 3.000 ms, 1.000 ms before the read began; it was certainly 1 and \
         possibly 1 versions behind."
    );
}
