//! Groups of three keys, each written once, and reads of whole groups.
//!
//! | f | argument | result when ok |
//! |---|---|---|
//! | `txn` | `[["w" key value]]`, the value different from all others of the run | the argument |
//! | `txn` | `[["r" key nil] …]`, the keys of a group | the same steps with what was read, nil where a key is not there |
//!
//! Keys are whole numbers; those of a group follow each other. Each is written by whatever client
//! is free, by one transaction of its own, so that the writes of a group are independent.
//!
//! **Detects**: two reads that saw two writes in opposite orders, which snapshot isolation
//! forbids; reads of what failed or was never written.

use checkers::AllOf;
use checkers::invariants::LongFork;

use crate::groups::Groups;
use crate::{Options, Workload};

/// The workload, as a value: [`Options::read_percent`] says how much is read.
#[must_use]
pub fn workload(options: &Options) -> Workload {
    Workload {
        name: "long-fork",
        generator: Box::new(Groups::new(options, 3)),
        checker: Box::new(AllOf::new("long-fork", vec![Box::new(LongFork)])),
    }
}
