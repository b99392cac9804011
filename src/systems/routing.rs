//! Whom a client asks: what all systems with one address a node, and perhaps a leader, share.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::client::{Clientele, Route};

/// Who leads, as the operator announces it to the clients that listen.
#[derive(Debug, Default)]
pub struct Directory {
    /// Zero: nothing announced yet; otherwise `announcement << 8 | position`.
    cell: AtomicU64,
}

impl Directory {
    /// Announces that the node at that position leads.
    pub fn announce(&self, position: usize) {
        let count = (self.cell.load(Ordering::Relaxed) >> 8) + 1;
        self.cell
            .store(count << 8 | (position as u64 & 0xff), Ordering::Relaxed);
    }

    /// The number of the last announcement, and the node that it named.
    pub(super) fn last(&self) -> Option<(u64, usize)> {
        let cell = self.cell.load(Ordering::Relaxed);
        (cell != 0).then(|| (cell >> 8, usize::from(cell.to_le_bytes()[0])))
    }
}

/// What all clients of a run share.
pub(super) struct Routing {
    /// Every node takes writes.
    equals: bool,
    names: Arc<[Arc<str>]>,
    clientele: Clientele,
    directory: Arc<Directory>,
    /// Whom the client in each slot believes to lead; outlives the client's process.
    beliefs: Vec<Arc<AtomicUsize>>,
}

impl Routing {
    /// All slots begin by believing that the first of the nodes leads.
    pub(super) fn new(
        names: impl IntoIterator<Item = Arc<str>>,
        clientele: Clientele,
        directory: Arc<Directory>,
    ) -> Self {
        Self {
            equals: false,
            names: names.into_iter().collect(),
            clientele,
            directory,
            beliefs: (0..clientele.slots).map(|_| Arc::default()).collect(),
        }
    }

    /// Every node takes writes: a client asks one node, always the same, or one by chance.
    pub(super) fn among_equals(self) -> Self {
        Self {
            equals: true,
            ..self
        }
    }

    pub(super) fn open(&self, slot: usize, process: u32) -> Router {
        let mut rng = ChaCha8Rng::seed_from_u64(self.clientele.seed);
        rng.set_stream(u64::from(process));
        Router {
            equals: self.equals,
            names: Arc::clone(&self.names),
            route: self.clientele.route,
            slot,
            rng,
            belief: Arc::clone(&self.beliefs[slot]),
            // Half of the clients hear of a new leader as soon as it is announced; the others
            // find out when the old one fails them, as clients with an old address do.
            directory: slot.is_multiple_of(2).then(|| Arc::clone(&self.directory)),
            heard: 0,
        }
    }
}

/// What an answer says about who leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard<'a> {
    /// The node did what a leader does, or nothing that tells.
    Served,
    /// It does not act like a leader; it may have named one.
    NotLeader(Option<&'a str>),
}

/// One client's choice of nodes.
pub(super) struct Router {
    equals: bool,
    names: Arc<[Arc<str>]>,
    route: Route,
    slot: usize,
    rng: ChaCha8Rng,
    belief: Arc<AtomicUsize>,
    directory: Option<Arc<Directory>>,
    heard: u64,
}

impl Router {
    /// The name of the node at a position.
    pub(super) fn name(&self, position: usize) -> Arc<str> {
        Arc::clone(&self.names[position])
    }

    /// Whom to ask; `named` is the node that the operation itself names.
    pub(super) fn choose(&mut self, named: Option<&Arc<str>>, reads: bool) -> usize {
        if let Some(named) = named
            && let Some(position) = self.names.iter().position(|name| name == named)
        {
            return position;
        }
        if let Some((count, leader)) = self.directory.as_ref().and_then(|d| d.last())
            && count > self.heard
        {
            self.heard = count;
            self.belief.store(leader, Ordering::Relaxed);
        }
        match self.route {
            Route::Leader | Route::Pinned if self.equals => self.slot % self.names.len(),
            Route::Random if self.equals => self.rng.random_range(0..self.names.len()),
            Route::Pinned if reads => self.slot % self.names.len(),
            Route::Random if reads => self.rng.random_range(0..self.names.len()),
            Route::Leader | Route::Pinned | Route::Random => self.belief.load(Ordering::Relaxed),
        }
    }

    /// Whether the node must say that it leads before it is asked anything on a new connection: a
    /// belief may be a guess, and what a follower answers is no fault of a system that was to be
    /// asked at its leader.
    pub(super) fn must_lead(&self, named: Option<&Arc<str>>) -> bool {
        named.is_none() && !self.equals && matches!(self.route, Route::Leader)
    }

    /// Whom to ask next time: whoever the node names, or the next node in turn if the one that
    /// is believed to lead does not act like a leader.
    pub(super) fn learn(&self, position: usize, heard: Heard<'_>) {
        let Heard::NotLeader(named) = heard else {
            return;
        };
        if position != self.belief.load(Ordering::Relaxed) {
            return;
        }
        let named = named.and_then(|leader| {
            let found = self.names.iter().position(|name| **name == *leader);
            found.filter(|n| *n != position)
        });
        let next = (position + 1) % self.names.len();
        self.belief.store(named.unwrap_or(next), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn announcements_count_up() {
        let directory = Directory::default();
        assert_eq!(directory.last(), None);
        directory.announce(3);
        directory.announce(0);
        assert_eq!(directory.last(), Some((2, 0)));
    }

    #[test]
    fn a_node_must_lead_where_the_leader_is_to_be_asked() {
        let node = Arc::<str>::from("n1");
        let routing = |route| {
            let clientele = Clientele {
                workload: "register",
                route,
                slots: 1,
                seed: 1,
            };
            Routing::new([Arc::clone(&node)], clientele, Arc::default())
        };
        let leader = routing(Route::Leader).open(0, 0);
        assert!(leader.must_lead(None) && !leader.must_lead(Some(&node)));
        assert!(!routing(Route::Random).open(0, 0).must_lead(None));
        let equal = routing(Route::Leader).among_equals().open(0, 0);
        assert!(!equal.must_lead(None));
    }

    #[test]
    fn a_client_asks_whom_it_believes_and_learns_from_refusals() {
        let names = ["n1", "n2", "n3"].map(Arc::<str>::from);
        let clientele = Clientele {
            workload: "register",
            route: Route::Pinned,
            slots: 2,
            seed: 1,
        };
        let directory = Arc::<Directory>::default();
        let routing = Routing::new(names.clone(), clientele, Arc::clone(&directory));
        let (mut even, mut odd) = (routing.open(0, 0), routing.open(1, 1));
        assert_eq!((odd.choose(None, false), odd.choose(None, true)), (0, 1));
        assert_eq!(odd.choose(Some(&names[2]), true), 2);
        odd.learn(0, Heard::NotLeader(Some("n3")));
        assert_eq!(odd.choose(None, false), 2);
        odd.learn(2, Heard::NotLeader(None));
        assert_eq!(odd.choose(None, false), 0);
        assert!(!odd.must_lead(None));
        // Only even slots listen.
        directory.announce(1);
        assert_eq!((even.choose(None, false), odd.choose(None, false)), (1, 0));
    }
}
