//! What a person sees while a run goes on: one line that is redrawn on a terminal, a plain line
//! now and then elsewhere.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use crate::interpreter::Progress;

/// How progress is shown, on standard error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Mode {
    /// A redrawn line on a terminal, plain lines elsewhere.
    Auto,
    /// A redrawn line.
    Line,
    /// A plain line every ten seconds, and for each phase.
    Plain,
    /// Nothing.
    None,
}

const PLAIN_EVERY: Duration = Duration::from_secs(10);

/// Shows the progress of one run.
#[derive(Debug)]
pub struct Display {
    mode: Mode,
    title: String,
    phase: String,
    last: Instant,
    drawn: bool,
}

impl Display {
    /// `title` begins every line.
    #[must_use]
    pub fn new(mode: Mode, title: &str) -> Self {
        let mode = match mode {
            Mode::Auto if std::io::stderr().is_terminal() => Mode::Line,
            Mode::Auto => Mode::Plain,
            Mode::Line | Mode::Plain | Mode::None => mode,
        };
        let (title, phase) = (title.to_owned(), String::new());
        Self {
            mode,
            title,
            phase,
            last: Instant::now(),
            drawn: false,
        }
    }

    /// A new phase of the run.
    pub fn phase(&mut self, phase: &str) {
        self.phase = phase.to_owned();
        match self.mode {
            Mode::Line => self.redraw(&format!(" {}   {phase}", self.title)),
            Mode::Plain if phase == "load" => self.say(&format!("[{}] {phase}", self.title)),
            Mode::Plain | Mode::Auto | Mode::None => {}
        }
    }

    /// The counts of the load.
    pub fn update(&mut self, progress: &Progress) {
        match self.mode {
            Mode::Line => {
                let text = line(&self.title, &self.phase, progress);
                self.redraw(&text);
            }
            Mode::Plain if self.last.elapsed() >= PLAIN_EVERY => {
                self.last = Instant::now();
                self.say(&line(&self.title, &self.phase, progress));
            }
            Mode::Plain | Mode::Auto | Mode::None => {}
        }
    }

    /// Wipes the redrawn line.
    pub fn finish(&mut self) {
        if self.drawn {
            self.redraw("");
        }
    }

    /// Progress is a courtesy: a closed standard error must not end the run.
    fn say(&self, text: &str) {
        if writeln!(std::io::stderr(), "{text}").is_err() {
            tracing::debug!("standard error is closed");
        }
    }

    fn redraw(&mut self, text: &str) {
        self.drawn = true;
        let mut err = std::io::stderr().lock();
        if write!(err, "\r\x1b[K{text}")
            .and_then(|()| err.flush())
            .is_err()
        {
            tracing::debug!("standard error is closed");
        }
    }
}

/// One line of progress: pure.
fn line(title: &str, phase: &str, progress: &Progress) -> String {
    let seconds = progress.now / 1_000_000_000;
    let Progress {
        ok,
        fail,
        info,
        fault,
        ..
    } = progress;
    let fault = fault
        .as_deref()
        .map(|fault| format!("   {fault}"))
        .unwrap_or_default();
    format!(
        " {title}   {phase} {:02}:{:02}   ok {ok}   failed {fail}   unknown {info}{fault}",
        seconds / 60,
        seconds % 60
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_what_is_going_on() {
        let fault = Some("partition".into());
        let progress = Progress {
            now: 65_000_000_000,
            ok: 10,
            fail: 2,
            info: 1,
            fault,
        };
        let expected = " demo   load 01:05   ok 10   failed 2   unknown 1   partition";
        assert_eq!(line("demo", "load", &progress), expected);
    }
}
