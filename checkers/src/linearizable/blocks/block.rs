//! What is known of a block of one register: a value, or a chain of compare-and-sets.

use super::touch::Version;
use crate::calls::{BEFORE, NEVER, Rank};
use crate::linearizable::grouping::{high_half, low_half, pack};

/// A block, as far as it is known.
#[derive(Clone, Copy)]
pub(super) struct Block {
    /// The earliest end and the latest start.
    f: Rank,
    s: Rank,
    /// Whether it disagrees with real time within itself.
    is_wrong: bool,
}

impl Default for Block {
    fn default() -> Self {
        Self {
            f: NEVER,
            s: BEFORE,
            is_wrong: false,
        }
    }
}

impl Block {
    /// Adds the next value: its write, then its reads.
    #[inline]
    pub(super) fn add(&mut self, version: &Version) {
        let [[ended, began], [seen, asked]] = *version;
        self.is_wrong |= !ended < self.s;
        self.f = self.f.min(!ended);
        self.s = self.s.max(began >> 1);
        self.is_wrong |= !seen < self.s;
        self.f = self.f.min(!seen);
        self.s = self.s.max(asked);
    }

    /// A number that sorts by where the block begins to matter: the smaller of f and s, doubled,
    /// and one more if the block is backward; then the larger. None if it contradicts itself.
    #[inline]
    pub(super) fn zone(&self) -> Option<u64> {
        let Self { f, s, is_wrong } = *self;
        let zone = if f < s {
            pack(f << 1, s)
        } else {
            pack(s << 1 | 1, f)
        };
        (!is_wrong).then_some(zone)
    }
}

/// Whether no two blocks must each come before the other; their [zones](Block::zone) in order.
#[inline]
pub(super) fn agree(zones: impl Iterator<Item = u64>) -> bool {
    // The forward block that began last: its value held from f to s.
    let (mut f, mut s) = (0, 0);
    for zone in zones {
        let (low, high) = (high_half(zone) >> 1, low_half(zone));
        if high_half(zone) & 1 == 0 {
            if low < s {
                return false;
            }
            (f, s) = (low, high);
        } else if f < low && high < s {
            return false;
        }
    }
    true
}
