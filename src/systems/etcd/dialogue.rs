//! An operation under way: its requests, one after the other, and what comes of it. No socket
//! here.

use std::collections::BTreeMap;

use checkers::history::Value;
use serde_json::Value as Json;
use workloads::generator::Invocation;

use super::Options;
use super::locks::{Acquire, Next, look, on_resource, release};
use super::protocol::{Asked, Trouble, ask, conclude};
use super::transactions::Transaction;
use crate::client::Outcome;
use crate::systems::arguments;
use crate::systems::steps::steps;

/// The leases of the locks that a client holds, or held, by lock.
pub(super) type Leases = BTreeMap<String, String>;

/// An operation under way.
#[derive(Debug)]
pub(super) struct Dialogue {
    argument: Value,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    One,
    Acquire {
        key: String,
        lease_s: u32,
        stage: Acquire,
    },
    Transaction(Transaction),
}

impl Dialogue {
    /// The operation, and its first request.
    pub(super) fn begin(
        op: &Invocation,
        options: &Options,
        leases: &mut Leases,
    ) -> Result<(Self, Asked), String> {
        let (kind, asked) = match op.f.as_str() {
            "txn" => {
                let (transaction, asked) = Transaction::begin(steps(&op.value)?, options.reads);
                (Kind::Transaction(transaction), asked)
            }
            "acquire" => {
                let kind = Kind::Acquire {
                    key: arguments::key(op)?,
                    lease_s: options.lease_s,
                    stage: Acquire::Look,
                };
                (kind, look(op)?)
            }
            "release" => {
                let lease = leases.remove(&arguments::key(op)?);
                let lease = lease.ok_or("not held: this client has no lease of it")?;
                (Kind::One, release(&lease))
            }
            "guarded-write" | "guarded-read" => (Kind::One, on_resource(op)?),
            _ => (Kind::One, ask(op, options.reads)?),
        };
        let argument = op.value.clone();
        Ok((Self { argument, kind }, asked))
    }

    /// What follows the answer to the request that was sent last.
    pub(super) fn hear(
        &mut self,
        asked: &Asked,
        answer: Result<Json, Trouble>,
        leases: &mut Leases,
    ) -> Next {
        match &mut self.kind {
            Kind::One => Next::Done(conclude(asked, &self.argument, answer)),
            Kind::Transaction(transaction) => transaction.hear(&self.argument, asked, answer),
            Kind::Acquire {
                key,
                lease_s,
                stage,
            } => {
                let next = stage.hear(key, *lease_s, asked, answer);
                if let (Next::Done(Outcome::Ok(_)), Acquire::Take { lease, .. }) = (&next, &*stage)
                {
                    leases.insert(key.clone(), lease.clone());
                }
                next
            }
        }
    }
}
