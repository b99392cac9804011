//! How fast staleness is measured, and how much memory it takes.
//!
//! ```text
//! cargo bench -p checkers --bench stale            # from 10^4 to 10^6 operations
//! cargo bench -p checkers --bench stale -- 10000000
//! ```
//!
//! The histories are made here, in memory, and lie there as columns before the clock starts.
//! Each row is measured in a process of its own. Memory is what the checker adds at its peak.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a benchmark reads files and clocks, and prints"
)]

use std::time::Instant;

use checkers::calls::Calls;
use checkers::history::{Event, Kind, Process, Sink, ValueRef};
use checkers::{Budget, Checker, Stale};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// What is measured.
#[derive(Clone, Copy)]
struct Shape {
    keys: usize,
    clients: usize,
    /// How many of a hundred operations are reads.
    reads: u32,
    /// How many of a thousand reads are answered by a node that lags.
    lagging: u32,
    /// How many of a thousand writes end unknown.
    info: u32,
}

/// What a client asked: the key, and the value to be written or none.
type Asked = (usize, Option<i64>);

/// A history of nodes of which one lags by up to a hundred writes.
fn made(ops: usize, shape: Shape) -> Calls {
    let mut calls = Calls::default();
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut keys: Vec<Vec<i64>> = vec![Vec::new(); shape.keys];
    let mut processes: Vec<u32> = (0..).take(shape.clients).collect();
    let mut fresh = u32::try_from(shape.clients).expect("few clients");
    let mut open: Vec<Option<Asked>> = vec![None; shape.clients];
    let (mut begun, mut line, mut next) = (0, 0, 0);
    while begun < ops || open.iter().any(Option::is_some) {
        let client = rng.random_range(0..shape.clients);
        let (kind, asked, value, node) = match open[client].take() {
            None if begun == ops => continue,
            None => {
                begun += 1;
                let read = rng.random_ratio(shape.reads, 100);
                let written = (!read).then(|| {
                    next += 1;
                    next
                });
                let asked = (rng.random_range(0..shape.keys), written);
                open[client] = Some(asked);
                (Kind::Invoke, asked, written, "n1")
            }
            Some((key, Some(value))) => {
                keys[key].push(value);
                let kind = if rng.random_ratio(shape.info, 1000) {
                    Kind::Info
                } else {
                    Kind::Ok
                };
                (kind, (key, Some(value)), Some(value), "n1")
            }
            Some((key, None)) => {
                let values = &keys[key];
                let lags = rng.random_ratio(shape.lagging, 1000);
                let behind = if lags { rng.random_range(0..100) } else { 0 };
                let seen = values.len().checked_sub(1 + behind);
                let seen = seen.map(|at| values[at]);
                let node = if lags { "n2" } else { "n1" };
                (Kind::Ok, (key, None), seen, node)
            }
        };
        line += 1;
        calls.event(&Event {
            line,
            index: Some(line),
            time: Some(line as u64 * 1_000),
            process: Process::Client(processes[client]),
            kind,
            f: if asked.1.is_some() { "write" } else { "read" },
            key: Some(ValueRef::Int(i64::try_from(asked.0).expect("few keys"))),
            value: value.map_or(ValueRef::Nil, ValueRef::Int),
            node: Some(node),
            error: None,
        });
        if kind == Kind::Info {
            processes[client] = fresh;
            fresh += 1;
        }
    }
    calls
}

fn megabytes(name: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with(name));
    let kilobytes = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<f64>().ok());
    kilobytes.unwrap_or(0.0) / 1024.0
}

/// Seconds of all cores that this process has used.
fn cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // What follows the name; the kernel counts in hundredths.
    let fields = stat.rsplit(')').next().unwrap_or_default();
    let used = fields.split_whitespace().skip(11).take(2);
    used.filter_map(|ticks| ticks.parse::<f64>().ok())
        .sum::<f64>()
        / 100.0
}

/// Small histories are judged so often that this many operations are: the kernel counts in
/// hundredths of a second.
const OPERATIONS: usize = 1_000_000;

fn row(ops: usize, shape: Shape) {
    let calls = made(ops, shape);
    assert!(calls.irregular().is_none(), "{:?}", calls.irregular());
    let (mut best, mut peak) = (f64::INFINITY, 0.0_f64);
    let used = cpu();
    let times = OPERATIONS.div_ceil(ops.max(1));
    let (mut reads, mut stale) = (0, 0);
    for _ in 0..3 {
        let before = megabytes("VmRSS");
        // Where the kernel lets us, the peak is measured from here.
        let reset = std::fs::write("/proc/self/clear_refs", "5").is_ok();
        let start = Instant::now();
        for _ in 0..times {
            let report = Stale.judge(&calls, &Budget::unlimited());
            reads = report.number("reads_judged").unwrap_or(0);
            stale = report.number("stale_reads").unwrap_or(0);
        }
        #[expect(clippy::cast_precision_loss, reason = "few times")]
        let once = start.elapsed().as_secs_f64() / times as f64;
        best = best.min(once);
        if reset {
            peak = peak.max(megabytes("VmHWM") - before);
        }
    }
    #[expect(clippy::cast_precision_loss, reason = "few times")]
    let used = (cpu() - used) / (3 * times) as f64;
    #[expect(clippy::cast_precision_loss, reason = "it is printed with one digit")]
    let (count, reads_count) = (ops as f64, reads as f64);
    println!(
        "| {ops} | {} | {} | {} % | {} % | {reads} | {stale} | {:.1} | {:.1} | {:.0} | {:.0} |",
        shape.keys,
        shape.clients,
        f64::from(shape.lagging) / 10.0,
        f64::from(shape.info) / 10.0,
        reads_count / best / 1e6,
        count / best / 1e6,
        used * 1e9 / reads_count,
        peak * 1_048_576.0 / count,
    );
}

/// Keys, and how many of a thousand reads lag and writes end unknown.
const SHAPES: [(usize, u32, u32); 5] = [
    (8, 0, 0),
    (8, 100, 10),
    (1, 100, 0),
    (20_000, 100, 10),
    (8, 1_000, 0),
];

/// What tells a process to measure one row: the place of its shape and how many operations follow.
const ALONE: &str = "--alone";

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let mut sizes: Vec<usize> = words.iter().filter_map(|word| word.parse().ok()).collect();
    if words.first().is_some_and(|word| word == ALONE) {
        let (keys, lagging, info) = SHAPES[sizes[0]];
        let shape = Shape {
            keys,
            clients: 50,
            reads: 80,
            lagging,
            info,
        };
        return row(sizes[1], shape);
    }
    if sizes.is_empty() {
        sizes = vec![10_000, 100_000, 1_000_000];
    }
    println!(
        "| operations | keys | clients | lagging | unknown | reads | stale | M reads/s | M operations/s | ns of a core/read | bytes/operation |"
    );
    println!("| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |");
    let this = std::env::current_exe().expect("a program knows where it lies");
    for shape in 0..SHAPES.len() {
        for ops in &sizes {
            let row = [shape.to_string(), ops.to_string()];
            let mut child = std::process::Command::new(&this);
            let status = child.arg(ALONE).args(row).status().expect("it starts");
            assert!(status.success(), "shape {shape} failed");
        }
    }
}
