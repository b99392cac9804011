//! One register with read, write and compare-and-set.

use std::collections::HashMap;

use super::Model;
use crate::history::{Call, Kind, Value};

/// What a register was asked, with what is known of the answer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum RegisterCall {
    /// It answered this; `Nil` is an absent value.
    Read(Value),
    /// Set to this.
    Write(Value),
    /// Set from the first to the second, which it did.
    Cas(Value, Value),
    /// It was not this when a compare-and-set expected it.
    IsNot(Value),
}

/// A register: `read` → value, `write` value, `cas` [old, new]. Absent at first.
///
/// A compare-and-set that failed with an error that begins with "mismatch" is evidence that
/// the register had another value; any other failure tells nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Register(pub Value);

impl Model for Register {
    type Call = RegisterCall;
    const IMPERSONAL: bool = true;

    fn decode(call: &Call<'_>) -> Result<Option<RegisterCall>, String> {
        let mismatch = call.complete.is_some_and(|op| {
            let error = op.error.as_deref().unwrap_or_default();
            error.starts_with("mismatch")
        });
        decode(call, mismatch)
    }

    fn shown(&self) -> String {
        self.0.to_string()
    }

    fn step(&self, call: &RegisterCall) -> Option<Self> {
        match call {
            RegisterCall::Read(seen) => (*seen == self.0).then(|| self.clone()),
            RegisterCall::Write(new) => Some(Self(new.clone())),
            RegisterCall::Cas(old, new) => (*old == self.0).then(|| Self(new.clone())),
            RegisterCall::IsNot(value) => (*value != self.0).then(|| self.clone()),
        }
    }

    fn observes(call: &RegisterCall) -> bool {
        match call {
            RegisterCall::Read(_) | RegisterCall::IsNot(_) => true,
            RegisterCall::Cas(old, new) => old == new,
            RegisterCall::Write(_) => false,
        }
    }

    fn useful(calls: &[(&RegisterCall, bool)]) -> Vec<bool> {
        useful(calls)
    }
}

/// A [`Register`] of which every failed compare-and-set is known to have found another value.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct CasRegister(pub Register);

impl Model for CasRegister {
    type Call = RegisterCall;
    const IMPERSONAL: bool = true;

    fn decode(call: &Call<'_>) -> Result<Option<RegisterCall>, String> {
        decode(call, true)
    }

    fn shown(&self) -> String {
        self.0.shown()
    }

    fn step(&self, call: &RegisterCall) -> Option<Self> {
        self.0.step(call).map(Self)
    }

    fn observes(call: &RegisterCall) -> bool {
        Register::observes(call)
    }

    fn useful(calls: &[(&RegisterCall, bool)]) -> Vec<bool> {
        useful(calls)
    }
}

fn decode(call: &Call<'_>, mismatch: bool) -> Result<Option<RegisterCall>, String> {
    let argument = &call.invoke.value;
    let outcome = call.outcome();
    Ok(match call.invoke.f.as_str() {
        "read" => match call.complete.filter(|op| op.kind == Kind::Ok) {
            None => None,
            Some(end) if matches!(end.value, Value::List(_) | Value::Map(_)) => {
                return Err("it returned several values, not one".to_owned());
            }
            Some(end) => Some(RegisterCall::Read(end.value.clone())),
        },
        "write" if outcome == Kind::Fail => None,
        "write" => Some(RegisterCall::Write(argument.clone())),
        "cas" => match argument.as_list() {
            Some([old, _]) if outcome == Kind::Fail => {
                mismatch.then(|| RegisterCall::IsNot(old.clone()))
            }
            Some([old, new]) => Some(RegisterCall::Cas(old.clone(), new.clone())),
            _ => return Err("its argument is not a list of an old and a new value".to_owned()),
        },
        _ if outcome == Kind::Fail => None,
        f => return Err(format!("{f} is not an operation of a register")),
    })
}

/// Marks what makes a value that is needed: seen or expected by a call that is needed itself.
/// What makes any other only destroys the one before it, which helps nobody but a mismatch.
fn useful(calls: &[(&RegisterCall, bool)]) -> Vec<bool> {
    let mut useful = vec![false; calls.len()];
    if (calls.iter()).any(|(call, required)| *required && matches!(call, RegisterCall::IsNot(_))) {
        return vec![true; calls.len()];
    }
    let mut makers: HashMap<&Value, Vec<usize>> = HashMap::new();
    for (position, (call, _)) in calls.iter().enumerate() {
        if let RegisterCall::Write(new) | RegisterCall::Cas(_, new) = call {
            makers.entry(new).or_default().push(position);
        }
    }
    let mut work: Vec<usize> = (0..calls.len()).filter(|&call| calls[call].1).collect();
    while let Some(position) = work.pop() {
        let (RegisterCall::Read(value) | RegisterCall::Cas(value, _)) = calls[position].0 else {
            continue;
        };
        // Each value's makers are taken from the map once, so this is linear.
        for maker in makers.remove(value).unwrap_or_default() {
            useful[maker] = true;
            work.push(maker);
        }
    }
    useful
}
