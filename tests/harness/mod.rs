//! What the tests share that do without the usual harness, as they enter a lab before there is a
//! second thread, or count what was not run.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::time::Instant;

/// Which tests the command line asks for, and how many of those that ran failed.
pub(crate) struct Harness {
    words: Vec<String>,
    failed: usize,
}

impl Harness {
    /// `None` where only the names were asked for, which are then said.
    pub(crate) fn new<'a>(names: impl IntoIterator<Item = &'a str>) -> Option<Self> {
        let arguments = std::env::args().skip(1);
        let (flags, words): (Vec<_>, Vec<_>) = arguments.partition(|word| word.starts_with('-'));
        if flags.iter().any(|flag| flag == "--list") {
            for name in names {
                say(&format!("{name}: test"));
            }
            return None;
        }
        Some(Self { words, failed: 0 })
    }

    /// A test is asked for by a part of its name; without any part all are.
    pub(crate) fn wants(&self, name: &str) -> bool {
        self.words.is_empty() || self.words.iter().any(|word| name.contains(word.as_str()))
    }

    /// Runs a test, which fails by panicking.
    pub(crate) fn run(&mut self, name: &str, test: impl FnOnce()) {
        let begun = Instant::now();
        let ended = catch_unwind(AssertUnwindSafe(test));
        let word = if ended.is_ok() { "ok" } else { "FAILED" };
        let took = begun.elapsed().as_secs_f64();
        say(&format!("test {name} ... {word} ({took:.1} s)"));
        self.failed += usize::from(ended.is_err());
    }

    pub(crate) fn end(self) -> ExitCode {
        say(&format!("{} failed", self.failed));
        if self.failed == 0 {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        }
    }
}

#[expect(
    clippy::print_stdout,
    reason = "a test without harness says itself what it did"
)]
pub(crate) fn say(text: &str) {
    println!("{text}");
}
