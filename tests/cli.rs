//! The program's flags, output and exit codes, without any host.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use schism::report::verdict::{RunVerdict, Status};

/// Runs the program in a directory of its own, with nothing from the environment.
fn schism(place: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_schism"));
    command
        .args(args)
        .current_dir(place)
        .env_clear()
        .env("LC_ALL", "C.UTF-8");
    command.output().expect("the program starts")
}

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A directory that goes when the test ends.
struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("schism-cli-{}-{name}", std::process::id()));
        fs::create_dir_all(&path).expect("a directory can be made");
        Self(path)
    }

    fn file<'n>(&self, name: &'n str, text: &str) -> &'n str {
        fs::write(self.0.join(name), text).expect("a file can be written");
        name
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let gone = fs::remove_dir_all(&self.0);
        assert!(gone.is_ok() || std::thread::panicking());
    }
}

const GOOD: &str = r#"{"index":0,"time":1,"process":0,"type":"invoke","f":"write","key":"r1","value":7}
{"index":1,"time":2,"process":0,"type":"ok","f":"write","key":"r1","value":7}
{"index":2,"time":3,"process":0,"type":"invoke","f":"read","key":"r1","value":null}
{"index":3,"time":4,"process":0,"type":"ok","f":"read","key":"r1","value":7}
"#;

#[test]
fn wrong_arguments_are_64_and_help_is_0() {
    let place = Place::new("usage");
    for args in [
        &["rnu"][..],
        &["run"],
        &["demo", "--seeds", "5..1"],
        &["list", "nothing"],
    ] {
        let output = schism(&place.0, args);
        assert_eq!(output.status.code(), Some(64), "{args:?}: {}", err(&output));
        assert!(output.stdout.is_empty(), "complaints go to standard error");
    }
    for args in [&["--help"][..], &["--version"], &["run", "--help"]] {
        assert_eq!(schism(&place.0, args).status.code(), Some(0), "{args:?}");
    }
}

#[test]
fn a_trial_with_a_typo_is_named_with_its_line() {
    let place = Place::new("typo");
    let trial = place.file("t.toml", "name = \"t\"\n\n[load]\nclinets = 3\n");
    let output = schism(&place.0, &["run", trial]);
    assert_eq!(output.status.code(), Some(64));
    let said = err(&output);
    assert!(
        said.contains("t.toml, line 4: unknown field `clinets`"),
        "{said}"
    );
    assert!(said.contains("did you mean `clients`?"), "{said}");
    assert!(!place.0.join("runs").exists(), "nothing was begun");
    let output = schism(&place.0, &["demo", "--only", "asinc-no-fault"]);
    assert_eq!(output.status.code(), Some(64));
    assert!(
        err(&output).contains("did you mean `async-no-fault`?"),
        "{}",
        err(&output)
    );
}

#[test]
fn a_history_is_judged_and_the_code_says_how() {
    let place = Place::new("check");
    let stale = GOOD.replace(
        "\"type\":\"ok\",\"f\":\"read\",\"key\":\"r1\",\"value\":7",
        "\"type\":\"ok\",\"f\":\"read\",\"key\":\"r1\",\"value\":null",
    );
    for (text, code, word) in [
        (GOOD, 0, "✓ HELD"),
        (&stale, 1, "✗ VIOLATED"),
        ("", 4, "! NOTHING TO CHECK"),
    ] {
        let file = place.file("h.jsonl", text);
        let output = schism(&place.0, &["check", file]);
        assert_eq!(
            output.status.code(),
            Some(code),
            "{}{}",
            out(&output),
            err(&output)
        );
        assert!(out(&output).starts_with(word), "{}", out(&output));
    }
}

#[test]
fn claims_can_be_chosen() {
    let place = Place::new("claims");
    let file = place.file("h.jsonl", GOOD);
    // Nothing was finally read, so nobody can say that nothing is lost.
    let output = schism(&place.0, &["check", file, "--claim", "no-lost-writes"]);
    assert_eq!(output.status.code(), Some(2), "{}", out(&output));
    assert!(out(&output).starts_with("? UNDECIDED"), "{}", out(&output));
}

#[test]
fn what_is_expected_decides_the_code() {
    let place = Place::new("expect");
    let good = place.file("good.jsonl", GOOD);
    let value = "\"type\":\"ok\",\"f\":\"read\",\"key\":\"r1\",\"value\":";
    let stale = GOOD.replace(&format!("{value}7"), &format!("{value}null"));
    let stale = place.file("stale.jsonl", &stale);
    let expected = |files: &[&str], wanted: &str| {
        let mut args = vec!["check", "--expect", wanted];
        args.extend(files);
        let output = schism(&place.0, &args);
        (output.status.code(), out(&output) + &err(&output))
    };
    for (files, wanted, code, words) in [
        (&[good][..], "linearizable", 0, "HELD"),
        (
            &[stale],
            "linearizable",
            1,
            "linearizable must hold, and is violated",
        ),
        (&[stale], "stale-read", 0, "VIOLATED"),
        (
            &[good],
            "stale-read",
            1,
            "stale-read must be found, and was not",
        ),
        // It is judged because it is expected.
        (
            &[stale],
            "read-your-writes",
            1,
            "check stale.jsonl --expect read-your-writes",
        ),
        (
            &[good, stale],
            "linearizable",
            1,
            "stale.jsonl: linearizable must hold",
        ),
        (&[good, good], "linearizable", 0, "2 held"),
        (&[good, "missing.jsonl"], "linearizable", 3, "missing.jsonl"),
        (&[good], "linearisable", 64, "linearizable"),
    ] {
        let (got, said) = expected(files, wanted);
        assert_eq!(got, Some(code), "{files:?} {wanted}: {said}");
        assert!(said.contains(words), "{files:?} {wanted}: {said}");
        if files.len() == 1 && code != 64 {
            assert!(said.contains(&format!("exit {code}\n")), "{said}");
        }
    }
}

/// What Jepsen writes of a bank: one read of all accounts.
const BANK: &str = "\
{:type :invoke, :f :read, :process 0, :time 11142323154, :index 0}
{:type :ok, :f :read, :process 0, :time 11245205834, :value {0 10, 1 10, 2 10}, :index 1}
";

#[test]
fn a_bank_is_found_by_what_its_reads_return() {
    let place = Place::new("bank");
    let file = place.file("bank.edn", BANK);
    // One read shows what the total is, and no other one can contradict it.
    let output = schism(&place.0, &["check", file]);
    let said = out(&output);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(
        said.starts_with("? UNDECIDED  bank.edn  1 undecided"),
        "{said}"
    );
    assert!(said.contains("bank   ? undecided  1 read"), "{said}");
    assert!(!said.contains("seed"), "{said}");
    for (claim, code) in [("bank:total=30", 0), ("bank:total=31", 1)] {
        let output = schism(&place.0, &["check", file, "--claim", claim]);
        let said = out(&output);
        assert_eq!(output.status.code(), Some(code), "{said}");
        assert!(said.contains(claim) && said.contains("1 read"), "{said}");
        assert!(
            said.contains(&format!("check bank.edn --claim {claim}")),
            "{said}"
        );
    }
    // A register whose value is a map is still a register.
    let file = place.file("map.edn", &BANK.replace(":f :read", ":f :write"));
    let said = out(&schism(&place.0, &["check", file]));
    assert!(!said.contains("bank"), "{said}");
}

#[test]
fn claims_are_told_what_the_history_does_not_show() {
    let place = Place::new("settings");
    let call = |index: usize, process: u32, f: &str| {
        let line = |index: usize, kind: &str| {
            format!(
                "{{\"index\":{index},\"time\":{},\"process\":{process},\
                 \"type\":\"{kind}\",\"f\":\"{f}\",\"key\":\"l\",\"value\":null}}\n",
                index * 10_000_000
            )
        };
        line(2 * index, "invoke") + &line(2 * index + 1, "ok")
    };
    let both = call(0, 0, "acquire") + &call(1, 1, "acquire");
    let text = both + &call(2, 0, "release") + &call(3, 1, "release");
    let file = place.file("locks.jsonl", &text);
    // The second acquires after 20 ms, and has it after 30 ms.
    for (claim, code) in [
        ("locks", 1),
        ("locks:permits=1", 1),
        ("locks:permits=2", 2),
        ("locks:ttl=1s", 1),
        ("locks:ttl=25ms", 0),
        ("locks:ttl=35ms", 1),
        ("locks:ttl=35ms,uncertainty=10ms", 0),
    ] {
        let output = schism(&place.0, &["check", file, "--claim", claim]);
        assert_eq!(
            output.status.code(),
            Some(code),
            "{claim}: {}",
            out(&output)
        );
    }
    let output = schism(&place.0, &["check", file, "--claim", "locks:permit=2"]);
    assert_eq!(output.status.code(), Some(64));
    assert!(
        err(&output).contains("did you mean `permits`?"),
        "{}",
        err(&output)
    );
    let listed = out(&schism(&place.0, &["list", "claims"]));
    for setting in [
        "bank:total=",
        "locks:permits=",
        "locks:ttl=",
        "ordered-ids:slack=",
    ] {
        assert!(listed.contains(setting), "{listed}");
    }
}

#[test]
fn a_history_is_the_same_in_every_format() {
    let place = Place::new("convert");
    let file = place.file("h.jsonl", GOOD);
    for format in ["edn", "json", "bin", "jsonl"] {
        let output = schism(&place.0, &["convert", file, "other", "--format", format]);
        assert_eq!(output.status.code(), Some(0), "{format}: {}", err(&output));
        let output = schism(&place.0, &["check", "other"]);
        assert_eq!(output.status.code(), Some(0), "{format}: {}", err(&output));
        assert!(out(&output).starts_with("✓ HELD"), "{}", out(&output));
    }
    // The name tells the format, if it is not said; if it tells none, that is asked for.
    let output = schism(&place.0, &["convert", file, "other.edn"]);
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    let edn = fs::read_to_string(place.0.join("other.edn")).expect("it was written");
    assert!(edn.starts_with('{'), "{edn}");
    let output = schism(&place.0, &["convert", file, "other"]);
    assert_eq!(output.status.code(), Some(64));
    assert!(err(&output).contains("--format"), "{}", err(&output));
    let output = schism(&place.0, &["convert", file, "other", "--format", "jsnl"]);
    assert_eq!(output.status.code(), Some(64));
    assert!(
        err(&output).contains("did you mean `jsonl`?"),
        "{}",
        err(&output)
    );
}

#[test]
fn json_is_the_verdict_and_nothing_else() {
    let place = Place::new("json");
    let file = place.file("h.jsonl", GOOD);
    let output = schism(&place.0, &["check", file, "--format", "json"]);
    let verdict: RunVerdict = serde_json::from_slice(&output.stdout).expect("it is a verdict");
    assert_eq!((verdict.status, verdict.exit_code), (Status::Held, 0));
    assert_eq!(verdict.schema, "schism.verdict/1");
    let schema = schism(&place.0, &["schema", "verdict"]);
    let schema: serde_json::Value = serde_json::from_slice(&schema.stdout).expect("a schema");
    let written = serde_json::to_value(&verdict).expect("a value");
    let known = schema["properties"].as_object().expect("properties");
    for name in written.as_object().expect("an object").keys() {
        assert!(known.contains_key(name), "{name} is not in the schema");
    }
}

#[test]
fn what_is_no_history_is_refused_with_its_line() {
    let place = Place::new("malformed");
    let twice = GOOD.replace("\"index\":2", "\"index\":1");
    for (text, part) in [
        ("{\"index\":0}\n{}\n", "line 1"),
        (&*twice, "line 3: its index follows 1"),
        (
            &GOOD.replace(
                "\"process\":0,\"type\":\"ok\",\"f\":\"write\"",
                "\"process\":9,\"type\":\"ok\",\"f\":\"write\"",
            ),
            "never began",
        ),
    ] {
        let file = place.file("h.jsonl", text);
        let output = schism(&place.0, &["check", file]);
        assert_eq!(output.status.code(), Some(3), "{}", err(&output));
        assert!(err(&output).contains(part), "{part}: {}", err(&output));
    }
    let output = schism(&place.0, &["check", "missing.jsonl"]);
    assert!(err(&output).contains("missing.jsonl"), "{}", err(&output));
}

#[test]
fn ascii_means_ascii() {
    let place = Place::new("ascii");
    let file = place.file("h.jsonl", GOOD);
    assert!(out(&schism(&place.0, &["check", file, "--ascii"])).is_ascii());
    assert!(out(&schism(&place.0, &["--ascii", "list", "checkers"])).is_ascii());
    assert!(!out(&schism(&place.0, &["check", file])).is_ascii());
}

#[test]
fn everything_that_can_be_named_is_listed() {
    let place = Place::new("list");
    for (what, word) in [
        ("workloads", "mixed"),
        ("faults", "partition"),
        ("claims", "no-lost-writes"),
        ("checkers", "linearizable"),
        ("errors", "SteppedDown"),
        ("systems", "etcd"),
    ] {
        let output = schism(&place.0, &["list", what]);
        assert!(
            output.status.success() && out(&output).contains(word),
            "{}",
            out(&output)
        );
    }
    let completions = schism(&place.0, &["completions", "bash"]);
    assert!(
        out(&completions).contains("schism__subcmd__demo"),
        "{}",
        out(&completions)
    );
}

/// A history of a queue, in which the second element comes out first.
const QUEUE: &str = "\
{\"index\":0,\"time\":0,\"process\":0,\"type\":\"invoke\",\"f\":\"enqueue\",\"value\":1}
{\"index\":1,\"time\":1,\"process\":0,\"type\":\"ok\",\"f\":\"enqueue\",\"value\":1}
{\"index\":2,\"time\":2,\"process\":0,\"type\":\"invoke\",\"f\":\"enqueue\",\"value\":2}
{\"index\":3,\"time\":3,\"process\":0,\"type\":\"ok\",\"f\":\"enqueue\",\"value\":2}
{\"index\":4,\"time\":4,\"process\":1,\"type\":\"invoke\",\"f\":\"dequeue\",\"value\":null}
{\"index\":5,\"time\":5,\"process\":1,\"type\":\"ok\",\"f\":\"dequeue\",\"value\":2}
";

#[test]
fn a_model_is_asked_for_where_it_is_in_doubt() {
    let place = Place::new("model");
    let file = place.file("q.jsonl", QUEUE);
    let output = schism(&place.0, &["check", file]);
    assert_eq!(output.status.code(), Some(2), "{}", out(&output));
    assert!(out(&output).contains("--model"), "{}", out(&output));
    for (model, code) in [
        ("fifo-queue", 1),
        ("unordered-queue", 0),
        ("priority-queue", 0),
    ] {
        let output = schism(&place.0, &["check", file, "--model", model]);
        assert_eq!(
            output.status.code(),
            Some(code),
            "{model}: {}",
            out(&output)
        );
    }
    let output = schism(&place.0, &["check", file, "--model", "fifo-queue"]);
    assert!(
        out(&output).contains("decided by sweep"),
        "{}",
        out(&output)
    );
    assert!(
        out(&output).contains("├─ dequeue = 2 ─┤"),
        "{}",
        out(&output)
    );
    assert!(out(&output).lines().count() <= 15, "{}", out(&output));
    let output = schism(&place.0, &["check", file, "--model", "fifo"]);
    assert_eq!(output.status.code(), Some(64));
    let output = schism(&place.0, &["check", file, "--model", "semaphore"]);
    assert!(err(&output).contains("semaphore:3"), "{}", err(&output));
    assert!(out(&schism(&place.0, &["list", "models"])).contains("append-list"));
}

#[test]
fn what_schism_recorded_is_judged_by_all_claims() {
    let place = Place::new("ours");
    let phase = "{\"index\":100,\"time\":9000,\"process\":\"nemesis\",\"type\":\"info\",\
                 \"f\":\"phase\",\"value\":\"heal\"}\n";
    let file = place.file("ours.jsonl", &format!("{GOOD}{phase}"));
    for name in [file, "other"] {
        let output = schism(&place.0, &["check", name]);
        assert!(out(&output).contains("no-lost-writes"), "{}", out(&output));
        let binary = ["convert", file, "other", "--format", "bin"];
        assert_eq!(schism(&place.0, &binary).status.code(), Some(0));
    }
}

#[test]
fn many_histories_get_a_line_each_and_a_summary() {
    let place = Place::new("many");
    place.file("good.jsonl", GOOD);
    place.file("queue.jsonl", QUEUE);
    place.file("broken.jsonl", "nonsense");
    place.file("empty.jsonl", "");
    let files = [
        "check",
        "good.jsonl",
        "queue.jsonl",
        "broken.jsonl",
        "empty.jsonl",
    ];
    let output = schism(&place.0, &files);
    let text = out(&output);
    assert_eq!(output.status.code(), Some(3), "{text}");
    for part in [
        "✓ HELD",
        "good.jsonl",
        "? UNDECIDED",
        "! NOT VALID",
        "begins with",
        "4 histories: 1 not valid, 1 undecided, 1 with nothing to check, 1 held",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    // A violation stands whatever else there is.
    let stale = GOOD.replace(
        "\"f\":\"read\",\"key\":\"r1\",\"value\":7",
        "\"f\":\"read\",\"key\":\"r1\",\"value\":8",
    );
    place.file("stale.jsonl", &stale);
    let files = ["check", "broken.jsonl", "stale.jsonl", "--format", "json"];
    let output = schism(&place.0, &files);
    assert_eq!(output.status.code(), Some(1), "{}", out(&output));
    let verdicts: Vec<RunVerdict> = (out(&output).lines())
        .map(|line| serde_json::from_str(line).expect("each line is a verdict"))
        .collect();
    assert_eq!(verdicts.len(), 1);
    assert!(err(&output).contains("broken.jsonl"), "{}", err(&output));
}

#[test]
fn standard_input_is_read() {
    use std::io::Write as _;
    let place = Place::new("stdin");
    let mut child = Command::new(env!("CARGO_BIN_EXE_schism"))
        .args(["check", "-"])
        .current_dir(&place.0)
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("schism runs");
    let mut input = child.stdin.take().expect("it has an input");
    input.write_all(GOOD.as_bytes()).expect("it reads");
    drop(input);
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(0), "{}", out(&output));
    assert!(out(&output).contains("is linearizable"), "{}", out(&output));
}

#[test]
fn a_reader_that_is_gone_changes_nothing() {
    let place = Place::new("gone");
    place.file("good.jsonl", GOOD);
    for command in [
        &["check", "good.jsonl"][..],
        &["ledger", "good.jsonl"],
        &["list", "claims"],
        &["completions", "bash"],
        &["--help"],
    ] {
        let (reader, writer) = std::io::pipe().expect("a pipe can be had");
        drop(reader);
        let output = Command::new(env!("CARGO_BIN_EXE_schism"))
            .args(command)
            .current_dir(&place.0)
            .stdout(writer)
            .output()
            .expect("schism runs");
        assert_eq!(output.status.code(), Some(0), "{command:?}");
        assert_eq!(err(&output), "", "{command:?}");
    }
}

#[test]
fn a_certificate_is_written_and_verified() {
    let place = Place::new("certificate");
    place.file("good.jsonl", GOOD);
    place.file("queue.jsonl", QUEUE);
    for (file, model, code, said) in [
        ("good.jsonl", "register", 0, "PROVEN  linearizable"),
        ("queue.jsonl", "fifo-queue", 1, "PROVEN  not linearizable"),
    ] {
        let check = ["check", file, "--model", model, "--certificate", "proof"];
        let output = schism(&place.0, &check);
        assert_eq!(output.status.code(), Some(code), "{}", out(&output));
        let output = schism(&place.0, &["verify", file, "proof"]);
        assert_eq!(output.status.code(), Some(0), "{}", out(&output));
        assert!(out(&output).starts_with(said), "{}", out(&output));
    }
    // The proof of another history proves nothing of this one.
    let output = schism(&place.0, &["verify", "good.jsonl", "proof"]);
    assert_eq!(output.status.code(), Some(1), "{}", out(&output));
    assert!(out(&output).starts_with("WRONG"), "{}", out(&output));
}

#[test]
fn a_budget_that_is_spent_leaves_it_open() {
    let place = Place::new("budget");
    let file = place.file("h.jsonl", GOOD);
    for (flag, value, part) in [
        ("--memory", "lots", "500M or 4G"),
        ("--time", "soon", "--time"),
    ] {
        let output = schism(&place.0, &["check", file, flag, value]);
        assert_eq!(output.status.code(), Some(64));
        assert!(err(&output).contains(part), "{}", err(&output));
    }
    // Sixty clients write one of two values at once, over and over: more orders than memory.
    let mut text = String::new();
    let mut index = 0;
    for round in 0..4_u64 {
        for (kind, at) in [("invoke", 0), ("ok", 1)] {
            for process in 0..60 {
                let time = round * 2 + at;
                let value = (process * 7 + round) % 23;
                text += &format!(
                    "{{\"index\":{index},\"time\":{time},\"process\":{process},\"type\":\"{kind}\",\
                     \"f\":\"write\",\"value\":{value}}}\n"
                );
                index += 1;
            }
        }
    }
    for (kind, value) in [("invoke", "null"), ("ok", "99")] {
        text += &format!(
            "{{\"index\":{index},\"time\":{},\"process\":0,\"type\":\"{kind}\",\"f\":\"read\",\
             \"value\":{value}}}\n",
            100 + index
        );
        index += 1;
    }
    let file = place.file("wide.jsonl", &text.replace(":99}", ":22}"));
    let output = schism(&place.0, &["check", file, "--memory", "1M", "--time", "5s"]);
    let code = output.status.code();
    assert!(matches!(code, Some(0 | 2)), "{code:?} {}", out(&output));
    if code == Some(2) {
        assert!(
            out(&output).contains("budget was spent"),
            "{}",
            out(&output)
        );
    }
}

#[test]
fn words_are_explained() {
    let place = Place::new("explain");
    let output = schism(&place.0, &["explain", "monotonic-reads"]);
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    assert!(out(&output).starts_with("monotonic-reads, a guarantee; also: MR"));
    let output = schism(&place.0, &["explain", "lost-wirte"]);
    assert_eq!(output.status.code(), Some(64));
    assert!(
        err(&output).contains("did you mean `lost-write`?"),
        "{}",
        err(&output)
    );
    let words = out(&schism(&place.0, &["explain"]));
    for word in [
        "held",
        "snapshot-isolation",
        "no-lost-writes",
        "dirty-write",
    ] {
        assert!(words.lines().any(|line| line == word), "{word}");
    }
}

#[test]
fn the_fate_of_every_write_is_a_table() {
    let place = Place::new("ledger");
    let finally = r#"{"index":4,"time":5,"process":9,"type":"invoke","f":"final-read","key":"r1","value":null,"node":"n1"}
{"index":5,"time":6,"process":9,"type":"ok","f":"final-read","key":"r1","value":null,"node":"n1"}
"#;
    let file = place.file("h.jsonl", &format!("{GOOD}{finally}"));
    let output = schism(&place.0, &["ledger", file]);
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    let text = out(&output);
    let rows: Vec<&str> = text.lines().collect();
    assert!(rows[0].starts_with("fate,kind,key,value,index"), "{text}");
    assert!(rows[1].starts_with("lost,register,r1,7,0,"), "{text}");
    assert_eq!(rows.len(), 2);
    let output = schism(&place.0, &["ledger", file, "--fate", "present,dirty"]);
    assert_eq!(out(&output).lines().count(), 1);
    let output = schism(&place.0, &["ledger", file, "--fate", "gone"]);
    assert_eq!(output.status.code(), Some(64));
    assert!(err(&output).contains("overwritten"), "{}", err(&output));
}
