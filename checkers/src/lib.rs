//! Judgement: what a recorded history proves about the system that produced it.
//!
//! A [`Checker`] sees a [`History`](history::History) and nothing else: no clock, no file,
//! no network, no chance. The same history always gets the same report.

pub mod availability;
pub mod budget;
mod by_key;
pub mod calls;
pub mod compose;
pub mod convergence;
mod explain;
mod faults;
pub mod history;
pub mod lattice;
pub mod linearizable;
pub mod loss;
pub mod model;
mod objects;
pub mod pages;
pub mod prefix;
pub mod report;
pub mod resolver;
mod roles;
pub mod stale;
pub mod streaming;
mod versions;

pub use availability::Availability;
pub use budget::Budget;
pub use compose::AllOf;
pub use convergence::Convergence;
pub use linearizable::{Linearizable, Search};
pub use loss::Loss;
pub use prefix::Prefix;
pub use report::{Anomaly, Report, Verdict};
pub use resolver::Resolver;
pub use stale::Stale;

use calls::Calls;
use history::History;

/// Something that judges a history.
pub trait Checker: Send + Sync {
    /// The name under which reports and flags know this checker.
    fn name(&self) -> &str;

    /// Judges the calls of a history, giving up with [`Verdict::Undecided`] once `budget` is
    /// spent.
    fn judge(&self, calls: &Calls, budget: &Budget) -> Report;

    /// The same of a history in memory as operations.
    fn check(&self, history: &History, budget: &Budget) -> Report {
        self.judge(&Calls::of(history), budget)
    }
}

/// What is known of a checker without running it.
#[derive(Clone, Copy, Debug)]
pub struct About {
    /// Its name, as flags and reports have it.
    pub name: &'static str,
    /// What it claims or measures.
    pub claim: &'static str,
    /// What a history must hold for it to decide anything.
    pub needs: &'static str,
    /// The anomalies that it can name.
    pub names: &'static [&'static str],
    /// What it costs in operations.
    pub cost: &'static str,
    /// Builds it.
    pub build: fn() -> Box<dyn Checker>,
}

/// All checkers there are.
pub const CHECKERS: &[About] = &[
    About {
        name: "linearizable",
        claim: "every operation took effect at one instant between its start and its end",
        needs: "registers, or grow-only sets with unique elements, and reads of them",
        names: &[
            "stale-read",
            "stale-cas",
            "future-read",
            "phantom-read",
            "dirty-read",
            "lost-update",
            "cas-cycle",
            "incomparable-reads",
            "duplicate-element",
            "not-linearizable",
        ],
        cost: "O(n log n) if values are unique, else a search with a budget",
        build: || Box::new(Linearizable::default()),
    },
    About {
        name: "loss",
        claim: "nothing acknowledged is gone after recovery, and nothing is there unasked",
        needs: "final reads of every key on every node, and unique values",
        names: &[
            "lost-write",
            "lost-element",
            "dirty-write",
            "phantom-value",
            "duplicate-element",
        ],
        cost: "O(n log n)",
        build: || Box::new(Loss),
    },
    About {
        name: "stale",
        claim: "no read returned what had certainly been replaced before it began",
        needs: "registers with unique values, and reads that began after some write's end",
        names: &["stale-read"],
        cost: "O(n log n)",
        build: || Box::new(Stale),
    },
    About {
        name: "convergence",
        claim: "after recovery all nodes hold the same, and what was deleted stays deleted",
        needs: "final reads of every key on every node, with two nodes at least",
        names: &[
            "divergence",
            "strong-divergence",
            "resurrected-delete",
            "version-conflict",
        ],
        cost: "O(n log n)",
        build: || Box::new(Convergence),
    },
    About {
        name: "resolver",
        claim: "conflicts are resolved alike in any order, however often",
        needs: "entries of resolve, with the siblings and the result",
        names: &[
            "resolver-not-deterministic",
            "resolver-not-commutative",
            "resolver-not-idempotent",
            "resolver-not-associative",
        ],
        cost: "O(n), and the pairs of conflicts that feed each other",
        build: || Box::new(Resolver),
    },
    About {
        name: "prefix",
        claim: "what every node shows is a growing prefix of one order of all writes",
        needs: "the nodes that answered, and registers with unique values, lists, counters or logs",
        names: &[
            "no-single-order",
            "gap-in-prefix",
            "incompatible-order",
            "log-divergence",
            "prefix-regression",
        ],
        cost: "O(n log n)",
        build: || Box::new(Prefix),
    },
    About {
        name: "availability",
        claim: "none: measures when writes were accepted, and how fast",
        needs: "operations of clients that succeeded",
        names: &[],
        cost: "O(n log n), and O(n) for each fault",
        build: || Box::new(Availability),
    },
];
