//! Transactions that decide by two keys and write one of them, and pairs of inserts.
//!
//! | f | argument | result when ok |
//! |---|---|---|
//! | `txn` | `[["r" x nil] ["r" y nil] ["w" x value]]`, or `["w" y value]`; the value different from all others of the run | the same steps with what was read |
//! | `insert` | `[id nil]` or `[nil id]`: insert the id into one of the two tables of `key`, if neither has a row | the argument; it fails if there was a row |
//!
//! The keys of transactions are whole numbers, two and two; the key of a pair of inserts is text:
//! "g1", "g2", and so on. The two inserts of a key follow each other at once.
//!
//! **Detects**: two transactions that each replaced what the other had decided by, which snapshot
//! isolation allows and serializability forbids.

use checkers::AllOf;
use checkers::history::Value;
use checkers::invariants::WriteSkew;
use rand::RngExt;

use crate::generator::from_fn;
use crate::groups::{step, txn};
use crate::load::{Values, on, percent};
use crate::{Options, Workload};

/// How many of a hundred operations are inserts.
const INSERTS: u32 = 30;

/// How many pairs of keys there are.
const PAIRS: i64 = 4;

/// The workload, as a value; there is nothing to choose.
#[must_use]
pub fn workload(_: &Options) -> Workload {
    let mut values = Values::default();
    let mut inserts: i64 = 0;
    let next = from_fn(move |ctx| {
        let value = Value::Int(values.fresh());
        if inserts % 2 == 1 || percent(ctx.rng, INSERTS) {
            let key = Value::str(&format!("g{}", inserts / 2 + 1));
            inserts += 1;
            let pair = if ctx.rng.random_bool(0.5) {
                [value, Value::Nil]
            } else {
                [Value::Nil, value]
            };
            return Some(on(&key, "insert", Value::List(pair.to_vec())));
        }
        let x = ctx.rng.random_range(0..PAIRS) * 2;
        let written = x + i64::from(ctx.rng.random_bool(0.5));
        let reads = [x, x + 1].map(|key| step("r", key, Value::Nil));
        Some(txn(reads.into_iter().chain([step("w", written, value)])))
    });
    Workload {
        name: "write-skew",
        generator: Box::new(next),
        checker: Box::new(AllOf::new("write-skew", vec![Box::new(WriteSkew)])),
    }
}
