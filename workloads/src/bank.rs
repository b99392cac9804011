//! A bank: money is moved between accounts while others read all of them.
//!
//! | f | argument | result when ok |
//! |---|---|---|
//! | `transfer` | `{from, to, amount}`: two accounts, and an amount different from all others of the run | the argument; it fails if the balance does not suffice |
//! | `read` | nil | the map from every account to its balance |
//!
//! The accounts are "a1" to "a8" and hold [`OPENING`] each before the first operation: the
//! client sees to it. A read, like a transfer, is one transaction. Amounts rise through the run:
//! that they differ names the transfer that was applied by half, and in a long run there are
//! more and more that the balances do not suffice for.
//!
//! **Detects**: money that is made or lost, and by which transfer; missing accounts; balances
//! below zero.

use checkers::AllOf;
use checkers::history::{F, Value};
use checkers::invariants::{Bank, Overdraft};
use rand::RngExt;

use crate::generator::{Invocation, from_fn};
use crate::load::{Values, percent};
use crate::{Options, Workload};

/// How many accounts there are.
pub const ACCOUNTS: u32 = 8;

/// What each holds before the first operation.
pub const OPENING: i64 = 100_000;

/// The name of an account, from zero on.
#[must_use]
pub fn account(place: u32) -> String {
    format!("a{}", place + 1)
}

/// The workload, as a value: [`Options::read_percent`] says how much is read.
#[must_use]
pub fn workload(options: &Options) -> Workload {
    let reads = options.read_percent.min(100);
    let mut amounts = Values::default();
    let next = from_fn(move |ctx| {
        if percent(ctx.rng, reads) {
            return Some(Invocation::new(F::new("read"), None, Value::Nil));
        }
        let from = ctx.rng.random_range(0..ACCOUNTS);
        let to = (from + ctx.rng.random_range(1..ACCOUNTS)) % ACCOUNTS;
        let transfer = Value::map([
            ("from", Value::str(&account(from))),
            ("to", Value::str(&account(to))),
            ("amount", Value::Int(amounts.fresh())),
        ]);
        Some(Invocation::new(F::new("transfer"), None, transfer))
    });
    let bank = Bank {
        total: Some(OPENING * i64::from(ACCOUNTS)),
        accounts: Some((0..ACCOUNTS).map(account).collect()),
    };
    Workload {
        name: "bank",
        generator: Box::new(next),
        checker: Box::new(AllOf::new(
            "bank",
            vec![Box::new(bank), Box::new(Overdraft)],
        )),
    }
}
