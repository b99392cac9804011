//! A run in memory: the load, the faults and the operator of a plan against simulated nodes, in
//! virtual time, some hundred times faster than the clock.
//!
//! It tells the story of [`run`](crate::run) with the same generators, the same schedule and the
//! same choices, and what it records is judged by the same checkers. All chance comes from the
//! plan's seed: the same plan gives the same history, to the byte.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use checkers::calls::Calls;
use checkers::history::{F, History, Kind, Nanos, Op, Process, Value};
use fixtures::config::Replication;
use fixtures::failpoint::{Action, Failpoint};
use fixtures::replica::Replica;
use fixtures::replicas::{LeaderFollower, Leaderless, MultiLeader, Raft};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use workloads::finals;
use workloads::generator::{self, Context, Generator, Invocation, Next};

use crate::client::{Outcome, Reply};
use crate::cluster::Testimony;
use crate::interpreter::{STATUS, Seeds};
use crate::nemesis::partition::Grudge;
use crate::nemesis::schedule::{AtStep, Timeline, moments};
use crate::nemesis::target::{self, Target};
use crate::plan::Plan;
use crate::report::verdict::{Recovery, RunVerdict, Status};
use crate::run::{
    FINAL_ROUNDS, FINAL_TIMEOUT, Nothing, OBSERVE_EVERY, READY_LIMIT, json, judge_calls, paced,
    testimonies_asked, toothless,
};
use crate::systems::reference::{Ended, Simulated};
use crate::watch::Watch;

/// The loop takes so long to hand out an operation, and so no two begin at one instant.
const START_TAKES: Nanos = 5_000;
/// How often statuses are asked for while something is waited for.
const POLL: Nanos = 10_000_000;
/// How long the loop waits when nothing says how long.
const IDLE: Nanos = 100_000_000;

/// What a simulated run left.
#[derive(Clone, Debug, PartialEq)]
pub struct Simulation {
    /// What happened, as a real run records it.
    pub ops: Vec<Op>,
    /// Whether the nodes became equal in the end.
    pub recovery: Recovery,
    /// Why the run proves nothing, if it does not.
    pub trouble: Option<String>,
    /// Why the load was ended early, if a contradiction ended it.
    pub stopped: Option<String>,
}

/// Carries out a plan in memory.
///
/// # Panics
///
/// If the plan was not validated.
#[must_use]
pub fn simulate(plan: &Plan) -> Simulation {
    match plan.replication() {
        Some(Replication::LeaderFollower(mode)) => perform::<LeaderFollower>(plan, &mode),
        Some(Replication::Raft(mode)) => perform::<Raft>(plan, &mode),
        Some(Replication::MultiLeader(mode)) => perform::<MultiLeader>(plan, &mode),
        Some(Replication::Leaderless(mode)) => perform::<Leaderless>(plan, &mode),
        None => Simulation {
            ops: Vec::new(),
            recovery: Recovery::default(),
            trouble: Some(format!(
                "{} runs on hosts only: use schism run",
                plan.system.as_str()
            )),
            stopped: None,
        },
    }
}

fn perform<R: Replica>(plan: &Plan, mode: &R::Mode) -> Simulation
where
    R::Mode: Into<Replication>,
{
    let mut stage = Stage::<R>::new(plan, mode);
    let (recovery, trouble) = match stage.play() {
        // What was stopped early need not have seen every fault.
        Ok(recovery) if stage.stopped.is_some() => (recovery, None),
        Ok(recovery) => (recovery, toothless(plan, &stage.ops)),
        Err(trouble) => (Recovery::default(), Some(trouble)),
    };
    Simulation {
        ops: stage.ops,
        recovery,
        trouble,
        stopped: stage.stopped,
    }
}

/// Judges what a plan's simulation left, as a real run is judged.
///
/// # Panics
///
/// If the plan was not validated, or the recorded history breaks its laws: a bug of ours.
#[must_use]
pub fn judge(plan: &Plan, simulation: Simulation) -> RunVerdict {
    let Simulation {
        ops,
        recovery,
        trouble,
        stopped,
    } = simulation;
    if trouble.is_some() {
        return RunVerdict::unjudged(plan, &ops, Status::NotValid, trouble, recovery);
    }
    let history = History::new(ops).expect("what the simulation records keeps the laws");
    let mut verdict = judge_calls(plan, &Calls::of(&history), recovery);
    verdict.note_stopped(stopped);
    verdict
}

/// The simulated cluster, who is doing what on it, and what was recorded.
struct Stage<'p, R: Replica> {
    plan: &'p Plan,
    cluster: Simulated<R>,
    ops: Vec<Op>,
    watch: Option<Watch>,
    stopped: Option<String>,
    clients: Clients,
    nemesis: Nemesis,
    /// What the nemesis is doing.
    order: Option<Invocation>,
    /// When the nodes are asked what they say of themselves; none while nobody wants to know.
    observe_at: Option<Nanos>,
    load_rng: ChaCha8Rng,
    fault_rng: ChaCha8Rng,
}

/// Who is free, and who has asked what.
struct Clients {
    /// The process in each slot.
    processes: Vec<u32>,
    open: BTreeMap<u32, Invocation>,
    free: Vec<Process>,
    next_process: u32,
}

/// What is broken.
struct Nemesis {
    rng: ChaCha8Rng,
    /// The side of a partition on which the operator sits.
    near: Vec<usize>,
    killed: BTreeSet<usize>,
    paused: BTreeSet<usize>,
    /// By how many milliseconds the wall clocks of nodes were set.
    clocks: BTreeMap<usize, i64>,
    repeating: BTreeSet<usize>,
}

/// What one round of asking and answering is about.
struct Script<'a> {
    load: &'a mut dyn Generator,
    schedule: &'a mut dyn Generator,
    timeout: Duration,
}

/// What a generator's answer means for the loop.
enum Asked {
    Started,
    Waiting(Option<Nanos>),
    Over,
}

/// An entry before it has its place and its time.
struct Entry {
    process: Process,
    kind: Kind,
    asked: Invocation,
    error: Option<String>,
}

impl<'p, R: Replica> Stage<'p, R>
where
    R::Mode: Into<Replication>,
{
    fn new(plan: &'p Plan, mode: &R::Mode) -> Self {
        let seeds = Seeds::new(plan.seed);
        let (nodes, slots) = (plan.node_count(), plan.load.clients);
        let node_seed = seeds.source("simulation").random();
        let cluster = Simulated::new(nodes, mode, plan.clientele(), node_seed);
        Self {
            plan,
            cluster,
            ops: Vec::new(),
            watch: None,
            stopped: None,
            clients: Clients {
                processes: (0..slots).collect(),
                open: BTreeMap::new(),
                free: (0..slots).map(Process::Client).collect(),
                next_process: slots,
            },
            nemesis: Nemesis {
                rng: seeds.source("targets"),
                near: (0..nodes).collect(),
                killed: BTreeSet::new(),
                paused: BTreeSet::new(),
                clocks: BTreeMap::new(),
                repeating: BTreeSet::new(),
            },
            order: None,
            observe_at: None,
            load_rng: seeds.source("load"),
            fault_rng: seeds.source("faults"),
        }
    }

    fn play(&mut self) -> Result<Recovery, String> {
        let plan = self.plan;
        if !self.wait_until(READY_LIMIT, Simulated::<R>::formed) {
            return Err("the simulated cluster did not form".into());
        }
        self.phase("load");
        let moments = moments(&plan.faults, plan.load.time);
        self.watch = plan.load.stop_on_first.then(Watch::default);
        self.observe_at = Some(self.cluster.now());
        self.interpret(&mut Script {
            load: &mut *paced(plan),
            schedule: &mut Timeline::new(self.cluster.now(), moments),
            timeout: plan.load.timeout,
        })?;
        self.stopped = self.watch.take().and_then(|watch| watch.why());
        self.observe_at = None;

        self.phase("heal");
        self.note("heal", Value::Nil);
        let mended = self.recover();
        self.note("heal", mended);
        self.phase("recover");
        self.wait_until(plan.load.recovery, |cluster| cluster.equal().reached);
        let equal = self.cluster.equal();

        self.phase("final");
        let mut reads = finals::final_ops(&finals::keys(&self.ops), self.cluster.names());
        for _ in 0..FINAL_ROUNDS {
            reads = finals::unanswered(&self.ops, &reads);
            if reads.is_empty() {
                break;
            }
            self.interpret(&mut Script {
                load: &mut generator::list(reads.clone()),
                schedule: &mut Nothing,
                timeout: FINAL_TIMEOUT,
            })?;
        }
        let asked = testimonies_asked(plan);
        if !asked.is_empty() {
            let told = self.cluster.testimonies().into_iter();
            let process = Process::Client(self.clients.next_process);
            told.filter(|told| asked.contains(&told.f))
                .for_each(|told| self.testify(process, told));
        }
        self.phase("done");
        let states = equal.states.into_iter();
        Ok(Recovery {
            equal: Some(equal.reached),
            nodes: states.map(|(name, state)| (name, json(&state))).collect(),
        })
    }

    fn wait_until(&mut self, limit: Duration, done: impl Fn(&Simulated<R>) -> bool) -> bool {
        let end = self.cluster.now() + nanos(limit);
        while !done(&self.cluster) {
            let now = self.cluster.now();
            if now >= end {
                return false;
            }
            let ended = self.cluster.step(now + POLL);
            assert!(
                ended.is_empty(),
                "nobody asks while the nodes are waited for"
            );
        }
        true
    }

    /// Takes completions before it asks for anything new, as the real loop does.
    fn interpret(&mut self, script: &mut Script<'_>) -> Result<(), String> {
        let (mut load_over, mut schedule_over) = (false, false);
        loop {
            let now = self.cluster.now();
            if self.watch.as_ref().is_some_and(Watch::has_seen) {
                (load_over, schedule_over) = (true, true);
            }
            let (mut started, mut wake) = (false, now + IDLE);
            if !schedule_over && self.order.is_none() {
                match self.ask_schedule(script)? {
                    Asked::Started => started = true,
                    Asked::Waiting(until) => wake = until.map_or(wake, |until| wake.min(until)),
                    Asked::Over => schedule_over = true,
                }
            }
            if !load_over && let Some(at) = self.observe(now) {
                wake = wake.min(at);
            }
            if !load_over {
                match self.ask_load(script) {
                    Asked::Started => started = true,
                    Asked::Waiting(until) => wake = until.map_or(wake, |until| wake.min(until)),
                    Asked::Over => load_over = true,
                }
            }
            if load_over && schedule_over && self.clients.open.is_empty() && self.order.is_none() {
                return Ok(());
            }
            let until = if started { now + START_TAKES } else { wake };
            for ended in self.cluster.step(until.max(now + 1)) {
                match ended {
                    Ended::Operation {
                        slot,
                        process,
                        reply,
                    } => self.complete(script, slot, process, reply),
                    Ended::Promotion(done) => self.nemesis_done(script, done)?,
                    Ended::Ambush(done) => {
                        let done = done.map(|failed| self.ambushed(failed));
                        self.nemesis_done(script, done)?;
                    }
                }
            }
        }
    }

    fn ask_schedule(&mut self, script: &mut Script<'_>) -> Result<Asked, String> {
        let free = [Process::Nemesis];
        let mut ctx = Context {
            now: self.cluster.now(),
            free: &free,
            total: 1,
            rng: &mut self.fault_rng,
        };
        let order = match script.schedule.next(&mut ctx) {
            Next::Done => return Ok(Asked::Over),
            Next::Wait { until } => return Ok(Asked::Waiting(until)),
            Next::Invoke(_, order) => order,
        };
        self.tell_schedule(script, order.clone(), None);
        self.order = Some(order.clone());
        if let Some(done) = self.obey(&order) {
            self.nemesis_done(script, done)?;
        }
        Ok(Asked::Started)
    }

    fn nemesis_done(
        &mut self,
        script: &mut Script<'_>,
        done: Result<Value, String>,
    ) -> Result<(), String> {
        let mut order = self.order.take().expect("it was ordered");
        let failed = done.as_ref().err();
        let failed = failed.map(|why| format!("failed to {}: {why}", order.f));
        if let Ok(value) = done {
            order.value = value;
        }
        self.tell_schedule(script, order, failed.clone());
        failed.map_or(Ok(()), Err)
    }

    fn tell_schedule(&mut self, script: &mut Script<'_>, asked: Invocation, error: Option<String>) {
        let (process, kind) = (Process::Nemesis, Kind::Info);
        let op = self.record(Entry {
            process,
            kind,
            asked,
            error,
        });
        let free = [Process::Nemesis];
        let ctx = Context {
            now: op.time,
            free: &free,
            total: 1,
            rng: &mut self.fault_rng,
        };
        script.schedule.update(&ctx, &op);
    }

    fn ask_load(&mut self, script: &mut Script<'_>) -> Asked {
        if self.clients.free.is_empty() {
            return Asked::Waiting(None);
        }
        let mut ctx = Context {
            now: self.cluster.now(),
            free: &self.clients.free,
            total: self.clients.processes.len(),
            rng: &mut self.load_rng,
        };
        let (process, asked) = match script.load.next(&mut ctx) {
            Next::Done => return Asked::Over,
            Next::Wait { until } => return Asked::Waiting(until),
            Next::Invoke(process, asked) => (process, asked),
        };
        let (slot, number) = self.clients.begin(process, asked.clone());
        self.tell_load(
            script,
            Entry {
                process,
                kind: Kind::Invoke,
                asked: asked.clone(),
                error: None,
            },
        );
        self.cluster.invoke(slot, number, &asked, script.timeout);
        Asked::Started
    }

    fn complete(&mut self, script: &mut Script<'_>, slot: usize, number: u32, reply: Reply) {
        let Reply { outcome, node } = reply;
        let mut asked = self.clients.end(slot, number, &outcome);
        asked.node = node;
        let (kind, error) = match outcome {
            Outcome::Ok(value) => {
                asked.value = value;
                (Kind::Ok, None)
            }
            // The value of an operation without result is its argument.
            Outcome::Fail(reason) => (Kind::Fail, Some(reason)),
            Outcome::Info(reason) => (Kind::Info, Some(reason)),
        };
        let process = Process::Client(number);
        self.tell_load(
            script,
            Entry {
                process,
                kind,
                asked,
                error,
            },
        );
    }

    fn tell_load(&mut self, script: &mut Script<'_>, entry: Entry) {
        let op = self.record(entry);
        let ctx = Context {
            now: op.time,
            free: &self.clients.free,
            total: self.clients.processes.len(),
            rng: &mut self.load_rng,
        };
        script.load.update(&ctx, &op);
    }

    fn record(&mut self, entry: Entry) -> Op {
        let Invocation {
            f,
            key,
            value,
            node,
        } = entry.asked;
        let op = Op {
            index: self.ops.len(),
            time: self.cluster.now(),
            process: entry.process,
            kind: entry.kind,
            f,
            key,
            value,
            node,
            error: entry.error,
        };
        if let Some(watch) = &mut self.watch {
            watch.take(&op);
        }
        self.ops.push(op.clone());
        op
    }

    /// Asks the nodes what they say of themselves, if that is due and the nemesis is free; says
    /// when it is due next.
    fn observe(&mut self, now: Nanos) -> Option<Nanos> {
        let at = self.observe_at.filter(|_| self.order.is_none())?;
        if at > now {
            return Some(at);
        }
        let told = self.cluster.observe()?;
        self.note(STATUS, Value::Nil);
        self.note(STATUS, told);
        self.observe_at = Some(now + nanos(OBSERVE_EVERY));
        self.observe_at
    }

    fn testify(&mut self, process: Process, testimony: Testimony) {
        let Testimony {
            node,
            f,
            key,
            argument,
            result,
        } = testimony;
        for (kind, value) in [(Kind::Invoke, argument), (Kind::Ok, result)] {
            let mut asked = Invocation::new(F::new(f), Some(key.clone()), value);
            asked.node = Some(Arc::clone(&node));
            self.record(Entry {
                process,
                kind,
                asked,
                error: None,
            });
        }
    }

    fn note(&mut self, f: &'static str, value: Value) {
        self.record(Entry {
            process: Process::Nemesis,
            kind: Kind::Info,
            asked: Invocation::new(F::new(f), None, value),
            error: None,
        });
    }

    fn phase(&mut self, name: &str) {
        self.note("phase", Value::str(name));
    }

    /// Does what the nemesis is ordered to; none if that takes a while.
    fn obey(&mut self, order: &Invocation) -> Option<Result<Value, String>> {
        let done = match order.f.as_str() {
            "partition" => self.partition(order),
            "heal" => Ok(self.heal()),
            "kill" | "pause" if let Some(at) = AtStep::of(order) => match self.strike(order) {
                Ok(chosen) => match self.ambush(order, &chosen, &at) {
                    Ok(()) => return None,
                    Err(why) => Err(why),
                },
                Err(why) => Err(why),
            },
            "kill" => self.strike(order).map(|chosen| {
                chosen.iter().for_each(|node| self.cluster.kill(*node));
                self.nemesis.killed.extend(&chosen);
                self.struck(chosen)
            }),
            "start" => Ok(self.start()),
            "pause" => self.strike(order).map(|chosen| {
                chosen.iter().for_each(|node| self.cluster.pause(*node));
                self.nemesis.paused.extend(&chosen);
                self.struck(chosen)
            }),
            "resume" => Ok(self.resume()),
            "clock" => self
                .strike(order)
                .map(|chosen| self.set_clocks(order, chosen)),
            "reset-clock" => Ok(self.reset_clocks()),
            "repeat" => self.strike(order).map(|chosen| {
                let each = chosen.iter();
                each.for_each(|node| self.cluster.repeat_requests(*node, true));
                self.nemesis.repeating.extend(&chosen);
                self.struck(chosen)
            }),
            "repeat-no-more" => Ok(self.repeat_no_more()),
            "slow" => {
                let asked = order.value.get("up-to-ms").and_then(Value::as_int);
                let up_to_ms = asked.unwrap_or(0);
                let up_to = Duration::from_millis(up_to_ms.unsigned_abs());
                self.cluster.slow_messages(Some(up_to));
                Ok(proven([("up-to-ms", Value::Int(up_to_ms))]))
            }
            "fast" => {
                self.cluster.slow_messages(None);
                Ok(proven([]))
            }
            "promote" => {
                let reachable = self.nemesis.reachable();
                self.cluster.promote(&reachable);
                return None;
            }
            _ => Err("no such fault is known".into()),
        };
        Some(done)
    }

    /// Has nodes fail at a step.
    fn ambush(&mut self, order: &Invocation, chosen: &[usize], at: &AtStep) -> Result<(), String> {
        let step = Failpoint::find(&at.step);
        let step = step.ok_or_else(|| format!("no step is called {:?}", at.step))?;
        let action = if order.f == "kill" {
            Action::Kill
        } else {
            Action::Stop
        };
        self.cluster.fail_at(chosen, step, action, at.within);
        Ok(())
    }

    /// What became of the nodes that were to fail at a step.
    fn ambushed(&mut self, failed: Vec<usize>) -> Value {
        let order = self.order.as_ref().expect("it was ordered");
        let kills = order.f == "kill";
        let step = order.value.get("step").cloned().unwrap_or_default();
        let broken = if kills {
            &mut self.nemesis.killed
        } else {
            &mut self.nemesis.paused
        };
        broken.extend(&failed);
        proven([("nodes", self.names(failed)), ("step", step)])
    }

    /// Mends everything.
    fn recover(&mut self) -> Value {
        self.repeat_no_more();
        self.reset_clocks();
        self.cluster.slow_messages(None);
        let (network, resumed, started) = (self.heal(), self.resume(), self.start());
        Value::map([
            ("network", network),
            ("resumed", resumed),
            ("started", started),
        ])
    }

    fn choose(&mut self, order: &Invocation) -> Result<(Target, Vec<usize>), String> {
        let target = Target::of(order)?;
        let needed = Some(self.cluster.leader()).filter(|_| target.needs_leader());
        let nodes = self.cluster.names().len();
        let chosen = target::pick(target, nodes, needed.flatten(), &mut self.nemesis.rng);
        let chosen = chosen.ok_or("no node says that it leads")?;
        Ok((target, chosen))
    }

    fn strike(&mut self, order: &Invocation) -> Result<Vec<usize>, String> {
        self.choose(order).map(|(_, chosen)| chosen)
    }

    fn partition(&mut self, order: &Invocation) -> Result<Value, String> {
        let (target, chosen) = self.choose(order)?;
        let nodes = self.cluster.names().len();
        // A new partition takes the place of the one before.
        self.cluster.heal();
        for (node, dropped) in Grudge::of(target, nodes, &chosen).drops {
            for from in dropped {
                self.cluster.drop_packets(node, from);
            }
        }
        self.nemesis.near = (0..nodes).filter(|node| !chosen.contains(node)).collect();
        let groups = [chosen, self.nemesis.near.clone()];
        let groups = groups.map(|group| self.names(group));
        Ok(proven([
            ("target", Value::str(target.as_str())),
            ("groups", Value::List(groups.to_vec())),
            ("one-way", Value::Bool(target == Target::OneWay)),
        ]))
    }

    fn heal(&mut self) -> Value {
        self.cluster.heal();
        self.nemesis.near = (0..self.cluster.names().len()).collect();
        proven([])
    }

    fn start(&mut self) -> Value {
        let killed = std::mem::take(&mut self.nemesis.killed);
        killed.iter().for_each(|node| self.cluster.start(*node));
        self.struck(killed)
    }

    fn resume(&mut self) -> Value {
        let paused = std::mem::take(&mut self.nemesis.paused);
        paused.iter().for_each(|node| self.cluster.resume(*node));
        self.struck(paused)
    }

    fn set_clocks(&mut self, order: &Invocation, chosen: Vec<usize>) -> Value {
        let number = |name| order.value.get(name).and_then(Value::as_int).unwrap_or(0);
        let (by_ms, percent) = (number("by-ms"), number("rate-percent"));
        for node in &chosen {
            self.cluster.set_clock_rate(*node, percent);
            self.cluster.set_wall_clock(*node, by_ms);
            *self.nemesis.clocks.entry(*node).or_default() += by_ms;
        }
        let nodes = self.names(chosen);
        proven([
            ("nodes", nodes),
            ("by-ms", Value::Int(by_ms)),
            ("rate-percent", Value::Int(percent)),
        ])
    }

    fn reset_clocks(&mut self) -> Value {
        let clocks = std::mem::take(&mut self.nemesis.clocks);
        for (node, by_ms) in &clocks {
            self.cluster.set_clock_rate(*node, 0);
            self.cluster.set_wall_clock(*node, -by_ms);
        }
        self.struck(clocks.into_keys())
    }

    fn repeat_no_more(&mut self) -> Value {
        let repeating = std::mem::take(&mut self.nemesis.repeating);
        let each = repeating.iter();
        each.for_each(|node| self.cluster.repeat_requests(*node, false));
        self.struck(repeating)
    }

    /// What was done to the processes on these nodes, as histories tell it.
    fn struck(&self, chosen: impl IntoIterator<Item = usize>) -> Value {
        let names = self.names(chosen);
        if names.as_list().is_some_and(<[Value]>::is_empty) {
            return Value::map([("nodes", names)]);
        }
        proven([("nodes", names)])
    }

    fn names(&self, positions: impl IntoIterator<Item = usize>) -> Value {
        let name = |node: usize| Value::Str(Arc::clone(&self.cluster.names()[node]));
        Value::List(positions.into_iter().map(name).collect())
    }
}

impl Clients {
    /// Takes a free process; the answer is its slot and its number.
    fn begin(&mut self, process: Process, asked: Invocation) -> (usize, u32) {
        let position = self.free.iter().position(|free| *free == process);
        self.free
            .swap_remove(position.expect("a generator names only free processes"));
        let Process::Client(number) = process else {
            unreachable!("the nemesis is not among the clients")
        };
        let slot = self.processes.iter().position(|other| *other == number);
        self.open.insert(number, asked);
        (slot.expect("a free process has a slot"), number)
    }

    /// Sets a process free, or after `Info` the one that takes its place.
    fn end(&mut self, slot: usize, number: u32, outcome: &Outcome) -> Invocation {
        if matches!(outcome, Outcome::Info(_)) {
            self.processes[slot] = self.next_process;
            self.next_process += 1;
        }
        self.free.push(Process::Client(self.processes[slot]));
        self.open.remove(&number).expect("what ends has begun")
    }
}

impl Nemesis {
    /// Whom the operator reaches: whoever lives on its side.
    fn reachable(&self) -> Vec<usize> {
        let alive = |node: &&usize| !self.killed.contains(node) && !self.paused.contains(node);
        self.near.iter().filter(alive).copied().collect()
    }
}

/// Something that was done, with its proof: in memory nothing else can have happened.
fn proven<'a>(told: impl IntoIterator<Item = (&'a str, Value)>) -> Value {
    let proof = [
        ("proven", Value::Bool(true)),
        ("proof", Value::str("simulated")),
    ];
    Value::map(told.into_iter().chain(proof))
}

fn nanos(duration: Duration) -> Nanos {
    Nanos::try_from(duration.as_nanos()).unwrap_or(Nanos::MAX)
}
