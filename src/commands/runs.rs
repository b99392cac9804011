//! `schism runs`: all runs, newest first.

use std::path::PathBuf;
use std::time::SystemTime;

use clap::Args;

use super::Refused;
use crate::report::catalogue::{self, Entry, ago};
use crate::report::table::{Charset, render, render_within, thousands};

/// Flags of `schism runs`.
#[derive(Debug, Args)]
pub struct RunsArgs {
    /// Where runs are recorded.
    #[arg(long, default_value = "runs", env = "SCHISM_RUNS")]
    pub runs: PathBuf,
    /// So many at most.
    #[arg(long, default_value_t = 30)]
    pub limit: usize,
    /// Only those whose name or verdict has this in it.
    #[arg(long, default_value = "")]
    pub only: String,
}

/// The table.
///
/// # Errors
///
/// [`Refused`] if the runs cannot be listed.
pub fn run(args: &RunsArgs, width: usize, charset: Charset) -> Result<String, Refused> {
    let entries = catalogue::list(&args.runs)
        .map_err(|error| Refused::usage(format!("cannot list {}: {error}", args.runs.display())))?;
    let fits = |entry: &&Entry| entry.id.contains(&args.only) || entry.status.contains(&args.only);
    let all: Vec<&Entry> = entries.iter().filter(fits).collect();
    if all.is_empty() {
        return Ok(format!("no runs in {}", args.runs.display()));
    }
    let shown = &all[..all.len().min(args.limit)];
    let table = told(shown, width, charset);
    let left = all.len() - shown.len();
    if left == 0 {
        return Ok(table);
    }
    Ok(format!(
        "{table}\n\n  {left} more; --limit {} shows all",
        all.len()
    ))
}

fn told(entries: &[&Entry], width: usize, charset: Charset) -> String {
    let now = SystemTime::now();
    let sign = |status: &str| match status {
        "held" => "✓ held".to_owned(),
        "violated" => "✗ violated".to_owned(),
        "undecided" => "? undecided".to_owned(),
        other => format!("! {}", other.replace('-', " ")),
    };
    let row = |entry: &&Entry| {
        let operations = i64::try_from(entry.operations).unwrap_or(i64::MAX);
        let first = entry.findings.join(" ");
        vec![
            entry.id.clone(),
            ago(entry.when, now),
            sign(&entry.status),
            thousands(operations),
            format!("{}/{}", entry.claims.0, entry.claims.1),
            if entry.found == 0 {
                String::new()
            } else {
                format!("{} ({first})", entry.found)
            },
        ]
    };
    let rows: Vec<Vec<String>> = entries.iter().map(row).collect();
    let head = ["id", "when", "verdict", "ops", "held", "findings"];
    let whole = render(&head, &rows, charset);
    if whole.lines().all(|line| line.chars().count() <= width) {
        return whole;
    }
    // Where it is narrow: which, and what came out.
    let rows: Vec<Vec<String>> = rows
        .iter()
        .map(|r| vec![r[0].clone(), r[2].clone()])
        .collect();
    render_within(&["id", "verdict"], &rows, width, charset)
}
