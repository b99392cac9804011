//! `schism report`: the page of a run, drawn from its directory alone.

use std::path::PathBuf;

use clap::Args;

use super::{Refused, run_directory};
use crate::report::html;

/// Flags of `schism report`.
#[derive(Debug, Args)]
pub struct ReportArgs {
    /// Runs: their directories, or their names below --runs.
    #[arg(default_value = "latest")]
    pub run: Vec<PathBuf>,
    /// Where runs are recorded.
    #[arg(long, default_value = "runs", env = "SCHISM_RUNS")]
    pub runs: PathBuf,
}

/// Draws the pages; returns where they are, a line each.
///
/// # Errors
///
/// [`Refused`] if a run does not exist or its page cannot be written.
pub fn run(args: &ReportArgs) -> Result<String, Refused> {
    let mut written = Vec::new();
    for run in &args.run {
        let directory = run_directory(run, &args.runs)?;
        let path = html::write(&directory).map_err(Refused::failed)?;
        written.push(path.display().to_string());
    }
    Ok(written.join("\n"))
}
