#![doc = include_str!("../../pages/stale.md")]

mod atomic;
mod bound;
mod explain;
mod freshness;
pub(crate) mod growing;
pub(crate) mod kinds;
mod recent;
pub(crate) mod register;
mod segments;
mod tally;
mod visible;

use std::cmp::Reverse;
use std::collections::BTreeMap;

pub use bound::{Bound, NoBound};

use growing::Growing;
use kinds::{Objects, Sort};
use register::{Cursor, Register, Seen};
use segments::Segments;
use tally::{StaleRead, Tally};

use crate::by_key::on_all_cores;
use crate::calls::Calls;
use crate::history::History;
use crate::linearizable::cores::{cores, workers};
use crate::{Budget, Checker, Report, Verdict};

/// Measures how far reads were behind; see the [module](self).
#[derive(Clone, Copy, Debug, Default)]
pub struct Stale;

impl Stale {
    /// How many of the stale reads are written out.
    pub const EXPLAINED: usize = 5;

    /// How many sessions the figures list.
    pub const SESSIONS: usize = 10;

    /// How many faults the figures list.
    pub const FAULTS: usize = 100;

    /// The claim that no read is further behind than this.
    #[must_use]
    pub fn bounded_by(bound: Bound) -> Bounded {
        Bounded {
            bound,
            name: format!("stale-reads <= {bound}"),
        }
    }
}

/// Judges the claim that no read is further behind than a bound; see the [module](self).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bounded {
    bound: Bound,
    name: String,
}

/// How far one read was behind: between `versions_lo` and `versions_hi` versions, and between
/// `behind_lo` and `behind_hi` nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lag {
    /// Certainly so many versions.
    pub versions_lo: usize,
    /// Possibly so many versions.
    pub versions_hi: usize,
    /// Certainly so long, in nanoseconds.
    pub behind_lo: u64,
    /// Possibly so long, in nanoseconds.
    pub behind_hi: u64,
}

/// The lag of every read that can be judged, by the index of its start.
///
/// **Cost**: O(n log n).
#[must_use]
pub fn lags(history: &History) -> BTreeMap<usize, Lag> {
    let calls = Calls::of(history);
    let objects = Objects::of(&calls);
    let mut worker = Worker::new(&calls);
    let mut lags = BTreeMap::new();
    for place in 0..objects.by_key.len() {
        worker.judge(&calls, &objects, place, |seen| {
            lags.insert(calls.index(seen.call), seen.lag);
        });
    }
    lags
}

/// What one core needs.
struct Worker {
    register: Register,
    growing: Growing,
}

/// What came of one object.
enum Judged {
    /// So many of its reads could not be judged.
    Register(usize),
    Growing,
    /// Some value may have been written twice.
    Repeated,
    LeftOut,
}

impl Worker {
    fn new(calls: &Calls) -> Self {
        Self {
            register: Register::new(calls),
            growing: Growing::default(),
        }
    }

    /// Judges the reads of one object. The register stays loaded until the next.
    fn judge(
        &mut self,
        calls: &Calls,
        objects: &Objects,
        place: usize,
        each: impl FnMut(Seen),
    ) -> Judged {
        let (functions, of) = (&objects.functions, objects.by_key.calls(place));
        match objects.sorts[place] {
            Sort::Other => Judged::LeftOut,
            Sort::Register => {
                let unique = self.register.load(calls, functions, of);
                let judged = if unique {
                    let cursor = &mut Cursor::default();
                    Judged::Register(self.register.judge(cursor, calls, functions, of, each))
                } else {
                    Judged::Repeated
                };
                self.register.unload(calls);
                judged
            }
            sort @ (Sort::Counter | Sort::List) => {
                self.growing.load(calls, functions, sort, of);
                self.growing.judge(calls, functions, sort, of, each);
                Judged::Growing
            }
        }
    }
}

impl Checker for Stale {
    fn name(&self) -> &str {
        "stale"
    }

    fn judge(&self, calls: &Calls, budget: &Budget) -> Report {
        let (mut report, tally, why) = measure(self.name(), calls, budget, None);
        if !tally.stale.is_empty() {
            report.verdict = Verdict::Violated;
        } else if let Some(why) = why {
            report.verdict = Verdict::Undecided;
            report.why = Some(why);
        }
        report
    }
}

impl Checker for Bounded {
    fn name(&self) -> &str {
        &self.name
    }

    fn judge(&self, calls: &Calls, budget: &Budget) -> Report {
        let bound = self.bound;
        let (mut report, tally, why) = measure(self.name(), calls, budget, Some(bound));
        report.figure("reads_beyond_bound", tally.exceeded);
        report.figure("reads_possibly_beyond_bound", tally.open);
        report.figure("reads_that_test_bound", tally.tested);
        report.verdict = Verdict::Undecided;
        report.why = if matches!(bound, Bound::Milliseconds(_)) && calls.is_untimed() {
            report.anomalies.clear();
            Some("needs times of operations: this history bears none".to_owned())
        } else if tally.exceeded > 0 {
            report.verdict = Verdict::Violated;
            None
        } else if why.is_some() {
            why
        } else if tally.open > 0 {
            Some(format!(
                "{} of {} reads may have been more than {bound} behind, and none certainly was",
                tally.open,
                tally.reads()
            ))
        } else if tally.tested == 0 {
            let why = "no read began when one could have been more than";
            Some(format!("{why} {bound} behind; nothing was tested"))
        } else {
            report.verdict = Verdict::Held;
            None
        };
        if report.verdict != Verdict::Violated {
            report.anomalies.clear();
        }
        report
    }
}

/// The figures and the worst reads, of those beyond the bound if there is one; and why a claim
/// that nothing contradicts is not held.
fn measure(
    name: &str,
    calls: &Calls,
    budget: &Budget,
    bound: Option<Bound>,
) -> (Report, Tally, Option<String>) {
    let objects = Objects::of(calls);
    let segments = Segments::of(calls);
    if objects.by_key.len() < cores() {
        let (tally, all) = one_by_one(calls, &objects, &segments, bound, budget);
        return report(
            name,
            calls,
            budget,
            bound,
            (&objects, &segments),
            tally,
            all,
        );
    }
    let state = || (Worker::new(calls), Tally::new(calls, &segments));
    let work = |(worker, tally): &mut (Worker, Tally), place: usize| {
        tally.rewind();
        let is_register = objects.sorts[place] == Sort::Register;
        let add = |seen: Seen| tally.add(calls, &segments, bound, is_register, &seen);
        match worker.judge(calls, &objects, place, add) {
            Judged::Register(others) => {
                tally.not_judged += others;
                tally.add_versions(calls, &objects, place, &worker.register);
            }
            Judged::Repeated | Judged::LeftOut => tally.skipped += 1,
            Judged::Growing => {}
        }
    };
    let (states, all) = objects.by_key.on_all_cores(budget, state, work);
    let mut tally = Tally::new(calls, &segments);
    for (_, other) in states {
        tally.merge(other);
    }
    report(
        name,
        calls,
        budget,
        bound,
        (&objects, &segments),
        tally,
        all,
    )
}

/// In how many parts the reads of one object are judged.
const PARTS: usize = 16;

/// The same where there are fewer objects than cores: one after another, the reads of each in
/// parts on all cores.
fn one_by_one(
    calls: &Calls,
    objects: &Objects,
    segments: &Segments,
    bound: Option<Bound>,
    budget: &Budget,
) -> (Tally, bool) {
    let mut tally = Tally::new(calls, segments);
    let mut worker = Worker::new(calls);
    let mut all = true;
    for place in 0..objects.by_key.len() {
        let of = objects.by_key.calls(place);
        tally.rewind();
        if objects.sorts[place] != Sort::Register {
            let add = |seen: Seen| tally.add(calls, segments, bound, false, &seen);
            if let Judged::LeftOut = worker.judge(calls, objects, place, add) {
                tally.skipped += 1;
            }
            continue;
        }
        let workers = workers(of.len());
        if !(worker.register).load_by(workers, calls, &objects.functions, of) {
            worker.register.unload(calls);
            tally.skipped += 1;
            continue;
        }
        let register = &worker.register;
        let share = of.len().div_ceil(PARTS).max(1);
        let parts: Vec<&[u32]> = of.chunks(share).collect();
        let state = || (Cursor::default(), Tally::new(calls, segments));
        let work = |(cursor, tally): &mut (Cursor, Tally), part: usize| {
            let Some(part) = part.checked_sub(1) else {
                return tally.add_versions(calls, objects, place, register);
            };
            let functions = &objects.functions;
            let add = |seen: Seen| tally.add(calls, segments, bound, true, &seen);
            let others = register.judge(cursor, calls, functions, parts[part], add);
            tally.not_judged += others;
        };
        let (states, finished) = on_all_cores(parts.len() + 1, budget, state, work);
        all &= finished;
        for (_, other) in states {
            tally.merge(other);
        }
        worker.register.unload(calls);
    }
    (tally, all)
}

/// What the tally says in figures, with the worst reads.
fn report(
    name: &str,
    calls: &Calls,
    budget: &Budget,
    bound: Option<Bound>,
    (objects, segments): (&Objects, &Segments),
    mut tally: Tally,
    all: bool,
) -> (Report, Tally, Option<String>) {
    let mut report = Report::new(name, Verdict::Held);
    tally.figures(&mut report, calls, segments);
    report.figure("k_atomicity_at_least", tally.k);
    if all && let Some(k) = exact_k(calls, objects, &mut tally, budget) {
        report.figure("k_atomicity", k);
    }
    report.anomalies = explain::explain(calls, objects, &worst(&tally, bound));
    let why = if all {
        undecided(calls, &tally, objects)
    } else {
        Some("the budget was spent before every key was judged".to_owned())
    };
    (report, tally, why)
}

/// The worst reads, of those beyond the bound if there is one.
fn worst(tally: &Tally, bound: Option<Bound>) -> Vec<&StaleRead> {
    let rank = |read: &&StaleRead| {
        let (behind, versions) = (read.behind, u64::from(read.versions));
        let sizes = match bound {
            Some(Bound::Versions(_)) => (versions, behind),
            Some(Bound::Milliseconds(_)) | None => (behind, versions),
        };
        (Reverse(sizes), read.call)
    };
    let mut worst: Vec<&StaleRead> = tally.stale.iter().collect();
    if worst.len() > Stale::EXPLAINED {
        worst.select_nth_unstable_by_key(Stale::EXPLAINED, rank);
        worst.truncate(Stale::EXPLAINED);
    }
    worst.sort_unstable_by_key(rank);
    if bound.is_some() {
        worst.truncate(tally.exceeded);
    }
    worst
}

/// Of how many last values every read of a register returned one, if that can be told.
fn exact_k(calls: &Calls, objects: &Objects, tally: &mut Tally, budget: &Budget) -> Option<usize> {
    if tally.not_judged > 0 || tally.skipped > 0 || objects.unreadable > 0 {
        return None;
    }
    tally.torn.sort_unstable();
    // What is atomic needs the last value only.
    let torn = tally.torn.iter().map(|&place| objects.by_key.calls(place));
    recent::least(calls, &torn.collect::<Vec<_>>(), tally.k, budget)
}

fn undecided(calls: &Calls, tally: &Tally, objects: &Objects) -> Option<String> {
    if tally.reads() == 0 {
        let why = "no read of a register could be judged; nothing was checked";
        Some(
            objects
                .why_unreadable(calls)
                .unwrap_or_else(|| why.to_owned()),
        )
    } else if tally.power == 0 {
        let why = "no read began after a write had taken effect, so none could have been stale";
        Some(why.to_owned())
    } else if let Some(why) = objects.why_unreadable(calls) {
        Some(why)
    } else if tally.skipped > 0 {
        Some("some keys were written the same value twice and could not be judged".to_owned())
    } else {
        None
    }
}

/// The smallest of the sorted values that at least so many thousandths of them do not exceed;
/// the default without any.
pub(crate) fn quantile<T: Copy + Default>(sorted: &[T], permille: usize) -> T {
    let place = (sorted.len() * permille).div_ceil(1_000);
    sorted
        .get(place.saturating_sub(1))
        .copied()
        .unwrap_or_default()
}
