//! Guarantees of sessions against imagined stores whose promises are known: none is accused of
//! breaking what it keeps, and what it breaks is found.

use std::collections::BTreeMap;

use checkers::history::Kind;
use checkers::{Budget, Checker, Guarantee, Report, Sessions, Verdict};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::made::{Asked, Made, history};

/// What a store with copies keeps. What a session sees is a set of writes; reads return the
/// latest one of them, or the one that arrived last.
#[derive(Clone, Copy)]
pub(crate) struct Keeps {
    /// A session sees its own writes.
    pub(crate) own: bool,
    /// What it saw it goes on seeing.
    pub(crate) monotonic: bool,
    /// A write arrives after the earlier ones of its session.
    pub(crate) writes: bool,
    /// A write arrives after what its session had read.
    pub(crate) reads: bool,
    /// All agree which of two writes to a key is the later one; else it is the last to arrive.
    pub(crate) agreed: bool,
    /// A read sees all writes up to some moment.
    pub(crate) whole: bool,
}

pub(crate) const CAUSAL: Keeps = Keeps {
    own: true,
    monotonic: true,
    writes: true,
    reads: true,
    agreed: true,
    whole: false,
};

const SEQUENTIAL: Keeps = Keeps {
    whole: true,
    ..CAUSAL
};

struct Write {
    key: u8,
    value: i64,
    /// What arrives before it.
    after: Vec<usize>,
}

#[derive(Default)]
struct Session {
    process: u32,
    /// The writes that arrived, in that order.
    seen: Vec<usize>,
    /// What its reads depend on: what it saw at its last one.
    read: Vec<usize>,
    written: Vec<usize>,
}

struct Store {
    keeps: Keeps,
    writes: Vec<Write>,
    sessions: Vec<Session>,
    rng: ChaCha8Rng,
}

impl Store {
    /// With all that must come before it.
    fn arrive(&mut self, session: usize, write: usize) {
        if self.sessions[session].seen.contains(&write) {
            return;
        }
        for before in self.writes[write].after.clone() {
            self.arrive(session, before);
        }
        self.sessions[session].seen.push(write);
    }

    fn read(&mut self, session: usize, key: u8) -> i64 {
        let count = self.writes.len();
        if self.keeps.whole {
            // Everything up to a moment that is not before what it saw.
            let from = self.sessions[session].seen.len();
            for write in from..self.rng.random_range(from..=count) {
                self.sessions[session].seen.push(write);
            }
        } else if count > 0 {
            for _ in 0..self.rng.random_range(0..2) {
                let latest = count.saturating_sub(30);
                let write = self.rng.random_range(latest..count);
                self.arrive(session, write);
            }
        }
        let mut shown = self.sessions[session].seen.clone();
        if !self.keeps.monotonic {
            // A copy that lags: it has the beginning of what arrived.
            let kept = self.rng.random_range(0..=shown.len());
            shown.truncate(kept);
            if self.keeps.own {
                shown.extend(&self.sessions[session].written);
            }
        }
        self.sessions[session].read.clone_from(&shown);
        let on_key = |write: &&usize| self.writes[**write].key == key;
        let latest = if self.keeps.agreed {
            shown.iter().filter(on_key).max()
        } else {
            shown.iter().rfind(on_key)
        };
        latest.map_or(0, |&write| self.writes[write].value)
    }

    fn write(&mut self, session: usize, key: u8, value: i64) {
        let write = self.writes.len();
        let state = &self.sessions[session];
        let mut after = Vec::new();
        if self.keeps.writes {
            after.extend(&state.written);
        }
        if self.keeps.reads {
            after.extend(&state.read);
        }
        if self.keeps.whole {
            // Its own copy first takes all that was written before.
            let from = self.sessions[session].seen.len();
            self.sessions[session].seen.extend(from..write);
        }
        self.writes.push(Write { key, value, after });
        self.sessions[session].written.push(write);
        if self.keeps.own {
            self.arrive(session, write);
        }
    }
}

/// A run: one operation after another, by any of the sessions.
pub(crate) fn run(keeps: Keeps, seed: u64, operations: usize) -> Vec<Made> {
    let mut store = Store {
        keeps,
        writes: Vec::new(),
        sessions: Vec::new(),
        rng: ChaCha8Rng::seed_from_u64(seed),
    };
    for process in 0..6 {
        store.sessions.push(Session {
            process,
            ..Session::default()
        });
    }
    let mut made = Vec::new();
    let mut fresh = 6;
    for place in 0..operations {
        let who = store.rng.random_range(0..6);
        let key = store.rng.random_range(0..4);
        let process = store.sessions[who].process;
        let mut kind = Kind::Ok;
        let asked = if store.rng.random_bool(0.4) {
            let value = i64::try_from(place + 1).expect("few");
            store.write(who, key, value);
            if store.rng.random_bool(0.05) {
                // Nobody hears of it; whoever goes on is another session, with nothing seen.
                kind = Kind::Info;
                store.sessions[who] = Session {
                    process: fresh,
                    ..Session::default()
                };
                fresh += 1;
            }
            Asked::Write(value)
        } else {
            Asked::Read(store.read(who, key))
        };
        let time = u64::try_from(place).expect("few");
        made.push(Made {
            process,
            key,
            asked,
            kind,
            begins: (place * 2, time),
            ends: Some((place * 2 + 1, time)),
        });
    }
    made
}

pub(crate) fn judged(made: &[Made]) -> Report {
    Sessions::all().check(&history(made), &Budget::unlimited())
}

pub(crate) fn verdicts(report: &Report) -> BTreeMap<&str, Verdict> {
    let parts = report.parts.iter();
    parts
        .map(|part| (part.checker.as_str(), part.verdict))
        .collect()
}

const SEEDS: u64 = 60;

/// Runs a store often: `kept` is never refuted, and each of `broken` is in many runs.
fn check(name: &str, keeps: Keeps, kept: &[Guarantee], broken: &[Guarantee]) {
    // To search for one order of everything takes long, and belongs to the one store that has it.
    let whole = keeps.whole;
    let asked = Guarantee::ALL
        .iter()
        .filter(|one| whole || **one != Sequential);
    let asked: Vec<Guarantee> = asked.copied().collect();
    let mut found: BTreeMap<&str, u64> = BTreeMap::new();
    let mut held: BTreeMap<&str, u64> = BTreeMap::new();
    for seed in 0..SEEDS {
        let made = run(keeps, seed, if whole { 240 } else { 700 });
        let judge = Sessions::some("sessions", &asked);
        let report = judge.check(&history(&made), &Budget::unlimited());
        let verdicts = verdicts(&report);
        for guarantee in kept {
            let verdict = verdicts[guarantee.name()];
            let part = report
                .parts
                .iter()
                .find(|part| part.checker == guarantee.name());
            assert_ne!(
                verdict,
                Verdict::Violated,
                "{name}, seed {seed}, {}: {part:#?}",
                guarantee.name()
            );
        }
        for (name, verdict) in &verdicts {
            let given = Guarantee::find(name).map_or(&[][..], Guarantee::given);
            for given in given {
                let refuted = verdicts[given.name()] == Verdict::Violated;
                assert!(
                    !refuted || *verdict == Verdict::Undecided,
                    "seed {seed}: {name}"
                );
            }
        }
        for (guarantee, verdict) in verdicts {
            let guarantee = Guarantee::find(guarantee).expect("it has a name").name();
            *found.entry(guarantee).or_default() += u64::from(verdict == Verdict::Violated);
            *held.entry(guarantee).or_default() += u64::from(verdict == Verdict::Held);
        }
    }
    for guarantee in broken {
        assert!(
            found[guarantee.name()] * 10 >= SEEDS * 3,
            "{name}: {} is rarely found: {found:?}",
            guarantee.name()
        );
    }
    for guarantee in kept.iter().filter(|one| one.given().is_empty()) {
        if *guarantee != Sequential {
            assert!(
                held[guarantee.name()] * 10 >= SEEDS * 8,
                "{name}: {} is rarely held: {held:?}",
                guarantee.name()
            );
        }
    }
}

use Guarantee::{
    Causal, CausalConvergence, CausalMemory, MonotonicReads, MonotonicWrites, Pram, ReadYourWrites,
    Sequential, WritesFollowReads,
};

#[test]
fn a_sequential_store_breaks_nothing() {
    check("sequential", SEQUENTIAL, Guarantee::ALL, &[]);
}

#[test]
fn a_causal_store_that_converges_breaks_no_session() {
    let kept = [
        ReadYourWrites,
        MonotonicReads,
        MonotonicWrites,
        WritesFollowReads,
        Causal,
        CausalConvergence,
    ];
    check("convergent", CAUSAL, &kept, &[]);
}

#[test]
fn a_causal_store_of_separate_copies_keeps_causal_memory() {
    let kept = [
        ReadYourWrites,
        MonotonicReads,
        MonotonicWrites,
        WritesFollowReads,
        Pram,
        Causal,
        CausalMemory,
    ];
    let keeps = Keeps {
        agreed: false,
        ..CAUSAL
    };
    check("causal broadcast", keeps, &kept, &[CausalConvergence]);
}

#[test]
fn a_store_of_separate_pipes_keeps_pram() {
    let kept = [ReadYourWrites, MonotonicReads, MonotonicWrites, Pram];
    let keeps = Keeps {
        agreed: false,
        reads: false,
        ..CAUSAL
    };
    check("pipes", keeps, &kept, &[WritesFollowReads, Causal]);
}

#[test]
fn a_store_that_hides_own_writes_breaks_just_that() {
    let kept = [MonotonicReads, MonotonicWrites, WritesFollowReads];
    let keeps = Keeps {
        own: false,
        ..CAUSAL
    };
    check("own", keeps, &kept, &[ReadYourWrites, Pram, Causal]);
}

#[test]
fn a_store_whose_reads_go_back_breaks_just_that() {
    // What is judged given monotonic reads is no matter of such a store.
    let kept = [ReadYourWrites];
    let keeps = Keeps {
        monotonic: false,
        ..CAUSAL
    };
    check("back", keeps, &kept, &[MonotonicReads, Pram]);
}

#[test]
fn a_store_whose_writes_overtake_each_other_breaks_just_that() {
    let kept = [ReadYourWrites, MonotonicReads, WritesFollowReads];
    let keeps = Keeps {
        writes: false,
        ..CAUSAL
    };
    check("overtaking", keeps, &kept, &[MonotonicWrites, Pram, Causal]);
}

#[test]
fn a_store_whose_writes_forget_what_was_read_breaks_just_that() {
    let kept = [ReadYourWrites, MonotonicReads, MonotonicWrites];
    let keeps = Keeps {
        reads: false,
        ..CAUSAL
    };
    check("forgetting", keeps, &kept, &[WritesFollowReads, Causal]);
}
