//! The calls that are pending at one position of the history, and configurations over them.

use super::problem::{Event, NONE, Shape};
use super::space::{NO, Steps};

/// A configuration: the model's state in the low half of the first word; above it one bit for
/// each slot, set if the slot's call has taken effect and not returned yet; above those the
/// counts of optional calls used.
pub(super) type Config<const N: usize> = [u64; N];

const STATE: u64 = 0xFFFF_FFFF;

#[inline]
pub(super) fn state<const N: usize>(config: &Config<N>) -> u32 {
    #[expect(clippy::cast_possible_truncation, reason = "the low half is the state")]
    let state = config[0] as u32;
    state
}

#[inline]
pub(super) fn set_state<const N: usize>(config: &mut Config<N>, state: u32) {
    config[0] = config[0] & !STATE | u64::from(state);
}

#[inline]
pub(super) fn has<const N: usize>(config: &Config<N>, bit: u32) -> bool {
    config[bit as usize / 64] >> (bit % 64) & 1 == 1
}

#[inline]
pub(super) fn flip<const N: usize>(config: &mut Config<N>, bit: u32) {
    config[bit as usize / 64] ^= 1 << (bit % 64);
}

/// What is pending. Moves one event at a time, in both directions.
pub(super) struct Window<'p, const N: usize> {
    pub(super) shape: &'p Shape,
    /// The classes that change something and are pending.
    changing: Vec<u32>,
    /// The classes that only observe and are pending.
    observing: Vec<u32>,
    /// For each class its place in one of the two.
    place: Vec<u32>,
    /// For each class its pending required calls: end and bit, the first to return first.
    members: Vec<Vec<(u32, u32)>>,
    /// For each class how many optional calls have begun.
    begun: Vec<u64>,
    /// For each observing class the bits of its pending calls.
    bits: Vec<Config<N>>,
    /// The bits of all pending calls that only observe.
    pub(super) observers: Config<N>,
}

/// A step that a configuration may take next.
#[derive(Clone, Copy, Debug)]
pub(super) struct Move<const N: usize> {
    pub(super) to: Config<N>,
    /// The end of the call taken; [`NONE`] for an optional one.
    pub(super) end: u32,
}

impl<'p, const N: usize> Window<'p, N> {
    pub(super) fn new(shape: &'p Shape) -> Self {
        let classes = shape.classes();
        Self {
            shape,
            changing: Vec::new(),
            observing: Vec::new(),
            place: vec![NONE; classes],
            members: vec![Vec::new(); classes],
            begun: vec![0; classes],
            bits: vec![[0; N]; classes],
            observers: [0; N],
        }
    }

    pub(super) fn advance(&mut self, event: Event) {
        match event {
            Event::Begin(task) => self.enter(task),
            Event::End(task) => self.leave(task),
        }
    }

    pub(super) fn retreat(&mut self, event: Event) {
        match event {
            Event::Begin(task) => self.leave(task),
            Event::End(task) => self.enter(task),
        }
    }

    fn enter(&mut self, task: u32) {
        let task = self.shape.tasks[task as usize];
        let class = task.class as usize;
        if task.end == NONE {
            self.begun[class] += 1;
        } else {
            let members = &mut self.members[class];
            let at = members.partition_point(|&(end, _)| end < task.end);
            members.insert(at, (task.end, task.bit));
        }
        let observes = self.shape.observes[class];
        if observes {
            flip(&mut self.observers, task.bit);
            flip(&mut self.bits[class], task.bit);
        }
        if self.place[class] == NONE {
            let list = self.list(observes);
            list.push(task.class);
            let last = list.len() - 1;
            self.place[class] = u32::try_from(last).expect("classes are numbered in 32 bits");
        }
    }

    fn leave(&mut self, task: u32) {
        let task = self.shape.tasks[task as usize];
        let class = task.class as usize;
        if task.end == NONE {
            self.begun[class] -= 1;
        } else {
            self.members[class].retain(|&(_, bit)| bit != task.bit);
        }
        let observes = self.shape.observes[class];
        if observes {
            flip(&mut self.observers, task.bit);
            flip(&mut self.bits[class], task.bit);
        }
        if self.members[class].is_empty() && self.begun[class] == 0 {
            let place = std::mem::replace(&mut self.place[class], NONE);
            let list = self.list(observes);
            list.swap_remove(place as usize);
            if let Some(&moved) = list.get(place as usize) {
                self.place[moved as usize] = place;
            }
        }
    }

    fn list(&mut self, observes: bool) -> &mut Vec<u32> {
        if observes {
            &mut self.observing
        } else {
            &mut self.changing
        }
    }

    /// The bits of every pending call that only observes and is possible in `state`. Such a
    /// call is taken at once: wherever else it could be taken, leaving it out there and taking
    /// it here changes no state, and here is before its end.
    #[inline]
    pub(super) fn eager(&self, state: u32, steps: &mut Steps<'_>) -> Config<N> {
        let mut mask = [0; N];
        for &class in &self.observing {
            if steps.step(state, class) != NO {
                for (word, bits) in mask.iter_mut().zip(&self.bits[class as usize]) {
                    *word |= bits;
                }
            }
        }
        mask
    }

    /// Calls `each` with every configuration that one pending call leads to.
    ///
    /// Of equal calls only the one that returns first is taken: in any order that takes
    /// another one first, the two can change places. Those that never return come last of
    /// all, and one that changes nothing is not taken, since it can as well be left out.
    #[inline]
    pub(super) fn moves(
        &self,
        from: &Config<N>,
        steps: &mut Steps<'_>,
        mut each: impl FnMut(Move<N>, &mut Steps<'_>),
    ) {
        let here = state(from);
        for &class in &self.changing {
            let next = steps.step(here, class);
            if next == NO {
                continue;
            }
            let class = class as usize;
            let mut to = *from;
            set_state(&mut to, next);
            let first = self.members[class].iter().find(|(_, bit)| !has(from, *bit));
            if let Some(&(end, bit)) = first {
                flip(&mut to, bit);
                each(Move { to, end }, steps);
            } else if next != here
                && let Some(field) = self.shape.fields[class]
                && field.get(from) < self.begun[class]
            {
                field.increment(&mut to);
                each(Move { to, end: NONE }, steps);
            }
        }
    }
}
