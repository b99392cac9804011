//! One grow-only set that is read whole.
//!
//! In a legal sequence every read sees what earlier reads saw, so the distinct results form a
//! chain under inclusion, and the order of everything is forced up to harmless swaps: the adds
//! of what the smallest result holds, the reads that returned it, the adds of what the next
//! result adds, its reads, and so on; adds that no read shows come last. The set is
//! linearizable exactly if that order agrees with real time: no operation may end before one
//! of an earlier group began.
//!
//! An add of unknown outcome that no read shows is left out.

use std::collections::HashMap;

use super::{Judgement, Linearizable};
use crate::explain;
use crate::history::{Call, Kind, Value};
use crate::objects::{Moment, Object, SetAction, SetCall, interval};

/// Judges one set.
///
/// **Cost**: linear in operations and in elements read, and sorting the reads by size.
pub(super) fn judge(object: &Object<'_, SetCall<'_>>) -> Judgement {
    let mut judge = Judge {
        object,
        elements: Vec::new(),
        ids: HashMap::new(),
        judgement: Judgement::default(),
    };
    let reads = judge.intern();
    judge.judgement.power =
        !reads.is_empty() && judge.elements.iter().any(|element| element.adds > 0);
    let repeated = judge.elements.iter().find(|element| element.adds > 1);
    if let Some(element) = repeated {
        judge.judgement.undecided = Some(format!(
            "{} may have been added by {} operations; elements must be unique",
            element.value, element.adds
        ));
        return judge.judgement;
    }
    let classes = judge.chain(reads);
    judge.real_time(&classes);
    judge.judgement
}

struct Element<'h> {
    value: &'h Value,
    /// The add that did not fail.
    add: Option<usize>,
    adds: usize,
    failed_add: Option<usize>,
    /// The class of reads that shows it first.
    class: Option<usize>,
    reported: bool,
}

/// A successful read, as element ids.
struct ReadOf {
    call: usize,
    ids: Vec<usize>,
}

/// Reads that returned the same elements.
struct Class {
    reads: Vec<usize>,
    /// The elements that the class before did not show.
    new: Vec<usize>,
}

struct Judge<'a, 'h> {
    object: &'a Object<'h, SetCall<'h>>,
    elements: Vec<Element<'h>>,
    ids: HashMap<&'h Value, usize>,
    judgement: Judgement,
}

impl<'h> Judge<'_, 'h> {
    fn call(&self, position: usize) -> &Call<'h> {
        &self.object.calls[position].call
    }

    fn report(&mut self, name: &str, calls: &[usize], conclusion: impl FnOnce() -> String) {
        self.judgement.contradictions += 1;
        if self.judgement.found.len() < Linearizable::LISTED {
            let calls: Vec<&Call<'_>> = calls.iter().map(|&call| self.call(call)).collect();
            let found = explain::anomaly(name, self.object.key, &calls, conclusion());
            self.judgement.found.push(found);
        }
    }

    fn id(&mut self, value: &'h Value) -> usize {
        let elements = &mut self.elements;
        *self.ids.entry(value).or_insert_with(|| {
            elements.push(Element {
                value,
                add: None,
                adds: 0,
                failed_add: None,
                class: None,
                reported: false,
            });
            elements.len() - 1
        })
    }

    /// Gives every element a number; reports elements that nobody added or that stand twice.
    fn intern(&mut self) -> Vec<ReadOf> {
        for position in 0..self.object.calls.len() {
            let SetAction::Add(value) = self.object.calls[position].action else {
                continue;
            };
            let failed = self.call(position).outcome() == Kind::Fail;
            let id = self.id(value);
            let element = &mut self.elements[id];
            if failed {
                element.failed_add.get_or_insert(position);
            } else {
                element.adds += 1;
                element.add.get_or_insert(position);
            }
        }
        let mut reads = Vec::new();
        for call in 0..self.object.calls.len() {
            let SetAction::Read(values) = self.object.calls[call].action else {
                continue;
            };
            let mut ids: Vec<usize> = values.iter().map(|value| self.id(value)).collect();
            ids.sort_unstable();
            let twice = ids.windows(2).find(|pair| pair[0] == pair[1]);
            if let Some(id) = twice.map(|pair| pair[0]) {
                let value = self.elements[id].value;
                let add = self.elements[id].add;
                let calls: Vec<usize> = add.into_iter().chain([call]).collect();
                self.report("duplicate-element", &calls, || {
                    format!("it returned {value} twice.")
                });
                ids.dedup();
            }
            for &id in &ids {
                self.unknown_element(id, call);
            }
            reads.push(ReadOf { call, ids });
        }
        reads
    }

    fn unknown_element(&mut self, id: usize, read: usize) {
        let element = &mut self.elements[id];
        if element.adds > 0 || std::mem::replace(&mut element.reported, true) {
            return;
        }
        let value = element.value;
        if let Some(failed) = element.failed_add {
            self.report("dirty-read", &[failed, read], || {
                format!("it returned {value} although every add of it failed.")
            });
        } else {
            self.report("phantom-read", &[read], || {
                format!("it returned {value}, which nobody added.")
            });
        }
    }

    /// Sorts the reads into classes; reports those that do not fit into one chain and leaves
    /// them out.
    fn chain(&mut self, mut reads: Vec<ReadOf>) -> Vec<Class> {
        reads.sort_by_key(|read| read.ids.len());
        let mut classes: Vec<Class> = Vec::new();
        let mut shown = 0;
        for read in reads {
            let known = |id: &&usize| self.elements[**id].class.is_some();
            let common = read.ids.iter().filter(known).count();
            if common < shown {
                self.incomparable(&read, &classes);
            } else if read.ids.len() == shown && !classes.is_empty() {
                classes
                    .last_mut()
                    .expect("there is one")
                    .reads
                    .push(read.call);
            } else {
                let fresh = |id: &usize| self.elements[*id].class.is_none();
                let new: Vec<usize> = read.ids.iter().copied().filter(fresh).collect();
                for &id in &new {
                    self.elements[id].class = Some(classes.len());
                }
                shown = read.ids.len();
                let reads = vec![read.call];
                classes.push(Class { reads, new });
            }
        }
        classes
    }

    /// A read that lacks an element which a read of no more elements shows.
    fn incomparable(&mut self, read: &ReadOf, classes: &[Class]) {
        let lacks = |id: &usize| read.ids.binary_search(id).is_err();
        let shown = classes.iter().flat_map(|class| &class.new);
        let missing: Vec<usize> = shown.copied().filter(lacks).collect();
        let (began, _) = interval(self.call(read.call));
        // It is plainest if the missing element had been acknowledged before the read began.
        let acknowledged = missing.iter().copied().find(|&id| {
            self.elements[id]
                .add
                .is_some_and(|add| interval(self.call(add)).1 < began)
        });
        if let Some((id, add)) = acknowledged.and_then(|id| Some((id, self.elements[id].add?))) {
            let value = self.elements[id].value;
            self.report("stale-read", &[add, read.call], || {
                format!("the read lacks {value}, acknowledged before it began.")
            });
            return;
        }
        let missing = missing.first().copied().expect("it lacks something");
        let class = self.elements[missing]
            .class
            .expect("what is shown has a class");
        let other = classes[class..]
            .iter()
            .flat_map(|class| &class.reads)
            .copied()
            .next_back()
            .expect("a class has a read");
        let (here, there) = (
            read.ids
                .iter()
                .find(|&&id| self.elements[id].class.is_none()),
            self.elements[missing].value,
        );
        let here = here.map(|&id| self.elements[id].value);
        self.report("incomparable-reads", &[other, read.call], || match here {
            Some(here) => format!("one has {here} and lacks {there}, the other the reverse."),
            None => format!("one lacks {there}, which the other has, and the reverse."),
        });
    }

    /// Walks the groups in their forced order against real time.
    fn real_time(&mut self, classes: &[Class]) {
        let mut latest: Option<(Moment, usize)> = None;
        for (number, class) in classes.iter().enumerate() {
            let adds: Vec<usize> = class
                .new
                .iter()
                .filter_map(|&id| self.elements[id].add)
                .collect();
            self.group(&adds, &mut latest, classes, number);
            self.group(&class.reads, &mut latest, classes, number);
        }
        let unseen: Vec<usize> = self
            .elements
            .iter()
            .filter(|element| element.class.is_none())
            .filter_map(|element| element.add)
            .filter(|&add| self.call(add).outcome() == Kind::Ok)
            .collect();
        self.group(&unseen, &mut latest, classes, classes.len());
    }

    fn group(
        &mut self,
        group: &[usize],
        latest: &mut Option<(Moment, usize)>,
        classes: &[Class],
        number: usize,
    ) {
        let before = *latest;
        for &call in group {
            let (inv, res) = interval(self.call(call));
            if let Some((_, other)) = before.filter(|&(began, _)| res < began) {
                self.out_of_order(call, other, classes, number);
            }
            if latest.is_none_or(|(began, _)| inv > began) {
                *latest = Some((inv, call));
            }
        }
    }

    /// `call` was over before `other` began, but must come after it.
    fn out_of_order(&mut self, call: usize, other: usize, classes: &[Class], number: usize) {
        use SetAction::{Add, Read};
        match (
            self.object.calls[call].action,
            self.object.calls[other].action,
        ) {
            (Add(value), Read(_)) => self.report("stale-read", &[call, other], || {
                format!("the read lacks {value}, acknowledged before it began.")
            }),
            (Read(_), Read(_)) => self.report("stale-read", &[call, other], || {
                "the later read lacks elements that the earlier one returned.".to_owned()
            }),
            (Read(_), Add(value)) => self.report("future-read", &[call, other], || {
                format!("the read has {value}, whose add began only after it.")
            }),
            (Add(later), Add(earlier)) => {
                let class = number
                    .saturating_sub(1)
                    .min(classes.len().saturating_sub(1));
                let class = self.elements[self.ids[earlier]].class.unwrap_or(class);
                let read = classes[class].reads[0];
                self.report("not-linearizable", &[call, other, read], || {
                    format!(
                        "a read has {earlier} and lacks {later}, which was acknowledged \
                         before the add of {earlier} began."
                    )
                });
            }
        }
    }
}
