//! How fast histories are read, from memory, on one core:
//! `cargo bench -p checkers --bench readers`, and the name of a format for only that one.
//!
//! The baseline is what one writes first: each line into a `serde_json::Value`.
#![expect(
    clippy::disallowed_methods,
    reason = "a benchmark measures time; the crate itself does not"
)]
#![expect(clippy::print_stdout, reason = "its table is all it is for")]

use std::time::Instant;

use checkers::history::jepsen::Options;
use checkers::history::{Columns, F, Format, Kind, Op, Ops, Process, Value, binary};

const EVENTS: usize = 1_000_000;
const ROUNDS: usize = 5;

/// A register history of unique values, as a run of ours writes it.
fn history() -> Vec<Op> {
    let entry = |index: usize| {
        let call = index / 20 * 10 + index % 10;
        let process = Process::Client(u32::try_from(call % 10).expect("ten processes"));
        let done = index / 10 % 2 == 1;
        let reads = call.is_multiple_of(2);
        let number = i64::try_from(call).expect("few calls");
        Op {
            index,
            time: index as u64 * 1_237 + index as u64 % 911,
            process,
            kind: if done { Kind::Ok } else { Kind::Invoke },
            f: F::new(if reads { "read" } else { "write" }),
            key: Some(Value::str(&format!("r{}", call % 100))),
            value: match (reads, done) {
                (true, false) => Value::Nil,
                (true, true) => Value::from((number - 1).max(0)),
                (false, _) => Value::from(number),
            },
            node: Some(format!("n{}", call % 5).into()),
            error: None,
        }
    };
    (0..EVENTS).map(entry).collect()
}

/// Seconds, the best of several. What was made is given back when the time has been taken.
fn best<T>(mut run: impl FnMut() -> T) -> f64 {
    let mut best = f64::MAX;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        let made = std::hint::black_box(run());
        best = best.min(start.elapsed().as_secs_f64());
        drop(made);
    }
    best
}

fn row(what: &str, bytes: usize, seconds: f64) {
    #[expect(clippy::cast_precision_loss, reason = "for people to read")]
    let (events, bytes) = (EVENTS as f64, bytes as f64);
    println!(
        "{what:<34} {:>8.1} B/event {:>8.2} M events/s {:>8.0} MB/s",
        bytes / events,
        events / seconds / 1e6,
        bytes / seconds / 1e6
    );
}

fn main() {
    let ops = history();
    let only = std::env::args()
        .skip(1)
        .find_map(|name| Format::named(&name));
    let all = [
        Format::JsonLines,
        Format::JepsenEdn,
        Format::JepsenJson,
        Format::Binary,
    ];
    for format in all {
        if only.is_some_and(|only| only != format) {
            continue;
        }
        let mut file = Vec::new();
        format.write(&mut file, &ops).expect("memory takes all");
        let writing = best(|| {
            let mut file = Vec::new();
            format.write(&mut file, &ops).expect("memory takes all");
            file
        });
        if format == Format::JsonLines {
            let seconds = best(|| {
                for line in file
                    .split(|byte| *byte == b'\n')
                    .filter(|line| !line.is_empty())
                {
                    let value: serde_json::Value =
                        serde_json::from_slice(line).expect("it is JSON");
                    std::hint::black_box(value);
                }
            });
            row("jsonl to serde_json::Value", file.len(), seconds);
        }
        let seconds = best(|| {
            let mut sink = Columns::default();
            let read = format.slice(&file, Options::default(), &mut sink);
            read.expect("it was just written");
            sink
        });
        row(
            &format!("{format} to columns, by entries"),
            file.len(),
            seconds,
        );
        if format == Format::Binary {
            let seconds = best(|| binary::columns(&file[..]).expect("it was just written"));
            row("bin to columns, all of them", file.len(), seconds);
            let seconds = best(|| {
                let mut last = 0;
                let read = binary::frames(&file[..], |columns| {
                    last = columns.time.last().copied().unwrap_or(last);
                });
                (read.expect("it was just written"), last)
            });
            row("bin to columns, frame by frame", file.len(), seconds);
        }
        let seconds = best(|| {
            let mut sink = Ops::default();
            let ending = format.slice(&file, Options::default(), &mut sink);
            sink.end(ending.expect("it was just written"))
        });
        row(&format!("{format} to operations"), file.len(), seconds);
        row(&format!("{format}, writing"), file.len(), writing);
    }
}
