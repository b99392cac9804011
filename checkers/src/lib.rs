//! Judgement: what a recorded history proves about the system that produced it.
//!
//! A [`Checker`] sees a [`History`](history::History) and nothing else: no clock, no file,
//! no network, no chance. The same history always gets the same report.

pub mod budget;
pub mod history;
pub mod linearizable;
mod objects;
pub mod report;
mod versions;

pub use budget::Budget;
pub use linearizable::Linearizable;
pub use report::{Anomaly, Report, Verdict};

use history::History;

/// Something that judges a history.
pub trait Checker: Send + Sync {
    /// The name under which reports and flags know this checker.
    fn name(&self) -> &str;

    /// Judges `history`, giving up with [`Verdict::Undecided`] once `budget` is spent.
    fn check(&self, history: &History, budget: &Budget) -> Report;
}
