//! The fields of an entry, as the text formats share them.

use super::event::{Event, Node, Tape, ValueRef};
use super::{Kind, Nanos, Process};

/// A field that an entry may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    Index,
    Time,
    Process,
    Type,
    F,
    Key,
    Value,
    Node,
    Error,
}

impl Field {
    #[inline]
    pub(super) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "index" => Self::Index,
            "time" => Self::Time,
            "process" => Self::Process,
            "type" => Self::Type,
            "f" => Self::F,
            "key" => Self::Key,
            "value" => Self::Value,
            "node" => Self::Node,
            "error" => Self::Error,
            _ => return None,
        })
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Index => "index",
            Self::Time => "time",
            Self::Process => "process",
            Self::Type => "type",
            Self::F => "f",
            Self::Key => "key",
            Self::Value => "value",
            Self::Node => "node",
            Self::Error => "error",
        }
    }
}

/// What was read of an entry so far.
#[derive(Debug)]
pub(super) struct Fields<'a> {
    /// The line at which the entry began.
    pub(super) line: usize,
    pub(super) index: Option<usize>,
    pub(super) time: Option<Nanos>,
    pub(super) process: Option<Process>,
    pub(super) kind: Option<Kind>,
    pub(super) f: Option<Node<'a>>,
    pub(super) key: Option<Node<'a>>,
    pub(super) value: Node<'a>,
    pub(super) node: Option<Node<'a>>,
    pub(super) error: Option<Node<'a>>,
    seen: u16,
}

impl<'a> Fields<'a> {
    pub(super) fn new(line: usize) -> Self {
        Self {
            line,
            index: None,
            time: None,
            process: None,
            kind: None,
            f: None,
            key: None,
            value: Node::Nil,
            node: None,
            error: None,
            seen: 0,
        }
    }

    pub(super) fn has(&self, field: Field) -> bool {
        self.seen & (1 << field as u16) != 0
    }

    /// Takes the value of a field; `source` is its text, for an error that is not a string.
    #[inline]
    pub(super) fn set(
        &mut self,
        field: Field,
        node: Node<'a>,
        source: impl FnOnce() -> &'a str,
        tape: &Tape<'a>,
    ) -> Result<(), String> {
        if self.has(field) {
            return Err(format!("the field {} stands twice", field.name()));
        }
        self.seen |= 1 << field as u16;
        match field {
            Field::Index => {
                self.index = match whole(field, node)? {
                    None => None,
                    Some(number) => Some(
                        usize::try_from(number)
                            .map_err(|_| format!("the index {number} is too large"))?,
                    ),
                }
            }
            Field::Time => self.time = whole(field, node)?,
            Field::Process => self.process = process(node, source, tape)?,
            Field::Type => self.kind = Some(kind(node, source)?),
            Field::F => self.f = text(field, node, source)?,
            Field::Key => self.key = Some(node).filter(|node| !matches!(node, Node::Nil)),
            Field::Value => self.value = node,
            Field::Node => self.node = text(field, node, source)?,
            Field::Error => {
                self.error = match node {
                    Node::Nil => None,
                    Node::Str(_) | Node::Scratch { .. } => Some(node),
                    Node::Bool(_)
                    | Node::Int(_)
                    | Node::Odd(_)
                    | Node::List { .. }
                    | Node::Map { .. } => Some(Node::Str(source())),
                }
            }
        }
        Ok(())
    }

    /// The entry, once all is known that an entry must have.
    #[inline]
    pub(super) fn event<'e>(&self, tape: &'e Tape<'a>) -> Result<Event<'e>, String>
    where
        'a: 'e,
    {
        let lacks = |field: Field| format!("the entry has no {}", field.name());
        let process = self.process.ok_or_else(|| lacks(Field::Process))?;
        if let (Process::Client(_), Some(odd)) = (process, self.odd(tape)) {
            return Err(format!(
                "{odd} is neither a whole number of 64 bits, nor text, nil, true or false"
            ));
        }
        let text = |node: Node<'e>| match tape.view(node) {
            ValueRef::Str(text) => Some(text),
            _ => None,
        };
        Ok(Event {
            line: self.line,
            index: self.index,
            time: self.time,
            process,
            kind: self.kind.ok_or_else(|| lacks(Field::Type))?,
            f: self.f.and_then(text).ok_or_else(|| lacks(Field::F))?,
            key: self.key.map(|key| tape.view(key)),
            value: tape.view(self.value),
            node: self.node.and_then(text),
            error: self.error.and_then(text),
        })
    }

    /// What in the key or the value no [`Value`](super::Value) holds; of the nemesis it is
    /// kept as text.
    fn odd(&self, tape: &Tape<'a>) -> Option<&'a str> {
        tape.odd(self.value)
            .or_else(|| self.key.and_then(|key| tape.odd(key)))
    }
}

/// A number from zero; nil and -1, which Jepsen writes for "not known", are none.
fn whole(field: Field, node: Node<'_>) -> Result<Option<u64>, String> {
    match node {
        Node::Int(number) if number >= 0 => Ok(Some(number.cast_unsigned())),
        Node::Nil | Node::Int(-1) => Ok(None),
        // Our own times may be as large as 64 bits allow.
        Node::Odd(text) => match text.parse() {
            Ok(number) => Ok(Some(number)),
            Err(_) => Err(format!("{} {text} is not a whole number", field.name())),
        },
        Node::Int(number) => Err(format!("{} {number} is negative", field.name())),
        Node::Bool(_)
        | Node::Str(_)
        | Node::Scratch { .. }
        | Node::List { .. }
        | Node::Map { .. } => Err(format!("{} is not a number", field.name())),
    }
}

fn process<'a>(
    node: Node<'_>,
    source: impl FnOnce() -> &'a str,
    tape: &Tape<'_>,
) -> Result<Option<Process>, String> {
    let wrong = || {
        format!(
            "process {} is neither a number from 0 to 4294967295 nor nemesis",
            source()
        )
    };
    match node {
        Node::Int(number) => match u32::try_from(number) {
            Ok(number) => Ok(Some(Process::Client(number))),
            Err(_) => Err(wrong()),
        },
        Node::Nil => Ok(None),
        Node::Str("nemesis" | ":nemesis") => Ok(Some(Process::Nemesis)),
        Node::Scratch { .. } => match tape.view(node) {
            ValueRef::Str("nemesis") => Ok(Some(Process::Nemesis)),
            _ => Err(wrong()),
        },
        Node::Bool(_) | Node::Str(_) | Node::Odd(_) | Node::List { .. } | Node::Map { .. } => {
            Err(wrong())
        }
    }
}

fn kind<'a>(node: Node<'_>, source: impl FnOnce() -> &'a str) -> Result<Kind, String> {
    match node {
        Node::Str("invoke") => Ok(Kind::Invoke),
        Node::Str("ok") => Ok(Kind::Ok),
        Node::Str("fail") => Ok(Kind::Fail),
        Node::Str("info") => Ok(Kind::Info),
        _ => Err(format!(
            "type {} is none of invoke, ok, fail and info",
            source()
        )),
    }
}

fn text<'a>(
    field: Field,
    node: Node<'a>,
    source: impl FnOnce() -> &'a str,
) -> Result<Option<Node<'a>>, String> {
    match node {
        Node::Str(_) | Node::Scratch { .. } => Ok(Some(node)),
        Node::Nil => Ok(None),
        Node::Bool(_) | Node::Int(_) | Node::Odd(_) | Node::List { .. } | Node::Map { .. } => {
            Err(format!("{} {} is not text", field.name(), source()))
        }
    }
}
