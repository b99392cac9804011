//! What a system may promise, and what must come out of a promise.
//!
//! Every checker that judges has a claim of its own; `schism list claims` has them all. Files
//! and flags name a claim by a word: the checker's name, or a plainer one for two of them.
//! A claim may have a bound: `stale-reads <= 500ms`, `stale-reads <= 3 versions`; or
//! [`settings`], such as `bank:total=100`.

mod settings;

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use checkers::stale::{Bound, Stale};
use checkers::{About, CHECKERS, Checker, Guarantee, Sessions, Verdict};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::suggest;
use settings::Settings;

/// What a system may promise, and a run can refute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Claim {
    /// The checker that judges it.
    checker: &'static str,
    bound: Option<Bound>,
    settings: Settings,
}

/// The claims whose words are not their checkers' names.
const WORDS: [(&str, &str); 2] = [("no-lost-writes", "loss"), ("no-stale-reads", "stale")];

/// The word of the claim that has a bound.
const BOUNDED: &str = "stale-reads";

impl Claim {
    /// Every operation seems to happen at one moment between its start and its end.
    pub const LINEARIZABLE: Self = Self::of("linearizable");
    /// Every acknowledged write is there in the end, or was replaced by a later one.
    pub const NO_LOST_WRITES: Self = Self::of("loss");
    /// No read misses a write that was certainly there before it began.
    pub const NO_STALE_READS: Self = Self::of("stale");

    const fn of(checker: &'static str) -> Self {
        Self {
            checker,
            bound: None,
            settings: Settings::NONE,
        }
    }

    /// Reads are at most so far behind.
    #[must_use]
    pub const fn stale_reads(bound: Bound) -> Self {
        Self {
            bound: Some(bound),
            ..Self::of("stale")
        }
    }

    /// All claims without a bound, in the order of the tables.
    pub fn all() -> impl Iterator<Item = Self> {
        CHECKERS
            .iter()
            .filter(|about| !about.names.is_empty())
            .map(|about| Self::of(about.name))
    }

    /// The claim that a checker judges; none for one that only measures.
    #[must_use]
    pub fn of_checker(checker: &str) -> Option<Self> {
        if let Some((_, bound)) = checker.split_once(BOUND) {
            return bound.parse().ok().map(Self::stale_reads);
        }
        if checker.contains(':') {
            return checker.parse().ok();
        }
        Self::all().find(|claim| claim.checker == checker)
    }

    /// The word that files use; of a claim with a bound, without it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        if self.bound.is_some() {
            return BOUNDED;
        }
        let word = WORDS.iter().find(|(_, checker)| *checker == self.checker);
        word.map_or(self.checker, |(word, _)| word)
    }

    /// How far reads may be behind, if that is what it says.
    #[must_use]
    pub fn bound(self) -> Option<Bound> {
        self.bound
    }

    /// The name of the checker that judges it.
    #[must_use]
    pub fn checker(self) -> &'static str {
        self.checker
    }

    /// The name that its report bears: that of the checker, or the claim with what it is told.
    #[must_use]
    pub fn reported_as(self) -> Cow<'static, str> {
        if self.bound.is_some() || !self.settings.is_empty() {
            return self.to_string().into();
        }
        self.checker.into()
    }

    /// All settings of claims: each as it is written, and what it says.
    pub fn all_settings() -> impl Iterator<Item = (String, &'static str)> {
        settings::all()
    }

    /// The figure of its checker that says how much there was to judge, and the word for that.
    #[must_use]
    pub fn measure(self) -> Option<(&'static str, &'static str)> {
        let found = MEASURES
            .iter()
            .find(|(checker, ..)| *checker == self.checker);
        found.map(|(_, figure, noun)| (*figure, *noun))
    }

    /// What is known of its checker.
    ///
    /// # Panics
    ///
    /// Never: claims are made of checkers.
    #[must_use]
    pub fn about(self) -> &'static About {
        let about = CHECKERS.iter().find(|about| about.name == self.checker);
        about.expect("claims are made of checkers")
    }

    /// Who judges it.
    #[must_use]
    pub fn judge(self) -> Box<dyn Checker> {
        if let Some(bound) = self.bound {
            return Box::new(Stale::bounded_by(bound));
        }
        let set = (!self.settings.is_empty())
            .then(|| self.settings.judge(self.checker, self.to_string()));
        set.flatten().unwrap_or_else(|| (self.about().build)())
    }

    /// Who judges these claims. Guarantees of sessions are judged together, so that the history
    /// is read once for all of them.
    #[must_use]
    pub fn judges(claims: &[Self]) -> Vec<Box<dyn Checker>> {
        let guarantee = |claim: &Self| Guarantee::find(claim.checker);
        let guarantees: Vec<Guarantee> = claims.iter().filter_map(guarantee).collect();
        let others = claims.iter().filter(|claim| guarantee(claim).is_none());
        let mut judges: Vec<Box<dyn Checker>> = others.map(|claim| claim.judge()).collect();
        if !guarantees.is_empty() {
            judges.push(Box::new(Sessions::some("sessions", &guarantees)));
        }
        judges
    }

    /// What it promises, in a sentence.
    #[must_use]
    pub fn meaning(self) -> &'static str {
        self.about().claim
    }
}

/// What a checker had to judge: its name, a figure of its, and what that counts.
const MEASURES: [(&str, &str, &str); 23] = [
    ("linearizable", "ops_checked", "operation"),
    ("loss", "acknowledged", "acknowledged write"),
    ("stale", "reads_judged", "read"),
    ("convergence", "keys_fully_read", "key read everywhere"),
    ("resolver", "conflicts", "conflict"),
    ("prefix", "reads_with_node", "read of a known node"),
    ("unique-ids", "ids", "id"),
    ("ordered-ids", "ids_after_another", "id after another"),
    ("locks", "acquired", "acquisition"),
    ("fencing-tokens", "tokens", "token"),
    ("guarded-resource", "writes_accepted", "accepted write"),
    ("leader-terms", "statuses", "status"),
    ("bank", "reads", "read"),
    ("bank-overdraft", "reads", "read"),
    ("long-fork", "reads", "read"),
    ("causal-reverse", "reads", "read"),
    ("monotonic", "increments", "increment"),
    ("sequential-keys", "reads", "read"),
    ("write-skew", "inserts", "insert"),
    (
        "read-your-writes",
        "write_read_pairs",
        "read of a key written before",
    ),
    ("monotonic-reads", "read_pairs", "read of a key read before"),
    ("sequential", "reads_with_choice", "read with a choice"),
    ("pram", "reads_with_choice", "read with a choice"),
];

/// Between a claim's word and its bound.
const BOUND: &str = " <= ";

impl fmt::Display for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())?;
        match self.bound {
            None => write!(f, "{}", self.settings),
            Some(bound) => write!(f, "{BOUND}{bound}"),
        }
    }
}

impl FromStr for Claim {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some((word, bound)) = text.split_once("<=") {
            return match word.trim() {
                BOUNDED => match bound.parse() {
                    Ok(bound) => Ok(Self::stale_reads(bound)),
                    Err(error) => Err(format!("{error}")),
                },
                other => Err(suggest::unknown("claim with a bound", other, [BOUNDED])),
            };
        }
        let (word, told) = match text.split_once(':') {
            Some((word, told)) => (word.trim(), Some(told)),
            None => (text, None),
        };
        let claim = Self::all()
            .find(|claim| claim.as_str() == word || claim.checker == word)
            .ok_or_else(|| {
                let words: Vec<&str> = Self::all().map(Self::as_str).collect();
                suggest::unknown("claim", word, words.iter().copied())
            })?;
        match told {
            None => Ok(claim),
            Some(told) => Ok(Self {
                settings: Settings::parse(claim.checker, told)?,
                ..claim
            }),
        }
    }
}

impl Serialize for Claim {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Claim {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for Claim {
    fn schema_name() -> Cow<'static, str> {
        "Claim".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({
            "type": "string",
            "description": "A claim by its word, as `schism list claims` has it, with \
                            settings as in `bank:total=100`; or `stale-reads <= BOUND` with a \
                            time or a number of versions.",
        })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_claim_is_read_back_from_its_word() {
        let bounds = [
            Bound::Milliseconds(500),
            Bound::Versions(1),
            Bound::Versions(3),
        ];
        let set = [
            "bank:total=-100",
            "locks:permits=3,ttl=10s",
            "locks:uncertainty=1500us",
            "ordered-ids:slack=2m",
        ];
        let set = set.map(|text| text.parse().expect("it is right"));
        let bounds = bounds.map(Claim::stale_reads);
        for claim in Claim::all().chain(bounds).chain(set) {
            assert_eq!(claim.to_string().parse(), Ok(claim));
            assert_eq!(Claim::of_checker(&claim.reported_as()), Some(claim));
            assert_eq!(claim.judge().name(), claim.reported_as());
            assert!(!claim.meaning().is_empty());
        }
        assert_eq!("loss".parse(), Ok(Claim::NO_LOST_WRITES));
        assert_eq!(
            Claim::of_checker("stale-reads <= 500ms"),
            "stale-reads <= 500ms".parse().ok()
        );
        assert_eq!(Claim::of_checker("availability"), None);
    }

    #[test]
    fn a_wrong_word_is_answered_with_the_right_one() {
        let said = |text: &str| text.parse::<Claim>().expect_err("it is wrong");
        assert!(said("linearisable").contains("`linearizable`"));
        assert!(said("stale-reads <= soon").contains("3 versions"));
        assert!(said("stale-reads <= many versions").contains("3 versions"));
        assert!(said("loss <= 3 versions").contains("stale-reads"));
        assert!(said("bnak:total=100").contains("did you mean `bank`?"));
        assert!(said("bank:totl=100").contains("did you mean `total`?"));
        assert!(said("bank:total").contains("bank:total="));
        assert!(said("bank:total=much").contains("a whole number"));
        assert!(said("bank:total=1,total=2").contains("twice"));
        assert!(said("locks:permits=0").contains("from 1 on"));
        assert!(said("locks:ttl=soon").contains("such as 10s"));
        assert!(said("prefix:total=1").contains("has no settings"));
    }
}
