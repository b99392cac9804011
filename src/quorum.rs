//! The quorums of leaderless replication: what each pair of read and write quorums costs, and
//! what it shows of old values.

use std::time::Duration;

use fixtures::config::{LeaderlessMode, Switch, Versions};
use serde::Serialize;

use crate::claim::{Claim, Expected};
use crate::matrix::{middle, ms};
use crate::nemesis::schedule::{FaultKind, FaultPlan};
use crate::nemesis::target::Target;
use crate::plan::{Plan, SystemName};
use crate::report::surface::{Square, squares};
use crate::report::table::{Charset, render};
use crate::report::verdict::RunVerdict;
use crate::systems::reference::Switches;

/// Nodes beyond the replicas of a key, which can stand in.
pub const SPARE: usize = 2;
/// Links take up to so long, so that replicas differ for long enough to be seen.
pub const SLOW_MS: u64 = 20;
/// A stand-in keeps what it could not hand over for so long: shorter than the fault.
pub const HINTS_MS: u64 = 500;

/// What came of one pair of quorums, over all seeds.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Point {
    /// How many replicas a read waits for.
    pub r: usize,
    /// How many a write waits for.
    pub w: usize,
    /// Whether other nodes may stand in for replicas.
    pub sloppy: bool,
    /// How many runs there were.
    pub runs: usize,
    /// How many of them are not linearizable.
    pub not_linearizable: usize,
    /// Reads that could be judged.
    pub reads: i64,
    /// Of these, how many missed a write that was certainly there.
    pub stale: i64,
    /// Writes that were acknowledged.
    pub acknowledged: i64,
    /// Of these, how many no node had in the end.
    pub lost: i64,
    /// Operations that failed or were in vain.
    pub failed: u64,
    /// Operations in all.
    pub operations: u64,
    /// How long reads took, in microseconds: the median over the runs of their medians.
    pub read_p50_us: Option<i64>,
    /// The same of the 99th percentiles.
    pub read_p99_us: Option<i64>,
    /// As for reads.
    pub write_p50_us: Option<i64>,
    /// As for reads.
    pub write_p99_us: Option<i64>,
}

/// The trial of one pair: `n` replicas of each key on `n` + [`SPARE`] nodes, links that take up
/// to [`SLOW_MS`], and a node by chance that is cut off for a while.
#[must_use]
pub fn plan(n: usize, r: usize, w: usize, sloppy: bool) -> Plan {
    let mut plan = Plan::of_system(SystemName::Leaderless);
    let kind = if sloppy { "sloppy" } else { "strict" };
    plan.name = format!("quorum-{kind}-r{r}-w{w}");
    plan.lab.nodes = u8::try_from(n + SPARE).unwrap_or(u8::MAX);
    plan.leaderless = Switches(LeaderlessMode {
        n,
        r,
        w,
        versions: Versions::LwwHlc,
        write_back: Switch::Off,
        sloppy: if sloppy { Switch::On } else { Switch::Off },
        hint_retention_ms: HINTS_MS,
        ..LeaderlessMode::default()
    });
    let load = &mut plan.load;
    load.workload = "register".into();
    (load.clients, load.rate, load.keys) = (14, Some(400), 2);
    (load.time, load.timeout) = (Duration::from_millis(2_500), Duration::from_millis(500));
    let fault = |kind, target, at, lasts, up_to_ms| FaultPlan {
        kind,
        target,
        at: Duration::from_millis(at),
        lasts: Duration::from_millis(lasts),
        every: None,
        promote_after: None,
        step: None,
        by_ms: None,
        rate_percent: None,
        up_to_ms,
    };
    plan.faults = vec![
        fault(FaultKind::Slow, Target::All, 1, 2_500, Some(SLOW_MS)),
        fault(FaultKind::Partition, Target::Random, 700, 1_000, None),
    ];
    let claims = [
        Claim::LINEARIZABLE,
        Claim::NO_LOST_WRITES,
        Claim::NO_STALE_READS,
    ];
    plan.expect = claims.map(|claim| (claim, Expected::Any)).into();
    plan
}

impl Point {
    /// Sums the runs of a pair up.
    #[must_use]
    pub fn of(r: usize, w: usize, sloppy: bool, verdicts: &[RunVerdict]) -> Self {
        let figure = |checker: &'static str, name: &'static str| {
            verdicts.iter().filter_map(move |v| v.figure(checker, name))
        };
        let latency = |name| middle(figure("availability", name).collect());
        let outcomes = || {
            verdicts
                .iter()
                .flat_map(|verdict| verdict.coverage.values())
        };
        let violated = |verdict: &&RunVerdict| {
            let mut claims = verdict.claims.iter();
            let claim = claims.find(|one| one.claim == Claim::LINEARIZABLE);
            claim.is_some_and(|one| one.verdict == checkers::Verdict::Violated)
        };
        Self {
            r,
            w,
            sloppy,
            runs: verdicts.len(),
            not_linearizable: verdicts.iter().filter(violated).count(),
            reads: figure("stale", "reads_judged").sum(),
            stale: figure("stale", "stale_reads").sum(),
            acknowledged: figure("loss", "acknowledged").sum(),
            lost: figure("loss", "lost").sum(),
            failed: outcomes().map(|of| of.fail + of.info).sum(),
            operations: outcomes().map(|of| of.ok + of.fail + of.info).sum(),
            read_p50_us: latency("read_p50_us"),
            read_p99_us: latency("read_p99_us"),
            write_p50_us: latency("write_p50_us"),
            write_p99_us: latency("write_p99_us"),
        }
    }

    /// Stale reads of those judged, from 0 to 1.
    #[must_use]
    pub fn stale_share(&self) -> f64 {
        self.stale as f64 / self.reads.max(1) as f64
    }
}

/// A figure of each pair: its title, its number, and that number in words.
pub(crate) type Measure = (&'static str, fn(&Point) -> f64, fn(&Point) -> String);

/// What is drawn of each pair.
pub(crate) const MEASURES: [Measure; 5] = [
    (
        "stale reads, per thousand",
        |p| p.stale_share(),
        |p| format!("{:.1}", p.stale_share() * 1_000.0),
    ),
    ("lost writes", |p| p.lost as f64, |p| p.lost.to_string()),
    (
        "write p50/p99, ms",
        |p| p.write_p99_us.unwrap_or(0) as f64,
        |p| format!("{}/{}", ms(p.write_p50_us), ms(p.write_p99_us)),
    ),
    (
        "read p50/p99, ms",
        |p| p.read_p99_us.unwrap_or(0) as f64,
        |p| format!("{}/{}", ms(p.read_p50_us), ms(p.read_p99_us)),
    ),
    (
        "failed, per thousand",
        |p| p.failed as f64 / p.operations.max(1) as f64,
        |p| {
            format!(
                "{:.1}",
                p.failed as f64 * 1_000.0 / p.operations.max(1) as f64
            )
        },
    ),
];

/// The points of one kind as a square: a table for each measure, `r` down and `w` across. A
/// point stands for pairs that meet, where r + w > n: it is marked with a `*`.
#[must_use]
pub fn tables(n: usize, points: &[Point], charset: Charset) -> String {
    let mut text = String::new();
    for sloppy in [false, true] {
        for (title, _, told) in MEASURES {
            let kind = if sloppy { "sloppy" } else { "strict" };
            text += &format!("  {kind}: {title}\n\n");
            let cell = |r: usize, w: usize| {
                let mut found = points.iter();
                let found = found.find(|p| (p.r, p.w, p.sloppy) == (r, w, sloppy));
                let mark = if r + w > n { "*" } else { "" };
                found.map_or_else(|| "-".to_owned(), |point| format!("{}{mark}", told(point)))
            };
            let row = |r| {
                let cells = (1..=n).map(|w| cell(r, w));
                [format!("r = {r}")].into_iter().chain(cells).collect()
            };
            let rows: Vec<Vec<String>> = (1..=n).map(row).collect();
            let head: Vec<String> = (1..=n).map(|w| format!("w = {w}")).collect();
            let head = head.iter().map(String::as_str);
            let head: Vec<&str> = [""].into_iter().chain(head).collect();
            text += &render(&head, &rows, charset);
            text += "\n\n";
        }
    }
    text
}

/// The surfaces as one picture: a square for each measure, strict above and sloppy below, the
/// darker the more.
#[must_use]
pub fn svg(n: usize, points: &[Point]) -> String {
    let drawn = [false, true].into_iter().flat_map(|sloppy| {
        MEASURES.map(|(title, number, told)| {
            let of = points.iter().filter(|point| point.sloppy == sloppy);
            let kind = if sloppy { "sloppy" } else { "strict" };
            Square {
                title: format!("{kind}: {title}"),
                cells: of.map(|p| (p.r, p.w, number(p), told(p))).collect(),
            }
        })
    });
    squares(n, MEASURES.len(), &drawn.collect::<Vec<_>>())
}
