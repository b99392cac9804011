//! One register, by the block theorem.
//!
//! The operations fall into **blocks** that are contiguous in every legal sequence: a write,
//! the reads of its value, the compare-and-set that took it further, the reads of the new
//! value, and so on. Within a block the order is forced. Between blocks, let `f` be the
//! earliest end and `s` the latest start of a block's operations: some operation of A must
//! come before some operation of B exactly if `f(A) < s(B)`. The register is linearizable
//! exactly if every block agrees with real time within itself and no two blocks must each come
//! before the other: in a longer cycle, the block with the smallest `f` comes before all
//! others, so it forms such a pair with the one before it.
//!
//! A block with `f < s` is **forward**: its value certainly held from f to s. Two forward
//! blocks must not overlap, and no other block may lie strictly inside a forward one.
//!
//! An operation of unknown outcome whose value was needed by nobody is left out, which never
//! hurts; one whose value was seen took effect, with no upper bound in time.

use super::{Judgement, Linearizable};
use crate::Anomaly;
use crate::explain;
use crate::history::{Call, Kind, Value};
use crate::objects::{Action, BEFORE, NEVER, Object, RegisterCall, interval};
use crate::versions::{End, Versions};

/// The initial value has no operation of its own.
const NOBODY: usize = usize::MAX;

/// How many links of a chain of compare-and-sets are shown as evidence.
const LINKS: usize = 6;

/// Judges one register.
///
/// **Cost**: O(n log n), for sorting the blocks.
pub(super) fn judge(object: &Object<'_, RegisterCall<'_>>) -> Judgement {
    let versions = Versions::of(&object.calls);
    let mut judge = Judge {
        object,
        live: live(&object.calls, &versions),
        versions,
        judgement: Judgement::default(),
    };
    judge.judgement.power = judge.has_power();
    judge.unknown_values();
    let repeated = judge
        .live_ids()
        .map(|id| &judge.versions.list[id])
        .find(|version| version.writers > 1);
    if let Some(version) = repeated {
        judge.judgement.undecided = Some(format!(
            "{} may have been written by {} operations; values must be unique",
            version.value, version.writers
        ));
        judge.judgement.searchable = true;
        return judge.judgement;
    }
    let blocks = judge.blocks();
    judge.conflicts(&blocks);
    judge.judgement
}

/// Which values were needed: seen by a successful read, expected or made by a successful
/// operation, or expected by an operation whose value was needed.
fn live(calls: &[RegisterCall<'_>], versions: &Versions<'_>) -> Vec<bool> {
    let mut live = vec![false; versions.list.len()];
    live[0] = true;
    let mut work = Vec::new();
    // Of a value that several may have made, any may have: none of them was needed for certain.
    let mut makers: Vec<Vec<usize>> = vec![Vec::new(); versions.list.len()];
    for (position, call) in calls.iter().enumerate() {
        let ok = call.call.outcome() == Kind::Ok;
        let failed = call.call.outcome() == Kind::Fail;
        let id = |value| versions.id(value).expect("all values were interned");
        match call.action {
            Action::Read(value) => work.push(id(value)),
            Action::Write(_) | Action::Cas { .. } if failed => {}
            Action::Write(new) => {
                makers[id(new)].push(position);
                work.extend(ok.then(|| id(new)));
            }
            Action::Cas { old, new } => {
                makers[id(new)].push(position);
                work.extend(ok.then(|| [id(old), id(new)]).into_iter().flatten());
            }
        }
    }
    while let Some(id) = work.pop() {
        if std::mem::replace(&mut live[id], true) {
            continue;
        }
        if let &[maker] = makers[id].as_slice()
            && let Action::Cas { old, .. } = calls[maker].action
        {
            work.push(versions.id(old).expect("all values were interned"));
        }
    }
    live
}

/// A block reduced to what the theorem needs: its earliest end and its latest start.
#[derive(Clone, Debug)]
pub(super) struct Block {
    pub(super) f: End,
    pub(super) s: End,
    /// The version at its head.
    head: usize,
}

impl Block {
    fn is_forward(&self) -> bool {
        self.f.at < self.s.at
    }
}

/// A block whose operations are still being collected, with what is needed to check its order.
struct Growing {
    block: Block,
    /// The latest start of all that must come before what is added next.
    latest: End,
    broken: bool,
}

struct Judge<'a, 'h> {
    object: &'a Object<'h, RegisterCall<'h>>,
    versions: Versions<'h>,
    live: Vec<bool>,
    judgement: Judgement,
}

impl<'h> Judge<'_, 'h> {
    fn call(&self, position: usize) -> &Call<'h> {
        &self.object.calls[position].call
    }

    /// Whether the history bears no times.
    fn untimed(&self) -> bool {
        self.object
            .calls
            .first()
            .is_some_and(|first| first.call.untimed)
    }

    fn live_ids(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.live.len()).filter(|&id| self.live[id])
    }

    fn has_power(&self) -> bool {
        let versions = &self.versions.list;
        versions.iter().any(|version| version.reads > 0)
            && versions.iter().any(|version| version.writers > 0)
    }

    fn report(&mut self, name: &str, calls: &[usize], conclusion: impl FnOnce() -> String) {
        self.judgement.contradictions += 1;
        if self.judgement.found.len() < Linearizable::LISTED {
            let calls = self.with_witnesses(calls);
            let calls: Vec<&Call<'_>> = calls.iter().map(|&call| self.call(call)).collect();
            let found: (u64, Anomaly) =
                explain::anomaly(name, self.object.key, &calls, conclusion());
            self.judgement.found.push(found);
        }
    }

    /// Adds, for every operation of unknown outcome, what shows that it took effect.
    fn with_witnesses(&self, calls: &[usize]) -> Vec<usize> {
        let mut calls: Vec<usize> = calls.iter().copied().filter(|&c| c != NOBODY).collect();
        let mut next = 0;
        while let Some(&position) = calls.get(next) {
            next += 1;
            let (Action::Write(new) | Action::Cas { new, .. }) = self.object.calls[position].action
            else {
                continue;
            };
            let shows = |&other: &usize| match self.object.calls[other].action {
                Action::Read(value) => value == new,
                Action::Cas { old, .. } => old == new && self.call(other).outcome() == Kind::Ok,
                Action::Write(_) => false,
            };
            if self.call(position).outcome() == Kind::Info && !calls.iter().any(shows) {
                let witness = self.versions.id(new).and_then(|id| self.witness(id));
                calls.extend(witness.filter(|witness| !calls.contains(witness)));
            }
        }
        calls
    }

    /// An operation that cannot have been without this value.
    fn witness(&self, id: usize) -> Option<usize> {
        let version = &self.versions.list[id];
        if version.reads > 0 {
            Some(version.first_seen.call)
        } else {
            version.consumer.or_else(|| self.taker(version.value))
        }
    }

    /// Values that were seen or expected and that nobody can have written.
    fn unknown_values(&mut self) {
        let unknown: Vec<usize> = self
            .live_ids()
            .filter(|&id| id != 0 && self.versions.list[id].writers == 0)
            .collect();
        for id in unknown {
            let version = &self.versions.list[id];
            let value = version.value;
            let failed = version.failed_writer;
            let witness = self.witness(id);
            let name = if failed.is_some() {
                "dirty-read"
            } else {
                "phantom-read"
            };
            let calls = [witness.unwrap_or(NOBODY), failed.unwrap_or(NOBODY)];
            self.report(name, &calls, || {
                if failed.is_some() {
                    format!("{value} was there although every write of it failed.")
                } else {
                    format!("{value} was there although nobody wrote it.")
                }
            });
        }
    }

    /// A compare-and-set that must have taken effect and expected `value`.
    fn taker(&self, value: &Value) -> Option<usize> {
        self.live_ids()
            .filter_map(|id| self.versions.list[id].writer)
            .find(|&writer| {
                matches!(self.object.calls[writer].action, Action::Cas { old, .. } if old == value)
            })
    }

    /// Collects the blocks and checks each against real time within itself.
    fn blocks(&mut self) -> Vec<Block> {
        let count = self.versions.list.len();
        let mut after: Vec<Option<usize>> = vec![None; count];
        let mut heads = vec![0];
        for id in self.live_ids().collect::<Vec<_>>() {
            let Some(writer) = self.versions.list[id].writer else {
                if id != 0 {
                    heads.push(id); // Already reported; what follows from it may be judged.
                }
                continue;
            };
            let Action::Cas { old, .. } = self.object.calls[writer].action else {
                heads.push(id);
                continue;
            };
            let from = self.versions.id(old).expect("all values were interned");
            if let Some(other) = after[from] {
                let first = self.versions.list[other].writer.unwrap_or(NOBODY);
                let value = self.versions.list[from].value;
                let source = self.versions.list[from].writer.unwrap_or(NOBODY);
                self.report("lost-update", &[source, first, writer], || {
                    format!("both found {value}, which only one of them can have replaced.")
                });
            } else {
                after[from] = Some(id);
            }
        }
        let mut visited = vec![false; count];
        let mut blocks = Vec::new();
        for head in heads {
            blocks.extend(self.block(head, &after, &mut visited));
        }
        self.cycles(&after, &mut visited);
        blocks
    }

    /// Walks a chain of compare-and-sets from its head, in the forced order.
    fn block(
        &mut self,
        head: usize,
        after: &[Option<usize>],
        visited: &mut [bool],
    ) -> Option<Block> {
        let none = |at| End { at, call: NOBODY };
        let mut growing = Growing {
            block: Block {
                f: none(if head == 0 { BEFORE } else { NEVER }),
                s: none(BEFORE),
                head,
            },
            latest: none(BEFORE),
            broken: false,
        };
        let mut link = Some(head);
        while let Some(id) = link {
            visited[id] = true;
            let version = &self.versions.list[id];
            let (seen, asked) = (version.first_seen, version.last_asked);
            if let Some(writer) = version.writer {
                let (inv, res) = interval(self.call(writer));
                let end = |at| End { at, call: writer };
                self.grow(&mut growing, id, end(res), end(inv));
            }
            if seen.call != NOBODY {
                self.grow(&mut growing, id, seen, asked);
            }
            link = after[id];
        }
        (!growing.broken).then_some(growing.block)
    }

    /// Adds a group of operations whose earliest end and latest start are given.
    fn grow(&mut self, growing: &mut Growing, id: usize, earliest: End, latest: End) {
        if earliest.at < growing.latest.at {
            growing.broken = true;
            let value = self.versions.list[id].value;
            let writer = self.versions.list[id].writer.unwrap_or(NOBODY);
            let before = growing.latest;
            let is_read = earliest.call != writer;
            let name = if is_read && before.call == writer {
                "future-read"
            } else if is_read || self.is_read(before.call) {
                "stale-read"
            } else {
                "not-linearizable"
            };
            let untimed = self.untimed();
            let mut calls = vec![before.call, earliest.call];
            calls.extend(self.makers(&[value]));
            self.report(name, &calls, || {
                format!(
                    "{value} was in effect by {}, yet what must come before it began only \
                     at {}.",
                    explain::place(earliest.at, untimed),
                    explain::place(before.at, untimed)
                )
            });
        }
        if earliest.at < growing.block.f.at {
            growing.block.f = earliest;
        }
        if latest.at > growing.block.s.at || growing.block.s.call == NOBODY {
            growing.block.s = latest;
        }
        if latest.at > growing.latest.at {
            growing.latest = latest;
        }
    }

    /// The operations that made these values, back to the heads of their chains; of a long
    /// chain, the last links.
    fn makers(&self, values: &[&Value]) -> Vec<usize> {
        let mut makers = Vec::new();
        for value in values {
            let mut value = *value;
            for _ in 0..LINKS {
                let id = self.versions.id(value);
                let Some(writer) = id.and_then(|id| self.versions.list[id].writer) else {
                    break;
                };
                if makers.contains(&writer) {
                    break;
                }
                makers.push(writer);
                let Action::Cas { old, .. } = self.object.calls[writer].action else {
                    break;
                };
                value = old;
            }
        }
        makers
    }

    fn is_read(&self, position: usize) -> bool {
        position != NOBODY && matches!(self.object.calls[position].action, Action::Read(_))
    }

    /// Compare-and-sets that each need the value of another, in a ring.
    fn cycles(&mut self, after: &[Option<usize>], visited: &mut [bool]) {
        for start in self.live_ids().collect::<Vec<_>>() {
            // A value has one writer and here one successor: what is left are paths and rings.
            let mut calls = Vec::new();
            let mut link = Some(start);
            while let Some(id) = link.filter(|&id| !visited[id]) {
                visited[id] = true;
                calls.extend(self.versions.list[id].writer);
                link = after[id];
            }
            if link == Some(start) && !calls.is_empty() {
                calls.truncate(LINKS);
                self.report("cas-cycle", &calls, || {
                    "each needs a value that only another of them makes.".to_owned()
                });
            }
        }
    }

    fn conflicts(&mut self, blocks: &[Block]) {
        for (a, b) in sweep(blocks) {
            self.conflict(&blocks[a], &blocks[b]);
        }
    }

    /// Two blocks of which each must come before the other.
    fn conflict(&mut self, one: &Block, other: &Block) {
        // The story reads best if it ends with whoever came last.
        let (old, new) = if one.s.at >= other.s.at {
            (one, other)
        } else {
            (other, one)
        };
        let value = |position: usize| -> &'h Value {
            if position == NOBODY {
                return self.versions.list[0].value;
            }
            match self.object.calls[position].action {
                Action::Read(value) | Action::Write(value) | Action::Cas { new: value, .. } => {
                    value
                }
            }
        };
        // Whoever wrote a value makes the better witness, where its times tell as much.
        let writer = |end: End| {
            let id = self.versions.id(value(end.call));
            let writer = self.versions.list[id.expect("all values were interned")].writer?;
            Some((writer, interval(self.call(writer))))
        };
        let starts = |end: End, after: End| match writer(end) {
            Some((call, (inv, _))) if inv > after.at => End { at: inv, call },
            _ => end,
        };
        let ends = |end: End, before: End| match writer(end) {
            Some((call, (_, res))) if res < before.at => End { at: res, call },
            _ => end,
        };
        let new_start = starts(new.s, old.f);
        let (old_end, new_end) = (ends(old.f, new_start), ends(new.f, old.s));
        let (old_f, new_f) = (value(old_end.call), value(new_end.call));
        let (old_s, new_s) = (value(old.s.call), value(new_start.call));
        let name = if self.is_read(old.s.call) {
            "stale-read"
        } else if old.head == 0 || self.versions.list[old.head].value != old_s {
            "stale-cas"
        } else {
            "not-linearizable"
        };
        let mut calls = vec![old_end.call, new_start.call, new_end.call, old.s.call];
        calls.extend(self.makers(&[old_f, new_s, new_f, old_s]));
        let what = [old_f, new_s, new_f, old_s].map(ToString::to_string);
        let times = [old_end.at, new_start.at, new_end.at, old.s.at];
        let untimed = self.untimed();
        self.report(name, &calls, || {
            let [f_a, s_b, f_b, s_a] = times.map(|at| explain::place(at, untimed));
            let [old_f, new_s, new_f, old_s] = what;
            let first = if times[0] == BEFORE {
                format!("{old_f} was there from the beginning, and")
            } else {
                format!("{old_f} was in effect by {f_a}, before")
            };
            format!(
                "{first} an operation on {new_s} began at {s_b}; {new_f} was in effect by \
                 {f_b}, before an operation on {old_s} began at {s_a}: neither value can come \
                 wholly before the other."
            )
        });
    }
}

/// The pairs of blocks of which each must come before the other: for every block that is in
/// such a pair with a forward block before it, one pair.
///
/// **Cost**: O(n log n).
pub(super) fn sweep(blocks: &[Block]) -> Vec<(usize, usize)> {
    let mut pairs = Vec::new();
    let mut forward: Vec<usize> = (0..blocks.len())
        .filter(|&b| blocks[b].is_forward())
        .collect();
    forward.sort_by_key(|&b| blocks[b].f.at);
    // Of the forward blocks up to each place, the one that lasts longest.
    let mut longest: Vec<usize> = Vec::with_capacity(forward.len());
    for &block in &forward {
        let before = longest.last().copied();
        match before {
            Some(before) if blocks[block].f.at < blocks[before].s.at => pairs.push((before, block)),
            _ => {}
        }
        let lasts = before.filter(|&before| blocks[before].s.at > blocks[block].s.at);
        longest.push(lasts.unwrap_or(block));
    }
    for (position, block) in blocks.iter().enumerate() {
        if block.is_forward() {
            continue;
        }
        let before = forward.partition_point(|&b| blocks[b].f.at < block.s.at);
        let Some(&around) = before.checked_sub(1).map(|last| &longest[last]) else {
            continue;
        };
        if block.f.at < blocks[around].s.at {
            pairs.push((around, position));
        }
    }
    pairs
}

#[cfg(test)]
mod tests {
    use petgraph::algo::is_cyclic_directed;
    use petgraph::graph::DiGraph;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::objects::Moment;

    /// The relation between blocks in full, as a graph.
    fn is_cyclic(blocks: &[Block]) -> bool {
        let mut graph = DiGraph::<(), ()>::new();
        let nodes: Vec<_> = blocks.iter().map(|_| graph.add_node(())).collect();
        for (a, from) in blocks.iter().enumerate() {
            for (b, to) in blocks.iter().enumerate() {
                if a != b && from.f.at < to.s.at {
                    graph.add_edge(nodes[a], nodes[b], ());
                }
            }
        }
        is_cyclic_directed(&graph)
    }

    #[test]
    fn the_sweep_finds_a_pair_exactly_if_the_relation_has_a_cycle() {
        let mut cyclic = 0;
        for seed in 0..50_000 {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let count = rng.random_range(0..9);
            let span: Moment = rng.random_range(3..60);
            let blocks: Vec<Block> = (0..count)
                .map(|head| {
                    let end = |at| End { at, call: NOBODY };
                    let f = rng.random_range(0..span);
                    // Mostly close together, or nearly every relation would be cyclic.
                    let s = (f + rng.random_range(0..5)).saturating_sub(rng.random_range(0..5));
                    Block {
                        f: end(f),
                        s: end(s),
                        head,
                    }
                })
                .collect();
            let pairs = sweep(&blocks);
            assert_eq!(
                !pairs.is_empty(),
                is_cyclic(&blocks),
                "seed {seed}: {blocks:?}"
            );
            for (a, b) in pairs {
                let (a, b) = (&blocks[a], &blocks[b]);
                assert!(a.f.at < b.s.at && b.f.at < a.s.at, "seed {seed}");
            }
            cyclic += usize::from(is_cyclic(&blocks));
        }
        assert!(
            (5_000..45_000).contains(&cyclic),
            "lopsided: {cyclic} of 50,000 are cyclic"
        );
    }
}
