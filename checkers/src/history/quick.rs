//! The common shapes of entries, read without detours.
//!
//! Nearly all entries have the same few fields with plain values on one line. Here they are
//! read in one pass, several times as fast as by the scanners, which take whatever is not
//! read here: anything unusual yields none, and nothing is decided about it.

use super::edn::Edn;
use super::event::{Event, Node, Tape};
use super::json::Json;
use super::{Kind, Process};

/// Lists that stand deeper in each other are left to the scanners.
const DEEP: usize = 6;

/// An entry that was read.
pub(super) struct Quick<'a> {
    index: Option<usize>,
    time: Option<u64>,
    process: Process,
    kind: Kind,
    f: &'a str,
    key: Option<Node<'a>>,
    value: Node<'a>,
    node: Option<&'a str>,
}

impl<'a> Quick<'a> {
    #[inline]
    pub(super) fn event<'e>(&self, line: usize, tape: &'e Tape<'a>) -> Event<'e>
    where
        'a: 'e,
    {
        Event {
            line,
            index: self.index,
            time: self.time,
            process: self.process,
            kind: self.kind,
            f: self.f,
            key: self.key.map(|key| tape.view(key)),
            value: tape.view(self.value),
            node: self.node,
            error: None,
        }
    }
}

/// Reads a line as our own writer writes it, to where the next one begins.
///
/// **Law**: what it reads, the scanner reads the same; a test compares them.
#[inline]
pub(super) fn line<'a>(json: &mut Json<'a>, tape: &mut Tape<'a>) -> Option<Quick<'a>> {
    let mut at = Cursor::new(json.text(), json.at);
    at.exactly(b"{\"index\":")?;
    let index = usize::try_from(at.number()?).ok()?;
    at.exactly(b",\"time\":")?;
    let time = at.number()?;
    at.exactly(b",\"process\":")?;
    let process = match at.byte()? {
        b'"' => at.exactly(b"\"nemesis\"").map(|()| Process::Nemesis)?,
        _ => Process::Client(u32::try_from(at.number()?).ok()?),
    };
    at.exactly(b",\"type\":\"")?;
    let kind = at.kind()?;
    at.exactly(b"\",\"f\":\"")?;
    let f = at.string()?;
    let mut key = None;
    if at.exactly(b",\"key\":").is_some() {
        let node = at.json_value(tape, 0)?;
        key = Some(node).filter(|node| !matches!(node, Node::Nil));
    }
    at.exactly(b",\"value\":")?;
    let value = at.json_value(tape, 0)?;
    let mut node = None;
    if at.exactly(b",\"node\":\"").is_some() {
        node = Some(at.string()?);
    }
    at.exactly(b"}\n")?;
    json.at = at.at;
    json.line += 1;
    Some(Quick {
        index: Some(index),
        time: Some(time),
        process,
        kind,
        f,
        key,
        value,
        node,
    })
}

/// Reads a map of Jepsen's on one line, with its fields in any order.
///
/// **Law**: what it reads, the scanner reads the same; a test compares them.
#[inline]
pub(super) fn map<'a>(edn: &mut Edn<'a>, tape: &mut Tape<'a>) -> Option<Quick<'a>> {
    let mut at = Cursor::new(edn.text(), edn.at);
    at.exactly(b"{")?;
    let (mut index, mut time, mut process, mut kind) = (None, None, None, None);
    let (mut f, mut key, mut value, mut node) = (None, None, None, None);
    loop {
        while let b' ' | b',' = at.byte()? {
            at.at += 1;
        }
        if at.exactly(b"}").is_some() {
            break;
        }
        let again = if at.exactly(b":process ").is_some() {
            process.replace(at.edn_process()?).is_some()
        } else if at.exactly(b":type :").is_some() {
            kind.replace(at.kind()?).is_some()
        } else if at.exactly(b":f :").is_some() {
            f.replace(at.word()?).is_some()
        } else if at.exactly(b":value ").is_some() {
            value.replace(at.edn_value(tape, 0)?).is_some()
        } else if at.exactly(b":index ").is_some() {
            index.replace(usize::try_from(at.number()?).ok()?).is_some()
        } else if at.exactly(b":time ").is_some() {
            time.replace(at.number()?).is_some()
        } else if at.exactly(b":node \"").is_some() {
            node.replace(at.string()?).is_some()
        } else {
            at.exactly(b":key ")?;
            key.replace(at.edn_value(tape, 0)?).is_some()
        };
        // A field that stands twice is the scanner's, to say so.
        if again || !matches!(at.byte()?, b' ' | b',' | b'}') {
            return None;
        }
    }
    let quick = Quick {
        index,
        time,
        process: process?,
        kind: kind?,
        f: f?,
        key: key.filter(|key| !matches!(key, Node::Nil)),
        value: value.unwrap_or(Node::Nil),
        node,
    };
    edn.at = at.at;
    Some(quick)
}

struct Cursor<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    #[inline]
    fn new(text: &'a str, at: usize) -> Self {
        let bytes = text.as_bytes();
        Self { text, bytes, at }
    }

    #[inline]
    fn byte(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    #[inline]
    fn exactly<const N: usize>(&mut self, what: &[u8; N]) -> Option<()> {
        let there: &[u8; N] = self.bytes.get(self.at..)?.first_chunk()?;
        (there == what).then(|| self.at += N)
    }

    /// Digits, as many as surely fit, and no zeros before them.
    #[inline]
    fn number(&mut self) -> Option<u64> {
        let mut number = 0;
        let start = self.at;
        loop {
            let digit = self.byte()?.wrapping_sub(b'0');
            if digit > 9 {
                break;
            }
            number = number * 10 + u64::from(digit);
            self.at += 1;
            if self.at - start > 18 {
                return None;
            }
        }
        let zeros = self.bytes[start] == b'0' && self.at > start + 1;
        (self.at > start && !zeros).then_some(number)
    }

    #[inline]
    fn int(&mut self) -> Option<Node<'a>> {
        let negative = self.exactly(b"-").is_some();
        let number = self.number()?.cast_signed();
        Some(Node::Int(if negative { -number } else { number }))
    }

    #[inline]
    fn kind(&mut self) -> Option<Kind> {
        if self.exactly(b"invoke").is_some() {
            Some(Kind::Invoke)
        } else if self.exactly(b"ok").is_some() {
            Some(Kind::Ok)
        } else if self.exactly(b"fail").is_some() {
            Some(Kind::Fail)
        } else {
            self.exactly(b"info").map(|()| Kind::Info)
        }
    }

    /// The rest of a string without escapes, and its closing quote.
    #[inline]
    fn string(&mut self) -> Option<&'a str> {
        let start = self.at;
        loop {
            match self.byte()? {
                b'"' => break,
                b'\\' | 0..0x20 => return None,
                _ => self.at += 1,
            }
        }
        let text = &self.text[start..self.at];
        self.at += 1;
        Some(text)
    }

    /// A keyword's word: letters, digits and what our own writer takes for harmless.
    #[inline]
    fn word(&mut self) -> Option<&'a str> {
        let start = self.at;
        while let b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'?' | b'!' =
            self.byte()?
        {
            self.at += 1;
        }
        (self.at > start).then(|| &self.text[start..self.at])
    }

    #[inline]
    fn edn_process(&mut self) -> Option<Process> {
        match self.byte()? {
            b':' => self.exactly(b":nemesis").map(|()| Process::Nemesis),
            _ => Some(Process::Client(u32::try_from(self.number()?).ok()?)),
        }
    }

    fn json_value(&mut self, tape: &mut Tape<'a>, depth: usize) -> Option<Node<'a>> {
        let node = match self.byte()? {
            b'-' | b'0'..=b'9' => self.int()?,
            b'"' => {
                self.at += 1;
                Node::Str(self.string()?)
            }
            b'n' => self.exactly(b"null").map(|()| Node::Nil)?,
            b'[' if depth < DEEP => {
                let start = tape.open();
                let mut len = 0;
                self.at += 1;
                if self.exactly(b"]").is_some() {
                    return Some(tape.list(start, len));
                }
                loop {
                    let slot = tape.slot();
                    let node = self.json_value(tape, depth + 1)?;
                    tape.put(slot, node);
                    len += 1;
                    if self.exactly(b",").is_none() {
                        self.exactly(b"]")?;
                        return Some(tape.list(start, len));
                    }
                }
            }
            _ => return None,
        };
        matches!(self.byte()?, b',' | b'}' | b']').then_some(node)
    }

    fn edn_value(&mut self, tape: &mut Tape<'a>, depth: usize) -> Option<Node<'a>> {
        let node = match self.byte()? {
            b'-' | b'0'..=b'9' => self.int()?,
            b'"' => {
                self.at += 1;
                Node::Str(self.string()?)
            }
            b'n' => self.exactly(b"nil").map(|()| Node::Nil)?,
            b':' => {
                self.at += 1;
                Node::Str(self.word()?)
            }
            b'[' if depth < DEEP => {
                let start = tape.open();
                let mut len = 0;
                self.at += 1;
                while self.exactly(b"]").is_none() {
                    let slot = tape.slot();
                    let node = self.edn_value(tape, depth + 1)?;
                    tape.put(slot, node);
                    len += 1;
                    while self.exactly(b" ").is_some() {}
                }
                return Some(tape.list(start, len));
            }
            _ => return None,
        };
        matches!(self.byte()?, b' ' | b',' | b'}' | b']').then_some(node)
    }
}
