//! Which part each node played when, as far as the nemesis recorded it.
//!
//! Three kinds of entries tell: a fault that was aimed at the "leader" and names the one node
//! that it met; a "promote" that ended with the name of the new `leader`; and any entry whose
//! value maps names of nodes to maps with a `role`, as a status has it. What was told holds from
//! the nemesis's last act before it to the next act after it, as every act may move the lead;
//! while an act is under way nothing is known.

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
        for event in events {
            let before = stretches.len() - 1;
            if !only_tells(event.f.as_str()) {
                // Nothing is known from the beginning of an act to its end.
                begin(&mut stretches, event.began);
                begin(&mut stretches, event.ended.saturating_add(1));
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
            if let Value::Map(parts) = event.value {
                for (node, part) in parts {
                    if let Some(role) = part.get("role").and_then(Value::as_str) {
                        stretches[after].plays(node, role);
                    }
                }
            }
        }
        Self { stretches }
    }

    /// Whether anything is known of any node.
    pub(crate) fn is_silent(&self) -> bool {
        let told = |s: &Stretch| !s.doubtful && (s.leader.is_some() || !s.roles.is_empty());
        !self.stretches.iter().any(told)
    }
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
    fn two_leaders_at_once_tell_nothing() {
        let lead = || Value::map([("role", "leader".into())]);
        let both = Value::map([("n1", lead()), ("n2", lead())]);
        let said = said(&[("status", both)]);
        let roles = Roles::of(&said, &faults::events_of(said.iter()));
        assert!(roles.is_silent());
    }
}
