//! Published register histories against their published verdicts.
//!
//! They lie beside the project, in `shared/histories`, with a manifest of verdicts; without them
//! the test says so and checks nothing.

#![expect(
    clippy::disallowed_methods,
    reason = "the histories are in files, which a test may read"
)]

use checkers::history::{F, History, Kind, Op, Process, Value};
use checkers::model::CasRegister;
use checkers::{Budget, Checker, Search, Verdict};

fn value(text: &str) -> Value {
    match text.trim_matches(['[', ']']).split_once(' ') {
        Some((old, new)) => Value::List(vec![value(old), value(new)]),
        None => text.parse().map_or(Value::Nil, Value::Int),
    }
}

fn parse(text: &str) -> History {
    let mut ops = Vec::new();
    for line in text.lines() {
        let Some((_, entry)) = line.split_once(" - ") else {
            continue;
        };
        let fields: Vec<&str> = entry.split('\t').collect();
        let [process, kind, f, argument] = fields[..] else {
            continue;
        };
        let Ok(process) = process.trim().parse() else {
            continue;
        };
        let kind = match kind {
            ":invoke" => Kind::Invoke,
            ":ok" => Kind::Ok,
            ":fail" => Kind::Fail,
            _ => Kind::Info,
        };
        ops.push(Op {
            index: ops.len(),
            time: ops.len() as u64,
            process: Process::Client(process),
            kind,
            f: F::owned(f.trim_start_matches(':').to_owned()),
            key: None,
            value: value(argument),
            node: None,
            error: None,
        });
    }
    History::new(ops).expect("the log is lawful")
}

#[test]
fn etcd_logs_get_their_published_verdicts() {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/histories");
    let Ok(manifest) = std::fs::read_to_string(format!("{directory}/MANIFEST.tsv")) else {
        println!("SKIPPED all logs: there is no {directory}");
        return;
    };
    let mut count = 0;
    for line in manifest.lines() {
        let fields: Vec<&str> = line.split('\t').collect();
        let Some(name) = fields[0].strip_prefix("porcupine/jepsen/") else {
            continue;
        };
        let text = std::fs::read_to_string(format!("{directory}/porcupine/jepsen/{name}")).unwrap();
        let expected = match fields[4] {
            "valid" => Verdict::Held,
            _ => Verdict::Violated,
        };
        let report = Search::new("cas-register", CasRegister::default())
            .check(&parse(&text), &Budget::unlimited());
        assert_eq!(report.verdict, expected, "{name}: {report:#?}");
        for anomaly in &report.anomalies {
            assert!(anomaly.because.len() <= 15, "{name}: {anomaly:#?}");
        }
        count += 1;
    }
    println!("{count} logs");
    assert!(count > 0, "the manifest names no log");
}
