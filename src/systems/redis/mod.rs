//! Redis with Sentinel: one primary that replicates asynchronously, and a sentinel a node that
//! makes another one primary when a majority finds the old one gone.
//!
//! **Client**: one connection a node for each process, spoken by a page of our own ([`resp`]);
//! it neither retries nor reconnects for a request that was sent, and does not pool, pipeline
//! or cache. Half of the clients hear of a new primary when most sentinels name it; the others
//! stay with the old one until it fails them, as clients with an old address do.
//!
//! **Objects**: a register is a string, a set is a set, compare-and-set is one script. A lock is
//! a key with a lifetime, which no client renews; its tokens are counted up beside it, and the
//! resource that it guards refuses one that is lower than it has heard of. A transaction is one
//! block of `MULTI`, of strings and lists as text. With
//! `wait` a write counts as done when so many replicas have it; if they do not in time, its
//! outcome is unknown, since the primary has it.
//!
//! **Errors**: [`ERRORS`], all of which a server answers before it does anything.
//!
//! **Operator**: leaves failing over to the sentinels. When load and faults are over it has them
//! look at the servers more often, as they leave an old primary alone for eight seconds.

mod client;
mod commands;
mod operator;
mod resp;

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::System;
use super::announcer::Announcer;
use super::daemon::{Daemon, HOME};
use super::routing::Directory;
use crate::client::{AnyConnect, Clientele};
use crate::cluster::Node;
use crate::image::Recipe;

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
    "acquire",
    "release",
    "guarded-write",
    "guarded-read",
];

/// What errors say of an operation that changes something: whether it certainly did not happen.
pub(super) const ERRORS: &[(&str, bool)] = &[
    ("could not connect", true),
    ("not the primary", true),
    ("mismatch", true),
    ("held by another", true),
    ("not held", true),
    ("refused", true),
    // A block with a command that was refused is thrown away.
    ("EXECABORT", true),
    ("READONLY", true),
    ("LOADING", true),
    ("MASTERDOWN", true),
    ("NOREPLICAS", true),
    ("MISCONF", true),
    ("OOM", true),
    ("NOAUTH", true),
    ("WRONGTYPE", true),
    ("BUSY", true),
    ("too few replicas", false),
    ("UNBLOCKED", false),
    ("timed out", false),
    ("connection lost", false),
];

/// The options of `[redis]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Options {
    /// What the servers' version begins with.
    pub version: String,
    /// A write is done when so many replicas have it (`WAIT`); 0 waits for none.
    pub wait: u8,
    /// How long it waits for them.
    pub wait_ms: u32,
    /// A primary with fewer connected replicas than this takes no writes; 0: whatever happens.
    pub min_replicas: u8,
    /// Whether writes are appended to a file, and how often that is made durable.
    pub appendfsync: AppendFsync,
    /// How long a primary is silent until a sentinel holds it to be gone.
    pub down_after_ms: u32,
    /// How long until a failover that did not succeed is tried again.
    pub failover_timeout_ms: u32,
    /// How long a lock is held at the most.
    pub lease_ms: u32,
}

/// How often the file of writes is made durable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AppendFsync {
    /// There is no such file: a server that is killed begins empty.
    Off,
    /// When the kernel likes.
    No,
    /// Every second.
    #[default]
    Everysec,
    /// Before a write is answered.
    Always,
}

impl AppendFsync {
    fn settings(self) -> &'static str {
        match self {
            Self::Off => "appendonly no\n",
            Self::No => "appendonly yes\nappendfsync no\n",
            Self::Everysec => "appendonly yes\nappendfsync everysec\n",
            Self::Always => "appendonly yes\nappendfsync always\n",
        }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            version: "7".into(),
            wait: 0,
            wait_ms: 200,
            min_replicas: 0,
            appendfsync: AppendFsync::default(),
            down_after_ms: 1000,
            failover_timeout_ms: 3000,
            lease_ms: 2000,
        }
    }
}

impl Options {
    /// Checks that they go together, for so many nodes.
    ///
    /// # Errors
    ///
    /// The first contradiction, in words.
    pub fn validate(&self, nodes: usize) -> Result<(), String> {
        let replicas = nodes - 1;
        for (name, asked) in [("wait", self.wait), ("min-replicas", self.min_replicas)] {
            if usize::from(asked) > replicas {
                return Err(format!(
                    "redis: {name} is {asked}, and there are {replicas} replicas"
                ));
            }
        }
        if self.lease_ms == 0 {
            return Err("redis: lease-ms must be at least 1".into());
        }
        if nodes < 3 {
            return Err(
                "redis: sentinels need three nodes for a majority that survives one".into(),
            );
        }
        Ok(())
    }

    /// The software that hosts need.
    #[must_use]
    pub fn recipe(&self) -> Recipe {
        Recipe {
            packages: vec!["redis-server".into(), "redis-sentinel".into()],
            ..Recipe::default()
        }
    }
}

const PORT: u16 = 6379;
const SENTINEL_PORT: u16 = 26379;
/// What the sentinels call the group.
const GROUP: &str = "schism";

/// The servers and sentinels, as processes on hosts.
struct Servers {
    options: Options,
    directory: Arc<Directory>,
    version: OnceLock<String>,
    /// Tells clients of new primaries, while the run lasts.
    announcer: Announcer,
}

/// The system as a run uses it.
#[must_use]
pub fn system(options: &Options, nodes: &[Node], clientele: Clientele) -> System {
    let directory = Arc::<Directory>::default();
    let clients = Clients::new(nodes, clientele, options, Arc::clone(&directory));
    let servers = Servers {
        options: options.clone(),
        directory,
        version: OnceLock::new(),
        announcer: Announcer::default(),
    };
    System {
        db: Arc::new(servers),
        clients: AnyConnect::new(clients),
    }
}

fn address(node: &Node, port: u16) -> SocketAddr {
    SocketAddr::new(node.address, port)
}

impl Servers {
    fn server() -> Daemon {
        daemon("redis-server", "redis")
    }

    fn sentinel() -> Daemon {
        daemon("redis-sentinel", "sentinel")
    }

    fn server_config(&self, node: &Node, primary: &Node) -> String {
        let mut text = format!(
            "port {PORT}\nbind {}\nprotected-mode no\ndir {}\nenable-debug-command yes\n\
             repl-diskless-sync-delay 0\nrepl-timeout 10\nmin-replicas-to-write {}\n\
             min-replicas-max-lag 2\n",
            node.address,
            Self::server().directory,
            self.options.min_replicas,
        );
        text += self.options.appendfsync.settings();
        if node.name != primary.name {
            text += &format!("replicaof {} {PORT}\n", primary.address);
        }
        text
    }

    fn sentinel_config(&self, node: &Node, primary: &Node, nodes: usize) -> String {
        format!(
            "port {SENTINEL_PORT}\nbind {}\nprotected-mode no\ndir {}\n\
             sentinel monitor {GROUP} {} {PORT} {}\nsentinel down-after-milliseconds {GROUP} {}\n\
             sentinel failover-timeout {GROUP} {}\nsentinel parallel-syncs {GROUP} {nodes}\n",
            node.address,
            Self::sentinel().directory,
            primary.address,
            nodes / 2 + 1,
            self.options.down_after_ms,
            self.options.failover_timeout_ms,
        )
    }
}

fn daemon(program: &str, name: &str) -> Daemon {
    let directory = format!("{HOME}/{name}");
    Daemon {
        program: format!("/usr/bin/{program}"),
        args: vec![format!("{directory}/{name}.conf")],
        directory,
        user: None,
    }
}
