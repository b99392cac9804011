//! Increments whose values rise; the page is `checkers/pages/monotonic.md`.

use super::findings::{Findings, anomaly};
use super::ordered::{Entry, repeated, sweep};
use super::places::Places;
use crate::calls::{Calls, NO_VALUE};
use crate::history::Kind;
use crate::history::dictionary::{Interned, NIL};
use crate::{Budget, Checker, Report};

/// The values of committed increments differ, and rise along real time and along the
/// timestamps that the system gave them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Monotonic;

/// A value, and its timestamp if it has one.
type Row = (i64, Option<i64>);

/// A value that was committed, and the call that tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Stamped {
    object: u32,
    stamp: i64,
    value: i64,
    call: u32,
}

/// `{value, ts}`, or a number.
fn row(calls: &Calls, number: u32) -> Option<Row> {
    let parts = match calls.values.get(number) {
        Interned::Int(value) => return Some((value, None)),
        Interned::Map(parts) => parts,
        _ => return None,
    };
    let (mut value, mut stamp) = (None, None);
    for part in parts.chunks_exact(2) {
        match (calls.values.get(part[0]), calls.values.get(part[1])) {
            (Interned::Str("value"), Interned::Int(number)) => value = Some(number),
            (Interned::Str("ts"), Interned::Int(number)) => stamp = Some(number),
            _ => {}
        }
    }
    value.map(|value| (value, stamp))
}

/// Rows of an object, each with the read that was over first of those that returned it.
#[derive(Debug, Default)]
struct Rows {
    places: Places,
    list: Vec<(u32, u32, Row)>,
}

impl Rows {
    fn seen(&mut self, calls: &Calls, (object, item): (u32, u32), reader: u32, row: Row) {
        let place = self.places.place((object, item)) as usize;
        match self.list.get_mut(place) {
            None => self.list.push((object, reader, row)),
            Some((_, first, _)) => {
                if calls.ends[reader as usize] < calls.ends[*first as usize] {
                    *first = reader;
                }
            }
        }
    }
}

#[derive(Debug, Default)]
struct Committed {
    objects: Places,
    /// What was seen or acknowledged: increments in the order of their starts.
    evidence: Vec<Entry>,
    stamped: Vec<Stamped>,
    /// Acknowledged increments that do not tell their value.
    untold: usize,
}

impl Committed {
    fn of(calls: &Calls) -> Self {
        let (increment, read) = (calls.function("increment"), calls.function("read"));
        let increments = calls.f.iter().filter(|f| Some(**f) == increment).count();
        let mut committed = Self {
            evidence: Vec::with_capacity(increments),
            stamped: Vec::with_capacity(increments),
            ..Self::default()
        };
        let mut rows = Rows::default();
        let count = u32::try_from(calls.len()).expect("calls are numbered with 32 bits");
        let ok = (0..count).filter(|&call| calls.outcome[call as usize] == Kind::Ok);
        for call in ok {
            let at = call as usize;
            let f = Some(calls.f[at]);
            if f == increment {
                let object = committed.objects.place((0, calls.key[at]));
                let echo = calls.result(call) == calls.argument[at];
                let Some((value, stamp)) = row(calls, calls.result(call)).filter(|_| !echo) else {
                    committed.untold += 1;
                    continue;
                };
                committed.commit(object, call, (value, stamp));
            } else if f == read && calls.argument[at] == NIL && calls.second[at] == NO_VALUE {
                let result = calls.result(call);
                let object = committed.objects.place((0, calls.key[at]));
                match calls.values.get(result) {
                    Interned::List(items) => {
                        let read = items
                            .iter()
                            .filter_map(|&item| Some((item, row(calls, item)?)));
                        read.for_each(|(item, row)| rows.seen(calls, (object, item), call, row));
                    }
                    _ => {
                        if let Some(row) = row(calls, result) {
                            committed.commit(object, call, row);
                        }
                    }
                }
            }
        }
        for (object, call, row) in rows.list {
            committed.commit(object, call, row);
        }
        committed
    }

    fn commit(&mut self, object: u32, call: u32, (value, stamp): Row) {
        self.evidence.push(Entry {
            object,
            value,
            call,
        });
        self.stamped.extend(stamp.map(|stamp| Stamped {
            object,
            stamp,
            value,
            call,
        }));
    }

    /// The acknowledged increments.
    fn increments(&self, calls: &Calls) -> Vec<Entry> {
        let increment = calls.function("increment");
        let is_increment = |one: &&Entry| Some(calls.f[one.call as usize]) == increment;
        self.evidence.iter().filter(is_increment).copied().collect()
    }

    /// Values that two increments got.
    fn repeated(&self, calls: &Calls, findings: &mut Findings) {
        let increment = calls.function("increment");
        let is_increment = |one: &Entry| Some(calls.f[one.call as usize]) == increment;
        repeated(&self.evidence, is_increment, |before, later| {
            findings.add(|| {
                let conclusion = format!("Two increments made the value {}.", later.value);
                let key = calls.key[later.call as usize];
                let proof = [before.call, later.call];
                anomaly(calls, "duplicate-value", key, &proof, [conclusion])
            });
        });
    }

    /// Values that do not rise with the timestamps; how many had to.
    fn out_of_order(&mut self, calls: &Calls, findings: &mut Findings) -> usize {
        self.stamped.sort_unstable();
        let mut pairs = 0;
        for of_object in self
            .stamped
            .chunk_by(|one, other| one.object == other.object)
        {
            // The highest value of all lower timestamps.
            let mut highest: Option<Stamped> = None;
            for same in of_object.chunk_by(|one, other| one.stamp == other.stamp) {
                if let (Some(high), Some(low)) = (highest, same.first()) {
                    pairs += 1;
                    if low.value <= high.value {
                        findings.add(|| {
                            let conclusion = format!(
                                "Value {} has timestamp {} and value {} the later timestamp {}.",
                                high.value, high.stamp, low.value, low.stamp
                            );
                            let key = calls.key[low.call as usize];
                            let proof = [high.call, low.call];
                            anomaly(calls, "timestamp-disorder", key, &proof, [conclusion])
                        });
                    }
                }
                let last = same.last().copied();
                if highest.map(|high| high.value) < last.map(|last| last.value) {
                    highest = last;
                }
            }
        }
        pairs
    }
}

impl Checker for Monotonic {
    fn name(&self) -> &'static str {
        "monotonic"
    }

    fn judge(&self, calls: &Calls, _: &Budget) -> Report {
        let Some(increment) = calls.function("increment") else {
            return Report::undecided(self.name(), "needs increment, which no client asked for");
        };
        let mut committed = Committed::of(calls);
        let mut findings = Findings::default();
        committed.repeated(calls, &mut findings);
        let by_stamp = committed.out_of_order(calls, &mut findings);
        committed.stamped = Vec::new();
        let increments = committed.increments(calls);
        let (told, untold) = (increments.len(), committed.untold);
        let mut pairs = 0_usize;
        let by = |one: &Entry| calls.ends[one.call as usize].into();
        let begins = |one: &Entry| calls.begins[one.call as usize].into();
        sweep(
            &committed.evidence,
            by,
            increments,
            begins,
            |sooner, later| {
                pairs += 1;
                // Of two increments with one value it has been said already.
                let repeats = calls.f[sooner.call as usize] == increment;
                if later.value > sooner.value || later.value == sooner.value && repeats {
                    return;
                }
                findings.add(|| {
                    let conclusion = format!(
                        "It made the value {}, although the value had been {} before it began.",
                        later.value, sooner.value
                    );
                    let key = calls.key[later.call as usize];
                    let proof = [sooner.call, later.call];
                    anomaly(calls, "value-went-back", key, &proof, [conclusion])
                });
            },
        );
        let lacking = if untold > 0 {
            Some(format!(
                "needs the value in the answer to every acknowledged increment; {untold} had none"
            ))
        } else if pairs == 0 {
            Some("needs an increment that began after another was acknowledged or seen".to_owned())
        } else {
            None
        };
        let mut report = findings.report(self.name(), lacking);
        report.figure("increments", told);
        report.figure("increments_after_a_value", pairs);
        report.figure("timestamps_after_another", by_stamp);
        report
    }
}
