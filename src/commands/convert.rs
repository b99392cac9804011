//! `schism convert`: writes a history in another format.

use std::path::PathBuf;

use checkers::history::Format;
use clap::Args;

use super::Refused;
use crate::{check, store, suggest};

/// Flags of `schism convert`.
#[derive(Debug, Args)]
pub struct ConvertArgs {
    /// A history in any format that check reads.
    pub from: PathBuf,
    /// The file to write.
    pub to: PathBuf,
    /// The format to write; if not said, what the file's name ends in.
    #[arg(long, value_parser = format_named)]
    pub format: Option<Format>,
}

fn format_named(name: &str) -> Result<Format, String> {
    let names = Format::ALL.map(Format::name);
    Format::named(name).ok_or_else(|| suggest::unknown("format", name, names))
}

/// Writes the file; what was odd in the old one, and how long the new one is, goes to `complain`.
///
/// # Errors
///
/// [`Refused`] if no format is known, or a file cannot be read or written.
pub fn run(args: &ConvertArgs, complain: impl Fn(&str)) -> Result<(), Refused> {
    let ending = args.to.extension().and_then(|ending| ending.to_str());
    let format = args.format.or_else(|| Format::named(ending?));
    let format = format.ok_or_else(|| {
        let names = Format::ALL.map(Format::name).join(", ");
        let name = args.to.display();
        Refused::usage(format!(
            "the name {name} tells no format: give it with --format: {names}"
        ))
    })?;
    let (history, warnings) = check::read_lawful(&args.from)?;
    for warning in warnings {
        complain(&format!("{}: {warning}", args.from.display()));
    }
    store::write_history(&args.to, format, history.ops()).map_err(Refused::failed)?;
    complain(&format!("{} entries, as {format}", history.ops().len()));
    Ok(())
}
