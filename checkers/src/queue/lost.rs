//! What never came out, and who can have taken it.
//!
//! A dequeue or drain of unknown outcome took effect some time after its start, or never. So it
//! can have taken any element; where elements come out in order, not one that had to be out before
//! it began, as another was out that had been put in later. Who began in time for one element did
//! so for all that had to be out after it. So there are takers for all but as many as are too many,
//! at worst, of those that had to be out by some moment (Hall's theorem, for sets one inside the
//! other).

use super::Order;
use super::order::Passed;
use crate::calls::{NEVER, Rank};

/// Copies of an element that never came out.
#[derive(Clone, Copy, Debug)]
pub(super) struct Missing {
    pub(super) enqueue: u32,
    pub(super) copies: usize,
    /// By when they had to be out.
    pub(super) until: Rank,
}

/// Something of unknown outcome.
#[derive(Clone, Copy, Debug)]
pub(super) struct Taker {
    pub(super) begins: Rank,
    /// How many elements it can have taken.
    pub(super) most: usize,
}

/// More had to be out by some moment than can have been taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Lost {
    /// How many more.
    pub(super) count: usize,
    /// By when.
    pub(super) until: Rank,
    /// How many had to be out by then, and how many can have been taken.
    pub(super) missing: usize,
    pub(super) taken: usize,
}

/// How many are certainly lost, and where that shows.
///
/// **Cost**: that of sorting.
pub(super) fn lost(missing: &mut [Missing], takers: &mut [Taker]) -> Lost {
    missing.sort_unstable_by_key(|of| of.until);
    takers.sort_unstable_by_key(|taker| taker.begins);
    let mut takers = takers.iter().peekable();
    let (mut due, mut taken) = (0_usize, 0_usize);
    let mut worst = Lost::default();
    for same in missing.chunk_by(|one, other| one.until == other.until) {
        let until = same[0].until;
        due += same.iter().map(|of| of.copies).sum::<usize>();
        while let Some(taker) = takers.next_if(|taker| taker.begins <= until) {
            taken = taken.saturating_add(taker.most);
        }
        let count = due.saturating_sub(taken);
        if count > worst.count {
            worst = Lost {
                count,
                until,
                missing: due,
                taken,
            };
        }
    }
    worst
}

/// For each key of some that rise, the earliest of the moments that stand at it or later.
#[derive(Default)]
struct Earliest<K>(Vec<(K, Rank)>);

impl<K: Copy + Ord> Earliest<K> {
    fn of(moments: impl Iterator<Item = (K, Rank)>) -> Self {
        let mut all: Vec<(K, Rank)> = moments.collect();
        all.sort_unstable();
        let mut earliest = NEVER;
        for (_, moment) in all.iter_mut().rev() {
            earliest = earliest.min(*moment);
            *moment = earliest;
        }
        Self(all)
    }

    /// The earliest beyond this key; [`NEVER`] if there is none.
    fn beyond(&self, key: K) -> Rank {
        let place = self.0.partition_point(|(of, _)| *of <= key);
        self.0.get(place).map_or(NEVER, |(_, moment)| *moment)
    }
}

/// By when what was put in had to be out, as the order shows in which things came out.
#[derive(Default)]
pub(super) struct Deadlines {
    /// Of what came out, by when it was put in; or by process and call.
    by_time: Earliest<Rank>,
    by_process: Vec<(u32, Earliest<u32>)>,
}

impl Deadlines {
    /// `passed` is what went in and came out once.
    ///
    /// **Cost**: that of sorting.
    pub(super) fn of(passed: &[Passed], order: Order) -> Self {
        let mut deadlines = Self::default();
        match order {
            Order::None => {}
            Order::Fifo => {
                let moments = passed.iter().map(|of| (of.begins, of.to));
                deadlines.by_time = Earliest::of(moments);
            }
            Order::Producer => {
                let mut own: Vec<&Passed> = passed.iter().collect();
                own.sort_unstable_by_key(|of| of.process);
                let by_process = own.chunk_by(|one, other| one.process == other.process);
                deadlines.by_process = by_process
                    .map(|own| {
                        let moments = own.iter().map(|of| (of.enqueue, of.to));
                        (own[0].process, Earliest::of(moments))
                    })
                    .collect();
            }
        }
        deadlines
    }

    /// By when what this call of a process put in had to be out; it was in at that moment.
    pub(super) fn until(&self, process: u32, enqueue: u32, inside: Rank) -> Rank {
        let own = self.by_process.binary_search_by_key(&process, |of| of.0);
        let own = own.ok().map(|at| self.by_process[at].1.beyond(enqueue));
        self.by_time.beyond(inside).min(own.unwrap_or(NEVER))
    }
}
