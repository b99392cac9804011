//! One client process over HTTP.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value as Json;
use workloads::generator::Invocation;

use super::protocol::{Asked, Trouble, ask, conclude};
use super::{Reads, url};
use crate::client::{Client, Clientele, Connect, Outcome, Reply};
use crate::cluster::Node;
use crate::systems::http::{http, in_words};
use crate::systems::routing::{Heard, Router, Routing};

/// Opens clients.
pub struct Clients {
    routing: Routing,
    urls: Arc<[String]>,
    reads: Reads,
}

impl Clients {
    /// All begin with the first node, and go on to the next when one fails them.
    #[must_use]
    pub fn new(nodes: &[Node], clientele: Clientele, reads: Reads) -> Self {
        let names = nodes.iter().map(|node| Arc::clone(&node.name));
        Self {
            routing: Routing::new(names, clientele, Arc::default()),
            urls: nodes.iter().map(url).collect(),
            reads,
        }
    }
}

impl Connect for Clients {
    type Client = EtcdClient;

    fn open(&self, worker: usize, process: u32) -> EtcdClient {
        EtcdClient {
            http: http().build().unwrap_or_default(),
            urls: Arc::clone(&self.urls),
            router: self.routing.open(worker, process),
            reads: self.reads,
        }
    }
}

/// A client process.
pub struct EtcdClient {
    http: reqwest::Client,
    urls: Arc<[String]>,
    router: Router,
    reads: Reads,
}

impl Client for EtcdClient {
    async fn invoke(&mut self, op: &Invocation, timeout: Duration) -> Reply {
        let asked = match ask(op, self.reads) {
            Ok(asked) => asked,
            Err(reason) => {
                return Reply {
                    outcome: Outcome::Fail(reason),
                    node: op.node.clone(),
                };
            }
        };
        let position = self.router.choose(op.node.as_ref(), asked.reads());
        let answer = self.send(position, &asked, timeout).await;
        let heard = if answer.is_ok() {
            Heard::Served
        } else {
            Heard::NotLeader(None)
        };
        self.router.learn(position, heard);
        Reply {
            outcome: conclude(&asked, answer),
            node: Some(self.router.name(position)),
        }
    }
}

impl EtcdClient {
    async fn send(
        &self,
        position: usize,
        asked: &Asked,
        timeout: Duration,
    ) -> Result<Json, Trouble> {
        let url = format!("{}{}", self.urls[position], asked.path);
        let sent = self.http.post(url).timeout(timeout).json(&asked.body);
        let answer = sent.send().await.map_err(|error| trouble(&error))?;
        let good = answer.status().is_success();
        let answer: Json = answer.json().await.map_err(|error| trouble(&error))?;
        if good {
            return Ok(answer);
        }
        let said = answer.get("error").and_then(Json::as_str);
        Err(Trouble::Said(
            said.map_or_else(|| answer.to_string(), str::to_owned),
        ))
    }
}

fn trouble(error: &reqwest::Error) -> Trouble {
    if error.is_connect() {
        Trouble::Refused
    } else if error.is_timeout() {
        Trouble::TimedOut
    } else {
        Trouble::Lost(in_words(error))
    }
}
