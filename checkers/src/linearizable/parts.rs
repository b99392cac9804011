//! Many objects judged on all cores, a few thousand calls at a time.
//!
//! The calls are dealt into parts, each of which holds some objects whole and fits a core's
//! cache; there its rows, or smaller pieces of them, are put together object by object, and
//! judged.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashSet};
use std::ops::Range;
use std::sync::Mutex;

use super::cores::{on_cores, shares, workers};
use super::exact::{Exact, Finding, Row};
use super::grouping::narrow;
use super::infer::Ignored;
use crate::Budget;
use crate::calls::Calls;

/// How many bits number the objects of a part. A part has about as many calls as that, unless
/// it is one object.
const BITS: u32 = 15;

/// What is found of objects.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// How many are linearizable: without, and with, anything that could have contradicted it.
    pub(super) fine: [usize; 2],
    /// The others by key, in the order of their first calls.
    pub(super) others: Vec<(u32, Finding)>,
    /// Whether the budget was spent before all were judged.
    pub(super) spent: bool,
}

/// Some objects in the order of their first calls.
pub(super) struct Part {
    keys: Vec<u32>,
    /// The place of the first among all objects.
    first: usize,
    /// How many calls they have.
    calls: usize,
}

/// An algorithm as far as many objects need it. What moves from one core to the other are not
/// rows but pieces, one or more a row: the fewer bytes, the better.
pub(super) trait Pieces: Sync {
    type Piece: Copy + Send + Sync;
    /// What is left of a piece when its object is known.
    type Bare: Copy;

    /// Puts the pieces of a call of an object, whose place is among fewer than 2^16; none if the
    /// call constrains nothing.
    ///
    /// # Errors
    ///
    /// Why the call cannot be read.
    fn deal(
        &self,
        calls: &Calls,
        call: u32,
        place: u32,
        put: impl FnMut(Self::Piece),
    ) -> Result<(), String>;

    /// How many pieces a hundred calls have, more or less.
    fn of_hundred(&self, _calls: &Calls) -> usize {
        100
    }

    /// The place of its object, and the rest.
    fn bare(piece: Self::Piece) -> (u32, Self::Bare);

    /// Judges one object by its pieces, in the order of their calls.
    fn judge(&self, calls: &Calls, pieces: &[Self::Bare]) -> Finding;
}

/// Whole rows.
pub(super) struct Rows<'e, E>(pub(super) &'e E);

/// A row with the place of its object in the part.
#[derive(Clone, Copy)]
pub(super) struct Placed<R> {
    row: Row<R>,
    place: u16,
}

impl<E: Exact> Pieces for Rows<'_, E> {
    type Piece = Placed<E::Role>;
    type Bare = Row<E::Role>;

    #[inline(always)]
    fn deal(
        &self,
        calls: &Calls,
        call: u32,
        place: u32,
        mut put: impl FnMut(Self::Piece),
    ) -> Result<(), String> {
        if let Some(row) = self.0.row(calls, call)? {
            let place = u16::try_from(place).expect("it is one of few");
            put(Placed { row, place });
        }
        Ok(())
    }

    #[inline(always)]
    fn bare(piece: Self::Piece) -> (u32, Self::Bare) {
        (u32::from(piece.place), piece.row)
    }

    fn judge(&self, calls: &Calls, rows: &[Self::Bare]) -> Finding {
        self.0.judge(calls, rows)
    }
}

/// Judges objects, of which it is known how many calls each has, unless it is known why one
/// cannot be read. Objects without rows are passed over.
///
/// **Cost**: linear but for the algorithm; 28 bytes a call of these objects, unless its own
/// [pieces](Pieces) are smaller.
pub(super) fn judge_all<E: Exact>(
    exact: &E,
    calls: &Calls,
    objects: impl Iterator<Item = (u32, u32)>,
    unreadable: &BTreeMap<u32, String>,
    budget: &Budget,
) -> Found {
    let parts = Parts {
        calls,
        list: &parts(objects, 1 << BITS),
        unreadable,
        budget,
        workers: workers(calls.len()),
    };
    match parts.list {
        [] => Found::default(),
        [part] if part.keys.len() == 1 && !budget.is_spent() => {
            let (key, calls_of) = (part.keys[0], part.calls);
            judge_one(exact, calls, (key, calls_of), unreadable, parts.workers)
        }
        _ => exact.judge_parts(&parts),
    }
}

/// Objects in parts, to be judged within a budget.
pub(super) struct Parts<'p> {
    calls: &'p Calls,
    list: &'p [Part],
    /// Objects that cannot be read, and why.
    unreadable: &'p BTreeMap<u32, String>,
    budget: &'p Budget,
    workers: usize,
}

impl Parts<'_> {
    pub(super) fn judge<P: Pieces>(&self, exact: &P) -> Found {
        let &Self {
            calls,
            list: parts,
            unreadable,
            budget,
            workers,
        } = self;
        let slots = Slots::of(parts);
        let dealt = on_cores(shares(calls.len(), workers), |some| {
            deal(exact, calls, parts, &slots, some)
        });
        let mut unread: BTreeMap<u32, String> = BTreeMap::new();
        let mut of_part: Vec<Vec<Vec<P::Piece>>> = parts.iter().map(|_| Vec::new()).collect();
        for (rows, reasons) in dealt {
            for (all, rows) in of_part.iter_mut().zip(rows) {
                all.push(rows);
            }
            for (key, reason) in reasons {
                unread.entry(key).or_insert(reason);
            }
        }
        let mut reasons = unread.clone();
        reasons.extend(unreadable.iter().map(|(key, why)| (*key, why.clone())));
        let reasons = &reasons;
        // The largest first, so that none is left for one core in the end. Pieces are only lent:
        // to give memory back while both cores work would stop them both.
        let mut queue: Vec<_> = parts.iter().zip(&of_part).collect();
        queue.sort_by_key(|(part, _)| Reverse(part.calls));
        let queue = Mutex::new(queue.into_iter());
        let judged = on_cores(vec![(); workers], |()| {
            let mut judge = Judge {
                exact,
                calls,
                reasons,
                sorted: Vec::new(),
                others: Vec::new(),
                found: Found::default(),
            };
            loop {
                let next = queue.lock().expect("no worker panics with it").next();
                let Some((part, rows)) = next else {
                    break;
                };
                if budget.is_spent() {
                    judge.found.spent = true;
                    break;
                }
                judge.part(part, rows);
            }
            (judge.found, judge.others)
        });
        let mut found = Found::default();
        let mut others = Vec::new();
        for (one, told) in judged {
            found.fine = [found.fine[0] + one.fine[0], found.fine[1] + one.fine[1]];
            found.spent |= one.spent;
            others.extend(told);
        }
        others.sort_unstable_by_key(|(place, ..)| *place);
        let others = others.into_iter().map(|(_, key, finding)| (key, finding));
        found.others.extend(others);
        // Of some there is no row at all.
        let told: HashSet<u32> = found.others.iter().map(|(key, _)| *key).collect();
        let untold = unread.into_iter().filter(|(key, _)| !told.contains(key));
        let untold = untold.filter(|_| !found.spent);
        let untold = untold.map(|(key, why)| (key, Finding::Unreadable(why)));
        found.others.extend(untold);
        found
    }
}

/// Judges the only object, which has so many calls.
fn judge_one<E: Exact>(
    exact: &E,
    calls: &Calls,
    (key, count): (u32, usize),
    unreadable: &BTreeMap<u32, String>,
    workers: usize,
) -> Found {
    let ignored = Ignored::of(calls);
    let dealt = on_cores(shares(calls.len(), workers), |some| {
        // The first has room for the rows of all.
        let room = if some.start == 0 { count } else { some.len() };
        let (mut rows, mut unread) = (Vec::with_capacity(room), None);
        for (call, of) in (narrow(some.start)..).zip(&calls.key[some]) {
            if *of == key && !ignored.is(calls, call) {
                match exact.row(calls, call) {
                    Ok(row) => rows.extend(row),
                    Err(reason) => _ = unread.get_or_insert(reason),
                }
            }
        }
        (rows, unread)
    });
    let mut unread = None;
    let mut rows = Vec::new();
    for (mut some, reason) in dealt {
        unread = unread.or(reason);
        if rows.is_empty() {
            rows = some;
        } else {
            rows.append(&mut some);
        }
    }
    let known = unreadable.get(&key).filter(|_| !rows.is_empty());
    let finding = match known.cloned().or(unread) {
        Some(reason) => Finding::Unreadable(reason),
        None if rows.is_empty() => return Found::default(),
        None => exact.judge(calls, &rows),
    };
    let mut found = Found::default();
    match finding {
        Finding::Linearizable { power } => found.fine[usize::from(power)] = 1,
        other => found.others.push((key, other)),
    }
    found
}

/// Objects in a row until a part has its size; one that is larger is a part of its own.
fn parts(objects: impl Iterator<Item = (u32, u32)>, size: usize) -> Vec<Part> {
    let mut parts: Vec<Part> = Vec::new();
    for (place, (key, calls)) in objects.enumerate() {
        let calls = calls as usize;
        match parts.last_mut() {
            Some(part) if part.calls < size && part.calls + calls <= 2 * size => {
                part.keys.push(key);
                part.calls += calls;
            }
            _ => parts.push(Part {
                keys: vec![key],
                first: place,
                calls,
            }),
        }
    }
    parts
}

/// In which part an object is, and at which place there, by the number of its key: small enough
/// for a core's cache, however far apart the numbers lie.
struct Slots {
    /// A bit for each number of a key.
    is_key: Vec<u64>,
    /// How many keys are numbered before each of these words.
    before: Vec<u32>,
    /// By the rank of the number: the number of the part, shifted, and the place.
    slots: Vec<u32>,
}

impl Slots {
    fn of(parts: &[Part]) -> Self {
        let mut slots: Vec<(u32, u32)> = Vec::new();
        for (number, part) in (0_u32..).zip(parts) {
            let places = (0_u32..).zip(&part.keys);
            slots.extend(places.map(|(place, key)| (*key, (number << BITS) + place)));
        }
        slots.sort_unstable();
        let words = slots.last().map_or(0, |(last, _)| *last as usize / 64 + 1);
        let (mut is_key, mut before) = (vec![0_u64; words], Vec::with_capacity(words));
        for (key, _) in &slots {
            is_key[*key as usize / 64] |= 1 << (key % 64);
        }
        let mut sum = 0;
        for word in &is_key {
            before.push(sum);
            sum += word.count_ones();
        }
        let slots = slots.into_iter().map(|(_, slot)| slot).collect();
        Self {
            is_key,
            before,
            slots,
        }
    }

    #[inline(always)]
    fn find(&self, key: u32) -> Option<u32> {
        let word = *self.is_key.get(key as usize / 64)?;
        let bit = 1_u64 << (key % 64);
        if word & bit == 0 {
            return None;
        }
        let rank = self.before[key as usize / 64] + (word & (bit - 1)).count_ones();
        Some(self.slots[rank as usize])
    }
}

type Dealt<P> = (Vec<Vec<P>>, BTreeMap<u32, String>);

/// The pieces of some calls by part, and the objects of which something cannot be read.
fn deal<P: Pieces>(
    exact: &P,
    calls: &Calls,
    parts: &[Part],
    slots: &Slots,
    some: Range<usize>,
) -> Dealt<P::Piece> {
    let mut dealt = Vec::with_capacity(parts.len());
    let of_hundred = exact.of_hundred(calls);
    for part in parts {
        let share = part.calls * some.len() / calls.len().max(1);
        // What is not used of it costs nothing.
        dealt.push(Vec::with_capacity(share * (of_hundred + 6) / 100 + 16));
    }
    let mut unreadable = BTreeMap::new();
    let ignored = Ignored::of(calls);
    for (call, &key) in (narrow(some.start)..).zip(&calls.key[some.clone()]) {
        let Some(slot) = slots.find(key) else {
            continue;
        };
        if ignored.is(calls, call) {
            continue;
        }
        let part = &mut dealt[(slot >> BITS) as usize];
        let place = slot & ((1 << BITS) - 1);
        if let Err(reason) = exact.deal(calls, call, place, |piece| part.push(piece)) {
            unreadable.entry(key).or_insert(reason);
        }
    }
    (dealt, unreadable)
}

struct Judge<'a, P: Pieces> {
    exact: &'a P,
    calls: &'a Calls,
    reasons: &'a BTreeMap<u32, String>,
    /// Room for the pieces of a part.
    sorted: Vec<P::Bare>,
    others: Vec<(usize, u32, Finding)>,
    found: Found,
}

impl<P: Pieces> Judge<'_, P> {
    fn part(&mut self, part: &Part, pieces: &[Vec<P::Piece>]) {
        if let [key] = part.keys[..] {
            let mut all = Vec::with_capacity(pieces.iter().map(Vec::len).sum());
            for share in pieces {
                all.extend(share.iter().map(|piece| P::bare(*piece).1));
            }
            return self.object(part.first, key, &all);
        }
        let mut starts = vec![0_usize; part.keys.len() + 1];
        for piece in pieces.iter().flatten() {
            starts[P::bare(*piece).0 as usize + 1] += 1;
        }
        let mut sum = 0;
        for start in &mut starts {
            sum += *start;
            *start = sum;
        }
        let Some(filler) = pieces
            .iter()
            .flatten()
            .next()
            .map(|piece| P::bare(*piece).1)
        else {
            return;
        };
        let mut sorted = std::mem::take(&mut self.sorted);
        if sorted.len() < sum {
            sorted.resize(sum, filler);
        }
        for share in pieces {
            for piece in share {
                let (place, bare) = P::bare(*piece);
                let next = &mut starts[place as usize];
                sorted[*next] = bare;
                *next += 1;
            }
        }
        // By now each start is the end of its object.
        let mut from = 0;
        for ((place, &key), &to) in (part.first..).zip(&part.keys).zip(&starts) {
            self.object(place, key, &sorted[from..to]);
            from = to;
        }
        self.sorted = sorted;
    }

    fn object(&mut self, place: usize, key: u32, pieces: &[P::Bare]) {
        if pieces.is_empty() {
            return;
        }
        let finding = match self.reasons.get(&key) {
            Some(reason) => Finding::Unreadable(reason.clone()),
            None => self.exact.judge(self.calls, pieces),
        };
        if let Finding::Linearizable { power } = finding {
            self.found.fine[usize::from(power)] += 1;
        } else {
            self.others.push((place, key, finding));
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::history::{Event, Kind, Process, Sink, ValueRef};
    use crate::linearizable::blocks::Blocks;
    use crate::linearizable::exact::by_key;

    /// Registers of which some keep their promise, some do not, and some cannot be read.
    fn made(rng: &mut ChaCha8Rng) -> Calls {
        let mut calls = Calls::default();
        let keys = rng.random_range(1..9);
        let mut open: Vec<Option<(i64, &str)>> = vec![None; 4];
        let mut last: BTreeMap<i64, i64> = BTreeMap::new();
        for line in 1..rng.random_range(2..120) {
            let process: u32 = rng.random_range(0..4);
            let slot = &mut open[process as usize];
            let (kind, (key, f)) = match slot.take() {
                Some(asked) => (Kind::Ok, asked),
                None => {
                    let f = ["read", "write", "write"][rng.random_range(0..3)];
                    *slot = Some((rng.random_range(0..keys), f));
                    (Kind::Invoke, slot.expect("it is there"))
                }
            };
            let mut event = Event {
                line,
                index: Some(line),
                time: None,
                process: Process::Client(process),
                kind,
                f,
                key: Some(ValueRef::Int(key)),
                value: ValueRef::Nil,
                node: None,
                error: None,
            };
            let number = i64::try_from(line).expect("few");
            match (f, kind) {
                ("read", Kind::Ok) if rng.random_bool(0.1) => {
                    event.value = ValueRef::Int(rng.random_range(0..number));
                }
                ("read", Kind::Ok) => {
                    event.value = last.get(&key).map_or(ValueRef::Nil, |&v| ValueRef::Int(v));
                }
                ("write", Kind::Invoke) => {
                    last.insert(key, number);
                    event.value = ValueRef::Int(number);
                }
                _ => {}
            }
            if rng.random_bool(0.01) {
                tell_pair(&mut calls, &event);
            } else {
                calls.event(&event);
            }
        }
        calls
    }

    fn tell_pair(calls: &mut Calls, event: &Event<'_>) {
        crate::history::with_pair(Some(1), 2, |value| {
            calls.event(&Event { value, ..*event });
        });
    }

    #[test]
    fn parts_are_judged_as_objects_one_by_one() {
        let mut seen = [0; 4];
        for seed in 0..3_000 {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let calls = made(&mut rng);
            assert!(calls.irregular().is_none(), "seed {seed}");
            let blocks = Blocks::new(&calls);
            let objects = by_key(&blocks, &calls, |_| true);
            let mut expected = Found::default();
            for (key, range) in &objects.keys {
                let finding = match objects.unreadable.get(key) {
                    Some(reason) => Finding::Unreadable(reason.clone()),
                    None => blocks.judge(&calls, &objects.rows[range.clone()]),
                };
                match finding {
                    Finding::Linearizable { power } => expected.fine[usize::from(power)] += 1,
                    other => expected.others.push((*key, other)),
                }
            }
            let rowless = objects.unreadable.iter();
            let rowless = rowless.filter(|(key, _)| objects.keys.iter().all(|(k, _)| k != *key));
            for (key, why) in rowless {
                let finding = Finding::Unreadable(why.clone());
                expected.others.push((*key, finding));
            }
            // By first call, whether or not it has a row.
            let mut counts: Vec<(u32, u32)> = Vec::new();
            for &key in &calls.key {
                match counts.iter_mut().find(|(other, _)| *other == key) {
                    Some((_, count)) => *count += 1,
                    None => counts.push((key, 1)),
                }
            }
            for (size, workers) in [(1, 1), (8, 1), (8, 2), (30, 3), (1 << BITS, 2)] {
                let parts = parts(counts.iter().copied(), size);
                let (none, budget) = (BTreeMap::new(), Budget::unlimited());
                let parts = Parts {
                    calls: &calls,
                    list: &parts,
                    unreadable: &none,
                    budget: &budget,
                    workers,
                };
                for found in [parts.judge(&Rows(&blocks)), blocks.judge_parts(&parts)] {
                    assert_eq!(found.fine, expected.fine, "seed {seed}, {size}, {workers}");
                    let sorted = |mut others: Vec<(u32, Finding)>| {
                        others.sort_by_key(|(key, _)| *key);
                        others
                    };
                    let (one, other) = (sorted(found.others), sorted(expected.others.clone()));
                    assert_eq!(one, other, "seed {seed}, {size}, {workers}");
                }
            }
            seen[0] += expected.fine[0];
            seen[1] += expected.fine[1];
            for (_, finding) in expected.others {
                seen[2 + usize::from(matches!(finding, Finding::Unreadable(_)))] += 1;
            }
        }
        assert!(seen.iter().all(|&count| count > 200), "lopsided: {seen:?}");
    }

    #[test]
    fn a_spent_budget_leaves_objects_unjudged() {
        let calls = made(&mut ChaCha8Rng::seed_from_u64(1));
        let budget = Budget::unlimited();
        budget.stop();
        let objects = calls.key.iter().map(|&key| (key, 1)).take(1);
        let blocks = Blocks::new(&calls);
        let found = judge_all(&blocks, &calls, objects, &BTreeMap::new(), &budget);
        assert!(found.spent && found.fine == [0, 0] && found.others.is_empty());
    }
}
