//! What a generator is told.

use checkers::history::{Nanos, Process};
use rand_chacha::ChaCha8Rng;

/// The time, who is free, and a source of chance.
#[derive(Debug)]
pub struct Context<'a> {
    /// Now, since the run began.
    pub now: Nanos,
    /// Who may be asked now, in no particular order; without repeats.
    pub free: &'a [Process],
    /// How many processes there are, free or busy.
    pub total: usize,
    /// All chance comes from here.
    pub rng: &'a mut ChaCha8Rng,
}
