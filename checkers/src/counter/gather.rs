//! The door: changes and reads of each counter.

use crate::by_key::ByKey;
use crate::calls::{Calls, NEVER, NO_VALUE, Rank};
use crate::history::Kind;
use crate::history::dictionary::{Interned, NIL};
use crate::linearizable::grouping::{function, narrow, result};

/// A change that did not fail.
#[derive(Clone, Copy, Debug)]
pub(super) struct Change {
    pub(super) begins: Rank,
    /// [`NEVER`] if its outcome is unknown.
    pub(super) ends: Rank,
    pub(super) by: i64,
    pub(super) call: u32,
}

impl Change {
    pub(super) fn is_sure(&self) -> bool {
        self.ends != NEVER
    }
}

/// A read that was answered.
#[derive(Clone, Copy, Debug)]
pub(super) struct Read {
    pub(super) begins: Rank,
    pub(super) ends: Rank,
    pub(super) seen: i64,
    pub(super) call: u32,
    /// Whether the operator read the state of one node.
    pub(super) is_final: bool,
}

/// One counter, its calls in the order of their starts.
#[derive(Clone, Debug, Default)]
pub(super) struct Object {
    pub(super) key: u32,
    pub(super) changes: Vec<Change>,
    pub(super) reads: Vec<Read>,
    /// Why it cannot be judged: the index of a call, and what is wrong with it.
    pub(super) unreadable: Option<(usize, String)>,
}

/// The counters of a history.
pub(super) struct Counters<'c> {
    calls: &'c Calls,
    add: u16,
    increment: u16,
    decrement: u16,
    read: u16,
    last: u16,
    by_key: ByKey,
}

/// Which of a key's calls were seen.
const CHANGED: u8 = 1;
const ADDED: u8 = 2;
const COUNTED: u8 = 4;
const OTHER: u8 = 8;

impl<'c> Counters<'c> {
    /// Keys that were incremented or decremented, or added to and not read as a set.
    ///
    /// **Cost**: linear; 4 bytes a call and 5 bytes a value.
    pub(super) fn of(calls: &'c Calls) -> Self {
        let mut of = Self {
            calls,
            add: function(calls, "add"),
            increment: function(calls, "increment"),
            decrement: function(calls, "decrement"),
            read: function(calls, "read"),
            last: function(calls, "final-read-counter"),
            by_key: ByKey::default(),
        };
        let sets = ["read-set", "final-read-set", "remove", "contains"];
        let sets = sets.map(|name| calls.function(name));
        let mut flags = vec![0_u8; calls.values.len()];
        for call in 0..narrow(calls.len()) {
            let at = call as usize;
            let f = calls.f[at];
            flags[calls.key[at] as usize] |= if f == of.increment || f == of.decrement {
                CHANGED
            } else if f == of.add {
                ADDED
            } else if f == of.last {
                COUNTED
            } else if f == of.read && calls.outcome[at] == Kind::Ok {
                match result(calls, call).map(|seen| calls.values.get(seen)) {
                    Some(Interned::Int(_)) => COUNTED,
                    Some(Interned::Nil) => 0,
                    _ => OTHER,
                }
            } else if sets.contains(&Some(f)) {
                OTHER
            } else {
                0
            };
        }
        let is_counter = |key: u32| {
            let flags = flags[key as usize];
            flags & CHANGED != 0 || flags & ADDED != 0 && flags & OTHER == 0
        };
        of.by_key = ByKey::of(calls, |call| is_counter(calls.key[call as usize]));
        of
    }

    pub(super) fn len(&self) -> usize {
        self.by_key.len()
    }

    /// The client's calls of the counter at that place.
    pub(super) fn calls(&self, place: usize) -> impl Iterator<Item = u32> + '_ {
        let of = self.by_key.calls(place).iter().copied();
        of.filter(|call| self.calls.f[*call as usize] != self.last)
    }

    pub(super) fn object(&self, place: usize) -> Object {
        let calls = self.calls;
        let key = &self.by_key.keys[place];
        let mut object = Object {
            key: *key,
            ..Object::default()
        };
        for &call in self.by_key.calls(place) {
            if let Err(reason) = self.take(&mut object, call) {
                object.unreadable = Some((calls.index(call), reason));
                break;
            }
        }
        object
    }

    fn take(&self, object: &mut Object, call: u32) -> Result<(), String> {
        let calls = self.calls;
        let at = call as usize;
        let (f, outcome) = (calls.f[at], calls.outcome[at]);
        if calls.is_crossed(call) {
            return Err("it was asked of one key and answered for another".to_owned());
        }
        if outcome == Kind::Fail {
            return Ok(());
        }
        if f == self.read || f == self.last {
            if outcome != Kind::Ok {
                return Ok(());
            }
            let seen = match result(calls, call).map(|seen| calls.values.get(seen)) {
                Some(Interned::Int(seen)) => seen,
                Some(Interned::Nil) => 0,
                _ => return Err("its result is not a number".to_owned()),
            };
            object.reads.push(Read {
                begins: calls.begins[at],
                ends: calls.ends[at],
                seen,
                call,
                is_final: f == self.last,
            });
            return Ok(());
        }
        if ![self.add, self.increment, self.decrement].contains(&f) {
            return Err(format!(
                "{} is not an operation of a counter",
                calls.name(call)
            ));
        }
        let by = match calls.values.get(calls.argument[at]) {
            Interned::Int(by) if calls.second[at] == NO_VALUE => by,
            _ if calls.argument[at] == NIL && f != self.add => 1,
            _ => return Err("its argument is not a number".to_owned()),
        };
        let by = if f == self.decrement {
            by.checked_neg().ok_or("its argument is too large")?
        } else {
            by
        };
        object.changes.push(Change {
            begins: calls.begins[at],
            ends: calls.ends[at],
            by,
            call,
        });
        Ok(())
    }
}

/// Sums of changes up to a time: of those that add, and of those that take away.
pub(super) struct Sums(Vec<(Rank, i128, i128)>);

impl Sums {
    /// Of changes with the time that counts of each.
    pub(super) fn of(changes: impl Iterator<Item = (Rank, i64)>) -> Self {
        let mut sorted: Vec<(Rank, i128, i128)> = changes
            .map(|(time, by)| (time, i128::from(by.max(0)), i128::from(by.min(0))))
            .collect();
        if !sorted.is_sorted_by_key(|(time, _, _)| *time) {
            sorted.sort_unstable_by_key(|(time, _, _)| *time);
        }
        let (mut up, mut down) = (0, 0);
        for (_, more, less) in &mut sorted {
            up += *more;
            down += *less;
            (*more, *less) = (up, down);
        }
        Self(sorted)
    }

    /// Of those with times before this one.
    pub(super) fn before(&self, time: Rank) -> (i128, i128) {
        self.first(self.0.partition_point(|(of, _, _)| *of < time))
    }

    /// Of those with times up to this one.
    pub(super) fn until(&self, time: Rank) -> (i128, i128) {
        self.first(self.0.partition_point(|(of, _, _)| *of <= time))
    }

    fn first(&self, count: usize) -> (i128, i128) {
        count.checked_sub(1).map_or((0, 0), |last| {
            let (_, up, down) = self.0[last];
            (up, down)
        })
    }
}
