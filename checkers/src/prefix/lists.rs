//! Lists and logs that must be prefixes of one another, and what must not shrink on a node.

use std::collections::BTreeMap;

use crate::calls::{Calls, Rank};
use crate::history::dictionary::Interned;

/// Two calls that show what cannot both be prefixes of one order, or a node that went back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Conflict {
    pub(super) first: u32,
    pub(super) second: u32,
    /// Where the two differ first.
    pub(super) at: usize,
}

/// How many results were compared with the longest, and those that are no prefix of it, each by
/// the first call that returned it. Equal results are compared once.
///
/// **Cost**: linear in the elements of different results.
pub(super) fn not_prefixes(calls: &Calls, of: &[u32]) -> (usize, Vec<Conflict>) {
    let mut firsts: BTreeMap<u32, u32> = BTreeMap::new();
    for &call in of {
        firsts.entry(calls.result(call)).or_insert(call);
    }
    let items = |number: u32| match calls.values.get(number) {
        Interned::List(items) => items,
        _ => &[],
    };
    let longest = firsts
        .iter()
        .max_by_key(|(number, call)| (items(**number).len(), std::cmp::Reverse(**call)));
    let Some((&longest, &first)) = longest else {
        return (0, Vec::new());
    };
    let whole = items(longest);
    let mut conflicts: Vec<Conflict> = (firsts.iter())
        .filter_map(|(&number, &call)| {
            let own = items(number);
            let at = own
                .iter()
                .zip(whole)
                .position(|(own, whole)| own != whole)?;
            Some(Conflict {
                first,
                second: call,
                at,
            })
        })
        .collect();
    conflicts.sort_unstable_by_key(|conflict| conflict.second);
    (of.len() - 1, conflicts)
}

/// How many reads followed another of their node, and those in which the node shows less than in
/// one that was over before; `reads` stand in the order of their starts, with what they reveal.
///
/// **Cost**: that of sorting.
pub(super) fn shrunk(calls: &Calls, reads: &[(u32, u64)]) -> (usize, Vec<Conflict>) {
    let mut by_node: BTreeMap<u16, Vec<(u32, u64)>> = BTreeMap::new();
    for &(call, size) in reads {
        if let Some(node) = calls.node(call) {
            by_node.entry(node).or_default().push((call, size));
        }
    }
    let mut compared = 0;
    let mut conflicts = Vec::new();
    for begun in by_node.values() {
        let end = |call: u32| -> Rank { calls.ends[call as usize] };
        let mut ended = begun.clone();
        ended.sort_unstable_by_key(|(call, _)| end(*call));
        let (mut over, mut most) = (0, None::<(u32, u64)>);
        for &(call, size) in begun {
            let i = calls.begins[call as usize];
            while over < ended.len() && end(ended[over].0) < i {
                if most.is_none_or(|(_, most)| ended[over].1 > most) {
                    most = Some(ended[over]);
                }
                over += 1;
            }
            let Some((first, most)) = most else {
                continue;
            };
            compared += 1;
            if size < most {
                conflicts.push(Conflict {
                    first,
                    second: call,
                    at: usize::try_from(size).unwrap_or(usize::MAX),
                });
            }
        }
    }
    (compared, conflicts)
}
