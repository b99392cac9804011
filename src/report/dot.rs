//! Findings as pictures: the order that real time and values force, for Graphviz.

use checkers::history::{History, Kind, Op};
use petgraph::dot::Dot;
use petgraph::graph::DiGraph;

use super::verdict::Finding;

/// The operations of a finding, and an arrow from each that ended before another began. Only
/// the arrows that are not implied by others are drawn.
///
/// **Cost**: cubic in the operations of the finding, of which there are few.
#[must_use]
pub fn order(finding: &Finding, history: &History) -> String {
    let mut graph = DiGraph::new();
    let calls: Vec<_> = history
        .calls()
        .filter(|call| {
            let ends = call
                .complete
                .is_some_and(|op| finding.ops.contains(&op.index));
            ends || finding.ops.contains(&call.invoke.index)
        })
        .collect();
    let nodes: Vec<_> = calls
        .iter()
        .map(|call| graph.add_node(label(call.invoke, call.complete)))
        .collect();
    let before = |one: usize, other: usize| {
        calls[one]
            .returned()
            .is_some_and(|end| end < calls[other].invoke.time)
    };
    for one in 0..calls.len() {
        for other in 0..calls.len() {
            let implied =
                (0..calls.len()).any(|middle| before(one, middle) && before(middle, other));
            if before(one, other) && !implied {
                graph.add_edge(nodes[one], nodes[other], "ended before");
            }
        }
    }
    format!("{}", Dot::new(&graph))
}

fn label(invoke: &Op, complete: Option<&Op>) -> String {
    let key = invoke
        .key
        .as_ref()
        .map(|key| format!(" {key}"))
        .unwrap_or_default();
    let told = complete.map_or(Kind::Info, |op| op.kind).as_str();
    let value = complete.map_or(&invoke.value, |op| {
        if op.value == checkers::history::Value::Nil {
            &invoke.value
        } else {
            &op.value
        }
    });
    format!("{} {}{key} {value} ({told})", invoke.process, invoke.f)
}
