//! A lab that outlives the command that made it.
//!
//! There is no state file that could go stale: a running lab listens on an abstract socket named
//! after its user and itself, which the kernel takes away with the lab, whatever ends it. The
//! socket also says who the lab is: its peer is the lab's outer process.

use std::fs;
use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::os::fd::AsFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::path::PathBuf;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::process::{Pid, PidfdFlags, Signal};
use rustix::thread::ThreadNameSpaceType;

use super::sys::{self, Fork};
use super::{Entered, Lab, LabError, LabSpec, enter, outside};

/// What a running lab says to whoever asks.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
struct Card {
    inventory: PathBuf,
    ssh_config: PathBuf,
    nodes: usize,
}

/// A running lab, seen from the machine.
#[derive(Debug)]
pub(super) struct Running {
    card: Card,
    /// The outer process; the first process of the lab's namespaces is its child.
    outer: Pid,
    outer_fd: rustix::fd::OwnedFd,
}

fn address(name: &str) -> Result<SocketAddr, LabError> {
    let user = rustix::process::getuid().as_raw();
    SocketAddr::from_abstract_name(format!("schism-lab-{user}-{name}"))
        .map_err(|error| LabError::step(format!("name a lab `{name}`"), error))
}

/// Starts a lab in a session of its own. `greet` runs inside once it is up; what it returns is
/// returned here.
pub(super) fn start(
    name: &str,
    spec: &LabSpec,
    greet: fn(&Lab) -> String,
) -> Result<String, LabError> {
    let failed = |error: io::Error| LabError::step("start the lab", error);
    let (mut news, news_write) = io::pipe().map_err(failed)?;
    match sys::fork().map_err(failed)? {
        Fork::Parent(_) => {
            drop(news_write);
            read_news(&mut news)
        }
        Fork::Child => {
            drop(news);
            std::process::exit(stay(name, spec, greet, news_write).into())
        }
    }
}

/// The news are one byte that says which, text, and a zero byte: the end of the pipe alone does
/// not mean that they are complete.
fn read_news(news: &mut PipeReader) -> Result<String, LabError> {
    let mut text = Vec::new();
    let mut byte = [0];
    while news
        .read(&mut byte)
        .map_err(|e| LabError::step("hear from the lab", e))?
        == 1
    {
        match byte[0] {
            0 => {
                let text = String::from_utf8_lossy(&text).into_owned();
                return match text.strip_prefix('!') {
                    Some(error) => Err(LabError::Inside(error.to_owned())),
                    None => Ok(text),
                };
            }
            byte => text.push(byte),
        }
    }
    Err(LabError::step("start the lab", "it died without a word"))
}

fn stay(name: &str, spec: &LabSpec, greet: fn(&Lab) -> String, mut news: PipeWriter) -> u8 {
    let entered = leave_terminal().and_then(|()| {
        // Bound by the outer process: its id is the one that others see.
        let listener = bind(name)?;
        enter(spec).map(|entered| (entered, listener))
    });
    match entered {
        Ok((Entered::Outside(code), _)) => code,
        Ok((Entered::Inside(lab), listener)) => {
            // Whoever asked for the lab is gone if this fails, and so is the reason to stay.
            if write!(news, "{}\0", greet(&lab)).is_err() {
                return 3;
            }
            drop(news);
            answer_forever(&lab, &listener)
        }
        Err(error) => {
            let said = write!(news, "!{error}\0");
            if said.is_ok() { 3 } else { 70 }
        }
    }
}

fn leave_terminal() -> Result<(), LabError> {
    let failed = |error: io::Error| LabError::step("leave the terminal", error);
    rustix::process::setsid().map_err(|error| failed(error.into()))?;
    let null = fs::File::options()
        .read(true)
        .write(true)
        .open("/dev/null")
        .map_err(failed)?;
    rustix::stdio::dup2_stdin(&null).map_err(|error| failed(error.into()))?;
    rustix::stdio::dup2_stdout(&null).map_err(|error| failed(error.into()))?;
    rustix::stdio::dup2_stderr(&null).map_err(|error| failed(error.into()))
}

fn bind(name: &str) -> Result<UnixListener, LabError> {
    UnixListener::bind_addr(&address(name)?).map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => LabError::step(
            "start a lab",
            "one is already running; end it with: schism lab down",
        ),
        _ => LabError::step("start a lab", error),
    })
}

fn answer_forever(lab: &Lab, listener: &UnixListener) -> u8 {
    let card = Card {
        inventory: lab.inventory_file(),
        ssh_config: super::ssh_config(&lab.directory),
        nodes: lab.hosts().len(),
    };
    let text = serde_json::to_string(&card).expect("a card is plain data");
    loop {
        let answered = listener.accept().and_then(|(mut stream, _)| {
            // Inside, the lab's owner and the machine's root are root; others are not.
            if sys::peer(&stream)?.uid == 0 {
                stream.write_all(text.as_bytes())?;
            }
            Ok(())
        });
        if let Err(error) = answered {
            tracing::debug!("a question went unanswered: {error}");
        }
    }
}

/// Finds the running lab of that name.
pub(super) fn find(name: &str) -> Result<Running, LabError> {
    let failed = |error: io::Error| LabError::step("ask the running lab", error);
    let none = |_| LabError::step("find a running lab", "start one with: schism lab up");
    let mut stream = UnixStream::connect_addr(&address(name)?).map_err(none)?;
    let peer = sys::peer(&stream).map_err(failed)?;
    let (Some(outer), true) = (
        Pid::from_raw(peer.pid),
        peer.uid == rustix::process::getuid().as_raw(),
    ) else {
        return Err(LabError::step(
            "ask the running lab",
            "another user has taken its name",
        ));
    };
    // First the handle, then the answer: whoever answers has not died in between, so the handle
    // is not that of a stranger with the same number.
    let outer_fd = rustix::process::pidfd_open(outer, PidfdFlags::empty())
        .map_err(|error| failed(error.into()))?;
    let mut text = String::new();
    stream
        .set_read_timeout(Some(Duration::from_secs(60)))
        .map_err(failed)?;
    stream.read_to_string(&mut text).map_err(failed)?;
    let card = serde_json::from_str(&text)
        .map_err(|error| LabError::step("understand the running lab", error))?;
    Ok(Running {
        card,
        outer,
        outer_fd,
    })
}

impl Running {
    /// The inventory's file, as processes inside see it.
    pub(super) fn inventory(&self) -> &PathBuf {
        &self.card.inventory
    }

    /// The configuration for `ssh`, as processes inside see it.
    pub(super) fn ssh_config(&self) -> &PathBuf {
        &self.card.ssh_config
    }

    /// How many nodes it has.
    pub(super) fn nodes(&self) -> usize {
        self.card.nodes
    }

    /// Ends it; returns when nothing is left.
    pub(super) fn end(&self) -> Result<(), LabError> {
        let failed = |error: rustix::io::Errno| LabError::step("end the lab", error);
        let keeper_fd = self.keeper_fd()?;
        for signal in [Signal::TERM, Signal::KILL] {
            match rustix::process::pidfd_send_signal(&self.outer_fd, signal) {
                Ok(()) | Err(rustix::io::Errno::SRCH) => {}
                Err(error) => return Err(failed(error)),
            }
            if has_ended(&keeper_fd, 10)? && has_ended(&self.outer_fd, 10)? {
                return Ok(());
            }
        }
        Err(LabError::step(
            "end the lab",
            "it is still there after SIGKILL",
        ))
    }

    /// Moves this process inside, but for its process id: enough to reach the nodes. It must
    /// have one thread.
    pub(super) fn visit(&self) -> Result<(), LabError> {
        let keeper = self.keeper_fd()?;
        self.join_user(&keeper)?;
        join(&keeper, SURROUNDINGS)
    }

    /// Runs `act` in a process inside, which it should turn into another program; waits for its
    /// end and returns its code.
    pub(super) fn within(&self, act: impl FnOnce() -> LabError) -> Result<u8, LabError> {
        let failed = |error: io::Error| LabError::step("enter the running lab", error);
        let keeper = self.keeper_fd()?;
        self.join_user(&keeper)?;
        // Holds for children only, and comes before the lab's `/proc` replaces the one in which
        // this process can see itself.
        join(&keeper, ThreadNameSpaceType::PROCESS_ID)?;
        let mask = sys::block_signals().map_err(failed)?;
        match sys::fork().map_err(failed)? {
            Fork::Parent(child) => {
                let signals = sys::signal_fd().map_err(failed)?;
                let code = outside::accompany(child, &signals);
                mask.restore();
                code
            }
            Fork::Child => {
                mask.restore();
                rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
                    .map_err(|error| failed(error.into()))?;
                join(&keeper, SURROUNDINGS)?;
                Err(act())
            }
        }
    }

    /// The kernel refuses to enter the user namespace that one is in.
    fn join_user(&self, keeper: &rustix::fd::OwnedFd) -> Result<(), LabError> {
        let user = |process: &str| {
            fs::read_link(format!("/proc/{process}/ns/user"))
                .map_err(|error| LabError::step("enter the running lab", error))
        };
        let theirs = user(&self.keeper()?.as_raw_nonzero().to_string())?;
        if theirs == user("self")? {
            Ok(())
        } else {
            join(keeper, ThreadNameSpaceType::USER)
        }
    }

    fn keeper_fd(&self) -> Result<rustix::fd::OwnedFd, LabError> {
        rustix::process::pidfd_open(self.keeper()?, PidfdFlags::empty())
            .map_err(|error| LabError::step("enter the running lab", error))
    }

    fn keeper(&self) -> Result<Pid, LabError> {
        let outer = self.outer.as_raw_nonzero().to_string();
        let children = fs::read_dir("/proc")
            .map_err(|error| LabError::step("look for the lab's processes", error))?
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
            .find(|pid: &i32| parent_of(*pid).is_some_and(|parent| parent == outer));
        children
            .and_then(Pid::from_raw)
            .ok_or_else(|| LabError::step("look for the lab's processes", "it is just ending"))
    }
}

/// All that makes up the lab but users and processes.
const SURROUNDINGS: ThreadNameSpaceType = ThreadNameSpaceType::MOUNT
    .union(ThreadNameSpaceType::NETWORK)
    .union(ThreadNameSpaceType::HOST_NAME_AND_NIS_DOMAIN_NAME)
    .union(ThreadNameSpaceType::INTER_PROCESS_COMMUNICATION);

fn join(keeper: &rustix::fd::OwnedFd, which: ThreadNameSpaceType) -> Result<(), LabError> {
    let failed = |error: io::Error| LabError::step("enter the running lab", error);
    // Entering a mount namespace leads to its root.
    let directory = std::env::current_dir().map_err(failed)?;
    rustix::thread::move_into_thread_name_spaces(keeper.as_fd(), which)
        .map_err(|error| failed(error.into()))?;
    std::env::set_current_dir(directory).map_err(failed)
}

fn parent_of(pid: i32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in parentheses, may hold anything, parentheses included.
    stat.rsplit_once(')')?
        .1
        .split_whitespace()
        .nth(1)
        .map(str::to_owned)
}

fn has_ended(process: &impl AsFd, seconds: i64) -> Result<bool, LabError> {
    let mut fds = [PollFd::from_borrowed_fd(process.as_fd(), PollFlags::IN)];
    let timeout = Timespec {
        tv_sec: seconds,
        tv_nsec: 0,
    };
    rustix::event::poll(&mut fds, Some(&timeout))
        .map(|ready| ready > 0)
        .map_err(|error| LabError::step("wait for the lab's end", error))
}
