//! Our compact binary format: columns in frames, each checksummed and compressed.
//!
//! The layout is in `docs/history-format.md`. In short: a magic number, then frames. A frame
//! says how long it is, bears a checksum, and holds what is new to the dictionary and then the
//! columns of some entries. A file that is still being written, or was cut off, can be read up
//! to its last whole frame. "Line" in errors counts entries.

use std::io::{self, BufRead, Read as _, Write};

use super::columns::Columns;
use super::dictionary::{Dictionary, Interned, NIL};
use super::event::{Event, Tape};
use super::packed::{Input, fixed, unsigned, zigzag};
use super::read::{Ending, ReadError};
use super::{Kind, Op, Process, Sink};

/// How every file begins.
pub const MAGIC: [u8; 8] = *b"\x89schism1";

/// How many entries a frame holds, unless it is closed earlier.
const FRAME: usize = 1 << 16;

/// Length of a frame's head: four numbers of four bytes.
const HEAD: usize = 16;

/// Frames that would take more memory than this are refused.
const LARGEST: usize = 1 << 30;

/// A value may hold this many others, and stand this deep.
const LARGEST_VALUE: u32 = 1 << 26;
const DEEPEST: u8 = 128;

const LEVEL: i32 = 1;

/// Writes entries as they come.
pub struct Writer<W: Write> {
    out: W,
    columns: Columns,
    /// How much of the names, processes and values has been written.
    written: Written,
    body: Vec<u8>,
}

#[derive(Clone, Copy)]
struct Written {
    fs: usize,
    nodes: usize,
    processes: usize,
    values: usize,
}

impl<W: Write> Writer<W> {
    /// Writes the beginning of a file.
    ///
    /// # Errors
    ///
    /// Those of `out`.
    pub fn new(mut out: W) -> io::Result<Self> {
        out.write_all(&MAGIC)?;
        Ok(Self {
            out,
            columns: Columns::default(),
            written: Written {
                fs: 0,
                nodes: 0,
                processes: 0,
                values: 3,
            },
            body: Vec::new(),
        })
    }

    /// Takes an entry; a full frame is written.
    ///
    /// # Errors
    ///
    /// Those of the output; `InvalidInput` for an entry that the format cannot hold.
    pub fn op(&mut self, op: &Op) -> io::Result<()> {
        let before = self.columns.len();
        self.columns.op(op);
        if self.columns.len() == before {
            let columns = std::mem::take(&mut self.columns);
            let reason = columns.end(Ending::default()).map(|_| ());
            let reason = reason.expect_err("an entry that was not taken was refused");
            let reason = match reason {
                ReadError::Line { reason, .. } => reason,
                ReadError::Io { source, .. } => return Err(source),
            };
            return Err(io::Error::new(io::ErrorKind::InvalidInput, reason));
        }
        if self.columns.len() >= FRAME {
            self.flush()?;
        }
        Ok(())
    }

    /// Writes what has been taken so far, so that a reader sees it.
    ///
    /// # Errors
    ///
    /// Those of the output.
    pub fn flush(&mut self) -> io::Result<()> {
        if self.columns.is_empty() {
            return Ok(());
        }
        self.body.clear();
        self.written = additions(&self.columns, self.written, &mut self.body);
        entries(&self.columns, &mut self.body);
        let packed = zstd::bulk::compress(&self.body, LEVEL)?;
        let too_long = |_| io::Error::other("a frame is longer than four gigabytes");
        let mut head = Vec::with_capacity(HEAD + packed.len());
        head.extend(u32::try_from(packed.len()).map_err(too_long)?.to_le_bytes());
        head.extend(
            u32::try_from(self.body.len())
                .map_err(too_long)?
                .to_le_bytes(),
        );
        head.extend(
            u32::try_from(self.columns.len())
                .map_err(too_long)?
                .to_le_bytes(),
        );
        let sum = crc32c::crc32c_append(crc32c::crc32c(&head), &packed);
        head.extend(sum.to_le_bytes());
        head.extend(packed);
        // One write: a reader sees a frame whole or finds it cut off.
        self.out.write_all(&head)?;
        self.out.flush()?;
        self.columns.clear_entries();
        Ok(())
    }

    /// Writes what is left, and gives the output back.
    ///
    /// # Errors
    ///
    /// Those of the output.
    pub fn end(mut self) -> io::Result<W> {
        self.flush()?;
        Ok(self.out)
    }
}

/// Writes what is new to the dictionary; how much of it is written then.
fn additions(columns: &Columns, from: Written, out: &mut Vec<u8>) -> Written {
    for (names, from) in [(&columns.fs, from.fs), (&columns.nodes, from.nodes)] {
        let new = &names.list()[from..];
        unsigned(out, new.len() as u64);
        for name in new {
            text(out, name);
        }
    }
    let new = &columns.processes.list()[from.processes..];
    unsigned(out, new.len() as u64);
    for process in new {
        let number = match process {
            Process::Nemesis => 0,
            Process::Client(number) => 1 + u64::from(*number),
        };
        unsigned(out, number);
    }
    let values = &columns.values;
    unsigned(out, (values.len() - from.values) as u64);
    for id in from.values..values.len() {
        value(out, values, id);
    }
    Written {
        fs: columns.fs.list().len(),
        nodes: columns.nodes.list().len(),
        processes: columns.processes.list().len(),
        values: values.len(),
    }
}

fn text(out: &mut Vec<u8>, text: &str) {
    unsigned(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

fn value(out: &mut Vec<u8>, values: &Dictionary, id: usize) {
    let id = u32::try_from(id).expect("values are numbered with 32 bits");
    let mut parts = |tag: u8, parts: &[u32]| {
        out.push(tag);
        unsigned(out, parts.len() as u64);
        for part in parts {
            // Those that are new have been used of late: their distance is short.
            unsigned(out, u64::from(id - part));
        }
    };
    match values.get(id) {
        Interned::Nil | Interned::Bool(_) => unreachable!("these are in every dictionary"),
        Interned::List(items) => parts(2, items),
        Interned::Map(entries) => parts(3, entries),
        Interned::Int(number) => {
            out.push(0);
            unsigned(out, zigzag(number));
        }
        Interned::Str(string) => {
            out.push(1);
            text(out, string);
        }
    }
}

fn entries(columns: &Columns, out: &mut Vec<u8>) {
    let mut last = u32::MAX;
    let steps = columns.index.iter().map(|&index| {
        let step = index.wrapping_sub(last).wrapping_sub(1);
        last = index;
        u64::from(step)
    });
    fixed(out, steps);
    let mut last = 0;
    let steps = columns.time.iter().map(|&time| {
        let step = time.wrapping_sub(last);
        last = time;
        step
    });
    fixed(out, steps);
    fixed(out, columns.process.iter().copied().map(u64::from));
    let what = columns.f.iter().zip(&columns.kind);
    fixed(out, what.map(|(&f, &kind)| u64::from(f) << 2 | kind as u64));
    let top = narrow(columns.values.len());
    fixed(out, columns.key.iter().map(|&key| u64::from(key)));
    // New values have high numbers: their distance from the top is short.
    fixed(
        out,
        columns
            .value
            .iter()
            .map(|&value| u64::from(from_top(value, top))),
    );
    fixed(out, columns.node.iter().copied().map(u64::from));
    unsigned(out, columns.errors.len() as u64);
    for (place, error) in &columns.errors {
        unsigned(out, u64::from(*place));
        unsigned(out, u64::from(*error));
    }
}

/// Its own inverse, for values below the top.
#[inline]
fn from_top(value: u32, top: u32) -> u32 {
    if value == NIL {
        NIL
    } else {
        top.wrapping_sub(value)
    }
}

fn narrow(number: usize) -> u32 {
    u32::try_from(number).expect("values are numbered with 32 bits")
}

/// Reads a file as columns: the fastest there is.
///
/// # Errors
///
/// [`ReadError::Line`] for a frame that is whole but wrong; [`ReadError::Io`] when `input`
/// fails.
pub fn columns(input: impl BufRead) -> Result<(Columns, Ending), ReadError> {
    let mut columns = Columns::default();
    let mut frames = Frames::new(input)?;
    while frames.next(&mut columns)? {}
    Ok((columns, frames.ending))
}

/// Reads a stream, an entry at a time.
///
/// # Errors
///
/// [`ReadError::Line`] for a frame that is whole but wrong; [`ReadError::Io`] when `input`
/// fails.
pub fn stream(input: impl BufRead, sink: &mut impl Sink) -> Result<Ending, ReadError> {
    let mut line = 0;
    frames(input, |columns| {
        hand_on(columns, line, sink);
        line += columns.len();
    })
}

/// Reads a stream, a frame at a time: what takes each holds the entries of that frame, and the
/// names, processes and values of all up to it. Memory is used again, which makes this as fast
/// as reading gets.
///
/// # Errors
///
/// [`ReadError::Line`] for a frame that is whole but wrong; [`ReadError::Io`] when `input`
/// fails.
pub fn frames(input: impl BufRead, mut take: impl FnMut(&Columns)) -> Result<Ending, ReadError> {
    let mut columns = Columns::default();
    let mut frames = Frames::new(input)?;
    while frames.next(&mut columns)? {
        take(&columns);
        columns.clear_entries();
    }
    Ok(frames.ending)
}

fn hand_on(columns: &Columns, line: usize, sink: &mut impl Sink) {
    let mut tape = Tape::default();
    let mut errors = columns.errors.iter().peekable();
    let values = &columns.values;
    for at in 0..columns.len() {
        tape.clear();
        let key = Some(columns.key[at]).filter(|key| *key != NIL);
        let key = key.map(|key| values.unfold(key, &mut tape));
        let value = values.unfold(columns.value[at], &mut tape);
        let error = errors.next_if(|(place, _)| *place as usize == at);
        let node = usize::from(columns.node[at]).checked_sub(1);
        sink.event(&Event {
            line: line + at + 1,
            index: Some(columns.index[at] as usize),
            time: Some(columns.time[at]),
            process: columns.processes.list()[columns.process[at] as usize],
            kind: columns.kind[at],
            f: &columns.fs.list()[usize::from(columns.f[at])],
            key: key.map(|key| tape.view(key)),
            value: tape.view(value),
            node: node.map(|place| &*columns.nodes.list()[place]),
            error: error.and_then(|(_, id)| match values.get(*id) {
                Interned::Str(text) => Some(text),
                _ => None,
            }),
        });
    }
}

struct Frames<R> {
    input: R,
    begun: bool,
    frame: usize,
    entries: usize,
    packed: Vec<u8>,
    body: Vec<u8>,
    column: Vec<u32>,
    zstd: zstd::bulk::Decompressor<'static>,
    /// Of each value that is a list or a map: how much it holds, and how deep it is.
    extents: Extents,
    ending: Ending,
}

impl<R: BufRead> Frames<R> {
    fn new(input: R) -> Result<Self, ReadError> {
        let zstd = zstd::bulk::Decompressor::new();
        Ok(Self {
            input,
            begun: false,
            frame: 0,
            entries: 0,
            packed: Vec::new(),
            body: Vec::new(),
            column: Vec::new(),
            zstd: zstd.map_err(|source| ReadError::Io { line: 1, source })?,
            extents: Extents::default(),
            ending: Ending::default(),
        })
    }

    fn wrong(&self, reason: &str) -> ReadError {
        let (line, frame) = (self.entries + 1, self.frame + 1);
        let reason = format!("frame {frame}: {reason}");
        ReadError::Line { line, reason }
    }

    /// Reads up to `wanted` bytes into `packed`; whether there were as many.
    fn fill(&mut self, wanted: usize) -> Result<bool, ReadError> {
        self.packed.clear();
        let line = self.entries + 1;
        let got = self
            .input
            .by_ref()
            .take(wanted as u64)
            .read_to_end(&mut self.packed);
        match got {
            Ok(got) => Ok(got == wanted),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
            Err(source) => Err(ReadError::Io { line, source }),
        }
    }

    /// Adds the entries of the next frame, if there is one.
    fn next(&mut self, columns: &mut Columns) -> Result<bool, ReadError> {
        if !self.begun {
            self.begun = true;
            let whole = self.fill(MAGIC.len())?;
            if !MAGIC.starts_with(&self.packed) {
                return Err(self.wrong("the file does not begin as a binary history does"));
            }
            self.ending.truncated = !whole && !self.packed.is_empty();
        }
        if !self.fill(HEAD)? {
            self.ending.truncated |= !self.packed.is_empty();
            return Ok(false);
        }
        let number = |at: usize| {
            let bytes = self.packed[at..at + 4].try_into();
            u32::from_le_bytes(bytes.expect("four bytes are four bytes"))
        };
        let head = crc32c::crc32c(&self.packed[..12]);
        let (packed, body, entries, sum) = (number(0), number(4), number(8), number(12));
        if body as usize > LARGEST || packed as usize > LARGEST {
            return Err(self.wrong("it claims to be longer than any frame is"));
        }
        if !self.fill(packed as usize)? {
            self.ending.truncated = true;
            return Ok(false);
        }
        if crc32c::crc32c_append(head, &self.packed) != sum {
            let line = self.entries + 1;
            let rest = self.input.fill_buf();
            if rest
                .map_err(|source| ReadError::Io { line, source })?
                .is_empty()
            {
                // The last one: it was torn while it was being written.
                self.ending.truncated = true;
                return Ok(false);
            }
            return Err(self.wrong("its checksum does not match: the file is damaged"));
        }
        self.body.clear();
        self.body.reserve(body as usize);
        let unpacked = self.zstd.decompress_to_buffer(&self.packed, &mut self.body);
        match unpacked {
            Ok(length) if length == body as usize => {}
            Ok(_) | Err(_) => return Err(self.wrong("it cannot be decompressed")),
        }
        let mut input = Input::new(&self.body);
        let read = take_additions(&mut input, columns, &mut self.extents)
            .and_then(|()| take_entries(&mut input, columns, entries as usize, &mut self.column))
            .and_then(|()| input.is_empty().then_some(()));
        if read.is_none() {
            return Err(self.wrong("its content is not what a frame holds"));
        }
        self.frame += 1;
        self.entries += entries as usize;
        Ok(true)
    }
}

#[derive(Default)]
struct Extents {
    of: std::collections::HashMap<u32, (u32, u8)>,
}

impl Extents {
    /// Notes a list or a map, unless it is too large or too deep once unfolded.
    fn note(&mut self, id: u32, parts: &[u32]) -> Option<()> {
        let (mut size, mut depth) = (0_u32, 0);
        for part in parts {
            let (below, deep) = self.of.get(part).copied().unwrap_or((0, 0));
            size = size.saturating_add(below + 1);
            depth = depth.max(deep);
        }
        if size > LARGEST_VALUE || depth >= DEEPEST {
            return None;
        }
        self.of.insert(id, (size, depth + 1));
        Some(())
    }
}

fn take_additions(
    input: &mut Input<'_>,
    columns: &mut Columns,
    extents: &mut Extents,
) -> Option<()> {
    for names in [&mut columns.fs, &mut columns.nodes] {
        for _ in 0..input.unsigned()? {
            names.push(input.text()?)?;
        }
    }
    for _ in 0..input.unsigned()? {
        let process = match input.unsigned()?.checked_sub(1) {
            None => Process::Nemesis,
            Some(number) => Process::Client(u32::try_from(number).ok()?),
        };
        columns.processes.push(process);
    }
    let mut parts = Vec::new();
    for _ in 0..input.unsigned()? {
        match input.byte()? {
            0 => columns.values.push_int(input.signed()?),
            1 => columns.values.push_text(input.text()?),
            tag @ (2 | 3) => {
                let id = u32::try_from(columns.values.len()).ok()?;
                parts.clear();
                for _ in 0..input.unsigned()? {
                    let distance = u32::try_from(input.unsigned()?).ok()?;
                    parts.push(id.checked_sub(distance).filter(|_| distance > 0)?);
                }
                extents.note(id, &parts)?;
                columns.values.push_parts(&parts, tag == 3)?;
            }
            _ => return None,
        }
    }
    Some(())
}

fn take_entries(
    input: &mut Input<'_>,
    columns: &mut Columns,
    count: usize,
    what: &mut Vec<u32>,
) -> Option<()> {
    // An entry takes no bytes where all columns are constant, so the count needs a limit.
    if count > LARGEST / 32 {
        return None;
    }
    let from = columns.len();
    let mut last = u32::MAX;
    input.fixed(count, &mut columns.index, |step| {
        last = last.wrapping_add(narrowed(step)).wrapping_add(1);
        last
    })?;
    let mut last = 0_u64;
    input.fixed(count, &mut columns.time, |step| {
        last = last.wrapping_add(step);
        last
    })?;
    input.fixed(count, &mut columns.process, narrowed)?;
    below(&columns.process[from..], columns.processes.list().len())?;
    what.clear();
    input.fixed(count, what, narrowed)?;
    below(what, columns.fs.list().len() * 4)?;
    columns
        .kind
        .extend(what.iter().map(|what| KINDS[(what & 3) as usize]));
    let fs = what
        .iter()
        .map(|what| u16::try_from(what >> 2).unwrap_or(0));
    columns.f.extend(fs);
    let top = u32::try_from(columns.values.len()).ok()?;
    input.fixed(count, &mut columns.key, narrowed)?;
    below(&columns.key[from..], columns.values.len())?;
    input.fixed(count, &mut columns.value, |id| from_top(narrowed(id), top))?;
    below(&columns.value[from..], columns.values.len())?;
    what.clear();
    input.fixed(count, what, narrowed)?;
    below(what, columns.nodes.list().len() + 1)?;
    let nodes = what.iter().map(|node| u16::try_from(*node).unwrap_or(0));
    columns.node.extend(nodes);
    let mut before = None;
    for _ in 0..input.unsigned()? {
        let place = usize::try_from(input.unsigned()?).ok()?;
        let error = u32::try_from(input.unsigned()?).ok()?;
        let rises = before.is_none_or(|before| before < place);
        if !rises || place >= count || (error as usize) >= columns.values.len() {
            return None;
        }
        before = Some(place);
        let place = u32::try_from(from + place).ok()?;
        columns.errors.push((place, error));
    }
    Some(())
}

const KINDS: [Kind; 4] = [Kind::Invoke, Kind::Ok, Kind::Fail, Kind::Info];

/// What is too large becomes so large that it is refused afterwards.
#[inline]
fn narrowed(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// Fails unless all numbers are below the limit.
fn below(numbers: &[u32], limit: usize) -> Option<()> {
    let largest = numbers.iter().copied().fold(0, u32::max);
    (numbers.is_empty() || (largest as usize) < limit).then_some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_numbered_as_they_are_declared() {
        for (number, kind) in KINDS.into_iter().enumerate() {
            assert_eq!(kind as usize, number);
        }
    }
}
