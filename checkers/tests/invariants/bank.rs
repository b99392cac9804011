//! Banks.

use std::collections::BTreeMap;

use checkers::Verdict;
use checkers::history::{Kind, Value};
use checkers::invariants::{Bank, Overdraft};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use crate::made::{Made, Truth, agrees, calls, check, int};

fn transfer(from: i64, to: i64, amount: i64) -> Value {
    Value::map([
        ("from", int(from)),
        ("to", int(to)),
        ("amount", int(amount)),
    ])
}

fn balances(of: &[(&str, i64)]) -> Value {
    Value::map(of.iter().map(|&(name, balance)| (name, int(balance))))
}

/// A bank of three whose transfers take effect in the order of their starts; some reads are
/// wrong.
pub(crate) fn made(rng: &mut ChaCha8Rng) -> Vec<Made> {
    let count = rng.random_range(1..8);
    let wrong = if rng.random_bool(0.5) { 0.0 } else { 0.3 };
    let mut held = [10_i64, 5, 0];
    calls(rng, count, 3, |rng, number, call| {
        if rng.random_bool(0.5) {
            let (from, to) = (rng.random_range(0..3), rng.random_range(0..3));
            let amount = i64::try_from(number).expect("few") + 1;
            call.f = "transfer";
            let name = |place: usize| i64::try_from(place).expect("three");
            call.argument = transfer(name(from), name(to), amount);
            call.result = call.argument.clone();
            if rng.random_bool(0.02) {
                call.argument = int(amount);
                call.result = call.argument.clone();
            } else if call.is_ok() || call.kind == Kind::Info && rng.random_bool(0.5) {
                held[from] -= amount;
                held[to] += amount;
            }
            return;
        }
        let mut seen = held;
        if rng.random_bool(wrong) {
            seen[rng.random_range(0..3)] += rng.random_range(-3..4);
        }
        let mut all = vec![("0", seen[0]), ("1", seen[1]), ("2", seen[2])];
        if rng.random_bool(wrong / 3.0) {
            all.pop();
        } else if rng.random_bool(wrong / 5.0) {
            all.push(("3", 0));
        }
        call.result = balances(&all);
        if rng.random_bool(0.02) {
            call.result = int(1);
        }
    })
}

fn shown(made: &[Made]) -> Vec<(&Made, &BTreeMap<std::sync::Arc<str>, Value>)> {
    let reads = made.iter().filter(|call| call.f == "read" && call.is_ok());
    let maps = reads.filter_map(|call| match &call.result {
        Value::Map(map) => Some((call, map)),
        _ => None,
    });
    maps.collect()
}

fn all_readable(made: &[Made]) -> bool {
    made.iter().all(|call| match call.f {
        "transfer" => matches!(call.argument, Value::Map(_)),
        _ => !call.is_ok() || matches!(call.result, Value::Map(_)),
    })
}

/// Whether a read was not over before every transfer that may have happened.
fn during(made: &[Made], read: &Made) -> bool {
    let transfers = made.iter().filter(|call| {
        let is_map = matches!(call.argument, Value::Map(_));
        call.f == "transfer" && is_map && call.may_have_happened()
    });
    transfers
        .into_iter()
        .any(|transfer| read.ends >= transfer.begins)
}

fn sum(map: &BTreeMap<std::sync::Arc<str>, Value>) -> i64 {
    map.values().filter_map(Value::as_int).sum()
}

#[test]
fn banks_agree_with_their_definition() {
    agrees(&Bank::default(), made, |made| {
        let reads = shown(made);
        let differ = |&(_, one): &(&Made, &BTreeMap<_, _>)| {
            let accounts = |map: &BTreeMap<std::sync::Arc<str>, Value>| {
                map.keys().cloned().collect::<Vec<_>>()
            };
            let other = reads[0].1;
            sum(one) != sum(other) || accounts(one) != accounts(other)
        };
        let late = reads.iter().filter(|(read, _)| during(made, read)).count();
        Truth {
            violated: reads.iter().any(differ),
            // One read is what the others are compared with.
            power: all_readable(made) && late > 0 && reads.len() > 1,
        }
    });
}

#[test]
fn banks_of_a_known_total_and_unknown_accounts_agree_with_their_definition() {
    let bank = Bank {
        total: Some(15),
        accounts: None,
    };
    agrees(&bank, made, |made| {
        let reads = shown(made);
        let names =
            |map: &BTreeMap<std::sync::Arc<str>, Value>| map.keys().cloned().collect::<Vec<_>>();
        let is_wrong = |&(_, map): &(&Made, &BTreeMap<std::sync::Arc<str>, Value>)| {
            sum(map) != 15 || names(map) != names(reads[0].1)
        };
        Truth {
            violated: reads.iter().any(is_wrong),
            power: all_readable(made) && !reads.is_empty(),
        }
    });
}

#[test]
fn banks_of_a_known_total_agree_with_their_definition() {
    let bank = Bank {
        total: Some(15),
        accounts: Some(["2", "0", "1"].map(str::to_owned).to_vec()),
    };
    agrees(&bank, made, |made| {
        let reads = shown(made);
        let is_wrong = |&(_, map): &(&Made, &BTreeMap<std::sync::Arc<str>, Value>)| {
            let names: Vec<&str> = map.keys().map(|name| &**name).collect();
            sum(map) != 15 || names != ["0", "1", "2"]
        };
        Truth {
            violated: reads.iter().any(is_wrong),
            power: all_readable(made) && !reads.is_empty(),
        }
    });
}

#[test]
fn overdrafts_agree_with_their_definition() {
    agrees(&Overdraft, made, |made| {
        let reads = shown(made);
        let negative = |map: &BTreeMap<std::sync::Arc<str>, Value>| {
            map.values()
                .filter_map(Value::as_int)
                .any(|balance| balance < 0)
        };
        Truth {
            violated: reads.iter().any(|(_, map)| negative(map)),
            power: all_readable(made) && reads.iter().any(|(read, _)| during(made, read)),
        }
    });
}

fn told(kinds: [Kind; 2], seen: &[(&str, i64)]) -> checkers::Report {
    let call = |process, begins, f, kind, argument: Value, result| Made {
        process,
        begins,
        ends: begins + 1,
        kind,
        f,
        key: Value::Nil,
        argument,
        result,
        node: "n1",
    };
    let start = balances(&[("0", 10), ("1", 10)]);
    let made = [
        call(0, 0, "read", Kind::Ok, Value::Nil, start),
        call(
            1,
            5,
            "transfer",
            kinds[0],
            transfer(0, 1, 3),
            transfer(0, 1, 3),
        ),
        call(
            2,
            10,
            "transfer",
            kinds[1],
            transfer(1, 0, 4),
            transfer(1, 0, 4),
        ),
        call(3, 20, "read", Kind::Ok, Value::Nil, balances(seen)),
    ];
    check(&Bank::default(), &made)
}

#[test]
fn a_half_applied_transfer_is_named() {
    for kinds in [
        [Kind::Ok; 2],
        [Kind::Info, Kind::Ok],
        [Kind::Fail, Kind::Info],
    ] {
        let report = told(kinds, &[("0", 7), ("1", 10)]);
        assert_eq!(report.verdict, Verdict::Violated);
        let last = report.anomalies[0].because.last().unwrap();
        assert!(last.contains("the transfer by p1 moves 3"), "{last}");
        assert!(
            last.contains("taken from the one account and not given"),
            "{last}"
        );
        let report = told(kinds, &[("0", 14), ("1", 10)]);
        let last = report.anomalies[0].because.last().unwrap();
        assert!(last.contains("the transfer by p2 moves 4"), "{last}");
        assert!(
            last.contains("given to the one account and not taken"),
            "{last}"
        );
    }
    let report = told([Kind::Ok; 2], &[("0", 15), ("1", 10)]);
    assert_eq!(report.number("half_transfers_named"), Some(0));
    let report = told([Kind::Ok; 2], &[("0", 11), ("1", 9)]);
    assert_eq!(report.verdict, Verdict::Held);
    assert_eq!(report.number("total"), Some(20));
}
