//! The guarantees of sessions by their definitions: whether visible sets, orders and
//! serialisations exist, found by trying them all.

use std::collections::HashSet;

use checkers::history::Kind;

use crate::made::Made;

/// What happened, if just these of the operations of unknown outcome did: events by session, a
/// compare-and-set being a read and a write.
#[derive(Clone, Debug)]
pub(crate) struct World {
    pub(crate) events: Vec<Event>,
    /// Events of each session, in order.
    pub(crate) sessions: Vec<Vec<usize>>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Event {
    pub(crate) session: usize,
    pub(crate) key: u8,
    /// What it read, or what it wrote.
    pub(crate) read: Option<i64>,
    pub(crate) write: Option<i64>,
    /// The write that it read: an event, or none for nil.
    pub(crate) source: Option<usize>,
    /// Whether it goes with the event before it.
    pub(crate) joined: bool,
}

/// All worlds in which every answered read has a writer.
pub(crate) fn worlds(made: &[Made]) -> Vec<World> {
    let unknown: Vec<usize> = (0..made.len())
        .filter(|&at| made[at].kind == Kind::Info && made[at].wrote().is_some())
        .collect();
    let mut worlds = Vec::new();
    for chosen in 0..1_u32 << unknown.len() {
        let happened = |at: &usize| match made[*at].kind {
            Kind::Ok => true,
            Kind::Info => unknown
                .iter()
                .position(|other| other == at)
                .is_some_and(|bit| chosen >> bit & 1 == 1),
            Kind::Fail | Kind::Invoke => false,
        };
        worlds.extend(world(made, (0..made.len()).filter(happened)));
    }
    worlds
}

fn world(made: &[Made], happened: impl Iterator<Item = usize>) -> Option<World> {
    let mut world = World {
        events: Vec::new(),
        sessions: Vec::new(),
    };
    let mut processes: Vec<u32> = Vec::new();
    for at in happened {
        let call = &made[at];
        let known = processes.iter().position(|other| *other == call.process);
        let session = known.unwrap_or_else(|| {
            processes.push(call.process);
            world.sessions.push(Vec::new());
            processes.len() - 1
        });
        let parts = [(call.saw(), None), (None, call.wrote())];
        let both = call.saw().is_some() && call.wrote().is_some();
        for (read, write) in parts {
            if read.is_some() || write.is_some() {
                world.sessions[session].push(world.events.len());
                world.events.push(Event {
                    session,
                    key: call.key,
                    read,
                    write,
                    source: None,
                    joined: both && write.is_some(),
                });
            }
        }
    }
    for at in 0..world.events.len() {
        let event = world.events[at];
        if let Some(value) = event.read.filter(|value| *value != 0) {
            let writer = world
                .events
                .iter()
                .position(|other| other.key == event.key && other.write == Some(value));
            world.events[at].source = Some(writer?);
        }
    }
    Some(world)
}

type Set = u32;

impl World {
    fn writes(&self) -> Vec<usize> {
        (0..self.events.len())
            .filter(|&at| self.events[at].write.is_some())
            .collect()
    }

    /// The events before this one in its session.
    fn before(&self, event: usize) -> impl Iterator<Item = usize> + '_ {
        let session = &self.sessions[self.events[event].session];
        session.iter().copied().take_while(move |&at| at != event)
    }

    fn is_read(&self, event: usize) -> bool {
        self.events[event].read.is_some()
    }

    fn on(&self, key: u8) -> Set {
        let on = (self.writes().into_iter()).filter(|&write| self.events[write].key == key);
        on.fold(0, |set, write| set | 1 << write)
    }

    /// Events of a session's past that must come before, under one order of the writes to a
    /// key: whether an order with these pairs exists in which the last of each set is that.
    ///
    /// Tries all of them.
    fn ordered(&self, key: u8, pairs: &[(usize, usize)], lasts: &[(Set, usize)]) -> bool {
        let mut writes: Vec<usize> = (0..32).filter(|at| self.on(key) >> at & 1 == 1).collect();
        permuted(&mut writes, 0, &mut |order| {
            let place = |write: usize| order.iter().position(|other| *other == write);
            pairs.iter().all(|&(one, other)| place(one) < place(other))
                && lasts.iter().all(|&(set, last)| {
                    let seen = order.iter().filter(|&&write| set >> write & 1 == 1);
                    seen.copied().next_back() == Some(last)
                })
        })
    }
}

/// Whether any order will do.
fn permuted(
    list: &mut Vec<usize>,
    from: usize,
    will_do: &mut impl FnMut(&[usize]) -> bool,
) -> bool {
    if from + 1 >= list.len() {
        return will_do(list);
    }
    for at in from..list.len() {
        list.swap(from, at);
        let found = permuted(list, from + 1, will_do);
        list.swap(from, at);
        if found {
            return true;
        }
    }
    false
}

/// The axioms on visible sets.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Axioms {
    /// The orders keep that in which each session wrote a key.
    pub(crate) writers_order: bool,
    pub(crate) monotonic_writes: bool,
    pub(crate) writes_follow_reads: bool,
}

impl World {
    /// Whether the visible sets keep the axioms; monotonic reads always.
    fn keeps(&self, axioms: Axioms, seen: &[Set]) -> bool {
        let mut closed = seen.to_vec();
        self.close(axioms, &mut closed);
        closed == seen
    }

    /// Adds what the axioms ask for, once over all.
    fn close(&self, axioms: Axioms, seen: &mut [Set]) {
        for read in (0..self.events.len()).filter(|&at| self.is_read(at)) {
            let mut set = seen[read];
            set |= self.events[read].source.map_or(0, |source| 1 << source);
            for before in self.before(read).filter(|&at| self.is_read(at)) {
                set |= seen[before];
            }
            for write in self.writes() {
                if set >> write & 1 == 0 {
                    continue;
                }
                for before in self.before(write) {
                    if self.is_read(before) && axioms.writes_follow_reads {
                        set |= seen[before];
                    }
                    if !self.is_read(before) && axioms.monotonic_writes {
                        set |= 1 << before;
                    }
                }
            }
            seen[read] = set;
        }
    }

    /// Whether each session has an order of the writes to each key that fits visible sets.
    fn fits(&self, axioms: Axioms, seen: &[Set]) -> bool {
        let mut pairs = Vec::new();
        for write in self.writes() {
            for before in self.before(write) {
                if self.is_read(before) && axioms.writes_follow_reads {
                    if seen[before] >> write & 1 == 1 {
                        return false;
                    }
                    pairs.extend(
                        self.writes()
                            .into_iter()
                            .filter(|at| seen[before] >> at & 1 == 1)
                            .map(|followed| (followed, write)),
                    );
                } else if !self.is_read(before) && axioms.writers_order {
                    pairs.push((before, write));
                }
            }
        }
        self.sessions.iter().all(|session| {
            (0..2).all(|key| {
                let mut lasts = Vec::new();
                for &read in session {
                    let event = self.events[read];
                    if event.key != key || event.read.is_none() {
                        continue;
                    }
                    let visible = seen[read] & self.on(key);
                    match event.source {
                        None if visible != 0 => return false,
                        None => {}
                        Some(source) => lasts.push((visible, source)),
                    }
                }
                let here = |&(one, other): &(usize, usize)| {
                    self.events[one].key == key && self.events[other].key == key
                };
                let pairs: Vec<_> = pairs.iter().copied().filter(here).collect();
                self.ordered(key, &pairs, &lasts)
            })
        })
    }

    /// Whether visible sets and orders exist, from the least sets: more visible only asks more.
    pub(crate) fn visible(&self, axioms: Axioms) -> bool {
        let mut seen = vec![0; self.events.len()];
        while !self.keeps(axioms, &seen) {
            self.close(axioms, &mut seen);
        }
        self.fits(axioms, &seen)
    }

    /// The same by trying all visible sets.
    pub(crate) fn visible_of_all(&self, axioms: Axioms) -> bool {
        let reads: Vec<usize> = (0..self.events.len())
            .filter(|&at| self.is_read(at))
            .collect();
        let writes = self.writes();
        let bits = reads.len() * writes.len();
        (0..1_u64 << bits).any(|chosen| {
            let mut seen = vec![0; self.events.len()];
            for (place, &read) in reads.iter().enumerate() {
                for (bit, &write) in writes.iter().enumerate() {
                    if chosen >> (place * writes.len() + bit) & 1 == 1 {
                        seen[read] |= 1 << write;
                    }
                }
            }
            self.keeps(axioms, &seen) && self.fits(axioms, &seen)
        })
    }

    /// Read your writes: for each read an order of the writes to its key in which each of the
    /// session's own ones comes after what it had written or read before it, and what the read
    /// returned is none before its own latest.
    pub(crate) fn reads_its_writes(&self) -> bool {
        (0..self.events.len())
            .filter(|&at| self.is_read(at))
            .all(|read| {
                let event = self.events[read];
                let past: Vec<usize> = (self.before(read))
                    .filter(|&at| self.events[at].key == event.key)
                    .collect();
                let mut pairs = Vec::new();
                let mut own: Set = 0;
                for (place, &write) in past.iter().enumerate() {
                    if self.is_read(write) {
                        continue;
                    }
                    own |= 1 << write;
                    for &before in &past[..place] {
                        let value = match self.events[before].source {
                            _ if !self.is_read(before) => Some(before),
                            // It cannot tell anything by what it has yet to write.
                            Some(source) if self.events[source].session == event.session => {
                                past[..place].contains(&source).then_some(source)
                            }
                            source => source,
                        };
                        pairs.extend(value.map(|value| (value, write)));
                    }
                }
                match event.source {
                    None => own == 0,
                    Some(source) => self.ordered(event.key, &pairs, &[(own | 1 << source, source)]),
                }
            })
    }
}

impl World {
    /// Causality: for each event those before it; none if it is a circle.
    pub(crate) fn causality(&self) -> Option<Vec<Set>> {
        let mut past: Vec<Set> = vec![0; self.events.len()];
        for _ in 0..=self.events.len() {
            for at in 0..self.events.len() {
                let before: Vec<usize> = self.before(at).chain(self.events[at].source).collect();
                for other in before {
                    past[at] |= past[other] | 1 << other;
                }
            }
        }
        let circle = (0..self.events.len()).any(|at| past[at] >> at & 1 == 1);
        (!circle).then_some(past)
    }

    /// Whether the events of a set have an order that keeps `past`, in which those reads
    /// that are to be answered return the last write before them.
    fn serial(&self, past: &[Set], set: Set, answered: Set) -> bool {
        let mut failed = HashSet::new();
        self.serial_from(past, set, answered, 0, [None; 2], &mut failed)
    }

    fn serial_from(
        &self,
        past: &[Set],
        set: Set,
        answered: Set,
        done: Set,
        memory: [Option<usize>; 2],
        failed: &mut HashSet<(Set, [Option<usize>; 2])>,
    ) -> bool {
        if done == set {
            return true;
        }
        if failed.contains(&(done, memory)) {
            return false;
        }
        for at in 0..self.events.len() {
            let bit = 1 << at;
            if set & bit == 0 || done & bit != 0 || past[at] & set & !done != 0 {
                continue;
            }
            let event = self.events[at];
            let key = usize::from(event.key);
            if event.read.is_some() && answered & bit != 0 && memory[key] != event.source {
                continue;
            }
            let mut memory = memory;
            if event.write.is_some() {
                memory[key] = Some(at);
            }
            if self.serial_from(past, set, answered, done | bit, memory, failed) {
                return true;
            }
        }
        failed.insert((done, memory));
        false
    }

    fn session_order(&self) -> Vec<Set> {
        let before = |at| self.before(at).fold(0, |set, other| set | 1 << other);
        (0..self.events.len()).map(before).collect()
    }

    fn reads_of(&self, session: usize) -> Set {
        let of = self.sessions[session].iter();
        of.filter(|&&at| self.is_read(at))
            .fold(0, |set, at| set | 1 << at)
    }

    pub(crate) fn pram(&self) -> bool {
        let order = self.session_order();
        let writes = self.writes().into_iter().fold(0, |set, at| set | 1 << at);
        (0..self.sessions.len()).all(|session| {
            let reads = self.reads_of(session);
            self.serial(&order, writes | reads, reads)
        })
    }

    pub(crate) fn causal(&self) -> bool {
        self.causality().is_some_and(|past| {
            (0..self.events.len()).all(|at| self.serial(&past, past[at] | 1 << at, 1 << at))
        })
    }

    pub(crate) fn causal_memory(&self) -> bool {
        self.causality().is_some_and(|past| {
            (0..self.sessions.len()).all(|session| {
                let Some(&last) = self.sessions[session].last() else {
                    return true;
                };
                self.serial(&past, past[last] | 1 << last, self.reads_of(session))
            })
        })
    }

    pub(crate) fn causal_convergence(&self) -> bool {
        let Some(past) = self.causality() else {
            return false;
        };
        let mut writes = self.writes();
        permuted(&mut writes, 0, &mut |order| {
            let keeps = (0..order.len())
                .all(|one| (0..one).all(|other| past[order[other]] >> order[one] & 1 == 0));
            keeps
                && (0..self.events.len())
                    .filter(|&at| self.is_read(at))
                    .all(|read| {
                        let event = self.events[read];
                        let known = order.iter().copied().filter(|&write| {
                            self.events[write].key == event.key && past[read] >> write & 1 == 1
                        });
                        known.into_iter().next_back() == event.source
                    })
        })
    }

    /// One order of everything; a compare-and-set is one step of it.
    pub(crate) fn sequential(&self) -> bool {
        self.interleaved(&mut vec![0; self.sessions.len()], [None; 2])
    }

    fn interleaved(&self, places: &mut Vec<usize>, memory: [Option<usize>; 2]) -> bool {
        if (0..places.len()).all(|session| places[session] == self.sessions[session].len()) {
            return true;
        }
        for session in 0..places.len() {
            let from = places[session];
            let mut memory = memory;
            let mut steps = 0;
            for &at in &self.sessions[session][from..] {
                let event = self.events[at];
                if steps > 0 && !event.joined {
                    break;
                }
                let key = usize::from(event.key);
                if event.read.is_some() && memory[key] != event.source {
                    steps = 0;
                    break;
                }
                if event.write.is_some() {
                    memory[key] = Some(at);
                }
                steps += 1;
            }
            if steps == 0 {
                continue;
            }
            places[session] += steps;
            let found = self.interleaved(places, memory);
            places[session] -= steps;
            if found {
                return true;
            }
        }
        false
    }
}
