//! Locks that no two hold at once; the page is `checkers/pages/locks.md`.
//!
//! A hold is certain from the end of its acquire to the beginning of its owner's next release
//! that did not fail: in between, the owner may act on it. Two holds exclude each other if each
//! began to be certain before the other began to end; with holds in the order of their
//! beginnings, the one so far that ends last tells.

use super::findings::{Findings, anomaly};
use super::places::Places;
use crate::calls::Calls;
use crate::explain::{ms, time};
use crate::hash::Table;
use crate::history::dictionary::Interned;
use crate::history::{Kind, Nanos};
use crate::{Anomaly, Budget, Checker, Report};

/// No more hold a lock at once than may.
#[derive(Clone, Copy, Debug)]
pub struct Locks {
    /// How many may hold it at once: more than one for a semaphore, which knows no shared
    /// holds.
    pub permits: usize,
    /// How long a hold lasts at the most, from the beginning of its acquire, where it is a lease.
    pub ttl: Option<Nanos>,
    /// How far the clocks that measure a lease may be apart over its time.
    pub uncertainty: Nanos,
}

impl Default for Locks {
    fn default() -> Self {
        Self {
            permits: 1,
            ttl: None,
            uncertainty: 0,
        }
    }
}

/// A time during which a lock was certainly held.
#[derive(Clone, Copy, Debug)]
struct Hold {
    lock: u32,
    from: u64,
    to: u64,
    shared: bool,
    acquire: u32,
    release: Option<u32>,
}

impl Hold {
    fn excludes(&self, other: &Self) -> bool {
        self.from < other.to && other.from < self.to && !(self.shared && other.shared)
    }
}

/// The token and the lifetime that an acquire was answered with.
pub(super) fn answer(calls: &Calls, acquire: u32) -> (Option<i64>, Option<Nanos>) {
    let number = calls.result(acquire);
    match calls.values.get(number) {
        // An acquire that answers its argument answers nothing.
        _ if number == calls.argument[acquire as usize] => (None, None),
        Interned::Int(token) => (Some(token), None),
        Interned::Map(_) => {
            let map = calls.value(number);
            let field = |name| map.get(name).and_then(|value| value.as_int());
            let ttl = field("ttl-ms").and_then(|ttl| u64::try_from(ttl).ok());
            (field("token"), ttl.map(|ttl| ttl.saturating_mul(1_000_000)))
        }
        _ => (None, None),
    }
}

#[derive(Debug, Default)]
struct Holds {
    list: Vec<Hold>,
    locks: Places,
    acquires: usize,
    tokens: usize,
    /// Leases without times cannot be judged.
    leases: usize,
}

impl Locks {
    fn holds(&self, calls: &Calls) -> Holds {
        let (acquire, release) = (calls.function("acquire"), calls.function("release"));
        let mut holds = Holds::default();
        // By lock and process: the hold that is open.
        let mut open: Table<(u32, u32), usize> = Table::default();
        let count = u32::try_from(calls.len()).expect("calls are numbered with 32 bits");
        for call in 0..count {
            let at = call as usize;
            let f = Some(calls.f[at]);
            if f != acquire && f != release || calls.outcome[at] == Kind::Fail {
                continue;
            }
            let lock = holds.locks.place((0, calls.key[at]));
            let who = (lock, calls.process_place(call));
            if f == release {
                // It may take effect at once, or later, or never: from here on it is uncertain.
                if let Some(hold) = open.remove(&who) {
                    let hold = &mut holds.list[hold];
                    hold.to = hold.to.min(self.moment(calls, calls.begins[at]));
                    hold.release = Some(call);
                }
                continue;
            }
            // Who takes it again holds it once more, or longer, or has lost it in between.
            if let Some(before) = open.remove(&who) {
                let before = &mut holds.list[before];
                before.to = before.to.min(self.moment(calls, calls.begins[at]));
            }
            if calls.outcome[at] != Kind::Ok {
                continue;
            }
            holds.acquires += 1;
            let (token, ttl) = answer(calls, call);
            holds.tokens += usize::from(token.is_some());
            let ttl = self.ttl.or(ttl);
            holds.leases += usize::from(ttl.is_some());
            let ends = ttl.map_or(u64::MAX, |ttl| {
                let lasts = ttl.saturating_sub(self.uncertainty);
                calls.time(calls.begins[at]).saturating_add(lasts)
            });
            open.insert(who, holds.list.len());
            holds.list.push(Hold {
                lock,
                from: self.moment(calls, calls.ends[at]),
                to: ends,
                shared: matches!(
                    calls.values.get(calls.argument[at]),
                    Interned::Str("shared")
                ),
                acquire: call,
                release: None,
            });
        }
        // A lease that had run out before it was granted was never certainly held.
        holds.list.retain(|hold| hold.from <= hold.to);
        holds
            .list
            .sort_unstable_by_key(|h| (h.lock, h.from, h.to, h.acquire));
        holds
    }

    /// The time, or where there are none the place in the order.
    fn moment(&self, calls: &Calls, rank: crate::calls::Rank) -> u64 {
        if calls.is_untimed() {
            u64::from(rank)
        } else {
            calls.time(rank)
        }
    }
}

impl Checker for Locks {
    fn name(&self) -> &'static str {
        "locks"
    }

    fn judge(&self, calls: &Calls, _: &Budget) -> Report {
        if calls.function("acquire").is_none() {
            return Report::undecided(self.name(), "needs acquire, which no client asked for");
        }
        let holds = self.holds(calls);
        if holds.leases > 0 && calls.is_untimed() {
            return Report::undecided(self.name(), "needs times, since leases run out");
        }
        let mut findings = Findings::default();
        let mut most = None;
        let mut overlaps = 0_usize;
        let mut power = false;
        for of_lock in holds.list.chunk_by(|one, other| one.lock == other.lock) {
            power |= of_lock.len() > self.permits && several_owners(calls, of_lock);
            if self.permits == 1 {
                overlaps += self.judge_mutex(calls, of_lock, &mut findings);
            } else {
                let (at_once, too_many) = self.judge_semaphore(calls, of_lock, &mut findings);
                most = most.max(Some(at_once));
                overlaps += too_many;
            }
        }
        let unknown_leases = holds.tokens > 0 && holds.leases == 0;
        let lacking = if overlaps > 0 && unknown_leases {
            Some(format!(
                "needs the lifetime of its leases: {overlaps} times a lock with fencing tokens was \
                 granted while another held it, and whether a lease had run out is not told"
            ))
        } else if !power {
            Some(format!(
                "needs more than {} certain holds of one lock, by different clients",
                self.permits
            ))
        } else {
            None
        };
        if unknown_leases {
            findings = Findings::default();
        }
        let mut report = findings.report(self.name(), lacking);
        report.figure("acquired", holds.acquires);
        report.figure("certain_holds", holds.list.len());
        report.figure("locks", holds.locks.list().len());
        if let Some(most) = most {
            report.figure("most_holders_at_once", most);
        }
        report.figure("granted_while_held", overlaps);
        report
    }
}

fn several_owners(calls: &Calls, holds: &[Hold]) -> bool {
    let first = calls.process_place(holds[0].acquire);
    holds
        .iter()
        .any(|hold| calls.process_place(hold.acquire) != first)
}

impl Locks {
    /// How often one lock was granted while another certainly held it.
    fn judge_mutex(&self, calls: &Calls, holds: &[Hold], findings: &mut Findings) -> usize {
        // Of the holds so far those that end last: of all, and of those that are not shared.
        let mut last: [Option<&Hold>; 2] = [None, None];
        let mut overlaps = 0;
        for hold in holds {
            let against = if hold.shared { last[1] } else { last[0] };
            if let Some(other) = against.filter(|other| other.excludes(hold)) {
                overlaps += 1;
                findings.add(|| self.held_by_two(calls, other, hold));
            }
            let which = if hold.shared {
                &mut last[..1]
            } else {
                &mut last[..]
            };
            for last in which {
                if last.is_none_or(|last| hold.to > last.to) {
                    *last = Some(hold);
                }
            }
        }
        overlaps
    }

    fn held_by_two(&self, calls: &Calls, one: &Hold, other: &Hold) -> Anomaly {
        let untimed = calls.is_untimed();
        let (from, to) = (one.from.max(other.from), one.to.min(other.to));
        let from = time(
            if untimed {
                from.saturating_sub(1)
            } else {
                from
            },
            untimed,
        );
        let to = match to {
            u64::MAX => "the end".to_owned(),
            to => time(if untimed { to.saturating_sub(1) } else { to }, untimed),
        };
        let mut conclusion = vec![format!("From {from} to {to} both certainly held the lock.")];
        if let Some(ttl) = self.ttl.or_else(|| answer(calls, one.acquire).1) {
            conclusion.push(format!(
                "A lease of {} counts from the beginning of its acquire, less {} for the clocks.",
                ms(ttl),
                ms(self.uncertainty)
            ));
        }
        let proof: Vec<u32> = [
            Some(one.acquire),
            one.release,
            Some(other.acquire),
            other.release,
        ]
        .into_iter()
        .flatten()
        .collect();
        let key = calls.key[other.acquire as usize];
        anomaly(calls, "mutual-exclusion", key, &proof, conclusion)
    }

    /// The most that held one lock at once, and how often that was too many. A hold of a single
    /// instant is in the way of what was held before and after it.
    fn judge_semaphore(
        &self,
        calls: &Calls,
        holds: &[Hold],
        findings: &mut Findings,
    ) -> (usize, usize) {
        // At one time: first what ends, then what is an instant, then what begins.
        let mut events: Vec<(u64, u8, usize)> = Vec::with_capacity(holds.len() * 2);
        for (place, hold) in holds.iter().enumerate() {
            if hold.from == hold.to {
                events.push((hold.from, 1, place));
            } else {
                events.push((hold.from, 2, place));
                events.push((hold.to, 0, place));
            }
        }
        events.sort_unstable();
        let mut held: Vec<usize> = Vec::new();
        let (mut most, mut overlaps) = (0, 0);
        for (_, what, place) in events {
            if what == 0 {
                held.retain(|&other| other != place);
                continue;
            }
            held.push(place);
            most = most.max(held.len());
            if held.len() > self.permits {
                overlaps += 1;
                findings.add(|| {
                    let those = held.iter().rev().take(self.permits + 1);
                    let proof: Vec<u32> = those
                        .flat_map(|&hold| [Some(holds[hold].acquire), holds[hold].release])
                        .flatten()
                        .collect();
                    let conclusion = format!(
                        "{} certainly held it at once; there are {} permits.",
                        held.len(),
                        self.permits
                    );
                    let key = calls.key[holds[place].acquire as usize];
                    anomaly(calls, "too-many-permits", key, &proof, [conclusion])
                });
            }
            if what == 1 {
                held.pop();
            }
        }
        (most, overlaps)
    }
}
