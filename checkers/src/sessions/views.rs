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
//! before what that read returned.
//!
//! **Source**: the relation is Bouajjani, Enea, Guerraoui and Hamza's `hb`, "On verifying causal
//! consistency", 2017, and Wei et al.'s for PRAM, "Verifying PRAM consistency over read/write
//! traces of data replicas", 2013. Places instead of a closure are ours.

use std::ops::Range;

use super::found::{Finding, Found, written};
use super::index::{INITIAL, NONE, Rows, narrow};
use super::paths::{Steps, path};
use crate::Budget;
use crate::calls::Calls;
use crate::hash::Table;
use crate::linearizable::cores::{on_cores, workers};

/// Of how many sessions it is told why they have no order, and from how many pairs of each a short
/// circle is looked for.
const TRACED: usize = 24;

#[derive(Clone, Default)]
struct OnKey {
    /// How many writes are in sight, and the first that came.
    seen: u32,
    first: u32,
    /// Those that came since the key was last read or written.
    unsettled: Vec<u32>,
    /// The write whose value it had then.
    value: Option<u32>,
    /// The reads of the session at hand.
    reads: Vec<u32>,
}

impl OnKey {
    fn sees(&mut self, write: u32) {
        if self.seen == 0 {
            self.first = write;
        }
        self.seen += 1;
    }
}

struct Views<'a> {
    calls: &'a Calls,
    rows: &'a Rows,
    causal: bool,
    /// In which order causality lets the rows be taken, if there is one.
    order: Option<&'a [u32]>,
    /// The session at hand, and what it reads.
    session: u32,
    places: Vec<u32>,
    settled: Vec<bool>,
    /// Of each session how many rows are in sight.
    upto: Vec<u32>,
    keys: Vec<OnKey>,
    touched_keys: Vec<u32>,
    touched_sessions: Vec<u32>,
    /// Each write that must come before another one.
    pairs: Vec<(u32, u32)>,
    /// Whether some pair is against the order in which causality lets the rows be taken.
    against: bool,
    /// While a circle is looked for: which rows are taken, and of each session how many.
    taken: Vec<bool>,
    cursor: Vec<u32>,
    /// And of each write where its pairs begin, of those sorted by their second.
    heads: Vec<u32>,
    /// How many reads returned one of several values.
    power: usize,
}

/// A circle, or a write before a read of the initial value.
enum Broken {
    Circle,
    Initial { write: u32, read: u32 },
}

/// Judges PRAM, or causal memory, which must have no circle in its causality. None if the
/// budget was spent.
///
/// For PRAM sessions are judged on all cores. What is told of the first that cannot be is found out
/// afterwards, so that it does not depend on how many cores there are.
///
/// **Cost**: for each session what comes into its sight, so O(n k) with k sessions; more where
/// many writes move. Five bytes a row for each core, and nine more where circles are looked for.
pub(super) fn judge(
    calls: &Calls,
    rows: &Rows,
    causal: bool,
    order: Option<&[u32]>,
    budget: &Budget,
) -> Option<Found> {
    // What causal memory needs for a second core is more than an operation may take.
    let workers = if causal { 1 } else { workers(rows.len()) };
    judge_by(workers, calls, rows, causal, order, budget)
}

fn judge_by(
    workers: usize,
    calls: &Calls,
    rows: &Rows,
    causal: bool,
    order: Option<&[u32]>,
    budget: &Budget,
) -> Option<Found> {
    let sessions = narrow(rows.sessions());
    let shares: Vec<u32> = (0..narrow(workers)).collect();
    let judged = on_cores(shares, |first| {
        let mut views = Views::new(calls, rows, causal, order);
        let mut broken = Vec::new();
        for session in (first..sessions).step_by(workers) {
            if budget.is_spent() {
                return None;
            }
            if views.judge(session).is_some() {
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
    let mut views = Views::new(calls, rows, causal, order);
    for session in broken.into_iter().take(TRACED) {
        let finding = views.judge(session).and_then(|broken| views.told(&broken));
        if let Some(finding) = finding {
            found.keep(finding);
        }
        views.clear();
    }
    Some(found)
}

impl<'a> Views<'a> {
    fn new(calls: &'a Calls, rows: &'a Rows, causal: bool, order: Option<&'a [u32]>) -> Self {
        Self {
            calls,
            rows,
            causal,
            order,
            session: 0,
            places: vec![NONE; rows.len()],
            settled: vec![false; rows.len()],
            upto: vec![0; rows.sessions()],
            keys: vec![OnKey::default(); rows.keys.len()],
            touched_keys: Vec::new(),
            touched_sessions: Vec::new(),
            pairs: Vec::new(),
            against: false,
            taken: Vec::new(),
            cursor: Vec::new(),
            heads: Vec::new(),
            power: 0,
        }
    }

    /// Why there is no order for a session, if there is none.
    fn judge(&mut self, session: u32) -> Option<Broken> {
        self.session = session;
        if let Err(broken) = self.view() {
            return Some(broken);
        }
        let circle = (self.against || self.order.is_none()) && self.has_circle();
        circle.then_some(Broken::Circle)
    }

    fn key(&mut self, key: u32) -> &mut OnKey {
        let on = &mut self.keys[key as usize];
        if on.seen == 0 && on.reads.is_empty() {
            self.touched_keys.push(key);
        }
        on
    }

    fn clear(&mut self) {
        for key in std::mem::take(&mut self.touched_keys) {
            self.keys[key as usize] = OnKey::default();
        }
        for session in std::mem::take(&mut self.touched_sessions) {
            let rows = self.in_sight(session);
            self.places[rows.clone()].fill(NONE);
            self.settled[rows].fill(false);
            self.upto[session as usize] = 0;
        }
        self.pairs.clear();
        self.against = false;
    }

    /// The rows of a session that are in sight.
    fn in_sight(&self, session: u32) -> Range<usize> {
        let from = self.rows.starts[session as usize] as usize;
        from..from + self.upto[session as usize] as usize
    }

    /// The operations of the session at hand, in order.
    fn view(&mut self) -> Result<(), Broken> {
        let rows = self.rows;
        for (place, row) in (0..).zip(rows.of_session(self.session)) {
            // A compare-and-set reads at one place and writes at the next.
            let (upto, place) = (place + 1, place * 2);
            let key = rows.key[row as usize];
            if let Some(source) = rows.reads(row) {
                if source == INITIAL {
                    let on = self.key(key);
                    if on.seen > 0 {
                        let write = on.first;
                        return Err(Broken::Initial { write, read: row });
                    }
                } else {
                    if rows.session[source as usize] == self.session && source >= row {
                        self.pairs.push((source, source));
                        return Err(Broken::Circle);
                    }
                    self.sight(source, place);
                    self.read(key, source)?;
                }
                self.key(key).reads.push(row);
            }
            if rows.writes(row) {
                self.places[row as usize] = place + 1;
                self.settled[row as usize] = true;
                let on = self.key(key);
                on.sees(row);
                on.value = Some(row);
                for write in std::mem::take(&mut on.unsettled) {
                    self.settled[write as usize] = true;
                }
            }
            if self.upto[self.session as usize] == 0 {
                self.touched_sessions.push(self.session);
            }
            self.upto[self.session as usize] = upto;
        }
        Ok(())
    }

    /// A write and what is before it come into sight.
    fn sight(&mut self, write: u32, place: u32) {
        if self.places[write as usize] != NONE {
            return;
        }
        let rows = self.rows;
        let mut work = vec![write];
        while let Some(write) = work.pop() {
            let session = rows.session[write as usize];
            let from = self.upto[session as usize];
            let upto = rows.place(write) + 1;
            if from >= upto {
                continue;
            }
            if from == 0 {
                self.touched_sessions.push(session);
            }
            self.upto[session as usize] = upto;
            let first = rows.starts[session as usize];
            for row in first + from..first + upto {
                if self.causal && rows.source[row as usize] < INITIAL {
                    work.push(rows.source[row as usize]);
                }
                if rows.writes(row) {
                    self.places[row as usize] = place;
                    let on = self.key(rows.key[row as usize]);
                    on.sees(row);
                    on.unsettled.push(row);
                }
            }
        }
    }

    /// A value is read that is in sight.
    fn read(&mut self, key: u32, source: u32) -> Result<(), Broken> {
        let on = &mut self.keys[key as usize];
        let choice = on.seen > 1;
        let before = on.value.filter(|value| *value != source);
        on.value = Some(source);
        let unsettled = std::mem::take(&mut on.unsettled);
        self.power += usize::from(choice);
        if let Some(before) = before {
            self.pair(before, source)?;
            if self.settled[source as usize] {
                return Err(Broken::Circle);
            }
        }
        for write in unsettled {
            self.settled[write as usize] = true;
            if write != source && Some(write) != before {
                self.pair(write, source)?;
            }
        }
        Ok(())
    }

    /// The one write must come before the other.
    fn pair(&mut self, one: u32, other: u32) -> Result<(), Broken> {
        self.pairs.push((one, other));
        self.against |= self
            .order
            .is_none_or(|order| order[one as usize] > order[other as usize]);
        let place = self.places[other as usize];
        if self.places[one as usize] > place {
            return self.shift(one, place);
        }
        Ok(())
    }

    /// Moves a write and all that is before it to that place or one before it.
    fn shift(&mut self, write: u32, place: u32) -> Result<(), Broken> {
        let rows = self.rows;
        let mut work = vec![(write, place)];
        while let Some((write, mut place)) = work.pop() {
            let old = self.places[write as usize];
            if old <= place {
                continue;
            }
            if rows.session[write as usize] == self.session {
                return Err(Broken::Circle);
            }
            let key = rows.key[write as usize] as usize;
            loop {
                let reads = &self.keys[key].reads;
                let read_at = |read: u32| rows.place(read) * 2;
                let first = reads.partition_point(|&read| read_at(read) < place);
                let Some(&read) = reads.get(first).filter(|&&read| read_at(read) < old) else {
                    break;
                };
                let source = rows.source[read as usize];
                if source == INITIAL {
                    return Err(Broken::Initial { write, read });
                }
                self.pairs.push((write, source));
                self.against |= self
                    .order
                    .is_none_or(|order| order[write as usize] > order[source as usize]);
                let there = self.places[source as usize];
                if there >= place {
                    break;
                }
                place = there;
            }
            self.places[write as usize] = place;
            let first = rows.starts[rows.session[write as usize] as usize];
            if self.causal && rows.source[write as usize] < INITIAL {
                work.push((rows.source[write as usize], place));
            }
            for row in (first..write).rev() {
                if self.causal && rows.source[row as usize] < INITIAL {
                    work.push((rows.source[row as usize], place));
                }
                if rows.writes(row) {
                    work.push((row, place));
                    break;
                }
            }
        }
        Ok(())
    }

    fn counts(&self, row: u32) -> bool {
        self.causal || self.rows.session[row as usize] == self.session
    }

    /// Whether the pairs and what is in sight have a circle: whether not all can be taken, each
    /// after those before it.
    ///
    /// **Cost**: linear in what is in sight, and O(p log p) with p pairs.
    fn has_circle(&mut self) -> bool {
        let rows = self.rows;
        self.taken.resize(rows.len(), false);
        self.cursor.resize(rows.sessions(), 0);
        self.heads.resize(rows.len(), NONE);
        let mut before = self.pairs.clone();
        before.sort_unstable_by_key(|&(one, other)| (other, one));
        before.dedup();
        for (place, &(_, other)) in before.iter().enumerate().rev() {
            self.heads[other as usize] = narrow(place);
        }
        let circle = self.is_stuck(&before);
        for (_, other) in before {
            self.heads[other as usize] = NONE;
        }
        for &session in &self.touched_sessions {
            let in_sight = self.in_sight(session);
            self.taken[in_sight].fill(false);
            self.cursor[session as usize] = 0;
        }
        circle
    }

    fn is_stuck(&mut self, before: &[(u32, u32)]) -> bool {
        let rows = self.rows;
        let mut waiting: Table<u32, Vec<u32>> = Table::default();
        let mut work = self.touched_sessions.clone();
        let (mut all, mut done) = (0, 0);
        for &session in &work {
            all += self.upto[session as usize] as usize;
        }
        while let Some(session) = work.pop() {
            let first = rows.starts[session as usize];
            while self.cursor[session as usize] < self.upto[session as usize] {
                let row = first + self.cursor[session as usize];
                let source = rows.source[row as usize];
                let read = (source < INITIAL && self.counts(row)).then_some(source);
                let head = self.heads[row as usize] as usize;
                let pairs = before.get(head..).unwrap_or_default().iter();
                let pairs = pairs
                    .take_while(|(_, other)| *other == row)
                    .map(|(one, _)| *one);
                let open = read
                    .into_iter()
                    .chain(pairs)
                    .find(|one| !self.taken[*one as usize]);
                if let Some(open) = open {
                    waiting.entry(open).or_default().push(session);
                    break;
                }
                self.taken[row as usize] = true;
                done += 1;
                self.cursor[session as usize] += 1;
                work.extend(waiting.remove(&row).into_iter().flatten());
            }
        }
        done < all
    }

    /// In words; none if it cannot be traced.
    fn told(&self, broken: &Broken) -> Option<Finding> {
        let rows = self.rows;
        let more = |write: u32| {
            let before = self.pairs.iter().filter(|(_, other)| *other == write);
            before.map(|(one, _)| *one).collect::<Vec<_>>()
        };
        let way = |from, to| path(rows, from, to, Steps::Any, |row| self.counts(row), more);
        let session = self
            .calls
            .process(rows.call[rows.of_session(self.session).start as usize]);
        let (name, proof, why) = match *broken {
            Broken::Initial { write, read } => (
                "write-hb-init-read",
                way(write, read).unwrap_or_default(),
                format!(
                    "{} comes before the read of nil.",
                    written(self.calls, rows, write)
                ),
            ),
            Broken::Circle => {
                let tried = self.pairs.iter().rev().take(TRACED);
                let circles = tried.filter_map(|&(one, other)| {
                    let mut proof = if one == other {
                        vec![one]
                    } else {
                        way(other, one)?
                    };
                    proof.push(other);
                    Some((proof, one, other))
                });
                let shortest = circles.min_by_key(|(proof, ..)| proof.len());
                let last = self
                    .pairs
                    .last()
                    .map(|&(one, other)| (vec![one, other], one, other));
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
        let steps: Vec<(u32, u32)> = proof.windows(2).map(|two| (two[0], two[1])).collect();
        let mine = self.rows.of_session(self.session);
        for (one, other) in steps {
            let asked = self.pairs.contains(&(one, other));
            if asked && self.rows.session[one as usize] != self.rows.session[other as usize] {
                let read = mine
                    .clone()
                    .rev()
                    .find(|&row| self.rows.source[row as usize] == other);
                proof.extend(read);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::history::notation::h;

    /// Reads and writes of five sessions on two keys; reads return what any of them wrote.
    fn made(rng: &mut ChaCha8Rng) -> String {
        let mut text = String::new();
        let mut written = [Vec::new(), Vec::new()];
        for value in 0..rng.random_range(4..40) {
            let (session, key) = (rng.random_range(0..5), rng.random_range(0..2));
            let name = ["x", "y"][key];
            let values: &mut Vec<i32> = &mut written[key];
            text += &if rng.random_bool(0.4) {
                values.push(value);
                format!("{session}:w{value}@{name} {session}:ok ")
            } else if let Some(last) = values.len().checked_sub(rng.random_range(1..3)) {
                format!("{session}:r@{name} {session}:ok={} ", values[last])
            } else {
                format!("{session}:r@{name} {session}:ok=nil ")
            };
        }
        text
    }

    #[test]
    fn several_workers_find_what_one_does() {
        let (mut held, mut broken) = (0, 0);
        for seed in 0..3_000 {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let text = made(&mut rng);
            let calls = Calls::of(&h(&text));
            let rows = Rows::of(&calls);
            for causal in [false, true] {
                let judge = |workers| {
                    let budget = Budget::unlimited();
                    let found = judge_by(workers, &calls, &rows, causal, None, &budget);
                    let found = found.expect("there is time");
                    (found.count, found.power, format!("{:?}", found.list))
                };
                let alone = judge(1);
                *(if alone.0 == 0 { &mut held } else { &mut broken }) += 1;
                for workers in 2..4 {
                    assert_eq!(judge(workers), alone, "seed {seed}: {text}");
                }
            }
        }
        assert!(held > 500 && broken > 500, "{held} held, {broken} broken");
    }
}
