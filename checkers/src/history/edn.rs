//! The scanner for EDN, straight onto a tape.
//!
//! Keywords become text without their colon; `()` and `#{}` become lists in the order of the
//! file; a map's names may be keywords, strings, symbols or numbers and become text. Of a
//! tagged form the tag is dropped. `1N` is a whole number. Fractions, ratios, characters,
//! symbols and numbers beyond 64 bits become [`Node::Odd`]: whether that is an error depends on
//! where they stand.
//!
//! **Source**: github.com/edn-format/edn, and what Clojure prints beyond it.

use super::event::{Node, Tape};
use super::scan::{DEPTH, Stop, integer, offset, seen, too_deep, unescape};

pub(super) struct Edn<'a> {
    text: &'a str,
    pub(super) at: usize,
    /// The line at which it stands.
    pub(super) line: usize,
    /// Whether a word that reaches the end of the text is known to end there.
    pub(super) whole: bool,
    /// How many discarded forms it is within.
    discards: usize,
}

/// How many forms are discarded within each other.
const DISCARDS: usize = 3;

impl<'a> Edn<'a> {
    pub(super) fn new(text: &'a str, line: usize) -> Self {
        Self {
            text,
            at: 0,
            line,
            whole: false,
            discards: 0,
        }
    }

    /// All of the text.
    pub(super) fn text(&self) -> &'a str {
        self.text
    }

    /// The text from `start` to where it stands.
    pub(super) fn since(&self, start: usize) -> &'a str {
        &self.text[start..self.at]
    }

    /// The text from where it stands to its end.
    pub(super) fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    #[cold]
    pub(super) fn wrong(&self, what: &str) -> Stop {
        let found = seen(self.text, self.at);
        Stop::wrong(format!("expected {what}, found {found}"))
    }

    /// Passes over white space, commas, comments and discarded forms; the byte it stands at
    /// then.
    #[inline]
    pub(super) fn peek(&mut self) -> Result<u8, Stop> {
        let bytes = self.text.as_bytes();
        loop {
            match bytes.get(self.at) {
                None => return Err(Stop::Short),
                Some(b'\n') => self.line += 1,
                Some(b' ' | b'\t' | b'\r' | b',' | b'\x0c') => {}
                Some(b';') => {
                    let rest = &bytes[self.at..];
                    let Some(length) = rest.iter().position(|byte| *byte == b'\n') else {
                        if self.whole {
                            self.at = bytes.len();
                        }
                        return Err(Stop::Short);
                    };
                    self.at += length;
                    continue;
                }
                Some(b'#') if bytes.get(self.at + 1) == Some(&b'_') => {
                    self.discard()?;
                    continue;
                }
                Some(&byte) => return Ok(byte),
            }
            self.at += 1;
        }
    }

    /// Passes over `#_` and the form after it.
    #[cold]
    fn discard(&mut self) -> Result<(), Stop> {
        if self.discards == DISCARDS {
            return Err(too_deep());
        }
        let start = (self.at, self.line);
        self.at += 2;
        self.discards += 1;
        let discarded = self.value(&mut Tape::default(), 0);
        self.discards -= 1;
        if discarded == Err(Stop::Short) {
            (self.at, self.line) = start;
        }
        discarded.map(|_| ())
    }

    /// Reads one form; a list or a map leaves its elements on the tape.
    pub(super) fn value(&mut self, tape: &mut Tape<'a>, depth: usize) -> Result<Node<'a>, Stop> {
        match self.peek()? {
            b':' => Ok(Node::Str(self.keyword()?)),
            b'0'..=b'9' => self.number(),
            b'-' | b'+' if self.digit_follows()? => self.number(),
            b'"' => self.string(tape),
            b'[' | b'(' | b'{' | b'#' if depth >= DEPTH => Err(too_deep()),
            b'[' => self.list(tape, depth, b']'),
            b'(' => self.list(tape, depth, b')'),
            b'{' => self.map(tape, depth),
            b'#' => self.tagged(tape, depth),
            b']' | b')' | b'}' => Err(self.wrong("a value")),
            b'\\' => {
                // What follows the backslash may be a delimiter, and is the character then.
                let c = self.text[self.at + 1..].chars().next().ok_or(Stop::Short)?;
                let start = self.at;
                self.at += 1 + c.len_utf8();
                self.word()?;
                Ok(Node::Odd(self.since(start)))
            }
            _ => match self.word()? {
                "nil" => Ok(Node::Nil),
                "true" => Ok(Node::Bool(true)),
                "false" => Ok(Node::Bool(false)),
                symbol => Ok(Node::Odd(symbol)),
            },
        }
    }

    /// Reads a keyword, without its colon; it must stand at it.
    #[inline]
    pub(super) fn keyword(&mut self) -> Result<&'a str, Stop> {
        self.at += 1;
        let word = self.word()?;
        if word.is_empty() {
            return Err(self.wrong("a keyword after the colon"));
        }
        Ok(word)
    }

    /// Reads up to the next delimiter.
    #[inline]
    fn word(&mut self) -> Result<&'a str, Stop> {
        let start = self.at;
        let rest = &self.text.as_bytes()[start..];
        self.at = match rest.iter().position(|byte| is_delimiter(*byte)) {
            Some(length) => start + length,
            None if self.whole => self.text.len(),
            None => return Err(Stop::Short),
        };
        Ok(self.since(start))
    }

    fn digit_follows(&self) -> Result<bool, Stop> {
        match self.text.as_bytes().get(self.at + 1) {
            Some(byte) => Ok(byte.is_ascii_digit()),
            None if self.whole => Ok(false),
            None => Err(Stop::Short),
        }
    }

    #[inline]
    fn number(&mut self) -> Result<Node<'a>, Stop> {
        let bytes = self.text.as_bytes();
        let (number, mut end) = integer(bytes, self.at);
        if bytes.get(end) == Some(&b'N') {
            end += 1;
        }
        match (number, bytes.get(end)) {
            (Some(number), Some(byte)) if is_delimiter(*byte) => {
                self.at = end;
                Ok(Node::Int(number))
            }
            (Some(number), None) if self.whole => {
                self.at = end;
                Ok(Node::Int(number))
            }
            _ => Ok(Node::Odd(self.word()?)),
        }
    }

    #[inline]
    fn string(&mut self, tape: &mut Tape<'a>) -> Result<Node<'a>, Stop> {
        let start = self.at + 1;
        let rest = &self.text.as_bytes()[start..];
        let Some(length) = rest.iter().position(|byte| matches!(byte, b'"' | b'\\')) else {
            return Err(Stop::Short);
        };
        let end = start + length;
        let node = if rest[length] == b'"' {
            self.at = end + 1;
            Node::Str(&self.text[start..end])
        } else {
            let from = offset(tape.scratch.len());
            self.at = unescape(self.text, start, &mut tape.scratch)?;
            let end = offset(tape.scratch.len());
            Node::Scratch { start: from, end }
        };
        self.line += lines(self.since(start));
        Ok(node)
    }

    fn list(&mut self, tape: &mut Tape<'a>, depth: usize, close: u8) -> Result<Node<'a>, Stop> {
        self.at += 1;
        let start = tape.open();
        let mut len = 0;
        while self.peek()? != close {
            self.element(tape, depth)?;
            len += 1;
        }
        self.at += 1;
        Ok(tape.list(start, len))
    }

    fn element(&mut self, tape: &mut Tape<'a>, depth: usize) -> Result<(), Stop> {
        let slot = tape.slot();
        let node = self.value(tape, depth + 1)?;
        tape.put(slot, node);
        Ok(())
    }

    fn map(&mut self, tape: &mut Tape<'a>, depth: usize) -> Result<Node<'a>, Stop> {
        self.at += 1;
        let start = tape.open();
        let mut len = 0;
        while self.peek()? != b'}' {
            let from = self.at;
            let slot = tape.slot();
            let name = match self.value(tape, depth + 1)? {
                name @ (Node::Str(_) | Node::Scratch { .. }) => name,
                Node::List { .. } | Node::Map { .. } => {
                    let name = self.since(from);
                    return Err(Stop::wrong(format!("{name} cannot be a name in a map")));
                }
                Node::Nil | Node::Bool(_) | Node::Int(_) | Node::Odd(_) => {
                    Node::Str(self.since(from))
                }
            };
            tape.put(slot, name);
            if self.peek()? == b'}' {
                return Err(self.wrong("a value for the last name of the map"));
            }
            self.element(tape, depth)?;
            len += 2;
        }
        self.at += 1;
        tape.map(start, len).map_err(Stop::wrong)
    }

    /// Reads what begins with `#`: a set, or a form with a tag.
    fn tagged(&mut self, tape: &mut Tape<'a>, depth: usize) -> Result<Node<'a>, Stop> {
        match self.text.as_bytes().get(self.at + 1) {
            None if self.whole => Err(self.wrong("a value")),
            None => Err(Stop::Short),
            Some(b'{') => {
                self.at += 1;
                self.list(tape, depth, b'}')
            }
            // What Clojure prints for infinity and the like.
            Some(b'#') => {
                let start = self.at;
                self.word()?;
                Ok(Node::Odd(self.since(start)))
            }
            Some(_) => {
                self.tag()?;
                self.value(tape, depth + 1)
            }
        }
    }

    /// Passes over a tag; it must stand at its `#`.
    pub(super) fn tag(&mut self) -> Result<&'a str, Stop> {
        self.at += 1;
        let tag = self.word()?;
        if tag.is_empty() {
            return Err(self.wrong("a tag"));
        }
        Ok(tag)
    }
}

#[inline]
fn is_delimiter(byte: u8) -> bool {
    const DELIMITERS: [bool; 256] = {
        let mut table = [false; 256];
        let of = b" \t\r\n\x0c,;\"()[]{}";
        let mut at = 0;
        while at < of.len() {
            table[of[at] as usize] = true;
            at += 1;
        }
        table
    };
    DELIMITERS[byte as usize]
}

fn lines(text: &str) -> usize {
    text.bytes().filter(|byte| *byte == b'\n').count()
}
