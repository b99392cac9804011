//! One order of the values of a register, for all nodes.
//!
//! A value comes before another if it had certainly taken effect before the other's write began;
//! if a compare-and-set made the other of it; or if a node showed it in a read that was over
//! before a read of the same node, which shows the other, began. There is an order that all nodes
//! follow exactly if this has no cycle: then every node's state may be the prefix that ends with
//! what it shows.

use std::collections::BTreeMap;

use super::graph::{Edge, Graph, NOBODY};
use crate::by_key::narrow;
use crate::calls::Calls;
use crate::history::Kind;
use crate::stale::kinds::Functions;
use crate::stale::register::{Register, unpack};

/// A step of a cycle: a value, and the read that shows it on a node that then shows the next.
/// Without a read, real time or a compare-and-set puts the next value after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Step {
    /// The place of the value.
    pub(super) value: u32,
    /// The read of this value, and the later one of the same node of the next.
    pub(super) reads: Option<(u32, u32)>,
}

/// What the nodes' reads of one register tell.
pub(super) struct Found {
    /// Reads of nodes that are known.
    pub(super) reads: usize,
    /// Reads after which the same node showed something in a later read.
    pub(super) compared: usize,
    /// A cycle, if there is one.
    pub(super) cycle: Option<Vec<Step>>,
}

/// **Cost**: that of sorting the reads of each node.
pub(super) fn judge(
    calls: &Calls,
    functions: &Functions,
    register: &Register,
    of: &[u32],
) -> Found {
    let values = narrow(register.versions.len());
    // One vertex a value; one for each place in the order of `f`; one for each read.
    let mut edges = real_time(register, values);
    let mut next = 2 * values;
    let mut by_node: BTreeMap<u16, Vec<u32>> = BTreeMap::new();
    for &call in of {
        let at = call as usize;
        if calls.outcome[at] != Kind::Ok {
            continue;
        }
        if calls.f[at] == functions.read {
            if let Some(node) = calls.node(call)
                && register.place(calls.result(call)).is_some()
            {
                by_node.entry(node).or_default().push(call);
            }
        } else if calls.f[at] == functions.cas
            && let Some(old) = register.place(calls.argument[at])
            && let Some(new) = register.place(crate::stale::register::new_value(calls, call))
        {
            edges.push(edge(narrow(old), narrow(new), NOBODY));
        }
    }
    let (mut reads, mut compared) = (0, 0);
    for begun in by_node.values() {
        reads += begun.len();
        compared += shown(calls, register, begun, next, &mut edges);
        next += narrow(begun.len());
    }
    let cycle = (compared > 0)
        .then(|| cycle(&Graph::of(next as usize, edges), values))
        .flatten();
    Found {
        reads,
        compared,
        cycle,
    }
}

fn edge(from: u32, to: u32, call: u32) -> Edge {
    Edge { from, to, call }
}

/// What certainly took effect before something else began, along the line of `f`.
fn real_time(register: &Register, values: u32) -> Vec<Edge> {
    let mut edges = Vec::new();
    for (at, &packed) in (0..).zip(&register.by_f) {
        let (_, value) = unpack(packed);
        edges.push(edge(value, values + at, NOBODY));
        if at > 0 {
            edges.push(edge(values + at - 1, values + at, NOBODY));
        }
    }
    for (value, before) in (0..).zip(&register.before) {
        if let Some(last) = before.older.checked_sub(1) {
            edges.push(edge(values + last, value, NOBODY));
        }
    }
    edges
}

/// What one node showed, along the line of the ends of its reads; how many had a later one.
fn shown(
    calls: &Calls,
    register: &Register,
    begun: &[u32],
    first: u32,
    edges: &mut Vec<Edge>,
) -> usize {
    let mut ended = begun.to_vec();
    ended.sort_unstable_by_key(|&call| calls.ends[call as usize]);
    let place = |call: u32| register.place(calls.result(call)).map_or(0, narrow);
    for (at, &call) in (0..).zip(&ended) {
        edges.push(edge(place(call), first + at, call));
        if at > 0 {
            edges.push(edge(first + at - 1, first + at, NOBODY));
        }
    }
    let (mut over, mut last_over) = (0, 0);
    for &call in begun {
        let i = calls.begins[call as usize];
        while over < ended.len() && calls.ends[ended[over] as usize] < i {
            over += 1;
        }
        if over > 0 {
            edges.push(edge(first + narrow(over) - 1, place(call), call));
            last_over = over;
        }
    }
    last_over
}

fn cycle(graph: &Graph, values: u32) -> Option<Vec<Step>> {
    let component = graph.components();
    let mut seen: BTreeMap<u32, u32> = BTreeMap::new();
    let start = (0..values).find_map(|value| {
        let number = component[value as usize];
        let first = *seen.entry(number).or_insert(value);
        (first != value).then_some(first)
    })?;
    let own = component[start as usize];
    let within = |edge: &Edge| component[edge.to as usize] == own;
    let away = graph.path(start, within, |vertex| vertex < values && vertex != start)?;
    let turn = away.last()?.to;
    let back = graph.path(turn, within, |vertex| vertex == start)?;
    let mut steps: Vec<Step> = Vec::new();
    let mut shown_by = None;
    for edge in away.into_iter().chain(back) {
        if edge.from < values {
            steps.push(Step {
                value: edge.from,
                reads: None,
            });
            shown_by = (edge.call != NOBODY).then_some(edge.call);
        }
        if edge.to < values
            && let Some(last) = steps.last_mut()
            && let Some(first) = shown_by
            && edge.call != NOBODY
        {
            last.reads = Some((first, edge.call));
        }
    }
    Some(steps)
}
