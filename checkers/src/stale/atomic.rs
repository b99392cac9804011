//! By how much the starts of reads, or all intervals, must be stretched for a history of
//! registers to be atomic.
//!
//! The calls that write and read one value are contiguous in every legal order. Of such a group
//! let `f` be the earliest end and `s` the latest start: some call of A must come before some
//! call of B exactly if `f(A) < s(B)`, and there is a legal order exactly if no two groups must
//! each come before the other. Moving the starts of reads back by Δ lowers `s` down to the start
//! of the write at most; stretching every interval by Γ/2 at both ends lowers the distance from
//! `f` to `s` by Γ. Both only ever remove constraints, so the least that suffices is found by
//! halving, each time with one sweep over the groups in the order of `f`.
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
    /// **Cost**: linear where `self` suffices, else that times the logarithm of the time.
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
        let latest = zones.iter().map(|zone| zone.asked.max(zone.written)).max();
        let first = zones.iter().map(|zone| zone.f).find(|f| *f > ALWAYS);
        let span = latest
            .zip(first)
            .map_or(0, |(latest, first)| latest - first);
        let least = |enough: u64, suffices: &dyn Fn(i64) -> bool| {
            let mut low = i64::try_from(enough).unwrap_or(i64::MAX / 4);
            if suffices(low) {
                return enough;
            }
            // `low` is too little, `high` is enough.
            let mut high = span.max(low + 1);
            while high - low > 1 {
                let middle = low + (high - low) / 2;
                if suffices(middle) {
                    high = middle;
                } else {
                    low = middle;
                }
            }
            high.unsigned_abs()
        };
        let delta = self.delta.filter(|_| early == 0).map(|delta| {
            least(delta, &|by| {
                is_atomic(zones, |zone| zone.written.max(zone.asked - by))
            })
        });
        let gamma = least(self.gamma.max(early), &|by| {
            is_atomic(zones, |zone| zone.written.max(zone.asked) - by)
        });
        Self { delta, gamma }
    }
}

/// Whether no two groups must each come before the other; `zones` stand in the order of `f`.
///
/// While no two do, at most one of those passed has an `s` after the `f` of the next.
fn is_atomic(zones: &[Zone], s: impl Fn(&Zone) -> i64) -> bool {
    let (mut open_f, mut open_s) = (i64::MAX, i64::MIN);
    for zone in zones {
        let own = s(zone);
        if zone.f < open_s && open_f < own {
            return false;
        }
        if own > open_s {
            (open_f, open_s) = (zone.f, own);
        }
    }
    true
}
