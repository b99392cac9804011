//! One page that tells a run: a file without network, drawn from the run's directory alone.
//!
//! Order of the page: the verdict, what was claimed, what was tested, the timeline, the findings
//! one by one, what was lost, how stale reads were, whether nodes agree, faults and their proof,
//! coverage, availability, method, limits, how to repeat it, environment, logs, files. A reader
//! who sees only the first screen must be able to decide.
//!
//! Everything but the timeline stands without a script: pictures are SVG written here. The
//! page's own script and style are allowed by their hashes, and nothing else is.

mod chart;
mod convergence;
mod cycle;
mod data;
mod environment;
mod evidence;
mod figure;
mod findings;
mod format;
mod ledger;
mod markup;
mod method;
mod overview;
pub mod pages;
mod staleness;
mod windows;

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use self::data::Bin;
use self::markup::Markup;
use self::windows::Window;
use super::recorded::Recorded;
use super::told::ToldFinding;
use crate::store::{self, StoreError};

pub(crate) use self::markup::is_hidden;
pub(crate) use self::overview::{checked, headline};
pub(crate) use self::windows::{is_fault, windows};

/// The page's name in the run's directory.
pub const REPORT: &str = "report.html";

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// A run as the page tells it.
pub(crate) struct Story<'r> {
    pub(crate) recorded: &'r Recorded,
    /// When something was broken.
    pub(crate) windows: Vec<Window>,
    /// The phases of the run, with their beginnings in nanoseconds.
    pub(crate) phases: Vec<(String, u64)>,
    /// Findings on the timeline.
    pub(crate) marks: Vec<Mark<'r>>,
    /// In nanoseconds.
    pub(crate) length: u64,
    pub(crate) bins: Vec<Bin>,
}

/// A finding, and the call that contradicts its claim.
pub(crate) struct Mark<'r> {
    pub(crate) finding: &'r ToldFinding,
    pub(crate) call: u32,
}

impl<'r> Story<'r> {
    pub(crate) fn new(recorded: &'r Recorded) -> Self {
        let calls = &recorded.calls;
        let length = recorded.length();
        let phases = calls.nemesis().iter().filter(|op| op.f == *"phase");
        let phases = phases.filter_map(|op| Some((op.value.as_str()?.to_owned(), op.time)));
        let mut marks = Vec::new();
        for finding in recorded.told.findings.iter().take(findings::LISTED) {
            let evidence = figure::evidence(calls, finding);
            if let Some(place) = figure::culprit(finding, &evidence) {
                let call = evidence[place].call;
                marks.push(Mark { finding, call });
            }
        }
        Self {
            recorded,
            windows: windows(&recorded.told.faults),
            phases: phases.collect(),
            marks,
            length,
            bins: data::bins(calls, length, data::BINS),
        }
    }
}

/// A part of the page.
struct Section {
    id: &'static str,
    title: &'static str,
    body: Markup,
}

/// A section's name in links, its title, and what writes it.
type Part = (&'static str, &'static str, fn(&Story<'_>) -> Markup);

const PARTS: [Part; 15] = [
    (
        "claims",
        "What was claimed, and what the history shows",
        overview::claims,
    ),
    ("tested", "What was tested", overview::tested),
    ("timeline", "Timeline", evidence::timeline),
    ("findings", "Findings", findings::all),
    ("ledger", "Data-loss ledger", ledger::ledger),
    ("staleness", "Staleness", staleness::staleness),
    ("convergence", "Convergence", convergence::convergence),
    ("faults", "Faults, with evidence", evidence::faults),
    ("coverage", "Coverage", evidence::coverage),
    (
        "availability",
        "Availability and latency",
        evidence::availability,
    ),
    ("method", "What was checked, and how", method::method),
    ("limits", "Limits", method::limits),
    ("reproduce", "Reproduce", overview::reproduce),
    ("environment", "Environment", environment::environment),
    ("files", "Logs and files", environment::files),
];

/// The page of a run.
#[must_use]
pub fn page(recorded: &Recorded) -> String {
    let story = Story::new(recorded);
    let sections = PARTS.iter().map(|(id, title, write)| Section {
        id,
        title,
        body: write(&story),
    });
    let sections: Vec<Section> = sections
        .filter(|section| !section.body.is_empty())
        .collect();
    let mut page = Markup::new();
    let title = format!("{} · {}", recorded.told.words(), recorded.told.name);
    head(&mut page, &title);
    contents(&mut page, &story, &sections);
    page.raw("<main id=\"main\" tabindex=\"-1\">\n");
    overview::banner(&mut page, &story);
    for section in &sections {
        page.raw("<section").attr("id", section.id);
        page.attr("aria-labelledby", &format!("h-{}", section.id))
            .raw("><h2");
        page.attr("id", &format!("h-{}", section.id))
            .raw(">")
            .raw(section.title)
            .raw("</h2>\n");
        page.add(&section.body).raw("</section>\n");
    }
    page.raw("<footer>Made by schism ")
        .text(env!("CARGO_PKG_VERSION"));
    page.raw(" from the files of the run alone; <code>schism report</code> makes it again. ");
    page.raw("One file, no network. <span id=\"drawn\"></span></footer>\n</main></div>\n");
    data::embed(&mut page, &story);
    foot(&mut page);
    page.into_string()
}

/// The start of a page with this title, up to its body.
pub(crate) fn head(page: &mut Markup, title: &str) {
    page.raw("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">");
    page.raw("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">");
    page.raw("<meta name=\"color-scheme\" content=\"light dark\">");
    page.raw("<meta http-equiv=\"Content-Security-Policy\"")
        .attr("content", &policy())
        .raw(">");
    page.raw("<link rel=\"icon\" href=\"data:,\">");
    page.tag("<title>", title, "</title>\n<style>")
        .raw(STYLE)
        .raw("</style></head>\n<body>");
    page.raw("<a class=\"skip\" href=\"#main\">Skip to the verdict</a>\n<div class=\"page\">\n");
}

/// The end of a page: its script.
pub(crate) fn foot(page: &mut Markup) {
    page.raw("<script>")
        .raw(SCRIPT)
        .raw("</script></body></html>\n");
}

/// Nothing may be loaded, and only our own script and style, known by their hashes, count.
fn policy() -> String {
    let hash = |text: &str| {
        let mut letters = Markup::new();
        letters.base64(&Sha256::digest(text.as_bytes()));
        letters.into_string()
    };
    format!(
        "default-src 'none'; script-src 'sha256-{}'; style-src 'sha256-{}'; img-src data:; \
         base-uri 'none'; form-action 'self'",
        hash(SCRIPT),
        hash(STYLE)
    )
}

fn contents(page: &mut Markup, story: &Story<'_>, sections: &[Section]) {
    page.raw("<nav class=\"toc\" aria-label=\"Sections\"><div class=\"brand\">schism");
    page.raw("<small>consistency report</small></div><ol>");
    page.raw("<li><a href=\"#main\">Verdict</a></li>");
    for section in sections {
        page.raw("<li><a")
            .attr("href", &format!("#{}", section.id))
            .raw(">");
        page.raw(section.title).raw("</a></li>");
        if section.id == "findings" {
            for group in findings::groups(&story.recorded.told) {
                page.raw("<li class=\"sub\"><a")
                    .attr("href", &format!("#{}", group.first()));
                page.raw(">")
                    .text(&format::words(group.anomaly))
                    .raw("<b>")
                    .count(group.count());
                page.raw("</b></a></li>");
            }
        }
    }
    page.raw("</ol></nav>\n");
}

/// Draws the page of a run from its directory, and leaves it there.
///
/// # Errors
///
/// [`StoreError`] when it cannot be written.
pub fn write(directory: &Path) -> Result<PathBuf, StoreError> {
    let recorded = Recorded::read(directory);
    let path = directory.join(REPORT);
    store::write_file(&path, page(&recorded).as_bytes())?;
    Ok(path)
}

/// As [`write`], after a run: whatever goes wrong is a warning and no more.
pub fn leave(directory: &Path) {
    let drawn = std::panic::catch_unwind(|| write(directory));
    match drawn {
        Ok(Ok(_)) => {}
        Ok(Err(error)) => tracing::warn!("no report was drawn: failed to {error}"),
        Err(_) => tracing::warn!("no report was drawn: that is a fault of schism"),
    }
}
