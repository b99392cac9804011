//! Transactions of steps. No socket here.
//!
//! One that only reads, or only writes and no key twice, is one request. Any other reads its keys
//! first, works out what to write, and writes it in a second request if none of the keys has
//! changed since: a transaction that another came between fails, and is not tried again.

use std::collections::BTreeMap;

use checkers::history::Value;
use serde_json::{Value as Json, json};

use super::Reads;
use super::locks::Next;
use super::protocol::{Asked, Kind, TXN, Trouble, heard, plain, put, succeeded, text};
use crate::client::Outcome;
use crate::systems::steps::{Does, Step, told};

/// How far a transaction is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Transaction {
    /// It is one request, and says what it reads.
    Whole,
    /// It has asked for its keys, each once, and goes on from there.
    Look { steps: Vec<Step>, keys: Vec<String> },
    /// It writes; what it read is known, as steps tell it.
    Commit { told: Value },
}

fn place(key: &str) -> String {
    format!("t/{key}")
}

fn range(key: &str, own: bool) -> Json {
    json!({"request_range": {"key": text(&place(key)), "serializable": own}})
}

/// What a key holds is a number, or a list of them, in JSON.
fn held(range: &Json) -> Option<Value> {
    let Some(kvs) = range.get("kvs") else {
        return Some(Value::Nil);
    };
    serde_json::from_str(&plain(kvs.get(0)?.get("value")?)?).ok()
}

fn ranges(answer: &Json) -> impl Iterator<Item = &Json> {
    let responses = answer.get("responses").and_then(Json::as_array);
    let responses = responses.into_iter().flatten();
    responses.filter_map(|response| response.get("response_range"))
}

impl Transaction {
    /// The first request of a transaction.
    pub(super) fn begin(steps: Vec<Step>, reads: Reads) -> (Self, Asked) {
        let only_reads = steps.iter().all(Step::reads);
        let mut keys: Vec<String> = steps.iter().map(|step| step.key.clone()).collect();
        keys.sort_unstable();
        keys.dedup();
        let writes = |step: &Step| matches!(step.does, Does::Write(_));
        let blind = steps.iter().all(writes) && keys.len() == steps.len();
        let own = reads == Reads::Serializable && only_reads;
        let request = |step: &Step| match step.does {
            Does::Write(value) => {
                json!({"request_put": put(&place(&step.key), &value.to_string())})
            }
            Does::Read | Does::Append(_) => range(&step.key, own),
        };
        let (this, requests): (_, Vec<Json>) = if only_reads || blind {
            (Self::Whole, steps.iter().map(request).collect())
        } else {
            let requests = keys.iter().map(|key| range(key, own)).collect();
            (Self::Look { steps, keys }, requests)
        };
        let asked = Asked {
            path: TXN,
            body: json!({"success": requests}),
            changes: blind,
            kind: Kind::Done,
        };
        (this, asked)
    }

    /// What follows the answer to the request that was sent last.
    pub(super) fn hear(
        &mut self,
        argument: &Value,
        asked: &Asked,
        answer: Result<Json, Trouble>,
    ) -> Next {
        let answer = match heard(asked, answer) {
            Ok(answer) => answer,
            Err(outcome) => return Next::Done(outcome),
        };
        let not_understood = || Next::Done(Outcome::Fail(format!("not understood: {answer}")));
        match self {
            Self::Whole if asked.changes => Next::Done(Outcome::Ok(argument.clone())),
            Self::Whole => {
                let read: Option<Vec<Value>> = ranges(&answer).map(held).collect();
                match read.and_then(|read| told(argument, read)) {
                    Some(told) => Next::Done(Outcome::Ok(told)),
                    None => not_understood(),
                }
            }
            Self::Look { steps, keys } => {
                let seen: Option<Vec<Value>> = ranges(&answer).map(held).collect();
                let Some(seen) = seen.filter(|seen| seen.len() == keys.len()) else {
                    return not_understood();
                };
                let compare: Vec<Json> = (keys.iter().zip(ranges(&answer)))
                    .map(|(key, range)| unchanged(key, range))
                    .collect();
                let mut state: BTreeMap<&str, Value> =
                    keys.iter().map(String::as_str).zip(seen).collect();
                let (read, changed) = perform(steps, &mut state);
                let puts = changed.iter().map(|key| {
                    let value = serde_json::to_string(&state[key]).unwrap_or_default();
                    json!({"request_put": put(&place(key), &value)})
                });
                let body = json!({"compare": compare, "success": puts.collect::<Vec<Json>>()});
                let Some(told) = told(argument, read) else {
                    return not_understood();
                };
                *self = Self::Commit { told };
                Next::Ask(Asked::change(TXN, body, Kind::Compared))
            }
            Self::Commit { told } if succeeded(&answer) => Next::Done(Outcome::Ok(told.clone())),
            Self::Commit { .. } => {
                let why = "mismatch: another transaction came between";
                Next::Done(Outcome::Fail(why.into()))
            }
        }
    }
}

/// That nobody has written the key since it was read; one that is not there has revision 0.
fn unchanged(key: &str, range: &Json) -> Json {
    let revision = range
        .get("kvs")
        .and_then(|kvs| kvs.get(0)?.get("mod_revision"));
    json!({
        "key": text(&place(key)), "target": "MOD", "result": "EQUAL",
        "mod_revision": revision.cloned().unwrap_or_else(|| json!("0"))
    })
}

/// Carries steps out on a copy: what was read, in order, and the keys that changed.
fn perform<'s>(
    steps: &'s [Step],
    state: &mut BTreeMap<&'s str, Value>,
) -> (Vec<Value>, Vec<&'s str>) {
    let (mut read, mut changed) = (Vec::new(), Vec::new());
    for step in steps {
        let key = step.key.as_str();
        let held = state.entry(key).or_default();
        match step.does {
            Does::Read => {
                read.push(held.clone());
                continue;
            }
            Does::Write(value) => *held = Value::Int(value),
            Does::Append(element) => match held {
                Value::List(elements) => elements.push(Value::Int(element)),
                _ => *held = Value::List(vec![Value::Int(element)]),
            },
        }
        if !changed.contains(&key) {
            changed.push(key);
        }
    }
    (read, changed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::systems::steps::steps;

    fn txn(parts: &[(&str, i64, Option<i64>)]) -> Value {
        let step = |(f, key, value): &(&str, i64, Option<i64>)| {
            let value = value.map_or(Value::Nil, Value::Int);
            Value::List(vec![Value::str(f), Value::Int(*key), value])
        };
        Value::List(parts.iter().map(step).collect())
    }

    fn begin(argument: &Value) -> (Transaction, Asked) {
        Transaction::begin(steps(argument).unwrap(), Reads::Linearizable)
    }

    fn ranged(values: &[Option<(&str, &str)>]) -> Json {
        let range = |value: &Option<(&str, &str)>| match value {
            Some((value, revision)) => json!({"response_range": {"kvs": [
                {"value": text(value), "mod_revision": revision}
            ]}}),
            None => json!({"response_range": {}}),
        };
        json!({"header": {}, "succeeded": true, "responses": values.iter().map(range).collect::<Vec<_>>()})
    }

    #[test]
    fn reads_alone_and_writes_alone_are_one_request() {
        let reads = txn(&[("r", 1, None), ("r", 2, None)]);
        let (mut transaction, asked) = begin(&reads);
        assert!(!asked.changes);
        let next = transaction.hear(&reads, &asked, Ok(ranged(&[Some(("7", "3")), None])));
        let seven = txn(&[("r", 1, Some(7)), ("r", 2, None)]);
        assert_eq!(next, Next::Done(Outcome::Ok(seven)));
        let write = txn(&[("w", 1, Some(7))]);
        let (mut transaction, asked) = begin(&write);
        assert!(asked.changes);
        let silent = transaction.hear(&write, &asked, Err(Trouble::TimedOut));
        assert!(matches!(silent, Next::Done(Outcome::Info(_))));
    }

    #[test]
    fn what_was_read_must_be_unchanged_when_it_is_written() {
        let argument = txn(&[
            ("append", 2, Some(8)),
            ("r", 2, None),
            ("r", 1, None),
            ("append", 2, Some(9)),
        ]);
        let (mut transaction, asked) = begin(&argument);
        assert!(!asked.changes, "it only looks");
        let seen = ranged(&[None, Some(("[7]", "5"))]);
        let Next::Ask(commit) = transaction.hear(&argument, &asked, Ok(seen)) else {
            panic!("it goes on to write");
        };
        let revisions: Vec<&Json> = (commit.body["compare"].as_array().unwrap().iter())
            .map(|compare| &compare["mod_revision"])
            .collect();
        assert_eq!(revisions, ["0", "5"]);
        let put = &commit.body["success"][0]["request_put"]["value"];
        assert_eq!(plain(put).unwrap(), "[7,8,9]");
        let list = |items: &[i64]| Value::List(items.iter().copied().map(Value::Int).collect());
        let expected = told(&argument, vec![list(&[7, 8]), Value::Nil]).unwrap();
        let mut other = transaction.clone();
        let done = transaction.hear(
            &argument,
            &commit,
            Ok(json!({"header": {}, "succeeded": true})),
        );
        assert_eq!(done, Next::Done(Outcome::Ok(expected)));
        let late = other.hear(&argument, &commit, Ok(json!({"header": {}})));
        assert!(matches!(late, Next::Done(Outcome::Fail(_))));
    }
}
