//! Calls sorted by their keys, as numbers.

use std::ops::Range;

use crate::calls::Calls;
use crate::linearizable::grouping::narrow;

/// Some of a history's calls, sorted by key; within one they keep the order of their starts.
#[derive(Clone, Debug, Default)]
pub(crate) struct ByKey {
    /// The keys in the order of their first calls, and where their calls stand.
    pub(crate) keys: Vec<(u32, Range<usize>)>,
    order: Vec<u32>,
}

impl ByKey {
    /// The calls for which `counts` says yes.
    ///
    /// **Cost**: linear; 4 bytes a call and 4 bytes a value.
    pub(crate) fn of(calls: &Calls, counts: impl Fn(u32) -> bool) -> Self {
        let mut places = vec![0_u32; calls.values.len()];
        let mut by_key = Self::default();
        let all = narrow(calls.len());
        for call in 0..all {
            if !counts(call) {
                continue;
            }
            let key = calls.key[call as usize];
            let place = &mut places[key as usize];
            if *place == 0 {
                by_key.keys.push((key, 0..0));
                *place = narrow(by_key.keys.len());
            }
            by_key.keys[*place as usize - 1].1.end += 1;
        }
        let mut start = 0;
        for (_, range) in &mut by_key.keys {
            let count = range.end;
            *range = start..start;
            start += count;
        }
        by_key.order = vec![0; start];
        for call in 0..all {
            if counts(call) {
                let place = places[calls.key[call as usize] as usize];
                let end = &mut by_key.keys[place as usize - 1].1.end;
                by_key.order[*end] = call;
                *end += 1;
            }
        }
        by_key
    }

    /// The calls of one key.
    pub(crate) fn calls(&self, range: &Range<usize>) -> &[u32] {
        &self.order[range.clone()]
    }
}

/// The number at or below which so many of a hundred stand; none without numbers.
pub(crate) fn quantile(sorted: &[u64], percent: usize) -> Option<u64> {
    let last = sorted.len().checked_sub(1)?;
    sorted.get((last * percent).div_ceil(100)).copied()
}
