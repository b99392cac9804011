//! The breadth-first engine: just-in-time linearization over a set of configurations.
//!
//! It walks the events in order and holds every configuration that the calls so far allow. A
//! call takes effect only when some return forces it: at a return, each configuration in which
//! the returning call has not taken effect takes pending calls until it has. If none is left,
//! the history up to that return is not linearizable.
//!
//! **Source**: G. Lowe, "Testing for linearizability", 2017 (just-in-time linearization); the
//! reductions are argued where they are made, in `window.rs` and `antichain.rs`.

use super::antichain::Antichain;
use super::problem::{Event, Shape};
use super::space::Steps;
use super::window::{Config, Window, flip, has, set_state, state};
use super::{Limit, Outcome};

/// States may pile up to this many before those that are out of reach are forgotten.
const STATES_KEPT: usize = 1 << 16;

/// Searches breadth first.
///
/// **Cost**: for each return, configurations times pending classes.
pub(super) fn search<const N: usize>(
    shape: &Shape,
    steps: &mut Steps<'_>,
    limit: &mut Limit<'_>,
) -> Outcome {
    let mut search = Search {
        window: Window::<N>::new(shape),
        open: Antichain::new(shape),
        done: Antichain::new(shape),
        eager: Eager {
            masks: Vec::new(),
            event: 0,
        },
    };
    let mut frontier = vec![[0; N]];
    let mut states_at_most = STATES_KEPT;
    for (position, &event) in (0_u32..).zip(&shape.events) {
        if let Event::End(task) = event {
            let bit = shape.tasks[task as usize].bit;
            search.eager.event = position;
            if !search.force(bit, &mut frontier, steps, limit) {
                return Outcome::Spent { proven: position };
            }
            if frontier.is_empty() {
                let mut states: Vec<u32> =
                    search.open.iter().map(|config| state(&config)).collect();
                states.sort_unstable();
                states.dedup();
                return Outcome::Refuted {
                    at: position,
                    states,
                };
            }
            if steps.len() > states_at_most {
                forget(&mut frontier, steps);
                states_at_most = STATES_KEPT.max(steps.len() * 4);
                search.eager.masks.clear();
            }
        }
        search.window.advance(event);
    }
    Outcome::Linearizable
}

struct Search<'p, const N: usize> {
    window: Window<'p, N>,
    open: Antichain<N>,
    done: Antichain<N>,
    eager: Eager<N>,
}

/// For each state the observing calls possible in it, and the event for which that holds.
struct Eager<const N: usize> {
    masks: Vec<(u32, Config<N>)>,
    event: u32,
}

impl<const N: usize> Eager<N> {
    /// Lets every observing call that is possible take effect.
    #[inline]
    fn apply(&mut self, config: &mut Config<N>, window: &Window<'_, N>, steps: &mut Steps<'_>) {
        let here = state(config);
        let place = here as usize;
        if place >= self.masks.len() {
            self.masks.resize(place + 1, (u32::MAX, [0; N]));
        }
        if self.masks[place].0 != self.event {
            self.masks[place] = (self.event, window.eager(here, steps));
        }
        for (word, bits) in config.iter_mut().zip(&self.masks[place].1) {
            *word |= bits;
        }
    }
}

impl<const N: usize> Search<'_, N> {
    /// Lets the call in slot `bit` have taken effect in every configuration, and frees the
    /// slot; false once the limit is reached.
    fn force(
        &mut self,
        bit: u32,
        frontier: &mut Vec<Config<N>>,
        steps: &mut Steps<'_>,
        limit: &mut Limit<'_>,
    ) -> bool {
        let mut all = true;
        for config in frontier.iter_mut() {
            self.eager.apply(config, &self.window, steps);
            all &= has(config, bit);
        }
        if !limit.spend(frontier.len(), 0) {
            return false;
        }
        if all {
            for config in frontier.iter_mut() {
                flip(config, bit);
            }
            return true;
        }
        let mut observers = self.window.observers;
        self.open.clear(&observers);
        // In those that are done the slot is free, and its bit zero.
        observers[bit as usize / 64] &= !(1 << (bit % 64));
        self.done.clear(&observers);
        for &(mut config) in frontier.iter() {
            if has(&config, bit) {
                flip(&mut config, bit);
                self.done.insert(config);
            } else {
                self.open.insert(config);
            }
        }
        let mut next = 0;
        while next < self.open.len() {
            let place = next;
            next += 1;
            let Some(config) = self.open.get(place) else {
                continue;
            };
            let (window, open, done) = (&self.window, &mut self.open, &mut self.done);
            let eager = &mut self.eager;
            window.moves(&config, steps, |step, steps| {
                let mut to = step.to;
                eager.apply(&mut to, window, steps);
                if has(&to, bit) {
                    flip(&mut to, bit);
                    done.insert(to);
                } else {
                    open.insert(to);
                }
            });
            if place % 256 == 255 && !self.pay(256, limit) {
                return false;
            }
        }
        frontier.clear();
        frontier.extend(self.done.iter());
        self.pay(next % 256, limit)
    }

    fn pay(&mut self, configurations: usize, limit: &mut Limit<'_>) -> bool {
        limit.compared += (self.open.take_compared() + self.done.take_compared()) as u64;
        let bytes = self.open.bytes() + self.done.bytes();
        limit.spend(configurations, bytes)
    }
}

/// Forgets the states that no configuration is in.
fn forget<const N: usize>(frontier: &mut [Config<N>], steps: &mut Steps<'_>) {
    let mut live: Vec<u32> = frontier.iter().map(state).collect();
    live.sort_unstable();
    live.dedup();
    steps.keep(&live);
    for config in frontier {
        let place = live.binary_search(&state(config)).expect("it is live");
        set_state(
            config,
            u32::try_from(place).expect("states are numbered in 32 bits"),
        );
    }
}
