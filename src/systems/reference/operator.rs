//! What an operator does: set up, watch, kill, start, promote.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use checkers::history::Value;
use fixtures::config::{Replication, Switch};
use fixtures::failpoint::{Action, Arm, Failpoint};
use fixtures::protocol::{
    Fence, Fenced, LogPage, OpError, Promote, Promoted, Resolution, Role, Status,
};
use fixtures::record::Record;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::failover::{self, Consulted};
use super::{CLIENT_PORT, Crowd, HOME, Nodes, START_LIMIT, testimony};
use crate::cluster::{
    Clocks, Db, DbError, Equal, Failure, Job, Leaders, Node, Processes, Steps, Testimony,
};
use crate::remote::on_all;
use crate::systems::http::in_words;

/// How long a healthy node may take to answer the operator.
pub(super) const ASK_LIMIT: Duration = Duration::from_millis(500);
/// How long a node may take to say what it is while the load runs: the nemesis waits so long.
const OBSERVE_LIMIT: Duration = Duration::from_millis(100);
const POLL: Duration = Duration::from_millis(10);

impl Nodes {
    pub(super) async fn ask<T: DeserializeOwned>(
        &self,
        node: &Node,
        path: &str,
        body: Option<&(impl Serialize + Sync)>,
    ) -> Result<T, DbError> {
        let url = format!(
            "http://{}{path}",
            std::net::SocketAddr::new(node.address, CLIENT_PORT)
        );
        let failed = |cause: String| system(&format!("ask {path}"), &node.name, cause);
        let request = match body {
            Some(body) => self.http.post(url).json(body),
            None => self.http.get(url),
        };
        let answer = request.timeout(ASK_LIMIT).send().await;
        let answer = answer.map_err(|error| failed(in_words(&error)))?;
        let good = answer.status().is_success();
        let text = answer
            .text()
            .await
            .map_err(|error| failed(in_words(&error)))?;
        if !good {
            let refusal = serde_json::from_str::<OpError>(&text).map(|error| error.message);
            return Err(failed(refusal.unwrap_or(text)));
        }
        serde_json::from_str(&text).map_err(|error| failed(format!("{error} in {text:?}")))
    }

    async fn status(&self, node: &Node) -> Result<Status, DbError> {
        self.ask(node, "/status", None::<&()>).await
    }

    /// What each node says of itself; those that do not answer are none.
    async fn statuses(&self, nodes: &[Node]) -> Vec<Result<Status, DbError>> {
        let all = on_all(nodes, async |node| {
            Ok::<_, DbError>(self.status(node).await)
        })
        .await;
        all.unwrap_or_default()
    }

    async fn await_answer(&self, node: &Node) -> Result<Status, DbError> {
        let begun = Instant::now();
        loop {
            match self.status(node).await {
                Ok(status) => return Ok(status),
                Err(error) if begun.elapsed() > START_LIMIT => {
                    let said = self.daemon().last_words(node).await;
                    let cause = format!(
                        "no answer within {} s ({error}); its log ends: {said:?}",
                        START_LIMIT.as_secs()
                    );
                    return Err(system("start the node", &node.name, cause));
                }
                Err(_) => tokio::time::sleep(POLL).await,
            }
        }
    }

    /// The promises of the nodes that can be reached, and where their logs end.
    async fn consult(
        &self,
        nodes: &[Node],
        reachable: &[usize],
        epoch: u64,
        fencing: bool,
    ) -> Consulted {
        let answers = on_all(reachable, async |position| {
            let node = &nodes[*position];
            let answer = if fencing {
                let fence = Fence { epoch };
                self.ask::<Fenced>(node, "/admin/fence", Some(&fence)).await
            } else {
                self.status(node)
                    .await
                    .map(|status| failover::unfenced(&status))
            };
            Ok::<_, DbError>(answer.ok().map(|answer| (*position, answer)))
        })
        .await;
        let granted = answers.unwrap_or_default().into_iter().flatten();
        granted.filter(|(_, answer)| answer.granted).collect()
    }

    /// Those of the chosen that do not say what they are.
    async fn silent(&self, nodes: &[Node], chosen: &[usize]) -> Vec<usize> {
        let asked = on_all(chosen, async |position| {
            let answers = self.status(&nodes[*position]).await.is_ok();
            Ok::<_, DbError>((!answers).then_some(*position))
        })
        .await;
        asked.unwrap_or_default().into_iter().flatten().collect()
    }

    async fn testimonies_of(&self, node: &Node) -> Result<Vec<Testimony>, DbError> {
        if self.leaders().is_none() {
            let path = "/resolutions";
            let resolved: Vec<Resolution> = self.ask(node, path, None::<&()>).await?;
            let told = resolved
                .iter()
                .map(|one| testimony::resolved(&node.name, one));
            return Ok(told.collect());
        }
        let applied = self.status(node).await?.applied;
        let mut records: Vec<Record> = Vec::new();
        loop {
            let from = records.last().map_or(1, |record| record.position + 1);
            let path = format!("/log?from={from}");
            let page: LogPage = self.ask(node, &path, None::<&()>).await?;
            let done = page.records.is_empty();
            records.extend(page.records);
            if done || records.last().is_some_and(|last| last.position >= applied) {
                let told = testimony::node_log(&node.name, applied, &records);
                return Ok(told.into_iter().collect());
            }
        }
    }

    async fn failover(&self, nodes: &[Node], reachable: &[usize]) -> Result<Value, DbError> {
        let refuse = |cause: String| system("promote a follower", "the cluster", cause);
        let mode = self.operated().map_err(refuse)?;
        failover::may_promote(mode).map_err(refuse)?;
        let near: Vec<Option<Status>> = on_all(reachable, async |position| {
            Ok::<_, DbError>(self.status(&nodes[*position]).await.ok())
        })
        .await
        .unwrap_or_default();
        let epoch = failover::next_epoch(near.iter().flatten());
        let consulted = self
            .consult(nodes, reachable, epoch, mode.fencing == Switch::On)
            .await;
        let chosen = failover::choose(mode, nodes.len(), epoch, &consulted);
        let chosen = chosen.map_err(refuse)?;
        let promoted: Promoted = self
            .ask(&nodes[chosen], "/admin/promote", Some(&Promote { epoch }))
            .await?;
        let status = self.status(&nodes[chosen]).await?;
        let names: Vec<Arc<str>> = nodes.iter().map(|node| Arc::clone(&node.name)).collect();
        let told = failover::told(&names, &consulted, &promoted, &status).map_err(refuse)?;
        self.directory.announce(chosen);
        Ok(told)
    }
}

pub(super) fn number(number: u64) -> Value {
    Value::Int(i64::try_from(number).unwrap_or(i64::MAX))
}

pub(super) fn system(doing: &str, node: &str, cause: String) -> DbError {
    DbError::System {
        doing: doing.to_owned(),
        node: node.to_owned(),
        cause,
    }
}

/// Who leads the highest epoch, by position, among those that answered.
pub(super) fn leader<'a>(statuses: impl Iterator<Item = Option<&'a Status>>) -> Option<usize> {
    let leads = statuses.enumerate().filter_map(|(position, status)| {
        let status = status.filter(|status| status.role == Role::Leader)?;
        Some((status.epoch, position))
    });
    leads.max().map(|(_, position)| position)
}

/// The cluster is formed when one node leads, all others follow it, and it hears from them;
/// equals form one as soon as all of them answer.
pub(super) fn formed(crowd: Crowd, statuses: &[Status]) -> Result<(), String> {
    if crowd != Crowd::Led {
        return Ok(());
    }
    let leaders: Vec<&Status> = statuses.iter().filter(|s| s.role == Role::Leader).collect();
    let [leader] = leaders[..] else {
        return Err(format!("{} nodes lead", leaders.len()));
    };
    for status in statuses {
        if status.leader.as_deref() != Some(&leader.name) {
            return Err(format!("{} does not follow {}", status.name, leader.name));
        }
    }
    match leader.peers.iter().find(|peer| peer.silent_ms > 400) {
        Some(peer) => Err(format!("{} does not hear {}", leader.name, peer.name)),
        None if leader.secured == 0 => Err(format!("{} does not serve yet", leader.name)),
        None => Ok(()),
    }
}

/// Equal: formed, with the same contents, and where one leads the same log end applied
/// everywhere. Nobody keeps anything for somebody else any more.
pub(super) fn equal(crowd: Crowd, statuses: &[Status]) -> Result<(), String> {
    formed(crowd, statuses)?;
    let first = &statuses[0];
    if let Some(status) = statuses.iter().find(|status| status.hints > 0) {
        return Err(format!("{} keeps {} hints", status.name, status.hints));
    }
    if crowd != Crowd::Led {
        let differs = statuses.iter().find(|s| s.state_hash != first.state_hash);
        return match differs.filter(|_| crowd == Crowd::Peers) {
            Some(status) => Err(format!("{} differs from {}", status.name, first.name)),
            None => Ok(()),
        };
    }
    let differs = statuses.iter().find(|status| {
        status.last_position != first.last_position
            || status.applied != status.last_position
            || status.state_hash != first.state_hash
    });
    match differs {
        Some(status) => Err(format!("{} differs from {}", status.name, first.name)),
        None => Ok(()),
    }
}

pub(super) fn describe(status: &Status) -> Value {
    let dropped: usize = status
        .dropped
        .iter()
        .map(|dropped| dropped.writes.len())
        .sum();
    Value::map([
        ("role", Value::str(testimony::role(status.role))),
        ("epoch", number(status.epoch)),
        ("log-end", number(status.last_position)),
        ("applied", number(status.applied)),
        ("state", Value::str(&status.state_hash)),
        ("dropped-writes", number(dropped as u64)),
        ("degraded", Value::Bool(status.degraded)),
    ])
}

impl Db for Nodes {
    fn setup<'a>(&'a self, node: &'a Node, all: &'a [Node]) -> Job<'a, ()> {
        Box::pin(async move {
            self.daemon().wipe(node).await?;
            self.install(node).await?;
            self.configure(node, all).await?;
            self.daemon().start(node).await?;
            self.await_answer(node).await.map(drop)
        })
    }

    fn await_ready<'a>(&'a self, nodes: &'a [Node], limit: Duration) -> Job<'a, ()> {
        Box::pin(async move {
            let begun = Instant::now();
            loop {
                let crowd = Crowd::of(&self.mode, nodes.len());
                let statuses: Result<Vec<Status>, DbError> =
                    self.statuses(nodes).await.into_iter().collect();
                let missing = match &statuses {
                    Ok(statuses) => match formed(crowd, statuses) {
                        Ok(()) => return assert_empty(statuses),
                        Err(missing) => missing,
                    },
                    Err(error) => error.to_string(),
                };
                if begun.elapsed() > limit {
                    let cause = format!("not formed within {} s: {missing}", limit.as_secs());
                    return Err(system("form the cluster", "the nodes", cause));
                }
                tokio::time::sleep(POLL).await;
            }
        })
    }

    fn await_equal<'a>(&'a self, nodes: &'a [Node], limit: Duration) -> Job<'a, Equal> {
        Box::pin(async move {
            let begun = Instant::now();
            loop {
                let statuses = self.statuses(nodes).await;
                let all: Result<Vec<&Status>, &DbError> =
                    statuses.iter().map(Result::as_ref).collect();
                let all = all.map(|all| all.into_iter().cloned().collect::<Vec<Status>>());
                let crowd = Crowd::of(&self.mode, nodes.len());
                let reached = all.is_ok_and(|all| equal(crowd, &all).is_ok());
                if reached || begun.elapsed() > limit {
                    let states = nodes.iter().zip(&statuses).map(|(node, status)| {
                        let told = match status {
                            Ok(status) => describe(status),
                            Err(error) => Value::str(&error.to_string()),
                        };
                        (node.name.to_string(), told)
                    });
                    return Ok(Equal {
                        reached,
                        states: states.collect(),
                    });
                }
                tokio::time::sleep(POLL).await;
            }
        })
    }

    fn teardown<'a>(&'a self, node: &'a Node) -> Job<'a, ()> {
        Box::pin(async move { self.daemon().wipe(node).await })
    }

    fn log_files(&self, _: &Node) -> Vec<String> {
        let config = Path::new(HOME).join("node/config.json");
        vec![self.daemon().log(), config.to_string_lossy().into_owned()]
    }

    fn statuses<'a>(&'a self, nodes: &'a [Node]) -> Option<Job<'a, Value>> {
        self.leaders()?;
        Some(Box::pin(async move {
            let limit = OBSERVE_LIMIT;
            let asked = on_all(nodes, async |node| {
                let status = tokio::time::timeout(limit, self.status(node)).await;
                Ok::<_, DbError>(status.ok().and_then(Result::ok))
            })
            .await?;
            Ok(testimony::statuses(asked.iter().flatten()))
        }))
    }

    fn testimonies<'a>(&'a self, nodes: &'a [Node]) -> Job<'a, Vec<Testimony>> {
        Box::pin(async move {
            let told = on_all(nodes, async |node| self.testimonies_of(node).await).await?;
            Ok(told.into_iter().flatten().collect())
        })
    }

    fn processes(&self) -> Option<&dyn Processes> {
        Some(self)
    }

    fn steps(&self) -> Option<&dyn Steps> {
        Some(self)
    }

    fn clocks(&self) -> Option<&dyn Clocks> {
        Some(self)
    }

    fn leaders(&self) -> Option<&dyn Leaders> {
        match &self.mode {
            Replication::LeaderFollower(_) | Replication::Raft(_) => Some(self),
            Replication::MultiLeader(_) | Replication::Leaderless(_) => None,
        }
    }
}

fn assert_empty(statuses: &[Status]) -> Result<(), DbError> {
    match statuses.iter().find(|status| status.keys > 0) {
        None => Ok(()),
        Some(full) => {
            let cause = format!("{} keys are left from something else", full.keys);
            Err(system("begin with an empty store", &full.name, cause))
        }
    }
}

impl Processes for Nodes {
    fn kill<'a>(&'a self, node: &'a Node) -> Job<'a, String> {
        Box::pin(async move { self.daemon().kill(node).await })
    }

    fn start<'a>(&'a self, node: &'a Node) -> Job<'a, String> {
        Box::pin(async move {
            self.daemon().start(node).await?;
            let status = self.await_answer(node).await?;
            Ok(format!(
                "{} answers, its log ends at {}",
                status.name, status.last_position
            ))
        })
    }

    fn pause<'a>(&'a self, node: &'a Node) -> Job<'a, String> {
        Box::pin(async move { self.daemon().pause(node).await })
    }

    fn resume<'a>(&'a self, node: &'a Node) -> Job<'a, String> {
        Box::pin(async move { self.daemon().resume(node).await })
    }
}

impl Steps for Nodes {
    fn fail_at<'a>(
        &'a self,
        nodes: &'a [Node],
        chosen: &'a [usize],
        step: &'a str,
        action: Failure,
        limit: Duration,
    ) -> Job<'a, (Vec<usize>, String)> {
        Box::pin(async move {
            let order = Arm {
                at: Failpoint::find(step).ok_or_else(|| {
                    system(
                        "fail at a step",
                        "the nodes",
                        format!("none is called {step:?}"),
                    )
                })?,
                action: match action {
                    Failure::Kill => Action::Kill,
                    Failure::Stop => Action::Stop,
                },
                after: 0,
            };
            // Who is silent before has not failed at the step.
            let before = self.silent(nodes, chosen).await;
            let up = chosen.iter().filter(|node| !before.contains(node)).copied();
            let chosen: &[usize] = &up.collect::<Vec<_>>();
            // Who comes to the step at once may fail before it answers.
            on_all(chosen, async |position| {
                let node = &nodes[*position];
                let armed = self.ask::<bool>(node, "/admin/failpoint", Some(&order));
                Ok::<_, DbError>(armed.await.is_ok())
            })
            .await?;
            let begun = Instant::now();
            loop {
                let silent = self.silent(nodes, chosen).await;
                if silent.is_empty() && begun.elapsed() < limit {
                    tokio::time::sleep(POLL).await;
                    continue;
                }
                // Whoever takes the order back lives, and goes on living.
                let spared = on_all(chosen, async |position| {
                    let node = &nodes[*position];
                    let disarmed = self.ask::<bool>(node, "/admin/disarm", Some(&())).await;
                    Ok::<_, DbError>(disarmed.is_ok().then_some(*position))
                })
                .await?;
                let lives = |node: &&usize| spared.contains(&Some(**node));
                let failed = chosen.iter().filter(|node| !lives(node)).copied();
                let failed: Vec<usize> = failed.collect();
                if failed.is_empty() {
                    let why = format!("no node came to {step} within {} ms", limit.as_millis());
                    return Ok((failed, why));
                }
                let proofs = on_all(&failed, async |position| {
                    let node = &nodes[*position];
                    match action {
                        Failure::Kill => self.daemon().prove_gone(node).await,
                        Failure::Stop => self.daemon().prove_stopped(node).await,
                    }
                })
                .await?;
                return Ok((failed, format!("at {step}: {}", proofs.join("; "))));
            }
        })
    }
}

impl Leaders for Nodes {
    fn leader<'a>(&'a self, nodes: &'a [Node]) -> Job<'a, Option<usize>> {
        Box::pin(async move {
            let statuses = self.statuses(nodes).await;
            Ok(leader(statuses.iter().map(|status| status.as_ref().ok())))
        })
    }

    fn promote<'a>(&'a self, nodes: &'a [Node], reachable: &'a [usize]) -> Job<'a, Value> {
        Box::pin(self.failover(nodes, reachable))
    }
}
