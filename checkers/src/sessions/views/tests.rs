use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::super::walk;
use super::*;
use crate::history::notation::h;

/// Reads and writes of five sessions on two keys; reads return what any of them wrote.
fn made(rng: &mut ChaCha8Rng) -> String {
    let mut text = String::new();
    let mut written = [Vec::new(), Vec::new()];
    for value in 0..rng.random_range(4..40) {
        let (session, key) = (rng.random_range(0..5), rng.random_range(0..2));
        let name = ["x", "y"][key];
        let values: &mut Vec<i32> = &mut written[key];
        text += &if rng.random_bool(0.4) {
            values.push(value);
            format!("{session}:w{value}@{name} {session}:ok ")
        } else if let Some(last) = values.len().checked_sub(rng.random_range(1..3)) {
            format!("{session}:r@{name} {session}:ok={} ", values[last])
        } else {
            format!("{session}:r@{name} {session}:ok=nil ")
        };
    }
    text
}

#[test]
fn several_workers_find_what_one_does() {
    let (mut held, mut broken) = (0, 0);
    for seed in 0..3_000 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let text = made(&mut rng);
        let calls = Calls::of(&h(&text));
        let rows = Rows::of(&calls);
        for causal in [false, true] {
            let judge = |workers| {
                let budget = Budget::unlimited();
                let found = judge_by(workers, &calls, &rows, causal, None, &budget);
                let found = found.expect("there is time");
                (found.count, found.power, format!("{:?}", found.list))
            };
            let alone = judge(1);
            *(if alone.0 == 0 { &mut held } else { &mut broken }) += 1;
            for workers in 2..4 {
                assert_eq!(judge(workers), alone, "seed {seed}: {text}");
            }
        }
    }
    assert!(held > 500 && broken > 500, "{held} held, {broken} broken");
}

/// Operations of a store of copies, one a session: each takes what others wrote in an order of its
/// own that keeps causality, and the last to arrive wins. Then some reads are made to return
/// something else that was written.
fn copies(rng: &mut ChaCha8Rng) -> String {
    const SESSIONS: usize = 5;
    const KEYS: usize = 4;
    struct Write {
        key: usize,
        after: [usize; SESSIONS],
    }
    let mut logs: Vec<Vec<(usize, Write)>> = (0..SESSIONS).map(|_| Vec::new()).collect();
    let mut has = [[0; SESSIONS]; SESSIONS];
    let mut holds = [[None; KEYS]; SESSIONS];
    let mut written: [Vec<usize>; KEYS] = Default::default();
    let wrong = if rng.random_bool(0.5) { 0.0 } else { 0.3 };
    let mut text = String::new();
    for value in 0..rng.random_range(10..50) {
        let session = rng.random_range(0..SESSIONS);
        for _ in 0..rng.random_range(0..4) {
            let from = rng.random_range(0..SESSIONS);
            let next = logs[from].get(has[session][from]);
            if let Some((value, write)) = next
                && from != session
                && (0..SESSIONS).all(|one| write.after[one] <= has[session][one])
            {
                holds[session][write.key] = Some(*value);
                has[session][from] += 1;
            }
        }
        let key = rng.random_range(0..KEYS);
        let name = ["w", "x", "y", "z"][key];
        text += &if rng.random_bool(0.5) {
            let after = has[session];
            logs[session].push((value, Write { key, after }));
            has[session][session] += 1;
            holds[session][key] = Some(value);
            written[key].push(value);
            format!("{session}:w{value}@{name} {session}:ok ")
        } else {
            let other = rng.random_bool(wrong) && !written[key].is_empty();
            let seen = if other {
                let last = written[key].len();
                Some(written[key][rng.random_range(last.saturating_sub(4)..last)])
            } else {
                holds[session][key]
            };
            let seen = seen.map_or("nil".to_owned(), |value| value.to_string());
            format!("{session}:r@{name} {session}:ok={seen} ")
        };
    }
    text
}

/// Whether a session has no order, by the definition: what is before what, all of it, until
/// nothing is added.
fn is_broken(rows: &Rows, session: u32, causal: bool) -> bool {
    let count = rows.len();
    let mut before: Vec<u128> = vec![0; count];
    for (at, earlier) in before.iter_mut().enumerate() {
        let row = narrow(at);
        for other in rows
            .of_session(rows.session[at])
            .take_while(|other| *other < row)
        {
            *earlier |= 1 << other;
        }
        let counts = causal || rows.session[at] == session;
        if rows.source[at] < INITIAL && counts {
            *earlier |= 1 << rows.source[at];
        }
    }
    loop {
        let was = before.clone();
        for middle in 0..count {
            for at in 0..count {
                if before[at] >> middle & 1 == 1 {
                    before[at] |= before[middle];
                }
            }
        }
        for read in rows.of_session(session) {
            let at = read as usize;
            let Some(source) = rows.reads(read) else {
                continue;
            };
            for write in (0..count).filter(|write| rows.write[*write] && *write != at) {
                let same = rows.key[write] == rows.key[at] && narrow(write) != source;
                if same && before[at] >> write & 1 == 1 {
                    if source == INITIAL {
                        return true;
                    }
                    before[source as usize] |= 1 << write;
                }
            }
        }
        if (0..count).any(|at| before[at] >> at & 1 == 1) {
            return true;
        }
        if was == before {
            return false;
        }
    }
}

/// How many sessions of a history have no order, as judged and by the definition.
fn both(text: &str, causal: bool) -> (usize, usize) {
    let calls = Calls::of(&h(text));
    let rows = Rows::of(&calls);
    let order = walk::order(&calls, &rows);
    assert!(order.is_some(), "causality has no circle: {text}");
    let budget = Budget::unlimited();
    let found = judge_by(1, &calls, &rows, causal, order.as_deref(), &budget);
    let sessions = 0..narrow(rows.sessions());
    let broken = sessions.filter(|&session| is_broken(&rows, session, causal));
    (found.expect("there is time").count, broken.count())
}

#[test]
fn what_is_found_is_what_the_definition_asks_for() {
    let seeds = if cfg!(debug_assertions) {
        4_000
    } else {
        400_000
    };
    let (mut held, mut broken) = (0, 0);
    for seed in 0..seeds {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let text = copies(&mut rng);
        for causal in [false, true] {
            let (found, defined) = both(&text, causal);
            assert_eq!(found, defined, "seed {seed}, causal {causal}: {text}");
            *(if defined == 0 { &mut held } else { &mut broken }) += 1;
        }
    }
    assert!(
        held > seeds / 2 && broken > seeds / 4,
        "{held} held, {broken} broken"
    );
}

#[test]
fn a_write_that_moves_takes_along_what_must_come_before_it() {
    // Of 9: 6 is before 1, and so 5, and so 4, which it read before 5, and so 3; but it read 2.
    let text = "1:w1@k 1:ok 2:w2@m 2:ok 3:r@m 3:ok=2 3:w3@m 3:ok 3:w4@l 3:ok 3:w7@n 3:ok \
                4:w5@l 4:ok 4:w6@k 4:ok 4:w8@o 4:ok 9:r@k 9:ok=1 9:r@m 9:ok=2 9:r@n 9:ok=7 \
                9:r@l 9:ok=5 9:r@o 9:ok=8 9:r@k 9:ok=1 ";
    assert_eq!(both(text, true), (1, 1));
}
