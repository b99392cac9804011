//! What reading a file yields.

use std::io;

use super::event::{Event, Sink};
use super::names::Shared;
use super::{History, Nanos, Op};

/// Why a file could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// An entry is wrong, or breaks a law of histories.
    #[error("line {line}: {reason}")]
    Line {
        /// The line, counted from one; in a binary file, the entry.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// The file could not be read.
    #[error("line {line}: {source}")]
    Io {
        /// The line, counted from one.
        line: usize,
        /// Why not.
        source: io::Error,
    },
}

/// Something that is wrong with a file and leaves what it says open to judgement.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{text}", line.map(|line| format!("line {line}: ")).unwrap_or_default())]
pub struct Warning {
    /// The line it is about, if it is about one.
    pub line: Option<usize>,
    /// What is wrong, and what was made of it.
    pub text: String,
}

impl Warning {
    /// Whether it says that the entries bear no times, which is no fault of theirs.
    #[must_use]
    pub fn is_untimed(&self) -> bool {
        self.text == UNTIMED
    }

    pub(super) fn new(line: impl Into<Option<usize>>, text: impl Into<String>) -> Self {
        Self {
            line: line.into(),
            text: text.into(),
        }
    }
}

/// How a file ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ending {
    /// Set if the last entry was cut off in the middle, as after a crash: what it held is lost,
    /// and everything above it stands.
    pub truncated: bool,
    /// What else is to be said.
    pub warnings: Vec<Warning>,
}

/// What a file held.
#[derive(Debug, Default)]
pub struct Read {
    /// The operations, in order.
    pub ops: Vec<Op>,
    /// The line of each, counted from one.
    pub lines: Vec<usize>,
    /// Set if the last entry was cut off in the middle, as after a crash: what it held is lost,
    /// and everything above it stands.
    pub truncated: bool,
    /// What the verdict should carry.
    pub warnings: Vec<Warning>,
}

impl Read {
    /// The history, if it keeps the laws of [`History::new`] or can be mended; what was mended
    /// and what is cut off are among the warnings.
    ///
    /// # Errors
    ///
    /// [`ReadError::Line`] for the entry that cannot be judged.
    pub fn history(self) -> Result<(History, Vec<Warning>), ReadError> {
        let mut warnings = self.warnings;
        if self.truncated {
            let text = format!(
                "the file is cut off: the {} entries above stand",
                self.ops.len()
            );
            warnings.push(Warning::new(self.lines.last().map(|line| line + 1), text));
        }
        let untimed = warnings.iter().any(Warning::is_untimed);
        let (mut history, mended) = super::mend::mend(self.ops, &self.lines)?;
        if untimed {
            history = history.without_times();
        }
        warnings.extend(mended);
        Ok((history, warnings))
    }
}

/// The sink that keeps every entry as an [`Op`].
///
/// An entry without an index gets the one after the entry above. If the first entry has no
/// time, the order of the entries stands for it; a later one without gets that of the entry
/// above, which makes the two concurrent.
#[derive(Default)]
pub struct Ops {
    read: Read,
    names: Shared,
    untimed: bool,
}

impl Ops {
    /// What was kept, when the file has ended.
    #[must_use]
    pub fn end(self, ending: Ending) -> Read {
        let mut read = self.read;
        read.truncated = ending.truncated;
        if self.untimed {
            read.warnings.push(Warning::new(None, UNTIMED));
        }
        read.warnings.extend(ending.warnings);
        read
    }
}

pub(super) const UNTIMED: &str = "the entries bear no times: their order stands for time, \
    and nothing can be said of durations";

/// The index and time that an entry gets, given the one above it.
pub(super) fn stamp(
    event: &Event<'_>,
    above: Option<(usize, Nanos)>,
    untimed: bool,
) -> (usize, Nanos) {
    let (index, time) = match above {
        None => (0, 0),
        Some((index, time)) => (
            index.saturating_add(1),
            time.saturating_add(u64::from(untimed)),
        ),
    };
    (event.index.unwrap_or(index), event.time.unwrap_or(time))
}

impl Sink for Ops {
    fn event(&mut self, event: &Event<'_>) {
        let above = self.read.ops.last().map(|op| (op.index, op.time));
        self.untimed |= above.is_none() && event.time.is_none();
        let (index, time) = stamp(event, above, self.untimed);
        self.read.lines.push(event.line);
        self.read.ops.push(Op {
            index,
            time,
            process: event.process,
            kind: event.kind,
            f: self.names.f(event.f),
            key: event.key.map(|key| self.names.value(key)),
            value: self.names.value(event.value),
            node: event.node.map(|node| self.names.text(node)),
            error: event.error.map(str::to_owned),
        });
    }
}
