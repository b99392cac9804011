//! The smaller pages: a campaign as modes and faults, two runs side by side, a list of runs.

use std::collections::{BTreeMap, BTreeSet};

use super::format::{many, words};
use super::markup::{Cell, Markup, table};
use super::{foot, head, overview};
use crate::report::catalogue::Entry;
use crate::report::compare::Difference;
use crate::report::table::thousands;
use crate::report::told::Told;
use crate::report::trend;

fn open(page: &mut Markup, title: &str) {
    head(page, title);
    page.raw("<nav class=\"toc\" aria-label=\"Pages\"><div class=\"brand\">schism</div></nav>");
    page.raw("<main id=\"main\" tabindex=\"-1\"><h1>")
        .text(title)
        .raw("</h1>\n");
}

fn close(page: &mut Markup) {
    page.raw("<footer>Made by schism ")
        .text(env!("CARGO_PKG_VERSION"));
    page.raw("</footer></main></div>\n");
    foot(page);
}

/// One table, what is to be known to read it, and notes under it.
#[must_use]
pub(crate) fn tabled(
    title: &str,
    legend: &str,
    columns: &[&'static str],
    rows: &[Vec<String>],
    notes: &[String],
) -> String {
    let mut page = Markup::new();
    open(&mut page, title);
    page.raw("<p class=\"plain\">")
        .long(legend, 2_000)
        .raw("</p>");
    let cells = |row: &Vec<String>| row.iter().cloned().map(Cell::Text).collect();
    page.add(&table(title, columns, rows.iter().map(cells).collect()));
    if !notes.is_empty() {
        page.raw("<section><h2>Notes</h2><ul>");
        for note in notes {
            page.raw("<li>").long(note, 2_000).raw("</li>");
        }
        page.raw("</ul></section>");
    }
    close(&mut page);
    page.into_string()
}

/// Of so many runs at most, and so many plans, a list of runs tells the trend.
const RECENT: usize = 300;
const PLANS: usize = 50;

/// The runs of a mode, by fault.
type Row<'r> = BTreeMap<String, Vec<&'r (String, Told)>>;

/// A title, what is over the columns, and the rows.
type Part = (&'static str, &'static [&'static str], Vec<Vec<Cell>>);

/// A campaign: a table of modes and faults for each claim, each cell a link to its run. `runs`
/// has the directories of the runs, as the page's links need them.
#[must_use]
pub fn campaign(name: &str, runs: &[(String, Told)]) -> String {
    let mut page = Markup::new();
    open(&mut page, &format!("Campaign {name}"));
    let met = runs
        .iter()
        .filter(|(_, told)| told.claims.iter().all(|claim| claim.as_expected));
    page.raw("<p class=\"plain\">")
        .text(&many(runs.len(), "run"))
        .raw(", ");
    page.count(met.count())
        .raw(" of them without a claim that came out otherwise than its plan ");
    page.raw("expects.</p>");
    let names = |told: &Told| {
        told.label
            .clone()
            .unwrap_or((told.name.clone(), String::new()))
    };
    let mut faults: Vec<String> = Vec::new();
    let mut cells: BTreeMap<String, Row<'_>> = BTreeMap::new();
    for run in runs {
        let (mode, fault) = names(&run.1);
        if !faults.contains(&fault) {
            faults.push(fault.clone());
        }
        cells
            .entry(mode)
            .or_default()
            .entry(fault)
            .or_default()
            .push(run);
    }
    let mut claims: BTreeSet<&str> = BTreeSet::new();
    for (_, told) in runs {
        claims.extend(told.claims.iter().map(|claim| claim.claim.as_str()));
    }
    for claim in claims {
        page.raw("<section><h2>")
            .text(&words(claim))
            .raw("</h2><div class=\"tw\" tabindex=\"0\" ");
        page.raw("role=\"region\"")
            .attr("aria-label", &format!("Table: {claim}"));
        page.raw("><table><thead><tr><td></td>");
        for fault in &faults {
            page.tag("<th scope=\"col\">", fault, "</th>");
        }
        page.raw("</tr></thead><tbody>");
        for (mode, row) in &cells {
            page.raw("<tr>").tag("<th scope=\"row\">", mode, "</th>");
            for fault in &faults {
                page.raw("<td>");
                for (place, told) in row.get(fault).into_iter().flatten() {
                    cell(&mut page, place, told, claim);
                }
                page.raw("</td>");
            }
            page.raw("</tr>");
        }
        page.raw("</tbody></table></div></section>\n");
    }
    close(&mut page);
    page.into_string()
}

fn cell(page: &mut Markup, place: &str, told: &Told, claim: &str) {
    page.raw("<a")
        .attr("href", &format!("{}/report.html", path(place)))
        .raw(">");
    match told.claims.iter().find(|other| other.claim == claim) {
        None => page.text(&told.words()),
        Some(claim) => {
            page.add(&overview::tag(&claim.verdict));
            if !claim.as_expected {
                page.raw(" not as expected");
            }
            page.raw("")
        }
    };
    let seed = told
        .seed
        .map_or(String::new(), |seed| format!(" seed {seed}"));
    page.text(&seed).raw("</a> ");
}

/// A relative path in a link: what is not plain is written by its bytes, and a name cannot be
/// taken for a scheme.
pub(crate) fn path(name: &str) -> String {
    let mut out = String::from("./");
    for byte in name.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'/' => {
                out.push(char::from(byte));
            }
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// Two runs side by side.
#[must_use]
pub fn difference(one: &str, other: &str, difference: &Difference) -> String {
    let mut page = Markup::new();
    open(&mut page, "What changed");
    page.raw("<p>Before: <code>")
        .text(one)
        .raw("</code><br>Now: <code>")
        .text(other);
    page.raw("</code></p>");
    let three = |rows: &[[String; 3]]| {
        let row = |row: &[String; 3]| row.iter().map(|cell| Cell::Text(cell.clone())).collect();
        rows.iter().map(row).collect::<Vec<Vec<Cell>>>()
    };
    let findings = difference.findings.iter().map(|row| {
        let [state, what, count, print] = row.clone();
        vec![
            Cell::Text(state),
            Cell::Text(what),
            Cell::Text(count),
            Cell::Code(print),
        ]
    });
    let parts: [Part; 4] = [
        (
            "Claims",
            &["Claim", "Before", "Now"],
            three(&difference.claims),
        ),
        (
            "Findings",
            &["State", "Finding", "Count", "Fingerprint"],
            findings.collect(),
        ),
        (
            "Latency and availability that differ",
            &["Figure", "Before", "Now"],
            three(&difference.figures),
        ),
        (
            "Settings that differ",
            &["Setting", "Before", "Now"],
            three(&difference.plan),
        ),
    ];
    for (title, head, rows) in parts {
        page.raw("<section><h2>").raw(title).raw("</h2>");
        if rows.is_empty() {
            page.raw("<p>None.</p>");
        } else {
            page.add(&table(title, head, rows));
        }
        page.raw("</section>");
    }
    close(&mut page);
    page.into_string()
}

/// A list of runs, those whose id or verdict has `wanted` in it, with the trend of each plan.
#[must_use]
pub fn index(entries: &[Entry], wanted: &str) -> String {
    let mut page = Markup::new();
    open(&mut page, "Runs");
    page.raw("<form method=\"get\"><label>Only those with <input name=\"q\"");
    page.attr("value", wanted)
        .raw("></label> <button class=\"btn\">Show</button></form>");
    let fits = |entry: &&Entry| {
        let wanted = wanted.to_lowercase();
        entry.id.to_lowercase().contains(&wanted) || entry.status.to_lowercase().contains(&wanted)
    };
    let shown: Vec<&Entry> = entries.iter().filter(fits).collect();
    let recent = shown.iter().take(RECENT).rev();
    let mut trends = trend::trends(recent.map(|entry| entry.path.as_path()));
    let untold = trends.len().saturating_sub(PLANS);
    trends = trends.into_iter().take(PLANS).collect();
    page.raw("<section><h2>Trends</h2><p class=\"note\">Of the last ")
        .text(&many(shown.len().min(RECENT), "run"))
        .raw(", oldest first: a sign a verdict, a bar a figure.");
    if untold > 0 {
        page.raw(" ")
            .text(&many(untold, "plan"))
            .raw(" more are left out.");
    }
    page.raw("</p>");
    let cells = |row: Vec<String>| row.into_iter().map(Cell::Text).collect();
    let rows = trend::rows(&trends, 60).into_iter().map(cells).collect();
    page.add(&table("Trends", &trend::HEAD, rows));
    page.raw("</section><section><h2>")
        .text(&many(shown.len(), "run"))
        .raw("</h2>");
    let rows = shown.iter().take(2000).map(|entry| {
        let mut link = Markup::new();
        let to = format!("{}/", path(&format!("run/{}", entry.id)));
        link.raw("<a")
            .attr("href", &to)
            .raw(">")
            .text(&entry.id)
            .raw("</a>");
        let operations = i64::try_from(entry.operations).unwrap_or(i64::MAX);
        vec![
            Cell::Piece(link),
            Cell::Piece(overview::tag(&entry.status)),
            Cell::Number(thousands(operations)),
            Cell::Number(format!("{}/{}", entry.claims.0, entry.claims.1)),
            Cell::Text(entry.findings.join(" ")),
        ]
    });
    let head = [
        "Run",
        "Verdict",
        "#Operations",
        "#Claims held",
        "First findings",
    ];
    page.add(&table("Runs", &head, rows.collect()))
        .raw("</section>");
    close(&mut page);
    page.into_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_in_a_link_is_a_path_below() {
        assert_eq!(path("javascript:x"), "./javascript%3Ax");
        assert_eq!(path("a b\"é"), "./a%20b%22%C3%A9");
    }
}
