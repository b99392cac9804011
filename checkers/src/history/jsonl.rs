//! Our own text format: one JSON object a line, in the order of the history.
//!
//! `{"index":0,"time":1200,"process":3,"type":"invoke","f":"write","key":"r1","value":7,"node":"n1"}`
//!
//! `process` is a number, or `"nemesis"`. `key`, `node` and `error` are left out where there
//! is none; `value` is `null` where there is none.

use std::io::{self, BufRead, Write};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{F, Kind, Op, Process, Value};

/// A line that could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The line is not an operation.
    #[error("line {line}: {reason}")]
    Line {
        /// The line, counted from one.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// The file could not be read.
    #[error("line {line}: {source}")]
    Io {
        /// The line, counted from one.
        line: usize,
        /// Why not.
        source: io::Error,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line<'a> {
    index: usize,
    time: u64,
    process: ProcessField,
    #[serde(rename = "type")]
    kind: KindField,
    f: std::borrow::Cow<'a, str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key: Option<Value>,
    #[serde(default)]
    value: Value,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    node: Option<Arc<str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum KindField {
    Invoke,
    Ok,
    Fail,
    Info,
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum ProcessField {
    Number(u32),
    Name(NemesisField),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum NemesisField {
    Nemesis,
}

/// Writes one operation and a line end.
///
/// # Errors
///
/// Those of `out`.
pub fn write(out: &mut impl Write, op: &Op) -> io::Result<()> {
    let line = Line {
        index: op.index,
        time: op.time,
        process: match op.process {
            Process::Client(number) => ProcessField::Number(number),
            Process::Nemesis => ProcessField::Name(NemesisField::Nemesis),
        },
        kind: match op.kind {
            Kind::Invoke => KindField::Invoke,
            Kind::Ok => KindField::Ok,
            Kind::Fail => KindField::Fail,
            Kind::Info => KindField::Info,
        },
        f: op.f.as_str().into(),
        key: op.key.clone(),
        value: op.value.clone(),
        node: op.node.clone(),
        error: op.error.clone(),
    };
    serde_json::to_writer(&mut *out, &line)?;
    out.write_all(b"\n")
}

/// Reads one line.
///
/// # Errors
///
/// What is wrong with the line, in words.
pub fn parse(line: &str) -> Result<Op, String> {
    let line: Line<'_> = serde_json::from_str(line).map_err(|error| error.to_string())?;
    Ok(Op {
        index: line.index,
        time: line.time,
        process: match line.process {
            ProcessField::Number(number) => Process::Client(number),
            ProcessField::Name(NemesisField::Nemesis) => Process::Nemesis,
        },
        kind: match line.kind {
            KindField::Invoke => Kind::Invoke,
            KindField::Ok => Kind::Ok,
            KindField::Fail => Kind::Fail,
            KindField::Info => Kind::Info,
        },
        f: F::owned(line.f.into_owned()),
        key: line.key,
        value: line.value,
        node: line.node,
        error: line.error,
    })
}

/// What a file held: the operations up to the first line that could not be read.
#[derive(Debug, Default)]
pub struct Read {
    /// The operations, in order.
    pub ops: Vec<Op>,
    /// Set if the last line was cut off in the middle, as after a crash: what it held is lost,
    /// and everything above it stands.
    pub truncated: bool,
}

/// Reads a whole file. A last line that is cut off is left out and reported in
/// [`Read::truncated`].
///
/// # Errors
///
/// [`ReadError::Line`] for a line that is whole but wrong; [`ReadError::Io`] when `input`
/// fails.
pub fn read(mut input: impl BufRead) -> Result<Read, ReadError> {
    let mut read = Read::default();
    // Bytes, not text: a file may be cut within a character.
    let mut bytes = Vec::new();
    for line in 1.. {
        bytes.clear();
        match input.read_until(b'\n', &mut bytes) {
            Ok(0) => break,
            Ok(_) => {}
            // What was decoded before the end of a truncated file has been returned already.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                read.truncated = true;
                break;
            }
            Err(source) => return Err(ReadError::Io { line, source }),
        }
        if bytes.trim_ascii().is_empty() {
            continue;
        }
        let parsed = str::from_utf8(&bytes)
            .map_err(|error| error.to_string())
            .and_then(parse);
        match parsed {
            Ok(op) => read.ops.push(op),
            Err(_) if !bytes.ends_with(b"\n") => {
                read.truncated = true;
                break;
            }
            Err(reason) => return Err(ReadError::Line { line, reason }),
        }
    }
    Ok(read)
}
