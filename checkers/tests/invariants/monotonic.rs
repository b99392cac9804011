//! Increments whose values rise.

use checkers::history::Value;
use checkers::invariants::Monotonic;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use crate::made::{Made, Truth, agrees, calls, int, list};

fn row(value: i64, stamp: Option<i64>) -> Value {
    match stamp {
        Some(stamp) => Value::map([("value", int(value)), ("ts", int(stamp))]),
        None => Value::map([("value", int(value))]),
    }
}

/// A counter that mostly rises, with stamps that mostly rise as well.
pub(crate) fn made(rng: &mut ChaCha8Rng) -> Vec<Made> {
    let count = rng.random_range(1..7);
    let keys = rng.random_range(1..3);
    let slip = rng.random_range(1..4);
    let stamped = rng.random_bool(0.7);
    let mut rows: Vec<Value> = Vec::new();
    calls(rng, count, 3, |rng, number, call| {
        call.key = int(rng.random_range(0..keys));
        let number = i64::try_from(number).expect("few");
        let value = number * 2 + rng.random_range(0..slip);
        let stamp = stamped.then(|| 100 + number * 2 + rng.random_range(0..slip));
        if rng.random_bool(0.75) {
            call.f = "increment";
            call.result = match rng.random_range(0..30) {
                0 => Value::Nil,
                1..6 => int(value),
                _ => row(value, stamp),
            };
            rows.push(row(value, stamp));
        } else if rng.random_bool(0.5) {
            let seen = rows.iter().filter(|_| rng.random_bool(0.7));
            call.result = list(seen.cloned());
        } else {
            call.result = int(value - 2);
        }
    })
}

fn told(value: &Value) -> Option<(i64, Option<i64>)> {
    match value {
        Value::Int(value) => Some((*value, None)),
        Value::Map(_) => {
            let stamp = value.get("ts").and_then(Value::as_int);
            Some((value.get("value")?.as_int()?, stamp))
        }
        _ => None,
    }
}

#[test]
fn increments_agree_with_their_definition() {
    agrees(&Monotonic, made, |made| {
        let ok: Vec<&Made> = made.iter().filter(|call| call.is_ok()).collect();
        let increments = || ok.iter().filter(|call| call.f == "increment");
        // Value, stamp, and the call that tells.
        let mut facts: Vec<(i64, Option<i64>, &Made)> = Vec::new();
        for call in &ok {
            let values = match &call.result {
                Value::List(items) => items.iter().collect(),
                value => vec![value],
            };
            let rows = values.into_iter().filter_map(told);
            facts.extend(rows.map(|(value, stamp)| (value, stamp, *call)));
        }
        let mut truth = Truth {
            violated: false,
            power: false,
        };
        for (value, stamp, call) in &facts {
            for (other, its, teller) in &facts {
                let same_object = call.key == teller.key;
                if same_object && stamp.is_some() && its.is_some() && stamp < its {
                    truth.violated |= value >= other;
                }
            }
            for later in increments().filter(|later| later.key == call.key) {
                let Some((new, _)) = told(&later.result) else {
                    continue;
                };
                if call.precedes(later) {
                    truth.power = true;
                    truth.violated |= new <= *value;
                }
                let both = call.f == "increment" && !std::ptr::eq(*call, *later);
                truth.violated |= both && new == *value;
            }
        }
        truth.power &= increments().all(|call| told(&call.result).is_some());
        truth
    });
}
