//! Sets, and ids that are given out once.

use std::collections::BTreeSet;

use super::{Model, Object};
use crate::history::{Call, Kind, Value};

/// What a set was asked, with what is known of the answer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum SetCall {
    /// It holds this from now on.
    Add(Value),
    /// It does not hold this from now on.
    Remove(Value),
    /// It was asked for this element and held it, or did not.
    Contains(Value, bool),
    /// It held exactly these.
    Read(BTreeSet<Value>),
    /// It answered one element twice, which no set does.
    Impossible,
}

fn decode(call: &Call<'_>) -> Result<Option<SetCall>, String> {
    let argument = call.invoke.value.clone();
    let done = call.complete.filter(|op| op.kind == Kind::Ok);
    let failed = call.outcome() == Kind::Fail;
    Ok(match call.invoke.f.as_str() {
        _ if failed => None,
        "add" => Some(SetCall::Add(argument)),
        "remove" => Some(SetCall::Remove(argument)),
        "contains" => match done.map(|op| &op.value) {
            None => None,
            Some(Value::Bool(truth)) => Some(SetCall::Contains(argument, *truth)),
            Some(_) => return Err("its result is neither true nor false".to_owned()),
        },
        "read-set" | "read" => match done.map(|op| op.value.as_list()) {
            None => None,
            Some(None) => return Err("its result is not a list of elements".to_owned()),
            Some(Some(elements)) => {
                let set: BTreeSet<Value> = elements.iter().cloned().collect();
                Some(if set.len() == elements.len() {
                    SetCall::Read(set)
                } else {
                    SetCall::Impossible
                })
            }
        },
        f => return Err(format!("{f} is not an operation of a set")),
    })
}

/// A set: `add`, `remove` and `contains` an element, `read-set` or `read` → its elements. Without reads
/// of the whole, its elements are judged one by one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Set(pub BTreeSet<Value>);

impl Model for Set {
    type Call = SetCall;
    const IMPERSONAL: bool = true;

    fn decode(call: &Call<'_>) -> Result<Option<SetCall>, String> {
        decode(call)
    }

    fn shown(&self) -> String {
        super::listed(&self.0)
    }

    fn step(&self, call: &SetCall) -> Option<Self> {
        let mut next = self.clone();
        match call {
            SetCall::Add(element) => {
                next.0.insert(element.clone());
            }
            SetCall::Remove(element) => {
                next.0.remove(element);
            }
            SetCall::Contains(element, truth) if self.0.contains(element) == *truth => {}
            SetCall::Read(seen) if self.0 == *seen => {}
            SetCall::Contains(..) | SetCall::Read(_) | SetCall::Impossible => return None,
        }
        Some(next)
    }

    fn observes(call: &SetCall) -> bool {
        !matches!(call, SetCall::Add(_) | SetCall::Remove(_))
    }

    fn objects(call: &Call<'_>) -> Vec<Object> {
        let key = call.invoke.key.clone().unwrap_or_default();
        vec![match call.invoke.f.as_str() {
            "add" | "remove" | "contains" => Object::part(key, call.invoke.value.clone()),
            _ => Object::whole(key),
        }]
    }
}

/// A set from which nothing is removed: `add` an element, `read-set` → its elements.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct GrowOnlySet(pub Set);

impl Model for GrowOnlySet {
    type Call = SetCall;
    const IMPERSONAL: bool = true;

    fn decode(call: &Call<'_>) -> Result<Option<SetCall>, String> {
        match decode(call)? {
            Some(SetCall::Remove(_)) => Err("a grow-only set has no remove".to_owned()),
            other => Ok(other),
        }
    }

    fn shown(&self) -> String {
        self.0.shown()
    }

    fn step(&self, call: &SetCall) -> Option<Self> {
        self.0.step(call).map(Self)
    }

    fn observes(call: &SetCall) -> bool {
        Set::observes(call)
    }

    fn objects(call: &Call<'_>) -> Vec<Object> {
        Set::objects(call)
    }
}

/// Ids given out at most once: `generate` → id. Each id is an object of its own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct UniqueId {
    /// Whether it was given out.
    pub given: bool,
}

impl Model for UniqueId {
    type Call = ();
    const IMPERSONAL: bool = true;

    fn decode(call: &Call<'_>) -> Result<Option<()>, String> {
        match call.invoke.f.as_str() {
            "generate" => Ok((call.outcome() == Kind::Ok).then_some(())),
            f => Err(format!("{f} is not generate")),
        }
    }

    fn step(&self, (): &()) -> Option<Self> {
        (!self.given).then_some(Self { given: true })
    }

    fn objects(call: &Call<'_>) -> Vec<Object> {
        let key = call.invoke.key.clone().unwrap_or_default();
        match call.complete.filter(|op| op.kind == Kind::Ok) {
            Some(end) => vec![Object::part(key, end.value.clone())],
            None => Vec::new(),
        }
    }
}
