//! Laws that every model's verdict obeys, and that need no judge: names do not matter, nor does
//! the scale of time; to know less, or to ask less, breaks nothing; what holds of a history holds
//! of its beginning; and two objects keep their promise exactly if each of them does.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use checkers::history::{F, History, Kind, Op, Process, Value};
use checkers::model::Known;
use checkers::{Budget, Checker, Linearizable, Verdict};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// A call that is being made up.
#[derive(Clone, Debug)]
struct Call {
    process: u32,
    begins: u64,
    ends: u64,
    kind: Kind,
    f: &'static str,
    argument: Value,
    result: Value,
}

/// One true copy of an object of any model.
#[derive(Clone, Default)]
struct Truth {
    value: Option<i64>,
    text: String,
    line: VecDeque<i64>,
    inside: BTreeSet<i64>,
    holders: BTreeMap<u32, u32>,
    sum: i64,
    cells: [Option<i64>; 2],
}

fn int(number: i64) -> Value {
    Value::Int(number)
}

fn opt(number: Option<i64>) -> Value {
    number.map_or(Value::Nil, Value::Int)
}

fn list(numbers: impl IntoIterator<Item = i64>) -> Value {
    Value::List(numbers.into_iter().map(Value::Int).collect())
}

/// What a process may ask next; the number is new.
fn ask(known: Known, rng: &mut ChaCha8Rng, new: i64, held: u32) -> (&'static str, Value) {
    let coin = rng.random_range(0..4);
    match known {
        Known::Register | Known::CasRegister => match coin {
            0 | 1 => ("read", Value::Nil),
            2 => ("write", int(new)),
            _ => ("cas", Value::List(vec![int(new - 1), int(new)])),
        },
        Known::MultiRegister => {
            let key = Value::str(["x", "y"][rng.random_range(0..2)]);
            let (f, value) = if coin < 2 {
                ("r", Value::Nil)
            } else {
                ("w", int(new))
            };
            let op = Value::List(vec![Value::str(f), key, value]);
            ("txn", Value::List(vec![op]))
        }
        Known::KeyValue => match coin {
            0 | 1 => ("get", Value::Nil),
            2 => ("append", Value::str(&format!("<{new}>"))),
            _ => ("put", Value::str(&format!("[{new}]"))),
        },
        Known::Mutex | Known::ReentrantMutex | Known::Semaphore(_) => {
            if held > 0 {
                ("release", Value::Nil)
            } else {
                ("acquire", Value::Nil)
            }
        }
        Known::FifoQueue | Known::UnorderedQueue | Known::PriorityQueue => match coin {
            0 | 1 => ("enqueue", int(new)),
            _ => ("dequeue", Value::Nil),
        },
        Known::Stack => match coin {
            0 | 1 => ("push", int(new)),
            _ => ("pop", Value::Nil),
        },
        Known::Set => match coin {
            0 => ("add", int(new)),
            1 => ("remove", int(rng.random_range(1..=new))),
            2 => ("contains", int(rng.random_range(1..=new))),
            _ => ("read-set", Value::Nil),
        },
        Known::GrowOnlySet => match coin {
            0 | 1 => ("add", int(new)),
            _ => ("read-set", Value::Nil),
        },
        Known::Counter => match coin {
            0 | 1 => ("add", int(1)),
            _ => ("read", Value::Nil),
        },
        Known::AppendList => match coin {
            0 | 1 => ("append", int(new)),
            _ => ("read", Value::Nil),
        },
        Known::UniqueIds => ("generate", Value::Nil),
    }
}

impl Truth {
    /// Does it: the answer, or none if it must be refused.
    fn act(&mut self, known: Known, call: &Call) -> Option<Value> {
        let argument = || call.argument.as_int().expect("a number");
        Some(match call.f {
            "read" if known == Known::Counter => int(self.sum),
            "read" if known == Known::AppendList => list(self.line.iter().copied()),
            "read" => opt(self.value),
            "write" => {
                self.value = Some(argument());
                call.argument.clone()
            }
            "cas" => {
                let pair = call.argument.as_list().expect("a pair");
                if opt(self.value) != pair[0] {
                    return None;
                }
                self.value = pair[1].as_int();
                call.argument.clone()
            }
            "txn" => {
                let ops = call.argument.as_list().expect("operations");
                let op = ops[0].as_list().expect("an operation");
                let cell = &mut self.cells[usize::from(op[1].as_str() == Some("y"))];
                let value = if op[0].as_str() == Some("w") {
                    *cell = op[2].as_int();
                    op[2].clone()
                } else {
                    opt(*cell)
                };
                let op = Value::List(vec![op[0].clone(), op[1].clone(), value]);
                Value::List(vec![op])
            }
            "get" => Value::str(&self.text),
            "append" if known == Known::KeyValue => {
                self.text += call.argument.as_str().expect("text");
                call.argument.clone()
            }
            "put" => {
                call.argument
                    .as_str()
                    .expect("text")
                    .clone_into(&mut self.text);
                call.argument.clone()
            }
            "acquire" => {
                let most = if let Known::Semaphore(permits) = known {
                    permits
                } else {
                    1
                };
                if self.holders.values().sum::<u32>() >= most {
                    return None;
                }
                *self.holders.entry(call.process).or_default() += 1;
                Value::Nil
            }
            "release" => {
                let held = self
                    .holders
                    .get_mut(&call.process)
                    .filter(|held| **held > 0)?;
                *held -= 1;
                Value::Nil
            }
            "enqueue" | "push" | "append" => {
                self.line.push_back(argument());
                call.argument.clone()
            }
            "dequeue" if known == Known::PriorityQueue => {
                let least = self.line.iter().copied().min();
                self.line.retain(|value| Some(*value) != least);
                opt(least)
            }
            "dequeue" => opt(self.line.pop_front()),
            "pop" => opt(self.line.pop_back()),
            "add" if known == Known::Counter => {
                self.sum += 1;
                call.argument.clone()
            }
            "add" => {
                self.inside.insert(argument());
                call.argument.clone()
            }
            "remove" => {
                self.inside.remove(&argument());
                call.argument.clone()
            }
            "contains" => Value::Bool(self.inside.contains(&argument())),
            "read-set" => list(self.inside.iter().copied()),
            "generate" => {
                self.sum += 1;
                int(self.sum)
            }
            other => unreachable!("{other} is not asked for"),
        })
    }
}

/// Whether it only looks.
fn looks(call: &Call) -> bool {
    match call.f {
        "read" | "get" | "contains" | "read-set" => true,
        "txn" => format!("{:?}", call.argument).contains("\"r\""),
        _ => false,
    }
}

/// A few processes that ask one thing after another; what they hear is true, but for at most
/// one answer that belongs to another call.
fn made(known: Known, rng: &mut ChaCha8Rng) -> Vec<Call> {
    let width = rng.random_range(1..5_u32);
    let mut free: Vec<(u32, u64)> = (0..width).map(|process| (process, 0)).collect();
    let mut processes = width;
    let mut calls: Vec<(u64, Call)> = Vec::new();
    let mut held = vec![0; width as usize];
    for new in 1..rng.random_range(2..25_i64) {
        let who = (0..free.len())
            .min_by_key(|&who| free[who].1)
            .expect("there are some");
        let (f, argument) = ask(known, rng, new, held[who]);
        held[who] = u32::from(f == "acquire");
        let begins = free[who].1 + rng.random_range(0..3);
        let ends = begins + rng.random_range(0..6);
        let is_info = rng.random_bool(0.1);
        let kind = if is_info { Kind::Info } else { Kind::Ok };
        let call = Call {
            process: free[who].0,
            begins,
            ends,
            kind,
            f,
            result: argument.clone(),
            argument,
        };
        let latest = if is_info { ends + 5 } else { ends };
        calls.push((rng.random_range(begins..=latest), call));
        free[who].1 = ends + 1;
        if is_info {
            (free[who].0, held[who]) = (processes, 0);
            processes += 1;
        }
    }
    let mut order: Vec<usize> = (0..calls.len()).collect();
    order.sort_by_key(|&at| calls[at].0);
    let mut truth = Truth::default();
    for at in order {
        let call = &mut calls[at].1;
        if call.kind == Kind::Info && rng.random_bool(0.4) {
            continue;
        }
        match truth.act(known, call) {
            Some(result) => call.result = result,
            None if call.kind == Kind::Ok => call.kind = Kind::Fail,
            None => {}
        }
    }
    let mut calls: Vec<Call> = calls.into_iter().map(|(_, call)| call).collect();
    if rng.random_bool(0.5) {
        let one = rng.random_range(0..calls.len());
        // One that was acknowledged: what was not has no answer.
        let alike = |call: &&Call| {
            (call.f, &call.argument) == (calls[one].f, &calls[one].argument)
                && call.kind == Kind::Ok
        };
        let answers = calls.iter().filter(alike);
        let answers: Vec<Value> = answers.map(|call| call.result.clone()).collect();
        if let Some(at) = answers.len().checked_sub(1) {
            calls[one].result = answers[rng.random_range(0..=at)].clone();
        }
    }
    calls
}

/// The entries of calls on an object; those of unknown outcome end in `info`.
fn entries(calls: &[Call], key: &str) -> Vec<(u64, bool, Op)> {
    let mut entries = Vec::new();
    for call in calls {
        let op = |kind, time, value: &Value| Op {
            index: 0,
            time,
            process: Process::Client(call.process),
            kind,
            f: F::new(call.f),
            key: Some(Value::str(key)),
            value: value.clone(),
            node: None,
            error: None,
        };
        entries.push((
            call.begins,
            false,
            op(Kind::Invoke, call.begins, &call.argument),
        ));
        let value = match call.kind {
            Kind::Ok => &call.result,
            Kind::Invoke | Kind::Fail | Kind::Info => &call.argument,
        };
        entries.push((call.ends, true, op(call.kind, call.ends, value)));
    }
    entries
}

fn verdict(known: Known, mut entries: Vec<(u64, bool, Op)>) -> Verdict {
    entries.sort_by_key(|(time, is_end, _)| (*time, *is_end));
    let ops = entries.into_iter().enumerate();
    let ops = ops.map(|(index, (_, _, op))| Op { index, ..op });
    let history = History::new(ops.collect()).expect("the test makes lawful histories");
    Linearizable::of(known)
        .check(&history, &Budget::unlimited())
        .verdict
}

fn of(known: Known, calls: &[Call]) -> Verdict {
    verdict(known, entries(calls, "x"))
}

/// Other values in the same order, where values are no amounts.
fn renamed(known: Known, value: &Value) -> Value {
    match value {
        Value::Int(number) if known != Known::Counter => int(number * 3 + 11),
        Value::List(items) => Value::List(items.iter().map(|item| renamed(known, item)).collect()),
        other => other.clone(),
    }
}

fn obeys(known: Known, seeds: u64) -> [u64; 2] {
    let mut seen = [0; 2];
    for seed in 0..seeds {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let calls = made(known, &mut rng);
        let before = of(known, &calls);
        let at = format!("{known}, seed {seed}: {calls:#?}");
        seen[usize::from(before == Verdict::Violated)] += 1;

        let mut other = calls.clone();
        for call in &mut other {
            call.process += 1_000;
            call.argument = renamed(known, &call.argument);
            call.result = renamed(known, &call.result);
        }
        let names = verdict(known, entries(&other, "another key"));
        assert_eq!(before, names, "names matter: {at}");

        let mut later = calls.clone();
        for call in &mut later {
            call.begins = call.begins * 3 + 7;
            call.ends = call.ends * 3 + 7;
        }
        assert_eq!(before, of(known, &later), "the scale of time matters: {at}");

        // Another object beside it, of other processes and, as ids are, with other values.
        let mut beside = made(known, &mut rng);
        for call in &mut beside {
            call.process += 2_000;
            call.result = renamed(known, &renamed(known, &call.result));
            call.argument = renamed(known, &renamed(known, &call.argument));
        }
        if known != Known::MultiRegister && known != Known::UniqueIds {
            let mut both = entries(&calls, "x");
            both.extend(entries(&beside, "y"));
            let each = [before, of(known, &beside)];
            assert_eq!(
                verdict(known, both) == Verdict::Violated,
                each.contains(&Verdict::Violated),
                "two are not as each: {at} and {beside:#?}"
            );
        }

        if before == Verdict::Violated {
            continue;
        }
        let one = rng.random_range(0..calls.len());
        let mut wider = calls.clone();
        wider[one].begins -= rng.random_range(0..=wider[one].begins.min(4));
        wider[one].ends += rng.random_range(0..5);
        // A process of its own, unless its turns are what is judged.
        let locks = matches!(
            known,
            Known::Mutex | Known::ReentrantMutex | Known::Semaphore(_)
        );
        if !locks {
            wider[one].process = 5_000;
            let wider = of(known, &wider);
            assert_ne!(wider, Verdict::Violated, "stretching {one} broke it: {at}");
        }

        let mut unknown = calls.clone();
        if unknown[one].kind == Kind::Ok && !locks {
            unknown[one].kind = Kind::Info;
            unknown[one].process = 5_000;
            let unknown = of(known, &unknown);
            assert_ne!(
                unknown,
                Verdict::Violated,
                "not knowing {one} broke it: {at}"
            );
        }

        if looks(&calls[one]) {
            let mut fewer = calls.clone();
            fewer.remove(one);
            let fewer = of(known, &fewer);
            assert_ne!(fewer, Verdict::Violated, "not asking {one} broke it: {at}");
        }

        let mut more = calls.clone();
        let extra = ask(known, &mut rng, 900, 0);
        more.push(Call {
            process: 6_000,
            begins: rng.random_range(0..30),
            ends: 100,
            kind: Kind::Info,
            f: extra.0,
            result: extra.1.clone(),
            argument: extra.1,
        });
        let more = of(known, &more);
        assert_ne!(more, Verdict::Violated, "one more, unknown, broke it: {at}");

        let until = rng.random_range(0..40);
        let mut begun = entries(&calls, "x");
        begun.retain(|(time, ..)| *time < until);
        let begun = verdict(known, begun);
        assert_ne!(begun, Verdict::Violated, "its beginning is broken: {at}");
    }
    seen
}

#[test]
fn every_model_obeys_the_laws() {
    for known in Known::ALL {
        let known = match known {
            Known::Semaphore(_) => Known::Semaphore(2),
            known => known,
        };
        let [fine, violated] = obeys(known, 1_500);
        assert!(fine > 300, "{known}: {fine} and {violated}");
        // What locks answer says nothing, so an answer of another call is as good.
        let says_nothing = matches!(
            known,
            Known::Mutex | Known::ReentrantMutex | Known::Semaphore(_)
        );
        assert!(
            violated > 30 || says_nothing,
            "{known}: {fine} and {violated}"
        );
    }
}
