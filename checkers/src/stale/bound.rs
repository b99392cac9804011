//! How far behind a read may be.

use std::fmt;
use std::str::FromStr;

use super::Lag;

/// The most that a read may be behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Bound {
    /// So many milliseconds.
    Milliseconds(u64),
    /// So many versions.
    Versions(u64),
}

impl Bound {
    /// Whether a read certainly exceeds it.
    pub(super) fn is_exceeded(self, lag: &Lag) -> bool {
        match self {
            Self::Milliseconds(most) => lag.behind_lo > nanos(most),
            Self::Versions(most) => lag.versions_lo as u64 > most,
        }
    }

    /// Whether a read certainly keeps it.
    pub(super) fn is_kept(self, lag: &Lag) -> bool {
        match self {
            Self::Milliseconds(most) => lag.behind_hi <= nanos(most),
            Self::Versions(most) => lag.versions_hi as u64 <= most,
        }
    }

    /// Whether a read could have exceeded it: before it began so many values had certainly taken
    /// effect, the first of them so long before.
    pub(super) fn is_tested(self, effective: u64, since: u64) -> bool {
        match self {
            Self::Milliseconds(most) => effective > 0 && since > nanos(most),
            Self::Versions(most) => effective > most,
        }
    }
}

fn nanos(milliseconds: u64) -> u64 {
    milliseconds.saturating_mul(1_000_000)
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Milliseconds(most) => write!(f, "{most}ms"),
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
            "ms" => Ok(Self::Milliseconds(number)),
            "s" => number
                .checked_mul(1_000)
                .map(Self::Milliseconds)
                .ok_or_else(refuse),
            "version" | "versions" => Ok(Self::Versions(number)),
            _ => Err(refuse()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_read_as_they_are_written() {
        let bounds = [
            Bound::Milliseconds(500),
            Bound::Versions(1),
            Bound::Versions(3),
        ];
        for bound in bounds {
            assert_eq!(bound.to_string().parse(), Ok(bound));
        }
        assert_eq!("2s".parse(), Ok(Bound::Milliseconds(2_000)));
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
