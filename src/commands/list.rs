//! `schism list`: what can be named in a trial file, and on the command line.

use checkers::model::Known;
use clap::Args;
use fixtures::failpoint::Failpoint;

use crate::claim::Claim;
use crate::nemesis::schedule::FaultKind;
use crate::plan::SystemName;
use crate::report::table::{Charset, render, render_within};

/// Flags of `schism list`.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// What to list.
    pub what: Listing,
}

/// What can be listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Listing {
    /// Systems that can be tested.
    Systems,
    /// Workloads, their operations and what they detect.
    Workloads,
    /// Faults and whom they can hit.
    Faults,
    /// Claims that are judged.
    Claims,
    /// Models of objects, and their operations.
    Models,
    /// Checkers, what they need and what they can name.
    Checkers,
    /// The systems' errors, and which of them promise that nothing happened.
    Errors,
}

/// The table.
#[must_use]
pub fn run(args: &ListArgs, width: usize, charset: Charset) -> String {
    let own = |words: &[&str]| {
        words
            .iter()
            .map(|word| (*word).to_owned())
            .collect::<Vec<_>>()
    };
    match args.what {
        Listing::Workloads => {
            let rows: Vec<_> = workloads::WORKLOADS
                .iter()
                .map(|workload| {
                    own(&[
                        workload.name,
                        &workload.operations.join(", "),
                        workload.detects,
                    ])
                })
                .collect();
            render(&["workload", "operations", "detects"], &rows, charset)
        }
        Listing::Systems => {
            let rows = SystemName::ALL.map(|system| {
                let operations = system.operations().join(", ");
                own(&[system.as_str(), system.about(), &operations])
            });
            render(&["system", "what it is", "operations"], &rows, charset)
        }
        Listing::Faults => {
            let rows = FaultKind::ALL.map(|kind| {
                let place = match kind {
                    FaultKind::Clock => "on hosts of reference nodes, in memory",
                    _ if kind.is_for_hosts() => "on hosts, in memory",
                    _ => "in memory",
                };
                let steps = match kind {
                    FaultKind::Kill | FaultKind::Pause => {
                        Failpoint::ALL.map(Failpoint::name).join(", ")
                    }
                    FaultKind::Partition
                    | FaultKind::Clock
                    | FaultKind::Repeat
                    | FaultKind::Slow => String::new(),
                };
                own(&[
                    kind.as_str(),
                    kind.targets(),
                    kind.undone_by(),
                    place,
                    &steps,
                ])
            });
            let columns = [
                "fault",
                "targets",
                "undone by",
                "where",
                "at a step of reference nodes",
            ];
            render(&columns, &rows, charset)
        }
        Listing::Claims => {
            let rows = Claim::all().map(|claim| own(&[claim.as_str(), claim.meaning()]));
            let set = Claim::all_settings().map(|(written, says)| own(&[&written, says]));
            let rows: Vec<_> = rows.chain(set).collect();
            render(&["claim", "meaning"], &rows, charset)
        }
        Listing::Models => {
            let rows = Known::ALL.map(|known| own(&[known.name(), &known.functions().join(", ")]));
            render(&["model", "operations"], &rows, charset)
        }
        Listing::Checkers => {
            let rows: Vec<_> = checkers::CHECKERS
                .iter()
                .map(|c| own(&[c.name, c.claim, c.needs, &c.names.join(", "), c.cost]))
                .collect();
            render_within(
                &["checker", "judges", "needs", "can name", "cost"],
                &rows,
                width.min(160),
                charset,
            )
        }
        Listing::Errors => {
            let rows: Vec<_> = SystemName::ALL
                .into_iter()
                .flat_map(|system| {
                    let told = move |(error, definite): (String, bool)| {
                        let then = if definite { "fail" } else { "info" };
                        vec![system.as_str().to_owned(), error, then.to_owned()]
                    };
                    system.errors().into_iter().map(told)
                })
                .collect();
            render(&["system", "error", "a write then is"], &rows, charset)
        }
    }
}
