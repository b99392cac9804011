//! The nodes in memory, in virtual time, with their clients and their operator.
//!
//! The nodes run the code that is deployed. Clients and operator do what the real ones do: they
//! share all that is not a socket with them. They reach every node at any time, as on hosts,
//! where only the packets between nodes are dropped. The same seed and the same calls give the
//! same answers at the same times.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use checkers::history::{Nanos, Value};
use fixtures::config::{Mode, Replication, Switch};
use fixtures::drive::sim::{Event, Network, Outcome, Sim};
use fixtures::failpoint::{Action, Arm, Failpoint};
use fixtures::protocol::{Promoted, Request, Response, Status};
use fixtures::record::Record;
use fixtures::replica::{self, MILLISECOND, Replica, Token};
use workloads::generator::Invocation;

use super::failover::{self, Consulted};
use super::operator::{self, ASK_LIMIT};
use super::session::{Asked, Session, Sessions, Silence};
use super::{Crowd, Directory, testimony};
use crate::client::{Clientele, Reply};
use crate::cluster::{Equal, Testimony};

/// Messages of nodes, clients and operator take this long, and disks too: a local network and a
/// modest disk, so that operations overlap and followers lag.
const NETWORK: Network = Network {
    delay_min: MILLISECOND / 5,
    delay_max: MILLISECOND,
    loss: 0.0,
    duplication: 0.0,
    sync_min: MILLISECOND / 2,
    sync_max: 3 * MILLISECOND,
};

/// So much later what clients ask reaches a node again, where it does: as a packet that was sent
/// twice, or a proxy that did not hear the answer.
const REPEATED_AFTER: Nanos = 30 * MILLISECOND;

/// A cluster in memory, its clients and its operator.
pub struct Simulated<R: Replica> {
    sim: Sim<R>,
    mode: Replication,
    crowd: Crowd,
    names: Arc<[Arc<str>]>,
    /// Nodes that are up but stopped; they answer nobody.
    paused: BTreeSet<usize>,
    /// Nodes that what clients ask reaches twice.
    repeating: BTreeSet<usize>,
    /// What will reach a node once more, and when.
    repeats: BTreeMap<(Nanos, Token), (usize, Request)>,
    sessions: Sessions,
    /// The process in each slot, once it has asked something.
    clients: Vec<Option<(u32, Session)>>,
    directory: Arc<Directory>,
    open: BTreeMap<Token, Open>,
    /// When the clients' patience ends.
    deadlines: BTreeSet<(Nanos, Token)>,
    failover: Option<Failover>,
    /// Who is to fail at a step.
    ambush: Option<Ambush>,
    ended: Vec<Ended>,
}

/// Nodes that were told to fail at a step, and how long is waited for one of them.
struct Ambush {
    nodes: Vec<usize>,
    step: Failpoint,
    deadline: Nanos,
}

/// Something that was asked for has come to an end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// A client's operation.
    Operation {
        /// The client's slot.
        slot: usize,
        /// The client's process.
        process: u32,
        /// What the client tells of it.
        reply: Reply,
    },
    /// The operator's promotion: what was done, or why nothing was, in words.
    Promotion(Result<Value, String>),
    /// Nodes that were to fail at a step: those that did, or why none did, in words.
    Ambush(Result<Vec<usize>, String>),
}

struct Open {
    slot: usize,
    process: u32,
    asked: Asked,
    deadline: Nanos,
}

/// A promotion under way.
struct Failover {
    mode: Mode,
    epoch: u64,
    /// When whoever has not answered by then counts as silent.
    deadline: Nanos,
    consulted: Consulted,
    step: Step,
}

enum Step {
    /// These have been asked to promise.
    Fencing(BTreeMap<Token, usize>),
    /// This node has been asked to lead.
    Promoting(Token, usize),
}

impl<R: Replica> Simulated<R>
where
    R::Mode: Into<Replication>,
{
    /// So many nodes, just started, and their clients; everything by chance comes from the
    /// seeds.
    ///
    /// # Panics
    ///
    /// If the mode is not valid for so many nodes.
    #[must_use]
    pub fn new(nodes: usize, mode: &R::Mode, clientele: Clientele, node_seed: u64) -> Self {
        let names: Arc<[Arc<str>]> = (1..=nodes)
            .map(|number| Arc::from(format!("n{number}").as_str()))
            .collect();
        let directory = Arc::<Directory>::default();
        let shared = Arc::clone(&directory);
        let replication: Replication = mode.clone().into();
        let crowd = Crowd::of(&replication, nodes);
        Self {
            sim: Sim::new(nodes, mode, NETWORK, node_seed),
            mode: replication,
            crowd,
            sessions: Sessions::new(names.iter().cloned(), clientele, shared, crowd),
            names,
            paused: BTreeSet::new(),
            repeating: BTreeSet::new(),
            repeats: BTreeMap::new(),
            clients: (0..clientele.slots).map(|_| None).collect(),
            directory,
            open: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            failover: None,
            ambush: None,
            ended: Vec::new(),
        }
    }

    /// The virtual time, since the nodes were started.
    #[must_use]
    pub fn now(&self) -> Nanos {
        self.sim.now()
    }

    /// The names of the nodes, by position.
    #[must_use]
    pub fn names(&self) -> &[Arc<str>] {
        &self.names
    }

    /// Has the client in a slot perform an operation within `timeout`. A new process number
    /// means a new client.
    pub fn invoke(&mut self, slot: usize, process: u32, op: &Invocation, timeout: Duration) {
        let client = &mut self.clients[slot];
        let session = match client {
            Some((number, session)) if *number == process => session,
            _ => {
                &mut client
                    .insert((process, self.sessions.open(slot, process)))
                    .1
            }
        };
        match session.ask(op) {
            Err(reply) => self.ended.push(Ended::Operation {
                slot,
                process,
                reply,
            }),
            Ok(asked) => {
                let token = self.sim.request(asked.position, asked.request.clone());
                let deadline = self.now() + nanos(timeout);
                self.deadlines.insert((deadline, token));
                if self.repeating.contains(&asked.position) {
                    let again = (self.now() + REPEATED_AFTER, token);
                    let request = (asked.position, asked.request.clone());
                    self.repeats.insert(again, request);
                }
                self.open.insert(
                    token,
                    Open {
                        slot,
                        process,
                        asked,
                        deadline,
                    },
                );
            }
        }
    }

    /// Lets time pass until something ends, at the latest until `until`; returns what ended.
    pub fn step(&mut self, until: Nanos) -> Vec<Ended> {
        if self.ended.is_empty() {
            let patience = self.deadlines.first().map(|(at, _)| *at);
            let operator = self.failover.as_ref().map(|failover| failover.deadline);
            let again = self.repeats.first_key_value().map(|((at, _), _)| *at);
            // Who fails at a step does so without a word.
            let look = self.ambush.as_ref().map(|_| self.now() + MILLISECOND);
            let due = [patience, operator, again, look].into_iter().flatten();
            let due = due.fold(until, Nanos::min);
            for event in self.sim.step_until_event(due) {
                self.answered(event);
            }
            self.run_out_of_patience();
            self.repeat();
            self.spring();
        }
        std::mem::take(&mut self.ended)
    }

    /// Has the first of these nodes that comes to a step be killed there, or stopped; the
    /// others are left alone then. A step that none comes to in time ends in an error.
    pub fn fail_at(&mut self, nodes: &[usize], step: Failpoint, action: Action, within: Duration) {
        // Who is down or stopped before has not failed at the step.
        let well = |node: &&usize| self.sim.is_up(**node) && !self.sim.is_paused(**node);
        let nodes: Vec<usize> = nodes.iter().filter(well).copied().collect();
        let order = Arm {
            at: step,
            action,
            after: 0,
        };
        for node in &nodes {
            self.sim.arm(*node, order);
        }
        self.ambush = Some(Ambush {
            nodes,
            step,
            deadline: self.now() + nanos(within),
        });
    }

    /// Looks whether a node has failed at its step.
    fn spring(&mut self) {
        let Some(ambush) = &self.ambush else { return };
        let struck = |node: &&usize| !self.sim.is_up(**node) || self.sim.is_paused(**node);
        let struck: Vec<usize> = ambush.nodes.iter().filter(struck).copied().collect();
        if struck.is_empty() && self.now() < ambush.deadline {
            return;
        }
        for node in &ambush.nodes {
            self.sim.disarm(*node);
        }
        let stopped = struck.iter().filter(|node| self.sim.is_paused(**node));
        self.paused.extend(stopped);
        let done = if struck.is_empty() {
            Err(format!("no node came to {} in time", ambush.step.name()))
        } else {
            Ok(struck)
        };
        self.ambush = None;
        self.ended.push(Ended::Ambush(done));
    }

    /// Kills a node.
    pub fn kill(&mut self, node: usize) {
        self.sim.crash(node);
        self.paused.remove(&node);
    }

    /// Starts a node that was killed.
    pub fn start(&mut self, node: usize) {
        self.sim.restart(node);
    }

    /// Stops a node's clockwork.
    pub fn pause(&mut self, node: usize) {
        if self.sim.is_up(node) {
            self.sim.pause(node);
            self.paused.insert(node);
        }
    }

    /// Lets it go on.
    pub fn resume(&mut self, node: usize) {
        self.sim.resume(node);
        self.paused.remove(&node);
    }

    /// Has a node drop what another one sends it.
    pub fn drop_packets(&mut self, node: usize, from: usize) {
        self.sim.cut(from, node);
    }

    /// Has what clients ask of a node reach it again a little later, from now on or no longer.
    /// Nobody hears what it answers to that.
    pub fn repeat_requests(&mut self, node: usize, again: bool) {
        if again {
            self.repeating.insert(node);
        } else {
            self.repeating.remove(&node);
        }
    }

    /// Has messages take up to so long, or as long as usual again.
    pub fn slow_messages(&mut self, up_to: Option<Duration>) {
        let delay_max = up_to.map_or(NETWORK.delay_max, nanos);
        self.sim.set_network(Network {
            delay_max: delay_max.max(NETWORK.delay_min),
            ..NETWORK
        });
    }

    /// Has a node's clocks run faster by so many percent, or slower.
    pub fn set_clock_rate(&mut self, node: usize, percent: i64) {
        self.sim.set_clock_rate(node, percent * 10_000);
    }

    /// Moves a node's wall clock by so many milliseconds.
    pub fn set_wall_clock(&mut self, node: usize, by_ms: i64) {
        self.sim.set_wall_clock(node, by_ms * 1_000_000);
    }

    /// Has all nodes hear each other again.
    pub fn heal(&mut self) {
        self.sim.heal();
    }

    /// Whether one node leads and all others follow it.
    #[must_use]
    pub fn formed(&self) -> bool {
        let all: Option<Vec<Status>> = self.statuses().into_iter().collect();
        all.is_some_and(|all| operator::formed(self.crowd, &all).is_ok())
    }

    /// Whether the nodes are equal, and what each says of itself.
    #[must_use]
    pub fn equal(&self) -> Equal {
        let statuses = self.statuses();
        let states = statuses.iter().zip(self.names.iter());
        let states = states.map(|(status, name)| {
            let told = status.as_ref().map(operator::describe);
            (name.to_string(), told.unwrap_or(Value::str("no answer")))
        });
        let states = states.collect();
        let all: Option<Vec<Status>> = statuses.into_iter().collect();
        let reached = all.is_some_and(|all| operator::equal(self.crowd, &all).is_ok());
        Equal { reached, states }
    }

    /// What the nodes that answer say of themselves; none where nobody leads.
    #[must_use]
    pub fn observe(&self) -> Option<Value> {
        let led = self.crowd == Crowd::Led;
        led.then(|| testimony::statuses(self.statuses().iter().flatten()))
    }

    /// What the nodes keep that proves something.
    #[must_use]
    pub fn testimonies(&self) -> Vec<Testimony> {
        let mut told = Vec::new();
        for (node, status) in self.statuses().into_iter().enumerate() {
            let Some(status) = status else { continue };
            let name = &self.names[node];
            if self.crowd == Crowd::Led {
                let mut records: Vec<Record> = Vec::new();
                let after = |records: &[Record]| records.last().map_or(0, |last| last.position);
                while let Some(page) = self.sim.log(node, 1 + after(&records))
                    && !page.records.is_empty()
                {
                    records.extend(page.records);
                }
                told.extend(testimony::node_log(name, status.applied, &records));
            }
            let resolved = self.sim.resolutions(node);
            told.extend(resolved.iter().map(|one| testimony::resolved(name, one)));
        }
        told
    }

    /// The node that leads with the highest epoch, by position, among those that answer.
    #[must_use]
    pub fn leader(&self) -> Option<usize> {
        operator::leader(self.statuses().iter().map(Option::as_ref))
    }

    /// Has the operator begin to make one of the `reachable` nodes lead.
    pub fn promote(&mut self, reachable: &[usize]) {
        let Replication::LeaderFollower(mode) = self.mode.clone() else {
            let why = format!("with {} nobody is promoted", self.mode.name());
            return self.ended.push(Ended::Promotion(Err(why)));
        };
        if let Err(why) = failover::may_promote(&mode) {
            return self.ended.push(Ended::Promotion(Err(why)));
        }
        let statuses = self.statuses();
        let near = || {
            let of = |node: &usize| Some((*node, statuses[*node].as_ref()?));
            reachable.iter().filter_map(of)
        };
        let epoch = failover::next_epoch(near().map(|(_, status)| status));
        let mut failover = Failover {
            epoch,
            deadline: self.now() + nanos(ASK_LIMIT),
            consulted: Consulted::new(),
            mode: mode.clone(),
            step: Step::Fencing(BTreeMap::new()),
        };
        if mode.fencing == Switch::On {
            let asked = reachable
                .iter()
                .map(|node| (self.sim.fence(*node, epoch), *node));
            failover.step = Step::Fencing(asked.collect());
        } else {
            let unfenced = near().map(|(node, status)| (node, failover::unfenced(status)));
            failover.consulted = unfenced.collect();
        }
        self.go_on(failover);
    }

    /// What each node says of itself; none of those that do not answer.
    fn statuses(&self) -> Vec<Option<Status>> {
        let answers = |node: &usize| !self.paused.contains(node);
        (0..self.names.len())
            .map(|node| Some(node).filter(answers).and_then(|n| self.sim.status(n)))
            .collect()
    }

    fn answered(&mut self, event: Event) {
        let Event { token, outcome, .. } = event;
        if let Some(open) = self.open.remove(&token) {
            self.deadlines.remove(&(open.deadline, token));
            let answer = match outcome {
                Outcome::Answered(reply) => Ok(of_operation(reply)),
                Outcome::Refused => Err(Silence::Refused),
                Outcome::Broken => Err(Silence::Broken("the connection was reset".into())),
            };
            self.conclude(open, answer);
        } else if let Some(failover) = self.failover.take() {
            // Otherwise somebody's patience was over before.
            self.hear(failover, token, outcome);
        }
    }

    fn run_out_of_patience(&mut self) {
        let now = self.now();
        while let Some((at, token)) = self.deadlines.first().copied()
            && at <= now
        {
            self.deadlines.remove(&(at, token));
            if let Some(open) = self.open.remove(&token) {
                self.conclude(open, Err(Silence::TimedOut));
            }
        }
        if let Some(mut failover) = self.failover.take_if(|failover| failover.deadline <= now) {
            match &mut failover.step {
                Step::Fencing(waiting) => {
                    waiting.clear();
                    self.go_on(failover);
                }
                Step::Promoting(_, node) => {
                    let why = format!("{} did not answer in time", self.names[*node]);
                    self.ended.push(Ended::Promotion(Err(why)));
                }
            }
        }
    }

    fn repeat(&mut self) {
        let now = self.now();
        while let Some(first) = self.repeats.first_entry()
            && first.key().0 <= now
        {
            let (node, request) = first.remove();
            self.sim.request(node, request);
        }
    }

    fn conclude(&mut self, open: Open, answer: Result<Response, Silence>) {
        let Open {
            slot,
            process,
            asked,
            ..
        } = open;
        let client = self.clients[slot].as_mut();
        let (_, session) = client.expect("whoever asked has a session");
        let reply = session.conclude(&asked, answer);
        self.ended.push(Ended::Operation {
            slot,
            process,
            reply,
        });
    }

    /// Takes in what the operator was answered.
    fn hear(&mut self, mut failover: Failover, token: Token, outcome: Outcome) {
        match (&mut failover.step, outcome) {
            (Step::Fencing(waiting), outcome) => {
                if let Some(node) = waiting.remove(&token)
                    && let Outcome::Answered(replica::Reply::Fenced(Ok(fenced))) = outcome
                    && fenced.granted
                {
                    failover.consulted.push((node, fenced));
                }
                self.go_on(failover);
            }
            (Step::Promoting(asked, node), outcome) if *asked == token => {
                let done = match outcome {
                    Outcome::Answered(replica::Reply::Promoted(Ok(promoted))) => {
                        self.finish(*node, &failover.consulted, &promoted)
                    }
                    Outcome::Answered(_) | Outcome::Refused | Outcome::Broken => {
                        Err(format!("{} would not lead: {outcome:?}", self.names[*node]))
                    }
                };
                self.ended.push(Ended::Promotion(done));
            }
            (Step::Promoting(..), _) => self.failover = Some(failover),
        }
    }

    /// Promotes, once everybody who was asked has promised, refused or been silent.
    fn go_on(&mut self, mut failover: Failover) {
        if let Step::Fencing(waiting) = &failover.step
            && waiting.is_empty()
        {
            failover.consulted.sort_by_key(|(node, _)| *node);
            let nodes = self.names.len();
            match failover::choose(&failover.mode, nodes, failover.epoch, &failover.consulted) {
                Err(why) => return self.ended.push(Ended::Promotion(Err(why))),
                Ok(node) => {
                    let token = self.sim.promote(node, failover.epoch);
                    failover.step = Step::Promoting(token, node);
                    failover.deadline = self.now() + nanos(ASK_LIMIT);
                }
            }
        }
        self.failover = Some(failover);
    }

    fn finish(
        &self,
        node: usize,
        consulted: &Consulted,
        promoted: &Promoted,
    ) -> Result<Value, String> {
        let status = self.sim.status(node).ok_or("it is down again")?;
        let told = failover::told(&self.names, consulted, promoted, &status)?;
        self.directory.announce(node);
        Ok(told)
    }
}

fn of_operation(reply: replica::Reply) -> Response {
    match reply {
        replica::Reply::Op(response) => response,
        replica::Reply::Fenced(_) | replica::Reply::Promoted(_) => {
            unreachable!("operations are not answered so")
        }
    }
}

fn nanos(duration: Duration) -> Nanos {
    Nanos::try_from(duration.as_nanos()).unwrap_or(Nanos::MAX)
}
