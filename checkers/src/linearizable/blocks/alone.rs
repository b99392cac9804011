//! One register straight from the columns, on all cores.
//!
//! It decides what is plain: whatever may have been written twice, or cannot be read, is left
//! to the algorithm on rows.

use super::Blocks;
use super::block::{self, Block};
use super::touch::{self, Values, Version, is_needed};
use crate::calls::Calls;
use crate::history::dictionary::NIL;
use crate::linearizable::cores::{on_cores, workers};
use crate::linearizable::exact::Finding;
use crate::linearizable::grouping::{Merged, sort_nearly};

/// How far a chain of compare-and-sets of unknown outcome is followed.
const STEPS: usize = 64;

pub(super) fn judge(blocks: &Blocks, calls: &Calls) -> Option<Finding> {
    judge_by(blocks, calls, workers(calls.len()))
}

/// As [`judge`], on so many cores.
pub(super) fn judge_by(blocks: &Blocks, calls: &Calls, workers: usize) -> Option<Finding> {
    if !touch::has_room(calls) {
        return None;
    }
    let (mut values, seen) = touch::gather(blocks, calls, workers)?;
    let mut all = All(&mut values);
    if !all.choose()? {
        return Some(Finding::Contradicted);
    }
    let all = &all;
    let zones = on_cores((0..workers).collect(), |share| all.zones(share));
    let zones: Option<Vec<Zones>> = zones.into_iter().collect();
    let Some(zones) = zones else {
        return Some(Finding::Contradicted);
    };
    // What is not in a chain that begins with a write is in a ring, or hangs on a value that
    // nobody wrote.
    let live: usize = zones.iter().map(|zones| zones.live).sum();
    let placed: usize = zones.iter().map(|zones| zones.placed).sum();
    Some(if live != placed || !agree(zones) {
        Finding::Contradicted
    } else if seen.is_not {
        Finding::Search("failed compare-and-sets tell what was not".to_owned())
    } else {
        let power = seen.read && seen.several;
        Finding::Linearizable { power }
    })
}

/// The values of all ranges.
struct All<'v>(&'v mut [Values]);

impl All<'_> {
    fn place(&self, value: u32) -> (usize, usize) {
        let share = self.0.partition_point(|values| values.first <= value) - 1;
        (share, (value - self.0[share].first) as usize)
    }

    fn version(&self, value: u32) -> &Version {
        let (share, place) = self.place(value);
        &self.0[share].list[place]
    }

    /// One more than the value that a compare-and-set made of it, or zero.
    fn next(&self, value: u32) -> u32 {
        let (share, place) = self.place(value);
        self.0[share].next.get(place).copied().unwrap_or(0)
    }

    /// Of several compare-and-sets from one value chooses the one that took effect; false if
    /// two must have. None if that is not seen at once.
    fn choose(&mut self) -> Option<bool> {
        let mut further: Vec<(u32, u32)> = Vec::new();
        for values in self.0.iter_mut() {
            further.append(&mut values.further);
        }
        further.sort_unstable();
        let mut chosen = Vec::new();
        for of_one in further.chunk_by(|one, other| one.0 == other.0) {
            let old = of_one[0].0;
            let mut live = None;
            for new in [self.next(old) - 1]
                .into_iter()
                .chain(of_one.iter().map(|pair| pair.1))
            {
                if self.is_live(new, &further)? && live.replace(new).is_some() {
                    return Some(false);
                }
            }
            chosen.extend(live.map(|new| (old, new)));
        }
        for (old, new) in chosen {
            let (share, place) = self.place(old);
            self.0[share].next[place] = new + 1;
        }
        Some(true)
    }

    /// Whether something that certainly took effect comes of a value; none if that takes long
    /// to see.
    fn is_live(&self, value: u32, further: &[(u32, u32)]) -> Option<bool> {
        let mut link = value;
        for _ in 0..STEPS {
            if is_needed(self.version(link)) {
                return Some(true);
            }
            if further.binary_search_by_key(&link, |pair| pair.0).is_ok() {
                return None;
            }
            match self.next(link) {
                0 => return Some(false),
                next => link = next - 1,
            }
        }
        None
    }

    /// The zones of the blocks that begin with a value of this share; none if one of them
    /// contradicts itself.
    fn zones(&self, share: usize) -> Option<Zones> {
        let mut zones = Zones::default();
        let Some(values) = self.0.get(share) else {
            return Some(zones);
        };
        for (value, version) in (values.first..).zip(&values.list) {
            zones.live += usize::from(is_needed(version));
            let written = version[0][1];
            if written == 0 && value != NIL || written & 1 == 1 {
                continue;
            }
            if values
                .next
                .get((value - values.first) as usize)
                .is_none_or(|next| *next == 0)
            {
                // Most blocks are one value with its reads.
                let mut block = Block::default();
                block.add(version);
                if is_needed(version) {
                    zones.add(&block)?;
                    zones.placed += 1;
                }
            } else {
                self.walk(value, &mut zones)?;
            }
        }
        sort_nearly(&mut zones.keys);
        Some(zones)
    }

    /// Follows a chain to the last value that certainly took effect.
    fn walk(&self, head: u32, zones: &mut Zones) -> Option<()> {
        let mut block = Block::default();
        let mut settled = None;
        let mut link = head + 1;
        while let Some(value) = link.checked_sub(1) {
            let version = self.version(value);
            block.add(version);
            if is_needed(version) {
                zones.placed += 1;
                settled = Some(block);
            }
            link = self.next(value);
        }
        settled.map_or(Some(()), |block| zones.add(&block))
    }
}

/// The blocks of a share, as [zones](Block::zone).
#[derive(Default)]
struct Zones {
    keys: Vec<u64>,
    /// Values that certainly took effect, and those of them that are in these blocks.
    live: usize,
    placed: usize,
}

impl Zones {
    #[inline]
    fn add(&mut self, block: &Block) -> Option<()> {
        self.keys.push(block.zone()?);
        Some(())
    }
}

/// Whether no two blocks must each come before the other.
fn agree(zones: Vec<Zones>) -> bool {
    let keys: Vec<Vec<u64>> = zones.into_iter().map(|zones| zones.keys).collect();
    let mut merged = Merged::of(&keys);
    block::agree(std::iter::from_fn(|| merged.next_if(|_| true)))
}
