//! What the history says so far of nodes, faults, throughput and latency.

use std::collections::{BTreeMap, HashMap, VecDeque};

use checkers::history::{Kind, Nanos, Op, Process, Value};

use crate::watch::Watch;

/// Latencies of so long are told.
const RECENT: Nanos = 5_000_000_000;

const SECOND: Nanos = 1_000_000_000;

/// So many acts of the nemesis are kept.
const ACTS: usize = 50;

/// What undoes which fault.
const REMEDIES: [(&str, &str); 3] = [
    ("heal", "partition"),
    ("start", "kill"),
    ("resume", "pause"),
];

/// What is to be seen of a run.
#[derive(Debug, Default)]
pub struct View {
    pub(super) title: String,
    pub(super) phase: String,
    pub(super) now: Nanos,
    /// How many operations ended: well, certainly not, and who knows.
    pub(super) ended: [u64; 3],
    /// The same by second of the run.
    pub(super) by_second: Vec<[u64; 3]>,
    pub(super) nodes: BTreeMap<String, Node>,
    /// What is broken: the fault, of what, and since when.
    pub(super) broken: Vec<(String, String, Nanos)>,
    /// What the nemesis did and said, the last at the end.
    pub(super) acts: VecDeque<(Nanos, String)>,
    watch: Watch,
    taken: usize,
    open: HashMap<Process, Nanos>,
    /// When it ended, how long it took, and whether it only read.
    recent: VecDeque<(Nanos, Nanos, bool)>,
}

/// What is known of a node.
#[derive(Debug, Default)]
pub(super) struct Node {
    /// What it said that it is, and of which epoch or term.
    pub(super) role: Option<String>,
    /// Whether it did not answer when it was last asked what it is.
    pub(super) silent: bool,
    pub(super) answers: u64,
    pub(super) last_answer: Option<Nanos>,
}

impl View {
    /// Of a run of this name.
    #[must_use]
    pub fn new(title: &str) -> Self {
        Self {
            title: title.to_owned(),
            ..Self::default()
        }
    }

    /// A new phase of the run.
    pub fn phase(&mut self, phase: &str) {
        phase.clone_into(&mut self.phase);
    }

    /// Takes what is new in the history, all of which is `ops`.
    ///
    /// **Cost**: that of what is new; memory of what is open and what may still contradict it.
    pub fn take(&mut self, now: Nanos, ops: &[Op]) {
        self.now = now;
        for op in ops.get(self.taken..).unwrap_or_default() {
            self.watch.take(op);
            match op.process {
                Process::Nemesis => self.act(op),
                Process::Client(_) => self.call(op),
            }
        }
        self.taken = ops.len();
        while let Some((ended, ..)) = self.recent.front()
            && ended.saturating_add(RECENT) < now
        {
            self.recent.pop_front();
        }
    }

    fn call(&mut self, op: &Op) {
        if op.kind == Kind::Invoke {
            self.open.insert(op.process, op.time);
            return;
        }
        let how = match op.kind {
            Kind::Ok => 0,
            Kind::Fail => 1,
            Kind::Info | Kind::Invoke => 2,
        };
        self.ended[how] += 1;
        let second = usize::try_from(op.time / SECOND).unwrap_or(usize::MAX);
        if second < 1 << 20 {
            self.by_second
                .resize((second + 1).max(self.by_second.len()), [0; 3]);
            self.by_second[second][how] += 1;
        }
        let begun = self.open.remove(&op.process);
        if op.kind != Kind::Ok {
            return;
        }
        if let Some(begun) = begun {
            let reads = matches!(
                op.f.as_str(),
                "read" | "get" | "read-set" | "contains" | "poll"
            );
            self.recent
                .push_back((op.time, op.time.saturating_sub(begun), reads));
        }
        if let Some(name) = &op.node {
            let node = self.nodes.entry(name.to_string()).or_default();
            node.answers += 1;
            node.last_answer = Some(op.time);
        }
    }

    fn act(&mut self, op: &Op) {
        let f = op.f.as_str();
        self.roles(op);
        if matches!(f, "status" | "phase") {
            return;
        }
        let of = told(&op.value);
        let words = [f, &of].join(" ");
        let words = op
            .error
            .as_ref()
            .map_or(words.clone(), |error| format!("{words}: {error}"));
        // An act is told when it is ordered, and again when it is done: the later says more.
        if self
            .acts
            .back()
            .is_some_and(|(_, last)| last.split(' ').next() == Some(f))
        {
            self.acts.pop_back();
        }
        self.acts.push_back((op.time, words.trim_end().to_owned()));
        if self.acts.len() > ACTS {
            self.acts.pop_front();
        }
        if let Some((_, undone)) = REMEDIES.iter().find(|(remedy, _)| *remedy == f) {
            // What heals in the end heals all.
            let all = f == "heal" && self.phase == "heal";
            self.broken.retain(|(fault, ..)| fault != undone && !all);
        } else if f != "promote" && f != "final" {
            self.broken.retain(|(fault, ..)| fault != f);
            self.broken.push((f.to_owned(), of, op.time));
        }
    }

    /// What nodes said of themselves.
    fn roles(&mut self, op: &Op) {
        let Value::Map(said) = &op.value else {
            return;
        };
        let mut heard = Vec::new();
        for (name, status) in said {
            let Value::Map(fields) = status else {
                continue;
            };
            let Some(role) = fields.get("role").and_then(Value::as_str) else {
                continue;
            };
            let epoch = fields.get("epoch").or_else(|| fields.get("term"));
            let epoch = epoch.map_or(String::new(), |epoch| format!(" of {epoch}"));
            let node = self.nodes.entry(name.to_string()).or_default();
            node.role = Some(format!("{role}{epoch}"));
            heard.push(name.to_string());
        }
        if op.f == *"status" && !heard.is_empty() {
            for (name, node) in &mut self.nodes {
                node.silent = !heard.contains(name);
            }
        }
    }

    /// How many operations ended in each of the last whole seconds, at most so many.
    pub(super) fn throughput(&self, seconds: usize) -> &[[u64; 3]] {
        let now = usize::try_from(self.now / SECOND).unwrap_or(usize::MAX);
        let whole = self.by_second.get(..now).unwrap_or(&self.by_second);
        &whole[whole.len().saturating_sub(seconds)..]
    }

    /// Of the last seconds, the latency that so many percent stayed below; none if nothing was
    /// answered.
    pub(super) fn latency(&self, reads: bool, percent: usize) -> Option<Nanos> {
        let of = self.recent.iter().filter(|(.., read)| *read == reads);
        let mut all: Vec<Nanos> = of.map(|(_, latency, _)| *latency).collect();
        let at = all.len().checked_sub(1)? * percent / 100;
        Some(*all.select_nth_unstable(at).1)
    }

    /// The first contradiction among registers, if there was one.
    pub(super) fn finding(&self) -> Option<String> {
        self.watch.told()
    }
}

/// What an act was aimed at, or what came of it, in a few words.
fn told(value: &Value) -> String {
    match value {
        Value::Nil => String::new(),
        Value::Str(text) => text.to_string(),
        Value::List(items) => {
            let items: Vec<String> = items.iter().map(told).collect();
            items.join(", ")
        }
        Value::Map(fields) => {
            let fields = fields
                .iter()
                .filter(|(_, value)| !matches!(value, Value::Map(_)));
            let fields: Vec<String> = fields
                .map(|(key, value)| format!("{key} {}", told(value)))
                .collect();
            fields.join(", ")
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::Arc;

    use checkers::history::F;

    use super::*;

    fn op(process: Process, kind: Kind, f: &'static str, ms: u64, value: Value) -> Op {
        Op {
            index: 0,
            time: ms * 1_000_000,
            process,
            kind,
            f: F::new(f),
            key: Some(Value::str("x")),
            value,
            node: Some(Arc::from("n1")),
            error: None,
        }
    }

    pub(crate) fn history() -> Vec<Op> {
        let client = |kind, f, ms, value| op(Process::Client(0), kind, f, ms, value);
        let nemesis = |f, ms, value| op(Process::Nemesis, Kind::Info, f, ms, value);
        let map = |fields: Vec<(&str, Value)>| {
            Value::Map(
                fields
                    .into_iter()
                    .map(|(key, value)| (key.into(), value))
                    .collect(),
            )
        };
        let says = |role, epoch| {
            map(vec![
                ("role", Value::str(role)),
                ("epoch", Value::Int(epoch)),
            ])
        };
        let all = map(vec![("n1", says("leader", 1)), ("n2", says("follower", 1))]);
        let one = map(vec![("n2", says("leader", 2))]);
        let cut = Value::List(vec![Value::str("n1")]);
        let mut ops = vec![
            nemesis("status", 0, all),
            client(Kind::Invoke, "write", 10, Value::Int(1)),
            client(Kind::Ok, "write", 20, Value::Int(1)),
            client(Kind::Invoke, "read", 1_100, Value::Nil),
            client(Kind::Ok, "read", 1_103, Value::Int(1)),
            nemesis("kill", 1_200, cut.clone()),
            nemesis("kill", 1_250, cut),
            nemesis("status", 1_300, one),
            client(Kind::Invoke, "write", 1_400, Value::Int(2)),
            client(Kind::Info, "write", 1_900, Value::Int(2)),
        ];
        for (index, op) in ops.iter_mut().enumerate() {
            op.index = index;
        }
        ops
    }

    #[test]
    fn nodes_faults_and_latencies_are_told() {
        let mut view = View::new("demo");
        let ops = history();
        // Entries are taken once, however they come.
        view.take(1_000_000_000, &ops[..3]);
        view.take(2_500_000_000, &ops);
        assert_eq!(view.ended, [2, 0, 1]);
        assert_eq!(view.throughput(10), [[1, 0, 0], [1, 0, 1]]);
        assert_eq!(view.throughput(1), [[1, 0, 1]]);
        assert_eq!(view.latency(true, 50), Some(3_000_000));
        assert_eq!(view.latency(false, 99), Some(10_000_000));
        let (n1, n2) = (&view.nodes["n1"], &view.nodes["n2"]);
        assert_eq!((n1.role.as_deref(), n1.silent), (Some("leader of 1"), true));
        assert_eq!(
            (n2.role.as_deref(), n2.silent),
            (Some("leader of 2"), false)
        );
        assert_eq!(n1.answers, 2);
        assert_eq!(view.broken.len(), 1, "{:?}", view.broken);
        assert_eq!((&*view.broken[0].0, &*view.broken[0].1), ("kill", "n1"));
        assert_eq!(view.acts.len(), 1, "{:?}", view.acts);
        let started = op(
            Process::Nemesis,
            Kind::Info,
            "start",
            2_000,
            Value::str("n1"),
        );
        let mut ops = ops;
        ops.push(started);
        view.take(9_000_000_000, &ops);
        assert!(view.broken.is_empty(), "{:?}", view.broken);
        assert_eq!(view.latency(true, 50), None, "it is long ago");
        assert!(view.finding().is_none());
    }
}
