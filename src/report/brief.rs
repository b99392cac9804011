//! A run or one of its findings in a few lines for a terminal, from what was recorded.

use checkers::calls::Calls;

use super::html::{checked, headline, windows};
use super::recorded::Recorded;
use super::table::{Charset, plain, render, render_within, thousands};
use super::timeline::{self, Bar};
use super::told::{Told, ToldFinding};

/// A finding takes at most so many lines.
pub const LINES: usize = 15;

/// The operations that prove a finding, as bars.
fn bars(calls: &Calls, finding: &ToldFinding) -> Vec<Bar> {
    let evidence = calls.by_indices(&finding.ops).into_iter().take(50);
    let ops = evidence.map(|call| calls.ops(call));
    ops.map(|ops| Bar::of(&calls.call(&ops))).collect()
}

/// A finding in at most fifteen lines: what, the picture, the argument, the fault, a command.
#[must_use]
pub fn finding(
    recorded: &Recorded,
    finding: &ToldFinding,
    width: usize,
    charset: Charset,
) -> String {
    let key = finding
        .key
        .as_deref()
        .map(|key| format!(" of {key}"))
        .unwrap_or_default();
    let mut lines = vec![format!(
        "{}  {}{key}: {} is refuted by {} entries of the history",
        finding.id,
        finding.anomaly,
        finding.claim,
        finding.ops.len()
    )];
    let again = recorded
        .told
        .reproduce
        .first()
        .map(|command| format!("  {command}"));
    let calls = &recorded.calls;
    let fault = fault_line(recorded, finding);
    let rest = usize::from(again.is_some()) + usize::from(fault.is_some());
    let steps = finding.argument.len().min(LINES - 1 - rest);
    let room = LINES.saturating_sub(1 + rest + steps);
    let picture = timeline::draw(&bars(calls, finding), room.min(8), width.min(120), charset);
    lines.extend(
        picture
            .iter()
            .flat_map(|picture| picture.lines())
            .map(|line| format!("  {line}")),
    );
    lines.extend(fault);
    for edge in finding
        .cycle
        .iter()
        .take(LINES.saturating_sub(lines.len() + steps + 1))
    {
        lines.push(format!(
            "  {} -{}-> {}  {}",
            edge.from, edge.kind, edge.to, edge.why
        ));
    }
    let steps = finding.argument.iter().take(steps).enumerate();
    lines.extend(steps.map(|(number, step)| format!("  {}  {step}", number + 1)));
    lines.extend(again);
    let visible = |line: &String| printable(line);
    plain(
        &lines.iter().map(visible).collect::<Vec<_>>().join("\n"),
        charset,
    )
}

/// Which fault was in force while the operations ran.
fn fault_line(recorded: &Recorded, finding: &ToldFinding) -> Option<String> {
    let calls = &recorded.calls;
    let found = calls.by_indices(&finding.ops);
    let times = found
        .iter()
        .map(|call| calls.time(calls.begins[*call as usize]));
    let (first, last) = (times.clone().min()?, times.max()?);
    let active: Vec<String> = windows(&recorded.told.faults)
        .iter()
        .filter(|window| window.meets(first, last))
        .map(|window| {
            let to = window
                .to_ms
                .map_or("the end".into(), |to| format!("{to} ms"));
            format!("{} from {} ms to {to}", window.in_words(), window.from_ms)
        })
        .collect();
    (!active.is_empty()).then(|| format!("  fault  {}", active.join(", ")))
}

/// As [`printable`], line by line.
#[must_use]
pub fn safe(text: &str) -> String {
    text.lines().map(printable).collect::<Vec<_>>().join("\n")
}

/// Signs that would move the cursor or hide text are shown by their numbers.
fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for sign in text.chars().take(2000) {
        if super::html::is_hidden(sign) {
            out.extend(sign.escape_unicode());
        } else {
            out.push(sign);
        }
    }
    out
}

/// The verdict on a run: headline, claims, what is missing, the first findings, commands. The
/// column of what was checked is given up where the terminal is narrow.
#[must_use]
pub fn run(recorded: &Recorded, width: usize, charset: Charset) -> String {
    let told = &recorded.told;
    let code = told
        .exit_code
        .map_or(String::new(), |code| format!("   exit {code}"));
    let count = thousands(i64::try_from(told.operations()).unwrap_or(i64::MAX));
    let seed = told
        .seed
        .map_or(String::new(), |seed| format!(", seed {seed}"));
    let mut text = format!(
        "{}  {}{seed}   {count} operations{code}\n  {}\n",
        told.words(),
        printable(&told.name),
        printable(&headline(told))
    );
    for why in told.why.iter().chain(&recorded.missing) {
        text += &format!("  why  {}\n", printable(why));
    }
    if !told.claims.is_empty() {
        text += &format!("\n{}\n\n", table(told, width, charset));
    }
    for claim in told
        .claims
        .iter()
        .filter(|claim| claim.verdict == "violated")
    {
        let first = claim.findings.first().and_then(|id| told.finding(id));
        if let Some(first) = first {
            text += &format!("{}\n\n", finding(recorded, first, width, charset));
        }
    }
    text += &format!("  run    {}\n", recorded.directory.display());
    for command in &told.reproduce {
        text += &format!("  again  {}\n", printable(command));
    }
    plain(&safe(text.trim_end()), charset)
}

fn table(told: &Told, width: usize, charset: Charset) -> String {
    let row = |with_checked: bool| {
        let rows = told.claims.iter().map(move |claim| {
            let sign = match claim.verdict.as_str() {
                "held" => "✓ held".to_owned(),
                "violated" => "✗ violated".to_owned(),
                "undecided" => "? undecided".to_owned(),
                other => other.to_owned(),
            };
            let first = claim.findings.first().and_then(|id| told.finding(id));
            let evidence = match first {
                Some(first) => {
                    let key = first.key.as_deref().map(|key| format!(" of {key}"));
                    format!("{}  {}{}", first.id, first.anomaly, key.unwrap_or_default())
                }
                None => claim.why.clone().unwrap_or_default(),
            };
            let mut row = vec![printable(&claim.claim), sign];
            row.extend(with_checked.then(|| checked(told, &claim.claim)));
            row.push(printable(&evidence));
            row
        });
        rows.collect::<Vec<_>>()
    };
    let whole = render(
        &["claim", "verdict", "checked", "first evidence"],
        &row(true),
        charset,
    );
    if whole.lines().all(|line| line.chars().count() <= width) {
        return whole;
    }
    render_within(
        &["claim", "verdict", "first evidence"],
        &row(false),
        width,
        charset,
    )
}
