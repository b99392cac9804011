//! Which nodes a fault hits: pure choices.

use checkers::history::Value;
use rand::RngExt;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use workloads::generator::Invocation;

/// Whom a fault hits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Target {
    /// The node that leads when the fault is injected.
    Leader,
    /// A node that does not lead, by chance.
    Follower,
    /// A node by chance.
    Random,
    /// Every node.
    All,
    /// Partitions only: two groups by chance, as equal as can be.
    Halves,
    /// Partitions only: the leader hears nobody, but is heard.
    OneWay,
}

impl Target {
    /// The word that trial files use.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Leader => "leader",
            Self::Follower => "follower",
            Self::Random => "random",
            Self::All => "all",
            Self::Halves => "halves",
            Self::OneWay => "one-way",
        }
    }

    /// Reads the word that [`Target::as_str`] writes.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        [
            Self::Leader,
            Self::Follower,
            Self::Random,
            Self::All,
            Self::Halves,
            Self::OneWay,
        ]
        .into_iter()
        .find(|target| target.as_str() == word)
    }

    /// The target that an order of the schedule names.
    ///
    /// # Errors
    ///
    /// That there is none of that name, in words.
    pub fn of(order: &Invocation) -> Result<Self, String> {
        let word = order.value.get("target").and_then(Value::as_str);
        let word = word.unwrap_or_default();
        Self::parse(word).ok_or_else(|| format!("no target is called {word:?}"))
    }

    /// Whether it cannot be found without knowing who leads.
    #[must_use]
    pub fn needs_leader(self) -> bool {
        match self {
            Self::Leader | Self::Follower | Self::OneWay => true,
            Self::Random | Self::All | Self::Halves => false,
        }
    }
}

/// The positions of the nodes that a kill or a pause hits, rising. `leader` is the node that
/// leads, if one is known. None if the target cannot be found.
#[must_use]
pub fn pick(
    target: Target,
    nodes: usize,
    leader: Option<usize>,
    rng: &mut ChaCha8Rng,
) -> Option<Vec<usize>> {
    let all: Vec<usize> = (0..nodes).collect();
    match target {
        Target::Leader | Target::OneWay => leader.map(|leader| vec![leader]),
        Target::Follower => {
            let followers: Vec<usize> = all.into_iter().filter(|n| Some(*n) != leader).collect();
            followers.choose(rng).map(|node| vec![*node])
        }
        Target::Random => all.choose(rng).map(|node| vec![*node]),
        Target::All => Some(all),
        Target::Halves => {
            let mut chosen: Vec<usize> = all;
            while chosen.len() > nodes / 2 {
                let out = rng.random_range(0..chosen.len());
                chosen.remove(out);
            }
            Some(chosen)
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn picks_whom_it_says() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        for _ in 0..100 {
            assert_eq!(pick(Target::Leader, 5, Some(2), &mut rng), Some(vec![2]));
            assert_eq!(pick(Target::Leader, 5, None, &mut rng), None);
            assert_ne!(pick(Target::Follower, 5, Some(2), &mut rng), Some(vec![2]));
            assert_eq!(pick(Target::All, 3, None, &mut rng), Some(vec![0, 1, 2]));
            assert_eq!(
                pick(Target::Halves, 5, None, &mut rng).map(|n| n.len()),
                Some(2)
            );
        }
        assert_eq!(pick(Target::Follower, 1, Some(0), &mut rng), None);
    }

    #[test]
    fn a_seed_decides() {
        let draw = |seed| {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            (0..20)
                .map(|_| pick(Target::Random, 5, None, &mut rng))
                .collect::<Vec<_>>()
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
    }

    #[test]
    fn words_read_back() {
        for target in [Target::Leader, Target::Halves, Target::OneWay, Target::All] {
            assert_eq!(Target::parse(target.as_str()), Some(target));
        }
    }
}
