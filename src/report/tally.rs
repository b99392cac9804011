//! What came of the same trials with several seeds: a row for each claim of each trial.

use std::collections::BTreeMap;

use checkers::Verdict;
use serde_json::Value as Json;

use crate::claim::{Claim, Expected};
use crate::plan::Plan;

use super::verdict::{ClaimVerdict, RunVerdict, Status};

/// The columns of [`rows`].
pub const COLUMNS: [&str; 10] = [
    "trial",
    "system",
    "configuration",
    "workload",
    "faults",
    "claim",
    "expected",
    "refuted",
    "entries until",
    "as expected",
];

/// A row for each claim that a trial expects something of. `runs` are those of `plans`, in the
/// same order; a campaign that was ended early has fewer.
#[must_use]
pub fn rows(plans: &[Plan], runs: &[RunVerdict]) -> Vec<Vec<String>> {
    let of_trial = |(plan, runs): &(&Plan, Vec<&RunVerdict>)| {
        let claims = plan.expect.iter();
        let of_claim = |(claim, expected): (&Claim, &Expected)| row(plan, runs, *claim, *expected);
        let mut rows: Vec<_> = claims.map(of_claim).collect();
        rows.extend(unequal(plan, runs));
        rows
    };
    by_trial(plans, runs).iter().flat_map(of_trial).collect()
}

/// Whether several seeds together came out as expected: what must hold did so with every seed,
/// and what must break broke with one at least.
#[must_use]
pub fn as_expected(plans: &[Plan], runs: &[RunVerdict]) -> bool {
    let of = |run: &&RunVerdict, claim: Claim, met: fn(&ClaimVerdict) -> bool| {
        run.claims.iter().any(|one| one.claim == claim && met(one))
    };
    by_trial(plans, runs).iter().all(|(plan, runs)| {
        let sound = runs.iter().all(|run| run.is_sound());
        sound
            && plan.expect.iter().all(|(claim, expected)| match expected {
                Expected::Violated => {
                    let breaks = |one: &ClaimVerdict| one.verdict == Verdict::Violated;
                    runs.iter().any(|run| of(run, *claim, breaks))
                }
                Expected::Held | Expected::Any => runs
                    .iter()
                    .all(|run| of(run, *claim, |one| one.as_expected)),
            })
    })
}

/// The runs of each trial, which are those of plans of the same name.
fn by_trial<'a>(plans: &'a [Plan], runs: &'a [RunVerdict]) -> Vec<(&'a Plan, Vec<&'a RunVerdict>)> {
    let mut trials: Vec<(&Plan, Vec<&RunVerdict>)> = Vec::new();
    for (plan, run) in plans.iter().zip(runs) {
        match trials.iter_mut().find(|(first, _)| first.name == plan.name) {
            Some((_, seeds)) => seeds.push(run),
            None => trials.push((plan, vec![run])),
        }
    }
    trials
}

/// A row for a trial after which members differed for good, in some run.
fn unequal(plan: &Plan, runs: &[&RunVerdict]) -> Option<Vec<String>> {
    let differ = runs.iter().filter(|run| run.recovery.equal == Some(false));
    let count = differ.count();
    (count > 0).then(|| {
        let mut row = about(plan, runs);
        row.extend(["members equal in the end", "-"].map(str::to_owned));
        row.push(format!("{count} of {}", runs.len()));
        row.extend(["-", "-"].map(str::to_owned));
        row
    })
}

/// The columns that tell of the trial itself.
fn about(plan: &Plan, runs: &[&RunVerdict]) -> Vec<String> {
    let version = runs.iter().find_map(|run| run.environment.version.clone());
    let system = format!("{} {}", plan.system.as_str(), version.unwrap_or_default());
    vec![
        plan.name.clone(),
        system.trim().to_owned(),
        configuration(plan),
        plan.load.workload.clone(),
        faults(plan),
    ]
}

fn row(plan: &Plan, runs: &[&RunVerdict], claim: Claim, expected: Expected) -> Vec<String> {
    let verdicts: Vec<(&RunVerdict, &ClaimVerdict)> = runs
        .iter()
        .filter_map(|run| Some((*run, run.claims.iter().find(|one| one.claim == claim)?)))
        .collect();
    let refuted: Vec<&RunVerdict> = verdicts
        .iter()
        .filter(|(_, verdict)| verdict.verdict == Verdict::Violated)
        .map(|(run, _)| *run)
        .collect();
    let mut until: Vec<usize> = refuted.iter().filter_map(|run| first(run, claim)).collect();
    until.sort_unstable();
    let met = verdicts
        .iter()
        .filter(|(_, verdict)| verdict.as_expected)
        .count();
    let invalid = runs
        .iter()
        .filter(|run| run.status == Status::NotValid)
        .count();
    let mut as_expected = format!("{met} of {}", runs.len());
    if invalid > 0 {
        as_expected += &format!(" ({invalid} not valid)");
    }
    let mut row = about(plan, runs);
    row.extend([
        claim.to_string(),
        word(expected).to_owned(),
        format!("{} of {}", refuted.len(), runs.len()),
        until
            .get(until.len() / 2)
            .map_or_else(|| "-".to_owned(), ToString::to_string),
        as_expected,
    ]);
    row
}

/// How much of the history it takes to refute the claim: the shortest beginning that holds all
/// of some finding.
fn first(run: &RunVerdict, claim: Claim) -> Option<usize> {
    let of_claim = run.findings.iter().filter(|finding| finding.claim == claim);
    of_claim
        .filter_map(|finding| finding.ops.iter().max().copied())
        .min()
        .map(|last| last + 1)
}

fn word(expected: Expected) -> &'static str {
    match expected {
        Expected::Held => "held",
        Expected::Violated => "violated",
        Expected::Any => "any",
    }
}

/// The options that are not as they are by default.
fn configuration(plan: &Plan) -> String {
    let (own, default) = (
        plan.configuration(),
        Plan::of_system(plan.system).configuration(),
    );
    let (Json::Object(own), Json::Object(default)) = (own, default) else {
        return String::new();
    };
    let differs = own
        .iter()
        .filter(|(name, value)| default.get(*name) != Some(*value));
    let words: Vec<String> = differs
        .map(|(name, value)| format!("{name} {}", plain(value)))
        .collect();
    words.join(", ")
}

fn plain(value: &Json) -> String {
    match value {
        Json::String(text) => text.clone(),
        Json::Object(fields) => {
            let words: Vec<String> = fields
                .iter()
                .map(|(name, value)| format!("{name} {}", plain(value)))
                .collect();
            words.join(" ")
        }
        other => other.to_string(),
    }
}

/// The faults of a plan, in words.
pub(crate) fn faults(plan: &Plan) -> String {
    let mut counted: BTreeMap<String, usize> = BTreeMap::new();
    for fault in &plan.faults {
        let mut told = format!("{} {}", fault.kind.as_str(), fault.target.as_str());
        if fault.every.is_some() {
            told += ", again and again";
        }
        if fault.promote_after.is_some() {
            told += ", promoted";
        }
        *counted.entry(told).or_default() += 1;
    }
    if counted.is_empty() {
        return "none".into();
    }
    counted.into_keys().collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::verdict::{Finding, Recovery};
    use super::*;

    #[test]
    fn seeds_of_a_trial_are_counted_together() {
        let text = "name = \"x\"\nsystem = \"redis\"\n[redis]\nwait = 2\n[[fault]]\nkind = \"kill\"\n\
                    target = \"leader\"\nat = \"1s\"\nfor = \"1s\"\n[expect]\nlinearizable = \"violated\"\n";
        let plan = Plan::parse(text, Path::new("x")).unwrap();
        let run = |refuted: bool| {
            let mut run =
                RunVerdict::unjudged(&plan, &[], Status::Violated, None, Recovery::default());
            run.claims.push(ClaimVerdict {
                claim: Claim::LINEARIZABLE,
                verdict: if refuted {
                    Verdict::Violated
                } else {
                    Verdict::Held
                },
                expected: Some(Expected::Violated),
                as_expected: refuted,
                why: None,
                findings: Vec::new(),
            });
            if refuted {
                run.findings.push(Finding {
                    id: "F1".into(),
                    claim: Claim::LINEARIZABLE,
                    anomaly: "stale-read".into(),
                    key: None,
                    ops: vec![3, 9],
                    argument: Vec::new(),
                    cycle: Vec::new(),
                });
            }
            run
        };
        let plans = [plan.clone(), plan.clone()];
        let mut runs = [run(true), run(false)];
        let tallied = |runs: &[RunVerdict]| rows(&plans, runs);
        let expected = [
            "x",
            "redis",
            "wait 2",
            "mixed",
            "kill leader",
            "linearizable",
            "violated",
            "1 of 2",
            "10",
            "1 of 2",
        ];
        assert_eq!(tallied(&runs), [expected]);
        assert!(as_expected(&plans, &runs), "it breaks with one seed");
        assert!(!as_expected(&plans[1..], &runs[1..]), "with none");
        runs[1].recovery.equal = Some(false);
        assert!(!as_expected(&plans, &runs), "the nodes differ");
        let both = tallied(&runs);
        assert_eq!(
            (both.len(), both[1][5].as_str()),
            (2, "members equal in the end")
        );
        assert_eq!(both[1][7], "1 of 2");
    }
}
