//! Write skew.

use checkers::history::{Kind, Value};
use checkers::invariants::WriteSkew;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use crate::made::{Made, Truth, agrees, calls, int, list, step};

/// Pairs of inserts, and reads of what is there.
pub(crate) fn inserts(rng: &mut ChaCha8Rng) -> Vec<Made> {
    let count = rng.random_range(2..7);
    let keys = rng.random_range(1..3);
    let refuse = rng.random_bool(0.6);
    let mut there: Vec<(i64, i64)> = Vec::new();
    calls(rng, count, 3, |rng, number, call| {
        let key = rng.random_range(0..keys);
        call.key = int(key);
        let id = i64::try_from(number).expect("few") + 10;
        if rng.random_bool(0.2) {
            let ids = there
                .iter()
                .filter(|(of, _)| *of == key)
                .map(|(_, id)| int(*id));
            call.result = list(ids);
            return;
        }
        call.f = "insert";
        let pair = if rng.random_bool(0.5) {
            vec![int(id), Value::Nil]
        } else {
            vec![Value::Nil, int(id)]
        };
        call.argument = list(pair);
        if rng.random_bool(0.3) {
            // Jepsen's form, with the key inside.
            call.argument = list([call.key.clone(), call.argument.clone()]);
            call.key = Value::Nil;
        }
        call.result = call.argument.clone();
        if refuse && there.iter().any(|(of, _)| *of == key) && rng.random_bool(0.9) {
            call.kind = Kind::Fail;
        }
        if call.is_ok() || call.kind == Kind::Info && rng.random_bool(0.5) {
            there.push((key, id));
        }
    })
}

/// The key and the id of an insert.
fn parts(call: &Made) -> (Value, Value) {
    let items = call.argument.as_list().expect("a pair");
    let (key, pair) = match &items[1] {
        Value::List(pair) => (items[0].clone(), pair.clone()),
        _ => (call.key.clone(), items.to_vec()),
    };
    let id = pair
        .iter()
        .find(|id| **id != Value::Nil)
        .expect("one")
        .clone();
    (key, id)
}

#[test]
fn inserts_agree_with_their_definition() {
    agrees(&WriteSkew, inserts, |made| {
        let inserts: Vec<&Made> = made.iter().filter(|call| call.f == "insert").collect();
        let seen = |key: &Value, id: &Value| {
            let mut reads = made.iter().filter(|call| call.f == "read" && call.is_ok());
            reads.any(|read| read.key == *key && read.result.as_list().unwrap().contains(id))
        };
        let happened = |call: &Made| {
            let (key, id) = parts(call);
            call.is_ok() || call.kind == Kind::Info && seen(&key, &id)
        };
        let mut truth = Truth {
            violated: false,
            power: false,
        };
        for (place, one) in inserts.iter().enumerate() {
            for other in &inserts[..place] {
                if parts(one).0 != parts(other).0 {
                    continue;
                }
                let known = one.kind != Kind::Info && other.kind != Kind::Info;
                truth.violated |= happened(one) && happened(other);
                let of_key = inserts.iter().filter(|call| parts(call).0 == parts(one).0);
                truth.power |= known && of_key.into_iter().any(|call| happened(call));
            }
        }
        truth
    });
}

/// Transactions that read two keys of three and write one of the two.
pub(crate) fn pairs(rng: &mut ChaCha8Rng) -> Vec<Made> {
    let count = rng.random_range(2..7);
    let careless = rng.random_bool(0.5);
    let mut state = [0_i64; 3];
    calls(rng, count, 3, |rng, number, call| {
        let keys = [[0, 1], [1, 2], [2, 0]][if rng.random_bool(0.7) {
            0
        } else {
            rng.random_range(0..3)
        }];
        let written = rng.random_range(0..2);
        let mut new = i64::try_from(number).expect("few") + 1;
        if rng.random_bool(0.03) {
            new = 1;
        }
        let name = |key: usize| i64::try_from(key).expect("three");
        let seen = |value: i64| if value == 0 { Value::Nil } else { int(value) };
        let read = |key: usize, value: Value| step("r", name(key), value);
        let write = step("w", name(keys[written]), int(new));
        call.f = "txn";
        call.argument = list([
            read(keys[0], Value::Nil),
            read(keys[1], Value::Nil),
            write.clone(),
        ]);
        let shown = keys.map(|key| {
            let old = careless && rng.random_bool(0.4);
            seen(if old { 0 } else { state[key] })
        });
        let [one, other] = shown;
        call.result = list([read(keys[0], one), read(keys[1], other), write]);
        if call.is_ok() || call.kind == Kind::Info && rng.random_bool(0.5) {
            state[keys[written]] = new;
        }
    })
}

/// Key, what was read of it, whether it was written.
fn looks(call: &Made) -> Vec<(Value, Value, bool)> {
    let steps = call.result.as_list().expect("steps");
    let steps = steps.iter().map(|step| step.as_list().expect("a step"));
    let steps: Vec<&[Value]> = steps.collect();
    let written = &steps[2][1];
    steps[..2]
        .iter()
        .map(|step| (step[1].clone(), step[2].clone(), step[1] == *written))
        .collect()
}

#[test]
fn pairs_agree_with_their_definition() {
    agrees(&WriteSkew, pairs, |made| {
        // Values of each key that were, or may have been, written twice.
        let write = |call: &Made| {
            let steps = call.argument.as_list().unwrap();
            let step = steps[2].as_list().unwrap();
            (step[1].clone(), step[2].clone())
        };
        let twice = |key: &Value| {
            let writes: Vec<_> = made
                .iter()
                .filter(|call| call.may_have_happened())
                .map(write)
                .filter(|(of, _)| of == key)
                .collect();
            let same = |(place, one): (usize, &(Value, Value))| writes[..place].contains(one);
            writes.iter().enumerate().any(same)
        };
        let mut truth = Truth {
            violated: false,
            power: false,
        };
        for (place, one) in made.iter().enumerate() {
            for other in &made[..place] {
                let known = |call: &Made| call.kind != Kind::Info;
                let (mine, its) = (looks(one), looks(other));
                let pair = |looks: &[(Value, Value, bool)], written: bool| {
                    looks.iter().find(|look| look.2 == written).unwrap().clone()
                };
                let (x, y) = (pair(&mine, true), pair(&mine, false));
                let (v, w) = (pair(&its, true), pair(&its, false));
                let opposite = x.0 == w.0 && y.0 == v.0 && !twice(&x.0) && !twice(&y.0);
                if !opposite || !known(one) || !known(other) {
                    continue;
                }
                let overlap = one.begins <= other.ends && other.begins <= one.ends;
                truth.power |= overlap && (one.is_ok() || other.is_ok());
                let versions = x.1 == w.1 && y.1 == v.1;
                truth.violated |= one.is_ok() && other.is_ok() && versions;
            }
        }
        truth.power &= (0..3).all(|key| !twice(&int(key)));
        truth
    });
}
