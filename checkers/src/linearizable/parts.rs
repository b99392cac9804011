//! Many objects judged on all cores, a few thousand calls at a time.
//!
//! The calls are dealt into parts, each of which holds some objects whole and fits a core's
//! cache; there its rows are put together object by object, and judged.

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
struct Part {
    keys: Vec<u32>,
    /// The place of the first among all objects.
    first: usize,
    /// How many calls they have.
    calls: usize,
}

/// A row with the place of its object in the part.
struct Placed<R> {
    row: Row<R>,
    place: u16,
}

/// Judges objects, of which it is known how many calls each has, unless it is known why one
/// cannot be read. Objects without rows are passed over.
///
/// **Cost**: linear but for the algorithm; 28 bytes a call of these objects.
pub(super) fn judge_all<E: Exact>(
    exact: &E,
    calls: &Calls,
    objects: impl Iterator<Item = (u32, u32)>,
    unreadable: &BTreeMap<u32, String>,
    budget: &Budget,
) -> Found {
    let parts = parts(objects, 1 << BITS);
    judge_by(
        exact,
        calls,
        &parts,
        unreadable,
        budget,
        workers(calls.len()),
    )
}

fn judge_by<E: Exact>(
    exact: &E,
    calls: &Calls,
    parts: &[Part],
    unreadable: &BTreeMap<u32, String>,
    budget: &Budget,
    workers: usize,
) -> Found {
    match parts {
        [] => return Found::default(),
        [part] if part.keys.len() == 1 && !budget.is_spent() => {
            let (key, calls_of) = (part.keys[0], part.calls);
            return judge_one(exact, calls, (key, calls_of), unreadable, workers);
        }
        _ => {}
    }
    let dealt = on_cores(shares(calls.len(), workers), |some| {
        deal(exact, calls, parts, some)
    });
    let mut unread: BTreeMap<u32, String> = BTreeMap::new();
    let mut of_part: Vec<Vec<Vec<Placed<E::Role>>>> = parts.iter().map(|_| Vec::new()).collect();
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
    // The largest first, so that none is left for one core in the end.
    let mut queue: Vec<_> = parts.iter().zip(of_part).collect();
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

type Dealt<R> = (Vec<Vec<Placed<R>>>, BTreeMap<u32, String>);

/// The rows of some calls by part, and the objects of which something cannot be read.
fn deal<E: Exact>(exact: &E, calls: &Calls, parts: &[Part], some: Range<usize>) -> Dealt<E::Role> {
    // By number of a key: one more than the number of its part and its place there.
    let mut slots = vec![0_u32; calls.values.len()];
    let mut dealt = Vec::with_capacity(parts.len());
    for (number, part) in (0_u32..).zip(parts) {
        for (place, &key) in (1..).zip(&part.keys) {
            slots[key as usize] = (number << BITS) + place;
        }
        let share = part.calls * some.len() / calls.len().max(1);
        let expected = (share + share / 16 + 16).min(part.calls);
        dealt.push(Vec::with_capacity(expected));
    }
    let mut unreadable = BTreeMap::new();
    let ignored = Ignored::of(calls);
    for (call, &key) in (narrow(some.start)..).zip(&calls.key[some.clone()]) {
        let Some(slot) = slots[key as usize].checked_sub(1) else {
            continue;
        };
        if ignored.is(calls, call) {
            continue;
        }
        match exact.row(calls, call) {
            Ok(None) => {}
            Ok(Some(row)) => {
                let place = slot & ((1 << BITS) - 1);
                let place = u16::try_from(place).expect("it is one of few");
                dealt[(slot >> BITS) as usize].push(Placed { row, place });
            }
            Err(reason) => {
                unreadable.entry(key).or_insert(reason);
            }
        }
    }
    (dealt, unreadable)
}

struct Judge<'a, E: Exact> {
    exact: &'a E,
    calls: &'a Calls,
    reasons: &'a BTreeMap<u32, String>,
    /// Room for the rows of a part.
    sorted: Vec<Row<E::Role>>,
    others: Vec<(usize, u32, Finding)>,
    found: Found,
}

impl<E: Exact> Judge<'_, E> {
    fn part(&mut self, part: &Part, rows: Vec<Vec<Placed<E::Role>>>) {
        if let [key] = part.keys[..] {
            let mut all = Vec::with_capacity(rows.iter().map(Vec::len).sum());
            for share in rows {
                all.extend(share.into_iter().map(|placed| placed.row));
            }
            return self.object(part.first, key, &all);
        }
        let mut starts = vec![0_usize; part.keys.len() + 1];
        for placed in rows.iter().flatten() {
            starts[usize::from(placed.place) + 1] += 1;
        }
        let mut sum = 0;
        for start in &mut starts {
            sum += *start;
            *start = sum;
        }
        let Some(filler) = rows.iter().flatten().next().map(|placed| placed.row) else {
            return;
        };
        let mut sorted = std::mem::take(&mut self.sorted);
        if sorted.len() < sum {
            sorted.resize(sum, filler);
        }
        for share in rows {
            for Placed { row, place } in share {
                let next = &mut starts[usize::from(place)];
                sorted[*next] = row;
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

    fn object(&mut self, place: usize, key: u32, rows: &[Row<E::Role>]) {
        if rows.is_empty() {
            return;
        }
        let finding = match self.reasons.get(&key) {
            Some(reason) => Finding::Unreadable(reason.clone()),
            None => self.exact.judge(self.calls, rows),
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
                let found = judge_by(&blocks, &calls, &parts, &none, &budget, workers);
                assert_eq!(found.fine, expected.fine, "seed {seed}, {size}, {workers}");
                let sorted = |mut others: Vec<(u32, Finding)>| {
                    others.sort_by_key(|(key, _)| *key);
                    others
                };
                let (one, other) = (sorted(found.others), sorted(expected.others.clone()));
                assert_eq!(one, other, "seed {seed}, {size}, {workers}");
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
