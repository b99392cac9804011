//! Findings that somebody knows of: a file that names them by fingerprint, with an owner and a
//! day on which that ends.

use std::path::Path;

use serde::Deserialize;

/// A file of known findings.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KnownFile {
    /// Each of them.
    #[serde(default)]
    pub known: Vec<Known>,
}

/// A known finding: it is reported and does not fail a build until it expires.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Known {
    /// As `schism ci` and `schism diff` print it.
    pub fingerprint: String,
    /// Who looks after it.
    pub owner: String,
    /// The last day on which it counts as known, as 2026-12-31.
    pub expires: String,
    /// Why, or where it is discussed.
    #[serde(default)]
    pub reason: String,
}

/// What a file says of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing<'k> {
    /// Nothing.
    Unknown,
    /// It is known.
    Known(&'k Known),
    /// It was known, until a day that is over.
    Expired(&'k Known),
}

impl KnownFile {
    /// Reads a file.
    ///
    /// # Errors
    ///
    /// A sentence that names the file and what is wrong with it.
    pub fn load(path: &Path) -> Result<Self, String> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| format!("cannot read {}: {error}", path.display()))?;
        Self::parse(&text).map_err(|error| format!("{}: {error}", path.display()))
    }

    /// Reads the text of a file.
    ///
    /// # Errors
    ///
    /// A sentence that says what is wrong.
    pub fn parse(text: &str) -> Result<Self, String> {
        let file: Self = toml::from_str(text).map_err(|error| error.message().to_owned())?;
        for known in &file.known {
            if !is_day(&known.expires) {
                return Err(format!(
                    "{:?} is no day; write expires = \"2026-12-31\"",
                    known.expires
                ));
            }
            if known.owner.trim().is_empty() {
                return Err(format!("{} has no owner", known.fingerprint));
            }
        }
        Ok(file)
    }

    /// What is known of a fingerprint on a day, given as 2026-12-31.
    #[must_use]
    pub fn standing(&self, fingerprint: &str, today: &str) -> Standing<'_> {
        let entries = self
            .known
            .iter()
            .filter(|known| known.fingerprint == fingerprint);
        // Days in this form are in the order of their letters.
        match entries.max_by(|a, b| a.expires.cmp(&b.expires)) {
            None => Standing::Unknown,
            Some(known) if known.expires.as_str() < today => Standing::Expired(known),
            Some(known) => Standing::Known(known),
        }
    }
}

fn is_day(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() == 10
        && bytes.iter().enumerate().all(|(place, byte)| match place {
            4 | 7 => *byte == b'-',
            _ => byte.is_ascii_digit(),
        })
        && (1..=12).contains(&text[5..7].parse().unwrap_or(0))
        && (1..=31).contains(&text[8..10].parse().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_finding_expires() {
        let text = "[[known]]\nfingerprint = \"ab\"\nowner = \"x\"\nexpires = \"2026-03-31\"\n";
        let file = KnownFile::parse(text).expect("it is right");
        let known = &file.known[0];
        assert_eq!(file.standing("ab", "2026-03-31"), Standing::Known(known));
        assert_eq!(file.standing("ab", "2026-04-01"), Standing::Expired(known));
        assert_eq!(file.standing("cd", "2026-03-31"), Standing::Unknown);
    }

    #[test]
    fn wrong_entries_are_refused() {
        let with = |field: &str, to: &str| {
            let text = "[[known]]\nfingerprint = \"ab\"\nowner = \"x\"\nexpires = \"2026-03-31\"\n";
            KnownFile::parse(&text.replace(field, to))
        };
        assert!(with("2026-03-31", "soon").is_err());
        assert!(with("2026-03-31", "2026-13-01").is_err());
        assert!(with("owner = \"x\"", "owner = \" \"").is_err());
        assert!(with("owner", "ovner").is_err());
    }
}
