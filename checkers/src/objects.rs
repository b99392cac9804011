//! The door: operations on registers and sets, typed and sorted by object.
//!
//! For telling the contradictions of an object that was judged before.

use std::collections::HashMap;

use crate::history::{Call, History, Kind, Nanos, Value};

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
}

/// A history's operations, typed.
#[derive(Debug, Default)]
pub(crate) struct Typed<'h> {
    pub(crate) registers: Objects<'h, RegisterCall<'h>>,
    pub(crate) sets: Objects<'h, SetCall<'h>>,
}

impl<'h> Typed<'h> {
    /// What cannot be read as an operation on a register or a set is left out: whoever asks has
    /// judged the objects before, and wants contradictions in words.
    ///
    /// **Cost**: linear.
    pub(crate) fn read(history: &'h History) -> Self {
        let mut typed = Self::default();
        for call in history.calls() {
            let key = call.invoke.key.as_ref().unwrap_or(&NIL);
            let result = call.complete.filter(|op| op.kind == Kind::Ok);
            let result = result.map(|op| &op.value);
            let argument = &call.invoke.value;
            let action = match (call.invoke.f.as_str(), result, argument.as_list()) {
                ("read", Some(Value::List(_) | Value::Map(_)), _) => continue,
                ("read", Some(value), _) => Action::Read(value),
                ("write", _, _) if *argument != Value::Nil => Action::Write(argument),
                ("cas", _, Some([old, new])) if *new != Value::Nil => Action::Cas { old, new },
                ("add", _, _) => {
                    let action = SetAction::Add(argument);
                    typed.sets.push(key, SetCall { call, action });
                    continue;
                }
                ("read-set", Some(Value::List(elements)), _) => {
                    let action = SetAction::Read(elements);
                    typed.sets.push(key, SetCall { call, action });
                    continue;
                }
                _ => continue,
            };
            typed.registers.push(key, RegisterCall { call, action });
        }
        typed
    }
}

/// When a call began and when it was over.
pub(crate) fn interval(call: &Call<'_>) -> (Moment, Moment) {
    (
        moment(call.invoke.time),
        call.returned().map_or(NEVER, moment),
    )
}
