//! Subcommands that judge, read what runs left, run in memory, list or prepare: one file each, with
//! its flags and what it does.

pub mod check;
pub mod ci;
pub mod convert;
pub mod diff;
pub mod expect;
pub mod explain;
pub mod export;
pub mod heal;
pub mod image;
pub mod list;
pub mod matrix;
pub mod merge;
pub mod prune;
pub mod quorum;
pub(crate) mod ranges;
pub mod report;
pub mod runs;
pub mod schema;
pub mod selftest;
pub mod serve;
pub mod show;
pub mod shrink;
pub mod sim;
pub mod trend;
pub mod trials;
pub mod verify;

use std::path::{Path, PathBuf};

use clap::ValueEnum;

use crate::check::Refusal;
use crate::live::Held;
use crate::report::table::Charset;
use crate::report::verdict::Status;

/// A sentence for standard error, and the exit code.
#[derive(Debug)]
pub struct Refused {
    /// The exit code.
    pub code: u8,
    /// What, where, how to mend it.
    pub sentence: String,
}

impl Refused {
    /// The arguments are wrong.
    #[must_use]
    pub fn usage(sentence: impl Into<String>) -> Self {
        Self {
            code: crate::cli::USAGE,
            sentence: sentence.into(),
        }
    }

    /// Nothing can be said of it, and why.
    #[must_use]
    pub fn not_valid(sentence: impl Into<String>) -> Self {
        Self {
            code: Status::NotValid.exit_code(),
            sentence: sentence.into(),
        }
    }

    /// A file could not be read or written.
    #[must_use]
    pub fn failed(error: impl std::fmt::Display) -> Self {
        Self::not_valid(format!("failed to {error}"))
    }
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        Self {
            code: refusal.code,
            sentence: refusal.sentence,
        }
    }
}

/// How a command speaks while it goes on.
#[derive(Clone, Debug)]
pub struct Speech {
    /// How this program was called, so that what is printed can be called again.
    pub program: String,
    /// Columns of the terminal.
    pub width: usize,
    /// What may be drawn with.
    pub charset: Charset,
    /// Whether the terminal cannot redraw a line.
    pub is_dumb: bool,
    /// Prints a result.
    pub say: fn(&str),
    /// Says on the side what is wrong or odd.
    pub complain: fn(&str),
    /// The log, where it may not stand on the screen before that is given back.
    pub held: Option<Held>,
}

impl Speech {
    /// Says what of the log was held back; the screen must have been given back.
    pub fn release(&self) {
        let held = self.held.as_ref().map(Held::take).unwrap_or_default();
        if !held.is_empty() {
            (self.complain)(String::from_utf8_lossy(&held).trim_end());
        }
    }
}

/// What is printed on standard output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Words and tables.
    Human,
    /// Exactly verdict.json.
    Json,
}

/// As it lies in files.
pub(crate) fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string_pretty(value).expect("verdicts have a form in JSON")
}

/// The directory of a run: as named, or of that name below `runs`.
///
/// # Errors
///
/// [`Refused`] if there is none.
pub fn run_directory(named: &Path, runs: &Path) -> Result<PathBuf, Refused> {
    let below = runs.join(named);
    let found = [named.to_owned(), below]
        .into_iter()
        .find(|path| path.is_dir());
    found.ok_or_else(|| {
        let (named, runs) = (named.display(), runs.display());
        Refused::usage(format!(
            "there is no run {named}, neither here nor in {runs}; `schism runs` lists them"
        ))
    })
}

/// The runs in a directory: itself, or those of a campaign, in order of their names.
#[must_use]
pub fn runs_in(directory: &Path) -> Vec<PathBuf> {
    if directory.join(crate::store::PLAN).exists() {
        return vec![directory.to_owned()];
    }
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let mut runs: Vec<PathBuf> = entries
        .map(|entry| entry.path())
        .filter(|path| path.join(crate::store::PLAN).exists())
        .collect();
    runs.sort();
    runs
}
