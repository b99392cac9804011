//! By how much the starts of reads, or all intervals, must be stretched for a history of
//! registers to be atomic.
//!
//! The calls that write and read one value are contiguous in every legal order. Of such a group
//! let `f` be the earliest end and `s` the latest start: some call of A must come before some
//! call of B exactly if `f(A) < s(B)`, and there is a legal order exactly if no two groups must
//! each come before the other. Moving the starts of reads back by Δ lowers `s` down to the start
//! of the write at most; stretching every interval by Γ/2 at both ends lowers the distance from
//! `f` to `s` by Γ. Both only ever remove constraints, so one sweep over the groups in the order
//! of `f` finds the least that suffices: while no two groups passed must each come before the
//! other, at most one of them has an `s` after the `f` of the next, and only with that one the
//! next can be at odds; then as much is stretched as those two need, and no less would do.
//!
//! **Source**: Golab, Li and Shah, "Analyzing consistency properties for fun and profit", 2011
//! (Δ); Golab, Rahman, AuYoung, Keeton and Gupta, "Client-centric benchmarking of eventual
//! consistency for cloud storage systems", 2014 (Γ); zones after Gibbons and Korach, 1997.

use super::register::{Register, unpack};
use crate::calls::{BEFORE, Calls, NEVER};

/// Before everything, with room for what is subtracted from it.
const ALWAYS: i64 = i64::MIN / 4;

/// A group of calls on one value: the earliest end, the start of the write, and the latest start
/// of a read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Zone {
    pub(super) f: i64,
    pub(super) written: i64,
    pub(super) asked: i64,
}

/// What must be stretched, in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Stretched {
    /// The starts of reads, back by this; none if no such stretch suffices, as some value was
    /// seen before its write began.
    pub(super) delta: Option<u64>,
    /// Every interval, by this in all.
    pub(super) gamma: u64,
}

impl Stretched {
    /// Nothing needs to be stretched.
    pub(super) const NOT: Self = Self {
        delta: Some(0),
        gamma: 0,
    };

    /// What suffices for both.
    pub(super) fn and(self, other: Self) -> Self {
        Self {
            delta: self.delta.zip(other.delta).map(|(a, b)| a.max(b)),
            gamma: self.gamma.max(other.gamma),
        }
    }

    /// What suffices for this register too.
    ///
    /// **Cost**: linear.
    pub(super) fn with(self, calls: &Calls, register: &Register) -> Self {
        let time = |rank| match rank {
            BEFORE => ALWAYS,
            rank => i64::try_from(calls.time(rank))
                .unwrap_or(i64::MAX / 4)
                .min(i64::MAX / 4),
        };
        let certain = register.by_f.iter().map(|&packed| unpack(packed));
        let certain = certain.take_while(|(f, _)| *f != NEVER);
        let zones: Vec<Zone> = certain
            .map(|(f, place)| {
                let version = &register.versions[place as usize];
                Zone {
                    f: time(f),
                    written: time(version.a),
                    asked: time(version.last_asked),
                }
            })
            .collect();
        self.with_zones(&zones)
    }

    /// The same of groups in the order of `f`.
    pub(super) fn with_zones(self, zones: &[Zone]) -> Self {
        let early = zones.iter().map(|zone| zone.written - zone.f).max();
        let early = early
            .and_then(|early| u64::try_from(early).ok())
            .unwrap_or(0);
        let signed = |by: u64| i64::try_from(by).unwrap_or(i64::MAX / 4);
        let delta = self.delta.filter(|_| early == 0);
        Self {
            delta: delta.map(|delta| reads_back(zones, signed(delta)).unsigned_abs()),
            gamma: all_longer(zones, signed(self.gamma.max(early))).unsigned_abs(),
        }
    }
}

/// The least from `by` on by which the starts of reads must be moved back; `zones` stand in the
/// order of `f`, and no value was seen before its write began.
fn reads_back(zones: &[Zone], mut by: i64) -> i64 {
    // Of those passed, that written last and that asked for last: one has the latest `s`.
    let mut open: Option<(&Zone, &Zone)> = None;
    for zone in zones {
        let Some((written, asked)) = &mut open else {
            open = Some((zone, zone));
            continue;
        };
        let s = |zone: &Zone| zone.written.max(zone.asked - by);
        let other = if s(written) > s(asked) {
            *written
        } else {
            *asked
        };
        if zone.f < s(other) && other.f < s(zone) {
            let (first, second) = (other.asked - zone.f, zone.asked - other.f);
            // The other's write began before its own `f`: moving its reads back is enough.
            by = if zone.written > other.f {
                first
            } else {
                first.min(second)
            };
        }
        if zone.written > written.written {
            *written = zone;
        }
        if zone.asked > asked.asked {
            *asked = zone;
        }
    }
    by
}

/// The least from `by` on by which every interval must be longer; `zones` stand in the order of
/// `f`.
fn all_longer(zones: &[Zone], mut by: i64) -> i64 {
    let (mut open_f, mut open_s) = (i64::MAX / 2, i64::MIN / 2);
    for zone in zones {
        let own = zone.written.max(zone.asked);
        if zone.f < open_s - by && open_f < own - by {
            by = (open_s - zone.f).min(own - open_f);
        }
        if own > open_s {
            (open_f, open_s) = (zone.f, own);
        }
    }
    by
}
