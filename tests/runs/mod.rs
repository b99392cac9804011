//! Directories of runs for tests: simulated ones, and ones with whatever a database may say.

use std::fs;
use std::path::{Path, PathBuf};

use checkers::history::{F, Kind, Op, Process, Value, jsonl};
use schism::plan::Plan;
use schism::simulate::{judge, simulate};
use schism::{demo, store};

/// A directory that goes when the test ends.
pub(crate) struct Place(pub(crate) PathBuf);

impl Place {
    pub(crate) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("schism-{}-{name}", std::process::id()));
        fs::create_dir_all(&path).expect("a directory can be made");
        Self(path)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let gone = fs::remove_dir_all(&self.0);
        assert!(gone.is_ok() || std::thread::panicking());
    }
}

/// Writes what a run leaves: plan, history, verdict.
pub(crate) fn leave(place: &Path, plan: &str, ops: &[Op], verdict: &str) {
    fs::create_dir_all(place).expect("a directory can be made");
    fs::write(place.join(store::PLAN), plan).expect("it can be written");
    fs::write(place.join(store::VERDICT), verdict).expect("it can be written");
    let mut lines = Vec::new();
    for op in ops {
        jsonl::write(&mut lines, op).expect("memory takes all that is written");
    }
    let packed = zstd::bulk::compress(&lines, 1).expect("it can be compressed");
    fs::write(place.join(store::HISTORY), packed).expect("it can be written");
}

/// A run of the demo's cell, simulated: an asynchronous leader is killed and loses writes.
pub(crate) fn simulated(place: &Path, seed: u64) {
    let cell = |plan: &Plan| plan.name == "async-leader-killed";
    let plan = demo::plans(seed)
        .into_iter()
        .find(cell)
        .expect("the demo has it");
    let simulation = simulate(&plan);
    let ops = simulation.ops.clone();
    let verdict = judge(&plan, simulation);
    let verdict = serde_json::to_string(&verdict).expect("a verdict has a form in JSON");
    leave(place, &plan.to_toml(), &ops, &verdict);
    let log = place.join("nodes/n1");
    fs::create_dir_all(&log).expect("a directory can be made");
    fs::write(log.join("node.log"), "started\nthread main panicked at x\n").expect("it is written");
}

/// Everything that could break a page, as one text.
pub(crate) const HOSTILE: &str = "</script><script>window.hacked=1</script>\
    <img src=x onerror=\"window.hacked=2\">'\"`&amp;<!--\0\u{202e}\u{2066}\u{feff}]]>${window.hacked=3}";

/// A run in which every name and value is [`HOSTILE`], and one value is of a megabyte.
pub(crate) fn hostile(place: &Path) {
    let long = "🦀<b>".repeat(1 << 18);
    let text = |text: &str| Value::str(text);
    let op = |index: usize, process: Process, kind: Kind, f: &str, value: Value| Op {
        index,
        time: index as u64 * 1_000_000,
        process,
        kind,
        f: F::owned(f.to_owned()),
        key: (process != Process::Nemesis).then(|| Value::str(HOSTILE)),
        value,
        node: (process != Process::Nemesis).then(|| HOSTILE.into()),
        error: (kind == Kind::Info && process != Process::Nemesis).then(|| HOSTILE.to_owned()),
    };
    let nodes = Value::map([("nodes", Value::List(vec![text(HOSTILE)]))]);
    let client = Process::Client;
    let ops = [
        op(0, Process::Nemesis, Kind::Info, "phase", text(HOSTILE)),
        op(1, client(0), Kind::Invoke, "write", text(HOSTILE)),
        op(2, Process::Nemesis, Kind::Info, HOSTILE, nodes.clone()),
        op(3, client(0), Kind::Ok, "write", text(HOSTILE)),
        op(4, Process::Nemesis, Kind::Info, HOSTILE, nodes),
        op(5, client(1), Kind::Invoke, HOSTILE, text(&long)),
        op(6, client(1), Kind::Info, HOSTILE, text(&long)),
        op(7, client(2), Kind::Invoke, "final-read", Value::Nil),
        op(8, client(2), Kind::Ok, "final-read", text(&long)),
    ];
    let finding = serde_json::json!({
        "id": HOSTILE, "claim": HOSTILE, "anomaly": HOSTILE, "key": HOSTILE,
        "ops": [1, 3, 5, 7, 8], "argument": [HOSTILE, long.clone()], HOSTILE: HOSTILE,
    });
    let cycle = serde_json::json!({
        "id": "F2", "claim": HOSTILE, "anomaly": HOSTILE, "ops": [1, 3, 5],
        "argument": [HOSTILE],
        "cycle": [{"from": 1, "to": 5, "kind": HOSTILE, "why": HOSTILE},
                  {"from": 5, "to": 1, "kind": "rw", "why": HOSTILE}],
    });
    let map = serde_json::json!({ HOSTILE: 3 });
    let verdict = serde_json::json!({
        "schema": HOSTILE, "name": HOSTILE, "label": {"mode": HOSTILE, "fault": HOSTILE},
        "seed": 1, "status": "violated", "exit-code": 1, "why": HOSTILE,
        "claims": [{"claim": HOSTILE, "verdict": HOSTILE, "why": HOSTILE, "findings": [HOSTILE]},
                   {"claim": "no-lost-writes", "verdict": "violated", "findings": ["F2"]}],
        "findings": [finding, cycle],
        "faults": [{"fault": HOSTILE, "begun-ms": 2, "done-ms": 4,
                    "done": {"nodes": [HOSTILE], HOSTILE: HOSTILE}}],
        "recovery": {"equal": false, "nodes": {HOSTILE: {HOSTILE: HOSTILE, "role": HOSTILE}}},
        "coverage": {HOSTILE: {"ok": 1, "fail": 0, "info": 1, "errors": {HOSTILE: 1}}},
        "figures": {HOSTILE: {HOSTILE: HOSTILE},
                    "loss": {"lost": 1, "lost_ids": [[HOSTILE, long]], "lost_by_node": map},
                    "stale": {"stale_reads": 1, "reads_judged": 1,
                              "by_node": {HOSTILE: {"reads": 1, "stale": 1}}},
                    "availability": {"by_node": {HOSTILE: {"ok": 1}},
                                     "faults": [{"fault": HOSTILE, "nodes": [HOSTILE]}]}},
        "reproduce": [HOSTILE, HOSTILE], HOSTILE: HOSTILE,
    });
    let plan = format!(
        "name = {}\n",
        serde_json::Value::from(HOSTILE.replace('\0', ""))
    );
    leave(place, &plan, &ops, &verdict.to_string());
    let log = place.join("nodes/n<i>1");
    fs::create_dir_all(&log).expect("a directory can be made");
    fs::write(log.join("a'\"<b>.log"), format!("panic {HOSTILE}\n")).expect("it is written");
}
