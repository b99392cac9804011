//! How long `schism check` takes for histories of known difficulty, as a whole process from the
//! file to the verdict.
//!
//! ```text
//! make_lin_data.sh DIR big && cargo bench --bench named -- DIR
//! ```
//!
//! The histories come from a generator that is not part of this project: one register of five
//! values (`reg`), of unique values (`uniq`), many keys (`kv1000`), one impossible read (`bad`),
//! one stale read (`staleuniq`), a share of calls whose outcome is unknown (`crash`); then how
//! many operations, and how many clients (`c10`).

#![expect(clippy::print_stdout, reason = "its table is all it is for")]

use std::path::Path;
use std::process::Command;
use std::time::Instant;

/// A history, and the most seconds and megabytes that it may take.
const NAMES: [(&str, f64, u64); 16] = [
    ("kv1000-1000000-c50", 1.0, 230),
    ("uniq-1000000-c10", 2.0, 300),
    ("reg-100000-c5", 0.2, 70),
    ("reg-10000-c10", 0.04, 20),
    ("reg-10000-c20", 1.0, 100),
    ("reg-1000-c50", 10.0, 2048),
    ("reg-10000-c50", 10.0, 2048),
    ("bad-10000-c10", 0.05, 27),
    ("bad-1000-c20", 0.1, 2048),
    ("bad-1000-c50", 10.0, 2048),
    ("staleuniq-10000-c10", 0.05, 2048),
    ("crash0.05-bad-1000-c10", 0.1, 2048),
    ("crash0.002-bad-10000-c10", 0.5, 2048),
    ("crash0.05-10000-c10", 10.0, 2048),
    ("crash0.05-bad-10000-c10", 10.0, 2048),
    ("kv100-100000-c10", 0.26, 74),
];

fn main() {
    let mut arguments = std::env::args().skip(1);
    let Some(directory) = arguments.rfind(|word| word != "--bench") else {
        println!("no directory of histories was given; the named histories are not measured");
        return;
    };
    println!("| history | verdict | seconds | limit | MB at the peak | limit |");
    println!("| --- | --- | ---: | ---: | ---: | ---: |");
    for (name, seconds, megabytes) in NAMES {
        let file = Path::new(&directory).join(format!("{name}.edn"));
        if !file.exists() {
            println!("| {name} | missing | | {seconds} | | {megabytes} |");
            continue;
        }
        let mut best = f64::INFINITY;
        let (mut verdict, mut peak) = (String::new(), String::new());
        for _ in 0..3 {
            let start = Instant::now();
            let output = Command::new(env!("CARGO_BIN_EXE_schism"))
                .args(["--verbose", "check"])
                .arg(&file)
                .output()
                .expect("schism runs");
            best = best.min(start.elapsed().as_secs_f64());
            let out = String::from_utf8_lossy(&output.stdout).into_owned();
            verdict = out.split("  ").next().unwrap_or_default().to_owned();
            let told = String::from_utf8_lossy(&output.stderr).into_owned();
            let before = told.split(" MB of memory").next().unwrap_or_default();
            peak = before.rsplit(' ').next().unwrap_or_default().to_owned();
        }
        println!("| {name} | {verdict} | {best:.3} | {seconds} | {peak} | {megabytes} |");
    }
}
