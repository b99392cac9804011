//! The key and the argument of an operation, as every system takes them.

use checkers::history::Value;
use workloads::generator::Invocation;

/// The key, as text.
///
/// # Errors
///
/// That the operation has none, in words.
pub(super) fn key(op: &Invocation) -> Result<String, String> {
    match &op.key {
        Some(Value::Str(text)) => Ok(text.to_string()),
        Some(Value::Int(number)) => Ok(number.to_string()),
        other => Err(format!("{} needs a key, not {other:?}", op.f)),
    }
}

/// The argument, or a part of it, where it must be a whole number.
///
/// # Errors
///
/// That it is something else, in words.
pub(super) fn number(op: &Invocation, value: &Value) -> Result<i64, String> {
    let number = value.as_int();
    number.ok_or_else(|| format!("{} needs a whole number, not {value}", op.f))
}

/// What a compare-and-set expects, none if the key must be absent, and what it writes.
///
/// # Errors
///
/// That the argument is not two such values, in words.
pub(super) fn old_and_new(op: &Invocation) -> Result<(Option<i64>, i64), String> {
    match op.value.as_list() {
        Some([Value::Nil, new]) => Ok((None, number(op, new)?)),
        Some([old, new]) => Ok((Some(number(op, old)?), number(op, new)?)),
        _ => Err(format!("cas needs two values, not {}", op.value)),
    }
}

/// That a system does not do it.
pub(super) fn unknown(op: &Invocation) -> String {
    format!("this system has no operation {:?}", op.f.as_str())
}

#[cfg(test)]
mod tests {
    use checkers::history::F;

    use super::*;

    #[test]
    fn what_is_no_argument_is_told_with_its_operation() {
        let of = |key, value| Invocation::new(F::new("cas"), key, value);
        let pair = |old, new| Value::List(vec![old, new]);
        let op = of(Some(Value::Int(7)), pair(Value::Nil, Value::Int(1)));
        assert_eq!(key(&op).as_deref(), Ok("7"));
        assert_eq!(old_and_new(&op), Ok((None, 1)));
        let op = of(None, pair(Value::Int(1), Value::Int(2)));
        assert_eq!(key(&op), Err("cas needs a key, not None".into()));
        assert_eq!(old_and_new(&op), Ok((Some(1), 2)));
        let op = of(None, pair(Value::Int(1), Value::Nil));
        let told = Err("cas needs a whole number, not nil".to_owned());
        assert_eq!(old_and_new(&op), told);
        assert!(old_and_new(&of(None, Value::Int(1))).is_err());
        assert_eq!(unknown(&op), "this system has no operation \"cas\"");
    }
}
