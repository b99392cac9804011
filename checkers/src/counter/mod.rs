//! Counters: between which numbers each read must lie.
//!
//! **Claim** of [`Counter`]: each read counts everything that was acknowledged before it began,
//! and nothing that began after it ended. Of [`PnCounter`], for counters whose nodes may be
//! behind: no read counts what nobody had begun to ask for, and in the end every node has the
//! sum of all acknowledged changes, and of some of those whose outcome is unknown.
//!
//! For a read, a change that did not fail *must* be counted if it was acknowledged before the
//! read began, and *may* be counted if it began before the read ended; what may be counted and
//! need not stays possible for ever. So the least it can return is all increments it must count
//! and all decrements it may count, and the most is the reverse. That is necessary only. Where
//! all changes of a counter are of one step, [`Counter`] also judges it exactly, by the algorithm
//! of [`linearizable`](crate::linearizable).
//!
//! **Needs**: `increment` and `decrement`, by their argument or by one, or `add` of a number;
//! `read` that returns a number. [`PnCounter`] needs `final-read-counter` of every node, begun
//! after all acknowledged changes were over, and counts changes of unknown outcome exactly as
//! far as their sums are few.
//!
//! **Names**: "out-of-bounds"; of [`Counter`] those of the exact algorithm; of [`PnCounter`]
//! "wrong-final-value", "divergent-counter".
//!
//! **Cost**: O(n log n); at most 60 bytes an operation.
//!
//! **Source**: Jepsen's counter checker and Maelstrom's pn-counter, with decrements and unknown
//! outcomes.

mod ends;
mod gather;
mod interval;

pub use ends::PnCounter;
pub use interval::Counter;
