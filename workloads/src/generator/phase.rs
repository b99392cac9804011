//! Combinators that put one generator after another.

use std::collections::VecDeque;

use checkers::history::Op;

use super::{Context, Generator, Next};

/// `first` until it is over, then `second`, without waiting for operations still open.
pub fn then(first: impl Generator + 'static, second: impl Generator + 'static) -> Sequence {
    sequence(vec![Box::new(first), Box::new(second)])
}

/// Each of `generators` until it is over, without waiting for operations still open. Only the
/// one whose turn it is hears of the history.
#[must_use]
pub fn sequence(generators: Vec<Box<dyn Generator>>) -> Sequence {
    Sequence {
        left: generators.into(),
    }
}

/// Like [`sequence`], but each begins only when all processes are free.
#[must_use]
pub fn phases(generators: Vec<Box<dyn Generator>>) -> Sequence {
    let phase = |generator| Box::new(synchronize(generator)) as Box<dyn Generator>;
    sequence(generators.into_iter().map(phase).collect())
}

/// Made by [`sequence`], [`phases`] and [`then`].
pub struct Sequence {
    left: VecDeque<Box<dyn Generator>>,
}

impl Generator for Sequence {
    fn next(&mut self, ctx: &mut Context<'_>) -> Next {
        while let Some(generator) = self.left.front_mut() {
            match generator.next(ctx) {
                Next::Done => self.left.pop_front(),
                next => return next,
            };
        }
        Next::Done
    }

    fn update(&mut self, ctx: &Context<'_>, op: &Op) {
        if let Some(generator) = self.left.front_mut() {
            generator.update(ctx, op);
        }
    }
}

/// `generator`, beginning only when all processes are free.
pub fn synchronize<G: Generator>(generator: G) -> Synchronize<G> {
    Synchronize {
        is_open: false,
        generator,
    }
}

/// Made by [`synchronize`].
#[derive(Debug)]
pub struct Synchronize<G> {
    is_open: bool,
    generator: G,
}

impl<G: Generator> Generator for Synchronize<G> {
    fn next(&mut self, ctx: &mut Context<'_>) -> Next {
        self.is_open = self.is_open || ctx.free.len() >= ctx.total;
        if self.is_open {
            self.generator.next(ctx)
        } else {
            Next::Wait { until: None }
        }
    }

    fn update(&mut self, ctx: &Context<'_>, op: &Op) {
        self.generator.update(ctx, op);
    }
}

/// What `make` makes, again and again: a new one as soon as the last is over. It is over when
/// one is over without having asked for or waited for anything.
pub fn cycle<G, M>(make: M) -> Cycle<G, M>
where
    G: Generator,
    M: FnMut() -> G + Send,
{
    Cycle {
        make,
        current: None,
        is_over: false,
    }
}

/// Made by [`cycle`].
#[derive(Debug)]
pub struct Cycle<G, M> {
    make: M,
    current: Option<G>,
    is_over: bool,
}

impl<G, M> Generator for Cycle<G, M>
where
    G: Generator,
    M: FnMut() -> G + Send,
{
    fn next(&mut self, ctx: &mut Context<'_>) -> Next {
        if self.is_over {
            return Next::Done;
        }
        if let Some(current) = &mut self.current {
            match current.next(ctx) {
                Next::Done => {}
                next => return next,
            }
        }
        let next = self.current.insert((self.make)()).next(ctx);
        self.is_over = next == Next::Done;
        next
    }

    fn update(&mut self, ctx: &Context<'_>, op: &Op) {
        if let Some(current) = &mut self.current {
            current.update(ctx, op);
        }
    }
}
