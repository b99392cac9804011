//! `schism check`: judges what anybody recorded.

use std::path::{Path, PathBuf};
use std::time::Duration;

use checkers::model::{Known, UnknownModel};
use clap::Args;

use super::expect::{self, Wanted};
use super::{Format, Refused, Speech, json};
use crate::check::{self, Answer, Question, Refusal};
use crate::claim::Claim;
use crate::report::table::plain;
use crate::{store, suggest};

/// Flags of `schism check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Histories: JSON Lines, EDN or JSON of Jepsen, its text logs, key-value lines of Porcupine,
    /// or our binary form, compressed with zstd or not; runs' directories; - for standard input.
    #[arg(required = true)]
    pub what: Vec<PathBuf>,
    /// Only these claims. Left out: all of them for what schism recorded, for other histories
    /// linearizable, or bank where reads return the balances of accounts. Some have settings:
    /// bank:total=100, locks:permits=3,ttl=10s; `schism list claims` has all.
    #[arg(long = "claim", value_name = "CLAIM")]
    pub claims: Vec<Claim>,
    /// What the objects are, such as fifo-queue or semaphore:3; left out where the operations
    /// leave no doubt. `schism list models` has all.
    #[arg(long, value_parser = model_named)]
    pub model: Option<Known>,
    /// When a search gives up, such as 10m: what is not decided by then is undecided.
    #[arg(long, default_value = "60s", value_parser = humantime_serde::re::humantime::parse_duration)]
    pub time: Duration,
    /// How much memory a search may use, such as 500M or 4G.
    #[arg(long, default_value = "2G", value_parser = bytes)]
    pub memory: usize,
    /// Write the proof of the verdict here, for schism verify: a legal order, or a contradiction.
    #[arg(long, value_name = "FILE")]
    pub certificate: Option<PathBuf>,
    /// A claim that must hold, or an anomaly that must be found, in every history; with it nothing
    /// else decides the exit code. Claims that tell are judged besides those of --claim, or
    /// instead of those that are judged when it is left out; of a run all its claims are judged.
    #[arg(long, value_name = "CLAIM|ANOMALY")]
    pub expect: Vec<Wanted>,
    /// What is printed on standard output.
    #[arg(long, default_value = "human")]
    pub format: Format,
}

fn model_named(name: &str) -> Result<Known, String> {
    name.parse().map_err(|error| match error {
        UnknownModel::Name(name) => suggest::unknown("model", &name, Known::ALL.map(Known::name)),
        UnknownModel::Permits => error.to_string(),
    })
}

/// A number of bytes, with K, M or G for the powers of 1024.
fn bytes(text: &str) -> Result<usize, String> {
    let upper = text.to_ascii_uppercase();
    let upper = upper.trim_end_matches('B').trim_end_matches('I');
    let (number, shift) = match upper.as_bytes().last() {
        Some(b'K') => (&upper[..upper.len() - 1], 10),
        Some(b'M') => (&upper[..upper.len() - 1], 20),
        Some(b'G') => (&upper[..upper.len() - 1], 30),
        _ => (upper, 0),
    };
    let number: usize = number
        .parse()
        .map_err(|_| format!("{text:?} is no size; write 500M or 4G"))?;
    number
        .checked_mul(1 << shift)
        .ok_or_else(|| format!("{text:?} is more than this machine can address"))
}

/// Judges and tells: one history in words, several a line each. Returns the exit code.
///
/// # Errors
///
/// [`Refused`] if the flags do not fit together, or the one history cannot be read.
pub fn run(args: &CheckArgs, speech: &Speech) -> Result<u8, Refused> {
    if args.certificate.is_some() && args.what.len() > 1 {
        let sentence = "a certificate is of one history; name one, or leave --certificate out";
        return Err(Refused::usage(sentence));
    }
    let [what] = args.what.as_slice() else {
        return Ok(several(args, speech));
    };
    let mut answer = asked(args, what, speech)?;
    if let Some(file) = &args.certificate {
        certified(&answer, file, speech)?;
    }
    let unmet = expect::unmet(&answer.verdict, &args.expect);
    let code = if args.expect.is_empty() {
        answer.verdict.exit_code
    } else {
        u8::from(!unmet.is_empty())
    };
    match args.format {
        Format::Json => (speech.say)(&json(&answer.verdict)),
        Format::Human => {
            // In words with the code with which the program ends.
            answer.verdict.exit_code = code;
            (speech.say)(&check::tell(&answer, speech.width, speech.charset));
        }
    }
    complain_of(&unmet, what, speech);
    Ok(code)
}

fn several(args: &CheckArgs, speech: &Speech) -> u8 {
    let mut answers = Vec::new();
    let mut met = true;
    for what in &args.what {
        let answer = asked(args, what, speech);
        match (&answer, args.format) {
            // One verdict a line, as they come.
            (Ok(answer), Format::Json) => {
                let line = serde_json::to_string(&answer.verdict);
                (speech.say)(&line.expect("verdicts have a form in JSON"));
            }
            (Err(refusal), Format::Json) => (speech.complain)(&refusal.sentence),
            (_, Format::Human) => {}
        }
        if let Ok(answer) = &answer {
            let unmet = expect::unmet(&answer.verdict, &args.expect);
            complain_of(&unmet, what, speech);
            met &= unmet.is_empty();
        }
        answers.push((what.clone(), answer));
    }
    if args.format == Format::Human {
        let told = check::tell_all(&answers, speech.width, speech.charset);
        (speech.say)(&plain(&told, speech.charset));
    }
    let unread = answers.iter().find_map(|(_, answer)| answer.as_ref().err());
    match (args.expect.is_empty(), met, unread) {
        (true, ..) => check::exit_code(&answers),
        (false, false, _) => 1,
        (false, true, Some(refusal)) => refusal.code,
        (false, true, None) => 0,
    }
}

fn asked(args: &CheckArgs, what: &Path, speech: &Speech) -> Result<Answer, Refusal> {
    let question = Question {
        claims: claims(args, what),
        model: args.model,
        time: Some(args.time),
        memory: Some(args.memory),
        certificate: args.certificate.is_some(),
    };
    let mut answer = question.put_to(what)?;
    tracing::info!(
        "{}: read and judged in {:.3} s, {} MB of memory at the peak",
        what.display(),
        answer.took.as_secs_f64(),
        check::peak_megabytes()
    );
    answer.verdict.reproduce = vec![again(args, what, &speech.program)];
    Ok(answer)
}

/// Those that were asked for, and those that can tell of what is expected. None of a run stands
/// for all of its own.
fn claims(args: &CheckArgs, what: &Path) -> Vec<Claim> {
    let mut claims = args.claims.clone();
    if !claims.is_empty() || !what.is_dir() {
        claims.extend(args.expect.iter().flat_map(Wanted::claims));
    }
    claims
}

fn complain_of(unmet: &[String], what: &Path, speech: &Speech) {
    for sentence in unmet {
        (speech.complain)(&format!("{}: {sentence}", what.display()));
    }
}

fn certified(answer: &Answer, file: &Path, speech: &Speech) -> Result<(), Refused> {
    match &answer.certificate {
        Some(Ok(text)) => store::write_file(file, text.as_bytes()).map_err(Refused::failed)?,
        Some(Err(why)) => (speech.complain)(&format!("no certificate was written: {why}")),
        None => (speech.complain)(
            "no certificate was written: nothing says that it is linearizable or not",
        ),
    }
    Ok(())
}

/// The command that judges one recording as this one did.
fn again(args: &CheckArgs, what: &Path, program: &str) -> String {
    let model = args.model.map(|model| format!(" --model {model}"));
    let quoted = |flag: &str, word: String, quote: bool| {
        let quote = if quote { "'" } else { "" };
        format!(" --{flag} {quote}{word}{quote}")
    };
    let claims = (args.claims.iter())
        .map(|claim| quoted("claim", claim.to_string(), claim.bound().is_some()));
    let expected = (args.expect.iter()).map(|wanted| {
        let word = wanted.to_string();
        let quote = word.contains(' ');
        quoted("expect", word, quote)
    });
    let flags: String = model.into_iter().chain(claims).chain(expected).collect();
    format!("{program} check {}{flags}", what.display())
}
