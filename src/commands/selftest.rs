//! `schism selftest`: whether every deliberate bug is found, and no correct mode accused.

use std::path::PathBuf;
use std::time::Instant;

use checkers::Verdict;
use clap::Args;

use super::Refused;
use super::sim::{map_on_all_cores, on_all_cores};
use crate::claim::{Claim, Expected};
use crate::commands::ranges::{SeedRange, seed_range};
use crate::modes::{Fault, MODES, Mode};
use crate::plan::Plan;
use crate::report::table::{Charset, plain, render, thousands};
use crate::report::verdict::{RunVerdict, Status};
use crate::selftest::{self, PERCENT, Seen, Trial, UNSEEN};

/// Flags of `schism selftest`.
#[derive(Debug, Args)]
pub struct SelftestArgs {
    /// The seeds of the trials of bugs, each with the bug and without.
    #[arg(long, default_value = "1..100", value_parser = seed_range)]
    seeds: SeedRange,
    /// The seeds of the modes, under every fault.
    #[arg(long, default_value = "1..10", value_parser = seed_range)]
    mode_seeds: SeedRange,
    /// Only the bugs and modes whose name begins so.
    #[arg(long)]
    only: Option<String>,
    /// On hosts of the lab instead of in memory: each bug that hosts can show, once with it and
    /// once without, with the first of the seeds.
    #[arg(long)]
    pub(crate) lab: bool,
    /// With --lab: the node program that is deployed; the one beside this program if left out.
    #[arg(long, env = "SCHISM_NODE_BINARY")]
    pub(crate) node_binary: Option<PathBuf>,
    /// Where runs on the lab are recorded.
    #[arg(long, default_value = "runs", env = "SCHISM_RUNS")]
    pub(crate) runs: PathBuf,
}

/// Carries everything out in memory; returns the tables and the exit code: 0 if every row is as
/// it must be, else 1.
///
/// # Errors
///
/// [`Refused`] if nothing has that name.
pub fn run(args: &SelftestArgs, charset: Charset) -> Result<(String, u8), Refused> {
    let wanted = |name: &str| args.only.as_ref().is_none_or(|word| name.starts_with(word));
    let begun = Instant::now();
    let trials = selftest::trials();
    let bugs: Vec<Row> = trials
        .iter()
        .filter(|trial| wanted(&trial.plan.name))
        .map(|trial| of_trial(trial, args))
        .collect();
    let unseen = UNSEEN.iter().filter(|(bug, _)| wanted(bug.name()));
    let unseen: Vec<String> = unseen
        .map(|(bug, why)| format!("  {bug} is not shown: {why}"))
        .collect();
    let modes: Vec<Row> = MODES
        .into_iter()
        .filter(|mode| wanted(mode.name))
        .filter_map(|mode| of_mode(mode, args))
        .collect();
    if bugs.is_empty() && modes.is_empty() && unseen.is_empty() {
        let word = args.only.as_deref().unwrap_or_default();
        let names = trials.iter().map(|trial| trial.plan.name.as_str());
        let names = names.chain(MODES.iter().map(|mode| mode.name));
        return Err(Refused::usage(crate::suggest::unknown(
            "bug or mode",
            word,
            names,
        )));
    }
    let mut text = String::new();
    if !bugs.is_empty() {
        text += &table(&BUGS, &bugs, charset);
        text += "\n\n";
    }
    if !unseen.is_empty() {
        text += &unseen.join("\n");
        text += "\n\n";
    }
    if !modes.is_empty() {
        text += &table(&CORRECT, &modes, charset);
        text += "\n\n";
    }
    let all = || bugs.iter().chain(&modes);
    let runs: usize = all().map(|row| row.runs).sum();
    let ops: usize = all().map(|row| row.operations).sum();
    let wrong: Vec<&Row> = all().filter(|row| row.wrong.is_some()).collect();
    for row in &wrong {
        let why = row.wrong.as_deref().unwrap_or_default();
        text += &format!("  {}: {why}\n", row.cells[0]);
    }
    let took = begun.elapsed().as_secs_f64();
    let rows = bugs.len() + modes.len();
    text += &format!(
        "  {} of {rows} rows as they must be; {} simulated runs, {} operations, in {took:.1} s",
        rows - wrong.len(),
        number(runs),
        number(ops)
    );
    Ok((plain(&text, charset), u8::from(!wrong.is_empty())))
}

const BUGS: [&str; 9] = [
    "bug",
    "system",
    "faults",
    "claim that it breaks",
    "found",
    "as",
    "after operations (median)",
    "of",
    "without it",
];

const CORRECT: [&str; 5] = ["mode", "what holds", "faults", "runs", "accused"];

/// A row of a table, and why it is not as it must be.
struct Row {
    cells: Vec<String>,
    wrong: Option<String>,
    runs: usize,
    operations: usize,
}

fn table(head: &[&str], rows: &[Row], charset: Charset) -> String {
    let mut head = head.to_vec();
    head.push("");
    let rows = rows.iter().map(|row| {
        let sign = if row.wrong.is_none() { "✓" } else { "✗" };
        let mut cells = row.cells.clone();
        cells.push(sign.to_owned());
        cells
    });
    render(&head, &rows.collect::<Vec<_>>(), charset)
}

fn with_seeds(plan: &Plan, seeds: &SeedRange) -> Vec<Plan> {
    let each = seeds.0.clone();
    each.map(|seed| Plan {
        seed,
        ..plan.clone()
    })
    .collect()
}

fn of_trial(trial: &Trial, args: &SelftestArgs) -> Row {
    let look = |plan: &Plan| {
        let plans = with_seeds(plan, &args.seeds);
        map_on_all_cores(&plans, |plan| selftest::look(plan, trial.claim))
    };
    let (with, without) = (look(&trial.plan), look(&trial.twin));
    let violated = |seen: &&Seen| seen.verdict == Verdict::Violated;
    let found = with.iter().filter(violated).count();
    let clean = without
        .iter()
        .filter(|seen| seen.verdict == Verdict::Held)
        .count();
    let accused = without.iter().filter(violated).count();
    let after: Vec<usize> = with.iter().filter_map(|seen| seen.after).collect();
    let budget: Vec<usize> = with.iter().map(|seen| seen.operations).collect();
    // A bug may keep a run from proving anything: then it is not found. Without it none may be so.
    let trouble = without.iter().find_map(|seen| seen.trouble.clone());
    let wrong = if let Some(trouble) = trouble {
        Some(format!("without the bug, a run is not valid: {trouble}"))
    } else if found * 100 < with.len() * PERCENT {
        Some(format!("found with {found} of {} seeds", with.len()))
    } else if accused > 0 {
        Some(format!("without the bug, accused with {accused} seeds"))
    } else if clean < without.len() {
        let open = without.len() - clean;
        Some(format!("without the bug, undecided with {open} seeds"))
    } else {
        None
    };
    Row {
        cells: vec![
            trial.plan.name.clone(),
            trial.plan.system.as_str().to_owned(),
            crate::report::tally::faults(&trial.plan),
            trial.claim.as_str().to_owned(),
            format!("{found} of {}", with.len()),
            most_frequent(with.iter().filter_map(|seen| seen.anomaly.as_deref())),
            median(after).map_or_else(|| "-".to_owned(), number),
            median(budget).map_or_else(|| "-".to_owned(), number),
            format!("{accused} of {}", without.len()),
        ],
        wrong,
        runs: with.len() + without.len(),
        operations: with
            .iter()
            .chain(&without)
            .map(|seen| seen.operations)
            .sum(),
    }
}

/// None for a mode of which nothing must hold under any fault.
fn of_mode(mode: Mode, args: &SelftestArgs) -> Option<Row> {
    let storm = mode.is_strict().then_some(Fault::Storm);
    let faults: Vec<Fault> = Fault::ALL.into_iter().chain(storm).collect();
    let held = |plan: &mut Plan| {
        plan.expect
            .retain(|_, expected| *expected == Expected::Held)
    };
    let cells = faults.iter().map(|fault| {
        let mut plan = mode.under(*fault);
        held(&mut plan);
        plan
    });
    let cells: Vec<Plan> = cells.filter(|plan| !plan.expect.is_empty()).collect();
    let plans: Vec<Plan> = cells
        .iter()
        .flat_map(|plan| with_seeds(plan, &args.mode_seeds))
        .collect();
    if plans.is_empty() {
        return None;
    }
    let verdicts = on_all_cores(&plans);
    let unmet = verdicts.iter().filter(|verdict| !is_met(verdict));
    let unmet: Vec<&RunVerdict> = unmet.collect();
    let count = unmet
        .iter()
        .filter(|verdict| accused(verdict).is_some())
        .count();
    let wrong = unmet.first().map(|first| {
        let what = accused(first).map_or_else(
            || first.why.clone().unwrap_or_else(|| "undecided".into()),
            |claim| format!("{claim} is violated"),
        );
        format!(
            "{} of {} runs; the first, {} with seed {}: {what}",
            unmet.len(),
            verdicts.len(),
            first.name,
            first.seed
        )
    });
    let mut claims: Vec<Claim> = cells
        .iter()
        .flat_map(|plan| plan.expect.keys().copied())
        .collect();
    claims.sort_unstable();
    claims.dedup();
    let words: Vec<&str> = claims.iter().map(|claim| claim.as_str()).collect();
    Some(Row {
        cells: vec![
            mode.name.to_owned(),
            words.join(", "),
            cells.len().to_string(),
            number(verdicts.len()),
            count.to_string(),
        ],
        wrong,
        runs: verdicts.len(),
        operations: verdicts.iter().map(super::sim::operations).sum(),
    })
}

/// What must hold is there and holds.
fn is_met(verdict: &RunVerdict) -> bool {
    let expected = verdict
        .claims
        .iter()
        .filter(|claim| claim.expected.is_some());
    verdict.status != Status::NotValid
        && verdict.has_expectations()
        && expected.clone().all(|claim| claim.as_expected)
}

/// The claim that must hold and is violated.
fn accused(verdict: &RunVerdict) -> Option<Claim> {
    let mut claims = verdict.claims.iter();
    let found = claims.find(|one| !one.as_expected && one.verdict == Verdict::Violated);
    found.map(|one| one.claim)
}

fn most_frequent<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let mut counted: Vec<(usize, &str)> = Vec::new();
    for name in names {
        match counted.iter_mut().find(|(_, other)| *other == name) {
            Some((count, _)) => *count += 1,
            None => counted.push((1, name)),
        }
    }
    let most = counted.iter().rev().max_by_key(|(count, _)| *count);
    most.map_or_else(|| "-".to_owned(), |(_, name)| (*name).to_owned())
}

/// The middle one; of an even number, the upper of the two.
fn median(mut numbers: Vec<usize>) -> Option<usize> {
    numbers.sort_unstable();
    numbers.get(numbers.len() / 2).copied()
}

fn number(count: usize) -> String {
    thousands(i64::try_from(count).unwrap_or(i64::MAX))
}

/// What hosts can be put through: each trial, and its twin under another name.
///
/// # Errors
///
/// [`Refused`] if there is none of that name.
pub fn on_lab(args: &SelftestArgs) -> Result<Vec<Plan>, Refused> {
    let seed = *args.seeds.0.start();
    let pairs = hosted(args).into_iter().flat_map(|trial| {
        let twin = format!("{}-{WITHOUT}", trial.plan.name);
        let twin = Plan {
            name: twin,
            seed,
            ..trial.twin
        };
        [Plan { seed, ..trial.plan }, twin]
    });
    let plans: Vec<Plan> = pairs.collect();
    if plans.is_empty() {
        return Err(Refused::usage("hosts can show no bug of that name"));
    }
    Ok(plans)
}

/// How the names of trials without their bug end.
const WITHOUT: &str = "without";

fn hosted(args: &SelftestArgs) -> Vec<Trial> {
    let wanted = |name: &str| args.only.as_ref().is_none_or(|word| name.starts_with(word));
    let trials = selftest::trials().into_iter();
    trials
        .filter(|trial| wanted(&trial.plan.name) && trial.plan.on_hosts().is_ok())
        .collect()
}

/// The table of what came of [`on_lab`], and the exit code: 0 if every bug was found and no twin
/// accused, else 1.
#[must_use]
pub fn summed(args: &SelftestArgs, verdicts: &[RunVerdict], charset: Charset) -> (String, u8) {
    let came = |name: &str, claim: Claim| {
        let verdict = verdicts.iter().find(|verdict| verdict.name == name)?;
        let of_claim = verdict.claims.iter().find(|one| one.claim == claim)?;
        Some(of_claim.verdict)
    };
    let word = |verdict: Option<Verdict>| match verdict {
        Some(Verdict::Violated) => "violated",
        Some(Verdict::Held) => "held",
        Some(Verdict::Undecided) => "undecided",
        None => "not valid",
    };
    let rows = hosted(args).into_iter().map(|trial| {
        let with = came(&trial.plan.name, trial.claim);
        let without = came(&format!("{}-{WITHOUT}", trial.plan.name), trial.claim);
        let right = (with, without) == (Some(Verdict::Violated), Some(Verdict::Held));
        Row {
            cells: vec![
                trial.plan.name.clone(),
                trial.plan.system.as_str().to_owned(),
                crate::report::tally::faults(&trial.plan),
                trial.claim.as_str().to_owned(),
                word(with).to_owned(),
                word(without).to_owned(),
            ],
            wrong: (!right).then(|| "not as it must be".to_owned()),
            runs: 2,
            operations: 0,
        }
    });
    let rows: Vec<Row> = rows.collect();
    let head = [
        "bug",
        "system",
        "faults",
        "claim that it breaks",
        "with it",
        "without it",
    ];
    let right = rows.iter().filter(|row| row.wrong.is_none()).count();
    let text = format!(
        "{}\n\n  {right} of {} rows as they must be; {} runs on hosts",
        table(&head, &rows, charset),
        rows.len(),
        verdicts.len()
    );
    (plain(&text, charset), u8::from(right < rows.len()))
}
