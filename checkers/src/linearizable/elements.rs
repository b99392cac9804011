//! Sets asked for one element at a time: without search.
//!
//! Elements do not touch one another, so each is judged alone: one bit, absent at first. Adding
//! what is there and removing what is not changes nothing. With one add A and one remove R, the
//! reads that found the element (T) and those that did not (F) allow two orders:
//!
//! 1. R anywhere among some F, then A, then T; R may be missing;
//! 2. some F, then A, T, R, then the other F.
//!
//! Each is possible exactly if no call must come before one of an earlier group: a handful of
//! comparisons between the latest start of one group and the earliest end of another. In the
//! second order an F may be early or late; it fits nowhere exactly if it lies strictly inside
//! the time for which the element was certainly there. Without T the second order with
//! nothing in the middle serves as well. An element that is never removed may be added any
//! number of times: the first add counts.
//!
//! **Names**: "phantom-read" (an element that nobody added), "dirty-read" (whose adds all
//! failed), "future-read" (found before its add began), "stale-read" (missed although it was
//! there, or found although it was removed), "not-linearizable".
//!
//! **Source**: partition by element as in Horn and Kroening, "Faster linearizability checking
//! via P-compositionality", 2015; the blocks of one element after Gibbons and Korach, "Testing
//! shared memories", 1997.

mod alone;

use super::exact::{Contradiction, Exact, Finding, Row};
use super::grouping::{at, function, interleave, narrow, result, sorted_by_number, strange, word};
use crate::calls::{BEFORE, Calls, NEVER, NO_VALUE, Rank};
use crate::history::Kind;
use crate::history::dictionary::Interned;

/// Judges sets with `add`, `remove` and `contains`.
///
/// **Cost**: linear where the elements of a set have numbers close together, else that of
/// sorting; 12 bytes an operation.
#[derive(Clone, Copy, Debug)]
pub(super) struct Elements {
    add: u16,
    remove: u16,
    contains: u16,
    read_set: u16,
}

/// What a call does to a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ElementRole {
    Add,
    Remove,
    /// It found the element.
    Found,
    /// It did not.
    Missed,
    /// An add that had no effect: it explains what was found.
    FailedAdd,
    /// A read of the whole.
    Whole,
    /// It names an element that has no number.
    Pair,
}

use ElementRole::{Add, FailedAdd, Found, Missed, Pair, Remove, Whole};

impl Elements {
    pub(super) fn new(calls: &Calls) -> Self {
        Self {
            add: function(calls, "add"),
            remove: function(calls, "remove"),
            contains: function(calls, "contains"),
            read_set: function(calls, "read-set"),
        }
    }
}

impl Exact for Elements {
    type Role = ElementRole;

    #[inline]
    fn row(&self, calls: &Calls, call: u32) -> Result<Option<Row<ElementRole>>, String> {
        let place = call as usize;
        let outcome = calls.outcome[place];
        let f = calls.f[place];
        let role = if outcome == Kind::Fail {
            if f != self.add {
                return Ok(None);
            }
            FailedAdd
        } else if f == self.add {
            Add
        } else if f == self.remove {
            Remove
        } else if f == self.contains || f == self.read_set {
            if outcome != Kind::Ok {
                return Ok(None);
            }
            let seen = result(calls, call).map(|seen| calls.values.get(seen));
            match seen {
                Some(Interned::Bool(truth)) if f == self.contains => {
                    if truth {
                        Found
                    } else {
                        Missed
                    }
                }
                _ if f == self.contains => {
                    return Err("its result is neither true nor false".to_owned());
                }
                None | Some(Interned::List(_)) => Whole,
                Some(_) => return Err("its result is not a list of elements".to_owned()),
            }
        } else {
            return Err(strange(calls, call, "a set"));
        };
        let is_pair = calls.second[place] != NO_VALUE && role != Whole;
        Ok(Some(Row {
            begins: calls.begins[place],
            ends: calls.ends[place],
            a: calls.argument[place],
            b: calls.second[place],
            call,
            role: if is_pair && role != FailedAdd {
                Pair
            } else {
                role
            },
        }))
    }

    fn judge_alone(&self, calls: &Calls) -> Option<Finding> {
        alone::judge(self, calls)
    }

    fn judge(&self, calls: &Calls, rows: &[Row<ElementRole>]) -> Finding {
        let (mut reads, mut adds) = (false, false);
        let mut reason = None;
        for row in rows {
            match row.role {
                Found | Missed => reads = true,
                Add => adds = true,
                Whole => {
                    reason
                        .get_or_insert_with(|| "it is read whole as well as by element".to_owned());
                }
                Pair => {
                    reason.get_or_insert_with(|| "its elements are pairs".to_owned());
                }
                Remove | FailedAdd => {}
            }
        }
        let judge = Judge { calls, rows };
        for element in judge
            .elements()
            .chunk_by(|&one, &other| judge.is_same(one, other))
        {
            let known = Known::of(rows, element);
            match known.judge(rows, element) {
                Ok(Some(_)) => {}
                Ok(None) => {
                    reason.get_or_insert_with(|| {
                        let element = word(calls, rows[element[0] as usize].a);
                        format!("{element} is removed, and added or removed several times")
                    });
                }
                Err(trouble) => return Finding::Violated(judge.explain(element, trouble)),
            }
        }
        match reason {
            Some(reason) => Finding::Search(reason),
            None => Finding::Linearizable {
                power: reads && adds,
            },
        }
    }

    fn order(&self, calls: &Calls, rows: &[Row<ElementRole>]) -> Option<Vec<u32>> {
        let judge = Judge { calls, rows };
        let mut timed = Vec::with_capacity(rows.len());
        for element in judge
            .elements()
            .chunk_by(|&one, &other| judge.is_same(one, other))
        {
            let known = Known::of(rows, element);
            let order = known.judge(rows, element).ok()??;
            known.order(rows, element, order, &mut timed);
        }
        Some(interleave(timed))
    }
}

/// What is known of one element. Rows are places among all rows.
#[derive(Clone, Copy, Debug)]
struct Known {
    /// The add that began first, and how many there are.
    add: Option<u32>,
    adds: u32,
    remove: Option<u32>,
    removes: u32,
    /// The first end of an add that certainly happened.
    added: Rank,
    /// The first end and the last start of reads that found it.
    found: (Rank, Rank),
    /// The last start of a read that missed it.
    missed: Rank,
}

/// The order in which an element's calls are possible.
#[derive(Clone, Copy, Debug)]
enum Shape {
    /// The remove among what comes before the add, if it is there at all.
    RemoveFirst { remove: bool },
    /// The remove after the add; misses before or after.
    RemoveLast,
}

/// Why none is.
#[derive(Clone, Copy, Debug)]
enum Trouble {
    NobodyAdded,
    FoundTooEarly,
    /// Neither order is possible.
    Neither,
}

impl Known {
    #[inline]
    fn of(rows: &[Row<ElementRole>], element: &[u32]) -> Self {
        let mut known = Self {
            add: None,
            adds: 0,
            remove: None,
            removes: 0,
            added: NEVER,
            found: (NEVER, BEFORE),
            missed: BEFORE,
        };
        for &place in element {
            let row = &rows[place as usize];
            match row.role {
                Add => {
                    known.add.get_or_insert(place);
                    known.adds += 1;
                    known.added = known.added.min(row.ends);
                }
                Remove => {
                    known.remove.get_or_insert(place);
                    known.removes += 1;
                }
                Found => {
                    known.found.0 = known.found.0.min(row.ends);
                    known.found.1 = known.found.1.max(row.begins);
                }
                Missed => known.missed = known.missed.max(row.begins),
                FailedAdd | Whole | Pair => {}
            }
        }
        known
    }

    /// An order that is possible; none if that cannot be said.
    #[inline]
    fn judge(&self, rows: &[Row<ElementRole>], element: &[u32]) -> Result<Option<Shape>, Trouble> {
        let is_found = self.found.0 != NEVER;
        let Some(add) = self.add else {
            let shape = Shape::RemoveFirst { remove: true };
            return if is_found {
                Err(Trouble::NobodyAdded)
            } else {
                Ok(Some(shape))
            };
        };
        let add = &rows[add as usize];
        if is_found && add.begins > self.found.0 {
            return Err(Trouble::FoundTooEarly);
        }
        if self.removes > 1 || self.removes == 1 && self.adds > 1 {
            return Ok(None);
        }
        // All that must come after every miss.
        let present = self.added.min(self.found.0);
        let Some(remove) = self.remove.map(|remove| &rows[remove as usize]) else {
            let possible = self.missed <= present;
            let shape = Shape::RemoveFirst { remove: false };
            return if possible {
                Ok(Some(shape))
            } else {
                Err(Trouble::Neither)
            };
        };
        if self.missed <= present && (!remove.is_required() || remove.begins <= present) {
            let remove = remove.is_required();
            return Ok(Some(Shape::RemoveFirst { remove }));
        }
        let first = present.min(remove.ends);
        let last = add.begins.max(self.found.1).max(remove.begins);
        let inside = |&place: &u32| {
            let row = &rows[place as usize];
            row.role == Missed && row.begins > first && row.ends < last
        };
        let follows = add.begins <= remove.ends && self.found.1 <= remove.ends;
        if follows && (self.missed <= first || !element.iter().any(inside)) {
            Ok(Some(Shape::RemoveLast))
        } else {
            Err(Trouble::Neither)
        }
    }

    /// Adds the calls in that order, each with the latest start so far.
    fn order(
        &self,
        rows: &[Row<ElementRole>],
        element: &[u32],
        shape: Shape,
        timed: &mut Vec<(Rank, u32)>,
    ) {
        let start = self.add.map_or(BEFORE, |add| rows[add as usize].begins);
        let remove = self.remove.map(|remove| &rows[remove as usize]);
        let last = remove.map_or(NEVER, |row| row.begins.max(start).max(self.found.1));
        let group = |place: u32| {
            let row = &rows[place as usize];
            Some(match (row.role, shape) {
                (Add, _) if Some(place) == self.add => {
                    // One of unknown outcome that nobody saw is left out.
                    let seen = row.is_required() || self.found.0 != NEVER;
                    return seen.then_some(1);
                }
                (Add, _) if !row.is_required() => return None,
                (Add | Found, _) => 2,
                (Missed, Shape::RemoveLast) if row.ends >= last => 4,
                (Missed, _) => 0,
                (Remove, Shape::RemoveFirst { remove: true }) if !row.is_required() => return None,
                (Remove, Shape::RemoveFirst { remove: true }) => 0,
                (Remove, Shape::RemoveLast) => 3,
                (Remove, Shape::RemoveFirst { remove: false }) | (FailedAdd | Whole | Pair, _) => {
                    return None;
                }
            })
        };
        let mut latest = BEFORE;
        for wanted in 0..5 {
            for &place in element {
                if group(place) == Some(wanted) {
                    let row = &rows[place as usize];
                    latest = latest.max(row.begins);
                    timed.push((latest, row.call));
                }
            }
        }
    }
}

struct Judge<'a> {
    calls: &'a Calls,
    rows: &'a [Row<ElementRole>],
}

impl Judge<'_> {
    /// The places of the rows, element by element.
    fn elements(&self) -> Vec<u32> {
        let rows = self.rows.iter().enumerate();
        let of_one = rows.filter(|(_, row)| !matches!(row.role, Whole | Pair));
        sorted_by_number(of_one.map(|(place, row)| (row.a, narrow(place))))
    }

    fn is_same(&self, one: u32, other: u32) -> bool {
        self.rows[one as usize].a == self.rows[other as usize].a
    }

    fn explain(&self, element: &[u32], trouble: Trouble) -> Contradiction {
        let rows = self.rows;
        let row = |place: u32| &rows[place as usize];
        let value = word(self.calls, row(element[0]).a);
        let of = |role| {
            element
                .iter()
                .copied()
                .filter(move |&place| row(place).role == role)
        };
        let first_found = of(Found).min_by_key(|&place| row(place).ends);
        let time = |rank| at(self.calls, rank);
        let contradiction = |name, places: Vec<u32>, conclusion| Contradiction {
            name,
            calls: places.into_iter().map(|place| row(place).call).collect(),
            conclusion,
        };
        match (trouble, first_found) {
            (Trouble::NobodyAdded, Some(found)) => match of(FailedAdd).next() {
                Some(failed) => contradiction(
                    "dirty-read",
                    vec![failed, found],
                    format!("{value} was there although every add of it failed."),
                ),
                None => contradiction(
                    "phantom-read",
                    vec![found],
                    format!("{value} was there although nobody added it."),
                ),
            },
            (Trouble::FoundTooEarly, Some(found)) => {
                let add = of(Add).next().expect("it was added too late");
                contradiction(
                    "future-read",
                    vec![add, found],
                    format!(
                        "{value} was found, but its add began{} only after that.",
                        time(row(add).begins)
                    ),
                )
            }
            _ => self.neither(element, &value),
        }
    }

    /// The few calls that leave neither order.
    fn neither(&self, element: &[u32], value: &str) -> Contradiction {
        let rows = self.rows;
        let row = |place: u32| &rows[place as usize];
        let known = Known::of(rows, element);
        let of = |role| {
            element
                .iter()
                .copied()
                .filter(move |&place| row(place).role == role)
        };
        let add = of(Add).min_by_key(|&place| row(place).ends);
        let remove = known.remove.map(row);
        let first = known
            .added
            .min(known.found.0)
            .min(remove.map_or(NEVER, |row| row.ends));
        let begins = add.map_or(BEFORE, |add| row(add).begins);
        let last = remove.map_or(NEVER, |row| row.begins.max(begins).max(known.found.1));
        let inside = of(Missed).find(|&place| row(place).begins > first && row(place).ends < last);
        let mut proof: Vec<u32> = add
            .into_iter()
            .chain(known.add)
            .chain(known.remove)
            .collect();
        let reads = [
            of(Found).min_by_key(|&place| row(place).ends),
            of(Found).max_by_key(|&place| row(place).begins),
            of(Missed).max_by_key(|&place| row(place).begins),
            inside,
        ];
        proof.extend(reads.into_iter().flatten());
        proof.sort_unstable();
        proof.dedup();
        // A read may be missing as long as what is left is impossible.
        for read in proof.clone() {
            let without: Vec<u32> = proof
                .iter()
                .copied()
                .filter(|&other| other != read)
                .collect();
            let is_read = matches!(row(read).role, Found | Missed);
            if is_read && Known::of(rows, &without).judge(rows, &without).is_err() {
                proof = without;
            }
        }
        let has = |role| proof.iter().any(|&place| row(place).role == role);
        let time = |rank| at(self.calls, rank);
        let missed = proof
            .iter()
            .rev()
            .copied()
            .find(|&place| row(place).role == Missed);
        let found = proof
            .iter()
            .rev()
            .copied()
            .find(|&place| row(place).role == Found);
        let (name, conclusion) = match (missed, found, has(Remove)) {
            (Some(missed), _, removed) if first == known.added.min(known.found.0) => {
                let by = if removed {
                    ", and no remove of it had begun when that ended"
                } else {
                    ""
                };
                let name = if has(Found) && removed {
                    "not-linearizable"
                } else {
                    "stale-read"
                };
                let conclusion = format!(
                    "{value} was in the set{} before a read that missed it began{}{by}.",
                    time(first),
                    time(row(missed).begins)
                );
                (name, conclusion)
            }
            (None, Some(found), true) => (
                "stale-read",
                format!(
                    "{value} was added before its remove began{}, and that was over before a read \
                     that found it began{}.",
                    time(remove.map_or(BEFORE, |row| row.begins)),
                    time(row(found).begins)
                ),
            ),
            _ => (
                "not-linearizable",
                format!("{value} can have been removed neither before its add nor after it."),
            ),
        };
        let mut calls: Vec<u32> = proof.iter().map(|&place| row(place).call).collect();
        calls.sort_unstable();
        Contradiction {
            name,
            calls,
            conclusion,
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::RngExt;
    use rand_chacha::ChaCha8Rng;

    use super::super::search::oracle::{Made, int};
    use super::super::trial::Trial;
    use super::*;
    use crate::history::Value;
    use crate::model::Set;

    fn answer(state: &Set, call: &Made) -> Option<Value> {
        Some(match call.f {
            "contains" => Value::Bool(state.0.contains(&call.argument)),
            "read-set" => Value::List(state.0.iter().cloned().collect()),
            _ => call.argument.clone(),
        })
    }

    fn any(rng: &mut ChaCha8Rng, call: &Made) -> Value {
        match call.f {
            "contains" => Value::Bool(rng.random_bool(0.5)),
            "read-set" => Value::List(vec![int(1)]),
            _ => call.argument.clone(),
        }
    }

    fn trial(ask: fn(&mut ChaCha8Rng, i64) -> (&'static str, Value)) -> Trial<Set> {
        Trial {
            initial: Set::default(),
            ask,
            answer,
            any,
        }
    }

    /// Mostly one add and one remove of an element.
    fn once(rng: &mut ChaCha8Rng, count: i64) -> (&'static str, Value) {
        let element = int(count / 8 * 2 + i64::from(rng.random_bool(0.2)));
        match count % 8 {
            place if rng.random_bool(0.1) => (["add", "remove"][usize::from(place > 3)], element),
            0 | 1 if rng.random_bool(0.6) => ("add", int(count / 8 * 2 + count % 8)),
            2..=4 if rng.random_bool(0.35) => ("remove", int(count / 8 * 2 + count % 2)),
            _ => ("contains", element),
        }
    }

    #[test]
    fn elements_agree_with_brute_force() {
        let alone = trial(once).agrees("set by element", 1, Elements::new, 0.12);
        assert!(alone > 5_000, "{alone} without rows");
        let one = trial(|rng, _| match rng.random_range(0..9) {
            0 | 1 => ("add", int(0)),
            2 => ("remove", int(0)),
            _ => ("contains", int(0)),
        });
        one.agrees("one element", 4, Elements::new, 0.5);
        let never_removed = trial(|rng, _| match rng.random_range(0..7) {
            0..=2 => ("add", int(rng.random_range(0..2))),
            _ => ("contains", int(rng.random_range(0..2))),
        });
        never_removed.agrees("set that grows", 10, Elements::new, 0.0);
        let whole = trial(|rng, _| match rng.random_range(0..7) {
            0 | 1 => ("add", int(rng.random_range(0..2))),
            2 => ("read-set", Value::Nil),
            _ => ("contains", int(rng.random_range(0..2))),
        });
        whole.agrees("set read whole", 10, Elements::new, 0.8);
    }

    #[test]
    fn large_sets_have_orders() {
        let unique = trial(|rng, count| {
            let element = count / 12;
            match count % 12 {
                0 => ("add", int(element)),
                7 => ("remove", int(element)),
                _ => ("contains", int((element - rng.random_range(0..3)).max(0))),
            }
        });
        unique.agrees_at_large("set by element", Elements::new);
    }
}
