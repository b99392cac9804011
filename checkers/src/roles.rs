//! Which part each node played when, as far as the nemesis recorded it.
//!
//! Three kinds of entries tell: a fault that was aimed at the "leader" and names the one node
//! that it met; a "promote" that ended with the name of the new `leader`; and any entry whose
//! value maps names of nodes to maps with a `role`, as a status has it. What was told holds from
//! the nemesis's last act before it to the next act after it, as every act may move the lead;
//! while an act is under way nothing is known. Nodes may move the lead themselves: between two
//! tellings that differ nothing is known either. Of several that say that they lead, the one with
//! the highest `epoch` does, and the others are deposed and do not know it yet.

use std::collections::BTreeMap;

use crate::faults::Event;
use crate::history::{Nanos, Op, Value};

/// A time between two acts of the nemesis, and who played which part.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stretch {
    pub(crate) from: Nanos,
    roles: BTreeMap<String, String>,
    leader: Option<String>,
    /// Two entries contradict each other.
    doubtful: bool,
}

/// The stretches of a history, in order; the first begins at zero.
#[derive(Clone, Debug)]
pub(crate) struct Roles {
    pub(crate) stretches: Vec<Stretch>,
}

const UNKNOWN: &str = "unknown";

/// Entries that change nothing.
fn only_tells(f: &str) -> bool {
    matches!(f, "phase" | "status")
}

impl Roles {
    /// From what the nemesis said.
    ///
    /// **Cost**: linear in its entries.
    pub(crate) fn of(said: &[Op], events: &[Event<'_>]) -> Self {
        let mut stretches = vec![Stretch::default()];
        let begin = |stretches: &mut Vec<Stretch>, from: Nanos| {
            stretches.push(Stretch {
                from,
                ..Stretch::default()
            });
        };
        // When the last stretch was last told of.
        let mut told_at = None;
        for event in events {
            let before = stretches.len() - 1;
            if !only_tells(event.f.as_str()) {
                // Nothing is known from the beginning of an act to its end.
                begin(&mut stretches, event.began);
                begin(&mut stretches, event.ended.saturating_add(1));
                told_at = None;
            }
            let after = stretches.len() - 1;
            let op = said.binary_search_by_key(&event.index, |op| op.index);
            if let Some(met) = op.ok().and_then(|at| met(&said[at], event)) {
                stretches[before].leads(met);
            }
            if event.f == "promote"
                && !event.failed
                && let Some(leader) = event.value.get("leader").and_then(Value::as_str)
            {
                stretches[after].leads(leader);
            }
            let parts = parts(event.value);
            if parts.is_empty() {
                continue;
            }
            let mut now = stretches[after].clone();
            parts.iter().for_each(|(node, role)| now.plays(node, role));
            if now.doubtful && !stretches[after].doubtful {
                // It changed after it was last told.
                if let Some(at) = told_at {
                    begin(&mut stretches, at);
                }
                stretches.last_mut().expect("there is one").doubtful = true;
                begin(&mut stretches, event.ended.saturating_add(1));
                now = stretches.last().expect("it was just begun").clone();
                parts.iter().for_each(|(node, role)| now.plays(node, role));
            }
            *stretches.last_mut().expect("there is one") = now;
            told_at = Some(event.ended.saturating_add(1));
        }
        Self { stretches }
    }

    /// Whether anything is known of any node.
    pub(crate) fn is_silent(&self) -> bool {
        let told = |s: &Stretch| !s.doubtful && (s.leader.is_some() || !s.roles.is_empty());
        !self.stretches.iter().any(told)
    }
}

/// The nodes that a status names, and the part that each plays.
fn parts(value: &Value) -> Vec<(&str, &str)> {
    let Value::Map(parts) = value else {
        return Vec::new();
    };
    let epoch = |part: &Value| part.get("epoch").and_then(Value::as_int);
    let leads = |part: &&Value| part.get("role").and_then(Value::as_str) == Some("leader");
    let leaders = parts.values().filter(leads);
    let highest = leaders.filter_map(epoch).max();
    let named = parts.iter().filter_map(|(node, part)| {
        let role = part.get("role").and_then(Value::as_str)?;
        let deposed = leads(&part) && epoch(part).is_some() && epoch(part) < highest;
        Some((&**node, if deposed { "deposed" } else { role }))
    });
    named.collect()
}

/// The one node that a fault aimed at the leader met.
fn met<'e>(op: &Op, event: &'e Event<'_>) -> Option<&'e str> {
    let target = |value: &Value| value.get("target").and_then(Value::as_str) == Some("leader");
    if event.failed || !target(&op.value) && !target(event.value) {
        return None;
    }
    let groups = event.value.get("groups").and_then(Value::as_list);
    let first = groups
        .and_then(|groups| groups.first())
        .and_then(Value::as_list);
    let listed = first.or_else(|| event.value.get("nodes").and_then(Value::as_list));
    match listed {
        Some([node]) => node.as_str(),
        _ => None,
    }
}

impl Stretch {
    fn leads(&mut self, node: &str) {
        let other = self.leader.as_deref().is_some_and(|other| other != node);
        let told = self.roles.get(node).is_some_and(|role| role != "leader");
        self.doubtful |= other || told;
        self.leader = Some(node.to_owned());
    }

    fn plays(&mut self, node: &str, role: &str) {
        if role == "leader" {
            return self.leads(node);
        }
        let leads = self.leader.as_deref() == Some(node);
        let before = self.roles.insert(node.to_owned(), role.to_owned());
        self.doubtful |= leads || before.is_some_and(|before| before != role);
    }

    /// The part that a node played: "leader"; what a status said; "other" for one that is not
    /// the leader, of which no more is known; or "unknown".
    pub(crate) fn role(&self, node: &str) -> &str {
        if self.doubtful {
            return UNKNOWN;
        }
        match (self.roles.get(node), self.leader.as_deref()) {
            (Some(role), _) => role,
            (None, Some(leader)) if leader == node => "leader",
            (None, Some(_)) => "other",
            (None, None) => UNKNOWN,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faults;
    use crate::history::{F, Kind, Process};

    fn said(entries: &[(&'static str, Value)]) -> Vec<Op> {
        let op = |(index, (f, value)): (usize, &(&'static str, Value))| Op {
            index,
            time: 10 * index as u64,
            process: Process::Nemesis,
            kind: Kind::Info,
            f: F::new(f),
            key: None,
            value: value.clone(),
            node: None,
            error: None,
        };
        entries.iter().enumerate().map(op).collect()
    }

    #[test]
    fn faults_promotions_and_statuses_tell_who_leads() {
        let nodes = |list: &[&str]| Value::List(list.iter().map(|node| (*node).into()).collect());
        let said = said(&[
            ("phase", "load".into()),
            ("kill", Value::map([("target", "leader".into())])),
            ("kill", Value::map([("nodes", nodes(&["n1"]))])),
            ("promote", Value::Nil),
            ("promote", Value::map([("leader", "n2".into())])),
            (
                "status",
                Value::map([("n3", Value::map([("role", "follower".into())]))]),
            ),
            ("heal", Value::Nil),
            ("heal", Value::Nil),
        ]);
        let roles = Roles::of(&said, &faults::events_of(said.iter()));
        assert!(!roles.is_silent());
        let role = |time: Nanos, node: &str| {
            let stretches = roles.stretches.iter();
            let at = stretches.rev().find(|stretch| stretch.from <= time);
            at.map(|stretch| stretch.role(node).to_owned())
                .unwrap_or_default()
        };
        assert_eq!([role(5, "n1"), role(5, "n2")], ["leader", "other"]);
        assert_eq!(role(15, "n1"), "unknown", "while it is killed");
        assert_eq!(role(25, "n1"), "unknown", "nobody said who leads then");
        assert_eq!(
            ["n1", "n2", "n3"].map(|node| role(45, node)),
            ["other", "leader", "follower"]
        );
        assert_eq!(role(75, "n2"), "unknown", "the heal may have changed it");
    }

    #[test]
    fn between_tellings_that_differ_nothing_is_known() {
        let told = |leaders: &[(&'static str, i64)]| {
            let part = |(node, epoch): &(&'static str, i64)| {
                let part = [("role", "leader".into()), ("epoch", Value::Int(*epoch))];
                (*node, Value::map(part))
            };
            let leaders: Vec<_> = leaders.iter().map(part).collect();
            ("status", Value::map(leaders))
        };
        let said = said(&[
            ("status", Value::Nil),
            told(&[("n1", 1)]),
            ("status", Value::Nil),
            told(&[("n1", 1)]),
            ("status", Value::Nil),
            told(&[("n1", 1), ("n2", 2)]),
            ("status", Value::Nil),
            told(&[("n1", 1), ("n2", 2)]),
        ]);
        let roles = Roles::of(&said, &faults::events_of(said.iter()));
        let role = |time: Nanos, node: &str| {
            let stretches = roles.stretches.iter();
            let at = stretches.rev().find(|stretch| stretch.from <= time);
            at.map(|stretch| stretch.role(node).to_owned())
                .unwrap_or_default()
        };
        assert_eq!(role(5, "n1"), "leader");
        assert_eq!(role(25, "n1"), "leader");
        assert_eq!(
            role(45, "n1"),
            "unknown",
            "n2 took over some time in between"
        );
        assert_eq!([role(65, "n1"), role(65, "n2")], ["deposed", "leader"]);
    }

    #[test]
    fn two_leaders_at_once_tell_nothing() {
        let lead = || Value::map([("role", "leader".into())]);
        let both = Value::map([("n1", lead()), ("n2", lead())]);
        let said = said(&[("status", both)]);
        let roles = Roles::of(&said, &faults::events_of(said.iter()));
        assert!(roles.is_silent());
    }
}
