//! Which objects are registers, counters or lists, and what of them cannot be read.

use crate::by_key::{ByKey, narrow};
use crate::calls::{Calls, NO_VALUE};
use crate::history::Kind;
use crate::history::dictionary::{Interned, NIL};

/// What an object is, as far as it can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sort {
    /// Reads, writes and compare-and-sets of one value.
    Register,
    /// Numbers that are only added, none below zero; a read reveals their sum.
    Counter,
    /// A list that is only appended to; a read reveals its length.
    List,
    /// Something else.
    Other,
}

/// The places of the functions that matter.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Functions {
    pub(crate) read: u16,
    pub(crate) write: u16,
    pub(crate) cas: u16,
}

/// No function has this place.
const NONE: u16 = u16::MAX;

impl Functions {
    pub(crate) fn of(calls: &Calls) -> Self {
        let place = |name| calls.function(name).unwrap_or(NONE);
        Self {
            read: place("read"),
            write: place("write"),
            cas: place("cas"),
        }
    }
}

const READ: u8 = 1;
const WRITE: u8 = 2;
const APPEND: u8 = 4;
const ADD: u8 = 8;
const READS_LIST: u8 = 16;
const READS_NUMBER: u8 = 32;
/// Something that is done to neither registers, counters nor lists.
const FOREIGN: u8 = 64;
/// An operation that changes the object in a way that cannot be read.
const SPOILED: u8 = 128;

/// The objects that can be measured, and what could not be read.
pub(crate) struct Objects {
    pub(crate) functions: Functions,
    pub(crate) by_key: ByKey,
    /// What each object is; [`Sort::Other`] for those that are left out.
    pub(crate) sorts: Vec<Sort>,
    /// Objects that were left out because something that changes them cannot be read.
    pub(crate) spoiled: usize,
    pub(crate) unreadable: usize,
    /// The first call that could not be read, and why.
    first: Option<(u32, &'static str)>,
}

impl Objects {
    /// **Cost**: linear.
    pub(crate) fn of(calls: &Calls) -> Self {
        let functions = Functions::of(calls);
        let bits: Vec<u8> = (calls.fs.list().iter())
            .map(|name| match &**name {
                "read" => READ,
                "write" | "cas" => WRITE,
                "append" => APPEND,
                "add" | "increment" => ADD,
                name if name.starts_with("final-read") => 0,
                _ => FOREIGN,
            })
            .collect();
        // What a read returns tells lists from counters, and neither from anything else.
        let grows = bits.iter().any(|bit| bit & (APPEND | ADD) != 0);
        let mut masks = vec![0_u8; calls.values.len()];
        for at in 0..calls.len() {
            let bit = bits[usize::from(calls.f[at])];
            if bit == 0 || bit == FOREIGN && calls.outcome[at] == Kind::Fail {
                continue;
            }
            let mask = &mut masks[calls.key[at] as usize];
            *mask |= bit;
            if grows && bit == READ && calls.outcome[at] == Kind::Ok {
                *mask |= match calls.values.get(calls.result(narrow(at))) {
                    Interned::List(_) => READS_LIST,
                    Interned::Int(_) => READS_NUMBER,
                    _ => 0,
                };
            }
        }
        let mine = |call: u32| {
            let at = call as usize;
            let bit = bits[usize::from(calls.f[at])];
            bit & (READ | WRITE | APPEND | ADD) != 0
                && !matches!(sort(masks[calls.key[at] as usize]), Sort::Other)
        };
        let by_key = ByKey::of(calls, mine);
        let mut objects = Self {
            functions,
            sorts: Vec::new(),
            spoiled: 0,
            unreadable: 0,
            first: None,
            by_key,
        };
        objects.note_unreadable(calls, &bits, &mut masks);
        let of = |&key: &u32| {
            let mask = masks[key as usize];
            match sort(mask) {
                Sort::Register if mask & (FOREIGN | SPOILED | APPEND | ADD) != 0 => Sort::Other,
                _ if mask & SPOILED != 0 => Sort::Other,
                sort => sort,
            }
        };
        objects.sorts = objects.by_key.keys.iter().map(of).collect();
        let left_out = objects.sorts.iter().filter(|sort| **sort == Sort::Other);
        objects.spoiled = left_out.count();
        objects
    }

    fn note_unreadable(&mut self, calls: &Calls, bits: &[u8], masks: &mut [u8]) {
        for call in 0..narrow(calls.len()) {
            let at = call as usize;
            let (key, bit) = (calls.key[at] as usize, bits[usize::from(calls.f[at])]);
            let kind = sort(masks[key]);
            if kind == Sort::Other || bit == 0 {
                continue;
            }
            let reason = if calls.has_crossed() && calls.is_crossed(call) {
                Some("it was asked of one key and answered for another")
            } else if kind == Sort::Register {
                self.strange_to_register(calls, call, bit)
            } else {
                self.strange_to_growing(calls, call, kind, bit)
            };
            if let Some(reason) = reason {
                let changes = bit != READ && calls.outcome[at] != Kind::Fail;
                masks[key] |= if changes { SPOILED } else { 0 };
                self.unreadable += 1;
                self.first.get_or_insert((call, reason));
            }
        }
    }

    fn strange_to_register(&self, calls: &Calls, call: u32, bit: u8) -> Option<&'static str> {
        let at = call as usize;
        let f = calls.f[at];
        match bit {
            READ if calls.outcome[at] == Kind::Ok && is_composite(calls, calls.result(call)) => {
                Some("it returned several values, not one")
            }
            READ => None,
            _ if f == self.functions.write => {
                let value = calls.argument[at];
                if calls.second[at] != NO_VALUE || is_composite(calls, value) {
                    Some("it writes several values, not one")
                } else {
                    (value == NIL).then_some("it writes nil, which stands for an absent key")
                }
            }
            _ if f == self.functions.cas => {
                let pair = calls.second[at] != NO_VALUE && calls.second[at] != NIL;
                (!pair).then_some("its argument is not a list of an old and a new value")
            }
            _ if calls.outcome[at] == Kind::Fail => None,
            _ => Some("it is not an operation of registers"),
        }
    }

    fn strange_to_growing(
        &self,
        calls: &Calls,
        call: u32,
        kind: Sort,
        bit: u8,
    ) -> Option<&'static str> {
        let at = call as usize;
        match bit {
            READ if calls.outcome[at] == Kind::Ok => {
                let revealed = super::growing::revealed(calls, kind, call);
                let none = "it returned nothing that tells how far the object had grown";
                revealed.is_none().then_some(none)
            }
            ADD if calls.outcome[at] != Kind::Fail => {
                let by = super::growing::step(calls, kind, call);
                by.is_none()
                    .then_some("it does not add a whole number of at least zero")
            }
            _ => None,
        }
    }

    /// Why what could not be read leaves the verdict open, if anything could not.
    pub(crate) fn why_unreadable(&self, calls: &Calls) -> Option<String> {
        let (call, reason) = self.first?;
        Some(format!(
            "{} operations could not be read; the first, at index {}: {reason}",
            self.unreadable,
            calls.index(call),
        ))
    }
}

fn sort(mask: u8) -> Sort {
    let only = |own: u8| mask & !(own | SPOILED) == 0;
    if mask & APPEND != 0 && only(READ | APPEND | READS_LIST) {
        Sort::List
    } else if mask & ADD != 0 && mask & READS_NUMBER != 0 && only(READ | ADD | READS_NUMBER) {
        Sort::Counter
    } else if mask & WRITE != 0 || mask & READ != 0 && mask & (APPEND | ADD) == 0 {
        Sort::Register
    } else {
        Sort::Other
    }
}

fn is_composite(calls: &Calls, number: u32) -> bool {
    calls.values.has_composites()
        && matches!(
            calls.values.get(number),
            Interned::List(_) | Interned::Map(_)
        )
}
