//! Numbers that must rise along real time: one sweep.

/// An object had a number, as a call tells, or whatever else has a place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub(super) object: u32,
    pub(super) value: i64,
    pub(super) call: u32,
}

/// The places of a list, as a key orders them.
fn sorted<K: Ord>(all: &[Entry], key: impl Fn(&Entry) -> K) -> Vec<u32> {
    let count = u32::try_from(all.len()).expect("calls are numbered with 32 bits");
    let mut order: Vec<u32> = (0..count).collect();
    order.sort_unstable_by_key(|&place| key(&all[place as usize]));
    order
}

/// Hands to `each` what has the value of another of its object, with the first that has it, of
/// those that `count`.
///
/// **Cost**: O(n log n); four bytes for each.
pub(super) fn repeated(
    all: &[Entry],
    count: impl Fn(&Entry) -> bool,
    mut each: impl FnMut(&Entry, &Entry),
) {
    let mut order = sorted(all, |one| (one.object, one.value, one.call));
    order.retain(|&place| count(&all[place as usize]));
    let at = |place: u32| &all[place as usize];
    let is_same = |one: &u32, other: &u32| {
        (at(*one).object, at(*one).value) == (at(*other).object, at(*other).value)
    };
    for same in order.chunk_by(is_same) {
        for &again in &same[1..] {
            each(at(same[0]), at(again));
        }
    }
}

/// Hands to `each` what began `later` with the highest evidence that was certain strictly
/// before, if there is any. `by` tells since when evidence is certain: what is certain only
/// after the end of time is none. `later` comes in the order in which it `begins`.
///
/// **Cost**: O(n log n); four bytes for each piece of evidence.
pub(super) fn sweep(
    evidence: &[Entry],
    by: impl Fn(&Entry) -> u64,
    later: impl IntoIterator<Item = Entry>,
    begins: impl Fn(&Entry) -> u64,
    mut each: impl FnMut(&Entry, &Entry),
) {
    let order = sorted(evidence, |one| (by(one), one.call));
    let objects = evidence.iter().map(|one| one.object).max();
    let mut highest: Vec<Option<Entry>> = vec![None; objects.map_or(0, |o| o as usize + 1)];
    let mut sooner = order.into_iter().map(|place| evidence[place as usize]);
    let mut next = sooner.next();
    for later in later {
        let begins = begins(&later);
        while let Some(sooner_one) = next.filter(|one| by(one) < begins) {
            let highest = &mut highest[sooner_one.object as usize];
            if highest.is_none_or(|highest| sooner_one.value > highest.value) {
                *highest = Some(sooner_one);
            }
            next = sooner.next();
        }
        if let Some(Some(highest)) = highest.get(later.object as usize) {
            each(highest, &later);
        }
    }
}
