//! Numbers at or below which so many of a hundred stand.

/// Of the sorted numbers; none without numbers.
pub(crate) fn percentile(sorted: &[u64], percent: usize) -> Option<u64> {
    let last = sorted.len().checked_sub(1)?;
    sorted.get((last * percent).div_ceil(100)).copied()
}
