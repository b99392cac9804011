//! `schism ci`: a run for a build server: JUnit, a summary, annotations, outputs, an exit code
//! that heeds what is known.

use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::PathBuf;
use std::time::SystemTime;

use clap::Args;

use super::expect::{self, Wanted};
use super::{Refused, run_directory, runs_in};
use crate::report::junit::{self, Suite, Undecided};
use crate::report::known::{KnownFile, Standing};
use crate::report::markdown::{self, Context};
use crate::report::recorded::Recorded;
use crate::report::table::Charset;
use crate::report::told::Told;
use crate::report::{brief, ci, fingerprint};
use crate::store;

/// Flags of `schism ci`.
#[derive(Debug, Args)]
pub struct CiArgs {
    /// A run or a campaign: its directory, or its name below --runs.
    #[arg(default_value = "latest")]
    pub run: PathBuf,
    /// Where runs are recorded.
    #[arg(long, default_value = "runs", env = "SCHISM_RUNS")]
    pub runs: PathBuf,
    /// An earlier run or campaign, to tell new findings from ongoing ones.
    #[arg(long)]
    pub previous: Option<PathBuf>,
    /// A file of known findings: they do not fail a build until they expire.
    #[arg(long)]
    pub known: Option<PathBuf>,
    /// A claim that must hold, or an anomaly that must be found; with it nothing else decides.
    #[arg(long, value_name = "CLAIM|ANOMALY")]
    pub expect: Vec<Wanted>,
    /// What an undecided claim is.
    #[arg(long, default_value = "skip")]
    pub undecided: OnUndecided,
}

/// What an undecided claim is to a build server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum OnUndecided {
    /// A skipped test, and exit code 2.
    Skip,
    /// An error, and exit code 2.
    Fail,
    /// A skipped test, and no failure.
    Pass,
}

/// Where GitHub wants to be told, if it is GitHub.
#[derive(Clone, Debug, Default)]
pub struct GitHub {
    /// Whether annotations are read.
    pub actions: bool,
    /// The file of the step's summary.
    pub summary: Option<PathBuf>,
    /// The file of the step's outputs.
    pub output: Option<PathBuf>,
}

/// Writes junit.xml and summary.md beside the verdict, and tells GitHub; returns what to print
/// and the exit code.
///
/// # Errors
///
/// [`Refused`] if the run cannot be read or the files cannot be written.
pub fn run(args: &CiArgs, github: &GitHub, charset: Charset) -> Result<(String, u8), Refused> {
    let directory = run_directory(&args.run, &args.runs)?;
    let runs: Vec<Recorded> = runs_in(&directory)
        .iter()
        .map(|run| Recorded::read(run))
        .collect();
    if runs.is_empty() {
        let place = directory.display();
        return Err(Refused::usage(format!("{place} holds no run")));
    }
    let mut context = context(args)?;
    let (mut text, mut summary, mut failing) = (String::new(), String::new(), Vec::new());
    let mut worst = 0;
    for recorded in &runs {
        let told = &recorded.told;
        context.workload = recorded.planned("load.workload").unwrap_or_default();
        let story = |finding: &_| brief::finding(recorded, finding, 120, Charset::Unicode);
        summary += &markdown::run(told, &context, story);
        let (code, sentences) = judged(args, told, &context);
        worst = worse(worst, code);
        writeln!(text, "{}  {}   exit {code}", told.words(), told.name).expect("text takes all");
        for (title, sentence) in &sentences {
            writeln!(text, "  {title}: {sentence}").expect("text takes all that is written");
        }
        failing.extend(sentences);
    }
    let suites = runs.iter().map(|recorded| Suite {
        told: &recorded.told,
        system: recorded
            .planned("system")
            .unwrap_or_else(|| "system".into()),
        workload: recorded
            .planned("load.workload")
            .unwrap_or_else(|| "workload".into()),
        seconds: recorded.length() as f64 / 1e9,
        directory: recorded.directory.display().to_string(),
    });
    let undecided = match args.undecided {
        OnUndecided::Fail => Undecided::Error,
        OnUndecided::Skip | OnUndecided::Pass => Undecided::Skipped,
    };
    let story = |told: &Told, id: &str| {
        let recorded = runs
            .iter()
            .find(|recorded| std::ptr::eq(&recorded.told, told));
        let found = recorded.and_then(|recorded| Some((recorded, recorded.told.finding(id)?)));
        found.map_or(String::new(), |(recorded, finding)| {
            brief::finding(recorded, finding, 120, Charset::Unicode) + "\n"
        })
    };
    let suites: Vec<Suite<'_>> = suites.collect();
    let junit = junit::render(&suites, undecided, story);
    let write = |name: &str, text: &str| {
        store::write_file(&directory.join(name), text.as_bytes()).map_err(Refused::failed)
    };
    write("junit.xml", &junit)?;
    write("summary.md", &summary)?;
    if let Some(file) = &github.summary {
        let end = (0..=markdown::LIMIT.min(summary.len())).rev();
        let end = end
            .into_iter()
            .find(|end| summary.is_char_boundary(*end))
            .unwrap_or(0);
        append(file, &summary[..end])?;
    }
    if let Some(file) = &github.output {
        let place = directory.display().to_string();
        append(file, &ci::outputs(&runs[0].told, &place, worst))?;
    }
    text = brief::safe(&text);
    if github.actions {
        // What stands there twice would be taken for a command.
        text = text.replace("::", ": :") + "\n";
        text += &ci::annotations(&runs[0].told, &failing).join("\n");
    }
    let text = crate::report::table::plain(text.trim_end(), charset);
    Ok((text, worst))
}

fn append(file: &PathBuf, text: &str) -> Result<(), Refused> {
    let opened = OpenOptions::new().create(true).append(true).open(file);
    opened
        .and_then(|mut opened| opened.write_all(text.as_bytes()))
        .map_err(|error| Refused::failed(format!("write {}: {error}", file.display())))
}

fn context(args: &CiArgs) -> Result<Context, Refused> {
    let known = match &args.known {
        Some(file) => KnownFile::load(file).map_err(Refused::usage)?,
        None => KnownFile::default(),
    };
    let previous = match &args.previous {
        None => None,
        Some(previous) => {
            let directory = run_directory(previous, &args.runs)?;
            let mut prints = Vec::new();
            for run in runs_in(&directory) {
                let recorded = Recorded::read(&run);
                let workload = recorded.planned("load.workload").unwrap_or_default();
                prints.extend(fingerprint::kinds(&recorded.told, &workload).into_keys());
            }
            Some(prints)
        }
    };
    Ok(Context {
        workload: String::new(),
        known,
        today: store::utc_stamp(SystemTime::now())[..10].to_owned(),
        previous,
    })
}

/// The exit code of a run, and what fails it: title and sentence.
fn judged(args: &CiArgs, told: &Told, context: &Context) -> (u8, Vec<(String, String)>) {
    if !args.expect.is_empty() {
        let unmet = expect::unmet_by(told, &args.expect);
        let code = u8::from(!unmet.is_empty());
        return (
            code,
            unmet.into_iter().map(|s| (told.name.clone(), s)).collect(),
        );
    }
    let judged = !matches!(told.status.as_str(), "not-valid" | "nothing-to-check" | "");
    if !judged {
        let why = told
            .why
            .clone()
            .unwrap_or_else(|| "no claim was judged".into());
        let code = told
            .exit_code
            .and_then(|code| u8::try_from(code).ok())
            .unwrap_or(3);
        return (code, vec![(told.name.clone(), why)]);
    }
    let mut failing = Vec::new();
    let mut undecided = told.status == "undecided";
    for claim in &told.claims {
        let permitted = claim.expected.is_some() && claim.as_expected;
        match claim.verdict.as_str() {
            "violated" if !permitted => {}
            "held" if !claim.as_expected => {
                let sentence = "it held, and the plan expects a violation".to_owned();
                failing.push((claim.claim.clone(), sentence));
                continue;
            }
            "undecided" => {
                undecided |= !permitted;
                continue;
            }
            _ => continue,
        }
        let of_claim = |kind: &&(String, fingerprint::Kind)| kind.1.claim == claim.claim;
        let kinds: Vec<_> = fingerprint::kinds(told, &context.workload)
            .into_iter()
            .collect();
        for (print, kind) in kinds.iter().filter(of_claim) {
            if let Standing::Known(_) = context.known.standing(print, &context.today) {
                continue;
            }
            let last = told
                .finding(&kind.first)
                .and_then(|f| f.argument.last().cloned());
            let state = markdown::state(context, print);
            let state = if state.is_empty() {
                state
            } else {
                format!(" [{state}]")
            };
            failing.push((
                format!("{}: {}", claim.claim, kind.anomaly),
                format!("{}, fingerprint {print}{state}", last.unwrap_or_default()),
            ));
        }
    }
    if !failing.is_empty() {
        return (1, failing);
    }
    let open = undecided && args.undecided != OnUndecided::Pass;
    (if open { 2 } else { 0 }, failing)
}

/// Of two exit codes the worse: violated, not valid, undecided, nothing.
fn worse(one: u8, other: u8) -> u8 {
    let rank = |code: u8| [1, 3, 2, 4].iter().position(|c| *c == code).unwrap_or(9);
    if rank(other) < rank(one) { other } else { one }
}
