//! How long the nodes took to become equal.

use std::collections::BTreeMap;

use super::finals::Finals;
use super::object::{Object, begin, end};
use crate::calls::{BEFORE, Calls, NEVER, Rank};
use crate::history::Nanos;

/// Between which moments all nodes had come to hold for good what they hold in the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Settled {
    /// When the last change was over.
    pub(super) changed: Nanos,
    /// When the last read began that showed something else; none if none did after that.
    pub(super) last_other: Option<Nanos>,
    /// When on every node a read was over after which none showed anything else.
    pub(super) by: Nanos,
}

impl Settled {
    /// Of an object whose nodes are equal in the end; none if some change is of unknown outcome,
    /// or if there was none.
    ///
    /// **Cost**: linear in its reads.
    pub(super) fn of(calls: &Calls, object: &Object, finals: &Finals) -> Option<Self> {
        let (_, last) = finals.held.values().next()?;
        let changed = (object.changes.iter())
            .map(|change| end(calls, change.call))
            .max()?;
        if changed == NEVER || changed >= finals.began(calls) {
            return None;
        }
        let reads = object.reads.iter().chain(&object.finals);
        let mut reads: Vec<u32> = reads
            .copied()
            .filter(|&read| begin(calls, read) > changed)
            .collect();
        reads.sort_by_key(|&read| begin(calls, read));
        let mut last_other: Rank = BEFORE;
        // By node: the end of the first read since which none showed anything else.
        let mut agreed: BTreeMap<u16, Rank> = BTreeMap::new();
        for read in reads {
            let node = calls.node(read);
            if object.contents(calls, read) == *last {
                if let Some(node) = node {
                    let since = agreed.entry(node).or_insert(NEVER);
                    *since = (*since).min(end(calls, read));
                }
            } else {
                last_other = last_other.max(begin(calls, read));
                if let Some(node) = node {
                    agreed.insert(node, NEVER);
                }
            }
        }
        let by = finals.held.keys().map(|node| agreed.get(node).copied());
        let by = by.map(|since| since.unwrap_or(NEVER)).max()?;
        (by != NEVER).then(|| Self {
            changed: calls.time(changed),
            last_other: (last_other != BEFORE).then(|| calls.time(last_other)),
            by: calls.time(by),
        })
    }

    /// How long after this moment, at least and at most.
    pub(super) fn after(&self, moment: Nanos) -> (Nanos, Nanos) {
        let least = self.last_other.unwrap_or(0).saturating_sub(moment);
        (least, self.by.saturating_sub(moment))
    }
}
