//! Made-up histories of containers with unique values, for the algorithms that need no search.

use std::collections::BTreeMap;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::exact::{Exact, Finding, by_key, oracle};
use super::search::oracle::{Made, history, int, kind, possible};
use crate::calls::{Calls, NEVER};
use crate::history::{Kind, Nanos, Value};
use crate::model::Model;

/// What a kind of container calls its operations, and which element it gives: given all that
/// are inside, in the order in which they were put in.
#[derive(Clone, Copy)]
pub(super) struct Kept {
    pub(super) put: &'static str,
    pub(super) take: &'static str,
    pub(super) next: fn(&[i64], &mut ChaCha8Rng) -> usize,
    /// Whether a take of unknown outcome makes the model branch: then large histories have none.
    pub(super) branches: bool,
}

/// How many seeds to try: as many as the environment asks for, or these.
pub(super) fn seeds(otherwise: u64) -> u64 {
    let asked = std::env::var("SCHISM_SOAK_SEEDS").ok();
    asked.map_or(otherwise, |seeds| seeds.parse().expect("a number of seeds"))
}

/// A few processes that call one operation after another.
fn calls(rng: &mut ChaCha8Rng, kept: Kept, count: usize, width: u32, busy: u64) -> Vec<Made> {
    let mut made = Vec::new();
    let mut free: Vec<(u32, Nanos)> = (0..width).map(|process| (process, 0)).collect();
    let mut number = width;
    let repeats = count < 20 && rng.random_bool(0.03);
    let mut values: Vec<i64> = (1..=i64::try_from(count).expect("few")).collect();
    for at in (1..values.len()).rev() {
        values.swap(at, rng.random_range(0..=at));
    }
    let puts = if rng.random_bool(0.2) { 0.7 } else { 0.5 };
    let certain = rng.random_bool(0.5) || count >= 20 && kept.branches;
    for _ in 0..count {
        let who = if count < 20 {
            rng.random_range(0..free.len())
        } else {
            (0..free.len())
                .min_by_key(|&who| free[who].1)
                .expect("there are some")
        };
        let begins = free[who].1 + rng.random_range(0..3);
        let ends = begins + rng.random_range(0..busy);
        let (f, argument) = if rng.random_bool(puts) {
            let value = values.pop().expect("there are enough");
            (kept.put, int(if repeats { value % 3 } else { value }))
        } else {
            (kept.take, Value::Nil)
        };
        let mut kind = kind(rng);
        if certain && kind == Kind::Info || count >= 20 && rng.random_bool(0.9) {
            kind = Kind::Ok;
        }
        made.push(Made {
            process: free[who].0,
            begins,
            ends,
            kind,
            f,
            result: argument.clone(),
            argument,
        });
        free[who].1 = ends + 1;
        if kind == Kind::Info {
            free[who].0 = number;
            number += 1;
        }
    }
    made
}

/// Performs the calls in a possible order, or one that is wrong by so much, and notes the answers.
fn come_true(rng: &mut ChaCha8Rng, kept: Kept, made: &mut [Made], slack: Nanos) {
    let mut order: Vec<(Nanos, usize)> = Vec::new();
    for (at, call) in made.iter().enumerate() {
        let late = if call.kind == Kind::Info { 8 } else { 0 };
        let latest = call.ends + late;
        let (from, to) = (call.begins.saturating_sub(slack), latest + slack);
        order.push((rng.random_range(from..=to), at));
    }
    order.sort_unstable();
    let mut inside: Vec<i64> = Vec::new();
    for (_, at) in order {
        let call = &mut made[at];
        if call.kind == Kind::Fail || call.kind == Kind::Info && rng.random_bool(0.4) {
            continue;
        }
        if call.f == kept.put {
            inside.push(call.argument.as_int().expect("values are numbers"));
        } else if inside.is_empty() {
            call.result = Value::Nil;
        } else {
            let next = (kept.next)(&inside, rng);
            call.result = int(inside.remove(next));
        }
    }
}

/// Some answers that are not true.
fn corrupt(rng: &mut ChaCha8Rng, kept: Kept, made: &mut [Made], share: f64) {
    let takes: Vec<usize> = (0..made.len())
        .filter(|&at| made[at].f == kept.take && made[at].kind == Kind::Ok)
        .collect();
    for &at in &takes {
        if !rng.random_bool(share) {
            continue;
        }
        if rng.random_bool(0.6) {
            let other = takes[rng.random_range(0..takes.len())];
            let result = made[other].result.clone();
            made[other].result = std::mem::replace(&mut made[at].result, result);
        } else if rng.random_bool(0.3) {
            made[at].result = Value::Nil;
        } else {
            let value = made[rng.random_range(0..made.len())].argument.clone();
            made[at].result = value;
        }
    }
}

/// What came of many comparisons.
#[derive(Debug, Default)]
pub(super) struct Compared {
    pub(super) valid: u64,
    pub(super) invalid: u64,
    /// Those that the algorithm leaves to the search.
    pub(super) open: u64,
    /// Those that are judged without rows.
    pub(super) alone: u64,
}

/// Judges many small histories both ways.
pub(super) fn compare<E: Exact, M: Model>(
    kept: Kept,
    exact: impl Fn(&Calls) -> E,
    initial: &M,
    seeds: u64,
) -> Compared {
    let mut compared = Compared::default();
    for seed in 0..seeds {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let (count, width) = (rng.random_range(3..=8), rng.random_range(1..5));
        let busy = rng.random_range(1..6);
        let mut made = calls(&mut rng, kept, count, width, busy);
        let slack = [0, 0, 2, 4][rng.random_range(0..4)];
        come_true(&mut rng, kept, &mut made, slack);
        let share = [0.0, 0.0, 0.2, 0.5][rng.random_range(0..4)];
        corrupt(&mut rng, kept, &mut made, share);
        match oracle::agree(&exact, initial, &made) {
            Some(true) => compared.valid += 1,
            Some(false) => {
                compared.invalid += 1;
                evidence(&exact, initial, &made);
            }
            None => compared.open += 1,
        }
        let calls = Calls::of(&history(&made));
        let alone = exact(&calls).judge_alone(&calls);
        compared.alone += u64::from(alone.is_some());
    }
    println!("{compared:?}");
    assert!(compared.alone > seeds / 20, "{compared:?}");
    compared
}

/// The calls that are given as evidence must be impossible by themselves.
fn evidence<E: Exact, M: Model>(exact: impl Fn(&Calls) -> E, initial: &M, made: &[Made]) {
    let Finding::Violated(found) = judged(exact, initial, made) else {
        panic!("it has been violated before");
    };
    let mut starts: Vec<usize> = (0..made.len()).collect();
    starts.sort_by_key(|&at| made[at].begins);
    let calls = found.calls.iter().map(|&call| &made[starts[call as usize]]);
    let items: Vec<_> = calls.filter_map(Made::item::<M>).collect();
    assert!(
        !possible(&items, initial),
        "{found:?} proves nothing: {made:#?}"
    );
}

/// Judges large histories that are linearizable, and the same with one fault.
pub(super) fn compare_large<E: Exact, M: Model>(
    kept: Kept,
    exact: impl Fn(&Calls) -> E,
    initial: &M,
    is_fault: impl Fn(&[&Made; 4]) -> bool,
) {
    let (mut planted, mut open) = (0, 0);
    for seed in 0..60 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let (count, width) = (rng.random_range(300..=2000), rng.random_range(1..12));
        let busy = rng.random_range(1..40);
        let mut made = calls(&mut rng, kept, count, width, busy);
        come_true(&mut rng, kept, &mut made, 0);
        let finding = judged(&exact, initial, &made);
        match finding {
            Finding::Linearizable { .. } => {}
            Finding::Search(_) => open += 1,
            other => panic!("seed {seed}: {other:?}"),
        }
        if plant(&mut rng, kept, &mut made, &is_fault) {
            planted += 1;
            let finding = judged(&exact, initial, &made);
            let is_violated = matches!(finding, Finding::Violated(_));
            assert!(is_violated, "seed {seed}: {finding:?}");
        }
    }
    println!("{planted} faults planted, {open} left to the search");
    assert!(planted > 40, "only {planted} faults were planted");
    assert!(open < 20, "{open} were left to the search");
}

/// Exchanges what two takes gave, such that it is a fault whatever else happened.
fn plant(
    rng: &mut ChaCha8Rng,
    kept: Kept,
    made: &mut [Made],
    is_fault: impl Fn(&[&Made; 4]) -> bool,
) -> bool {
    let mut elements: BTreeMap<String, [usize; 2]> = BTreeMap::new();
    for (at, call) in made.iter().enumerate() {
        if call.f == kept.put && call.kind == Kind::Ok {
            elements.insert(call.argument.to_string(), [at, usize::MAX]);
        }
    }
    for (at, call) in made.iter().enumerate() {
        if call.f == kept.take
            && call.kind == Kind::Ok
            && let Some(element) = elements.get_mut(&call.result.to_string())
        {
            element[1] = at;
        }
    }
    let elements: Vec<[usize; 2]> = elements
        .into_values()
        .filter(|e| e[1] != usize::MAX)
        .collect();
    if elements.is_empty() {
        return false;
    }
    for _ in 0..100_000 {
        let [one, other] = [0; 2].map(|_| elements[rng.random_range(0..elements.len())]);
        // The elements as they are to be: each with the other's take.
        let four = [one[0], other[1], other[0], one[1]].map(|at| &made[at]);
        if one != other && is_fault(&four) {
            let result = made[one[1]].result.clone();
            made[one[1]].result = std::mem::replace(&mut made[other[1]].result, result);
            return true;
        }
    }
    false
}

/// Whether one call was over before another began.
pub(super) fn precedes(one: &Made, other: &Made) -> bool {
    one.kind == Kind::Ok && one.ends < other.begins
}

fn judged<E: Exact, M: Model>(exact: impl Fn(&Calls) -> E, initial: &M, made: &[Made]) -> Finding {
    let calls = Calls::of(&history(made));
    let exact = exact(&calls);
    let objects = by_key(&exact, &calls, |_| true);
    let finding = exact.judge(&calls, &objects.rows);
    if let Finding::Linearizable { .. } = finding {
        let order = exact
            .order(&calls, &objects.rows)
            .expect("there is an order");
        replay(&calls, &order, initial);
    }
    finding
}

fn replay<M: Model>(calls: &Calls, order: &[u32], initial: &M) {
    let mut state = initial.clone();
    let mut latest = 0;
    let mut seen = vec![false; calls.len()];
    for &call in order {
        let at = call as usize;
        assert!(calls.ends[at] >= latest, "{call} comes too late");
        latest = latest.max(calls.begins[at]);
        assert!(
            !std::mem::replace(&mut seen[at], true),
            "{call} comes twice"
        );
        state = decoded::<M>(calls, call).map_or(state.clone(), |decoded| {
            state
                .step(&decoded)
                .unwrap_or_else(|| panic!("{call} is illegal: {decoded:?}"))
        });
    }
    for call in 0..u32::try_from(calls.len()).expect("few") {
        let at = call as usize;
        let left_out = !seen[at] && calls.ends[at] != NEVER;
        assert!(
            !left_out || decoded::<M>(calls, call).is_none(),
            "{call} is left out"
        );
    }
}

fn decoded<M: Model>(calls: &Calls, call: u32) -> Option<M::Call> {
    M::decode(&calls.call(&calls.ops(call))).expect("it can be read")
}
