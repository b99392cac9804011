//! Certificates: what the checkers prove, other code can check; what was tampered with fails.

use checkers::calls::Calls;
use checkers::history::{F, Format, History, Kind, Op, Process, Value, jepsen};
use checkers::model::Known;
use checkers::{Budget, Checker, Linearizable, Verdict};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use schism::certify;
use schism::verify::{Verified, verify};
use std::collections::VecDeque;

/// A few clients on one object; answers are mostly those of a correct copy.
fn made(rng: &mut ChaCha8Rng, known: Known) -> History {
    struct Asked {
        process: u32,
        begins: u64,
        acts: u64,
        ends: u64,
        kind: Kind,
        f: &'static str,
        argument: Value,
        result: Value,
    }
    let mut asked = Vec::new();
    let mut free: Vec<(u32, u64)> = (0..3).map(|process| (process, 0)).collect();
    let mut processes = 3;
    for number in 0..rng.random_range(2..14_i64) {
        let who = rng.random_range(0..free.len());
        let begins = free[who].1 + rng.random_range(1..4);
        let ends = begins + rng.random_range(1..6);
        let kind = match rng.random_range(0..12) {
            0 => Kind::Info,
            1 => Kind::Fail,
            _ => Kind::Ok,
        };
        let functions = known.functions();
        let f = functions[rng.random_range(0..functions.len())];
        let argument = match f {
            "cas" => Value::List(vec![
                Value::Int(rng.random_range(0..=number)),
                Value::Int(number + 1),
            ]),
            "increment" | "decrement" => Value::Int(1),
            "add" if known == Known::Counter => Value::Int(1),
            "remove" | "contains" => Value::Int(rng.random_range(0..=number)),
            "append" if known == Known::KeyValue => Value::str(&format!("<{number}>")),
            "write" | "add" | "enqueue" | "push" | "append" | "put" => Value::Int(number + 1),
            _ => Value::Nil,
        };
        let argument = match (known, f) {
            (Known::KeyValue, "put") => Value::str(&format!("[{number}]")),
            _ => argument,
        };
        asked.push(Asked {
            process: free[who].0,
            begins,
            acts: rng.random_range(begins..=ends),
            ends,
            kind,
            f,
            argument,
            result: Value::Nil,
        });
        free[who].1 = ends;
        if kind == Kind::Info {
            free[who].0 = processes;
            processes += 1;
        }
    }
    // What a correct copy answers, in the order in which they act.
    let mut order: Vec<usize> = (0..asked.len()).collect();
    order.sort_by_key(|&at| (asked[at].acts, at));
    let (mut value, mut line, mut count) = (Value::Nil, VecDeque::<Value>::new(), 0);
    let mut held: Option<u32> = None;
    for at in order {
        let call = &mut asked[at];
        let happens = call.kind == Kind::Ok || call.kind == Kind::Info && rng.random_bool(0.5);
        if !happens {
            continue;
        }
        let argument = call.argument.clone();
        let elements = |line: &VecDeque<Value>| Value::List(line.iter().cloned().collect());
        call.result = match call.f {
            "write" | "put" => {
                value = argument;
                value.clone()
            }
            "cas" => match argument.as_list() {
                Some([old, new]) if *old == value => {
                    value = new.clone();
                    argument
                }
                _ => {
                    call.kind = Kind::Fail;
                    argument
                }
            },
            "append" if known == Known::KeyValue => {
                let head = value.as_str().unwrap_or_default();
                value = Value::str(&format!("{head}{}", argument.as_str().unwrap_or_default()));
                argument
            }
            "delete" => {
                value = Value::Nil;
                argument
            }
            "add" | "increment" | "decrement" if known == Known::Counter => {
                count += if call.f == "decrement" { -1 } else { 1 };
                argument
            }
            "read" if known == Known::Counter => Value::Int(count),
            "read" | "get" if matches!(known, Known::Register | Known::KeyValue) => value.clone(),
            "add" if line.contains(&argument) => argument,
            "enqueue" | "push" | "add" | "append" => {
                line.push_back(argument.clone());
                argument
            }
            "remove" => {
                line.retain(|element| *element != argument);
                argument
            }
            "contains" => Value::Bool(line.contains(&argument)),
            "read" | "read-set" => elements(&line),
            "dequeue" if known == Known::PriorityQueue => {
                let largest = line.iter().max().cloned().unwrap_or_default();
                line.retain(|element| *element != largest);
                largest
            }
            "dequeue" => line.pop_front().unwrap_or_default(),
            "pop" => line.pop_back().unwrap_or_default(),
            "acquire" if held.is_none() => {
                held = Some(call.process);
                argument
            }
            "release" if held == Some(call.process) => {
                held = None;
                argument
            }
            "acquire" | "release" => {
                call.kind = Kind::Fail;
                argument
            }
            "generate" => {
                count += 1;
                Value::Int(count)
            }
            _ => argument,
        };
    }
    // Now and then a wrong answer.
    if rng.random_bool(0.5) {
        let at = rng.random_range(0..asked.len());
        let other = asked[rng.random_range(0..asked.len())].result.clone();
        asked[at].result = other;
        asked[at].kind = Kind::Ok;
    }
    let mut entries: Vec<(u64, bool, usize)> = Vec::new();
    for (at, call) in asked.iter().enumerate() {
        entries.push((call.begins, true, at));
        entries.push((call.ends, false, at));
    }
    entries.sort_unstable();
    let ops = entries
        .iter()
        .enumerate()
        .map(|(index, &(time, starts, at))| {
            let call = &asked[at];
            Op {
                index,
                time,
                process: Process::Client(call.process),
                kind: if starts { Kind::Invoke } else { call.kind },
                f: F::new(call.f),
                key: None,
                value: match call.kind {
                    Kind::Ok if !starts => call.result.clone(),
                    _ => call.argument.clone(),
                },
                node: None,
                error: None,
            }
        });
    // A process that goes on after info has a new number from its next call on.
    History::new(ops.collect()).expect("the test makes lawful histories")
}

/// The verdict and what the verifier says of its certificate.
fn proven(history: &History, judge: Linearizable) -> (Verdict, Option<(String, Verified)>) {
    let calls = Calls::of(history);
    let report = judge.judge(&calls, &Budget::unlimited());
    let certificate = certify::certificate(&judge, &calls, &report, &Budget::unlimited());
    let verified = certificate.ok().map(|text| {
        let verified = verify(history, &text);
        (text, verified)
    });
    (report.verdict, verified)
}

#[test]
fn every_verdict_is_proven_to_other_code() {
    for known in Known::ALL {
        if known == Known::MultiRegister {
            continue; // Its calls are lists; the published histories have them.
        }
        let (mut held, mut violated, mut unknown) = (0, 0, 0);
        for seed in 0..1_500 {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let history = made(&mut rng, known);
            let told = |what: &dyn std::fmt::Debug| {
                format!("{known}, seed {seed}: {what:?}\n{:#?}", history.ops())
            };
            let (verdict, certificate) = proven(&history, Linearizable::of(known));
            match (verdict, certificate) {
                (Verdict::Held, Some((_, Verified::Proven { held: true, .. }))) => held += 1,
                (Verdict::Violated, Some((_, Verified::Proven { held: false, .. }))) => {
                    violated += 1;
                }
                (Verdict::Undecided, _) | (_, Some((_, Verified::Unknown(_)))) => unknown += 1,
                other => panic!("{}", told(&other)),
            }
        }
        println!("{known}: {held} held, {violated} violated, {unknown} open");
        assert!(held > 100, "{known}: {held} held");
        let blind = matches!(known, Known::CasRegister | Known::Semaphore(_));
        assert!(
            violated > 10 || blind,
            "{known}: {violated} violated, {unknown} open"
        );
    }
}

#[test]
fn what_was_tampered_with_is_not_proven() {
    let mut caught = 0;
    for seed in 0..400 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let history = made(&mut rng, Known::Register);
        let (verdict, Some((text, _))) = proven(&history, Linearizable::default()) else {
            continue;
        };
        let other = match verdict {
            Verdict::Held => text.replace("held", "violated"),
            _ => text.replace("violated", "held"),
        };
        assert!(
            !matches!(verify(&history, &other), Verified::Proven { .. }),
            "seed {seed}: the opposite is proven as well"
        );
        // One call less: an order lacks what happened.
        let (head, line) = text.trim_end().split_once('\n').expect("two lines");
        let fewer = line.replacen("[", "[999999,", 1);
        let fewer = format!("{head}\n{fewer}\n");
        let verified = verify(&history, &fewer);
        caught += usize::from(matches!(verified, Verified::Wrong(_)));
    }
    assert!(caught > 100, "{caught}");
}

#[test]
fn published_histories_are_proven() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/histories");
    let Ok(manifest) = std::fs::read_to_string(folder.join("MANIFEST.tsv")) else {
        println!(
            "SKIPPED: the recorded histories are not at {}",
            folder.display()
        );
        return;
    };
    let (mut count, mut open) = (0, 0);
    for line in manifest.lines().skip(1) {
        let fields: Vec<&str> = line.split('\t').collect();
        if fields[3] != "linearizable" {
            continue;
        }
        let bytes = std::fs::read(folder.join(fields[0])).expect("the manifest's files are there");
        let format = Format::detect(&bytes[..bytes.len().min(Format::HEAD)]).expect("it is known");
        let read = format.read(&bytes[..], jepsen::Options::default());
        let (history, _) = read.expect("it is read").history().expect("it is lawful");
        let (verdict, certificate) = proven(&history, Linearizable::default());
        count += 1;
        match (verdict, certificate) {
            (Verdict::Held, Some((_, Verified::Proven { held: true, .. })))
            | (Verdict::Violated, Some((_, Verified::Proven { held: false, .. }))) => {}
            (_, Some((_, Verified::Unknown(why)))) => {
                println!("{}: {why}", fields[0]);
                open += 1;
            }
            other => panic!("{}: {other:?}", fields[0]),
        }
    }
    println!("{count} published histories, {open} of them open to the verifier");
    assert!(count > 100 && open * 10 < count, "{count}, {open} open");
}
