//! The ledger against its definition, word by word, on small random histories; its table.

mod made;

use std::collections::{BTreeMap, BTreeSet};

use checkers::calls::Calls;
use checkers::history::notation::h;
use checkers::history::{Kind, Value};
use checkers::loss::{Fate, ledger, write_csv};
use checkers::{Budget, Checker, Loss, Verdict};
use made::{Made, history, int, list, made, seeds};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

const FINAL: u64 = 50;

/// Writes, reads and compare-and-sets of a register, or adds and removes of a set; then final
/// reads of two nodes, that show anything.
fn any(rng: &mut ChaCha8Rng, is_set: bool) -> Vec<Made> {
    let count = rng.random_range(1..7);
    let width = rng.random_range(1..4);
    let mut calls = made(rng, count, width, |rng, number| {
        let own = int(i64::try_from(number).expect("few"));
        let other = int(rng.random_range(0..7));
        let other = if rng.random_bool(0.1) {
            Value::Nil
        } else {
            other
        };
        match (is_set, rng.random_range(0..10)) {
            (true, 0) => ("remove", other.clone(), other),
            (true, _) => ("add", own.clone(), own),
            (false, 0..4) => ("read", Value::Nil, other),
            (false, 4) => {
                let pair = list([other, own]);
                ("cas", pair.clone(), pair)
            }
            (false, _) => ("write", own.clone(), own),
        }
    });
    let mut at = FINAL;
    if rng.random_bool(0.05) {
        at = 3;
    }
    for (place, node) in ["n1", "n2"].into_iter().enumerate() {
        if rng.random_bool(0.08) {
            continue;
        }
        let items = (0..8).filter(|_| rng.random_bool(0.5)).map(int);
        let mut items: Vec<Value> = items.collect();
        if rng.random_bool(0.1) {
            items.push(int(rng.random_range(0..7)));
        }
        let result = match rng.random_range(0..8) {
            _ if is_set => list(items),
            0 => Value::Nil,
            1 => list(items),
            _ => int(rng.random_range(0..8)),
        };
        calls.push(Made {
            process: 90 + u32::try_from(place).expect("few"),
            begins: at,
            ends: at + 1,
            kind: if rng.random_bool(0.05) {
                Kind::Fail
            } else {
                Kind::Ok
            },
            f: if is_set {
                "final-read-set"
            } else {
                "final-read"
            },
            key: Value::str("x"),
            argument: Value::Nil,
            result,
            node,
        });
    }
    calls
}

/// The values that a node holds: of a register one, or siblings.
fn held(read: &Made) -> Vec<Value> {
    match &read.result {
        Value::List(items) => items.clone(),
        value => vec![value.clone()],
    }
}

/// What a write leaves behind.
fn written(call: &Made) -> Option<Value> {
    match call.f {
        "write" | "add" => Some(call.argument.clone()),
        "cas" => Some(call.argument.as_list().expect("a pair")[1].clone()),
        _ => None,
    }
}

/// When a value had certainly taken effect: at the end of its write, of a read of it, or of a
/// compare-and-set that found it.
fn certain(calls: &[Made], value: &Value) -> Option<u64> {
    if *value == Value::Nil {
        return Some(0);
    }
    let shows = |call: &&Made| {
        call.kind == Kind::Ok
            && (written(call).as_ref() == Some(value)
                || call.f == "read" && call.result == *value
                || call.f == "cas" && call.argument.as_list().expect("a pair")[0] == *value)
    };
    calls.iter().filter(shows).map(|call| call.ends + 1).min()
}

/// The fate of every write by the definitions, in the order of the calls, and the counts of
/// duplicates and phantoms.
fn defined(calls: &[Made], is_set: bool) -> (Vec<Option<Fate>>, usize, usize, usize) {
    let finals: Vec<&Made> = calls.iter().filter(|c| c.f.starts_with("final")).collect();
    let answered: Vec<&&Made> = finals.iter().filter(|c| c.kind == Kind::Ok).collect();
    let everything: Vec<Value> = answered.iter().flat_map(|read| held(read)).collect();
    let mut nodes: BTreeSet<&str> = finals.iter().map(|read| read.node).collect();
    nodes.extend(calls.iter().filter(|c| c.kind == Kind::Ok).map(|c| c.node));
    let all_read = nodes.len() == answered.len();
    let began = answered.iter().map(|read| read.begins).min();
    let mut repeats: BTreeMap<Value, usize> = BTreeMap::new();
    for call in calls.iter().filter(|call| call.kind != Kind::Fail) {
        if let Some(value) = written(call) {
            *repeats.entry(value).or_default() += 1;
        }
    }
    assert!(
        repeats.values().all(|count| *count == 1),
        "values are unique"
    );
    let writer = |value: &Value, failed: bool| {
        calls.iter().find(|call| {
            (call.kind == Kind::Fail) == failed && written(call).as_ref() == Some(value)
        })
    };
    let fate = |call: &Made| {
        let value = written(call)?;
        let is_held = everything.contains(&value);
        match call.kind {
            Kind::Fail | Kind::Invoke => return None,
            Kind::Info => return is_held.then_some(Fate::Recovered),
            Kind::Ok if is_held => return Some(Fate::Present),
            Kind::Ok => {}
        }
        let settled = all_read && began.is_some_and(|began| call.ends < began);
        if is_set {
            let removed = calls
                .iter()
                .any(|c| c.f == "remove" && c.kind != Kind::Fail && c.argument == value);
            return Some(match settled {
                _ if removed => Fate::Replaced,
                true => Fate::Lost,
                false => Fate::Undecided,
            });
        }
        // Lost if all that is left had taken effect before it began.
        let older = |left: &Value| certain(calls, left).is_some_and(|at| at < call.begins + 1);
        if everything.iter().all(older) {
            return Some(if settled { Fate::Lost } else { Fate::Undecided });
        }
        let later = |left: &Value| writer(left, false).is_some_and(|w| w.begins > call.ends);
        Some(if everything.iter().any(later) {
            Fate::Replaced
        } else {
            Fate::Overwritten
        })
    };
    let fates = calls.iter().map(fate).collect();
    let distinct: BTreeSet<&Value> = everything.iter().collect();
    let strange = |failed: bool| {
        let is = |value: &&&Value| {
            (is_set || ***value != Value::Nil)
                && writer(value, false).is_none()
                && writer(value, true).is_some() == failed
        };
        distinct.iter().filter(is).count()
    };
    let double = |read: &&Made| {
        let items = held(read);
        items.len() - items.iter().collect::<BTreeSet<_>>().len()
    };
    let duplicates = if is_set {
        answered.iter().map(|read| double(read)).sum()
    } else {
        0
    };
    (fates, strange(true), duplicates, strange(false))
}

#[test]
fn the_ledger_agrees_with_its_definition() {
    let mut seen: BTreeMap<Fate, usize> = BTreeMap::new();
    for seed in 0..seeds() {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let is_set = rng.random_bool(0.4);
        let calls = any(&mut rng, is_set);
        if !calls.iter().any(|call| written(call).is_some()) {
            continue;
        }
        let (fates, dirty, duplicates, phantoms) = defined(&calls, is_set);
        let history = history(&calls);
        let columns = Calls::of(&history);
        let ledger = ledger(&columns);
        let told = || format!("seed {seed}: {calls:#?}");
        let mut found: BTreeMap<(u64, String), Fate> = BTreeMap::new();
        for row in ledger.rows().filter(|row| !matches!(row.fate, Fate::Dirty)) {
            *seen.entry(row.fate).or_default() += 1;
            if let Some(began) = row.began() {
                found.insert((began, row.value().to_string()), row.fate);
            }
            if row.fate == Fate::Lost {
                assert_eq!(
                    row.lacking().len(),
                    calls
                        .iter()
                        .filter(|c| c.f.starts_with("final") && c.kind == Kind::Ok)
                        .count()
                );
            }
        }
        let expected: BTreeMap<(u64, String), Fate> = calls
            .iter()
            .zip(&fates)
            .filter_map(|(call, fate)| Some(((call.begins, written(call)?.to_string()), (*fate)?)))
            .collect();
        assert_eq!(found, expected, "{}", told());
        assert_eq!(ledger.count(Fate::Dirty), dirty, "{}", told());
        assert_eq!(ledger.count(Fate::Duplicate), duplicates, "{}", told());
        assert_eq!(ledger.count(Fate::Phantom), phantoms, "{}", told());
        let report = Loss.judge(&columns, &Budget::unlimited());
        let bad = ledger.rows().any(|row| row.fate.is_anomaly());
        assert_eq!(report.verdict == Verdict::Violated, bad, "{}", told());
        let open = expected.values().any(|fate| *fate == Fate::Undecided);
        assert!(report.verdict != Verdict::Held || !open, "{}", told());
    }
    println!("{seen:?}");
    let often = u64::try_from(seen.len()).unwrap() == 8
        && seen.values().all(|count| *count as u64 * 200 > seeds());
    assert!(often, "lopsided: {seen:?}");
}

/// What must not change what became of anything: other names; and reads only add proof.
#[test]
fn renaming_changes_no_fate_and_fewer_reads_find_no_more_losses() {
    for seed in 0..seeds() / 10 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let is_set = rng.random_bool(0.4);
        let calls = any(&mut rng, is_set);
        let counts = |calls: &[Made]| {
            let columns = Calls::of(&history(calls));
            let ledger = ledger(&columns);
            Fate::ALL.map(|fate| ledger.count(fate))
        };
        let before = counts(&calls);
        let mut renamed = calls.clone();
        for call in &mut renamed {
            call.key = Value::str("another, \"key\"");
            call.process += 1000;
        }
        assert_eq!(counts(&renamed), before, "seed {seed}");
        // Reads tell when something was there, so without them less is certain; but they also
        // tell of nodes, so all of these must have been read in the end.
        let answered = |call: &&Made| call.f.starts_with("final") && call.kind == Kind::Ok;
        if calls.iter().filter(answered).count() < 2 {
            continue;
        }
        let fewer: Vec<Made> = calls
            .iter()
            .filter(|call| call.f != "read")
            .cloned()
            .collect();
        let lost = Fate::Lost as usize;
        assert!(counts(&fewer)[lost] <= before[lost], "seed {seed}");
    }
}

#[test]
fn the_table_has_every_row_and_escapes_what_must_be() {
    let text = "n:partition=[n1] n:partition=[n1] 0:w1@a,b 0:ok%n1 0:w2@a,b 0:ok%n1 n:heal n:heal \
                n:promote=n2 n:promote=n2 8:fr@a,b%n1 8:ok=1 9:fr@a,b%n2 9:ok=1";
    let calls = Calls::of(&h(text));
    let ledger = ledger(&calls);
    let mut table = Vec::new();
    write_csv(ledger.rows(), &mut table).unwrap();
    let expected = "fate,kind,key,value,index,process,node,began_ns,ended_ns,lacking,faults,\
                    promoted,begins_at,log_ends\r\n\
                    present,register,\"a,b\",1,2,p0,n1,2000000,3000000,,partition of n1,n2,,\r\n\
                    lost,register,\"a,b\",2,4,p0,n1,4000000,5000000,n1 n2,partition of n1,n2,,\r\n";
    assert_eq!(String::from_utf8(table).unwrap(), expected);
    let windows = ledger.loss_windows();
    assert_eq!(windows.len(), 1);
    assert_eq!(windows[0].faults, ["partition of n1"]);
}

#[test]
fn a_loss_after_seeing_the_winner_is_counted_apart() {
    let number = |text: &str, name: &str| {
        let report = Loss.judge(&Calls::of(&h(text)), &Budget::unlimited());
        report.number(name)
    };
    let aware = "0:w1 0:ok%n1 1:r 1:ok=1 1:w2 1:ok%n1 8:fr%n1 8:ok=1";
    assert_eq!(number(aware, "lost"), Some(1));
    assert_eq!(number(aware, "lost_after_seeing"), Some(1));
    let unaware = "0:w1 0:ok%n1 1:w2 1:ok%n1 8:fr%n1 8:ok=1";
    assert_eq!(number(unaware, "lost"), Some(1));
    assert_eq!(number(unaware, "lost_after_seeing"), Some(0));
}
