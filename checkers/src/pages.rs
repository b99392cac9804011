//! A page for each checker: what it judges, what it needs, what it can name, cost and source.

use crate::CHECKERS;

/// A checker's page, in Markdown: its definition, then the parts of [`PARTS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// The checker.
    pub name: &'static str,
    /// The whole text.
    pub text: &'static str,
}

/// The headings of every page, in order.
pub const PARTS: [&str; 4] = ["Needs", "Names", "Cost", "Source"];

macro_rules! pages {
    ($($name:literal),* $(,)?) => {
        [$(Page { name: $name, text: include_str!(concat!("../pages/", $name, ".md")) }),*]
    };
}

/// All pages.
pub const PAGES: &[Page] = &pages![
    "linearizable",
    "loss",
    "set",
    "set-full",
    "counter",
    "pn-counter",
    "queue",
    "log",
    "stale",
    "convergence",
    "resolver",
    "prefix",
    "availability",
    "unique-ids",
    "ordered-ids",
    "locks",
    "fencing-tokens",
    "guarded-resource",
    "leader-terms",
    "bank",
    "bank-overdraft",
    "long-fork",
    "causal-reverse",
    "sequential-keys",
    "monotonic",
    "write-skew",
    "read-your-writes",
    "monotonic-reads",
    "monotonic-writes",
    "writes-follow-reads",
    "pram",
    "causal",
    "causal-convergence",
    "causal-memory",
    "sequential",
    "sessions",
];

/// The page of that checker.
#[must_use]
pub fn find(checker: &str) -> Option<&'static Page> {
    PAGES.iter().find(|page| page.name == checker)
}

/// Every page that says what an anomaly of that name is, and what it says.
pub fn about_anomaly(name: &str) -> impl Iterator<Item = (&'static Page, String)> {
    let start = format!("- `{name}`");
    PAGES.iter().filter_map(move |page| {
        let names = page.part("Names")?;
        let begin = names.find(&start)?;
        let item = &names[begin + 2..];
        let lines = item.lines().enumerate();
        let own = lines.take_while(|(at, line)| *at == 0 || line.starts_with("  "));
        let words: Vec<&str> = own.map(|(_, line)| line.trim()).collect();
        Some((page, words.join(" ")))
    })
}

impl Page {
    /// What stands between the title and the first heading.
    #[must_use]
    pub fn definition(&self) -> &'static str {
        let body = self.text.split_once('\n').map_or("", |(_, body)| body);
        body.split("\n## ").next().unwrap_or("").trim()
    }

    /// What stands under that heading.
    #[must_use]
    pub fn part(&self, heading: &str) -> Option<&'static str> {
        let parts = self.text.split("\n## ").skip(1);
        let mut parts = parts.filter_map(|part| part.split_once('\n'));
        let found = parts.find(|(title, _)| *title == heading);
        found.map(|(_, body)| body.trim())
    }
}

/// Whether every checker has a page and every page a checker; what is wrong otherwise.
#[must_use]
pub fn complaints() -> Vec<String> {
    let mut complaints = Vec::new();
    for about in CHECKERS {
        let Some(page) = find(about.name) else {
            complaints.push(format!("{} has no page", about.name));
            continue;
        };
        if !page.text.starts_with(&format!("# {}\n", about.name)) || page.definition().is_empty() {
            complaints.push(format!("{}: no title or definition", about.name));
        }
        for heading in PARTS {
            if page.part(heading).is_none_or(str::is_empty) {
                complaints.push(format!("{}: no {heading}", about.name));
            }
        }
        for name in about.names {
            if !about_anomaly(name).any(|(other, _)| other == page) {
                complaints.push(format!("{}: {name} is not explained", about.name));
            }
        }
    }
    let known = |page: &&Page| !CHECKERS.iter().any(|about| about.name == page.name);
    let orphans = PAGES.iter().filter(known);
    complaints.extend(orphans.map(|page| format!("{} has no checker", page.name)));
    complaints
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_checker_has_its_page_and_explains_what_it_names() {
        assert_eq!(complaints(), Vec::<String>::new());
    }

    #[test]
    fn an_anomaly_is_explained_by_the_pages_that_name_it() {
        let told: Vec<_> = about_anomaly("future-read").collect();
        assert!(
            told[0]
                .1
                .ends_with("a value was read before its write began.")
        );
        assert_eq!(about_anomaly("no such anomaly").count(), 0);
    }
}
