//! What an operator does with the members: set up, watch, kill, start.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use checkers::history::Value;
use serde_json::{Value as Json, json};

use super::{CLIENT_PORT, Members, PEER_PORT, url};
use crate::cluster::{Db, DbError, Equal, Job, Leaders, Node, Processes, Testimony};
use crate::remote::on_all;
use crate::systems::daemon::Daemon;
use crate::systems::host::{Needed, State, check_free, digest, until, until_equal, wrong};
use crate::systems::http::in_words;

const ASK_LIMIT: Duration = Duration::from_secs(1);
/// A member answers within a second; a loaded machine may need far longer.
const START_LIMIT: Duration = Duration::from_secs(20);
/// A member may still be carrying something out while it is asked what it holds.
const TESTIMONY_TRIES: usize = 5;

/// What a member says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Status {
    member: u64,
    leader: u64,
    term: u64,
    /// How far it has carried out the group's log.
    applied: u64,
}

impl Members {
    async fn ask(&self, node: &Node, path: &str, body: &Json) -> Result<Json, String> {
        let sent = self
            .http
            .post(format!("{}{path}", url(node)))
            .timeout(ASK_LIMIT)
            .json(body);
        let answer = sent.send().await.map_err(|error| in_words(&error))?;
        let good = answer.status().is_success();
        let text = answer.text().await.map_err(|error| in_words(&error))?;
        if good {
            serde_json::from_str(&text).map_err(|error| format!("{error} in {text:?}"))
        } else {
            Err(text)
        }
    }

    async fn status(&self, node: &Node) -> Result<Status, String> {
        let answer = self.ask(node, "/v3/maintenance/status", &json!({})).await?;
        let number = |value: &Json| value.as_str().and_then(|text| text.parse().ok());
        Ok(Status {
            member: number(&answer["header"]["member_id"]).unwrap_or(0),
            leader: number(&answer["leader"]).unwrap_or(0),
            term: number(&answer["raftTerm"]).unwrap_or(0),
            applied: number(&answer["raftAppliedIndex"]).unwrap_or(0),
        })
    }

    async fn statuses(&self, nodes: &[Node]) -> Vec<Result<Status, String>> {
        let all = on_all(nodes, async |node| Ok::<_, String>(self.status(node).await)).await;
        all.unwrap_or_default()
    }

    async fn is_formed(&self, nodes: &[Node]) -> Result<(), String> {
        let mut leader = None;
        for (node, status) in nodes.iter().zip(self.statuses(nodes).await) {
            let status = status.map_err(|why| format!("{}: {why}", node.name))?;
            if status.leader == 0 || *leader.get_or_insert(status.leader) != status.leader {
                return Err(format!(
                    "{} follows no leader, or another than the rest",
                    node.name
                ));
            }
        }
        Ok(())
    }

    /// All that a member itself holds, with the revisions that it gave.
    async fn state(&self, node: &Node, own: bool) -> State {
        // From the first key to the last.
        let all = BASE64.encode([0]);
        let body = json!({"key": all, "range_end": all, "serializable": own});
        let answer = self.ask(node, "/v3/kv/range", &body).await?;
        let kvs = answer.get("kvs").cloned().unwrap_or_else(|| json!([]));
        let revision = answer["header"]["revision"]
            .as_str()
            .unwrap_or("0")
            .to_owned();
        let count = kvs.as_array().map_or(0, Vec::len);
        let digest = digest(format!("{revision} {kvs}").as_bytes());
        let told = Value::map([
            ("revision", Value::str(&revision)),
            ("keys", Value::Int(i64::try_from(count).unwrap_or(i64::MAX))),
            ("state", Value::str(&digest)),
        ]);
        Ok((told, digest))
    }

    async fn states(&self, nodes: &[Node], own: bool) -> Vec<State> {
        let all = on_all(nodes, async |node| {
            Ok::<_, String>(self.state(node, own).await)
        })
        .await;
        all.unwrap_or_default()
    }

    /// What a member holds once it has carried out the log up to an entry; none while it goes on
    /// meanwhile, or does not answer.
    async fn testimony(&self, node: &Node) -> Option<Testimony> {
        for _ in 0..TESTIMONY_TRIES {
            let before = self.status(node).await.ok()?;
            let (state, _) = self.state(node, true).await.ok()?;
            if self.status(node).await.ok()?.applied == before.applied {
                let applied = i64::try_from(before.applied).ok()?;
                let result = [("version", Value::Int(applied)), ("value", state)];
                return Some(Testimony {
                    node: Arc::clone(&node.name),
                    f: "final-read",
                    key: Value::str("state after an entry of the log"),
                    argument: Value::Nil,
                    result: Value::map(result),
                });
            }
        }
        None
    }

    async fn last_words(&self, daemon: &Daemon, node: &Node) -> String {
        format!("its log ends: {:?}", daemon.last_words(node).await)
    }
}

impl Db for Members {
    fn setup<'a>(&'a self, node: &'a Node, _: &'a [Node]) -> Job<'a, ()> {
        Box::pin(async move {
            let daemon = self.daemon(node);
            daemon.wipe(node).await?;
            check_free(node, &[CLIENT_PORT, PEER_PORT], &daemon.directory).await?;
            let needed = Needed {
                program: &daemon.program,
                flag: "--version",
                version: Some(&self.options.version),
                package: "etcd-server",
            };
            let version = needed.check(node).await?;
            self.version.get_or_init(|| version);
            daemon.start(node).await
        })
    }

    fn await_ready<'a>(&'a self, nodes: &'a [Node], limit: Duration) -> Job<'a, ()> {
        Box::pin(async move {
            if let Err(why) = until(limit, || self.is_formed(nodes)).await {
                let said = self.last_words(&self.daemon(&nodes[0]), &nodes[0]).await;
                let cause = format!("{why}; on {} {said}", nodes[0].name);
                return Err(wrong("form the cluster", "the members", cause));
            }
            let held = self.state(&nodes[0], false).await;
            let held = held.map_err(|why| wrong("read the store", &nodes[0].name, why))?;
            match held.0.get("keys") {
                Some(Value::Int(0)) => Ok(()),
                other => {
                    let cause = format!("{other:?} keys are left from something else");
                    Err(wrong("begin with an empty store", &nodes[0].name, cause))
                }
            }
        })
    }

    fn await_equal<'a>(&'a self, nodes: &'a [Node], limit: Duration) -> Job<'a, Equal> {
        Box::pin(async move { Ok(until_equal(nodes, limit, || self.states(nodes, true)).await) })
    }

    /// Members that have carried out the same log hold the same, with the same revisions.
    fn testimonies<'a>(&'a self, nodes: &'a [Node]) -> Job<'a, Vec<Testimony>> {
        Box::pin(async move {
            let told = on_all(nodes, async |node| {
                Ok::<_, DbError>(self.testimony(node).await)
            });
            Ok(told.await?.into_iter().flatten().collect())
        })
    }

    fn teardown<'a>(&'a self, node: &'a Node) -> Job<'a, ()> {
        Box::pin(async move { self.daemon(node).wipe(node).await })
    }

    fn log_files(&self, node: &Node) -> Vec<String> {
        vec![self.daemon(node).log()]
    }

    fn version(&self) -> Option<String> {
        self.version.get().cloned()
    }

    fn processes(&self) -> Option<&dyn Processes> {
        Some(self)
    }

    fn leaders(&self) -> Option<&dyn Leaders> {
        Some(self)
    }
}

impl Processes for Members {
    fn kill<'a>(&'a self, node: &'a Node) -> Job<'a, String> {
        Box::pin(async move { self.daemon(node).kill(node).await })
    }

    fn start<'a>(&'a self, node: &'a Node) -> Job<'a, String> {
        Box::pin(async move {
            let daemon = self.daemon(node);
            daemon.start(node).await?;
            let answers = || async { self.status(node).await.map(drop) };
            match until(START_LIMIT, answers).await {
                Ok(()) => Ok(format!("{} answers", node.name)),
                Err(why) => {
                    let cause = format!("{why}; {}", self.last_words(&daemon, node).await);
                    Err(wrong("start etcd", &node.name, cause))
                }
            }
        })
    }

    fn pause<'a>(&'a self, node: &'a Node) -> Job<'a, String> {
        Box::pin(async move { self.daemon(node).pause(node).await })
    }

    fn resume<'a>(&'a self, node: &'a Node) -> Job<'a, String> {
        Box::pin(async move { self.daemon(node).resume(node).await })
    }
}

impl Leaders for Members {
    fn leader<'a>(&'a self, nodes: &'a [Node]) -> Job<'a, Option<usize>> {
        Box::pin(async move {
            let leads = |(position, status): (usize, &Result<Status, String>)| {
                let status = status.as_ref().ok()?;
                (status.leader != 0 && status.leader == status.member)
                    .then_some((status.term, position))
            };
            let statuses = self.statuses(nodes).await;
            let leaders = statuses.iter().enumerate().filter_map(leads);
            Ok(leaders.max().map(|(_, position)| position))
        })
    }
}
