//! Takes the rows one by one: those of a session in order, each read after the write that it
//! returned, and otherwise in the order of their starts.

use std::collections::HashMap;

use super::index::{INITIAL, NONE, Rows, narrow};
use crate::calls::Calls;

/// What is done with the rows.
pub(super) trait Visit {
    /// A row that must be taken before this one and is not yet.
    fn waits(&self, row: u32, taken: &[bool]) -> Option<u32>;

    /// Takes it.
    fn take(&mut self, row: u32);

    /// The last row of a session was taken.
    fn over(&mut self, session: u32);
}

/// A session that never got on: the row that it stands at, and what that waits for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stuck {
    pub(super) row: u32,
    pub(super) on: u32,
}

/// Takes all rows that can be taken; whoever is left waits for each other in a circle.
///
/// **Cost**: linear; five bytes a row at most.
pub(super) fn walk(calls: &Calls, rows: &Rows, visit: &mut impl Visit) -> Vec<Stuck> {
    let mut taken = vec![false; rows.len()];
    let mut awaited = vec![false; rows.len()];
    let mut waiting: HashMap<u32, Vec<u32>> = HashMap::new();
    let mut cursor: Vec<u32> = rows.starts.clone();
    let mut stuck: Vec<Option<Stuck>> = vec![None; rows.sessions()];
    let mut woken = Vec::new();
    for call in 0..narrow(calls.len()) {
        let session = calls.process_place(call);
        let Some(&row) = cursor.get(session as usize) else {
            continue;
        };
        if rows.call.get(row as usize) != Some(&call) {
            continue;
        }
        woken.push(session);
        while let Some(session) = woken.pop() {
            let end = rows.starts[session as usize + 1];
            let cursor = &mut cursor[session as usize];
            while *cursor < end {
                let next = *cursor;
                if rows.call[next as usize] > call {
                    break;
                }
                if let Some(on) = visit.waits(next, &taken) {
                    awaited[on as usize] = true;
                    waiting.entry(on).or_default().push(session);
                    stuck[session as usize] = Some(Stuck { row: next, on });
                    break;
                }
                stuck[session as usize] = None;
                visit.take(next);
                taken[next as usize] = true;
                *cursor += 1;
                if *cursor == end {
                    visit.over(session);
                }
                if awaited[next as usize] {
                    woken.extend(waiting.remove(&next).into_iter().flatten());
                }
            }
        }
    }
    stuck.into_iter().flatten().collect()
}

/// For each row which one it is to be taken; none if some wait in a circle.
///
/// **Cost**: that of [`walk`], and four bytes a row.
pub(super) fn order(calls: &Calls, rows: &Rows) -> Option<Vec<u32>> {
    struct InOrder<'r> {
        rows: &'r Rows,
        taken: Vec<u32>,
        count: u32,
    }
    impl Visit for InOrder<'_> {
        fn waits(&self, row: u32, taken: &[bool]) -> Option<u32> {
            let source = self.rows.source[row as usize];
            (source < INITIAL && !taken[source as usize]).then_some(source)
        }

        fn take(&mut self, row: u32) {
            self.count += 1;
            self.taken[row as usize] = self.count;
        }

        fn over(&mut self, _: u32) {}
    }
    let mut visit = InOrder {
        rows,
        taken: vec![0; rows.len()],
        count: 0,
    };
    walk(calls, rows, &mut visit)
        .is_empty()
        .then_some(visit.taken)
}

/// The smallest circle of sessions that wait for each other: for each the row it stands at and
/// what that waits for, which a later row of the next one's session must come before.
pub(super) fn circle(rows: &Rows, stuck: &[Stuck]) -> Vec<Stuck> {
    let mut at = vec![NONE; rows.sessions()];
    for (place, one) in stuck.iter().enumerate() {
        at[rows.session[one.row as usize] as usize] = narrow(place);
    }
    let next = |place: u32| at[rows.session[stuck[place as usize].on as usize] as usize];
    let mut seen = vec![NONE; stuck.len()];
    let mut best: Vec<Stuck> = Vec::new();
    for start in 0..narrow(stuck.len()) {
        let mut place = start;
        while place != NONE && seen[place as usize] == NONE {
            seen[place as usize] = start;
            place = next(place);
        }
        if place == NONE || seen[place as usize] != start {
            continue;
        }
        let mut found = vec![stuck[place as usize]];
        let mut other = next(place);
        while other != place {
            found.push(stuck[other as usize]);
            other = next(other);
        }
        if best.is_empty() || found.len() < best.len() {
            best = found;
        }
    }
    best
}
