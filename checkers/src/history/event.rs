//! What a reader hands on: one borrowed entry at a time, and who takes it.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use super::{Kind, Nanos, Process, Value};

/// One entry as it stood in a file; it borrows from the reader and lives for one call.
#[derive(Clone, Copy, Debug)]
pub struct Event<'e> {
    /// Where it stands, counted from one: its line in a text, its place in a binary file.
    pub line: usize,
    /// Its index, if the file says.
    pub index: Option<usize>,
    /// When it was seen, if the file says.
    pub time: Option<Nanos>,
    /// Who asked.
    pub process: Process,
    /// Start, or how it ended.
    pub kind: Kind,
    /// What was asked.
    pub f: &'e str,
    /// The object it is about; never nil.
    pub key: Option<ValueRef<'e>>,
    /// The argument when invoked, the result when ok.
    pub value: ValueRef<'e>,
    /// The node that was asked, or that answered.
    pub node: Option<&'e str>,
    /// Why not, when fail or info.
    pub error: Option<&'e str>,
}

/// Who takes what a reader reads.
pub trait Sink {
    /// Takes the next entry, in the order of the file.
    fn event(&mut self, event: &Event<'_>);
}

/// A [`Value`] that borrows.
#[derive(Clone, Copy, Debug)]
pub enum ValueRef<'e> {
    /// Nothing.
    Nil,
    /// True or false.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Text.
    Str(&'e str),
    /// Several values in order.
    List(Items<'e>),
    /// Values by name.
    Map(Entries<'e>),
}

impl<'e> ValueRef<'e> {
    /// The elements, if it is a list.
    #[must_use]
    pub fn as_list(self) -> Option<Items<'e>> {
        if let Self::List(items) = self {
            Some(items)
        } else {
            None
        }
    }

    /// Whether it is one value: neither a list nor a map.
    #[must_use]
    pub fn is_scalar(self) -> bool {
        !matches!(self, Self::List(_) | Self::Map(_))
    }
}

impl From<ValueRef<'_>> for Value {
    fn from(value: ValueRef<'_>) -> Self {
        match value {
            ValueRef::Nil => Self::Nil,
            ValueRef::Bool(truth) => Self::Bool(truth),
            ValueRef::Int(number) => Self::Int(number),
            ValueRef::Str(text) => Self::str(text),
            ValueRef::List(items) => Self::List(items.map(Self::from).collect()),
            ValueRef::Map(entries) => Self::Map(
                entries
                    .map(|(name, value)| (Arc::from(name), Self::from(value)))
                    .collect(),
            ),
        }
    }
}

/// Hands on a list of two numbers, the first of which may be nil: what a compare-and-set is
/// asked.
pub fn with_pair<T>(old: Option<i64>, new: i64, each: impl FnOnce(ValueRef<'_>) -> T) -> T {
    let nodes = [old.map_or(Node::Nil, Node::Int), Node::Int(new)];
    each(ValueRef::List(Items {
        nodes: &nodes,
        scratch: "",
        len: 2,
    }))
}

/// The elements of a list, in order.
#[derive(Clone, Copy)]
pub struct Items<'e> {
    nodes: &'e [Node<'e>],
    scratch: &'e str,
    len: usize,
}

/// The entries of a map, in the order of the file; no name stands twice.
#[derive(Clone, Copy)]
pub struct Entries<'e> {
    items: Items<'e>,
}

impl<'e> Iterator for Items<'e> {
    type Item = ValueRef<'e>;

    fn next(&mut self) -> Option<ValueRef<'e>> {
        let (&node, rest) = self.nodes.split_first()?;
        let (below, rest) = rest.split_at(node.size());
        self.nodes = rest;
        self.len -= 1;
        Some(view(node, below, self.scratch))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.len, Some(self.len))
    }
}

impl ExactSizeIterator for Items<'_> {}

impl<'e> Iterator for Entries<'e> {
    type Item = (&'e str, ValueRef<'e>);

    fn next(&mut self) -> Option<Self::Item> {
        let ValueRef::Str(name) = self.items.next()? else {
            unreachable!("names are text, or the map would not have been closed")
        };
        Some((name, self.items.next()?))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.items.len / 2, Some(self.items.len / 2))
    }
}

impl ExactSizeIterator for Entries<'_> {}

impl fmt::Debug for Items<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(*self).finish()
    }
}

impl fmt::Debug for Entries<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(*self).finish()
    }
}

/// One value on a [`Tape`]; what a list or a map holds stands right after it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Node<'t> {
    Nil,
    Bool(bool),
    Int(i64),
    Str(&'t str),
    /// Text that is not in the file as it is: escapes have been resolved.
    Scratch {
        start: u32,
        end: u32,
    },
    /// A scalar that no [`Value`] holds, as it is written: a fraction, a symbol.
    Odd(&'t str),
    List {
        at: u32,
        len: u32,
        size: u32,
    },
    Map {
        at: u32,
        len: u32,
        size: u32,
    },
}

impl Node<'_> {
    fn size(self) -> usize {
        match self {
            Self::List { size, .. } | Self::Map { size, .. } => size as usize,
            Self::Nil
            | Self::Bool(_)
            | Self::Int(_)
            | Self::Str(_)
            | Self::Scratch { .. }
            | Self::Odd(_) => 0,
        }
    }
}

fn view<'e>(node: Node<'e>, below: &'e [Node<'e>], scratch: &'e str) -> ValueRef<'e> {
    let items = |len: u32| Items {
        nodes: below,
        scratch,
        len: len as usize,
    };
    match node {
        Node::Nil => ValueRef::Nil,
        Node::Bool(truth) => ValueRef::Bool(truth),
        Node::Int(number) => ValueRef::Int(number),
        Node::Str(text) | Node::Odd(text) => ValueRef::Str(text),
        Node::Scratch { start, end } => ValueRef::Str(&scratch[start as usize..end as usize]),
        Node::List { len, .. } => ValueRef::List(items(len)),
        Node::Map { len, .. } => ValueRef::Map(Entries { items: items(len) }),
    }
}

/// The values of one entry, flat and in order, so that the next entry can use its memory.
#[derive(Debug, Default)]
pub(super) struct Tape<'t> {
    nodes: Vec<Node<'t>>,
    pub(super) scratch: String,
}

impl<'t> Tape<'t> {
    pub(super) fn clear(&mut self) {
        self.nodes.clear();
        self.scratch.clear();
    }

    /// What a node stands for.
    pub(super) fn view<'e>(&'e self, node: Node<'e>) -> ValueRef<'e> {
        let below = match node {
            Node::List { at, size, .. } | Node::Map { at, size, .. } => {
                &self.nodes[at as usize..(at + size) as usize]
            }
            Node::Nil
            | Node::Bool(_)
            | Node::Int(_)
            | Node::Str(_)
            | Node::Scratch { .. }
            | Node::Odd(_) => &[],
        };
        view(node, below, &self.scratch)
    }

    /// The scalar within `node`, or the node itself, that no value holds.
    pub(super) fn odd(&self, node: Node<'t>) -> Option<&'t str> {
        let odd = |node: &Node<'t>| match *node {
            Node::Odd(text) => Some(text),
            _ => None,
        };
        match node {
            Node::List { at, size, .. } | Node::Map { at, size, .. } => self.nodes
                [at as usize..(at + size) as usize]
                .iter()
                .find_map(odd),
            Node::Nil
            | Node::Bool(_)
            | Node::Int(_)
            | Node::Str(_)
            | Node::Scratch { .. }
            | Node::Odd(_) => odd(&node),
        }
    }

    /// Where the elements of a list or map begin that is now opened.
    pub(super) fn open(&self) -> usize {
        self.nodes.len()
    }

    /// Makes room for an element of what is open; [`put`](Self::put) fills it.
    pub(super) fn slot(&mut self) -> usize {
        self.nodes.push(Node::Nil);
        self.nodes.len() - 1
    }

    pub(super) fn put(&mut self, slot: usize, node: Node<'t>) {
        self.nodes[slot] = node;
    }

    /// A list of `len` elements that was opened at `start`.
    pub(super) fn list(&self, start: usize, len: usize) -> Node<'t> {
        Node::List {
            at: narrow(start),
            len: narrow(len),
            size: narrow(self.nodes.len() - start),
        }
    }

    /// A map of names and values by turns, `len` of them in all, that was opened at `start`.
    ///
    /// The error is the name that stands twice.
    pub(super) fn map(&self, start: usize, len: usize) -> Result<Node<'t>, String> {
        let node = Node::Map {
            at: narrow(start),
            len: narrow(len),
            size: narrow(self.nodes.len() - start),
        };
        let ValueRef::Map(entries) = self.view(node) else {
            unreachable!("a map is a map")
        };
        match twice(entries) {
            Some(name) => Err(format!("the name {name:?} stands twice")),
            None => Ok(node),
        }
    }

    /// The tape's copy of a value.
    pub(super) fn value(&mut self, value: &'t Value) -> Node<'t> {
        match value {
            Value::Nil => Node::Nil,
            Value::Bool(truth) => Node::Bool(*truth),
            Value::Int(number) => Node::Int(*number),
            Value::Str(text) => Node::Str(text),
            Value::List(items) => {
                let start = self.open();
                for item in items {
                    let slot = self.slot();
                    let node = self.value(item);
                    self.put(slot, node);
                }
                self.list(start, items.len())
            }
            Value::Map(entries) => {
                let start = self.open();
                for (name, item) in entries {
                    let slot = self.slot();
                    self.put(slot, Node::Str(name));
                    let slot = self.slot();
                    let node = self.value(item);
                    self.put(slot, node);
                }
                self.map(start, 2 * entries.len())
                    .expect("a map has no name twice")
            }
        }
    }
}

fn narrow(number: usize) -> u32 {
    u32::try_from(number).expect("an entry has fewer than four billion values")
}

/// A name that stands twice. Quadratic while that is fastest.
fn twice(entries: Entries<'_>) -> Option<&str> {
    if entries.len() <= 8 {
        let mut rest = entries;
        while let Some((name, _)) = rest.next() {
            if rest.into_iter().any(|(other, _)| other == name) {
                return Some(name);
            }
        }
        return None;
    }
    let mut names: Vec<&str> = entries.map(|(name, _)| name).collect();
    names.sort_unstable_by(|a, b| a.len().cmp(&b.len()).then_with(|| Ord::cmp(a, b)));
    let mut pairs = names.windows(2);
    pairs
        .find(|pair| pair[0].cmp(pair[1]) == Ordering::Equal)
        .map(|pair| pair[0])
}
