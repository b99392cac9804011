//! Lists that are only appended to and read whole: without search.
//!
//! If the elements are different, the longest result tells the order of the appends that it
//! shows, and every other result must be a prefix of it. So everything is in a forced order up
//! to harmless swaps: an append, the reads that returned the list up to there, the next append,
//! and so on; appends that no read shows come last. The list is linearizable exactly if no call
//! must come before an earlier one of that order.
//!
//! An append of unknown outcome that no read shows is left out.
//!
//! **Names**: "incompatible-order" (a result is no prefix of a longer one), "stale-read",
//! "future-read", "duplicate-element", "phantom-read", "dirty-read", "not-linearizable".
//!
//! **Source**: prefixes as the order of versions are those of Kingsbury and Alvaro, "Elle",
//! 2020.
use super::exact::{Contradiction, Exact, Finding, Row};
use super::grouping::{
    Places, add_once, at, function, low_half, narrow, pack, result, sorted_by_number, strange, word,
};
use crate::calls::{Calls, NO_VALUE};
use crate::history::Kind;
use crate::history::dictionary::{Interned, NIL};

/// Judges lists with `append` and `read`.
///
/// **Cost**: linear in operations, and in elements of different results, which are compared
/// with one another; at most 24 bytes an operation.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lists {
    append: u16,
    read: u16,
}

/// What a call does to a list; the row's value is an element, or the number of a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ListRole {
    Append,
    /// It had no effect: it explains what was seen.
    FailedAppend,
    Read,
    /// It has to do with a value that has no number.
    Pair,
}

use ListRole::{Append, FailedAppend, Pair, Read};

impl Lists {
    pub(super) fn new(calls: &Calls) -> Self {
        Self {
            append: function(calls, "append"),
            read: function(calls, "read"),
        }
    }
}

impl Exact for Lists {
    type Role = ListRole;

    #[inline]
    fn row(&self, calls: &Calls, call: u32) -> Result<Option<Row<ListRole>>, String> {
        let place = call as usize;
        let outcome = calls.outcome[place];
        let f = calls.f[place];
        let mut a = calls.argument[place];
        let is_pair = calls.second[place] != NO_VALUE;
        let role = if f == self.append {
            match outcome {
                Kind::Fail if is_pair => return Ok(None),
                Kind::Fail => FailedAppend,
                _ if is_pair => Pair,
                _ => Append,
            }
        } else if outcome == Kind::Fail || f == self.read && outcome != Kind::Ok {
            return Ok(None);
        } else if f == self.read {
            match result(calls, call).map(|seen| (seen, calls.values.get(seen))) {
                None => Pair,
                // Nil is the empty list.
                Some((_, Interned::List([]) | Interned::Nil)) => {
                    a = NIL;
                    Read
                }
                Some((seen, Interned::List(_))) => {
                    a = seen;
                    Read
                }
                Some(_) => return Err("its result is not a list of elements".to_owned()),
            }
        } else {
            return Err(strange(calls, call, "a list"));
        };
        Ok(Some(Row {
            begins: calls.begins[place],
            ends: calls.ends[place],
            a,
            b: 0,
            call,
            role,
        }))
    }

    fn judge(&self, calls: &Calls, rows: &[Row<ListRole>]) -> Finding {
        match (Judge { calls, rows }).walk(|_| {}) {
            Ok(()) => Finding::Linearizable {
                power: rows.iter().any(|row| row.role == Read)
                    && rows.iter().any(|row| row.role == Append),
            },
            Err(finding) => *finding,
        }
    }

    fn order(&self, calls: &Calls, rows: &[Row<ListRole>]) -> Option<Vec<u32>> {
        let mut order = Vec::with_capacity(rows.len());
        let judge = Judge { calls, rows };
        judge
            .walk(|place| order.push(rows[place as usize].call))
            .ok()?;
        Some(order)
    }
}

/// No row.
const NOBODY: u32 = u32::MAX;

struct Judge<'a> {
    calls: &'a Calls,
    rows: &'a [Row<ListRole>],
}

impl<'a> Judge<'a> {
    fn of(&self, role: ListRole) -> impl Iterator<Item = (u32, u32)> + Clone {
        let rows = self.rows.iter().enumerate();
        rows.filter(move |(_, row)| row.role == role)
            .map(|(place, row)| (row.a, narrow(place)))
    }

    fn items(&self, list: u32) -> &'a [u32] {
        match self.calls.values.get(list) {
            Interned::List(items) => items,
            _ => &[],
        }
    }

    fn call(&self, place: u32) -> u32 {
        self.rows[place as usize].call
    }

    /// Goes through the calls in their forced order; what is found if that is none.
    fn walk(&self, mut happens: impl FnMut(u32)) -> Result<(), Box<Finding>> {
        let rows = self.rows;
        if rows.iter().any(|row| row.role == Pair) {
            return Err(Box::new(Finding::Search(
                "its elements are pairs".to_owned(),
            )));
        }
        let violated = |contradiction| Err(Box::new(Finding::Violated(contradiction)));
        let (appends, repeated) = Places::of(self.of(Append));
        let reads = sorted_by_number(self.of(Read));
        let mut lists: Vec<u64> = Vec::new();
        let mut start = 0;
        for list in reads.chunk_by(|&one, &other| rows[one as usize].a == rows[other as usize].a) {
            let size = self.items(rows[list[0] as usize].a).len();
            lists.push(pack(narrow(size), start));
            start += narrow(list.len());
        }
        lists.sort_unstable();
        let mut previous: &[u32] = &[];
        let mut other = NOBODY;
        for &list in &lists {
            let read = reads[low_half(list) as usize];
            let items = self.items(rows[read as usize].a);
            if !items.starts_with(previous) {
                return violated(self.incompatible(other, read, previous, items));
            }
            (previous, other) = (items, read);
        }
        if let Some(&item) = previous.iter().find(|&&item| appends.find(item).is_none()) {
            let shows = |&&list: &&u64| {
                self.items(rows[reads[low_half(list) as usize] as usize].a)
                    .contains(&item)
            };
            let list = lists.iter().find(shows).expect("the longest shows it");
            return violated(self.unknown(item, reads[low_half(*list) as usize]));
        }
        if let Some((one, _)) = repeated {
            let element = word(self.calls, rows[one as usize].a);
            let reason = format!("{element} may have been appended several times");
            return Err(Box::new(Finding::Search(reason)));
        }
        let mut is_shown = vec![false; rows.len()];
        // The call that began last so far.
        let mut latest = NOBODY;
        let mut shown = 0;
        let mut visit = |place: u32, read: u32| {
            let row = &rows[place as usize];
            let before = rows.get(latest as usize);
            if before.is_some_and(|before| row.ends < before.begins) {
                return violated(self.out_of_order(place, latest, read));
            }
            if before.is_none_or(|before| row.begins > before.begins) {
                latest = place;
            }
            happens(place);
            Ok(())
        };
        for &list in &lists {
            let first = low_half(list) as usize;
            let value = rows[reads[first] as usize].a;
            let items = self.items(value);
            for &item in &items[shown..] {
                let append = appends.find(item).expect("it was looked for before");
                if std::mem::replace(&mut is_shown[append as usize], true) {
                    return violated(Contradiction {
                        name: "duplicate-element",
                        calls: vec![self.call(append), self.call(reads[first])],
                        conclusion: format!("it returned {} twice.", word(self.calls, item)),
                    });
                }
                visit(append, reads[first])?;
            }
            shown = items.len();
            let same = |&&read: &&u32| rows[read as usize].a == value;
            for &read in reads[first..].iter().take_while(same) {
                visit(read, read)?;
            }
        }
        for (place, row) in rows.iter().enumerate() {
            if row.role == Append && row.is_required() && !is_shown[place] {
                visit(narrow(place), other)?;
            }
        }
        Ok(())
    }

    fn incompatible(&self, one: u32, other: u32, short: &[u32], long: &[u32]) -> Contradiction {
        let differs = short.iter().zip(long).position(|(one, other)| one != other);
        let place = differs.expect("the longer one does not begin with the shorter");
        Contradiction {
            name: "incompatible-order",
            calls: vec![self.call(one), self.call(other)],
            conclusion: format!(
                "at place {}, one has {} and the other {}; elements are only appended.",
                place + 1,
                word(self.calls, short[place]),
                word(self.calls, long[place])
            ),
        }
    }

    /// A read shows what nobody can have appended.
    fn unknown(&self, item: u32, read: u32) -> Contradiction {
        let failed = self.of(FailedAppend).find(|(element, _)| *element == item);
        let element = word(self.calls, item);
        match failed {
            Some((_, failed)) => Contradiction {
                name: "dirty-read",
                calls: vec![self.call(failed), self.call(read)],
                conclusion: format!("it returned {element} although every append of it failed."),
            },
            None => Contradiction {
                name: "phantom-read",
                calls: vec![self.call(read)],
                conclusion: format!("it returned {element}, which nobody appended."),
            },
        }
    }

    /// The first was over before the second began, but must come after it, as the read tells.
    fn out_of_order(&self, early: u32, late: u32, read: u32) -> Contradiction {
        let (one, other) = (&self.rows[early as usize], &self.rows[late as usize]);
        let time = |rank| at(self.calls, rank);
        let value = |row: &Row<ListRole>| word(self.calls, row.a);
        let mut proof = vec![one.call, other.call];
        let (name, conclusion) = match (one.role, other.role) {
            (Append, Read) => {
                // If a longer read shows it, the place is told by that; the lack is enough.
                (
                    "stale-read",
                    format!(
                        "the read lacks {}, acknowledged{} before it began{}.",
                        value(one),
                        time(one.ends),
                        time(other.begins)
                    ),
                )
            }
            (Read, Read) => (
                "stale-read",
                "the later read lacks elements that the earlier one returned.".to_owned(),
            ),
            (Read, _) => (
                "future-read",
                format!(
                    "the read has {}, whose append began{} only after it.",
                    value(other),
                    time(other.begins)
                ),
            ),
            _ => {
                add_once(&mut proof, self.call(read));
                let (later, earlier) = (value(one), value(other));
                (
                    "not-linearizable",
                    format!(
                        "a read tells that {earlier} came before {later}, which was acknowledged{} \
                         before the append of {earlier} began{}.",
                        time(one.ends),
                        time(other.begins)
                    ),
                )
            }
        };
        Contradiction {
            name,
            calls: proof,
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
    use crate::model::AppendList;

    fn answer(state: &AppendList, call: &Made) -> Option<Value> {
        Some(match call.f {
            "append" => call.argument.clone(),
            _ if state.0.is_empty() && call.begins.is_multiple_of(2) => Value::Nil,
            _ => Value::List(state.0.clone()),
        })
    }

    fn any(rng: &mut ChaCha8Rng, call: &Made) -> Value {
        if call.f == "append" {
            return call.argument.clone();
        }
        let mut elements = call.result.as_list().unwrap_or_default().to_vec();
        match rng.random_range(0..5) {
            0 => elements.push(int(rng.random_range(0..6))),
            1 => elements.reverse(),
            _ => {
                elements.pop();
            }
        }
        Value::List(elements)
    }

    fn trial(ask: fn(&mut ChaCha8Rng, i64) -> (&'static str, Value)) -> Trial<AppendList> {
        Trial {
            initial: AppendList::default(),
            ask,
            answer,
            any,
        }
    }

    #[test]
    fn lists_agree_with_brute_force() {
        let unique = trial(|rng, count| match rng.random_range(0..2) {
            0 => ("append", int(count)),
            _ => ("read", Value::Nil),
        });
        unique.agrees("list", 1, Lists::new, 0.0);
        unique.agrees_at_large("list", Lists::new);
        let repeated = trial(|rng, _| match rng.random_range(0..2) {
            0 => ("append", int(rng.random_range(0..5))),
            _ => ("read", Value::Nil),
        });
        repeated.agrees("list with repeats", 10, Lists::new, 0.6);
    }
}
