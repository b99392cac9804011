//! Reads that see a later write and miss an earlier one; the page is
//! `checkers/pages/causal-reverse.md`.
//!
//! A read is bad if of the keys it missed one had certainly been written before a key that it
//! saw began to be. Of the missed one the soonest written tells, of the seen one the latest
//! begun. In lists the missed are all elements that were not returned: in the order in which
//! they were certain, the first that is missing is found after at most as many as were returned.

use super::findings::{Findings, anomaly};
use super::write_once::{Read, WriteOnce};
use crate::calls::{Calls, NEVER};
use crate::hash::Table;
use crate::{Budget, Checker, Report};

/// What a read sees comes with everything that had been written before it.
#[derive(Clone, Copy, Debug, Default)]
pub struct CausalReverse;

/// What the reads of one vocabulary tell.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) reads: usize,
    pub(super) power: usize,
    pub(super) bad: usize,
}

impl Checker for CausalReverse {
    fn name(&self) -> &'static str {
        "causal-reverse"
    }

    fn judge(&self, calls: &Calls, _: &Budget) -> Report {
        let mut findings = Findings::default();
        let mut tally = Tally::default();
        let steps = WriteOnce::of_steps(calls, &mut findings);
        judge_steps(calls, &steps, &mut findings, &mut tally);
        let lists = WriteOnce::of_lists(calls, &mut findings);
        judge_lists(calls, &lists, &mut findings, &mut tally);
        let left_out = steps.left_out() + lists.left_out();
        let lacking = if tally.reads == 0 {
            let why = "needs reads of several keys, or of lists, each key and element written once";
            Some(why.to_owned())
        } else if steps.unreadable > 0 || left_out > 0 {
            Some(open(&steps, left_out))
        } else if tally.power == 0 {
            let why = "needs a read of two keys of which one had certainly been written before \
                       the other began to be, and that saw the later one";
            Some(why.to_owned())
        } else {
            None
        };
        let mut report = findings.report(self.name(), lacking);
        report.figure("reads", tally.reads);
        report.figure("reads_with_power", tally.power);
        report.figure("reversed_reads", tally.bad);
        report.figure("keys_left_out", left_out);
        report
    }
}

/// Why a claim about keys written once is open.
pub(super) fn open(steps: &WriteOnce, left_out: usize) -> String {
    steps.lacking().unwrap_or_else(|| {
        format!("needs keys that are written once; {left_out} were not, and are left out")
    })
}

fn judge_steps(calls: &Calls, once: &WriteOnce, findings: &mut Findings, tally: &mut Tally) {
    for read in &once.reads {
        let mut soonest: Option<u32> = None;
        let mut soonest_missed: Option<u32> = None;
        let mut latest: Option<u32> = None;
        let certain = |place: u32| once.keys[place as usize].certain;
        for (place, seen) in once.looked(read) {
            if soonest.is_none_or(|other| certain(place) < certain(other)) {
                soonest = Some(place);
            }
            if !seen && soonest_missed.is_none_or(|other| certain(place) < certain(other)) {
                soonest_missed = Some(place);
            }
            if seen && begins(calls, once, latest) < begins(calls, once, Some(place)) {
                latest = Some(place);
            }
        }
        let last = begins(calls, once, latest);
        let before = |place: Option<u32>| place.is_some_and(|place| certain(place) < last);
        tally.reads += usize::from(read_several(once, read));
        tally.power += usize::from(before(soonest));
        if let (Some(missed), Some(seen)) = (soonest_missed.filter(|&m| before(Some(m))), latest) {
            tally.bad += 1;
            findings.add(|| told(calls, once, read.call, missed, seen));
        }
    }
}

fn read_several(once: &WriteOnce, read: &Read) -> bool {
    once.looked(read).nth(1).is_some()
}

/// When the write of a key began; zero without one.
fn begins(calls: &Calls, once: &WriteOnce, place: Option<u32>) -> u32 {
    let writer = place.and_then(|place| once.keys[place as usize].writer);
    writer.map_or(0, |writer| calls.begins[writer as usize])
}

/// The places of the elements of each object that are there for ever, as `order` has them.
pub(super) fn by_object<K: Ord>(
    once: &WriteOnce,
    order: impl Fn(u32) -> Option<K>,
) -> Table<u32, Vec<u32>> {
    let mut objects: Table<u32, Vec<u32>> = Table::default();
    for (place, (key, pair)) in (0..).zip(once.keys.iter().zip(once.places.list())) {
        if !key.left_out && order(place).is_some() {
            objects.entry(pair.0).or_default().push(place);
        }
    }
    let sort = |places: &mut Vec<u32>| places.sort_by_cached_key(|&place| order(place));
    objects.values_mut().for_each(sort);
    objects
}

fn judge_lists(calls: &Calls, once: &WriteOnce, findings: &mut Findings, tally: &mut Tally) {
    let certain = |place: u32| once.keys[place as usize].certain;
    let objects = by_object(once, |place| Some(certain(place)).filter(|c| *c != NEVER));
    // By place: the last read that saw the element, counted from one.
    let mut seen_by = vec![0_u32; once.keys.len()];
    for (number, read) in (1..).zip(&once.reads) {
        let mut latest = None;
        for (place, _) in once.looked(read) {
            seen_by[place as usize] = number;
            if begins(calls, once, latest) < begins(calls, once, Some(place)) {
                latest = Some(place);
            }
        }
        let object = calls.key[read.call as usize];
        let all = objects.get(&object).map_or(&[][..], Vec::as_slice);
        let last = begins(calls, once, latest);
        tally.reads += 1;
        tally.power += usize::from(all.first().is_some_and(|&first| certain(first) < last));
        let missed = all.iter().find(|place| seen_by[**place as usize] != number);
        let missed = missed.copied().filter(|&missed| certain(missed) < last);
        if let (Some(missed), Some(seen)) = (missed, latest) {
            tally.bad += 1;
            findings.add(|| told(calls, once, read.call, missed, seen));
        }
    }
}

fn told(calls: &Calls, once: &WriteOnce, read: u32, missed: u32, seen: u32) -> crate::Anomaly {
    let key = &once.keys[missed as usize];
    let writers = [missed, seen].map(|place| once.keys[place as usize].writer);
    let mut proof: Vec<u32> = writers.into_iter().flatten().collect();
    proof.extend([read, key.told_by]);
    let [missed, seen] = [missed, seen].map(|place| once.word(calls, place));
    let how = if Some(key.told_by) == key.writer {
        "acknowledged"
    } else {
        "seen"
    };
    let conclusion = format!(
        "The write of {missed} had been {how} before the write of {seen} began, and yet the read \
         by {} saw {seen} and not {missed}.",
        calls.process(read)
    );
    let object = calls.key[read as usize];
    anomaly(calls, "causal-reverse", object, &proof, [conclusion])
}
