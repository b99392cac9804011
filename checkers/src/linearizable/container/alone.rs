//! One container straight from the columns, on all cores.
//!
//! Each core goes through all calls and takes care of the elements of one range. Elements have
//! numbers in the order in which they were first heard of, so what is touched lies close
//! together.
//!
//! It reads what is plain: where an element was put in or taken out twice, out of nowhere or
//! before its time, or where takes of unknown outcome may have taken anything, the algorithm on
//! rows has to say what follows.

use std::ops::Range;

use super::{Container, Element, NOWHERE};
use crate::calls::{Calls, NEVER, NO_VALUE, Rank};
use crate::history::Kind;
use crate::history::dictionary::NIL;
use crate::linearizable::cores::{filled, on_cores, shares, workers};
use crate::linearizable::grouping::{Merged, high_half, low_half, narrow, pack, sort_nearly};
use crate::linearizable::infer::Ignored;

/// More cores than this would only read the same columns.
const CORES: usize = 8;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Does {
    Nothing,
    Put,
    Take,
    Unclear,
}

/// What is known of an element: of its put, then of its take, the complement of the end and the
/// start; zero if there is none.
type Known = [[u32; 2]; 2];

/// The elements of a range of numbers.
struct Share {
    first: u32,
    list: Vec<Known>,
    /// The intervals of calls that found nothing, in the order of their starts.
    empties: Vec<(Rank, Rank)>,
}

/// The elements of the only object of a history.
pub(in crate::linearizable) struct Alone {
    shares: Vec<Share>,
    /// Whether anything was put in, and anything observed.
    pub(in crate::linearizable) power: bool,
}

impl Container {
    /// The elements of the only object of these calls, if all is plain.
    ///
    /// **Cost**: linear; 16 bytes for each value of the history.
    pub(in crate::linearizable) fn alone(&self, calls: &Calls) -> Option<Alone> {
        self.alone_by(calls, workers(calls.len()).min(CORES))
    }

    /// As [`alone`](Self::alone), on so many cores.
    pub(in crate::linearizable) fn alone_by(&self, calls: &Calls, workers: usize) -> Option<Alone> {
        let numbers = calls.values.len();
        if numbers > 2 * calls.len() + 64 {
            return None;
        }
        let shares = on_cores(shares(numbers, workers), |range| self.share(calls, range));
        let shares: Vec<Share> = shares.into_iter().collect::<Option<_>>()?;
        let any = |side: usize| {
            let mut known = shares.iter().flat_map(|share| &share.list);
            known.any(|known| known[side][1] != 0)
        };
        let observed = !shares[0].empties.is_empty() || any(1);
        let power = observed && any(0);
        Some(Alone { shares, power })
    }

    fn share(&self, calls: &Calls, range: Range<usize>) -> Option<Share> {
        let first = narrow(range.start);
        let len = range.len();
        let mut share = Share {
            first,
            list: filled([[0; 2]; 2], len),
            empties: Vec::new(),
        };
        let does = self.does(calls);
        let count = calls.len();
        let (f, outcome) = (&calls.f[..count], &calls.outcome[..count]);
        let (argument, second) = (&calls.argument[..count], &calls.second[..count]);
        let (begins, ends) = (&calls.begins[..count], &calls.ends[..count]);
        let result = &calls.results()[..count];
        for at in 0..count {
            let does = does[usize::from(f[at])][outcome[at] as usize];
            let is_take = match does {
                Does::Put => false,
                Does::Take => true,
                Does::Nothing => continue,
                Does::Unclear => return None,
            };
            let value = if is_take { result[at] } else { argument[at] };
            let Some(known) = share.list.get_mut(value.wrapping_sub(first) as usize) else {
                if value as usize >= calls.values.len() {
                    return None;
                }
                continue;
            };
            if value == NIL && is_take {
                share.empties.push((begins[at], ends[at]));
                continue;
            }
            let known = &mut known[usize::from(is_take)];
            let is_pair = second[at] != NO_VALUE && !is_take;
            if value == NIL || is_pair || known[1] != 0 {
                return None;
            }
            *known = [!ends[at], begins[at]];
        }
        Some(share)
    }

    /// What a call of each function does, by how it ended.
    fn does(&self, calls: &Calls) -> Vec<[Does; 4]> {
        let ignored = Ignored::of(calls);
        let functions = (0_u16..).zip(calls.fs.list());
        let does = functions.map(|(f, _)| {
            let mut does = [Does::Unclear; 4];
            does[Kind::Fail as usize] = Does::Nothing;
            if ignored.has(f) {
                does = [Does::Nothing; 4];
            } else if Some(f) == self.put.1 {
                does[Kind::Ok as usize] = Does::Put;
                does[Kind::Info as usize] = Does::Put;
            } else if Some(f) == self.take.1 {
                does[Kind::Ok as usize] = Does::Take;
            }
            does
        });
        does.collect()
    }
}

/// An element that was put in, or none; an error if what is known of it contradicts itself. One
/// whose put has an unknown outcome counts only if somebody took it.
fn element(known: &Known) -> Result<Option<Element>, ()> {
    let [[put_ended, put_begins], [ended, began]] = *known;
    if began == 0 {
        let stays = put_begins != 0 && put_ended != 0;
        return Ok(stays.then_some(Element {
            put_begins,
            put_ends: !put_ended,
            ..NOTHING
        }));
    }
    let take_ends = !ended;
    if put_begins == 0 || put_begins > take_ends {
        return Err(());
    }
    Ok(Some(Element {
        put_begins,
        put_ends: take_ends.min(!put_ended),
        take_begins: began.max(put_begins),
        take_ends,
        ..NOTHING
    }))
}

/// No element: it is never inside.
const NOTHING: Element = Element {
    put_begins: NEVER,
    put_ends: NEVER,
    take_begins: NEVER,
    take_ends: NEVER,
    put: NOWHERE,
    take: NOWHERE,
};

impl Alone {
    /// Takes the intervals of calls that found nothing, in the order of their starts.
    pub(in crate::linearizable) fn empties(&mut self) -> Vec<(Rank, Rank)> {
        let first = self.shares.first_mut();
        first.map_or_else(Vec::new, |share| std::mem::take(&mut share.empties))
    }

    /// The elements as numbers, sorted, in as many lists as there were cores; none if one
    /// contradicts itself. `key` gets each with its number.
    ///
    /// **Cost**: linear, or that of sorting; 8 bytes an element.
    pub(in crate::linearizable) fn keys(
        &self,
        key: impl Fn(u32, &Element) -> Option<u64> + Sync,
    ) -> Option<Vec<Vec<u64>>> {
        let keys = on_cores(self.shares.iter().collect(), |share: &Share| {
            let mut keys = Vec::with_capacity(share.list.len());
            for (number, known) in (share.first..).zip(&share.list) {
                let element = element(known).ok()?;
                keys.extend(element.and_then(|element| key(number, &element)));
            }
            sort_nearly(&mut keys);
            Some(keys)
        });
        keys.into_iter().collect()
    }

    /// The takes by the time at which they began, each with the number of its element.
    ///
    /// **Cost**: linear, or that of sorting; 8 bytes a take.
    pub(in crate::linearizable) fn takes(&self, calls: &Calls, container: &Container) -> Vec<u64> {
        let mut takes = Vec::new();
        let f = container.take.1;
        let ends = calls.outcome.iter().zip(calls.results());
        for ((of, begins), (outcome, &value)) in calls.f.iter().zip(&calls.begins).zip(ends) {
            if Some(*of) == f && *outcome == Kind::Ok && value != NIL {
                let [[_, put_begins], _] = *self.known(value);
                takes.push(pack(put_begins.max(*begins), value));
            }
        }
        sort_nearly(&mut takes);
        takes
    }

    /// When the take of an element was over.
    pub(in crate::linearizable) fn take_ends(&self, number: u32) -> Rank {
        !self.known(number)[1][0]
    }

    fn known(&self, number: u32) -> &Known {
        // All shares but the last are equally long.
        let size = self.shares[0].list.len();
        &self.shares[number as usize / size].list[number as usize % size]
    }

    /// All elements by number, among them some that never were; none if one contradicts itself,
    /// or their puts did not begin in the order of their numbers.
    pub(in crate::linearizable) fn list(self) -> Option<Vec<Element>> {
        let room = self.shares.iter().map(|share| share.list.len()).sum();
        let mut list: Vec<Element> = Vec::with_capacity(room);
        let mut latest = 0;
        for share in self.shares {
            for known in &share.list {
                let element = element(known).ok()?.unwrap_or(NOTHING);
                if element.put_begins != NEVER {
                    if element.put_begins < latest {
                        return None;
                    }
                    latest = element.put_begins;
                }
                list.push(element);
            }
        }
        Some(list)
    }
}

/// Whether a call found nothing though something was certainly inside all the while: given when
/// elements were certainly in and began to be taken out, and the intervals of such calls.
pub(in crate::linearizable) fn is_empty_wrong(
    mut inside: Merged<'_>,
    empties: &[(Rank, Rank)],
) -> bool {
    // Until when something is certainly inside, of what is known to be so by now.
    let mut filled = 0;
    for &(begins, ends) in empties {
        let wanted = |key: u64, filled: Rank| high_half(key) < begins.max(filled);
        while let Some(key) = inside.next_if(|key| wanted(key, filled)) {
            let (from, to) = (high_half(key), low_half(key));
            if from < to {
                filled = if from < filled { filled.max(to) } else { to };
            }
        }
        if filled.max(begins) > ends {
            return true;
        }
    }
    false
}

/// When elements were certainly in and when they began to be taken out.
pub(in crate::linearizable) fn inside(_: u32, element: &Element) -> Option<u64> {
    element
        .is_inside()
        .then(|| pack(element.put_ends, element.take_begins))
}
