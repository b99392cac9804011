//! The laws of resolvers, on resolvers that keep and that break them.

use checkers::history::{F, History, Kind, Op, Process, Value};
use checkers::{Budget, Checker, Report, Resolver, Verdict};
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

fn judge(resolved: &[(Vec<i64>, Value)]) -> Report {
    let mut ops = Vec::new();
    for (siblings, result) in resolved {
        let siblings = Value::List(siblings.iter().copied().map(Value::Int).collect());
        for (kind, value) in [(Kind::Invoke, siblings), (Kind::Ok, result.clone())] {
            ops.push(Op {
                index: ops.len(),
                time: ops.len() as u64,
                process: Process::Client(1),
                kind,
                f: F::new("resolve"),
                key: Some(Value::str("x")),
                value,
                node: None,
                error: None,
            });
        }
    }
    let history = History::new(ops).expect("lawful");
    Resolver.check(&history, &Budget::unlimited())
}

/// Picks a winner, or makes one.
type Rule = fn(&[i64]) -> i64;

/// What a resolver answers; the results of earlier conflicts come back as siblings.
fn run(seed: u64, resolve: Rule) -> Report {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut known: Vec<i64> = (1..=6).collect();
    let mut resolved = Vec::new();
    for _ in 0..40 {
        known.shuffle(&mut rng);
        let mut siblings = known[..rng.random_range(1..4)].to_vec();
        if rng.random_bool(0.2) {
            siblings.push(siblings[0]);
        }
        let result = resolve(&siblings);
        known.push(result);
        resolved.push((siblings, Value::Int(result)));
    }
    judge(&resolved)
}

#[test]
fn resolvers_that_obey_are_never_accused_and_broken_ones_are_named() {
    let latest = |siblings: &[i64]| *siblings.iter().max().expect("some");
    let bits = |siblings: &[i64]| siblings.iter().fold(0, |all, one| all | one);
    let first = |siblings: &[i64]| siblings[0];
    let sum = |siblings: &[i64]| siblings.iter().fold(0_i64, |sum, one| (sum + one) % 1_000);
    // Not associative: the mean, rounded, of the different ones.
    let mean = |siblings: &[i64]| {
        let mut set = siblings.to_vec();
        set.sort_unstable();
        set.dedup();
        set.iter().sum::<i64>() / i64::try_from(set.len()).expect("few")
    };
    let mut named = [0; 3];
    for seed in 0..300 {
        for obeys in [latest, bits] {
            let report = run(seed, obeys);
            assert_eq!(report.verdict, Verdict::Held, "seed {seed}: {report:#?}");
        }
        let cases: [(Rule, &str); 3] = [
            (first, "resolver-not-commutative"),
            (sum, "resolver-not-idempotent"),
            (mean, "resolver-not-associative"),
        ];
        for (at, (broken, name)) in cases.into_iter().enumerate() {
            let report = run(seed, broken);
            named[at] += usize::from(report.anomalies.iter().any(|a| a.name == name));
        }
    }
    assert!(named.iter().all(|count| *count > 200), "{named:?}");
}

#[test]
fn each_law_is_broken_by_few_conflicts() {
    let one = |siblings: &[i64], result: i64| (siblings.to_vec(), Value::Int(result));
    let name = |resolved: &[(Vec<i64>, Value)]| {
        let report = judge(resolved);
        let first = report.anomalies.first().map(|anomaly| anomaly.name.clone());
        first.unwrap_or_else(|| format!("{:?}", report.verdict))
    };
    assert_eq!(
        name(&[one(&[1, 2], 1), one(&[1, 2], 2)]),
        "resolver-not-deterministic"
    );
    assert_eq!(
        name(&[one(&[1, 2], 1), one(&[2, 1], 2)]),
        "resolver-not-commutative"
    );
    assert_eq!(
        name(&[one(&[1, 2], 2), one(&[1, 1, 2], 1)]),
        "resolver-not-idempotent"
    );
    assert_eq!(name(&[one(&[1], 2)]), "resolver-not-idempotent");
    let scissors = [
        one(&[1, 2], 1),
        one(&[2, 3], 2),
        one(&[1, 3], 3),
        one(&[1, 2, 3], 3),
    ];
    assert_eq!(name(&scissors), "resolver-not-associative");
    assert_eq!(name(&[one(&[1, 2], 2)]), "Undecided");
    assert_eq!(name(&[]), "Undecided");
    let merged = |siblings: &[i64], result: &[i64]| {
        let result = result.iter().copied().map(Value::Int).collect();
        (siblings.to_vec(), Value::List(result))
    };
    let held = [merged(&[1, 2], &[1, 2]), merged(&[2, 1], &[1, 2])];
    assert_eq!(name(&held), "Held", "a merged list has no order");
}
