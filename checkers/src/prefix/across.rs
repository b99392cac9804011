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

use super::graph::NOBODY;
use crate::Budget;
use crate::by_key::narrow;
use crate::calls::{Calls, NEVER, Rank};
use crate::history::Kind;
use crate::stale::kinds::Functions;
use crate::stale::register::{Register, new_value};

/// A write, or a read of a node that is known.
#[derive(Clone, Copy, Debug)]
pub(super) struct Item {
    pub(super) call: u32,
    pub(super) block: u32,
    /// When it was over: a write when it had certainly taken effect.
    pub(super) end: Rank,
    /// Zero for real time, else one more than the node.
    pub(super) line: u16,
}

/// The same, among those of one register on one line.
#[derive(Clone, Copy, Debug)]
struct Own {
    begin: Rank,
    end: Rank,
    block: u32,
}

/// The blocks of all registers. Values that were seen before anybody had begun to write them are
/// another checker's to tell, and are left out.
pub(super) struct Across {
    lines: usize,
    /// In the order of their starts, once it is [sorted](Self::sort).
    pub(super) items: Vec<Item>,
    /// By block: its register, and the block of what a compare-and-set made it of.
    registers: Vec<u32>,
    pub(super) made_of: Vec<u32>,
    /// By register: the block of the initial value.
    initial: Vec<u32>,
    /// By register and line: where its items stand, and these, by their ends.
    starts: Vec<u32>,
    own: Vec<Own>,
    /// How many items are reads.
    pub(super) reads: usize,
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Nothing must come before itself.
    Fits,
    /// This item must.
    Broken(u32),
    /// The budget was spent.
    Spent,
}

impl Across {
    pub(super) fn new(nodes: usize) -> Self {
        Self {
            lines: nodes + 1,
            items: Vec::new(),
            registers: Vec::new(),
            made_of: Vec::new(),
            initial: Vec::new(),
            starts: vec![0],
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
        let from = self.items.len();
        let count = self.registers.len() + register.versions.len();
        self.registers.resize(count, narrow(self.initial.len()));
        self.made_of.resize(count, NOBODY);
        self.initial.push(base);
        let fine = |place: usize| {
            let version = &register.versions[place];
            (version.a <= version.f).then(|| base + narrow(place))
        };
        for (place, version) in register.versions.iter().enumerate().skip(1) {
            if let Some(block) = fine(place) {
                self.items.push(Item {
                    call: version.writer,
                    block,
                    end: version.f,
                    line: 0,
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
                if let Some(node) = calls.node(call)
                    && let Some(block) = block(calls.result(call))
                {
                    self.reads += 1;
                    self.items.push(Item {
                        call,
                        block,
                        end: calls.ends[at],
                        line: node + 1,
                    });
                }
            } else if calls.f[at] == functions.cas
                && let Some(old) = block(calls.argument[at])
                && let Some(new) = block(new_value(calls, call))
            {
                self.made_of[new as usize] = old;
            }
        }
        let items = &mut self.items[from..];
        items.sort_unstable_by_key(|item| (item.line, item.end));
        let mut items = items.iter().peekable();
        for line in 0..self.lines {
            while let Some(item) = items.next_if(|item| usize::from(item.line) == line) {
                if item.end != NEVER {
                    self.own.push(Own {
                        begin: calls.begins[item.call as usize],
                        end: item.end,
                        block: item.block,
                    });
                }
            }
            self.starts.push(narrow(self.own.len()));
        }
    }

    /// Puts the items of all registers in the order of their starts.
    pub(super) fn sort(&mut self) {
        self.items.sort_unstable_by_key(|item| item.call);
    }

    /// The items that are over some time, in the order of their ends.
    pub(super) fn stops(&self) -> Vec<u32> {
        let items = &self.items;
        let over = |at: &u32| items[*at as usize].end != NEVER;
        let mut stops: Vec<u32> = (0..narrow(items.len())).filter(over).collect();
        stops.sort_unstable_by_key(|&at| items[at as usize].end);
        stops
    }

    pub(super) fn blocks(&self) -> usize {
        self.registers.len()
    }

    /// The block of the initial value of a block's register.
    pub(super) fn initial_of(&self, block: u32) -> u32 {
        self.initial[self.registers[block as usize] as usize]
    }

    /// Looks for something that must come before itself. `note` is told, before what follows from
    /// it, which block must come before which other of its register, as far as clocks tell it;
    /// some of them several times.
    ///
    /// **Cost**: for each pass through time O(n l) with l nodes, and O(log n) a write and node;
    /// mostly a handful of passes. Some 40 bytes an item, and 8 a write and node.
    pub(super) fn judge(
        &self,
        calls: &Calls,
        budget: &Budget,
        note: impl FnMut(u32, u32),
    ) -> Outcome {
        let stops = self.stops();
        let mut passing = Passing {
            across: self,
            calls,
            at: vec![0; self.blocks() * self.lines],
            over: vec![0; self.blocks() * self.lines],
            note,
        };
        loop {
            if budget.is_spent() {
                return Outcome::Spent;
            }
            match passing.pass(&stops) {
                Ok(true) => {}
                Ok(false) => return Outcome::Fits,
                Err(item) => return Outcome::Broken(item),
            }
        }
    }

    /// What is over on a line of a block's register by a moment.
    fn over_by(&self, block: u32, line: usize, moment: Rank) -> &[Own] {
        let place = self.registers[block as usize] as usize * self.lines + line;
        let own = &self.own[self.starts[place] as usize..self.starts[place + 1] as usize];
        &own[..own.partition_point(|own| own.end <= moment)]
    }
}

/// Clocks while they grow.
struct Passing<'a, N> {
    across: &'a Across,
    calls: &'a Calls,
    /// By block: the clock of its write, and of when all of it is over.
    at: Vec<Rank>,
    over: Vec<Rank>,
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
    /// Once through time: whether some clock changed, or what must come before itself.
    fn pass(&mut self, stops: &[u32]) -> Result<bool, u32> {
        let Across { lines, items, .. } = self.across;
        let lines = *lines;
        // By line: the clock of what is over on it.
        let mut running = vec![0; lines * lines];
        let mut clock = vec![0; lines];
        let mut open = Open::default();
        let mut slots = vec![0_u32; items.len()];
        let mut over = 0;
        let mut changed = false;
        for (at, item) in items.iter().enumerate() {
            let begin = self.calls.begins[item.call as usize];
            while let Some(&stop) = stops.get(over)
                && items[stop as usize].end < begin
            {
                let (slot, ended) = (slots[stop as usize], &items[stop as usize]);
                let line = usize::from(ended.line);
                let own = &mut running[line * lines..][..lines];
                join(own, &open.words[slot as usize * lines..][..lines]);
                own[line] = ended.end;
                open.free.push(slot);
                over += 1;
            }
            let line = usize::from(item.line);
            let block = item.block as usize * lines..(item.block as usize + 1) * lines;
            clock.copy_from_slice(&self.at[block.clone()]);
            join(&mut clock, &running[line * lines..][..lines]);
            if line == 0 {
                self.blocks_before(item.block, &mut clock);
                changed |= join(&mut self.at[block.clone()], &clock);
            }
            changed |= join(&mut self.over[block], &clock);
            if clock[line] >= item.end {
                return Err(narrow(at));
            }
            if item.end != NEVER {
                slots[at] = open.put(&clock);
            }
        }
        Ok(changed)
    }

    /// Adds what must come before a write because it must before other blocks of its register that must come
    /// before this one.
    fn blocks_before(&mut self, block: u32, clock: &mut [Rank]) {
        let across = self.across;
        let lines = across.lines;
        let of = |block: u32| block as usize * lines..(block as usize + 1) * lines;
        join(clock, &self.over[of(across.initial_of(block))]);
        let found = across.made_of[block as usize];
        if found != NOBODY {
            join(clock, &self.over[of(found)]);
        }
        for line in 0..lines {
            let moment = self.over[of(block)][line];
            // What was over before another block's item began tells nothing that its block does
            // not know.
            let mut floor = 0;
            for own in across.over_by(block, line, moment).iter().rev() {
                if own.end < floor {
                    break;
                }
                if own.block != block {
                    floor = floor.max(own.begin);
                    if join(clock, &self.over[of(own.block)]) {
                        (self.note)(own.block, block);
                    }
                }
            }
        }
    }
}
