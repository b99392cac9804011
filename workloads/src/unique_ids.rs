//! Ids: every client asks for one after another.
//!
//! | f | argument | result when ok |
//! |---|---|---|
//! | `generate` | nil | an id that no other call got: a number or text |
//!
//! There is nothing to read in the end: what was given out cannot be taken back.
//!
//! **Detects**: ids that were given out twice, and by which nodes.

use checkers::AllOf;
use checkers::history::{F, Value};
use checkers::invariants::UniqueIds;

use crate::generator::{Invocation, from_fn};
use crate::{Options, Workload};

/// The workload, as a value; there is nothing to choose.
#[must_use]
pub fn workload(_: &Options) -> Workload {
    let generate = || Invocation::new(F::new("generate"), None, Value::Nil);
    Workload {
        name: "unique-ids",
        generator: Box::new(from_fn(move |_| Some(generate()))),
        checker: Box::new(AllOf::new("unique-ids", vec![Box::new(UniqueIds)])),
    }
}
