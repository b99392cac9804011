//! The lab's network: a bridge in the control namespace and a cable to each node.

use std::io::Write;
use std::process::{Command, Stdio};

use rustix::process::Pid;

use super::{LabError, tool};

/// The control side's name in the bridge.
const BRIDGE: &str = "br0";

/// The control host's address.
pub(super) const CONTROL: &str = "10.77.0.254";

/// A node's address; nodes count from 1.
pub(super) fn address(node: usize) -> String {
    format!("10.77.0.{node}")
}

/// Makes the bridge and gives the control host its address.
pub(super) fn make_bridge() -> Result<(), LabError> {
    batch(&format!(
        "link set lo up\nlink add {BRIDGE} address 02:73:63:68:00:fe type bridge\n\
         addr add {CONTROL}/24 dev {BRIDGE}\nlink set {BRIDGE} up\n"
    ))
}

/// Lays a cable to each of those nodes. The hardware addresses are fixed: a node that comes
/// back must not look dead until its neighbours forget the old one (68 s, seen).
pub(super) fn connect(nodes: &[(usize, Pid)]) -> Result<(), LabError> {
    let lines = nodes.iter().map(|(node, pid)| {
        format!(
            "link add v{node} type veth peer name eth0 address 02:73:63:68:00:{node:02x} \
             netns {}\nlink set v{node} master {BRIDGE} up\n",
            pid.as_raw_nonzero()
        )
    });
    batch(&lines.collect::<String>())
}

/// Whether a node's cable is there.
pub(super) fn is_connected(node: usize) -> bool {
    let name = format!("v{node}:");
    std::fs::read_to_string("/proc/self/net/dev").is_ok_and(|text| {
        text.lines()
            .any(|line| line.trim_start().starts_with(&name))
    })
}

/// Takes a node's cable away. Without this its name stays taken until the kernel gets round to
/// removing the dead node's namespace.
pub(super) fn disconnect(node: usize) -> Result<(), LabError> {
    match batch(&format!("link del v{node}\n")) {
        // The kernel may have got round to it in between.
        Err(_) if !is_connected(node) => Ok(()),
        result => result,
    }
}

/// Run inside a node: gives it its address.
pub(super) fn configure_node(node: usize) -> Result<(), LabError> {
    let address = address(node);
    batch(&format!(
        "link set lo up\naddr add {address}/24 dev eth0\nlink set eth0 up\n"
    ))
}

fn batch(lines: &str) -> Result<(), LabError> {
    let failed = |cause: String| LabError::step("set up the lab's network with ip", cause);
    let mut child = Command::new(tool("ip", "iproute2")?)
        .args(["-batch", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| failed(error.to_string()))?;
    let mut stdin = child.stdin.take().expect("stdin was piped");
    stdin
        .write_all(lines.as_bytes())
        .map_err(|error| failed(error.to_string()))?;
    drop(stdin);
    let output = child
        .wait_with_output()
        .map_err(|error| failed(error.to_string()))?;
    if output.status.success() {
        Ok(())
    } else {
        Err(failed(
            String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        ))
    }
}
