//! What is said to the JSON gateway, and what is made of its answers: operations of one request,
//! and what all share. No socket here.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use checkers::history::Value;
use serde_json::{Value as Json, json};
use workloads::generator::Invocation;

use super::{ERRORS, Reads};
use crate::client::Outcome;
use crate::systems::arguments;

pub(super) const RANGE: &str = "/v3/kv/range";
pub(super) const TXN: &str = "/v3/kv/txn";

/// A request to a member.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Asked {
    pub(super) path: &'static str,
    pub(super) body: Json,
    /// Whether it changes what others can see; what does not has no unknown outcome.
    pub(super) changes: bool,
    /// What is to be made of the answer.
    pub(super) kind: Kind,
}

/// What is to be made of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// It answers its argument.
    Done,
    /// The same, if what it compares is so.
    Compared,
    /// The same, if the lock that guards the resource has the token.
    Fenced,
    /// It answers nothing.
    Released,
    Register,
    Set,
    /// The token and the value that a guarded resource holds.
    Guarded,
}

impl Asked {
    pub(super) fn read(body: Json, kind: Kind) -> Self {
        Self {
            path: RANGE,
            body,
            changes: false,
            kind,
        }
    }

    pub(super) fn change(path: &'static str, body: Json, kind: Kind) -> Self {
        Self {
            path,
            body,
            changes: true,
            kind,
        }
    }
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// Nobody was there; nothing was sent.
    Refused,
    TimedOut,
    /// The connection ended, or the answer was none.
    Lost(String),
    /// The member refused, in its words.
    Said(String),
}

pub(super) fn text(bytes: &str) -> String {
    BASE64.encode(bytes)
}

/// What is written in an answer, as text.
pub(super) fn plain(encoded: &Json) -> Option<String> {
    String::from_utf8(BASE64.decode(encoded.as_str()?).ok()?).ok()
}

fn number(op: &Invocation, value: &Value) -> Result<String, String> {
    Ok(arguments::number(op, value)?.to_string())
}

pub(super) fn put(key: &str, value: &str) -> Json {
    json!({"key": text(key), "value": text(value)})
}

/// That nobody ever made the key, or that it is gone.
pub(super) fn is_absent(key: &str) -> Json {
    json!({"key": text(key), "target": "VERSION", "result": "EQUAL", "version": "0"})
}

/// The request for an operation of a workload.
pub(super) fn ask(op: &Invocation, reads: Reads) -> Result<Asked, String> {
    let key = arguments::key(op)?;
    let (register, prefix) = (format!("r/{key}"), format!("s/{key}/"));
    // The final reads are of the member's own state.
    let own = reads == Reads::Serializable || op.f.as_str().starts_with("final-");
    Ok(match op.f.as_str() {
        "write" => {
            let body = put(&register, &number(op, &op.value)?);
            Asked::change("/v3/kv/put", body, Kind::Done)
        }
        "add" => {
            let element = number(op, &op.value)?;
            let body = put(&format!("{prefix}{element}"), &element);
            Asked::change("/v3/kv/put", body, Kind::Done)
        }
        "remove" => {
            let element = format!("{prefix}{}", number(op, &op.value)?);
            let body = json!({"key": text(&element)});
            Asked::change("/v3/kv/deleterange", body, Kind::Done)
        }
        "cas" => {
            let (old, new) = arguments::old_and_new(op)?;
            let compare = match old {
                None => is_absent(&register),
                Some(old) => json!({
                    "key": text(&register), "target": "VALUE", "result": "EQUAL",
                    "value": text(&old.to_string())
                }),
            };
            let body = json!({
                "compare": [compare],
                "success": [{"request_put": put(&register, &new.to_string())}]
            });
            Asked::change(TXN, body, Kind::Compared)
        }
        "insert" => {
            let (table, row) = match op.value.as_list() {
                Some([row, Value::Nil]) => ("a", row),
                Some([Value::Nil, row]) => ("b", row),
                _ => return Err(format!("insert needs one of two rows, not {}", op.value)),
            };
            let of = |table: &str| format!("i/{key}/{table}");
            let body = json!({
                "compare": [is_absent(&of("a")), is_absent(&of("b"))],
                "success": [{"request_put": put(&of(table), &number(op, row)?)}]
            });
            Asked::change(TXN, body, Kind::Compared)
        }
        "read" | "final-read" => {
            let body = json!({"key": text(&register), "serializable": own});
            Asked::read(body, Kind::Register)
        }
        "read-set" | "final-read-set" => {
            // The end of a range of all that begins so: the last byte one higher.
            let end = format!("s/{key}0");
            let body = json!({"key": text(&prefix), "range_end": text(&end), "serializable": own});
            Asked::read(body, Kind::Set)
        }
        _ => return Err(arguments::unknown(op)),
    })
}

/// An answer that can be read, or what became of the operation without one.
pub(super) fn heard(asked: &Asked, answer: Result<Json, Trouble>) -> Result<Json, Outcome> {
    let unknown = |reason| Outcome::unknown(reason, !asked.changes);
    match answer {
        Ok(answer) if answer.get("header").is_some() => Ok(answer),
        Ok(answer) => Err(unknown(format!("not understood: {answer}"))),
        Err(Trouble::Refused) => Err(Outcome::Fail("could not connect".into())),
        Err(Trouble::TimedOut) => Err(unknown("timed out".into())),
        Err(Trouble::Lost(why)) => Err(unknown(format!("connection lost: {why}"))),
        Err(Trouble::Said(said)) => {
            let definite = ERRORS
                .iter()
                .any(|(error, definite)| *definite && said.starts_with(error));
            // What stands before the first colon tells errors apart.
            let told = said.strip_prefix("etcdserver: ").unwrap_or(&said);
            Err(if definite {
                Outcome::Fail(told.to_owned())
            } else {
                unknown(told.to_owned())
            })
        }
    }
}

/// Whether what a transaction compares was so; false is left out of what the gateway writes.
pub(super) fn succeeded(answer: &Json) -> bool {
    answer.get("succeeded").and_then(Json::as_bool) == Some(true)
}

/// What became of an operation.
pub(super) fn conclude(asked: &Asked, argument: &Value, answer: Result<Json, Trouble>) -> Outcome {
    let answer = match heard(asked, answer) {
        Ok(answer) => answer,
        Err(outcome) => return outcome,
    };
    let not_understood = || Outcome::Fail(format!("not understood: {answer}"));
    match asked.kind {
        Kind::Done => Outcome::Ok(argument.clone()),
        Kind::Released => Outcome::Ok(Value::Nil),
        Kind::Compared | Kind::Fenced if succeeded(&answer) => Outcome::Ok(argument.clone()),
        Kind::Compared => Outcome::Fail("mismatch: it held another value".into()),
        Kind::Fenced => Outcome::Fail("refused: the lock has another token, or none".into()),
        Kind::Register | Kind::Set => match values(&answer) {
            Some(values) if asked.kind == Kind::Set => Outcome::Ok(Value::List(values)),
            Some(values) => Outcome::Ok(values.into_iter().next().unwrap_or(Value::Nil)),
            None => not_understood(),
        },
        Kind::Guarded => match super::locks::guarded(&answer) {
            Some(value) => Outcome::Ok(value),
            None => not_understood(),
        },
    }
}

/// The values of a range, all of them whole numbers.
fn values(answer: &Json) -> Option<Vec<Value>> {
    let Some(pairs) = answer.get("kvs") else {
        return Some(Vec::new());
    };
    let value = |pair: &Json| Some(Value::Int(plain(pair.get("value")?)?.parse().ok()?));
    pairs.as_array()?.iter().map(value).collect()
}

#[cfg(test)]
mod tests {
    use checkers::history::F;

    use super::*;

    fn op(f: &'static str, value: Value) -> Invocation {
        Invocation::new(F::new(f), Some(Value::str("k")), value)
    }

    fn asked(f: &'static str, value: Value) -> Asked {
        ask(&op(f, value), Reads::Linearizable).unwrap()
    }

    #[test]
    fn answers_become_results() {
        let read = asked("read", Value::Nil);
        assert_eq!(read.body["serializable"], json!(false));
        let seven = json!({"header": {}, "kvs": [{"value": text("7")}]});
        let of = |asked: &Asked, answer| conclude(asked, &Value::Nil, Ok(answer));
        assert_eq!(of(&read, seven.clone()), Outcome::Ok(Value::Int(7)));
        assert_eq!(of(&read, json!({"header": {}})), Outcome::Ok(Value::Nil));
        let set = asked("read-set", Value::Nil);
        let elements = Value::List(vec![Value::Int(7)]);
        assert_eq!(of(&set, seven), Outcome::Ok(elements));
        let pair = Value::List(vec![Value::Nil, Value::Int(1)]);
        for f in ["cas", "insert"] {
            let compared = asked(f, pair.clone());
            assert_eq!(compared.body["compare"][0]["version"], json!("0"));
            let done = json!({"header": {}, "succeeded": true});
            let argued = |answer| conclude(&compared, &pair, Ok(answer));
            assert_eq!(argued(done), Outcome::Ok(pair.clone()));
            let other = argued(json!({"header": {}}));
            assert!(matches!(other, Outcome::Fail(_)));
        }
    }

    #[test]
    fn a_range_of_a_set_holds_its_elements_and_no_others() {
        let set = asked("read-set", Value::Nil);
        let bound = |name: &str| BASE64.decode(set.body[name].as_str().unwrap()).unwrap();
        let within = |key: &str| {
            bound("key").as_slice() <= key.as_bytes()
                && key.as_bytes() < bound("range_end").as_slice()
        };
        assert!(within("s/k/1") && within("s/k/99"));
        assert!(!within("s/k1/1") && !within("s/k"));
    }

    #[test]
    fn only_the_table_makes_a_change_fail() {
        let write = asked("write", Value::Int(1));
        let read = asked("read", Value::Nil);
        let of = |asked: &Asked, answer| conclude(asked, &Value::Int(1), answer);
        for (error, definite) in ERRORS.iter().filter(|(error, _)| error.starts_with("etcd")) {
            let said = Err(Trouble::Said((*error).to_owned()));
            let failed = matches!(of(&write, said.clone()), Outcome::Fail(_));
            assert_eq!(failed, *definite, "{error}");
            assert!(matches!(of(&read, said), Outcome::Fail(_)));
        }
        let other = Err(Trouble::Said("etcdserver: something new".into()));
        assert!(matches!(of(&write, other), Outcome::Info(_)));
        assert!(matches!(
            of(&write, Err(Trouble::Refused)),
            Outcome::Fail(_)
        ));
        for trouble in [Trouble::TimedOut, Trouble::Lost("reset".into())] {
            assert!(matches!(of(&write, Err(trouble)), Outcome::Info(_)));
        }
        // An answer that is none of etcd's promises nothing.
        assert!(matches!(of(&write, Ok(json!({}))), Outcome::Info(_)));
    }
}
