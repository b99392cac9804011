//! A cycle of dependencies as a picture: operations on a circle, an arrow for each edge.

use std::f64::consts::{PI, TAU};

use super::figure::Interval;
use super::markup::Markup;
use crate::report::told::ToldEdge;

/// More operations than these are not drawn but told.
const DRAWN: usize = 12;

/// The operations of a cycle in its order, by the index of an entry.
pub(crate) fn order(cycle: &[ToldEdge]) -> Vec<usize> {
    let mut order: Vec<usize> = Vec::new();
    for edge in cycle {
        for entry in [edge.from, edge.to] {
            if !order.contains(&entry) {
                order.push(entry);
            }
        }
    }
    order
}

/// Solid, dotted, dashed: never colour alone.
fn class_of(kind: &str) -> &'static str {
    match kind {
        "ww" => "edge ww",
        "wr" => "edge wr",
        "rw" => "edge rw",
        _ => "edge other",
    }
}

/// The picture; empty if there is no cycle, or too long a one.
pub(crate) fn draw(cycle: &[ToldEdge], intervals: &[Interval]) -> Markup {
    let mut page = Markup::new();
    let order = order(cycle);
    if order.is_empty() || order.len() > DRAWN {
        return page;
    }
    let radius = 70.0 + 22.0 * order.len() as f64;
    let (wide, high) = (2.0 * radius + 260.0, 2.0 * radius + 90.0);
    let at = |place: usize| {
        let angle = TAU * place as f64 / order.len() as f64 - PI / 2.0;
        let (sin, cos) = angle.sin_cos();
        (wide / 2.0 + radius * cos, high / 2.0 + radius * sin)
    };
    page.raw("<div class=\"fig\" tabindex=\"0\" role=\"region\" aria-label=\"Cycle\">");
    page.raw(
        "<svg class=\"cyc\" role=\"img\" aria-label=\"A cycle; the list below tells each edge\"",
    );
    page.at("width", wide).at("height", high);
    page.attr("viewBox", &format!("0 0 {wide:.0} {high:.0}"))
        .raw(">");
    for edge in cycle {
        let place = |entry| order.iter().position(|other| *other == entry).unwrap_or(0);
        let (a, b) = (at(place(edge.from)), at(place(edge.to)));
        let length = (b.0 - a.0).hypot(b.1 - a.1).max(1.0);
        let (ux, uy) = ((b.0 - a.0) / length, (b.1 - a.1) / length);
        // Bent outwards, so that an edge there and one back are two.
        let (mx, my) = ((a.0 + b.0) / 2.0 - uy * 26.0, (a.1 + b.1) / 2.0 + ux * 26.0);
        let (ex, ey) = (b.0 - ux * 44.0, b.1 - uy * 30.0);
        let path = format!("M{:.1} {:.1}Q{mx:.1} {my:.1} {ex:.1} {ey:.1}", a.0, a.1);
        page.raw("<path")
            .attr("class", class_of(&edge.kind))
            .attr("d", &path)
            .raw("/>");
        let turn = uy.atan2(ux).to_degrees();
        let place = format!("translate({ex:.1} {ey:.1}) rotate({turn:.0})");
        page.raw("<path class=\"tip\" d=\"M-9 -5L2 0L-9 5z\"")
            .attr("transform", &place);
        page.raw("/><text class=\"edge-name\" text-anchor=\"middle\"")
            .at("x", mx)
            .at("y", my);
        page.raw(">").text(&edge.kind).raw("</text>");
    }
    for (place, entry) in order.iter().enumerate() {
        let (x, y) = at(place);
        let interval = intervals.iter().find(|i| i.index == *entry);
        let what = interval.map_or(format!("entry {entry}"), |i| i.what.clone());
        let who = interval.map_or(String::new(), |i| format!("{} {}", i.process, i.node));
        page.raw("<rect class=\"txn\" rx=\"3\" width=\"170\" height=\"44\"")
            .at("x", x - 85.0);
        page.at("y", y - 22.0)
            .raw("/><text class=\"tb\" text-anchor=\"middle\"")
            .at("x", x);
        let number = format!("T{} {what}", place + 1);
        let short: String = number.chars().take(20).collect();
        page.at("y", y - 3.0)
            .raw(">")
            .text(&short)
            .raw("</text><text class=\"t3\"");
        page.raw(" text-anchor=\"middle\"")
            .at("x", x)
            .at("y", y + 14.0)
            .raw(">");
        page.text(&who).raw("</text>");
    }
    page.raw("</svg></div>\n");
    page
}

/// Each edge with its reason.
pub(crate) fn told(cycle: &[ToldEdge]) -> Markup {
    let mut page = Markup::new();
    let order = order(cycle);
    let name = |entry| {
        order
            .iter()
            .position(|other| *other == entry)
            .map_or(0, |p| p + 1)
    };
    page.raw("<ul class=\"edges\">");
    for edge in cycle {
        let (from, to) = (name(edge.from), name(edge.to));
        page.raw("<li><b>")
            .text(&format!("T{from} {} → T{to}", edge.kind))
            .raw("</b> ");
        page.text(&edge.why).raw("</li>");
    }
    page.raw("</ul>\n");
    page
}
