//! What a resource guarded by a lock is asked for, and holds: a token, and the value written with
//! it.

use checkers::history::Value;
use workloads::generator::Invocation;

/// What a guarded write writes.
pub(super) fn written(op: &Invocation) -> Result<[i64; 2], String> {
    let field = |name| op.value.get(name).and_then(Value::as_int);
    match (field("token"), field("value")) {
        (Some(token), Some(value)) => Ok([token, value]),
        _ => Err(format!(
            "{} needs a token and a value, not {}",
            op.f, op.value
        )),
    }
}

/// What a guarded read returns.
pub(super) fn pair([token, value]: [i64; 2]) -> Value {
    Value::map([("token", Value::Int(token)), ("value", Value::Int(value))])
}

/// The same, where text holds it: the token, a blank, the value.
pub(super) fn told(text: &str) -> Option<Value> {
    let (token, value) = text.split_once(' ')?;
    Some(pair([token.parse().ok()?, value.parse().ok()?]))
}
