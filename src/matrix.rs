//! The trade-off campaign: every mode under every fault, what each keeps and what that costs.
//!
//! A [`Cell`] sums the runs of one mode under one fault up, seed by seed; this module makes
//! cells of verdicts and tables of cells, and knows no file.

use std::fmt::Write as _;

use checkers::Verdict;
use serde::{Deserialize, Serialize};

use crate::claim::{Claim, Expected};
use crate::modes::{Fault, Mode};
use crate::plan::Plan;
use crate::report::html::pages;
use crate::report::table::{Charset, render, thousands};
use crate::report::verdict::{RunVerdict, Status};

/// A mode under a fault.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Cell {
    /// Its name, which is that of its directory.
    pub name: String,
    /// The mode.
    pub mode: String,
    /// The fault.
    pub fault: String,
    /// The trial, with the first seed, as its file has it.
    pub trial: String,
    /// The seeds that were run.
    pub seeds: Vec<u64>,
    /// The seed whose run is kept: the first that refutes something, or the first.
    pub kept: u64,
    /// What became of each claim.
    pub claims: Vec<Tallied>,
    /// Runs that prove nothing, and why the first of them does not.
    pub not_valid: u64,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Runs after which the nodes differed for good.
    pub unequal: u64,
    /// How long acknowledged writes took, in microseconds: the median over the seeds of the
    /// median and of the 99th percentile of each.
    pub write_p50_us: Option<i64>,
    /// See `write_p50_us`.
    pub write_p99_us: Option<i64>,
    /// The share of the load during which writes were accepted, in thousandths: the mean.
    pub writable_permille: Option<i64>,
    /// The same before the fault.
    pub before_permille: Option<i64>,
    /// While it lasted.
    pub during_permille: Option<i64>,
    /// After it.
    pub after_permille: Option<i64>,
    /// Writes that were acknowledged, over all seeds.
    pub acknowledged: i64,
    /// Of these, how many no node had in the end.
    pub lost: i64,
    /// Reads that could be judged.
    pub reads: i64,
    /// Of these, how many missed a write that was certainly there.
    pub stale_reads: i64,
    /// Whether everything came out as expected.
    pub as_expected: bool,
    /// What is to be known about the cell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// A claim over the seeds of a cell.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Tallied {
    /// Which.
    pub claim: Claim,
    /// What must come out: `held` with every seed, `violated` with some, or `any`.
    pub expected: Expected,
    /// With so many seeds it held.
    pub held: u64,
    /// With so many it was refuted.
    pub violated: u64,
    /// With so many it is undecided.
    pub undecided: u64,
    /// Whether that is what must come out.
    pub as_expected: bool,
}

impl Cell {
    /// Sums the runs of a cell up; `verdicts` are those of `plan` with some seeds.
    #[must_use]
    pub fn of(mode: Mode, fault: Fault, plan: &Plan, verdicts: &[RunVerdict]) -> Self {
        let claims: Vec<Tallied> = plan
            .expect
            .iter()
            .map(|(claim, expected)| tallied(*claim, *expected, verdicts))
            .collect();
        let figure = |checker: &'static str, name: &'static str| {
            verdicts.iter().filter_map(move |v| v.figure(checker, name))
        };
        let available = |name| mean(&figure("availability", name).collect::<Vec<_>>());
        let not_valid = verdicts.iter().filter(|v| v.status == Status::NotValid);
        let refutes = |v: &&RunVerdict| v.claims.iter().any(|c| c.verdict == Verdict::Violated);
        let kept = verdicts.iter().find(refutes).or(verdicts.first());
        let differ = verdicts.iter().filter(|v| v.recovery.equal == Some(false));
        let not_valid: Vec<&RunVerdict> = not_valid.collect();
        Self {
            name: plan.name.clone(),
            mode: mode.name.into(),
            fault: fault.name().into(),
            trial: plan.to_toml(),
            seeds: verdicts.iter().map(|v| v.seed).collect(),
            kept: kept.map_or(plan.seed, |v| v.seed),
            not_valid: count(not_valid.len()),
            why: not_valid.first().and_then(|v| v.why.clone()),
            unequal: count(differ.count()),
            write_p50_us: middle(figure("availability", "write_p50_us").collect()),
            write_p99_us: middle(figure("availability", "write_p99_us").collect()),
            writable_permille: available("writable_permille"),
            before_permille: available("writable_before_permille"),
            during_permille: available("writable_during_permille"),
            after_permille: available("writable_after_permille"),
            acknowledged: figure("loss", "acknowledged").sum(),
            lost: figure("loss", "lost").sum(),
            reads: figure("stale", "reads_judged").sum(),
            stale_reads: figure("stale", "stale_reads").sum(),
            as_expected: not_valid.is_empty()
                && !verdicts.is_empty()
                && claims.iter().all(|claim| claim.as_expected),
            note: note(mode, fault).map(str::to_owned),
            claims,
        }
    }

    /// The claims that were refuted, in words, a line each, and what writes cost.
    fn in_short(&self) -> String {
        let refuted = self.claims.iter().filter(|claim| claim.violated > 0);
        let seeds = self.seeds.len();
        let words = refuted.map(|claim| {
            let share = if seeds == 1 {
                String::new()
            } else {
                format!(" {}/{seeds}", claim.violated)
            };
            format!("{}{share}", broken(claim.claim))
        });
        let mut lines: Vec<String> = words.collect();
        if lines.is_empty() {
            lines.push("all held".into());
        }
        if self.not_valid > 0 {
            lines.push(format!("not valid {}", self.not_valid));
        }
        let sign = if self.as_expected { "" } else { "✗ " };
        lines[0] = format!("{sign}{}", lines[0]);
        lines.push(format!(
            "{}/{} ms",
            ms(self.write_p50_us),
            ms(self.write_p99_us)
        ));
        let share = self.during_permille.or(self.writable_permille);
        lines.push(format!("writable {}", percent(share)));
        lines.join("\n")
    }

    /// The row of the table that has everything.
    fn row(&self) -> Vec<String> {
        let claims = self.claims.iter().map(|claim| {
            let sign = if claim.as_expected { "" } else { "✗ " };
            let came = match (claim.held, claim.violated, claim.undecided) {
                (_, 0, 0) => "held".to_owned(),
                (_, violated, 0) => format!("violated {violated}/{}", self.seeds.len()),
                (_, violated, open) => format!("violated {violated}, undecided {open}"),
            };
            format!("{sign}{}: {came} ({})", claim.claim, word(claim.expected))
        });
        vec![
            self.mode.clone(),
            self.fault.clone(),
            claims.collect::<Vec<_>>().join("; "),
            ms(self.write_p50_us),
            ms(self.write_p99_us),
            percent(self.before_permille.or(self.writable_permille)),
            percent(self.during_permille),
            percent(self.after_permille),
            format!(
                "{} of {}",
                thousands(self.lost),
                thousands(self.acknowledged)
            ),
            format!(
                "{} of {}",
                thousands(self.stale_reads),
                thousands(self.reads)
            ),
            if self.as_expected { "yes" } else { "no" }.to_owned(),
        ]
    }
}

const HEAD: [&str; 11] = [
    "mode",
    "fault",
    "verdicts (expected)",
    "write p50 ms",
    "p99 ms",
    "writable before",
    "during",
    "after",
    "writes lost",
    "stale reads",
    "as expected",
];

fn tallied(claim: Claim, expected: Expected, verdicts: &[RunVerdict]) -> Tallied {
    let of_claim = |v: &RunVerdict| {
        v.claims
            .iter()
            .find(|c| c.claim == claim)
            .map(|c| c.verdict)
    };
    let came = |wanted| {
        count(
            verdicts
                .iter()
                .filter(|v| of_claim(v) == Some(wanted))
                .count(),
        )
    };
    let (held, violated) = (came(Verdict::Held), came(Verdict::Violated));
    let undecided = came(Verdict::Undecided);
    let as_expected = match expected {
        Expected::Held => violated == 0 && undecided == 0 && held > 0,
        Expected::Violated => violated > 0,
        Expected::Any => true,
    };
    Tallied {
        claim,
        expected,
        held,
        violated,
        undecided,
        as_expected,
    }
}

/// What is to be known of cells that one would expect to be otherwise, found out by looking.
fn note(mode: Mode, fault: Fault) -> Option<&'static str> {
    Some(match (mode.name, fault) {
        ("sync-local", Fault::LeaderCutOff | Fault::LeaderPaused) => {
            "Nothing is stale at the old leader: the new one waits for all followers, the old one \
             among them, and so can change nothing before the old one is back and knows. With \
             semi-sync-local it can, and reads are stale."
        }
        ("sync" | "sync-local" | "follower-reads", Fault::FollowerCutOff) => {
            "Writes stop until the follower is back: sync waits for all of them."
        }
        ("sync" | "follower-reads", Fault::LeaderKilled | Fault::LeaderCutOff) => {
            "Writes stop until the old leader is back as a follower: sync waits for all of them."
        }
        ("sync-degrade", Fault::FollowerCutOff) => {
            "Alone it loses nothing: that takes a second fault, before the follower has caught up."
        }
        ("semi-sync-any", Fault::LeaderKilled) => {
            "A follower is cut off until just before the leader dies; any may be promoted, and \
             now and then it is that one."
        }
        ("quorum-regular", Fault::None) => {
            "A new value read before an old one takes a write that reaches one replica and then \
             stalls; the tests of the nodes find it with 5 of 100 seeds in a storm of faults and \
             lost messages, on one key."
        }
        ("no-quorum" | "sloppy", Fault::ClocksSkewed) => {
            "A hybrid clock moves past the stamps that its node has heard of; where a write waits \
             for few, the node with the slow clock has not heard of the newest, and stamps what \
             comes after it as older: it is lost."
        }
        ("lww", Fault::ClocksSkewed) => {
            "Hybrid clocks: a node that hears of a later stamp never gives out an earlier one, \
             and here every node hears of every write within milliseconds."
        }
        ("merge", _) if fault == Fault::None => {
            "Judged on sets: stale reads are counted on registers alone."
        }
        _ => return None,
    })
}

/// The table of modes and faults, in short.
#[must_use]
pub fn grid(cells: &[Cell], charset: Charset) -> String {
    let faults: Vec<Fault> = Fault::ALL
        .into_iter()
        .filter(|fault| cells.iter().any(|cell| cell.fault == fault.name()))
        .collect();
    let mut modes: Vec<&str> = Vec::new();
    for cell in cells {
        if !modes.contains(&cell.mode.as_str()) {
            modes.push(&cell.mode);
        }
    }
    let find = |mode: &str, fault: Fault| {
        let found = cells
            .iter()
            .find(|c| c.mode == mode && c.fault == fault.name());
        found.map_or_else(|| "-".to_owned(), Cell::in_short)
    };
    let row = |mode: &&str| {
        let cells = faults.iter().map(|fault| find(mode, *fault) + "\n");
        [(*mode).to_owned()].into_iter().chain(cells).collect()
    };
    let rows: Vec<Vec<String>> = modes.iter().map(row).collect();
    let head = faults.iter().map(|fault| fault.words());
    let head: Vec<&str> = ["mode"].into_iter().chain(head).collect();
    render(&head, &rows, charset)
}

/// What is to be said of cells: those that are not as expected, and notes.
#[must_use]
pub fn notes(cells: &[Cell]) -> Vec<String> {
    let unmet = cells.iter().filter(|cell| !cell.as_expected);
    let unmet = unmet.map(|cell| {
        let claims = cell.claims.iter().filter(|claim| !claim.as_expected);
        let claims: Vec<String> = claims
            .map(|claim| {
                format!(
                    "{} must be {}, and was violated with {} and undecided with {} of {} seeds",
                    claim.claim,
                    word(claim.expected),
                    claim.violated,
                    claim.undecided,
                    cell.seeds.len()
                )
            })
            .collect();
        let why = cell
            .why
            .iter()
            .map(|why| format!("a run is not valid: {why}"));
        let said: Vec<String> = claims.into_iter().chain(why).collect();
        format!("{} is not as expected: {}.", cell.name, said.join("; "))
    });
    let noted = cells.iter().filter_map(|cell| {
        let note = cell.note.as_deref()?;
        Some(format!("{}: {note}", cell.name))
    });
    unmet.chain(noted).collect()
}

/// How a table is to be read.
const LEGEND: &str = "violated n/m: with n of m seeds. A claim that must hold must hold with every \
    seed, one that must be violated must be refuted with some; what is marked any the mode \
    permits. Latencies are of acknowledged writes, the median over the seeds; writable is the \
    share of the time in which writes were accepted, with gaps of 250 ms and more not counted.";

/// The whole as Markdown.
#[must_use]
pub fn markdown(cells: &[Cell]) -> String {
    let mut text = format!("# Modes and faults\n\n{LEGEND}\n\n");
    let line = |cells: &mut dyn Iterator<Item = String>| {
        let cells: Vec<String> = cells.map(|cell| cell.replace('|', "\\|")).collect();
        format!("| {} |\n", cells.join(" | "))
    };
    text += &line(&mut HEAD.iter().map(|title| (*title).to_owned()));
    text += &line(&mut HEAD.iter().map(|_| "---".to_owned()));
    for cell in cells {
        text += &line(&mut cell.row().into_iter());
    }
    let notes = notes(cells);
    if !notes.is_empty() {
        text += "\n## Notes\n\n";
    }
    for note in notes {
        writeln!(text, "- {note}").expect("strings take all that is written");
    }
    text
}

/// The whole as one page.
#[must_use]
pub fn html(cells: &[Cell]) -> String {
    let rows: Vec<Vec<String>> = cells.iter().map(Cell::row).collect();
    pages::tabled("Modes and faults", LEGEND, &HEAD, &rows, &notes(cells))
}

/// What a violated claim is called in a cell.
fn broken(claim: Claim) -> String {
    match claim.as_str() {
        "linearizable" => "not lin".into(),
        "no-lost-writes" => "lost".into(),
        "no-stale-reads" => "stale".into(),
        "convergence" => "diverged".into(),
        other => format!("no {other}"),
    }
}

fn word(expected: Expected) -> &'static str {
    match expected {
        Expected::Held => "held",
        Expected::Violated => "violated",
        Expected::Any => "any",
    }
}

/// Microseconds as milliseconds.
pub(crate) fn ms(us: Option<i64>) -> String {
    us.map_or_else(
        || "-".to_owned(),
        |us| match us {
            us if us < 9_950 => format!("{:.1}", us as f64 / 1_000.0),
            us => format!("{:.0}", us as f64 / 1_000.0),
        },
    )
}

/// Thousandths as a percentage.
pub(crate) fn percent(permille: Option<i64>) -> String {
    permille.map_or_else(|| "-".to_owned(), |p| format!("{:.0} %", p as f64 / 10.0))
}

fn count(number: usize) -> u64 {
    number.try_into().unwrap_or(u64::MAX)
}

pub(crate) fn middle(mut numbers: Vec<i64>) -> Option<i64> {
    numbers.sort_unstable();
    numbers.get(numbers.len() / 2).copied()
}

fn mean(numbers: &[i64]) -> Option<i64> {
    let sum: i64 = numbers.iter().sum();
    sum.checked_div(i64::try_from(numbers.len()).ok()?)
}
