//! What sessions are promised: read your writes, monotonic reads, monotonic writes, writes
//! follow reads, PRAM, causal consistency in its three kinds, sequential consistency.
//!
//! A **session** is a process: its operations, one after another. It ends with the first
//! operation of unknown outcome; whoever goes on is another session. Real time plays no part
//! in any of these guarantees.
//!
//! **Definitions.** Over the rows of [`index`]: reads that were answered and writes that
//! happened, a compare-and-set being a read and at once a write. Each guarantee stands on a page
//! of its own in `checkers/pages`. In short, for each session p, with a set of visible writes
//! for each of its reads and, for each key, an order of the writes of p's own choosing, such
//! that every read returns the last visible one on its key:
//!
//! | guarantee | what must be visible, and what must be ordered |
//! |---|---|
//! | read your writes | p's own earlier writes; each after what p wrote or read before it |
//! | monotonic reads | what p's earlier reads returned; writes of one session keep their order |
//! | monotonic writes | the same, and with each write the earlier ones of its session |
//! | writes follow reads | what p's earlier reads returned, and with each write what was visible to its session's reads before it, and before it |
//!
//! The last two can only be seen by somebody who reads on, so they are judged given monotonic
//! reads. Where those are refuted, they are undecided: a reader whose answers go back shows no
//! order. Where only both of the two together are refuted, which of them is broken is undecided.
//!
//! PRAM: for each session there is one order of all writes and its own reads that keeps the
//! order of every session, in which each read returns the last write before it to its key.
//! Causal memory (CM): the same, of the writes in the session's causal past, and the order
//! keeps causality. Causal consistency (CC): for each read alone. Causal convergence (CCv): one
//! order of all writes, which keeps causality, and each read returns the last of its causal
//! past. Sequential consistency: one order of everything. Causality is the order of the
//! sessions and of each write before the reads that returned it, with what follows.
//!
//! A read of what nobody wrote, or of what only a failed write would have written, breaks each
//! of them.
//!
//! **Needs**: registers with unique values: `read`, `write` and `cas`, several operations in a
//! session. Keys where a value repeats are left out, which is sound: what is left out only
//! constrains. Then nothing is held, as they are not judged.
//!
//! **Names**, **cost** and **source**: on the pages.

mod arbitration;
mod causal;
mod clocks;
mod deeds;
mod delivered;
mod follow;
mod found;
mod index;
mod own;
mod paths;
mod sequential;
mod views;
mod walk;

use std::cell::OnceCell;

use crate::calls::Calls;
use crate::{Anomaly, Budget, Checker, Report, Verdict, explain};
use found::{Found, LISTED};
use index::Rows;

/// What a system may promise to sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Guarantee {
    /// A session sees its own writes.
    ReadYourWrites,
    /// A session's reads do not go back.
    MonotonicReads,
    /// A session's writes become visible in their order.
    MonotonicWrites,
    /// A write becomes visible no sooner than what its session had read before it.
    WritesFollowReads,
    /// What one session writes, every session sees in that order.
    Pram,
    /// No read misses what causally precedes it (CC).
    Causal,
    /// The same, and all agree in the end (CCv).
    CausalConvergence,
    /// No read of a session misses what causally precedes it or went before (CM).
    CausalMemory,
    /// One order of everything, which keeps that of each session.
    Sequential,
}

impl Guarantee {
    /// All of them, each after those that it implies.
    pub const ALL: &[Self] = &[
        Self::ReadYourWrites,
        Self::MonotonicReads,
        Self::MonotonicWrites,
        Self::WritesFollowReads,
        Self::Pram,
        Self::Causal,
        Self::CausalConvergence,
        Self::CausalMemory,
        Self::Sequential,
    ];

    /// Its name, as flags and reports have it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::ReadYourWrites => "read-your-writes",
            Self::MonotonicReads => "monotonic-reads",
            Self::MonotonicWrites => "monotonic-writes",
            Self::WritesFollowReads => "writes-follow-reads",
            Self::Pram => "pram",
            Self::Causal => "causal",
            Self::CausalConvergence => "causal-convergence",
            Self::CausalMemory => "causal-memory",
            Self::Sequential => "sequential",
        }
    }

    /// The guarantee of that name.
    #[must_use]
    pub fn find(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|one| one.name() == name)
    }

    /// Those that are given when this one is judged.
    #[must_use]
    pub fn given(self) -> &'static [Self] {
        match self {
            Self::MonotonicWrites | Self::WritesFollowReads => &[Self::MonotonicReads],
            _ => &[],
        }
    }

    /// The figure that counts its power, and what it says if there is none.
    fn power(self) -> (&'static str, &'static str) {
        match self {
            Self::ReadYourWrites => (
                "write_read_pairs",
                "no session read a key that it had written",
            ),
            Self::MonotonicReads => ("read_pairs", "no session read a key twice"),
            Self::MonotonicWrites => (
                "reads_after_later_writes",
                "no session read a key of which it knew a write by another one of the same session",
            ),
            Self::WritesFollowReads => (
                "reads_with_choice",
                "no session read a key of which it knew two values",
            ),
            Self::Pram => (
                "reads_with_choice",
                "no session read a key of which it had two values in sight",
            ),
            Self::Causal | Self::CausalConvergence | Self::CausalMemory | Self::Sequential => (
                "reads_with_choice",
                "no session read a key of which two values were in its causal past",
            ),
        }
    }
}

/// Judges one or several guarantees over one reading of the history; see the [module](self).
#[derive(Clone, Debug)]
pub struct Sessions {
    name: &'static str,
    guarantees: Vec<Guarantee>,
}

impl Default for Sessions {
    fn default() -> Self {
        Self::all()
    }
}

impl Sessions {
    /// All guarantees: a report named "sessions" with a part for each.
    #[must_use]
    pub fn all() -> Self {
        Self::some("sessions", Guarantee::ALL)
    }

    /// Some guarantees: a report of that name with a part for each.
    #[must_use]
    pub fn some(name: &'static str, guarantees: &[Guarantee]) -> Self {
        Self {
            name,
            guarantees: guarantees.to_vec(),
        }
    }

    /// One guarantee: a report with its name.
    #[must_use]
    pub fn of(guarantee: Guarantee) -> Self {
        Self::some(guarantee.name(), &[guarantee])
    }
}

impl Checker for Sessions {
    fn name(&self) -> &str {
        self.name
    }

    fn judge(&self, calls: &Calls, budget: &Budget) -> Report {
        let analysis = Analysis::of(calls, &self.guarantees, budget);
        let judged = |&guarantee: &Guarantee| analysis.report(guarantee);
        if let [one] = self.guarantees.as_slice()
            && one.name() == self.name
        {
            return judged(one);
        }
        let parts: Vec<Report> = self.guarantees.iter().map(judged).collect();
        crate::compose::of_parts(self.name, parts)
    }
}

/// What was found, and why the rest is open if it is.
type Judged = (Found, Option<String>);

const SPENT: &str = "the budget was spent before every session was judged";

/// For more sessions than this one order of everything is sought before one for each.
const MANY: usize = 200;

/// What is to be told of causality.
#[derive(Clone, Copy)]
struct Wanted {
    follow: bool,
    convergent: bool,
    ordered: bool,
}

/// What the sweep tells, and what follows from the writes that were passed over; they are
/// forgotten then, as they take more memory than all else.
struct Past {
    swept: causal::Swept,
    /// What causal convergence asks beyond causal consistency, if it is wanted.
    convergent: Option<Found>,
    /// Whether one order of everything was built at the first try, if it is wanted.
    ordered: Option<bool>,
}

impl Past {
    fn of(calls: &Calls, rows: &Rows, wanted: Wanted) -> Self {
        let asked = causal::Wanted {
            follow: wanted.follow,
            passed: wanted.convergent || wanted.ordered,
        };
        let mut swept = causal::judge(calls, rows, &rows.previous_writes(), asked);
        let convergent = (wanted.convergent).then(|| arbitration::judge(calls, rows, &swept));
        let built = || swept.causal.count == 0 && sequential::build(calls, rows, &swept.passed);
        let ordered = (wanted.ordered).then(|| !swept.cyclic && built());
        swept.passed = causal::PassedOver::default();
        Self {
            swept,
            convergent,
            ordered,
        }
    }
}

/// What is known of a history, each thing once it is asked for.
struct Analysis<'a> {
    calls: &'a Calls,
    wanted: Wanted,
    rows: Rows,
    own: OnceCell<(Found, Found)>,
    delivered: OnceCell<Found>,
    past: OnceCell<Past>,
    pram: OnceCell<Judged>,
    convergent: OnceCell<Judged>,
    memory: OnceCell<Judged>,
    sequential: OnceCell<Judged>,
    budget: &'a Budget,
}

impl<'a> Analysis<'a> {
    fn of(calls: &'a Calls, guarantees: &[Guarantee], budget: &'a Budget) -> Self {
        let any = |of: &[Guarantee]| guarantees.iter().any(|one| of.contains(one));
        let rows = Rows::of(calls);
        // One order of everything is one for each session too, and sooner found where there are
        // many of them.
        let many = rows.sessions() > MANY && any(&[Guarantee::CausalMemory]);
        let wanted = Wanted {
            follow: any(&[Guarantee::WritesFollowReads]),
            convergent: any(&[Guarantee::CausalConvergence, Guarantee::Sequential]),
            ordered: many || any(&[Guarantee::Sequential]),
        };
        Self {
            calls,
            wanted,
            rows,
            own: OnceCell::new(),
            delivered: OnceCell::new(),
            past: OnceCell::new(),
            pram: OnceCell::new(),
            convergent: OnceCell::new(),
            memory: OnceCell::new(),
            sequential: OnceCell::new(),
            budget,
        }
    }

    fn own(&self) -> &(Found, Found) {
        self.own.get_or_init(|| own::judge(self.calls, &self.rows))
    }

    fn past(&self) -> &Past {
        self.past
            .get_or_init(|| Past::of(self.calls, &self.rows, self.wanted))
    }

    fn swept(&self) -> &causal::Swept {
        &self.past().swept
    }

    fn views(&self, causal: bool) -> Judged {
        // PRAM alone needs no clocks to know in which order the rows can be taken.
        let walked =
            (!causal && self.past.get().is_none()).then(|| walk::order(self.calls, &self.rows));
        let order = match &walked {
            Some(order) => order.as_deref(),
            None => (!self.swept().cyclic).then_some(self.swept().taken.as_slice()),
        };
        match views::judge(self.calls, &self.rows, causal, order, self.budget) {
            Some(found) => (found, None),
            None => (Found::default(), Some(SPENT.to_owned())),
        }
    }

    fn pram(&self) -> &Judged {
        self.pram.get_or_init(|| self.views(false))
    }

    /// Causal convergence with what it implies.
    fn convergent(&self) -> &Judged {
        self.convergent.get_or_init(|| {
            let past = self.past();
            let mut found = past.swept.causal.clone();
            found.merge(past.convergent.as_ref().expect("it is wanted"));
            (found, None)
        })
    }

    /// Causal memory with what it implies.
    fn memory(&self) -> &Judged {
        self.memory.get_or_init(|| {
            let swept = self.swept();
            let mut found = swept.causal.clone();
            if swept.cyclic || self.past().ordered == Some(true) {
                return (found, None);
            }
            let (more, open) = self.views(true);
            found.merge(&more);
            (found, open)
        })
    }

    fn sequential(&self) -> &Judged {
        self.sequential.get_or_init(|| {
            let mut found = self.convergent().0.clone();
            found.merge(&sequential::twice(self.calls, &self.rows));
            if found.count > 0 {
                return (found, None);
            }
            if self.past().ordered == Some(true) {
                return (found, None);
            }
            match sequential::judge(&self.rows, self.budget) {
                sequential::Order::Found => return (found, None),
                sequential::Order::None(rows) => {
                    found.merge(&sequential::finding(rows));
                    return (found, None);
                }
                sequential::Order::Open => {}
            }
            let (memory, open) = self.memory();
            found.merge(memory);
            let searched = "no order was found in the time allowed; shorter histories, or keys \
                            retired after fewer writes, can be searched";
            (
                found,
                Some(open.clone().unwrap_or_else(|| searched.to_owned())),
            )
        })
    }

    /// Why a guarantee was not judged to the end, if so.
    fn open(&self, guarantee: Guarantee) -> Option<String> {
        match guarantee {
            Guarantee::WritesFollowReads => {
                let both =
                    self.swept().suspects > 0 && self.found(Guarantee::MonotonicWrites).count == 0;
                both.then(|| {
                    "monotonic writes and writes follow reads are not both kept, and this \
                     history does not tell which is broken"
                        .to_owned()
                })
            }
            Guarantee::Pram => self.pram().1.clone(),
            Guarantee::CausalMemory => self.memory().1.clone(),
            Guarantee::Sequential => self.sequential().1.clone(),
            _ => None,
        }
    }

    fn found(&self, guarantee: Guarantee) -> &Found {
        match guarantee {
            Guarantee::ReadYourWrites => &self.own().0,
            Guarantee::MonotonicReads => &self.own().1,
            Guarantee::MonotonicWrites => self.delivered.get_or_init(|| {
                delivered::judge(self.calls, &self.rows, &self.rows.previous_writes())
            }),
            Guarantee::WritesFollowReads => &self.swept().follow,
            Guarantee::Pram => &self.pram().0,
            Guarantee::Causal => &self.swept().causal,
            Guarantee::CausalConvergence => &self.convergent().0,
            Guarantee::CausalMemory => &self.memory().0,
            Guarantee::Sequential => &self.sequential().0,
        }
    }

    fn report(&self, guarantee: Guarantee) -> Report {
        let rows = &self.rows;
        let found = self.found(guarantee);
        let mut report = Report::new(guarantee.name(), Verdict::Held);
        let refuted = guarantee.given().iter().find(|given| {
            let found = self.found(**given);
            found.count > 0
        });
        let (power, without) = guarantee.power();
        report.figure(power, found.power);
        self.figures(&mut report);
        if !rows.foul.is_empty() {
            report.verdict = Verdict::Violated;
            let foul = rows.foul.iter().take(LISTED);
            report.anomalies.extend(foul.map(|foul| self.foul(foul)));
        }
        if let Some(given) = refuted {
            let why = format!(
                "it is judged given {}, which this history refutes: a reader whose answers go \
                 back shows no order",
                given.name()
            );
            return unless_violated(report, why);
        }
        report.figure("contradictions", found.count + rows.foul.len());
        if found.count > 0 {
            report.verdict = Verdict::Violated;
            let told = found.list.iter();
            let told = told.map(|finding| finding.told(self.calls, rows));
            report.anomalies.extend(told);
        }
        let why = if rows.len() == 0 && rows.repeated + rows.unreadable == 0 {
            Some("no operation of a register succeeded; nothing was checked".to_owned())
        } else if let Some(left_out) = self.left_out() {
            Some(left_out)
        } else if let Some(open) = self.open(guarantee) {
            Some(open)
        } else if found.power == 0 {
            Some(format!("{without}, so nothing could have contradicted it"))
        } else {
            None
        };
        match why {
            Some(why) => unless_violated(report, why),
            None => report,
        }
    }

    /// Why not all keys were judged.
    fn left_out(&self) -> Option<String> {
        let rows = &self.rows;
        let keys = |count: usize| {
            if count == 1 {
                "1 key was".to_owned()
            } else {
                format!("{count} keys were")
            }
        };
        if rows.repeated > 0 {
            Some(format!(
                "needs unique values: {} written the same value twice and could not be judged",
                keys(rows.repeated)
            ))
        } else if rows.unreadable > 0 {
            let first = rows.unreadable_why.as_deref().unwrap_or_default();
            Some(format!(
                "needs operations of registers: {} left out; the first, {first}",
                keys(rows.unreadable)
            ))
        } else {
            None
        }
    }

    fn figures(&self, report: &mut Report) {
        let rows = &self.rows;
        let all = 0..index::narrow(rows.sessions());
        report.figure(
            "sessions",
            all.filter(|&one| !rows.of_session(one).is_empty()).count(),
        );
        let reads = rows.source.iter().filter(|&&source| source != index::NONE);
        report.figure("reads", reads.count());
        report.figure("writes", rows.write.iter().filter(|&&one| one).count());
        report.figure("keys_skipped", rows.repeated + rows.unreadable);
    }

    fn foul(&self, foul: &index::Foul) -> Anomaly {
        let calls = self.calls;
        let of = foul.failed.into_iter().chain([foul.call]);
        let ops: Vec<_> = of.map(|call| calls.ops(call)).collect();
        let told: Vec<_> = ops.iter().map(|ops| calls.call(ops)).collect();
        let told: Vec<_> = told.iter().collect();
        let key = calls.value(calls.key[foul.call as usize]);
        let (name, conclusion) = match foul.failed {
            Some(_) => (
                "dirty-read",
                "What it saw was written by an operation that failed.",
            ),
            None => ("phantom-read", "Nobody wrote what it saw."),
        };
        explain::anomaly(name, &key, &told, conclusion.to_owned()).1
    }
}

/// The report, which says why it cannot tell, unless it tells already.
fn unless_violated(mut report: Report, why: String) -> Report {
    if report.verdict != Verdict::Violated {
        report.verdict = Verdict::Undecided;
        report.why = Some(why);
    }
    report
}
