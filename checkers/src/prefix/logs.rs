//! Logs of nodes, of which each may begin later than the others: where two have a position, they
//! must have the same there.

use std::collections::BTreeMap;

use crate::calls::Calls;
use crate::history::dictionary::Interned;

/// Two logs that differ, and where first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Apart {
    pub(super) first: u32,
    pub(super) second: u32,
    /// The position, counted from one.
    pub(super) position: u64,
    /// What the one has there, and the other, by number.
    pub(super) items: [u32; 2],
}

/// The records of one log.
struct Log<'c> {
    call: u32,
    /// The position of the first.
    first: u64,
    items: &'c [u32],
}

/// How many logs have a position in common with one before them, and those that have something
/// else there; the longest is compared first.
///
/// **Cost**: O(n log n) in the records.
pub(super) fn apart(calls: &Calls, of: &[u32]) -> (usize, Vec<Apart>) {
    let mut logs: Vec<Log<'_>> = of.iter().map(|&call| log(calls, call)).collect();
    logs.sort_by_key(|log| (std::cmp::Reverse(log.items.len()), log.call));
    // By position: the record there, and the log that it is of.
    let mut known: BTreeMap<u64, (u32, u32)> = BTreeMap::new();
    let (mut compared, mut found) = (0, Vec::new());
    for log in &logs {
        let mut shared = false;
        for (position, &item) in (log.first..).zip(log.items) {
            let (here, owner) = *known.entry(position).or_insert((item, log.call));
            shared |= owner != log.call;
            if here != item {
                found.push(Apart {
                    first: owner,
                    second: log.call,
                    position,
                    items: [here, item],
                });
                // What comes after a difference is of another order.
                break;
            }
        }
        compared += usize::from(shared);
    }
    found.sort_unstable_by_key(|apart| apart.second);
    (compared, found)
}

/// A log begins where its argument says; without one at the first position.
fn log(calls: &Calls, call: u32) -> Log<'_> {
    let first = match calls.values.get(calls.argument[call as usize]) {
        Interned::Int(first) => u64::try_from(first).unwrap_or(1).max(1),
        _ => 1,
    };
    let items = match calls.values.get(calls.result(call)) {
        Interned::List(items) => items,
        _ => &[],
    };
    Log { call, first, items }
}
