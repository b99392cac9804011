//! The program as its users run it: real nodes, real faults, over SSH, in a lab of its own
//! whose hosts are named by an inventory, as any others would be.
//!
//! This test has no harness: it must enter the lab before it starts a thread.

mod harness;
mod surroundings;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Output, Stdio};
use std::time::{Duration, Instant};

use harness::Harness;
use schism::cluster::Node;
use schism::lab::{Lab, LabSpec};
use schism::report::verdict::{RunVerdict, Status};
use schism::{connect, remote, store};
use surroundings::enter;

const SCHISM: &str = env!("CARGO_BIN_EXE_schism");

type Test = (&'static str, fn(&Stage<'_>));

const TESTS: &[Test] = &[
    (
        "a_fenced_mode_survives_a_cut_off_leader",
        a_fenced_mode_survives_a_cut_off_leader,
    ),
    (
        "an_asynchronous_mode_loses_what_it_acknowledged",
        an_asynchronous_mode_loses,
    ),
    (
        "every_kind_of_fault_is_proven_and_undone",
        every_kind_of_fault_is_proven_and_undone,
    ),
    (
        "a_node_fails_at_a_step_of_its_protocol",
        a_node_fails_at_a_step_of_its_protocol,
    ),
    (
        "every_workload_is_spoken_over_the_network",
        every_workload_is_spoken_over_the_network,
    ),
    (
        "a_fault_that_never_bites_is_no_pass",
        a_fault_that_never_bites_is_no_pass,
    ),
    ("a_host_that_is_down", a_host_that_is_down),
    ("a_wrong_host_key", a_wrong_host_key),
    ("an_unreadable_key", an_unreadable_key),
    ("a_port_that_is_taken", a_port_that_is_taken),
    (
        "a_node_program_for_another_machine",
        a_node_program_for_another_machine,
    ),
    (
        "a_killed_node_that_does_not_come_back",
        a_killed_node_that_does_not_come_back,
    ),
    (
        "a_full_disk_on_the_control_host",
        a_full_disk_on_the_control_host,
    ),
    (
        "an_interrupted_run_is_healed_and_judged",
        an_interrupted_run_is_healed_and_judged,
    ),
    (
        "a_killed_run_leaves_its_history_and_can_be_healed",
        a_killed_run_leaves_its_history,
    ),
];

fn main() -> ExitCode {
    let Some(mut harness) = Harness::new(TESTS.iter().map(|(name, _)| *name)) else {
        return ExitCode::SUCCESS;
    };
    let lab = match enter(&LabSpec {
        nodes: 5,
        ..LabSpec::default()
    }) {
        Ok(lab) => lab,
        Err(code) => return code,
    };
    for (name, test) in TESTS {
        if harness.wants(name) {
            let stage = Stage::new(&lab, name);
            harness.run(name, || test(&stage));
            fs::remove_dir_all(&stage.place).expect("the test's directory goes");
        }
    }
    harness.end()
}

/// What a test works with: the lab's hosts, and a directory of its own.
struct Stage<'a> {
    lab: &'a Lab,
    place: PathBuf,
}

/// A run that has ended, and what it left.
struct Ended {
    output: Output,
    directory: PathBuf,
}

impl Ended {
    fn code(&self) -> Option<i32> {
        self.output.status.code()
    }

    fn words(&self) -> String {
        let (out, err) = (&self.output.stdout, &self.output.stderr);
        format!(
            "{}\n{}",
            String::from_utf8_lossy(out),
            String::from_utf8_lossy(err)
        )
    }

    fn verdict(&self) -> RunVerdict {
        let text = fs::read(self.directory.join(store::VERDICT));
        let text = text.unwrap_or_else(|error| panic!("{error}: {}", self.words()));
        serde_json::from_slice(&text).expect("the verdict fits its own schema")
    }

    /// One clear sentence and the right code, and whatever was recorded is there.
    fn assert_not_valid(&self, parts: &[&str]) {
        assert_eq!(self.code(), Some(3), "{}", self.words());
        let verdict = self.verdict();
        assert_eq!(verdict.status, Status::NotValid);
        assert!(verdict.claims.is_empty(), "no claim is judged");
        let why = verdict.why.expect("it says why");
        for part in parts {
            assert!(why.contains(part), "{part:?} is not in {why:?}");
        }
        let history = store::read_history(&self.directory.join(store::HISTORY));
        assert!(
            history.is_ok_and(|read| !read.truncated),
            "the history can be read"
        );
    }
}

impl<'a> Stage<'a> {
    fn new(lab: &'a Lab, name: &str) -> Self {
        let place = std::env::temp_dir().join(format!("schism-e2e-{}-{name}", std::process::id()));
        fs::create_dir_all(&place).expect("a directory can be made");
        Self { lab, place }
    }

    fn inventory(&self) -> String {
        fs::read_to_string(self.lab.inventory_file()).expect("the lab has an inventory")
    }

    fn nodes(&self) -> Vec<Node> {
        connect::nodes(self.lab.hosts()).expect("the lab's addresses are numbers")
    }

    fn trial(&self, rest: &str) -> PathBuf {
        self.trial_on(&self.inventory(), rest)
    }

    /// A trial on the hosts of that inventory. The first word of a key in `rest` is a table.
    fn trial_on(&self, inventory: &str, rest: &str) -> PathBuf {
        fs::write(self.place.join("hosts.toml"), inventory).expect("a file can be written");
        let file = self.place.join("trial.toml");
        let text = format!("name = \"trial\"\ninventory = \"hosts.toml\"\n{rest}");
        fs::write(&file, text).expect("a file can be written");
        file
    }

    fn command(&self, trial: &Path, more: &[&str]) -> Command {
        let mut command = Command::new(SCHISM);
        command
            .arg("run")
            .arg(trial)
            .arg("--runs")
            .arg(self.place.join("runs"));
        command
            .args(more)
            .env_clear()
            .env("PATH", std::env::var("PATH").unwrap_or_default());
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    fn run(&self, rest: &str) -> Ended {
        self.run_file(&self.trial(rest), &[])
    }

    fn run_file(&self, trial: &Path, more: &[&str]) -> Ended {
        let output = self
            .command(trial, more)
            .output()
            .expect("the program starts");
        Ended {
            output,
            directory: self.latest(),
        }
    }

    fn latest(&self) -> PathBuf {
        let link = self.place.join("runs/latest");
        fs::canonicalize(&link).unwrap_or(link)
    }

    fn end(&self, child: Child) -> Ended {
        let output = child.wait_with_output().expect("the program ends");
        Ended {
            output,
            directory: self.latest(),
        }
    }

    /// Waits until the running program has recorded that it ordered `f`.
    fn await_order(&self, f: &str) {
        let found = || {
            let read = store::read_history(&self.latest().join(store::HISTORY));
            read.is_ok_and(|read| read.ops.iter().filter(|op| op.f == f).count() >= 2)
        };
        await_that(&format!("{f} is ordered and done"), found);
    }
}

fn await_that(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(
            begun.elapsed() < Duration::from_secs(30),
            "not within 30 s: {what}"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Runs a shell text on a node, as a person at that host would.
fn on_node(node: &Node, script: &str) -> Result<String, String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let command = remote::Command::shell(script).timeout(Duration::from_secs(10));
    let done = runtime
        .expect("a runtime")
        .block_on(node.remote.run(&command));
    done.map(|output| output.stdout)
        .map_err(|error| error.to_string())
}

const SEMI_SYNC: &str = "[leader-follower]\nack = \"semi-sync\"\nk = 2\n";
const ASYNC: &str = "[leader-follower]\nack = \"async\"\nleader-reads = \"local\"\n";
const CUT_OFF: &str = "[[fault]]\nkind = \"partition\"\ntarget = \"leader\"\nat = \"500ms\"\n\
                       for = \"1500ms\"\npromote-after = \"600ms\"\n";

fn a_fenced_mode_survives_a_cut_off_leader(stage: &Stage<'_>) {
    let expect = "[expect]\nlinearizable = \"held\"\nno-lost-writes = \"held\"\n\
                  no-stale-reads = \"held\"\n";
    let ended = stage.run(&format!(
        "{SEMI_SYNC}[load]\ntime = \"3s\"\n{CUT_OFF}{expect}"
    ));
    assert_eq!(ended.code(), Some(0), "{}", ended.words());
    let verdict = ended.verdict();
    assert_eq!(
        (verdict.status, verdict.recovery.equal),
        (Status::Held, Some(true))
    );
    assert!(
        verdict.faults.iter().all(|fault| fault.done_ms.is_some()),
        "{:?}",
        verdict.faults
    );
    assert!(
        verdict
            .figure("loss", "acknowledged")
            .is_some_and(|acked| acked > 50)
    );
    for node in ["n1", "n5"] {
        assert!(
            ended
                .directory
                .join("nodes")
                .join(node)
                .join("log")
                .exists()
        );
    }
    // The same history, judged again with no host in sight, gets the same verdict.
    let again = Command::new(SCHISM)
        .args(["check", "--format", "json"])
        .arg(&ended.directory)
        .output()
        .expect("the program starts");
    let again: RunVerdict = serde_json::from_slice(&again.stdout).expect("a verdict");
    assert_eq!(
        (again.claims, again.figures),
        (verdict.claims, verdict.figures)
    );
    truncated_histories_are_judged_as_far_as_they_go(stage, &ended.directory);
}

fn truncated_histories_are_judged_as_far_as_they_go(stage: &Stage<'_>, run: &Path) {
    let whole = fs::read(run.join(store::HISTORY)).expect("the run has a history");
    let torn = stage.place.join("torn.jsonl.zst");
    fs::write(&torn, &whole[..whole.len() * 2 / 3]).expect("a file can be written");
    let output = Command::new(SCHISM)
        .arg("check")
        .arg(&torn)
        .output()
        .expect("it starts");
    let words = String::from_utf8_lossy(&output.stdout);
    assert!(words.contains("the file is cut off: the"), "{words}");
    // Without final reads nobody can say whether something is lost.
    assert_eq!(output.status.code(), Some(2), "{words}");
}

fn an_asynchronous_mode_loses(stage: &Stage<'_>) {
    let trial = format!("{ASYNC}[load]\ntime = \"3s\"\n{CUT_OFF}");
    let ended = stage.run(&trial);
    assert_eq!(ended.code(), Some(1), "{}", ended.words());
    let verdict = ended.verdict();
    assert!(
        verdict.figure("loss", "lost").is_some_and(|lost| lost > 0),
        "{}",
        ended.words()
    );
    assert!(
        verdict
            .figure("stale", "stale_reads")
            .is_some_and(|stale| stale > 0)
    );
    assert!(ended.directory.join("findings/F1.txt").exists());
    let picture = fs::read_to_string(ended.directory.join("findings/F1.dot"));
    assert!(picture.is_ok_and(|text| text.starts_with("digraph")));
    // What a mode must show can be demanded: then finding it is the success.
    let demanded = format!("{trial}[expect]\nno-lost-writes = \"violated\"\n");
    let ended = stage.run(&demanded);
    assert_eq!(ended.code(), Some(0), "{}", ended.words());
}

/// On hosts the node strikes itself; the history has the proof, and who led when.
fn a_node_fails_at_a_step_of_its_protocol(stage: &Stage<'_>) {
    let mut trial = "system = \"raft\"\n[load]\ntime = \"5s\"\nclients = 8\n".to_owned();
    for (at, kind, step) in [(500, "kill", "after-append"), (2500, "pause", "after-ack")] {
        trial += &format!(
            "[[fault]]\nkind = \"{kind}\"\ntarget = \"leader\"\nstep = \"{step}\"\n\
             at = \"{at}ms\"\nfor = \"800ms\"\n"
        );
    }
    let ended = stage.run(&(trial + "[expect]\nleader-terms = \"held\"\n"));
    assert_eq!(ended.code(), Some(0), "{}", ended.words());
    let verdict = ended.verdict();
    for (fault, step) in [("kill", "after-append"), ("pause", "after-ack")] {
        let mut met = verdict.faults.iter().filter(|met| met.fault == fault);
        let done = &met.next().expect("it came").done;
        assert_eq!(done["step"], step, "{done}");
        assert_eq!(done["proven"], true, "{done}");
        assert_eq!(done["nodes"].as_array().map(Vec::len), Some(1), "{done}");
    }
    let never = "system = \"raft\"\n[load]\ntime = \"2s\"\n[[fault]]\nkind = \"kill\"\n\
                 target = \"all\"\nstep = \"after-snapshot\"\nat = \"500ms\"\nfor = \"500ms\"\n";
    stage
        .run(never)
        .assert_not_valid(&["no node came to after-snapshot within 500 ms"]);
}

/// A moment of each on Raft: what is asked is understood, answered and judged.
fn every_workload_is_spoken_over_the_network(stage: &Stage<'_>) {
    for about in workloads::WORKLOADS {
        let trial = format!(
            "system = \"raft\"\n[load]\nworkload = \"{}\"\ntime = \"1s\"\nrate = 300\n\
             clients = 6\n",
            about.name
        );
        let ended = stage.run(&trial);
        assert_eq!(ended.code(), Some(0), "{}: {}", about.name, ended.words());
        let verdict = ended.verdict();
        assert_eq!(verdict.status, Status::Held, "{}", ended.words());
        for f in about
            .operations
            .iter()
            .filter(|f| **f != "decrement" && **f != "cas")
        {
            let ok = verdict.coverage.get(*f).map_or(0, |outcomes| outcomes.ok);
            assert!(ok > 0, "{}: no {f} succeeded", about.name);
        }
    }
}

fn every_kind_of_fault_is_proven_and_undone(stage: &Stage<'_>) {
    let faults = [
        ("pause", "follower"),
        ("partition", "one-way"),
        ("partition", "halves"),
        ("partition", "follower"),
        ("kill", "random"),
        ("kill", "all"),
    ];
    let mut trial = format!("{SEMI_SYNC}[load]\ntime = \"10s\"\nclients = 8\n");
    for (position, (kind, target)) in faults.iter().enumerate() {
        let at = 200 + 1400 * position;
        trial += &format!(
            "[[fault]]\nkind = \"{kind}\"\ntarget = \"{target}\"\nat = \"{at}ms\"\nfor = \"500ms\"\n"
        );
    }
    trial += "[[fault]]\nkind = \"clock\"\ntarget = \"leader\"\nat = \"8600ms\"\nfor = \"500ms\"\n\
              by-ms = -2000\nrate-percent = -75\n";
    let ended = stage.run(&trial);
    assert_eq!(ended.code(), Some(0), "{}", ended.words());
    let verdict = ended.verdict();
    let done = |name: &str| {
        let of_name = verdict.faults.iter().filter(|fault| fault.fault == name);
        of_name.filter(|fault| fault.done["proven"] == true).count()
    };
    // The last heal is the one after the load.
    assert_eq!(
        (done("partition"), done("pause"), done("kill")),
        (3, 1, 2),
        "{}",
        ended.words()
    );
    assert_eq!((done("resume"), done("start")), (1, 2));
    assert_eq!((done("clock"), done("reset-clock")), (1, 1));
    let one_way = &verdict.faults.iter().find(|f| f.done["one-way"] == true);
    assert!(one_way.is_some(), "{:?}", verdict.faults);
}

fn a_fault_that_never_bites_is_no_pass(stage: &Stage<'_>) {
    let late = "[[fault]]\nkind = \"kill\"\ntarget = \"leader\"\nat = \"8s\"\nfor = \"1s\"\n";
    let ended = stage.run(&format!("{SEMI_SYNC}[load]\ntime = \"500ms\"\n{late}"));
    ended.assert_not_valid(&["the kill of the plan never came"]);
}

fn a_host_that_is_down(stage: &Stage<'_>) {
    let inventory = stage.inventory().replace("10.77.0.3\"", "10.77.0.77\"");
    let ended = stage.run_file(&stage.trial_on(&inventory, SEMI_SYNC), &[]);
    ended.assert_not_valid(&["failed to reach n3 (root@10.77.0.77:22)"]);
}

fn a_wrong_host_key(stage: &Stage<'_>) {
    let other = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f";
    let hosts = stage.inventory();
    let key = hosts
        .lines()
        .find(|line| line.starts_with("host_key"))
        .expect("keys are pinned");
    let inventory = hosts.replacen(key, &format!("host_key = \"{other}\""), 1);
    let ended = stage.run_file(&stage.trial_on(&inventory, SEMI_SYNC), &[]);
    ended.assert_not_valid(&["reach n1", "host key"]);
}

fn an_unreadable_key(stage: &Stage<'_>) {
    let hosts = stage.inventory();
    let key = hosts
        .lines()
        .find(|line| line.starts_with("key"))
        .expect("a key is named");
    let inventory = hosts.replace(key, "key = \"missing-key\"");
    let ended = stage.run_file(&stage.trial_on(&inventory, SEMI_SYNC), &[]);
    ended.assert_not_valid(&["missing-key"]);
}

fn a_port_that_is_taken(stage: &Stage<'_>) {
    let nodes = stage.nodes();
    let squat = "setsid perl -MIO::Socket::INET -e 'my $s = IO::Socket::INET->new(LocalPort => 7400, \
                 Listen => 1, ReuseAddr => 1) or die; sleep 100' </dev/null >/dev/null 2>&1 & echo $!";
    let pid = on_node(&nodes[1], squat).expect("perl listens");
    let ended = stage.run(SEMI_SYNC);
    on_node(&nodes[1], &format!("kill {}", pid.trim())).expect("and goes");
    ended.assert_not_valid(&["start the node on n2", "7400"]);
}

fn a_node_program_for_another_machine(stage: &Stage<'_>) {
    let ours = Path::new(SCHISM).with_file_name("schism-node");
    let mut program = fs::read(ours).expect("the node program is built beside ours");
    program[18..20].copy_from_slice(&22_u16.to_le_bytes());
    let foreign = stage.place.join("schism-node-s390x");
    fs::write(&foreign, program).expect("a file can be written");
    let foreign = foreign.to_string_lossy();
    let ended = stage.run_file(&stage.trial(SEMI_SYNC), &["--node-binary", &foreign]);
    ended.assert_not_valid(&["built for another machine than n1"]);
}

fn a_killed_node_that_does_not_come_back(stage: &Stage<'_>) {
    let kill = "[[fault]]\nkind = \"kill\"\ntarget = \"follower\"\nat = \"500ms\"\nfor = \"2s\"\n";
    let trial = stage.trial(&format!("{SEMI_SYNC}[load]\ntime = \"4s\"\n{kill}"));
    let child = stage
        .command(&trial, &[])
        .spawn()
        .expect("the program starts");
    stage.await_order("kill");
    for node in stage.nodes() {
        on_node(&node, "rm /var/lib/schism/node/config.json").expect("the file goes");
    }
    let ended = stage.end(child);
    ended.assert_not_valid(&["start the node on n", "config.json"]);
    let read = store::read_history(&ended.directory.join(store::HISTORY)).expect("it reads");
    assert!(read.ops.len() > 100, "what was recorded before is kept");
}

fn a_full_disk_on_the_control_host(stage: &Stage<'_>) {
    let runs = stage.place.join("runs");
    fs::create_dir_all(&runs).expect("a directory can be made");
    let mount = |args: &[&str]| Command::new(args[0]).args(&args[1..]).arg(&runs).status();
    let mounted = mount(&["mount", "-t", "tmpfs", "-o", "size=32k", "small"]);
    assert!(
        mounted.is_ok_and(|status| status.success()),
        "a small disk can be mounted here"
    );
    let ended = stage.run(&format!("{SEMI_SYNC}[load]\ntime = \"3s\"\n"));
    let left = store::read_history(&ended.directory.join(store::HISTORY));
    let unmounted = mount(&["umount"]);
    assert!(unmounted.is_ok_and(|status| status.success()));
    assert_eq!(ended.code(), Some(3), "{}", ended.words());
    assert!(
        ended.words().contains("No space left on device"),
        "{}",
        ended.words()
    );
    assert!(
        left.is_ok_and(|read| !read.ops.is_empty()),
        "what was recorded before is kept"
    );
}

fn an_interrupted_run_is_healed_and_judged(stage: &Stage<'_>) {
    let trial = stage.trial(&format!(
        "{SEMI_SYNC}[load]\ntime = \"60s\"\n{}",
        long_cut()
    ));
    let child = stage
        .command(&trial, &[])
        .spawn()
        .expect("the program starts");
    stage.await_order("partition");
    signal(&child, "INT");
    let ended = stage.end(child);
    assert_eq!(ended.code(), Some(130), "{}", ended.words());
    let verdict = ended.verdict();
    assert!(
        verdict
            .why
            .is_some_and(|why| why.starts_with("interrupted")),
        "it says so"
    );
    assert!(verdict.faults.iter().any(|fault| fault.fault == "heal"));
    assert_no_table(stage);
}

fn a_killed_run_leaves_its_history(stage: &Stage<'_>) {
    let trial = stage.trial(&format!(
        "{SEMI_SYNC}[load]\ntime = \"60s\"\n{}",
        long_cut()
    ));
    let child = stage
        .command(&trial, &[])
        .spawn()
        .expect("the program starts");
    stage.await_order("partition");
    signal(&child, "KILL");
    let ended = stage.end(child);
    let read = store::read_history(&ended.directory.join(store::HISTORY)).expect("it reads");
    assert!(read.ops.iter().any(|op| op.f == "partition"));
    // On hosts that are not ours nothing vanishes by itself; healing needs no memory.
    let cut = |node| on_node(node, "nft list table inet schism").is_ok();
    assert!(
        stage.nodes().iter().any(cut),
        "the partition is still there"
    );
    for _ in 0..2 {
        let healed = Command::new(SCHISM)
            .args(["heal", "--inventory"])
            .arg(stage.place.join("hosts.toml"))
            .output()
            .expect("the program starts");
        assert!(
            healed.status.success(),
            "{}",
            String::from_utf8_lossy(&healed.stderr)
        );
        assert_no_table(stage);
    }
    // And the next run begins with what the last one left removed.
    let ended = stage.run(&format!("{SEMI_SYNC}[load]\ntime = \"500ms\"\n"));
    assert_eq!(ended.code(), Some(0), "{}", ended.words());
}

fn long_cut() -> String {
    CUT_OFF
        .replace("1500ms", "50s")
        .replace("promote-after = \"600ms\"\n", "")
}

fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill")
        .arg(format!("-{name}"))
        .arg(child.id().to_string())
        .status();
    assert!(sent.is_ok_and(|status| status.success()));
}

fn assert_no_table(stage: &Stage<'_>) {
    for node in stage.nodes() {
        let tables = on_node(&node, "nft list tables").expect("nft answers");
        assert!(
            !tables.contains("schism"),
            "{} still has {tables}",
            node.name
        );
    }
}
