//! What came of many objects, and the verdict that follows.

use std::collections::BTreeMap;

use super::search::Sums;
use super::{Judgement, Linearizable};
use crate::history::Value;
use crate::model::Known;
use crate::{Anomaly, Report, Verdict};

/// Counts of objects and what was found of them.
#[derive(Default)]
pub(super) struct Tally {
    keys: usize,
    violated: usize,
    undecided: usize,
    powerless: usize,
    contradictions: usize,
    found: Vec<(u64, Anomaly)>,
    why: Option<String>,
    /// How many objects each algorithm decided.
    by: BTreeMap<&'static str, usize>,
    /// What the search did, if there was one.
    pub(super) sums: Sums,
}

impl Tally {
    /// Takes what was found of one object.
    pub(super) fn take(&mut self, key: &Value, judgement: Judgement) {
        self.keys += 1;
        self.contradictions += judgement.contradictions;
        self.found.extend(judgement.found);
        if self.found.len() > 100 * Linearizable::LISTED {
            self.found.sort_by_key(|(at, _)| *at);
            self.found.truncate(Linearizable::LISTED);
        }
        if judgement.contradictions > 0 {
            self.violated += 1;
        } else if let Some(why) = judgement.undecided {
            self.undecided += 1;
            self.why.get_or_insert_with(|| format!("{key}: {why}"));
        } else if !judgement.power {
            self.powerless += 1;
        }
    }

    /// Takes so many objects in which nothing contradicts.
    pub(super) fn fine(&mut self, power: bool, objects: usize) {
        self.keys += objects;
        self.powerless += if power { 0 } else { objects };
    }

    /// Notes which algorithm decided so many objects.
    pub(super) fn decided(&mut self, by: &'static str, objects: usize) {
        if objects > 0 {
            *self.by.entry(by).or_default() += objects;
        }
    }

    /// Adds what another counted.
    pub(super) fn join(&mut self, other: Self) {
        self.keys += other.keys;
        self.violated += other.violated;
        self.undecided += other.undecided;
        self.powerless += other.powerless;
        self.contradictions += other.contradictions;
        self.found.extend(other.found);
        self.why = self.why.take().or(other.why);
        for (name, count) in other.by {
            *self.by.entry(name).or_default() += count;
        }
        self.sums.add(&other.sums);
    }

    /// Whether there were objects, and none of them could have come out badly.
    fn is_powerless(&self) -> bool {
        self.keys > 0 && self.powerless == self.keys
    }
}

/// What came of the objects of each model; none where the caller's own model judged.
pub(super) type Tallies = Vec<(Option<Known>, Tally)>;

/// Objects whose model nobody can tell.
#[derive(Default)]
pub(super) struct Doubt {
    pub(super) keys: usize,
    pub(super) why: Option<String>,
}

/// The verdict on the objects of several models, and on those whose model is in doubt.
pub(super) fn conclude(report: &mut Report, tallies: Tallies, doubt: Doubt, spent: bool) {
    let doubtful = doubt.keys;
    let doubt = doubt.why;
    let powerless = (tallies.iter())
        .find(|(_, tally)| tally.is_powerless())
        .map(|(known, _)| match known {
            Some(Known::GrowOnlySet) => {
                "no set was both read and possibly added to; nothing could contradict".to_owned()
            }
            Some(Known::Register | Known::CasRegister) | None => {
                "no register was both read and possibly written; nothing could contradict"
                    .to_owned()
            }
            Some(known) => format!(
                "no {} was both observed and possibly changed; nothing could contradict",
                known.name()
            ),
        });
    let mut all = Tally::default();
    for (_, tally) in tallies {
        all.join(tally);
    }
    report.figure("keys", all.keys + doubtful);
    report.figure("keys_violated", all.violated);
    report.figure("keys_undecided", all.undecided + doubtful);
    report.figure("keys_without_reads", all.powerless);
    report.figure("contradictions", all.contradictions);
    for (name, count) in &all.by {
        report.figure(&format!("keys_by_{name}"), *count);
    }
    all.sums.tell(report);
    let why = if spent {
        Some("the budget was spent before every key was judged; give it more time".to_owned())
    } else if doubt.is_some() {
        doubt
    } else if all.keys == 0 {
        Some(
            "no operation is one of a known model that was answered; nothing was checked"
                .to_owned(),
        )
    } else {
        all.why.or(powerless)
    };
    all.found.sort_by_key(|(at, _)| *at);
    all.found.truncate(Linearizable::LISTED);
    report.anomalies = all.found.into_iter().map(|(_, anomaly)| anomaly).collect();
    if all.contradictions > 0 {
        report.verdict = Verdict::Violated;
    } else if why.is_some() {
        report.verdict = Verdict::Undecided;
        report.why = why;
    }
}
