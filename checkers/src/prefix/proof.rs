//! Why something must come before itself: a shortest circle, and what each step of it rests on.

use std::collections::{HashMap, HashSet};

use super::across::{Across, Outcome};
use super::graph::{Edge, Graph, NOBODY};
use crate::Budget;
use crate::by_key::narrow;
use crate::calls::Calls;
use crate::stale::register::new_value;

/// After so many sentences no further step is traced to what it rests on.
const SENTENCES: usize = 24;

/// Calls that have no order, and why.
pub(super) struct Proof {
    pub(super) calls: Vec<u32>,
    pub(super) because: Vec<String>,
}

/// Everything that must come before something, drawn as a graph: the items, the ends of the
/// blocks, and the moments of the lines at which items are over.
struct Tracing<'a> {
    calls: &'a Calls,
    across: &'a Across,
    graph: Graph,
    /// By block: its write.
    writes: Vec<u32>,
    proof: Proof,
    traced: HashSet<u32>,
}

/// Traces what refutes every order; none if nothing does.
///
/// **Cost**: that of finding it, and O(n log n).
pub(super) fn trace(calls: &Calls, across: &Across, budget: &Budget) -> Option<Proof> {
    // Which block must come before which, in the order in which that was found.
    let mut found: HashMap<(u32, u32), u32> = HashMap::new();
    let outcome = across.judge(calls, budget, |one, other| {
        let next = narrow(found.len());
        found.entry((one, other)).or_insert(next);
    });
    let Outcome::Broken(item) = outcome else {
        return None;
    };
    let mut writes = vec![NOBODY; across.blocks()];
    for (at, item) in (0..).zip(&across.items) {
        if item.is_write() {
            writes[item.block() as usize] = at;
        }
    }
    let stops = &across.stops[..];
    let mut edges = drawn(calls, across, stops, &writes);
    let items = narrow(across.items.len());
    let found = found.into_iter();
    edges.extend(found.map(|((one, other), step)| Edge {
        from: items + one,
        to: writes[other as usize],
        call: step,
    }));
    let vertices = across.items.len() + across.blocks() + stops.len();
    let mut tracing = Tracing {
        calls,
        across,
        graph: Graph::of(vertices, edges),
        writes,
        proof: Proof {
            calls: Vec::new(),
            because: Vec::new(),
        },
        traced: HashSet::new(),
    };
    let is_stop = |stop: &u32| *stop == item;
    let moment = stops.iter().position(is_stop)?;
    let moment = items + narrow(across.blocks() + moment);
    let way = tracing.graph.path(moment, |_| true, |to| to == item)?;
    let first = Edge {
        from: item,
        to: moment,
        call: NOBODY,
    };
    let circle: Vec<Edge> = [first].into_iter().chain(way).collect();
    tracing.follow(&circle);
    Some(tracing.proof)
}

/// What must come before what, whatever else is known.
fn drawn(calls: &Calls, across: &Across, stops: &[u32], writes: &[u32]) -> Vec<Edge> {
    let edge = |from, to| Edge {
        from,
        to,
        call: NOBODY,
    };
    let items = narrow(across.items.len());
    let moments = items + narrow(across.blocks());
    let mut edges = Vec::new();
    let mut last: Vec<u32> = Vec::new();
    let mut over = 0;
    for (at, item) in (0..).zip(&across.items) {
        let begin = calls.begins[item.call as usize];
        while let Some(&stop) = stops.get(over)
            && across.end(calls, across.items[stop as usize]) < begin
        {
            let line = across.items[stop as usize].line(calls);
            last.resize(last.len().max(line + 1), NOBODY);
            let moment = moments + narrow(over);
            edges.push(edge(stop, moment));
            if last[line] != NOBODY {
                edges.push(edge(last[line], moment));
            }
            last[line] = moment;
            over += 1;
        }
        let before = last.get(item.line(calls)).copied();
        if let Some(before) = before.filter(|before| *before != NOBODY) {
            edges.push(edge(before, at));
        }
        let write = writes[item.block() as usize];
        if item.is_write() {
            edges.push(edge(items + across.initial_of(item.block()), at));
            let found = across.made_of(item.block());
            if found != NOBODY {
                edges.push(edge(items + found, at));
            }
        } else if write != NOBODY {
            edges.push(edge(write, at));
        }
        edges.push(edge(at, items + item.block()));
    }
    edges
}

impl Tracing<'_> {
    /// Tells the steps of a way, each after what it rests on.
    fn follow(&mut self, way: &[Edge]) {
        let items = narrow(self.across.items.len());
        let moments = items + narrow(self.across.blocks());
        let mut left = NOBODY;
        for edge in way {
            if edge.call != NOBODY {
                self.expand(edge);
            } else if edge.to >= moments && edge.from < items {
                left = edge.from;
            } else if edge.from >= moments && edge.to < items {
                self.step(left, edge.to);
            } else if edge.from >= items && edge.to < items {
                self.replaced(edge.from - items, edge.to);
            }
        }
    }

    /// One block must come before another because something of it must come before the other's
    /// end, by what had been found before.
    fn expand(&mut self, edge: &Edge) {
        if self.proof.because.len() >= SENTENCES || !self.traced.insert(edge.call) {
            return;
        }
        let one = edge.from - narrow(self.across.items.len());
        let other = self.across.items[edge.to as usize].block();
        let end = narrow(self.across.items.len()) + other;
        let earlier = |step: &Edge| step.call == NOBODY || step.call < edge.call;
        let way = (self.graph).path(self.writes[one as usize], earlier, |to| to == end);
        if let Some(way) = way {
            self.follow(&way);
        }
        let so = format!("so {} comes before {}", self.block(one), self.block(other));
        self.proof.because.push(so);
    }

    /// From one item to a later one of its line.
    fn step(&mut self, one: u32, other: u32) {
        let [first, then] = [one, other].map(|at| self.across.items[at as usize]);
        self.proof.calls.extend([first.call, then.call]);
        for block in [first.block(), then.block()] {
            let write = self.writes[block as usize];
            if write != NOBODY {
                self.proof
                    .calls
                    .push(self.across.items[write as usize].call);
            }
        }
        let (shown, later) = (self.block(first.block()), self.block(then.block()));
        let sentence = if first.is_write() {
            format!("{shown} had taken effect before the write of {later} began")
        } else {
            let node = &self.calls.nodes()[first.line(self.calls) - 1];
            format!("{node} showed {shown} and then {later}")
        };
        if !self.proof.because.contains(&sentence) {
            self.proof.because.push(sentence);
        }
    }

    /// A write that must replace what was there: the initial value, or what it was made of.
    fn replaced(&mut self, one: u32, other: u32) {
        let item = self.across.items[other as usize];
        if self.across.made_of(item.block()) == one {
            self.proof.calls.push(item.call);
            let (found, made) = (self.block(one), self.block(item.block()));
            self.proof
                .because
                .push(format!("{made} was made of {found}"));
        }
    }

    fn block(&self, block: u32) -> String {
        let calls = self.calls;
        let call_of = |at: u32| self.across.items[at as usize].call;
        match self.writes[block as usize] {
            NOBODY => {
                let read = self.across.items.iter().find(|item| item.block() == block);
                let key = read.map(|read| calls.value(calls.key[read.call as usize]));
                format!("the initial value of {}", key.unwrap_or_default())
            }
            write => {
                let call = call_of(write);
                let value = calls.value(new_value(calls, call));
                format!("{value} of {}", calls.value(calls.key[call as usize]))
            }
        }
    }
}
