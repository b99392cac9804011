//! `schism export`: histories and findings as CSV, for DuckDB, spreadsheets and the like.

use std::fs::File;
use std::io::BufWriter;
use std::path::PathBuf;

use clap::Args;

use super::{Refused, run_directory};
use crate::report::csv;
use crate::report::told::Told;
use crate::store;

/// Flags of `schism export`.
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// A run: its directory, or its name below --runs.
    pub run: PathBuf,
    /// The directory that gets history.csv and findings.csv; the run's own if left out.
    #[arg(long)]
    pub to: Option<PathBuf>,
    /// Where runs are recorded.
    #[arg(long, default_value = "runs", env = "SCHISM_RUNS")]
    pub runs: PathBuf,
}

/// Writes them; returns where they are.
///
/// # Errors
///
/// [`Refused`] if the run cannot be read or the files cannot be written.
pub fn run(args: &ExportArgs) -> Result<String, Refused> {
    let directory = run_directory(&args.run, &args.runs)?;
    let to = args.to.clone().unwrap_or_else(|| directory.clone());
    let place = |name: &str| to.join(name);
    let failed = |name: &str, error: std::io::Error| {
        Refused::failed(format!("write {}: {error}", place(name).display()))
    };
    std::fs::create_dir_all(&to).map_err(|error| failed("", error))?;
    let read = store::read_history(&directory.join(store::HISTORY)).map_err(Refused::failed)?;
    let name = "history.csv";
    let file = File::create(place(name)).map_err(|error| failed(name, error))?;
    csv::history(&mut BufWriter::new(file), &read.ops).map_err(|error| failed(name, error))?;
    let verdict = directory.join(store::VERDICT);
    let text = std::fs::read(&verdict)
        .map_err(|error| Refused::failed(format!("read {}: {error}", verdict.display())))?;
    let told = Told::parse(&text)
        .map_err(|error| Refused::failed(format!("read {}: {error}", verdict.display())))?;
    let name = "findings.csv";
    let file = File::create(place(name)).map_err(|error| failed(name, error))?;
    csv::findings(&mut BufWriter::new(file), &told).map_err(|error| failed(name, error))?;
    Ok(format!(
        "{}\n{}",
        place("history.csv").display(),
        place(name).display()
    ))
}
