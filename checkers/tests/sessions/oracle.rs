//! Guarantees of sessions against their definitions, on random tiny histories.

use checkers::history::Kind;
use checkers::{Budget, Checker, Guarantee, Sessions, Verdict};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::definitions::{Axioms, World, worlds};
use crate::made::{Asked, Made, history, tiny};

/// How many histories are compared: what SCHISM_SOAK_SEEDS says, or 100,000.
fn seeds() -> u64 {
    let asked = std::env::var("SCHISM_SOAK_SEEDS").ok();
    asked.map_or(100_000, |text| {
        text.parse().expect("SCHISM_SOAK_SEEDS is a number")
    })
}

const MONOTONIC_READS: Axioms = Axioms {
    writers_order: true,
    monotonic_writes: false,
    writes_follow_reads: false,
};

const MONOTONIC_WRITES: Axioms = Axioms {
    writers_order: true,
    monotonic_writes: true,
    writes_follow_reads: false,
};

const WRITES_FOLLOW_READS: Axioms = Axioms {
    writers_order: false,
    monotonic_writes: false,
    writes_follow_reads: true,
};

/// Whether a guarantee stands in a world, what is given for it included.
fn stands(guarantee: Guarantee, world: &World) -> bool {
    match guarantee {
        Guarantee::ReadYourWrites => world.reads_its_writes(),
        Guarantee::MonotonicReads => world.visible(MONOTONIC_READS),
        Guarantee::MonotonicWrites => world.visible(MONOTONIC_WRITES),
        Guarantee::WritesFollowReads => world.visible(WRITES_FOLLOW_READS),
        Guarantee::Pram => world.pram(),
        Guarantee::Causal => world.causal(),
        Guarantee::CausalConvergence => world.causal_convergence(),
        Guarantee::CausalMemory => world.causal_memory(),
        Guarantee::Sequential => world.sequential(),
    }
}

fn expected(guarantee: Guarantee, made: &[Made]) -> Option<bool> {
    let worlds = worlds(made);
    if worlds.is_empty() {
        return Some(false);
    }
    let stand = |guarantee| worlds.iter().any(|world| stands(guarantee, world));
    if guarantee.given().iter().all(|&given| stand(given)) {
        Some(stand(guarantee))
    } else {
        None
    }
}

#[test]
fn every_guarantee_agrees_with_its_definition() {
    let mut counts = vec![[0_u64; 3]; Guarantee::ALL.len()];
    for seed in 0..seeds() {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let made = tiny(&mut rng, 7);
        let history = history(&made);
        let report = Sessions::all().check(&history, &Budget::unlimited());
        for (place, &guarantee) in Guarantee::ALL.iter().enumerate() {
            let part = &report.parts[place];
            assert_eq!(part.checker, guarantee.name());
            let expected = expected(guarantee, &made);
            let told = || format!("seed {seed}: {expected:?}, {part:?}, {made:?}");
            match expected {
                Some(true) => {
                    counts[place][0] += 1;
                    assert_ne!(part.verdict, Verdict::Violated, "{}", told());
                }
                Some(false) => {
                    counts[place][1] += 1;
                    assert_eq!(part.verdict, Verdict::Violated, "{}", told());
                    assert!(!part.anomalies.is_empty(), "{}", told());
                    for anomaly in &part.anomalies {
                        assert!(anomaly.because.len() <= 15, "{}", told());
                    }
                }
                None => {
                    counts[place][2] += 1;
                    assert_eq!(part.verdict, Verdict::Undecided, "{}", told());
                }
            }
        }
    }
    for (guarantee, [stand, broken, open]) in Guarantee::ALL.iter().zip(counts) {
        println!(
            "{}: {stand} stand, {broken} do not, {open} open",
            guarantee.name()
        );
        assert!(
            stand.min(broken) * 60 > seeds(),
            "lopsided: {}",
            guarantee.name()
        );
    }
}

#[test]
fn a_compare_and_set_has_read_before_it_writes() {
    // The last client read 6, which was made of 3, whose writer had read 2: it must see 2.
    let calls = [
        (0, 0, Asked::Write(2)),
        (1, 0, Asked::Read(2)),
        (1, 1, Asked::Write(3)),
        (2, 1, Asked::Cas(3, 6)),
        (3, 1, Asked::Read(6)),
        (3, 0, Asked::Read(0)),
    ];
    let made = calls.into_iter().zip((0..).step_by(2));
    let made = made.map(|((process, key, asked), at)| Made {
        process,
        key,
        asked,
        kind: Kind::Ok,
        begins: (at, at as u64),
        ends: Some((at + 1, at as u64 + 1)),
    });
    let made: Vec<Made> = made.collect();
    let guarantee = Guarantee::WritesFollowReads;
    assert_eq!(expected(guarantee, &made), Some(false));
    let report = Sessions::all().check(&history(&made), &Budget::unlimited());
    let part = (report.parts.iter()).find(|part| part.checker == guarantee.name());
    assert_eq!(part.expect("it was judged").verdict, Verdict::Violated);
}

#[test]
fn the_least_visible_sets_decide() {
    let mut compared = 0;
    for seed in 0..4_000 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed + 1_000_000);
        let most = rng.random_range(4..=6);
        let made = tiny(&mut rng, most);
        for world in worlds(&made) {
            let reads = world.events.iter().filter(|event| event.read.is_some());
            let reads = reads.count();
            if reads * (world.events.len() - reads) > 9 {
                continue;
            }
            for axioms in [MONOTONIC_READS, MONOTONIC_WRITES, WRITES_FOLLOW_READS] {
                compared += 1;
                assert_eq!(
                    world.visible(axioms),
                    world.visible_of_all(axioms),
                    "seed {seed}: {axioms:?}, {made:?}"
                );
            }
        }
    }
    println!("{compared} compared");
    assert!(compared > 5_000);
}
