//! Locks as keys with a lease, and a resource that asks the lock for its token. No socket here.
//!
//! A lock is held while its key is there; the key goes when its lease is revoked or runs out.
//! Leases are never renewed, so that a holder who is slower than its lease has lost the lock and
//! does not know it. The token is the revision at which the key was made: etcd never gives one
//! twice. A guarded write is one transaction that compares it, so an old token is refused.

use checkers::history::Value;
use serde_json::{Value as Json, json};
use workloads::generator::Invocation;

use super::protocol::{Asked, Kind, TXN, Trouble, heard, is_absent, plain, put, succeeded, text};
use crate::client::Outcome;
use crate::systems::{arguments, guarded};

/// What is said next, or what came of it all.
#[derive(Debug, PartialEq)]
pub(super) enum Next {
    Ask(Asked),
    Done(Outcome),
}

/// How far an acquire is. Only its last request lets others see anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Acquire {
    /// Whether the lock is free at all.
    Look,
    /// A lease of its own.
    Grant,
    /// The key, if it is not there yet, with the lease and its lifetime.
    Take { lease: String, ttl_s: i64 },
}

fn lock(key: &str) -> String {
    format!("l/{key}")
}

fn resource(key: &str) -> String {
    format!("g/{key}")
}

const HELD: &str = "held by another";

/// The first request of an acquire.
pub(super) fn look(op: &Invocation) -> Result<Asked, String> {
    let body = json!({"key": text(&lock(&arguments::key(op)?)), "keys_only": true});
    Ok(Asked::read(body, Kind::Register))
}

impl Acquire {
    /// What follows the answer to the request that was sent last.
    pub(super) fn hear(
        &mut self,
        key: &str,
        lease_s: u32,
        asked: &Asked,
        answer: Result<Json, Trouble>,
    ) -> Next {
        let answer = match heard(asked, answer) {
            Ok(answer) => answer,
            Err(outcome) => return Next::Done(outcome),
        };
        let not_understood = || Next::Done(Outcome::Fail(format!("not understood: {answer}")));
        match self {
            Self::Look if answer.get("kvs").is_some() => Next::Done(Outcome::Fail(HELD.into())),
            Self::Look => {
                *self = Self::Grant;
                Next::Ask(Asked {
                    path: "/v3/lease/grant",
                    body: json!({"TTL": lease_s.to_string()}),
                    changes: false,
                    kind: Kind::Done,
                })
            }
            Self::Grant => {
                let field = |name: &str| answer.get(name).and_then(Json::as_str);
                let ttl_s = field("TTL").and_then(|ttl| ttl.parse().ok());
                let Some((lease, ttl_s)) = field("ID").zip(ttl_s) else {
                    return not_understood();
                };
                let mut made = put(&lock(key), "held");
                made["lease"] = lease.into();
                *self = Self::Take {
                    lease: lease.to_owned(),
                    ttl_s,
                };
                let body = json!({
                    "compare": [is_absent(&lock(key))],
                    "success": [{"request_put": made}]
                });
                Next::Ask(Asked::change(TXN, body, Kind::Compared))
            }
            Self::Take { .. } if !succeeded(&answer) => Next::Done(Outcome::Fail(HELD.into())),
            Self::Take { ttl_s, .. } => {
                let revision = answer["header"]["revision"].as_str();
                let Some(token) = revision.and_then(|text| text.parse().ok()) else {
                    return Next::Done(Outcome::Info(format!("not understood: {answer}")));
                };
                let grant = [
                    ("token", Value::Int(token)),
                    ("ttl-ms", Value::Int(ttl_s.saturating_mul(1000))),
                ];
                Next::Done(Outcome::Ok(Value::map(grant)))
            }
        }
    }
}

/// The request that ends a lease, and with it the hold.
pub(super) fn release(lease: &str) -> Asked {
    Asked::change("/v3/lease/revoke", json!({"ID": lease}), Kind::Released)
}

/// The request for an operation on a guarded resource.
pub(super) fn on_resource(op: &Invocation) -> Result<Asked, String> {
    let key = arguments::key(op)?;
    if op.f == "guarded-read" {
        return Ok(Asked::read(
            json!({"key": text(&resource(&key))}),
            Kind::Guarded,
        ));
    }
    let [token, value] = guarded::written(op)?;
    let body = json!({
        "compare": [{
            "key": text(&lock(&key)), "target": "CREATE", "result": "EQUAL",
            "create_revision": token.to_string()
        }],
        "success": [{"request_put": put(&resource(&key), &format!("{token} {value}"))}]
    });
    Ok(Asked::change(TXN, body, Kind::Fenced))
}

/// What a guarded resource holds, as a range tells it.
pub(super) fn guarded(answer: &Json) -> Option<Value> {
    let Some(kvs) = answer.get("kvs") else {
        return Some(Value::Nil);
    };
    guarded::told(&plain(kvs.get(0)?.get("value")?)?)
}

#[cfg(test)]
mod tests {
    use checkers::history::F;

    use super::super::protocol::conclude;
    use super::*;

    fn op(f: &'static str, value: Value) -> Invocation {
        Invocation::new(F::new(f), Some(Value::str("l1")), value)
    }

    fn asked(next: Next) -> Asked {
        match next {
            Next::Ask(asked) => asked,
            Next::Done(outcome) => panic!("it is over: {outcome:?}"),
        }
    }

    #[test]
    fn an_acquire_looks_is_granted_a_lease_and_takes_the_key() {
        let mut acquire = Acquire::Look;
        let first = look(&op("acquire", Value::Nil)).unwrap();
        let grant = asked(acquire.hear("l1", 2, &first, Ok(json!({"header": {}}))));
        assert_eq!((grant.path, grant.changes), ("/v3/lease/grant", false));
        let granted = json!({"header": {}, "ID": "77", "TTL": "3"});
        let take = asked(acquire.hear("l1", 2, &grant, Ok(granted)));
        assert_eq!(take.body["success"][0]["request_put"]["lease"], json!("77"));
        assert!(take.changes);
        let taken = json!({"header": {"revision": "9"}, "succeeded": true});
        let mut other = acquire.clone();
        let token = Value::map([("token", Value::Int(9)), ("ttl-ms", Value::Int(3000))]);
        let done = acquire.hear("l1", 2, &take, Ok(taken));
        assert_eq!(done, Next::Done(Outcome::Ok(token)));
        let late = other.hear("l1", 2, &take, Ok(json!({"header": {"revision": "9"}})));
        assert_eq!(late, Next::Done(Outcome::Fail(HELD.into())));
        // Only what was sent last may have happened without an answer.
        let silent =
            |acquire: &mut Acquire, asked| acquire.hear("l1", 2, asked, Err(Trouble::TimedOut));
        assert!(matches!(
            silent(&mut other, &take),
            Next::Done(Outcome::Info(_))
        ));
        assert!(matches!(
            silent(&mut Acquire::Grant, &grant),
            Next::Done(Outcome::Fail(_))
        ));
        assert!(matches!(
            silent(&mut Acquire::Look, &first),
            Next::Done(Outcome::Fail(_))
        ));
    }

    #[test]
    fn a_lock_that_is_held_is_not_asked_for() {
        let first = look(&op("acquire", Value::Nil)).unwrap();
        let held = json!({"header": {}, "kvs": [{"key": text("l/l1")}]});
        let next = Acquire::Look.hear("l1", 2, &first, Ok(held));
        assert_eq!(next, Next::Done(Outcome::Fail(HELD.into())));
    }

    #[test]
    fn an_old_token_is_refused_and_what_was_written_reads_back() {
        let pair = Value::map([("token", Value::Int(9)), ("value", Value::Int(4))]);
        let write = on_resource(&op("guarded-write", pair.clone())).unwrap();
        assert_eq!(write.body["compare"][0]["create_revision"], json!("9"));
        let refused = conclude(&write, &pair, Ok(json!({"header": {}})));
        assert!(matches!(refused, Outcome::Fail(why) if why.starts_with("refused")));
        let kept = write.body["success"][0]["request_put"]["value"].clone();
        let read = on_resource(&op("guarded-read", Value::Nil)).unwrap();
        let answer = json!({"header": {}, "kvs": [{"value": kept}]});
        assert_eq!(conclude(&read, &Value::Nil, Ok(answer)), Outcome::Ok(pair));
        let empty = conclude(&read, &Value::Nil, Ok(json!({"header": {}})));
        assert_eq!(empty, Outcome::Ok(Value::Nil));
    }
}
