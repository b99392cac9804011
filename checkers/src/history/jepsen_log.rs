//! Jepsen's text logs, and its `history.txt`: process, type, function and value in a
//! line, with tabs between them.
//!
//! `INFO  jepsen.util - 3 :invoke :write 7`
//!
//! What stands before the process is passed over, and so are lines that hold no entry, of
//! which a log has many. After the value an error may stand. A log bears no times of use: the
//! line number is the time, so that order is all that can be judged. Of an entry with unknown
//! outcome, or of a failed one, a keyword in the place of the value (`:timed-out`) is the error.

use std::io::{self, BufRead, Write};

use super::edn::Edn;
use super::event::{Node, Tape};
use super::fields::{Field, Fields};
use super::jepsen::{Conventions, Options, PLAIN, scout};
use super::jepsen_edn::{self, is_keyword};
use super::read::{Ending, ReadError, UNTIMED, Warning};
use super::scan::{Stop, seen};
use super::stream::{self, Parse};
use super::{Kind, Op, Process, Sink};

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
    stream::stream(Lines::new(options), input, sink)
}

/// Reads what is in memory.
///
/// # Errors
///
/// [`ReadError::Line`] for an entry that is whole but wrong.
pub fn slice(input: &[u8], options: Options, sink: &mut impl Sink) -> Result<Ending, ReadError> {
    stream::slice(Lines::new(options), input, sink)
}

/// Writes one operation and a line end, or says why a log cannot hold it: one with a key, a
/// node or a function that is no keyword, or whose error the place of the value cannot hold.
/// Index and time are not written.
///
/// # Errors
///
/// Those of `out`.
pub fn write(out: &mut impl Write, op: &Op) -> io::Result<Result<(), String>> {
    if let Err(reason) = can_hold(op) {
        return Ok(Err(reason));
    }
    out.write_all(b"INFO  jepsen.util - ")?;
    match op.process {
        Process::Client(number) => write!(out, "{number}")?,
        Process::Nemesis => out.write_all(b":nemesis")?,
    }
    write!(out, "\t:{}\t:{}\t", op.kind.as_str(), op.f)?;
    jepsen_edn::value(out, &op.value)?;
    if let Some(error) = &op.error {
        write!(out, "\t{error}")?;
    }
    out.write_all(b"\n").map(Ok)
}

fn can_hold(op: &Op) -> Result<(), String> {
    if op.key.is_some() {
        return Err("it has a key".to_owned());
    }
    if op.node.is_some() {
        return Err("it names a node".to_owned());
    }
    if !is_keyword(op.f.as_str()) {
        return Err(format!("its function {:?} is no keyword", op.f.as_str()));
    }
    let error = op.error.as_deref().unwrap_or("x");
    let starts = error.starts_with(|c: char| c.is_ascii_alphanumeric());
    if !starts || error.trim_end() != error || error.contains(['\n', '\r']) {
        return Err(format!(
            "its error {error:?} does not fit at the end of a line"
        ));
    }
    Ok(())
}

struct Lines {
    line: usize,
    entries: usize,
    others: usize,
    conventions: Conventions,
    ending: Ending,
}

impl Lines {
    fn new(options: Options) -> Self {
        Self {
            line: 1,
            entries: 0,
            others: 0,
            conventions: Conventions::new(options),
            ending: Ending::default(),
        }
    }

    fn entries(
        &mut self,
        text: &str,
        last: bool,
        sink: &mut impl Sink,
    ) -> Result<usize, ReadError> {
        let mut tape = Tape::default();
        let mut at = 0;
        while at < text.len() {
            let rest = &text[at..];
            let end = rest.find('\n');
            if end.is_none() && !last {
                break;
            }
            let line = &rest[..end.unwrap_or(rest.len())];
            tape.clear();
            let handed = match entry(line, self.line, &mut tape) {
                Ok(Some(mut fields)) => self
                    .conventions
                    .hand_on(&mut fields, &tape, sink)
                    .map(|()| true),
                Ok(None) => Ok(false),
                Err(reason) => Err(reason),
            };
            match handed {
                Ok(true) => self.entries += 1,
                Ok(false) => self.others += usize::from(!line.trim().is_empty()),
                Err(_) if end.is_none() => {}
                Err(reason) => {
                    let line = self.line;
                    return Err(ReadError::Line { line, reason });
                }
            }
            if end.is_none() {
                self.unfinished(handed == Ok(true));
                return Ok(text.len());
            }
            self.line += 1;
            at += line.len() + 1;
        }
        Ok(at)
    }

    /// The file does not end with a line end.
    fn unfinished(&mut self, is_entry: bool) {
        if is_entry {
            let text = "the last line does not end: its value may be cut off";
            self.ending.warnings.push(Warning::new(self.line, text));
        } else {
            self.ending.truncated = true;
        }
    }
}

impl Parse for Lines {
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

    fn end(mut self) -> Ending {
        let warnings = &mut self.ending.warnings;
        if self.entries > 0 {
            warnings.push(Warning::new(None, UNTIMED));
        }
        if self.others > 0 {
            let text = format!("{} lines of the log hold no entry", self.others);
            warnings.push(Warning::new(None, text));
        }
        warnings.extend(self.conventions.warnings());
        self.ending
    }
}

/// The entry that a line holds, if it holds one.
fn entry<'a>(
    text: &'a str,
    line: usize,
    tape: &mut Tape<'a>,
) -> Result<Option<Fields<'a>>, String> {
    let Some((process, kind, rest)) = head(text) else {
        return Ok(None);
    };
    let mut fields = Fields::new(line);
    fields.time = Some(line as u64);
    fields.process = Some(process);
    fields.kind = Some(kind);
    let mut edn = Edn::new(rest, line);
    edn.whole = true;
    if edn.peek() != Ok(b':') {
        let found = seen(rest, edn.at);
        return Err(format!("expected a function after the type, found {found}"));
    }
    let f = edn.keyword().map_err(reason)?;
    fields.set(Field::F, Node::Str(f), || f, tape)?;
    let after = edn.at;
    match value(&mut edn, &mut fields, tape) {
        // The nemesis tells what it likes; it is kept as it stands.
        Err(_) if process == Process::Nemesis => {
            tape.clear();
            let rest = rest[after..].trim();
            fields.value = if rest.is_empty() {
                Node::Nil
            } else {
                Node::Str(rest)
            };
            fields.error = None;
            Ok(Some(fields))
        }
        Err(stop) => Err(reason(stop)),
        Ok(()) => Ok(Some(fields)),
    }
}

fn value<'a>(edn: &mut Edn<'a>, fields: &mut Fields<'a>, tape: &mut Tape<'a>) -> Result<(), Stop> {
    let ended = |stop: Stop| {
        if stop == Stop::Short {
            Ok(None)
        } else {
            Err(stop)
        }
    };
    let Some(byte) = edn.peek().map(Some).or_else(ended)? else {
        return Ok(());
    };
    let is_keyword = byte == b':';
    let node = edn.value(tape, 0)?;
    if let (Node::Odd(word), Some(Process::Nemesis)) = (node, fields.process) {
        return Err(Stop::wrong(format!("{word} begins a sentence")));
    }
    let unsure = matches!(fields.kind, Some(Kind::Fail | Kind::Info));
    if is_keyword && unsure && fields.process != Some(Process::Nemesis) {
        fields.error = Some(node);
    } else {
        fields.value = node;
    }
    if edn.peek().map(Some).or_else(ended)?.is_some() {
        fields.error = Some(Node::Str(edn.rest().trim_end()));
    }
    Ok(())
}

fn reason(stop: Stop) -> String {
    match stop {
        Stop::Short => "the line ends too early".to_owned(),
        Stop::Wrong(why) => why.0,
    }
}

/// The process and the type that a line names one after the other, and what follows.
fn head(text: &str) -> Option<(Process, Kind, &str)> {
    let mut before = None;
    let mut rest = text;
    loop {
        rest = rest.trim_start();
        let end = rest
            .find(|c: char| c.is_ascii_whitespace())
            .unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        let kind = match word {
            "" => return None,
            ":invoke" => Some(Kind::Invoke),
            ":ok" => Some(Kind::Ok),
            ":fail" => Some(Kind::Fail),
            ":info" => Some(Kind::Info),
            _ => None,
        };
        if let (Some(kind), Some(process)) = (kind, before) {
            return Some((process, kind, after));
        }
        before = match word {
            ":nemesis" => Some(Process::Nemesis),
            _ => word.parse().ok().map(Process::Client),
        };
        rest = after;
    }
}

/// Whether a text is a log: one of its lines holds an entry.
pub(super) fn is_log(text: &str) -> bool {
    text.lines().any(|line| head(line).is_some())
}
