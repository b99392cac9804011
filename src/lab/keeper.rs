//! The lab's process 1: boots the nodes, forks the program, then serves and reaps.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, PipeReader, PipeWriter, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change};
use rustix::process::{Pid, Signal, WaitOptions, WaitStatus};
use rustix::thread::UnshareFlags;

use super::node::{self, Blueprint};
use super::outside::{code_of, pass_on, wait_for};
use super::sys::{self, Fork, SignalMask};
use super::{Lab, LabError, LabSpec, Phase, Reply, Request, idmap, keys, link};
use crate::inventory::{self, Host};

/// The keeper's line to the outer process.
pub(super) struct Pipes {
    /// One byte when the ids are mapped; its end means that the outer process is gone.
    pub(super) go: PipeReader,
    /// `.` when the lab is up, or `!` and why it is not.
    pub(super) report: PipeWriter,
}

/// How long a node may take until its sshd listens, on a very busy machine.
const BOOT_LIMIT: Duration = Duration::from_secs(30);

/// What a node has of its own besides a user namespace, a network and mounts locked by it.
const NODE_NAMESPACES: UnshareFlags = UnshareFlags::NEWNS
    .union(UnshareFlags::NEWPID)
    .union(UnshareFlags::NEWUTS)
    .union(UnshareFlags::NEWIPC)
    .union(UnshareFlags::NEWCGROUP);

/// Runs as the keeper to the lab's end; returns in the program alone.
pub(super) fn keep(
    spec: &LabSpec,
    mut pipes: Pipes,
    mask: &SignalMask,
    user_namespace: bool,
) -> Lab {
    let start = Instant::now();
    let booted = wait_for_ids(&mut pipes.go).and_then(|()| boot(spec, user_namespace));
    let result = booted.and_then(|booted| {
        halt(spec, Phase::Ready);
        fork_program(spec, booted, start.elapsed(), mask, &mut pipes.report)
    });
    match result {
        Ok(lab) => lab,
        Err(error) => {
            // Whoever could read this is the only one to tell, so a failure has no remedy.
            let said = write!(pipes.report, "!{error}");
            std::process::exit(if said.is_ok() { 3 } else { 70 })
        }
    }
}

fn wait_for_ids(go: &mut PipeReader) -> Result<(), LabError> {
    let failed = |error: io::Error| LabError::step("start the lab's keeper", error);
    go.read_exact(&mut [0]).map_err(failed)?;
    // Only now: the kernel forgets this wish whenever a process changes its ids.
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
        .map_err(|error| failed(error.into()))?;
    // The outer process may have died before the wish was made; then its end is closed.
    let mut fds = [rustix::event::PollFd::new(go, rustix::event::PollFlags::IN)];
    let now = rustix::event::Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    let closed = rustix::event::poll(&mut fds, Some(&now)).map_err(|e| failed(e.into()))?;
    if closed > 0 {
        Err(failed(io::ErrorKind::BrokenPipe.into()))
    } else {
        Ok(())
    }
}

fn halt(spec: &LabSpec, phase: Phase) {
    if spec.halt_at == Some(phase) {
        let mut stderr = io::stderr();
        let said = writeln!(stderr, "halted at {phase:?}");
        assert!(said.is_ok(), "a test waits for this line");
        loop {
            std::thread::sleep(Duration::from_secs(3600));
        }
    }
}

struct Booted {
    blueprint: Blueprint,
    nodes: Vec<Option<Pid>>,
    hosts: Vec<Host>,
}

fn boot(spec: &LabSpec, user_namespace: bool) -> Result<Booted, LabError> {
    halt(spec, Phase::Namespaces);
    let scratch = make_scratch()?;
    link::make_bridge()?;
    halt(spec, Phase::Network);
    let keys = keys::make(&scratch.join("keys"))?;
    let uids = idmap::own_extents("uid_map").map_err(|e| LabError::step("read ids", e))?;
    let blueprint = Blueprint {
        scratch: scratch.clone(),
        sshd: super::tool("sshd", "openssh-server")?,
        ids: idmap::node_ids(&uids, user_namespace),
        login_public: keys.login_public.clone(),
        host_key: keys.host.clone(),
        hosts: hosts_file(spec.nodes),
        layers: spec.layers.clone(),
    };
    for node in 1..=spec.nodes {
        blueprint.make_data(node)?;
    }
    let hosts = hosts(spec.nodes, &keys);
    fs::write(super::inventory_file(&scratch), inventory::render(&hosts))
        .map_err(|e| LabError::step("write lab.toml", e))?;
    write_ssh_config(&scratch, spec.nodes, &keys)
        .map_err(|e| LabError::step("write ssh_config", e))?;
    let numbers: Vec<usize> = (1..=spec.nodes).collect();
    let started = start_nodes(&blueprint, &numbers)?;
    halt(spec, Phase::Nodes);
    wait_until_listening(&blueprint, &started)?;
    let nodes = started.into_iter().map(|(_, pid)| Some(pid)).collect();
    Ok(Booted {
        blueprint,
        nodes,
        hosts,
    })
}

/// Mounts the lab's own directory over an empty one of the machine's, for this lab's eyes only:
/// unlike a temporary directory it cannot be left behind.
fn make_scratch() -> Result<PathBuf, LabError> {
    mount_change(
        "/",
        MountPropagationFlags::PRIVATE | MountPropagationFlags::REC,
    )
    .map_err(|e| {
        let remedy = "if a security module restricts user namespaces, run: \
                      sysctl -w kernel.apparmor_restrict_unprivileged_userns=0";
        LabError::step("make mounts private", format!("{e}; {remedy}"))
    })?;
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    mount("proc", "/proc", "proc", flags, None).map_err(|e| LabError::step("mount /proc", e))?;
    let is_empty =
        |path: &&&str| fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_none());
    let places = ["/mnt", "/media", "/srv", "/var/empty", "/opt"];
    // Shared memory serves where every such directory is in use: it belongs to no user's files.
    let scratch = PathBuf::from(places.iter().find(is_empty).unwrap_or(&"/dev/shm"));
    node::mount_tmpfs(&scratch, "mode=700")?;
    for directory in ["keys", "nodes", "logs"] {
        fs::create_dir(scratch.join(directory))
            .map_err(|e| LabError::step("make the lab's directory", e))?;
    }
    Ok(scratch)
}

fn hosts_file(nodes: usize) -> String {
    let mut text = format!("127.0.0.1 localhost\n{} control\n", link::CONTROL);
    for node in 1..=nodes {
        text += &format!("{} n{node}\n", link::address(node));
    }
    text
}

fn hosts(nodes: usize, keys: &keys::Keys) -> Vec<Host> {
    (1..=nodes)
        .map(|node| {
            let name = format!("n{node}");
            Host::pinned(
                name,
                link::address(node),
                keys.login.clone(),
                keys.host_public.clone(),
            )
        })
        .collect()
}

/// For people: `ssh -F FILE n1`.
fn write_ssh_config(scratch: &Path, nodes: usize, keys: &keys::Keys) -> io::Result<()> {
    let known = scratch.join("known_hosts");
    fs::write(&known, format!("* {}\n", keys.host_public))?;
    let mut text = String::new();
    for node in 1..=nodes {
        text += &format!("Host n{node}\n  HostName {}\n", link::address(node));
    }
    text += &format!(
        "Host *\n  User root\n  IdentityFile {}\n  IdentitiesOnly yes\n  \
         UserKnownHostsFile {}\n  GlobalKnownHostsFile /dev/null\n  LogLevel ERROR\n",
        keys.login.display(),
        known.display()
    );
    fs::write(super::ssh_config(scratch), text)
}

struct Starting {
    node: usize,
    pid: Pid,
    report: PipeReader,
    go: PipeWriter,
}

/// Starts those nodes side by side; returns when each has become its sshd.
fn start_nodes(blueprint: &Blueprint, numbers: &[usize]) -> Result<Vec<(usize, Pid)>, LabError> {
    let mut starting = Vec::new();
    for &node in numbers {
        starting.push(fork_node(blueprint, node)?);
    }
    let started: Vec<(usize, Pid)> = starting.iter().map(|s| (s.node, s.pid)).collect();
    let result = release_nodes(blueprint, &mut starting, &started);
    if result.is_err() {
        for (_, pid) in &started {
            pass_on(*pid, libc::SIGKILL);
        }
    }
    result.map(|()| started)
}

fn release_nodes(
    blueprint: &Blueprint,
    starting: &mut [Starting],
    started: &[(usize, Pid)],
) -> Result<(), LabError> {
    for Starting {
        node, pid, report, ..
    } in starting.iter_mut()
    {
        let mut word = [0];
        let read = report
            .read(&mut word)
            .map_err(|e| LabError::step("hear from a node", e))?;
        if read == 0 || word != *b"." {
            return Err(node_error(*node, report));
        }
        if blueprint.ids.user_namespace {
            idmap::map_node(*pid, blueprint.ids)
                .map_err(|e| LabError::step(format!("map the ids of n{node}"), e))?;
        }
    }
    link::connect(started)?;
    for Starting {
        node, go, report, ..
    } in starting.iter_mut()
    {
        if go.write_all(b".").is_err() {
            return Err(node_error(*node, report));
        }
    }
    for Starting { node, report, .. } in starting {
        // The pipe closes when sshd takes over; before that it can only carry bad news.
        let mut word = [0];
        if report
            .read(&mut word)
            .map_err(|e| LabError::step("hear from a node", e))?
            > 0
        {
            return Err(node_error(*node, report));
        }
    }
    Ok(())
}

fn node_error(node: usize, report: &mut PipeReader) -> LabError {
    let mut cause = String::new();
    if let Err(error) = report.read_to_string(&mut cause) {
        cause = error.to_string();
    }
    LabError::Node {
        node: format!("n{node}"),
        cause,
    }
}

fn fork_node(blueprint: &Blueprint, node: usize) -> Result<Starting, LabError> {
    let failed = |error: io::Error| LabError::step(format!("start n{node}"), error);
    let (report, mut report_write) = io::pipe().map_err(failed)?;
    let (mut go_read, go) = io::pipe().map_err(failed)?;
    // Opened out here: a file open for writing in the node's copy of the mounts would keep them
    // from becoming read-only.
    let log = File::create(blueprint.log(node)).map_err(failed)?;
    match sys::fork_into(NODE_NAMESPACES).map_err(failed)? {
        Fork::Parent(pid) => Ok(Starting {
            node,
            pid,
            report,
            go,
        }),
        Fork::Child => {
            drop((report, go));
            // A node's sshd must hear SIGTERM and SIGCHLD again.
            sys::unblock_signals();
            let error = node::become_node(blueprint, node, log, &mut report_write, &mut go_read);
            let said = write!(report_write, "!{error}");
            std::process::exit(if said.is_ok() { 3 } else { 70 })
        }
    }
}

fn wait_until_listening(blueprint: &Blueprint, nodes: &[(usize, Pid)]) -> Result<(), LabError> {
    let deadline = Instant::now() + BOOT_LIMIT;
    for (node, pid) in nodes {
        while !is_listening(*pid) {
            let is_dead = has_died(*pid);
            if is_dead || Instant::now() > deadline {
                let log = fs::read_to_string(blueprint.log(*node)).unwrap_or_default();
                let lines: Vec<&str> = log.lines().collect();
                let tail = lines[lines.len().saturating_sub(5)..].join("; ");
                let what = if is_dead {
                    "its sshd ended"
                } else {
                    "its sshd does not listen"
                };
                let cause = format!("{what}: {tail}");
                return Err(LabError::Node {
                    node: format!("n{node}"),
                    cause,
                });
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }
    Ok(())
}

/// Whether something in the node's network listens on port 22. Asked of the kernel, because a
/// connection would make sshd fork and start a handshake.
fn is_listening(node: Pid) -> bool {
    let table = format!("/proc/{}/net/tcp", node.as_raw_nonzero());
    fs::read_to_string(table).is_ok_and(|text| {
        text.lines().any(|line| {
            let mut words = line.split_whitespace().skip(1);
            words.next().is_some_and(|local| local.ends_with(":0016")) && words.nth(1) == Some("0A")
        })
    })
}

fn has_died(node: Pid) -> bool {
    let stat = format!("/proc/{}/stat", node.as_raw_nonzero());
    fs::read_to_string(stat).map_or(true, |text| text.contains(") Z "))
}

/// Forks the program off. Returns there; the keeper itself goes on to serve and never returns.
fn fork_program(
    spec: &LabSpec,
    booted: Booted,
    boot_time: Duration,
    mask: &SignalMask,
    report: &mut PipeWriter,
) -> Result<Lab, LabError> {
    let failed = |error: io::Error| LabError::step("start the program", error);
    let (requests, keeper) = UnixStream::pair().map_err(failed)?;
    let (death_notices, deaths) = UnixStream::pair().map_err(failed)?;
    deaths.set_nonblocking(true).map_err(failed)?;
    death_notices.set_nonblocking(true).map_err(failed)?;
    report.write_all(b".").map_err(failed)?;
    match sys::fork().map_err(failed)? {
        Fork::Child => {
            mask.restore();
            Ok(Lab {
                hosts: booted.hosts,
                directory: booted.blueprint.scratch,
                boot_time,
                keeper: Mutex::new(BufReader::new(keeper)),
                deaths: Mutex::new(BufReader::new(deaths)),
            })
        }
        Fork::Parent(program) => {
            drop((keeper, deaths));
            let mut keeper = Keeper {
                blueprint: booted.blueprint,
                nodes: booted.nodes,
                requests: BufReader::new(requests),
                death_notices,
                program,
            };
            let code = keeper.serve().unwrap_or_else(|error| {
                tracing::error!("the lab's keeper gives up: {error}");
                70
            });
            halt(spec, Phase::Teardown);
            std::process::exit(code.into())
        }
    }
}

struct Keeper {
    blueprint: Blueprint,
    /// The first process of each node, while it runs; n1 comes first.
    nodes: Vec<Option<Pid>>,
    requests: BufReader<UnixStream>,
    death_notices: UnixStream,
    program: Pid,
}

impl Keeper {
    /// Serves until the program ends; returns its code.
    fn serve(&mut self) -> Result<u8, LabError> {
        let signals = sys::signal_fd().map_err(|e| LabError::step("watch the lab", e))?;
        let mut is_asking = true;
        loop {
            if is_asking {
                wait_for(&[signals.as_fd(), self.requests.get_ref().as_fd()])?;
            } else {
                wait_for(&[signals.as_fd()])?;
            }
            while let Some(signal) = sys::next_signal(&signals) {
                if signal.number != libc::SIGCHLD && !signal.from_terminal {
                    pass_on(self.program, signal.number);
                }
            }
            if let Some(code) = self.reap() {
                return Ok(code);
            }
            if is_asking && super::outside::is_readable(self.requests.get_ref())? {
                is_asking = self.answer();
            }
        }
    }

    /// Collects the dead; returns the program's code if it is among them.
    fn reap(&mut self) -> Option<u8> {
        while let Ok(Some((pid, status))) = rustix::process::wait(WaitOptions::NOHANG) {
            if pid == self.program {
                return Some(code_of(status));
            }
            self.note_death(pid, status);
        }
        None
    }

    fn note_death(&mut self, pid: Pid, status: WaitStatus) {
        let Some(index) = self.nodes.iter().position(|node| *node == Some(pid)) else {
            return;
        };
        self.nodes[index] = None;
        let how = match (status.exit_status(), status.terminating_signal()) {
            (Some(code), _) => format!("its sshd ended with status {code}"),
            (None, signal) => format!("killed by signal {}", signal.unwrap_or_default()),
        };
        if let Err(error) = writeln!(self.death_notices, "n{} {how}", index + 1) {
            tracing::warn!("n{} {how}; not announced: {error}", index + 1);
        }
    }

    /// Answers one request; false when the program has closed its end.
    fn answer(&mut self) -> bool {
        let mut line = String::new();
        if self
            .requests
            .read_line(&mut line)
            .map_or(true, |read| read == 0)
        {
            return false;
        }
        let reply: Reply = match serde_json::from_str(&line) {
            Ok(Request::Pid(node)) => Ok(self.pid(node)),
            Ok(Request::Kill(node)) => self.kill(node).map(|()| None).map_err(|e| e.to_string()),
            Ok(Request::Start(node)) => self.start(node).map_err(|e| e.to_string()),
            Err(error) => Err(error.to_string()),
        };
        let text = serde_json::to_string(&reply).expect("a reply is plain data") + "\n";
        self.requests.get_mut().write_all(text.as_bytes()).is_ok()
    }

    fn pid(&self, node: usize) -> Option<i32> {
        self.nodes[node - 1].map(|pid| pid.as_raw_nonzero().get())
    }

    fn kill(&mut self, node: usize) -> Result<(), LabError> {
        if let Some(pid) = self.nodes[node - 1].take() {
            pass_on(pid, libc::SIGKILL);
            rustix::process::waitpid(Some(pid), WaitOptions::empty())
                .map_err(|e| LabError::step(format!("kill n{node}"), e))?;
        }
        if link::is_connected(node) {
            link::disconnect(node)
        } else {
            Ok(())
        }
    }

    fn start(&mut self, node: usize) -> Result<Option<i32>, LabError> {
        let started = start_nodes(&self.blueprint, &[node])?;
        wait_until_listening(&self.blueprint, &started)?;
        self.nodes[node - 1] = Some(started[0].1);
        Ok(self.pid(node))
    }
}
