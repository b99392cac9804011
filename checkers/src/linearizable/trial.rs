//! Random histories for the tests of algorithms that need no search.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::exact::{Exact, Finding, by_key, oracle};
use super::search::oracle::{Made, history, kind};
use crate::calls::{Calls, NEVER};
use crate::history::{Kind, Nanos, Value};
use crate::model::Model;
use crate::{Budget, Checker, Search, Verdict};

/// How many small histories are compared: what SCHISM_SOAK_SEEDS says, or 100,000.
fn seeds() -> u64 {
    let asked = std::env::var("SCHISM_SOAK_SEEDS").ok();
    asked.map_or(100_000, |text| {
        text.parse().expect("SCHISM_SOAK_SEEDS is a number")
    })
}

/// What the random histories of an object are made of.
pub(super) struct Trial<M> {
    pub(super) initial: M,
    /// Something to ask: a function and its argument; the number rises with every call.
    pub(super) ask: fn(&mut ChaCha8Rng, i64) -> (&'static str, Value),
    /// The true answer of a copy in this state; none if it must refuse.
    pub(super) answer: fn(&M, &Made) -> Option<Value>,
    /// Any answer.
    pub(super) any: fn(&mut ChaCha8Rng, &Made) -> Value,
}

impl<M: Model> Trial<M> {
    /// A few processes that ask one thing after another; true answers but for a share.
    fn make(&self, rng: &mut ChaCha8Rng, calls: i64, width: u32, false_share: f64) -> Vec<Made> {
        let mut made = Vec::new();
        let mut free: Vec<(u32, Nanos)> = (0..width).map(|process| (process, 0)).collect();
        let mut number = width;
        for count in 0..calls {
            let who = rng.random_range(0..free.len());
            let (f, argument) = (self.ask)(rng, count);
            // One process must not run far ahead of the others.
            let slowest = free.iter().map(|(_, time)| *time).min().unwrap_or(0);
            let who = if free[who].1 > slowest + 6 {
                (0..free.len())
                    .min_by_key(|&who| free[who].1)
                    .unwrap_or(who)
            } else {
                who
            };
            let begins = free[who].1 + rng.random_range(0..3);
            let ends = begins + rng.random_range(0..5);
            let kind = if calls > 20 && rng.random_bool(0.8) {
                Kind::Ok
            } else {
                kind(rng)
            };
            let mut call = Made {
                process: free[who].0,
                begins,
                ends,
                kind,
                f,
                argument,
                result: Value::Nil,
            };
            call.result = (self.any)(rng, &call);
            made.push(call);
            free[who].1 = ends + 1;
            if kind == Kind::Info {
                free[who].0 = number;
                number += 1;
            }
        }
        if false_share < 1.0 {
            self.come_true(rng, &mut made, false_share);
        }
        made
    }

    fn come_true(&self, rng: &mut ChaCha8Rng, made: &mut [Made], false_share: f64) {
        let mut order: Vec<(Nanos, u32, usize)> = Vec::new();
        for (i, call) in made.iter().enumerate() {
            let latest = match call.kind {
                Kind::Info => call.begins + 8,
                Kind::Ok | Kind::Fail | Kind::Invoke => call.ends,
            };
            order.push((
                rng.random_range(call.begins..=latest),
                rng.random_range(0..9),
                i,
            ));
        }
        order.sort_unstable();
        let mut state = self.initial.clone();
        for (_, _, i) in order {
            let call = &mut made[i];
            if call.kind == Kind::Fail || call.kind == Kind::Info && rng.random_bool(0.5) {
                continue;
            }
            let Some(result) = (self.answer)(&state, call) else {
                if call.kind == Kind::Ok && !rng.random_bool(false_share) {
                    call.kind = Kind::Fail;
                }
                continue;
            };
            call.result = result;
            if let Some(item) = call.item::<M>() {
                state = state.step(&item.call).expect("the true answer is legal");
            }
            if rng.random_bool(false_share) {
                call.result = (self.any)(rng, call);
            }
        }
    }

    /// Small histories against the brute-force judge.
    ///
    /// Of all the seeds one in `of`; at most the share `searched` may be left undecided. Tells
    /// how many were judged without rows.
    pub(super) fn agrees<E: Exact>(
        &self,
        name: &str,
        of: u64,
        exact: impl Fn(&Calls) -> E,
        searched: f64,
    ) -> usize {
        let seeds = seeds() / of;
        let (mut valid, mut invalid, mut undecided) = (0, 0, 0);
        let mut alone = 0;
        for seed in 0..seeds {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let calls = rng.random_range(1..9);
            let width = rng.random_range(1..5);
            let share = if rng.random_bool(0.8) { 0.06 } else { 1.0 };
            let made = self.make(&mut rng, calls, width, share);
            match oracle::agree(&exact, &self.initial, &made) {
                Some(true) => valid += 1,
                Some(false) => invalid += 1,
                None => undecided += 1,
            }
            let calls = Calls::of(&history(&made));
            alone += usize::from(exact(&calls).judge_alone(&calls).is_some());
        }
        println!("{name}: {valid} linearizable, {invalid} not, {undecided} to be searched");
        assert!(valid.min(invalid) * 15 > seeds, "lopsided: {name}");
        #[expect(clippy::cast_precision_loss, reason = "a share need not be precise")]
        let share = undecided as f64 / seeds as f64;
        assert!(share <= searched, "{name}: {share} are searched");
        alone
    }

    /// Large true histories are linearizable, in an order that is legal; with false answers in
    /// them they are judged as by the general search.
    pub(super) fn agrees_at_large<E: Exact>(&self, name: &str, exact: impl Fn(&Calls) -> E) {
        let (mut valid, mut invalid, mut orders) = (0, 0, 0);
        for seed in 0..60 {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let long = if seed < 2 { 2000 } else { 400 };
            let calls = rng.random_range(300..long);
            let true_one = self.make(&mut rng, calls, 5, 0.0);
            let (finding, order) = judge(&exact, &true_one);
            let held = matches!(finding, Finding::Linearizable { .. });
            assert!(held, "{name}, seed {seed}: {finding:?}");
            if let Some((calls, order)) = order {
                replay(&calls, &order, &self.initial, &true_one);
                orders += 1;
            }
            if seed % 2 == 1 {
                continue;
            }
            let calls = rng.random_range(20..40);
            let faulty = self.make(&mut rng, calls, 3, 0.08);
            let (finding, order) = judge(&exact, &faulty);
            let searched = Search::new(name, self.initial.clone());
            let budget = Budget::unlimited().with_max_bytes(2 << 20);
            let verdict = searched.check(&history(&faulty), &budget).verdict;
            let told = || format!("{name}, seed {seed}: {finding:?}, {faulty:#?}");
            match &finding {
                Finding::Linearizable { .. } => {
                    assert_ne!(verdict, Verdict::Violated, "{}", told());
                    valid += 1;
                }
                Finding::Violated(_) | Finding::Contradicted => {
                    assert_ne!(verdict, Verdict::Held, "{}", told());
                    invalid += 1;
                }
                Finding::Search(_) | Finding::Unreadable(_) => {}
            }
            if let Some((calls, order)) = order {
                replay(&calls, &order, &self.initial, &faulty);
            }
        }
        println!("{name}: {valid} and {invalid} of the faulty, {orders} orders replayed");
        assert!(orders > 50 && invalid > 2, "lopsided: {name}");
    }
}

/// Whether an order is legal, keeps real time and leaves out nothing that happened.
fn replay<M: Model>(calls: &Calls, order: &[u32], initial: &M, made: &[Made]) {
    let decode = |call: u32| M::decode(&calls.call(&calls.ops(call))).expect("it can be read");
    let mut there = vec![false; calls.len()];
    let (mut state, mut latest) = (initial.clone(), 0);
    for &call in order {
        let told = || format!("{call} in {order:?} of {made:#?}");
        assert!(
            !std::mem::replace(&mut there[call as usize], true),
            "twice: {}",
            told()
        );
        assert!(calls.ends[call as usize] >= latest, "too late: {}", told());
        latest = latest.max(calls.begins[call as usize]);
        if let Some(decoded) = decode(call) {
            state = state
                .step(&decoded)
                .unwrap_or_else(|| panic!("illegal: {}", told()));
        }
    }
    for call in 0..u32::try_from(calls.len()).expect("few") {
        let required = calls.ends[call as usize] != NEVER && decode(call).is_some();
        assert!(
            there[call as usize] || !required,
            "left out {call}: {made:#?}"
        );
    }
}

type Judged = (Finding, Option<(Calls, Vec<u32>)>);

/// What is found of a history of one object, and its order.
pub(super) fn judge<E: Exact>(exact: &impl Fn(&Calls) -> E, made: &[Made]) -> Judged {
    let calls = Calls::of(&history(made));
    let exact = exact(&calls);
    let objects = by_key(&exact, &calls, |_| true);
    let finding = exact.judge(&calls, &objects.rows);
    let order = match finding {
        Finding::Linearizable { .. } => exact.order(&calls, &objects.rows),
        Finding::Violated(_)
        | Finding::Contradicted
        | Finding::Search(_)
        | Finding::Unreadable(_) => None,
    };
    (finding, order.map(|order| (calls, order)))
}

/// What is found of a history in the notation of tests.
pub(super) fn finding<E: Exact>(exact: impl Fn(&Calls) -> E, text: &str) -> Finding {
    let calls = Calls::of(&crate::history::notation::h(text));
    let exact = exact(&calls);
    let objects = by_key(&exact, &calls, |_| true);
    exact.judge(&calls, &objects.rows)
}
