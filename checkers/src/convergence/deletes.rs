//! What was deleted and came back.

use std::collections::HashMap;

use super::object::{Object, Role, begin, end};
use crate::calls::{BEFORE, Calls, NEVER, Rank};
use crate::history::dictionary::NIL;

/// Something that was there after its delete: the calls that prove it, and why.
pub(super) struct Resurrected {
    pub(super) value: u32,
    pub(super) add: u32,
    pub(super) delete: u32,
    /// A read of the same node that did not show it in between; none for a final read.
    pub(super) absent: Option<u32>,
    pub(super) present: u32,
}

/// A value that was certainly there before its delete began, and was not put there again.
struct Deleted {
    add: u32,
    delete: u32,
    /// When the delete was over.
    gone: Rank,
    /// By node: the last client's read after that which shows it.
    shown: HashMap<u16, u32>,
}

/// How many deletes of an object could have been undone, and those that were.
///
/// **Cost**: linear in its calls and in the elements of its reads, and its reads once more for
/// each value that came back.
pub(super) fn resurrected(calls: &Calls, object: &Object) -> (usize, Vec<Resurrected>) {
    let mut deleted = deleted(calls, object);
    let mut found = Vec::new();
    let tested = deleted.len();
    if tested == 0 {
        return (0, found);
    }
    for &read in &object.finals {
        for value in object.contents(calls, read).values() {
            if let Some(gone) = deleted.get(value)
                && begin(calls, read) > gone.gone
            {
                found.push(Resurrected {
                    value: *value,
                    add: gone.add,
                    delete: gone.delete,
                    absent: None,
                    present: read,
                });
                deleted.remove(value);
            }
        }
    }
    for &read in &object.reads {
        let Some(node) = calls.node(read) else {
            continue;
        };
        for value in object.contents(calls, read).values() {
            if let Some(gone) = deleted.get_mut(value)
                && begin(calls, read) > gone.gone
            {
                gone.shown.insert(node, read);
            }
        }
    }
    let mut back: Vec<(u32, &Deleted, u16, u32)> = (deleted.iter())
        .flat_map(|(value, gone)| {
            let shown = gone.shown.iter();
            shown.map(move |(node, read)| (*value, gone, *node, *read))
        })
        .collect();
    back.sort_unstable_by_key(|(value, _, _, read)| (*read, *value));
    for (value, gone, node, present) in back {
        let absent = object.reads.iter().copied().find(|&read| {
            calls.node(read) == Some(node)
                && begin(calls, read) > gone.gone
                && end(calls, read) < begin(calls, present)
                && !object.contents(calls, read).has(value)
        });
        if absent.is_some() {
            found.push(Resurrected {
                value,
                add: gone.add,
                delete: gone.delete,
                absent,
                present,
            });
        }
    }
    (tested, found)
}

fn deleted(calls: &Calls, object: &Object) -> HashMap<u32, Deleted> {
    // By value: the call that put it there, and when the last such call was over.
    let mut added: HashMap<u32, (u32, Rank)> = HashMap::new();
    let mut wipes = Vec::new();
    for change in &object.changes {
        match change.role {
            Role::Put(NIL) => wipes.push(change.call),
            Role::Put(value) | Role::Add(value) => {
                let entry = added.entry(value).or_insert((change.call, BEFORE));
                entry.1 = entry.1.max(end(calls, change.call));
            }
            Role::Opaque => return HashMap::new(),
            Role::Remove(_) | Role::Read | Role::Final => {}
        }
    }
    let mut deleted: HashMap<u32, Deleted> = HashMap::new();
    let mut delete = |value: u32, call: u32| {
        let gone = end(calls, call);
        let Some(&(add, over)) = added.get(&value) else {
            return;
        };
        if gone == NEVER || over >= begin(calls, call) {
            return;
        }
        let entry = deleted.entry(value).or_insert_with(|| Deleted {
            add,
            delete: call,
            gone,
            shown: HashMap::new(),
        });
        if gone < entry.gone {
            (entry.delete, entry.gone) = (call, gone);
        }
    };
    for change in &object.changes {
        if let Role::Remove(value) = change.role {
            delete(value, change.call);
        }
    }
    // A delete of the whole register takes every value that was there before.
    if !wipes.is_empty() {
        let mut values: Vec<u32> = added.keys().copied().collect();
        values.sort_unstable();
        wipes.sort_by_key(|&call| begin(calls, call));
        // Of each delete and those that began later, the one that was over first.
        let mut soonest = wipes.clone();
        for at in (1..soonest.len()).rev() {
            if end(calls, soonest[at]) < end(calls, soonest[at - 1]) {
                soonest[at - 1] = soonest[at];
            }
        }
        for value in values {
            let (_, over) = added[&value];
            let first = wipes.partition_point(|&call| begin(calls, call) <= over);
            if let Some(&call) = soonest.get(first) {
                delete(value, call);
            }
        }
    }
    deleted
}
