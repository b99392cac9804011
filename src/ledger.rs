//! `schism ledger`: what became of every write, as comma-separated values.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use checkers::calls::Calls;
use checkers::loss::{self, Fate};
use clap::Args;

use crate::check::{Refusal, read_calls};
use crate::store::{self, HISTORY, StoreError};

/// The run's own table: all that is neither there nor rightly replaced.
pub const LEDGER: &str = "ledger.csv";

/// Flags of `schism ledger`.
#[derive(Debug, Args)]
pub struct LedgerArgs {
    /// A run's directory, a history file, or - for standard input.
    what: PathBuf,
    /// Only writes with these fates, such as lost,dirty; all of them if left out.
    #[arg(long, value_delimiter = ',', value_parser = fate)]
    fate: Vec<Fate>,
}

fn fate(word: &str) -> Result<Fate, String> {
    let found = Fate::ALL.into_iter().find(|fate| fate.as_str() == word);
    let words = || Fate::ALL.map(Fate::as_str);
    found.ok_or_else(|| crate::suggest::unknown("fate", word, words()))
}

impl LedgerArgs {
    /// Writes the table to `out`.
    ///
    /// # Errors
    ///
    /// A [`Refusal`] if the recording cannot be read, or `out` not written.
    pub fn run(&self, out: &mut dyn Write) -> Result<(), Refusal> {
        let what = if self.what.is_dir() {
            self.what.join(HISTORY)
        } else {
            self.what.clone()
        };
        let calls = read_calls(&what)?;
        write(&calls, out, |fate| {
            self.fate.is_empty() || self.fate.contains(&fate)
        })
        .map_err(|error| Refusal::not_valid(format!("failed to write the table: {error}")))
    }
}

fn write(calls: &Calls, out: &mut dyn Write, wanted: impl Fn(Fate) -> bool) -> io::Result<()> {
    let ledger = loss::ledger(calls);
    loss::write_csv(ledger.rows().filter(|row| wanted(row.fate)), out)
}

/// Leaves the run's own table in its directory.
///
/// # Errors
///
/// [`StoreError`] if it cannot be written.
///
/// # Panics
///
/// Never: memory can be written to.
pub fn leave(calls: &Calls, directory: &Path) -> Result<(), StoreError> {
    let mut table = Vec::new();
    let wanted = |fate| !matches!(fate, Fate::Present | Fate::Replaced);
    write(calls, &mut table, wanted).expect("memory can be written to");
    store::write_file(&directory.join(LEDGER), &table)
}
