//! What was found of all reads, summed up; by node, role, session and fault.

use std::collections::BTreeMap;

use super::atomic::Stretched;
use super::freshness::Freshness;
use super::kinds::Objects;
use super::register::{Register, Seen};
use super::segments::Segments;
use super::visible::Visible;
use super::{Bound, Stale};
use crate::Report;
use crate::calls::{BEFORE, Calls};
use crate::history::{Kind, Value};

/// A read that was certainly behind.
#[derive(Clone, Copy, Debug)]
pub(super) struct StaleRead {
    pub(super) behind: u64,
    pub(super) versions: u32,
    pub(super) call: u32,
}

#[derive(Clone, Copy, Debug, Default)]
struct Count {
    reads: u64,
    stale: u64,
}

impl Count {
    fn add(&mut self, other: Self) {
        self.reads += other.reads;
        self.stale += other.stale;
    }
}

/// What one core found.
pub(super) struct Tally {
    reads: usize,
    pub(super) power: usize,
    possibly: usize,
    possible_behind: u64,
    possible_versions: usize,
    pub(super) not_judged: usize,
    pub(super) skipped: usize,
    /// By segment and node, one more than its place.
    cells: Vec<Count>,
    nodes: usize,
    /// By place of a process.
    sessions: Vec<Count>,
    pub(super) stale: Vec<StaleRead>,
    /// How many reads certainly exceed the bound.
    pub(super) exceeded: usize,
    /// How many may exceed it.
    pub(super) open: usize,
    /// How many could have exceeded it.
    pub(super) tested: usize,
    freshness: Freshness,
    pub(super) visible: Visible,
    pub(super) stretched: Stretched,
    /// Of how many last values every read of a register returned one, at least.
    pub(super) k: usize,
    /// The places of the registers that are not atomic.
    pub(super) torn: Vec<usize>,
    /// The segment of the last read.
    segment: usize,
}

impl Tally {
    pub(super) fn new(calls: &Calls, segments: &Segments) -> Self {
        let nodes = calls.nodes().len() + 1;
        Self {
            reads: 0,
            power: 0,
            possibly: 0,
            possible_behind: 0,
            possible_versions: 0,
            not_judged: 0,
            skipped: 0,
            cells: vec![Count::default(); segments.len() * nodes],
            nodes,
            sessions: Vec::new(),
            stale: Vec::new(),
            exceeded: 0,
            open: 0,
            tested: 0,
            freshness: Freshness::default(),
            visible: Visible::default(),
            stretched: Stretched::NOT,
            k: 1,
            torn: Vec::new(),
            segment: 0,
        }
    }

    /// The reads that follow are of another object.
    pub(super) fn rewind(&mut self) {
        self.segment = 0;
    }

    /// Adds what the values of a register tell of it as a whole.
    pub(super) fn add_versions(
        &mut self,
        calls: &Calls,
        objects: &Objects,
        place: usize,
        register: &Register,
    ) {
        let last = objects.by_key.calls(place).iter().rev().find(|&&call| {
            calls.f[call as usize] == objects.functions.read
                && calls.outcome[call as usize] == Kind::Ok
        });
        let last = last.map_or(BEFORE, |&call| calls.begins[call as usize]);
        self.visible.add(calls, register, last);
        let stretched = Stretched::NOT.with(calls, register);
        if stretched != Stretched::NOT {
            self.torn.push(place);
        }
        self.stretched = self.stretched.and(stretched);
    }

    /// Adds a read; of one object they must come in the order of their starts, from the last
    /// [`rewind`](Self::rewind) on.
    #[inline]
    pub(super) fn add(
        &mut self,
        calls: &Calls,
        segments: &Segments,
        bound: Option<Bound>,
        is_register: bool,
        seen: &Seen,
    ) {
        let lag = &seen.lag;
        if is_register {
            self.k = self.k.max(1 + lag.versions_lo);
        }
        let is_stale = lag.versions_lo > 0;
        let i = calls.begins[seen.call as usize];
        self.reads += 1;
        self.power += usize::from(seen.effective > 0);
        self.possibly += usize::from(lag.versions_hi > 0);
        self.possible_behind = self.possible_behind.max(lag.behind_hi);
        self.possible_versions = self.possible_versions.max(lag.versions_hi);
        if seen.last != BEFORE {
            let since = calls.time(i) - calls.time(seen.last);
            self.freshness.add(since, is_stale, lag.versions_hi == 0);
        }
        let one = Count {
            reads: 1,
            stale: u64::from(is_stale),
        };
        self.segment = segments.walk(self.segment, i);
        let node = calls
            .node(seen.call)
            .map_or(0, |node| usize::from(node) + 1);
        self.cells[self.segment * self.nodes + node].add(one);
        let session = calls.process_place(seen.call) as usize;
        if session >= self.sessions.len() {
            self.sessions.resize(session + 1, Count::default());
        }
        self.sessions[session].add(one);
        if is_stale {
            self.stale.push(StaleRead {
                behind: lag.behind_lo,
                versions: u32::try_from(lag.versions_lo).unwrap_or(u32::MAX),
                call: seen.call,
            });
        }
        if let Some(bound) = bound {
            let first = (seen.effective > 0).then(|| calls.time(i) - calls.time(seen.first));
            let tested = bound.is_tested(u64::from(seen.effective), first.unwrap_or(0));
            self.tested += usize::from(tested);
            if bound.is_exceeded(lag) {
                self.exceeded += 1;
            } else if !bound.is_kept(lag) {
                self.open += 1;
            }
        }
    }

    pub(super) fn merge(&mut self, other: Self) {
        self.reads += other.reads;
        self.power += other.power;
        self.possibly += other.possibly;
        self.possible_behind = self.possible_behind.max(other.possible_behind);
        self.possible_versions = self.possible_versions.max(other.possible_versions);
        self.not_judged += other.not_judged;
        self.skipped += other.skipped;
        for (own, other) in self.cells.iter_mut().zip(other.cells) {
            own.add(other);
        }
        if self.sessions.len() < other.sessions.len() {
            self.sessions.resize(other.sessions.len(), Count::default());
        }
        for (own, other) in self.sessions.iter_mut().zip(other.sessions) {
            own.add(other);
        }
        self.stale.extend(other.stale);
        self.exceeded += other.exceeded;
        self.open += other.open;
        self.tested += other.tested;
        self.freshness.merge(&other.freshness);
        self.visible.merge(other.visible);
        self.stretched = self.stretched.and(other.stretched);
        self.k = self.k.max(other.k);
        self.torn.extend(other.torn);
    }

    pub(super) fn reads(&self) -> usize {
        self.reads
    }

    /// Writes everything into the report.
    pub(super) fn figures(&mut self, report: &mut Report, calls: &Calls, segments: &Segments) {
        report.figure("keys_skipped", self.skipped);
        report.figure("reads_not_judged", self.not_judged);
        report.figure("reads_judged", self.reads);
        report.figure("reads_with_power", self.power);
        report.figure("stale_reads", self.stale.len());
        report.figure("stale_ppm", ppm(self.stale.len() as u64, self.reads as u64));
        let mut behind: Vec<u64> = self.stale.iter().map(|read| read.behind).collect();
        let mut versions: Vec<u32> = self.stale.iter().map(|read| read.versions).collect();
        let (behind, versions) = (spread(&mut behind), spread(&mut versions));
        for (at, of) in ["p50", "p99", "max"].into_iter().enumerate() {
            report.figure(&format!("behind_{of}_us"), us(behind[at]));
            report.figure(&format!("versions_behind_{of}"), versions[at]);
        }
        report.figure("possibly_stale_reads", self.possibly);
        report.figure("possibly_behind_max_us", us(self.possible_behind));
        report.figure("possible_versions_behind_max", self.possible_versions);
        self.visibility(report);
        if let Some(delta) = self.stretched.delta {
            report.figure("delta_atomicity_us", delta.div_ceil(1_000));
        }
        report.figure("gamma_atomicity_us", self.stretched.gamma.div_ceil(1_000));
        let maps = [
            ("freshness", self.freshness.curve()),
            ("by_node", self.by_node(calls, segments)),
            ("by_role", self.by_role(calls, segments)),
            ("by_session", self.by_session(calls)),
            ("by_fault", self.by_fault(calls, segments)),
        ];
        let maps = maps.map(|(name, map)| (name.to_owned(), map));
        report.figures.extend(maps);
    }

    fn visibility(&mut self, report: &mut Report) {
        report.figure("writes_visibility_tested", self.visible.tested);
        report.figure("writes_visibility_untested", self.visible.untested);
        self.visible.certain.sort_unstable();
        self.visible.possible.sort_unstable();
        let lags = [
            ("visibility_lag", &self.visible.certain),
            ("possible_visibility_lag", &self.visible.possible),
        ];
        for (name, lags) in lags {
            for (of, permille) in [("p50", 500), ("p99", 990), ("max", 1_000)] {
                let lag = us(self.visible.quantile(lags, permille));
                report.figure(&format!("{name}_{of}_us"), lag);
            }
        }
    }

    /// The sums of some cells, by what `name` calls them, with the lags of their stale reads.
    fn grouped<'s>(
        &self,
        calls: &Calls,
        segments: &Segments,
        name: impl Fn(usize, usize) -> &'s str,
    ) -> Value {
        let mut groups: BTreeMap<&str, (Count, Vec<u64>)> = BTreeMap::new();
        for (at, count) in self.cells.iter().enumerate() {
            if count.reads > 0 {
                let group = groups.entry(name(at / self.nodes, at % self.nodes));
                group.or_default().0.add(*count);
            }
        }
        for read in &self.stale {
            let segment = segments.find(calls.begins[read.call as usize]);
            let node = calls
                .node(read.call)
                .map_or(0, |node| usize::from(node) + 1);
            let group = groups.entry(name(segment, node));
            group.or_default().1.push(read.behind);
        }
        let told = groups
            .into_iter()
            .map(|(name, (count, mut lags))| (name, told(count, &mut lags)));
        Value::map(told)
    }

    fn by_node(&self, calls: &Calls, segments: &Segments) -> Value {
        let nodes = calls.nodes();
        let name = |_, node: usize| match node.checked_sub(1) {
            None => "unknown",
            Some(node) => &*nodes[node],
        };
        self.grouped(calls, segments, name)
    }

    fn by_role(&self, calls: &Calls, segments: &Segments) -> Value {
        let nodes = calls.nodes();
        if !segments.knows_roles() {
            return Value::str("unknown");
        }
        self.grouped(calls, segments, |segment, node| match node.checked_sub(1) {
            None => "unknown",
            Some(node) => segments.role(segment, &nodes[node]),
        })
    }

    /// The sessions with most stale reads, and then those with most reads.
    fn by_session(&self, calls: &Calls) -> Value {
        let mut lags: BTreeMap<u32, Vec<u64>> = BTreeMap::new();
        let mut names: BTreeMap<u32, String> = BTreeMap::new();
        let mut worst: Vec<(u64, u64, usize)> = (self.sessions.iter().enumerate())
            .filter(|(_, count)| count.stale > 0)
            .map(|(place, count)| (count.stale, count.reads, place))
            .collect();
        worst.sort_unstable_by_key(|&(stale, reads, place)| {
            (std::cmp::Reverse((stale, reads)), place)
        });
        let sessions = self.sessions.iter().filter(|count| count.reads > 0).count();
        let stale = worst.len();
        worst.truncate(Stale::SESSIONS);
        for &(_, _, place) in &worst {
            lags.insert(crate::by_key::narrow(place), Vec::new());
        }
        for read in &self.stale {
            let place = calls.process_place(read.call);
            if let Some(lags) = lags.get_mut(&place) {
                lags.push(read.behind);
                names
                    .entry(place)
                    .or_insert_with(|| calls.process(read.call).to_string());
            }
        }
        let listed = lags.iter_mut().map(|(place, lags)| {
            let count = self.sessions[*place as usize];
            (names[place].as_str(), told(count, lags))
        });
        Value::map([
            ("sessions", int(sessions as u64)),
            ("stale_sessions", int(stale as u64)),
            ("worst", Value::map(listed)),
        ])
    }

    /// Before the first fault, during each, and after: the rest.
    fn by_fault(&self, calls: &Calls, segments: &Segments) -> Value {
        let first = segments
            .faults
            .iter()
            .map(|fault| fault.segments.start)
            .min();
        let Some(first) = first else {
            return Value::List(Vec::new());
        };
        let mut behind: Vec<Vec<u64>> = vec![Vec::new(); segments.len()];
        for read in &self.stale {
            let segment = segments.find(calls.begins[read.call as usize]);
            behind[segment].push(read.behind);
        }
        let figures = |within: &dyn Fn(usize) -> bool| {
            let mut sum = Count::default();
            let mut lags = Vec::new();
            for (segment, cells) in self.cells.chunks(self.nodes).enumerate() {
                if within(segment) {
                    cells.iter().for_each(|count| sum.add(*count));
                    lags.extend_from_slice(&behind[segment]);
                }
            }
            told(sum, &mut lags)
        };
        let row = |name: &str, times: Option<(u64, Option<u64>)>, figures: Value| {
            let Value::Map(mut map) = figures else {
                unreachable!("figures are a map");
            };
            map.insert("window".into(), Value::str(name));
            if let Some((from, to)) = times {
                map.insert("from_ms".into(), int(from / 1_000_000));
                if let Some(to) = to {
                    map.insert("to_ms".into(), int(to / 1_000_000));
                }
            }
            Value::Map(map)
        };
        let mut rows = vec![row("before", None, figures(&|segment| segment < first))];
        for fault in segments.faults.iter().take(Stale::FAULTS) {
            let within = figures(&|segment| fault.segments.contains(&segment));
            rows.push(row(&fault.words, Some((fault.from, fault.to)), within));
        }
        let rest = figures(&|segment| segment >= first && !segments.is_faulty(segment));
        rows.push(row("after", None, rest));
        Value::List(rows)
    }
}

fn told(count: Count, lags: &mut [u64]) -> Value {
    let [p50, p99, max] = spread(lags);
    Value::map([
        ("reads", int(count.reads)),
        ("stale", int(count.stale)),
        ("stale_ppm", int(ppm(count.stale, count.reads))),
        ("behind_p50_us", int(us(p50))),
        ("behind_p99_us", int(us(p99))),
        ("behind_max_us", int(us(max))),
    ])
}

/// The smallest of the values that at least 500, 990 and 1,000 thousandths of them do not exceed.
///
/// **Cost**: linear, as they are not sorted but parted.
fn spread<T: Copy + Default + Ord>(values: &mut [T]) -> [T; 3] {
    let mut part = |permille: usize| {
        let place = (values.len() * permille).div_ceil(1_000).checked_sub(1)?;
        Some(*values.select_nth_unstable(place).1)
    };
    [500, 990, 1_000].map(|permille| part(permille).unwrap_or_default())
}

fn ppm(part: u64, of: u64) -> u64 {
    (part * 1_000_000).checked_div(of).unwrap_or(0)
}

fn us(nanos: u64) -> u64 {
    nanos / 1_000
}

fn int(count: u64) -> Value {
    Value::Int(i64::try_from(count).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stale::quantile;

    #[test]
    fn a_spread_is_that_of_the_sorted_values() {
        for count in 0..300_u64 {
            let mut values: Vec<u64> = (0..count).map(|n| n * 7919 % 257).collect();
            let own = spread(&mut values);
            values.sort_unstable();
            assert_eq!(
                own,
                [500, 990, 1_000].map(|permille| quantile(&values, permille))
            );
        }
    }
}
