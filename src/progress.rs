//! What a person sees while a run goes on: one line that is redrawn on a terminal, a plain line
//! now and then elsewhere, or on request the whole screen.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use checkers::history::Op;
use serde_json::json;

use crate::interpreter::Progress;
use crate::live::{Screen, View};

/// How progress is shown, on standard error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Mode {
    /// A redrawn line on a terminal, plain lines elsewhere.
    Auto,
    /// A redrawn line.
    Line,
    /// A plain line every ten seconds, and for each phase.
    Plain,
    /// Nodes, faults, throughput, latency and findings, on the whole screen of a terminal.
    Live,
    /// An event in JSON a line: run_started, phase, fault, progress, verdict.
    Json,
    /// Nothing.
    None,
}

const PLAIN_EVERY: Duration = Duration::from_secs(10);
const EVENT_EVERY: Duration = Duration::from_secs(1);

/// Shows the progress of one run.
#[derive(Debug)]
pub struct Display {
    mode: Mode,
    title: String,
    phase: String,
    last: Instant,
    drawn: bool,
    /// The fault that was told last.
    fault: Option<String>,
    /// The whole screen, and what it shows.
    screen: Option<(Screen, View)>,
}

impl Display {
    /// `title` begins every line.
    #[must_use]
    pub fn new(mode: Mode, title: &str) -> Self {
        let mut screen = None;
        if mode == Mode::Live && std::io::stderr().is_terminal() {
            match Screen::take() {
                Ok(taken) => screen = Some((taken, View::new(title))),
                Err(error) => tracing::warn!("cannot draw on the whole screen: {error}"),
            }
        }
        let mode = match mode {
            Mode::Live if screen.is_some() => Mode::Live,
            Mode::Live => Mode::Plain,
            Mode::Auto if std::io::stderr().is_terminal() => Mode::Line,
            Mode::Auto => Mode::Plain,
            Mode::Line | Mode::Plain | Mode::Json | Mode::None => mode,
        };
        let (title, phase) = (title.to_owned(), String::new());
        let display = Self {
            mode,
            title,
            phase,
            last: Instant::now(),
            drawn: false,
            fault: None,
            screen,
        };
        if mode == Mode::Json {
            display.event("run_started", json!({}));
        }
        display
    }

    /// A new phase of the run.
    pub fn phase(&mut self, phase: &str) {
        self.phase = phase.to_owned();
        match self.mode {
            Mode::Line => self.redraw(&format!(" {}   {phase}", self.title)),
            Mode::Plain if phase == "load" => self.say(&format!("[{}] {phase}", self.title)),
            Mode::Json => self.event("phase", json!({ "phase": phase })),
            Mode::Live => self.show(|view| view.phase(phase)),
            Mode::Plain | Mode::Auto | Mode::None => {}
        }
    }

    /// Changes what is to be seen, and shows it.
    fn show(&mut self, change: impl FnOnce(&mut View)) {
        if let Some((screen, view)) = &mut self.screen {
            change(view);
            if let Err(error) = screen.show(view) {
                tracing::debug!("cannot draw: {error}");
            }
        }
    }

    /// The counts of the load, and all that was recorded so far.
    pub fn update(&mut self, progress: &Progress, ops: &[Op]) {
        match self.mode {
            Mode::Live => self.show(|view| view.take(progress.now, ops)),
            Mode::Line => {
                let text = line(&self.title, &self.phase, progress);
                self.redraw(&text);
            }
            Mode::Plain if self.last.elapsed() >= PLAIN_EVERY => {
                self.last = Instant::now();
                self.say(&line(&self.title, &self.phase, progress));
            }
            Mode::Json => self.events(progress),
            Mode::Plain | Mode::Auto | Mode::None => {}
        }
    }

    /// A fault when it changes, and the counts once a second.
    fn events(&mut self, progress: &Progress) {
        let at = progress.now / 1_000_000;
        if progress.fault != self.fault {
            self.fault.clone_from(&progress.fault);
            self.event("fault", json!({ "at_ms": at, "fault": progress.fault }));
        }
        if self.last.elapsed() >= EVENT_EVERY {
            self.last = Instant::now();
            let Progress { ok, fail, info, .. } = progress;
            let counts = json!({ "at_ms": at, "ok": ok, "fail": fail, "info": info });
            self.event("progress", counts);
        }
    }

    /// What came out of the run: its status, and how many findings there are.
    pub fn verdict(&self, status: &str, findings: usize) {
        if self.mode == Mode::Json {
            self.event("verdict", json!({ "status": status, "findings": findings }));
        }
    }

    /// One line, with the version of its form.
    fn event(&self, event: &str, mut fields: serde_json::Value) {
        fields["v"] = 1.into();
        fields["event"] = event.into();
        fields["run"] = self.title.as_str().into();
        self.say(&fields.to_string());
    }

    /// Wipes the redrawn line, and gives the screen back.
    pub fn finish(&mut self) {
        self.screen = None;
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
