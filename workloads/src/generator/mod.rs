//! What to do next: generators, their laws, and the combinators that build them.
//!
//! The laws, tested for every combinator: after [`Next::Done`], always `Done`; `Wait` leaves
//! the generator as it was; it names only a free process; all time and chance come from the
//! [`Context`].

mod context;

pub use context::Context;

use checkers::history::{F, Nanos, Op, Process, Value};

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
