//! Ids.

use checkers::history::Value;
use checkers::invariants::{OrderedIds, UniqueIds};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use crate::made::{Made, Truth, agrees, calls, int};

pub(crate) fn made(rng: &mut ChaCha8Rng) -> Vec<Made> {
    let count = rng.random_range(1..7);
    let (keys, step) = (rng.random_range(1..3), rng.random_range(0..4));
    let texts = rng.random_bool(0.2);
    calls(rng, count, 3, |rng, number, call| {
        call.f = "generate";
        call.key = int(rng.random_range(0..keys));
        let number = i64::try_from(number).expect("few");
        let id = number * step + rng.random_range(0..4);
        call.result = match rng.random_range(0..40) {
            0 => Value::Nil,
            _ if texts => Value::str(&format!("id-{id:03}")),
            _ => int(id),
        };
    })
}

fn given(made: &[Made]) -> Vec<&Made> {
    made.iter().filter(|call| call.is_ok()).collect()
}

/// Any two given out by one giver for which `is` holds.
fn any(made: &[Made], is: impl Fn(&Made, &Made) -> bool) -> bool {
    let given = given(made);
    let mut pairs = (0..given.len()).flat_map(|i| (0..given.len()).map(move |j| (i, j)));
    pairs.any(|(i, j)| {
        let (one, other) = (given[i], given[j]);
        let ids = one.result != Value::Nil && other.result != Value::Nil;
        i != j && one.key == other.key && ids && is(one, other)
    })
}

fn all_told(made: &[Made]) -> bool {
    given(made).iter().all(|call| call.result != Value::Nil)
}

#[test]
fn unique_ids_agree_with_their_definition() {
    agrees(&UniqueIds, made, |made| Truth {
        violated: any(made, |one, other| one.result == other.result),
        power: any(made, |_, _| true) && all_told(made),
    });
}

#[test]
fn ordered_ids_agree_with_their_definition() {
    for slack in [0, 2] {
        agrees(&OrderedIds { slack }, made, |made| {
            let before = |one: &Made, other: &Made| one.ends + slack < other.begins;
            Truth {
                violated: any(made, |a, b| before(a, b) && a.result >= b.result),
                power: any(made, before) && all_told(made),
            }
        });
    }
}
