//! Where and with what the run was made; its logs and files.

use serde_json::Value;

use super::Story;
use super::format::{capital, many, words};
use super::markup::{Cell, Markup, table};

/// A plan is shown up to here, in characters.
const PLAN: usize = 20_000;

pub(crate) fn environment(story: &Story<'_>) -> Markup {
    let recorded = story.recorded;
    let mut page = Markup::new();
    let mut rows = vec![
        vec![
            Cell::Text("This page was drawn by".into()),
            Cell::Code(format!("schism {}", env!("CARGO_PKG_VERSION"))),
        ],
        vec![
            Cell::Text("Directory".into()),
            Cell::Code(recorded.directory.display().to_string()),
        ],
        vec![
            Cell::Text("Plan and seed".into()),
            Cell::Code(format!(
                "{}, seed {}",
                recorded.told.name,
                recorded
                    .told
                    .seed
                    .map_or("not known".into(), |seed| seed.to_string())
            )),
        ],
    ];
    let mut told = 0;
    for (name, value) in recorded.told.rest.iter().take(40) {
        told += 1;
        if let Value::Object(fields) = value {
            for (field, value) in fields.iter().take(60) {
                rows.push(pair(&format!("{} {}", words(name), words(field)), value));
            }
        } else {
            rows.push(pair(&words(name), value));
        }
    }
    page.add(&table("Environment", &["What", "Which"], rows));
    if told == 0 {
        page.raw("<p class=\"note\">This run did not record versions of the system, operating ");
        page.raw("system, clock offsets or load of its hosts.</p>");
    }
    match &recorded.plan_text {
        None => page.raw("<p class=\"note\">The plan is missing.</p>"),
        Some(plan) => {
            page.raw("<details><summary>The plan: seed, system, load, faults</summary>");
            page.raw("<pre class=\"cmd\" tabindex=\"0\" role=\"region\" aria-label=\"Plan\">");
            page.long(plan, PLAN).raw("</pre></details>")
        }
    };
    page
}

fn pair(name: &str, value: &Value) -> Vec<Cell> {
    let value = value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned);
    vec![Cell::Text(capital(name)), Cell::Code(value)]
}

/// Lines of logs that tell of trouble, restarts nobody ordered, and all files.
pub(crate) fn files(story: &Story<'_>) -> Markup {
    let recorded = story.recorded;
    let mut page = Markup::new();
    let rows = recorded.logs.iter().take(300).map(|log| {
        vec![
            Cell::Text(log.node.clone()),
            Cell::Code(log.file.clone()),
            Cell::Number(log.lines.to_string()),
            Cell::Number(log.troubled.to_string()),
        ]
    });
    if recorded.logs.is_empty() {
        page.raw("<p>There are no logs of nodes.</p>");
    } else {
        let head = ["Node", "Log", "#Lines", "#Panics, fatal errors"];
        page.add(&table("Logs", &head, rows.collect()));
    }
    let troubled: Vec<_> = recorded
        .logs
        .iter()
        .filter(|log| !log.telling.is_empty())
        .collect();
    for log in troubled.iter().take(20) {
        page.raw("<details><summary>")
            .text(&many(log.troubled, "telling line"))
            .raw(" of ");
        page.text(&log.node)
            .raw("/")
            .text(&log.file)
            .raw("</summary>");
        page.raw("<pre class=\"cmd\" tabindex=\"0\" role=\"region\" aria-label=\"Log\">");
        for (number, line) in &log.telling {
            page.text(&format!("{number:>6}  {line}")).raw("\n");
        }
        page.raw("</pre></details>");
    }
    page.raw("<details><summary>All files: ")
        .count(recorded.files.len())
        .raw("</summary>");
    let rows = recorded.files.iter().map(|(name, size)| {
        let holds = holds(name).to_owned();
        vec![
            Cell::Code(name.clone()),
            Cell::Text(holds),
            Cell::Number(bytes(*size)),
        ]
    });
    page.add(&table(
        "Files",
        &["File", "What it holds", "#Size"],
        rows.collect(),
    ));
    page.raw("</details><p class=\"note\">The same as data: <code>verdict.json</code> ");
    page.raw("(<code>schism schema verdict</code> has its form), <code>junit.xml</code>, ");
    page.raw("<code>summary.md</code>; the history as CSV by <code>schism convert</code>.</p>");
    page
}

fn holds(name: &str) -> &'static str {
    match name {
        "verdict.json" => "the verdict, for machines",
        "history.jsonl.zst" => "every start and end of an operation",
        "plan.toml" => "the plan: run it again with this",
        "summary.txt" | "summary.md" => "the verdict in words",
        "junit.xml" => "the verdict for build servers",
        "report.html" => "this page",
        name if name.starts_with("findings/") => "a finding on its own",
        name if name.starts_with("nodes/") => "what a node wrote",
        _ => "",
    }
}

fn bytes(size: u64) -> String {
    match size {
        ..10_000 => format!("{size} B"),
        10_000..10_000_000 => format!("{} KB", size / 1000),
        _ => format!("{} MB", size / 1_000_000),
    }
}
