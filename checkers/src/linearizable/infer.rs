//! Which model an object is judged by: the one that was asked for, or the one whose
//! operations it has, where they leave no doubt.

use std::collections::HashMap;
use std::ops::Range;

use super::cores::{on_cores, shares, workers};
use super::grouping::narrow;
use crate::calls::Calls;
use crate::history::Kind;
use crate::history::dictionary::{Interned, NIL};
use crate::model::Known;

/// The functions that decide, one bit each.
const FUNCTIONS: [&str; 21] = [
    "read",
    "write",
    "cas",
    "read-set",
    "add",
    "remove",
    "contains",
    "increment",
    "decrement",
    "enqueue",
    "dequeue",
    "push",
    "pop",
    "acquire",
    "release",
    "get",
    "put",
    "append",
    "delete",
    "txn",
    "generate",
];

/// Some read returned a list.
const READS_LIST: u32 = 1 << 29;
/// Some read returned a whole number.
const READS_NUMBER: u32 = 1 << 30;
/// Either.
const READS: u32 = READS_LIST | READS_NUMBER;
/// Something that did not fail is not among the functions.
const FOREIGN: u32 = 1 << 31;

/// The operator's own reads after recovery, and what nodes tell of themselves; they are no
/// client's.
const IGNORED: [&str; 6] = [
    "final-read",
    "final-read-set",
    "final-read-counter",
    "node-log",
    "resolve",
    "status",
];

/// Tells the calls that are no client's.
#[derive(Clone, Copy)]
pub(super) struct Ignored([Option<u16>; IGNORED.len()]);

impl Ignored {
    pub(super) fn of(calls: &Calls) -> Self {
        Self(IGNORED.map(|name| calls.function(name)))
    }

    #[inline]
    pub(super) fn is(self, calls: &Calls, call: u32) -> bool {
        self.has(calls.f[call as usize])
    }

    /// Whether a function is one of these.
    #[inline]
    pub(super) fn has(self, f: u16) -> bool {
        self.0.contains(&Some(f))
    }
}

/// What each object of a history is.
pub(super) struct Kinds {
    /// The models that occur, in the order of their first objects.
    pub(super) list: Vec<Known>,
    /// By number of a key: one more than the place of its model; 0 for none.
    pub(super) of: Vec<u8>,
    /// The objects in the order of their first calls, each with how many calls it has.
    pub(super) objects: Vec<(u32, u32)>,
    /// How many calls of each function ended how: by its place, then by [`Kind`].
    pub(super) ended: Vec<[usize; 4]>,
    /// Keys that no model can be told for, and why, in the order of their first calls.
    pub(super) doubtful: Vec<(u32, String)>,
    /// Calls of functions that are not its own, on an object that has a model.
    pub(super) foreign: HashMap<u32, String>,
}

/// What was seen of one object.
#[derive(Clone, Copy, Default)]
struct Seen {
    mask: u32,
    calls: u32,
}

/// What was seen of all objects among some of the calls.
struct Survey {
    /// By number of a key.
    seen: Vec<Seen>,
    /// The objects in the order of their first calls.
    order: Vec<u32>,
    ended: Vec<[usize; 4]>,
}

impl Survey {
    /// Looks at some calls. Whether reads return numbers or lists matters only where something
    /// is added.
    fn of(calls: &Calls, some: Range<usize>, bits: &[u32], adds: bool) -> Self {
        let mut survey = Self {
            seen: vec![Seen::default(); calls.values.len()],
            order: Vec::new(),
            ended: vec![[0; 4]; bits.len()],
        };
        let first = narrow(some.start);
        let (f, outcome) = (&calls.f[some.clone()], &calls.outcome[some.clone()]);
        let ends = f.iter().zip(outcome);
        for (call, ((&f, &outcome), &key)) in (first..).zip(ends.zip(&calls.key[some])) {
            let f = usize::from(f);
            survey.ended[f][outcome as usize] += 1;
            let bit = bits[f];
            if bit == 0 || bit == FOREIGN && outcome == Kind::Fail {
                continue;
            }
            let seen = &mut survey.seen[key as usize];
            if seen.calls == 0 {
                survey.order.push(key);
            }
            seen.calls += 1;
            seen.mask |= bit;
            if adds && bit == 1 && outcome == Kind::Ok && seen.mask & READS == 0 {
                seen.mask |= match calls.values.get(calls.result(call)) {
                    Interned::List(_) => READS_LIST,
                    Interned::Int(_) => READS_NUMBER,
                    _ => 0,
                };
            }
        }
        survey
    }

    /// Adds what was seen of later calls.
    fn join(mut self, later: &Self) -> Self {
        for &key in &later.order {
            let (seen, later) = (&mut self.seen[key as usize], later.seen[key as usize]);
            if seen.calls == 0 {
                self.order.push(key);
            }
            seen.calls += later.calls;
            // The first read that returned either decides.
            let known = if seen.mask & READS == 0 { 0 } else { READS };
            seen.mask |= later.mask & !known;
        }
        for (ended, later) in self.ended.iter_mut().zip(&later.ended) {
            for (count, later) in ended.iter_mut().zip(later) {
                *count += later;
            }
        }
        self
    }
}

impl Kinds {
    pub(super) fn of(calls: &Calls, asked: Option<Known>) -> Self {
        let names = calls.fs.list().iter();
        let bits: Vec<u32> = names.map(|name| bit(name).unwrap_or(0)).collect();
        let adds = asked.is_none() && calls.function("add").is_some();
        let surveys = on_cores(shares(calls.len(), workers(calls.len())), |some| {
            Survey::of(calls, some, &bits, adds)
        });
        let survey = surveys.into_iter().reduce(|all, later| all.join(&later));
        let survey = survey.unwrap_or_else(|| Survey::of(calls, 0..0, &bits, adds));
        let mut kinds = Self {
            list: Vec::new(),
            of: vec![0; calls.values.len()],
            objects: Vec::with_capacity(survey.order.len()),
            ended: survey.ended,
            doubtful: Vec::new(),
            foreign: HashMap::new(),
        };
        for &key in &survey.order {
            let Seen { mask, calls } = survey.seen[key as usize];
            kinds.objects.push((key, calls));
            let kind = match asked {
                Some(known) => Ok(Some(known)),
                None => infer(mask),
            };
            match kind {
                Ok(None) => {}
                Err(doubt) => kinds.doubtful.push((key, doubt)),
                Ok(Some(known)) => {
                    let place = kinds.list.iter().position(|other| *other == known);
                    let place = place.unwrap_or_else(|| {
                        kinds.list.push(known);
                        kinds.list.len() - 1
                    });
                    kinds.of[key as usize] = u8::try_from(place + 1).expect("few models");
                    let own = known.functions().iter().filter_map(|name| bit(name));
                    let own = own.fold(READS, |own, bit| own | bit);
                    if mask & !own != 0 {
                        kinds.foreign.insert(key, String::new());
                    }
                }
            }
        }
        kinds.name_foreign(calls, asked);
        kinds
    }

    /// Says of the objects with foreign calls which is the first.
    fn name_foreign(&mut self, calls: &Calls, asked: Option<Known>) {
        if self.foreign.is_empty() {
            return;
        }
        for at in 0..calls.len() {
            let key = calls.key[at];
            let Some(told) = self.foreign.get_mut(&key) else {
                continue;
            };
            let place = usize::from(self.of[key as usize]);
            let known = asked.unwrap_or_else(|| self.list[place - 1]);
            let name = &*calls.fs.list()[usize::from(calls.f[at])];
            let own = known.functions().contains(&name) || IGNORED.contains(&name);
            if told.is_empty() && !own && calls.outcome[at] != Kind::Fail {
                let call = u32::try_from(at).expect("calls are numbered with 32 bits");
                *told = format!(
                    "the call at index {} is {name}, which a {} does not have",
                    calls.index(call),
                    known.name()
                );
            }
        }
        self.foreign.retain(|_, told| !told.is_empty());
    }

    /// Whether an object is judged by the model at that place.
    #[inline]
    pub(super) fn is(&self, key: u32, place: usize) -> bool {
        usize::from(self.of[key as usize]) == place + 1
    }
}

/// Whether a function is one of some model.
pub(super) fn is_known(name: &str) -> bool {
    FUNCTIONS.contains(&name)
}

fn bit(name: &str) -> Option<u32> {
    if IGNORED.contains(&name) {
        return None;
    }
    let place = FUNCTIONS.iter().position(|other| *other == name);
    Some(place.map_or(FOREIGN, |place| 1 << place))
}

/// The model of an object with these functions; none if all of them are foreign.
fn infer(mask: u32) -> Result<Option<Known>, String> {
    let mask = mask & !FOREIGN;
    let only = |names: &[&str]| {
        let own = names.iter().filter_map(|name| bit(name));
        let own = own.fold(READS, |own, bit| own | bit);
        mask & !own == 0
    };
    let any = |names: &[&str]| names.iter().any(|name| mask & bit(name).unwrap_or(0) != 0);
    let doubt = |what: &str, models: &str| {
        Err(format!(
            "{what} may be those of {models}; say which with --model"
        ))
    };
    if mask == 0 {
        return Ok(None);
    }
    if only(&["txn"]) {
        return Ok(Some(Known::MultiRegister));
    }
    if only(&["generate"]) {
        return Ok(Some(Known::UniqueIds));
    }
    if only(&["push", "pop"]) {
        return Ok(Some(Known::Stack));
    }
    if only(&["enqueue", "dequeue"]) {
        let models = "a fifo-queue, an unordered-queue or a priority-queue";
        return doubt("enqueue and dequeue", models);
    }
    if only(&["acquire", "release"]) {
        let models = "a mutex, a reentrant-mutex or a semaphore (semaphore:3)";
        return doubt("acquire and release", models);
    }
    if only(&["get", "put", "append", "delete"]) {
        return Ok(Some(Known::KeyValue));
    }
    if only(&["append", "read"]) && any(&["append"]) {
        return Ok(Some(Known::AppendList));
    }
    if only(&["add", "read-set"])
        || only(&["add", "read"]) && any(&["add"]) && mask & READS_LIST != 0
    {
        return Ok(Some(Known::GrowOnlySet));
    }
    if only(&["add", "remove", "contains", "read-set"]) {
        return Ok(Some(Known::Set));
    }
    if only(&["add", "increment", "decrement", "read"])
        && (any(&["increment", "decrement"]) || any(&["add"]) && mask & READS_NUMBER != 0)
    {
        return Ok(Some(Known::Counter));
    }
    if only(&["add", "read"]) && any(&["add"]) {
        let models = "a grow-only-set or a counter, as no read returned anything";
        return doubt("add and read", models);
    }
    // What is left over is foreign to a register.
    if any(&["read", "write", "cas"]) {
        return Ok(Some(Known::Register));
    }
    let names: Vec<&str> = (FUNCTIONS.iter().enumerate())
        .filter(|(place, _)| mask & (1 << place) != 0)
        .map(|(_, name)| *name)
        .collect();
    Err(format!(
        "{} are not all of one model; say which with --model",
        names.join(", ")
    ))
}

/// Whether absent keys are read as an empty text: some `get` returned one, none returned nil,
/// and nobody put one there or deleted anything. Stores that know no absence do so.
pub(super) fn absent_is_empty(calls: &Calls) -> bool {
    let is_empty = |number: u32| matches!(calls.values.get(number), Interned::Str(""));
    let (get, put) = (calls.function("get"), calls.function("put"));
    let mut seen = false;
    for at in 0..calls.len() {
        let f = Some(calls.f[at]);
        if f == get && calls.outcome[at] == Kind::Ok {
            let call = u32::try_from(at).expect("calls are numbered with 32 bits");
            let result = calls.result(call);
            if result == NIL {
                return false;
            }
            seen |= is_empty(result);
        } else if f == put && is_empty(calls.argument[at]) {
            return false;
        }
    }
    seen && calls.function("delete").is_none()
}
