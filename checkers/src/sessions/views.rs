//! PRAM and causal memory: for each session one order of the writes and its own reads.
//!
//! What is **before** an operation of the session at hand is the least relation that contains
//! the order of the sessions and the writes before the session's own reads of them (for causal
//! memory: before all reads of them), and, for every read of a value v, each other write to
//! the key that is before the read, before v's write. An order exists exactly if that relation
//! has no circle and puts no write before a read of the initial value.
//!
//! The session's operations are looked at in order. A write has a **place**: the first of them
//! that it is before. Most writes keep the place at which they came into sight. When a value is
//! read that was in sight already, the writes to its key that came after it **move** to its
//! place, with all that is before them; and if that passes a read of another key, they must come
//! before what that read returned. No write has a later place than one that it is before, so a
//! circle lies at one place, and some step of it leads back in the order in which causality lets
//! the rows be taken: only from such steps circles are looked for.
//!
//! **Source**: the relation is Bouajjani, Enea, Guerraoui and Hamza's `hb`, "On verifying causal
//! consistency", 2017, and Wei et al.'s for PRAM, "Verifying PRAM consistency over read/write
//! traces of data replicas", 2013. Places instead of a closure are ours.

use std::ops::Range;

use super::deeds::{Deeds, Lists};
use super::found::{Finding, Found, written};
use super::index::{INITIAL, NONE, Rows, narrow};
use super::paths::{Steps, path};
use crate::Budget;
use crate::calls::Calls;
use crate::linearizable::cores::{on_cores, workers};

/// Of how many sessions it is told why they have no order, and from how many pairs of each a short
/// circle is looked for.
const TRACED: usize = 24;

/// What is in sight of a key. Writes are those of [`Deeds`].
#[derive(Clone, Copy)]
struct OnKey {
    /// How many writes, and the first that came.
    seen: u32,
    first: u32,
    /// The last of those that came since the key was last read or written; each knows the one
    /// before it.
    unsettled: u32,
    /// The write whose value it had then.
    value: u32,
}

const UNSEEN: OnKey = OnKey {
    seen: 0,
    first: NONE,
    unsettled: NONE,
    value: NONE,
};

struct Views<'a> {
    calls: &'a Calls,
    rows: &'a Rows,
    deeds: &'a Deeds,
    causal: bool,
    /// In which order causality lets the rows be taken, if there is one.
    order: Option<&'a [u32]>,
    /// The session at hand, and its writes.
    session: u32,
    own: Range<u32>,
    places: Vec<u32>,
    /// For each write that is unsettled the one before it.
    unsettled: Vec<u32>,
    /// Of each session how many writes are in sight.
    upto: Vec<u32>,
    keys: Vec<OnKey>,
    /// By key the reads of the session at hand.
    reads: Vec<Vec<u32>>,
    touched_keys: Vec<u32>,
    touched_sessions: Vec<u32>,
    /// The writes that must come before each.
    before: Lists,
    /// Of them those that lead back, as far as they may lie on a circle.
    suspects: Vec<(u32, u32)>,
    /// While a circle is looked for.
    states: Vec<State>,
    /// How many reads returned one of several values.
    power: usize,
    sighted: Vec<u32>,
    moved: Vec<(u32, u32)>,
}

/// How far the search for a circle is with a write.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    New,
    Open,
    Done,
}

/// A write on the way, and where its lists go on.
struct Step {
    write: u32,
    looked_back: bool,
    learned: usize,
    entry: u32,
}

/// A circle, as far as it is known, or a write before a read of the initial value.
enum Broken {
    Circle(Vec<u32>),
    Initial { write: u32, read: u32 },
}

/// Judges PRAM, or causal memory, which must have no circle in its causality. None if the
/// budget was spent.
///
/// Sessions are judged on all cores. What is told of the first that cannot be is found out
/// afterwards, so that it does not depend on how many cores there are.
///
/// **Cost**: for each session what comes into its sight, so O(n k) with k sessions; more where
/// many writes move. Sixteen bytes a write, and for each core thirteen a write and eight for each
/// that must come before another one.
pub(super) fn judge(
    calls: &Calls,
    rows: &Rows,
    causal: bool,
    order: Option<&[u32]>,
    budget: &Budget,
) -> Option<Found> {
    judge_by(workers(rows.len()), calls, rows, causal, order, budget)
}

fn judge_by(
    workers: usize,
    calls: &Calls,
    rows: &Rows,
    causal: bool,
    order: Option<&[u32]>,
    budget: &Budget,
) -> Option<Found> {
    let deeds = Deeds::of(rows, causal);
    let sessions = narrow(rows.sessions());
    let shares: Vec<u32> = (0..narrow(workers)).collect();
    let judged = on_cores(shares, |first| {
        let mut views = Views::new(calls, rows, &deeds, causal, order);
        let mut broken = Vec::new();
        for session in (first..sessions).step_by(workers) {
            if budget.is_spent() {
                return None;
            }
            if views.judge(session).is_err() {
                broken.push(session);
            }
            views.clear();
        }
        Some((views.power, broken))
    });
    let judged = judged.into_iter().collect::<Option<Vec<_>>>()?;
    let mut broken: Vec<u32> = judged
        .iter()
        .flat_map(|(_, broken)| broken)
        .copied()
        .collect();
    broken.sort_unstable();
    let mut found = Found {
        count: broken.len(),
        power: judged.iter().map(|(power, _)| power).sum::<usize>() + broken.len(),
        ..Found::default()
    };
    if broken.is_empty() {
        return Some(found);
    }
    let mut views = Views::new(calls, rows, &deeds, causal, order);
    for session in broken.into_iter().take(TRACED) {
        let finding = views.judge(session).err().and_then(|why| views.told(&why));
        if let Some(finding) = finding {
            found.keep(finding);
        }
        views.clear();
    }
    Some(found)
}

impl<'a> Views<'a> {
    fn new(
        calls: &'a Calls,
        rows: &'a Rows,
        deeds: &'a Deeds,
        causal: bool,
        order: Option<&'a [u32]>,
    ) -> Self {
        Self {
            calls,
            rows,
            deeds,
            causal,
            order,
            session: 0,
            own: 0..0,
            places: vec![NONE; deeds.len()],
            unsettled: vec![NONE; deeds.len()],
            upto: vec![0; rows.sessions()],
            keys: vec![UNSEEN; rows.keys.len()],
            reads: vec![Vec::new(); rows.keys.len()],
            touched_keys: Vec::new(),
            touched_sessions: Vec::new(),
            before: Lists::new(deeds.len()),
            suspects: Vec::new(),
            states: vec![State::New; deeds.len()],
            power: 0,
            sighted: Vec::new(),
            moved: Vec::new(),
        }
    }

    /// Whether there is an order for a session, or why not.
    fn judge(&mut self, session: u32) -> Result<(), Broken> {
        self.session = session;
        self.own = self.deeds.of_session(session);
        self.view()?;
        self.circle()
    }

    fn touch(&mut self, key: u32) -> &mut OnKey {
        let on = &mut self.keys[key as usize];
        if on.seen == 0 && self.reads[key as usize].is_empty() {
            self.touched_keys.push(key);
        }
        on
    }

    fn clear(&mut self) {
        for key in self.touched_keys.drain(..) {
            self.keys[key as usize] = UNSEEN;
            self.reads[key as usize] = Vec::new();
        }
        let (deeds, upto) = (self.deeds, &self.upto);
        let in_sight = self.touched_sessions.iter().map(|&session| {
            let from = deeds.of_session(session).start as usize;
            from..from + upto[session as usize] as usize
        });
        self.before.clear(in_sight.clone());
        for writes in in_sight {
            self.places[writes.clone()].fill(NONE);
            self.states[writes].fill(State::New);
        }
        for session in self.touched_sessions.drain(..) {
            self.upto[session as usize] = 0;
        }
        self.suspects.clear();
    }

    /// The operations of the session at hand, in order.
    fn view(&mut self) -> Result<(), Broken> {
        let rows = self.rows;
        let mut write = self.own.start;
        for (place, row) in (0..).zip(rows.of_session(self.session)) {
            // A compare-and-set reads at one place and writes at the next.
            let place: u32 = place * 2;
            let key = rows.key[row as usize];
            if let Some(source) = rows.reads(row) {
                if source == INITIAL {
                    let on = self.touch(key);
                    if on.seen > 0 {
                        let write = on.first;
                        return Err(Broken::Initial { write, read: row });
                    }
                } else {
                    let source = self.deeds.of_row(rows, source);
                    if source >= write && self.own.contains(&source) {
                        return Err(Broken::Circle(vec![source]));
                    }
                    self.sight(source, place);
                    self.read(key, source)?;
                }
                self.reads[key as usize].push(row);
            }
            if rows.writes(row) {
                self.places[write as usize] = place + 1;
                let on = self.touch(key);
                if on.seen == 0 {
                    on.first = write;
                }
                on.seen += 1;
                on.value = write;
                // They are before it already.
                on.unsettled = NONE;
                let upto = &mut self.upto[self.session as usize];
                if *upto == 0 {
                    self.touched_sessions.push(self.session);
                }
                *upto += 1;
                write += 1;
            }
        }
        Ok(())
    }

    /// A write and what is before it come into sight.
    fn sight(&mut self, write: u32, place: u32) {
        if self.places[write as usize] != NONE {
            return;
        }
        let deeds = self.deeds;
        self.sighted.push(write);
        while let Some(write) = self.sighted.pop() {
            if self.places[write as usize] != NONE {
                continue;
            }
            let session = deeds.session(self.rows, write);
            let first = deeds.of_session(session).start;
            let from = first + self.upto[session as usize];
            if from == first {
                self.touched_sessions.push(session);
            }
            self.upto[session as usize] = write + 1 - first;
            for write in from..=write {
                self.places[write as usize] = place;
                let on = self.touch(deeds.key[write as usize]);
                if on.seen == 0 {
                    on.first = write;
                }
                on.seen += 1;
                // Of the writes of a session the last brings the others along.
                let last = on.unsettled;
                on.unsettled = write;
                self.unsettled[write as usize] = if last != NONE && (from..write).contains(&last) {
                    self.unsettled[last as usize]
                } else {
                    last
                };
            }
            self.sighted
                .extend_from_slice(deeds.learned(from..write + 1));
        }
    }

    /// A value is read that is in sight.
    fn read(&mut self, key: u32, source: u32) -> Result<(), Broken> {
        let on = self.touch(key);
        let (choice, before, mut next) = (on.seen > 1, on.value, on.unsettled);
        on.value = source;
        on.unsettled = NONE;
        self.power += usize::from(choice);
        if before != NONE && before != source {
            self.pair(before, source)?;
        }
        while next != NONE {
            let write = next;
            next = self.unsettled[write as usize];
            if write != source && write != before {
                self.pair(write, source)?;
            }
        }
        Ok(())
    }

    /// The one write must come before the other.
    fn pair(&mut self, one: u32, other: u32) -> Result<(), Broken> {
        self.before.add(other, one);
        let place = self.places[other as usize];
        if self.places[one as usize] > place {
            self.shift(one, place)?;
        }
        // If only the other moves later, that is looked at then.
        let at_one_place = self.places[one as usize] == self.places[other as usize];
        if at_one_place && leads_back(self.deeds, self.order, one, other) {
            self.suspects.push((one, other));
        }
        Ok(())
    }

    /// Moves a write and all that is before it to that place or one before it.
    fn shift(&mut self, write: u32, place: u32) -> Result<(), Broken> {
        let (rows, deeds, order) = (self.rows, self.deeds, self.order);
        let leads_back = |one, other| leads_back(deeds, order, one, other);
        self.moved.push((write, place));
        while let Some((write, mut place)) = self.moved.pop() {
            let old = self.places[write as usize];
            if old <= place {
                continue;
            }
            if self.own.contains(&write) {
                self.moved.clear();
                return Err(Broken::Circle(Vec::new()));
            }
            let reads = &self.reads[deeds.key[write as usize] as usize];
            let read_at = |read: u32| rows.place(read) * 2;
            loop {
                let first = reads.partition_point(|&read| read_at(read) < place);
                let Some(&read) = reads.get(first).filter(|&&read| read_at(read) < old) else {
                    break;
                };
                let source = rows.source[read as usize];
                if source == INITIAL {
                    self.moved.clear();
                    return Err(Broken::Initial { write, read });
                }
                let source = deeds.of_row(rows, source);
                self.before.add(source, write);
                if leads_back(write, source) {
                    self.suspects.push((write, source));
                }
                let there = self.places[source as usize];
                if there >= place {
                    break;
                }
                place = there;
            }
            self.places[write as usize] = place;
            let session = deeds.session(rows, write);
            if write > deeds.of_session(session).start {
                self.moved.push((write - 1, place));
            }
            let learned = deeds.learned(write..write + 1).iter();
            self.moved.extend(learned.map(|&learned| (learned, place)));
            for one in self.before.of(write) {
                self.moved.push((one, place));
                if leads_back(one, write) {
                    self.suspects.push((one, write));
                }
            }
        }
        Ok(())
    }

    /// Looks for a circle through one of the suspects.
    ///
    /// **Cost**: linear in what is in sight, and mostly far less.
    fn circle(&mut self) -> Result<(), Broken> {
        for nth in 0..self.suspects.len() {
            let (one, other) = self.suspects[nth];
            let at_one_place = self.places[one as usize] == self.places[other as usize];
            if at_one_place && self.states[other as usize] == State::New {
                self.search(other)?;
            }
        }
        Ok(())
    }

    /// Goes through all that is before a write, as far as it has the same place.
    fn search(&mut self, write: u32) -> Result<(), Broken> {
        let place = self.places[write as usize];
        let mut way = vec![self.step(write)];
        while let Some(step) = way.last_mut() {
            let Some(before) = next_before(self.rows, self.deeds, &self.before, step) else {
                self.states[step.write as usize] = State::Done;
                way.pop();
                continue;
            };
            if self.places[before as usize] != place {
                continue;
            }
            match self.states[before as usize] {
                State::New => {
                    let step = self.step(before);
                    way.push(step);
                }
                State::Open => {
                    let circle = way.iter().rev().map(|step| step.write);
                    let from = way.iter().rposition(|step| step.write == before);
                    let long = way.len() - from.unwrap_or(0);
                    return Err(Broken::Circle(circle.take(long).collect()));
                }
                State::Done => {}
            }
        }
        Ok(())
    }

    fn step(&mut self, write: u32) -> Step {
        self.states[write as usize] = State::Open;
        Step {
            write,
            looked_back: false,
            learned: 0,
            entry: self.before.head(write),
        }
    }

    fn counts(&self, row: u32) -> bool {
        self.causal || self.rows.session[row as usize] == self.session
    }

    fn row(&self, write: u32) -> u32 {
        self.deeds.row[write as usize]
    }

    /// The pairs that were found last, the very last first.
    fn last_pairs(&self) -> Vec<(u32, u32)> {
        let mut pairs: Vec<(u32, (u32, u32))> = Vec::new();
        for other in 0..narrow(self.deeds.len()) {
            let mut entry = self.before.head(other);
            while let Some((one, next)) = self.before.entry(entry) {
                pairs.push((entry, (one, other)));
                entry = next;
            }
        }
        pairs.sort_unstable_by(|one, other| other.cmp(one));
        pairs.truncate(TRACED);
        pairs.into_iter().map(|(_, pair)| pair).collect()
    }

    /// The steps of a circle that the session's reads ask for, or else what was found last.
    fn asked(&self, circle: &[u32]) -> Vec<(u32, u32)> {
        let round = circle.iter().zip(circle.iter().cycle().skip(1));
        let asked = round
            .map(|(&one, &other)| (one, other))
            .filter(|&(one, other)| {
                one == other || self.before.of(other).any(|before| before == one)
            });
        let asked: Vec<(u32, u32)> = asked.take(TRACED).collect();
        if asked.is_empty() {
            self.last_pairs()
        } else {
            asked
        }
    }

    /// In words; none if it cannot be traced.
    fn told(&self, broken: &Broken) -> Option<Finding> {
        let (rows, deeds) = (self.rows, self.deeds);
        let more = |row: u32| {
            let before = self.before.of(deeds.of_row(rows, row));
            before.map(|one| self.row(one)).collect::<Vec<_>>()
        };
        let way = |from, to| path(rows, from, to, Steps::Any, |row| self.counts(row), more);
        let session = self
            .calls
            .process(rows.call[rows.of_session(self.session).start as usize]);
        let (name, proof, why) = match broken {
            Broken::Initial { write, read } => {
                let write = self.row(*write);
                (
                    "write-hb-init-read",
                    way(write, *read).unwrap_or_default(),
                    format!(
                        "{} comes before the read of nil.",
                        written(self.calls, rows, write)
                    ),
                )
            }
            Broken::Circle(circle) => {
                let pairs = self.asked(circle).into_iter();
                let pairs: Vec<(u32, u32)> = pairs
                    .map(|(one, other)| (self.row(one), self.row(other)))
                    .collect();
                let circles = pairs.iter().filter_map(|&(one, other)| {
                    let mut proof = if one == other {
                        vec![one]
                    } else {
                        way(other, one)?
                    };
                    proof.push(other);
                    Some((proof, one, other))
                });
                let shortest = circles.min_by_key(|(proof, ..)| proof.len());
                let last = pairs.first();
                let last = last.map(|&(one, other)| (vec![one, other], one, other));
                let (mut proof, one, other) = shortest.or(last)?;
                self.explain(&mut proof);
                let (one, other) = (
                    written(self.calls, rows, one),
                    written(self.calls, rows, other),
                );
                let why = if one == other {
                    format!("it read {one} before it wrote it.")
                } else {
                    format!("{other} comes before {one}, and {one} before {other}.")
                };
                ("cyclic-hb", proof, why)
            }
        };
        let own = if self.causal {
            "with what causality and its reads ask for"
        } else {
            "with what the order of each session and its own reads ask for"
        };
        Some(Finding {
            name,
            rows: proof,
            conclusion: format!("For {session}, {own}, {why}"),
        })
    }

    /// Adds the session's reads that show the pairs on the way.
    fn explain(&self, proof: &mut Vec<u32>) {
        let (rows, deeds) = (self.rows, self.deeds);
        let steps: Vec<(u32, u32)> = proof.windows(2).map(|two| (two[0], two[1])).collect();
        let mine = rows.of_session(self.session);
        for (one, other) in steps {
            let apart = rows.session[one as usize] != rows.session[other as usize];
            if !apart || !rows.writes(one) || !rows.writes(other) {
                continue;
            }
            let one = deeds.of_row(rows, one);
            let mut before = self.before.of(deeds.of_row(rows, other));
            if before.any(|before| before == one) {
                let read = mine
                    .clone()
                    .rev()
                    .find(|&row| rows.source[row as usize] == other);
                proof.extend(read);
            }
        }
    }
}

/// Whether a pair is against the order in which causality lets the rows be taken.
fn leads_back(deeds: &Deeds, order: Option<&[u32]>, one: u32, other: u32) -> bool {
    let row = |write: u32| deeds.row[write as usize] as usize;
    order.is_none_or(|order| order[row(one)] > order[row(other)])
}

/// The next of the writes that are before that of a step.
fn next_before(rows: &Rows, deeds: &Deeds, before: &Lists, step: &mut Step) -> Option<u32> {
    let write = step.write;
    if !std::mem::replace(&mut step.looked_back, true) {
        let session = deeds.session(rows, write);
        if write > deeds.of_session(session).start {
            return Some(write - 1);
        }
    }
    if let Some(&learned) = deeds.learned(write..write + 1).get(step.learned) {
        step.learned += 1;
        return Some(learned);
    }
    let (one, next) = before.entry(step.entry)?;
    step.entry = next;
    Some(one)
}

#[cfg(test)]
mod tests;
