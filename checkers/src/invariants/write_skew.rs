//! Write skew between two transactions; the page is `checkers/pages/write-skew.md`.
//!
//! **Inserts**: of a key's inserts, each of which is to happen only if there is no other, two
//! that happened are a contradiction.
//!
//! **Two keys**: one transaction read `x` and `y` and replaced what it read of `x`; another read
//! the same of both and replaced `y`. Neither can have come first: the other would have read
//! what it wrote, since values differ and none returns. Such pairs meet when the transactions are
//! sorted by keys and by what they read.

use super::findings::{Findings, anomaly, before, word};
use super::places::{Pair, Places};
use super::steps::{Step, answered, asked};
use crate::calls::{BEFORE, Calls, NO_VALUE, Rank};
use crate::hash::Table;
use crate::history::Kind;
use crate::history::dictionary::{Interned, NIL};
use crate::{Anomaly, Budget, Checker, Report};

/// No two transactions decided, each on what the other then changed.
#[derive(Clone, Copy, Debug, Default)]
pub struct WriteSkew;

impl Checker for WriteSkew {
    fn name(&self) -> &'static str {
        "write-skew"
    }

    fn judge(&self, calls: &Calls, _: &Budget) -> Report {
        let mut findings = Findings::default();
        let inserts = Inserts::judge(calls, &mut findings);
        let pairs = Pairs::judge(calls, &mut findings);
        let unreadable = inserts.unreadable + pairs.unreadable;
        let lacking = if inserts.inserts + pairs.decided == 0 {
            Some(
                "needs inserts of [id nil] or [nil id], or transactions that read two keys and \
                 write one of them"
                    .to_owned(),
            )
        } else if unreadable > 0 {
            Some(format!(
                "needs operations as its page has them; {unreadable} were something else"
            ))
        } else if pairs.left_out > 0 {
            let left_out = pairs.left_out;
            Some(format!(
                "needs unique values in every key; {left_out} keys had one twice, or nil, and are \
                 left out"
            ))
        } else if inserts.contested + pairs.contested == 0 {
            Some(
                "needs two transactions of known outcome that were after the same two keys, or \
                 two inserts of one key of which one happened"
                    .to_owned(),
            )
        } else {
            None
        };
        let mut report = findings.report(self.name(), lacking);
        report.figure("inserts", inserts.inserts);
        report.figure("keys_with_two_inserts", inserts.contested);
        report.figure("deciding_transactions", pairs.decided);
        report.figure("contested_decisions", pairs.contested);
        report.figure("keys_left_out", pairs.left_out);
        report
    }
}

/// What one key's inserts came to.
#[derive(Clone, Debug, Default)]
struct OfKey {
    /// Those that happened, each with the call that tells.
    happened: Vec<(u32, u32)>,
    known: usize,
}

#[derive(Debug, Default)]
struct Inserts {
    inserts: usize,
    contested: usize,
    unreadable: usize,
}

/// The key and the id of an insert of `[id nil]` or `[nil id]`, or of `[key [id nil]]`.
fn inserted(calls: &Calls, call: u32) -> Option<Pair> {
    let at = call as usize;
    let (key, pair) = match (calls.values.get(calls.argument[at]), calls.second[at]) {
        (_, NO_VALUE) => return None,
        (_, second) => match calls.values.get(second) {
            Interned::List(&[one, other]) => (calls.argument[at], (one, other)),
            _ => (calls.key[at], (calls.argument[at], second)),
        },
    };
    match pair {
        (NIL, id) | (id, NIL) if id != NIL => Some((key, id)),
        _ => None,
    }
}

impl Inserts {
    fn judge(calls: &Calls, findings: &mut Findings) -> Self {
        let mut out = Self::default();
        let (Some(insert), read) = (calls.function("insert"), calls.function("read")) else {
            return out;
        };
        let mut keys = Places::default();
        let mut of_keys: Vec<OfKey> = Vec::new();
        let mut ids: Table<Pair, u32> = Table::default();
        let mut readers = Vec::new();
        let count = u32::try_from(calls.len()).expect("calls are numbered with 32 bits");
        for call in 0..count {
            let at = call as usize;
            let outcome = calls.outcome[at];
            if Some(calls.f[at]) == read && outcome == Kind::Ok {
                readers.push(call);
            }
            if calls.f[at] != insert {
                continue;
            }
            let Some((key, id)) = inserted(calls, call) else {
                out.unreadable += 1;
                continue;
            };
            out.inserts += 1;
            let place = keys.place((0, key)) as usize;
            if place == of_keys.len() {
                of_keys.push(OfKey::default());
            }
            let of_key = &mut of_keys[place];
            of_key.known += usize::from(matches!(outcome, Kind::Ok | Kind::Fail));
            match outcome {
                Kind::Ok => of_key.happened.push((call, call)),
                Kind::Info | Kind::Invoke => {
                    ids.insert((key, id), call);
                }
                Kind::Fail => {}
            }
        }
        for reader in readers {
            let Interned::List(items) = calls.values.get(calls.result(reader)) else {
                continue;
            };
            for &id in items {
                let key = calls.key[reader as usize];
                // It was seen, so it happened.
                if let Some(call) = ids.remove(&(key, id))
                    && let Some(place) = keys.find((0, key))
                {
                    of_keys[place as usize].happened.push((call, reader));
                }
            }
        }
        for (of_key, &(_, key)) in of_keys.iter().zip(keys.list()) {
            let tried = of_key.known > 1 || of_key.happened.len() > 1;
            out.contested += usize::from(tried && !of_key.happened.is_empty());
            let [first, second, ..] = of_key.happened[..] else {
                continue;
            };
            findings.add(|| {
                let proof = [first.0, first.1, second.0, second.1];
                let conclusion = format!(
                    "Both inserts for {} happened, although each was to happen only without the \
                     other.",
                    word(calls, key)
                );
                let missed = |one: u32, other: u32| {
                    let names = [one, other].map(|call| calls.process(call));
                    let why = format!(
                        "{} saw no insert, so it was before {}'s",
                        names[0], names[1]
                    );
                    before(calls, one, "rw", other, why)
                };
                Anomaly {
                    cycle: vec![missed(first.0, second.0), missed(second.0, first.0)],
                    ..anomaly(calls, "write-skew", key, &proof, [conclusion])
                }
            });
        }
        out
    }
}

/// What transactions decided by what they read.
#[derive(Debug, Default)]
struct Pairs {
    decided: usize,
    contested: usize,
    left_out: usize,
    unreadable: usize,
}

/// The first look of a transaction at each key, before it wrote the key itself.
fn looks(steps: &[Step], out: &mut Vec<(u32, u32)>) {
    out.clear();
    for (at, step) in steps.iter().enumerate() {
        if !step.writes && steps[..at].iter().all(|other| other.key != step.key) {
            out.push((step.key, step.value));
        }
    }
}

fn writes(steps: &[Step], key: u32) -> bool {
    steps.iter().any(|step| step.writes && step.key == key)
}

/// A transaction that read two keys and replaced one of them, if it happened.
#[derive(Clone, Copy, Debug)]
struct Decision {
    /// The keys by place, the lower first, and what was read of them.
    keys: [u32; 2],
    read: [u32; 2],
    call: u32,
    /// Whether it is the second that was replaced.
    side: bool,
    is_ok: bool,
}

impl Pairs {
    fn judge(calls: &Calls, findings: &mut Findings) -> Self {
        let mut out = Self::default();
        let Some(txn) = calls.function("txn") else {
            return out;
        };
        let mut keys = Places::default();
        let mut steps = Vec::new();
        let count = u32::try_from(calls.len()).expect("calls are numbered with 32 bits");
        let all = (0..count).filter(|&call| calls.f[call as usize] == txn);
        let mut written: Vec<Pair> = Vec::new();
        for call in all.clone() {
            let at = call as usize;
            if !asked(calls, call, &mut steps) {
                out.unreadable += 1;
                continue;
            }
            for step in steps.iter().filter(|step| step.writes) {
                let key = keys.place((calls.key[at], step.key));
                if calls.outcome[at] != Kind::Fail {
                    written.push((key, step.value));
                }
            }
        }
        let left_out = left_out(&keys, written);
        out.left_out = left_out.iter().filter(|out| **out).count();
        let mut decisions: Vec<Decision> = Vec::new();
        let (mut result, mut seen) = (Vec::new(), Vec::new());
        for call in all {
            let at = call as usize;
            let outcome = calls.outcome[at];
            if !matches!(outcome, Kind::Ok | Kind::Fail) || !asked(calls, call, &mut steps) {
                continue;
            }
            let is_ok = outcome == Kind::Ok;
            if is_ok && !answered(calls, call, &mut result) {
                out.unreadable += 1;
                continue;
            }
            looks(if is_ok { &result } else { &steps }, &mut seen);
            let place = |key: u32| {
                let place = keys.find((calls.key[at], key));
                place.filter(|place| !left_out[*place as usize])
            };
            let before = decisions.len();
            for &(x, a) in seen.iter().filter(|(key, _)| writes(&steps, *key)) {
                for &(y, b) in seen.iter().filter(|(key, _)| !writes(&steps, *key)) {
                    let (Some(x), Some(y)) = (place(x), place(y)) else {
                        continue;
                    };
                    let side = x > y;
                    decisions.push(Decision {
                        keys: if side { [y, x] } else { [x, y] },
                        read: if side { [b, a] } else { [a, b] },
                        call,
                        side,
                        is_ok,
                    });
                }
            }
            out.decided += usize::from(decisions.len() > before && is_ok);
        }
        decisions.sort_unstable_by_key(|one| (one.keys, one.call));
        let mut skewed = Vec::new();
        for of_keys in decisions.chunk_by_mut(|one, other| one.keys == other.keys) {
            out.contested += contested(calls, of_keys);
            of_keys.sort_unstable_by_key(|one| (one.read, one.call));
            for same in of_keys.chunk_by(|one, other| one.read == other.read) {
                skew(same, &mut skewed);
            }
        }
        skewed.sort_unstable();
        for (call, other, places) in skewed {
            findings.add(|| told(calls, [other, call], &keys, places));
        }
        out
    }
}

/// By the place of a key: whether a value was written to it twice, or nil.
fn left_out(keys: &Places, mut written: Vec<Pair>) -> Vec<bool> {
    let mut left_out = vec![false; keys.list().len()];
    written.sort_unstable();
    for &(key, value) in &written {
        left_out[key as usize] |= value == NIL;
    }
    for pair in written.windows(2).filter(|pair| pair[0] == pair[1]) {
        left_out[pair[0].0 as usize] = true;
    }
    left_out
}

/// How many were at work while another was after the same two keys, if one did it; of two keys
/// all, in the order of their starts.
fn contested(calls: &Calls, of_keys: &[Decision]) -> usize {
    // By side: until when somebody was at work, whoever it was, and of those who did it.
    let mut busy: [[Rank; 2]; 2] = [[BEFORE; 2]; 2];
    let mut count = 0;
    for one in of_keys {
        let at = one.call as usize;
        let (mine, others) = (usize::from(one.side), usize::from(!one.side));
        count += usize::from(busy[others][usize::from(!one.is_ok)] >= calls.begins[at]);
        busy[mine][0] = busy[mine][0].max(calls.ends[at]);
        if one.is_ok {
            busy[mine][1] = busy[mine][1].max(calls.ends[at]);
        }
    }
    count
}

/// Adds who, having read the same as the first that replaced the one key, replaced the other:
/// each with that first one, and the places of the keys, its own before.
fn skew(same: &[Decision], skewed: &mut Vec<(u32, u32, [u32; 2])>) {
    let mut firsts: [Option<u32>; 2] = [None; 2];
    for one in same.iter().filter(|one| one.is_ok) {
        firsts[usize::from(one.side)].get_or_insert(one.call);
        if let Some(other) = firsts[usize::from(!one.side)] {
            let [low, high] = one.keys;
            let places = if one.side { [high, low] } else { [low, high] };
            skewed.push((one.call, other, places));
        }
    }
}

fn told(calls: &Calls, [one, other]: [u32; 2], keys: &Places, places: [u32; 2]) -> Anomaly {
    let [x, y] = places.map(|place| word(calls, keys.list()[place as usize].1));
    let conclusion = format!(
        "{} and {} read the same of keys {x} and {y}; the one replaced {y} and the other {x}. \
         Whichever came first, the other should have read what it wrote.",
        calls.process(one),
        calls.process(other)
    );
    let object = calls.key[other as usize];
    let read_before = |reader, writer, key: &str| {
        let names = [reader, writer].map(|call| calls.process(call));
        let why = format!("{} read of {key} what {} replaced", names[0], names[1]);
        before(calls, reader, "rw", writer, why)
    };
    Anomaly {
        cycle: vec![read_before(one, other, &x), read_before(other, one, &y)],
        ..anomaly(calls, "write-skew", object, &[one, other], [conclusion])
    }
}
