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

use super::found::{Finding, Found, written};
use super::index::{INITIAL, NONE, Rows, narrow};
use super::paths::{Steps, path};
use crate::Budget;
use crate::calls::Calls;

/// From how many pairs a short circle is looked for.
const TRACED: usize = 24;

/// What a session read of a key, and when.
#[derive(Clone, Copy)]
struct Read {
    place: u32,
    source: u32,
    row: u32,
}

#[derive(Clone, Default)]
struct OnKey {
    /// The writes in sight, in the order in which they came.
    seen: Vec<u32>,
    /// How many of them were in sight when the key was last read or written.
    settled: usize,
    /// The write whose value it had then.
    value: Option<u32>,
    reads: Vec<Read>,
}

struct Views<'a> {
    calls: &'a Calls,
    rows: &'a Rows,
    causal: bool,
    /// In which order causality lets the rows be taken, if there is one.
    order: Option<&'a [u32]>,
    /// The place of each row in its session.
    at: Vec<u32>,
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
    against: bool,
    found: Found,
}

/// A circle, or a write before a read of the initial value.
enum Broken {
    Circle,
    Initial { write: u32, read: u32 },
}

/// Judges PRAM, or causal memory, which must have no circle in its causality. None if the
/// budget was spent.
///
/// **Cost**: for each session what comes into its sight: for PRAM about O(n) in all, for causal
/// memory O(n k); more where many writes move.
pub(super) fn judge(
    calls: &Calls,
    rows: &Rows,
    causal: bool,
    order: Option<&[u32]>,
    budget: &Budget,
) -> Option<Found> {
    let mut at = vec![0; rows.len()];
    for session in 0..rows.sessions() {
        for (place, &row) in rows.of_session(session).iter().enumerate() {
            at[row as usize] = narrow(place);
        }
    }
    let mut views = Views {
        calls,
        rows,
        causal,
        order,
        at,
        session: 0,
        places: vec![NONE; rows.len()],
        settled: vec![false; rows.len()],
        upto: vec![0; rows.sessions()],
        keys: vec![OnKey::default(); rows.keys.len()],
        touched_keys: Vec::new(),
        touched_sessions: Vec::new(),
        pairs: Vec::new(),
        against: false,
        found: Found::default(),
    };
    for session in 0..narrow(rows.sessions()) {
        if budget.is_spent() {
            return None;
        }
        views.session = session;
        let mut broken = views.view().err();
        if broken.is_none() && (views.against || views.order.is_none()) && views.has_circle() {
            broken = Some(Broken::Circle);
        }
        if let Some(broken) = broken {
            views.report(&broken);
        }
        views.clear();
    }
    Some(views.found)
}

impl Views<'_> {
    fn key(&mut self, key: u32) -> &mut OnKey {
        let on = &mut self.keys[key as usize];
        if on.seen.is_empty() && on.reads.is_empty() {
            self.touched_keys.push(key);
        }
        on
    }

    fn clear(&mut self) {
        for key in std::mem::take(&mut self.touched_keys) {
            let on = std::mem::take(&mut self.keys[key as usize]);
            for write in on.seen {
                self.places[write as usize] = NONE;
                self.settled[write as usize] = false;
            }
        }
        for session in std::mem::take(&mut self.touched_sessions) {
            self.upto[session as usize] = 0;
        }
        self.pairs.clear();
        self.against = false;
    }

    /// The operations of the session at hand, in order.
    fn view(&mut self) -> Result<(), Broken> {
        let rows = self.rows;
        for (place, &row) in rows.of_session(self.session as usize).iter().enumerate() {
            // A compare-and-set reads at one place and writes at the next.
            let (upto, place) = (narrow(place) + 1, narrow(place) * 2);
            let key = rows.key[row as usize];
            if let Some(source) = rows.reads(row) {
                if source == INITIAL {
                    let on = self.key(key);
                    if let Some(&write) = on.seen.first() {
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
                self.key(key).reads.push(Read { place, source, row });
            }
            if rows.writes(row) {
                self.places[row as usize] = place + 1;
                self.settled[row as usize] = true;
                let on = self.key(key);
                on.seen.push(row);
                on.value = Some(row);
                let seen = std::mem::take(&mut on.seen);
                let from = on.settled;
                on.settled = seen.len();
                for &write in &seen[from..] {
                    self.settled[write as usize] = true;
                }
                self.keys[key as usize].seen = seen;
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
            let upto = self.at[write as usize] + 1;
            if from >= upto {
                continue;
            }
            if from == 0 {
                self.touched_sessions.push(session);
            }
            self.upto[session as usize] = upto;
            for &row in &rows.of_session(session as usize)[from as usize..upto as usize] {
                if self.causal && rows.source[row as usize] < INITIAL {
                    work.push(rows.source[row as usize]);
                }
                if rows.writes(row) {
                    self.places[row as usize] = place;
                    self.key(rows.key[row as usize]).seen.push(row);
                }
            }
        }
    }

    /// A value is read that is in sight.
    fn read(&mut self, key: u32, source: u32) -> Result<(), Broken> {
        let on = &mut self.keys[key as usize];
        let choice = on.seen.len() > 1;
        let before = on.value.filter(|value| *value != source);
        let from = on.settled;
        on.settled = on.seen.len();
        on.value = Some(source);
        let unsettled = on.seen[from..].to_vec();
        self.found.power += usize::from(choice);
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
                let first = reads.partition_point(|read| read.place < place);
                let Some(&read) = reads.get(first).filter(|read| read.place < old) else {
                    break;
                };
                if read.source == INITIAL {
                    return Err(Broken::Initial {
                        write,
                        read: read.row,
                    });
                }
                self.pairs.push((write, read.source));
                self.against |= self
                    .order
                    .is_none_or(|order| order[write as usize] > order[read.source as usize]);
                let there = self.places[read.source as usize];
                if there >= place {
                    break;
                }
                place = there;
            }
            self.places[write as usize] = place;
            let session = rows.of_session(rows.session[write as usize] as usize);
            let here = self.at[write as usize] as usize;
            if self.causal && rows.source[write as usize] < INITIAL {
                work.push((rows.source[write as usize], place));
            }
            for &row in session[..here].iter().rev() {
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
    fn has_circle(&self) -> bool {
        let rows = self.rows;
        let mut before = self.pairs.clone();
        before.sort_unstable_by_key(|&(one, other)| (other, one));
        before.dedup();
        let first = |row: u32| before.partition_point(|&(_, other)| other < row);
        let mut taken = vec![false; rows.len()];
        let mut cursor = vec![0_usize; rows.sessions()];
        let mut waiting: std::collections::HashMap<u32, Vec<u32>> =
            std::collections::HashMap::new();
        let mut work: Vec<u32> = (0..narrow(rows.sessions()))
            .filter(|&session| self.upto[session as usize] > 0)
            .collect();
        let (mut all, mut done) = (0, 0);
        for &session in &work {
            all += self.upto[session as usize] as usize;
        }
        while let Some(session) = work.pop() {
            let in_sight = self.upto[session as usize] as usize;
            let list = &rows.of_session(session as usize)[..in_sight];
            while let Some(&row) = list.get(cursor[session as usize]) {
                let source = rows.source[row as usize];
                let read = (source < INITIAL && self.counts(row)).then_some(source);
                let pairs = before[first(row)..].iter();
                let pairs = pairs
                    .take_while(|(_, other)| *other == row)
                    .map(|(one, _)| *one);
                let open = read
                    .into_iter()
                    .chain(pairs)
                    .find(|one| !taken[*one as usize]);
                if let Some(open) = open {
                    waiting.entry(open).or_default().push(session);
                    break;
                }
                taken[row as usize] = true;
                done += 1;
                cursor[session as usize] += 1;
                work.extend(waiting.remove(&row).into_iter().flatten());
            }
        }
        done < all
    }

    fn report(&mut self, broken: &Broken) {
        self.found.count += 1;
        self.found.power += 1;
        if self.found.count > TRACED {
            return;
        }
        let rows = self.rows;
        let more = |write: u32| {
            let before = self.pairs.iter().filter(|(_, other)| *other == write);
            before.map(|(one, _)| *one).collect::<Vec<_>>()
        };
        let way = |from, to| path(rows, from, to, Steps::Any, |row| self.counts(row), more);
        let session = self
            .calls
            .process(rows.call[rows.of_session(self.session as usize)[0] as usize]);
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
                let Some((mut proof, one, other)) = shortest.or(last) else {
                    return;
                };
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
        self.found.keep(Finding {
            name,
            rows: proof,
            conclusion: format!("For {session}, {own}, {why}"),
        });
    }

    /// Adds the session's reads that show the pairs on the way.
    fn explain(&self, proof: &mut Vec<u32>) {
        let steps: Vec<(u32, u32)> = proof.windows(2).map(|two| (two[0], two[1])).collect();
        let mine = self.rows.of_session(self.session as usize);
        for (one, other) in steps {
            let asked = self.pairs.contains(&(one, other));
            if asked && self.rows.session[one as usize] != self.rows.session[other as usize] {
                let read = mine
                    .iter()
                    .rev()
                    .find(|&&row| self.rows.source[row as usize] == other);
                proof.extend(read);
            }
        }
    }
}
