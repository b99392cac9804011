//! Reads that show one thing in two ways: the same updates in different states, or one version
//! with two contents.

use std::collections::HashMap;

use super::object::{Object, Sort, part, versioned};
use crate::calls::Calls;
use crate::history::dictionary::Interned;

/// Two reads that contradict each other.
pub(super) struct Pair {
    pub(super) first: u32,
    pub(super) second: u32,
}

/// How much could have been contradicted, and two reads of each contradiction.
#[derive(Default)]
pub(super) struct Found {
    /// Reads that tell.
    pub(super) reads: usize,
    /// How many of them told of something that another had told of already.
    pub(super) compared: usize,
    pub(super) pairs: Vec<Pair>,
}

/// Reads that saw the same set of updates and different states.
///
/// A list shows both: its elements are its updates, its order is its state. So does a map of
/// `updates`, a list, and `state`.
///
/// **Cost**: linear in the elements of different results, and that of sorting those of one set.
pub(super) fn states(calls: &Calls, object: &Object) -> Found {
    let mut found = Found::default();
    // By a sum that does not depend on the order: states that were seen, with the first read.
    let mut groups: HashMap<u64, Vec<(u32, u32)>> = HashMap::new();
    for &read in object.reads.iter().chain(&object.finals) {
        let Some((updates, state)) = revealed(calls, object, calls.result(read)) else {
            continue;
        };
        found.reads += 1;
        let sum = updates
            .iter()
            .fold(0_u64, |sum, &update| sum.wrapping_add(mix(update)));
        let group = groups.entry(sum).or_default();
        // Equal sums are nearly always equal sets, and nearly always of one state.
        if group.iter().any(|(other, _)| *other == state) {
            found.compared += 1;
            continue;
        }
        let own = sorted(updates);
        let other = group.iter().find(|(_, read)| {
            let other = revealed(calls, object, calls.result(*read));
            other.is_some_and(|(updates, _)| sorted(updates) == own)
        });
        match other {
            Some(&(_, first)) => {
                found.compared += 1;
                found.pairs.push(Pair {
                    first,
                    second: read,
                });
            }
            None => group.push((state, read)),
        }
    }
    found
}

/// The updates that a result reveals, and the state.
fn revealed<'c>(calls: &'c Calls, object: &Object, number: u32) -> Option<(&'c [u32], u32)> {
    if let Some(updates) = part(calls, number, "updates")
        && let Some(state) = part(calls, number, "state")
        && let Interned::List(updates) = calls.values.get(updates)
    {
        return Some((updates, state));
    }
    match calls.values.get(number) {
        Interned::List(items) if object.sort == Sort::List => Some((items, number)),
        _ => None,
    }
}

fn sorted(updates: &[u32]) -> Vec<u32> {
    let mut updates = updates.to_vec();
    updates.sort_unstable();
    updates
}

/// Spreads a number over 64 bits (the finish of splitmix64).
fn mix(number: u32) -> u64 {
    let mut mixed = u64::from(number).wrapping_add(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

/// Reads that show the same version with different contents.
pub(super) fn versions(calls: &Calls, object: &Object) -> Found {
    let mut found = Found::default();
    let mut contents: HashMap<u32, (u32, u32)> = HashMap::new();
    for &read in object.reads.iter().chain(&object.finals) {
        let Some((version, value)) = versioned(calls, calls.result(read)) else {
            continue;
        };
        found.reads += 1;
        match contents.get(&version) {
            None => {
                contents.insert(version, (value, read));
            }
            Some((same, _)) if *same == value => found.compared += 1,
            Some((_, first)) => {
                found.compared += 1;
                found.pairs.push(Pair {
                    first: *first,
                    second: read,
                });
            }
        }
    }
    found
}
