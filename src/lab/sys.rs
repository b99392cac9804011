//! The few system calls that no safe wrapper covers, each behind a function that is safe to call.
//!
//! Everything else that the lab asks of the kernel goes through `rustix`.

use std::ffi::CString;
use std::fs;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::path::Path;

use rustix::process::Pid;
use rustix::thread::UnshareFlags;

/// Which side of a fork this is.
pub(super) enum Fork {
    /// The new process.
    Child,
    /// The old one, with the id of the new.
    Parent(Pid),
}

/// Signals that end a command, and the one that says a child ended.
const WATCHED: [libc::c_int; 5] = [
    libc::SIGINT,
    libc::SIGTERM,
    libc::SIGHUP,
    libc::SIGQUIT,
    libc::SIGCHLD,
];

/// The calling thread's signal mask before [`block_signals`].
pub(super) struct SignalMask(libc::sigset_t);

/// A signal that arrived.
pub(super) struct Arrived {
    /// Its number.
    pub(super) number: i32,
    /// Whether the kernel sent it to a whole terminal group (Ctrl-C), so that every process in
    /// the group has it already.
    pub(super) from_terminal: bool,
}

/// Whether this process has one thread only, as forking into namespaces demands.
pub(super) fn is_single_threaded() -> bool {
    fs::read_dir("/proc/self/task").is_ok_and(|tasks| tasks.count() == 1)
}

fn refuse_threads() -> io::Result<()> {
    if is_single_threaded() {
        Ok(())
    } else {
        Err(io::Error::other(
            "more than one thread is running: enter the lab before starting any",
        ))
    }
}

/// Forks; the child continues here as the first process of those new namespaces.
pub(super) fn fork_into(namespaces: UnshareFlags) -> io::Result<Fork> {
    refuse_threads()?;
    let flags = i64::from(namespaces.bits()) | i64::from(libc::SIGCHLD);
    #[expect(unsafe_code, reason = "clone with namespace flags has no safe wrapper")]
    // SAFETY: one thread only (checked), and no CLONE_VM: this is fork with namespaces, and the
    // child owns a copy of everything, with every lock free.
    let pid = unsafe { libc::syscall(libc::SYS_clone, flags, 0, 0, 0, 0) };
    whose(i32::try_from(pid).map_err(io::Error::other)?)
}

/// Forks within the same namespaces.
pub(super) fn fork() -> io::Result<Fork> {
    refuse_threads()?;
    #[expect(unsafe_code, reason = "fork has no safe wrapper")]
    // SAFETY: one thread only (checked), so no lock is held by a thread the child lacks.
    let pid = unsafe { libc::fork() };
    whose(pid)
}

fn whose(pid: i32) -> io::Result<Fork> {
    match pid {
        0 => Ok(Fork::Child),
        pid if pid > 0 => Ok(Fork::Parent(Pid::from_raw(pid).expect("a pid above zero"))),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Moves this process into new namespaces.
pub(super) fn unshare(namespaces: UnshareFlags) -> io::Result<()> {
    refuse_threads()?;
    #[expect(
        unsafe_code,
        reason = "unsharing a file table may surprise other threads"
    )]
    // SAFETY: the file table is not unshared, and there is no other thread.
    unsafe { rustix::thread::unshare_unsafe(namespaces) }.map_err(Into::into)
}

fn watched_set() -> libc::sigset_t {
    let mut set = MaybeUninit::uninit();
    #[expect(unsafe_code, reason = "signal sets are filled in by the C library")]
    // SAFETY: sigemptyset initialises the set, and the numbers are valid signals.
    unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        for signal in WATCHED {
            libc::sigaddset(set.as_mut_ptr(), signal);
        }
        set.assume_init()
    }
}

/// Holds back the watched signals, to be read from [`signal_fd`] instead.
pub(super) fn block_signals() -> io::Result<SignalMask> {
    let mut old = MaybeUninit::uninit();
    #[expect(unsafe_code, reason = "the signal mask has no safe wrapper")]
    // SAFETY: both sets outlive the call. SIGCHLD gets its default action, because a caller that
    // ignored it would make every child's status vanish.
    unsafe {
        libc::signal(libc::SIGCHLD, libc::SIG_DFL);
        if libc::sigprocmask(libc::SIG_BLOCK, &watched_set(), old.as_mut_ptr()) != 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(SignalMask(old.assume_init()))
    }
}

impl SignalMask {
    /// Puts the old mask back.
    pub(super) fn restore(&self) {
        #[expect(unsafe_code, reason = "the signal mask has no safe wrapper")]
        // SAFETY: the set was written by sigprocmask; a valid set cannot be refused.
        unsafe {
            libc::sigprocmask(libc::SIG_SETMASK, &self.0, std::ptr::null_mut());
        }
    }
}

/// Lets the watched signals through again.
pub(super) fn unblock_signals() {
    #[expect(unsafe_code, reason = "the signal mask has no safe wrapper")]
    // SAFETY: the set outlives the call; a valid set cannot be refused.
    unsafe {
        libc::sigprocmask(libc::SIG_UNBLOCK, &watched_set(), std::ptr::null_mut());
    }
}

/// A descriptor from which the blocked signals are read.
pub(super) fn signal_fd() -> io::Result<OwnedFd> {
    #[expect(unsafe_code, reason = "signalfd has no safe wrapper")]
    // SAFETY: the set outlives the call, and a descriptor that is returned is ours alone.
    unsafe {
        let fd = libc::signalfd(-1, &watched_set(), libc::SFD_CLOEXEC | libc::SFD_NONBLOCK);
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(OwnedFd::from_raw_fd(fd))
    }
}

/// The next signal that arrived, if any.
pub(super) fn next_signal(fd: &OwnedFd) -> Option<Arrived> {
    let mut info = MaybeUninit::<libc::signalfd_siginfo>::uninit();
    let size = size_of::<libc::signalfd_siginfo>();
    #[expect(unsafe_code, reason = "a signal arrives as a C structure")]
    // SAFETY: the buffer has the size given; a full read means that the kernel filled it.
    let info = unsafe {
        let read = libc::read(fd.as_raw_fd(), info.as_mut_ptr().cast(), size);
        if usize::try_from(read) != Ok(size) {
            return None;
        }
        info.assume_init()
    };
    Some(Arrived {
        number: i32::try_from(info.ssi_signo).ok()?,
        from_terminal: info.ssi_code == libc::SI_KERNEL,
    })
}

/// Makes every mount under `path` read-only in this mount namespace.
pub(super) fn make_tree_read_only(path: &Path) -> io::Result<()> {
    let path = CString::new(path.as_os_str().as_bytes()).map_err(io::Error::other)?;
    let attributes = libc::mount_attr {
        attr_set: libc::MOUNT_ATTR_RDONLY,
        attr_clr: 0,
        propagation: 0,
        userns_fd: 0,
    };
    #[expect(unsafe_code, reason = "mount_setattr has no safe wrapper")]
    // SAFETY: path and attributes outlive the call, and the size is that of the structure.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            libc::AT_FDCWD,
            path.as_ptr(),
            libc::AT_RECURSIVE,
            &raw const attributes,
            size_of::<libc::mount_attr>(),
        )
    };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Who is at the other end of a socket.
pub(super) struct Peer {
    /// Its process id; 0 for a process that cannot be seen from here.
    pub(super) pid: i32,
    /// Its user.
    pub(super) uid: u32,
}

/// Who connected this socket, or made the one it is connected to. (`rustix` has this too, but
/// takes no process id of 0.)
pub(super) fn peer(socket: &UnixStream) -> io::Result<Peer> {
    let mut found = libc::ucred {
        pid: 0,
        uid: u32::MAX,
        gid: u32::MAX,
    };
    let mut size = libc::socklen_t::try_from(size_of::<libc::ucred>()).map_err(io::Error::other)?;
    #[expect(
        unsafe_code,
        reason = "rustix's wrapper panics on a peer outside the pid namespace"
    )]
    // SAFETY: buffer and size outlive the call, and the size is the buffer's.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PEERCRED,
            (&raw mut found).cast(),
            &raw mut size,
        )
    };
    if result == 0 {
        Ok(Peer {
            pid: found.pid,
            uid: found.uid,
        })
    } else {
        Err(io::Error::last_os_error())
    }
}
