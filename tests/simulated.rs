//! Whole runs in memory, judged as real ones are: what each mode promises holds on every seed,
//! what it does not promise breaks, and the deliberate bugs are found by the real checkers.
//!
//! A surprise is printed with its seed; `simulate` with that plan repeats the run to the byte.

#![expect(
    clippy::print_stdout,
    reason = "the tables are for whoever reads the test's output"
)]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use checkers::Verdict;
use checkers::history::jsonl;
use fixtures::bugs::{Bug, Bugs};
use fixtures::config::{LeaderReads, Mode};
use schism::claim::{Claim, Expected};
use schism::demo;
use schism::nemesis::schedule::{FaultKind, FaultPlan};
use schism::nemesis::target::Target;
use schism::plan::Plan;
use schism::simulate::{judge, simulate};

const SEEDS: u64 = 20;

/// What came of a plan over all seeds.
#[derive(Debug, Default)]
struct Tally {
    /// For each claim, how many seeds refuted it.
    refuted: BTreeMap<Claim, u64>,
    /// For each claim, what came out otherwise than the plan says, in words.
    unmet: BTreeMap<Claim, Vec<String>>,
    /// Runs that prove nothing, and why.
    not_valid: Vec<String>,
    /// Runs whose nodes did not become equal in the end.
    unequal: u64,
    operations: u64,
    took: Duration,
}

impl Tally {
    /// Runs the plan with every seed.
    fn of(plan: &Plan) -> Self {
        let mut tally = Self::default();
        let begun = Instant::now();
        for seed in 1..=SEEDS {
            let plan = Plan {
                seed,
                ..plan.clone()
            };
            tally.add(&plan);
        }
        tally.took = begun.elapsed();
        tally
    }

    fn add(&mut self, plan: &Plan) {
        let seed = plan.seed;
        let verdict = judge(plan, simulate(plan));
        let outcomes = verdict.coverage.values();
        let ended = outcomes.map(|outcomes| outcomes.ok + outcomes.fail + outcomes.info);
        self.operations += ended.sum::<u64>();
        self.unequal += u64::from(verdict.recovery.equal == Some(false));
        self.not_valid
            .extend(verdict.why.map(|why| format!("seed {seed}: {why}")));
        for claim in verdict.claims {
            if claim.verdict == Verdict::Violated {
                *self.refuted.entry(claim.claim).or_default() += 1;
            }
            if !claim.as_expected {
                let first = verdict.findings.iter().find(|f| f.claim == claim.claim);
                let told = format!(
                    "seed {seed}: {:?}, {:?}, {first:#?}",
                    claim.verdict, claim.why
                );
                self.unmet.entry(claim.claim).or_default().push(told);
            }
        }
    }

    fn refuted(&self, claim: Claim) -> u64 {
        self.refuted.get(&claim).copied().unwrap_or(0)
    }

    /// What must hold held on every seed; what must break broke on nearly every one.
    fn meets(&self, plan: &Plan) {
        let name = &plan.name;
        assert!(self.not_valid.is_empty(), "{name}: {:#?}", self.not_valid);
        assert_eq!(self.unequal, 0, "{name}: nodes did not become equal");
        for (claim, expected) in &plan.expect {
            match expected {
                Expected::Held => {
                    let unmet = self.unmet.get(claim);
                    assert_eq!(unmet, None, "{name} breaks {}", claim.as_str());
                }
                Expected::Violated => {
                    let refuted = self.refuted(*claim);
                    let claim = claim.as_str();
                    assert!(refuted + 1 >= SEEDS, "{name}: {claim} refuted by {refuted}");
                }
                Expected::Any => {}
            }
        }
    }

    /// How often each claim was refuted, and how fast.
    fn row(&self) -> String {
        let refuted = [
            Claim::LINEARIZABLE,
            Claim::NO_LOST_WRITES,
            Claim::NO_STALE_READS,
        ]
        .map(|claim| format!("{claim} {:2}", self.refuted(claim)));
        let seconds = self.took.as_secs_f64();
        format!(
            "refuted in of {SEEDS}: {} | {:.0} runs/s, {:.0} operations/s",
            refuted.join(", "),
            SEEDS as f64 / seconds,
            self.operations as f64 / seconds
        )
    }
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// The demo's plans with less of everything, so that hundreds of runs take seconds.
fn cells() -> Vec<Plan> {
    let mut plans = demo::plans(1);
    for plan in &mut plans {
        plan.load.time = ms(1500);
        plan.load.clients = 6;
        plan.load.timeout = ms(200);
        plan.load.recovery = ms(1000);
        for fault in &mut plan.faults {
            (fault.at, fault.lasts) = (ms(400), ms(700));
            fault.promote_after = fault.promote_after.map(|_| ms(250));
        }
    }
    plans
}

fn cell(name: &str) -> Plan {
    let mut cells = cells().into_iter();
    cells
        .find(|plan| plan.name == name)
        .expect("the demo has such a cell")
}

fn fault(kind: FaultKind, target: Target, at_ms: u64, for_ms: u64) -> FaultPlan {
    FaultPlan {
        kind,
        step: None,
        target,
        at: ms(at_ms),
        lasts: ms(for_ms),
        every: None,
        promote_after: None,
        by_ms: None,
        rate_percent: None,
        up_to_ms: None,
    }
}

/// The operator promotes a follower so long after the fault began.
fn promoted(after_ms: u64, mut fault: FaultPlan) -> FaultPlan {
    fault.promote_after = Some(ms(after_ms));
    fault
}

fn with_mode(plan: &Plan, change: impl FnOnce(&mut Mode)) -> Plan {
    let mut plan = plan.clone();
    change(&mut plan.leader_follower.0);
    plan
}

#[test]
fn the_same_plan_gives_the_same_history_to_the_byte() {
    let recorded = |plan: &Plan| {
        let mut text = Vec::new();
        for op in simulate(plan).ops {
            jsonl::write(&mut text, &op).unwrap();
        }
        text
    };
    for plan in cells() {
        let once = recorded(&plan);
        assert!(once == recorded(&plan), "{} differs from itself", plan.name);
        let other = Plan { seed: 2, ..plan };
        assert!(once != recorded(&other), "{} ignores its seed", other.name);
    }
}

/// Runs the four cells of a mode.
fn demo_cells_of(mode: &str) {
    for plan in cells() {
        if plan.name.starts_with(mode) {
            let tally = Tally::of(&plan);
            println!("{:26} {}", plan.name, tally.row());
            tally.meets(&plan);
        }
    }
}

#[test]
fn async_cells_come_out_as_the_demo_expects() {
    demo_cells_of("async");
}

#[test]
fn semi_sync_cells_come_out_as_the_demo_expects() {
    demo_cells_of("semi-sync");
}

#[test]
fn sync_cells_come_out_as_the_demo_expects() {
    demo_cells_of("sync");
}

/// Nothing is refuted, whatever goes wrong.
fn clean_under_every_fault(name: &str) {
    use FaultKind::{Kill, Partition, Pause};
    let faults = [
        (
            "leader paused",
            promoted(200, fault(Pause, Target::Leader, 400, 600)),
        ),
        (
            "halves",
            promoted(200, fault(Partition, Target::Halves, 400, 600)),
        ),
        (
            "one-way",
            promoted(200, fault(Partition, Target::OneWay, 400, 600)),
        ),
        ("follower killed", fault(Kill, Target::Follower, 400, 600)),
        (
            "random kills",
            FaultPlan {
                every: Some(ms(600)),
                ..promoted(200, fault(Kill, Target::Random, 200, 400))
            },
        ),
        ("all killed", fault(Kill, Target::All, 400, 300)),
    ];
    for (words, fault) in faults {
        let mut plan = cell(name);
        plan.faults = vec![fault];
        plan.name = format!("{name}, {words}");
        let tally = Tally::of(&plan);
        println!("{:36} {}", plan.name, tally.row());
        tally.meets(&plan);
    }
}

#[test]
fn semi_sync_is_clean_under_every_fault() {
    clean_under_every_fault("semi-sync-no-fault");
}

#[test]
fn sync_is_clean_under_every_fault() {
    clean_under_every_fault("sync-no-fault");
}

/// A plan that is clean without the bug, and the claim that the bug breaks; or why no plan can
/// show it.
fn exposing(bug: Bug) -> Result<(Plan, Claim), &'static str> {
    use FaultKind::{Kill, Partition, Pause};
    use Target::{All, Follower, Leader};
    let (sync, semi_sync) = (cell("sync-no-fault"), cell("semi-sync-no-fault"));
    let under = |plan: &Plan, faults: &[FaultPlan], claim| {
        let faults = faults.to_vec();
        let plan = Plan {
            faults,
            ..plan.clone()
        };
        Ok((plan, claim))
    };
    // Clients that are idle when a leader vanishes ask it all the same; clients that ask as fast
    // as they can have overwritten everything by the time a new leader answers.
    let paced = |plan: &Plan| {
        let mut plan = plan.clone();
        (plan.load.clients, plan.load.rate) = (20, Some(400));
        plan.load.timeout = ms(500);
        plan
    };
    match bug {
        Bug::AckBeforeFsync => {
            let faults = [fault(Kill, All, 600, 300)];
            under(&sync, &faults, Claim::NO_LOST_WRITES)
        }
        Bug::AckBeforeReplicate => {
            let faults = [promoted(200, fault(Partition, Leader, 600, 700))];
            under(&sync, &faults, Claim::NO_LOST_WRITES)
        }
        // The pause is shorter than the clients' patience, so some still wait for the old leader.
        Bug::NoEpochCheck => {
            let faults = [promoted(50, fault(Pause, Leader, 600, 150))];
            under(&paced(&semi_sync), &faults, Claim::LINEARIZABLE)
        }
        // The follower has not caught up when the leader dies, as soon as it is back.
        Bug::PromoteStaleFollower => {
            let faults = [
                fault(Partition, Follower, 300, 300),
                promoted(200, fault(Kill, Leader, 600, 700)),
            ];
            under(&semi_sync, &faults, Claim::NO_LOST_WRITES)
        }
        // The leader can secure nothing, and dies before somebody else leads, so that nothing
        // that it answers is stale.
        Bug::ReadUncommittedTail => {
            let faults = [
                fault(Partition, Leader, 500, 500),
                promoted(10, fault(Kill, Leader, 600, 700)),
            ];
            let mut plan = paced(&with_mode(&semi_sync, |mode| {
                mode.leader_reads = LeaderReads::Local;
            }));
            plan.load.workload = "register".into();
            (plan.load.keys, plan.load.read_percent) = (5, 70);
            under(&plan, &faults, Claim::LINEARIZABLE)
        }
        // The node that rejoined is soon promoted itself.
        Bug::RejoinKeepsDivergedTail => {
            let faults = [
                promoted(200, fault(Partition, Leader, 300, 500)),
                promoted(50, fault(Kill, Leader, 820, 500)),
            ];
            under(&semi_sync, &faults, Claim::LINEARIZABLE)
        }
        Bug::RetryAppliesTwice => Err("clients never ask twice, so nothing is repeated"),
        Bug::ApplyOutOfOrder
        | Bug::CounterLostIncrement
        | Bug::DroppedHint
        | Bug::LeaseReadAfterExpiry
        | Bug::LostTombstone
        | Bug::LwwWallClockBackwards
        | Bug::NonCommutativeResolver
        | Bug::QuorumOffByOne
        | Bug::SnapshotMissesLastEntry
        | Bug::StaleCas => Err("the tests of the nodes themselves show it: cargo test -p fixtures"),
        Bug::StaleTransaction => Err("cargo test --test workloads shows it"),
        Bug::TransferCheckedEarly => Err("cargo test --test selftest shows it"),
        Bug::VoteTwice => Err("cargo test --test observed shows it"),
    }
}

#[test]
fn deliberate_bugs_are_found() {
    for bug in Bug::ALL {
        let (plan, claim) = match exposing(bug) {
            Ok(exposing) => exposing,
            Err(why) => {
                println!("{:28} not to be seen: {why}", bug.name());
                continue;
            }
        };
        Tally::of(&plan).meets(&plan);
        let broken = with_mode(&plan, |mode| mode.bugs = Bugs::from([bug]));
        let tally = Tally::of(&broken);
        let (found, claim) = (tally.refuted(claim), claim.as_str());
        println!(
            "{:28} {claim:15} refuted in {found} of {SEEDS} seeds; nodes unequal in {}",
            bug.name(),
            tally.unequal
        );
        assert!(
            found * 10 >= SEEDS * 8,
            "{bug} found in {found} of {SEEDS} seeds"
        );
    }
}

/// How many operations began before the final reads.
fn load_of(plan: &Plan) -> usize {
    let ops = simulate(plan).ops;
    let load = ops.iter().take_while(|op| op.f != "heal");
    load.filter(|op| op.kind == checkers::history::Kind::Invoke)
        .count()
}

fn stopping(mut plan: Plan) -> Plan {
    plan.load.stop_on_first = true;
    plan
}

#[test]
fn the_first_contradiction_ends_the_load_and_the_rest_follows() {
    for name in ["async-follower-reads", "sync-follower-reads"] {
        let whole = cell(name);
        let plan = stopping(whole.clone());
        let simulation = simulate(&plan);
        let phase = |name: &str| {
            let mut ops = simulation.ops.iter();
            ops.any(|op| op.f == "phase" && op.value.as_str() == Some(name))
        };
        assert!(
            phase("final") && phase("done"),
            "{name}: the rest is missing"
        );
        let final_reads = simulation.ops.iter().any(|op| op.f == "final-read");
        assert!(final_reads, "{name}: no final reads");
        assert!(
            load_of(&plan) * 4 < load_of(&whole),
            "{name}: it did not stop early"
        );
        let verdict = judge(&plan, simulation);
        assert_eq!(verdict.status, schism::report::verdict::Status::Violated);
        let linearizable = verdict
            .claims
            .iter()
            .find(|c| c.claim == Claim::LINEARIZABLE);
        assert_eq!(linearizable.map(|c| c.verdict), Some(Verdict::Violated));
        let why = verdict.why.expect("it says that it was stopped");
        assert!(why.starts_with("the load was stopped early"), "{why}");
        println!("{name}: {why}");
    }
}

#[test]
fn a_mode_that_keeps_its_promise_is_never_stopped() {
    for plan in cells() {
        if plan.expect.get(&Claim::LINEARIZABLE) != Some(&Expected::Held) {
            continue;
        }
        for seed in 1..=SEEDS {
            let whole = Plan {
                seed,
                ..plan.clone()
            };
            let plan = stopping(whole.clone());
            let stopped = simulate(&plan);
            assert_eq!(stopped.stopped, None, "{} seed {seed}", plan.name);
            assert!(stopped == simulate(&whole), "watching changes the run");
        }
    }
}
