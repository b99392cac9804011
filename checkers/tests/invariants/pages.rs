//! Every checker of invariants has a page that says what it needs and can name.
#![expect(
    clippy::disallowed_methods,
    reason = "pages are files, and the crate under test reads none"
)]

use std::fs;
use std::path::Path;

const PAGES: [&str; 13] = [
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
];

#[test]
fn every_checker_has_its_page() {
    for name in PAGES {
        let about = checkers::CHECKERS.iter().find(|about| about.name == name);
        let about = about.unwrap_or_else(|| panic!("{name} is in the table"));
        assert_eq!((about.build)().name(), name);
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("pages/{name}.md"));
        let page = fs::read_to_string(&path).unwrap_or_else(|_| panic!("{name} has no page"));
        assert!(page.starts_with(&format!("# {name}\n\n")), "{name}");
        for part in ["Needs", "Names", "Cost", "Source"] {
            assert!(
                page.contains(&format!("\n## {part}\n\n")),
                "{name} lacks {part}"
            );
        }
        for anomaly in about.names {
            assert!(
                page.contains(&format!("`{anomaly}`")),
                "{name} lacks {anomaly}"
            );
        }
    }
}
