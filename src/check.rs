//! Judging what was recorded: runs of ours, and histories that anybody recorded.
//!
//! A history is read as columns and judged by algorithms that need no operations in memory;
//! only what breaks a law, or must be judged by other claims than linearizability, is read as
//! operations.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use checkers::calls::Calls;
use checkers::compose::side_by_side;
use checkers::history::dictionary::{Interned, NIL};
use checkers::history::{Format, History, Kind, Warning};
use checkers::model::Known;
use checkers::{Budget, Checker, Linearizable, Report, Verdict};

use crate::certify;
use crate::claim::Claim;
use crate::plan::Plan;
use crate::report::table::{Charset, plain, render_within, thousands};
use crate::report::terminal;
use crate::report::timeline::{self, Bar};
use crate::report::verdict::{Finding, Recovery, RunVerdict, Status};
use crate::run;
use crate::store::{self, Recording};

/// What to judge, how, and what it may cost.
#[derive(Clone, Debug, Default)]
pub struct Question {
    /// Only these claims; if there are none, all that the history can speak of.
    pub claims: Vec<Claim>,
    /// The model of all objects; none if the operations tell.
    pub model: Option<Known>,
    /// When a search gives up.
    pub time: Option<Duration>,
    /// How much memory a search may use, in bytes.
    pub memory: Option<usize>,
    /// Whether a certificate is wanted.
    pub certificate: bool,
}

/// A recording and what became of it.
#[derive(Debug)]
pub struct Answer {
    /// Its name.
    pub name: String,
    /// What was recognised; none for a run of ours or an empty file.
    pub format: Option<Format>,
    /// The verdict.
    pub verdict: RunVerdict,
    /// Findings as pictures, by their ids.
    pub pictures: BTreeMap<String, Vec<Bar>>,
    /// A proof of what is said of linearizability, if one was wanted, or why there is none.
    pub certificate: Option<Result<String, String>>,
    /// How long reading and judging took.
    pub took: Duration,
}

/// Why a recording cannot be judged at all: exit code and sentence.
#[derive(Debug)]
pub struct Refusal {
    /// What a table calls it.
    pub status: Status,
    /// The exit code: not valid, or a wrong argument.
    pub code: u8,
    /// What, where, how to mend it.
    pub sentence: String,
}

impl Refusal {
    /// Nothing can be judged, and why.
    #[must_use]
    pub fn not_valid(sentence: String) -> Self {
        Self {
            status: Status::NotValid,
            code: Status::NotValid.exit_code(),
            sentence,
        }
    }
}

fn not_valid(sentence: String) -> Refusal {
    Refusal::not_valid(sentence)
}

impl Question {
    /// Judges the recording of that name: a run's directory, a history file, or `-`.
    ///
    /// # Errors
    ///
    /// A [`Refusal`] if it cannot be read.
    pub fn put_to(&self, what: &Path) -> Result<Answer, Refusal> {
        let begun = Instant::now();
        let mut answer = if what.is_dir() {
            self.judge_run(what)?
        } else {
            self.judge_file(what)?
        };
        answer.took = begun.elapsed();
        Ok(answer)
    }

    fn judge_run(&self, what: &Path) -> Result<Answer, Refusal> {
        let plan = what.join(store::PLAN);
        if !plan.exists() {
            return Err(Refusal {
                code: crate::cli::USAGE,
                ..not_valid(not_a_run(what))
            });
        }
        let plan = Plan::load(&plan).map_err(|error| not_valid(error.to_string()))?;
        let heard = Heard::from(&Recording::File(what.join(store::HISTORY)), what)?;
        Ok(self.judge(
            &plan,
            what,
            Heard {
                format: None,
                ..heard
            },
        ))
    }

    fn judge_file(&self, what: &Path) -> Result<Answer, Refusal> {
        let mut plan = Plan::parse("name = \"history\"\n", what).expect("this plan is right");
        plan.name = what.display().to_string();
        let recording = Recording::named(what).map_err(|error| failed(&error))?;
        let heard = Heard::from(&recording, what)?;
        Ok(self.judge(&plan, what, heard))
    }

    fn judge(&self, plan: &Plan, what: &Path, heard: Heard) -> Answer {
        let Heard {
            calls,
            format,
            warnings,
        } = heard;
        let checkers = self.checkers(plan, &calls);
        let mut reports = self.judged(&checkers, &calls);
        if let Some(others) = self.otherwise(&calls, &reports) {
            reports = others;
        }
        let linearizable = reports.iter().find(|r| r.checker == "linearizable");
        let certificate = linearizable.and_then(|report| self.certify(&calls, report));
        let mut verdict = RunVerdict::of_calls(plan, &calls, &reports, Recovery::default());
        if calls.is_empty() && calls.nemesis().is_empty() {
            verdict.status = Status::NothingToCheck;
            verdict.exit_code = verdict.status.exit_code();
            verdict.claims.clear();
            verdict.why = Some("the history is empty".to_owned());
        }
        let told: Vec<String> = warnings.iter().map(ToString::to_string).collect();
        if !told.is_empty() {
            let told = told.join("; ");
            let why = verdict.why.take();
            verdict.why = Some(why.map_or(told.clone(), |why| format!("{why}; {told}")));
        }
        let pictures = verdict.findings.iter().map(|finding| {
            let bars = timeline::bars(&calls, finding);
            (finding.id.clone(), bars)
        });
        Answer {
            name: what.display().to_string(),
            format,
            pictures: pictures.collect(),
            certificate,
            verdict,
            took: Duration::ZERO,
        }
    }

    /// Who judges: those of the claims that were asked for; of what schism recorded, those of
    /// its workload; of other histories linearizability.
    fn checkers(&self, plan: &Plan, calls: &Calls) -> Vec<Box<dyn Checker>> {
        if self.claims.is_empty() && self.model.is_none() && calls.has_phases() {
            return vec![plan.workload().checker];
        }
        if self.claims.is_empty() {
            return vec![Box::new(self.linearizable())];
        }
        let mut claims = self.claims.clone();
        claims.sort_unstable();
        claims.dedup();
        let linearizable = claims.contains(&Claim::LINEARIZABLE);
        claims.retain(|claim| *claim != Claim::LINEARIZABLE);
        let mut checkers = Claim::judges(&claims);
        if linearizable {
            checkers.insert(0, Box::new(self.linearizable()));
        }
        checkers
    }

    /// Of a history that has no object whose model is known, what the other claims say of it, if
    /// they say anything; of one whose reads return balances, what the bank's claim says.
    fn otherwise(&self, calls: &Calls, reports: &[Report]) -> Option<Vec<Report>> {
        let asked = !self.claims.is_empty() || self.model.is_some() || calls.has_phases();
        let speechless = |report: &Report| {
            report.verdict == Verdict::Undecided && report.number("ops_checked") == Some(0)
        };
        if !asked && is_bank(calls) {
            let bank: Claim = "bank".parse().expect("it is a claim");
            return Some(self.judged(&[bank.judge()], calls));
        }
        if asked || !reports.iter().all(speechless) {
            return None;
        }
        let others: Vec<Claim> = Claim::all().skip(1).collect();
        let mut told = self.judged(&Claim::judges(&others), calls);
        told.retain(|report| report.verdict != Verdict::Undecided);
        (!told.is_empty()).then_some(told)
    }

    fn judged(&self, checkers: &[Box<dyn Checker>], calls: &Calls) -> Vec<Report> {
        let reports = self.within_budget(|budget| side_by_side(checkers, calls, budget));
        reports.into_iter().flat_map(run::flat).collect()
    }

    fn linearizable(&self) -> Linearizable {
        self.model.map_or(Linearizable::default(), Linearizable::of)
    }

    fn certify(&self, calls: &Calls, report: &Report) -> Option<Result<String, String>> {
        self.certificate.then(|| {
            let judge = self.linearizable();
            self.within_budget(|budget| certify::certificate(&judge, calls, report, budget))
        })
    }

    /// Calls `judge` with a budget that ends when the time is over.
    fn within_budget<T>(&self, judge: impl FnOnce(&Budget) -> T) -> T {
        let mut budget = Budget::unlimited();
        if let Some(memory) = self.memory {
            budget = budget.with_max_bytes(memory);
        }
        let Some(time) = self.time else {
            return judge(&budget);
        };
        let (done, over) = mpsc::channel::<()>();
        std::thread::scope(|scope| {
            let alarm = budget.clone();
            scope.spawn(move || {
                if over.recv_timeout(time) == Err(RecvTimeoutError::Timeout) {
                    alarm.stop();
                }
            });
            let judged = judge(&budget);
            drop(done);
            judged
        })
    }
}

/// Whether clients did nothing but `transfer` and `read`, and all that reads returned are maps:
/// registers hold values, and do not transfer.
fn is_bank(calls: &Calls) -> bool {
    let (read, transfer) = (calls.function("read"), calls.function("transfer"));
    let is_other = |f: &u16| {
        let name = &calls.fs.list()[usize::from(*f)];
        Some(*f) != read && Some(*f) != transfer && !name.starts_with("final-read")
    };
    let count = u32::try_from(calls.len()).expect("calls are numbered with 32 bits");
    let mut returned = (0..count)
        .filter(|&call| {
            let at = call as usize;
            Some(calls.f[at]) == read && calls.outcome[at] == Kind::Ok
        })
        .map(|call| calls.result(call))
        .filter(|&result| result != NIL)
        .peekable();
    let is_map = |result| matches!(calls.values.get(result), Interned::Map(_));
    !calls.f.iter().any(is_other) && returned.peek().is_some() && returned.all(is_map)
}

/// A recording as it was read.
struct Heard {
    calls: Calls,
    format: Option<Format>,
    /// What was mended, or is missing; the verdict carries it.
    warnings: Vec<Warning>,
}

impl Heard {
    /// Reads a recording as columns, and as operations only where something is to be mended.
    fn from(recording: &Recording, what: &Path) -> Result<Self, Refusal> {
        let (calls, format) = recording.calls().map_err(|error| failed(&error))?;
        if calls.irregular().is_none() {
            return Ok(Self {
                calls,
                format,
                warnings: Vec::new(),
            });
        }
        drop(calls);
        let read = recording.history().map_err(|error| failed(&error))?;
        let (history, mut warnings) = read
            .history()
            .map_err(|error| not_valid(format!("{}: {error}", what.display())))?;
        warnings.retain(|warning| !warning.is_untimed());
        Ok(Self {
            calls: Calls::of(&history),
            format,
            warnings,
        })
    }
}

fn failed(error: &store::StoreError) -> Refusal {
    not_valid(format!("failed to {error}"))
}

fn not_a_run(what: &Path) -> String {
    let campaign = what.join(store::VERDICT).exists();
    let hint = if campaign {
        "it is a campaign; name one of the runs in it"
    } else {
        "name a run's directory or a history file"
    };
    format!("{} holds no {}: {hint}", what.display(), store::PLAN)
}

/// One recording's verdict in words.
#[must_use]
pub fn tell(answer: &Answer, width: usize, charset: Charset) -> String {
    // Fifteen lines a story: a head, the words, and what is left for the picture.
    let picture = |finding: &Finding| {
        let room = 14_usize.saturating_sub(finding.argument.len().min(12));
        let bars = answer.pictures.get(&finding.id)?;
        timeline::draw(bars, room.min(8), width.min(120), charset)
    };
    let text = if answer
        .verdict
        .claims
        .iter()
        .any(|c| c.claim != Claim::LINEARIZABLE)
    {
        match answer.format.map(Format::described) {
            None => terminal::run(&answer.verdict, &answer.name, picture, charset),
            Some(read_as) => {
                terminal::recorded(&answer.verdict, &answer.name, read_as, picture, charset)
            }
        }
    } else {
        let read_as = answer.format.map(Format::described);
        terminal::history(&answer.verdict, &answer.name, read_as, picture, charset)
    };
    plain(text.trim_end(), charset)
}

/// Several recordings' verdicts: one line each, and a summary.
#[must_use]
pub fn tell_all(
    answers: &[(PathBuf, Result<Answer, Refusal>)],
    width: usize,
    charset: Charset,
) -> String {
    let mut rows = Vec::new();
    let mut counts: BTreeMap<u8, (Status, usize)> = BTreeMap::new();
    for (what, answer) in answers {
        let (status, row) = match answer {
            Ok(answer) => (answer.verdict.status, line(answer)),
            Err(refusal) => (
                refusal.status,
                vec![String::new(), String::new(), refusal.sentence.clone()],
            ),
        };
        counts.entry(rank(status)).or_insert((status, 0)).1 += 1;
        let mut whole = vec![status.words().to_owned(), what.display().to_string()];
        whole.extend(row);
        rows.push(whole);
    }
    let head = [
        "verdict",
        "history",
        "operations",
        "decided by",
        "first evidence, or why not",
    ];
    let summary: Vec<String> = (counts.values())
        .map(|(status, count)| format!("{count} {}", status.plain_word()))
        .collect();
    let total = answers.len();
    format!(
        "{}\n\n{total} histories: {}",
        render_within(&head, &rows, width, charset),
        summary.join(", ")
    )
}

fn line(answer: &Answer) -> Vec<String> {
    let verdict = &answer.verdict;
    let ops = verdict.figure("linearizable", "ops_checked");
    let ops = ops.unwrap_or_else(|| verdict.operations());
    let evidence = match (verdict.findings.first(), &verdict.why) {
        (Some(finding), _) => {
            let key = finding.key.as_deref();
            let key = key.map_or(String::new(), |key| format!(" of {key}"));
            format!("{}{key}", finding.anomaly)
        }
        (None, Some(why)) => why.clone(),
        (None, None) => {
            let why = verdict.claims.iter().find_map(|claim| claim.why.clone());
            why.unwrap_or_default()
        }
    };
    let by = terminal::decided_by(verdict).unwrap_or_default();
    vec![thousands(ops), by, evidence]
}

/// The exit code of several answers: a violation stands whatever else there is.
#[must_use]
pub fn exit_code(answers: &[(PathBuf, Result<Answer, Refusal>)]) -> u8 {
    let worst = answers.iter().map(|(_, answer)| match answer {
        Ok(answer) => answer.verdict.status,
        Err(refusal) => refusal.status,
    });
    let worst = worst.min_by_key(|status| rank(*status));
    worst.map_or(Status::NothingToCheck.exit_code(), Status::exit_code)
}

fn rank(status: Status) -> u8 {
    match status {
        Status::Violated => 0,
        Status::NotValid => 1,
        Status::Undecided => 2,
        Status::NothingToCheck => 3,
        Status::Held => 4,
    }
}

/// The most memory that this process ever had, in megabytes; 0 where the system does not tell.
#[must_use]
pub fn peak_megabytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok());
    kilobytes.unwrap_or(0_u64) / 1024
}

/// The calls of a recording, mended where it must be.
///
/// # Errors
///
/// A [`Refusal`] if it cannot be read.
pub fn read_calls(what: &Path) -> Result<Calls, Refusal> {
    let recording = Recording::named(what).map_err(|error| failed(&error))?;
    Heard::from(&recording, what).map(|heard| heard.calls)
}

/// A history that keeps the laws, and what was mended.
///
/// # Errors
///
/// A [`Refusal`] if it cannot be read.
pub fn read_lawful(what: &Path) -> Result<(History, Vec<Warning>), Refusal> {
    let recording = Recording::named(what).map_err(|error| failed(&error))?;
    let read = recording.history().map_err(|error| failed(&error))?;
    read.history()
        .map_err(|error| not_valid(format!("{}: {error}", what.display())))
}
