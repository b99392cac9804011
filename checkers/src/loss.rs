//! The data-loss ledger: what was acknowledged, and what became of it.
//!
//! **Claim**: nothing acknowledged is gone, and nothing is there that should not be, once
//! every fault is undone and the operator has read every object on every node.
//!
//! **Needs**: final reads ("final-read" of a register, "final-read-set" of a set) of every key
//! on every node. Every node that answered anybody counts as one that must have been read: what
//! is missing while a node could not be read, or what was acknowledged after the final reads of
//! its key began, is undecided. Values of one register and elements of one set are unique.
//!
//! | word | meaning |
//! |---|---|
//! | acknowledged | a write, compare-and-set or add that the client was told had happened |
//! | present | some node has it |
//! | replaced | no node has it, but some node has a value that may have replaced it |
//! | **lost** | no node has it, nor any value that can have replaced it: for every final value, a moment by which it certainly took effect comes before the lost write began; or it is an element that no node has |
//! | undecided | the final reads do not tell |
//! | recovered | its outcome was unknown, and some node has it; legal |
//! | **dirty** | it failed, and some node has it |
//! | **duplicate** | an element that a node returned twice |
//! | **phantom** | some node has it, and nobody wrote it |
//! | divergent | an acknowledged element that some nodes have and others lack, or a register of which nodes hold different values: counted apart, no loss |
//!
//! A final value that is a list stands for siblings: the node holds each of them.
//!
//! **Names**: "lost-write", "lost-element", "dirty-write", "phantom-value",
//! "duplicate-element"; every lost write with its key, value, node, times, the fault active when
//! it was acknowledged, and what the nemesis did next.
//!
//! **Figures**: `acknowledged`, `present`, `replaced`, `lost`, `undecided`, `recovered`,
//! `dirty`, `duplicate`, `phantom`, `divergent_elements`, `divergent_registers`,
//! `keys_finally_read`, `keys_with_loss`, `nodes`, `longest_loss_window_ms` (from the first to
//! the last acknowledgement of a lost write between two remedies of the nemesis),
//! `lost_by_node` (a map from the node that acknowledged), `lost_ids` and `divergent_ids` (lists
//! of `[key, value]`, at most [`Loss::IDS`] each).
//!
//! **Cost**: O(n log n) in operations and in elements finally read.
//!
//! **Source**: after Jepsen's set checker, extended to registers (the durability audit: an
//! acknowledged value certainly newer than all that is left).

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use crate::calls::Calls;
use crate::explain::{at, entries, ms, told};
use crate::faults::{self, Event, Window};
use crate::history::{Call, History, Kind, Nanos, Process, Value};
use crate::objects::{Action, BEFORE, FinalRead, Moment, Object, RegisterCall, SetAction, SetCall};
use crate::objects::{Typed, interval};
use crate::versions::Versions;
use crate::{Anomaly, Budget, Checker, Report, Verdict};

/// Keeps the ledger; see the [module](self).
#[derive(Clone, Copy, Debug, Default)]
pub struct Loss;

impl Loss {
    /// How many anomalies of each name are written out.
    pub const LISTED: usize = 50;

    /// How many identifiers the figures list.
    pub const IDS: usize = 100_000;
}

impl Checker for Loss {
    fn name(&self) -> &str {
        "loss"
    }

    fn judge(&self, calls: &Calls, budget: &Budget) -> Report {
        let history = &calls.whole();
        let typed = Typed::read(history);
        let events = faults::events(history);
        let mut ledger = Ledger {
            nodes: nodes(history),
            windows: faults::windows(&events),
            events,
            book: Book::default(),
        };
        let spoiled = typed.spoiled();
        for object in &typed.registers.list {
            if budget.is_spent() {
                let why = "the budget was spent before every key was audited";
                return Report::undecided(self.name(), why);
            }
            let finals = ledger.finals(typed.final_registers.get(object.key));
            ledger.register(object, &finals, spoiled.contains(object.key));
        }
        for object in &typed.sets.list {
            if budget.is_spent() {
                let why = "the budget was spent before every key was audited";
                return Report::undecided(self.name(), why);
            }
            let finals = ledger.finals(typed.final_sets.get(object.key));
            ledger.set(object, &finals, spoiled.contains(object.key));
        }
        ledger.report(self.name(), &typed)
    }
}

/// Every node that answered a client or was finally read.
fn nodes(history: &History) -> BTreeSet<&str> {
    let mut nodes = BTreeSet::new();
    for op in history.ops() {
        let counts = op.kind == Kind::Ok || op.f.as_str().starts_with("final-read");
        if let Some(node) = op.node.as_deref()
            && counts
            && op.process != Process::Nemesis
        {
            nodes.insert(node);
        }
    }
    nodes
}

/// What the nodes held of one key in the end.
#[derive(Default)]
struct Finals<'h> {
    /// By node: its last final read that was answered.
    held: BTreeMap<&'h str, (&'h Value, Call<'h>)>,
    /// Nodes of which no final read was answered.
    unread: Vec<String>,
    /// When the earliest of those reads began.
    began: Option<Nanos>,
}

#[derive(Default)]
struct Book<'h> {
    acknowledged: usize,
    present: usize,
    replaced: usize,
    undecided: usize,
    recovered: usize,
    dirty: usize,
    duplicate: usize,
    phantom: usize,
    divergent_registers: usize,
    keys_finally_read: usize,
    divergent: Vec<Value>,
    divergent_count: usize,
    lost: Vec<Lost<'h>>,
    /// The first reason for which something is undecided.
    why: Option<String>,
    others: Vec<Anomaly>,
}

struct Lost<'h> {
    key: &'h Value,
    value: &'h Value,
    call: Call<'h>,
    element: bool,
    /// What the nodes held instead, in words.
    instead: String,
    evidence: Vec<usize>,
}

struct Ledger<'h> {
    nodes: BTreeSet<&'h str>,
    events: Vec<Event<'h>>,
    windows: Vec<Window<'h>>,
    book: Book<'h>,
}

fn pair(key: &Value, value: &Value) -> Value {
    Value::List(vec![key.clone(), value.clone()])
}

impl<'h> Ledger<'h> {
    fn finals(&mut self, object: Option<&Object<'h, FinalRead<'h>>>) -> Finals<'h> {
        let mut finals = Finals::default();
        for read in object.map_or(&[][..], |object| &object.calls) {
            if let (Some(held), Some(node)) = (read.held, read.node) {
                finals.held.insert(node, (held, read.call));
            }
        }
        let unread = self
            .nodes
            .iter()
            .filter(|node| !finals.held.contains_key(**node));
        finals.unread = unread.map(ToString::to_string).collect();
        finals.began = finals.held.values().map(|(_, call)| call.invoke.time).min();
        self.book.keys_finally_read += usize::from(!finals.held.is_empty());
        finals
    }

    /// Whether something acknowledged and missing is certainly gone; if not, notes why.
    fn is_settled(&mut self, key: &Value, call: &Call<'h>, finals: &Finals<'h>) -> bool {
        let why = if finals.held.is_empty() {
            format!("{key} was read on no node after recovery")
        } else if !finals.unread.is_empty() {
            format!(
                "{key} could not be read on {} after recovery",
                finals.unread.join(", ")
            )
        } else if finals.began <= call.returned() {
            format!("{key} was written after the final reads began")
        } else {
            return true;
        };
        self.book.why.get_or_insert(why);
        false
    }

    fn anomaly(&mut self, name: &str, key: &Value, calls: &[&Call<'h>], conclusion: String) {
        if self
            .book
            .others
            .iter()
            .filter(|other| other.name == name)
            .count()
            >= Loss::LISTED
        {
            return;
        }
        let mut because: Vec<String> = calls.iter().map(|call| told(call)).collect();
        because.push(conclusion);
        self.book.others.push(Anomaly {
            name: name.to_owned(),
            key: Some(key.clone()),
            ops: entries(calls),
            because,
        });
    }

    fn register(
        &mut self,
        object: &Object<'h, RegisterCall<'h>>,
        finals: &Finals<'h>,
        spoiled: bool,
    ) {
        let versions = Versions::of(&object.calls);
        let key = object.key;
        if spoiled || versions.repeated().is_some() {
            let why = format!("{key} was written the same value twice, or by an unknown operation");
            self.book.why.get_or_insert(why);
            let writes = object
                .calls
                .iter()
                .filter(|call| is_acknowledged_write(call))
                .count();
            self.book.acknowledged += writes;
            self.book.undecided += writes;
            return;
        }
        // Each final value, with whoever holds it.
        let mut held: BTreeMap<&'h Value, (&'h str, Call<'h>)> = BTreeMap::new();
        let mut whole: HashSet<&'h Value> = HashSet::new();
        for (&node, &(value, call)) in &finals.held {
            whole.insert(value);
            for sibling in value.as_list().unwrap_or(std::slice::from_ref(value)) {
                held.entry(sibling).or_insert((node, call));
            }
        }
        self.book.divergent_registers += usize::from(whole.len() > 1);
        for (&value, (node, read)) in held.iter().filter(|(value, _)| ***value != Value::Nil) {
            let version = versions.id(value).map(|id| &versions.list[id]);
            let failed = version.and_then(|version| version.failed_writer);
            if version.is_some_and(|version| version.writers > 0) {
                continue;
            }
            if let Some(failed) = failed {
                self.book.dirty += 1;
                let write = &object.calls[failed].call;
                let text = format!("{node} has it all the same.");
                self.anomaly("dirty-write", key, &[write, read], text);
            } else {
                self.book.phantom += 1;
                let text = format!("{node} has {value}, which nobody wrote.");
                self.anomaly("phantom-value", key, &[read], text);
            }
        }
        // The youngest of the final values: the latest moment by which one had taken effect.
        let youngest: Option<Moment> = held
            .keys()
            .map(|value| {
                versions
                    .id(value)
                    .map_or(Moment::MAX, |id| versions.list[id].f)
            })
            .max();
        for call in &object.calls {
            let (Action::Write(value) | Action::Cas { new: value, .. }) = call.action else {
                continue;
            };
            match call.call.outcome() {
                Kind::Info => self.book.recovered += usize::from(held.contains_key(value)),
                Kind::Invoke | Kind::Fail => {}
                Kind::Ok => {
                    self.book.acknowledged += 1;
                    let (began, _) = interval(&call.call);
                    if held.contains_key(value) {
                        self.book.present += 1;
                    } else if youngest.is_some_and(|youngest| youngest >= began) {
                        self.book.replaced += 1;
                    } else if !self.is_settled(key, &call.call, finals) {
                        self.book.undecided += 1;
                    } else {
                        let instead = finals.held.iter();
                        let instead =
                            instead.map(|(node, (value, _))| format!("{node} has {value}"));
                        let instead = instead.collect::<Vec<_>>().join(", ");
                        let taken = match youngest {
                            None | Some(BEFORE) => "nothing that was written is left".to_owned(),
                            Some(taken) => format!(
                                "all that is left had taken effect by {}, before the lost write \
                                 began",
                                at(taken)
                            ),
                        };
                        let mut evidence = final_entries(finals);
                        evidence.extend(makers(object, &versions, &held));
                        self.book.lost.push(Lost {
                            key,
                            value,
                            call: call.call,
                            element: false,
                            instead: format!("after recovery {instead}: {taken}."),
                            evidence,
                        });
                    }
                }
            }
        }
    }

    fn set(&mut self, object: &Object<'h, SetCall<'h>>, finals: &Finals<'h>, spoiled: bool) {
        let key = object.key;
        // For each element: how many nodes hold it, and a read that shows it.
        let mut holders: HashMap<&'h Value, (usize, &'h str, Call<'h>)> = HashMap::new();
        let mut order: Vec<&'h Value> = Vec::new();
        for (&node, (held, call)) in &finals.held {
            let mut here: HashSet<&'h Value> = HashSet::new();
            for element in held.as_list().unwrap_or(&[]) {
                if !here.insert(element) {
                    self.book.duplicate += 1;
                    let text = format!("{node} returned {element} twice.");
                    self.anomaly("duplicate-element", key, &[call], text);
                    continue;
                }
                let entry = holders.entry(element).or_insert_with(|| {
                    order.push(element);
                    (0, node, *call)
                });
                entry.0 += 1;
            }
        }
        let mut added: HashMap<&'h Value, Kind> = HashMap::new();
        for call in &object.calls {
            let SetAction::Add(element) = call.action else {
                continue;
            };
            let outcome = call.call.outcome();
            // Of several adds, one that did not fail is enough for the element to be there.
            if outcome != Kind::Fail || !added.contains_key(element) {
                added.insert(element, outcome);
            }
            let holding = holders.get(element).map_or(0, |(count, _, _)| *count);
            match outcome {
                Kind::Info => self.book.recovered += usize::from(holding > 0),
                Kind::Invoke | Kind::Fail => {}
                Kind::Ok => {
                    self.book.acknowledged += 1;
                    if holding > 0 {
                        self.book.present += 1;
                        if holding < finals.held.len() {
                            self.book.divergent_count += 1;
                            if self.book.divergent.len() < Loss::IDS {
                                self.book.divergent.push(pair(key, element));
                            }
                        }
                    } else if spoiled || !self.is_settled(key, &call.call, finals) {
                        self.book.undecided += 1;
                    } else {
                        let nodes: Vec<&str> = finals.held.keys().copied().collect();
                        let instead = format!("after recovery none of {} has it.", nodes.join(" "));
                        self.book.lost.push(Lost {
                            key,
                            value: element,
                            call: call.call,
                            element: true,
                            instead,
                            evidence: final_entries(finals),
                        });
                    }
                }
            }
        }
        for element in order {
            let (_, node, read) = holders[element];
            match added.get(element) {
                Some(Kind::Fail) => {
                    self.book.dirty += 1;
                    let text = format!("{node} has {element} although its add failed.");
                    let add = object.calls.iter().find(
                        |call| matches!(call.action, SetAction::Add(other) if other == element),
                    );
                    let calls: Vec<&Call<'h>> = add
                        .map(|add| &add.call)
                        .into_iter()
                        .chain([&read])
                        .collect();
                    self.anomaly("dirty-write", key, &calls, text);
                }
                Some(_) => {}
                None if spoiled => {}
                None => {
                    self.book.phantom += 1;
                    let text = format!("{node} has {element}, which nobody added.");
                    self.anomaly("phantom-value", key, &[&read], text);
                }
            }
        }
    }

    /// A lost write, with what the nemesis was doing and did next.
    fn explain(&self, lost: &Lost<'h>) -> Anomaly {
        let ack = lost.call.returned().expect("a lost write was acknowledged");
        let mut because = vec![told(&lost.call)];
        for window in &self.windows {
            if window.from <= ack && window.to.is_none_or(|to| to >= ack) {
                let fault = window.event.in_words();
                because.push(format!("{fault} was in force, since {}.", ms(window.from)));
            }
        }
        let later = self
            .events
            .iter()
            .filter(|event| event.f != "phase" && event.began > ack);
        for event in later.take(3) {
            let (after, what) = (ms(event.began - ack), event.in_words());
            because.push(format!("{after} after the acknowledgement came {what}."));
        }
        because.push(lost.instead.clone());
        let mut ops = entries(&[&lost.call]);
        ops.extend(&lost.evidence);
        ops.sort_unstable();
        let name = if lost.element {
            "lost-element"
        } else {
            "lost-write"
        };
        Anomaly {
            name: name.to_owned(),
            key: Some(lost.key.clone()),
            ops,
            because,
        }
    }

    /// The longest time from the first to the last acknowledgement of a lost write, between
    /// two remedies.
    fn longest_window(&self) -> Nanos {
        let remedies: Vec<Nanos> = self.windows.iter().filter_map(|window| window.to).collect();
        let mut spans: BTreeMap<usize, (Nanos, Nanos)> = BTreeMap::new();
        for lost in &self.book.lost {
            let ack = lost.call.returned().expect("a lost write was acknowledged");
            let group = remedies.iter().filter(|&&remedy| remedy <= ack).count();
            let span = spans.entry(group).or_insert((ack, ack));
            *span = (span.0.min(ack), span.1.max(ack));
        }
        spans
            .values()
            .map(|(first, last)| last - first)
            .max()
            .unwrap_or(0)
    }

    fn report(mut self, name: &str, typed: &Typed<'h>) -> Report {
        let mut report = Report::new(name, Verdict::Held);
        self.book
            .lost
            .sort_by_key(|lost| lost.call.complete.map(|op| op.index));
        report.figure("longest_loss_window_ms", self.longest_window() / 1_000_000);
        report.figure("nodes", self.nodes.len());
        let listed = self.book.lost.iter().take(Loss::LISTED);
        report.anomalies = listed.map(|lost| self.explain(lost)).collect();
        let book = self.book;
        report.anomalies.extend(book.others);
        report.figure("acknowledged", book.acknowledged);
        report.figure("present", book.present);
        report.figure("replaced", book.replaced);
        report.figure("lost", book.lost.len());
        report.figure("undecided", book.undecided);
        report.figure("recovered", book.recovered);
        report.figure("dirty", book.dirty);
        report.figure("duplicate", book.duplicate);
        report.figure("phantom", book.phantom);
        report.figure("divergent_elements", book.divergent_count);
        report.figure("divergent_registers", book.divergent_registers);
        report.figure("keys_finally_read", book.keys_finally_read);
        let keys: BTreeSet<(bool, &Value)> = book
            .lost
            .iter()
            .map(|lost| (lost.element, lost.key))
            .collect();
        report.figure("keys_with_loss", keys.len());
        let mut by_node: BTreeMap<&str, i64> = BTreeMap::new();
        for lost in &book.lost {
            let node = lost.call.node().map_or("unknown", |node| node);
            *by_node.entry(node).or_default() += 1;
        }
        let by_node = Value::map(by_node.into_iter().map(|(node, n)| (node, Value::Int(n))));
        let ids = book
            .lost
            .iter()
            .take(Loss::IDS)
            .map(|lost| pair(lost.key, lost.value));
        let lists = [
            ("lost_by_node", by_node),
            ("lost_ids", Value::List(ids.collect())),
            ("divergent_ids", Value::List(book.divergent)),
        ];
        report
            .figures
            .extend(lists.map(|(name, list)| (name.to_owned(), list)));
        let bad = book.lost.len() + book.dirty + book.duplicate + book.phantom;
        if bad > 0 {
            report.verdict = Verdict::Violated;
            return report;
        }
        let why = if book.acknowledged == 0 {
            let why = "nothing was acknowledged, so nothing could be lost";
            Some(typed.why_unreadable().unwrap_or_else(|| why.to_owned()))
        } else if book.keys_finally_read == 0 {
            Some("no node was read after recovery; only final reads can show a loss".to_owned())
        } else if book.undecided > 0 {
            let first = book.why.unwrap_or_default();
            Some(format!(
                "{} acknowledged writes can be neither found nor called lost; the first: {first}",
                book.undecided
            ))
        } else {
            typed.why_unreadable()
        };
        if why.is_some() {
            report.verdict = Verdict::Undecided;
            report.why = why;
        }
        report
    }
}

fn is_acknowledged_write(call: &RegisterCall<'_>) -> bool {
    call.call.outcome() == Kind::Ok && !matches!(call.action, Action::Read(_))
}

/// The entries that show when the values that are left took effect.
fn makers<'h>(
    object: &Object<'h, RegisterCall<'h>>,
    versions: &Versions<'h>,
    held: &BTreeMap<&'h Value, (&'h str, Call<'h>)>,
) -> Vec<usize> {
    let written = held.keys().filter_map(|value| versions.id(value));
    let made = written.filter_map(|id| {
        let version = &versions.list[id];
        let writer = object.calls[version.writer?].call;
        let late = interval(&writer).1 > version.f && version.reads > 0;
        let seen = late.then(|| object.calls[version.first_seen.call].call);
        Some([Some(writer), seen])
    });
    let calls: Vec<Call<'h>> = made.flatten().flatten().collect();
    entries(&calls.iter().collect::<Vec<_>>())
}

/// The final reads themselves, as evidence.
fn final_entries(finals: &Finals<'_>) -> Vec<usize> {
    let reads = finals.held.values();
    reads
        .filter_map(|(_, call)| call.complete.map(|op| op.index))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::notation::h;

    fn judge(text: &str) -> Report {
        Loss.check(&h(text), &Budget::unlimited())
    }

    fn names(report: &Report) -> Vec<&str> {
        report.anomalies.iter().map(|a| a.name.as_str()).collect()
    }

    #[test]
    fn what_is_there_in_the_end_is_not_lost() {
        let report = judge("0:w1 0:ok%n1 0:w2 0:ok%n1 8:fr%n1 8:ok=2 9:fr%n2 9:ok=2");
        assert_eq!(report.verdict, Verdict::Held, "{report:#?}");
        let figures = ["acknowledged", "present", "replaced", "lost"];
        assert_eq!(
            figures.map(|f| report.number(f)),
            [Some(2), Some(1), Some(1), Some(0)]
        );
    }

    #[test]
    fn a_write_newer_than_all_that_is_left_is_lost_and_named() {
        let report = judge(
            "n:partition=[n1] n:partition=[n1] 0:w1 0:ok%n1 0:w2 0:ok%n1 n:heal n:heal \
             n:promote=n2 n:promote=n2 8:fr%n1 8:ok=1 9:fr%n2 9:ok=1",
        );
        assert_eq!(report.verdict, Verdict::Violated);
        assert_eq!(report.number("lost"), Some(1));
        assert_eq!(names(&report), ["lost-write"]);
        assert_eq!(
            report.figures["lost_ids"],
            Value::List(vec![pair(&"x".into(), &Value::Int(2))])
        );
        let because = report.anomalies[0].because.join("\n");
        assert_eq!(
            because,
            "write 2 (p0, n1) ran from 4.000 ms to 5.000 ms and was acknowledged.\n\
             partition of n1 was in force, since 0.000 ms.\n\
             1.000 ms after the acknowledgement came heal.\n\
             3.000 ms after the acknowledgement came promote n2.\n\
             after recovery n1 has 1, n2 has 1: all that is left had taken effect by 3.000 ms, \
             before the lost write began."
        );
    }

    #[test]
    fn a_concurrent_write_may_have_replaced_it() {
        let report = judge("0:w1 1:w2 0:ok 1:ok 9:fr%n1 9:ok=1");
        assert_eq!(report.verdict, Verdict::Held);
        assert_eq!(report.number("replaced"), Some(1));
    }

    #[test]
    fn a_write_of_unknown_outcome_may_have_replaced_it_or_be_recovered() {
        let report = judge("1:w2 1:info 0:w1 0:ok 9:fr%n1 9:ok=2");
        assert_eq!(report.verdict, Verdict::Held);
        assert_eq!(report.number("replaced"), Some(1));
        assert_eq!(report.number("recovered"), Some(1));
    }

    #[test]
    fn a_value_held_by_one_node_is_not_lost_but_the_nodes_differ() {
        let report = judge("0:w1 0:ok 0:w2 0:ok 8:fr%n1 8:ok=1 9:fr%n2 9:ok=2");
        assert_eq!(report.verdict, Verdict::Held);
        assert_eq!(report.number("divergent_registers"), Some(1));
    }

    #[test]
    fn siblings_are_all_held() {
        let report = judge("0:w1 0:ok 0:w2 0:ok 8:fr%n1 8:ok=[1,2]");
        assert_eq!(report.number("present"), Some(2));
    }

    #[test]
    fn nothing_is_claimed_of_nodes_that_were_not_read() {
        let unread = judge("0:w1 0:ok%n2 8:fr%n1 8:ok=nil");
        assert_eq!(unread.verdict, Verdict::Undecided);
        assert!(unread.why.unwrap().contains("n2"));
        let failed = judge("0:a1 0:ok 8:frs%n1 8:ok=[] 9:frs%n2 9:fail");
        assert_eq!(failed.verdict, Verdict::Undecided);
        let never = judge("0:a1 0:ok");
        assert_eq!(never.verdict, Verdict::Undecided);
        assert!(never.why.unwrap().contains("no node was read"));
        let late = judge("8:frs%n1 0:a1 0:ok 8:ok=[]");
        assert_eq!(
            late.verdict,
            Verdict::Undecided,
            "added while the operator was reading"
        );
        let again = judge("0:a1 0:ok 9:frs%n2 9:fail 8:frs%n1 8:ok=[1] 9:frs%n2 9:ok=[1]");
        assert_eq!(again.verdict, Verdict::Held, "the second attempt counts");
    }

    #[test]
    fn nothing_acknowledged_decides_nothing() {
        let report = judge("0:a1 0:info 8:frs%n1 8:ok=[1]");
        assert_eq!(report.verdict, Verdict::Undecided);
        assert_eq!(report.number("recovered"), Some(1));
    }

    #[test]
    fn an_element_that_no_node_has_is_lost_and_one_that_some_lack_is_divergent() {
        let report =
            judge("0:a1 0:ok%n1 0:a2 0:ok%n2 0:a3 0:ok%n1 8:frs%n1 8:ok=[1] 9:frs%n2 9:ok=[1,2]");
        assert_eq!(report.number("lost"), Some(1));
        assert_eq!(names(&report), ["lost-element"]);
        assert_eq!(report.number("divergent_elements"), Some(1));
        let pair = pair(&"s".into(), &Value::Int(2));
        assert_eq!(report.figures["divergent_ids"], Value::List(vec![pair]));
    }

    #[test]
    fn what_should_not_be_there_is_named() {
        let set = judge("0:a1 0:ok 1:a2 1:fail 9:frs%n1 9:ok=[1,1,2,7]");
        assert_eq!(
            names(&set),
            ["duplicate-element", "dirty-write", "phantom-value"]
        );
        let dirty = judge("0:w1 0:ok 1:w2 1:fail 9:fr%n1 9:ok=2");
        assert_eq!(names(&dirty), ["dirty-write"]);
        let phantom = judge("0:w1 0:ok 9:fr%n1 9:ok=5");
        assert_eq!(names(&phantom), ["phantom-value"]);
    }

    #[test]
    fn the_loss_window_is_measured_between_remedies() {
        let report = judge(
            "n:kill n:kill 0:a1 0:ok +30 0:a2 0:ok n:start n:start \
             +500 n:kill n:kill 0:a3 0:ok n:start n:start 9:frs%n1 9:ok=[]",
        );
        assert_eq!(report.number("lost"), Some(3));
        assert_eq!(report.number("longest_loss_window_ms"), Some(32));
    }
}
