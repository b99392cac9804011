//! One order of the writes to all registers.
//!
//! A **block** is a write and the reads that returned its value; the initial value of a register
//! has one without a write. In an order that every node follows a read stands where the node's
//! prefix ended, so between the write of what it returned and the next write to the register. Of
//! two blocks of one register all of the one then comes before all of the other: as soon as
//! anything of the one must come before anything of the other.
//!
//! Beyond that, these must come one before the other: a write before the reads of its value; what
//! had certainly taken effect before a write that began then, on the **line** of real time; a read
//! before a read of the same node that began when it was over, on the line of the node; the initial
//! value before all others, and what a compare-and-set found before what it made.
//!
//! All but the first concerns lines. So what must come before something is told by a **clock**: for
//! each line the latest moment up to which all that was over on it must. Clocks are followed through
//! time again and again until none changes; something that must come before itself refutes every
//! order. What is left open is which of two blocks comes first that nothing puts in order, and
//! whether all such choices can be made at once.
//!
//! **Source**: the closure is that of Gibbons and Korach, "Testing shared memories", 1997, for
//! reads with known writes, where nodes take the place of processes.

use super::followed::{Not, is_followed};
use super::graph::NOBODY;
use crate::Budget;
use crate::by_key::narrow;
use crate::calls::{Calls, NEVER, Rank};
use crate::hash::Table;
use crate::history::Kind;
use crate::stale::kinds::Functions;
use crate::stale::register::{Register, new_value};

/// A write, or a read of a node that is known: its call, and its block, with a mark if it is the
/// write.
#[derive(Clone, Copy, Debug)]
pub(super) struct Item {
    pub(super) call: u32,
    marked: u32,
}

const WRITE: u32 = 1 << 31;

/// How many items are looked at at most for the sake of choices, and as how many more each choice
/// counts.
const WORK: usize = 1 << 23;
const A_CHOICE: usize = 1 << 13;

/// How many bytes may be kept so that choices can be taken back.
const KEPT: usize = 1 << 25;

impl Item {
    pub(super) fn block(self) -> u32 {
        self.marked & !WRITE
    }

    pub(super) fn is_write(self) -> bool {
        self.marked & WRITE != 0
    }

    /// Zero for real time, else one more than the node.
    pub(super) fn line(self, calls: &Calls) -> usize {
        match calls.node(self.call) {
            Some(node) if !self.is_write() => usize::from(node) + 1,
            _ => 0,
        }
    }
}

/// The blocks of all registers. Values that were seen before anybody had begun to write them are
/// another checker's to tell, and are left out.
pub(super) struct Across {
    lines: usize,
    /// In the order of their starts, once it is [sorted](Self::sort).
    pub(super) items: Vec<Item>,
    /// By block: when its write had certainly taken effect, and its register.
    certain: Vec<Rank>,
    registers: Vec<u32>,
    /// By block: the block of what a compare-and-set made it of; no longer than it needs to be.
    made_of: Vec<u32>,
    /// By register: the block of the initial value.
    initial: Vec<u32>,
    /// The items that are over some time, in the order of their ends.
    pub(super) stops: Vec<u32>,
    /// By register and line: where its items stand, and these, by their ends.
    starts: Vec<u32>,
    own: Vec<u32>,
    /// How many items are reads.
    pub(super) reads: usize,
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// An order was built that every node follows.
    Fits,
    /// Nothing must come before itself, and the orders that were tried are not followed.
    Open,
    /// This item must.
    Broken(u32),
    /// The budget was spent.
    Spent,
}

impl Across {
    /// With room for so many calls: what grows leaves holes in memory.
    pub(super) fn new(nodes: usize, calls: usize) -> Self {
        Self {
            lines: nodes + 1,
            items: Vec::with_capacity(calls),
            certain: Vec::with_capacity(calls),
            registers: Vec::with_capacity(calls),
            made_of: Vec::new(),
            initial: Vec::new(),
            stops: Vec::new(),
            starts: Vec::new(),
            own: Vec::new(),
            reads: 0,
        }
    }

    /// Takes in a register that is loaded.
    pub(super) fn add(
        &mut self,
        calls: &Calls,
        functions: &Functions,
        register: &Register,
        of: &[u32],
    ) {
        let base = narrow(self.registers.len());
        let count = self.registers.len() + register.versions.len();
        assert!(count < WRITE as usize, "fewer than two billion values");
        let certain = register.versions.iter().map(|version| version.f);
        self.certain.extend(certain);
        self.registers.resize(count, narrow(self.initial.len()));
        self.initial.push(base);
        let fine = |place: usize| {
            let version = &register.versions[place];
            (version.a <= version.f).then(|| base + narrow(place))
        };
        for (place, version) in register.versions.iter().enumerate().skip(1) {
            if let Some(block) = fine(place) {
                self.items.push(Item {
                    call: version.writer,
                    marked: block | WRITE,
                });
            }
        }
        for &call in of {
            let at = call as usize;
            if calls.outcome[at] != Kind::Ok {
                continue;
            }
            let block = |value: u32| register.place(value).and_then(fine);
            if calls.f[at] == functions.read {
                if calls.node(call).is_some()
                    && let Some(marked) = block(calls.result(call))
                {
                    self.reads += 1;
                    self.items.push(Item { call, marked });
                }
            } else if calls.f[at] == functions.cas
                && let Some(old) = block(calls.argument[at])
                && let Some(new) = block(new_value(calls, call))
            {
                let enough = self.made_of.len().max(new as usize + 1);
                self.made_of.resize(enough, NOBODY);
                self.made_of[new as usize] = old;
            }
        }
    }

    /// Puts the items of all registers in the order of their starts, and sees which are over when.
    pub(super) fn sort(&mut self, calls: &Calls) {
        self.items.sort_unstable_by_key(|item| item.call);
        let end = |at: u32| self.end(calls, self.items[at as usize]);
        let all = 0..narrow(self.items.len());
        let mut stops: Vec<u32> = all.filter(|&at| end(at) != NEVER).collect();
        stops.sort_unstable_by_key(|&at| end(at));
        let place = |at: u32| {
            let item = self.items[at as usize];
            self.registers[item.block() as usize] as usize * self.lines + item.line(calls)
        };
        // Those of each register and line, which stand in the order of their ends then.
        let mut starts = vec![0; self.initial.len() * self.lines + 1];
        stops.iter().for_each(|&stop| starts[place(stop) + 1] += 1);
        for at in 1..starts.len() {
            starts[at] += starts[at - 1];
        }
        let (mut next, mut own) = (starts.clone(), vec![0; stops.len()]);
        for &stop in &stops {
            let next = &mut next[place(stop)];
            own[*next as usize] = stop;
            *next += 1;
        }
        (self.stops, self.starts, self.own) = (stops, starts, own);
    }

    /// When an item was over: a write when it had certainly taken effect.
    #[inline]
    pub(super) fn end(&self, calls: &Calls, item: Item) -> Rank {
        if item.is_write() {
            self.certain[item.block() as usize]
        } else {
            calls.ends[item.call as usize]
        }
    }

    pub(super) fn blocks(&self) -> usize {
        self.registers.len()
    }

    /// The register of a block, by place.
    pub(super) fn register_of(&self, block: u32) -> u32 {
        self.registers[block as usize]
    }

    /// How long a clock is: a moment for each line, and the latest start of a write among all that
    /// must come before.
    fn words(&self) -> usize {
        self.lines + 1
    }

    fn is_initial(&self, block: u32) -> bool {
        self.initial_of(block) == block
    }

    /// The block of the initial value of a register.
    pub(super) fn initial(&self, register: usize) -> u32 {
        self.initial[register]
    }

    /// The block of the initial value of a block's register.
    pub(super) fn initial_of(&self, block: u32) -> u32 {
        self.initial[self.registers[block as usize] as usize]
    }

    /// The block of what a compare-and-set made a block of; [`NOBODY`] if none did.
    pub(super) fn made_of(&self, block: u32) -> u32 {
        self.made_of.get(block as usize).copied().unwrap_or(NOBODY)
    }

    /// Looks for something that must come before itself. `note` is told, before what follows from
    /// it, which block must come before which other of its register, as far as clocks tell it;
    /// some of them several times.
    ///
    /// **Cost**: for each pass through time O(n l) with l nodes, and O(log n) a write and node;
    /// mostly a handful of passes. 16 bytes an item, 22 a write, and 8 a write and node.
    pub(super) fn judge(
        &self,
        calls: &Calls,
        budget: &Budget,
        note: impl FnMut(u32, u32),
    ) -> Outcome {
        let mut passing = Passing {
            across: self,
            calls,
            at: vec![0; self.blocks() * self.words()],
            over: vec![0; self.blocks() * self.words()],
            chosen: Table::default(),
            left: WORK,
            kept: 0,
            note,
        };
        if let Err(outcome) = passing.settle(budget) {
            return outcome;
        }
        match passing.choose(budget) {
            // Every choice contradicts another; which one to tell of is not known.
            Outcome::Broken(_) => Outcome::Open,
            outcome => outcome,
        }
    }

    /// What is over on a line of a block's register by a moment.
    fn over_by(&self, calls: &Calls, block: u32, line: usize, moment: Rank) -> &[u32] {
        let place = self.registers[block as usize] as usize * self.lines + line;
        let own = &self.own[self.starts[place] as usize..self.starts[place + 1] as usize];
        let end = |own: &u32| self.end(calls, self.items[*own as usize]);
        &own[..own.partition_point(|own| end(own) <= moment)]
    }
}

/// Clocks while they grow.
struct Passing<'a, N> {
    across: &'a Across,
    calls: &'a Calls,
    /// By block: the clock of its write, and of when all of it is over.
    at: Vec<Rank>,
    over: Vec<Rank>,
    /// By block: those that were chosen to come before it.
    chosen: Table<u32, Vec<u32>>,
    /// How many items may still be looked at for choices.
    left: usize,
    /// How many bytes are kept so that choices can be taken back.
    kept: usize,
    note: N,
}

/// The first clock knows what the other knows; whether it did not before.
#[inline]
fn join(into: &mut [Rank], other: &[Rank]) -> bool {
    let mut grew = false;
    for (own, &other) in into.iter_mut().zip(other) {
        grew |= other > *own;
        *own = (*own).max(other);
    }
    grew
}

/// Clocks of items that have begun and are not over.
#[derive(Default)]
struct Open {
    words: Vec<Rank>,
    free: Vec<u32>,
}

impl Open {
    fn put(&mut self, clock: &[Rank]) -> u32 {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.words.resize(self.words.len() + clock.len(), 0);
            narrow(self.words.len() / clock.len() - 1)
        });
        let from = slot as usize * clock.len();
        self.words[from..from + clock.len()].copy_from_slice(clock);
        slot
    }
}

impl<N: FnMut(u32, u32)> Passing<'_, N> {
    /// Follows the clocks until none changes.
    fn settle(&mut self, budget: &Budget) -> Result<(), Outcome> {
        loop {
            if budget.is_spent() {
                return Err(Outcome::Spent);
            }
            match self.pass() {
                Ok(true) => {}
                Ok(false) => return Ok(()),
                Err(item) => return Err(Outcome::Broken(item)),
            }
        }
    }

    /// Builds an order of what is settled. Where a node does not follow it, two blocks of a register
    /// stand in it as nothing asks for: they are tried so, and then the other way round.
    fn choose(&mut self, budget: &Budget) -> Outcome {
        let mut turned = Vec::new();
        let outcome = loop {
            let order = self.order();
            let (one, other) = match is_followed(self.calls, self.across, &order) {
                Ok(()) => break Outcome::Fits,
                Err(Not::Otherwise) => break Outcome::Open,
                Err(Not::Pair(one, other)) => (one, other),
            };
            let cost = self.across.items.len() + A_CHOICE;
            if self.left < cost {
                break Outcome::Open;
            }
            self.left -= cost;
            let bytes = size_of_val(&self.at[..]) + size_of_val(&self.over[..]);
            let saved = (self.kept + bytes <= KEPT).then(|| (self.at.clone(), self.over.clone()));
            self.kept += bytes;
            self.chosen.entry(other).or_default().push(one);
            let outcome = match self.settle(budget) {
                Ok(()) => self.choose(budget),
                Err(outcome) => outcome,
            };
            self.kept -= bytes;
            self.unchoose(other);
            if !matches!(outcome, Outcome::Broken(_)) {
                break outcome;
            }
            let Some(saved) = saved else {
                break Outcome::Open;
            };
            (self.at, self.over) = saved;
            self.chosen.entry(one).or_default().push(other);
            turned.push(one);
            if let Err(outcome) = self.settle(budget) {
                break outcome;
            }
        };
        turned.into_iter().for_each(|block| self.unchoose(block));
        outcome
    }

    fn unchoose(&mut self, block: u32) {
        if let Some(chosen) = self.chosen.get_mut(&block) {
            chosen.pop();
        }
    }

    /// Once through time: whether some clock changed, or what must come before itself.
    fn pass(&mut self) -> Result<bool, u32> {
        let Across { lines, items, .. } = self.across;
        let (lines, words) = (*lines, self.across.words());
        // By line: the clock of what is over on it.
        let mut running = vec![0; lines * words];
        let mut clock = vec![0; words];
        let mut open = Open::default();
        let mut slots: Table<u32, u32> = Table::default();
        let mut over = 0;
        let mut changed = false;
        for (at, item) in items.iter().enumerate() {
            let begin = self.calls.begins[item.call as usize];
            while let Some(&stop) = self.across.stops.get(over) {
                let ended = items[stop as usize];
                let end = self.across.end(self.calls, ended);
                if end >= begin {
                    break;
                }
                over += 1;
                let Some(slot) = slots.remove(&stop) else {
                    continue;
                };
                let line = ended.line(self.calls);
                let own = &mut running[line * words..][..words];
                join(own, &open.words[slot as usize * words..][..words]);
                own[line] = end;
                open.free.push(slot);
            }
            let line = item.line(self.calls);
            let place = item.block() as usize;
            let block = place * words..(place + 1) * words;
            clock.copy_from_slice(&self.at[block.clone()]);
            join(&mut clock, &running[line * words..][..words]);
            if line == 0 {
                self.blocks_before(item.block(), &mut clock);
                clock[lines] = clock[lines].max(begin);
                changed |= join(&mut self.at[block.clone()], &clock);
            }
            changed |= join(&mut self.over[block], &clock);
            let end = self.across.end(self.calls, *item);
            if clock[line] >= end {
                return Err(narrow(at));
            }
            if end != NEVER {
                slots.insert(narrow(at), open.put(&clock));
            }
        }
        Ok(changed)
    }

    /// The blocks with a write, in the order of their starts, but none before what must come before
    /// it. That has a clock that knows less, or as much: then what was chosen is followed. What
    /// nobody saw and may not have happened is left out.
    fn order(&self) -> Vec<u32> {
        let items = &self.across.items;
        let is_due =
            |item: &Item| item.is_write() && self.across.certain[item.block() as usize] != NEVER;
        let all = 0..narrow(items.len());
        let mut order: Vec<u32> = all.filter(|&at| is_due(&items[at as usize])).collect();
        let known = |block: u32| {
            let (lines, words) = (self.across.lines, self.across.words());
            let clock = &self.at[block as usize * words..][..words];
            let sum = clock.iter().map(|rank| u64::from(*rank)).sum::<u64>();
            (clock[lines], sum)
        };
        let block = |at: u32| items[at as usize].block();
        // They stand in the order of their starts.
        order.sort_unstable_by_key(|&at| (known(block(at)), at));
        order.iter_mut().for_each(|at| *at = block(*at));
        if self.chosen.is_empty() {
            return order;
        }
        let mut placed: Table<u32, ()> = Table::default();
        let mut waiting: Table<u32, Vec<u32>> = Table::default();
        let mut chosen = Vec::with_capacity(order.len());
        for block in order {
            let mut due = vec![block];
            while let Some(block) = due.pop() {
                let before = self.chosen.get(&block).into_iter().flatten();
                let mut before = before.filter(|&&one| !self.across.is_initial(one));
                if let Some(&one) = before.find(|one| !placed.contains_key(*one)) {
                    waiting.entry(one).or_default().push(block);
                    continue;
                }
                placed.insert(block, ());
                chosen.push(block);
                due.extend(waiting.remove(&block).into_iter().flatten());
            }
        }
        chosen
    }

    /// Adds what must come before a write because it must before other blocks of its register that must come
    /// before this one.
    fn blocks_before(&mut self, block: u32, clock: &mut [Rank]) {
        let across = self.across;
        let lines = across.lines;
        let words = across.words();
        let of = |block: u32| block as usize * words..(block as usize + 1) * words;
        join(clock, &self.over[of(across.initial_of(block))]);
        let found = across.made_of(block);
        if found != NOBODY {
            join(clock, &self.over[of(found)]);
        }
        for &chosen in self.chosen.get(&block).into_iter().flatten() {
            join(clock, &self.over[of(chosen)]);
        }
        for line in 0..lines {
            let moment = self.over[of(block)][line];
            // What was over before another block's item began tells nothing that its block does
            // not know.
            let mut floor = 0;
            for own in across.over_by(self.calls, block, line, moment).iter().rev() {
                let own = across.items[*own as usize];
                if across.end(self.calls, own) < floor {
                    break;
                }
                let other = own.block();
                if other != block {
                    floor = floor.max(self.calls.begins[own.call as usize]);
                    if join(clock, &self.over[of(other)]) {
                        (self.note)(other, block);
                    }
                }
            }
        }
    }
}
