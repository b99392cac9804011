//! Keys made for one lab alone, with `ssh-keygen`, on a file system that dies with it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::{LabError, tool};

/// The lab's two key pairs.
pub(super) struct Keys {
    /// The private key that opens every node.
    pub(super) login: PathBuf,
    /// Its public half, as one line.
    pub(super) login_public: String,
    /// The nodes' private host key.
    pub(super) host: String,
    /// Its public half: type and key, without a comment.
    pub(super) host_public: String,
}

/// Makes both pairs in `directory`, at the same time.
pub(super) fn make(directory: &Path) -> Result<Keys, LabError> {
    let keygen = tool("ssh-keygen", "openssh-client")?;
    let failed = |cause: String| LabError::step("make keys with ssh-keygen", cause);
    let mut running = Vec::new();
    for name in ["login", "host"] {
        let child = Command::new(&keygen)
            .args(["-q", "-t", "ed25519", "-N", "", "-C", "schism-lab", "-f"])
            .arg(directory.join(name))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| failed(error.to_string()))?;
        running.push(child);
    }
    for child in running {
        let output = child
            .wait_with_output()
            .map_err(|error| failed(error.to_string()))?;
        if !output.status.success() {
            return Err(failed(
                String::from_utf8_lossy(&output.stderr).trim().to_owned(),
            ));
        }
    }
    let read = |name: &str| {
        fs::read_to_string(directory.join(name)).map_err(|error| failed(error.to_string()))
    };
    let host_public = read("host.pub")?;
    Ok(Keys {
        login: directory.join("login"),
        login_public: read("login.pub")?,
        host: read("host")?,
        host_public: host_public
            .split_whitespace()
            .take(2)
            .collect::<Vec<_>>()
            .join(" "),
    })
}
