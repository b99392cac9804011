//! The hosts of a run, and what a system may be able to do on them.

use std::net::IpAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use checkers::history::Value;

use crate::remote::{Remote, RemoteError};

/// One host.
pub struct Node {
    /// Its name, as reports say it.
    pub name: Arc<str>,
    /// Where the other nodes and the clients reach it.
    pub address: IpAddr,
    /// The port of its SSH server, which probes of the network connect to.
    pub ssh_port: u16,
    /// How the control process reaches it.
    pub remote: Arc<dyn Remote>,
}

/// All hosts, and the system on them.
pub struct Cluster {
    /// The hosts, in the order of the plan.
    pub nodes: Vec<Node>,
    /// How the system is installed and steered.
    pub db: Arc<dyn Db>,
}

impl Cluster {
    /// The names of some nodes, as a history says them.
    #[must_use]
    pub fn names(&self, positions: impl IntoIterator<Item = usize>) -> Value {
        Value::List(
            positions
                .into_iter()
                .map(|p| Value::str(&self.nodes[p].name))
                .collect(),
        )
    }
}

/// Why a system did not do what it was asked. Continues "failed to …".
#[derive(Debug, thiserror::Error)]
pub enum DbError {
    /// The host did not do it.
    #[error(transparent)]
    Remote(#[from] RemoteError),
    /// The system is there, but not as it should be.
    #[error("{doing} on {node}: {cause}")]
    System {
        /// What was tried.
        doing: String,
        /// On which node; several are named together.
        node: String,
        /// What was seen instead, and what to try.
        cause: String,
    },
    /// A file of ours is missing or wrong.
    #[error("use {path}: {cause}")]
    Artefact {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, and what to do.
        cause: String,
    },
}

/// A boxed future, so that [`Db`] can be a trait object.
pub type Job<'a, T> = Pin<Box<dyn Future<Output = Result<T, DbError>> + Send + 'a>>;

/// How a system is installed, started, watched and removed. What a system cannot do it does
/// not offer, and the faults that need it are refused.
pub trait Db: Send + Sync {
    /// Removes what an earlier run left, installs, configures and starts the system on one
    /// node.
    fn setup<'a>(&'a self, node: &'a Node, all: &'a [Node]) -> Job<'a, ()>;

    /// Waits until the cluster is formed, and checks that it is empty.
    fn await_ready<'a>(&'a self, nodes: &'a [Node], limit: Duration) -> Job<'a, ()>;

    /// Waits, after all faults are healed, until the nodes are equal again; tells whether they
    /// came to be within the limit, and what each said last.
    fn await_equal<'a>(&'a self, nodes: &'a [Node], limit: Duration) -> Job<'a, Equal>;

    /// Stops the system on one node and removes its data.
    fn teardown<'a>(&'a self, node: &'a Node) -> Job<'a, ()>;

    /// The files on a node that tell what happened, for the run's directory.
    fn log_files(&self, node: &Node) -> Vec<String>;

    /// Which version of the system was found on the hosts, once it is set up.
    fn version(&self) -> Option<String> {
        None
    }

    /// Killing, starting, pausing and resuming, where the system can.
    fn processes(&self) -> Option<&dyn Processes> {
        None
    }

    /// What each node that answers says of itself, by name: a map with its `role` and `epoch`,
    /// where nodes have such; none where they have not.
    fn statuses<'a>(&'a self, _nodes: &'a [Node]) -> Option<Job<'a, Value>> {
        None
    }

    /// What the nodes keep that proves something, once the run is over.
    fn testimonies<'a>(&'a self, _nodes: &'a [Node]) -> Job<'a, Vec<Testimony>> {
        Box::pin(std::future::ready(Ok(Vec::new())))
    }

    /// Steps at which its processes can be made to fail, where the system has such.
    fn steps(&self) -> Option<&dyn Steps> {
        None
    }

    /// Clocks of its own that can go wrong, where the system has such.
    fn clocks(&self) -> Option<&dyn Clocks> {
        None
    }

    /// Leaders and promotion, where the system has them.
    fn leaders(&self) -> Option<&dyn Leaders> {
        None
    }
}

/// Something that a node keeps and that checkers read, as the operation that histories say it
/// with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Testimony {
    /// Which node tells it.
    pub node: Arc<str>,
    /// What it is: `node-log` or `resolve`.
    pub f: &'static str,
    /// Of what.
    pub key: Value,
    /// What went in.
    pub argument: Value,
    /// What came out.
    pub result: Value,
}

/// Whether the nodes came to agree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Equal {
    /// Whether they did, within the limit.
    pub reached: bool,
    /// What each node said last, for the report.
    pub states: Vec<(String, Value)>,
}

/// What can be done to a system's process on a node. Each proves itself before it answers, and
/// the answer is the proof, in words.
pub trait Processes: Send + Sync {
    /// Kills it with SIGKILL.
    fn kill<'a>(&'a self, node: &'a Node) -> Job<'a, String>;
    /// Starts it again and waits until it answers.
    fn start<'a>(&'a self, node: &'a Node) -> Job<'a, String>;
    /// Stops its clockwork with SIGSTOP.
    fn pause<'a>(&'a self, node: &'a Node) -> Job<'a, String>;
    /// Lets it go on with SIGCONT.
    fn resume<'a>(&'a self, node: &'a Node) -> Job<'a, String>;
}

/// What happens to a process at a step of its protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// It is killed.
    Kill,
    /// It is stopped.
    Stop,
}

/// Making processes fail at a step of their protocol.
pub trait Steps: Send + Sync {
    /// Has the first of these nodes fail that comes to the step, and takes the order back from
    /// the others; answers which failed, by position, and the proof in words. None failed if
    /// no node came there within the limit.
    fn fail_at<'a>(
        &'a self,
        nodes: &'a [Node],
        chosen: &'a [usize],
        step: &'a str,
        action: Failure,
        limit: Duration,
    ) -> Job<'a, (Vec<usize>, String)>;
}

/// Making the clocks of a system's process go wrong.
pub trait Clocks: Send + Sync {
    /// Has the process on a node take its wall clock to be ahead of its host's by so many
    /// milliseconds from now on, and both its clocks run faster by so many percent; zero of both
    /// sets them right. The answer is the proof, in words.
    fn set<'a>(&'a self, node: &'a Node, ahead_ms: i64, rate_percent: i64) -> Job<'a, String>;
}

/// What can be found out about leadership, and done about it.
pub trait Leaders: Send + Sync {
    /// The node that leads with the highest epoch, by position, among those that answer.
    fn leader<'a>(&'a self, nodes: &'a [Node]) -> Job<'a, Option<usize>>;

    /// Makes one of the `reachable` nodes lead, as an operator on their side of the network
    /// would; the answer tells who, and the log positions that were the reason. Refused by
    /// systems whose nodes choose their leader themselves.
    fn promote<'a>(&'a self, _nodes: &'a [Node], _reachable: &'a [usize]) -> Job<'a, Value> {
        Box::pin(std::future::ready(Err(DbError::System {
            doing: "promote a node".into(),
            node: "the cluster".into(),
            cause: "its nodes choose their leader themselves".into(),
        })))
    }
}
