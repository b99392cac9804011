//! `--expect`: a claim that must hold, or an anomaly that must be found.

use std::fmt::{self, Display, Formatter};
use std::str::FromStr;

use checkers::{About, CHECKERS};

use super::json;
use crate::claim::Claim;
use crate::report::told::Told;
use crate::report::verdict::RunVerdict;
use crate::suggest;

/// Something that must come out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// This claim must hold.
    Held(String),
    /// Some finding must be of this anomaly.
    Found(String),
}

impl FromStr for Wanted {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        if let Ok(claim) = name.parse::<Claim>() {
            return Ok(Self::Held(claim.to_string()));
        }
        let anomalies = CHECKERS
            .iter()
            .flat_map(|checker| checker.names.iter().copied());
        if anomalies.clone().any(|anomaly| anomaly == name) {
            return Ok(Self::Found(name.to_owned()));
        }
        let claims = Claim::all().map(Claim::as_str);
        let names: Vec<&str> = claims.chain(anomalies).collect();
        Err(suggest::unknown("claim or anomaly", name, names))
    }
}

impl Display for Wanted {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (Self::Held(name) | Self::Found(name)) = self;
        f.write_str(name)
    }
}

impl Wanted {
    /// The claims that tell whether it came out: itself, or all whose checkers can name the
    /// anomaly.
    #[must_use]
    pub fn claims(&self) -> Vec<Claim> {
        match self {
            Self::Held(claim) => claim.parse().into_iter().collect(),
            Self::Found(anomaly) => {
                let tells = |checker: &&About| checker.names.contains(&anomaly.as_str());
                let checkers = CHECKERS.iter().filter(tells);
                let claims = checkers.filter_map(|checker| Claim::of_checker(checker.name));
                claims.collect()
            }
        }
    }
}

/// What did not come out of a run, a sentence each.
#[must_use]
pub fn unmet(verdict: &RunVerdict, wanted: &[Wanted]) -> Vec<String> {
    if wanted.is_empty() {
        return Vec::new();
    }
    unmet_by(
        &Told::parse(json(verdict).as_bytes()).unwrap_or_default(),
        wanted,
    )
}

/// What did not come out of a recorded verdict, a sentence each.
#[must_use]
pub fn unmet_by(told: &Told, wanted: &[Wanted]) -> Vec<String> {
    let sentence = |wanted: &Wanted| match wanted {
        Wanted::Held(name) => {
            let claim = told.claims.iter().find(|claim| claim.claim == *name);
            match claim.map(|claim| claim.verdict.as_str()) {
                Some("held") => None,
                Some(verdict) => Some(format!("{name} must hold, and is {verdict}")),
                None => Some(format!("{name} must hold, and was not judged")),
            }
        }
        Wanted::Found(name) => {
            let found = told.findings.iter().any(|finding| finding.anomaly == *name);
            (!found).then(|| format!("{name} must be found, and was not"))
        }
    };
    wanted.iter().filter_map(sentence).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::told::{ToldClaim, ToldFinding};

    #[test]
    fn claims_must_hold_and_anomalies_be_found() {
        let told = Told {
            claims: vec![ToldClaim {
                claim: "linearizable".into(),
                verdict: "undecided".into(),
                ..ToldClaim::default()
            }],
            findings: vec![ToldFinding {
                anomaly: "stale-read".into(),
                ..ToldFinding::default()
            }],
            ..Told::default()
        };
        let wanted = |name: &str| name.parse::<Wanted>().expect("it is one");
        let all = ["linearizable", "no-lost-writes", "stale-read", "lost-write"].map(wanted);
        let expected = [
            "linearizable must hold, and is undecided",
            "no-lost-writes must hold, and was not judged",
            "lost-write must be found, and was not",
        ];
        assert_eq!(unmet_by(&told, &all), expected);
        assert!(
            "stale-raed"
                .parse::<Wanted>()
                .is_err_and(|e| e.contains("stale-read"))
        );
    }
}
