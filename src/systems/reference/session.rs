//! A client process's side of the conversation: what it asks, whom, and what it makes of the
//! answer. It has no socket: [`super::client`] carries it over HTTP, [`super::simulated`] in
//! memory.

use std::collections::HashMap;
use std::sync::Arc;

use checkers::history::Value;
use fixtures::protocol::{
    Answer, Context, ErrorCode, OpError, Operation, Request, RequestId, Response,
};
use workloads::generator::Invocation;

use super::{Crowd, Directory};
use crate::client::{Clientele, Outcome, Reply};
use crate::systems::routing::{Heard, Router, Routing};

/// The node's errors, and whether each promises that a write did not happen and never will.
pub fn definite_errors() -> impl Iterator<Item = (ErrorCode, bool)> {
    ErrorCode::ALL
        .into_iter()
        .map(|code| (code, code.definite()))
}

/// What all clients of a run share.
pub(super) struct Sessions(Routing);

impl Sessions {
    /// All slots begin by believing that the first of the nodes leads.
    pub(super) fn new(
        names: impl IntoIterator<Item = Arc<str>>,
        clientele: Clientele,
        directory: Arc<Directory>,
        crowd: Crowd,
    ) -> Self {
        let routing = Routing::new(names, clientele, directory);
        Self(match crowd {
            Crowd::Led => routing,
            Crowd::Peers | Crowd::Parts => routing.among_equals(),
        })
    }

    pub(super) fn open(&self, slot: usize, process: u32) -> Session {
        Session {
            router: self.0.open(slot, process),
            process,
            number: 0,
            seen: 0,
            contexts: HashMap::new(),
        }
    }
}

/// One process, one operation at a time.
pub(super) struct Session {
    router: Router,
    process: u32,
    number: u64,
    /// The log position that this client's reads must not fall behind, where nodes read for a
    /// session.
    seen: u64,
    /// By register, where versions are kept apart: what this client read of it last, which its
    /// next write replaces.
    contexts: HashMap<String, Context>,
}

/// A request and the node that it goes to.
pub(super) struct Asked {
    pub(super) position: usize,
    pub(super) request: Request,
}

/// Why a request has no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Silence {
    /// Nobody was there; nothing was sent, not even a byte.
    Refused,
    /// It took too long.
    TimedOut,
    /// The connection ended after something may have been sent.
    Broken(String),
}

impl Session {
    /// The request for an operation, and whom it goes to.
    ///
    /// # Errors
    ///
    /// The client's reply, if the system has no such operation and nothing must be sent.
    pub(super) fn ask(&mut self, op: &Invocation) -> Result<Asked, Reply> {
        let operation = operation(op).map_err(|reason| Reply {
            outcome: Outcome::Fail(reason),
            node: op.node.clone(),
        })?;
        let position = (self.router).choose(op.node.as_ref(), operation.is_read());
        self.number += 1;
        let id = RequestId {
            client: u64::from(self.process),
            number: self.number,
        };
        Ok(Asked {
            position,
            request: Request {
                id,
                context: self.contexts.get(operation.key()).cloned(),
                op: operation,
                seen: Some(self.seen),
                quorum: None,
            },
        })
    }

    /// What the client makes of the answer.
    pub(super) fn conclude(&mut self, asked: &Asked, answer: Result<Response, Silence>) -> Reply {
        self.router.learn(asked.position, heard(&answer));
        if let Ok(Response::Done(done)) = &answer {
            self.seen = self.seen.max(done.position);
            if let Some(context) = &done.context {
                let key = asked.request.op.key().to_owned();
                self.contexts.insert(key, context.clone());
            }
        }
        Reply {
            outcome: outcome(answer, &asked.request.op),
            node: Some(self.router.name(asked.position)),
        }
    }
}

/// What an answer says about who leads.
fn heard(answer: &Result<Response, Silence>) -> Heard<'_> {
    match answer {
        Ok(Response::Done(_)) => Heard::Served,
        Ok(Response::Error(OpError {
            code: ErrorCode::Mismatch,
            ..
        })) => Heard::Served,
        Ok(Response::Error(error)) => Heard::NotLeader(error.leader.as_deref()),
        Err(_) => Heard::NotLeader(None),
    }
}

/// What the node is asked for an operation of a workload.
fn operation(op: &Invocation) -> Result<Operation, String> {
    let key = match &op.key {
        Some(Value::Str(text)) => text.to_string(),
        Some(Value::Int(number)) => number.to_string(),
        other => return Err(format!("{} needs a key, not {other:?}", op.f)),
    };
    let number = |value: &Value| {
        value
            .as_int()
            .ok_or_else(|| format!("{} needs a whole number, not {value}", op.f))
    };
    Ok(match op.f.as_str() {
        "read" => Operation::Get { key },
        "write" => Operation::Put {
            key,
            value: number(&op.value)?,
        },
        "cas" => {
            let Some([old, new]) = op.value.as_list() else {
                return Err(format!("cas needs two values, not {}", op.value));
            };
            Operation::Cas {
                key,
                old: old.as_int(),
                new: number(new)?,
            }
        }
        "remove" => Operation::SetRemove {
            key,
            element: number(&op.value)?,
        },
        "add" => Operation::SetAdd {
            key,
            element: number(&op.value)?,
        },
        "read-set" => Operation::SetRead { key },
        "final-read" => Operation::LocalGet { key },
        "final-read-set" => Operation::LocalSetRead { key },
        other => return Err(format!("this system has no operation {other:?}")),
    })
}

/// What was written: the result of an operation that has no other.
fn argument(asked: &Operation) -> Value {
    match asked {
        Operation::Put { value, .. } => Value::Int(*value),
        Operation::SetAdd { element, .. } | Operation::SetRemove { element, .. } => {
            Value::Int(*element)
        }
        Operation::Cas { old, new, .. } => {
            Value::List(vec![old.map_or(Value::Nil, Value::Int), Value::Int(*new)])
        }
        Operation::Get { .. }
        | Operation::Delete { .. }
        | Operation::SetRead { .. }
        | Operation::LocalGet { .. }
        | Operation::LocalSetRead { .. }
        | Operation::CounterAdd { .. }
        | Operation::CounterRead { .. }
        | Operation::Txn { .. }
        | Operation::LocalCounterRead { .. }
        | Operation::LocalListRead { .. } => Value::Nil,
    }
}

/// Every error is unknown unless it is in the table; an operation that only reads has failed
/// on any error, having changed nothing.
fn outcome(answer: Result<Response, Silence>, asked: &Operation) -> Outcome {
    let reads = asked.is_read();
    let unknown = |reason| {
        if reads {
            Outcome::Fail(reason)
        } else {
            Outcome::Info(reason)
        }
    };
    match answer {
        Ok(Response::Done(done)) => Outcome::Ok(match done.result {
            Answer::Written => argument(asked),
            Answer::Register(value) => value.map_or(Value::Nil, Value::Int),
            // One is a value like any other, and none an absent one.
            Answer::Siblings(values) if values.len() < 2 => values
                .first()
                .map_or(Value::Nil, |value| Value::Int(*value)),
            Answer::Set(elements) | Answer::Siblings(elements) | Answer::List(elements) => {
                Value::List(elements.into_iter().map(Value::Int).collect())
            }
            Answer::Counter(value) => Value::Int(value),
            Answer::Txn(_) => Value::Nil,
        }),
        Ok(Response::Error(OpError { code, message, .. })) => {
            let reason = format!("{code:?}: {message}");
            if code.definite() {
                Outcome::Fail(reason)
            } else {
                unknown(reason)
            }
        }
        Err(Silence::Refused) => Outcome::Fail("could not connect".into()),
        Err(Silence::TimedOut) => unknown("timed out".into()),
        Err(Silence::Broken(reason)) => unknown(reason),
    }
}

#[cfg(test)]
mod tests {
    use checkers::history::F;

    use super::*;

    fn write() -> Operation {
        Operation::Put {
            key: "r1".into(),
            value: 7,
        }
    }

    fn read() -> Operation {
        Operation::Get { key: "r1".into() }
    }

    fn error(code: ErrorCode) -> Result<Response, Silence> {
        Ok(Response::Error(OpError {
            code,
            message: String::new(),
            leader: None,
        }))
    }

    #[test]
    fn only_the_table_makes_a_write_fail() {
        for (code, definite) in definite_errors() {
            let failed = matches!(outcome(error(code), &write()), Outcome::Fail(_));
            assert_eq!(failed, definite, "{code:?}");
            assert!(matches!(outcome(error(code), &read()), Outcome::Fail(_)));
        }
    }

    #[test]
    fn silence_is_unknown_unless_nothing_was_sent() {
        let refused = outcome(Err(Silence::Refused), &write());
        assert!(matches!(refused, Outcome::Fail(_)));
        for silence in [Silence::TimedOut, Silence::Broken("reset".into())] {
            assert!(matches!(
                outcome(Err(silence.clone()), &write()),
                Outcome::Info(_)
            ));
            assert!(matches!(outcome(Err(silence), &read()), Outcome::Fail(_)));
        }
    }

    #[test]
    fn what_the_system_lacks_is_refused_before_it_is_sent() {
        let pop = Invocation::new(F::new("pop"), Some(Value::str("q")), Value::Nil);
        assert!(operation(&pop).unwrap_err().contains("no operation"));
        let write = Invocation::new(F::new("write"), Some(Value::str("r")), Value::str("x"));
        assert!(operation(&write).unwrap_err().contains("whole number"));
    }
}
