//! A verdict for build servers: JUnit's XML in the dialect of Jenkins, which GitLab reads too.

use std::fmt::Write;

use super::told::{Told, ToldClaim};

/// Undecided claims are skipped tests, or errors where that is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Undecided {
    /// A skipped test.
    Skipped,
    /// An error.
    Error,
}

/// What one run is to a build server.
#[derive(Clone, Debug)]
pub struct Suite<'t> {
    /// The verdict.
    pub told: &'t Told,
    /// The system's name.
    pub system: String,
    /// The workload's name.
    pub workload: String,
    /// How long it took, in seconds.
    pub seconds: f64,
    /// The run's directory.
    pub directory: String,
}

/// All runs as one file. Names of tests are unique: a second run of a name has `@r2` behind it.
#[must_use]
pub fn render(
    suites: &[Suite<'_>],
    undecided: Undecided,
    story: impl Fn(&Told, &str) -> String,
) -> String {
    let (mut tests, mut failures, mut errors, mut skipped) = (0, 0, 0, 0);
    let mut body = String::new();
    let mut seen: Vec<String> = Vec::new();
    for suite in suites {
        let told = suite.told;
        let base = format!("{}.{}.{}", suite.system, suite.workload, told.name);
        seen.push(base.clone());
        let repeat = seen.iter().filter(|name| **name == base).count();
        let suffix = if repeat > 1 {
            format!("@r{repeat}")
        } else {
            String::new()
        };
        let mut own = Counts::default();
        let mut cases = String::new();
        for claim in &told.claims {
            let name = format!("{}{suffix}", claim.claim);
            let said = case(suite, claim, undecided, &mut own, &story);
            cases += &element(&base, &name, &said, &suite.directory);
        }
        if told.claims.is_empty() {
            own.tests += 1;
            own.errors += 1;
            let why = told
                .why
                .clone()
                .unwrap_or_else(|| "no claim was judged".into());
            let said = format!(
                "<error type=\"{}\" message=\"{}\"/>",
                xml(&told.status),
                xml(&why)
            );
            cases += &element(&base, &format!("run{suffix}"), &said, &suite.directory);
        }
        let name = format!("{}/{}/{}{suffix}", suite.system, suite.workload, told.name);
        let seed = told.seed.map_or(String::new(), |seed| seed.to_string());
        writeln!(
            body,
            "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{}\" errors=\"{}\" skipped=\"{}\" \
             time=\"{:.3}\">\n    <properties><property name=\"seed\" value=\"{}\"/><property \
             name=\"run\" value=\"{}\"/></properties>\n{cases}  </testsuite>",
            xml(&name),
            own.tests,
            own.failures,
            own.errors,
            own.skipped,
            suite.seconds,
            xml(&seed),
            xml(&suite.directory),
        )
        .expect("strings take all that is written");
        tests += own.tests;
        failures += own.failures;
        errors += own.errors;
        skipped += own.skipped;
    }
    let time: f64 = suites.iter().map(|suite| suite.seconds).sum();
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"schism\" tests=\"{tests}\" \
         failures=\"{failures}\" errors=\"{errors}\" skipped=\"{skipped}\" time=\"{time:.3}\">\n\
         {body}</testsuites>\n"
    )
}

#[derive(Default)]
struct Counts {
    tests: u32,
    failures: u32,
    errors: u32,
    skipped: u32,
}

fn case(
    suite: &Suite<'_>,
    claim: &ToldClaim,
    undecided: Undecided,
    counts: &mut Counts,
    story: &impl Fn(&Told, &str) -> String,
) -> String {
    counts.tests += 1;
    let why = claim.why.as_deref().unwrap_or("no reason is given");
    let first = claim.findings.first().and_then(|id| suite.told.finding(id));
    // A mode may promise nothing, and then a violation is what must come out.
    let met = claim.expected.is_some() && claim.as_expected;
    match claim.verdict.as_str() {
        "held" if claim.as_expected => String::new(),
        "violated" if met => String::new(),
        "undecided" if !met && undecided == Undecided::Error => {
            counts.errors += 1;
            format!(
                "<error type=\"undecided\" message=\"undecided: {}\"/>",
                xml(why)
            )
        }
        "undecided" => {
            counts.skipped += 1;
            format!("<skipped message=\"undecided: {}\"/>", xml(why))
        }
        verdict => {
            counts.failures += 1;
            let kind = first.map_or("unexpected", |finding| finding.anomaly.as_str());
            let message = first.and_then(|finding| finding.argument.last());
            let message = message.map_or_else(
                || format!("{}: {verdict}, the plan expects otherwise", claim.claim),
                Clone::clone,
            );
            let text = first.map_or(String::new(), |finding| story(suite.told, &finding.id));
            let again = suite.told.reproduce.join("\n");
            format!(
                "<failure type=\"{}\" message=\"{}\">{}</failure>",
                xml(kind),
                xml(&message),
                xml(&format!("{text}{again}"))
            )
        }
    }
}

fn element(class: &str, name: &str, said: &str, directory: &str) -> String {
    let (class, name) = (xml(class), xml(name));
    if said.is_empty() {
        return format!("    <testcase classname=\"{class}\" name=\"{name}\"/>\n");
    }
    let attached = xml(&format!("[[ATTACHMENT|{directory}/report.html]]"));
    format!(
        "    <testcase classname=\"{class}\" name=\"{name}\">{said}<system-out>{attached}\
         </system-out></testcase>\n"
    )
}

/// Text of XML: what the standard forbids is replaced.
fn xml(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for sign in text.chars().take(20_000) {
        match sign {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\n' => out.push_str("&#10;"),
            '\t' => out.push(sign),
            '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            _ if sign.is_control() => out.push('\u{fffd}'),
            _ => out.push(sign),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::told::ToldFinding;

    fn claim(name: &str, verdict: &str, expected: Option<&str>, met: bool) -> ToldClaim {
        ToldClaim {
            claim: name.into(),
            verdict: verdict.into(),
            expected: expected.map(str::to_owned),
            as_expected: met,
            why: (verdict == "undecided").then(|| "budget & time".into()),
            findings: if verdict == "violated" {
                vec!["F1".into()]
            } else {
                Vec::new()
            },
        }
    }

    fn told() -> Told {
        Told {
            name: "cell".into(),
            status: "violated".into(),
            seed: Some(7),
            claims: vec![
                claim("linearizable", "violated", None, true),
                claim("no-stale-reads", "violated", Some("any"), true),
                claim("no-lost-writes", "held", None, true),
                claim("causal", "undecided", None, true),
            ],
            findings: vec![ToldFinding {
                id: "F1".into(),
                anomaly: "stale-read".into(),
                argument: vec!["read \"41\" <after> 42\0".into()],
                ..ToldFinding::default()
            }],
            ..Told::default()
        }
    }

    fn suite(told: &Told) -> Suite<'_> {
        let (system, workload) = ("kv".to_owned(), "mixed".to_owned());
        let directory = "runs/latest".to_owned();
        Suite {
            told,
            system,
            workload,
            seconds: 1.5,
            directory,
        }
    }

    #[test]
    fn a_violation_fails_and_what_a_mode_permits_does_not() {
        let told = told();
        let text = render(&[suite(&told)], Undecided::Skipped, |_, id| {
            format!("story {id}")
        });
        insta::assert_snapshot!(text);
        assert!(!text.contains('\0'));
        let strict = render(&[suite(&told)], Undecided::Error, |_, _| String::new());
        assert!(strict.contains("errors=\"1\" skipped=\"0\""), "{strict}");
    }

    #[test]
    fn names_are_unique_and_a_run_that_proves_nothing_is_an_error() {
        let told = told();
        let invalid = Told {
            name: "cell".into(),
            status: "not-valid".into(),
            ..Told::default()
        };
        let suites = [suite(&told), suite(&told), suite(&invalid)];
        let text = render(&suites, Undecided::Skipped, |_, _| String::new());
        let names: Vec<&str> = text.split("<testcase ").skip(1).collect();
        let names: Vec<&str> = names
            .iter()
            .map(|n| &n[..n.find(['/', '>']).unwrap()])
            .collect();
        let mut unique = names.clone();
        unique.sort_unstable();
        unique.dedup();
        assert_eq!(unique.len(), names.len(), "{names:?}");
        assert!(text.contains("<error type=\"not-valid\""), "{text}");
    }
}
