//! From an endpoint to an open session: connect, handshake, check the host, log in.

use std::fmt;
use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::path::Path;
use std::sync::{Condvar, Mutex};
use std::time::{Duration, Instant};

use socket2::{SockRef, TcpKeepalive};
use ssh2::{ErrorCode, MethodType, Session};

use super::exchange::Connection;
use super::host_key::{self, Answer};
use super::ssh::{Auth, Endpoint, Limits};
use super::{RemoteError, jump};

/// Lets a few handshakes run at a time: sshd refuses more than about ten.
#[derive(Debug)]
pub(super) struct Gate {
    free: Mutex<usize>,
    freed: Condvar,
}

/// A place in a [`Gate`], given back when dropped.
struct Pass<'a>(&'a Gate);

impl Gate {
    pub(super) fn new(places: usize) -> Self {
        Self {
            free: Mutex::new(places),
            freed: Condvar::new(),
        }
    }

    fn enter(&self) -> Pass<'_> {
        let free = self.free.lock().expect("no one panics with this lock");
        let mut free = self
            .freed
            .wait_while(free, |free| *free == 0)
            .expect("no one panics with this lock");
        *free -= 1;
        Pass(self)
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        *self.0.free.lock().expect("no one panics with this lock") += 1;
        self.0.freed.notify_one();
    }
}

/// Why an attempt failed, and whether another may not.
#[derive(Default)]
struct Failure {
    cause: String,
    remedy: String,
    is_transient: bool,
}

impl Failure {
    fn lasting(cause: impl fmt::Display, remedy: impl Into<String>) -> Self {
        Self {
            cause: cause.to_string(),
            remedy: remedy.into(),
            is_transient: false,
        }
    }

    fn transient(cause: impl fmt::Display, remedy: impl Into<String>) -> Self {
        Self {
            is_transient: true,
            ..Self::lasting(cause, remedy)
        }
    }
}

/// Key types to ask for when the one that the host prefers is not the one known.
const KEY_TYPES: [&str; 4] = [
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "rsa-sha2-512,rsa-sha2-256",
    "ecdsa-sha2-nistp521",
];

/// Opens a session, several times if need be.
pub(super) fn connect(
    endpoint: &Endpoint,
    limits: &Limits,
    gate: &Gate,
) -> Result<Connection, RemoteError> {
    let deadline = Instant::now() + limits.connect;
    let mut attempt = 0;
    loop {
        attempt += 1;
        let result = attempt_once(endpoint, limits, gate, deadline);
        match result {
            Ok(connection) => return Ok(connection),
            Err(failure)
                if failure.is_transient
                    && attempt < limits.attempts
                    && Instant::now() < deadline =>
            {
                tracing::debug!("{}: attempt {attempt}: {}", endpoint.node, failure.cause);
                std::thread::sleep(pause(attempt));
            }
            Err(Failure { cause, remedy, .. }) => {
                let cause = match attempt {
                    1 => cause,
                    _ => format!("{cause} (attempt {attempt})"),
                };
                return Err(RemoteError::Connect {
                    node: endpoint.node.clone(),
                    address: endpoint.to_string(),
                    cause,
                    remedy,
                });
            }
        }
    }
}

/// Doubles from 50 ms, with chance in it so that many do not come back together.
fn pause(attempt: u32) -> Duration {
    let longest = 50_u64 << attempt.min(5);
    // The standard library's hash keys are random; more chance than that is not needed.
    let chance = RandomState::new().hash_one(attempt);
    Duration::from_millis(longest / 2 + chance % (longest / 2))
}

fn attempt_once(
    endpoint: &Endpoint,
    limits: &Limits,
    gate: &Gate,
    deadline: Instant,
) -> Result<Connection, Failure> {
    let mut refusal: Option<Failure> = None;
    for key_type in std::iter::once(endpoint.pinned_type()).chain(KEY_TYPES.map(Some)) {
        let (socket, session) = match shake_hands(endpoint, limits, gate, deadline, key_type) {
            Ok(both) => both,
            // It has no key of that type.
            Err(_) if refusal.is_some() => continue,
            Err(failure) => return Err(failure),
        };
        match host_key::check(&session, endpoint) {
            Answer::Trusted => {
                log_in(&session, endpoint)?;
                session.set_blocking(false);
                return Ok(Connection { session, socket });
            }
            Answer::Refused {
                cause,
                remedy,
                may_have_another,
            } => {
                let failure = refusal.get_or_insert(Failure::lasting(cause, remedy));
                if !may_have_another {
                    return Err(std::mem::take(failure));
                }
            }
        }
    }
    Err(refusal.expect("at least one key type was tried"))
}

fn shake_hands(
    endpoint: &Endpoint,
    limits: &Limits,
    gate: &Gate,
    deadline: Instant,
    key_type: Option<&str>,
) -> Result<(socket2::Socket, Session), Failure> {
    let socket = match &endpoint.jump {
        None => dial(endpoint, deadline)?,
        Some(gateway) => {
            let connection = connect(gateway, limits, gate).map_err(|error| match error {
                RemoteError::Connect {
                    node,
                    cause,
                    remedy,
                    ..
                } => Failure::lasting(format!("jump host {node}: {cause}"), remedy),
                other => Failure::lasting(other, "check the jump host"),
            })?;
            jump::bridge(connection, &endpoint.address, endpoint.port, limits.connect).map_err(
                |cause| {
                    Failure::lasting(
                        format!("jump host {} cannot reach it: {cause}", gateway.node),
                        "check the address, and AllowTcpForwarding in the jump host's sshd_config",
                    )
                },
            )?
        }
    };
    let ours = socket
        .try_clone()
        .map_err(|e| Failure::lasting(e, "raise the limit of files"))?;
    let mut session = Session::new().map_err(|e| Failure::lasting(e, "free some memory"))?;
    session.set_tcp_stream(socket);
    if let Some(key_type) = key_type
        && let Err(error) = session.method_pref(MethodType::HostKey, key_type)
    {
        tracing::debug!("{key_type} was not preferred: {error}");
    }
    let left = deadline
        .saturating_duration_since(Instant::now())
        .max(Duration::from_millis(1));
    session.set_timeout(u32::try_from(left.as_millis()).unwrap_or(u32::MAX));
    let pass = gate.enter();
    session
        .handshake()
        .map_err(|error| handshake_failure(&error))?;
    drop(pass);
    Ok((ours, session))
}

fn handshake_failure(error: &ssh2::Error) -> Failure {
    match error.code() {
        // No banner, a reset or an end in the middle: sshd sheds load or is just starting.
        ErrorCode::Session(-43 | -13 | -2 | -8 | -7) => Failure::transient(
            error,
            "its sshd closes new connections: raise MaxStartups in its sshd_config, or see its log",
        ),
        ErrorCode::Session(-9) => Failure::lasting(
            error,
            "the port answers but speaks no SSH in time: is the host frozen, or the port another \
             service's?",
        ),
        ErrorCode::Session(-5) => Failure::lasting(
            error,
            "no key exchange or host key type in common: give its sshd an ed25519 host key",
        ),
        _ => Failure::lasting(error, "see the log of its sshd"),
    }
}

fn dial(endpoint: &Endpoint, deadline: Instant) -> Result<socket2::Socket, Failure> {
    let addresses: Vec<SocketAddr> = (endpoint.address.as_str(), endpoint.port)
        .to_socket_addrs()
        .map_err(|error| {
            Failure::lasting(error, format!("check the address `{}`", endpoint.address))
        })?
        .collect();
    let mut last = io::Error::new(io::ErrorKind::AddrNotAvailable, "the name has no address");
    for address in addresses {
        let left = deadline
            .saturating_duration_since(Instant::now())
            .max(Duration::from_millis(1));
        match TcpStream::connect_timeout(&address, left) {
            Ok(stream) => {
                harden(&stream).map_err(|e| Failure::lasting(e, "see `ulimit -a`"))?;
                return Ok(stream.into());
            }
            Err(error) => last = error,
        }
    }
    Err(dial_failure(&last, endpoint.port))
}

fn dial_failure(error: &io::Error, port: u16) -> Failure {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => Failure::transient(
            error,
            format!(
                "nothing listens on port {port}: start sshd there (apt-get install \
                 openssh-server), or correct the port"
            ),
        ),
        io::ErrorKind::ConnectionReset => Failure::transient(error, "see the log of its sshd"),
        _ => Failure::lasting(error, "check that the host is up and the address right"),
    }
}

/// A peer that vanished is noticed in half a minute. libssh2's own keepalive is not used: with
/// it a command that runs longer than the interval loses its output.
fn harden(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let socket = SockRef::from(stream);
    socket.set_tcp_keepalive(
        &TcpKeepalive::new()
            .with_time(Duration::from_secs(10))
            .with_interval(Duration::from_secs(5))
            .with_retries(4),
    )?;
    socket.set_tcp_user_timeout(Some(Duration::from_secs(30)))
}

fn log_in(session: &Session, endpoint: &Endpoint) -> Result<(), Failure> {
    let user = &endpoint.user;
    match &endpoint.auth {
        Auth::Agent => session.userauth_agent(user).map_err(|error| {
            Failure::lasting(
                format!("no key of the ssh-agent lets {user} in: {error}"),
                "start one (eval `ssh-agent`), add the key (ssh-add), or write key = \"FILE\"",
            )
        }),
        Auth::Key(file) => {
            check_key(file)?;
            session.userauth_pubkey_file(user, None, file, None).map_err(|error| {
                Failure::lasting(
                    format!("it does not let {user} in with {}: {error}", file.display()),
                    format!(
                        "add the public key to ~{user}/.ssh/authorized_keys there; if the account \
                         is locked, run: usermod -p '*' {user}"
                    ),
                )
            })
        }
    }
}

/// libssh2 says the same of every key it cannot use.
fn check_key(file: &Path) -> Result<(), Failure> {
    let shown = file.display();
    let text = fs::read_to_string(file).map_err(|error| {
        let remedy =
            format!("make it readable for you (chmod 600, chown), or name another: {shown}");
        Failure::lasting(format!("the key {shown} cannot be read: {error}"), remedy)
    })?;
    if !text.contains("PRIVATE KEY") {
        return Err(Failure::lasting(
            format!("{shown} is not a private key"),
            "name the file without .pub",
        ));
    }
    // The start of an OpenSSH key that says "cipher: none", in base 64.
    let is_open = text.contains("b3BlbnNzaC1rZXktdjEAAAAABG5vbmU");
    if text.contains("ENCRYPTED") || (text.contains("OPENSSH PRIVATE KEY") && !is_open) {
        return Err(Failure::lasting(
            format!("the key {shown} has a passphrase"),
            "add it to an ssh-agent (ssh-add) and write agent = true",
        ));
    }
    Ok(())
}
