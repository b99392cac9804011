//! Jepsen's histories in EDN: one map an entry, in a vector, a list, or one after another.
//!
//! `{:index 0, :time 1200, :process 3, :type :invoke, :f :write, :value 7}`
//!
//! Records (`#jepsen.history.Op{…}`) are maps. `:key` and `:node` are ours: the object and the
//! node, where there are any. Other fields are passed over. What a file need not say, and how
//! independent keys are told, is in [`jepsen`](super::jepsen).

use std::io::{self, BufRead, Write};

use super::edn::Edn;
use super::event::Tape;
use super::fields::{Field, Fields};
use super::jepsen::{Conventions, Frame, Options, PLAIN, scout};
use super::read::{Ending, ReadError};
use super::scan::Stop;
use super::stream::{self, Parse};
use super::{Op, Process, Sink, Value, quick};

/// Reads a stream.
///
/// # Errors
///
/// [`ReadError::Line`] for an entry that is whole but wrong; [`ReadError::Io`] when `input`
/// fails.
pub fn stream(
    input: impl BufRead,
    options: Options,
    sink: &mut impl Sink,
) -> Result<Ending, ReadError> {
    stream::stream(Maps::new(options), input, sink)
}

/// Reads what is in memory.
///
/// # Errors
///
/// [`ReadError::Line`] for an entry that is whole but wrong.
pub fn slice(input: &[u8], options: Options, sink: &mut impl Sink) -> Result<Ending, ReadError> {
    stream::slice(Maps::new(options), input, sink)
}

struct Maps {
    line: usize,
    frame: Frame,
    conventions: Conventions,
    truncated: bool,
}

impl Maps {
    fn new(options: Options) -> Self {
        Self {
            line: 1,
            frame: Frame::Unknown,
            conventions: Conventions::new(options),
            truncated: false,
        }
    }

    /// Reads entries until the text ends; the number of bytes dealt with.
    fn entries(
        &mut self,
        text: &str,
        last: bool,
        sink: &mut impl Sink,
    ) -> Result<usize, ReadError> {
        let mut tape = Tape::default();
        let mut edn = Edn::new(text, self.line);
        loop {
            let wrong = |line: usize, reason: String| Err(ReadError::Line { line, reason });
            let byte = match edn.peek() {
                Ok(byte) => byte,
                Err(Stop::Wrong(why)) => return wrong(edn.line, why.0),
                Err(Stop::Short) => {
                    self.line = edn.line;
                    let within = edn.at < text.len() && text[edn.at..].starts_with("#_");
                    self.truncated |= last && (within || matches!(self.frame, Frame::Open(_)));
                    return Ok(if last { text.len() } else { edn.at });
                }
            };
            let start = edn.at;
            self.line = edn.line;
            match (self.frame, byte) {
                (Frame::Unknown, b'[') => self.frame = Frame::Open(b']'),
                (Frame::Unknown, b'(') => self.frame = Frame::Open(b')'),
                (Frame::Open(close), byte) if byte == close => self.frame = Frame::Closed,
                (Frame::Closed, _) => {
                    let Stop::Wrong(why) = edn.wrong("nothing after the end of the history") else {
                        unreachable!("it is wrong")
                    };
                    return wrong(edn.line, why.0);
                }
                (Frame::Unknown | Frame::None | Frame::Open(_), _) => {
                    if self.frame == Frame::Unknown {
                        self.frame = Frame::None;
                    }
                    tape.clear();
                    if let Some(quick) = quick::map(&mut edn, &mut tape) {
                        let event = quick.event(self.line, &tape);
                        if let Err(reason) = self.conventions.give(event, sink) {
                            return wrong(self.line, reason);
                        }
                        continue;
                    }
                    tape.clear();
                    let mut fields = Fields::new(self.line);
                    let handed = match entry(&mut edn, &mut tape, &mut fields) {
                        Ok(()) => self.conventions.hand_on(&mut fields, &tape, sink),
                        Err(Stop::Wrong(why)) => Err(why.0),
                        Err(Stop::Short) if last => {
                            self.truncated = true;
                            return Ok(text.len());
                        }
                        Err(Stop::Short) => return Ok(start),
                    };
                    if let Err(reason) = handed {
                        return wrong(self.line, reason);
                    }
                    continue;
                }
            }
            edn.at += 1;
        }
    }
}

impl Parse for Maps {
    fn parse(&mut self, text: &str, last: bool, sink: &mut impl Sink) -> Result<usize, ReadError> {
        if self.conventions.independent.is_none() {
            let told = scout(text, |beginning, scout| {
                Self::new(PLAIN).entries(beginning, false, scout)
            });
            self.conventions.independent = Some(told);
        }
        self.entries(text, last, sink)
    }

    fn line(&self) -> usize {
        self.line
    }

    fn end(self) -> Ending {
        Ending {
            truncated: self.truncated,
            warnings: self.conventions.warnings(),
        }
    }
}

/// Reads the entry at which `edn` stands.
fn entry<'a>(edn: &mut Edn<'a>, tape: &mut Tape<'a>, fields: &mut Fields<'a>) -> Result<(), Stop> {
    if edn.peek()? == b'#' {
        edn.tag()?;
    }
    if edn.peek()? != b'{' {
        return Err(edn.wrong("a map"));
    }
    edn.at += 1;
    loop {
        let field = match edn.peek()? {
            b'}' => break,
            b':' => Field::named(edn.keyword()?),
            _ => {
                edn.value(tape, 0)?;
                None
            }
        };
        if edn.peek()? == b'}' {
            return Err(edn.wrong("a value for the last name of the map"));
        }
        let start = edn.at;
        let node = edn.value(tape, 0)?;
        if let Some(field) = field {
            let set = fields.set(field, node, || edn.since(start), tape);
            set.map_err(Stop::wrong)?;
        }
    }
    edn.at += 1;
    Ok(())
}

/// Writes one operation as a map, and a line end.
///
/// The key is a field of its own, `:key`, so that what is written reads back the same.
///
/// # Errors
///
/// Those of `out`.
pub fn write(out: &mut impl Write, op: &Op) -> io::Result<()> {
    write!(out, "{{:index {}, :time {}, ", op.index, op.time)?;
    essence(out, op)?;
    if let Some(node) = &op.node {
        out.write_all(b", :node ")?;
        string(out, node)?;
    }
    if let Some(error) = &op.error {
        out.write_all(b", :error ")?;
        string(out, error)?;
    }
    out.write_all(b"}\n")
}

/// Writes process, type, function, key and value.
pub(super) fn essence(out: &mut impl Write, op: &Op) -> io::Result<()> {
    match op.process {
        Process::Client(number) => write!(out, ":process {number}")?,
        Process::Nemesis => out.write_all(b":process :nemesis")?,
    }
    write!(out, ", :type :{}, :f ", op.kind.as_str())?;
    name(out, op.f.as_str())?;
    if let Some(key) = &op.key {
        out.write_all(b", :key ")?;
        value(out, key)?;
    }
    out.write_all(b", :value ")?;
    value(out, &op.value)
}

/// Whether a text can be a keyword and be read back from it.
pub(super) fn is_keyword(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.?!*+<>=".contains(&byte);
    text.starts_with(|c: char| c.is_ascii_alphabetic()) && text.bytes().all(plain)
}

/// Writes a keyword, or a string where a keyword will not do.
fn name(out: &mut impl Write, text: &str) -> io::Result<()> {
    if is_keyword(text) {
        write!(out, ":{text}")
    } else {
        string(out, text)
    }
}

fn string(out: &mut impl Write, text: &str) -> io::Result<()> {
    // The escapes of JSON are all escapes of EDN.
    Ok(serde_json::to_writer(out, text)?)
}

/// Writes a value.
pub(super) fn value(out: &mut impl Write, of: &Value) -> io::Result<()> {
    match of {
        Value::Nil => out.write_all(b"nil"),
        Value::Bool(truth) => write!(out, "{truth}"),
        Value::Int(number) => write!(out, "{number}"),
        Value::Str(text) => string(out, text),
        Value::List(items) => {
            out.write_all(b"[")?;
            for (position, item) in items.iter().enumerate() {
                if position > 0 {
                    out.write_all(b" ")?;
                }
                match item {
                    // Transactions: Elle knows their operations by keywords.
                    Value::Str(text)
                        if position == 0 && ["r", "w", "append"].contains(&&**text) =>
                    {
                        name(out, text)?;
                    }
                    item => value(out, item)?,
                }
            }
            out.write_all(b"]")
        }
        Value::Map(entries) => {
            out.write_all(b"{")?;
            for (position, (entry, item)) in entries.iter().enumerate() {
                if position > 0 {
                    out.write_all(b", ")?;
                }
                name(out, entry)?;
                out.write_all(b" ")?;
                value(out, item)?;
            }
            out.write_all(b"}")
        }
    }
}
