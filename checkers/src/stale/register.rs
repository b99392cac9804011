//! The values of one register by age, and how far each of its reads was behind.
//!
//! Every bound comes from two moments of each value: `a`, the earliest at which it can have
//! taken effect, and `f`, one by which it certainly had. As values are unique, all but two
//! counts follow from the order of the values alone; those two are counts over a quarter of the
//! plane, and only reads that need them pay for them.

use super::Lag;
use super::kinds::Functions;
use crate::by_key::narrow;
use crate::calls::{BEFORE, Calls, NEVER, Rank};
use crate::history::Kind;
use crate::history::dictionary::NIL;
use crate::linearizable::cores::{filled, on_cores, shares};

/// So many values are looked at one by one.
const FEW: usize = 64;

/// No call.
pub(crate) const NOBODY: u32 = u32::MAX;

/// One value of a register; the first of all is the initial one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Version {
    /// The earliest moment at which it can have taken effect: when its write began.
    pub(crate) a: Rank,
    /// A moment by which it certainly had; [`NEVER`] if nobody saw it and its write's outcome is
    /// unknown.
    pub(crate) f: Rank,
    /// The write or compare-and-set that made it.
    pub(crate) writer: u32,
    /// The call that shows `f`, if it is not the writer.
    pub(crate) seen_by: u32,
    /// The latest start of a read that returned it.
    pub(crate) last_asked: Rank,
}

/// What is newer than a value.
#[derive(Clone, Copy, Debug)]
pub(crate) struct After {
    /// How many values can have taken effect by its `f`: all others are certainly newer.
    pub(crate) newer: u32,
    /// The earliest `f` of a certainly newer value.
    pub(crate) replaced: Rank,
}

/// What is older than a value.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Before {
    /// How many values had certainly taken effect before its `a`: they are certainly older.
    pub(crate) older: u32,
    /// The earliest `a` of another value that is not certainly older.
    rival: Rank,
}

/// What some of the reads tell of a value.
#[derive(Clone, Copy)]
struct Told {
    /// The end of the read that was over first, and the read; of both what is left to the
    /// highest number, so that zero is none.
    first: u64,
    last_asked: Rank,
}

/// A read and what it shows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen {
    pub(crate) call: u32,
    pub(crate) lag: Lag,
    /// How many written values had certainly taken effect before it began.
    pub(crate) effective: u32,
    /// When the first and the last of them had, if there are any.
    pub(crate) first: Rank,
    pub(crate) last: Rank,
}

/// What is known of one register. Its memory is used again for the next.
#[derive(Default)]
pub(crate) struct Register {
    /// In the order of `a`.
    pub(crate) versions: Vec<Version>,
    /// By place of a value.
    pub(crate) after: Vec<After>,
    pub(crate) before: Vec<Before>,
    /// By place of a value its `f`, once more: close together.
    fs: Vec<Rank>,
    /// By place of a value: the latest `f` of those up to it that took effect, and how many of
    /// them may never have.
    settled: Vec<(Rank, u32)>,
    /// `f` and place of every value, packed, in this order.
    pub(crate) by_f: Vec<u64>,
    /// By number of a value: one more than its place.
    places: Vec<u32>,
    /// Whether some value was seen before its write began.
    pub(crate) is_early: bool,
}

/// How far the reads of a register were looked at: those that follow began no sooner. Another
/// register needs another one.
#[derive(Default)]
pub(crate) struct Cursor {
    effective: Counts,
    possible: Counts,
    /// By place of a value: its place in `by_f`.
    rank_f: Vec<u32>,
}

/// Counts of values in order of a coordinate (Fenwick's tree).
#[derive(Default)]
struct Counts {
    tree: Vec<u32>,
    /// How many values were added.
    fed: usize,
}

impl Counts {
    fn feed(&mut self, size: usize, upto: usize, rank: impl Fn(usize) -> u32) {
        if self.tree.is_empty() {
            self.tree.resize(size + 1, 0);
            for value in 0..upto {
                self.tree[rank(value) as usize + 1] = 1;
            }
            for node in 1..=size {
                let above = node + (node & node.wrapping_neg());
                if above <= size {
                    self.tree[above] += self.tree[node];
                }
            }
            self.fed = upto;
        }
        while self.fed < upto {
            let mut node = rank(self.fed) as usize + 1;
            while node < self.tree.len() {
                self.tree[node] += 1;
                node += node & node.wrapping_neg();
            }
            self.fed += 1;
        }
    }

    /// How many of the values added have a rank below this one.
    fn below(&self, rank: u32) -> u32 {
        let (mut node, mut sum) = (rank as usize, 0);
        while node > 0 {
            sum += self.tree[node];
            node &= node - 1;
        }
        sum
    }
}

#[inline]
fn pack(f: Rank, place: u32) -> u64 {
    u64::from(f) << 32 | u64::from(place)
}

#[inline]
#[expect(clippy::cast_possible_truncation, reason = "each half is asked for")]
pub(crate) fn unpack(packed: u64) -> (Rank, u32) {
    ((packed >> 32) as u32, packed as u32)
}

impl Register {
    pub(crate) fn new(calls: &Calls) -> Self {
        Self {
            places: vec![0; calls.values.len()],
            ..Self::default()
        }
    }

    /// Takes in the calls of one register; false if some value may have been written twice.
    pub(crate) fn load(&mut self, calls: &Calls, functions: &Functions, of: &[u32]) -> bool {
        self.load_by(1, calls, functions, of)
    }

    /// The same by so many workers at once.
    ///
    /// **Cost**: O(n log n); 16 bytes a value for each worker if there are several.
    pub(crate) fn load_by(
        &mut self,
        workers: usize,
        calls: &Calls,
        functions: &Functions,
        of: &[u32],
    ) -> bool {
        self.versions.clear();
        let shares: Vec<&[u32]> = (shares(of.len(), workers).into_iter())
            .map(|share| &of[share])
            .collect();
        let unique = self.write(calls, functions, &shares);
        if unique {
            self.read(calls, functions, &shares);
            self.sort(workers);
            self.derive(workers);
        }
        unique
    }

    /// Forgets which values the register had, so that another may have the same.
    pub(crate) fn unload(&mut self, calls: &Calls) {
        for version in &self.versions {
            let number = match version.writer {
                NOBODY => NIL,
                writer => new_value(calls, writer),
            };
            self.places[number as usize] = 0;
        }
    }

    fn write(&mut self, calls: &Calls, functions: &Functions, shares: &[&[u32]]) -> bool {
        let is_write = |&&call: &&u32| {
            let at = call as usize;
            let f = calls.f[at];
            (f == functions.write || f == functions.cas) && calls.outcome[at] != Kind::Fail
        };
        self.push(NIL, BEFORE, BEFORE, NOBODY);
        if let [of] = shares {
            return (of.iter().filter(is_write)).all(|&call| self.wrote(calls, call));
        }
        let writes = on_cores(shares.to_vec(), |of| {
            of.iter().filter(is_write).copied().collect::<Vec<u32>>()
        });
        (writes.into_iter().flatten()).all(|call| self.wrote(calls, call))
    }

    /// Takes in a write; false if its value was written before.
    fn wrote(&mut self, calls: &Calls, call: u32) -> bool {
        let at = call as usize;
        let number = new_value(calls, call);
        let fresh = self.places[number as usize] == 0;
        if fresh {
            self.push(number, calls.begins[at], calls.ends[at], call);
        }
        fresh
    }

    fn push(&mut self, number: u32, a: Rank, f: Rank, writer: u32) {
        self.versions.push(Version {
            a,
            f,
            writer,
            seen_by: NOBODY,
            last_asked: BEFORE,
        });
        self.places[number as usize] = narrow(self.versions.len());
    }

    fn read(&mut self, calls: &Calls, functions: &Functions, shares: &[&[u32]]) {
        let places = &self.places;
        let versions = &mut self.versions;
        if let [of] = shares {
            return read_each(calls, functions, places, of, |place, call, is_read| {
                let at = call as usize;
                let version = &mut versions[place];
                if calls.ends[at] < version.f {
                    version.f = calls.ends[at];
                    version.seen_by = call;
                }
                if is_read {
                    version.last_asked = calls.begins[at];
                }
            });
        }
        let count = versions.len();
        let none = Told {
            first: 0,
            last_asked: BEFORE,
        };
        let told = on_cores(shares.to_vec(), |of| {
            let mut told = filled(none, count);
            read_each(calls, functions, places, of, |place, call, is_read| {
                let at = call as usize;
                let told = &mut told[place];
                told.first = told.first.max(pack(!calls.ends[at], !call));
                if is_read {
                    told.last_asked = calls.begins[at];
                }
            });
            told
        });
        for told in told {
            for (version, told) in versions.iter_mut().zip(told) {
                let (end, call) = unpack(!told.first);
                if told.first != 0 && end < version.f {
                    version.f = end;
                    version.seen_by = call;
                }
                version.last_asked = version.last_asked.max(told.last_asked);
            }
        }
    }

    /// Puts the values in the order of `f`.
    fn sort(&mut self, workers: usize) {
        let versions = &self.versions;
        self.is_early = versions.iter().any(|version| version.a > version.f);
        self.fs.clear();
        self.fs.extend(versions.iter().map(|version| version.f));
        let (mut latest, mut never) = (BEFORE, 0);
        self.settled.clear();
        self.settled.extend(versions.iter().map(|version| {
            if version.f == NEVER {
                never += 1;
            } else {
                latest = latest.max(version.f);
            }
            (latest, never)
        }));
        self.by_f.clear();
        self.by_f
            .extend((0..).zip(versions).map(|(place, v)| pack(v.f, place)));
        if workers == 1 {
            return self.by_f.sort_unstable();
        }
        let share = self.by_f.len().div_ceil(workers);
        let shares = self.by_f.chunks_mut(share).collect();
        on_cores(shares, |share: &mut [u64]| share.sort_unstable());
        // It finds what is in order already.
        self.by_f.sort();
    }

    /// What follows from the order of the values.
    fn derive(&mut self, workers: usize) {
        let (versions, by_f) = (&self.versions[..], &self.by_f[..]);
        if workers == 1 {
            after(versions, by_f, &mut self.after);
            before(versions, by_f, &mut self.before);
            return;
        }
        enum Half<'a> {
            After(&'a mut Vec<After>),
            Before(&'a mut Vec<Before>),
        }
        let halves = vec![Half::After(&mut self.after), Half::Before(&mut self.before)];
        on_cores(halves, |half| match half {
            Half::After(all) => after(versions, by_f, all),
            Half::Before(all) => before(versions, by_f, all),
        });
    }

    /// Judges every read of these calls whose value somebody may have written, in the order of
    /// their starts; how many others there are.
    pub(crate) fn judge(
        &self,
        cursor: &mut Cursor,
        calls: &Calls,
        functions: &Functions,
        of: &[u32],
        mut each: impl FnMut(Seen),
    ) -> usize {
        let count = self.versions.len();
        let (mut effective, mut possible) = (0, 0);
        let mut others = 0;
        for &call in of {
            let at = call as usize;
            if calls.f[at] != functions.read || calls.outcome[at] != Kind::Ok {
                continue;
            }
            let Some(place) = self.places[calls.result(call) as usize].checked_sub(1) else {
                others += 1;
                continue;
            };
            let i = calls.begins[at];
            while effective < count && unpack(self.by_f[effective]).0 < i {
                effective += 1;
            }
            while possible < count && self.versions[possible].a < i {
                possible += 1;
            }
            let moment = |rank| calls.time(rank);
            let place = place as usize;
            let replaced = self.after[place].replaced;
            let mut lag = Lag {
                behind_lo: moment(i) - moment(replaced.min(i)),
                ..Lag::default()
            };
            if replaced < i {
                lag.versions_lo = self.certainly(cursor, place, effective, i);
            }
            lag.versions_hi = self.possibly(cursor, place, possible, i);
            let rival = self.before[place].rival.max(self.versions[place].a);
            lag.behind_hi = moment(i) - moment(rival.min(i));
            each(Seen {
                call,
                lag,
                effective: narrow(effective - 1),
                first: self.by_f.get(1).map_or(NEVER, |&packed| unpack(packed).0),
                last: unpack(self.by_f[effective - 1]).0,
            });
        }
        others
    }

    /// How many values are certainly newer than the one at that place and certainly took effect
    /// before `i`.
    fn certainly(&self, cursor: &mut Cursor, own: usize, effective: usize, i: Rank) -> usize {
        // All that took effect, but for those that are not newer; of these some may take effect
        // after `i`: nearly always few values.
        let newer = self.after[own].newer as usize;
        if self.is_early {
            return self.certainly_by_counts(cursor, own, effective, i);
        }
        let (mut open, mut at) = (0, newer);
        while at > 0 && self.settled[at - 1].0 >= i {
            at -= 1;
            if newer - at > FEW {
                return self.certainly_by_counts(cursor, own, effective, i);
            }
            open += usize::from(self.fs[at] >= i && self.fs[at] != NEVER);
        }
        // Something that is not early began before its own `f`, so that `newer` counts it.
        let never = self.settled[newer - 1].1 as usize;
        effective - (newer - never - open)
    }

    /// The same where there are too many to look at one by one.
    #[cold]
    fn certainly_by_counts(
        &self,
        cursor: &mut Cursor,
        own: usize,
        effective: usize,
        i: Rank,
    ) -> usize {
        let (by_f, v) = (&self.by_f, &self.versions[own]);
        let place = |at: usize| unpack(by_f[at]).1;
        let counts = &mut cursor.effective;
        counts.feed(self.versions.len(), effective, place);
        // A read that ended before its value's write began would count that value itself.
        let itself = usize::from(v.a > v.f && v.f < i);
        effective - counts.below(self.after[own].newer) as usize - itself
    }

    /// How many values may have taken effect before `i` and are not certainly older than the one
    /// at that place.
    #[inline]
    fn possibly(&self, cursor: &mut Cursor, place: usize, possible: usize, i: Rank) -> usize {
        let (v, older) = (&self.versions[place], self.before[place].older);
        if !self.is_early && v.a <= i {
            // What is certainly older began before it did, and so before `i`.
            return possible - older as usize - usize::from(v.a < i);
        }
        // Of what is certainly older some may have begun after `i`: nearly always few values.
        if !self.is_early && place - possible <= FEW {
            let begun = self.fs[possible..place].iter();
            let since = begun.filter(|f| **f < v.a).count();
            return possible - (older as usize - since);
        }
        self.possibly_by_counts(cursor, place, possible, i)
    }

    /// The same where there are too many to look at one by one.
    #[cold]
    fn possibly_by_counts(
        &self,
        cursor: &mut Cursor,
        place: usize,
        possible: usize,
        i: Rank,
    ) -> usize {
        let (v, older) = (&self.versions[place], self.before[place].older);
        let rank_f = &mut cursor.rank_f;
        if rank_f.is_empty() {
            rank_f.resize(self.versions.len(), 0);
            for (rank, &packed) in (0..).zip(&self.by_f) {
                rank_f[unpack(packed).1 as usize] = rank;
            }
        }
        cursor
            .possible
            .feed(rank_f.len(), possible, |place| rank_f[place]);
        let itself = usize::from(v.f < v.a && v.a < i);
        let older = cursor.possible.below(older) as usize - itself;
        possible - older - usize::from(v.a < i)
    }

    /// The place of a value, by its number.
    pub(crate) fn place(&self, number: u32) -> Option<usize> {
        Some(self.places[number as usize].checked_sub(1)? as usize)
    }

    /// The certainly newer value that certainly took effect first.
    pub(crate) fn replacer(&self, place: usize) -> Option<&Version> {
        let seen = &self.versions[place];
        let newer = self.versions.iter().enumerate().skip(1);
        let newer = newer.filter(|(other, u)| *other != place && u.a > seen.f);
        newer.map(|(_, u)| u).min_by_key(|u| u.f)
    }
}

/// Tells `each` the place of the value that a call saw, the call, and whether it is a read.
#[inline]
fn read_each(
    calls: &Calls,
    functions: &Functions,
    places: &[u32],
    of: &[u32],
    mut each: impl FnMut(usize, u32, bool),
) {
    for &call in of {
        let at = call as usize;
        if calls.outcome[at] != Kind::Ok {
            continue;
        }
        let f = calls.f[at];
        let is_read = f == functions.read;
        let number = if is_read {
            calls.result(call)
        } else if f == functions.cas {
            calls.argument[at]
        } else {
            continue;
        };
        if let Some(place) = places[number as usize].checked_sub(1) {
            each(place as usize, call, is_read);
        }
    }
}

/// What is newer than each value; they stand in the order of `a`, and `by_f` in that of `f`.
///
/// **Cost**: linear.
fn after(versions: &[Version], by_f: &[u64], all: &mut Vec<After>) {
    let count = versions.len();
    let none = After {
        newer: 0,
        replaced: NEVER,
    };
    all.clear();
    all.resize(count, none);
    let mut next = 0;
    for &packed in by_f {
        let (f, place) = unpack(packed);
        while next < count && versions[next].a <= f {
            next += 1;
        }
        all[place as usize].newer = narrow(next);
    }
    // The two earliest among the values from `next` on, so that one's own can be left out.
    let (mut first, mut second) = ((NEVER, NOBODY), NEVER);
    next = count;
    for &packed in by_f.iter().rev() {
        let (_, place) = unpack(packed);
        let own = &mut all[place as usize];
        while next > own.newer as usize {
            next -= 1;
            let f = versions[next].f;
            if f < first.0 {
                second = first.0;
                first = (f, narrow(next));
            } else {
                second = second.min(f);
            }
        }
        own.replaced = if first.1 == place { second } else { first.0 };
    }
}

/// What is older than each value; they stand in the order of `a`, and `by_f` in that of `f`.
///
/// **Cost**: linear.
fn before(versions: &[Version], by_f: &[u64], all: &mut Vec<Before>) {
    let count = versions.len();
    let mut next = 0;
    all.clear();
    all.extend(versions.iter().map(|version| {
        while next < count && unpack(by_f[next]).0 < version.a {
            next += 1;
        }
        Before {
            older: narrow(next),
            rival: NEVER,
        }
    }));
    // Places are in the order of `a`.
    let (mut first, mut second) = (NOBODY, NOBODY);
    next = count;
    for (place, own) in all.iter_mut().enumerate().rev() {
        while next > own.older as usize {
            next -= 1;
            let (_, other) = unpack(by_f[next]);
            if other < first {
                second = first;
                first = other;
            } else {
                second = second.min(other);
            }
        }
        let rival = if first == narrow(place) {
            second
        } else {
            first
        };
        own.rival = versions.get(rival as usize).map_or(NEVER, |v| v.a);
    }
}

/// The number of the value that a write or compare-and-set makes.
pub(crate) fn new_value(calls: &Calls, call: u32) -> u32 {
    let at = call as usize;
    match calls.second[at] {
        crate::calls::NO_VALUE => calls.argument[at],
        second => second,
    }
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::history::notation::h;

    /// Calls of three processes on one register, which return values of any age.
    fn made(rng: &mut ChaCha8Rng) -> String {
        let mut text = String::new();
        let mut open: [Option<&str>; 3] = [None; 3];
        let mut written = 0;
        for _ in 0..rng.random_range(2..40) {
            let process = rng.random_range(0..3);
            let seen = match rng.random_range(0..=written) {
                0 => "nil".to_owned(),
                value => value.to_string(),
            };
            let word = match open[process].take() {
                Some("r") => format!("ok={seen}"),
                Some(_) if rng.random_bool(0.8) => "ok".to_owned(),
                Some(_) => "fail".to_owned(),
                None => {
                    let f = ["r", "w", "c"][rng.random_range(0..3)];
                    written += u32::from(f != "r");
                    open[process] = Some(f);
                    match f {
                        "r" => "r".to_owned(),
                        "w" => format!("w{written}"),
                        _ => format!("c{},{written}", rng.random_range(1..=written)),
                    }
                }
            };
            text += &format!("{process}:{word} ");
            if rng.random_bool(0.1) {
                text += "& ";
            }
        }
        text.trim_end_matches("& ").to_owned()
    }

    #[test]
    fn several_workers_load_what_one_does() {
        let mut unique = 0;
        for seed in 0..3_000 {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let text = made(&mut rng);
            let calls = Calls::of(&h(&text));
            let functions = Functions::of(&calls);
            let of: Vec<u32> = (0..narrow(calls.len())).collect();
            let load = |workers| {
                let mut register = Register::new(&calls);
                let loaded = register.load_by(workers, &calls, &functions, &of);
                let told = (&register.versions, &register.after, &register.before);
                (
                    loaded,
                    format!("{told:?} {:?} {:?}", register.by_f, register.fs),
                )
            };
            let alone = load(1);
            unique += usize::from(alone.0);
            for workers in 2..5 {
                assert_eq!(load(workers), alone, "seed {seed}: {text}");
            }
        }
        assert!(unique > 2_000, "only {unique}");
    }
}
