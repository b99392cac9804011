//! Jepsen's histories in JSON, as it and elle-cli write them: an array of objects, or one
//! object after another.
//!
//! `[{"process":3,"type":"invoke","f":"write","value":7}, …]`
//!
//! `index`, `time`, `value` and `error` may be left out, `key` and `node` may be there, and
//! other fields are passed over. The rest is in [`jepsen`](super::jepsen).

use std::io::{self, BufRead, Write};

use super::event::Tape;
use super::fields::Fields;
use super::jepsen::{Conventions, Frame, Options, PLAIN, scout};
use super::json::Json;
use super::read::{Ending, ReadError};
use super::scan::Stop;
use super::stream::{self, Parse};
use super::{Op, Sink, jsonl};

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
    stream::stream(Objects::new(options), input, sink)
}

/// Reads what is in memory.
///
/// # Errors
///
/// [`ReadError::Line`] for an entry that is whole but wrong.
pub fn slice(input: &[u8], options: Options, sink: &mut impl Sink) -> Result<Ending, ReadError> {
    stream::slice(Objects::new(options), input, sink)
}

/// Writes all operations as one array, an object a line.
///
/// # Errors
///
/// Those of `out`.
pub fn write(out: &mut impl Write, ops: &[Op]) -> io::Result<()> {
    let mut before: &[u8] = b"[";
    for op in ops {
        out.write_all(before)?;
        before = b",\n";
        jsonl::object(out, op)?;
    }
    out.write_all(if ops.is_empty() { b"[]\n" } else { b"]\n" })
}

struct Objects {
    line: usize,
    frame: Frame,
    /// Whether the entry above is still to be followed by a comma, or by the end of the array.
    after: bool,
    conventions: Conventions,
    truncated: bool,
}

impl Objects {
    fn new(options: Options) -> Self {
        Self {
            line: 1,
            frame: Frame::Unknown,
            after: false,
            conventions: Conventions::new(options),
            truncated: false,
        }
    }

    fn entries(
        &mut self,
        text: &str,
        last: bool,
        sink: &mut impl Sink,
    ) -> Result<usize, ReadError> {
        let mut tape = Tape::default();
        let mut json = Json::new(text, self.line);
        loop {
            let next = json.peek();
            let start = json.at;
            self.line = json.line;
            let Ok(byte) = next else {
                self.truncated |= last && matches!(self.frame, Frame::Open(_));
                return Ok(start);
            };
            let stop = match (self.frame, byte) {
                (Frame::Unknown, b'[') => {
                    self.frame = Frame::Open(b']');
                    json.at += 1;
                    continue;
                }
                (Frame::Open(close), byte) if byte == close => {
                    self.frame = Frame::Closed;
                    json.at += 1;
                    continue;
                }
                (Frame::Open(_), b',') if self.after => {
                    self.after = false;
                    json.at += 1;
                    continue;
                }
                (Frame::Closed, _) => json.wrong("nothing after the end of the history"),
                (Frame::Open(_), _) if self.after => json.wrong("a comma or the end of the array"),
                (Frame::Unknown | Frame::None | Frame::Open(_), _) => {
                    if self.frame == Frame::Unknown {
                        self.frame = Frame::None;
                    }
                    tape.clear();
                    let mut fields = Fields::new(self.line);
                    match entry(&mut json, &mut tape, &mut fields) {
                        Ok(()) => match self.conventions.hand_on(&mut fields, &tape, sink) {
                            Ok(()) => {
                                self.after = true;
                                continue;
                            }
                            Err(reason) => Stop::wrong(reason),
                        },
                        Err(stop) => stop,
                    }
                }
            };
            match stop {
                Stop::Short if last => {
                    self.truncated = true;
                    return Ok(text.len());
                }
                Stop::Short => return Ok(start),
                Stop::Wrong(why) => {
                    let (line, reason) = (self.line, why.0);
                    return Err(ReadError::Line { line, reason });
                }
            }
        }
    }
}

impl Parse for Objects {
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

/// Reads the object at the front.
fn entry<'a>(
    json: &mut Json<'a>,
    tape: &mut Tape<'a>,
    fields: &mut Fields<'a>,
) -> Result<(), Stop> {
    json.expect(b'{', "an object")?;
    if json.peek()? == b'}' {
        json.at += 1;
        return Ok(());
    }
    loop {
        let field = json.field(tape)?;
        let start = json.at;
        let node = json.value(tape, 0)?;
        if let Some(field) = field {
            let set = fields.set(field, node, || json.since(start), tape);
            set.map_err(Stop::wrong)?;
        }
        if !json.another_field()? {
            return Ok(());
        }
    }
}
