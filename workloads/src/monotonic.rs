//! A counter whose increments tell what they made, and when, by the system's own clock.
//!
//! | f | argument | result when ok |
//! |---|---|---|
//! | `increment` | nil | `{value, ts}`: the value it made, and its timestamp; `{value}` if there are none |
//! | `read` | nil | the `{value, ts}` that was made last, or nil |
//!
//! `key` is "c1". An increment reads the value and writes one more, in one transaction.
//!
//! **Detects**: values that two increments made, values and timestamps that go back.

use checkers::AllOf;
use checkers::history::Value;
use checkers::invariants::Monotonic;

use crate::generator::from_fn;
use crate::load::{on, percent};
use crate::{Options, Workload};

/// How many of a hundred operations are reads, at the most.
const READS: u32 = 30;

/// The workload, as a value: [`Options::read_percent`] says how much is read.
#[must_use]
pub fn workload(options: &Options) -> Workload {
    let reads = options.read_percent.min(READS);
    let key = Value::str("c1");
    let next = from_fn(move |ctx| {
        let f = if percent(ctx.rng, reads) {
            "read"
        } else {
            "increment"
        };
        Some(on(&key, f, Value::Nil))
    });
    Workload {
        name: "monotonic",
        generator: Box::new(next),
        checker: Box::new(AllOf::new("monotonic", vec![Box::new(Monotonic)])),
    }
}
