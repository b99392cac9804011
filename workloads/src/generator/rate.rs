//! Combinators that pace what they hold. They pace over all processes together.

use std::time::Duration;

use checkers::history::{Nanos, Op};
use rand::RngExt;

use super::{Context, Generator, Next, nanos};

/// Operations of `generator` at random intervals, uniform from nothing to twice `mean`, counted
/// from when the one before was asked for. Where the processes cannot keep up, what was missed
/// is not made up for.
pub fn stagger<G: Generator>(mean: Duration, generator: G) -> Stagger<G> {
    Stagger {
        twice: nanos(mean).saturating_mul(2),
        due: 0,
        generator,
    }
}

/// Made by [`stagger`].
#[derive(Debug)]
pub struct Stagger<G> {
    twice: Nanos,
    /// When the next operation may be asked for.
    due: Nanos,
    generator: G,
}

impl<G: Generator> Generator for Stagger<G> {
    fn next(&mut self, ctx: &mut Context<'_>) -> Next {
        let next = due(self.due, ctx, &mut self.generator);
        if let Next::Invoke(..) = next {
            let pause = ctx.rng.random_range(0..=self.twice);
            self.due = ctx.now.saturating_add(pause);
        }
        next
    }

    fn update(&mut self, ctx: &Context<'_>, op: &Op) {
        self.generator.update(ctx, op);
    }
}

/// Asks `generator` if `at` has come. What is over is known only then: asking earlier would
/// make it act earlier.
fn due(at: Nanos, ctx: &mut Context<'_>, generator: &mut impl Generator) -> Next {
    if ctx.now < at {
        return Next::Wait { until: Some(at) };
    }
    generator.next(ctx)
}

/// Operations of `generator` with at least `pause` between two questions.
pub fn delay<G: Generator>(pause: Duration, generator: G) -> Delay<G> {
    Delay {
        pause: nanos(pause),
        due: 0,
        generator,
    }
}

/// Made by [`delay`].
#[derive(Debug)]
pub struct Delay<G> {
    pause: Nanos,
    due: Nanos,
    generator: G,
}

impl<G: Generator> Generator for Delay<G> {
    fn next(&mut self, ctx: &mut Context<'_>) -> Next {
        let next = due(self.due, ctx, &mut self.generator);
        if let Next::Invoke(..) = next {
            self.due = ctx.now.saturating_add(self.pause);
        }
        next
    }

    fn update(&mut self, ctx: &Context<'_>, op: &Op) {
        self.generator.update(ctx, op);
    }
}

/// Operations of `generator` at a fixed rate from the first on, an open loop: each has its
/// time, whatever became of those before. What was missed while all processes were busy is made
/// up for as fast as they become free.
///
/// # Panics
///
/// If `per_s` is zero.
pub fn rate<G: Generator>(per_s: u32, generator: G) -> Rate<G> {
    assert!(
        per_s > 0,
        "a rate of nothing never asks; leave the generator out"
    );
    Rate {
        per_s,
        started: None,
        asked: 0,
        generator,
    }
}

/// Made by [`rate`].
#[derive(Debug)]
pub struct Rate<G> {
    per_s: u32,
    /// When the first operation was asked for.
    started: Option<Nanos>,
    asked: u64,
    generator: G,
}

impl<G: Generator> Generator for Rate<G> {
    fn next(&mut self, ctx: &mut Context<'_>) -> Next {
        // Counted from the start, so that no rounding adds up.
        let offset = u128::from(self.asked) * 1_000_000_000 / u128::from(self.per_s);
        let offset = u64::try_from(offset).unwrap_or(u64::MAX);
        let at = self.started.map_or(0, |start| start.saturating_add(offset));
        let next = due(at, ctx, &mut self.generator);
        if let Next::Invoke(..) = next {
            self.started.get_or_insert(ctx.now);
            self.asked += 1;
        }
        next
    }

    fn update(&mut self, ctx: &Context<'_>, op: &Op) {
        self.generator.update(ctx, op);
    }
}

/// Nothing, for this long from the first question; then it is over.
#[must_use]
pub fn sleep(time: Duration) -> Sleep {
    Sleep {
        time: nanos(time),
        end: None,
        is_over: false,
    }
}

/// Made by [`sleep`].
#[derive(Debug)]
pub struct Sleep {
    time: Nanos,
    end: Option<Nanos>,
    is_over: bool,
}

impl Generator for Sleep {
    fn next(&mut self, ctx: &mut Context<'_>) -> Next {
        let end = *self.end.get_or_insert(ctx.now.saturating_add(self.time));
        self.is_over = self.is_over || ctx.now >= end;
        if self.is_over {
            Next::Done
        } else {
            Next::Wait { until: Some(end) }
        }
    }

    fn update(&mut self, _: &Context<'_>, _: &Op) {}
}
