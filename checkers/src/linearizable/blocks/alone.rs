//! One register straight from the columns, on all cores.
//!
//! Each core goes through all calls and takes care of the values of one range. A call touches
//! one value, at most two, and values have numbers in the order in which they were first heard
//! of, so what is touched lies close together.
//!
//! It decides what is plain: whatever may have been written twice, or cannot be read, is left
//! to the algorithm on rows.

use std::ops::Range;

use super::Blocks;
use crate::calls::{BEFORE, Calls, NEVER, NO_VALUE, Rank};
use crate::history::Kind;
use crate::history::dictionary::{Interned, NIL};
use crate::linearizable::cores::{on_cores, shares, workers};
use crate::linearizable::exact::Finding;
use crate::linearizable::grouping::{Merged, high_half, low_half, narrow, pack, sort_nearly};

/// More cores than this would only read the same columns.
const CORES: usize = 8;

/// How far a chain of compare-and-sets of unknown outcome is followed.
const STEPS: usize = 64;

/// What a call does.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Does {
    Nothing,
    Read,
    Write,
    Cas,
    /// It failed, and so tells what the value was not.
    IsNot,
}

/// What is known of a value: of its write, then of its reads, the complement of the earliest end
/// and the latest start; zero if there is none. The start of a write is doubled, and one more if
/// it is a compare-and-set.
type Version = [[u32; 2]; 2];

/// The values of a range.
struct Values {
    first: u32,
    list: Vec<Version>,
    /// One more than the value that a compare-and-set made of it, or zero.
    next: Vec<u32>,
    /// Further compare-and-sets from a value: old and new.
    further: Vec<(u32, u32)>,
    read: bool,
    /// Whether there is any value but the initial one.
    several: bool,
    is_not: bool,
}

pub(super) fn judge(blocks: &Blocks, calls: &Calls) -> Option<Finding> {
    judge_by(blocks, calls, workers(calls.len()).min(CORES))
}

/// As [`judge`], on so many cores.
pub(super) fn judge_by(blocks: &Blocks, calls: &Calls, workers: usize) -> Option<Finding> {
    let numbers = calls.values.len();
    if numbers > 2 * calls.len() + 64 || calls.len() > 1 << 29 {
        return None;
    }
    let ranges = shares(numbers, workers);
    let values = on_cores(ranges, |range| Values::of(blocks, calls, range));
    let mut values: Vec<Values> = values.into_iter().collect::<Option<_>>()?;
    let is_not = values.iter().any(|values| values.is_not);
    let power = values.iter().any(|v| v.read) && values.iter().any(|v| v.several);
    let mut all = All::of(&mut values);
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
    } else if is_not {
        Finding::Search("failed compare-and-sets tell what was not".to_owned())
    } else {
        Finding::Linearizable { power }
    })
}

impl Values {
    /// Goes through all calls; none if something is not plain.
    fn of(blocks: &Blocks, calls: &Calls, range: Range<usize>) -> Option<Self> {
        let first = narrow(range.start);
        let len = range.len();
        let chains = blocks.cas.is_some();
        let mut values = Self {
            first,
            list: vec![[[0; 2]; 2]; len],
            next: vec![0; if chains { len } else { 0 }],
            further: Vec::new(),
            read: false,
            several: false,
            is_not: false,
        };
        if first == NIL && len > 0 {
            values.list[0][0] = [!BEFORE, BEFORE];
        }
        let does = does(blocks, calls);
        let count = calls.len();
        let (f, outcome) = (&calls.f[..count], &calls.outcome[..count]);
        let (argument, second) = (&calls.argument[..count], &calls.second[..count]);
        let (begins, ends) = (&calls.begins[..count], &calls.ends[..count]);
        let result = &calls.results()[..count];
        for at in 0..count {
            let does = does[usize::from(f[at])][outcome[at] as usize];
            let is_pair = second[at] != NO_VALUE;
            let value = match does {
                Does::Nothing => continue,
                Does::IsNot => {
                    values.is_not |= is_pair;
                    continue;
                }
                Does::Read => result[at],
                Does::Write if is_pair => return None,
                Does::Write => argument[at],
                Does::Cas if is_pair => second[at],
                Does::Cas => return None,
            };
            let is_read = does == Does::Read;
            let is_cas = does == Does::Cas;
            values.read |= is_read;
            values.several |= value != NIL;
            if is_cas {
                let old = argument[at].wrapping_sub(first) as usize;
                if let Some(next) = values.next.get_mut(old) {
                    if *next == 0 {
                        *next = value + 1;
                    } else {
                        values.further.push((argument[at], value));
                    }
                }
            }
            let Some(version) = values.list.get_mut(value.wrapping_sub(first) as usize) else {
                continue;
            };
            if is_read {
                if blocks.composites && is_composite(calls, value) {
                    return None;
                }
            } else if value == NIL || version[0][1] != 0 {
                return None;
            }
            let known = &mut version[usize::from(is_read)];
            let begins = if is_read {
                begins[at]
            } else {
                begins[at] << 1 | u32::from(is_cas)
            };
            known[0] = known[0].max(!ends[at]);
            known[1] = known[1].max(begins);
        }
        Some(values)
    }
}

/// What a call of each function does, by how it ended.
fn does(blocks: &Blocks, calls: &Calls) -> Vec<[Does; 4]> {
    let functions = (0..).take(calls.fs.list().len()).map(Some);
    let mut all = Vec::new();
    for f in functions {
        let mut does = [Does::Nothing; 4];
        if f == blocks.read {
            does[Kind::Ok as usize] = Does::Read;
        } else if f == blocks.write || f == blocks.cas {
            let is_cas = f == blocks.cas;
            let change = if is_cas { Does::Cas } else { Does::Write };
            does = [change; 4];
            let tells = is_cas && blocks.strict;
            does[Kind::Fail as usize] = if tells { Does::IsNot } else { Does::Nothing };
        }
        all.push(does);
    }
    all
}

fn is_composite(calls: &Calls, value: u32) -> bool {
    let value = calls.values.get(value);
    matches!(value, Interned::List(_) | Interned::Map(_))
}

/// The values of all ranges, which are equally long but for the last.
struct All<'v> {
    list: &'v mut [Values],
    size: usize,
}

/// What certainly took effect: somebody read it, or its write was acknowledged.
fn is_needed(version: &Version) -> bool {
    version[0][0] | version[1][1] != 0
}

impl<'v> All<'v> {
    fn of(list: &'v mut [Values]) -> Self {
        let size = list.first().map_or(1, |values| values.list.len().max(1));
        Self { list, size }
    }

    fn place(&self, value: u32) -> (usize, usize) {
        (value as usize / self.size, value as usize % self.size)
    }

    fn version(&self, value: u32) -> &Version {
        let (share, place) = self.place(value);
        &self.list[share].list[place]
    }

    /// One more than the value that a compare-and-set made of it, or zero.
    fn next(&self, value: u32) -> u32 {
        let (share, place) = self.place(value);
        self.list[share].next.get(place).copied().unwrap_or(0)
    }

    /// Of several compare-and-sets from one value chooses the one that took effect; false if
    /// two must have. None if that is not seen at once.
    fn choose(&mut self) -> Option<bool> {
        let mut further: Vec<(u32, u32)> = Vec::new();
        for values in self.list.iter_mut() {
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
            self.list[share].next[place] = new + 1;
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
        let Some(values) = self.list.get(share) else {
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

/// A block, as far as it is known.
#[derive(Clone, Copy)]
struct Block {
    /// The earliest end and the latest start.
    f: Rank,
    s: Rank,
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
    fn add(&mut self, version: &Version) {
        let [[ended, began], [seen, asked]] = *version;
        self.is_wrong |= !ended < self.s;
        self.f = self.f.min(!ended);
        self.s = self.s.max(began >> 1);
        self.is_wrong |= !seen < self.s;
        self.f = self.f.min(!seen);
        self.s = self.s.max(asked);
    }
}

/// Blocks as numbers that sort by where they begin to matter: the smaller of f and s, doubled,
/// and one more if the block is backward; then the larger.
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
        let Block { f, s, is_wrong } = *block;
        if is_wrong {
            return None;
        }
        self.keys.push(if f < s {
            pack(f << 1, s)
        } else {
            pack(s << 1 | 1, f)
        });
        Some(())
    }
}

/// Whether no two blocks must each come before the other.
fn agree(zones: Vec<Zones>) -> bool {
    let keys: Vec<Vec<u64>> = zones.into_iter().map(|zones| zones.keys).collect();
    let mut merged = Merged::of(&keys);
    // The forward block that began last: its value held from f to s.
    let (mut f, mut s) = (0, 0);
    while let Some(key) = merged.next_if(|_| true) {
        let (low, high) = (high_half(key) >> 1, low_half(key));
        if high_half(key) & 1 == 0 {
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
