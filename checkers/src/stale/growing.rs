//! Counters and lists that only grow: a read reveals how far, so that no value need be unique.
//!
//! A list's version is its length, a counter's its sum. Before a moment it had certainly grown
//! as far as what was acknowledged by then, or as far as a read that was over by then had seen
//! it; and possibly as far as everything that had begun.

use super::Lag;
use super::kinds::{Functions, Sort};
use super::register::Seen;
use crate::by_key::narrow;
use crate::calls::{BEFORE, Calls, NEVER, Rank};
use crate::history::Kind;
use crate::history::dictionary::Interned;

/// By how much a call makes the object grow; none if that cannot be told.
pub(crate) fn step(calls: &Calls, sort: Sort, call: u32) -> Option<u64> {
    if sort == Sort::List {
        return Some(1);
    }
    let at = call as usize;
    match calls.values.get(calls.argument[at]) {
        Interned::Int(by) if calls.second[at] == crate::calls::NO_VALUE => u64::try_from(by).ok(),
        _ => None,
    }
}

/// How far a read saw the object grown; none if that cannot be told.
pub(crate) fn revealed(calls: &Calls, sort: Sort, call: u32) -> Option<u64> {
    match (sort, calls.values.get(calls.result(call))) {
        (Sort::List, Interned::List(items)) => Some(items.len() as u64),
        (Sort::List, Interned::Nil) => Some(0),
        (Sort::Counter, Interned::Int(sum)) => u64::try_from(sum).ok(),
        _ => None,
    }
}

/// How far an object had grown from a moment on.
#[derive(Clone, Copy, Debug)]
struct Grown {
    at: Rank,
    to: u64,
}

/// What is known of one object. Its memory is used again for the next.
#[derive(Default)]
pub(crate) struct Growing {
    /// Rising in both: how far it had certainly grown after each moment.
    certain: Vec<Grown>,
    /// Rising in both: how far it can have grown after each moment.
    possible: Vec<Grown>,
    ends: Vec<(Rank, u64, bool)>,
}

impl Growing {
    pub(crate) fn load(&mut self, calls: &Calls, functions: &Functions, sort: Sort, of: &[u32]) {
        self.certain.clear();
        self.possible.clear();
        self.ends.clear();
        let mut begun: u64 = 0;
        for &call in of {
            let at = call as usize;
            if calls.outcome[at] == Kind::Fail {
                continue;
            }
            let reads = calls.f[at] == functions.read;
            if reads && calls.outcome[at] == Kind::Ok {
                if let Some(seen) = revealed(calls, sort, call) {
                    self.ends.push((calls.ends[at], seen, true));
                }
            } else if !reads && let Some(by) = step(calls, sort, call) {
                begun = begun.saturating_add(by);
                self.possible.push(Grown {
                    at: calls.begins[at],
                    to: begun,
                });
                if calls.ends[at] != NEVER {
                    self.ends.push((calls.ends[at], by, false));
                }
            }
        }
        self.ends.sort_unstable();
        let (mut acknowledged, mut highest): (u64, u64) = (0, 0);
        for &(at, number, seen) in &self.ends {
            let to = if seen {
                number
            } else {
                acknowledged = acknowledged.saturating_add(number);
                acknowledged
            };
            if to > highest {
                highest = to;
                self.certain.push(Grown { at, to });
            }
        }
    }

    /// Judges every read, in the order of their starts.
    pub(crate) fn judge(
        &self,
        calls: &Calls,
        functions: &Functions,
        sort: Sort,
        of: &[u32],
        mut each: impl FnMut(Seen),
    ) {
        let (mut certain, mut possible) = (0, 0);
        for &call in of {
            let at = call as usize;
            if calls.f[at] != functions.read || calls.outcome[at] != Kind::Ok {
                continue;
            }
            let Some(seen) = revealed(calls, sort, call) else {
                continue;
            };
            let i = calls.begins[at];
            while certain < self.certain.len() && self.certain[certain].at < i {
                certain += 1;
            }
            while possible < self.possible.len() && self.possible[possible].at < i {
                possible += 1;
            }
            let (certainly, maybe) = (&self.certain[..certain], &self.possible[..possible]);
            let missed = |grown: &[Grown]| {
                let versions = grown.last().map_or(0, |last| last.to.saturating_sub(seen));
                let first = grown.get(grown.partition_point(|grown| grown.to <= seen));
                let behind = first.map_or(0, |first| calls.time(i) - calls.time(first.at));
                (usize::try_from(versions).unwrap_or(usize::MAX), behind)
            };
            let ((versions_lo, behind_lo), (versions_hi, behind_hi)) =
                (missed(certainly), missed(maybe));
            each(Seen {
                call,
                lag: Lag {
                    versions_lo,
                    versions_hi: versions_hi.max(versions_lo),
                    behind_lo,
                    behind_hi: behind_hi.max(behind_lo),
                },
                effective: certainly.last().map_or(0, |last| {
                    narrow(usize::try_from(last.to).unwrap_or(usize::MAX).min(1 << 31))
                }),
                first: certainly.first().map_or(NEVER, |first| first.at),
                last: certainly.last().map_or(BEFORE, |last| last.at),
            });
        }
    }
}
