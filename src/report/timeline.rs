//! A few operations as a picture in text: one line a process, time from left to right.
//!
//! Only the order of starts and ends is to scale, not the time between them.

use checkers::calls::Calls;
use checkers::history::{Call, Kind, Op, Value};

use super::table::Charset;
use super::verdict::Finding;

/// One operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bar {
    /// Who asked, and which node answered.
    pub who: String,
    /// What it was and what came of it.
    pub what: String,
    /// When it began; only the order counts.
    pub begins: u64,
    /// When it was over; none if nobody knows.
    pub ends: Option<u64>,
}

impl Bar {
    /// A call in few words.
    #[must_use]
    pub fn of(call: &Call<'_>) -> Self {
        let node = call.node().map_or(String::new(), |node| format!(" {node}"));
        let ok = call.complete.filter(|op| op.kind == Kind::Ok);
        let failed = if call.outcome() == Kind::Fail {
            ", failed"
        } else {
            ""
        };
        Self {
            who: format!("{}{node}", call.invoke.process),
            what: format!("{}{failed}", words(call.invoke, ok)),
            begins: call.invoke.time,
            ends: call.returned(),
        }
    }
}

/// The operations that prove a finding.
#[must_use]
pub fn bars(calls: &Calls, finding: &Finding) -> Vec<Bar> {
    let evidence = calls.by_indices(&finding.ops);
    let ops = evidence.into_iter().map(|call| calls.ops(call));
    ops.map(|ops| Bar::of(&calls.call(&ops))).collect()
}

/// What was asked and answered, in few words: `write 7`, `read = 7`.
pub(crate) fn words(invoke: &Op, ok: Option<&Op>) -> String {
    let argument = match &invoke.value {
        Value::Nil => String::new(),
        Value::List(pair) if pair.len() == 2 && invoke.f == "cas" => {
            format!(" {} to {}", pair[0], pair[1])
        }
        value => format!(" {}", shortened(&value.to_string())),
    };
    let result = match ok.map(|op| &op.value) {
        Some(value) if *value != invoke.value => format!(" = {}", shortened(&value.to_string())),
        Some(Value::Nil) if invoke.f == "read" || invoke.f == "get" => " = nil".to_owned(),
        _ => String::new(),
    };
    format!("{}{argument}{result}", invoke.f)
}

fn shortened(text: &str) -> String {
    if text.chars().count() <= 16 {
        return text.to_owned();
    }
    let tail: Vec<char> = text.chars().rev().take(12).collect();
    let tail: String = tail.into_iter().rev().collect();
    format!("…{tail}")
}

/// The picture, without a line end after the last line; none if it has more than `lines` lines
/// or is wider than `width` columns.
#[must_use]
pub fn draw(bars: &[Bar], lines: usize, width: usize, charset: Charset) -> Option<String> {
    // Each moment once. What ends when another starts is concurrent with it, so ends come after
    // starts, but for a process that goes on at once.
    let start = |bar: &Bar| {
        let goes_on = |other: &Bar| other.who == bar.who && other.ends == Some(bar.begins);
        (bar.begins, if bars.iter().any(goes_on) { 2 } else { 0 })
    };
    let mut moments: Vec<(u64, u8)> = bars
        .iter()
        .flat_map(|bar| [Some(start(bar)), bar.ends.map(|end| (end, 1))])
        .flatten()
        .collect();
    moments.sort_unstable();
    moments.dedup();
    let place = |moment: (u64, u8)| moments.binary_search(&moment).unwrap_or(moments.len());
    let span = |bar: &Bar| {
        let end = bar.ends.map_or(moments.len(), |end| place((end, 1)));
        (place(start(bar)), end)
    };
    // Each moment as far left as the words between it and those before allow.
    let mut columns = vec![0_usize; moments.len() + 1];
    for at in 0..=moments.len() {
        let after_last = at.checked_sub(1).map_or(0, |last| columns[last] + 2);
        let wide = bars.iter().filter_map(|bar| {
            let (from, to) = span(bar);
            (to == at).then(|| columns[from] + bar.what.chars().count() + 5)
        });
        columns[at] = wide.fold(after_last, usize::max);
    }
    let mut rows: Vec<(&str, Vec<&Bar>)> = Vec::new();
    for bar in bars {
        match rows.iter_mut().find(|(who, _)| *who == bar.who) {
            Some((_, row)) => row.push(bar),
            None => rows.push((&bar.who, vec![bar])),
        }
    }
    let margin = rows.iter().map(|(who, _)| who.chars().count()).max()? + 2;
    if rows.len() > lines || margin + columns.last()? + 3 > width {
        return None;
    }
    let signs = match charset {
        Charset::Unicode => ['├', '─', '┤', '…'],
        Charset::Ascii => ['|', '-', '|', '?'],
    };
    let drawn = rows.into_iter().map(|(who, row)| {
        let mut line = format!("{who:margin$}");
        for bar in row {
            let (from, to) = span(bar);
            let start = margin + columns[from];
            let length = columns[to] - columns[from] + 1;
            let missing = start.saturating_sub(line.chars().count());
            line.extend(std::iter::repeat_n(' ', missing));
            let words = bar.what.chars().count();
            let before = (length - 4 - words) / 2;
            let after = length - 4 - words - before;
            line.push(signs[0]);
            line.extend(std::iter::repeat_n(signs[1], before));
            line.push(' ');
            line.push_str(&bar.what);
            line.push(' ');
            line.extend(std::iter::repeat_n(signs[1], after));
            line.push(if bar.ends.is_some() {
                signs[2]
            } else {
                signs[3]
            });
        }
        line
    });
    Some(drawn.collect::<Vec<_>>().join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bar(who: &str, what: &str, begins: u64, ends: Option<u64>) -> Bar {
        Bar {
            who: who.into(),
            what: what.into(),
            begins,
            ends,
        }
    }

    #[test]
    fn order_and_overlap_can_be_seen() {
        let bars = [
            bar("p0 n1", "write 1", 0, Some(5)),
            bar("p1", "write 2", 3, None),
            bar("p0 n1", "read 2", 5, Some(6)),
        ];
        let drawn = draw(&bars, 8, 80, Charset::Ascii).expect("it fits");
        assert_eq!(
            drawn,
            "p0 n1  |- write 1 -| |- read 2 -|\np1       |------- write 2 --------?"
        );
    }

    #[test]
    fn what_does_not_fit_is_not_drawn() {
        let bars = [bar("p0", "write 1", 0, Some(5))];
        assert_eq!(draw(&bars, 8, 10, Charset::Unicode), None);
        assert_eq!(draw(&bars, 0, 80, Charset::Unicode), None);
    }
}
