//! Combinators that end what they hold.

use std::time::Duration;

use checkers::history::{Nanos, Op};

use super::{Context, Generator, Next, nanos, sooner};

/// At most `count` operations of `generator`.
pub fn limit<G: Generator>(count: usize, generator: G) -> Limit<G> {
    Limit {
        left: count,
        generator,
    }
}

/// Made by [`limit`].
#[derive(Debug)]
pub struct Limit<G> {
    left: usize,
    generator: G,
}

impl<G: Generator> Generator for Limit<G> {
    fn next(&mut self, ctx: &mut Context<'_>) -> Next {
        if self.left == 0 {
            return Next::Done;
        }
        let next = self.generator.next(ctx);
        match next {
            Next::Invoke(..) => self.left -= 1,
            Next::Wait { .. } => {}
            Next::Done => self.left = 0,
        }
        next
    }

    fn update(&mut self, ctx: &Context<'_>, op: &Op) {
        self.generator.update(ctx, op);
    }
}

/// Operations of `generator` that begin within `time` of the first question; at that moment it
/// is over. A wait is cut to that moment.
pub fn time_limit<G: Generator>(time: Duration, generator: G) -> TimeLimit<G> {
    TimeLimit {
        time: nanos(time),
        deadline: None,
        is_over: false,
        generator,
    }
}

/// Made by [`time_limit`].
#[derive(Debug)]
pub struct TimeLimit<G> {
    time: Nanos,
    deadline: Option<Nanos>,
    is_over: bool,
    generator: G,
}

impl<G: Generator> Generator for TimeLimit<G> {
    fn next(&mut self, ctx: &mut Context<'_>) -> Next {
        let start = ctx.now;
        let deadline = *self
            .deadline
            .get_or_insert_with(|| start.saturating_add(self.time));
        if self.is_over || ctx.now >= deadline {
            self.is_over = true;
            return Next::Done;
        }
        match self.generator.next(ctx) {
            Next::Invoke(process, invocation) => Next::Invoke(process, invocation),
            Next::Wait { until } => Next::Wait {
                until: sooner(until, Some(deadline)),
            },
            Next::Done => {
                self.is_over = true;
                Next::Done
            }
        }
    }

    fn update(&mut self, ctx: &Context<'_>, op: &Op) {
        self.generator.update(ctx, op);
    }
}

/// Operations of `generator` until an entry of the history meets `is_last`.
pub fn until<G, P>(is_last: P, generator: G) -> Until<G, P>
where
    G: Generator,
    P: FnMut(&Op) -> bool + Send,
{
    Until {
        is_last,
        is_over: false,
        generator,
    }
}

/// Made by [`until`].
#[derive(Debug)]
pub struct Until<G, P> {
    is_last: P,
    is_over: bool,
    generator: G,
}

impl<G, P> Generator for Until<G, P>
where
    G: Generator,
    P: FnMut(&Op) -> bool + Send,
{
    fn next(&mut self, ctx: &mut Context<'_>) -> Next {
        if self.is_over {
            return Next::Done;
        }
        let next = self.generator.next(ctx);
        self.is_over = next == Next::Done;
        next
    }

    fn update(&mut self, ctx: &Context<'_>, op: &Op) {
        self.is_over = self.is_over || (self.is_last)(op);
        self.generator.update(ctx, op);
    }
}
