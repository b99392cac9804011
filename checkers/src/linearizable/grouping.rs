//! Rows by a number of theirs, without hashing, and orders put together from parts.

use super::cores::filled;
use crate::calls::{Calls, Rank};
use crate::explain;
use crate::history::dictionary::Interned;

/// No function has this place.
const NO_FUNCTION: u16 = u16::MAX;

/// The place of a function's name, or one that no call has.
pub(crate) fn function(calls: &Calls, name: &str) -> u16 {
    calls.function(name).unwrap_or(NO_FUNCTION)
}

/// Why a call cannot be read: its function.
pub(crate) fn strange(calls: &Calls, call: u32, of: &str) -> String {
    let name = &calls.fs.list()[usize::from(calls.f[call as usize])];
    format!("{name} is not an operation of {of}")
}

/// The result of a call that was acknowledged, unless it is a pair that has no number.
#[inline]
pub(crate) fn result(calls: &Calls, call: u32) -> Option<u32> {
    let number = calls.result(call);
    ((number as usize) < calls.values.len()).then_some(number)
}

/// A value in words.
pub(crate) fn word(calls: &Calls, number: u32) -> String {
    match calls.values.get(number) {
        Interned::Str(text) if text.chars().count() > 40 => {
            let start: String = text.chars().take(40).collect();
            format!("\"{start}…\"")
        }
        Interned::List(items) if items.len() > 8 => format!("a list of {} elements", items.len()),
        _ => calls.value(number).to_string(),
    }
}

/// " at" a time, if the history bears times.
pub(crate) fn at(calls: &Calls, rank: Rank) -> String {
    if calls.is_untimed() {
        String::new()
    } else {
        format!(" at {}", explain::ms(calls.time(rank)))
    }
}

/// Adds a call to those that prove something, unless it is there already.
pub(crate) fn add_once(calls: &mut Vec<u32>, call: u32) {
    if !calls.contains(&call) {
        calls.push(call);
    }
}

pub(crate) fn narrow(number: usize) -> u32 {
    u32::try_from(number).expect("calls are numbered with 32 bits")
}

/// Whether numbers from a range of this width may have a table each among so many rows.
fn is_dense(width: usize, count: usize) -> bool {
    width <= 2 * count + 64
}

/// The least and the largest number, and how many there are.
fn extent(pairs: impl Iterator<Item = (u32, u32)>) -> (u32, u32, usize) {
    let start = (u32::MAX, 0, 0);
    pairs.fold(start, |(low, high, count), (number, _)| {
        (low.min(number), high.max(number), count + 1)
    })
}

/// The places of pairs of a number and a place, sorted by number; those of one number keep
/// their order, which must be a rising one.
///
/// **Cost**: linear if the numbers are dense, else that of sorting; 12 bytes a pair.
pub(crate) fn sorted_by_number(pairs: impl Iterator<Item = (u32, u32)> + Clone) -> Vec<u32> {
    let (low, high, count) = extent(pairs.clone());
    if count == 0 {
        return Vec::new();
    }
    let width = (high - low) as usize + 1;
    if !is_dense(width, count) {
        let mut keys: Vec<u64> = Vec::with_capacity(count);
        keys.extend(pairs.map(|(number, place)| pack(number, place)));
        keys.sort_unstable();
        return keys.into_iter().map(low_half).collect();
    }
    let mut next = filled(0_u32, width + 1);
    for (number, _) in pairs.clone() {
        next[(number - low) as usize + 1] += 1;
    }
    let mut sum = 0;
    for start in &mut next {
        sum += *start;
        *start = sum;
    }
    let mut sorted = vec![0; count];
    for (number, place) in pairs {
        let next = &mut next[(number - low) as usize];
        sorted[*next as usize] = place;
        *next += 1;
    }
    sorted
}

/// Sorts numbers of which most stand near their places already.
///
/// **Cost**: linear if they do, else that of sorting.
pub(super) fn sort_nearly(keys: &mut [u64]) {
    // What has been moved so far; beyond this it is not as was hoped.
    let mut moved = 0;
    let most = keys.len() * 24;
    for at in 1..keys.len() {
        let key = keys[at];
        let mut to = at;
        while to > 0 && keys[to - 1] > key {
            keys[to] = keys[to - 1];
            to -= 1;
        }
        keys[to] = key;
        moved += at - to;
        if moved > most {
            keys.sort_unstable();
            return;
        }
    }
}

/// The numbers of some sorted lists in their order.
pub(super) struct Merged<'l> {
    lists: Vec<&'l [u64]>,
    /// The list whose first is the least, and the least of the others' firsts.
    now: usize,
    limit: u64,
}

impl<'l> Merged<'l> {
    pub(super) fn of(lists: &'l [Vec<u64>]) -> Self {
        let mut merged = Self {
            lists: lists.iter().map(|list| &list[..]).collect(),
            now: 0,
            limit: 0,
        };
        merged.choose();
        merged
    }

    fn choose(&mut self) {
        let first = |list: &&[u64]| list.first().copied().unwrap_or(u64::MAX);
        let firsts = || self.lists.iter().map(first).enumerate();
        let least = firsts().min_by_key(|&(_, first)| first);
        let now = least.map_or(0, |(place, _)| place);
        let others = firsts().filter(|&(place, _)| place != now);
        self.limit = others.map(|(_, first)| first).min().unwrap_or(u64::MAX);
        self.now = now;
    }

    /// The next, if it is one that is asked for.
    #[inline]
    pub(super) fn next_if(&mut self, wanted: impl Fn(u64) -> bool) -> Option<u64> {
        let list = self.lists.get_mut(self.now)?;
        let (&key, rest) = list.split_first()?;
        if !wanted(key) {
            return None;
        }
        *list = rest;
        if rest.first().is_none_or(|&next| next > self.limit) {
            self.choose();
        }
        Some(key)
    }
}

#[inline]
pub(crate) fn pack(high: u32, low: u32) -> u64 {
    u64::from(high) << 32 | u64::from(low)
}

#[inline]
#[expect(
    clippy::cast_possible_truncation,
    reason = "the lower half is asked for"
)]
pub(crate) fn low_half(packed: u64) -> u32 {
    packed as u32
}

#[inline]
pub(crate) fn high_half(packed: u64) -> u32 {
    low_half(packed >> 32)
}

/// Where each number stands: one place a number.
#[derive(Debug)]
pub(crate) enum Places {
    /// By number from the first on: one more than the place.
    Table { first: u32, places: Vec<u32> },
    /// Number and place, sorted.
    Sorted(Vec<u64>),
}

impl Places {
    /// Of pairs of a number and a place; two places of one number, if there are such.
    ///
    /// **Cost**: linear if the numbers are dense, else that of sorting; 8 bytes a pair.
    pub(crate) fn of(
        pairs: impl Iterator<Item = (u32, u32)> + Clone,
    ) -> (Self, Option<(u32, u32)>) {
        let (low, high, count) = extent(pairs.clone());
        if count == 0 {
            return (Self::Sorted(Vec::new()), None);
        }
        let width = (high - low) as usize + 1;
        let mut repeated = None;
        if is_dense(width, count) {
            let mut places = filled(0_u32, width);
            for (number, place) in pairs {
                let slot = &mut places[(number - low) as usize];
                if *slot != 0 {
                    repeated.get_or_insert((*slot - 1, place));
                }
                *slot = place + 1;
            }
            return (Self::Table { first: low, places }, repeated);
        }
        let mut keys: Vec<u64> = Vec::with_capacity(count);
        keys.extend(pairs.map(|(number, place)| pack(number, place)));
        keys.sort_unstable();
        let twice = |pair: &&[u64]| high_half(pair[0]) == high_half(pair[1]);
        let repeated = keys.windows(2).find(twice);
        let repeated = repeated.map(|pair| (low_half(pair[0]), low_half(pair[1])));
        (Self::Sorted(keys), repeated)
    }

    #[inline]
    pub(crate) fn find(&self, number: u32) -> Option<u32> {
        match self {
            Self::Table { first, places } => {
                let slot = number.checked_sub(*first)?;
                places.get(slot as usize)?.checked_sub(1)
            }
            Self::Sorted(keys) => {
                let at = keys.partition_point(|&key| high_half(key) < number);
                let key = *keys.get(at)?;
                (high_half(key) == number).then_some(low_half(key))
            }
        }
    }
}

/// Puts together legal orders of parts that do not touch one another: each call comes with the
/// latest start among the calls of its part up to itself.
///
/// Such instants never go back within a part, and none is after the end of its call, so the
/// calls in the order of these instants agree with real time.
pub(crate) fn interleave(mut timed: Vec<(Rank, u32)>) -> Vec<u32> {
    timed.sort_by_key(|(instant, _)| *instant);
    timed.into_iter().map(|(_, call)| call).collect()
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::{Merged, sort_nearly};

    #[test]
    fn what_is_nearly_or_not_at_all_sorted_is_sorted() {
        for seed in 0..200 {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let reach = [1, 10, 1_000, u64::MAX / 2][rng.random_range(0..4)];
            let count = rng.random_range(0..500);
            let mut keys: Vec<u64> = (0..count)
                .map(|place| place * 3 + rng.random_range(0..reach))
                .collect();
            let mut sorted = keys.clone();
            sorted.sort_unstable();
            sort_nearly(&mut keys);
            assert_eq!(keys, sorted, "seed {seed}");
        }
    }
    #[test]
    fn lists_are_merged() {
        for seed in 0..500 {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let lists: Vec<Vec<u64>> = (0..rng.random_range(0..4))
                .map(|_| {
                    let count = rng.random_range(0..20);
                    let mut list: Vec<u64> = (0..count).map(|_| rng.random_range(0..50)).collect();
                    list.sort_unstable();
                    list
                })
                .collect();
            let mut sorted = lists.concat();
            sorted.sort_unstable();
            let mut merged = Merged::of(&lists);
            let all: Vec<u64> = std::iter::from_fn(|| merged.next_if(|_| true)).collect();
            assert_eq!(all, sorted, "seed {seed}");
        }
    }
}
