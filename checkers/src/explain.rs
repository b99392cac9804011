//! Contradictions in words: what each operation did and when, then why it cannot be.

use crate::Anomaly;
use crate::calls::Calls;
use crate::history::{Call, Kind, Nanos, Value};
use crate::objects::{Moment, NEVER};

/// A time in milliseconds, to the microsecond.
pub(crate) fn ms(time: Nanos) -> String {
    format!("{}.{:03} ms", time / 1_000_000, time / 1_000 % 1_000)
}

/// A time of a call, or the entry at that place where there are no times.
pub(crate) fn time(time: Nanos, untimed: bool) -> String {
    if untimed {
        format!("entry {time}")
    } else {
        ms(time)
    }
}

/// A moment of a history that bears times, as [`ms`] has it.
pub(crate) fn at(moment: Moment) -> String {
    place(moment, false)
}

/// A moment that is neither before nor after the history, as [`time`] has it.
pub(crate) fn place(moment: Moment, untimed: bool) -> String {
    if moment == NEVER {
        "the end of time".to_owned()
    } else {
        time(moment.saturating_sub(1), untimed)
    }
}

/// What a call was: "write 7 (p3, n1)".
pub(crate) fn name(call: &Call<'_>) -> String {
    let f = match call.invoke.f.as_str() {
        "read-set" | "final-read-set" => "read of the set",
        f => f,
    };
    let argument = match (f, &call.invoke.value) {
        (_, Value::Nil) => String::new(),
        ("cas", Value::List(pair)) if pair.len() == 2 => format!(" {} to {}", pair[0], pair[1]),
        (_, value) => format!(" {value}"),
    };
    let node = call
        .node()
        .map_or(String::new(), |node| format!(", {node}"));
    format!("{f}{argument} ({}{node})", call.invoke.process)
}

/// What a call was, when, and how it ended.
pub(crate) fn told(call: &Call<'_>) -> String {
    let name = name(call);
    let began = call.invoke.time;
    match call.complete {
        Some(end) if end.kind == Kind::Ok => {
            let result = match &end.value {
                _ if !call.invoke.f.as_str().contains("read") => "was acknowledged".to_owned(),
                Value::List(items) => format!("returned {} elements", items.len()),
                value => format!("returned {value}"),
            };
            let (began, ended) = (time(began, call.untimed), time(end.time, call.untimed));
            format!("{name} ran from {began} to {ended} and {result}.")
        }
        Some(end) if end.kind == Kind::Fail => {
            let (began, ended) = (time(began, call.untimed), time(end.time, call.untimed));
            format!("{name} ran from {began} to {ended} and failed: it had no effect.")
        }
        _ => {
            let began = time(began, call.untimed);
            format!("{name} began at {began} and its outcome is unknown.")
        }
    }
}

/// The indices of the entries of these calls, in order, each once.
pub(crate) fn entries(calls: &[&Call<'_>]) -> Vec<usize> {
    let mut entries: Vec<usize> = calls
        .iter()
        .flat_map(|call| [Some(call.invoke.index), call.complete.map(|op| op.index)])
        .flatten()
        .collect();
    entries.sort_unstable();
    entries.dedup();
    entries
}

/// A contradiction: the calls that prove it, one sentence each in the order of their starts,
/// then the conclusion. With the time at which the last of them was over.
pub(crate) fn anomaly(
    name: &str,
    key: &Value,
    calls: &[&Call<'_>],
    conclusion: String,
) -> (Nanos, Anomaly) {
    let mut ordered = calls.to_vec();
    ordered.sort_by_key(|call| call.invoke.index);
    ordered.dedup_by_key(|call| call.invoke.index);
    let mut because: Vec<String> = ordered.iter().map(|call| told(call)).collect();
    because.push(conclusion);
    let end = |call: &&Call<'_>| call.complete.map_or(call.invoke.time, |op| op.time);
    let complete = ordered.iter().map(end).max().unwrap_or(0);
    let anomaly = Anomaly {
        name: name.to_owned(),
        key: (*key != Value::Nil).then(|| key.clone()),
        ops: entries(&ordered),
        because,
        cycle: Vec::new(),
    };
    (complete, anomaly)
}

/// As [`anomaly`], of calls by number.
pub(crate) fn of_calls(
    calls: &Calls,
    name: &str,
    key: u32,
    of: &[u32],
    conclusion: String,
) -> Anomaly {
    let ops: Vec<_> = of.iter().map(|&call| calls.ops(call)).collect();
    let ops: Vec<_> = ops.iter().map(|ops| calls.call(ops)).collect();
    let ops: Vec<_> = ops.iter().collect();
    anomaly(name, &calls.value(key), &ops, conclusion).1
}
