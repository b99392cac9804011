//! One connection of one process to the system under test.

use std::pin::Pin;
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

impl Outcome {
    /// What came of an operation when nothing promises that it did not happen: that is unknown,
    /// unless it only reads, and so has changed nothing.
    #[must_use]
    pub fn unknown(reason: String, only_reads: bool) -> Self {
        if only_reads {
            Self::Fail(reason)
        } else {
            Self::Info(reason)
        }
    }
}

/// What a client tells of one operation: how it ended, and who answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// How it ended.
    pub outcome: Outcome,
    /// The node that was asked.
    pub node: Option<Arc<str>>,
}

impl Reply {
    /// That of an operation that cannot be asked, and of which nothing was sent.
    #[must_use]
    pub fn not_sent(op: &Invocation, reason: String) -> Self {
        Self {
            outcome: Outcome::Fail(reason),
            node: op.node.clone(),
        }
    }
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

/// A client of any system.
pub struct AnyClient(Box<dyn Boxed>);

/// Opens the clients of any system.
#[derive(Clone)]
pub struct AnyConnect(Arc<dyn Opens>);

type Answer<'a> = Pin<Box<dyn Future<Output = Reply> + Send + 'a>>;

/// What a [`Client`] is as a trait object.
trait Boxed: Send {
    fn invoke<'a>(&'a mut self, op: &'a Invocation, timeout: Duration) -> Answer<'a>;
}

impl<C: Client> Boxed for C {
    fn invoke<'a>(&'a mut self, op: &'a Invocation, timeout: Duration) -> Answer<'a> {
        Box::pin(Client::invoke(self, op, timeout))
    }
}

/// What a [`Connect`] is as a trait object.
trait Opens: Send + Sync {
    fn open_any(&self, worker: usize, process: u32) -> AnyClient;
}

impl<C: Connect> Opens for C {
    fn open_any(&self, worker: usize, process: u32) -> AnyClient {
        AnyClient(Box::new(self.open(worker, process)))
    }
}

impl AnyConnect {
    /// Opens what `connect` opens.
    #[must_use]
    pub fn new(connect: impl Connect + 'static) -> Self {
        Self(Arc::new(connect))
    }
}

impl Connect for AnyConnect {
    type Client = AnyClient;

    fn open(&self, worker: usize, process: u32) -> AnyClient {
        self.0.open_any(worker, process)
    }
}

impl Client for AnyClient {
    async fn invoke(&mut self, op: &Invocation, timeout: Duration) -> Reply {
        self.0.invoke(op, timeout).await
    }
}

/// The clients of a run.
#[derive(Clone, Copy, Debug)]
pub struct Clientele {
    /// Whose words they speak: workloads share words that mean different objects.
    pub workload: &'static str,
    /// Which node each asks.
    pub route: Route,
    /// How many there are at once.
    pub slots: u32,
    /// All chance of theirs comes from this number.
    pub seed: u64,
}

/// Which node a client asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Route {
    /// Writes and reads go to the node that the client believes to lead, if that says so itself
    /// when the client connects.
    Leader,
    /// Writes go to the leader; each client reads at one node, always the same.
    Pinned,
    /// Writes go to the leader; each read goes to a node by chance.
    Random,
}
