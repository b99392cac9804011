//! Laws that the verdicts on sessions obey: what follows from what, and what changes nothing.

use checkers::history::Kind;
use checkers::{Budget, Checker, Guarantee, Linearizable, Verdict};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::made::{Asked, Made, history, tiny};
use crate::systems::{Keeps, judged, run, verdicts};

use Guarantee::{
    Causal, CausalConvergence, CausalMemory, MonotonicReads, MonotonicWrites, Pram, ReadYourWrites,
    Sequential, WritesFollowReads,
};

/// What follows from what: the first is refuted only if the second is.
const IMPLIED: &[(Guarantee, Guarantee)] = &[
    (ReadYourWrites, Pram),
    (MonotonicReads, Pram),
    (MonotonicWrites, Pram),
    (Pram, CausalMemory),
    (WritesFollowReads, CausalMemory),
    (WritesFollowReads, CausalConvergence),
    (ReadYourWrites, Causal),
    (MonotonicReads, CausalConvergence),
    (MonotonicWrites, CausalConvergence),
    (Causal, CausalMemory),
    (Causal, CausalConvergence),
    (CausalMemory, Sequential),
    (CausalConvergence, Sequential),
];

/// Random histories of all kinds.
fn any(seed: u64) -> Vec<Made> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    if rng.random_bool(0.5) {
        let most = rng.random_range(8..30);
        return tiny(&mut rng, most);
    }
    let keeps = Keeps {
        own: rng.random(),
        monotonic: rng.random(),
        writes: rng.random(),
        reads: rng.random(),
        agreed: rng.random(),
        whole: false,
    };
    let operations = rng.random_range(8..60);
    run(keeps, seed, operations)
}

#[test]
fn a_stronger_guarantee_is_refuted_whenever_a_weaker_one_is() {
    let mut refuted = 0;
    for seed in 0..6_000 {
        let made = any(seed);
        let report = judged(&made);
        let verdicts = verdicts(&report);
        for (weaker, stronger) in IMPLIED {
            if verdicts[weaker.name()] == Verdict::Violated {
                refuted += 1;
                assert_eq!(
                    verdicts[stronger.name()],
                    Verdict::Violated,
                    "seed {seed}: {} breaks, {} does not: {made:?}",
                    weaker.name(),
                    stronger.name()
                );
            }
        }
    }
    assert!(refuted > 5_000);
}

#[test]
fn what_is_linearizable_is_refuted_by_nothing() {
    let mut held = 0;
    for seed in 0..6_000 {
        let mut made = any(seed);
        // Of equal times linearizability does not see the order of a session.
        for call in &mut made {
            call.begins.1 = u64::try_from(call.begins.0).expect("few");
            if let Some((place, time)) = &mut call.ends {
                *time = u64::try_from(*place).expect("few");
            }
        }
        let history = history(&made);
        let linearizable = Linearizable::default();
        if linearizable.check(&history, &Budget::unlimited()).verdict == Verdict::Held {
            held += 1;
            let report = judged(&made);
            assert_ne!(report.verdict, Verdict::Violated, "seed {seed}: {made:?}");
        }
    }
    println!("{held} are linearizable");
    assert!(held > 100);
}

#[test]
fn names_and_further_unknown_writes_change_nothing_and_fewer_reads_break_nothing() {
    for seed in 0..3_000 {
        let made = any(seed);
        let report = judged(&made);
        let before = verdicts(&report);
        let mut renamed = made.clone();
        for call in &mut renamed {
            call.process = 10_000 - call.process;
            call.key = 200 - call.key;
            let other = |value: i64| if value == 0 { 0 } else { 5_000 - value };
            call.asked = match call.asked {
                Asked::Read(value) => Asked::Read(other(value)),
                Asked::Write(value) => Asked::Write(other(value)),
                Asked::Cas(old, new) => Asked::Cas(other(old), other(new)),
            };
        }
        assert_eq!(verdicts(&judged(&renamed)), before, "seed {seed}: {made:?}");

        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let reads: Vec<usize> = (0..made.len())
            .filter(|&at| matches!(made[at].asked, Asked::Read(_)))
            .collect();
        if let Some(&read) = reads.get(rng.random_range(0..reads.len().max(1))) {
            let mut fewer = made.clone();
            fewer.remove(read);
            let report = judged(&fewer);
            for (name, verdict) in verdicts(&report) {
                assert!(
                    verdict != Verdict::Violated || before[name] != Verdict::Held,
                    "seed {seed}: {name} broke without read {read}: {made:?}"
                );
            }
        }

        let mut more = made.clone();
        let place = more
            .iter()
            .map(|call| call.ends.map_or(call.begins.0, |end| end.0));
        let place = place.max().unwrap_or(0) + 1;
        let time = more
            .iter()
            .map(|call| call.ends.map_or(call.begins.1, |end| end.1));
        more.push(Made {
            process: 7_777,
            key: 0,
            asked: Asked::Write(7_777),
            kind: Kind::Info,
            begins: (place, time.max().unwrap_or(0)),
            ends: None,
        });
        assert_eq!(verdicts(&judged(&more)), before, "seed {seed}: {made:?}");
    }
}
