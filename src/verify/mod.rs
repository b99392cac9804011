//! Checks certificates with code of its own: nothing is shared with the checkers but the types
//! of histories.
//!
//! A certificate is lines of JSON. The first says what is claimed. Of a history that is
//! linearizable each further line has the legal order of the calls of one or more objects; that
//! order is replayed, and must agree with real time and leave out nothing that happened. Of one
//! that is not, a line has the entries of the contradiction; all orders of these few calls are
//! tried, after it has been made sure that no other call of the object can explain them.

mod model;

use std::collections::{BTreeSet, HashMap, HashSet};

use checkers::history::{Call, History, Kind, Value};
use serde::{Deserialize, Serialize};

use model::{Sort, State};

/// The version of the format.
pub const FORMAT: &str = "schism.certificate/1";

/// The first line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// [`FORMAT`].
    pub certificate: String,
    /// `held` or `violated`.
    pub verdict: String,
}

/// A further line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Line {
    /// The model, by its name.
    pub model: String,
    /// What an absent key of a key-value store holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub absent: Option<Value>,
    /// The indices of starts in a legal order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<Vec<usize>>,
    /// The indices of entries that cannot be; a call whose end is not among them need not have
    /// taken effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contradiction: Option<Vec<usize>>,
}

/// What came of a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verified {
    /// It proves what it says: how many calls were put in order, or stand in the contradiction.
    Proven {
        /// Whether the history is linearizable.
        held: bool,
        /// The calls.
        calls: usize,
    },
    /// It does not: where and why.
    Wrong(String),
    /// This verifier cannot tell, and why.
    Unknown(String),
}

/// States that are tried before the verifier gives up on a contradiction.
const MOST_STATES: usize = 4_000_000;

/// Functions that are no client's.
const IGNORED: [&str; 3] = ["final-read", "final-read-set", "final-read-counter"];

/// Checks a certificate against the history that it is about.
#[must_use]
pub fn verify(history: &History, certificate: &str) -> Verified {
    let mut lines = certificate.lines();
    let head = lines.next().unwrap_or_default();
    let head: Head = match serde_json::from_str(head) {
        Ok(head) => head,
        Err(error) => return Verified::Wrong(format!("line 1: {error}")),
    };
    if head.certificate != FORMAT {
        return Verified::Wrong(format!("line 1: it is not of the format {FORMAT}"));
    }
    let mut parsed = Vec::new();
    for (number, line) in (2..).zip(lines) {
        match serde_json::from_str::<Line>(line) {
            Ok(line) => parsed.push((number, line)),
            Err(error) => return Verified::Wrong(format!("line {number}: {error}")),
        }
    }
    let calls: Vec<Call<'_>> = history.calls().collect();
    let judged = match head.verdict.as_str() {
        "held" => orders(&calls, &parsed),
        "violated" => contradiction(&calls, &parsed),
        other => Err(Verified::Wrong(format!("line 1: {other} is no verdict"))),
    };
    judged.unwrap_or_else(|verified| verified)
}

fn sort(number: usize, line: &Line) -> Result<(Sort, State), Verified> {
    let sort = Sort::named(&line.model)
        .ok_or_else(|| Verified::Wrong(format!("line {number}: no model {:?}", line.model)))?;
    Ok((
        sort,
        sort.initial(line.absent.as_ref().unwrap_or(&Value::Nil)),
    ))
}

/// What a call is about: no two lines may be about the same.
fn objects(sort: Sort, call: &Call<'_>, whole: bool) -> Vec<(Value, Option<Value>)> {
    let key = call.invoke.key.clone().unwrap_or_default();
    match sort {
        Sort::Registers => {
            let steps = call.invoke.value.as_list().unwrap_or_default();
            let keys = steps
                .iter()
                .filter_map(|step| step.as_list()?.get(1).cloned());
            keys.map(|key| (key, None)).collect()
        }
        Sort::Set if !whole => vec![(key, Some(call.invoke.value.clone()))],
        Sort::Ids => {
            let id = call.complete.map(|op| op.value.clone());
            vec![(key, id)]
        }
        _ => vec![(key, None)],
    }
}

fn orders(calls: &[Call<'_>], lines: &[(usize, Line)]) -> Result<Verified, Verified> {
    let places: HashMap<usize, usize> = (calls.iter().enumerate())
        .map(|(place, call)| (call.invoke.index, place))
        .collect();
    // Keys whose sets are read as a whole.
    let wholes: HashSet<Value> = (calls.iter())
        .filter(|call| matches!(call.invoke.f.as_str(), "read-set" | "read"))
        .map(|call| call.invoke.key.clone().unwrap_or_default())
        .collect();
    let mut ordered = vec![false; calls.len()];
    let mut owner: HashMap<(Value, Option<Value>), (usize, Sort)> = HashMap::new();
    let mut count = 0;
    for (number, line) in lines {
        let wrong = |why: String| Err(Verified::Wrong(format!("line {number}: {why}")));
        let (sort, mut state) = sort(*number, line)?;
        let Some(order) = &line.order else {
            return wrong("it has no order".to_owned());
        };
        let mut latest = 0;
        for index in order {
            let Some(&place) = places.get(index) else {
                return wrong(format!("no call begins at index {index}"));
            };
            let call = &calls[place];
            if std::mem::replace(&mut ordered[place], true) {
                return wrong(format!("the call at index {index} takes effect twice"));
            }
            if !sort.has(call.invoke.f.as_str()) {
                return wrong(format!("a {} has no {}", line.model, call.invoke.f));
            }
            if call.outcome() == Kind::Fail && !sort.is_required(call) {
                return wrong(format!("the call at index {index} failed"));
            }
            let whole = wholes.contains(call.invoke.key.as_ref().unwrap_or(&Value::Nil));
            for object in objects(sort, call, whole) {
                let (other, _) = owner.entry(object).or_insert((*number, sort));
                if other != number {
                    let other = *other;
                    return wrong(format!(
                        "the call at index {index} is on an object of line {other}"
                    ));
                }
            }
            if call.returned().is_some_and(|end| end < latest) {
                return wrong(format!(
                    "the call at index {index} was over before one began that comes before it"
                ));
            }
            latest = latest.max(call.invoke.time);
            let Some(next) = sort.step(&state, call) else {
                if sort == Sort::Unordered && call.outcome() == Kind::Info {
                    return Err(Verified::Unknown(format!(
                        "line {number}: which element the call at index {index} took is not said"
                    )));
                }
                return wrong(format!("the call at index {index} is not possible there"));
            };
            state = next;
            count += 1;
        }
    }
    // Sorts by key, for calls of which no other of the same object is in an order.
    for (place, call) in calls.iter().enumerate() {
        let f = call.invoke.f.as_str();
        if ordered[place] || IGNORED.contains(&f) || call.outcome() != Kind::Ok {
            let strict = call.outcome() == Kind::Fail && f == "cas";
            let of_strict = || {
                let key = (call.invoke.key.clone().unwrap_or_default(), None);
                owner
                    .get(&key)
                    .is_some_and(|(_, sort)| sort.is_required(call))
            };
            if ordered[place] || !strict || !of_strict() {
                continue;
            }
        }
        return Err(Verified::Wrong(format!(
            "the call at index {} happened and is in no order",
            call.invoke.index
        )));
    }
    if count == 0 {
        return Err(Verified::Unknown(
            "no call is in any order: nothing is proven".to_owned(),
        ));
    }
    Ok(Verified::Proven {
        held: true,
        calls: count,
    })
}

/// A call of a contradiction, and whether it must have taken effect.
struct Piece<'h> {
    call: Call<'h>,
    required: bool,
}

fn contradiction(calls: &[Call<'_>], lines: &[(usize, Line)]) -> Result<Verified, Verified> {
    let Some((number, line)) = lines.first() else {
        return Err(Verified::Wrong("it has no contradiction".to_owned()));
    };
    let wrong = |why: String| Err(Verified::Wrong(format!("line {number}: {why}")));
    let (sort, initial) = sort(*number, line)?;
    let Some(entries) = &line.contradiction else {
        return wrong("it has no contradiction".to_owned());
    };
    let entries: HashSet<usize> = entries.iter().copied().collect();
    let mut pieces = Vec::new();
    for call in calls {
        let ends = call.complete.is_some_and(|op| entries.contains(&op.index));
        if ends || entries.contains(&call.invoke.index) {
            if !sort.has(call.invoke.f.as_str()) {
                return wrong(format!("a {} has no {}", line.model, call.invoke.f));
            }
            pieces.push(Piece {
                call: *call,
                required: ends && sort.is_required(call),
            });
        }
    }
    let Some(first) = pieces.first() else {
        return wrong("none of its entries is in the history".to_owned());
    };
    let key = first.call.invoke.key.clone();
    if sort != Sort::Registers && pieces.iter().any(|piece| piece.call.invoke.key != key) {
        return wrong("its calls are not of one object".to_owned());
    }
    covers(sort, calls, &pieces)?;
    pieces.retain(|piece| piece.required || piece.call.outcome() != Kind::Fail);
    match any_order(sort, &initial, &pieces) {
        Some(true) => wrong("its calls have a legal order".to_owned()),
        Some(false) => Ok(Verified::Proven {
            held: false,
            calls: pieces.len(),
        }),
        None => Err(Verified::Unknown(format!(
            "more than {MOST_STATES} states would have to be tried"
        ))),
    }
}

/// Whether all calls that could explain the contradiction are in it. What is not in it is left
/// out, which is right only if the rest is legal whenever the whole is.
fn covers(sort: Sort, calls: &[Call<'_>], pieces: &[Piece<'_>]) -> Result<(), Verified> {
    let inside: HashSet<usize> = pieces.iter().map(|piece| piece.call.invoke.index).collect();
    let key = pieces
        .first()
        .and_then(|piece| piece.call.invoke.key.clone());
    let last = pieces
        .iter()
        .filter_map(|piece| piece.call.returned())
        .max();
    let mentioned: BTreeSet<Value> = pieces
        .iter()
        .flat_map(|piece| values(&piece.call))
        .collect();
    // Of registers: what was read or expected; and whether something is known not to have been.
    let needed: BTreeSet<Value> = (pieces.iter())
        .filter_map(|piece| match piece.call.invoke.value.as_list() {
            Some([old, _]) if piece.call.invoke.f == "cas" => Some(old.clone()),
            _ if piece.call.invoke.f == "read" => piece.call.complete.map(|op| op.value.clone()),
            _ => None,
        })
        .collect();
    let is_not = pieces
        .iter()
        .any(|piece| piece.call.outcome() == Kind::Fail && piece.required);
    let unsure = |call: &Call<'_>, why: &str| {
        let index = call.invoke.index;
        Err(Verified::Unknown(format!(
            "the call at index {index} {why}"
        )))
    };
    let others = calls.iter().filter(|call| {
        let later = last.is_some_and(|last| call.invoke.time > last);
        let same = sort == Sort::Registers || call.invoke.key == key;
        same && !later
            && sort.has(call.invoke.f.as_str())
            && !inside.contains(&call.invoke.index)
            && call.outcome() != Kind::Fail
    });
    for call in others {
        let f = call.invoke.f.as_str();
        let touches = || values(call).iter().any(|value| mentioned.contains(value));
        match sort {
            // What makes a value that nobody here needs only destroys the one before it; any
            // other might be the one that was seen.
            Sort::Register { .. } => {
                let made = match call.invoke.value.as_list() {
                    Some([old, new]) if f == "cas" && old == new => continue,
                    Some([_, new]) if f == "cas" => new,
                    _ => &call.invoke.value,
                };
                if f != "read" && (is_not || needed.contains(made)) {
                    return unsure(call, "makes a value of the contradiction and is not in it");
                }
            }
            // Without all calls on some elements the others remain legal; a take that may have
            // taken any element must be there.
            Sort::Fifo | Sort::Unordered | Sort::Priority | Sort::Stack => {
                let any = call.outcome() != Kind::Ok && matches!(f, "dequeue" | "pop");
                if any || touches() {
                    return unsure(call, "may bear on the contradiction and is not in it");
                }
            }
            Sort::Set => {
                if matches!(f, "add" | "remove") && touches() {
                    return unsure(call, "may bear on the contradiction and is not in it");
                }
            }
            Sort::Ids => {}
            // Whole turns of a holder can be left out, halves cannot.
            Sort::Mutex => {
                if halves(calls, &inside, call) {
                    return unsure(call, "is half of a turn of which the other half is in it");
                }
            }
            Sort::Registers
            | Sort::Text
            | Sort::Reentrant
            | Sort::Semaphore(_)
            | Sort::Counter
            | Sort::List => {
                let reads = matches!(f, "read" | "get");
                if !reads {
                    return unsure(call, "may bear on the contradiction and is not in it");
                }
            }
        }
    }
    Ok(())
}

/// Whether this acquire or release belongs to a turn of which the other half is inside.
fn halves(calls: &[Call<'_>], inside: &HashSet<usize>, call: &Call<'_>) -> bool {
    let own: Vec<&Call<'_>> = (calls.iter())
        .filter(|other| {
            other.invoke.process == call.invoke.process
                && other.invoke.key == call.invoke.key
                && other.outcome() != Kind::Fail
        })
        .collect();
    let Some(at) = own
        .iter()
        .position(|other| other.invoke.index == call.invoke.index)
    else {
        return false;
    };
    let other = if call.invoke.f == "acquire" {
        own.get(at + 1).filter(|other| other.invoke.f == "release")
    } else {
        let before = at.checked_sub(1).and_then(|before| own.get(before));
        before.filter(|other| other.invoke.f == "acquire")
    };
    other.is_some_and(|other| inside.contains(&other.invoke.index))
}

/// The values that a call names.
fn values(call: &Call<'_>) -> Vec<Value> {
    let mut values = Vec::new();
    let ok = call
        .complete
        .filter(|op| op.kind == Kind::Ok)
        .map(|op| &op.value);
    for value in [Some(&call.invoke.value), ok].into_iter().flatten() {
        match value {
            Value::List(items) => values.extend(items.iter().cloned()),
            value => values.push(value.clone()),
        }
    }
    values.retain(|value| *value != Value::Nil || call.invoke.f == "read");
    values
}

/// Whether some order of all required and any of the other pieces is legal and agrees with real
/// time; none if there are too many to try.
fn any_order(sort: Sort, initial: &State, pieces: &[Piece<'_>]) -> Option<bool> {
    let mut stack = vec![(vec![false; pieces.len()], initial.clone())];
    let mut seen = BTreeSet::new();
    while let Some((done, state)) = stack.pop() {
        let open = |at: &usize| !done[*at];
        let left = || (0..pieces.len()).filter(open);
        if !left().any(|at| pieces[at].required) {
            return Some(true);
        }
        let ends = left().filter(|at| pieces[*at].required);
        let first_end = ends.filter_map(|at| pieces[at].call.returned()).min();
        for at in left() {
            let call = &pieces[at].call;
            if first_end.is_some_and(|end| end < call.invoke.time) {
                continue;
            }
            if let Some(next) = sort.step(&state, call) {
                let mut done = done.clone();
                done[at] = true;
                if seen.insert((done.clone(), next.clone())) {
                    stack.push((done, next));
                }
            }
        }
        if seen.len() > MOST_STATES {
            return None;
        }
    }
    Some(false)
}
