//! The steps of transactions, `["r" key nil]`, `["w" key value]` and `["append" key value]`, as
//! databases with text for keys and values take them.

use checkers::history::Value;

/// One step of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) key: String,
    pub(super) does: Does,
}

/// What a step does to its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Does {
    Read,
    Write(i64),
    Append(i64),
}

impl Step {
    pub(super) fn reads(&self) -> bool {
        self.does == Does::Read
    }
}

/// The steps of a transaction.
pub(super) fn steps(value: &Value) -> Result<Vec<Step>, String> {
    let steps = value.as_list().unwrap_or_default().iter().map(step);
    let steps: Vec<Step> = steps.collect::<Result<_, _>>()?;
    if steps.is_empty() {
        return Err(format!("txn needs steps, not {value}"));
    }
    Ok(steps)
}

fn step(step: &Value) -> Result<Step, String> {
    let wrong =
        || format!("a step is [r key nil], [w key value] or [append key value], not {step}");
    let Some([f, key, value]) = step.as_list() else {
        return Err(wrong());
    };
    let key = match key {
        Value::Str(text) => text.to_string(),
        Value::Int(number) => number.to_string(),
        _ => return Err(wrong()),
    };
    let does = match (f.as_str(), value) {
        (Some("r"), _) => Does::Read,
        (Some("w"), Value::Int(value)) => Does::Write(*value),
        (Some("append"), Value::Int(element)) => Does::Append(*element),
        _ => return Err(wrong()),
    };
    Ok(Step { key, does })
}

/// The steps as they were asked for, with what was read in place of nil, in order; none if there
/// are more or fewer values than steps that read.
pub(super) fn told(asked: &Value, read: Vec<Value>) -> Option<Value> {
    let mut read = read.into_iter();
    let mut tell = |step: &Value| match step.as_list() {
        Some([f, key, _]) if f.as_str() == Some("r") => {
            Some(Value::List(vec![f.clone(), key.clone(), read.next()?]))
        }
        _ => Some(step.clone()),
    };
    let steps: Option<Vec<Value>> = asked.as_list()?.iter().map(&mut tell).collect();
    steps.filter(|_| read.next().is_none()).map(Value::List)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(parts: &[(&str, i64, Value)]) -> Value {
        let step = |(f, key, value): &(&str, i64, Value)| {
            Value::List(vec![Value::str(f), Value::Int(*key), value.clone()])
        };
        Value::List(parts.iter().map(step).collect())
    }

    #[test]
    fn what_was_read_takes_the_place_of_nil() {
        let asked = list(&[
            ("r", 1, Value::Nil),
            ("append", 2, Value::Int(7)),
            ("r", 2, Value::Nil),
        ]);
        let keys: Vec<String> = steps(&asked).unwrap().into_iter().map(|s| s.key).collect();
        assert_eq!(keys, ["1", "2", "2"]);
        let seven = Value::List(vec![Value::Int(7)]);
        let expected = list(&[
            ("r", 1, Value::Nil),
            ("append", 2, Value::Int(7)),
            ("r", 2, seven.clone()),
        ]);
        assert_eq!(told(&asked, vec![Value::Nil, seven]), Some(expected));
        assert_eq!(told(&asked, vec![Value::Nil]), None);
        assert_eq!(told(&asked, vec![Value::Nil; 3]), None);
    }

    #[test]
    fn what_is_no_step_is_refused() {
        for wrong in [Value::Nil, Value::List(vec![Value::Int(1)])] {
            assert!(steps(&wrong).is_err());
        }
        assert!(steps(&list(&[("w", 1, Value::Nil)])).is_err());
        assert!(steps(&list(&[("swap", 1, Value::Int(1))])).is_err());
    }
}
