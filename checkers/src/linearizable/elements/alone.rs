//! One set straight from the columns, on all cores.
//!
//! Each core goes through all calls and takes care of the elements of one range. It decides what
//! is plain; where something contradicts, or only a search can tell, the algorithm on rows says
//! so.

use std::ops::Range;

use super::Elements;
use crate::calls::{BEFORE, Calls, NO_VALUE, Rank};
use crate::history::Kind;
use crate::history::dictionary::{FALSE, TRUE};
use crate::linearizable::cores::{filled, on_cores, shares, workers};
use crate::linearizable::exact::Finding;
use crate::linearizable::grouping::narrow;
use crate::linearizable::infer::Ignored;

/// More cores than this would only read the same columns.
const CORES: usize = 8;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Does {
    Nothing,
    Add,
    Remove,
    Contains,
    Unclear,
}

/// What is known of an element; zero where nothing is. Ends are complements.
#[derive(Clone, Copy, Default)]
struct Known {
    /// When the first add began.
    add: Rank,
    /// The first end of an add that certainly happened.
    added: u32,
    /// The first end and the last start of reads that found it.
    found: u32,
    asked: Rank,
    /// The last start of a read that missed it.
    missed: Rank,
}

/// What is known of its removal.
#[derive(Clone, Copy, Default)]
struct Removal {
    /// When the only remove began, and the complement of its end.
    begins: Rank,
    ended: u32,
    /// Whether more than one add or remove is known.
    is_repeated: bool,
    /// Between these it was certainly there: no read may miss it within.
    certain: Option<(Rank, Rank)>,
}

/// The elements of a range of numbers.
struct Share {
    first: u32,
    list: Vec<Known>,
    /// None if nothing is ever removed.
    removals: Vec<Removal>,
    reads: bool,
    adds: bool,
}

pub(super) fn judge(elements: &Elements, calls: &Calls) -> Option<Finding> {
    let numbers = calls.values.len();
    if numbers > 2 * calls.len() + 64 {
        return None;
    }
    let does = does(elements, calls);
    let ranges = shares(numbers, workers(calls.len()).min(CORES));
    let judged = on_cores(ranges, |range| {
        let mut share = Share::of(&does, calls, range)?;
        share.judge(&does, calls)?;
        Some((share.reads, share.adds))
    });
    let judged: Vec<(bool, bool)> = judged.into_iter().collect::<Option<_>>()?;
    let power = judged.iter().any(|(reads, _)| *reads) && judged.iter().any(|(_, adds)| *adds);
    Some(Finding::Linearizable { power })
}

/// What a call of each function does, by how it ended.
fn does(elements: &Elements, calls: &Calls) -> Vec<[Does; 4]> {
    let ignored = Ignored::of(calls);
    let functions = (0_u16..).zip(calls.fs.list());
    let does = functions.map(|(f, _)| {
        if ignored.has(f) {
            return [Does::Nothing; 4];
        }
        let mut does = [Does::Unclear; 4];
        does[Kind::Fail as usize] = Does::Nothing;
        let [ok, info] = [Kind::Ok, Kind::Info].map(|kind| kind as usize);
        if f == elements.add {
            (does[ok], does[info]) = (Does::Add, Does::Add);
        } else if f == elements.remove {
            (does[ok], does[info]) = (Does::Remove, Does::Remove);
        } else if f == elements.contains {
            (does[ok], does[info]) = (Does::Contains, Does::Nothing);
        }
        does
    });
    does.collect()
}

impl Share {
    /// Goes through all calls; none if something is not plain.
    fn of(does: &[[Does; 4]], calls: &Calls, range: Range<usize>) -> Option<Self> {
        let first = narrow(range.start);
        let removes = does.iter().flatten().any(|does| *does == Does::Remove);
        let mut share = Self {
            first,
            list: filled(Known::default(), range.len()),
            removals: filled(Removal::default(), if removes { range.len() } else { 0 }),
            reads: false,
            adds: false,
        };
        let count = calls.len();
        let (f, outcome) = (&calls.f[..count], &calls.outcome[..count]);
        let (argument, second) = (&calls.argument[..count], &calls.second[..count]);
        let (begins, ends) = (&calls.begins[..count], &calls.ends[..count]);
        let result = &calls.results()[..count];
        for at in 0..count {
            let does = does[usize::from(f[at])][outcome[at] as usize];
            let place = argument[at].wrapping_sub(first) as usize;
            let Some(known) = share.list.get_mut(place) else {
                if does == Does::Unclear {
                    return None;
                }
                continue;
            };
            if does == Does::Nothing {
                continue;
            }
            if does == Does::Unclear || second[at] != NO_VALUE {
                return None;
            }
            let (begins, ended) = (begins[at], !ends[at]);
            if does == Does::Contains {
                share.reads = true;
                match result[at] {
                    TRUE => {
                        known.found = known.found.max(ended);
                        known.asked = known.asked.max(begins);
                    }
                    FALSE => known.missed = known.missed.max(begins),
                    _ => return None,
                }
            } else if does == Does::Add {
                share.adds = true;
                known.added = known.added.max(ended);
                if known.add == 0 {
                    known.add = begins;
                } else if let Some(removal) = share.removals.get_mut(place) {
                    removal.is_repeated = true;
                }
            } else {
                let removal = &mut share.removals[place];
                removal.is_repeated |= removal.begins != 0;
                (removal.begins, removal.ended) = (begins, ended);
            }
        }
        Some(share)
    }

    /// None if an element contradicts itself, or is for a search.
    fn judge(&mut self, does: &[[Does; 4]], calls: &Calls) -> Option<()> {
        let mut all_at_once = true;
        let none = Removal::default();
        for place in 0..self.list.len() {
            let known = self.list[place];
            let removal = self.removals.get(place).unwrap_or(&none);
            let certain = judge_one(&known, removal)?;
            if certain.is_some() {
                self.removals[place].certain = certain;
                all_at_once = false;
            }
        }
        if all_at_once {
            return Some(());
        }
        for at in 0..calls.len() {
            let place = calls.argument[at].wrapping_sub(self.first) as usize;
            let removal = self.removals.get(place);
            if let Some((first, last)) = removal.and_then(|removal| removal.certain)
                && does[usize::from(calls.f[at])][calls.outcome[at] as usize] == Does::Contains
                && calls.results()[at] == FALSE
                && calls.begins[at] > first
                && calls.ends[at] < last
            {
                return None;
            }
        }
        Some(())
    }
}

/// As in the judgement by rows: none if no order is possible, or one cannot be told. Else
/// between which instants no read may have missed the element, if that remains to be seen.
fn judge_one(known: &Known, removal: &Removal) -> Option<Option<(Rank, Rank)>> {
    let is_found = known.asked != BEFORE;
    let (added, found) = (!known.added, !known.found);
    if known.add == 0 {
        return (!is_found).then_some(None);
    }
    if is_found && known.add > found || removal.is_repeated && removal.begins != 0 {
        return None;
    }
    let present = added.min(found);
    if removal.begins == 0 {
        return (known.missed <= present).then_some(None);
    }
    let ends = !removal.ended;
    let is_required = removal.ended != 0;
    if known.missed <= present && (!is_required || removal.begins <= present) {
        return Some(None);
    }
    let first = present.min(ends);
    let last = known.add.max(known.asked).max(removal.begins);
    let follows = known.add <= ends && known.asked <= ends;
    follows.then_some((known.missed > first).then_some((first, last)))
}
