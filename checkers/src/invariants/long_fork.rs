//! Long forks; the page is `checkers/pages/long-fork.md`.

use std::hash::BuildHasher;

use super::findings::{Findings, anomaly, before};
use super::write_once::{Read, WriteOnce};
use crate::by_key::narrow;
use crate::calls::Calls;
use crate::hash::Table;
use crate::{Anomaly, Budget, Checker, Report};

/// Of any two reads of the same keys one saw all that the other saw.
#[derive(Clone, Copy, Debug, Default)]
pub struct LongFork;

/// The reads of the same keys.
#[derive(Debug)]
struct Group {
    /// One of them, which tells the keys.
    read: Read,
    /// How many keys there are.
    most: u32,
    /// Words a read.
    width: usize,
    /// What each read saw: a bit for each key.
    masks: Vec<u64>,
    calls: Vec<u32>,
}

impl Group {
    /// Reads of the same keys, of which there is one at least.
    fn of(once: &WriteOnce, reads: &[u32]) -> Self {
        let read = once.reads[reads[0] as usize];
        let most = once.looked(&read).count();
        let width = most.div_ceil(64);
        let mut masks = vec![0; reads.len() * width];
        let mut calls = Vec::with_capacity(reads.len());
        for (mask, &read) in masks.chunks_mut(width).zip(reads) {
            let read = &once.reads[read as usize];
            for (bit, (_, seen)) in once.looked(read).enumerate() {
                mask[bit / 64] |= u64::from(seen) << (bit % 64);
            }
            calls.push(read.call);
        }
        Self {
            read,
            most: narrow(most),
            width,
            masks,
            calls,
        }
    }

    fn mask(&self, read: u32) -> &[u64] {
        let start = read as usize * self.width;
        &self.masks[start..start + self.width]
    }

    fn count(&self, read: u32) -> u32 {
        self.mask(read).iter().map(|word| word.count_ones()).sum()
    }

    /// A key that one read saw and the other did not.
    fn only(&self, once: &WriteOnce, one: u32, other: u32) -> Option<u32> {
        let mut words = self.mask(one).iter().zip(self.mask(other)).enumerate();
        words.find_map(|(place, (one, other))| {
            let only = one & !other;
            let bit = only.trailing_zeros() as usize;
            let mut keys = once.looked(&self.read).map(|(key, _)| key);
            (only != 0).then(|| keys.nth(place * 64 + bit)).flatten()
        })
    }

    /// Pairs of reads of which neither saw all that the other saw: between neighbours by how
    /// much they saw there is one if there is any.
    fn forks(&self, once: &WriteOnce) -> Vec<(u32, u32)> {
        let mut order: Vec<u32> = (0..narrow(self.calls.len())).collect();
        order.sort_unstable_by(|&one, &other| {
            let by_count = self.count(one).cmp(&self.count(other));
            let by_mask = || self.mask(one).cmp(self.mask(other));
            by_count.then_with(by_mask).then(one.cmp(&other))
        });
        let pairs = order.windows(2).map(|pair| (pair[0], pair[1]));
        pairs
            .filter(|&(less, more)| self.only(once, less, more).is_some())
            .collect()
    }
}

/// The reads of two or more keys, those of the same keys together.
struct Groups {
    /// Where the reads of each begin; one more than there are groups.
    starts: Vec<u32>,
    /// By place among all reads.
    reads: Vec<u32>,
}

/// Not one of the groups.
const NONE: u32 = u32::MAX;

impl Groups {
    fn of(once: &WriteOnce) -> Self {
        let keys_of = |read: u32| {
            let looked = once.looked(&once.reads[read as usize]);
            looked.map(|(place, _)| place)
        };
        // By what the keys are mixed to: the first group. A group's first read tells its keys; the
        // next group is another that they are mixed to.
        let mut by_keys: Table<u64, u32> = Table::default();
        let mut firsts: Vec<(u32, u32)> = Vec::new();
        let mut starts: Vec<u32> = vec![0];
        let mut group_of = vec![NONE; once.reads.len()];
        let hasher = by_keys.hasher().clone();
        let mut keys: Vec<u32> = Vec::new();
        for (read, own) in (0..).zip(&mut group_of) {
            keys.clear();
            keys.extend(keys_of(read));
            if keys.len() < 2 || !once.reads[read as usize].only_reads {
                continue;
            }
            let head = by_keys.entry(hasher.hash_one(&*keys)).or_insert(NONE);
            let mut group = *head;
            while let Some(&(first, next)) = firsts.get(group as usize)
                && !keys_of(first).eq(keys.iter().copied())
            {
                group = next;
            }
            if group == NONE {
                group = narrow(firsts.len());
                firsts.push((read, std::mem::replace(head, group)));
                starts.push(0);
            }
            starts[group as usize + 1] += 1;
            *own = group;
        }
        for group in 1..starts.len() {
            starts[group] += starts[group - 1];
        }
        let mut next = starts.clone();
        let mut reads = vec![0; starts[firsts.len()] as usize];
        for (read, group) in (0..).zip(group_of).filter(|(_, group)| *group != NONE) {
            let next = &mut next[group as usize];
            reads[*next as usize] = read;
            *next += 1;
        }
        Self { starts, reads }
    }

    fn len(&self) -> usize {
        self.starts.len() - 1
    }

    fn iter(&self) -> impl Iterator<Item = &[u32]> {
        let ends = self.starts.windows(2);
        ends.map(|ends| &self.reads[ends[0] as usize..ends[1] as usize])
    }
}

impl Checker for LongFork {
    fn name(&self) -> &'static str {
        "long-fork"
    }

    fn judge(&self, calls: &Calls, _: &Budget) -> Report {
        let mut findings = Findings::default();
        let once = WriteOnce::of_steps(calls, &mut findings);
        let groups = Groups::of(&once);
        let (mut reads, mut partial, mut power) = (0, 0, 0_usize);
        let mut forks = 0_usize;
        for group in groups.iter() {
            let group = &Group::of(&once, group);
            reads += group.calls.len();
            let places = 0..narrow(group.calls.len());
            let in_between = |read: &u32| (1..group.most).contains(&group.count(*read));
            let of_group = places.filter(in_between).count();
            partial += of_group;
            power += usize::from(of_group > 1);
            for (one, other) in group.forks(&once) {
                forks += 1;
                findings.add(|| told(calls, &once, group, one, other));
            }
        }
        let lacking = if reads == 0 {
            let why = "needs transactions that read two or more keys, each written once";
            Some(why.to_owned())
        } else if power == 0 {
            let why = "needs two reads of the same keys that each saw some of them and not all: \
                       only such could disagree";
            Some(once.lacking().unwrap_or_else(|| why.to_owned()))
        } else {
            once.lacking()
        };
        let mut report = findings.report(self.name(), lacking);
        report.figure("groups", groups.len());
        report.figure("groups_with_power", power);
        report.figure("reads", reads);
        report.figure("reads_of_some_and_not_all", partial);
        report.figure("forks", forks);
        report.figure("keys_left_out", once.left_out());
        report
    }
}

fn told(calls: &Calls, once: &WriteOnce, group: &Group, one: u32, other: u32) -> Anomaly {
    let keys = [(one, other), (other, one)].map(|(one, other)| group.only(once, one, other));
    let reads = [one, other].map(|read| group.calls[read as usize]);
    let mut proof = reads.to_vec();
    let (mut conclusion, mut cycle) = (Vec::new(), Vec::new());
    for (reader, [saw, missed]) in reads
        .into_iter()
        .zip([[keys[0], keys[1]], [keys[1], keys[0]]])
    {
        let writers = [saw, missed].map(|key| once.keys[key? as usize].writer);
        proof.extend(writers[0]);
        let [saw, missed] = [saw, missed].map(|key| {
            key.map_or_else(|| "something else".to_owned(), |key| once.word(calls, key))
        });
        if let [Some(seen), Some(unseen)] = writers {
            let name = calls.process(reader);
            let why = format!("{name} saw key {saw}");
            cycle.push(before(calls, seen, "wr", reader, why));
            let why = format!("{name} did not see key {missed}");
            cycle.push(before(calls, reader, "rw", unseen, why));
        }
        conclusion.push(format!(
            "For the read by {} key {saw} was written before key {missed}.",
            calls.process(reader)
        ));
    }
    conclusion.push("The two reads saw the two writes in opposite orders.".to_owned());
    let object = calls.key[reads[0] as usize];
    if cycle.len() < 4 {
        cycle.clear();
    }
    Anomaly {
        cycle,
        ..anomaly(calls, "long-fork", object, &proof, conclusion)
    }
}
