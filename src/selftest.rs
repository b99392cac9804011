//! What the test of the harness by itself consists of: a trial for every deliberate bug, which
//! must be found, and its twin without the bug, which must not be accused.
//!
//! The trials are the files of `trials/bugs`.

use std::path::Path;

use checkers::Verdict;
use checkers::history::{Kind, Process};
use fixtures::bugs::{Bug, Bugs};

use crate::claim::{Claim, Expected};
use crate::plan::{Plan, SystemName};
use crate::report::verdict::Status;
use crate::simulate::{judge, simulate};

const TRIALS: [&str; 28] = [
    include_str!("../trials/bugs/ack-before-fsync-multi-leader.toml"),
    include_str!("../trials/bugs/ack-before-fsync-raft.toml"),
    include_str!("../trials/bugs/ack-before-fsync.toml"),
    include_str!("../trials/bugs/ack-before-replicate.toml"),
    include_str!("../trials/bugs/apply-out-of-order-raft.toml"),
    include_str!("../trials/bugs/apply-out-of-order.toml"),
    include_str!("../trials/bugs/counter-lost-increment.toml"),
    include_str!("../trials/bugs/dropped-hint.toml"),
    include_str!("../trials/bugs/lease-read-after-expiry-raft.toml"),
    include_str!("../trials/bugs/lease-read-after-expiry.toml"),
    include_str!("../trials/bugs/lost-tombstone.toml"),
    include_str!("../trials/bugs/lww-wall-clock-backwards-leaderless.toml"),
    include_str!("../trials/bugs/lww-wall-clock-backwards.toml"),
    include_str!("../trials/bugs/no-epoch-check.toml"),
    include_str!("../trials/bugs/non-commutative-resolver.toml"),
    include_str!("../trials/bugs/promote-stale-follower.toml"),
    include_str!("../trials/bugs/quorum-off-by-one.toml"),
    include_str!("../trials/bugs/read-uncommitted-tail.toml"),
    include_str!("../trials/bugs/rejoin-keeps-diverged-tail.toml"),
    include_str!("../trials/bugs/retry-applies-twice-raft.toml"),
    include_str!("../trials/bugs/retry-applies-twice.toml"),
    include_str!("../trials/bugs/snapshot-misses-last-entry.toml"),
    include_str!("../trials/bugs/stale-cas-raft.toml"),
    include_str!("../trials/bugs/stale-cas.toml"),
    include_str!("../trials/bugs/stale-transaction-lock.toml"),
    include_str!("../trials/bugs/stale-transaction.toml"),
    include_str!("../trials/bugs/transfer-checked-early.toml"),
    include_str!("../trials/bugs/vote-twice.toml"),
];

/// Bugs that no trial shows, and what would.
pub const UNSEEN: &[(Bug, &str)] = &[];

/// Of a hundred seeds, a bug must be found with so many.
pub const PERCENT: usize = 95;

/// A trial of nodes with a bug.
#[derive(Clone, Debug, PartialEq)]
pub struct Trial {
    /// The bug.
    pub bug: Bug,
    /// The claim that it breaks.
    pub claim: Claim,
    /// The trial.
    pub plan: Plan,
    /// The same without the bug: the claim holds.
    pub twin: Plan,
}

/// All of them, by name.
///
/// # Panics
///
/// Never: the trials are part of the program, and tested.
#[must_use]
pub fn trials() -> Vec<Trial> {
    TRIALS.iter().map(|text| trial(text)).collect()
}

fn trial(text: &str) -> Trial {
    let plan = Plan::parse(text, Path::new("trials/bugs")).expect("it is a trial");
    let mut twin = plan.clone();
    let bugs = std::mem::take(bugs_of(&mut twin));
    let bug = bugs.into_iter().next().expect("it has a bug");
    let claim = *plan.expect.keys().next().expect("it has a claim");
    twin.expect.insert(claim, Expected::Held);
    Trial {
        bug,
        claim,
        plan,
        twin,
    }
}

fn bugs_of(plan: &mut Plan) -> &mut Bugs {
    match plan.system {
        SystemName::Raft => &mut plan.raft.0.bugs,
        SystemName::MultiLeader => &mut plan.multi_leader.0.bugs,
        SystemName::Leaderless => &mut plan.leaderless.0.bugs,
        SystemName::LeaderFollower
        | SystemName::Etcd
        | SystemName::Redis
        | SystemName::Postgresql => &mut plan.leader_follower.0.bugs,
    }
}

/// What a run made of one claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Held, undecided or violated; undecided if the run is not valid.
    pub verdict: Verdict,
    /// Why it is not valid, if it is not.
    pub trouble: Option<String>,
    /// What the first contradiction is called.
    pub anomaly: Option<String>,
    /// How many operations clients had begun when it was complete, final reads apart.
    pub after: Option<usize>,
    /// How many they began in all.
    pub operations: usize,
}

/// Carries a plan out in memory and looks at one claim.
///
/// # Panics
///
/// If the plan was not validated, or the simulation breaks the laws of histories: a bug of ours.
#[must_use]
pub fn look(plan: &Plan, claim: Claim) -> Seen {
    let simulation = simulate(plan);
    let began: Vec<usize> = simulation
        .ops
        .iter()
        .filter(|op| op.kind == Kind::Invoke && op.process != Process::Nemesis)
        .filter(|op| !op.f.as_str().starts_with("final-read"))
        .map(|op| op.index)
        .collect();
    let verdict = judge(plan, simulation);
    let of_claim = verdict.claims.iter().find(|one| one.claim == claim);
    let findings = verdict
        .findings
        .iter()
        .filter(|finding| finding.claim == claim);
    let ends = findings.filter_map(|finding| Some((*finding.ops.iter().max()?, finding)));
    let first = ends.min_by_key(|(end, _)| *end);
    Seen {
        verdict: of_claim.map_or(Verdict::Undecided, |one| one.verdict),
        trouble: verdict
            .why
            .clone()
            .filter(|_| verdict.status == Status::NotValid),
        anomaly: first.map(|(_, finding)| finding.anomaly.clone()),
        after: first.map(|(end, _)| began.partition_point(|index| *index <= end)),
        operations: began.len(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bug_has_a_trial_or_a_reason() {
        let trials = trials();
        for bug in Bug::ALL {
            let shown = trials.iter().any(|trial| trial.bug == bug);
            let excused = UNSEEN.iter().any(|(unseen, _)| *unseen == bug);
            assert!(shown != excused, "{bug}");
        }
        for trial in trials {
            assert!(
                trial.plan.name.starts_with(trial.bug.name()),
                "{}",
                trial.plan.name
            );
            assert_eq!(trial.plan.expect.len(), 1, "{}", trial.plan.name);
            assert_eq!(trial.plan.expect[&trial.claim], Expected::Violated);
            assert_eq!(bugs_of(&mut trial.twin.clone()).len(), 0);
        }
    }
}
