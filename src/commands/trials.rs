//! What takes hosts, and is carried out on them over SSH: trial files, the demo, and what the
//! selftest and the matrix have to do in a lab.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::Args;

use super::expect::{self, Wanted};
use super::image::{self, ImagesArgs};
use super::ranges::{SeedRange, partition, seed_range};
use super::{Format, Refused, Speech, json, matrix, merge, selftest};
use crate::campaign::{self, CampaignVerdict};
use crate::image::Layer;
use crate::inventory::Host;
use crate::lab::{self, Entered, LabSpec};
use crate::live::Screen;
use crate::plan::Plan;
use crate::progress::Mode;
use crate::report::table::{plain, render};
use crate::report::verdict::{RunVerdict, Status};
use crate::report::{tally, terminal};
use crate::run::Surroundings;
use crate::{store, suggest};

/// Ended by Ctrl-C.
const INTERRUPTED: u8 = 130;

/// A fault of our own.
fn internal(sentence: &str) -> Refused {
    Refused {
        code: crate::cli::INTERNAL,
        sentence: sentence.to_owned(),
    }
}

/// What all commands that take hosts have in common.
#[derive(Debug, Args)]
pub(crate) struct Common {
    /// Where runs are recorded.
    #[arg(long, default_value = "runs", env = "SCHISM_RUNS")]
    runs: PathBuf,
    /// The node program that is deployed; the one beside this program if left out.
    #[arg(long, env = "SCHISM_NODE_BINARY")]
    node_binary: Option<PathBuf>,
    #[command(flatten)]
    images: ImagesArgs,
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

/// Which trials, with which seeds.
#[derive(Debug, Args)]
pub struct RunArgs {
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
    pub(crate) common: Common,
}

/// Which cells of the demo, with which seeds.
#[derive(Debug, Args)]
pub struct DemoArgs {
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
    pub(crate) common: Common,
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

type Summed<'a> = dyn Fn(&[RunVerdict], &Path) -> Result<(String, u8), Refused> + 'a;

impl Common {
    /// Whether somebody watches it on the whole screen, on which no line of the log may stand.
    pub(crate) fn is_watched(&self) -> bool {
        self.live || self.progress == Mode::Live
    }

    /// Everything as it is by default, but for where runs are recorded and what is deployed.
    fn recording_in(runs: &Path, node_binary: Option<&PathBuf>) -> Self {
        Self {
            runs: runs.to_owned(),
            node_binary: node_binary.cloned(),
            images: ImagesArgs { images: None },
            progress: Mode::Auto,
            live: false,
            format: Format::Human,
            stop_on_first: false,
            expect: Vec::new(),
            partition: None,
        }
    }
}

/// Carries out trial files.
///
/// # Errors
///
/// [`Refused`] if a file is no trial, hosts cannot be had, or nothing can be recorded.
pub fn run(args: &RunArgs, speech: &Speech) -> Result<u8, Refused> {
    let mut plans = Vec::new();
    for trial in &args.trials {
        let plan = Plan::load(trial).map_err(|error| Refused::usage(error.to_string()))?;
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
    carry_out(&plans, &name, after, &args.common, speech)
}

/// Carries out the cells of the demo.
///
/// # Errors
///
/// As [`run`].
pub fn demo(args: &DemoArgs, speech: &Speech) -> Result<u8, Refused> {
    let cells = crate::demo::plans(args.seed);
    let names: Vec<String> = cells.iter().map(|plan| plan.name.clone()).collect();
    let mut plans: Vec<Plan> = crate::demo::only(cells, args.only.as_deref())
        .into_iter()
        .flat_map(|plan| with_seeds(plan, None, args.seeds.as_ref()))
        .collect();
    if plans.is_empty() {
        let word = args.only.as_deref().unwrap_or_default();
        let sentence = suggest::unknown("cell", word, names.iter().map(String::as_str));
        return Err(Refused::usage(sentence));
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
    let again = format!("{} demo {seeds}{only}{early}", speech.program);
    let after = After {
        again: Some(again),
        ..After::default()
    };
    carry_out(&plans, "demo", after, &args.common, speech)
}

/// Has the deliberate bugs found on hosts of labs.
///
/// # Errors
///
/// As [`run`].
pub fn selftest(args: &selftest::SelftestArgs, speech: &Speech) -> Result<u8, Refused> {
    let plans = selftest::on_lab(args)?;
    let after = After {
        summed: Some(&|verdicts, _| Ok(selftest::summed(args, verdicts, speech.charset))),
        ..After::default()
    };
    carry_out(
        &plans,
        "selftest",
        after,
        &Common::recording_in(&args.runs, args.node_binary.as_ref()),
        speech,
    )
}

/// Measures the modes on hosts of labs.
///
/// # Errors
///
/// As [`run`].
pub fn matrix(args: &matrix::MatrixArgs, speech: &Speech) -> Result<u8, Refused> {
    let charset = speech.charset;
    if args.part.is_some() {
        // What runs side by side ends with the process that sums it up.
        rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::TERM))
            .map_err(|error| internal(&format!("cannot be tied to its parent: {error}")))?;
    } else if let Some((text, code)) = matrix::side_by_side(args, charset)? {
        (speech.say)(&text);
        return Ok(code);
    }
    let (plans, there) = matrix::on_lab(args)?;
    if plans.is_empty() {
        let directory = args.into.as_deref().unwrap_or(&args.runs);
        let (text, code) = matrix::summed(&there, &[], directory, charset)?;
        (speech.say)(&text);
        return Ok(code);
    }
    let after = After {
        directory: args.into.clone(),
        summed: Some(&|verdicts, directory| matrix::summed(&there, verdicts, directory, charset)),
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
        speech,
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

/// Enters the lab if a plan needs it, and runs the plans.
fn carry_out(
    plans: &[Plan],
    name: &str,
    after: After<'_>,
    common: &Common,
    speech: &Speech,
) -> Result<u8, Refused> {
    let part = |place: usize| {
        let (part, of) = common.partition.unwrap_or((1, 1));
        place % of == part - 1
    };
    let plans = plans.iter().enumerate().filter(|(place, _)| part(*place));
    let plans: Vec<Plan> = plans.map(|(_, plan)| plan.clone()).collect();
    if plans.is_empty() {
        return Err(Refused {
            code: Status::NothingToCheck.exit_code(),
            sentence: "this part holds none of the runs".to_owned(),
        });
    }
    let plans = &plans[..];
    for plan in plans {
        plan.on_hosts().map_err(Refused::usage)?;
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
                layers: layers(plans, common, speech)?,
                ..LabSpec::default()
            };
            match lab::enter(&spec).map_err(Refused::failed)? {
                Entered::Outside(code) => return Ok(code),
                Entered::Inside(lab) => Some(lab),
            }
        }
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| internal(&format!("cannot start the runtime: {error}")))?;
    let hosts = lab.as_ref().map_or(&[][..], |lab| lab.hosts());
    runtime.block_on(carry_out_on(plans, hosts, name, after, common, speech))
}

/// What the lab's hosts need for these plans.
fn layers(plans: &[Plan], common: &Common, speech: &Speech) -> Result<Vec<Layer>, Refused> {
    let images = common.images.images()?;
    image::layers(plans, &images, speech.complain)
}

async fn carry_out_on(
    plans: &[Plan],
    lab_hosts: &[Host],
    name: &str,
    after: After<'_>,
    common: &Common,
    speech: &Speech,
) -> Result<u8, Refused> {
    let directory = match &after.directory {
        Some(directory) => directory.clone(),
        None => store::new_run(&common.runs, name).map_err(Refused::failed)?,
    };
    let stop = Arc::new(AtomicBool::new(false));
    let progress = if common.live {
        Mode::Live
    } else {
        progress_mode(common.progress, speech.is_dumb)
    };
    tokio::spawn(stop_on_signal(Arc::clone(&stop), progress, speech.clone()));
    let surroundings = Surroundings {
        node_binary: common.node_binary.clone().unwrap_or_else(beside_us),
        program: speech.program.clone(),
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
            let words = plain(verdict.status.words(), speech.charset);
            (speech.complain)(&format!(
                "[{done}/{}] {} seed {}: {words}{state}",
                plans.len(),
                verdict.name,
                verdict.seed
            ));
        }
    };
    let verdict = campaign::run(plans, lab_hosts, &directory, &surroundings, told)
        .await
        .map_err(|error| Refused::not_valid(error.to_string()))?;
    if let Some(summed) = after.summed {
        let (text, code) = summed(&verdict.runs, &directory)?;
        (speech.say)(&text);
        return Ok(code);
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
    print_outcome(
        plans,
        &verdict,
        code,
        &directory,
        &after,
        common.format,
        speech,
    );
    if verdict.runs.len() > 1
        && let Err(refused) = merge::page(&directory)
    {
        (speech.complain)(&refused.sentence);
    }
    unmet
        .iter()
        .for_each(|sentence| (speech.complain)(sentence));
    Ok(code)
}

/// What --expect asks for and did not come out, of each run.
fn unmet(verdict: &CampaignVerdict, wanted: &[Wanted]) -> Vec<String> {
    let of_run = |run: &RunVerdict| {
        let unmet = expect::unmet(run, wanted);
        let told = unmet.iter().map(|unmet| format!("{}: {unmet}", run.name));
        told.collect::<Vec<_>>()
    };
    verdict.runs.iter().flat_map(of_run).collect()
}

/// A dumb terminal cannot redraw a line.
fn progress_mode(mode: Mode, is_dumb: bool) -> Mode {
    if is_dumb && mode == Mode::Auto {
        Mode::Plain
    } else {
        mode
    }
}

fn beside_us() -> PathBuf {
    let us = std::env::current_exe().unwrap_or_default();
    us.parent().unwrap_or(Path::new(".")).join("schism-node")
}

/// The first signal ends the load; a second one ends the program, and with it the lab.
async fn stop_on_signal(stop: Arc<AtomicBool>, progress: Mode, speech: Speech) {
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
                speech.release();
            }
            std::process::exit(i32::from(INTERRUPTED));
        }
        // On the screen the phases say so.
        if progress != Mode::Live {
            (speech.complain)(
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
    format: Format,
    speech: &Speech,
) {
    let (say, charset) = (speech.say, speech.charset);
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
                terminal::campaign(&verdict.runs, speech.width, charset)
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
