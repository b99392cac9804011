//! The time of a history cut where a fault begins or ends, or where roles may change.

use crate::calls::{Calls, Rank};
use crate::faults;
use crate::history::Nanos;
use crate::roles::Roles;

/// More cells than this are not kept apart: then there are no segments.
const MOST_CELLS: usize = 1 << 22;

/// A fault, from its start to the end of what undid it.
#[derive(Clone, Debug)]
pub(super) struct Fault {
    pub(super) words: String,
    pub(super) from: Nanos,
    /// None if it was never undone.
    pub(super) to: Option<Nanos>,
    /// The segments that lie in it.
    pub(super) segments: std::ops::Range<usize>,
}

/// The segments, in order.
#[derive(Clone, Debug)]
pub(super) struct Segments {
    /// The first rank of each; the first is 0.
    cuts: Vec<Rank>,
    pub(super) faults: Vec<Fault>,
    /// By segment: whether it lies in some fault.
    faulty: Vec<bool>,
    roles: Roles,
    /// By segment: the place of its stretch of roles.
    stretches: Vec<usize>,
}

impl Segments {
    /// **Cost**: n log n in the nemesis's entries.
    pub(super) fn of(calls: &Calls) -> Self {
        let events = faults::events_of(calls.nemesis().iter());
        let windows = faults::windows(&events);
        let roles = Roles::of(calls.nemesis(), &events);
        let begin = |time: Nanos| calls.rank_from(time);
        let after = |time: Nanos| calls.rank_from(time.saturating_add(1));
        let mut cuts = vec![0];
        for window in &windows {
            cuts.push(begin(window.from));
            cuts.extend(window.to.map(after));
        }
        let starts: Vec<Rank> = roles.stretches.iter().map(|s| begin(s.from)).collect();
        cuts.extend(&starts[1..]);
        cuts.sort_unstable();
        cuts.dedup();
        if cuts.len().saturating_mul(calls.nodes().len() + 1) > MOST_CELLS {
            return Self {
                cuts: vec![0],
                faults: Vec::new(),
                faulty: vec![false],
                roles: Roles::of(&[], &[]),
                stretches: vec![0],
            };
        }
        let place = |rank: Rank| cuts.partition_point(|cut| *cut < rank);
        let faults = windows.iter().map(|window| Fault {
            words: window.event.in_words(),
            from: window.from,
            to: window.to,
            segments: place(begin(window.from))
                ..window.to.map_or(cuts.len(), |to| place(after(to))),
        });
        let faults: Vec<Fault> = faults.collect();
        let mut faulty = vec![false; cuts.len()];
        // A segment that lies in a fault begins within the reach of the furthest so far.
        let mut reach = 0;
        let mut starts_at: Vec<_> = faults.iter().map(|fault| fault.segments.clone()).collect();
        starts_at.sort_unstable_by_key(|segments| segments.start);
        for segments in starts_at {
            let from = segments.start.max(reach);
            reach = reach.max(segments.end);
            faulty[from.min(reach)..reach].fill(true);
        }
        // Of stretches that begin at one instant the last holds.
        let stretch = |cut: &Rank| starts.partition_point(|start| start <= cut).max(1) - 1;
        let stretches = cuts.iter().map(stretch).collect();
        Self {
            cuts,
            faults,
            faulty,
            roles,
            stretches,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.cuts.len()
    }

    /// The segment of a rank; the search begins at `from`, which must not be behind it.
    #[inline]
    pub(super) fn walk(&self, from: usize, rank: Rank) -> usize {
        let mut at = from;
        while at + 1 < self.cuts.len() && self.cuts[at + 1] <= rank {
            at += 1;
        }
        at
    }

    /// The segment of a rank.
    pub(super) fn find(&self, rank: Rank) -> usize {
        self.cuts.partition_point(|cut| *cut <= rank).max(1) - 1
    }

    /// Whether a segment lies in some fault.
    pub(super) fn is_faulty(&self, segment: usize) -> bool {
        self.faulty[segment]
    }

    /// The role of a node in a segment.
    pub(super) fn role(&self, segment: usize, node: &str) -> &str {
        self.roles.stretches[self.stretches[segment]].role(node)
    }

    pub(super) fn knows_roles(&self) -> bool {
        !self.roles.is_silent()
    }
}
