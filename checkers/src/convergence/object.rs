//! What was done to one object, and what reads show of it.

use crate::by_key::ByKey;
use crate::calls::{Calls, NEVER, NO_VALUE, Rank};
use crate::history::Kind;
use crate::history::dictionary::{Interned, NIL};

/// What a call does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// The register becomes this; nil: it is deleted.
    Put(u32),
    /// This is added to the set, or to the end of the list.
    Add(u32),
    /// This is removed from the set.
    Remove(u32),
    /// It changes something, and nobody can say what.
    Opaque,
    /// A client reads.
    Read,
    /// The operator reads one node after recovery.
    Final,
}

/// What the functions of a history do.
pub(super) struct Roles(Vec<Option<&'static str>>);

impl Roles {
    pub(super) fn of(calls: &Calls) -> Self {
        let known = [
            "write",
            "put",
            "cas",
            "delete",
            "add",
            "append",
            "remove",
            "increment",
            "decrement",
            "read",
            "get",
            "read-set",
            "final-read",
            "final-read-set",
        ];
        let names = calls.fs.list().iter();
        Self(
            names
                .map(|name| known.into_iter().find(|known| **known == **name))
                .collect(),
        )
    }

    /// The calls that are of interest, by object.
    pub(super) fn by_key(&self, calls: &Calls) -> ByKey {
        ByKey::of(calls, |call| {
            self.0[usize::from(calls.f[call as usize])].is_some()
        })
    }

    /// What a call does; none for one that did nothing, or that told nothing.
    fn role(&self, calls: &Calls, call: u32) -> Option<Role> {
        let at = call as usize;
        let outcome = calls.outcome[at];
        let argument = match calls.second[at] {
            NO_VALUE => calls.argument[at],
            second => second,
        };
        let pair = calls.second[at] != NO_VALUE;
        let role = match self.0[usize::from(calls.f[at])]? {
            "read" | "get" | "read-set" => Role::Read,
            "final-read" | "final-read-set" => Role::Final,
            _ if outcome == Kind::Fail => return None,
            _ if calls.is_crossed(call) => Role::Opaque,
            "write" | "put" if !pair => Role::Put(argument),
            "cas" if pair => Role::Put(argument),
            "delete" => Role::Put(NIL),
            "add" | "append" if !pair => Role::Add(argument),
            "remove" if !pair => Role::Remove(argument),
            _ => Role::Opaque,
        };
        let reads = matches!(role, Role::Read | Role::Final);
        (!reads || outcome == Kind::Ok && !calls.is_crossed(call)).then_some(role)
    }
}

/// A call that changed the object, or may have.
#[derive(Clone, Copy, Debug)]
pub(super) struct Change {
    pub(super) call: u32,
    pub(super) role: Role,
}

/// What a read shows, so that equal contents are equal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Contents {
    /// One value.
    One(u32),
    /// Elements of a set, or siblings, rising and each once.
    Elements(Vec<u32>),
    /// The elements of a list, in order.
    Sequence(Vec<u32>),
}

/// What the object is, as far as its calls tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sort {
    Register,
    Set,
    List,
}

/// One object.
pub(super) struct Object {
    pub(super) key: u32,
    pub(super) sort: Sort,
    pub(super) changes: Vec<Change>,
    /// Reads of clients that were answered.
    pub(super) reads: Vec<u32>,
    /// Final reads that were answered.
    pub(super) finals: Vec<u32>,
}

impl Object {
    pub(super) fn of(calls: &Calls, roles: &Roles, key: u32, of: &[u32]) -> Self {
        let mut object = Self {
            key,
            sort: Sort::Register,
            changes: Vec::new(),
            reads: Vec::new(),
            finals: Vec::new(),
        };
        for &call in of {
            let name = roles.0[usize::from(calls.f[call as usize])];
            match name {
                Some("append") => object.sort = Sort::List,
                Some("add" | "remove" | "read-set" | "final-read-set")
                    if object.sort == Sort::Register =>
                {
                    object.sort = Sort::Set;
                }
                _ => {}
            }
            match roles.role(calls, call) {
                Some(Role::Read) => object.reads.push(call),
                Some(Role::Final) => object.finals.push(call),
                Some(role) => object.changes.push(Change { call, role }),
                None => {}
            }
        }
        object
    }

    /// What a read of this object shows.
    pub(super) fn contents(&self, calls: &Calls, read: u32) -> Contents {
        let number = calls.result(read);
        let number = versioned(calls, number).map_or(number, |(_, value)| value);
        match (self.sort, calls.values.get(number)) {
            (Sort::List, Interned::List(items)) => Contents::Sequence(items.to_vec()),
            (Sort::List, Interned::Nil) => Contents::Sequence(Vec::new()),
            (Sort::Register | Sort::Set, Interned::List(items)) => {
                let mut items = items.to_vec();
                items.sort_unstable();
                items.dedup();
                Contents::Elements(items)
            }
            (Sort::Set, Interned::Nil) => Contents::Elements(Vec::new()),
            _ => Contents::One(number),
        }
    }
}

impl Contents {
    /// Whether this value is among what is shown.
    pub(super) fn has(&self, value: u32) -> bool {
        match self {
            Self::One(own) => *own == value,
            Self::Elements(items) => items.binary_search(&value).is_ok(),
            Self::Sequence(items) => items.contains(&value),
        }
    }

    /// All values that are shown.
    pub(super) fn values(&self) -> &[u32] {
        match self {
            Self::One(own) => std::slice::from_ref(own),
            Self::Elements(items) | Self::Sequence(items) => items,
        }
    }

    /// What is left without these values, which are sorted.
    pub(super) fn without(&self, values: &[u32]) -> Self {
        let keep = |items: &[u32]| {
            let kept = items.iter().copied();
            kept.filter(|item| values.binary_search(item).is_err())
                .collect()
        };
        match self {
            Self::One(own) => Self::One(*own),
            Self::Elements(items) => Self::Elements(keep(items)),
            Self::Sequence(items) => Self::Sequence(keep(items)),
        }
    }
}

/// The parts of a value that bears its version: a map of `version` and `value`.
pub(super) fn versioned(calls: &Calls, number: u32) -> Option<(u32, u32)> {
    part(calls, number, "version").zip(part(calls, number, "value"))
}

/// A named part of a map.
pub(super) fn part(calls: &Calls, number: u32, name: &str) -> Option<u32> {
    let Interned::Map(parts) = calls.values.get(number) else {
        return None;
    };
    let named = |pair: &&[u32]| calls.values.get(pair[0]) == Interned::Str(name);
    parts.chunks_exact(2).find(named).map(|pair| pair[1])
}

/// When a call certainly was over; [`NEVER`] if its outcome is unknown.
pub(super) fn end(calls: &Calls, call: u32) -> Rank {
    if calls.outcome[call as usize] == Kind::Ok {
        calls.ends[call as usize]
    } else {
        NEVER
    }
}

pub(super) fn begin(calls: &Calls, call: u32) -> Rank {
    calls.begins[call as usize]
}
