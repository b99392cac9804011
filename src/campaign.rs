//! Several runs, one after the other on the same hosts, and the table of what came out.

use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::connect;
use crate::inventory::Host;
use crate::plan::Plan;
use crate::report::verdict::{RunVerdict, Status};
use crate::run::{self, Surroundings};
use crate::store::{self, StoreError, VERDICT};

/// The version of the campaign's schema.
pub const SCHEMA: &str = "schism.campaign/1";

/// What a campaign found out: `verdict.json` of its directory.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct CampaignVerdict {
    /// `schism.campaign/1`.
    pub schema: String,
    /// Whether every run came out as its plan expects.
    pub as_expected: bool,
    /// The exit code.
    pub exit_code: u8,
    /// The runs, in order; each has a directory of its own name beside this file.
    pub runs: Vec<RunVerdict>,
}

/// Why a campaign stopped.
#[derive(Debug, thiserror::Error)]
pub enum CampaignError {
    /// The directory could not be written.
    #[error("failed to {0}")]
    Store(#[from] StoreError),
    /// A host is given wrongly.
    #[error("{0}")]
    Hosts(String),
}

/// Carries out the plans in order, each in a directory of its own below `directory`; `told`
/// hears of each as it is done. Ends early when the surroundings say so.
///
/// # Errors
///
/// [`CampaignError`]; what was done until then is on disk.
///
/// # Panics
///
/// Never: a verdict has a form in JSON.
pub async fn run(
    plans: &[Plan],
    lab_hosts: &[Host],
    directory: &Path,
    surroundings: &Surroundings,
    mut told: impl FnMut(&RunVerdict),
) -> Result<CampaignVerdict, CampaignError> {
    let mut runs = Vec::new();
    for plan in plans {
        if surroundings.stop.load(Ordering::Relaxed) {
            break;
        }
        let place = cell_directory(directory, plan, plans.len())?;
        let hosts = if plan.uses_lab() {
            &lab_hosts[..plan.node_count().min(lab_hosts.len())]
        } else {
            &plan.hosts[..]
        };
        let nodes = connect::nodes(hosts).map_err(CampaignError::Hosts)?;
        let verdict = run::run(plan, nodes, &place, surroundings).await?;
        told(&verdict);
        runs.push(verdict);
    }
    let verdict = summarise(runs);
    if plans.len() > 1 {
        let text = serde_json::to_vec_pretty(&verdict).expect("a verdict has a form in JSON");
        store::write_file(&directory.join(VERDICT), &text)?;
    }
    Ok(verdict)
}

/// A single run lives in the directory itself.
fn cell_directory(directory: &Path, plan: &Plan, count: usize) -> Result<PathBuf, StoreError> {
    if count == 1 {
        return Ok(directory.to_owned());
    }
    let place = directory.join(format!("{}-s{}", plan.name, plan.seed));
    std::fs::create_dir_all(&place).map_err(|source| StoreError::Io {
        doing: "make",
        path: place.clone(),
        source,
    })?;
    Ok(place)
}

/// With expectations, a campaign succeeds when every run met its own; without, the worst run
/// decides: violated, then not valid, then undecided, then nothing to check.
pub(crate) fn summarise(runs: Vec<RunVerdict>) -> CampaignVerdict {
    let as_expected = runs.iter().all(RunVerdict::as_expected);
    let expecting = runs.iter().any(RunVerdict::has_expectations);
    let has = |status| runs.iter().any(|run| run.status == status);
    let unmet_claim = runs
        .iter()
        .any(|run| run.claims.iter().any(|claim| !claim.as_expected));
    let exit_code = if expecting {
        if as_expected {
            0
        } else if unmet_claim {
            1
        } else {
            worst_of([Status::NotValid, Status::NothingToCheck], has)
        }
    } else {
        let order = [
            Status::Violated,
            Status::NotValid,
            Status::Undecided,
            Status::NothingToCheck,
        ];
        worst_of(order, has)
    };
    CampaignVerdict {
        schema: SCHEMA.into(),
        as_expected,
        exit_code,
        runs,
    }
}

fn worst_of(order: impl IntoIterator<Item = Status>, has: impl Fn(Status) -> bool) -> u8 {
    order
        .into_iter()
        .find(|status| has(*status))
        .map_or(0, Status::exit_code)
}

/// The schema of [`CampaignVerdict`], in JSON.
///
/// # Panics
///
/// Never: the schema has a form in JSON.
#[must_use]
pub fn schema() -> String {
    let schema = schemars::schema_for!(CampaignVerdict);
    serde_json::to_string_pretty(&schema).expect("the schema has a form in JSON")
}
