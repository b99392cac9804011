//! Read your writes, and monotonic reads: what one session shows of one key by itself.
//!
//! Both look at the operations of one session on one key, in order, and nothing else but the
//! order in which sessions wrote that key. A read after the session's own write returns it or
//! something newer; older is, as far as the session can tell, the initial value and what it
//! had read or written before that write. A later read does not return something older than an
//! earlier one; older is the initial value, what the session had read before the earlier one,
//! and what the same session wrote before what the earlier one returned.

use super::found::{Finding, Found, read_value, who, written};
use super::index::{INITIAL, NONE, Rows, narrow};
use crate::calls::Calls;

/// What was seen of a value in the group at hand.
#[derive(Clone, Copy)]
struct Sight {
    group: u32,
    /// The row that first read or, if it is the session's own, wrote it, and its place.
    first: u32,
    place: u32,
    /// The row that first read it.
    read: u32,
}

/// Of the writes of one session that were read in the group at hand, the latest.
#[derive(Clone, Copy)]
struct Latest {
    group: u32,
    write: u32,
    read: u32,
}

struct Own<'a> {
    calls: &'a Calls,
    rows: &'a Rows,
    sights: Vec<Sight>,
    latest: Vec<Latest>,
    group: u32,
    your_writes: Found,
    monotonic: Found,
}

/// Judges read-your-writes and monotonic reads, in this order.
///
/// **Cost**: O(n log n); 16 bytes a row.
pub(super) fn judge(calls: &Calls, rows: &Rows) -> (Found, Found) {
    let nothing = Sight {
        group: NONE,
        first: NONE,
        place: 0,
        read: NONE,
    };
    let mut own = Own {
        calls,
        rows,
        sights: vec![nothing; rows.len()],
        latest: vec![
            Latest {
                group: NONE,
                write: NONE,
                read: NONE,
            };
            rows.sessions()
        ],
        group: 0,
        your_writes: Found::default(),
        monotonic: Found::default(),
    };
    let mut sorted: Vec<u64> = Vec::new();
    for session in 0..narrow(rows.sessions()) {
        sorted.clear();
        let keyed = rows.of_session(session).map(|row| {
            let key = rows.key[row as usize];
            u64::from(key) << 32 | u64::from(row)
        });
        sorted.extend(keyed);
        sorted.sort_unstable();
        for group in sorted.chunk_by(|one, other| one >> 32 == other >> 32) {
            if group.len() > 1 {
                own.group(group);
            }
        }
    }
    (own.your_writes, own.monotonic)
}

impl Own<'_> {
    /// The rows of one session on one key; the upper half of each word is the key.
    fn group(&mut self, group: &[u64]) {
        self.group += 1;
        let mut last_read = NONE;
        let mut last_write = (NONE, 0);
        for (place, &word) in group.iter().enumerate() {
            let row = u32::try_from(word & u64::from(u32::MAX)).expect("it was cut to 32 bits");
            let place = narrow(place);
            if let Some(source) = self.rows.reads(row) {
                if last_write.0 != NONE {
                    self.your_writes.power += 1;
                    self.after_write(row, source, last_write);
                }
                if last_read != NONE {
                    self.monotonic.power += 1;
                    self.after_read(row, source, last_read);
                }
                if source != INITIAL {
                    self.saw(source, row, place, true);
                    self.rank(source, row);
                }
                last_read = row;
            }
            if self.rows.writes(row) {
                last_write = (row, place);
                self.saw(row, row, place, false);
            }
        }
    }

    fn sight(&self, write: u32) -> Option<Sight> {
        let sight = self.sights[write as usize];
        (sight.group == self.group).then_some(sight)
    }

    fn saw(&mut self, write: u32, row: u32, place: u32, reads: bool) {
        let group = self.group;
        let sight = &mut self.sights[write as usize];
        if sight.group != group {
            *sight = Sight {
                group,
                first: NONE,
                place: NONE,
                read: NONE,
            };
        }
        // A session that reads what it has yet to write tells nothing of what came before.
        let own = self.rows.session[write as usize] == self.rows.session[row as usize];
        if sight.place == NONE && (write == row || !own) {
            (sight.first, sight.place) = (row, place);
        }
        if reads && sight.read == NONE {
            sight.read = row;
        }
    }

    /// Remembers the latest write of each session that was read.
    fn rank(&mut self, write: u32, read: u32) {
        let rows = self.rows;
        let latest = &mut self.latest[rows.session[write as usize] as usize];
        if latest.group != self.group || latest.write < write {
            *latest = Latest {
                group: self.group,
                write,
                read,
            };
        }
    }

    /// A read after a write of the session, given that write and its place.
    fn after_write(&mut self, row: u32, source: u32, (write, place): (u32, u32)) {
        if source == write {
            return;
        }
        let before = if source == INITIAL {
            None
        } else {
            match self.sight(source).filter(|sight| sight.place < place) {
                Some(sight) => Some(sight.first),
                // What it compared and set, it saw at the same place, before it wrote.
                None if self.rows.source[write as usize] == source
                    && self.rows.session[source as usize] != self.rows.session[row as usize] =>
                {
                    None
                }
                None => return,
            }
        };
        let (calls, rows) = (self.calls, self.rows);
        let session = who(calls, rows, row);
        let (wrote, read) = (written(calls, rows, write), read_value(calls, rows, row));
        let conclusion = match before {
            None if source == INITIAL => {
                format!("{session} wrote {wrote} and then read nil, as if it had not.")
            }
            Some(first) if rows.writes(first) && first == source => format!(
                "{session} wrote {read}, then {wrote}, and then read {read}, not its own later write."
            ),
            _ => format!(
                "{session} read {read}, wrote {wrote} after that, and then read {read} again, as if it had not written."
            ),
        };
        let mut proof: Vec<u32> = before.into_iter().collect();
        proof.extend([write, row]);
        self.your_writes.add(Finding {
            name: "read-your-writes",
            rows: proof,
            conclusion,
        });
    }

    /// A read after another one of the session.
    fn after_read(&mut self, row: u32, source: u32, last: u32) {
        let (calls, rows) = (self.calls, self.rows);
        let before = rows.source[last as usize];
        if source == before {
            return;
        }
        let session = who(calls, rows, row);
        let values = (read_value(calls, rows, last), read_value(calls, rows, row));
        if source == INITIAL {
            self.monotonic.add(Finding {
                name: "non-monotonic-read",
                rows: vec![last, row],
                conclusion: format!(
                    "{session} read {} and after that nil, the value before all others.",
                    values.0
                ),
            });
            return;
        }
        if let Some(read) = self.sight(source).map(|sight| sight.read)
            && read != NONE
        {
            self.monotonic.add(Finding {
                name: "non-monotonic-read",
                rows: vec![read, last, row],
                conclusion: format!(
                    "{session} saw {} replaced by {}, and then {} again.",
                    values.1, values.0, values.1
                ),
            });
            return;
        }
        let writer = rows.session[source as usize];
        let latest = self.latest[writer as usize];
        if latest.group == self.group && latest.write > source {
            let newer = written(calls, rows, latest.write);
            self.monotonic.add(Finding {
                name: "non-monotonic-read",
                rows: vec![source, latest.write, latest.read, row],
                conclusion: format!(
                    "{} wrote {} before {newer}; {session} read {newer} and after that {}.",
                    who(calls, rows, source),
                    values.1,
                    values.1
                ),
            });
        }
    }
}
