//! How fast losses, sets and logs are judged, and how much memory it takes.
//!
//! ```text
//! cargo bench -p checkers --bench ledger            # 10^4, 10^5 and 10^6 operations
//! cargo bench -p checkers --bench ledger -- 10000000
//! cargo bench -p checkers --bench ledger -- log
//! ```
//!
//! The histories are made here, in memory, and lie there as columns before the clock starts.
//! Each row is measured in a process of its own. Memory is what the judge adds at its peak.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a benchmark reads files and clocks, and prints"
)]

use std::sync::Arc;
use std::time::Instant;

use checkers::calls::Calls;
use checkers::history::{Columns, F, Kind, Op, Process, Value};
use checkers::{Budget, Checker, Log, Loss, SetFull, Verdict};

/// Elements of one set before the next is taken, as the workload does.
const ADDS: usize = 300;

/// Messages in one answer to a poll.
const BATCH: usize = 10;

#[derive(Default)]
struct Maker {
    columns: Columns,
    line: usize,
}

impl Maker {
    /// One operation of the client whose turn it is.
    fn call(&mut self, f: &'static str, key: usize, argument: &Value, result: &Value, node: &str) {
        let process = u32::try_from(self.line / 2 % 10).expect("ten");
        self.call_by(process, f, Some(key), argument, result, node);
    }

    fn call_by(
        &mut self,
        process: u32,
        f: &'static str,
        key: Option<usize>,
        argument: &Value,
        result: &Value,
        node: &str,
    ) {
        for (kind, value) in [(Kind::Invoke, argument), (Kind::Ok, result)] {
            self.line += 1;
            self.columns.op(&Op {
                index: self.line,
                time: self.line as u64 * 1_000,
                process: Process::Client(process),
                kind,
                f: F::new(f),
                key: key.map(number),
                value: value.clone(),
                node: Some(Arc::from(node)),
                error: None,
            });
        }
    }

    fn calls(self) -> Calls {
        Calls::of_columns(self.columns)
    }
}

fn number(number: usize) -> Value {
    Value::Int(i64::try_from(number).expect("not so many"))
}

/// Writes of registers, fifty a key; every second operation reads; all finally read.
fn registers(ops: usize) -> Calls {
    let mut made = Maker::default();
    for at in 0..ops {
        // Eight keys at a time.
        let key = at / 800 * 8 + at % 8;
        let value = number(at / 16 * 16 + at % 8);
        let is_write = at / 8 % 2 == 0;
        if is_write {
            made.call("write", key, &value, &value, "n1");
        } else {
            let seen = number((at - 8) / 16 * 16 + at % 8);
            made.call("read", key, &Value::Nil, &seen, "n2");
        }
    }
    for key in 0..ops.div_ceil(800) * 8 {
        let end = (key / 8 * 800 + 800).min(ops);
        let is_last = |at: &usize| at % 8 == key % 8 && (at / 8).is_multiple_of(2);
        let Some(last) = (key / 8 * 800..end).rev().find(is_last) else {
            continue;
        };
        for node in ["n1", "n2", "n3"] {
            let held = number(last / 16 * 16 + last % 8);
            made.call("final-read", key, &Value::Nil, &held, node);
        }
    }
    made.calls()
}

/// Adds to sets, and now and then a whole read; all finally read.
fn sets(ops: usize, reads: bool) -> Calls {
    let mut made = Maker::default();
    let mut held: Vec<Value> = Vec::new();
    for at in 0..ops {
        let key = at / ADDS;
        if reads && at % 10 == 9 {
            let seen = Value::List(held.clone());
            made.call("read-set", key, &Value::Nil, &seen, "n2");
        } else {
            let value = number(at);
            made.call("add", key, &value, &value, "n1");
            held.push(value);
        }
        if at % ADDS == ADDS - 1 || at == ops - 1 {
            let seen = Value::List(std::mem::take(&mut held));
            for node in ["n1", "n2", "n3"] {
                made.call("final-read-set", key, &Value::Nil, &seen, node);
            }
        }
    }
    made.calls()
}

/// Sends to one log, each message polled once, ten at a time.
fn log(ops: usize) -> Calls {
    let mut made = Maker::default();
    let mut waiting: Vec<Value> = Vec::new();
    for at in 0..ops {
        if waiting.len() == BATCH || at == ops - 1 {
            let batch = Value::List(std::mem::take(&mut waiting));
            let seen = Value::map([("0", batch)]);
            made.call_by(99, "poll", None, &Value::Nil, &seen, "n2");
            continue;
        }
        let offset = at - at / (BATCH + 1);
        made.call("send", 0, &number(at), &number(offset), "n1");
        waiting.push(Value::List(vec![number(offset), number(at)]));
    }
    made.calls()
}

fn megabytes(name: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with(name));
    let kilobytes = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<f64>().ok());
    kilobytes.unwrap_or(0.0) / 1024.0
}

type Row = (&'static str, fn(usize) -> Calls, Box<dyn Checker>);

fn rows() -> [Row; 4] {
    [
        ("loss, registers", registers, Box::new(Loss)),
        ("loss, sets", |ops| sets(ops, false), Box::new(Loss)),
        (
            "set-full",
            |ops| sets(ops, true),
            Box::new(SetFull::default()),
        ),
        ("log", log, Box::new(Log)),
    ]
}

/// Measures one row, and prints it.
fn alone((name, make, checker): &Row, ops: usize) {
    let calls = make(ops);
    assert!(calls.irregular().is_none(), "{:?}", calls.irregular());
    let (mut best, mut peak) = (f64::INFINITY, 0.0_f64);
    for _ in 0..3 {
        let before = megabytes("VmRSS");
        // Where the kernel lets us, the peak is measured from here.
        let reset = std::fs::write("/proc/self/clear_refs", "5").is_ok();
        let start = Instant::now();
        let report = checker.judge(&calls, &Budget::unlimited());
        best = best.min(start.elapsed().as_secs_f64());
        assert_eq!(report.verdict, Verdict::Held, "{name}: {report:#?}");
        if reset {
            peak = peak.max(megabytes("VmHWM") - before);
        }
    }
    #[expect(clippy::cast_precision_loss, reason = "it is printed with one digit")]
    let count = calls.len() as f64;
    println!(
        "| {name} | {} | {:.1} | {:.0} |",
        calls.len(),
        count / best / 1e6,
        peak * 1_048_576.0 / count,
    );
}

/// What tells a process to measure one row: its place and how many operations follow.
const ALONE: &str = "--alone";

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let mut sizes: Vec<usize> = words.iter().filter_map(|word| word.parse().ok()).collect();
    if words.first().is_some_and(|word| word == ALONE) {
        return alone(&rows()[sizes[0]], sizes[1]);
    }
    if sizes.is_empty() {
        sizes = vec![10_000, 100_000, 1_000_000];
    }
    println!("| checker | operations | M operations/s | bytes/operation |");
    println!("| --- | ---: | ---: | ---: |");
    let this = std::env::current_exe().expect("a program knows where it lies");
    let is_name = |word: &&String| word.parse::<usize>().is_err() && !word.starts_with("--");
    for (place, (name, ..)) in rows().iter().enumerate() {
        let mut names = words.iter().filter(is_name);
        if !names.all(|word| name.contains(word.as_str())) {
            continue;
        }
        for ops in &sizes {
            let row = [place.to_string(), ops.to_string()];
            let mut child = std::process::Command::new(&this);
            let status = child.arg(ALONE).args(row).status().expect("it starts");
            assert!(status.success(), "{name} failed");
        }
    }
}
