//! Porcupine's key-value histories: a map a line, in the order of the history, without times.
//!
//! `{:process 0, :type :invoke, :f :append, :key "4", :value "x 0 1 y"}`
//!
//! The functions are `get`, `put` and `append`; keys and values are strings. It is a dialect of
//! EDN, and read as such.

use std::io::{self, BufRead, Write};

use super::jepsen::PLAIN;
use super::read::{Ending, ReadError};
use super::{Kind, Op, Process, Sink, Value, jepsen_edn};

/// Reads a stream.
///
/// # Errors
///
/// [`ReadError::Line`] for an entry that is whole but wrong; [`ReadError::Io`] when `input`
/// fails.
pub fn stream(input: impl BufRead, sink: &mut impl Sink) -> Result<Ending, ReadError> {
    jepsen_edn::stream(input, PLAIN, sink)
}

/// Reads what is in memory.
///
/// # Errors
///
/// [`ReadError::Line`] for an entry that is whole but wrong.
pub fn slice(input: &[u8], sink: &mut impl Sink) -> Result<Ending, ReadError> {
    jepsen_edn::slice(input, PLAIN, sink)
}

/// Writes one operation and a line end, or says why this format cannot hold it. Index and time
/// are not written.
///
/// # Errors
///
/// Those of `out`.
pub fn write(out: &mut impl Write, op: &Op) -> io::Result<Result<(), String>> {
    if let Some(reason) = cannot_hold(op) {
        return Ok(Err(reason.to_owned()));
    }
    out.write_all(b"{")?;
    jepsen_edn::essence(out, op)?;
    out.write_all(b"}\n").map(Ok)
}

fn cannot_hold(op: &Op) -> Option<&'static str> {
    if op.process == Process::Nemesis {
        return Some("it is of the nemesis");
    }
    if !["get", "put", "append"].contains(&op.f.as_str()) {
        return Some("its function is none of get, put and append");
    }
    if !matches!(op.kind, Kind::Invoke | Kind::Ok) {
        return Some("it is neither a start nor an ok");
    }
    if op.node.is_some() || op.error.is_some() {
        return Some("it names a node or an error");
    }
    let plain = |value: &Value| {
        let text = value.as_str();
        text.is_some_and(|text| !text.contains(['"', '\\']) && !text.contains(char::is_control))
    };
    if !op.key.as_ref().is_some_and(plain) {
        return Some("its key is not plain text");
    }
    let value_fits = plain(&op.value) || op.value == Value::Nil;
    (!value_fits).then_some("its value is neither plain text nor nil")
}
