//! What runs record of the nodes themselves, in memory: who leads in which term, the conflicts
//! that nodes resolved, their logs; and what checkers make of it.

#![expect(
    clippy::print_stdout,
    reason = "the counts are for whoever reads the test's output"
)]

mod seeds;

use std::collections::BTreeMap;
use std::time::Duration;

use checkers::Verdict;
use checkers::history::{Kind, Op, Process, Value};
use schism::commands::sim::on_all_cores;
use schism::plan::Plan;
use schism::report::verdict::ClaimVerdict;
use schism::simulate::{judge, simulate};

use seeds::{SEEDS, fault, judged};

/// A trial of three nodes that must say something of a claim.
fn trial(name: &str, system: &str, load: &str, faults: &str, claim: &str) -> Plan {
    let rest = format!("{faults}[expect]\n{claim} = \"any\"\n");
    seeds::trial(name, system, load, &rest)
}

/// The claim's verdict on every seed.
fn verdicts(plan: &Plan, claim: &str) -> Vec<ClaimVerdict> {
    let judged = judged(plan).into_iter().map(|verdict| {
        let mut claims = verdict.claims.into_iter();
        let found = claims.find(|one| one.claim.as_str() == claim);
        found.expect("the trial expects something of it")
    });
    judged.collect()
}

fn holds(plan: &Plan, claim: &str) {
    for (seed, judged) in (1..).zip(verdicts(plan, claim)) {
        let (name, why) = (&plan.name, &judged.why);
        let held = judged.verdict == Verdict::Held;
        assert!(
            held,
            "{name}, seed {seed}, {claim}: {:?}, {why:?}",
            judged.verdict
        );
    }
}

fn breaks(plan: &Plan, claim: &str, at_least: usize) {
    let verdicts = verdicts(plan, claim);
    let broken = verdicts
        .iter()
        .filter(|one| one.verdict == Verdict::Violated);
    let (name, broken) = (&plan.name, broken.count());
    println!("{name}: {claim} on {broken} of {SEEDS} seeds");
    assert!(
        broken >= at_least,
        "{name}: {claim} on {broken} of {SEEDS} seeds"
    );
}

const MIXED: &str = "workload = \"mixed\"";

#[test]
fn one_leads_a_term_whatever_happens() {
    for system in [
        "system = \"raft\"",
        "[leader-follower]\nack = \"semi-sync\"\nk = 1\npromotion = \"auto\"",
    ] {
        for (name, faults) in [
            ("calm", String::new()),
            ("leader-killed", fault("kill", "leader")),
            ("leader-cut-off", fault("partition", "leader")),
            ("leader-paused", fault("pause", "leader")),
            ("all-killed", fault("kill", "all")),
        ] {
            let plan = trial(
                &format!("terms-{name}"),
                system,
                MIXED,
                &faults,
                "leader-terms",
            );
            holds(&plan, "leader-terms");
        }
    }
}

/// Elections so hasty that two often stand at once, and a leader that is killed again and again.
#[test]
fn two_leaders_of_one_term_are_found() {
    let hasty = |bugs: &str| {
        let system = format!(
            "system = \"raft\"\n[raft]\nheartbeat-ms = 10\nelection-timeout-ms = 30\n\
             lease-ms = 20\nbugs = [{bugs}]"
        );
        let faults = "[[fault]]\nkind = \"kill\"\ntarget = \"leader\"\nat = \"100ms\"\n\
                      for = \"150ms\"\nevery = \"300ms\"\n";
        let mut plan = trial("hasty", &system, MIXED, faults, "leader-terms");
        // Whoever stands must have as much as the other to be elected by it.
        plan.load.rate = Some(30);
        plan.load.time = Duration::from_secs(8);
        plan
    };
    holds(&hasty(""), "leader-terms");
    // With two leaders from the beginning no cluster forms, and such a run proves nothing.
    let seeds = (1..=SEEDS).map(|seed| Plan {
        seed,
        ..hasty("\"vote-twice\"")
    });
    let judged = on_all_cores(&seeds.collect::<Vec<_>>());
    let claims = judged.iter().flat_map(|verdict| &verdict.claims);
    let terms = claims.filter(|one| one.claim.as_str() == "leader-terms");
    let broken = terms.filter(|one| one.verdict == Verdict::Violated).count();
    println!("vote-twice: leader-terms on {broken} of {SEEDS} seeds");
    assert!(broken >= 5, "leader-terms on {broken} of {SEEDS} seeds");
}

const REGISTERS: &str = "workload = \"register\"\nread-percent = 30";

fn resolving(resolver: &str, bugs: &str) -> String {
    format!(
        "system = \"multi-leader\"\n[multi-leader]\nconflict = \"custom\"\n\
         resolver = \"{resolver}\"\nbugs = [{bugs}]"
    )
}

#[test]
fn a_lawful_resolver_obeys_its_laws_and_others_are_found() {
    for (name, faults) in [
        ("calm", String::new()),
        ("one-cut-off", fault("partition", "random")),
    ] {
        let plan = |resolver: &str, bugs: &str| {
            let system = resolving(resolver, bugs);
            trial(
                &format!("{resolver}-{name}"),
                &system,
                REGISTERS,
                &faults,
                "resolver",
            )
        };
        holds(&plan("highest", ""), "resolver");
        breaks(&plan("first-seen", ""), "resolver", 15);
        breaks(
            &plan("highest", "\"non-commutative-resolver\""),
            "resolver",
            15,
        );
    }
}

#[test]
fn the_logs_of_the_nodes_are_recorded_and_agree() {
    for system in ["system = \"raft\"", "[leader-follower]\nack = \"sync\""] {
        let load = "workload = \"convergence\"";
        let plan = trial("logs", system, load, &fault("pause", "follower"), "prefix");
        holds(&plan, "prefix");
        let ops = simulate(&plan).ops;
        let logs = ops.iter().filter(|op| op.f == "node-log");
        let lengths = logs.filter_map(|op| Some(op.value.as_list()?.len()));
        let lengths: Vec<usize> = lengths.collect();
        assert_eq!(lengths.len(), 3, "{system}");
        assert!(lengths.iter().all(|length| *length > 100), "{lengths:?}");
    }
}

/// A log that was compacted tells where what is left of it begins.
#[test]
fn logs_without_their_beginning_are_compared_where_they_overlap() {
    let load = "workload = \"convergence\"";
    let system = "system = \"raft\"\n[raft]\nsnapshot-every = 150";
    let plan = trial("compacted", system, load, "", "prefix");
    holds(&plan, "prefix");
    let ops = simulate(&plan).ops;
    let first = |op: &&Op| op.f == "node-log" && op.kind == Kind::Invoke;
    let firsts = ops.iter().filter(first).map(|op| op.value.as_int());
    let firsts: Vec<Option<i64>> = firsts.collect();
    assert_eq!(firsts.len(), 3);
    for first in firsts {
        assert!(
            first.is_some_and(|first| first > 150 && first % 150 == 1),
            "{first:?}"
        );
    }
}

/// What nodes tell in the end is no operation of a client.
#[test]
fn testimonies_leave_every_other_claim_as_it_is() {
    for (system, claim) in [
        ("system = \"raft\"".to_owned(), "prefix"),
        (resolving("highest", ""), "resolver"),
    ] {
        let plan = trial("beside", &system, MIXED, &fault("kill", "random"), claim);
        let without = Plan {
            expect: BTreeMap::new(),
            ..plan.clone()
        };
        for seed in 1..=5 {
            let judged = |plan: &Plan| {
                let plan = Plan {
                    seed,
                    ..plan.clone()
                };
                let verdict = judge(&plan, simulate(&plan));
                let claims = verdict.claims.into_iter();
                let told = claims.map(|one| (one.claim, (one.verdict, one.why)));
                told.collect::<BTreeMap<_, _>>()
            };
            let (with, without) = (judged(&plan), judged(&without));
            assert_eq!(with.len(), without.len() + 1);
            for (claim, verdict) in without {
                assert_eq!(with.get(&claim), Some(&verdict), "seed {seed}, {claim}");
            }
        }
    }
}

/// Between two tellings that agree, the same node led all the time.
#[test]
fn statuses_tell_who_leads_and_who_is_away() {
    let plan = trial(
        "statuses",
        "system = \"raft\"",
        MIXED,
        &fault("kill", "leader"),
        "leader-terms",
    );
    let ops = simulate(&plan).ops;
    let told = ops.iter().filter(|op| op.f == "status");
    let told: Vec<&Value> = told
        .inspect(|op| assert_eq!(op.process, Process::Nemesis))
        .map(|op| &op.value)
        .filter(|value| **value != Value::Nil)
        .collect();
    assert!(
        told.len() >= 9,
        "a run of two seconds has ten: {}",
        told.len()
    );
    let nodes = |value: &&Value| match value {
        Value::Map(parts) => parts.len(),
        _ => 0,
    };
    let sizes: Vec<usize> = told.iter().map(nodes).collect();
    assert!(sizes.contains(&3) && sizes.contains(&2), "{sizes:?}");
}
