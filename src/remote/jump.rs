//! Through another host: a channel of a first session, bridged to a socket that the second
//! session takes for its own.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags};
use ssh2::{BlockDirections, Channel};

use super::exchange::Connection;

const CHUNK: usize = 64 * 1024;

/// Opens the way to `address` behind the connection's host. A thread carries the bytes until
/// either side ends.
pub(super) fn bridge(
    connection: Connection,
    address: &str,
    port: u16,
    timeout: Duration,
) -> Result<socket2::Socket, String> {
    let session = &connection.session;
    session.set_blocking(true);
    session.set_timeout(u32::try_from(timeout.as_millis()).unwrap_or(u32::MAX));
    let channel = session
        .channel_direct_tcpip(address, port, None)
        .map_err(|e| e.to_string())?;
    session.set_blocking(false);
    let (ours, theirs) = UnixStream::pair().map_err(|error| error.to_string())?;
    ours.set_nonblocking(true)
        .map_err(|error| error.to_string())?;
    let work = move || {
        if let Err(error) = carry(&connection, channel, &ours) {
            tracing::debug!("the way through a jump host ended: {error}");
        }
    };
    std::thread::Builder::new()
        .name("ssh jump".to_owned())
        .spawn(work)
        .map_err(|error| error.to_string())?;
    Ok(theirs.into())
}

/// Bytes that were read on one side and not yet written on the other.
#[derive(Default)]
struct Pipe {
    bytes: Vec<u8>,
    written: usize,
}

impl Pipe {
    /// Moves what can be moved now; `None` at the end.
    fn pump(&mut self, from: &mut impl Read, to: &mut impl Write) -> io::Result<Option<bool>> {
        if self.written == self.bytes.len() {
            self.bytes.resize(CHUNK, 0);
            let read = match from.read(&mut self.bytes) {
                Ok(0) => {
                    self.bytes.clear();
                    self.written = 0;
                    return Ok(None);
                }
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
                Err(error) => return Err(error),
            };
            self.bytes.truncate(read);
            self.written = 0;
        }
        if self.written == self.bytes.len() {
            return Ok(Some(false));
        }
        match to.write(&self.bytes[self.written..]) {
            Ok(written) => {
                self.written += written;
                Ok(Some(written > 0))
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(Some(false)),
            Err(error) => Err(error),
        }
    }

    fn is_full(&self) -> bool {
        self.written < self.bytes.len()
    }
}

fn carry(connection: &Connection, mut channel: Channel, local: &UnixStream) -> io::Result<()> {
    let result = carry_bytes(connection, &mut channel, local);
    // Before the channel is dropped, which would otherwise wait for the far side.
    let shut = connection.socket.shutdown(Shutdown::Both);
    drop(channel);
    result.and(shut)
}

fn carry_bytes(
    connection: &Connection,
    channel: &mut Channel,
    local: &UnixStream,
) -> io::Result<()> {
    let (mut inwards, mut outwards) = (Pipe::default(), Pipe::default());
    loop {
        let mut local_end = local;
        let Some(sent) = outwards.pump(&mut local_end, channel)? else {
            return Ok(());
        };
        let received = match inwards.pump(channel, &mut local_end)? {
            Some(received) => received,
            None if channel.eof() => return Ok(()),
            None => false,
        };
        if !sent && !received {
            wait(connection, local, outwards.is_full(), inwards.is_full())?;
        }
    }
}

fn wait(
    connection: &Connection,
    local: &UnixStream,
    is_sending: bool,
    is_receiving: bool,
) -> io::Result<()> {
    let mut far = PollFlags::IN;
    let directions = connection.session.block_directions();
    if is_sending
        && matches!(
            directions,
            BlockDirections::Outbound | BlockDirections::Both
        )
    {
        far |= PollFlags::OUT;
    }
    let mut near = PollFlags::empty();
    near.set(PollFlags::IN, !is_sending);
    near.set(PollFlags::OUT, is_receiving);
    let mut fds = [
        PollFd::from_borrowed_fd(connection.socket.as_fd(), far),
        PollFd::from_borrowed_fd(local.as_fd(), near),
    ];
    match rustix::event::poll(&mut fds, None) {
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
