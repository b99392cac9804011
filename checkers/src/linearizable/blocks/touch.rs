//! What calls do to the values of registers, straight from the columns, on all cores.
//!
//! Values have numbers in the order in which they were first heard of, so a share of the calls
//! touches mostly the values of one range. Each core takes a share of both; what strays into
//! another range is handed over in the end.

use std::ops::Range;

use super::Blocks;
use crate::calls::{BEFORE, Calls, NO_VALUE, Rank};
use crate::history::Kind;
use crate::history::dictionary::{Interned, NIL};
use crate::linearizable::cores::{filled, on_cores, shares};
use crate::linearizable::grouping::narrow;

/// How many calls before a share tell which values were there before it.
const BEFORE_SHARE: usize = 4096;

/// What is known of a value: of its write, then of its reads, the complement of the earliest end
/// and the latest start; zero if there is none. The start of a write is doubled, and one more if
/// it is a compare-and-set.
pub(super) type Version = [[u32; 2]; 2];

/// What certainly took effect: somebody read it, or its write was acknowledged.
#[inline]
pub(super) fn is_needed(version: &Version) -> bool {
    version[0][0] | version[1][1] != 0
}

/// A call that reads or makes a value.
#[derive(Clone, Copy)]
struct Touch {
    value: u32,
    /// The complement of its end.
    ended: Rank,
    /// Of what makes a value doubled, and one more if it is a compare-and-set.
    begins: Rank,
    is_read: bool,
}

/// The values of a range.
pub(super) struct Values {
    pub(super) first: u32,
    pub(super) list: Vec<Version>,
    /// One more than the value that a compare-and-set made of it, or zero; empty if there is no
    /// compare-and-set.
    pub(super) next: Vec<u32>,
    /// Further compare-and-sets from a value: old and new.
    pub(super) further: Vec<(u32, u32)>,
}

impl Values {
    fn of(range: Range<usize>, chains: bool) -> Self {
        let (first, len) = (narrow(range.start), range.len());
        let mut values = Self {
            first,
            list: filled([[0; 2]; 2], len),
            next: filled(0, if chains { len } else { 0 }),
            further: Vec::new(),
        };
        if first == NIL && len > 0 {
            values.list[0][0] = [!BEFORE, BEFORE];
        }
        values
    }

    /// Takes a call into what is known of its value; false if another wrote that before.
    #[inline(always)]
    fn touch(&mut self, touch: Touch) -> bool {
        let version = &mut self.list[(touch.value - self.first) as usize];
        let is_new = touch.is_read || version[0][1] == 0;
        let known = &mut version[usize::from(touch.is_read)];
        known[0] = known[0].max(touch.ended);
        known[1] = known[1].max(touch.begins);
        is_new
    }

    #[inline(always)]
    fn link(&mut self, old: u32, new: u32) {
        let next = &mut self.next[(old - self.first) as usize];
        if *next == 0 {
            *next = new + 1;
        } else {
            self.further.push((old, new));
        }
    }
}

/// What was seen on the way.
#[derive(Clone, Copy, Default)]
pub(super) struct Seen {
    pub(super) read: bool,
    /// Whether there is any value but the initial one.
    pub(super) several: bool,
    /// Whether a compare-and-set is known to have found another value.
    pub(super) is_not: bool,
}

/// Whether calls are few enough, and values close enough together, for a table of values.
pub(super) fn has_room(calls: &Calls) -> bool {
    calls.values.len() <= 2 * calls.len() + 64 && calls.len() <= 1 << 29
}

/// The values, range by range; none if something is not plain, or too much strays.
pub(super) fn gather(
    blocks: &Blocks,
    calls: &Calls,
    workers: usize,
) -> Option<(Vec<Values>, Seen)> {
    let does = does(blocks, calls);
    let shares = shares(calls.len(), workers);
    let ranges = ranges(&does, calls, &shares);
    let work: Vec<_> = shares.into_iter().zip(ranges.clone()).collect();
    let done = on_cores(work, |(some, range)| {
        share(blocks, &does, calls, some, range)
    });
    let mut parts = Vec::with_capacity(done.len());
    let (mut strays, mut links) = (Vec::new(), Vec::new());
    let mut all = Seen::default();
    for done in done {
        let (part, seen, touches, far) = done?;
        parts.push(part);
        strays.push(touches);
        links.push(far);
        all.read |= seen.read;
        all.several |= seen.several;
        all.is_not |= seen.is_not;
    }
    let (strays, links) = (&strays, &links);
    let work: Vec<_> = parts.into_iter().zip(ranges).collect();
    let parts = on_cores(work, |(mut part, range)| {
        let touches = strays.iter().flatten();
        let mut touches = touches.filter(|touch| range.contains(&(touch.value as usize)));
        let links = links.iter().flatten();
        for (old, new) in links.filter(|link| range.contains(&(link.0 as usize))) {
            part.link(*old, *new);
        }
        touches.all(|touch| part.touch(*touch)).then_some(part)
    });
    let parts: Option<Vec<Values>> = parts.into_iter().collect();
    Some((parts?, all))
}

/// For each share of the calls the values that are new in it, more or less: together all.
fn ranges(does: &[[Does; 4]], calls: &Calls, shares: &[Range<usize>]) -> Vec<Range<usize>> {
    let mut starts = vec![0];
    for some in &shares[1..] {
        let before = some.start.saturating_sub(BEFORE_SHARE)..some.start;
        let values = before.filter_map(|at| {
            let does = does[usize::from(calls.f[at])][calls.outcome[at] as usize];
            match does {
                Does::Read => Some(calls.results()[at]),
                Does::Write => Some(calls.argument[at]),
                Does::Cas => Some(calls.second[at]),
                Does::Nothing | Does::IsNot => None,
            }
        });
        let known = values.filter(|value| *value != NO_VALUE).max();
        let start = known.map_or(0, |value| value as usize + 1);
        let last = starts.last().copied().unwrap_or(0);
        starts.push(start.clamp(last, calls.values.len().max(last)));
    }
    let ends = starts[1..].iter().copied().chain([calls.values.len()]);
    starts
        .iter()
        .zip(ends)
        .map(|(from, to)| *from..to)
        .collect()
}

type Share = (Values, Seen, Vec<Touch>, Vec<(u32, u32)>);

/// Goes through a share of the calls; none if something is not plain.
fn share(
    blocks: &Blocks,
    does: &[[Does; 4]],
    calls: &Calls,
    some: Range<usize>,
    range: Range<usize>,
) -> Option<Share> {
    let first = narrow(range.start);
    let values = narrow(range.len());
    let is_mine = |value: u32| value.wrapping_sub(first) < values;
    let numbers = narrow(calls.values.len());
    let most = some.len() / 4 + 64;
    let mut part = Values::of(range, blocks.cas.is_some());
    let mut seen = Seen::default();
    let (mut strays, mut far) = (Vec::new(), Vec::new());
    let (f, outcome) = (&calls.f[some.clone()], &calls.outcome[some.clone()]);
    let argument = &calls.argument[some.clone()];
    let second = &calls.second[some.clone()];
    let begins = &calls.begins[some.clone()];
    let ends = &calls.ends[some.clone()];
    let result = &calls.results()[some.clone()];
    for at in 0..some.len() {
        let does = does[usize::from(f[at])][outcome[at] as usize];
        let is_pair = second[at] != NO_VALUE;
        let value = match does {
            Does::Nothing => continue,
            Does::IsNot => {
                seen.is_not |= is_pair;
                continue;
            }
            Does::Read => result[at],
            Does::Write if is_pair => return None,
            Does::Write => argument[at],
            Does::Cas if is_pair => second[at],
            Does::Cas => return None,
        };
        let (is_read, is_cas) = (does == Does::Read, does == Does::Cas);
        seen.read |= is_read;
        seen.several |= value != NIL;
        if is_read {
            if blocks.composites && is_composite(calls, value) {
                return None;
            }
        } else if value == NIL {
            return None;
        }
        if is_cas && is_mine(argument[at]) {
            part.link(argument[at], value);
        } else if is_cas {
            far.push((argument[at], value));
        }
        let touch = Touch {
            value,
            ended: !ends[at],
            begins: if is_read {
                begins[at]
            } else {
                begins[at] << 1 | u32::from(is_cas)
            },
            is_read,
        };
        if is_mine(value) {
            if !part.touch(touch) {
                return None;
            }
        } else {
            strays.push(touch);
            // A pair has no number.
            if strays.len() + far.len() > most || value >= numbers {
                return None;
            }
        }
    }
    Some((part, seen, strays, far))
}

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
