//! Set: the last read counts.

use std::collections::BTreeSet;

use super::gather::{Object, Sets};
use crate::calls::Calls;
use crate::counts::Counts;
use crate::explain::of_calls;
use crate::history::Kind;
use crate::linearizable::grouping::word;
use crate::{Anomaly, Budget, Checker, Report, Verdict};

/// Judges sets by the last read of each; see the [module](super).
///
/// **Figures**: `sets`, `sets_skipped`, `attempted`, `acknowledged`, `found` (attempted and in
/// the last read), `recovered` (found, of unknown outcome), `lost`, `late` (acknowledged after
/// the last read began, or not all nodes were finally read, and not in it), `removed`, `dirty`, `phantom`, `duplicate`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Set;

impl Set {
    /// How many anomalies are written out.
    pub const LISTED: usize = 50;
}

#[derive(Default)]
struct Tally {
    counts: Counts,
    anomalies: Vec<Anomaly>,
    why: Option<String>,
}

impl Tally {
    fn add(&mut self, name: &'static str, count: usize) {
        self.counts.add(name, count);
    }

    fn found(&mut self, name: &'static str, anomaly: impl FnOnce() -> Anomaly) {
        self.add(name, 1);
        if self.anomalies.len() < Set::LISTED {
            self.anomalies.push(anomaly());
        }
    }
}

impl Checker for Set {
    fn name(&self) -> &str {
        "set"
    }

    fn judge(&self, calls: &Calls, budget: &Budget) -> Report {
        let sets = Sets::of(calls);
        let mut tally = Tally::default();
        for place in 0..sets.len() {
            if budget.is_spent() {
                let why = "the budget was spent before every set was judged";
                return Report::undecided(self.name(), why);
            }
            let object = sets.object(place);
            tally.add("sets", 1);
            if let Some((index, reason)) = &object.unreadable {
                tally.add("sets_skipped", 1);
                let key = calls.value(object.key);
                let why = format!("{key} cannot be judged for the call at index {index}: {reason}");
                tally.why.get_or_insert(why);
            } else {
                count(calls, &object, &mut tally);
            }
        }
        report(self.name(), tally)
    }
}

fn count(calls: &Calls, object: &Object<'_>, tally: &mut Tally) {
    let Some(last) = object.reads.last() else {
        let key = calls.value(object.key);
        tally.why.get_or_insert(format!(
            "needs a read of {key} after its adds; it was never read"
        ));
        return;
    };
    let tell = |name: &str, of: &[u32], conclusion: String| {
        of_calls(calls, name, object.key, of, conclusion)
    };
    let mut sorted = last.items.to_vec();
    sorted.sort_unstable();
    for pair in sorted.windows(2).filter(|pair| pair[0] == pair[1]) {
        tally.found("duplicate", || {
            let twice = format!("it returned {} twice.", word(calls, pair[0]));
            tell("duplicate-element", &[last.call], twice)
        });
    }
    sorted.dedup();
    let removes = object.removes.iter();
    let removed: BTreeSet<u32> = removes.map(|&call| calls.argument[call as usize]).collect();
    // Elements by number, each with an add: one that did not fail, if there is one.
    let mut added: Vec<(u32, bool, u32)> = object
        .adds
        .iter()
        .map(|&add| {
            let at = add as usize;
            (calls.argument[at], calls.outcome[at] == Kind::Fail, add)
        })
        .collect();
    added.sort_unstable();
    for of in added.chunk_by(|one, other| one.0 == other.0) {
        let (value, has_failed, add) = of[0];
        let is_there = sorted.binary_search(&value).is_ok();
        let shown = || word(calls, value);
        if has_failed {
            if is_there {
                tally.found("dirty", || {
                    let failed = format!("it returned {} although its add failed.", shown());
                    tell("dirty-read", &[add, last.call], failed)
                });
            }
            continue;
        }
        tally.add("attempted", 1);
        let sure = of
            .iter()
            .filter(|(_, _, add)| calls.outcome[*add as usize] == Kind::Ok);
        let sure = sure.min_by_key(|(_, _, add)| calls.ends[*add as usize]);
        tally.add("acknowledged", usize::from(sure.is_some()));
        if is_there {
            tally.add("found", 1);
            tally.add("recovered", usize::from(sure.is_none()));
        } else if let Some((_, _, add)) = sure {
            if removed.contains(&value) {
                tally.add("removed", 1);
            } else if calls.ends[*add as usize] < last.begins && !last.is_partial {
                tally.found("lost", || {
                    let gone = format!("the last read lacks {}.", shown());
                    tell("lost-element", &[*add, last.call], gone)
                });
            } else {
                tally.add("late", 1);
            }
        }
    }
    for &value in &sorted {
        if added
            .binary_search_by_key(&value, |(value, _, _)| *value)
            .is_err()
        {
            tally.found("phantom", || {
                let unknown = format!("it returned {}, which nobody added.", word(calls, value));
                tell("phantom-read", &[last.call], unknown)
            });
        }
    }
}

fn report(name: &str, tally: Tally) -> Report {
    let mut report = Report::new(name, Verdict::Held);
    for name in [
        "sets",
        "sets_skipped",
        "attempted",
        "acknowledged",
        "found",
        "recovered",
        "lost",
        "late",
        "removed",
        "dirty",
        "phantom",
        "duplicate",
    ] {
        report.figure(name, tally.counts.of(name));
    }
    let number = |name: &str| report.number(name).unwrap_or(0);
    let bad = number("lost") + number("dirty") + number("phantom") + number("duplicate");
    let why = if number("sets") == 0 {
        Some("needs adds to a set; there are none".to_owned())
    } else if tally.why.is_some() {
        tally.why
    } else if number("late") > 0 {
        Some(format!(
            "needs a read after the last add, or final reads of all nodes; {} elements may have been \
             acknowledged only after the last read began, or be on a node that was not read",
            number("late")
        ))
    } else if number("acknowledged") - number("removed") == 0 {
        Some("needs acknowledged adds; none could have been lost".to_owned())
    } else {
        None
    };
    report.anomalies = tally.anomalies;
    if bad > 0 {
        report.verdict = Verdict::Violated;
    } else if why.is_some() {
        report.verdict = Verdict::Undecided;
        report.why = why;
    }
    report
}
