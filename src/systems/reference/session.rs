//! A client process's side of the conversation: what it asks, whom, and what it makes of the
//! answer. It has no socket: [`super::client`] carries it over HTTP, [`super::simulated`] in
//! memory.

use std::collections::HashMap;
use std::sync::Arc;

use checkers::history::Value;
use fixtures::protocol::{Context, ErrorCode, OpError, Request, RequestId, Response};
use workloads::generator::Invocation;

use super::{Crowd, Directory, words};
use crate::client::{Clientele, Outcome, Reply};
use crate::systems::routing::{Heard, Router, Routing};

/// The node's errors, and whether each promises that a write did not happen and never will.
pub fn definite_errors() -> impl Iterator<Item = (ErrorCode, bool)> {
    ErrorCode::ALL
        .into_iter()
        .map(|code| (code, code.definite()))
}

/// What all clients of a run share.
pub(super) struct Sessions {
    routing: Routing,
    workload: &'static str,
}

impl Sessions {
    /// All slots begin by believing that the first of the nodes leads.
    pub(super) fn new(
        names: impl IntoIterator<Item = Arc<str>>,
        clientele: Clientele,
        directory: Arc<Directory>,
        crowd: Crowd,
    ) -> Self {
        let routing = Routing::new(names, clientele, directory);
        let routing = match crowd {
            Crowd::Led => routing,
            Crowd::Peers | Crowd::Parts => routing.among_equals(),
        };
        Self {
            routing,
            workload: clientele.workload,
        }
    }

    pub(super) fn open(&self, slot: usize, process: u32) -> Session {
        Session {
            router: self.routing.open(slot, process),
            workload: self.workload,
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
    workload: &'static str,
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
    /// What the workload gave the operation.
    argument: Value,
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
        let operation = words::operation(op, self.workload, self.process);
        let operation = operation.map_err(|reason| Reply::not_sent(op, reason))?;
        let position = (self.router).choose(op.node.as_ref(), operation.is_read());
        self.number += 1;
        let id = RequestId {
            client: u64::from(self.process),
            number: self.number,
        };
        Ok(Asked {
            position,
            argument: op.value.clone(),
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
            outcome: outcome(answer, asked),
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

/// Every error is unknown unless it is in the table; an operation that only reads has failed
/// on any error, having changed nothing.
fn outcome(answer: Result<Response, Silence>, asked: &Asked) -> Outcome {
    let reads = asked.request.op.is_read();
    let unknown = |reason| Outcome::unknown(reason, reads);
    match answer {
        Ok(Response::Done(done)) => Outcome::Ok(words::result(
            done.result,
            &asked.argument,
            &asked.request.op,
        )),
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
    use fixtures::protocol::Operation;

    use super::*;

    fn asked(op: Operation) -> Asked {
        let id = RequestId {
            client: 0,
            number: 1,
        };
        Asked {
            position: 0,
            request: Request::new(id, op),
            argument: Value::Nil,
        }
    }

    fn write() -> Asked {
        asked(Operation::Put {
            key: "r1".into(),
            value: 7,
        })
    }

    fn read() -> Asked {
        asked(Operation::Get { key: "r1".into() })
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
}
