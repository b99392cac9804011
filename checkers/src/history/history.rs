//! A checked history: the laws on which every algorithm relies.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::{Kind, Nanos, Op, Process};

/// A sequence of operations that keeps the laws of [`History::new`].
#[derive(Clone, Debug, Default)]
pub struct History {
    ops: Vec<Op>,
    /// For each position: the position of the other end of the operation, if it has one.
    partner: Vec<Option<u32>>,
    /// Whether the recording bore no times, so that the entries' order stands for time.
    untimed: bool,
}

/// A broken law: what is wrong and with which entry.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("malformed history at index {index}: {reason}")]
pub struct Malformed {
    /// The index of the offending entry.
    pub index: usize,
    /// What is wrong with it, and what would mend it.
    pub reason: String,
}

/// Entries that break a law, and where.
pub(super) struct Broken {
    pub(super) ops: Vec<Op>,
    pub(super) position: usize,
    pub(super) reason: String,
}

/// An operation of a client: its start and, if it was ever learned, its end.
#[derive(Clone, Copy, Debug)]
pub struct Call<'h> {
    /// The start.
    pub invoke: &'h Op,
    /// The end; none if the history stops before it.
    pub complete: Option<&'h Op>,
    /// Whether the times are no times but the order of the entries.
    pub untimed: bool,
}

impl<'h> Call<'h> {
    /// How it ended; a call without an end is as indeterminate as one that ended in `Info`.
    #[must_use]
    pub fn outcome(&self) -> Kind {
        self.complete.map_or(Kind::Info, |op| op.kind)
    }

    /// The node that answered or, if that is not known, the one that was asked.
    #[must_use]
    pub fn node(&self) -> Option<&'h Arc<str>> {
        self.complete
            .and_then(|op| op.node.as_ref())
            .or(self.invoke.node.as_ref())
    }

    /// When it was certainly over: the time of its `Ok` or `Fail`, never for any other.
    #[must_use]
    pub fn returned(&self) -> Option<Nanos> {
        self.complete
            .filter(|op| op.kind != Kind::Info)
            .map(|op| op.time)
    }
}

impl History {
    /// Checks the laws and pairs starts with ends.
    ///
    /// Indices rise strictly; time never goes back; a client has one open call at a time; no
    /// end stands without its start, and it names the same function; no client is heard of
    /// again after `Info`. Operations of the nemesis come as they like: each is an entry for
    /// itself.
    ///
    /// # Errors
    ///
    /// [`Malformed`] names the first entry that breaks a law.
    ///
    /// # Panics
    ///
    /// With four billion entries or more.
    ///
    /// **Cost**: linear.
    pub fn new(ops: Vec<Op>) -> Result<Self, Malformed> {
        Self::checked(ops).map_err(|broken| Malformed {
            index: broken.ops[broken.position].index,
            reason: broken.reason,
        })
    }

    /// As [`new`](Self::new); the error gives the entries back.
    pub(super) fn checked(ops: Vec<Op>) -> Result<Self, Broken> {
        match Self::partners(&ops) {
            Ok(partner) => Ok(Self {
                ops,
                partner,
                untimed: false,
            }),
            Err((position, reason)) => Err(Broken {
                ops,
                position,
                reason,
            }),
        }
    }

    /// Checks the laws: for each entry the position of its other end, or the first entry that
    /// breaks a law, by position, and how.
    fn partners(ops: &[Op]) -> Result<Vec<Option<u32>>, (usize, String)> {
        let mut partner = vec![None; ops.len()];
        let mut open: HashMap<u32, usize> = HashMap::new();
        let mut gone: HashSet<u32> = HashSet::new();
        for (position, op) in ops.iter().enumerate() {
            let fail = |reason: String| Err((position, reason));
            if let Some(before) = position.checked_sub(1).map(|p| &ops[p]) {
                if op.index <= before.index {
                    return fail(format!(
                        "its index follows {}; indices must rise",
                        before.index
                    ));
                }
                if op.time < before.time {
                    return fail(format!(
                        "its time {} is before {} of the entry above; time must not go back",
                        op.time, before.time
                    ));
                }
            }
            let Process::Client(number) = op.process else {
                continue;
            };
            if gone.contains(&number) {
                return fail(format!(
                    "process {number} goes on after its operation ended in info; \
                     what follows must come from a new process"
                ));
            }
            if op.kind == Kind::Invoke {
                if let Some(other) = open.insert(number, position) {
                    return fail(format!(
                        "process {number} starts {} while its {} of index {} is still open",
                        op.f, ops[other].f, ops[other].index
                    ));
                }
                continue;
            }
            let Some(start) = open.remove(&number) else {
                return fail(format!("{} of process {number} ends but never began", op.f));
            };
            if ops[start].f != op.f {
                return fail(format!(
                    "process {number} ends {} but had begun {} at index {}",
                    op.f, ops[start].f, ops[start].index
                ));
            }
            let position32 = |p: usize| u32::try_from(p).expect("fewer than four billion entries");
            partner[start] = Some(position32(position));
            partner[position] = Some(position32(start));
            if op.kind == Kind::Info {
                gone.insert(number);
            }
        }
        Ok(partner)
    }

    /// Whether the recording bore no times: then their order stands for time.
    #[must_use]
    pub fn is_untimed(&self) -> bool {
        self.untimed
    }

    pub(crate) fn without_times(mut self) -> Self {
        self.untimed = true;
        self
    }

    /// All entries, in order.
    #[must_use]
    pub fn ops(&self) -> &[Op] {
        &self.ops
    }

    /// The calls of clients, in the order in which they began.
    pub fn calls(&self) -> impl Iterator<Item = Call<'_>> {
        self.ops.iter().enumerate().filter_map(|(position, op)| {
            let client = matches!(op.process, Process::Client(_));
            (client && op.kind == Kind::Invoke).then(|| Call {
                invoke: op,
                complete: self.partner[position].map(|p| &self.ops[p as usize]),
                untimed: self.untimed,
            })
        })
    }

    /// What the nemesis did, in order: faults and phases, each a pair of `Info` entries.
    pub fn nemesis(&self) -> impl Iterator<Item = &Op> {
        self.ops.iter().filter(|op| op.process == Process::Nemesis)
    }

    /// The entry of that index, if there is one.
    ///
    /// **Cost**: logarithmic.
    #[must_use]
    pub fn by_index(&self, index: usize) -> Option<&Op> {
        self.ops
            .binary_search_by_key(&index, |op| op.index)
            .ok()
            .map(|p| &self.ops[p])
    }
}
