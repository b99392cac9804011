//! `schism trend`: how verdicts and figures of each plan went over its runs.

use std::path::PathBuf;

use clap::Args;

use super::Refused;
use crate::report::catalogue;
use crate::report::table::{Charset, plain, render};
use crate::report::trend::{HEAD, in_digits, rows, trends};

/// Flags of `schism trend`.
#[derive(Debug, Args)]
pub struct TrendArgs {
    /// Only plans whose name has this in it.
    #[arg(default_value = "")]
    pub only: String,
    /// Where runs are recorded.
    #[arg(long, default_value = "runs", env = "SCHISM_RUNS")]
    pub runs: PathBuf,
    /// Of each plan the last so many runs.
    #[arg(long, default_value_t = 30)]
    pub limit: usize,
}

/// The table.
///
/// # Errors
///
/// [`Refused`] if the runs cannot be listed.
pub fn run(args: &TrendArgs, charset: Charset) -> Result<String, Refused> {
    let entries = catalogue::list(&args.runs)
        .map_err(|error| Refused::usage(format!("cannot list {}: {error}", args.runs.display())))?;
    let mut trends = trends(entries.iter().rev().map(|entry| entry.path.as_path()));
    trends.retain(|plan, _| plan.contains(&args.only));
    if trends.is_empty() {
        return Ok(format!("no runs of such a plan in {}", args.runs.display()));
    }
    let table = render(&HEAD, &rows(&trends, args.limit), charset);
    let table = match charset {
        Charset::Unicode => table,
        Charset::Ascii => in_digits(&table).replace('✗', "x"),
    };
    Ok(plain(&table, charset))
}
