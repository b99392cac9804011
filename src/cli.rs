//! Which command the flags mean, and how it speaks.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::{CommandFactory, Parser, Subcommand};
use tracing_subscriber::fmt::writer::BoxMakeWriter;

use crate::commands::{self, Refused, Speech};
use crate::live::Held;
use crate::report::table::Charset;
use crate::{doctor, lab};

/// Bad arguments or a bad trial file.
pub const USAGE: u8 = 64;
/// A fault of our own.
pub const INTERNAL: u8 = 70;

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
    Run(commands::trials::RunArgs),
    /// Measure what three replication modes keep and lose, on this machine.
    Demo(commands::trials::DemoArgs),
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
            // Where nobody reads it there is nobody to tell.
            return error.print().map_or(code, |()| code);
        }
    };
    let held = cli.command.is_watched().then(Held::default);
    log_to_stderr(cli.verbose, held.as_ref());
    let charset = if cli.ascii || !speaks_utf8() {
        Charset::Ascii
    } else {
        Charset::Unicode
    };
    let speech = Speech {
        program: program(),
        width: width(),
        charset,
        is_dumb: std::env::var("TERM").is_ok_and(|terminal| terminal == "dumb"),
        say,
        complain,
        held,
    };
    let width = speech.width;
    let done = match cli.command {
        Command::Run(args) => commands::trials::run(&args, &speech),
        Command::Demo(args) => commands::trials::demo(&args, &speech),
        Command::Sim(args) => coded(commands::sim::run(&args, charset)),
        Command::Selftest(args) if args.lab => commands::trials::selftest(&args, &speech),
        Command::Selftest(args) => coded(commands::selftest::run(&args, charset)),
        Command::Matrix(args) if args.lab => commands::trials::matrix(&args, &speech),
        Command::Matrix(args) => coded(commands::matrix::run(&args, charset, &mut complain)),
        Command::Quorum(args) => coded(commands::quorum::run(&args, charset)),
        Command::Shrink(args) => told(commands::shrink::run(&args, charset)),
        Command::Check(args) => commands::check::run(&args, &speech),
        Command::Ledger(args) => Ok(ledger(&args)),
        Command::Verify(args) => coded(commands::verify::run(&args)),
        Command::Convert(args) => commands::convert::run(&args, complain).map(|()| 0),
        Command::Report(args) => told(commands::report::run(&args)),
        Command::Show(args) => told(commands::show::run(&args, width, charset)),
        Command::Runs(args) => told(commands::runs::run(&args, width, charset)),
        Command::Trend(args) => told(commands::trend::run(&args, charset)),
        Command::Prune(args) => told(commands::prune::run(&args)),
        Command::Diff(args) => told(commands::diff::run(&args, width, charset)),
        Command::Ci(args) => coded(commands::ci::run(&args, &github(), charset)),
        Command::Merge(args) => coded(commands::merge::run(&args, charset)),
        Command::Export(args) => told(commands::export::run(&args)),
        Command::Serve(args) => told(commands::serve::run(&args, say).map(|()| String::new())),
        Command::Lab(args) => lab::command::run(&args, &mut Out).map_err(Refused::failed),
        Command::Image(args) => told(commands::image::run(&args, charset, complain)),
        Command::Doctor(args) => doctor::run(&args, &mut Out).map_err(Refused::failed),
        Command::Heal(args) => told(commands::heal::run(&args)),
        Command::List(args) => told(Ok(commands::list::run(&args, width, charset))),
        Command::Explain(args) => told(commands::explain::run(&args, width.min(100), charset)),
        Command::Schema(args) => told(Ok(commands::schema::run(&args))),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "schism", &mut Out);
            Ok(0)
        }
    };
    speech.release();
    done.unwrap_or_else(|refused| {
        complain(&refused.sentence);
        refused.code
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
        common.is_watched()
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
            None => BoxMakeWriter::new(io::stderr),
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
    let terminal = || rustix::termios::tcgetwinsize(io::stdout()).ok();
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

/// How this program was called, so that what it prints can be called again.
fn program() -> String {
    std::env::args().next().unwrap_or_else(|| "schism".into())
}

/// Prints what a command says, and hands on its exit code.
fn coded(said: Result<(String, u8), Refused>) -> Result<u8, Refused> {
    said.map(|(said, code)| {
        say(&said);
        code
    })
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
fn told(said: Result<String, Refused>) -> Result<u8, Refused> {
    coded(said.map(|said| (said, 0)))
}

fn ledger(args: &crate::ledger::LedgerArgs) -> u8 {
    match args.run(&mut Out) {
        Ok(()) => 0,
        Err(refusal) => {
            complain(&format!("error: {}", refusal.sentence));
            refusal.code
        }
    }
}

/// Prints a result.
fn say(text: &str) {
    if let Err(error) = writeln!(Out, "{text}") {
        complain(&format!("what was found could not be printed: {error}"));
    }
}

/// Standard output. A reader that has seen enough and is gone, as `head`, changes neither what is
/// done nor the exit code.
struct Out;

impl Write for Out {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match io::stdout().write(bytes) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(bytes.len()),
            written => written,
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match io::stdout().flush() {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            flushed => flushed,
        }
    }
}

#[expect(
    clippy::print_stderr,
    reason = "progress and complaints go to standard error"
)]
fn complain(text: &str) {
    eprintln!("{text}");
}
