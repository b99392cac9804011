//! A history as columns: one array a field, values by number.
//!
//! For algorithms that must keep up with tens of millions of entries: an entry takes 29 bytes,
//! and equal keys, values, functions, nodes and processes have equal small numbers.

use std::collections::HashMap;

use super::dictionary::{Dictionary, NIL};
use super::event::{Event, Sink, Tape};
use super::read::{Ending, ReadError, UNTIMED, Warning, stamp};
use super::{F, Kind, Nanos, Op, Process};

/// The sink that keeps every entry as numbers.
///
/// Indices and times that a file lacks are made up as for [`Ops`](super::Ops). The laws of
/// histories are not checked.
#[derive(Clone, Debug, Default)]
pub struct Columns {
    /// Each entry's index.
    pub index: Vec<u32>,
    /// When it was seen.
    pub time: Vec<Nanos>,
    /// Its process, by its place in [`processes`](Self::processes).
    pub process: Vec<u32>,
    /// Start, or how it ended.
    pub kind: Vec<Kind>,
    /// Its function, by its place in [`fs`](Self::fs).
    pub f: Vec<u16>,
    /// Its key, by number; nil where there is none.
    pub key: Vec<u32>,
    /// Its value, by number.
    pub value: Vec<u32>,
    /// Its node: 0 for none, or else one more than its place in [`nodes`](Self::nodes).
    pub node: Vec<u16>,
    /// The entries that have an error, by their place, and its text, by number.
    pub errors: Vec<(u32, u32)>,
    /// All processes.
    pub processes: Processes,
    /// All functions.
    pub fs: Names,
    /// All nodes.
    pub nodes: Names,
    /// All keys, values and errors.
    pub values: Dictionary,
    /// The first entry that does not fit.
    refused: Option<(usize, String)>,
    untimed: bool,
}

/// A few names, in the order in which they came.
#[derive(Clone, Debug, Default)]
pub struct Names {
    list: Vec<Box<str>>,
    /// The first few, as words.
    words: Vec<u64>,
    many: HashMap<Box<str>, u16>,
}

/// More names than this are found by hashing.
const FEW: usize = 16;

impl Names {
    /// The names.
    #[must_use]
    pub fn list(&self) -> &[Box<str>] {
        &self.list
    }

    /// The place of a name, if it is there.
    #[inline]
    #[must_use]
    pub fn find(&self, name: &str) -> Option<u16> {
        let word = word(name);
        let same = |(place, other): (usize, &u64)| {
            let same = *other == word && (name.len() < 8 || *self.list[place] == *name);
            same.then_some(place)
        };
        match self.words.iter().enumerate().find_map(same) {
            Some(place) => u16::try_from(place).ok(),
            None => self.many.get(name).copied(),
        }
    }

    /// The place of a name, new or not, unless there is room for no more.
    #[inline]
    pub(crate) fn place(&mut self, name: &str) -> Option<u16> {
        self.find(name).or_else(|| self.push(name))
    }

    pub(super) fn push(&mut self, name: &str) -> Option<u16> {
        // The highest is left free: a node's number is one more than its place.
        let place = u16::try_from(self.list.len())
            .ok()
            .filter(|p| *p < u16::MAX)?;
        self.list.push(name.into());
        if self.list.len() > FEW {
            self.many.insert(name.into(), place);
        } else {
            self.words.push(word(name));
        }
        Some(place)
    }
}

/// Length and first bytes: all there is to a name of fewer than eight bytes.
#[inline]
fn word(name: &str) -> u64 {
    let first = name.bytes().take(7);
    let bytes = first.fold(0, |word, byte| word << 8 | u64::from(byte));
    bytes << 8 | (name.len() as u64 & 0xff)
}

/// Processes, in the order in which they came.
#[derive(Clone, Debug, Default)]
pub struct Processes {
    list: Vec<Process>,
    /// By number, one more than the place of a client with a small number.
    small: Vec<u32>,
    others: HashMap<Process, u32>,
}

/// Clients with a lower number are found without hashing.
const SMALL: u32 = 1 << 20;

impl Processes {
    /// The processes.
    #[must_use]
    pub fn list(&self) -> &[Process] {
        &self.list
    }

    #[inline]
    pub(crate) fn place(&mut self, process: Process) -> u32 {
        let number = match process {
            Process::Client(number) if number < SMALL => number as usize,
            Process::Client(_) | Process::Nemesis => {
                if let Some(place) = self.others.get(&process) {
                    return *place;
                }
                return self.push(process);
            }
        };
        match self.small.get(number) {
            None | Some(0) => self.push(process),
            Some(after) => after - 1,
        }
    }

    pub(super) fn push(&mut self, process: Process) -> u32 {
        let place = u32::try_from(self.list.len()).expect("fewer than four billion processes");
        self.list.push(process);
        match process {
            Process::Client(number) if number < SMALL => {
                let number = number as usize;
                if number >= self.small.len() {
                    self.small.resize((number + 1).next_power_of_two(), 0);
                }
                self.small[number] = place + 1;
            }
            Process::Client(_) | Process::Nemesis => {
                self.others.insert(process, place);
            }
        }
        place
    }
}

impl Columns {
    /// How many entries there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.time.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.time.is_empty()
    }

    /// Adds what a reader says at the end; the columns and what the verdict should carry.
    ///
    /// # Errors
    ///
    /// [`ReadError::Line`] for the first entry that does not fit: an index of more than 32 bits,
    /// or one of too many different functions or nodes.
    pub fn end(self, ending: Ending) -> Result<(Self, Ending), ReadError> {
        if let Some((line, reason)) = self.refused {
            return Err(ReadError::Line { line, reason });
        }
        let mut ending = ending;
        if self.untimed {
            ending.warnings.push(Warning::new(None, UNTIMED));
        }
        Ok((self, ending))
    }

    /// Adds an entry.
    pub fn op(&mut self, op: &Op) {
        let mut tape = Tape::default();
        let value = tape.value(&op.value);
        let key = op.key.as_ref().map(|key| tape.value(key));
        let key = key.filter(|key| *key != super::event::Node::Nil);
        self.event(&Event {
            line: self.len() + 1,
            index: Some(op.index),
            time: Some(op.time),
            process: op.process,
            kind: op.kind,
            f: op.f.as_str(),
            key: key.map(|key| tape.view(key)),
            value: tape.view(value),
            node: op.node.as_deref(),
            error: op.error.as_deref(),
        });
    }

    /// All entries as operations.
    #[must_use]
    pub fn ops(&self) -> Vec<Op> {
        let names = self.fs.list().iter();
        let fs: Vec<F> = names.map(|name| F::owned(name.to_string())).collect();
        let nodes: Vec<std::sync::Arc<str>> = self
            .nodes
            .list()
            .iter()
            .map(|name| (**name).into())
            .collect();
        let mut errors = self.errors.iter().peekable();
        let entry = |at: usize| Op {
            index: self.index[at] as usize,
            time: self.time[at],
            process: self.processes.list()[self.process[at] as usize],
            kind: self.kind[at],
            f: fs[usize::from(self.f[at])].clone(),
            key: (self.key[at] != NIL).then(|| self.values.value(self.key[at])),
            value: self.values.value(self.value[at]),
            node: usize::from(self.node[at])
                .checked_sub(1)
                .map(|place| nodes[place].clone()),
            error: errors
                .next_if(|(place, _)| *place as usize == at)
                .and_then(|(_, id)| self.values.value(*id).as_str().map(str::to_owned)),
        };
        (0..self.len()).map(entry).collect()
    }

    /// Forgets the entries and keeps the names, processes and values.
    pub(super) fn clear_entries(&mut self) {
        self.index.clear();
        self.time.clear();
        self.process.clear();
        self.kind.clear();
        self.f.clear();
        self.key.clear();
        self.value.clear();
        self.node.clear();
        self.errors.clear();
    }

    fn refuse(&mut self, line: usize, reason: &str) {
        self.refused
            .get_or_insert_with(|| (line, reason.to_owned()));
    }
}

impl Sink for Columns {
    #[inline]
    fn event(&mut self, event: &Event<'_>) {
        let last = self.index.last().map(|index| *index as usize);
        let above = last.zip(self.time.last().copied());
        self.untimed |= above.is_none() && event.time.is_none();
        let (index, time) = stamp(event, above, self.untimed);
        let Ok(index) = u32::try_from(index) else {
            return self.refuse(event.line, "its index has more than 32 bits");
        };
        let place = u32::try_from(self.len());
        let (Ok(place), Some(f)) = (place, self.fs.place(event.f)) else {
            return self.refuse(
                event.line,
                "there are too many entries or functions before it",
            );
        };
        let node = match event.node.map(|node| self.nodes.place(node)) {
            None => 0,
            Some(Some(place)) => place + 1,
            Some(None) => return self.refuse(event.line, "there are too many nodes before it"),
        };
        self.index.push(index);
        self.time.push(time);
        self.process.push(self.processes.place(event.process));
        self.kind.push(event.kind);
        self.f.push(f);
        self.key
            .push(event.key.map_or(NIL, |key| self.values.intern(key)));
        self.value.push(self.values.intern(event.value));
        self.node.push(node);
        if let Some(error) = event.error {
            self.errors.push((place, self.values.text(error)));
        }
    }
}
