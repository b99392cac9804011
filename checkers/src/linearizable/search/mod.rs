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
use std::hash::BuildHasherDefault;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use portfolio::{Decided, Job};
use problem::{Fx, NONE, Shape};
use space::Steps;

pub(super) use problem::Item;

use super::Judgement;
use super::cores::cores;
use super::tally::{Doubt, Tally};
use crate::calls::{self, Calls};
use crate::history::{Kind, Value};
use crate::model::{Model, Object};
use crate::objects::{Moment, NEVER};
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
/// Fewer calls than this have had their short turns before another thread would have begun.
const FEW: usize = 512;

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
/// no such width. The depth-first engine puts the legal order that it finds into `order`.
fn run(
    engine: Engine,
    shape: &Shape,
    steps: &mut Steps<'_>,
    limit: &mut Limit<'_>,
    order: Option<&mut Vec<u32>>,
) -> Option<Outcome> {
    macro_rules! at_width {
        ($($words:literal),*) => {
            match (engine, shape.words) {
                $((Engine::Frontier, 0..=$words) => {
                    Some(frontier::search::<$words>(shape, steps, limit))
                }
                (Engine::DepthFirst, 0..=$words) => {
                    Some(depth::search::<$words>(shape, steps, limit, order))
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
pub(super) struct Component<C> {
    pub(super) key: Value,
    /// Their numbers, in the order of their starts.
    pub(super) calls: Vec<u32>,
    pub(super) items: Vec<Item<C>>,
    unreadable: Option<String>,
}

impl<C> Component<C> {
    fn new(key: Value) -> Self {
        Self {
            key,
            calls: Vec::new(),
            items: Vec::new(),
            unreadable: None,
        }
    }

    fn push(&mut self, calls: &Calls, call: u32, decoded: C) {
        self.calls.push(call);
        self.items.push(Item {
            call: decoded,
            begins: Moment::from(calls.begins[call as usize]),
            ends: match calls.ends[call as usize] {
                calls::NEVER => NEVER,
                rank => Moment::from(rank),
            },
        });
    }

    fn has_power(&self, calls: &Calls) -> bool {
        let ok = |call: &u32| calls.outcome[*call as usize] == Kind::Ok;
        self.calls.iter().any(ok)
    }
}

impl<M: Model> Checker for Search<M> {
    fn name(&self) -> &str {
        &self.name
    }

    fn judge(&self, calls: &Calls, budget: &Budget) -> Report {
        let mut tally = Tally::default();
        let mut report = Report::new(&self.name, Verdict::Held);
        let every = (0..u32::try_from(calls.len()).expect("they are numbered")).collect();
        judge_all(&self.initial, calls, &[every], budget, &mut tally);
        let (ops, info) = (tally.sums.ops, tally.sums.info);
        report.figure("ops_checked", ops);
        report.figure("info_ops", info);
        super::tally::conclude(&mut report, vec![(None, tally)], Doubt::default(), false);
        report
    }
}

/// Judges groups of calls that have no object in common, and counts what came of them.
///
/// Every object gets one short turn while it is at hand; only those that this does not decide
/// are kept together for longer ones.
pub(super) fn judge_all<M: Model>(
    initial: &M,
    calls: &Calls,
    groups: &[Vec<u32>],
    budget: &Budget,
    tally: &mut Tally,
) {
    let cores = if calls.len() < FEW { 1 } else { cores() };
    let batch = (groups.len() / (cores * 8)).clamp(1, 256);
    let next = AtomicUsize::new(0);
    let open = Mutex::new(Vec::new());
    let together = Mutex::new(std::mem::take(tally));
    let work = || {
        let mut decoder = Decoder::<M>::default();
        let mut mine = Tally::default();
        loop {
            let from = next.fetch_add(batch, Ordering::Relaxed);
            if from >= groups.len() {
                break;
            }
            for (place, group) in (from..).zip(&groups[from..groups.len().min(from + batch)]) {
                for component in split(calls, group, &mut decoder) {
                    mine.sums.count(&component.items);
                    if component.unreadable.is_some() {
                        mine.take(&component.key, Judgement::undecided(component.unreadable));
                        continue;
                    }
                    let job = Job::<M>::new(initial, &component.items);
                    let decided = portfolio::first(&job, budget);
                    if decided.outcome == Outcome::Linearizable {
                        searched(&mut mine, &decided);
                        let judgement = judgement(initial, calls, &component, &decided, budget);
                        mine.take(&component.key, judgement);
                    } else {
                        let mut open = open.lock().expect("no worker panics with it");
                        open.push((place, component, decided));
                    }
                }
            }
        }
        let mut together = together.lock().expect("no worker panics with it");
        together.join(mine);
    };
    std::thread::scope(|scope| {
        for _ in 1..cores.min(groups.len()) {
            scope.spawn(work);
        }
        work();
    });
    *tally = together.into_inner().expect("no worker panics with it");
    let mut open = open.into_inner().expect("no worker panics with it");
    open.sort_by_key(|(place, component, _)| (*place, component.calls.first().copied()));
    let jobs: Vec<Job<'_, M>> = open
        .iter()
        .map(|(_, component, _)| Job::new(initial, &component.items))
        .collect();
    let begun = open.iter().map(|(.., decided)| decided.clone()).collect();
    let decided = portfolio::decide(&jobs, begun, budget);
    for ((_, component, _), decided) in open.iter().zip(decided) {
        searched(tally, &decided);
        let judgement = judgement(initial, calls, component, &decided, budget);
        tally.take(&component.key, judgement);
    }
}

/// What a search did.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sums {
    searched: usize,
    ops: usize,
    info: usize,
    configurations: u64,
    proven: usize,
}

impl Sums {
    fn count<C>(&mut self, items: &[Item<C>]) {
        self.ops += items.len();
        self.info += items.iter().filter(|item| !item.is_required()).count();
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.searched += other.searched;
        self.ops += other.ops;
        self.info += other.info;
        self.configurations += other.configurations;
        self.proven += other.proven;
    }

    pub(super) fn tell(&self, report: &mut Report) {
        if self.searched > 0 {
            report.figure("configurations", self.configurations);
        }
        if self.proven > 0 {
            report.figure("ops_proven", self.proven);
        }
    }
}

fn searched(tally: &mut Tally, decided: &Decided) {
    tally.sums.searched += 1;
    tally.sums.configurations += decided.configurations;
    match decided.by {
        Some(Engine::Frontier) => tally.decided("frontier", 1),
        Some(Engine::DepthFirst) => tally.decided("depth_first", 1),
        None => tally.sums.proven += decided.proven_calls,
    }
}

/// A legal order for each component of these calls, by number; the key of one for which none
/// was found is an error.
pub(super) fn orders<M: Model>(
    initial: &M,
    calls: &Calls,
    of: &[u32],
    budget: &Budget,
) -> Vec<Result<Vec<u32>, Value>> {
    let components = split(calls, of, &mut Decoder::<M>::default());
    let ordered = components.into_iter().map(|component| {
        let order = Job::<M>::new(initial, &component.items).order(budget);
        let number = |item: &u32| component.calls[*item as usize];
        match order {
            Some(order) => Ok(order.iter().map(number).collect()),
            None => Err(component.key.clone()),
        }
    });
    ordered.collect()
}

fn judgement<M: Model>(
    initial: &M,
    calls: &Calls,
    component: &Component<M::Call>,
    decided: &Decided,
    budget: &Budget,
) -> Judgement {
    match &decided.outcome {
        Outcome::Linearizable => Judgement {
            power: component.has_power(calls),
            ..Judgement::default()
        },
        Outcome::Refuted { .. } => {
            let found = shrink::anomaly(initial, calls, component, decided, budget);
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
                Some(item) => {
                    let (_, complete) = calls.ops(component.calls[item]);
                    let until = complete.map_or(0, |op| op.time);
                    format!(
                        "the {} calls that began before {} have a legal order",
                        decided.proven_calls,
                        crate::explain::time(until, calls.is_untimed())
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

/// All on which the meaning of a call may depend, in numbers.
type Print = (u32, u16, u32, u32, u32, Kind, u32, u32);

/// Decodes calls; of those that are alike one.
struct Decoder<M: Model> {
    known: HashMap<Print, u32, BuildHasherDefault<Fx>>,
    decoded: Vec<Decoded<M>>,
}

/// The objects that a call touches, and what it asks of the model.
type Decoded<M> = (Vec<Object>, Result<Option<<M as Model>::Call>, String>);

impl<M: Model> Default for Decoder<M> {
    fn default() -> Self {
        Self {
            known: HashMap::default(),
            decoded: Vec::new(),
        }
    }
}

impl<M: Model> Decoder<M> {
    fn decode(&mut self, calls: &Calls, call: u32) -> u32 {
        let at = call as usize;
        let who = if M::IMPERSONAL { NONE } else { call };
        let print = (
            calls.key[at],
            calls.f[at],
            calls.argument[at],
            calls.second[at],
            calls.result(call),
            calls.outcome[at],
            calls.error(call).unwrap_or(NONE),
            who,
        );
        if let Some(&place) = self.known.get(&print) {
            return place;
        }
        let ops = calls.ops(call);
        let seen = calls.call(&ops);
        let decoded = M::decode(&seen);
        self.decoded.push((M::objects(&seen), decoded));
        let place = u32::try_from(self.decoded.len() - 1).expect("there are fewer than calls");
        self.known.insert(print, place);
        place
    }
}

/// Sorts calls into components, in the order of their first calls.
fn split<M: Model>(calls: &Calls, of: &[u32], decoder: &mut Decoder<M>) -> Vec<Component<M::Call>> {
    if !M::IMPERSONAL {
        // Nothing is ever found again.
        *decoder = Decoder::default();
    }
    let kinds: Vec<u32> = of.iter().map(|&call| decoder.decode(calls, call)).collect();
    let decoded = &decoder.decoded;
    let mut present = kinds.clone();
    present.sort_unstable();
    present.dedup();
    let mut whole: HashMap<&Value, bool> = HashMap::new();
    for object in present.iter().flat_map(|&kind| &decoded[kind as usize].0) {
        *whole.entry(&object.key).or_default() |= object.part.is_none();
    }
    let mut union = Union::default();
    let mut ids: HashMap<Object, usize> = HashMap::new();
    // Of each kind of call: one of its objects.
    let mut homes: HashMap<u32, (usize, Object), BuildHasherDefault<Fx>> = HashMap::default();
    for &kind in &present {
        let mut home: Option<(usize, Object)> = None;
        for object in &decoded[kind as usize].0 {
            let mut object = object.clone();
            if whole[&object.key] {
                object.part = None;
            }
            let id = *ids.entry(object.clone()).or_insert_with(|| union.add());
            match &home {
                None => home = Some((id, object)),
                Some((home, _)) => union.join(*home, id),
            }
        }
        if let Some(home) = home {
            homes.insert(kind, home);
        }
    }
    let mut components: Vec<Component<M::Call>> = Vec::new();
    let mut at: HashMap<usize, usize, BuildHasherDefault<Fx>> = HashMap::default();
    for (&call, kind) in of.iter().zip(kinds) {
        let Some((home, object)) = homes.get(&kind) else {
            continue;
        };
        let place = *at.entry(union.find(*home)).or_insert_with(|| {
            let key = match &object.part {
                None => object.key.clone(),
                Some(part) => Value::List(vec![object.key.clone(), part.clone()]),
            };
            components.push(Component::new(key));
            components.len() - 1
        });
        let component = &mut components[place];
        match &decoded[kind as usize].1 {
            Ok(None) => {}
            Ok(Some(decoded)) => component.push(calls, call, decoded.clone()),
            Err(reason) => {
                component.unreadable.get_or_insert_with(|| {
                    let index = calls.index(call);
                    format!("the call at index {index} cannot be read: {reason}")
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
