//! Ids that rise along real time; the page is `checkers/pages/ordered-ids.md`.

use std::collections::BTreeMap;

use super::findings::{Findings, anomaly, word};
use super::ordered::{Entry, sweep};
use super::places::Places;
use super::unique_ids::given;
use crate::calls::Calls;
use crate::history::Nanos;
use crate::history::dictionary::Interned;
use crate::{Budget, Checker, Report};

/// An id is higher than every one that had been given out before it was asked for.
#[derive(Clone, Copy, Debug, Default)]
pub struct OrderedIds {
    /// How much earlier the other must have been given out: ids of clocks are in order only
    /// as far as the clocks agree.
    pub slack: Nanos,
}

/// Ids as numbers in their order; none if some are numbers and some text, or are neither.
fn comparable(calls: &Calls, given: &[u32]) -> Option<Vec<i64>> {
    let mut texts: BTreeMap<&str, i64> = BTreeMap::new();
    let mut ids = Vec::with_capacity(given.len());
    for &call in given {
        match calls.values.get(calls.result(call)) {
            Interned::Int(number) => ids.push(number),
            Interned::Str(text) => {
                texts.insert(text, 0);
            }
            _ => return None,
        }
    }
    if texts.is_empty() {
        return Some(ids);
    }
    for (rank, number) in (0..).zip(texts.values_mut()) {
        *number = rank;
    }
    let text = |&call: &u32| match calls.values.get(calls.result(call)) {
        Interned::Str(text) => texts.get(text).copied(),
        _ => None,
    };
    given.iter().map(text).collect()
}

impl Checker for OrderedIds {
    fn name(&self) -> &'static str {
        "ordered-ids"
    }

    fn judge(&self, calls: &Calls, _: &Budget) -> Report {
        let Some((given, without)) = given(calls) else {
            return Report::undecided(self.name(), "needs generate, which no client asked for");
        };
        if self.slack > 0 && calls.is_untimed() {
            let why = "needs times, since some disorder is allowed for a time";
            return Report::undecided(self.name(), why);
        }
        let Some(ids) = comparable(calls, &given) else {
            let why = "needs ids that are all numbers or all text, so that they have an order";
            return Report::undecided(self.name(), why);
        };
        let mut objects = Places::default();
        let mut all = Vec::with_capacity(ids.len());
        for (&call, value) in given.iter().zip(ids) {
            all.push(Entry {
                object: objects.place((0, calls.key[call as usize])),
                value,
                call,
            });
        }
        let slack = self.slack;
        let begins = |one: &Entry| match calls.begins[one.call as usize] {
            rank if slack == 0 => rank.into(),
            rank => calls.time(rank),
        };
        let by = |one: &Entry| match calls.ends[one.call as usize] {
            rank if slack == 0 => rank.into(),
            rank => calls.time(rank).saturating_add(slack),
        };
        let mut findings = Findings::default();
        let mut pairs = 0_usize;
        sweep(&all, by, all.iter().copied(), begins, |sooner, later| {
            pairs += 1;
            if later.value <= sooner.value {
                findings.add(|| {
                    let low = word(calls, calls.result(later.call));
                    let high = word(calls, calls.result(sooner.call));
                    let conclusion = format!(
                        "{low} is not above {high}, which had been given out before {low} was \
                         asked for."
                    );
                    let key = calls.key[later.call as usize];
                    anomaly(
                        calls,
                        "id-went-back",
                        key,
                        &[sooner.call, later.call],
                        [conclusion],
                    )
                });
            }
        });
        let lacking = if without > 0 {
            Some(format!(
                "needs an id in every acknowledged answer; {without} had none"
            ))
        } else if pairs == 0 {
            Some("needs an id that was asked for after another had been given out".to_owned())
        } else {
            None
        };
        let mut report = findings.report(self.name(), lacking);
        report.figure("ids", given.len());
        report.figure("ids_after_another", pairs);
        report
    }
}
