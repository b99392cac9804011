//! The lab's outer process: makes the namespaces, then waits and passes signals on.

use std::io::{self, PipeReader, Read, Write};
use std::os::fd::{AsFd, OwnedFd};

use rustix::event::{PollFd, PollFlags};
use rustix::process::{Pid, Signal, WaitOptions, WaitStatus};
use rustix::thread::UnshareFlags;

use super::sys::{self, Fork};
use super::{Entered, LabError, LabSpec, UserNamespace, idmap, keeper};

/// What every lab gets of its own.
const NAMESPACES: UnshareFlags = UnshareFlags::NEWNS
    .union(UnshareFlags::NEWPID)
    .union(UnshareFlags::NEWNET)
    .union(UnshareFlags::NEWUTS)
    .union(UnshareFlags::NEWIPC);

/// Forks the keeper; what returns is the outer process or, inside, the program.
pub(super) fn split(spec: &LabSpec) -> Result<Entered, LabError> {
    let failed = |error: io::Error| LabError::step("start the lab", error);
    io::stdout().flush().map_err(failed)?;
    let (go_read, go_write) = io::pipe().map_err(failed)?;
    let (report_read, report_write) = io::pipe().map_err(failed)?;
    let mask = sys::block_signals().map_err(failed)?;
    let forked = fork_keeper(spec.user_namespace);
    match forked {
        Ok((Fork::Child, user_namespace)) => {
            drop((go_write, report_read));
            let pipes = keeper::Pipes {
                go: go_read,
                report: report_write,
            };
            Ok(Entered::Inside(keeper::keep(
                spec,
                pipes,
                &mask,
                user_namespace,
            )))
        }
        Ok((Fork::Parent(keeper), user_namespace)) => {
            drop((go_read, report_write));
            let result = release(keeper, user_namespace, go_write)
                .and_then(|go_write| watch(keeper, report_read, go_write));
            if result.is_err() {
                end(keeper);
            }
            mask.restore();
            result.map(Entered::Outside)
        }
        Err(error) => {
            mask.restore();
            Err(error)
        }
    }
}

/// Forks with a user namespace if it should have one; says whether it has.
fn fork_keeper(user_namespace: UserNamespace) -> Result<(Fork, bool), LabError> {
    let is_root = rustix::process::geteuid().is_root();
    if user_namespace == UserNamespace::IfPossible || !is_root {
        match sys::fork_into(NAMESPACES | UnshareFlags::NEWUSER) {
            Ok(fork) => return Ok((fork, true)),
            Err(cause) if !is_root => return Err(LabError::NoUserNamespace { cause }),
            Err(cause) => tracing::warn!("no user namespace ({cause}): nodes run with real root"),
        }
    }
    sys::fork_into(NAMESPACES)
        .map(|fork| (fork, false))
        .map_err(|error| LabError::step("make namespaces (as root)", error))
}

/// Gives the keeper its ids and lets it go on. The pipe stays open as long as this process
/// lives: its end tells a keeper that starts late that there is no one to keep for.
fn release(
    keeper: Pid,
    user_namespace: bool,
    mut go: io::PipeWriter,
) -> Result<io::PipeWriter, LabError> {
    if user_namespace && rustix::process::geteuid().is_root() {
        idmap::map_identity(keeper).map_err(|e| LabError::step("map ids", e))?;
    } else if user_namespace {
        idmap::map_subordinate(keeper)?;
    }
    go.write_all(b".")
        .map_err(|e| LabError::step("start the lab", e))?;
    Ok(go)
}

/// Waits for the keeper's end. Until the lab is up a signal ends it at once; later, signals are
/// the program's business.
fn watch(keeper: Pid, mut report: PipeReader, go: io::PipeWriter) -> Result<u8, LabError> {
    let failed = |error: io::Error| LabError::step("watch the lab", error);
    let signals = sys::signal_fd().map_err(failed)?;
    if let Some(signal) = wait_until_up(&signals, &mut report, keeper)? {
        end(keeper);
        return Ok(code_of_signal(signal));
    }
    let code = accompany(keeper, &signals)?;
    drop(go);
    Ok(code)
}

/// Passes signals on to a child until it ends. Ctrl-C is not passed on: the terminal has sent it
/// to the child as well.
pub(super) fn accompany(child: Pid, signals: &OwnedFd) -> Result<u8, LabError> {
    loop {
        while let Some(signal) = sys::next_signal(signals) {
            if signal.number != libc::SIGCHLD && !signal.from_terminal {
                pass_on(child, signal.number);
            }
        }
        if let Some(code) = ended(child)? {
            return Ok(code);
        }
        wait_for(&[signals.as_fd()])?;
    }
}

/// Returns the signal that came first, or none when the lab is up.
fn wait_until_up(
    signals: &OwnedFd,
    report: &mut PipeReader,
    keeper: Pid,
) -> Result<Option<i32>, LabError> {
    loop {
        wait_for(&[signals.as_fd(), report.as_fd()])?;
        while let Some(signal) = sys::next_signal(signals) {
            if signal.number != libc::SIGCHLD {
                return Ok(Some(signal.number));
            }
        }
        if !is_readable(report)? {
            continue;
        }
        let mut word = [0];
        let read = report
            .read(&mut word)
            .map_err(|e| LabError::step("watch the lab", e))?;
        if read == 1 && word == *b"." {
            return Ok(None);
        }
        let mut rest = String::new();
        report
            .read_to_string(&mut rest)
            .map_err(|e| LabError::step("watch the lab", e))?;
        let how = ended(keeper)?.map_or(String::new(), |code| format!(" (code {code})"));
        return Err(if rest.is_empty() {
            LabError::step("boot the lab", format!("its keeper died{how}"))
        } else {
            LabError::Inside(rest)
        });
    }
}

/// Whether it can be read now.
pub(super) fn is_readable(fd: &impl AsFd) -> Result<bool, LabError> {
    let mut fds = [PollFd::from_borrowed_fd(fd.as_fd(), PollFlags::IN)];
    let now = rustix::event::Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    let ready = rustix::event::poll(&mut fds, Some(&now));
    ready
        .map(|count| count > 0)
        .map_err(|e| LabError::step("watch the lab", e))
}

/// Waits until one of them can be read.
pub(super) fn wait_for(fds: &[std::os::fd::BorrowedFd<'_>]) -> Result<(), LabError> {
    let mut fds: Vec<_> = fds
        .iter()
        .map(|fd| PollFd::from_borrowed_fd(*fd, PollFlags::IN))
        .collect();
    match rustix::event::poll(&mut fds, None) {
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
        Err(error) => Err(LabError::step("watch the lab", error)),
    }
}

/// Sends a signal on; that the receiver is gone already is no error.
pub(super) fn pass_on(process: Pid, number: i32) {
    if let Some(signal) = Signal::from_named_raw(number)
        && let Err(error) = rustix::process::kill_process(process, signal)
    {
        tracing::debug!("signal {number} was not passed on: {error}");
    }
}

fn ended(keeper: Pid) -> Result<Option<u8>, LabError> {
    rustix::process::waitpid(Some(keeper), WaitOptions::NOHANG)
        .map(|status| status.map(|(_, status)| code_of(status)))
        .map_err(|error| LabError::step("watch the lab", error))
}

/// Kills the keeper, and with it the lab; returns when both are gone.
fn end(keeper: Pid) {
    pass_on(keeper, libc::SIGKILL);
    if let Err(error) = rustix::process::waitpid(Some(keeper), WaitOptions::empty()) {
        tracing::debug!("the keeper was gone already: {error}");
    }
}

/// A status as a shell would say it.
pub(super) fn code_of(status: WaitStatus) -> u8 {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => u8::try_from(code).unwrap_or(u8::MAX),
        (None, Some(signal)) => code_of_signal(signal),
        (None, None) => u8::MAX,
    }
}

fn code_of_signal(signal: i32) -> u8 {
    u8::try_from(128 + signal).unwrap_or(u8::MAX)
}
