//! The SSH remote against real sshds, in a lab of its own. Each trap of libssh2 and sshd that we
//! know of has a test here.
//!
//! This test has no harness: the program must enter the lab before it starts a thread.

#![expect(
    clippy::unwrap_used,
    reason = "all of this is test, which clippy cannot see without the usual harness"
)]

mod harness;
mod surroundings;

use std::fs;
use std::future::Future;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::process::{Command as Program, ExitCode};
use std::sync::Arc;
use std::time::{Duration, Instant};

use harness::{Harness, say};
use schism::inventory;
use schism::lab::{self, Entered, Lab, LabSpec};
use schism::remote::ssh::{Auth, Endpoint, Limits, Ssh, Trust};
use schism::remote::{Command, Exit, Remote, RemoteError, on_all};
use surroundings::enter;

fn main() -> ExitCode {
    if std::env::args().skip(1).eq([PANIC.to_owned()]) {
        panic_inside();
    }
    let names = [A_PANIC]
        .into_iter()
        .chain(TESTS.iter().map(|(name, _)| *name));
    let Some(mut harness) = Harness::new(names) else {
        return ExitCode::SUCCESS;
    };
    // Before this program has a lab of its own, because it takes one more.
    if harness.wants(A_PANIC) {
        harness.run(A_PANIC, a_panic_ends_the_lab);
    }
    let lab = match enter(&LabSpec {
        nodes: 4,
        ..LabSpec::default()
    }) {
        Ok(lab) => Arc::new(lab),
        Err(code) => return code,
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    for (name, test) in TESTS {
        if harness.wants(name) {
            harness.run(name, || runtime.block_on(test(Arc::clone(&lab))));
        }
    }
    harness.end()
}

/// The argument that makes this program panic in a lab.
const PANIC: &str = "panic-inside";

fn panic_inside() {
    if let Ok(Entered::Outside(code)) = lab::enter(&LabSpec {
        nodes: 1,
        ..LabSpec::default()
    }) {
        std::process::exit(code.into());
    }
    panic!("as it should");
}

const A_PANIC: &str = "a_panic_ends_the_lab";

fn a_panic_ends_the_lab() {
    let child = Program::new(std::env::current_exe().unwrap())
        .arg(PANIC)
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let pid = child.id();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(101));
    assert!(String::from_utf8_lossy(&output.stderr).contains("as it should"));
    // The pipe has ended, so no process of that lab holds it any more; its outer one was waited for.
    assert!(!Path::new(&format!("/proc/{pid}")).exists());
}

type Test = fn(Arc<Lab>) -> Pin<Box<dyn Future<Output = ()> + Send>>;

macro_rules! tests {
    ($($name:ident),* $(,)?) => {
        const TESTS: &[(&str, Test)] = &[$((stringify!($name), |lab| Box::pin($name(lab)))),*];
    };
}

tests![
    a_command_gives_its_output_and_a_failure_says_all,
    a_command_killed_by_a_signal_has_failed,
    ten_megabytes_on_both_streams_do_not_deadlock,
    standard_input_arrives_whole_and_need_not_be_read,
    a_timeout_ends_the_wait_and_not_the_host,
    seven_silent_seconds_are_fine,
    a_command_that_nobody_waits_for_is_let_go_at_once,
    a_daemon_does_not_hold_its_command,
    commands_run_side_by_side_on_one_host,
    more_commands_than_sshd_has_sessions_queue_up,
    many_hosts_connecting_at_once_get_through_a_small_door,
    a_frozen_sshd_times_out_and_thaws,
    a_session_cut_by_the_host_is_opened_anew,
    a_restarted_host_is_reached_at_once_with_its_files,
    the_death_of_a_host_is_seen,
    an_upload_is_whole_and_skipped_when_there,
    an_upload_to_a_full_disk_says_so_and_leaves_nothing,
    a_download_is_whole_or_not_there,
    hosts_that_cannot_be_reached_say_why_and_what_to_do,
    host_keys_are_checked,
    a_jump_host_is_gone_through,
    another_user_means_sudo_or_runuser,
    an_inventory_file_does_the_same_as_the_lab,
    an_agent_has_the_key,
];

fn endpoint(lab: &Lab, node: &str) -> Endpoint {
    lab.hosts()
        .iter()
        .find(|host| host.name == node)
        .unwrap()
        .endpoint()
}

fn ssh(lab: &Lab, node: &str) -> Ssh {
    Ssh::new(endpoint(lab, node))
}

fn scratch(lab: &Lab, name: &str) -> PathBuf {
    lab.inventory_file().with_file_name(name)
}

async fn sh(remote: &Ssh, script: &str) -> String {
    remote
        .run(&Command::shell(script))
        .await
        .unwrap()
        .stdout
        .trim_end()
        .to_owned()
}

async fn failure(remote: &Ssh, command: &Command) -> String {
    remote.run(command).await.unwrap_err().to_string()
}

async fn a_command_gives_its_output_and_a_failure_says_all(lab: Arc<Lab>) {
    let n1 = ssh(&lab, "n1");
    let output = n1
        .run(&Command::shell("echo out; echo err >&2"))
        .await
        .unwrap();
    assert_eq!(
        (output.stdout.as_str(), output.stderr.as_str()),
        ("out\n", "err\n")
    );
    let start = Instant::now();
    for _ in 0..20 {
        n1.run(&Command::args(["true"])).await.unwrap();
    }
    say(&format!("  `true` takes {:?}", start.elapsed() / 20));
    let said = failure(&n1, &Command::shell("echo no such thing >&2; exit 7")).await;
    for part in ["n1", "exit 7", "exit status 7", "no such thing"] {
        assert!(said.contains(part), "{said:?} should say {part:?}");
    }
    let directory = Command::args(["pwd"]).directory("/var/log");
    assert_eq!(n1.run(&directory).await.unwrap().stdout, "/var/log\n");
}

async fn a_command_killed_by_a_signal_has_failed(lab: Arc<Lab>) {
    // libssh2 says status 0 of it.
    match ssh(&lab, "n1").run(&Command::shell("kill -KILL $$")).await {
        Err(RemoteError::Failed { exit, .. }) => assert_eq!(exit, Exit::Signal("KILL".into())),
        other => panic!("{other:?}"),
    }
}

async fn ten_megabytes_on_both_streams_do_not_deadlock(lab: Arc<Lab>) {
    let script = "head -c 10000000 /dev/zero >&2; head -c 10000000 /dev/zero; echo end >&2";
    let output = ssh(&lab, "n1").run(&Command::shell(script)).await.unwrap();
    assert_eq!(
        (output.stdout.len(), output.stderr.len()),
        (10_000_000, 10_000_004)
    );
}

async fn standard_input_arrives_whole_and_need_not_be_read(lab: Arc<Lab>) {
    let n1 = ssh(&lab, "n1");
    let count = Command::args(["wc", "-c"]).stdin(vec![b'x'; 5_000_000]);
    assert_eq!(n1.run(&count).await.unwrap().stdout.trim(), "5000000");
    let deaf = Command::args(["true"]).stdin(vec![b'x'; 20_000_000]);
    // Where the command ends in the middle of a packet is chance.
    for _ in 0..30 {
        n1.run(&deaf).await.unwrap();
    }
}

async fn a_timeout_ends_the_wait_and_not_the_host(lab: Arc<Lab>) {
    let n1 = ssh(&lab, "n1");
    let start = Instant::now();
    let slow = Command::args(["sleep", "60"]).timeout(Duration::from_millis(500));
    let said = failure(&n1, &slow).await;
    assert_eq!(said, "run `sleep 60` on n1: no answer within 0.5 s");
    assert!(
        start.elapsed() < Duration::from_secs(20),
        "{:?}",
        start.elapsed()
    );
    assert_eq!(sh(&n1, "echo still here; pkill sleep").await, "still here");
}

async fn seven_silent_seconds_are_fine(lab: Arc<Lab>) {
    // With libssh2's keepalive this fails and loses its output.
    assert_eq!(sh(&ssh(&lab, "n1"), "sleep 7; echo done").await, "done");
}

async fn a_command_that_nobody_waits_for_is_let_go_at_once(lab: Arc<Lab>) {
    let n1 = ssh(&lab, "n1");
    let slow = Command::args(["sleep", "59"]);
    let start = Instant::now();
    let given_up = tokio::time::timeout(Duration::from_millis(300), n1.run(&slow)).await;
    assert!(given_up.is_err());
    assert_eq!(sh(&n1, "echo next; pkill sleep").await, "next");
    let other = ssh(&lab, "n1");
    let given_up = tokio::time::timeout(Duration::from_millis(300), other.run(&slow)).await;
    assert!(given_up.is_err());
    drop(other);
    sh(&n1, "pkill sleep").await;
    assert!(
        start.elapsed() < Duration::from_secs(20),
        "{:?}",
        start.elapsed()
    );
}

async fn a_daemon_does_not_hold_its_command(lab: Arc<Lab>) {
    let n1 = ssh(&lab, "n1");
    let start = Instant::now();
    let pid = sh(&n1, "setsid sleep 58 </dev/null >/tmp/log 2>&1 & echo $!").await;
    assert!(
        start.elapsed() < Duration::from_secs(20),
        "{:?}",
        start.elapsed()
    );
    sh(&n1, &format!("kill {pid}")).await;
}

async fn commands_run_side_by_side_on_one_host(lab: Arc<Lab>) {
    let n1 = ssh(&lab, "n1");
    sh(&n1, "true").await;
    // Each waits until all eight are there, so that one after the other would never end.
    let script = "d=/tmp/meet; mkdir -p $d; mktemp $d/XXXXXX >/dev/null; \
                  until [ $(ls $d | wc -l) -ge 8 ]; do sleep 0.02; done";
    let commands = vec![Command::shell(script); 8];
    on_all(&commands, |command| n1.run(command)).await.unwrap();
}

async fn more_commands_than_sshd_has_sessions_queue_up(lab: Arc<Lab>) {
    let n1 = ssh(&lab, "n1");
    let commands = vec![Command::args(["hostname"]); 40];
    let outputs = on_all(&commands, |command| n1.run(command)).await.unwrap();
    assert!(outputs.iter().all(|output| output.stdout == "n1\n"));
}

async fn many_hosts_connecting_at_once_get_through_a_small_door(lab: Arc<Lab>) {
    let n1 = ssh(&lab, "n1");
    let config = "sed 's/^MaxStartups.*/MaxStartups 2:100:2/; s/^Listen.*/&:2222/' \
                  /run/sshd/config >/run/small; \
                  setsid /usr/sbin/sshd -D -f /run/small </dev/null >/dev/null 2>&1 & echo $!";
    let pid = sh(&n1, config).await;
    let small = Endpoint {
        port: 2222,
        ..endpoint(&lab, "n1")
    };
    let limits = Limits {
        attempts: 100,
        connect: Duration::from_secs(30),
        ..Limits::default()
    };
    let many: Vec<Ssh> = (0..16)
        .map(|_| Ssh::with_limits(small.clone(), limits.clone()))
        .collect();
    on_all(&many, |remote| async move {
        remote.run(&Command::args(["true"])).await
    })
    .await
    .unwrap();
    sh(&n1, &format!("kill {pid}")).await;
}

async fn a_frozen_sshd_times_out_and_thaws(lab: Arc<Lab>) {
    let (frozen, other) = (ssh(&lab, "n2"), ssh(&lab, "n2"));
    let pid = sh(&frozen, "echo $PPID").await;
    sh(&other, &format!("kill -STOP {pid}")).await;
    let hasty = Command::args(["true"]).timeout(Duration::from_secs(1));
    let said = failure(&frozen, &hasty).await;
    assert!(said.contains("no answer within 1 s"), "{said}");
    sh(&other, &format!("kill -CONT {pid}")).await;
    assert_eq!(sh(&frozen, "hostname").await, "n2");
}

async fn a_session_cut_by_the_host_is_opened_anew(lab: Arc<Lab>) {
    let (cut, other) = (ssh(&lab, "n2"), ssh(&lab, "n2"));
    let pid = sh(&cut, "echo $PPID").await;
    sh(&other, &format!("kill -KILL {pid}")).await;
    assert_ne!(sh(&cut, "echo $PPID").await, pid);
    // While a command runs, nobody knows whether it did its work.
    let said = failure(&cut, &Command::shell("kill -KILL $PPID; sleep 5")).await;
    assert!(
        said.starts_with("hear how `kill -KILL $PPID; sleep 5` ended on n2: "),
        "{said}"
    );
}

async fn a_restarted_host_is_reached_at_once_with_its_files(lab: Arc<Lab>) {
    let n3 = ssh(&lab, "n3");
    sh(&n3, "echo kept >/var/lib/x; echo lost >/tmp/x").await;
    let start = Instant::now();
    tokio::task::spawn_blocking({
        let lab = Arc::clone(&lab);
        move || lab.restart_node("n3").unwrap()
    })
    .await
    .unwrap();
    assert_eq!(sh(&n3, "cat /var/lib/x; ls /tmp").await, "kept");
    say(&format!("  restarted and reached in {:?}", start.elapsed()));
    let n1 = ssh(&lab, "n1");
    assert_eq!(
        sh(
            &n1,
            "bash -c 'read -t 5 x </dev/tcp/10.77.0.3/22; echo ${x%%-*}'"
        )
        .await,
        "SSH"
    );
    assert!(lab.deaths().is_empty());
    assert!(
        lab.restart_node("n9")
            .unwrap_err()
            .to_string()
            .contains("n1 to n4")
    );
}

async fn the_death_of_a_host_is_seen(lab: Arc<Lab>) {
    let pid = lab.node_pid("n4").unwrap().unwrap();
    let pid = rustix::process::Pid::from_raw(pid).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    let limit = Instant::now() + Duration::from_secs(10);
    let deaths = loop {
        let deaths = lab.deaths();
        if !deaths.is_empty() || Instant::now() > limit {
            break deaths;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    assert_eq!(deaths, [("n4".to_owned(), "killed by signal 9".to_owned())]);
    assert_eq!(lab.node_pid("n4").unwrap(), None);
    lab.restart_node("n4").unwrap();
    assert_eq!(sh(&ssh(&lab, "n4"), "hostname").await, "n4");
    lab.kill_node("n4").unwrap();
    lab.kill_node("n4").unwrap();
    lab.restart_node("n4").unwrap();
    assert!(
        lab.sshd_log("n4")
            .contains("Server listening on 10.77.0.4 port 22")
    );
}

fn write(path: &Path, text: impl AsRef<[u8]>) -> &Path {
    fs::write(path, text).unwrap();
    path
}

async fn an_upload_is_whole_and_skipped_when_there(lab: Arc<Lab>) {
    let n1 = ssh(&lab, "n1");
    let file = scratch(&lab, "up");
    let bytes: Vec<u8> = (0..8_000_000_u32)
        .map(|n| n.to_le_bytes()[n as usize % 3])
        .collect();
    write(&file, &bytes);
    let place = "/root/it's a dir/$HOME";
    let start = Instant::now();
    n1.upload(&file, place, 0o750).await.unwrap();
    say(&format!("  8 MB up in {:?}", start.elapsed()));
    let look = Command::args(["stat", "-c", "%a %s %i", place]);
    let seen = n1.run(&look).await.unwrap().stdout;
    assert!(seen.starts_with("750 8000000 "), "{seen}");
    n1.upload(&file, place, 0o700).await.unwrap();
    let again = n1.run(&look).await.unwrap().stdout;
    assert_eq!(
        again,
        seen.replacen("750", "700", 1),
        "the same file, not another copy"
    );
    let back = scratch(&lab, "back");
    n1.download(place, &back).await.unwrap();
    assert!(fs::read(&back).unwrap() == bytes);
    write(&file, "other");
    n1.upload(&file, place, 0o700).await.unwrap();
    assert_eq!(
        n1.run(&Command::args(["cat", place])).await.unwrap().stdout,
        "other"
    );
    assert_eq!(sh(&n1, "ls -A \"/root/it's a dir\"").await, "$HOME");
}

async fn an_upload_to_a_full_disk_says_so_and_leaves_nothing(lab: Arc<Lab>) {
    let n1 = ssh(&lab, "n1");
    sh(
        &n1,
        "mkdir -p /root/full && mount -t tmpfs -o size=64k t /root/full",
    )
    .await;
    let file = scratch(&lab, "big");
    write(&file, vec![7; 2_000_000]);
    let said = n1
        .upload(&file, "/root/full/x", 0o600)
        .await
        .unwrap_err()
        .to_string();
    for part in ["to n1", "No space left", "df -h"] {
        assert!(said.contains(part), "{said:?} should say {part:?}");
    }
    assert_eq!(sh(&n1, "ls -A /root/full; umount /root/full").await, "");
    let said = n1
        .upload(&file, "/usr/x", 0o600)
        .await
        .unwrap_err()
        .to_string();
    assert!(
        said.contains("choose a place that the login user may write to"),
        "{said}"
    );
    let said = n1
        .upload(Path::new("/no/such"), "/root/x", 0o600)
        .await
        .unwrap_err()
        .to_string();
    assert!(
        said.starts_with("copy /no/such to n1: No such file"),
        "{said}"
    );
}

async fn a_download_is_whole_or_not_there(lab: Arc<Lab>) {
    let place = scratch(&lab, "none");
    let n1 = ssh(&lab, "n1");
    let said = n1
        .download("/no/such", &place)
        .await
        .unwrap_err()
        .to_string();
    assert!(
        said.contains("from n1") && said.contains("No such file"),
        "{said}"
    );
    assert!(!place.exists() && !scratch(&lab, "none.part").exists());
}

async fn hosts_that_cannot_be_reached_say_why_and_what_to_do(lab: Arc<Lab>) {
    let good = endpoint(&lab, "n1");
    let directory = scratch(&lab, "bad");
    fs::create_dir_all(&directory).unwrap();
    let key = |name: &str| Auth::Key(directory.join(name));
    write(&directory.join("public"), "ssh-ed25519 AAAA me");
    for (name, passphrase) in [("stranger", ""), ("locked", "secret")] {
        let made = Program::new("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", passphrase, "-f"])
            .arg(directory.join(name))
            .status()
            .unwrap();
        assert!(made.success());
    }
    fs::set_permissions(
        directory.join("stranger"),
        fs::Permissions::from_mode(0o600),
    )
    .unwrap();
    let n1 = ssh(&lab, "n1");
    sh(
        &n1,
        "echo 'eve:x:1002:1002::/tmp:/bin/sh' >>/etc/passwd; \
         echo 'eve:!:19000:0:99999:7:::' >>/etc/shadow",
    )
    .await;
    let wrong = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    let cases = [
        (
            Endpoint {
                auth: key("none"),
                ..good.clone()
            },
            "cannot be read: No such file",
            "make it readable",
        ),
        (
            Endpoint {
                auth: Auth::Key("/".into()),
                ..good.clone()
            },
            "cannot be read",
            "make it readable",
        ),
        (
            Endpoint {
                auth: key("public"),
                ..good.clone()
            },
            "is not a private key",
            "without .pub",
        ),
        (
            Endpoint {
                auth: key("locked"),
                ..good.clone()
            },
            "has a passphrase",
            "ssh-add",
        ),
        (
            Endpoint {
                auth: key("stranger"),
                ..good.clone()
            },
            "does not let root in",
            "authorized_keys",
        ),
        (
            Endpoint {
                user: "eve".into(),
                ..good.clone()
            },
            "does not let eve in",
            "usermod -p '*' eve",
        ),
        (
            Endpoint {
                port: 23,
                ..good.clone()
            },
            "refused",
            "apt-get install openssh-server",
        ),
        (
            Endpoint {
                address: "10.77.0.99".into(),
                ..good.clone()
            },
            "",
            "check that the host is up",
        ),
        (
            Endpoint {
                address: "no.such.invalid".into(),
                ..good.clone()
            },
            "",
            "check the address",
        ),
        (
            Endpoint {
                trust: Trust::Pinned(wrong.into()),
                ..good.clone()
            },
            "not the pinned one",
            "pin its new key",
        ),
    ];
    let limits = Limits {
        connect: Duration::from_secs(5),
        attempts: 2,
        ..Limits::default()
    };
    for (endpoint, cause, remedy) in cases {
        let remote = Ssh::with_limits(endpoint, limits.clone());
        let error = remote.run(&Command::args(["true"])).await.unwrap_err();
        assert!(matches!(error, RemoteError::Connect { .. }), "{error:?}");
        let said = error.to_string();
        for part in ["reach n1 (", cause, remedy] {
            assert!(said.contains(part), "{said:?} should say {part:?}");
        }
        assert!(!said.contains('\n'), "one line: {said}");
    }
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = silent.local_addr().unwrap().port();
    let endpoint = Endpoint {
        address: "127.0.0.1".into(),
        port,
        ..good
    };
    let limits = Limits {
        connect: Duration::from_secs(1),
        ..limits
    };
    let said = failure(
        &Ssh::with_limits(endpoint, limits),
        &Command::args(["true"]),
    )
    .await;
    assert!(said.contains("speaks no SSH in time"), "{said}");
}

async fn host_keys_are_checked(lab: Arc<Lab>) {
    let file = scratch(&lab, "known");
    let with = |trust| {
        Ssh::new(Endpoint {
            trust,
            ..endpoint(&lab, "n1")
        })
    };
    let known = || with(Trust::Known(file.clone()));
    let true_command = Command::args(["true"]);
    let said = failure(&known(), &true_command).await;
    assert!(
        said.contains("is not in") && said.contains("ssh-keyscan -p 22 10.77.0.1"),
        "{said}"
    );
    with(Trust::AcceptNew(file.clone()))
        .run(&true_command)
        .await
        .unwrap();
    known().run(&true_command).await.unwrap();
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.starts_with("10.77.0.1 ssh-ed25519 AAAA"), "{text}");
    let other = text.replacen("AAAAI", "AAAAJ", 1);
    write(
        &file,
        other.replace("10.77.0.1", "10.77.0.9") + "\n" + &other[..other.len() - 6] + "AAAAA\n",
    );
    let said = failure(&with(Trust::AcceptNew(file.clone())), &true_command).await;
    assert!(
        said.contains("not the one in") && said.contains("ssh-keygen -R 10.77.0.1"),
        "{said}"
    );
    with(Trust::Any).run(&true_command).await.unwrap();
}

async fn a_jump_host_is_gone_through(lab: Arc<Lab>) {
    let gate = endpoint(&lab, "n1");
    let behind = Ssh::new(Endpoint {
        jump: Some(gate.clone().into()),
        ..endpoint(&lab, "n2")
    });
    assert_eq!(
        sh(&behind, "hostname; echo ${SSH_CLIENT%% *}").await,
        "n2\n10.77.0.1"
    );
    let file = scratch(&lab, "through");
    write(&file, vec![9; 3_000_000]);
    behind.upload(&file, "/root/through", 0o600).await.unwrap();
    assert_eq!(sh(&behind, "wc -c </root/through").await, "3000000");
    let output = behind
        .run(&Command::shell("head -c 3000000 /dev/zero"))
        .await
        .unwrap();
    assert_eq!(output.stdout.len(), 3_000_000);

    let nowhere = Endpoint {
        port: 23,
        jump: Some(gate.clone().into()),
        ..endpoint(&lab, "n2")
    };
    let said = failure(&Ssh::new(nowhere), &Command::args(["true"])).await;
    assert!(said.contains("jump host n1 cannot reach it"), "{said}");
    let gate = Endpoint { port: 23, ..gate };
    let locked = Endpoint {
        jump: Some(gate.into()),
        ..endpoint(&lab, "n2")
    };
    let said = failure(&Ssh::new(locked), &Command::args(["true"])).await;
    assert!(
        said.starts_with("reach n2 (") && said.contains("jump host n1: "),
        "{said}"
    );
}

async fn another_user_means_sudo_or_runuser(lab: Arc<Lab>) {
    let n1 = ssh(&lab, "n1");
    // This machine need not have sudo; what matters is how it is called.
    let stub = "echo 'bob:x:1001:1001::/tmp:/bin/sh' >>/etc/passwd; \
                mount -t tmpfs t /usr/local/bin; cat >/usr/local/bin/sudo; \
                chmod 755 /usr/local/bin /usr/local/bin/sudo";
    let script = "#!/bin/sh\n[ \"$1 $2 $4\" = '-n -u --' ] || exit 9\n\
                  [ \"$3\" = root ] || { echo 'sudo: a password is required' >&2; exit 1; }\n\
                  shift 4\nexport AS_ROOT=1\nexec \"$@\"\n";
    n1.run(&Command::shell(stub).stdin(script)).await.unwrap();
    let who = Command::args(["id", "-un"]).user("bob").directory("/tmp");
    assert_eq!(n1.run(&who).await.unwrap().stdout, "bob\n");

    let bob = Ssh::new(Endpoint {
        user: "bob".into(),
        ..endpoint(&lab, "n1")
    });
    let quoted = Command::shell("echo \"$AS_ROOT it's $0\"").as_root();
    assert_eq!(bob.run(&quoted).await.unwrap().stdout, "1 it's /bin/sh\n");
    let said = failure(&bob, &Command::args(["true"]).user("ann")).await;
    assert!(said.contains("give bob `NOPASSWD: ALL`"), "{said}");
}

fn schism() -> Program {
    Program::new(env!("CARGO_BIN_EXE_schism"))
}

async fn an_inventory_file_does_the_same_as_the_lab(lab: Arc<Lab>) {
    assert_eq!(inventory::load(&lab.inventory_file()).unwrap(), lab.hosts());
    let mut hosts = lab.hosts().to_vec();
    // From another directory, with a relative key, and the nodes behind one of them.
    for host in &mut hosts {
        host.key = Some("keys/login".into());
    }
    let gate = hosts[0].clone();
    hosts[1].jump = Some(inventory::Jump::Full(Box::new(gate)));
    hosts[2].jump = Some(inventory::Jump::Short("root@10.77.0.2:22".into()));
    let file = scratch(&lab, "other.toml");
    write(&file, inventory::render(&hosts));
    let loaded = inventory::load(&file).unwrap();
    let remotes: Vec<Ssh> = loaded
        .iter()
        .map(|host| Ssh::new(host.endpoint()))
        .collect();
    let names = on_all(&remotes, |remote| async move {
        remote
            .run(&Command::args(["hostname"]))
            .await
            .map(|output| output.stdout)
    });
    assert_eq!(names.await.unwrap(), ["n1\n", "n2\n", "n3\n", "n4\n"]);
    let output = schism()
        .arg("doctor")
        .arg("--inventory")
        .arg(&file)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}");
    for part in [
        "ok    n1-reach: ssh",
        "ok    n3-rights: root is root",
        "ok    n4-firewall",
    ] {
        assert!(text.contains(part), "{text}");
    }
}

async fn an_agent_has_the_key(lab: Arc<Lab>) {
    let socket = scratch(&lab, "agent");
    let mut agent = Program::new("ssh-agent")
        .arg("-D")
        .arg("-a")
        .arg(&socket)
        .spawn()
        .unwrap();
    let limit = Instant::now() + Duration::from_secs(10);
    while !socket.exists() && Instant::now() < limit {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let mut host = lab.hosts()[0].clone();
    let key = host.key.take().unwrap();
    host.agent = true;
    let file = scratch(&lab, "agent.toml");
    write(&file, inventory::render(&[host]));
    // libssh2 finds the agent by the environment, so this takes a process of its own.
    let doctor = || {
        let mut doctor = schism();
        doctor
            .args(["doctor", "n1-reach", "--inventory"])
            .arg(&file)
            .env("SSH_AUTH_SOCK", &socket);
        let output = doctor.output().unwrap();
        (
            output.status.code(),
            String::from_utf8(output.stdout).unwrap(),
        )
    };
    let (code, text) = doctor();
    assert!(code == Some(3) && text.contains("ssh-add"), "{text}");
    let added = Program::new("ssh-add")
        .arg("-q")
        .arg(key)
        .env("SSH_AUTH_SOCK", &socket)
        .status();
    assert!(added.unwrap().success());
    let (code, text) = doctor();
    agent.kill().unwrap();
    agent.wait().unwrap();
    assert!(code == Some(0), "{text}");
}
