//! Values by number: each different value once, so that equal values have equal numbers.
//!
//! A list is kept as the numbers of its elements, so that the old and the new value of a
//! compare-and-set, or the elements of a read, are numbers as well.

use std::sync::Arc;

use super::Value;
use super::event::{Node, Tape, ValueRef};

/// The number of nil, in every dictionary.
pub const NIL: u32 = 0;

/// The number of false, in every dictionary.
pub const FALSE: u32 = 1;

/// The number of true, in every dictionary.
pub const TRUE: u32 = 2;

/// Whole numbers from zero up to this are found without hashing.
const SMALL: i64 = 1 << 22;

/// No entry has this number.
const NOTHING: u32 = u32::MAX;

/// A value whose parts are numbers of the same dictionary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interned<'d> {
    /// Nothing.
    Nil,
    /// True or false.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Text.
    Str(&'d str),
    /// The elements, in order.
    List(&'d [u32]),
    /// Names and values by turns, in the order of the names.
    Map(&'d [u32]),
}

#[derive(Clone, Copy, Debug)]
enum Entry {
    Nil,
    Bool(bool),
    Int(i64),
    Str { start: u32, len: u32 },
    List { start: u32, len: u32 },
    Map { start: u32, len: u32 },
}

/// Different values, numbered from zero in the order in which they came.
#[derive(Clone, Debug)]
pub struct Dictionary {
    entries: Vec<Entry>,
    text: String,
    parts: Vec<u32>,
    /// By number: the entry of a small whole number.
    small: Vec<u32>,
    /// Entries by hash, probed linearly.
    table: Vec<u32>,
    /// How many entries can be found; those read from a file are made so when first needed.
    indexed: usize,
    /// How many entries the table holds.
    hashed: usize,
    /// The parts of the lists and maps that are being read.
    open: Vec<u32>,
    /// Whether there is any list or map.
    composite: bool,
}

impl Default for Dictionary {
    fn default() -> Self {
        Self {
            entries: vec![Entry::Nil, Entry::Bool(false), Entry::Bool(true)],
            text: String::new(),
            parts: Vec::new(),
            small: Vec::new(),
            table: vec![NOTHING; 64],
            indexed: 3,
            hashed: 0,
            open: Vec::new(),
            composite: false,
        }
    }
}

impl Dictionary {
    /// How many values there are.
    #[expect(
        clippy::len_without_is_empty,
        reason = "it holds nil from the beginning"
    )]
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// The value of that number.
    ///
    /// # Panics
    ///
    /// If no value has that number.
    #[must_use]
    pub fn get(&self, id: u32) -> Interned<'_> {
        let parts = |start: u32, len: u32| &self.parts[start as usize..(start + len) as usize];
        match self.entries[id as usize] {
            Entry::Nil => Interned::Nil,
            Entry::Bool(truth) => Interned::Bool(truth),
            Entry::Int(number) => Interned::Int(number),
            Entry::Str { start, len } => {
                Interned::Str(&self.text[start as usize..(start + len) as usize])
            }
            Entry::List { start, len } => Interned::List(parts(start, len)),
            Entry::Map { start, len } => Interned::Map(parts(start, len)),
        }
    }

    /// The value of that number, on its own.
    ///
    /// # Panics
    ///
    /// If no value has that number.
    #[must_use]
    pub fn value(&self, id: u32) -> Value {
        match self.get(id) {
            Interned::Nil => Value::Nil,
            Interned::Bool(truth) => Value::Bool(truth),
            Interned::Int(number) => Value::Int(number),
            Interned::Str(text) => Value::str(text),
            Interned::List(items) => Value::List(items.iter().map(|&id| self.value(id)).collect()),
            Interned::Map(parts) => {
                let pairs = parts.chunks_exact(2);
                Value::Map(
                    pairs
                        .map(|pair| (Arc::from(self.name(pair[0])), self.value(pair[1])))
                        .collect(),
                )
            }
        }
    }

    fn name(&self, id: u32) -> &str {
        match self.get(id) {
            Interned::Str(text) => text,
            _ => unreachable!("the names of a map are text"),
        }
    }

    /// The number of a value; a new one, if it is new.
    #[inline]
    pub fn intern(&mut self, value: ValueRef<'_>) -> u32 {
        match value {
            ValueRef::Nil => NIL,
            ValueRef::Bool(truth) => 1 + u32::from(truth),
            ValueRef::Int(number) => self.int(number),
            ValueRef::Str(text) => self.text(text),
            ValueRef::List(items) => {
                let from = self.open.len();
                for item in items {
                    let id = self.intern(item);
                    self.open.push(id);
                }
                self.composite(from, false)
            }
            ValueRef::Map(entries) => {
                let mut sorted: Vec<_> = entries.collect();
                sorted.sort_unstable_by_key(|(name, _)| *name);
                let from = self.open.len();
                for (name, item) in sorted {
                    let name = self.text(name);
                    let id = self.intern(item);
                    self.open.extend([name, id]);
                }
                self.composite(from, true)
            }
        }
    }

    /// Whether any value is a list or a map.
    #[must_use]
    pub fn has_composites(&self) -> bool {
        self.composite
    }

    /// Whether some number is there both as a number and as text.
    ///
    /// **Cost**: linear, and next to nothing where no text looks like a number.
    #[must_use]
    pub(crate) fn has_lookalikes(&self) -> bool {
        let mut numbers = std::collections::HashSet::new();
        for entry in &self.entries {
            if let Entry::Str { start, len } = *entry
                && let Some(number) =
                    super::mixed::number(&self.text[start as usize..(start + len) as usize])
            {
                numbers.insert(number);
            }
        }
        !numbers.is_empty()
            && self
                .entries
                .iter()
                .any(|entry| matches!(entry, Entry::Int(number) if numbers.contains(number)))
    }

    #[inline]
    fn int(&mut self, number: i64) -> u32 {
        self.index();
        if !(0..SMALL).contains(&number) {
            let hash = mix(number.cast_unsigned());
            return self
                .find_or(
                    hash,
                    |_, entry| matches!(entry, Entry::Int(n) if n == number),
                )
                .unwrap_or_else(|slot| self.add(slot, Entry::Int(number)));
        }
        let place = usize::try_from(number).expect("it is small and not negative");
        if place >= self.small.len() {
            self.small.resize((place + 1).next_power_of_two(), NOTHING);
        }
        if self.small[place] == NOTHING {
            self.small[place] = self.push(Entry::Int(number));
            self.indexed += 1;
        }
        self.small[place]
    }

    /// The number of a text.
    #[inline]
    pub(crate) fn text(&mut self, text: &str) -> u32 {
        self.index();
        let hash = hash_bytes(text.as_bytes());
        let found = self.find_or(hash, |of, entry| {
            matches!(entry, Entry::Str { start, len }
                if &of.text.as_bytes()[start as usize..(start + len) as usize] == text.as_bytes())
        });
        found.unwrap_or_else(|slot| {
            let entry = self.text_entry(text);
            self.add(slot, entry)
        })
    }

    fn text_entry(&mut self, text: &str) -> Entry {
        let start = narrow(self.text.len());
        self.text.push_str(text);
        narrow(self.text.len());
        let len = narrow(text.len());
        Entry::Str { start, len }
    }

    /// The number of the list or map whose parts were left open.
    fn composite(&mut self, from: usize, is_map: bool) -> u32 {
        self.index();
        let parts = &self.open[from..];
        let hash = hash_parts(parts, is_map);
        let found = self.find_or(hash, |of, entry| match entry {
            Entry::List { start, len } if !is_map => of.is_open(from, start, len),
            Entry::Map { start, len } if is_map => of.is_open(from, start, len),
            _ => false,
        });
        let id = found.unwrap_or_else(|slot| {
            let (start, len) = (narrow(self.parts.len()), narrow(self.open.len() - from));
            self.parts.extend_from_slice(&self.open[from..]);
            let entry = if is_map {
                Entry::Map { start, len }
            } else {
                Entry::List { start, len }
            };
            self.add(slot, entry)
        });
        self.open.truncate(from);
        id
    }

    fn is_open(&self, from: usize, start: u32, len: u32) -> bool {
        self.parts[start as usize..(start + len) as usize] == self.open[from..]
    }

    /// The entry of that hash for which `is` holds, or the slot where it belongs.
    #[inline]
    fn find_or(&self, hash: u64, is: impl Fn(&Self, Entry) -> bool) -> Result<u32, usize> {
        let mask = self.table.len() - 1;
        let mut slot = truncated(hash) & mask;
        loop {
            let id = self.table[slot];
            if id == NOTHING {
                return Err(slot);
            }
            if is(self, self.entries[id as usize]) {
                return Ok(id);
            }
            slot = (slot + 1) & mask;
        }
    }

    fn add(&mut self, slot: usize, entry: Entry) -> u32 {
        let id = self.push(entry);
        self.table[slot] = id;
        self.indexed += 1;
        self.hashed += 1;
        if self.hashed * 2 > self.table.len() {
            self.grow();
        }
        id
    }

    fn push(&mut self, entry: Entry) -> u32 {
        let id = narrow(self.entries.len());
        assert!(id < NOTHING, "fewer than four billion values");
        self.composite |= matches!(entry, Entry::List { .. } | Entry::Map { .. });
        self.entries.push(entry);
        id
    }

    fn grow(&mut self) {
        let is_hashed = |entry: &&Entry| match entry {
            Entry::Nil | Entry::Bool(_) => false,
            Entry::Int(number) => !(0..SMALL).contains(number),
            Entry::Str { .. } | Entry::List { .. } | Entry::Map { .. } => true,
        };
        self.hashed = self.entries.iter().filter(is_hashed).count();
        let wanted = (self.hashed * 4).next_power_of_two().max(64);
        self.table.clear();
        self.table.resize(wanted, NOTHING);
        for id in 3..narrow(self.entries.len()) {
            self.place(id);
        }
        self.indexed = self.entries.len();
    }

    /// Makes an entry that can be found by its value.
    fn place(&mut self, id: u32) {
        let hash = match self.get(id) {
            Interned::Nil | Interned::Bool(_) => return,
            Interned::Int(number) => match usize::try_from(number) {
                Ok(place) if number < SMALL => {
                    if place >= self.small.len() {
                        self.small.resize((place + 1).next_power_of_two(), NOTHING);
                    }
                    self.small[place] = id;
                    return;
                }
                Ok(_) | Err(_) => mix(number.cast_unsigned()),
            },
            Interned::Str(text) => hash_bytes(text.as_bytes()),
            Interned::List(parts) => hash_parts(parts, false),
            Interned::Map(parts) => hash_parts(parts, true),
        };
        if let Err(slot) = self.find_or(hash, |_, _| false) {
            self.table[slot] = id;
        }
    }

    /// Makes entries that came from a file such that they are found.
    #[inline]
    fn index(&mut self) {
        if self.indexed < self.entries.len() {
            self.grow();
        }
    }

    /// Adds what a file says is new: a whole number.
    pub(super) fn push_int(&mut self, number: i64) {
        self.push(Entry::Int(number));
    }

    /// Adds what a file says is new: a text.
    pub(super) fn push_text(&mut self, text: &str) {
        let entry = self.text_entry(text);
        self.push(entry);
    }

    /// Adds what a file says is new: a list, or a map of names and values by turns. Fails if a
    /// part is not among the values above, or a name is not text, or not after the one before.
    pub(super) fn push_parts(&mut self, parts: &[u32], is_map: bool) -> Option<()> {
        if parts
            .iter()
            .any(|&part| part as usize >= self.entries.len())
        {
            return None;
        }
        let (start, len) = (narrow(self.parts.len()), narrow(parts.len()));
        if is_map {
            let mut before = None;
            for pair in parts.chunks(2) {
                let [name, _] = *pair else { return None };
                let Interned::Str(name) = self.get(name) else {
                    return None;
                };
                if before.is_some_and(|before| before >= name) {
                    return None;
                }
                before = Some(name);
            }
        }
        self.parts.extend_from_slice(parts);
        self.push(if is_map {
            Entry::Map { start, len }
        } else {
            Entry::List { start, len }
        });
        Some(())
    }

    /// The tape's copy of a value.
    pub(super) fn unfold<'d>(&'d self, id: u32, tape: &mut Tape<'d>) -> Node<'d> {
        match self.get(id) {
            Interned::Nil => Node::Nil,
            Interned::Bool(truth) => Node::Bool(truth),
            Interned::Int(number) => Node::Int(number),
            Interned::Str(text) => Node::Str(text),
            Interned::List(parts) => {
                let start = self.unfold_all(parts, tape);
                tape.list(start, parts.len())
            }
            Interned::Map(parts) => {
                let start = self.unfold_all(parts, tape);
                tape.map(start, parts.len())
                    .expect("the names of an interned map differ")
            }
        }
    }

    fn unfold_all<'d>(&'d self, parts: &[u32], tape: &mut Tape<'d>) -> usize {
        let start = tape.open();
        for &part in parts {
            let slot = tape.slot();
            let node = self.unfold(part, tape);
            tape.put(slot, node);
        }
        start
    }
}

fn narrow(number: usize) -> u32 {
    u32::try_from(number).expect("the values of a history take less than four gigabytes")
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "any bits of a hash are as good as others"
)]
fn truncated(hash: u64) -> usize {
    hash as usize
}

#[inline]
fn mix(word: u64) -> u64 {
    let product = word.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    product ^ (product >> 32)
}

#[inline]
fn hash_bytes(bytes: &[u8]) -> u64 {
    let mut hash = bytes.len() as u64;
    let (words, rest) = bytes.as_chunks::<8>();
    for word in words {
        hash = mix(hash.rotate_left(23) ^ u64::from_le_bytes(*word));
    }
    let mut last = 0;
    for &byte in rest {
        last = last << 8 | u64::from(byte);
    }
    mix(hash.rotate_left(23) ^ last)
}

fn hash_parts(parts: &[u32], is_map: bool) -> u64 {
    let start = mix(2 * parts.len() as u64 + u64::from(is_map));
    parts.iter().fold(start, |hash, &part| {
        mix(hash.rotate_left(23) ^ u64::from(part))
    })
}
