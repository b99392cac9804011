//! A set of configurations in which none makes another needless.
//!
//! Of two configurations with the same state and the same changing calls taken, the one that
//! has used no more optional calls of any class, and has taken at least the observing calls
//! that the other has, makes the other needless: whatever completes the other completes it
//! too, since an optional call need not be used and an observing one can be left out of the
//! completion.

use super::problem::{NONE, Shape};
use super::window::{Config, set_state, state};

#[derive(Clone, Copy)]
struct Entry<const N: usize> {
    config: Config<N>,
    /// The next one with the same hash.
    next: u32,
}

pub(super) struct Antichain<const N: usize> {
    entries: Vec<Entry<N>>,
    /// Heads of chains, each valid if its stamp is the current one.
    table: Vec<(u32, u32)>,
    stamp: u32,
    /// The bits in which configurations are comparable; all others must be equal.
    same: Config<N>,
    observers: Config<N>,
    singles: Config<N>,
    counters: Config<N>,
    guards: Config<N>,
    has_counters: bool,
    /// How often two configurations were compared, ever.
    compared: usize,
}

fn words<const N: usize>(from: &[u64]) -> Config<N> {
    let mut words = [0; N];
    words[..from.len()].copy_from_slice(from);
    words
}

impl<const N: usize> Antichain<N> {
    pub(super) fn new(shape: &Shape) -> Self {
        Self {
            entries: Vec::new(),
            table: vec![(0, NONE); 64],
            stamp: 0,
            same: [0; N],
            observers: [0; N],
            singles: words(&shape.singles),
            counters: words(&shape.counters),
            guards: words(&shape.guards),
            has_counters: shape.guards.iter().any(|&word| word != 0),
            compared: 0,
        }
    }

    /// Empties the set, for configurations of a window with these observing calls pending.
    pub(super) fn clear(&mut self, observers: &Config<N>) {
        self.entries.clear();
        self.stamp = self.stamp.wrapping_add(1);
        if self.stamp == 0 {
            self.table.fill((0, NONE));
            self.stamp = 1;
        }
        self.observers = *observers;
        self.same = std::array::from_fn(|i| !(observers[i] | self.singles[i] | self.counters[i]));
    }

    /// How many configurations were added since it was cleared, needless ones among them.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// How often two configurations were compared since this was last asked.
    pub(super) fn take_compared(&mut self) -> usize {
        std::mem::take(&mut self.compared)
    }

    pub(super) fn bytes(&self) -> usize {
        self.entries.capacity() * size_of::<Entry<N>>() + self.table.capacity() * 8
    }

    /// The configuration that was added at that place, unless it has become needless.
    #[inline]
    pub(super) fn get(&self, place: usize) -> Option<Config<N>> {
        let config = self.entries[place].config;
        (state(&config) != NONE).then_some(config)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Config<N>> + '_ {
        (0..self.len()).filter_map(|place| self.get(place))
    }

    #[inline]
    fn hash(&self, config: &Config<N>) -> usize {
        let mut hash = 0_u64;
        for (word, same) in config.iter().zip(&self.same) {
            hash = (hash.rotate_left(29) ^ (word & same)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        }
        #[expect(clippy::cast_possible_truncation, reason = "a hash may be cut")]
        let hash = (hash ^ (hash >> 29))
            .wrapping_mul(0xBF58_476D_1CE4_E5B9)
            .wrapping_shr(32) as usize;
        hash & (self.table.len() - 1)
    }

    /// Whether `a` makes `b` needless, if they are the same elsewhere.
    #[inline]
    fn covers(&self, a: &Config<N>, b: &Config<N>) -> bool {
        for i in 0..N {
            if b[i] & !a[i] & self.observers[i] != 0 || a[i] & !b[i] & self.singles[i] != 0 {
                return false;
            }
        }
        if self.has_counters {
            for i in 0..N {
                let guards = self.guards[i];
                let (a, b) = (a[i] & self.counters[i], b[i] & self.counters[i]);
                if ((b | guards) - a) & guards != guards {
                    return false;
                }
            }
        }
        true
    }

    /// Adds a configuration unless one that is here makes it needless.
    #[inline]
    pub(super) fn insert(&mut self, config: Config<N>) {
        if self.entries.len() * 2 >= self.table.len() {
            self.grow();
        }
        let slot = self.hash(&config);
        let (stamp, head) = self.table[slot];
        let head = if stamp == self.stamp { head } else { NONE };
        let (mut at, mut before) = (head, NONE);
        let mut first = head;
        while at != NONE {
            let entry = self.entries[at as usize];
            self.compared += 1;
            if (0..N).all(|i| (entry.config[i] ^ config[i]) & self.same[i] == 0) {
                if self.covers(&entry.config, &config) {
                    return;
                }
                if self.covers(&config, &entry.config) {
                    set_state(&mut self.entries[at as usize].config, NONE);
                    if before == NONE {
                        first = entry.next;
                    } else {
                        self.entries[before as usize].next = entry.next;
                    }
                    at = entry.next;
                    continue;
                }
            }
            before = at;
            at = entry.next;
        }
        let place = u32::try_from(self.entries.len()).expect("memory ends before");
        self.entries.push(Entry {
            config,
            next: first,
        });
        self.table[slot] = (self.stamp, place);
    }

    #[cold]
    fn grow(&mut self) {
        let size = self.table.len() * 4;
        self.table.clear();
        self.table.resize(size, (0, NONE));
        self.stamp = 1;
        for place in 0..self.entries.len() {
            let config = self.entries[place].config;
            if state(&config) == NONE {
                continue;
            }
            let slot = self.hash(&config);
            let (stamp, head) = self.table[slot];
            self.entries[place].next = if stamp == 1 { head } else { NONE };
            self.table[slot] = (1, u32::try_from(place).expect("memory ends before"));
        }
    }
}
