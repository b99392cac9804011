//! How long acknowledged writes were missed by reads that began later.

use super::register::{NOBODY, Register, unpack};
use crate::by_key::narrow;
use crate::calls::{BEFORE, Calls, Rank};
use crate::history::Kind;

/// The lags of all writes that reads could have missed; those of none are only counted.
#[derive(Clone, Debug, Default)]
pub(super) struct Visible {
    /// Acknowledged writes after whose end some read of their register began.
    pub(super) tested: usize,
    /// Acknowledged writes after which nobody read.
    pub(super) untested: usize,
    /// Certain lags above zero, in nanoseconds.
    pub(super) certain: Vec<u64>,
    /// Possible lags above zero, in nanoseconds.
    pub(super) possible: Vec<u64>,
}

impl Visible {
    /// Adds the writes of one register, of which the last read began then.
    ///
    /// **Cost**: linear in its values.
    pub(super) fn add(&mut self, calls: &Calls, register: &Register, last_read: Rank) {
        let versions = &register.versions;
        // The latest reads that may have missed each: of values that are not certainly newer.
        let mut missed = vec![BEFORE; versions.len()];
        let (mut first, mut second) = ((BEFORE, NOBODY), BEFORE);
        let mut next = 0;
        for &packed in &register.by_f {
            let (_, place) = unpack(packed);
            while next < register.after[place as usize].newer as usize {
                let asked = versions[next].last_asked;
                if asked > first.0 {
                    second = first.0;
                    first = (asked, narrow(next));
                } else {
                    second = second.max(asked);
                }
                next += 1;
            }
            missed[place as usize] = if first.1 == place { second } else { first.0 };
        }
        // The latest reads that certainly missed it: of values that are certainly older.
        let mut certainly = BEFORE;
        next = 0;
        let older = register.before.iter().map(|before| before.older);
        for ((version, missed), older) in versions.iter().zip(missed).zip(older) {
            while next < older as usize {
                let (_, place) = unpack(register.by_f[next]);
                certainly = certainly.max(versions[place as usize].last_asked);
                next += 1;
            }
            let writer = version.writer as usize;
            if version.writer == NOBODY || calls.outcome[writer] != Kind::Ok {
                continue;
            }
            let end = calls.ends[writer];
            if last_read <= end {
                self.untested += 1;
                continue;
            }
            self.tested += 1;
            let after = |rank: Rank| (rank > end).then(|| calls.time(rank) - calls.time(end));
            self.certain.extend(after(certainly));
            self.possible.extend(after(missed));
        }
    }

    pub(super) fn merge(&mut self, other: Self) {
        self.tested += other.tested;
        self.untested += other.untested;
        self.certain.extend(other.certain);
        self.possible.extend(other.possible);
    }

    /// The smallest lag that at least so many thousandths of the tested writes do not exceed;
    /// `lags` are those above zero, sorted.
    pub(super) fn quantile(&self, lags: &[u64], permille: usize) -> u64 {
        let place = (self.tested * permille).div_ceil(1_000);
        let zeros = self.tested - lags.len();
        place
            .checked_sub(zeros + 1)
            .and_then(|place| lags.get(place).copied())
            .unwrap_or(0)
    }
}
