//! Verdicts and the evidence for them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::history::Value;

/// What a history says of a claim. Ordered: of several, the worst stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Nothing in this history contradicts the claim, and there was something to contradict it.
    Held,
    /// The history does not tell.
    Undecided,
    /// The history contradicts the claim.
    Violated,
}

/// What a checker found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// The checker's name.
    pub checker: String,
    /// Its verdict.
    pub verdict: Verdict,
    /// In words, when undecided: why, and what would settle it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// The contradictions, most telling first.
    pub anomalies: Vec<Anomaly>,
    /// Counts and rates, the unit in the name.
    pub figures: BTreeMap<String, Value>,
    /// Of a composed checker, its parts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<Report>,
}

/// One contradiction and its proof.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Anomaly {
    /// The literature's word: "stale-read", "lost-write", "G1c".
    pub name: String,
    /// The object it is about, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Value>,
    /// The indices of the entries that prove it, fewest that do.
    pub ops: Vec<usize>,
    /// One sentence a step.
    pub because: Vec<String>,
    /// Where calls depend on each other in a circle: the circle.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cycle: Vec<Dependency>,
}

/// Why one call must have come before another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dependency {
    /// The index of the entry with which the earlier call starts.
    pub from: usize,
    /// That of the later call.
    pub to: usize,
    /// `wr`: the later read what the earlier wrote; `rw`: the later replaced what the earlier
    /// read; `ww`: the later replaced what the earlier wrote; `so`: one session did both.
    pub kind: String,
    /// In a sentence.
    pub why: String,
}

impl Report {
    /// A report without anomalies.
    #[must_use]
    pub fn new(checker: &str, verdict: Verdict) -> Self {
        Self {
            checker: checker.to_owned(),
            verdict,
            why: None,
            anomalies: Vec::new(),
            figures: BTreeMap::new(),
            parts: Vec::new(),
        }
    }

    /// The report of a checker that cannot tell, and why.
    #[must_use]
    pub fn undecided(checker: &str, why: impl Into<String>) -> Self {
        Self {
            why: Some(why.into()),
            ..Self::new(checker, Verdict::Undecided)
        }
    }

    /// Adds a figure; counts beyond what an `i64` holds are cut to its largest.
    pub fn figure(&mut self, name: &str, count: impl TryInto<i64>) {
        let number = count.try_into().unwrap_or(i64::MAX);
        self.figures.insert(name.to_owned(), Value::Int(number));
    }

    /// The figure of that name, as a number.
    #[must_use]
    pub fn number(&self, name: &str) -> Option<i64> {
        self.figures.get(name).and_then(Value::as_int)
    }
}
