//! Whether the nodes agree in the end: what each says of itself, and node against node.

use std::collections::{BTreeMap, BTreeSet};

use checkers::history::Kind;
use serde_json::Value;

use super::Story;
use super::format::{capital, millis, words};
use super::markup::{Cell, Markup, table};

/// More nodes do not fit into a matrix.
const NODES: usize = 40;

pub(crate) fn convergence(story: &Story<'_>) -> Markup {
    let told = &story.recorded.told;
    let mut page = Markup::new();
    page.raw("<p class=\"plain\">");
    page.raw(match told.equal {
        Some(true) => "All nodes became equal after the faults were healed.",
        Some(false) => "The nodes did NOT become equal after the faults were healed.",
        None => "Whether the nodes became equal was not asked.",
    });
    page.raw("</p>");
    let phase = |name: &str| story.phases.iter().find(|(phase, _)| phase == name);
    if let (Some((_, heal)), Some((_, equal))) = (phase("recover"), phase("final")) {
        let took = i64::try_from(equal.saturating_sub(*heal) / 1_000_000).unwrap_or(i64::MAX);
        page.raw("<p>From the end of healing until ");
        page.raw(if told.equal == Some(true) {
            "they were equal: "
        } else {
            "the limit: "
        });
        page.text(&millis(took)).raw(".</p>");
    }
    states(&mut page, &told.nodes);
    matrix(&mut page, story);
    page
}

/// A column for each thing that any node says of itself.
fn states(page: &mut Markup, nodes: &BTreeMap<String, Value>) {
    let mut names: BTreeSet<&str> = BTreeSet::new();
    for state in nodes.values() {
        let fields = state.as_object().into_iter().flatten();
        names.extend(fields.map(|(name, _)| name.as_str()));
    }
    if names.is_empty() {
        return;
    }
    let word = |value: &Value| {
        value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned)
    };
    // What they say is turned on its side, so that names of fields are text and no markup.
    let mut rows = Vec::new();
    for name in names.iter().take(30) {
        for (node, state) in nodes.iter().take(NODES) {
            let said = state.get(*name).map_or_else(|| "–".into(), word);
            rows.push((*name, node.clone(), said));
        }
    }
    let mut by_name: BTreeMap<&str, BTreeMap<String, Vec<String>>> = BTreeMap::new();
    for (name, node, said) in rows {
        by_name
            .entry(name)
            .or_default()
            .entry(said)
            .or_default()
            .push(node);
    }
    let rows = by_name.into_iter().map(|(name, said)| {
        let same = said.len() == 1;
        let told = said
            .iter()
            .map(|(value, nodes)| format!("{value} ({})", nodes.join(" ")));
        let told: Vec<String> = told.collect();
        vec![
            Cell::Text(capital(&words(name))),
            Cell::Text(if same { "the same on all" } else { "differs" }.into()),
            Cell::Code(told.join(", ")),
        ]
    });
    page.raw("<h3>What the nodes say of themselves in the end</h3>");
    page.add(&table(
        "States of nodes",
        &["What", "Is it the same", "Which"],
        rows.collect(),
    ));
}

/// For each pair of nodes: on how many objects their final reads differ.
fn matrix(page: &mut Markup, story: &Story<'_>) {
    let calls = &story.recorded.calls;
    let mut finals: BTreeMap<u32, BTreeMap<u16, u32>> = BTreeMap::new();
    for at in 0..calls.len() {
        let call = u32::try_from(at).unwrap_or(u32::MAX);
        if calls.outcome[at] != Kind::Ok || !calls.name(call).starts_with("final-read") {
            continue;
        }
        if let Some(node) = calls.node(call) {
            finals
                .entry(calls.key[at])
                .or_default()
                .insert(node, calls.result(call));
        }
    }
    let nodes: BTreeSet<u16> = finals
        .values()
        .flat_map(|read| read.keys().copied())
        .collect();
    if nodes.is_empty() {
        page.raw("<p class=\"note\">No node was read at the end, so there is no comparison of ");
        page.raw("node with node.</p>");
        return;
    }
    if nodes.len() > NODES {
        page.raw("<p class=\"note\">Too many nodes for a matrix.</p>");
        return;
    }
    let name = |node: &u16| calls.nodes()[usize::from(*node)].to_string();
    let mut ordered: Vec<u16> = nodes.into_iter().collect();
    ordered.sort_by_key(name);
    page.raw("<h3>Objects on which two nodes differ in their final reads</h3>");
    page.raw("<div class=\"tw\" tabindex=\"0\" role=\"region\" aria-label=\"Differences between nodes\">");
    page.raw("<table class=\"matrix\"><thead><tr><td></td>");
    for node in &ordered {
        page.tag("<th scope=\"col\" class=\"num\">", &name(node), "</th>");
    }
    page.raw("</tr></thead><tbody>");
    for one in &ordered {
        page.raw("<tr>")
            .tag("<th scope=\"row\">", &name(one), "</th>");
        for other in &ordered {
            if one == other {
                page.raw("<td class=\"num self\">·</td>");
                continue;
            }
            let both = finals
                .values()
                .filter_map(|r| Some((r.get(one)?, r.get(other)?)));
            let (mut differ, mut compared) = (0_usize, 0_usize);
            for (a, b) in both {
                compared += 1;
                differ += usize::from(a != b);
            }
            page.raw(if differ > 0 {
                "<td class=\"num bad\">"
            } else {
                "<td class=\"num\">"
            });
            if compared == 0 {
                page.raw("–</td>");
            } else {
                page.count(differ).raw("</td>");
            }
        }
        page.raw("</tr>");
    }
    page.raw("</tbody></table></div>");
    page.raw("<p class=\"note\">Compared: ")
        .count(finals.len())
        .raw(" objects. A dash: nothing ");
    page.raw("was read on both.</p>");
}
