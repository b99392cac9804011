//! What an operator decides when it makes another node lead. Pure, so that the operator of
//! hosts and the simulated one decide alike.
//!
//! The steps: the [next epoch](next_epoch) of those that can be reached; their promises, or
//! without fencing [their word](unfenced); a [candidate](choose) among them; its promotion.

use std::sync::Arc;

use checkers::history::Value;
use fixtures::bugs::Bug;
use fixtures::config::{Candidate, Mode, Promotion};
use fixtures::protocol::{Fenced, Promoted, Role, Status};

use super::operator::number;

/// The nodes that promised, by position, rising, and where their logs end.
pub(super) type Consulted = Vec<(usize, Fenced)>;

/// Whether the mode lets anybody promote.
pub(super) fn may_promote(mode: &Mode) -> Result<(), String> {
    match mode.promotion {
        Promotion::None => Err("the mode has promotion = none; choose operator".into()),
        Promotion::Operator | Promotion::Auto => Ok(()),
    }
}

/// One above all that the nodes in reach have heard of.
pub(super) fn next_epoch<'a>(near: impl IntoIterator<Item = &'a Status>) -> u64 {
    let epochs = near.into_iter().map(|status| status.epoch);
    epochs.max().unwrap_or(0) + 1
}

/// What stands for a promise where nobody is asked for one.
pub(super) fn unfenced(status: &Status) -> Fenced {
    Fenced {
        granted: true,
        epoch: status.epoch,
        last_epoch: status.last_epoch,
        last_position: status.last_position,
    }
}

/// Whom to promote to lead `epoch`, among those that promised.
///
/// # Errors
///
/// Why nobody may be, in words.
pub(super) fn choose(
    mode: &Mode,
    nodes: usize,
    epoch: u64,
    consulted: &Consulted,
) -> Result<usize, String> {
    let needed = mode.consult_min(nodes);
    if consulted.len() < needed {
        let got = consulted.len();
        return Err(format!("{got} nodes promised epoch {epoch}, {needed} must"));
    }
    candidate(mode, consulted).ok_or_else(|| "no node could be reached".into())
}

fn candidate(mode: &Mode, consulted: &Consulted) -> Option<usize> {
    let end = |(_, fenced): &&(usize, Fenced)| (fenced.last_epoch, fenced.last_position);
    let found = if mode.has(Bug::PromoteStaleFollower) {
        consulted.iter().min_by_key(end)
    } else {
        match mode.candidate {
            // Of several equal ones the first, which `max_by_key` would not give.
            Candidate::MostAdvanced => consulted.iter().rev().max_by_key(end),
            Candidate::Any => consulted.first(),
        }
    };
    found.map(|(position, _)| *position)
}

/// The promotion, as histories tell it.
///
/// # Errors
///
/// In words, if the node does not lead after all.
pub(super) fn told(
    names: &[Arc<str>],
    consulted: &Consulted,
    promoted: &Promoted,
    status: &Status,
) -> Result<Value, String> {
    if status.role != Role::Leader {
        return Err(format!(
            "{} does not lead after it was promoted",
            status.name
        ));
    }
    let ends = consulted
        .iter()
        .map(|(position, fenced)| (&*names[*position], number(fenced.last_position)));
    Ok(Value::map([
        ("leader", Value::str(&status.name)),
        ("epoch", number(promoted.epoch)),
        ("begins-at", number(promoted.position)),
        ("log-ends", Value::map(ends)),
        ("proven", Value::Bool(true)),
    ]))
}

#[cfg(test)]
mod tests {
    use fixtures::bugs::Bugs;

    use super::*;

    fn consulted(ends: &[(u64, u64)]) -> Consulted {
        let fenced = |(last_epoch, last_position): &(u64, u64)| Fenced {
            granted: true,
            epoch: 9,
            last_epoch: *last_epoch,
            last_position: *last_position,
        };
        ends.iter().map(fenced).enumerate().collect()
    }

    #[test]
    fn the_last_epoch_counts_before_the_position_and_the_first_of_equals_wins() {
        let mode = Mode::default();
        let chosen = |ends: &[(u64, u64)]| choose(&mode, ends.len(), 9, &consulted(ends));
        assert_eq!(chosen(&[(1, 99), (2, 5), (2, 5)]), Ok(1));
        assert_eq!(chosen(&[(2, 5), (2, 6), (1, 7)]), Ok(1));
        let bugs = Bugs::from([Bug::PromoteStaleFollower]);
        let mode = Mode { bugs, ..mode };
        assert_eq!(
            choose(&mode, 3, 9, &consulted(&[(2, 5), (1, 9), (2, 6)])),
            Ok(1)
        );
    }

    #[test]
    fn too_few_promises_promote_nobody() {
        let refused = choose(&Mode::default(), 5, 9, &consulted(&[(1, 1), (1, 1)]));
        assert!(refused.unwrap_err().contains("3 must"));
        let mode = Mode {
            promotion: Promotion::None,
            ..Mode::default()
        };
        assert!(may_promote(&mode).is_err());
    }
}
