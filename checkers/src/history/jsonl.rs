//! Our own text format: one JSON object a line, in the order of the history.
//!
//! `{"index":0,"time":1200,"process":3,"type":"invoke","f":"write","key":"r1","value":7,"node":"n1"}`
//!
//! `process` is a number, or `"nemesis"`. `key`, `node` and `error` are left out where there
//! is none; `value` is `null` where there is none. The fields may stand in any order; one that
//! is not ours is an error.

use std::io::{self, BufRead, Write};

use serde::Serialize;

use super::event::Tape;
use super::fields::{Field, Fields};
use super::json::Json;
use super::scan::Stop;
use super::stream::{self, Parse};
use super::{Op, Ops, Process, Sink, Value, quick};

pub use super::read::{Ending, Read, ReadError};

#[derive(Serialize)]
struct Line<'a> {
    index: usize,
    time: u64,
    process: ProcessField,
    #[serde(rename = "type")]
    kind: &'static str,
    f: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'a Value>,
    value: &'a Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    node: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum ProcessField {
    Number(u32),
    Name(&'static str),
}

/// Writes one operation and a line end.
///
/// # Errors
///
/// Those of `out`.
pub fn write(out: &mut impl Write, op: &Op) -> io::Result<()> {
    object(out, op)?;
    out.write_all(b"\n")
}

/// Writes one operation.
pub(super) fn object(out: &mut impl Write, op: &Op) -> io::Result<()> {
    let line = Line {
        index: op.index,
        time: op.time,
        process: match op.process {
            Process::Client(number) => ProcessField::Number(number),
            Process::Nemesis => ProcessField::Name("nemesis"),
        },
        kind: op.kind.as_str(),
        f: op.f.as_str(),
        key: op.key.as_ref(),
        value: &op.value,
        node: op.node.as_deref(),
        error: op.error.as_deref(),
    };
    Ok(serde_json::to_writer(out, &line)?)
}

/// Reads a whole file. A last line that is cut off is left out and reported in
/// [`Read::truncated`].
///
/// # Errors
///
/// [`ReadError::Line`] for a line that is whole but wrong; [`ReadError::Io`] when `input`
/// fails.
pub fn read(input: impl BufRead) -> Result<Read, ReadError> {
    let mut ops = Ops::default();
    let ending = stream(input, &mut ops)?;
    Ok(ops.end(ending))
}

/// Reads a stream.
///
/// # Errors
///
/// Those of [`read`].
pub fn stream(input: impl BufRead, sink: &mut impl Sink) -> Result<Ending, ReadError> {
    stream::stream(Lines::default(), input, sink)
}

/// Reads what is in memory.
///
/// # Errors
///
/// [`ReadError::Line`] for a line that is whole but wrong.
pub fn slice(input: &[u8], sink: &mut impl Sink) -> Result<Ending, ReadError> {
    stream::slice(Lines::default(), input, sink)
}

struct Lines {
    line: usize,
    truncated: bool,
}

impl Default for Lines {
    fn default() -> Self {
        Self {
            line: 1,
            truncated: false,
        }
    }
}

impl Parse for Lines {
    fn parse(&mut self, text: &str, last: bool, sink: &mut impl Sink) -> Result<usize, ReadError> {
        let mut tape = Tape::default();
        let mut json = Json::new(text, self.line);
        loop {
            // What is blank is dealt with whatever follows it.
            let blank = json.peek();
            let start = json.at;
            self.line = json.line;
            if blank.is_err() {
                return Ok(start);
            }
            tape.clear();
            if let Some(quick) = quick::line(&mut json, &mut tape) {
                sink.event(&quick.event(self.line, &tape));
                continue;
            }
            tape.clear();
            let mut fields = Fields::new(self.line);
            let reason = match entry(&mut json, &mut tape, &mut fields, last) {
                Ok(()) => match fields.event(&tape) {
                    Ok(event) => {
                        sink.event(&event);
                        continue;
                    }
                    Err(reason) => reason,
                },
                Err(Stop::Short) if !last => return Ok(start),
                Err(Stop::Short) => "it ends too early".to_owned(),
                Err(Stop::Wrong(why)) => why.0,
            };
            if !text[start..].contains('\n') {
                // The rest of the line may be yet to come, and is for the next window then.
                self.truncated = last;
                return Ok(if last { text.len() } else { start });
            }
            let line = self.line;
            return Err(ReadError::Line { line, reason });
        }
    }

    fn line(&self) -> usize {
        self.line
    }

    fn end(self) -> Ending {
        Ending {
            truncated: self.truncated,
            warnings: Vec::new(),
        }
    }
}

/// Reads the entry at the front, up to the end of its line.
#[inline]
fn entry<'a>(
    json: &mut Json<'a>,
    tape: &mut Tape<'a>,
    fields: &mut Fields<'a>,
    last: bool,
) -> Result<(), Stop> {
    json.expect(b'{', "an object")?;
    loop {
        let Some(field) = json.field(tape)? else {
            let name = json.name();
            return Err(Stop::wrong(format!("the field {name:?} is none of ours")));
        };
        let start = json.at;
        let node = json.value(tape, 0)?;
        let set = fields.set(field, node, || json.since(start), tape);
        set.map_err(Stop::wrong)?;
        if !json.another_field()? {
            break;
        }
    }
    for field in [Field::Index, Field::Time] {
        if !fields.has(field) {
            return Err(Stop::wrong(format!("the entry has no {}", field.name())));
        }
    }
    if json.line != fields.line {
        return Err(Stop::wrong("the entry takes more than one line"));
    }
    match json.peek() {
        Err(Stop::Short) if last || json.line != fields.line => Ok(()),
        Err(stop) => Err(stop),
        Ok(_) if json.line == fields.line => Err(json.wrong("the end of the line")),
        Ok(_) => Ok(()),
    }
}
