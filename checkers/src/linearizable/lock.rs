//! Mutexes and semaphores: without search.
//!
//! **Mutex.** What one process acquires it releases itself, so its first acquire goes with its
//! first release, its second with its second, and so on (had it been otherwise, two acquires
//! could change places, since the intervals of one process rise). Such a pair is a block that
//! nothing can interrupt, and blocks against real time are judged by their zones. An acquire
//! that was never released must come last of all. An acquire of unknown outcome is left out
//! unless a release needs it; a release of unknown outcome is taken where it ends a hold.
//!
//! **Semaphore.** Who releases does not matter. Every call is put off until it can wait no
//! longer; then it happens, and if no permit is free, the pending release that must be over
//! first happens just before it (or, for a release while all are free, the pending acquire).
//! Whatever another order does earlier than that can be done later as well, in pairs that take
//! and give back, so this finds an order if there is one. Calls of unknown outcome never have
//! to happen and only help out.
//!
//! **Names**: "mutual-exclusion" (held by two, or taken twice), "too-many-permits",
//! "unheld-release".
//!
//! **Source**: zones of Gibbons and Korach, "Testing shared memories", 1997; earliest deadline
//! first.
use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::exact::{Contradiction, Exact, Finding, Row};
use super::grouping::{
    add_once, at, function, high_half, low_half, narrow, pack, sorted_by_number, strange,
};
use super::zones::{Zone, arrange};
use crate::calls::{BEFORE, Calls, NEVER, Rank};
use crate::history::Kind;

/// What a call does to a lock; the row's value is the place of its process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LockRole {
    Acquire,
    Release,
}

use LockRole::{Acquire, Release};

#[derive(Clone, Copy, Debug)]
struct Functions {
    acquire: u16,
    release: u16,
}

impl Functions {
    fn of(calls: &Calls) -> Self {
        Self {
            acquire: function(calls, "acquire"),
            release: function(calls, "release"),
        }
    }

    #[inline]
    fn row(self, calls: &Calls, call: u32) -> Result<Option<Row<LockRole>>, String> {
        let place = call as usize;
        if calls.outcome[place] == Kind::Fail {
            return Ok(None);
        }
        let f = calls.f[place];
        let role = if f == self.acquire {
            Acquire
        } else if f == self.release {
            Release
        } else {
            return Err(strange(calls, call, "a lock"));
        };
        Ok(Some(Row {
            begins: calls.begins[place],
            ends: calls.ends[place],
            a: calls.process_place(call),
            b: 0,
            call,
            role,
        }))
    }
}

/// Judges mutexes: `acquire`, `release` by the holder.
///
/// **Cost**: that of sorting the holds; 24 bytes an operation.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mutexes(Functions);

impl Mutexes {
    pub(super) fn new(calls: &Calls) -> Self {
        Self(Functions::of(calls))
    }
}

impl Exact for Mutexes {
    type Role = LockRole;

    #[inline]
    fn row(&self, calls: &Calls, call: u32) -> Result<Option<Row<LockRole>>, String> {
        self.0.row(calls, call)
    }

    fn judge(&self, calls: &Calls, rows: &[Row<LockRole>]) -> Finding {
        let holds = match holds(calls, rows) {
            Ok(holds) => holds,
            Err(contradiction) => return Finding::Violated(contradiction),
        };
        let zones: Vec<Zone> = holds.iter().map(|hold| hold.zone(rows)).collect();
        match arrange(&zones) {
            Ok(_) => Finding::Linearizable {
                power: holds.len() > 1,
            },
            Err((around, inside)) => {
                let (around, inside) = (holds[around], holds[inside]);
                Finding::Violated(around.excludes(calls, rows, inside))
            }
        }
    }

    fn order(&self, calls: &Calls, rows: &[Row<LockRole>]) -> Option<Vec<u32>> {
        let holds = holds(calls, rows).ok()?;
        let zones: Vec<Zone> = holds.iter().map(|hold| hold.zone(rows)).collect();
        let order = arrange(&zones).ok()?;
        let places = order.iter().flat_map(|&hold| {
            let Hold { acquire, release } = holds[hold as usize];
            [Some(acquire), Some(release).filter(|&row| row != NOBODY)]
        });
        Some(
            places
                .flatten()
                .map(|place| rows[place as usize].call)
                .collect(),
        )
    }
}

/// No row.
const NOBODY: u32 = u32::MAX;

/// An acquire and the release that goes with it, if any.
#[derive(Clone, Copy, Debug)]
struct Hold {
    acquire: u32,
    release: u32,
}

impl Hold {
    fn zone(self, rows: &[Row<LockRole>]) -> Zone {
        let acquire = &rows[self.acquire as usize];
        match rows.get(self.release as usize) {
            None => Zone {
                f: acquire.ends,
                s: NEVER,
            },
            Some(release) => Zone {
                f: acquire.ends.min(release.ends),
                s: acquire.begins.max(release.begins),
            },
        }
    }

    /// The other hold cannot have been wholly before this or wholly after it.
    fn excludes(self, calls: &Calls, rows: &[Row<LockRole>], other: Self) -> Contradiction {
        let mut proof = Vec::new();
        for place in [self.acquire, self.release, other.acquire, other.release] {
            if let Some(row) = rows.get(place as usize) {
                add_once(&mut proof, row.call);
            }
        }
        let who = |hold: Self| calls.process(rows[hold.acquire as usize].call).to_string();
        let (zone, inner) = (self.zone(rows), other.zone(rows));
        let until = match zone.s {
            NEVER => "never gave it back".to_owned(),
            s => format!("did not begin to give it back before{}", after(calls, s)),
        };
        Contradiction {
            name: "mutual-exclusion",
            calls: proof,
            conclusion: format!(
                "{} held it{} and {until}, yet {} must have held it meanwhile{}.",
                who(self),
                at(calls, zone.f),
                who(other),
                at(calls, inner.f.min(inner.s))
            ),
        }
    }
}

fn after(calls: &Calls, rank: Rank) -> String {
    match at(calls, rank).strip_prefix(" at") {
        Some(time) => time.to_owned(),
        None => " that".to_owned(),
    }
}

/// All holds that must have been.
fn holds(calls: &Calls, rows: &[Row<LockRole>]) -> Result<Vec<Hold>, Contradiction> {
    let by_process = sorted_by_number(
        rows.iter()
            .enumerate()
            .map(|(place, row)| (row.a, narrow(place))),
    );
    let mut holds = Vec::with_capacity(rows.len() / 2 + 1);
    let same = |&one: &u32, &other: &u32| rows[one as usize].a == rows[other as usize].a;
    for own in by_process.chunk_by(same) {
        let of = |role| {
            let own = own.iter().copied();
            own.filter(move |&place| rows[place as usize].role == role)
        };
        let required = |role| of(role).filter(|&place| rows[place as usize].is_required());
        let (acquires, releases) = (required(Acquire).count(), required(Release).count());
        // At most one call is of unknown outcome, and the last that the process made.
        let mut releasing = of(Release);
        let acquiring = of(Acquire).take(acquires.max(releases));
        let mut before = BEFORE;
        let mut last: Option<Hold> = None;
        for acquire in acquiring {
            if let Some(Hold {
                acquire: first,
                release: NOBODY,
            }) = last
            {
                return Err(taken_twice(
                    calls,
                    &rows[first as usize],
                    &rows[acquire as usize],
                ));
            }
            let release = releasing.next().unwrap_or(NOBODY);
            let row = &rows[acquire as usize];
            let in_turn = before <= row.ends
                && rows
                    .get(release as usize)
                    .is_none_or(|release| row.begins <= release.ends);
            if !in_turn {
                let held = last.filter(|_| before > row.ends);
                return Err(match held.map(|hold| (hold.acquire, hold.release)) {
                    // It had not begun to give back what it took before.
                    Some((taken, given)) => {
                        let mut twice = taken_twice(calls, &rows[taken as usize], row);
                        add_once(&mut twice.calls, rows[given as usize].call);
                        twice
                    }
                    None => unheld(calls, &rows[release as usize], [row].into_iter()),
                });
            }
            before = rows
                .get(release as usize)
                .map_or(BEFORE, |release| release.begins);
            last = Some(Hold { acquire, release });
            holds.extend(last);
        }
        if let Some(release) = releasing.find(|&place| rows[place as usize].is_required()) {
            let all = own.iter().map(|&place| &rows[place as usize]).rev().take(4);
            return Err(unheld(calls, &rows[release as usize], all));
        }
    }
    Ok(holds)
}

fn taken_twice(calls: &Calls, one: &Row<LockRole>, other: &Row<LockRole>) -> Contradiction {
    Contradiction {
        name: "mutual-exclusion",
        calls: vec![one.call, other.call],
        conclusion: format!(
            "{} took it twice{} and did not give it back in between.",
            calls.process(one.call),
            at(calls, other.ends)
        ),
    }
}

fn unheld<'r>(
    calls: &Calls,
    release: &Row<LockRole>,
    others: impl Iterator<Item = &'r Row<LockRole>>,
) -> Contradiction {
    let mut proof = vec![release.call];
    for row in others {
        add_once(&mut proof, row.call);
    }
    Contradiction {
        name: "unheld-release",
        calls: proof,
        conclusion: format!(
            "{} gave it back{} without holding it.",
            calls.process(release.call),
            at(calls, release.ends)
        ),
    }
}

/// Judges mutexes that their holders may acquire again, as far as that never happened.
///
/// A history that a plain mutex allows is allowed by this one too; a process that released
/// more often than it can have acquired is not. All else is for the general search.
#[derive(Clone, Copy, Debug)]
pub(super) struct ReentrantMutexes(Mutexes);

impl ReentrantMutexes {
    pub(super) fn new(calls: &Calls) -> Self {
        Self(Mutexes::new(calls))
    }
}

impl Exact for ReentrantMutexes {
    type Role = LockRole;

    #[inline]
    fn row(&self, calls: &Calls, call: u32) -> Result<Option<Row<LockRole>>, String> {
        self.0.row(calls, call)
    }

    fn judge(&self, calls: &Calls, rows: &[Row<LockRole>]) -> Finding {
        let Finding::Violated(contradiction) = self.0.judge(calls, rows) else {
            return Finding::Linearizable {
                power: rows.len() > 2,
            };
        };
        // One that holds without a process acquiring twice is a plain mutex in every order.
        let processes = rows
            .iter()
            .map(|row| row.a)
            .max()
            .map_or(0, |most| most as usize + 1);
        if processes <= 2 * rows.len() + 64 {
            let mut depth = vec![0_i64; processes];
            for row in rows {
                match row.role {
                    Acquire => depth[row.a as usize] += 1,
                    Release if row.is_required() => depth[row.a as usize] -= 1,
                    Release => {}
                }
            }
            if let Some(process) = depth.iter().position(|&depth| depth < 0) {
                let own = |row: &&Row<LockRole>| row.a as usize == process;
                let last = rows
                    .iter()
                    .rev()
                    .filter(own)
                    .find(|row| row.role == Release);
                let own = rows.iter().rev().filter(own).take(8);
                if let Some(last) = last {
                    return Finding::Violated(unheld(calls, last, own));
                }
            }
        }
        Finding::Search(format!(
            "it may have been acquired again by its holder: {}",
            contradiction.conclusion
        ))
    }

    fn order(&self, calls: &Calls, rows: &[Row<LockRole>]) -> Option<Vec<u32>> {
        self.0.order(calls, rows)
    }
}

/// Judges semaphores of so many permits: `acquire` and `release` of one each.
///
/// **Cost**: O(n log c) for c calls under way at once; a few bytes for each of these.
#[derive(Clone, Copy, Debug)]
pub(super) struct Semaphores {
    functions: Functions,
    permits: u32,
}

impl Semaphores {
    pub(super) fn new(calls: &Calls, permits: u32) -> Self {
        Self {
            functions: Functions::of(calls),
            permits,
        }
    }
}

impl Exact for Semaphores {
    type Role = LockRole;

    #[inline]
    fn row(&self, calls: &Calls, call: u32) -> Result<Option<Row<LockRole>>, String> {
        self.functions.row(calls, call)
    }

    fn judge(&self, calls: &Calls, rows: &[Row<LockRole>]) -> Finding {
        match Sweep::new(rows, self.permits, |_| {}).run() {
            Ok(()) => Finding::Linearizable {
                power: rows.iter().filter(|row| row.role == Acquire).count()
                    > self.permits as usize,
            },
            Err(stuck) => Finding::Violated(stuck.explain(calls, rows, self.permits)),
        }
    }

    fn order(&self, _calls: &Calls, rows: &[Row<LockRole>]) -> Option<Vec<u32>> {
        let mut order = Vec::with_capacity(rows.len());
        Sweep::new(rows, self.permits, |place| {
            order.push(rows[place as usize].call)
        })
        .run()
        .ok()?;
        Some(order)
    }
}

/// The calls of one kind that have begun and not happened.
#[derive(Default)]
struct Waiting {
    /// Those that must happen: ends and places.
    required: BinaryHeap<Reverse<u64>>,
    optional: Vec<u32>,
}

impl Waiting {
    fn first_end(&self) -> Rank {
        self.required
            .peek()
            .map_or(NEVER, |Reverse(key)| high_half(*key))
    }

    /// The one that must be over first.
    fn pop(&mut self) -> Option<(Rank, u32)> {
        match self.required.pop() {
            Some(Reverse(key)) => Some((high_half(key), low_half(key))),
            None => self.optional.pop().map(|place| (NEVER, place)),
        }
    }
}

struct Sweep<'a, T: FnMut(u32)> {
    rows: &'a [Row<LockRole>],
    held: u32,
    permits: u32,
    acquires: Waiting,
    releases: Waiting,
    happens: T,
    /// All instants of help: when, the end of the helper, who was helped; acquires and releases.
    help: [Vec<(Rank, Rank, u32)>; 2],
}

/// A call that could not happen, and by when it had to.
struct Stuck {
    place: u32,
    /// Before this nothing was owed: all that counts began after it.
    since: Rank,
    /// Who was forced to happen then.
    by: u32,
}

impl<'a, T: FnMut(u32)> Sweep<'a, T> {
    fn new(rows: &'a [Row<LockRole>], permits: u32, happens: T) -> Self {
        Self {
            rows,
            held: 0,
            permits,
            acquires: Waiting::default(),
            releases: Waiting::default(),
            happens,
            help: [Vec::new(), Vec::new()],
        }
    }

    fn run(mut self) -> Result<(), Stuck> {
        for (place, row) in self.rows.iter().enumerate() {
            self.until(row.begins)?;
            let waiting = match row.role {
                Acquire => &mut self.acquires,
                Release => &mut self.releases,
            };
            if row.is_required() {
                waiting
                    .required
                    .push(Reverse(pack(row.ends, narrow(place))));
            } else {
                waiting.optional.push(narrow(place));
            }
        }
        self.until(NEVER)
    }

    /// What must be over before that instant happens.
    #[inline]
    fn until(&mut self, instant: Rank) -> Result<(), Stuck> {
        loop {
            let (acquire, release) = (self.acquires.first_end(), self.releases.first_end());
            if acquire.min(release) >= instant {
                return Ok(());
            }
            if acquire <= release {
                let (end, place) = self.acquires.pop().expect("it is there");
                if self.held == self.permits {
                    let Some(helper) = self.releases.pop().filter(|_| self.permits > 0) else {
                        return Err(self.stuck(place, 0));
                    };
                    self.note(1, end, helper.0, place);
                    (self.happens)(helper.1);
                    self.held -= 1;
                }
                (self.happens)(place);
                self.held += 1;
            } else {
                let (end, place) = self.releases.pop().expect("it is there");
                if self.held == 0 {
                    let Some(helper) = self.acquires.pop().filter(|_| self.permits > 0) else {
                        return Err(self.stuck(place, 1));
                    };
                    self.note(0, end, helper.0, place);
                    (self.happens)(helper.1);
                    self.held += 1;
                }
                (self.happens)(place);
                self.held -= 1;
            }
        }
    }

    /// Helpers of that kind matter to the proof if their ends are after what gets stuck later;
    /// kept are those whose ends are later than all that come after them.
    fn note(&mut self, kind: usize, now: Rank, end: Rank, helped: u32) {
        let help = &mut self.help[kind];
        while help.last().is_some_and(|(_, other, _)| *other <= end) {
            help.pop();
        }
        help.push((now, end, helped));
    }

    fn stuck(&self, place: u32, kind: usize) -> Stuck {
        let end = self.rows[place as usize].ends;
        let last = self.help[kind]
            .iter()
            .rev()
            .find(|(_, other, _)| *other > end);
        let (since, by) = last.map_or((BEFORE, NOBODY), |(when, _, who)| (*when, *who));
        Stuck { place, since, by }
    }
}

/// How many calls are listed as evidence.
const LISTED: usize = 8;

impl Stuck {
    fn explain(&self, calls: &Calls, rows: &[Row<LockRole>], permits: u32) -> Contradiction {
        let stuck = &rows[self.place as usize];
        let end = stuck.ends;
        let must = |row: &&Row<LockRole>| {
            row.role == stuck.role && row.ends <= end && row.begins > self.since
        };
        let may = |row: &&Row<LockRole>| {
            let over = self.since != BEFORE && row.ends <= self.since;
            row.role != stuck.role && row.begins <= end && !over
        };
        let (least, most) = (
            rows.iter().filter(must).count(),
            rows.iter().filter(may).count(),
        );
        let mut proof = vec![stuck.call];
        if let Some(row) = rows.get(self.by as usize) {
            add_once(&mut proof, row.call);
        }
        for row in rows.iter().filter(must).take(LISTED) {
            add_once(&mut proof, row.call);
        }
        let since = match self.since {
            BEFORE => String::new(),
            since => format!(
                " after the release or acquire that was over{}",
                at(calls, since)
            ),
        };
        let bound = if self.since == BEFORE && stuck.role == Release {
            0
        } else {
            permits
        };
        let (name, conclusion) = match stuck.role {
            _ if least <= most + bound as usize => (
                if stuck.role == Acquire {
                    "too-many-permits"
                } else {
                    "unheld-release"
                },
                format!(
                    "in no order of what is around it was it possible{}.",
                    at(calls, end)
                ),
            ),
            Acquire => (
                "too-many-permits",
                format!(
                    "{least} acquires happened{since} and by the end of the last{}, with at most \
                     {most} releases among them; there are {permits} permits.",
                    at(calls, end)
                ),
            ),
            Release => (
                "unheld-release",
                format!(
                    "{least} releases happened{since} and by the end of the last{}, with at most \
                     {most} acquires among them; there are {permits} permits.",
                    at(calls, end)
                ),
            ),
        };
        Contradiction {
            name,
            calls: proof,
            conclusion,
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::RngExt;

    use super::super::search::oracle::Made;
    use super::super::trial::Trial;
    use super::*;
    use crate::history::{Process, Value};
    use crate::model::{Model, Mutex, ReentrantMutex, Semaphore};

    fn trial<M: Model>(initial: M) -> Trial<M> {
        fn answer<M: Model>(state: &M, call: &Made) -> Option<Value> {
            let item = call.item::<M>()?;
            state.step(&item.call).map(|_| Value::Nil)
        }
        Trial {
            initial,
            ask: |rng, _| (["acquire", "release"][rng.random_range(0..2)], Value::Nil),
            answer,
            any: |_, _| Value::Nil,
        }
    }

    #[test]
    fn mutexes_agree_with_brute_force() {
        trial(Mutex::default()).agrees("mutex", 1, Mutexes::new, 0.0);
        trial(Mutex::default()).agrees_at_large("mutex", Mutexes::new);
        let reentrant = trial(ReentrantMutex::default());
        reentrant.agrees("re-entrant mutex", 8, ReentrantMutexes::new, 0.7);
    }

    #[test]
    fn semaphores_agree_with_brute_force() {
        for permits in 0..4 {
            let of = if permits == 0 { 100 } else { 3 };
            let name = format!("semaphore of {permits}");
            let exact = |calls: &Calls| Semaphores::new(calls, permits);
            trial(Semaphore::new(permits)).agrees(&name, of, exact, 0.0);
            if permits > 0 {
                trial(Semaphore::new(permits)).agrees_at_large(&name, exact);
            }
        }
    }

    #[test]
    fn calls_of_one_process_at_one_instant_may_change_places() {
        // Release and acquire touch: the acquire may have been first.
        let calls = |text| Calls::of(&crate::history::History::new(text).expect("lawful"));
        let op = |index, time, kind, f: &str| crate::history::Op {
            index,
            time,
            process: Process::Client(0),
            kind,
            f: crate::history::F::owned(f.to_owned()),
            key: None,
            value: Value::Nil,
            node: None,
            error: None,
        };
        let touching = calls(vec![
            op(0, 0, Kind::Invoke, "release"),
            op(1, 5, Kind::Ok, "release"),
            op(2, 5, Kind::Invoke, "acquire"),
            op(3, 6, Kind::Ok, "acquire"),
        ]);
        let mutexes = Mutexes::new(&touching);
        let rows = super::super::exact::by_key(&mutexes, &touching, |_| true).rows;
        assert!(matches!(
            mutexes.judge(&touching, &rows),
            Finding::Linearizable { .. }
        ));
        assert_eq!(mutexes.order(&touching, &rows), Some(vec![1, 0]));
    }
}
