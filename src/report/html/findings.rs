//! The findings, grouped by claim and anomaly: the first of each group in full, more of them
//! folded, the others as lines, and a count of what is left to `verdict.json`.

use super::figure::{self, Interval, outcome_words};
use super::format::{capital, exact, many, seconds, words};
use super::markup::{Cell, Markup, table};
use super::{Story, cycle};
use crate::report::told::{Told, ToldFinding};

/// Findings beyond these are only counted.
pub(crate) const LISTED: usize = 2000;
/// Names are data as well: so many kinds are enough for a page.
const GROUPS: usize = 100;
/// Of each group, shown in full.
const FULL: usize = 2;
/// Of all groups, shown in full.
const FULL_OF_ALL: usize = 24;
/// Of each group, folded, with their pictures.
const FOLDED: usize = 18;
/// Of all groups, folded, with their pictures.
const FOLDED_OF_ALL: usize = 120;
/// Lines of other findings.
const LINES: usize = 500;

/// The findings of one anomaly against one claim.
pub(crate) struct Group<'t> {
    pub(crate) claim: &'t str,
    pub(crate) anomaly: &'t str,
    findings: Vec<&'t ToldFinding>,
}

impl<'t> Group<'t> {
    pub(crate) fn first(&self) -> &'t str {
        self.findings.first().map_or("", |finding| &finding.id)
    }

    pub(crate) fn count(&self) -> usize {
        self.findings.len()
    }
}

/// The groups, in the order of their first findings.
pub(crate) fn groups(told: &Told) -> Vec<Group<'_>> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    for finding in &told.findings {
        let same = |group: &&mut Group<'_>| {
            group.claim == finding.claim && group.anomaly == finding.anomaly
        };
        let few = groups.len() < GROUPS;
        match groups.iter_mut().find(same) {
            Some(group) => group.findings.push(finding),
            None if few => groups.push(Group {
                claim: &finding.claim,
                anomaly: &finding.anomaly,
                findings: vec![finding],
            }),
            None => {}
        }
    }
    groups
}

pub(crate) fn all(story: &Story<'_>) -> Markup {
    let mut page = Markup::new();
    let told = &story.recorded.told;
    if told.findings.is_empty() {
        let judged = !told.claims.is_empty();
        page.raw(if judged {
            "<p>No contradiction was found in this run.</p>"
        } else {
            "<p>No claim was judged, so there are no findings.</p>"
        });
        return page;
    }
    page.raw("<p class=\"note\"><span class=\"script\">With the keyboard: <kbd>n</kbd> and ");
    page.raw("<kbd>p</kbd> go to the next and previous finding, the arrows go through the ");
    page.raw("operations of a picture. </span>Order and overlap of the bars are exact; widths ");
    page.raw("are not to scale.</p>");
    let (mut full, mut folded, mut lines) = (0, 0, 0);
    for group in groups(told) {
        let mut rest = group.findings.iter();
        if full < FULL_OF_ALL {
            for finding in rest.by_ref().take(FULL) {
                full += 1;
                one(&mut page, story, finding, &group);
            }
        }
        let left = rest.len();
        if left == 0 {
            continue;
        }
        page.raw("<details class=\"more\"><summary>")
            .text(&many(left, "more finding"));
        page.raw(" of this kind: ")
            .text(&words(group.anomaly))
            .raw("</summary>");
        if folded < FOLDED_OF_ALL {
            for finding in rest.by_ref().take(FOLDED) {
                folded += 1;
                one(&mut page, story, finding, &group);
            }
        }
        let room = LINES - lines;
        let rows: Vec<Vec<Cell>> = rest.by_ref().take(room).map(|f| row(f)).collect();
        lines += rows.len();
        if !rows.is_empty() {
            let head = ["Id", "Object", "Last step of the argument"];
            page.add(&table("Further findings", &head, rows));
        }
        if rest.len() > 0 {
            page.raw("<p class=\"note\">")
                .text(&many(rest.len(), "further finding"));
            page.raw(" of this kind, in <code>verdict.json</code> only.</p>");
        }
        page.raw("</details>");
    }
    page
}

fn row(finding: &ToldFinding) -> Vec<Cell> {
    let mut id = Markup::new();
    id.raw("<span")
        .attr("id", &finding.id)
        .raw(">")
        .text(&finding.id)
        .raw("</span>");
    let last = finding.argument.last().map_or("", String::as_str);
    vec![
        Cell::Piece(id),
        Cell::Code(finding.key.clone().unwrap_or_default()),
        Cell::Text(last.to_owned()),
    ]
}

fn one(page: &mut Markup, story: &Story<'_>, finding: &ToldFinding, group: &Group<'_>) {
    let intervals = figure::evidence(&story.recorded.calls, finding);
    page.raw("<article class=\"finding\"")
        .attr("id", &finding.id);
    page.attr("aria-labelledby", &format!("t-{}", finding.id))
        .raw(" tabindex=\"-1\">");
    page.raw("<div class=\"fh\"><span class=\"id\">")
        .text(&finding.id)
        .raw("</span><h3");
    page.attr("id", &format!("t-{}", finding.id))
        .raw(">")
        .text(&capital(&words(&finding.anomaly)));
    if let Some(key) = &finding.key {
        page.raw(" of <code>").text(key).raw("</code>");
    }
    page.raw("</h3></div>");
    if let Some(last) = finding.argument.last() {
        page.raw("<p class=\"plain\">")
            .long(&capital(last), 1200)
            .raw("</p>");
    }
    if !finding.cycle.is_empty() {
        let picture = cycle::draw(&finding.cycle, &intervals);
        page.add(&picture).add(&cycle::told(&finding.cycle));
    }
    page.add(&figure::draw(finding, &intervals, &story.windows));
    if intervals.is_empty() && !finding.ops.is_empty() {
        page.raw("<p class=\"note\">Its operations are not in the history that could be read, ");
        page.raw("so there is no picture.</p>");
    }
    page.raw("<div class=\"two\"><div><h4>Why this is a contradiction</h4><ol class=\"why\">");
    let last = finding.argument.len().saturating_sub(1);
    for (number, step) in finding.argument.iter().take(30).enumerate() {
        page.raw(if number == last {
            "<li class=\"bad\">"
        } else {
            "<li>"
        });
        page.long(step, 1200).raw("</li>");
    }
    page.raw("</ol></div><div><h4>When and where</h4><dl class=\"about\">");
    about(page, story, finding, group, &intervals);
    page.raw("</dl></div></div>");
    if !intervals.is_empty() {
        let rows = intervals.iter().map(operation).collect();
        let head = [
            "Client",
            "Node",
            "Operation",
            "#Began",
            "#Ended",
            "Outcome",
            "#Entry",
        ];
        page.add(&table(
            &format!("Operations of {}", finding.id),
            &head,
            rows,
        ));
    }
    page.raw("</article>\n");
}

fn operation(interval: &Interval) -> Vec<Cell> {
    let key = interval.key.as_deref().map(|key| format!(" on {key}"));
    let error = interval.error.as_deref().map(|error| format!(": {error}"));
    let outcome = outcome_words(interval.outcome);
    vec![
        Cell::Text(interval.process.clone()),
        Cell::Text(interval.node.clone()),
        Cell::Code(format!("{}{}", interval.what, key.unwrap_or_default())),
        Cell::Number(exact(interval.begins)),
        Cell::Number(interval.ends.map_or_else(|| "no answer".into(), exact)),
        Cell::Text(format!("{outcome}{}", error.unwrap_or_default())),
        Cell::Number(interval.index.to_string()),
    ]
}

fn about(
    page: &mut Markup,
    story: &Story<'_>,
    finding: &ToldFinding,
    group: &Group<'_>,
    intervals: &[Interval],
) {
    let mut entry = |name: &'static str, value: &str| {
        page.raw("<dt>")
            .raw(name)
            .raw("</dt><dd>")
            .text(value)
            .raw("</dd>");
    };
    entry("Refutes", &finding.claim);
    let bad = figure::culprit(finding, intervals).map(|place| &intervals[place]);
    if let Some(bad) = bad {
        let last = bad.ends.unwrap_or(bad.begins);
        let active: Vec<String> = (story.windows.iter())
            .filter(|window| window.meets(bad.begins, last))
            .map(super::windows::Window::in_words)
            .collect();
        let active = if active.is_empty() {
            "none".to_owned()
        } else {
            active.join(", ")
        };
        entry("Fault at the time", &active);
        let states = &story.recorded.told.nodes;
        let role = states.get(&bad.node).and_then(|state| state.get("role"));
        let role = role.and_then(|role| role.as_str());
        let role = role.map_or(String::new(), |role| format!(", in the end {role}"));
        entry("Node that answered", &format!("{}{role}", bad.node));
    }
    let first = intervals.iter().map(|i| i.begins).min();
    let last = intervals.iter().map(|i| i.ends.unwrap_or(i.begins)).max();
    if let (Some(first), Some(last)) = (first, last) {
        entry(
            "First and last moment",
            &format!("{} to {}", seconds(first), seconds(last)),
        );
    }
    entry("Of this kind", &many(group.count(), "finding"));
    if let Some((first, last)) = stretch(story, group) {
        entry(
            "Of this kind, from",
            &format!("{} to {}", seconds(first), seconds(last)),
        );
    }
    for (name, value) in finding.rest.iter().take(8) {
        let value = value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned);
        page.raw("<dt>")
            .text(&capital(&words(name)))
            .raw("</dt><dd>")
            .text(&value)
            .raw("</dd>");
    }
}

/// From the first to the last operation that shows this anomaly.
fn stretch(story: &Story<'_>, group: &Group<'_>) -> Option<(u64, u64)> {
    let calls = &story.recorded.calls;
    let times = story
        .marks
        .iter()
        .filter(|mark| mark.finding.anomaly == group.anomaly && mark.finding.claim == group.claim);
    let times = times.map(|mark| calls.time(calls.begins[mark.call as usize]));
    let times: Vec<u64> = times.collect();
    Some((*times.iter().min()?, *times.iter().max()?))
}
