//! Ids that are given out once: without search.
//!
//! Nothing but the ids counts: two calls with one id contradict in any order.
//!
//! **Names**: "duplicate-id".
use super::exact::{Contradiction, Exact, Finding, Row};
use super::grouping::{function, high_half, low_half, narrow, pack, result, strange, word};
use crate::calls::Calls;
use crate::history::Kind;

/// Judges `generate` → id.
///
/// **Cost**: linear where the ids of a key have numbers close together, else that of sorting;
/// at most 8 bytes an operation.
#[derive(Clone, Copy, Debug)]
pub(super) struct UniqueIds {
    generate: u16,
}

impl UniqueIds {
    pub(super) fn new(calls: &Calls) -> Self {
        Self {
            generate: function(calls, "generate"),
        }
    }
}

/// Whether the id is one value: a pair may have no number of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum IdRole {
    Id,
    Pair,
}

impl Exact for UniqueIds {
    type Role = IdRole;

    #[inline]
    fn row(&self, calls: &Calls, call: u32) -> Result<Option<Row<IdRole>>, String> {
        let place = call as usize;
        if calls.f[place] != self.generate {
            return Err(strange(calls, call, "a giver of ids"));
        }
        if calls.outcome[place] != Kind::Ok {
            return Ok(None);
        }
        let id = result(calls, call);
        Ok(Some(Row {
            begins: calls.begins[place],
            ends: calls.ends[place],
            a: id.unwrap_or(0),
            b: 0,
            call,
            role: if id.is_some() {
                IdRole::Id
            } else {
                IdRole::Pair
            },
        }))
    }

    fn judge(&self, calls: &Calls, rows: &[Row<IdRole>]) -> Finding {
        if rows.iter().any(|row| row.role == IdRole::Pair) {
            return Finding::Search("what it was asked and what it answered are pairs".to_owned());
        }
        match twice(rows) {
            None => Finding::Linearizable {
                power: rows.len() > 1,
            },
            Some(id) => {
                let those = rows.iter().filter(|row| row.a == id);
                Finding::Violated(Contradiction {
                    name: "duplicate-id",
                    calls: those.take(2).map(|row| row.call).collect(),
                    conclusion: format!("{} was given out twice.", word(calls, id)),
                })
            }
        }
    }

    fn order(&self, _calls: &Calls, rows: &[Row<IdRole>]) -> Option<Vec<u32>> {
        Some(rows.iter().map(|row| row.call).collect())
    }
}

/// An id that was given out twice: the one that was so first.
fn twice(rows: &[Row<IdRole>]) -> Option<u32> {
    let low = rows.iter().map(|row| row.a).min()?;
    let high = rows.iter().map(|row| row.a).max()?;
    let width = (high - low) as usize + 1;
    if width <= rows.len() * 64 {
        let mut seen = vec![0_u64; width.div_ceil(64)];
        let repeated = rows.iter().find(|row| {
            let place = row.a - low;
            let word = &mut seen[place as usize / 64];
            let bit = 1 << (place % 64);
            let was_there = *word & bit != 0;
            *word |= bit;
            was_there
        });
        return repeated.map(|row| row.a);
    }
    let ids = rows.iter().enumerate();
    let mut ids: Vec<u64> = ids.map(|(place, row)| pack(row.a, narrow(place))).collect();
    ids.sort_unstable();
    let twice = ids
        .windows(2)
        .filter(|pair| high_half(pair[0]) == high_half(pair[1]));
    let first = twice.min_by_key(|pair| low_half(pair[1]))?;
    Some(high_half(first[0]))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use rand::RngExt;
    use rand_chacha::ChaCha8Rng;

    use super::super::search::oracle::{Made, int};
    use super::super::trial::Trial;
    use super::*;
    use crate::history::{Call, Value};
    use crate::model::{Model, UniqueId};

    /// All ids of a key at once.
    #[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
    struct Ids(BTreeSet<Value>);

    impl Model for Ids {
        type Call = Value;

        fn decode(call: &Call<'_>) -> Result<Option<Value>, String> {
            let decoded = UniqueId::decode(call)?;
            Ok(decoded.and(call.complete.map(|op| op.value.clone())))
        }

        fn step(&self, id: &Value) -> Option<Self> {
            let mut next = self.clone();
            next.0.insert(id.clone()).then_some(next)
        }
    }

    #[test]
    fn ids_agree_with_brute_force() {
        fn fresh(state: &Ids, _: &Made) -> Option<Value> {
            Some(int(i64::try_from(state.0.len()).ok()? * 7 % 1000))
        }
        fn any(rng: &mut ChaCha8Rng, _: &Made) -> Value {
            let far = if rng.random_bool(0.5) { 1 } else { 100 };
            int(rng.random_range(0..5) * far)
        }
        let trial = Trial {
            initial: Ids::default(),
            ask: |_, _| ("generate", Value::Nil),
            answer: fresh,
            any,
        };
        trial.agrees("ids", 1, UniqueIds::new, 0.0);
    }
}
