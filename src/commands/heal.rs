//! `schism heal`: removes what faults left on hosts.

use std::path::PathBuf;

use clap::Args;

use super::Refused;
use crate::{connect, heal, inventory, lab};

/// Flags of `schism heal`.
#[derive(Debug, Args)]
pub struct HealArgs {
    /// The hosts; those of the running lab if left out.
    #[arg(long)]
    pub inventory: Option<PathBuf>,
}

/// Heals all hosts, and says how many.
///
/// # Errors
///
/// [`Refused`] if there are no hosts, or one of them could not be healed.
pub fn run(args: &HealArgs) -> Result<String, Refused> {
    let hosts = match &args.inventory {
        Some(file) => inventory::load(file)
            .map_err(|error| Refused::usage(format!("{}: {error}", file.display())))?,
        None => lab::command::running_hosts().map_err(|error| {
            Refused::usage(format!(
                "failed to {error}; or name the hosts with --inventory"
            ))
        })?,
    };
    let nodes = connect::nodes(&hosts).map_err(Refused::usage)?;
    let runtime = tokio::runtime::Runtime::new()
        .map_err(|error| Refused::failed(format!("start the runtime: {error}")))?;
    runtime
        .block_on(heal::heal(&nodes))
        .map_err(Refused::not_valid)?;
    Ok(format!("{} hosts healed", hosts.len()))
}
