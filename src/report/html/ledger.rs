//! The data-loss ledger: what was acknowledged and what became of it, with the names of what is
//! lost.

use std::collections::BTreeMap;

use serde_json::Value;

use super::format::{capital, millis, words};
use super::markup::{Cell, Markup, table};
use super::{Story, figure};
use crate::report::table::thousands;

/// So many lost ids stand in the page.
const IDS: usize = 500;

/// The words of the ledger, with what they mean and whether they are wrong.
const WORDS: [(&str, &str, bool); 11] = [
    (
        "acknowledged",
        "the client was told that it happened",
        false,
    ),
    ("present", "some node has it in the end", false),
    (
        "replaced",
        "no node has it, but a value that may have replaced it",
        false,
    ),
    (
        "lost",
        "no node has it, nor anything that can have replaced it",
        true,
    ),
    ("undecided", "the final reads do not tell", false),
    (
        "recovered",
        "its outcome was unknown, and it is there: allowed",
        false,
    ),
    ("dirty", "it failed, and it is there", true),
    ("duplicate", "it is there twice", true),
    ("phantom", "it is there, and nobody wrote it", true),
    (
        "divergent_elements",
        "some nodes have it and others do not",
        true,
    ),
    ("divergent_registers", "nodes hold different values", true),
];

pub(crate) fn ledger(story: &Story<'_>) -> Markup {
    let told = &story.recorded.told;
    let mut page = Markup::new();
    let Some(loss) = told.figures.get("loss") else {
        page.raw(
            "<p>No ledger was kept: the checker <code>loss</code> did not judge this run.</p>",
        );
        return page;
    };
    let number = |name: &str| loss.get(name).and_then(Value::as_i64);
    let rows = WORDS.iter().filter_map(|(word, meaning, wrong)| {
        let count = number(word)?;
        let mut verdict = Markup::new();
        if *wrong && count > 0 {
            verdict.raw("<span class=\"tag bad\">wrong</span>");
        } else if count == 0 {
            verdict.raw("none");
        } else {
            verdict.raw("right");
        }
        let undecided = *word == "undecided" && count > 0;
        Some(vec![
            Cell::Text(capital(&words(word))),
            Cell::Number(thousands(count)),
            if undecided {
                Cell::Text("open".into())
            } else {
                Cell::Piece(verdict)
            },
            Cell::Text((*meaning).to_owned()),
        ])
    });
    let head = ["Fate", "#Count", "Is that right", "Meaning"];
    page.add(&table("Fate of all writes", &head, rows.collect()));
    page.raw("<ul class=\"plainlist\">");
    if let Some(window) = number("longest_loss_window_ms").filter(|_| number("lost") > Some(0)) {
        page.raw("<li>Longest time over which acknowledged writes were being lost: ");
        page.text(&millis(window)).raw(".</li>");
    }
    if let Some(keys) = number("keys_with_loss") {
        page.raw("<li>Objects that lost something: ")
            .count(keys)
            .raw(" of ");
        page.count(number("keys_finally_read").unwrap_or(0))
            .raw(" that were read at the end");
        page.raw(".</li>");
    }
    for sentence in distances(story) {
        page.tag("<li>", &sentence, "</li>");
    }
    page.raw("</ul>");
    let maps = loss
        .as_object()
        .into_iter()
        .flatten()
        .filter_map(|(name, map)| {
            let map = map.as_object().filter(|map| !map.is_empty())?;
            Some((name, map))
        });
    for (name, map) in maps.take(10) {
        let rows = map.iter().take(200).map(|(of, count)| {
            let count = count.as_i64().map_or_else(|| count.to_string(), thousands);
            vec![Cell::Text(of.clone()), Cell::Number(count)]
        });
        page.tag("<h3>", &capital(&words(name)), "</h3>");
        page.add(&table(&words(name), &["Of", "#Count"], rows.collect()));
    }
    ids(&mut page, loss, "lost_ids", "Lost", number("lost"));
    ids(
        &mut page,
        loss,
        "divergent_ids",
        "Not the same on all nodes",
        None,
    );
    page
}

/// How far before the next fault lost writes were acknowledged, of those that are findings.
fn distances(story: &Story<'_>) -> Vec<String> {
    let mut by_fault: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    let lost = (story.recorded.told.findings.iter())
        .filter(|finding| finding.anomaly.starts_with("lost-"))
        .take(super::findings::LISTED);
    for finding in lost {
        let evidence = figure::evidence(&story.recorded.calls, finding);
        let write = figure::culprit(finding, &evidence).map(|place| &evidence[place]);
        let Some(end) = write.and_then(|write| write.ends) else {
            continue;
        };
        let next = story.windows.iter().find(|w| w.from_ms >= end / 1_000_000);
        let during = story.windows.iter().find(|w| w.covers(end));
        if let Some(window) = during {
            by_fault
                .entry(format!("during the {}", window.in_words()))
                .or_default()
                .push(0);
        } else if let Some(window) = next {
            let distance = window.from_ms - end / 1_000_000;
            let name = format!("before the {}", window.in_words());
            by_fault.entry(name).or_default().push(distance);
        }
    }
    let told = by_fault.into_iter().take(20).map(|(name, mut distances)| {
        distances.sort_unstable();
        let verb = if distances.len() == 1 { "was" } else { "were" };
        let count = format!(
            "Of the lost writes listed as findings {} {verb}",
            distances.len()
        );
        let most = distances.last().copied().unwrap_or(0);
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        if name.starts_with("during") {
            format!("{count} acknowledged {name}.")
        } else {
            format!(
                "{count} acknowledged {name}, at most {} before it.",
                millis(most)
            )
        }
    });
    told.collect()
}

fn ids(page: &mut Markup, loss: &Value, field: &str, title: &'static str, all: Option<i64>) {
    let list = loss.get(field).and_then(Value::as_array);
    let Some(list) = list.filter(|list| !list.is_empty()) else {
        return;
    };
    let shown = list.len().min(IDS);
    let all = all
        .and_then(|all| usize::try_from(all).ok())
        .unwrap_or(list.len());
    page.raw("<details><summary>")
        .raw(title)
        .raw(", by name: ")
        .count(shown);
    page.raw(" of ")
        .count(all.max(list.len()))
        .raw("</summary>");
    let id = format!("csv-{field}");
    page.raw("<button class=\"btn script\" type=\"button\"");
    page.attr("data-copy", &format!("#{id}"))
        .raw(">Copy as CSV</button>");
    page.raw("<pre class=\"cmd csv\" tabindex=\"0\" role=\"region\"")
        .attr("aria-label", title);
    page.attr("id", &id).raw(">key,value\n");
    for pair in list.iter().take(IDS) {
        let parts = pair.as_array().map_or(&[][..], Vec::as_slice);
        let row: Vec<String> = match parts {
            [] => vec![field_of(pair)],
            parts => parts.iter().map(field_of).collect(),
        };
        page.text(&row.join(",")).raw("\n");
    }
    page.raw("</pre></details>\n");
}

/// A field of CSV: quoted where it must be.
fn field_of(value: &Value) -> String {
    let text = value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned);
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text
    }
}
