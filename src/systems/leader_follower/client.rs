//! One client process: one connection a node, one request an operation, never asked twice.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use checkers::history::Value;
use fixtures::protocol::{Answer, ErrorCode, OpError, Operation, Request, RequestId, Response};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use workloads::generator::Invocation;

use super::{CLIENT_PORT, Directory};
use crate::client::{Client, Connect, Outcome, Reply, Route};
use crate::cluster::Node;

/// Settings for every HTTP client of ours: no proxy, no retry, no redirect.
pub(super) fn http() -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .no_proxy()
        .retry(reqwest::retry::never())
        .redirect(reqwest::redirect::Policy::none())
        .pool_max_idle_per_host(1)
        .tcp_nodelay(true)
        .connect_timeout(Duration::from_millis(300))
}

/// The node's errors, and whether each promises that a write did not happen and never will.
pub fn definite_errors() -> impl Iterator<Item = (ErrorCode, bool)> {
    ErrorCode::ALL
        .into_iter()
        .map(|code| (code, code.definite()))
}

/// Opens clients.
pub struct Clients {
    nodes: Arc<Vec<Place>>,
    route: Route,
    seed: u64,
    directory: Arc<Directory>,
    /// Whom the client in each slot believes to lead; outlives the client's process.
    beliefs: Vec<Arc<AtomicUsize>>,
}

struct Place {
    name: Arc<str>,
    url: String,
}

impl Clients {
    /// For so many slots, which all begin by believing that the first node leads.
    #[must_use]
    pub fn new(
        nodes: &[Node],
        route: Route,
        slots: u32,
        seed: u64,
        directory: Arc<Directory>,
    ) -> Self {
        let places = nodes.iter().map(|node| Place {
            name: Arc::clone(&node.name),
            url: format!(
                "http://{}/op",
                std::net::SocketAddr::new(node.address, CLIENT_PORT)
            ),
        });
        let beliefs = (0..slots).map(|_| Arc::default()).collect();
        Self {
            nodes: Arc::new(places.collect()),
            route,
            seed,
            directory,
            beliefs,
        }
    }
}

impl Connect for Clients {
    type Client = LeaderFollowerClient;

    fn open(&self, worker: usize, process: u32) -> LeaderFollowerClient {
        let http = http().build().expect("no setting of it can fail");
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        rng.set_stream(u64::from(process));
        LeaderFollowerClient {
            http,
            nodes: Arc::clone(&self.nodes),
            route: self.route,
            worker,
            process,
            number: 0,
            rng,
            belief: Arc::clone(&self.beliefs[worker]),
            // Half of the clients hear of a new leader as soon as it is announced; the others
            // find out when the old one fails them, as clients with an old address do.
            directory: worker
                .is_multiple_of(2)
                .then(|| Arc::clone(&self.directory)),
            heard: 0,
        }
    }
}

/// A client process.
pub struct LeaderFollowerClient {
    http: reqwest::Client,
    nodes: Arc<Vec<Place>>,
    route: Route,
    worker: usize,
    process: u32,
    number: u64,
    rng: ChaCha8Rng,
    belief: Arc<AtomicUsize>,
    directory: Option<Arc<Directory>>,
    heard: u64,
}

impl Client for LeaderFollowerClient {
    async fn invoke(&mut self, op: &Invocation, timeout: Duration) -> Reply {
        let operation = match operation(op) {
            Ok(operation) => operation,
            Err(reason) => {
                return Reply {
                    outcome: Outcome::Fail(reason),
                    node: op.node.clone(),
                };
            }
        };
        let position = self.choose(op, &operation);
        let reads = operation.is_read();
        let answer = self.ask(position, operation, timeout).await;
        self.learn(position, &answer);
        let node = Some(Arc::clone(&self.nodes[position].name));
        Reply {
            outcome: outcome(answer, reads),
            node,
        }
    }
}

impl LeaderFollowerClient {
    fn choose(&mut self, op: &Invocation, operation: &Operation) -> usize {
        if let Some(named) = &op.node
            && let Some(position) = self.nodes.iter().position(|place| place.name == *named)
        {
            return position;
        }
        if let Some((count, leader)) = self.directory.as_ref().and_then(|d| d.last())
            && count > self.heard
        {
            self.heard = count;
            self.belief.store(leader, Ordering::Relaxed);
        }
        match self.route {
            Route::Pinned if operation.is_read() => self.worker % self.nodes.len(),
            Route::Random if operation.is_read() => self.rng.random_range(0..self.nodes.len()),
            Route::Leader | Route::Pinned | Route::Random => self.belief.load(Ordering::Relaxed),
        }
    }

    async fn ask(
        &mut self,
        position: usize,
        op: Operation,
        timeout: Duration,
    ) -> Result<Response, reqwest::Error> {
        self.number += 1;
        let id = RequestId {
            client: u64::from(self.process),
            number: self.number,
        };
        let request = Request { id, op, seen: None };
        let sent = self
            .http
            .post(&self.nodes[position].url)
            .timeout(timeout)
            .json(&request);
        sent.send().await?.json().await
    }

    /// Whom to ask next time: whoever the node names, or the next node in turn if the one that
    /// is believed to lead does not act like a leader.
    fn learn(&self, position: usize, answer: &Result<Response, reqwest::Error>) {
        if position != self.belief.load(Ordering::Relaxed) {
            return;
        }
        let named = |leader: &Option<String>| {
            let leader = leader.as_deref()?;
            self.nodes
                .iter()
                .position(|place| &*place.name == leader)
                .filter(|n| *n != position)
        };
        let next = (position + 1) % self.nodes.len();
        match answer {
            Ok(Response::Done(_)) => {}
            Ok(Response::Error(OpError {
                code: ErrorCode::Mismatch,
                ..
            })) => {}
            Ok(Response::Error(error)) => {
                self.belief
                    .store(named(&error.leader).unwrap_or(next), Ordering::Relaxed);
            }
            Err(_) => self.belief.store(next, Ordering::Relaxed),
        }
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

/// Every error is unknown unless it is in the table; an operation that only reads has failed
/// on any error, having changed nothing.
fn outcome(answer: Result<Response, reqwest::Error>, reads: bool) -> Outcome {
    match answer {
        Ok(Response::Done(done)) => Outcome::Ok(match done.result {
            Answer::Written => Value::Nil,
            Answer::Register(value) => value.map_or(Value::Nil, Value::Int),
            Answer::Set(elements) => Value::List(elements.into_iter().map(Value::Int).collect()),
        }),
        Ok(Response::Error(OpError { code, message, .. })) => {
            let reason = format!("{code:?}: {message}");
            if reads || code.definite() {
                Outcome::Fail(reason)
            } else {
                Outcome::Info(reason)
            }
        }
        // Nothing was sent, not even a byte.
        Err(error) if error.is_connect() => Outcome::Fail("could not connect".into()),
        Err(error) => {
            let reason = if error.is_timeout() {
                "timed out".into()
            } else {
                error.to_string()
            };
            if reads {
                Outcome::Fail(reason)
            } else {
                Outcome::Info(reason)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use checkers::history::F;

    use super::*;

    fn error(code: ErrorCode) -> Result<Response, reqwest::Error> {
        Ok(Response::Error(OpError {
            code,
            message: String::new(),
            leader: None,
        }))
    }

    #[test]
    fn only_the_table_makes_a_write_fail() {
        for (code, definite) in definite_errors() {
            let failed = matches!(outcome(error(code), false), Outcome::Fail(_));
            assert_eq!(failed, definite, "{code:?}");
            assert!(matches!(outcome(error(code), true), Outcome::Fail(_)));
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
