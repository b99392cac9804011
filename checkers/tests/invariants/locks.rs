//! Locks, tokens, and what they guard.

use checkers::Verdict;
use checkers::history::{Kind, Nanos, Value};
use checkers::invariants::{FencingTokens, GuardedResource, Locks};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use crate::made::{Made, Truth, agrees, calls, check, int};

/// Locks are taken and given back by turns, mostly; some are shared.
fn made(rng: &mut ChaCha8Rng, shared: f64, most: usize) -> Vec<Made> {
    let count = rng.random_range(2..most);
    let width = rng.random_range(1..4);
    let keys = rng.random_range(1..3);
    let mut holding: Vec<(u32, i64)> = Vec::new();
    calls(rng, count, width, |rng, _, call| {
        let key = rng.random_range(0..keys);
        let held = holding.iter().position(|held| *held == (call.process, key));
        let releases = held.is_some() != rng.random_bool(0.1);
        call.key = int(key);
        call.f = if releases { "release" } else { "acquire" };
        if !releases && rng.random_bool(shared) {
            call.argument = Value::str("shared");
            call.result = call.argument.clone();
        }
        match held {
            Some(held) if releases => drop(holding.remove(held)),
            None if !releases && call.is_ok() => holding.push((call.process, key)),
            Some(_) | None => {}
        }
    })
}

pub(crate) fn plain(rng: &mut ChaCha8Rng) -> Vec<Made> {
    made(rng, 0.0, 8)
}

pub(crate) fn shared(rng: &mut ChaCha8Rng) -> Vec<Made> {
    made(rng, 0.4, 9)
}

/// From, to, and the acquire.
type Hold<'m> = (Nanos, Nanos, &'m Made);

/// When each lock was certainly held: till its owner began to do anything more to it.
fn holds(made: &[Made], lease: Option<Nanos>) -> Vec<Hold<'_>> {
    let mut holds = Vec::new();
    for (place, call) in made.iter().enumerate() {
        if call.f != "acquire" || !call.is_ok() {
            continue;
        }
        let next = made[place + 1..].iter().find(|next| {
            next.process == call.process && next.key == call.key && next.may_have_happened()
        });
        let released = next.map_or(Nanos::MAX, |next| next.begins);
        let to = lease.map_or(released, |lease| released.min(call.begins + lease));
        if call.ends <= to {
            holds.push((call.ends, to, call));
        }
    }
    holds
}

fn conflict(one: &Hold<'_>, other: &Hold<'_>) -> bool {
    let shared = |hold: &Hold<'_>| hold.2.argument != Value::Nil;
    one.2.key == other.2.key
        && one.0 < other.1
        && other.0 < one.1
        && !(shared(one) && shared(other))
}

fn of_one_lock(holds: &[Hold<'_>], permits: usize) -> bool {
    holds.iter().any(|(_, _, one)| {
        let same = holds.iter().filter(|hold| hold.2.key == one.key);
        let others = same.clone().any(|hold| hold.2.process != one.process);
        others && same.count() > permits
    })
}

#[test]
fn mutexes_and_shared_locks_agree_with_their_definition() {
    for make in [plain, shared] {
        agrees(&Locks::default(), make, |made| {
            let holds = holds(made, None);
            let pairs = |(place, one)| holds[..place].iter().any(|other| conflict(one, other));
            Truth {
                violated: holds.iter().enumerate().any(pairs),
                power: of_one_lock(&holds, 1),
            }
        });
    }
}

#[test]
fn leases_agree_with_their_definition() {
    let locks = Locks {
        ttl: Some(6),
        uncertainty: 2,
        ..Locks::default()
    };
    agrees(&locks, plain, |made| {
        let holds = holds(made, Some(4));
        let pairs = |(place, one)| holds[..place].iter().any(|other| conflict(one, other));
        Truth {
            violated: holds.iter().enumerate().any(pairs),
            power: of_one_lock(&holds, 1),
        }
    });
}

#[test]
fn semaphores_agree_with_their_definition() {
    let locks = Locks {
        permits: 2,
        ..Locks::default()
    };
    let make = |rng: &mut ChaCha8Rng| {
        let count = rng.random_range(3..9);
        calls(rng, count, 4, |rng, _, call| {
            call.f = ["acquire", "acquire", "release"][rng.random_range(0..3)];
        })
    };
    agrees(&locks, make, |made| {
        let holds = holds(made, None);
        let all = holds.len();
        // Too many hold it if some three hold it pairwise at once.
        let three = (0..all).any(|i| {
            (0..i).any(|j| {
                (0..j).any(|k| {
                    let pair = |a: usize, b: usize| conflict(&holds[a], &holds[b]);
                    pair(i, j) && pair(j, k) && pair(i, k)
                })
            })
        });
        Truth {
            violated: three,
            power: of_one_lock(&holds, 2),
        }
    });
}

#[test]
fn a_lease_of_unknown_length_is_not_called_broken() {
    let call = |process, begins, f, result| Made {
        process,
        begins,
        ends: begins + 1,
        kind: Kind::Ok,
        f,
        key: Value::Nil,
        argument: Value::Nil,
        result,
        node: "n1",
    };
    let token = |token| Value::map([("token", int(token))]);
    let mut made = vec![
        call(0, 0, "acquire", token(1)),
        call(1, 10, "acquire", token(2)),
        call(1, 20, "release", Value::Nil),
    ];
    let report = check(&Locks::default(), &made);
    assert_eq!(report.verdict, Verdict::Undecided, "{report:#?}");
    assert_eq!(report.number("granted_while_held"), Some(1));
    assert!(report.why.unwrap().contains("lifetime of its leases"));
    assert_eq!(check(&FencingTokens, &made).verdict, Verdict::Held);
    // The lease says how long it lasts: less than until the other got it, or longer.
    let lasting = |ms| Value::map([("token", int(1)), ("ttl-ms", int(ms))]);
    for (ms, verdict) in [(5, Verdict::Held), (15, Verdict::Violated)] {
        made[0].result = lasting(ms);
        let scaled: Vec<Made> = made
            .iter()
            .map(|call| Made {
                begins: call.begins * 1_000_000,
                ends: call.ends * 1_000_000,
                ..call.clone()
            })
            .collect();
        assert_eq!(check(&Locks::default(), &scaled).verdict, verdict, "{ms}");
    }
    // Without tokens it is a plain lock.
    made.iter_mut().for_each(|call| call.result = Value::Nil);
    assert_eq!(check(&Locks::default(), &made).verdict, Verdict::Violated);
}

/// Acquires with tokens that mostly rise.
pub(crate) fn tokens(rng: &mut ChaCha8Rng) -> Vec<Made> {
    let count = rng.random_range(1..7);
    let keys = rng.random_range(1..3);
    let slip = rng.random_range(1..4);
    calls(rng, count, 3, |rng, number, call| {
        call.f = "acquire";
        call.key = int(rng.random_range(0..keys));
        let token = i64::try_from(number).expect("few") * 2 + rng.random_range(0..slip);
        call.result = match rng.random_range(0..30) {
            0 => Value::Nil,
            1..10 => Value::map([("token", int(token))]),
            _ => int(token),
        };
    })
}

fn token(value: &Value) -> Option<i64> {
    value.as_int().or_else(|| value.get("token")?.as_int())
}

#[test]
fn tokens_agree_with_their_definition() {
    agrees(&FencingTokens, tokens, |made| {
        let all: Vec<&Made> = made.iter().filter(|call| call.is_ok()).collect();
        let mut truth = Truth {
            violated: false,
            power: false,
        };
        for (place, one) in all.iter().enumerate() {
            for (other_place, other) in all.iter().enumerate() {
                let (Some(mine), Some(its)) = (token(&one.result), token(&other.result)) else {
                    continue;
                };
                if place == other_place || one.key != other.key {
                    continue;
                }
                truth.violated |= mine == its || one.precedes(other) && mine > its;
                truth.power |= one.precedes(other);
            }
        }
        truth.power &= all.iter().all(|call| token(&call.result).is_some());
        truth
    });
}

/// Writes with tokens to one resource or two, and reads of what was written.
pub(crate) fn guarded(rng: &mut ChaCha8Rng) -> Vec<Made> {
    let count = rng.random_range(2..8);
    let keys = rng.random_range(1..3);
    calls(rng, count, 3, |rng, number, call| {
        call.key = int(rng.random_range(0..keys));
        let number = i64::try_from(number).expect("few");
        let token = number / 2 + rng.random_range(0..3);
        let value = rng.random_range(0..2);
        let pair = Value::map([("token", int(token)), ("value", int(value))]);
        if rng.random_bool(0.75) {
            call.f = "guarded-write";
            call.argument = pair.clone();
            call.result = pair;
            if rng.random_bool(0.3) {
                call.kind = Kind::Fail;
            }
        } else {
            call.f = "guarded-read";
            call.result = if rng.random_bool(0.2) {
                Value::Nil
            } else {
                pair
            };
        }
    })
}

#[test]
fn guarded_resources_agree_with_their_definition() {
    agrees(&GuardedResource, guarded, |made| {
        let is = |call: &&Made, f: &str| call.f == f;
        let writes: Vec<&Made> = made.iter().filter(|c| is(c, "guarded-write")).collect();
        let reads = made
            .iter()
            .filter(|call| call.f == "guarded-read" && call.is_ok() && call.result != Value::Nil);
        let reads: Vec<&Made> = reads.collect();
        let source = |read: &Made| -> Vec<&Made> {
            let same = |write: &&&Made| {
                write.key == read.key && write.argument == read.result && write.may_have_happened()
            };
            writes.iter().filter(same).copied().collect()
        };
        let in_time = |read: &Made| source(read).iter().any(|w| w.begins <= read.ends);
        // Key, token, and when it had certainly been accepted.
        let mut accepted: Vec<(&Value, i64, Nanos)> = Vec::new();
        for write in writes.iter().filter(|write| write.is_ok()) {
            accepted.push((&write.key, token(&write.argument).unwrap(), write.ends));
        }
        for read in reads.iter().filter(|read| in_time(read)) {
            accepted.push((&read.key, token(&read.result).unwrap(), read.ends));
        }
        let stale = |write: &Made| {
            let mine = token(&write.argument).unwrap();
            let higher = |&(key, token, by): &(&Value, i64, Nanos)| {
                *key == write.key && token > mine && by < write.begins
            };
            accepted.iter().any(higher)
        };
        // An unknown one was accepted if it was seen and nobody else wrote the same.
        let happened = |write: &Made| {
            write.is_ok()
                || write.kind == Kind::Info
                    && reads.iter().any(|read| {
                        let source = source(read);
                        let sole = source.len() == 1 && std::ptr::eq(source[0], write);
                        sole && in_time(read)
                    })
        };
        let stale_ones = || writes.iter().filter(|write| stale(write));
        let phantom = reads.iter().any(|read| !in_time(read));
        Truth {
            violated: !writes.is_empty() && (phantom || stale_ones().any(|write| happened(write))),
            power: stale_ones().any(|write| write.kind == Kind::Fail),
        }
    });
}
