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

use super::clocks::Clocks;
use super::follow;
use super::found::{Finding, Found, read_value, who, written};
use super::index::{INITIAL, NONE, Rows, narrow};
use super::paths::{Steps, path};
use super::walk::{Stuck, Visit, circle, walk};
use crate::calls::Calls;
use crate::hash::Table;

/// How many contradictions of a kind are traced back.
const TRACED: usize = 12;

/// A direct overwriter, in a list.
#[derive(Clone, Copy)]
struct Overwriter {
    write: u32,
    next: u32,
}

/// A write that must come before another one, in the list of that one.
#[derive(Clone, Copy, Debug)]
struct Passed {
    write: u32,
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
    /// The writes that must come before this one.
    pub(super) fn before(&self, write: u32) -> impl Iterator<Item = u32> + '_ {
        let mut next = self.heads.get(write as usize).copied().unwrap_or(NONE);
        std::iter::from_fn(move || {
            let passed = *self.list.get(next as usize)?;
            next = passed.next;
            Some(passed.write)
        })
    }

    /// Of the writes of a session the last one is enough.
    fn add(&mut self, rows: &Rows, write: u32, over: u32) {
        let mut next = self.heads[over as usize];
        while let Some(passed) = self.list.get_mut(next as usize) {
            if rows.session[passed.write as usize] == rows.session[write as usize] {
                passed.write = passed.write.max(write);
                return;
            }
            next = passed.next;
        }
        self.list.push(Passed {
            write,
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
    /// The lists of direct overwriters of its writes.
    overwriters: Vec<Overwriter>,
    /// How many rows are still to be taken.
    left: u32,
}

/// What each session had passed over when it last read the key, of what is yet to be read.
#[derive(Default)]
struct Unchosen {
    pairs: Table<(u32, u32), ()>,
    /// With how many pairs those are thrown out of which nothing is to be read any more.
    most: usize,
}

impl Unchosen {
    fn add(&mut self, session: u32, write: u32, readers: &[u32]) {
        self.pairs.insert((session, write), ());
        if self.pairs.len() > self.most {
            self.pairs
                .retain(|(_, write), ()| readers[*write as usize] > 0);
            self.most = (self.pairs.len() * 2).max(1 << 10);
        }
    }

    fn has(&self, session: u32, write: u32) -> bool {
        self.pairs.contains_key(&(session, write))
    }
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

/// What is to be told beside causal consistency, and costs more.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Wanted {
    /// What [`follow`] tells.
    pub(super) follow: bool,
    /// Which writes were passed over.
    pub(super) passed: bool,
}

struct Sweep<'a> {
    calls: &'a Calls,
    wanted: Wanted,
    rows: &'a Rows,
    previous: &'a [u32],
    clocks: Clocks,
    sessions: Vec<Session>,
    keys: Vec<OnKey>,
    unchosen: Unchosen,
    /// For each write: how many reads of it are to come, and what was known when it was made.
    readers: Vec<u32>,
    made: Vec<u32>,
    /// For each write: where the list of its overwriters begins, among those of its key.
    overwritten: Vec<u32>,
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

/// Judges causal consistency, and what else is wanted.
///
/// **Cost**: O(n k) with k sessions at a time; some 16 bytes a row and 8 a write, and 8 for each
/// session whose write was passed over for a write.
pub(super) fn judge(calls: &Calls, rows: &Rows, previous: &[u32], wanted: Wanted) -> Swept {
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
        wanted,
        rows,
        previous,
        clocks: Clocks::default(),
        sessions: vec![session; rows.sessions()],
        keys,
        unchosen: Unchosen::default(),
        readers,
        made: vec![NONE; rows.len()],
        overwritten: vec![NONE; rows.len()],
        free_slots: Vec::new(),
        slot_ends: Vec::new(),
        taken: vec![NONE; rows.len()],
        causal: Found::default(),
        follow: Found::default(),
        passed: PassedOver {
            heads: vec![NONE; if wanted.passed { rows.len() } else { 0 }],
            ..PassedOver::default()
        },
        latest: Vec::new(),
        clock: 0,
        suspects: 0,
    };
    let stuck = walk(calls, rows, &mut sweep);
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
        self.sessions[session].base + self.rows.place(write) + 1
    }

    /// The place of a write's session in the clocks, which it keeps as long as its key is used.
    fn slot(&self, write: u32) -> u32 {
        self.sessions[self.rows.session[write as usize] as usize].slot
    }

    fn leave(&mut self, key: u32) {
        let on = &mut self.keys[key as usize];
        on.left -= 1;
        if on.left == 0 {
            on.overwriters = Vec::new();
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
        let first = rows.of_session(session).find(|&other| {
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
        let key = rows.key[row as usize] as usize;
        let known = self.clocks.words(state.clock);
        // What hides the value by what is known, or else by the session's own writes.
        let mut hides = None;
        let mut next = self.overwritten[source as usize];
        while let Some(over) = self.keys[key].overwriters.get(next as usize) {
            let (slot, at) = (self.slot(over.write), self.at(over.write));
            if known[slot as usize] >= at {
                hides = Some((over.write, true));
                break;
            }
            if slot == state.slot && state.own >= at {
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
        let again = self.previous[source as usize] != NONE;
        let could = if self.wanted.passed || self.wanted.follow {
            self.latest_on(key, &past, &mut among) > 1 || again
        } else {
            again || self.is_written_by_two(key, &past)
        };
        self.causal.power += usize::from(could);
        self.follow.power += usize::from(could);
        if hides.is_none() && self.wanted.passed {
            for &write in among.iter().filter(|&&write| write != source) {
                self.passed.add(rows, write, source);
                self.passed.against |= self.taken[write as usize] > self.taken[source as usize];
            }
        }
        let returned = self.wanted.follow && self.returns(row, source, state, &mut among);
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

    /// Whether a session returns to what was there, unchosen, when it last read the key; takes
    /// note of what it leaves unchosen now. `among` holds what is latest in its causal past.
    fn returns(&mut self, row: u32, source: u32, state: Session, among: &mut Vec<u32>) -> bool {
        let session = self.rows.session[row as usize];
        let key = self.rows.key[row as usize] as usize;
        // The session's own writes are known to causality alone, unless it read what follows them.
        let past = Past {
            known: self.clocks.words(state.clock),
            slot: state.slot,
            own: 0,
        };
        let mine = |by: &&ByOne| by.slot == state.slot;
        let by_mine = self.keys[key].by.iter().find(mine);
        if by_mine.is_some_and(|by| past.known[by.slot as usize] < by.at) {
            self.latest_on(key, &past, among);
        }
        let returned = self.unchosen.has(session, source);
        for &write in among.iter() {
            if write != source && self.readers[write as usize] > 0 {
                self.unchosen.add(session, write, &self.readers);
            }
        }
        returned
    }

    /// The latest writes to a key in a past: none of them precedes another. Returns how many
    /// sessions wrote it in that past.
    #[inline]
    fn latest_on(&self, key: usize, past: &Past<'_>, among: &mut Vec<u32>) -> usize {
        among.clear();
        let mut sessions = 0;
        let on = &self.keys[key];
        for by in &on.by {
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
                match on.overwriters.get(next as usize) {
                    None => break false,
                    Some(over) if past.has(self.slot(over.write), self.at(over.write)) => {
                        break true;
                    }
                    Some(over) => next = over.next,
                }
            };
            if !hidden {
                among.push(write);
            }
        }
        sessions
    }

    /// Whether two sessions wrote a key in some past.
    fn is_written_by_two(&self, key: usize, past: &Past<'_>) -> bool {
        let mut in_past = (self.keys[key].by.iter()).filter(|by| past.has(by.slot, by.first));
        in_past.nth(1).is_some()
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
        state.own = state.base + rows.place(row) + 1;
        let (slot, at) = (state.slot, state.own);
        for &write in &among {
            let on = &mut self.keys[key];
            on.overwriters.push(Overwriter {
                write: row,
                next: self.overwritten[write as usize],
            });
            self.overwritten[write as usize] = narrow(on.overwriters.len() - 1);
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
        if !self.wanted.follow || self.suspects > TRACED {
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
