//! Blocks on columns against the brute-force judge.

use std::collections::BTreeMap;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{Blocks, alone};
use crate::Budget;
use crate::calls::Calls;
use crate::history::{History, Kind, Op, Process, Value};
use crate::linearizable::exact::oracle::agree;
use crate::linearizable::exact::{Exact, Finding, by_key};
use crate::linearizable::parts::judge_all;
use crate::linearizable::search::oracle::{Made, history};
use crate::model::Register;

/// A few processes; values are unique, or repeat now and then.
fn made(rng: &mut ChaCha8Rng) -> Vec<Made> {
    let width: u32 = rng.random_range(1..5);
    let mut free: Vec<(u32, u64)> = (0..width).map(|process| (process, 0)).collect();
    let mut processes = width;
    let mut made = Vec::new();
    let repeats = rng.random_bool(0.1);
    let mut written = 0;
    for _ in 0..rng.random_range(1..8) {
        let who = rng.random_range(0..free.len());
        let begins = free[who].1 + rng.random_range(0..3);
        let ends = begins + rng.random_range(0..5);
        let kind = match rng.random_range(0..10) {
            0..7 => Kind::Ok,
            7..9 => Kind::Info,
            _ => Kind::Fail,
        };
        let value = |rng: &mut ChaCha8Rng| match rng.random_range(0..=written) {
            0 => Value::Nil,
            value => Value::Int(value),
        };
        let new = |rng: &mut ChaCha8Rng| {
            if repeats && written > 0 {
                Value::Int(rng.random_range(1..=written))
            } else {
                Value::Int(written + 1)
            }
        };
        let (f, argument, result) = match rng.random_range(0..3) {
            0 => ("read", Value::Nil, value(rng)),
            1 => {
                let new = new(rng);
                ("write", new.clone(), new)
            }
            _ => {
                let pair = Value::List(vec![value(rng), new(rng)]);
                ("cas", pair.clone(), pair)
            }
        };
        written += i64::from(f != "read");
        made.push(Made {
            process: free[who].0,
            begins,
            ends,
            kind,
            f,
            argument,
            result,
        });
        free[who].1 = ends + 1;
        if kind == Kind::Info {
            free[who].0 = processes;
            processes += 1;
        }
    }
    // Reads of a value that was made later are as likely as those of one made before.
    let (last, nil) = (written, Value::Nil);
    for call in &mut made {
        if call.f == "read" && rng.random_bool(0.3) {
            call.result = match rng.random_range(0..=last) {
                0 => nil.clone(),
                value => Value::Int(value),
            };
        }
    }
    made
}

#[test]
fn columns_shared_among_cores_are_judged_as_rows() {
    let (mut plain, mut not) = (0, 0);
    for seed in 0..5_000 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let made = made(&mut rng);
        let calls = Calls::of(&history(&made));
        for blocks in [Blocks::new(&calls), Blocks::strict(&calls)] {
            let rows = by_key(&blocks, &calls, |_| true).rows;
            let by_rows = blocks.judge(&calls, &rows);
            for workers in [1, 2, 3] {
                let Some(alone) = alone::judge_by(&blocks, &calls, workers) else {
                    not += 1;
                    continue;
                };
                plain += 1;
                assert_eq!(alone, by_rows, "seed {seed}, {workers} cores: {made:#?}");
            }
        }
    }
    assert!(plain > 3 * not && not > 0, "{plain} {not}");
}

/// A few registers at once. Their values differ, unless `shared`; keys look like values.
fn several(rng: &mut ChaCha8Rng, shared: bool) -> Calls {
    let mut entries = Vec::new();
    for key in 0..rng.random_range(1..5_u32) {
        let shift = if shared { 0 } else { i64::from(key) * 100 };
        let shifted = |value: &mut Value| match value {
            Value::Int(number) => *number += shift,
            Value::List(pair) => {
                for value in pair {
                    if let Value::Int(number) = value {
                        *number += shift;
                    }
                }
            }
            _ => {}
        };
        for mut call in made(rng) {
            shifted(&mut call.argument);
            shifted(&mut call.result);
            call.process += key * 100;
            let (invoke, complete) = call.ops();
            for (time, is_end, op) in [(call.begins, false, invoke), (call.ends, true, complete)] {
                let key = Some(Value::Int(i64::from(key) * 101));
                entries.push((time, is_end, Op { key, ..op }));
            }
        }
    }
    entries.sort_by_key(|(time, is_end, op)| (*time, *is_end, order(&op.process)));
    let ops = entries.into_iter().enumerate();
    let ops = ops.map(|(index, (_, _, op))| Op { index, ..op });
    Calls::of(&History::new(ops.collect()).expect("the test makes lawful histories"))
}

fn order(process: &Process) -> u32 {
    match process {
        Process::Client(number) => *number,
        Process::Nemesis => u32::MAX,
    }
}

#[test]
fn many_registers_in_pieces_are_judged_as_rows() {
    let (mut fine, mut wrong, mut searched) = (0, 0, 0);
    for seed in 0..10_000 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let calls = several(&mut rng, seed % 5 == 0);
        let mut objects: Vec<(u32, u32)> = Vec::new();
        for &key in &calls.key {
            match objects.iter_mut().find(|(other, _)| *other == key) {
                Some((_, count)) => *count += 1,
                None => objects.push((key, 1)),
            }
        }
        for blocks in [Blocks::new(&calls), Blocks::strict(&calls)] {
            let rows = by_key(&blocks, &calls, |_| true);
            let (mut expected, mut others) = ([0, 0], Vec::new());
            for (key, range) in &rows.keys {
                match blocks.judge(&calls, &rows.rows[range.clone()]) {
                    Finding::Linearizable { power } => expected[usize::from(power)] += 1,
                    other => others.push((*key, other)),
                }
            }
            others.sort_by_key(|(key, _)| *key);
            let objects = objects.iter().copied();
            let (none, budget) = (BTreeMap::new(), Budget::unlimited());
            let mut found = judge_all(&blocks, &calls, objects, &none, &budget);
            found.others.sort_by_key(|(key, _)| *key);
            assert_eq!(found.fine, expected, "seed {seed}");
            assert_eq!(found.others, others, "seed {seed}");
            fine += expected[0] + expected[1];
            for (_, finding) in others {
                match finding {
                    Finding::Contradicted => wrong += 1,
                    Finding::Search(_) => searched += 1,
                    other => panic!("seed {seed}: {other:?}"),
                }
            }
        }
    }
    assert!(
        fine > 5_000 && wrong > 5_000 && searched > 100,
        "{fine} {wrong} {searched}"
    );
}

#[test]
fn blocks_on_columns_agree_with_brute_force() {
    let (mut valid, mut invalid, mut searched) = (0, 0, 0);
    let seeds = crate::linearizable::exact::oracle::seeds(200_000);
    for seed in 0..seeds {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        match agree(Blocks::new, &Register::default(), &made(&mut rng)) {
            Some(true) => valid += 1,
            Some(false) => invalid += 1,
            None => searched += 1,
        }
    }
    assert!(
        valid * 4 > seeds && invalid * 4 > seeds && searched * 10 < seeds,
        "{valid} {invalid} {searched}"
    );
}
