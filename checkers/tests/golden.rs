//! Every recorded history of the collection beside this project, against its known verdict.
//!
//! The files' licences keep them out of the project. Where the folder is missing, this test
//! says so and passes.
#![expect(
    clippy::disallowed_methods,
    reason = "the collection is files, and the crate under test reads none"
)]

use std::fs;
use std::path::Path;

use checkers::history::jepsen::Options;
use checkers::history::{Format, Read};
use checkers::invariants::{Bank, LongFork, Overdraft};
use checkers::{AllOf, Budget, Checker, Counter, Linearizable, Set, SetFull, Verdict};

#[derive(Default)]
struct Tally {
    read: usize,
    warned: usize,
    judged: usize,
    without_checker: Vec<String>,
    /// In which there is nothing to check.
    without_power: Vec<String>,
    wrong: Vec<String>,
}

fn format_of(name: &str) -> Format {
    match name {
        "jepsen-log" => Format::JepsenLog,
        "jepsen-edn" => Format::JepsenEdn,
        "jepsen-json" => Format::JepsenJson,
        "porcupine-kv" => Format::Porcupine,
        _ => panic!("the manifest names the format {name}, which is not known here"),
    }
}

/// Set-full where every read must show what is known: more than the collection asks for.
fn full() -> Box<dyn Checker> {
    Box::new(SetFull { linearizable: true })
}

fn golden(tally: &mut Tally, folder: &Path, fields: &[&str]) {
    let [file, format, workload, property, expected, ..] = fields[..] else {
        panic!("a line of the manifest has too few fields: {fields:?}");
    };
    let bytes = fs::read(folder.join(file)).expect(file);
    let detected = Format::detect(&bytes[..bytes.len().min(Format::HEAD)]);
    assert_eq!(detected, Ok(format_of(format)), "{file}");
    let read: Read = format_of(format)
        .read(&bytes[..], Options::default())
        .unwrap_or_else(|error| panic!("{file}: {error}"));
    assert!(!read.truncated, "{file} is whole");
    assert!(!read.ops.is_empty(), "{file} holds entries");
    assert!(
        read.ops
            .iter()
            .all(|op| op.key.is_some() == (format == "porcupine-kv")),
        "{file}"
    );
    let (history, warnings) = read
        .history()
        .unwrap_or_else(|error| panic!("{file}: {error}"));
    tally.read += 1;
    tally.warned += usize::from(!warnings.is_empty());
    let checker: Box<dyn Checker> = match (workload, property) {
        ("cas-register" | "kv-append", "linearizable") => Box::new(Linearizable::default()),
        ("counter", "counter") => Box::new(Counter),
        ("set", "set") => Box::new(AllOf::new("set", vec![Box::new(Set), full()])),
        ("bank", "bank") => Box::new(AllOf::new(
            "bank",
            vec![Box::new(Bank::default()), Box::new(Overdraft)],
        )),
        // Two entries of a bank whose size its source gives on the command line.
        ("bank", _) => Box::new(Bank {
            total: Some(30),
            accounts: Some(["0", "1", "2"].map(str::to_owned).to_vec()),
        }),
        ("long-fork", _) => Box::new(LongFork),
        _ => {
            let what = format!("{file} ({workload}, {property})");
            tally.without_checker.push(what);
            return;
        }
    };
    let report = checker.check(&history, &Budget::unlimited());
    match (report.verdict, expected) {
        (Verdict::Held, "valid") | (Verdict::Violated, "invalid") => tally.judged += 1,
        // A counter that nobody read is valid to its authors; to us nothing was checked.
        (Verdict::Undecided, "valid") if workload == "counter" => {
            let why = report.why.unwrap_or_default();
            assert!(why.contains("needs reads"), "{file}: {why}");
            assert!(history.ops().iter().all(|op| op.f == "add"), "{file}");
            tally.without_power.push(file.to_owned());
        }
        (verdict, _) => tally
            .wrong
            .push(format!("{file}: {verdict:?}, expected {expected}")),
    }
}

#[test]
fn recorded_histories_get_their_known_verdicts() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/histories");
    let Ok(manifest) = fs::read_to_string(folder.join("MANIFEST.tsv")) else {
        println!(
            "SKIPPED ALL: the recorded histories are not at {}",
            folder.display()
        );
        return;
    };
    let mut tally = Tally::default();
    for line in manifest.lines().skip(1) {
        let fields: Vec<&str> = line.split('\t').collect();
        golden(&mut tally, &folder, &fields);
    }
    println!(
        "{} histories read ({} with warnings): {} got their verdict, {} hold nothing to check: {}; \
         {} have no checker yet: {}; 0 skipped",
        tally.read,
        tally.warned,
        tally.judged,
        tally.without_power.len(),
        tally.without_power.join(", "),
        tally.without_checker.len(),
        tally.without_checker.join(", ")
    );
    assert!(
        tally.judged > 100,
        "the collection has more that can be judged"
    );
    assert!(tally.wrong.is_empty(), "wrong verdicts: {:#?}", tally.wrong);
}
