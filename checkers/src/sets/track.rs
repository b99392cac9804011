//! Each element's reads without a look at each element in each read.
//!
//! Reads are walked in the order of their starts, and only what differs from the read before is
//! looked at: an element is there, or absent, in a run of reads. Of a run, what counts is its
//! last read, and the earliest end of any of them from some place on; two stacks tell both.

use std::collections::BTreeMap;

use super::gather::{Object, Read};
use crate::calls::{BEFORE, Calls, NEVER, Rank};
use crate::history::Kind;
use crate::linearizable::grouping::narrow;

const NOBODY: u32 = u32::MAX;

/// One element, and what the reads show of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Element {
    pub(super) value: u32,
    /// Its add: one that did not fail, if there is one.
    add: u32,
    /// Where its present run of reads began.
    since: u32,
    /// One more than the last read that shows it, or lacks it; 0 for none.
    last_present: u32,
    last_absent: u32,
    /// The earliest end of a read that shows it.
    pub(super) first_end: Rank,
    /// Where it stood when it was placed last, and one more than the read that placed it.
    position: u32,
    stamp: u32,
    is_there: bool,
    pub(super) has_failed: bool,
    pub(super) is_repeated: bool,
}

impl Element {
    pub(super) fn add(&self) -> Option<u32> {
        (self.add != NOBODY).then_some(self.add)
    }

    /// The last read that shows it.
    pub(super) fn last_present(&self) -> Option<usize> {
        (self.last_present as usize).checked_sub(1)
    }

    /// The last read that lacks it and counts.
    pub(super) fn last_absent(&self) -> Option<usize> {
        (self.last_absent as usize).checked_sub(1)
    }
}

/// The elements of a set, and what is wrong with reads of it.
#[derive(Clone, Debug, Default)]
pub(super) struct Tracked {
    pub(super) elements: Vec<Element>,
    /// Elements that were there, absent, and there again; with the earliest end of a read that
    /// lacks it and began after it was there. The last read that shows it tells whether it was.
    gaps: BTreeMap<u32, Rank>,
    /// When the removal of an element was first called.
    removed: BTreeMap<u32, Rank>,
    /// Elements that a read returned twice: element and read.
    pub(super) duplicates: Vec<(u32, u32)>,
    /// Those of the read before: element and where it stood again.
    twice: Vec<(u32, u32)>,
}

impl Tracked {
    /// Whether the element at that place flickered.
    pub(super) fn flickers(&self, place: usize, reads: &[Read<'_>]) -> bool {
        let Some(last) = self.elements[place].last_present() else {
            return false;
        };
        let gap = self.gaps.get(&narrow(place));
        gap.is_some_and(|gap| *gap < reads[last].begins)
    }

    /// Whether the removal of the element at that place was called and did not fail.
    pub(super) fn is_removed(&self, place: usize) -> bool {
        self.removed.contains_key(&narrow(place))
    }

    /// **Cost**: linear in calls and in what reads return beyond the one before them, but for a
    /// logarithm where an element comes or goes.
    pub(super) fn of(calls: &Calls, object: &Object<'_>, slots: &mut [u32]) -> Self {
        let mut tracked = Self::default();
        tracked.elements.reserve(object.adds.len());
        for &add in &object.adds {
            let at = add as usize;
            let place = tracked.slot(calls.argument[at], slots);
            let element = &mut tracked.elements[place];
            if calls.outcome[at] == Kind::Fail {
                element.has_failed = true;
                if element.add == NOBODY {
                    element.add = add;
                }
            } else {
                let other = element.add;
                let did_not_fail = other != NOBODY && calls.outcome[other as usize] != Kind::Fail;
                element.is_repeated |= did_not_fail;
                if !did_not_fail {
                    element.add = add;
                }
            }
        }
        for &remove in &object.removes {
            let at = remove as usize;
            let place = narrow(tracked.slot(calls.argument[at], slots));
            let first = tracked.removed.entry(place).or_insert(NEVER);
            *first = (*first).min(calls.begins[at]);
        }
        let mut walk = Walk {
            calls,
            reads: &object.reads,
            rising: Vec::new(),
            falling: Vec::new(),
        };
        let mut previous: &[u32] = &[];
        for (turn, read) in object.reads.iter().enumerate() {
            tracked.read(&mut walk, turn, read, previous, slots);
            walk.push(turn);
            previous = &read.items;
        }
        let end = object.reads.len();
        for place in 0..tracked.elements.len() {
            if tracked.elements[place].is_there {
                tracked.close_present(&walk, place, end);
            } else {
                tracked.close_absent(&walk, place, end);
            }
        }
        for element in &tracked.elements {
            slots[element.value as usize] = 0;
        }
        tracked
    }

    fn slot(&mut self, value: u32, slots: &mut [u32]) -> usize {
        let slot = &mut slots[value as usize];
        if *slot == 0 {
            self.elements.push(Element {
                value,
                add: NOBODY,
                since: 0,
                last_present: 0,
                last_absent: 0,
                first_end: NEVER,
                position: 0,
                stamp: 0,
                is_there: false,
                has_failed: false,
                is_repeated: false,
            });
            *slot = narrow(self.elements.len());
        }
        *slot as usize - 1
    }

    /// What comes and what goes with one read.
    fn read(
        &mut self,
        walk: &mut Walk<'_>,
        turn: usize,
        read: &Read<'_>,
        previous: &[u32],
        slots: &mut [u32],
    ) {
        let same = common(previous, &read.items);
        let stamp = narrow(turn) + 1;
        // What stands twice in the part that both have stands there twice again.
        self.twice.retain(|(_, place)| (*place as usize) < same);
        let again = self.twice.iter().map(|(of, _)| (*of, narrow(turn)));
        self.duplicates.extend(again);
        for (place, &item) in read.items.iter().enumerate().skip(same) {
            let of = self.slot(item, slots);
            let element = &mut self.elements[of];
            let is_kept = element.is_there && (element.position as usize) < same;
            if element.stamp == stamp || is_kept {
                self.duplicates.push((narrow(of), narrow(turn)));
                self.twice.push((narrow(of), narrow(place)));
                continue;
            }
            element.stamp = stamp;
            element.position = narrow(place);
            if !element.is_there {
                self.close_absent(walk, of, turn);
                let element = &mut self.elements[of];
                element.is_there = true;
                element.since = narrow(turn);
            }
        }
        for &item in &previous[same..] {
            let of = slots[item as usize] as usize - 1;
            let element = &self.elements[of];
            if element.is_there && element.stamp != stamp && element.position as usize >= same {
                self.close_present(walk, of, turn);
                let element = &mut self.elements[of];
                element.is_there = false;
                element.since = narrow(turn);
            }
        }
    }

    /// An element was in the reads from where its run began up to before `end`.
    fn close_present(&mut self, walk: &Walk<'_>, place: usize, end: usize) {
        let element = &mut self.elements[place];
        if element.since as usize == end {
            return;
        }
        element.last_present = narrow(end);
        element.first_end = element.first_end.min(walk.earliest_end(element.since));
    }

    /// An element was absent in these.
    fn close_absent(&mut self, walk: &Walk<'_>, place: usize, end: usize) {
        let element = self.elements[place];
        if element.since as usize == end {
            return;
        }
        let Some(add) = element.add() else { return };
        let begins = walk.calls.begins[add as usize];
        if let Some(&removed) = self.removed.get(&narrow(place)) {
            let until = walk
                .reads
                .partition_point(|read| read.begins < removed)
                .min(end);
            let counts = |turn: &usize| {
                let read = &walk.reads[*turn];
                read.ends >= begins && read.ends < removed
            };
            if let Some(turn) = (element.since as usize..until).rev().find(counts) {
                let last = &mut self.elements[place].last_absent;
                *last = (*last).max(narrow(turn) + 1);
            }
            return;
        }
        if let Some(turn) = walk.last_ending_at(begins)
            && turn >= element.since
        {
            self.elements[place].last_absent = turn + 1;
        }
        if element.first_end != NEVER {
            let later = |read: &Read<'_>| read.begins <= element.first_end;
            let from = narrow(walk.reads[..end].partition_point(later)).max(element.since);
            if (from as usize) < end {
                let gap = self.gaps.entry(narrow(place)).or_insert(NEVER);
                *gap = (*gap).min(walk.earliest_end(from));
            }
        }
    }
}

/// The reads that were walked so far.
struct Walk<'a> {
    calls: &'a Calls,
    reads: &'a [Read<'a>],
    /// Reads that end before all later ones, and reads that end after all later ones.
    rising: Vec<u32>,
    falling: Vec<u32>,
}

impl Walk<'_> {
    fn end(&self, turn: u32) -> Rank {
        self.reads[turn as usize].ends
    }

    /// When a read ended that can lack something; one that cannot did so before everything.
    fn end_of_absence(&self, turn: u32) -> Rank {
        let read = &self.reads[turn as usize];
        if read.is_partial { BEFORE } else { read.ends }
    }

    fn push(&mut self, turn: usize) {
        let turn = narrow(turn);
        let end = self.end(turn);
        while self
            .rising
            .last()
            .is_some_and(|&last| self.end(last) >= end)
        {
            self.rising.pop();
        }
        self.rising.push(turn);
        let end = self.end_of_absence(turn);
        while self
            .falling
            .last()
            .is_some_and(|&last| self.end_of_absence(last) <= end)
        {
            self.falling.pop();
        }
        self.falling.push(turn);
    }

    /// The earliest end of a read from that one on.
    fn earliest_end(&self, from: u32) -> Rank {
        let place = self.rising.partition_point(|turn| *turn < from);
        self.rising.get(place).map_or(NEVER, |turn| self.end(*turn))
    }

    /// The last read that ends then or later.
    fn last_ending_at(&self, end: Rank) -> Option<u32> {
        let place = self
            .falling
            .partition_point(|turn| self.end_of_absence(*turn) >= end);
        Some(self.falling[place.checked_sub(1)?])
    }
}

/// How many elements two lists have in common at their beginnings.
fn common(one: &[u32], other: &[u32]) -> usize {
    const BLOCK: usize = 64;
    let (one_blocks, other_blocks) = (one.chunks_exact(BLOCK), other.chunks_exact(BLOCK));
    let equal = one_blocks
        .zip(other_blocks)
        .take_while(|(one, other)| one == other);
    let start = equal.count() * BLOCK;
    let rest = one[start..].iter().zip(&other[start..]);
    start + rest.take_while(|(one, other)| one == other).count()
}
