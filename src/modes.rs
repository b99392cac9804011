//! The replication modes of the reference nodes by name: what each is put through, and what
//! must come out.
//!
//! A **cell** is a mode under a fault. [`cells`] has all of them as plans that can be carried
//! out on hosts or in memory; `schism matrix` does so with all, `schism sim MODE` with those of
//! one mode.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use fixtures::config::{
    Ack, Candidate, Clock, Conflict, LeaderReads, LeaderlessMode, Mode as LeaderFollower,
    MultiLeaderMode, OnMissing, RaftMode, RaftReads, ReadFrom, Resolver, Switch, Versions,
};

use crate::claim::{Claim, Expected};
use crate::client::Route;
use crate::nemesis::schedule::{FaultKind, FaultPlan};
use crate::nemesis::target::Target;
use crate::plan::{Label, Plan, SystemName};
use crate::systems::reference::Switches;

/// A way of replicating.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mode {
    /// Its name; cells are called `NAME-FAULT`.
    pub name: &'static str,
    /// What it is, in words.
    pub about: &'static str,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Async,
    AsyncSession,
    SemiSync,
    SemiSyncAny,
    SemiSyncLocal,
    SemiSyncLease,
    Sync,
    SyncLocal,
    SyncDegrade,
    FollowerReads,
    LwwHlc,
    LwwWall,
    Merge,
    Custom,
    FirstSeen,
    Strict,
    WriteBack,
    WriteBackWall,
    NoQuorum,
    Sloppy,
    Raft,
    RaftLease,
    RaftLocal,
}

/// All modes, in the order of the tables.
pub const MODES: [Mode; 23] = [
    mode(
        "async",
        "leader and followers, async, local reads at the leader",
        Kind::Async,
    ),
    mode(
        "semi-sync",
        "semi-sync (2 of 4), confirmed reads",
        Kind::SemiSync,
    ),
    mode(
        "semi-sync-any",
        "semi-sync (2 of 4), any follower promoted",
        Kind::SemiSyncAny,
    ),
    mode(
        "semi-sync-local",
        "semi-sync (2 of 4), local reads at the leader",
        Kind::SemiSyncLocal,
    ),
    mode(
        "semi-sync-lease",
        "semi-sync (2 of 4), reads under a lease",
        Kind::SemiSyncLease,
    ),
    mode("sync", "sync (all 4), confirmed reads", Kind::Sync),
    mode(
        "sync-local",
        "sync (all 4), local reads at the leader",
        Kind::SyncLocal,
    ),
    mode(
        "sync-degrade",
        "sync that goes on alone when followers are missing",
        Kind::SyncDegrade,
    ),
    mode(
        "follower-reads",
        "sync (all 4), reads at any node",
        Kind::FollowerReads,
    ),
    mode(
        "session-reads",
        "async, reads at any node that has what the session saw",
        Kind::AsyncSession,
    ),
    mode("raft", "Raft, read-index", Kind::Raft),
    mode("raft-lease", "Raft, reads under a lease", Kind::RaftLease),
    mode(
        "raft-local",
        "Raft, local reads at any node",
        Kind::RaftLocal,
    ),
    mode(
        "lww",
        "multi-leader, last write wins, hybrid clocks",
        Kind::LwwHlc,
    ),
    mode(
        "lww-wall",
        "multi-leader, last write wins, wall clocks",
        Kind::LwwWall,
    ),
    mode("merge", "multi-leader, values are merged", Kind::Merge),
    mode("resolver", "multi-leader, a lawful resolver", Kind::Custom),
    mode(
        "first-seen",
        "multi-leader, a resolver that does not commute",
        Kind::FirstSeen,
    ),
    mode(
        "quorum",
        "leaderless, r + w > n, versions of a quorum, write-back; slow links",
        Kind::WriteBack,
    ),
    mode(
        "quorum-wall",
        "the same, versions of wall clocks",
        Kind::WriteBackWall,
    ),
    mode(
        "quorum-regular",
        "the same, without write-back",
        Kind::Strict,
    ),
    mode("no-quorum", "leaderless, r = w = 1 of 3", Kind::NoQuorum),
    mode(
        "sloppy",
        "leaderless, sloppy quorum, hinted handoff",
        Kind::Sloppy,
    ),
];

const fn mode(name: &'static str, about: &'static str, kind: Kind) -> Mode {
    Mode { name, about, kind }
}

/// What a mode is put through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// Nothing.
    None,
    /// The leader is killed, and started again later; where nodes are promoted by an operator, a
    /// follower is. Where there is no leader, a node by chance.
    LeaderKilled,
    /// The leader is cut off from all others, clients still reach it, and a follower is promoted.
    /// Where there is no leader, a minority of the nodes.
    LeaderCutOff,
    /// A follower is cut off. Where there is no leader, a node by chance.
    FollowerCutOff,
    /// The leader is stopped for a while, and goes on; a follower is promoted meanwhile.
    LeaderPaused,
    /// The clock of the leader, or of a node by chance, is set back by two seconds and runs at a
    /// quarter; where reads hang on a lease, the leader is cut off as well.
    ClocksSkewed,
    /// A partition, a kill, a pause and another partition, one after the other, each of a node by
    /// chance. Not in the tables.
    Storm,
}

impl Fault {
    /// Those of the tables, in their order.
    pub const ALL: [Self; 6] = [
        Self::None,
        Self::LeaderKilled,
        Self::LeaderCutOff,
        Self::FollowerCutOff,
        Self::LeaderPaused,
        Self::ClocksSkewed,
    ];

    /// Its name, the end of the names of its cells.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "no-fault",
            Self::LeaderKilled => "leader-killed",
            Self::LeaderCutOff => "leader-cut-off",
            Self::FollowerCutOff => "follower-cut-off",
            Self::LeaderPaused => "leader-paused",
            Self::ClocksSkewed => "clocks-skewed",
            Self::Storm => "storm",
        }
    }

    /// What happens, in words.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::None => "no fault",
            Self::LeaderKilled => "leader killed",
            Self::LeaderCutOff => "leader cut off",
            Self::FollowerCutOff => "follower cut off",
            Self::LeaderPaused => "leader paused",
            Self::ClocksSkewed => "clocks skewed",
            Self::Storm => "one fault after another",
        }
    }
}

impl Mode {
    /// The mode of that name.
    #[must_use]
    pub fn find(name: &str) -> Option<Self> {
        MODES.into_iter().find(|mode| mode.name == name)
    }

    /// A trial of the mode with five nodes and nothing that goes wrong.
    #[must_use]
    pub fn plan(self) -> Plan {
        let system = match self.kind {
            Kind::Raft | Kind::RaftLease | Kind::RaftLocal => SystemName::Raft,
            Kind::LwwHlc | Kind::LwwWall | Kind::Merge | Kind::Custom | Kind::FirstSeen => {
                SystemName::MultiLeader
            }
            Kind::Strict
            | Kind::WriteBack
            | Kind::WriteBackWall
            | Kind::NoQuorum
            | Kind::Sloppy => SystemName::Leaderless,
            _ => SystemName::LeaderFollower,
        };
        let mut plan = Plan::of_system(system);
        self.name.clone_into(&mut plan.name);
        let load = &mut plan.load;
        (load.clients, load.rate, load.keys) = (10, Some(400), 5);
        (load.time, load.timeout) = (LOAD, Duration::from_millis(500));
        load.recovery = Duration::from_secs(5);
        if self.is_leased() || self.reads_locally() {
            // Clients that write at a leader that was cut off lose patience and leave it; those
            // that only read stay, and see what its reads are worth.
            (load.clients, load.rate, load.keys) = (12, Some(200), 1);
            (load.read_percent, load.time) = (93, LEASED_LOAD);
        }
        plan.leader_follower = Switches(self.leader_follower());
        plan.raft = Switches(self.raft());
        plan.multi_leader = Switches(self.multi_leader());
        plan.leaderless = Switches(self.leaderless());
        plan.load.workload = self.workload().into();
        if self.reads_anywhere() {
            plan.load.clients_ask = Route::Random;
        }
        plan
    }

    /// The plan of the mode under that fault, and what must come out.
    #[must_use]
    pub fn under(self, fault: Fault) -> Plan {
        let mut plan = self.plan();
        plan.name = format!("{}-{}", self.name, fault.name());
        plan.label = Some(Label {
            mode: self.name.into(),
            fault: fault.words().into(),
        });
        plan.faults = self.faults(fault);
        plan.expect = self.expectations(fault);
        plan
    }

    fn leader_follower(self) -> LeaderFollower {
        let strict = LeaderFollower::default();
        let semi_sync = LeaderFollower {
            ack: Ack::SemiSync,
            k: Some(2),
            ..strict.clone()
        };
        let asynchronous = LeaderFollower {
            ack: Ack::Async,
            ship_interval_ms: Some(ASYNC_SHIPS_EVERY_MS),
            leader_reads: LeaderReads::Local,
            ..strict.clone()
        };
        match self.kind {
            Kind::Async => asynchronous,
            Kind::AsyncSession => LeaderFollower {
                read_from: ReadFrom::Session,
                ..asynchronous
            },
            Kind::SemiSync => semi_sync,
            Kind::SemiSyncAny => LeaderFollower {
                candidate: Candidate::Any,
                ..semi_sync
            },
            Kind::SemiSyncLocal => LeaderFollower {
                leader_reads: LeaderReads::Local,
                ..semi_sync
            },
            Kind::SemiSyncLease => LeaderFollower {
                leader_reads: LeaderReads::Lease,
                ..semi_sync
            },
            Kind::SyncLocal => LeaderFollower {
                leader_reads: LeaderReads::Local,
                ..strict
            },
            Kind::SyncDegrade => LeaderFollower {
                on_missing: OnMissing::Degrade,
                degrade_after_ms: 200,
                ..strict
            },
            Kind::FollowerReads => LeaderFollower {
                read_from: ReadFrom::Any,
                ..strict
            },
            _ => strict,
        }
    }

    fn raft(self) -> RaftMode {
        let reads = match self.kind {
            Kind::RaftLease => RaftReads::Lease,
            Kind::RaftLocal => RaftReads::Local,
            _ => RaftReads::ReadIndex,
        };
        RaftMode {
            reads,
            ..RaftMode::default()
        }
    }

    fn multi_leader(self) -> MultiLeaderMode {
        let (conflict, clock, resolver) = match self.kind {
            Kind::LwwWall => (Conflict::Lww, Some(Clock::Wall), None),
            Kind::Merge => (Conflict::Merge, None, None),
            Kind::Custom => (Conflict::Custom, None, Some(Resolver::Highest)),
            Kind::FirstSeen => (Conflict::Custom, None, Some(Resolver::FirstSeen)),
            _ => (Conflict::Lww, None, None),
        };
        MultiLeaderMode {
            conflict,
            clock,
            resolver,
            ..MultiLeaderMode::default()
        }
    }

    fn leaderless(self) -> LeaderlessMode {
        let strict = LeaderlessMode::default();
        match self.kind {
            Kind::Strict => LeaderlessMode {
                write_back: Switch::Off,
                ..strict
            },
            Kind::WriteBackWall => LeaderlessMode {
                versions: Versions::LwwWall,
                ..strict
            },
            Kind::NoQuorum => LeaderlessMode {
                r: 1,
                w: 1,
                versions: Versions::LwwHlc,
                write_back: Switch::Off,
                ..strict
            },
            Kind::Sloppy => LeaderlessMode {
                sloppy: Switch::On,
                versions: Versions::LwwHlc,
                write_back: Switch::Off,
                ..strict
            },
            _ => strict,
        }
    }

    fn workload(self) -> &'static str {
        match self.kind {
            // What is merged is shown by sets; registers keep all values that are concurrent.
            Kind::Merge => "set",
            Kind::LwwHlc
            | Kind::LwwWall
            | Kind::Custom
            | Kind::FirstSeen
            | Kind::SemiSyncLease
            | Kind::SemiSyncLocal
            | Kind::SyncLocal
            | Kind::RaftLease
            | Kind::Strict
            | Kind::WriteBack
            | Kind::WriteBackWall
            | Kind::NoQuorum
            | Kind::Sloppy => "register",
            _ => "mixed",
        }
    }

    fn reads_anywhere(self) -> bool {
        matches!(
            self.kind,
            Kind::FollowerReads | Kind::AsyncSession | Kind::RaftLocal
        )
    }

    /// Whether reads hang on a lease.
    fn is_leased(self) -> bool {
        matches!(self.kind, Kind::SemiSyncLease | Kind::RaftLease)
    }

    /// Whether a leader reads without asking, though writes wait for others.
    fn reads_locally(self) -> bool {
        matches!(self.kind, Kind::SemiSyncLocal | Kind::SyncLocal)
    }

    /// Whether all is promised, whatever goes wrong.
    #[must_use]
    pub fn is_strict(self) -> bool {
        matches!(
            self.kind,
            Kind::SemiSync | Kind::Sync | Kind::Raft | Kind::WriteBack
        )
    }

    /// Whether one node leads.
    #[must_use]
    pub fn is_led(self) -> bool {
        let system = self.plan().system;
        matches!(system, SystemName::LeaderFollower | SystemName::Raft)
    }

    fn faults(self, fault: Fault) -> Vec<FaultPlan> {
        let leaderless = self.plan().system == SystemName::Leaderless;
        let slow = leaderless.then(|| FaultPlan {
            at: Duration::from_millis(1),
            lasts: LOAD,
            up_to_ms: Some(SLOW_MS),
            ..strike(FaultKind::Slow, Target::All)
        });
        slow.into_iter().chain(self.struck_by(fault)).collect()
    }

    fn struck_by(self, fault: Fault) -> Vec<FaultPlan> {
        let led = self.is_led();
        let operated = self.plan().system == SystemName::LeaderFollower;
        let (leader, follower) = if led {
            (Target::Leader, Target::Follower)
        } else {
            (Target::Random, Target::Random)
        };
        let promoted = |kind, target| FaultPlan {
            // Nobody promises a new epoch while the old leader's lease runs.
            promote_after: operated.then_some(if self.is_leased() {
                2 * PROMOTED_AFTER
            } else {
                PROMOTED_AFTER
            }),
            ..strike(kind, target)
        };
        match fault {
            Fault::None => Vec::new(),
            // Whoever has just come back has not caught up.
            Fault::LeaderKilled if self.kind == Kind::SemiSyncAny => vec![
                FaultPlan {
                    at: AT - Duration::from_millis(500),
                    lasts: Duration::from_millis(500),
                    ..strike(FaultKind::Partition, follower)
                },
                promoted(FaultKind::Kill, leader),
            ],
            Fault::LeaderKilled => vec![promoted(FaultKind::Kill, leader)],
            Fault::LeaderCutOff if led => vec![promoted(FaultKind::Partition, leader)],
            Fault::LeaderCutOff => vec![strike(FaultKind::Partition, Target::Halves)],
            Fault::FollowerCutOff => vec![strike(FaultKind::Partition, follower)],
            Fault::LeaderPaused => vec![promoted(FaultKind::Pause, leader)],
            Fault::ClocksSkewed => {
                let skewed = FaultPlan {
                    by_ms: Some(-2_000),
                    rate_percent: Some(-75),
                    at: AT - Duration::from_millis(100),
                    lasts: LEASED_LASTS + Duration::from_millis(200),
                    ..strike(FaultKind::Clock, leader)
                };
                // A lease matters to a leader that nobody hears.
                let cut = || FaultPlan {
                    lasts: LEASED_LASTS,
                    ..promoted(FaultKind::Partition, leader)
                };
                let cut = self.is_leased().then(cut);
                [skewed].into_iter().chain(cut).collect()
            }
            Fault::Storm => [
                (FaultKind::Partition, 200),
                (FaultKind::Kill, 700),
                (FaultKind::Pause, 1_200),
                (FaultKind::Partition, 1_700),
            ]
            .map(|(kind, at)| FaultPlan {
                at: Duration::from_millis(at),
                lasts: Duration::from_millis(350),
                // Nobody promises a new epoch while a lease runs, and each fault is over before
                // one is.
                promote_after: (operated && !self.is_leased())
                    .then_some(Duration::from_millis(100)),
                ..strike(kind, Target::Random)
            })
            .to_vec(),
        }
    }

    /// What must come out. `any`: the mode permits it, and whether a run shows it depends on
    /// which operations were open at the moment of the fault.
    fn expectations(self, fault: Fault) -> BTreeMap<Claim, Expected> {
        use Expected::{Any, Held, Violated};
        let [linearizable, no_lost_writes, no_stale_reads] = self.promises(fault);
        let mut expect = BTreeMap::from([
            (Claim::LINEARIZABLE, linearizable),
            (Claim::NO_LOST_WRITES, no_lost_writes),
            (Claim::NO_STALE_READS, no_stale_reads),
        ]);
        let own = match (self.kind, fault) {
            (Kind::AsyncSession, Fault::None | Fault::FollowerCutOff | Fault::ClocksSkewed) => {
                Some(("read-your-writes", Held))
            }
            (Kind::AsyncSession, _) => Some(("read-your-writes", Any)),
            (Kind::LwwHlc | Kind::LwwWall | Kind::Custom, _) => Some(("convergence", Held)),
            (Kind::FirstSeen, Fault::LeaderCutOff | Fault::FollowerCutOff) => {
                Some(("convergence", Violated))
            }
            (Kind::FirstSeen, _) => Some(("convergence", Any)),
            _ => None,
        };
        if let Some((claim, expected)) = own {
            let claim = Claim::of_checker(claim).expect("it is the name of a checker");
            expect.insert(claim, expected);
        }
        expect
    }

    /// Linearizable, no lost writes, no stale reads.
    fn promises(self, fault: Fault) -> [Expected; 3] {
        use Expected::{Any, Held, Violated};
        if fault == Fault::Storm {
            // What one of its faults may break, several may.
            let each = STORMED.map(|fault| self.promises(fault));
            let holds = |place: usize| each.iter().all(|promised| promised[place] == Held);
            return [0, 1, 2].map(|place| if holds(place) { Held } else { Any });
        }
        match (self.kind, fault) {
            (Kind::Async, Fault::LeaderKilled) => [Any, Violated, Any],
            (Kind::Async, Fault::LeaderCutOff) => [Violated, Violated, Violated],
            (Kind::Async, Fault::LeaderPaused) => [Any, Any, Any],
            (Kind::AsyncSession, Fault::LeaderKilled | Fault::LeaderCutOff) => {
                [Violated, Violated, Violated]
            }
            (Kind::AsyncSession, Fault::LeaderPaused) => [Violated, Any, Violated],
            (Kind::AsyncSession | Kind::FollowerReads | Kind::RaftLocal, _) => {
                [Violated, Held, Violated]
            }
            (
                Kind::SemiSyncAny,
                Fault::LeaderKilled | Fault::LeaderCutOff | Fault::LeaderPaused,
            ) => [Any, Any, Any],
            (Kind::SemiSyncLocal, Fault::LeaderCutOff) => [Violated, Held, Violated],
            (Kind::SemiSyncLocal, Fault::LeaderPaused) => [Any, Held, Any],
            (Kind::SemiSyncLease | Kind::RaftLease, Fault::ClocksSkewed) => {
                [Violated, Held, Violated]
            }
            (Kind::SyncDegrade, Fault::LeaderCutOff) => [Violated, Violated, Any],
            (Kind::LwwHlc | Kind::LwwWall | Kind::Custom | Kind::Merge, Fault::None) => {
                [Any, Held, Any]
            }
            (Kind::LwwHlc | Kind::Custom, _) => [Violated, Held, Any],
            (Kind::LwwWall, Fault::ClocksSkewed) => [Violated, Violated, Any],
            (Kind::LwwWall, _) => [Violated, Held, Any],
            (Kind::Merge, _) => [Violated, Held, Any],
            (Kind::FirstSeen, _) => [Violated, Any, Any],
            (Kind::Strict, _) => [Any, Held, Held],
            (Kind::WriteBackWall, Fault::ClocksSkewed) => [Violated, Any, Any],
            (Kind::NoQuorum, Fault::ClocksSkewed) => [Violated, Any, Violated],
            (Kind::NoQuorum, _) => [Violated, Held, Violated],
            (Kind::Sloppy, Fault::ClocksSkewed) => [Any, Any, Any],
            (Kind::Sloppy, _) => [Any, Held, Any],
            _ => [Held, Held, Held],
        }
    }
}

/// Every mode under every fault, mode by mode.
#[must_use]
pub fn cells() -> Vec<(Mode, Fault, Plan)> {
    let each = MODES.into_iter();
    each.flat_map(|mode| Fault::ALL.map(|fault| (mode, fault, mode.under(fault))))
        .collect()
}

/// The plans that a word names: those of a mode under every fault, one of them, or a trial file.
///
/// # Errors
///
/// A sentence that says what is wrong with the file, or what was probably meant.
pub fn named(word: &str) -> Result<Vec<Plan>, String> {
    if let Some(mode) = Mode::find(word) {
        return Ok(Fault::ALL.map(|fault| mode.under(fault)).to_vec());
    }
    // Whatever a table or a self-test names can be carried out again.
    let storms = MODES.iter().map(|mode| mode.under(Fault::Storm));
    let mut cells = cells().into_iter().map(|(.., plan)| plan).chain(storms);
    if let Some(plan) = cells.find(|plan| plan.name == word) {
        return Ok(vec![plan]);
    }
    let path = Path::new(word);
    let is_file = path.extension().is_some() || path.exists();
    if is_file {
        return Ok(vec![Plan::load(path).map_err(|error| error.to_string())?]);
    }
    let names = MODES.map(|mode| mode.name);
    Err(format!(
        "{}; or name a trial file",
        crate::suggest::unknown("mode", word, names)
    ))
}

/// What a storm is made of, whoever it hits.
const STORMED: [Fault; 4] = [
    Fault::LeaderKilled,
    Fault::LeaderCutOff,
    Fault::FollowerCutOff,
    Fault::LeaderPaused,
];
/// Asynchronous followers lag by this to twice this; see the demo.
const ASYNC_SHIPS_EVERY_MS: u64 = 50;
const LOAD: Duration = Duration::from_millis(2_500);
const AT: Duration = Duration::from_millis(800);
const LASTS: Duration = Duration::from_millis(1_000);
const LEASED_LOAD: Duration = Duration::from_millis(3_500);
const LEASED_LASTS: Duration = Duration::from_millis(2_200);
/// What links take where nodes have no leader, so that replicas differ for long enough.
const SLOW_MS: u64 = 20;
const PROMOTED_AFTER: Duration = Duration::from_millis(300);

fn strike(kind: FaultKind, target: Target) -> FaultPlan {
    FaultPlan {
        kind,
        target,
        at: AT,
        lasts: LASTS,
        every: None,
        promote_after: None,
        step: None,
        by_ms: None,
        rate_percent: None,
        up_to_ms: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cell_is_a_valid_trial_file() {
        let cells = cells();
        assert_eq!(cells.len(), MODES.len() * Fault::ALL.len());
        for (.., plan) in cells {
            let read = Plan::parse(&plan.to_toml(), Path::new("cell.toml"));
            assert_eq!(read.expect("it is valid"), plan);
        }
    }

    #[test]
    fn a_word_names_a_mode_a_cell_or_a_file() {
        let count = |word| named(word).map(|plans| plans.len());
        assert_eq!(count("raft"), Ok(6));
        assert_eq!(count("semi-sync-leader-paused"), Ok(1));
        assert_eq!(count("raft-storm"), Ok(1));
        assert!(count("rafd").unwrap_err().contains("did you mean `raft`?"));
        assert!(count("missing.toml").unwrap_err().contains("cannot read"));
    }
}
