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
pub mod counter;
mod counts;
mod explain;
mod faults;
mod hash;
pub mod history;
pub mod invariants;
pub mod lattice;
pub mod linearizable;
pub mod log;
pub mod loss;
pub mod model;
mod objects;
pub mod pages;
mod percentile;
pub mod prefix;
pub mod queue;
pub mod report;
pub mod resolver;
mod roles;
pub mod sessions;
pub mod sets;
pub mod stale;
pub mod streaming;
mod versions;

pub use availability::Availability;
pub use budget::Budget;
pub use compose::AllOf;
pub use convergence::Convergence;
pub use counter::{Counter, PnCounter};
pub use linearizable::{Linearizable, Search};
pub use log::Log;
pub use loss::Loss;
pub use prefix::Prefix;
pub use queue::Queue;
pub use report::{Anomaly, Dependency, Report, Verdict};
pub use resolver::Resolver;
pub use sessions::{Guarantee, Sessions};
pub use sets::{Set, SetFull};
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
        name: "set",
        claim: "what was acknowledged is in the last read of its set, and nothing else is",
        needs: "adds of unique elements, and a read of the set after them",
        names: &[
            "lost-element",
            "dirty-read",
            "phantom-read",
            "duplicate-element",
        ],
        cost: "O(n log n)",
        build: || Box::new(Set),
    },
    About {
        name: "set-full",
        claim: "no element that was there, or was acknowledged, stays away",
        needs: "adds of unique elements, and reads of the set that begin after them",
        names: &[
            "lost-element",
            "stale-element",
            "flickering-element",
            "duplicate-element",
            "dirty-read",
            "phantom-read",
        ],
        cost: "O(n) and what reads return beyond the one before",
        build: || Box::new(SetFull::default()),
    },
    About {
        name: "counter",
        claim: "each read counts what was acknowledged before it, and nothing begun after it",
        needs: "increments, decrements or adds of numbers, and reads after them",
        names: &[
            "out-of-bounds",
            "stale-read",
            "future-read",
            "phantom-read",
            "not-linearizable",
        ],
        cost: "O(n log n)",
        build: || Box::new(Counter),
    },
    About {
        name: "pn-counter",
        claim: "no read counts what nobody asked for, and in the end every node has the sum",
        needs: "changes by numbers, and final reads of every node after all of them",
        names: &["out-of-bounds", "wrong-final-value", "divergent-counter"],
        cost: "O(n log n)",
        build: || Box::new(PnCounter),
    },
    About {
        name: "queue",
        claim: "what was acknowledged comes out, and nothing does that nobody put in",
        needs: "enqueues and dequeues of values, and a completed drain after them",
        names: &[
            "lost-element",
            "dirty-write",
            "phantom-value",
            "duplicate-delivery",
            "out-of-order",
        ],
        cost: "O(n log n)",
        build: || Box::new(Queue::default()),
    },
    About {
        name: "log",
        claim: "one value an offset for ever, polled in order without gaps; nothing is lost",
        needs: "sends and polls with offsets, unique values, and polls up to the end",
        names: &[
            "inconsistent-offsets",
            "duplicate",
            "lost-write",
            "aborted-read",
            "phantom-value",
            "poll-skip",
            "int-poll-skip",
            "nonmonotonic-poll",
            "int-nonmonotonic-poll",
            "nonmonotonic-send",
        ],
        cost: "O(n), O(n log n) where offsets are far apart",
        build: || Box::new(Log),
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
    About {
        name: "unique-ids",
        claim: "no id was given out twice",
        needs: "two ids",
        names: &["duplicate-id"],
        cost: "O(n)",
        build: || Box::new(invariants::UniqueIds),
    },
    About {
        name: "ordered-ids",
        claim: "every id is above those given out before it was asked for",
        needs: "ids that are all numbers or all text",
        names: &["id-went-back"],
        cost: "O(n log n)",
        build: || Box::new(invariants::OrderedIds::default()),
    },
    About {
        name: "locks",
        claim: "no more held a lock at once than may",
        needs: "acquire and release; the lifetime of leases",
        names: &["mutual-exclusion", "too-many-permits"],
        cost: "O(n log n)",
        build: || Box::new(invariants::Locks::default()),
    },
    About {
        name: "fencing-tokens",
        claim: "every token is above those granted before, and no two are the same",
        needs: "acquires that return a token",
        names: &["duplicate-token", "token-went-back"],
        cost: "O(n log n)",
        build: || Box::new(invariants::FencingTokens),
    },
    About {
        name: "guarded-resource",
        claim: "once it accepted a token, a resource accepted none below",
        needs: "guarded-write of {token, value}, and somebody who tried an old token",
        names: &[
            "stale-token-accepted",
            "refused-write-visible",
            "phantom-read",
        ],
        cost: "O(n log n)",
        build: || Box::new(invariants::GuardedResource),
    },
    About {
        name: "leader-terms",
        claim: "no two nodes led in one term, and no node's term went back",
        needs: "status entries that tell node, role and term",
        names: &["two-leaders", "term-went-back"],
        cost: "O(n log n)",
        build: || Box::new(invariants::LeaderTerms),
    },
    About {
        name: "bank",
        claim: "all accounts are in every read and add up to one total",
        needs: "reads of all balances, and transfers",
        names: &["wrong-total", "missing-account", "extra-account"],
        cost: "O(n) in what is read",
        build: || Box::new(invariants::Bank::default()),
    },
    About {
        name: "bank-overdraft",
        claim: "no account was seen below zero",
        needs: "reads of balances, and transfers",
        names: &["negative-balance"],
        cost: "O(n) in what is read",
        build: || Box::new(invariants::Overdraft),
    },
    About {
        name: "long-fork",
        claim: "of two reads of the same keys one saw all that the other saw",
        needs: "transactions that read several keys, each written once",
        names: &["long-fork", "dirty-read", "phantom-read"],
        cost: "O(n log n)",
        build: || Box::new(invariants::LongFork),
    },
    About {
        name: "causal-reverse",
        claim: "what a read saw came with all that had been written before it",
        needs: "reads of several keys or of lists, each key and element written once",
        names: &["causal-reverse", "dirty-read", "phantom-read"],
        cost: "O(n log n)",
        build: || Box::new(invariants::CausalReverse),
    },
    About {
        name: "sequential-keys",
        claim: "what a read saw of a client's writes came with its earlier ones",
        needs: "reads of several keys or of lists, each key and element written once",
        names: &["sequential-order", "dirty-read", "phantom-read"],
        cost: "O(n log n)",
        build: || Box::new(invariants::SequentialKeys),
    },
    About {
        name: "monotonic",
        claim: "the values of increments differ, and rise with time and timestamps",
        needs: "increments that return their value",
        names: &["duplicate-value", "value-went-back", "timestamp-disorder"],
        cost: "O(n log n)",
        build: || Box::new(invariants::Monotonic),
    },
    About {
        name: "write-skew",
        claim: "no two transactions each replaced what the other had decided by",
        needs: "transactions that read two keys and write one, or pairs of inserts",
        names: &["write-skew"],
        cost: "O(n log n)",
        build: || Box::new(invariants::WriteSkew),
    },
    About {
        name: "read-your-writes",
        claim: "a session that reads a key that it wrote sees that write, or something newer",
        needs: "registers (read, write, cas) with unique values, and sessions of several operations",
        names: &["read-your-writes", "phantom-read", "dirty-read"],
        cost: "O(n log n)",
        build: || Box::new(Sessions::of(Guarantee::ReadYourWrites)),
    },
    About {
        name: "monotonic-reads",
        claim: "what a session reads of a key never gets older",
        needs: "registers (read, write, cas) with unique values, and sessions of several operations",
        names: &["non-monotonic-read", "phantom-read", "dirty-read"],
        cost: "O(n log n)",
        build: || Box::new(Sessions::of(Guarantee::MonotonicReads)),
    },
    About {
        name: "monotonic-writes",
        claim: "a write is seen only with the earlier writes of its session",
        needs: "registers (read, write, cas) with unique values, and sessions of several operations",
        names: &["non-monotonic-write", "phantom-read", "dirty-read"],
        cost: "O(n log n), and for a read of an initial value one step for each session that wrote the key",
        build: || Box::new(Sessions::of(Guarantee::MonotonicWrites)),
    },
    About {
        name: "writes-follow-reads",
        claim: "a write is seen only with what its session had read before it",
        needs: "registers (read, write, cas) with unique values, and sessions of several operations",
        names: &["write-follows-read", "phantom-read", "dirty-read"],
        cost: "O(n k) for k sessions at a time",
        build: || Box::new(Sessions::of(Guarantee::WritesFollowReads)),
    },
    About {
        name: "pram",
        claim: "what one session writes, every session sees in that order",
        needs: "registers (read, write, cas) with unique values, and sessions of several operations",
        names: &[
            "cyclic-hb",
            "write-hb-init-read",
            "phantom-read",
            "dirty-read",
        ],
        cost: "O(n log n) if few writes must be moved before others, polynomial in any case",
        build: || Box::new(Sessions::of(Guarantee::Pram)),
    },
    About {
        name: "causal",
        claim: "no read misses what causally precedes it (causal consistency, CC)",
        needs: "registers (read, write, cas) with unique values, and sessions of several operations",
        names: &[
            "cyclic-co",
            "write-co-read",
            "write-co-init-read",
            "phantom-read",
            "dirty-read",
        ],
        cost: "O(n k) for k sessions at a time",
        build: || Box::new(Sessions::of(Guarantee::Causal)),
    },
    About {
        name: "causal-convergence",
        claim: "causal consistency, and one order of the writes for all (CCv)",
        needs: "registers (read, write, cas) with unique values, and sessions of several operations",
        names: &[
            "cyclic-co",
            "write-co-read",
            "write-co-init-read",
            "cyclic-cf",
            "phantom-read",
            "dirty-read",
        ],
        cost: "O(n k) for k sessions at a time",
        build: || Box::new(Sessions::of(Guarantee::CausalConvergence)),
    },
    About {
        name: "causal-memory",
        claim: "each session sees causally ordered writes in one order that fits all its reads (CM)",
        needs: "registers (read, write, cas) with unique values, and sessions of several operations",
        names: &[
            "cyclic-co",
            "write-co-read",
            "write-co-init-read",
            "cyclic-hb",
            "write-hb-init-read",
            "phantom-read",
            "dirty-read",
        ],
        cost: "O(n k) for k sessions if few writes must be moved before others, polynomial in any case; given up when the budget is spent",
        build: || Box::new(Sessions::of(Guarantee::CausalMemory)),
    },
    About {
        name: "sequential",
        claim: "one order of all operations that keeps the order of each session",
        needs: "registers (read, write, cas) with unique values, and sessions of several operations",
        names: &[
            "cyclic-co",
            "write-co-read",
            "write-co-init-read",
            "cyclic-cf",
            "cyclic-hb",
            "write-hb-init-read",
            "lost-update",
            "not-sequential",
            "phantom-read",
            "dirty-read",
        ],
        cost: "O(n k) if the order that is built first will do, or a weaker guarantee is broken; else a search with a budget, as it is NP-complete",
        build: || Box::new(Sessions::of(Guarantee::Sequential)),
    },
    About {
        name: "sessions",
        claim: "none by itself: the nine guarantees of sessions at once, a part for each",
        needs: "registers (read, write, cas) with unique values, and sessions of several operations",
        names: &[],
        cost: "what its parts cost; the history is read once",
        build: || Box::<Sessions>::default(),
    },
];
