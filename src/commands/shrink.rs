//! `schism shrink`: the smallest trial that still refutes a claim, found in memory.

use std::path::PathBuf;

use checkers::Verdict;
use clap::Args;

use super::sim::{map_on_all_cores, operations};
use super::{Refused, run_directory, runs_in};
use crate::claim::{Claim, Expected};
use crate::commands::ranges::{SeedRange, seed_range};
use crate::modes;
use crate::plan::Plan;
use crate::report::table::{Charset, plain, thousands};
use crate::report::verdict::RunVerdict;
use crate::shrink::smallest;
use crate::simulate::{judge, simulate};
use crate::store::{self, PLAN};

/// What the smallest schedule of a run is called in its directory.
pub const SMALLEST: &str = "min-schedule.toml";

/// So many seeds are tried with each smaller trial: what is shorter makes other choices.
const SEEDS: u64 = 8;

/// Flags of `schism shrink`.
#[derive(Debug, Args)]
pub struct ShrinkArgs {
    /// A trial file, a mode under a fault as raft-leader-killed, or a run: its directory, or its
    /// name below --runs.
    what: PathBuf,
    /// What must still be refuted; if left out, the first claim that is.
    #[arg(long)]
    claim: Option<Claim>,
    /// Where to look for a run that refutes it.
    #[arg(long, default_value = "1..100", value_parser = seed_range)]
    seeds: SeedRange,
    /// At most so many smaller trials are tried.
    #[arg(long, default_value_t = 400)]
    tries: usize,
    /// The file to write; if left out, min-schedule.toml in the run's directory or here.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Where runs are recorded.
    #[arg(long, default_value = "runs", env = "SCHISM_RUNS")]
    runs: PathBuf,
}

/// A run that refuted a claim.
struct Shown {
    plan: Plan,
    claim: Claim,
    operations: usize,
}

/// Shrinks, writes the smallest trial and tells how small it is.
///
/// # Errors
///
/// [`Refused`] if there is no such trial, if it does not run in memory, if no seed refutes
/// anything, or if the file cannot be written.
pub fn run(args: &ShrinkArgs, charset: Charset) -> Result<String, Refused> {
    let (trial, place) = trial(args)?;
    if !trial.system.is_simulated() {
        let (name, system) = (&trial.name, trial.system.as_str());
        return Err(Refused::usage(format!(
            "{name}: {system} runs on hosts alone, and smaller schedules are sought in memory; \
             take faults out of a copy of its trial file"
        )));
    }
    let seeds = args.seeds.0.clone();
    // The seed of the run first: it showed something once.
    let seeds = std::iter::once(trial.seed).chain(seeds.filter(|seed| *seed != trial.seed));
    let seeds: Vec<u64> = seeds.collect();
    let first = seeds
        .chunks(16)
        .find_map(|seeds| shows(&trial, seeds, args.claim));
    let first = first.ok_or_else(|| {
        let what = args
            .claim
            .map_or("nothing".to_owned(), |claim| format!("{claim} is not"));
        let (name, count) = (&trial.name, seeds.len());
        Refused {
            code: 1,
            sentence: format!(
                "{name}: {what} refuted in memory with any of {count} seeds; try more with --seeds"
            ),
        }
    })?;
    let claim = first.claim;
    let (mut tried, mut last) = (0, None);
    let least = smallest(&first.plan, |plan| {
        if tried >= args.tries || plan.validate().is_err() {
            return None;
        }
        tried += 1;
        let seeds: Vec<u64> = (plan.seed..plan.seed + SEEDS).collect();
        let shown = shows(plan, &seeds, Some(claim))?;
        let seed = shown.plan.seed;
        last = Some(shown);
        Some(seed)
    });
    let left = last
        .as_ref()
        .map_or(first.operations, |shown| shown.operations);
    let mut least = least;
    least.name = named(&least.name);
    least.label = None;
    least.expect = [(claim, Expected::Violated)].into();
    store::write_file(&place, least.to_toml().as_bytes()).map_err(Refused::failed)?;
    let again = format!(
        "schism sim {} --seeds {1}..{1}",
        place.display(),
        least.seed
    );
    let text = format!(
        "  {claim} was refuted with {}\n  and still is with    {}\n  after {tried} smaller trials, \
         in memory and in virtual time\n\n  wrote  {}\n  again  {again}",
        told(&first.plan, first.operations),
        told(&least, left),
        place.display(),
    );
    Ok(plain(&text, charset))
}

fn trial(args: &ShrinkArgs) -> Result<(Plan, PathBuf), Refused> {
    let here = || args.out.clone().unwrap_or_else(|| PathBuf::from(SMALLEST));
    if let Ok(directory) = run_directory(&args.what, &args.runs) {
        if directory.join(PLAN).exists() {
            let plan = Plan::load(&directory.join(PLAN))
                .map_err(|error| Refused::usage(error.to_string()))?;
            let place = args.out.clone();
            return Ok((plan, place.unwrap_or_else(|| directory.join(SMALLEST))));
        }
        let runs = runs_in(&directory);
        if !runs.is_empty() {
            let runs: Vec<String> = runs.iter().map(|run| run.display().to_string()).collect();
            let (directory, runs) = (directory.display(), runs.join(", "));
            return Err(Refused::usage(format!(
                "{directory} has several runs; name one of: {runs}"
            )));
        }
    }
    let word = args.what.to_string_lossy();
    let plans = modes::named(&word).map_err(Refused::usage)?;
    match <[Plan; 1]>::try_from(plans) {
        Ok([plan]) => Ok((plan, here())),
        Err(plans) => {
            let names: Vec<&str> = plans.iter().map(|plan| plan.name.as_str()).collect();
            let names = names.join(", ");
            Err(Refused::usage(format!(
                "{word} is a mode under every fault; name one: {names}"
            )))
        }
    }
}

/// The first of these seeds with which the claim, or any, is refuted.
fn shows(plan: &Plan, seeds: &[u64], claim: Option<Claim>) -> Option<Shown> {
    let plans: Vec<Plan> = seeds
        .iter()
        .map(|&seed| Plan {
            seed,
            ..plan.clone()
        })
        .collect();
    let verdicts = map_on_all_cores(&plans, |plan| judge(plan, simulate(plan)));
    let refuted = |verdict: &RunVerdict| {
        let mut claims = verdict.claims.iter();
        let refuted = claims.find(|of| {
            of.verdict == Verdict::Violated && claim.is_none_or(|claim| of.claim == claim)
        });
        refuted.map(|of| of.claim)
    };
    plans
        .into_iter()
        .zip(&verdicts)
        .find_map(|(plan, verdict)| {
            Some(Shown {
                plan,
                claim: refuted(verdict)?,
                operations: operations(verdict),
            })
        })
}

fn named(name: &str) -> String {
    if name.ends_with("-smallest") {
        name.to_owned()
    } else {
        format!("{name}-smallest")
    }
}

/// How large a trial is, in words.
fn told(plan: &Plan, operations: usize) -> String {
    let many = |count: usize, of: &str| {
        let s = if count == 1 { "" } else { "s" };
        format!(
            "{} {of}{s}",
            thousands(i64::try_from(count).unwrap_or(i64::MAX))
        )
    };
    format!(
        "seed {}: {}, {}, {}, {}, {} in {:.2} s",
        plan.seed,
        many(plan.faults.len(), "fault"),
        many(plan.lab.nodes.into(), "node"),
        many(plan.load.clients as usize, "client"),
        many(plan.load.keys, "key"),
        many(operations, "operation"),
        plan.load.time.as_secs_f64(),
    )
}
