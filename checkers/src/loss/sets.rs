//! Sets: an acknowledged element that no node has is lost, unless it was removed.

use super::gather::{Final, Object, Role};
use super::ledger::{Fate, Ledger, Left, Stray};
use crate::history::Kind;
use crate::history::dictionary::Interned;
use crate::linearizable::grouping::narrow;

const NOBODY: u32 = u32::MAX;

/// One element of the set at hand.
#[derive(Clone, Copy, Debug)]
struct Element {
    value: u32,
    /// An add that failed, if no other is known.
    failed: u32,
    /// Whether an add that did not fail is known.
    is_added: bool,
    /// Whether a remove that did not fail is known: then its absence is right.
    is_removed: bool,
    /// How many nodes have it, the last of them, and the first final read that shows it.
    holders: u16,
    last: u16,
    node: u16,
    read: u32,
}

impl Ledger<'_> {
    /// Enters what became of the elements of a set.
    pub(super) fn set(&mut self, place: u32, object: &Object, slots: &mut [u32]) {
        let finals: Vec<Final> = self.gathered.finals(object, true).to_vec();
        self.keys_finally_read += usize::from(!finals.is_empty());
        let mut elements: Vec<Element> = Vec::with_capacity(object.calls.len());
        let mut slot = |value: u32, elements: &mut Vec<Element>| {
            let slot = &mut slots[value as usize];
            if *slot == 0 {
                elements.push(Element {
                    value,
                    failed: NOBODY,
                    is_added: false,
                    is_removed: false,
                    holders: 0,
                    last: 0,
                    node: 0,
                    read: NOBODY,
                });
                *slot = narrow(elements.len());
            }
            *slot as usize - 1
        };
        for &call in &self.gathered.order[object.calls.clone()] {
            let role = self.gathered.role(self.calls, call);
            if !matches!(role, Role::Add | Role::Remove) {
                continue;
            }
            let place = slot(self.calls.argument[call as usize], &mut elements);
            let element = &mut elements[place];
            match (role, self.calls.outcome[call as usize]) {
                (Role::Add, Kind::Fail) if element.failed == NOBODY => element.failed = call,
                (_, Kind::Fail) => {}
                (Role::Add, _) => element.is_added = true,
                _ => element.is_removed = true,
            }
        }
        for (turn, of) in (1_u16..).zip(&finals) {
            let items = match self.calls.values.get(of.held) {
                Interned::List(items) => items,
                _ => &[],
            };
            for &item in items {
                let place = slot(item, &mut elements);
                let element = &mut elements[place];
                if element.last == turn {
                    self.strays.push(Stray {
                        fate: Fate::Duplicate,
                        key: object.key,
                        value: item,
                        is_element: true,
                        node: of.node,
                        read: of.call,
                        write: None,
                    });
                    continue;
                }
                element.last = turn;
                if element.holders == 0 {
                    (element.node, element.read) = (of.node, of.call);
                }
                element.holders += 1;
            }
        }
        self.judge_adds(place, object, &finals, &elements, slots);
        for element in &elements {
            if element.holders > 0 && !element.is_added {
                let write = (element.failed != NOBODY).then_some(element.failed);
                if write.is_none() && object.is_spoiled() {
                    continue;
                }
                self.strays.push(Stray {
                    fate: if write.is_some() {
                        Fate::Dirty
                    } else {
                        Fate::Phantom
                    },
                    key: object.key,
                    value: element.value,
                    is_element: true,
                    node: element.node,
                    read: element.read,
                    write,
                });
            }
        }
        for element in &elements {
            slots[element.value as usize] = 0;
        }
    }

    fn judge_adds(
        &mut self,
        place: u32,
        object: &Object,
        finals: &[Final],
        elements: &[Element],
        slots: &[u32],
    ) {
        let mut any_lost = false;
        let mut partly: Vec<(u32, u32)> = Vec::new();
        for at in object.calls.clone() {
            let call = self.gathered.order[at];
            if self.gathered.role(self.calls, call) != Role::Add {
                continue;
            }
            let value = self.calls.argument[call as usize];
            let element = &elements[slots[value as usize] as usize - 1];
            let is_held = element.holders > 0;
            let fate = match self.calls.outcome[call as usize] {
                Kind::Info if is_held => Fate::Recovered,
                Kind::Info | Kind::Invoke | Kind::Fail => continue,
                Kind::Ok if is_held => Fate::Present,
                Kind::Ok if element.is_removed => Fate::Replaced,
                Kind::Ok if !object.is_spoiled() && self.is_settled(object, finals, call) => {
                    any_lost = true;
                    self.lost.push(call);
                    Fate::Lost
                }
                Kind::Ok => Fate::Undecided,
            };
            if is_held && usize::from(element.holders) < finals.len() && !element.is_removed {
                if fate == Fate::Present {
                    self.divergent.push(call);
                }
                partly.push((value, call));
            }
            self.note(call, fate);
        }
        self.lack(finals, partly);
        if any_lost {
            self.left.entry(object.key).or_insert_with(|| Left {
                object: place,
                ..Left::default()
            });
        }
    }

    /// Notes which nodes lack each of these elements that others have.
    fn lack(&mut self, finals: &[Final], mut partly: Vec<(u32, u32)>) {
        if partly.is_empty() {
            return;
        }
        partly.sort_unstable();
        for of in finals {
            let Interned::List(items) = self.calls.values.get(of.held) else {
                continue;
            };
            let mut has = vec![false; partly.len()];
            for item in items {
                let from = partly.partition_point(|(value, _)| value < item);
                let own = partly[from..].iter().take_while(|(value, _)| value == item);
                let own = own.count();
                has[from..from + own].fill(true);
            }
            let lacks = partly.iter().zip(&has).filter(|(_, has)| !**has);
            self.lacking
                .extend(lacks.map(|((_, call), _)| (*call, of.node)));
        }
    }
}
