//! Monotonic writes, as monotonic readers see them.
//!
//! What a session has read, it goes on seeing, and with a write it sees all earlier writes of
//! the writer's session, to whatever key. So what is visible to a session are the beginnings of
//! other sessions' writes, up to the latest one that was read. Each read must return the last
//! of what is visible on its key, in an order in which every session's writes keep theirs. That
//! order exists exactly if for every read of a value v
//!
//! * no later write to the key by v's session is visible;
//! * if v was visible at the session's last read of the key, that read returned v too;
//!
//! and if no write to the key is visible to a read of the initial value. (Keep the order of
//! what was visible at the last read; what is new goes between, before v if v is the same, and
//! else after it with v last.)

use super::found::{Finding, Found, read_value, who, written};
use super::index::{INITIAL, NONE, Rows, narrow};
use crate::calls::Calls;

/// Since when the writes of a session are visible: up to that one, since that place, by that
/// read.
#[derive(Clone, Copy)]
struct Step {
    upto: u32,
    place: u32,
    read: u32,
}

struct Delivered<'a> {
    calls: &'a Calls,
    rows: &'a Rows,
    next_same: Vec<u32>,
    firsts: Firsts,
    /// By session: how its writes became visible to the session at hand.
    steps: Vec<Vec<Step>>,
    found: Found,
}

/// For each key the first write of each session.
pub(super) struct Firsts {
    starts: Vec<u32>,
    writes: Vec<u32>,
}

impl Firsts {
    pub(super) fn of(rows: &Rows, previous: &[u32]) -> Self {
        let is_first = |row: &u32| rows.writes(*row) && previous[*row as usize] == NONE;
        let mut starts = vec![0_u32; rows.keys.len() + 1];
        for row in (0..narrow(rows.len())).filter(is_first) {
            starts[rows.key[row as usize] as usize + 1] += 1;
        }
        for place in 1..starts.len() {
            starts[place] += starts[place - 1];
        }
        let mut next = starts.clone();
        let mut writes = vec![NONE; starts.last().map_or(0, |all| *all as usize)];
        for row in (0..narrow(rows.len())).filter(is_first) {
            let next = &mut next[rows.key[row as usize] as usize];
            writes[*next as usize] = row;
            *next += 1;
        }
        Self { starts, writes }
    }

    pub(super) fn on(&self, key: u32) -> &[u32] {
        let key = key as usize;
        &self.writes[self.starts[key] as usize..self.starts[key + 1] as usize]
    }
}

/// Judges monotonic writes, given that reads are monotonic.
///
/// **Cost**: O(n log n), and for each read of an initial value the sessions that wrote the key;
/// 12 bytes a row, and 12 for each read of the largest session.
pub(super) fn judge(calls: &Calls, rows: &Rows, previous: &[u32]) -> Found {
    let mut next_same = vec![NONE; rows.len()];
    for (row, &before) in previous.iter().enumerate() {
        if before != NONE {
            next_same[before as usize] = narrow(row);
        }
    }
    let mut delivered = Delivered {
        calls,
        rows,
        next_same,
        firsts: Firsts::of(rows, previous),
        steps: vec![Vec::new(); rows.sessions()],
        found: Found::default(),
    };
    let mut last_reads = vec![(NONE, 0, NONE); rows.keys.len()];
    let mut touched = Vec::new();
    for session in 0..narrow(rows.sessions()) {
        for (place, row) in (0..).zip(rows.of_session(session)) {
            let Some(source) = rows.reads(row) else {
                continue;
            };
            let last = &mut last_reads[rows.key[row as usize] as usize];
            let before = (last.0 == session).then_some((last.1, last.2));
            *last = (session, place, row);
            if source == INITIAL {
                delivered.initial(row);
                continue;
            }
            delivered.read(row, source, before);
            let writer = rows.session[source as usize];
            let steps = &mut delivered.steps[writer as usize];
            if steps.is_empty() {
                touched.push(writer);
            }
            if steps.last().is_none_or(|last| last.upto < source) {
                steps.push(Step {
                    upto: source,
                    place,
                    read: row,
                });
            }
        }
        for writer in touched.drain(..) {
            delivered.steps[writer as usize].clear();
        }
    }
    delivered.found
}

impl Delivered<'_> {
    /// When a write became visible, if it is.
    fn visible(&self, write: u32) -> Option<Step> {
        let steps = &self.steps[self.rows.session[write as usize] as usize];
        // Nearly always the last one tells.
        match steps.last() {
            Some(last) if last.upto >= write => {
                let place = steps.partition_point(|step| step.upto < write);
                Some(steps[place])
            }
            _ => None,
        }
    }

    fn initial(&mut self, row: u32) {
        let key = self.rows.key[row as usize];
        let firsts = self.firsts.on(key).iter();
        let visible = firsts.filter_map(|&write| Some((write, self.visible(write)?)));
        if let Some((write, step)) = visible.min_by_key(|(_, step)| step.place) {
            self.report(row, write, step, None);
        }
    }

    fn read(&mut self, row: u32, source: u32, before: Option<(u32, u32)>) {
        let later = self.next_same[source as usize];
        if later != NONE
            && let Some(step) = self.visible(later)
        {
            return self.report(row, later, step, Some(source));
        }
        let Some(step) = self.visible(source) else {
            return;
        };
        self.found.power += 1;
        if let Some((place, last)) = before
            && place >= step.place
            && self.rows.source[last as usize] != source
        {
            self.went_back(row, source, step, last);
        }
    }

    fn count(&mut self, size: usize, finding: impl FnOnce(&Self) -> Finding) {
        self.found.count += 1;
        if self.found.wants(size) {
            let finding = finding(self);
            self.found.keep(finding);
        }
    }

    /// `hidden` was visible since `step`, yet the read returned something older.
    fn report(&mut self, row: u32, hidden: u32, step: Step, source: Option<u32>) {
        self.found.power += 1;
        let (calls, rows) = (self.calls, self.rows);
        let shown = rows.source[step.read as usize];
        let mut proof: Vec<u32> = source.into_iter().collect();
        proof.extend([hidden, shown, step.read, row]);
        self.count(proof.len(), |_| {
            let (reader, writer) = (who(calls, rows, row), who(calls, rows, hidden));
            let (hid, saw) = (written(calls, rows, hidden), written(calls, rows, shown));
            let returned = read_value(calls, rows, row);
            let after = if shown == hidden {
                String::new()
            } else {
                format!(" before {saw}")
            };
            Finding {
                name: "non-monotonic-write",
                rows: proof,
                conclusion: format!(
                    "{writer} wrote {hid}{after}; {reader} read {saw} and after that {returned}, \
                     as if {hid} had not been written yet."
                ),
            }
        });
    }

    /// The value was visible when the key was last read, and something else was returned.
    fn went_back(&mut self, row: u32, source: u32, step: Step, last: u32) {
        let (calls, rows) = (self.calls, self.rows);
        let shown = rows.source[step.read as usize];
        let other = rows.source[last as usize];
        let mut proof = vec![source, shown, step.read];
        proof.extend((other != INITIAL).then_some(other));
        proof.extend([last, row]);
        self.count(proof.len(), |_| {
            let (reader, writer) = (who(calls, rows, row), who(calls, rows, source));
            let (value, saw) = (written(calls, rows, source), written(calls, rows, shown));
            Finding {
                name: "non-monotonic-write",
                rows: proof,
                conclusion: format!(
                    "{writer} wrote {value} no later than {saw}, which {reader} had read; so {reader} had \
                     {value} before it read {}, and must not read {value} after that.",
                    read_value(calls, rows, last)
                ),
            }
        });
    }
}
