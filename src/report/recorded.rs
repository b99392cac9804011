//! A run's directory as it is: whatever of it can be read, and what is missing.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use checkers::calls::Calls;
use serde_json::Value;

use super::told::{Told, ToldFault};
use super::verdict;
use crate::store::{HISTORY, PLAN, Recording, VERDICT};

/// A log is read up to here; what follows is said to be unread.
const LOG_BYTES: u64 = 16 << 20;
/// So many telling lines of a log are kept.
const LOG_LINES: usize = 20;
/// So many files are listed.
const FILES: usize = 500;

/// Everything that a run left.
#[derive(Debug)]
pub struct Recorded {
    /// The directory, as it was named.
    pub directory: PathBuf,
    /// The plan as text.
    pub plan_text: Option<String>,
    /// The plan, if it is TOML.
    pub plan: Option<toml::Table>,
    /// The verdict; one without claims if there is none.
    pub told: Told,
    /// Whether there was a verdict to read.
    pub judged: bool,
    /// The history; empty if there is none.
    pub calls: Calls,
    /// What the logs of the nodes say.
    pub logs: Vec<Log>,
    /// All files, with their sizes.
    pub files: Vec<(String, u64)>,
    /// What is missing or could not be read, in sentences.
    pub missing: Vec<String>,
}

/// A node's log.
#[derive(Clone, Debug, Default)]
pub struct Log {
    /// The node.
    pub node: String,
    /// The file.
    pub file: String,
    /// How many lines were read.
    pub lines: usize,
    /// How many of them tell of trouble.
    pub troubled: usize,
    /// The first of those, with their numbers.
    pub telling: Vec<(usize, String)>,
}

impl Recorded {
    /// Reads a run's directory. Nothing that is wrong with it is an error.
    #[must_use]
    pub fn read(directory: &Path) -> Self {
        let mut missing = Vec::new();
        let plan_text = match fs::read(directory.join(PLAN)) {
            Ok(bytes) => Some(String::from_utf8_lossy(&bytes).into_owned()),
            Err(error) => {
                missing.push(format!("{PLAN} cannot be read: {error}"));
                None
            }
        };
        let plan = plan_text.as_deref().and_then(|text| {
            let read = text.parse::<toml::Table>();
            let note = |error: &toml::de::Error| format!("{PLAN} is no plan: {}", error.message());
            missing.extend(read.as_ref().err().map(note));
            read.ok()
        });
        let (mut told, judged) = verdict_of(directory, &mut missing);
        let calls = history_of(directory, &mut missing);
        if !judged {
            told.coverage = coverage_of(&calls);
            told.faults = faults_of(&calls);
        }
        if told.name.is_empty() {
            let named = plan.as_ref().and_then(|plan| plan.get("name")?.as_str());
            let base = directory.file_name().unwrap_or_default().to_string_lossy();
            told.name = named.map_or(base.into_owned(), str::to_owned);
        }
        let logs = logs_of(directory, &mut missing);
        let mut files = Vec::new();
        list(directory, "", 0, &mut files);
        Self {
            directory: directory.to_owned(),
            plan_text,
            plan,
            told,
            judged,
            calls,
            logs,
            files,
            missing,
        }
    }

    /// A value of the plan, as `load.clients`, in words.
    #[must_use]
    pub fn planned(&self, path: &str) -> Option<String> {
        let mut names = path.split('.');
        let mut value = self.plan.as_ref()?.get(names.next()?)?;
        for name in names {
            value = value.get(name)?;
        }
        Some(match value {
            toml::Value::String(text) => text.clone(),
            other => other.to_string(),
        })
    }

    /// The names of all nodes: first those that clients asked, by number, then those that only
    /// recovered.
    #[must_use]
    pub fn nodes(&self) -> Vec<&str> {
        let asked = self.calls.nodes();
        let mut names: Vec<&str> = asked.iter().map(|node| &**node).collect();
        for name in self.told.nodes.keys() {
            if !names.contains(&name.as_str()) {
                names.push(name);
            }
        }
        names
    }

    /// When the last entry of the history was made, in nanoseconds.
    #[must_use]
    pub fn length(&self) -> u64 {
        let calls = &self.calls;
        let last = calls.begins.iter().chain(&calls.ends);
        let last = last.filter(|rank| **rank != checkers::calls::NEVER).max();
        let nemesis = calls.nemesis().last().map_or(0, |op| op.time);
        last.map_or(0, |rank| calls.time(*rank)).max(nemesis)
    }
}

fn verdict_of(directory: &Path, missing: &mut Vec<String>) -> (Told, bool) {
    let read = fs::read(directory.join(VERDICT)).map_err(|error| error.to_string());
    match read.and_then(|text| Told::parse(&text)) {
        Ok(told) => {
            let unclear = told.unclear.iter();
            missing.extend(unclear.map(|what| format!("{VERDICT}: {what}")));
            (told, true)
        }
        Err(error) => {
            missing.push(format!(
                "{VERDICT} cannot be read: {error}. Nothing here is a verdict; \
                 `schism check {}` judges what was recorded",
                directory.display()
            ));
            (Told::default(), false)
        }
    }
}

/// As columns where that is possible, else through operations, which can be mended.
fn history_of(directory: &Path, missing: &mut Vec<String>) -> Calls {
    let path = directory.join(HISTORY);
    let recording = Recording::File(path);
    let read = match recording.calls() {
        Ok((calls, _)) if calls.irregular().is_none() => return calls,
        Ok(_) => recording.history(),
        Err(error) => Err(error),
    };
    let mended = read
        .map_err(|error| format!("failed to {error}"))
        .and_then(|read| read.history().map_err(|error| error.to_string()));
    match mended {
        Ok((history, warnings)) => {
            let warnings = warnings.iter().take(20);
            missing.extend(warnings.map(|warning| format!("{HISTORY}: {warning}")));
            Calls::of(&history)
        }
        Err(error) => {
            missing.push(format!(
                "the history cannot be shown ({error}): no timeline, no pictures"
            ));
            Calls::default()
        }
    }
}

fn coverage_of(calls: &Calls) -> std::collections::BTreeMap<String, [u64; 3]> {
    use checkers::history::Kind;
    let mut coverage = std::collections::BTreeMap::new();
    for (at, outcome) in calls.outcome.iter().enumerate() {
        let name = calls.fs.list()[usize::from(calls.f[at])].to_string();
        let counts: &mut [u64; 3] = coverage.entry(name).or_default();
        counts[match outcome {
            Kind::Ok => 0,
            Kind::Fail => 1,
            Kind::Info | Kind::Invoke => 2,
        }] += 1;
    }
    coverage
}

fn faults_of(calls: &Calls) -> Vec<ToldFault> {
    let told = |record: verdict::FaultRecord| ToldFault {
        fault: record.fault,
        begun_ms: record.begun_ms,
        done_ms: record.done_ms,
        done: record.done,
    };
    verdict::faults(calls.nemesis())
        .into_iter()
        .map(told)
        .collect()
}

/// Lines that tell of trouble.
const TELLING: [&str; 6] = [
    "panic",
    "fatal",
    "corrupt",
    "out of memory",
    "assert",
    "segfault",
];

fn logs_of(directory: &Path, missing: &mut Vec<String>) -> Vec<Log> {
    let place = directory.join("nodes");
    let mut logs = Vec::new();
    let Ok(nodes) = fs::read_dir(&place) else {
        missing.push("no logs of the nodes were kept".to_owned());
        return logs;
    };
    let mut nodes: Vec<PathBuf> = nodes.flatten().map(|entry| entry.path()).collect();
    nodes.sort();
    for node in nodes {
        let name = node.file_name().unwrap_or_default().to_string_lossy();
        let files = fs::read_dir(&node).into_iter().flatten().flatten();
        let mut files: Vec<PathBuf> = files.map(|entry| entry.path()).collect();
        // What a node was told is no log.
        files.retain(|file| file.extension().is_none_or(|extension| extension != "json"));
        files.sort();
        if files.is_empty() {
            missing.push(format!("no log of {name} was kept"));
        }
        for file in files {
            match log_of(&file) {
                Ok(log) => logs.push(Log {
                    node: name.clone().into_owned(),
                    ..log
                }),
                Err(error) => {
                    missing.push(format!(
                        "the log {} cannot be read: {error}",
                        file.display()
                    ));
                }
            }
        }
    }
    logs
}

fn log_of(file: &Path) -> std::io::Result<Log> {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let mut log = Log {
        file: name.into_owned(),
        ..Log::default()
    };
    let mut input = BufReader::new(File::open(file)?.take(LOG_BYTES));
    let mut line = Vec::new();
    while input.read_until(b'\n', &mut line)? > 0 {
        log.lines += 1;
        let text = String::from_utf8_lossy(&line);
        let lower = text.to_ascii_lowercase();
        if TELLING.iter().any(|word| lower.contains(word)) {
            log.troubled += 1;
            if log.telling.len() < LOG_LINES {
                let text: String = text.trim_end().chars().take(1000).collect();
                log.telling.push((log.lines, text));
            }
        }
        line.clear();
    }
    Ok(log)
}

/// All files below, deepest last; links are not followed.
fn list(directory: &Path, prefix: &str, depth: usize, files: &mut Vec<(String, u64)>) {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let mut entries: Vec<_> = entries.collect();
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        match entry.metadata() {
            Ok(about) if about.is_dir() && depth < 4 => {
                list(&entry.path(), &format!("{name}/"), depth + 1, files);
            }
            Ok(about) if about.is_file() && files.len() < FILES => files.push((name, about.len())),
            _ => {}
        }
    }
}

/// The entry of a map that stands in a figure, as a number.
pub(crate) fn number(value: &Value, name: &str) -> Option<i64> {
    value.get(name)?.as_i64()
}
