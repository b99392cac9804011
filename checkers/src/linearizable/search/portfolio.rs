//! Both engines on every component, in rounds with growing budgets, on all cores.
//!
//! The same history gets the same answer from the same engine, however fast the machine:
//! within a round each run has a fixed number of configurations, and where both engines
//! decide, the breadth-first one is named.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::problem::{Event, Item, Problem};
use super::space::{States, Steps};
use super::{Engine, Limit, Outcome, run};
use crate::Budget;
use crate::linearizable::cores::cores;
use crate::model::Model;

/// The working memory of all runs together, unless the budget says otherwise.
const DEFAULT_BYTES: usize = 2 << 30;

/// Once some component is refuted, the others get rounds up to this many configurations only:
/// the verdict stands.
const CONFIGURATIONS_AFTER_REFUTED: u64 = 1 << 22;

/// Beyond this many configurations the two engines run side by side if cores are idle.
const WORTH_A_THREAD: u64 = 1 << 16;

/// How far an order is looked for.
const CONFIGURATIONS_FOR_ORDER: u64 = 1 << 26;

/// One component to be judged.
pub(in crate::linearizable) struct Job<'a, M: Model> {
    initial: &'a M,
    pub(super) problem: Problem<M::Call>,
}

impl<'a, M: Model> Job<'a, M> {
    pub(in crate::linearizable) fn new(initial: &'a M, items: &[Item<M::Call>]) -> Self {
        Self {
            initial,
            problem: Problem::new::<M>(items),
        }
    }

    pub(super) fn run(&self, engine: Engine, limit: &mut Limit<'_>) -> Option<Outcome> {
        let shape = &self.problem.shape;
        let mut states = States::new(self.initial.clone(), &self.problem.classes, &shape.observes);
        let mut steps = Steps::new(&mut states, shape.classes());
        run(engine, shape, &mut steps, limit, None)
    }

    /// A legal order, as positions of items, if the depth-first engine finds one.
    pub(super) fn order(&self, budget: &Budget) -> Option<Vec<u32>> {
        let shape = &self.problem.shape;
        let classes = &self.problem.classes;
        let mut states = States::new(self.initial.clone(), classes, &shape.observes);
        let mut steps = Steps::new(&mut states, shape.classes());
        let mut order = Vec::new();
        let bytes = budget.max_bytes().min(DEFAULT_BYTES);
        let mut limit = Limit::new(budget, CONFIGURATIONS_FOR_ORDER, bytes);
        let found = run(
            Engine::DepthFirst,
            shape,
            &mut steps,
            &mut limit,
            Some(&mut order),
        );
        (found == Some(Outcome::Linearizable)).then_some(order)
    }

    /// The states possible at the return that refutes it, if the breadth-first engine does.
    pub(super) fn run_to_states(&self, limit: &mut Limit<'_>) -> Vec<M> {
        let shape = &self.problem.shape;
        let classes = &self.problem.classes;
        let mut states = States::new(self.initial.clone(), classes, &shape.observes);
        let mut steps = Steps::new(&mut states, shape.classes());
        match run(Engine::Frontier, shape, &mut steps, limit, None) {
            Some(Outcome::Refuted { states: ids, .. }) => {
                ids.iter().map(|&id| states.get(id).clone()).collect()
            }
            _ => Vec::new(),
        }
    }

    /// The first round's configurations: enough for most components.
    fn first_round(&self) -> u64 {
        4096 + 64 * self.problem.shape.tasks.len() as u64
    }
}

/// What came of a component.
#[derive(Clone, Debug)]
pub(in crate::linearizable) struct Decided {
    pub(super) outcome: Outcome,
    /// The engine that decided; none if it is undecided.
    pub(super) by: Option<Engine>,
    /// All that were visited, by both engines.
    pub(super) configurations: u64,
    /// If it is undecided: how many calls began in the part that has a legal order.
    pub(super) proven_calls: usize,
    /// The item at whose end that part ends, or the one that refutes it.
    pub(super) proven_until: Option<usize>,
    /// Whether no more time would help.
    full: bool,
}

/// One short turn for a job.
pub(super) fn first<M: Model>(job: &Job<'_, M>, budget: &Budget) -> Decided {
    if budget.is_spent() {
        return Decided {
            outcome: Outcome::Spent { proven: 0 },
            by: None,
            configurations: 0,
            proven_calls: 0,
            proven_until: None,
            full: false,
        };
    }
    let cores = cores();
    let turn = Turn {
        job,
        budget,
        max_configurations: job.first_round(),
        max_bytes: budget.max_bytes().min(DEFAULT_BYTES) / cores.max(2),
    };
    let mut decided = turn.one_by_one();
    decided.locate(&job.problem);
    decided
}

/// Judges all jobs that are still open after the [`first`] turn.
pub(super) fn decide<M: Model>(
    jobs: &[Job<'_, M>],
    begun: Vec<Decided>,
    budget: &Budget,
) -> Vec<Decided> {
    let cores = cores();
    let bytes = budget.max_bytes().min(DEFAULT_BYTES);
    let mut decided = begun;
    let mut refuted = (decided.iter()).any(|one| matches!(one.outcome, Outcome::Refuted { .. }));
    for round in 1.. {
        let open: Vec<usize> = (0..jobs.len())
            .filter(|&job| decided[job].by.is_none() && !decided[job].full)
            .filter(|&job| {
                !refuted || jobs[job].first_round() << (2 * round) <= CONFIGURATIONS_AFTER_REFUTED
            })
            .collect();
        if open.is_empty() || budget.is_spent() {
            break;
        }
        let workers = cores.min(open.len());
        let next = AtomicUsize::new(0);
        let results = Mutex::new(Vec::new());
        let work = || {
            while let Some(&job) = open.get(next.fetch_add(1, Ordering::Relaxed)) {
                let max_configurations = jobs[job].first_round() << (2 * round).min(40);
                let turn = Turn {
                    job: &jobs[job],
                    budget,
                    max_configurations,
                    max_bytes: bytes / cores.max(2),
                };
                let aside = open.len() < cores && max_configurations > WORTH_A_THREAD;
                let result = if aside {
                    turn.aside()
                } else {
                    turn.one_by_one()
                };
                results
                    .lock()
                    .expect("no worker panics with it")
                    .push((job, result));
            }
        };
        if workers < 2 {
            work();
        } else {
            std::thread::scope(|scope| {
                for _ in 1..workers {
                    scope.spawn(work);
                }
                work();
            });
        }
        for (job, result) in results.into_inner().expect("no worker panics with it") {
            let before = decided[job].configurations;
            refuted |= matches!(result.outcome, Outcome::Refuted { .. });
            decided[job] = result;
            decided[job].configurations += before;
        }
    }
    for (job, decided) in jobs.iter().zip(&mut decided) {
        decided.locate(&job.problem);
    }
    decided
}

impl Decided {
    /// Translates the event at which the search ended into calls.
    fn locate<C>(&mut self, problem: &Problem<C>) {
        let at = match self.outcome {
            Outcome::Linearizable => return,
            Outcome::Refuted { at, .. } => at,
            Outcome::Spent { proven } => proven,
        };
        let events = &problem.shape.events;
        let at = (at as usize).min(events.len().saturating_sub(1));
        let begun = |event: &&Event| matches!(event, Event::Begin(_));
        self.proven_calls = events.iter().take(at).filter(begun).count();
        self.proven_until = events.get(at).map(|event| {
            let (Event::Begin(task) | Event::End(task)) = event;
            problem.shape.items[*task as usize] as usize
        });
    }
}

/// One job's share of a round.
struct Turn<'a, M: Model> {
    job: &'a Job<'a, M>,
    budget: &'a Budget,
    max_configurations: u64,
    max_bytes: usize,
}

impl<'a, M: Model> Turn<'a, M> {
    fn limit(&self, cancel: Option<&'a AtomicBool>) -> Limit<'a> {
        Limit {
            cancel,
            ..Limit::new(self.budget, self.max_configurations, self.max_bytes)
        }
    }

    fn one_by_one(&self) -> Decided {
        let mut first = self.limit(None);
        let outcome = self.job.run(Engine::Frontier, &mut first);
        if !matches!(outcome, Some(Outcome::Spent { .. })) {
            return choose((outcome, first), None);
        }
        let mut second = self.limit(None);
        let other = self.job.run(Engine::DepthFirst, &mut second);
        choose((outcome, first), Some((other, second)))
    }

    /// Both engines at once. The breadth-first one has the last word, so that which of them
    /// decides does not depend on their speed.
    fn aside(&self) -> Decided {
        let cancel = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let other = scope.spawn(|| {
                let mut limit = Limit {
                    cancel: Some(&cancel),
                    ..self.limit(None)
                };
                let outcome = self.job.run(Engine::DepthFirst, &mut limit);
                (outcome, limit.configurations, limit.full)
            });
            let mut first = self.limit(None);
            let outcome = self.job.run(Engine::Frontier, &mut first);
            if !matches!(outcome, Some(Outcome::Spent { .. })) {
                cancel.store(true, Ordering::Relaxed);
            }
            let (other, configurations, full) = other
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            let mut second = self.limit(None);
            second.configurations = configurations;
            second.full = full;
            choose((outcome, first), Some((other, second)))
        })
    }
}

/// One answer out of two.
fn choose(
    first: (Option<Outcome>, Limit<'_>),
    second: Option<(Option<Outcome>, Limit<'_>)>,
) -> Decided {
    let nothing = Outcome::Spent { proven: 0 };
    let too_wide = first.0.is_none();
    let mut decided = Decided {
        outcome: first.0.unwrap_or(nothing.clone()),
        by: Some(Engine::Frontier),
        configurations: first.1.configurations,
        proven_calls: 0,
        proven_until: None,
        full: too_wide || first.1.full,
    };
    let Outcome::Spent { proven } = decided.outcome else {
        return decided;
    };
    decided.by = None;
    if let Some((other, limit)) = second {
        decided.configurations += limit.configurations;
        decided.full &= too_wide || limit.full;
        match other.unwrap_or(nothing) {
            Outcome::Spent { proven: farther } => {
                decided.outcome = Outcome::Spent {
                    proven: proven.max(farther),
                };
            }
            other => {
                decided.by = Some(Engine::DepthFirst);
                decided.outcome = other;
            }
        }
    }
    decided
}
