//! The scanner for JSON, straight onto a tape.
//!
//! Numbers with a fraction or beyond 64 bits become [`Node::Odd`]: whether that is an error
//! depends on where they stand.

use super::event::{Node, Tape};
use super::fields::Field;
use super::scan::{DEPTH, Stop, integer, offset, seen, too_deep, unescape};

pub(super) struct Json<'a> {
    text: &'a str,
    pub(super) at: usize,
    /// The line at which it stands.
    pub(super) line: usize,
    /// Where the name of the last field stands.
    name: (usize, usize),
}

impl<'a> Json<'a> {
    pub(super) fn new(text: &'a str, line: usize) -> Self {
        Self {
            text,
            at: 0,
            line,
            name: (0, 0),
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

    /// Passes over white space; the byte it stands at then.
    #[inline]
    pub(super) fn peek(&mut self) -> Result<u8, Stop> {
        let bytes = self.text.as_bytes();
        loop {
            match bytes.get(self.at) {
                None => return Err(Stop::Short),
                Some(b'\n') => self.line += 1,
                Some(b' ' | b'\t' | b'\r') => {}
                Some(&byte) => return Ok(byte),
            }
            self.at += 1;
        }
    }

    /// Reads the name of a field and its colon, and passes over blanks; none if it is not one of
    /// ours.
    #[inline]
    pub(super) fn field(&mut self, tape: &mut Tape<'a>) -> Result<Option<Field>, Stop> {
        if self.peek()? != b'"' {
            return Err(self.wrong("a name in quotes"));
        }
        let start = self.at + 1;
        let name = self.string(tape)?;
        self.name = (start, self.at - 1);
        self.expect(b':', "a colon")?;
        self.peek()?;
        match name {
            Node::Str(name) => Ok(Field::named(name)),
            _ => Ok(None),
        }
    }

    /// The name of the field that was read last.
    pub(super) fn name(&self) -> &'a str {
        &self.text[self.name.0..self.name.1]
    }

    /// Whether an object goes on after a field, or else ends.
    #[inline]
    pub(super) fn another_field(&mut self) -> Result<bool, Stop> {
        let byte = self.peek()?;
        if byte != b',' && byte != b'}' {
            return Err(self.wrong("a comma or the end of the object"));
        }
        self.at += 1;
        Ok(byte == b',')
    }

    #[inline]
    pub(super) fn expect(&mut self, byte: u8, what: &str) -> Result<(), Stop> {
        if self.peek()? == byte {
            self.at += 1;
            return Ok(());
        }
        Err(self.wrong(what))
    }

    #[cold]
    pub(super) fn wrong(&self, what: &str) -> Stop {
        let found = seen(self.text, self.at);
        Stop::wrong(format!("expected {what}, found {found}"))
    }

    /// Reads one value; a list or a map leaves its elements on the tape.
    pub(super) fn value(&mut self, tape: &mut Tape<'a>, depth: usize) -> Result<Node<'a>, Stop> {
        match self.peek()? {
            b'"' => self.string(tape),
            b'-' | b'0'..=b'9' => self.number(),
            b'n' => self.word("null", Node::Nil),
            b't' => self.word("true", Node::Bool(true)),
            b'f' => self.word("false", Node::Bool(false)),
            b'[' | b'{' if depth >= DEPTH => Err(too_deep()),
            b'[' => self.list(tape, depth),
            b'{' => self.map(tape, depth),
            _ => Err(self.wrong("a value")),
        }
    }

    #[inline]
    fn word(&mut self, word: &str, node: Node<'a>) -> Result<Node<'a>, Stop> {
        let rest = &self.text.as_bytes()[self.at..];
        if rest.starts_with(word.as_bytes()) {
            self.at += word.len();
            Ok(node)
        } else if word.as_bytes().starts_with(rest) {
            Err(Stop::Short)
        } else {
            Err(self.wrong("a value"))
        }
    }

    #[inline]
    fn number(&mut self) -> Result<Node<'a>, Stop> {
        let bytes = self.text.as_bytes();
        let start = self.at;
        let (number, end) = integer(bytes, start);
        let first = start + usize::from(bytes[start] == b'-');
        if end == bytes.len() {
            return Err(Stop::Short);
        }
        if end == first || (bytes[first] == b'0' && end > first + 1) {
            return Err(self.wrong("a number"));
        }
        let fraction =
            |byte: &u8| matches!(byte, b'.' | b'e' | b'E' | b'+' | b'-') || byte.is_ascii_digit();
        self.at = end;
        if let (Some(number), false) = (number, fraction(&bytes[end])) {
            return Ok(Node::Int(number));
        }
        while bytes.get(self.at).is_some_and(fraction) {
            self.at += 1;
        }
        if self.at == bytes.len() {
            return Err(Stop::Short);
        }
        let text = self.since(start);
        if text.parse::<f64>().is_err() {
            return Err(Stop::wrong(format!("{text:?} is not a number")));
        }
        Ok(Node::Odd(text))
    }

    /// Reads a string; it must stand at its opening quote.
    #[inline]
    pub(super) fn string(&mut self, tape: &mut Tape<'a>) -> Result<Node<'a>, Stop> {
        let bytes = self.text.as_bytes();
        let start = self.at + 1;
        let special = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..0x20);
        let Some(length) = bytes[start..].iter().position(special) else {
            return Err(Stop::Short);
        };
        let end = start + length;
        if bytes[end] == b'"' {
            self.at = end + 1;
            return Ok(Node::Str(&self.text[start..end]));
        }
        let from = offset(tape.scratch.len());
        self.at = unescape(self.text, start, &mut tape.scratch)?;
        if self.since(start).bytes().any(|byte| byte < b' ') {
            let reason = "a string holds a control character that is not escaped";
            return Err(Stop::wrong(reason));
        }
        let end = offset(tape.scratch.len());
        Ok(Node::Scratch { start: from, end })
    }

    fn list(&mut self, tape: &mut Tape<'a>, depth: usize) -> Result<Node<'a>, Stop> {
        self.at += 1;
        let start = tape.open();
        let mut len = 0;
        if self.peek()? == b']' {
            self.at += 1;
            return Ok(tape.list(start, len));
        }
        loop {
            self.element(tape, depth)?;
            len += 1;
            match self.peek()? {
                b',' => self.at += 1,
                b']' => {
                    self.at += 1;
                    return Ok(tape.list(start, len));
                }
                _ => return Err(self.wrong("a comma or the end of a list")),
            }
        }
    }

    fn map(&mut self, tape: &mut Tape<'a>, depth: usize) -> Result<Node<'a>, Stop> {
        self.at += 1;
        let start = tape.open();
        let mut len = 0;
        if self.peek()? != b'}' {
            loop {
                if self.peek()? != b'"' {
                    return Err(self.wrong("a name in quotes"));
                }
                self.element(tape, depth)?;
                self.expect(b':', "a colon")?;
                self.element(tape, depth)?;
                len += 2;
                match self.peek()? {
                    b',' => self.at += 1,
                    b'}' => break,
                    _ => return Err(self.wrong("a comma or the end of a map")),
                }
            }
        }
        self.at += 1;
        tape.map(start, len).map_err(Stop::wrong)
    }

    fn element(&mut self, tape: &mut Tape<'a>, depth: usize) -> Result<(), Stop> {
        let slot = tape.slot();
        let node = self.value(tape, depth + 1)?;
        tape.put(slot, node);
        Ok(())
    }
}
