//! The general search: any model, any values, exact, but not always in time.
//!
//! Calls are split into components that share no object, and each is judged by two engines: a
//! breadth-first one (`frontier.rs`), which forgets all but the window of concurrent calls, and
//! a depth-first one (`depth.rs`), which is quick to find one legal order. Both make the same
//! reductions (`window.rs`, `antichain.rs`). They take turns with budgets that grow fourfold
//! (`portfolio.rs`), so that one hard component does not starve the others and one engine's
//! bad luck does not decide. What is refuted is shrunk before it is shown (`shrink.rs`).

mod antichain;
mod depth;
mod frontier;
pub(super) mod portfolio;
mod problem;
pub(super) mod shrink;
mod space;
mod window;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};

use portfolio::{Decided, Job};
use problem::Shape;
use space::Steps;

pub(super) use problem::Item;

use super::{Judgement, Tally};
use crate::history::{Call, History, Kind, Value};
use crate::model::{Model, Object};
use crate::objects::interval;
use crate::{Budget, Checker, Report, Verdict};

/// What a search found.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Outcome {
    /// There is a legal order.
    Linearizable,
    /// There is none, already because of what comes before this event, a return.
    Refuted {
        at: u32,
        /// The states that were possible at that return, if they are known.
        states: Vec<u32>,
    },
    /// The limit was reached; the events before this one have a legal order.
    Spent { proven: u32 },
}

/// Which engine decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Engine {
    Frontier,
    DepthFirst,
}

/// What one run of an engine may spend.
struct Limit<'b> {
    budget: &'b Budget,
    /// Raised when another run has decided.
    cancel: Option<&'b AtomicBool>,
    max_configurations: u64,
    max_bytes: usize,
    configurations: u64,
    /// How often configurations were compared; many comparisons cost as much as one more
    /// configuration.
    compared: u64,
    /// Whether memory ran out, so that more time would not help.
    full: bool,
}

/// How many comparisons take about as long as one configuration.
const COMPARISONS: u64 = 16;

impl<'b> Limit<'b> {
    fn new(budget: &'b Budget, max_configurations: u64, max_bytes: usize) -> Self {
        Self {
            budget,
            cancel: None,
            max_configurations,
            max_bytes,
            configurations: 0,
            compared: 0,
            full: false,
        }
    }

    /// What was done, in configurations.
    fn work(&self) -> u64 {
        self.configurations + self.compared / COMPARISONS
    }

    /// Books `configurations` while `bytes` are in use; false if that was too much.
    fn spend(&mut self, configurations: usize, bytes: usize) -> bool {
        self.configurations += configurations as u64;
        self.full |= bytes > self.max_bytes;
        !self.full
            && self.work() <= self.max_configurations
            && !self.budget.is_spent()
            && !self.cancel.is_some_and(|flag| flag.load(Ordering::Relaxed))
    }
}

/// Runs an engine with configurations of the width that the problem needs; none if there is
/// no such width.
fn run(
    engine: Engine,
    shape: &Shape,
    steps: &mut Steps<'_>,
    limit: &mut Limit<'_>,
) -> Option<Outcome> {
    macro_rules! at_width {
        ($($words:literal),*) => {
            match (engine, shape.words) {
                $((Engine::Frontier, 0..=$words) => {
                    Some(frontier::search::<$words>(shape, steps, limit))
                }
                (Engine::DepthFirst, 0..=$words) => {
                    Some(depth::search::<$words>(shape, steps, limit))
                })*
                _ => None,
            }
        };
    }
    at_width!(1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 64)
}

/// Judges every object of a history by a [`Model`]: the claim is that of
/// [`linearizable`](super), the way that of this [module](self).
///
/// **Figures**: those of [`Linearizable`](super::Linearizable) that concern keys, and
/// `keys_by_frontier`, `keys_by_depth_first`, `configurations`, `ops_checked`, `info_ops`,
/// `ops_proven` (of undecided keys: the calls in the prefix that has a legal order).
#[derive(Clone, Debug)]
pub struct Search<M> {
    name: String,
    initial: M,
}

impl<M: Model> Search<M> {
    /// Judges each object as a copy that begins in `initial`.
    #[must_use]
    pub fn new(name: &str, initial: M) -> Self {
        Self {
            name: name.to_owned(),
            initial,
        }
    }
}

/// Calls that are judged together: those of one object, or of objects that some call connects.
pub(super) struct Component<'h, C> {
    pub(super) key: Value,
    pub(super) calls: Vec<Call<'h>>,
    pub(super) items: Vec<Item<C>>,
    unreadable: Option<String>,
}

impl<C> Component<'_, C> {
    pub(super) fn new(key: Value) -> Self {
        Self {
            key,
            calls: Vec::new(),
            items: Vec::new(),
            unreadable: None,
        }
    }
}

impl<'h, C> Component<'h, C> {
    pub(super) fn push(&mut self, call: Call<'h>, decoded: C) {
        let (begins, ends) = interval(&call);
        self.calls.push(call);
        self.items.push(Item {
            call: decoded,
            begins,
            ends,
        });
    }

    fn has_power(&self) -> bool {
        self.calls.iter().any(|call| call.outcome() == Kind::Ok)
    }
}

impl<M: Model> Checker for Search<M> {
    fn name(&self) -> &str {
        &self.name
    }

    fn check(&self, history: &History, budget: &Budget) -> Report {
        let components = split::<M>(history);
        let mut tally = Tally::default();
        let mut report = Report::new(&self.name, Verdict::Held);
        let (mut ops, mut info) = (0, 0);
        let mut open = Vec::new();
        for component in components {
            ops += component.items.len();
            info += component
                .items
                .iter()
                .filter(|item| !item.is_required())
                .count();
            if component.unreadable.is_some() {
                tally.take(&component.key, Judgement::undecided(component.unreadable));
            } else {
                open.push(component);
            }
        }
        report.figure("ops_checked", ops);
        report.figure("info_ops", info);
        judge_all(&self.initial, &open, budget, &mut tally, &mut report);
        super::conclude(&mut report, tally, Tally::default(), false, None);
        report
    }
}

/// Judges components and counts what came of them.
pub(super) fn judge_all<M: Model>(
    initial: &M,
    components: &[Component<'_, M::Call>],
    budget: &Budget,
    tally: &mut Tally,
    report: &mut Report,
) {
    let jobs: Vec<Job<'_, M>> = components
        .iter()
        .map(|component| Job::new(initial, &component.items))
        .collect();
    let decided = portfolio::decide(&jobs, budget);
    let (mut frontier, mut depth_first, mut configurations, mut proven) = (0, 0, 0, 0);
    for (component, decided) in components.iter().zip(decided) {
        configurations += decided.configurations;
        match decided.by {
            Some(Engine::Frontier) => frontier += 1,
            Some(Engine::DepthFirst) => depth_first += 1,
            None => {}
        }
        if let Decided {
            outcome: Outcome::Spent { .. },
            proven_calls,
            ..
        } = decided
        {
            proven += proven_calls;
        }
        let judgement = judgement(initial, component, &decided, budget);
        tally.take(&component.key, judgement);
    }
    report.figure("keys_by_frontier", frontier);
    report.figure("keys_by_depth_first", depth_first);
    report.figure("configurations", configurations);
    if proven > 0 {
        report.figure("ops_proven", proven);
    }
}

fn judgement<M: Model>(
    initial: &M,
    component: &Component<'_, M::Call>,
    decided: &Decided,
    budget: &Budget,
) -> Judgement {
    match &decided.outcome {
        Outcome::Linearizable => Judgement {
            power: component.has_power(),
            ..Judgement::default()
        },
        Outcome::Refuted { .. } => {
            let found = shrink::anomaly(initial, component, decided, budget);
            Judgement {
                found: vec![found],
                contradictions: 1,
                power: true,
                ..Judgement::default()
            }
        }
        Outcome::Spent { .. } => {
            let total = component.items.len();
            let so_far = match decided.proven_until {
                Some(call) => {
                    let until = component.calls[call].complete.map_or(0, |op| op.time);
                    format!(
                        "the {} calls that began before {} have a legal order",
                        decided.proven_calls,
                        crate::explain::ms(until)
                    )
                }
                None => "nothing was searched".to_owned(),
            };
            Judgement::undecided(Some(format!(
                "the budget was spent after {} configurations of {total} calls; {so_far}",
                decided.configurations
            )))
        }
    }
}

/// Sorts a history's calls into components, in the order of their first calls.
fn split<M: Model>(history: &History) -> Vec<Component<'_, M::Call>> {
    let mut touched: Vec<(Call<'_>, Vec<Object>)> = Vec::new();
    let mut whole: HashMap<Value, bool> = HashMap::new();
    for call in history.calls() {
        let objects = M::objects(&call);
        for object in &objects {
            *whole.entry(object.key.clone()).or_default() |= object.part.is_none();
        }
        touched.push((call, objects));
    }
    let mut union = Union::default();
    let mut ids: HashMap<Object, usize> = HashMap::new();
    let mut first: Vec<Option<usize>> = Vec::with_capacity(touched.len());
    for (_, objects) in &mut touched {
        let mut home = None;
        for object in objects {
            if whole[&object.key] {
                object.part = None;
            }
            let id = *ids.entry(object.clone()).or_insert_with(|| union.add());
            match home {
                None => home = Some(id),
                Some(home) => union.join(home, id),
            }
        }
        first.push(home);
    }
    let mut components: Vec<Component<'_, M::Call>> = Vec::new();
    let mut at: HashMap<usize, usize> = HashMap::new();
    for ((call, objects), home) in touched.into_iter().zip(first) {
        let Some(home) = home else {
            continue;
        };
        let place = *at.entry(union.find(home)).or_insert_with(|| {
            let object = objects.into_iter().next().expect("it touches an object");
            let key = match object.part {
                None => object.key,
                Some(part) => Value::List(vec![object.key, part]),
            };
            components.push(Component::new(key));
            components.len() - 1
        });
        let component = &mut components[place];
        match M::decode(&call) {
            Ok(None) => {}
            Ok(Some(decoded)) => component.push(call, decoded),
            Err(reason) => {
                component.unreadable.get_or_insert_with(|| {
                    format!(
                        "the call at index {} cannot be read: {reason}",
                        call.invoke.index
                    )
                });
            }
        }
    }
    components.retain(|component| !component.items.is_empty() || component.unreadable.is_some());
    components
}

/// Disjoint sets.
#[derive(Default)]
struct Union {
    parent: Vec<usize>,
}

impl Union {
    fn add(&mut self) -> usize {
        self.parent.push(self.parent.len());
        self.parent.len() - 1
    }

    fn find(&mut self, mut of: usize) -> usize {
        while self.parent[of] != of {
            self.parent[of] = self.parent[self.parent[of]];
            of = self.parent[of];
        }
        of
    }

    fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.find(a), self.find(b));
        self.parent[b.max(a)] = a.min(b);
    }
}

#[cfg(test)]
pub(in crate::linearizable) mod oracle;
