//! Numbers that must rise along real time: one sweep.

/// By `by` it was certain that an object had had `value`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Evidence {
    pub(super) object: u32,
    /// A time; what is certain only after the end of time is no evidence.
    pub(super) by: u64,
    pub(super) value: i64,
    pub(super) call: u32,
}

/// What began at `begins` has `value`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Later {
    pub(super) object: u32,
    pub(super) begins: u64,
    pub(super) value: i64,
    pub(super) call: u32,
}

/// Hands to `each` what has the value of another of its object, with the first that has it.
///
/// **Cost**: O(n log n).
pub(super) fn repeated(all: &[Later], mut each: impl FnMut(&Later, &Later)) {
    let mut order: Vec<(u32, i64, u32, usize)> = Vec::with_capacity(all.len());
    let numbered = all.iter().enumerate();
    order.extend(numbered.map(|(place, one)| (one.object, one.value, one.call, place)));
    order.sort_unstable();
    for same in order.chunk_by(|one, other| (one.0, one.1) == (other.0, other.1)) {
        for again in &same[1..] {
            each(&all[same[0].3], &all[again.3]);
        }
    }
}

/// Hands to `each` what began later with the highest evidence that was certain strictly
/// before, if there is any; in the order of the beginnings.
///
/// **Cost**: O(n log n).
pub(super) fn sweep(
    mut evidence: Vec<Evidence>,
    mut later: Vec<Later>,
    mut each: impl FnMut(&Evidence, &Later),
) {
    evidence.sort_unstable_by_key(|evidence| (evidence.by, evidence.call));
    later.sort_by_key(|later| later.begins);
    let objects = evidence.iter().map(|evidence| evidence.object).max();
    let mut highest: Vec<Option<Evidence>> = vec![None; objects.map_or(0, |o| o as usize + 1)];
    let mut evidence = evidence.into_iter().peekable();
    for later in &later {
        while let Some(sooner) = evidence.next_if(|sooner| sooner.by < later.begins) {
            let highest = &mut highest[sooner.object as usize];
            if highest.is_none_or(|highest| sooner.value > highest.value) {
                *highest = Some(sooner);
            }
        }
        if let Some(Some(highest)) = highest.get(later.object as usize) {
            each(highest, later);
        }
    }
}
