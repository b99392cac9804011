//! Who no longer hears whom: pure.

use std::collections::BTreeMap;

use super::target::Target;

/// A grudge: for each node, by position, the nodes whose packets it drops.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grudge {
    /// From the node that drops to those whom it no longer hears, rising.
    pub drops: BTreeMap<usize, Vec<usize>>,
}

impl Grudge {
    /// What a partition of a target means, once its nodes are `chosen`.
    ///
    /// # Panics
    ///
    /// If a one-way partition comes without its node.
    #[must_use]
    pub fn of(target: Target, nodes: usize, chosen: &[usize]) -> Self {
        match target {
            Target::OneWay => Self::deafen(nodes, chosen[0]),
            Target::Leader | Target::Follower | Target::Random | Target::All | Target::Halves => {
                Self::split(nodes, chosen)
            }
        }
    }

    /// The nodes of `apart` and all the others no longer hear each other.
    #[must_use]
    pub fn split(nodes: usize, apart: &[usize]) -> Self {
        let (inside, outside): (Vec<usize>, Vec<usize>) =
            (0..nodes).partition(|node| apart.contains(node));
        let mut drops = BTreeMap::new();
        for node in &inside {
            drops.insert(*node, outside.clone());
        }
        for node in &outside {
            drops.insert(*node, inside.clone());
        }
        drops.retain(|_, dropped| !dropped.is_empty());
        Self { drops }
    }

    /// The node hears nobody any more; the others still hear it.
    #[must_use]
    pub fn deafen(nodes: usize, deaf: usize) -> Self {
        let others = (0..nodes).filter(|node| *node != deaf).collect();
        Self {
            drops: BTreeMap::from([(deaf, others)]),
        }
    }

    /// Whether packets from `from` still arrive at `to`.
    #[must_use]
    pub fn hears(&self, to: usize, from: usize) -> bool {
        !self
            .drops
            .get(&to)
            .is_some_and(|dropped| dropped.contains(&from))
    }

    /// Whether the two can still talk, which takes both directions.
    #[must_use]
    pub fn connected(&self, one: usize, other: usize) -> bool {
        self.hears(one, other) && self.hears(other, one)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_split_cuts_both_ways_and_nothing_else() {
        let grudge = Grudge::split(5, &[0, 3]);
        for one in 0..5 {
            for other in 0..5 {
                let same_side = [0, 3].contains(&one) == [0, 3].contains(&other);
                assert_eq!(grudge.connected(one, other), same_side, "{one} {other}");
            }
        }
    }

    #[test]
    fn a_deaf_node_is_still_heard() {
        let grudge = Grudge::deafen(3, 1);
        assert!(grudge.hears(0, 1) && !grudge.hears(1, 0) && !grudge.connected(0, 1));
        assert!(grudge.connected(0, 2));
    }
}
