//! One queue that gives its elements, all different, in any order.
//!
//! It is linearizable exactly if every element was taken once, not before it was put in, and
//! every call that found nothing did so at an instant at which nothing was certainly inside:
//! whatever need not be inside then is put in after it as late as can be, or taken before it.
//!
//! A dequeue of unknown outcome may have taken any element. By each instant that tolerates no
//! element, as many such dequeues must have begun as elements that nobody else took had been
//! put in, which depends on the counts alone: the k-th of the elements by the ends of their
//! enqueues may as well have been taken by the k-th such dequeue.
//!
//! **Exact** for all histories, with any number of calls of unknown outcome, unless a value may
//! have been put in more than once or is nil or a list of two.
//!
//! **Names**: those of [`container`](super::container).
//!
//! **Source**: the part on emptiness of Henzinger, Sezgin and Vafeiadis, "Aspect-oriented
//! linearizability proofs", 2013.

use super::container::alone::{inside, is_empty_wrong};
use super::container::{Container, Elements, NOWHERE, Role, Words};
use super::exact::{Exact, Finding, Row};
use super::grouping::Merged;
use crate::calls::{Calls, Rank};

/// Judges unordered queues: `enqueue` and `dequeue`.
pub(super) struct Unordered {
    container: Container,
}

impl Unordered {
    pub(super) fn new(calls: &Calls) -> Self {
        Self {
            container: Container::new(calls, "enqueue", "dequeue"),
        }
    }

    fn elements(&self, calls: &Calls, rows: &[Row<Role>]) -> Result<Elements, Finding> {
        let mut elements = self.container.elements(calls, rows)?;
        if !elements.unknown.is_empty() {
            elements.assign(rows, |_, element| element.put_ends);
        }
        Ok(elements)
    }
}

impl Exact for Unordered {
    type Role = Role;

    fn row(&self, calls: &Calls, call: u32) -> Result<Option<Row<Role>>, String> {
        self.container.row(calls, call)
    }

    /// **Cost**: linear, or that of sorting; 16 bytes a call.
    fn judge_alone(&self, calls: &Calls) -> Option<Finding> {
        let mut alone = self.container.alone(calls)?;
        let (power, empties) = (alone.power, alone.empties());
        let inside = alone.keys(inside)?;
        let wrong = is_empty_wrong(Merged::of(&inside), &empties);
        (!wrong).then_some(Finding::Linearizable { power })
    }

    /// **Cost**: linear if nothing was ever found empty, else O(n log n); 18 bytes a call.
    fn judge(&self, calls: &Calls, rows: &[Row<Role>]) -> Finding {
        let elements = match self.elements(calls, rows) {
            Ok(elements) => elements,
            Err(finding) => return finding,
        };
        if !elements.empties.is_empty()
            && let Some(empty) = elements.wrong_empty(rows, &elements.filled())
        {
            return elements.tell_empty(&Words { calls, rows }, empty);
        }
        Finding::Linearizable {
            power: elements.power,
        }
    }

    /// **Cost**: O(n log n).
    fn order(&self, calls: &Calls, rows: &[Row<Role>]) -> Option<Vec<u32>> {
        let elements = self.elements(calls, rows).ok()?;
        let filled = elements.filled();
        // The instant; what comes first at it; the element; its put before its take.
        let mut order: Vec<(Rank, u8, usize, u32)> = Vec::with_capacity(rows.len());
        for &empty in &elements.empties {
            let at = filled.first_gap(rows[empty as usize].begins);
            order.push((at, 1, 0, empty));
        }
        for (number, element) in elements.list.iter().enumerate() {
            let put = element.put_ends;
            order.push((put, 2, number * 2, element.put));
            if element.take != NOWHERE {
                let taken = element.take_begins.max(put);
                let class = if taken == put { 2 } else { 0 };
                order.push((taken, class, number * 2 + 1, element.take));
            }
        }
        order.sort_unstable();
        let call = |(_, _, _, row)| rows[row as usize].call;
        Some(order.into_iter().map(call).collect())
    }
}

#[cfg(test)]
mod tests {
    use rand::RngExt;

    use super::super::exact_tests::{Kept, compare, compare_large, precedes, seeds};
    use super::*;
    use crate::model::UnorderedQueue;

    const KEPT: Kept = Kept {
        put: "enqueue",
        take: "dequeue",
        next: |inside, rng| rng.random_range(0..inside.len()),
        branches: true,
    };

    #[test]
    fn small_unordered_queues_agree_with_brute_force() {
        let seeds = seeds(100_000);
        let initial = UnorderedQueue::default();
        let compared = compare(KEPT, Unordered::new, &initial, seeds);
        assert!(compared.valid > seeds / 6, "{compared:?}");
        assert!(compared.invalid > seeds / 8, "{compared:?}");
        assert!(compared.open < seeds / 20, "{compared:?}");
    }

    #[test]
    fn large_unordered_queues_are_judged_and_ordered() {
        compare_large(
            KEPT,
            Unordered::new,
            &UnorderedQueue::default(),
            |[a, a_out, b, b_out]| precedes(a_out, a) || precedes(b_out, b),
        );
    }
}
