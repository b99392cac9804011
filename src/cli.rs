//! Flags, and nothing else: turns them into plans and hands those on.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::{Args, CommandFactory, Parser, Subcommand};
use tracing_subscriber::fmt::writer::BoxMakeWriter;

use crate::campaign::{self, CampaignVerdict};
use crate::commands::check::Speech;
use crate::commands::expect::Wanted;
use crate::commands::{Format, json};
use crate::image::Layer;
use crate::inventory::Host;
use crate::lab::{Entered, LabSpec};
use crate::live::{Held, Screen};
use crate::plan::Plan;
use crate::progress::Mode;
use crate::report::table::{Charset, plain, render};
use crate::report::verdict::RunVerdict;
use crate::report::{tally, terminal};
use crate::run::Surroundings;
use crate::{commands, demo, doctor, lab, store, suggest};

/// Bad arguments or a bad trial file.
pub const USAGE: u8 = 64;
/// A fault of our own.
pub const INTERNAL: u8 = 70;
/// The run was not valid.
const NOT_VALID: u8 = 3;
/// Ended by Ctrl-C.
const INTERRUPTED: u8 = 130;

/// schism finds out what a replicated system really promises.
#[derive(Debug, Parser)]
#[command(name = "schism", version, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// Signs and lines in ASCII only.
    #[arg(long, global = true, env = "SCHISM_ASCII")]
    ascii: bool,
    /// Log more to standard error; twice for everything.
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    verbose: u8,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Carry out trial files: deploy, load, break, heal, judge.
    Run(RunArgs),
    /// Measure what three replication modes keep and lose, on this machine.
    Demo(DemoArgs),
    /// Carry out trials of the reference nodes in memory, in virtual time, with many seeds.
    Sim(commands::sim::SimArgs),
    /// Have every deliberate bug found, and no correct mode accused.
    Selftest(commands::selftest::SelftestArgs),
    /// Find the smallest trial that still shows what a trial or a run showed.
    Shrink(commands::shrink::ShrinkArgs),
    /// Measure every mode under every fault: what it keeps, and what that costs.
    Matrix(commands::matrix::MatrixArgs),
    /// Measure all quorums of reads and writes: what is stale, what is lost, how long it takes.
    Quorum(commands::quorum::QuorumArgs),
    /// Judge a recorded run, or a history that anybody recorded.
    Check(commands::check::CheckArgs),
    /// Print what became of every write, as comma-separated values.
    Ledger(crate::ledger::LedgerArgs),
    /// Check a certificate, with code that shares nothing with the checkers.
    Verify(commands::verify::VerifyArgs),
    /// Write a history in another format.
    Convert(commands::convert::ConvertArgs),
    /// Draw the page of a run again, from its directory alone.
    Report(commands::report::ReportArgs),
    /// A run, or one of its findings, in words.
    Show(commands::show::ShowArgs),
    /// All runs, newest first.
    Runs(commands::runs::RunsArgs),
    /// How verdicts and figures of each plan went over its runs.
    Trend(commands::trend::TrendArgs),
    /// Remove old runs.
    Prune(commands::prune::PruneArgs),
    /// What changed from one run to another.
    Diff(commands::diff::DiffArgs),
    /// Tell a build server: JUnit, summary, annotations, exit code.
    Ci(commands::ci::CiArgs),
    /// Put runs that several machines carried out into one campaign.
    Merge(commands::merge::MergeArgs),
    /// A history and findings as CSV.
    Export(commands::export::ExportArgs),
    /// Show runs to a browser on this machine.
    Serve(commands::serve::ServeArgs),
    /// Hosts on this machine.
    Lab(lab::command::LabArgs),
    /// Layers of software for the lab's hosts.
    Image(commands::image::ImageArgs),
    /// Say what is missing, which faults that costs, and how to mend it.
    Doctor(doctor::DoctorArgs),
    /// Remove our firewall rules and resume stopped processes on all hosts.
    Heal(commands::heal::HealArgs),
    /// List what can be named in a trial file.
    List(commands::list::ListArgs),
    /// Say what a word means: a guarantee, a claim, an anomaly, a verdict, or a finding of a run.
    Explain(commands::explain::ExplainArgs),
    /// Print a schema in JSON.
    Schema(commands::schema::SchemaArgs),
    /// Print completions for a shell.
    Completions {
        /// Which shell.
        shell: clap_complete::Shell,
    },
}

#[derive(Debug, Args)]
struct Common {
    /// Where runs are recorded.
    #[arg(long, default_value = "runs", env = "SCHISM_RUNS")]
    runs: PathBuf,
    /// The node program that is deployed; the one beside this program if left out.
    #[arg(long, env = "SCHISM_NODE_BINARY")]
    node_binary: Option<PathBuf>,
    #[command(flatten)]
    images: commands::image::ImagesArgs,
    /// How progress is shown.
    #[arg(long, default_value = "auto", env = "SCHISM_PROGRESS")]
    progress: Mode,
    /// Watch the run on the whole screen: the same as --progress live.
    #[arg(long, conflicts_with = "progress")]
    live: bool,
    /// What is printed on standard output.
    #[arg(long, default_value = "human", env = "SCHISM_FORMAT")]
    format: Format,
    /// End each load with the first operation on a register that certainly contradicts
    /// linearizability, while the cluster is warm. The rest of the run follows as usual; what
    /// the load did not come to is not refuted.
    #[arg(long)]
    stop_on_first: bool,
    /// A claim that must hold, or an anomaly that must be found, in every run; with it nothing
    /// else decides the exit code.
    #[arg(long, value_name = "CLAIM|ANOMALY")]
    expect: Vec<Wanted>,
    /// Only a part of the runs, as 2/3 for the second of three machines; `schism merge` puts the
    /// parts together.
    #[arg(long, value_name = "I/N", value_parser = partition)]
    partition: Option<(usize, usize)>,
}

/// The part of one machine among several, counted from one.
pub(crate) fn partition(text: &str) -> Result<(usize, usize), String> {
    let wrong = || format!("{text:?} is no part; write 2/3 for the second of three");
    let (part, of) = text.split_once('/').ok_or_else(wrong)?;
    let number = |word: &str| word.parse::<usize>().map_err(|_| wrong());
    let (part, of) = (number(part)?, number(of)?);
    if part == 0 || part > of {
        Err(wrong())
    } else {
        Ok((part, of))
    }
}

#[derive(Debug, Args)]
struct RunArgs {
    /// Trial files.
    #[arg(required = true)]
    trials: Vec<PathBuf>,
    /// The seed, instead of the trial's own.
    #[arg(long, env = "SCHISM_SEED", conflicts_with = "seeds")]
    seed: Option<u64>,
    /// Every trial with each of these seeds, as 1..20.
    #[arg(long, value_parser = seed_range)]
    seeds: Option<SeedRange>,
    /// Count over the seeds how often each claim of each trial was refuted.
    #[arg(long)]
    tally: bool,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Args)]
struct DemoArgs {
    /// The seed of every cell.
    #[arg(
        long,
        default_value_t = 1,
        env = "SCHISM_SEED",
        conflicts_with = "seeds"
    )]
    seed: u64,
    /// Every cell with each of these seeds, as 1..20.
    #[arg(long, value_parser = seed_range)]
    seeds: Option<SeedRange>,
    /// Only one cell, such as sync-leader-killed, or those of a mode or a fault: async, no-fault.
    #[arg(long)]
    only: Option<String>,
    #[command(flatten)]
    common: Common,
}

#[derive(Clone, Debug)]
pub(crate) struct SeedRange(pub(crate) std::ops::RangeInclusive<u64>);

pub(crate) fn seed_range(text: &str) -> Result<SeedRange, String> {
    let (first, last) = text
        .split_once("..")
        .ok_or("a range of seeds is written 1..20")?;
    let number = |word: &str| {
        word.trim_start_matches('=')
            .parse::<u64>()
            .map_err(|e| e.to_string())
    };
    let range = number(first)?..=number(last)?;
    if range.is_empty() {
        Err("the range of seeds is empty".into())
    } else {
        Ok(SeedRange(range))
    }
}

/// A sentence for standard error, and the exit code.
struct Refusal(u8, String);

/// The whole command. Must be called while the process has one thread: the lab forks.
///
/// # Panics
///
/// A panic is a fault of ours; the caller turns it into [`INTERNAL`].
#[must_use]
pub fn main() -> u8 {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let code = if error.use_stderr() { USAGE } else { 0 };
            // Where standard error is closed there is nobody to tell.
            return error.print().map_or(USAGE, |()| code);
        }
    };
    let held = cli.command.is_watched().then(Held::default);
    log_to_stderr(cli.verbose, held.as_ref());
    let charset = if cli.ascii || !speaks_utf8() {
        Charset::Ascii
    } else {
        Charset::Unicode
    };
    let done = match cli.command {
        Command::Run(args) => run_trials(&args, charset),
        Command::Demo(args) => run_demo(&args, charset),
        Command::Sim(args) => coded(commands::sim::run(&args, charset)),
        Command::Selftest(args) if args.lab => selftest_on_lab(&args, charset),
        Command::Selftest(args) => coded(commands::selftest::run(&args, charset)),
        Command::Matrix(args) if args.lab => matrix_on_lab(&args, charset),
        Command::Matrix(args) => coded(commands::matrix::run(&args, charset, &mut complain)),
        Command::Quorum(args) => coded(commands::quorum::run(&args, charset)),
        Command::Shrink(args) => told(commands::shrink::run(&args, charset)),
        Command::Check(args) => {
            let speech = Speech {
                program: program(),
                width: width(),
                charset,
                say: &say,
                complain: &complain,
            };
            ended(commands::check::run(&args, &speech))
        }
        Command::Ledger(args) => Ok(ledger(&args)),
        Command::Verify(args) => coded(commands::verify::run(&args)),
        Command::Convert(args) => ended(commands::convert::run(&args, complain).map(|()| 0)),
        Command::Report(args) => told(commands::report::run(&args)),
        Command::Show(args) => told(commands::show::run(&args, width(), charset)),
        Command::Runs(args) => told(commands::runs::run(&args, width(), charset)),
        Command::Trend(args) => told(commands::trend::run(&args, charset)),
        Command::Prune(args) => told(commands::prune::run(&args)),
        Command::Diff(args) => told(commands::diff::run(&args, width(), charset)),
        Command::Ci(args) => coded(commands::ci::run(&args, &github(), charset)),
        Command::Merge(args) => coded(commands::merge::run(&args, charset)),
        Command::Export(args) => told(commands::export::run(&args)),
        Command::Serve(args) => told(commands::serve::run(&args, say).map(|()| String::new())),
        Command::Lab(args) => lab::command::run(&args, &mut std::io::stdout())
            .map_err(|error| Refusal(NOT_VALID, format!("failed to {error}"))),
        Command::Image(args) => told(commands::image::run(&args, charset, complain)),
        Command::Doctor(args) => doctor::run(&args, &mut std::io::stdout())
            .map_err(|error| Refusal(NOT_VALID, format!("failed to {error}"))),
        Command::Heal(args) => told(commands::heal::run(&args)),
        Command::List(args) => told(Ok(commands::list::run(&args, width(), charset))),
        Command::Explain(args) => told(commands::explain::run(&args, width().min(100), charset)),
        Command::Schema(args) => told(Ok(commands::schema::run(&args))),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "schism", &mut std::io::stdout());
            Ok(0)
        }
    };
    let held = held.map(|held| held.take()).unwrap_or_default();
    if !held.is_empty() {
        complain(String::from_utf8_lossy(&held).trim_end());
    }
    done.unwrap_or_else(|Refusal(code, sentence)| {
        complain(&sentence);
        code
    })
}

impl Command {
    /// Whether somebody watches it on the whole screen, on which no line of the log may stand.
    fn is_watched(&self) -> bool {
        let common = match self {
            Self::Run(args) => &args.common,
            Self::Demo(args) => &args.common,
            _ => return false,
        };
        common.live || common.progress == Mode::Live
    }
}

/// To standard error, or to where lines are held until the screen is given back.
fn log_to_stderr(verbose: u8, held: Option<&Held>) {
    let level = match verbose {
        0 => "schism=warn",
        1 => "schism=info",
        _ => "schism=debug",
    };
    let filter = tracing_subscriber::EnvFilter::new(level);
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(match held {
            Some(held) => BoxMakeWriter::new(held.clone()),
            None => BoxMakeWriter::new(std::io::stderr),
        })
        .with_target(false)
        .without_time()
        .init();
}

/// How many columns there are: as told, as the terminal says, or enough for everything.
fn width() -> usize {
    let told = std::env::var("COLUMNS")
        .ok()
        .and_then(|columns| columns.parse().ok());
    let terminal = || rustix::termios::tcgetwinsize(std::io::stdout()).ok();
    let asked = || {
        terminal()
            .map(|size| usize::from(size.ws_col))
            .filter(|columns| *columns > 0)
    };
    told.or_else(asked).unwrap_or(usize::MAX)
}

/// The locale's own rule: the first of these that is set decides.
fn speaks_utf8() -> bool {
    let set = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(set);
    locale.is_none_or(|locale| {
        let locale = locale.to_ascii_lowercase();
        locale.contains("utf-8") || locale.contains("utf8")
    })
}

fn run_trials(args: &RunArgs, charset: Charset) -> Result<u8, Refusal> {
    let mut plans = Vec::new();
    for trial in &args.trials {
        let plan = Plan::load(trial).map_err(|error| Refusal(USAGE, error.to_string()))?;
        plans.extend(with_seeds(plan, args.seed, args.seeds.as_ref()));
    }
    stop_on_first(&mut plans, &args.common);
    let name = if plans.len() == 1 {
        plans[0].name.clone()
    } else {
        "campaign".into()
    };
    let after = After {
        tally: args.tally,
        ..After::default()
    };
    carry_out(&plans, &name, after, &args.common, charset)
}

/// What is printed of a campaign besides its table.
#[derive(Default)]
struct After<'a> {
    /// The command that repeats it.
    again: Option<String>,
    /// Whether the seeds of a trial are counted together, instead of a row for each.
    tally: bool,
    /// The campaign's directory, if it is not a new one.
    directory: Option<PathBuf>,
    /// Makes a table of its own of the verdicts, and the exit code.
    summed: Option<&'a Summed<'a>>,
}

type Summed<'a> = dyn Fn(&[RunVerdict], &Path) -> Result<(String, u8), commands::Refused> + 'a;

impl Common {
    /// Everything as it is by default, but for where runs are recorded and what is deployed.
    fn recording_in(runs: &Path, node_binary: Option<&PathBuf>) -> Self {
        Self {
            runs: runs.to_owned(),
            node_binary: node_binary.cloned(),
            images: commands::image::ImagesArgs { images: None },
            progress: Mode::Auto,
            live: false,
            format: Format::Human,
            stop_on_first: false,
            expect: Vec::new(),
            partition: None,
        }
    }
}

fn selftest_on_lab(
    args: &commands::selftest::SelftestArgs,
    charset: Charset,
) -> Result<u8, Refusal> {
    let refused = |refused: commands::Refused| Refusal(refused.code, refused.sentence);
    let plans = commands::selftest::on_lab(args).map_err(refused)?;
    let after = After {
        summed: Some(&|verdicts, _| Ok(commands::selftest::summed(args, verdicts, charset))),
        ..After::default()
    };
    carry_out(
        &plans,
        "selftest",
        after,
        &Common::recording_in(&args.runs, args.node_binary.as_ref()),
        charset,
    )
}

fn matrix_on_lab(args: &commands::matrix::MatrixArgs, charset: Charset) -> Result<u8, Refusal> {
    let refused = |refused: commands::Refused| Refusal(refused.code, refused.sentence);
    if args.part.is_some() {
        // What runs side by side ends with the process that sums it up.
        rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::TERM))
            .map_err(|error| Refusal(INTERNAL, format!("cannot be tied to its parent: {error}")))?;
    } else if let Some((text, code)) =
        commands::matrix::side_by_side(args, charset).map_err(refused)?
    {
        say(&text);
        return Ok(code);
    }
    let (plans, there) = commands::matrix::on_lab(args).map_err(refused)?;
    if plans.is_empty() {
        let directory = args.into.as_deref().unwrap_or(&args.runs);
        return coded(commands::matrix::summed(&there, &[], directory, charset));
    }
    let after = After {
        directory: args.into.clone(),
        summed: Some(&|verdicts, directory| {
            commands::matrix::summed(&there, verdicts, directory, charset)
        }),
        ..After::default()
    };
    carry_out(
        &plans,
        "matrix",
        after,
        &Common {
            progress: args.part.map_or(Mode::Auto, |_| Mode::None),
            ..Common::recording_in(&args.runs, args.node_binary.as_ref())
        },
        charset,
    )
}

/// The flag adds to what a plan says itself.
fn stop_on_first(plans: &mut [Plan], common: &Common) {
    for plan in plans {
        plan.load.stop_on_first |= common.stop_on_first;
    }
}

fn with_seeds(plan: Plan, seed: Option<u64>, seeds: Option<&SeedRange>) -> Vec<Plan> {
    match seeds {
        Some(SeedRange(range)) => range
            .clone()
            .map(|seed| Plan {
                seed,
                ..plan.clone()
            })
            .collect(),
        None => vec![Plan {
            seed: seed.unwrap_or(plan.seed),
            ..plan
        }],
    }
}

fn run_demo(args: &DemoArgs, charset: Charset) -> Result<u8, Refusal> {
    let cells = demo::plans(args.seed);
    let names: Vec<String> = cells.iter().map(|plan| plan.name.clone()).collect();
    let mut plans: Vec<Plan> = demo::only(cells, args.only.as_deref())
        .into_iter()
        .flat_map(|plan| with_seeds(plan, None, args.seeds.as_ref()))
        .collect();
    if plans.is_empty() {
        let word = args.only.as_deref().unwrap_or_default();
        let sentence = suggest::unknown("cell", word, names.iter().map(String::as_str));
        return Err(Refusal(USAGE, sentence));
    }
    let only = args
        .only
        .as_ref()
        .map(|word| format!(" --only {word}"))
        .unwrap_or_default();
    let seeds = match &args.seeds {
        Some(SeedRange(range)) => format!("--seeds {}..{}", range.start(), range.end()),
        None => format!("--seed {}", args.seed),
    };
    stop_on_first(&mut plans, &args.common);
    let early = if args.common.stop_on_first {
        " --stop-on-first"
    } else {
        ""
    };
    let again = format!("{} demo {seeds}{only}{early}", program());
    let after = After {
        again: Some(again),
        ..After::default()
    };
    carry_out(&plans, "demo", after, &args.common, charset)
}

/// Enters the lab if a plan needs it, and runs the plans.
fn carry_out(
    plans: &[Plan],
    name: &str,
    after: After<'_>,
    common: &Common,
    charset: Charset,
) -> Result<u8, Refusal> {
    let part = |place: usize| {
        let (part, of) = common.partition.unwrap_or((1, 1));
        place % of == part - 1
    };
    let plans = plans.iter().enumerate().filter(|(place, _)| part(*place));
    let plans: Vec<Plan> = plans.map(|(_, plan)| plan.clone()).collect();
    if plans.is_empty() {
        return Err(Refusal(4, "this part holds none of the runs".to_owned()));
    }
    let plans = &plans[..];
    for plan in plans {
        plan.on_hosts()
            .map_err(|sentence| Refusal(USAGE, sentence))?;
    }
    let needed = plans
        .iter()
        .filter(|plan| plan.uses_lab())
        .map(Plan::node_count)
        .max();
    let lab = match needed {
        None => None,
        Some(nodes) => {
            let spec = LabSpec {
                nodes,
                layers: layers(plans, common)?,
                ..LabSpec::default()
            };
            match lab::enter(&spec)
                .map_err(|error| Refusal(NOT_VALID, format!("failed to {error}")))?
            {
                Entered::Outside(code) => return Ok(code),
                Entered::Inside(lab) => Some(lab),
            }
        }
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Refusal(INTERNAL, format!("cannot start the runtime: {error}")))?;
    let hosts = lab.as_ref().map_or(&[][..], |lab| lab.hosts());
    runtime.block_on(carry_out_on(plans, hosts, name, after, common, charset))
}

/// What the lab's hosts need for these plans.
fn layers(plans: &[Plan], common: &Common) -> Result<Vec<Layer>, Refusal> {
    let refused = |refused: commands::Refused| Refusal(refused.code, refused.sentence);
    let images = common.images.images().map_err(refused)?;
    commands::image::layers(plans, &images, complain).map_err(refused)
}

async fn carry_out_on(
    plans: &[Plan],
    lab_hosts: &[Host],
    name: &str,
    after: After<'_>,
    common: &Common,
    charset: Charset,
) -> Result<u8, Refusal> {
    let not_valid = |error: store::StoreError| Refusal(NOT_VALID, format!("failed to {error}"));
    let directory = match &after.directory {
        Some(directory) => directory.clone(),
        None => store::new_run(&common.runs, name).map_err(not_valid)?,
    };
    let stop = Arc::new(AtomicBool::new(false));
    let progress = if common.live {
        Mode::Live
    } else {
        progress_mode(common.progress)
    };
    tokio::spawn(stop_on_signal(Arc::clone(&stop), progress));
    let surroundings = Surroundings {
        node_binary: common.node_binary.clone().unwrap_or_else(beside_us),
        program: program(),
        progress,
        stop: Arc::clone(&stop),
    };
    let mut done = 0;
    let told = |verdict: &RunVerdict| {
        done += 1;
        if plans.len() > 1 && common.format == Format::Human {
            let state = if verdict.as_expected() {
                ""
            } else {
                "   NOT AS EXPECTED"
            };
            let words = plain(verdict.status.words(), charset);
            complain(&format!(
                "[{done}/{}] {} seed {}: {words}{state}",
                plans.len(),
                verdict.name,
                verdict.seed
            ));
        }
    };
    let verdict = campaign::run(plans, lab_hosts, &directory, &surroundings, told)
        .await
        .map_err(|error| Refusal(NOT_VALID, error.to_string()))?;
    if let Some(summed) = after.summed {
        return coded(summed(&verdict.runs, &directory));
    }
    let unmet = unmet(&verdict, &common.expect);
    let interrupted = stop.load(Ordering::Relaxed);
    let code = if interrupted {
        INTERRUPTED
    } else if !common.expect.is_empty() {
        u8::from(!unmet.is_empty())
    } else {
        verdict.exit_code
    };
    let shown = (common.format, charset);
    print_outcome(plans, &verdict, code, &directory, &after, shown);
    if verdict.runs.len() > 1
        && let Err(refused) = commands::merge::page(&directory)
    {
        complain(&refused.sentence);
    }
    unmet.iter().for_each(|sentence| complain(sentence));
    Ok(code)
}

/// What --expect asks for and did not come out, of each run.
fn unmet(verdict: &CampaignVerdict, wanted: &[Wanted]) -> Vec<String> {
    let of_run = |run: &RunVerdict| {
        let unmet = commands::expect::unmet(run, wanted);
        let told = unmet.iter().map(|unmet| format!("{}: {unmet}", run.name));
        told.collect::<Vec<_>>()
    };
    verdict.runs.iter().flat_map(of_run).collect()
}

/// A dumb terminal cannot redraw a line.
fn progress_mode(mode: Mode) -> Mode {
    let dumb = std::env::var("TERM").is_ok_and(|terminal| terminal == "dumb");
    if dumb && mode == Mode::Auto {
        Mode::Plain
    } else {
        mode
    }
}

/// How this program was called, so that what it prints can be called again.
fn program() -> String {
    std::env::args().next().unwrap_or_else(|| "schism".into())
}

fn beside_us() -> PathBuf {
    let us = std::env::current_exe().unwrap_or_default();
    us.parent().unwrap_or(Path::new(".")).join("schism-node")
}

/// The first signal ends the load; a second one ends the program, and with it the lab.
async fn stop_on_signal(stop: Arc<AtomicBool>, progress: Mode) {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut int), Ok(mut term)) = (
        signal(SignalKind::interrupt()),
        signal(SignalKind::terminate()),
    ) else {
        tracing::warn!("cannot listen for signals: Ctrl-C will end the run at once");
        return;
    };
    loop {
        tokio::select! {
            _ = int.recv() => {}
            _ = term.recv() => {}
        }
        if stop.swap(true, Ordering::Relaxed) {
            if progress == Mode::Live {
                Screen::give_back();
            }
            std::process::exit(i32::from(INTERRUPTED));
        }
        // On the screen the phases say so.
        if progress != Mode::Live {
            complain(
                "stopping: faults are healed and what was recorded is judged; again to end at once",
            );
        }
    }
}

/// Prints the verdicts; in words with the `code` with which the program ends.
fn print_outcome(
    plans: &[Plan],
    verdict: &CampaignVerdict,
    code: u8,
    directory: &Path,
    after: &After<'_>,
    (format, charset): (Format, Charset),
) {
    let place = directory.display().to_string();
    match (format, &verdict.runs[..]) {
        (Format::Json, [one]) => say(&json(one)),
        (Format::Json, _) => say(&json(verdict)),
        (Format::Human, [one]) if after.again.is_none() && !after.tally => {
            let one = RunVerdict {
                exit_code: code,
                ..one.clone()
            };
            say(terminal::run(&one, &place, |_| None, charset).trim_end())
        }
        (Format::Human, _) => {
            let table = if after.tally {
                render(&tally::COLUMNS, &tally::rows(plans, &verdict.runs), charset)
            } else {
                terminal::campaign(&verdict.runs, width(), charset)
            };
            let unexpected = verdict.runs.iter().filter(|run| !run.as_expected()).count();
            let summary = format!(
                "{} runs, {} as expected{}",
                verdict.runs.len(),
                verdict.runs.len() - unexpected,
                if unexpected == 0 {
                    String::new()
                } else {
                    format!(", {unexpected} not")
                }
            );
            let mut text = format!("{table}\n\n  {summary}   exit {code}\n  run    {place}");
            if let Some(again) = &after.again {
                text += &format!("\n  again  {again}");
            }
            let text = plain(&text, charset);
            if let Err(error) = store::write_file(&directory.join("summary.txt"), text.as_bytes()) {
                tracing::warn!("failed to {error}");
            }
            say(&text);
        }
    }
}

/// Hands on the exit code of a command that has said all it has to say.
fn ended(code: Result<u8, commands::Refused>) -> Result<u8, Refusal> {
    code.map_err(|refused| Refusal(refused.code, refused.sentence))
}

/// Prints what a command says, and hands on its exit code.
fn coded(said: Result<(String, u8), commands::Refused>) -> Result<u8, Refusal> {
    ended(said.map(|(said, code)| {
        say(&said);
        code
    }))
}

/// Where GitHub wants to be told.
fn github() -> commands::ci::GitHub {
    let actions = std::env::var("GITHUB_ACTIONS").is_ok_and(|value| value == "true");
    let file = |name| {
        std::env::var_os(name)
            .filter(|_| actions)
            .map(PathBuf::from)
    };
    commands::ci::GitHub {
        actions,
        summary: file("GITHUB_STEP_SUMMARY"),
        output: file("GITHUB_OUTPUT"),
    }
}

/// Prints what a command says.
fn told(said: Result<String, commands::Refused>) -> Result<u8, Refusal> {
    coded(said.map(|said| (said, 0)))
}

fn ledger(args: &crate::ledger::LedgerArgs) -> u8 {
    match args.run(&mut std::io::stdout().lock()) {
        Ok(()) => 0,
        Err(refusal) => {
            complain(&format!("error: {}", refusal.sentence));
            refusal.code
        }
    }
}

/// Prints a result. A reader that has seen enough and is gone, as `head`, changes neither what is
/// done nor the exit code.
fn say(text: &str) {
    use std::io::{ErrorKind, Write};
    if let Err(error) = writeln!(std::io::stdout().lock(), "{text}")
        && error.kind() != ErrorKind::BrokenPipe
    {
        complain(&format!("what was found could not be printed: {error}"));
    }
}

#[expect(
    clippy::print_stderr,
    reason = "progress and complaints go to standard error"
)]
fn complain(text: &str) {
    eprintln!("{text}");
}
