//! Nodes that fail at a named step of their protocol, in memory: where the step is what a mode's
//! promise hangs on, it shows; and every fault of the kind tells what it met.

#![expect(
    clippy::print_stdout,
    reason = "the counts are for whoever reads the test's output"
)]

mod seeds;

use checkers::Verdict;
use checkers::history::Value;
use schism::claim::Claim;
use schism::plan::Plan;
use schism::report::verdict::{RunVerdict, Status};
use schism::simulate::{judge, simulate};

use seeds::{SEEDS, fault, judged};

fn trial(name: &str, system: &str, faults: &str) -> Plan {
    seeds::trial(name, system, "workload = \"mixed\"", faults)
}

fn at_step(kind: &str, target: &str, step: &str) -> String {
    fault(kind, target) + &format!("step = \"{step}\"\n")
}

fn of(verdict: &RunVerdict, claim: Claim) -> Verdict {
    let found = verdict.claims.iter().find(|one| one.claim == claim);
    found.expect("the workload judges it").verdict
}

fn holds(plan: &Plan) {
    for verdict in judged(plan) {
        let (name, seed) = (&plan.name, verdict.seed);
        assert_eq!(verdict.recovery.equal, Some(true), "{name}, seed {seed}");
        for claim in [Claim::LINEARIZABLE, Claim::NO_LOST_WRITES] {
            assert_eq!(
                of(&verdict, claim),
                Verdict::Held,
                "{name}, seed {seed}, {claim}"
            );
        }
    }
}

/// On how many seeds acknowledged writes are lost.
fn losing(plan: &Plan) -> usize {
    let verdicts = judged(plan);
    let lost = verdicts
        .iter()
        .filter(|v| of(v, Claim::NO_LOST_WRITES) == Verdict::Violated);
    let lost = lost.count();
    println!(
        "{}: acknowledged writes lost on {lost} of {SEEDS} seeds",
        plan.name
    );
    lost
}

#[test]
fn raft_survives_failing_at_every_step() {
    for step in ["before-append", "after-append", "after-ack", "before-fsync"] {
        for kind in ["kill", "pause"] {
            let name = format!("raft-{kind}-{step}");
            holds(&trial(
                &name,
                "system = \"raft\"",
                &at_step(kind, "leader", step),
            ));
        }
    }
}

#[test]
fn raft_survives_the_death_of_whoever_is_about_to_lead() {
    let faults = "[[fault]]\nkind = \"kill\"\ntarget = \"leader\"\nat = \"300ms\"\nfor = \"1s\"\n\
                  [[fault]]\nkind = \"kill\"\ntarget = \"all\"\nstep = \"during-promotion\"\n\
                  at = \"400ms\"\nfor = \"1400ms\"\n";
    holds(&trial("raft-no-heir", "system = \"raft\"", faults));
}

/// The client has its answer, and nobody else has the write.
#[test]
fn what_was_acknowledged_alone_dies_with_the_leader() {
    let faults = at_step("kill", "leader", "after-ack") + "promote-after = \"100ms\"\n";
    let system = |ack: &str| format!("[leader-follower]\nack = \"{ack}\"");
    assert!(losing(&trial("async-after-ack", &system("async"), &faults)) >= 18);
    assert_eq!(
        losing(&trial("sync-after-ack", &system("sync"), &faults)),
        0
    );
}

#[test]
fn the_history_tells_who_failed_and_where() {
    let faults = at_step("kill", "all", "after-append");
    let plan = trial("told", "system = \"raft\"", &faults);
    let ops = simulate(&plan).ops;
    let told: Vec<&Value> = ops
        .iter()
        .filter(|op| op.f == "kill")
        .map(|op| &op.value)
        .collect();
    let [ordered, done] = told[..] else {
        panic!("an order and its end: {told:?}");
    };
    assert_eq!(
        ordered.get("step").and_then(Value::as_str),
        Some("after-append")
    );
    assert_eq!(
        done.get("step").and_then(Value::as_str),
        Some("after-append")
    );
    assert_eq!(done.get("proven"), Some(&Value::Bool(true)));
    let nodes = done.get("nodes").and_then(Value::as_list);
    assert_eq!(
        nodes.map(<[Value]>::len),
        Some(1),
        "only who comes there fails"
    );
}

#[test]
fn a_step_that_nobody_comes_to_proves_nothing() {
    let faults = at_step("kill", "all", "before-handoff");
    let plan = trial("never", "system = \"leaderless\"", &faults);
    let verdict = judge(&plan, simulate(&plan));
    assert_eq!(verdict.status, Status::NotValid);
    let why = verdict.why.expect("it says why");
    assert!(
        why.contains("no node came to before-handoff in time"),
        "{why}"
    );
}
