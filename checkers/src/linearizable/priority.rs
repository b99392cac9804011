//! One priority queue of elements that are all different: a dequeue gives the largest.
//!
//! It is linearizable exactly if every element could be taken at an instant at which nothing
//! larger was certainly inside, and every call that found nothing at one at which nothing was.
//! From the largest to the smallest, each takes the first such instant of its dequeue. That it
//! stays inside until then makes it harder for no other: all the while something yet larger
//! was inside.
//!
//! **Exact** unless a value may have been put in more than once or is nil or a list of two,
//! or dequeues of unknown outcome matter: a history is linearizable if it is without them, or
//! if they may have taken elements by one of a few guesses; it is violated if it would be even
//! though whatever nobody else took was gone as soon as the first of them began. What is
//! between goes to the search.
//!
//! **Names**: those of [`container`](super::container), and "wrong-priority" (something larger
//! was certainly inside).
//!
//! **Source**: the idea of bad patterns by Henzinger, Sezgin and Vafeiadis, "Aspect-oriented
//! linearizability proofs", 2013, for priority queues by Bouajjani, Enea and Wang, "Checking
//! linearizability of concurrent priority queues", 2017.

use std::collections::BinaryHeap;

use super::container::alone::{Alone, inside, is_empty_wrong};
use super::container::{
    Container, Cover, Element, Elements, NOWHERE, Role, Settled, Words, narrow,
};
use super::exact::{Exact, Finding, Row};
use super::grouping::{Merged, high_half, low_half, pack};
use crate::calls::{Calls, NEVER, Rank};
use crate::history::dictionary::Interned;

/// Judges priority queues: `enqueue` and `dequeue`.
pub(super) struct Priority {
    container: Container,
}

impl Priority {
    pub(super) fn new(calls: &Calls) -> Self {
        Self {
            container: Container::new(calls, "enqueue", "dequeue"),
        }
    }

    fn settle(
        &self,
        calls: &Calls,
        rows: &[Row<Role>],
    ) -> Result<(Settled<Fault>, Vec<u32>), Finding> {
        let elements = self.container.elements(calls, rows)?;
        let order = largest_first(calls, rows, &elements.list);
        let mut rank = Vec::new();
        if !elements.unknown.is_empty() {
            rank.resize(order.len(), 0);
            for (place, &element) in order.iter().enumerate() {
                rank[element as usize] = place as u64;
            }
        }
        let fault = |elements: &Elements| taken(elements, rows, &order, None);
        let settled = elements.settle(rows, fault, |_, element| rank[element as usize]);
        Ok((settled, order))
    }
}

/// What is wrong.
enum Fault {
    /// This row found nothing.
    Empty(u32),
    /// The element at this place in the order was taken.
    Taken(usize),
}

impl Exact for Priority {
    type Role = Role;

    fn row(&self, calls: &Calls, call: u32) -> Result<Option<Row<Role>>, String> {
        self.container.row(calls, call)
    }

    /// **Cost**: O(n log m) where at most m elements are inside; 16 bytes a call.
    fn judge_alone(&self, calls: &Calls) -> Option<Finding> {
        let mut alone = self.container.alone(calls)?;
        let (power, empties) = (alone.power, alone.empties());
        if !empties.is_empty() && is_empty_wrong(Merged::of(&alone.keys(inside)?), &empties) {
            return None;
        }
        sweep(calls, &self.container, &alone).map(|()| Finding::Linearizable { power })
    }

    /// **Cost**: O(n log n); 24 bytes a call, twice that if dequeues of unknown outcome matter.
    fn judge(&self, calls: &Calls, rows: &[Row<Role>]) -> Finding {
        let (settled, order) = match self.settle(calls, rows) {
            Ok(settled) => settled,
            Err(finding) => return finding,
        };
        let told = Words { calls, rows };
        settled.finding(|elements, fault| match fault {
            Fault::Empty(empty) => elements.tell_empty(&told, empty),
            Fault::Taken(place) => tell_taken(elements, &told, &order, place),
        })
    }

    /// **Cost**: O(n log n).
    fn order(&self, calls: &Calls, rows: &[Row<Role>]) -> Option<Vec<u32>> {
        let (Settled::Fine(elements), order) = self.settle(calls, rows).ok()? else {
            return None;
        };
        let mut at = Times {
            taken: vec![NEVER; elements.list.len()],
            empties: Vec::new(),
        };
        taken(&elements, rows, &order, Some(&mut at));
        Some(scheduled(&elements, rows, &order, &at))
    }
}

/// Goes through the instants at which takes began, which are all that matter: what is larger
/// than all that is certainly inside could be taken then. None if something was taken that
/// never could be, or is no number.
fn sweep(calls: &Calls, container: &Container, alone: &Alone) -> Option<()> {
    let entering = alone.keys(|number, element| {
        let is_inside = element.is_inside();
        is_inside.then(|| pack(element.put_ends, number))
    })?;
    let takes = alone.takes(calls, container);
    let mut entering = Merged::of(&entering);
    let size = |number: u32| match calls.values.get(number) {
        Interned::Int(size) => Some(size),
        _ => None,
    };
    // The largest first; those that are gone may still be among them.
    let mut inside: BinaryHeap<(i64, u32)> = BinaryHeap::new();
    let mut gone = vec![0_u64; calls.values.len() / 64 + 1];
    // What is being taken and could not be so far, and until when.
    let mut waiting: Vec<(i64, Rank)> = Vec::new();
    for at_once in takes.chunk_by(|one, other| high_half(*one) == high_half(*other)) {
        let now = high_half(at_once[0]);
        if waiting.iter().any(|(_, until)| *until < now) {
            return None;
        }
        while let Some(entered) = entering.next_if(|key| high_half(key) < now) {
            inside.push((size(low_half(entered))?, low_half(entered)));
        }
        for &take in at_once {
            let number = low_half(take);
            gone[number as usize / 64] |= 1 << (number % 64);
            waiting.push((size(number)?, alone.take_ends(number)));
        }
        let is_gone = |number: u32| gone[number as usize / 64] >> (number % 64) & 1 == 1;
        while inside.peek().is_some_and(|&(_, number)| is_gone(number)) {
            inside.pop();
        }
        match inside.peek() {
            Some(&(largest, _)) => waiting.retain(|(size, _)| *size < largest),
            None => waiting.clear(),
        }
    }
    waiting.is_empty().then_some(())
}

/// The elements from the largest to the smallest.
fn largest_first(calls: &Calls, rows: &[Row<Role>], list: &[Element]) -> Vec<u32> {
    let value = |element: u32| rows[list[element as usize].put as usize].a;
    let mut order: Vec<u32> = (0..narrow(list.len())).collect();
    let numbers: Option<Vec<(i64, u32)>> = order
        .iter()
        .map(|&element| match calls.values.get(value(element)) {
            Interned::Int(number) => Some((number, element)),
            _ => None,
        })
        .collect();
    match numbers {
        Some(mut numbers) => {
            numbers.sort_unstable();
            order.clear();
            order.extend(numbers.iter().rev().map(|(_, element)| element));
        }
        None => {
            order.sort_by_cached_key(|&element| calls.value(value(element)));
            order.reverse();
        }
    }
    order
}

/// When elements are taken and nothing is found.
struct Times {
    taken: Vec<Rank>,
    empties: Vec<Rank>,
}

/// The next row whose start is free of all elements so far: a forest over the rows, in which
/// paths are halved as they are walked.
struct Free {
    next: Vec<u32>,
}

impl Free {
    fn find(&mut self, mut row: u32) -> u32 {
        loop {
            let next = self.next[row as usize];
            if next == row {
                return row;
            }
            let after = self.next[next as usize];
            self.next[row as usize] = after;
            row = after;
        }
    }
}

/// Lets the elements be taken, from the largest to the smallest, until one cannot be.
///
/// Instants are the starts of rows: if one is free of elements, so is the last start before it,
/// unless that is before the call in question began.
fn taken(
    elements: &Elements,
    rows: &[Row<Role>],
    order: &[u32],
    mut times: Option<&mut Times>,
) -> Option<Fault> {
    let mut free = Free {
        next: (0..=narrow(rows.len())).collect(),
    };
    let begins = |row: u32| rows.get(row as usize).map_or(NEVER, |row| row.begins);
    for (place, &number) in order.iter().enumerate() {
        let element = &elements.list[number as usize];
        if element.take_begins != NEVER {
            // Any row that starts then will do.
            let from = if element.take == NOWHERE {
                rows.partition_point(|row| row.begins < element.take_begins)
            } else if rows[element.take as usize].begins == element.take_begins {
                element.take as usize
            } else {
                element.put as usize
            };
            let at = begins(free.find(narrow(from)));
            if at > element.take_ends {
                return Some(Fault::Taken(place));
            }
            if let Some(times) = &mut times {
                times.taken[number as usize] = at;
            }
        }
        if !element.is_inside() {
            continue;
        }
        // From the first row that starts after the put was over: usually not far.
        let rest = &rows[element.put as usize..];
        let mut reach = 1;
        while reach < rest.len() && rest[reach].begins <= element.put_ends {
            reach *= 2;
        }
        let some = &rest[..rest.len().min(reach + 1)];
        let from = some.partition_point(|row| row.begins <= element.put_ends);
        let mut row = free.find(element.put + narrow(from));
        while (row as usize) < rows.len() && begins(row) < element.take_begins {
            free.next[row as usize] = row + 1;
            row = free.find(row + 1);
        }
    }
    for &empty in &elements.empties {
        let at = begins(free.find(empty));
        if at > rows[empty as usize].ends {
            return Some(Fault::Empty(empty));
        }
        if let Some(times) = &mut times {
            times.empties.push(at);
        }
    }
    None
}

fn tell_taken(elements: &Elements, told: &Words<'_>, order: &[u32], place: usize) -> Finding {
    let list = &elements.list;
    let element = &list[order[place] as usize];
    let (from, to) = (element.take_begins, element.take_ends);
    let chain = Cover::of(list, &order[..place]).chain(from, to);
    let chain = chain.expect("something larger is inside all the while");
    let mut rows = vec![element.put, element.take];
    rows.extend(elements.rows_of(&chain));
    let conclusion = format!(
        "{} was taken out between {} and {}, yet all the while {} was certainly inside and \
         should have come first.",
        told.value(element.put),
        told.start(from, "the start"),
        told.start(to, "the end"),
        told.list(
            chain.iter().map(|&element| list[element as usize].put),
            "or"
        ),
    );
    told.violated("wrong-priority", &rows, conclusion)
}

/// At each instant first what was inside before it leaves, the largest first; then nothing is
/// found; then what goes in and out at this very instant; then what goes in.
fn scheduled(elements: &Elements, rows: &[Row<Role>], order: &[u32], at: &Times) -> Vec<u32> {
    let mut events: Vec<(Rank, u8, usize, u32)> = Vec::with_capacity(rows.len());
    for (place, &number) in order.iter().enumerate() {
        let element = &elements.list[number as usize];
        let out = at.taken[number as usize];
        let into = element.put_ends.min(out);
        let is_brief = into == out;
        events.push((into, if is_brief { 2 } else { 3 }, place * 2, element.put));
        if out != NEVER {
            let class = if is_brief { 2 } else { 0 };
            events.push((out, class, place * 2 + 1, element.take));
        }
    }
    for (&empty, &at) in elements.empties.iter().zip(&at.empties) {
        events.push((at, 1, 0, empty));
    }
    events.sort_unstable();
    let call = |(_, _, _, row)| rows[row as usize].call;
    events.into_iter().map(call).collect()
}

#[cfg(test)]
mod tests {
    use super::super::exact_tests::{Kept, compare, compare_large, precedes, seeds};
    use super::*;
    use crate::model::PriorityQueue;

    const KEPT: Kept = Kept {
        put: "enqueue",
        take: "dequeue",
        next: |inside, _| {
            (0..inside.len())
                .max_by_key(|&at| inside[at])
                .expect("not empty")
        },
        branches: false,
    };

    #[test]
    fn small_priority_queues_agree_with_brute_force() {
        let seeds = seeds(100_000);
        let compared = compare(KEPT, Priority::new, &PriorityQueue::default(), seeds);
        assert!(compared.valid > seeds / 6, "{compared:?}");
        assert!(compared.invalid > seeds / 6, "{compared:?}");
        assert!(compared.open < seeds / 20, "{compared:?}");
    }

    #[test]
    fn large_priority_queues_are_judged_and_ordered() {
        let initial = PriorityQueue::default();
        compare_large(KEPT, Priority::new, &initial, |[a, a_out, b, b_out]| {
            a.argument < b.argument && precedes(b, a_out) && precedes(a_out, b_out)
        });
    }
}
