//! Values that look alike and are not: `1` and `"1"`.
//!
//! A client that writes numbers and reads text makes every read look like one of a value
//! nobody wrote. Such a history is refused, since it tells of the client and not of the system.

use std::collections::HashMap;

use super::{Op, Process, Value};

/// The first entry that has as text what another has as a number, among the keys or among the
/// values of one key; `line` gives the line of a position.
///
/// **Cost**: linear, and next to nothing where no text looks like a number.
pub(super) fn types(ops: &[Op], line: &impl Fn(usize) -> usize) -> Option<(usize, String)> {
    let mut texts: HashMap<(Option<&Value>, i64), usize> = HashMap::new();
    let clients = || {
        let entries = ops.iter().enumerate();
        entries.filter(|(_, op)| matches!(op.process, Process::Client(_)))
    };
    for (position, op) in clients() {
        each(op, &mut |key, value| {
            if let Value::Str(text) = value
                && let Some(number) = number(text)
            {
                texts.entry((key, number)).or_insert(position);
            }
        });
    }
    if texts.is_empty() {
        return None;
    }
    let mut first = None;
    for (position, op) in clients() {
        each(op, &mut |key, value| {
            if let Value::Int(number) = value
                && let Some(other) = texts.get(&(key, *number))
                && first.is_none()
            {
                let what = if key.is_some() { "value" } else { "key" };
                let (late, early) = (position.max(*other), position.min(*other));
                let (text, number) = (format!("\"{number}\""), number.to_string());
                let (now, then) = if late == position {
                    (number, text)
                } else {
                    (text, number)
                };
                first = Some((
                    late,
                    format!(
                        "it has the {what} {now} where line {} has {then}: one is a number, the \
                         other is text, and they would never be equal",
                        line(early)
                    ),
                ));
            }
        });
        if first.is_some() {
            break;
        }
    }
    first
}

/// The keys of an entry, each with none, and its values, each with its key.
fn each<'h>(op: &'h Op, of: &mut impl FnMut(Option<&'h Value>, &'h Value)) {
    const NO_KEY: &Value = &Value::Nil;
    if let Some(key) = &op.key {
        of(None, key);
    }
    let key = op.key.as_ref().unwrap_or(NO_KEY);
    match &op.value {
        Value::List(items) => {
            for item in items {
                match item.as_list() {
                    // An operation of a transaction: its name, a key, a value.
                    Some([Value::Str(_), key, value]) => {
                        of(None, key);
                        match value {
                            Value::List(values) => {
                                values.iter().for_each(|value| of(Some(key), value));
                            }
                            value => of(Some(key), value),
                        }
                    }
                    Some(_) | None => of(Some(key), item),
                }
            }
        }
        value => of(Some(key), value),
    }
}

/// The number that a text would be if it were one.
pub(super) fn number(text: &str) -> Option<i64> {
    let looks = text.len() <= 20 && text.bytes().last()?.is_ascii_digit();
    let number: i64 = looks.then(|| text.parse().ok())??;
    (number.to_string() == text).then_some(number)
}
