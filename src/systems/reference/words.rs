//! The words of workloads as requests to a node, and a node's answers as the results of
//! workloads.

use checkers::history::Value;
use fixtures::protocol::{Answer, Grant, Moment, Operation, Step, StepAnswer};
use workloads::bank::{ACCOUNTS, OPENING, account};
use workloads::generator::Invocation;

use crate::systems::steps::{self, Does, steps};
use crate::systems::{arguments, guarded};

/// The series from which all ids of a run come.
const IDS: &str = "ids";

/// What a node is asked for an operation of a workload, by that client process.
///
/// `workload` tells what a `read` is of: the counters of "counter", the series of "monotonic",
/// or registers. A poll that names a node is of that node's own log.
///
/// # Errors
///
/// That the nodes do not speak it, or not with such a value, in words.
pub(super) fn operation(
    op: &Invocation,
    workload: &str,
    process: u32,
) -> Result<Operation, String> {
    let f = op.f.as_str();
    let holder = u64::from(process);
    match f {
        "generate" => return Ok(Operation::Generate { key: IDS.into() }),
        "txn" => return transaction(&op.value),
        "transfer" => return transfer(&op.value),
        "read" if op.key.is_none() => {
            return Ok(Operation::Balances {
                accounts: (0..ACCOUNTS).map(account).collect(),
                opening: OPENING,
            });
        }
        _ => {}
    }
    let key = arguments::key(op)?;
    let number = |value| arguments::number(op, value);
    Ok(match f {
        "read" if workload == "counter" => Operation::CounterRead { key },
        "read" if workload == "monotonic" => Operation::Latest { key },
        "read" => Operation::Get { key },
        "write" => Operation::Put {
            key,
            value: number(&op.value)?,
        },
        "cas" => {
            let (old, new) = arguments::old_and_new(op)?;
            Operation::Cas { key, old, new }
        }
        "remove" => Operation::SetRemove {
            key,
            element: number(&op.value)?,
        },
        "add" => Operation::SetAdd {
            key,
            element: number(&op.value)?,
        },
        "read-set" => Operation::SetRead { key },
        "increment" if op.value == Value::Nil => Operation::Next { key, at_ms: None },
        "increment" => Operation::CounterAdd {
            key,
            amount: number(&op.value)?,
        },
        "decrement" => Operation::CounterAdd {
            key,
            amount: number(&op.value)?.wrapping_neg(),
        },
        "enqueue" => Operation::Enqueue {
            key,
            element: number(&op.value)?,
        },
        "dequeue" => Operation::Dequeue { key },
        "drain" => Operation::Drain { key },
        "send" => Operation::Append {
            key,
            element: number(&op.value)?,
        },
        "poll" => {
            let from = polled_from(&op.value, &key)?;
            match op.node {
                Some(_) => Operation::LocalPoll { key, from },
                None => Operation::Poll { key, from },
            }
        }
        "acquire" => Operation::Acquire {
            key,
            holder,
            lease: None,
        },
        "release" => Operation::Release { key, holder },
        "guarded-write" => {
            let [token, value] = guarded::written(op)?;
            Operation::GuardedWrite { key, token, value }
        }
        "guarded-read" => Operation::GuardedRead { key },
        "insert" => {
            let (table, row) = match op.value.as_list() {
                Some([row, Value::Nil]) => (0, row),
                Some([Value::Nil, row]) => (1, row),
                _ => return Err(format!("insert needs one of two rows, not {}", op.value)),
            };
            Operation::Insert {
                key,
                table,
                row: number(row)?,
            }
        }
        "final-read" => Operation::LocalGet { key },
        "final-read-set" => Operation::LocalSetRead { key },
        "final-read-counter" => Operation::LocalCounterRead { key },
        _ => return Err(arguments::unknown(op)),
    })
}

fn polled_from(value: &Value, key: &str) -> Result<u64, String> {
    let from = value.get(key).and_then(Value::as_int);
    let from = from.and_then(|from| u64::try_from(from).ok());
    from.ok_or_else(|| format!("poll needs an offset of {key}, not {value}"))
}

fn transfer(value: &Value) -> Result<Operation, String> {
    let account = |name| value.get(name).and_then(Value::as_str).map(str::to_owned);
    let amount = value.get("amount").and_then(Value::as_int);
    match (account("from"), account("to"), amount) {
        (Some(from), Some(to), Some(amount)) => Ok(Operation::Transfer {
            from,
            to,
            amount,
            opening: OPENING,
        }),
        _ => Err(format!("transfer needs from, to and amount, not {value}")),
    }
}

fn transaction(value: &Value) -> Result<Operation, String> {
    let steps = steps(value)?
        .into_iter()
        .map(|steps::Step { key, does }| match does {
            Does::Read => Step::Get { key },
            Does::Write(value) => Step::Put { key, value },
            Does::Append(element) => Step::Append { key, element },
        });
    Ok(Operation::Txn {
        steps: steps.collect(),
    })
}

/// The result of an operation, as its workload says it; `argument` is what it was given.
pub(super) fn result(answer: Answer, argument: &Value, asked: &Operation) -> Value {
    let list = |elements: Vec<i64>| Value::List(elements.into_iter().map(Value::Int).collect());
    let maybe = |value: Option<i64>| value.map_or(Value::Nil, Value::Int);
    match (answer, asked) {
        (Answer::Written, Operation::Release { .. }) => Value::Nil,
        (Answer::Written, _) => argument.clone(),
        (Answer::Register(value) | Answer::Element(value), _) => maybe(value),
        // One is a value like any other, and none an absent one.
        (Answer::Siblings(values), _) if values.len() < 2 => maybe(values.first().copied()),
        (Answer::List(messages), Operation::Poll { key, from })
        | (Answer::List(messages), Operation::LocalPoll { key, from }) => {
            let first = i64::try_from(*from).unwrap_or(i64::MAX);
            let found = (first..).zip(messages);
            let pair = |(offset, value)| Value::List(vec![Value::Int(offset), Value::Int(value)]);
            Value::map([(key.as_str(), Value::List(found.map(pair).collect()))])
        }
        (Answer::Set(values) | Answer::Siblings(values) | Answer::List(values), _) => list(values),
        (Answer::Counter(value) | Answer::Number(value), _) => Value::Int(value),
        (Answer::Txn(read), _) => {
            let steps = argument.as_list().unwrap_or_default().iter();
            Value::List(steps.zip(read).map(filled_in).collect())
        }
        (Answer::Granted(Grant { token, ttl_ms }), _) => match ttl_ms {
            None => Value::Int(token),
            Some(ttl) => Value::map([("token", Value::Int(token)), ("ttl-ms", Value::Int(ttl))]),
        },
        (Answer::Guarded(found), _) => {
            found.map_or(Value::Nil, |(token, value)| guarded::pair([token, value]))
        }
        (Answer::Balances(held), _) => {
            let accounts: Vec<String> = (0..ACCOUNTS).map(account).collect();
            let held = held.into_iter().map(Value::Int);
            Value::map(accounts.iter().map(String::as_str).zip(held))
        }
        (Answer::Moment(made), _) => made.map_or(Value::Nil, |Moment { value, ts }| {
            Value::map([("value", Value::Int(value)), ("ts", Value::Int(ts))])
        }),
    }
}

/// A step of a transaction, with what it read.
fn filled_in((step, read): (&Value, StepAnswer)) -> Value {
    let read = match read {
        StepAnswer::Written => return step.clone(),
        StepAnswer::Register(value) => value.map_or(Value::Nil, Value::Int),
        StepAnswer::List(values) => Value::List(values.into_iter().map(Value::Int).collect()),
    };
    match step.as_list() {
        Some([f, key, _]) => Value::List(vec![f.clone(), key.clone(), read]),
        _ => step.clone(),
    }
}

#[cfg(test)]
mod tests {
    use checkers::history::{F, Kind};
    use workloads::generator::{limit, simulate};

    use super::*;

    #[test]
    fn every_operation_of_every_workload_is_understood() {
        for about in workloads::WORKLOADS {
            let options = workloads::Options {
                cas_percent: 20,
                decrement_percent: 20,
                ..workloads::Options::default()
            };
            let generator = about.build(&options).generator;
            let ops = simulate::perfect(&mut limit(300, generator), 3, 1);
            let mut spoken = 0;
            for op in ops.iter().filter(|op| op.kind == Kind::Invoke) {
                let asked = Invocation::new(op.f.clone(), op.key.clone(), op.value.clone());
                let understood = operation(&asked, about.name, 7);
                assert!(understood.is_ok(), "{}: {understood:?}", about.name);
                spoken += 1;
            }
            assert!(spoken > 100, "{}: {spoken}", about.name);
        }
    }

    #[test]
    fn what_the_system_lacks_is_refused_before_it_is_sent() {
        let of = |f: &'static str, value: Value| {
            let asked = Invocation::new(F::new(f), Some(Value::str("q")), value);
            operation(&asked, "mixed", 0)
        };
        assert!(of("pop", Value::Nil).unwrap_err().contains("no operation"));
        let error = of("write", Value::str("x")).unwrap_err();
        assert!(error.contains("whole number"));
        assert!(of("txn", Value::List(vec![Value::Int(1)])).is_err());
        assert!(of("guarded-write", Value::Int(1)).is_err());
    }

    #[test]
    fn answers_have_the_form_that_checkers_read() {
        let poll = Operation::Poll {
            key: "l1".into(),
            from: 3,
        };
        let polled = result(Answer::List(vec![7, 8]), &Value::Nil, &poll);
        assert_eq!(polled.to_string(), "{l1 [[3 7] [4 8]]}");
        let steps = Value::List(vec![
            Value::List(vec![Value::str("r"), Value::Int(1), Value::Nil]),
            Value::List(vec![Value::str("w"), Value::Int(1), Value::Int(5)]),
        ]);
        let asked = transaction(&steps).unwrap();
        let read = vec![StepAnswer::Register(Some(4)), StepAnswer::Written];
        let done = result(Answer::Txn(read), &steps, &asked);
        assert_eq!(done.to_string(), "[[\"r\" 1 4] [\"w\" 1 5]]");
    }
}
