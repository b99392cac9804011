//! The nemesis that breaks real hosts.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use checkers::history::Value;
use rand_chacha::ChaCha8Rng;
use workloads::generator::Invocation;

use super::partition::Grudge;
use super::schedule::AtStep;
use super::target::{self, Target};
use super::{Nemesis, NemesisError, net};
use crate::cluster::{Clocks, Cluster, DbError, Failure, Leaders, Processes};
use crate::remote::on_all;

/// How long a fault that must know who leads waits for nodes that are about to choose.
const ELECTION_LIMIT: Duration = Duration::from_secs(3);
const POLL: Duration = Duration::from_millis(50);

/// Breaks the hosts of a cluster, remembers what is broken, and mends it.
pub struct Faults {
    cluster: Arc<Cluster>,
    rng: ChaCha8Rng,
    grudge: Option<Grudge>,
    /// The side of a partition on which the operator sits.
    near: Vec<usize>,
    killed: BTreeSet<usize>,
    paused: BTreeSet<usize>,
    /// Those whose clocks may be wrong.
    skewed: BTreeSet<usize>,
}

/// What is done to the process on a node.
#[derive(Clone, Copy)]
enum Blow {
    Kill,
    Start,
    Pause,
    Resume,
}

impl Blow {
    fn name(self) -> &'static str {
        match self {
            Self::Kill => "kill",
            Self::Start => "start",
            Self::Pause => "pause",
            Self::Resume => "resume",
        }
    }
}

impl Faults {
    /// Nothing is broken yet; `rng` chooses among targets.
    #[must_use]
    pub fn new(cluster: Arc<Cluster>, rng: ChaCha8Rng) -> Self {
        let near = (0..cluster.nodes.len()).collect();
        Self {
            cluster,
            rng,
            grudge: None,
            near,
            killed: BTreeSet::new(),
            paused: BTreeSet::new(),
            skewed: BTreeSet::new(),
        }
    }

    /// Mends everything that may be broken, whether or not it is known to be, and proves it.
    ///
    /// # Errors
    ///
    /// The first thing that could not be mended; the others were tried all the same.
    pub async fn recover(&mut self) -> Result<Value, NemesisError> {
        let healed = self.heal().await;
        let resumed = self.undo(Blow::Resume).await;
        let started = self.undo(Blow::Start).await;
        let set_right = self.reset_clocks().await;
        let parts = [
            ("network", healed?),
            ("resumed", resumed?),
            ("started", started?),
            ("clocks", set_right?),
        ];
        Ok(Value::map(parts))
    }

    fn processes(&self, fault: &str) -> Result<&dyn Processes, NemesisError> {
        self.cluster
            .db
            .processes()
            .ok_or_else(|| unable(fault, "processes that can be killed"))
    }

    fn leaders(&self, fault: &str) -> Result<&dyn Leaders, NemesisError> {
        self.cluster
            .db
            .leaders()
            .ok_or_else(|| unable(fault, "a leader"))
    }

    async fn leader(&self, fault: &str) -> Result<Option<usize>, NemesisError> {
        let found = self.leaders(fault)?.leader(&self.cluster.nodes).await;
        found.map_err(|error| host(fault, &error))
    }

    /// Who leads, or does so after an election that is under way.
    async fn leader_soon(&self, fault: &str) -> Result<Option<usize>, NemesisError> {
        let begun = Instant::now();
        loop {
            let leader = self.leader(fault).await?;
            if leader.is_some() || begun.elapsed() > ELECTION_LIMIT {
                return Ok(leader);
            }
            tokio::time::sleep(POLL).await;
        }
    }

    async fn choose(&mut self, order: &Invocation) -> Result<(Target, Vec<usize>), NemesisError> {
        let fault = order.f.as_str();
        let target = Target::of(order).map_err(|why| no_target(fault, &why))?;
        let leader = if target.needs_leader() {
            self.leader_soon(fault).await?
        } else {
            None
        };
        let nodes = self.cluster.nodes.len();
        let chosen = target::pick(target, nodes, leader, &mut self.rng)
            .ok_or_else(|| no_target(fault, "no node says that it leads"))?;
        Ok((target, chosen))
    }

    async fn partition(&mut self, order: &Invocation) -> Result<Value, NemesisError> {
        let (target, chosen) = self.choose(order).await?;
        let nodes = self.cluster.nodes.len();
        let grudge = Grudge::of(target, nodes, &chosen);
        self.near = (0..nodes).filter(|node| !chosen.contains(node)).collect();
        self.grudge = Some(grudge.clone());
        let proof = net::cut(&self.cluster, &grudge).await?;
        let groups = Value::List(vec![
            self.cluster.names(chosen),
            self.cluster.names(self.near.clone()),
        ]);
        Ok(Value::map([
            ("target", Value::str(target.as_str())),
            ("groups", groups),
            ("one-way", Value::Bool(target == Target::OneWay)),
            ("proven", Value::Bool(true)),
            ("proof", Value::str(&proof)),
        ]))
    }

    async fn heal(&mut self) -> Result<Value, NemesisError> {
        let proof = net::heal(&self.cluster).await?;
        self.grudge = None;
        self.near = (0..self.cluster.nodes.len()).collect();
        Ok(Value::map([
            ("proven", Value::Bool(true)),
            ("proof", Value::str(&proof)),
        ]))
    }

    async fn strike(&mut self, blow: Blow, order: &Invocation) -> Result<Value, NemesisError> {
        let (_, chosen) = self.choose(order).await?;
        if let Some(at) = AtStep::of(order) {
            return self.strike_at(blow, &chosen, &at).await;
        }
        // Remembered before it is done: a blow that fails half-way must be mended too.
        match blow {
            Blow::Kill => self.killed.extend(&chosen),
            Blow::Pause => self.paused.extend(&chosen),
            Blow::Start | Blow::Resume => unreachable!("these undo; they do not strike"),
        }
        self.deal(blow, chosen).await
    }

    /// The node itself strikes when it comes to the step.
    async fn strike_at(
        &mut self,
        blow: Blow,
        chosen: &[usize],
        at: &AtStep,
    ) -> Result<Value, NemesisError> {
        let fault = format!("{} at {}", blow.name(), at.step);
        let cluster = Arc::clone(&self.cluster);
        let steps = cluster.db.steps();
        let steps = steps.ok_or_else(|| unable(&fault, "steps at which it can fail"))?;
        let action = match blow {
            Blow::Kill => Failure::Kill,
            Blow::Pause => Failure::Stop,
            Blow::Start | Blow::Resume => unreachable!("these undo; they do not strike"),
        };
        let done = steps.fail_at(&cluster.nodes, chosen, &at.step, action, at.within);
        let (failed, proof) = done.await.map_err(|error| host(&fault, &error))?;
        if failed.is_empty() {
            return Err(NemesisError::Unproven {
                fault,
                evidence: proof,
            });
        }
        match blow {
            Blow::Pause => self.paused.extend(&failed),
            _ => self.killed.extend(&failed),
        }
        Ok(Value::map([
            ("nodes", cluster.names(failed)),
            ("step", Value::str(&at.step)),
            ("proven", Value::Bool(true)),
            ("proof", Value::str(&proof)),
        ]))
    }

    async fn undo(&mut self, blow: Blow) -> Result<Value, NemesisError> {
        let chosen: Vec<usize> = match blow {
            Blow::Start => self.killed.iter().copied().collect(),
            Blow::Resume => self.paused.iter().copied().collect(),
            Blow::Kill | Blow::Pause => unreachable!("these strike; they do not undo"),
        };
        let done = self.deal(blow, chosen).await?;
        match blow {
            Blow::Start => self.killed.clear(),
            Blow::Resume => self.paused.clear(),
            Blow::Kill | Blow::Pause => {}
        }
        Ok(done)
    }

    async fn deal(&self, blow: Blow, chosen: Vec<usize>) -> Result<Value, NemesisError> {
        if chosen.is_empty() {
            return Ok(Value::map([("nodes", Value::List(Vec::new()))]));
        }
        let processes = self.processes(blow.name())?;
        let proofs = on_all(&chosen, async |position| {
            let node = &self.cluster.nodes[*position];
            let done = match blow {
                Blow::Kill => processes.kill(node).await,
                Blow::Start => processes.start(node).await,
                Blow::Pause => processes.pause(node).await,
                Blow::Resume => processes.resume(node).await,
            };
            done.map_err(|error| host(blow.name(), &error))
        })
        .await?;
        Ok(Value::map([
            ("nodes", self.cluster.names(chosen)),
            ("proven", Value::Bool(true)),
            ("proof", Value::str(&proofs.join("; "))),
        ]))
    }

    fn clocks(&self) -> Result<&dyn Clocks, NemesisError> {
        let clocks = self.cluster.db.clocks();
        clocks.ok_or_else(|| unable("clock", "clocks of its own"))
    }

    async fn set_clocks(&mut self, order: &Invocation) -> Result<Value, NemesisError> {
        let (_, chosen) = self.choose(order).await?;
        let number = |name| order.value.get(name).and_then(Value::as_int).unwrap_or(0);
        let (by_ms, percent) = (number("by-ms"), number("rate-percent"));
        self.skewed.extend(&chosen);
        let proofs = self.deal_clocks(&chosen, by_ms, percent).await?;
        Ok(Value::map([
            ("nodes", self.cluster.names(chosen)),
            ("by-ms", Value::Int(by_ms)),
            ("rate-percent", Value::Int(percent)),
            ("proven", Value::Bool(true)),
            ("proof", Value::str(&proofs)),
        ]))
    }

    /// Sets the clocks right of all who can be told: who is paused is told later, and who was
    /// killed starts with clocks that are right.
    async fn reset_clocks(&mut self) -> Result<Value, NemesisError> {
        let silent = |node: &usize| self.killed.contains(node) || self.paused.contains(node);
        let chosen: Vec<usize> = self
            .skewed
            .iter()
            .copied()
            .filter(|node| !silent(node))
            .collect();
        if chosen.is_empty() {
            return Ok(Value::map([("nodes", Value::List(Vec::new()))]));
        }
        let proofs = self.deal_clocks(&chosen, 0, 0).await?;
        self.skewed.retain(|node| !chosen.contains(node));
        Ok(Value::map([
            ("nodes", self.cluster.names(chosen)),
            ("proven", Value::Bool(true)),
            ("proof", Value::str(&proofs)),
        ]))
    }

    async fn deal_clocks(
        &self,
        chosen: &[usize],
        by_ms: i64,
        percent: i64,
    ) -> Result<String, NemesisError> {
        let clocks = self.clocks()?;
        let proofs = on_all(chosen, async |position| {
            let node = &self.cluster.nodes[*position];
            let set = clocks.set(node, by_ms, percent).await;
            set.map_err(|error| host("clock", &error))
        });
        Ok(proofs.await?.join("; "))
    }

    /// What the nodes say of themselves; whoever does not answer is not in it.
    async fn statuses(&self) -> Result<Value, NemesisError> {
        match self.cluster.db.statuses(&self.cluster.nodes) {
            Some(asked) => asked.await.map_err(|error| host("status", &error)),
            None => Ok(Value::Map(BTreeMap::new())),
        }
    }

    /// The operator sits on the larger side of a partition and asks whom it can reach.
    async fn promote(&self) -> Result<Value, NemesisError> {
        let alive = |node: &&usize| !self.killed.contains(node) && !self.paused.contains(node);
        let reachable: Vec<usize> = self.near.iter().filter(alive).copied().collect();
        let promoted = self
            .leaders("promote")?
            .promote(&self.cluster.nodes, &reachable)
            .await;
        promoted.map_err(|error| host("promote", &error))
    }
}

impl Nemesis for Faults {
    async fn invoke(&mut self, order: &Invocation) -> Result<Value, NemesisError> {
        match order.f.as_str() {
            "partition" => self.partition(order).await,
            "heal" => self.heal().await,
            "kill" => self.strike(Blow::Kill, order).await,
            "start" => self.undo(Blow::Start).await,
            "pause" => self.strike(Blow::Pause, order).await,
            "resume" => self.undo(Blow::Resume).await,
            "promote" => self.promote().await,
            "clock" => self.set_clocks(order).await,
            "reset-clock" => self.reset_clocks().await,
            "status" => self.statuses().await,
            other => Err(no_target(other, "no such fault is known")),
        }
    }
}

fn host(fault: &str, error: &DbError) -> NemesisError {
    NemesisError::Host {
        fault: fault.to_owned(),
        cause: format!("failed to {error}"),
    }
}

fn no_target(fault: &str, cause: &str) -> NemesisError {
    NemesisError::NoTarget {
        fault: fault.to_owned(),
        cause: cause.to_owned(),
    }
}

fn unable(fault: &str, what: &str) -> NemesisError {
    no_target(fault, &format!("this system has no {what}"))
}
