//! The checkers that are fed, against those that see the whole history: prefix by prefix.

use std::collections::HashSet;

use checkers::calls::Calls;
use checkers::history::notation::ops;
use checkers::history::{F, History, Kind, Nanos, Op, Process, Value};
use checkers::model::{FifoQueue, Model, QueueCall};
use checkers::streaming::{Queues, Registers, Step, Streaming};
use checkers::{Budget, Checker, Linearizable, Report, Search, Verdict};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

fn violated(checker: &impl Checker, ops: &[Op]) -> bool {
    let history = History::new(ops.to_vec()).expect("the generator keeps the laws");
    checker.check(&history, &Budget::unlimited()).verdict == Verdict::Violated
}

/// How much a history is compared.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Compared {
    /// Every prefix says the same.
    Everywhere,
    /// The whole says the same.
    AtTheEnd,
    /// What is said is true.
    Sound,
}

/// What a history led to: the position of the entry with which a violation was certain, and
/// whether the checker was able to decide all that came before.
struct Outcome {
    fired: Option<usize>,
    able: bool,
}

/// Feeds a history and compares, as long as the checker is able.
fn compare<S: Streaming + Clone + Default>(
    ops: &[Op],
    batch: &impl Checker,
    compared: Compared,
    told: &str,
) -> Outcome {
    let mut streaming = S::default();
    let mut able = true;
    for (position, op) in ops.iter().enumerate() {
        let certain = match streaming.entry(op) {
            Step::Violated(_) => true,
            Step::Unable(_) => {
                able = false;
                false
            }
            Step::Fine => false,
        };
        let fires = || matches!(streaming.clone().end(), Step::Violated(_));
        if certain || able && compared == Compared::Everywhere {
            let expected = violated(batch, &ops[..=position]);
            let fired = certain || fires();
            assert_eq!(fired, expected, "{told}, at {position}:\n{}", lines(ops));
        }
        if certain {
            let fired = Some(position);
            return Outcome { fired, able };
        }
    }
    let fired = match streaming.end() {
        Step::Violated(_) => Some(ops.len()),
        Step::Unable(_) => {
            able = false;
            None
        }
        Step::Fine => None,
    };
    if fired.is_some() || able && compared != Compared::Sound {
        assert_eq!(
            fired.is_some(),
            violated(batch, ops),
            "{told}:\n{}",
            lines(ops)
        );
    }
    Outcome { fired, able }
}

fn lines(ops: &[Op]) -> String {
    let line = |op: &Op| {
        let (process, kind) = (op.process, op.kind.as_str());
        format!(
            "{} {} {process} {kind} {} {}",
            op.index, op.time, op.f, op.value
        )
    };
    ops.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// Which histories are made.
#[derive(Clone, Copy)]
struct Mix {
    clients: usize,
    calls: usize,
    /// Out of a hundred.
    cas: u32,
    ties: u32,
    odd: u32,
    repeats: u32,
}

fn mix(rng: &mut ChaCha8Rng) -> Mix {
    Mix {
        clients: rng.random_range(1..5),
        calls: rng.random_range(2..14),
        cas: [0, 0, 30, 60][rng.random_range(0..4)],
        ties: [0, 20, 60][rng.random_range(0..3)],
        odd: [5, 15, 40][rng.random_range(0..3)],
        repeats: [0, 0, 0, 5][rng.random_range(0..4)],
    }
}

fn chance(rng: &mut ChaCha8Rng, percent: u32) -> bool {
    rng.random_range(0..100) < percent
}

/// One register that mostly does what it should.
fn registers(rng: &mut ChaCha8Rng, mix: Mix) -> Vec<Op> {
    let mut ops: Vec<Op> = Vec::new();
    let mut open: Vec<Option<Op>> = vec![None; mix.clients];
    let mut process: Vec<u32> = (0..).take(mix.clients).collect();
    let (mut time, mut next, mut fresh): (Nanos, u32, i64) = (0, 100, 0);
    let mut written = vec![Value::Nil];
    let mut state = Value::Nil;
    let mut calls = 0;
    loop {
        let slot = rng.random_range(0..mix.clients);
        if open.iter().all(Option::is_none) && calls >= mix.calls {
            return ops;
        }
        if !chance(rng, mix.ties) {
            time += rng.random_range(1..3);
        }
        let any = |rng: &mut ChaCha8Rng, state: &Value, written: &[Value], odd: u32| {
            if chance(rng, odd) {
                let near = written.len().saturating_sub(4);
                let from = if chance(rng, 70) { near } else { 0 };
                if chance(rng, 8) {
                    Value::Int(written.len() as i64)
                } else {
                    written[rng.random_range(from..written.len())].clone()
                }
            } else {
                state.clone()
            }
        };
        let mut op = Op {
            index: ops.len(),
            time,
            process: Process::Client(process[slot]),
            kind: Kind::Invoke,
            f: F::new("read"),
            key: None,
            value: Value::Nil,
            node: None,
            error: None,
        };
        match open[slot].take() {
            None if calls >= mix.calls => {
                if chance(rng, 10) {
                    return ops; // Some calls stay open.
                }
                continue;
            }
            None => {
                calls += 1;
                let new = |rng: &mut ChaCha8Rng, fresh: &mut i64, written: &mut Vec<Value>| {
                    if chance(rng, mix.repeats) && written.len() > 1 {
                        return written[rng.random_range(1..written.len())].clone();
                    }
                    *fresh += 1;
                    written.push(Value::Int(*fresh));
                    Value::Int(*fresh)
                };
                if chance(rng, mix.cas) {
                    op.f = F::new("cas");
                    let old = any(rng, &state, &written, mix.odd);
                    op.value = Value::List(vec![old, new(rng, &mut fresh, &mut written)]);
                } else if chance(rng, 45) {
                    op.f = F::new("write");
                    op.value = new(rng, &mut fresh, &mut written);
                }
                open[slot] = Some(op.clone());
            }
            Some(begun) => {
                op.f = begun.f.clone();
                op.value = begun.value.clone();
                op.kind = match rng.random_range(0..10) {
                    0 => Kind::Fail,
                    1 | 2 => Kind::Info,
                    _ => Kind::Ok,
                };
                if op.kind == Kind::Info {
                    process[slot] = next;
                    next += 1;
                }
                let took = op.kind == Kind::Ok || op.kind == Kind::Info && chance(rng, 60);
                match (op.f.as_str(), &op.value) {
                    ("read", _) if op.kind == Kind::Ok => {
                        op.value = any(rng, &state, &written, mix.odd);
                    }
                    ("write", value) if took => state = value.clone(),
                    ("cas", Value::List(pair)) if took => {
                        if pair[0] == state || chance(rng, mix.odd) {
                            state = pair[1].clone();
                        } else if op.kind == Kind::Ok {
                            op.kind = Kind::Fail;
                        }
                    }
                    _ => {}
                }
            }
        }
        ops.push(op);
    }
}

#[test]
fn registers_are_judged_as_the_batch_checker_judges_every_prefix() {
    let (mut bad, mut good, mut unable) = (0, 0, 0);
    for seed in 0..60_000 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut mix = mix(&mut rng);
        if seed % 10 == 0 {
            // Long enough for much to be forgotten.
            mix.calls *= 5;
            mix.odd = [0, 2, 4][rng.random_range(0..3)];
        }
        let ops = registers(&mut rng, mix);
        let told = format!("seed {seed}");
        let outcome =
            compare::<Registers>(&ops, &Linearizable::default(), Compared::Everywhere, &told);
        unable += usize::from(!outcome.able);
        bad += usize::from(outcome.fired.is_some());
        good += usize::from(outcome.fired.is_none());
    }
    println!("{bad} violated, {good} not, {unable} not decided to the end");
    assert!(bad > 10_000 && good > 10_000 && unable < 10_000);
}

/// Tries every order of a queue's calls.
struct Every;

impl Every {
    fn any(
        calls: &[(Option<QueueCall>, u64, u64, bool)],
        done: u32,
        state: &FifoQueue,
        seen: &mut HashSet<(u32, FifoQueue)>,
    ) -> bool {
        let open = |i: usize| done & (1 << i) == 0;
        let must = |i: usize| open(i) && calls[i].3;
        if !(0..calls.len()).any(must) {
            return true;
        }
        if !seen.insert((done, state.clone())) {
            return false;
        }
        (0..calls.len()).any(|i| {
            let late = || (0..calls.len()).any(|j| must(j) && calls[j].2 < calls[i].1);
            let Some(call) = calls[i].0.as_ref().filter(|_| open(i)) else {
                return false;
            };
            !late()
                && state
                    .step(call)
                    .is_some_and(|next| Self::any(calls, done | 1 << i, &next, seen))
        })
    }
}

impl Checker for Every {
    fn name(&self) -> &str {
        "every"
    }

    fn judge(&self, calls: &Calls, _: &Budget) -> Report {
        let calls: Vec<_> = calls
            .whole()
            .calls()
            .map(|call| {
                let decoded = FifoQueue::decode(&call).expect("all are of queues");
                let ends = call.returned().unwrap_or(u64::MAX);
                (decoded, call.invoke.time, ends, call.outcome() == Kind::Ok)
            })
            .collect();
        let legal = Self::any(&calls, 0, &FifoQueue::default(), &mut HashSet::new());
        let verdict = if legal {
            Verdict::Held
        } else {
            Verdict::Violated
        };
        Report::new("every", verdict)
    }
}

/// One queue that mostly does what it should.
fn queue(rng: &mut ChaCha8Rng, mix: Mix, with_empties: bool) -> Vec<Op> {
    let mut ops: Vec<Op> = Vec::new();
    let mut open: Vec<Option<(Op, Value)>> = vec![None; mix.clients];
    let mut process: Vec<u32> = (0..).take(mix.clients).collect();
    let (mut time, mut next, mut fresh): (Nanos, u32, i64) = (0, 100, 0);
    let mut state: Vec<Value> = Vec::new();
    let mut calls = 0;
    loop {
        let slot = rng.random_range(0..mix.clients);
        if open.iter().all(Option::is_none) && calls >= mix.calls {
            return ops;
        }
        if !chance(rng, mix.ties) {
            time += rng.random_range(1..3);
        }
        let mut op = Op {
            index: ops.len(),
            time,
            process: Process::Client(process[slot]),
            kind: Kind::Invoke,
            f: F::new("dequeue"),
            key: None,
            value: Value::Nil,
            node: None,
            error: None,
        };
        match open[slot].take() {
            None if calls >= mix.calls => {
                if chance(rng, 5) {
                    return ops; // Some calls stay open.
                }
                continue;
            }
            None => {
                calls += 1;
                let mut out = Value::Nil;
                if chance(rng, 55) || state.is_empty() && !with_empties {
                    op.f = F::new("enqueue");
                    fresh += 1;
                    op.value = Value::Int(fresh);
                    if chance(rng, mix.repeats) {
                        op.value = Value::Int(rng.random_range(1..=fresh));
                    }
                    if chance(rng, 50) {
                        state.push(op.value.clone());
                    } else {
                        out = Value::Bool(true); // It goes in at its end.
                    }
                } else if !state.is_empty() && chance(rng, 60) {
                    let at = if chance(rng, mix.odd) {
                        rng.random_range(0..state.len())
                    } else {
                        0
                    };
                    out = state.remove(at);
                }
                open[slot] = Some((op.clone(), out));
            }
            Some((begun, mut out)) => {
                op.f = begun.f.clone();
                op.value = begun.value.clone();
                op.kind = match rng.random_range(0..12) {
                    0 => Kind::Info,
                    1 if op.f == "enqueue" && chance(rng, mix.odd) => Kind::Fail,
                    _ => Kind::Ok,
                };
                if op.kind == Kind::Info {
                    process[slot] = next;
                    next += 1;
                }
                if op.f == "enqueue" && out == Value::Bool(true) && chance(rng, 90) {
                    state.push(op.value.clone());
                }
                if op.f == "dequeue" {
                    if out == Value::Nil && !state.is_empty() && !chance(rng, mix.odd) {
                        out = state.remove(0);
                    }
                    if chance(rng, mix.odd / 5) && fresh > 0 {
                        out = Value::Int(rng.random_range(1..=fresh + 1));
                    }
                    if op.kind == Kind::Ok && out == Value::Nil && !with_empties {
                        op.kind = Kind::Fail;
                    }
                    if op.kind == Kind::Ok {
                        op.value = out;
                    }
                }
            }
        }
        ops.push(op);
    }
}

#[test]
fn queues_are_judged_as_the_search_judges() {
    let search = Search::new("queue", FifoQueue::default());
    let (mut bad, mut good, mut unable) = (0, 0, 0);
    for seed in 0..60_000 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut mix = mix(&mut rng);
        mix.calls = mix.calls.min(10);
        let with_empties = seed % 2 == 0;
        let ops = queue(&mut rng, mix, with_empties);
        let began = ops.iter().filter(|op| op.kind == Kind::Invoke).count();
        let compared = match (with_empties, 2 * began == ops.len()) {
            (false, _) if seed % 3 == 0 => Compared::Everywhere,
            (false, _) | (true, true) => Compared::AtTheEnd,
            (true, false) => Compared::Sound,
        };
        let told = format!("seed {seed}");
        let outcome = compare::<Queues>(&ops, &Every, compared, &told);
        if seed % 100 == 0 {
            // The oracle is no more than it should be.
            let all = &ops[..ops.len()];
            assert_eq!(violated(&Every, all), violated(&search, all), "{told}");
        }
        unable += usize::from(!outcome.able);
        bad += usize::from(outcome.fired.is_some());
        good += usize::from(outcome.fired.is_none());
    }
    println!("{bad} violated, {good} not, {unable} not decided to the end");
    assert!(bad > 10_000 && good > 10_000 && unable < 15_000);
}

/// Ten clients on registers that do what they should, each retired after a hundred operations.
#[test]
fn what_is_remembered_does_not_grow_with_the_history() {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut streaming = Registers::default();
    let mut states: Vec<(i64, Value)> = (0..5).map(|key| (key, Value::Nil)).collect();
    let mut open: Vec<Option<(Op, usize, Value)>> = vec![None; 10];
    let (mut fresh, mut next_key, mut most, mut at_half) = (0, 5, 0, 0);
    for index in 0..400_000_usize {
        let slot = rng.random_range(0..10);
        let mut op = Op {
            index,
            time: index as u64 / 2,
            process: Process::Client(u32::try_from(slot).expect("there are ten")),
            kind: Kind::Invoke,
            f: F::new("read"),
            key: None,
            value: Value::Nil,
            node: None,
            error: None,
        };
        if let Some((begun, place, mut seen)) = open[slot].take() {
            (op.f, op.key, op.value) = (begun.f, begun.key.clone(), begun.value);
            let state = &mut states[place];
            let same = Some(Value::Int(state.0)) == begun.key;
            op.kind = Kind::Ok;
            match op.value.clone() {
                Value::Nil => {
                    if same && chance(&mut rng, 50) {
                        seen = state.1.clone();
                    }
                    op.value = seen;
                }
                Value::List(pair) if !same || pair[0] != state.1 => op.kind = Kind::Fail,
                Value::List(pair) => state.1 = pair[1].clone(),
                _ if !same => op.kind = Kind::Info, // Nobody saw it.
                value => state.1 = value,
            }
            if op.kind == Kind::Info {
                op.kind = Kind::Fail;
            }
        } else {
            let place = rng.random_range(0..5);
            if chance(&mut rng, 1) {
                next_key += 1;
                states[place] = (next_key, Value::Nil);
            }
            let state = &states[place];
            op.key = Some(Value::Int(state.0));
            if chance(&mut rng, 50) {
                fresh += 1;
                op.f = F::new("write");
                op.value = Value::Int(fresh);
                if chance(&mut rng, 40) {
                    op.f = F::new("cas");
                    op.value = Value::List(vec![state.1.clone(), Value::Int(fresh)]);
                }
            }
            open[slot] = Some((op.clone(), place, state.1.clone()));
        }
        assert_eq!(streaming.entry(&op), Step::Fine, "{index}");
        most = most.max(streaming.retained());
        if index == 200_000 {
            at_half = most;
        }
    }
    println!("{most} values were remembered at most, {at_half} in the first half");
    assert!(most < 1_000, "{most}");
}

#[test]
fn what_is_told_names_its_witnesses() {
    let told = |text: &str| {
        let mut registers = Registers::default();
        for op in ops(text) {
            if let Step::Violated(anomaly) = registers.entry(&op) {
                return Some((op.index, anomaly));
            }
        }
        match registers.end() {
            Step::Violated(anomaly) => Some((usize::MAX, anomaly)),
            Step::Fine | Step::Unable(_) => None,
        }
    };
    let (index, stale) = told("0:w1 0:ok 0:w2 0:ok 1:r 1:ok=1").expect("it is stale");
    assert_eq!((index, stale.name.as_str()), (5, "stale-read"));
    assert_eq!(stale.ops, [0, 1, 2, 3, 4, 5]);
    assert_eq!(stale.because.len(), 4, "{stale:?}");
    let (index, dirty) = told("0:w1 1:r 1:ok=1 0:fail").expect("it is dirty");
    assert_eq!((index, dirty.name.as_str()), (3, "dirty-read"));
    let (index, phantom) = told("1:r 1:ok=7 0:w7").expect("it came from nowhere");
    assert_eq!((index, phantom.name.as_str()), (2, "phantom-read"));
    let (index, lost) = told("0:w1 0:ok 0:c1,2 0:ok 1:c1,3 1:ok").expect("an update is lost");
    assert_eq!((index, lost.name.as_str()), (5, "lost-update"));
    // 1 lasted while the write of 2 ended, and was replaced by 3, which does not meet 2: when 1
    // is forgotten, 2 must remember that something came after it.
    let after_three = "5:w10 0:w1 1:w2 0:ok 2:w3 1:ok 3:r 3:ok=1 2:ok 6:w11 7:w12 8:w13 \
                       9:w14 4:w9 4:fail";
    assert!(told(after_three).is_none());
    let (index, stale) = told(&format!("{after_three} 3:r 3:ok=2 3:r")).expect("2 is gone");
    assert_eq!((index, stale.name.as_str()), (17, "stale-read"));
    assert!(told("1:r 1:ok=7 & 0:w7").is_none(), "they are concurrent");
    assert!(told("0:w1 0:ok 0:w1 1:r 1:ok=2").is_none(), "values repeat");
}
