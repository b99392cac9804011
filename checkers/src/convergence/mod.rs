#![doc = include_str!("../../pages/convergence.md")]

mod deletes;
mod finals;
mod object;
mod settling;
mod strong;

use std::collections::{BTreeMap, BTreeSet};

use deletes::Resurrected;
use finals::{Finals, Outcome};
use object::{Object, Roles};
use settling::Settled;
use strong::Pair;

use crate::calls::Calls;
use crate::explain::{anomaly, ms};
use crate::faults;
use crate::history::{Kind, Nanos, Value};
use crate::stale::quantile;
use crate::{Anomaly, Budget, Checker, Report, Verdict};

/// Judges whether all nodes became equal; see the [module](self).
#[derive(Clone, Copy, Debug, Default)]
pub struct Convergence;

impl Convergence {
    /// How many anomalies of each name are written out.
    pub const LISTED: usize = 20;

    /// How many differing keys the figures list.
    pub const KEYS: usize = 100;
}

/// What was found of all objects.
#[derive(Default)]
struct Book {
    changed: usize,
    acknowledged: usize,
    fully_read: usize,
    equal: usize,
    differing: usize,
    open: usize,
    /// The first reason for which something is open.
    why: Option<String>,
    /// The first object that some node was not asked for, and the node.
    unread: Option<String>,
    divergent: Vec<Anomaly>,
    keys: Vec<Value>,
    matrix: BTreeMap<(u16, u16), i64>,
    settled: Vec<Settled>,
    slowest: Option<(Nanos, Value)>,
    reads_of_states: usize,
    states_compared: usize,
    states: Vec<Anomaly>,
    state_conflicts: usize,
    reads_of_versions: usize,
    versions_compared: usize,
    versions: Vec<Anomaly>,
    version_conflicts: usize,
    deletes: usize,
    back: usize,
    resurrected: Vec<Anomaly>,
}

impl Checker for Convergence {
    fn name(&self) -> &str {
        "convergence"
    }

    fn judge(&self, calls: &Calls, budget: &Budget) -> Report {
        let roles = Roles::of(calls);
        let by_key = roles.by_key(calls);
        let nodes = nodes(calls);
        let mut book = Book::default();
        for (place, &key) in by_key.keys.iter().enumerate() {
            if budget.is_spent() {
                let why = "the budget was spent before every key was compared";
                return Report::undecided(self.name(), why);
            }
            let object = Object::of(calls, &roles, key, by_key.calls(place));
            book.add(calls, &object, &nodes);
        }
        book.report(self.name(), calls, &nodes)
    }
}

/// Every node that answered a client or was finally read.
fn nodes(calls: &Calls) -> BTreeSet<u16> {
    let finals = ["final-read", "final-read-set"].map(|name| calls.function(name));
    let mut nodes = vec![false; calls.nodes().len()];
    for call in 0..crate::by_key::narrow(calls.len()) {
        let at = call as usize;
        let counts = calls.outcome[at] == Kind::Ok || finals.contains(&Some(calls.f[at]));
        if let Some(node) = calls.node(call)
            && counts
        {
            nodes[usize::from(node)] = true;
        }
    }
    let used = (0..).zip(nodes).filter(|(_, used)| *used);
    used.map(|(node, _)| node).collect()
}

impl Book {
    fn add(&mut self, calls: &Calls, object: &Object, nodes: &BTreeSet<u16>) {
        let states = strong::states(calls, object);
        self.reads_of_states += states.reads;
        self.states_compared += states.compared;
        self.state_conflicts += states.pairs.len();
        tell(&mut self.states, states.pairs, |pair| {
            let why = "they saw the same updates, and different states.";
            told_pair(calls, object, "strong-divergence", &pair, why)
        });
        let versions = strong::versions(calls, object);
        self.reads_of_versions += versions.reads;
        self.versions_compared += versions.compared;
        self.version_conflicts += versions.pairs.len();
        tell(&mut self.versions, versions.pairs, |pair| {
            let why = "one version has two contents.";
            told_pair(calls, object, "version-conflict", &pair, why)
        });
        let (deletes, resurrected) = deletes::resurrected(calls, object);
        self.deletes += deletes;
        self.back += resurrected.len();
        tell(&mut self.resurrected, resurrected, |back| {
            told_back(calls, object, &back)
        });
        if object.changes.is_empty() {
            return;
        }
        self.changed += 1;
        let ok = |change: &&object::Change| calls.outcome[change.call as usize] == Kind::Ok;
        self.acknowledged += object.changes.iter().filter(ok).count();
        let finals = Finals::of(calls, object);
        if let Some(unread) = nodes.iter().find(|node| !finals.held.contains_key(node)) {
            self.unread.get_or_insert_with(|| {
                let node = &calls.nodes()[usize::from(*unread)];
                format!("{} on {node}", calls.value(object.key))
            });
        } else {
            self.fully_read += usize::from(!nodes.is_empty());
        }
        self.compare(calls, object, &finals);
        match finals.outcome {
            Outcome::Equal => {
                self.equal += usize::from(finals.held.len() > 1);
                if let Some(settled) = Settled::of(calls, object, &finals) {
                    let took = settled.after(settled.changed);
                    if self
                        .slowest
                        .as_ref()
                        .is_none_or(|(longest, _)| took.0 > *longest)
                    {
                        self.slowest = Some((took.0, calls.value(object.key)));
                    }
                    self.settled.push(settled);
                }
            }
            Outcome::Differ(one, other) => {
                self.differing += 1;
                if self.divergent.len() < Convergence::LISTED {
                    let told = told_divergence(calls, object, &finals, one, other);
                    self.divergent.push(told);
                }
            }
            Outcome::Open(why) => {
                self.open += 1;
                self.why
                    .get_or_insert_with(|| format!("{}: {why}", calls.value(object.key)));
            }
        }
    }

    /// Counts which nodes differ.
    fn compare(&mut self, calls: &Calls, object: &Object, finals: &Finals) {
        if finals.outcome == Outcome::Equal {
            return;
        }
        for (one, (_, contents)) in &finals.held {
            for (other, (_, others)) in &finals.held {
                if one != other && contents != others {
                    *self.matrix.entry((*one, *other)).or_default() += 1;
                }
            }
        }
        if self.keys.len() < Convergence::KEYS {
            self.keys.push(calls.value(object.key));
        }
    }

    fn report(self, name: &str, calls: &Calls, nodes: &BTreeSet<u16>) -> Report {
        let mut report = Report::new(name, Verdict::Held);
        self.figures(&mut report, calls, nodes);
        let conflicts = self.differing + self.state_conflicts + self.version_conflicts + self.back;
        let why = self.why_open(nodes);
        for anomalies in [self.divergent, self.resurrected, self.states, self.versions] {
            report.anomalies.extend(anomalies);
        }
        if conflicts > 0 {
            report.verdict = Verdict::Violated;
        } else if why.is_some() {
            report.verdict = Verdict::Undecided;
            report.why = why;
        }
        report
    }

    fn why_open(&self, nodes: &BTreeSet<u16>) -> Option<String> {
        if self.changed == 0 {
            let why = "nothing was changed, so the nodes had nothing to differ in";
            Some(why.to_owned())
        } else if self.fully_read == 0 && nodes.len() < 2 {
            let why = "needs final reads of every key on every node, and the names of two nodes";
            Some(why.to_owned())
        } else if let Some(unread) = &self.unread {
            Some(format!(
                "needs final reads of every key on every node; there is none of {unread}"
            ))
        } else if nodes.len() < 2 {
            Some("needs at least two nodes: only one was ever read".to_owned())
        } else if self.open > 0 {
            let first = self.why.as_deref().unwrap_or_default();
            Some(format!(
                "in {} keys nodes differ, and it may not last; the first, {first}",
                self.open
            ))
        } else if self.acknowledged == 0 {
            Some(
                "nothing was acknowledged, so the nodes may have had nothing to agree on"
                    .to_owned(),
            )
        } else {
            None
        }
    }

    fn figures(&self, report: &mut Report, calls: &Calls, nodes: &BTreeSet<u16>) {
        let counts = [
            ("keys_changed", self.changed),
            ("keys_fully_read", self.fully_read),
            ("keys_equal", self.equal),
            ("keys_differing", self.differing),
            ("keys_open", self.open),
            ("nodes", nodes.len()),
            ("acknowledged", self.acknowledged),
            ("reads_that_reveal_updates", self.reads_of_states),
            ("states_compared", self.states_compared),
            ("strong_divergences", self.state_conflicts),
            ("reads_that_reveal_versions", self.reads_of_versions),
            ("versions_compared", self.versions_compared),
            ("version_conflicts", self.version_conflicts),
            ("deletes_tested", self.deletes),
            ("resurrected", self.back),
            ("keys_timed", self.settled.len()),
        ];
        for (name, count) in counts {
            report.figure(name, count);
        }
        let names = calls.nodes();
        let mut matrix: BTreeMap<&str, BTreeMap<&str, i64>> = BTreeMap::new();
        for (one, other) in nodes
            .iter()
            .flat_map(|one| nodes.iter().map(move |other| (*one, *other)))
        {
            if one != other {
                let count = self.matrix.get(&(one, other)).copied().unwrap_or(0);
                let row = matrix.entry(&names[usize::from(one)]).or_default();
                row.insert(&names[usize::from(other)], count);
            }
        }
        let rows = matrix.into_iter().map(|(one, row)| {
            let row = row.into_iter().map(|(other, n)| (other, Value::Int(n)));
            (one, Value::map(row))
        });
        report
            .figures
            .insert("differing_by_nodes".to_owned(), Value::map(rows));
        report
            .figures
            .insert("differing_keys".to_owned(), Value::List(self.keys.clone()));
        self.times(report, calls);
    }

    /// How long it took after the last change of each key, and after the last remedy.
    fn times(&self, report: &mut Report, calls: &Calls) {
        if self.settled.is_empty() || calls.is_untimed() {
            return;
        }
        let both = |of: &dyn Fn(&Settled) -> (Nanos, Nanos)| {
            let (mut least, mut most): (Vec<_>, Vec<_>) = self.settled.iter().map(of).unzip();
            least.sort_unstable();
            most.sort_unstable();
            (least, most)
        };
        let mut tell = |after: &str, (least, most): (Vec<u64>, Vec<u64>)| {
            for (of, permille) in [("p50", 500), ("p99", 990), ("max", 1_000)] {
                let name = |bound: &str| format!("converged_{after}_{of}_{bound}_us");
                report.figure(&name("at_least"), quantile(&least, permille) / 1_000);
                report.figure(&name("at_most"), quantile(&most, permille).div_ceil(1_000));
            }
        };
        tell("after_last_write", both(&|s| s.after(s.changed)));
        if let Some(healed) = healed(calls) {
            tell("after_heal", both(&|s| s.after(healed.max(s.changed))));
        }
        if let Some((_, key)) = &self.slowest {
            report.figures.insert("slowest_key".to_owned(), key.clone());
        }
    }
}

/// When the last remedy was done.
fn healed(calls: &Calls) -> Option<Nanos> {
    let events = faults::events_of(calls.nemesis().iter());
    let remedies = events
        .iter()
        .filter(|event| ["heal", "start", "resume"].contains(&event.f.as_str()));
    remedies.map(|event| event.ended).max()
}

fn tell<T>(into: &mut Vec<Anomaly>, found: Vec<T>, told: impl Fn(T) -> Anomaly) {
    let room = Convergence::LISTED.saturating_sub(into.len());
    into.extend(found.into_iter().take(room).map(told));
}

fn told(calls: &Calls, object: &Object, name: &str, of: &[u32], conclusion: String) -> Anomaly {
    let ops: Vec<_> = of.iter().map(|&call| calls.ops(call)).collect();
    let ops: Vec<_> = ops.iter().map(|ops| calls.call(ops)).collect();
    let ops: Vec<_> = ops.iter().collect();
    anomaly(name, &calls.value(object.key), &ops, conclusion).1
}

fn told_pair(calls: &Calls, object: &Object, name: &str, pair: &Pair, why: &str) -> Anomaly {
    let results = [pair.first, pair.second].map(|read| calls.value(calls.result(read)));
    let [first, second] = results.map(|result| short(&result));
    let why = format!("{first} and {second}: {why}");
    told(calls, object, name, &[pair.first, pair.second], why)
}

fn short(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(200) {
        Some((cut, _)) => format!("{}…", &text[..cut]),
        None => text,
    }
}

fn told_back(calls: &Calls, object: &Object, back: &Resurrected) -> Anomaly {
    let value = calls.value(back.value);
    let conclusion = match back.absent {
        None => {
            format!("{value} is there again after recovery, though its delete was acknowledged.")
        }
        Some(_) => format!(
            "{value} was gone from this node after its delete was acknowledged, and came back."
        ),
    };
    let shown = [
        Some(back.add),
        Some(back.delete),
        back.absent,
        Some(back.present),
    ];
    let shown: Vec<u32> = shown.into_iter().flatten().collect();
    told(calls, object, "resurrected-delete", &shown, conclusion)
}

fn told_divergence(
    calls: &Calls,
    object: &Object,
    finals: &Finals,
    one: u16,
    other: u16,
) -> Anomaly {
    let reads = [one, other].map(|node| finals.held[&node].0);
    let held = |node: u16| {
        let contents = &finals.held[&node].1;
        let others = finals.held.iter().filter(|(other, _)| **other != node);
        let elsewhere = others.flat_map(|(_, (_, contents))| contents.values());
        let mut missing: Vec<u32> = elsewhere.copied().filter(|v| !contents.has(*v)).collect();
        missing.sort_unstable();
        missing.dedup();
        (contents.values().len(), missing)
    };
    let name = |node: u16| &*calls.nodes()[usize::from(node)];
    let told_node = |node: u16| {
        let (count, missing) = held(node);
        let first: Vec<String> = (missing.iter().take(5))
            .map(|&value| short(&calls.value(value)))
            .collect();
        if missing.is_empty() {
            format!("{} lacks nothing that others have", name(node))
        } else {
            let (lacks, first) = (missing.len(), first.join(", "));
            format!(
                "{} has {count} and lacks {lacks} that others have ({first})",
                name(node)
            )
        }
    };
    let ended = object
        .changes
        .iter()
        .map(|change| object::end(calls, change.call));
    let known = ended.filter(|end| *end != crate::calls::NEVER).max();
    let after = known.map_or(String::new(), |last| {
        let began = calls.time(finals.began(calls));
        let quiet = ms(began.saturating_sub(calls.time(last)));
        format!(", {quiet} after the last change that was acknowledged")
    });
    let conclusion = format!("{}; {}{after}.", told_node(one), told_node(other));
    told(calls, object, "divergence", &reads, conclusion)
}
