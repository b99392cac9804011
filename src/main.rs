//! The command: parse, run, print, exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    // A panic is our own fault and says so with a code of its own; Rust's 101 must not leak.
    match std::panic::catch_unwind(schism::cli::main) {
        Ok(code) => ExitCode::from(code),
        Err(_) => ExitCode::from(schism::cli::INTERNAL),
    }
}
