//! Stale reads, and by how much.
//!
//! **Claim**: no read returned a value that had certainly been replaced before the read began.
//! A write that is concurrent with a read never makes it stale.
//!
//! For a read that began at `i` and returned `v`: a value `u` is *certainly newer* than `v` if
//! the earliest moment at which `u` can have taken effect comes after one by which `v`
//! certainly had. The read was **certainly** `K_lo` versions and `T_lo` behind, counting only
//! values that are certainly newer and certainly took effect before `i`; it was **possibly**
//! `K_hi` versions and `T_hi` behind, counting every value that may have taken effect before
//! `i` and is not certainly older than `v`. The truth lies between, whether or not the rest of
//! the history is consistent.
//!
//! **Needs**: registers whose written values are unique; a key where one repeats is left out
//! and leaves the claim undecided. Reads of values that nobody may have written are not judged.
//! A claim holds only if some read began after some write had certainly taken effect, so that
//! a stale answer would have been seen.
//!
//! **Names**: "stale-read". The [`Stale::EXPLAINED`] worst are written out, by `T_lo`.
//!
//! **Figures**: `reads_judged`, `reads_with_power`, `reads_not_judged`, `keys_skipped`,
//! `stale_reads`, `stale_ppm` (of those judged); over the stale reads `behind_max_us`,
//! `behind_p50_us`, `behind_p99_us` (`T_lo`), `versions_behind_max`, `versions_behind_p50`,
//! `versions_behind_p99` (`K_lo`); over all reads judged `possibly_stale_reads`,
//! `possibly_behind_max_us`, `possible_versions_behind_max`; `by_node`, a map from the node
//! that answered to `reads`, `stale`, `behind_max_us`.
//!
//! **Cost**: O(n log n).
//!
//! **Source**: notation after Golab, Li and Shah, "Analyzing consistency properties for fun
//! and profit", 2011; the bounds are tested against a simulator that knows the truth.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::calls::Calls;
use crate::explain::{anomaly, at, ms};
use crate::history::{Call, History, Kind, Value};
use crate::objects::{Action, Moment, NEVER, Object, RegisterCall, Typed, interval};
use crate::versions::Versions;
use crate::{Budget, Checker, Report, Verdict};

/// Measures how far reads of registers were behind; see the [module](self).
#[derive(Clone, Copy, Debug, Default)]
pub struct Stale;

impl Stale {
    /// How many of the stale reads are written out.
    pub const EXPLAINED: usize = 5;
}

/// How far one read was behind: between `versions_lo` and `versions_hi` versions, and between
/// `behind_lo` and `behind_hi` nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lag {
    /// Certainly so many versions.
    pub versions_lo: usize,
    /// Possibly so many versions.
    pub versions_hi: usize,
    /// Certainly so long, in nanoseconds.
    pub behind_lo: u64,
    /// Possibly so long, in nanoseconds.
    pub behind_hi: u64,
}

#[derive(Clone, Debug)]
struct Judged {
    /// Position in the object's calls.
    position: usize,
    lag: Lag,
    /// Whether some write had certainly taken effect before the read began.
    power: bool,
}

/// The lag of every read of registers that can be judged, by the index of its start.
///
/// **Cost**: O(n log n).
#[must_use]
pub fn lags(history: &History) -> BTreeMap<usize, Lag> {
    let typed = Typed::read(history);
    let mut lags = BTreeMap::new();
    for object in &typed.registers.list {
        let versions = Versions::of(&object.calls);
        if versions.repeated().is_none() {
            for read in judge(object, &versions).0 {
                lags.insert(object.calls[read.position].call.invoke.index, read.lag);
            }
        }
    }
    lags
}

/// Counts of values in order of a coordinate (Fenwick's tree).
struct Counts(Vec<usize>);

impl Counts {
    fn add(&mut self, rank: usize) {
        let mut node = rank + 1;
        while node < self.0.len() {
            self.0[node] += 1;
            node += node & node.wrapping_neg();
        }
    }

    /// How many of the values added have a rank below this one.
    fn below(&self, rank: usize) -> usize {
        let (mut node, mut sum) = (rank, 0);
        while node > 0 {
            sum += self.0[node];
            node &= node - 1;
        }
        sum
    }
}

/// The reads of one register that can be judged, and how many cannot.
fn judge(object: &Object<'_, RegisterCall<'_>>, versions: &Versions<'_>) -> (Vec<Judged>, usize) {
    // The values that may have taken effect, the initial one first.
    let list = &versions.list;
    let real: Vec<usize> = (0..list.len())
        .filter(|&id| id == 0 || list[id].writers > 0)
        .collect();
    let mut by_a = real.clone();
    by_a.sort_by_key(|&id| list[id].a);
    let mut by_f = real;
    by_f.sort_by_key(|&id| list[id].f);
    let all = by_a.len();
    // The earliest certain effect among the values from each place on.
    let mut soonest = vec![NEVER; all + 1];
    for place in (0..all).rev() {
        soonest[place] = soonest[place + 1].min(list[by_a[place]].f);
    }
    // The two earliest possible effects among the values from each place on, and whose.
    let mut earliest = vec![[(NEVER, usize::MAX); 2]; all + 1];
    for place in (0..all).rev() {
        let [first, second] = earliest[place + 1];
        let own = (list[by_f[place]].a, by_f[place]);
        let mut three = [own, first, second];
        three.sort_unstable();
        earliest[place] = [three[0], three[1]];
    }
    let mut rank_a = vec![0; list.len()];
    let mut rank_f = vec![0; list.len()];
    for place in 0..all {
        rank_a[by_a[place]] = place;
        rank_f[by_f[place]] = place;
    }

    let mut reads: Vec<(Moment, usize, usize)> = Vec::new();
    let mut not_judged = 0;
    for (position, call) in object.calls.iter().enumerate() {
        let Action::Read(value) = call.action else {
            continue;
        };
        let id = versions.id(value).expect("all values were interned");
        if id != 0 && list[id].writers == 0 {
            not_judged += 1;
            continue;
        }
        reads.push((interval(&call.call).0, position, id));
    }
    reads.sort_unstable();
    let mut effective = Counts(vec![0; all + 1]);
    let mut possible = Counts(vec![0; all + 1]);
    let (mut effective_count, mut possible_count) = (0, 0);
    let judged = reads.into_iter().map(|(i, position, v)| {
        while effective_count < all && list[by_f[effective_count]].f < i {
            effective.add(rank_a[by_f[effective_count]]);
            effective_count += 1;
        }
        while possible_count < all && list[by_a[possible_count]].a < i {
            possible.add(rank_f[by_a[possible_count]]);
            possible_count += 1;
        }
        let (a_v, f_v) = (list[v].a, list[v].f);
        let newer = by_a.partition_point(|&u| list[u].a <= f_v);
        // A read that ended before its value's write began would count that value itself.
        let itself = usize::from(a_v > f_v && f_v < i);
        let versions_lo = effective_count - effective.below(newer) - itself;
        let replaced = if a_v > f_v {
            let others = by_a[newer..].iter().filter(|&&u| u != v);
            others.map(|&u| list[u].f).min().unwrap_or(NEVER)
        } else {
            soonest[newer]
        };
        let older = by_f.partition_point(|&u| list[u].f < a_v);
        let older_here = possible.below(older) - usize::from(f_v < a_v && a_v < i);
        let versions_hi = possible_count - older_here - usize::from(a_v < i);
        let [first, second] = earliest[older];
        let other = if first.1 == v { second } else { first };
        let behind_hi = i.saturating_sub(other.0.max(a_v));
        Judged {
            position,
            lag: Lag {
                versions_lo,
                versions_hi,
                behind_lo: i.saturating_sub(replaced),
                behind_hi,
            },
            power: effective_count > 1,
        }
    });
    (judged.collect(), not_judged)
}

#[derive(Default)]
struct AtNode {
    reads: usize,
    stale: usize,
    behind_max: u64,
}

impl Checker for Stale {
    fn name(&self) -> &str {
        "stale"
    }

    fn judge(&self, calls: &Calls, budget: &Budget) -> Report {
        let history = &calls.whole();
        let typed = Typed::read(history);
        let mut judged: Vec<(usize, Judged)> = Vec::new();
        let (mut skipped, mut not_judged) = (0, 0);
        for (key, object) in typed.registers.list.iter().enumerate() {
            if budget.is_spent() {
                let why = "the budget was spent before every key was judged";
                return Report::undecided(self.name(), why);
            }
            let versions = Versions::of(&object.calls);
            if versions.repeated().is_some() {
                skipped += 1;
                continue;
            }
            let (reads, others) = judge(object, &versions);
            not_judged += others;
            judged.extend(reads.into_iter().map(|read| (key, read)));
        }
        let mut report = Report::new(self.name(), Verdict::Held);
        report.figure("keys_skipped", skipped);
        report.figure("reads_not_judged", not_judged);
        let call =
            |(key, read): &(usize, Judged)| typed.registers.list[*key].calls[read.position].call;
        figures(&mut report, &judged, call);
        let mut stale: Vec<&(usize, Judged)> = judged
            .iter()
            .filter(|(_, read)| read.lag.versions_lo > 0)
            .collect();
        let worst =
            |(_, read): &&(usize, Judged)| Reverse((read.lag.behind_lo, read.lag.versions_lo));
        stale.sort_by_key(worst);
        for (key, read) in stale.iter().take(Self::EXPLAINED) {
            let object = &typed.registers.list[*key];
            report.anomalies.push(explain(object, read));
        }
        if !stale.is_empty() {
            report.verdict = Verdict::Violated;
        } else if let Some(why) = undecided(&report, &typed) {
            report.verdict = Verdict::Undecided;
            report.why = Some(why);
        }
        report
    }
}

fn undecided(report: &Report, typed: &Typed<'_>) -> Option<String> {
    let none = |figure| report.number(figure) == Some(0);
    if none("reads_judged") {
        Some("no read of a register could be judged; nothing was checked".to_owned())
    } else if none("reads_with_power") {
        let why = "no read began after a write had taken effect, so none could have been stale";
        Some(why.to_owned())
    } else if !none("keys_skipped") {
        Some("some keys were written the same value twice and could not be judged".to_owned())
    } else {
        typed.why_unreadable()
    }
}

fn figures<'h>(
    report: &mut Report,
    judged: &[(usize, Judged)],
    call: impl Fn(&(usize, Judged)) -> Call<'h>,
) {
    let us = |nanos: u64| nanos / 1_000;
    let (mut behind, mut versions) = (Vec::new(), Vec::new());
    let (mut power, mut possibly) = (0, 0);
    let (mut possible_max, mut possible_versions) = (0, 0);
    let mut nodes: BTreeMap<Option<Arc<str>>, AtNode> = BTreeMap::new();
    for read in judged {
        let lag = read.1.lag;
        power += usize::from(read.1.power);
        possibly += usize::from(lag.versions_hi > 0);
        possible_max = possible_max.max(lag.behind_hi);
        possible_versions = possible_versions.max(lag.versions_hi);
        let call = call(read);
        let node = nodes.entry(call.node().cloned()).or_default();
        node.reads += 1;
        if lag.versions_lo > 0 {
            behind.push(lag.behind_lo);
            versions.push(lag.versions_lo);
            node.stale += 1;
            node.behind_max = node.behind_max.max(lag.behind_lo);
        }
    }
    let count = judged.len();
    report.figure("reads_judged", count);
    report.figure("reads_with_power", power);
    report.figure("stale_reads", behind.len());
    report.figure(
        "stale_ppm",
        (behind.len() * 1_000_000).checked_div(count).unwrap_or(0),
    );
    behind.sort_unstable();
    versions.sort_unstable();
    report.figure("behind_p50_us", us(quantile(&behind, 500)));
    report.figure("behind_p99_us", us(quantile(&behind, 990)));
    report.figure("behind_max_us", us(quantile(&behind, 1_000)));
    report.figure("versions_behind_p50", quantile(&versions, 500));
    report.figure("versions_behind_p99", quantile(&versions, 990));
    report.figure("versions_behind_max", quantile(&versions, 1_000));
    report.figure("possibly_stale_reads", possibly);
    report.figure("possibly_behind_max_us", us(possible_max));
    report.figure("possible_versions_behind_max", possible_versions);
    let int = |count: u64| Value::Int(i64::try_from(count).unwrap_or(i64::MAX));
    let by_node = nodes.into_iter().map(|(node, at)| {
        let figures = Value::map([
            ("reads", int(at.reads as u64)),
            ("stale", int(at.stale as u64)),
            ("behind_max_us", int(us(at.behind_max))),
        ]);
        (node.unwrap_or_else(|| Arc::from("unknown")), figures)
    });
    let by_node = Value::Map(by_node.collect());
    report.figures.insert("by_node".to_owned(), by_node);
}

/// The smallest of the sorted values that at least so many thousandths of them do not exceed;
/// the default without any.
pub(crate) fn quantile<T: Copy + Default>(sorted: &[T], permille: usize) -> T {
    let place = (sorted.len() * permille).div_ceil(1_000);
    sorted
        .get(place.saturating_sub(1))
        .copied()
        .unwrap_or_default()
}

fn explain(object: &Object<'_, RegisterCall<'_>>, read: &Judged) -> crate::Anomaly {
    let versions = Versions::of(&object.calls);
    let call = &object.calls[read.position].call;
    let (i, _) = interval(call);
    let Action::Read(value) = object.calls[read.position].action else {
        unreachable!("only reads are judged");
    };
    let seen = &versions.list[versions.id(value).expect("all values were interned")];
    let newer = versions
        .list
        .iter()
        .filter(|u| u.a > seen.f && u.f < i && u.value != value && u.writers > 0)
        .min_by_key(|u| u.f)
        .expect("a stale read has a certainly newer value");
    // Each value by its write, and by a read where the write's end does not tell enough.
    let proof = |version: &crate::versions::Version<'_>| {
        let writer = version
            .writer
            .map(|writer| (writer, interval(&object.calls[writer].call).1));
        let read = (version.first_seen.call != usize::MAX).then_some(version.first_seen.call);
        let seen = read.filter(|_| writer.is_none_or(|(_, res)| res > version.f));
        let taken = version.consumer.filter(|&consumer| {
            seen.is_none_or(|_| version.first_seen.at > version.f)
                && interval(&object.calls[consumer].call).1 == version.f
        });
        [writer.map(|(writer, _)| writer), seen, taken]
    };
    let calls: Vec<&Call<'_>> = [proof(seen), proof(newer)]
        .into_iter()
        .flatten()
        .flatten()
        .chain([read.position])
        .map(|position| &object.calls[position].call)
        .collect();
    let conclusion = format!(
        "{} had taken effect by {}, {} before the read began; it was certainly {} and possibly \
         {} versions behind.",
        newer.value,
        at(newer.f),
        ms(read.lag.behind_lo),
        read.lag.versions_lo,
        read.lag.versions_hi,
    );
    let (_, anomaly) = anomaly("stale-read", object.key, &calls, conclusion);
    debug_assert_eq!(call.outcome(), Kind::Ok, "only successful reads are kept");
    anomaly
}
