//! The operations that say something of sessions, as rows: session by session, each in order.
//!
//! A row is a read that was answered, or a write that happened: acknowledged, or of unknown
//! outcome and its value was seen. A compare-and-set that happened is a read of the old value
//! and at once a write of the new one. Everything else tells nothing: reads without an answer,
//! the operator's final reads, writes that failed, and those of unknown outcome that nobody saw,
//! which may as well never have happened.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::Range;

use crate::calls::{Calls, NO_VALUE};
use crate::history::Kind;
use crate::history::dictionary::{Interned, NIL};

/// No row.
pub(super) const NONE: u32 = u32::MAX;

/// The source of a read of the initial value, which no row wrote.
pub(super) const INITIAL: u32 = u32::MAX - 1;

/// The call is no row.
const ABSENT: u32 = u32::MAX - 2;

/// Columns: one place a row.
#[derive(Debug, Default)]
pub(super) struct Rows {
    /// Its number among all calls.
    pub(super) call: Vec<u32>,
    /// Its process, by place; a process is a session.
    pub(super) session: Vec<u32>,
    /// Its key, by place in [`keys`](Self::keys).
    pub(super) key: Vec<u32>,
    /// The row whose value it read, or [`INITIAL`]; [`NONE`] if it only writes.
    pub(super) source: Vec<u32>,
    /// Whether it writes.
    pub(super) write: Vec<bool>,
    /// The first row of each session, and the end of the last.
    pub(super) starts: Vec<u32>,
    /// The numbers of the keys' values.
    pub(super) keys: Vec<u32>,
    /// Reads of what nobody wrote, or of what only a write that failed would have written.
    pub(super) foul: Vec<Foul>,
    /// Keys that were left out since a value was written to them twice.
    pub(super) repeated: usize,
    /// Keys that were left out since something about them could not be read.
    pub(super) unreadable: usize,
    /// What could not be read, of the first of them.
    pub(super) unreadable_why: Option<String>,
}

/// A read of a value that cannot have been there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Foul {
    pub(super) call: u32,
    /// The call that would have written it and failed.
    pub(super) failed: Option<u32>,
}

/// What a call asks of a register.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Asks {
    Read,
    Write,
    Cas,
    Final,
    Other,
}

/// Who wrote which value to which key.
struct Writers {
    /// By number of the value: the first call that may have written it.
    first: Vec<u32>,
    /// Of the same value on other keys.
    others: HashMap<(u32, u32), u32>,
}

impl Writers {
    fn get(&self, calls: &Calls, key: u32, value: u32) -> Option<u32> {
        match self.first[value as usize] {
            NONE => None,
            call if calls.key[call as usize] == key => Some(call),
            _ => self.others.get(&(key, value)).copied(),
        }
    }

    fn add(&mut self, calls: &Calls, key: u32, value: u32, call: u32) {
        let first = &mut self.first[value as usize];
        if *first == NONE {
            *first = call;
        } else if calls.key[*first as usize] != key {
            self.others.insert((key, value), call);
        }
    }
}

/// What a key is left out for.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
enum State {
    #[default]
    Unseen,
    Fine,
    Repeated,
    Unreadable,
}

struct Building<'c> {
    calls: &'c Calls,
    asks: Vec<Asks>,
    /// By number of the key's value.
    states: Vec<State>,
    unreadable_why: Option<String>,
}

impl Rows {
    /// **Cost**: linear; 17 bytes a row, and while it is built eight for each call and nine for
    /// each value.
    pub(super) fn of(calls: &Calls) -> Self {
        let asks = calls.fs.list().iter().map(|name| match &**name {
            "read" => Asks::Read,
            "write" => Asks::Write,
            "cas" => Asks::Cas,
            "final-read" | "final-read-set" => Asks::Final,
            _ => Asks::Other,
        });
        let mut building = Building {
            calls,
            asks: asks.collect(),
            states: vec![State::Unseen; calls.values.len()],
            unreadable_why: None,
        };
        let writers = building.writers();
        let seen = building.seen(&writers);
        building.rows(&writers, &seen)
    }

    pub(super) fn len(&self) -> usize {
        self.call.len()
    }

    pub(super) fn sessions(&self) -> usize {
        self.starts.len().saturating_sub(1)
    }

    /// The rows of a session, in order.
    pub(super) fn of_session(&self, session: u32) -> Range<u32> {
        self.starts[session as usize]..self.starts[session as usize + 1]
    }

    /// How many rows of its session are before a row.
    #[inline]
    pub(super) fn place(&self, row: u32) -> u32 {
        row - self.starts[self.session[row as usize] as usize]
    }

    pub(super) fn reads(&self, row: u32) -> Option<u32> {
        let source = self.source[row as usize];
        (source != NONE).then_some(source)
    }

    pub(super) fn writes(&self, row: u32) -> bool {
        self.write[row as usize]
    }

    /// For each write the last one before it of the same session to the same key.
    pub(super) fn previous_writes(&self) -> Vec<u32> {
        let mut previous = vec![NONE; self.len()];
        // By key: the session that wrote last of those looked at, and its write.
        let mut last = vec![(NONE, NONE); self.keys.len()];
        for at in 0..self.len() {
            if self.write[at] {
                let last = &mut last[self.key[at] as usize];
                if last.0 == self.session[at] {
                    previous[at] = last.1;
                }
                *last = (self.session[at], narrow(at));
            }
        }
        previous
    }
}

impl Building<'_> {
    fn set_aside(&mut self, call: u32, why: &str) {
        let key = self.calls.key[call as usize];
        self.states[key as usize] = State::Unreadable;
        let index = self.calls.index(call);
        self.unreadable_why
            .get_or_insert_with(|| format!("at index {index}: {why}"));
    }

    fn touch(&mut self, key: u32) {
        let state = &mut self.states[key as usize];
        if *state == State::Unseen {
            *state = State::Fine;
        }
    }

    fn asks(&self, call: u32) -> Asks {
        self.asks[usize::from(self.calls.f[call as usize])]
    }

    /// The value that a call would write.
    fn written(&self, call: u32) -> Option<u32> {
        match self.asks(call) {
            Asks::Write => Some(self.calls.argument[call as usize]),
            Asks::Cas => Some(self.calls.second[call as usize]),
            Asks::Read | Asks::Final | Asks::Other => None,
        }
    }

    /// The value that a call saw, if it happened.
    fn saw(&self, call: u32) -> Option<u32> {
        match self.asks(call) {
            Asks::Read => Some(self.calls.result(call)),
            Asks::Cas => Some(self.calls.argument[call as usize]),
            Asks::Write | Asks::Final | Asks::Other => None,
        }
    }

    /// Who may have written what, and which keys cannot be judged.
    fn writers(&mut self) -> Writers {
        let calls = self.calls;
        let mut writers = Writers {
            first: vec![NONE; calls.values.len()],
            others: HashMap::new(),
        };
        let composites = calls.values.has_composites();
        let is_composite = |number: u32| {
            composites
                && matches!(
                    calls.values.get(number),
                    Interned::List(_) | Interned::Map(_)
                )
        };
        let mut foreign = Vec::new();
        for call in 0..narrow(calls.len()) {
            let at = call as usize;
            let key = calls.key[at];
            let asks = self.asks(call);
            if asks == Asks::Final {
                continue;
            }
            if asks != Asks::Other {
                self.touch(key);
                if calls.has_crossed() && calls.is_crossed(call) {
                    self.set_aside(call, "it was asked of one key and answered for another");
                    continue;
                }
            }
            let failed = calls.outcome[at] == Kind::Fail;
            match asks {
                Asks::Read if calls.outcome[at] == Kind::Ok && is_composite(calls.result(call)) => {
                    self.set_aside(call, "it returned several values, not one");
                }
                Asks::Read | Asks::Final => {}
                Asks::Write if calls.second[at] != NO_VALUE => {
                    self.set_aside(call, "it writes several values, not one");
                }
                Asks::Cas if calls.second[at] == NO_VALUE => {
                    let why = "its argument is not a list of an old and a new value";
                    self.set_aside(call, why);
                }
                Asks::Write | Asks::Cas if self.written(call) == Some(NIL) => {
                    self.set_aside(call, "it writes nil, which stands for an absent key");
                }
                Asks::Write | Asks::Cas if !failed => {
                    let value = self.written(call).unwrap_or(NIL);
                    if writers.get(calls, key, value).is_some() {
                        if self.states[key as usize] == State::Fine {
                            self.states[key as usize] = State::Repeated;
                        }
                    } else {
                        writers.add(calls, key, value, call);
                    }
                }
                Asks::Write | Asks::Cas => {}
                Asks::Other if failed => {}
                Asks::Other => foreign.push(call),
            }
        }
        // Another workload's operations are no business of ours, unless they touch our keys.
        for call in foreign {
            if self.states[calls.key[call as usize] as usize] != State::Unseen {
                self.set_aside(call, "it is no operation of registers");
            }
        }
        writers
    }

    fn is_judged(&self, call: u32) -> bool {
        self.states[self.calls.key[call as usize] as usize] == State::Fine
    }

    /// The writes of unknown outcome whose value was seen.
    fn seen(&self, writers: &Writers) -> HashSet<u32> {
        let calls = self.calls;
        let mut seen = HashSet::new();
        let mut work = Vec::new();
        for call in 0..narrow(calls.len()) {
            if calls.outcome[call as usize] == Kind::Ok {
                work.push(call);
            }
            while let Some(call) = work.pop() {
                let Some(value) = self.saw(call) else {
                    continue;
                };
                let key = calls.key[call as usize];
                if let Some(writer) = writers.get(calls, key, value)
                    && calls.outcome[writer as usize] == Kind::Info
                    && seen.insert(writer)
                {
                    work.push(writer);
                }
            }
        }
        seen
    }

    /// The call whose value a call saw, [`INITIAL`], [`NONE`] if it only writes, or [`ABSENT`] if
    /// it is no row. What cannot have been there is added to `foul`.
    fn source(
        &self,
        call: u32,
        writers: &Writers,
        seen: &HashSet<u32>,
        foul: &mut Vec<(u32, u32, u32)>,
    ) -> u32 {
        let calls = self.calls;
        let at = call as usize;
        let happened = match calls.outcome[at] {
            Kind::Ok => !matches!(self.asks(call), Asks::Final | Asks::Other),
            Kind::Info => seen.contains(&call),
            Kind::Fail | Kind::Invoke => false,
        };
        if !happened || !self.is_judged(call) {
            return ABSENT;
        }
        let only_writes = if self.written(call).is_some() {
            NONE
        } else {
            ABSENT
        };
        match self.saw(call) {
            None => only_writes,
            Some(NIL) => INITIAL,
            Some(value) => match writers.get(calls, calls.key[at], value) {
                // Who expects what it writes itself must have found it there from elsewhere.
                Some(writer) if writer != call => writer,
                _ => {
                    foul.push((call, calls.key[at], value));
                    only_writes
                }
            },
        }
    }

    fn rows(mut self, writers: &Writers, seen: &HashSet<u32>) -> Rows {
        let calls = self.calls;
        let mut foul = Vec::new();
        let sources = (0..narrow(calls.len()))
            .map(|call| self.source(call, writers, seen, &mut foul))
            .collect::<Vec<u32>>();
        let mut starts = Vec::new();
        for (call, _) in (0..).zip(&sources).filter(|(_, source)| **source != ABSENT) {
            let session = calls.process_place(call) as usize;
            if session + 2 > starts.len() {
                starts.resize(session + 2, 0);
            }
            starts[session + 1] += 1;
        }
        for place in 1..starts.len() {
            starts[place] += starts[place - 1];
        }
        let mut next = starts.clone();
        let count = starts.last().map_or(0, |all| *all as usize);
        let mut rows = Rows {
            call: vec![0; count],
            session: vec![0; count],
            key: vec![0; count],
            source: vec![0; count],
            write: vec![false; count],
            starts,
            ..Rows::default()
        };
        let mut row_of = vec![NONE; calls.len()];
        let mut places = vec![NONE; calls.values.len()];
        for (call, source) in (0..).zip(sources) {
            if source == ABSENT {
                continue;
            }
            let key = calls.key[call as usize];
            let place = &mut places[key as usize];
            if *place == NONE {
                *place = narrow(rows.keys.len());
                rows.keys.push(key);
            }
            let session = calls.process_place(call);
            let row = next[session as usize];
            next[session as usize] += 1;
            row_of[call as usize] = row;
            let at = row as usize;
            rows.call[at] = call;
            rows.session[at] = session;
            rows.key[at] = *place;
            rows.source[at] = source;
            rows.write[at] = self.written(call).is_some();
        }
        for source in rows.source.iter_mut().filter(|source| **source < ABSENT) {
            *source = row_of[*source as usize];
        }
        rows.foul = self.fouls(&foul);
        rows.repeated = self.count(State::Repeated);
        rows.unreadable = self.count(State::Unreadable);
        rows.unreadable_why = self.unreadable_why.take();
        rows
    }

    fn count(&self, state: State) -> usize {
        self.states.iter().filter(|other| **other == state).count()
    }

    /// With the failed write of each value, where there is one.
    fn fouls(&self, foul: &[(u32, u32, u32)]) -> Vec<Foul> {
        let mut failed = BTreeMap::new();
        if !foul.is_empty() {
            for call in 0..narrow(self.calls.len()) {
                if self.calls.outcome[call as usize] == Kind::Fail
                    && let Some(value) = self.written(call)
                {
                    let key = self.calls.key[call as usize];
                    failed.entry((key, value)).or_insert(call);
                }
            }
        }
        let with_failed = foul.iter().map(|&(call, key, value)| Foul {
            call,
            failed: failed.get(&(key, value)).copied(),
        });
        with_failed.collect()
    }
}

pub(super) fn narrow(number: usize) -> u32 {
    u32::try_from(number).expect("calls are numbered with 32 bits")
}
