//! A graph of what must come before what, its components, and a shortest cycle.

use std::collections::VecDeque;

use crate::by_key::narrow;

/// An edge, and the call that it comes from, or [`NOBODY`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Edge {
    pub(super) from: u32,
    pub(super) to: u32,
    pub(super) call: u32,
}

pub(super) const NOBODY: u32 = u32::MAX;

/// Edges sorted by where they begin.
pub(super) struct Graph {
    starts: Vec<u32>,
    edges: Vec<Edge>,
}

impl Graph {
    /// **Cost**: that of sorting.
    pub(super) fn of(vertices: usize, mut edges: Vec<Edge>) -> Self {
        edges.sort_unstable_by_key(|edge| (edge.from, edge.to));
        let mut starts = vec![0_u32; vertices + 1];
        for edge in &edges {
            starts[edge.from as usize + 1] += 1;
        }
        for at in 0..vertices {
            starts[at + 1] += starts[at];
        }
        Self { starts, edges }
    }

    fn vertices(&self) -> usize {
        self.starts.len() - 1
    }

    fn out(&self, vertex: u32) -> std::ops::Range<usize> {
        self.starts[vertex as usize] as usize..self.starts[vertex as usize + 1] as usize
    }

    /// By vertex: the number of its strongly connected component.
    ///
    /// **Cost**: linear. **Source**: Tarjan, "Depth-first search and linear graph algorithms",
    /// 1972, without recursion.
    pub(super) fn components(&self) -> Vec<u32> {
        let count = self.vertices();
        let mut component = vec![NOBODY; count];
        let mut low = vec![NOBODY; count];
        let mut index = vec![NOBODY; count];
        let (mut next, mut components) = (0, 0);
        let mut stack: Vec<u32> = Vec::new();
        let mut work: Vec<(u32, usize)> = Vec::new();
        for root in 0..narrow(count) {
            if index[root as usize] != NOBODY {
                continue;
            }
            work.push((root, self.out(root).start));
            while let Some((vertex, edge)) = work.pop() {
                let at = vertex as usize;
                if index[at] == NOBODY {
                    index[at] = next;
                    low[at] = next;
                    next += 1;
                    stack.push(vertex);
                }
                if edge > self.out(vertex).start {
                    // Back from where the last edge led.
                    let to = self.edges[edge - 1].to as usize;
                    if component[to] == NOBODY {
                        low[at] = low[at].min(low[to]);
                    }
                }
                let mut edge = edge;
                let mut deeper = None;
                while edge < self.out(vertex).end && deeper.is_none() {
                    let to = self.edges[edge].to as usize;
                    edge += 1;
                    if index[to] == NOBODY {
                        deeper = Some(self.edges[edge - 1].to);
                    } else if component[to] == NOBODY {
                        low[at] = low[at].min(index[to]);
                    }
                }
                if let Some(to) = deeper {
                    work.push((vertex, edge));
                    work.push((to, self.out(to).start));
                    continue;
                }
                if low[at] == index[at] {
                    while let Some(member) = stack.pop() {
                        component[member as usize] = components;
                        if member == vertex {
                            break;
                        }
                    }
                    components += 1;
                }
            }
        }
        component
    }

    /// The edges of a shortest path to the first vertex that `to` says yes to, along edges that
    /// `along` says yes to.
    pub(super) fn path(
        &self,
        from: u32,
        along: impl Fn(&Edge) -> bool,
        to: impl Fn(u32) -> bool,
    ) -> Option<Vec<Edge>> {
        let mut came: Vec<u32> = vec![NOBODY; self.vertices()];
        let mut queue = VecDeque::from([from]);
        let mut seen = vec![false; self.vertices()];
        seen[from as usize] = true;
        while let Some(vertex) = queue.pop_front() {
            for at in self.out(vertex) {
                let next = self.edges[at].to;
                if seen[next as usize] || !along(&self.edges[at]) {
                    continue;
                }
                seen[next as usize] = true;
                came[next as usize] = narrow(at);
                if to(next) {
                    let mut path = Vec::new();
                    let mut vertex = next;
                    while came[vertex as usize] != NOBODY {
                        let edge = self.edges[came[vertex as usize] as usize];
                        path.push(edge);
                        vertex = edge.from;
                    }
                    path.reverse();
                    return Some(path);
                }
                queue.push_back(next);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use petgraph::algo::tarjan_scc;
    use petgraph::graph::DiGraph;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    #[test]
    fn components_are_those_of_another_implementation() {
        for seed in 0..20_000 {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let count = rng.random_range(1..12_u32);
            let edges: Vec<Edge> = (0..rng.random_range(0..20))
                .map(|_| Edge {
                    from: rng.random_range(0..count),
                    to: rng.random_range(0..count),
                    call: NOBODY,
                })
                .collect();
            let mut other = DiGraph::<(), ()>::new();
            let nodes: Vec<_> = (0..count).map(|_| other.add_node(())).collect();
            for edge in &edges {
                other.add_edge(nodes[edge.from as usize], nodes[edge.to as usize], ());
            }
            let graph = Graph::of(count as usize, edges);
            let own = graph.components();
            for component in tarjan_scc(&other) {
                let mine = own[component[0].index()];
                let members = own.iter().filter(|number| **number == mine).count();
                assert_eq!(members, component.len(), "seed {seed}");
                for member in component {
                    assert_eq!(own[member.index()], mine, "seed {seed}");
                }
            }
        }
    }
}
