//! The door: operations on registers and sets, typed and sorted by object.
//!
//! Everything that a checker cannot read is set aside with its index and the reason, never
//! guessed at.

use std::collections::HashMap;

use crate::history::{Call, History, Kind, Nanos, Op, Value};

/// A time on a line that has a point before the history and one after every end of it: the
/// initial value was there at [`BEFORE`], and what never returned returns at [`NEVER`].
pub(crate) type Moment = u64;

/// Before everything.
pub(crate) const BEFORE: Moment = 0;

/// After everything.
pub(crate) const NEVER: Moment = u64::MAX;

/// The moment of a recorded time.
pub(crate) fn moment(time: Nanos) -> Moment {
    time.saturating_add(1).min(NEVER - 1)
}

static NIL: Value = Value::Nil;

/// What a register was asked, with what is known of the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action<'h> {
    /// It answered this value; only successful reads are kept.
    Read(&'h Value),
    /// Set to this.
    Write(&'h Value),
    /// Set to `new` if it is `old`.
    Cas {
        /// What it must be.
        old: &'h Value,
        /// What it becomes.
        new: &'h Value,
    },
}

/// An operation on a register.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RegisterCall<'h> {
    pub(crate) call: Call<'h>,
    pub(crate) action: Action<'h>,
}

/// What a set was asked, with what is known of the answer.
#[derive(Clone, Copy, Debug)]
pub(crate) enum SetAction<'h> {
    /// Add this element.
    Add(&'h Value),
    /// It answered these elements; only successful reads are kept.
    Read(&'h [Value]),
}

/// An operation on a set.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SetCall<'h> {
    pub(crate) call: Call<'h>,
    pub(crate) action: SetAction<'h>,
}

/// An operation that could not be read.
#[derive(Clone, Debug)]
pub(crate) struct Unreadable {
    pub(crate) index: usize,
    pub(crate) reason: String,
}

/// The operations on one object, in the order of their starts.
#[derive(Clone, Debug)]
pub(crate) struct Object<'h, T> {
    pub(crate) key: &'h Value,
    pub(crate) calls: Vec<T>,
}

/// Operations by object; objects stand in the order of their first operation.
#[derive(Debug)]
pub(crate) struct Objects<'h, T> {
    pub(crate) list: Vec<Object<'h, T>>,
    by_key: HashMap<&'h Value, usize>,
}

impl<T> Default for Objects<'_, T> {
    fn default() -> Self {
        Self {
            list: Vec::new(),
            by_key: HashMap::new(),
        }
    }
}

impl<'h, T> Objects<'h, T> {
    fn push(&mut self, key: &'h Value, call: T) {
        let position = *self.by_key.entry(key).or_insert_with(|| {
            self.list.push(Object {
                key,
                calls: Vec::new(),
            });
            self.list.len() - 1
        });
        self.list[position].calls.push(call);
    }

    pub(crate) fn get(&self, key: &Value) -> Option<&Object<'h, T>> {
        self.by_key.get(key).map(|&position| &self.list[position])
    }
}

/// A history's operations, typed.
#[derive(Debug, Default)]
pub(crate) struct Typed<'h> {
    pub(crate) registers: Objects<'h, RegisterCall<'h>>,
    pub(crate) sets: Objects<'h, SetCall<'h>>,
    pub(crate) unreadable: Vec<Unreadable>,
    /// Reads of registers and sets that gave no answer.
    pub(crate) unanswered_reads: usize,
}

impl<'h> Typed<'h> {
    /// **Cost**: linear.
    pub(crate) fn read(history: &'h History) -> Self {
        let mut typed = Self::default();
        let mut foreign = Vec::new();
        for call in history.calls() {
            let key = call.invoke.key.as_ref().unwrap_or(&NIL);
            let result = call.complete.filter(|op| op.kind == Kind::Ok);
            let argument = &call.invoke.value;
            if let Some(reason) = wrong_key(&call) {
                typed.set_aside(call.invoke, reason);
                continue;
            }
            match call.invoke.f.as_str() {
                "read" => match result.map(|op| &op.value) {
                    None => typed.unanswered_reads += 1,
                    Some(Value::List(_) | Value::Map(_)) => {
                        let reason = "it returned several values, not one";
                        typed.set_aside(call.invoke, reason.to_owned());
                    }
                    Some(value) => {
                        let action = Action::Read(value);
                        typed.registers.push(key, RegisterCall { call, action });
                    }
                },
                "write" if *argument == Value::Nil => {
                    let reason = "it writes nil, which stands for an absent key";
                    typed.set_aside(call.invoke, reason.to_owned());
                }
                "write" => {
                    let action = Action::Write(argument);
                    typed.registers.push(key, RegisterCall { call, action });
                }
                "cas" => match argument.as_list() {
                    Some([old, new]) if *new != Value::Nil => {
                        let action = Action::Cas { old, new };
                        typed.registers.push(key, RegisterCall { call, action });
                    }
                    _ => {
                        let reason = "its argument is not a list of an old and a new value";
                        typed.set_aside(call.invoke, reason.to_owned());
                    }
                },
                "add" => {
                    let action = SetAction::Add(argument);
                    typed.sets.push(key, SetCall { call, action });
                }
                "read-set" => match result.map(|op| op.value.as_list()) {
                    None => typed.unanswered_reads += 1,
                    Some(None) => {
                        let reason = "its result is not a list of elements";
                        typed.set_aside(call.invoke, reason.to_owned());
                    }
                    Some(Some(elements)) => {
                        let action = SetAction::Read(elements);
                        typed.sets.push(key, SetCall { call, action });
                    }
                },
                // The operator's reads are no operations of clients.
                "final-read" | "final-read-set" => {}
                _ if call.outcome() == Kind::Fail => {}
                _ => foreign.push((call.invoke, key)),
            }
        }
        // Another workload's operations are no business of ours, unless they touch our objects.
        for (op, key) in foreign {
            if typed.registers.get(key).is_some() || typed.sets.get(key).is_some() {
                let reason = format!("{} is not an operation of registers or sets", op.f);
                typed.set_aside(op, reason);
            }
        }
        typed
    }

    fn set_aside(&mut self, op: &Op, reason: String) {
        self.unreadable.push(Unreadable {
            index: op.index,
            reason,
        });
    }

    /// Why the unreadable operations leave the verdict open, if there are any.
    pub(crate) fn why_unreadable(&self) -> Option<String> {
        let first = self.unreadable.first()?;
        Some(format!(
            "{} operations could not be read; the first, at index {}: {}",
            self.unreadable.len(),
            first.index,
            first.reason
        ))
    }
}

fn wrong_key(call: &Call<'_>) -> Option<String> {
    let complete = call.complete?;
    let asked = call.invoke.key.as_ref()?;
    let answered = complete.key.as_ref()?;
    (asked != answered).then(|| format!("it was asked of {asked} and answered for {answered}"))
}

/// When a call began and when it was over.
pub(crate) fn interval(call: &Call<'_>) -> (Moment, Moment) {
    (
        moment(call.invoke.time),
        call.returned().map_or(NEVER, moment),
    )
}
