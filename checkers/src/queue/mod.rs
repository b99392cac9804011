//! Queues: what went in against what came out.
//!
//! **Claim**: whatever was acknowledged comes out, and nothing comes out that nobody put in; with
//! [`Delivery::ExactlyOnce`] nothing comes out more often than it may have gone in; with an
//! [`Order`] it comes out in that order.
//!
//! | word | meaning |
//! |---|---|
//! | attempted | an `enqueue` that did not fail |
//! | recovered | it came out, and its outcome was unknown; legal |
//! | **lost** | it was acknowledged before a completed `drain` began, never came out, and no `dequeue` or `drain` of unknown outcome can have taken it |
//! | undecided | it was acknowledged and never came out, but no completed drain began later, or something of unknown outcome may have taken it |
//! | **dirty** | it came out, and its enqueue failed |
//! | **phantom** | it came out, and nobody had begun to put it in |
//! | duplicate | how often something came out beyond the times it may have gone in: a violation only if delivery is exactly once |
//! | fifo violation | something came out only after another was out that had been put in after it was in |
//! | producer violation | the same of two that one process put in |
//!
//! A `dequeue` that returns nil found the queue empty. A dequeue of unknown outcome may have
//! taken one element, a drain of unknown outcome as many as its argument says, or any number
//! where it says none.
//!
//! **Needs**: `enqueue` of values, `dequeue`, and at the end a `drain` that returns a list of
//! what was left, begun after the last enqueue had been acknowledged. Values may repeat; order
//! is judged of those that went in and came out once.
//!
//! **Names**: "lost-element", "dirty-write", "phantom-value", "duplicate-delivery",
//! "out-of-order".
//!
//! **Figures**: `queues`, `queues_skipped`, `attempted`, `acknowledged`, `delivered`,
//! `recovered`, `lost`, `undecided`, `dirty`, `phantom`, `duplicates`, `unknown_takers`
//! (dequeues and drains of unknown outcome), `drains`, `ordered` (elements whose order was
//! judged), `fifo_violations`, `producer_violations`.
//!
//! **Cost**: O(n log n); at most 64 bytes an operation.
//!
//! **Source**: Jepsen's total-queue checker, which fails on a crashed drain; the order after
//! Henzinger, Sezgin and Vafeiadis, "Aspect-oriented linearizability proofs", 2013.

mod gather;
mod order;

use std::collections::BTreeMap;

use crate::calls::Calls;
use crate::counts::Counts;
use crate::explain::of_calls;
use crate::history::Kind;
use crate::linearizable::grouping::{add_once, narrow, word};
use crate::{Anomaly, Budget, Checker, Report, Verdict};
use gather::{Object, Queues};
use order::Misplaced;

/// How often an element may come out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Delivery {
    /// Once or more.
    #[default]
    AtLeastOnce,
    /// As often as it went in.
    ExactlyOnce,
}

/// In which order elements must come out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// Any.
    #[default]
    None,
    /// Those of one process in the order in which it put them in.
    Producer,
    /// First in, first out.
    Fifo,
}

/// Judges queues; see the [module](self).
#[derive(Clone, Copy, Debug, Default)]
pub struct Queue {
    /// How often an element may come out.
    pub delivery: Delivery,
    /// In which order elements must come out.
    pub order: Order,
}

impl Queue {
    /// How many anomalies of each name are written out.
    pub const LISTED: usize = 20;
}

/// What went in and came out under one value.
#[derive(Clone, Copy, Debug)]
pub(in crate::queue) struct Element {
    value: u32,
    attempted: u32,
    acknowledged: u32,
    /// Acknowledged before the last completed drain began.
    drained: u32,
    delivered: u32,
    /// An enqueue: one that did not fail, if there is one.
    enqueue: u32,
    has_failed: bool,
    /// Of the times it came out, the one that was over first.
    first: u32,
}

const NOBODY: u32 = u32::MAX;

#[derive(Default)]
struct Tally {
    counts: Counts,
    anomalies: BTreeMap<&'static str, Vec<Anomaly>>,
    why: Option<String>,
}

impl Tally {
    fn add(&mut self, name: &'static str, count: usize) {
        self.counts.add(name, count);
    }

    fn list(&mut self, name: &'static str, anomaly: impl FnOnce() -> Anomaly) {
        let list = self.anomalies.entry(name).or_default();
        if list.len() < Queue::LISTED {
            list.push(anomaly());
        }
    }
}

impl Checker for Queue {
    fn name(&self) -> &str {
        "queue"
    }

    fn judge(&self, calls: &Calls, budget: &Budget) -> Report {
        let queues = Queues::of(calls);
        let mut tally = Tally::default();
        let mut slots = vec![0_u32; calls.values.len()];
        for place in 0..queues.len() {
            if budget.is_spent() {
                let why = "the budget was spent before every queue was judged";
                return Report::undecided(self.name(), why);
            }
            let object = queues.object(place);
            tally.add("queues", 1);
            if let Some((index, reason)) = &object.unreadable {
                tally.add("queues_skipped", 1);
                let key = calls.value(object.key);
                let why = format!("{key} cannot be judged for the call at index {index}: {reason}");
                tally.why.get_or_insert(why);
                continue;
            }
            let of = Judge {
                queue: self,
                calls,
                object: &object,
            };
            of.judge(&mut slots, &mut tally);
        }
        self.report(tally)
    }
}

struct Judge<'a> {
    queue: &'a Queue,
    calls: &'a Calls,
    object: &'a Object,
}

impl Judge<'_> {
    fn judge(&self, slots: &mut [u32], tally: &mut Tally) {
        let elements = self.elements(slots);
        let takers = self.object.unknown_dequeues.len() + self.object.unknown_drains.len();
        tally.add("unknown_takers", takers);
        tally.add("drains", self.object.drains);
        let mut missing: Vec<u32> = Vec::new();
        let mut candidates = 0;
        for element in &elements {
            tally.add("attempted", element.attempted as usize);
            tally.add("acknowledged", element.acknowledged as usize);
            tally.add("delivered", element.delivered as usize);
            self.unasked(element, tally);
            let unknown = element.attempted - element.acknowledged;
            let recovered = element
                .delivered
                .saturating_sub(element.acknowledged)
                .min(unknown);
            tally.add("recovered", recovered as usize);
            let certain = element.drained.saturating_sub(element.delivered);
            let gone = element.acknowledged.saturating_sub(element.delivered);
            tally.add("undecided", (gone - certain.min(gone)) as usize);
            if gone > certain {
                tally.why.get_or_insert_with(|| {
                    format!(
                        "needs a completed drain after the last enqueue; {} was acknowledged and \
                         never came out",
                        word(self.calls, element.value)
                    )
                });
            }
            if certain > 0 {
                candidates += certain as usize;
                missing.push(element.enqueue);
            }
        }
        self.lose(&missing, candidates, tally);
        self.order(&elements, slots, tally);
        for element in &elements {
            slots[element.value as usize] = 0;
        }
    }

    fn elements(&self, slots: &mut [u32]) -> Vec<Element> {
        let calls = self.calls;
        let mut elements: Vec<Element> = Vec::with_capacity(self.object.enqueues.len());
        let mut of = |value: u32, elements: &mut Vec<Element>| {
            let slot = &mut slots[value as usize];
            if *slot == 0 {
                elements.push(Element {
                    value,
                    attempted: 0,
                    acknowledged: 0,
                    drained: 0,
                    delivered: 0,
                    enqueue: NOBODY,
                    has_failed: false,
                    first: NOBODY,
                });
                *slot = narrow(elements.len());
            }
            *slot as usize - 1
        };
        for &call in &self.object.enqueues {
            let at = call as usize;
            let place = of(calls.argument[at], &mut elements);
            let element = &mut elements[place];
            let outcome = calls.outcome[at];
            if outcome == Kind::Fail {
                element.has_failed = true;
                if element.enqueue == NOBODY {
                    element.enqueue = call;
                }
                continue;
            }
            if element.attempted == 0 {
                element.enqueue = call;
            }
            element.attempted += 1;
            if outcome == Kind::Ok {
                element.acknowledged += 1;
                let drained = self
                    .object
                    .last_drain
                    .is_some_and(|drain| calls.ends[at] < drain);
                element.drained += u32::from(drained);
            }
        }
        for (place, delivery) in (0_u32..).zip(&self.object.deliveries) {
            let at = of(delivery.value, &mut elements);
            let element = &mut elements[at];
            let ends =
                |place: u32| calls.ends[self.object.deliveries[place as usize].call as usize];
            if element.delivered == 0 || ends(place) < ends(element.first) {
                element.first = place;
            }
            element.delivered += 1;
        }
        elements
    }

    fn tell(&self, name: &str, of: &[u32], conclusion: String) -> Anomaly {
        of_calls(self.calls, name, self.object.key, of, conclusion)
    }

    /// What came out and was not put in, or not so often, or not yet.
    fn unasked(&self, element: &Element, tally: &mut Tally) {
        let Some(first) = self.object.deliveries.get(element.first as usize) else {
            return;
        };
        let shown = || word(self.calls, element.value);
        if element.attempted == 0 && element.has_failed {
            tally.add("dirty", 1);
            tally.list("dirty-write", || {
                let failed = format!("{} came out although its enqueue failed.", shown());
                self.tell("dirty-write", &[element.enqueue, first.call], failed)
            });
            return;
        }
        if element.attempted == 0 {
            tally.add("phantom", 1);
            tally.list("phantom-value", || {
                let unknown = format!("{} came out, which nobody put in.", shown());
                self.tell("phantom-value", &[first.call], unknown)
            });
            return;
        }
        let ends = self.calls.ends[first.call as usize];
        if ends < self.calls.begins[element.enqueue as usize] {
            tally.add("phantom", 1);
            tally.list("phantom-value", || {
                let early = format!(
                    "{} came out before anybody had begun to put it in.",
                    shown()
                );
                self.tell("phantom-value", &[first.call, element.enqueue], early)
            });
        }
        let again = element.delivered.saturating_sub(element.attempted);
        tally.add("duplicates", again as usize);
        if again > 0 && self.queue.delivery == Delivery::ExactlyOnce {
            tally.list("duplicate-delivery", || {
                let mut of = vec![element.enqueue];
                let same = |of: &&gather::Delivered| of.value == element.value;
                for delivery in self.object.deliveries.iter().filter(same) {
                    add_once(&mut of, delivery.call);
                }
                let twice = format!(
                    "{} came out {} times and went in at most {}.",
                    shown(),
                    element.delivered,
                    element.attempted
                );
                self.tell("duplicate-delivery", &of, twice)
            });
        }
    }

    /// What was acknowledged, should have been drained, and did not come out.
    fn lose(&self, missing: &[u32], candidates: usize, tally: &mut Tally) {
        let mut drains = self.object.unknown_drains.iter().copied();
        let taken = drains.try_fold(self.object.unknown_dequeues.len(), |sum, drain| {
            Some(sum.saturating_add(drain?))
        });
        let lost = candidates - taken.unwrap_or(usize::MAX).min(candidates);
        tally.add("lost", lost);
        tally.add("undecided", candidates - lost);
        if lost < candidates {
            tally.why.get_or_insert_with(|| {
                let most = taken.map_or("any number".to_owned(), |most| most.to_string());
                format!(
                    "{candidates} elements never came out, but operations of unknown outcome may \
                     have taken {most}"
                )
            });
        }
        if lost == 0 {
            return;
        }
        for &enqueue in missing.iter().take(Queue::LISTED) {
            let value = word(self.calls, self.calls.argument[enqueue as usize]);
            let conclusion = if lost == candidates {
                format!("{value} never came out, although a drain was completed later.")
            } else {
                format!(
                    "{value} is one of {candidates} that never came out, of which operations of \
                     unknown outcome can have taken {}.",
                    candidates - lost
                )
            };
            tally.list("lost-element", || {
                self.tell("lost-element", &[enqueue], conclusion)
            });
        }
    }

    fn order(&self, elements: &[Element], slots: &[u32], tally: &mut Tally) {
        let found = order::judge(self.calls, self.object, elements, slots);
        tally.add("ordered", found.judged);
        tally.add("fifo_violations", found.fifo.len());
        tally.add("producer_violations", found.producer.len());
        let listed: &[Misplaced] = match self.queue.order {
            Order::None => &[],
            Order::Producer => &found.producer,
            Order::Fifo => &found.fifo,
        };
        for misplaced in listed.iter().take(Queue::LISTED) {
            let (first, then) = (misplaced.first, misplaced.then);
            let value = |place: u32| word(self.calls, elements[place as usize].value);
            let mut of = Vec::new();
            for place in [first, then] {
                let element = &elements[place as usize];
                add_once(&mut of, element.enqueue);
                add_once(&mut of, self.object.deliveries[element.first as usize].call);
            }
            tally.list("out-of-order", || {
                let conclusion = format!(
                    "{} was put in before {}, and came out after it.",
                    value(first),
                    value(then)
                );
                self.tell("out-of-order", &of, conclusion)
            });
        }
    }
}

impl Queue {
    fn report(&self, tally: Tally) -> Report {
        let mut report = Report::new(self.name(), Verdict::Held);
        for name in [
            "queues",
            "queues_skipped",
            "attempted",
            "acknowledged",
            "delivered",
            "recovered",
            "lost",
            "undecided",
            "dirty",
            "phantom",
            "duplicates",
            "unknown_takers",
            "drains",
            "ordered",
            "fifo_violations",
            "producer_violations",
        ] {
            report.figure(name, tally.counts.of(name));
        }
        let number = |name: &str| report.number(name).unwrap_or(0);
        let mut bad = number("lost") + number("dirty") + number("phantom");
        if self.delivery == Delivery::ExactlyOnce {
            bad += number("duplicates");
        }
        bad += match self.order {
            Order::None => 0,
            Order::Producer => number("producer_violations"),
            Order::Fifo => number("fifo_violations"),
        };
        let why = if number("queues") == 0 {
            Some("needs enqueues; there are none".to_owned())
        } else if tally.why.is_some() {
            tally.why
        } else if number("acknowledged") == 0 {
            Some("needs acknowledged enqueues; nothing could be lost".to_owned())
        } else if self.order != Order::None && number("ordered") < 2 {
            Some("needs values that go in and come out once; no order could be judged".to_owned())
        } else {
            None
        };
        report.anomalies = tally.anomalies.into_values().flatten().collect();
        if bad > 0 {
            report.verdict = Verdict::Violated;
        } else if why.is_some() {
            report.verdict = Verdict::Undecided;
            report.why = why;
        }
        report
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::notation::ops;
    use crate::history::{F, History, Value};

    /// As the notation of tests, with `e5` to put 5 in, `d` to take one, `dr` to take all.
    fn judge(queue: Queue, text: &str) -> Report {
        let text = text.replace(":dr", ":rs").replace(":d", ":r");
        let text = text.replace(":e", ":w");
        let mut ops = ops(&text);
        for op in &mut ops {
            op.f = F::new(match op.f.as_str() {
                "write" => "enqueue",
                "read" => "dequeue",
                _ => "drain",
            });
            op.key = Some(Value::str("q"));
        }
        let history = History::new(ops).expect("lawful");
        queue.check(&history, &Budget::unlimited())
    }

    #[test]
    fn what_went_in_comes_out_or_is_lost() {
        let any = Queue::default();
        assert_eq!(judge(any, "0:e1 0:ok 1:d 1:ok=1").verdict, Verdict::Held);
        let undrained = judge(any, "0:e1 0:ok 1:d 1:ok=nil");
        assert_eq!(undrained.verdict, Verdict::Undecided);
        let lost = judge(any, "0:e1 0:ok 1:dr 1:ok=[]");
        assert_eq!(lost.anomalies[0].name, "lost-element");
        let taken = judge(any, "0:e1 0:ok 2:d 2:info 1:dr 1:ok=[]");
        assert_eq!(taken.verdict, Verdict::Undecided);
        let both = judge(any, "0:e1 0:ok 0:e2 0:ok 2:d 2:info 1:dr 1:ok=[]");
        assert_eq!(both.verdict, Verdict::Violated);
        assert_eq!(
            (both.number("lost"), both.number("undecided")),
            (Some(1), Some(1))
        );
        let crashed = judge(any, "0:e1 0:ok 2:dr 2:info 1:dr 1:ok=[]");
        assert_eq!(crashed.verdict, Verdict::Undecided);
    }

    #[test]
    fn twice_is_legal_unless_it_must_be_once() {
        let text = "0:e1 0:ok 1:d 1:ok=1 1:d 1:ok=1";
        let once = Queue {
            delivery: Delivery::ExactlyOnce,
            ..Queue::default()
        };
        assert_eq!(judge(Queue::default(), text).verdict, Verdict::Held);
        assert_eq!(judge(once, text).anomalies[0].name, "duplicate-delivery");
        assert_eq!(judge(once, text).number("duplicates"), Some(1));
    }

    #[test]
    fn what_was_not_put_in_is_named() {
        let any = Queue::default();
        let name = |text: &str| judge(any, text).anomalies[0].name.clone();
        assert_eq!(name("0:e1 0:fail 1:d 1:ok=1"), "dirty-write");
        assert_eq!(name("0:e1 0:ok 1:d 1:ok=2"), "phantom-value");
        assert_eq!(name("1:d 1:ok=1 0:e1 0:ok"), "phantom-value");
    }

    #[test]
    fn order_is_judged_where_it_is_asked_for() {
        let fifo = Queue {
            order: Order::Fifo,
            ..Queue::default()
        };
        let producer = Queue {
            order: Order::Producer,
            ..Queue::default()
        };
        let swapped = "0:e1 0:ok 1:e2 1:ok 2:d 2:ok=2 2:d 2:ok=1";
        assert_eq!(judge(Queue::default(), swapped).verdict, Verdict::Held);
        assert_eq!(judge(fifo, swapped).anomalies[0].name, "out-of-order");
        assert_eq!(judge(producer, swapped).verdict, Verdict::Held);
        let own = "0:e1 0:ok 0:e2 0:ok 2:dr 2:ok=[2,1]";
        assert_eq!(judge(producer, own).anomalies[0].name, "out-of-order");
        assert_eq!(judge(fifo, own).anomalies[0].name, "out-of-order");
    }
}
