//! The formats of history files: telling them apart, reading and writing them.

use std::fmt;
use std::io::{self, BufRead, Write};

use super::jepsen::Options;
use super::read::{Ending, Ops, Read, ReadError};
use super::scan::seen;
use super::{Kind, Nanos, Op, Sink, binary, jepsen_edn, jepsen_json, jepsen_log, jsonl, porcupine};

/// A format of history files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// Our own text; see [`jsonl`].
    JsonLines,
    /// Jepsen's EDN; see [`jepsen_edn`].
    JepsenEdn,
    /// Jepsen's and elle-cli's JSON; see [`jepsen_json`].
    JepsenJson,
    /// Jepsen's text logs; see [`jepsen_log`].
    JepsenLog,
    /// Porcupine's key-value lines; see [`porcupine`].
    Porcupine,
    /// Our own compact form; see [`binary`].
    Binary,
}

/// A file whose format nobody can tell.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{seen}; a history is JSON Lines, EDN or JSON of Jepsen, a text log of Jepsen, key-value \
     lines of Porcupine, or our own binary form"
)]
pub struct Unknown {
    /// What the file begins with.
    seen: String,
}

/// Why a history could not be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The format cannot hold it; another can.
    #[error("{format} cannot hold the entry of index {index}: {reason}")]
    CannotHold {
        /// The format.
        format: Format,
        /// The index of the entry.
        index: usize,
        /// What does not fit.
        reason: String,
    },
    /// The output failed.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Format {
    /// All formats.
    pub const ALL: [Self; 6] = [
        Self::JsonLines,
        Self::JepsenEdn,
        Self::JepsenJson,
        Self::JepsenLog,
        Self::Porcupine,
        Self::Binary,
    ];

    /// How much of a file [`detect`](Self::detect) wants to see, if there is as much.
    pub const HEAD: usize = 1 << 16;

    /// The name, as flags have it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::JsonLines => "jsonl",
            Self::JepsenEdn => "edn",
            Self::JepsenJson => "json",
            Self::JepsenLog => "log",
            Self::Porcupine => "porcupine",
            Self::Binary => "bin",
        }
    }

    /// What it is, in words.
    #[must_use]
    pub fn described(self) -> &'static str {
        match self {
            Self::JsonLines => "JSON Lines of schism",
            Self::JepsenEdn => "EDN of Jepsen",
            Self::JepsenJson => "JSON of Jepsen",
            Self::JepsenLog => "a text log of Jepsen",
            Self::Porcupine => "key-value lines of Porcupine",
            Self::Binary => "the binary form of schism",
        }
    }

    /// The format of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.name() == name)
    }

    /// The format of a file that begins so; compression must be off already.
    ///
    /// # Errors
    ///
    /// [`Unknown`] says what the file begins with.
    pub fn detect(head: &[u8]) -> Result<Self, Unknown> {
        let unknown = |seen: String| Err(Unknown { seen });
        if head.starts_with(&binary::MAGIC) {
            return Ok(Self::Binary);
        }
        if head.starts_with(&ZSTD) {
            return unknown("the file is compressed with zstd".to_owned());
        }
        let cut = &head[..head.len().min(Self::HEAD)];
        let text = match str::from_utf8(cut) {
            Ok(text) => text,
            Err(error) => str::from_utf8(&cut[..error.valid_up_to()]).unwrap_or_default(),
        };
        let start = text.len() - after_comments(text).len();
        let text = &text[start..];
        let mut marks = text.chars().filter(|c| !c.is_whitespace() && *c != ',');
        match (marks.next(), marks.next(), marks.next()) {
            (None, _, _) if head.is_empty() => unknown("the file is empty".to_owned()),
            (None, _, _) => match cut.get(start) {
                Some(byte) => unknown(format!("the file begins with the byte {byte:#04x}")),
                None => unknown("the file holds nothing but blanks and comments".to_owned()),
            },
            (Some('{'), Some('"'), _) if is_our_line(text) => Ok(Self::JsonLines),
            (Some('{'), Some('"'), _)
            | (Some('['), Some('{'), Some('"'))
            | (Some('['), Some('{' | ']'), None) => Ok(Self::JepsenJson),
            (Some('{'), Some(':'), _) if is_key_value(text) => Ok(Self::Porcupine),
            (Some('{'), Some(':'), _)
            | (Some('[' | '('), Some('{'), Some(':' | '}'))
            | (Some('[' | '('), Some('#' | ';' | ']' | ')'), _)
            | (Some('#'), _, _) => Ok(Self::JepsenEdn),
            _ if jepsen_log::is_log(text) => Ok(Self::JepsenLog),
            _ => unknown(format!("the file begins with {}", seen(text, 0))),
        }
    }

    /// Reads a stream, an entry at a time.
    ///
    /// # Errors
    ///
    /// [`ReadError::Line`] for an entry that is whole but wrong; [`ReadError::Io`] when `input`
    /// fails.
    pub fn stream(
        self,
        input: impl BufRead,
        options: Options,
        sink: &mut impl Sink,
    ) -> Result<Ending, ReadError> {
        match self {
            Self::JsonLines => jsonl::stream(input, sink),
            Self::JepsenEdn => jepsen_edn::stream(input, options, sink),
            Self::JepsenJson => jepsen_json::stream(input, options, sink),
            Self::JepsenLog => jepsen_log::stream(input, options, sink),
            Self::Porcupine => porcupine::stream(input, sink),
            Self::Binary => binary::stream(input, sink),
        }
    }

    /// Reads what is in memory, an entry at a time.
    ///
    /// # Errors
    ///
    /// [`ReadError::Line`] for an entry that is whole but wrong.
    pub fn slice(
        self,
        input: &[u8],
        options: Options,
        sink: &mut impl Sink,
    ) -> Result<Ending, ReadError> {
        match self {
            Self::JsonLines => jsonl::slice(input, sink),
            Self::JepsenEdn => jepsen_edn::slice(input, options, sink),
            Self::JepsenJson => jepsen_json::slice(input, options, sink),
            Self::JepsenLog => jepsen_log::slice(input, options, sink),
            Self::Porcupine => porcupine::slice(input, sink),
            Self::Binary => binary::stream(input, sink),
        }
    }

    /// Reads a whole stream.
    ///
    /// # Errors
    ///
    /// Those of [`stream`](Self::stream).
    pub fn read(self, input: impl BufRead, options: Options) -> Result<Read, ReadError> {
        let mut ops = Ops::default();
        let ending = self.stream(input, options, &mut ops)?;
        Ok(ops.end(ending))
    }

    /// Writes a whole history.
    ///
    /// # Errors
    ///
    /// [`WriteError::CannotHold`] when this format has no room for something that the history
    /// holds; [`WriteError::Io`] when `out` fails.
    pub fn write(self, out: &mut impl Write, ops: &[Op]) -> Result<(), WriteError> {
        match self {
            Self::JsonLines => Ok(ops.iter().try_for_each(|op| jsonl::write(out, op))?),
            Self::JepsenEdn => Ok(ops.iter().try_for_each(|op| jepsen_edn::write(out, op))?),
            Self::JepsenJson => Ok(jepsen_json::write(out, ops)?),
            Self::JepsenLog => self.untimed(ops, |op| jepsen_log::write(out, op)),
            Self::Porcupine => self.untimed(ops, |op| porcupine::write(out, op)),
            Self::Binary => self.frames(out, ops),
        }
    }

    fn frames(self, out: &mut impl Write, ops: &[Op]) -> Result<(), WriteError> {
        let mut writer = binary::Writer::new(out)?;
        for op in ops {
            writer.op(op).map_err(|error| match error.kind() {
                io::ErrorKind::InvalidInput => WriteError::CannotHold {
                    format: self,
                    index: op.index,
                    reason: error.to_string(),
                },
                _ => WriteError::Io(error),
            })?;
        }
        writer.end()?;
        Ok(())
    }

    /// Writes without times, where that invents no order: an end and a start at the same time
    /// are concurrent, but a file without times would have one before the other.
    fn untimed(
        self,
        ops: &[Op],
        mut write: impl FnMut(&Op) -> io::Result<Result<(), String>>,
    ) -> Result<(), WriteError> {
        let mut ended: Option<Nanos> = None;
        for op in ops {
            let cannot = |reason: String| WriteError::CannotHold {
                format: self,
                index: op.index,
                reason,
            };
            if op.kind == Kind::Invoke && ended == Some(op.time) {
                let reason = "it starts at the very time at which another ends, and this format \
                              has no times to say so";
                return Err(cannot(reason.to_owned()));
            }
            if op.kind != Kind::Invoke {
                ended = Some(op.time);
            }
            write(op)?.map_err(cannot)?;
        }
        Ok(())
    }
}

/// How zstd's frames begin; whoever opens the file takes the compression off.
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// What follows the blanks and comments at the front.
fn after_comments(mut text: &str) -> &str {
    loop {
        text = text.trim_start_matches(|c: char| c.is_whitespace() || c == ',');
        match text.strip_prefix(';') {
            Some(comment) => text = comment.find('\n').map_or("", |end| &comment[end..]),
            None => return text,
        }
    }
}

/// Whether the first line is one of ours: it has index and time, and only fields of ours.
fn is_our_line(text: &str) -> bool {
    let line = text.lines().next().unwrap_or_default();
    let mut first = None;
    match jsonl::slice(line.as_bytes(), &mut First(&mut first)) {
        Ok(_) if first.is_some() => true,
        // Cut off: our writer begins with the index.
        Ok(_) => line.starts_with("{\"index\":") && !text.contains('\n'),
        Err(_) => false,
    }
}

struct First<'f>(&'f mut Option<()>);

impl Sink for First<'_> {
    fn event(&mut self, _: &super::Event<'_>) {
        *self.0 = Some(());
    }
}

/// Whether the first line is one of Porcupine's.
fn is_key_value(text: &str) -> bool {
    let line = text.lines().next().unwrap_or_default();
    let functions = [":f :get,", ":f :put,", ":f :append,"];
    line.starts_with("{:process ")
        && line.contains(", :key \"")
        && functions.iter().any(|f| line.contains(f))
}
