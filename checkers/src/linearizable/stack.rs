//! One stack of elements that are all different.
//!
//! **Peeling from the bottom**: an element can lie at the bottom if its push could happen at an
//! instant at which nothing is certainly inside, and its pop too. Taken away, it leaves a stack
//! of the others, which is linearizable exactly if the whole is: it is pushed and popped while
//! that stack is empty, and neither instant parts the push of another from its pop. What could
//! be taken away can be later as well, so the order does not matter. The stack is linearizable
//! exactly if nothing is left, and every call that found nothing did so at an instant at which
//! nothing was certainly inside.
//!
//! An element that need never be inside, for its push and its pop can happen at one instant, is
//! left out beforehand.
//!
//! To see what has become free, the instants at which elements certainly enter or leave stand
//! in a row, each with the number of elements around it. A removal lowers a range of it; those
//! that reach zero are found through minima over groups. Pushes and pops that wait for an
//! instant between their ends are found through the farthest ends in groups.
//!
//! **Exact** unless a value may have been pushed more than once or is nil or a list of two, or
//! pops of unknown outcome matter: a history is linearizable if it is without them, or if they
//! may have popped elements by one of a few guesses; it is violated if it would be even though
//! whatever nobody else popped was gone as soon as the first of them began. What is between
//! goes to the search.
//!
//! **Names**: those of [`container`](super::container), and "not-lifo" (none of a few elements
//! can have been below all the others).
//!
//! **Source**: bad patterns of stacks by Bouajjani, Emmi, Enea and Hamza, "On reducing
//! linearizability to state reachability", 2015; near-linear monitoring by Lee and Mathur,
//! "Efficient decrease-and-conquer linearizability monitoring", 2025.

use std::collections::VecDeque;

use super::container::alone::{inside, is_empty_wrong};
use super::container::{
    Container, Cover, Element, Elements, Filled, NOWHERE, Role, Settled, Words, narrow,
};
use super::exact::{Exact, Finding, Row};
use super::grouping::{Merged, high_half, low_half, pack};
use crate::calls::{Calls, NEVER, Rank};

/// How many elements a stuck core may have for it to be made smaller one by one.
const SHRUNK: usize = 48;

/// How many starts are tried to find a small core.
const STARTS: usize = 64;

/// Judges stacks: `push` and `pop`.
pub(super) struct Stacks {
    container: Container,
}

impl Stacks {
    pub(super) fn new(calls: &Calls) -> Self {
        Self {
            container: Container::new(calls, "push", "pop"),
        }
    }

    fn settle(&self, calls: &Calls, rows: &[Row<Role>]) -> Result<Settled<Fault>, Finding> {
        let elements = self.container.elements(calls, rows)?;
        let fault = |elements: &Elements| {
            if !elements.empties.is_empty()
                && let Some(empty) = elements.wrong_empty(rows, &elements.filled())
            {
                return Some(Fault::Empty(empty));
            }
            let mut peel = Peel::of(&elements.list);
            (!peel.run(|_, _| ())).then_some(Fault::Stuck)
        };
        // The last to come goes first.
        let newest = |elements: &Elements, element: u32| {
            u64::from(NEVER - elements.list[element as usize].put_ends)
        };
        Ok(elements.settle(rows, fault, newest))
    }
}

/// What is wrong.
enum Fault {
    /// This row found nothing.
    Empty(u32),
    /// Some elements cannot be taken away from the bottom.
    Stuck,
}

impl Exact for Stacks {
    type Role = Role;

    fn row(&self, calls: &Calls, call: u32) -> Result<Option<Row<Role>>, String> {
        self.container.row(calls, call)
    }

    /// **Cost**: O(n log n); 36 bytes a call.
    fn judge_alone(&self, calls: &Calls) -> Option<Finding> {
        let mut alone = self.container.alone(calls)?;
        let (power, empties) = (alone.power, alone.empties());
        if !empties.is_empty() && is_empty_wrong(Merged::of(&alone.keys(inside)?), &empties) {
            return None;
        }
        let pushes = alone.keys(|number, element| {
            let is_inside = element.is_inside();
            is_inside.then(|| pack(element.put_ends, number << 1))
        });
        let mut lists = pushes?;
        let pops = alone.takes(calls, &self.container);
        let list = alone.list()?;
        let is_inside = |pop: &u64| list[low_half(*pop) as usize].is_inside();
        let pops = pops.into_iter().filter(is_inside);
        lists.push(
            pops.map(|pop| pack(high_half(pop), low_half(pop) << 1 | 1))
                .collect(),
        );
        let mut merged = Merged::of(&lists);
        let mut points = Vec::with_capacity(lists.iter().map(Vec::len).sum());
        points.extend(std::iter::from_fn(|| merged.next_if(|_| true)));
        drop(lists);
        let mut peel = Peel::with(&list, points);
        drop(list);
        peel.run(|_, _| ())
            .then_some(Finding::Linearizable { power })
    }

    /// **Cost**: O(n log n); 34 bytes a call, more if pops of unknown outcome matter.
    fn judge(&self, calls: &Calls, rows: &[Row<Role>]) -> Finding {
        let settled = match self.settle(calls, rows) {
            Ok(settled) => settled,
            Err(finding) => return finding,
        };
        let told = Words { calls, rows };
        settled.finding(|elements, fault| match fault {
            Fault::Empty(empty) => elements.tell_empty(&told, empty),
            Fault::Stuck => tell_stuck(elements, &told),
        })
    }

    /// **Cost**: O(n log n).
    fn order(&self, calls: &Calls, rows: &[Row<Role>]) -> Option<Vec<u32>> {
        let Settled::Fine(elements) = self.settle(calls, rows).ok()? else {
            return None;
        };
        Some(scheduled(&elements, rows))
    }
}

/// At each instant first pops, the innermost first; then nothing is found; then what is pushed
/// and popped at this very instant; then pushes, the outermost first.
///
/// An element is pushed at the last free instant and popped at the first one, so that it lies
/// across the push or pop of none that was taken away before it.
fn scheduled(elements: &Elements, rows: &[Row<Role>]) -> Vec<u32> {
    let list = &elements.list;
    let mut events: Vec<(Rank, u8, usize, u32)> = Vec::with_capacity(rows.len());
    let filled = if elements.empties.is_empty() {
        Filled::default()
    } else {
        elements.filled()
    };
    for &empty in &elements.empties {
        events.push((filled.first_gap(rows[empty as usize].begins), 1, 0, empty));
    }
    for (number, element) in list.iter().enumerate() {
        if !element.is_inside() {
            let at = element.put_begins.max(element.take_begins);
            events.push((at, 2, number * 2, element.put));
            events.push((at, 2, number * 2 + 1, element.take));
        }
    }
    let mut peel = Peel::of(list);
    let owners = peel.owners(list);
    let mut removed: Vec<(u32, Rank, Rank)> = Vec::with_capacity(peel.count);
    peel.run(|peel, push| {
        let pushed = peel.free.last(push).expect("it was found free");
        let popped = match peel.mate[push as usize] {
            NOWHERE => None,
            pop => peel.free.first(pop),
        };
        let rank = |place: u32| peel.ranks[place as usize];
        removed.push((
            owners[push as usize],
            rank(pushed),
            popped.map_or(NEVER, rank),
        ));
    });
    for (depth, &(number, pushed, popped)) in removed.iter().enumerate() {
        let element = &list[number as usize];
        events.push((pushed, 3, depth, element.put));
        if popped != NEVER {
            events.push((popped, 0, usize::MAX - depth, element.take));
        }
    }
    events.sort_unstable();
    let call = |(_, _, _, row)| rows[row as usize].call;
    events.into_iter().map(call).collect()
}

/// The elements of a stack that are certainly inside for a while, being peeled.
///
/// A **place** stands for the end of a push or the start of a pop, in the order of these times.
struct Peel {
    /// The time of each place.
    ranks: Vec<Rank>,
    /// The place of the same element's pop or push; [`NOWHERE`] if it is never popped.
    mate: Vec<u32>,
    /// How many elements are certainly inside.
    depth: Depth,
    /// By the place where a push was over: the first place since it began; [`NOWHERE`] once one
    /// of these is free.
    pushes: Farthest,
    /// By the place where a pop began: all ones less the last place until it was over;
    /// [`NOWHERE`] once one of these is free.
    pops: Farthest,
    /// The places around which nothing is left.
    free: Places,
    /// How many elements there are.
    count: usize,
    /// Elements that can be taken away, by the places of their pushes.
    ready: VecDeque<u32>,
}

impl Peel {
    fn of(list: &[Element]) -> Self {
        let mut points = points(list);
        points.sort_unstable();
        Self::with(list, points)
    }

    /// Given the sorted [points](points) of the list.
    fn with(list: &[Element], points: Vec<u64>) -> Self {
        let ranks: Vec<Rank> = points.iter().map(|&point| halves(point).0).collect();
        // By element: the places of its push and its pop.
        let mut places = vec![[NOWHERE; 2]; list.len()];
        for (place, &point) in points.iter().enumerate() {
            let (element, is_pop) = decoded(point);
            places[element as usize][usize::from(is_pop)] = narrow(place);
        }
        drop(points);
        let mut mate = vec![NOWHERE; ranks.len()];
        let mut change = vec![0_u32; ranks.len() + 1];
        let mut pushes = vec![NOWHERE; ranks.len()];
        let mut pops = vec![NOWHERE; ranks.len()];
        let mut count = 0;
        let mut began = 0;
        for (element, &[push, pop]) in list.iter().zip(&places) {
            if push == NOWHERE {
                continue;
            }
            count += 1;
            // The starts of pushes only rise.
            while ranks[began] < element.put_begins {
                began += 1;
            }
            pushes[push as usize] = narrow(began);
            let (from, to) = around(&ranks, push, pop);
            change[from] = change[from].wrapping_add(1);
            change[to] = change[to].wrapping_sub(1);
            if pop == NOWHERE {
                continue;
            }
            mate[push as usize] = pop;
            mate[pop as usize] = push;
            if element.take_ends != NEVER {
                let last = after(&ranks, pop as usize, element.take_ends) - 1;
                pops[pop as usize] = !narrow(last);
            }
        }
        drop(places);
        let mut sum = 0_u32;
        for change in &mut change {
            sum = sum.wrapping_add(*change);
            *change = sum;
        }
        change.pop();
        Self {
            free: Places::none(ranks.len()),
            depth: Depth::of(change),
            pushes: Farthest::of(pushes),
            pops: Farthest::of(pops),
            ranks,
            mate,
            count,
            ready: VecDeque::new(),
        }
    }

    /// By place: the element.
    fn owners(&self, list: &[Element]) -> Vec<u32> {
        let mut points = points(list);
        points.sort_unstable();
        points.into_iter().map(|point| decoded(point).0).collect()
    }

    /// Takes away what can be; whether that is everything. Each is told before it goes, by the
    /// place of its push.
    fn run(&mut self, mut told: impl FnMut(&Self, u32)) -> bool {
        let mut left = self.count;
        let mut freed = Vec::new();
        loop {
            self.depth.take_zeros(&mut freed);
            for &place in &freed {
                self.free.add(place);
            }
            for place in freed.drain(..) {
                self.set_free(place);
            }
            let mut is_done = true;
            while let Some(push) = self.ready.pop_front() {
                is_done = false;
                told(self, push);
                left -= 1;
                let (from, to) = around(&self.ranks, push, self.mate[push as usize]);
                self.depth.lower(from, to);
            }
            if is_done {
                return left == 0;
            }
        }
    }

    /// Finds the pushes and pops that wait for this place.
    fn set_free(&mut self, place: u32) {
        while let Some(push) = self.pushes.first_within(place, place) {
            self.pushes.clear(push);
            let pop = self.mate[push as usize];
            if pop == NOWHERE || self.pops.leaf(pop) == NOWHERE {
                self.ready.push_back(push);
            }
        }
        while let Some(pop) = self.pops.last_within(place, !place) {
            self.pops.clear(pop);
            let push = self.mate[pop as usize];
            if self.pushes.leaf(push) == NOWHERE {
                self.ready.push_back(push);
            }
        }
    }
}

/// The ends of pushes and the starts of pops of all that were certainly inside.
fn points(list: &[Element]) -> Vec<u64> {
    let inside = || list.iter().filter(|element| element.is_inside());
    let mut points = Vec::with_capacity(inside().count() * 2);
    for (number, element) in list.iter().enumerate() {
        if element.is_inside() {
            let number = (number as u64) << 1;
            points.push(u64::from(element.put_ends) << 32 | number);
            if element.take_begins != NEVER {
                points.push(u64::from(element.take_begins) << 32 | number | 1);
            }
        }
    }
    points
}

fn decoded(point: u64) -> (u32, bool) {
    (halves(point).1 >> 1, point & 1 == 1)
}

fn halves(point: u64) -> (u32, u32) {
    let half = |number| u32::try_from(number).expect("it is a half");
    (half(point >> 32), half(point & u64::from(u32::MAX)))
}

/// The places strictly between a push and a pop: where the element is certainly inside.
fn around(ranks: &[Rank], push: u32, pop: u32) -> (usize, usize) {
    let from = after(ranks, push as usize, ranks[push as usize]);
    let to = match pop {
        NOWHERE => ranks.len(),
        pop => {
            let at = ranks[pop as usize];
            // Backwards, over those at the same time: usually none.
            let mut reach = 1;
            while reach <= pop as usize && ranks[pop as usize - reach] == at {
                reach *= 2;
            }
            let from = (pop as usize).saturating_sub(reach);
            from + ranks[from..=pop as usize].partition_point(|&rank| rank < at)
        }
    };
    (from, to)
}

/// The first place from this one on that is later than a time: usually not far.
fn after(ranks: &[Rank], from: usize, time: Rank) -> usize {
    let mut reach = 1;
    while from + reach < ranks.len() && ranks[from + reach] <= time {
        reach *= 2;
    }
    let to = ranks.len().min(from + reach + 1);
    from + ranks[from..to].partition_point(|&rank| rank <= time)
}

/// Groups of so many have their extremes noted, and so do groups of groups.
const GROUP: usize = 32;

/// How many elements are around each place. A level tells of each group its minimum, and each
/// number is by how much it is above the minimum of its group; on top are true numbers.
struct Depth {
    levels: Vec<Vec<u32>>,
}

/// The depth of a place that was found free.
const FOUND: u32 = 1 << 30;

impl Depth {
    fn of(depths: Vec<u32>) -> Self {
        let mut levels = vec![depths];
        while levels.last().is_some_and(|top| top.len() > GROUP) {
            let top = levels.last_mut().expect("there is a level");
            let minima = top
                .chunks_mut(GROUP)
                .map(|group| {
                    let minimum = group.iter().copied().min().unwrap_or(0);
                    group.iter_mut().for_each(|depth| *depth -= minimum);
                    minimum
                })
                .collect();
            levels.push(minima);
        }
        Self { levels }
    }

    /// Takes one away from all in a range.
    fn lower(&mut self, from: usize, to: usize) {
        let (mut from, mut to) = (from, to);
        for level in 0..self.levels.len() {
            if from >= to {
                return;
            }
            if level + 1 == self.levels.len() {
                for depth in &mut self.levels[level][from..to] {
                    *depth = depth.wrapping_sub(1);
                }
                return;
            }
            let (first, last) = (from / GROUP, (to - 1) / GROUP);
            if first == last {
                self.lower_in(level, first, from, to);
                return;
            }
            if from % GROUP != 0 {
                self.lower_in(level, first, from, (first + 1) * GROUP);
                from = (first + 1) * GROUP;
            }
            if to % GROUP != 0 {
                self.lower_in(level, last, last * GROUP, to);
                to = last * GROUP;
            }
            (from, to) = (from / GROUP, to / GROUP);
        }
    }

    /// Takes one away from some of one group.
    fn lower_in(&mut self, level: usize, group: usize, from: usize, to: usize) {
        for depth in &mut self.levels[level][from..to] {
            *depth = depth.wrapping_sub(1);
        }
        self.settle(level, group);
    }

    /// Moves the minimum of a group up.
    fn settle(&mut self, level: usize, group: usize) {
        let (mut level, mut group) = (level, group);
        while level + 1 < self.levels.len() {
            let len = self.levels[level].len();
            let members = &mut self.levels[level][group * GROUP..len.min((group + 1) * GROUP)];
            // It may be one below zero.
            let minimum = members
                .iter()
                .map(|&depth| depth.cast_signed())
                .min()
                .unwrap_or(0);
            if minimum == 0 {
                return;
            }
            for depth in members {
                *depth = depth.wrapping_sub(minimum.cast_unsigned());
            }
            let above = &mut self.levels[level + 1][group];
            *above = above.wrapping_add(minimum.cast_unsigned());
            (level, group) = (level + 1, group / GROUP);
        }
    }

    /// The places that have come down to zero, each once.
    fn take_zeros(&mut self, zeros: &mut Vec<u32>) {
        let top = self.levels.len() - 1;
        for at in 0..self.levels[top].len() {
            if self.levels[top][at] == 0 {
                self.take_below(top, at, zeros);
            }
        }
    }

    fn take_below(&mut self, level: usize, at: usize, zeros: &mut Vec<u32>) {
        if level == 0 {
            self.levels[0][at] = FOUND;
            zeros.push(narrow(at));
            return;
        }
        let below = at * GROUP..self.levels[level - 1].len().min((at + 1) * GROUP);
        for member in below.clone() {
            if self.levels[level - 1][member] == 0 {
                self.take_below(level - 1, member, zeros);
            }
        }
        let members = &mut self.levels[level - 1][below];
        let minimum = members.iter().copied().min().unwrap_or(0);
        members.iter_mut().for_each(|depth| *depth -= minimum);
        self.levels[level][at] += minimum;
    }
}

/// The least number of every group, and of groups of groups.
struct Farthest {
    levels: Vec<Vec<u32>>,
}

impl Farthest {
    fn of(leaves: Vec<u32>) -> Self {
        let mut levels = vec![leaves];
        while levels.last().is_some_and(|top| top.len() > GROUP) {
            let top = levels.last().expect("there is a level").chunks(GROUP);
            levels.push(top.map(least).collect());
        }
        Self { levels }
    }

    fn leaf(&self, place: u32) -> u32 {
        self.levels[0][place as usize]
    }

    /// Raises a number above all.
    fn clear(&mut self, place: u32) {
        let mut at = place as usize;
        self.levels[0][at] = NOWHERE;
        for level in 1..self.levels.len() {
            at /= GROUP;
            let below = &self.levels[level - 1];
            let now = least(&below[at * GROUP..below.len().min((at + 1) * GROUP)]);
            if self.levels[level][at] == now {
                return;
            }
            self.levels[level][at] = now;
        }
    }

    /// The first from this place on with a number no greater than the bound.
    fn first_within(&self, from: u32, bound: u32) -> Option<u32> {
        let mut at = from as usize;
        for level in 0..self.levels.len() {
            let numbers = &self.levels[level];
            let end = if level + 1 == self.levels.len() {
                numbers.len()
            } else {
                numbers.len().min((at / GROUP + 1) * GROUP)
            };
            let found = (at..end).find(|&at| numbers[at] <= bound && bound != NOWHERE);
            if let Some(mut found) = found {
                for below in self.levels[..level].iter().rev() {
                    let end = below.len().min((found + 1) * GROUP);
                    found = (found * GROUP..end).find(|&at| below[at] <= bound)?;
                }
                return Some(narrow(found));
            }
            at = at / GROUP + 1;
        }
        None
    }

    /// The last up to this place with a number no greater than the bound.
    fn last_within(&self, to: u32, bound: u32) -> Option<u32> {
        // One past the last that is left.
        let mut end = to as usize + 1;
        for level in 0..self.levels.len() {
            let numbers = &self.levels[level];
            let start = if level + 1 == self.levels.len() {
                0
            } else {
                end.saturating_sub(1) / GROUP * GROUP
            };
            let found = (start..end)
                .rev()
                .find(|&at| numbers[at] <= bound && bound != NOWHERE);
            if let Some(mut found) = found {
                for below in self.levels[..level].iter().rev() {
                    let end = below.len().min((found + 1) * GROUP);
                    let inside = found * GROUP..end;
                    found = inside.rev().find(|&at| below[at] <= bound)?;
                }
                return Some(narrow(found));
            }
            end = start / GROUP;
            if end == 0 {
                return None;
            }
        }
        None
    }
}

fn least(numbers: &[u32]) -> u32 {
    numbers.iter().copied().min().unwrap_or(NOWHERE)
}

/// A set of places, with the next and the last before.
struct Places {
    levels: Vec<Vec<u64>>,
}

impl Places {
    fn none(count: usize) -> Self {
        let mut levels = vec![vec![0; count / 64 + 1]];
        while levels.last().is_some_and(|top| top.len() > 1) {
            let len = levels.last().map_or(0, Vec::len);
            levels.push(vec![0; len.div_ceil(64)]);
        }
        Self { levels }
    }

    fn add(&mut self, place: u32) {
        let mut at = place as usize;
        for level in &mut self.levels {
            level[at / 64] |= 1 << (at % 64);
            at /= 64;
        }
    }

    /// The first from this place on.
    fn first(&self, from: u32) -> Option<u32> {
        let mut at = from as usize;
        for (level, words) in self.levels.iter().enumerate() {
            let word = words.get(at / 64)? & (u64::MAX << (at % 64));
            if word != 0 {
                let mut found = at / 64 * 64 + word.trailing_zeros() as usize;
                for below in self.levels[..level].iter().rev() {
                    found = found * 64 + below[found].trailing_zeros() as usize;
                }
                return Some(narrow(found));
            }
            at = at / 64 + 1;
        }
        None
    }

    /// The last up to this place.
    fn last(&self, to: u32) -> Option<u32> {
        let mut at = to as usize;
        for (level, words) in self.levels.iter().enumerate() {
            let word = words[at / 64] & (u64::MAX >> (63 - at % 64));
            if word != 0 {
                let mut found = at / 64 * 64 + 63 - word.leading_zeros() as usize;
                for below in self.levels[..level].iter().rev() {
                    found = found * 64 + 63 - below[found].leading_zeros() as usize;
                }
                return Some(narrow(found));
            }
            at = (at / 64).checked_sub(1)?;
        }
        None
    }
}

/// Some elements of which none can lie below the others.
fn tell_stuck(elements: &Elements, told: &Words<'_>) -> Finding {
    let list = &elements.list;
    let core = core(list);
    let rows = elements.rows_of(&core);
    let of = told.list(
        core.iter().map(|&element| list[element as usize].put),
        "and",
    );
    let conclusion = format!(
        "none of {of} can have lain below the others: of each, one of the others was certainly \
         inside all the while it was pushed, or all the while it was popped."
    );
    told.violated("not-lifo", &rows, conclusion)
}

fn core(list: &[Element]) -> Vec<u32> {
    let mut peel = Peel::of(list);
    let owners = peel.owners(list);
    let mut is_left: Vec<bool> = list.iter().map(Element::is_inside).collect();
    peel.run(|_, push| is_left[owners[push as usize] as usize] = false);
    let left = |element: &u32| is_left[*element as usize];
    let stuck: Vec<u32> = (0..narrow(list.len())).filter(left).collect();
    let cover = Cover::of(list, &stuck);
    // Whatever is stuck is so because of a few others, which are stuck because of a few others.
    let mut smallest: Option<Vec<u32>> = None;
    let stride = (stuck.len() / STARTS).max(1);
    for &start in stuck.iter().step_by(stride) {
        let limit = smallest.as_ref().map_or(usize::MAX, Vec::len);
        smallest = closed(list, &cover, start, limit).or(smallest);
    }
    let mut core = smallest.unwrap_or(stuck);
    if core.len() <= SHRUNK {
        let mut at = 0;
        while at < core.len() {
            let mut fewer = core.clone();
            fewer.remove(at);
            if is_stuck(list, &fewer) {
                core = fewer;
            } else {
                at += 1;
            }
        }
    }
    core
}

/// Elements that keep each other and the first one stuck, if they are fewer than the limit.
fn closed(list: &[Element], cover: &Cover<'_>, start: u32, limit: usize) -> Option<Vec<u32>> {
    let mut core = vec![start];
    let mut is_in = std::collections::HashSet::from([start]);
    let mut next = 0;
    while let Some(&element) = core.get(next) {
        next += 1;
        let element = &list[element as usize];
        let popped = cover.chain(element.take_begins, element.take_ends);
        let popped = popped.filter(|_| element.take_ends != NEVER);
        let pushed = cover.chain(element.put_begins, element.put_ends);
        // The fewer, the better.
        let around = match (pushed, popped) {
            (Some(pushed), Some(popped)) if popped.len() < pushed.len() => popped,
            (Some(pushed), _) => pushed,
            (None, popped) => popped?,
        };
        core.extend(around.into_iter().filter(|&other| is_in.insert(other)));
        if core.len() >= limit {
            return None;
        }
    }
    core.sort_unstable();
    Some(core)
}

fn is_stuck(list: &[Element], some: &[u32]) -> bool {
    let some: Vec<Element> = some.iter().map(|&element| list[element as usize]).collect();
    !Peel::of(&some).run(|_, _| ())
}

#[cfg(test)]
mod tests {
    use super::super::exact_tests::{Kept, compare, compare_large, precedes, seeds};
    use super::*;
    use crate::model::Stack;

    const KEPT: Kept = Kept {
        put: "push",
        take: "pop",
        next: |inside, _| inside.len() - 1,
        branches: false,
    };

    #[test]
    fn small_stacks_agree_with_brute_force() {
        let seeds = seeds(100_000);
        let compared = compare(KEPT, Stacks::new, &Stack::default(), seeds);
        assert!(compared.valid > seeds / 6, "{compared:?}");
        assert!(compared.invalid > seeds / 6, "{compared:?}");
        assert!(compared.open < seeds / 20, "{compared:?}");
    }

    #[test]
    fn large_stacks_are_judged_and_ordered() {
        compare_large(
            KEPT,
            Stacks::new,
            &Stack::default(),
            |[a, a_out, b, b_out]| precedes(a, b) && precedes(b, a_out) && precedes(a_out, b_out),
        );
    }
}
