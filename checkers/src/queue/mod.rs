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
//! | **lost** | it was acknowledged before a `drain` began that left nothing, never came out, and no `dequeue` or `drain` of unknown outcome can have taken it |
//! | undecided | it was acknowledged and never came out, but no drain that left nothing began later, or something of unknown outcome may have taken it |
//! | **dirty** | it came out, and its enqueue failed |
//! | **phantom** | it came out, and nobody had begun to put it in |
//! | duplicate | how often something came out beyond the times it may have gone in: a violation only if delivery is exactly once |
//! | fifo violation | something came out only after another was out that had been put in after it was in |
//! | producer violation | the same of two that one process put in |
//!
//! A `dequeue` that returns nil found the queue empty. A `drain` leaves nothing if it has no
//! argument, or returned fewer than that. A dequeue of unknown outcome may have taken one element,
//! a drain of unknown outcome as many as its argument says, or any number where it says none; but
//! not, with an [`Order`], what had to be out before it began, when something was out that had to
//! come out later. As many of the missing elements are lost as there are too many for all of these
//! together.
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
mod lost;
mod order;

use std::collections::BTreeMap;

use crate::calls::{Calls, NEVER, Rank};
use crate::counts::Counts;
use crate::explain::of_calls;
use crate::history::Kind;
use crate::linearizable::grouping::{add_once, narrow, word};
use crate::{Anomaly, Budget, Checker, Report, Verdict};
use gather::{Object, Queues};
use lost::{Deadlines, Missing};
use order::{Misplaced, Passed};

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
    /// Acknowledged before the last drain began that left nothing.
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
        tally.add("unknown_takers", self.object.takers.len());
        tally.add("drains", self.object.drains);
        let mut passed = order::passed(self.calls, self.object, &elements, slots);
        let deadlines = Deadlines::of(&passed, self.queue.order);
        let mut missing: Vec<Missing> = Vec::new();
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
                        "needs a drain that leaves nothing after the last enqueue; {} was acknowledged and \
                         never came out",
                        word(self.calls, element.value)
                    )
                });
            }
            if certain > 0 {
                missing.push(Missing {
                    enqueue: element.enqueue,
                    copies: certain as usize,
                    until: self.until(element, &deadlines),
                });
            }
        }
        self.lose(missing, tally);
        self.order(&elements, &mut passed, tally);
        for element in &elements {
            slots[element.value as usize] = 0;
        }
    }

    /// By when what is missing of an element had to be out.
    fn until(&self, element: &Element, deadlines: &Deadlines) -> Rank {
        if element.attempted > 1 {
            return NEVER;
        }
        let process = self.calls.process_place(element.enqueue);
        let inside = self.calls.ends[element.enqueue as usize];
        deadlines.until(process, element.enqueue, inside)
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
                let last_drain = self.object.last_drain;
                let drained = last_drain.is_some_and(|drain| calls.ends[at] < drain);
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
    fn lose(&self, mut missing: Vec<Missing>, tally: &mut Tally) {
        let candidates = missing.iter().map(|of| of.copies).sum::<usize>();
        let lost = lost::lost(&mut missing, &mut self.object.takers.clone());
        tally.add("lost", lost.count);
        tally.add("undecided", candidates - lost.count);
        if lost.count < candidates {
            tally.why.get_or_insert_with(|| {
                format!(
                    "{candidates} elements never came out, but operations of unknown outcome may \
                     have taken {}",
                    match candidates - lost.count {
                        all if all == candidates => "them".to_owned(),
                        some => some.to_string(),
                    }
                )
            });
        }
        let due = missing.iter().filter(|of| of.until <= lost.until);
        for of in due.take(Queue::LISTED * usize::from(lost.count > 0)) {
            let value = word(self.calls, self.calls.argument[of.enqueue as usize]);
            let conclusion = if lost.taken == 0 {
                format!("{value} never came out, and nobody can have taken it.")
            } else {
                format!(
                    "{value} is one of {} that never came out, of which operations of unknown \
                     outcome that began in time can have taken {}.",
                    lost.missing, lost.taken
                )
            };
            tally.list("lost-element", || {
                self.tell("lost-element", &[of.enqueue], conclusion)
            });
        }
    }

    fn order(&self, elements: &[Element], passed: &mut [Passed], tally: &mut Tally) {
        let found = order::judge(passed);
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
