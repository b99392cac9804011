//! Keys that one client wrote in order; the page is `checkers/pages/sequential-keys.md`.

use super::causal_reverse::{Tally, by_object, open};
use super::findings::{Findings, anomaly};
use super::write_once::WriteOnce;
use crate::calls::{Calls, NEVER};
use crate::hash::Table;
use crate::history::Kind;
use crate::{Budget, Checker, Report};

/// What a read sees of one client's writes comes with that client's earlier ones.
#[derive(Clone, Copy, Debug, Default)]
pub struct SequentialKeys;

impl Checker for SequentialKeys {
    fn name(&self) -> &'static str {
        "sequential-keys"
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
            let why = "needs a read that looked at two keys which one client wrote one after the \
                       other, and that saw the later one";
            Some(why.to_owned())
        } else {
            None
        };
        let mut report = findings.report(self.name(), lacking);
        report.figure("reads", tally.reads);
        report.figure("reads_with_power", tally.power);
        report.figure("reads_out_of_order", tally.bad);
        report.figure("keys_left_out", left_out);
        report
    }
}

/// The client that wrote a key, and the call.
fn written(calls: &Calls, once: &WriteOnce, place: u32) -> Option<(u32, u32)> {
    let writer = once.keys[place as usize].writer?;
    Some((calls.process_place(writer), writer))
}

/// Whether the write of a key certainly happened: an unknown one that was seen did.
fn happened(calls: &Calls, once: &WriteOnce, place: u32) -> bool {
    let key = &once.keys[place as usize];
    let ok = key
        .writer
        .is_some_and(|writer| calls.outcome[writer as usize] == Kind::Ok);
    ok || key.certain != NEVER
}

fn judge_steps(calls: &Calls, once: &WriteOnce, findings: &mut Findings, tally: &mut Tally) {
    // Of one read: by client the last write that was seen, and the first that was looked at.
    let mut of_client: Table<u32, (Option<u32>, u32)> = Table::default();
    for read in &once.reads {
        of_client.clear();
        let mut looked = 0;
        for (place, seen) in once.looked(read) {
            looked += 1;
            let Some((client, writer)) = written(calls, once, place) else {
                continue;
            };
            let (last, first) = of_client.entry(client).or_insert((None, writer));
            *first = (*first).min(writer);
            let later = |other: u32| written(calls, once, other) < Some((client, writer));
            if seen && last.is_none_or(later) {
                *last = Some(place);
            }
        }
        tally.reads += usize::from(looked > 1);
        let (mut power, mut bad) = (false, None);
        for (place, seen) in once.looked(read) {
            let Some((client, writer)) = written(calls, once, place) else {
                continue;
            };
            let Some(&(Some(last), _)) = of_client.get(&client) else {
                continue;
            };
            let earlier = written(calls, once, last) > Some((client, writer));
            power |= earlier;
            if earlier && !seen && happened(calls, once, place) && bad.is_none() {
                bad = Some((place, last));
            }
        }
        tally.power += usize::from(power);
        if let Some((missed, last)) = bad {
            tally.bad += 1;
            findings.add(|| told(calls, once, read.call, missed, last));
        }
    }
}

fn judge_lists(calls: &Calls, once: &WriteOnce, findings: &mut Findings, tally: &mut Tally) {
    // By object: its elements that are there, client by client in their order. By place: how
    // many of its client come before it, and where that client's begin.
    let objects = by_object(once, |place| {
        happened(calls, once, place)
            .then(|| written(calls, once, place))
            .flatten()
    });
    let mut within = vec![(0_u32, 0_u32); once.keys.len()];
    for places in in_order(&objects) {
        let mut start = (u32::MAX, 0);
        for (at, &place) in (0..).zip(places) {
            let client = written(calls, once, place).map_or(u32::MAX, |(client, _)| client);
            if client != start.0 {
                start = (client, at);
            }
            within[place as usize] = (start.1, at - start.1);
        }
    }
    // Of one read: where a client's elements begin, how many it saw and the last it saw.
    let mut of_client: Table<u32, (u32, u32)> = Table::default();
    let mut seen_by = vec![0_u32; once.keys.len()];
    for (number, read) in (1..).zip(&once.reads) {
        of_client.clear();
        let mut power = false;
        for (place, _) in once.looked(read) {
            seen_by[place as usize] = number;
            let (start, before) = within[place as usize];
            power |= before > 0;
            let (count, last) = of_client.entry(start).or_insert((0, place));
            *count += 1;
            if within[*last as usize].1 < before {
                *last = place;
            }
        }
        tally.reads += 1;
        tally.power += usize::from(power);
        let object = calls.key[read.call as usize];
        let all = objects.get(&object).map_or(&[][..], Vec::as_slice);
        let short = once.looked(read).find_map(|(place, _)| {
            let (start, _) = within[place as usize];
            let (count, last) = *of_client.get(&start)?;
            let before = within[last as usize].1;
            (count <= before).then_some((start, last))
        });
        let Some((start, last)) = short else { continue };
        let those = all.iter().skip(start as usize);
        let missed = those
            .copied()
            .find(|&place| seen_by[place as usize] != number);
        if let Some(missed) = missed {
            tally.bad += 1;
            findings.add(|| told(calls, once, read.call, missed, last));
        }
    }
}

/// The objects in the order of their first element.
fn in_order(objects: &Table<u32, Vec<u32>>) -> Vec<&Vec<u32>> {
    let mut all: Vec<&Vec<u32>> = objects.values().collect();
    all.sort_unstable_by_key(|places| places.first().copied());
    all
}

fn told(calls: &Calls, once: &WriteOnce, read: u32, missed: u32, seen: u32) -> crate::Anomaly {
    let writers = [missed, seen].map(|place| once.keys[place as usize].writer);
    let mut proof: Vec<u32> = writers.into_iter().flatten().collect();
    let client = proof.first().map(|&writer| calls.process(writer));
    proof.push(read);
    let [missed, seen] = [missed, seen].map(|place| once.word(calls, place));
    let client = client.map_or_else(|| "One client".to_owned(), |client| client.to_string());
    let conclusion = format!(
        "{client} wrote {missed} before {seen}, and yet the read by {} saw {seen} and not {missed}.",
        calls.process(read)
    );
    let object = calls.key[read as usize];
    anomaly(calls, "sequential-order", object, &proof, [conclusion])
}
