//! What to do next: generators, their laws, and the combinators that build them.
//!
//! The laws, tested for every combinator: after [`Next::Done`], always `Done`; `Wait` leaves
//! the generator as it was, but that a clock that starts with the first question runs from
//! then on; it names only a free process; all time and chance come from the [`Context`].
//!
//! | to | use |
//! |---|---|
//! | ask from code | [`from_fn`], [`once`], [`list`] |
//! | one after the other | [`then`], [`sequence`], [`phases`], [`synchronize`], [`cycle`] |
//! | side by side | [`mix`], [`any`], [`flip_flop`], [`each_process`] |
//! | only some processes | [`on`], [`clients`], [`nemesis`] |
//! | an end | [`limit`], [`time_limit`], [`until`] |
//! | a pace | [`stagger`], [`rate`], [`delay`], [`sleep`] |
//!
//! A combinator tells all the generators it still holds of every entry, unless it says
//! otherwise. **Cost** of a question or an entry, where none is given: that of what it holds.
//!
//! ```
//! use std::time::Duration;
//! use checkers::history::{F, Value};
//! use workloads::generator::{Invocation, from_fn, simulate, stagger, time_limit};
//!
//! let reads = from_fn(|_| Some(Invocation::new(F::new("read"), None, Value::Nil)));
//! let mut paced = time_limit(Duration::from_secs(1), stagger(Duration::from_millis(10), reads));
//! let ops = simulate::perfect(&mut paced, 5, 7);
//! assert!((100..400).contains(&ops.len()));
//! ```

mod context;
mod limit;
mod mix;
mod phase;
mod rate;
pub mod simulate;

pub use context::Context;
pub use limit::{Limit, TimeLimit, Until, limit, time_limit, until};
pub use mix::{
    Any, EachProcess, FlipFlop, Mix, On, any, clients, each_process, flip_flop, mix, nemesis, on,
};
pub use phase::{Cycle, Sequence, Synchronize, cycle, phases, sequence, synchronize, then};
pub use rate::{Delay, Rate, Sleep, Stagger, delay, rate, sleep, stagger};

use checkers::history::{F, Nanos, Op, Process, Value};
use rand::RngExt;

/// What to ask for: an operation before anybody was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invocation {
    /// What is asked.
    pub f: F,
    /// The object it is about, where there are several.
    pub key: Option<Value>,
    /// The argument; `Nil` if there is none.
    pub value: Value,
    /// The node to ask, where the operation and not the client chooses it.
    pub node: Option<std::sync::Arc<str>>,
}

impl Invocation {
    /// An operation on one object.
    #[must_use]
    pub fn new(f: F, key: Option<Value>, value: Value) -> Self {
        Self {
            f,
            key,
            value,
            node: None,
        }
    }
}

/// A generator's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Ask this now, by this process, which is free.
    Invoke(Process, Invocation),
    /// Nothing yet: ask again at that time, or after the next event.
    Wait {
        /// When, if only time has to pass.
        until: Option<Nanos>,
    },
    /// Nothing, never again.
    Done,
}

/// Decides what to do next. Pure given its context, so it is tested without a clock.
pub trait Generator: Send {
    /// The next operation, given the time, the free processes and a source of chance.
    fn next(&mut self, ctx: &mut Context<'_>) -> Next;

    /// Tells of an entry of the history: a start or an end of any process.
    fn update(&mut self, ctx: &Context<'_>, op: &Op);
}

impl Generator for Box<dyn Generator> {
    fn next(&mut self, ctx: &mut Context<'_>) -> Next {
        (**self).next(ctx)
    }

    fn update(&mut self, ctx: &Context<'_>, op: &Op) {
        (**self).update(ctx, op);
    }
}

/// Any of the free processes, by chance; none if all are busy.
pub fn some_process(ctx: &mut Context<'_>) -> Option<Process> {
    match ctx.free.len() {
        0 => None,
        count => Some(ctx.free[ctx.rng.random_range(0..count)]),
    }
}

/// The sooner of two times to ask again.
fn sooner(one: Option<Nanos>, other: Option<Nanos>) -> Option<Nanos> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

fn nanos(duration: std::time::Duration) -> Nanos {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Operations from a function, each by any free process, until it returns none.
pub fn from_fn<F>(next: F) -> FromFn<F>
where
    F: FnMut(&mut Context<'_>) -> Option<Invocation> + Send,
{
    FromFn { next: Some(next) }
}

/// Made by [`from_fn`].
#[derive(Debug)]
pub struct FromFn<F> {
    /// None once it has returned none.
    next: Option<F>,
}

impl<F> Generator for FromFn<F>
where
    F: FnMut(&mut Context<'_>) -> Option<Invocation> + Send,
{
    fn next(&mut self, ctx: &mut Context<'_>) -> Next {
        let Some(next) = &mut self.next else {
            return Next::Done;
        };
        let Some(process) = some_process(ctx) else {
            return Next::Wait { until: None };
        };
        if let Some(invocation) = next(ctx) {
            Next::Invoke(process, invocation)
        } else {
            self.next = None;
            Next::Done
        }
    }

    fn update(&mut self, _: &Context<'_>, _: &Op) {}
}

/// One operation, by any free process.
pub fn once(invocation: Invocation) -> impl Generator {
    list([invocation])
}

/// These operations in their order, each by any free process, without waiting for the one
/// before.
pub fn list(invocations: impl IntoIterator<Item = Invocation, IntoIter: Send>) -> impl Generator {
    let mut invocations = invocations.into_iter();
    from_fn(move |_| invocations.next())
}
