//! One client process over HTTP: one connection a node, one request an operation, never asked
//! twice.

use std::sync::Arc;
use std::time::Duration;

use fixtures::protocol::Response;
use workloads::generator::Invocation;

use super::session::{Asked, Session, Sessions, Silence};
use super::{CLIENT_PORT, Directory};
use crate::client::{Client, Clientele, Connect, Reply};
use crate::cluster::Node;
use crate::systems::http::http;

/// Opens clients.
pub struct Clients {
    sessions: Sessions,
    /// Where each node takes operations.
    urls: Arc<[String]>,
}

impl Clients {
    /// All slots begin by believing that the first node leads.
    #[must_use]
    pub fn new(nodes: &[Node], clientele: Clientele, directory: Arc<Directory>) -> Self {
        let names = nodes.iter().map(|node| Arc::clone(&node.name));
        let url = |node: &Node| {
            format!(
                "http://{}/op",
                std::net::SocketAddr::new(node.address, CLIENT_PORT)
            )
        };
        Self {
            sessions: Sessions::new(names, clientele, directory),
            urls: nodes.iter().map(url).collect(),
        }
    }
}

impl Connect for Clients {
    type Client = LeaderFollowerClient;

    fn open(&self, worker: usize, process: u32) -> LeaderFollowerClient {
        LeaderFollowerClient {
            http: http().build().expect("no setting of it can fail"),
            urls: Arc::clone(&self.urls),
            session: self.sessions.open(worker, process),
        }
    }
}

/// A client process.
pub struct LeaderFollowerClient {
    http: reqwest::Client,
    urls: Arc<[String]>,
    session: Session,
}

impl Client for LeaderFollowerClient {
    async fn invoke(&mut self, op: &Invocation, timeout: Duration) -> Reply {
        let asked = match self.session.ask(op) {
            Ok(asked) => asked,
            Err(reply) => return reply,
        };
        let answer = self.send(&asked, timeout).await;
        self.session.conclude(&asked, answer.map_err(silence))
    }
}

impl LeaderFollowerClient {
    async fn send(&self, asked: &Asked, timeout: Duration) -> Result<Response, reqwest::Error> {
        let sent = self
            .http
            .post(&self.urls[asked.position])
            .timeout(timeout)
            .json(&asked.request);
        sent.send().await?.json().await
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it is a conversion")]
fn silence(error: reqwest::Error) -> Silence {
    if error.is_connect() {
        Silence::Refused
    } else if error.is_timeout() {
        Silence::TimedOut
    } else {
        Silence::Broken(error.to_string())
    }
}
