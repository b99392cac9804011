//! One log: what stands where, who polled it, in which order.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use super::Tally;
use super::gather::{Logs, Places, Record, SEEK, UNKNOWN};
use crate::Anomaly;
use crate::calls::{Calls, NEVER, Rank};
use crate::explain::of_calls;
use crate::hash::Table;
use crate::history::Kind;
use crate::linearizable::grouping::{high_half, low_half, narrow, pack, word};

const NOBODY: u32 = u32::MAX;

/// One value that was sent to the log or polled from it.
#[derive(Clone, Copy, Debug)]
struct Message {
    value: u32,
    /// A send of it that did not fail.
    send: u32,
    /// Where it stands first.
    place: u32,
    is_sure: bool,
    has_failed: bool,
    is_polled: bool,
    is_sent_again: bool,
}

/// Where a consumer is.
#[derive(Clone, Copy, Debug)]
struct Position {
    /// The place from which it goes on.
    next: u32,
    call: u32,
    /// Whether it asked to go on from there, and has got nothing since.
    is_asked: bool,
}

pub(super) struct Judge<'a> {
    calls: &'a Calls,
    logs: &'a Logs,
    log: usize,
    key: u32,
    slots: &'a mut [u32],
    messages: Vec<Message>,
    places: Places,
    /// By place: one more than the value that was seen there first, and when it was known.
    values: Vec<u32>,
    known: Vec<Rank>,
    /// Values that stand at several places: the last of them.
    again: BTreeMap<u32, u32>,
    /// Places with several values.
    mixed: BTreeMap<u32, u32>,
    /// How many sends did not fail, how many were acknowledged, and how many messages were polled.
    sent: usize,
    acknowledged: usize,
    polled: usize,
}

impl<'a> Judge<'a> {
    pub(super) fn of(calls: &'a Calls, logs: &'a Logs, log: usize, slots: &'a mut [u32]) -> Self {
        let offsets = logs
            .sends(log)
            .iter()
            .filter(|send| send.offset != UNKNOWN && calls.outcome[send.call as usize] == Kind::Ok);
        let polled = logs.polls(log).iter().filter(|poll| poll.value != SEEK);
        let offsets = offsets.chain(polled).map(|record| record.offset);
        let (places, count) = Places::of(offsets);
        Self {
            calls,
            logs,
            log,
            key: logs.list[log].name,
            slots,
            messages: Vec::with_capacity(logs.sends(log).len()),
            places,
            values: vec![0; count],
            known: vec![NEVER; count],
            again: BTreeMap::new(),
            mixed: BTreeMap::new(),
            sent: 0,
            acknowledged: 0,
            polled: 0,
        }
    }

    pub(super) fn judge(mut self, tally: &mut Tally) {
        let logs = self.logs;
        let (sends, polls) = (logs.sends(self.log), logs.polls(self.log));
        for send in sends {
            self.send(send, tally);
        }
        for poll in polls.iter().filter(|poll| poll.value != SEEK) {
            self.poll(poll, tally);
        }
        tally.add("sends", self.sent);
        tally.add("acknowledged", self.acknowledged);
        tally.add("polled", self.polled);
        self.offsets(tally);
        self.producers(sends, tally);
        let passed = self.consumers(polls, tally);
        self.messages(&passed, tally);
        self.lag(polls, tally);
        for message in &self.messages {
            self.slots[message.value as usize] = 0;
        }
    }

    fn message(&mut self, value: u32) -> usize {
        let slot = &mut self.slots[value as usize];
        if *slot == 0 {
            self.messages.push(Message {
                value,
                send: NOBODY,
                place: NOBODY,
                is_sure: false,
                has_failed: false,
                is_polled: false,
                is_sent_again: false,
            });
            *slot = narrow(self.messages.len());
        }
        *slot as usize - 1
    }

    fn tell(&self, name: &str, of: &[u32], conclusion: String) -> Anomaly {
        of_calls(self.calls, name, self.key, of, conclusion)
    }

    fn send(&mut self, send: &Record, tally: &mut Tally) {
        let at = send.call as usize;
        let outcome = self.calls.outcome[at];
        let of = self.message(send.value);
        let message = &mut self.messages[of];
        if outcome == Kind::Fail {
            message.has_failed = true;
            return;
        }
        self.sent += 1;
        if message.send != NOBODY {
            tally.add("values_sent_again", 1);
        }
        message.is_sent_again |= message.send != NOBODY;
        if message.send == NOBODY {
            message.send = send.call;
        }
        if outcome == Kind::Ok {
            self.acknowledged += 1;
            message.is_sure = true;
            if send.offset != UNKNOWN {
                self.put(of, send);
            }
        }
    }

    fn poll(&mut self, poll: &Record, tally: &mut Tally) {
        let of = self.message(poll.value);
        let message = &mut self.messages[of];
        if message.is_polled {
            tally.add("polled_again", 1);
        }
        self.polled += 1;
        message.is_polled = true;
        self.put(of, poll);
    }

    /// Notes that a value stands at an offset.
    fn put(&mut self, of: usize, record: &Record) {
        let Some(place) = self.places.find(record.offset) else {
            return;
        };
        let at = place as usize;
        let ends = self.calls.ends[record.call as usize];
        self.known[at] = self.known[at].min(ends);
        if self.values[at] == 0 {
            self.values[at] = record.value + 1;
        } else if self.values[at] != record.value + 1 {
            self.mixed.entry(place).or_insert(record.value);
        }
        let message = &mut self.messages[of];
        if message.place == NOBODY {
            message.place = place;
        } else if message.place != place {
            let last = self.again.entry(record.value).or_insert(message.place);
            *last = (*last).max(message.place).max(place);
            message.place = message.place.min(place);
        }
    }

    /// A call that told of a value at a place.
    fn teller(&self, value: u32, place: u32) -> Option<u32> {
        let (sends, polls) = (self.logs.sends(self.log), self.logs.polls(self.log));
        let tells = |record: &&Record| {
            record.value == value && self.places.find(record.offset) == Some(place)
        };
        sends
            .iter()
            .chain(polls)
            .find(tells)
            .map(|record| record.call)
    }

    /// What stands where.
    fn offsets(&mut self, tally: &mut Tally) {
        tally.add("inconsistent_offsets", self.mixed.len());
        for (&place, &other) in &self.mixed {
            if !tally.is_open("inconsistent-offsets") {
                break;
            }
            let first = self.values[place as usize] - 1;
            let of = [first, other].map(|value| self.teller(value, place));
            let of: Vec<u32> = of.into_iter().flatten().collect();
            let [first, other] = [first, other].map(|value| word(self.calls, value));
            let both = format!("both {first} and {other} were seen at one offset.");
            tally.list(
                "inconsistent-offsets",
                self.tell("inconsistent-offsets", &of, both),
            );
        }
        for (&value, &last) in &self.again {
            let message = self.messages[self.slots[value as usize] as usize - 1];
            if message.is_sent_again {
                continue;
            }
            tally.add("duplicates", 1);
            if tally.is_open("duplicate") {
                let of = [message.place, last].map(|place| self.teller(value, place));
                let of: Vec<u32> = of.into_iter().flatten().collect();
                let twice = format!("{} stands at several offsets.", word(self.calls, value));
                tally.list("duplicate", self.tell("duplicate", &of, twice));
            }
        }
    }

    /// In which order sends were given their offsets.
    fn producers(&mut self, sends: &[Record], tally: &mut Tally) {
        // By process: its last send and where that stands.
        let mut last: Table<u32, (u32, u32)> = Table::default();
        // Sends by their ends, and the highest place of those that were over.
        let mut open: BinaryHeap<Reverse<u64>> = BinaryHeap::new();
        let mut highest = None;
        for send in sends {
            let at = send.call as usize;
            if self.calls.outcome[at] != Kind::Ok || send.offset == UNKNOWN {
                continue;
            }
            let Some(place) = self.places.find(send.offset) else {
                continue;
            };
            let begins = self.calls.begins[at];
            while let Some(&Reverse(ended)) = open.peek()
                && high_half(ended) < begins
            {
                highest = highest.max(Some(low_half(ended)));
                open.pop();
            }
            if highest > Some(place) {
                tally.add("send_inversions", 1);
            }
            open.push(Reverse(pack(self.calls.ends[at], place)));
            let process = self.calls.process_place(send.call);
            let before = last.insert(process, (place, send.call));
            if let Some((before, call)) = before
                && before >= place
            {
                tally.add("nonmonotonic_sends", 1);
                if tally.is_open("nonmonotonic-send") {
                    let back = format!(
                        "{} was sent after what stands at a higher offset, or at the same.",
                        word(self.calls, send.value)
                    );
                    let of = [call, send.call];
                    tally.list(
                        "nonmonotonic-send",
                        self.tell("nonmonotonic-send", &of, back),
                    );
                }
            }
        }
    }

    /// Follows each consumer; how many messages were passed: all up to a place, and further
    /// stretches of places.
    fn consumers(&mut self, polls: &[Record], tally: &mut Tally) -> Passed {
        let mut positions: Table<u32, Position> = Table::default();
        let mut passed = Passed::default();
        for poll in polls {
            let process = self.calls.process_place(poll.call);
            if poll.value == SEEK {
                let next = self.places.before(poll.offset);
                let asked = Position {
                    next,
                    call: poll.call,
                    is_asked: true,
                };
                positions.insert(process, asked);
                passed.choose(process);
                continue;
            }
            let Some(place) = self.places.find(poll.offset) else {
                continue;
            };
            let position = positions.get(&process).copied();
            let same_call = position.is_some_and(|position| position.call == poll.call);
            let position = position.filter(|position| {
                same_call || !self.logs.is_started(process, position.call, poll.call)
            });
            let goes_on = same_call || !self.logs.is_subscribed(process, poll.call);
            let from = if passed.is_chosen(process) || self.logs.is_doubtful && goes_on {
                position.map_or(place, |position| position.next.min(place))
            } else if self.logs.is_doubtful {
                // What stands before it, a poll of unknown outcome may have taken.
                place
            } else {
                0
            };
            passed.note(from, place);
            if let Some(position) = position {
                self.step(process, position, poll, place, same_call, tally);
            }
            let position = Position {
                next: place + 1,
                call: poll.call,
                is_asked: false,
            };
            positions.insert(process, position);
        }
        passed
    }

    /// From one message to the next of a consumer.
    fn step(
        &self,
        process: u32,
        position: Position,
        poll: &Record,
        place: u32,
        same_call: bool,
        tally: &mut Tally,
    ) {
        if place == position.next {
            return;
        }
        let is_skip = place > position.next;
        let is_inside = same_call && !position.is_asked;
        if !same_call && self.logs.is_subscribed(process, poll.call) {
            let name = if is_skip {
                "rebalanced_skips"
            } else {
                "rebalanced_repeats"
            };
            tally.add(name, 1);
            return;
        }
        let (count, name) = match (is_skip, is_inside) {
            (true, true) => ("poll_skips", "int-poll-skip"),
            (true, false) => ("poll_skips", "poll-skip"),
            (false, true) => ("nonmonotonic_polls", "int-nonmonotonic-poll"),
            (false, false) => ("nonmonotonic_polls", "nonmonotonic-poll"),
        };
        tally.add(count, 1);
        if !tally.is_open(name) {
            return;
        }
        let shown = word(self.calls, poll.value);
        let conclusion = if is_skip {
            let skipped = self.values[position.next as usize] - 1;
            let skipped = word(self.calls, skipped);
            format!("it went on with {shown} and passed over {skipped}, which stands before it.")
        } else {
            format!("it went back to {shown}, at offset {}.", poll.offset)
        };
        let mut of = vec![position.call, poll.call];
        if is_skip {
            let skipped = self.values[position.next as usize] - 1;
            of.extend(self.teller(skipped, position.next));
        }
        of.sort_unstable();
        of.dedup();
        tally.list(name, self.tell(name, &of, conclusion));
    }

    /// What became of each message.
    fn messages(&mut self, passed: &Passed, tally: &mut Tally) {
        let passed = passed.places(narrow(self.values.len()));
        let seen = self.messages.iter().filter(|message| message.is_polled);
        tally.add("seen", seen.count());
        for message in &self.messages {
            let shown = || word(self.calls, message.value);
            if message.is_polled && message.send == NOBODY {
                let (count, name, why) = if message.has_failed {
                    ("aborted_reads", "aborted-read", "although its send failed")
                } else {
                    ("phantoms", "phantom-value", "which nobody sent")
                };
                tally.add(count, 1);
                if tally.is_open(name) {
                    let of = self.first_calls(message.value);
                    let conclusion = format!("{} was polled, {why}.", shown());
                    tally.list(name, self.tell(name, &of, conclusion));
                }
            } else if message.is_sure && !message.is_polled {
                let last = self.again.get(&message.value).copied();
                let last = last.unwrap_or(message.place);
                let is_lost = last != NOBODY && !message.is_sent_again && passed.is_passed(last);
                tally.add(if is_lost { "lost" } else { "unseen" }, 1);
                if is_lost && tally.is_open("lost-write") {
                    let gone = format!(
                        "{} was acknowledged, polls got beyond its offset, and none returned it.",
                        shown()
                    );
                    let mut of = vec![message.send];
                    of.extend(self.beyond(last));
                    tally.list("lost-write", self.tell("lost-write", &of, gone));
                }
            }
        }
        self.early(tally);
    }

    /// Messages that a poll returned which was over before their sends began.
    fn early(&self, tally: &mut Tally) {
        for poll in self
            .logs
            .polls(self.log)
            .iter()
            .filter(|poll| poll.value != SEEK)
        {
            let message = self.messages[self.slots[poll.value as usize] as usize - 1];
            if message.send == NOBODY
                || self.calls.ends[poll.call as usize] >= self.calls.begins[message.send as usize]
            {
                continue;
            }
            tally.add("phantoms", 1);
            if tally.is_open("phantom-value") {
                let shown = word(self.calls, poll.value);
                let early = format!("{shown} was polled before anybody had begun to send it.");
                let of = [poll.call, message.send];
                tally.list("phantom-value", self.tell("phantom-value", &of, early));
            }
        }
    }

    /// The first send, if any, and the first poll of a value.
    fn first_calls(&self, value: u32) -> Vec<u32> {
        let first = |records: &[Record]| {
            let found = records.iter().find(|record| record.value == value);
            found.map(|record| record.call)
        };
        let sends = first(self.logs.sends(self.log));
        sends
            .into_iter()
            .chain(first(self.logs.polls(self.log)))
            .collect()
    }

    /// A poll that got beyond a place.
    fn beyond(&self, place: u32) -> Option<u32> {
        let beyond = |record: &&Record| {
            record.value != SEEK && self.places.find(record.offset) > Some(place)
        };
        let found = self.logs.polls(self.log).iter().find(beyond);
        found.map(|record| record.call)
    }

    /// How far each poll was behind what was known to be there when it began.
    fn lag(&mut self, polls: &[Record], tally: &mut Tally) {
        let mut soonest = NEVER;
        for known in self.known.iter_mut().rev() {
            soonest = soonest.min(*known);
            *known = soonest;
        }
        let returned = polls.chunk_by(|one, other| one.call == other.call);
        let mut told = 0;
        for own in returned {
            let places = own.iter().filter(|poll| poll.value != SEEK);
            let places = places.filter_map(|poll| self.places.find(poll.offset));
            let Some(last) = places.max() else { continue };
            tally.polls += 1;
            told += 1;
            let begins = self.calls.begins[own[0].call as usize];
            let next = self.known.get(last as usize + 1).copied().unwrap_or(NEVER);
            if next < begins {
                let lag = self.calls.time(begins) - self.calls.time(next);
                tally.lags.push(lag);
            }
        }
        tally.add("polls", told);
    }
}

/// Which places polls got beyond.
#[derive(Clone, Debug, Default)]
struct Passed {
    /// All before this one.
    until: u32,
    /// Stretches that consumers went through who had chosen where to begin.
    stretches: Vec<(u32, u32)>,
    /// These consumers.
    chosen: BTreeSet<u32>,
}

impl Passed {
    fn is_chosen(&self, process: u32) -> bool {
        !self.chosen.is_empty() && self.chosen.contains(&process)
    }

    fn choose(&mut self, process: u32) {
        self.chosen.insert(process);
    }

    fn note(&mut self, from: u32, to: u32) {
        if from == 0 {
            self.until = self.until.max(to);
        } else if from < to {
            self.stretches.push((from, to));
        }
    }

    /// The same, to be asked.
    fn places(&self, count: u32) -> PassedPlaces {
        let mut depth = Vec::new();
        if !self.stretches.is_empty() {
            let mut changes = vec![0_i64; count as usize + 1];
            for &(from, to) in &self.stretches {
                changes[from as usize] += 1;
                changes[to as usize] -= 1;
            }
            let mut sum = 0;
            depth.extend(changes.into_iter().map(|change| {
                sum += change;
                sum > 0
            }));
        }
        PassedPlaces {
            until: self.until,
            inside: depth,
        }
    }
}

struct PassedPlaces {
    until: u32,
    inside: Vec<bool>,
}

impl PassedPlaces {
    fn is_passed(&self, place: u32) -> bool {
        place < self.until || self.inside.get(place as usize).copied().unwrap_or(false)
    }
}
