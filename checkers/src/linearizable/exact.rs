//! What the near-linear algorithms share: calls sorted by object, and what is found of one.
//!
//! A new one implements [`Exact`] in a file of its own.

use std::collections::BTreeMap;
use std::ops::Range;

use super::infer::Ignored;
use super::parts::{Found, Parts, Rows};
use crate::calls::{Calls, NEVER, Rank};
use crate::history::Value;
use crate::{Anomaly, explain};

/// A call as an algorithm sees it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row<R> {
    pub(super) begins: Rank,
    /// [`NEVER`] if its outcome is unknown: it may have taken effect, or not.
    pub(super) ends: Rank,
    /// Its value, by number.
    pub(super) a: u32,
    /// Its second value, where it has one.
    pub(super) b: u32,
    /// Its number among all calls.
    pub(super) call: u32,
    pub(super) role: R,
}

impl<R> Row<R> {
    /// Whether it certainly took effect.
    pub(super) fn is_required(&self) -> bool {
        self.ends != NEVER
    }
}

/// What was found of one object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Finding {
    /// There is a legal order; whether anything was there that could have contradicted it.
    Linearizable { power: bool },
    /// There is none.
    Violated(Contradiction),
    /// There is none; another algorithm says why.
    Contradicted,
    /// The algorithm does not apply, for this reason; the general search does.
    Search(String),
    /// Something cannot be read.
    Unreadable(String),
}

/// Why there is no legal order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Contradiction {
    /// The literature's word.
    pub(super) name: &'static str,
    /// The calls that prove it, by number, as few as do.
    pub(super) calls: Vec<u32>,
    /// One sentence: what cannot be.
    pub(super) conclusion: String,
}

impl Contradiction {
    /// With its calls in words, and the time at which the last of them was over.
    pub(super) fn told(&self, calls: &Calls, key: &Value) -> (u64, Anomaly) {
        let ops: Vec<_> = self.calls.iter().map(|&call| calls.ops(call)).collect();
        let ops: Vec<_> = ops.iter().map(|ops| calls.call(ops)).collect();
        let ops: Vec<_> = ops.iter().collect();
        explain::anomaly(self.name, key, &ops, self.conclusion.clone())
    }
}

/// An exact algorithm that needs no search.
pub(super) trait Exact: Sync {
    /// What a call does to the object.
    type Role: Copy + Send + Sync;

    /// The call, unless it constrains nothing.
    ///
    /// # Errors
    ///
    /// Why it cannot be read.
    fn row(&self, calls: &Calls, call: u32) -> Result<Option<Row<Self::Role>>, String>;

    /// Judges the only object of a history straight from the columns; none if its rows are
    /// needed.
    fn judge_alone(&self, _calls: &Calls) -> Option<Finding> {
        None
    }

    /// Judges many objects that were dealt into parts, by their rows or by smaller
    /// [pieces](super::parts::Pieces).
    fn judge_parts(&self, parts: &Parts<'_>) -> Found
    where
        Self: Sized,
    {
        parts.judge(&Rows(self))
    }

    /// Judges one object; its rows stand in the order of their starts.
    fn judge(&self, calls: &Calls, rows: &[Row<Self::Role>]) -> Finding;

    /// A legal order of one object that [`judge`](Self::judge) found linearizable: its calls by
    /// number, all required ones and those of unknown outcome that must have taken effect. None
    /// if only a search can tell.
    fn order(&self, calls: &Calls, rows: &[Row<Self::Role>]) -> Option<Vec<u32>>;
}

/// Rows sorted by object; within one they keep the order of their starts.
pub(super) struct ByKey<R> {
    pub(super) rows: Vec<Row<R>>,
    /// The objects, in the order of their first calls: number of the key, and where its rows
    /// stand.
    pub(super) keys: Vec<(u32, Range<usize>)>,
    /// Objects of which something cannot be read, and what.
    pub(super) unreadable: BTreeMap<u32, String>,
}

/// Sorts the calls of those objects by object that `mine` says yes to.
///
/// **Cost**: linear, 24 bytes a call of these objects.
pub(super) fn by_key<E: Exact>(
    exact: &E,
    calls: &Calls,
    mine: impl Fn(u32) -> bool,
) -> ByKey<E::Role> {
    let mut by_key = ByKey {
        rows: Vec::new(),
        keys: Vec::new(),
        unreadable: BTreeMap::new(),
    };
    // For each number of a key: one more than its place.
    let mut places = vec![0_u32; calls.values.len()];
    let mut counts: Vec<(u32, usize)> = Vec::new();
    let mut filler = None;
    let ignored = Ignored::of(calls);
    for (call, &key) in (0..).zip(&calls.key) {
        if !mine(key) || ignored.is(calls, call) {
            continue;
        }
        match exact.row(calls, call) {
            Ok(None) => continue,
            Ok(row) => filler = filler.or(row),
            Err(reason) => {
                by_key.unreadable.entry(key).or_insert(reason);
                continue;
            }
        }
        let place = &mut places[key as usize];
        if *place == 0 {
            counts.push((key, 0));
            *place = narrow(counts.len());
        }
        counts[*place as usize - 1].1 += 1;
    }
    let Some(filler) = filler else {
        return by_key;
    };
    let mut sum = 0;
    for (key, count) in &counts {
        by_key.keys.push((*key, sum..sum));
        sum += count;
    }
    by_key.rows.resize(sum, filler);
    for (call, &key) in (0..).zip(&calls.key) {
        let Some(place) = places[key as usize].checked_sub(1) else {
            continue;
        };
        if let Ok(Some(row)) = exact.row(calls, call)
            && !ignored.is(calls, call)
        {
            let range = &mut by_key.keys[place as usize].1;
            by_key.rows[range.end] = row;
            range.end += 1;
        }
    }
    by_key
}

fn narrow(number: usize) -> u32 {
    u32::try_from(number).expect("calls are numbered with 32 bits")
}

#[cfg(test)]
pub(super) mod oracle {
    //! Near-linear algorithms against the brute-force judge of the general search.

    use super::{Exact, Finding, by_key};
    use crate::calls::Calls;
    use crate::linearizable::search::Item;
    use crate::linearizable::search::oracle::{Made, history, possible};
    use crate::model::Model;

    /// How many random histories to try: as many as `SCHISM_SOAK_SEEDS` says, or `usual`.
    pub(in crate::linearizable) fn seeds(usual: u64) -> u64 {
        let told = std::env::var("SCHISM_SOAK_SEEDS").ok();
        told.and_then(|seeds| seeds.parse().ok()).unwrap_or(usual)
    }

    /// Judges the calls, all of one object, both ways: whether they are linearizable, or none
    /// if the algorithm does not apply. Where it gives an order, that order is replayed.
    pub(in crate::linearizable) fn agree<E: Exact, M: Model>(
        exact: impl Fn(&Calls) -> E,
        initial: &M,
        made: &[Made],
    ) -> Option<bool> {
        let items: Vec<Item<M::Call>> = made.iter().filter_map(Made::item::<M>).collect();
        let truth = possible(&items, initial);
        let history = history(made);
        let calls = Calls::of(&history);
        let exact = exact(&calls);
        let objects = by_key(&exact, &calls, |_| true);
        let finding = match objects.keys.first() {
            None => Finding::Linearizable { power: false },
            Some((_, range)) => exact.judge(&calls, &objects.rows[range.clone()]),
        };
        if let Some(alone) = exact.judge_alone(&calls)
            && !objects.keys.is_empty()
        {
            let same = std::mem::discriminant(&alone) == std::mem::discriminant(&finding);
            assert!(same, "{alone:?} alone, {finding:?} by rows: {made:#?}");
        }
        match &finding {
            Finding::Search(_) => return None,
            Finding::Unreadable(reason) => panic!("unreadable: {reason}: {made:#?}"),
            Finding::Linearizable { .. } => {
                assert!(truth, "a miss: {made:#?}");
                if let Some(order) = exact.order(&calls, &objects.rows) {
                    replay(&calls, &order, initial, made);
                }
            }
            Finding::Contradicted => assert!(!truth, "a false alarm: {made:#?}"),
            Finding::Violated(contradiction) => {
                assert!(!truth, "a false alarm, {contradiction:?}: {made:#?}");
                assert!(!contradiction.calls.is_empty(), "no evidence");
            }
        }
        Some(truth)
    }

    /// Whether an order is legal, keeps real time and leaves out nothing that happened.
    fn replay<M: Model>(calls: &Calls, order: &[u32], initial: &M, made: &[Made]) {
        let mut state = initial.clone();
        let mut latest = 0;
        for &call in order {
            let ops = calls.ops(call);
            let told = || format!("{order:?} is no order: {made:#?}");
            assert!(calls.ends[call as usize] >= latest, "too late: {}", told());
            latest = latest.max(calls.begins[call as usize]);
            let seen = calls.call(&ops);
            let decoded = M::decode(&seen).expect("it can be read");
            if let Some(decoded) = decoded {
                state = state
                    .step(&decoded)
                    .unwrap_or_else(|| panic!("illegal: {}", told()));
            }
        }
        let mut sorted = order.to_vec();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(sorted.len(), order.len(), "twice: {order:?}: {made:#?}");
        for call in 0..u32::try_from(calls.len()).expect("few") {
            let ops = calls.ops(call);
            let seen = calls.call(&ops);
            let matters = M::decode(&seen).expect("it can be read").is_some();
            let required = calls.ends[call as usize] != crate::calls::NEVER;
            assert!(
                !(matters && required) || sorted.binary_search(&call).is_ok(),
                "left out {call}: {order:?}: {made:#?}"
            );
        }
    }
}
