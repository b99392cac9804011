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
//! | replaced | no node has it, but some node has a value that may have replaced it, or its element was, or may have been, removed |
//! | replaced later | of these: what is left began to be written after it had been acknowledged |
//! | overwritten concurrently | of these: its write and that of what is left were concurrent, so that either may win by design (last write wins) |
//! | **lost** | no node has it, nor any value that can have replaced it: for every final value, a moment by which it certainly took effect comes before the lost write began; or it is an element that no node has |
//! | lost after seeing | of these: its own process had read or written a value that is left before it began, so that no clock skew excuses the loss |
//! | undecided | the final reads do not tell |
//! | recovered | its outcome was unknown, and some node has it; legal |
//! | **dirty** | it failed, and some node has it |
//! | **duplicate** | an element that a node returned twice |
//! | **phantom** | some node has it, and nobody wrote it |
//! | divergent | an acknowledged element that some nodes have and others lack, or a register of which nodes hold different values: counted apart, no loss |
//!
//! A final value that is a list stands for siblings: the node holds each of them.
//!
//! [`ledger`] gives every row, with the nodes that lack it, the faults around it and the
//! promotion after it; [`write_csv`] writes rows as a table.
//!
//! **Names**: "lost-write", "lost-element", "dirty-write", "phantom-value",
//! "duplicate-element"; every lost write with its key, value, node, times, the fault active when
//! it was acknowledged, what the nemesis did next, and where the logs ended if it promoted.
//!
//! **Figures**: `acknowledged`, `present`, `replaced`, `replaced_later`,
//! `overwritten_concurrently`, `lost`, `lost_after_seeing`, `undecided`, `recovered`, `dirty`,
//! `duplicate`, `phantom`, `divergent_elements`, `divergent_registers`, `keys_finally_read`,
//! `keys_with_loss`, `nodes`, `longest_loss_window_ms` (from the first to the last
//! acknowledgement of a lost write between two remedies of the nemesis), `loss_windows` (the
//! [`Loss::WINDOWS`] longest: `from_ms`, `to_ms`, `lost`, `faults`), `lost_by_node` (a map from
//! the node that acknowledged), `lost_ids` and `divergent_ids` (lists of `[key, value]`, at most
//! [`Loss::IDS`] each).
//!
//! **Cost**: linear in operations and in elements finally read.
//!
//! **Source**: after Jepsen's set checker, extended to registers (the durability audit: an
//! acknowledged value certainly newer than all that is left).

mod csv;
mod gather;
mod ledger;
mod registers;
mod sets;
mod windows;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

pub use csv::write_csv;
pub use ledger::{Fate, Ledger, Promotion, Row, ledger};
pub use windows::LossWindow;

use crate::calls::{BEFORE, Calls};
use crate::explain::{entries, ms, told};
use crate::history::Value;
use crate::{Anomaly, Budget, Checker, Report, Verdict};
use ledger::Stray;

/// Keeps the ledger; see the [module](self).
#[derive(Clone, Copy, Debug, Default)]
pub struct Loss;

impl Loss {
    /// How many anomalies of each name are written out.
    pub const LISTED: usize = 50;

    /// How many identifiers the figures list.
    pub const IDS: usize = 100_000;

    /// How many windows of loss the figures list.
    pub const WINDOWS: usize = 10;
}

impl Checker for Loss {
    fn name(&self) -> &str {
        "loss"
    }

    fn judge(&self, calls: &Calls, budget: &Budget) -> Report {
        let ledger = Ledger::until(calls, &mut || budget.is_spent());
        if ledger.is_cut_short {
            let why = "the budget was spent before every key was audited";
            return Report::undecided(self.name(), why);
        }
        report(self.name(), &ledger)
    }
}

fn pair(key: &Value, value: &Value) -> Value {
    Value::List(vec![key.clone(), value.clone()])
}

/// Calls in words, and the entries that are theirs.
fn words(calls: &Calls, of: &[u32]) -> (Vec<String>, Vec<usize>) {
    let ops: Vec<_> = of.iter().map(|&call| calls.ops(call)).collect();
    let ops: Vec<_> = ops.iter().map(|ops| calls.call(ops)).collect();
    let ops: Vec<_> = ops.iter().collect();
    (ops.iter().map(|call| told(call)).collect(), entries(&ops))
}

/// A lost write, with what the nemesis was doing and did next.
fn explain(ledger: &Ledger<'_>, row: &Row<'_>) -> Anomaly {
    let calls = ledger.calls;
    let call = row.call.expect("a lost write is a call");
    let ack = row.ended().expect("a lost write was acknowledged");
    let (mut because, mut ops) = words(calls, &[call]);
    for window in &ledger.faults {
        if window.from <= ack && window.to.is_none_or(|to| to >= ack) {
            let fault = window.event.in_words();
            because.push(format!("{fault} was in force, since {}.", ms(window.from)));
        }
    }
    let next = |event: &&crate::faults::Event<'_>| {
        event.f != "phase" && event.f != "status" && event.began > ack
    };
    for event in ledger.events.iter().filter(next).take(3) {
        let (after, what) = (ms(event.began - ack), event.in_words());
        because.push(format!("{after} after the acknowledgement came {what}."));
    }
    let positions = row.promotion().and_then(|promotion| promotion.positions());
    because.extend(positions.map(|positions| format!("{positions}.")));
    let key = calls.key[call as usize];
    let mut finals = ledger.finals_of(key, row.is_element).to_vec();
    finals.sort_by_key(|of| ledger.name(of.node));
    because.push(if row.is_element {
        let nodes: Vec<&str> = finals.iter().map(|of| ledger.name(of.node)).collect();
        format!("after recovery none of {} has it.", nodes.join(" "))
    } else {
        let instead = finals.iter().map(|of| {
            let (node, held) = (ledger.name(of.node), calls.value(of.held));
            format!("{node} has {held}")
        });
        let instead: Vec<String> = instead.collect();
        let left = &ledger.left[&key];
        let taken = if left.youngest == BEFORE {
            "nothing that was written is left".to_owned()
        } else {
            let taken = ms(calls.time(left.youngest));
            format!("all that is left had taken effect by {taken}, before the lost write began")
        };
        ops.extend(words(calls, &left.makers).1);
        format!("after recovery {}: {taken}.", instead.join(", "))
    });
    ops.extend(finals.iter().filter_map(|of| calls.end_index(of.call)));
    ops.sort_unstable();
    ops.dedup();
    let name = if row.is_element {
        "lost-element"
    } else {
        "lost-write"
    };
    Anomaly {
        name: name.to_owned(),
        key: Some(row.key()),
        ops,
        because,
        cycle: Vec::new(),
    }
}

/// What a node holds and should not.
fn explain_stray(ledger: &Ledger<'_>, stray: &Stray) -> Anomaly {
    let node = ledger.name(stray.node);
    let value = ledger.calls.value(stray.value);
    let of: Vec<u32> = stray.write.into_iter().chain([stray.read]).collect();
    let (mut because, ops) = words(ledger.calls, &of);
    let (name, conclusion) = match (stray.fate, stray.is_element) {
        (Fate::Dirty, true) => (
            "dirty-write",
            format!("{node} has {value} although its add failed."),
        ),
        (Fate::Dirty, false) => ("dirty-write", format!("{node} has it all the same.")),
        (Fate::Duplicate, _) => (
            "duplicate-element",
            format!("{node} returned {value} twice."),
        ),
        (_, true) => (
            "phantom-value",
            format!("{node} has {value}, which nobody added."),
        ),
        (_, false) => (
            "phantom-value",
            format!("{node} has {value}, which nobody wrote."),
        ),
    };
    because.push(conclusion);
    Anomaly {
        name: name.to_owned(),
        key: Some(ledger.calls.value(stray.key)),
        ops,
        because,
        cycle: Vec::new(),
    }
}

fn report(name: &str, ledger: &Ledger<'_>) -> Report {
    let mut report = Report::new(name, Verdict::Held);
    let listed = ledger.lost().take(Loss::LISTED);
    report.anomalies = listed.map(|row| explain(ledger, &row)).collect();
    let mut listed: BTreeMap<Fate, usize> = BTreeMap::new();
    for stray in &ledger.strays {
        let listed = listed.entry(stray.fate).or_default();
        *listed += 1;
        if *listed <= Loss::LISTED {
            report.anomalies.push(explain_stray(ledger, stray));
        }
    }
    let bad = count(&mut report, ledger);
    if bad > 0 {
        report.verdict = Verdict::Violated;
    } else if let Some(why) = why_open(&report, ledger) {
        report.verdict = Verdict::Undecided;
        report.why = Some(why);
    }
    report
}

/// Fills the figures in; how many rows must not be.
fn count(report: &mut Report, ledger: &Ledger<'_>) -> usize {
    let counts = Fate::ALL.map(|fate| ledger.count(fate));
    let of = |fate: Fate| counts[fate as usize];
    let sum = |is: fn(Fate) -> bool| {
        let fates = Fate::ALL.into_iter().filter(|fate| is(*fate));
        fates.map(of).sum::<usize>()
    };
    report.figure("acknowledged", sum(Fate::is_acknowledged));
    report.figure("replaced", of(Fate::Replaced) + of(Fate::Overwritten));
    report.figure("replaced_later", of(Fate::Replaced));
    report.figure("overwritten_concurrently", of(Fate::Overwritten));
    for fate in [
        Fate::Present,
        Fate::Lost,
        Fate::Undecided,
        Fate::Recovered,
        Fate::Dirty,
        Fate::Duplicate,
        Fate::Phantom,
    ] {
        report.figure(fate.as_str(), of(fate));
    }
    report.figure("lost_after_seeing", ledger.seen_winner);
    report.figure("nodes", ledger.gathered.nodes.len());
    report.figure("divergent_elements", ledger.divergent.len());
    report.figure("divergent_registers", ledger.divergent_registers);
    report.figure("keys_finally_read", ledger.keys_finally_read);
    let is_add = |call: u32| ledger.calls.name(call) == "add";
    let keys = ledger.lost.iter();
    let keys = keys.map(|&call| (is_add(call), ledger.calls.key[call as usize]));
    report.figure("keys_with_loss", keys.collect::<BTreeSet<_>>().len());
    count_windows(report, ledger);
    let mut by_node: BTreeMap<&str, i64> = BTreeMap::new();
    for row in ledger.lost() {
        *by_node.entry(row.node().unwrap_or("unknown")).or_default() += 1;
    }
    let by_node = by_node.into_iter().map(|(node, n)| (node, Value::Int(n)));
    let ids = ledger.lost().take(Loss::IDS);
    let ids = ids.map(|row| pair(&row.key(), &row.value()));
    let divergent = ledger.divergent.iter().take(Loss::IDS).map(|&call| {
        let at = call as usize;
        let (key, value) = (ledger.calls.key[at], ledger.calls.argument[at]);
        pair(&ledger.calls.value(key), &ledger.calls.value(value))
    });
    let lists = [
        ("lost_by_node", Value::map(by_node)),
        ("lost_ids", Value::List(ids.collect())),
        ("divergent_ids", Value::List(divergent.collect())),
    ];
    report
        .figures
        .extend(lists.map(|(name, list)| (name.to_owned(), list)));
    sum(Fate::is_anomaly)
}

fn count_windows(report: &mut Report, ledger: &Ledger<'_>) {
    let mut windows = ledger.loss_windows();
    windows.sort_by_key(|window| Reverse(window.length()));
    let longest = windows.first().map_or(0, LossWindow::length);
    report.figure("longest_loss_window_ms", longest / 1_000_000);
    let number = |number: u64| Value::Int(i64::try_from(number).unwrap_or(i64::MAX));
    let told = windows.iter().take(Loss::WINDOWS).map(|window| {
        let faults = window.faults.iter().map(|fault| Value::str(fault));
        Value::map([
            ("from_ms", number(window.from / 1_000_000)),
            ("to_ms", number(window.to / 1_000_000)),
            ("lost", number(window.lost as u64)),
            ("faults", Value::List(faults.collect())),
        ])
    });
    let told = Value::List(told.collect());
    report.figures.insert("loss_windows".to_owned(), told);
}

/// Why the verdict is open although nothing is wrong, if it is.
fn why_open(report: &Report, ledger: &Ledger<'_>) -> Option<String> {
    let number = |name| report.number(name).unwrap_or(0);
    let unreadable = ledger.gathered.why_unreadable();
    if number("acknowledged") == 0 {
        let why = "nothing was acknowledged, so nothing could be lost";
        Some(unreadable.unwrap_or_else(|| why.to_owned()))
    } else if ledger.keys_finally_read == 0 {
        Some("no node was read after recovery; only final reads can show a loss".to_owned())
    } else if number("undecided") > 0 {
        let first = ledger.why.clone().unwrap_or_default();
        Some(format!(
            "{} acknowledged writes can be neither found nor called lost; the first: {first}",
            number("undecided")
        ))
    } else {
        unreadable
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Verdict;
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
