//! The demo campaign: three ways of replicating to followers, four circumstances each.

use std::collections::BTreeMap;
use std::time::Duration;

use fixtures::config::{Ack, LeaderReads, Mode, ReadFrom};

use crate::claim::{Claim, Expected};
use crate::client::Route;
use crate::nemesis::schedule::{FaultKind, FaultPlan};
use crate::nemesis::target::Target;
use crate::plan::{Label, Load, Plan, SystemName};
use crate::systems::reference::Switches;

/// The modes of the demo.
const MODES: [Ack; 3] = [Ack::Async, Ack::SemiSync, Ack::Sync];

/// Asynchronous followers lag by this to twice this: what was acknowledged within the last such
/// time before a leader is killed has reached nobody. Real ones lag by milliseconds to hours.
const ASYNC_SHIPS_EVERY_MS: u64 = 50;

/// What a mode is put through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trial {
    Peace,
    LeaderKilled,
    LeaderCutOff,
    FollowerReads,
}

const TRIALS: [Trial; 4] = [
    Trial::Peace,
    Trial::LeaderKilled,
    Trial::LeaderCutOff,
    Trial::FollowerReads,
];

/// The twelve plans of the demo, all with the same seed.
#[must_use]
pub fn plans(seed: u64) -> Vec<Plan> {
    let cells = MODES
        .iter()
        .flat_map(|ack| TRIALS.iter().map(move |trial| (*ack, *trial)));
    cells.map(|(ack, trial)| plan(ack, trial, seed)).collect()
}

/// The cell of that name, or else those whose name begins or ends with that word.
#[must_use]
pub fn only(cells: Vec<Plan>, word: Option<&str>) -> Vec<Plan> {
    let Some(word) = word else { return cells };
    let exact = cells.iter().any(|plan| plan.name == word);
    let wanted = |name: &str| {
        let rest = name
            .strip_prefix(word)
            .is_some_and(|rest| rest.starts_with('-'));
        let head = name
            .strip_suffix(word)
            .is_some_and(|head| head.ends_with('-'));
        if exact { name == word } else { rest || head }
    };
    cells
        .into_iter()
        .filter(|plan| wanted(&plan.name))
        .collect()
}

fn plan(ack: Ack, trial: Trial, seed: u64) -> Plan {
    let (mode_name, mode_words) = match ack {
        Ack::Async => ("async", "async"),
        Ack::SemiSync => ("semi-sync", "semi-sync (2 of 4)"),
        Ack::Sync => ("sync", "sync (all 4)"),
    };
    let (trial_name, trial_words) = match trial {
        Trial::Peace => ("no-fault", "none"),
        Trial::LeaderKilled => ("leader-killed", "leader killed, follower promoted"),
        Trial::LeaderCutOff => ("leader-cut-off", "leader cut off, follower promoted"),
        Trial::FollowerReads => ("follower-reads", "none; reads at followers"),
    };
    let follower_reads = trial == Trial::FollowerReads;
    Plan {
        name: format!("{mode_name}-{trial_name}"),
        seed,
        label: Some(Label {
            mode: mode_words.into(),
            fault: trial_words.into(),
        }),
        leader_follower: Switches(Mode {
            ack,
            k: (ack == Ack::SemiSync).then_some(2),
            ship_interval_ms: (ack == Ack::Async).then_some(ASYNC_SHIPS_EVERY_MS),
            leader_reads: if ack == Ack::Async {
                LeaderReads::Local
            } else {
                LeaderReads::Confirmed
            },
            read_from: if follower_reads {
                ReadFrom::Any
            } else {
                ReadFrom::Leader
            },
            ..Mode::default()
        }),
        load: Load {
            time: Duration::from_secs(5),
            clients_ask: if follower_reads {
                Route::Random
            } else {
                Route::Leader
            },
            ..Load::default()
        },
        faults: fault(trial).into_iter().collect(),
        expect: expectations(ack, trial),
        ..Plan::of_system(SystemName::LeaderFollower)
    }
}

fn fault(trial: Trial) -> Option<FaultPlan> {
    let kind = match trial {
        Trial::Peace | Trial::FollowerReads => return None,
        Trial::LeaderKilled => FaultKind::Kill,
        Trial::LeaderCutOff => FaultKind::Partition,
    };
    Some(FaultPlan {
        kind,
        step: None,
        target: Target::Leader,
        at: Duration::from_millis(1500),
        lasts: Duration::from_millis(2000),
        every: None,
        promote_after: Some(Duration::from_millis(700)),
        by_ms: None,
        rate_percent: None,
        up_to_ms: None,
    })
}

/// What each cell must show. `any`: the mode permits it, and whether a run shows it depends on
/// which operations were open at the moment of the fault.
fn expectations(ack: Ack, trial: Trial) -> BTreeMap<Claim, Expected> {
    use Expected::{Any, Held, Violated};
    let [linearizable, no_lost_writes, no_stale_reads] = match (ack, trial) {
        (_, Trial::FollowerReads) => [Violated, Held, Violated],
        (Ack::Async, Trial::LeaderKilled) => [Any, Violated, Any],
        (Ack::Async, Trial::LeaderCutOff) => [Violated, Violated, Violated],
        (Ack::Async, Trial::Peace) | (Ack::SemiSync | Ack::Sync, _) => [Held, Held, Held],
    };
    BTreeMap::from([
        (Claim::LINEARIZABLE, linearizable),
        (Claim::NO_LOST_WRITES, no_lost_writes),
        (Claim::NO_STALE_READS, no_stale_reads),
    ])
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn a_word_names_a_cell_a_mode_or_a_fault() {
        let count = |word| only(plans(1), Some(word)).len();
        assert_eq!(
            (
                count("sync-leader-killed"),
                count("sync"),
                count("semi-sync")
            ),
            (1, 4, 4)
        );
        assert_eq!(
            (count("leader-killed"), count("no-fault"), count("leader")),
            (3, 3, 0)
        );
        assert_eq!(only(plans(1), None).len(), 12);
    }

    #[test]
    fn every_cell_is_a_valid_trial_file() {
        let plans = plans(7);
        assert_eq!(plans.len(), 12);
        for plan in plans {
            assert_eq!(
                Plan::parse(&plan.to_toml(), Path::new("cell.toml")).unwrap(),
                plan
            );
        }
    }
}
