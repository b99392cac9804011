//! `verdict.json`: all that a run found out, in one value with a versioned schema.

use std::collections::BTreeMap;

use checkers::calls::Calls;
use checkers::history::{History, Kind, Nanos, Op, Process};
use checkers::lattice::Standing;
use checkers::{Anomaly, Dependency, Report, Verdict};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::claim::{Claim, Expected};
use crate::plan::{Label, Plan};

/// The version of the schema; it changes when a reader of the old one would go wrong.
pub const SCHEMA: &str = "schism.verdict/1";

/// What a run found out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RunVerdict {
    /// `schism.verdict/1`.
    pub schema: String,
    /// The plan's name.
    pub name: String,
    /// What a campaign's table calls the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<Label>,
    /// Every random choice came from this number.
    pub seed: u64,
    /// Of all claims, the worst; or that nothing could be judged.
    pub status: Status,
    /// The exit code of a run without expectations.
    pub exit_code: u8,
    /// Why nothing could be judged, or why the run is partial.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// One for each claim.
    pub claims: Vec<ClaimVerdict>,
    /// The strongest guarantees that still stand, and the weakest that are refuted.
    #[serde(default)]
    #[schemars(with = "serde_json::Value")]
    pub standing: Standing,
    /// The contradictions, numbered `F1`, `F2` …, most telling first within a claim.
    pub findings: Vec<Finding>,
    /// What was done to the system, in order.
    pub faults: Vec<FaultRecord>,
    /// Whether the nodes became equal after all faults were healed.
    pub recovery: Recovery,
    /// How many operations of each kind ended how.
    pub coverage: BTreeMap<String, Outcomes>,
    /// The figures of each checker; units are in the names.
    pub figures: BTreeMap<String, serde_json::Value>,
    /// What was tested.
    #[serde(default)]
    pub environment: Environment,
    /// Commands that repeat the judgement and the run.
    pub reproduce: Vec<String>,
}

/// What was tested, and how its errors were understood.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Environment {
    /// The system's name.
    pub system: String,
    /// Its version, as the hosts tell it; none if it was not asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Its options.
    pub configuration: serde_json::Value,
    /// Its errors, and what each makes of an operation that changes something: `fail` if it
    /// promises that nothing happened and never will, else `info`. Whatever is not here is
    /// `info`.
    pub errors: BTreeMap<String, String>,
}

impl Environment {
    fn of(plan: &Plan) -> Self {
        let word = |definite| if definite { "fail" } else { "info" };
        let errors = plan.system.errors().into_iter();
        Self {
            system: plan.system.as_str().into(),
            version: None,
            configuration: plan.configuration(),
            errors: errors
                .map(|(error, definite)| (error, word(definite).into()))
                .collect(),
        }
    }
}

/// What came out of a run as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// Every claim held.
    Held,
    /// At least one claim is violated.
    Violated,
    /// None is violated, at least one undecided.
    Undecided,
    /// The harness, a host or a fault failed: the run proves nothing.
    NotValid,
    /// No operation succeeded, or no claim found anything to check.
    NothingToCheck,
}

impl Status {
    /// The exit code: part of the interface.
    #[must_use]
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Held => 0,
            Self::Violated => 1,
            Self::Undecided => 2,
            Self::NotValid => 3,
            Self::NothingToCheck => 4,
        }
    }

    /// The word alone, in lower case.
    #[must_use]
    pub fn plain_word(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Violated => "violated",
            Self::Undecided => "undecided",
            Self::NotValid => "not valid",
            Self::NothingToCheck => "with nothing to check",
        }
    }

    /// Sign and word, for people.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Held => "✓ HELD",
            Self::Violated => "✗ VIOLATED",
            Self::Undecided => "? UNDECIDED",
            Self::NotValid => "! NOT VALID",
            Self::NothingToCheck => "! NOTHING TO CHECK",
        }
    }
}

/// A claim and what became of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ClaimVerdict {
    /// Which.
    pub claim: Claim,
    /// Held, undecided or violated.
    #[schemars(with = "String")]
    pub verdict: Verdict,
    /// What the plan says must come out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected: Option<Expected>,
    /// Whether it did; true where nothing is expected.
    pub as_expected: bool,
    /// Why, when undecided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// The findings that refute it.
    pub findings: Vec<String>,
}

/// One contradiction and its proof.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Finding {
    /// `F1`, `F2` …
    pub id: String,
    /// The claim that it refutes.
    pub claim: Claim,
    /// The literature's word.
    pub anomaly: String,
    /// The object, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The entries of the history that prove it, by index.
    pub ops: Vec<usize>,
    /// One sentence a step.
    pub argument: Vec<String>,
    /// Where operations depend on each other in a circle: the circle.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cycle: Vec<Edge>,
}

/// Why one operation must have come before another.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Edge {
    /// The entry with which the earlier operation starts, by index.
    pub from: usize,
    /// That of the later operation.
    pub to: usize,
    /// `wr`: read what was written; `rw`: replaced what was read; `ww`: replaced what was
    /// written; `so`: one session did both.
    pub kind: String,
    /// In a sentence.
    pub why: String,
}

impl From<&Dependency> for Edge {
    fn from(dependency: &Dependency) -> Self {
        let Dependency {
            from,
            to,
            kind,
            why,
        } = dependency.clone();
        Self {
            from,
            to,
            kind,
            why,
        }
    }
}

/// Something that was done to the system.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct FaultRecord {
    /// What: `partition`, `heal`, `kill`, `start`, `pause`, `resume`, `promote`; in memory also
    /// `clock`, `reset-clock`, `repeat`, `repeat-no-more`, `slow`, `fast`.
    pub fault: String,
    /// When it was ordered, in milliseconds since the run began.
    pub begun_ms: u64,
    /// When it was done and proven; none if it never was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub done_ms: Option<u64>,
    /// What was in fact done, and the proof.
    pub done: serde_json::Value,
}

/// Whether the nodes became equal after all faults were healed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Recovery {
    /// Whether they did, within the plan's limit; none if it was never asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub equal: Option<bool>,
    /// What each node said of itself at the end.
    pub nodes: BTreeMap<String, serde_json::Value>,
}

/// How operations ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Outcomes {
    /// They happened.
    pub ok: u64,
    /// They certainly did not.
    pub fail: u64,
    /// Nobody knows.
    pub info: u64,
    /// The errors of those that failed or are unknown, by kind: what stands before the first
    /// colon.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub errors: BTreeMap<String, u64>,
}

impl RunVerdict {
    /// The verdict on a history, from the reports of the checkers.
    ///
    /// # Panics
    ///
    /// Never: figures have a form in JSON.
    #[must_use]
    pub fn new(plan: &Plan, history: &History, reports: &[Report], recovery: Recovery) -> Self {
        Self::of_calls(plan, &Calls::of(history), reports, recovery)
    }

    /// The same of a history as columns.
    ///
    /// # Panics
    ///
    /// Never: figures have a form in JSON.
    #[must_use]
    pub fn of_calls(plan: &Plan, calls: &Calls, reports: &[Report], recovery: Recovery) -> Self {
        let mut verdict = Self::unjudged(plan, calls.nemesis(), Status::Held, None, recovery);
        verdict.coverage = coverage_of(calls);
        let mut claims: Vec<(Claim, &Report)> = reports
            .iter()
            .filter_map(|report| Some((Claim::of_checker(&report.checker)?, report)))
            .collect();
        let place = |claim: Claim| Claim::all().position(|c| c.checker() == claim.checker());
        claims.sort_by_key(|(claim, _)| (place(*claim), *claim));
        for (claim, report) in claims {
            verdict.add_claim(plan, claim, report);
        }
        verdict.standing = Standing::of(reports);
        for report in reports {
            let figures = serde_json::to_value(&report.figures);
            let figures = figures.expect("figures have a form in JSON");
            verdict.figures.insert(report.checker.clone(), figures);
        }
        verdict.status = verdict.worst();
        if verdict.status == Status::Held && verdict.recovery.equal == Some(false) {
            verdict.status = Status::Undecided;
            verdict.why = Some(
                "the nodes did not become equal after all faults were healed, though no claim \
                 is refuted; see recovery in verdict.json"
                    .into(),
            );
        }
        verdict.exit_code = verdict.status.exit_code();
        verdict
    }

    /// The record of a run on which no claim can be judged.
    #[must_use]
    pub fn unjudged(
        plan: &Plan,
        ops: &[Op],
        status: Status,
        why: Option<String>,
        recovery: Recovery,
    ) -> Self {
        Self {
            schema: SCHEMA.into(),
            name: plan.name.clone(),
            label: plan.label.clone(),
            seed: plan.seed,
            status,
            exit_code: status.exit_code(),
            why,
            claims: Vec::new(),
            standing: Standing::default(),
            findings: Vec::new(),
            faults: faults(ops),
            recovery,
            coverage: coverage(ops),
            figures: BTreeMap::new(),
            environment: Environment::of(plan),
            reproduce: Vec::new(),
        }
    }

    /// Notes why the load was ended early, if a contradiction ended it. Such a run need not have
    /// seen its faults, so it proves nothing unless the checkers find a contradiction as well.
    pub fn note_stopped(&mut self, stopped: Option<String>) {
        let Some(why) = stopped else {
            return;
        };
        if self.status == Status::Violated {
            self.why.get_or_insert(why);
        } else if self.status != Status::NotValid {
            self.status = Status::NotValid;
            self.exit_code = self.status.exit_code();
            self.why = Some(format!(
                "{why}; the checkers do not find that, which is a fault of schism: please report it"
            ));
        }
    }

    /// Whether every claim came out as the plan says it must.
    #[must_use]
    pub fn as_expected(&self) -> bool {
        self.is_sound() && self.claims.iter().all(|claim| claim.as_expected)
    }

    /// Whether there was something to judge, and no trouble that no claim tells of.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        let judged = !matches!(self.status, Status::NotValid | Status::NothingToCheck);
        // Nodes that differ for good are no success of a mode that is accused of nothing.
        let accused = self
            .claims
            .iter()
            .any(|claim| claim.verdict == Verdict::Violated);
        let settled = accused || self.recovery.equal != Some(false);
        judged && settled
    }

    /// Whether the plan says anything about what must come out.
    #[must_use]
    pub fn has_expectations(&self) -> bool {
        self.claims.iter().any(|claim| claim.expected.is_some())
    }

    /// How many operations of clients there were.
    #[must_use]
    pub fn operations(&self) -> i64 {
        let all = self.coverage.values().map(|of| of.ok + of.fail + of.info);
        i64::try_from(all.sum::<u64>()).unwrap_or(i64::MAX)
    }

    /// A figure of a checker, if it is there and a number.
    #[must_use]
    pub fn figure(&self, checker: &str, name: &str) -> Option<i64> {
        self.figures.get(checker)?.get(name)?.as_i64()
    }

    fn add_claim(&mut self, plan: &Plan, claim: Claim, report: &Report) {
        let expected = plan.expect.get(&claim).copied();
        let first = self.findings.len();
        for anomaly in &report.anomalies {
            self.findings
                .push(finding(self.findings.len() + 1, claim, anomaly));
        }
        self.claims.push(ClaimVerdict {
            claim,
            verdict: report.verdict,
            expected,
            as_expected: expected.is_none_or(|expected| expected.met_by(report.verdict)),
            why: report.why.clone(),
            findings: self.findings[first..]
                .iter()
                .map(|finding| finding.id.clone())
                .collect(),
        });
    }

    fn worst(&self) -> Status {
        let some_ok = self.coverage.values().any(|outcomes| outcomes.ok > 0);
        match self.claims.iter().map(|claim| claim.verdict).max() {
            _ if !some_ok => Status::NothingToCheck,
            None => Status::NothingToCheck,
            Some(Verdict::Held) => Status::Held,
            Some(Verdict::Undecided) => Status::Undecided,
            Some(Verdict::Violated) => Status::Violated,
        }
    }
}

fn finding(number: usize, claim: Claim, anomaly: &Anomaly) -> Finding {
    Finding {
        id: format!("F{number}"),
        claim,
        anomaly: anomaly.name.clone(),
        key: anomaly.key.as_ref().map(ToString::to_string),
        ops: anomaly.ops.clone(),
        argument: anomaly.because.clone(),
        cycle: anomaly.cycle.iter().map(Edge::from).collect(),
    }
}

/// Counts, without the phases of the run and the nemesis.
fn coverage(ops: &[Op]) -> BTreeMap<String, Outcomes> {
    let mut coverage: BTreeMap<String, Outcomes> = BTreeMap::new();
    for op in ops.iter().filter(|op| op.process != Process::Nemesis) {
        let outcomes = coverage.entry(op.f.to_string()).or_default();
        if let Some(error) = &op.error {
            let kind = error.split(':').next().unwrap_or_default().to_owned();
            *outcomes.errors.entry(kind).or_default() += 1;
        }
        match op.kind {
            // Unknown until it ends.
            Kind::Invoke => outcomes.info += 1,
            Kind::Ok => {
                outcomes.info = outcomes.info.saturating_sub(1);
                outcomes.ok += 1;
            }
            Kind::Fail => {
                outcomes.info = outcomes.info.saturating_sub(1);
                outcomes.fail += 1;
            }
            Kind::Info => {}
        }
    }
    coverage
}

fn coverage_of(calls: &Calls) -> BTreeMap<String, Outcomes> {
    let mut of: Vec<Outcomes> = vec![Outcomes::default(); calls.fs.list().len()];
    for (at, kind) in calls.outcome.iter().enumerate() {
        let outcomes = &mut of[usize::from(calls.f[at])];
        match kind {
            Kind::Ok => outcomes.ok += 1,
            Kind::Fail => outcomes.fail += 1,
            Kind::Info | Kind::Invoke => outcomes.info += 1,
        }
    }
    for (f, error) in calls.errors() {
        let kind = error.split(':').next().unwrap_or_default().to_owned();
        *of[usize::from(f)].errors.entry(kind).or_default() += 1;
    }
    let named = calls.fs.list().iter().zip(of);
    named
        .map(|(name, outcomes)| (name.to_string(), outcomes))
        .filter(|(_, outcomes)| *outcomes != Outcomes::default())
        .collect()
}

/// The nemesis's entries come in pairs: ordered, done.
pub(crate) fn faults(ops: &[Op]) -> Vec<FaultRecord> {
    let mut records: Vec<FaultRecord> = Vec::new();
    let mut open = false;
    for op in ops
        .iter()
        .filter(|op| op.process == Process::Nemesis && op.f != "phase" && op.f != "status")
    {
        let done = serde_json::to_value(&op.value).expect("values have a form in JSON");
        match records.last_mut() {
            Some(last) if open && last.fault == op.f.as_str() => {
                last.done_ms = Some(millis(op.time)).filter(|_| op.error.is_none());
                last.done = op
                    .error
                    .as_ref()
                    .map_or(done, |error| error.as_str().into());
                open = false;
            }
            _ => {
                let (fault, begun_ms) = (op.f.to_string(), millis(op.time));
                records.push(FaultRecord {
                    fault,
                    begun_ms,
                    done_ms: None,
                    done,
                });
                open = true;
            }
        }
    }
    records
}

fn millis(time: Nanos) -> u64 {
    time / 1_000_000
}

/// The schema of [`RunVerdict`], in JSON.
///
/// # Panics
///
/// Never: the schema has a form in JSON.
#[must_use]
pub fn schema() -> String {
    let schema = schemars::schema_for!(RunVerdict);
    serde_json::to_string_pretty(&schema).expect("the schema has a form in JSON")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_was_stopped_for_nothing_is_not_held() {
        let plan = Plan::parse("name = \"x\"\n", std::path::Path::new("x")).expect("a plan");
        let with = |status| {
            let mut verdict = RunVerdict::unjudged(&plan, &[], status, None, Recovery::default());
            verdict.note_stopped(Some("seen".to_owned()));
            (verdict.status, verdict.exit_code, verdict.why)
        };
        let why = Some("seen".to_owned());
        assert_eq!(with(Status::Violated), (Status::Violated, 1, why));
        for status in [Status::Held, Status::Undecided] {
            let (status, code, why) = with(status);
            assert_eq!((status, code), (Status::NotValid, 3));
            assert!(why.is_some_and(|why| why.starts_with("seen; ")));
        }
    }
}
