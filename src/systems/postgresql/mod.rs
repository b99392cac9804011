//! PostgreSQL with streaming replication: a primary, standbys, and an operator who makes one of
//! them primary.
//!
//! **Client**: `tokio-postgres`, one connection a node for each process, statements prepared on
//! it. The library neither retries nor reconnects nor pools; a connection that ends stays ended,
//! and its operation is of unknown outcome.
//!
//! **Objects**: a register is a row of one table, a set is the rows of a key in another,
//! compare-and-set is one statement, committed by itself. Steps, lists among them, and the rows
//! of pairs are statements between a begin and a commit, at the isolation level that the options
//! name; until the commit is sent, nothing can have happened. A lock is a row with a token of a
//! sequence, held until it is given back.
//!
//! **Errors**: [`ERRORS`], by SQLSTATE. A commit that waits for a standby and is cancelled
//! answers *success* with a warning, though no standby may have it: of unknown outcome.
//!
//! **Operator**: has all standbys that it can reach leave the old primary, promotes the one that
//! received most, and points the others at it. A replaced primary is not fenced; after the faults
//! it gets a copy of the new one, and so does a standby that cannot follow it.

mod client;
mod operator;
mod statements;

use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, OnceLock};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::System;
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
    "insert",
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
    // Its commit was not sent.
    ("not committed", true),
    // The statement was refused or undone before its commit.
    ("25006 read_only_sql_transaction", true),
    ("40001 serialization_failure", true),
    ("40P01 deadlock_detected", true),
    ("23505 unique_violation", true),
    ("57014 query_canceled", true),
    ("57P03 cannot_connect_now", true),
    ("53300 too_many_connections", true),
    // The commit may have been written.
    ("commit with a warning", false),
    ("57P01 admin_shutdown", false),
    ("57P02 crash_shutdown", false),
    ("timed out", false),
    ("connection lost", false),
];

/// The options of `[postgresql]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Options {
    /// The major version.
    pub version: String,
    /// For how many standbys, and which, a commit waits; left out, for none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub synchronous: Option<Synchronous>,
    /// What a commit waits for.
    pub commit: Commit,
    /// How transactions see each other.
    pub isolation: Isolation,
    /// A client cancels a statement that is not answered by then, and waits on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cancel_after_ms: Option<u32>,
    /// As whom clients and the operator log in.
    pub user: String,
}

/// For which standbys a commit waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub enum Synchronous {
    /// For the first so many that are connected, in the order of the nodes.
    First(u8),
    /// For any so many.
    Any(u8),
}

impl Synchronous {
    fn count(self) -> usize {
        match self {
            Self::First(count) | Self::Any(count) => count.into(),
        }
    }
}

/// What a commit waits for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Commit {
    /// For nothing.
    Off,
    /// For the primary's own disk.
    Local,
    /// Until standbys have received it.
    RemoteWrite,
    /// Until it is on standbys' disks.
    #[default]
    On,
    /// Until standbys show it to readers.
    RemoteApply,
}

impl Commit {
    fn setting(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Local => "local",
            Self::RemoteWrite => "remote_write",
            Self::On => "on",
            Self::RemoteApply => "remote_apply",
        }
    }
}

/// How transactions see each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Isolation {
    /// Each statement sees what was committed before it.
    #[default]
    ReadCommitted,
    /// Each transaction sees what was committed before it.
    RepeatableRead,
    /// As if one after the other.
    Serializable,
}

impl Isolation {
    /// That of single statements: alone they need no more, and standbys answer nobody who wants
    /// serializable.
    fn of_statements(self) -> &'static str {
        match self {
            Self::ReadCommitted => self.setting(),
            Self::RepeatableRead | Self::Serializable => Self::RepeatableRead.setting(),
        }
    }

    fn setting(self) -> &'static str {
        match self {
            Self::ReadCommitted => "read committed",
            Self::RepeatableRead => "repeatable read",
            Self::Serializable => "serializable",
        }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            version: "15".into(),
            synchronous: None,
            commit: Commit::default(),
            isolation: Isolation::default(),
            cancel_after_ms: None,
            user: USER.into(),
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
        let count = self.synchronous.map_or(1, Synchronous::count);
        if count == 0 || count >= nodes {
            let standbys = nodes - 1;
            return Err(format!(
                "postgresql: a commit waits for {count} of {standbys} standbys"
            ));
        }
        if !self.version.chars().all(|c| c.is_ascii_digit()) || self.version.is_empty() {
            return Err("postgresql: the version is the major one alone, such as 15".into());
        }
        Ok(())
    }

    /// The software that hosts need.
    #[must_use]
    pub fn recipe(&self) -> Recipe {
        Recipe {
            packages: vec![format!("postgresql-{}", self.version)],
            users: vec![USER.into()],
            ..Recipe::default()
        }
    }

    fn program(&self, name: &str) -> String {
        format!("/usr/lib/postgresql/{}/bin/{name}", self.version)
    }

    /// The setting that names the standbys for which the node at `own` waits, as a primary.
    fn standby_names(&self, own: usize, nodes: &[Node]) -> String {
        let Some(synchronous) = self.synchronous else {
            return String::new();
        };
        let others = nodes
            .iter()
            .enumerate()
            .filter(|(position, _)| *position != own);
        let names: Vec<&str> = others.map(|(_, node)| &*node.name).collect();
        let word = match synchronous {
            Synchronous::First(_) => "FIRST",
            Synchronous::Any(_) => "ANY",
        };
        format!("{word} {} ({})", synchronous.count(), names.join(", "))
    }
}

const PORT: u16 = 5432;
const USER: &str = "postgres";

/// The servers, as processes on hosts.
struct Servers {
    options: Options,
    directory: Arc<Directory>,
    version: OnceLock<String>,
    /// Who was made primary last, by position.
    primary: AtomicUsize,
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
        primary: AtomicUsize::new(0),
    };
    System {
        db: Arc::new(servers),
        clients: AnyConnect::new(clients),
    }
}

impl Servers {
    fn daemon(&self) -> Daemon {
        let directory = format!("{HOME}/postgresql");
        Daemon {
            program: self.options.program("postgres"),
            args: vec!["-D".into(), format!("{directory}/data")],
            directory,
            user: Some(USER),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trial_files_say_for_whom_a_commit_waits() {
        let parse = |text: &str| toml::from_str::<Options>(text);
        let options = parse("synchronous = { any = 2 }\ncommit = \"remote-apply\"").unwrap();
        assert_eq!(options.synchronous, Some(Synchronous::Any(2)));
        assert!(options.validate(5).is_ok());
        assert!(options.validate(2).unwrap_err().contains("2 of 1"));
        assert!(parse("synchronous = { some = 2 }").is_err());
    }
}
