//! A model's states as numbers, and its steps as a table.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;

use super::problem::{Fx, NONE};
use crate::model::Model;

/// No state: the call is not possible.
pub(super) const NO: u32 = u32::MAX;
/// Not computed yet.
const UNKNOWN: u32 = u32::MAX - 1;

/// With more classes than this, steps are remembered in a cache rather than a full table.
const TABLE_CLASSES: usize = 256;
const CACHE_LINES: usize = 1 << 16;

/// The steps that have not been taken before.
pub(super) trait Source {
    fn step(&mut self, state: u32, class: u32) -> u32;
    /// Forgets every state but these, which get the numbers of their positions.
    fn keep(&mut self, states: &[u32]);
    fn len(&self) -> usize;
}

/// States that were met, numbered in the order of the meeting; the initial one is 0.
pub(super) struct States<'p, M: Model> {
    classes: &'p [M::Call],
    observes: &'p [bool],
    states: Vec<M>,
    ids: HashMap<M, u32, BuildHasherDefault<Fx>>,
}

impl<'p, M: Model> States<'p, M> {
    pub(super) fn new(initial: M, classes: &'p [M::Call], observes: &'p [bool]) -> Self {
        let mut ids = HashMap::default();
        ids.insert(initial.clone(), 0);
        Self {
            classes,
            observes,
            states: vec![initial],
            ids,
        }
    }

    pub(super) fn get(&self, id: u32) -> &M {
        &self.states[id as usize]
    }
}

impl<M: Model> Source for States<'_, M> {
    fn step(&mut self, state: u32, class: u32) -> u32 {
        let call = &self.classes[class as usize];
        let Some(next) = self.states[state as usize].step(call) else {
            return NO;
        };
        if let Some(&id) = self.ids.get(&next) {
            assert!(
                id == state || !self.observes[class as usize],
                "the model says that {call:?} only observes, but it changes the state"
            );
            return id;
        }
        assert!(
            !self.observes[class as usize],
            "the model says that {call:?} only observes, but it changes the state"
        );
        let id = u32::try_from(self.states.len()).expect("fewer than four billion states");
        assert!(id < UNKNOWN, "fewer than four billion states");
        self.states.push(next.clone());
        self.ids.insert(next, id);
        id
    }

    fn keep(&mut self, states: &[u32]) {
        let kept: Vec<M> = states.iter().map(|&id| self.get(id).clone()).collect();
        self.ids.clear();
        for (id, state) in (0..).zip(&kept) {
            self.ids.insert(state.clone(), id);
        }
        self.states = kept;
    }

    fn len(&self) -> usize {
        self.states.len()
    }
}

/// Steps, each computed once where the table has room.
pub(super) struct Steps<'s> {
    source: &'s mut dyn Source,
    classes: usize,
    /// A row a state; empty if there are too many classes for that.
    table: Vec<u32>,
    cache: Vec<(u32, u32, u32)>,
}

impl<'s> Steps<'s> {
    pub(super) fn new(source: &'s mut dyn Source, classes: usize) -> Self {
        let cache = if classes > TABLE_CLASSES {
            vec![(NONE, NONE, NONE); CACHE_LINES]
        } else {
            Vec::new()
        };
        Self {
            source,
            classes,
            table: Vec::new(),
            cache,
        }
    }

    #[inline]
    pub(super) fn step(&mut self, state: u32, class: u32) -> u32 {
        if self.cache.is_empty() {
            let place = state as usize * self.classes + class as usize;
            match self.table.get(place) {
                Some(&next) if next != UNKNOWN => next,
                _ => self.fill(place, state, class),
            }
        } else {
            let hash =
                (u64::from(state) << 32 | u64::from(class)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            let place = (hash >> 40) as usize % CACHE_LINES;
            let line = self.cache[place];
            if (line.0, line.1) == (state, class) {
                return line.2;
            }
            let next = self.source.step(state, class);
            self.cache[place] = (state, class, next);
            next
        }
    }

    #[cold]
    fn fill(&mut self, place: usize, state: u32, class: u32) -> u32 {
        let next = self.source.step(state, class);
        if place >= self.table.len() {
            let rows = self.source.len().max(state as usize + 1);
            self.table.resize(rows * self.classes, UNKNOWN);
        }
        self.table[place] = next;
        next
    }

    /// How many states are held.
    pub(super) fn len(&self) -> usize {
        self.source.len()
    }

    /// See [`Source::keep`].
    pub(super) fn keep(&mut self, states: &[u32]) {
        self.source.keep(states);
        self.table.clear();
        self.cache.fill((NONE, NONE, NONE));
    }
}
