//! What is put in and taken out: queues, a stack and a priority queue.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::Model;
use crate::history::{Call, Kind, Value};

/// What a queue was asked, with what is known of the answer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum QueueCall {
    /// Put this in.
    Put(Value),
    /// It gave this; `Nil` if it was empty.
    Take(Value),
    /// It took out one element, if there was one; which is not known.
    TakeUnknown,
}

fn decode(call: &Call<'_>, put: &str, take: &str) -> Result<Option<QueueCall>, String> {
    let f = call.invoke.f.as_str();
    Ok(match call.complete.filter(|op| op.kind != Kind::Info) {
        Some(end) if end.kind == Kind::Fail => None,
        _ if f == put => Some(QueueCall::Put(call.invoke.value.clone())),
        Some(end) if f == take => Some(QueueCall::Take(end.value.clone())),
        None if f == take => Some(QueueCall::TakeUnknown),
        _ => return Err(format!("{f} is neither {put} nor {take}")),
    })
}

fn observes(call: &QueueCall) -> bool {
    *call == QueueCall::Take(Value::Nil)
}

/// A first-in-first-out queue: `enqueue` value, `dequeue` → value, nil if empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct FifoQueue(pub VecDeque<Value>);

impl Model for FifoQueue {
    type Call = QueueCall;
    const IMPERSONAL: bool = true;

    fn decode(call: &Call<'_>) -> Result<Option<QueueCall>, String> {
        decode(call, "enqueue", "dequeue")
    }

    fn shown(&self) -> String {
        super::listed(&self.0)
    }

    fn step(&self, call: &QueueCall) -> Option<Self> {
        let mut next = self.clone();
        match call {
            QueueCall::Put(value) => next.0.push_back(value.clone()),
            QueueCall::Take(seen) => {
                return (next.0.pop_front().unwrap_or_default() == *seen).then_some(next);
            }
            QueueCall::TakeUnknown => {
                next.0.pop_front();
            }
        }
        Some(next)
    }

    fn observes(call: &QueueCall) -> bool {
        observes(call)
    }
}

/// A stack: `push` value, `pop` → value, nil if empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Stack(pub Vec<Value>);

impl Model for Stack {
    type Call = QueueCall;
    const IMPERSONAL: bool = true;

    fn decode(call: &Call<'_>) -> Result<Option<QueueCall>, String> {
        decode(call, "push", "pop")
    }

    fn shown(&self) -> String {
        super::listed(&self.0)
    }

    fn step(&self, call: &QueueCall) -> Option<Self> {
        let mut next = self.clone();
        match call {
            QueueCall::Put(value) => next.0.push(value.clone()),
            QueueCall::Take(seen) => {
                return (next.0.pop().unwrap_or_default() == *seen).then_some(next);
            }
            QueueCall::TakeUnknown => {
                next.0.pop();
            }
        }
        Some(next)
    }

    fn observes(call: &QueueCall) -> bool {
        observes(call)
    }
}

/// A priority queue: `enqueue` value, `dequeue` → the largest value, nil if empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct PriorityQueue(pub BTreeMap<Value, u32>);

impl Model for PriorityQueue {
    type Call = QueueCall;
    const IMPERSONAL: bool = true;

    fn decode(call: &Call<'_>) -> Result<Option<QueueCall>, String> {
        decode(call, "enqueue", "dequeue")
    }

    fn shown(&self) -> String {
        super::listed(self.0.keys())
    }

    fn step(&self, call: &QueueCall) -> Option<Self> {
        let mut next = self.clone();
        let largest = self.0.keys().next_back().cloned();
        match call {
            QueueCall::Put(value) => *next.0.entry(value.clone()).or_default() += 1,
            QueueCall::Take(seen) if largest.clone().unwrap_or_default() != *seen => return None,
            QueueCall::Take(_) | QueueCall::TakeUnknown => {
                if let Some(largest) = largest {
                    remove(&mut next.0, &largest);
                }
            }
        }
        Some(next)
    }

    fn observes(call: &QueueCall) -> bool {
        observes(call)
    }
}

/// A queue that gives its elements in any order: `enqueue` value, `dequeue` → value, nil if
/// empty. Its state is every bag that it may hold, since a dequeue of unknown outcome may have
/// taken any element.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct UnorderedQueue(pub BTreeSet<BTreeMap<Value, u32>>);

impl Default for UnorderedQueue {
    fn default() -> Self {
        Self(BTreeSet::from([BTreeMap::new()]))
    }
}

impl Model for UnorderedQueue {
    type Call = QueueCall;
    const IMPERSONAL: bool = true;

    fn decode(call: &Call<'_>) -> Result<Option<QueueCall>, String> {
        decode(call, "enqueue", "dequeue")
    }

    fn step(&self, call: &QueueCall) -> Option<Self> {
        let mut next = BTreeSet::new();
        for bag in &self.0 {
            let mut after = bag.clone();
            match call {
                QueueCall::Put(value) => {
                    *after.entry(value.clone()).or_default() += 1;
                    next.insert(after);
                }
                QueueCall::Take(seen) => {
                    if remove(&mut after, seen) || bag.is_empty() && *seen == Value::Nil {
                        next.insert(after);
                    }
                }
                QueueCall::TakeUnknown if bag.is_empty() => {
                    next.insert(after);
                }
                QueueCall::TakeUnknown => {
                    for value in bag.keys() {
                        let mut after = bag.clone();
                        remove(&mut after, value);
                        next.insert(after);
                    }
                }
            }
        }
        (!next.is_empty()).then_some(Self(next))
    }
}

/// Takes one out of a bag; false if there is none.
fn remove(bag: &mut BTreeMap<Value, u32>, value: &Value) -> bool {
    match bag.get_mut(value) {
        None => false,
        Some(1) => bag.remove(value).is_some(),
        Some(count) => {
            *count -= 1;
            true
        }
    }
}
