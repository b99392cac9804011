//! What must hold of any bytes whatever; one function a target.
//!
//! Under `cfg(fuzzing)` a stream is read in windows of a few bytes, so that a small input is
//! cut at every place.

use std::io::{self, BufRead};

pub use checkers::history::Format;
use checkers::history::jepsen::Options;
use checkers::history::{Columns, Op, Ops, Read, ReadError, binary as frames};
use checkers::{Budget, CHECKERS, Report, Verdict};

/// Whether keys are independent: the file decides, no, yes.
const OPTIONS: [Options; 3] = [
    Options { independent: None },
    Options {
        independent: Some(false),
    },
    Options {
        independent: Some(true),
    },
];

/// Values are what they are.
const PLAIN: Options = OPTIONS[1];

/// A stream that gives a few bytes at a time.
struct Pieces<'d> {
    data: &'d [u8],
    step: usize,
}

impl io::Read for Pieces<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let mut piece = self.fill_buf()?;
        let read = piece.read(into)?;
        self.consume(read);
        Ok(read)
    }
}

impl BufRead for Pieces<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        Ok(&self.data[..self.data.len().min(self.step)])
    }

    fn consume(&mut self, read: usize) {
        self.data = &self.data[read..];
    }
}

/// What was read, or what was read before the error, and the error.
fn kept(
    read: impl FnOnce(&mut Ops) -> Result<checkers::history::Ending, ReadError>,
) -> (Read, Option<(usize, String)>) {
    let mut ops = Ops::default();
    match read(&mut ops) {
        Ok(ending) => (ops.end(ending), None),
        Err(ReadError::Line { line, reason }) => {
            (ops.end(Default::default()), Some((line, reason)))
        }
        Err(ReadError::Io { source, .. }) => panic!("memory does not fail: {source}"),
    }
}

/// A text or a binary file is read alike from memory and in pieces, and its lines exist.
pub fn reader(format: Format, data: &[u8]) {
    for options in OPTIONS {
        let (whole, error) = kept(|ops| format.slice(data, options, ops));
        let step = 1 + data.len() % 7;
        let (pieces, other) = kept(|ops| format.stream(Pieces { data, step }, options, ops));
        assert_eq!(whole.ops, pieces.ops, "slice and stream give other entries");
        assert_eq!(
            whole.lines, pieces.lines,
            "slice and stream give other lines"
        );
        let [error_told, other_told] = [&error, &other].map(|error| error.as_ref().map(told));
        assert_eq!(error_told, other_told, "slice and stream end otherwise");
        if error.is_none() {
            assert_eq!(whole.warnings, pieces.warnings);
            assert_eq!(whole.truncated, pieces.truncated);
        }
        lines_exist(format, data, &whole, error.as_ref());
        columns(format, data, options, &whole, error.is_none());
        if options == PLAIN {
            writes_back(format, &whole.ops);
        }
        if error.is_none() {
            drop(whole.history());
        }
    }
}

/// An error without the excerpt at its end, which stops where the window does.
fn told((line, reason): &(usize, String)) -> (usize, &str) {
    (*line, reason.split('"').next().unwrap_or_default())
}

fn lines_exist(format: Format, data: &[u8], read: &Read, error: Option<&(usize, String)>) {
    assert_eq!(read.lines.len(), read.ops.len());
    let last = match format {
        Format::Binary => usize::MAX,
        _ => 1 + data.iter().filter(|byte| **byte == b'\n').count(),
    };
    let told = read.warnings.iter().filter_map(|warning| warning.line);
    let all = read
        .lines
        .iter()
        .copied()
        .chain(told)
        .chain(error.map(|(line, _)| *line));
    for line in all {
        assert!((1..=last).contains(&line), "line {line} of {last}");
    }
    assert!(read.lines.is_sorted(), "lines go back: {:?}", read.lines);
}

/// Columns hold what operations hold.
fn columns(format: Format, data: &[u8], options: Options, read: &Read, is_whole: bool) {
    let mut columns = Columns::default();
    let ended = format.slice(data, options, &mut columns);
    assert_eq!(ended.is_ok(), is_whole);
    let Ok(ending) = ended else { return };
    match columns.end(ending) {
        Ok((columns, _)) => assert_eq!(columns.ops(), read.ops),
        Err(_) => assert!(
            read.ops.iter().any(|op| op.index > 0xffff_0000),
            "columns refuse what fits"
        ),
    }
}

/// Writes and reads again, if the format can hold it.
fn writes_back(format: Format, ops: &[Op]) {
    let mut file = Vec::new();
    if format.write(&mut file, ops).is_err() {
        return;
    }
    let read = format.read(&file[..], PLAIN);
    let read = read.unwrap_or_else(|error| {
        let file = String::from_utf8_lossy(&file);
        panic!("{format} cannot read what it wrote: {error}: {file:?}")
    });
    assert!(
        !read.truncated,
        "{format} takes what it wrote to be cut off"
    );
    let first = match format {
        Format::JepsenLog => Some(1),
        Format::Porcupine => Some(0),
        _ => None,
    };
    let mut expected = ops.to_vec();
    if let Some(first) = first {
        for (position, op) in expected.iter_mut().enumerate() {
            (op.index, op.time) = (position, position as u64 + first);
        }
    }
    assert_eq!(
        read.ops, expected,
        "{format} reads other entries than it wrote"
    );
}

/// The binary form: as it is or, if the first byte is odd, as the bodies of frames, each after
/// its length and the number of its entries, with checksums that are right.
pub fn binary(data: &[u8]) {
    let Some((&[way], mut rest)) = data.split_first_chunk() else {
        return;
    };
    if way % 2 == 0 {
        return reader(Format::Binary, rest);
    }
    let mut file = frames::MAGIC.to_vec();
    while let Some((&[length, entries], after)) = rest.split_first_chunk() {
        let (body, after) = after.split_at(after.len().min(usize::from(length)));
        rest = after;
        let packed = zstd::bulk::compress(body, 1).expect("memory takes all");
        let mut head = Vec::new();
        for number in [packed.len(), body.len(), usize::from(entries)] {
            head.extend(u32::try_from(number).expect("it is short").to_le_bytes());
        }
        let sum = crc32c::crc32c_append(crc32c::crc32c(&head), &packed);
        head.extend(sum.to_le_bytes());
        file.extend(head);
        file.extend(packed);
    }
    reader(Format::Binary, &file);
}

/// What a format's reader accepts reads back from every format that can hold it. The first
/// byte chooses the reader.
pub fn roundtrip(data: &[u8]) {
    let Some((&[first], data)) = data.split_first_chunk() else {
        return;
    };
    let from = Format::ALL[usize::from(first) % Format::ALL.len()];
    let (read, _) = kept(|ops| from.slice(data, PLAIN, ops));
    for format in Format::ALL {
        writes_back(format, &read.ops);
    }
}

/// Reads a file of unknown format, mends it and judges it: whatever it is, there is a report
/// or a reason, the same every time.
pub fn detect_and_judge(data: &[u8]) {
    let Ok(format) = Format::detect(data) else {
        return;
    };
    let (read, error) = kept(|ops| format.slice(data, Options::default(), ops));
    if error.is_some() {
        return;
    }
    let Ok((history, _)) = read.history() else {
        return;
    };
    // A search of so few bytes ends soon, whatever it searches.
    let budget = || Budget::unlimited().with_max_bytes(1 << 20);
    for about in CHECKERS {
        let report = (about.build)().check(&history, &budget());
        sensible(&report, history.ops().len());
        let again = (about.build)().check(&history, &budget());
        assert_eq!(report, again, "the same history, another report");
        for op in report.anomalies.iter().flat_map(|anomaly| &anomaly.ops) {
            assert!(
                history.by_index(*op).is_some(),
                "evidence that does not exist"
            );
        }
    }
}

fn sensible(report: &Report, entries: usize) {
    match report.verdict {
        Verdict::Violated => assert!(!report.anomalies.is_empty(), "violated without evidence"),
        Verdict::Undecided => assert!(report.why.is_some(), "undecided without a reason"),
        Verdict::Held => assert!(
            entries > 0 || report.checker == "availability",
            "held of nothing"
        ),
    }
}
