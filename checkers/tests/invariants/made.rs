//! Random histories for the references, and the comparison with them.

use std::sync::Arc;

use checkers::history::{F, History, Kind, Nanos, Op, Process, Value};
use checkers::{Budget, Checker, Report, Verdict};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// A call with both its ends. An end of unknown outcome proves nothing.
#[derive(Clone, Debug)]
pub(crate) struct Made {
    pub(crate) process: u32,
    pub(crate) begins: Nanos,
    pub(crate) ends: Nanos,
    pub(crate) kind: Kind,
    pub(crate) f: &'static str,
    pub(crate) key: Value,
    pub(crate) argument: Value,
    /// What it answers if it is acknowledged.
    pub(crate) result: Value,
    pub(crate) node: &'static str,
}

impl Made {
    pub(crate) fn is_ok(&self) -> bool {
        self.kind == Kind::Ok
    }

    pub(crate) fn may_have_happened(&self) -> bool {
        self.kind != Kind::Fail
    }

    /// Whether it was certainly over before the other began.
    pub(crate) fn precedes(&self, other: &Self) -> bool {
        self.is_ok() && self.ends < other.begins
    }
}

pub(crate) fn int(number: i64) -> Value {
    Value::Int(number)
}

pub(crate) fn list(items: impl IntoIterator<Item = Value>) -> Value {
    Value::List(items.into_iter().collect())
}

/// `["r" key value]` or `["w" key value]`.
pub(crate) fn step(f: &str, key: i64, value: Value) -> Value {
    list([Value::str(f), int(key), value])
}

/// Calls of a few processes one after another, at times that often are equal; what they do is
/// filled in by `fill`.
pub(crate) fn calls(
    rng: &mut ChaCha8Rng,
    count: usize,
    width: usize,
    mut fill: impl FnMut(&mut ChaCha8Rng, usize, &mut Made),
) -> Vec<Made> {
    let mut free: Vec<(u32, Nanos)> = (0..).map(|process| (process, 0)).take(width).collect();
    let mut fresh = u32::try_from(width).expect("few");
    let mut made: Vec<Made> = Vec::new();
    for number in 0..count {
        let slowest = free.iter().map(|(_, time)| *time).min().unwrap_or(0);
        let mut who = rng.random_range(0..width);
        if free[who].1 > slowest + 5 {
            who = (0..width).min_by_key(|&who| free[who].1).unwrap_or(who);
        }
        let begins = free[who].1 + rng.random_range(0..3);
        let ends = begins + rng.random_range(0..4);
        let kind = match rng.random_range(0..10) {
            0 => Kind::Fail,
            1 | 2 => Kind::Info,
            _ => Kind::Ok,
        };
        let mut call = Made {
            process: free[who].0,
            begins,
            ends,
            kind,
            f: "read",
            key: Value::Nil,
            argument: Value::Nil,
            result: Value::Nil,
            node: ["n1", "n2", "n3"][rng.random_range(0..3)],
        };
        fill(rng, number, &mut call);
        free[who].1 = ends;
        if call.kind == Kind::Info {
            free[who].0 = fresh;
            fresh += 1;
        }
        made.push(call);
    }
    made
}

/// The calls as a history; one in three of unknown outcome has no end at all.
pub(crate) fn history(made: &[Made]) -> History {
    let mut entries: Vec<(Nanos, usize, bool)> = Vec::new();
    for (place, call) in made.iter().enumerate() {
        entries.push((call.begins, place, false));
        if call.kind != Kind::Info || call.process % 3 > 0 {
            entries.push((call.ends, place, true));
        }
    }
    entries.sort_unstable();
    let ops = entries
        .iter()
        .enumerate()
        .map(|(index, &(time, place, is_end))| {
            let call = &made[place];
            Op {
                index,
                time,
                process: Process::Client(call.process),
                kind: if is_end { call.kind } else { Kind::Invoke },
                f: F::new(call.f),
                key: (call.key != Value::Nil).then(|| call.key.clone()),
                value: if is_end && call.is_ok() {
                    call.result.clone()
                } else {
                    call.argument.clone()
                },
                node: Some(Arc::from(call.node)),
                error: None,
            }
        });
    History::new(ops.collect()).expect("the maker keeps the laws")
}

pub(crate) fn check(checker: &dyn Checker, made: &[Made]) -> Report {
    checker.check(&history(made), &Budget::unlimited())
}

/// How many histories are compared: what SCHISM_SOAK_SEEDS says, or 100,000.
pub(crate) fn seeds() -> u64 {
    let asked = std::env::var("SCHISM_SOAK_SEEDS").ok();
    asked.map_or(100_000, |text| {
        text.parse().expect("SCHISM_SOAK_SEEDS is a number")
    })
}

/// What a reference says: violated or not, and whether there was anything to find.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Truth {
    pub(crate) violated: bool,
    pub(crate) power: bool,
}

impl Truth {
    pub(crate) fn verdict(self) -> Verdict {
        match self {
            Self { violated: true, .. } => Verdict::Violated,
            Self { power: true, .. } => Verdict::Held,
            Self { .. } => Verdict::Undecided,
        }
    }
}

#[expect(
    clippy::print_stdout,
    reason = "how often what was compared is part of the result"
)]
fn tell(checker: &dyn Checker, counts: [u64; 3]) {
    println!("{}: {counts:?} held, undecided, violated", checker.name());
}

/// Compares a checker with its reference over random histories: all three verdicts must occur,
/// or the comparison proves little.
pub(crate) fn agrees(
    checker: &dyn Checker,
    make: impl Fn(&mut ChaCha8Rng) -> Vec<Made>,
    truth: impl Fn(&[Made]) -> Truth,
) {
    let seeds = seeds();
    let mut counts = [0_u64; 3];
    for seed in 0..seeds {
        let made = make(&mut ChaCha8Rng::seed_from_u64(seed));
        let report = check(checker, &made);
        let expected = truth(&made).verdict();
        assert_eq!(
            report.verdict,
            expected,
            "{}, seed {seed}: {report:#?} of {made:#?}",
            checker.name()
        );
        counts[expected as usize] += 1;
        assert_eq!(report.verdict == Verdict::Undecided, report.why.is_some());
        assert_eq!(
            report.verdict == Verdict::Violated,
            !report.anomalies.is_empty()
        );
        for anomaly in &report.anomalies {
            assert!(anomaly.because.len() <= 15);
            let next = anomaly.cycle.iter().cycle().skip(1);
            for (edge, next) in anomaly.cycle.iter().zip(next) {
                assert_eq!(edge.to, next.from, "a circle closes: {anomaly:#?}");
                assert!(edge.from != edge.to && anomaly.ops.contains(&edge.from));
            }
        }
    }
    tell(checker, counts);
    assert!(
        counts.iter().all(|&count| count * 80 > seeds),
        "lopsided: {counts:?}"
    );
}
