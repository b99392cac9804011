//! The systems that can be tested: how each is installed and talked to, and its table of
//! definite errors. [`SystemName`] is the list of all there are.

mod announcer;
mod arguments;
pub mod daemon;
pub mod etcd;
mod guarded;
mod host;
mod http;
pub mod postgresql;
pub mod redis;
pub mod reference;
pub mod routing;
mod steps;

use std::path::Path;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::client::AnyConnect;
use crate::cluster::Db;

/// A system under test, ready to be deployed and asked.
pub struct System {
    /// How it is installed and steered.
    pub db: Arc<dyn Db>,
    /// Opens its clients.
    pub clients: AnyConnect,
}

/// What a system may need of the control host.
#[derive(Clone, Copy, Debug)]
pub struct Surroundings<'a> {
    /// The program of the reference nodes.
    pub node_binary: &'a Path,
}

/// The systems that can be tested.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SystemName {
    /// The reference node for leader–follower replication.
    #[default]
    LeaderFollower,
    /// The reference node for consensus by Raft.
    Raft,
    /// The reference node for replication with several leaders.
    MultiLeader,
    /// The reference node for replication without leaders.
    Leaderless,
    /// etcd: a Raft group of key-value stores.
    Etcd,
    /// Redis with Sentinel: a primary and asynchronous replicas.
    Redis,
    /// PostgreSQL with streaming replication.
    Postgresql,
}

impl SystemName {
    /// All systems, in the order of the lists.
    pub const ALL: [Self; 7] = [
        Self::LeaderFollower,
        Self::Raft,
        Self::MultiLeader,
        Self::Leaderless,
        Self::Etcd,
        Self::Redis,
        Self::Postgresql,
    ];

    /// The word that trial files use, and the name of the table with its options.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::LeaderFollower => "leader-follower",
            Self::Raft => "raft",
            Self::MultiLeader => "multi-leader",
            Self::Leaderless => "leaderless",
            Self::Etcd => "etcd",
            Self::Redis => "redis",
            Self::Postgresql => "postgresql",
        }
    }

    /// What it is, for lists.
    #[must_use]
    pub fn about(self) -> &'static str {
        match self {
            Self::LeaderFollower => "the reference node for leader–follower replication",
            Self::Raft => "the reference node for consensus by Raft",
            Self::MultiLeader => "the reference node for replication with several leaders",
            Self::Leaderless => "the reference node for replication without leaders",
            Self::Etcd => "etcd: a Raft group of key-value stores",
            Self::Redis => "Redis with Sentinel: a primary and asynchronous replicas",
            Self::Postgresql => "PostgreSQL with streaming replication",
        }
    }

    /// The operations of workloads that its clients speak, with one choice of its options or
    /// another; [`Plan::operations`](crate::plan::Plan::operations) tells those of a trial.
    #[must_use]
    pub fn operations(self) -> &'static [&'static str] {
        match self {
            Self::LeaderFollower | Self::Raft => reference::ORDERED,
            Self::MultiLeader | Self::Leaderless => reference::MERGED,
            Self::Etcd => etcd::OPERATIONS,
            Self::Redis => redis::OPERATIONS,
            Self::Postgresql => postgresql::OPERATIONS,
        }
    }

    /// Whether an operator makes another node lead; else the nodes decide for themselves.
    #[must_use]
    pub fn is_promoted_by_operator(self) -> bool {
        match self {
            Self::LeaderFollower | Self::Postgresql => true,
            Self::Raft | Self::MultiLeader | Self::Leaderless | Self::Etcd | Self::Redis => false,
        }
    }

    /// Whether its nodes also run in memory.
    #[must_use]
    pub fn is_simulated(self) -> bool {
        match self {
            Self::LeaderFollower | Self::Raft | Self::MultiLeader | Self::Leaderless => true,
            Self::Etcd | Self::Redis | Self::Postgresql => false,
        }
    }

    /// Its errors, and whether each promises that an operation that changes something did not
    /// happen and never will. What is not in the table is of unknown outcome.
    #[must_use]
    pub fn errors(self) -> Vec<(String, bool)> {
        match self {
            Self::LeaderFollower | Self::Raft | Self::MultiLeader | Self::Leaderless => {
                reference::definite_errors()
                    .map(|(code, definite)| (format!("{code:?}"), definite))
                    .collect()
            }
            Self::Etcd => table(etcd::ERRORS),
            Self::Redis => table(redis::ERRORS),
            Self::Postgresql => table(postgresql::ERRORS),
        }
    }
}

fn table(errors: &[(&str, bool)]) -> Vec<(String, bool)> {
    let own = |(error, definite): &(&str, bool)| ((*error).to_owned(), *definite);
    errors.iter().map(own).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_systems_are_in_the_list_under_the_words_of_trial_files() {
        let schema = schemars::schema_for!(SystemName);
        let variants = schema.get("oneOf").and_then(|variants| variants.as_array());
        let words: Vec<&str> = variants
            .expect("a variant each, with what it is")
            .iter()
            .filter_map(|variant| variant["const"].as_str())
            .collect();
        assert_eq!(words, SystemName::ALL.map(SystemName::as_str));
    }
}
