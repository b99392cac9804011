//! Counters that only rise, or only fall, by one and the same step: without search.
//!
//! Let the values be counted in steps. The j-th change took effect within a window: not before
//! the last start of a read of fewer than j, or that read would have been wrong, and not after
//! the first end of a read of j or more. The windows rise with j, so it is right to fill them in
//! turn with the change that must be over first, of those that have begun (earliest deadline
//! first); what is left over and certainly happened must fit in after all reads. If a window
//! cannot be filled, two reads and the number of changes between them prove it (Hall's
//! condition, and the windows are intervals).
//!
//! Changes by different amounts make the question as hard as that of subset sums. Then only
//! what each read can have seen at least and at most is compared; a counter that passes is
//! for the general search, unless nothing changed it during any of the reads.
//!
//! **Names**: "stale-read" (a read that counts too few), "future-read" (one that counts
//! changes which began only after it), "phantom-read" (one that counts more than there were),
//! "not-linearizable".
//!
//! **Source**: earliest deadline first is optimal for such windows (Jackson, "Scheduling a
//! production line to minimize maximum tardiness", 1955).
use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::exact::{Contradiction, Exact, Finding, Row};
use super::grouping::{
    add_once, at, function, high_half, interleave, low_half, narrow, pack, result,
    sorted_by_number, strange,
};
use crate::calls::{BEFORE, Calls, NEVER, NO_VALUE, Rank};
use crate::history::Kind;
use crate::history::dictionary::Interned;

/// Judges counters: `add` or `increment`, `decrement` by a number, `read` → number.
///
/// **Cost**: O(n log c) for c changes under way at once; at most 24 bytes an operation. With
/// different steps O(n log n).
#[derive(Clone, Copy, Debug)]
pub(super) struct Counters {
    add: u16,
    increment: u16,
    decrement: u16,
    read: u16,
}

/// What a call does to a counter; by how much, or what it saw, is in the row's two values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CounterRole {
    Add,
    Read,
}

/// How many changes are listed as evidence.
const LISTED: usize = 8;

impl Counters {
    pub(super) fn new(calls: &Calls) -> Self {
        Self {
            add: function(calls, "add"),
            increment: function(calls, "increment"),
            decrement: function(calls, "decrement"),
            read: function(calls, "read"),
        }
    }
}

/// What proves that a counter cannot be: name, calls, conclusion.
pub(crate) type Proof = (&'static str, Vec<u32>, String);

/// Judges the calls of one counter exactly, given in the order of their starts; none if only a
/// search could, or one of them cannot be read.
pub(crate) fn of_one_step(calls: &Calls, of: &[u32]) -> Option<Result<(), Proof>> {
    let counters = Counters::new(calls);
    let mut rows = Vec::with_capacity(of.len());
    for &call in of {
        rows.extend(counters.row(calls, call).ok()?);
    }
    match counters.judge(calls, &rows) {
        Finding::Linearizable { .. } => Some(Ok(())),
        Finding::Violated(found) => Some(Err((found.name, found.calls, found.conclusion))),
        Finding::Contradicted | Finding::Search(_) | Finding::Unreadable(_) => None,
    }
}

fn int(calls: &Calls, number: u32) -> Option<i64> {
    match calls.values.get(number) {
        Interned::Int(number) => Some(number),
        _ => None,
    }
}

impl Exact for Counters {
    type Role = CounterRole;

    #[inline]
    fn row(&self, calls: &Calls, call: u32) -> Result<Option<Row<CounterRole>>, String> {
        let place = call as usize;
        let outcome = calls.outcome[place];
        if outcome == Kind::Fail {
            return Ok(None);
        }
        let f = calls.f[place];
        let (role, number) = if f == self.add || f == self.increment || f == self.decrement {
            let by = Some(calls.argument[place]).filter(|_| calls.second[place] == NO_VALUE);
            let by = by.and_then(|by| int(calls, by));
            let by = by.ok_or("its argument is not a number")?;
            if f == self.decrement {
                (CounterRole::Add, by.checked_neg().ok_or("it is too large")?)
            } else {
                (CounterRole::Add, by)
            }
        } else if f == self.read {
            if outcome != Kind::Ok {
                return Ok(None);
            }
            let seen = result(calls, call).and_then(|seen| int(calls, seen));
            (CounterRole::Read, seen.ok_or("its result is not a number")?)
        } else {
            return Err(strange(calls, call, "a counter"));
        };
        let bits = number.cast_unsigned();
        Ok(Some(Row {
            begins: calls.begins[place],
            ends: calls.ends[place],
            a: low_half(bits),
            b: high_half(bits),
            call,
            role,
        }))
    }

    fn judge(&self, calls: &Calls, rows: &[Row<CounterRole>]) -> Finding {
        let steps = match Steps::of(rows) {
            Ok(steps) => steps,
            Err(reason) => return Finding::Search(reason),
        };
        let judge = Judge { calls, rows };
        let held = Finding::Linearizable {
            power: steps.adds > 0 && steps.reads > 0,
        };
        if steps.reads == 0 {
            return held;
        }
        let Some(step) = steps.step else {
            return match judge.bounds() {
                Err(contradiction) => Finding::Violated(contradiction),
                Ok(true) => held,
                Ok(false) => Finding::Search("it changes by different amounts".to_owned()),
            };
        };
        let windows = match judge.windows(step, steps.adds) {
            Ok(windows) => windows,
            Err(contradiction) => return Finding::Violated(contradiction),
        };
        match windows.fill(rows) {
            Ok(_) => held,
            Err(stuck) => Finding::Violated(judge.explain(step, &windows, &stuck)),
        }
    }

    fn order(&self, calls: &Calls, rows: &[Row<CounterRole>]) -> Option<Vec<u32>> {
        let required = |rows: &[Row<CounterRole>]| {
            let required = rows.iter().filter(|row| row.is_required());
            required.map(|row| row.call).collect()
        };
        let steps = Steps::of(rows).ok()?;
        let Some(step) = steps.step.filter(|_| steps.reads > 0) else {
            return Some(required(rows));
        };
        let judge = Judge { calls, rows };
        let windows = judge.windows(step, steps.adds).ok()?;
        let taken = windows.fill(rows).ok()?;
        let mut is_taken = vec![false; rows.len()];
        for &row in &taken {
            is_taken[row as usize] = true;
        }
        let reads = judge.reads().map(|(place, row)| (count(row, step), place));
        let reads = sorted_by_number(reads);
        let mut reads = reads.into_iter().peekable();
        let mut timed = Vec::with_capacity(rows.len());
        let mut latest = BEFORE;
        let mut push = |place: u32| {
            let row = &rows[place as usize];
            latest = latest.max(row.begins);
            timed.push((latest, row.call));
        };
        for slot in 0..=narrow(taken.len()) {
            let seen = |place: &u32| count(&rows[*place as usize], step) == slot;
            while let Some(read) = reads.next_if(seen) {
                push(read);
            }
            if let Some(&row) = taken.get(slot as usize) {
                push(row);
            }
        }
        for (place, row) in rows.iter().enumerate() {
            if is_change(row) && row.is_required() && !is_taken[place] {
                push(narrow(place));
            }
        }
        let idle = |row: &&Row<CounterRole>| row.role == CounterRole::Add && number(row) == 0;
        let idle = rows.iter().filter(idle).filter(|row| row.is_required());
        timed.extend(idle.map(|row| (row.begins, row.call)));
        Some(interleave(timed))
    }
}

/// By how much a call changed the counter, or what it saw.
#[inline]
fn number(row: &Row<CounterRole>) -> i64 {
    pack(row.b, row.a).cast_signed()
}

#[inline]
fn is_change(row: &Row<CounterRole>) -> bool {
    row.role == CounterRole::Add && (row.a | row.b) != 0
}

/// What a read saw, in steps; only for reads that saw a whole number of them.
#[inline]
fn count(row: &Row<CounterRole>, step: i64) -> u32 {
    let seen = number(row);
    let steps = if step == 1 { seen } else { seen / step };
    u32::try_from(steps).expect("it was looked at before")
}

/// The steps by which a counter changes.
struct Steps {
    /// None if there are different ones.
    step: Option<i64>,
    adds: u32,
    reads: u32,
}

impl Steps {
    fn of(rows: &[Row<CounterRole>]) -> Result<Self, String> {
        let (mut step, mut mixed, mut sum) = (0, false, 0_i128);
        let (mut adds, mut reads) = (0, 0);
        for row in rows {
            if is_change(row) {
                let by = number(row);
                mixed |= step != 0 && step != by;
                step = by;
                sum += i128::from(by).abs();
                adds += 1;
            } else if row.role == CounterRole::Read {
                reads += 1;
            }
        }
        if sum > i128::from(i64::MAX) {
            return Err("it may leave the range of 64 bits".to_owned());
        }
        // A counter that nothing changes may as well change by one.
        let step = if step == 0 { 1 } else { step };
        Ok(Self {
            step: (!mixed).then_some(step),
            adds,
            reads,
        })
    }
}

/// When each change must have taken effect.
struct Windows {
    /// By change from the first on, and one more for all that are left over: not before this.
    lower: Vec<Rank>,
    /// By change: not after this.
    upper: Vec<Rank>,
}

/// Which window cannot be filled, and why.
struct Stuck {
    /// The number of the change, from one on.
    slot: u32,
    why: Why,
    /// The changes that fill the windows before it.
    taken: Vec<u32>,
}

enum Why {
    /// It lies the wrong way round.
    Reversed,
    /// Too few changes have begun.
    TooFew,
    /// This change was over before it.
    Left(u32),
}

impl Windows {
    /// Fills each with a change; the places of these rows.
    fn fill(&self, rows: &[Row<CounterRole>]) -> Result<Vec<u32>, Stuck> {
        let windows = self.upper.len();
        let mut taken: Vec<u32> = Vec::with_capacity(windows);
        // Changes that have begun: those that certainly happened by their ends, and others.
        let mut required: BinaryHeap<Reverse<u64>> = BinaryHeap::new();
        let mut optional: Vec<u32> = Vec::new();
        let mut next = 0;
        for (window, (&lower, &upper)) in self.lower.iter().zip(&self.upper).enumerate() {
            let stuck = |why, taken| Stuck {
                slot: narrow(window + 1),
                why,
                taken,
            };
            if lower > upper {
                return Err(stuck(Why::Reversed, taken));
            }
            while let Some(row) = rows.get(next).filter(|row| row.begins <= upper) {
                if !is_change(row) {
                } else if row.is_required() {
                    required.push(Reverse(pack(row.ends, narrow(next))));
                } else {
                    optional.push(narrow(next));
                }
                next += 1;
            }
            match required.pop() {
                Some(Reverse(key)) if high_half(key) < lower => {
                    return Err(stuck(Why::Left(low_half(key)), taken));
                }
                Some(Reverse(key)) => taken.push(low_half(key)),
                None => match optional.pop() {
                    Some(row) => taken.push(row),
                    None => return Err(stuck(Why::TooFew, taken)),
                },
            }
        }
        let last = self.lower.last().copied().unwrap_or(BEFORE);
        let waiting = required.peek().map(|Reverse(key)| low_half(*key));
        let fresh = (next..rows.len())
            .filter(|&row| is_change(&rows[row]))
            .map(narrow);
        let left = waiting
            .into_iter()
            .chain(fresh)
            .min_by_key(|&row| rows[row as usize].ends);
        match left.filter(|&row| rows[row as usize].ends < last) {
            Some(row) => Err(Stuck {
                slot: narrow(windows + 1),
                why: Why::Left(row),
                taken,
            }),
            None => Ok(taken),
        }
    }
}

struct Judge<'a> {
    calls: &'a Calls,
    rows: &'a [Row<CounterRole>],
}

impl Judge<'_> {
    fn reads(&self) -> impl Iterator<Item = (u32, &Row<CounterRole>)> + Clone {
        let rows = self.rows.iter().enumerate();
        rows.filter(|(_, row)| row.role == CounterRole::Read)
            .map(|(place, row)| (narrow(place), row))
    }

    fn read(&self, is: impl Fn(&Row<CounterRole>) -> bool) -> &Row<CounterRole> {
        let found = self.reads().map(|(_, row)| row).find(|row| is(row));
        found.expect("the window comes from a read")
    }

    /// The windows; an error if a read saw what no number of changes makes.
    fn windows(&self, step: i64, adds: u32) -> Result<Windows, Contradiction> {
        let mut most = 0;
        for (_, row) in self.reads() {
            let seen = i128::from(number(row));
            let (steps, rest) = if step == 1 {
                (seen, 0)
            } else {
                (seen / i128::from(step), seen % i128::from(step))
            };
            if steps < 0 || steps > i128::from(adds) || rest != 0 {
                return Err(self.phantom(row, step, adds));
            }
            most = most.max(count(row, step));
        }
        let most = most as usize;
        // By value seen: the first end and the last start of its reads.
        let mut upper = vec![NEVER; most + 1];
        let mut lower = vec![BEFORE; most + 1];
        for row in self.rows {
            if row.role == CounterRole::Read {
                let seen = count(row, step) as usize;
                upper[seen] = upper[seen].min(row.ends);
                lower[seen] = lower[seen].max(row.begins);
            }
        }
        for value in (0..most).rev() {
            upper[value] = upper[value].min(upper[value + 1]);
        }
        for value in 1..=most {
            lower[value] = lower[value].max(lower[value - 1]);
        }
        // The j-th change is bounded by reads of less than j from below, which is one place on.
        upper.remove(0);
        Ok(Windows { lower, upper })
    }

    fn phantom(&self, row: &Row<CounterRole>, step: i64, adds: u32) -> Contradiction {
        let by = if step == 1 || adds == 0 {
            String::new()
        } else {
            format!(" by {step} each")
        };
        Contradiction {
            name: "phantom-read",
            calls: vec![row.call],
            conclusion: format!(
                "it returned {}, which none of at most {adds} changes{by} can have made of 0.",
                number(row)
            ),
        }
    }

    fn explain(&self, step: i64, windows: &Windows, stuck: &Stuck) -> Contradiction {
        let slot = stuck.slot;
        // Of the window before: bounds by number of the change.
        let lower = windows.lower[slot as usize - 1];
        let upper = |slot: u32| windows.upper[slot as usize - 1];
        let few = |slot: u32| self.read(|row| row.begins == lower && count(row, step) < slot);
        let many = |slot: u32| self.read(|row| row.ends == upper(slot) && count(row, step) >= slot);
        let time = |rank| at(self.calls, rank);
        match stuck.why {
            Why::Reversed => {
                let (old, new) = (many(slot), few(slot));
                let way = if step > 0 { "rises" } else { "falls" };
                Contradiction {
                    name: "stale-read",
                    calls: vec![old.call, new.call],
                    conclusion: format!(
                        "it stood at {} before a read that returned {} began{}; it only {way}.",
                        number(old),
                        number(new),
                        time(new.begins)
                    ),
                }
            }
            Why::TooFew => {
                let read = many(slot);
                Contradiction {
                    name: "future-read",
                    calls: vec![read.call],
                    conclusion: format!(
                        "it returned {}, but when it ended{} only {} changes by {step} had begun.",
                        number(read),
                        time(read.ends),
                        slot - 1
                    ),
                }
            }
            Why::Left(left) => {
                let new = few(slot);
                // The windows since the last that took what could have waited.
                let waits = |&&row: &&u32| self.rows[row as usize].ends >= lower;
                let since = stuck
                    .taken
                    .iter()
                    .rev()
                    .take_while(|row| !waits(row))
                    .count();
                let from = stuck.taken.len() - since;
                let tight = stuck.taken[from..].iter().chain([&left]);
                let mut calls = vec![new.call];
                for &row in tight.take(LISTED) {
                    add_once(&mut calls, self.rows[row as usize].call);
                }
                if from == 0 {
                    let conclusion = format!(
                        "{slot} changes by {step} were over before the read that returned {} \
                         began{}.",
                        number(new),
                        time(new.begins)
                    );
                    return Contradiction {
                        name: "stale-read",
                        calls,
                        conclusion,
                    };
                }
                let old = many(narrow(from));
                add_once(&mut calls, old.call);
                Contradiction {
                    name: "not-linearizable",
                    calls,
                    conclusion: format!(
                        "{} changes by {step} began after a read had returned {}{} and were \
                         over before the read that returned {} began{}.",
                        since + 1,
                        number(old),
                        time(old.ends),
                        number(new),
                        time(new.begins)
                    ),
                }
            }
        }
    }

    /// Compares each read with what it can have seen; whether nothing changed the counter
    /// during any of them.
    fn bounds(&self) -> Result<bool, Contradiction> {
        // Changes in the order of their starts, and of their ends: when, and by how much up or
        // down so far.
        let sums = |mut changes: Vec<(Rank, i64)>| {
            changes.sort_unstable();
            let mut sum = (0_i128, 0_i128);
            let sums = changes.into_iter().map(move |(when, by)| {
                sum.0 += i128::from(by.max(0));
                sum.1 += i128::from(by.min(0));
                (when, sum)
            });
            sums.collect::<Vec<_>>()
        };
        let changes = || self.rows.iter().filter(|row| is_change(row));
        let begun = sums(changes().map(|row| (row.begins, number(row))).collect());
        let over = changes().filter(|row| row.is_required());
        let over = sums(over.map(|row| (row.ends, number(row))).collect());
        let sum = |sums: &[(Rank, (i128, i128))], count: usize| match count.checked_sub(1) {
            None => (0, 0),
            Some(last) => sums[last].1,
        };
        let mut quiet = true;
        for (_, row) in self.reads() {
            let may = sum(&begun, begun.partition_point(|(when, _)| *when <= row.ends));
            let must = sum(&over, over.partition_point(|(when, _)| *when < row.begins));
            let (least, most) = (must.0 + may.1, may.0 + must.1);
            let seen = i128::from(number(row));
            if seen < least || seen > most {
                return Err(self.out_of_bounds(row, least, most));
            }
            quiet &= least == most;
        }
        Ok(quiet)
    }

    fn out_of_bounds(&self, row: &Row<CounterRole>, least: i128, most: i128) -> Contradiction {
        // What was over before it and should have been counted, or began before its end.
        let below = i128::from(number(row)) < least;
        let relevant = |other: &&Row<CounterRole>| {
            is_change(other)
                && if (number(other) > 0) == below {
                    other.ends < row.begins
                } else {
                    other.begins <= row.ends
                }
        };
        let mut calls = vec![row.call];
        let changes = self.rows.iter().filter(relevant).take(LISTED);
        calls.extend(changes.map(|row| row.call));
        Contradiction {
            name: if below { "stale-read" } else { "future-read" },
            calls,
            conclusion: format!(
                "it returned {}, but by what was over when it began{} and what had begun when \
                 it ended it stood between {least} and {most}.",
                number(row),
                at(self.calls, row.begins)
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::RngExt;
    use rand_chacha::ChaCha8Rng;

    use super::super::search::oracle::{Made, int};
    use super::super::trial::{Trial, finding};
    use super::*;
    use crate::history::Value;
    use crate::model::Counter;

    fn answer(state: &Counter, call: &Made) -> Option<Value> {
        Some(if call.f == "read" {
            int(state.0)
        } else {
            call.argument.clone()
        })
    }

    fn any(rng: &mut ChaCha8Rng, call: &Made) -> Value {
        let near = call.result.as_int().unwrap_or(1);
        if call.f == "read" {
            int(near + rng.random_range(-1..2))
        } else {
            call.argument.clone()
        }
    }

    fn trial(ask: fn(&mut ChaCha8Rng, i64) -> (&'static str, Value)) -> Trial<Counter> {
        Trial {
            initial: Counter::default(),
            ask,
            answer,
            any,
        }
    }

    #[test]
    fn counters_of_one_step_agree_with_brute_force() {
        let rising = trial(|rng, _| match rng.random_range(0..9) {
            0..4 => ("read", Value::Nil),
            4 => ("increment", int(1)),
            5 => ("add", int(i64::from(rng.random_bool(0.8)))),
            _ => ("add", int(1)),
        });
        rising.agrees("rising counter", 2, Counters::new, 0.0);
        rising.agrees_at_large("rising counter", Counters::new);
        let falling = trial(|rng, _| match rng.random_range(0..8) {
            0..4 => ("read", Value::Nil),
            4 => ("add", int(-1)),
            _ => ("decrement", int(1)),
        });
        falling.agrees("falling counter", 4, Counters::new, 0.0);
        falling.agrees_at_large("falling counter", Counters::new);
    }

    #[test]
    fn counters_of_several_steps_agree_with_brute_force() {
        let mixed = trial(|rng, _| match rng.random_range(0..8) {
            0..4 => ("read", Value::Nil),
            4 => ("add", int(2)),
            5 => ("decrement", int(1)),
            _ => ("add", int(1)),
        });
        mixed.agrees("counter of several steps", 4, Counters::new, 0.6);
        let twos = trial(|rng, _| match rng.random_range(0..8) {
            0..4 => ("read", Value::Nil),
            _ => ("decrement", int(2)),
        });
        twos.agrees("counter by twos", 8, Counters::new, 0.0);
    }

    #[test]
    fn what_a_read_counts_wrongly_has_a_name() {
        let name = |text: &str| match finding(Counters::new, text) {
            Finding::Violated(contradiction) => contradiction.name,
            other => panic!("{text}: {other:?}"),
        };
        assert_eq!(name("0:a1@x 0:ok 1:r 1:ok=0"), "stale-read");
        assert_eq!(name("1:r 1:ok=1 0:a1@x 0:ok"), "future-read");
        assert_eq!(name("0:a1@x 0:ok 1:r 1:ok=2"), "phantom-read");
        assert_eq!(name("0:a1@x 1:r 1:ok=1 1:r 1:ok=0"), "stale-read");
        assert_eq!(
            name("0:a1@x 1:r 1:ok=1 2:a1@x 2:ok 3:a1@x 3:ok 1:r 1:ok=2"),
            "not-linearizable"
        );
        assert_eq!(name("0:a5@x 0:ok 1:a2@x 1:ok 1:r 1:ok=5"), "stale-read");
    }
}
