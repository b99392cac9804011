//! The rows of the ledger: what became of every acknowledged write, and of what should not be.

use std::collections::BTreeMap;

use super::gather::{Final, Gathered, Object};
use super::windows::LossWindow;
use crate::calls::{Calls, NEVER, Rank};
use crate::faults::{self, Event, Window};
use crate::history::{Nanos, Process, Value};
use crate::linearizable::grouping::narrow;

/// What became of a write, or of what a node holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fate {
    /// Acknowledged, and some node has it.
    Present,
    /// Acknowledged; no node has it, but some node has what began to be written after it had
    /// been acknowledged, or its element was removed.
    Replaced,
    /// Acknowledged; no node has it, but some node has a value whose write was concurrent with
    /// it, so that either may win by design.
    Overwritten,
    /// Acknowledged, gone, and nothing is left that can have replaced it.
    Lost,
    /// Acknowledged; the final reads do not tell.
    Undecided,
    /// Its outcome was unknown, and some node has it.
    Recovered,
    /// It failed, and some node has it.
    Dirty,
    /// An element that a node returned twice.
    Duplicate,
    /// Some node has it, and nobody wrote it.
    Phantom,
}

impl Fate {
    /// All of them, in the order of the table.
    pub const ALL: [Self; 9] = [
        Self::Present,
        Self::Replaced,
        Self::Overwritten,
        Self::Lost,
        Self::Undecided,
        Self::Recovered,
        Self::Dirty,
        Self::Duplicate,
        Self::Phantom,
    ];

    /// The word that tables use.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Present => "present",
            Self::Replaced => "replaced",
            Self::Overwritten => "overwritten",
            Self::Lost => "lost",
            Self::Undecided => "undecided",
            Self::Recovered => "recovered",
            Self::Dirty => "dirty",
            Self::Duplicate => "duplicate",
            Self::Phantom => "phantom",
        }
    }

    /// Whether the write was acknowledged.
    #[must_use]
    pub fn is_acknowledged(self) -> bool {
        match self {
            Self::Present | Self::Replaced | Self::Overwritten | Self::Lost | Self::Undecided => {
                true
            }
            Self::Recovered | Self::Dirty | Self::Duplicate | Self::Phantom => false,
        }
    }

    /// Whether it must not be.
    #[must_use]
    pub fn is_anomaly(self) -> bool {
        match self {
            Self::Lost | Self::Dirty | Self::Duplicate | Self::Phantom => true,
            Self::Present
            | Self::Replaced
            | Self::Overwritten
            | Self::Undecided
            | Self::Recovered => false,
        }
    }
}

/// No fate, in the column of fates.
pub(super) const NONE: u8 = u8::MAX;

/// A row that belongs to what a node holds and not to an acknowledged write.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stray {
    pub(super) fate: Fate,
    pub(super) key: u32,
    pub(super) value: u32,
    pub(super) is_element: bool,
    pub(super) node: u16,
    /// The final read that shows it.
    pub(super) read: u32,
    /// The write that failed, if one did.
    pub(super) write: Option<u32>,
}

/// What became of every write of a history.
#[derive(Debug)]
pub struct Ledger<'c> {
    pub(super) calls: &'c Calls,
    pub(super) gathered: Gathered,
    pub(super) events: Vec<Event<'c>>,
    pub(super) faults: Vec<Window<'c>>,
    /// By call: a [`Fate`], or [`NONE`].
    pub(super) fates: Vec<u8>,
    /// Lost writes in the order of their acknowledgements.
    pub(super) lost: Vec<u32>,
    /// Elements that some nodes have and others lack: call and node that lacks it.
    pub(super) lacking: Vec<(u32, u16)>,
    /// Those calls, each once.
    pub(super) divergent: Vec<u32>,
    pub(super) divergent_registers: usize,
    pub(super) keys_finally_read: usize,
    pub(super) strays: Vec<Stray>,
    /// By key with a loss: its object, and what is left of it.
    pub(super) left: BTreeMap<u32, Left>,
    /// Lost writes whose process had read or written a value that is left before it began.
    pub(super) seen_winner: usize,
    /// The first reason for which something is undecided.
    pub(super) why: Option<String>,
    pub(super) is_cut_short: bool,
}

/// What is left of an object that lost something.
#[derive(Clone, Debug, Default)]
pub(super) struct Left {
    /// The place of the object.
    pub(super) object: u32,
    /// The calls that show when the values of a register that are left took effect.
    pub(super) makers: Vec<u32>,
    /// When the youngest of these had: [`BEFORE`](crate::calls::BEFORE) if nothing that was
    /// written is left.
    pub(super) youngest: Rank,
}

/// One line of the ledger.
#[derive(Clone, Copy, Debug)]
pub struct Row<'l> {
    ledger: &'l Ledger<'l>,
    /// What became of it.
    pub fate: Fate,
    key: u32,
    value: u32,
    /// Whether it is an element of a set, and not the value of a register.
    pub is_element: bool,
    /// The write, by its number among the calls; none of what nobody wrote.
    pub call: Option<u32>,
    /// The node that holds what should not be there.
    holder: Option<u16>,
}

impl<'l> Row<'l> {
    /// The object.
    #[must_use]
    pub fn key(&self) -> Value {
        self.ledger.calls.value(self.key)
    }

    /// The value that was written, or the element that was added.
    #[must_use]
    pub fn value(&self) -> Value {
        self.ledger.calls.value(self.value)
    }

    /// The index of the entry that began the write.
    #[must_use]
    pub fn index(&self) -> Option<usize> {
        self.call.map(|call| self.ledger.calls.index(call))
    }

    /// Who wrote.
    #[must_use]
    pub fn process(&self) -> Option<Process> {
        self.call.map(|call| self.ledger.calls.process(call))
    }

    /// The node that answered the write; of what nobody wrote the node that holds it.
    #[must_use]
    pub fn node(&self) -> Option<&'l str> {
        let node = match self.call {
            Some(call) if self.holder.is_none() => self.ledger.calls.node(call),
            _ => self.holder,
        };
        Some(&*self.ledger.calls.nodes()[usize::from(node?)])
    }

    /// When the write began.
    #[must_use]
    pub fn began(&self) -> Option<Nanos> {
        let calls = self.ledger.calls;
        self.call
            .map(|call| calls.time(calls.begins[call as usize]))
    }

    /// When it was acknowledged, or failed; none if it never ended.
    #[must_use]
    pub fn ended(&self) -> Option<Nanos> {
        let calls = self.ledger.calls;
        let end = calls.ends[self.call? as usize];
        (end != NEVER).then(|| calls.time(end))
    }

    /// The nodes that were finally read and do not have it: all of them if it is lost.
    #[must_use]
    pub fn lacking(&self) -> Vec<&'l str> {
        let ledger = self.ledger;
        let name = |node: u16| &*ledger.calls.nodes()[usize::from(node)];
        match (self.fate, self.call) {
            (Fate::Lost, Some(_)) => {
                let finals = ledger.finals_of(self.key, self.is_element);
                finals.iter().map(|of| name(of.node)).collect()
            }
            (Fate::Present | Fate::Recovered, Some(call)) => {
                let from = ledger.lacking.partition_point(|(of, _)| *of < call);
                let own = ledger.lacking[from..]
                    .iter()
                    .take_while(|(of, _)| *of == call);
                own.map(|(_, node)| name(*node)).collect()
            }
            _ => Vec::new(),
        }
    }

    /// The faults that were in force when the write ended, or began if it never did.
    pub fn faults(&self) -> impl Iterator<Item = String> + '_ {
        let at = self.ended().or(self.began());
        let faults = self.ledger.faults.iter();
        let active = faults.filter(move |window| {
            at.is_some_and(|at| window.from <= at && window.to.is_none_or(|to| to >= at))
        });
        active.map(|window| window.event.in_words())
    }

    /// The first promotion that was asked for after the write had ended.
    #[must_use]
    pub fn promotion(&self) -> Option<Promotion<'l>> {
        self.ledger.promotion_after(self.ended().or(self.began())?)
    }
}

/// A follower made leader, as the nemesis recorded it.
#[derive(Clone, Copy, Debug)]
pub struct Promotion<'c> {
    /// When it was done.
    pub at: Nanos,
    /// What was recorded.
    value: &'c Value,
}

impl<'c> Promotion<'c> {
    /// Who leads since.
    #[must_use]
    pub fn leader(&self) -> Option<&'c str> {
        let leader = self.value.get("leader").or_else(|| self.value.get("node"));
        leader.unwrap_or(self.value).as_str()
    }

    /// The position in the log at which it began to lead.
    #[must_use]
    pub fn begins_at(&self) -> Option<i64> {
        self.value.get("begins-at")?.as_int()
    }

    /// By node that was consulted: the last position of its log.
    #[must_use]
    pub fn log_ends(&self) -> Vec<(&'c str, i64)> {
        let Some(Value::Map(ends)) = self.value.get("log-ends") else {
            return Vec::new();
        };
        let ends = ends.iter();
        ends.filter_map(|(node, end)| Some((&**node, end.as_int()?)))
            .collect()
    }

    /// "n2 began to lead at position 12 (logs ended: n2 12, n3 15)", as far as it is known.
    pub(super) fn positions(&self) -> Option<String> {
        let leader = self.leader().unwrap_or("a node");
        let begins = self.begins_at();
        let ends: Vec<String> = self
            .log_ends()
            .into_iter()
            .map(|(node, end)| format!("{node} {end}"))
            .collect();
        let ends = ends.join(", ");
        match (begins, ends.is_empty()) {
            (None, true) => None,
            (Some(at), true) => Some(format!("{leader} began to lead at position {at}")),
            (None, false) => Some(format!("{leader} began to lead; the logs ended at {ends}")),
            (Some(at), false) => Some(format!(
                "{leader} began to lead at position {at}; the logs ended at {ends}"
            )),
        }
    }
}

/// Keeps the ledger of a history.
///
/// **Cost**: linear in operations and in elements finally read; at most 40 bytes an operation.
#[must_use]
pub fn ledger(calls: &Calls) -> Ledger<'_> {
    Ledger::until(calls, &mut || false)
}

impl<'c> Ledger<'c> {
    /// The same, given up when `is_spent` says so.
    pub(super) fn until(calls: &'c Calls, is_spent: &mut dyn FnMut() -> bool) -> Self {
        let events = faults::events_of(calls.nemesis());
        let mut ledger = Self {
            calls,
            gathered: Gathered::of(calls),
            faults: faults::windows(&events),
            events,
            fates: vec![NONE; calls.len()],
            lost: Vec::new(),
            lacking: Vec::new(),
            divergent: Vec::new(),
            divergent_registers: 0,
            keys_finally_read: 0,
            strays: Vec::new(),
            left: BTreeMap::new(),
            seen_winner: 0,
            why: None,
            is_cut_short: false,
        };
        // By value: one more than its place among those of the object at hand.
        let mut slots = vec![0_u32; calls.values.len()];
        let objects = std::mem::take(&mut ledger.gathered.objects);
        for is_set in [false, true] {
            for (place, object) in objects.iter().enumerate() {
                if is_spent() {
                    ledger.is_cut_short = true;
                    break;
                }
                if is_set && object.is_set() {
                    ledger.set(narrow(place), object, &mut slots);
                } else if !is_set && object.is_register() {
                    ledger.register(narrow(place), object, &mut slots);
                }
            }
        }
        ledger.gathered.objects = objects;
        ledger
            .lost
            .sort_unstable_by_key(|call| calls.end_index(*call));
        ledger.lacking.sort_unstable();
        ledger.divergent.sort_unstable();
        ledger
    }

    pub(super) fn name(&self, node: u16) -> &'c str {
        &self.calls.nodes()[usize::from(node)]
    }

    pub(super) fn note(&mut self, call: u32, fate: Fate) {
        self.fates[call as usize] = fate as u8;
    }

    /// Whether something acknowledged and missing is certainly gone; if not, notes why.
    pub(super) fn is_settled(&mut self, object: &Object, finals: &[Final], call: u32) -> bool {
        let key = || self.calls.value(object.key);
        let read = |node: &&u16| finals.binary_search_by_key(*node, |of| of.node).is_err();
        let unread = self.gathered.nodes.iter().filter(read);
        let first = finals.iter().map(|of| self.calls.begins[of.call as usize]);
        let why = if finals.is_empty() {
            format!("{} was read on no node after recovery", key())
        } else if unread.clone().next().is_some() {
            let unread: Vec<&str> = unread.map(|node| self.name(*node)).collect();
            format!(
                "{} could not be read on {} after recovery",
                key(),
                unread.join(", ")
            )
        } else if first.min() <= Some(self.calls.ends[call as usize]) {
            format!("{} was written after the final reads began", key())
        } else {
            return true;
        };
        self.why.get_or_insert(why);
        false
    }

    /// How many rows have this fate.
    #[must_use]
    pub fn count(&self, fate: Fate) -> usize {
        let calls = self.fates.iter().filter(|of| **of == fate as u8).count();
        calls
            + self
                .strays
                .iter()
                .filter(|stray| stray.fate == fate)
                .count()
    }

    /// Every row: writes in the order of their starts, then what nobody wrote, what failed and
    /// is there, and what is there twice.
    pub fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        let writes = self.fates.iter().enumerate().filter(|(_, of)| **of != NONE);
        let writes = writes.map(|(at, of)| self.row(narrow(at), Fate::ALL[usize::from(*of)]));
        let strays = self.strays.iter().map(|stray| Row {
            ledger: self,
            fate: stray.fate,
            key: stray.key,
            value: stray.value,
            is_element: stray.is_element,
            call: stray.write,
            holder: Some(stray.node),
        });
        writes.chain(strays)
    }

    /// The lost writes, in the order in which they were acknowledged.
    pub fn lost(&self) -> impl ExactSizeIterator<Item = Row<'_>> {
        let lost = self.lost.iter();
        lost.map(|call| self.row(*call, Fate::Lost))
    }

    /// What the nodes finally held of a key that lost something.
    pub(super) fn finals_of(&self, key: u32, is_set: bool) -> &[Final] {
        let object = self.left.get(&key).map(|left| left.object as usize);
        object.map_or(&[], |object| {
            self.gathered.finals(&self.gathered.objects[object], is_set)
        })
    }

    fn row(&self, call: u32, fate: Fate) -> Row<'_> {
        let at = call as usize;
        let f = self.calls.name(call);
        Row {
            ledger: self,
            fate,
            key: self.calls.key[at],
            value: if f == "cas" {
                self.calls.second[at]
            } else {
                self.calls.argument[at]
            },
            is_element: f == "add",
            call: Some(call),
            holder: None,
        }
    }

    /// Stretches of time in which acknowledged writes were lost, each between two remedies of
    /// the nemesis, in order.
    #[must_use]
    pub fn loss_windows(&self) -> Vec<LossWindow> {
        super::windows::of(self)
    }

    pub(super) fn promotion_after(&self, at: Nanos) -> Option<Promotion<'_>> {
        let promoted =
            |event: &&Event<'_>| event.f == "promote" && event.began > at && !event.failed;
        let event = self.events.iter().find(promoted)?;
        Some(Promotion {
            at: event.ended,
            value: event.value,
        })
    }
}
