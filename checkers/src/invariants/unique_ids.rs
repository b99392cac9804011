//! Ids that are given out once; the page is `checkers/pages/unique-ids.md`.

use std::collections::{BTreeMap, BTreeSet};

use super::findings::{Findings, anomaly, on_node, word};
use super::places::Places;
use crate::calls::Calls;
use crate::history::dictionary::{Interned, NIL};
use crate::history::{Kind, Value};
use crate::{Budget, Checker, Report};

/// No id is given out twice.
#[derive(Clone, Copy, Debug, Default)]
pub struct UniqueIds;

/// The acknowledged calls of `generate`, and how many of them brought no id.
pub(super) fn given(calls: &Calls) -> Option<(Vec<u32>, usize)> {
    let generate = calls.function("generate")?;
    let all = u32::try_from(calls.len()).expect("calls are numbered with 32 bits");
    let ok = (0..all).filter(|&call| {
        calls.f[call as usize] == generate && calls.outcome[call as usize] == Kind::Ok
    });
    let mut without = 0;
    let with = ok.filter(|&call| {
        without += usize::from(calls.result(call) == NIL);
        calls.result(call) != NIL
    });
    Some((with.collect(), without))
}

impl Checker for UniqueIds {
    fn name(&self) -> &'static str {
        "unique-ids"
    }

    fn judge(&self, calls: &Calls, _: &Budget) -> Report {
        let Some((given, without)) = given(calls) else {
            return Report::undecided(self.name(), "needs generate, which no client asked for");
        };
        let mut findings = Findings::default();
        let mut ids = Places::default();
        // By the place of an id: who got it first.
        let mut first: Vec<u32> = Vec::new();
        let mut repeated = BTreeSet::new();
        let mut by_node: BTreeMap<u16, i64> = BTreeMap::new();
        let mut nodes = BTreeSet::new();
        for &call in &given {
            let place = ids.place((calls.key[call as usize], calls.result(call)));
            nodes.extend(calls.node(call));
            let Some(&before) = first.get(place as usize) else {
                first.push(call);
                continue;
            };
            let of = if repeated.insert(place) {
                [Some(before), Some(call)]
            } else {
                [Some(call), None]
            };
            for node in of.into_iter().flatten().filter_map(|call| calls.node(call)) {
                *by_node.entry(node).or_default() += 1;
            }
            findings.add(|| duplicate(calls, before, call));
        }
        let lacking = if without > 0 {
            Some(format!(
                "needs an id in every acknowledged answer; {without} had none"
            ))
        } else if given.len()
            == ids
                .list()
                .iter()
                .map(|pair| pair.0)
                .collect::<BTreeSet<_>>()
                .len()
        {
            Some("needs two ids of one giver, so that they could be the same".to_owned())
        } else {
            None
        };
        let duplicates = repeated.len();
        let mut report = findings.report(self.name(), lacking);
        report.figure("ids", given.len());
        report.figure("ids_given_twice", duplicates);
        report.figure("nodes", nodes.len());
        let names = calls.nodes();
        let by_node = by_node
            .iter()
            .map(|(node, count)| (&*names[usize::from(*node)], Value::Int(*count)));
        report
            .figures
            .insert("duplicates_by_node".to_owned(), Value::map(by_node));
        let numbers = given
            .iter()
            .map(|&call| match calls.values.get(calls.result(call)) {
                Interned::Int(number) => Some(number),
                _ => None,
            });
        if let Some(numbers) = numbers.collect::<Option<Vec<i64>>>() {
            let range = numbers.iter().min().zip(numbers.iter().max());
            if let Some((low, high)) = range {
                report.figure("lowest", *low);
                report.figure("highest", *high);
            }
        }
        report
    }
}

fn duplicate(calls: &Calls, before: u32, call: u32) -> crate::Anomaly {
    let id = word(calls, calls.result(call));
    let (there, here) = (on_node(calls, before), on_node(calls, call));
    let conclusion = if there == here {
        format!("{id} was given out twice{here}.")
    } else {
        format!("{id} was given out twice: first{there}, then{here}.")
    };
    let key = calls.key[call as usize];
    anomaly(calls, "duplicate-id", key, &[before, call], [conclusion])
}
