//! A host over SSH.
//!
//! libssh2 has one lock a session and blocks while it holds it, so each session belongs to a
//! thread of its own; requests come by channel and replies go back by oneshot. A host has as
//! many sessions as commands run on it at once, up to [`Limits::sessions`]; they stay open and
//! are reused. A command that overruns its deadline costs its session, never another command's.

use std::fmt;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, Weak, mpsc};
use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::exchange::{self, Broken, Connection, Done, Exchange, Input, Sink};
use super::session::{self, Gate};
use super::{Command, Output, Pending, Remote, RemoteError, quote};

/// How to reach a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// What reports and errors call it.
    pub node: String,
    /// An IP address or a host name.
    pub address: String,
    /// Where its sshd listens.
    pub port: u16,
    /// Whom to log in as.
    pub user: String,
    /// With which key.
    pub auth: Auth,
    /// Whether it is the right host.
    pub trust: Trust,
    /// The host to go through.
    pub jump: Option<Box<Endpoint>>,
}

/// Which key opens a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Auth {
    /// The private key in that file.
    Key(PathBuf),
    /// Any that a running ssh-agent has.
    Agent,
}

/// Which host keys are accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trust {
    /// Those in that file.
    Known(PathBuf),
    /// Those in that file, and a host that is not in it is added.
    AcceptNew(PathBuf),
    /// This one: type and key in base 64.
    Pinned(String),
    /// Any.
    Any,
}

/// How long and how often. A command's own timeout begins when it has a session, so a call takes
/// at most both together, plus what it waits for a free session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// For connecting and logging in, all attempts together.
    pub connect: Duration,
    /// How often to try when a host refuses or hangs up.
    pub attempts: u32,
    /// How many sessions a host may have; sshd's own limits begin at ten.
    pub sessions: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            attempts: 6,
            sessions: 8,
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}:{}", self.user, self.address, self.port)
    }
}

impl Endpoint {
    /// The type of the pinned key: the host must be asked for that one.
    pub(super) fn pinned_type(&self) -> Option<&str> {
        match &self.trust {
            Trust::Pinned(key) => key.split_whitespace().next(),
            Trust::Known(_) | Trust::AcceptNew(_) | Trust::Any => None,
        }
    }
}

/// A host over SSH. Sessions open when they are needed and close when this is dropped.
#[derive(Debug)]
pub struct Ssh {
    endpoint: Arc<Endpoint>,
    limits: Arc<Limits>,
    gate: Arc<Gate>,
    idle: Arc<Idle>,
    places: Arc<Semaphore>,
}

/// The owners of open sessions that wait for work, the last used on top.
type Idle = Mutex<Vec<mpsc::Sender<Job>>>;

struct Job {
    exchange: Exchange,
    reply: oneshot::Sender<Result<Done, Trouble>>,
    /// Held until the owner is idle again.
    place: OwnedSemaphorePermit,
}

enum Trouble {
    Connect(RemoteError),
    Broken(Broken),
}

impl Ssh {
    /// A host, with the usual limits; nothing is sent yet.
    pub fn new(endpoint: Endpoint) -> Self {
        Self::with_limits(endpoint, Limits::default())
    }

    /// A host with limits of its own.
    pub fn with_limits(endpoint: Endpoint, limits: Limits) -> Self {
        let gate = Arc::new(Gate::new(limits.sessions));
        Self {
            endpoint: Arc::new(endpoint),
            idle: Arc::default(),
            places: Arc::new(Semaphore::new(limits.sessions)),
            limits: Arc::new(limits),
            gate,
        }
    }

    /// How it is reached.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    async fn exchange(&self, exchange: Exchange) -> Result<Done, Trouble> {
        let lost = || Trouble::Broken(Broken::Lost("its session's thread ended".to_owned()));
        let place = Arc::clone(&self.places)
            .acquire_owned()
            .await
            .map_err(|_| lost())?;
        let (reply, answer) = oneshot::channel();
        let mut job = Job {
            exchange,
            reply,
            place,
        };
        loop {
            let owner = self
                .idle
                .lock()
                .expect("no one panics with this lock")
                .pop();
            let owner = match owner {
                Some(owner) => owner,
                None => self.hire().map_err(|error| {
                    Trouble::Broken(Broken::Local(format!("no thread for a session: {error}")))
                })?,
            };
            match owner.send(job) {
                Ok(()) => break,
                Err(mpsc::SendError(back)) => job = back,
            }
        }
        answer.await.map_err(|_| lost())?
    }

    /// Starts the owner of a new session.
    fn hire(&self) -> io::Result<mpsc::Sender<Job>> {
        let (jobs, receiver) = mpsc::channel();
        let owner = Owner {
            endpoint: Arc::clone(&self.endpoint),
            limits: Arc::clone(&self.limits),
            gate: Arc::clone(&self.gate),
            idle: Arc::downgrade(&self.idle),
            connection: None,
        };
        let own = jobs.clone();
        std::thread::Builder::new()
            .name(format!("ssh {}", self.endpoint.node))
            .spawn(move || owner.work(&receiver, own))?;
        Ok(jobs)
    }

    async fn shell(&self, line: String, input: Input, output: Sink) -> Result<Done, RemoteError> {
        let timeout = COPY_TIMEOUT;
        let name = Command::shell(&line).timeout(timeout);
        let done = self
            .exchange(Exchange {
                line,
                input,
                output,
                timeout,
            })
            .await
            .map_err(|trouble| self.error(&name, trouble))?;
        Ok(done)
    }

    fn error(&self, command: &Command, trouble: Trouble) -> RemoteError {
        let (node, shortened) = (self.endpoint.node.clone(), command.shortened());
        match trouble {
            Trouble::Connect(error) => error,
            Trouble::Broken(Broken::Timeout) => RemoteError::Timeout {
                node,
                command: shortened,
                seconds: command.timeout.as_secs_f64(),
            },
            Trouble::Broken(Broken::Abandoned) => RemoteError::Lost {
                node,
                command: shortened,
                cause: "nobody waited".to_owned(),
            },
            Trouble::Broken(Broken::Lost(cause) | Broken::Local(cause)) => RemoteError::Lost {
                node,
                command: shortened,
                cause,
            },
            Trouble::Broken(Broken::NotStarted(cause)) => RemoteError::Connect {
                node,
                address: self.endpoint.to_string(),
                cause: format!("it opens no channel: {cause}"),
                remedy: "raise MaxSessions in its sshd_config, or see the log of its sshd"
                    .to_owned(),
            },
        }
    }

    fn finish(&self, command: &Command, done: Done) -> Result<Output, RemoteError> {
        let stderr = String::from_utf8_lossy(&done.stderr).into_owned();
        match done.exit {
            None => {
                let stdout = String::from_utf8_lossy(&done.stdout).into_owned();
                Ok(Output { stdout, stderr })
            }
            Some(exit) => Err(RemoteError::Failed {
                node: self.endpoint.node.clone(),
                command: command.shortened(),
                exit,
                stderr_tail: explain(command, &self.endpoint.user, tail(&stderr)),
            }),
        }
    }

    async fn run_command(&self, command: &Command) -> Result<Output, RemoteError> {
        let exchange = Exchange {
            line: command.to_shell(&self.endpoint.user),
            input: Input::Bytes(command.stdin.clone()),
            output: Sink::Memory,
            timeout: command.timeout,
        };
        let done = self
            .exchange(exchange)
            .await
            .map_err(|trouble| self.error(command, trouble))?;
        self.finish(command, done)
    }

    async fn upload_file(&self, from: &Path, to: &str, mode: u32) -> Result<(), RemoteError> {
        let failed = |cause: String| self.copy_error(from, "to", cause);
        let path = from.to_owned();
        let hash = tokio::task::spawn_blocking(move || hash_file(&path))
            .await
            .map_err(|error| failed(error.to_string()))?
            .map_err(|error| failed(error.to_string()))?;
        let check = shell_line(&upload_check(to, &hash, mode));
        let done = self
            .shell(check, Input::Bytes(Vec::new()), Sink::Memory)
            .await?;
        if done.exit.is_none() {
            return Ok(());
        }
        let file = File::open(from).map_err(|error| failed(error.to_string()))?;
        let put = shell_line(&upload_put(to, &hash, mode));
        let done = self.shell(put, Input::File(file), Sink::Memory).await?;
        match done.exit {
            None => Ok(()),
            Some(exit) => Err(failed(copy_cause(&exit.to_string(), &done.stderr))),
        }
    }

    async fn download_file(&self, from: &str, to: &Path) -> Result<(), RemoteError> {
        let failed = |cause: String| self.copy_error(to, "from", cause);
        let part = part_of(to);
        let file = File::create(&part).map_err(|error| failed(error.to_string()))?;
        let line = format!("exec cat -- {}", quote(from));
        let result = self
            .shell(line, Input::Bytes(Vec::new()), Sink::File(file))
            .await;
        let result = result.and_then(|done| match done.exit {
            None => std::fs::rename(&part, to).map_err(|error| failed(error.to_string())),
            Some(exit) => Err(failed(copy_cause(&exit.to_string(), &done.stderr))),
        });
        if result.is_err()
            && let Err(error) = std::fs::remove_file(&part)
        {
            tracing::debug!("{} stays: {error}", part.display());
        }
        result
    }

    fn copy_error(&self, path: &Path, direction: &'static str, cause: String) -> RemoteError {
        RemoteError::Copy {
            node: self.endpoint.node.clone(),
            path: path.to_owned(),
            direction,
            cause,
        }
    }
}

impl Remote for Ssh {
    fn node(&self) -> &str {
        &self.endpoint.node
    }

    fn run<'a>(&'a self, command: &'a Command) -> Pending<'a, Output> {
        Box::pin(self.run_command(command))
    }

    fn upload<'a>(&'a self, from: &'a Path, to: &'a str, mode: u32) -> Pending<'a, ()> {
        Box::pin(self.upload_file(from, to, mode))
    }

    fn download<'a>(&'a self, from: &'a str, to: &'a Path) -> Pending<'a, ()> {
        Box::pin(self.download_file(from, to))
    }
}

/// For a whole file, however large and far.
const COPY_TIMEOUT: Duration = Duration::from_secs(600);

/// The thread of one session.
struct Owner {
    endpoint: Arc<Endpoint>,
    limits: Arc<Limits>,
    gate: Arc<Gate>,
    idle: Weak<Idle>,
    connection: Option<Connection>,
}

impl Owner {
    /// Works until the host's [`Ssh`] is dropped. `own` is this thread's address, which waits
    /// in the idle list while there is nothing to do.
    fn work(mut self, jobs: &mpsc::Receiver<Job>, own: mpsc::Sender<Job>) {
        let mut own = Some(own);
        while let Ok(Job {
            mut exchange,
            reply,
            place,
        }) = jobs.recv()
        {
            let result = self.serve(&mut exchange, &|| reply.is_closed());
            // Idle first, answered second: whoever gets the answer finds the session free.
            if let (Some(idle), Some(own)) = (self.idle.upgrade(), own.as_ref()) {
                idle.lock()
                    .expect("no one panics with this lock")
                    .push(own.clone());
            } else {
                own = None;
            }
            drop(place);
            if reply.send(result).is_err() {
                tracing::debug!("{}: nobody waited for an answer", self.endpoint.node);
            }
            if own.is_none() {
                return;
            }
        }
    }

    fn serve(
        &mut self,
        exchange: &mut Exchange,
        is_abandoned: &dyn Fn() -> bool,
    ) -> Result<Done, Trouble> {
        loop {
            let is_fresh = self.connection.is_none();
            let connection = match self.connection.take() {
                Some(connection) => connection,
                None => session::connect(&self.endpoint, &self.limits, &self.gate)
                    .map_err(Trouble::Connect)?,
            };
            match exchange::run(&connection, exchange, is_abandoned) {
                Ok(done) => {
                    self.connection = Some(connection);
                    return Ok(done);
                }
                // The host hung up since the last command (it was restarted, say). This one was
                // not sent yet, so a new session may send it.
                Err(Broken::NotStarted(cause)) if !is_fresh => {
                    tracing::debug!("{}: connecting anew: {cause}", self.endpoint.node);
                }
                Err(broken) => return Err(Trouble::Broken(broken)),
            }
        }
    }
}

fn shell_line(script: &str) -> String {
    format!("exec /bin/sh -c {}", quote(script))
}

/// Succeeds if the file is there already.
fn upload_check(to: &str, hash: &str, mode: u32) -> String {
    format!(
        "t={to}; s=$(sha256sum <\"$t\" 2>/dev/null) && [ \"${{s%% *}}\" = {hash} ] && \
         chmod {mode:o} \"$t\"",
        to = quote(to)
    )
}

/// Takes the file from standard input: beside its place, checked, then moved into it.
fn upload_put(to: &str, hash: &str, mode: u32) -> String {
    format!(
        "t={to}; d=$(dirname \"$t\"); mkdir -p \"$d\" && p=$(mktemp \"$t.part.XXXXXX\") || exit 1; \
         trap 'rm -f \"$p\"' EXIT; cat >\"$p\" && s=$(sha256sum <\"$p\") || exit 1; \
         [ \"${{s%% *}}\" = {hash} ] || {{ echo 'its contents changed on the way' >&2; exit 1; }}; \
         chmod {mode:o} \"$p\" && mv -f \"$p\" \"$t\"",
        to = quote(to)
    )
}

fn copy_cause(exit: &str, stderr: &[u8]) -> String {
    let said = tail(&String::from_utf8_lossy(stderr));
    let remedy = if said.contains("No space left") {
        "; free some space there (df -h)"
    } else if said.contains("ermission denied") || said.contains("Read-only") {
        "; choose a place that the login user may write to"
    } else {
        ""
    };
    if said.is_empty() {
        exit.to_owned()
    } else {
        format!("{exit}: {said}{remedy}")
    }
}

/// The end of what a command said.
fn tail(stderr: &str) -> String {
    let text = stderr.trim();
    let skip = text.chars().count().saturating_sub(600);
    text.chars().skip(skip).collect()
}

fn explain(command: &Command, login: &str, said: String) -> String {
    if command.user.is_some() && said.contains("password is required") {
        return format!("{said}; give {login} `NOPASSWD: ALL` in sudoers there, or log in as root");
    }
    said
}

fn part_of(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".part");
    path.with_file_name(name)
}

fn hash_file(path: &Path) -> io::Result<String> {
    let mut hasher = Sha256::new();
    let mut file = File::open(path)?;
    let mut chunk = vec![0; 256 * 1024];
    loop {
        match io::Read::read(&mut file, &mut chunk)? {
            0 => break,
            read => hasher.update(&chunk[..read]),
        }
    }
    Ok(hasher
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect())
}
