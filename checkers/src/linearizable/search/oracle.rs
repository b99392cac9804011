//! Both engines against a brute-force judge, on many small random histories of every model.

use std::collections::HashSet;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::portfolio::Job;
use super::{Engine, Item, Limit, Outcome};
use crate::history::{Call, F, History, Kind, Nanos, Op, Process, Value};
use crate::model::{CasRegister, Model, Register};
use crate::objects::interval;
use crate::{Budget, Checker, Linearizable, Search, Verdict};

/// One thing to ask, and what may come of it.
struct Ask {
    f: &'static str,
    argument: Value,
    results: Vec<Value>,
}

fn ask(f: &'static str, argument: impl Into<Value>, results: Vec<Value>) -> Ask {
    Ask {
        f,
        argument: argument.into(),
        results,
    }
}

fn int(number: i64) -> Value {
    Value::Int(number)
}

fn pair(a: Value, b: Value) -> Value {
    Value::List(vec![a, b])
}

/// A call that is being made up.
#[derive(Clone, Debug)]
struct Made {
    process: u32,
    begins: Nanos,
    ends: Nanos,
    kind: Kind,
    f: &'static str,
    argument: Value,
    result: Value,
}

impl Made {
    fn ops(&self) -> (Op, Op) {
        let op = |kind, time, value: &Value| Op {
            index: 0,
            time,
            process: Process::Client(self.process),
            kind,
            f: F::new(self.f),
            key: None,
            value: value.clone(),
            node: None,
            error: None,
        };
        let value = match self.kind {
            Kind::Ok => &self.result,
            Kind::Invoke | Kind::Fail | Kind::Info => &self.argument,
        };
        (
            op(Kind::Invoke, self.begins, &self.argument),
            op(self.kind, self.ends, value),
        )
    }

    fn decode<M: Model>(&self) -> Option<M::Call> {
        let (invoke, complete) = self.ops();
        let call = Call {
            invoke: &invoke,
            complete: Some(&complete),
        };
        M::decode(&call).expect("it can be read")
    }

    fn item<M: Model>(&self) -> Option<Item<M::Call>> {
        let (invoke, complete) = self.ops();
        let call = Call {
            invoke: &invoke,
            complete: Some(&complete),
        };
        let (begins, ends) = interval(&call);
        let call = M::decode(&call).expect("it can be read")?;
        Some(Item { call, begins, ends })
    }
}

fn history(made: &[Made]) -> History {
    let mut entries: Vec<(Nanos, bool, usize)> = Vec::new();
    for (i, call) in made.iter().enumerate() {
        entries.push((call.begins, false, i));
        entries.push((call.ends, true, i));
    }
    entries.sort_unstable();
    let ops = entries.iter().enumerate().map(|(index, &(_, end, i))| {
        let (invoke, complete) = made[i].ops();
        Op {
            index,
            ..if end { complete } else { invoke }
        }
    });
    History::new(ops.collect()).expect("the test makes lawful histories")
}

fn kind(rng: &mut ChaCha8Rng) -> Kind {
    match rng.random_range(0..10) {
        0..7 => Kind::Ok,
        7..9 => Kind::Info,
        _ => Kind::Fail,
    }
}

/// A few processes that ask one thing after another; mostly true answers if `likely`.
fn make<M: Model>(rng: &mut ChaCha8Rng, menu: &[Ask], initial: &M, likely: bool) -> Vec<Made> {
    let mut made = Vec::new();
    let mut number = 0;
    let calls = rng.random_range(1..8);
    let width = rng.random_range(1..5);
    let mut free = vec![(0, 0); width];
    for next in 0..width {
        free[next].0 = u32::try_from(next).expect("few");
        number = number.max(free[next].0);
    }
    for _ in 0..calls {
        let who = rng.random_range(0..width);
        let asked = &menu[rng.random_range(0..menu.len())];
        let begins = free[who].1 + rng.random_range(0..3);
        let ends = begins + rng.random_range(0..5);
        let kind = kind(rng);
        made.push(Made {
            process: free[who].0,
            begins,
            ends,
            kind,
            f: asked.f,
            argument: asked.argument.clone(),
            result: asked.results[rng.random_range(0..asked.results.len())].clone(),
        });
        free[who].1 = ends + 1;
        if kind == Kind::Info {
            number += 1;
            free[who].0 = number;
        }
    }
    if likely {
        come_true(rng, &mut made, menu, initial);
    }
    made
}

/// Performs the calls in some possible order and notes the true answers, but for a few.
fn come_true<M: Model>(rng: &mut ChaCha8Rng, made: &mut [Made], menu: &[Ask], initial: &M) {
    let mut order: Vec<(Nanos, usize)> = Vec::new();
    for (i, call) in made.iter().enumerate() {
        let latest = match call.kind {
            Kind::Info => call.begins + 8,
            Kind::Ok | Kind::Fail | Kind::Invoke => call.ends,
        };
        order.push((rng.random_range(call.begins..=latest), i));
    }
    order.sort_unstable();
    let mut state = initial.clone();
    for (_, i) in order {
        let call = &mut made[i];
        if call.kind == Kind::Fail || call.kind == Kind::Info && rng.random_bool(0.5) {
            continue;
        }
        let asked = menu
            .iter()
            .find(|asked| asked.f == call.f && asked.argument == call.argument)
            .expect("it is on the menu");
        let start = rng.random_range(0..asked.results.len());
        let mut done = false;
        for offset in 0..asked.results.len() {
            call.result = asked.results[(start + offset) % asked.results.len()].clone();
            let Some(decoded) = call.decode::<M>() else {
                done = true;
                break;
            };
            if let Some(next) = state.step(&decoded) {
                state = next;
                done = true;
                break;
            }
        }
        if !done && call.kind == Kind::Ok {
            call.kind = Kind::Fail;
        } else if rng.random_bool(0.06) {
            call.result = asked.results[rng.random_range(0..asked.results.len())].clone();
        }
    }
}

/// Whether some order of all required and any of the optional calls is legal and agrees with
/// real time. None of the reductions is made here.
fn possible<M: Model>(items: &[Item<M::Call>], initial: &M) -> bool {
    fn search<M: Model>(
        items: &[Item<M::Call>],
        done: u32,
        state: &M,
        failed: &mut HashSet<(u32, M)>,
    ) -> bool {
        let open = |i: usize| done & (1 << i) == 0;
        let required = |i: usize| items[i].is_required() && open(i);
        if !(0..items.len()).any(required) {
            return true;
        }
        if failed.contains(&(done, state.clone())) {
            return false;
        }
        let found = (0..items.len()).any(|i| {
            let late = |j: usize| required(j) && items[j].ends < items[i].begins;
            open(i)
                && !(0..items.len()).any(late)
                && state
                    .step(&items[i].call)
                    .is_some_and(|next| search(items, done | 1 << i, &next, failed))
        });
        if !found {
            failed.insert((done, state.clone()));
        }
        found
    }
    search(items, 0, initial, &mut HashSet::new())
}

fn outcome<M: Model>(items: &[Item<M::Call>], initial: &M, engine: Engine) -> Outcome {
    let budget = Budget::unlimited();
    let mut limit = Limit::new(&budget, u64::MAX, usize::MAX);
    Job::new(initial, items)
        .run(engine, &mut limit)
        .expect("it is narrow enough")
}

/// Compares over many seeds; the counts of possible and impossible histories.
fn compare<M: Model>(name: &str, seeds: u64, menu: &[Ask], initial: &M) -> (u64, u64) {
    let (mut valid, mut invalid) = (0, 0);
    for seed in 0..seeds {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let likely = rng.random_bool(0.7);
        let made = make(&mut rng, menu, initial, likely);
        let items: Vec<Item<M::Call>> = made.iter().filter_map(Made::item::<M>).collect();
        let truth = possible(&items, initial);
        let told = || format!("{name}, seed {seed}: {made:?}");
        let broad = outcome(&items, initial, Engine::Frontier);
        let deep = outcome(&items, initial, Engine::DepthFirst);
        match (&broad, &deep) {
            (Outcome::Linearizable, Outcome::Linearizable) => assert!(truth, "{}", told()),
            (Outcome::Refuted { at, .. }, Outcome::Refuted { at: same, .. }) => {
                assert!(!truth, "{}", told());
                assert_eq!(at, same, "{}", told());
            }
            _ => panic!("{broad:?} and {deep:?}: {}", told()),
        }
        let expected = if truth {
            Verdict::Held
        } else {
            Verdict::Violated
        };
        let history = history(&made);
        let report = Search::new(name, initial.clone()).check(&history, &Budget::unlimited());
        if report.verdict != Verdict::Undecided || !truth {
            assert_eq!(report.verdict, expected, "{}", told());
        }
        for anomaly in &report.anomalies {
            assert!(anomaly.because.len() <= 15, "{}", told());
            // The evidence alone is impossible; of a call whose end is not in evidence it does
            // not matter what came of it.
            let evidence: Vec<Item<M::Call>> = evidence::<M>(&history, &anomaly.ops);
            assert!(!possible(&evidence, initial), "{anomaly:#?} {}", told());
        }
        if truth {
            valid += 1;
        } else {
            invalid += 1;
        }
    }
    println!("{name}: {valid} possible, {invalid} impossible");
    assert!(
        valid.min(invalid) * 12 > seeds,
        "lopsided: {name}, {valid}, {invalid}"
    );
    (valid, invalid)
}

fn evidence<M: Model>(history: &History, ops: &[usize]) -> Vec<Item<M::Call>> {
    let mut items = Vec::new();
    for call in history.calls() {
        if !ops.contains(&call.invoke.index) {
            continue;
        }
        let decoded = M::decode(&call).expect("it was read before");
        let (begins, mut ends) = interval(&call);
        if !call.complete.is_some_and(|op| ops.contains(&op.index)) {
            ends = crate::objects::NEVER;
        }
        items.extend(decoded.map(|call| Item { call, begins, ends }));
    }
    items
}

fn register_menu() -> Vec<Ask> {
    let mut menu = Vec::new();
    let values = || vec![Value::Nil, int(1), int(2), int(3)];
    for value in 1..4 {
        menu.push(ask("write", value, vec![int(value)]));
    }
    for _ in 0..4 {
        menu.push(ask("read", Value::Nil, values()));
    }
    for old in values() {
        for new in 1..4 {
            let both = pair(old.clone(), int(new));
            menu.push(ask("cas", both.clone(), vec![both]));
        }
    }
    menu
}

#[test]
fn registers_agree_with_brute_force() {
    compare("register", 60_000, &register_menu(), &Register::default());
    // A failed compare-and-set is evidence here.
    compare(
        "cas-register",
        60_000,
        &register_menu(),
        &CasRegister::default(),
    );
}

/// What the dispatcher answers agrees as well, whichever algorithm it picks.
#[test]
fn registers_agree_however_they_are_judged() {
    let menu = register_menu();
    for seed in 0..40_000 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let made = make(&mut rng, &menu, &Register::default(), seed % 3 > 0);
        let items: Vec<_> = made.iter().filter_map(Made::item::<Register>).collect();
        let truth = possible(&items, &Register::default());
        let report = Linearizable.check(&history(&made), &Budget::unlimited());
        match report.verdict {
            Verdict::Held => assert!(truth, "seed {seed}: {made:?}"),
            Verdict::Violated => assert!(!truth, "seed {seed}: {made:?}"),
            Verdict::Undecided => assert!(truth, "seed {seed}: {report:#?}"),
        }
    }
}
