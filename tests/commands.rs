//! The commands that read what runs left, as their users call them.

mod runs;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Instant;

use runs::{HOSTILE, Place};

fn command(place: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_schism"));
    command
        .args(args)
        .current_dir(place)
        .env_clear()
        .env("LC_ALL", "C.UTF-8");
    command
}

fn schism(place: &Path, args: &[&str]) -> Output {
    command(place, args).output().expect("the program starts")
}

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

const ID: &str = "2026-01-01T00-00-00Z-demo";

#[test]
fn a_run_and_a_finding_are_shown_in_few_lines() {
    let place = Place::new("show");
    runs::simulated(&place.0.join("runs").join(ID), 1);
    let output = schism(&place.0, &["show", ID]);
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    let text = out(&output);
    assert!(text.starts_with("✗ VIOLATED"), "{text}");
    assert!(text.contains("acknowledged writes were lost"), "{text}");
    let output = schism(&place.0, &["show", ID, "f1"]);
    let text = out(&output);
    assert!(text.starts_with("F1  "), "{text}");
    assert!(text.lines().count() <= 15, "{text}");
    assert!(text.contains('├'), "there is a picture: {text}");
    // Explained, what its words mean follows.
    let explained = out(&schism(&place.0, &["explain", "F1", ID]));
    assert!(explained.starts_with(text.trim_end()), "{explained}");
    assert!(explained.contains("an anomaly"), "{explained}");
    assert_eq!(
        schism(&place.0, &["explain", "F999", ID]).status.code(),
        Some(64)
    );
    let ascii = out(&schism(&place.0, &["--ascii", "show", ID]));
    assert!(ascii.is_ascii(), "{ascii}");
    let mut dumb = command(&place.0, &["show", ID]);
    let dumb = dumb
        .env("TERM", "dumb")
        .env("NO_COLOR", "1")
        .env("LC_ALL", "C")
        .output();
    let dumb = out(&dumb.expect("the program starts"));
    assert!(dumb.is_ascii() && !dumb.contains('\u{1b}'), "{dumb}");
    let narrow = command(&place.0, &["show", ID])
        .env("COLUMNS", "60")
        .output();
    let narrow = out(&narrow.expect("the program starts"));
    let table = narrow
        .lines()
        .skip_while(|line| !line.starts_with("claim"))
        .take(5);
    for line in table {
        assert!(line.chars().count() <= 60, "{line}");
    }
    let missing = schism(&place.0, &["show", ID, "F9999"]);
    assert_eq!(missing.status.code(), Some(64));
    assert_eq!(
        schism(&place.0, &["show", "nothing"]).status.code(),
        Some(64)
    );
}

#[test]
fn hostile_values_do_not_reach_the_terminal() {
    let place = Place::new("show-hostile");
    runs::hostile(&place.0.join("run"));
    for args in [&["show", "run"][..], &["show", "run", "F2"], &["ci", "run"]] {
        let text = out(&schism(&place.0, args));
        let hidden = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
        assert!(!text.contains(hidden), "{args:?}: {text:?}");
        assert!(text.len() < 100_000, "{args:?}: long values are cut");
    }
}

#[test]
fn a_thousand_runs_are_listed_at_once_and_old_ones_pruned() {
    let place = Place::new("list");
    let runs = place.0.join("runs");
    let one = runs.join("2026-02-02T00-00-00Z-demo");
    runs::simulated(&one, 1);
    let verdict = fs::read(one.join("verdict.json")).expect("there is a verdict");
    for number in 0..1000 {
        let run = runs.join(format!("2026-01-01T00-00-00Z-r{number:04}"));
        fs::create_dir_all(&run).expect("a directory can be made");
        fs::write(run.join("verdict.json"), &verdict).expect("it can be written");
    }
    fs::create_dir_all(runs.join("precious")).expect("a directory can be made");
    let begun = Instant::now();
    let output = schism(&place.0, &["runs"]);
    let took = begun.elapsed();
    let text = out(&output);
    assert!(
        text.lines()
            .nth(2)
            .is_some_and(|line| line.contains("2026-02-02")),
        "{text}"
    );
    assert!(
        text.contains("✗ violated") && text.contains("971 more"),
        "{text}"
    );
    println!("1,001 runs listed in {took:?} (bar: 0.2 s, in a release build)");
    let narrow = command(&place.0, &["runs"]).env("COLUMNS", "50").output();
    let narrow = out(&narrow.expect("the program starts"));
    assert!(
        narrow.lines().all(|line| line.chars().count() <= 50),
        "{narrow}"
    );
    let prune = ["prune", "--keep", "10", "--older-than", "0s"];
    let dry = schism(&place.0, &[&prune[..], &["--dry-run"]].concat());
    assert!(
        out(&dry).contains("991 of 1001 runs would be removed"),
        "{}",
        out(&dry)
    );
    assert_eq!(fs::read_dir(&runs).expect("it can be read").count(), 1002);
    schism(&place.0, &prune);
    assert_eq!(fs::read_dir(&runs).expect("it can be read").count(), 11);
    assert!(runs.join("precious").exists() && one.exists());
}

#[test]
fn a_build_server_is_told() {
    let place = Place::new("ci");
    let run = place.0.join("run");
    runs::simulated(&run, 1);
    // Without expectations in the verdict every violation fails.
    let file = run.join("verdict.json");
    let text = fs::read_to_string(&file).expect("there is a verdict");
    let text = text
        .replace("\"expected\":\"any\",", "")
        .replace("\"expected\":\"violated\",", "");
    fs::write(&file, &text).expect("it can be written");
    let ci = |more: &[&str]| {
        let args = [&["ci", "run"][..], more].concat();
        let mut command = command(&place.0, &args);
        command.env("GITHUB_ACTIONS", "true");
        command.env("GITHUB_STEP_SUMMARY", place.0.join("summary"));
        command.env("GITHUB_OUTPUT", place.0.join("output"));
        command.output().expect("the program starts")
    };
    let output = ci(&[]);
    assert_eq!(
        output.status.code(),
        Some(1),
        "{}{}",
        out(&output),
        err(&output)
    );
    assert!(out(&output).contains("::error title="), "{}", out(&output));
    let junit = fs::read_to_string(run.join("junit.xml")).expect("it is written");
    assert!(junit.contains("<failure type=\"lost-"), "{junit}");
    let summary = fs::read_to_string(place.0.join("summary")).expect("it is written");
    let own = fs::read_to_string(run.join("summary.md")).expect("it is written");
    assert!(
        summary == own && summary.starts_with("## ✗ VIOLATED"),
        "{summary}"
    );
    // The words of the terminal.
    let shown = out(&schism(&place.0, &["show", "run", "F1"]));
    let first = shown.lines().next().expect("a line");
    assert!(summary.contains(first), "{first} is in {summary}");
    let outputs = fs::read_to_string(place.0.join("output")).expect("it is written");
    assert!(
        outputs.starts_with("verdict=violated\nexit-code=1\n"),
        "{outputs}"
    );
    let again = ci(&["--previous", "run"]);
    assert!(out(&again).contains("[ongoing]"), "{}", out(&again));
    // What is known does not fail, until it expires.
    let prints: Vec<&str> = own
        .split("Fingerprint `")
        .skip(1)
        .map(|rest| &rest[..12])
        .collect();
    let known = |expires: &str| {
        let entry = |print: &&str| {
            format!(
                "[[known]]\nfingerprint = \"{print}\"\nowner = \"me\"\nexpires = \"{expires}\"\n"
            )
        };
        let text: String = prints.iter().map(entry).collect();
        fs::write(place.0.join("known.toml"), text).expect("it can be written");
        ci(&["--known", "known.toml"])
    };
    let output = known("9999-12-31");
    assert_eq!(
        output.status.code(),
        Some(0),
        "{}{}",
        out(&output),
        err(&output)
    );
    assert_eq!(known("2020-01-01").status.code(), Some(1));
    let wanted = ci(&["--expect", "stale-read", "--expect", "lost-write"]);
    assert_eq!(wanted.status.code(), Some(0), "{}", out(&wanted));
    assert_eq!(ci(&["--expect", "linearizable"]).status.code(), Some(1));
    assert_eq!(ci(&["--expect", "linearisable"]).status.code(), Some(64));
}

#[test]
fn two_runs_are_compared() {
    let place = Place::new("diff");
    runs::simulated(&place.0.join("a"), 1);
    runs::simulated(&place.0.join("b"), 2);
    let file = place.0.join("b/verdict.json");
    let text = fs::read_to_string(&file).expect("there is a verdict");
    fs::write(&file, text.replace("lost-write", "odd-write")).expect("it can be written");
    let output = schism(&place.0, &["diff", "a", "b", "--html", "d.html"]);
    let text = out(&output);
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    for word in ["new", "resolved", "ongoing", "seed", "no-lost-writes"] {
        assert!(text.contains(word), "{word}: {text}");
    }
    let page = fs::read_to_string(place.0.join("d.html")).expect("it is written");
    assert!(page.contains("odd-write"));
}

#[test]
fn parts_of_a_campaign_are_merged() {
    let place = Place::new("merge");
    runs::simulated(&place.0.join("one/async-s1"), 1);
    runs::simulated(&place.0.join("two"), 2);
    let output = schism(&place.0, &["merge", "one", "two"]);
    assert_eq!(
        output.status.code(),
        Some(0),
        "{}{}",
        out(&output),
        err(&output)
    );
    assert!(out(&output).starts_with("2 runs in "), "{}", out(&output));
    let latest = place.0.join("runs/latest");
    let page = fs::read_to_string(latest.join("report.html")).expect("a page is drawn");
    assert!(
        page.contains("leader killed, follower promoted"),
        "faults are over the columns"
    );
    assert!(
        page.contains("href=\"./async-leader-killed-s1/report.html\""),
        "cells are links"
    );
    assert!(
        latest
            .join("async-leader-killed-s2/history.jsonl.zst")
            .exists()
    );
    assert_eq!(schism(&place.0, &["ci", "latest"]).status.code(), Some(0));
    assert_eq!(
        schism(&place.0, &["merge", "nothing"]).status.code(),
        Some(64)
    );
    assert_eq!(
        schism(&place.0, &["demo", "--partition", "4/3"])
            .status
            .code(),
        Some(64)
    );
    // One run alone is all in the first part.
    let second = ["demo", "--only", "sync-no-fault", "--partition", "2/2"];
    assert_eq!(schism(&place.0, &second).status.code(), Some(4));
}

#[test]
fn histories_and_findings_are_csv() {
    let place = Place::new("csv");
    runs::hostile(&place.0.join("run"));
    let output = schism(&place.0, &["export", "run"]);
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    let history = fs::read_to_string(place.0.join("run/history.csv")).expect("it is written");
    assert!(history.starts_with("index,time_ns,process,type,f,key,value,node,error\n"));
    let quoted = HOSTILE.replace('"', "\"\"");
    assert!(
        history.contains(&format!("\"{quoted}\"")),
        "quotes are doubled"
    );
    let findings = fs::read_to_string(place.0.join("run/findings.csv")).expect("it is written");
    assert!(
        findings.lines().any(|line| line.starts_with("F2,")),
        "{findings}"
    );
}

/// Sends a request as it is, and returns head and body of the answer.
fn request(port: u16, head: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("somebody listens");
    write!(stream, "{head}\r\nConnection: close\r\n\r\n").expect("it can be sent");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("it answers");
    String::from_utf8_lossy(&answer).into_owned()
}

#[test]
fn nothing_outside_of_the_runs_can_be_reached() {
    let place = Place::new("serve");
    let runs = place.0.join("runs");
    let run = runs.join(ID);
    runs::simulated(&run, 1);
    fs::write(place.0.join("secret"), "SECRET").expect("it can be written");
    fs::write(runs.join(".hidden"), "SECRET").expect("it can be written");
    std::os::unix::fs::symlink(&place.0, runs.join("out")).expect("a link can be made");
    std::os::unix::fs::symlink("../../secret", run.join("link")).expect("a link can be made");
    let mut child = command(&place.0, &["serve", "--listen", "127.0.0.1:0"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut first = String::new();
    let output = child.stdout.take().expect("it has an output");
    BufReader::new(output)
        .read_line(&mut first)
        .expect("it says its address");
    let port = first
        .trim()
        .trim_end_matches('/')
        .rsplit(':')
        .next()
        .and_then(|p| p.parse().ok());
    let port: u16 = port.unwrap_or_else(|| panic!("no port in {first}"));
    let host = format!("Host: localhost:{port}");
    let get = |path: &str| request(port, &format!("GET {path} HTTP/1.1\r\n{host}"));
    let tried = std::panic::catch_unwind(|| {
        let index = get("/");
        assert!(index.contains("200 OK") && index.contains(ID), "{index}");
        assert!(
            !get("/?q=nothing-like-it").contains(ID),
            "the filter filters"
        );
        assert!(
            get("/?q=%3Cscript%3E").contains("&lt;script&gt;"),
            "the filter is text"
        );
        let page = get(&format!("/run/{ID}/"));
        assert!(
            page.contains("200 OK") && page.contains("<h1"),
            "a page is drawn"
        );
        assert!(get(&format!("/run/{ID}")).contains("302 Found"));
        assert!(get(&format!("/run/{ID}/verdict.json")).contains("application/json"));
        let log = get(&format!("/run/{ID}/nodes/n1/node.log"));
        assert!(
            log.contains("text/plain") && log.contains("sandbox"),
            "{log}"
        );
        for path in [
            "/secret",
            "/run/",
            "/run/../secret",
            "/run/%2e%2e/secret",
            "/run/..%2fsecret",
            "/run/%2e%2e%2f%2e%2e%2fetc/passwd",
            "/run//etc/passwd",
            "/run/%2fetc/passwd",
            "/run/out/secret",
            "/run/out/",
            "/run/.hidden",
            "/run/latest/../../secret",
            "/run/%252e%252e/secret",
            "/run/..\\secret",
            "/run/x%00/../secret",
            &format!("/run/{ID}/link"),
            &format!("/run/{ID}/../../secret"),
            &format!("/run/{ID}/%2e%2e/%2e%2e/secret"),
            "//secret",
            "/run/./../secret",
        ] {
            let answer = get(path);
            assert!(
                !answer.contains("SECRET") && !answer.contains("root:"),
                "{path}: {answer}"
            );
            assert!(
                answer.contains("404 Not Found") || answer.contains("400 "),
                "{path}: {answer}"
            );
        }
        let foreign = request(port, "GET / HTTP/1.1\r\nHost: evil.example");
        assert!(foreign.contains("403 Forbidden"), "{foreign}");
        let post = request(
            port,
            &format!("POST / HTTP/1.1\r\n{host}\r\nContent-Length: 0"),
        );
        assert!(post.contains("405 "), "{post}");
    });
    child.kill().expect("it still runs");
    child.wait().expect("it ends");
    assert!(tried.is_ok(), "see above");
}

#[test]
fn events_are_lines_of_json() {
    let place = Place::new("events");
    // There is no node program, so the run proves nothing; it is told all the same.
    let args = [
        "run",
        "t.toml",
        "--progress",
        "json",
        "--node-binary",
        "/nonexistent",
    ];
    let host =
        |name: &str| format!("[[host]]\nname = \"{name}\"\naddress = \"127.0.0.1\"\nport = 9\n");
    let trial = format!("name = \"t\"\n{}{}", host("n1"), host("n2"));
    fs::write(place.0.join("t.toml"), trial).expect("it can be written");
    let output = schism(&place.0, &args);
    let said = err(&output);
    let events: Vec<serde_json::Value> = said
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect();
    let named = |name: &str| events.iter().find(|event| event["event"] == name);
    assert!(
        events
            .iter()
            .all(|event| event["v"] == 1 && event["run"] == "t"),
        "{said}"
    );
    assert!(
        named("run_started").is_some() && named("phase").is_some(),
        "{said}"
    );
    assert!(
        named("verdict").is_some_and(|event| event["status"] == "not valid"),
        "{said}"
    );
    let page = place.0.join("runs/latest/report.html");
    let page = fs::read_to_string(page).expect("a page is drawn of such a run, too");
    assert!(page.contains("This run proves nothing."), "and says so");
}

#[test]
fn the_smallest_schedule_of_a_run_is_found_and_shows_the_same() {
    let place = Place::new("shrink");
    let run = place.0.join("runs").join(ID);
    runs::simulated(&run, 1);
    let output = schism(
        &place.0,
        &["shrink", ID, "--claim", "linearizable", "--tries", "40"],
    );
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    let text = out(&output);
    assert!(
        text.contains("linearizable was refuted with seed"),
        "{text}"
    );
    let smallest = fs::read_to_string(run.join("min-schedule.toml")).expect("it was written");
    let plan = fs::read_to_string(run.join("plan.toml")).expect("every run has one");
    let number = |text: &str, of: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(of));
        let number = line.and_then(|rest| rest.trim_start_matches(" = ").parse::<u64>().ok());
        number.unwrap_or_else(|| panic!("no {of} in {text}"))
    };
    assert!(
        number(&smallest, "clients") < number(&plan, "clients"),
        "{smallest}"
    );
    // The command that it ends with shows it again: the trial expects just that.
    let again = text.lines().last().expect("it says something");
    let again = again.trim_start().trim_start_matches("again").trim_start();
    let words: Vec<&str> = again.split(' ').skip(1).collect();
    let output = schism(&place.0, &words);
    assert_eq!(output.status.code(), Some(0), "{again}: {}", out(&output));
    assert!(out(&output).contains("1 of 1"), "{}", out(&output));
    // The page of the run names it.
    schism(&place.0, &["report", ID]);
    let page = fs::read_to_string(run.join("report.html")).expect("it was drawn");
    assert!(page.contains("min-schedule.toml"), "the page names it");

    // A campaign has several; one of them must be named.
    runs::simulated(&place.0.join("runs/campaign/async-leader-killed"), 1);
    let output = schism(&place.0, &["shrink", "campaign"]);
    assert_eq!(output.status.code(), Some(64));
    assert!(
        err(&output).contains("runs/campaign/async-leader-killed"),
        "{}",
        err(&output)
    );
    let output = schism(&place.0, &["shrink", "raft"]);
    assert_eq!(output.status.code(), Some(64));
    assert!(
        err(&output).contains("raft-leader-killed"),
        "{}",
        err(&output)
    );
    let redis = "name = \"r\"\nsystem = \"redis\"\n[load]\nworkload = \"register\"\n";
    fs::write(place.0.join("r.toml"), redis).expect("the disk takes it");
    let output = schism(&place.0, &["shrink", "r.toml"]);
    assert_eq!(output.status.code(), Some(64));
    assert!(err(&output).contains("on hosts alone"), "{}", err(&output));
}

#[test]
fn the_trend_of_a_plan_is_told_over_its_runs() {
    let place = Place::new("trend");
    for (at, seed) in [("00", 1), ("01", 2), ("02", 3)] {
        let id = format!("2026-01-01T00-{at}-00Z-demo");
        runs::simulated(&place.0.join("runs").join(id), seed);
    }
    let text = out(&schism(&place.0, &["trend"]));
    let mut lines = text.lines().skip(2);
    let first = lines.next().expect("a plan");
    assert!(first.starts_with("async-leader-killed  3 runs"), "{text}");
    assert!(first.contains('✗'), "{text}");
    assert!(
        lines.any(|line| line.trim_start().starts_with("lost writes")),
        "{text}"
    );
    let ascii = out(&schism(
        &place.0,
        &["--ascii", "trend", "async", "--limit", "2"],
    ));
    assert!(ascii.is_ascii() && ascii.contains("2 runs"), "{ascii}");
    let none = out(&schism(&place.0, &["trend", "nothing-of-that-name"]));
    assert!(none.contains("no runs of such a plan"), "{none}");
}
