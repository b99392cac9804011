//! Vectors of what is known of each session, as rows of one table, shared and counted.

use super::index::{NONE, narrow};

/// One word for each place; the rows are numbered and have as many holders as they are counted.
#[derive(Debug, Default)]
pub(super) struct Clocks {
    width: usize,
    words: Vec<u32>,
    holders: Vec<u32>,
    free: Vec<u32>,
    /// What [`NONE`] stands for: nothing is known of anybody.
    nothing: Vec<u32>,
}

impl Clocks {
    /// The words of a clock; [`NONE`] knows nothing.
    #[inline]
    pub(super) fn words(&self, clock: u32) -> &[u32] {
        if clock == NONE {
            &self.nothing
        } else {
            let from = clock as usize * self.width;
            &self.words[from..from + self.width]
        }
    }

    /// Makes room for that place.
    pub(super) fn widen(&mut self, places: usize) {
        if places <= self.width {
            return;
        }
        let width = (self.width * 3 / 2).max(places).max(8);
        let mut words = vec![0; self.holders.len() * width];
        if self.width > 0 {
            for (new, old) in words.chunks_mut(width).zip(self.words.chunks(self.width)) {
                new[..old.len()].copy_from_slice(old);
            }
        }
        (self.width, self.words) = (width, words);
        self.nothing = vec![0; width];
    }

    /// One more holder.
    pub(super) fn hold(&mut self, clock: u32) {
        if clock != NONE {
            self.holders[clock as usize] += 1;
        }
    }

    /// One holder less.
    pub(super) fn release(&mut self, clock: u32) {
        if clock != NONE {
            let holders = &mut self.holders[clock as usize];
            *holders -= 1;
            if *holders == 0 {
                self.free.push(clock);
            }
        }
    }

    /// A clock with the same words and one holder, who let go of the other.
    pub(super) fn own(&mut self, clock: u32) -> u32 {
        if clock != NONE && self.holders[clock as usize] == 1 {
            return clock;
        }
        let new = self.free.pop().unwrap_or_else(|| {
            self.holders.push(0);
            self.words.resize(self.words.len() + self.width, 0);
            narrow(self.holders.len() - 1)
        });
        self.holders[new as usize] = 1;
        let to = new as usize * self.width;
        if clock == NONE {
            self.words[to..to + self.width].fill(0);
        } else {
            let from = clock as usize * self.width;
            self.words.copy_within(from..from + self.width, to);
            self.release(clock);
        }
        new
    }

    /// What either of them knows becomes what the first knows, which must have one holder.
    #[inline]
    pub(super) fn join(&mut self, into: u32, other: u32) {
        if other == NONE || into == other {
            return;
        }
        let (into, other) = (into as usize * self.width, other as usize * self.width);
        let (into, other) = if into < other {
            let (low, high) = self.words.split_at_mut(other);
            (&mut low[into..into + self.width], &high[..self.width])
        } else {
            let (low, high) = self.words.split_at_mut(into);
            (&mut high[..self.width], &low[other..other + self.width])
        };
        for (one, other) in into.iter_mut().zip(other) {
            *one = (*one).max(*other);
        }
    }

    /// Knows at least that of one place.
    pub(super) fn raise(&mut self, clock: u32, place: u32, to: u32) {
        let word = &mut self.words[clock as usize * self.width + place as usize];
        *word = (*word).max(to);
    }
}
