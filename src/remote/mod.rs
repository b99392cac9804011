//! Commands on other hosts.
//!
//! [`Remote`] is the one way to a host: over SSH for real ([`ssh`]), scripted in tests.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A command as data. Quoting for a shell happens in one place, [`Command::to_shell`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// What to run.
    pub what: Script,
    /// What it reads from standard input.
    pub stdin: Vec<u8>,
    /// As whom; none is the login user. Another user means `sudo -n`.
    pub user: Option<String>,
    /// Where; none is the login directory.
    pub directory: Option<PathBuf>,
    /// For how long at most.
    pub timeout: Duration,
}

/// A program with its arguments, or a text for `/bin/sh`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Script {
    /// A program and its arguments; nothing in them is special.
    Args(Vec<String>),
    /// A text for the shell; what comes from outside must be quoted with [`quote`].
    Shell(String),
}

/// What a command printed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Output {
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

/// How a command ended without success.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Exit {
    /// With a status other than zero.
    Status(i32),
    /// By a signal.
    Signal(String),
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => write!(f, "exit status {status}"),
            Self::Signal(name) => write!(f, "killed by signal {name}"),
        }
    }
}

/// Why a host did not do what it was asked. Continues "failed to …".
#[derive(Clone, Debug, thiserror::Error)]
pub enum RemoteError {
    /// The host could not be reached or refused the login.
    #[error("reach {node} ({address}): {cause}; {remedy}")]
    Connect {
        /// The node's name.
        node: String,
        /// Address and port.
        address: String,
        /// Why not.
        cause: String,
        /// What to try.
        remedy: String,
    },
    /// The command ran and failed.
    #[error("run `{command}` on {node}: {exit}: {stderr_tail}")]
    Failed {
        /// The node's name.
        node: String,
        /// The command, shortened.
        command: String,
        /// Status or signal.
        exit: Exit,
        /// The end of what it said.
        stderr_tail: String,
    },
    /// The command did not end in time.
    #[error("run `{command}` on {node}: no answer within {seconds} s")]
    Timeout {
        /// The node's name.
        node: String,
        /// The command, shortened.
        command: String,
        /// The limit, in seconds.
        seconds: u64,
    },
    /// A file could not be moved to or from the host.
    #[error("copy {path} {direction} {node}: {cause}")]
    Copy {
        /// The node's name.
        node: String,
        /// The file on the control host.
        path: PathBuf,
        /// `to` or `from`.
        direction: &'static str,
        /// Why not.
        cause: String,
    },
}

/// A boxed future, so that [`Remote`] can be a trait object.
pub type Pending<'a, T> =
    std::pin::Pin<Box<dyn Future<Output = Result<T, RemoteError>> + Send + 'a>>;

/// The one way to a host.
pub trait Remote: Send + Sync {
    /// The node's name, as reports say it.
    fn node(&self) -> &str;

    /// Runs a command to its end; anything but exit status zero is an error.
    fn run<'a>(&'a self, command: &'a Command) -> Pending<'a, Output>;

    /// Puts a file onto the host under `to`, with that mode, whole or not at all; skips the
    /// transfer if the host has a file with the same contents there.
    fn upload<'a>(&'a self, from: &'a Path, to: &'a str, mode: u32) -> Pending<'a, ()>;

    /// Fetches a file.
    fn download<'a>(&'a self, from: &'a str, to: &'a Path) -> Pending<'a, ()>;
}
