//! What a claim may be told beside its word: `bank:total=100`, `locks:permits=3,ttl=10s`.

use std::fmt::{self, Write};
use std::time::Duration;

use checkers::history::Nanos;
use checkers::invariants::{Bank, Locks, OrderedIds};
use checkers::{Checker, Report};
use humantime_serde::re::humantime;

use crate::suggest;

/// What a setting is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Unit {
    /// A whole number.
    Number,
    /// A whole number from 1 on.
    Count,
    /// A time, such as 10s or 5ms.
    Time,
}

/// A setting: the checker, the word, what it is, and what it says.
struct Known {
    checker: &'static str,
    word: &'static str,
    unit: Unit,
    says: &'static str,
}

const KNOWN: [Known; 5] = [
    Known {
        checker: "bank",
        word: "total",
        unit: Unit::Number,
        says: "what all accounts add up to; left out, what the first reads show",
    },
    Known {
        checker: "locks",
        word: "permits",
        unit: Unit::Count,
        says: "how many may hold it at once: of a semaphore more than 1",
    },
    Known {
        checker: "locks",
        word: "ttl",
        unit: Unit::Time,
        says: "how long a lease lasts that tells no lifetime of its own",
    },
    Known {
        checker: "locks",
        word: "uncertainty",
        unit: Unit::Time,
        says: "how far the clocks that measure a lease may be apart over its time",
    },
    Known {
        checker: "ordered-ids",
        word: "slack",
        unit: Unit::Time,
        says: "how much earlier an id must have been given out to be below: how far clocks differ",
    },
];

/// Numbers and times in nanoseconds, by their place among all that there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Settings([Option<i64>; KNOWN.len()]);

/// All settings: the claim with the setting as it is written, and what it says.
pub(super) fn all() -> impl Iterator<Item = (String, &'static str)> {
    KNOWN.iter().map(|known| {
        let example = match known.unit {
            Unit::Number => "100",
            Unit::Count => "3",
            Unit::Time => "10ms",
        };
        let written = format!("{}:{}={example}", known.checker, known.word);
        (written, known.says)
    })
}

impl Settings {
    /// Nothing is set.
    pub(super) const NONE: Self = Self([None; KNOWN.len()]);

    /// Reads `total=100` or `permits=3,ttl=10s`, for a checker.
    pub(super) fn parse(checker: &str, text: &str) -> Result<Self, String> {
        let words = KNOWN.iter().filter(|known| known.checker == checker);
        let words: Vec<&str> = words.map(|known| known.word).collect();
        if words.is_empty() {
            return Err(format!("{checker} has no settings; say {checker} alone"));
        }
        let mut settings = Self::default();
        for part in text.split(',') {
            let Some((word, value)) = part.split_once('=') else {
                let example = format!("{checker}:{}=", words[0]);
                return Err(format!(
                    "`{part}` sets nothing; write a setting as {example}…"
                ));
            };
            let (word, value) = (word.trim(), value.trim());
            let is_it = |known: &Known| known.checker == checker && known.word == word;
            let Some(place) = KNOWN.iter().position(is_it) else {
                let what = format!("setting of {checker}");
                return Err(suggest::unknown(&what, word, words.iter().copied()));
            };
            if settings.0[place].is_some() {
                return Err(format!("{word} is set twice"));
            }
            settings.0[place] = Some(number(&KNOWN[place], value)?);
        }
        Ok(settings)
    }

    fn get(&self, checker: &str, word: &str) -> Option<i64> {
        let is_it = |known: &Known| known.checker == checker && known.word == word;
        KNOWN.iter().position(is_it).and_then(|place| self.0[place])
    }

    fn time(&self, checker: &str, word: &str) -> Option<Nanos> {
        self.get(checker, word)
            .and_then(|nanos| Nanos::try_from(nanos).ok())
    }

    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The checker that judges by them, under `name`.
    pub(super) fn judge(&self, checker: &str, name: String) -> Option<Box<dyn Checker>> {
        let judge: Box<dyn Checker> = match checker {
            "bank" => Box::new(Bank {
                total: self.get(checker, "total"),
                accounts: None,
            }),
            "locks" => {
                let usual = Locks::default();
                let permits = self.get(checker, "permits");
                let permits = permits.and_then(|permits| usize::try_from(permits).ok());
                Box::new(Locks {
                    permits: permits.unwrap_or(usual.permits),
                    ttl: self.time(checker, "ttl"),
                    uncertainty: self.time(checker, "uncertainty").unwrap_or(0),
                })
            }
            "ordered-ids" => Box::new(OrderedIds {
                slack: self.time(checker, "slack").unwrap_or(0),
            }),
            _ => return None,
        };
        Some(Box::new(Named { name, judge }))
    }
}

fn number(known: &Known, value: &str) -> Result<i64, String> {
    let word = known.word;
    let whole = || value.parse::<i64>().ok();
    let (number, wanted) = match known.unit {
        Unit::Number => (whole(), "a whole number, such as 100"),
        Unit::Count => (
            whole().filter(|count| *count > 0),
            "a whole number from 1 on, such as 3",
        ),
        Unit::Time => {
            let time = humantime::parse_duration(value).ok();
            let nanos = time.and_then(|time| i64::try_from(time.as_nanos()).ok());
            (nanos, "a time, such as 10s or 5ms")
        }
    };
    number.ok_or_else(|| format!("{word} must be {wanted}, not `{value}`"))
}

impl fmt::Display for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let set = KNOWN.iter().zip(self.0);
        let set = set.filter_map(|(known, value)| Some((known, value?)));
        for (place, (known, value)) in set.enumerate() {
            f.write_char(if place == 0 { ':' } else { ',' })?;
            write!(f, "{}=", known.word)?;
            match (known.unit, u64::try_from(value)) {
                (Unit::Time, Ok(nanos)) => {
                    let time = humantime::format_duration(Duration::from_nanos(nanos));
                    f.write_str(&time.to_string().replace(' ', ""))?;
                }
                _ => write!(f, "{value}")?,
            }
        }
        Ok(())
    }
}

/// A checker whose reports bear another name.
struct Named {
    name: String,
    judge: Box<dyn Checker>,
}

impl Checker for Named {
    fn name(&self) -> &str {
        &self.name
    }

    fn judge(&self, calls: &checkers::calls::Calls, budget: &checkers::Budget) -> Report {
        Report {
            checker: self.name.clone(),
            ..self.judge.judge(calls, budget)
        }
    }
}
