//! What every system that is installed from elsewhere asks of a host: that its program is there
//! and of the right version, that its ports are free, that it answers in time.

use std::time::{Duration, Instant};

use crate::cluster::{DbError, Equal, Node};
use crate::remote::{Command, quote};
use checkers::history::Value;

const TIMEOUT: Duration = Duration::from_secs(40);
const POLL: Duration = Duration::from_millis(50);

/// An error of a system, in words.
pub(super) fn wrong(doing: &str, node: &str, cause: impl Into<String>) -> DbError {
    DbError::System {
        doing: doing.to_owned(),
        node: node.to_owned(),
        cause: cause.into(),
    }
}

/// Runs a shell text as root; what it printed.
pub(super) async fn shell(node: &Node, script: String) -> Result<String, DbError> {
    let command = Command::shell(script).timeout(TIMEOUT).as_root();
    Ok(node.remote.run(&command).await?.stdout.trim().to_owned())
}

/// Writes a file that anybody on the host may read.
pub(super) async fn put(node: &Node, path: &str, text: String) -> Result<(), DbError> {
    let command = Command::shell(format!("cat > {}", quote(path))).stdin(text.into_bytes());
    node.remote.run(&command.timeout(TIMEOUT).as_root()).await?;
    Ok(())
}

/// A program that a host must have.
pub(super) struct Needed<'a> {
    /// Where it is.
    pub(super) program: &'a str,
    /// The flag that makes it tell its version.
    pub(super) flag: &'a str,
    /// What its version must begin with, where the trial says so.
    pub(super) version: Option<&'a str>,
    /// What to install if it is missing.
    pub(super) package: &'a str,
}

impl Needed<'_> {
    /// Checks that it is there, and returns its version.
    pub(super) async fn check(&self, node: &Node) -> Result<String, DbError> {
        let script = format!(
            "[ -x {program} ] || {{ echo missing; exit 0; }}\n{program} {flag} 2>&1 | head -n 1",
            program = quote(self.program),
            flag = self.flag
        );
        let said = shell(node, script).await?;
        if said == "missing" {
            let cause = format!(
                "it is not there; on a host of your own install {}, in the lab let the image have it",
                self.package
            );
            return Err(wrong(&format!("find {}", self.program), &node.name, cause));
        }
        let found = version_in(&said).unwrap_or(&said).to_owned();
        match self.version {
            Some(wanted) if !begins_with(&found, wanted) => {
                let cause = format!("it is version {found}, and the trial asks for {wanted}");
                Err(wrong(&format!("use {}", self.program), &node.name, cause))
            }
            _ => Ok(found),
        }
    }
}

/// The first word, or part of one after `=`, that begins with a digit and has a point.
fn version_in(text: &str) -> Option<&str> {
    let words = text.split(|c: char| c.is_whitespace() || c == '=');
    words
        .map(|word| word.trim_start_matches('v'))
        .find(|word| word.starts_with(|c: char| c.is_ascii_digit()) && word.contains('.'))
}

/// Whether a version is that one or a later part of it: 3.4.23 begins with 3.4, 3.40 does not.
fn begins_with(version: &str, wanted: &str) -> bool {
    let rest = version.strip_prefix(wanted);
    rest.is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_digit()))
}

/// Checks that nobody listens on these ports, and that the directory of the system is empty.
pub(super) async fn check_free(node: &Node, ports: &[u16], directory: &str) -> Result<(), DbError> {
    let ports_hex: Vec<String> = ports.iter().map(|port| format!(":{port:04X} ")).collect();
    let script = format!(
        "ls -A {directory} | head -n 1 | sed 's/^/holds /'\n\
         for port in {ports}; do\n\
         grep -h \" 0A \" /proc/net/tcp /proc/net/tcp6 2>/dev/null | grep -q \"$port\" && echo taken $port\n\
         done; true\n",
        directory = quote(directory),
        ports = ports_hex
            .iter()
            .map(|port| quote(port))
            .collect::<Vec<_>>()
            .join(" "),
    );
    let said = shell(node, script).await?;
    if let Some(held) = said.lines().find_map(|line| line.strip_prefix("holds ")) {
        let cause = format!("it is not empty, it holds {held}");
        return Err(wrong(&format!("begin in {directory}"), &node.name, cause));
    }
    let is_taken = |(_, hex): &(&u16, &String)| said.contains(&format!("taken {}", hex.trim()));
    if let Some((port, _)) = ports.iter().zip(&ports_hex).find(is_taken) {
        let cause = "another program listens there; stop it first";
        return Err(wrong(&format!("listen on port {port}"), &node.name, cause));
    }
    Ok(())
}

/// Asks again until it is so; the last reason why it is not.
pub(super) async fn until<F>(limit: Duration, mut ask: impl FnMut() -> F) -> Result<(), String>
where
    F: Future<Output = Result<(), String>>,
{
    let begun = Instant::now();
    loop {
        match ask().await {
            Ok(()) => return Ok(()),
            Err(why) if begun.elapsed() > limit => {
                return Err(format!("not within {:.0} s: {why}", limit.as_secs_f64()));
            }
            Err(_) => tokio::time::sleep(POLL).await,
        }
    }
}

/// What a member says of itself: where it stands, and a digest of all it holds.
pub(super) type State = Result<(Value, String), String>;

/// Asks all members again until they hold the same, or the limit has passed.
pub(super) async fn until_equal<F>(
    nodes: &[Node],
    limit: Duration,
    mut ask: impl FnMut() -> F,
) -> Equal
where
    F: Future<Output = Vec<State>>,
{
    let begun = Instant::now();
    loop {
        let states = ask().await;
        let reached = are_equal(&states);
        if reached || begun.elapsed() > limit {
            let told = nodes.iter().zip(states).map(|(node, state)| {
                let value = state.map_or_else(|why| Value::str(&why), |(value, _)| value);
                (node.name.to_string(), value)
            });
            return Equal {
                reached,
                states: told.collect(),
            };
        }
        tokio::time::sleep(POLL).await;
    }
}

fn are_equal(states: &[State]) -> bool {
    let digests: Vec<Option<&String>> = states
        .iter()
        .map(|state| state.as_ref().ok().map(|(_, digest)| digest))
        .collect();
    digests
        .iter()
        .all(|digest| digest.is_some() && *digest == digests[0])
}

/// A short digest of any bytes.
pub(super) fn digest(bytes: &[u8]) -> String {
    use sha2::{Digest, Sha256};
    let digest = Sha256::digest(bytes);
    digest
        .iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_found_and_compared_by_their_parts() {
        assert_eq!(version_in("etcd Version: 3.4.23"), Some("3.4.23"));
        assert_eq!(
            version_in("Redis server v=7.0.15 sha=0:0 bits=64"),
            Some("7.0.15")
        );
        assert_eq!(
            version_in("postgres (PostgreSQL) 15.18 (Debian 15.18-0)"),
            Some("15.18")
        );
        assert_eq!(version_in("no such thing"), None);
        assert!(begins_with("3.4.23", "3.4") && begins_with("3.4.23", "3.4.23"));
        assert!(!begins_with("3.40.1", "3.4") && !begins_with("3.5.1", "3.4"));
    }

    #[test]
    fn members_are_equal_when_all_answer_and_hold_the_same() {
        let says = |digest: &str| Ok((Value::Nil, digest.to_owned()));
        assert!(are_equal(&[says("a"), says("a")]));
        assert!(!are_equal(&[says("a"), says("b")]));
        assert!(!are_equal(&[says("a"), Err("silent".into())]));
    }
}
