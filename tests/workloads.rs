//! Every workload on the reference nodes in memory: on Raft every claim that it checks is held
//! under every fault, and none is left undecided; and each workload has a broken counterpart that
//! it finds.

#![expect(
    clippy::print_stdout,
    reason = "the counts are for whoever reads the test's output"
)]

mod seeds;

use std::collections::BTreeMap;
use std::path::Path;

use checkers::Verdict;
use schism::claim::Claim;
use schism::plan::Plan;
use schism::simulate::{judge, simulate};

use seeds::{SEEDS, fault, judged, trial};

fn of_workload(workload: &str) -> String {
    format!("workload = \"{workload}\"")
}

/// The operator promotes a follower while the leader is away.
fn promoted(kind: &str, target: &str) -> String {
    fault(kind, target) + "promote-after = \"200ms\"\n"
}

/// Why a claim may be undecided though nothing is lacking: whoever asked was not answered, and
/// may have taken the element out or not.
const TAKEN: &str = "operations of unknown outcome may have taken";

/// What came out otherwise than held, in words.
fn otherwise(plan: &Plan) -> Vec<String> {
    let mut told = Vec::new();
    for verdict in judged(plan) {
        let (name, seed) = (&plan.name, verdict.seed);
        if verdict.recovery.equal != Some(true) {
            told.push(format!("{name}, seed {seed}: the nodes are not equal"));
        }
        let first = verdict.findings.first();
        let other = verdict.claims.iter().filter(|c| c.verdict != Verdict::Held);
        told.extend(other.map(|claim| {
            let (verdict, why) = (claim.verdict, &claim.why);
            format!(
                "{name}, seed {seed}, {}: {verdict:?} {why:?} {first:#?}",
                claim.claim
            )
        }));
    }
    told
}

/// For each claim, on how many seeds it is violated.
fn refuted(plan: &Plan) -> BTreeMap<Claim, u64> {
    let mut count = BTreeMap::new();
    for verdict in judged(plan) {
        for claim in verdict.claims {
            if claim.verdict == Verdict::Violated {
                *count.entry(claim.claim).or_default() += 1;
            }
        }
    }
    count
}

/// Each of the claims is violated on at least so many seeds.
fn breaks(plan: &Plan, claims: &[&str], at_least: u64) {
    let refuted = refuted(plan);
    for claim in claims {
        let claim: Claim = claim.parse().expect("there is such a claim");
        let seeds = refuted.get(&claim).copied().unwrap_or(0);
        let name = &plan.name;
        println!("{name}: {claim} on {seeds} of {SEEDS} seeds");
        assert!(
            seeds >= at_least,
            "{name}: {claim} on {seeds} of {SEEDS} seeds"
        );
    }
}

const RAFT: &str = "system = \"raft\"";
const ASYNC: &str = "[leader-follower]\nack = \"async\"\nleader-reads = \"local\"";

#[test]
fn raft_keeps_every_claim_of_every_workload() {
    let mut told = Vec::new();
    for about in workloads::WORKLOADS {
        for (name, faults) in [
            ("calm", String::new()),
            ("leader-killed", fault("kill", "leader")),
            ("leader-cut-off", fault("partition", "leader")),
            ("leader-paused", fault("pause", "leader")),
        ] {
            let workload = about.name;
            let name = format!("raft-{workload}-{name}");
            let mut other = otherwise(&trial(&name, RAFT, &of_workload(workload), &faults));
            if workload == "queue" && !faults.is_empty() {
                other.retain(|told| !told.contains(TAKEN));
            }
            told.extend(other);
        }
    }
    assert!(told.is_empty(), "{told:#?}");
}

/// Whoever loses acknowledged writes with its leader, and lets two lead, breaks all of these.
#[test]
fn asynchronous_replication_breaks_what_needs_one_copy() {
    for (workload, claims) in [
        (
            "convergence",
            &["convergence", "prefix", "no-stale-reads"][..],
        ),
        ("counter", &["counter", "pn-counter"]),
        ("causal-reverse", &["causal-reverse", "sequential-keys"]),
        ("lock", &["locks", "fencing-tokens", "guarded-resource"]),
        ("log", &["log"]),
        ("long-fork", &["long-fork"]),
        (
            "mixed",
            &["linearizable", "no-lost-writes", "no-stale-reads"],
        ),
        ("monotonic", &["monotonic"]),
        ("queue", &["queue"]),
        (
            "register",
            &["linearizable", "no-lost-writes", "no-stale-reads"],
        ),
        ("sessions", &["linearizable", "sequential", "causal"]),
        ("set", &["linearizable", "no-lost-writes"]),
        ("set-full", &["set", "set-full", "no-lost-writes"]),
        ("unique-ids", &["unique-ids"]),
        ("write-skew", &["write-skew"]),
    ] {
        let load = of_workload(workload);
        let cut = promoted("partition", "leader");
        let plan = trial(&format!("async-{workload}"), ASYNC, &load, &cut);
        breaks(&plan, claims, 15);
    }
}

/// The leader's death alone, with what it had acknowledged and not passed on.
#[test]
fn a_leader_that_dies_takes_acknowledged_changes_with_it() {
    for (workload, claim) in [
        ("counter", "counter"),
        ("log", "log"),
        ("monotonic", "monotonic"),
        ("queue", "queue"),
        ("set-full", "set-full"),
        ("unique-ids", "unique-ids"),
    ] {
        let load = of_workload(workload);
        let killed = promoted("kill", "leader");
        let plan = trial(&format!("async-{workload}-killed"), ASYNC, &load, &killed);
        breaks(&plan, &[claim], 15);
    }
}

/// One leader, nothing lost, and yet not serializable.
#[test]
fn transactions_that_decide_by_what_has_been_replaced_since_are_found() {
    let system = "system = \"raft\"\n[raft]\nbugs = [\"stale-transaction\"]";
    for (workload, claims) in [
        ("bank", &["bank"][..]),
        ("lock", &["locks", "fencing-tokens"]),
        ("monotonic", &["monotonic"]),
        ("write-skew", &["write-skew"]),
    ] {
        let plan = trial(
            &format!("stale-{workload}"),
            system,
            &of_workload(workload),
            "",
        );
        breaks(&plan, claims, 15);
    }
}

/// Counters that merge, where several nodes take writes.
#[test]
fn merged_counters_lose_nothing() {
    let merge = "system = \"multi-leader\"\n[multi-leader]\nconflict = \"merge\"";
    for (name, system) in [("merge", merge), ("leaderless", "system = \"leaderless\"")] {
        for (fault_name, faults) in [
            ("calm", String::new()),
            ("one-cut-off", fault("partition", "random")),
            ("one-killed", fault("kill", "random")),
        ] {
            let name = format!("{name}-counter-{fault_name}");
            let load = of_workload("counter") + "\ndecrement-percent = 30";
            let plan = trial(&name, system, &load, &faults);
            for verdict in judged(&plan) {
                let seed = verdict.seed;
                let mut claims = verdict.claims.iter();
                let counted = claims.find(|claim| claim.claim.as_str() == "pn-counter");
                let counted = counted.map(|claim| claim.verdict);
                assert_eq!(counted, Some(Verdict::Held), "{name}, seed {seed}");
            }
        }
    }
}

/// Up and down, with one order of the changes: a read shows exactly what they add up to.
#[test]
fn counters_that_fall_are_counted_too() {
    let load = of_workload("counter") + "\ndecrement-percent = 30";
    for (name, faults) in [
        ("calm", String::new()),
        ("leader-killed", fault("kill", "leader")),
    ] {
        let told = otherwise(&trial(&format!("raft-pn-{name}"), RAFT, &load, &faults));
        assert!(told.is_empty(), "{told:#?}");
    }
    let killed = promoted("kill", "leader");
    breaks(
        &trial("async-pn", ASYNC, &load, &killed),
        &["pn-counter"],
        12,
    );
}

/// Whatever a mode without one leader offers is carried out and judged.
#[test]
fn every_workload_that_a_mode_offers_is_spoken_by_it() {
    let merge = "system = \"multi-leader\"\n[multi-leader]\nconflict = \"merge\"";
    for (name, system) in [
        ("last-wins", "system = \"multi-leader\""),
        ("merge", merge),
        ("leaderless", "system = \"leaderless\""),
    ] {
        let mut offered = Vec::new();
        for about in workloads::WORKLOADS {
            let text = format!(
                "name = \"x\"\n{system}\n[lab]\nnodes = 3\n[load]\nworkload = \"{}\"\n\
                 time = \"1s\"\nrate = 300\nclients = 6\n",
                about.name
            );
            let Ok(plan) = Plan::parse(&text, Path::new("x")) else {
                continue;
            };
            offered.push(about.name);
            let verdict = judge(&plan, simulate(&plan));
            assert!(
                !verdict.claims.is_empty(),
                "{name}, {}: {:?}",
                about.name,
                verdict.why
            );
            for f in about
                .operations
                .iter()
                .filter(|f| !["cas", "decrement"].contains(f))
            {
                let ok = verdict.coverage.get(*f).map_or(0, |outcomes| outcomes.ok);
                assert!(ok > 0, "{name}, {}: no {f} succeeded", about.name);
            }
        }
        println!("{name}: {}", offered.join(", "));
        assert!(offered.contains(&"convergence") && offered.contains(&"unique-ids"));
        assert_eq!(offered.contains(&"counter"), name != "last-wins");
    }
}

/// Nodes that ask nobody give out ids of their own, and remember them.
#[test]
fn ids_need_no_order_but_a_memory() {
    let faults = [
        ("calm", String::new()),
        ("one-cut-off", fault("partition", "random")),
        ("one-killed", fault("kill", "random")),
        ("all-killed", fault("kill", "all")),
    ];
    for system in ["multi-leader", "leaderless"] {
        for (name, faults) in &faults {
            let plan = trial(
                &format!("{system}-ids-{name}"),
                &format!("system = \"{system}\""),
                &of_workload("unique-ids"),
                faults,
            );
            let told = otherwise(&plan);
            assert!(told.is_empty(), "{told:#?}");
        }
        let forgetful =
            format!("system = \"{system}\"\n[{system}]\nbugs = [\"counter-lost-increment\"]");
        let load = of_workload("unique-ids");
        let plan = trial(&format!("{system}-ids-forgotten"), &forgetful, &load, "");
        breaks(&plan, &["unique-ids"], 15);
    }
}

#[test]
fn what_a_mode_cannot_offer_is_refused_before_anything_is_deployed() {
    let refused = |system: &str, workload: &str| {
        let text = format!("name = \"x\"\n{system}\n[load]\nworkload = \"{workload}\"\n");
        let error = Plan::parse(&text, Path::new("x")).expect_err("it cannot be offered");
        error.to_string()
    };
    let told = refused("system = \"leaderless\"", "queue");
    assert!(
        told.contains("asks for enqueue, which leaderless does not do"),
        "{told}"
    );
    let told = refused("system = \"multi-leader\"", "counter");
    assert!(told.contains("write conflict = \"merge\""), "{told}");
    let told = refused("system = \"leaderless\"", "monotonic");
    assert!(told.contains("the value that it made"), "{told}");
    let told = refused("system = \"etcd\"", "bank");
    assert!(told.contains("asks for transfer"), "{told}");
}
