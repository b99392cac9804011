//! Whether the nodes held the same of one object in the end.

use std::collections::{BTreeMap, HashSet};

use super::object::{Contents, Object, Role, Sort, begin, end};
use crate::calls::{Calls, NEVER, Rank};

/// What came of the final reads of one object.
pub(super) struct Finals {
    /// By node: the last final read that was answered, and what it shows.
    pub(super) held: BTreeMap<u16, (u32, Contents)>,
    pub(super) outcome: Outcome,
}

/// Whether they agree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Equal,
    /// Two nodes differ, and nothing that was still under way explains it.
    Differ(u16, u16),
    /// Nodes differ, and it may be for this reason.
    Open(&'static str),
}

impl Finals {
    pub(super) fn of(calls: &Calls, object: &Object) -> Self {
        let mut held = BTreeMap::new();
        for &read in &object.finals {
            if let Some(node) = calls.node(read) {
                held.insert(node, (read, object.contents(calls, read)));
            }
        }
        let outcome = outcome(calls, object, &held);
        Self { held, outcome }
    }

    /// When the first of the reads that count began.
    pub(super) fn began(&self, calls: &Calls) -> Rank {
        let reads = self.held.values().map(|(read, _)| begin(calls, *read));
        reads.min().unwrap_or(NEVER)
    }
}

fn outcome(calls: &Calls, object: &Object, held: &BTreeMap<u16, (u32, Contents)>) -> Outcome {
    if differing(held.iter().map(|(node, (_, contents))| (*node, contents))).is_none() {
        return Outcome::Equal;
    }
    let began = held.values().map(|(read, _)| begin(calls, *read)).min();
    let began = began.unwrap_or(NEVER);
    let (mut open, mut opaque) = (Vec::new(), false);
    for change in &object.changes {
        let end = end(calls, change.call);
        if end == NEVER && change.role == Role::Opaque {
            opaque = true;
        } else if end == NEVER {
            open.push(change.role);
        } else if end >= began {
            return Outcome::Open("it was changed while the nodes were finally read");
        }
    }
    if opaque {
        return Outcome::Open("a change of unknown outcome may have come in between");
    }
    if !open.is_empty() {
        // What somebody saw before had taken effect.
        let seen: HashSet<u32> = (object.reads.iter())
            .filter(|&&read| end(calls, read) < began)
            .flat_map(|&read| object.contents(calls, read).values().to_vec())
            .collect();
        open.retain(|role| match role {
            Role::Put(value) | Role::Add(value) => {
                *value == crate::history::dictionary::NIL || !seen.contains(value)
            }
            Role::Remove(_) => true,
            Role::Opaque | Role::Read | Role::Final => false,
        });
    }
    let mut values: Vec<u32> = (open.iter())
        .filter_map(|role| match role {
            Role::Put(value) | Role::Add(value) | Role::Remove(value) => Some(*value),
            Role::Opaque | Role::Read | Role::Final => None,
        })
        .collect();
    values.sort_unstable();
    let left = if object.sort == Sort::Register {
        // What such a write left behind says nothing; the nodes without it must agree.
        let is_open = |contents: &Contents| values.iter().any(|value| contents.has(*value));
        let others = held.iter().filter(|(_, (_, contents))| !is_open(contents));
        differing(others.map(|(node, (_, contents))| (*node, contents)))
    } else {
        let left: Vec<(u16, Contents)> = (held.iter())
            .map(|(node, (_, contents))| (*node, contents.without(&values)))
            .collect();
        differing(left.iter().map(|(node, contents)| (*node, contents)))
    };
    match left {
        Some((one, other)) => Outcome::Differ(one, other),
        None => Outcome::Open("a change of unknown outcome may have come in between"),
    }
}

/// Two nodes that differ, if any do.
fn differing<'c>(held: impl Iterator<Item = (u16, &'c Contents)>) -> Option<(u16, u16)> {
    let mut held = held;
    let (first, contents) = held.next()?;
    let other = held.find(|(_, other)| *other != contents)?;
    Some((first, other.0))
}
