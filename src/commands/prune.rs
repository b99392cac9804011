//! `schism prune`: removes old runs.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use clap::Args;

use super::Refused;
use crate::report::catalogue::{self, Entry};

/// Flags of `schism prune`.
#[derive(Debug, Args)]
pub struct PruneArgs {
    /// Where runs are recorded.
    #[arg(long, default_value = "runs", env = "SCHISM_RUNS")]
    pub runs: PathBuf,
    /// The newest so many are kept, whatever their age.
    #[arg(long, default_value_t = 20)]
    pub keep: usize,
    /// Of the others, those older than this are removed, as 30d.
    #[arg(long, default_value = "30d", value_parser = humantime_serde::re::humantime::parse_duration)]
    pub older_than: Duration,
    /// Runs with violations are kept as well.
    #[arg(long)]
    pub keep_violated: bool,
    /// Only say what would be removed.
    #[arg(long)]
    pub dry_run: bool,
}

/// Removes them; returns what was removed, a line each.
///
/// # Errors
///
/// [`Refused`] if runs cannot be listed or removed.
pub fn run(args: &PruneArgs) -> Result<String, Refused> {
    let entries = catalogue::list(&args.runs)
        .map_err(|error| Refused::usage(format!("cannot list {}: {error}", args.runs.display())))?;
    let latest = fs::canonicalize(args.runs.join("latest")).ok();
    let now = SystemTime::now();
    let old = |entry: &&Entry| {
        let age = now.duration_since(entry.when).unwrap_or_default();
        age > args.older_than
            && !(args.keep_violated && entry.status == "violated")
            && fs::canonicalize(&entry.path).ok() != latest
            && is_stamped(&entry.id)
    };
    let chosen: Vec<&Entry> = entries.iter().skip(args.keep).filter(old).collect();
    let mut lines = Vec::new();
    for entry in &chosen {
        if !args.dry_run {
            fs::remove_dir_all(&entry.path).map_err(|error| {
                Refused::failed(format!("remove {}: {error}", entry.path.display()))
            })?;
        }
        lines.push(entry.id.clone());
    }
    let verb = if args.dry_run {
        "would be removed"
    } else {
        "removed"
    };
    lines.push(format!("{} of {} runs {verb}", chosen.len(), entries.len()));
    Ok(lines.join("\n"))
}

/// Only what this program named is removed: `2026-11-22T23-15-16Z-…`.
fn is_stamped(id: &str) -> bool {
    let bytes = id.as_bytes();
    let pattern = b"dddd-dd-ddTdd-dd-ddZ-";
    bytes.len() > pattern.len()
        && pattern
            .iter()
            .zip(bytes)
            .all(|(wanted, byte)| match wanted {
                b'd' => byte.is_ascii_digit(),
                wanted => wanted == byte,
            })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_directories_are_removed() {
        assert!(is_stamped("2026-11-22T23-15-16Z-demo"));
        assert!(!is_stamped("2026-11-22T23-15-16Z-"));
        assert!(!is_stamped("important"));
    }
}
