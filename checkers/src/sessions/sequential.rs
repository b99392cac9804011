//! Sequential consistency: one order of all operations that keeps the order of each session, in
//! which each read returns the last write before it to its key.
//!
//! Deciding it is NP-complete, so there are three steps. What breaks causal convergence or causal
//! memory breaks it too, and most violations do. Then an order is built: reads are taken as soon
//! as they can be, a write once all reads of what it replaces are taken, and of several the one
//! whose value was there first by the clock. Taking a read, or a write that nobody reads, never
//! does harm. If that gets stuck, all choices are tried, as far as the budget goes; then it is
//! undecided.
//!
//! **Source**: Gibbons and Korach, "Testing shared memories", 1997, for the hardness; the order
//! in which values are tried is that of their zones.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet};

use super::causal::PassedOver;
use super::found::{Finding, Found, read_value};
use super::index::{INITIAL, NONE, Rows, narrow};
use crate::Budget;
use crate::calls::{Calls, NEVER, Rank};

/// How many states are visited before the search gives up.
const STATES: usize = 200_000;

/// How many rows a search takes on: its steps nest.
const ROWS: usize = 400;

/// What is known of sequential consistency.
pub(super) enum Order {
    /// There is one.
    Found,
    /// There is none, of these rows.
    None(Vec<u32>),
    /// The search was given up.
    Open,
}

struct Building<'a> {
    rows: &'a Rows,
    passed: Option<&'a PassedOver>,
    /// By session how far it got; by key what it holds.
    cursor: Vec<u32>,
    holds: Vec<u32>,
    /// By write, and by key for the initial value: how many reads are to come.
    readers: Vec<u32>,
    initial: Vec<u32>,
    taken: Vec<bool>,
}

/// What a session waits for.
enum Wait {
    Key(u32),
    Write(u32),
}

impl<'a> Building<'a> {
    fn new(rows: &'a Rows, passed: Option<&'a PassedOver>, left_out: &HashSet<u32>) -> Self {
        let mut readers = vec![0; rows.len()];
        let mut initial = vec![0; rows.keys.len()];
        for row in (0..narrow(rows.len())).filter(|row| !left_out.contains(row)) {
            match rows.source[row as usize] {
                NONE => {}
                INITIAL => initial[rows.key[row as usize] as usize] += 1,
                source => readers[source as usize] += 1,
            }
        }
        Self {
            rows,
            passed,
            cursor: rows.starts.clone(),
            holds: vec![INITIAL; rows.keys.len()],
            readers,
            initial,
            taken: vec![false; rows.len()],
        }
    }

    fn head(&self, session: u32) -> Option<u32> {
        let cursor = self.cursor[session as usize];
        (cursor < self.rows.starts[session as usize + 1]).then_some(cursor)
    }

    fn readers_of(&self, key: u32) -> u32 {
        match self.holds[key as usize] {
            INITIAL => self.initial[key as usize],
            write => self.readers[write as usize],
        }
    }

    /// Why a row cannot be taken now.
    fn waits(&self, row: u32) -> Option<Wait> {
        let rows = self.rows;
        let key = rows.key[row as usize];
        let mut own = 0;
        if let Some(source) = rows.reads(row) {
            if self.holds[key as usize] != source {
                return Some(Wait::Key(key));
            }
            own = 1;
        }
        if rows.writes(row) {
            if self.readers_of(key) > own {
                return Some(Wait::Key(key));
            }
            let before = self.passed.into_iter().flat_map(|all| all.before(row));
            for write in before {
                if !self.taken[write as usize] {
                    return Some(Wait::Write(write));
                }
            }
        }
        None
    }

    fn take(&mut self, row: u32) {
        let rows = self.rows;
        let key = rows.key[row as usize] as usize;
        match rows.source[row as usize] {
            NONE => {}
            INITIAL => self.initial[key] -= 1,
            source => self.readers[source as usize] -= 1,
        }
        if rows.writes(row) {
            self.holds[key] = row;
        }
        self.taken[row as usize] = true;
        self.cursor[rows.session[row as usize] as usize] += 1;
    }
}

/// When each value was there first by the clock: the lower end of its zone. A write of unknown
/// outcome has no end; it may be taken for one that took effect at once.
fn firsts(calls: &Calls, rows: &Rows, at_once: bool) -> Vec<Rank> {
    let mut ends: Vec<Rank> = rows
        .call
        .iter()
        .map(|&call| match calls.ends[call as usize] {
            NEVER if at_once => calls.begins[call as usize],
            end => end,
        })
        .collect();
    let mut begins: Vec<Rank> = rows
        .call
        .iter()
        .map(|&call| calls.begins[call as usize])
        .collect();
    for row in 0..rows.len() {
        let source = rows.source[row] as usize;
        if source < rows.len() {
            let call = rows.call[row] as usize;
            ends[source] = ends[source].min(calls.ends[call]);
            begins[source] = begins[source].max(calls.begins[call]);
        }
    }
    ends.iter()
        .zip(begins)
        .map(|(end, begin)| begin.min(*end))
        .collect()
}

/// Looks for an order by trying all.
///
/// **Cost**: at most [`STATES`] of them, and as many again to leave out rows.
pub(super) fn judge(rows: &Rows, budget: &Budget) -> Order {
    if rows.len() > ROWS {
        return Order::Open;
    }
    let mut left_out = HashSet::new();
    let mut states = 0;
    match search(rows, &left_out, &mut states, budget) {
        Some(true) => return Order::Found,
        None => return Order::Open,
        Some(false) => {}
    }
    // Fewer that still have none: reads alone, and writes with all reads of them. All these
    // searches together may take as long as the first one.
    states = 0;
    let mut by_time: Vec<u32> = (0..narrow(rows.len())).collect();
    by_time.sort_unstable_by_key(|&row| rows.call[row as usize]);
    for &row in by_time.iter().rev() {
        let mut group: Vec<u32> = vec![row];
        let mut next = 0;
        while let Some(&one) = group.get(next) {
            next += 1;
            if rows.writes(one) {
                let of = (0..narrow(rows.len())).filter(|&read| rows.source[read as usize] == one);
                group.extend(of);
            }
        }
        let added: Vec<u32> = group
            .into_iter()
            .filter(|&one| left_out.insert(one))
            .collect();
        if search(rows, &left_out, &mut states, budget) != Some(false) {
            for one in added {
                left_out.remove(&one);
            }
        }
    }
    Order::None(
        by_time
            .into_iter()
            .filter(|row| !left_out.contains(row))
            .collect(),
    )
}

/// Builds one order; whether it came to the end. Where outcomes are unknown it tries twice.
///
/// **Cost**: O(n log n).
pub(super) fn build(calls: &Calls, rows: &Rows, passed: &PassedOver) -> bool {
    let never = |&call: &u32| calls.ends[call as usize] == NEVER;
    // What timed out mostly happened soon, or never.
    rows.call.iter().any(never) && build_by(rows, passed, &firsts(calls, rows, true))
        || build_by(rows, passed, &firsts(calls, rows, false))
}

/// Builds one order, in which of several writes the one that is due first comes first.
fn build_by(rows: &Rows, passed: &PassedOver, firsts: &[Rank]) -> bool {
    let mut building = Building::new(rows, Some(passed), &HashSet::new());
    let mut on_key: Vec<Vec<u32>> = vec![Vec::new(); rows.keys.len()];
    let mut on_write: HashMap<u32, Vec<u32>> = HashMap::new();
    // Sessions that may go on; those that write stand back by the time of what they write.
    let mut ready: BinaryHeap<Reverse<(Rank, u32)>> = BinaryHeap::new();
    let rank = |row: u32| {
        if rows.writes(row) {
            firsts[row as usize]
        } else {
            0
        }
    };
    let all = 0..narrow(rows.sessions());
    ready.extend(all.filter_map(|session| {
        let head = building.head(session)?;
        Some(Reverse((rank(head), session)))
    }));
    let mut done = 0;
    while let Some(Reverse((_, session))) = ready.pop() {
        let Some(row) = building.head(session) else {
            continue;
        };
        match building.waits(row) {
            Some(Wait::Key(key)) => on_key[key as usize].push(session),
            Some(Wait::Write(write)) => on_write.entry(write).or_default().push(session),
            None => {
                building.take(row);
                done += 1;
                let mut woken = Vec::new();
                let key = rows.key[row as usize];
                if rows.writes(row) || building.readers_of(key) <= 1 {
                    woken.append(&mut on_key[key as usize]);
                }
                if rows.writes(row) {
                    woken.extend(on_write.remove(&row).into_iter().flatten());
                }
                woken.push(session);
                ready.extend(woken.into_iter().filter_map(|session| {
                    let head = building.head(session)?;
                    Some(Reverse((rank(head), session)))
                }));
            }
        }
    }
    done == rows.len()
}

/// Tries all choices, leaving out some rows; none if that takes too long.
fn search(
    rows: &Rows,
    left_out: &HashSet<u32>,
    states: &mut usize,
    budget: &Budget,
) -> Option<bool> {
    let mut building = Building::new(rows, None, left_out);
    let mut failed = HashSet::new();
    deeper(&mut building, left_out, &mut failed, states, budget)
}

/// How far the sessions got and what the keys hold.
type State = (Vec<u32>, Vec<u32>);

fn deeper(
    building: &mut Building<'_>,
    left_out: &HashSet<u32>,
    failed: &mut HashSet<State>,
    states: &mut usize,
    budget: &Budget,
) -> Option<bool> {
    *states += 1;
    if *states > STATES || budget.is_spent() {
        return None;
    }
    let saved = (
        building.cursor.clone(),
        building.holds.clone(),
        building.readers.clone(),
        building.initial.clone(),
    );
    // What never does harm is taken at once.
    let sessions = narrow(building.rows.sessions());
    loop {
        let mut went_on = false;
        for session in 0..sessions {
            while let Some(row) = building.head(session) {
                let rows = building.rows;
                if left_out.contains(&row) {
                    building.cursor[session as usize] += 1;
                } else if building.waits(row).is_none()
                    && (!rows.writes(row) || building.readers[row as usize] == 0)
                {
                    building.take(row);
                } else {
                    break;
                }
                went_on = true;
            }
        }
        if !went_on {
            break;
        }
    }
    let heads: Vec<u32> = (0..sessions)
        .filter_map(|session| building.head(session))
        .collect();
    let mut answer = Some(heads.is_empty());
    let state = (building.cursor.clone(), building.holds.clone());
    if answer == Some(false) && !failed.contains(&state) {
        for row in heads {
            if building.waits(row).is_some() {
                continue;
            }
            let before = (
                building.cursor.clone(),
                building.holds.clone(),
                building.readers.clone(),
                building.initial.clone(),
            );
            building.take(row);
            let found = deeper(building, left_out, failed, states, budget);
            (
                building.cursor,
                building.holds,
                building.readers,
                building.initial,
            ) = before;
            if found != Some(false) {
                answer = found;
                break;
            }
        }
        if answer == Some(false) {
            failed.insert(state);
        }
    }
    (
        building.cursor,
        building.holds,
        building.readers,
        building.initial,
    ) = saved;
    answer
}

/// Compare-and-sets that happened and found the same value: each replaced it.
pub(super) fn twice(calls: &Calls, rows: &Rows) -> Found {
    let mut found = Found::default();
    let mut first = HashMap::new();
    for row in (0..narrow(rows.len())).filter(|&row| rows.writes(row)) {
        let Some(source) = rows.reads(row) else {
            continue;
        };
        let value = (rows.key[row as usize], source);
        if let Some(&other) = first.get(&value) {
            found.add(Finding {
                name: "lost-update",
                rows: if rows.call[other as usize] < rows.call[row as usize] {
                    vec![other, row]
                } else {
                    vec![row, other]
                },
                conclusion: format!(
                    "Both replaced {}; in one order of everything the second would not have \
                     found it.",
                    read_value(calls, rows, row)
                ),
            });
        } else {
            first.insert(value, row);
        }
    }
    found
}

/// The contradiction of rows that have no order.
pub(super) fn finding(rows: Vec<u32>) -> Found {
    let mut found = Found::default();
    found.add(Finding {
        name: "not-sequential",
        conclusion: format!(
            "No one order of these {} operations keeps the order of each session and explains \
             what was read; all were tried.",
            rows.len()
        ),
        rows,
    });
    found
}
