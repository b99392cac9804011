//! Judging while the history is written: the first contradiction ends the load.

use checkers::history::{Nanos, Op};
use checkers::streaming::{Registers, Step, Streaming};

/// Waits for the first contradiction among the registers.
#[derive(Debug, Default)]
pub struct Watch {
    registers: Registers,
    first: Option<Seen>,
}

/// A contradiction, and the entry with which it was certain.
#[derive(Debug)]
struct Seen {
    index: usize,
    time: Nanos,
    what: String,
}

impl Watch {
    /// Takes the next entry; after a contradiction nothing is looked at any more.
    pub fn take(&mut self, op: &Op) {
        if self.first.is_some() {
            return;
        }
        if let Step::Violated(anomaly) = self.registers.entry(op) {
            let key = anomaly
                .key
                .map_or(String::new(), |key| format!(" of {key}"));
            let conclusion = anomaly.because.last().map_or("", String::as_str);
            self.first = Some(Seen {
                index: op.index,
                time: op.time,
                what: format!("{}{key}: {conclusion}", anomaly.name),
            });
        }
    }

    /// Whether there was a contradiction.
    #[must_use]
    pub fn has_seen(&self) -> bool {
        self.first.is_some()
    }

    /// The first contradiction, if there was one.
    #[must_use]
    pub fn told(&self) -> Option<String> {
        let Seen { index, what, .. } = self.first.as_ref()?;
        Some(format!("at entry {index}: {what}"))
    }

    /// Why the load ended early, if it did.
    #[must_use]
    pub fn why(&self) -> Option<String> {
        let Seen { index, time, what } = self.first.as_ref()?;
        Some(format!(
            "the load was stopped early, {:.3} s into the run, at entry {index}: {what}",
            std::time::Duration::from_nanos(*time).as_secs_f64()
        ))
    }
}

#[cfg(test)]
mod tests {
    use checkers::history::notation::ops;

    use super::*;

    #[test]
    fn the_first_contradiction_is_kept_and_told() {
        let mut watch = Watch::default();
        for op in ops("0:w1 0:ok 0:w2 0:ok 1:r") {
            watch.take(&op);
        }
        assert!(!watch.has_seen() && watch.why().is_none());
        for op in ops("0:w1 0:ok 0:w2 0:ok 1:r 1:ok=1 1:r 1:ok=nil").split_off(5) {
            watch.take(&op);
        }
        let why = watch.why().expect("there is one");
        assert!(why.contains("entry 5: stale-read of \"x\": "), "{why}");
    }
}
