//! From when to when what was broken, as the verdict tells it.

use crate::report::told::ToldFault;

/// A time during which something was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    pub(crate) fault: String,
    pub(crate) nodes: Vec<String>,
    /// In milliseconds since the run began.
    pub(crate) from_ms: u64,
    /// None if it was never undone.
    pub(crate) to_ms: Option<u64>,
    /// Whether it was done and proven.
    pub(crate) proven: bool,
}

/// What mends each fault; `heal` mends all of them.
const REMEDIES: [(&str, &str); 6] = [
    ("start", "kill"),
    ("resume", "pause"),
    ("reset-clock", "clock"),
    ("repeat-no-more", "repeat"),
    ("fast", "slow"),
    ("heal", "partition"),
];
/// What is done to the system and breaks nothing.
const HARMLESS: [&str; 1] = ["promote"];

/// The windows, in order; what is not known by name counts as a fault, until the next `heal`.
pub(crate) fn windows(faults: &[ToldFault]) -> Vec<Window> {
    let mut windows: Vec<Window> = Vec::new();
    for record in faults {
        let nodes: Vec<String> = record.nodes().into_iter().map(str::to_owned).collect();
        let at = record.done_ms.unwrap_or(record.begun_ms);
        let remedy = REMEDIES.iter().find(|(remedy, _)| record.fault == *remedy);
        if let Some((remedy, mends)) = remedy {
            for window in windows.iter_mut().filter(|window| window.to_ms.is_none()) {
                let all = *remedy == "heal";
                let named = nodes.is_empty()
                    || window.nodes.is_empty()
                    || window.nodes.iter().any(|node| nodes.contains(node));
                if all || (window.fault == *mends && named) {
                    window.to_ms = Some(at);
                }
            }
        } else if !HARMLESS.contains(&record.fault.as_str()) {
            windows.push(Window {
                fault: record.fault.clone(),
                nodes,
                from_ms: record.begun_ms,
                to_ms: None,
                proven: record.done_ms.is_some(),
            });
        }
    }
    windows
}

/// Whether a record is a fault, and neither a remedy nor harmless.
pub(crate) fn is_fault(name: &str) -> bool {
    !HARMLESS.contains(&name) && !REMEDIES.iter().any(|(remedy, _)| name == *remedy)
}

impl Window {
    /// "kill of n1".
    pub(crate) fn in_words(&self) -> String {
        if self.nodes.is_empty() {
            return self.fault.clone();
        }
        format!("{} of {}", self.fault, self.nodes.join(" "))
    }

    /// Whether it covers a moment, given in nanoseconds.
    pub(crate) fn covers(&self, nanos: u64) -> bool {
        let ms = nanos / 1_000_000;
        self.from_ms <= ms && self.to_ms.is_none_or(|to| ms <= to)
    }

    /// Whether it has a moment in common with a stretch of nanoseconds.
    pub(crate) fn meets(&self, from: u64, to: u64) -> bool {
        self.from_ms <= to / 1_000_000 && self.to_ms.is_none_or(|end| from / 1_000_000 <= end)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn record(fault: &str, begun_ms: u64, nodes: &[&str]) -> ToldFault {
        ToldFault {
            fault: fault.into(),
            begun_ms,
            done_ms: Some(begun_ms + 5),
            done: json!({ "nodes": nodes }),
        }
    }

    #[test]
    fn remedies_end_windows_and_what_is_new_is_a_fault() {
        let faults = [
            record("kill", 10, &["n1"]),
            record("kill", 20, &["n2"]),
            record("promote", 25, &[]),
            record("start", 30, &["n1"]),
            record("clock-skew", 40, &["n3"]),
            record("heal", 50, &[]),
            record("pause", 60, &["n4"]),
        ];
        let spans: Vec<_> = windows(&faults)
            .iter()
            .map(|w| (w.in_words(), w.from_ms, w.to_ms))
            .collect();
        let expected = [
            ("kill of n1".to_owned(), 10, Some(35)),
            ("kill of n2".to_owned(), 20, Some(55)),
            ("clock-skew of n3".to_owned(), 40, Some(55)),
            ("pause of n4".to_owned(), 60, None),
        ];
        assert_eq!(spans, expected);
    }
}
