//! Long forks; the page is `checkers/pages/long-fork.md`.

use super::findings::{Findings, anomaly, before};
use super::write_once::{Read, WriteOnce};
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
        let count = u32::try_from(self.calls.len()).expect("calls are numbered with 32 bits");
        let mut order: Vec<u32> = (0..count).collect();
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

impl Checker for LongFork {
    fn name(&self) -> &'static str {
        "long-fork"
    }

    fn judge(&self, calls: &Calls, _: &Budget) -> Report {
        let mut findings = Findings::default();
        let once = WriteOnce::of_steps(calls, &mut findings);
        let mut groups: Vec<Group> = Vec::new();
        let mut by_keys: Table<Box<[u32]>, usize> = Table::default();
        let mut keys: Vec<u32> = Vec::new();
        for read in once.reads.iter().filter(|read| read.only_reads) {
            keys.clear();
            keys.extend(once.looked(read).map(|(place, _)| place));
            if keys.len() < 2 {
                continue;
            }
            let place = by_keys.get(&*keys).copied().unwrap_or_else(|| {
                by_keys.insert(keys.clone().into(), groups.len());
                groups.push(Group {
                    read: *read,
                    most: u32::try_from(keys.len()).unwrap_or(u32::MAX),
                    width: keys.len().div_ceil(64),
                    masks: Vec::new(),
                    calls: Vec::new(),
                });
                groups.len() - 1
            });
            let group = &mut groups[place];
            let start = group.masks.len();
            group.masks.resize(start + group.width, 0);
            for (bit, (_, seen)) in once.looked(read).enumerate() {
                group.masks[start + bit / 64] |= u64::from(seen) << (bit % 64);
            }
            group.calls.push(read.call);
        }
        let (mut reads, mut partial, mut power) = (0, 0, 0_usize);
        let mut forks = 0_usize;
        for group in &groups {
            reads += group.calls.len();
            let places = 0..u32::try_from(group.calls.len()).unwrap_or(u32::MAX);
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
