//! Δ, Γ and k of registers against every order of tiny histories.

use checkers::calls::Calls;
use checkers::history::{F, History, Kind, Op, Process, Value};
use checkers::{Budget, Checker, Report, Stale};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// A write of a value, or a read of one; zero is the initial one.
#[derive(Clone, Copy, Debug)]
struct Made {
    begins: i64,
    ends: i64,
    /// Its end is unknown: it may have happened, or not.
    info: bool,
    writes: bool,
    value: i64,
}

/// Microseconds, so that figures in microseconds are exact.
const US: u64 = 1_000;

fn seeds() -> u64 {
    let asked = std::env::var("SCHISM_SOAK_SEEDS").ok();
    asked.map_or(100_000, |text| {
        text.parse().expect("SCHISM_SOAK_SEEDS is a number")
    })
}

fn make(rng: &mut ChaCha8Rng) -> Vec<Made> {
    let span = rng.random_range(3..14);
    let writes = rng.random_range(1..=3);
    let mut made: Vec<Made> = (1..=writes)
        .map(|value| {
            let begins = rng.random_range(0..span);
            Made {
                begins,
                ends: begins + rng.random_range(0..=span / 3),
                info: rng.random_bool(0.2),
                writes: true,
                value,
            }
        })
        .collect();
    for _ in 0..rng.random_range(1..=4) {
        let begins = rng.random_range(0..=span);
        made.push(Made {
            begins,
            ends: begins + rng.random_range(0..=span / 3),
            info: false,
            writes: false,
            value: rng.random_range(0..=writes),
        });
    }
    made
}

/// Whether in some order that keeps real time every read returns one of the last `k` values.
fn possible(made: &[Made], k: usize) -> bool {
    fn go(made: &[Made], k: usize, left: u32, order: &mut Vec<i64>) -> bool {
        let is_left = |at: usize| left & 1 << at != 0;
        let ends = |call: &Made| if call.info { i64::MAX } else { call.ends };
        if (0..made.len()).all(|at| !is_left(at) || made[at].info) {
            return true;
        }
        (0..made.len()).filter(|&at| is_left(at)).any(|at| {
            let call = &made[at];
            let first = (0..made.len())
                .filter(|&other| other != at && is_left(other))
                .all(|other| ends(&made[other]) >= call.begins);
            if !first {
                return false;
            }
            let left = left & !(1 << at);
            if call.writes {
                order.push(call.value);
                let found = go(made, k, left, order);
                order.pop();
                found
            } else {
                let last = order.len().saturating_sub(k);
                order[last..].contains(&call.value) && go(made, k, left, order)
            }
        })
    }
    go(made, k, (1 << made.len()) - 1, &mut vec![0])
}

fn stretched(made: &[Made], reads_back: i64, all_back: i64, all_on: i64) -> Vec<Made> {
    let stretch = |call: &Made| Made {
        begins: call.begins - all_back - if call.writes { 0 } else { reads_back },
        ends: call.ends + all_on,
        ..*call
    };
    made.iter().map(stretch).collect()
}

/// The history; microseconds start at 20, and each call has a process of its own.
fn history(made: &[Made]) -> History {
    let mut ends: Vec<(i64, bool, usize)> = Vec::new();
    for (at, call) in made.iter().enumerate() {
        ends.push((call.begins, false, at));
        ends.push((call.ends, true, at));
    }
    ends.sort_unstable();
    let op = |(index, &(time, end, at)): (usize, &(i64, bool, usize))| {
        let call = &made[at];
        let value = match call.value {
            0 => Value::Nil,
            value => Value::Int(value),
        };
        Op {
            index,
            time: u64::try_from(time + 20).expect("times begin at zero") * US,
            process: Process::Client(u32::try_from(at).expect("few")),
            kind: match (end, call.info) {
                (false, _) => Kind::Invoke,
                (true, false) => Kind::Ok,
                (true, true) => Kind::Info,
            },
            f: F::new(if call.writes { "write" } else { "read" }),
            key: Some(Value::str("x")),
            value: if call.writes || end {
                value
            } else {
                Value::Nil
            },
            node: None,
            error: None,
        }
    };
    History::new(ends.iter().enumerate().map(op).collect()).expect("lawful")
}

fn report(made: &[Made]) -> Report {
    Stale.judge(&Calls::of(&history(made)), &Budget::unlimited())
}

#[test]
fn delta_gamma_and_k_are_those_of_the_best_order() {
    let (mut torn, mut early, mut deep) = (0, 0, 0);
    for seed in 0..seeds() {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let made = make(&mut rng);
        let report = report(&made);
        let told = || format!("seed {seed}: {made:#?} {report:#?}");
        let delta = report.number("delta_atomicity_us");
        // Twice the time that all takes is always enough, unless nothing is. More is never less
        // than enough, so a look at both sides will do.
        let suffices = |by| possible(&stretched(&made, by, 0, 0), 1);
        assert_eq!(suffices(delta.unwrap_or(40)), delta.is_some(), "{}", told());
        assert!(
            delta.is_none_or(|delta| delta == 0 || !suffices(delta - 1)),
            "{}",
            told()
        );
        // Γ/2 at each end: in halves of microseconds.
        let doubled: Vec<Made> = (made.iter())
            .map(|call| Made {
                begins: call.begins * 2,
                ends: call.ends * 2,
                ..*call
            })
            .collect();
        let suffices = |by| possible(&stretched(&doubled, 0, by, by), 1);
        let gamma = report.number("gamma_atomicity_us").expect("it is there");
        assert!(suffices(gamma), "{}", told());
        assert!(gamma == 0 || !suffices(gamma - 1), "{}", told());
        let at_least = report.number("k_atomicity_at_least").expect("it is there");
        let k = report.number("k_atomicity");
        let kept = |k: i64| possible(&made, usize::try_from(k).expect("it is positive"));
        assert_eq!(kept(k.unwrap_or(9)), k.is_some(), "{}", told());
        if let Some(k) = k {
            assert!(k == 1 || !kept(k - 1), "{}", told());
            assert!(at_least <= k, "{}", told());
            deep += u64::from(k > 2);
        }
        torn += u64::from(delta.is_some_and(|delta| delta > 0));
        early += u64::from(delta.is_none());
    }
    println!("{torn} need a stretch of reads, {early} cannot be so stretched, {deep} have k > 2");
    assert!(torn * 10 > seeds() && early * 10 > seeds() && deep * 100 > seeds());
}

#[test]
fn what_is_atomic_needs_no_stretch_and_renaming_changes_nothing() {
    for seed in 0..2_000 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let made = make(&mut rng);
        let renamed: Vec<Made> = (made.iter())
            .map(|call| Made {
                value: if call.value == 0 {
                    0
                } else {
                    1_000 - call.value
                },
                ..*call
            })
            .collect();
        let names = ["delta_atomicity_us", "gamma_atomicity_us", "k_atomicity"];
        let figures = |made: &[Made]| names.map(|name| report(made).number(name));
        let own = figures(&made);
        assert_eq!(own, figures(&renamed), "seed {seed}");
        assert_eq!(
            own == [Some(0), Some(0), Some(1)],
            possible(&made, 1),
            "seed {seed}: {made:#?}"
        );
        // A wider history needs no more.
        let wider = figures(&stretched(&made, 0, 1, 1));
        assert!(wider[1] <= own[1], "seed {seed}: {wider:?} {own:?}");
    }
}
