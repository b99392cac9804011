//! The hosts to test on, as a file says them.
//!
//! ```toml
//! [[host]]
//! name = "n1"
//! address = "192.0.2.11"
//! user = "admin"
//! key = "~/.ssh/id_ed25519"   # or: agent = true
//! jump = "admin@192.0.2.1:22" # optional; or a table with the keys of a host
//! known_hosts = "check"       # or "pinned" with host_key, "accept-new", "off"
//! ```
//!
//! The embedded lab gives out the same type, so nothing else knows which hosts are its own.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use serde::de::{self, value::MapAccessDeserializer};
use serde::{Deserialize, Deserializer, Serialize};

use crate::remote::ssh::{Auth, Endpoint, Trust};

/// The file's shape.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Inventory {
    #[serde(default)]
    host: Vec<Host>,
}

/// One host and how to log in to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Host {
    /// What reports call it; a jump host needs none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// An IP address or a host name.
    pub address: String,
    /// Where its sshd listens.
    #[serde(default = "default_port")]
    pub port: u16,
    /// Whom to log in as.
    #[serde(default = "default_user")]
    pub user: String,
    /// The private key's file; relative to the inventory's, and `~/` is the home directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<PathBuf>,
    /// Whether a running ssh-agent has the key instead.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub agent: bool,
    /// The host to go through.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "read_jump"
    )]
    pub jump: Option<Jump>,
    /// How its host key is checked.
    #[serde(default)]
    pub known_hosts: KnownHosts,
    /// Its host key if pinned: `ssh-ed25519 AAAA…`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_key: Option<String>,
}

/// The host to go through: short, or in full.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Jump {
    /// `user@host:port`, with the key and the policy of the host behind it.
    Short(String),
    /// With its own key and policy.
    Full(Box<Host>),
}

/// How a host key is checked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KnownHosts {
    /// It must be in `~/.ssh/known_hosts`.
    #[default]
    Check,
    /// It must be `host_key`.
    Pinned,
    /// As `Check`, but a host seen for the first time is written down.
    AcceptNew,
    /// Not at all.
    Off,
}

/// What is wrong with an inventory. Continues "failed to …".
#[derive(Debug, thiserror::Error)]
pub enum InventoryError {
    /// The file cannot be read.
    #[error("read {path}: {cause}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        cause: std::io::Error,
    },
    /// The file is not an inventory.
    #[error("understand {path}: {cause}")]
    Parse {
        /// The file.
        path: PathBuf,
        /// Where and why.
        cause: String,
    },
    /// A host cannot be used as it is written.
    #[error("use host {host}: {cause}")]
    Host {
        /// Its name, or address.
        host: String,
        /// What is wrong and how to right it.
        cause: String,
    },
    /// There is no host.
    #[error("find a host: write at least one [[host]] with name, address and key")]
    Empty,
}

fn default_port() -> u16 {
    22
}

fn default_user() -> String {
    "root".to_owned()
}

fn read_jump<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Jump>, D::Error> {
    struct Visitor;
    impl<'de> de::Visitor<'de> for Visitor {
        type Value = Jump;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("`user@host:port` or a table with the keys of a host")
        }
        fn visit_str<E: de::Error>(self, text: &str) -> Result<Jump, E> {
            Ok(Jump::Short(text.to_owned()))
        }
        fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Jump, A::Error> {
            Host::deserialize(MapAccessDeserializer::new(map))
                .map(|host| Jump::Full(Box::new(host)))
        }
    }
    deserializer.deserialize_any(Visitor).map(Some)
}

/// Reads and checks a file; the hosts are in the order in which reports name them.
///
/// # Errors
///
/// When the file is not readable, not an inventory, or names a host that cannot be used.
pub fn load(path: &Path) -> Result<Vec<Host>, InventoryError> {
    let text = fs::read_to_string(path).map_err(|cause| InventoryError::Read {
        path: path.to_owned(),
        cause,
    })?;
    let mut hosts = parse(&text).map_err(|cause| InventoryError::Parse {
        path: path.to_owned(),
        cause,
    })?;
    resolve(&mut hosts, path.parent().unwrap_or(Path::new(".")));
    check(&hosts)?;
    Ok(hosts)
}

fn parse(text: &str) -> Result<Vec<Host>, String> {
    let inventory: Inventory =
        toml::from_str(text).map_err(|error| error.to_string().trim_end().to_owned())?;
    Ok(inventory.host)
}

/// The text of a file with those hosts.
///
/// # Panics
///
/// If the path of a key is not UTF-8, which one that was read from a file always is.
pub fn render(hosts: &[Host]) -> String {
    let inventory = Inventory {
        host: hosts.to_vec(),
    };
    toml::to_string(&inventory).expect("paths of keys are UTF-8")
}

/// Makes key files relative to `directory` absolute and expands `~/`.
pub fn resolve(hosts: &mut [Host], directory: &Path) {
    for host in hosts {
        host.resolve(directory);
    }
}

/// Looks for hosts that cannot be used as written.
///
/// # Errors
///
/// The first that is found; each says what to write instead.
pub fn check(hosts: &[Host]) -> Result<(), InventoryError> {
    if hosts.is_empty() {
        return Err(InventoryError::Empty);
    }
    for (index, host) in hosts.iter().enumerate() {
        let fault = host.fault().or_else(|| {
            let is_twice = hosts[..index].iter().any(|other| other.name == host.name);
            is_twice.then(|| "its name is used twice; give each host its own".to_owned())
        });
        if let Some(cause) = fault {
            return Err(InventoryError::Host {
                host: host.label().to_owned(),
                cause,
            });
        }
    }
    Ok(())
}

impl Host {
    /// A host whose key is known.
    pub fn pinned(name: String, address: String, key: PathBuf, host_key: String) -> Self {
        Self {
            name,
            address,
            port: default_port(),
            user: default_user(),
            key: Some(key),
            agent: false,
            jump: None,
            known_hosts: KnownHosts::Pinned,
            host_key: Some(host_key),
        }
    }

    fn label(&self) -> &str {
        if self.name.is_empty() {
            &self.address
        } else {
            &self.name
        }
    }

    fn resolve(&mut self, directory: &Path) {
        if let Some(key) = &mut self.key {
            *key = match (key.strip_prefix("~"), std::env::home_dir()) {
                (Ok(rest), Some(home)) => home.join(rest),
                _ => directory.join(&*key),
            };
        }
        if let Some(Jump::Full(jump)) = &mut self.jump {
            jump.resolve(directory);
        }
    }

    /// What is wrong with it, if anything.
    fn fault(&self) -> Option<String> {
        if self.name.is_empty() {
            return Some("it has no name; write name = \"n1\"".to_owned());
        }
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if !self.name.chars().all(is_plain) {
            return Some("its name may have letters, digits, `-`, `_` and `.` only".to_owned());
        }
        self.login_fault().or_else(|| match &self.jump {
            None => None,
            Some(Jump::Short(text)) => parse_jump(text)
                .is_none()
                .then(|| format!("its jump host is `{text}`; write \"user@host:port\" or a table")),
            Some(Jump::Full(jump)) => jump
                .login_fault()
                .map(|fault| format!("in its jump host: {fault}")),
        })
    }

    fn login_fault(&self) -> Option<String> {
        let fault = match (&self.key, self.agent) {
            _ if self.address.is_empty() => "its address is empty; write an IP address or a name",
            _ if self.port == 0 => "its port is 0; leave it out for 22",
            _ if self.user.is_empty() => "its user is empty; leave it out for root",
            (Some(_), true) => "it has both a key and agent = true; keep one",
            (None, false) => "it has no key; write key = \"FILE\" or agent = true",
            _ => return self.host_key_fault().map(str::to_owned),
        };
        Some(fault.to_owned())
    }

    fn host_key_fault(&self) -> Option<&'static str> {
        match (&self.known_hosts, &self.host_key) {
            (KnownHosts::Pinned, None) => {
                Some("it is pinned without a key; write host_key = \"ssh-ed25519 AAAA…\"")
            }
            (KnownHosts::Pinned, Some(key)) if key.split_whitespace().count() < 2 => {
                Some("its host_key needs a type and a key: \"ssh-ed25519 AAAA…\"")
            }
            (KnownHosts::Check | KnownHosts::AcceptNew | KnownHosts::Off, Some(_)) => {
                Some("its host_key is not looked at; write known_hosts = \"pinned\"")
            }
            _ => None,
        }
    }

    /// How to reach it.
    pub fn endpoint(&self) -> Endpoint {
        Endpoint {
            node: self.label().to_owned(),
            address: self.address.clone(),
            port: self.port,
            user: self.user.clone(),
            auth: self.auth(),
            trust: self.trust(),
            jump: self.jump.as_ref().map(|jump| Box::new(self.through(jump))),
        }
    }

    fn through(&self, jump: &Jump) -> Endpoint {
        match jump {
            Jump::Full(host) => host.endpoint(),
            Jump::Short(text) => {
                let (user, address, port) = parse_jump(text)
                    .unwrap_or_else(|| (default_user(), text.clone(), default_port()));
                let node = format!("{} (before {})", address, self.label());
                Endpoint {
                    node,
                    address,
                    port,
                    user,
                    auth: self.auth(),
                    trust: self.trust(),
                    jump: None,
                }
            }
        }
    }

    fn auth(&self) -> Auth {
        self.key.clone().map_or(Auth::Agent, Auth::Key)
    }

    fn trust(&self) -> Trust {
        let file = || {
            std::env::home_dir()
                .unwrap_or_default()
                .join(".ssh/known_hosts")
        };
        match self.known_hosts {
            KnownHosts::Check => Trust::Known(file()),
            KnownHosts::AcceptNew => Trust::AcceptNew(file()),
            KnownHosts::Off => Trust::Any,
            KnownHosts::Pinned => Trust::Pinned(self.host_key.clone().unwrap_or_default()),
        }
    }
}

/// Takes `user@host:port` apart; user and port may be missing.
fn parse_jump(text: &str) -> Option<(String, String, u16)> {
    let (user, rest) = match text.split_once('@') {
        Some((user, rest)) => (user.to_owned(), rest),
        None => (default_user(), text),
    };
    let (address, port) = match rest.rsplit_once(':') {
        // More than one colon is an IPv6 address, which has brackets if a port follows.
        Some((address, port)) if !address.contains(':') || address.ends_with(']') => {
            (address.trim_matches(['[', ']']), port.parse().ok()?)
        }
        _ => (rest.trim_matches(['[', ']']), default_port()),
    };
    (!user.is_empty() && !address.is_empty()).then(|| (user, address.to_owned(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(text: &str) -> String {
        match parse(text) {
            Err(error) => error,
            Ok(hosts) => check(&hosts).map_or_else(|e| e.to_string(), |()| "fine".into()),
        }
    }

    #[test]
    fn a_host_needs_little() {
        let text = "[[host]]\nname='n1'\naddress='192.0.2.1'\nkey='id'\n";
        assert_eq!(fault(text), "fine");
        let endpoint = parse(text).unwrap()[0].endpoint();
        assert_eq!((endpoint.port, endpoint.user.as_str()), (22, "root"));
        assert!(matches!(endpoint.trust, Trust::Known(_)));
    }

    #[test]
    fn what_is_written_reads_back() {
        let mut host = Host::pinned(
            "n1".into(),
            "a".into(),
            "/k".into(),
            "ssh-ed25519 AA".into(),
        );
        host.jump = Some(Jump::Full(Box::new(host.clone())));
        assert_eq!(parse(&render(std::slice::from_ref(&host))).unwrap(), [host]);
    }

    #[test]
    fn each_mistake_gets_one_sentence_with_its_remedy() {
        let host = |rest: &str| fault(&format!("[[host]]\nname='n1'\naddress='a'\n{rest}"));
        for (said, expected) in [
            (fault(""), "write at least one [[host]]"),
            (host(""), "write key = \"FILE\" or agent = true"),
            (host("key='k'\nagent=true"), "keep one"),
            (host("key='k'\nport=0"), "leave it out for 22"),
            (host("key='k'\nknown_hosts='pinned'"), "write host_key"),
            (
                host("key='k'\nhost_key='ssh-ed25519 A'"),
                "known_hosts = \"pinned\"",
            ),
            (host("key='k'\nkeyy=1"), "unknown field `keyy`"),
            (
                host("key='k'\nknown_hosts='maybe'"),
                "unknown variant `maybe`",
            ),
            (host("key='k'\njump='a@b:x'"), "user@host:port"),
            (
                host("key='k'\n[host.jump]\naddress='b'"),
                "in its jump host: it has no key",
            ),
            (
                host("key='k'\n[host.jump]\nadress='b'"),
                "unknown field `adress`",
            ),
            (
                host("key='k'\n[[host]]\nname='n1'\naddress='b'\nkey='k'"),
                "used twice",
            ),
        ] {
            assert!(said.contains(expected), "{said:?} should say {expected:?}");
        }
    }

    #[test]
    fn a_short_jump_host_has_three_parts_of_which_two_may_be_missing() {
        let parse = |text| parse_jump(text).map(|(u, a, p)| format!("{u} {a} {p}"));
        assert_eq!(parse("bob@gate:2222").as_deref(), Some("bob gate 2222"));
        assert_eq!(parse("gate").as_deref(), Some("root gate 22"));
        assert_eq!(
            parse("bob@[2001:db8::1]:24").as_deref(),
            Some("bob 2001:db8::1 24")
        );
        assert_eq!(parse("2001:db8::1").as_deref(), Some("root 2001:db8::1 22"));
        assert_eq!(parse("@gate"), None);
    }
}
