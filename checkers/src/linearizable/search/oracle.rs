//! Both engines against a brute-force judge, on many small random histories of every model.

use std::collections::HashSet;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::portfolio::Job;
use super::{Engine, Item, Limit, Outcome};
use crate::history::{Call, F, History, Kind, Nanos, Op, Process, Value};
use crate::model::{
    CasRegister, Counter, FifoQueue, GrowOnlySet, KeyValue, Model, MultiRegister, Mutex,
    PriorityQueue, ReentrantMutex, Register, Semaphore, Set, Stack, UniqueId, UnorderedQueue,
};
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

pub(in crate::linearizable) fn int(number: i64) -> Value {
    Value::Int(number)
}

pub(in crate::linearizable) fn pair(a: Value, b: Value) -> Value {
    Value::List(vec![a, b])
}

/// A call that is being made up.
#[derive(Clone, Debug)]
pub(in crate::linearizable) struct Made {
    pub(in crate::linearizable) process: u32,
    pub(in crate::linearizable) begins: Nanos,
    pub(in crate::linearizable) ends: Nanos,
    pub(in crate::linearizable) kind: Kind,
    pub(in crate::linearizable) f: &'static str,
    pub(in crate::linearizable) argument: Value,
    pub(in crate::linearizable) result: Value,
}

impl Made {
    pub(in crate::linearizable) fn ops(&self) -> (Op, Op) {
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
            untimed: false,
        };
        M::decode(&call).expect("it can be read")
    }

    pub(in crate::linearizable) fn item<M: Model>(&self) -> Option<Item<M::Call>> {
        let (invoke, complete) = self.ops();
        let call = Call {
            invoke: &invoke,
            complete: Some(&complete),
            untimed: false,
        };
        let (begins, ends) = interval(&call);
        let call = M::decode(&call).expect("it can be read")?;
        Some(Item { call, begins, ends })
    }
}

pub(in crate::linearizable) fn history(made: &[Made]) -> History {
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

pub(in crate::linearizable) fn kind(rng: &mut ChaCha8Rng) -> Kind {
    match rng.random_range(0..10) {
        0..7 => Kind::Ok,
        7..9 => Kind::Info,
        _ => Kind::Fail,
    }
}

/// A few processes that ask one thing after another; mostly true answers if `likely`.
fn make<M: Model>(rng: &mut ChaCha8Rng, menu: &[Ask], initial: &M, likely: bool) -> Vec<Made> {
    let mut made = Vec::new();
    let calls = rng.random_range(1..8);
    let width: u32 = rng.random_range(1..5);
    // For each worker its process and when that is free.
    let mut free: Vec<(u32, Nanos)> = (0..width).map(|process| (process, 0)).collect();
    let mut number = width;
    for _ in 0..calls {
        let who = rng.random_range(0..free.len());
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
            free[who].0 = number;
            number += 1;
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
pub(in crate::linearizable) fn possible<M: Model>(items: &[Item<M::Call>], initial: &M) -> bool {
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
        if truth {
            let order = Job::new(initial, &items).order(&Budget::unlimited());
            follow(&order.expect("there is one"), &items, initial, &told);
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

/// An order must be legal, keep real time and leave out nothing that happened.
fn follow<M: Model>(
    order: &[u32],
    items: &[Item<M::Call>],
    initial: &M,
    told: &impl Fn() -> String,
) {
    let mut state = initial.clone();
    let mut latest = 0;
    for &item in order {
        let item = &items[item as usize];
        assert!(item.ends >= latest, "{order:?}: {}", told());
        latest = latest.max(item.begins);
        let next = state.step(&item.call);
        state = next.unwrap_or_else(|| panic!("{order:?}: {}", told()));
    }
    for position in 0..u32::try_from(items.len()).expect("few") {
        let times = order.iter().filter(|item| **item == position).count();
        let required = items[position as usize].is_required();
        assert!(
            times == 1 || times == 0 && !required,
            "{order:?}: {}",
            told()
        );
    }
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

fn with(menu: &mut Vec<Ask>, times: usize, f: &'static str, argument: &Value, results: &[Value]) {
    for _ in 0..times {
        menu.push(ask(f, argument.clone(), results.to_vec()));
    }
}

#[test]
fn queues_agree_with_brute_force() {
    let seen = [Value::Nil, int(1), int(2), int(3)];
    let menu = |put, take| {
        let mut menu = Vec::new();
        for value in 1..4 {
            with(&mut menu, 1, put, &int(value), &[int(value)]);
        }
        with(&mut menu, 4, take, &Value::Nil, &seen);
        menu
    };
    let queue = menu("enqueue", "dequeue");
    compare("fifo-queue", 10_000, &queue, &FifoQueue::default());
    compare("priority-queue", 10_000, &queue, &PriorityQueue::default());
    compare(
        "unordered-queue",
        10_000,
        &queue,
        &UnorderedQueue::default(),
    );
    compare("stack", 10_000, &menu("push", "pop"), &Stack::default());
}

#[test]
fn locks_agree_with_brute_force() {
    let mut menu = Vec::new();
    with(&mut menu, 3, "acquire", &Value::Nil, &[Value::Nil]);
    with(&mut menu, 2, "release", &Value::Nil, &[Value::Nil]);
    compare("mutex", 10_000, &menu, &Mutex::default());
    compare("reentrant-mutex", 10_000, &menu, &ReentrantMutex::default());
    compare("semaphore", 10_000, &menu, &Semaphore::new(2));
}

#[test]
fn sets_and_counters_agree_with_brute_force() {
    let list = |numbers: &[i64]| Value::List(numbers.iter().copied().map(int).collect());
    let mut menu = Vec::new();
    for value in 1..3 {
        with(&mut menu, 2, "add", &int(value), &[int(value)]);
    }
    let reads = [list(&[]), list(&[1]), list(&[2]), list(&[1, 2])];
    with(&mut menu, 4, "read-set", &Value::Nil, &reads);
    compare("grow-only-set", 10_000, &menu, &GrowOnlySet::default());
    for value in 1..3 {
        with(&mut menu, 2, "remove", &int(value), &[int(value)]);
        let truth = [Value::Bool(true), Value::Bool(false)];
        with(&mut menu, 2, "contains", &int(value), &truth);
    }
    compare("set", 10_000, &menu, &Set::default());

    let mut menu = Vec::new();
    with(&mut menu, 2, "add", &int(1), &[int(1)]);
    with(&mut menu, 1, "add", &int(2), &[int(2)]);
    with(&mut menu, 1, "decrement", &int(1), &[int(1)]);
    let reads: Vec<Value> = (-1..4).map(int).collect();
    with(&mut menu, 4, "read", &Value::Nil, &reads);
    compare("counter", 10_000, &menu, &Counter::default());
}

#[test]
fn stores_agree_with_brute_force() {
    let text = ["", "a", "b", "ab", "ba", "aa"].map(Value::str);
    let mut seen = text.to_vec();
    seen.push(Value::Nil);
    let mut menu = Vec::new();
    with(&mut menu, 5, "get", &Value::Nil, &seen);
    for value in ["a", "b"].map(Value::str) {
        with(&mut menu, 1, "put", &value, std::slice::from_ref(&value));
        with(&mut menu, 2, "append", &value, std::slice::from_ref(&value));
    }
    with(&mut menu, 1, "delete", &Value::Nil, &[Value::Nil]);
    compare("key-value", 10_000, &menu, &KeyValue::default());

    let step = |f: &str, key: &str, value: Value| Value::List(vec![f.into(), key.into(), value]);
    let values = [Value::Nil, int(1), int(2)];
    let mut menu = Vec::new();
    for key in ["x", "y"] {
        for value in 1..3 {
            let write = Value::List(vec![step("w", key, int(value))]);
            with(&mut menu, 1, "txn", &write, std::slice::from_ref(&write));
        }
        let read = Value::List(vec![step("r", key, Value::Nil)]);
        let results: Vec<Value> = values
            .iter()
            .map(|value| Value::List(vec![step("r", key, value.clone())]))
            .collect();
        with(&mut menu, 3, "txn", &read, &results);
    }
    let both = |a: &Value, b: &Value| {
        Value::List(vec![step("r", "x", a.clone()), step("w", "y", b.clone())])
    };
    for new in &values[1..] {
        let results: Vec<Value> = values.iter().map(|seen| both(seen, new)).collect();
        with(&mut menu, 2, "txn", &both(&Value::Nil, new), &results);
    }
    compare("multi-register", 10_000, &menu, &MultiRegister::default());
}

#[test]
fn an_id_given_out_twice_is_found() {
    let ids = |results: [i64; 3]| {
        let made: Vec<Made> = (0..)
            .zip(results)
            .map(|(process, id)| Made {
                process,
                begins: 0,
                ends: 1,
                kind: Kind::Ok,
                f: "generate",
                argument: Value::Nil,
                result: int(id),
            })
            .collect();
        Search::new("unique-ids", UniqueId::default())
            .check(&history(&made), &Budget::unlimited())
            .verdict
    };
    assert_eq!(ids([1, 2, 3]), Verdict::Held);
    assert_eq!(ids([1, 2, 1]), Verdict::Violated);
}

/// Windows and counters wider than one word: the engines must agree, and with how it was made.
#[test]
fn wide_windows_agree_with_each_other() {
    let menu = register_menu();
    let (mut held, mut refuted, mut wide) = (0, 0, 0);
    for seed in 0..150 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut made: Vec<Made> = (0..120)
            .map(|process| {
                let asked = &menu[rng.random_range(0..menu.len())];
                let begins = rng.random_range(0..30);
                Made {
                    process,
                    begins,
                    ends: begins + rng.random_range(0..40),
                    kind: kind(&mut rng),
                    f: asked.f,
                    argument: asked.argument.clone(),
                    result: asked.results[0].clone(),
                }
            })
            .collect();
        come_true(&mut rng, &mut made, &menu, &Register::default());
        let items: Vec<_> = made.iter().filter_map(Made::item::<Register>).collect();
        let initial = Register::default();
        let budget = Budget::unlimited();
        let job = Job::new(&initial, &items);
        wide += usize::from(job.problem.shape.words > 1);
        let answers = [Engine::Frontier, Engine::DepthFirst].map(|engine| {
            let mut limit = Limit::new(&budget, 100_000, 256 << 20);
            job.run(engine, &mut limit).expect("it is narrow enough")
        });
        let any = |wanted: fn(&Outcome) -> bool| answers.iter().any(wanted);
        let ok = any(|answer| *answer == Outcome::Linearizable);
        let bad = any(|answer| matches!(answer, Outcome::Refuted { .. }));
        assert!(!(ok && bad), "seed {seed}: {made:?}");
        held += usize::from(ok);
        refuted += usize::from(bad);
    }
    println!("wide: {held} held, {refuted} refuted");
    assert!(
        wide > 100 && held > 20 && refuted > 5,
        "lopsided: {held}, {refuted}"
    );
}

#[test]
fn a_spent_budget_says_what_is_proven() {
    let written = |number: u32| Made {
        process: number,
        begins: u64::from(number) * 2,
        ends: u64::from(number) * 2 + 5,
        kind: Kind::Ok,
        f: "write",
        argument: int(i64::from(number % 3)),
        result: Value::Nil,
    };
    let made: Vec<Made> = (0..20_000).map(written).collect();
    let items: Vec<_> = made.iter().filter_map(Made::item::<Register>).collect();
    let initial = Register::default();
    let budget = Budget::unlimited();
    for engine in [Engine::Frontier, Engine::DepthFirst] {
        let mut limit = Limit::new(&budget, 10_000, usize::MAX);
        let outcome = Job::new(&initial, &items).run(engine, &mut limit);
        let Some(Outcome::Spent { proven }) = outcome else {
            panic!("{engine:?} found {outcome:?}");
        };
        assert!(proven > 1_000, "{engine:?} proved {proven} only");
    }
    let tight = Budget::unlimited().with_max_bytes(1 << 11);
    let report = Search::new("register", initial).check(&history(&made), &tight);
    assert_eq!(report.verdict, Verdict::Undecided);
    let why = report.why.unwrap_or_default();
    assert!(why.contains("have a legal order"), "{why}");
    assert!(report.figures.contains_key("ops_proven"), "{why}");
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
        let report = Linearizable::default().check(&history(&made), &Budget::unlimited());
        match report.verdict {
            Verdict::Held => assert!(truth, "seed {seed}: {made:?}"),
            Verdict::Violated => assert!(!truth, "seed {seed}: {made:?}"),
            Verdict::Undecided => assert!(truth, "seed {seed}: {report:#?}"),
        }
    }
}
