//! The command.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use schism::{doctor, lab};

#[derive(Parser)]
#[command(version, about)]
enum Cli {
    Lab(lab::command::LabArgs),
    Doctor(doctor::DoctorArgs),
}

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let printed = error.print();
            let is_fine = printed.is_ok() && !error.use_stderr();
            return ExitCode::from(if is_fine { 0 } else { 64 });
        }
    };
    let mut out = std::io::stdout();
    let result = match &cli {
        Cli::Lab(args) => lab::command::run(args, &mut out).map_err(|error| error.to_string()),
        Cli::Doctor(args) => doctor::run(args, &mut out).map_err(|error| error.to_string()),
    };
    ExitCode::from(result.unwrap_or_else(|error| {
        let said = writeln!(std::io::stderr(), "error: failed to {error}");
        if said.is_ok() { 3 } else { 70 }
    }))
}
