//! The door: adds, removes and reads of each set.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::by_key::ByKey;
use crate::calls::{Calls, NEVER, NO_VALUE, Rank};
use crate::history::Kind;
use crate::history::dictionary::{Interned, NIL};
use crate::linearizable::grouping::{narrow, result};

/// What a function is to a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Add,
    Remove,
    Read,
    Final,
    /// It tells single elements, which is not judged here.
    Single,
    Foreign,
}

/// A read of a whole set.
#[derive(Clone, Debug)]
pub(super) struct Read<'c> {
    pub(super) begins: Rank,
    pub(super) ends: Rank,
    pub(super) call: u32,
    pub(super) items: Cow<'c, [u32]>,
    /// Whether it may lack what is there: it is made of the reads of some nodes only. Then it
    /// has no end, and shows only what is there.
    pub(super) is_partial: bool,
}

/// One set: its calls by number.
#[derive(Clone, Debug, Default)]
pub(super) struct Object<'c> {
    pub(super) key: u32,
    pub(super) adds: Vec<u32>,
    /// Removes that did not fail.
    pub(super) removes: Vec<u32>,
    /// In the order of their starts.
    pub(super) reads: Vec<Read<'c>>,
    /// The operator's reads, of which the last of `reads` is made, if there were enough.
    pub(super) finals: Vec<u32>,
    /// Why it cannot be judged.
    pub(super) unreadable: Option<(usize, String)>,
}

/// The sets of a history.
pub(super) struct Sets<'c> {
    calls: &'c Calls,
    roles: Vec<Role>,
    by_key: ByKey,
    /// Nodes that answered anybody: all of them must be finally read.
    nodes: Vec<bool>,
}

impl<'c> Sets<'c> {
    /// **Cost**: linear; 4 bytes a call and 4 bytes a value.
    pub(super) fn of(calls: &'c Calls) -> Self {
        let role = |name: &str| match name {
            "add" => Role::Add,
            "remove" => Role::Remove,
            "read" | "read-set" => Role::Read,
            "final-read-set" => Role::Final,
            "contains" => Role::Single,
            _ => Role::Foreign,
        };
        let roles: Vec<Role> = calls.fs.list().iter().map(|name| role(name)).collect();
        let mut added = vec![false; calls.values.len()];
        let mut nodes = vec![false; calls.nodes().len()];
        for call in 0..narrow(calls.len()) {
            let at = call as usize;
            let role = roles[usize::from(calls.f[at])];
            added[calls.key[at] as usize] |= role == Role::Add;
            if let Some(node) = calls.node(call)
                && (calls.outcome[at] == Kind::Ok || role == Role::Final)
            {
                nodes[usize::from(node)] = true;
            }
        }
        // A counter is added to as well, but its reads return numbers.
        let read = calls.function("read");
        let changed = [calls.function("increment"), calls.function("decrement")];
        for (at, f) in calls.f.iter().enumerate() {
            let counts = Some(*f) == read
                && calls.outcome[at] == Kind::Ok
                && result(calls, narrow(at))
                    .is_some_and(|seen| matches!(calls.values.get(seen), Interned::Int(_)));
            if counts || changed.contains(&Some(*f)) {
                added[calls.key[at] as usize] = false;
            }
        }
        let by_key = ByKey::of(calls, |call| added[calls.key[call as usize] as usize]);
        Self {
            calls,
            roles,
            by_key,
            nodes,
        }
    }

    /// How many sets there are.
    pub(super) fn len(&self) -> usize {
        self.by_key.len()
    }

    /// The set at that place.
    pub(super) fn object(&self, place: usize) -> Object<'c> {
        let calls = self.calls;
        let key = &self.by_key.keys[place];
        let mut object = Object {
            key: *key,
            ..Object::default()
        };
        let mut finals: BTreeMap<u16, u32> = BTreeMap::new();
        for &call in self.by_key.calls(place) {
            let at = call as usize;
            let outcome = calls.outcome[at];
            let told = match self.roles[usize::from(calls.f[at])] {
                _ if calls.is_crossed(call) => {
                    Err("it was asked of one key and answered for another".to_owned())
                }
                Role::Add | Role::Remove if calls.second[at] != NO_VALUE => Err(
                    "its element is a list of two values, which no result can be compared with"
                        .to_owned(),
                ),
                Role::Add => {
                    object.adds.push(call);
                    Ok(())
                }
                Role::Remove if outcome == Kind::Fail => Ok(()),
                Role::Remove => {
                    object.removes.push(call);
                    Ok(())
                }
                Role::Read if outcome == Kind::Ok => {
                    let items = items(calls, call);
                    items.map(|items| {
                        object.reads.push(Read {
                            begins: calls.begins[at],
                            ends: calls.ends[at],
                            call,
                            items: Cow::Borrowed(items),
                            is_partial: false,
                        });
                    })
                }
                Role::Final if outcome == Kind::Ok => {
                    if let Some(node) = calls.node(call) {
                        finals.insert(node, call);
                    }
                    items(calls, call).map(|_| ())
                }
                Role::Read | Role::Final | Role::Single => Ok(()),
                Role::Foreign if outcome == Kind::Fail => Ok(()),
                Role::Foreign => {
                    let f = calls.name(call);
                    Err(format!("{f} is not an operation of a set"))
                }
            };
            if let Err(reason) = told {
                object.unreadable = Some((calls.index(call), reason));
                return object;
            }
        }
        let all_read = (0_u16..).zip(&self.nodes);
        let all_read = all_read
            .filter(|(_, is_used)| **is_used)
            .all(|(node, _)| finals.contains_key(&node));
        if !finals.is_empty() {
            object.finals = finals.into_values().collect();
            self.unite(&mut object, !all_read);
        }
        object
    }

    /// Makes one read of all final reads: of what any node has.
    fn unite(&self, object: &mut Object<'c>, is_partial: bool) {
        let calls = self.calls;
        let lists = object.finals.iter();
        let mut lists: Vec<u32> = lists.filter_map(|&call| result(calls, call)).collect();
        let doubled = |list: &u32| {
            let mut items = list_of(calls, *list).to_vec();
            let count = items.len();
            items.sort_unstable();
            items.dedup();
            items.len() < count
        };
        lists.sort_unstable();
        lists.dedup();
        let items = match lists.as_slice() {
            [one] => Cow::Borrowed(list_of(calls, *one)),
            several => {
                // What one of them returned twice must stay there twice.
                let twice = several.iter().find(|list| doubled(list));
                let mut all: Vec<u32> = Vec::new();
                for list in several {
                    all.extend(list_of(calls, *list));
                }
                all.sort_unstable();
                all.dedup();
                if let Some(list) = twice {
                    let mut items = list_of(calls, *list).to_vec();
                    items.sort_unstable();
                    let again = items.windows(2).filter(|pair| pair[0] == pair[1]);
                    let again: Vec<u32> = again.map(|pair| pair[0]).collect();
                    all.extend(again);
                }
                Cow::Owned(all)
            }
        };
        let begins = object
            .finals
            .iter()
            .map(|&call| calls.begins[call as usize]);
        let begins = begins.min().unwrap_or(NEVER);
        let ends = object.finals.iter().map(|&call| calls.ends[call as usize]);
        let read = Read {
            begins,
            ends: ends.max().filter(|_| !is_partial).unwrap_or(NEVER),
            call: object.finals[0],
            items,
            is_partial,
        };
        let place = object.reads.partition_point(|other| other.begins <= begins);
        object.reads.insert(place, read);
    }
}

/// What a read returned.
fn items(calls: &Calls, call: u32) -> Result<&[u32], String> {
    match result(calls, call).map(|seen| (seen, calls.values.get(seen))) {
        Some((_, Interned::List(items))) => Ok(items),
        Some((NIL, _)) => Ok(&[]),
        _ => Err("its result is not a list of elements".to_owned()),
    }
}

fn list_of(calls: &Calls, list: u32) -> &[u32] {
    match calls.values.get(list) {
        Interned::List(items) => items,
        _ => &[],
    }
}
