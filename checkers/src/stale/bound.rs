//! How far behind a read may be.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::Lag;

/// The most that a read may be behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Bound {
    /// So long.
    Time(Duration),
    /// So many versions.
    Versions(u64),
}

impl Bound {
    /// So many milliseconds.
    #[must_use]
    pub const fn milliseconds(most: u64) -> Self {
        Self::Time(Duration::from_millis(most))
    }

    /// Whether a read certainly exceeds it.
    pub(super) fn is_exceeded(self, lag: &Lag) -> bool {
        match self {
            Self::Time(most) => Duration::from_nanos(lag.behind_lo) > most,
            Self::Versions(most) => lag.versions_lo as u64 > most,
        }
    }

    /// Whether a read certainly keeps it.
    pub(super) fn is_kept(self, lag: &Lag) -> bool {
        match self {
            Self::Time(most) => Duration::from_nanos(lag.behind_hi) <= most,
            Self::Versions(most) => lag.versions_hi as u64 <= most,
        }
    }

    /// Whether a read could have exceeded it: before it began so many values had certainly taken
    /// effect, the first of them so many nanoseconds before.
    pub(super) fn is_tested(self, effective: u64, since: u64) -> bool {
        match self {
            Self::Time(most) => effective > 0 && Duration::from_nanos(since) > most,
            Self::Versions(most) => effective > most,
        }
    }
}

/// Units of time, the longest first, and how many nanoseconds they are.
const UNITS: [(&str, u64); 4] = [
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("ns", 1),
];

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Time(most) => {
                let nanos = most.as_nanos();
                let fits = |(_, unit): &&(&str, u64)| nanos % u128::from(*unit) == 0;
                // Milliseconds rather than seconds, as bounds are usually told.
                let (name, unit) = UNITS[1..].iter().find(fits).unwrap_or(&UNITS[3]);
                write!(f, "{}{name}", nanos / u128::from(*unit))
            }
            Self::Versions(1) => f.write_str("1 version"),
            Self::Versions(most) => write!(f, "{most} versions"),
        }
    }
}

/// What is neither "500ms", "2s" nor "3 versions".
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no bound of staleness: say 500ms, 2s or \"3 versions\"")]
pub struct NoBound(String);

impl FromStr for Bound {
    type Err = NoBound;

    fn from_str(text: &str) -> Result<Self, NoBound> {
        let refuse = || NoBound(text.to_owned());
        let trimmed = text.trim();
        let digits = trimmed.find(|c: char| !c.is_ascii_digit());
        let (number, unit) = trimmed.split_at(digits.ok_or_else(refuse)?);
        let number: u64 = number.parse().map_err(|_| refuse())?;
        match unit.trim() {
            "version" | "versions" => Ok(Self::Versions(number)),
            unit => {
                let (_, nanos) = UNITS
                    .iter()
                    .find(|(name, _)| *name == unit)
                    .ok_or_else(refuse)?;
                let nanos = number.checked_mul(*nanos).ok_or_else(refuse)?;
                Ok(Self::Time(Duration::from_nanos(nanos)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_read_as_they_are_written() {
        let bounds = [
            Bound::milliseconds(500),
            Bound::Time(Duration::from_nanos(1_500)),
            Bound::Time(Duration::ZERO),
            Bound::Versions(1),
            Bound::Versions(3),
        ];
        for bound in bounds {
            assert_eq!(bound.to_string().parse(), Ok(bound));
        }
        assert_eq!("2s".parse(), Ok(Bound::milliseconds(2_000)));
        assert_eq!(Bound::milliseconds(2_000).to_string(), "2000ms");
        for wrong in [
            "",
            "500",
            "ms",
            "-1ms",
            "5 minutes",
            "99999999999999999999ms",
        ] {
            assert!(wrong.parse::<Bound>().is_err(), "{wrong}");
        }
    }
}
