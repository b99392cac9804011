//! The least k such that every read of a register returns one of the last k values, exactly, where
//! a search can afford it.

use std::collections::HashSet;

use crate::calls::Calls;
use crate::history::{Call, Kind, Value};
use crate::model::Model;
use crate::{Budget, Checker, Search, Verdict};

/// Objects with more calls than this are not searched.
const CALLS: usize = 200;

/// Nor are more objects than this.
const OBJECTS: usize = 16;

/// How far above its lower bound k is sought.
const STEPS: usize = 3;

/// What a search of one object may use.
const BYTES: usize = 1 << 20;

/// A register of which a read may return any of the last few values.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Recent {
    /// The last values, the newest at the end.
    values: Vec<Value>,
    k: usize,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum RecentCall {
    Read(Value),
    Write(Value),
}

impl Model for Recent {
    type Call = RecentCall;
    const IMPERSONAL: bool = true;

    fn decode(call: &Call<'_>) -> Result<Option<RecentCall>, String> {
        let argument = &call.invoke.value;
        Ok(match call.invoke.f.as_str() {
            _ if call.outcome() == Kind::Fail => None,
            "read" => (call.complete.filter(|op| op.kind == Kind::Ok))
                .map(|op| RecentCall::Read(op.value.clone())),
            "write" => Some(RecentCall::Write(argument.clone())),
            "cas" => match argument.as_list() {
                Some([_, new]) => Some(RecentCall::Write(new.clone())),
                _ => return Err("its argument is not a list of two values".to_owned()),
            },
            f => return Err(format!("{f} is not an operation of a register")),
        })
    }

    fn step(&self, call: &RecentCall) -> Option<Self> {
        match call {
            RecentCall::Read(value) => self.values.contains(value).then(|| self.clone()),
            RecentCall::Write(value) => {
                let kept = self.values.len().min(self.k - 1);
                let mut values = self.values[self.values.len() - kept..].to_vec();
                values.push(value.clone());
                Some(Self { values, k: self.k })
            }
        }
    }

    fn observes(call: &RecentCall) -> bool {
        matches!(call, RecentCall::Read(_))
    }

    fn useful(calls: &[(&RecentCall, bool)]) -> Vec<bool> {
        let read: HashSet<&Value> = (calls.iter())
            .filter_map(|(call, _)| match call {
                RecentCall::Read(value) => Some(value),
                RecentCall::Write(_) => None,
            })
            .collect();
        // A write that nobody read only drives older values out.
        let useful = calls.iter().map(|(call, _)| match call {
            RecentCall::Read(_) => true,
            RecentCall::Write(value) => read.contains(value),
        });
        useful.collect()
    }
}

/// The least k of all these objects, which is `at_least` this; none if it cannot be afforded.
/// Reads of values that nobody may have written must not be among their calls.
pub(super) fn least(
    calls: &Calls,
    objects: &[&[u32]],
    at_least: usize,
    budget: &Budget,
) -> Option<usize> {
    if objects.len() > OBJECTS || objects.iter().any(|of| of.len() > CALLS) {
        return None;
    }
    let mut k = at_least;
    for of in objects {
        let own = Calls::of(&calls.history(of));
        loop {
            let initial = Recent {
                values: vec![Value::Nil],
                k,
            };
            let budget = budget.clone().with_max_bytes(BYTES);
            match Search::new("k-atomic", initial)
                .judge(&own, &budget)
                .verdict
            {
                Verdict::Held => break,
                Verdict::Violated if k < at_least + STEPS => k += 1,
                Verdict::Violated | Verdict::Undecided => return None,
            }
        }
    }
    Some(k)
}
