//! The embedded lab, through the built command: what its hosts are, and that nothing is left of
//! it however it ends.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "helpers of tests may panic and print as tests may"
)]

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// Ahead of scripts that run on the control side: `on NODE SCRIPT`.
const ON: &str =
    "on() { ssh -F \"$(dirname \"$SCHISM_LAB_INVENTORY\")/ssh_config\" \"$1\" \"$2\"; }\n";

fn schism(arguments: &[&str]) -> Command {
    // Started in the background of a script, a test inherits that SIGINT is ignored, and what is
    // ignored from the start no shell can trap.
    let mut command = Command::new("env");
    command.args(["--default-signal", env!("CARGO_BIN_EXE_schism")]);
    command.args(arguments).stdin(Stdio::null());
    command
}

fn exec(options: &[&str], script: &str) -> Command {
    let mut command = schism(&["lab", "exec"]);
    command
        .args(options)
        .args(["--", "sh", "-c", &format!("{ON}{script}")]);
    command
}

fn text(output: &Output) -> String {
    let both = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    String::from_utf8_lossy(&both).into_owned()
}

/// Runs it to its end; fails loudly, because a machine that cannot run labs cannot pass.
fn run(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{:?}: {}",
        output.status,
        text(&output)
    );
    text(&output)
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Processes below `pid` and itself, by id and start time.
fn tree(pid: u32) -> BTreeSet<(u32, u64)> {
    let stats: Vec<(u32, u32, u64)> = fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter_map(|pid| stat(pid).map(|(parent, start)| (pid, parent, start)))
        .collect();
    let mut found: BTreeSet<(u32, u64)> = stats
        .iter()
        .filter(|(id, ..)| *id == pid)
        .map(|(id, _, start)| (*id, *start))
        .collect();
    loop {
        let more: Vec<(u32, u64)> = stats
            .iter()
            .filter(|(_, parent, _)| found.iter().any(|(id, _)| id == parent))
            .map(|(id, _, start)| (*id, *start))
            .collect();
        let before = found.len();
        found.extend(more);
        if found.len() == before {
            return found;
        }
    }
}

/// Parent and start time; none of a process that is gone, or dead and only not yet reaped.
fn stat(pid: u32) -> Option<(u32, u64)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let words: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    (words[0] != "Z").then(|| (words[1].parse().unwrap(), words[19].parse().unwrap()))
}

fn wait_until_gone(processes: &BTreeSet<(u32, u64)>) {
    let limit = Instant::now() + Duration::from_secs(20);
    let is_left = |(pid, start): &&(u32, u64)| stat(*pid).is_some_and(|(_, now)| now == *start);
    while let Some((pid, _)) = processes.iter().find(is_left) {
        let name = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        assert!(Instant::now() < limit, "process {pid} is left: {name}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// What a lab must leave as it was.
#[derive(Debug, PartialEq, Eq)]
struct Machine {
    links: String,
    addresses: String,
    mounts: String,
    etc: Vec<String>,
    ours: Vec<String>,
}

impl Machine {
    fn now() -> Self {
        let ip = |what: &str| run(Command::new("ip").args(["-o", what]));
        // Lifetimes of addresses count down by themselves.
        let addresses = ip("addr")
            .split_whitespace()
            .filter(|w| !w.ends_with("sec"))
            .collect();
        // Other programs' tests leave files about too; ours would bear the lab's name.
        Self {
            links: ip("link"),
            addresses,
            mounts: fs::read_to_string("/proc/self/mountinfo").unwrap(),
            etc: names("/etc", |_| true),
            ours: [
                "/tmp", "/run", "/var/tmp", "/dev/shm", "/media", "/srv", "/mnt",
            ]
            .iter()
            .flat_map(|place| {
                names(place, |name| {
                    name.contains("schism-lab") || place == &"/media"
                })
            })
            .collect(),
        }
    }
}

fn names(place: &str, keep: impl Fn(&str) -> bool) -> Vec<String> {
    let entries = fs::read_dir(place)
        .into_iter()
        .flatten()
        .filter_map(Result::ok);
    let mut names: Vec<String> = entries
        .filter(|entry| keep(&entry.file_name().to_string_lossy()))
        .map(|entry| {
            let changed = entry.metadata().and_then(|data| data.modified()).ok();
            format!("{} {changed:?}", entry.path().display())
        })
        .collect();
    names.sort();
    names
}

/// Starts it and waits for a line on the stream that `pick` chooses.
fn start_until(
    command: &mut Command,
    line: &str,
    pick: impl Fn(&mut Child) -> Box<dyn Read>,
) -> Child {
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(pick(&mut child))
        .lines()
        .map_while(Result::ok);
    let found = lines.find(|read| read.contains(line));
    assert!(found.is_some(), "it ended without {line:?}");
    child
}

fn stdout_of(child: &mut Child) -> Box<dyn Read> {
    Box::new(child.stdout.take().unwrap())
}

fn stderr_of(child: &mut Child) -> Box<dyn Read> {
    Box::new(child.stderr.take().unwrap())
}

fn send(child: &Child, signal: rustix::process::Signal) {
    let pid = rustix::process::Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    rustix::process::kill_process(pid, signal).unwrap();
}

#[test]
fn five_hosts_differ_in_all_that_makes_a_host() {
    let start = Instant::now();
    let script = "for n in 1 2 3 4 5; do
          on n$n 'hostname; hostname -I; echo $HOME; cat /etc/hostname; test ! -e /root/mine; \
                  touch /root/mine; setsid sleep 1000 </dev/null >/dev/null 2>&1 & \
                  until pgrep -x sleep >/dev/null; do :; done; pgrep -c -x sleep'
        done
        on n1 'pkill -9 sleep'
        for n in 1 2; do on n$n 'echo n'$n' has $(pgrep -c -x sleep) left'; done";
    let said = run(&mut exec(&[], script));
    println!("lab and script took {:?}", start.elapsed());
    for node in 1..=5 {
        let part = format!("n{node}\n10.77.0.{node} \n/root\nn{node}\n1\n");
        assert!(said.contains(&part), "{said:?} should say {part:?}");
    }
    assert!(said.ends_with("n1 has 0 left\nn2 has 1 left\n"), "{said}");
}

#[test]
fn a_node_cannot_touch_the_machine_or_the_lab() {
    // Each line must fail on a node.
    let attempts = "touch /etc/x
        touch /usr/x
        mount -o remount,rw /
        mount -o remount,bind,rw /
        umount /root
        umount /proc/sys/net
        date -s '2030-01-01'
        mknod /tmp/disk b 254 0
        echo 1 >/proc/sys/kernel/panic
        echo 10 >/proc/sys/vm/swappiness
        echo h >/proc/sysrq-trigger
        head -c 1 /dev/kmsg
        ls /dev/vda /dev/sda /dev/mem
        ls /run/dbus /run/systemd /run/docker.sock
        cat /etc/ssh/ssh_host_ed25519_key
        cat $KEY
        nsenter -t 1 -m ls $KEY";
    let modes: &[&str] = if is_root() {
        &["if-possible", "never"]
    } else {
        &["if-possible"]
    };
    for mode in modes {
        // Where the node's root is the machine's, mounts can be undone: it is kept from
        // accidents only.
        let is_tried = |line: &&str| *mode != "never" || !line.contains("mount");
        let tests: String = attempts
            .lines()
            .filter(is_tried)
            .map(|line| format!("if {line}; then echo \"DID: {line}\"; fi >&2\n"))
            .collect();
        let script = format!(
            "KEY=$(dirname \"$SCHISM_LAB_INVENTORY\")/keys/login; test -e $KEY || exit 9
             (echo KEY=$KEY; cat) <<'END' | ssh -F \"${{KEY%/keys/login}}/ssh_config\" n1 sh\n\
             {tests}echo tried all\nEND"
        );
        let said = run(&mut exec(
            &["--nodes", "1", "--user-namespace", mode],
            &script,
        ));
        assert!(
            said.contains("tried all") && !said.contains("DID"),
            "{mode}: {said}"
        );
    }
}

#[test]
fn a_firewall_table_is_its_nodes_own() {
    let script =
        "on n1 'nft add table inet t && nft add chain inet t c \"{ type filter hook input \
                  priority 0; }\" && nft add rule inet t c ip saddr 10.77.0.2 drop'
        reach() { on $1 \"timeout 2 bash -c 'read x </dev/tcp/10.77.0.$2/22' && echo $1-$2\"; }
        reach n2 1; reach n3 1; reach n2 3
        on n1 'nft list tables; nft delete table inet t'; on n2 'nft list tables'
        reach n2 1
        nft list tables";
    let output = exec(&["--nodes", "3"], script).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(
        said,
        "n3-1\nn2-3\ntable inet t\nn2-1\n",
        "{}",
        text(&output)
    );
}

#[test]
fn the_commands_end_is_the_labs_end() {
    assert_eq!(
        exec(&["--nodes", "1"], "exit 17").status().unwrap().code(),
        Some(17)
    );
    assert_eq!(
        exec(&["--nodes", "1"], "kill -9 $$")
            .status()
            .unwrap()
            .code(),
        Some(137)
    );
    let output = schism(&["lab", "exec", "--nodes", "1", "--", "/no/such"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(3));
    assert!(
        text(&output).contains("failed to run /no/such: No such file"),
        "{}",
        text(&output)
    );
    let output = schism(&["lab", "exec", "--nodes", "0", "--", "true"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(64), "{}", text(&output));
}

#[test]
fn files_of_the_machine_can_be_written_from_the_control_side() {
    let place = std::env::temp_dir().join(format!("lab-test-{}", std::process::id()));
    fs::create_dir(&place).unwrap();
    let file = place.join("run");
    run(exec(&["--nodes", "1"], "pwd >run").current_dir(&place));
    let written = fs::read_to_string(&file).unwrap();
    fs::remove_dir_all(&place).unwrap();
    assert_eq!(Path::new(written.trim()), place);
}

#[test]
fn kill_9_leaves_nothing_at_any_phase() {
    let before = Machine::now();
    for phase in ["namespaces", "network", "nodes", "ready", "teardown"] {
        let mut command = exec(&["--nodes", "3", "--halt-at", phase], "true");
        let mut child = start_until(&mut command, "halted at", stderr_of);
        let processes = tree(child.id());
        assert!(processes.len() >= 2, "{phase}: {processes:?}");
        child.kill().unwrap();
        child.wait().unwrap();
        wait_until_gone(&processes);
    }
    let busy = "on n1 'echo busy; nft add table inet t; sleep 1000'";
    let mut child = start_until(&mut exec(&["--nodes", "3"], busy), "busy", stdout_of);
    let processes = tree(child.id());
    assert!(processes.len() > 8, "{processes:?}");
    child.kill().unwrap();
    child.wait().unwrap();
    wait_until_gone(&processes);
    assert_eq!(Machine::now(), before);
}

#[test]
fn the_keepers_death_is_the_labs() {
    let mut command = exec(&["--nodes", "2"], "echo up; sleep 1000");
    let mut child = start_until(&mut command, "up", stdout_of);
    let processes = tree(child.id());
    let keeper = processes
        .iter()
        .find(|(pid, _)| stat(*pid).is_some_and(|s| s.0 == child.id()));
    let keeper = i32::try_from(keeper.unwrap().0).unwrap();
    let keeper = rustix::process::Pid::from_raw(keeper).unwrap();
    rustix::process::kill_process(keeper, rustix::process::Signal::KILL).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(137));
    wait_until_gone(&processes);
}

#[test]
fn signals_reach_the_program_and_end_the_lab() {
    use rustix::process::Signal;
    // The program decides: it may finish first and choose its code.
    for (signal, trap, code) in [
        (Signal::TERM, "trap 'exit 5' TERM", 5),
        (Signal::INT, "trap 'exit 6' INT", 6),
        (Signal::TERM, "true", 143),
        (Signal::HUP, "true", 129),
    ] {
        let script = format!("{trap}; echo up; while :; do sleep 0.05; done");
        let mut child = start_until(&mut exec(&["--nodes", "1"], &script), "up", stdout_of);
        let processes = tree(child.id());
        send(&child, signal);
        assert_eq!(
            child.wait().unwrap().code(),
            Some(code),
            "{signal:?} {trap}"
        );
        wait_until_gone(&processes);
    }
    // While the lab boots there is no program yet.
    let mut command = exec(&["--nodes", "1", "--halt-at", "nodes"], "true");
    let mut child = start_until(&mut command, "halted at", stderr_of);
    let processes = tree(child.id());
    send(&child, Signal::INT);
    assert_eq!(child.wait().unwrap().code(), Some(130));
    wait_until_gone(&processes);
}

#[test]
fn ctrl_c_reaches_the_program_once() {
    // `script` gives it a terminal of its own, in which ^C is a signal to the whole group.
    let program = "trap 'echo caught; n=$((n+1))' INT; echo up; \
                   while [ ${n:-0} -lt 1 ]; do sleep 0.05; done; sleep 0.5; echo n=$n";
    let line = format!(
        "exec {} lab exec --nodes 1 -- sh -c \"$P\"",
        env!("CARGO_BIN_EXE_schism")
    );
    let mut child = Command::new("env")
        .args(["--default-signal", "script"])
        .args(["--quiet", "--return", "--command", &line, "/dev/null"])
        .env("P", program)
        .env("SHELL", "/bin/sh")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("FAILED: `script` (package bsdutils) is missing: {error}"));
    let mut lines = BufReader::new(child.stdout.take().unwrap())
        .lines()
        .map_while(Result::ok);
    assert!(lines.any(|line| line.contains("up")));
    let processes = tree(child.id());
    let mut terminal = child.stdin.take().unwrap();
    std::io::Write::write_all(&mut terminal, b"\x03").unwrap();
    let rest: Vec<String> = lines.collect();
    assert!(rest.iter().any(|line| line.trim() == "n=1"), "{rest:?}");
    assert!(child.wait().unwrap().success());
    wait_until_gone(&processes);
}

#[test]
fn a_background_lab_is_one_and_goes_without_a_trace() {
    let before = Machine::now();
    let name = format!("test-{}", std::process::id());
    let lab = |action: &[&str]| {
        let mut command = schism(&["lab", action[0], "--name", &name]);
        command.args(&action[1..]);
        command
    };
    let said = run(&mut lab(&["up", "--nodes", "2"]));
    println!("{said}");
    for part in [
        "n1 10.77.0.1  ready   ssh ",
        "   root   ",
        "2 nodes ready in ",
        "lab down",
    ] {
        assert!(said.contains(part), "{said}");
    }
    let again = lab(&["up"]).output().unwrap();
    assert_eq!(again.status.code(), Some(3));
    assert!(text(&again).contains("already running"), "{}", text(&again));

    let script = format!("{ON}on n2 hostname; pwd; exit 4");
    let output = lab(&["exec", "--running", "--", "sh", "-c", &script])
        .output()
        .unwrap();
    let here = std::env::current_dir().unwrap();
    assert_eq!(text(&output), format!("n2\n{}\n", here.display()));
    assert_eq!(output.status.code(), Some(4));
    let mut shell = lab(&["shell", "n1"]);
    let mut shell = shell
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut shell.stdin.take().unwrap(), b"hostname\n").unwrap();
    assert!(text(&shell.wait_with_output().unwrap()).contains("n1"));

    let mut guest = lab(&["exec", "--running", "--", "sh", "-c", "echo up; sleep 1000"]);
    let mut guest = start_until(&mut guest, "up", stdout_of);
    assert!(run(&mut lab(&["down"])).contains("2 nodes are gone"));
    assert_eq!(guest.wait().unwrap().code(), Some(137));
    let none = lab(&["down"]).output().unwrap();
    assert!(text(&none).contains("schism lab up"), "{}", text(&none));

    // Killed outright it leaves nothing either, and its name is free at once.
    for _ in 0..2 {
        run(&mut lab(&["up", "--nodes", "1"]));
        let outer = outer_process(&name);
        let processes = tree(outer);
        assert!(processes.len() >= 4, "{processes:?}");
        let outer = rustix::process::Pid::from_raw(i32::try_from(outer).unwrap()).unwrap();
        rustix::process::kill_process(outer, rustix::process::Signal::KILL).unwrap();
        wait_until_gone(&processes);
    }
    assert_eq!(Machine::now(), before);
}

/// The process of a background lab that is no child of another of its processes.
fn outer_process(name: &str) -> u32 {
    let ours: Vec<u32> = fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|pid| {
            let line = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            line.contains(&format!("--name\0{name}\0"))
        })
        .collect();
    let is_outer = |pid: &&u32| stat(**pid).is_some_and(|(parent, _)| !ours.contains(&parent));
    *ours.iter().find(is_outer).unwrap()
}

/// Runs a script with those files put over the machine's, for its eyes only.
fn with_files(files: &[(&str, &str)], script: &str) -> Command {
    let mut command = Command::new("unshare");
    let binds: String = files
        .iter()
        .enumerate()
        .map(|(index, (path, text))| match *text {
            "" => format!("mount --bind /dev/null {path} || exit 99\n"),
            text => format!(
                "f=/tmp/.f{index}; cat >$f <<'END'\n{text}END\nmount --bind $f {path} || exit 99\n"
            ),
        })
        .collect();
    let private = "mount --make-rprivate /; mount -t tmpfs t /tmp; chmod 1777 /tmp";
    command
        .args([
            "--mount",
            "sh",
            "-c",
            &format!("{private}\n{binds}{script}"),
        ])
        .env("SCHISM", env!("CARGO_BIN_EXE_schism"))
        .stdin(Stdio::null());
    command
}

/// The users and ids of a machine with an ordinary user `lab-test` (uid 4242).
fn ordinary_user(ranges: &'static str) -> Vec<(&'static str, String)> {
    let passwd = fs::read_to_string("/etc/passwd").unwrap();
    let passwd = format!("{passwd}lab-test:x:4242:4242::/tmp:/bin/sh\n");
    vec![
        ("/etc/passwd", passwd),
        ("/etc/subuid", ranges.to_owned()),
        ("/etc/subgid", ranges.to_owned()),
    ]
}

/// Whether this run can play the ordinary user; says so if not.
fn can_change_user() -> bool {
    let can = is_root();
    if !can {
        println!("SKIPPED 1: playing another user takes root; run the tests as root as well");
    }
    can
}

const AS_USER: &str = "cp $SCHISM /tmp/schism; cd /tmp; \
                       exec setpriv --reuid 4242 --regid 4242 --clear-groups env HOME=/tmp ";

#[test]
fn an_ordinary_user_has_the_same_lab() {
    if !can_change_user() {
        return;
    }
    let files = ordinary_user("lab-test:700000:65536\n");
    let files: Vec<(&str, &str)> = files.iter().map(|(p, t)| (*p, t.as_str())).collect();
    let script = format!(
        "{AS_USER} /tmp/schism lab exec --nodes 3 -- sh -c '{ON}
         on n1 \"hostname; id -u; nft add table inet t && echo nft; touch /root/x /var/lib/x\"
         on n3 \"hostname; ls /root; touch /etc/x; date -s 2030-01-01; mount -o remount,rw /; true\"
         touch /tmp/written; ls -n /tmp/written'"
    );
    let said = run(&mut with_files(&files, &script));
    assert!(said.contains("n1\n0\nnft\nn3\n"), "{said}");
    assert!(
        said.contains("Read-only") && said.contains("cannot set date"),
        "{said}"
    );
}

#[test]
fn an_ordinary_user_without_rights_is_told_the_remedy() {
    if !can_change_user() {
        return;
    }
    let told = |ranges: &'static str, before: &str, run: &str| {
        let files = ordinary_user(ranges);
        let files: Vec<(&str, &str)> = files.iter().map(|(p, t)| (*p, t.as_str())).collect();
        let output = with_files(&files, &format!("{before}{run}"))
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(3), "{}", text(&output));
        text(&output)
    };
    let lab = "/tmp/schism lab exec --nodes 1 -- true";
    let said = told("eve:1:10\n", AS_USER, lab);
    assert!(said.contains("usermod --add-subuids"), "{said}");
    // A user namespace in which there can be no others.
    let nested = "cp $SCHISM /tmp/schism; cd /tmp; setpriv --reuid 4242 --regid 4242 \
                  --clear-groups unshare --user --map-auto --map-root-user sh -c '
                  echo 0 >/proc/sys/user/max_user_namespaces
                  exec setpriv --reuid 9 --regid 9 --clear-groups ";
    let said = told("lab-test:700000:65536\n", nested, &format!("{lab}'"));
    assert!(
        said.contains("make a user namespace") && said.contains("sysctl -w"),
        "{said}"
    );
}

#[test]
fn what_is_missing_is_named_with_its_remedy() {
    if !can_change_user() {
        return;
    }
    let without_sshd: &[(&str, &str)] = &[("/usr/sbin/sshd", "")];
    let output = with_files(without_sshd, "exec $SCHISM lab exec -- true")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(3));
    assert!(
        text(&output).contains("apt-get install openssh-server"),
        "{}",
        text(&output)
    );
    let output = with_files(without_sshd, "exec $SCHISM doctor")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(3));
    let said = text(&output);
    assert!(said.contains("fail  sshd: not found"), "{said}");
    assert!(
        said.contains("fix: apt-get install openssh-server"),
        "{said}"
    );
}

#[test]
fn doctor_prints_one_check_or_all_for_people_or_programs() {
    let all = run(&mut schism(&["doctor", "--format", "json"]));
    let all: serde_json::Value = serde_json::from_str(&all).unwrap();
    assert_eq!(all["v"], 1);
    assert!(
        all["findings"]
            .as_array()
            .unwrap()
            .iter()
            .any(|one| one["id"] == "nft")
    );
    let one = run(&mut schism(&["doctor", "nft"]));
    assert_eq!(
        one,
        "  ok    nft: rules can be made in a namespace\nNo problems.\n"
    );
    let none = schism(&["doctor", "nfft"]).output().unwrap();
    assert!(
        text(&none).contains("find the check `nfft`; there are: sshd, "),
        "{}",
        text(&none)
    );
    let bad = schism(&["doctor", "--inventory", "/no/such"])
        .output()
        .unwrap();
    assert!(
        text(&bad).contains("failed to read /no/such"),
        "{}",
        text(&bad)
    );
}

#[test]
fn the_package_script_does_nothing_or_names_what_it_cannot_install() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/setup");
    let said = run(&mut Command::new(&script));
    assert_eq!(said, "setup: all there, nothing to do\n");
    if !can_change_user() {
        return;
    }
    let hidden: &[(&str, &str)] = &[("/usr/sbin/nft", ""), ("/usr/bin/apt-get", "")];
    let output = with_files(hidden, &format!("exec {}", script.display()))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(3));
    let said = text(&output);
    assert!(said.contains("missing: nftables"), "{said}");
    assert!(
        said.contains("apt-get install --no-install-recommends nftables"),
        "{said}"
    );
}

#[test]
fn the_package_script_installs_what_is_missing_and_starts_nothing() {
    if !can_change_user() {
        return;
    }
    // Installing fails until the lists were fetched, and works only while services are barred.
    let apt = "#!/bin/sh
        echo \"apt-get $*\" >>/tmp/asked
        case $1 in
            update) touch /tmp/lists ;;
            install) test -e /tmp/lists || exit 100
                     /usr/sbin/policy-rc.d; test $? = 101 || exit 100
                     printf '#!/bin/sh\\n' >/usr/sbin/nft; chmod 755 /usr/sbin/nft ;;
        esac\n";
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/setup");
    let steps = format!(
        "chmod 755 /tmp/.f0; mkdir /tmp/up /tmp/work
         mount -t overlay -o lowerdir=/usr/sbin,upperdir=/tmp/up,workdir=/tmp/work o /usr/sbin
         rm /usr/sbin/nft /usr/sbin/policy-rc.d 2>/dev/null
         {} && cat /tmp/asked && test ! -e /usr/sbin/policy-rc.d",
        script.display()
    );
    let said = run(&mut with_files(&[("/usr/bin/apt-get", apt)], &steps));
    assert!(
        said.contains("setup: installing nftables") && said.contains("setup: done"),
        "{said}"
    );
    let asked: Vec<&str> = said
        .lines()
        .filter(|line| line.starts_with("apt-get "))
        .collect();
    assert_eq!(asked.len(), 3, "{said}");
    assert!(
        asked[2].ends_with("--no-install-recommends nftables"),
        "{said}"
    );
}

#[test]
fn a_parent_that_ignores_dead_children_does_no_harm() {
    // As under some supervisors: the setting is inherited over exec.
    let mut command = exec(&["--nodes", "1"], "exit 9");
    let mut shell = Command::new("bash");
    let line: Vec<String> = std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(|word| schism::remote::quote(&word.to_string_lossy()))
        .collect();
    shell
        .args(["-c", &format!("trap '' CHLD; exec {}", line.join(" "))])
        .process_group(0);
    assert_eq!(shell.status().unwrap().code(), Some(9));
    assert_eq!(command.status().unwrap().code(), Some(9));
}
