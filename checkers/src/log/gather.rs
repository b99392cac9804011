//! Everything that was sent to and polled from each log.

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

/// What was sent to one log and polled from it, in the order of the calls.
#[derive(Clone, Debug)]
pub(super) struct Messages {
    /// The number of its name.
    pub(super) name: u32,
    pub(super) sends: Vec<Record>,
    pub(super) polls: Vec<Record>,
}

impl Messages {
    const NONE: Self = Self {
        name: 0,
        sends: Vec::new(),
        polls: Vec::new(),
    };
}

/// All logs of a history.
#[derive(Clone, Debug, Default)]
pub(super) struct Logs {
    pub(super) list: Vec<Messages>,
    /// Calls that gave a consumer its logs: process and call, sorted.
    pub(super) starts: Vec<(u32, u32, bool)>,
    /// Whether there is a poll of unknown outcome: others may go on where it ended.
    pub(super) is_doubtful: bool,
    /// Calls that cannot be read: the first by index and why, and how many.
    pub(super) unreadable: Option<(usize, String)>,
    pub(super) unreadable_count: usize,
}

impl Logs {
    /// **Cost**: linear; 12 bytes a value, and 16 for each that was sent or polled.
    pub(super) fn of(calls: &Calls) -> Self {
        let mut logs = Self::default();
        let mut door = Door::of(calls);
        // Memory that grows is copied, and what it leaves is lost: mostly there is one log.
        logs.list.push(Messages {
            sends: Vec::with_capacity(calls.len()),
            polls: Vec::with_capacity(calls.len()),
            ..Messages::NONE
        });
        for call in 0..narrow(calls.len()) {
            if let Some(start) = door.start(call) {
                let process = calls.process_place(call);
                logs.starts.push((process, call, start == Start::Subscribe));
                continue;
            }
            let told = door.acts(call, &mut |log, act| logs.take(log, call, act));
            if let Err(reason) = told {
                logs.forget(call);
                logs.unreadable_count += 1;
                logs.unreadable.get_or_insert((calls.index(call), reason));
            } else {
                let outcome = calls.outcome[call as usize];
                logs.is_doubtful |= outcome == Kind::Info && door.may_poll(call);
            }
        }
        logs.starts.sort_unstable();
        // What is named by calls alone that cannot be read is a log all the same.
        logs.list.resize(door.names.len(), Messages::NONE);
        for (log, name) in logs.list.iter_mut().zip(door.names) {
            log.name = name;
        }
        logs
    }

    fn take(&mut self, log: u32, call: u32, act: Act) {
        let log = log as usize;
        if log >= self.list.len() {
            self.list.resize(log + 1, Messages::NONE);
        }
        let Messages { sends, polls, .. } = &mut self.list[log];
        let (list, value, offset) = match act {
            Act::Send { value, offset } => (sends, value, offset.unwrap_or(UNKNOWN)),
            Act::Poll { value, offset } => (polls, value, offset),
            Act::Seek { offset } => (polls, SEEK, offset),
        };
        list.push(Record {
            value,
            call,
            offset,
        });
    }

    /// Forgets what the last call did: half of it could not be read.
    fn forget(&mut self, call: u32) {
        for log in &mut self.list {
            for list in [&mut log.sends, &mut log.polls] {
                while list.last().is_some_and(|last| last.call == call) {
                    list.pop();
                }
            }
        }
    }

    pub(super) fn sends(&self, log: usize) -> &[Record] {
        &self.list[log].sends
    }

    pub(super) fn polls(&self, log: usize) -> &[Record] {
        &self.list[log].polls
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
