//! Contradictions gathered, and put into words from the calls that prove them.

use crate::calls::Calls;
use crate::explain::{name, time};
use crate::history::{Call, Kind, Value};
use crate::{Anomaly, Dependency, Report, Verdict};

/// How many contradictions are written out; all are counted.
pub(super) const EXPLAINED: usize = 5;

/// How many calls are told of one by one.
const SENTENCES: usize = 12;

/// How much of a value is shown.
const SHOWN: usize = 160;

/// The contradictions of one claim.
#[derive(Debug, Default)]
pub(super) struct Findings {
    written: Vec<Anomaly>,
    found: usize,
}

impl Findings {
    /// Counts a contradiction, and writes it out if it is among the first.
    pub(super) fn add(&mut self, write: impl FnOnce() -> Anomaly) {
        self.found += 1;
        if self.written.len() < EXPLAINED {
            self.written.push(write());
        }
    }

    /// Violated if there was a contradiction, else undecided if something was `lacking`.
    pub(super) fn report(self, checker: &str, lacking: Option<String>) -> Report {
        let mut report = match lacking {
            _ if self.found > 0 => Report::new(checker, Verdict::Violated),
            Some(why) => Report::undecided(checker, why),
            None => Report::new(checker, Verdict::Held),
        };
        report.anomalies = self.written;
        report.figure("contradictions", self.found);
        report
    }
}

/// A contradiction: the calls that prove it, a sentence each in the order of their starts, and
/// what follows from them.
pub(super) fn anomaly(
    calls: &Calls,
    name: &str,
    key: u32,
    proof: &[u32],
    conclusion: impl IntoIterator<Item = String>,
) -> Anomaly {
    let mut proof = proof.to_vec();
    proof.sort_unstable();
    proof.dedup();
    let mut ops = Vec::new();
    let mut because = Vec::new();
    for call in proof {
        let entries = calls.ops(call);
        ops.push(entries.0.index);
        ops.extend(entries.1.as_ref().map(|op| op.index));
        because.push(sentence(&calls.call(&entries)));
    }
    ops.sort_unstable();
    if because.len() > SENTENCES {
        let more = because.len() - SENTENCES + 1;
        because.truncate(SENTENCES - 1);
        because.push(format!(
            "And {more} more of that kind, all among the evidence."
        ));
    }
    because.extend(conclusion);
    let key = calls.value(key);
    Anomaly {
        name: name.to_owned(),
        key: (key != Value::Nil).then_some(key),
        ops,
        because,
        cycle: Vec::new(),
    }
}

/// An edge of a cycle: why one call must have come before another.
pub(super) fn before(calls: &Calls, from: u32, kind: &str, to: u32, why: String) -> Dependency {
    let start = |call| calls.ops(call).0.index;
    Dependency {
        from: start(from),
        to: start(to),
        kind: kind.to_owned(),
        why,
    }
}

/// What a call was, when, and how it ended, with its answer.
fn sentence(call: &Call<'_>) -> String {
    let name = short(name(call));
    let began = time(call.invoke.time, call.untimed);
    let Some(end) = call.complete.filter(|end| end.kind != Kind::Info) else {
        return format!("{name} began at {began} and its outcome is unknown.");
    };
    let ended = time(end.time, call.untimed);
    match end.kind {
        Kind::Fail => format!("{name} ran from {began} to {ended} and failed: it had no effect."),
        _ if end.value == call.invoke.value => {
            format!("{name} ran from {began} to {ended} and was acknowledged.")
        }
        _ => {
            let value = short(end.value.to_string());
            format!("{name} ran from {began} to {ended} and returned {value}.")
        }
    }
}

fn short(text: String) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// A value in words.
pub(super) fn word(calls: &Calls, number: u32) -> String {
    short(calls.value(number).to_string())
}

/// " on n1", if a call's node is known.
pub(super) fn on_node(calls: &Calls, call: u32) -> String {
    let node = calls
        .node(call)
        .map(|node| &calls.nodes()[usize::from(node)]);
    node.map_or(String::new(), |node| format!(" on {node}"))
}
