//! Causal consistency, and writes follow reads: one sweep with a clock a session.
//!
//! The rows are taken in causal order. A session's clock says for each session which of its
//! writes are known: those that causally precede what it read. With its own writes added, that
//! is its causal past.
//!
//! A write u **overwrites** v directly if v was one of the latest writes to the key in u's
//! causal past: none of them precedes another. A write is among the latest of a past exactly if
//! it is in it and none of its direct overwriters is: whatever precedes a known write precedes
//! one of these. So each write keeps the list of its direct overwriters, mostly one, and a read
//! looks at the list of what it returned.
//!
//! * *Causal consistency* is refuted by a circle (cyclic-co), by a read whose value has an
//!   overwriter in its causal past (write-co-read), and by a read of the initial value with a
//!   write to the key in its causal past (write-co-init-read).
//! * *Writes follow reads* is suspected where the same happens by what is known without the
//!   session's own writes, or where a session returns to a value that was there, unchosen, when
//!   it last read the key. Whether it is refuted without monotonic writes, [`follow`] tells.
//! * For *causal convergence* the sweep tells which writes were passed over: among the latest of
//!   the past of a read that returned another one. They must come before it.
//!
//! A clock is kept for a write only while somebody has yet to read it, and shared by the writes
//! of a session between two of its reads. A place in the clocks is given anew once its session
//! is over and nobody will touch a key that it wrote: its successor counts on from where it
//! stopped, so old clocks know nothing of the successor.
//!
//! **Source**: the patterns are those of Bouajjani, Enea, Guerraoui and Hamza, "On verifying
//! causal consistency", 2017. Lists of direct overwriters instead of a search among the latest
//! writes of every session are ours, and tested against brute force.

use std::collections::HashSet;

use super::clocks::Clocks;
use super::follow;
use super::found::{Finding, Found, read_value, who, written};
use super::index::{INITIAL, NONE, Rows, narrow};
use super::paths::{Steps, path};
use super::walk::{Stuck, Visit, circle, walk};
use crate::calls::Calls;

/// How many contradictions of a kind are traced back.
const TRACED: usize = 12;

/// A direct overwriter, in a list.
#[derive(Clone, Copy)]
struct Overwriter {
    slot: u32,
    at: u32,
    write: u32,
    next: u32,
}

/// A write that must come before another one, in the list of that one, as a read shows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Passed {
    pub(super) write: u32,
    pub(super) read: u32,
    next: u32,
}

/// Which writes must come before each write, beyond causality.
#[derive(Debug, Default)]
pub(super) struct PassedOver {
    heads: Vec<u32>,
    list: Vec<Passed>,
    /// Whether some of them was taken after the one that it must come before.
    pub(super) against: bool,
}

impl PassedOver {
    pub(super) fn before(&self, write: u32) -> impl Iterator<Item = Passed> + '_ {
        let mut next = self.heads.get(write as usize).copied().unwrap_or(NONE);
        std::iter::from_fn(move || {
            let passed = *self.list.get(next as usize)?;
            next = passed.next;
            Some(passed)
        })
    }

    fn add(&mut self, write: u32, over: u32, read: u32) {
        if self.before(over).any(|passed| passed.write == write) {
            return;
        }
        self.list.push(Passed {
            write,
            read,
            next: self.heads[over as usize],
        });
        self.heads[over as usize] = narrow(self.list.len() - 1);
    }
}

/// What a key was written by one session.
#[derive(Clone, Copy)]
struct ByOne {
    session: u32,
    slot: u32,
    /// When it first wrote the key.
    first: u32,
    /// Its latest write that was taken, and when that was.
    latest: u32,
    at: u32,
    /// One direct overwriter of it, if any.
    over: Option<(u32, u32)>,
}

#[derive(Default)]
struct OnKey {
    by: Vec<ByOne>,
    /// How many rows are still to be taken.
    left: u32,
    /// What each session had passed over when it last read the key.
    passed: HashSet<(u32, u32)>,
}

#[derive(Clone, Copy)]
struct Session {
    /// What it knows by its reads.
    clock: u32,
    /// Its place in the clocks, once it has written.
    slot: u32,
    /// What its writes are counted on from, and its last one.
    base: u32,
    own: u32,
    /// How many keys that it wrote are still used.
    keys: u32,
    over: bool,
}

/// What the sweep finds.
pub(super) struct Swept {
    pub(super) causal: Found,
    pub(super) follow: Found,
    /// How many reads cannot be if both monotonic writes and writes follow reads are kept.
    pub(super) suspects: usize,
    pub(super) passed: PassedOver,
    /// Whether there is a circle; then not all rows were taken.
    pub(super) cyclic: bool,
    /// For each row which one it was to be taken.
    pub(super) taken: Vec<u32>,
}

struct Sweep<'a> {
    calls: &'a Calls,
    rows: &'a Rows,
    previous: &'a [u32],
    clocks: Clocks,
    sessions: Vec<Session>,
    keys: Vec<OnKey>,
    /// For each write: how many reads of it are to come, and what was known when it was made.
    readers: Vec<u32>,
    made: Vec<u32>,
    overwritten: Vec<u32>,
    overwriters: Vec<Overwriter>,
    free_slots: Vec<u32>,
    slot_ends: Vec<u32>,
    taken: Vec<u32>,
    causal: Found,
    follow: Found,
    passed: PassedOver,
    latest: Vec<u32>,
    clock: u32,
    suspects: usize,
}

/// Judges causal consistency and writes follow reads.
///
/// **Cost**: O(n k) with k sessions at a time, and memory for n rows.
pub(super) fn judge(calls: &Calls, rows: &Rows, previous: &[u32]) -> Swept {
    let mut readers = vec![0; rows.len()];
    for &source in &rows.source {
        if source < INITIAL {
            readers[source as usize] += 1;
        }
    }
    let mut keys: Vec<OnKey> = Vec::new();
    keys.resize_with(rows.keys.len(), OnKey::default);
    for &key in &rows.key {
        keys[key as usize].left += 1;
    }
    let session = Session {
        clock: NONE,
        slot: NONE,
        base: 0,
        own: 0,
        keys: 0,
        over: false,
    };
    let mut sweep = Sweep {
        calls,
        rows,
        previous,
        clocks: Clocks::default(),
        sessions: vec![session; rows.sessions()],
        keys,
        readers,
        made: vec![NONE; rows.len()],
        overwritten: vec![NONE; rows.len()],
        overwriters: Vec::new(),
        free_slots: Vec::new(),
        slot_ends: Vec::new(),
        taken: vec![NONE; rows.len()],
        causal: Found::default(),
        follow: Found::default(),
        passed: PassedOver {
            heads: vec![NONE; rows.len()],
            ..PassedOver::default()
        },
        latest: Vec::new(),
        clock: 0,
        suspects: 0,
    };
    let stuck = walk(rows, &mut sweep);
    let ring = circle(rows, &stuck);
    if !ring.is_empty() {
        sweep.circle(&ring);
    }
    Swept {
        causal: sweep.causal,
        follow: sweep.follow,
        suspects: sweep.suspects,
        passed: sweep.passed,
        cyclic: !ring.is_empty(),
        taken: sweep.taken,
    }
}

impl Visit for Sweep<'_> {
    fn waits(&self, row: u32, taken: &[bool]) -> Option<u32> {
        let source = self.rows.source[row as usize];
        (source < INITIAL && (source == row || !taken[source as usize])).then_some(source)
    }

    fn take(&mut self, row: u32) {
        self.clock += 1;
        self.taken[row as usize] = self.clock;
        if let Some(source) = self.rows.reads(row) {
            if source == INITIAL {
                self.read_initial(row);
            } else {
                self.read(row, source);
            }
        }
        if self.rows.writes(row) {
            self.write(row);
        }
        self.leave(self.rows.key[row as usize]);
    }

    fn over(&mut self, session: u32) {
        let state = &mut self.sessions[session as usize];
        state.over = true;
        let clock = std::mem::replace(&mut state.clock, NONE);
        self.clocks.release(clock);
        self.retire(session);
    }
}

impl Sweep<'_> {
    /// When a write was made, counted along its session's place in the clocks.
    fn at(&self, write: u32) -> u32 {
        let session = self.rows.session[write as usize] as usize;
        self.sessions[session].base + self.rows.write[write as usize]
    }

    fn leave(&mut self, key: u32) {
        let on = &mut self.keys[key as usize];
        on.left -= 1;
        if on.left == 0 {
            on.passed = HashSet::new();
            for by in std::mem::take(&mut on.by) {
                self.sessions[by.session as usize].keys -= 1;
                self.retire(by.session);
            }
        }
    }

    /// Gives the place of a session away if nothing more can ask for it.
    fn retire(&mut self, session: u32) {
        let state = &mut self.sessions[session as usize];
        if state.over && state.keys == 0 && state.slot != NONE {
            self.slot_ends[state.slot as usize] = state.own;
            self.free_slots.push(state.slot);
            state.slot = NONE;
        }
    }

    fn read_initial(&mut self, row: u32) {
        let rows = self.rows;
        let state = self.sessions[rows.session[row as usize] as usize];
        let known = self.clocks.words(state.clock);
        let mut hidden = None;
        for by in &self.keys[rows.key[row as usize] as usize].by {
            let seen = known[by.slot as usize] >= by.first;
            if seen || by.slot == state.slot {
                hidden = Some((by.session, seen));
                if seen {
                    break;
                }
            }
        }
        let Some((session, seen)) = hidden else {
            return;
        };
        self.causal.power += 1;
        self.follow.power += usize::from(seen);
        let of = rows.of_session(session as usize).iter();
        let first = of.copied().find(|&other| {
            rows.writes(other) && rows.key[other as usize] == rows.key[row as usize]
        });
        let write = first.expect("it wrote the key");
        self.hidden(row, write, None, seen);
    }

    fn read(&mut self, row: u32, source: u32) {
        let rows = self.rows;
        let session = rows.session[row as usize];
        let mut state = self.sessions[session as usize];
        let writer = self.sessions[rows.session[source as usize] as usize];
        let at = self.at(source);
        if self.clocks.words(state.clock)[writer.slot as usize] < at {
            state.clock = self.clocks.own(state.clock);
            if rows.session[source as usize] != session {
                self.clocks.join(state.clock, self.made[source as usize]);
            }
            self.clocks.raise(state.clock, writer.slot, at);
            self.sessions[session as usize].clock = state.clock;
        }
        self.read_latest(row, source, state);
        let readers = &mut self.readers[source as usize];
        *readers -= 1;
        if *readers == 0 {
            let made = std::mem::replace(&mut self.made[source as usize], NONE);
            self.clocks.release(made);
        }
    }

    /// Looks at what is latest on the key of a read, now that it is known what it returned.
    fn read_latest(&mut self, row: u32, source: u32, state: Session) {
        let rows = self.rows;
        let session = rows.session[row as usize];
        let key = rows.key[row as usize] as usize;
        let known = self.clocks.words(state.clock);
        // What hides the value by what is known, or else by the session's own writes.
        let mut hides = None;
        let mut next = self.overwritten[source as usize];
        while let Some(over) = self.overwriters.get(next as usize) {
            if known[over.slot as usize] >= over.at {
                hides = Some((over.write, true));
                break;
            }
            if over.slot == state.slot && state.own >= over.at {
                hides = Some((over.write, false));
            }
            next = over.next;
        }
        let mut among = std::mem::take(&mut self.latest);
        let past = Past {
            known: self.clocks.words(state.clock),
            slot: state.slot,
            own: state.own,
        };
        let others = self.latest_on(key, &past, &mut among) > 1;
        let could = others || self.previous[source as usize] != NONE;
        self.causal.power += usize::from(could);
        self.follow.power += usize::from(could);
        if hides.is_none() {
            for &write in among.iter().filter(|&&write| write != source) {
                self.passed.add(write, source, row);
                self.passed.against |= self.taken[write as usize] > self.taken[source as usize];
            }
        }
        // The session's own writes are known to causality alone, unless it read what follows them.
        let past = Past { own: 0, ..past };
        let mine = |by: &&ByOne| by.slot == state.slot;
        let by_mine = self.keys[key].by.iter().find(mine);
        if by_mine.is_some_and(|by| past.known[by.slot as usize] < by.at) {
            self.latest_on(key, &past, &mut among);
        }
        let on = &mut self.keys[key];
        let returned = on.passed.contains(&(session, source));
        for &write in &among {
            if write != source && self.readers[write as usize] > 0 {
                on.passed.insert((session, write));
            }
        }
        self.latest = among;
        match hides {
            Some((write, seen)) => {
                self.hidden(row, write, Some(source), seen);
                if !seen && returned {
                    self.suspect(row);
                }
            }
            None if returned => self.suspect(row),
            None => {}
        }
    }

    /// The latest writes to a key in a past: none of them precedes another. Returns how many
    /// sessions wrote it in that past.
    #[inline]
    fn latest_on(&self, key: usize, past: &Past<'_>, among: &mut Vec<u32>) -> usize {
        among.clear();
        let mut sessions = 0;
        for by in &self.keys[key].by {
            if !past.has(by.slot, by.first) {
                continue;
            }
            sessions += 1;
            let mut write = by.latest;
            if past.has(by.slot, by.at) {
                if by.over.is_some_and(|(slot, at)| past.has(slot, at)) {
                    continue;
                }
            } else {
                while !past.has(by.slot, self.at(write)) {
                    write = self.previous[write as usize];
                }
            }
            let mut next = self.overwritten[write as usize];
            let hidden = loop {
                match self.overwriters.get(next as usize) {
                    None => break false,
                    Some(over) if past.has(over.slot, over.at) => break true,
                    Some(over) => next = over.next,
                }
            };
            if !hidden {
                among.push(write);
            }
        }
        sessions
    }

    fn write(&mut self, row: u32) {
        let rows = self.rows;
        let session = rows.session[row as usize];
        let key = rows.key[row as usize] as usize;
        let mut state = self.sessions[session as usize];
        if state.slot == NONE {
            state.slot = self.free_slots.pop().unwrap_or_else(|| {
                self.slot_ends.push(0);
                narrow(self.slot_ends.len() - 1)
            });
            self.clocks.widen(self.slot_ends.len());
            state.base = self.slot_ends[state.slot as usize];
        }
        let mut among = std::mem::take(&mut self.latest);
        let past = Past {
            known: self.clocks.words(state.clock),
            slot: state.slot,
            own: state.own,
        };
        self.latest_on(key, &past, &mut among);
        state.own = state.base + rows.write[row as usize];
        let (slot, at) = (state.slot, state.own);
        for &write in &among {
            self.overwriters.push(Overwriter {
                slot,
                at,
                write: row,
                next: self.overwritten[write as usize],
            });
            self.overwritten[write as usize] = narrow(self.overwriters.len() - 1);
            let on = &mut self.keys[key];
            if let Some(by) = on.by.iter_mut().find(|by| by.latest == write) {
                by.over = Some((slot, at));
            }
        }
        self.latest = among;
        let on = &mut self.keys[key];
        if let Some(by) = on.by.iter_mut().find(|by| by.session == session) {
            (by.latest, by.at, by.over) = (row, at, None);
        } else {
            on.by.push(ByOne {
                session,
                slot,
                first: at,
                latest: row,
                at,
                over: None,
            });
            state.keys += 1;
        }
        if self.readers[row as usize] > 0 {
            self.clocks.hold(state.clock);
            self.made[row as usize] = state.clock;
        }
        self.sessions[session as usize] = state;
    }

    /// A write to the key was known, `seen` to others too, that comes after what was returned.
    fn hidden(&mut self, row: u32, write: u32, source: Option<u32>, seen: bool) {
        self.causal.count += 1;
        if seen {
            self.suspect(row);
        }
        if self.causal.count > TRACED {
            return;
        }
        let (calls, rows) = (self.calls, self.rows);
        let before = |from, to| {
            path(rows, from, to, Steps::Any, |_| true, |_| Vec::new()).unwrap_or_default()
        };
        let mut proof = Vec::new();
        if let Some(source) = source {
            proof.extend(before(source, write));
        }
        proof.extend(before(write, row));
        let (reader, hid) = (who(calls, rows, row), written(calls, rows, write));
        let returned = read_value(calls, rows, row);
        let after = match source {
            Some(_) => format!("{hid} was written after {returned}"),
            None => format!("{hid} was written"),
        };
        self.causal.keep(Finding {
            name: if source.is_some() {
                "write-co-read"
            } else {
                "write-co-init-read"
            },
            rows: proof,
            conclusion: format!(
                "{after}, and what {reader} had done and seen came after {hid}; it must not read {returned}."
            ),
        });
    }

    /// A read that cannot be if a write is seen only with all that its session had made and read.
    fn suspect(&mut self, row: u32) {
        self.suspects += 1;
        if self.suspects > TRACED {
            return;
        }
        if let Some(finding) = follow::contradiction(self.calls, self.rows, row) {
            self.follow.add(finding);
        }
    }

    fn circle(&mut self, ring: &[Stuck]) {
        let rows: Vec<u32> = ring.iter().flat_map(|one| [one.on, one.row]).collect();
        for (found, name) in [
            (&mut self.causal, "cyclic-co"),
            (&mut self.follow, "write-follows-read"),
        ] {
            found.power += 1;
            found.add(Finding {
                name,
                rows: rows.clone(),
                conclusion: "Each of these writes was read before the next was made, and the \
                             last before the first: they follow each other in a circle."
                    .to_owned(),
            });
        }
    }
}

/// What is known of each session's writes, and the session's own.
#[derive(Clone, Copy)]
struct Past<'a> {
    known: &'a [u32],
    slot: u32,
    own: u32,
}

impl Past<'_> {
    #[inline]
    fn has(&self, slot: u32, at: u32) -> bool {
        self.known[slot as usize] >= at || slot == self.slot && self.own >= at
    }
}
