//! What makes two findings of different runs the same: claim, anomaly, workload, mode and the
//! kinds of faults; neither values nor times nor keys.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest, Sha256};

use super::html::is_fault;
use super::told::{Told, ToldFinding};

/// The fingerprint of a finding: twelve hexadecimal digits.
#[must_use]
pub fn of(told: &Told, finding: &ToldFinding, workload: &str) -> String {
    let faults: BTreeSet<&str> = (told.faults.iter())
        .map(|fault| fault.fault.as_str())
        .filter(|fault| is_fault(fault))
        .collect();
    let mode = told.label.as_ref().map_or("", |(mode, _)| mode);
    let mut hash = Sha256::new();
    for part in [&finding.claim, &finding.anomaly, workload, mode] {
        // Lengths keep parts apart.
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    for fault in faults {
        hash.update((fault.len() as u64).to_le_bytes());
        hash.update(fault);
    }
    let digest = hash.finalize();
    digest
        .iter()
        .take(6)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// Findings that are the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kind {
    /// The first of them.
    pub first: String,
    /// Against which claim.
    pub claim: String,
    /// Which anomaly.
    pub anomaly: String,
    /// How many there are.
    pub count: usize,
}

/// The findings of a run by fingerprint.
#[must_use]
pub fn kinds(told: &Told, workload: &str) -> BTreeMap<String, Kind> {
    let mut kinds: BTreeMap<String, Kind> = BTreeMap::new();
    let mut of_names: BTreeMap<(&str, &str), String> = BTreeMap::new();
    for finding in &told.findings {
        let names = (finding.claim.as_str(), finding.anomaly.as_str());
        let print = of_names
            .entry(names)
            .or_insert_with(|| of(told, finding, workload));
        let kind = kinds.entry(print.clone()).or_insert_with(|| Kind {
            first: finding.id.clone(),
            claim: finding.claim.clone(),
            anomaly: finding.anomaly.clone(),
            count: 0,
        });
        kind.count += 1;
    }
    kinds
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_and_keys_do_not_count_and_claims_do() {
        let told = Told::default();
        let finding = |claim: &str, key: &str| ToldFinding {
            claim: claim.into(),
            anomaly: "stale-read".into(),
            key: Some(key.into()),
            ..ToldFinding::default()
        };
        let print = |claim: &str, key: &str| of(&told, &finding(claim, key), "mixed");
        assert_eq!(print("linearizable", "r1"), print("linearizable", "r2"));
        assert_ne!(print("linearizable", "r1"), print("no-stale-reads", "r1"));
        assert_eq!(print("linearizable", "r1").len(), 12);
    }
}
