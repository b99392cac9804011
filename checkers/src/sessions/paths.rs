//! How one operation comes before another, by the fewest reads.

use std::collections::HashMap;

use super::index::{INITIAL, NONE, Rows};

/// A read on the way, and the write it returned.
struct Hop {
    read: u32,
    write: u32,
    /// The hop after it; [`NONE`] for none.
    after: u32,
}

/// How a write follows another one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Steps {
    /// Its session had read or made that one.
    Any,
    /// Its session had read that one.
    Reads,
}

/// From a write to an operation after it by such steps: the write, then by turns a write and
/// the read of it, then the operation. None if it is not before it.
///
/// `counts` says of which reads it matters what they returned; `more` gives further writes that
/// come before a write.
///
/// **Cost**: linear in what comes before the operation.
pub(super) fn path(
    rows: &Rows,
    from: u32,
    to: u32,
    steps: Steps,
    counts: impl Fn(u32) -> bool,
    more: impl Fn(u32) -> Vec<u32>,
) -> Option<Vec<u32>> {
    let target = (rows.session[from as usize], rows.place(from));
    let mut visited: HashMap<u32, u32> = HashMap::new();
    let mut hops: Vec<Hop> = Vec::new();
    let session = rows.session[to as usize];
    // Of each session a stretch of rows, and the hop that leads on from it.
    let mut level = vec![(session, 0, rows.place(to) + 1, NONE)];
    visited.insert(session, rows.place(to) + 1);
    while !level.is_empty() {
        let mut next = Vec::new();
        for &(session, low, high, hop) in &level {
            let there = session == target.0 && (low..high).contains(&target.1);
            if there && steps == Steps::Any {
                return Some(listed(from, to, &hops, hop));
            }
        }
        for (session, low, high, hop) in level {
            let first = rows.of_session(session).start;
            for row in (first + low..first + high).rev() {
                let source = rows.source[row as usize];
                let read = (source < INITIAL && counts(row)).then_some(source);
                let further = if rows.writes(row) {
                    more(row)
                } else {
                    Vec::new()
                };
                for source in read.into_iter().chain(further) {
                    let session = rows.session[source as usize];
                    if source == from {
                        hops.push(Hop {
                            read: row,
                            write: source,
                            after: hop,
                        });
                        let last = u32::try_from(hops.len() - 1).unwrap_or(NONE);
                        return Some(listed(from, to, &hops, last));
                    }
                    let upto = rows.place(source) + 1;
                    let visited = visited.entry(session).or_insert(0);
                    if upto > *visited {
                        hops.push(Hop {
                            read: row,
                            write: source,
                            after: hop,
                        });
                        let hop = u32::try_from(hops.len() - 1).unwrap_or(NONE);
                        next.push((session, *visited, upto, hop));
                        *visited = upto;
                    }
                }
            }
        }
        level = next;
    }
    None
}

fn listed(from: u32, to: u32, hops: &[Hop], mut hop: u32) -> Vec<u32> {
    let mut rows = vec![from];
    while hop != NONE {
        let one = &hops[hop as usize];
        rows.extend([one.write, one.read]);
        hop = one.after;
    }
    rows.push(to);
    rows.dedup();
    rows
}

/// What is visible to a read by what its session read, and what had been read before each of
/// those writes was made, and so on: the writes to its key.
///
/// **Cost**: linear in what comes before the read.
pub(super) fn followed(rows: &Rows, read: u32) -> Vec<u32> {
    let session = rows.session[read as usize];
    let mut visited: HashMap<u32, u32> = HashMap::new();
    let mut work = vec![(session, rows.place(read) + 1)];
    let mut found = Vec::new();
    while let Some((session, upto)) = work.pop() {
        let visited = visited.entry(session).or_insert(0);
        let from = std::mem::replace(visited, upto.max(*visited));
        let first = rows.of_session(session).start;
        for row in first + from..first + upto {
            let source = rows.source[row as usize];
            if source < INITIAL {
                if rows.key[source as usize] == rows.key[read as usize] {
                    found.push(source);
                }
                // A compare-and-set has read before it writes.
                work.push((rows.session[source as usize], rows.place(source) + 1));
            }
        }
    }
    found.sort_unstable();
    found.dedup();
    found
}
