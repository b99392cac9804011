//! What this machine, or the hosts of an inventory, lack; which faults that costs; the exact fix.
//!
//! Every check probes by doing: a tool that is installed and refused by the kernel is missing.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde::Serialize;

use crate::inventory::{self, Host, InventoryError};
use crate::lab::find_tool;
use crate::remote::ssh::{Limits, Ssh};
use crate::remote::{self, Remote, RemoteError};

/// Say what is missing here, what that costs, and how to fix it.
#[derive(Debug, clap::Args)]
pub struct DoctorArgs {
    /// One check only, by its id.
    id: Option<String>,
    /// Look at the hosts of that inventory instead of this machine.
    #[arg(long, value_name = "FILE")]
    inventory: Option<PathBuf>,
    /// How to print the findings.
    #[arg(long, value_enum, default_value = "human")]
    format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Human,
    Json,
}

/// How a check went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// As it should be.
    Ok,
    /// Something is lost, the rest works.
    Warn,
    /// Nothing works without it.
    Fail,
}

/// What one check found.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    /// Its name, to run it again.
    pub id: String,
    /// How it went.
    pub status: Status,
    /// What was seen.
    pub seen: String,
    /// What is lost, as faults or commands; empty if nothing.
    pub costs: String,
    /// What to do; empty if nothing.
    pub fix: String,
}

/// Why there are no findings. Continues "failed to …".
#[derive(Debug, thiserror::Error)]
pub enum DoctorError {
    /// The inventory is no good.
    #[error(transparent)]
    Inventory(#[from] InventoryError),
    /// There is no such check.
    #[error("find the check `{id}`; there are: {known}")]
    UnknownCheck {
        /// What was asked for.
        id: String,
        /// What there is.
        known: String,
    },
    /// The findings cannot be printed.
    #[error("print: {0}")]
    Print(#[from] std::io::Error),
}

/// Runs the checks, prints them, and returns the exit code: 0, or 3 if one failed.
///
/// # Errors
///
/// When the inventory or the check's name is wrong, or nothing can be printed.
pub fn run(args: &DoctorArgs, out: &mut impl Write) -> Result<u8, DoctorError> {
    let findings = match &args.inventory {
        Some(file) => hosts(&inventory::load(file)?),
        None => machine(args.id.as_deref()),
    };
    let findings = match &args.id {
        None => findings,
        Some(id) => one(findings, id)?,
    };
    match args.format {
        Format::Human => out.write_all(table(&findings).as_bytes())?,
        Format::Json => {
            let text = serde_json::to_string_pretty(&Document {
                v: 1,
                findings: &findings,
            })
            .map_err(std::io::Error::from)?;
            writeln!(out, "{text}")?;
        }
    }
    let has_failed = findings
        .iter()
        .any(|finding| finding.status == Status::Fail);
    Ok(if has_failed { 3 } else { 0 })
}

#[derive(Serialize)]
struct Document<'a> {
    v: u8,
    findings: &'a [Finding],
}

fn one(findings: Vec<Finding>, id: &str) -> Result<Vec<Finding>, DoctorError> {
    let known: Vec<String> = findings.iter().map(|finding| finding.id.clone()).collect();
    let found: Vec<Finding> = findings
        .into_iter()
        .filter(|finding| finding.id == id)
        .collect();
    if found.is_empty() {
        let known = if known.is_empty() {
            CHECKS
                .iter()
                .map(|(id, _)| *id)
                .collect::<Vec<_>>()
                .join(", ")
        } else {
            known.join(", ")
        };
        return Err(DoctorError::UnknownCheck {
            id: id.to_owned(),
            known,
        });
    }
    Ok(found)
}

fn table(findings: &[Finding]) -> String {
    let mut text = String::new();
    for Finding {
        id,
        status,
        seen,
        costs,
        fix,
    } in findings
    {
        let word = match status {
            Status::Ok => "ok",
            Status::Warn => "warn",
            Status::Fail => "fail",
        };
        text += &format!("  {word:<4}  {id}: {seen}\n");
        for (label, said) in [("costs", costs), ("fix", fix)] {
            if !said.is_empty() {
                text += &format!("        {label}: {said}\n");
            }
        }
    }
    let count = |status| {
        findings
            .iter()
            .filter(|finding| finding.status == status)
            .count()
    };
    let (problems, warnings) = (count(Status::Fail), count(Status::Warn));
    text += &match findings.iter().find(|finding| finding.status != Status::Ok) {
        None => "No problems.\n".to_owned(),
        Some(first) => format!(
            "{problems} problems, {warnings} warnings.  Re-check one: schism doctor {}\n",
            first.id
        ),
    };
    text
}

/// What a check sees, or what is missing.
type Probe = Result<String, Missing>;

struct Missing {
    status: Status,
    seen: String,
    costs: &'static str,
    fix: String,
}

fn missing(status: Status, seen: impl Into<String>, costs: &'static str, fix: &str) -> Missing {
    Missing {
        status,
        seen: seen.into(),
        costs,
        fix: fix.to_owned(),
    }
}

/// A check of this machine: its id and how it is done.
type Check = (&'static str, fn() -> Probe);

const CHECKS: [Check; 10] = [
    ("sshd", || installed("sshd", "openssh-server")),
    ("ssh-keygen", || installed("ssh-keygen", "openssh-client")),
    ("ip", || installed("ip", "iproute2")),
    ("user-namespaces", user_namespaces),
    ("subordinate-ids", subordinate_ids),
    ("nft", nft),
    ("netem", netem),
    ("cgroup", cgroup),
    ("resources", resources),
    ("node-binary", node_binary),
];

fn machine(only: Option<&str>) -> Vec<Finding> {
    let wanted = |id: &&str| only.is_none_or(|only| only == *id);
    CHECKS
        .iter()
        .filter(|(id, _)| wanted(id))
        .map(|(id, probe)| match probe() {
            Ok(seen) => Finding {
                id: (*id).to_owned(),
                status: Status::Ok,
                seen,
                costs: String::new(),
                fix: String::new(),
            },
            Err(Missing {
                status,
                seen,
                costs,
                fix,
            }) => Finding {
                id: (*id).to_owned(),
                status,
                seen,
                costs: costs.to_owned(),
                fix,
            },
        })
        .collect()
}

fn installed(tool: &str, package: &str) -> Probe {
    find_tool(tool)
        .map(|path| path.display().to_string())
        .ok_or_else(|| {
            let fix = format!("apt-get install {package}");
            missing(
                Status::Fail,
                "not found",
                "the lab; other hosts can be used",
                &fix,
            )
        })
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Runs a command in new namespaces, as a lab has them; what it said if it failed.
fn try_inside(command: &[&str]) -> Result<(), String> {
    let Some(unshare) = find_tool("unshare") else {
        return Err("unshare is not installed (apt-get install util-linux)".to_owned());
    };
    let output = Command::new(unshare)
        .args([
            "--user",
            "--map-root-user",
            "--net",
            "--pid",
            "--fork",
            "--mount-proc",
            "--",
        ])
        .args(command)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| error.to_string())?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(said
        .lines()
        .next()
        .unwrap_or("it failed without a word")
        .to_owned())
}

fn user_namespaces() -> Probe {
    let fix = "sysctl -w user.max_user_namespaces=10000 kernel.unprivileged_userns_clone=1 \
               kernel.apparmor_restrict_unprivileged_userns=0 (those that exist)";
    match try_inside(&["true"]) {
        Ok(()) => Ok("this user can make them".to_owned()),
        Err(said) if is_root() => Err(missing(
            Status::Warn,
            said,
            "nothing, but the lab's nodes then run as the machine's own root",
            fix,
        )),
        Err(said) => Err(missing(
            Status::Fail,
            said,
            "the lab, unless run as root",
            fix,
        )),
    }
}

fn subordinate_ids() -> Probe {
    if is_root() {
        return Ok("not needed by root".to_owned());
    }
    if find_tool("newuidmap").is_none() {
        let fix = "apt-get install uidmap";
        return Err(missing(
            Status::Fail,
            "newuidmap not found",
            "the lab, unless run as root",
            fix,
        ));
    }
    let uid = rustix::process::getuid().as_raw().to_string();
    let output = Command::new("id").arg("-un").output();
    let user = output.map_or(uid.clone(), |o| {
        String::from_utf8_lossy(&o.stdout).trim().to_owned()
    });
    let ranges = fs::read_to_string("/etc/subuid").unwrap_or_default();
    let has_range = ranges.lines().any(|line| {
        line.split(':')
            .next()
            .is_some_and(|owner| owner == user || owner == uid)
    });
    if has_range {
        Ok(format!("{user} has a range"))
    } else {
        let fix = format!(
            "as root: usermod --add-subuids 100000-165535 --add-subgids 100000-165535 {user}"
        );
        let seen = format!("{user} has no range in /etc/subuid");
        Err(missing(
            Status::Fail,
            seen,
            "the lab, unless run as root",
            &fix,
        ))
    }
}

fn nft() -> Probe {
    let costs = "partitions on this machine's lab";
    let Some(nft) = find_tool("nft") else {
        return Err(missing(
            Status::Fail,
            "not found",
            costs,
            "apt-get install nftables",
        ));
    };
    let nft = nft.to_string_lossy().into_owned();
    let rule = "add table inet t; add chain inet t c { type filter hook input priority 0; }; \
                add rule inet t c ip saddr 192.0.2.1 drop";
    match try_inside(&[&nft, rule]) {
        Ok(()) => Ok("rules can be made in a namespace".to_owned()),
        Err(said) => Err(missing(
            Status::Fail,
            said,
            costs,
            "modprobe nf_tables, or another kernel",
        )),
    }
}

fn netem() -> Probe {
    let costs = "delay, loss and reordering of packets by the kernel";
    let Some(tc) = find_tool("tc") else {
        return Err(missing(
            Status::Warn,
            "tc not found",
            costs,
            "apt-get install iproute2",
        ));
    };
    let tc = tc.to_string_lossy().into_owned();
    let command = [
        &tc, "qdisc", "add", "dev", "lo", "root", "netem", "delay", "1ms",
    ];
    match try_inside(&command) {
        Ok(()) => Ok("in this kernel".to_owned()),
        Err(said) => {
            let fix = "modprobe sch_netem, or a kernel that has it";
            Err(missing(
                Status::Warn,
                format!("not in this kernel: {said}"),
                costs,
                fix,
            ))
        }
    }
}

fn cgroup() -> Probe {
    let roots = [
        "/sys/fs/cgroup/cgroup.controllers",
        "/sys/fs/cgroup/unified/cgroup.controllers",
    ];
    match roots.iter().find(|path| Path::new(path).exists()) {
        Some(path) => Ok(format!(
            "version 2 at {}",
            path.trim_end_matches("/cgroup.controllers")
        )),
        None => Err(missing(
            Status::Warn,
            "version 2 is not mounted",
            "freezing a whole host; nothing else",
            "mount -t cgroup2 none /sys/fs/cgroup",
        )),
    }
}

fn resources() -> Probe {
    const MEGABYTE: u64 = 1024 * 1024;
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let memory_mb = memory_available_kb() / 1024;
    let disk_mb =
        rustix::fs::statvfs(".").map_or(0, |disk| disk.f_bavail * disk.f_frsize / MEGABYTE);
    let seen = format!("{cores} cores, {memory_mb} MB memory free, {disk_mb} MB disk free here");
    if memory_mb < 512 {
        let costs = "runs: five nodes and their clients need about 500 MB";
        return Err(missing(
            Status::Fail,
            seen,
            costs,
            "free some memory, or use fewer nodes",
        ));
    }
    if disk_mb < 512 {
        let costs = "long runs: a history takes about 100 MB a million operations";
        return Err(missing(
            Status::Warn,
            seen,
            costs,
            "free some disk, or work elsewhere",
        ));
    }
    Ok(seen)
}

fn memory_available_kb() -> u64 {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    text.lines()
        .find_map(|line| {
            line.strip_prefix("MemAvailable:")?
                .split_whitespace()
                .next()?
                .parse()
                .ok()
        })
        .unwrap_or(0)
}

/// What is deployed when no other system is named.
const NODE_BINARY: &str = "schism-node";

fn node_binary() -> Probe {
    let beside = std::env::current_exe()
        .ok()
        .map(|path| path.with_file_name(NODE_BINARY));
    match beside {
        Some(path) if path.is_file() => Ok(path.display().to_string()),
        beside => {
            let place = beside.unwrap_or_default().display().to_string();
            let costs = "the reference systems; others can be tested";
            Err(missing(
                Status::Warn,
                format!("not at {place}"),
                costs,
                "cargo build --workspace",
            ))
        }
    }
}

/// What a host is like, as seen over SSH.
#[derive(Clone, Debug)]
struct Facts {
    round_trip: Duration,
    shell_start: Duration,
    clock_offset_ms: f64,
    is_root: bool,
    becomes_root: bool,
    has: Vec<String>,
}

/// Tools that faults need on a host, and which.
const HOST_TOOLS: [(&str, &str, &str); 4] = [
    ("nft", "partitions", "nftables"),
    ("sha256sum", "uploads", "coreutils"),
    ("setsid", "starting nodes", "util-linux"),
    ("pkill", "killing and pausing by name", "procps"),
];

async fn look_at(remote: &impl Remote) -> Result<Facts, RemoteError> {
    let tools = HOST_TOOLS.map(|(tool, ..)| tool).join(" ");
    let script = format!(
        "PATH=$PATH:/usr/sbin:/sbin; for t in {tools} iptables; do command -v $t >/dev/null && \
         echo $t; done; [ \"$(id -u)\" = 0 ] && echo +root; \
         {{ nft list tables || sudo -n nft list tables; }} >/dev/null 2>&1 && echo +nft; \
         sudo -n true >/dev/null 2>&1 && echo +sudo; true"
    );
    let seen = remote.run(&remote::Command::shell(script)).await?.stdout;
    let words: Vec<&str> = seen.split_whitespace().collect();

    let start = Instant::now();
    remote.run(&remote::Command::args(["true"])).await?;
    let shell_start = start.elapsed();
    let before = SystemTime::now();
    let start = Instant::now();
    let clock = remote
        .run(&remote::Command::args(["date", "+%s.%N"]))
        .await?
        .stdout;
    let round_trip = start.elapsed();
    Ok(Facts {
        round_trip,
        shell_start,
        clock_offset_ms: clock_offset_ms(&clock, before, round_trip),
        is_root: words.contains(&"+root"),
        becomes_root: words.contains(&"+sudo"),
        has: words.iter().map(|word| (*word).to_owned()).collect(),
    })
}

/// The host's clock less ours, taking its answer to be from the middle of the round trip.
fn clock_offset_ms(answer: &str, before: SystemTime, round_trip: Duration) -> f64 {
    let middle = before + round_trip / 2;
    let ours = middle
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs_f64();
    answer
        .trim()
        .parse::<f64>()
        .map_or(f64::NAN, |theirs| (theirs - ours) * 1000.0)
}

/// Looks at all hosts at once, with a runtime of its own.
fn look_at_all(hosts: &[Host]) -> Vec<Result<Facts, String>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return hosts.iter().map(|_| Err(error.to_string())).collect(),
    };
    let limits = Limits {
        attempts: 2,
        ..Limits::default()
    };
    let remotes: Vec<Ssh> = hosts
        .iter()
        .map(|host| Ssh::with_limits(host.endpoint(), limits.clone()))
        .collect();
    let looked = remote::on_all(&remotes, async |remote| {
        Ok::<_, std::convert::Infallible>(look_at(remote).await.map_err(|e| e.to_string()))
    });
    match runtime.block_on(looked) {
        Ok(facts) => facts,
        Err(never) => match never {},
    }
}

/// One line a host, for `lab up`.
pub(crate) fn table_of_hosts(hosts: &[Host]) -> String {
    let mut text = String::new();
    for (host, facts) in hosts.iter().zip(look_at_all(hosts)) {
        text += &format!("  {} {}  ", host.name, host.address);
        text += &match facts {
            Err(error) => format!("not ready: failed to {error}\n"),
            Ok(facts) => format!(
                "ready   ssh {:.0} ms   clock {:+.1} ms   {}   {}\n",
                facts.round_trip.as_secs_f64() * 1000.0,
                facts.clock_offset_ms,
                if facts.is_root { "root" } else { "not root" },
                facts.firewalls().join(" ")
            ),
        };
    }
    text
}

impl Facts {
    fn firewalls(&self) -> Vec<&str> {
        let is_firewall = |tool: &&str| ["iptables", "nft"].contains(tool);
        self.has
            .iter()
            .map(String::as_str)
            .filter(is_firewall)
            .collect()
    }
}

fn hosts(hosts: &[Host]) -> Vec<Finding> {
    let looked = look_at_all(hosts);
    hosts
        .iter()
        .zip(looked)
        .flat_map(|(host, facts)| host_findings(host, facts))
        .collect()
}

fn host_findings(host: &Host, facts: Result<Facts, String>) -> Vec<Finding> {
    let finding = |what: &str, status, seen: String, costs: &str, fix: String| Finding {
        id: format!("{}-{what}", host.name),
        status,
        seen,
        costs: costs.to_owned(),
        fix,
    };
    let facts = match facts {
        Ok(facts) => facts,
        Err(error) => {
            let (seen, fix) = error
                .rsplit_once("; ")
                .unwrap_or((&error, "see the message"));
            let seen = format!("failed to {seen}");
            return vec![finding(
                "reach",
                Status::Fail,
                seen,
                "the host",
                fix.to_owned(),
            )];
        }
    };
    let milliseconds = |time: Duration| time.as_secs_f64() * 1000.0;
    let mut found = Vec::new();
    let mut judge =
        |what: &str, is_fine: bool, bad: Status, seen: String, costs: &str, fix: &str| {
            let status = if is_fine { Status::Ok } else { bad };
            let (costs, fix) = if is_fine { ("", "") } else { (costs, fix) };
            found.push(finding(what, status, seen, costs, fix.to_owned()));
        };
    let round_trip = format!("ssh {:.1} ms", milliseconds(facts.round_trip));
    judge("reach", true, Status::Fail, round_trip, "", "");
    let rights = match (facts.is_root, facts.becomes_root) {
        (true, _) => format!("{} is root", host.user),
        (false, true) => format!("{} has sudo", host.user),
        (false, false) => format!("{} is not root and has no sudo without password", host.user),
    };
    let fix = format!(
        "echo '{} ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/schism",
        host.user
    );
    let is_fine = facts.is_root || facts.becomes_root;
    judge(
        "rights",
        is_fine,
        Status::Fail,
        rights,
        "all faults that need root",
        &fix,
    );
    for (tool, costs, package) in HOST_TOOLS {
        let is_there = facts.has.iter().any(|word| word == tool);
        let seen = if is_there { "found" } else { "not found" };
        let fix = format!("apt-get install {package}");
        judge(tool, is_there, Status::Warn, seen.to_owned(), costs, &fix);
    }
    let has_rules = facts.has.iter().any(|word| word == "+nft");
    let seen = if has_rules {
        "can be listed"
    } else {
        "cannot be listed"
    };
    let fix = "log in as root, or give the login sudo";
    judge(
        "firewall",
        has_rules,
        Status::Warn,
        seen.to_owned(),
        "partitions",
        fix,
    );
    let seen = format!("{:+.1} ms", facts.clock_offset_ms);
    let is_near = facts.clock_offset_ms.abs() < 1000.0;
    let costs = "log times that can be compared; verdicts do not need them";
    judge(
        "clock",
        is_near,
        Status::Warn,
        seen,
        costs,
        "apt-get install chrony",
    );
    let start = milliseconds(facts.shell_start);
    let seen = format!("starts in {start:.0} ms");
    let fix = format!(
        "usermod -s /bin/sh {}, or a lighter shell start-up file",
        host.user
    );
    judge(
        "shell",
        start < 150.0,
        Status::Warn,
        seen,
        "time: each fault waits for a shell",
        &fix,
    );
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_finding_that_is_not_fine_has_a_fix() {
        for finding in machine(None) {
            assert!(
                finding.status == Status::Ok || !finding.fix.is_empty(),
                "{finding:?}"
            );
        }
    }

    #[test]
    fn a_host_that_is_down_is_one_finding_with_the_remedy() {
        let host = Host::pinned("n1".into(), "192.0.2.1".into(), "/k".into(), "t k".into());
        let found = host_findings(&host, Err("reach n1: no route; check the address".into()));
        assert_eq!(
            (found.len(), found[0].fix.as_str()),
            (1, "check the address")
        );
    }

    #[test]
    fn the_clock_is_compared_with_the_middle_of_the_round_trip() {
        let before = UNIX_EPOCH + Duration::from_secs(100);
        let offset = clock_offset_ms("101.5\n", before, Duration::from_secs(2));
        assert!((offset - 500.0).abs() < 0.001, "{offset}");
    }
}
