//! One first-in-first-out queue of elements that are all different.
//!
//! It is linearizable exactly if no element leaves before one that was put in before it, and
//! every call that found nothing did so at an instant at which nothing was certainly inside.
//! That no longer cycles need to be looked for is the theorem of the source.
//!
//! A dequeue of unknown outcome may have taken any element. Those that nobody else took must
//! all leave from the head before whatever was put in after them, and before the queue is
//! found empty: at an instant by which L of them had been put in, and which tolerates none of
//! them, L such dequeues must have begun. That depends on the counts alone, so the k-th of the
//! elements by the ends of their enqueues may as well have been taken by the k-th such dequeue.
//!
//! **Exact** for all histories, with any number of calls of unknown outcome, unless a value may
//! have been put in more than once or is nil or a list of two.
//!
//! **Names**: those of [`container`](super::container), and "out-of-order" (an element left
//! before one that had been put in before it), "skipped-element" (the same, and the other one
//! never left).
//!
//! **Source**: Henzinger, Sezgin and Vafeiadis, "Aspect-oriented linearizability proofs", 2013.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::container::alone::{Alone, is_empty_wrong};
use super::container::{Container, Elements, Filled, NOWHERE, Role, Words, narrow};
use super::cores::filled;
use super::exact::{Exact, Finding, Row};
use super::grouping::{Merged, high_half, low_half, pack};
use crate::calls::{Calls, NEVER, Rank};

/// Judges queues: `enqueue` and `dequeue`.
pub(super) struct Fifo {
    container: Container,
}

impl Fifo {
    pub(super) fn new(calls: &Calls) -> Self {
        Self {
            container: Container::new(calls, "enqueue", "dequeue"),
        }
    }
}

impl Exact for Fifo {
    type Role = Role;

    fn row(&self, calls: &Calls, call: u32) -> Result<Option<Row<Role>>, String> {
        self.container.row(calls, call)
    }

    /// **Cost**: linear, or that of sorting; 16 bytes a call.
    fn judge_alone(&self, calls: &Calls) -> Option<Finding> {
        judge_plain(self.container.alone(calls)?)
    }

    /// **Cost**: O(n log c) where c enqueues are concurrent; 14 bytes a call.
    fn judge(&self, calls: &Calls, rows: &[Row<Role>]) -> Finding {
        let elements = match self.elements(calls, rows) {
            Ok(elements) => elements,
            Err(finding) => return finding,
        };
        let told = Words { calls, rows };
        match sweep(&elements) {
            Err((before, after)) => tell_overtaken(&elements, &told, before, after),
            Ok(filled) => match elements.wrong_empty(rows, &filled) {
                Some(empty) => elements.tell_empty(&told, empty),
                None => Finding::Linearizable {
                    power: elements.power,
                },
            },
        }
    }

    /// **Cost**: O(n log n).
    fn order(&self, calls: &Calls, rows: &[Row<Role>]) -> Option<Vec<u32>> {
        let elements = self.elements(calls, rows).ok()?;
        let in_line = in_line(&elements)?;
        let filled = elements.filled();
        Some(scheduled(&elements, rows, &in_line, &filled))
    }
}

impl Fifo {
    fn elements(&self, calls: &Calls, rows: &[Row<Role>]) -> Result<Elements, Finding> {
        let mut elements = self.container.elements(calls, rows)?;
        if !elements.unknown.is_empty() {
            elements.assign(rows, |_, element| element.put_ends);
        }
        Ok(elements)
    }
}

/// Judges a queue of which all is plain; none if something contradicts.
fn judge_plain(mut alone: Alone) -> Option<Finding> {
    let (power, empties) = (alone.power, alone.empties());
    let starts = alone.keys(|_, element| Some(pack(element.put_begins, element.take_ends)))?;
    let ends = alone.keys(|_, element| Some(pack(element.put_ends, element.take_begins)))?;
    drop(alone);
    let mut starts = Merged::of(&starts);
    let mut entering = Merged::of(&ends);
    // Until when any stays that was put in before.
    let mut longest = 0;
    while let Some(start) = starts.next_if(|_| true) {
        let (put_begins, take_ends) = (high_half(start), low_half(start));
        while let Some(end) = entering.next_if(|end| high_half(end) < put_begins) {
            longest = longest.max(low_half(end));
        }
        if take_ends < longest {
            return None;
        }
    }
    if is_empty_wrong(Merged::of(&ends), &empties) {
        return None;
    }
    Some(Finding::Linearizable { power })
}

/// Looks for an element that was put in before another and left after it: for each, in the
/// order of the enqueues' starts, the one that stays longest of those put in before it. Else
/// tells where something is certainly inside, if that matters.
fn sweep(elements: &Elements) -> Result<Filled, (u32, u32)> {
    let list = &elements.list;
    let mut filled = Filled::default();
    let mut longest: Option<u32> = None;
    // Elements that may still be on their way in, by the time at which they are inside.
    let mut arriving: BinaryHeap<Reverse<u64>> = BinaryHeap::new();
    let mut inside = |coded: u64, longest: &mut Option<u32>| {
        let at = u32::try_from(coded & u64::from(u32::MAX)).expect("it is a half");
        let element = &list[at as usize];
        if longest.is_none_or(|other| list[other as usize].take_begins < element.take_begins) {
            *longest = Some(at);
        }
        if !elements.empties.is_empty() && element.is_inside() {
            filled.add(element.put_ends, element.take_begins);
        }
    };
    for (at, element) in list.iter().enumerate() {
        while let Some(&Reverse(coded)) = arriving.peek()
            && coded >> 32 < u64::from(element.put_begins)
        {
            arriving.pop();
            inside(coded, &mut longest);
        }
        if let Some(before) = longest
            && element.take_ends < list[before as usize].take_begins
        {
            return Err((before, narrow(at)));
        }
        arriving.push(Reverse(u64::from(element.put_ends) << 32 | at as u64));
    }
    while let Some(Reverse(coded)) = arriving.pop() {
        inside(coded, &mut longest);
    }
    Ok(filled)
}

fn tell_overtaken(elements: &Elements, told: &Words<'_>, before: u32, after: u32) -> Finding {
    let [first, second] = [before, after].map(|element| elements.list[element as usize]);
    let mut rows = elements.rows_of(&[before, after]);
    let out = second.take_ends;
    let suspected = elements.suspected(told.rows, &[before], out, &mut rows);
    let (name, still) = if first.take == NOWHERE {
        ("skipped-element", "nobody ever took out".to_owned())
    } else if first.take_ends == NEVER {
        ("skipped-element", "nobody else took out".to_owned())
    } else {
        let at = told.at(first.take_begins);
        (
            "out-of-order",
            format!("nobody began to take out before then, but only{at}"),
        )
    };
    let conclusion = format!(
        "{one} was in{} before anybody began to put {two} in{}; {two} was out{}, and yet {one} \
         was ahead of it, which {still}{suspected}.",
        told.by(first.put_ends),
        told.at(second.put_begins),
        told.by(out),
        one = told.value(first.put),
        two = told.value(second.put),
    );
    told.violated(name, &rows, conclusion)
}

/// The elements in an order in which they may have gone through the queue.
///
/// One may be next if its enqueue began before all others left were certainly in, and its
/// dequeue before all others were certainly out. Of those the one whose dequeue began first is
/// chosen: so whatever had to leave before an instant at which the queue was empty comes before
/// whatever had to come after it.
fn in_line(elements: &Elements) -> Option<Vec<u32>> {
    let list = &elements.list;
    let by = |key: fn(&super::container::Element) -> Rank| {
        let mut order: Vec<u32> = (0..narrow(list.len())).collect();
        order.sort_by_key(|&element| key(&list[element as usize]));
        order.into_iter().peekable()
    };
    let (mut put_ends, mut take_ends) = (by(|e| e.put_ends), by(|e| e.take_ends));
    let (mut put_begins, mut take_begins) = (by(|e| e.put_begins), by(|e| e.take_begins));
    // Which of the two conditions are met; 3 when it is in line.
    let mut met = filled(0_u8, list.len());
    let mut next: BinaryHeap<Reverse<(Rank, u32)>> = BinaryHeap::new();
    let mut line = Vec::with_capacity(list.len());
    while line.len() < list.len() {
        let gone = |met: &[u8], element: u32| met[element as usize] == 3;
        while put_ends.next_if(|&element| gone(&met, element)).is_some() {}
        while take_ends.next_if(|&element| gone(&met, element)).is_some() {}
        let (into, out) = (*put_ends.peek()?, *take_ends.peek()?);
        let (into, out) = (list[into as usize].put_ends, list[out as usize].take_ends);
        let mut meet = |element: u32| {
            met[element as usize] += 1;
            if met[element as usize] == 2 {
                next.push(Reverse((list[element as usize].take_begins, element)));
            }
        };
        while let Some(element) =
            put_begins.next_if(|&element| list[element as usize].put_begins <= into)
        {
            meet(element);
        }
        while let Some(element) =
            take_begins.next_if(|&element| list[element as usize].take_begins <= out)
        {
            meet(element);
        }
        let Reverse((_, element)) = next.pop()?;
        met[element as usize] = 3;
        line.push(element);
    }
    Some(line)
}

/// All calls, each as early as its line allows, but nothing is put in before an empty queue was
/// found that must have been empty before it is taken.
fn scheduled(elements: &Elements, rows: &[Row<Role>], line: &[u32], filled: &Filled) -> Vec<u32> {
    let list = &elements.list;
    let mut empties: Vec<(Rank, u32)> = elements
        .empties
        .iter()
        .map(|&empty| (filled.first_gap(rows[empty as usize].begins), empty))
        .collect();
    empties.sort_unstable();
    let mut order = Vec::with_capacity(rows.len());
    let (mut from, mut floor) = (0, 0);
    let stretch = |from: usize, to: usize, floor: Rank, order: &mut Vec<u32>| {
        // Puts and takes by turns, both in line, puts first where they are at one instant.
        let (mut put, mut taken) = (floor, floor);
        let mut waiting = from;
        for &element in &line[from..to] {
            let element = &list[element as usize];
            put = put.max(element.put_begins);
            while waiting < to {
                let next = &list[line[waiting] as usize];
                let at = taken.max(next.take_begins);
                if next.take == NOWHERE || at >= put {
                    break;
                }
                taken = at;
                order.push(rows[next.take as usize].call);
                waiting += 1;
            }
            order.push(rows[element.put as usize].call);
        }
        for &element in &line[waiting..to] {
            let take = list[element as usize].take;
            if take == NOWHERE {
                break;
            }
            order.push(rows[take as usize].call);
        }
    };
    for (at, empty) in empties {
        let is_out = |&&element: &&u32| list[element as usize].take_begins <= at;
        let to = from + line[from..].iter().take_while(is_out).count();
        stretch(from, to, floor, &mut order);
        order.push(rows[empty as usize].call);
        (from, floor) = (to, at);
    }
    stretch(from, line.len(), floor, &mut order);
    order
}

#[cfg(test)]
mod tests {
    use super::super::exact_tests::{Kept, compare, compare_large, precedes, seeds};
    use super::*;
    use crate::model::FifoQueue;

    const KEPT: Kept = Kept {
        put: "enqueue",
        take: "dequeue",
        next: |_, _| 0,
        branches: false,
    };

    #[test]
    fn small_queues_agree_with_brute_force() {
        let seeds = seeds(100_000);
        let compared = compare(KEPT, Fifo::new, &FifoQueue::default(), seeds);
        assert!(compared.valid > seeds / 6, "{compared:?}");
        assert!(compared.invalid > seeds / 6, "{compared:?}");
        // Those with values that repeat.
        assert!(compared.open < seeds / 20, "{compared:?}");
    }

    #[test]
    fn large_queues_are_judged_and_ordered() {
        compare_large(
            KEPT,
            Fifo::new,
            &FifoQueue::default(),
            |[a, a_out, b, b_out]| precedes(a, b) && precedes(b_out, a_out),
        );
    }
}
