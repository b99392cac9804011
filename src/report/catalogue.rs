//! All runs below a directory, newest first, from as little of their files as will do.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::store::{PLAN, VERDICT};

/// One run or campaign in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The directory's name.
    pub id: String,
    /// The directory.
    pub path: PathBuf,
    /// When its directory was last written to.
    pub when: SystemTime,
    /// The verdict's word, or what is wrong.
    pub status: String,
    /// How many operations.
    pub operations: u64,
    /// Claims that held, and all claims.
    pub claims: (usize, usize),
    /// Ids of findings, the first of each claim.
    pub findings: Vec<String>,
    /// How many findings there are.
    pub found: usize,
}

/// The fields of a verdict that a list needs; the findings themselves are passed over.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Head {
    #[serde(default)]
    status: Option<String>,
    #[serde(default)]
    claims: Vec<HeadClaim>,
    #[serde(default)]
    coverage: std::collections::BTreeMap<String, HeadOutcomes>,
    #[serde(default)]
    runs: Option<Vec<IgnoredAny>>,
    #[serde(default)]
    as_expected: Option<bool>,
}

#[derive(Deserialize)]
struct HeadClaim {
    #[serde(default)]
    verdict: String,
    #[serde(default)]
    findings: Vec<String>,
}

#[derive(Deserialize)]
struct HeadOutcomes {
    #[serde(default)]
    ok: u64,
    #[serde(default)]
    fail: u64,
    #[serde(default)]
    info: u64,
}

/// All runs directly below `runs`, newest first by name. Links are left out.
///
/// **Cost**: linear in the bytes of all verdicts, on all cores.
///
/// # Errors
///
/// When `runs` cannot be read.
pub fn list(runs: &Path) -> std::io::Result<Vec<Entry>> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(runs)? {
        let entry = entry?;
        let hidden = entry.file_name().to_string_lossy().starts_with('.');
        if entry.file_type()?.is_dir() && !hidden {
            paths.push(entry.path());
        }
    }
    // Names begin with the time.
    paths.sort_unstable_by(|a, b| b.cmp(a));
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let size = paths.len().div_ceil(threads).max(1);
    let entries = std::thread::scope(|scope| {
        let parts: Vec<_> = paths
            .chunks(size)
            .map(|part| scope.spawn(|| part.iter().filter_map(|p| entry(p)).collect::<Vec<_>>()))
            .collect();
        let parts = parts.into_iter().filter_map(|part| part.join().ok());
        parts.flatten().collect()
    });
    Ok(entries)
}

/// A directory as an entry; none if it is no run.
#[must_use]
pub fn entry(path: &Path) -> Option<Entry> {
    let verdict = fs::read(path.join(VERDICT)).ok();
    if verdict.is_none() && !path.join(PLAN).exists() {
        return None;
    }
    let when = fs::metadata(path).and_then(|about| about.modified());
    let mut entry = Entry {
        id: path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned(),
        path: path.to_owned(),
        when: when.unwrap_or(SystemTime::UNIX_EPOCH),
        status: "unfinished".to_owned(),
        operations: 0,
        claims: (0, 0),
        findings: Vec::new(),
        found: 0,
    };
    let Some(verdict) = verdict else {
        return Some(entry);
    };
    let Ok(head) = serde_json::from_slice::<Head>(&verdict) else {
        entry.status = "unreadable".to_owned();
        return Some(entry);
    };
    if let Some(runs) = head.runs {
        let word = match head.as_expected {
            Some(true) => "as expected",
            Some(false) => "NOT as expected",
            None => "campaign",
        };
        entry.status = format!("{} runs, {word}", runs.len());
        return Some(entry);
    }
    entry.status = head.status.unwrap_or_else(|| "unreadable".to_owned());
    let held = head
        .claims
        .iter()
        .filter(|claim| claim.verdict == "held")
        .count();
    entry.claims = (held, head.claims.len());
    entry.operations = head.coverage.values().map(|o| o.ok + o.fail + o.info).sum();
    entry.found = head.claims.iter().map(|claim| claim.findings.len()).sum();
    let first = head
        .claims
        .iter()
        .filter_map(|claim| claim.findings.first().cloned());
    entry.findings = first.collect();
    Some(entry)
}

/// How long ago, in words.
#[must_use]
pub fn ago(when: SystemTime, now: SystemTime) -> String {
    let seconds = now.duration_since(when).map_or(0, |past| past.as_secs());
    match seconds {
        ..60 => "just now".to_owned(),
        60..3600 => format!("{} min ago", seconds / 60),
        3600..86_400 => format!("{} h ago", seconds / 3600),
        _ => format!("{} days ago", seconds / 86_400),
    }
}
