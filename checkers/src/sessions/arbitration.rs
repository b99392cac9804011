//! Causal convergence (CCv): one order of all writes, in which each read returns the last of
//! its causal past.
//!
//! The sweep of [`causal`](super::causal) tells which writes were **passed over**: each must
//! come before what was returned instead. Causal convergence holds exactly if causal consistency
//! does and causality and those pairs together have no circle. If every pair agrees with the
//! order in which the sweep took the rows, that order is a proof; else the rows are taken once
//! more, a write only after those that were passed over for it.

use super::causal::{PassedOver, Swept};
use super::found::{Finding, Found, read_value, who, written};
use super::index::{INITIAL, Rows, narrow};
use super::paths::{Steps, path};
use super::walk::{Stuck, Visit, circle, walk};
use crate::calls::Calls;

/// From how many writes that never got on a short circle is looked for.
const TRACED: usize = 24;

/// The rows of a circle, and of it each pair that a read shows: one, the other, and the read.
type Ring = (Vec<u32>, Vec<(u32, u32, u32)>);

struct Again<'a> {
    rows: &'a Rows,
    passed: &'a PassedOver,
}

impl Visit for Again<'_> {
    fn waits(&self, row: u32, taken: &[bool]) -> Option<u32> {
        let source = self.rows.source[row as usize];
        if source < INITIAL && !taken[source as usize] {
            return Some(source);
        }
        let mut before = self.passed.before(row);
        before.find(|&write| !taken[write as usize])
    }

    fn take(&mut self, _: u32) {}

    fn over(&mut self, _: u32) {}
}

/// A read that returned `other` with `one` in its causal past.
///
/// **Cost**: linear in the history, for each read of `other`.
fn passing(rows: &Rows, one: u32, other: u32) -> Option<u32> {
    let mut reads = (0..narrow(rows.len())).filter(|&row| rows.source[row as usize] == other);
    reads.find(|&read| path(rows, one, read, Steps::Any, |_| true, |_| Vec::new()).is_some())
}

/// Judges what causal convergence asks beyond causal consistency.
///
/// **Cost**: O(n) and one step for each pair; six bytes a row.
pub(super) fn judge(calls: &Calls, rows: &Rows, swept: &Swept) -> Found {
    let mut found = Found {
        power: swept.causal.power,
        ..Found::default()
    };
    if swept.cyclic || !swept.passed.against {
        return found;
    }
    let passed = &swept.passed;
    let stuck = walk(calls, rows, &mut Again { rows, passed });
    if stuck.is_empty() {
        return found;
    }
    let more = |write: u32| passed.before(write).collect::<Vec<_>>();
    let mut best: Option<Ring> = None;
    let firsts = circle(rows, &stuck);
    let starts = firsts.iter().chain(&stuck).take(TRACED);
    for &Stuck { row, on } in starts {
        if !passed.before(row).any(|one| one == on) {
            continue;
        }
        let Some(way) = path(rows, row, on, Steps::Any, |_| true, more) else {
            continue;
        };
        let mut proof = Vec::new();
        let mut pairs = Vec::new();
        // The way leads from the write to the one that must come before it.
        let steps = way
            .windows(2)
            .map(|two| (two[0], two[1]))
            .chain([(on, row)]);
        for (one, other) in steps {
            proof.push(one);
            let by_read = rows.source[other as usize] == one;
            let by_session = rows.session[other as usize] == rows.session[one as usize];
            let asked = !by_read && !by_session && passed.before(other).any(|before| before == one);
            if let Some(read) = asked.then(|| passing(rows, one, other)).flatten() {
                proof.push(read);
                pairs.push((one, other, read));
            }
        }
        if best
            .as_ref()
            .is_none_or(|(best, _)| proof.len() < best.len())
        {
            best = Some((proof, pairs));
        }
    }
    let (proof, pairs) = best.unwrap_or_else(|| {
        let ring = firsts.iter().flat_map(|one| [one.on, one.row]);
        (ring.collect(), Vec::new())
    });
    let because = pairs.iter().map(|&(one, _, read)| {
        let returned = read_value(calls, rows, read);
        let (one, reader) = (written(calls, rows, one), who(calls, rows, read));
        format!("{reader} knew of {one} when it read {returned}, so {one} comes before {returned}.")
    });
    let because: Vec<String> = because.take(3).collect();
    found.add(Finding {
        name: "cyclic-cf",
        conclusion: format!(
            "{} With causality that is a circle: no one order of the writes explains these reads.",
            because.join(" ")
        ),
        rows: proof,
    });
    found
}
