//! Groups of six keys that are written one after another, and reads of whole groups.
//!
//! Operations, arguments and results are those of [`long_fork`](crate::long_fork). Most writes of
//! a group begin after others of it were acknowledged, some by the same client.
//!
//! **Detects**: reads that see a write and miss one that had been acknowledged, or seen, before
//! it began, which strict serializability forbids; the same of the writes of one client; reads
//! of what failed or was never written.

use checkers::AllOf;
use checkers::invariants::{CausalReverse, SequentialKeys};

use crate::groups::Groups;
use crate::{Options, Workload};

/// The workload, as a value: [`Options::read_percent`] says how much is read.
#[must_use]
pub fn workload(options: &Options) -> Workload {
    Workload {
        name: "causal-reverse",
        generator: Box::new(Groups::new(options, 6)),
        checker: Box::new(AllOf::new(
            "causal-reverse",
            vec![Box::new(CausalReverse), Box::new(SequentialKeys)],
        )),
    }
}
