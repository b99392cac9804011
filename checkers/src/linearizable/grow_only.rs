//! Grow-only sets that are read whole: without search.
//!
//! In a legal sequence every read sees what earlier reads saw, so the distinct results form a
//! chain under inclusion, and the order of everything is forced up to harmless swaps: the adds
//! of what the smallest result holds, the reads that returned it, the adds of what the next
//! result adds, its reads, and so on; adds that no read shows come last. The set is
//! linearizable exactly if no call must come before one of an earlier group.
//!
//! An add of unknown outcome that no read shows is left out. An element that may have been
//! added twice is for the general search, unless the reads contradict one another.
//!
//! **Names**: "stale-read", "future-read", "incomparable-reads", "duplicate-element",
//! "phantom-read", "dirty-read", "not-linearizable".
use super::exact::{Contradiction, Exact, Finding, Row};
use super::grouping::{
    Places, at, function, low_half, narrow, pack, result, sorted_by_number, strange, word,
};
use crate::calls::{BEFORE, Calls, NEVER, NO_VALUE, Rank};
use crate::history::Kind;
use crate::history::dictionary::Interned;

/// Judges sets with `add` and `read-set` or `read`.
///
/// **Cost**: linear in operations and in elements of different results; equal results are
/// looked at once, and one that begins with the one before it is only compared with it up to
/// there. At most 24 bytes an operation if no more than half of them are reads.
#[derive(Clone, Copy, Debug)]
pub(super) struct GrowOnly {
    add: u16,
    remove: u16,
    contains: u16,
    read_set: u16,
    read: u16,
}

/// What a call does to a set; the row's value is an element, or the number of a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum GrowRole {
    Add,
    /// It had no effect: it explains what was seen.
    FailedAdd,
    Read,
    /// It is not judged here.
    Other,
}

use GrowRole::{Add, FailedAdd, Other, Read};

impl GrowOnly {
    pub(super) fn new(calls: &Calls) -> Self {
        Self {
            add: function(calls, "add"),
            remove: function(calls, "remove"),
            contains: function(calls, "contains"),
            read_set: function(calls, "read-set"),
            read: function(calls, "read"),
        }
    }
}

impl Exact for GrowOnly {
    type Role = GrowRole;

    #[inline]
    fn row(&self, calls: &Calls, call: u32) -> Result<Option<Row<GrowRole>>, String> {
        let place = call as usize;
        let outcome = calls.outcome[place];
        let f = calls.f[place];
        let mut a = calls.argument[place];
        let is_pair = calls.second[place] != NO_VALUE;
        let role = if f == self.add {
            match outcome {
                Kind::Fail if is_pair => return Ok(None),
                Kind::Fail => FailedAdd,
                _ if is_pair => Other,
                _ => Add,
            }
        } else if outcome == Kind::Fail {
            return Ok(None);
        } else if f == self.remove {
            return Err("a grow-only set has no remove".to_owned());
        } else if f == self.contains || f == self.read_set || f == self.read {
            if outcome != Kind::Ok {
                return Ok(None);
            }
            match result(calls, call).map(|seen| (seen, calls.values.get(seen))) {
                Some((_, Interned::Bool(_))) if f == self.contains => Other,
                _ if f == self.contains => {
                    return Err("its result is neither true nor false".to_owned());
                }
                None => Other,
                Some((seen, Interned::List(_))) => {
                    a = seen;
                    Read
                }
                Some(_) => return Err("its result is not a list of elements".to_owned()),
            }
        } else {
            return Err(strange(calls, call, "a set"));
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

    fn judge(&self, calls: &Calls, rows: &[Row<GrowRole>]) -> Finding {
        if rows.iter().any(|row| row.role == Other) {
            return Finding::Search(
                "it is asked for single elements, or its elements are pairs".to_owned(),
            );
        }
        let judge = Judge { calls, rows };
        let chain = match judge.chain() {
            Ok(chain) => chain,
            Err(contradiction) => return Finding::Violated(contradiction),
        };
        if let Some((one, _)) = chain.repeated {
            let element = word(calls, rows[one as usize].a);
            return Finding::Search(format!("{element} may have been added several times"));
        }
        match judge.real_time(&chain) {
            Some(contradiction) => Finding::Violated(contradiction),
            None => Finding::Linearizable {
                power: !chain.classes.is_empty() && rows.iter().any(|row| row.role == Add),
            },
        }
    }

    fn order(&self, calls: &Calls, rows: &[Row<GrowRole>]) -> Option<Vec<u32>> {
        let chain = Judge { calls, rows }.chain().ok()?;
        let places = rows.iter().enumerate();
        let grouped = places.filter_map(|(place, row)| {
            let group = chain.group(row, place);
            group.map(|group| (group, narrow(place)))
        });
        let sorted = sorted_by_number(grouped);
        Some(
            sorted
                .into_iter()
                .map(|place| rows[place as usize].call)
                .collect(),
        )
    }
}

/// The first end and the last start of what a class adds, and of its reads.
#[derive(Clone, Copy, Debug)]
struct Class {
    added: (Rank, Rank),
    read: (Rank, Rank),
}

const NOTHING: (Rank, Rank) = (NEVER, BEFORE);

#[inline]
fn take(extent: &mut (Rank, Rank), row: &Row<GrowRole>) {
    extent.0 = extent.0.min(row.ends);
    extent.1 = extent.1.max(row.begins);
}

/// The reads in classes of equal results, smallest first.
#[derive(Debug)]
struct Chain {
    /// By row: one more than the class that shows the element first, or that the read is of;
    /// 0 for what no read shows.
    class: Vec<u32>,
    classes: Vec<Class>,
    /// Two adds of one element.
    repeated: Option<(u32, u32)>,
}

impl Chain {
    /// The group in which a call must happen; none if it is left out.
    #[inline]
    fn group(&self, row: &Row<GrowRole>, place: usize) -> Option<u32> {
        match (row.role, self.class[place]) {
            (Add, 0) => row
                .is_required()
                .then(|| 2 * narrow(self.classes.len()) + 2),
            (Add, class) => Some(2 * class),
            (Read, class) => Some(2 * class + 1),
            (FailedAdd | Other, _) => None,
        }
    }
}

struct Judge<'a> {
    calls: &'a Calls,
    rows: &'a [Row<GrowRole>],
}

impl<'a> Judge<'a> {
    fn of(&self, role: GrowRole) -> impl Iterator<Item = (u32, u32)> + Clone {
        let rows = self.rows.iter().enumerate();
        rows.filter(move |(_, row)| row.role == role)
            .map(|(place, row)| (row.a, narrow(place)))
    }

    fn items(&self, list: u32) -> &'a [u32] {
        match self.calls.values.get(list) {
            Interned::List(items) => items,
            _ => unreachable!("only reads of lists are kept"),
        }
    }

    fn call(&self, place: u32) -> u32 {
        self.rows[place as usize].call
    }

    fn chain(&self) -> Result<Chain, Contradiction> {
        let rows = self.rows;
        let (adds, repeated) = Places::of(self.of(Add));
        let reads = sorted_by_number(self.of(Read));
        let mut class = vec![0_u32; rows.len()];
        let mut classes: Vec<Class> = Vec::new();
        // By size: where the reads of each result begin.
        let mut lists: Vec<u64> = Vec::new();
        let mut start = 0;
        for list in reads.chunk_by(|&one, &other| rows[one as usize].a == rows[other as usize].a) {
            let size = self.items(rows[list[0] as usize].a).len();
            lists.push(pack(narrow(size), start));
            start += narrow(list.len());
        }
        lists.sort_unstable();
        // By row of an add: one more than the list in which it stood last.
        let mut stamps: Vec<u32> = Vec::new();
        let mut previous: &[u32] = &[];
        for (number, &list) in lists.iter().enumerate() {
            let start = low_half(list) as usize;
            let read = reads[start];
            let value = rows[read as usize].a;
            let items = self.items(value);
            // What is shown so far is exactly what the result before holds.
            let shown = previous.len();
            let known = if items.starts_with(previous) {
                shown
            } else {
                0
            };
            if known < shown && stamps.is_empty() {
                stamps.resize(rows.len(), 0);
            }
            let this = narrow(classes.len()) + 1;
            let mut common = known;
            for &item in &items[known..] {
                let Some(add) = adds.find(item) else {
                    return Err(self.unknown(item, read));
                };
                let of = &mut class[add as usize];
                let twice = if known == shown {
                    *of != 0
                } else {
                    let stamp = std::mem::replace(&mut stamps[add as usize], narrow(number) + 1);
                    stamp == narrow(number) + 1
                };
                if twice {
                    return Err(Contradiction {
                        name: "duplicate-element",
                        calls: vec![self.call(add), self.call(read)],
                        conclusion: format!("it returned {} twice.", word(self.calls, item)),
                    });
                }
                if *of == 0 {
                    *of = this;
                } else {
                    common += 1;
                }
            }
            if common < shown {
                return Err(self.incomparable(&reads, &class, read, previous));
            }
            if items.len() > shown || classes.is_empty() {
                classes.push(Class {
                    added: NOTHING,
                    read: NOTHING,
                });
            }
            let number = narrow(classes.len());
            let extent = &mut classes[number as usize - 1].read;
            for &read in &reads[start..] {
                let row = &rows[read as usize];
                if row.a != value {
                    break;
                }
                class[read as usize] = number;
                take(extent, row);
            }
            previous = items;
        }
        for (row, class) in rows.iter().zip(&class) {
            if row.role == Add && *class != 0 {
                take(&mut classes[*class as usize - 1].added, row);
            }
        }
        Ok(Chain {
            class,
            classes,
            repeated,
        })
    }

    /// A read shows what nobody can have added.
    fn unknown(&self, item: u32, read: u32) -> Contradiction {
        let failed = self.of(FailedAdd).find(|(element, _)| *element == item);
        let element = word(self.calls, item);
        match failed {
            Some((_, failed)) => Contradiction {
                name: "dirty-read",
                calls: vec![self.call(failed), self.call(read)],
                conclusion: format!("it returned {element} although every add of it failed."),
            },
            None => Contradiction {
                name: "phantom-read",
                calls: vec![self.call(read)],
                conclusion: format!("it returned {element}, which nobody added."),
            },
        }
    }

    /// A read lacks what a read of no more elements shows.
    fn incomparable(
        &self,
        reads: &[u32],
        class: &[u32],
        read: u32,
        previous: &[u32],
    ) -> Contradiction {
        let rows = self.rows;
        let mut items = self.items(rows[read as usize].a).to_vec();
        items.sort_unstable();
        let missing: Vec<u32> = previous
            .iter()
            .copied()
            .filter(|item| items.binary_search(item).is_err())
            .collect();
        // It is plainest if the missing element had been acknowledged before the read began.
        let same = |&&other: &&u32| rows[other as usize].a == rows[read as usize].a;
        let late = reads
            .iter()
            .filter(same)
            .max_by_key(|&&other| rows[other as usize].begins);
        let late = late.copied().unwrap_or(read);
        let began = rows[late as usize].begins;
        let overdue =
            |(item, add): &(u32, u32)| rows[*add as usize].ends < began && missing.contains(item);
        let adds = || {
            self.of(Add)
                .filter(|(item, _)| missing.len() <= 64 || missing[..64].contains(item))
        };
        if let Some((item, add)) = adds().find(overdue) {
            return Contradiction {
                name: "stale-read",
                calls: vec![self.call(add), self.call(late)],
                conclusion: format!(
                    "the read lacks {}, acknowledged{} before it began.",
                    word(self.calls, item),
                    at(self.calls, rows[add as usize].ends)
                ),
            };
        }
        let of_previous = |&&other: &&u32| {
            class[other as usize] != 0 && self.items(rows[other as usize].a) == previous
        };
        let other = reads.iter().find(of_previous).copied().unwrap_or(read);
        let lacked = word(self.calls, missing[0]);
        let mut before = previous.to_vec();
        before.sort_unstable();
        let own = items
            .iter()
            .find(|item| before.binary_search(item).is_err());
        let own = own.map_or_else(|| "others".to_owned(), |&own| word(self.calls, own));
        Contradiction {
            name: "incomparable-reads",
            calls: vec![self.call(other), self.call(read)],
            conclusion: format!("one has {own} and lacks {lacked}, the other the reverse."),
        }
    }

    /// Walks the groups in their forced order against real time.
    fn real_time(&self, chain: &Chain) -> Option<Contradiction> {
        let mut latest = BEFORE;
        for (number, class) in chain.classes.iter().enumerate() {
            let group = 2 * narrow(number) + 2;
            for (group, (first, last)) in [(group, class.added), (group + 1, class.read)] {
                if first < latest {
                    return Some(self.out_of_order(chain, group, first, latest));
                }
                latest = latest.max(last);
            }
        }
        let group = 2 * narrow(chain.classes.len()) + 2;
        let unseen = self.rows.iter().enumerate();
        let unseen = unseen.filter(|(place, row)| row.role == Add && chain.class[*place] == 0);
        let first = unseen.map(|(_, row)| row.ends).min().unwrap_or(NEVER);
        (first < latest).then(|| self.out_of_order(chain, group, first, latest))
    }

    /// A call of that group was over by `first`, before one of an earlier group began.
    fn out_of_order(&self, chain: &Chain, group: u32, first: Rank, latest: Rank) -> Contradiction {
        let row = |is: &dyn Fn(&Row<GrowRole>, u32) -> bool| {
            let mut rows = self.rows.iter().enumerate();
            let found = rows
                .find(|(place, row)| chain.group(row, *place).is_some_and(|group| is(row, group)));
            found.expect("the ranks come from calls").0
        };
        let early = row(&|row, of| of == group && row.ends == first);
        let late = row(&|row, of| of < group && row.begins == latest);
        let (one, other) = (&self.rows[early], &self.rows[late]);
        let time = |rank| at(self.calls, rank);
        let value = |row: &Row<GrowRole>| word(self.calls, row.a);
        let mut proof = vec![one.call, other.call];
        let (name, conclusion) = match (one.role, other.role) {
            (Add, Read) => (
                "stale-read",
                format!(
                    "the read lacks {}, acknowledged{} before it began{}.",
                    value(one),
                    time(one.ends),
                    time(other.begins)
                ),
            ),
            (Read, Read) => (
                "stale-read",
                "the later read lacks elements that the earlier one returned.".to_owned(),
            ),
            (Read, _) => (
                "future-read",
                format!(
                    "the read has {}, whose add began{} only after it.",
                    value(other),
                    time(other.begins)
                ),
            ),
            _ => {
                let class = chain.class[late];
                let read = row(&|row, of| row.role == Read && of == 2 * class + 1);
                proof.push(self.rows[read].call);
                let (later, earlier) = (value(one), value(other));
                (
                    "not-linearizable",
                    format!(
                        "a read has {earlier} and lacks {later}, which was acknowledged{} before \
                         the add of {earlier} began{}.",
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
    use super::super::trial::{Trial, finding};
    use super::*;
    use crate::history::Value;
    use crate::model::GrowOnlySet;

    fn answer(state: &GrowOnlySet, call: &Made) -> Option<Value> {
        if call.f == "add" {
            return Some(call.argument.clone());
        }
        let mut elements: Vec<Value> = state.0.0.iter().cloned().collect();
        // Equal sets need not be equal lists.
        let turn = usize::try_from(call.begins).ok()? % elements.len().max(1);
        if call.begins.is_multiple_of(3) {
            elements.rotate_left(turn);
        }
        Some(Value::List(elements))
    }

    fn any(rng: &mut ChaCha8Rng, call: &Made) -> Value {
        if call.f == "add" {
            return call.argument.clone();
        }
        let mut elements = call.result.as_list().unwrap_or_default().to_vec();
        match rng.random_range(0..4) {
            0 => elements.push(int(rng.random_range(0..6))),
            _ if elements.is_empty() => elements.push(int(rng.random_range(0..6))),
            _ => {
                elements.remove(rng.random_range(0..elements.len()));
            }
        }
        Value::List(elements)
    }

    fn trial(ask: fn(&mut ChaCha8Rng, i64) -> (&'static str, Value)) -> Trial<GrowOnlySet> {
        Trial {
            initial: GrowOnlySet::default(),
            ask,
            answer,
            any,
        }
    }

    #[test]
    fn grow_only_sets_agree_with_brute_force() {
        let unique = trial(|rng, count| match rng.random_range(0..2) {
            0 => ("add", int(count)),
            _ => ("read-set", Value::Nil),
        });
        unique.agrees("grow-only set", 1, GrowOnly::new, 0.0);
        unique.agrees_at_large("grow-only set", GrowOnly::new);
        let far = trial(|rng, count| match rng.random_range(0..2) {
            0 => ("add", int(count * 5_000_000)),
            _ => ("read-set", Value::Nil),
        });
        far.agrees("grow-only set of large numbers", 10, GrowOnly::new, 0.0);
        let repeated = trial(|rng, _| match rng.random_range(0..2) {
            0 => ("add", int(rng.random_range(0..5))),
            _ => ("read-set", Value::Nil),
        });
        repeated.agrees("grow-only set with repeats", 4, GrowOnly::new, 0.6);
    }

    #[test]
    fn what_is_wrong_with_a_read_has_a_name() {
        let name = |text: &str| match finding(GrowOnly::new, text) {
            Finding::Violated(contradiction) => contradiction.name,
            other => panic!("{text}: {other:?}"),
        };
        assert_eq!(name("0:a1 0:ok 1:rs 1:ok=[]"), "stale-read");
        assert_eq!(name("0:a1 1:rs 1:ok=[1] 1:rs 1:ok=[]"), "stale-read");
        assert_eq!(name("1:rs 1:ok=[1] 0:a1 0:ok"), "future-read");
        assert_eq!(
            name("0:a1 2:a2 1:rs 1:ok=[1] 1:rs 1:ok=[2]"),
            "incomparable-reads"
        );
        assert_eq!(name("0:a1 1:rs 1:ok=[1,1]"), "duplicate-element");
        assert_eq!(name("0:a1 1:rs 1:ok=[7]"), "phantom-read");
        assert_eq!(name("0:a7 0:fail 1:rs 1:ok=[7]"), "dirty-read");
        assert_eq!(
            name("1:rs 0:a1 0:ok 2:a2 2:ok 1:ok=[2]"),
            "not-linearizable"
        );
        // Two elements are a list like any other.
        let two = finding(
            GrowOnly::new,
            "0:a1 0:ok 2:a2 2:ok 1:rs 1:ok=[2,1] 1:rs 1:ok=[1,2]",
        );
        assert_eq!(two, Finding::Linearizable { power: true });
    }
}
