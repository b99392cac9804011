//! Keys that are put and appended to: without search.
//!
//! If every text that was put or appended is different, and a value that was read can be split
//! into such pieces in one way only, it tells which put it began with and what was appended to
//! it, in which order. So a put, the reads of it, what was seen appended to it, the reads of
//! that, and so on are a block that nothing can interrupt, and whose order is forced; so is what
//! was appended to the absent key at the beginning. A put, append or delete of which no read
//! shows anything is a block of its own: an append fits at the end of any other block.
//! Blocks against real time are judged by their zones.
//!
//! Pieces can be split in one way only if all end in one byte that is nowhere else in them (as
//! "x 0 1 y"), or all begin so, or all have one length, or if none is the beginning of another.
//! Without appends, values are not split, and may be anything.
//!
//! For the general search: values that repeat, pieces that can be joined in several ways, and
//! deletes of a key of which some read saw it absent, or appended to while it was.
//!
//! **Names**: "stale-read", "future-read", "incompatible-order" (two reads that tell different
//! orders of appends), "duplicate-element", "phantom-read", "dirty-read", "not-linearizable".
//!
//! **Source**: the zones of Gibbons and Korach, "Testing shared memories", 1997.

mod pieces;

use pieces::{Pieces, Split};

use super::exact::{Contradiction, Exact, Finding, Row};
use super::grouping::{add_once, at, function, narrow, result, sorted_by_number, strange, word};
use super::zones::{Zone, arrange};
use crate::calls::{BEFORE, Calls, NEVER, NO_VALUE, Rank};
use crate::history::Kind;
use crate::history::dictionary::{Interned, NIL};

/// Judges keys with `get`, `put`, `append` and `delete`.
///
/// **Cost**: that of sorting the blocks, and linear in the length of different results, which
/// are compared with one another; 24 bytes an operation, and 12 for a block.
#[derive(Clone, Copy, Debug)]
pub(super) struct Appends {
    get: u16,
    put: u16,
    append: u16,
    delete: u16,
    /// The number of a result that means absent as well as nil does.
    empty: u32,
}

/// What a call does to a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AppendRole {
    Get,
    Put,
    Append,
    Delete,
    /// It wrote without effect: it explains what was seen.
    Failed,
    /// It has to do with a value that has no number.
    Pair,
}

use AppendRole::{Append, Delete, Failed, Get, Pair, Put};

impl Appends {
    /// Where absent keys are read as an empty text, `empty` is true.
    pub(super) fn new(calls: &Calls, empty: bool) -> Self {
        let is_empty = |number: &u32| matches!(calls.values.get(*number), Interned::Str(""));
        let numbers = 0..narrow(calls.values.len());
        let found = empty.then(|| numbers.clone().find(is_empty)).flatten();
        Self {
            empty: found.unwrap_or(NIL),
            get: function(calls, "get"),
            put: function(calls, "put"),
            append: function(calls, "append"),
            delete: function(calls, "delete"),
        }
    }
}

impl Exact for Appends {
    type Role = AppendRole;

    #[inline]
    fn row(&self, calls: &Calls, call: u32) -> Result<Option<Row<AppendRole>>, String> {
        let place = call as usize;
        let outcome = calls.outcome[place];
        let f = calls.f[place];
        let mut a = calls.argument[place];
        let is_pair = calls.second[place] != NO_VALUE;
        let role = if outcome == Kind::Fail {
            if is_pair || f != self.put && f != self.append {
                return Ok(None);
            }
            Failed
        } else if f == self.get {
            if outcome != Kind::Ok {
                return Ok(None);
            }
            let seen = result(calls, call);
            a = seen.filter(|seen| *seen != self.empty).unwrap_or(NIL);
            if seen.is_some() { Get } else { Pair }
        } else if f == self.put {
            match a {
                _ if is_pair => Pair,
                NIL => Delete,
                _ => Put,
            }
        } else if f == self.append {
            if is_pair || !matches!(calls.values.get(a), Interned::Str(_)) {
                return Err("its argument is not text".to_owned());
            }
            Append
        } else if f == self.delete {
            Delete
        } else {
            return Err(strange(calls, call, "a store"));
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

    fn judge(&self, calls: &Calls, rows: &[Row<AppendRole>]) -> Finding {
        let judge = Judge { calls, rows };
        let chains = match judge.chains() {
            Ok(chains) => chains,
            Err(finding) => return *finding,
        };
        let (heads, zones) = match judge.blocks(&chains) {
            Ok(blocks) => blocks,
            Err(contradiction) => return Finding::Violated(contradiction),
        };
        match arrange(&zones) {
            Ok(_) => Finding::Linearizable {
                power: !chains.gets.is_empty() && chains.gets.len() < rows.len(),
            },
            Err((around, inside)) => {
                let zones = [zones[around], zones[inside]];
                let heads = [heads[around], heads[inside]];
                Finding::Violated(judge.conflict(&chains, heads, zones))
            }
        }
    }

    fn order(&self, calls: &Calls, rows: &[Row<AppendRole>]) -> Option<Vec<u32>> {
        let judge = Judge { calls, rows };
        let chains = judge.chains().ok()?;
        let (heads, zones) = judge.blocks(&chains).ok()?;
        let mut order = Vec::with_capacity(rows.len());
        for block in arrange(&zones).ok()? {
            judge.visit(&chains, heads[block as usize], |place| {
                order.push(rows[place as usize].call);
            });
        }
        Some(order)
    }
}

/// No row: the head of the block that begins with the absent key.
const NOBODY: u32 = u32::MAX;

/// After the last of a chain.
const END: u32 = u32::MAX - 1;

/// What follows on what.
struct Chains {
    /// The reads, by what they saw.
    gets: Vec<u32>,
    /// By row of what was put or appended: the append that follows on it, [`END`] if there is
    /// none, or [`NOBODY`] if no read shows it.
    next: Vec<u32>,
    /// By row: one more than where the reads of that state stand in `gets`; 0 if there are none.
    seen: Vec<u32>,
    /// By row of a put: the last of its chain.
    last: Vec<u32>,
    /// The same for the key that was absent at first.
    root: Root,
}

#[derive(Clone, Copy)]
struct Root {
    next: u32,
    seen: u32,
    last: u32,
}

struct Judge<'a> {
    calls: &'a Calls,
    rows: &'a [Row<AppendRole>],
}

type Blocks = (Vec<u32>, Vec<Zone>);

impl<'a> Judge<'a> {
    /// The bytes of a text; none of any other value.
    fn text(&self, number: u32) -> &'a [u8] {
        match self.calls.values.get(number) {
            Interned::Str(text) => text.as_bytes(),
            _ => &[],
        }
    }

    fn call(&self, place: u32) -> u32 {
        self.rows[place as usize].call
    }

    fn chains(&self) -> Result<Chains, Box<Finding>> {
        let rows = self.rows;
        let search = |reason: String| Err(Box::new(Finding::Search(reason)));
        if rows.iter().any(|row| row.role == Pair) {
            return search("its values are pairs".to_owned());
        }
        let pieces = match Pieces::of(self) {
            Ok(pieces) => pieces,
            Err(reason) => return search(reason),
        };
        let gets = rows.iter().enumerate().filter(|(_, row)| row.role == Get);
        let gets = sorted_by_number(gets.map(|(place, row)| (row.a, narrow(place))));
        let mut chains = Chains {
            gets,
            next: vec![NOBODY; rows.len()],
            seen: vec![0; rows.len()],
            last: vec![NOBODY; rows.len()],
            root: Root {
                next: END,
                seen: 0,
                last: NOBODY,
            },
        };
        let is_deleted = rows.iter().any(|row| row.role == Delete);
        // Where the reads of each state begin, and the head of its block.
        let mut states: Vec<(u32, u32)> = Vec::new();
        let mut start = 0;
        let same = |&one: &u32, &other: &u32| rows[one as usize].a == rows[other as usize].a;
        for state in chains.gets.chunk_by(same) {
            let head = match self.head(&pieces, state[0]) {
                Ok(head) => head,
                Err(contradiction) => return Err(Box::new(Finding::Violated(contradiction))),
            };
            if head == NOBODY && is_deleted {
                return search("after which delete it was absent cannot be told".to_owned());
            }
            states.push((head, start));
            start += narrow(state.len());
        }
        // Block by block, so that what is compared is close together; the shortest text first.
        let root = narrow(rows.len());
        let heads = states.iter().enumerate();
        let heads = heads.map(|(state, (head, _))| ((*head).min(root), narrow(state)));
        let mut order = match pieces.split {
            Split::Whole => (0..narrow(states.len())).collect(),
            Split::EndsIn(_) | Split::BeginsWith(_) | Split::Lengths(_) => sorted_by_number(heads),
        };
        let length = |chains: &Chains, state: u32| {
            let get = chains.gets[states[state as usize].1 as usize];
            self.text(rows[get as usize].a).len()
        };
        let head = |state: u32| states[state as usize].0;
        for block in order.chunk_by_mut(|&one, &other| head(one) == head(other)) {
            if !block.is_sorted_by_key(|&state| length(&chains, state)) {
                block.sort_by_cached_key(|&state| length(&chains, state));
            }
            for &state in &*block {
                let (head, start) = states[state as usize];
                if let Err(contradiction) = self.state(&pieces, &mut chains, head, start) {
                    return Err(Box::new(Finding::Violated(contradiction)));
                }
            }
        }
        Ok(chains)
    }

    /// The put with which begins what a read saw, or nobody.
    fn head(&self, pieces: &Pieces<'_>, get: u32) -> Result<u32, Contradiction> {
        let value = self.rows[get as usize].a;
        if value == NIL {
            return Ok(NOBODY);
        }
        let text = self.text(value);
        let first = match pieces.split {
            Split::Whole => pieces.by_number.find(value),
            Split::EndsIn(_) | Split::BeginsWith(_) | Split::Lengths(_) => {
                pieces.first(text).map(|(first, _)| first)
            }
        };
        let first = first.ok_or_else(|| self.unknown(value, text, get))?;
        let is_put = self.rows[first as usize].role == Put;
        Ok(if is_put { first } else { NOBODY })
    }

    /// Takes in what the reads saw that begin there.
    fn state(
        &self,
        pieces: &Pieces<'_>,
        chains: &mut Chains,
        head: u32,
        start: u32,
    ) -> Result<(), Contradiction> {
        let rows = self.rows;
        let get = chains.gets[start as usize];
        let value = rows[get as usize].a;
        if value == NIL {
            chains.root.seen = start + 1;
            return Ok(());
        }
        let text = self.text(value);
        let is_put = head != NOBODY;
        let mut last = if is_put {
            chains.last[head as usize]
        } else {
            chains.root.last
        };
        let mut rest = text;
        if last != NOBODY {
            let other = chains.gets[chains.seen[last as usize] as usize - 1];
            let before = self.text(rows[other as usize].a);
            let follows = text.strip_prefix(before).filter(|rest| match pieces.split {
                Split::BeginsWith(byte) => rest.first() == Some(&byte),
                Split::Whole | Split::EndsIn(_) | Split::Lengths(_) => true,
            });
            let Some(follows) = follows else {
                return Err(self.incompatible(other, get));
            };
            rest = follows;
        } else if is_put {
            chains.next[head as usize] = END;
            last = head;
            rest = match pieces.split {
                Split::Whole => &[],
                _ => &text[self.text(rows[head as usize].a).len()..],
            };
        }
        while !rest.is_empty() {
            let Some((piece, length)) = pieces.first(rest) else {
                return Err(self.unknown(value, rest, get));
            };
            rest = &rest[length..];
            if rows[piece as usize].role == Put {
                return Err(self.not_first(piece, get));
            }
            if chains.next[piece as usize] != NOBODY {
                return Err(self.twice(pieces, chains, piece, get));
            }
            match last {
                NOBODY => chains.root.next = piece,
                last => chains.next[last as usize] = piece,
            }
            chains.next[piece as usize] = END;
            last = piece;
        }
        chains.seen[last as usize] = start + 1;
        if is_put {
            chains.last[head as usize] = last;
        } else {
            chains.root.last = last;
        }
        Ok(())
    }

    fn unknown(&self, value: u32, rest: &[u8], get: u32) -> Contradiction {
        let failed = self.rows.iter().find(|row| {
            let text = self.text(row.a);
            let begins = !text.is_empty() && rest.starts_with(text);
            row.role == Failed && (row.a == value || begins)
        });
        let value = word(self.calls, value);
        match failed {
            Some(failed) => Contradiction {
                name: "dirty-read",
                calls: vec![failed.call, self.call(get)],
                conclusion: format!(
                    "it returned {value}, of which {} is by a call that failed.",
                    word(self.calls, failed.a)
                ),
            },
            None => Contradiction {
                name: "phantom-read",
                calls: vec![self.call(get)],
                conclusion: format!("it returned {value}, which nobody can have made."),
            },
        }
    }

    fn incompatible(&self, one: u32, other: u32) -> Contradiction {
        Contradiction {
            name: "incompatible-order",
            calls: vec![self.call(one), self.call(other)],
            conclusion: format!(
                "{} and {} begin with the same, and neither is the other with something appended.",
                word(self.calls, self.rows[one as usize].a),
                word(self.calls, self.rows[other as usize].a)
            ),
        }
    }

    fn not_first(&self, put: u32, get: u32) -> Contradiction {
        Contradiction {
            name: "not-linearizable",
            calls: vec![self.call(put), self.call(get)],
            conclusion: format!(
                "it returned {} after something else, which the put of it had replaced.",
                word(self.calls, self.rows[put as usize].a)
            ),
        }
    }

    /// An append is seen once more, in the same read or after something else in another.
    fn twice(&self, pieces: &Pieces<'_>, chains: &Chains, piece: u32, get: u32) -> Contradiction {
        let value = word(self.calls, self.rows[piece as usize].a);
        let mut calls = vec![self.call(piece), self.call(get)];
        let own = self.text(self.rows[piece as usize].a);
        let text = self.text(self.rows[get as usize].a);
        let count = text
            .windows(own.len())
            .filter(|&window| window == own)
            .count();
        // The chain that has it already is that of another block.
        let head = self.head(pieces, get).ok();
        let shows = |other: &&u32| {
            let text = self.text(self.rows[**other as usize].a);
            self.head(pieces, **other).ok() != head
                && text.windows(own.len()).any(|window| window == own)
        };
        if count < 2
            && let Some(&other) = chains.gets.iter().find(shows)
        {
            add_once(&mut calls, self.call(other));
            return Contradiction {
                name: "incompatible-order",
                calls,
                conclusion: format!(
                    "{value} was appended once, but the reads show it after different texts."
                ),
            };
        }
        Contradiction {
            name: "duplicate-element",
            calls,
            conclusion: format!("{value} stands in it twice, but was appended once."),
        }
    }

    /// Goes through a block in its forced order.
    fn visit(&self, chains: &Chains, head: u32, mut happens: impl FnMut(u32)) {
        let gets = |seen: u32, happens: &mut dyn FnMut(u32)| {
            if let Some(start) = seen.checked_sub(1) {
                for &get in self.same_gets(chains, start) {
                    happens(get);
                }
            }
        };
        let mut link = head;
        if head == NOBODY {
            gets(chains.root.seen, &mut happens);
            link = chains.root.next;
        }
        while link < END {
            happens(link);
            gets(chains.seen[link as usize], &mut happens);
            link = chains.next[link as usize];
        }
    }

    fn same_gets<'c>(&self, chains: &'c Chains, start: u32) -> &'c [u32] {
        let gets = &chains.gets[start as usize..];
        let value = self.rows[gets[0] as usize].a;
        let end = gets
            .iter()
            .position(|&get| self.rows[get as usize].a != value);
        &gets[..end.unwrap_or(gets.len())]
    }

    /// The blocks, by their heads, and their zones.
    fn blocks(&self, chains: &Chains) -> Result<Blocks, Contradiction> {
        let (mut heads, mut zones) = (Vec::new(), Vec::new());
        let mut block = |head: u32, f: Rank| {
            let mut zone = Zone { f, s: BEFORE };
            let mut broken = None;
            self.visit(chains, head, |place| {
                let row = &self.rows[place as usize];
                if row.ends < zone.s {
                    broken.get_or_insert(place);
                }
                zone.f = zone.f.min(row.ends);
                zone.s = zone.s.max(row.begins);
            });
            heads.push(head);
            zones.push(zone);
            match broken {
                // The reads of one value may be in any order.
                Some(_) => self.check(chains, head),
                None => Ok(()),
            }
        };
        block(NOBODY, BEFORE)?;
        for (place, row) in self.rows.iter().enumerate() {
            let is_head = match row.role {
                Put => row.is_required() || chains.next[place] != NOBODY,
                Append => row.is_required() && chains.next[place] == NOBODY,
                Delete => row.is_required(),
                Get | Failed | Pair => false,
            };
            if is_head {
                block(narrow(place), NEVER)?;
            }
        }
        Ok((heads, zones))
    }

    /// Checks a block's order against real time, group by group.
    fn check(&self, chains: &Chains, head: u32) -> Result<(), Contradiction> {
        let mut places = Vec::new();
        self.visit(chains, head, |place| places.push(place));
        let row = |place: u32| &self.rows[place as usize];
        let same = |&one: &u32, &other: &u32| {
            let (one, other) = (row(one), row(other));
            one.role == Get && other.role == Get && one.a == other.a
        };
        let mut latest: Option<u32> = None;
        for group in places.chunk_by(same) {
            let early = group.iter().copied().min_by_key(|&place| row(place).ends);
            if let (Some(early), Some(late)) = (early, latest)
                && row(early).ends < row(late).begins
            {
                return Err(self.out_of_order(chains, early, late));
            }
            let last = group.iter().copied().max_by_key(|&place| row(place).begins);
            latest = latest
                .into_iter()
                .chain(last)
                .max_by_key(|&place| row(place).begins);
        }
        Ok(())
    }

    /// The first was over before the second began, but must come after it in their block.
    fn out_of_order(&self, chains: &Chains, early: u32, late: u32) -> Contradiction {
        let (one, other) = (&self.rows[early as usize], &self.rows[late as usize]);
        let name = match (one.role, other.role) {
            (Get, Get) | (_, Get) => "stale-read",
            (Get, _) => "future-read",
            _ => "not-linearizable",
        };
        let mut calls = vec![one.call, other.call];
        // What shows that the one is built on the other.
        if one.role != Get {
            let mut link = early;
            while link < END && chains.seen[link as usize] == 0 {
                link = chains.next[link as usize];
            }
            if link < END {
                let seen = chains.gets[chains.seen[link as usize] as usize - 1];
                add_once(&mut calls, self.call(seen));
            }
        }
        let value = |row: &Row<AppendRole>| word(self.calls, row.a);
        Contradiction {
            name,
            calls,
            conclusion: format!(
                "{} was in effect{}, yet {}, which it is built on, began{} only after that.",
                value(one),
                at(self.calls, one.ends),
                value(other),
                at(self.calls, other.begins)
            ),
        }
    }

    /// Two blocks of which each must come before the other.
    fn conflict(&self, chains: &Chains, heads: [u32; 2], zones: [Zone; 2]) -> Contradiction {
        let mut calls = Vec::new();
        let mut last_is_get = false;
        for (which, (head, zone)) in heads.into_iter().zip(zones).enumerate() {
            let (mut first, mut last) = (None, None);
            let mut witness = None;
            self.visit(chains, head, |place| {
                let row = &self.rows[place as usize];
                if row.ends == zone.f {
                    first.get_or_insert(place);
                }
                if row.begins == zone.s {
                    last.get_or_insert(place);
                }
                if row.role == Get {
                    witness = Some(place);
                }
            });
            let ends = last.map(|place| self.rows[place as usize].role);
            if which == 0 {
                last_is_get = ends == Some(Get);
            }
            let head = Some(head).filter(|&head| head != NOBODY);
            for place in [head, first, last, witness].into_iter().flatten() {
                add_once(&mut calls, self.call(place));
            }
        }
        let told = |head: u32| match self.rows.get(head as usize) {
            None => "the absent key".to_owned(),
            Some(row) if row.role == Delete => "a delete".to_owned(),
            Some(row) => word(self.calls, row.a),
        };
        let time = |rank| match rank {
            BEFORE => " from the beginning".to_owned(),
            rank => at(self.calls, rank),
        };
        let [around, inside] = zones;
        Contradiction {
            name: if last_is_get {
                "stale-read"
            } else {
                "not-linearizable"
            },
            calls,
            conclusion: format!(
                "{} was in effect{} and still when a call on it began{}; {} must have begun to be \
                 in effect{} in between: neither can come wholly before the other.",
                told(heads[0]),
                time(around.f),
                time(around.s),
                told(heads[1]),
                time(inside.f.min(inside.s))
            ),
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
    use crate::model::KeyValue;

    fn answer(state: &KeyValue, call: &Made) -> Option<Value> {
        match call.f {
            "get" => Some(state.0.clone()),
            "append" if !matches!(state.0, Value::Nil | Value::Str(_)) => None,
            _ => Some(call.argument.clone()),
        }
    }

    fn any(rng: &mut ChaCha8Rng, call: &Made) -> Value {
        if call.f != "get" {
            return call.argument.clone();
        }
        let held = call.result.as_str().unwrap_or_default();
        match rng.random_range(0..6) {
            0 => Value::Nil,
            1 => int(rng.random_range(0..5)),
            2 => Value::Str(format!("{held}x 3 y").into()),
            3 => Value::str(held.split_once('y').map_or("x 0 y", |(_, rest)| rest)),
            4 => Value::Str(held.chars().rev().collect::<String>().into()),
            _ => Value::str(held.rsplit_once(' ').map_or("x 1 y", |(start, _)| {
                start.rsplit_once('x').map_or("", |(start, _)| start)
            })),
        }
    }

    fn trial(ask: fn(&mut ChaCha8Rng, i64) -> (&'static str, Value)) -> Trial<KeyValue> {
        Trial {
            initial: KeyValue::default(),
            ask,
            answer,
            any,
        }
    }

    fn piece(count: i64) -> Value {
        Value::Str(format!("x {count} y").into())
    }

    #[test]
    fn texts_agree_with_brute_force() {
        let unique = trial(|rng, count| match rng.random_range(0..8) {
            0 => ("put", piece(count)),
            1..4 => ("append", piece(count)),
            _ => ("get", Value::Nil),
        });
        unique.agrees("texts", 1, |calls| Appends::new(calls, false), 0.0);
        unique.agrees_at_large("texts", |calls| Appends::new(calls, false));
    }

    #[test]
    fn texts_of_other_pieces_agree_with_brute_force() {
        let begun = trial(|rng, count| match rng.random_range(0..8) {
            0 => ("put", Value::Str(format!(",{count}").into())),
            1..4 => ("append", Value::Str(format!(",{}", count * 7).into())),
            _ => ("get", Value::Nil),
        });
        begun.agrees(
            "texts with commas in front",
            10,
            |calls| Appends::new(calls, false),
            0.1,
        );
        let codes = trial(|rng, count| {
            let text = ["aa", "ab", "ba", "bba", "bbb", "c", "da", "dddd"];
            let text = Value::str(text[usize::try_from(count).unwrap() % 8]);
            match rng.random_range(0..8) {
                0 => ("put", text),
                1..4 => ("append", text),
                _ => ("get", Value::Nil),
            }
        });
        codes.agrees(
            "texts of a prefix code",
            10,
            |calls| Appends::new(calls, false),
            0.0,
        );
        let ambiguous = trial(|rng, count| match rng.random_range(0..8) {
            0 => (
                "put",
                Value::Str("ab".repeat(1 + usize::try_from(count).unwrap()).into()),
            ),
            1..4 => (
                "append",
                Value::str(["a", "b", "ab"][rng.random_range(0..3)]),
            ),
            _ => ("get", Value::Nil),
        });
        ambiguous.agrees(
            "texts of pieces that repeat",
            10,
            |calls| Appends::new(calls, false),
            0.9,
        );
    }

    #[test]
    fn keys_with_deletes_agree_with_brute_force() {
        let deleted = trial(|rng, count| match rng.random_range(0..9) {
            0 => ("delete", Value::Nil),
            1..3 => ("put", piece(count)),
            3 => ("append", piece(count)),
            _ => ("get", Value::Nil),
        });
        deleted.agrees(
            "texts with deletes",
            5,
            |calls| Appends::new(calls, false),
            0.6,
        );
        let plain = trial(|rng, count| match rng.random_range(0..9) {
            0..4 => (
                "put",
                if count == 3 {
                    Value::str("")
                } else {
                    int(count)
                },
            ),
            _ => ("get", Value::Nil),
        });
        plain.agrees("values put", 5, |calls| Appends::new(calls, false), 0.0);
        plain.agrees_at_large("values put", |calls| Appends::new(calls, false));
    }
}
