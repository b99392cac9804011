//! Feeding a scanner: a window of text at a time, from memory or from a stream.

use std::io::{self, BufRead, Read as _};

use super::Sink;
use super::read::{Ending, ReadError};

/// How much text a scanner sees at once, unless one entry takes more: what fits a processor's
/// cache.
const WINDOW: usize = 1 << 18;

/// The same of a stream: next to nothing while it is fuzzed, so that a small file is cut at
/// many places and must read as it does from memory.
const STREAMED: usize = if cfg!(fuzzing) { 16 } else { WINDOW };

/// A reader of one text format.
pub(super) trait Parse {
    /// Reads entries off the front of `text` and hands them on; the number of bytes that are
    /// dealt with. What follows them is seen again, with more text after it, unless this is
    /// the `last` of it.
    fn parse(&mut self, text: &str, last: bool, sink: &mut impl Sink) -> Result<usize, ReadError>;

    /// The line at which it stands, counted from one.
    fn line(&self) -> usize;

    /// What is to be said of the file, once it is read.
    fn end(self) -> Ending;
}

/// Reads what is in memory.
pub(super) fn slice(
    mut parser: impl Parse,
    input: &[u8],
    sink: &mut impl Sink,
) -> Result<Ending, ReadError> {
    let (mut from, mut window) = (0, WINDOW);
    loop {
        let to = input.len().min(from + window);
        let last = to == input.len();
        let (used, cut) = piece(&mut parser, &input[from..to], last, sink)?;
        from += used;
        if last {
            return Ok(ended(parser, cut));
        }
        window = if used == 0 { 2 * window } else { WINDOW };
    }
}

/// Reads a stream to its end. A stream that breaks off in the middle of a compressed block
/// (`UnexpectedEof`) ends there, and the file counts as cut off.
pub(super) fn stream(
    mut parser: impl Parse,
    mut input: impl BufRead,
    sink: &mut impl Sink,
) -> Result<Ending, ReadError> {
    let (mut bytes, mut window) = (Vec::new(), STREAMED);
    let mut broken = false;
    loop {
        let mut last = false;
        while bytes.len() < window && !last {
            let missing = (window - bytes.len()) as u64;
            match input.by_ref().take(missing).read_to_end(&mut bytes) {
                Ok(0) => last = true,
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    (broken, last) = (true, true);
                }
                Err(source) => {
                    piece(&mut parser, &bytes, false, sink)?;
                    let line = parser.line();
                    return Err(ReadError::Io { line, source });
                }
            }
        }
        let (used, cut) = piece(&mut parser, &bytes, last, sink)?;
        if last {
            return Ok(ended(parser, cut || broken));
        }
        bytes.drain(..used);
        window = if used == 0 { 2 * window } else { STREAMED };
    }
}

fn ended(parser: impl Parse, cut: bool) -> Ending {
    let mut ending = parser.end();
    ending.truncated |= cut;
    ending
}

/// Hands on what of `bytes` is text: how many are dealt with, and whether they end within a
/// character.
fn piece(
    parser: &mut impl Parse,
    bytes: &[u8],
    last: bool,
    sink: &mut impl Sink,
) -> Result<(usize, bool), ReadError> {
    let (text, wrong) = match str::from_utf8(bytes) {
        Ok(text) => (text, None),
        Err(error) => {
            let text = str::from_utf8(&bytes[..error.valid_up_to()])
                .expect("it has just been found to be valid up to here");
            (text, error.error_len().map(|_| bytes[text.len()]))
        }
    };
    let used = parser.parse(text, last && wrong.is_none(), sink)?;
    if let Some(byte) = wrong {
        let between = text[used..].bytes().filter(|byte| *byte == b'\n').count();
        return Err(ReadError::Line {
            line: parser.line() + between,
            reason: format!("the byte {byte:#04x} is no text in UTF-8"),
        });
    }
    Ok((used, text.len() < bytes.len()))
}
