//! Combinators that hold several generators side by side, or one for some processes only.

use std::collections::{BTreeMap, BTreeSet};

use checkers::history::{Kind, Op, Process};
use rand::RngExt;

use super::{Context, Generator, Next, sooner};

/// Operations of all of `generators`, each picked by chance in proportion to its weight. One
/// that has nothing yet is passed over, and one that is over is left out from then on.
///
/// **Cost**: linear in the number of generators.
///
/// # Panics
///
/// If a weight is zero.
#[must_use]
pub fn mix(generators: Vec<(u32, Box<dyn Generator>)>) -> Mix {
    assert!(
        generators.iter().all(|(weight, _)| *weight > 0),
        "a generator of weight zero is never picked; leave it out"
    );
    Mix {
        branches: generators,
        order: Vec::new(),
    }
}

/// Made by [`mix`].
pub struct Mix {
    branches: Vec<(u32, Box<dyn Generator>)>,
    /// Working space: which branches have not been asked yet.
    order: Vec<usize>,
}

impl Generator for Mix {
    fn next(&mut self, ctx: &mut Context<'_>) -> Next {
        let mut wake = None;
        let mut over: Vec<usize> = Vec::new();
        self.order.clear();
        self.order.extend(0..self.branches.len());
        let mut answer = None;
        while !self.order.is_empty() {
            let weights = || {
                self.order
                    .iter()
                    .map(|&branch| u64::from(self.branches[branch].0))
            };
            let mut pick = ctx.rng.random_range(0..weights().sum());
            let chosen = weights().position(|weight| {
                let here = pick < weight;
                pick = pick.saturating_sub(weight);
                here
            });
            let branch = self
                .order
                .swap_remove(chosen.expect("the pick is below the sum"));
            match self.branches[branch].1.next(ctx) {
                Next::Invoke(process, invocation) => {
                    answer = Some(Next::Invoke(process, invocation));
                    break;
                }
                Next::Wait { until } => wake = sooner(wake, until),
                Next::Done => over.push(branch),
            }
        }
        over.sort_unstable();
        for branch in over.into_iter().rev() {
            self.branches.remove(branch);
        }
        if self.branches.is_empty() {
            return answer.unwrap_or(Next::Done);
        }
        answer.unwrap_or(Next::Wait { until: wake })
    }

    fn update(&mut self, ctx: &Context<'_>, op: &Op) {
        for (_, generator) in &mut self.branches {
            generator.update(ctx, op);
        }
    }
}

/// Whatever of `generators` has something first; of several, the one that was picked least
/// recently.
///
/// **Cost**: linear in the number of generators.
#[must_use]
pub fn any(generators: Vec<Box<dyn Generator>>) -> Any {
    Any { generators }
}

/// Made by [`any`].
pub struct Any {
    /// Least recently picked first.
    generators: Vec<Box<dyn Generator>>,
}

impl Generator for Any {
    fn next(&mut self, ctx: &mut Context<'_>) -> Next {
        let mut wake = None;
        let mut place = 0;
        while place < self.generators.len() {
            match self.generators[place].next(ctx) {
                Next::Invoke(process, invocation) => {
                    self.generators[place..].rotate_left(1);
                    return Next::Invoke(process, invocation);
                }
                Next::Wait { until } => {
                    wake = sooner(wake, until);
                    place += 1;
                }
                Next::Done => drop(self.generators.remove(place)),
            }
        }
        if self.generators.is_empty() {
            Next::Done
        } else {
            Next::Wait { until: wake }
        }
    }

    fn update(&mut self, ctx: &Context<'_>, op: &Op) {
        for generator in &mut self.generators {
            generator.update(ctx, op);
        }
    }
}

/// One operation of `one`, one of `other`, and so on; over as soon as the one whose turn it is
/// is over.
pub fn flip_flop<A: Generator, B: Generator>(one: A, other: B) -> FlipFlop<A, B> {
    FlipFlop {
        one,
        other,
        flop: false,
        is_over: false,
    }
}

/// Made by [`flip_flop`].
#[derive(Debug)]
pub struct FlipFlop<A, B> {
    one: A,
    other: B,
    flop: bool,
    is_over: bool,
}

impl<A: Generator, B: Generator> Generator for FlipFlop<A, B> {
    fn next(&mut self, ctx: &mut Context<'_>) -> Next {
        if self.is_over {
            return Next::Done;
        }
        let next = if self.flop {
            self.other.next(ctx)
        } else {
            self.one.next(ctx)
        };
        match next {
            Next::Invoke(..) => self.flop = !self.flop,
            Next::Wait { .. } => {}
            Next::Done => self.is_over = true,
        }
        next
    }

    fn update(&mut self, ctx: &Context<'_>, op: &Op) {
        self.one.update(ctx, op);
        self.other.update(ctx, op);
    }
}

/// For each process a generator of its own, which sees only that process and hears only of it.
/// A process that takes the place of one that crashed starts anew. Over when every process is
/// free and its generator is over.
///
/// **Cost**: a question is linear in the number of free processes.
pub fn each_process<G, M>(make: M) -> EachProcess<G, M>
where
    G: Generator,
    M: FnMut(Process) -> G + Send,
{
    EachProcess {
        make,
        own: BTreeMap::new(),
        is_over: false,
    }
}

/// Made by [`each_process`].
#[derive(Debug)]
pub struct EachProcess<G, M> {
    make: M,
    /// None for a process whose generator is over.
    own: BTreeMap<Process, Option<G>>,
    is_over: bool,
}

impl<G, M> Generator for EachProcess<G, M>
where
    G: Generator,
    M: FnMut(Process) -> G + Send,
{
    fn next(&mut self, ctx: &mut Context<'_>) -> Next {
        if self.is_over {
            return Next::Done;
        }
        let mut wake = None;
        let mut over = 0;
        let count = ctx.free.len();
        // Starting anywhere, or the first process would be asked more than the others.
        let start = if count == 0 {
            0
        } else {
            ctx.rng.random_range(0..count)
        };
        for step in 0..count {
            let process = ctx.free[(start + step) % count];
            let make = &mut self.make;
            let slot = self
                .own
                .entry(process)
                .or_insert_with(|| Some(make(process)));
            let Some(generator) = slot else {
                over += 1;
                continue;
            };
            let mut alone = Context {
                now: ctx.now,
                free: &[process],
                total: 1,
                rng: ctx.rng,
            };
            match generator.next(&mut alone) {
                Next::Invoke(process, invocation) => return Next::Invoke(process, invocation),
                Next::Wait { until } => wake = sooner(wake, until),
                Next::Done => {
                    *slot = None;
                    over += 1;
                }
            }
        }
        self.is_over = over == count && count >= ctx.total;
        if self.is_over {
            Next::Done
        } else {
            Next::Wait { until: wake }
        }
    }

    fn update(&mut self, ctx: &Context<'_>, op: &Op) {
        if let Some(Some(generator)) = self.own.get_mut(&op.process) {
            generator.update(ctx, op);
        }
        if op.kind == Kind::Info && op.process != Process::Nemesis {
            self.own.remove(&op.process);
        }
    }
}

/// `generator` for those processes alone that `is_meant` names: it sees no other as free and
/// hears of no other.
///
/// How many of them there are it learns from what it hears; of operations that were open when
/// it began it knows nothing, unless all processes are free.
///
/// **Cost**: a question is linear in the number of free processes.
pub fn on<G, P>(is_meant: P, generator: G) -> On<G, P>
where
    G: Generator,
    P: Fn(Process) -> bool + Send,
{
    On {
        is_meant,
        free: Vec::new(),
        busy: BTreeSet::new(),
        generator,
    }
}

/// `generator` for all processes but the nemesis; see [`on`].
pub fn clients<G: Generator>(generator: G) -> On<G, fn(Process) -> bool> {
    on(|process| process != Process::Nemesis, generator)
}

/// `generator` for the nemesis alone; see [`on`].
pub fn nemesis<G: Generator>(generator: G) -> On<G, fn(Process) -> bool> {
    on(|process| process == Process::Nemesis, generator)
}

/// Made by [`on`], [`clients`] and [`nemesis`].
#[derive(Debug)]
pub struct On<G, P> {
    is_meant: P,
    /// Working space: the free processes that are meant.
    free: Vec<Process>,
    /// Those that are meant and have an operation open, as far as is known.
    busy: BTreeSet<Process>,
    generator: G,
}

impl<G, P> On<G, P>
where
    G: Generator,
    P: Fn(Process) -> bool + Send,
{
    /// How many of those that are meant are busy: no more than are busy at all.
    fn busy(&self, ctx: &Context<'_>) -> usize {
        self.busy
            .len()
            .min(ctx.total.saturating_sub(ctx.free.len()))
    }
}

impl<G, P> Generator for On<G, P>
where
    G: Generator,
    P: Fn(Process) -> bool + Send,
{
    fn next(&mut self, ctx: &mut Context<'_>) -> Next {
        let meant = ctx
            .free
            .iter()
            .copied()
            .filter(|process| (self.is_meant)(*process));
        self.free.clear();
        self.free.extend(meant);
        let total = self.free.len() + self.busy(ctx);
        self.generator.next(&mut Context {
            now: ctx.now,
            free: &self.free,
            total,
            rng: ctx.rng,
        })
    }

    fn update(&mut self, ctx: &Context<'_>, op: &Op) {
        if !(self.is_meant)(op.process) {
            return;
        }
        // Both ends of an operation of the nemesis are `Info`.
        let begins = match op.process {
            Process::Client(_) => op.kind == Kind::Invoke,
            Process::Nemesis => !self.busy.contains(&op.process),
        };
        if begins {
            self.busy.insert(op.process);
        } else {
            self.busy.remove(&op.process);
        }
        self.generator.update(ctx, op);
    }
}
