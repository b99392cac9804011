//! The harness tested by itself, in small: every deliberate bug is found and its twin is not
//! accused, modes keep what they promise under every fault, and the tables say so.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A directory of this test alone.
fn place(name: &str) -> PathBuf {
    let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("selftest-{name}"));
    if place.exists() {
        fs::remove_dir_all(&place).expect("it can be emptied");
    }
    fs::create_dir_all(&place).expect("it can be made");
    place
}

fn schism(place: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_schism"));
    let done = command.args(args).current_dir(place).env_clear().output();
    done.expect("schism can be started")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn every_bug_is_found_and_no_correct_mode_is_accused() {
    let args = ["selftest", "--seeds", "1..3", "--mode-seeds", "1..1"];
    let output = schism(&place("all"), &args);
    let text = said(&output);
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(text.contains("lost-tombstone") && text.contains("resurrected-delete"));
    assert!(!text.contains('✗'), "{text}");
    assert!(text.contains("rows as they must be"), "{text}");
}

#[test]
fn what_has_no_such_name_is_refused() {
    for args in [
        ["selftest", "--only", "stale-cass"],
        ["matrix", "--only", "rafd"],
    ] {
        let output = schism(&place("refused"), &args);
        assert_eq!(output.status.code(), Some(64));
        let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(complaint.contains("did you mean"), "{complaint}");
    }
}

#[test]
fn the_matrix_leaves_a_directory_a_cell_and_goes_on_where_it_was() {
    let place = place("matrix");
    let args = [
        "matrix",
        "--only",
        "leader-cut-off",
        "--seeds",
        "1..2",
        "--into",
        "m",
    ];
    let output = schism(&place, &args);
    let text = said(&output);
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(
        text.contains("23 of 23 cells as expected; 46 simulated runs"),
        "{text}"
    );
    for file in ["matrix.md", "matrix.html", "matrix.json"] {
        let written = fs::read_to_string(place.join("m").join(file)).expect("it was written");
        assert!(written.contains("semi-sync-degrade") || written.contains("sync-degrade"));
    }
    // A cell is a run like any other.
    let cell = "m/async-leader-cut-off";
    let checked = schism(&place, &["check", cell]);
    assert_eq!(checked.status.code(), Some(1), "{}", said(&checked));
    let shown = schism(&place, &["show", cell]);
    assert!(said(&shown).contains("lost"), "{}", said(&shown));
    // What is there is not run again; what is missing is.
    fs::remove_dir_all(place.join("m/raft-leader-cut-off")).expect("it is there");
    let again = said(&schism(&place, &args));
    assert!(again.contains("; 2 simulated runs"), "{again}");
    assert!(again.contains("22 cells were there already"), "{again}");
}

#[test]
fn quorums_are_drawn() {
    let place = place("quorum");
    let output = schism(&place, &["quorum", "--n", "3", "--seeds", "1..2"]);
    let text = said(&output);
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(text.contains("strict: stale reads") && text.contains("sloppy: lost writes"));
    let runs = fs::read_dir(place.join("runs")).expect("it left something");
    let run = runs.flatten().next().expect("a directory").path();
    let picture = fs::read_to_string(run.join("quorum.svg")).expect("a picture");
    assert!(picture.starts_with("<svg") && picture.contains("r = 3"));
    let points = fs::read(run.join("quorum.json")).expect("the points");
    let points: serde_json::Value = serde_json::from_slice(&points).expect("JSON");
    let points = points.as_array().expect("a list");
    assert_eq!(points.len(), 18);
    // Quorums that meet, strictly, show nothing that is old; those that do not, do.
    let stale = |r: u64, w: u64, sloppy: bool| {
        let mut found = points.iter();
        let found = found.find(|p| p["r"] == r && p["w"] == w && p["sloppy"] == sloppy);
        found.expect("it was measured")["stale"]
            .as_i64()
            .expect("a number")
    };
    // Of a write that waits for all and is not finished, one read may see what the next misses.
    for (r, w) in [(2, 2), (3, 1), (3, 3)] {
        assert_eq!(stale(r, w, false), 0, "r = {r}, w = {w}");
    }
    assert!(stale(1, 1, false) > 0);
}
