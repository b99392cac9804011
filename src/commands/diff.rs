//! `schism diff`: what changed from one run to another.

use std::path::PathBuf;

use clap::Args;

use super::{Refused, run_directory};
use crate::report::compare::{compare, told};
use crate::report::html::pages;
use crate::report::recorded::Recorded;
use crate::report::table::Charset;
use crate::store;

/// Flags of `schism diff`.
#[derive(Debug, Args)]
pub struct DiffArgs {
    /// The run before: its directory, or its name below --runs.
    pub before: PathBuf,
    /// The run now.
    #[arg(default_value = "latest")]
    pub now: PathBuf,
    /// Write it as a page, too.
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Where runs are recorded.
    #[arg(long, default_value = "runs", env = "SCHISM_RUNS")]
    pub runs: PathBuf,
}

/// The tables.
///
/// # Errors
///
/// [`Refused`] if a run does not exist or the page cannot be written.
pub fn run(args: &DiffArgs, width: usize, charset: Charset) -> Result<String, Refused> {
    let one = Recorded::read(&run_directory(&args.before, &args.runs)?);
    let other = Recorded::read(&run_directory(&args.now, &args.runs)?);
    let difference = compare(&one, &other);
    if let Some(file) = &args.html {
        let names = [&one, &other].map(|run| run.directory.display().to_string());
        let page = pages::difference(&names[0], &names[1], &difference);
        store::write_file(file, page.as_bytes()).map_err(Refused::failed)?;
    }
    Ok(told(&difference, width, charset))
}
