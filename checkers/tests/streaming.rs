//! The checkers that are fed, against those that see the whole history: prefix by prefix.

use checkers::history::notation::ops;
use checkers::history::{F, History, Kind, Nanos, Op, Process, Value};
use checkers::streaming::{Registers, Step, Streaming};
use checkers::{Budget, Checker, Linearizable, Verdict};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

fn violated(checker: &impl Checker, ops: &[Op]) -> bool {
    let history = History::new(ops.to_vec()).expect("the generator keeps the laws");
    checker.check(&history, &Budget::unlimited()).verdict == Verdict::Violated
}

/// What a history led to: the position of the entry with which a violation was certain, and
/// whether the checker was able to decide all that came before.
struct Outcome {
    fired: Option<usize>,
    able: bool,
}

/// Feeds a history and compares every prefix, as long as the checker is able.
fn compare<S: Streaming + Clone + Default>(ops: &[Op], batch: &impl Checker, told: &str) -> Outcome {
    let mut streaming = S::default();
    let mut able = true;
    for (position, op) in ops.iter().enumerate() {
        let fired = match streaming.entry(op) {
            Step::Violated(_) => true,
            Step::Unable(_) => {
                able = false;
                false
            }
            Step::Fine => false,
        };
        let fires = || matches!(streaming.clone().end(), Step::Violated(_));
        let (fired, certain) = (fired || fires(), fired);
        if able || certain {
            let expected = violated(batch, &ops[..=position]);
            assert_eq!(fired, expected, "{told}, at {position}:\n{}", lines(ops));
        }
        if certain {
            return Outcome {
                fired: Some(position),
                able,
            };
        }
    }
    let fired = matches!(streaming.end(), Step::Violated(_)).then_some(ops.len());
    if fired.is_some() {
        assert!(violated(batch, ops), "{told}:\n{}", lines(ops));
    }
    Outcome { fired, able }
}

fn lines(ops: &[Op]) -> String {
    let line = |op: &Op| {
        let (process, kind) = (op.process, op.kind.as_str());
        format!("{} {} {process} {kind} {} {}", op.index, op.time, op.f, op.value)
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
        let mix = mix(&mut rng);
        let ops = registers(&mut rng, mix);
        let outcome = compare::<Registers>(&ops, &Linearizable, &format!("seed {seed}"));
        unable += usize::from(!outcome.able);
        bad += usize::from(outcome.fired.is_some());
        good += usize::from(outcome.fired.is_none());
    }
    println!("{bad} violated, {good} not, {unable} not decided to the end");
    assert!(bad > 10_000 && good > 10_000 && unable < 10_000);
}
