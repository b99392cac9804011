//! Many registers with unique values, by the block theorem, on columns.
//!
//! The theorem and its proof stand in [`register`](super::register), which also says in words
//! what contradicts what. This algorithm only decides, with one record a value and one zone a
//! block, so that tens of millions of calls take a second.

mod alone;
mod block;
mod compact;
mod touch;

use super::exact::{Exact, Finding, Row};
use super::parts::{Found, Parts};
use crate::calls::{BEFORE, Calls, NEVER, NO_VALUE, Rank};
use crate::history::Kind;
use crate::history::dictionary::{Interned, NIL};
use compact::Compact;

/// What a call does to a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// It returned value `a`.
    Read,
    /// Set to `a`.
    Write,
    /// Set to `a` if it is `b`.
    Cas,
    /// It was not `a`.
    IsNot,
}

/// The functions of registers, by number.
pub(super) struct Blocks {
    read: Option<u16>,
    write: Option<u16>,
    cas: Option<u16>,
    /// Whether a compare-and-set that failed found another value.
    strict: bool,
    /// Whether some value is a list or a map, which no register holds.
    composites: bool,
}

impl Blocks {
    pub(super) fn new(calls: &Calls) -> Self {
        Self {
            read: calls.function("read"),
            write: calls.function("write"),
            cas: calls.function("cas"),
            strict: false,
            composites: calls.values.has_composites(),
        }
    }

    /// Every compare-and-set that failed is known to have found another value.
    pub(super) fn strict(calls: &Calls) -> Self {
        Self {
            strict: true,
            ..Self::new(calls)
        }
    }
}

const NONE: u32 = u32::MAX;

/// One value of a register; the first is the initial one.
#[derive(Clone, Copy)]
struct Version {
    /// The interval of its writer.
    begins: Rank,
    ends: Rank,
    /// The earliest end of its reads; [`NEVER`] if there are none.
    seen: Rank,
    /// The latest start of its reads.
    asked: Rank,
    /// Of a compare-and-set the value that it expects.
    old: u32,
    /// The value that the compare-and-set made that expected this one.
    next: u32,
    is: u32,
}

/// Some call may have written it.
const WRITTEN: u32 = 1;
/// More than one may have.
const REPEATED: u32 = 2;
/// It was needed: seen, expected or made by what certainly happened.
const LIVE: u32 = 4;
/// It was put into its block.
const PLACED: u32 = 8;

/// A block: the smaller and the larger of its earliest end and its latest start; the highest
/// bit of the first is set if it is backward.
type Zone = (u32, u32);

impl Exact for Blocks {
    type Role = Role;

    #[inline(always)]
    fn row(&self, calls: &Calls, call: u32) -> Result<Option<Row<Role>>, String> {
        let at = call as usize;
        let f = Some(calls.f[at]);
        let outcome = calls.outcome[at];
        let (role, a, b) = if f == self.read {
            if outcome != Kind::Ok {
                return Ok(None);
            }
            let result = calls.result(call);
            let is_composite = || {
                let value = calls.values.get(result);
                matches!(value, Interned::List(_) | Interned::Map(_))
            };
            if self.composites && is_composite() {
                return Err("it returned several values, not one".to_owned());
            }
            (Role::Read, result, NONE)
        } else if outcome == Kind::Fail {
            if !self.strict || f != self.cas || calls.second[at] == NO_VALUE {
                return Ok(None);
            }
            (Role::IsNot, calls.argument[at], NONE)
        } else if f == self.write {
            if calls.second[at] != NO_VALUE {
                // A list is a value like others, but has no number here.
                return Err("it writes a list of two values".to_owned());
            }
            if calls.argument[at] == NIL {
                return Err("it writes nil, which stands for an absent key".to_owned());
            }
            (Role::Write, calls.argument[at], NONE)
        } else if f == self.cas {
            match (calls.argument[at], calls.second[at]) {
                (_, NO_VALUE | NIL) => {
                    let reason = "its argument is not a list of an old and a new value";
                    return Err(reason.to_owned());
                }
                (old, new) => (Role::Cas, new, old),
            }
        } else {
            return Ok(None);
        };
        Ok(Some(Row {
            begins: calls.begins[at],
            ends: calls.ends[at],
            a,
            b,
            call,
            role,
        }))
    }

    fn judge_alone(&self, calls: &Calls) -> Option<Finding> {
        alone::judge(self, calls)
    }

    fn judge_parts(&self, parts: &Parts<'_>) -> Found {
        parts.judge(&Compact(self))
    }

    fn judge(&self, _: &Calls, rows: &[Row<Role>]) -> Finding {
        Versions::of(rows.iter().copied(), rows.len()).judge()
    }

    fn order(&self, _: &Calls, rows: &[Row<Role>]) -> Option<Vec<u32>> {
        let mut versions = Versions::of(rows.iter().copied(), rows.len());
        versions.enliven();
        versions.zones()?;
        // Of each value where its block stands, and where it stands in the block.
        let mut places = vec![(NONE, 0, 0); versions.list.len()];
        let mut heads: Vec<(Zone, u32)> = Vec::new();
        for head in 0..narrow(versions.list.len()) {
            if versions.is_head(head) {
                heads.push((versions.block(head)?, head));
            }
        }
        // At the same moment what is backward comes first.
        heads.sort_unstable_by_key(|&((low, _), head)| (low & !BACKWARD, low < BACKWARD, head));
        for (place, &(_, head)) in (0..).zip(&heads) {
            let (mut link, mut position) = (head, 0);
            while link != NONE {
                places[link as usize] = (place, position, 0);
                link = versions.list[link as usize].next;
                position += 1;
            }
        }
        let mut ordered: Vec<_> = rows
            .iter()
            .filter_map(|row| {
                let (block, link, _) = places[versions.local.find(row.a)? as usize];
                if row.role == Role::IsNot {
                    return None;
                }
                let is_read = row.role == Role::Read;
                (block != NONE).then_some(((block, link, is_read, row.begins), row.call))
            })
            .collect();
        ordered.sort_unstable();
        Some(ordered.into_iter().map(|(_, call)| call).collect())
    }
}

const BACKWARD: u32 = 1 << 31;

struct Versions {
    local: Local,
    list: Vec<Version>,
    /// Whether anything was read.
    read: bool,
    /// Whether something is known that it was not.
    is_not: bool,
}

impl Versions {
    fn judge(mut self) -> Finding {
        if !self.enliven() {
            return Finding::Contradicted;
        }
        if let Some(repeated) = self.repeated() {
            return Finding::Search(format!(
                "value number {repeated} may have been written more than once"
            ));
        }
        if self.zones().is_some_and(agree) {
            if self.is_not {
                return Finding::Search("failed compare-and-sets tell what was not".to_owned());
            }
            let power = self.read && self.list.len() > 1;
            Finding::Linearizable { power }
        } else {
            Finding::Contradicted
        }
    }

    /// What so many rows, at most, say of the values.
    #[inline(always)]
    fn of(rows: impl Iterator<Item = Row<Role>> + Clone, most: usize) -> Self {
        let mut versions = Self::new(Local::of(rows.clone()), most);
        for row in rows {
            versions.add(&row);
        }
        versions
    }

    /// No values but the initial one; there is room for those of so many calls, which costs
    /// nothing before they come.
    fn new(local: Local, calls: usize) -> Self {
        let mut versions = Self {
            local,
            list: Vec::with_capacity(calls + 2),
            read: false,
            is_not: false,
        };
        versions.list.push(Version {
            begins: BEFORE,
            ends: BEFORE,
            is: WRITTEN | LIVE,
            ..NEW
        });
        versions
    }

    #[inline(always)]
    fn place(&mut self, value: u32) -> u32 {
        let new = narrow(self.list.len());
        let place = self.local.place(value, new);
        if place == new {
            self.list.push(NEW);
        }
        place
    }

    #[inline(always)]
    fn add(&mut self, row: &Row<Role>) {
        if row.role == Role::IsNot {
            self.is_not = true;
            return;
        }
        let place = self.place(row.a);
        let required = row.is_required();
        if row.role == Role::Read {
            self.read = true;
            let version = &mut self.list[place as usize];
            version.seen = version.seen.min(row.ends);
            version.asked = version.asked.max(row.begins);
            version.is |= LIVE;
            return;
        }
        let old = if row.role == Role::Cas {
            let old = self.place(row.b);
            if required {
                self.list[old as usize].is |= LIVE;
            }
            old
        } else {
            NONE
        };
        let version = &mut self.list[place as usize];
        version.is |= if version.is & WRITTEN == 0 {
            WRITTEN
        } else {
            REPEATED
        };
        if required {
            version.is |= LIVE;
        }
        version.begins = row.begins;
        version.ends = row.ends;
        version.old = old;
    }

    /// Finds what was needed; false if something was that nobody wrote.
    fn enliven(&mut self) -> bool {
        for place in 0..self.list.len() {
            let mut at = place;
            // What is live needs what its compare-and-set expected, and so on back.
            loop {
                let version = self.list[at];
                if version.is & LIVE == 0 {
                    break;
                }
                if version.is & WRITTEN == 0 {
                    return false;
                }
                let old = version.old as usize;
                if version.old == NONE
                    || version.is & REPEATED != 0
                    || self.list[old].is & LIVE != 0
                {
                    break;
                }
                self.list[old].is |= LIVE;
                at = old;
            }
        }
        true
    }

    /// A live value that more than one call may have written.
    fn repeated(&self) -> Option<usize> {
        let twice = LIVE | REPEATED;
        self.list.iter().position(|v| v.is & twice == twice)
    }

    fn is_head(&self, place: u32) -> bool {
        let version = &self.list[place as usize];
        version.is & LIVE != 0 && version.old == NONE
    }

    /// The blocks; none if one of them contradicts itself.
    fn zones(&mut self) -> Option<Vec<Zone>> {
        let (mut live, mut heads) = (0, 0);
        for place in 0..narrow(self.list.len()) {
            let version = self.list[place as usize];
            if version.is & LIVE == 0 {
                continue;
            }
            live += 1;
            heads += usize::from(version.old == NONE);
            if version.old != NONE {
                let next = &mut self.list[version.old as usize].next;
                if *next != NONE {
                    return None; // Two compare-and-sets from one value.
                }
                *next = place;
            }
        }
        let mut zones = Vec::with_capacity(heads);
        for place in 0..narrow(self.list.len()) {
            if self.is_head(place) {
                zones.push(self.block(place)?);
            }
        }
        let placed = self.list.iter().filter(|v| v.is & PLACED != 0).count();
        // What is in no chain is in a ring.
        (placed == live).then_some(zones)
    }

    /// Walks a chain from its head; none if it disagrees with real time within itself.
    #[inline]
    fn block(&mut self, head: u32) -> Option<Zone> {
        let (mut f, mut s) = (NEVER, BEFORE);
        let mut link = head;
        while link != NONE {
            let version = &mut self.list[link as usize];
            version.is |= PLACED;
            if version.ends < s {
                return None;
            }
            f = f.min(version.ends);
            s = s.max(version.begins);
            if version.seen != NEVER {
                if version.seen < s {
                    return None;
                }
                f = f.min(version.seen);
                s = s.max(version.asked);
            }
            link = version.next;
        }
        Some(if f < s { (f, s) } else { (s | BACKWARD, f) })
    }
}

const NEW: Version = Version {
    begins: BEFORE,
    ends: NEVER,
    seen: NEVER,
    asked: BEFORE,
    old: NONE,
    next: NONE,
    is: 0,
};

/// Whether no two blocks must each come before the other.
fn agree(mut zones: Vec<Zone>) -> bool {
    zones.sort_unstable_by_key(|(low, _)| *low & !BACKWARD);
    // The forward block that began last: its value held from f to s.
    let (mut f, mut s) = (BEFORE, BEFORE);
    for (low, high) in zones {
        if low & BACKWARD == 0 {
            if low < s {
                return false;
            }
            (f, s) = (low, high);
        } else if f < low & !BACKWARD && high < s {
            return false;
        }
    }
    true
}

/// From the numbers of a history's values to those of one object's; that of nil is 0.
enum Local {
    /// The numbers lie close together: an entry each, from the first on.
    Dense { first: u32, places: Vec<u32> },
    /// They do not: a table at least twice as large as there are numbers.
    Hashed { table: Vec<(u32, u32)>, shift: u32 },
}

impl Local {
    #[inline(always)]
    fn of(rows: impl Iterator<Item = Row<Role>>) -> Self {
        let (mut first, mut last, mut count) = (NONE, 0, 0);
        for row in rows {
            let expects = (row.role == Role::Cas).then_some(row.b);
            for value in [Some(row.a), expects]
                .into_iter()
                .flatten()
                .filter(|v| *v != NIL)
            {
                first = first.min(value);
                last = last.max(value);
                count += 1;
            }
        }
        let range = last.saturating_sub(first) as usize + 1;
        if range <= 2 * count + 64 {
            let places = vec![NONE; range];
            Self::Dense { first, places }
        } else {
            let bits = (count * 2)
                .next_power_of_two()
                .trailing_zeros()
                .clamp(1, 32);
            Self::Hashed {
                table: vec![(NIL, NONE); 1 << bits],
                shift: 32 - bits,
            }
        }
    }

    /// The place of a value: `new` if it had none.
    #[inline(always)]
    fn place(&mut self, value: u32, new: u32) -> u32 {
        if value == NIL {
            return 0;
        }
        match self {
            Self::Dense { first, places } => {
                let place = &mut places[(value - *first) as usize];
                if *place == NONE {
                    *place = new;
                }
                *place
            }
            Self::Hashed { table, shift } => {
                let mask = table.len() - 1;
                let mut slot = slot(value, *shift);
                loop {
                    let entry = &mut table[slot];
                    if entry.1 == NONE {
                        *entry = (value, new);
                    }
                    if entry.0 == value {
                        return entry.1;
                    }
                    slot = (slot + 1) & mask;
                }
            }
        }
    }

    /// The place of a value that has one.
    fn find(&self, value: u32) -> Option<u32> {
        if value == NIL {
            return Some(0);
        }
        match self {
            Self::Dense { first, places } => {
                let place = *places.get(value.checked_sub(*first)? as usize)?;
                (place != NONE).then_some(place)
            }
            Self::Hashed { table, shift } => {
                let mut slot = slot(value, *shift);
                loop {
                    match table[slot] {
                        (_, NONE) => return None,
                        (other, place) if other == value => return Some(place),
                        _ => slot = (slot + 1) & (table.len() - 1),
                    }
                }
            }
        }
    }
}

#[inline]
fn slot(value: u32, shift: u32) -> usize {
    (value.wrapping_mul(0x9E37_79B1) >> shift) as usize
}

fn narrow(number: usize) -> u32 {
    u32::try_from(number).expect("calls are numbered with 32 bits")
}

#[cfg(test)]
mod tests;
