//! Everything that was sent to and polled from each log.

use std::collections::BTreeMap;
use std::ops::Range;

use super::parse::{Act, Door, Start};
use crate::calls::Calls;
use crate::history::Kind;
use crate::linearizable::grouping::narrow;

/// A value that was sent, or polled, with its offset.
#[derive(Clone, Copy, Debug)]
pub(super) struct Record {
    pub(super) value: u32,
    pub(super) call: u32,
    /// [`UNKNOWN`] if it was not told.
    pub(super) offset: i64,
}

/// No offset was told.
pub(super) const UNKNOWN: i64 = i64::MIN;

/// A value that stands for the wish to read on from an offset.
pub(super) const SEEK: u32 = u32::MAX;

/// All logs of a history: sends and polls by log, within one in the order of the calls.
#[derive(Clone, Debug, Default)]
pub(super) struct Logs {
    /// By log: the number of its name, where its sends stand, and where its polls do.
    pub(super) list: Vec<(u32, Range<usize>, Range<usize>)>,
    sends: Vec<Record>,
    polls: Vec<Record>,
    /// Calls that gave a consumer its logs: process and call, sorted.
    pub(super) starts: Vec<(u32, u32, bool)>,
    /// Whether there is a poll of unknown outcome: others may go on where it ended.
    pub(super) is_doubtful: bool,
    /// Calls that cannot be read: the first by index and why, and how many.
    pub(super) unreadable: Option<(usize, String)>,
    pub(super) unreadable_count: usize,
}

impl Logs {
    /// **Cost**: linear; 16 bytes for each value sent or polled, 4 bytes a value.
    pub(super) fn of(calls: &Calls) -> Self {
        let mut logs = Self::default();
        let mut door = Door::of(calls);
        let mut counts: Vec<(usize, usize)> = Vec::new();
        let mut bad: BTreeMap<u32, ()> = BTreeMap::new();
        for call in 0..narrow(calls.len()) {
            if let Some(start) = door.start(call) {
                let process = calls.process_place(call);
                logs.starts.push((process, call, start == Start::Subscribe));
                continue;
            }
            let told = door.acts(call, &mut |log, act| {
                let log = log as usize;
                if log >= counts.len() {
                    counts.resize(log + 1, (0, 0));
                }
                match act {
                    Act::Send { .. } => counts[log].0 += 1,
                    Act::Poll { .. } | Act::Seek { .. } => counts[log].1 += 1,
                }
            });
            if let Err(reason) = told {
                bad.insert(call, ());
                logs.unreadable.get_or_insert((calls.index(call), reason));
            }
        }
        logs.unreadable_count = bad.len();
        logs.starts.sort_unstable();
        let (mut sends, mut polls) = (0, 0);
        for (log, (of_sends, of_polls)) in counts.iter().enumerate() {
            logs.list
                .push((door.names[log], sends..sends, polls..polls));
            sends += of_sends;
            polls += of_polls;
        }
        let nothing = Record {
            value: 0,
            call: 0,
            offset: UNKNOWN,
        };
        logs.sends = vec![nothing; sends];
        logs.polls = vec![nothing; polls];
        for call in 0..narrow(calls.len()) {
            if bad.contains_key(&call) {
                continue;
            }
            let outcome = calls.outcome[call as usize];
            logs.is_doubtful |= outcome == Kind::Info && door.may_poll(call);
            let told = door.acts(call, &mut |log, act| {
                let (_, sends, polls) = &mut logs.list[log as usize];
                let (end, list, value, offset) = match act {
                    Act::Send { value, offset } => {
                        (sends, &mut logs.sends, value, offset.unwrap_or(UNKNOWN))
                    }
                    Act::Poll { value, offset } => (polls, &mut logs.polls, value, offset),
                    Act::Seek { offset } => (polls, &mut logs.polls, SEEK, offset),
                };
                list[end.end] = Record {
                    value,
                    call,
                    offset,
                };
                end.end += 1;
            });
            debug_assert!(told.is_ok(), "it could be read before");
        }
        logs
    }

    pub(super) fn sends(&self, log: usize) -> &[Record] {
        &self.sends[self.list[log].1.clone()]
    }

    pub(super) fn polls(&self, log: usize) -> &[Record] {
        &self.polls[self.list[log].2.clone()]
    }

    /// Whether a process was given its logs after one call and up to another; and whether it
    /// subscribed when it did so last.
    pub(super) fn is_started(&self, process: u32, after: u32, until: u32) -> bool {
        let from = self
            .starts
            .partition_point(|(of, call, _)| (*of, *call) <= (process, after));
        let next = self.starts.get(from);
        next.is_some_and(|(of, call, _)| *of == process && *call < until)
    }

    /// Whether a process had last subscribed, and not been assigned its logs, before a call.
    pub(super) fn is_subscribed(&self, process: u32, before: u32) -> bool {
        let to = self
            .starts
            .partition_point(|(of, call, _)| (*of, *call) < (process, before));
        let last = to.checked_sub(1).map(|last| self.starts[last]);
        last.is_some_and(|(of, _, subscribed)| of == process && subscribed)
    }
}

/// Offsets that are known to hold something, as places in a row without gaps.
pub(super) enum Places {
    /// By offset from the first on: one more than its place; 0 for none.
    Dense { first: i64, places: Vec<u32> },
    /// Sorted.
    Sparse(Vec<i64>),
}

impl Places {
    /// **Cost**: linear where offsets are close together, else that of sorting.
    pub(super) fn of(records: impl Iterator<Item = i64> + Clone) -> (Self, usize) {
        let mut count = 0_usize;
        let (mut low, mut high) = (i64::MAX, i64::MIN);
        for offset in records.clone() {
            count += 1;
            low = low.min(offset);
            high = high.max(offset);
        }
        if count == 0 {
            return (Self::Sparse(Vec::new()), 0);
        }
        let width = usize::try_from(i128::from(high) - i128::from(low) + 1).unwrap_or(usize::MAX);
        if width > 2 * count + 1024 {
            let mut offsets: Vec<i64> = records.collect();
            offsets.sort_unstable();
            offsets.dedup();
            let count = offsets.len();
            return (Self::Sparse(offsets), count);
        }
        let mut places = vec![0_u32; width];
        let slot = |offset: i64| usize::try_from(offset - low).unwrap_or(0);
        for offset in records {
            places[slot(offset)] = 1;
        }
        let mut next = 0;
        for place in &mut places {
            if *place != 0 {
                next += 1;
                *place = next;
            }
        }
        let places = Self::Dense { first: low, places };
        (places, next as usize)
    }

    /// The place of an offset that holds something.
    #[inline]
    pub(super) fn find(&self, offset: i64) -> Option<u32> {
        match self {
            Self::Dense { first, places } => {
                let slot = usize::try_from(offset.checked_sub(*first)?).ok()?;
                places.get(slot)?.checked_sub(1)
            }
            Self::Sparse(offsets) => offsets.binary_search(&offset).ok().map(narrow),
        }
    }

    /// How many places are before an offset, whether it holds something or not.
    pub(super) fn before(&self, offset: i64) -> u32 {
        match self {
            Self::Dense { first, places } => {
                let end = offset.saturating_sub(*first).clamp(0, i64::MAX);
                let end = usize::try_from(end).unwrap_or(usize::MAX).min(places.len());
                let last = places[..end].iter().rev().find(|place| **place != 0);
                last.copied().unwrap_or(0)
            }
            Self::Sparse(offsets) => narrow(offsets.partition_point(|of| *of < offset)),
        }
    }
}
