//! The reference nodes, in each of their replication modes, as systems under test.
//!
//! [`Nodes`] installs, starts and steers the nodes over SSH and HTTP; [`Clients`] opens the
//! clients that the interpreter drives. [`Simulated`] is both, with nodes in memory and in
//! virtual time; what clients make of answers, and the operator of statuses, is shared. A client
//! neither retries nor follows redirects, and keeps one connection of its own: an operation is
//! one request.

mod client;
mod clocks;
mod failover;
mod operator;
mod session;
mod simulated;
mod testimony;
mod words;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use fixtures::config::{self, Member, Mode, NodeConfig, Replication};
use serde::{Deserialize, Serialize};

use super::daemon::{Daemon, HOME};
use super::http::http;
use super::{Surroundings, System};
use crate::client::{AnyConnect, Clientele};
use crate::cluster::{DbError, Node};
use crate::remote::Command;

pub use super::routing::Directory;
pub use client::{Clients, ReferenceClient};
pub use session::definite_errors;
pub use simulated::{Ended, Simulated};

/// The switches of the nodes, as trial files give them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Switches<M>(pub M);

impl<M: config::Switches> Switches<M> {
    /// Checks that they go together, for so many nodes.
    ///
    /// # Errors
    ///
    /// The first contradiction, in words.
    pub fn validate(&self, nodes: usize) -> Result<(), String> {
        self.0
            .validate(nodes)
            .map_err(|error| format!("{}: {error}", M::NAME))
    }
}

/// The operations that clients speak where one node orders the writes.
pub(super) const ORDERED: &[&str] = &[
    "read",
    "write",
    "cas",
    "add",
    "remove",
    "read-set",
    "increment",
    "decrement",
    "enqueue",
    "dequeue",
    "drain",
    "send",
    "poll",
    "generate",
    "acquire",
    "release",
    "guarded-write",
    "guarded-read",
    "transfer",
    "txn",
    "insert",
];
/// Those where several nodes take writes and merge them.
pub(super) const MERGED: &[&str] = &[
    "read",
    "write",
    "add",
    "remove",
    "read-set",
    "increment",
    "decrement",
    "generate",
];
/// Those where of concurrent writes one wins: counters would lose increments.
pub(crate) const LAST_WINS: &[&str] = &["read", "write", "add", "remove", "read-set", "generate"];
const CLIENT_PORT: u16 = 7400;
const PEER_PORT: u16 = 7401;
const COMMAND_TIMEOUT: Duration = Duration::from_secs(20);
/// A node starts within a tenth of a second; a loaded machine may need far longer.
const START_LIMIT: Duration = Duration::from_secs(10);

/// The system as a run uses it.
///
/// # Errors
///
/// [`DbError::Artefact`] when the node program is missing or not a program.
pub fn system(
    mode: impl Into<Replication>,
    nodes: &[Node],
    clientele: Clientele,
    surroundings: &Surroundings<'_>,
) -> Result<System, DbError> {
    let db = Nodes::new(mode, surroundings.node_binary)?;
    let crowd = Crowd::of(&db.mode, nodes.len());
    let clients = Clients::new(nodes, clientele, db.directory(), crowd);
    Ok(System {
        db: Arc::new(db),
        clients: AnyConnect::new(clients),
    })
}

/// The nodes of a cluster, as files and processes on hosts.
pub struct Nodes {
    mode: Replication,
    binary: Binary,
    http: reqwest::Client,
    directory: Arc<Directory>,
}

/// What the nodes are to each other, which decides whom clients ask and when all are equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crowd {
    /// One leads, the others follow.
    Led,
    /// Equals that in the end hold the same.
    Peers,
    /// Equals each of which holds only a part.
    Parts,
}

impl Crowd {
    /// What so many nodes are.
    #[must_use]
    pub fn of(mode: &Replication, nodes: usize) -> Self {
        match mode {
            Replication::LeaderFollower(_) | Replication::Raft(_) => Self::Led,
            Replication::Leaderless(mode) if mode.n < nodes => Self::Parts,
            Replication::Leaderless(_) | Replication::MultiLeader(_) => Self::Peers,
        }
    }
}

/// The program that is deployed.
#[derive(Clone, Debug)]
struct Binary {
    path: PathBuf,
    /// The directory on a host is named for the contents.
    hash: String,
    machine: u16,
}

impl Nodes {
    /// `binary` is the node program on this machine.
    ///
    /// # Errors
    ///
    /// [`DbError::Artefact`] when it is missing or not a program.
    ///
    /// # Panics
    ///
    /// Never: the HTTP client has no setting that can fail.
    pub fn new(mode: impl Into<Replication>, binary: &Path) -> Result<Self, DbError> {
        let binary = Binary::read(binary)?;
        let http = http().build().expect("no setting of it can fail");
        Ok(Self {
            mode: mode.into(),
            binary,
            http,
            directory: Arc::default(),
        })
    }

    /// What the clients of a run share with its operator.
    #[must_use]
    pub fn directory(&self) -> Arc<Directory> {
        Arc::clone(&self.directory)
    }

    /// The switches of the only mode in which an operator promotes.
    fn operated(&self) -> Result<&Mode, String> {
        match &self.mode {
            Replication::LeaderFollower(mode) => Ok(mode),
            other => Err(format!("with {} nobody is promoted", other.name())),
        }
    }

    fn daemon(&self) -> Daemon {
        Daemon {
            program: format!("{HOME}/bin/{}/schism-node", self.binary.hash),
            args: vec!["--config".into(), format!("{HOME}/node/config.json")],
            directory: format!("{HOME}/node"),
            user: None,
        }
    }

    /// Puts the program on the host, unless it is there.
    async fn install(&self, node: &Node) -> Result<(), DbError> {
        self.check_machine(node).await?;
        let daemon = self.daemon();
        let directory = daemon.program.trim_end_matches("/schism-node");
        let script =
            format!("mkdir -p {HOME}/bin {directory} && chmod 1777 {HOME} {HOME}/bin {directory}");
        let command = Command::shell(script).timeout(COMMAND_TIMEOUT).as_root();
        node.remote.run(&command).await?;
        Ok(node
            .remote
            .upload(&self.binary.path, &daemon.program, 0o755)
            .await?)
    }

    async fn check_machine(&self, node: &Node) -> Result<(), DbError> {
        let command = Command::args(["uname", "-m"]).timeout(COMMAND_TIMEOUT);
        let machine = node.remote.run(&command).await?.stdout.trim().to_owned();
        match elf_machine(&machine) {
            Some(number) if number != self.binary.machine => Err(DbError::Artefact {
                path: self.binary.path.clone(),
                cause: format!(
                    "it is built for another machine than {}, which is {machine}; build \
                     schism-node there, or for that target, and name it with --node-binary",
                    node.name
                ),
            }),
            _ => Ok(()),
        }
    }

    async fn configure(&self, node: &Node, all: &[Node]) -> Result<(), DbError> {
        let members = all.iter().map(|node| Member {
            name: node.name.to_string(),
            client_address: SocketAddr::new(node.address, CLIENT_PORT),
            peer_address: SocketAddr::new(node.address, PEER_PORT),
        });
        let config = NodeConfig {
            name: node.name.to_string(),
            cluster: "schism".into(),
            nodes: members.collect(),
            initial_leader: all[0].name.to_string(),
            data_dir: format!("{HOME}/node/data").into(),
            mode: self.mode.clone(),
        };
        let text = serde_json::to_vec_pretty(&config).expect("a configuration has a form in JSON");
        let script = format!("cat > {HOME}/node/config.json");
        let command = Command::shell(script)
            .stdin(text)
            .timeout(COMMAND_TIMEOUT)
            .as_root();
        node.remote.run(&command).await?;
        Ok(())
    }
}

impl Binary {
    fn read(path: &Path) -> Result<Self, DbError> {
        use sha2::{Digest, Sha256};
        let wrong = |cause: String| DbError::Artefact {
            path: path.to_owned(),
            cause,
        };
        let bytes = std::fs::read(path).map_err(|error| {
            wrong(format!(
                "{error}; build it with `cargo build -p fixtures`, or name it with --node-binary"
            ))
        })?;
        if bytes.len() < 20 || !bytes.starts_with(b"\x7fELF") {
            return Err(wrong("it is not a program for Linux".into()));
        }
        let machine = u16::from_le_bytes([bytes[18], bytes[19]]);
        let digest = Sha256::digest(&bytes);
        let hash = digest
            .iter()
            .take(8)
            .map(|byte| format!("{byte:02x}"))
            .collect();
        Ok(Self {
            path: path.to_owned(),
            hash,
            machine,
        })
    }
}

/// The number by which ELF files call a machine that `uname -m` names.
fn elf_machine(name: &str) -> Option<u16> {
    match name {
        "x86_64" => Some(62),
        "aarch64" => Some(183),
        "riscv64" => Some(243),
        "i386" | "i686" => Some(3),
        "armv7l" => Some(40),
        "ppc64le" => Some(21),
        "s390x" => Some(22),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_not_a_node_program() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
        let error = Binary::read(&path).unwrap_err().to_string();
        assert!(error.contains("not a program for Linux"), "{error}");
        let error = Binary::read(Path::new("missing-node"))
            .unwrap_err()
            .to_string();
        assert!(error.contains("--node-binary"), "{error}");
    }
}
