//! `schism sim`: trials in memory, in virtual time, with many seeds.

use std::num::NonZero;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::available_parallelism;
use std::time::Instant;

use checkers::Verdict;
use clap::Args;

use super::Refused;
use super::matrix::keep;
use crate::claim::Expected;
use crate::commands::ranges::{SeedRange, seed_range};
use crate::modes;
use crate::plan::Plan;
use crate::report::table::{Charset, plain, render, thousands};
use crate::report::tally;
use crate::report::verdict::RunVerdict;
use crate::simulate::{judge, simulate};

/// Flags of `schism sim`.
#[derive(Debug, Args)]
pub struct SimArgs {
    /// Modes of the reference nodes, as raft, each under every fault; single cells of them, as
    /// raft-leader-killed; or trial files, in which hosts and image are without meaning here.
    #[arg(required = true, value_name = "MODE|TRIAL")]
    trials: Vec<String>,
    /// Every trial with each of these seeds.
    #[arg(long, default_value = "1..20", value_parser = seed_range)]
    seeds: SeedRange,
    /// Keep one run of each trial below this directory, for schism show, check and report: that
    /// of the first seed that refutes something, or of the first.
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
}

/// Carries the trials out and counts over the seeds what came of each claim; returns the table
/// and the exit code: 0 if what must hold held with every seed and what must break broke with
/// one at least, else 1, and 3 if a run was not valid.
///
/// # Errors
///
/// [`Refused`] if a trial cannot be read, or what is to be kept cannot be written.
///
/// # Panics
///
/// Never: a verdict is on one of the plans.
pub fn run(args: &SimArgs, charset: Charset) -> Result<(String, u8), Refused> {
    let mut trials = Vec::new();
    for word in &args.trials {
        trials.extend(modes::named(word).map_err(Refused::usage)?);
    }
    for plan in &mut trials {
        if plan.expect.is_empty() {
            let claims = plan.claims().into_iter();
            plan.expect = claims.map(|claim| (claim, Expected::Any)).collect();
        }
    }
    let plans: Vec<Plan> = trials
        .iter()
        .flat_map(|trial| args.seeds.0.clone().map(move |seed| (trial, seed)))
        .map(|(trial, seed)| Plan {
            seed,
            ..trial.clone()
        })
        .collect();
    let begun = Instant::now();
    let verdicts = on_all_cores(&plans);
    let took = begun.elapsed().as_secs_f64();
    if let Some(directory) = &args.keep {
        for verdicts in verdicts.chunks(args.seeds.0.clone().count()) {
            let refutes = |v: &&RunVerdict| v.claims.iter().any(|c| c.verdict == Verdict::Violated);
            let kept = verdicts.iter().find(refutes).unwrap_or(&verdicts[0]);
            let same = |plan: &&Plan| plan.name == kept.name && plan.seed == kept.seed;
            let plan = plans.iter().find(same).expect("the verdict is on a plan");
            keep(plan, &directory.join(&plan.name))?;
        }
    }
    // What a trial consists of is in its file; a mode is known by its name.
    let shown = |row: &[String]| said(SHOWN.map(|column| row[column].clone())).to_vec();
    let rows = tally::rows(&plans, &verdicts);
    let rows: Vec<Vec<String>> = rows.iter().map(|row| shown(row)).collect();
    let table = render(&SHOWN.map(|column| tally::COLUMNS[column]), &rows, charset);
    let ops: usize = verdicts.iter().map(operations).sum();
    let runs = plans.len();
    let mut text = format!(
        "{table}\n\n  {runs} simulated runs, {} operations, in {took:.1} s: {:.0} runs a second",
        thousands(i64::try_from(ops).unwrap_or(i64::MAX)),
        runs as f64 / took.max(f64::EPSILON),
    );
    let broken: Vec<&RunVerdict> = verdicts.iter().filter(|v| v.claims.is_empty()).collect();
    if let Some(first) = broken.first() {
        let why = first.why.as_deref().unwrap_or("nothing succeeded");
        text += &format!(
            "\n  {} were not valid; the first, {} with seed {}: {why}",
            broken.len(),
            first.name,
            first.seed
        );
    }
    let code = match () {
        () if !broken.is_empty() => 3,
        () if tally::as_expected(&plans, &verdicts) => 0,
        () => 1,
    };
    Ok((plain(&text, charset), code))
}

/// The columns of the tally that are printed: trial, claim, expected, refuted, entries until, as
/// expected.
const SHOWN: [usize; 6] = [0, 5, 6, 7, 8, 9];

/// A row as it is printed: what must break came out as expected once it broke with some seed.
fn said(mut row: [String; SHOWN.len()]) -> [String; SHOWN.len()] {
    let [.., expected, refuted, _, came_out] = &mut row;
    if let Some((count, all)) = refuted.split_once(" of ")
        && expected == "violated"
        && count != "0"
        && count != all
    {
        *came_out = format!("yes, with {refuted}");
    }
    row
}

/// How many operations a run had.
pub(super) fn operations(verdict: &RunVerdict) -> usize {
    let outcomes = verdict.coverage.values();
    let count: u64 = outcomes.map(|of| of.ok + of.fail + of.info).sum();
    usize::try_from(count).unwrap_or(usize::MAX)
}

/// The verdicts on simulations of these plans, in their order.
///
/// # Panics
///
/// If a plan was not validated, or a simulation breaks the laws of histories: a bug of ours.
#[must_use]
pub fn on_all_cores(plans: &[Plan]) -> Vec<RunVerdict> {
    map_on_all_cores(plans, |plan| judge(plan, simulate(plan)))
}

/// What comes of each of these plans, in their order.
pub(crate) fn map_on_all_cores<T: Send>(plans: &[Plan], of: impl Fn(&Plan) -> T + Sync) -> Vec<T> {
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::with_capacity(plans.len()));
    let work = || {
        while let place = next.fetch_add(1, Ordering::Relaxed)
            && let Some(plan) = plans.get(place)
        {
            let came = of(plan);
            done.lock()
                .expect("no worker panics with it")
                .push((place, came));
        }
    };
    let cores = available_parallelism().map_or(1, NonZero::get);
    std::thread::scope(|scope| {
        for _ in 1..cores.min(plans.len()) {
            scope.spawn(work);
        }
        work();
    });
    let mut done = done.into_inner().expect("no worker panics with it");
    done.sort_by_key(|(place, _)| *place);
    done.into_iter().map(|(_, came)| came).collect()
}
