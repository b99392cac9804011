//! How stale reads were: shares, quantiles, by node, and the spread of all stale reads.

use checkers::stale;
use serde_json::Value;

use super::format::{micros, share};
use super::markup::{Cell, Markup, table};
use super::{Story, chart, findings};
use crate::report::recorded::number;
use crate::report::table::thousands;

/// The spread is computed again from the history up to so many calls.
const SPREAD: usize = 200_000;

pub(crate) fn staleness(story: &Story<'_>) -> Markup {
    let told = &story.recorded.told;
    let mut page = Markup::new();
    let Some(figures) = told.figures.get("stale") else {
        page.raw("<p>Staleness was not measured: the checker <code>stale</code> did not judge ");
        page.raw("this run.</p>");
        return page;
    };
    let figure = |name: &str| number(figures, name);
    let count = |name: &str| figure(name).map_or("–".into(), thousands);
    let time = |name: &str| figure(name).map_or("–".into(), micros);
    let unsigned = |name: &str| u64::try_from(figure(name).unwrap_or(0)).unwrap_or(0);
    let part = share(unsigned("stale_reads"), unsigned("reads_judged"));
    page.raw("<p class=\"plain\">")
        .text(&count("stale_reads"))
        .raw(" of ");
    page.text(&count("reads_judged"))
        .raw(" reads were certainly stale (")
        .text(&part);
    page.raw("); ")
        .text(&count("possibly_stale_reads"))
        .raw(" may have been.</p>");
    let rows = vec![
        vec![
            Cell::Text("Certainly behind, in time".into()),
            Cell::Number(time("behind_p50_us")),
            Cell::Number(time("behind_p99_us")),
            Cell::Number(time("behind_max_us")),
        ],
        vec![
            Cell::Text("Certainly behind, in versions".into()),
            Cell::Number(count("versions_behind_p50")),
            Cell::Number(count("versions_behind_p99")),
            Cell::Number(count("versions_behind_max")),
        ],
        vec![
            Cell::Text("Possibly behind, in time".into()),
            Cell::Number("–".into()),
            Cell::Number("–".into()),
            Cell::Number(time("possibly_behind_max_us")),
        ],
    ];
    let head = ["Of the stale reads", "#Middle", "#99 %", "#Worst"];
    page.add(&table("Staleness", &head, rows));
    let by_node = figures.get("by_node").and_then(Value::as_object);
    if let Some(by_node) = by_node.filter(|nodes| !nodes.is_empty()) {
        let rows = by_node.iter().take(200).map(|(node, of)| {
            let state = told.nodes.get(node).and_then(|state| state.get("role"));
            let role = state.and_then(Value::as_str).unwrap_or("–");
            let get = |name: &str| u64::try_from(number(of, name).unwrap_or(0)).unwrap_or(0);
            let worst = number(of, "behind_max_us").filter(|worst| *worst > 0);
            vec![
                Cell::Text(node.clone()),
                Cell::Text(role.to_owned()),
                Cell::Number(number(of, "reads").map_or("–".into(), thousands)),
                Cell::Number(number(of, "stale").map_or("–".into(), thousands)),
                Cell::Number(share(get("stale"), get("reads"))),
                Cell::Number(worst.map_or("–".into(), micros)),
            ]
        });
        let head = [
            "Node",
            "Role in the end",
            "#Reads",
            "#Stale",
            "#Share",
            "#Worst",
        ];
        page.add(&table("Staleness by node", &head, rows.collect()));
    }
    spread(&mut page, story);
    let groups = findings::groups(told);
    if let Some(group) = groups.iter().find(|group| group.claim == "no-stale-reads") {
        page.raw("<p>The worst are explained from <a")
            .attr("href", &format!("#{}", group.first()));
        page.raw(">").text(group.first()).raw("</a> on.</p>");
    }
    let session = told
        .claims
        .iter()
        .filter(|claim| claim.claim.contains("monotonic"));
    let session: Vec<&str> = session.map(|claim| claim.claim.as_str()).collect();
    page.raw("<p class=\"note\">Guarantees of sessions: ");
    if session.is_empty() {
        page.raw("not judged in this run.</p>");
    } else {
        page.text(&session.join(", ")).raw("; see the claims.</p>");
    }
    page
}

/// The bars double: the first holds what is below 2 ms.
fn spread(page: &mut Markup, story: &Story<'_>) {
    let calls = &story.recorded.calls;
    let stale_reads = story
        .recorded
        .told
        .figure("stale", "stale_reads")
        .unwrap_or(0);
    if stale_reads == 0 || calls.irregular().is_some() {
        return;
    }
    if calls.len() > SPREAD {
        page.raw("<p class=\"note\">The spread is not drawn for so long a history; the ");
        page.raw("quantiles are above.</p>");
        return;
    }
    let lags = stale::lags(&calls.whole());
    let mut bars = [0_u64; 16];
    for lag in lags.values().filter(|lag| lag.versions_lo > 0) {
        let ms = lag.behind_lo / 1_000_000;
        let place = (u64::BITS - ms.leading_zeros()).saturating_sub(1) as usize;
        bars[place.min(15)] += 1;
    }
    let first = bars.iter().position(|count| *count > 0).unwrap_or(0);
    let last = bars.iter().rposition(|count| *count > 0).unwrap_or(0);
    let named = (first..=last).map(|place| {
        let from = if place == 0 {
            "< 2 ms".to_owned()
        } else {
            micros(1000 << place)
        };
        (from, bars[place])
    });
    let named: Vec<(String, u64)> = named.collect();
    page.raw("<h3>Stale reads by how far behind they certainly were</h3>");
    page.raw("<p class=\"note\">Each bar begins at the time under it; the next begins at twice ");
    page.raw("that.</p>");
    page.add(&chart::histogram(
        "Stale reads by time behind",
        &named,
        true,
    ));
}
