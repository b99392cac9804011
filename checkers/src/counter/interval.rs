//! Every read against the least and the most that it can count.

use super::gather::{Change, Counters, Object, Read, Sums};
use crate::calls::Calls;
use crate::explain::of_calls;
use crate::linearizable::{self, grouping::at};
use crate::{Anomaly, Budget, Checker, Report, Verdict};

/// Judges counters by all reads of them; see the [module](super).
///
/// **Figures**: `counters`, `counters_skipped`, `counters_exact` (judged exactly), `changes`,
/// `unknown_changes`, `reads`, `reads_with_power` (that began after some change was
/// acknowledged, and could be wrong), `reads_outside`, `distance_max` and `distance_sum` (of
/// reads outside, from the nearest bound).
#[derive(Clone, Copy, Debug, Default)]
pub struct Counter;

impl Counter {
    /// How many anomalies are written out.
    pub const LISTED: usize = 50;

    /// How many changes are listed as evidence of one.
    pub const EVIDENCE: usize = 8;
}

#[derive(Default)]
struct Tally {
    skipped: usize,
    exact: usize,
    changes: usize,
    unknown: usize,
    reads: usize,
    power: usize,
    outside: usize,
    distance_max: i128,
    distance_sum: i128,
    anomalies: Vec<Anomaly>,
    why: Option<String>,
    found: usize,
}

impl Checker for Counter {
    fn name(&self) -> &str {
        "counter"
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
            let outside = tally.outside;
            bounds(calls, &object, &mut tally);
            if tally.outside == outside && !object.reads.is_empty() {
                exact(calls, &counters, place, object.key, &mut tally);
            }
        }
        report(self.name(), counters.len(), tally)
    }
}

fn bounds(calls: &Calls, object: &Object, tally: &mut Tally) {
    let changes = || object.changes.iter();
    let begun = Sums::of(changes().map(|change| (change.begins, change.by)));
    let sure = changes().filter(|change| change.is_sure());
    let sure = Sums::of(sure.map(|change| (change.ends, change.by)));
    tally.changes += object.changes.len();
    tally.unknown += changes().filter(|change| !change.is_sure()).count();
    for read in &object.reads {
        tally.reads += 1;
        let (may, must) = (begun.until(read.ends), sure.before(read.begins));
        let (least, most) = (must.0 + may.1, may.0 + must.1);
        tally.power += usize::from(must != (0, 0));
        let seen = i128::from(read.seen);
        let distance = (least - seen).max(seen - most);
        if distance <= 0 {
            continue;
        }
        tally.outside += 1;
        tally.found += 1;
        tally.distance_max = tally.distance_max.max(distance);
        tally.distance_sum = tally.distance_sum.saturating_add(distance);
        if tally.anomalies.len() < Counter::LISTED {
            tally
                .anomalies
                .push(outside(calls, object, read, least, most));
        }
    }
}

fn outside(calls: &Calls, object: &Object, read: &Read, least: i128, most: i128) -> Anomaly {
    // What was over before it and should have been counted, or began before its end.
    let below = i128::from(read.seen) < least;
    let matters = |change: &&Change| {
        if (change.by > 0) == below {
            change.ends < read.begins
        } else {
            change.begins <= read.ends
        }
    };
    let changes = object
        .changes
        .iter()
        .filter(matters)
        .take(Counter::EVIDENCE);
    let of: Vec<u32> = changes
        .map(|change| change.call)
        .chain([read.call])
        .collect();
    let conclusion = format!(
        "it returned {}, but by what was over when it began{} and what had begun when it ended \
         it stood between {least} and {most}.",
        read.seen,
        at(calls, read.begins)
    );
    of_calls(calls, "out-of-bounds", object.key, &of, conclusion)
}

/// Judges a counter whose changes are of one step without a gap.
fn exact(calls: &Calls, counters: &Counters<'_>, place: usize, key: u32, tally: &mut Tally) {
    let of: Vec<u32> = counters.calls(place).collect();
    match linearizable::counter_of_one_step(calls, &of) {
        None => {}
        Some(Ok(())) => tally.exact += 1,
        Some(Err((name, proof, conclusion))) => {
            tally.exact += 1;
            tally.found += 1;
            if tally.anomalies.len() < Counter::LISTED {
                tally
                    .anomalies
                    .push(of_calls(calls, name, key, &proof, conclusion));
            }
        }
    }
}

fn report(name: &str, counters: usize, tally: Tally) -> Report {
    let mut report = Report::new(name, Verdict::Held);
    report.figure("counters", counters);
    report.figure("counters_skipped", tally.skipped);
    report.figure("counters_exact", tally.exact);
    report.figure("changes", tally.changes);
    report.figure("unknown_changes", tally.unknown);
    report.figure("reads", tally.reads);
    report.figure("reads_with_power", tally.power);
    report.figure("reads_outside", tally.outside);
    report.figure("distance_max", tally.distance_max);
    report.figure("distance_sum", tally.distance_sum);
    report.anomalies = tally.anomalies;
    let why = if counters == 0 {
        Some("needs increments, decrements or adds of numbers; there are none".to_owned())
    } else if tally.why.is_some() {
        tally.why
    } else if tally.power == 0 {
        let why = "needs reads of a counter that begin after some change was acknowledged";
        Some(why.to_owned())
    } else {
        None
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
        Counter.check(&h(text), &Budget::unlimited())
    }

    #[test]
    fn reads_lie_within_their_bounds() {
        let held = judge("0:a2@x 0:ok 1:a3@x 2:r 2:ok=5 1:ok 2:r 2:ok=5");
        assert_eq!(held.verdict, Verdict::Held, "{held:#?}");
        let low = judge("0:a2@x 0:ok 1:a3@x 1:ok 2:r 2:ok=3");
        assert_eq!(low.anomalies[0].name, "out-of-bounds");
        assert_eq!(low.number("distance_max"), Some(2));
        let unknown = judge("0:a2@x 0:info 1:a1@x 1:ok 2:r 2:ok=1 2:r 2:ok=3");
        assert_eq!(unknown.verdict, Verdict::Held);
        let negative = judge("0:a2@x 0:ok 1:a-3@x 1:ok 2:r 2:ok=-1");
        assert_eq!(negative.verdict, Verdict::Held);
    }

    #[test]
    fn one_step_is_judged_exactly() {
        // Within the bounds, but the value goes back.
        let back = judge("3:a1@x 3:ok 0:a1@x 1:r 1:ok=2 1:r 1:ok=1");
        assert_eq!(back.number("reads_outside"), Some(0));
        assert_eq!(back.number("counters_exact"), Some(1));
        assert_eq!(back.verdict, Verdict::Violated);
    }

    #[test]
    fn what_is_missing_is_named() {
        let unread = judge("0:a1@x 0:ok 1:r 1:fail");
        assert!(unread.why.unwrap().contains("needs reads"));
        let early = judge("1:r 1:ok=0 0:a1@x 0:ok");
        assert!(early.why.unwrap().contains("needs reads"));
    }
}
