//! What a system may promise, and what must come out of a promise.

use checkers::Verdict;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a system may promise, and a run can refute.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
    clap::ValueEnum,
)]
#[serde(rename_all = "kebab-case")]
pub enum Claim {
    /// Every operation seems to happen at one moment between its start and its end.
    Linearizable,
    /// Every acknowledged write is there in the end, or was replaced by a later one.
    NoLostWrites,
    /// No read misses a write that was certainly there before it began.
    NoStaleReads,
}

impl Claim {
    /// All claims, in the order of the tables.
    pub const ALL: [Self; 3] = [Self::Linearizable, Self::NoLostWrites, Self::NoStaleReads];

    /// The word that files use.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Linearizable => "linearizable",
            Self::NoLostWrites => "no-lost-writes",
            Self::NoStaleReads => "no-stale-reads",
        }
    }

    /// What it promises, in a sentence.
    #[must_use]
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Linearizable => {
                "every operation seems to happen at one moment between its start and its end"
            }
            Self::NoLostWrites => {
                "every acknowledged write is there in the end, or was replaced by a later one"
            }
            Self::NoStaleReads => {
                "no read misses a write that was certainly there before the read began"
            }
        }
    }
}

/// What must come out of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Expected {
    /// The claim stands.
    Held,
    /// The run must refute it.
    Violated,
    /// The mode permits both: whether a run shows it depends on timing.
    Any,
}

impl Expected {
    /// Whether this is what must come out. An undecided claim meets only [`Expected::Any`].
    #[must_use]
    pub fn met_by(self, verdict: Verdict) -> bool {
        match self {
            Self::Held => verdict == Verdict::Held,
            Self::Violated => verdict == Verdict::Violated,
            Self::Any => true,
        }
    }
}
