//! Linearizability while the history is being written: the entries one by one, the first
//! contradiction at once, and no memory of what can no longer matter.
//!
//! **Claim**: that of [`Linearizable`](crate::Linearizable), of registers with compare-and-set
//! and of first-in-first-out queues. What is reported is certain: the entries up to then
//! contradict the claim, whatever follows.
//!
//! **Needs**: the entries of a lawful history in their order, and values that are unique while
//! it matters. Where that is not so, a checker is [unable](Step::Unable) to go on, says so once,
//! and leaves the last word to the one that sees the whole history.
//!
//! **Equal times**: an end and a start at one time are concurrent, even if the start is heard
//! of later. So what is wrong only because something has not begun yet is reported with the
//! first entry of a later time, or at the [end](Streaming::end).
//!
//! **Memory**: grows with how many calls are open at once and how many of unknown outcome were
//! never seen to take effect; a queue's also with what is in it. Not with the length.
//!
//! ```
//! use checkers::history::notation::ops;
//! use checkers::streaming::{Registers, Step, Streaming};
//!
//! let mut registers = Registers::default();
//! let entries = ops("0:w1 0:ok 0:w2 0:ok 1:r 1:ok=1 0:w3");
//! let first = entries.iter().position(|op| matches!(registers.entry(op), Step::Violated(_)));
//! assert_eq!(first, Some(5));
//! ```

mod queue;
mod register;

use std::sync::Arc;

pub use queue::Queues;
pub use register::Registers;

use crate::Anomaly;
use crate::explain;
use crate::history::{Call, Kind, Nanos, Op, Process, Value};

/// A checker that is fed.
pub trait Streaming: Send {
    /// Takes the next entry.
    fn entry(&mut self, op: &Op) -> Step;

    /// Says what was still waiting for entries of the same time: nothing follows.
    fn end(&mut self) -> Step;

    /// How many values are remembered, of all objects.
    fn retained(&self) -> usize;
}

/// What an entry led to.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Nothing contradicts.
    Fine,
    /// The entries up to here contradict the claim; of this object no more will be said.
    Violated(Box<Anomaly>),
    /// From here on violations of this object may be missed, and why; said once.
    Unable(String),
}

/// A call, as far as it is known; kept to be told.
#[derive(Clone, Debug)]
struct Witness {
    invoke: Op,
    complete: Option<Op>,
}

type Told = Arc<Witness>;

impl Witness {
    fn begun(op: &Op) -> Told {
        Arc::new(Self {
            invoke: op.clone(),
            complete: None,
        })
    }

    fn ended(&self, op: &Op) -> Told {
        Arc::new(Self {
            invoke: self.invoke.clone(),
            complete: Some(op.clone()),
        })
    }

    fn call(&self) -> Call<'_> {
        Call {
            invoke: &self.invoke,
            complete: self.complete.as_ref(),
            untimed: false,
        }
    }

    fn is(&self, other: &Self) -> bool {
        self.invoke.index == other.invoke.index
    }
}

/// The story of a contradiction.
fn anomaly(
    name: &str,
    key: &Value,
    calls: impl IntoIterator<Item = Told>,
    conclusion: String,
) -> Box<Anomaly> {
    let witnesses: Vec<Told> = calls.into_iter().collect();
    let calls: Vec<Call<'_>> = witnesses.iter().map(|witness| witness.call()).collect();
    let mut calls: Vec<&Call<'_>> = calls.iter().collect();
    // Of one call the version that knows its end.
    calls.sort_by_key(|call| call.complete.is_none());
    Box::new(explain::anomaly(name, key, &calls, conclusion).1)
}

/// Why a key was given up whose calls do not say what they should.
fn strange(asked: &Op, ended: Option<&Op>) -> Option<String> {
    let (key, answered) = (asked.key.as_ref()?, ended?.key.as_ref()?);
    (key != answered).then(|| format!("it was asked of {key} and answered for {answered}"))
}

/// The number of a client's process; the nemesis is none.
fn client(op: &Op) -> Option<u32> {
    match op.process {
        Process::Client(number) => Some(number),
        Process::Nemesis => None,
    }
}
