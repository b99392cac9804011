//! Histories in a small notation, for tests: `h("0:w1 1:r 0:ok 1:ok=0")`.
//!
//! Words stand apart by spaces; each entry is a millisecond after the one before it.
//!
//! | word | entry |
//! |---|---|
//! | `0:w1` `0:r` `0:c1,2` | process 0 begins to write 1, to read, to set 2 where 1 is expected |
//! | `0:a5` `0:rs` | begins to add 5 to a set, to read it whole |
//! | `9:fr` `9:frs` `9:frc` | begins the final read of a register, of a set, of a counter |
//! | `0:ok` `0:ok=3` `0:ok=nil` `0:ok=[1,2]` | ends well, with that result |
//! | `0:fail` `0:info` | ends so |
//! | `n:partition` `n:phase=load` | an entry of the nemesis |
//! | `+500` | lets 500 ms pass |
//! | `&` | the next entry has the time of the one before it |
//!
//! An entry may end in `@x`, its key, and in `%n1`, its node, in this order. A key that looks
//! like a number is text all the same; without one a register is `x` and a set is `s`.

use std::collections::HashMap;

use super::{F, History, Kind, Nanos, Op, Process, Value};

const STEP: Nanos = 1_000_000;

/// The history that `text` stands for.
///
/// # Panics
///
/// If the text is not in the notation, or the history breaks the laws of [`History::new`].
#[must_use]
pub fn h(text: &str) -> History {
    History::new(ops(text)).expect("the notation describes a lawful history")
}

/// The entries that `text` stands for, lawful or not.
///
/// # Panics
///
/// If the text is not in the notation.
#[must_use]
pub fn ops(text: &str) -> Vec<Op> {
    let mut ops = Vec::new();
    let mut time = 0;
    let mut step = 0;
    let mut open: HashMap<u32, (F, Option<Value>, Value)> = HashMap::new();
    for word in text.split_whitespace() {
        if word == "&" {
            step = 0;
            continue;
        }
        if let Some(pause) = word.strip_prefix('+') {
            let pause: Nanos = pause.parse().expect("a pause is a number of milliseconds");
            time += pause * STEP;
            continue;
        }
        time += step;
        step = STEP;
        let (word, node) = cut(word, '%');
        let (word, key) = cut(word, '@');
        let (process, word) = word.split_once(':').expect("an entry is process:word");
        let key = key.map(Value::str);
        let mut op = Op {
            index: ops.len(),
            time,
            process: Process::Nemesis,
            kind: Kind::Info,
            f: F::new("read"),
            key,
            value: Value::Nil,
            node: node.map(Into::into),
            error: None,
        };
        if process == "n" {
            let (f, argument) = cut(word, '=');
            op.f = F::owned(f.to_owned());
            op.value = argument.map_or(Value::Nil, value);
            ops.push(op);
            continue;
        }
        let number = process.parse().expect("a process is a number or n");
        op.process = Process::Client(number);
        let (verb, result) = cut(word, '=');
        if let Some(kind) = ending(verb) {
            op.kind = kind;
            if let Some((f, key, argument)) = open.remove(&number) {
                op.f = f;
                op.key = op.key.or(key);
                op.value = argument;
            }
            if let Some(result) = result {
                op.value = value(result);
            }
        } else {
            op.kind = Kind::Invoke;
            let (f, argument, default_key) = beginning(verb);
            op.f = F::new(f);
            op.value = argument;
            op.key = op.key.or_else(|| Some(Value::str(default_key)));
            open.insert(number, (op.f.clone(), op.key.clone(), op.value.clone()));
        }
        ops.push(op);
    }
    ops
}

fn cut(word: &str, at: char) -> (&str, Option<&str>) {
    word.split_once(at)
        .map_or((word, None), |(word, rest)| (word, Some(rest)))
}

fn ending(verb: &str) -> Option<Kind> {
    match verb {
        "ok" => Some(Kind::Ok),
        "fail" => Some(Kind::Fail),
        "info" => Some(Kind::Info),
        _ => None,
    }
}

fn beginning(verb: &str) -> (&'static str, Value, &'static str) {
    match verb {
        "r" => ("read", Value::Nil, "x"),
        "rs" => ("read-set", Value::Nil, "s"),
        "fr" => ("final-read", Value::Nil, "x"),
        "frs" => ("final-read-set", Value::Nil, "s"),
        "frc" => ("final-read-counter", Value::Nil, "x"),
        _ => match verb.split_at(1) {
            ("w", argument) => ("write", value(argument), "x"),
            ("c", argument) => ("cas", value(&format!("[{argument}]")), "x"),
            ("a", argument) => ("add", value(argument), "s"),
            _ => panic!("{verb} is not in the notation"),
        },
    }
}

fn value(text: &str) -> Value {
    if text == "nil" {
        return Value::Nil;
    }
    if let Some(items) = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')) {
        let items = items.split(',').filter(|item| !item.is_empty());
        return Value::List(items.map(value).collect());
    }
    text.parse().map_or_else(|_| Value::str(text), Value::Int)
}
