//! Mending what breaks a law of histories and can still be judged.
//!
//! Only what cannot turn a sound verdict into a wrong one is mended:
//!
//! - An end whose start is missing is left out if it failed or if it only reads: then it changed
//!   nothing, and leaving it out can only hide a contradiction. Any other is an error.
//! - An end, or an entry of the nemesis, whose time is before that of the entry above gets the
//!   time of the entry above: that only makes it concurrent with more. A start is an error.
//! - An end that failed, or is unknown, and lost its key takes that of its start.

use std::collections::HashMap;

use super::history::Broken;
use super::mixed;
use super::read::{ReadError, Warning};
use super::{History, Kind, Op, Process};

/// How many mended entries are told one by one.
const TOLD: usize = 20;

/// Functions that change nothing, by the names that the histories we know use.
const READS: [&str; 6] = [
    "read",
    "get",
    "r",
    "read-set",
    "final-read",
    "final-read-set",
];

/// The history of the entries, and what was mended; `lines` has the line of each.
pub(super) fn mend(ops: Vec<Op>, lines: &[usize]) -> Result<(History, Vec<Warning>), ReadError> {
    let line = |position: usize| lines.get(position).copied().unwrap_or(position + 1);
    if let Some((position, reason)) = mixed::types(&ops, &line) {
        let line = line(position);
        return Err(ReadError::Line { line, reason });
    }
    let mut warnings = Told::default();
    let mut kept = Vec::with_capacity(ops.len());
    let mut lines_kept = Vec::with_capacity(ops.len());
    let mut open: HashMap<u32, usize> = HashMap::new();
    for (position, mut op) in ops.into_iter().enumerate() {
        let above: Option<&Op> = kept.last();
        if let Some(above) = above.filter(|above| op.time < above.time && is_end(&op)) {
            let text = format!(
                "its time {} is before {} of the entry above; it is taken to be the same",
                op.time, above.time
            );
            warnings.push(line(position), text);
            op.time = above.time;
        }
        if let Process::Client(number) = op.process {
            if op.kind == Kind::Invoke {
                open.insert(number, kept.len());
            } else if let Some(start) = open.remove(&number) {
                if op.kind != Kind::Ok && op.key.is_none() {
                    let start: &Op = &kept[start];
                    op.key.clone_from(&start.key);
                }
            } else if is_harmless(&op) {
                let text = format!(
                    "{} of process {number} ends but never began; as it changed nothing, it is \
                     left out",
                    op.f
                );
                warnings.push(line(position), text);
                continue;
            }
        }
        kept.push(op);
        lines_kept.push(line(position));
    }
    match History::checked(kept) {
        Ok(history) => Ok((history, warnings.end())),
        Err(Broken {
            position, reason, ..
        }) => Err(ReadError::Line {
            line: lines_kept[position],
            reason,
        }),
    }
}

fn is_end(op: &Op) -> bool {
    op.process == Process::Nemesis || op.kind != Kind::Invoke
}

/// Whether it certainly changed nothing.
fn is_harmless(op: &Op) -> bool {
    op.kind == Kind::Fail || READS.contains(&op.f.as_str())
}

#[derive(Default)]
struct Told {
    warnings: Vec<Warning>,
    more: usize,
}

impl Told {
    fn push(&mut self, line: usize, text: String) {
        if self.warnings.len() < TOLD {
            self.warnings.push(Warning::new(line, text));
        } else {
            self.more += 1;
        }
    }

    fn end(mut self) -> Vec<Warning> {
        if self.more > 0 {
            let text = format!("{} more entries were mended like these", self.more);
            self.warnings.push(Warning::new(None, text));
        }
        self.warnings
    }
}
