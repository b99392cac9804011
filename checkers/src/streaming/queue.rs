//! First-in-first-out queues, by what must have been taken out before what.
//!
//! If `a` was put in before `b` was, then `a` must be taken out first: no dequeue of `b` may
//! end before one of `a` begins. So once `b` is out, every `a` before it has a deadline: a
//! dequeue that began by then and whose result is not known must have taken it. There must be
//! such dequeues for all that have one, each for another: the i-th deadline needs the i-th
//! dequeue to have begun. A dequeue that found nothing contradicts if at every instant of it
//! some element was certainly in: put in before, and no dequeue of it begun.
//!
//! What has been taken out is forgotten at once: a dequeue of an element that is not there is
//! wrong, whether it was taken before or never put in.
//!
//! **Not decided**: whether a queue was empty while some dequeue of unknown outcome may have
//! emptied it. That a dequeue found nothing is judged when all that were open then have ended.
//!
//! **Cost**: logarithmic in what the queue holds, linear in the calls that are open or of
//! unknown outcome, an entry.
//!
//! **Source**: Henzinger, Sezgin and Vafeiadis, "Aspect-oriented linearizability proofs", 2013.

use std::collections::{BTreeMap, HashMap};

use super::{Kind, Op, Step, Streaming, Told, Value, Witness, anomaly, client, strange};
use crate::Anomaly;
use crate::explain;
use crate::objects::{Moment, NEVER, moment};

/// Judges every queue of a history that is being written: `enqueue` value, `dequeue` → value,
/// nil if it was empty.
#[derive(Clone, Debug, Default)]
pub struct Queues {
    keys: HashMap<Value, Queue>,
    open: HashMap<u32, (Value, Told)>,
    /// Keys with something that is judged once this very time is over.
    waiting: Vec<Value>,
    now: Moment,
}

enum Halt {
    Violated(Box<Anomaly>),
    Unable(String),
}

type Judged = Result<(), Halt>;

impl Streaming for Queues {
    fn entry(&mut self, op: &Op) -> Step {
        let now = moment(op.time).max(self.now);
        let due = if now > self.now {
            self.due()
        } else {
            Step::Fine
        };
        self.now = now;
        let step = match (client(op), op.kind) {
            (None, _) => Step::Fine,
            (Some(process), Kind::Invoke) => {
                let key = op.key.clone().unwrap_or_default();
                let told = Witness::begun(op);
                self.open.insert(process, (key.clone(), told.clone()));
                let known = self.keys.contains_key(&key);
                let step = self.on(&key, |key, queue, now| queue.begins(key, &told, now));
                match step {
                    Step::Unable(_) if !known => Step::Fine,
                    step => step,
                }
            }
            (Some(process), _) => match self.open.remove(&process) {
                None => Step::Fine,
                Some((key, told)) => {
                    self.on(&key, |key, queue, now| queue.ends(key, &told, op, now))
                }
            },
        };
        match due {
            Step::Fine => step,
            due => due,
        }
    }

    fn end(&mut self) -> Step {
        self.due()
    }

    fn retained(&self) -> usize {
        let queues = self.keys.values();
        queues
            .map(|queue| queue.elements.len() + queue.inside.len())
            .sum()
    }
}

impl Queues {
    /// The time of the last entry is over.
    fn due(&mut self) -> Step {
        let mut worst = Step::Fine;
        for key in std::mem::take(&mut self.waiting) {
            let Some(queue) = self.keys.get_mut(&key) else {
                continue;
            };
            let judged = queue.due(&key);
            if !queue.empties.is_empty() {
                self.waiting.push(key.clone());
            }
            match (queue.after(judged), &worst) {
                (Step::Fine, _) | (_, Step::Violated(_)) => {}
                (step, _) => worst = step,
            }
        }
        worst
    }

    fn on(&mut self, key: &Value, act: impl FnOnce(&Value, &mut Queue, Moment) -> Judged) -> Step {
        let queue = self.keys.entry(key.clone()).or_default();
        let judged = act(key, queue, self.now);
        let waits =
            !queue.unknown.is_empty() || !queue.empties.is_empty() || !queue.just.is_empty();
        let step = queue.after(judged);
        if waits && !self.waiting.contains(key) {
            self.waiting.push(key.clone());
        }
        step
    }
}

/// What is, or may be, in a queue.
#[derive(Clone, Debug)]
struct Element {
    begun: Moment,
    /// When it was certainly in; [`NEVER`] as long as its enqueue has not returned.
    inside: Moment,
    enqueue: Told,
    /// By when its dequeue must have begun, and the element behind it that was out by then.
    deadline: Option<(Moment, Told, Told)>,
}

/// A dequeue of which it is not known what it took.
#[derive(Clone, Debug)]
struct Take {
    told: Told,
    open: bool,
}

impl Take {
    fn begun(&self) -> Moment {
        moment(self.told.invoke.time)
    }
}

/// A dequeue that found nothing.
#[derive(Clone, Debug)]
struct Empty {
    told: Told,
    begun: Moment,
    ended: Moment,
    /// The dequeues that were open when it ended, and are still.
    open: Vec<usize>,
}

#[derive(Clone, Debug, Default)]
struct Queue {
    elements: HashMap<Value, Element>,
    /// Those whose enqueue returned, by when.
    order: BTreeMap<(Moment, usize), Value>,
    /// Those with a deadline.
    due: Vec<Value>,
    takes: Vec<Take>,
    empties: Vec<Empty>,
    /// When some element was certainly in that is out now: open intervals, in order.
    inside: Vec<(Moment, Moment)>,
    /// Elements that were taken out before their enqueue returned, by the index of its start.
    early: Vec<(usize, Told)>,
    /// What dequeues returned that nobody had begun to put in.
    unknown: Vec<(Value, Told)>,
    /// What was taken out at this very time.
    just: Vec<Value>,
    /// Elements whose enqueue failed, the last few.
    failed: Vec<(Value, Told)>,
    /// Whether it was said that something may be missed.
    blind: bool,
    closed: bool,
}

/// So many elements whose enqueue failed are known by name.
const FAILED: usize = 16;

impl Queue {
    fn after(&mut self, judged: Judged) -> Step {
        match judged {
            Ok(()) => Step::Fine,
            Err(Halt::Violated(anomaly)) => {
                self.close();
                Step::Violated(anomaly)
            }
            Err(Halt::Unable(why)) => {
                // Blind ones go on with what can be judged.
                if !self.blind {
                    self.close();
                }
                Step::Unable(why)
            }
        }
    }

    fn close(&mut self) {
        *self = Self {
            closed: true,
            ..Self::default()
        };
    }

    fn begins(&mut self, key: &Value, told: &Told, now: Moment) -> Judged {
        if self.closed {
            return Ok(());
        }
        let value = &told.invoke.value;
        match told.invoke.f.as_str() {
            "dequeue" => {
                self.takes.push(Take {
                    told: told.clone(),
                    open: true,
                });
                Ok(())
            }
            "enqueue" if *value == Value::Nil => {
                self.unable("it enqueues nil, which stands for an empty queue".to_owned())
            }
            "enqueue" if self.elements.contains_key(value) || self.just.contains(value) => {
                self.unable(format!("{value} may have been put in by two operations"))
            }
            "enqueue" => {
                let element = Element {
                    begun: now,
                    inside: NEVER,
                    enqueue: told.clone(),
                    deadline: None,
                };
                self.elements.insert(value.clone(), element);
                // Whoever has got it did so at this very time.
                match self.unknown.iter().position(|(other, _)| other == value) {
                    None => Ok(()),
                    Some(place) => {
                        let (value, told) = self.unknown.remove(place);
                        self.took(key, &value, &told, now)
                    }
                }
            }
            f => self.unable(format!("{f} is neither enqueue nor dequeue")),
        }
    }

    /// Of this queue nothing more is said.
    fn unable(&mut self, why: String) -> Judged {
        self.blind = false;
        Err(Halt::Unable(why))
    }

    fn ends(&mut self, key: &Value, begun: &Told, op: &Op, now: Moment) -> Judged {
        if self.closed {
            return Ok(());
        }
        if let Some(why) = strange(&begun.invoke, Some(op)) {
            return self.unable(why);
        }
        let told = begun.ended(op);
        if told.invoke.f == "enqueue" {
            return self.put(key, &told, now);
        }
        let index = told.invoke.index;
        let place = self
            .takes
            .iter()
            .position(|take| take.told.invoke.index == index);
        let place = place.expect("what ends has begun");
        for empty in &mut self.empties {
            empty.open.retain(|open| *open != index);
        }
        if op.kind == Kind::Info {
            self.takes[place] = Take { told, open: false };
            return Ok(());
        }
        self.takes.remove(place);
        if op.kind == Kind::Ok && op.value == Value::Nil {
            let open = self.takes.iter().filter(|take| take.open);
            self.empties.push(Empty {
                begun: moment(told.invoke.time),
                ended: now,
                open: open.map(|take| take.told.invoke.index).collect(),
                told,
            });
            return self.in_time(key);
        }
        if op.kind == Kind::Fail {
            return self.in_time(key);
        }
        self.took(key, &op.value, &told, now)
    }

    /// An enqueue ended.
    fn put(&mut self, key: &Value, told: &Told, now: Moment) -> Judged {
        let (index, value) = (told.invoke.index, &told.invoke.value);
        if let Some(place) = self.early.iter().position(|(other, _)| *other == index) {
            let (_, dequeue) = self.early.remove(place);
            if told.call().outcome() != Kind::Fail {
                return Ok(());
            }
            return dirty(key, value, [told.clone(), dequeue]);
        }
        let Some(element) = self.elements.get_mut(value) else {
            return Ok(());
        };
        element.enqueue = told.clone();
        match told.call().outcome() {
            Kind::Ok => {
                element.inside = now;
                self.order.insert((now, index), value.clone());
            }
            Kind::Fail => {
                self.elements.remove(value);
                if self.failed.len() == FAILED {
                    self.failed.remove(0);
                }
                self.failed.push((value.clone(), told.clone()));
            }
            Kind::Info | Kind::Invoke => {}
        }
        Ok(())
    }

    /// A dequeue returned an element.
    fn took(&mut self, key: &Value, value: &Value, told: &Told, now: Moment) -> Judged {
        let Some(element) = self.elements.remove(value) else {
            self.unknown.push((value.clone(), told.clone()));
            return self.in_time(key);
        };
        self.just.push(value.clone());
        self.due.retain(|due| due != value);
        self.order
            .remove(&(element.inside, element.enqueue.invoke.index));
        let begun = moment(told.invoke.time);
        if element.inside == NEVER && element.enqueue.complete.is_none() {
            self.early
                .push((element.enqueue.invoke.index, told.clone()));
        }
        if let Some((deadline, enqueue, dequeue)) = &element.deadline
            && *deadline < begun
        {
            let behind = &enqueue.invoke.value;
            let conclusion = format!(
                "{value} was in by {}, before {behind} was put in, yet {behind} was out by {}, \
                 before the dequeue of {value} began.",
                explain::at(element.inside),
                explain::at(*deadline)
            );
            let calls = [&element.enqueue, enqueue, dequeue, told];
            return violated("not-linearizable", key, calls.map(Clone::clone), conclusion);
        }
        let inside = element.inside.min(now);
        if inside < begun {
            self.was_inside(inside, begun);
        }
        // All that was in before this one was put in should be out.
        let before = self.order.range(..(element.begun, 0));
        for (_, before) in before {
            let other = self
                .elements
                .get_mut(before)
                .expect("what is in order is in");
            if other.deadline.is_none() {
                other.deadline = Some((now, element.enqueue.clone(), told.clone()));
                self.due.push(before.clone());
            }
        }
        self.in_time(key)
    }

    /// Whether every element with a deadline can have been taken by then.
    fn in_time(&self, key: &Value) -> Judged {
        if self.due.is_empty() {
            return Ok(());
        }
        let deadline = |value: &Value| {
            let element = &self.elements[value];
            element.deadline.as_ref().expect("it has one")
        };
        let mut due: Vec<&Value> = self.due.iter().collect();
        due.sort_by_key(|value| deadline(value).0);
        let mut takes: Vec<Moment> = self.takes.iter().map(Take::begun).collect();
        takes.sort_unstable();
        for (place, value) in due.iter().enumerate() {
            let (at, enqueue, dequeue) = deadline(value);
            if takes.get(place).is_some_and(|begun| begun <= at) {
                continue;
            }
            let behind = &enqueue.invoke.value;
            let others = match place {
                0 => String::new(),
                others => format!(" and for {others} more that should be out"),
            };
            let conclusion = format!(
                "{value} was in before {behind} was put in; {behind} was out by {}, and by then \
                 too few dequeues had begun that may have taken {value}{others}.",
                explain::at(*at)
            );
            let calls = [&self.elements[*value].enqueue, enqueue, dequeue];
            return violated("not-linearizable", key, calls.map(Clone::clone), conclusion);
        }
        Ok(())
    }

    /// Adds an open interval to those in which something was in.
    fn was_inside(&mut self, mut from: Moment, mut to: Moment) {
        self.inside.retain(|(begin, end)| {
            let overlap = *begin < to && from < *end;
            if overlap {
                (from, to) = (from.min(*begin), to.max(*end));
            }
            !overlap
        });
        // What it grew over stands beside it: intervals in the list do not overlap.
        self.inside.push((from, to));
    }

    /// This very time is over.
    fn due(&mut self, key: &Value) -> Judged {
        self.just.clear();
        if let Some((value, told)) = self.unknown.first() {
            if let Some((_, failed)) = self.failed.iter().rev().find(|(other, _)| other == value) {
                return dirty(key, value, [failed.clone(), told.clone()]);
            }
            let conclusion =
                format!("{value} was taken out before, or nobody had begun to put it in.");
            return violated("not-linearizable", key, [told.clone()], conclusion);
        }
        let (ready, rest): (Vec<Empty>, Vec<Empty>) = std::mem::take(&mut self.empties)
            .into_iter()
            .partition(|empty| empty.open.is_empty());
        self.empties = rest;
        let mut unsure = false;
        for empty in ready {
            if self.takes.iter().any(|take| take.begun() <= empty.ended) {
                unsure = true;
            } else if self.was_never_empty(empty.begun, empty.ended) {
                let conclusion = format!(
                    "some element was certainly in the queue at every instant from {} to {}.",
                    explain::at(empty.begun),
                    explain::at(empty.ended)
                );
                let first = self.order.values().next();
                let first = first.map(|value| self.elements[value].enqueue.clone());
                let calls = first.into_iter().chain([empty.told]);
                return violated("not-linearizable", key, calls, conclusion);
            }
        }
        let open = self.takes.iter().filter(|take| take.open).map(Take::begun);
        let horizon = open
            .chain(self.empties.iter().map(|empty| empty.begun))
            .min();
        self.inside
            .retain(|(_, to)| horizon.is_some_and(|horizon| *to > horizon));
        if unsure && !self.blind {
            self.blind = true;
            let why = "a dequeue of unknown outcome may have emptied the queue";
            return Err(Halt::Unable(why.to_owned()));
        }
        Ok(())
    }

    /// Whether something was certainly in at every instant from `begun` to `ended`.
    fn was_never_empty(&self, begun: Moment, ended: Moment) -> bool {
        let held = self.order.keys().next().map(|(inside, _)| (*inside, NEVER));
        let mut at = begun;
        while at <= ended {
            let around = self.inside.iter().copied().chain(held);
            let around = around.filter(|(from, to)| *from < at && at < *to);
            match around.map(|(_, to)| to).max() {
                None => return false,
                Some(to) => at = to,
            }
        }
        true
    }
}

fn dirty(key: &Value, value: &Value, calls: [Told; 2]) -> Judged {
    let conclusion = format!("{value} was there although the operation that put it in failed.");
    violated("dirty-read", key, calls, conclusion)
}

fn violated(
    name: &str,
    key: &Value,
    calls: impl IntoIterator<Item = Told>,
    conclusion: String,
) -> Judged {
    Err(Halt::Violated(anomaly(name, key, calls, conclusion)))
}
