//! What queues, stacks and priority queues share: elements that are put in and taken out, each
//! at most once.
//!
//! An element is **certainly inside** from the end of its put to the start of its take. A call
//! that found nothing needs an instant at which no element is. All instants that matter are
//! ranks: where nothing is certainly inside, the first and the last instant of it are.
//!
//! A put of unknown outcome whose element nobody took is left out, which never hurts: whatever
//! held with the element holds without it. If the element was taken, it was put in, at the
//! latest when the take was over.
//!
//! **Names**: "phantom-element" (nobody put it in), "dirty-element" (its put failed),
//! "delivered-twice", "taken-before-put", "wrong-empty" (found empty while something was
//! certainly inside).

pub(super) mod alone;

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fmt::Display;
use std::sync::Mutex;

use super::exact::{Contradiction, Finding, Row};
use crate::calls::{Calls, NEVER, NO_VALUE, Rank};
use crate::explain;
use crate::history::Kind;
use crate::history::dictionary::NIL;

/// No row, no element.
pub(super) const NOWHERE: u32 = u32::MAX;

/// How many calls of unknown outcome are shown as evidence, where it is their number that counts.
const SHOWN: usize = 16;

/// The element was put in more than once.
const REPEATED: u32 = u32::MAX - 1;

/// What a call does to a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// It put something in, or may have.
    Put,
    /// It did not; whoever took the element took what was never there.
    FailedPut,
    /// It took this out.
    Take,
    /// It found nothing.
    Empty,
    /// It may have taken something out, whatever it was.
    TakeUnknown,
    /// Its element is a list of two, which has no number of its own.
    Pair,
}

/// The functions of a container, and room to work in.
pub(super) struct Container {
    put: (&'static str, Option<u16>),
    take: (&'static str, Option<u16>),
    /// For each number of a value one more than its element, or zero: one for each worker, so
    /// that a small object costs no more than its rows.
    rooms: Mutex<Vec<Vec<u32>>>,
}

/// A value that was put in and not, or not only, left out.
#[derive(Clone, Copy, Debug)]
pub(super) struct Element {
    /// When its put began.
    pub(super) put_begins: Rank,
    /// When it was certainly put in: no later than its take was over.
    pub(super) put_ends: Rank,
    /// When its take began, but not before its put did; [`NEVER`] if nobody took it.
    pub(super) take_begins: Rank,
    /// When it was certainly out.
    pub(super) take_ends: Rank,
    /// The row of its put.
    pub(super) put: u32,
    /// The row of its take, or [`NOWHERE`].
    pub(super) take: u32,
}

impl Element {
    /// Whether it was certainly inside for a while.
    pub(super) fn is_inside(&self) -> bool {
        self.put_ends < self.take_begins
    }
}

/// The calls of one object by element.
pub(super) struct Elements {
    /// In the order in which their puts began.
    pub(super) list: Vec<Element>,
    /// The rows of calls that found nothing, in order.
    pub(super) empties: Vec<u32>,
    /// The rows of takes of unknown outcome, in order.
    pub(super) unknown: Vec<u32>,
    pub(super) power: bool,
}

impl Container {
    pub(super) fn new(calls: &Calls, put: &'static str, take: &'static str) -> Self {
        Self {
            put: (put, calls.function(put)),
            take: (take, calls.function(take)),
            rooms: Mutex::default(),
        }
    }

    /// Reads a call as the models of `checkers::model` do.
    #[inline]
    pub(super) fn row(&self, calls: &Calls, call: u32) -> Result<Option<Row<Role>>, String> {
        let at = call as usize;
        let outcome = calls.outcome[at];
        let f = Some(calls.f[at]);
        let (role, a) = if f == self.put.1 {
            let role = match outcome {
                Kind::Fail => Role::FailedPut,
                _ if calls.second[at] != NO_VALUE => Role::Pair,
                Kind::Ok | Kind::Info | Kind::Invoke => Role::Put,
            };
            (role, calls.argument[at])
        } else if outcome == Kind::Fail {
            return Ok(None);
        } else if f == self.take.1 {
            match (outcome, calls.result(call)) {
                (Kind::Ok, NIL) => (Role::Empty, NIL),
                (Kind::Ok, value) if (value as usize) < calls.values.len() => (Role::Take, value),
                (Kind::Ok, _) => (Role::Pair, NIL),
                _ => (Role::TakeUnknown, NIL),
            }
        } else {
            let f = &calls.fs.list()[usize::from(calls.f[at])];
            return Err(format!("{f} is neither {} nor {}", self.put.0, self.take.0));
        };
        Ok(Some(Row {
            begins: calls.begins[at],
            ends: calls.ends[at],
            a,
            b: NO_VALUE,
            call,
            role,
        }))
    }

    /// The elements of one object, unless that settles it.
    ///
    /// **Cost**: linear; 12 bytes a row, and four for each value of the history.
    pub(super) fn elements(&self, calls: &Calls, rows: &[Row<Role>]) -> Result<Elements, Finding> {
        let mut room = self.rooms.lock().expect("no worker panics with it").pop();
        let of = room.get_or_insert_with(|| vec![0; calls.values.len()]);
        let elements = sorted_out(calls, rows, of);
        for row in rows {
            of[row.a as usize] = 0;
        }
        let mut rooms = self.rooms.lock().expect("no worker panics with it");
        rooms.extend(room);
        elements
    }
}

fn sorted_out(calls: &Calls, rows: &[Row<Role>], of: &mut [u32]) -> Result<Elements, Finding> {
    let puts = rows.iter().filter(|row| row.role == Role::Put).count();
    let mut elements = Elements {
        list: Vec::with_capacity(puts),
        empties: Vec::new(),
        unknown: Vec::new(),
        power: false,
    };
    let list = &mut elements.list;
    // Why only a search can tell, should nothing else contradict.
    let mut search = None;
    for (at, row) in rows.iter().enumerate() {
        match row.role {
            Role::Put if of[row.a as usize] != 0 => {
                list[of[row.a as usize] as usize - 1].take = REPEATED;
                search.get_or_insert_with(|| {
                    format!("{} may have been put in more than once", calls.value(row.a))
                });
            }
            Role::Put => {
                if row.a == NIL {
                    search.get_or_insert_with(|| "nil may have been put in".to_owned());
                }
                list.push(Element {
                    put_begins: row.begins,
                    put_ends: row.ends,
                    take_begins: NEVER,
                    take_ends: NEVER,
                    put: narrow(at),
                    take: NOWHERE,
                });
                of[row.a as usize] = narrow(list.len());
            }
            Role::Pair => {
                return Err(Finding::Search("an element is a list of two".to_owned()));
            }
            Role::Empty => elements.empties.push(narrow(at)),
            Role::TakeUnknown => elements.unknown.push(narrow(at)),
            Role::FailedPut | Role::Take => {}
        }
    }
    for (at, row) in rows.iter().enumerate() {
        if row.role != Role::Take {
            continue;
        }
        elements.power = true;
        let Some(element) = of[row.a as usize].checked_sub(1) else {
            return Err(Finding::Violated(unknown_element(calls, rows, row)));
        };
        let element = &mut list[element as usize];
        match element.take {
            REPEATED => continue,
            NOWHERE => {}
            before => {
                let told = Words { calls, rows };
                let calls = [element.put, before, narrow(at)];
                let conclusion = format!(
                    "{} was put in once and taken out twice.",
                    told.value(element.put)
                );
                return Err(told.violated("delivered-twice", &calls, conclusion));
            }
        }
        element.take = narrow(at);
        element.take_begins = row.begins.max(element.put_begins);
        element.take_ends = row.ends;
        element.put_ends = element.put_ends.min(row.ends);
        if row.ends < element.put_begins {
            let told = Words { calls, rows };
            let calls = [element.put, element.take];
            let conclusion = format!(
                "{} was out{}, before anybody began to put it in{}.",
                told.value(element.put),
                told.by(row.ends),
                told.at(element.put_begins),
            );
            return Err(told.violated("taken-before-put", &calls, conclusion));
        }
    }
    if let Some(reason) = search {
        return Err(Finding::Search(reason));
    }
    elements.power |= !elements.empties.is_empty();
    elements.power &= !list.is_empty();
    list.retain(|element| element.put_ends != NEVER);
    Ok(elements)
}

fn unknown_element(calls: &Calls, rows: &[Row<Role>], take: &Row<Role>) -> Contradiction {
    let value = calls.value(take.a);
    let is_failed = |row: &&Row<Role>| row.role == Role::FailedPut && row.a == take.a;
    match rows.iter().find(is_failed) {
        Some(put) => Contradiction {
            name: "dirty-element",
            calls: vec![put.call, take.call],
            conclusion: format!(
                "{value} was taken out although every attempt to put it in failed."
            ),
        },
        None => Contradiction {
            name: "phantom-element",
            calls: vec![take.call],
            conclusion: format!("{value} was taken out although nobody put it in."),
        },
    }
}

impl Elements {
    /// Lets takes of unknown outcome have taken what nobody else took: at the start of each the
    /// first by `key` of those that are certainly inside; if there is none, the next to come.
    ///
    /// **Cost**: O(n log n).
    pub(super) fn assign<K: Ord>(&mut self, rows: &[Row<Role>], key: impl Fn(u32, &Element) -> K) {
        let left = self.left();
        let mut arrivals = left.iter().peekable();
        let mut inside = BinaryHeap::new();
        for &take in &self.unknown {
            let begins = rows[take as usize].begins;
            while let Some(&&element) = arrivals.peek() {
                if self.list[element as usize].put_ends >= begins {
                    break;
                }
                inside.push(Reverse((
                    key(element, &self.list[element as usize]),
                    element,
                )));
                arrivals.next();
            }
            let taken = inside.pop().map(|Reverse((_, element))| element);
            let Some(element) = taken.or_else(|| arrivals.next().copied()) else {
                break;
            };
            let element = &mut self.list[element as usize];
            element.take = take;
            element.take_begins = begins.max(element.put_begins);
        }
    }

    /// Those that nobody is known to have taken, in the order in which they were put in.
    fn left(&self) -> Vec<u32> {
        let is_left = |&element: &u32| self.list[element as usize].take == NOWHERE;
        let mut left: Vec<u32> = (0..narrow(self.list.len())).filter(is_left).collect();
        left.sort_by_key(|&element| self.list[element as usize].put_ends);
        left
    }

    /// Where something is certainly inside, as open intervals that do not overlap, in order.
    ///
    /// **Cost**: O(n log n).
    pub(super) fn filled(&self) -> Filled {
        let mut inside: Vec<(Rank, Rank)> = self
            .list
            .iter()
            .filter(|element| element.is_inside())
            .map(|element| (element.put_ends, element.take_begins))
            .collect();
        inside.sort_unstable();
        let mut filled = Filled::default();
        for (from, to) in inside {
            filled.add(from, to);
        }
        filled
    }

    /// A call that found nothing though something was certainly inside all the while.
    pub(super) fn wrong_empty(&self, rows: &[Row<Role>], filled: &Filled) -> Option<u32> {
        let is_wrong = |&&empty: &&u32| {
            let row = &rows[empty as usize];
            filled.first_gap(row.begins) > row.ends
        };
        self.empties.iter().find(is_wrong).copied()
    }

    /// The contradiction of a call that found nothing.
    pub(super) fn tell_empty(&self, told: &Words<'_>, empty: u32) -> Finding {
        let row = &told.rows[empty as usize];
        let all: Vec<u32> = (0..narrow(self.list.len())).collect();
        let chain = Cover::of(&self.list, &all).chain(row.begins, row.ends);
        let chain = chain.expect("something is inside all the while");
        let mut rows = vec![empty];
        rows.extend(self.rows_of(&chain));
        let suspected = self.suspected(told.rows, &chain, row.ends, &mut rows);
        let conclusion = format!(
            "{} was certainly inside all the while from {} to {}, and yet nothing was \
             found{suspected}.",
            told.list(
                chain.iter().map(|&element| self.list[element as usize].put),
                "or"
            ),
            told.start(row.begins, "the start"),
            told.start(row.ends, "the end"),
        );
        told.violated("wrong-empty", &rows, conclusion)
    }

    /// If some of these elements may have been taken by calls of unknown outcome, why those that
    /// began in time are too few; adds them and what they may have taken.
    pub(super) fn suspected(
        &self,
        rows: &[Row<Role>],
        elements: &[u32],
        until: Rank,
        evidence: &mut Vec<u32>,
    ) -> String {
        let is_left = |element: &Element| element.take_ends == NEVER;
        let in_time = |&&take: &&u32| rows[take as usize].begins <= until;
        let takes = self.unknown.iter().filter(in_time).count();
        if takes == 0
            || !elements
                .iter()
                .any(|&element| is_left(&self.list[element as usize]))
        {
            return String::new();
        }
        evidence.extend(self.unknown.iter().take(takes.min(SHOWN)));
        let in_time = |element: &&Element| is_left(element) && element.put_ends <= until;
        let left = self.list.iter().filter(in_time);
        evidence.extend(left.take(SHOWN).map(|element| element.put));
        format!(
            ", though only {takes} calls of unknown outcome had begun that may have taken what \
             nobody else took"
        )
    }

    /// The rows of these elements.
    pub(super) fn rows_of(&self, elements: &[u32]) -> Vec<u32> {
        let mut rows = Vec::new();
        for &element in elements {
            let element = &self.list[element as usize];
            rows.push(element.put);
            rows.extend((element.take != NOWHERE).then_some(element.take));
        }
        rows
    }

    /// Judges where takes of unknown outcome may have taken anything: `fault` finds what is
    /// wrong with some elements, and `keys` say which of them such a take may have preferred.
    ///
    /// If nothing is wrong without any such take, it never happened. If something is wrong even
    /// though all elements that nobody else took could go as soon as the first such take began,
    /// no assignment helps. Between these only guesses are made, each of which may prove that
    /// there is an order, and none that there is none.
    pub(super) fn settle<F>(
        mut self,
        rows: &[Row<Role>],
        fault: impl Fn(&Self) -> Option<F>,
        preferred: impl Fn(&Self, u32) -> u64,
    ) -> Settled<F> {
        let Some(first) = fault(&self) else {
            return Settled::Fine(self);
        };
        let left = self.left();
        let (Some(&earliest), false) = (self.unknown.first(), left.is_empty()) else {
            return Settled::Wrong(self, first);
        };
        let earliest = rows[earliest as usize].begins;
        for &element in &left {
            let element = &mut self.list[element as usize];
            element.take_begins = earliest.max(element.put_begins);
        }
        if let Some(fault) = fault(&self) {
            return Settled::Wrong(self, fault);
        }
        for guess in 0..3 {
            for &element in &left {
                let element = &mut self.list[element as usize];
                (element.take_begins, element.take) = (NEVER, NOWHERE);
            }
            let keys: Vec<u64> = (0..narrow(self.list.len()))
                .map(|element| match guess {
                    0 => preferred(&self, element),
                    1 => u64::from(self.list[element as usize].put_ends),
                    _ => u64::MAX - u64::from(self.list[element as usize].put_ends),
                })
                .collect();
            self.assign(rows, |element, _| keys[element as usize]);
            if fault(&self).is_none() {
                return Settled::Fine(self);
            }
        }
        Settled::Open
    }
}

/// What came of [`Elements::settle`].
pub(super) enum Settled<F> {
    /// There is a legal order in which takes of unknown outcome took what they have here.
    Fine(Elements),
    /// There is none, because of this.
    Wrong(Elements, F),
    Open,
}

impl<F> Settled<F> {
    /// As a finding.
    pub(super) fn finding(self, tell: impl FnOnce(&Elements, F) -> Finding) -> Finding {
        match self {
            Self::Fine(elements) => Finding::Linearizable {
                power: elements.power,
            },
            Self::Wrong(elements, fault) => tell(&elements, fault),
            Self::Open => Finding::Search(
                "what takes of unknown outcome may have removed decides it".to_owned(),
            ),
        }
    }
}

/// Where something is certainly inside: open intervals that do not overlap, in order.
#[derive(Default)]
pub(super) struct Filled {
    intervals: Vec<(Rank, Rank)>,
}

impl Filled {
    /// Adds an interval that starts no earlier than all before it.
    #[inline]
    pub(super) fn add(&mut self, from: Rank, to: Rank) {
        match self.intervals.last_mut() {
            Some((_, end)) if from < *end => *end = to.max(*end),
            _ => self.intervals.push((from, to)),
        }
    }

    /// The first instant from this one on at which nothing is certainly inside.
    pub(super) fn first_gap(&self, from: Rank) -> Rank {
        let before = self.intervals.partition_point(|(start, _)| *start < from);
        match before.checked_sub(1).map(|last| self.intervals[last]) {
            Some((_, end)) => end.max(from),
            None => from,
        }
    }
}

/// Which elements were certainly inside when: of all up to each, the one that stays longest.
pub(super) struct Cover<'e> {
    list: &'e [Element],
    /// In the order in which their puts ended.
    order: Vec<u32>,
    longest: Vec<u32>,
}

impl<'e> Cover<'e> {
    /// Of some of the elements.
    ///
    /// **Cost**: O(n log n).
    pub(super) fn of(list: &'e [Element], some: &[u32]) -> Self {
        let mut order: Vec<u32> = some.to_vec();
        order.retain(|&element| list[element as usize].is_inside());
        order.sort_by_key(|&element| list[element as usize].put_ends);
        let mut longest: Vec<u32> = Vec::with_capacity(order.len());
        for &element in &order {
            let stays = |other: u32| list[other as usize].take_begins;
            let before = longest.last().copied();
            let before = before.filter(|&before| stays(before) >= stays(element));
            longest.push(before.unwrap_or(element));
        }
        Self {
            list,
            order,
            longest,
        }
    }

    /// As few elements as there can be of which one is certainly inside at every instant
    /// between these, both included.
    pub(super) fn chain(&self, from: Rank, to: Rank) -> Option<Vec<u32>> {
        let mut chain = Vec::new();
        let mut at = from;
        while at <= to {
            let is_before = |&element: &u32| self.list[element as usize].put_ends < at;
            let before = self.order.partition_point(is_before);
            let best = self.longest[before.checked_sub(1)?];
            let stays = self.list[best as usize].take_begins;
            if stays <= at {
                return None;
            }
            chain.push(best);
            if stays == NEVER {
                break;
            }
            at = stays;
        }
        Some(chain)
    }
}

/// Rows in words.
pub(super) struct Words<'c> {
    pub(super) calls: &'c Calls,
    pub(super) rows: &'c [Row<Role>],
}

impl Words<'_> {
    /// The value of a row.
    pub(super) fn value(&self, row: u32) -> impl Display {
        self.calls.value(self.rows[row as usize].a)
    }

    /// Some values, each once: "1, 2 or 3".
    pub(super) fn list(&self, rows: impl Iterator<Item = u32>, last: &str) -> String {
        const SHOWN: usize = 6;
        let values: Vec<String> = rows.map(|row| self.value(row).to_string()).collect();
        match values.as_slice() {
            [] => String::new(),
            [one] => one.clone(),
            [some @ .., end] if some.len() < SHOWN => format!("{} {last} {end}", some.join(", ")),
            many => {
                let shown = many[..SHOWN].join(", ");
                format!("{shown} {last} one of {} others", many.len() - SHOWN)
            }
        }
    }

    /// " at 1.000 ms", where there are times.
    pub(super) fn at(&self, rank: Rank) -> String {
        self.told(" at", rank)
    }

    /// " by 1.000 ms", where there are times.
    pub(super) fn by(&self, rank: Rank) -> String {
        self.told(" by", rank)
    }

    fn told(&self, word: &str, rank: Rank) -> String {
        if self.calls.is_untimed() || rank == NEVER {
            String::new()
        } else {
            format!("{word} {}", explain::ms(self.calls.time(rank)))
        }
    }

    /// A time, or other words for it where there are none.
    pub(super) fn start(&self, rank: Rank, otherwise: &str) -> String {
        if self.calls.is_untimed() || rank == NEVER {
            format!("{otherwise} of the call")
        } else {
            explain::ms(self.calls.time(rank))
        }
    }

    /// A violation that these rows prove.
    pub(super) fn violated(&self, name: &'static str, rows: &[u32], conclusion: String) -> Finding {
        let mut calls: Vec<u32> = rows
            .iter()
            .map(|&row| self.rows[row as usize].call)
            .collect();
        calls.sort_unstable();
        calls.dedup();
        Finding::Violated(Contradiction {
            name,
            calls,
            conclusion,
        })
    }
}

pub(super) fn narrow(number: usize) -> u32 {
    u32::try_from(number).expect("calls are numbered with 32 bits")
}
