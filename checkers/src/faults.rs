//! When what was broken, and which part of the run was which, as the nemesis recorded it.

use std::collections::BTreeSet;

use crate::history::{F, History, Kind, Nanos, Op, Process, Value};

/// Something the nemesis did: asked for at `began`, done at `ended`.
#[derive(Clone, Debug)]
pub(crate) struct Event<'h> {
    pub(crate) f: &'h F,
    pub(crate) began: Nanos,
    pub(crate) ended: Nanos,
    /// What was done, or what was asked for if the end is missing.
    pub(crate) value: &'h Value,
    pub(crate) node: Option<&'h str>,
    pub(crate) index: usize,
    pub(crate) failed: bool,
}

/// What the nemesis did, in order.
///
/// Its entries come in pairs, or alone: an entry is an end if the one before it, phases apart,
/// is a start of the same function. What says what was done (`proven`) is never a start.
pub(crate) fn events(history: &History) -> Vec<Event<'_>> {
    events_of(history.nemesis())
}

/// The same of the entries of the nemesis alone, as [`Calls`](crate::calls::Calls) keep them.
pub(crate) fn events_of<'h>(said: impl IntoIterator<Item = &'h Op>) -> Vec<Event<'h>> {
    let mut events: Vec<Event<'_>> = Vec::new();
    let mut open: Option<(usize, &Op)> = None;
    for op in said {
        if let Some((event, start)) = open
            && start.f == op.f
            && op.kind != Kind::Invoke
        {
            let event = &mut events[event];
            event.ended = op.time;
            event.failed = op.kind == Kind::Fail || op.error.is_some();
            if op.value != Value::Nil {
                event.value = &op.value;
            }
            event.node = event.node.or(op.node.as_deref());
            open = None;
            continue;
        }
        if op.f != *"phase" {
            let done = op.value.get("proven").is_some();
            open = (!done).then_some((events.len(), op));
        }
        events.push(Event {
            f: &op.f,
            began: op.time,
            ended: op.time,
            value: &op.value,
            node: op.node.as_deref(),
            index: op.index,
            failed: op.error.is_some(),
        });
    }
    events
}

impl Event<'_> {
    /// The nodes it names, if it names any.
    pub(crate) fn nodes(&self) -> BTreeSet<&str> {
        let named = self.value.get("nodes").and_then(Value::as_list);
        let listed = named.or_else(|| self.value.as_list()).unwrap_or(&[]);
        let nodes = listed.iter().filter_map(Value::as_str);
        nodes.chain(self.node).collect()
    }

    /// "partition of n1 n2".
    pub(crate) fn in_words(&self) -> String {
        let nodes: Vec<&str> = self.nodes().into_iter().collect();
        if nodes.is_empty() {
            match self.value {
                Value::Str(text) => format!("{} {text}", self.f),
                _ => self.f.to_string(),
            }
        } else {
            format!("{} of {}", self.f, nodes.join(" "))
        }
    }
}

/// A time during which something was broken.
#[derive(Clone, Debug)]
pub(crate) struct Window<'h> {
    pub(crate) event: Event<'h>,
    pub(crate) from: Nanos,
    /// None if it was never undone.
    pub(crate) to: Option<Nanos>,
}

/// What undoes each fault.
const REMEDIES: [(&str, &str); 5] = [
    ("partition", "heal"),
    ("kill", "start"),
    ("pause", "resume"),
    ("clock", "reset-clock"),
    ("repeat", "repeat-no-more"),
];

/// The fault windows, from a fault's start to the end of what undid it. A remedy that names
/// nodes ends the windows that name one of them, or none; one that names none ends all.
pub(crate) fn windows<'h>(events: &[Event<'h>]) -> Vec<Window<'h>> {
    let mut windows: Vec<Window<'h>> = Vec::new();
    for event in events.iter().filter(|event| !event.failed) {
        if REMEDIES.iter().any(|(fault, _)| event.f == fault) {
            windows.push(Window {
                event: event.clone(),
                from: event.began,
                to: None,
            });
        }
        let cured = REMEDIES.iter().find(|(_, remedy)| event.f == remedy);
        let Some((fault, _)) = cured else { continue };
        let nodes = event.nodes();
        for window in windows
            .iter_mut()
            .filter(|w| w.to.is_none() && w.event.f == fault)
        {
            let broken = window.event.nodes();
            if nodes.is_empty() || broken.is_empty() || !nodes.is_disjoint(&broken) {
                window.to = Some(event.ended);
            }
        }
    }
    windows
}

/// The time of the load: from the phase "load" to the phase after it, or from the first to the
/// last entry of a client where no phase is named. None without clients.
pub(crate) fn load(history: &History, events: &[Event<'_>]) -> Option<(Nanos, Nanos)> {
    let operator = |op: &&Op| op.f.as_str().starts_with("final-read");
    let client = |op: &&Op| op.process != Process::Nemesis && !operator(op);
    let first = history.ops().iter().find(client)?.time;
    let last = history.ops().iter().rev().find(client)?.time;
    let phases: Vec<&Event<'_>> = events.iter().filter(|event| event.f == "phase").collect();
    let name = |event: &Event<'_>| event.value.as_str().map(str::to_owned);
    let Some(start) = phases
        .iter()
        .position(|event| name(event).as_deref() == Some("load"))
    else {
        return Some((first, last));
    };
    let from = phases[start].began;
    let end = phases[start + 1..]
        .iter()
        .find(|event| name(event).as_deref() != Some("load"))
        .map_or(last, |event| event.began);
    Some((from, end.max(from)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::notation::h;

    fn spans(text: &str) -> Vec<(String, Nanos, Option<Nanos>)> {
        let history = h(text);
        let events = events(&history);
        let ms = |time| time / 1_000_000;
        let windows = windows(&events).into_iter();
        windows
            .map(|w| (w.event.in_words(), ms(w.from), w.to.map(ms)))
            .collect()
    }

    #[test]
    fn entries_come_in_pairs_or_alone() {
        let pairs = spans("n:kill=[n1] n:kill=[n1] n:start n:start");
        assert_eq!(pairs, [("kill of n1".to_owned(), 0, Some(3))]);
        let alone = spans("n:kill=[n1] n:start +5 n:kill=[n2] n:start");
        let expected = [
            ("kill of n1".to_owned(), 0, Some(1)),
            ("kill of n2".to_owned(), 7, Some(8)),
        ];
        assert_eq!(alone, expected);
    }

    #[test]
    fn a_remedy_mends_its_own_fault_and_its_own_nodes() {
        let text = "n:pause=[n1] n:pause=[n1] n:kill=[n2] n:kill=[n2] n:kill=[n3] n:kill=[n3] \
                    n:start=[n2] n:start=[n2]";
        let expected = [
            ("pause of n1".to_owned(), 0, None),
            ("kill of n2".to_owned(), 2, Some(7)),
            ("kill of n3".to_owned(), 4, None),
        ];
        assert_eq!(spans(text), expected);
    }

    #[test]
    fn the_load_is_the_phase_of_that_name_or_all_there_is() {
        let load_of = |text: &str| {
            let history = h(text);
            let load = load(&history, &events(&history));
            load.map(|(from, to)| (from / 1_000_000, to / 1_000_000))
        };
        assert_eq!(
            load_of("n:phase=load 0:r 0:ok=nil n:phase=heal 0:r 0:ok=nil"),
            Some((0, 3))
        );
        let pairs = "n:phase=load n:phase=load 0:r 0:ok=nil n:phase=heal n:phase=heal";
        assert_eq!(load_of(pairs), Some((0, 4)));
        assert_eq!(load_of("n:kill 0:r 0:ok=nil 9:fr 9:ok=nil"), Some((1, 2)));
        assert_eq!(load_of("n:kill"), None);
    }
}
