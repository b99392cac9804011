//! Writes follow reads, as monotonic readers see it: one suspected read at a time.
//!
//! What is visible to a read is what its session had read by then, and with each write what its
//! own session had read before it, and so on. A write **follows** another one if that was visible
//! to a read before it in its session. A read of v is a contradiction exactly if, on its key,
//!
//! * a visible write follows v; or
//! * v was visible at the session's last read of the key, which returned something else;
//!
//! or if it is of the initial value and any write is visible; or if a write follows itself. (The
//! argument is that of [`delivered`](super::delivered), with "follows" for the order of a
//! session.)

use super::found::{Finding, read_value, who, written};
use super::index::{INITIAL, Rows};
use super::paths::{Steps, followed, path};
use crate::calls::Calls;

/// Why a read cannot be, if so.
pub(super) fn contradiction(calls: &Calls, rows: &Rows, row: u32) -> Option<Finding> {
    let source = rows.reads(row)?;
    let way = |from, to| path(rows, from, to, Steps::Reads, |_| true, |_| Vec::new());
    let (reader, returned) = (who(calls, rows, row), read_value(calls, rows, row));
    let visible = followed(rows, row);
    let mut proofs = Vec::new();
    for &write in visible.iter().filter(|&&write| write != source) {
        let mut proof = if source == INITIAL {
            Vec::new()
        } else {
            match way(source, write) {
                Some(way) => way,
                None => continue,
            }
        };
        proof.extend(way(write, row)?);
        proofs.push((proof, write));
    }
    if let Some((rows_of, write)) = proofs.into_iter().min_by_key(|(proof, _)| proof.len()) {
        let hid = written(calls, rows, write);
        let conclusion = if source == INITIAL {
            format!(
                "{reader} had read what followed a read of {hid}, or {hid} itself; it must not \
                 read nil."
            )
        } else {
            format!(
                "{hid} follows a read of {returned}; {reader} had read {hid} or what follows it, \
                 and must not read {returned} after that."
            )
        };
        return Some(Finding {
            name: "write-follows-read",
            rows: rows_of,
            conclusion,
        });
    }
    let session = rows.of_session(rows.session[row as usize]);
    let last = session.rev().find(|&other| {
        let same = rows.key[other as usize] == rows.key[row as usize];
        other < row && same && rows.reads(other).is_some()
    })?;
    let other = rows.reads(last)?;
    if other == source || !followed(rows, last).contains(&source) {
        return None;
    }
    let mut proof = way(source, last)?;
    proof.push(row);
    Some(Finding {
        name: "write-follows-read",
        rows: proof,
        conclusion: format!(
            "{reader} had read what follows a read of {returned}, or {returned} itself, when it \
             read {}; it must not return to {returned}.",
            read_value(calls, rows, last)
        ),
    })
}
