//! Stale reads in words.

use std::collections::BTreeMap;

use super::growing;
use super::kinds::{Functions, Objects, Sort};
use super::register::{Cursor, NOBODY, Register, Version};
use super::tally::StaleRead;
use crate::Anomaly;
use crate::calls::{BEFORE, Calls, NEVER, Rank};
use crate::explain::{anomaly, time};
use crate::history::Kind;
use crate::linearizable::cores::workers;

/// More acknowledged changes than this are counted and not listed.
const LISTED: usize = 8;

/// The proofs that these reads were behind, in their order.
///
/// **Cost**: every register among them is looked at once.
pub(super) fn explain(calls: &Calls, objects: &Objects, reads: &[&StaleRead]) -> Vec<Anomaly> {
    let mut by_object: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (nth, read) in reads.iter().enumerate() {
        let place = objects.by_key.place(calls.key[read.call as usize]);
        by_object
            .entry(place.expect("it was judged"))
            .or_default()
            .push(nth);
    }
    let functions = &objects.functions;
    let mut register = Register::new(calls);
    let mut proofs: BTreeMap<usize, Anomaly> = BTreeMap::new();
    for (place, own) in by_object {
        let of = objects.by_key.calls(place);
        let sort = objects.sorts[place];
        if sort == Sort::Register {
            register.load_by(workers(of.len()), calls, functions, of);
        }
        for nth in own {
            let proof = match sort {
                Sort::Register => old(calls, functions, &register, reads[nth]),
                Sort::Counter | Sort::List => grown(calls, functions, sort, of, reads[nth]),
                Sort::Other => None,
            };
            proofs.extend(proof.map(|proof| (nth, proof)));
        }
        if sort == Sort::Register {
            register.unload(calls);
        }
    }
    proofs.into_values().collect()
}

fn old(
    calls: &Calls,
    functions: &Functions,
    register: &Register,
    read: &StaleRead,
) -> Option<Anomaly> {
    let seen = register.place(calls.result(read.call))?;
    let newer = *register.replacer(seen)?;
    let mut possibly = 0;
    register.judge(
        &mut Cursor::default(),
        calls,
        functions,
        &[read.call],
        |seen| {
            possibly = seen.lag.versions_hi;
        },
    );
    // Each value by its write, and by another call where the write's end does not tell enough.
    let proof = |version: &Version| {
        let writer = (version.writer != NOBODY).then_some(version.writer);
        let late = writer.is_none_or(|writer| calls.ends[writer as usize] > version.f);
        let seen = (late && version.seen_by != NOBODY).then_some(version.seen_by);
        [writer, seen]
    };
    let seen = register.versions[seen];
    let shown = [proof(&seen), proof(&newer)]
        .into_iter()
        .flatten()
        .flatten();
    let value = calls.value(super::register::new_value(calls, newer.writer));
    let conclusion = format!(
        "{value} had taken effect by {}, {} before the read began; it was certainly {} and \
         possibly {possibly} versions behind.",
        at(calls, newer.f),
        time(read.behind, calls.is_untimed()),
        read.versions,
    );
    Some(told(calls, shown.chain([read.call]), conclusion))
}

fn grown(
    calls: &Calls,
    functions: &Functions,
    sort: Sort,
    of: &[u32],
    read: &StaleRead,
) -> Option<Anomaly> {
    let seen = growing::revealed(calls, sort, read.call)?;
    let i = calls.begins[read.call as usize];
    let before = |call: &&u32| calls.ends[**call as usize] < i;
    let ended: Vec<u32> = of.iter().filter(before).copied().collect();
    let further = (ended.iter())
        .filter(|&&call| calls.f[call as usize] == functions.read)
        .filter(|&&call| growing::revealed(calls, sort, call).is_some_and(|to| to > seen))
        .min_by_key(|&&call| calls.ends[call as usize]);
    let what = if sort == Sort::List {
        "it was certainly"
    } else {
        "it stood certainly"
    };
    let unit = if sort == Sort::List {
        "elements"
    } else {
        "units"
    };
    if let Some(&further) = further {
        let conclusion = format!(
            "another read had seen it further by {}, before this one began; {what} {} {unit} behind.",
            at(calls, calls.ends[further as usize]),
            read.versions,
        );
        return Some(told(calls, [further, read.call], conclusion));
    }
    let mut changes: Vec<u32> = (ended.into_iter())
        .filter(|&call| calls.f[call as usize] != functions.read)
        .filter(|&call| calls.outcome[call as usize] == Kind::Ok)
        .collect();
    changes.sort_by_key(|&call| calls.ends[call as usize]);
    // As few as make more than was seen.
    let mut sum: u64 = 0;
    let enough = changes.iter().position(|&call| {
        sum = sum.saturating_add(growing::step(calls, sort, call).unwrap_or(0));
        sum > seen
    })?;
    changes.truncate(enough + 1);
    let last = *changes.last()?;
    let conclusion = format!(
        "{} changes that make {sum} {unit} were acknowledged by {}, before the read began, and it \
         saw {seen}; {what} {} {unit} behind.",
        changes.len(),
        at(calls, calls.ends[last as usize]),
        read.versions,
    );
    let from = changes.len().saturating_sub(LISTED);
    let shown = changes.into_iter().skip(from).chain([read.call]);
    Some(told(calls, shown, conclusion))
}

fn at(calls: &Calls, rank: Rank) -> String {
    match rank {
        NEVER => "the end of time".to_owned(),
        BEFORE => "the beginning".to_owned(),
        rank => time(calls.time(rank), calls.is_untimed()),
    }
}

fn told(calls: &Calls, shown: impl IntoIterator<Item = u32>, conclusion: String) -> Anomaly {
    let mut shown: Vec<u32> = shown.into_iter().collect();
    shown.sort_unstable();
    shown.dedup();
    let key = shown.last().map_or(0, |&call| calls.key[call as usize]);
    let ops: Vec<_> = shown.iter().map(|&call| calls.ops(call)).collect();
    let ops: Vec<_> = ops.iter().map(|ops| calls.call(ops)).collect();
    let ops: Vec<_> = ops.iter().collect();
    anomaly("stale-read", &calls.value(key), &ops, conclusion).1
}
