//! The page of a run in a real browser: what it loads, says, and lets a reader do.
//!
//! It needs Chromium, and axe-core in `tests/browser`; where CI is set both must be there,
//! elsewhere their absence is said loudly, with the number of tests that were not run.

mod browser;
mod harness;
mod runs;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use browser::Browser;
use harness::{Harness, say};
use runs::Place;
use schism::report::compare::compare;
use schism::report::html::{self, pages};
use schism::report::recorded::Recorded;
use serde_json::json;

type Test = (&'static str, fn(&mut Browser, &Pages));

const TESTS: &[Test] = &[
    (
        "it_loads_alone_and_in_silence",
        it_loads_alone_and_in_silence,
    ),
    (
        "findings_can_be_gone_through_by_keyboard",
        findings_by_keyboard,
    ),
    (
        "the_timeline_can_be_used_by_keyboard",
        the_timeline_by_keyboard,
    ),
    ("a_link_to_a_folded_finding_unfolds_it", a_link_unfolds),
    ("hostile_values_do_nothing", hostile_values_do_nothing),
    (
        "without_a_script_everything_but_the_timeline_stands",
        without_a_script,
    ),
    ("a_narrow_page_does_not_scroll_sideways", a_narrow_page),
    ("both_themes_are_accessible", both_themes_are_accessible),
    ("pictures_of_both_themes", pictures_of_both_themes),
];

const READY: &str = "document.documentElement.dataset.loaded !== undefined";

struct Pages {
    whole: PathBuf,
    hostile: PathBuf,
    campaign: PathBuf,
    difference: PathBuf,
}

fn main() -> ExitCode {
    let Some(mut harness) = Harness::new(TESTS.iter().map(|(name, _)| *name)) else {
        return ExitCode::SUCCESS;
    };
    let (program, axe) = (browser::program(), browser::axe().exists());
    let needs_axe = |name: &str| name == "both_themes_are_accessible";
    let chosen: Vec<&Test> = TESTS
        .iter()
        .filter(|(name, _)| harness.wants(name))
        .collect();
    let skipped: Vec<&str> = (chosen.iter())
        .filter(|(name, _)| program.is_none() || (needs_axe(name) && !axe))
        .map(|(name, _)| *name)
        .collect();
    if !skipped.is_empty() {
        say(&format!(
            "page: {} of {} tests WERE NOT RUN:",
            skipped.len(),
            chosen.len()
        ));
        if program.is_none() {
            say("page:   chromium is missing: apt-get install chromium");
        }
        if !axe {
            say("page:   axe-core is missing: cd tests/browser && npm install");
        }
        if std::env::var("CI").is_ok_and(|ci| ci == "true") {
            say("page: and CI must run them all: scripts/setup installs what is missing");
            return ExitCode::FAILURE;
        }
    }
    let Some(program) = program else {
        return ExitCode::SUCCESS;
    };
    let place = Place::new("page");
    let (whole, hostile) = (place.0.join("whole"), place.0.join("hostile"));
    runs::simulated(&whole, 1);
    runs::hostile(&hostile);
    let read = |run: &Path| Recorded::read(run);
    let (one, other) = (read(&whole), read(&hostile));
    let runs = ["whole", "hostile"].map(str::to_owned);
    let runs: Vec<_> = runs
        .into_iter()
        .zip([one.told.clone(), other.told.clone()])
        .collect();
    let (campaign, difference) = (place.0.join("campaign.html"), place.0.join("diff.html"));
    let drawn = std::fs::write(&campaign, pages::campaign(runs::HOSTILE, &runs));
    drawn.expect("a page can be written");
    let differs = compare(&one, &other);
    let drawn = std::fs::write(&difference, pages::difference("a", runs::HOSTILE, &differs));
    drawn.expect("a page can be written");
    let pages = Pages {
        campaign,
        difference,
        whole: html::write(&whole).expect("a page is drawn"),
        hostile: html::write(&hostile).expect("a page is drawn"),
    };
    for (name, test) in chosen.iter().filter(|(name, _)| !skipped.contains(name)) {
        harness.run(name, || test(&mut Browser::start(program), &pages));
    }
    let ran = chosen.len() - skipped.len();
    say(&format!("page: {ran} run, {} not run", skipped.len()));
    harness.end()
}

fn it_loads_alone_and_in_silence(browser: &mut Browser, pages: &Pages) {
    browser.open(&pages.whole, READY);
    assert_ne!(
        browser.eval("document.documentElement.dataset.loaded"),
        "failed"
    );
    assert_eq!(browser.console(), Vec::<String>::new());
    let page = format!("file://{}", pages.whole.display());
    let left: Vec<String> = (browser.requests().into_iter())
        .filter(|url| *url != page && !url.starts_with("data:") && !url.starts_with("blob:"))
        .collect();
    assert_eq!(left, Vec::<String>::new(), "requests that leave the page");
    assert!(
        browser.requests().contains(&page),
        "the page itself was seen to be asked for"
    );
    // The policy does what it says: what is not ours cannot be loaded or run.
    let refused = "new Promise((done) => { const i = new Image(); i.onerror = () => done(true); \
                   i.onload = () => done(false); i.src = 'http://127.0.0.1:9/x.png'; })";
    assert_eq!(browser.eval(refused), true);
    browser.eval(
        "{ const s = document.createElement('script'); s.textContent = \
                  'window.ran = 1'; document.body.append(s); }",
    );
    assert_eq!(browser.eval("window.ran === undefined"), true);
}

fn findings_by_keyboard(browser: &mut Browser, pages: &Pages) {
    browser.open(&pages.whole, READY);
    browser.press("Tab");
    assert_eq!(
        browser.eval("document.activeElement.className"),
        "skip",
        "first is the skip link"
    );
    let ids = browser.eval("[...document.querySelectorAll('article.finding')].map((f) => f.id)");
    let ids = ids.as_array().expect("a list").clone();
    assert!(ids.len() > 3, "{ids:?}");
    for id in ids.iter().take(4) {
        browser.press("n");
        assert_eq!(&browser.eval("document.activeElement.id"), id);
    }
    browser.press("p");
    assert_eq!(&browser.eval("document.activeElement.id"), &ids[2]);
    let visible = "(() => { const r = document.activeElement.getBoundingClientRect(); \
                   return r.top > -5 && r.top < innerHeight && r.height > 0; })()";
    browser.wait(visible);
    // From the finding by Tab into its picture, and by arrows through its operations.
    let mut steps = 0;
    while browser.eval("document.activeElement.classList.contains('opg')") != true {
        browser.press("Tab");
        steps += 1;
        assert!(steps < 10, "the picture is not reached");
    }
    let first = browser.eval("document.activeElement.getAttribute('aria-label')");
    browser.press("ArrowRight");
    let second = browser.eval("document.activeElement.getAttribute('aria-label')");
    assert!(
        first != second && second.as_str().is_some_and(|s| s.contains("entry")),
        "{second}"
    );
}

fn the_timeline_by_keyboard(browser: &mut Browser, pages: &Pages) {
    browser.open(&pages.whole, READY);
    browser.eval("document.querySelector('#tl').focus()");
    let said = "document.querySelector('#ro').textContent";
    browser.press("+");
    let zoomed = browser.eval(said);
    assert!(
        zoomed.as_str().is_some_and(|s| s.starts_with("Showing ")),
        "{zoomed}"
    );
    browser.press("ArrowRight");
    assert_ne!(browser.eval(said), zoomed);
    browser.press("]");
    let found = browser.eval(said);
    assert!(
        found
            .as_str()
            .is_some_and(|s| s.starts_with('F') && s.contains(" at ")),
        "{found}"
    );
    // Near the middle of it a single operation is told.
    let under = "(async () => { const c = document.querySelector('#cv'); \
        const frame = () => new Promise((done) => requestAnimationFrame(done)); \
        const ro = document.querySelector('#ro'); \
        for (const x of [30, 100, -40, 200, -200, 300]) for (let y = 0; y < c.clientHeight; y += 4) { \
        const r = c.getBoundingClientRect(); \
        c.dispatchEvent(new PointerEvent('pointermove', {bubbles: true, \
        clientX: r.left + r.width / 2 + x, clientY: r.top + y})); await frame(); await frame(); \
        if (ro.textContent.includes(', began ')) return ro.textContent; } return ''; })()";
    let told = browser.eval(under);
    assert!(
        told.as_str()
            .is_some_and(|t| t.contains(", ok, ") || t.contains(", failed, ")),
        "{told}"
    );
    browser.press("0");
    let whole = browser.eval(said);
    assert!(
        whole
            .as_str()
            .is_some_and(|s| s.starts_with("Showing 0.000 s")),
        "{whole}"
    );
    assert_eq!(browser.console(), Vec::<String>::new());
}

fn a_link_unfolds(browser: &mut Browser, pages: &Pages) {
    browser.open(&pages.whole, READY);
    let folded = "[...document.querySelectorAll('details article.finding')].at(-1).id";
    let id = browser.eval(folded);
    let id = id.as_str().expect("some finding is folded");
    browser.eval(&format!("location.hash = '#{id}'"));
    browser.wait(&format!(
        "document.getElementById('{id}').closest('details').open"
    ));
}

fn hostile_values_do_nothing(browser: &mut Browser, pages: &Pages) {
    browser.open(&pages.hostile, READY);
    assert_ne!(
        browser.eval("document.documentElement.dataset.loaded"),
        "failed"
    );
    assert_eq!(browser.eval("window.hacked === undefined"), true);
    assert_eq!(browser.eval("document.images.length"), 0);
    assert_eq!(browser.eval("document.scripts.length"), 3);
    let handlers = "[...document.querySelectorAll('*')].filter((e) => [...e.attributes].some((a) \
                    => a.name.startsWith('on'))).length";
    assert_eq!(browser.eval(handlers), 0);
    browser.eval("document.querySelector('#tl').focus()");
    for key in ["+", "]", "[", "0"] {
        browser.press(key);
    }
    assert_eq!(browser.console(), Vec::<String>::new());
}

fn without_a_script(browser: &mut Browser, pages: &Pages) {
    browser.ask(
        "Emulation.setScriptExecutionDisabled",
        json!({"value": true}),
    );
    browser.open(&pages.whole, "true");
    let seen = |query: &str| {
        format!("[...document.querySelectorAll('{query}')].some((e) => e.getClientRects().length)")
    };
    for query in [
        "h1",
        "svg.ce",
        "ol.why",
        "#ledger table",
        "pre.cmd",
        ".still svg.chart",
    ] {
        assert_eq!(browser.eval(&seen(query)), true, "{query} is shown");
    }
    for query in ["#tl", "#theme", "[data-copy]"] {
        assert_eq!(browser.eval(&seen(query)), false, "{query} would not work");
    }
}

fn a_narrow_page(browser: &mut Browser, pages: &Pages) {
    let size = json!({"width": 390, "height": 800, "deviceScaleFactor": 1, "mobile": true});
    browser.ask("Emulation.setDeviceMetricsOverride", size);
    for page in [
        &pages.whole,
        &pages.hostile,
        &pages.campaign,
        &pages.difference,
    ] {
        let whole = [&pages.whole, &pages.hostile].contains(&page);
        browser.open(page, if whole { READY } else { "true" });
        browser.eval("document.querySelectorAll('details').forEach((d) => { d.open = true; })");
        let wide = browser.eval("document.documentElement.scrollWidth");
        let widest = browser.eval(
            "[...document.querySelectorAll('*')].filter((e) => !e.closest('.tw, .fig, pre') && \
             e.getBoundingClientRect().right > 391).map((e) => e.outerHTML.slice(0, 99)).slice(-9)",
        );
        let fits = wide.as_u64().is_some_and(|wide| wide <= 390);
        assert!(fits, "{}: {wide} pixels wide: {widest}", page.display());
    }
}

fn both_themes_are_accessible(browser: &mut Browser, pages: &Pages) {
    let axe = std::fs::read_to_string(browser::axe()).expect("axe-core can be read");
    for theme in ["light", "dark"] {
        browser.theme(theme);
        for page in [
            &pages.whole,
            &pages.hostile,
            &pages.campaign,
            &pages.difference,
        ] {
            let whole = [&pages.whole, &pages.hostile].contains(&page);
            browser.open(page, if whole { READY } else { "true" });
            browser.eval("document.querySelectorAll('details').forEach((d) => { d.open = true; })");
            browser.eval(&format!("{axe}; true"));
            let found = browser.eval(
                "axe.run(document, {resultTypes: ['violations']}).then((r) => r.violations.map((v) \
                 => v.id + ': ' + v.help + ' ' + v.nodes.length + ' times, first ' + \
                 v.nodes[0].html.slice(0, 300) + ' ' + v.nodes[0].failureSummary))",
            );
            let ran = browser.eval("typeof axe.version");
            assert_eq!(ran, "string");
            assert_eq!(found, json!([]), "{theme}, {}", page.display());
        }
    }
}

fn pictures_of_both_themes(browser: &mut Browser, pages: &Pages) {
    for theme in ["light", "dark"] {
        browser.theme(theme);
        browser.open(&pages.whole, READY);
        let picture = browser.picture(&format!("report-{theme}.png"));
        assert!(is_a_picture(&picture), "{}", picture.display());
        say(&format!("page: {}", picture.display()));
    }
}

fn is_a_picture(path: &Path) -> bool {
    std::fs::read(path).is_ok_and(|bytes| bytes.starts_with(b"\x89PNG") && bytes.len() > 50_000)
}
