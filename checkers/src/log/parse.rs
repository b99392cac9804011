//! The door: what was sent and polled, whichever way it is written down.
//!
//! | f | argument | result when ok |
//! |---|---|---|
//! | `send` | the value; `key` is the log | the offset, or `[offset, value]` |
//! | `poll` | nil, or a map from logs to the offsets from which to read on | a map from logs to lists of `[offset, value]`, or a list of `[log, [[offset, value]...]]` |
//! | `assign`, `subscribe` | the logs | |
//! | `send`, `poll`, `txn` | micro-operations: `["send", log, value]`, `["poll"]` | `["send", log, [offset, value]]`, `["poll", {log [[offset, value]...]}]` |
//!
//! The last is how Jepsen's Kafka test writes them. A log whose name is a number is the same as
//! one whose name is that number as text, since the names of a map are text.

use std::collections::HashMap;

use crate::calls::{Calls, NO_VALUE};
use crate::history::Kind;
use crate::history::dictionary::{Dictionary, Interned, NIL};
use crate::linearizable::grouping::{function, narrow, result};

/// What one call did to a log.
#[derive(Clone, Copy, Debug)]
pub(super) enum Act {
    /// It sent a value; the offset, if it was told.
    Send { value: u32, offset: Option<i64> },
    /// It polled a value at an offset.
    Poll { value: u32, offset: i64 },
    /// It asked to read on from here.
    Seek { offset: i64 },
}

/// Logs by number, and what the functions of a history are.
pub(super) struct Door<'c> {
    calls: &'c Calls,
    send: u16,
    poll: u16,
    txn: u16,
    assign: u16,
    subscribe: u16,
    /// By number of a value: one more than the log that it names.
    logs: Vec<u32>,
    by_name: HashMap<String, u32>,
    /// By log: the number of its name.
    pub(super) names: Vec<u32>,
}

/// Whether a call starts a consumer over, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Start {
    Assign,
    Subscribe,
}

impl<'c> Door<'c> {
    pub(super) fn of(calls: &'c Calls) -> Self {
        Self {
            calls,
            send: function(calls, "send"),
            poll: function(calls, "poll"),
            txn: function(calls, "txn"),
            assign: function(calls, "assign"),
            subscribe: function(calls, "subscribe"),
            logs: vec![0; calls.values.len()],
            by_name: HashMap::new(),
            names: Vec::new(),
        }
    }

    /// Whether a call gives a consumer its logs.
    pub(super) fn start(&self, call: u32) -> Option<Start> {
        let at = call as usize;
        let f = self.calls.f[at];
        // What did not happen changes nothing; what may have is taken to have.
        if self.calls.outcome[at] == Kind::Fail {
            None
        } else if f == self.assign {
            Some(Start::Assign)
        } else if f == self.subscribe {
            Some(Start::Subscribe)
        } else {
            None
        }
    }

    /// Whether a call polls, or may.
    pub(super) fn may_poll(&self, call: u32) -> bool {
        let f = self.calls.f[call as usize];
        f == self.poll || f == self.txn
    }

    fn log(&mut self, number: u32) -> u32 {
        let slot = self.logs[number as usize];
        if slot != 0 {
            return slot - 1;
        }
        let name = match self.calls.values.get(number) {
            Interned::Str(text) => text.to_owned(),
            _ => self.calls.value(number).to_string(),
        };
        let fresh = narrow(self.names.len());
        let log = *self.by_name.entry(name).or_insert(fresh);
        if log == fresh {
            self.names.push(number);
        }
        self.logs[number as usize] = log + 1;
        log
    }

    /// Tells `take` everything that a call did: the log, and what.
    ///
    /// # Errors
    ///
    /// Why it cannot be read.
    pub(super) fn acts(
        &mut self,
        call: u32,
        take: &mut impl FnMut(u32, Act),
    ) -> Result<(), String> {
        let calls = self.calls;
        let at = call as usize;
        let f = calls.f[at];
        if f != self.send && f != self.poll && f != self.txn {
            return Ok(());
        }
        if calls.is_crossed(call) {
            return Err("it was asked of one log and answered for another".to_owned());
        }
        let (argument, second) = (calls.argument[at], calls.second[at]);
        let answer = match result(calls, call) {
            Some(answer) if calls.outcome[at] == Kind::Ok => Some(answer),
            _ => None,
        };
        let pair = [argument, second];
        let asked = match calls.values.get(argument) {
            _ if second != NO_VALUE => Some(&pair[..]),
            Interned::List(items) => Some(items),
            _ => None,
        };
        let is_micro = |number: &u32| micro(&calls.values, *number).is_some();
        if let Some(asked) = asked.filter(|asked| !asked.is_empty() && asked.iter().all(is_micro)) {
            return self.micro_ops(call, asked, answer, take);
        }
        if f == self.send {
            let log = self.log(calls.key[at]);
            if second != NO_VALUE {
                return Err("its value is a list of two".to_owned());
            }
            let offset = answer.and_then(|answer| self.offset(answer));
            take(
                log,
                Act::Send {
                    value: argument,
                    offset,
                },
            );
            return Ok(());
        }
        if f == self.poll {
            if let Interned::Map(parts) = calls.values.get(argument)
                && second == NO_VALUE
            {
                for pair in parts.chunks_exact(2) {
                    let log = self.log(pair[0]);
                    let Interned::Int(offset) = calls.values.get(pair[1]) else {
                        return Err("it asks to read on from what is no offset".to_owned());
                    };
                    take(log, Act::Seek { offset });
                }
            }
            return match answer {
                Some(answer) => self.polled(answer, take),
                None => Ok(()),
            };
        }
        Err("it is not made of sends and polls".to_owned())
    }

    fn micro_ops(
        &mut self,
        call: u32,
        asked: &[u32],
        answer: Option<u32>,
        take: &mut impl FnMut(u32, Act),
    ) -> Result<(), String> {
        let values = &self.calls.values;
        let asked_alike = self.calls.outcome[call as usize] == Kind::Ok && answer.is_none();
        let told = match answer.map(|answer| values.get(answer)) {
            Some(Interned::List(told)) if told.len() == asked.len() => told,
            None if asked_alike => asked,
            None => &[],
            Some(_) => return Err("its result is not one for each of its parts".to_owned()),
        };
        for (place, &part) in asked.iter().enumerate() {
            let told = told.get(place).map(|part| (*part, micro(values, *part)));
            match (micro(values, part), told) {
                (Some(Micro::Send(log, value)), told) => {
                    let log = self.log(log);
                    let offset = match told {
                        Some((_, Some(Micro::Send(_, answer)))) if answer != value => {
                            self.offset(answer)
                        }
                        _ => None,
                    };
                    take(log, Act::Send { value, offset });
                }
                (Some(Micro::Poll(_)), Some((_, Some(Micro::Poll(Some(answer)))))) => {
                    self.polled(answer, take)?;
                }
                (Some(Micro::Poll(_)), None | Some((_, Some(Micro::Poll(None))))) => {}
                _ => return Err("a part of its result is not an answer".to_owned()),
            }
        }
        Ok(())
    }

    /// The offset of an answer to a send: it may be alone, or the first of two.
    fn offset(&self, answer: u32) -> Option<i64> {
        let first = match self.calls.values.get(answer) {
            Interned::List(&[first, _]) => first,
            _ => answer,
        };
        match self.calls.values.get(first) {
            Interned::Int(offset) => Some(offset),
            _ => None,
        }
    }

    fn polled(&mut self, answer: u32, take: &mut impl FnMut(u32, Act)) -> Result<(), String> {
        let calls = self.calls;
        match calls.values.get(answer) {
            Interned::Map(parts) => {
                for pair in parts.chunks_exact(2) {
                    self.batch(pair[0], pair[1], take)?;
                }
            }
            Interned::List(items) => {
                for item in items {
                    let Interned::List(&[log, batch]) = calls.values.get(*item) else {
                        return Err("its result is not made of logs and their messages".to_owned());
                    };
                    self.batch(log, batch, take)?;
                }
            }
            _ if answer == NIL => {}
            _ => return Err("its result is neither a map nor a list".to_owned()),
        }
        Ok(())
    }

    fn batch(
        &mut self,
        log: u32,
        batch: u32,
        take: &mut impl FnMut(u32, Act),
    ) -> Result<(), String> {
        let log = self.log(log);
        let values = &self.calls.values;
        let messages = match values.get(batch) {
            Interned::List(messages) => messages,
            Interned::Nil => &[],
            _ => return Err("the messages of a log are not a list".to_owned()),
        };
        for message in messages {
            let Interned::List(&[offset, value]) = values.get(*message) else {
                return Err("a message is not an offset and a value".to_owned());
            };
            let Interned::Int(offset) = values.get(offset) else {
                return Err("the offset of a message is not a number".to_owned());
            };
            take(log, Act::Poll { value, offset });
        }
        Ok(())
    }
}

/// A part of a transaction.
enum Micro {
    /// The log, and the value or what was answered.
    Send(u32, u32),
    /// What was answered.
    Poll(Option<u32>),
}

fn micro(values: &Dictionary, number: u32) -> Option<Micro> {
    let Interned::List(parts) = values.get(number) else {
        return None;
    };
    let Interned::Str(name) = values.get(*parts.first()?) else {
        return None;
    };
    match (name, parts) {
        ("send", &[_, log, value]) => Some(Micro::Send(log, value)),
        ("poll", &[_]) => Some(Micro::Poll(None)),
        ("poll", &[_, answer]) => Some(Micro::Poll(Some(answer))),
        _ => None,
    }
}
