//! Calls sorted by object, and objects shared among the cores.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::Budget;
use crate::calls::Calls;
use crate::linearizable::cores::cores;

/// Calls sorted by object; of one object they keep the order of their starts.
#[derive(Clone, Debug, Default)]
pub(crate) struct ByKey {
    /// The numbers of the keys, in the order of their first calls.
    pub(crate) keys: Vec<u32>,
    /// Where the calls of each begin; one more than there are keys.
    starts: Vec<u32>,
    calls: Vec<u32>,
}

impl ByKey {
    /// Those calls that `mine` says yes to.
    ///
    /// **Cost**: linear; four bytes a call of these, and eight for every value while it is made.
    pub(crate) fn of(calls: &Calls, mine: impl Fn(u32) -> bool) -> Self {
        // For each number of a key: one more than its place.
        let mut places = vec![0_u32; calls.values.len()];
        let mut keys = Vec::new();
        let mut starts: Vec<u32> = Vec::new();
        for (call, &key) in (0..).zip(&calls.key) {
            if !mine(call) {
                continue;
            }
            let place = &mut places[key as usize];
            if *place == 0 {
                keys.push(key);
                starts.push(0);
                *place = narrow(keys.len());
            }
            starts[*place as usize - 1] += 1;
        }
        let mut sum = 0;
        for start in &mut starts {
            sum += std::mem::replace(start, sum);
        }
        let mut sorted = vec![0_u32; sum as usize];
        let mut next = starts.clone();
        for (call, &key) in (0..).zip(&calls.key) {
            let place = places[key as usize] as usize;
            if place > 0 && mine(call) {
                let next = &mut next[place - 1];
                sorted[*next as usize] = call;
                *next += 1;
            }
        }
        starts.push(sum);
        Self {
            keys,
            starts,
            calls: sorted,
        }
    }

    /// How many objects there are.
    pub(crate) fn len(&self) -> usize {
        self.keys.len()
    }

    /// The calls of the object at that place.
    pub(crate) fn calls(&self, place: usize) -> &[u32] {
        &self.calls[self.starts[place] as usize..self.starts[place + 1] as usize]
    }

    /// The place of a key.
    ///
    /// **Cost**: linear.
    pub(crate) fn place(&self, key: u32) -> Option<usize> {
        self.keys.iter().position(|other| *other == key)
    }

    /// Does `work` for every object, as [`on_all_cores`] does.
    pub(crate) fn on_all_cores<S: Send>(
        &self,
        budget: &Budget,
        state: impl Fn() -> S + Sync,
        work: impl Fn(&mut S, usize) + Sync,
    ) -> (Vec<S>, bool) {
        on_all_cores(self.len(), budget, state, work)
    }
}

/// Does `work` for all numbers below `count`, on all cores, each core with a state of its own and
/// rising numbers. The states, and whether the budget left time for all.
pub(crate) fn on_all_cores<S: Send>(
    count: usize,
    budget: &Budget,
    state: impl Fn() -> S + Sync,
    work: impl Fn(&mut S, usize) + Sync,
) -> (Vec<S>, bool) {
    let cores = cores();
    // Batches, so that small objects cost no more than their calls.
    let batch = (count / (cores * 16)).max(1);
    let next = AtomicUsize::new(0);
    let finished = AtomicUsize::new(0);
    let done = Mutex::new(Vec::new());
    let run = || {
        let mut own = state();
        loop {
            let from = next.fetch_add(batch, Ordering::Relaxed);
            if from >= count || budget.is_spent() {
                break;
            }
            let to = count.min(from + batch);
            for place in from..to {
                work(&mut own, place);
            }
            finished.fetch_add(to - from, Ordering::Relaxed);
        }
        done.lock().expect("no worker panics with it").push(own);
    };
    std::thread::scope(|scope| {
        for _ in 1..cores.min(count) {
            scope.spawn(run);
        }
        run();
    });
    let all = finished.load(Ordering::Relaxed) == count;
    (done.into_inner().expect("no worker panics with it"), all)
}

pub(crate) fn narrow(number: usize) -> u32 {
    u32::try_from(number).expect("calls are numbered with 32 bits")
}
