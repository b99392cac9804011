//! What the algorithms find, before it is put into words.

use super::index::Rows;
use crate::calls::Calls;
use crate::{Anomaly, explain};

/// How many contradictions of a guarantee are written out.
pub(super) const LISTED: usize = 5;

/// How many operations a contradiction tells of; the rest of a longer one is counted.
const TOLD: usize = 12;

/// One contradiction.
#[derive(Clone, Debug)]
pub(super) struct Finding {
    /// The field's word.
    pub(super) name: &'static str,
    /// The rows that prove it, the one that cannot be last.
    pub(super) rows: Vec<u32>,
    /// What cannot be.
    pub(super) conclusion: String,
}

/// What was found of one guarantee.
#[derive(Clone, Debug, Default)]
pub(super) struct Found {
    /// How many contradictions there are.
    pub(super) count: usize,
    /// The smallest of them.
    pub(super) list: Vec<Finding>,
    /// How many answers could have been a contradiction.
    pub(super) power: usize,
}

impl Found {
    /// Whether a contradiction of so many rows would be told.
    pub(super) fn wants(&self, rows: usize) -> bool {
        self.list.len() < LISTED || self.list.last().is_some_and(|last| rows < last.rows.len())
    }

    /// Counts a contradiction; keeps it if it is among the smallest.
    pub(super) fn add(&mut self, finding: Finding) {
        self.count += 1;
        self.keep(finding);
    }

    /// Adds what was found otherwise.
    pub(super) fn merge(&mut self, other: &Self) {
        self.count += other.count;
        self.power = self.power.max(other.power);
        for finding in &other.list {
            self.keep(finding.clone());
        }
    }

    pub(super) fn keep(&mut self, finding: Finding) {
        let size = finding.rows.len();
        let place = self.list.partition_point(|other| other.rows.len() <= size);
        if place < LISTED {
            self.list.insert(place, finding);
            self.list.truncate(LISTED);
        }
    }
}

impl Finding {
    /// In words: what each operation did, then why that cannot be.
    pub(super) fn told(&self, calls: &Calls, rows: &Rows) -> Anomaly {
        let mut listed = self.rows.clone();
        listed.dedup();
        // The last ones are those that cannot be; what leads there can be left out.
        let cut = listed.len().saturating_sub(TOLD);
        let ops: Vec<_> = listed[cut..]
            .iter()
            .map(|&row| calls.ops(rows.call[row as usize]))
            .collect();
        let told: Vec<_> = ops.iter().map(|ops| calls.call(ops)).collect();
        let told: Vec<_> = told.iter().collect();
        let mut conclusion = self.conclusion.clone();
        if cut > 0 {
            conclusion = format!("{conclusion} {cut} more operations lie on the way.");
        }
        let key = self.rows.last().map_or(0, |&row| rows.key[row as usize]);
        let key = calls.value(rows.keys[key as usize]);
        explain::anomaly(self.name, &key, &told, conclusion).1
    }
}

/// The value that a row read, in words.
pub(super) fn read_value(calls: &Calls, rows: &Rows, row: u32) -> String {
    match rows.source[row as usize] {
        super::index::INITIAL | super::index::NONE => "nil".to_owned(),
        source => written(calls, rows, source),
    }
}

/// The value that a row wrote, in words.
pub(super) fn written(calls: &Calls, rows: &Rows, row: u32) -> String {
    let call = rows.call[row as usize];
    let at = call as usize;
    let number = match calls.second[at] {
        crate::calls::NO_VALUE => calls.argument[at],
        second => second,
    };
    calls.value(number).to_string()
}

/// The session of a row, in words.
pub(super) fn who(calls: &Calls, rows: &Rows, row: u32) -> String {
    calls.process(rows.call[row as usize]).to_string()
}
