//! A counter.

use super::Model;
use crate::history::{Call, Kind};

/// What a counter was asked, with what is known of the answer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum CounterCall {
    /// It was changed by this.
    Add(i64),
    /// It stood at this.
    Read(i64),
}

/// A counter: `add` and `decrement` by a number, `read` → number. Zero at first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Counter(pub i64);

impl Model for Counter {
    type Call = CounterCall;
    const IMPERSONAL: bool = true;

    fn decode(call: &Call<'_>) -> Result<Option<CounterCall>, String> {
        let by = || {
            call.invoke
                .value
                .as_int()
                .ok_or("its argument is not a number")
        };
        Ok(match call.invoke.f.as_str() {
            _ if call.outcome() == Kind::Fail => None,
            "add" | "increment" => Some(CounterCall::Add(by()?)),
            "decrement" => Some(CounterCall::Add(
                by()?.checked_neg().ok_or("it is too large")?,
            )),
            "read" => match call.complete.filter(|op| op.kind == Kind::Ok) {
                None => None,
                Some(end) => Some(CounterCall::Read(
                    end.value.as_int().ok_or("its result is not a number")?,
                )),
            },
            f => return Err(format!("{f} is not an operation of a counter")),
        })
    }

    fn shown(&self) -> String {
        self.0.to_string()
    }

    fn step(&self, call: &CounterCall) -> Option<Self> {
        match call {
            CounterCall::Add(by) => self.0.checked_add(*by).map(Self),
            CounterCall::Read(seen) => (*seen == self.0).then(|| self.clone()),
        }
    }

    fn observes(call: &CounterCall) -> bool {
        matches!(call, CounterCall::Read(_) | CounterCall::Add(0))
    }
}
