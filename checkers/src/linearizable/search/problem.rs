//! A history of one object as the engines see it: numbers, slots and bits.
//!
//! Calls that are equal share a **class**. A required call has a **slot**, a bit that is free
//! again once it has returned, so a configuration is as wide as the window of concurrent
//! calls and no wider. Calls of unknown outcome never return; of one class they are
//! interchangeable, so a configuration only counts how many of them it has used.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hash, Hasher};

use crate::model::Model;
use crate::objects::{Moment, NEVER};

/// No such thing.
pub(super) const NONE: u32 = u32::MAX;

/// The bits of a configuration that hold its state.
pub(super) const STATE_BITS: u32 = 32;

/// A decoded call with its interval; one that never returned is optional.
#[derive(Clone, Debug)]
pub(in crate::linearizable) struct Item<C> {
    pub(in crate::linearizable) call: C,
    pub(in crate::linearizable) begins: Moment,
    pub(in crate::linearizable) ends: Moment,
}

impl<C> Item<C> {
    pub(in crate::linearizable) fn is_required(&self) -> bool {
        self.ends != NEVER
    }
}

/// What happens next in the history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    Begin(u32),
    End(u32),
}

/// A call as the engines see it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Task {
    pub(super) class: u32,
    /// The position of its end among the events; [`NONE`] if it is optional.
    pub(super) end: u32,
    /// The bit of its slot, if it is required.
    pub(super) bit: u32,
}

/// Where a class counts the optional calls that were used: one bit if there is but one call,
/// else a field with a zero bit above it, so that whole words of fields can be compared.
#[derive(Clone, Copy, Debug)]
pub(super) struct Field {
    pub(super) shift: u32,
    pub(super) mask: u64,
}

impl Field {
    pub(super) fn get(self, words: &[u64]) -> u64 {
        words[self.shift as usize / 64] >> (self.shift % 64) & self.mask
    }

    pub(super) fn increment(self, words: &mut [u64]) {
        words[self.shift as usize / 64] += 1 << (self.shift % 64);
    }
}

/// The searchable form of one object's calls.
#[derive(Debug)]
pub(super) struct Problem<C> {
    pub(super) classes: Vec<C>,
    pub(super) shape: Shape,
}

/// All of a problem but what its calls mean.
#[derive(Debug)]
pub(super) struct Shape {
    pub(super) events: Vec<Event>,
    pub(super) tasks: Vec<Task>,
    /// For each task its position among the items.
    pub(super) items: Vec<u32>,
    /// For each class: whether its calls only observe.
    pub(super) observes: Vec<bool>,
    /// For each class: where it counts optional calls.
    pub(super) fields: Vec<Option<Field>>,
    /// How many words a configuration needs.
    pub(super) words: usize,
    /// The bits of slots of observing calls may change over time; those of counters do not:
    /// the bits of single optional calls.
    pub(super) singles: Vec<u64>,
    /// The bits of wider counters.
    pub(super) counters: Vec<u64>,
    /// The zero bit above each wider counter.
    pub(super) guards: Vec<u64>,
}

impl Shape {
    pub(super) fn classes(&self) -> usize {
        self.observes.len()
    }
}

impl<C: Clone + Eq + Hash> Problem<C> {
    /// Prepares `items` for search; of those without a return, the useless ones are left out.
    pub(super) fn new<M: Model<Call = C>>(items: &[Item<C>]) -> Self {
        let (classes, of) = intern(items);
        let useful = useful::<M>(items, &classes, &of);
        let observes: Vec<bool> = classes.iter().map(M::observes).collect();
        let mut order: Vec<(Moment, bool, u32)> = Vec::with_capacity(items.len() * 2);
        for (position, item) in items.iter().enumerate() {
            let class = of[position] as usize;
            let position = narrow(position);
            if item.is_required() {
                order.push((item.begins, false, position));
                order.push((item.ends, true, position));
            } else if !observes[class] && useful[class] {
                order.push((item.begins, false, position));
            }
        }
        // At equal times beginnings come first: such calls are concurrent.
        order.sort_unstable();
        let shape = Shape::new(&order, items, &of, observes);
        Self { classes, shape }
    }
}

fn narrow(number: usize) -> u32 {
    u32::try_from(number).expect("fewer than four billion calls")
}

fn intern<C: Clone + Eq + Hash>(items: &[Item<C>]) -> (Vec<C>, Vec<u32>) {
    let mut ids: HashMap<&C, u32, BuildHasherDefault<Fx>> = HashMap::default();
    let mut classes = Vec::new();
    let of = items
        .iter()
        .map(|item| {
            *ids.entry(&item.call).or_insert_with(|| {
                classes.push(item.call.clone());
                narrow(classes.len() - 1)
            })
        })
        .collect();
    (classes, of)
}

fn useful<M: Model>(items: &[Item<M::Call>], classes: &[M::Call], of: &[u32]) -> Vec<bool> {
    let mut required = vec![false; classes.len()];
    for (item, &class) in items.iter().zip(of) {
        required[class as usize] |= item.is_required();
    }
    let calls: Vec<(&M::Call, bool)> = classes.iter().zip(required).collect();
    M::useful(&calls)
}

impl Shape {
    fn new<C>(
        order: &[(Moment, bool, u32)],
        items: &[Item<C>],
        of: &[u32],
        observes: Vec<bool>,
    ) -> Self {
        let mut optional = vec![0_u64; observes.len()];
        let mut events = Vec::with_capacity(order.len());
        let mut tasks = Vec::new();
        let mut sources = Vec::new();
        let mut task_of = vec![NONE; items.len()];
        let mut free: Vec<u32> = Vec::new();
        let mut slots = 0;
        for &(_, is_end, item) in order {
            let position = narrow(events.len());
            if is_end {
                let task = task_of[item as usize];
                let done: &mut Task = &mut tasks[task as usize];
                done.end = position;
                free.push(done.bit);
                events.push(Event::End(task));
                continue;
            }
            let class = of[item as usize];
            let bit = if items[item as usize].is_required() {
                free.pop().unwrap_or_else(|| {
                    slots += 1;
                    STATE_BITS + slots - 1
                })
            } else {
                optional[class as usize] += 1;
                NONE
            };
            let task = narrow(tasks.len());
            task_of[item as usize] = task;
            sources.push(item);
            tasks.push(Task {
                class,
                end: NONE,
                bit,
            });
            events.push(Event::Begin(task));
        }
        let mut shape = Self {
            events,
            tasks,
            items: sources,
            fields: vec![None; observes.len()],
            observes,
            words: 0,
            singles: Vec::new(),
            counters: Vec::new(),
            guards: Vec::new(),
        };
        shape.lay_out((STATE_BITS + slots) as usize, &optional);
        shape
    }

    /// Finds room for the counters above the slots.
    fn lay_out(&mut self, mut next: usize, optional: &[u64]) {
        let (mut singles, mut counters, mut guards) = (Vec::new(), Vec::new(), Vec::new());
        for (class, &count) in optional.iter().enumerate() {
            if count == 0 {
                continue;
            }
            let width = (64 - count.leading_zeros()) as usize;
            let room = if count == 1 { 1 } else { width + 1 };
            if next / 64 != (next + room - 1) / 64 {
                next = next.next_multiple_of(64);
            }
            self.fields[class] = Some(Field {
                shift: narrow(next),
                mask: (1 << width) - 1,
            });
            if count == 1 {
                singles.push(next);
            } else {
                counters.extend(next..next + width);
                guards.push(next + width);
            }
            next += room;
        }
        self.words = next.div_ceil(64);
        let words = self.words;
        let bits = |of: Vec<usize>| {
            let mut bits = vec![0; words];
            for bit in of {
                bits[bit / 64] |= 1 << (bit % 64);
            }
            bits
        };
        self.singles = bits(singles);
        self.counters = bits(counters);
        self.guards = bits(guards);
    }
}

/// A quick hash for tables of our own numbers and calls; nobody chooses them to collide.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Fx(u64);

impl Fx {
    const ODD: u64 = 0x9E37_79B9_7F4A_7C15;

    fn mix(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(Self::ODD);
    }
}

impl Hasher for Fx {
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.mix(u64::from_le_bytes(word));
        }
    }

    fn write_u8(&mut self, number: u8) {
        self.mix(u64::from(number));
    }

    fn write_u32(&mut self, number: u32) {
        self.mix(u64::from(number));
    }

    fn write_u64(&mut self, number: u64) {
        self.mix(number);
    }

    fn write_usize(&mut self, number: usize) {
        self.mix(number as u64);
    }

    fn finish(&self) -> u64 {
        self.0 ^ (self.0 >> 32)
    }
}
