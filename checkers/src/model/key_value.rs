//! Keys with values: one key that can be appended to, and several registers at once.

use std::collections::BTreeMap;

use super::{Model, Object};
use crate::history::{Call, Kind, Value};

/// What a key was asked, with what is known of the answer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum KeyCall {
    /// It held this; `Nil` if it was absent.
    Get(Value),
    /// Set to this.
    Put(Value),
    /// This was joined to its end; an absent key holds the empty text.
    Append(Value),
    /// Made absent.
    Delete,
}

/// One key of a store: `get` → value, `put` value, `append` text, `delete`. Absent at first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct KeyValue(pub Value);

impl Model for KeyValue {
    type Call = KeyCall;
    const IMPERSONAL: bool = true;

    fn decode(call: &Call<'_>) -> Result<Option<KeyCall>, String> {
        let argument = call.invoke.value.clone();
        Ok(match call.invoke.f.as_str() {
            _ if call.outcome() == Kind::Fail => None,
            "get" => call
                .complete
                .filter(|op| op.kind == Kind::Ok)
                .map(|op| KeyCall::Get(op.value.clone())),
            "put" => Some(KeyCall::Put(argument)),
            "append" if argument.as_str().is_some() => Some(KeyCall::Append(argument)),
            "append" => return Err("its argument is not text".to_owned()),
            "delete" => Some(KeyCall::Delete),
            f => return Err(format!("{f} is not an operation of a store")),
        })
    }

    fn shown(&self) -> String {
        self.0.to_string()
    }

    fn step(&self, call: &KeyCall) -> Option<Self> {
        match call {
            KeyCall::Get(seen) => (*seen == self.0).then(|| self.clone()),
            KeyCall::Put(value) => Some(Self(value.clone())),
            KeyCall::Append(tail) => {
                let head = match &self.0 {
                    Value::Nil => "",
                    held => held.as_str()?,
                };
                let tail = tail.as_str()?;
                Some(Self(Value::Str(format!("{head}{tail}").into())))
            }
            KeyCall::Delete => Some(Self(Value::Nil)),
        }
    }

    fn observes(call: &KeyCall) -> bool {
        matches!(call, KeyCall::Get(_))
    }
}

/// What several registers were asked at once: each read's answer, and each write, in order.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MultiCall(Vec<(bool, Value, Value)>);

/// Several registers: `txn` of a list of `["r", key, value]` and `["w", key, value]`, all at
/// one instant. Registers that no call connects are judged apart.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct MultiRegister(pub BTreeMap<Value, Value>);

fn steps(value: &Value) -> Option<Vec<(bool, Value, Value)>> {
    let steps = value.as_list()?.iter().map(|step| match step.as_list()? {
        [f, key, value] => match f.as_str()? {
            "r" => Some((false, key.clone(), value.clone())),
            "w" => Some((true, key.clone(), value.clone())),
            _ => None,
        },
        _ => None,
    });
    steps.collect()
}

impl Model for MultiRegister {
    type Call = MultiCall;
    const IMPERSONAL: bool = true;

    fn decode(call: &Call<'_>) -> Result<Option<MultiCall>, String> {
        let op = match call.complete.filter(|op| op.kind != Kind::Info) {
            Some(end) if end.kind == Kind::Fail => return Ok(None),
            Some(end) => end,
            None => call.invoke,
        };
        let mut steps = steps(&op.value)
            .filter(|_| call.invoke.f == "txn")
            .ok_or("it is not a list of [\"r\" or \"w\", key, value]")?;
        if call.outcome() != Kind::Ok {
            // What it read is not known.
            steps.retain(|(writes, ..)| *writes);
        }
        Ok(Some(MultiCall(steps)))
    }

    fn step(&self, call: &MultiCall) -> Option<Self> {
        let mut next = self.clone();
        for (writes, key, value) in &call.0 {
            if *writes {
                next.0.insert(key.clone(), value.clone());
            } else if next.0.get(key).unwrap_or(&Value::Nil) != value {
                return None;
            }
        }
        Some(next)
    }

    fn observes(call: &MultiCall) -> bool {
        call.0.iter().all(|(writes, ..)| !writes)
    }

    fn objects(call: &Call<'_>) -> Vec<Object> {
        let steps = steps(&call.invoke.value).unwrap_or_default();
        if steps.is_empty() {
            return vec![Object::whole(Value::Nil)];
        }
        steps
            .into_iter()
            .map(|(_, key, _)| Object::whole(key))
            .collect()
    }
}
