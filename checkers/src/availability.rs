//! How much of the time writes were accepted, how fast, and how operations ended.
//!
//! **Claim**: none; this is a measurement. Its verdict is held if some operation succeeded,
//! and undecided otherwise.
//!
//! The load is **writable** at an instant if no gap covers it: a gap is the time between two
//! successive successful ends of writes (write, cas, add), or between one of them and an edge
//! of the load, that is longer than a limit. The limit is [`Availability::GAP_MS`], or eight
//! times the median of those times if that is longer, so that a slow workload is not mistaken
//! for a dead system. Clients that wait for their answer before they ask again thus lose
//! nothing to their own waiting.
//!
//! The load lasts from the phase "load" to the phase after it, or over all clients' operations
//! where no phase is recorded. A fault lasts from the start of "partition", "kill" or "pause" to
//! the end of the "heal", "start" or "resume" that undoes it, or to the end of the load.
//! **Before** is what precedes the first fault, **during** is within any, **after** the rest.
//!
//! **Figures**: `load_ms`, `gap_limit_ms`, `writes_ok`, `writable_permille`,
//! `longest_write_gap_ms`; `writable_before_permille`, `writable_during_permille`,
//! `writable_after_permille` where that part has a length; `ok`, `fail`, `info`;
//! `write_p50_us`, `write_p99_us`, `write_max_us`, `read_p50_us`, `read_p99_us`, `read_max_us`
//! (successful operations of the load); `parts`, a map from "before", "during", "after" to maps
//! of `ms`, `ok`, `fail`, `info`, the latencies, and `writable_permille`; `faults`, a list of
//! maps of `fault`, `nodes`, `from_ms`, `to_ms`, `index`, `undone`, `writable_permille`,
//! `longest_write_gap_ms`, `first_write_ms` (from the fault's start to the first successful end
//! of a write that began after it; absent if there was none), `ok`, `fail`, `info` (of operations
//! that ended in it); `by_f` and `by_node`, maps to maps of `ok`, `fail`, `info`.
//!
//! **Cost**: O(n log n), and linear in operations for each fault.

use std::collections::BTreeMap;

use crate::calls::Calls;
use crate::faults::{self, Window};
use crate::history::{Call, Kind, Nanos, Value};
use crate::stale::quantile;
use crate::{Budget, Checker, Report, Verdict};

/// Measures; see the [module](self).
#[derive(Clone, Copy, Debug, Default)]
pub struct Availability;

impl Availability {
    /// A time without a successful write that counts as an outage, in milliseconds.
    pub const GAP_MS: u64 = 250;
}

const MS: Nanos = 1_000_000;

impl Checker for Availability {
    fn name(&self) -> &str {
        "availability"
    }

    fn judge(&self, calls: &Calls, _: &Budget) -> Report {
        let history = &calls.whole();
        let events = faults::events(history);
        let Some(load) = faults::load(history, &events) else {
            return Report::undecided(self.name(), "no client did anything; nothing was measured");
        };
        let calls: Vec<Call<'_>> = history
            .calls()
            .filter(|call| !call.invoke.f.as_str().starts_with("final-read"))
            .filter(|call| (load.0..=load.1).contains(&call.invoke.time))
            .collect();
        let load = Load::new(load, &calls);
        let windows: Vec<Window<'_>> = faults::windows(&events)
            .into_iter()
            .filter(|window| window.from <= load.to)
            .collect();
        let mut report = Report::new(self.name(), Verdict::Held);
        whole(&mut report, &load, &calls);
        parts(&mut report, &load, &calls, &windows);
        let faults = windows.iter().map(|window| fault(window, &load, &calls));
        let faults = Value::List(faults.collect());
        report.figures.insert("faults".to_owned(), faults);
        if report.number("ok") == Some(0) {
            report.verdict = Verdict::Undecided;
            let why = "no operation succeeded; there is nothing to measure";
            report.why = Some(why.to_owned());
        }
        report
    }
}

/// A stretch of time; its end is part of it.
type Stretch = (Nanos, Nanos);

struct Load {
    from: Nanos,
    to: Nanos,
    limit: Nanos,
    /// The ends of successful writes, with their starts, in order of the ends.
    writes: Vec<(Nanos, Nanos)>,
    /// Times without a successful write, in order.
    gaps: Vec<Stretch>,
}

fn is_write(call: &Call<'_>) -> bool {
    matches!(
        call.invoke.f.as_str(),
        "write" | "cas" | "add" | "increment" | "decrement" | "enqueue" | "send"
    )
}

fn is_read(call: &Call<'_>) -> bool {
    matches!(call.invoke.f.as_str(), "read" | "read-set" | "poll")
}

/// When a call ended, whatever came of it.
fn ended(call: &Call<'_>) -> Option<Nanos> {
    call.complete.map(|op| op.time)
}

impl Load {
    fn new((from, to): Stretch, calls: &[Call<'_>]) -> Self {
        let mut writes: Vec<(Nanos, Nanos)> = calls
            .iter()
            .filter(|call| is_write(call) && call.outcome() == Kind::Ok)
            .filter_map(|call| Some((ended(call)?, call.invoke.time)))
            .filter(|(end, _)| *end <= to)
            .collect();
        writes.sort_unstable();
        let mut between: Vec<Nanos> = writes
            .windows(2)
            .map(|pair| pair[1].0 - pair[0].0)
            .collect();
        between.sort_unstable();
        let limit = (Availability::GAP_MS * MS).max(8 * quantile(&between, 500));
        let edges = [from]
            .into_iter()
            .chain(writes.iter().map(|(end, _)| *end))
            .chain([to]);
        let edges: Vec<Nanos> = edges.collect();
        let gaps = edges.windows(2).filter(|pair| pair[1] - pair[0] > limit);
        let gaps = gaps.map(|pair| (pair[0], pair[1])).collect();
        Self {
            from,
            to,
            limit,
            writes,
            gaps,
        }
    }

    /// How many thousandths of these stretches were writable; none if they have no length.
    fn writable(&self, stretches: &[Stretch]) -> Option<u64> {
        let length: Nanos = stretches.iter().map(|(from, to)| to - from).sum();
        let dead: Nanos = stretches
            .iter()
            .flat_map(|stretch| self.gaps.iter().map(move |gap| overlap(*stretch, *gap)))
            .sum();
        // Time is in nanoseconds: thousandths of it fit for half a million years.
        ((length - dead) * 1_000).checked_div(length)
    }

    fn longest_gap(&self, stretch: Stretch) -> Nanos {
        let mut ends: Vec<Nanos> = vec![stretch.0];
        let inside = |end: &Nanos| (stretch.0..=stretch.1).contains(end);
        ends.extend(self.writes.iter().map(|(end, _)| *end).filter(inside));
        ends.push(stretch.1);
        ends.windows(2)
            .map(|pair| pair[1] - pair[0])
            .max()
            .unwrap_or(0)
    }
}

fn overlap(a: Stretch, b: Stretch) -> Nanos {
    a.1.min(b.1).saturating_sub(a.0.max(b.0))
}

fn int(number: u64) -> Value {
    Value::Int(i64::try_from(number).unwrap_or(i64::MAX))
}

#[derive(Clone, Copy, Default)]
struct Counts {
    ok: u64,
    fail: u64,
    info: u64,
}

impl Counts {
    fn of<'a>(calls: impl IntoIterator<Item = &'a Call<'a>>) -> Self {
        let mut counts = Self::default();
        for call in calls {
            counts.add(call);
        }
        counts
    }

    fn add(&mut self, call: &Call<'_>) {
        match call.outcome() {
            Kind::Ok => self.ok += 1,
            Kind::Fail => self.fail += 1,
            Kind::Info | Kind::Invoke => self.info += 1,
        }
    }

    fn entries(self) -> [(&'static str, Value); 3] {
        [
            ("ok", int(self.ok)),
            ("fail", int(self.fail)),
            ("info", int(self.info)),
        ]
    }
}

/// Latencies of successful reads and writes, exact.
fn latencies<'a>(calls: impl IntoIterator<Item = &'a Call<'a>>) -> Vec<(&'static str, Value)> {
    let (mut writes, mut reads) = (Vec::new(), Vec::new());
    for call in calls.into_iter().filter(|call| call.outcome() == Kind::Ok) {
        let took = ended(call).map_or(0, |end| end - call.invoke.time);
        if is_write(call) {
            writes.push(took);
        } else if is_read(call) {
            reads.push(took);
        }
    }
    let mut figures = Vec::new();
    let names = [
        ["write_p50_us", "write_p99_us", "write_max_us"],
        ["read_p50_us", "read_p99_us", "read_max_us"],
    ];
    for (mut taken, names) in [writes, reads].into_iter().zip(names) {
        taken.sort_unstable();
        if !taken.is_empty() {
            let quantiles = [500, 990, 1_000].map(|q| int(quantile(&taken, q) / 1_000));
            figures.extend(names.into_iter().zip(quantiles));
        }
    }
    figures
}

fn whole(report: &mut Report, load: &Load, calls: &[Call<'_>]) {
    let all = [(load.from, load.to)];
    report.figure("load_ms", (load.to - load.from) / MS);
    report.figure("gap_limit_ms", load.limit / MS);
    report.figure("writes_ok", load.writes.len());
    report.figure("longest_write_gap_ms", load.longest_gap(all[0]) / MS);
    if let Some(share) = load.writable(&all) {
        report.figure("writable_permille", share);
    }
    let counts = Counts::of(calls);
    let figures = counts.entries().into_iter().chain(latencies(calls));
    report
        .figures
        .extend(figures.map(|(name, value)| (name.to_owned(), value)));
    let mut by_f: BTreeMap<&str, Counts> = BTreeMap::new();
    let mut by_node: BTreeMap<&str, Counts> = BTreeMap::new();
    for call in calls {
        by_f.entry(call.invoke.f.as_str()).or_default().add(call);
        let node = call.node().map_or("unknown", |node| node);
        by_node.entry(node).or_default().add(call);
    }
    for (name, groups) in [("by_f", by_f), ("by_node", by_node)] {
        let groups = groups
            .into_iter()
            .map(|(of, counts)| (of, Value::map(counts.entries())));
        report.figures.insert(name.to_owned(), Value::map(groups));
    }
}

/// The stretches of the load that some fault covers, without overlaps, in order.
fn covered(load: &Load, windows: &[Window<'_>]) -> Vec<Stretch> {
    let mut stretches: Vec<Stretch> = windows
        .iter()
        .map(|window| {
            let to = window.to.unwrap_or(load.to).min(load.to);
            (window.from.max(load.from), to)
        })
        .filter(|(from, to)| from < to)
        .collect();
    stretches.sort_unstable();
    let mut merged: Vec<Stretch> = Vec::new();
    for stretch in stretches {
        match merged.last_mut() {
            Some(last) if stretch.0 <= last.1 => last.1 = last.1.max(stretch.1),
            _ => merged.push(stretch),
        }
    }
    merged
}

fn parts(report: &mut Report, load: &Load, calls: &[Call<'_>], windows: &[Window<'_>]) {
    let during = covered(load, windows);
    let first = during.first().map_or(load.to, |stretch| stretch.0);
    let mut after = Vec::new();
    for (position, stretch) in during.iter().enumerate() {
        let to = during.get(position + 1).map_or(load.to, |next| next.0);
        after.push((stretch.1, to));
    }
    let mut parts = BTreeMap::new();
    for (name, stretches) in [
        ("before", vec![(load.from, first)]),
        ("during", during),
        ("after", after),
    ] {
        let Some(share) = load.writable(&stretches) else {
            continue;
        };
        report.figure(&format!("writable_{name}_permille"), share);
        let length: Nanos = stretches.iter().map(|(from, to)| to - from).sum();
        let here: Vec<&Call<'_>> = calls
            .iter()
            .filter(|call| {
                let end = ended(call).unwrap_or(load.to);
                let last = stretches.partition_point(|stretch| stretch.0 < end);
                last > 0 && end <= stretches[last - 1].1
            })
            .collect();
        let mut figures = vec![("ms", int(length / MS)), ("writable_permille", int(share))];
        figures.extend(Counts::of(here.iter().copied()).entries());
        figures.extend(latencies(here));
        parts.insert(name, Value::map(figures));
    }
    report.figures.insert("parts".to_owned(), Value::map(parts));
}

fn fault(window: &Window<'_>, load: &Load, calls: &[Call<'_>]) -> Value {
    let from = window.from.max(load.from);
    let to = window.to.unwrap_or(load.to).min(load.to).max(from);
    let here = calls
        .iter()
        .filter(|call| ended(call).is_some_and(|end| end > from && end <= to));
    let nodes = window.event.nodes().into_iter().map(Value::str).collect();
    let mut figures = vec![
        ("fault", Value::str(window.event.f.as_str())),
        ("nodes", Value::List(nodes)),
        ("from_ms", int(window.from / MS)),
        ("to_ms", int(to / MS)),
        ("index", int(window.event.index as u64)),
        ("undone", Value::Bool(window.to.is_some())),
        (
            "longest_write_gap_ms",
            int(load.longest_gap((from, to)) / MS),
        ),
    ];
    if let Some(share) = load.writable(&[(from, to)]) {
        figures.push(("writable_permille", int(share)));
    }
    let first = load.writes.iter().find(|(_, began)| *began >= window.from);
    if let Some((end, _)) = first {
        figures.push(("first_write_ms", int((end - window.from) / MS)));
    }
    figures.extend(Counts::of(here).entries());
    Value::map(figures)
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use super::*;
    use crate::history::notation::h;

    /// A write a hundred milliseconds, each taking one.
    fn writes(count: usize, first: usize) -> String {
        (first..first + count).fold(String::new(), |mut text, value| {
            write!(text, "0:w{value} 0:ok%n1 +98 ").unwrap();
            text
        })
    }

    fn judge(text: &str) -> Report {
        Availability.check(&h(text), &Budget::unlimited())
    }

    #[test]
    fn steady_writes_are_available_all_the_time() {
        let report = judge(&writes(50, 1));
        assert_eq!(report.verdict, Verdict::Held);
        assert_eq!(report.number("writable_permille"), Some(1_000));
        assert_eq!(report.number("write_p99_us"), Some(1_000));
        assert_eq!(report.number("ok"), Some(50));
    }

    #[test]
    fn a_fault_without_writes_is_an_outage_until_the_next_success() {
        let text = format!(
            "n:phase=load {} n:kill=[n1] n:kill=[n1] +1000 n:start n:start +500 {} n:phase=heal",
            writes(30, 1),
            writes(30, 31)
        );
        let report = judge(&text);
        let faults = report.figures["faults"].as_list().unwrap();
        assert_eq!(faults.len(), 1);
        let figure = |name: &str| faults[0].get(name).and_then(Value::as_int);
        assert_eq!(figure("writable_permille"), Some(0));
        assert_eq!(figure("first_write_ms"), Some(1_505));
        assert_eq!(faults[0].get("nodes").unwrap().to_string(), "[\"n1\"]");
        let share = |part: &str| report.number(&format!("writable_{part}_permille")).unwrap();
        assert_eq!(share("during"), 0);
        assert!(share("before") > 950, "{}", share("before"));
        assert!((800..900).contains(&share("after")), "{}", share("after"));
        assert_eq!(report.number("longest_write_gap_ms"), Some(1_604));
    }

    #[test]
    fn a_fault_never_undone_lasts_to_the_end_of_the_load() {
        let text = format!("{} n:pause n:pause +2000 1:r 1:info", writes(30, 1));
        let report = judge(&text);
        let faults = report.figures["faults"].as_list().unwrap();
        assert_eq!(faults[0].get("undone"), Some(&Value::Bool(false)));
        assert_eq!(faults[0].get("first_write_ms"), None);
        assert_eq!(report.number("writable_during_permille"), Some(0));
        assert_eq!(report.number("writable_after_permille"), None);
    }

    #[test]
    fn nothing_that_succeeded_is_nothing_measured() {
        assert_eq!(judge("").verdict, Verdict::Undecided);
        assert_eq!(judge("0:w1 0:fail").verdict, Verdict::Undecided);
        assert_eq!(judge("9:fr%n1 9:ok=1").verdict, Verdict::Undecided);
    }
}
