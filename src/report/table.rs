//! Tables for terminals, with tabled: blank columns, one rule under the head.

use tabled::builder::Builder;
use tabled::settings::peaker::Priority;
use tabled::settings::style::HorizontalLine;
use tabled::settings::{Padding, Style, Width};

/// Whether signs beyond ASCII may be printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Charset {
    /// `✓ ✗ ─`
    Unicode,
    /// Words and dashes.
    Ascii,
}

/// A table with a head and rows of the same width; no line ends in blanks.
#[must_use]
pub fn render(head: &[&str], rows: &[Vec<String>], charset: Charset) -> String {
    render_within(head, rows, usize::MAX, charset)
}

/// As [`render`], with long cells broken between words where it is wider than `width` columns.
#[must_use]
pub fn render_within(
    head: &[&str],
    rows: &[Vec<String>],
    width: usize,
    charset: Charset,
) -> String {
    let mut builder = Builder::new();
    builder.push_record(head.iter().copied());
    for row in rows {
        builder.push_record(row.iter().map(String::as_str));
    }
    let rule = if charset == Charset::Unicode {
        '─'
    } else {
        '-'
    };
    let style = Style::blank().horizontals([(1, HorizontalLine::new(rule).intersection(rule))]);
    let mut table = builder.build();
    table.with(style).with(Padding::new(0, 1, 0, 0));
    if table.total_width() > width {
        table.with(
            Width::wrap(width)
                .priority(Priority::max(true))
                .keep_words(true),
        );
    }
    let table = table.to_string();
    let lines: Vec<&str> = table.lines().map(str::trim_end).collect();
    plain(&lines.join("\n"), charset)
}

/// Replaces the signs where only ASCII may be printed; the words beside them say the same.
#[must_use]
pub fn plain(text: &str, charset: Charset) -> String {
    match charset {
        Charset::Unicode => text.to_owned(),
        Charset::Ascii => text
            .replace('✓', "+")
            .replace('✗', "!")
            .replace('─', "-")
            .replace(['–', '—'], "-")
            .replace('→', "->")
            .replace('≥', ">=")
            .replace('≤', "<=")
            .replace('…', "..."),
    }
}

/// A number with commas between the thousands.
#[must_use]
pub fn thousands(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut text = String::new();
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if number < 0 { format!("-{text}") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_aligned_and_end_without_blanks() {
        let rows = [vec!["linearizable".into(), "✗ violated".into()]];
        let table = render(&["claim", "verdict"], &rows, Charset::Unicode);
        let lines: Vec<&str> = table.lines().collect();
        assert_eq!(lines.len(), 3);
        assert!(lines[1].chars().all(|c| c == '─'), "{table}");
        assert!(lines.iter().all(|line| line.trim_end() == *line));
        assert!(render(&["claim"], &[vec!["✓ held".into()]], Charset::Ascii).is_ascii());
    }

    #[test]
    fn thousands_are_set_apart() {
        assert_eq!(thousands(1_234_567), "1,234,567");
        assert_eq!(thousands(-12), "-12");
        assert_eq!(thousands(100), "100");
    }
}
