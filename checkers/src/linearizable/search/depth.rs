//! The depth-first engine: one configuration at a time, with a table of those that failed.
//!
//! It makes the same steps as the breadth-first engine, but follows one of them to its end
//! before it tries the next. A history that is linearizable is often shown so after a little
//! more than one configuration for each call. A configuration from which nothing was found is
//! remembered as a fingerprint of 16 bytes, and is not entered again.
//!
//! Two configurations with one fingerprint would make a linearizable history look otherwise:
//! for N configurations the chance is about N²/2¹²⁹, and every refutation is repeated with
//! other fingerprints before it is believed.
//!
//! **Source**: J. Wing and C. Gong, "Testing and verifying concurrent objects", 1993, and the
//! cache of G. Lowe, "Testing for linearizability", 2017.

use super::problem::{Event, NONE, STATE_BITS, Shape, Task};
use super::space::{NO, Steps};
use super::window::{Config, Move, Window, flip, has, state};
use super::{Limit, Outcome};

/// Searches depth first.
///
/// If there is a legal order, it is put into `order`: positions of items.
///
/// **Cost**: configurations times pending classes.
pub(super) fn search<const N: usize>(
    shape: &Shape,
    steps: &mut Steps<'_>,
    limit: &mut Limit<'_>,
    order: Option<&mut Vec<u32>>,
) -> Outcome {
    let mut farthest = 0;
    for seed in [0x243F_6A88_85A3_08D3, 0x1319_8A2E_0370_7344] {
        let mut search = Search {
            window: Window::<N>::new(shape),
            seen: Fingerprints::new(seed),
            moves: Vec::new(),
            frames: Vec::new(),
            path: Vec::new(),
            position: 0,
            farthest: 0,
        };
        match search.run(steps, limit) {
            Some(true) => {
                if let Some(order) = order {
                    *order = replay(shape, steps, &search.path);
                }
                return Outcome::Linearizable;
            }
            Some(false) => farthest = search.farthest,
            None => {
                return Outcome::Spent {
                    proven: search.farthest,
                };
            }
        }
    }
    Outcome::Refuted {
        at: farthest,
        states: Vec::new(),
    }
}

/// A configuration that is being explored: where it stands and which moves are left.
struct Frame {
    position: u32,
    first_move: usize,
}

struct Search<'p, const N: usize> {
    window: Window<'p, N>,
    seen: Fingerprints,
    /// The moves left of all frames, one after the other, the best of each last.
    moves: Vec<Config<N>>,
    frames: Vec<Frame>,
    /// For each frame the move that was taken last.
    path: Vec<Config<N>>,
    position: u32,
    farthest: u32,
}

impl<const N: usize> Search<'_, N> {
    /// Whether the history is linearizable; none if the limit is reached.
    fn run(&mut self, steps: &mut Steps<'_>, limit: &mut Limit<'_>) -> Option<bool> {
        let mut config = [0; N];
        let mut scratch = Vec::new();
        let mut unpaid = 0;
        loop {
            if self.settle(&mut config, steps) {
                return Some(true);
            }
            self.farthest = self.farthest.max(self.position);
            if self.seen.insert(self.position, &config) {
                unpaid += 1;
                if unpaid == 256 {
                    unpaid = 0;
                    let bytes = self.seen.bytes()
                        + self.moves.capacity() * size_of::<Config<N>>()
                        + self.frames.capacity() * size_of::<Frame>();
                    if !limit.spend(256, bytes) {
                        return None;
                    }
                }
                self.branch(&config, steps, &mut scratch);
            }
            loop {
                let Some(frame) = self.frames.last() else {
                    return Some(false);
                };
                if self.moves.len() > frame.first_move {
                    let position = frame.position;
                    self.go_back_to(position);
                    config = self.moves.pop().expect("there is a move left");
                    self.path.truncate(self.frames.len() - 1);
                    self.path.push(config);
                    break;
                }
                self.frames.pop();
            }
        }
    }

    /// Takes what is possible at once and walks past every return that is satisfied; whether
    /// that was the last.
    fn settle(&mut self, config: &mut Config<N>, steps: &mut Steps<'_>) -> bool {
        let shape = self.window.shape;
        let mut fresh = true;
        while let Some(&event) = shape.events.get(self.position as usize) {
            if let Event::End(task) = event {
                if fresh {
                    let mask = self.window.eager(state(config), steps);
                    for (word, bits) in config.iter_mut().zip(&mask) {
                        *word |= bits;
                    }
                    fresh = false;
                }
                let bit = shape.tasks[task as usize].bit;
                if !has(config, bit) {
                    return false;
                }
                flip(config, bit);
            } else {
                fresh = true;
            }
            self.window.advance(event);
            self.position += 1;
        }
        true
    }

    fn go_back_to(&mut self, position: u32) {
        while self.position > position {
            self.position -= 1;
            self.window
                .retreat(self.window.shape.events[self.position as usize]);
        }
    }

    /// Lists the moves from here, the most promising last: first what lets the call that is
    /// to return take effect, then what returns first.
    fn branch(
        &mut self,
        config: &Config<N>,
        steps: &mut Steps<'_>,
        scratch: &mut Vec<(bool, u32, u32, Config<N>)>,
    ) {
        let shape = self.window.shape;
        let Event::End(task) = shape.events[self.position as usize] else {
            unreachable!("it stops at returns only");
        };
        let returning = shape.tasks[task as usize];
        self.frames.push(Frame {
            position: self.position,
            first_move: self.moves.len(),
        });
        scratch.clear();
        self.window.moves(config, steps, |step: Move<N>, steps| {
            let to = state(&step.to);
            let helps = step.end == self.position || steps.step(to, returning.class) != NO;
            scratch.push((helps, u32::MAX - step.end, to, step.to));
        });
        scratch.sort_unstable();
        self.moves.extend(scratch.iter().map(|&(.., to)| to));
    }
}

/// The order of the calls along a path of moves that reached the end.
fn replay<const N: usize>(shape: &Shape, steps: &mut Steps<'_>, path: &[Config<N>]) -> Vec<u32> {
    let mut window = Window::<N>::new(shape);
    let mut order = Vec::new();
    let mut path = path.iter();
    let mut config = [0; N];
    // Of each slot its pending call, of each class its optional calls that have begun.
    let mut holders = vec![NONE; N * 64];
    let mut optional: Vec<Vec<u32>> = vec![Vec::new(); shape.classes()];
    let mut used = vec![0_usize; shape.classes()];
    for &event in &shape.events {
        if let Event::End(task) = event {
            let bit = shape.tasks[task as usize].bit;
            loop {
                let mask = window.eager(state(&config), steps);
                for holder in (0..narrow(holders.len())).filter(|&bit| has(&mask, bit)) {
                    if !has(&config, holder) {
                        flip(&mut config, holder);
                        order.push(holders[holder as usize]);
                    }
                }
                if has(&config, bit) {
                    break;
                }
                let next = path.next().expect("the path leads to the end");
                let slot = (STATE_BITS..narrow(holders.len())).find(|&bit| {
                    holders[bit as usize] != NONE && has(next, bit) && !has(&config, bit)
                });
                match slot {
                    Some(slot) => order.push(holders[slot as usize]),
                    None => {
                        let more = |class: &usize| {
                            shape.fields[*class].is_some_and(|f| f.get(next) > f.get(&config))
                        };
                        let class = (0..used.len()).find(more).expect("something was taken");
                        order.push(optional[class][used[class]]);
                        used[class] += 1;
                    }
                }
                config = *next;
            }
            flip(&mut config, bit);
            holders[bit as usize] = NONE;
        } else if let Event::Begin(task) = event {
            match shape.tasks[task as usize] {
                Task {
                    bit: NONE, class, ..
                } => optional[class as usize].push(task),
                Task { bit, .. } => holders[bit as usize] = task,
            }
        }
        window.advance(event);
    }
    order
        .into_iter()
        .map(|task| shape.items[task as usize])
        .collect()
}

fn narrow(number: usize) -> u32 {
    u32::try_from(number).expect("a configuration is not that wide")
}

/// An open-addressing set of 128-bit fingerprints.
struct Fingerprints {
    seed: u64,
    table: Vec<(u64, u64)>,
    len: usize,
}

impl Fingerprints {
    fn new(seed: u64) -> Self {
        Self {
            seed,
            table: vec![(0, 0); 1 << 10],
            len: 0,
        }
    }

    fn bytes(&self) -> usize {
        self.table.capacity() * 16
    }

    #[inline]
    fn of<const N: usize>(&self, position: u32, config: &Config<N>) -> (u64, u64) {
        let mut low = self.seed ^ u64::from(position).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let mut high = self.seed.rotate_left(32) ^ u64::from(position);
        for &word in config {
            low = fold(low ^ word, 0xA076_1D64_78BD_642F ^ self.seed);
            high = fold(
                high ^ word,
                0xE703_7ED1_A0B4_28DB ^ self.seed.rotate_left(17),
            );
        }
        low = fold(low, 0x8EBC_6AF0_9C88_C6E3);
        high = fold(high, 0x5899_65CC_7537_4CC3);
        // The empty place is all zero.
        (low, high | 1)
    }

    /// Adds it; false if it is there already.
    #[inline]
    fn insert<const N: usize>(&mut self, position: u32, config: &Config<N>) -> bool {
        if self.len * 4 >= self.table.len() * 3 {
            self.grow();
        }
        let print = self.of(position, config);
        let added = Self::place(&mut self.table, print);
        self.len += usize::from(added);
        added
    }

    #[inline]
    fn place(table: &mut [(u64, u64)], print: (u64, u64)) -> bool {
        let last = table.len() - 1;
        #[expect(clippy::cast_possible_truncation, reason = "a hash may be cut")]
        let mut slot = print.0 as usize & last;
        loop {
            if table[slot] == (0, 0) {
                table[slot] = print;
                return true;
            }
            if table[slot] == print {
                return false;
            }
            slot = (slot + 1) & last;
        }
    }

    #[cold]
    fn grow(&mut self) {
        let mut larger = vec![(0, 0); self.table.len() * 2];
        for &print in self.table.iter().filter(|&&print| print != (0, 0)) {
            Self::place(&mut larger, print);
        }
        self.table = larger;
    }
}

/// A product folded onto itself, which mixes all bits.
#[inline]
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    #[expect(clippy::cast_possible_truncation, reason = "both halves are used")]
    let folded = product as u64 ^ (product >> 64) as u64;
    folded
}
