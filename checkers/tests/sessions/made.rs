//! Tiny histories of registers.

use checkers::history::{F, History, Kind, Op, Process, Value};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

/// One operation of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Made {
    pub(crate) process: u32,
    pub(crate) key: u8,
    pub(crate) asked: Asked,
    pub(crate) kind: Kind,
    /// When its two entries stand, in the order of all entries, and their times.
    pub(crate) begins: (usize, u64),
    pub(crate) ends: Option<(usize, u64)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// It returned this; zero is nil.
    Read(i64),
    Write(i64),
    Cas(i64, i64),
}

impl Made {
    pub(crate) fn saw(&self) -> Option<i64> {
        match self.asked {
            Asked::Read(value) | Asked::Cas(value, _) => Some(value),
            Asked::Write(_) => None,
        }
    }

    pub(crate) fn wrote(&self) -> Option<i64> {
        match self.asked {
            Asked::Write(value) | Asked::Cas(_, value) => Some(value),
            Asked::Read(_) => None,
        }
    }
}

fn int(value: i64) -> Value {
    if value == 0 {
        Value::Nil
    } else {
        Value::Int(value)
    }
}

/// The history of these operations.
pub(crate) fn history(made: &[Made]) -> History {
    let mut entries: Vec<(usize, Op)> = Vec::new();
    for call in made {
        let (f, argument, result) = match call.asked {
            Asked::Read(value) => ("read", Value::Nil, int(value)),
            Asked::Write(value) => ("write", int(value), int(value)),
            Asked::Cas(old, new) => {
                let pair = Value::List(vec![int(old), int(new)]);
                ("cas", pair.clone(), pair)
            }
        };
        let op = |(place, time): (usize, u64), kind, value: &Value| {
            let op = Op {
                index: place,
                time,
                process: Process::Client(call.process),
                kind,
                f: F::new(f),
                key: Some(Value::str(&format!("k{}", call.key))),
                value: value.clone(),
                node: None,
                error: None,
            };
            (place, op)
        };
        entries.push(op(call.begins, Kind::Invoke, &argument));
        if let Some(ends) = call.ends {
            let value = if call.kind == Kind::Ok {
                &result
            } else {
                &argument
            };
            entries.push(op(ends, call.kind, value));
        }
    }
    entries.sort_by_key(|(place, _)| *place);
    History::new(entries.into_iter().map(|(_, op)| op).collect()).expect("it is lawful")
}

/// A random tiny history: up to so many operations of a few processes on a few keys.
pub(crate) fn tiny(rng: &mut ChaCha8Rng, most: usize) -> Vec<Made> {
    let count = rng.random_range(2..=most);
    let width = rng.random_range(2..=3_usize);
    let keys = rng.random_range(1..=2_u8);
    let mut free: Vec<(u32, Option<usize>)> = (0..).take(width).map(|p| (p, None)).collect();
    let mut made: Vec<Made> = Vec::new();
    let mut next_process = 3;
    let (mut place, mut time, mut value) = (0, 0, 0);
    while made.len() < count || free.iter().any(|(_, open)| open.is_some()) {
        let who = rng.random_range(0..free.len());
        time += rng.random_range(0..2_u64);
        match free[who].1 {
            None if made.len() == count => continue,
            None => {
                value += 1;
                let asked = match rng.random_range(0..20) {
                    0..10 => Asked::Read(0),
                    10..18 => Asked::Write(value),
                    _ => Asked::Cas(0, value),
                };
                let kind = match rng.random_range(0..20) {
                    0 => Kind::Fail,
                    1 | 2 => Kind::Info,
                    _ => Kind::Ok,
                };
                free[who].1 = Some(made.len());
                made.push(Made {
                    process: free[who].0,
                    key: rng.random_range(0..keys),
                    asked,
                    kind,
                    begins: (place, time),
                    ends: None,
                });
            }
            Some(open) => {
                free[who].1 = None;
                // Some that nobody hears of have no end at all.
                if made[open].kind != Kind::Info || rng.random_bool(0.5) {
                    made[open].ends = Some((place, time));
                }
                if made[open].kind == Kind::Info {
                    free[who].0 = next_process;
                    next_process += 1;
                }
            }
        }
        place += 1;
    }
    answer(rng, &mut made);
    made
}

/// Fills in what was read: mostly what a lagging copy would show, sometimes anything.
fn answer(rng: &mut ChaCha8Rng, made: &mut [Made]) {
    let wild = if rng.random_bool(0.3) { 0.7 } else { 0.1 };
    let lag = rng.random_range(0..4_usize);
    for at in 0..made.len() {
        let key = made[at].key;
        let written = |other: &&Made| other.key == key && other.kind != Kind::Fail;
        let all: Vec<i64> = (made.iter().filter(written))
            .filter_map(Made::wrote)
            .filter(|value| Some(*value) != made[at].wrote())
            .collect();
        let before: Vec<i64> = (made[..at].iter().filter(written))
            .filter_map(Made::wrote)
            .collect();
        let seen = if rng.random_bool(0.01) {
            // From a write that failed, or from nowhere.
            rng.random_range(1..9)
        } else if rng.random_bool(wild) && !all.is_empty() {
            all[rng.random_range(0..all.len())]
        } else {
            let behind = rng.random_range(0..=lag);
            before.iter().rev().nth(behind).copied().unwrap_or(0)
        };
        match &mut made[at].asked {
            Asked::Read(value) => *value = seen,
            Asked::Cas(old, new) if seen != *new => *old = seen,
            Asked::Cas(..) | Asked::Write(_) => {}
        }
    }
}
