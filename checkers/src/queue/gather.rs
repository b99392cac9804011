//! The door: what each queue was asked, and what came out.

use super::lost::Taker;
use crate::by_key::ByKey;
use crate::calls::{Calls, NO_VALUE, Rank};
use crate::history::Kind;
use crate::history::dictionary::{Interned, NIL};
use crate::linearizable::grouping::{function, narrow, result};

/// Something that came out.
#[derive(Clone, Copy, Debug)]
pub(super) struct Delivered {
    pub(super) value: u32,
    pub(super) call: u32,
    /// Its place in a drain.
    pub(super) place: u32,
}

/// One queue.
#[derive(Clone, Debug, Default)]
pub(super) struct Object {
    pub(super) key: u32,
    /// All, failed ones among them, in the order of their starts.
    pub(super) enqueues: Vec<u32>,
    pub(super) deliveries: Vec<Delivered>,
    /// When the last completed drain began that left nothing.
    pub(super) last_drain: Option<Rank>,
    /// How many drains were completed.
    pub(super) drains: usize,
    /// What is of unknown outcome and takes.
    pub(super) takers: Vec<Taker>,
    /// Why it cannot be judged: the index of a call, and what is wrong with it.
    pub(super) unreadable: Option<(usize, String)>,
}

/// The queues of a history.
pub(super) struct Queues<'c> {
    calls: &'c Calls,
    enqueue: u16,
    dequeue: u16,
    drain: u16,
    by_key: ByKey,
}

impl<'c> Queues<'c> {
    /// Keys that somebody put something in.
    ///
    /// **Cost**: linear; 4 bytes a call and 5 bytes a value.
    pub(super) fn of(calls: &'c Calls) -> Self {
        let enqueue = function(calls, "enqueue");
        let mut is_queue = vec![false; calls.values.len()];
        for (f, key) in calls.f.iter().zip(&calls.key) {
            is_queue[*key as usize] |= *f == enqueue;
        }
        Self {
            calls,
            enqueue,
            dequeue: function(calls, "dequeue"),
            drain: function(calls, "drain"),
            by_key: ByKey::of(calls, |call| is_queue[calls.key[call as usize] as usize]),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.by_key.len()
    }

    pub(super) fn object(&self, place: usize) -> Object {
        let key = &self.by_key.keys[place];
        let mut object = Object {
            key: *key,
            ..Object::default()
        };
        for &call in self.by_key.calls(place) {
            if let Err(reason) = self.take(&mut object, call) {
                object.unreadable = Some((self.calls.index(call), reason));
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
        if f == self.enqueue {
            if calls.second[at] != NO_VALUE {
                return Err("its value is a list of two".to_owned());
            }
            object.enqueues.push(call);
            return Ok(());
        }
        if outcome == Kind::Fail {
            return Ok(());
        }
        let is_sure = outcome == Kind::Ok;
        if f == self.dequeue {
            if !is_sure {
                let begins = calls.begins[at];
                object.takers.push(Taker { begins, most: 1 });
                return Ok(());
            }
            let value = result(calls, call).ok_or("its result is a list of two")?;
            if value != NIL {
                object.deliveries.push(Delivered {
                    value,
                    call,
                    place: 0,
                });
            }
            return Ok(());
        }
        if f != self.drain {
            return Err(format!(
                "{} is not an operation of a queue",
                calls.name(call)
            ));
        }
        let most = match calls.values.get(calls.argument[at]) {
            Interned::Int(most) if calls.second[at] == NO_VALUE => usize::try_from(most).ok(),
            _ => None,
        };
        if !is_sure {
            object.takers.push(Taker {
                begins: calls.begins[at],
                most: most.unwrap_or(usize::MAX),
            });
            return Ok(());
        }
        let items = match result(calls, call).map(|seen| calls.values.get(seen)) {
            Some(Interned::List(items)) => items,
            Some(Interned::Nil) => &[],
            _ => return Err("its result is not a list of elements".to_owned()),
        };
        object.drains += 1;
        if most.is_none_or(|most| items.len() < most) {
            object.last_drain = object.last_drain.max(Some(calls.begins[at]));
        }
        let items = items.iter().enumerate();
        object
            .deliveries
            .extend(items.map(|(place, &value)| Delivered {
                value,
                call,
                place: narrow(place),
            }));
        Ok(())
    }
}
