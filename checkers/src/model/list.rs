//! A list that is only appended to.

use super::Model;
use crate::history::{Call, Kind, Value};

/// What a list was asked, with what is known of the answer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ListCall {
    /// This was put at its end.
    Append(Value),
    /// It held exactly these, in this order.
    Read(Vec<Value>),
}

/// A list: `append` a value, `read` → its elements, in order; nil is the empty list. Empty at
/// first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct AppendList(pub Vec<Value>);

impl Model for AppendList {
    type Call = ListCall;

    fn decode(call: &Call<'_>) -> Result<Option<ListCall>, String> {
        Ok(match call.invoke.f.as_str() {
            _ if call.outcome() == Kind::Fail => None,
            "append" => Some(ListCall::Append(call.invoke.value.clone())),
            "read" => match call.complete.filter(|op| op.kind == Kind::Ok) {
                None => None,
                Some(end) if end.value == Value::Nil => Some(ListCall::Read(Vec::new())),
                Some(end) => match end.value.as_list() {
                    Some(elements) => Some(ListCall::Read(elements.to_vec())),
                    None => return Err("its result is not a list of elements".to_owned()),
                },
            },
            f => return Err(format!("{f} is not an operation of a list")),
        })
    }

    fn step(&self, call: &ListCall) -> Option<Self> {
        match call {
            ListCall::Append(value) => {
                let mut next = self.clone();
                next.0.push(value.clone());
                Some(next)
            }
            ListCall::Read(seen) => (*seen == self.0).then(|| self.clone()),
        }
    }

    fn observes(call: &ListCall) -> bool {
        matches!(call, ListCall::Read(_))
    }
}
