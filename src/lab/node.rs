//! A node: from a fork in new namespaces to `sshd` as its process 1.
//!
//! The node sees the machine's own root file system, read-only, with private files over the
//! places that programs write to. All of it is mounted *before* the node enters a user namespace
//! of its own, and the kernel then locks those mounts: not even the node's root can undo them,
//! and the ids it has own nothing on the machine.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::mount::{
    MountFlags, MountPropagationFlags, mount, mount_bind, mount_bind_recursive, mount_change,
    mount_move, mount_remount,
};
use rustix::thread::{CapabilitySet, Gid, Uid, UnshareFlags};

use super::idmap::NodeIds;
use super::{LabError, link, sys};
use crate::image::Layer;

/// What all nodes of a lab have in common.
pub(super) struct Blueprint {
    /// The lab's own directory, which nodes must not see.
    pub(super) scratch: PathBuf,
    /// The server to run.
    pub(super) sshd: PathBuf,
    /// Whom a node's users are.
    pub(super) ids: NodeIds,
    /// The public key that opens the node.
    pub(super) login_public: String,
    /// The private host key.
    pub(super) host_key: String,
    /// The text of `/etc/hosts`.
    pub(super) hosts: String,
    /// What is laid over the machine's own files.
    pub(super) layers: Vec<Layer>,
}

/// Places that a node writes to and finds again after a restart, with their modes.
pub(super) const KEPT: [(&str, u32); 5] = [
    ("/root", 0o700),
    ("/home", 0o755),
    ("/var/tmp", 0o1777),
    ("/var/lib", 0o755),
    ("/var/log", 0o755),
];

const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

impl Blueprint {
    /// Where a node's kept files lie, as the control host sees them.
    pub(super) fn data(&self, node: usize) -> PathBuf {
        self.scratch.join("nodes").join(format!("n{node}"))
    }

    /// Where a node's sshd logs.
    pub(super) fn log(&self, node: usize) -> PathBuf {
        self.scratch.join("logs").join(format!("n{node}.log"))
    }

    /// Makes the kept places of a node, once in its life.
    pub(super) fn make_data(&self, node: usize) -> Result<(), LabError> {
        let data = self.data(node);
        fs::create_dir_all(&data).map_err(|e| LabError::step("make a node's directory", e))?;
        mount_tmpfs(&data, &format!("mode=755,{}", self.owner()))?;
        for (place, mode) in KEPT {
            let kept = kept_name(&data, place);
            fs::create_dir(&kept).map_err(|e| LabError::step("make a node's directory", e))?;
            self.hand_over(&kept, mode)?;
        }
        Ok(())
    }

    fn owner(&self) -> String {
        format!("uid={0},gid={0}", self.ids.base)
    }

    fn hand_over(&self, path: &Path, mode: u32) -> Result<(), LabError> {
        let base = Some(self.ids.base);
        chown(path, base, base)
            .and_then(|()| fs::set_permissions(path, fs::Permissions::from_mode(mode)))
            .map_err(|error| LabError::step(format!("hand {} to the node", path.display()), error))
    }

    fn put(&self, path: &str, text: &str, mode: u32) -> Result<(), LabError> {
        fs::write(path, text).map_err(|e| LabError::step(format!("write {path}"), e))?;
        self.hand_over(Path::new(path), mode)
    }
}

fn kept_name(data: &Path, place: &str) -> PathBuf {
    data.join(place.trim_start_matches('/').replace('/', "-"))
}

/// Runs as the first process of a node's namespaces and becomes its sshd. Says `.` on `report`
/// when it waits for its ids and its cable, and returns only the reason why it failed.
pub(super) fn become_node(
    blueprint: &Blueprint,
    node: usize,
    log: File,
    report: &mut impl Write,
    go: &mut impl Read,
) -> LabError {
    match prepare(blueprint, node, log, report, go) {
        Ok(mut sshd) => LabError::step("start sshd", sshd.exec()),
        Err(error) => error,
    }
}

fn prepare(
    blueprint: &Blueprint,
    node: usize,
    log: File,
    report: &mut impl Write,
    go: &mut impl Read,
) -> Result<Command, LabError> {
    // Out of the terminal's reach: Ctrl-C is the program's, not the hosts'.
    rustix::process::setsid().map_err(|e| LabError::step("leave the terminal", e))?;
    let copy = log
        .try_clone()
        .map_err(|e| LabError::step("open the log", e))?;
    make_places(blueprint, node)?;
    make_devices()?;
    make_etc(blueprint, node)?;
    make_proc()?;
    rustix::system::sethostname(format!("n{node}").as_bytes())
        .map_err(|e| LabError::step("set the host name", e))?;

    let own = if blueprint.ids.user_namespace {
        UnshareFlags::NEWUSER | UnshareFlags::NEWNS | UnshareFlags::NEWNET
    } else {
        UnshareFlags::NEWNET
    };
    sys::unshare(own).map_err(|e| LabError::step("enter the node's own namespaces", e))?;
    report
        .write_all(b".")
        .map_err(|e| LabError::step("report", e))?;
    go.read_exact(&mut [0])
        .map_err(|e| LabError::step("wait for the network", e))?;

    become_root()?;
    no_ipv6();
    link::configure_node(node)?;
    if !blueprint.ids.user_namespace {
        drop_capabilities()?;
    }
    let mut sshd = Command::new(&blueprint.sshd);
    sshd.args(["-D", "-e", "-f", "/run/sshd/config"])
        .env_clear()
        .env("PATH", PATH)
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(copy)
        .stderr(log);
    Ok(sshd)
}

fn make_places(blueprint: &Blueprint, node: usize) -> Result<(), LabError> {
    let root = Path::new("/");
    mount_change(
        root,
        MountPropagationFlags::PRIVATE | MountPropagationFlags::REC,
    )
    .map_err(|e| LabError::step("make mounts private", e))?;
    for place in ["usr", "etc"] {
        lay_over(&blueprint.layers, place)?;
    }
    sys::make_tree_read_only(root)
        .map_err(|e| LabError::step("make the file system read-only (Linux 5.12 can)", e))?;
    mount_tmpfs(
        Path::new("/run"),
        &format!("mode=755,{}", blueprint.owner()),
    )?;
    mount_tmpfs(
        Path::new("/tmp"),
        &format!("mode=1777,{}", blueprint.owner()),
    )?;
    for (place, _) in KEPT {
        if Path::new(place).is_dir() {
            bind(&kept_name(&blueprint.data(node), place), Path::new(place))?;
            // It came from under a mount that is read-only by now.
            mount_remount(place, MountFlags::BIND | MountFlags::NODEV, c"")
                .map_err(|e| LabError::step(format!("make {place} writable"), e))?;
        }
    }
    // The lab's own directory holds the login key.
    hide(&blueprint.scratch)
}

/// Lays the layers over a place of the machine. Nothing of it can be written, so there is no
/// upper directory, and the machine's own directory is the lowest.
fn lay_over(layers: &[Layer], place: &str) -> Result<(), LabError> {
    let host = Path::new("/").join(place);
    let mut stack: Vec<String> = layers
        .iter()
        .map(|layer| layer.files.join(place))
        .filter(|files| files.is_dir())
        .map(|files| files.display().to_string())
        .collect();
    if stack.is_empty() {
        return Ok(());
    }
    stack.push(host.display().to_string());
    let failed =
        |cause: String| LabError::step(format!("lay an image over {}", host.display()), cause);
    // A colon parts the directories, and a comma the options.
    if let Some(odd) = stack.iter().find(|path| path.contains([':', ','])) {
        return Err(failed(format!(
            "{odd} has a colon or a comma; choose another --images"
        )));
    }
    let options = std::ffi::CString::new(format!("lowerdir={}", stack.join(":")));
    let options = options.map_err(|error| failed(error.to_string()))?;
    mount(
        "schism-lab",
        &host,
        "overlay",
        MountFlags::RDONLY | MountFlags::NODEV,
        Some(&*options),
    )
    .map_err(|error| failed(error.to_string()))
}

fn hide(place: &Path) -> Result<(), LabError> {
    if place.is_dir() {
        mount_tmpfs(place, "mode=755,size=4k,ro")
    } else {
        Ok(())
    }
}

/// A small `/dev`: nothing there reaches the machine's disks or memory.
fn make_devices() -> Result<(), LabError> {
    let failed = |error: std::io::Error| LabError::step("make /dev", error);
    let stage = Path::new("/run/dev");
    fs::create_dir(stage).map_err(failed)?;
    mount_tmpfs(stage, "mode=755")?;
    for device in ["null", "zero", "full", "random", "urandom", "tty"] {
        File::create(stage.join(device)).map_err(failed)?;
        bind(&Path::new("/dev").join(device), &stage.join(device))?;
    }
    for directory in ["pts", "shm"] {
        fs::create_dir(stage.join(directory)).map_err(failed)?;
    }
    mount_tmpfs(&stage.join("shm"), "mode=1777")?;
    mount(
        "devpts",
        stage.join("pts"),
        "devpts",
        MountFlags::empty(),
        Some(c"newinstance,ptmxmode=666,mode=620"),
    )
    .map_err(|e| LabError::step("mount /dev/pts", e))?;
    for (link, target) in [
        ("ptmx", "pts/ptmx"),
        ("fd", "/proc/self/fd"),
        ("stdin", "fd/0"),
        ("stdout", "fd/1"),
        ("stderr", "fd/2"),
    ] {
        symlink(target, stage.join(link)).map_err(failed)?;
    }
    mount_move(stage, "/dev").map_err(|e| LabError::step("move /dev into place", e))?;
    fs::remove_dir(stage).map_err(failed)
}

fn make_etc(blueprint: &Blueprint, node: usize) -> Result<(), LabError> {
    hide(Path::new("/etc/ssh"))?;
    fs::create_dir("/run/sshd").map_err(|e| LabError::step("make /run/sshd", e))?;
    blueprint.hand_over(Path::new("/run/sshd"), 0o755)?;
    blueprint.put("/run/sshd/host_key", &blueprint.host_key, 0o600)?;
    blueprint.put("/run/sshd/authorized_keys", &blueprint.login_public, 0o644)?;
    blueprint.put("/run/sshd/config", &sshd_config(node), 0o644)?;

    let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
    for (name, text, mode) in [
        ("hostname", format!("n{node}\n"), 0o644),
        ("hosts", blueprint.hosts.clone(), 0o644),
        (
            "passwd",
            with_users(&with_plain_root(&passwd), &blueprint.layers),
            0o644,
        ),
        (
            "shadow",
            "root:*:19000:0:99999:7:::\nsshd:*:19000::::::\n".to_owned(),
            0o600,
        ),
    ] {
        let (private, public) = (format!("/run/{name}"), Path::new("/etc").join(name));
        blueprint.put(&private, &text, mode)?;
        if public.is_file() {
            bind(Path::new(&private), &public)?;
        }
    }
    Ok(())
}

/// Root with `/bin/sh` (a shell that reads nothing at its start) and without a locked account:
/// without PAM, sshd refuses every key of an account that is locked in the shadow file.
fn with_plain_root(passwd: &str) -> String {
    let mut lines = vec!["root:x:0:0:root:/root:/bin/sh"];
    lines.extend(passwd.lines().filter(|line| !line.starts_with("root:")));
    if !lines.iter().any(|line| line.starts_with("sshd:")) {
        lines.push("sshd:x:65533:65534::/run/sshd:/bin/false");
    }
    lines.join("\n") + "\n"
}

/// With the users that layers need and the machine lacks.
fn with_users(passwd: &str, layers: &[Layer]) -> String {
    let mut text = passwd.to_owned();
    let wanted = layers.iter().flat_map(|layer| &layer.users);
    for (user, number) in wanted.zip(64_001..) {
        if !text
            .lines()
            .any(|line| line.split(':').next() == Some(user))
        {
            text += &format!("{user}:x:{number}:{number}::/tmp:/bin/sh\n");
        }
    }
    text
}

fn sshd_config(node: usize) -> String {
    let address = link::address(node);
    let mut config = format!(
        "ListenAddress {address}\nHostKey /run/sshd/host_key\n\
         AuthorizedKeysFile /run/sshd/authorized_keys\nPidFile none\nUsePAM no\nUseDNS no\n\
         StrictModes no\nPermitRootLogin prohibit-password\nPasswordAuthentication no\n\
         KbdInteractiveAuthentication no\nPrintMotd no\nPrintLastLog no\nPermitUserRC no\n\
         MaxStartups 100:30:200\nSubsystem sftp internal-sftp\nSetEnv PATH={PATH}\n"
    );
    // From OpenSSH 9.8 on, which split the server, a refused key has the whole address blocked
    // for a while.
    let split = [
        "/usr/lib/openssh/sshd-session",
        "/usr/libexec/openssh/sshd-session",
    ];
    if split.iter().any(|path| Path::new(path).exists()) {
        config.push_str("PerSourcePenalties no\n");
    }
    config
}

/// A fresh `/proc`, read-only but for the node's own network settings.
fn make_proc() -> Result<(), LabError> {
    let proc = Path::new("/proc");
    mount(
        "proc",
        proc,
        "proc",
        MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC,
        None,
    )
    .map_err(|e| LabError::step("mount /proc", e))?;
    let net = Path::new("/proc/sys/net");
    if net.is_dir() {
        mount_bind_recursive(net, net).map_err(|e| LabError::step("keep /proc/sys/net", e))?;
    }
    let flags = MountFlags::BIND
        | MountFlags::RDONLY
        | MountFlags::NOSUID
        | MountFlags::NODEV
        | MountFlags::NOEXEC;
    mount_remount(proc, flags, c"").map_err(|e| LabError::step("make /proc read-only", e))
}

fn become_root() -> Result<(), LabError> {
    let failed = |error: rustix::io::Errno| LabError::step("become the node's root", error);
    let (uid, gid) = (Uid::ROOT, Gid::ROOT);
    rustix::thread::set_thread_groups(&[]).map_err(failed)?;
    rustix::thread::set_thread_res_gid(gid, gid, gid).map_err(failed)?;
    rustix::thread::set_thread_res_uid(uid, uid, uid).map_err(failed)
}

/// Faults are injected for IPv4; a second way between nodes would go round them.
fn no_ipv6() {
    for scope in ["all", "default"] {
        let file = format!("/proc/sys/net/ipv6/conf/{scope}/disable_ipv6");
        if let Err(error) = fs::write(&file, "1") {
            tracing::debug!("left {file} alone: {error}");
        }
    }
}

/// Without a user namespace the node's root is the machine's: it must not set the clock, load
/// modules, make device files or reach for raw memory.
fn drop_capabilities() -> Result<(), LabError> {
    for capability in [
        CapabilitySet::SYS_TIME,
        CapabilitySet::SYS_MODULE,
        CapabilitySet::SYS_RAWIO,
        CapabilitySet::SYSLOG,
        CapabilitySet::MAC_ADMIN,
        CapabilitySet::MAC_OVERRIDE,
        CapabilitySet::MKNOD,
        CapabilitySet::SYS_BOOT,
    ] {
        rustix::thread::remove_capability_from_bounding_set(capability)
            .map_err(|e| LabError::step("drop capabilities", e))?;
    }
    Ok(())
}

fn bind(source: &Path, target: &Path) -> Result<(), LabError> {
    mount_bind(source, target)
        .map_err(|e| LabError::step(format!("mount over {}", target.display()), e))
}

/// A new in-memory file system at `place`.
pub(super) fn mount_tmpfs(place: &Path, options: &str) -> Result<(), LabError> {
    let (flags, options) = match options.strip_suffix(",ro") {
        Some(rest) => (MountFlags::RDONLY, rest),
        None => (MountFlags::empty(), options),
    };
    let options = std::ffi::CString::new(options).expect("mount options have no zero byte");
    mount(
        "schism-lab",
        place,
        "tmpfs",
        flags | MountFlags::NODEV,
        Some(options.as_c_str()),
    )
    .map_err(|e| LabError::step(format!("mount a tmpfs at {}", place.display()), e))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_gets_a_plain_shell_and_sshd_a_user() {
        let text = with_plain_root("root:x:0:0:root:/root:/usr/bin/fish\nbob:x:1:1::/:/bin/sh\n");
        assert!(text.starts_with("root:x:0:0:root:/root:/bin/sh\nbob:"));
        assert!(text.contains("\nsshd:"));
    }

    #[test]
    fn users_of_a_layer_are_added_unless_they_are_there() {
        let layer = Layer {
            files: PathBuf::from("/layer"),
            users: vec!["bob".into(), "postgres".into()],
        };
        let text = with_users("root:x:0:0::/:/bin/sh\nbob:x:1:1::/:/bin/sh\n", &[layer]);
        assert_eq!(text.matches("bob:").count(), 1);
        assert!(text.ends_with("\npostgres:x:64002:64002::/tmp:/bin/sh\n"));
    }
}
