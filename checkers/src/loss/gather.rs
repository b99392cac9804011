//! The door of the ledger: which calls count, sorted by object, and what was finally read.
//!
//! What cannot be read is set aside with its index and the reason, never guessed at.

use std::ops::Range;

use crate::calls::{Calls, NO_VALUE};
use crate::history::Kind;
use crate::history::dictionary::{Interned, NIL};
use crate::linearizable::grouping::{narrow, result};

/// What a function is to the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Read,
    Write,
    Cas,
    Add,
    Remove,
    ReadSet,
    Final,
    /// An operation that neither registers nor sets have.
    Foreign,
}

/// By place of a function's name: what it is.
pub(super) fn roles(calls: &Calls) -> Vec<Role> {
    let role = |name: &str| match name {
        "read" => Role::Read,
        "write" => Role::Write,
        "cas" => Role::Cas,
        "add" => Role::Add,
        "remove" => Role::Remove,
        "read-set" | "contains" => Role::ReadSet,
        _ if name.starts_with("final-read") => Role::Final,
        _ => Role::Foreign,
    };
    calls.fs.list().iter().map(|name| role(name)).collect()
}

/// The key was written as a register.
const WRITTEN: u8 = 1;
/// The key was added to as a set.
const ADDED: u8 = 2;
/// Something of it cannot be read.
const SPOILED: u8 = 4;

/// One key that somebody changed or read.
#[derive(Clone, Debug)]
pub(super) struct Object {
    /// Its number.
    pub(super) key: u32,
    /// Where its calls stand in [`Gathered::order`].
    pub(super) calls: Range<usize>,
    /// Where its final reads stand in [`Gathered::finals`].
    pub(super) finals: Range<usize>,
    flags: u8,
}

impl Object {
    pub(super) fn is_register(&self) -> bool {
        self.flags & WRITTEN != 0
    }

    pub(super) fn is_set(&self) -> bool {
        self.flags & ADDED != 0
    }

    pub(super) fn is_spoiled(&self) -> bool {
        self.flags & SPOILED != 0
    }
}

/// What one node held of one key in the end: the last answer to a final read of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Final {
    key: u32,
    pub(super) is_set: bool,
    pub(super) node: u16,
    pub(super) call: u32,
    /// What it held, by number.
    pub(super) held: u32,
}

/// The calls of a history as the ledger needs them.
#[derive(Clone, Debug, Default)]
pub(super) struct Gathered {
    /// By call: what it is to the ledger is told by its function.
    pub(super) roles: Vec<Role>,
    /// In the order of their first calls.
    pub(super) objects: Vec<Object>,
    /// Calls by object, within one in the order of their starts.
    pub(super) order: Vec<u32>,
    /// By object, kind and node.
    pub(super) finals: Vec<Final>,
    /// Nodes that answered anybody, or were to be finally read: they must have been read.
    pub(super) nodes: Vec<u16>,
    /// How many operations cannot be read; the index of the first, and why.
    pub(super) unreadable: usize,
    pub(super) first_unreadable: Option<(usize, String)>,
}

impl Gathered {
    /// **Cost**: linear; 4 bytes a call and 4 bytes a value.
    pub(super) fn of(calls: &Calls) -> Self {
        let mut gathered = Self {
            roles: roles(calls),
            ..Self::default()
        };
        // By number of a key: one more than its place.
        let mut places = vec![0_u32; calls.values.len()];
        gathered.count(calls, &mut places);
        gathered.scatter(calls, &places);
        gathered.take_finals(calls, &places);
        gathered
    }

    pub(super) fn role(&self, calls: &Calls, call: u32) -> Role {
        self.roles[usize::from(calls.f[call as usize])]
    }

    /// Finds the objects and how many calls each has.
    fn count(&mut self, calls: &Calls, places: &mut [u32]) {
        for (at, (&f, &key)) in calls.f.iter().zip(&calls.key).enumerate() {
            let flag = match self.roles[usize::from(f)] {
                Role::Write | Role::Cas => WRITTEN,
                Role::Add => ADDED,
                Role::Read | Role::Remove => 0,
                Role::ReadSet | Role::Final | Role::Foreign => continue,
            };
            let place = &mut places[key as usize];
            if *place == 0 {
                self.objects.push(Object {
                    key,
                    calls: at..at,
                    finals: 0..0,
                    flags: 0,
                });
                *place = narrow(self.objects.len());
            }
            let object = &mut self.objects[*place as usize - 1];
            object.calls.end += 1;
            object.flags |= flag;
        }
        let mut start = 0;
        for object in &mut self.objects {
            // What nobody changed cannot have lost anything.
            let count = if object.flags == 0 {
                0
            } else {
                object.calls.len()
            };
            object.calls = start..start;
            start += count;
        }
        self.order = vec![0; start];
    }

    /// Puts each call where it belongs.
    fn scatter(&mut self, calls: &Calls, places: &[u32]) {
        let mut nodes = vec![false; calls.nodes().len()];
        let crossed = calls.has_crossed();
        for call in 0..narrow(calls.len()) {
            let at = call as usize;
            let role = self.roles[usize::from(calls.f[at])];
            if let Some(node) = calls.node(call)
                && (calls.outcome[at] == Kind::Ok || role == Role::Final)
            {
                nodes[usize::from(node)] = true;
            }
            let Some(place) = (places[calls.key[at] as usize] as usize).checked_sub(1) else {
                continue;
            };
            let flags = self.objects[place].flags;
            let counts = match role {
                Role::Write | Role::Cas | Role::Add => true,
                Role::Read => flags & WRITTEN != 0,
                Role::Remove | Role::ReadSet => flags & ADDED != 0,
                Role::Final => false,
                Role::Foreign => flags != 0 && calls.outcome[at] != Kind::Fail,
            };
            if flags & (WRITTEN | ADDED) == 0 || !counts && !crossed {
                continue;
            }
            let told = if crossed && calls.is_crossed(call) {
                Some("it was asked of one key and answered for another".to_owned())
            } else if counts {
                unreadable(calls, call, role)
            } else {
                continue;
            };
            if let Some(reason) = told {
                self.unreadable += 1;
                self.first_unreadable
                    .get_or_insert_with(|| (calls.index(call), reason));
                self.objects[place].flags |= SPOILED;
                continue;
            }
            if role != Role::ReadSet {
                let end = &mut self.objects[place].calls.end;
                self.order[*end] = call;
                *end += 1;
            }
        }
        let used = nodes.iter().zip(0_u16..).filter(|(is, _)| **is);
        self.nodes = used.map(|(_, node)| node).collect();
    }

    fn take_finals(&mut self, calls: &Calls, places: &[u32]) {
        let mut finals = Vec::new();
        for call in 0..narrow(calls.len()) {
            let at = call as usize;
            if self.roles[usize::from(calls.f[at])] != Role::Final
                || calls.outcome[at] != Kind::Ok
                || calls.is_crossed(call)
            {
                continue;
            }
            let (Some(node), Some(held)) = (calls.node(call), result(calls, call)) else {
                continue;
            };
            let is_set = match calls.name(call) {
                "final-read" => false,
                "final-read-set" => true,
                _ => continue,
            };
            finals.push(Final {
                key: places[calls.key[at] as usize],
                is_set,
                node,
                call,
                held,
            });
        }
        finals.sort_unstable_by_key(|of| (of.key, of.is_set, of.node, of.call));
        // Of several answers of a node the last counts.
        for at in 0..finals.len() {
            let of = |of: &Final| (of.key, of.is_set, of.node);
            if finals
                .get(at + 1)
                .is_none_or(|next| of(next) != of(&finals[at]))
            {
                self.finals.push(finals[at]);
            }
        }
        let mut start = 0;
        for of in self.finals.chunk_by(|one, other| one.key == other.key) {
            if let Some(place) = (of[0].key as usize).checked_sub(1) {
                self.objects[place].finals = start..start + of.len();
            }
            start += of.len();
        }
    }

    /// What the nodes finally held of an object.
    pub(super) fn finals(&self, object: &Object, is_set: bool) -> &[Final] {
        let finals = &self.finals[object.finals.clone()];
        let from = finals.partition_point(|of| !of.is_set && is_set);
        let to = finals.partition_point(|of| !of.is_set || is_set);
        &finals[from..to]
    }

    /// Why the unreadable operations leave the verdict open, if there are any.
    pub(super) fn why_unreadable(&self) -> Option<String> {
        let (index, reason) = self.first_unreadable.as_ref()?;
        Some(format!(
            "{} operations could not be read; the first, at index {index}: {reason}",
            self.unreadable
        ))
    }
}

/// Why a call cannot be read, if it cannot.
fn unreadable(calls: &Calls, call: u32, role: Role) -> Option<String> {
    let at = call as usize;
    let (first, second) = (calls.argument[at], calls.second[at]);
    let composites = calls.values.has_composites();
    let is_list = |number: u32| {
        composites
            && matches!(
                calls.values.get(number),
                Interned::List(_) | Interned::Map(_)
            )
    };
    let several = "it writes a list, which a final read could not tell from siblings";
    let reason = match role {
        Role::Write if second != NO_VALUE || is_list(first) => several,
        Role::Write if first == NIL => "it writes nil, which stands for an absent key",
        Role::Cas if second == NO_VALUE || second == NIL => {
            "its argument is not a list of an old and a new value"
        }
        Role::Cas if is_list(second) => several,
        Role::Add | Role::Remove if second != NO_VALUE => {
            "its element is a list of two values, which no result can be compared with"
        }
        Role::Read if calls.outcome[at] == Kind::Ok => match result(calls, call) {
            Some(seen) if !is_list(seen) => return None,
            _ => "it returned several values, not one",
        },
        Role::ReadSet if calls.outcome[at] == Kind::Ok && calls.name(call) == "read-set" => {
            match result(calls, call).map(|seen| calls.values.get(seen)) {
                Some(Interned::List(_)) | None => return None,
                Some(_) => "its result is not a list of elements",
            }
        }
        Role::Foreign => {
            let f = calls.name(call);
            return Some(format!("{f} is not an operation of registers or sets"));
        }
        Role::Read
        | Role::ReadSet
        | Role::Write
        | Role::Cas
        | Role::Add
        | Role::Remove
        | Role::Final => return None,
    };
    Some(reason.to_owned())
}
