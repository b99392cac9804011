//! How long the judges of linearizability need for histories of known difficulty.
//!
//! ```text
//! make_lin_data.sh DIR && cargo bench -p checkers --bench search -- DIR [NAME…]
//! ```
//!
//! Each line of DIR/NAME.tsv is an event: process, type, f, key, first and second argument.
//! Printed for each file: what the dispatcher needs, and what the general search alone needs,
//! which knows no special cases.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a benchmark reads files and clocks, and prints"
)]

use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

use checkers::history::{F, History, Kind, Op, Process, Value};
use checkers::model::Register;
use checkers::{Budget, Checker, Linearizable, Report, Search};

const NAMES: [&str; 22] = [
    "reg-10000-c10",
    "bad-10000-c10",
    "reg-100000-c5",
    "reg-100000-c10",
    "uniq-100000-c10",
    "kv100-100000-c10",
    "reg-1000-c20",
    "reg-10000-c20",
    "reg-100000-c20",
    "bad-1000-c20",
    "bad-10000-c20",
    "reg-1000-c50",
    "reg-10000-c50",
    "bad-1000-c50",
    "bad-10000-c50",
    "crash0.05-bad-1000-c10",
    "crash0.02-bad-1000-c10",
    "crash0.002-bad-10000-c10",
    "crash0.005-bad-10000-c10",
    "crash0.05-10000-c10",
    "crash0.05-bad-10000-c10",
    "staleuniq-10000-c10",
];

fn main() {
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|a| a != "--bench")
        .collect();
    let Some((directory, names)) = arguments.split_first() else {
        println!("no directory of histories was given; nothing is measured");
        return;
    };
    let names: Vec<String> = if names.is_empty() {
        NAMES.iter().map(|&name| name.to_owned()).collect()
    } else {
        names.to_vec()
    };
    println!(
        "| case | dispatched | verdict | search alone | verdict | by | configurations | M/s |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- | --- |");
    for name in names {
        let Ok(text) = std::fs::read_to_string(format!("{directory}/{name}.tsv")) else {
            println!("| {name} | missing |");
            continue;
        };
        let history = parse(&text);
        let (whole, dispatched) = timed(&Linearizable::default(), &history);
        let alone = Search::new("search", Register::default());
        let (time, searched) = timed(&alone, &history);
        let number = |name: &str| searched.number(name).unwrap_or(0);
        let configurations = number("configurations");
        #[expect(clippy::cast_precision_loss, reason = "it is printed with two digits")]
        let rate = configurations as f64 / time.as_secs_f64() / 1e6;
        println!(
            "| {name} | {whole:.1?} | {:?} | {time:.1?} | {:?} | {} frontier, {} depth-first | \
             {configurations} | {rate:.2} |",
            dispatched.verdict,
            searched.verdict,
            number("keys_by_frontier"),
            number("keys_by_depth_first"),
        );
    }
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find(|line| line.starts_with("VmHWM"));
    println!("peak of all: {}", peak.unwrap_or("unknown"));
}

/// The median of three runs, or one run if it is slow.
fn timed(checker: &dyn Checker, history: &History) -> (Duration, Report) {
    let mut times = Vec::new();
    loop {
        let budget = Budget::unlimited().with_max_bytes(2 << 30);
        let stop = budget.clone();
        let (done, over) = std::sync::mpsc::channel::<()>();
        let alarm = std::thread::spawn(move || {
            if over.recv_timeout(Duration::from_secs(20)) == Err(RecvTimeoutError::Timeout) {
                stop.stop();
            }
        });
        let start = Instant::now();
        let report = checker.check(history, &budget);
        times.push(start.elapsed());
        drop(done);
        alarm.join().expect("the alarm only waits");
        if times.len() == 3 || times[0] > Duration::from_secs(2) {
            times.sort_unstable();
            return (times[times.len() / 2], report);
        }
    }
}

fn parse(text: &str) -> History {
    let mut ops = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let fields: Vec<&str> = line.split('\t').collect();
        let [process, kind, f, key, a, b] = fields[..] else {
            continue;
        };
        let number = |text: &str| text.parse().map_or(Value::Nil, Value::Int);
        ops.push(Op {
            index,
            time: 1_000 * index as u64,
            process: Process::Client(process.parse().expect("a process is a number")),
            kind: match kind {
                "invoke" => Kind::Invoke,
                "ok" => Kind::Ok,
                "fail" => Kind::Fail,
                _ => Kind::Info,
            },
            f: F::owned(f.to_owned()),
            key: Some(number(key)),
            value: match f {
                "cas" => Value::List(vec![number(a), number(b)]),
                _ => number(a),
            },
            node: None,
            error: None,
        });
    }
    History::new(ops).expect("the generator makes lawful histories")
}
