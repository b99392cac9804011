//! Intent: which operations to ask for, and which checkers judge the answers.
//!
//! A [`generator`] decides what to do next, given the time, who is free and a source of
//! chance. It knows no host, socket, clock or fault. A [`Workload`] is a generator with the
//! checker that judges what comes of it; [`WORKLOADS`] is the list of all there are.
//!
//! ```
//! use checkers::{Budget, Verdict, history::History};
//! use workloads::generator::{limit, simulate};
//!
//! let workload = workloads::find("set").unwrap().build(&workloads::Options::default());
//! let ops = simulate::perfect(&mut limit(100, workload.generator), 5, 7);
//! let report = workload.checker.check(&History::new(ops).unwrap(), &Budget::unlimited());
//! // Nobody read the nodes after the run, so it cannot be said that nothing was lost.
//! assert_ne!(report.verdict, Verdict::Held);
//! ```

pub mod bank;
pub mod causal_reverse;
pub mod convergence;
pub mod counter;
pub mod finals;
pub mod generator;
mod groups;
mod load;
pub mod lock;
pub mod log;
pub mod long_fork;
pub mod mixed;
pub mod monotonic;
pub mod queue;
pub mod register;
pub mod sessions;
pub mod set;
pub mod set_full;
pub mod unique_ids;
pub mod write_skew;

use checkers::Checker;
use generator::Generator;

/// Intent and judgement together. What must be read in the end, [`finals`] tells of any of
/// them from the history.
pub struct Workload {
    /// Its name, as flags and reports have it.
    pub name: &'static str,
    /// The clients' operations, never over and as fast as asked: limits and pace are the
    /// caller's.
    pub generator: Box<dyn Generator>,
    /// All that can be judged of the history, as one report with parts.
    pub checker: Box<dyn Checker>,
}

/// What can be chosen of a workload. Shares are cut to a hundred, and counts are at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// How many of a hundred operations on registers are reads.
    pub read_percent: u32,
    /// How many of a hundred writes are compare-and-sets, which not every system can do.
    pub cas_percent: u32,
    /// How many registers are in use at a time.
    pub active_keys: usize,
    /// After how many writes a register is retired.
    pub writes_per_key: u32,
    /// How many of a hundred operations of `mixed` are on sets.
    pub set_percent: u32,
    /// How many sets are in use at a time.
    pub active_sets: usize,
    /// After how many adds a set is retired.
    pub adds_per_set: u32,
    /// How many of a hundred operations on sets read one whole.
    pub read_set_percent: u32,
    /// How many of a hundred changes of the sets of `convergence` are removes.
    pub remove_percent: u32,
    /// How many of a hundred changes of counters are decrements.
    pub decrement_percent: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            read_percent: 50,
            cas_percent: 0,
            active_keys: 8,
            writes_per_key: 50,
            set_percent: 30,
            active_sets: 2,
            adds_per_set: 300,
            read_set_percent: 10,
            remove_percent: 30,
            decrement_percent: 0,
        }
    }
}

/// A row of [`WORKLOADS`].
#[derive(Clone, Copy, Debug)]
pub struct About {
    /// Its name.
    pub name: &'static str,
    /// The operations that its clients must speak.
    pub operations: &'static [&'static str],
    /// What it detects.
    pub detects: &'static str,
    /// Makes it, with these options.
    pub make: fn(&Options) -> Workload,
}

impl About {
    /// The workload with these options.
    #[must_use]
    pub fn build(&self, options: &Options) -> Workload {
        (self.make)(options)
    }
}

/// All workloads there are. `cas` and `decrement` are asked for only if [`Options::cas_percent`]
/// and [`Options::decrement_percent`] say so.
pub const WORKLOADS: &[About] = &[
    About {
        name: "counter",
        operations: &["increment", "decrement", "read"],
        detects: "changes that are lost or counted twice, nodes that disagree, outages",
        make: counter::workload,
    },
    About {
        name: "log",
        operations: &["send", "poll"],
        detects: "lost, skipped, doubled, reordered messages, how far polls are behind, outages",
        make: log::workload,
    },
    About {
        name: "mixed",
        operations: &["read", "write", "cas", "add", "read-set"],
        detects: "what register and set detect, at once",
        make: mixed::workload,
    },
    About {
        name: "convergence",
        operations: &["read", "write", "cas", "add", "remove", "read-set"],
        detects: "nodes that differ in the end, deletes undone, orders that nodes do not share, stale reads",
        make: convergence::workload,
    },
    About {
        name: "queue",
        operations: &["enqueue", "dequeue", "drain"],
        detects: "lost, doubled, reordered and phantom elements, outages",
        make: queue::workload,
    },
    About {
        name: "register",
        operations: &["read", "write", "cas"],
        detects: "reads that no order explains, stale reads, lost writes, outages",
        make: register::workload,
    },
    About {
        name: "sessions",
        operations: &["read", "write", "cas"],
        detects: "broken promises to sessions, causal and sequential order, and what register detects",
        make: sessions::workload,
    },
    About {
        name: "set",
        operations: &["add", "read-set"],
        detects: "lost, divergent, duplicate and phantom elements, outages",
        make: set::workload,
    },
    About {
        name: "set-full",
        operations: &["add", "read-set"],
        detects: "elements that are lost, late or come and go, on which node, outages",
        make: set_full::workload,
    },
    About {
        name: "unique-ids",
        operations: &["generate"],
        detects: "ids that were given out twice",
        make: unique_ids::workload,
    },
    About {
        name: "lock",
        operations: &["acquire", "release", "guarded-write", "guarded-read"],
        detects: "locks that two hold, fencing tokens that repeat or go back, old tokens that are accepted",
        make: lock::workload,
    },
    About {
        name: "bank",
        operations: &["transfer", "read"],
        detects: "money made or lost and by which transfer, missing accounts, balances below zero",
        make: bank::workload,
    },
    About {
        name: "long-fork",
        operations: &["txn"],
        detects: "two reads that saw two writes in opposite orders",
        make: long_fork::workload,
    },
    About {
        name: "causal-reverse",
        operations: &["txn"],
        detects: "reads that see a write and miss an earlier one, of anybody or of the same client",
        make: causal_reverse::workload,
    },
    About {
        name: "monotonic",
        operations: &["increment", "read"],
        detects: "values that two increments made, values and timestamps that go back",
        make: monotonic::workload,
    },
    About {
        name: "write-skew",
        operations: &["txn", "insert"],
        detects: "transactions that each replaced what the other had decided by",
        make: write_skew::workload,
    },
];

/// The workload of that name, if there is one.
#[must_use]
pub fn find(name: &str) -> Option<&'static About> {
    WORKLOADS.iter().find(|about| about.name == name)
}
