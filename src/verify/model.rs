//! What one correct copy does, written once more for the verifier alone.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use checkers::history::{Call, Kind, Process, Value};

/// The state of one copy.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum State {
    Value(Value),
    Values(BTreeMap<Value, Value>),
    Held(Option<(Process, u32)>),
    Free { now: u32, all: u32 },
    Line(VecDeque<Value>),
    Elements(BTreeSet<Value>),
    Count(i64),
}

/// A kind of object: what an order of its calls must obey.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sort {
    /// Whether a compare-and-set that failed found another value.
    Register {
        strict: bool,
    },
    Registers,
    Text,
    Mutex,
    Reentrant,
    Semaphore(u32),
    Fifo,
    Unordered,
    Priority,
    Stack,
    Set,
    Counter,
    List,
    Ids,
}

impl Sort {
    pub(super) fn named(name: &str) -> Option<Self> {
        if let Some(permits) = name.strip_prefix("semaphore:") {
            return permits.parse().ok().map(Self::Semaphore);
        }
        Some(match name {
            "register" => Self::Register { strict: false },
            "cas-register" => Self::Register { strict: true },
            "multi-register" => Self::Registers,
            "key-value" => Self::Text,
            "mutex" => Self::Mutex,
            "reentrant-mutex" => Self::Reentrant,
            "fifo-queue" => Self::Fifo,
            "unordered-queue" => Self::Unordered,
            "priority-queue" => Self::Priority,
            "stack" => Self::Stack,
            "set" | "grow-only-set" => Self::Set,
            "counter" => Self::Counter,
            "append-list" => Self::List,
            "unique-ids" => Self::Ids,
            _ => return None,
        })
    }

    pub(super) fn initial(self, absent: &Value) -> State {
        match self {
            Self::Register { .. } => State::Value(Value::Nil),
            Self::Text => State::Value(absent.clone()),
            Self::Registers => State::Values(BTreeMap::new()),
            Self::Mutex | Self::Reentrant => State::Held(None),
            Self::Semaphore(all) => State::Free { now: all, all },
            Self::Fifo | Self::Unordered | Self::Priority | Self::Stack | Self::List => {
                State::Line(VecDeque::new())
            }
            Self::Set | Self::Ids => State::Elements(BTreeSet::new()),
            Self::Counter => State::Count(0),
        }
    }

    /// Whether the function is one of its own.
    pub(super) fn has(self, f: &str) -> bool {
        let own: &[&str] = match self {
            Self::Register { .. } => &["read", "write", "cas"],
            Self::Registers => &["txn"],
            Self::Text => &["get", "put", "append", "delete"],
            Self::Mutex | Self::Reentrant | Self::Semaphore(_) => &["acquire", "release"],
            Self::Fifo | Self::Unordered | Self::Priority => &["enqueue", "dequeue"],
            Self::Stack => &["push", "pop"],
            Self::Set => &["add", "remove", "contains", "read-set", "read"],
            Self::Counter => &["add", "increment", "decrement", "read"],
            Self::List => &["append", "read"],
            Self::Ids => &["generate"],
        };
        own.contains(&f)
    }

    /// Whether a call must stand in an order: it happened, and tells or changes something.
    pub(super) fn is_required(self, call: &Call<'_>) -> bool {
        match call.outcome() {
            Kind::Ok => true,
            Kind::Fail => self == (Self::Register { strict: true }) && call.invoke.f == "cas",
            Kind::Info | Kind::Invoke => false,
        }
    }

    /// The state after the call; none if it could not have happened here.
    pub(super) fn step(self, state: &State, call: &Call<'_>) -> Option<State> {
        let argument = &call.invoke.value;
        let result = call
            .complete
            .filter(|op| op.kind == Kind::Ok)
            .map(|op| &op.value);
        let f = call.invoke.f.as_str();
        match (self, state) {
            (Self::Register { .. }, State::Value(held)) => {
                let keep = |is: bool| is.then(|| state.clone());
                match (f, argument.as_list()) {
                    ("read", _) => keep(result.is_none_or(|seen| seen == held)),
                    ("write", _) => Some(State::Value(argument.clone())),
                    ("cas", Some([old, _])) if call.outcome() == Kind::Fail => keep(old != held),
                    ("cas", Some([old, new])) if old == held => Some(State::Value(new.clone())),
                    _ => None,
                }
            }
            (Self::Text, State::Value(held)) => match f {
                "get" => result
                    .is_none_or(|seen| seen == held)
                    .then(|| state.clone()),
                "put" => Some(State::Value(argument.clone())),
                "delete" => Some(State::Value(Value::Nil)),
                "append" => {
                    let head = held.as_str().unwrap_or_default();
                    let text = format!("{head}{}", argument.as_str()?);
                    Some(State::Value(Value::str(&text)))
                }
                _ => None,
            },
            (Self::Registers, State::Values(held)) => transaction(held, call).map(State::Values),
            (Self::Mutex | Self::Reentrant, State::Held(held)) => {
                let who = call.invoke.process;
                let again = self == Self::Reentrant;
                match (f, *held) {
                    ("acquire", None) => Some(State::Held(Some((who, 1)))),
                    ("acquire", Some((holder, depth))) if again && holder == who => {
                        Some(State::Held(Some((who, depth + 1))))
                    }
                    ("release", Some((holder, depth))) if holder == who => {
                        Some(State::Held((depth > 1).then_some((who, depth - 1))))
                    }
                    _ => None,
                }
            }
            (Self::Semaphore(_), &State::Free { now, all }) => match f {
                "acquire" => now.checked_sub(1).map(|now| State::Free { now, all }),
                "release" if now < all => Some(State::Free { now: now + 1, all }),
                _ => None,
            },
            (Self::Fifo | Self::Unordered | Self::Priority | Self::Stack, State::Line(line)) => {
                self.container(line, call).map(State::Line)
            }
            (Self::List, State::Line(line)) => match f {
                "append" => {
                    let mut line = line.clone();
                    line.push_back(argument.clone());
                    Some(State::Line(line))
                }
                _ => {
                    let seen = match result {
                        None => return Some(state.clone()),
                        Some(Value::Nil) => &[],
                        Some(seen) => seen.as_list()?,
                    };
                    line.iter().eq(seen).then(|| state.clone())
                }
            },
            (Self::Set, State::Elements(held)) => set(held, call).map(State::Elements),
            (Self::Ids, State::Elements(held)) => {
                let mut held = held.clone();
                result
                    .is_none_or(|id| held.insert(id.clone()))
                    .then_some(State::Elements(held))
            }
            (Self::Counter, &State::Count(count)) => match f {
                "add" | "increment" => count.checked_add(argument.as_int()?).map(State::Count),
                "decrement" => count.checked_sub(argument.as_int()?).map(State::Count),
                _ => result
                    .is_none_or(|seen| seen.as_int() == Some(count))
                    .then(|| state.clone()),
            },
            _ => None,
        }
    }

    fn container(self, line: &VecDeque<Value>, call: &Call<'_>) -> Option<VecDeque<Value>> {
        let mut line = line.clone();
        if matches!(call.invoke.f.as_str(), "enqueue" | "push") {
            line.push_back(call.invoke.value.clone());
            return Some(line);
        }
        let end = call.complete.filter(|op| op.kind == Kind::Ok);
        let place = match (self, end) {
            (Self::Fifo, _) => 0,
            (Self::Stack, _) => line.len().saturating_sub(1),
            (Self::Priority, _) => {
                let largest = line.iter().enumerate().max_by(|(_, a), (_, b)| a.cmp(b));
                largest.map_or(0, |(place, _)| place)
            }
            (_, Some(end)) => line.iter().position(|held| *held == end.value).unwrap_or(0),
            // Which one it took cannot be told; an order that needs it proves nothing here.
            (_, None) => return None,
        };
        let taken = line.remove(place);
        let fits = end.is_none_or(|end| end.value == taken.clone().unwrap_or_default());
        fits.then_some(line)
    }
}

fn set(held: &BTreeSet<Value>, call: &Call<'_>) -> Option<BTreeSet<Value>> {
    let mut next = held.clone();
    let argument = &call.invoke.value;
    let result = call
        .complete
        .filter(|op| op.kind == Kind::Ok)
        .map(|op| &op.value);
    let fits = match (call.invoke.f.as_str(), result) {
        ("add", _) => {
            next.insert(argument.clone());
            true
        }
        ("remove", _) => {
            next.remove(argument);
            true
        }
        (_, None) => true,
        ("contains", Some(seen)) => *seen == Value::Bool(held.contains(argument)),
        (_, Some(seen)) => {
            let seen = seen.as_list()?;
            seen.len() == held.len() && seen.iter().all(|element| held.contains(element))
        }
    };
    fits.then_some(next)
}

fn transaction(held: &BTreeMap<Value, Value>, call: &Call<'_>) -> Option<BTreeMap<Value, Value>> {
    let done = call.complete.filter(|op| op.kind == Kind::Ok);
    let steps = done.map_or(&call.invoke.value, |op| &op.value).as_list()?;
    let mut next = held.clone();
    for step in steps {
        let [f, key, value] = step.as_list()? else {
            return None;
        };
        match f.as_str()? {
            "w" => {
                next.insert(key.clone(), value.clone());
            }
            _ if done.is_none() => {}
            _ if next.get(key).unwrap_or(&Value::Nil) == value => {}
            _ => return None,
        }
    }
    Some(next)
}
