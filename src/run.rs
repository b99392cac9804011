//! The story of one run: set up → load with faults → heal → recover → final reads → collect →
//! judge → tear down.
//!
//! Whatever goes wrong on the way, what was broken is mended, what was recorded is kept, and
//! the run's directory gets a verdict, if only that the run proves nothing.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use checkers::calls::Calls;
use checkers::compose::side_by_side;
use checkers::history::{F, History, Op, Value};
use checkers::{Budget, Report};
use workloads::finals;
use workloads::generator::{self, Context, Generator, Next, rate, time_limit};

use crate::claim::Claim;
use crate::client::AnyConnect;
use crate::cluster::{Cluster, DbError, Node};
use crate::interpreter::{InterpretError, Interpreter, Recorder, Script, Seeds};
use crate::ledger;
use crate::nemesis::schedule::{Timeline, moments};
use crate::nemesis::{Faults, NemesisError};
use crate::plan::Plan;
use crate::progress::{Display, Mode};
use crate::remote::{Command, on_all};
use crate::report::verdict::{Recovery, RunVerdict, Status};
use crate::report::{dot, html, table::Charset, terminal, timeline};
use crate::store::{self, HISTORY, Journal, PLAN, StoreError, VERDICT};
use crate::systems::{self, System};

/// How long a cluster gets to form.
pub(crate) const READY_LIMIT: Duration = Duration::from_secs(15);
/// How often the nodes are asked what they say of themselves, while the load runs.
pub(crate) const OBSERVE_EVERY: Duration = Duration::from_millis(200);
/// How long a final read may take: nobody else asks any more.
pub(crate) const FINAL_TIMEOUT: Duration = Duration::from_secs(5);
/// How often what is finally read is asked for, at the most, where there is no answer.
pub(crate) const FINAL_ROUNDS: usize = 4;

/// What a run needs besides its plan.
pub struct Surroundings {
    /// The node program that is deployed.
    pub node_binary: PathBuf,
    /// The control program, as its user calls it.
    pub program: String,
    /// How progress is shown.
    pub progress: Mode,
    /// Raised to end the run early: the load stops, all else follows.
    pub stop: Arc<AtomicBool>,
}

/// Why a run proves nothing.
#[derive(Debug, thiserror::Error)]
enum RunError {
    #[error("failed to {0}")]
    Db(#[from] DbError),
    #[error("{0}")]
    Interpret(#[from] InterpretError),
    #[error("{0}")]
    Nemesis(#[from] NemesisError),
}

/// Carries out a plan on `nodes` and leaves everything in `directory`, which exists and is
/// empty.
///
/// # Errors
///
/// [`StoreError`] when not even a verdict could be written. Everything else that goes wrong is
/// in the verdict.
pub async fn run(
    plan: &Plan,
    nodes: Vec<Node>,
    directory: &Path,
    surroundings: &Surroundings,
) -> Result<RunVerdict, StoreError> {
    store::write_file(&directory.join(PLAN), plan.to_toml().as_bytes())?;
    let mut recorder = Recorder::new(Some(Journal::create(&directory.join(HISTORY))?));
    let mut display = Display::new(surroundings.progress, &plan.name);
    let mut stopped = None;
    let mut version = None;
    let needed = systems::Surroundings {
        node_binary: &surroundings.node_binary,
    };
    let (recovery, trouble) = match plan.system(&nodes, &needed) {
        Err(error) => (Recovery::default(), Some(RunError::from(error).to_string())),
        Ok(System { db, clients }) => {
            let stage = Stage {
                plan,
                cluster: Arc::new(Cluster { nodes, db }),
                clients,
                surroundings,
            };
            let played = stage.play(directory, &mut recorder, &mut display).await;
            version = stage.cluster.db.version();
            stopped = played.stopped;
            (played.recovery, played.trouble)
        }
    };
    display.phase("judge");
    let (ops, written) = recorder.finish();
    let trouble = trouble.or(written.err().map(|error| format!("failed to {error}")));
    let played = Played {
        recovery,
        trouble,
        stopped,
    };
    let mut verdict = judge(plan, ops, played, directory, surroundings);
    verdict.environment.version = version;
    display.finish();
    display.verdict(verdict.status.plain_word(), verdict.findings.len());
    leave(&verdict, directory)?;
    html::leave(directory);
    Ok(verdict)
}

/// What came of the part of a run that needs the hosts.
struct Played {
    recovery: Recovery,
    /// Why the run proves nothing, if it does not.
    trouble: Option<String>,
    /// Why the load was ended early, if a contradiction ended it.
    stopped: Option<String>,
}

/// The hosts and the system of one run.
struct Stage<'a> {
    plan: &'a Plan,
    cluster: Arc<Cluster>,
    clients: AnyConnect,
    surroundings: &'a Surroundings,
}

impl Stage<'_> {
    /// Everything that needs the hosts.
    async fn play(
        &self,
        directory: &Path,
        recorder: &mut Recorder,
        display: &mut Display,
    ) -> Played {
        let seeds = Seeds::new(self.plan.seed);
        let mut faults = Faults::new(Arc::clone(&self.cluster), seeds.source("targets"));
        let acted = self.act(&seeds, &mut faults, recorder, display).await;
        // The first trouble is the one that is told; mending is tried whatever it was.
        let mended = faults.recover().await;
        display.phase("collect logs");
        self.collect(directory).await;
        self.tear_down().await;
        let played = |recovery, trouble, stopped| Played {
            recovery,
            trouble,
            stopped,
        };
        match (acted, mended) {
            (Ok((recovery, stopped)), Ok(_)) => played(recovery, None, stopped),
            (Ok((recovery, stopped)), Err(error)) => {
                played(recovery, Some(error.to_string()), stopped)
            }
            (Err(error), _) => played(Recovery::default(), Some(error.to_string()), None),
        }
    }

    async fn act(
        &self,
        seeds: &Seeds,
        faults: &mut Faults,
        recorder: &mut Recorder,
        display: &mut Display,
    ) -> Result<(Recovery, Option<String>), RunError> {
        display.phase("set up");
        self.set_up().await?;
        let load = &self.plan.load;
        let mut interpreter = Interpreter::new(self.clients.clone(), load.clients, seeds);

        phase(recorder, display, "load");
        let mut timeline = Timeline::new(recorder.now(), moments(&self.plan.faults, load.time));
        let mut generator = paced(self.plan);
        if load.stop_on_first {
            recorder.watch();
        }
        let observes = self.cluster.db.statuses(&self.cluster.nodes).is_some();
        let script = Script {
            load: &mut *generator,
            schedule: &mut timeline,
            timeout: load.timeout,
            observe: observes.then_some(OBSERVE_EVERY),
            stop: &self.surroundings.stop,
            progress: &mut |progress, ops| display.update(progress, ops),
        };
        interpreter.run(recorder, faults, script).await?;
        let stopped = recorder.unwatch();

        phase(recorder, display, "heal");
        recorder.note(F::new("heal"), Value::Nil, None);
        let mended = faults.recover().await?;
        recorder.note(F::new("heal"), mended, None);
        phase(recorder, display, "recover");
        let equal = self
            .cluster
            .db
            .await_equal(&self.cluster.nodes, load.recovery)
            .await?;

        phase(recorder, display, "final");
        let names: Vec<Arc<str>> = self
            .cluster
            .nodes
            .iter()
            .map(|node| Arc::clone(&node.name))
            .collect();
        let mut reads = finals::final_ops(&finals::keys(recorder.ops()), &names);
        for _ in 0..FINAL_ROUNDS {
            reads = finals::unanswered(recorder.ops(), &reads);
            if reads.is_empty() || self.surroundings.stop.load(Ordering::Relaxed) {
                break;
            }
            let mut last = generator::list(reads.clone());
            let script = Script {
                load: &mut last,
                schedule: &mut Nothing,
                timeout: FINAL_TIMEOUT,
                observe: None,
                stop: &self.surroundings.stop,
                progress: &mut |progress, ops| display.update(progress, ops),
            };
            interpreter.run(recorder, faults, script).await?;
        }
        let asked = testimonies_asked(self.plan);
        if !asked.is_empty() {
            let told = self.cluster.db.testimonies(&self.cluster.nodes).await?;
            let process = interpreter.outsider();
            let wanted = told.into_iter().filter(|told| asked.contains(&told.f));
            wanted.for_each(|told| recorder.testify(process, told));
        }
        phase(recorder, display, "done");
        let states = equal.states.into_iter();
        let recovery = Recovery {
            equal: Some(equal.reached),
            nodes: states.map(|(name, state)| (name, json(&state))).collect(),
        };
        Ok((recovery, stopped))
    }

    /// What an earlier run broke or left is mended and removed first.
    async fn set_up(&self) -> Result<(), RunError> {
        let nodes = &self.cluster.nodes;
        let hello = Command::args(["true"]).timeout(READY_LIMIT);
        on_all(nodes, async |node| {
            node.remote.run(&hello).await.map_err(DbError::from)
        })
        .await?;
        crate::nemesis::net::heal(&self.cluster).await?;
        let db = &self.cluster.db;
        on_all(nodes, async |node| db.setup(node, nodes).await).await?;
        db.await_ready(nodes, READY_LIMIT).await?;
        Ok(())
    }

    /// A missing log is a pity, not a reason to lose the verdict.
    async fn collect(&self, directory: &Path) {
        let fetched = on_all(&self.cluster.nodes, async |node| {
            let place = directory.join("nodes").join(&*node.name);
            if let Err(error) = std::fs::create_dir_all(&place) {
                tracing::warn!("failed to make {}: {error}", place.display());
            }
            for file in self.cluster.db.log_files(node) {
                let target = place.join(local_name(&file, &place));
                if let Err(error) = node.remote.download(&file, &target).await {
                    tracing::warn!("failed to {error}");
                }
            }
            Ok::<(), std::convert::Infallible>(())
        });
        match fetched.await {
            Ok(_) => {}
            Err(never) => match never {},
        }
    }

    async fn tear_down(&self) {
        let db = &self.cluster.db;
        let done = on_all(&self.cluster.nodes, async |node| db.teardown(node).await).await;
        if let Err(error) = done {
            tracing::warn!("failed to {error}");
        }
    }
}

/// What a fetched file is called here: its name, or where that is taken, its directory's as well.
fn local_name(file: &str, place: &Path) -> String {
    let words: Vec<&str> = file.rsplit('/').take(2).collect();
    match words[..] {
        [name, directory] if place.join(name).exists() => format!("{directory}-{name}"),
        _ => words[0].to_owned(),
    }
}

/// The plan's operations, at its pace and for its time.
pub(crate) fn paced(plan: &Plan) -> Box<dyn Generator> {
    let operations = plan.workload().generator;
    match plan.load.rate {
        Some(per_s) => Box::new(time_limit(plan.load.time, rate(per_s, operations))),
        None => Box::new(time_limit(plan.load.time, operations)),
    }
}

/// What the nodes are asked for in the end, because a claim of the plan needs it.
pub(crate) fn testimonies_asked(plan: &Plan) -> Vec<&'static str> {
    let mut claims = plan.claims();
    claims.extend(plan.expect.keys());
    let needs = [
        ("prefix", "node-log"),
        ("resolver", "resolve"),
        ("convergence", "final-read"),
    ];
    let needed = |(checker, _): &(&str, _)| claims.iter().any(|claim| claim.checker() == *checker);
    let needs = needs.into_iter().filter(needed);
    needs.map(|(_, f)| f).collect()
}

/// A schedule without faults.
pub(crate) struct Nothing;

impl Generator for Nothing {
    fn next(&mut self, _: &mut Context<'_>) -> Next {
        Next::Done
    }

    fn update(&mut self, _: &Context<'_>, _: &Op) {}
}

fn phase(recorder: &mut Recorder, display: &mut Display, name: &str) {
    recorder.note(F::new("phase"), Value::str(name), None);
    display.phase(name);
}

pub(crate) fn json(value: &Value) -> serde_json::Value {
    serde_json::to_value(value).expect("values have a form in JSON")
}

fn judge(
    plan: &Plan,
    ops: Vec<Op>,
    played: Played,
    directory: &Path,
    surroundings: &Surroundings,
) -> RunVerdict {
    let Played {
        recovery,
        trouble,
        stopped,
    } = played;
    let interrupted = surroundings.stop.load(Ordering::Relaxed);
    let trouble = trouble.or_else(|| {
        if interrupted || stopped.is_some() {
            None
        } else {
            toothless(plan, &ops)
        }
    });
    let mut verdict = match trouble {
        Some(why) => RunVerdict::unjudged(plan, &ops, Status::NotValid, Some(why), recovery),
        None => match History::new(ops) {
            Ok(history) => {
                let calls = Calls::of(&history);
                let verdict = judge_calls(plan, &calls, recovery);
                draw(&verdict, &calls, &history, directory);
                if let Err(error) = ledger::leave(&calls, directory) {
                    tracing::warn!("failed to {error}");
                }
                verdict
            }
            Err(malformed) => {
                let why = format!("our own recording is wrong: {malformed}");
                RunVerdict::unjudged(plan, &[], Status::NotValid, Some(why), recovery)
            }
        },
    };
    if interrupted && verdict.why.is_none() {
        verdict.why = Some("interrupted: this judges only what was recorded until then".into());
    }
    verdict.note_stopped(stopped);
    let (place, program) = (directory.display(), &surroundings.program);
    verdict.reproduce = vec![
        format!("{program} check {place}"),
        format!("{program} run {place}/{PLAN}"),
    ];
    verdict
}

/// Judges a history with the checkers of the plan's workload.
///
/// # Panics
///
/// If the plan was not validated and names no workload that exists.
#[must_use]
pub fn judge_calls(plan: &Plan, calls: &Calls, recovery: Recovery) -> RunVerdict {
    let budget = Budget::unlimited();
    let mut reports = flat(plan.workload().checker.judge(calls, &budget));
    let judged = reports.iter();
    let judged = judged.filter_map(|report| Claim::of_checker(&report.checker));
    let judged: Vec<Claim> = judged.collect();
    let expected = plan.expect.keys().copied();
    let others: Vec<Claim> = expected.filter(|claim| !judged.contains(claim)).collect();
    let others = side_by_side(&Claim::judges(&others), calls, &budget);
    reports.extend(others.into_iter().flat_map(flat));
    RunVerdict::of_calls(plan, calls, &reports, recovery)
}

/// The parts of a composed report, or the report itself.
pub(crate) fn flat(report: Report) -> Vec<Report> {
    if report.parts.is_empty() {
        vec![report]
    } else {
        report.parts.into_iter().flat_map(flat).collect()
    }
}

/// Why the faults of the plan proved nothing: one that never came, or that hit nobody at work.
pub(crate) fn toothless(plan: &Plan, ops: &[Op]) -> Option<String> {
    for fault in &plan.faults {
        let f = fault.kind.as_str();
        let Some(begun) = ops.iter().position(|op| op.f == f) else {
            return Some(format!(
                "the {f} of the plan never came: it begins at {:?}, the load ended before",
                fault.at
            ));
        };
        let (before, during) = ops.split_at(begun);
        let end = during.iter().position(|op| op.f == fault.kind.undone_by());
        let during = &during[..end.unwrap_or(during.len())];
        let began = (during.iter()).any(|op| op.kind == checkers::history::Kind::Invoke);
        if !began && !is_under_way(before) {
            return Some(format!(
                "the {f} never bit: no operation was under way when it came, and none began while it \
                 lasted"
            ));
        }
    }
    None
}

/// Whether some operation that began among these did not end among them.
fn is_under_way(ops: &[Op]) -> bool {
    let mut open = std::collections::HashSet::new();
    for op in ops
        .iter()
        .filter(|op| op.process != checkers::history::Process::Nemesis)
    {
        match op.kind {
            checkers::history::Kind::Invoke => open.insert(&op.process),
            _ => open.remove(&op.process),
        };
    }
    !open.is_empty()
}

/// Failing to draw must not change a verdict.
fn draw(verdict: &RunVerdict, calls: &Calls, history: &History, directory: &Path) {
    let place = directory.join("findings");
    for finding in &verdict.findings {
        let bars = timeline::bars(calls, finding);
        let drawn = timeline::draw(&bars, 8, 120, Charset::Unicode);
        let text = terminal::story(finding, drawn.as_deref());
        let picture = dot::order(finding, history);
        let written = std::fs::create_dir_all(&place)
            .and_then(|()| std::fs::write(place.join(format!("{}.txt", finding.id)), text))
            .and_then(|()| std::fs::write(place.join(format!("{}.dot", finding.id)), picture));
        if let Err(error) = written {
            tracing::warn!("failed to draw {}: {error}", finding.id);
            return;
        }
    }
}

fn leave(verdict: &RunVerdict, directory: &Path) -> Result<(), StoreError> {
    let text = serde_json::to_vec_pretty(verdict).expect("a verdict has a form in JSON");
    store::write_file(&directory.join(VERDICT), &text)?;
    let words = terminal::run(
        verdict,
        &directory.display().to_string(),
        |_| None,
        Charset::Unicode,
    );
    store::write_file(&directory.join("summary.txt"), words.as_bytes())
}

#[cfg(test)]
mod tests {
    use checkers::history::{F, Kind, Process, Value};

    use super::*;

    fn op(process: Process, kind: Kind, f: &'static str) -> Op {
        Op {
            index: 0,
            time: 0,
            process,
            kind,
            f: F::new(f),
            key: None,
            value: Value::Nil,
            node: None,
            error: None,
        }
    }

    #[test]
    fn what_began_and_did_not_end_is_under_way() {
        let client = |number, kind| op(Process::Client(number), kind, "read");
        let pause = op(Process::Nemesis, Kind::Info, "pause");
        let mut ops = vec![client(1, Kind::Invoke), client(1, Kind::Ok)];
        assert!(!is_under_way(&ops));
        ops.push(pause);
        assert!(!is_under_way(&ops));
        ops.extend([client(1, Kind::Invoke), client(2, Kind::Invoke)]);
        ops.push(client(1, Kind::Info));
        assert!(is_under_way(&ops));
        ops.push(client(2, Kind::Fail));
        assert!(!is_under_way(&ops));
    }
}
