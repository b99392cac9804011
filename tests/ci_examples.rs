//! The examples for build servers and the queries of the documentation, carried out as written.

#[expect(dead_code, reason = "other tests need hostile runs")]
mod runs;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use runs::Place;

fn here(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn text(path: &str) -> String {
    fs::read_to_string(here(path)).expect("the example is there")
}

/// The lines of a block that begins after a line that ends with `head`, without their indent.
fn block(text: &str, head: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        if !line.trim_end().ends_with(head) {
            continue;
        }
        let indent = |line: &str| line.len() - line.trim_start().len();
        let outer = indent(line);
        let mut block = String::new();
        while let Some(line) = lines.next_if(|l| l.trim().is_empty() || indent(l) > outer) {
            block += line.get(outer + 2..).unwrap_or_default();
            block.push('\n');
        }
        blocks.push(block);
    }
    blocks
}

/// A place with a run, and a `schism` whose `run` does nothing and says that something is
/// violated; all else is the program itself.
fn stage(name: &str) -> Place {
    let place = Place::new(name);
    runs::simulated(&place.0.join("runs/2026-01-01T00-00-00Z-x"), 1);
    std::os::unix::fs::symlink("2026-01-01T00-00-00Z-x", place.0.join("runs/latest"))
        .expect("a link can be made");
    fs::create_dir_all(place.0.join("bin")).expect("a directory can be made");
    let program = place.0.join("bin/schism");
    let real = env!("CARGO_BIN_EXE_schism");
    let script = format!(
        "#!/bin/sh\nif [ \"$1\" = run ]; then echo \"$*\" >> ran; exit 1; fi\nexec {real} \"$@\"\n"
    );
    fs::write(&program, script).expect("it can be written");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("it can be run");
    place
}

fn bash(place: &Place, script: &str, variables: &[(&str, &str)]) -> Output {
    let path = std::env::var("PATH").unwrap_or_default();
    let mut command = Command::new("bash");
    command.args(["-e", "-c", script]).current_dir(&place.0);
    command.env("PATH", format!("{}:{path}", place.0.join("bin").display()));
    command
        .env("LC_ALL", "C.UTF-8")
        .envs(variables.iter().copied());
    command.output().expect("bash starts")
}

fn assert_told(place: &Place, output: &Output) {
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let complained = String::from_utf8_lossy(&output.stderr);
    // Everything that the simulated run violates is what its plan expects.
    assert!(output.status.success(), "{said}{complained}");
    let run = place.0.join("runs/latest");
    assert!(run.join("junit.xml").exists() && run.join("summary.md").exists());
}

#[test]
fn the_composite_action_does_what_it_says() {
    let place = stage("action");
    let scripts = block(&text("docs/ci/action/action.yml"), "run: |");
    assert_eq!(scripts.len(), 2);
    let run = bash(
        &place,
        &scripts[0],
        &[("TRIALS", "a.toml b.toml"), ("PARTITION", "1/2")],
    );
    assert!(run.status.success(), "a violation is told by the next step");
    let ran = fs::read_to_string(place.0.join("ran")).expect("it was called");
    assert_eq!(
        ran.trim(),
        "run --progress plain --partition 1/2 a.toml b.toml"
    );
    let tell = bash(&place, &scripts[1], &[("KNOWN", ""), ("EXPECT", "")]);
    assert_told(&place, &tell);
    let tell = bash(
        &place,
        &scripts[1],
        &[("KNOWN", ""), ("EXPECT", "stale-read linearizable")],
    );
    assert_eq!(
        tell.status.code(),
        Some(1),
        "linearizable must hold and does not"
    );
}

#[test]
fn the_gitlab_template_does_what_it_says() {
    let place = stage("gitlab");
    let scripts = block(&text("docs/ci/gitlab.yml"), "script:");
    let lines = scripts[0].lines().map(|line| line.trim_start_matches("- "));
    let script = lines.collect::<Vec<_>>().join("\n");
    let output = bash(
        &place,
        &script,
        &[("SCHISM_TRIALS", "t.toml"), ("SCHISM_KNOWN", "")],
    );
    assert_told(&place, &output);
}

/// A Python that has DuckDB.
fn duckdb() -> Option<PathBuf> {
    let own = here("tests/browser/python/bin/python");
    [own, PathBuf::from("python3")].into_iter().find(|python| {
        let found = Command::new(python).args(["-c", "import duckdb"]).output();
        found.is_ok_and(|output| output.status.success())
    })
}

#[test]
fn the_queries_of_the_documentation_run() {
    let queries: Vec<String> = text("docs/analysis.md")
        .split("```sql\n")
        .skip(1)
        .filter_map(|rest| Some(rest.split_once("```")?.0.to_owned()))
        .collect();
    assert_eq!(queries.len(), 3);
    let Some(python) = duckdb() else {
        println!("THREE QUERIES WERE NOT RUN: DuckDB is missing: python3 -m pip install duckdb");
        let ci = std::env::var("CI").is_ok_and(|ci| ci == "true");
        assert!(!ci, "CI must have DuckDB: scripts/setup installs it");
        return;
    };
    let place = stage("duckdb");
    let output = bash(&place, "schism export latest --to .", &[]);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    for query in queries {
        let ask = "import duckdb, sys\nfor row in duckdb.sql(sys.argv[1]).fetchall(): print(row)";
        let output = Command::new(&python)
            .args(["-c", ask, &query])
            .current_dir(&place.0)
            .output();
        let output = output.expect("python starts");
        let rows = String::from_utf8_lossy(&output.stdout);
        let complained = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{query}\n{complained}");
        assert!(
            rows.lines().count() >= 2 && rows.contains('('),
            "{query}\n{rows}"
        );
    }
}
