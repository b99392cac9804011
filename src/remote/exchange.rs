//! One command over one channel, from its request to its exit status.
//!
//! The session is driven without blocking, because libssh2's blocking calls cannot read one
//! stream while the other fills up, know no deadline for a whole command, and hang when a
//! channel is dropped whose command still runs. On any failure the socket is shut before the
//! channel is let go, so that letting go cannot wait for anything.

use std::fs::File;
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec};
use ssh2::{BlockDirections, Channel, ErrorCode, Session};

use super::Exit;

/// libssh2's word for "would block".
const EAGAIN: i32 = -37;

/// How much is moved at once.
const CHUNK: usize = 256 * 1024;

/// How soon an abandoned command is noticed.
const GLANCE: Duration = Duration::from_millis(250);

/// An open session and its socket.
pub(super) struct Connection {
    pub(super) session: Session,
    pub(super) socket: socket2::Socket,
}

/// What to run and where its bytes come from and go to.
pub(super) struct Exchange {
    pub(super) line: String,
    pub(super) input: Input,
    pub(super) output: Sink,
    pub(super) timeout: Duration,
}

/// Where standard input comes from.
pub(super) enum Input {
    Bytes(Vec<u8>),
    File(File),
}

/// Where standard output goes.
pub(super) enum Sink {
    Memory,
    File(File),
}

/// How a command ended.
pub(super) struct Done {
    pub(super) stdout: Vec<u8>,
    pub(super) stderr: Vec<u8>,
    /// None is success: status 0 and no signal.
    pub(super) exit: Option<Exit>,
}

/// Why it is not known how a command ended.
pub(super) enum Broken {
    /// The command was not even sent: it may be tried again.
    NotStarted(String),
    /// The connection broke while it ran.
    Lost(String),
    /// It took too long.
    Timeout,
    /// Nobody waits for it any more.
    Abandoned,
    /// A file on this side failed.
    Local(String),
}

/// Runs one command. After an error the connection is shut and of no more use.
pub(super) fn run(
    connection: &Connection,
    exchange: &mut Exchange,
    is_abandoned: &dyn Fn() -> bool,
) -> Result<Done, Broken> {
    let deadline = Instant::now() + exchange.timeout;
    let waiter = Waiter {
        connection,
        deadline,
        is_abandoned,
    };
    let mut channel = waiter
        .retry(|| connection.session.channel_session())
        .map_err(|broken| waiter.give_up(broken.not_started()))?;
    let result = converse(&waiter, &mut channel, exchange);
    // Before the channel is dropped: see the module's page.
    result.map_err(|broken| waiter.give_up(broken))
}

fn converse(
    waiter: &Waiter<'_>,
    channel: &mut Channel,
    exchange: &mut Exchange,
) -> Result<Done, Broken> {
    waiter.retry(|| channel.exec(&exchange.line))?;
    let mut done = Done {
        stdout: Vec::new(),
        stderr: Vec::new(),
        exit: None,
    };
    let mut feed = Feed::new(&mut exchange.input);
    let mut buffer = vec![0; CHUNK];
    loop {
        let mut has_moved = false;
        if let Some(read) = read_some(channel, 0, &mut buffer)? {
            has_moved = true;
            exchange.output.take(&buffer[..read], &mut done.stdout)?;
        }
        if let Some(read) = read_some(channel, ssh2::EXTENDED_DATA_STDERR, &mut buffer)? {
            has_moved = true;
            done.stderr.extend_from_slice(&buffer[..read]);
        }
        if channel.eof() {
            break;
        }
        has_moved |= feed.push(channel)?;
        if !has_moved || Instant::now() >= waiter.deadline {
            waiter.wait()?;
        }
    }
    while feed.owes(channel) {
        if !feed.push(channel)? {
            waiter.wait()?;
        }
    }
    waiter.retry(|| channel.close())?;
    waiter.retry(|| channel.wait_close())?;
    done.exit = exit_of(channel)?;
    Ok(done)
}

/// Both must be asked: for a killed command libssh2 reports status 0 and a signal.
fn exit_of(channel: &Channel) -> Result<Option<Exit>, Broken> {
    let signal = channel
        .exit_signal()
        .map_err(|error| Broken::Lost(error.to_string()))?;
    if let Some(name) = signal.exit_signal {
        return Ok(Some(Exit::Signal(name)));
    }
    match channel
        .exit_status()
        .map_err(|error| Broken::Lost(error.to_string()))?
    {
        0 => Ok(None),
        status => Ok(Some(Exit::Status(status))),
    }
}

fn read_some(channel: &Channel, stream: i32, buffer: &mut [u8]) -> Result<Option<usize>, Broken> {
    match channel.stream(stream).read(buffer) {
        Ok(0) => Ok(None),
        Ok(read) => Ok(Some(read)),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(Broken::Lost(error.to_string())),
    }
}

impl Sink {
    fn take(&mut self, bytes: &[u8], memory: &mut Vec<u8>) -> Result<(), Broken> {
        match self {
            Self::Memory => memory.extend_from_slice(bytes),
            Self::File(file) => {
                file.write_all(bytes)
                    .map_err(|error| Broken::Local(error.to_string()))?;
            }
        }
        Ok(())
    }
}

/// Standard input on its way.
struct Feed<'a> {
    input: &'a mut Input,
    chunk: Vec<u8>,
    sent: usize,
    /// Nothing is left to read, so the end can be announced.
    is_drained: bool,
    /// The end was announced, or the command does not listen any more.
    is_over: bool,
    /// The last write did not go through.
    is_held_up: bool,
}

impl<'a> Feed<'a> {
    fn new(input: &'a mut Input) -> Self {
        Self {
            input,
            chunk: Vec::new(),
            sent: 0,
            is_drained: false,
            is_over: false,
            is_held_up: false,
        }
    }

    /// Whether a packet is sent in part. Until the rest of it follows, libssh2 answers "would
    /// block" to whatever else is to be sent, the end of the channel among it, for ever. Without
    /// a window no packet was begun.
    fn owes(&self, channel: &Channel) -> bool {
        self.is_held_up && !self.is_over && channel.write_window().remaining > 0
    }

    /// Sends what can be sent now; says whether anything went.
    fn push(&mut self, channel: &mut Channel) -> Result<bool, Broken> {
        if self.is_over {
            return Ok(false);
        }
        if self.sent == self.chunk.len() && !self.is_drained {
            self.refill()?;
        }
        if self.sent < self.chunk.len() {
            self.is_held_up = false;
            return Ok(match channel.write(&self.chunk[self.sent..]) {
                Ok(written) => {
                    self.sent += written;
                    written > 0
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.is_held_up = true;
                    false
                }
                // It ended without reading all of it; its exit status says how.
                Err(_) => {
                    self.is_over = true;
                    true
                }
            });
        }
        match channel.send_eof() {
            Err(error) if error.code() == ErrorCode::Session(EAGAIN) => Ok(false),
            Ok(()) | Err(_) => {
                self.is_over = true;
                Ok(true)
            }
        }
    }

    fn refill(&mut self) -> Result<(), Broken> {
        self.sent = 0;
        match self.input {
            Input::Bytes(bytes) => {
                self.chunk = std::mem::take(bytes);
                self.is_drained = true;
            }
            Input::File(file) => {
                self.chunk.resize(CHUNK, 0);
                let read = file
                    .read(&mut self.chunk)
                    .map_err(|error| Broken::Local(error.to_string()))?;
                self.chunk.truncate(read);
                self.is_drained = read == 0;
            }
        }
        Ok(())
    }
}

impl Broken {
    fn not_started(self) -> Self {
        match self {
            Self::Lost(cause) => Self::NotStarted(cause),
            other => other,
        }
    }
}

struct Waiter<'a> {
    connection: &'a Connection,
    deadline: Instant,
    is_abandoned: &'a dyn Fn() -> bool,
}

impl Waiter<'_> {
    fn retry<T>(&self, mut act: impl FnMut() -> Result<T, ssh2::Error>) -> Result<T, Broken> {
        loop {
            match act() {
                Ok(value) => return Ok(value),
                Err(error) if error.code() == ErrorCode::Session(EAGAIN) => self.wait()?,
                Err(error) => return Err(Broken::Lost(error.to_string())),
            }
        }
    }

    /// Waits until the socket is of use again, for a glance at most.
    fn wait(&self) -> Result<(), Broken> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(Broken::Timeout);
        }
        if (self.is_abandoned)() {
            return Err(Broken::Abandoned);
        }
        let wanted = match self.connection.session.block_directions() {
            BlockDirections::None | BlockDirections::Inbound => PollFlags::IN,
            BlockDirections::Outbound => PollFlags::OUT,
            BlockDirections::Both => PollFlags::IN | PollFlags::OUT,
        };
        let mut fds = [PollFd::from_borrowed_fd(
            self.connection.socket.as_fd(),
            wanted,
        )];
        let timeout = Timespec::try_from(left.min(GLANCE)).expect("a glance is short");
        match rustix::event::poll(&mut fds, Some(&timeout)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(Broken::Lost(error.to_string())),
        }
    }

    fn give_up(&self, broken: Broken) -> Broken {
        if let Err(error) = self.connection.socket.shutdown(Shutdown::Both) {
            tracing::debug!("the connection was shut already: {error}");
        }
        broken
    }
}
