//! `schism quorum`: all quorums of reads and writes, strict and sloppy, as tables and a picture.

use std::path::PathBuf;
use std::time::Instant;

use clap::Args;

use super::Refused;
use super::sim::on_all_cores;
use crate::commands::ranges::{SeedRange, seed_range};
use crate::plan::Plan;
use crate::quorum::{HINTS_MS, Point, SLOW_MS, SPARE, plan, svg, tables};
use crate::report::table::{Charset, plain};
use crate::report::verdict::{RunVerdict, Status};
use crate::store;

/// Flags of `schism quorum`.
#[derive(Debug, Args)]
pub struct QuorumArgs {
    /// How many replicas a key has; reads and writes wait for 1 to so many.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u8).range(1..=9))]
    n: u8,
    /// The seeds of every pair.
    #[arg(long, default_value = "1..10", value_parser = seed_range)]
    seeds: SeedRange,
    /// Where runs are recorded.
    #[arg(long, default_value = "runs", env = "SCHISM_RUNS")]
    runs: PathBuf,
}

/// Measures all pairs in memory and leaves the points as `quorum.json` and the surfaces as
/// `quorum.svg`; returns the tables and the exit code: 0, or 3 if a run was not valid.
///
/// # Errors
///
/// [`Refused`] if files cannot be written.
///
/// # Panics
///
/// Never: points have a form in JSON.
pub fn run(args: &QuorumArgs, charset: Charset) -> Result<(String, u8), Refused> {
    let n = usize::from(args.n);
    let begun = Instant::now();
    let pairs = || {
        [false, true]
            .into_iter()
            .flat_map(move |sloppy| (1..=n).flat_map(move |r| (1..=n).map(move |w| (r, w, sloppy))))
    };
    let plans: Vec<Plan> = pairs()
        .flat_map(|(r, w, sloppy)| {
            let plan = plan(n, r, w, sloppy);
            let seeds = args.seeds.0.clone();
            seeds.map(move |seed| Plan {
                seed,
                ..plan.clone()
            })
        })
        .collect();
    let verdicts = on_all_cores(&plans);
    let seeds = args.seeds.0.clone().count();
    let points: Vec<Point> = pairs()
        .zip(verdicts.chunks(seeds))
        .map(|((r, w, sloppy), verdicts)| Point::of(r, w, sloppy, verdicts))
        .collect();
    let directory = store::new_run(&args.runs, "quorum").map_err(Refused::failed)?;
    let json = serde_json::to_vec_pretty(&points).expect("points have a form in JSON");
    let picture = directory.join("quorum.svg");
    store::write_file(&directory.join("quorum.json"), &json).map_err(Refused::failed)?;
    store::write_file(&picture, svg(n, &points).as_bytes()).map_err(Refused::failed)?;
    let invalid = |verdict: &&RunVerdict| verdict.status == Status::NotValid;
    let invalid: Vec<&RunVerdict> = verdicts.iter().filter(invalid).collect();
    let took = begun.elapsed().as_secs_f64();
    let mut text = tables(n, &points, charset);
    text += &format!(
        "  *: r + w > n, so that every read meets every finished write; what it may still miss is one \
         that is not finished,\n  and that another read has seen. {n} replicas on {} nodes, links of up to {SLOW_MS} ms, a node cut off for \
         1 s of 2.5 s; stand-ins\n  keep what is not theirs for {HINTS_MS} ms.\n\n  {} simulated \
         runs in {took:.1} s\n  picture  {}",
        n + SPARE,
        plans.len(),
        picture.display()
    );
    if let Some(first) = invalid.first() {
        let why = first.why.as_deref().unwrap_or_default();
        text += &format!("\n  {} runs are not valid; the first: {why}", invalid.len());
    }
    Ok((
        plain(&text, charset),
        if invalid.is_empty() { 0 } else { 3 },
    ))
}
