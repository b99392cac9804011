//! What was done to the system and how it answered: timeline, faults, coverage, availability.

use std::collections::BTreeMap;

use checkers::history::Kind;
use serde_json::Value;

use super::data::{self, Bin};
use super::format::{capital, micros, millis, permille, seconds, share};
use super::markup::{Cell, Markup, table};
use super::windows::is_fault;
use super::{Story, chart};
use crate::report::recorded::number;
use crate::report::table::thousands;

/// So many rows of one table.
const ROWS: usize = 300;

/// The timeline: a canvas for who has a script, a picture for who has none.
pub(crate) fn timeline(story: &Story<'_>) -> Markup {
    let mut page = Markup::new();
    if story.recorded.calls.is_empty() {
        page.raw("<p>There is no history to draw.</p>");
        return page;
    }
    page.raw("<p class=\"note\">Faults, throughput, latency and every operation on one time ");
    page.raw("axis. Zoom in until single operations appear.</p>");
    if !data::is_whole(&story.recorded.calls) {
        page.raw("<p class=\"note\">This run has more operations than a page can hold: ");
        page.raw("around each finding they are all here, elsewhere only counts.</p>");
    }
    page.raw(
        "<div class=\"script\"><div class=\"btns\" role=\"group\" aria-label=\"Timeline range\">",
    );
    page.raw("<button class=\"btn\" type=\"button\" data-range=\"all\">Whole run</button>");
    for (place, window) in story.windows.iter().enumerate().take(4) {
        page.raw("<button class=\"btn\" type=\"button\"");
        page.attr("data-range", &format!("w{place}")).raw(">");
        page.text(&capital(&window.in_words())).raw("</button>");
    }
    page.raw("<button class=\"btn\" type=\"button\" data-range=\"in\">Zoom in</button>");
    page.raw("<button class=\"btn\" type=\"button\" data-range=\"out\">Zoom out</button>");
    page.raw("</div><p class=\"note\"><kbd>←</kbd> <kbd>→</kbd> move, <kbd>+</kbd> ");
    page.raw("<kbd>−</kbd> zoom, <kbd>[</kbd> <kbd>]</kbd> previous and next finding, ");
    page.raw("<kbd>0</kbd> whole run</p>");
    page.raw("<div class=\"tl\" id=\"tl\" tabindex=\"0\" role=\"application\" ");
    page.raw("aria-roledescription=\"interactive timeline\" aria-labelledby=\"h-timeline\">");
    page.raw("<canvas id=\"cv\" role=\"img\" aria-label=\"Timeline chart. The same facts are in ");
    page.raw("the tables below.\"></canvas><canvas id=\"ov\" class=\"ov\" aria-hidden=\"true\">");
    page.raw("</canvas></div><div class=\"readout\" id=\"ro\" aria-live=\"polite\">Move the ");
    page.raw("pointer over the chart, or press Tab to focus it and use the arrow keys.</div>");
    page.raw(LEGEND);
    page.raw("</div>\n<div class=\"still\">");
    let bins = merged(&story.bins, 240);
    let label = "Throughput and latency over the whole run, with faults";
    page.add(&chart::over_time(
        label,
        &bins,
        (0, story.length),
        &story.windows,
    ));
    page.raw("</div>\n");
    page
}

const LEGEND: &str = "<ul class=\"legend\" aria-label=\"Legend\">\
<li><svg viewBox=\"0 0 22 12\" aria-hidden=\"true\"><rect class=\"s-ok\" width=\"22\" height=\"12\"/></svg>ok</li>\
<li><svg viewBox=\"0 0 22 12\" aria-hidden=\"true\"><rect class=\"l-fail\" x=\"1\" y=\"1\" width=\"20\" height=\"10\"/></svg>failed: did not happen (half height when zoomed out)</li>\
<li><svg viewBox=\"0 0 22 12\" aria-hidden=\"true\"><path class=\"l-info\" d=\"M21 1H1v10h20\"/></svg>unknown: may have happened (hollow)</li>\
<li><svg viewBox=\"0 0 22 12\" aria-hidden=\"true\"><path class=\"l-bad\" d=\"M11 0l8 12H3z\"/></svg>part of a finding</li>\
<li><svg viewBox=\"0 0 22 12\" aria-hidden=\"true\"><path class=\"l-fault\" d=\"M-4 12L8 0M2 12L14 0M8 12L20 0M14 12L26 0\"/></svg>partition</li>\
<li><svg viewBox=\"0 0 22 12\" aria-hidden=\"true\"><rect class=\"l-kill\" width=\"22\" height=\"12\"/></svg>kill</li>\
<li><svg viewBox=\"0 0 22 12\" aria-hidden=\"true\"><g class=\"l-kill\"><circle cx=\"4\" cy=\"4\" r=\"1.5\"/><circle cx=\"9\" cy=\"8\" r=\"1.5\"/><circle cx=\"14\" cy=\"4\" r=\"1.5\"/><circle cx=\"19\" cy=\"8\" r=\"1.5\"/></g></svg>pause</li>\
<li><svg viewBox=\"0 0 22 12\" aria-hidden=\"true\"><path class=\"l-fault\" d=\"M0 4h22M0 8h22\"/></svg>any other fault</li></ul>\n";

/// Fewer and wider parts.
pub(crate) fn merged(bins: &[Bin], count: usize) -> Vec<Bin> {
    let size = bins.len().div_ceil(count).max(1);
    let sum = |bins: &[Bin]| {
        let mut whole = Bin::default();
        for bin in bins {
            whole.ok += bin.ok;
            whole.fail += bin.fail;
            whole.info += bin.info;
            whole.max_us = whole.max_us.max(bin.max_us);
            whole.p99_us = whole.p99_us.max(bin.p99_us);
        }
        let mut middles: Vec<u32> = bins.iter().filter(|b| b.ok > 0).map(|b| b.p50_us).collect();
        middles.sort_unstable();
        whole.p50_us = middles.get(middles.len() / 2).copied().unwrap_or(0);
        whole
    };
    bins.chunks(size).map(sum).collect()
}

/// What was planned and done, each with its proof.
pub(crate) fn faults(story: &Story<'_>) -> Markup {
    let told = &story.recorded.told;
    let mut page = Markup::new();
    if told.faults.is_empty() {
        page.raw("<p>Nothing was done to the system.</p>");
        return page;
    }
    let rows = told.faults.iter().take(ROWS).map(|record| {
        let took = record
            .done_ms
            .map(|done| done.saturating_sub(record.begun_ms));
        let state = match (&record.done, record.done_ms) {
            (_, None) => "not proven",
            (Value::Object(done), _) if done.contains_key("proven") => "proven",
            _ => "done",
        };
        vec![
            Cell::Text(record.fault.clone()),
            Cell::Text(
                if is_fault(&record.fault) {
                    "fault"
                } else {
                    "remedy"
                }
                .into(),
            ),
            Cell::Text(record.nodes().join(" ")),
            Cell::Number(millis(i64::try_from(record.begun_ms).unwrap_or(i64::MAX))),
            Cell::Number(took.map_or("never".into(), |ms| millis(i64::try_from(ms).unwrap_or(0)))),
            Cell::Text(state.into()),
            Cell::Code(proof(&record.done)),
        ]
    });
    let head = [
        "What",
        "Kind",
        "Nodes",
        "#Ordered at",
        "#Proven after",
        "State",
        "Evidence",
    ];
    page.add(&table("Faults", &head, rows.collect()));
    if told.faults.len() > ROWS {
        page.raw("<p class=\"note\">")
            .count(told.faults.len() - ROWS)
            .raw(" more in ");
        page.raw("<code>verdict.json</code>.</p>");
    }
    let planned = story
        .recorded
        .plan
        .as_ref()
        .and_then(|plan| plan.get("fault")?.as_array());
    if let Some(planned) = planned {
        page.raw("<details><summary>As planned: ")
            .count(planned.len())
            .raw("</summary>");
        let rows = planned.iter().take(ROWS).map(|fault| {
            let word = |name: &str| {
                let value = fault.get(name)?;
                Some(
                    value
                        .as_str()
                        .map_or_else(|| value.to_string(), str::to_owned),
                )
            };
            let cell = |name| Cell::Text(word(name).unwrap_or_default());
            vec![cell("kind"), cell("target"), cell("at"), cell("for")]
        });
        page.add(&table(
            "Planned faults",
            &["Kind", "Target", "At", "For"],
            rows.collect(),
        ));
        page.raw("</details>");
    }
    page
}

/// The proof of a fault without the names that stand in columns of their own.
fn proof(done: &Value) -> String {
    match done {
        Value::Object(fields) => {
            let kept = fields
                .iter()
                .filter(|(name, _)| *name != "nodes" && *name != "proven");
            let kept = kept.map(|(name, value)| match value {
                Value::String(text) => format!("{name}: {text}"),
                other => format!("{name}: {other}"),
            });
            kept.collect::<Vec<_>>().join("; ")
        }
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// How many operations of each kind ended how, in which phase and on which node.
pub(crate) fn coverage(story: &Story<'_>) -> Markup {
    let told = &story.recorded.told;
    let calls = &story.recorded.calls;
    let mut page = Markup::new();
    if told.coverage.is_empty() {
        page.raw("<p>No operation was recorded.</p>");
        return page;
    }
    let numbers = |counts: &[u64; 3]| {
        let all: u64 = counts.iter().sum();
        let number = |n: &u64| Cell::Number(thousands(i64::try_from(*n).unwrap_or(i64::MAX)));
        let mut cells: Vec<Cell> = counts.iter().map(number).collect();
        cells.push(Cell::Number(share(counts[0], all)));
        cells
    };
    let rows = told.coverage.iter().take(ROWS).map(|(name, counts)| {
        let mut row = vec![Cell::Code(name.clone())];
        row.extend(numbers(counts));
        let errors = told.errors.get(name).into_iter().flatten().take(6);
        let errors = errors.map(|(kind, count)| format!("{count} × {kind}"));
        row.push(Cell::Text(errors.collect::<Vec<_>>().join(", ")));
        row
    });
    let head = [
        "Operation",
        "#Ok",
        "#Failed",
        "#Unknown",
        "#Ok of all",
        "Errors",
    ];
    page.add(&table("Coverage by operation", &head, rows.collect()));
    let mut by_node: BTreeMap<(usize, Option<u16>), [u64; 3]> = BTreeMap::new();
    let mut phase = 0;
    for at in 0..calls.len() {
        let begins = calls.time(calls.begins[at]);
        while story
            .phases
            .get(phase + 1)
            .is_some_and(|(_, from)| *from <= begins)
        {
            phase += 1;
        }
        let call = u32::try_from(at).unwrap_or(u32::MAX);
        let place = match calls.outcome[at] {
            Kind::Ok => 0,
            Kind::Fail => 1,
            Kind::Info | Kind::Invoke => 2,
        };
        by_node.entry((phase, calls.node(call))).or_default()[place] += 1;
    }
    let rows = by_node.iter().take(ROWS).map(|((phase, node), counts)| {
        let phase = story.phases.get(*phase).map_or("all", |(name, _)| name);
        let node = node.map_or("unknown", |node| &calls.nodes()[usize::from(node)]);
        let mut row = vec![Cell::Text(phase.to_owned()), Cell::Text(node.to_owned())];
        row.extend(numbers(counts));
        row
    });
    let head = ["Phase", "Node", "#Ok", "#Failed", "#Unknown", "#Ok of all"];
    page.add(&table("Coverage by phase and node", &head, rows.collect()));
    page.raw("<ul class=\"plainlist\">");
    let (most, mean) = concurrency(story);
    page.raw("<li>At once under way: ")
        .count(most)
        .raw(" at most, ");
    page.text(&format!("{mean:.1}")).raw(" on average.</li>");
    let mut figure = |checker: &str, name: &str, before: &'static str, after: &'static str| {
        if let Some(count) = told.figure(checker, name) {
            page.raw("<li>")
                .raw(before)
                .count(count)
                .raw(after)
                .raw("</li>");
        }
    };
    figure(
        "loss",
        "keys_finally_read",
        "Keys read on every node in the end: ",
        ".",
    );
    figure(
        "loss",
        "recovered",
        "Operations of unknown outcome that turned out to have happened: ",
        ".",
    );
    let promoted = told
        .faults
        .iter()
        .filter(|fault| fault.fault == "promote")
        .count();
    page.raw("<li>Leaders promoted by the operator: ")
        .count(promoted);
    page.raw(". Leader changes that the nodes made themselves are not recorded.</li></ul>");
    page
}

/// The most operations under way at once, and the average over the time of the load.
fn concurrency(story: &Story<'_>) -> (usize, f64) {
    let calls = &story.recorded.calls;
    let mut edges: Vec<(u64, i8)> = Vec::with_capacity(calls.len() * 2);
    let mut busy = 0_u128;
    let (mut first, mut last) = (u64::MAX, 0);
    for at in 0..calls.len() {
        if calls.ends[at] == checkers::calls::NEVER {
            continue;
        }
        let (from, to) = (calls.time(calls.begins[at]), calls.time(calls.ends[at]));
        edges.push((from, 1));
        edges.push((to, -1));
        busy += u128::from(to - from);
        (first, last) = (first.min(from), last.max(to));
    }
    // Equal times are concurrent: starts before ends.
    edges.sort_unstable_by_key(|(at, step)| (*at, -step));
    let (mut now, mut most) = (0_i64, 0);
    for (_, step) in edges {
        now += i64::from(step);
        most = most.max(now);
    }
    let mean = busy as f64 / last.saturating_sub(first).max(1) as f64;
    (usize::try_from(most).unwrap_or(0), mean)
}

/// Before, during and after, and around each fault.
pub(crate) fn availability(story: &Story<'_>) -> Markup {
    let told = &story.recorded.told;
    let mut page = Markup::new();
    let figures = told.figures.get("availability").unwrap_or(&Value::Null);
    let cell = |value: &Value, name: &str, say: fn(i64) -> String| {
        Cell::Number(number(value, name).map_or("–".into(), say))
    };
    if let Some(parts) = figures.get("parts").and_then(Value::as_object) {
        let rows = ["before", "during", "after"]
            .into_iter()
            .filter_map(|name| {
                let part = parts.get(name)?;
                Some(vec![
                    Cell::Text(format!("{name} faults")),
                    cell(part, "ms", millis),
                    cell(part, "ok", thousands),
                    cell(part, "fail", thousands),
                    cell(part, "info", thousands),
                    cell(part, "writable_permille", permille),
                    cell(part, "write_p50_us", micros),
                    cell(part, "write_p99_us", micros),
                    cell(part, "write_max_us", micros),
                    cell(part, "read_p50_us", micros),
                    cell(part, "read_p99_us", micros),
                ])
            });
        let head = [
            "Part",
            "#Length",
            "#Ok",
            "#Failed",
            "#Unknown",
            "#Writable",
            "#Write p50",
            "#p99",
            "#Max",
            "#Read p50",
            "#p99",
        ];
        page.add(&table("Availability by part", &head, rows.collect()));
    }
    if let Some(faults) = figures.get("faults").and_then(Value::as_array) {
        let rows = faults.iter().take(ROWS).map(|fault| {
            let word = |name: &str| fault.get(name).and_then(Value::as_str).unwrap_or_default();
            let nodes = fault
                .get("nodes")
                .and_then(Value::as_array)
                .into_iter()
                .flatten();
            let nodes: Vec<&str> = nodes.filter_map(Value::as_str).collect();
            let first = number(fault, "first_write_ms");
            vec![
                Cell::Text(word("fault").to_owned()),
                Cell::Text(nodes.join(" ")),
                cell(fault, "from_ms", millis),
                cell(fault, "to_ms", millis),
                cell(fault, "ok", thousands),
                cell(fault, "fail", thousands),
                cell(fault, "info", thousands),
                cell(fault, "writable_permille", permille),
                cell(fault, "longest_write_gap_ms", millis),
                Cell::Number(first.map_or("never".into(), millis)),
            ]
        });
        let head = [
            "Fault",
            "Nodes",
            "#From",
            "#To",
            "#Ok",
            "#Failed",
            "#Unknown",
            "#Writable",
            "#Longest gap",
            "#First write after",
        ];
        page.add(&table(
            "Availability around each fault",
            &head,
            rows.collect(),
        ));
    }
    page.raw("<p class=\"note\">Writable: the share of time without a gap in successful writes ");
    if let Some(limit) = number(figures, "gap_limit_ms") {
        page.raw("longer than ").text(&millis(limit)).raw(".");
    }
    page.raw(" The plan states no bound for recovery, so none is judged.</p>");
    for window in story.windows.iter().take(6) {
        let begins = window.from_ms.saturating_mul(1_000_000);
        let ends = window
            .to_ms
            .map_or(story.length, |to| to.saturating_mul(1_000_000));
        let margin = (ends.saturating_sub(begins) / 2).clamp(500_000_000, 10_000_000_000);
        let from = begins.saturating_sub(margin);
        let to = ends.saturating_add(margin).min(story.length);
        if from >= to {
            continue;
        }
        let bins = part(story, from, to);
        let label = format!(
            "Throughput and latency from {} to {}, around the {}",
            seconds(from),
            seconds(to),
            window.in_words()
        );
        page.raw("<h3>Around the ")
            .text(&window.in_words())
            .raw("</h3>");
        page.add(&chart::over_time(&label, &bins, (from, to), &story.windows));
    }
    if let Some(by_node) = figures.get("by_node").and_then(Value::as_object) {
        let rows = by_node.iter().take(ROWS).map(|(node, counts)| {
            let mut row = vec![Cell::Text(node.clone())];
            row.extend(["ok", "fail", "info"].map(|name| cell(counts, name, thousands)));
            row
        });
        let head = ["Node", "#Ok", "#Failed", "#Unknown"];
        page.add(&table("Outcomes by node", &head, rows.collect()));
    }
    page
}

/// A stretch of the run in a hundred and twenty parts.
fn part(story: &Story<'_>, from: u64, to: u64) -> Vec<Bin> {
    let calls = &story.recorded.calls;
    let length = to - from;
    let parts = 120;
    let mut bins = vec![Bin::default(); 120];
    let mut latencies: Vec<Vec<u32>> = vec![Vec::new(); 120];
    for at in 0..calls.len() {
        let ends = match calls.ends[at] {
            checkers::calls::NEVER => calls.time(calls.begins[at]),
            rank => calls.time(rank),
        };
        if !(from..to).contains(&ends) {
            continue;
        }
        let place = u128::from(ends - from) * parts / u128::from(length);
        let place = usize::try_from(place).unwrap_or(0).min(119);
        match calls.outcome[at] {
            Kind::Ok => {
                bins[place].ok += 1;
                let us = (ends - calls.time(calls.begins[at])) / 1000;
                latencies[place].push(u32::try_from(us).unwrap_or(u32::MAX));
            }
            Kind::Fail => bins[place].fail += 1,
            Kind::Info | Kind::Invoke => bins[place].info += 1,
        }
    }
    for (bin, mut here) in bins.iter_mut().zip(latencies) {
        here.sort_unstable();
        let at = |permille: usize| here.get(here.len().saturating_sub(1) * permille / 1000);
        bin.p50_us = at(500).copied().unwrap_or(0);
        bin.p99_us = at(990).copied().unwrap_or(0);
        bin.max_us = here.last().copied().unwrap_or(0);
    }
    bins
}
