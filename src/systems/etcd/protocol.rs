//! What is said to the JSON gateway, and what is made of its answers. No socket here.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use checkers::history::Value;
use serde_json::{Value as Json, json};
use workloads::generator::Invocation;

use super::{ERRORS, Reads};
use crate::client::Outcome;

/// A request to a member.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Asked {
    pub(super) path: &'static str,
    pub(super) body: Json,
    /// What the operation is told to have written.
    pub(super) argument: Value,
    /// What is to be made of the answer.
    pub(super) kind: Kind,
}

/// What is to be made of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Put,
    Compared,
    Register,
    Set,
}

impl Asked {
    pub(super) fn reads(&self) -> bool {
        matches!(self.kind, Kind::Register | Kind::Set)
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

fn text(bytes: &str) -> String {
    BASE64.encode(bytes)
}

fn key_of(op: &Invocation) -> Result<String, String> {
    match &op.key {
        Some(Value::Str(text)) => Ok(text.to_string()),
        Some(Value::Int(number)) => Ok(number.to_string()),
        other => Err(format!("{} needs a key, not {other:?}", op.f)),
    }
}

fn number(op: &Invocation, value: &Value) -> Result<String, String> {
    let number = value.as_int();
    let number = number.ok_or_else(|| format!("{} needs a whole number, not {value}", op.f))?;
    Ok(number.to_string())
}

/// The request for an operation of a workload.
pub(super) fn ask(op: &Invocation, reads: Reads) -> Result<Asked, String> {
    let key = key_of(op)?;
    let (register, prefix) = (format!("r/{key}"), format!("s/{key}/"));
    // The final reads are of the member's own state.
    let own = reads == Reads::Serializable || op.f.as_str().starts_with("final-");
    let put = |key: &str, value: &str| json!({"key": text(key), "value": text(value)});
    let asked = |path, body, argument: &Value, kind| {
        Ok(Asked {
            path,
            body,
            argument: argument.clone(),
            kind,
        })
    };
    match op.f.as_str() {
        "write" => {
            let body = put(&register, &number(op, &op.value)?);
            asked("/v3/kv/put", body, &op.value, Kind::Put)
        }
        "add" => {
            let element = number(op, &op.value)?;
            let body = put(&format!("{prefix}{element}"), &element);
            asked("/v3/kv/put", body, &op.value, Kind::Put)
        }
        "cas" => {
            let Some([old, new]) = op.value.as_list() else {
                return Err(format!("cas needs two values, not {}", op.value));
            };
            let compare = match old {
                // A key that was never made has version 0.
                Value::Nil => {
                    json!({"key": text(&register), "target": "VERSION", "result": "EQUAL", "version": "0"})
                }
                old => json!({
                    "key": text(&register), "target": "VALUE", "result": "EQUAL",
                    "value": text(&number(op, old)?)
                }),
            };
            let body = json!({
                "compare": [compare],
                "success": [{"request_put": put(&register, &number(op, new)?)}]
            });
            asked("/v3/kv/txn", body, &op.value, Kind::Compared)
        }
        "read" | "final-read" => {
            let body = json!({"key": text(&register), "serializable": own});
            asked("/v3/kv/range", body, &Value::Nil, Kind::Register)
        }
        "read-set" | "final-read-set" => {
            // The end of a range of all that begins so: the last byte one higher.
            let end = format!("s/{key}0");
            let body = json!({"key": text(&prefix), "range_end": text(&end), "serializable": own});
            asked("/v3/kv/range", body, &Value::Nil, Kind::Set)
        }
        other => Err(format!("this system has no operation {other:?}")),
    }
}

/// What became of an operation.
pub(super) fn conclude(asked: &Asked, answer: Result<Json, Trouble>) -> Outcome {
    let unknown = |reason: String| {
        if asked.reads() {
            Outcome::Fail(reason)
        } else {
            Outcome::Info(reason)
        }
    };
    let answer = match answer {
        Ok(answer) => answer,
        Err(Trouble::Refused) => return Outcome::Fail("could not connect".into()),
        Err(Trouble::TimedOut) => return unknown("timed out".into()),
        Err(Trouble::Lost(why)) => return unknown(format!("connection lost: {why}")),
        Err(Trouble::Said(said)) => {
            let definite = ERRORS
                .iter()
                .any(|(error, definite)| *definite && said.starts_with(error));
            // What stands before the first colon tells errors apart.
            let told = said
                .strip_prefix("etcdserver: ")
                .unwrap_or(&said)
                .to_owned();
            return if definite {
                Outcome::Fail(told)
            } else {
                unknown(told)
            };
        }
    };
    if answer.get("header").is_none() {
        return unknown(format!("not understood: {answer}"));
    }
    match asked.kind {
        Kind::Put => Outcome::Ok(asked.argument.clone()),
        // False is left out of what the gateway writes.
        Kind::Compared => match answer.get("succeeded").and_then(Json::as_bool) {
            Some(true) => Outcome::Ok(asked.argument.clone()),
            Some(false) | None => Outcome::Fail("mismatch: it held another value".into()),
        },
        Kind::Register | Kind::Set => match values(&answer) {
            Some(values) if asked.kind == Kind::Set => Outcome::Ok(Value::List(values)),
            Some(values) => Outcome::Ok(values.into_iter().next().unwrap_or(Value::Nil)),
            None => Outcome::Fail(format!("not understood: {answer}")),
        },
    }
}

/// The values of a range, all of them whole numbers.
fn values(answer: &Json) -> Option<Vec<Value>> {
    let Some(pairs) = answer.get("kvs") else {
        return Some(Vec::new());
    };
    let value = |pair: &Json| {
        let bytes = BASE64.decode(pair.get("value")?.as_str()?).ok()?;
        Some(Value::Int(std::str::from_utf8(&bytes).ok()?.parse().ok()?))
    };
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
        assert_eq!(
            conclude(&read, Ok(seven.clone())),
            Outcome::Ok(Value::Int(7))
        );
        assert_eq!(
            conclude(&read, Ok(json!({"header": {}}))),
            Outcome::Ok(Value::Nil)
        );
        let set = asked("read-set", Value::Nil);
        let elements = Value::List(vec![Value::Int(7)]);
        assert_eq!(conclude(&set, Ok(seven)), Outcome::Ok(elements));
        let pair = Value::List(vec![Value::Nil, Value::Int(1)]);
        let cas = asked("cas", pair.clone());
        assert_eq!(cas.body["compare"][0]["version"], json!("0"));
        let done = json!({"header": {}, "succeeded": true});
        assert_eq!(conclude(&cas, Ok(done)), Outcome::Ok(pair));
        assert!(matches!(
            conclude(&cas, Ok(json!({"header": {}}))),
            Outcome::Fail(_)
        ));
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
    fn only_the_table_makes_a_write_fail() {
        let write = asked("write", Value::Int(1));
        let read = asked("read", Value::Nil);
        for (error, definite) in ERRORS.iter().filter(|(error, _)| error.starts_with("etcd")) {
            let said = Err(Trouble::Said((*error).to_owned()));
            let failed = matches!(conclude(&write, said.clone()), Outcome::Fail(_));
            assert_eq!(failed, *definite, "{error}");
            assert!(matches!(conclude(&read, said), Outcome::Fail(_)));
        }
        let other = Err(Trouble::Said("etcdserver: something new".into()));
        assert!(matches!(conclude(&write, other), Outcome::Info(_)));
        assert!(matches!(
            conclude(&write, Err(Trouble::Refused)),
            Outcome::Fail(_)
        ));
        for trouble in [Trouble::TimedOut, Trouble::Lost("reset".into())] {
            assert!(matches!(conclude(&write, Err(trouble)), Outcome::Info(_)));
        }
        // An answer that is none of etcd's promises nothing.
        assert!(matches!(conclude(&write, Ok(json!({}))), Outcome::Info(_)));
    }
}
