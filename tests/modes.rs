//! The reference nodes of every mode in memory, under the plans, faults and checkers of real
//! runs: what each mode promises holds on every seed, and what it does not promise breaks.

mod seeds;

use checkers::Verdict;
use schism::claim::Claim;
use schism::plan::Plan;
use schism::report::verdict::RunVerdict;

use seeds::fault;

/// A trial of three nodes with this system and these faults.
fn trial(name: &str, system: &str, workload: &str, faults: &str) -> Plan {
    seeds::trial(name, system, &format!("workload = \"{workload}\""), faults)
}

fn judged(plan: &Plan) -> Vec<RunVerdict> {
    let verdicts = seeds::judged(plan);
    for verdict in &verdicts {
        let (name, seed) = (&plan.name, verdict.seed);
        assert_eq!(verdict.recovery.equal, Some(true), "{name}, seed {seed}");
    }
    verdicts
}

fn of(verdict: &RunVerdict, claim: Claim) -> Verdict {
    let found = verdict.claims.iter().find(|c| c.claim == claim);
    found.expect("the workload judges it").verdict
}

fn holds(plan: &Plan, claims: &[Claim]) {
    for verdict in judged(plan) {
        for claim in claims {
            let (name, seed) = (&plan.name, verdict.seed);
            let first = verdict.findings.first();
            let held = of(&verdict, *claim);
            assert_eq!(
                held,
                Verdict::Held,
                "{name}, seed {seed}, {claim}: {first:#?}"
            );
        }
    }
}

/// How many seeds refute the claim.
fn refuted(plan: &Plan, claim: Claim) -> usize {
    let verdicts = judged(plan);
    let broken = verdicts
        .iter()
        .filter(|v| of(v, claim) == Verdict::Violated);
    broken.count()
}

#[test]
fn raft_loses_nothing_and_is_linearizable_under_every_fault() {
    let faults = [
        ("no-fault", String::new()),
        ("leader-killed", fault("kill", "leader")),
        ("leader-paused", fault("pause", "leader")),
        ("leader-cut-off", fault("partition", "leader")),
        ("one-way", fault("partition", "one-way")),
        ("follower-cut-off", fault("partition", "follower")),
    ];
    for (name, faults) in faults {
        let plan = trial(
            &format!("raft-{name}"),
            "system = \"raft\"",
            "mixed",
            &faults,
        );
        holds(
            &plan,
            &[
                Claim::LINEARIZABLE,
                Claim::NO_LOST_WRITES,
                Claim::NO_STALE_READS,
            ],
        );
    }
}

#[test]
fn raft_that_reads_locally_goes_stale_when_its_leader_is_cut_off() {
    let system = "system = \"raft\"\n[raft]\nreads = \"local\"";
    let plan = trial(
        "raft-local",
        system,
        "register",
        &fault("partition", "leader"),
    );
    assert!(refuted(&plan, Claim::LINEARIZABLE) > 0);
}

#[test]
fn a_quorum_that_writes_back_is_linearizable() {
    for (name, faults) in [
        ("no-fault", String::new()),
        ("one-killed", fault("kill", "random")),
        ("one-cut-off", fault("partition", "random")),
    ] {
        let name = format!("leaderless-{name}");
        let plan = trial(&name, "system = \"leaderless\"", "register", &faults);
        holds(&plan, &[Claim::LINEARIZABLE, Claim::NO_LOST_WRITES]);
    }
}

/// Whoever is cut off goes on answering, by itself.
#[test]
fn quorums_that_do_not_meet_are_stale_across_a_cut() {
    let system = "system = \"leaderless\"\n[leaderless]\nr = 1\nw = 1\nversions = \"lww-hlc\"\n\
                  write-back = \"off\"";
    let cut = fault("partition", "random");
    let plan = trial("leaderless-1-1", system, "register", &cut);
    assert!(refuted(&plan, Claim::NO_STALE_READS) > 15);
}

#[test]
fn several_leaders_lose_no_element_that_they_merge() {
    let system = "system = \"multi-leader\"\n[multi-leader]\nconflict = \"merge\"";
    for (name, faults) in [
        ("no-fault", String::new()),
        ("one-cut-off", fault("partition", "random")),
        ("one-killed", fault("kill", "random")),
    ] {
        let plan = trial(&format!("merge-{name}"), system, "set", &faults);
        holds(&plan, &[Claim::NO_LOST_WRITES]);
    }
}

#[test]
fn several_leaders_are_stale_across_a_cut() {
    let cut = fault("partition", "random");
    let plan = trial("lww", "system = \"multi-leader\"", "register", &cut);
    assert!(refuted(&plan, Claim::NO_STALE_READS) > 15);
    assert!(refuted(&plan, Claim::LINEARIZABLE) > 15);
}
