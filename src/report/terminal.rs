//! A verdict as text for a person at a terminal, or in a log.

use checkers::Verdict;
use checkers::lattice::Standing;

use super::table::{Charset, plain, render, thousands};
use super::verdict::{ClaimVerdict, Finding, RunVerdict, Status};
use crate::claim::{Claim, Expected};

/// The verdict on one run: headline, claims, the first finding of each, where to look, how to
/// repeat. The other findings are in `verdict.json` and in the run's `findings`.
#[must_use]
pub fn run(
    verdict: &RunVerdict,
    directory: &str,
    picture: impl Fn(&Finding) -> Option<String>,
    charset: Charset,
) -> String {
    let of = format!("{}, seed {}", verdict.name, verdict.seed);
    told(verdict, &of, ("run    ", directory), picture, charset)
}

/// The verdict on a history that somebody recorded, claim by claim.
#[must_use]
pub fn recorded(
    verdict: &RunVerdict,
    name: &str,
    read_as: &str,
    picture: impl Fn(&Finding) -> Option<String>,
    charset: Charset,
) -> String {
    let read_as = format!("as {read_as}");
    told(verdict, name, ("read   ", &read_as), picture, charset)
}

/// What it is `of` stands at the head; at the end a line, by its first word and the rest.
fn told(
    verdict: &RunVerdict,
    of: &str,
    last: (&str, &str),
    picture: impl Fn(&Finding) -> Option<String>,
    charset: Charset,
) -> String {
    let mut text = headline(verdict, of) + "\n";
    if let Some(why) = &verdict.why {
        text += &format!("  why  {why}\n");
    }
    if verdict.claims.is_empty() {
        text += &format!("  No claim was judged.  History and logs: {}\n", last.1);
        return plain(&text, charset);
    }
    let rows: Vec<Vec<String>> = verdict
        .claims
        .iter()
        .map(|claim| row(verdict, claim))
        .collect();
    let head = ["claim", "verdict", "checked", "first evidence"];
    text += &format!("\n{}\n\n", render(&head, &rows, charset));
    text += &standing(&verdict.standing);
    for claim in &verdict.claims {
        let first = verdict
            .findings
            .iter()
            .find(|finding| claim.findings.contains(&finding.id));
        let told = first.map(|finding| story(finding, picture(finding).as_deref()));
        text += &told.unwrap_or_default();
    }
    text += &footer(verdict, last);
    plain(&text, charset)
}

fn headline(verdict: &RunVerdict, of: &str) -> String {
    let count = |wanted| {
        verdict
            .claims
            .iter()
            .filter(|c| c.verdict == wanted)
            .count()
    };
    let (violated, held) = (count(Verdict::Violated), count(Verdict::Held));
    let undecided = count(Verdict::Undecided);
    let claims = match verdict.status {
        Status::NotValid | Status::NothingToCheck => String::new(),
        Status::Held | Status::Violated | Status::Undecided => {
            let parts = [
                (violated, "violated"),
                (held, "held"),
                (undecided, "undecided"),
            ];
            let parts = parts
                .iter()
                .filter(|(n, _)| *n > 0)
                .map(|(n, w)| format!("{n} {w}"));
            format!("  {}", parts.collect::<Vec<_>>().join(", "))
        }
    };
    format!(
        "{}  {of}{claims}   {} operations   exit {}",
        verdict.status.words(),
        thousands(verdict.operations()),
        verdict.exit_code
    )
}

fn row(verdict: &RunVerdict, claim: &ClaimVerdict) -> Vec<String> {
    let first = verdict
        .findings
        .iter()
        .find(|finding| claim.findings.contains(&finding.id));
    let evidence = match (first, &claim.why) {
        (Some(finding), _) => {
            let key = finding
                .key
                .as_deref()
                .map(|key| format!(" of {key}"))
                .unwrap_or_default();
            format!("{}  {}{key}", finding.id, finding.anomaly)
        }
        (None, Some(why)) => why.clone(),
        (None, None) => String::new(),
    };
    vec![
        claim.claim.to_string(),
        sign(claim.verdict).into(),
        checked(verdict, claim.claim),
        evidence,
    ]
}

/// What is left of the guarantees, where more than one was judged.
fn standing(standing: &Standing) -> String {
    let line = |what: &str, levels: &[String]| match levels {
        [] => String::new(),
        levels => format!("  {what}  {}\n", levels.join(", ")),
    };
    let text = line("still stands", &standing.stands) + &line("refuted     ", &standing.refuted);
    if text.is_empty() { text } else { text + "\n" }
}

fn sign(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Held => "✓ held",
        Verdict::Undecided => "? undecided",
        Verdict::Violated => "✗ violated",
    }
}

/// "reads of a known node": the first word is what is counted, unless it is only an adjective.
fn plural(noun: &str) -> String {
    match noun.split_once(' ') {
        Some((first, rest)) if first.ends_with("ed") => format!("{first} {}", plural(rest)),
        Some((first, rest)) => format!("{} {rest}", plural(first)),
        None if noun.ends_with("us") => format!("{noun}es"),
        None => format!("{noun}s"),
    }
}

/// How much there was to judge.
fn checked(verdict: &RunVerdict, claim: Claim) -> String {
    let Some((figure, noun)) = claim.measure() else {
        return String::new();
    };
    let count = verdict.figure(&claim.reported_as(), figure);
    counted(count.unwrap_or(0), noun)
}

/// So many of what a claim measures.
pub(crate) fn counted(count: i64, noun: &str) -> String {
    match count {
        1 => format!("1 {noun}"),
        count => format!("{} {}", thousands(count), plural(noun)),
    }
}

/// A finding in at most fifteen lines.
#[must_use]
pub fn story(finding: &Finding, picture: Option<&str>) -> String {
    let key = finding
        .key
        .as_deref()
        .map(|key| format!(" of {key}"))
        .unwrap_or_default();
    let mut text = format!(
        "{}  {}{key}: {} is refuted by {} entries of the history\n",
        finding.id,
        finding.anomaly,
        finding.claim,
        finding.ops.len()
    );
    for line in picture.unwrap_or_default().lines() {
        text += &format!("  {line}\n");
    }
    for (number, step) in finding.argument.iter().take(12).enumerate() {
        text += &format!("  {}  {step}\n", number + 1);
    }
    text + "\n"
}

/// The verdict on a history that somebody recorded: headline, why, findings, how to repeat.
#[must_use]
pub fn history(
    verdict: &RunVerdict,
    name: &str,
    read_as: Option<&str>,
    picture: impl Fn(&Finding) -> Option<String>,
    charset: Charset,
) -> String {
    let says = match verdict.status {
        Status::Held => "is linearizable",
        Status::Violated => "is not linearizable",
        Status::Undecided => "may be linearizable or not",
        Status::NotValid | Status::NothingToCheck => "was not judged",
    };
    let number = |figure| verdict.figure("linearizable", figure).unwrap_or(0);
    let objects = match number("keys") {
        1 => "1 object".to_owned(),
        several => format!("{} objects", thousands(several)),
    };
    let mut text = format!(
        "{}  {name} {says}   {} operations on {objects}   exit {}\n",
        verdict.status.words(),
        thousands(number("ops_checked")),
        verdict.exit_code
    );
    let claims = verdict.claims.iter().filter_map(|claim| claim.why.as_ref());
    for why in verdict.why.iter().chain(claims) {
        text += &format!("  why      {why}\n");
    }
    if let Some(read_as) = read_as {
        let by = decided_by(verdict).map_or(String::new(), |by| format!("; decided {by}"));
        text += &format!("  read     as {read_as}{by}\n");
    }
    if verdict.findings.len() > 1 {
        let all = number("contradictions");
        text += &format!(
            "  found    {} contradictions; this is the first\n",
            thousands(all)
        );
    }
    if let Some(finding) = verdict.findings.first() {
        text += &format!("\n{}", story(finding, picture(finding).as_deref()));
    }
    for command in &verdict.reproduce {
        text += &format!("  again    {command}\n");
    }
    plain(&text, charset)
}

/// Which algorithms decided how many objects: "by blocks", or "blocks 3, frontier 1".
#[must_use]
pub fn decided_by(verdict: &RunVerdict) -> Option<String> {
    let figures = verdict.figures.get("linearizable")?.as_object()?;
    let by: Vec<(String, u64)> = figures
        .iter()
        .filter_map(|(name, count)| {
            let name = name.strip_prefix("keys_by_")?.replace('_', "-");
            Some((name, count.as_u64().filter(|count| *count > 0)?))
        })
        .collect();
    match by.as_slice() {
        [] => None,
        [(name, _)] => Some(format!("by {name}")),
        several => {
            let parts = several
                .iter()
                .map(|(name, count)| format!("{name} {count}"));
            Some(format!("by {}", parts.collect::<Vec<_>>().join(", ")))
        }
    }
}

fn footer(verdict: &RunVerdict, (word, rest): (&str, &str)) -> String {
    let mut text = String::new();
    let harm =
        |name: &str| ["partition", "kill", "pause", "clock", "repeat", "slow"].contains(&name);
    if verdict.faults.iter().any(|fault| harm(&fault.fault)) {
        let proven = verdict
            .faults
            .iter()
            .filter(|fault| fault.done_ms.is_some())
            .count();
        let names: Vec<&str> = verdict
            .faults
            .iter()
            .map(|fault| fault.fault.as_str())
            .collect();
        text += &format!(
            "  faults  {}: {proven} of {} proven\n",
            names.join(", "),
            names.len()
        );
    }
    match verdict.recovery.equal {
        Some(true) => text += "  nodes   equal after healing\n",
        Some(false) => text += "  nodes   NOT equal after healing; see recovery in verdict.json\n",
        None => {}
    }
    text += &format!("  {word} {rest}\n");
    for command in &verdict.reproduce {
        text += &format!("  again   {command}\n");
    }
    text
}

/// The columns of a campaign's table, and those given up first where the terminal is narrow.
const CAMPAIGN: [(&str, Column); 9] = [
    ("mode", |verdict| names(verdict).0),
    ("fault", |verdict| names(verdict).1),
    ("seed", |verdict| verdict.seed.to_string()),
    ("linearizable", |verdict| {
        cell(verdict, Claim::LINEARIZABLE, None)
    }),
    ("acked writes lost", |verdict| {
        cell(verdict, Claim::NO_LOST_WRITES, Some(lost(verdict)))
    }),
    ("stale reads", |verdict| {
        cell(verdict, Claim::NO_STALE_READS, Some(stale(verdict)))
    }),
    ("write p50/p99 ms", latency),
    ("writable", writable),
    ("as expected", expectation),
];
const GIVEN_UP_FIRST: [&str; 3] = ["seed", "write p50/p99 ms", "writable"];

type Column = fn(&RunVerdict) -> String;

/// The table of a campaign: a row a run, and whether each came out as expected; under it, why
/// runs were not valid or are partial. Columns are left out until it fits into `width`.
#[must_use]
pub fn campaign(verdicts: &[RunVerdict], width: usize, charset: Charset) -> String {
    let mut table = String::new();
    for given_up in 0..=GIVEN_UP_FIRST.len() {
        let kept = CAMPAIGN
            .iter()
            .filter(|(name, _)| !GIVEN_UP_FIRST[..given_up].contains(name));
        let (head, columns): (Vec<&str>, Vec<Column>) = kept.copied().unzip();
        let rows: Vec<Vec<String>> = verdicts
            .iter()
            .map(|verdict| columns.iter().map(|column| column(verdict)).collect())
            .collect();
        table = render(&head, &rows, charset);
        if table.lines().all(|line| line.chars().count() <= width) {
            break;
        }
    }
    let told = |verdict: &&RunVerdict| verdict.claims.is_empty() || verdict.why.is_some();
    for verdict in verdicts.iter().filter(told) {
        let why = verdict.why.as_deref().unwrap_or("nothing succeeded");
        table += &format!("\n  {}, seed {}: {why}", verdict.name, verdict.seed);
    }
    plain(&table, charset)
}

fn names(verdict: &RunVerdict) -> (String, String) {
    match &verdict.label {
        Some(label) => (label.mode.clone(), label.fault.clone()),
        None => (verdict.name.clone(), String::new()),
    }
}

fn lost(verdict: &RunVerdict) -> String {
    let number = |name| thousands(verdict.figure("loss", name).unwrap_or(0));
    format!("{} of {}", number("lost"), number("acknowledged"))
}

fn cell(verdict: &RunVerdict, claim: Claim, figure: Option<String>) -> String {
    let Some(claim) = verdict.claims.iter().find(|c| c.claim == claim) else {
        return "–".into();
    };
    match (claim.verdict, figure) {
        (Verdict::Held, Some(figure)) => format!("✓ {figure}"),
        (Verdict::Violated, Some(figure)) => format!("✗ {figure}"),
        (Verdict::Held, None) => "✓ yes".into(),
        (Verdict::Violated, None) => "✗ no".into(),
        (Verdict::Undecided, _) => "? undecided".into(),
    }
}

fn stale(verdict: &RunVerdict) -> String {
    let number = |name| verdict.figure("stale", name).unwrap_or(0);
    let (stale, worst) = (number("stale_reads"), number("behind_max_us"));
    if stale == 0 {
        "none".into()
    } else {
        format!(
            "{} of {}, ≥ {} ms",
            thousands(stale),
            thousands(number("reads_judged")),
            ms(worst)
        )
    }
}

/// Microseconds as milliseconds: one decimal where it matters.
fn ms(us: i64) -> String {
    if us < 100_000 {
        format!("{}.{}", us / 1000, us % 1000 / 100)
    } else {
        thousands(us / 1000)
    }
}

fn latency(verdict: &RunVerdict) -> String {
    let figure = |name| verdict.figure("availability", name);
    match (figure("write_p50_us"), figure("write_p99_us")) {
        (Some(p50), Some(p99)) => format!("{} / {}", ms(p50), ms(p99)),
        _ => "–".into(),
    }
}

fn writable(verdict: &RunVerdict) -> String {
    let share = verdict.figure("availability", "writable_permille");
    share.map_or_else(
        || "–".into(),
        |share| format!("{}.{} %", share / 10, share % 10),
    )
}

fn expectation(verdict: &RunVerdict) -> String {
    if verdict.claims.is_empty() {
        return verdict.status.words().to_owned();
    }
    if !verdict.has_expectations() {
        return String::new();
    }
    let unmet = verdict.claims.iter().filter(|claim| !claim.as_expected);
    let words: Vec<String> = unmet
        .map(|claim| {
            let wanted = match claim.expected {
                Some(Expected::Held) => "hold",
                Some(Expected::Violated) => "be violated",
                Some(Expected::Any) | None => "be judged",
            };
            format!("{} should {wanted}", claim.claim)
        })
        .collect();
    if words.is_empty() {
        "✓ yes".into()
    } else {
        format!("✗ {}", words.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use checkers::history::{History, Value};
    use checkers::{Anomaly, Report};

    use super::*;
    use crate::plan::Plan;
    use crate::report::verdict::Recovery;

    const HISTORY: &str = r#"{"index":0,"time":1000000,"process":0,"type":"invoke","f":"write","key":"r1","value":7}
{"index":1,"time":2000000,"process":"nemesis","type":"info","f":"kill","value":{"target":"leader"}}
{"index":2,"time":3000000,"process":0,"type":"ok","f":"write","key":"r1","value":7}
{"index":3,"time":4000000,"process":"nemesis","type":"info","f":"kill","value":{"proven":true}}
"#;

    fn plan() -> Plan {
        let text = "name = \"trial\"\n[label]\nmode = \"async\"\nfault = \"leader killed\"\n\
                    [expect]\nno-lost-writes = \"violated\"\nlinearizable = \"held\"\n";
        Plan::parse(text, Path::new("trial.toml")).unwrap()
    }

    fn verdict() -> RunVerdict {
        let ops = checkers::history::jsonl::read(HISTORY.as_bytes())
            .unwrap()
            .ops;
        let mut loss = Report::new("loss", Verdict::Violated);
        loss.figure("lost", 1);
        loss.figure("acknowledged", 1234);
        loss.anomalies.push(Anomaly {
            name: "lost-write".into(),
            key: Some(Value::str("r1")),
            ops: vec![0, 2],
            because: vec!["write 7 was acknowledged.".into(), "No node has it.".into()],
            cycle: Vec::new(),
        });
        let linearizable = Report::undecided("linearizable", "nothing was read");
        let mut stale = Report::new("stale", Verdict::Held);
        stale.figure("reads_judged", 10);
        let mut availability = Report::new("availability", Verdict::Held);
        availability.figure("write_p50_us", 1540);
        availability.figure("write_p99_us", 321_000);
        availability.figure("writable_permille", 859);
        let reports = [linearizable, loss, stale, availability];
        let history = History::new(ops).unwrap();
        let recovery = Recovery {
            equal: Some(true),
            ..Recovery::default()
        };
        let mut verdict = RunVerdict::new(&plan(), &history, &reports, recovery);
        verdict.reproduce = vec!["schism check runs/x".into()];
        verdict
    }

    #[test]
    fn a_run_is_told_in_full() {
        insta::assert_snapshot!(run(&verdict(), "runs/x", |_| None, Charset::Unicode));
    }

    #[test]
    fn a_campaign_fits_into_the_terminal() {
        let not_valid = RunVerdict::unjudged(
            &plan(),
            &[],
            Status::NotValid,
            Some("failed to reach n3".into()),
            Recovery::default(),
        );
        let verdicts = [verdict(), not_valid];
        insta::assert_snapshot!(campaign(&verdicts, 200, Charset::Unicode));
        insta::assert_snapshot!(campaign(&verdicts, 100, Charset::Ascii));
        assert!(campaign(&verdicts, 200, Charset::Ascii).is_ascii());
    }

    #[test]
    fn without_a_success_there_is_nothing_to_check() {
        let ops = checkers::history::jsonl::read(HISTORY.replace("\"ok\"", "\"fail\"").as_bytes());
        let history = History::new(ops.unwrap().ops).unwrap();
        let reports = [Report::new("linearizable", Verdict::Held)];
        let verdict = RunVerdict::new(&plan(), &history, &reports, Recovery::default());
        assert_eq!(
            (verdict.status, verdict.exit_code),
            (Status::NothingToCheck, 4)
        );
    }
}
