//! `schism verify`: checks a certificate.

use std::path::PathBuf;

use clap::Args;

use super::Refused;
use crate::check;
use crate::verify::{Verified, verify};

/// Flags of `schism verify`.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// The history that it is about, in any format that check reads; - for standard input.
    pub history: PathBuf,
    /// What check --certificate wrote.
    pub certificate: PathBuf,
}

/// What the certificate proves, and the exit code: 0 proven, 1 wrong, 2 unknown.
///
/// # Errors
///
/// [`Refused`] if the history or the certificate cannot be read.
pub fn run(args: &VerifyArgs) -> Result<(String, u8), Refused> {
    let (history, _) = check::read_lawful(&args.history)?;
    let text = std::fs::read_to_string(&args.certificate).map_err(|error| {
        let file = args.certificate.display();
        Refused::failed(format!("read {file}: {error}"))
    })?;
    Ok(match verify(&history, &text) {
        Verified::Proven { held: true, calls } => (
            format!("PROVEN  linearizable: a legal order of {calls} calls was replayed"),
            0,
        ),
        Verified::Proven { held: false, calls } => (
            format!("PROVEN  not linearizable: no order of these {calls} calls is legal"),
            0,
        ),
        Verified::Wrong(why) => (format!("WRONG  {why}"), 1),
        Verified::Unknown(why) => (format!("UNKNOWN  {why}"), 2),
    })
}
