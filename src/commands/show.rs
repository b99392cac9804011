//! `schism show`: a run, or one of its findings, in words.

use std::path::PathBuf;

use clap::Args;

use super::{Refused, run_directory};
use crate::report::brief;
use crate::report::recorded::Recorded;
use crate::report::table::Charset;
use crate::suggest;

/// Flags of `schism show`.
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// A run: its directory, or its name below --runs.
    #[arg(default_value = "latest")]
    pub run: PathBuf,
    /// A finding of it, as F1.
    pub finding: Option<String>,
    /// Where runs are recorded.
    #[arg(long, default_value = "runs", env = "SCHISM_RUNS")]
    pub runs: PathBuf,
}

/// The words.
///
/// # Errors
///
/// [`Refused`] if there is no such run or finding.
pub fn run(args: &ShowArgs, width: usize, charset: Charset) -> Result<String, Refused> {
    let recorded = Recorded::read(&run_directory(&args.run, &args.runs)?);
    let Some(id) = &args.finding else {
        return Ok(brief::run(&recorded, width, charset));
    };
    let finding = recorded.told.finding(id).ok_or_else(|| {
        let ids = recorded
            .told
            .findings
            .iter()
            .map(|finding| finding.id.as_str());
        match recorded.told.findings.len() {
            0 => Refused::usage("this run has no findings"),
            1..20 => Refused::usage(suggest::unknown("finding", id, ids)),
            all => Refused::usage(format!(
                "no finding is called `{id}`; there are F1 to F{all}"
            )),
        }
    })?;
    Ok(brief::finding(&recorded, finding, width, charset))
}
