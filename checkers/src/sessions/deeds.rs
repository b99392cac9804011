//! The writes alone, session by session, each with the writes that its session learned of since
//! its last one.

use std::ops::Range;

use super::index::{INITIAL, NONE, Rows, narrow};

/// So many rows are counted at a time.
const BLOCK: usize = 64;

/// Columns: one place a write, in the order of the rows.
pub(super) struct Deeds {
    /// The row that it is.
    pub(super) row: Vec<u32>,
    /// Its key, by place in [`Rows::keys`].
    pub(super) key: Vec<u32>,
    /// The first write of each session, and the end of the last.
    starts: Vec<u32>,
    /// Where the list of those learned of begins, and the end of the last.
    heads: Vec<u32>,
    learned: Vec<u32>,
    /// How many writes there are before each block of rows.
    before: Vec<u32>,
}

impl Deeds {
    /// What was learned by reads matters for causality only; a write of which the session had
    /// read before, or a later one of the same session, is not news.
    ///
    /// **Cost**: linear; twelve bytes a write, four for each that was news.
    pub(super) fn of(rows: &Rows, causal: bool) -> Self {
        let count = rows.write.iter().filter(|write| **write).count();
        let mut deeds = Self {
            row: Vec::with_capacity(count),
            key: Vec::with_capacity(count),
            starts: Vec::with_capacity(rows.starts.len()),
            heads: Vec::with_capacity(count + 1),
            learned: Vec::new(),
            before: Vec::with_capacity(rows.len() / BLOCK + 1),
        };
        let mut so_far = 0;
        deeds.before.extend(rows.write.chunks(BLOCK).map(|block| {
            let before = so_far;
            so_far += counted(block);
            before
        }));
        deeds.heads.push(0);
        // Of each session: one more than the last row that the session at hand knows.
        let mut known = vec![0; if causal { rows.sessions() } else { 0 }];
        let mut touched = Vec::new();
        for session in 0..narrow(rows.sessions()) {
            deeds.starts.push(narrow(deeds.row.len()));
            for row in rows.of_session(session) {
                let source = rows.source[row as usize];
                if causal && source < INITIAL {
                    let writer = rows.session[source as usize];
                    let known = &mut known[writer as usize];
                    if writer != session && *known <= source {
                        touched.push(writer);
                        *known = source + 1;
                        let source = deeds.of_row(rows, source);
                        deeds.learned.push(source);
                    }
                }
                if rows.writes(row) {
                    deeds.row.push(row);
                    deeds.key.push(rows.key[row as usize]);
                    deeds.heads.push(narrow(deeds.learned.len()));
                }
            }
            // What was learned after the last write is before no write.
            let last = deeds.heads.last().copied().unwrap_or(0);
            deeds.learned.truncate(last as usize);
            for writer in touched.drain(..) {
                known[writer as usize] = 0;
            }
        }
        deeds.starts.push(narrow(deeds.row.len()));
        deeds.learned.shrink_to_fit();
        deeds
    }

    pub(super) fn len(&self) -> usize {
        self.row.len()
    }

    /// The number of the write that a row is.
    pub(super) fn of_row(&self, rows: &Rows, row: u32) -> u32 {
        let block = row as usize / BLOCK;
        self.before[block] + counted(&rows.write[block * BLOCK..row as usize])
    }

    /// The writes of a session, in order.
    pub(super) fn of_session(&self, session: u32) -> Range<u32> {
        self.starts[session as usize]..self.starts[session as usize + 1]
    }

    pub(super) fn session(&self, rows: &Rows, write: u32) -> u32 {
        rows.session[self.row[write as usize] as usize]
    }

    /// What was learned before some consecutive writes of a session, and after the one before.
    pub(super) fn learned(&self, writes: Range<u32>) -> &[u32] {
        let (from, to) = (writes.start as usize, writes.end as usize);
        &self.learned[self.heads[from] as usize..self.heads[to] as usize]
    }
}

fn counted(block: &[bool]) -> u32 {
    block.iter().map(|write| u32::from(*write)).sum()
}

/// Lists of writes, one for each write.
#[derive(Default)]
pub(super) struct Lists {
    heads: Vec<u32>,
    entries: Vec<(u32, u32)>,
}

impl Lists {
    pub(super) fn new(writes: usize) -> Self {
        Self {
            heads: vec![NONE; writes],
            entries: Vec::new(),
        }
    }

    pub(super) fn add(&mut self, to: u32, write: u32) {
        let head = &mut self.heads[to as usize];
        self.entries.push((write, *head));
        *head = narrow(self.entries.len() - 1);
    }

    /// The first entry of a list; [`NONE`] if there is none.
    pub(super) fn head(&self, of: u32) -> u32 {
        self.heads[of as usize]
    }

    /// A write of the list and the entry after it.
    pub(super) fn entry(&self, entry: u32) -> Option<(u32, u32)> {
        self.entries.get(entry as usize).copied()
    }

    /// The writes of a list, the last that came first.
    pub(super) fn of(&self, write: u32) -> impl Iterator<Item = u32> + '_ {
        let mut next = self.head(write);
        std::iter::from_fn(move || {
            let (write, after) = self.entry(next)?;
            next = after;
            Some(write)
        })
    }

    /// Empties all lists, which are those of these writes.
    pub(super) fn clear(&mut self, of: impl Iterator<Item = Range<usize>>) {
        self.entries.clear();
        of.for_each(|writes| self.heads[writes].fill(NONE));
    }
}
