//! `schism sim`: trials in memory, in virtual time, with many seeds.

use std::num::NonZero;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::available_parallelism;
use std::time::Instant;

use clap::Args;

use super::Refused;
use crate::claim::Expected;
use crate::cli::{SeedRange, seed_range};
use crate::plan::Plan;
use crate::report::table::{Charset, plain, render, thousands};
use crate::report::tally;
use crate::report::verdict::RunVerdict;
use crate::simulate::{judge, simulate};

/// Flags of `schism sim`.
#[derive(Debug, Args)]
pub struct SimArgs {
    /// Trial files of reference nodes; hosts and image in them are without meaning here.
    #[arg(required = true)]
    trials: Vec<PathBuf>,
    /// Every trial with each of these seeds.
    #[arg(long, default_value = "1..20", value_parser = seed_range)]
    seeds: SeedRange,
}

/// Carries the trials out and counts over the seeds what came of each claim; returns the table
/// and the exit code: 0 if every run came out as its trial expects, else 1, and 3 if a run was
/// not valid.
///
/// # Errors
///
/// [`Refused`] if a trial cannot be read.
pub fn run(args: &SimArgs, charset: Charset) -> Result<(String, u8), Refused> {
    let load = |path: &PathBuf| {
        let mut plan = Plan::load(path).map_err(|error| Refused::usage(error.to_string()))?;
        if plan.expect.is_empty() {
            let claims = plan.claims().into_iter();
            plan.expect = claims.map(|claim| (claim, Expected::Any)).collect();
        }
        Ok(plan)
    };
    let trials: Vec<Plan> = args.trials.iter().map(load).collect::<Result<_, _>>()?;
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
    let table = render(&tally::COLUMNS, &tally::rows(&plans, &verdicts), charset);
    let ops: u64 = verdicts.iter().map(operations).sum();
    let runs = plans.len();
    let mut text = format!(
        "{table}\n\n  {runs} simulated runs, {} operations, in {took:.1} s",
        thousands(i64::try_from(ops).unwrap_or(i64::MAX)),
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
        () if verdicts.iter().all(RunVerdict::as_expected) => 0,
        () => 1,
    };
    Ok((plain(&text, charset), code))
}

fn operations(verdict: &RunVerdict) -> u64 {
    let outcomes = verdict.coverage.values();
    outcomes.map(|of| of.ok + of.fail + of.info).sum()
}

/// The verdicts on simulations of these plans, in their order.
///
/// # Panics
///
/// If a plan was not validated, or a simulation breaks the laws of histories: a bug of ours.
#[must_use]
pub fn on_all_cores(plans: &[Plan]) -> Vec<RunVerdict> {
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::with_capacity(plans.len()));
    let work = || {
        while let place = next.fetch_add(1, Ordering::Relaxed)
            && let Some(plan) = plans.get(place)
        {
            let verdict = judge(plan, simulate(plan));
            done.lock()
                .expect("no worker panics with it")
                .push((place, verdict));
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
    done.into_iter().map(|(_, verdict)| verdict).collect()
}
