//! One client process: a connection a node, opened when it is first needed.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use workloads::generator::Invocation;

use super::commands::{Asked, Tokens, Trouble, ask, conclude, judge_wait};
use super::resp::{Connection, Said};
use super::{Options, PORT, address};
use crate::client::{Client, Clientele, Connect, Outcome, Reply};
use crate::cluster::Node;
use crate::systems::routing::{Directory, Heard, Router, Routing};

const CONNECT_LIMIT: Duration = Duration::from_millis(300);

/// Opens clients.
pub struct Clients {
    routing: Routing,
    addresses: Arc<[SocketAddr]>,
    options: Options,
}

impl Clients {
    /// All begin by believing that the first node is the primary.
    #[must_use]
    pub fn new(
        nodes: &[Node],
        clientele: Clientele,
        options: &Options,
        directory: Arc<Directory>,
    ) -> Self {
        let names = nodes.iter().map(|node| Arc::clone(&node.name));
        Self {
            routing: Routing::new(names, clientele, directory),
            addresses: nodes.iter().map(|node| address(node, PORT)).collect(),
            options: options.clone(),
        }
    }
}

impl Connect for Clients {
    type Client = RedisClient;

    fn open(&self, worker: usize, process: u32) -> RedisClient {
        RedisClient {
            connections: self.addresses.iter().map(|_| None).collect(),
            addresses: Arc::clone(&self.addresses),
            router: self.routing.open(worker, process),
            options: self.options.clone(),
            tokens: Tokens::new(),
        }
    }
}

/// A connection to a server.
struct Open {
    connection: Connection,
    /// Whether the server said that it is the primary. One that is made a replica by a sentinel
    /// ends its connections, so that need not be asked again.
    leads: bool,
}

/// A client process.
pub struct RedisClient {
    connections: Vec<Option<Open>>,
    addresses: Arc<[SocketAddr]>,
    router: Router,
    options: Options,
    tokens: Tokens,
}

impl Client for RedisClient {
    async fn invoke(&mut self, op: &Invocation, timeout: Duration) -> Reply {
        let asked = match ask(op, &self.options, &mut self.tokens) {
            Ok(asked) => asked,
            Err(reason) => return Reply::not_sent(op, reason),
        };
        let must_lead = self.router.must_lead(op.node.as_ref());
        let position = self.router.choose(op.node.as_ref(), asked.reads());
        let answer = self.send(position, &asked, must_lead, timeout).await;
        let outcome = conclude(&asked, &op.value, answer, &mut self.tokens);
        self.router.learn(position, heard(&outcome));
        Reply {
            outcome,
            node: Some(self.router.name(position)),
        }
    }
}

/// What a primary says that did what it was asked, though nothing came of it.
const SERVED: [&str; 5] = [
    "mismatch",
    "too few replicas",
    "held",
    "not held",
    "refused",
];

/// Whether this answer to `ROLE` is a primary's.
fn leads(role: &Said) -> bool {
    role.list().first().and_then(Said::text).as_deref() == Some("master")
}

/// A primary serves, and compares; anything else sends clients on.
fn heard(outcome: &Outcome) -> Heard<'static> {
    match outcome {
        Outcome::Ok(_) => Heard::Served,
        Outcome::Fail(why) | Outcome::Info(why)
            if SERVED.iter().any(|word| why.starts_with(word)) =>
        {
            Heard::Served
        }
        Outcome::Fail(_) | Outcome::Info(_) => Heard::NotLeader(None),
    }
}

impl RedisClient {
    async fn send(
        &mut self,
        position: usize,
        asked: &Asked,
        must_lead: bool,
        timeout: Duration,
    ) -> Result<Said, Trouble> {
        let deadline = tokio::time::Instant::now() + timeout;
        let mut open = match self.connections[position].take() {
            Some(open) => open,
            None => self.connect(position).await?,
        };
        if must_lead && !open.leads {
            let asking = open.connection.ask(&["ROLE"]);
            match tokio::time::timeout_at(deadline, asking).await {
                Ok(Ok(said)) => open.leads = leads(&said),
                Ok(Err(_)) | Err(_) => return Err(Trouble::Refused),
            }
            if !open.leads {
                return Err(Trouble::NotPrimary);
            }
        }
        let wait = self.options.wait;
        let talk = async {
            let said = open.connection.ask_all(&asked.commands).await?;
            if wait == 0 || asked.reads() || matches!(said, Said::Error(_)) {
                return Ok(said);
            }
            let (replicas, limit) = (wait.to_string(), self.options.wait_ms.to_string());
            let have = open.connection.ask(&["WAIT", &replicas, &limit]).await?;
            Ok::<Said, std::io::Error>(judge_wait(said, Some(have), wait))
        };
        let answer = match tokio::time::timeout_at(deadline, talk).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => return Err(Trouble::Lost(error.to_string())),
            Err(_) => return Err(Trouble::TimedOut),
        };
        // Only a connection with nothing open on it is used again.
        self.connections[position] = Some(open);
        Ok(answer)
    }

    /// Whatever fails here fails before the operation is sent.
    async fn connect(&self, position: usize) -> Result<Open, Trouble> {
        let opening = Connection::open(self.addresses[position]);
        match tokio::time::timeout(CONNECT_LIMIT, opening).await {
            Ok(Ok(connection)) => Ok(Open {
                connection,
                leads: false,
            }),
            Ok(Err(_)) | Err(_) => Err(Trouble::Refused),
        }
    }
}
