//! Databases of others under test. What is wrong with their hosts is said in one sentence and is
//! never a verdict; and where a system's image is there, its quickest finding comes out.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests may panic as tests may"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

const SCHISM: &str = env!("CARGO_BIN_EXE_schism");

/// A directory of the test's own.
struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Self {
        let place = std::env::temp_dir().join(format!("schism-db-{}-{name}", std::process::id()));
        fs::create_dir_all(&place).unwrap();
        Self(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

fn text(output: &Output) -> String {
    let both = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    String::from_utf8_lossy(&both).into_owned()
}

/// Prepares the hosts of a lab with `script`, and runs a trial on them.
fn run_on_prepared(name: &str, script: &str, trial: &str) -> (Output, Option<serde_json::Value>) {
    let place = Place::new(name);
    let trial = format!("name = \"trial\"\ninventory = \"INVENTORY\"\n{trial}");
    fs::write(place.0.join("trial"), trial).unwrap();
    let here = place.0.display();
    let inside = format!(
        "for n in n1 n2 n3; do\n\
         ssh -F \"$(dirname \"$SCHISM_LAB_INVENTORY\")/ssh_config\" $n \"$PREPARE\" || exit 99\n\
         done\n\
         sed \"s:INVENTORY:$SCHISM_LAB_INVENTORY:\" {here}/trial > {here}/trial.toml\n\
         exec {SCHISM} run {here}/trial.toml --runs {here}/runs"
    );
    let output = Command::new(SCHISM)
        .args(["lab", "exec", "--nodes", "3", "--", "sh", "-c", &inside])
        .env("PREPARE", script)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let verdict = fs::read(place.0.join("runs/latest/verdict.json")).ok();
    (
        output,
        verdict.map(|bytes| serde_json::from_slice(&bytes).unwrap()),
    )
}

/// Not valid, for that reason, with no claim judged.
fn assert_refused(name: &str, script: &str, trial: &str, parts: &[&str]) {
    let (output, verdict) = run_on_prepared(name, script, trial);
    assert_eq!(output.status.code(), Some(3), "{}", text(&output));
    let verdict = verdict.expect("a run that proves nothing says so");
    assert_eq!(verdict["status"], "not-valid");
    assert_eq!(verdict["claims"], serde_json::json!([]));
    let why = verdict["why"].as_str().unwrap();
    for part in parts {
        assert!(why.contains(part), "{part:?} is not in {why:?}");
    }
    assert!(!why.contains('\n'), "one sentence: {why:?}");
}

/// A program that tells a version and otherwise does nothing.
fn pretender(version: &str) -> String {
    format!(
        "cat > /var/lib/etcd-pretender <<'X'\n#!/bin/sh\n\
         case $1 in --version) echo 'etcd Version: {version}';; *) echo busy; sleep 60;; esac\nX\n\
         chmod 755 /var/lib/etcd-pretender"
    )
}

const PRETENDER: &str = "system = \"etcd\"\n[etcd]\nprogram = \"/var/lib/etcd-pretender\"\n";

#[test]
fn a_missing_program_is_named_with_its_package() {
    let trial = "system = \"etcd\"\n[etcd]\nprogram = \"/usr/bin/no-such-etcd\"\n";
    let parts = ["failed to find /usr/bin/no-such-etcd on n", "etcd-server"];
    assert_refused("missing", "true", trial, &parts);
}

#[test]
fn another_version_than_the_trial_asks_for_is_not_tested() {
    let parts = ["on n1", "it is version 3.3.1, and the trial asks for 3.4"];
    assert_refused("version", &pretender("3.3.1"), PRETENDER, &parts);
}

#[test]
fn a_port_that_is_taken_is_named() {
    let listen = "perl -MIO::Socket::INET -e '$s = IO::Socket::INET->new(LocalPort => 2379, \
                  Listen => 1) or die; sleep 60' </dev/null >/dev/null 2>&1 & sleep 0.3";
    let parts = [
        "failed to listen on port 2379 on n1",
        "another program listens there",
    ];
    assert_refused("port", listen, PRETENDER, &parts);
}

#[test]
fn a_directory_that_cannot_be_emptied_is_no_place_to_begin() {
    let hold =
        "mkdir -p /var/lib/schism/etcd/held && mount -t tmpfs held /var/lib/schism/etcd/held";
    assert_refused(
        "directory",
        hold,
        PRETENDER,
        &["n1", "/var/lib/schism/etcd/held"],
    );
}

#[test]
fn a_cluster_that_never_forms_proves_nothing() {
    let parts = [
        "failed to form the cluster",
        "not within 15 s",
        "its log ends: \"busy\"",
    ];
    assert_refused("unformed", &pretender("3.4.99"), PRETENDER, &parts);
}

/// Whether the layer that holds `package` is there; the test says so if it is not.
fn has_image(package: &str) -> bool {
    let output = Command::new(SCHISM)
        .args(["image", "list"])
        .output()
        .unwrap();
    text(&output).contains(package)
}

/// The quickest finding of a system, where its image is there.
fn assert_found(package: &str, system: &str, finding: &str) {
    if !has_image(package) {
        return say(&format!(
            "not run, for want of an image: {SCHISM} image build {system}"
        ));
    }
    let place = Place::new(system);
    let file = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("findings")
        .join(finding);
    let output = Command::new(SCHISM)
        .arg("run")
        .arg(file)
        .args(["--format", "json", "--runs"])
        .arg(place.0.join("runs"))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    let verdict: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let environment = &verdict["environment"];
    assert_eq!(environment["system"], system);
    assert!(environment["version"].is_string(), "{environment}");
    assert_eq!(environment["errors"]["could not connect"], "fail");
}

#[test]
fn a_login_that_is_refused_is_no_verdict() {
    if !has_image("postgresql-15") {
        return say(&format!(
            "not run, for want of an image: {SCHISM} image build postgresql"
        ));
    }
    let place = Place::new("login");
    let trial = "name = \"trial\"\nsystem = \"postgresql\"\n[postgresql]\nuser = \"stranger\"\n\
                 [lab]\nnodes = 2\n";
    fs::write(place.0.join("trial.toml"), trial).unwrap();
    let output = Command::new(SCHISM)
        .arg("run")
        .arg(place.0.join("trial.toml"))
        .args(["--format", "json", "--runs"])
        .arg(place.0.join("runs"))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(3), "{}", text(&output));
    let verdict: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let why = verdict["why"].as_str().unwrap();
    assert!(
        why.contains("failed to log in to PostgreSQL on n1"),
        "{why}"
    );
    assert!(why.contains("role \"stranger\" does not exist"), "{why}");
    let log = place.0.join("runs/latest/nodes/n1/log");
    assert!(log.exists(), "the logs are kept");
}

#[expect(clippy::print_stderr, reason = "a test that is not run says so")]
fn say(text: &str) {
    eprintln!("{text}");
}

#[test]
fn etcd_keeps_its_promise_when_its_leader_is_cut_off() {
    assert_found("etcd-server", "etcd", "etcd-leader-cut-off.toml");
}

#[test]
fn redis_loses_what_a_cut_off_primary_acknowledged() {
    assert_found("redis-server", "redis", "redis-primary-cut-off.toml");
}

#[test]
fn postgresql_loses_what_a_cut_off_primary_acknowledged() {
    assert_found(
        "postgresql-15",
        "postgresql",
        "postgresql-async-primary-cut-off.toml",
    );
}
