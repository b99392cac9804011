//! Two runs side by side: verdicts, findings by fingerprint, figures, plans.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::fingerprint;
use super::recorded::Recorded;
use super::table::{Charset, plain, render_within};

/// What differs, as rows of words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// Claim, verdict of the one, verdict of the other.
    pub claims: Vec<[String; 3]>,
    /// `new`, `resolved` or `ongoing`; the finding; how many there were and are; fingerprint.
    pub findings: Vec<[String; 4]>,
    /// Figure, of the one, of the other.
    pub figures: Vec<[String; 3]>,
    /// Setting of the plan, of the one, of the other.
    pub plan: Vec<[String; 3]>,
}

/// Figures that tell of latency and availability, by phase; all others are left out.
const TOLD: [&str; 2] = ["writable", "_us"];

/// Compares what two runs left.
#[must_use]
pub fn compare(one: &Recorded, other: &Recorded) -> Difference {
    let mut difference = Difference::default();
    let verdict = |recorded: &Recorded, name: &str| {
        let claim = recorded
            .told
            .claims
            .iter()
            .find(|claim| claim.claim == name);
        claim.map_or("–".to_owned(), |claim| claim.verdict.clone())
    };
    let both = one.told.claims.iter().chain(&other.told.claims);
    let names: BTreeSet<&str> = both.map(|claim| claim.claim.as_str()).collect();
    for name in names {
        difference
            .claims
            .push([name.to_owned(), verdict(one, name), verdict(other, name)]);
    }
    let workload = |r: &Recorded| r.planned("load.workload").unwrap_or_default();
    let before = fingerprint::kinds(&one.told, &workload(one));
    let after = fingerprint::kinds(&other.told, &workload(other));
    let prints: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    for print in prints {
        let (state, kind, count) = match (before.get(print), after.get(print)) {
            (None, Some(now)) => ("new", now, format!("{}", now.count)),
            (Some(was), None) => ("resolved", was, format!("was {}", was.count)),
            (Some(was), Some(now)) => {
                ("ongoing", now, format!("{} (was {})", now.count, was.count))
            }
            (None, None) => continue,
        };
        let what = format!("{}  {} against {}", kind.first, kind.anomaly, kind.claim);
        difference
            .findings
            .push([state.to_owned(), what, count, print.clone()]);
    }
    let order = |row: &[String; 4]| {
        ["new", "resolved", "ongoing"]
            .iter()
            .position(|s| *s == row[0])
    };
    difference
        .findings
        .sort_by_key(|row| (order(row), row[1].clone()));
    let (a, b) = (figures(one), figures(other));
    let names: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
    for name in names {
        let of = |figures: &BTreeMap<String, String>| figures.get(name).cloned();
        let (a, b) = (of(&a).unwrap_or("–".into()), of(&b).unwrap_or("–".into()));
        if a != b {
            difference.figures.push([name.clone(), a, b]);
        }
    }
    let (a, b) = (settings(one), settings(other));
    let names: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
    for name in names {
        let of = |settings: &BTreeMap<String, String>| settings.get(name).cloned();
        let (a, b) = (of(&a).unwrap_or("–".into()), of(&b).unwrap_or("–".into()));
        if a != b {
            difference.plan.push([name.clone(), a, b]);
        }
    }
    difference
}

fn figures(recorded: &Recorded) -> BTreeMap<String, String> {
    let mut figures = BTreeMap::new();
    let availability = recorded.told.figures.get("availability");
    let all = availability
        .and_then(Value::as_object)
        .into_iter()
        .flatten();
    for (name, value) in all {
        if value.is_i64() && TOLD.iter().any(|part| name.contains(part)) {
            figures.insert(name.clone(), value.to_string());
        }
        let parts = value
            .as_object()
            .filter(|_| name == "parts")
            .into_iter()
            .flatten();
        for (part, of) in parts {
            for (name, value) in of.as_object().into_iter().flatten() {
                figures.insert(format!("{part} {name}"), value.to_string());
            }
        }
    }
    figures
}

/// The plan's settings, flat.
fn settings(recorded: &Recorded) -> BTreeMap<String, String> {
    fn walk(prefix: &str, value: &toml::Value, into: &mut BTreeMap<String, String>) {
        match value {
            toml::Value::Table(table) => {
                for (name, value) in table {
                    walk(&format!("{prefix}.{name}"), value, into);
                }
            }
            other => {
                into.insert(prefix.trim_start_matches('.').to_owned(), other.to_string());
            }
        }
    }
    let mut settings = BTreeMap::new();
    if let Some(plan) = &recorded.plan {
        walk("", &toml::Value::Table(plan.clone()), &mut settings);
    }
    settings
}

/// The difference as tables; what does not differ is said in one word.
#[must_use]
pub fn told(difference: &Difference, width: usize, charset: Charset) -> String {
    let part = |title: &str, head: &[&str], rows: Vec<Vec<String>>| {
        if rows.is_empty() {
            format!("{title}: none\n")
        } else {
            format!("{title}\n{}\n", render_within(head, &rows, width, charset))
        }
    };
    let rows = |list: &[[String; 3]]| list.iter().map(|row| row.to_vec()).collect::<Vec<_>>();
    let findings = difference.findings.iter().map(|row| row.to_vec()).collect();
    let text = [
        part(
            "claims",
            &["claim", "before", "now"],
            rows(&difference.claims),
        ),
        part(
            "findings",
            &["state", "finding", "count", "fingerprint"],
            findings,
        ),
        part(
            "latency and availability that differ",
            &["figure", "before", "now"],
            rows(&difference.figures),
        ),
        part(
            "settings that differ",
            &["setting", "before", "now"],
            rows(&difference.plan),
        ),
    ];
    plain(text.join("\n").trim_end(), charset)
}
