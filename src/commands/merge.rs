//! `schism merge`: runs that several machines carried out, as one campaign.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;

use super::{Refused, runs_in};
use crate::campaign;
use crate::plan::Plan;
use crate::report::html::pages;
use crate::report::table::{Charset, render};
use crate::report::tally;
use crate::report::told::Told;
use crate::report::verdict::RunVerdict;
use crate::store;

/// Flags of `schism merge`.
#[derive(Debug, Args)]
pub struct MergeArgs {
    /// Directories of runs and campaigns.
    #[arg(required = true)]
    pub from: Vec<PathBuf>,
    /// Where the campaign is put.
    #[arg(long, default_value = "runs", env = "SCHISM_RUNS")]
    pub runs: PathBuf,
    /// Count over the seeds how often each claim of each trial was refuted.
    #[arg(long)]
    pub tally: bool,
}

/// Copies the runs into a new directory with a verdict on all; returns it and the exit code.
///
/// # Errors
///
/// [`Refused`] if a directory holds no runs, a verdict cannot be read, or files cannot be
/// written.
///
/// # Panics
///
/// Never: a verdict has a form in JSON.
pub fn run(args: &MergeArgs, charset: Charset) -> Result<(String, u8), Refused> {
    let mut found: Vec<(PathBuf, RunVerdict)> = Vec::new();
    for from in &args.from {
        let runs = runs_in(from);
        if runs.is_empty() {
            return Err(Refused::usage(format!("{} holds no runs", from.display())));
        }
        for run in runs {
            let file = run.join(store::VERDICT);
            let read = fs::read(&file).map_err(|error| error.to_string());
            let verdict = read
                .and_then(|text| serde_json::from_slice(&text).map_err(|error| error.to_string()));
            let verdict = verdict
                .map_err(|error| Refused::failed(format!("read {}: {error}", file.display())))?;
            found.push((run, verdict));
        }
    }
    let directory = store::new_run(&args.runs, "merged").map_err(Refused::failed)?;
    let (mut plans, mut verdicts) = (Vec::new(), Vec::new());
    for (run, verdict) in found {
        if args.tally {
            let plan = Plan::load(&run.join(store::PLAN));
            plans.push(plan.map_err(|error| Refused::usage(error.to_string()))?);
        }
        let base = format!("{}-s{}", verdict.name, verdict.seed);
        let mut place = directory.join(&base);
        let mut number = 2;
        while place.exists() {
            place = directory.join(format!("{base}-{number}"));
            number += 1;
        }
        copy(&run, &place)
            .map_err(|error| Refused::failed(format!("copy {}: {error}", run.display())))?;
        verdicts.push(verdict);
    }
    let merged = campaign::summarise(verdicts);
    let text = serde_json::to_vec_pretty(&merged).expect("a verdict has a form in JSON");
    store::write_file(&directory.join(store::VERDICT), &text).map_err(Refused::failed)?;
    page(&directory)?;
    let mut sentence = format!("{} runs in {}", merged.runs.len(), directory.display());
    if args.tally {
        let table = render(&tally::COLUMNS, &tally::rows(&plans, &merged.runs), charset);
        sentence = format!("{table}\n\n  {sentence}");
    }
    Ok((sentence, merged.exit_code))
}

/// The page of a campaign, beside its verdict.
///
/// # Errors
///
/// [`Refused`] if it cannot be written.
pub fn page(directory: &Path) -> Result<PathBuf, Refused> {
    let mut runs = Vec::new();
    for run in runs_in(directory) {
        let name = run
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let told = fs::read(run.join(store::VERDICT)).map_err(|error| error.to_string());
        let told = told.and_then(|text| Told::parse(&text)).unwrap_or_default();
        runs.push((name, told));
    }
    let name = directory.file_name().unwrap_or_default().to_string_lossy();
    let path = directory.join(crate::report::html::REPORT);
    let page = pages::campaign(&name, &runs);
    store::write_file(&path, page.as_bytes()).map_err(Refused::failed)?;
    Ok(path)
}

fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        let kind = entry.file_type()?;
        if kind.is_dir() {
            copy(&entry.path(), &target)?;
        } else if kind.is_file() {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
