//! The embedded lab: hosts on this machine, made of namespaces, each with a real `sshd`.
//!
//! [`enter`] is called while the program has one thread. Three processes come of it:
//!
//! | process | where | does |
//! |---|---|---|
//! | *outside* | on the machine | waits, passes signals on, exits as the program did |
//! | *keeper* | process 1 of the lab's namespaces | boots nodes, restarts them, reaps |
//! | *program* | in the lab's namespaces | returns from [`enter`] with a [`Lab`] and goes on |
//!
//! The keeper dies with *outside* (a death signal) and everything else dies with the keeper
//! (the kernel ends a process namespace with its process 1), so that even `kill -9` leaves
//! nothing. The program is not process 1 itself, because process 1 ignores every signal it has
//! no handler for, its own `abort` included, and has to reap strangers.
//!
//! All files of a lab lie on file systems mounted in its own mount namespace. What the lab does
//! not decide is what runs on its hosts: they are reached over SSH like any others, through the
//! [`Host`] entries it gives out.

pub mod background;
pub mod command;
mod idmap;
mod keeper;
mod keys;
mod link;
mod node;
mod outside;
mod sys;

use std::fmt;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::image::Layer;
use crate::inventory::Host;

/// What lab to make.
#[derive(Clone, Debug)]
pub struct LabSpec {
    /// How many hosts, named `n1` and so on; 1 to 200.
    pub nodes: usize,
    /// Whether root uses user namespaces; an ordinary user always does.
    pub user_namespace: UserNamespace,
    /// What the hosts see over the machine's own files, the first above the others.
    pub layers: Vec<Layer>,
    /// For tests: stop for good at that point of the lab's life.
    pub halt_at: Option<Phase>,
}

impl Default for LabSpec {
    fn default() -> Self {
        Self {
            nodes: 5,
            user_namespace: UserNamespace::IfPossible,
            layers: Vec::new(),
            halt_at: None,
        }
    }
}

/// Whether root puts the lab into a user namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum UserNamespace {
    /// Use one unless the kernel forbids it: the nodes' root then owns nothing on the machine.
    IfPossible,
    /// Use none; the nodes' root is the machine's, with fewer rights.
    Never,
}

/// A point in a lab's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Phase {
    /// The keeper runs in its namespaces; nothing is mounted.
    Namespaces,
    /// The lab's directory is mounted and the bridge is up.
    Network,
    /// The nodes' processes run.
    Nodes,
    /// Every node answers.
    Ready,
    /// The program has ended; the lab has not.
    Teardown,
}

/// Which side of [`enter`] this process is on.
#[derive(Debug)]
pub enum Entered {
    /// The machine's side: the program has ended inside; exit with this code.
    Outside(u8),
    /// The lab's side: go on as the program.
    Inside(Lab),
}

/// Why there is no lab. Continues "failed to …".
#[derive(Debug, thiserror::Error)]
pub enum LabError {
    /// A tool is not installed.
    #[error("find {tool}, which the lab needs; run: apt-get install {package}")]
    MissingTool {
        /// The program.
        tool: &'static str,
        /// The Debian package that has it.
        package: &'static str,
    },
    /// The kernel refuses user namespaces.
    #[error(
        "make a user namespace ({cause}); allow it with `sysctl -w user.max_user_namespaces=10000 \
         kernel.unprivileged_userns_clone=1 kernel.apparmor_restrict_unprivileged_userns=0` \
         (those that exist), or run as root"
    )]
    NoUserNamespace {
        /// What the kernel said.
        cause: std::io::Error,
    },
    /// An ordinary user has too few ids to give to nodes.
    #[error(
        "find ids for the nodes' users: {file} has no range of 65536 for {user}; as root run: \
         usermod --add-subuids 100000-165535 --add-subgids 100000-165535 {user}"
    )]
    NoSubordinateIds {
        /// The user.
        user: String,
        /// The file looked at.
        file: &'static str,
    },
    /// One step failed.
    #[error("{what}: {cause}")]
    Step {
        /// What was tried.
        what: String,
        /// Why it did not work.
        cause: String,
    },
    /// A node did not come up.
    #[error("boot {node}: {cause}")]
    Node {
        /// Its name.
        node: String,
        /// Why not.
        cause: String,
    },
    /// Such a node does not exist.
    #[error("find {node}: the lab's nodes are n1 to n{count}")]
    UnknownNode {
        /// What was asked for.
        node: String,
        /// How many there are.
        count: usize,
    },
    /// Said by the lab's own side; already complete.
    #[error("{0}")]
    Inside(String),
}

impl LabError {
    fn step(what: impl Into<String>, cause: impl fmt::Display) -> Self {
        Self::Step {
            what: what.into(),
            cause: cause.to_string(),
        }
    }
}

/// Makes a lab and splits in two: see [`Entered`].
///
/// # Errors
///
/// When the machine lacks a tool, a right or ids (each error says the remedy), or a node does
/// not come up. Only the outside process sees an error, and nothing is left of the lab by then.
pub fn enter(spec: &LabSpec) -> Result<Entered, LabError> {
    if !(1..=200).contains(&spec.nodes) {
        return Err(LabError::step("make the lab", "it has 1 to 200 nodes"));
    }
    for (name, package) in [
        ("sshd", "openssh-server"),
        ("ssh-keygen", "openssh-client"),
        ("ip", "iproute2"),
    ] {
        tool(name, package)?;
    }
    outside::split(spec)
}

/// Finds a program in the system's directories; an ordinary user's path may lack some.
fn tool(name: &'static str, package: &'static str) -> Result<PathBuf, LabError> {
    find_tool(name).ok_or(LabError::MissingTool {
        tool: name,
        package,
    })
}

/// Where a program of the system is.
pub(crate) fn find_tool(name: &str) -> Option<PathBuf> {
    [
        "/usr/sbin",
        "/usr/bin",
        "/sbin",
        "/bin",
        "/usr/local/sbin",
        "/usr/local/bin",
    ]
    .iter()
    .map(|directory| Path::new(directory).join(name))
    .find(|path| path.is_file())
}

/// A running lab, seen from inside.
#[derive(Debug)]
pub struct Lab {
    hosts: Vec<Host>,
    directory: PathBuf,
    boot_time: Duration,
    keeper: Mutex<BufReader<UnixStream>>,
    deaths: Mutex<BufReader<UnixStream>>,
}

/// What the program asks of the keeper.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
enum Request {
    Kill(usize),
    Start(usize),
    Pid(usize),
}

/// The process id of a node's first process, if it has one, or why not.
type Reply = Result<Option<i32>, String>;

impl Lab {
    /// The lab's hosts, with the keys that open them.
    pub fn hosts(&self) -> &[Host] {
        &self.hosts
    }

    /// The same as a file, readable inside the lab only.
    pub fn inventory_file(&self) -> PathBuf {
        inventory_file(&self.directory)
    }

    /// How long it took until every host answered.
    pub fn boot_time(&self) -> Duration {
        self.boot_time
    }

    /// The process id of a node's first process as seen from here; none while it is down.
    ///
    /// # Errors
    ///
    /// When there is no such node.
    pub fn node_pid(&self, node: &str) -> Result<Option<i32>, LabError> {
        self.ask(&Request::Pid(self.number(node)?))
    }

    /// Kills a host: every process on it ends at once and its cable goes. Takes milliseconds.
    /// Twice is no error.
    ///
    /// # Errors
    ///
    /// When there is no such node, or the cable could not be taken away.
    pub fn kill_node(&self, node: &str) -> Result<(), LabError> {
        self.ask(&Request::Kill(self.number(node)?)).map(|_| ())
    }

    /// Boots a host anew, killing it first if it runs; returns when it answers, with its new
    /// process id. What lies in `/root`, `/home` and `/var` is as it was; `/run` and `/tmp` are
    /// empty. Blocks for some hundred milliseconds.
    ///
    /// # Errors
    ///
    /// When there is no such node, or it does not come up; the end of its log is in the error.
    pub fn restart_node(&self, node: &str) -> Result<i32, LabError> {
        let number = self.number(node)?;
        self.ask(&Request::Kill(number))?;
        self.ask(&Request::Start(number))?
            .ok_or_else(|| LabError::step(format!("restart {node}"), "it has no process"))
    }

    /// Hosts that died on their own since the last call: name and how.
    pub fn deaths(&self) -> Vec<(String, String)> {
        let mut deaths = self.deaths.lock().unwrap_or_else(PoisonError::into_inner);
        let mut found = Vec::new();
        let mut line = String::new();
        // The socket never blocks; the keeper writes whole lines.
        while deaths.read_line(&mut line).is_ok_and(|read| read > 0) {
            if let Some((node, how)) = line.trim_end().split_once(' ') {
                found.push((node.to_owned(), how.to_owned()));
            }
            line.clear();
        }
        found
    }

    /// What a node's sshd has logged since its last boot.
    pub fn sshd_log(&self, node: &str) -> String {
        std::fs::read_to_string(self.directory.join("logs").join(format!("{node}.log")))
            .unwrap_or_default()
    }

    fn number(&self, node: &str) -> Result<usize, LabError> {
        let count = self.hosts.len();
        node.strip_prefix('n')
            .and_then(|digits| digits.parse().ok())
            .filter(|number| (1..=count).contains(number))
            .ok_or_else(|| LabError::UnknownNode {
                node: node.to_owned(),
                count,
            })
    }

    fn ask(&self, request: &Request) -> Result<Option<i32>, LabError> {
        let failed = |error: std::io::Error| LabError::step("ask the lab's keeper", error);
        let mut keeper = self.keeper.lock().expect("no one panics with this lock");
        let mut line = serde_json::to_string(request).expect("a request is plain data") + "\n";
        keeper
            .get_mut()
            .write_all(line.as_bytes())
            .map_err(failed)?;
        line.clear();
        keeper.read_line(&mut line).map_err(failed)?;
        let reply: Reply = serde_json::from_str(&line)
            .map_err(|error| LabError::step("understand the lab's keeper", error))?;
        reply.map_err(LabError::Inside)
    }
}

fn inventory_file(directory: &Path) -> PathBuf {
    directory.join("lab.toml")
}

/// A configuration for the `ssh` command that knows the nodes.
fn ssh_config(directory: &Path) -> PathBuf {
    directory.join("ssh_config")
}
