//! The calls of a history as columns: starts and ends paired, values by number.
//!
//! What the near-linear algorithms read. It is built while a file is read, so that no entry
//! is kept as an [`Op`]; it takes 41 bytes a call, and eight more for every different time.
//!
//! Only what is beyond doubt is taken in: whatever breaks a law of histories, or would have to
//! be mended first, makes it [irregular](Calls::irregular), and the history must be read as
//! [`Op`]s, which [`Read::history`](crate::history::Read::history) mends or refuses in words.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::history::columns::{Names, Processes};
use crate::history::dictionary::{Dictionary, Interned, NIL};
use crate::history::names::Shared;
use crate::history::{
    Call, Columns, Ending, Event, F, History, Kind, Nanos, Op, Process, Sink, Warning,
};
use crate::history::{Value, ValueRef};

/// A time by rank: equal times are equal, and everything in the history is between
/// [`BEFORE`] and [`NEVER`].
pub type Rank = u32;

/// Before everything: when the initial value was there.
pub const BEFORE: Rank = 0;

/// After everything: when a call returns that never did.
pub const NEVER: Rank = Rank::MAX;

/// No second value.
pub const NO_VALUE: u32 = u32::MAX;

/// The result is the argument once more.
const SAME: u32 = u32::MAX - 1;

/// No entry.
const NOWHERE: u32 = u32::MAX;

/// The client's operation ended in `info`: nothing may come from it any more.
const GONE: u32 = u32::MAX - 1;

/// The calls of clients, in the order in which they began.
///
/// Columns of equal length: one place a call.
#[derive(Clone, Debug, Default)]
pub struct Calls {
    /// Its object, by number; nil where there is none.
    pub key: Vec<u32>,
    /// Its function, by its place in [`fs`](Self::fs).
    pub f: Vec<u16>,
    /// How it ended; `Info` if it never did.
    pub outcome: Vec<Kind>,
    /// Its argument, by number; of a list of two values the first.
    pub argument: Vec<u32>,
    /// Of an argument that is a list of two values the second, else [`NO_VALUE`].
    pub second: Vec<u32>,
    /// When it began.
    pub begins: Vec<Rank>,
    /// When it was certainly over: [`NEVER`] if its outcome is unknown.
    pub ends: Vec<Rank>,
    /// The value with which it ended, by number; see [`result`](Self::result).
    result: Vec<u32>,
    /// The index of its start.
    index: Vec<u32>,
    /// The index of its end, if there is one.
    end_index: Vec<u32>,
    process: Vec<u32>,
    /// One more than the place of the node that answered or, if unknown, that was asked.
    node: Vec<u16>,
    /// The time of an end that is no return, by call: few.
    lapsed: HashMap<u32, Nanos>,
    /// The error with which a call ended, by call: few.
    errors: HashMap<u32, u32>,
    /// Calls that were asked of one key and answered for another: few.
    crossed: HashSet<u32>,
    /// The time of each rank from 1 on, unless it is one less than the rank.
    times: Vec<Nanos>,
    ranks: Rank,
    /// All functions.
    pub fs: Names,
    nodes: Names,
    processes: Processes,
    /// All keys and values.
    pub values: Dictionary,
    /// By process: its open call.
    open: Vec<u32>,
    last_index: Option<u32>,
    last_time: Nanos,
    untimed: bool,
    /// Whether the times are no times but the order of the entries.
    timeless: bool,
    /// What the nemesis said: few.
    nemesis: Vec<Op>,
    irregular: Option<(usize, String)>,
}

/// A value that is either still text or known already.
enum Given<'e> {
    Text(ValueRef<'e>),
    Number(u32),
}

/// An entry whose names are numbers.
struct Entry<'e> {
    line: usize,
    index: Option<usize>,
    time: Option<Nanos>,
    process: u32,
    kind: Kind,
    f: u16,
    key: u32,
    value: Given<'e>,
    node: u16,
    /// The number of the error's text, or nil.
    error: u32,
}

impl Calls {
    /// The calls of a history.
    ///
    /// # Panics
    ///
    /// With an index of more than 32 bits, or more than 65,000 functions or nodes.
    #[must_use]
    pub fn of(history: &History) -> Self {
        let mut columns = Columns::default();
        // Entry by entry, so that the columns stay small.
        let mut calls = Self::default();
        for op in history.ops() {
            columns.op(op);
        }
        calls.take(columns);
        calls.timeless = history.is_untimed();
        if let Some((_, reason)) = &calls.irregular {
            panic!("a history keeps its laws, yet {reason}");
        }
        calls
    }

    /// The calls of a history that was read as columns.
    #[must_use]
    pub fn of_columns(columns: Columns) -> Self {
        let mut calls = Self::default();
        calls.take(columns);
        calls
    }

    fn take(&mut self, columns: Columns) {
        self.fs = columns.fs;
        self.nodes = columns.nodes;
        self.processes = columns.processes;
        self.values = columns.values;
        let nemesis = self.processes.list().iter();
        let nemesis = nemesis
            .clone()
            .position(|process| *process == Process::Nemesis)
            .and_then(|place| u32::try_from(place).ok());
        let mut errors = columns.errors.iter().peekable();
        for at in 0..columns.time.len() {
            let error = errors.next_if(|(place, _)| *place as usize == at);
            if Some(columns.process[at]) == nemesis {
                self.nemesis.push(Op {
                    index: columns.index[at] as usize,
                    time: columns.time[at],
                    process: Process::Nemesis,
                    kind: columns.kind[at],
                    f: F::owned(self.fs.list()[usize::from(columns.f[at])].to_string()),
                    key: (columns.key[at] != NIL).then(|| self.value(columns.key[at])),
                    value: self.value(columns.value[at]),
                    node: self.node_name(columns.node[at]),
                    error: error.map(|(_, text)| self.text(*text)),
                });
                self.heard(
                    at + 1,
                    Some(columns.index[at] as usize),
                    Some(columns.time[at]),
                );
                continue;
            }
            self.entry(&Entry {
                line: at + 1,
                index: Some(columns.index[at] as usize),
                time: Some(columns.time[at]),
                process: columns.process[at],
                kind: columns.kind[at],
                f: columns.f[at],
                key: columns.key[at],
                value: Given::Number(columns.value[at]),
                node: columns.node[at],
                error: error.map_or(NIL, |(_, text)| *text),
            });
        }
    }

    /// How many calls there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.f.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.f.is_empty()
    }

    /// Whether the nemesis tells of phases, as in every history that schism recorded.
    #[must_use]
    pub fn has_phases(&self) -> bool {
        self.nemesis.iter().any(|op| op.f == *"phase")
    }

    /// What the nemesis said, in order.
    #[must_use]
    pub fn nemesis(&self) -> &[Op] {
        &self.nemesis
    }

    /// The node that answered a call or, if unknown, that was asked: by its place in
    /// [`nodes`](Self::nodes).
    #[inline]
    #[must_use]
    pub fn node(&self, call: u32) -> Option<u16> {
        self.node[call as usize].checked_sub(1)
    }

    /// The names of all nodes that clients asked.
    #[must_use]
    pub fn nodes(&self) -> &[Box<str>] {
        self.nodes.list()
    }

    fn node_name(&self, number: u16) -> Option<Arc<str>> {
        let place = usize::from(number).checked_sub(1)?;
        Some(self.nodes.list()[place].as_ref().into())
    }

    /// The whole history as operations, the nemesis among them.
    ///
    /// **Cost**: linear, and some hundred bytes a call.
    ///
    /// # Panics
    ///
    /// If the calls are [irregular](Self::irregular).
    #[must_use]
    pub fn whole(&self) -> History {
        let mut ops = self.nemesis.clone();
        let calls = u32::try_from(self.len()).expect("calls are numbered with 32 bits");
        for call in 0..calls {
            let (invoke, complete) = self.ops(call);
            ops.push(invoke);
            ops.extend(complete);
        }
        self.lawful(ops)
    }

    fn lawful(&self, mut ops: Vec<Op>) -> History {
        ops.sort_by_key(|op| op.index);
        let history = History::new(ops).expect("a part of a lawful history is lawful");
        if self.is_untimed() {
            history.without_times()
        } else {
            history
        }
    }

    /// Whether the history bears no times of its own.
    #[must_use]
    pub fn is_untimed(&self) -> bool {
        self.untimed || self.timeless
    }

    /// Why the history must be read as operations: the line, and what is wrong there. What
    /// follows that line is not among the calls.
    #[must_use]
    pub fn irregular(&self) -> Option<(usize, &str)> {
        let (line, reason) = self.irregular.as_ref()?;
        Some((*line, reason))
    }

    /// Takes what a reader says at the end.
    pub fn end(&mut self, ending: &Ending) {
        self.timeless |= ending.warnings.iter().any(Warning::is_untimed);
        if ending.truncated || !ending.warnings.iter().all(Warning::is_untimed) {
            self.refuse(0, "its file is cut off, or something is to be said of it");
        }
        if self.values.has_lookalikes() {
            self.refuse(0, "numbers stand in it as numbers and as text");
        }
    }

    /// The value with which a call ended, by number. Of a compare-and-set that answered its
    /// argument it is no number of a value.
    #[inline]
    #[must_use]
    pub fn result(&self, call: u32) -> u32 {
        self.result[call as usize]
    }

    /// The [results](Self::result) of all calls.
    #[must_use]
    pub fn results(&self) -> &[u32] {
        &self.result
    }

    /// The time of a rank between [`BEFORE`] and [`NEVER`].
    #[must_use]
    pub fn time(&self, rank: Rank) -> Nanos {
        match rank.checked_sub(1) {
            None => 0,
            Some(place) if self.untimed => Nanos::from(place),
            Some(place) => self.times.get(place as usize).copied().unwrap_or(0),
        }
    }

    /// The first rank whose time is not before this one; beyond all of them if there is none.
    ///
    /// **Cost**: logarithmic.
    #[must_use]
    pub fn rank_from(&self, time: Nanos) -> Rank {
        let before = if self.untimed {
            usize::try_from(time).unwrap_or(usize::MAX)
        } else {
            self.times.partition_point(|other| *other < time)
        };
        Rank::try_from(before).map_or(NEVER, |before| before.saturating_add(1))
    }

    /// The number of the text of the error with which a call ended, if it had one.
    #[must_use]
    pub fn error(&self, call: u32) -> Option<u32> {
        self.errors.get(&call).copied()
    }

    fn text(&self, number: u32) -> String {
        match self.values.get(number) {
            Interned::Str(text) => text.to_owned(),
            _ => String::new(),
        }
    }

    /// Whether a call was asked of one key and answered for another.
    #[must_use]
    pub fn is_crossed(&self, call: u32) -> bool {
        self.crossed.contains(&call)
    }

    /// Whether any call [is](Self::is_crossed).
    #[must_use]
    pub fn has_crossed(&self) -> bool {
        !self.crossed.is_empty()
    }

    /// The calls that [are](Self::is_crossed), in the order of their starts.
    #[must_use]
    pub fn crossed(&self) -> Vec<u32> {
        let mut crossed: Vec<u32> = self.crossed.iter().copied().collect();
        crossed.sort_unstable();
        crossed
    }

    /// The errors with which calls ended, each with its function.
    pub fn errors(&self) -> impl Iterator<Item = (u16, &str)> {
        let mut errors: Vec<(u32, u32)> = self.errors.iter().map(|(c, e)| (*c, *e)).collect();
        errors.sort_unstable();
        errors.into_iter().map(|(call, text)| {
            let text = match self.values.get(text) {
                Interned::Str(text) => text,
                _ => "",
            };
            (self.f[call as usize], text)
        })
    }

    /// The calls that start with one of these indices, in the order of their starts.
    ///
    /// Indices of ends are passed over. **Cost**: logarithmic for each.
    #[must_use]
    pub fn by_indices(&self, indices: &[usize]) -> Vec<u32> {
        let mut found = Vec::new();
        for index in indices
            .iter()
            .filter_map(|index| u32::try_from(*index).ok())
        {
            if let Ok(call) = self.index.binary_search(&index) {
                found.push(narrow(call));
            }
        }
        found.sort_unstable();
        found.dedup();
        found
    }

    /// The process of a call.
    #[must_use]
    pub fn process(&self, call: u32) -> Process {
        self.processes.list()[self.process[call as usize] as usize]
    }

    /// The place of a call's process among all processes.
    #[must_use]
    pub fn process_place(&self, call: u32) -> u32 {
        self.process[call as usize]
    }

    /// The index of the entry that begins a call.
    #[must_use]
    pub fn index(&self, call: u32) -> usize {
        self.index[call as usize] as usize
    }

    /// The index of the entry that ends a call, if there is one.
    #[must_use]
    pub fn end_index(&self, call: u32) -> Option<usize> {
        let index = self.end_index[call as usize];
        (index != NOWHERE).then_some(index as usize)
    }

    /// A value as words and reports have it.
    #[must_use]
    pub fn value(&self, number: u32) -> Value {
        self.values.value(number)
    }

    /// The place of a function's name, if it occurs.
    #[must_use]
    pub fn function(&self, name: &str) -> Option<u16> {
        self.fs.find(name)
    }

    /// The two entries of a call.
    #[must_use]
    pub fn ops(&self, call: u32) -> (Op, Option<Op>) {
        let at = call as usize;
        let argument = match self.second[at] {
            NO_VALUE => self.value(self.argument[at]),
            second => Value::List(vec![self.value(self.argument[at]), self.value(second)]),
        };
        let node = self.node_name(self.node[at]);
        let invoke = Op {
            index: self.index[at] as usize,
            time: self.time(self.begins[at]),
            process: self.process(call),
            kind: Kind::Invoke,
            f: F::owned(self.fs.list()[usize::from(self.f[at])].to_string()),
            key: (self.key[at] != NIL).then(|| self.value(self.key[at])),
            value: argument,
            node,
            error: None,
        };
        if self.end_index[at] == NOWHERE {
            return (invoke, None);
        }
        let time = match self.ends[at] {
            NEVER => self.lapsed.get(&call).copied().unwrap_or(invoke.time),
            rank => self.time(rank),
        };
        let complete = Op {
            index: self.end_index[at] as usize,
            time,
            kind: self.outcome[at],
            error: self.error(call).map(|text| self.text(text)),
            value: match self.result[at] {
                SAME => invoke.value.clone(),
                number => self.value(number),
            },
            ..invoke.clone()
        };
        (invoke, Some(complete))
    }

    /// The history of some of the calls, given in the order of their starts.
    ///
    /// # Panics
    ///
    /// If they are not in that order.
    #[must_use]
    pub fn history(&self, of: &[u32]) -> History {
        let mut ops = Vec::with_capacity(of.len() * 2);
        for &call in of {
            let (invoke, complete) = self.ops(call);
            ops.push(invoke);
            ops.extend(complete);
        }
        self.lawful(ops)
    }

    /// Where a function's name stands in [`fs`](Self::fs), of that call.
    #[must_use]
    pub fn name(&self, call: u32) -> &str {
        &self.fs.list()[usize::from(self.f[call as usize])]
    }

    /// The call whose entries [`ops`](Self::ops) gave.
    #[must_use]
    pub fn call<'e>(&self, (invoke, complete): &'e (Op, Option<Op>)) -> Call<'e> {
        Call {
            invoke,
            complete: complete.as_ref(),
            untimed: self.is_untimed(),
        }
    }

    fn refuse(&mut self, line: usize, reason: &str) {
        self.irregular
            .get_or_insert_with(|| (line, reason.to_owned()));
    }

    /// Takes note of an entry's index and time; the rank of the time.
    #[inline]
    fn heard(
        &mut self,
        line: usize,
        index: Option<usize>,
        time: Option<Nanos>,
    ) -> Option<(u32, Rank)> {
        let first = self.last_index.is_none();
        let index = match index {
            Some(index) => u32::try_from(index).ok().filter(|index| *index < GONE),
            None => Some(self.last_index.map_or(0, |last| last + 1)),
        };
        let Some(index) = index.filter(|index| self.last_index.is_none_or(|last| *index > last))
        else {
            self.refuse(line, "its index does not rise, or has more than 32 bits");
            return None;
        };
        self.last_index = Some(index);
        if first {
            self.untimed = time.is_none();
        }
        let time = match time {
            Some(time) if !self.untimed => time,
            Some(_) => {
                self.refuse(line, "it bears a time where the first entry bears none");
                return None;
            }
            None => self.last_time + Nanos::from(self.untimed && !first),
        };
        if first || time > self.last_time {
            self.last_time = time;
            self.ranks += 1;
            if !self.untimed {
                self.times.push(time);
            }
        } else if time < self.last_time {
            self.refuse(line, "time goes back");
            return None;
        }
        Some((index, self.ranks))
    }

    #[inline]
    fn entry(&mut self, entry: &Entry<'_>) {
        if self.irregular.is_some() {
            return;
        }
        let Some((index, rank)) = self.heard(entry.line, entry.index, entry.time) else {
            return;
        };
        let process = entry.process as usize;
        if process >= self.open.len() {
            self.open.resize((process + 1).next_power_of_two(), NOWHERE);
        }
        let open = self.open[process];
        if entry.kind == Kind::Invoke {
            if open != NOWHERE {
                return self.refuse(
                    entry.line,
                    "a process has two open calls, or goes on after info",
                );
            }
            self.open[process] = u32::try_from(self.len()).expect("it has an index");
            let (argument, second) = self.argument_of(&entry.value);
            self.key.push(entry.key);
            self.f.push(entry.f);
            self.outcome.push(Kind::Info);
            self.argument.push(argument);
            self.second.push(second);
            self.begins.push(rank);
            self.ends.push(NEVER);
            self.result.push(NIL);
            self.index.push(index);
            self.end_index.push(NOWHERE);
            self.process.push(entry.process);
            self.node.push(entry.node);
            return;
        }
        let at = open as usize;
        if at >= self.len() || self.f[at] != entry.f {
            return self.refuse(entry.line, "it ends what its process did not begin");
        }
        if entry.key != self.key[at] && entry.key != NIL && self.key[at] != NIL {
            self.crossed.insert(open);
        }
        if entry.error != NIL {
            self.errors.insert(open, entry.error);
        }
        self.open[process] = if entry.kind == Kind::Info {
            GONE
        } else {
            NOWHERE
        };
        self.outcome[at] = entry.kind;
        if entry.kind == Kind::Info {
            self.lapsed.insert(open, self.last_time);
        } else {
            self.ends[at] = rank;
        }
        self.end_index[at] = index;
        self.result[at] = self.result_of(at, &entry.value);
        if entry.node != 0 {
            self.node[at] = entry.node;
        }
    }

    #[inline]
    fn argument_of(&mut self, value: &Given<'_>) -> (u32, u32) {
        match *value {
            Given::Text(ValueRef::List(mut items)) if items.len() == 2 => {
                let (Some(first), Some(second)) = (items.next(), items.next()) else {
                    unreachable!("there are two")
                };
                (self.values.intern(first), self.values.intern(second))
            }
            Given::Text(value) => (self.values.intern(value), NO_VALUE),
            Given::Number(number) => match self.values.get(number) {
                Interned::List(&[first, second]) => (first, second),
                _ => (number, NO_VALUE),
            },
        }
    }

    #[inline]
    fn result_of(&mut self, at: usize, value: &Given<'_>) -> u32 {
        // Only of a compare-and-set nobody needs the result as a number.
        let cas = &*self.fs.list()[usize::from(self.f[at])] == "cas";
        let asked = (
            self.argument[at],
            if cas { self.second[at] } else { NO_VALUE },
        );
        match *value {
            Given::Text(ValueRef::List(mut items)) if items.len() == 2 && asked.1 != NO_VALUE => {
                let (Some(first), Some(second)) = (items.next(), items.next()) else {
                    unreachable!("there are two")
                };
                if (self.values.intern(first), self.values.intern(second)) == asked {
                    return SAME;
                }
                let Given::Text(value) = *value else {
                    unreachable!("it has just been seen")
                };
                self.values.intern(value)
            }
            Given::Text(value) => self.values.intern(value),
            Given::Number(number) => match self.values.get(number) {
                Interned::List(&[first, second]) if (first, second) == asked => SAME,
                _ => number,
            },
        }
    }
}

impl Sink for Calls {
    #[inline]
    fn event(&mut self, event: &Event<'_>) {
        if self.irregular.is_some() {
            return;
        }
        if event.process == Process::Nemesis {
            if self.heard(event.line, event.index, event.time).is_some() {
                let mut names = Shared::default();
                self.nemesis.push(Op {
                    index: self.last_index.unwrap_or(0) as usize,
                    time: self.last_time,
                    process: Process::Nemesis,
                    kind: event.kind,
                    f: names.f(event.f),
                    key: event.key.map(|key| names.value(key)),
                    value: names.value(event.value),
                    node: event.node.map(Arc::from),
                    error: event.error.map(str::to_owned),
                });
            }
            return;
        }
        let Some(f) = self.fs.place(event.f) else {
            return self.refuse(event.line, "there are too many functions before it");
        };
        let node = match event.node.map(|node| self.nodes.place(node)) {
            None => 0,
            Some(Some(place)) => place + 1,
            Some(None) => return self.refuse(event.line, "there are too many nodes before it"),
        };
        let process = self.processes.place(event.process);
        let key = event.key.map_or(NIL, |key| self.values.intern(key));
        let error = event.error.map_or(NIL, |error| self.values.text(error));
        self.entry(&Entry {
            line: event.line,
            index: event.index,
            time: event.time,
            process,
            kind: event.kind,
            f,
            key,
            value: Given::Text(event.value),
            node,
            error,
        });
    }
}

fn narrow(number: usize) -> u32 {
    u32::try_from(number).expect("calls are numbered with 32 bits")
}
