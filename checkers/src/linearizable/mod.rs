//! Linearizability of every object that has a model.
//!
//! **Claim**: every operation took effect at one instant between its start and its end, on
//! one copy of the data. An operation of unknown outcome may take effect at any instant after
//! its start, or never; one that failed never does. Intervals are closed: an end and a start
//! at the same time are concurrent, never ordered.
//!
//! **Needs**: objects whose model is known: it is told by the operations where they leave no
//! doubt, and must be named ([`Linearizable::of`]) where they do, as those of queues and locks.
//! Where written values are all different, an algorithm decides that needs no search; any other
//! object is judged by general search ([`Search`]), which ends undecided once the budget is
//! spent. Objects are judged one by one, since linearizability is local (Herlihy and Wing,
//! "Linearizability: a correctness condition for concurrent objects", 1990).
//!
//! **Names**: of registers "stale-read", "stale-cas", "not-linearizable" (a contradiction in
//! time between two values), "future-read", "phantom-read" (a value nobody wrote), "dirty-read"
//! (a value whose write failed), "lost-update" (two compare-and-sets from one value),
//! "cas-cycle"; of sets "stale-read", "future-read", "incomparable-reads",
//! "duplicate-element", "phantom-read", "dirty-read", "not-linearizable"; of other objects
//! those that their modules name.
//!
//! **Figures**: `keys`, `keys_violated`, `keys_undecided`, `keys_without_reads`, `ops_checked`,
//! `reads`, `writes` (compare-and-sets among them), `adds`, `set_reads`, `info_ops`,
//! `contradictions` (all that were found; the anomalies list the first
//! [`Linearizable::LISTED`]); which algorithm decided how many objects, as `keys_by_blocks` or
//! `keys_by_depth_first`; where the search was needed `configurations`, and of undecided keys
//! `ops_proven`.
//!
//! **Cost**: O(n log n) in operations and in elements read; operations of unknown outcome cost
//! no more than others. The search: exponential in the number of concurrent operations at
//! worst.
//!
//! **Source**: zones of Gibbons and Korach, "Testing shared memories", 1997, extended to
//! chains of compare-and-sets and to unknown outcomes (`register.rs`, on columns `blocks.rs`);
//! for sets, reads under inclusion (`set.rs`).

mod append;
mod blocks;
mod certificate;
mod container;
pub(crate) mod cores;
mod counter;
pub(crate) use counter::of_one_step as counter_of_one_step;
mod elements;
mod exact;
#[cfg(test)]
mod exact_tests;
mod fifo;
pub(crate) mod grouping;
mod grow_only;
mod ids;
mod infer;
mod list;
mod lock;
mod parts;
mod priority;
mod register;
pub mod search;
mod set;
mod stack;
mod tally;
#[cfg(test)]
mod trial;
mod unordered;
mod zones;

pub use certificate::Order;
pub use search::Search;

use std::collections::BTreeMap;

use crate::calls::Calls;
use crate::history::{Kind, Value};
use crate::model::{self, Known, Model};
use crate::objects::Typed;
use crate::{Anomaly, Budget, Checker, Report, Verdict};
use exact::{Contradiction, Exact, Finding};
use infer::{Ignored, Kinds};
use tally::{Doubt, Tallies, Tally};

/// Judges every object of a history that has a model; see the [module](self).
///
/// **Memory**: up to 28 bytes a call, and up to 20 more while one object is judged.
#[derive(Clone, Copy, Debug, Default)]
pub struct Linearizable {
    /// The model of all objects; none if the operations tell.
    asked: Option<Known>,
}

impl Linearizable {
    /// How many contradictions are written out.
    pub const LISTED: usize = 20;

    /// Judges every object by this model.
    #[must_use]
    pub fn of(model: Known) -> Self {
        Self { asked: Some(model) }
    }
}

impl Checker for Linearizable {
    fn name(&self) -> &str {
        "linearizable"
    }

    fn judge(&self, calls: &Calls, budget: &Budget) -> Report {
        let mut report = Report::new("linearizable", Verdict::Held);
        let kinds = Kinds::of(calls, self.asked);
        for (name, count) in count_ops(calls, &kinds) {
            report.figure(name, count);
        }
        let (tallies, spent, doubtful) = judge_kinds(calls, &kinds, budget);
        tally::conclude(&mut report, tallies, doubtful, spent);
        report
    }
}

fn judge_kinds(calls: &Calls, kinds: &Kinds, budget: &Budget) -> (Tallies, bool, Doubt) {
    let mut group = Group::new(calls, budget, kinds);
    let mut tallies = Vec::new();
    for (place, &known) in kinds.list.iter().enumerate() {
        group.place = place;
        group.by(known);
        tallies.push((Some(known), std::mem::take(&mut group.tally)));
    }
    let why = kinds.doubtful.first().map(|(key, doubt)| {
        let key = calls.value(*key);
        format!("{key}: {doubt}")
    });
    let doubt = Doubt {
        keys: kinds.doubtful.len(),
        why,
    };
    (tallies, group.spent, doubt)
}

/// What was found of one object.
#[derive(Debug, Default)]
struct Judgement {
    /// The contradictions written out, each with the time at which it was complete.
    found: Vec<(u64, Anomaly)>,
    /// All contradictions, written out or not.
    contradictions: usize,
    /// Why it cannot be decided, if nothing contradicts.
    undecided: Option<String>,
    /// Whether some successful read and some operation that may have changed the object were
    /// there to contradict each other.
    power: bool,
    /// Whether the general search can decide what is undecided.
    searchable: bool,
}

impl Judgement {
    fn undecided(why: Option<String>) -> Self {
        Self {
            undecided: why,
            ..Self::default()
        }
    }
}

/// The judgement on an object with one contradiction.
fn violated(found: (u64, Anomaly)) -> Judgement {
    Judgement {
        found: vec![found],
        contradictions: 1,
        power: true,
        ..Judgement::default()
    }
}

/// The objects of one model.
struct Group<'a> {
    calls: &'a Calls,
    budget: &'a Budget,
    kinds: &'a Kinds,
    /// The place of the model among the kinds.
    place: usize,
    tally: Tally,
    /// Whether the budget ended before all was judged.
    spent: bool,
}

/// Finds and tells all contradictions of one object of which it is known that there are some.
type Tell = fn(&Typed<'_>) -> Option<Judgement>;

fn tell_register(typed: &Typed<'_>) -> Option<Judgement> {
    typed.registers.list.first().map(register::judge)
}

fn tell_set(typed: &Typed<'_>) -> Option<Judgement> {
    typed.sets.list.first().map(set::judge)
}

/// What is done with the objects of a model.
trait Visit {
    type Done;

    /// The objects are judged by an algorithm that needs no search, and the rest by search.
    /// `name` is that of the algorithm.
    fn exact<E: Exact, M: Model>(
        self,
        name: &'static str,
        exact: &E,
        initial: &M,
        tell: Option<Tell>,
    ) -> Self::Done;

    /// There is no such algorithm.
    fn search<M: Model>(self, initial: &M) -> Self::Done;
}

/// Picks the algorithm and the model.
fn by<V: Visit>(known: Known, calls: &Calls, visit: V) -> V::Done {
    match known {
        Known::Register => {
            let blocks = blocks::Blocks::new(calls);
            let initial = model::Register::default();
            visit.exact("blocks", &blocks, &initial, Some(tell_register))
        }
        Known::CasRegister => {
            let blocks = blocks::Blocks::strict(calls);
            let initial = model::CasRegister::default();
            visit.exact("blocks", &blocks, &initial, Some(tell_register))
        }
        Known::FifoQueue => {
            let fifo = fifo::Fifo::new(calls);
            visit.exact("sweep", &fifo, &model::FifoQueue::default(), None)
        }
        Known::UnorderedQueue => {
            let unordered = unordered::Unordered::new(calls);
            visit.exact("sweep", &unordered, &model::UnorderedQueue::default(), None)
        }
        Known::PriorityQueue => {
            let priority = priority::Priority::new(calls);
            visit.exact("cover", &priority, &model::PriorityQueue::default(), None)
        }
        Known::Stack => {
            let stacks = stack::Stacks::new(calls);
            visit.exact("peeling", &stacks, &model::Stack::default(), None)
        }
        Known::KeyValue => {
            let absent = Linearizable::absent(calls);
            let appends = append::Appends::new(calls, absent == Value::str(""));
            visit.exact("blocks", &appends, &model::KeyValue(absent), None)
        }
        Known::MultiRegister => visit.search(&model::MultiRegister::default()),
        Known::Mutex => {
            let mutexes = lock::Mutexes::new(calls);
            visit.exact("turns", &mutexes, &model::Mutex::default(), None)
        }
        Known::ReentrantMutex => {
            let mutexes = lock::ReentrantMutexes::new(calls);
            visit.exact("turns", &mutexes, &model::ReentrantMutex::default(), None)
        }
        Known::Semaphore(permits) => {
            let semaphores = lock::Semaphores::new(calls, permits);
            visit.exact(
                "deadlines",
                &semaphores,
                &model::Semaphore::new(permits),
                None,
            )
        }
        Known::Set => {
            let elements = elements::Elements::new(calls);
            visit.exact("windows", &elements, &model::Set::default(), None)
        }
        Known::GrowOnlySet => {
            let sets = grow_only::GrowOnly::new(calls);
            let tell: Option<Tell> = calls.function("read").is_none().then_some(tell_set);
            visit.exact("inclusion", &sets, &model::GrowOnlySet::default(), tell)
        }
        Known::Counter => {
            let counters = counter::Counters::new(calls);
            visit.exact("deadlines", &counters, &model::Counter::default(), None)
        }
        Known::AppendList => {
            let lists = list::Lists::new(calls);
            visit.exact("blocks", &lists, &model::AppendList::default(), None)
        }
        Known::UniqueIds => {
            let ids = ids::UniqueIds::new(calls);
            visit.exact("counting", &ids, &model::UniqueId::default(), None)
        }
    }
}

/// Judges.
impl Visit for &mut Group<'_> {
    type Done = ();

    fn exact<E: Exact, M: Model>(
        self,
        name: &'static str,
        exact: &E,
        initial: &M,
        tell: Option<Tell>,
    ) {
        self.judge_exact(name, exact, initial, tell);
    }

    fn search<M: Model>(self, initial: &M) {
        let groups = self.readable();
        let groups = self.connected(groups);
        self.search_in(initial, &groups);
    }
}

impl<'a> Group<'a> {
    fn new(calls: &'a Calls, budget: &'a Budget, kinds: &'a Kinds) -> Self {
        Self {
            calls,
            budget,
            kinds,
            place: 0,
            tally: Tally::default(),
            spent: false,
        }
    }
}

impl Group<'_> {
    fn by(&mut self, known: Known) {
        by(known, self.calls, self);
    }

    /// Where some call may connect objects, they are judged together.
    fn connected(&self, groups: Vec<Vec<u32>>) -> Vec<Vec<u32>> {
        if self.kinds.list[self.place] == Known::MultiRegister {
            let mut all = groups.concat();
            all.sort_unstable();
            vec![all]
        } else {
            groups
        }
    }

    /// The calls of each object of this model that can be judged; of the others says why not.
    fn readable(&mut self) -> Vec<Vec<u32>> {
        let mut groups: Vec<Vec<u32>> = Vec::new();
        let mut places = vec![0_usize; self.calls.values.len()];
        let ignored = Ignored::of(self.calls);
        for call in 0..narrow(self.calls.len()) {
            let key = self.calls.key[call as usize];
            if !self.kinds.is(key, self.place) || ignored.is(self.calls, call) {
                continue;
            }
            if places[key as usize] == 0 {
                groups.push(Vec::new());
                places[key as usize] = groups.len();
            }
            groups[places[key as usize] - 1].push(call);
        }
        groups.retain(|group| {
            let key = self.calls.key[group[0] as usize];
            let unreadable = self.unreadable(key, group);
            if let Some(reason) = &unreadable {
                let judgement = Judgement::undecided(Some(reason.clone()));
                self.tally.take(&self.calls.value(key), judgement);
            }
            unreadable.is_none()
        });
        groups
    }

    /// Why an object cannot be judged, whatever the algorithm.
    fn unreadable(&self, key: u32, group: &[u32]) -> Option<String> {
        if let Some(reason) = self.kinds.foreign.get(&key) {
            return Some(reason.clone());
        }
        let crossed = group.iter().find(|call| self.calls.is_crossed(**call))?;
        Some(self.crossed(*crossed))
    }

    fn search_in<M: Model>(&mut self, initial: &M, groups: &[Vec<u32>]) {
        search::judge_all(initial, self.calls, groups, self.budget, &mut self.tally);
    }

    /// Judges all objects by an algorithm that needs no search, and the rest by search.
    fn judge_exact<E: Exact, M: Model>(
        &mut self,
        name: &'static str,
        exact: &E,
        initial: &M,
        tell: Option<Tell>,
    ) {
        let calls = self.calls;
        if let Some(Finding::Linearizable { power }) = self.judge_alone(exact) {
            self.tally.decided(name, 1);
            self.tally.fine(power, 1);
            return;
        }
        let mine = self.kinds.objects.iter().copied();
        let mine = mine.filter(|(key, _)| self.kinds.is(*key, self.place));
        let found = parts::judge_all(exact, calls, mine, &self.unreadable_by(exact), self.budget);
        self.spent |= found.spent;
        for (power, objects) in [false, true].into_iter().zip(found.fine) {
            self.tally.decided(name, objects);
            self.tally.fine(power, objects);
        }
        let (mut to_search, mut to_tell) = (Vec::new(), Vec::new());
        for (key, finding) in found.others {
            let judgement = match finding {
                Finding::Unreadable(reason) => Judgement::undecided(Some(reason)),
                Finding::Search(_) => {
                    to_search.push(key);
                    continue;
                }
                Finding::Violated(contradiction) => {
                    self.tally.decided(name, 1);
                    if tell.is_some() {
                        to_tell.push((key, Some(contradiction)));
                        continue;
                    }
                    violated(contradiction.told(calls, &calls.value(key)))
                }
                Finding::Contradicted => {
                    self.tally.decided(name, 1);
                    to_tell.push((key, None));
                    continue;
                }
                Finding::Linearizable { power } => {
                    self.tally.decided(name, 1);
                    self.tally.fine(power, 1);
                    continue;
                }
            };
            self.tally.take(&calls.value(key), judgement);
        }
        self.tell(tell, &to_tell);
        if !to_search.is_empty() {
            let groups = self.groups(&to_search);
            self.search_in(initial, &groups);
        }
    }

    /// Objects that cannot be judged whatever the algorithm, and why.
    fn unreadable_by<E: Exact>(&self, exact: &E) -> BTreeMap<u32, String> {
        let calls = self.calls;
        let ignored = Ignored::of(calls);
        let foreign = self.kinds.foreign.iter();
        let mut unreadable: BTreeMap<u32, String> =
            foreign.map(|(key, why)| (*key, why.clone())).collect();
        for call in calls.crossed() {
            let constrains = matches!(exact.row(calls, call), Ok(Some(_)));
            if constrains && !ignored.is(calls, call) {
                let why = || self.crossed(call);
                unreadable
                    .entry(calls.key[call as usize])
                    .or_insert_with(why);
            }
        }
        unreadable
    }

    fn crossed(&self, call: u32) -> String {
        format!(
            "the call at index {} was asked of one key and answered for another",
            self.calls.index(call)
        )
    }

    /// What is found of the only object there is, if it is judged without its rows.
    fn judge_alone<E: Exact>(&self, exact: &E) -> Option<Finding> {
        let plain =
            self.kinds.foreign.is_empty() && !self.calls.has_crossed() && !self.budget.is_spent();
        let alone = matches!(self.kinds.objects[..], [(key, _)] if self.kinds.is(key, self.place));
        (plain && alone)
            .then(|| exact.judge_alone(self.calls))
            .flatten()
    }

    /// Tells the contradictions of objects of which it is known that there are some.
    fn tell(&mut self, tell: Option<Tell>, objects: &[(u32, Option<Contradiction>)]) {
        let keys: Vec<u32> = objects.iter().map(|(key, _)| *key).collect();
        let groups = if keys.is_empty() {
            Vec::new()
        } else {
            self.groups(&keys)
        };
        for ((key, contradiction), group) in objects.iter().zip(groups) {
            let named = self.calls.value(*key);
            let history = self.calls.history(&group);
            let told = tell.and_then(|tell| tell(&Typed::read(&history)));
            let judgement = match (told, contradiction) {
                (Some(told), _) if told.contradictions > 0 => told,
                (_, Some(contradiction)) => violated(contradiction.told(self.calls, &named)),
                // Never held: one of the two is wrong, and that must be seen.
                (_, None) => Judgement::undecided(Some(
                    "two algorithms disagree on it, which is a fault of schism: please report it"
                        .to_owned(),
                )),
            };
            self.tally.take(&named, judgement);
        }
    }

    /// The calls of each of these objects, failed ones too.
    fn groups(&self, keys: &[u32]) -> Vec<Vec<u32>> {
        let mut places = vec![u32::MAX; self.calls.values.len()];
        for (place, key) in (0..).zip(keys) {
            places[*key as usize] = place;
        }
        let mut groups = vec![Vec::new(); keys.len()];
        let ignored = Ignored::of(self.calls);
        for call in 0..narrow(self.calls.len()) {
            let place = places[self.calls.key[call as usize] as usize];
            if !ignored.is(self.calls, call)
                && let Some(group) = groups.get_mut(place as usize)
            {
                group.push(call);
            }
        }
        groups
    }
}

fn count_ops(calls: &Calls, kinds: &Kinds) -> [(&'static str, usize); 6] {
    let (mut reads, mut writes, mut adds, mut set_reads) = (0, 0, 0, 0);
    let (mut info, mut ok) = (0, 0);
    for (name, ended) in calls.fs.list().iter().zip(&kinds.ended) {
        let [acknowledged, unknown] = [Kind::Ok, Kind::Info].map(|kind| ended[kind as usize]);
        let (count, unknown) = match &**name {
            "read" | "get" => (&mut reads, 0),
            "read-set" => (&mut set_reads, 0),
            "write" | "cas" | "put" => (&mut writes, unknown),
            "add" => (&mut adds, unknown),
            name if infer::is_known(name) => (&mut 0, unknown),
            _ => continue,
        };
        *count += acknowledged + unknown;
        ok += acknowledged;
        info += unknown;
    }
    [
        ("reads", reads),
        ("writes", writes),
        ("adds", adds),
        ("set_reads", set_reads),
        ("info_ops", info),
        ("ops_checked", ok + info),
    ]
}

fn narrow(number: usize) -> u32 {
    u32::try_from(number).expect("calls are numbered with 32 bits")
}
