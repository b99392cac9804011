//! Laws that hold for every checker of invariants, whatever it judges.

use checkers::history::{History, Kind, Op, Process};
use checkers::invariants::{
    Bank, CausalReverse, FencingTokens, GuardedResource, LeaderTerms, Locks, LongFork, Monotonic,
    OrderedIds, Overdraft, SequentialKeys, UniqueIds, WriteSkew,
};
use checkers::{Budget, Checker, Verdict};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::made::{Made, check, history};
use crate::{bank, ids, keys, leaders, locks, monotonic, skew};

type Make = fn(&mut ChaCha8Rng) -> Vec<Made>;

fn all() -> Vec<(Box<dyn Checker>, Make)> {
    vec![
        (Box::new(UniqueIds), ids::made),
        (Box::new(OrderedIds::default()), ids::made),
        (Box::new(Locks::default()), locks::plain),
        (Box::new(Locks::default()), locks::shared),
        (Box::new(FencingTokens), locks::tokens),
        (Box::new(GuardedResource), locks::guarded),
        (Box::new(LeaderTerms), leaders::made),
        (Box::new(Bank::default()), bank::made),
        (Box::new(Overdraft), bank::made),
        (Box::new(LongFork), keys::steps),
        (Box::new(CausalReverse), keys::steps),
        (Box::new(CausalReverse), keys::lists),
        (Box::new(SequentialKeys), keys::steps),
        (Box::new(SequentialKeys), keys::lists),
        (Box::new(Monotonic), monotonic::made),
        (Box::new(WriteSkew), skew::inserts),
        (Box::new(WriteSkew), skew::pairs),
    ]
}

/// Runs a law over random histories of every checker.
fn law(law: impl Fn(&dyn Checker, &[Made], Verdict, &mut ChaCha8Rng)) {
    for (checker, make) in all() {
        for seed in 0..3_000 {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let made = make(&mut rng);
            let verdict = check(&*checker, &made).verdict;
            law(&*checker, &made, verdict, &mut rng);
        }
    }
}

#[test]
fn other_numbers_of_processes_and_slower_clocks_change_nothing() {
    law(|checker, made, verdict, _| {
        let renamed: Vec<Made> = made
            .iter()
            .map(|call| Made {
                // The maker leaves out ends by process, three by three.
                process: call.process * 6 + 300 + call.process % 3,
                begins: call.begins * 5 + 1_000,
                ends: call.ends * 5 + 1_000,
                ..call.clone()
            })
            .collect();
        let report = check(checker, &renamed);
        assert_eq!(report.verdict, verdict, "{report:#?} {made:#?}");
    });
}

#[test]
fn a_later_end_makes_nothing_wrong() {
    law(|checker, made, verdict, rng| {
        if verdict == Verdict::Violated || made.is_empty() {
            return;
        }
        let mut wider = made.to_vec();
        let place = rng.random_range(0..wider.len());
        let process = wider[place].process;
        let next = made[place + 1..]
            .iter()
            .find(|call| call.process == process);
        let most = next.map_or(u64::MAX, |call| call.begins);
        wider[place].ends = (wider[place].ends + 4).min(most);
        let report = check(checker, &wider);
        assert_ne!(
            report.verdict,
            Verdict::Violated,
            "{report:#?} {wider:#?} {made:#?}"
        );
    });
}

#[test]
fn a_read_that_is_left_out_makes_nothing_wrong() {
    law(|checker, made, verdict, rng| {
        let reads: Vec<usize> = (0..made.len())
            .filter(|&place| made[place].f.contains("read"))
            .collect();
        if verdict == Verdict::Violated || reads.is_empty() {
            return;
        }
        let mut fewer = made.to_vec();
        fewer.remove(reads[rng.random_range(0..reads.len())]);
        let report = check(checker, &fewer);
        assert_ne!(report.verdict, Verdict::Violated, "{report:#?} {fewer:#?}");
    });
}

#[test]
fn an_outcome_that_becomes_unknown_makes_nothing_wrong() {
    law(|checker, made, verdict, rng| {
        if verdict == Verdict::Violated || made.is_empty() {
            return;
        }
        let mut unknown = made.to_vec();
        let place = rng.random_range(0..unknown.len());
        let process = unknown[place].process;
        let is_last = made[place + 1..].iter().all(|call| call.process != process);
        if !is_last {
            return;
        }
        unknown[place].kind = Kind::Info;
        let report = check(checker, &unknown);
        assert_ne!(
            report.verdict,
            Verdict::Violated,
            "{report:#?} {unknown:#?}"
        );
    });
}

/// The entries of a history with these indices.
fn only(history: &History, indices: &[usize]) -> History {
    let ops = history.ops().iter();
    let ops: Vec<Op> = ops
        .filter(|op| indices.contains(&op.index))
        .cloned()
        .collect();
    History::new(ops).expect("evidence is whole calls")
}

#[test]
fn what_is_named_as_evidence_is_evidence() {
    law(|checker, made, verdict, _| {
        if verdict != Verdict::Violated {
            return;
        }
        let whole = history(made);
        let report = checker.check(&whole, &Budget::unlimited());
        for anomaly in &report.anomalies {
            // That nobody wrote a value, all other calls prove; and one read may show two stamps
            // that contradict each other, which alone is no history of a counter.
            if ["phantom-read", "timestamp-disorder"].contains(&anomaly.name.as_str()) {
                continue;
            }
            let part = only(&whole, &anomaly.ops);
            let again = checker.check(&part, &Budget::unlimited());
            let mut names = again.anomalies.iter().map(|anomaly| anomaly.name.as_str());
            // Of two reads with other accounts either may be taken for the right one.
            let is_proof = |name: &str| {
                let swapped = name.ends_with("-account") && anomaly.name.ends_with("-account");
                name == anomaly.name || swapped
            };
            assert!(names.any(is_proof), "{anomaly:#?} {again:#?} {made:#?}");
            assert!(part.ops().len() <= 12, "{anomaly:#?}");
        }
    });
}

#[test]
fn nothing_is_held_of_nothing_or_of_something_else() {
    let empty = History::new(Vec::new()).expect("lawful");
    for (checker, _) in all() {
        let report = checker.check(&empty, &Budget::unlimited());
        assert_eq!(report.verdict, Verdict::Undecided, "{report:#?}");
        assert!(report.why.unwrap().starts_with("needs "));
        // Registers and sets, as the other workloads have them.
        let other = checkers::history::notation::h("0:w1 1:r 0:ok 1:ok=1 0:a5 0:ok 1:rs 1:ok=[5]");
        let report = checker.check(&other, &Budget::unlimited());
        assert_eq!(report.verdict, Verdict::Undecided, "{report:#?}");
        assert!(report.why.unwrap().starts_with("needs "));
    }
}

#[test]
fn failed_calls_might_as_well_not_be_there() {
    law(|checker, made, verdict, _| {
        // That something was refused is evidence for these, and that it was seen all the same.
        if verdict != Verdict::Held || ["guarded-resource", "write-skew"].contains(&checker.name())
        {
            return;
        }
        let kept: Vec<Made> = made
            .iter()
            .filter(|c| c.may_have_happened())
            .cloned()
            .collect();
        assert_eq!(check(checker, &kept).verdict, verdict, "{made:#?}");
    });
}

#[test]
fn processes_are_named_as_they_are() {
    let made = Made {
        process: 7,
        begins: 0,
        ends: 1,
        kind: Kind::Ok,
        f: "generate",
        key: checkers::history::Value::Nil,
        argument: checkers::history::Value::Nil,
        result: checkers::history::Value::Int(5),
        node: "n2",
    };
    let report = check(
        &UniqueIds,
        &[
            made.clone(),
            Made {
                process: 8,
                begins: 3,
                ends: 4,
                node: "n1",
                ..made
            },
        ],
    );
    assert_eq!(Process::Client(7).to_string(), "p7");
    assert_eq!(
        report.anomalies[0].because,
        [
            "generate (p7, n2) ran from 0.000 ms to 0.000 ms and returned 5.",
            "generate (p8, n1) ran from 0.000 ms to 0.000 ms and returned 5.",
            "5 was given out twice: first on n2, then on n1.",
        ]
    );
    assert_eq!(
        report.figures["duplicates_by_node"].to_string(),
        "{n1 1, n2 1}"
    );
}
