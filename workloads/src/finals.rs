//! The last reads: after recovery the operator reads every object on every node.
//!
//! | f | key | node | result when ok |
//! |---|---|---|---|
//! | `final-read` | the register | who is asked | its value, or nil: absent; a list of siblings where there are several |
//! | `final-read-set` | the set | who is asked | the list of its elements |
//!
//! They read one node's own state, whatever its role, and are no operations of clients: only
//! the ledger of losses looks at them. A read that was not answered may be asked again.

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
}

/// Which objects must be finally read: those that somebody began to change. Operations
/// without a key count for none.
///
/// **Cost**: linear.
#[must_use]
pub fn keys(ops: &[Op]) -> Keys {
    let mut keys = Keys::default();
    let mut seen: HashSet<(bool, &Value)> = HashSet::new();
    for op in ops.iter().filter(|op| op.kind == Kind::Invoke) {
        let (is_set, list) = match op.f.as_str() {
            "write" | "cas" => (false, &mut keys.registers),
            "add" => (true, &mut keys.sets),
            _ => continue,
        };
        if let Some(key) = &op.key
            && seen.insert((is_set, key))
        {
            list.push(key.clone());
        }
    }
    keys
}

/// The final reads of these objects on these nodes, node by node.
#[must_use]
pub fn final_ops(keys: &Keys, nodes: &[Arc<str>]) -> Vec<Invocation> {
    let read = |f: &'static str, key: &Value, node: &Arc<str>| {
        let mut read = Invocation::new(F::new(f), Some(key.clone()), Value::Nil);
        read.node = Some(Arc::clone(node));
        read
    };
    let mut reads = Vec::new();
    for node in nodes {
        reads.extend(
            keys.registers
                .iter()
                .map(|key| read("final-read", key, node)),
        );
        reads.extend(
            keys.sets
                .iter()
                .map(|key| read("final-read-set", key, node)),
        );
    }
    reads
}

/// Those of `reads` that the history does not answer yet: to be asked again.
///
/// **Cost**: linear.
#[must_use]
pub fn unanswered(ops: &[Op], reads: &[Invocation]) -> Vec<Invocation> {
    // An end need not repeat who was asked, so each is looked up by its start.
    let mut open = HashMap::new();
    let mut answered = HashSet::new();
    for op in ops
        .iter()
        .filter(|op| op.f.as_str().starts_with("final-read"))
    {
        if op.kind == Kind::Invoke {
            open.insert(op.process, op);
        } else if let Some(start) = open.remove(&op.process)
            && op.kind == Kind::Ok
        {
            answered.insert((&start.f, &start.key, &start.node));
        }
    }
    let is_open = |read: &&Invocation| !answered.contains(&(&read.f, &read.key, &read.node));
    reads.iter().filter(is_open).cloned().collect()
}
