//! Work that is shared among the cores.

use std::ops::Range;
use std::sync::OnceLock;

/// Fewer calls than this are not worth a thread.
const FEW: usize = 1 << 16;

/// How many threads so many calls are worth.
pub(crate) fn workers(calls: usize) -> usize {
    // In tests some of the smallest histories are shared as well.
    if cfg!(test) && calls % 7 == 6 {
        return 3;
    }
    if calls < FEW {
        return 1;
    }
    cores()
}

/// How many cores this process may use; the system is asked once, as asking reads files.
pub(crate) fn cores() -> usize {
    static CORES: OnceLock<usize> = OnceLock::new();
    *CORES.get_or_init(|| std::thread::available_parallelism().map_or(1, usize::from))
}

/// So many places in equal shares, in order.
pub(crate) fn shares(count: usize, workers: usize) -> Vec<Range<usize>> {
    let share = count.div_ceil(workers).max(1);
    let starts = (0..workers).map(|worker| (worker * share).min(count));
    starts.map(|from| from..(from + share).min(count)).collect()
}

/// So many of one thing, in memory that is written at once. What is read before it is written
/// has its pages put in place twice, and the second time stops all cores.
pub(crate) fn filled<T: Copy>(with: T, count: usize) -> Vec<T> {
    let mut all = Vec::with_capacity(count);
    all.resize(count, with);
    all
}

/// Does a piece of work for each share at the same time; the outcomes in their order.
pub(crate) fn on_cores<S: Send, T: Send>(shares: Vec<S>, work: impl Fn(S) -> T + Sync) -> Vec<T> {
    let work = &work;
    // Tests share the smallest histories, of which a thread is far the most expensive part: all
    // but a few of them are worked on share by share.
    #[cfg(test)]
    if !tests::thread_is_due() {
        return shares.into_iter().map(work).collect();
    }
    let mut shares = shares.into_iter();
    let Some(first) = shares.next() else {
        return Vec::new();
    };
    std::thread::scope(|scope| {
        let others: Vec<_> = shares
            .map(|share| scope.spawn(move || work(share)))
            .collect();
        let mut done = vec![work(first)];
        for other in others {
            let joined = other.join();
            done.push(joined.unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
        done
    })
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    /// Every eighth time on a thread.
    pub(super) fn thread_is_due() -> bool {
        thread_local!(static TIMES: Cell<u32> = const { Cell::new(0) });
        TIMES.with(|times| {
            times.set(times.get().wrapping_add(1));
            times.get().is_multiple_of(8)
        })
    }
}
