//! One connection of one process to the system under test.

use std::sync::Arc;
use std::time::Duration;

use checkers::history::Value;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use workloads::generator::Invocation;

/// How an operation ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It happened, with this result.
    Ok(Value),
    /// It certainly did not happen, and will not.
    Fail(String),
    /// It may have happened, or may yet.
    Info(String),
}

/// What a client tells of one operation: how it ended, and who answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// How it ended.
    pub outcome: Outcome,
    /// The node that was asked.
    pub node: Option<Arc<str>>,
}

/// One connection, one process, one operation at a time. It never asks twice.
///
/// Every error is [`Outcome::Info`] unless the system's table of definite errors says
/// otherwise; an operation that only reads may [`Outcome::Fail`] on any error, having changed
/// nothing. Closing is `Drop`.
pub trait Client: Send {
    /// Performs one operation within `timeout`.
    fn invoke(&mut self, op: &Invocation, timeout: Duration) -> impl Future<Output = Reply> + Send;
}

/// Opens clients, one for each process.
pub trait Connect: Send + Sync {
    /// The clients it opens.
    type Client: Client + 'static;

    /// A client for that process; `worker` counts the slots from zero and stays the same when
    /// a crashed process is replaced by a new one.
    fn open(&self, worker: usize, process: u32) -> Self::Client;
}

/// Which node a client asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Route {
    /// Writes and reads go to the node that the client believes to lead.
    Leader,
    /// Writes go to the leader; each client reads at one node, always the same.
    Pinned,
    /// Writes go to the leader; each read goes to a node by chance.
    Random,
}
