//! Counters whose nodes may be behind: what every node has in the end.

use std::collections::BTreeSet;

use super::gather::{Counters, Object, Read, Sums};
use crate::calls::{BEFORE, Calls};
use crate::explain::of_calls;
use crate::{Anomaly, Budget, Checker, Report, Verdict};

/// Judges counters by their final values; see the [module](super).
///
/// **Figures**: `counters`, `counters_skipped`, `changes`, `unknown_changes`, `reads`,
/// `reads_outside` (of what anybody had begun to ask for), `final_reads`, `final_reads_wrong`,
/// `counters_divergent` (final reads differ), `distance_max` (of wrong final reads, from the
/// nearest value that is possible).
#[derive(Clone, Copy, Debug, Default)]
pub struct PnCounter;

impl PnCounter {
    /// How many anomalies are written out.
    pub const LISTED: usize = 50;

    /// How many different sums of unknown changes are kept; beyond, only their bounds are.
    pub const SUMS: usize = 1 << 14;
}

#[derive(Default)]
struct Tally {
    skipped: usize,
    changes: usize,
    unknown: usize,
    reads: usize,
    outside: usize,
    finals: usize,
    wrong: usize,
    divergent: usize,
    distance_max: i128,
    found: usize,
    anomalies: Vec<Anomaly>,
    why: Option<String>,
}

impl Tally {
    fn found(&mut self, anomaly: impl FnOnce() -> Anomaly) {
        self.found += 1;
        if self.anomalies.len() < PnCounter::LISTED {
            self.anomalies.push(anomaly());
        }
    }
}

impl Checker for PnCounter {
    fn name(&self) -> &str {
        "pn-counter"
    }

    fn judge(&self, calls: &Calls, budget: &Budget) -> Report {
        let counters = Counters::of(calls);
        let mut tally = Tally::default();
        for place in 0..counters.len() {
            if budget.is_spent() {
                let why = "the budget was spent before every counter was judged";
                return Report::undecided(self.name(), why);
            }
            let object = counters.object(place);
            if let Some((index, reason)) = &object.unreadable {
                tally.skipped += 1;
                let key = calls.value(object.key);
                let why = format!("{key} cannot be judged for the call at index {index}: {reason}");
                tally.why.get_or_insert(why);
                continue;
            }
            anywhere(calls, &object, &mut tally);
            in_the_end(calls, &object, &mut tally);
        }
        report(self.name(), counters.len(), tally)
    }
}

/// No read counts what nobody had begun to ask for, wherever it was answered.
fn anywhere(calls: &Calls, object: &Object, tally: &mut Tally) {
    let changes = object.changes.iter();
    let begun = Sums::of(changes.map(|change| (change.begins, change.by)));
    tally.changes += object.changes.len();
    for read in &object.reads {
        tally.reads += 1;
        let (most, least) = begun.until(read.ends);
        let seen = i128::from(read.seen);
        if seen >= least && seen <= most {
            continue;
        }
        tally.outside += 1;
        tally.found(|| {
            let conclusion = format!(
                "it returned {seen}, but all that had begun when it ended makes between {least} \
                 and {most}."
            );
            of_calls(calls, "out-of-bounds", object.key, &[read.call], conclusion)
        });
    }
}

fn in_the_end(calls: &Calls, object: &Object, tally: &mut Tally) {
    let sure = || object.changes.iter().filter(|change| change.is_sure());
    let unknown: Vec<i64> = object
        .changes
        .iter()
        .filter(|change| !change.is_sure())
        .map(|change| change.by)
        .collect();
    tally.unknown += unknown.len();
    let base: i128 = sure().map(|change| i128::from(change.by)).sum();
    let over = sure().map(|change| change.ends).max().unwrap_or(BEFORE);
    let finals = object.reads.iter();
    let finals = finals.filter(|read| read.is_final && read.begins > over);
    let finals: Vec<&Read> = finals.filter(|_| sure().next().is_some()).collect();
    if finals.is_empty() {
        let key = calls.value(object.key);
        let why = format!("needs final reads of {key}, begun after its changes were over");
        tally.why.get_or_insert(why);
        return;
    }
    tally.finals += finals.len();
    let sums = Possible::of(base, &unknown);
    for read in &finals {
        let distance = sums.distance(i128::from(read.seen));
        if distance == 0 {
            continue;
        }
        tally.wrong += 1;
        tally.distance_max = tally.distance_max.max(distance);
        tally.found(|| {
            let maybe = match unknown.len() {
                0 => String::new(),
                count => format!(", and {count} of unknown outcome cannot make up for it"),
            };
            let conclusion = format!(
                "it returned {}, but the acknowledged changes make {base}{maybe}.",
                read.seen
            );
            of_calls(
                calls,
                "wrong-final-value",
                object.key,
                &[read.call],
                conclusion,
            )
        });
    }
    let other = finals.iter().find(|read| read.seen != finals[0].seen);
    let Some(other) = other else { return };
    tally.divergent += 1;
    if unknown.is_empty() {
        tally.found(|| {
            let differ = format!("one returned {}, the other {}.", finals[0].seen, other.seen);
            let of = [finals[0].call, other.call];
            of_calls(calls, "divergent-counter", object.key, &of, differ)
        });
    } else {
        let key = calls.value(object.key);
        let why = format!(
            "the final reads of {key} differ, but changes of unknown outcome may still have been \
             on their way"
        );
        tally.why.get_or_insert(why);
    }
}

/// What a counter can be in the end.
enum Possible {
    /// Any of these.
    Sums(BTreeSet<i128>),
    /// Too many to tell: something between these, at a distance from the first that the number
    /// divides.
    Between(i128, i128, i128),
}

impl Possible {
    /// Of some of the unknown changes, beside what is sure.
    fn of(base: i128, unknown: &[i64]) -> Self {
        let mut sums = BTreeSet::from([base]);
        for &by in unknown {
            let more: Vec<i128> = sums.iter().map(|sum| sum + i128::from(by)).collect();
            sums.extend(more);
            if sums.len() > PnCounter::SUMS {
                let sum = |of: fn(i64) -> i64| {
                    let all = unknown.iter().map(|by| i128::from(of(*by)));
                    all.sum::<i128>()
                };
                let (least, most) = (base + sum(|by| by.min(0)), base + sum(|by| by.max(0)));
                let step = unknown
                    .iter()
                    .fold(0, |step, by| divisor(step, i128::from(*by)));
                return Self::Between(least, most, step);
            }
        }
        Self::Sums(sums)
    }

    fn distance(&self, seen: i128) -> i128 {
        match self {
            Self::Sums(sums) => {
                let below = sums.range(..=seen).next_back();
                let above = sums.range(seen..).next();
                let of = below.into_iter().chain(above).map(|sum| (sum - seen).abs());
                of.min().unwrap_or(0)
            }
            Self::Between(least, most, step) => {
                let outside = (least - seen).max(seen - most).max(0);
                let rest = (seen - least).rem_euclid((*step).max(1));
                if outside > 0 {
                    outside
                } else {
                    rest.min(step - rest)
                }
            }
        }
    }
}

/// The greatest number that divides both.
fn divisor(one: i128, other: i128) -> i128 {
    let (mut one, mut other) = (one.abs(), other.abs());
    while other != 0 {
        (one, other) = (other, one % other);
    }
    one
}

fn report(name: &str, counters: usize, tally: Tally) -> Report {
    let mut report = Report::new(name, Verdict::Held);
    report.figure("counters", counters);
    report.figure("counters_skipped", tally.skipped);
    report.figure("changes", tally.changes);
    report.figure("unknown_changes", tally.unknown);
    report.figure("reads", tally.reads);
    report.figure("reads_outside", tally.outside);
    report.figure("final_reads", tally.finals);
    report.figure("final_reads_wrong", tally.wrong);
    report.figure("counters_divergent", tally.divergent);
    report.figure("distance_max", tally.distance_max);
    report.anomalies = tally.anomalies;
    let why = if counters == 0 {
        Some("needs increments, decrements or adds of numbers; there are none".to_owned())
    } else {
        tally.why
    };
    if tally.found > 0 {
        report.verdict = Verdict::Violated;
    } else if why.is_some() {
        report.verdict = Verdict::Undecided;
        report.why = why;
    }
    report
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::notation::h;

    fn judge(text: &str) -> Report {
        PnCounter.check(&h(text), &Budget::unlimited())
    }

    #[test]
    fn a_read_may_be_behind_but_not_ahead() {
        let behind = judge("0:a2@x 0:ok 1:r 1:ok=0 9:frc 9:ok=2");
        assert_eq!(behind.verdict, Verdict::Held, "{behind:#?}");
        let ahead = judge("0:a2@x 0:ok 1:r 1:ok=3 0:a1@x 0:ok 9:frc 9:ok=3");
        assert_eq!(ahead.anomalies[0].name, "out-of-bounds");
        let unread = judge("0:a2@x 0:ok 1:r 1:ok=2");
        assert!(unread.why.unwrap().contains("needs final reads"));
    }

    #[test]
    fn unknown_changes_make_up_only_for_their_sums() {
        let sum = judge("0:a5@x 0:ok 1:a3@x 1:info 9:frc 9:ok=8");
        assert_eq!(sum.verdict, Verdict::Held);
        let none = judge("0:a5@x 0:ok 1:a3@x 1:info 9:frc 9:ok=6");
        assert_eq!(none.anomalies[0].name, "wrong-final-value");
        assert_eq!(none.number("distance_max"), Some(1));
        let differ = judge("0:a5@x 0:ok 1:a3@x 1:info 8:frc%n1 8:ok=8 9:frc%n2 9:ok=5");
        assert_eq!(differ.verdict, Verdict::Undecided);
        assert_eq!(differ.number("counters_divergent"), Some(1));
        let certain = judge("0:a5@x 0:ok 8:frc%n1 8:ok=5 9:frc%n2 9:ok=4");
        assert_eq!(certain.anomalies[1].name, "divergent-counter");
    }

    #[test]
    fn many_unknown_changes_leave_their_bounds_and_their_divisor() {
        let unknown: Vec<i64> = (0..40).map(|power| 2 << (power % 31)).collect();
        let possible = Possible::of(1, &unknown);
        assert!(matches!(possible, Possible::Between(1, _, 2)));
        assert_eq!(possible.distance(0), 1);
        assert_eq!(possible.distance(4), 1);
        assert_eq!(possible.distance(7), 0);
    }
}
