//! Set-full: every read counts.

use std::collections::BTreeMap;

use super::gather::{Object, Sets};
use super::track::{Element, Tracked};
use crate::calls::{Calls, NEVER, Rank};
use crate::counts::Counts;
use crate::explain::of_calls;
use crate::history::{Kind, Value};
use crate::linearizable::grouping::{at, word};
use crate::percentile::percentile;
use crate::{Anomaly, Budget, Checker, Report, Verdict};

/// Judges sets by all reads of them; see the [module](super).
///
/// **Figures**: `sets`, `reads`, `elements`, `stable`, `stale`, `lost`, `never_read`,
/// `recovered` (stable, of unknown outcome), `removed`, `flickering`, `duplicate`, `dirty`,
/// `phantom`, `elements_skipped`, `sets_skipped`; `stable_latency_p50_us` and `_p95`, `_p99`,
/// `_max` (from when an element was known to the last read that lacks it), the same of
/// `lost_latency` (to the last read that shows it); `by_node`, a map from the node that answered
/// to its `reads`, and to how many elements were `stale` or `lost` by its answer and the
/// longest `stable_latency_max_us` of these.
#[derive(Clone, Copy, Debug, Default)]
pub struct SetFull {
    /// Whether what is known must be in every read that begins later.
    pub linearizable: bool,
}

impl SetFull {
    /// How many anomalies of each name are written out.
    pub const LISTED: usize = 20;
}

#[derive(Clone, Copy, Debug, Default)]
struct Node {
    reads: u64,
    stale: u64,
    lost: u64,
    longest: u64,
}

#[derive(Default)]
struct Tally {
    counts: Counts,
    stable_latencies: Vec<u64>,
    lost_latencies: Vec<u64>,
    nodes: Vec<Node>,
    anomalies: BTreeMap<&'static str, Vec<Anomaly>>,
    why: Option<String>,
}

impl Tally {
    fn add(&mut self, name: &'static str, count: usize) {
        self.counts.add(name, count);
    }

    fn of(&self, name: &str) -> usize {
        self.counts.of(name)
    }

    fn list(&mut self, name: &'static str, anomaly: impl FnOnce() -> Anomaly) {
        let list = self.anomalies.entry(name).or_default();
        if list.len() < SetFull::LISTED {
            list.push(anomaly());
        }
    }
}

impl Checker for SetFull {
    fn name(&self) -> &str {
        "set-full"
    }

    fn judge(&self, calls: &Calls, budget: &Budget) -> Report {
        let sets = Sets::of(calls);
        let mut tally = Tally {
            nodes: vec![Node::default(); calls.nodes().len()],
            ..Tally::default()
        };
        let mut slots = vec![0_u32; calls.values.len()];
        for place in 0..sets.len() {
            if budget.is_spent() {
                let why = "the budget was spent before every set was judged";
                return Report::undecided(self.name(), why);
            }
            let object = sets.object(place);
            tally.add("sets", 1);
            if let Some((index, reason)) = &object.unreadable {
                tally.add("sets_skipped", 1);
                let key = calls.value(object.key);
                let why = format!("{key} cannot be judged for the call at index {index}: {reason}");
                tally.why.get_or_insert(why);
                continue;
            }
            let tracked = Tracked::of(calls, &object, &mut slots);
            self.count(calls, &object, &tracked, &mut tally);
        }
        self.report(calls, tally)
    }
}

impl SetFull {
    fn count(&self, calls: &Calls, object: &Object<'_>, tracked: &Tracked, tally: &mut Tally) {
        tally.add("reads", object.reads.len());
        for read in &object.reads {
            if let Some(node) = calls.node(read.call) {
                tally.nodes[usize::from(node)].reads += 1;
            }
        }
        let of = Judge {
            linearizable: self.linearizable,
            calls,
            object,
            tracked,
        };
        for &(element, turn) in &tracked.duplicates {
            tally.add("duplicate", 1);
            let value = tracked.elements[element as usize].value;
            tally.list("duplicate-element", || {
                let twice = format!("it returned {} twice.", word(calls, value));
                let read = object.reads[turn as usize].call;
                of.anomaly("duplicate-element", &[read], twice)
            });
        }
        for place in 0..tracked.elements.len() {
            of.element(place, tally);
        }
    }

    fn report(&self, calls: &Calls, mut tally: Tally) -> Report {
        let mut report = Report::new(self.name(), Verdict::Held);
        for name in [
            "sets",
            "sets_skipped",
            "reads",
            "elements",
            "elements_skipped",
            "stable",
            "stale",
            "lost",
            "never_read",
            "recovered",
            "removed",
            "flickering",
            "duplicate",
            "dirty",
            "phantom",
        ] {
            report.figure(name, tally.of(name));
        }
        for (name, list) in [
            ("stable_latency", &mut tally.stable_latencies),
            ("lost_latency", &mut tally.lost_latencies),
        ] {
            list.sort_unstable();
            for (percent, word) in [(50, "p50"), (95, "p95"), (99, "p99"), (100, "max")] {
                if let Some(latency) = percentile(list, percent) {
                    report.figure(&format!("{name}_{word}_us"), latency / 1_000);
                }
            }
        }
        let number = |number: u64| Value::Int(i64::try_from(number).unwrap_or(i64::MAX));
        let nodes = calls.nodes().iter().zip(&tally.nodes);
        let nodes = nodes
            .filter(|(_, node)| node.reads > 0)
            .map(|(name, node)| {
                let told = [
                    ("reads", number(node.reads)),
                    ("stale", number(node.stale)),
                    ("lost", number(node.lost)),
                    ("stable_latency_max_us", number(node.longest / 1_000)),
                ];
                (&**name, Value::map(told))
            });
        let nodes = Value::map(nodes);
        report.figures.insert("by_node".to_owned(), nodes);
        let strict = tally.of("stale") + tally.of("flickering");
        let bad = ["lost", "duplicate", "dirty", "phantom"].map(|name| tally.of(name));
        let bad = bad.iter().sum::<usize>() + if self.linearizable { strict } else { 0 };
        report.anomalies = tally.anomalies.into_values().flatten().collect();
        let why = if report.number("sets") == Some(0) {
            Some("needs adds to a set; there are none".to_owned())
        } else if tally.why.is_some() {
            tally.why
        } else if report.number("stable") == Some(0) {
            let why =
                "needs reads of sets that begin after their adds; no element was seen to stay";
            Some(why.to_owned())
        } else if report.number("elements_skipped") != Some(0) {
            Some("needs unique elements; some were added twice".to_owned())
        } else {
            None
        };
        if bad > 0 {
            report.verdict = Verdict::Violated;
        } else if why.is_some() {
            report.verdict = Verdict::Undecided;
            report.why = why;
        }
        report
    }
}

struct Judge<'a> {
    linearizable: bool,
    calls: &'a Calls,
    object: &'a Object<'a>,
    tracked: &'a Tracked,
}

impl Judge<'_> {
    fn anomaly(&self, name: &str, of: &[u32], conclusion: String) -> Anomaly {
        let mut of = of.to_vec();
        // What stands for all final reads is proven by all of them.
        if let Some(first) = self.object.finals.first()
            && of.contains(first)
        {
            of.extend(&self.object.finals);
            of.sort_unstable();
            of.dedup();
        }
        of_calls(self.calls, name, self.object.key, &of, conclusion)
    }

    fn read(&self, turn: usize) -> u32 {
        self.object.reads[turn].call
    }

    fn begins(&self, turn: Option<usize>) -> Option<Rank> {
        turn.map(|turn| self.object.reads[turn].begins)
    }

    /// The time from a rank to another, and nothing if that is earlier.
    fn between(&self, from: Rank, to: Rank) -> u64 {
        if from == NEVER {
            return 0;
        }
        self.calls.time(to).saturating_sub(self.calls.time(from))
    }

    fn element(&self, place: usize, tally: &mut Tally) {
        let calls = self.calls;
        let element = &self.tracked.elements[place];
        let shown = word(calls, element.value);
        let add = element.add();
        let outcome = add.map(|add| calls.outcome[add as usize]);
        if outcome.is_none_or(|outcome| outcome == Kind::Fail) {
            self.unasked(element, add, &shown, tally);
            return;
        }
        let Some(add) = add else { return };
        if element.is_repeated {
            tally.add("elements_skipped", 1);
            return;
        }
        tally.add("elements", 1);
        if element.first_end < calls.begins[add as usize] {
            tally.add("phantom", 1);
            let read = self.earliest(element);
            tally.list("phantom-read", || {
                let early = format!("it returned {shown}, whose add began only after it.");
                self.anomaly("phantom-read", &[read, add], early)
            });
        }
        let known = calls.ends[add as usize].min(element.first_end);
        let (present, absent) = (element.last_present(), element.last_absent());
        let (shows, lacks) = (self.begins(present), self.begins(absent));
        tally.add("removed", usize::from(self.tracked.is_removed(place)));
        if self.tracked.flickers(place, &self.object.reads) {
            tally.add("flickering", 1);
            if self.linearizable {
                let of: Vec<u32> = present
                    .into_iter()
                    .chain(absent)
                    .map(|t| self.read(t))
                    .collect();
                tally.list("flickering-element", || {
                    let gone = format!("{shown} was there, then it was not, then it was again.");
                    self.anomaly("flickering-element", &of, gone)
                });
            }
        }
        if shows.is_some() && lacks < shows {
            tally.add("stable", 1);
            tally.add("recovered", usize::from(calls.ends[add as usize] == NEVER));
            let latency = lacks.map_or(0, |lacks| self.between(known, lacks));
            tally.stable_latencies.push(latency);
            if let (Some(turn), Some(lacks)) = (absent, lacks)
                && lacks > known
            {
                tally.add("stale", 1);
                if let Some(node) = calls.node(self.read(turn)) {
                    let node = &mut tally.nodes[usize::from(node)];
                    node.stale += 1;
                    node.longest = node.longest.max(latency);
                }
                if self.linearizable {
                    tally.list("stale-element", || {
                        let when = at(calls, known);
                        let late = format!("{shown} was known{when}, yet the read lacks it.");
                        self.anomaly("stale-element", &[add, self.read(turn)], late)
                    });
                }
            }
        } else if let (Some(turn), Some(lacks)) = (absent, lacks)
            && known < lacks
            && shows.is_none_or(|shows| shows < lacks)
        {
            tally.add("lost", 1);
            let latency = shows.map_or(0, |shows| self.between(known, shows));
            tally.lost_latencies.push(latency);
            if let Some(node) = calls.node(self.read(turn)) {
                tally.nodes[usize::from(node)].lost += 1;
            }
            tally.list("lost-element", || {
                let of: Vec<u32> = present
                    .into_iter()
                    .chain([turn])
                    .map(|t| self.read(t))
                    .collect();
                let of: Vec<u32> = of.into_iter().chain([add]).collect();
                let when = at(calls, known);
                let gone = format!(
                    "{shown} was known{when}, yet the last read lacks it, and none shows it later."
                );
                self.anomaly("lost-element", &of, gone)
            });
        } else {
            tally.add("never_read", 1);
        }
    }

    /// An element that nobody added, or whose adds all failed.
    fn unasked(&self, element: &Element, add: Option<u32>, shown: &str, tally: &mut Tally) {
        if element.last_present().is_none() {
            return;
        }
        let read = self.earliest(element);
        if let Some(add) = add {
            tally.add("dirty", 1);
            tally.list("dirty-read", || {
                let failed = format!("it returned {shown} although its add failed.");
                self.anomaly("dirty-read", &[add, read], failed)
            });
        } else {
            tally.add("phantom", 1);
            tally.list("phantom-read", || {
                let unknown = format!("it returned {shown}, which nobody added.");
                self.anomaly("phantom-read", &[read], unknown)
            });
        }
    }

    /// The read that shows an element and ended first.
    fn earliest(&self, element: &Element) -> u32 {
        let shows = self
            .object
            .reads
            .iter()
            .filter(|read| read.ends == element.first_end);
        let mut shows = shows.filter(|read| read.items.contains(&element.value));
        shows.next().map_or_else(
            || self.read(element.last_present().unwrap_or(0)),
            |read| read.call,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::notation::h;

    fn judge(linearizable: bool, text: &str) -> Report {
        SetFull { linearizable }.check(&h(text), &Budget::unlimited())
    }

    fn names(report: &Report) -> Vec<&str> {
        report.anomalies.iter().map(|a| a.name.as_str()).collect()
    }

    #[test]
    fn elements_stay_are_late_or_lost() {
        let stable = judge(false, "0:a1 0:ok 1:rs 1:ok=[1]");
        assert_eq!(stable.verdict, Verdict::Held);
        let late = "0:a1 0:ok 1:rs 1:ok=[] 1:rs 1:ok=[1]";
        assert_eq!(judge(false, late).verdict, Verdict::Held);
        assert_eq!(judge(false, late).number("stale"), Some(1));
        assert_eq!(
            judge(false, late).number("stable_latency_max_us"),
            Some(1_000)
        );
        assert_eq!(names(&judge(true, late)), ["stale-element"]);
        let lost = judge(false, "0:a1 0:ok 1:rs 1:ok=[1] 1:rs 1:ok=[]");
        assert_eq!(names(&lost), ["lost-element"]);
        let unread = judge(false, "1:rs 1:ok=[] 0:a1 0:ok");
        assert_eq!(unread.verdict, Verdict::Undecided);
        assert_eq!(unread.number("never_read"), Some(1));
    }

    #[test]
    fn what_should_not_be_there_is_named() {
        let report = judge(false, "0:a1 0:ok 2:a2 2:fail 1:rs 1:ok=[1,1,2,7]");
        assert_eq!(
            names(&report),
            ["dirty-read", "duplicate-element", "phantom-read"]
        );
        let early = judge(false, "1:rs 1:ok=[1] 0:a1 0:ok 1:rs 1:ok=[1]");
        assert_eq!(names(&early), ["phantom-read"]);
    }

    #[test]
    fn flicker_counts_only_between_reads_that_do_not_overlap() {
        let plain = "0:a1 0:ok 1:rs 1:ok=[1] 1:rs 1:ok=[] 1:rs 1:ok=[1]";
        assert_eq!(judge(false, plain).number("flickering"), Some(1));
        assert_eq!(judge(false, plain).verdict, Verdict::Held);
        assert!(names(&judge(true, plain)).contains(&"flickering-element"));
        let overlapping = "0:a1 0:ok 1:rs 2:rs 1:ok=[1] 2:ok=[] 1:rs 1:ok=[1]";
        assert_eq!(judge(false, overlapping).number("flickering"), Some(0));
    }

    #[test]
    fn final_reads_count_as_one_of_what_any_node_has() {
        let apart = judge(false, "0:a1 0:ok%n1 8:frs%n1 8:ok=[] 9:frs%n2 9:ok=[1]");
        assert_eq!(apart.verdict, Verdict::Held, "{apart:#?}");
        let lost = judge(false, "0:a1 0:ok%n1 8:frs%n1 8:ok=[] 9:frs%n2 9:ok=[]");
        assert_eq!(names(&lost), ["lost-element"]);
        let unread = judge(false, "0:a1 0:ok%n1 9:frs%n2 9:ok=[]");
        assert_eq!(unread.verdict, Verdict::Undecided);
    }
}
