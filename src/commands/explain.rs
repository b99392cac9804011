//! `schism explain`: what a word means, or a finding and what its words mean.

use std::path::PathBuf;

use clap::Args;

use super::show::{self, ShowArgs};
use super::{Refused, run_directory};
use crate::explain;
use crate::report::recorded::Recorded;
use crate::report::table::{Charset, plain};

/// Flags of `schism explain`.
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// The word, such as monotonic-reads, or a finding of a run, as F1; all words that can be
    /// explained if left out.
    pub word: Option<String>,
    /// The run of the finding: its directory, or its name below --runs.
    #[arg(default_value = "latest")]
    pub run: PathBuf,
    /// Where runs are recorded.
    #[arg(long, default_value = "runs", env = "SCHISM_RUNS")]
    pub runs: PathBuf,
}

/// The words, at most `width` wide.
///
/// # Errors
///
/// [`Refused`] if nothing is called that.
pub fn run(args: &ExplainArgs, width: usize, charset: Charset) -> Result<String, Refused> {
    let Some(word) = &args.word else {
        return Ok(explain::words().join("\n"));
    };
    let text = if is_finding(word) {
        finding(word, args, width, charset)?
    } else {
        explain::explain(word, width).map_err(Refused::usage)?
    };
    Ok(plain(&text, charset))
}

/// `F` and a number.
fn is_finding(word: &str) -> bool {
    let number = word.strip_prefix(['F', 'f']).unwrap_or_default();
    !number.is_empty() && number.bytes().all(|sign| sign.is_ascii_digit())
}

/// The finding in its run, and what its anomaly is.
fn finding(
    id: &str,
    args: &ExplainArgs,
    width: usize,
    charset: Charset,
) -> Result<String, Refused> {
    let shown = ShowArgs {
        run: args.run.clone(),
        finding: Some(id.to_owned()),
        runs: args.runs.clone(),
    };
    let shown = show::run(&shown, width, charset)?;
    let recorded = Recorded::read(&run_directory(&args.run, &args.runs)?);
    let anomaly = recorded.told.finding(id).map(|finding| &finding.anomaly);
    let meaning = anomaly.and_then(|anomaly| explain::explain(anomaly, width).ok());
    Ok(match meaning {
        Some(meaning) => format!("{shown}\n\n{meaning}"),
        None => shown,
    })
}
