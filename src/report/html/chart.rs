//! Small pictures of numbers: what happened over time, and how numbers are spread.

use super::data::Bin;
use super::format::{micros, seconds};
use super::markup::Markup;
use super::windows::Window;

const LEFT: f64 = 64.0;
const WIDE: f64 = 960.0;
const HIGH: f64 = 90.0;

/// Throughput and latency of a stretch of the run, with its faults: a picture that needs no
/// script. Times are in nanoseconds.
pub(crate) fn over_time(
    label: &str,
    bins: &[Bin],
    (from, to): (u64, u64),
    windows: &[Window],
) -> Markup {
    let mut page = Markup::new();
    if bins.is_empty() || from >= to {
        return page;
    }
    let span = (to - from) as f64;
    let x = |nanos: u64| LEFT + (nanos.clamp(from, to) - from) as f64 / span * WIDE;
    page.raw("<div class=\"fig\" tabindex=\"0\" role=\"region\"")
        .attr("aria-label", label);
    page.raw("><svg class=\"chart\" role=\"img\" width=\"1040\" height=\"250\" ");
    page.raw("viewBox=\"0 0 1040 250\"")
        .attr("aria-label", label)
        .raw(">");
    for window in windows.iter().take(200) {
        let begins = window.from_ms.saturating_mul(1_000_000);
        let ends = window.to_ms.map_or(to, |ms| ms.saturating_mul(1_000_000));
        if ends < from || begins > to {
            continue;
        }
        let (a, b) = (x(begins), x(ends));
        page.raw("<rect class=\"wash\" y=\"6\" height=\"214\"")
            .at("x", a);
        page.at("width", (b - a).max(1.5))
            .raw("/><text class=\"t2\" y=\"14\"")
            .at("x", a + 3.0);
        page.raw(">").text(&window.in_words()).raw("</text>");
    }
    let width = WIDE / bins.len() as f64;
    let seconds_of = span / 1e9 / bins.len() as f64;
    let most = bins
        .iter()
        .map(|b| b.ok + b.fail + b.info)
        .max()
        .unwrap_or(0)
        .max(1);
    let base = 18.0 + HIGH;
    for (place, bin) in bins.iter().enumerate() {
        let left = LEFT + place as f64 * width;
        let mut top = base;
        for (class, count) in [("ok", bin.ok), ("fail", bin.fail), ("info", bin.info)] {
            if count > 0 {
                let high = (f64::from(count) / f64::from(most) * HIGH).max(1.0);
                top -= high;
                page.raw("<rect")
                    .attr("class", &format!("s-{class}"))
                    .at("x", left);
                page.at("y", top)
                    .at("width", width.max(0.6))
                    .at("height", high)
                    .raw("/>");
            }
        }
    }
    let rate = f64::from(most) / seconds_of;
    label_at(&mut page, base, "0");
    label_at(&mut page, base - HIGH + 8.0, &format!("{rate:.0}/s"));
    latencies(&mut page, bins, width);
    for part in 0..=4_u64 {
        let at = from + (to - from) / 4 * part;
        page.raw("<text class=\"t3\" y=\"240\" text-anchor=\"middle\"");
        page.at("x", x(at).min(LEFT + WIDE - 14.0))
            .raw(">")
            .text(&seconds(at))
            .raw("</text>");
    }
    page.raw("</svg></div>\n");
    page
}

fn label_at(page: &mut Markup, y: f64, text: &str) {
    page.raw("<text class=\"t3\" text-anchor=\"end\"")
        .at("x", LEFT - 6.0)
        .at("y", y)
        .raw(">");
    page.text(text).raw("</text>");
}

/// The middle and the 99th of each part, as a bar from one to the other, on a log scale.
fn latencies(page: &mut Markup, bins: &[Bin], width: f64) {
    let highest = bins.iter().map(|b| b.p99_us).max().unwrap_or(0).max(10);
    let lowest = bins
        .iter()
        .filter(|b| b.ok > 0)
        .map(|b| b.p50_us.max(1))
        .min()
        .unwrap_or(1);
    let (low, high) = (f64::from(lowest).ln(), f64::from(highest).ln());
    let base = 216.0;
    let y = |us: u32| base - (f64::from(us.max(1)).ln() - low) / (high - low).max(0.1) * 86.0;
    for (place, bin) in bins.iter().enumerate().filter(|(_, bin)| bin.ok > 0) {
        let (top, bottom) = (y(bin.p99_us), y(bin.p50_us));
        page.raw("<rect class=\"s-lat\"")
            .at("x", LEFT + place as f64 * width)
            .at("y", top);
        page.at("width", width.max(0.6))
            .at("height", (bottom - top).max(1.0))
            .raw("/>");
    }
    label_at(page, base, &micros(lowest.into()));
    label_at(page, base - 80.0, &micros(highest.into()));
}

/// How often each step of a scale was seen. What is `bad` is hatched.
pub(crate) fn histogram(label: &str, bars: &[(String, u64)], bad: bool) -> Markup {
    let mut page = Markup::new();
    let most = bars.iter().map(|(_, count)| *count).max().unwrap_or(0);
    if most == 0 {
        return page;
    }
    let width = (900.0 / bars.len() as f64).min(64.0);
    page.raw("<div class=\"fig\" tabindex=\"0\" role=\"region\"")
        .attr("aria-label", label);
    page.raw("><svg class=\"chart\" role=\"img\" height=\"210\"")
        .attr("aria-label", label);
    let wide = width * bars.len() as f64 + 20.0;
    page.at("width", wide)
        .attr("viewBox", &format!("0 0 {wide:.0} 210"))
        .raw(">");
    for (place, (name, count)) in bars.iter().enumerate() {
        let high = *count as f64 / most as f64 * 150.0;
        let left = 10.0 + place as f64 * width;
        if *count > 0 {
            page.raw("<rect")
                .attr("class", if bad { "s-bad" } else { "s-ok" })
                .at("x", left + 2.0);
            page.at("y", 180.0 - high)
                .at("width", width - 4.0)
                .at("height", high)
                .raw("/>");
            page.raw("<text class=\"t3\" text-anchor=\"middle\"")
                .at("x", left + width / 2.0);
            page.at("y", 174.0 - high)
                .raw(">")
                .count(*count)
                .raw("</text>");
        }
        page.raw("<text class=\"t3\" text-anchor=\"middle\" y=\"196\"")
            .at("x", left + width / 2.0);
        page.raw(">").text(name).raw("</text>");
    }
    page.raw("</svg></div>\n");
    page
}
