//! Keys that are written once, and reads of several: what each read saw and what it missed.
//!
//! In transactions keys are written by `["w" key value]` and read by `["r" key value]`. In
//! lists an element of an object is a key: it is written by `write`, `add` or `append`, and a
//! `read` or `read-set` that returns a list looks at all elements that there are.

use std::collections::HashSet;

use super::findings::{Findings, anomaly, word};
use super::places::{Pair, Places};
use super::steps::{Step, answered, asked};
use crate::Anomaly;
use crate::calls::{Calls, NEVER, NO_VALUE, Rank};
use crate::hash::Table;
use crate::history::Kind;
use crate::history::dictionary::{Interned, NIL};

/// A key of an object.
#[derive(Clone, Copy, Debug)]
pub(super) struct Key {
    /// Who wrote it, or may have.
    pub(super) writer: Option<u32>,
    /// What was written, or seen where nobody wrote.
    value: u32,
    /// When it had certainly been written, and the call that tells: its writer, or a read.
    pub(super) certain: Rank,
    pub(super) told_by: u32,
    /// Written more than once, or taken away again: it is left out.
    pub(super) left_out: bool,
}

/// A read, and where in [`Looked`] it lies what it looked at.
#[derive(Clone, Copy, Debug)]
pub(super) struct Read {
    pub(super) call: u32,
    from: u32,
    to: u32,
    /// Whether it was asked for reads alone.
    pub(super) only_reads: bool,
}

#[derive(Debug, Default)]
pub(super) struct WriteOnce {
    pub(super) places: Places,
    pub(super) keys: Vec<Key>,
    pub(super) reads: Vec<Read>,
    /// Of all reads, one after the other: twice a key's place, and one more if it was seen.
    looked: Vec<u32>,
    pub(super) unreadable: usize,
    /// Whether anybody was asked to write: of a history without writes only reads are judged.
    has_writes: bool,
}

impl WriteOnce {
    /// The keys of transactions.
    pub(super) fn of_steps(calls: &Calls, findings: &mut Findings) -> Self {
        let mut once = Self::default();
        let txn = calls.function("txn");
        let kinds = ["txn", "read", "write"].map(|name| calls.function(name));
        let mut steps = Vec::new();
        let mut failed: Table<(Pair, u32), u32> = Table::default();
        let mut readers = Vec::new();
        let count = u32::try_from(calls.len()).expect("calls are numbered with 32 bits");
        for call in 0..count {
            let at = call as usize;
            let f = Some(calls.f[at]);
            if !kinds.contains(&f) {
                continue;
            }
            if !asked(calls, call, &mut steps) {
                once.unreadable += usize::from(f == txn);
                continue;
            }
            let mut reads = false;
            for step in &steps {
                let pair = (calls.key[at], step.key);
                once.has_writes |= step.writes;
                if !step.writes {
                    reads = true;
                } else if calls.outcome[at] == Kind::Fail {
                    failed.insert((pair, step.value), call);
                } else {
                    once.written(calls, call, pair, step.value);
                }
            }
            if reads && calls.outcome[at] == Kind::Ok {
                readers.push(call);
            }
        }
        for reader in readers {
            if answered(calls, reader, &mut steps) {
                once.read(calls, reader, &steps, &failed, findings);
            } else {
                once.unreadable += 1;
            }
        }
        once
    }

    fn written(&mut self, calls: &Calls, call: u32, pair: Pair, value: u32) {
        let place = self.places.place(pair) as usize;
        if let Some(key) = self.keys.get_mut(place) {
            key.left_out = true;
            return;
        }
        self.keys.push(Key {
            writer: Some(call),
            value,
            certain: calls.ends[call as usize],
            told_by: call,
            left_out: value == NIL,
        });
    }

    /// The place of a key that was read, whether anybody wrote it or not.
    fn key(&mut self, pair: Pair) -> u32 {
        let place = self.places.place(pair);
        if place as usize == self.keys.len() {
            self.keys.push(Key {
                writer: None,
                value: NIL,
                certain: NEVER,
                told_by: 0,
                left_out: false,
            });
        }
        place
    }

    /// Takes note that a read saw a key, unless nobody can have written what it saw.
    fn saw(&mut self, calls: &Calls, reader: u32, place: u32, value: u32) -> bool {
        let ended = calls.ends[reader as usize];
        let key = &mut self.keys[place as usize];
        match key.writer {
            Some(writer) => {
                if key.value != value || calls.begins[writer as usize] > ended {
                    return false;
                }
            }
            None if self.has_writes => return false,
            None if key.value == NIL => key.value = value,
            None => key.left_out |= key.value != value,
        }
        if ended < key.certain {
            key.certain = ended;
            key.told_by = reader;
        }
        true
    }

    fn read(
        &mut self,
        calls: &Calls,
        reader: u32,
        steps: &[Step],
        failed: &Table<(Pair, u32), u32>,
        findings: &mut Findings,
    ) {
        let from = self.looked.len();
        let object = calls.key[reader as usize];
        for (at, step) in steps.iter().enumerate() {
            let own = |other: &Step| other.writes && other.key == step.key;
            if step.writes || steps[..at].iter().any(own) {
                continue;
            }
            let pair = (object, step.key);
            let place = self.key(pair);
            if step.value == NIL || self.keys[place as usize].left_out {
                self.looked.push(place * 2);
            } else if self.saw(calls, reader, place, step.value) {
                self.looked.push(place * 2 + 1);
            } else {
                let failed = failed.get(&(pair, step.value)).copied();
                findings.add(|| from_nowhere(calls, reader, *step, failed));
            }
        }
        self.finish(reader, from, !steps.iter().any(|step| step.writes));
    }

    /// Of a key that was looked at twice the first look counts.
    fn finish(&mut self, call: u32, from: usize, only_reads: bool) {
        let looked = &mut self.looked[from..];
        looked.sort_by_key(|look| look / 2);
        let mut kept = from;
        for at in from..self.looked.len() {
            let look = self.looked[at];
            if kept == from || self.looked[kept - 1] / 2 != look / 2 {
                self.looked[kept] = look;
                kept += 1;
            }
        }
        self.looked.truncate(kept);
        let narrow = |place| u32::try_from(place).expect("as many as values");
        self.reads.push(Read {
            call,
            from: narrow(from),
            to: narrow(kept),
            only_reads,
        });
    }

    /// The elements of lists. What nobody wrote is passed over: there may be other ways to add.
    pub(super) fn of_lists(calls: &Calls, findings: &mut Findings) -> Self {
        let mut once = Self::default();
        let adds = ["write", "add", "append"].map(|name| calls.function(name));
        let takes = ["remove", "delete"].map(|name| calls.function(name));
        let looks = ["read", "read-set"].map(|name| calls.function(name));
        let count = u32::try_from(calls.len()).expect("calls are numbered with 32 bits");
        let is_read = |call: &u32| {
            let at = *call as usize;
            let looks = looks.contains(&Some(calls.f[at])) && calls.outcome[at] == Kind::Ok;
            looks && list(calls, *call).is_some()
        };
        let readers: Vec<u32> = (0..count).filter(is_read).collect();
        // What is never read as a list, such as a register, is none.
        let objects: HashSet<u32> = readers.iter().map(|&r| calls.key[r as usize]).collect();
        let mut removed: Vec<Pair> = Vec::new();
        let mut failed: Table<Pair, u32> = Table::default();
        for call in 0..count {
            let at = call as usize;
            let f = Some(calls.f[at]);
            let (adds, takes) = (adds.contains(&f), takes.contains(&f));
            let pair = (calls.key[at], calls.argument[at]);
            if !adds && !takes || !objects.contains(&pair.0) || !is_element(calls, call) {
                continue;
            }
            match (calls.outcome[at], adds) {
                (Kind::Fail, true) => drop(failed.insert(pair, call)),
                (Kind::Fail, false) => {}
                (_, true) => once.written(calls, call, pair, pair.1),
                (_, false) => removed.push(pair),
            }
        }
        for pair in removed {
            if let Some(place) = once.places.find(pair) {
                once.keys[place as usize].left_out = true;
            }
        }
        once.has_writes = true;
        for reader in readers {
            let from = once.looked.len();
            let object = calls.key[reader as usize];
            for &element in list(calls, reader).unwrap_or_default() {
                let Some(place) = once.places.find((object, element)) else {
                    if let Some(writer) = failed.get(&(object, element)) {
                        findings.add(|| impossible(calls, reader, element, *writer));
                    }
                    continue;
                };
                let key = once.keys[place as usize];
                if key.left_out {
                } else if once.saw(calls, reader, place, element) {
                    once.looked.push(place * 2 + 1);
                } else if let Some(writer) = key.writer {
                    findings.add(|| impossible(calls, reader, element, writer));
                }
            }
            once.finish(reader, from, true);
        }
        once
    }

    /// What a read looked at: places of keys, and whether it saw them; without those that are
    /// left out.
    pub(super) fn looked(&self, read: &Read) -> impl Iterator<Item = (u32, bool)> + Clone {
        let looked = &self.looked[read.from as usize..read.to as usize];
        let looked = looked.iter().map(|look| (look / 2, look % 2 == 1));
        looked.filter(|(place, _)| !self.keys[*place as usize].left_out)
    }

    /// How many keys are left out.
    pub(super) fn left_out(&self) -> usize {
        self.keys.iter().filter(|key| key.left_out).count()
    }

    /// What keeps a claim about transactions open, whatever was found.
    pub(super) fn lacking(&self) -> Option<String> {
        if self.unreadable > 0 {
            return Some(format!(
                "needs transactions of [\"r\" key value] and [\"w\" key value]; {} were something \
                 else",
                self.unreadable
            ));
        }
        let left_out = self.left_out();
        (left_out > 0).then(|| {
            format!("needs keys that are written once; {left_out} were not, and are left out")
        })
    }

    /// A key in words.
    pub(super) fn word(&self, calls: &Calls, place: u32) -> String {
        word(calls, self.places.list()[place as usize].1)
    }
}

/// The list that a read returned.
fn list(calls: &Calls, call: u32) -> Option<&[u32]> {
    match calls.values.get(calls.result(call)) {
        Interned::List(items) if asked_nothing(calls, call) => Some(items),
        _ => None,
    }
}

fn asked_nothing(calls: &Calls, call: u32) -> bool {
    calls.argument[call as usize] == NIL && calls.second[call as usize] == NO_VALUE
}

fn is_element(calls: &Calls, call: u32) -> bool {
    let number = calls.argument[call as usize];
    let scalar = matches!(
        calls.values.get(number),
        Interned::Int(_) | Interned::Str(_)
    );
    scalar && calls.second[call as usize] == NO_VALUE
}

/// An element that a read returned although its only writer failed, or had not begun.
fn impossible(calls: &Calls, reader: u32, element: u32, writer: u32) -> Anomaly {
    let element = word(calls, element);
    let (name, conclusion) = if calls.outcome[writer as usize] == Kind::Fail {
        (
            "dirty-read",
            format!("It returned {element}, which only a failed write had added."),
        )
    } else {
        (
            "phantom-read",
            format!("It returned {element}, which nobody had begun to write by its end."),
        )
    };
    let object = calls.key[reader as usize];
    anomaly(calls, name, object, &[reader, writer], [conclusion])
}

fn from_nowhere(calls: &Calls, reader: u32, step: Step, failed: Option<u32>) -> Anomaly {
    let (key, value) = (word(calls, step.key), word(calls, step.value));
    let object = calls.key[reader as usize];
    match failed {
        Some(writer) => {
            let conclusion =
                format!("It read {value} of key {key}, which only a failed write had written.");
            anomaly(calls, "dirty-read", object, &[writer, reader], [conclusion])
        }
        None => {
            let conclusion = format!(
                "It read {value} of key {key}, which nobody had begun to write by its end."
            );
            anomaly(calls, "phantom-read", object, &[reader], [conclusion])
        }
    }
}
