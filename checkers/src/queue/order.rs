//! In which order elements came out.

use std::collections::HashMap;

use super::Element;
use super::gather::Object;
use crate::calls::{BEFORE, Calls, Rank};

/// An element that came out after another that was put in later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Misplaced {
    /// What was put in first, by its place among the elements.
    pub(super) first: u32,
    /// What was put in then, and came out before.
    pub(super) then: u32,
}

/// What came out too early, each once.
#[derive(Clone, Debug, Default)]
pub(super) struct Found {
    /// How many elements went in and came out once.
    pub(super) judged: usize,
    pub(super) fifo: Vec<Misplaced>,
    pub(super) producer: Vec<Misplaced>,
}

/// An element that went in and came out once.
#[derive(Clone, Copy, Debug)]
pub(super) struct Passed {
    element: u32,
    pub(super) process: u32,
    pub(super) enqueue: u32,
    /// When it began to be put in, and by when it was in.
    pub(super) begins: Rank,
    inside: Rank,
    /// When it was taken, by which call, and at which place of it.
    from: Rank,
    pub(super) to: Rank,
    call: u32,
    place: u32,
}

impl Passed {
    /// Whether this certainly came out before the other.
    fn is_out_before(&self, other: &Self) -> bool {
        self.to < other.from || self.call == other.call && self.place < other.place
    }
}

/// What went in and came out once.
///
/// **Cost**: linear.
pub(super) fn passed(
    calls: &Calls,
    object: &Object,
    elements: &[Element],
    slots: &[u32],
) -> Vec<Passed> {
    let mut passed: Vec<Passed> = Vec::new();
    for delivery in &object.deliveries {
        let place = slots[delivery.value as usize] - 1;
        let element = &elements[place as usize];
        if element.attempted != 1 || element.delivered != 1 {
            continue;
        }
        let (put, take) = (element.enqueue as usize, delivery.call as usize);
        passed.push(Passed {
            element: place,
            process: calls.process_place(element.enqueue),
            enqueue: element.enqueue,
            begins: calls.begins[put],
            // What is out was in.
            inside: calls.ends[put].min(calls.ends[take]),
            from: calls.begins[take],
            to: calls.ends[take],
            call: delivery.call,
            place: delivery.place,
        });
    }
    passed
}

/// **Cost**: O(n log n).
pub(super) fn judge(passed: &mut [Passed]) -> Found {
    let mut found = Found {
        judged: passed.len(),
        ..Found::default()
    };
    found.producer = by_producer(passed);
    found.fifo = by_time(passed);
    found
}

/// Of one process, in the order in which it put them in.
fn by_producer(passed: &mut [Passed]) -> Vec<Misplaced> {
    passed.sort_unstable_by_key(|of| (of.process, of.enqueue));
    let mut found = Vec::new();
    for own in passed.chunk_by(|one, other| one.process == other.process) {
        // Of those put in so far: the one that began to be taken last, and of the drain that
        // took it last the one at the last place.
        let mut latest: Option<Passed> = None;
        let mut furthest: HashMap<u32, Passed> = HashMap::new();
        for of in own {
            let same = furthest
                .get(&of.call)
                .filter(|other| of.is_out_before(other));
            let other = latest
                .filter(|other| of.is_out_before(other))
                .or(same.copied());
            found.extend(other.map(|other| Misplaced {
                first: other.element,
                then: of.element,
            }));
            if latest.is_none_or(|latest| of.from > latest.from) {
                latest = Some(*of);
            }
            let furthest = furthest.entry(of.call).or_insert(*of);
            if furthest.place < of.place {
                *furthest = *of;
            }
        }
    }
    found
}

/// Of all, where one was in before another began to be put in.
fn by_time(passed: &mut [Passed]) -> Vec<Misplaced> {
    // Within one call that took several: a later place was in before this began to be put in.
    let mut found: Vec<Misplaced> = Vec::new();
    passed.sort_unstable_by_key(|of| (of.call, of.place));
    for drained in passed.chunk_by(|one, other| one.call == other.call) {
        let mut oldest: Option<&Passed> = None;
        for of in drained.iter().rev() {
            if let Some(other) = oldest.filter(|other| other.inside < of.begins) {
                found.push(Misplaced {
                    first: other.element,
                    then: of.element,
                });
            }
            if oldest.is_none_or(|oldest| of.inside < oldest.inside) {
                oldest = Some(of);
            }
        }
    }
    let mut inside: Vec<(Rank, u32)> = Vec::with_capacity(passed.len());
    inside.extend(
        (0_u32..)
            .zip(passed.iter())
            .map(|(place, of)| (of.inside, place)),
    );
    inside.sort_unstable();
    let mut began: Vec<u32> = (0_u32..).take(passed.len()).collect();
    began.sort_unstable_by_key(|place| passed[*place as usize].begins);
    let mut next = inside.iter().peekable();
    let mut latest: (Rank, u32) = (BEFORE, 0);
    for place in began {
        let of = &passed[place as usize];
        while let Some((_, other)) = next.next_if(|(inside, _)| *inside < of.begins) {
            let other = &passed[*other as usize];
            latest = latest.max((other.from, other.element));
        }
        if of.to < latest.0 {
            found.push(Misplaced {
                first: latest.1,
                then: of.element,
            });
        }
    }
    found.sort_unstable_by_key(|of| (of.then, of.first));
    found.dedup_by_key(|of| of.then);
    found
}
