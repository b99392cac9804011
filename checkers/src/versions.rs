//! The values that a register took, each with the times between which it took them.
//!
//! Notation of Golab, Li and Shah, "Analyzing consistency properties for fun and profit",
//! 2011: `a` is the earliest moment at which a value can have taken effect, `f` a moment by
//! which it certainly had.

use std::collections::HashMap;

use crate::history::{Kind, Value};
use crate::objects::{Action, BEFORE, Moment, NEVER, RegisterCall, interval};

/// An end of a call that matters, and whose it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct End {
    pub(crate) at: Moment,
    /// Position in the object's calls; `usize::MAX` for none.
    pub(crate) call: usize,
}

const NOBODY: usize = usize::MAX;

/// One value of one register.
#[derive(Clone, Debug)]
pub(crate) struct Version<'h> {
    pub(crate) value: &'h Value,
    /// The first write or compare-and-set that may have made it, failed ones apart.
    pub(crate) writer: Option<usize>,
    /// How many may have made it.
    pub(crate) writers: usize,
    /// A write or compare-and-set of this value that failed.
    pub(crate) failed_writer: Option<usize>,
    /// A successful compare-and-set that expected it.
    pub(crate) consumer: Option<usize>,
    pub(crate) reads: usize,
    /// The earliest end of a read that returned it.
    pub(crate) first_seen: End,
    /// The latest start of a read that returned it.
    pub(crate) last_asked: End,
    /// Earliest possible effect.
    pub(crate) a: Moment,
    /// A moment by which it certainly took effect.
    pub(crate) f: Moment,
}

/// All values of one register; the first is `Nil`, the initial one.
#[derive(Debug)]
pub(crate) struct Versions<'h> {
    pub(crate) list: Vec<Version<'h>>,
    ids: HashMap<&'h Value, usize>,
}

static NIL: Value = Value::Nil;

impl<'h> Versions<'h> {
    /// **Cost**: linear.
    pub(crate) fn of(calls: &[RegisterCall<'h>]) -> Self {
        let mut versions = Self {
            list: Vec::new(),
            ids: HashMap::new(),
        };
        versions.intern(&NIL);
        versions.list[0].a = BEFORE;
        versions.list[0].f = BEFORE;
        for (position, call) in calls.iter().enumerate() {
            versions.add(position, call);
        }
        versions
    }

    fn add(&mut self, position: usize, call: &RegisterCall<'h>) {
        let (inv, res) = interval(&call.call);
        let outcome = call.call.outcome();
        match call.action {
            Action::Read(value) => {
                let id = self.intern(value);
                let version = &mut self.list[id];
                version.reads += 1;
                version.f = version.f.min(res);
                if res < version.first_seen.at || version.first_seen.call == NOBODY {
                    version.first_seen = End {
                        at: res,
                        call: position,
                    };
                }
                if inv > version.last_asked.at || version.last_asked.call == NOBODY {
                    version.last_asked = End {
                        at: inv,
                        call: position,
                    };
                }
            }
            Action::Write(new) | Action::Cas { new, .. } if outcome == Kind::Fail => {
                let id = self.intern(new);
                self.list[id].failed_writer.get_or_insert(position);
            }
            Action::Write(new) => self.wrote(new, position, inv, res),
            Action::Cas { old, new } => {
                self.wrote(new, position, inv, res);
                let old = self.intern(old);
                if outcome == Kind::Ok {
                    let version = &mut self.list[old];
                    version.f = version.f.min(res);
                    version.consumer.get_or_insert(position);
                }
            }
        }
    }

    fn wrote(&mut self, new: &'h Value, position: usize, inv: Moment, res: Moment) {
        let id = self.intern(new);
        let version = &mut self.list[id];
        version.writers += 1;
        version.writer.get_or_insert(position);
        version.a = version.a.min(inv);
        version.f = version.f.min(res);
    }

    fn intern(&mut self, value: &'h Value) -> usize {
        let list = &mut self.list;
        *self.ids.entry(value).or_insert_with(|| {
            list.push(Version {
                value,
                writer: None,
                writers: 0,
                failed_writer: None,
                consumer: None,
                reads: 0,
                first_seen: End {
                    at: NEVER,
                    call: NOBODY,
                },
                last_asked: End {
                    at: BEFORE,
                    call: NOBODY,
                },
                a: NEVER,
                f: NEVER,
            });
            list.len() - 1
        })
    }

    pub(crate) fn id(&self, value: &Value) -> Option<usize> {
        self.ids.get(value).copied()
    }
}
