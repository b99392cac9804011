//! Commands on other hosts.
//!
//! [`Remote`] is the one way to a host: over SSH for real ([`ssh`]), scripted in tests
//! ([`scripted`]). Which hosts there are and what runs on them is decided elsewhere.

mod exchange;
mod host_key;
mod jump;
pub mod scripted;
mod session;
mod shell;
pub mod ssh;

pub use shell::quote;

use std::fmt;
use std::path::{Path, PathBuf};
use std::task::Poll;
use std::time::Duration;

/// A command as data. Quoting for a shell happens in one place, [`Command::to_shell`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// What to run.
    pub what: Script,
    /// What it reads from standard input.
    pub stdin: Vec<u8>,
    /// As whom; none is the login user. Another user means `sudo -n`, or `runuser` for a login
    /// as root.
    pub user: Option<String>,
    /// Where; none is the login directory.
    pub directory: Option<PathBuf>,
    /// For how long at most.
    pub timeout: Duration,
}

impl Command {
    /// How long a command may take unless it says otherwise.
    pub const TIMEOUT: Duration = Duration::from_secs(30);

    /// A program and its arguments.
    pub fn args<S: Into<String>>(words: impl IntoIterator<Item = S>) -> Self {
        Self::new(Script::Args(words.into_iter().map(Into::into).collect()))
    }

    /// A text for `/bin/sh`; quote what comes from outside with [`quote`].
    pub fn shell(text: impl Into<String>) -> Self {
        Self::new(Script::Shell(text.into()))
    }

    fn new(what: Script) -> Self {
        Self {
            what,
            stdin: Vec::new(),
            user: None,
            directory: None,
            timeout: Self::TIMEOUT,
        }
    }

    /// With that on standard input.
    #[must_use]
    pub fn stdin(self, stdin: impl Into<Vec<u8>>) -> Self {
        Self {
            stdin: stdin.into(),
            ..self
        }
    }

    /// As that user.
    #[must_use]
    pub fn user(self, user: impl Into<String>) -> Self {
        Self {
            user: Some(user.into()),
            ..self
        }
    }

    /// As root.
    #[must_use]
    pub fn as_root(self) -> Self {
        self.user("root")
    }

    /// In that directory.
    #[must_use]
    pub fn directory(self, directory: impl Into<PathBuf>) -> Self {
        Self {
            directory: Some(directory.into()),
            ..self
        }
    }

    /// For that long at most.
    #[must_use]
    pub fn timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }
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
    /// It may still be running there.
    #[error("run `{command}` on {node}: no answer within {seconds} s")]
    Timeout {
        /// The node's name.
        node: String,
        /// The command, shortened.
        command: String,
        /// The limit, in seconds.
        seconds: f64,
    },
    /// The connection broke while the command ran: whether it did its work is not known.
    #[error("hear how `{command}` ended on {node}: {cause}")]
    Lost {
        /// The node's name.
        node: String,
        /// The command, shortened.
        command: String,
        /// What happened to the connection.
        cause: String,
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

/// Does the same on all nodes at once, and waits for all of them even if one fails.
///
/// # Errors
///
/// That of the first node, in their order, that failed.
pub async fn on_all<'a, N, T, E, F>(nodes: &'a [N], act: impl Fn(&'a N) -> F) -> Result<Vec<T>, E>
where
    F: Future<Output = Result<T, E>>,
{
    let mut running: Vec<_> = nodes.iter().map(|node| Box::pin(act(node))).collect();
    let mut results: Vec<Option<Result<T, E>>> = running.iter().map(|_| None).collect();
    std::future::poll_fn(|context| {
        for (future, result) in running.iter_mut().zip(&mut results) {
            if result.is_none()
                && let Poll::Ready(value) = future.as_mut().poll(context)
            {
                *result = Some(value);
            }
        }
        if results.iter().all(Option::is_some) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
    results.into_iter().flatten().collect()
}
