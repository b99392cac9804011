//! Linearizability of registers and grow-only sets, and of any [`Model`] by general search.
//!
//! **Claim**: every operation took effect at one instant between its start and its end, on
//! one copy of the data. An operation of unknown outcome may take effect at any instant after
//! its start, or never; one that failed never does. Intervals are closed: an end and a start
//! at the same time are concurrent, never ordered.
//!
//! **Needs**: within one set every element is added once; a key where this is broken is
//! undecided. A register whose written values are all different is judged by the block
//! theorem, any other by general search ([`Search`]). Keys are judged one by one,
//! since linearizability is local (Herlihy and Wing, "Linearizability: a correctness condition
//! for concurrent objects", 1990).
//!
//! **Names**: of registers "stale-read", "stale-cas", "not-linearizable" (a contradiction in
//! time between two values), "future-read", "phantom-read" (a value nobody wrote), "dirty-read"
//! (a value whose write failed), "lost-update" (two compare-and-sets from one value),
//! "cas-cycle"; of sets "stale-read", "future-read", "incomparable-reads",
//! "duplicate-element", "phantom-read", "dirty-read", "not-linearizable".
//!
//! **Figures**: `keys`, `keys_violated`, `keys_undecided`, `keys_without_reads`, `ops_checked`,
//! `reads`, `writes` (compare-and-sets among them), `adds`, `set_reads`, `info_ops`,
//! `contradictions` (all that were found; the anomalies list the first
//! [`Linearizable::LISTED`]).
//!
//! Where the search was needed also `keys_by_blocks`, `keys_by_frontier`,
//! `keys_by_depth_first` (which algorithm decided how many keys), `configurations`, and of
//! undecided keys `ops_proven`.
//!
//! **Cost**: O(n log n) in operations and in elements read; operations of unknown outcome cost
//! no more than others. The search: exponential in the number of concurrent operations at
//! worst; it ends undecided once the budget is spent.
//!
//! **Source**: zones of Gibbons and Korach, "Testing shared memories", 1997, extended to
//! chains of compare-and-sets and to unknown outcomes (`register.rs`); for sets, reads under
//! inclusion (`set.rs`).

mod append;
mod counter;
mod elements;
mod exact;
mod grouping;
mod grow_only;
mod ids;
mod list;
mod lock;
mod register;
pub mod search;
mod set;
#[cfg(test)]
mod trial;
mod zones;

pub use search::Search;

use crate::history::{History, Kind, Value};
use crate::model::{Model, Register, RegisterCall};
use crate::objects::{self, Object, Typed};
use crate::{Anomaly, Budget, Checker, Report, Verdict};
use search::Component;

/// Judges every register and every set of a history; see the [module](self).
#[derive(Clone, Copy, Debug, Default)]
pub struct Linearizable;

impl Linearizable {
    /// How many contradictions are written out.
    pub const LISTED: usize = 20;
}

/// What was found of one object.
#[derive(Debug, Default)]
struct Judgement {
    /// The contradictions written out, each with the time at which it was complete.
    found: Vec<(u64, Anomaly)>,
    /// All contradictions, written out or not.
    contradictions: usize,
    /// Why it cannot be decided, if nothing contradicts.
    undecided: Option<String>,
    /// Whether some successful read and some operation that may have changed the object were
    /// there to contradict each other.
    power: bool,
    /// Whether the general search can decide what is undecided.
    searchable: bool,
}

impl Judgement {
    fn undecided(why: Option<String>) -> Self {
        Self {
            undecided: why,
            ..Self::default()
        }
    }
}

#[derive(Default)]
struct Tally {
    keys: usize,
    violated: usize,
    undecided: usize,
    powerless: usize,
    contradictions: usize,
    found: Vec<(u64, Anomaly)>,
    why: Option<String>,
}

impl Tally {
    fn take(&mut self, key: &Value, judgement: Judgement) {
        self.keys += 1;
        self.contradictions += judgement.contradictions;
        self.found.extend(judgement.found);
        if judgement.contradictions > 0 {
            self.violated += 1;
        } else if let Some(why) = judgement.undecided {
            self.undecided += 1;
            self.why.get_or_insert_with(|| format!("{key}: {why}"));
        } else if !judgement.power {
            self.powerless += 1;
        }
    }

    /// Whether there were objects, and none of them could have come out badly.
    fn is_powerless(&self) -> bool {
        self.keys > 0 && self.powerless == self.keys
    }
}

impl Checker for Linearizable {
    fn name(&self) -> &str {
        "linearizable"
    }

    fn check(&self, history: &History, budget: &Budget) -> Report {
        let typed = Typed::read(history);
        let spoiled = typed.spoiled();
        let unreadable = typed.why_unreadable();
        let mut spent = false;
        let (mut registers, mut sets) = (Tally::default(), Tally::default());
        let mut report = Report::new(self.name(), Verdict::Held);
        count_ops(history, &mut report);
        let mut to_search = Vec::new();
        for object in &typed.registers.list {
            if budget.is_spent() {
                spent = true;
                break;
            }
            // What could not be read may be the write that a read seems to lack.
            let judgement = if spoiled.contains(object.key) {
                Judgement::undecided(unreadable.clone())
            } else {
                register::judge(object)
            };
            if judgement.searchable && judgement.contradictions == 0 {
                to_search.push(component(object));
            } else {
                registers.take(object.key, judgement);
            }
        }
        if !to_search.is_empty() {
            report.figure("keys_by_blocks", registers.keys - registers.undecided);
            let initial = Register::default();
            search::judge_all(&initial, &to_search, budget, &mut registers, &mut report);
        }
        for object in &typed.sets.list {
            if spent || budget.is_spent() {
                spent = true;
                break;
            }
            let judgement = if spoiled.contains(object.key) {
                Judgement::undecided(unreadable.clone())
            } else {
                set::judge(object)
            };
            sets.take(object.key, judgement);
        }
        conclude(&mut report, registers, sets, spent, unreadable);
        report
    }
}

/// A register's calls, for the general search.
fn component<'h>(object: &Object<'h, objects::RegisterCall<'h>>) -> Component<'h, RegisterCall> {
    let mut component = Component::new(object.key.clone());
    for call in &object.calls {
        let decoded = Register::decode(&call.call).expect("the door has read it already");
        if let Some(decoded) = decoded {
            component.push(call.call, decoded);
        }
    }
    component
}

fn conclude(
    report: &mut Report,
    mut registers: Tally,
    mut sets: Tally,
    spent: bool,
    unreadable: Option<String>,
) {
    report.figure("keys", registers.keys + sets.keys);
    report.figure("keys_violated", registers.violated + sets.violated);
    report.figure("keys_undecided", registers.undecided + sets.undecided);
    report.figure("keys_without_reads", registers.powerless + sets.powerless);
    let contradictions = registers.contradictions + sets.contradictions;
    report.figure("contradictions", contradictions);
    let why = if spent {
        Some("the budget was spent before every key was judged; give it more time".to_owned())
    } else if registers.keys + sets.keys == 0 {
        Some(unreadable.unwrap_or_else(|| {
            "no register or set was written or successfully read; nothing was checked".to_owned()
        }))
    } else if let Some(why) = registers.why.take().or(sets.why.take()).or(unreadable) {
        Some(why)
    } else if registers.is_powerless() {
        Some("no register was both read and possibly written; nothing could contradict".to_owned())
    } else if sets.is_powerless() {
        Some("no set was both read and possibly added to; nothing could contradict".to_owned())
    } else {
        None
    };
    let mut found = registers.found;
    found.extend(sets.found);
    found.sort_by_key(|(at, _)| *at);
    found.truncate(Linearizable::LISTED);
    report.anomalies = found.into_iter().map(|(_, anomaly)| anomaly).collect();
    if contradictions > 0 {
        report.verdict = Verdict::Violated;
    } else if why.is_some() {
        report.verdict = Verdict::Undecided;
        report.why = why;
    }
}

fn count_ops(history: &History, report: &mut Report) {
    let (mut reads, mut writes, mut adds, mut set_reads) = (0, 0, 0, 0);
    let (mut info, mut ok) = (0, 0);
    for call in history.calls() {
        let kind = call.outcome();
        let count = match call.invoke.f.as_str() {
            "read" if kind == Kind::Ok => &mut reads,
            "read-set" if kind == Kind::Ok => &mut set_reads,
            "write" | "cas" if kind != Kind::Fail => &mut writes,
            "add" if kind != Kind::Fail => &mut adds,
            _ => continue,
        };
        *count += 1;
        if kind == Kind::Ok {
            ok += 1;
        } else {
            info += 1;
        }
    }
    report.figure("reads", reads);
    report.figure("writes", writes);
    report.figure("adds", adds);
    report.figure("set_reads", set_reads);
    report.figure("info_ops", info);
    report.figure("ops_checked", ok + info);
}
