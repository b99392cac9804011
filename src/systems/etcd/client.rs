//! One client process over HTTP.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value as Json;
use workloads::generator::Invocation;

use super::dialogue::{Dialogue, Leases};
use super::locks::Next;
use super::protocol::{Asked, Trouble};
use super::{Options, url};
use crate::client::{Client, Clientele, Connect, Reply};
use crate::cluster::Node;
use crate::systems::http::{http, in_words};
use crate::systems::routing::{Heard, Router, Routing};

/// Opens clients.
pub struct Clients {
    routing: Routing,
    urls: Arc<[String]>,
    options: Options,
}

impl Clients {
    /// All begin with the first node, and go on to the next when one fails them.
    #[must_use]
    pub fn new(nodes: &[Node], clientele: Clientele, options: &Options) -> Self {
        let names = nodes.iter().map(|node| Arc::clone(&node.name));
        Self {
            routing: Routing::new(names, clientele, Arc::default()),
            urls: nodes.iter().map(url).collect(),
            options: options.clone(),
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
            options: self.options.clone(),
            leases: Leases::new(),
        }
    }
}

/// A client process.
pub struct EtcdClient {
    http: reqwest::Client,
    urls: Arc<[String]>,
    router: Router,
    options: Options,
    leases: Leases,
}

impl Client for EtcdClient {
    async fn invoke(&mut self, op: &Invocation, timeout: Duration) -> Reply {
        let begun = Dialogue::begin(op, &self.options, &mut self.leases);
        let (mut dialogue, mut asked) = match begun {
            Ok(begun) => begun,
            Err(reason) => return Reply::not_sent(op, reason),
        };
        // Who would guard something with a lock asks one member for all of it.
        let anywhere = !asked.changes || op.f == "release" || op.f == "guarded-write";
        let position = self.router.choose(op.node.as_ref(), anywhere);
        let deadline = tokio::time::Instant::now() + timeout;
        loop {
            let answer = self.send(position, &asked, deadline).await;
            let heard = if answer.is_ok() {
                Heard::Served
            } else {
                Heard::NotLeader(None)
            };
            match dialogue.hear(&asked, answer, &mut self.leases) {
                Next::Ask(next) => asked = next,
                Next::Done(outcome) => {
                    self.router.learn(position, heard);
                    return Reply {
                        outcome,
                        node: Some(self.router.name(position)),
                    };
                }
            }
        }
    }
}

impl EtcdClient {
    async fn send(
        &self,
        position: usize,
        asked: &Asked,
        deadline: tokio::time::Instant,
    ) -> Result<Json, Trouble> {
        let timeout = deadline.saturating_duration_since(tokio::time::Instant::now());
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
