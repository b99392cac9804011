//! The last reads: after recovery the operator reads every object on every node.
//!
//! | f | key | node | result when ok |
//! |---|---|---|---|
//! | `final-read` | the register | who is asked | its value, or nil: absent; a list of siblings where there are several |
//! | `final-read-set` | the set | who is asked | the list of its elements |
//! | `final-read-counter` | the counter | who is asked | its value |
//! | `poll` | the log; the argument is a map from it to 0, from where to read on | who is asked | all its messages |
//! | `drain` | the queue | anybody | the list of all that is left in it |
//!
//! Final reads are of one node's own state, whatever its role, and are no operations of clients;
//! the last polls and drains are. What was not answered may be asked again. A queue is drained
//! once, by whoever is asked first.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use checkers::history::{F, Kind, Op, Value};

use crate::generator::Invocation;

/// The objects that a run touched, each once, in the order in which they were first touched.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keys {
    /// Registers that were written, or may have been.
    pub registers: Vec<Value>,
    /// Sets that were added to, or may have been.
    pub sets: Vec<Value>,
    /// Counters that were changed, or may have been.
    pub counters: Vec<Value>,
    /// Queues that something was put in, or may have been.
    pub queues: Vec<Value>,
    /// Logs that something was sent to, or may have been.
    pub logs: Vec<Value>,
}

/// Which objects must be finally read: those that somebody began to change. Operations
/// without a key count for none.
///
/// **Cost**: linear.
#[must_use]
pub fn keys(ops: &[Op]) -> Keys {
    let mut keys = Keys::default();
    let mut seen: HashSet<(u8, &Value)> = HashSet::new();
    for op in ops.iter().filter(|op| op.kind == Kind::Invoke) {
        let (kind, list) = match op.f.as_str() {
            "write" | "cas" => (0, &mut keys.registers),
            "add" => (1, &mut keys.sets),
            // An increment without a number makes the next value of a series, which no counter is.
            "increment" | "decrement" if op.value != Value::Nil => (2, &mut keys.counters),
            "enqueue" => (3, &mut keys.queues),
            "send" => (4, &mut keys.logs),
            _ => continue,
        };
        if let Some(key) = &op.key
            && seen.insert((kind, key))
        {
            list.push(key.clone());
        }
    }
    keys
}

/// The final reads of these objects on these nodes, node by node; then queues are drained.
#[must_use]
pub fn final_ops(keys: &Keys, nodes: &[Arc<str>]) -> Vec<Invocation> {
    let mut reads = Vec::new();
    for node in nodes {
        let mut read = |f: &'static str, key: &Value, value: Value| {
            let mut read = Invocation::new(F::new(f), Some(key.clone()), value);
            read.node = Some(Arc::clone(node));
            reads.push(read);
        };
        for (f, keys) in [
            ("final-read", &keys.registers),
            ("final-read-set", &keys.sets),
            ("final-read-counter", &keys.counters),
        ] {
            for key in keys {
                read(f, key, Value::Nil);
            }
        }
        for key in &keys.logs {
            read("poll", key, from_start(key));
        }
    }
    let queues = keys.queues.iter();
    reads.extend(queues.map(|key| Invocation::new(F::new("drain"), Some(key.clone()), Value::Nil)));
    reads
}

/// What a poll asks for that wants a whole log.
fn from_start(key: &Value) -> Value {
    crate::log::from(key, 0)
}

/// Those of `reads` that the history does not answer yet: to be asked again.
///
/// **Cost**: linear.
#[must_use]
pub fn unanswered(ops: &[Op], reads: &[Invocation]) -> Vec<Invocation> {
    // An end need not repeat who was asked, so each is looked up by its start.
    let mut open = HashMap::new();
    let mut answered = HashSet::new();
    let last = |op: &&Op| {
        let f = op.f.as_str();
        f.starts_with("final-read") || f == "poll" || f == "drain"
    };
    for op in ops.iter().filter(last) {
        if op.kind == Kind::Invoke {
            open.insert(op.process, op);
        } else if let Some(start) = open.remove(&op.process)
            && op.kind == Kind::Ok
        {
            answered.insert((&start.f, &start.key, &start.node, start.value.clone()));
        }
    }
    let is_open = |read: &&Invocation| {
        !answered.contains(&(&read.f, &read.key, &read.node, read.value.clone()))
    };
    reads.iter().filter(is_open).cloned().collect()
}
