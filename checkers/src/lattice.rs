//! Guarantees on one lattice: which implies which, and what a run leaves of them.
//!
//! A level that is refuted takes every stronger one with it; one that stands carries every
//! weaker one. What a history says of several levels is summed up by the strongest that still
//! stand and the weakest that are refuted, [`Standing`].
//!
//! **Source**: the relations are those of Viotti and Vukolić, "Consistency in non-transactional
//! distributed storage systems", 2016, of Bouajjani, Enea, Guerraoui and Hamza, "On verifying
//! causal consistency", 2017, for the causal family, and of Adya, "Weak consistency", 1999, and
//! Cerone, Bernardi and Gotsman, "A framework for transactional consistency models with atomic
//! visibility", 2015, for transactions.

use serde::{Deserialize, Serialize};

use crate::{Report, Verdict};

/// A guarantee that a system may give.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Level {
    /// Its name.
    pub name: &'static str,
    /// What it is called elsewhere.
    pub also: &'static [&'static str],
    /// Its definition, in a paragraph.
    pub about: &'static str,
    /// The next weaker ones.
    pub implies: &'static [&'static str],
    /// Anomalies that refute it beyond those of its own checker.
    pub refuted_by: &'static [&'static str],
}

/// All levels, stronger ones first.
pub const LEVELS: &[Level] = &[
    Level {
        name: "strict-serializable",
        also: &["strong-serializable", "PL-SS"],
        about: "Transactions seem to run one after the other, and one that ended before another \
                began comes before it. It is linearizability for operations on many objects.",
        implies: &["serializable", "linearizable", "strong-snapshot-isolation"],
        refuted_by: &["causal-reverse"],
    },
    Level {
        name: "linearizable",
        also: &["atomic", "strong-consistency"],
        about: "Every operation seems to take effect at one instant between its start and its \
                end, on one copy of the data. What ended before something else began is seen by \
                it. The strongest guarantee for single objects; it holds of a system if and only \
                if it holds of each object.",
        implies: &["sequential", "no-stale-reads"],
        refuted_by: &[],
    },
    Level {
        name: "no-stale-reads",
        also: &["regular"],
        about: "No read returns a value that had certainly been replaced before the read began. \
                Weaker than linearizable: two reads that run while a value is replaced may see \
                the new one and then the old one.",
        implies: &[],
        refuted_by: &[],
    },
    Level {
        name: "sequential",
        also: &["sequentially-consistent", "SC"],
        about: "There is one order of all operations that explains every answer and keeps the \
                order in which each session asked. Sessions may lag behind real time, but no two \
                of them disagree about the order. It cannot be judged object by object.",
        implies: &["causal-convergence", "causal-memory"],
        refuted_by: &[],
    },
    Level {
        name: "causal-convergence",
        also: &["CCv", "causal+"],
        about: "Causal, and all sessions agree on one order of concurrent writes: each read \
                returns the last write, in that order, of those in its causal past.",
        implies: &[
            "causal",
            "monotonic-reads",
            "monotonic-writes",
            "writes-follow-reads",
        ],
        refuted_by: &[],
    },
    Level {
        name: "causal-memory",
        also: &["CM"],
        about: "Causal, and each session explains all that it ever read by one order of the \
                writes that it knows of. Two sessions may order concurrent writes differently.",
        implies: &["causal", "pram", "writes-follow-reads"],
        refuted_by: &[],
    },
    Level {
        name: "causal",
        also: &["CC", "causal-consistency"],
        about: "What an operation may have depended on is seen before it: an earlier operation \
                of the same session, the write that a read returned, and whatever those depended \
                on. Writes that know nothing of each other may be seen in any order.",
        implies: &["read-your-writes"],
        refuted_by: &[],
    },
    Level {
        name: "pram",
        also: &["FIFO", "pipelined-RAM"],
        about: "Each session explains its reads by one order of all writes in which the writes \
                of every single session keep their order. Sessions need not agree.",
        implies: &["read-your-writes", "monotonic-reads", "monotonic-writes"],
        refuted_by: &[],
    },
    Level {
        name: "read-your-writes",
        also: &["RYW"],
        about: "A session's reads are never older than what the session itself wrote before.",
        implies: &[],
        refuted_by: &[],
    },
    Level {
        name: "monotonic-reads",
        also: &["MR"],
        about: "A session's reads never go back: what an earlier read saw, later reads see, or \
                something newer.",
        implies: &[],
        refuted_by: &[],
    },
    Level {
        name: "monotonic-writes",
        also: &["MW"],
        about: "The writes of a session are seen by everybody in the order in which it wrote \
                them.",
        implies: &[],
        refuted_by: &[],
    },
    Level {
        name: "writes-follow-reads",
        also: &["WFR"],
        about: "Who sees a write also sees what its session had read before writing it.",
        implies: &[],
        refuted_by: &[],
    },
    Level {
        name: "serializable",
        also: &["PL-3"],
        about: "There is an order of the transactions, one after the other, that explains every \
                answer. Real time does not count: a transaction may see an old state.",
        implies: &["snapshot-isolation", "repeatable-read"],
        refuted_by: &["write-skew"],
    },
    Level {
        name: "strong-snapshot-isolation",
        also: &["strong-SI"],
        about: "Snapshot isolation whose snapshots are never older than what was committed \
                before the transaction began.",
        implies: &["snapshot-isolation"],
        refuted_by: &["causal-reverse"],
    },
    Level {
        name: "snapshot-isolation",
        also: &["SI", "PL-SI"],
        about: "Each transaction reads from one snapshot of the data, and of two concurrent \
                transactions that write the same object one fails. All transactions agree on \
                the order of the snapshots.",
        implies: &["parallel-snapshot-isolation", "prefix-consistency"],
        refuted_by: &["long-fork"],
    },
    Level {
        name: "prefix-consistency",
        also: &["PC"],
        about: "All transactions agree on the order of the snapshots that they read; concurrent \
                writes of the same object may overwrite each other.",
        implies: &["read-atomic"],
        refuted_by: &["long-fork"],
    },
    Level {
        name: "parallel-snapshot-isolation",
        also: &["PSI"],
        about: "As snapshot isolation, but two transactions may see independent commits in \
                different orders.",
        implies: &["read-atomic"],
        refuted_by: &[],
    },
    Level {
        name: "repeatable-read",
        also: &["PL-2.99"],
        about: "As serializable, for transactions that read objects by name: only what reads by \
                a condition may see other transactions' objects come and go.",
        implies: &["read-committed"],
        refuted_by: &["write-skew"],
    },
    Level {
        name: "read-atomic",
        also: &["RA"],
        about: "A transaction sees all of another one's writes or none of them.",
        implies: &["read-committed"],
        refuted_by: &["wrong-total"],
    },
    Level {
        name: "read-committed",
        also: &["PL-2"],
        about: "No transaction sees what another one wrote and then gave up, or overwrote \
                before it committed.",
        implies: &[],
        refuted_by: &["dirty-read"],
    },
];

/// The level of that name, or of another name that it has.
#[must_use]
pub fn find(name: &str) -> Option<&'static Level> {
    let same = |other: &&str| other.eq_ignore_ascii_case(name);
    LEVELS
        .iter()
        .find(|level| same(&level.name) || level.also.iter().any(same))
}

impl Level {
    /// The name of the checker that judges it, where there is one: its own, but for one.
    #[must_use]
    pub fn checker(&self) -> &'static str {
        match self.name {
            "no-stale-reads" => "stale",
            name => name,
        }
    }

    /// All that follow from it, itself first.
    ///
    /// # Panics
    ///
    /// Never: levels imply levels.
    #[must_use]
    pub fn weaker(&self) -> Vec<&'static Self> {
        let mut found: Vec<&'static Self> = find(self.name).into_iter().collect();
        let mut at = 0;
        while at < found.len() {
            for name in found[at].implies {
                let level = find(name).expect("levels imply levels");
                if !found.contains(&level) {
                    found.push(level);
                }
            }
            at += 1;
        }
        found
    }

    fn implies_all(&self, other: &Self) -> bool {
        self.weaker().iter().any(|level| level.name == other.name)
    }
}

/// What a history leaves of the levels that were judged.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// The strongest that were judged and stand, where something could have refuted them.
    pub stands: Vec<String>,
    /// The weakest that are refuted.
    pub refuted: Vec<String>,
    /// All that are refuted with those, because they are stronger.
    pub also_refuted: Vec<String>,
}

impl Standing {
    /// Sums up the reports of checkers; those that judge no level count by their anomalies.
    #[must_use]
    pub fn of(reports: &[Report]) -> Self {
        let reports = with_parts(reports);
        let verdict = |level: &Level| {
            let of_level = reports
                .iter()
                .find(|report| report.checker == level.checker());
            of_level.map(|report| report.verdict)
        };
        let has = |name: &str| {
            let mut anomalies = reports.iter().flat_map(|report| &report.anomalies);
            anomalies.any(|anomaly| anomaly.name == name)
        };
        let broken = |level: &Level| {
            verdict(level) == Some(Verdict::Violated)
                || level.refuted_by.iter().any(|name| has(name))
        };
        let refuted: Vec<&Level> = LEVELS
            .iter()
            .filter(|level| level.weaker().into_iter().any(broken))
            .collect();
        let weakest = |level: &&&Level| {
            let mut others = refuted.iter().filter(|other| other.name != level.name);
            !others.any(|other| level.implies_all(other))
        };
        let standing: Vec<&Level> = LEVELS
            .iter()
            .filter(|level| verdict(level) == Some(Verdict::Held) && !refuted.contains(level))
            .collect();
        let strongest = |level: &&&Level| {
            let mut others = standing.iter().filter(|other| other.name != level.name);
            !others.any(|other| other.implies_all(level))
        };
        let names = |levels: Vec<&&Level>| levels.iter().map(|l| l.name.to_owned()).collect();
        Self {
            stands: names(standing.iter().filter(strongest).collect()),
            refuted: names(refuted.iter().filter(weakest).collect()),
            also_refuted: names(refuted.iter().filter(|level| !weakest(level)).collect()),
        }
    }
}

/// The reports with their parts, and those of their parts.
fn with_parts(reports: &[Report]) -> Vec<&Report> {
    let all = reports
        .iter()
        .flat_map(|report| std::iter::once(report).chain(with_parts(&report.parts)));
    all.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Anomaly;

    fn report(name: &str, verdict: Verdict) -> Report {
        Report::new(name, verdict)
    }

    #[test]
    fn names_are_different_and_what_is_implied_exists_and_stands_lower() {
        let mut names: Vec<&str> = Vec::new();
        for level in LEVELS {
            names.push(level.name);
            names.extend(level.also);
            for weaker in level.weaker() {
                let cycle = weaker.name != level.name && weaker.implies_all(level);
                assert!(!cycle, "{} and {}", level.name, weaker.name);
            }
        }
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all);
        assert_eq!(
            find("ryw").map(|level| level.name),
            Some("read-your-writes")
        );
        assert_eq!(find("no such level"), None);
    }

    #[test]
    fn a_refuted_level_takes_the_stronger_ones_with_it() {
        use Verdict::{Held, Undecided, Violated};
        let reports = [
            report("linearizable", Violated),
            report("stale", Violated),
            report("sequential", Undecided),
            report("causal", Held),
            report("monotonic-writes", Held),
            report("monotonic-reads", Violated),
        ];
        let standing = Standing::of(&reports);
        assert_eq!(standing.stands, ["causal", "monotonic-writes"]);
        assert_eq!(standing.refuted, ["no-stale-reads", "monotonic-reads"]);
        let also = [
            "strict-serializable",
            "linearizable",
            "sequential",
            "causal-convergence",
            "causal-memory",
            "pram",
        ];
        assert_eq!(standing.also_refuted, also);
    }

    #[test]
    fn parts_of_parts_count() {
        let mut sessions = report("sessions", Verdict::Violated);
        sessions.parts = vec![report("monotonic-writes", Verdict::Violated)];
        let standing = Standing::of(&[sessions]);
        assert_eq!(standing.refuted, ["monotonic-writes"]);
    }

    #[test]
    fn what_holds_carries_what_is_weaker_and_is_told_alone() {
        use Verdict::Held;
        let reports = [
            report("linearizable", Held),
            report("monotonic-reads", Held),
        ];
        assert_eq!(Standing::of(&reports).stands, ["linearizable"]);
        assert_eq!(Standing::of(&[]), Standing::default());
    }

    #[test]
    fn an_anomaly_refutes_what_forbids_it() {
        let mut bank = report("bank", Verdict::Violated);
        bank.anomalies.push(Anomaly {
            name: "long-fork".to_owned(),
            key: None,
            ops: Vec::new(),
            because: Vec::new(),
            cycle: Vec::new(),
        });
        let standing = Standing::of(&[bank]);
        assert_eq!(standing.refuted, ["prefix-consistency"]);
        assert!(standing.also_refuted.contains(&"serializable".to_owned()));
    }
}
