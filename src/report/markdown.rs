//! A verdict in Markdown, for the summaries of build servers: the terminal's words, folded.

use super::fingerprint;
use super::known::{KnownFile, Standing};
use super::told::{Told, ToldFinding};

/// No more than this goes into a summary: servers drop the whole of what is too long.
pub const LIMIT: usize = 200_000;
/// So many findings are told.
const FINDINGS: usize = 20;

/// What is known from elsewhere.
#[derive(Clone, Debug, Default)]
pub struct Context {
    /// The workload's name.
    pub workload: String,
    /// Findings that somebody knows of.
    pub known: KnownFile,
    /// Today, as 2026-12-31.
    pub today: String,
    /// Fingerprints of an earlier run, if there was one.
    pub previous: Option<Vec<String>>,
}

/// Whether a kind of finding is new, ongoing or known.
#[must_use]
pub fn state(context: &Context, fingerprint: &str) -> String {
    let age = match &context.previous {
        None => "",
        Some(before) if before.iter().any(|other| other == fingerprint) => "ongoing",
        Some(_) => "new",
    };
    let known = match context.known.standing(fingerprint, &context.today) {
        Standing::Unknown => String::new(),
        Standing::Known(known) => format!("known until {}, {}", known.expires, known.owner),
        Standing::Expired(known) => format!("known, EXPIRED on {}, {}", known.expires, known.owner),
    };
    let parts = [age.to_owned(), known];
    parts
        .into_iter()
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join(", ")
}

/// The summary of a run; `story` tells a finding as the terminal does.
#[must_use]
pub fn run(told: &Told, context: &Context, story: impl Fn(&ToldFinding) -> String) -> String {
    let mut text = format!("## {}  {}\n\n", told.words(), line(&told.name));
    text += &format!("{}\n\n", line(&super::html::headline(told)));
    if let Some(why) = &told.why {
        text += &format!("Why: {}\n\n", line(why));
    }
    if !told.claims.is_empty() {
        text += "| claim | verdict | checked | first evidence |\n|---|---|---|---|\n";
    }
    for claim in &told.claims {
        let sign = match claim.verdict.as_str() {
            "held" => "✓ held",
            "violated" => "✗ violated",
            "undecided" => "? undecided",
            other => other,
        };
        let first = claim.findings.first().and_then(|id| told.finding(id));
        let evidence = match first {
            Some(first) => {
                let key = first.key.as_deref().map(|key| format!(" of {key}"));
                format!("{}  {}{}", first.id, first.anomaly, key.unwrap_or_default())
            }
            None => claim.why.clone().unwrap_or_default(),
        };
        let checked = super::html::checked(told, &claim.claim);
        let cells = [&claim.claim, sign, &checked, &evidence].map(line);
        text += &format!("| {} |\n", cells.join(" | "));
    }
    text += "\n";
    let kinds = fingerprint::kinds(told, &context.workload);
    let mut ordered: Vec<_> = kinds.iter().collect();
    ordered.sort_by_key(|(_, kind)| told.findings.iter().position(|f| f.id == kind.first));
    for (print, kind) in ordered.into_iter().take(FINDINGS) {
        let Some(finding) = told.finding(&kind.first) else {
            continue;
        };
        let state = state(context, print);
        let state = if state.is_empty() {
            state
        } else {
            format!(" ({state})")
        };
        text += &format!(
            "<details><summary>{}  {}, {} of this kind{state}</summary>\n\n{}\n",
            line(&finding.id),
            line(&finding.anomaly),
            kind.count,
            fenced("text", &story(finding))
        );
        if !finding.cycle.is_empty() {
            text += &fenced("mermaid", &mermaid(finding));
        }
        text += &format!("Fingerprint `{print}`\n\n</details>\n\n");
        if text.len() > LIMIT {
            break;
        }
    }
    if let Some(previous) = &context.previous {
        let gone = previous.iter().filter(|print| !kinds.contains_key(*print));
        let gone: Vec<String> = gone.map(|print| format!("`{print}`")).collect();
        if !gone.is_empty() {
            text += &format!("Resolved since the previous run: {}\n\n", gone.join(", "));
        }
    }
    if !told.reproduce.is_empty() {
        text += &fenced("sh", &told.reproduce.join("\n"));
    }
    shortened(text)
}

/// A cycle of dependencies as a diagram.
#[must_use]
pub fn mermaid(finding: &ToldFinding) -> String {
    let mut names: Vec<usize> = Vec::new();
    let mut text = String::from("graph LR\n");
    for edge in finding.cycle.iter().take(50) {
        let [from, to] = [edge.from, edge.to].map(|entry| {
            let place = names.iter().position(|other| *other == entry);
            place.unwrap_or_else(|| {
                names.push(entry);
                names.len() - 1
            }) + 1
        });
        let letters = |c: &char| c.is_ascii_alphanumeric() || *c == '-';
        let kind: String = edge.kind.chars().filter(letters).take(20).collect();
        let kind = if kind.is_empty() { "before" } else { &kind };
        text += &format!("  T{from} -->|{kind}| T{to}\n");
    }
    text
}

/// Code between fences that are longer than any in it.
fn fenced(language: &str, code: &str) -> String {
    let mut longest = 0;
    let mut run = 0;
    for sign in code.chars() {
        run = if sign == '`' { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    let fence = "`".repeat(longest.max(2) + 1);
    let code: String = code
        .chars()
        .filter(|c| !c.is_control() || *c == '\n')
        .take(8000)
        .collect();
    format!("{fence}{language}\n{}\n{fence}\n\n", code.trim_end())
}

/// A text that is one line and no markup.
fn line(text: &str) -> String {
    let mut out = String::new();
    for sign in text.chars().take(400) {
        match sign {
            '\n' | '\r' => out.push(' '),
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '|' | '`' | '*' | '_' | '[' | ']' | '\\' | '#' | '!' => {
                out.push('\\');
                out.push(sign);
            }
            _ if sign.is_control() => {}
            _ => out.push(sign),
        }
    }
    out
}

fn shortened(mut text: String) -> String {
    if text.len() > LIMIT {
        let end = (0..=LIMIT)
            .rev()
            .find(|end| text.is_char_boundary(*end))
            .unwrap_or(0);
        text.truncate(end);
        text += "\n\nThe rest is in report.html.\n";
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::told::{ToldClaim, ToldEdge};

    fn told() -> Told {
        let edge = |from, to, kind: &str| ToldEdge {
            from,
            to,
            kind: kind.into(),
            why: String::new(),
        };
        Told {
            name: "cell|<b>".into(),
            status: "violated".into(),
            claims: vec![ToldClaim {
                claim: "causal".into(),
                verdict: "violated".into(),
                findings: vec!["F1".into()],
                ..ToldClaim::default()
            }],
            findings: vec![ToldFinding {
                id: "F1".into(),
                claim: "causal".into(),
                anomaly: "G-single".into(),
                cycle: vec![edge(4, 8, "rw"), edge(8, 4, "ww\"]")],
                ..ToldFinding::default()
            }],
            reproduce: vec!["schism check runs/x".into()],
            ..Told::default()
        }
    }

    #[test]
    fn a_summary_says_it_all_and_stays_markdown() {
        let context = Context {
            previous: Some(vec!["gone".into()]),
            ..Context::default()
        };
        let text = run(&told(), &context, |_| "words ``` </details>".into());
        insta::assert_snapshot!(text);
    }

    #[test]
    fn a_summary_is_never_too_long() {
        let mut told = told();
        told.why = Some("x".repeat(1000));
        let text = run(&told, &Context::default(), |_| "é".repeat(LIMIT));
        assert!(text.len() < LIMIT + 100, "{}", text.len());
    }
}
