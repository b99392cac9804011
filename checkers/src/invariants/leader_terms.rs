//! At most one leader a term; the page is `checkers/pages/leader-terms.md`.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::findings::Findings;
use super::ordered::{Entry, sweep};
use crate::calls::Calls;
use crate::explain::time;
use crate::hash::Table;
use crate::history::{Kind, Nanos, Value};
use crate::{Anomaly, Budget, Checker, Report};

/// No two nodes lead in one term, and no node's term goes back.
#[derive(Clone, Copy, Debug, Default)]
pub struct LeaderTerms;

/// How many of the times with two leaders are listed.
const LISTED: usize = 5;

/// What a node said of itself.
#[derive(Clone, Copy, Debug)]
struct Status {
    node: u32,
    leads: bool,
    term: i64,
    source: Source,
}

/// Where it stands: the calls in order, and then what the nemesis heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Source {
    Call(u32),
    /// By its place in [`Statuses::heard`].
    Heard(u32),
}

/// What the nemesis heard between two entries, by index; or in one, so that only when it was
/// told is known.
#[derive(Clone, Copy, Debug)]
struct Heard {
    from: Nanos,
    to: Nanos,
    start: Option<usize>,
    end: usize,
}

/// The parts of a map from nodes to what each said; it may be empty.
fn of_several(value: &Value) -> Option<&BTreeMap<Arc<str>, Value>> {
    let Value::Map(parts) = value else {
        return None;
    };
    let maps = parts.values().all(|part| matches!(part, Value::Map(_)));
    maps.then_some(parts)
}

/// What a value says: the node, if it names one, whether it leads, and its term.
type Said = (Option<u32>, bool, i64);

#[derive(Debug, Default)]
struct Statuses {
    /// In the order of the times from which they may be.
    list: Vec<Status>,
    heard: Vec<Heard>,
    nodes: Vec<String>,
    by_name: HashMap<String, u32>,
    unreadable: usize,
}

impl Statuses {
    fn of(calls: &Calls) -> Self {
        let mut statuses = Self::default();
        for node in calls.nodes() {
            statuses.node(node);
        }
        if let Some(status) = calls.function("status") {
            let mut said: Table<u32, Option<Said>> = Table::default();
            let count = u32::try_from(calls.len()).expect("calls are numbered with 32 bits");
            for call in 0..count {
                let at = call as usize;
                if calls.f[at] != status || calls.outcome[at] != Kind::Ok {
                    continue;
                }
                let number = calls.result(call);
                let said = *said
                    .entry(number)
                    .or_insert_with(|| statuses.read(&calls.value(number)));
                // The places of the nodes are those of the calls.
                let node = calls.node(call).map(u32::from);
                statuses.add(said, node, Source::Call(call));
            }
        }
        statuses.of_nemesis(calls);
        let mut list = std::mem::take(&mut statuses.list);
        list.sort_unstable_by_key(|status| {
            let span = statuses.span(calls, status);
            (span, status.source, status.node)
        });
        statuses.list = list;
        statuses
    }

    /// Since when a status may be, and until when.
    fn span(&self, calls: &Calls, status: &Status) -> (Nanos, Nanos) {
        match status.source {
            Source::Call(call) => {
                let at = call as usize;
                (calls.time(calls.begins[at]), calls.time(calls.ends[at]))
            }
            Source::Heard(place) => {
                let heard = self.heard[place as usize];
                (heard.from, heard.to)
            }
        }
    }

    fn of_nemesis(&mut self, calls: &Calls) {
        let mut open: Option<(Nanos, usize)> = None;
        for op in calls.nemesis().iter().filter(|op| op.f == *"status") {
            let tells = matches!(op.value, Value::Map(_));
            let (from, start) = match (op.kind, open.take()) {
                (Kind::Fail, _) => continue,
                (_, Some((from, index))) if tells => (from, Some(index)),
                (_, _) if tells => (0, None),
                (_, _) => {
                    open = Some((op.time, op.index));
                    continue;
                }
            };
            let place = u32::try_from(self.heard.len()).expect("the nemesis hears little");
            self.heard.push(Heard {
                from,
                to: op.time,
                start,
                end: op.index,
            });
            if let Some(parts) = of_several(&op.value) {
                for (name, part) in parts {
                    let said = self.read(part);
                    let node = self.node(name);
                    self.add(said, Some(node), Source::Heard(place));
                }
                continue;
            }
            let said = self.read(&op.value);
            let node = op.node.as_deref().map(|node| self.node(node));
            self.add(said, node, Source::Heard(place));
        }
    }

    fn node(&mut self, name: &str) -> u32 {
        if let Some(place) = self.by_name.get(name) {
            return *place;
        }
        let place = u32::try_from(self.nodes.len()).expect("few nodes");
        self.nodes.push(name.to_owned());
        self.by_name.insert(name.to_owned(), place);
        place
    }

    fn read(&mut self, said: &Value) -> Option<Said> {
        let text = |name: &str| said.get(name).and_then(Value::as_str);
        let term = said.get("epoch").or_else(|| said.get("term"))?.as_int()?;
        let leads = matches!(text("role")?, "leader" | "primary" | "master");
        Some((text("node").map(|node| self.node(node)), leads, term))
    }

    fn add(&mut self, said: Option<Said>, node: Option<u32>, source: Source) {
        let Some((named, leads, term)) = said else {
            self.unreadable += 1;
            return;
        };
        let Some(node) = named.or(node) else {
            self.unreadable += 1;
            return;
        };
        self.list.push(Status {
            node,
            leads,
            term,
            source,
        });
    }

    /// The entry from which on a status may be, and that which tells it.
    fn entries(&self, calls: &Calls, status: &Status) -> (Option<usize>, Option<usize>) {
        match status.source {
            Source::Call(call) => (Some(calls.index(call)), calls.end_index(call)),
            Source::Heard(place) => {
                let heard = self.heard[place as usize];
                (heard.start, Some(heard.end))
            }
        }
    }

    fn sentence(&self, calls: &Calls, status: &Status) -> String {
        let untimed = calls.is_untimed();
        let role = if status.leads { "led" } else { "followed" };
        let (from, to) = self.span(calls, status);
        let to = time(to, untimed);
        let moment = match self.entries(calls, status) {
            (None, _) => format!("As told at {to},"),
            (Some(_), _) => format!("Between {} and {to}", time(from, untimed)),
        };
        let node = &self.nodes[status.node as usize];
        format!(
            "{moment} {node} said that it {role} in term {}.",
            status.term
        )
    }

    fn anomaly(&self, calls: &Calls, name: &str, of: [&Status; 2], conclusion: String) -> Anomaly {
        let mut because: Vec<String> = of.iter().map(|s| self.sentence(calls, s)).collect();
        because.push(conclusion);
        let entries = of.iter().map(|status| self.entries(calls, status));
        let mut ops: Vec<usize> = entries
            .flat_map(|(start, end)| start.into_iter().chain(end))
            .collect();
        ops.sort_unstable();
        ops.dedup();
        Anomaly {
            name: name.to_owned(),
            key: None,
            ops,
            because,
            cycle: Vec::new(),
        }
    }
}

impl Checker for LeaderTerms {
    fn name(&self) -> &'static str {
        "leader-terms"
    }

    fn judge(&self, calls: &Calls, _: &Budget) -> Report {
        let statuses = Statuses::of(calls);
        if statuses.list.is_empty() {
            let why = "needs answered entries of status that tell node, role and term";
            return Report::undecided(self.name(), why);
        }
        let asked: BTreeSet<u32> = statuses.list.iter().map(|status| status.node).collect();
        let mut findings = Findings::default();
        let mut leaders: BTreeMap<i64, &Status> = BTreeMap::new();
        let mut told: BTreeSet<(i64, u32)> = BTreeSet::new();
        let mut last: Vec<Option<i64>> = vec![None; statuses.nodes.len()];
        // Each node that leads where another was seen to lead is found once.
        let mut twice: BTreeSet<(i64, u32)> = BTreeSet::new();
        for status in &statuses.list {
            if last[status.node as usize].replace(status.term) != Some(status.term) {
                told.insert((status.term, status.node));
            }
            if !status.leads {
                continue;
            }
            let first = *leaders.entry(status.term).or_insert(status);
            if first.node != status.node && twice.insert((status.term, status.node)) {
                findings.add(|| {
                    let conclusion = format!(
                        "{} and {} both led in term {}.",
                        statuses.nodes[first.node as usize],
                        statuses.nodes[status.node as usize],
                        status.term
                    );
                    statuses.anomaly(calls, "two-leaders", [first, status], conclusion)
                });
            }
        }
        let pairs = statuses.go_back(calls, &mut findings);
        let asked_of_two = {
            let mut nodes: BTreeMap<i64, usize> = BTreeMap::new();
            for (term, _) in &told {
                *nodes.entry(*term).or_default() += 1;
            }
            let led = |(term, nodes): &(&i64, &usize)| **nodes > 1 && leaders.contains_key(term);
            nodes.iter().filter(led).count()
        };
        let lacking = if statuses.unreadable > 0 {
            Some(format!(
                "needs node, role and term (or epoch) in every status; {} lacked one",
                statuses.unreadable
            ))
        } else if asked_of_two == 0 {
            Some("needs a term with a leader in which two nodes told their role".to_owned())
        } else {
            None
        };
        let mut report = findings.report(self.name(), lacking);
        report.figure("statuses", statuses.list.len());
        report.figure("nodes", asked.len());
        report.figure("terms_with_a_leader", leaders.len());
        report.figure("terms_told_by_two_nodes", asked_of_two);
        report.figure("statuses_after_another_of_the_node", pairs);
        statuses.dual_leaders(calls, &mut report);
        report
    }
}

impl Statuses {
    /// Terms of one node that go back; how many could have.
    fn go_back(&self, calls: &Calls, findings: &mut Findings) -> usize {
        let all: Vec<Entry> = (0..)
            .zip(&self.list)
            .map(|(place, status)| Entry {
                object: status.node,
                value: status.term,
                call: place,
            })
            .collect();
        let span = |one: &Entry| self.span(calls, &self.list[one.call as usize]);
        let (begins, by) = (|one: &Entry| span(one).0, |one: &Entry| span(one).1);
        let mut pairs = 0;
        sweep(&all, by, all.iter().copied(), begins, |sooner, later| {
            pairs += 1;
            if later.value < sooner.value {
                findings.add(|| {
                    let of = [sooner.call, later.call].map(|place| &self.list[place as usize]);
                    let node = &self.nodes[later.object as usize];
                    let conclusion = format!(
                        "The term of {node} went back from {} to {}.",
                        sooner.value, later.value
                    );
                    self.anomaly(calls, "term-went-back", of, conclusion)
                });
            }
        });
        pairs
    }

    /// Figures: when two nodes certainly led at once, in different terms. From its first to its
    /// last word that it led in a term, a node certainly led.
    fn dual_leaders(&self, calls: &Calls, report: &mut Report) {
        let untimed = calls.is_untimed();
        let mut reigns: BTreeMap<(i64, u32), (Nanos, Nanos)> = BTreeMap::new();
        for status in self.list.iter().filter(|status| status.leads) {
            let reign = reigns.entry((status.term, status.node));
            let reign = reign.or_insert((Nanos::MAX, 0));
            let (from, to) = self.span(calls, status);
            *reign = (reign.0.min(to), reign.1.max(from));
        }
        let mut edges: Vec<(Nanos, bool, i64, u32)> = Vec::new();
        for (&(term, node), &(from, to)) in reigns.iter().filter(|(_, (from, to))| from < to) {
            edges.extend([(from, true, term, node), (to, false, term, node)]);
        }
        // What ends at a time is over before another begins.
        edges.sort_unstable();
        let mut leading: Vec<(i64, u32)> = Vec::new();
        let mut since: Option<Nanos> = None;
        let mut windows: Vec<(Nanos, Nanos, String)> = Vec::new();
        let mut who = String::new();
        for (at, begins, term, node) in edges {
            if begins {
                leading.push((term, node));
            } else {
                leading.retain(|other| *other != (term, node));
            }
            let nodes: BTreeSet<u32> = leading.iter().map(|(_, node)| *node).collect();
            match (since, nodes.len() > 1) {
                (None, true) => {
                    since = Some(at);
                    let told = leading.iter().map(|(term, node)| {
                        format!("{} in term {term}", self.nodes[*node as usize])
                    });
                    who = told.collect::<Vec<_>>().join(" and ");
                }
                (Some(from), false) => {
                    windows.push((from, at, std::mem::take(&mut who)));
                    since = None;
                }
                (None, false) | (Some(_), true) => {}
            }
        }
        let total: Nanos = windows.iter().map(|(from, to, _)| to - from).sum();
        report.figure("dual_leader_windows", windows.len());
        if !untimed {
            report.figure("dual_leader_us", total / 1_000);
        }
        windows.sort_by_key(|(from, to, _)| std::cmp::Reverse(to - from));
        let longest = windows.iter().take(LISTED).map(|(from, to, who)| {
            let (from, to) = (time(*from, untimed), time(*to, untimed));
            Value::str(&format!("{from} to {to}: {who}"))
        });
        report.figures.insert(
            "longest_dual_leaders".to_owned(),
            Value::List(longest.collect()),
        );
    }
}
