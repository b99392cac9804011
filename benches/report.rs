//! How long the page of a run of a million operations takes to be drawn, and to load.
//!
//! `cargo bench --bench report [-- OPERATIONS]`

#[path = "../tests/browser/mod.rs"]
#[expect(dead_code, reason = "the tests need more of it")]
mod browser;

use std::fs;
use std::time::Instant;

use checkers::history::{F, Kind, Op, Process, Value, jsonl};
use schism::check::peak_megabytes;
use schism::report::html;
use schism::store;

/// Twenty clients on ten registers, and a second of a dead leader in the middle.
fn history(operations: usize) -> Vec<Op> {
    let mut ops = Vec::with_capacity(operations * 2);
    let mut state = 7_u64;
    let mut random = move |below: u64| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 33) % below
    };
    let mut now = 0_u64;
    for number in 0..operations / 20 {
        for process in 0..20_u32 {
            let write = random(2) == 0;
            let (f, value) = if write {
                let value = i64::try_from(number * 20).unwrap_or(0) + i64::from(process);
                ("write", Value::Int(value))
            } else {
                ("read", Value::Nil)
            };
            now += 1000 + random(20_000);
            let op = Op {
                index: 0,
                time: now,
                process: Process::Client(process),
                kind: Kind::Invoke,
                f: F::new(f),
                key: Some(Value::str(&format!("r{}", random(10)))),
                value,
                node: Some(["n1", "n2", "n3"][process as usize % 3].into()),
                error: None,
            };
            ops.push(op);
        }
        let started = ops[ops.len() - 20..].to_vec();
        for op in started {
            now += 1000 + random(20_000);
            let fails = random(50) == 0;
            let value = if op.f == "read" {
                Value::Int(i64::try_from(number * 20).unwrap_or(0))
            } else {
                op.value.clone()
            };
            let kind = if fails { Kind::Fail } else { Kind::Ok };
            ops.push(Op {
                time: now,
                kind,
                value,
                ..op
            });
        }
    }
    for (index, op) in ops.iter_mut().enumerate() {
        op.index = index;
    }
    ops
}

#[expect(clippy::print_stdout, reason = "figures are what it is for")]
fn main() {
    let asked = std::env::args()
        .skip(1)
        .find_map(|argument| argument.parse().ok());
    let operations: usize = asked.unwrap_or(1_000_000);
    let place = std::env::temp_dir().join(format!("schism-bench-report-{}", std::process::id()));
    fs::create_dir_all(&place).expect("a directory can be made");
    let ops = history(operations);
    let mut lines = Vec::new();
    for op in &ops {
        jsonl::write(&mut lines, op).expect("memory takes all that is written");
    }
    drop(ops);
    let packed = zstd::bulk::compress(&lines, 1).expect("it can be compressed");
    drop(lines);
    fs::write(place.join(store::HISTORY), packed).expect("it can be written");
    fs::write(place.join(store::PLAN), "name = \"bench\"\n").expect("it can be written");
    let findings: Vec<_> = (0..75)
        .map(|n| {
            serde_json::json!({"id": format!("F{n}"), "claim": "linearizable",
            "anomaly": "stale-read", "ops": [n * 1000, n * 1000 + 3], "argument": ["one"]})
        })
        .collect();
    let verdict = serde_json::json!({"schema": "schism.verdict/1", "name": "bench",
        "status": "violated", "claims": [], "findings": findings, "faults": []});
    fs::write(place.join(store::VERDICT), verdict.to_string()).expect("it can be written");
    println!("{operations} operations");
    let begun = Instant::now();
    let path = html::write(&place).expect("a page is drawn");
    let took = begun.elapsed();
    let size = fs::metadata(&path).map_or(0, |about| about.len());
    println!(
        "drawn in {:.2} s (bar: 3 s); {:.1} MB (bar: 12 MB); {} MB of memory at the peak, that of \
         making the history among it",
        took.as_secs_f64(),
        size as f64 / 1e6,
        peak_megabytes()
    );
    match browser::program() {
        None => println!("chromium is missing: loading was not measured"),
        Some(program) => {
            let mut browser = browser::Browser::start(program);
            let begun = Instant::now();
            browser.open(
                &path,
                "document.documentElement.dataset.loaded !== undefined",
            );
            let loaded = browser.eval("document.documentElement.dataset.loaded");
            let drawn = browser.eval("document.documentElement.dataset.drawn");
            println!(
                "loaded in {:.2} s, {loaded} ms by the page's clock (bar: 2 s); a redraw of the \
                 whole takes {drawn} ms",
                begun.elapsed().as_secs_f64()
            );
        }
    }
    fs::remove_dir_all(&place).expect("it was made here");
}
