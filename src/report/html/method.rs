//! What was checked and how, and what passing does not prove.

use std::collections::BTreeMap;

use checkers::CHECKERS;
use serde_json::Value;

use super::Story;
use super::format::{many, words};
use super::markup::{Cell, Markup, table};
use super::windows::is_fault;
use crate::claim::Claim;
use crate::report::table::thousands;

/// So many figures of one checker.
const FIGURES: usize = 200;

/// Every checker that left figures, what it needs, and all its figures by name.
pub(crate) fn method(story: &Story<'_>) -> Markup {
    let told = &story.recorded.told;
    let mut page = Markup::new();
    if told.figures.is_empty() {
        page.raw("<p>No checker judged this run.</p>");
    }
    for (name, figures) in told.figures.iter().take(60) {
        page.raw("<details><summary><code>")
            .text(name)
            .raw("</code>");
        if let Some(about) = CHECKERS.iter().find(|about| about.name == name) {
            page.raw(": ")
                .raw(about.claim)
                .raw("</summary><p class=\"note\">Needs ");
            page.raw(about.needs)
                .raw(". Cost: ")
                .raw(about.cost)
                .raw(". ");
            if !about.names.is_empty() {
                page.raw("Can name: ")
                    .text(&about.names.join(", "))
                    .raw(".");
            }
            page.raw("</p>");
        } else {
            page.raw(": a checker that this program does not know</summary>");
        }
        let rows = figures
            .as_object()
            .into_iter()
            .flatten()
            .take(FIGURES)
            .map(|(name, value)| {
                let value = match value {
                    Value::Number(number) => number.as_i64().map_or(number.to_string(), thousands),
                    Value::Array(list) if list.len() > 20 => many(list.len(), "entry"),
                    other => other.to_string(),
                };
                vec![Cell::Code(name.clone()), Cell::Code(value)]
            });
        page.add(&table(
            &format!("Figures of {name}"),
            &["Figure", "Value"],
            rows.collect(),
        ));
        page.raw("</details>");
    }
    let named = |claim: &Claim| {
        told.claims
            .iter()
            .any(|other| other.claim == claim.as_str())
    };
    let not: Vec<&str> = Claim::all()
        .filter(|claim| !named(claim))
        .map(|claim| claim.as_str())
        .collect();
    page.raw("<p class=\"note\">Assumed: times are those of the control node's one clock; an ");
    page.raw("operation of unknown outcome may have happened at any time after its start, or ");
    page.raw("never; equal times are concurrent; the order of versions comes from unique values ");
    page.raw("and real time. ");
    if not.is_empty() {
        page.raw("Every claim that this program knows was put to a checker.");
    } else {
        page.raw("Not judged: ").text(&not.join(", ")).raw(".");
    }
    page.raw("</p>");
    page
}

/// What passing does not prove, in numbers where that is possible.
pub(crate) fn limits(story: &Story<'_>) -> Markup {
    let told = &story.recorded.told;
    let mut page = Markup::new();
    page.raw("<ul class=\"plainlist\"><li>A test finds contradictions; it cannot prove that ");
    page.raw("there are none. A violation is a proof for this history.</li>");
    page.raw("<li>What no operation touched while a fault lasted was not tested under it.</li>");
    let mut proven: BTreeMap<&str, u32> = BTreeMap::new();
    for fault in told.faults.iter().filter(|fault| is_fault(&fault.fault)) {
        *proven.entry(&fault.fault).or_default() += u32::from(fault.done_ms.is_some());
    }
    let held: Vec<String> = (told.claims.iter())
        .filter(|claim| claim.verdict == "held")
        .map(|claim| words(&claim.claim))
        .collect();
    if !held.is_empty() {
        for (fault, count) in proven.iter().filter(|(_, count)| **count > 0).take(20) {
            // One minus the n-th root of a twentieth: so rare must it be that n trials without it
            // would be seen once in twenty times.
            let rate = 1.0 - 0.05_f64.powf(1.0 / f64::from(*count));
            page.raw("<li>With ")
                .count(*count)
                .raw(" proven ")
                .text(fault);
            page.raw(" and no violation of ").text(&held.join(", "));
            page.text(&format!(
                ", a {fault} violates it in fewer than {:.0} % ",
                rate * 100.0
            ));
            page.raw("of such runs, at 95 % confidence, if runs are alike.</li>");
        }
        if proven.values().all(|count| *count == 0) {
            page.raw("<li>No fault was proven, so what held says nothing of faults.</li>");
        }
    }
    for claim in told
        .claims
        .iter()
        .filter(|claim| claim.verdict == "undecided")
    {
        page.raw("<li><b>")
            .text(&claim.claim)
            .raw("</b> stayed open: ");
        page.text(claim.why.as_deref().unwrap_or("no reason is given"))
            .raw("</li>");
    }
    page.raw("</ul>");
    page
}
