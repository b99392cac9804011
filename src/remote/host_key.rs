//! Whether a host is the one it should be.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::Path;

use ssh2::{CheckResult, HashType, KnownHostFileKind, Session};

use super::ssh::{Endpoint, Trust};

/// What a host's key says about it.
pub(super) enum Answer {
    /// It is the right host.
    Trusted,
    /// It is another, or it is not known whether it is the right one: why, and the remedy.
    Refused {
        /// What is wrong.
        cause: String,
        /// What to do.
        remedy: String,
        /// Whether the host may have a key of another type that is known.
        may_have_another: bool,
    },
}

/// Checks the key the host showed in the handshake.
pub(super) fn check(session: &Session, endpoint: &Endpoint) -> Answer {
    let Some((key, _)) = session.host_key() else {
        return refused(
            "it showed no host key".into(),
            "check its sshd".into(),
            false,
        );
    };
    match &endpoint.trust {
        Trust::Any => Answer::Trusted,
        Trust::Pinned(pinned) => check_pinned(session, key, pinned),
        Trust::Known(file) => check_known(session, key, endpoint, file, false),
        Trust::AcceptNew(file) => check_known(session, key, endpoint, file, true),
    }
}

fn refused(cause: String, remedy: String, may_have_another: bool) -> Answer {
    Answer::Refused {
        cause,
        remedy,
        may_have_another,
    }
}

fn check_pinned(session: &Session, key: &[u8], pinned: &str) -> Answer {
    if pinned.split_whitespace().nth(1) == Some(&base64(key)) {
        return Answer::Trusted;
    }
    refused(
        format!(
            "its host key is {}, not the pinned one",
            fingerprint(session)
        ),
        "if the host was reinstalled, pin its new key; else this is another host".into(),
        false,
    )
}

fn check_known(
    session: &Session,
    key: &[u8],
    endpoint: &Endpoint,
    file: &Path,
    is_new_fine: bool,
) -> Answer {
    let shown = file.display();
    match look_up(session, key, endpoint, file) {
        Ok(CheckResult::Match) => Answer::Trusted,
        Ok(CheckResult::NotFound) if is_new_fine => match append(key, endpoint, file) {
            Ok(()) => Answer::Trusted,
            Err(error) => refused(
                format!("its new host key cannot be written to {shown}: {error}"),
                "make that file writable, or pin the key".into(),
                false,
            ),
        },
        Ok(CheckResult::NotFound) => refused(
            format!("its host key {} is not in {shown}", fingerprint(session)),
            format!(
                "check it, then run `ssh-keyscan -p {} {} >>{shown}`, or set known_hosts",
                endpoint.port, endpoint.address
            ),
            true,
        ),
        Ok(CheckResult::Mismatch) => refused(
            format!(
                "its host key is {}, not the one in {shown}",
                fingerprint(session)
            ),
            format!(
                "if the host was reinstalled, run `ssh-keygen -R {}`; else this is another host",
                known_name(endpoint)
            ),
            true,
        ),
        Ok(CheckResult::Failure) => refused(
            format!("{shown} cannot be searched"),
            "repair that file".into(),
            false,
        ),
        Err(cause) => refused(
            format!("{shown} cannot be read: {cause}"),
            "repair that file, or set known_hosts".into(),
            false,
        ),
    }
}

fn look_up(
    session: &Session,
    key: &[u8],
    endpoint: &Endpoint,
    file: &Path,
) -> Result<CheckResult, String> {
    let mut known = session.known_hosts().map_err(|error| error.to_string())?;
    if file.exists() {
        let text = fs::read_to_string(file).map_err(|error| error.to_string())?;
        // Line by line: one that libssh2 cannot read must not hide the others.
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            if let Err(error) = known.read_str(line, KnownHostFileKind::OpenSSH) {
                tracing::debug!("skipped a line of {}: {error}", file.display());
            }
        }
    }
    Ok(known.check_port(&endpoint.address, endpoint.port, key))
}

fn append(key: &[u8], endpoint: &Endpoint, file: &Path) -> std::io::Result<()> {
    if let Some(directory) = file.parent() {
        fs::create_dir_all(directory)?;
    }
    // A key says its own type: a length of four bytes, then the name.
    let length = key.get(3).copied().map_or(0, usize::from);
    let kind = String::from_utf8_lossy(key.get(4..4 + length).unwrap_or_default());
    let line = format!("{} {kind} {}\n", known_name(endpoint), base64(key));
    // One write in append mode: several sessions may do this at once.
    OpenOptions::new()
        .create(true)
        .append(true)
        .open(file)?
        .write_all(line.as_bytes())
}

fn known_name(endpoint: &Endpoint) -> String {
    match endpoint.port {
        22 => endpoint.address.clone(),
        port => format!("[{}]:{port}", endpoint.address),
    }
}

fn fingerprint(session: &Session) -> String {
    session.host_key_hash(HashType::Sha256).map_or_else(
        || "unknown".to_owned(),
        |hash| format!("SHA256:{}", base64(hash).trim_end_matches('=')),
    )
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let byte = |index: usize| usize::from(three.get(index).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for (digit, shift) in [18, 12, 6, 0].into_iter().enumerate() {
            let is_there = digit <= three.len();
            text.push(if is_there {
                char::from(DIGITS[bits >> shift & 63])
            } else {
                '='
            });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_the_usual_one() {
        for (bytes, text) in [("", ""), ("M", "TQ=="), ("Ma", "TWE="), ("Man", "TWFu")] {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }
}
