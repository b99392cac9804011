//! Fewer calls that are still impossible, and why, in words.
//!
//! Every change only relaxes: what is impossible afterwards was impossible before. Calls that
//! begin after the refuting return are left out; a call that was still running then, or whose
//! effect is not needed for the proof, becomes optional; a call that only observes is left out.

use super::portfolio::{Decided, Job};
use super::{Component, Engine, Item, Limit, Outcome};
use crate::calls::Calls;
use crate::history::{Call, Op, Value};
use crate::model::Model;
use crate::objects::NEVER;
use crate::{Anomaly, Budget, explain};

/// All attempts together may visit this many configurations.
const CONFIGURATIONS: u64 = 1 << 22;
/// And each of them this many.
const CONFIGURATIONS_EACH: u64 = 1 << 18;
const BYTES: usize = 256 << 20;

/// How many calls are told one by one.
const TOLD: usize = 12;

/// What is left of a component.
struct Core<C> {
    /// Positions among the component's items, and what is demanded of each.
    items: Vec<(usize, Item<C>)>,
}

/// The contradiction in a refuted component, with the time at which it was complete.
pub(super) fn anomaly<M: Model>(
    initial: &M,
    calls: &Calls,
    component: &Component<M::Call>,
    decided: &Decided,
    budget: &Budget,
) -> (u64, Anomaly) {
    let refuting = decided.proven_until.expect("a return refutes it");
    let mut shrinker = Shrinker {
        initial,
        budget,
        left: CONFIGURATIONS,
        // What takes far longer than the refutation did is not worth the wait.
        each: CONFIGURATIONS_EACH.min(decided.configurations * 2 + 4096),
    };
    let core = shrinker.shrink(cut(component, refuting), refuting);
    told(initial, calls, component, &core, refuting, budget)
}

/// What began before the refuting return; what was running then may never have happened.
fn cut<C: Clone>(component: &Component<C>, refuting: usize) -> Core<C> {
    let until = component.items[refuting].ends;
    let items = component
        .items
        .iter()
        .cloned()
        .enumerate()
        .filter(|(_, item)| item.begins <= until)
        .map(|(position, mut item)| {
            // In the order in which the engines see the returns.
            if (item.ends, position) > (until, refuting) {
                item.ends = NEVER;
            }
            (position, item)
        })
        .collect();
    Core { items }
}

struct Shrinker<'a, M> {
    initial: &'a M,
    budget: &'a Budget,
    left: u64,
    each: u64,
}

impl<M: Model> Shrinker<'_, M> {
    /// Whether the core has certainly no legal order.
    fn is_impossible(&mut self, items: &[(usize, Item<M::Call>)]) -> bool {
        let items: Vec<Item<M::Call>> = items.iter().map(|(_, item)| item.clone()).collect();
        let job = Job::new(self.initial, &items);
        let mut limit = Limit::new(self.budget, self.each.min(self.left), BYTES);
        let outcome = job.run(Engine::Frontier, &mut limit);
        self.left = self.left.saturating_sub(limit.work() + items.len() as u64);
        matches!(outcome, Some(Outcome::Refuted { .. }))
    }

    /// Relaxes as much as leaves it impossible: first large parts, then single calls.
    fn shrink(&mut self, mut core: Core<M::Call>, refuting: usize) -> Core<M::Call> {
        let required = |core: &Core<M::Call>| -> Vec<usize> {
            core.items
                .iter()
                .filter(|(position, item)| item.is_required() && *position != refuting)
                .map(|(position, _)| *position)
                .collect()
        };
        let mut size = required(&core).len();
        while size > 0 && self.left > 0 && !self.budget.is_spent() {
            let mut progress = false;
            for part in required(&core).chunks(size) {
                let relaxed = relax::<M>(&core, part);
                if self.is_impossible(&relaxed.items) {
                    core = relaxed;
                    progress = true;
                }
            }
            if size == 1 && !progress {
                break;
            }
            size = if size == 1 { 1 } else { size.div_ceil(2) };
        }
        core
    }
}

/// Without these calls if they only observe; else with them optional.
fn relax<M: Model>(core: &Core<M::Call>, part: &[usize]) -> Core<M::Call> {
    let mut items = Vec::with_capacity(core.items.len());
    for (position, item) in &core.items {
        let mut item = item.clone();
        if part.binary_search(position).is_ok() {
            if M::observes(&item.call) {
                continue;
            }
            item.ends = NEVER;
        }
        items.push((*position, item));
    }
    Core { items }
}

fn told<M: Model>(
    initial: &M,
    calls: &Calls,
    component: &Component<M::Call>,
    core: &Core<M::Call>,
    refuting: usize,
    budget: &Budget,
) -> (u64, Anomaly) {
    let items: Vec<Item<M::Call>> = core.items.iter().map(|(_, item)| item.clone()).collect();
    let job = Job::new(initial, &items);
    let pair = |position: usize| calls.ops(component.calls[position]);
    // Those without use are not among the tasks.
    let mut useful: Vec<usize> = (job.problem.shape.items.iter())
        .map(|&item| item as usize)
        .collect();
    useful.sort_unstable();
    let (required, optional): (Vec<usize>, Vec<usize>) = useful
        .into_iter()
        .partition(|&item| items[item].is_required());
    let place = |item: usize| core.items[item].0;

    let mut ops: Vec<usize> = required
        .iter()
        .flat_map(|&item| explain::entries(&[&calls.call(&pair(place(item)))]))
        .chain(optional.iter().map(|&item| pair(place(item)).0.index))
        .collect();
    ops.sort_unstable();

    let mut because = Vec::new();
    if required.len() > TOLD {
        because.push(format!(
            "{} earlier calls took effect too.",
            required.len() - TOLD
        ));
    }
    for &item in &required[required.len().saturating_sub(TOLD)..] {
        because.push(explain::told(&calls.call(&pair(place(item)))));
    }
    if let Some(&first) = optional.first() {
        let name = explain::name(&calls.call(&pair(place(first))));
        because.push(match optional.len() {
            1 => format!("{name} may or may not have taken effect."),
            more => format!(
                "{name} and {} more may or may not have taken effect.",
                more - 1
            ),
        });
    }
    let last: (Op, Option<Op>) = pair(refuting);
    because.push(conclusion(&job, &calls.call(&last), budget));
    let end = last.1.map_or(0, |op| op.time);
    let anomaly = Anomaly {
        name: "not-linearizable".to_owned(),
        key: (component.key != Value::Nil).then(|| component.key.clone()),
        ops,
        because,
        cycle: Vec::new(),
    };
    (end, anomaly)
}

/// In which states every legal order of the others ends.
fn conclusion<M: Model>(job: &Job<'_, M>, refuting: &Call<'_>, budget: &Budget) -> String {
    let name = explain::name(refuting);
    let states = job.last_states(budget);
    match states.as_slice() {
        [] => format!("no order of these calls explains {name}."),
        [one] => format!("every legal order of the others ends in {one}, where {name} cannot be."),
        some => format!(
            "every legal order of the others ends in one of {}{}; {name} cannot be in any.",
            some[..some.len().min(6)].join(", "),
            if some.len() > 6 { " …" } else { "" }
        ),
    }
}

impl<M: Model> Job<'_, M> {
    /// The states possible at the refuting return, in words.
    fn last_states(&self, budget: &Budget) -> Vec<String> {
        let mut limit = Limit::new(budget, CONFIGURATIONS_EACH, BYTES);
        self.run_to_states(&mut limit)
            .iter()
            .map(Model::shown)
            .collect()
    }
}
