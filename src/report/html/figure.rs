//! The proof of a finding as a picture: each operation an interval, one line a process.
//!
//! Order and overlap are exact; widths are not to scale. It is static SVG, so that it can be
//! seen without a script.

use checkers::calls::Calls;
use checkers::history::{Kind, Nanos, Value};

use super::format::exact;
use super::markup::{Markup, is_hidden};
use super::windows::Window;
use crate::report::timeline::words;
use crate::report::told::ToldFinding;

/// So many operations are drawn.
const DRAWN: usize = 24;
const ROW: f64 = 56.0;
const TOP: f64 = 30.0;
const LETTER: f64 = 7.9;
const SMALL: f64 = 6.7;

/// An operation that proves a finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Interval {
    /// The index of its start in the history.
    pub(crate) index: usize,
    /// Its place among the calls.
    pub(crate) call: u32,
    pub(crate) process: String,
    pub(crate) node: String,
    pub(crate) what: String,
    pub(crate) key: Option<String>,
    pub(crate) begins: Nanos,
    /// When it was certainly over; none if nobody knows.
    pub(crate) ends: Option<Nanos>,
    pub(crate) outcome: Kind,
    pub(crate) error: Option<String>,
    pub(crate) is_write: bool,
}

impl Interval {
    fn of(calls: &Calls, call: u32) -> Self {
        let (invoke, complete) = calls.ops(call);
        let ok = complete.as_ref().filter(|op| op.kind == Kind::Ok);
        let outcome = calls.outcome[call as usize];
        let ends = complete.as_ref().map(|op| op.time);
        Self {
            index: invoke.index,
            call,
            process: invoke.process.to_string(),
            node: invoke.node.as_deref().unwrap_or_default().to_owned(),
            what: words(&invoke, ok),
            key: invoke.key.as_ref().map(ToString::to_string),
            begins: invoke.time,
            ends: ends.filter(|_| matches!(outcome, Kind::Ok | Kind::Fail)),
            outcome,
            error: complete.as_ref().and_then(|op| op.error.clone()),
            is_write: invoke.value != Value::Nil,
        }
    }

    /// When it ran, in words.
    pub(crate) fn span(&self) -> String {
        let begins = exact(self.begins);
        match self.ends {
            Some(end) => format!("{} to {}", begins.trim_end_matches(" s"), exact(end)),
            None => format!("from {begins}, no answer"),
        }
    }

    /// All that is known of it, in a sentence.
    pub(crate) fn record(&self) -> String {
        let key = self.key.as_deref().map(|key| format!(" on {key}"));
        let node = match self.node.as_str() {
            "" => String::new(),
            node => format!(" at {node}"),
        };
        let outcome = outcome_words(self.outcome);
        let error = self.error.as_deref().map(|error| format!(" ({error})"));
        format!(
            "{}{node}: {}{}, {outcome}{}, {}, entry {}",
            self.process,
            self.what,
            key.unwrap_or_default(),
            error.unwrap_or_default(),
            self.span(),
            self.index
        )
    }
}

pub(crate) fn outcome_words(outcome: Kind) -> &'static str {
    match outcome {
        Kind::Ok => "ok",
        Kind::Fail => "failed",
        Kind::Info | Kind::Invoke => "unknown",
    }
}

/// The operations that prove a finding, in order of their starts.
pub(crate) fn evidence(calls: &Calls, finding: &ToldFinding) -> Vec<Interval> {
    let found = calls.by_indices(&finding.ops).into_iter();
    found
        .take(DRAWN)
        .map(|call| Interval::of(calls, call))
        .collect()
}

/// Which of the operations is the one that cannot be: the lost write, or the read or other
/// operation that began last.
pub(crate) fn culprit(finding: &ToldFinding, intervals: &[Interval]) -> Option<usize> {
    let last = |wanted: &dyn Fn(&Interval) -> bool| {
        let fitting = intervals.iter().enumerate().filter(|(_, i)| wanted(i));
        fitting
            .max_by_key(|(_, i)| i.begins)
            .map(|(place, _)| place)
    };
    let lost = finding.anomaly.starts_with("lost-write") || finding.anomaly == "lost-element";
    let first_write = || intervals.iter().position(|i| i.is_write);
    let read = |i: &Interval| i.outcome == Kind::Ok && !i.is_write;
    if lost {
        first_write()
    } else {
        last(&read).or_else(|| last(&|i| i.outcome == Kind::Ok))
    }
    .or_else(|| last(&|_| true))
}

/// Where each moment stands, from left to right.
struct Scale {
    moments: Vec<(Nanos, u8)>,
    columns: Vec<f64>,
}

impl Scale {
    fn new(intervals: &[Interval], left: f64) -> Self {
        let mut moments: Vec<(Nanos, u8)> = intervals
            .iter()
            .flat_map(|i| [Some(Self::start(i, intervals)), i.ends.map(|end| (end, 1))])
            .flatten()
            .collect();
        moments.sort_unstable();
        moments.dedup();
        let mut scale = Self {
            columns: vec![left; moments.len() + 1],
            moments,
        };
        for at in 0..=scale.moments.len() {
            let after_last = at
                .checked_sub(1)
                .map_or(left, |last| scale.columns[last] + 16.0);
            let wide = intervals.iter().filter_map(|interval| {
                let (from, to) = scale.span(interval, intervals);
                (to == at).then(|| scale.columns[from] + width(interval))
            });
            scale.columns[at] = wide.fold(after_last, f64::max);
        }
        scale
    }

    /// What ends when another starts is concurrent with it, so ends come after starts, but for a
    /// process that goes on at once.
    fn start(interval: &Interval, all: &[Interval]) -> (Nanos, u8) {
        let goes_on = |other: &Interval| {
            other.process == interval.process && other.ends == Some(interval.begins)
        };
        (interval.begins, if all.iter().any(goes_on) { 2 } else { 0 })
    }

    fn span(&self, interval: &Interval, all: &[Interval]) -> (usize, usize) {
        let place = |moment| self.moments.partition_point(|other| *other < moment);
        let end = interval
            .ends
            .map_or(self.moments.len(), |end| place((end, 1)));
        (place(Self::start(interval, all)), end)
    }

    fn x(&self, interval: &Interval, all: &[Interval]) -> (f64, f64) {
        let (from, to) = self.span(interval, all);
        (self.columns[from], self.columns[to])
    }

    /// Where a moment between those of the operations would be.
    fn between(&self, nanos: Nanos) -> f64 {
        let next = self.moments.partition_point(|moment| moment.0 < nanos);
        match next {
            0 => self.columns[0] - 8.0,
            next => (self.columns[next - 1] + self.columns[next]) / 2.0,
        }
    }
}

/// How wide a text is in letters; those of East Asia are twice as wide.
fn letters(text: &str) -> f64 {
    let wide = |sign: char| if u32::from(sign) >= 0x1100 { 2.0 } else { 1.0 };
    text.chars()
        .map(|sign| if is_hidden(sign) { 8.0 } else { wide(sign) })
        .sum()
}

fn label(interval: &Interval) -> String {
    let text: String = interval.what.chars().take(28).collect();
    text
}

fn width(interval: &Interval) -> f64 {
    let times = letters(&interval.span()) * SMALL;
    (letters(&label(interval)) * LETTER).max(times) + 22.0
}

/// The picture; empty if there is nothing to draw.
pub(crate) fn draw(finding: &ToldFinding, intervals: &[Interval], windows: &[Window]) -> Markup {
    let mut page = Markup::new();
    if intervals.is_empty() {
        return page;
    }
    let culprit = culprit(finding, intervals);
    let mut rows: Vec<(&str, &str)> = Vec::new();
    for interval in intervals {
        if !rows.iter().any(|(process, _)| *process == interval.process) {
            rows.push((&interval.process, &interval.node));
        }
    }
    let row_of = |interval: &Interval| {
        rows.iter()
            .position(|(process, _)| *process == interval.process)
            .unwrap_or(0)
    };
    let names = rows
        .iter()
        .map(|(process, node)| letters(process) + letters(node) + 2.0);
    let left = names.fold(6.0, f64::max).min(40.0) * LETTER + 12.0;
    let scale = Scale::new(intervals, left);
    let right = scale.columns.last().copied().unwrap_or(left) + 14.0;
    let height = TOP + rows.len() as f64 * ROW + 6.0;
    page.raw("<div class=\"fig\" tabindex=\"0\" role=\"region\"");
    page.attr("aria-label", &format!("Picture of {}", finding.id));
    page.raw("><svg class=\"ce\" role=\"group\"");
    let caption = format!(
        "{} operations as intervals; the words below say the same",
        intervals.len()
    );
    page.attr("aria-label", &caption)
        .at("width", right)
        .at("height", height);
    page.attr("viewBox", &format!("0 0 {right:.0} {height:.0}"))
        .raw(">");
    washes(&mut page, intervals, windows, &scale, (left, right, height));
    for (place, (process, node)) in rows.iter().enumerate() {
        let y = TOP + (place as f64 + 0.5) * ROW;
        page.raw("<line class=\"lane\"")
            .at("x1", left - 6.0)
            .at("x2", right);
        page.at("y1", y)
            .at("y2", y)
            .raw("/><text class=\"who\" x=\"0\"")
            .at("y", y + 4.0);
        page.raw("><tspan class=\"p\">")
            .text(process)
            .raw("</tspan> ")
            .text(node)
            .raw("</text>");
    }
    let bad = culprit.map(|place| &intervals[place]);
    let before = bad.and_then(|bad| {
        let earlier = intervals
            .iter()
            .filter(|i| i.ends.is_some_and(|end| end < bad.begins));
        earlier.max_by_key(|i| i.ends)
    });
    if let (Some(bad), Some(before)) = (bad, before) {
        let y = |i: &Interval| TOP + (row_of(i) as f64 + 0.5) * ROW;
        page.raw("<line class=\"forced\"")
            .at("x1", scale.x(before, intervals).1);
        page.at("y1", y(before))
            .at("x2", scale.x(bad, intervals).0)
            .at("y2", y(bad))
            .raw("/>");
    }
    for (place, interval) in intervals.iter().enumerate() {
        let (from, to) = scale.x(interval, intervals);
        let y = TOP + (row_of(interval) as f64 + 0.5) * ROW;
        bar(&mut page, interval, culprit == Some(place), (from, to, y));
    }
    page.raw("</svg></div>\n");
    page
}

fn washes(
    page: &mut Markup,
    intervals: &[Interval],
    windows: &[Window],
    scale: &Scale,
    (left, right, height): (f64, f64, f64),
) {
    let from = intervals.iter().map(|i| i.begins).min().unwrap_or(0);
    let last = intervals.iter().map(|i| i.ends.unwrap_or(i.begins)).max();
    let last = last.unwrap_or(from);
    let mut place = 0.0;
    for window in windows.iter().filter(|w| w.meets(from, last)).take(4) {
        let begins = window.from_ms.saturating_mul(1_000_000);
        let a = scale.between(begins).max(left - 6.0);
        let ends = window.to_ms.map(|to| to.saturating_mul(1_000_000));
        let b = ends.map_or(right, |to| scale.between(to)).max(a + 4.0);
        page.raw("<rect class=\"wash\" y=\"4\"")
            .at("x", a)
            .at("width", b - a);
        page.at("height", height - 4.0)
            .raw("/><text class=\"t2\"")
            .at("x", a + 4.0);
        page.at("y", 15.0 + place)
            .raw(">")
            .text(&window.in_words())
            .raw("</text>");
        place += 12.0;
    }
}

fn bar(page: &mut Markup, interval: &Interval, bad: bool, (from, to, y): (f64, f64, f64)) {
    page.raw("<g role=\"img\"")
        .attr("aria-label", &interval.record());
    page.attr("class", if bad { "opg bad" } else { "opg" })
        .raw(">");
    page.tag("<title>", &interval.record(), "</title>");
    let (top, bottom) = (y - 19.0, y + 19.0);
    match interval.outcome {
        Kind::Ok | Kind::Fail => {
            page.raw("<rect rx=\"3\"");
            page.attr(
                "class",
                if interval.outcome == Kind::Ok {
                    "bar ok"
                } else {
                    "bar fail"
                },
            );
            page.at("x", from)
                .at("y", top)
                .at("width", to - from)
                .at("height", 38.0)
                .raw("/>");
        }
        Kind::Info | Kind::Invoke => {
            let path = format!("M{to:.1} {top:.1}H{from:.1}V{bottom:.1}H{to:.1}");
            page.raw("<path class=\"bar info\"")
                .attr("d", &path)
                .raw("/>");
        }
    }
    page.raw("<text class=\"tb\"")
        .at("x", from + 9.0)
        .at("y", y - 2.0)
        .raw(">");
    page.text(&label(interval))
        .raw("</text><text class=\"t3\"")
        .at("x", from + 9.0);
    page.at("y", y + 13.0)
        .raw(">")
        .text(&interval.span())
        .raw("</text>");
    if bad {
        let (x, top) = (to - 8.0, top - 7.0);
        let cross = format!("M{x:.1} {top:.1}l12 12m0-12l-12 12");
        page.raw("<path class=\"cross\"")
            .attr("d", &cross)
            .raw("/>");
    }
    page.raw("</g>\n");
}
