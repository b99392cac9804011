//! The page of a run, from whatever is left of one: nothing that a database, a host or a broken
//! disk says can make it wrong or keep it from being drawn.

mod runs;

use std::fs;
use std::path::Path;

use runs::{HOSTILE, Place};
use schism::report::html;
use schism::store;

fn page(place: &Path) -> String {
    let path = html::write(place).expect("a page is drawn");
    fs::read_to_string(path).expect("and can be read")
}

/// What stands between two texts, the first time.
fn between<'p>(page: &'p str, from: &str, to: &str) -> &'p str {
    let start = page
        .find(from)
        .unwrap_or_else(|| panic!("{from} is in the page"))
        + from.len();
    &page[start..start + page[start..].find(to).expect("it ends")]
}

#[test]
fn every_section_stands_on_the_page_of_a_whole_run() {
    let place = Place::new("whole");
    runs::simulated(&place.0, 1);
    let page = page(&place.0);
    for id in [
        "claims",
        "tested",
        "timeline",
        "findings",
        "ledger",
        "staleness",
        "convergence",
        "faults",
        "coverage",
        "availability",
        "method",
        "limits",
        "reproduce",
        "environment",
        "files",
    ] {
        assert!(
            page.contains(&format!("<section id=\"{id}\"")),
            "{id} is missing"
        );
    }
    assert!(
        page.contains("class=\"opg bad\""),
        "a contradiction is marked"
    );
    assert!(page.contains("acknowledged writes were lost"));
    assert!(page.contains("panicked at x"), "logs are searched");
    assert!(
        !page.contains("This report is incomplete"),
        "nothing is missing"
    );
    let policy = between(
        &page,
        "http-equiv=\"Content-Security-Policy\" content=\"",
        "\"",
    );
    assert!(policy.starts_with("default-src &#39;none&#39;"), "{policy}");
    assert!(!policy.contains("unsafe"), "{policy}");
    let bare = page.len() - between(&page, "id=\"ops\">", "<").len();
    assert!(bare < 2_000_000, "{bare} bytes without the operations");
}

#[test]
fn nothing_is_loaded_from_anywhere() {
    let place = Place::new("alone");
    runs::simulated(&place.0, 1);
    let page = page(&place.0);
    for attribute in [
        "src=",
        "href=\"http",
        "href=\"//",
        "url(",
        "@import",
        "action=",
    ] {
        let markup = page.replace("img-src data:", "");
        assert!(!markup.contains(attribute), "{attribute} is in the page");
    }
}

#[test]
fn hostile_values_stay_text() {
    let place = Place::new("hostile");
    runs::hostile(&place.0);
    let page = page(&place.0);
    assert!(!page.contains("<script>window"), "a value became a script");
    assert!(!page.contains("<img"), "a value became an element");
    assert!(
        !page.contains("<i>1") && !page.contains("🦀<b>"),
        "a name of a file became one"
    );
    // Data for the page's own script, in two elements, and that script.
    assert_eq!(page.matches("<script").count(), 3);
    assert_eq!(page.matches("</script>").count(), 3);
    for hidden in ['\0', '\u{202e}', '\u{2066}', '\u{feff}'] {
        assert!(!page.contains(hidden), "{hidden:?} is in the page as it is");
    }
    let data = between(&page, "id=\"about\">", "</script>");
    let data: serde_json::Value = serde_json::from_str(data).expect("the data are JSON");
    assert!(
        data["nodes"][0]
            .as_str()
            .is_some_and(|node| HOSTILE.starts_with(&node[..20]))
    );
    assert!(
        page.len() < 3_000_000,
        "{} bytes: long values are cut",
        page.len()
    );
}

/// A name, what is done to a run's directory, and what the page then says.
type Case = (&'static str, fn(&Path), &'static str);

#[test]
fn what_is_missing_is_said_and_the_rest_is_drawn() {
    let place = Place::new("missing");
    let whole = place.0.join("whole");
    runs::simulated(&whole, 2);
    let cases: [Case; 7] = [
        (
            "verdict",
            |p| fs::remove_file(p.join(store::VERDICT)).unwrap(),
            "verdict.json cannot be read",
        ),
        (
            "half-verdict",
            |p| cut(&p.join(store::VERDICT)),
            "verdict.json cannot be read",
        ),
        (
            "plan",
            |p| fs::remove_file(p.join(store::PLAN)).unwrap(),
            "plan.toml cannot be read",
        ),
        (
            "history",
            |p| fs::remove_file(p.join(store::HISTORY)).unwrap(),
            "the history cannot be shown",
        ),
        (
            "half-history",
            |p| cut(&p.join(store::HISTORY)),
            "history.jsonl.zst: ",
        ),
        (
            "nonsense",
            |p| fs::write(p.join(store::HISTORY), [7; 99]).unwrap(),
            "the history cannot be shown",
        ),
        (
            "logs",
            |p| fs::remove_dir_all(p.join("nodes")).unwrap(),
            "no logs of the nodes were kept",
        ),
    ];
    for (name, harm, said) in cases {
        let broken = place.0.join(name);
        copy(&whole, &broken);
        harm(&broken);
        let page = page(&broken);
        assert!(page.contains("This report is incomplete"), "{name}");
        assert!(page.contains(said), "{name}: it says {said}");
    }
    let empty = place.0.join("empty");
    fs::create_dir_all(&empty).unwrap();
    let page = page(&empty);
    assert!(page.contains("! NO VERDICT") && page.contains("This run has no verdict."));
}

/// Keeps the first half of a file.
fn cut(path: &Path) {
    let bytes = fs::read(path).expect("files can be copied");
    fs::write(path, &bytes[..bytes.len() / 2]).expect("files can be copied");
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("files can be copied");
    for entry in fs::read_dir(from).expect("files can be copied") {
        let entry = entry.expect("files can be copied");
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("files can be copied");
        }
    }
}

#[test]
fn an_older_or_newer_schema_is_shown_as_far_as_understood() {
    let place = Place::new("schema");
    runs::simulated(&place.0, 1);
    let path = place.0.join(store::VERDICT);
    let text = fs::read_to_string(&path).unwrap();
    let text = text.replace("schism.verdict/1", "schism.verdict/0");
    fs::write(
        &path,
        text.replacen("\"claim\":\"linearizable\"", "\"claim\":\"causal\"", 1),
    )
    .unwrap();
    let page = page(&place.0);
    assert!(
        page.contains("its schema is schism.verdict/0"),
        "it says so"
    );
    assert!(page.contains("<b>causal</b>"), "claims are shown by name");
}

#[test]
fn a_hundred_thousand_findings_make_a_page_of_bearable_size() {
    let place = Place::new("many");
    runs::simulated(&place.0, 1);
    let path = place.0.join(store::VERDICT);
    let mut verdict: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let ops = verdict["findings"][0]["ops"].clone();
    let findings: Vec<_> = (0..100_000)
        .map(|n| {
            serde_json::json!({"id": format!("F{n}"), "claim": "linearizable",
            "anomaly": "stale-read", "ops": ops, "argument": ["one", "two"]})
        })
        .collect();
    verdict["findings"] = findings.into();
    fs::write(&path, verdict.to_string()).unwrap();
    let page = page(&place.0);
    assert!(
        page.contains("in <code>verdict.json</code> only"),
        "it says what it leaves out"
    );
    assert!(
        page.contains("99,998 more findings"),
        "and how many there are"
    );
    assert!(page.len() < 4_000_000, "{} bytes", page.len());
}

#[test]
fn names_in_any_script_are_shown_as_they_are() {
    let place = Place::new("scripts");
    runs::simulated(&place.0, 1);
    let path = place.0.join(store::VERDICT);
    let text = fs::read_to_string(&path).unwrap();
    let name = "שלום Ωμέγα 名前 नाम";
    fs::write(&path, text.replace("async-leader-killed", name)).unwrap();
    assert!(page(&place.0).contains(name));
}
