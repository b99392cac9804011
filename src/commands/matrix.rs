//! `schism matrix`: every mode under every fault, as a table and as files.

use std::fs;
use std::io::IsTerminal;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::available_parallelism;
use std::time::Instant;

use clap::Args;

use super::Refused;
use super::sim::on_all_cores;
use crate::campaign::summarise;
use crate::claim::Expected;
use crate::commands::ranges::{SeedRange, partition, seed_range};
use crate::matrix::{Cell, grid, html, markdown, notes};
use crate::modes::{self, Fault, Mode};
use crate::nemesis::schedule::FaultKind;
use crate::plan::Plan;
use crate::report::table::{Charset, plain};
use crate::report::verdict::RunVerdict;
use crate::simulate::{judge, simulate};
use crate::store::{self, HISTORY, Journal, PLAN, VERDICT};

/// Flags of `schism matrix`.
#[derive(Clone, Debug, Args)]
pub struct MatrixArgs {
    /// The seeds of every cell.
    #[arg(long, default_value = "1..10", value_parser = seed_range)]
    seeds: SeedRange,
    /// Only the cells of a mode, of a fault, or one: raft, leader-killed, raft-leader-killed.
    #[arg(long)]
    only: Option<String>,
    /// Where runs are recorded.
    #[arg(long, default_value = "runs", env = "SCHISM_RUNS")]
    pub(crate) runs: PathBuf,
    /// The directory of this campaign, instead of a new one. Cells that are in it already, with
    /// the same trial and the same seeds, are not run again.
    #[arg(long, value_name = "DIR")]
    pub(crate) into: Option<PathBuf>,
    /// On hosts of labs, in each one cell after another, instead of in memory: the first of the
    /// seeds alone, without what only simulated nodes can be put through.
    #[arg(long)]
    pub(crate) lab: bool,
    /// With --lab: how many labs there are side by side; as many as cores if left out.
    #[arg(long, requires = "lab", value_name = "N")]
    pub(crate) labs: Option<NonZero<usize>>,
    /// With --lab: the cells of one of several labs.
    #[arg(long, hide = true, requires = "lab", value_parser = partition)]
    pub(crate) part: Option<(usize, usize)>,
    /// With --lab: the node program that is deployed; the one beside this program if left out.
    #[arg(long, env = "SCHISM_NODE_BINARY")]
    pub(crate) node_binary: Option<PathBuf>,
}

/// A cell in its directory.
const CELL: &str = "cell.json";

/// Carries the cells out in memory and leaves a directory for each, and the table as
/// `matrix.md`, `matrix.json` and `matrix.html`; returns the table in short and the exit code: 0
/// if every cell came out as expected, else 1. `tell` hears of each cell as it is done.
///
/// # Errors
///
/// [`Refused`] if there are no such cells, or files cannot be written.
pub fn run(
    args: &MatrixArgs,
    charset: Charset,
    tell: &mut dyn FnMut(&str),
) -> Result<(String, u8), Refused> {
    let wanted = wanted(args.only.as_deref())?;
    let directory = match &args.into {
        Some(directory) => {
            fs::create_dir_all(directory).map_err(|error| {
                Refused::failed(format!("make {}: {error}", directory.display()))
            })?;
            directory.clone()
        }
        None => store::new_run(&args.runs, "matrix").map_err(Refused::failed)?,
    };
    let begun = Instant::now();
    let (mut cells, mut runs, mut resumed) = (Vec::new(), 0, 0);
    let watched = std::io::stderr().is_terminal();
    for (place, (mode, fault, plan)) in wanted.iter().enumerate() {
        let (cell, fresh) = carried_out(*mode, *fault, plan, args, &directory)?;
        if fresh {
            runs += cell.seeds.len();
        } else {
            resumed += 1;
        }
        if watched {
            tell(&format!("[{}/{}] {}", place + 1, wanted.len(), cell.name));
        }
        cells.push(cell);
    }
    let took = begun.elapsed().as_secs_f64();
    let resumed = if resumed > 0 {
        format!(", {resumed} cells were there already")
    } else {
        String::new()
    };
    let runs = format!("{runs} simulated runs in {took:.1} s{resumed}");
    tabled(&cells, &directory, &runs, charset)
}

/// Leaves the tables, and returns the one in short and the exit code.
fn tabled(
    cells: &[Cell],
    directory: &Path,
    runs: &str,
    charset: Charset,
) -> Result<(String, u8), Refused> {
    let json = serde_json::to_vec_pretty(cells).expect("cells have a form in JSON");
    let files = [
        ("matrix.md", markdown(cells).into_bytes()),
        ("matrix.json", json),
        ("matrix.html", html(cells).into_bytes()),
    ];
    for (name, contents) in files {
        store::write_file(&directory.join(name), &contents).map_err(Refused::failed)?;
    }
    let met = cells.iter().filter(|cell| cell.as_expected).count();
    let mut text = grid(cells, charset);
    text += "\n";
    for note in notes(cells) {
        text += &format!("\n  {note}");
    }
    text += &format!(
        "\n\n  {met} of {} cells as expected; {runs}\n  table  {}",
        cells.len(),
        directory.join("matrix.md").display()
    );
    Ok((plain(&text, charset), u8::from(met < cells.len())))
}

/// The cells that a word names.
fn wanted(only: Option<&str>) -> Result<Vec<(Mode, Fault, Plan)>, Refused> {
    let all = modes::cells();
    let Some(word) = only else { return Ok(all) };
    let is = |(mode, fault, plan): &(Mode, Fault, Plan)| {
        mode.name == word || fault.name() == word || plan.name == word
    };
    let found: Vec<_> = all.into_iter().filter(is).collect();
    if found.is_empty() {
        let names = modes::MODES.iter().map(|mode| mode.name);
        let names = names.chain(Fault::ALL.iter().map(|fault| fault.name()));
        return Err(Refused::usage(crate::suggest::unknown(
            "mode or fault",
            word,
            names,
        )));
    }
    Ok(found)
}

/// The cell, and whether it was run now.
fn carried_out(
    mode: Mode,
    fault: Fault,
    plan: &Plan,
    args: &MatrixArgs,
    directory: &Path,
) -> Result<(Cell, bool), Refused> {
    let seeds: Vec<u64> = args.seeds.0.clone().collect();
    let first = Plan {
        seed: seeds[0],
        ..plan.clone()
    };
    let place = directory.join(&plan.name);
    if let Ok(text) = fs::read(place.join(CELL))
        && let Ok(cell) = serde_json::from_slice::<Cell>(&text)
        && cell.trial == first.to_toml()
        && cell.seeds == seeds
    {
        return Ok((cell, false));
    }
    let with_seed = |seed| Plan {
        seed,
        ..plan.clone()
    };
    let plans: Vec<Plan> = seeds.iter().copied().map(with_seed).collect();
    let cell = Cell::of(mode, fault, &first, &on_all_cores(&plans));
    keep(&with_seed(cell.kept), &place)?;
    let text = serde_json::to_vec_pretty(&cell).expect("a cell has a form in JSON");
    store::write_file(&place.join(CELL), &text).map_err(Refused::failed)?;
    Ok((cell, true))
}

/// Leaves the directory of one simulated run, as a run on hosts leaves it.
///
/// # Errors
///
/// [`Refused`] if files cannot be written.
pub(super) fn keep(plan: &Plan, place: &Path) -> Result<(), Refused> {
    fs::create_dir_all(place)
        .map_err(|error| Refused::failed(format!("make {}: {error}", place.display())))?;
    let simulation = simulate(plan);
    store::write_file(&place.join(PLAN), plan.to_toml().as_bytes()).map_err(Refused::failed)?;
    let journal = Journal::create(&place.join(HISTORY)).map_err(Refused::failed)?;
    journal.append(simulation.ops.clone());
    journal.finish().map_err(Refused::failed)?;
    let mut verdict = judge(plan, simulation);
    verdict.reproduce = vec![
        format!("schism check {}", place.display()),
        format!(
            "schism sim {}/{PLAN} --seeds {1}..{1}",
            place.display(),
            plan.seed
        ),
    ];
    let text = serde_json::to_vec_pretty(&verdict).expect("a verdict has a form in JSON");
    store::write_file(&place.join(VERDICT), &text).map_err(Refused::failed)
}

/// The plan of a cell as hosts can carry it out: links are as slow as they are, and there is one
/// seed, so that what only slow links are sure to show, or what clocks that go wrong show with
/// most seeds, need not come out. None if its fault is for simulated nodes alone.
fn for_hosts(plan: &Plan, seed: u64) -> Option<Plan> {
    let mut plan = Plan {
        seed,
        ..plan.clone()
    };
    let faults = plan.faults.len();
    plan.faults.retain(|fault| fault.kind != FaultKind::Slow);
    let skewed = plan
        .faults
        .iter()
        .any(|fault| fault.kind == FaultKind::Clock);
    if plan.faults.len() < faults || skewed {
        for expected in plan.expect.values_mut() {
            if *expected == Expected::Violated {
                *expected = Expected::Any;
            }
        }
    }
    plan.on_hosts().is_ok().then_some(plan)
}

/// The plans of the cells that are to be run on hosts, and the cells that are there already.
///
/// # Errors
///
/// [`Refused`] if there are no such cells, or none that hosts can carry out.
pub fn on_lab(args: &MatrixArgs) -> Result<(Vec<Plan>, Vec<Cell>), Refused> {
    let seed = *args.seeds.0.start();
    let (mut plans, mut there) = (Vec::new(), Vec::new());
    let (part, of) = args.part.unwrap_or((1, 1));
    // By the place among all, whatever is there already: other labs are at work.
    let wanted = wanted(args.only.as_deref())?.into_iter().enumerate();
    let mine = wanted.filter(|(place, _)| place % of == part - 1);
    for (mode, fault, plan) in mine.map(|(_, cell)| cell) {
        let Some(plan) = for_hosts(&plan, seed) else {
            continue;
        };
        let place = args.into.as_ref();
        let place = place.map(|into| into.join(format!("{}-s{seed}", plan.name)));
        match place.and_then(|place| carried_out_in(&place, &plan)) {
            Some(verdict) => there.push(Cell::of(mode, fault, &plan, &[verdict])),
            None => plans.push(plan),
        }
    }
    if let Some(into) = &args.into {
        fs::create_dir_all(into)
            .map_err(|error| Refused::failed(format!("make {}: {error}", into.display())))?;
    }
    if plans.is_empty() && there.is_empty() {
        return Err(Refused::usage(
            "hosts can be put through none of these cells",
        ));
    }
    Ok((plans, there))
}

/// Runs the cells in several labs side by side, each of a process of its own, and sums all of
/// them up; `None` if there is not enough to do for more than one. See [`run`].
///
/// # Errors
///
/// [`Refused`] if a process cannot be started or does not do its part, or files cannot be
/// written.
///
/// # Panics
///
/// Never: a verdict has a form in JSON.
pub fn side_by_side(args: &MatrixArgs, charset: Charset) -> Result<Option<(String, u8)>, Refused> {
    let (plans, _) = on_lab(args)?;
    let cores = || available_parallelism().map_or(1, NonZero::get);
    let labs = args.labs.map_or_else(cores, NonZero::get);
    // A campaign of a single run would have no directory of its own for it.
    let labs = labs.min(plans.len() / 2);
    if args.part.is_some() || labs < 2 {
        return Ok(None);
    }
    let directory = match &args.into {
        Some(directory) => directory.clone(),
        None => store::new_run(&args.runs, "matrix").map_err(Refused::failed)?,
    };
    let failed = |error: std::io::Error| Refused::failed(format!("start a lab: {error}"));
    let us = std::env::current_exe().map_err(failed)?;
    let seed = args.seeds.0.start();
    let begun = Instant::now();
    let parts = (1..=labs).map(|part| {
        let mut lab = Command::new(&us);
        lab.args(["matrix", "--lab", "--seeds", &format!("{seed}..{seed}")])
            .args(["--part", &format!("{part}/{labs}"), "--into"])
            .arg(&directory)
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        if let Some(only) = &args.only {
            lab.args(["--only", only]);
        }
        if let Some(program) = &args.node_binary {
            lab.arg("--node-binary").arg(program);
        }
        lab.spawn()
    });
    let mut started: Vec<Child> = Vec::new();
    let mut trouble = None;
    for part in parts {
        match part {
            Ok(child) => started.push(child),
            Err(error) => trouble = Some(failed(error)),
        }
    }
    for child in &mut started {
        // What it found is in its cells; what it lacks is found out below.
        if let Err(error) = child.wait() {
            trouble = Some(failed(error));
        }
    }
    if let Some(trouble) = trouble {
        return Err(trouble);
    }
    let args = MatrixArgs {
        into: Some(directory.clone()),
        ..args.clone()
    };
    let (missing, there) = on_lab(&args)?;
    if let Some(first) = missing.first() {
        return Err(Refused::failed(format!(
            "run {} of the cells, {} first: their lab ended early; the same command with --into {} \
             goes on",
            missing.len(),
            first.name,
            directory.display()
        )));
    }
    let verdicts = all_verdicts(&args, &directory)?;
    let text = serde_json::to_vec_pretty(&summarise(verdicts)).expect("a verdict has a form");
    store::write_file(&directory.join(VERDICT), &text).map_err(Refused::failed)?;
    let runs = format!(
        "{} runs on hosts of {labs} labs in {:.0} s",
        plans.len(),
        begun.elapsed().as_secs_f64()
    );
    tabled(&there, &directory, &runs, charset).map(Some)
}

/// The verdicts on all cells that are in a directory.
fn all_verdicts(args: &MatrixArgs, directory: &Path) -> Result<Vec<RunVerdict>, Refused> {
    let seed = *args.seeds.0.start();
    let cells = wanted(args.only.as_deref())?.into_iter();
    let plans = cells.filter_map(|(.., plan)| for_hosts(&plan, seed));
    let found = plans.filter_map(|plan| {
        let place = directory.join(format!("{}-s{seed}", plan.name));
        carried_out_in(&place, &plan)
    });
    Ok(found.collect())
}

/// The verdict in that directory, if it is on that plan.
fn carried_out_in(place: &Path, plan: &Plan) -> Option<RunVerdict> {
    let same = fs::read_to_string(place.join(PLAN)).ok()? == plan.to_toml();
    let text = fs::read(place.join(VERDICT)).ok().filter(|_| same)?;
    serde_json::from_slice(&text).ok()
}

/// Makes cells of verdicts on hosts, and the tables of them and of those that were there; see
/// [`run`].
///
/// # Errors
///
/// [`Refused`] if files cannot be written.
///
/// # Panics
///
/// Never: a cell has a form in JSON.
pub fn summed(
    there: &[Cell],
    verdicts: &[RunVerdict],
    directory: &Path,
    charset: Charset,
) -> Result<(String, u8), Refused> {
    let mut cells = Vec::new();
    for (mode, fault, plan) in modes::cells() {
        if let Some(cell) = there.iter().find(|cell| cell.name == plan.name) {
            cells.push(cell.clone());
        }
        let Some(verdict) = verdicts.iter().find(|verdict| verdict.name == plan.name) else {
            continue;
        };
        let Some(plan) = for_hosts(&plan, verdict.seed) else {
            continue;
        };
        let cell = Cell::of(mode, fault, &plan, std::slice::from_ref(verdict));
        let place = directory.join(format!("{}-s{}", plan.name, plan.seed));
        let place = if place.is_dir() {
            place
        } else {
            directory.to_owned()
        };
        let text = serde_json::to_vec_pretty(&cell).expect("a cell has a form in JSON");
        store::write_file(&place.join(CELL), &text).map_err(Refused::failed)?;
        cells.push(cell);
    }
    let runs = format!("{} runs on hosts", verdicts.len());
    tabled(&cells, directory, &runs, charset)
}
