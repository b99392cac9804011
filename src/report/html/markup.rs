//! HTML that cannot be broken by what it shows: only words of this program go in as they are.
//!
//! A [`Markup`] takes markup as `&'static str`, so a value from a history cannot be one; all
//! else is escaped. Signs that would be invisible, or that would turn the text around them, are
//! shown by their numbers, and what is too long is cut and says so.

use std::fmt::Write;

/// What a text is cut to unless told otherwise, in characters.
const SHOWN: usize = 400;

/// A piece of a page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Markup(String);

impl Markup {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Markup, written in this program.
    pub(crate) fn raw(&mut self, markup: &'static str) -> &mut Self {
        self.0.push_str(markup);
        self
    }

    /// Text, from anywhere.
    pub(crate) fn text(&mut self, text: &str) -> &mut Self {
        self.long(text, SHOWN)
    }

    /// Text, cut to so many characters.
    pub(crate) fn long(&mut self, text: &str, limit: usize) -> &mut Self {
        escape(&mut self.0, text, limit);
        self
    }

    /// An attribute, with the blank before it.
    pub(crate) fn attr(&mut self, name: &'static str, value: &str) -> &mut Self {
        self.0.push(' ');
        self.0.push_str(name);
        self.0.push_str("=\"");
        escape(&mut self.0, value, 2000);
        self.0.push('"');
        self
    }

    /// An attribute that is a number with one decimal at most.
    pub(crate) fn at(&mut self, name: &'static str, number: f64) -> &mut Self {
        let rounded = (number * 10.0).round() / 10.0;
        write!(self.0, " {name}=\"{rounded}\"").expect("strings take all that is written");
        self
    }

    /// A number that is text.
    pub(crate) fn count(&mut self, number: impl TryInto<i64>) -> &mut Self {
        let number = number.try_into().unwrap_or(i64::MAX);
        self.0.push_str(&crate::report::table::thousands(number));
        self
    }

    /// Another piece.
    pub(crate) fn add(&mut self, other: &Self) -> &mut Self {
        self.0.push_str(&other.0);
        self
    }

    /// Letters of base64, which need no escape.
    pub(crate) fn base64(&mut self, bytes: &[u8]) -> &mut Self {
        base64::Engine::encode_string(
            &base64::engine::general_purpose::STANDARD,
            bytes,
            &mut self.0,
        );
        self
    }

    /// JSON inside of a script element: no letter of it can end the element or begin another.
    pub(crate) fn script_json(&mut self, value: &serde_json::Value) -> &mut Self {
        for sign in value.to_string().chars() {
            match sign {
                '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                    write!(self.0, "\\u{:04x}", u32::from(sign)).expect("strings take all");
                }
                _ => self.0.push(sign),
            }
        }
        self
    }

    /// `<tag>text</tag>`, for a tag of this program.
    pub(crate) fn tag(&mut self, open: &'static str, text: &str, close: &'static str) -> &mut Self {
        self.raw(open).text(text).raw(close)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn into_string(self) -> String {
        self.0
    }
}

/// A cell of a table.
pub(crate) enum Cell {
    /// Words.
    Text(String),
    /// Something that was recorded, in the letters of a machine.
    Code(String),
    /// A number or a time, to the right.
    Number(String),
    /// Whatever else.
    Piece(Markup),
}

/// A table that scrolls in its own box. A head that begins with `#` is over numbers.
pub(crate) fn table(label: &str, head: &[&'static str], rows: Vec<Vec<Cell>>) -> Markup {
    let mut page = Markup::new();
    // What scrolls must be reached by the keyboard, and then has a name.
    page.raw("<div class=\"tw\" tabindex=\"0\" role=\"region\"");
    page.attr("aria-label", &format!("Table: {label}"));
    page.raw("><table><thead><tr>");
    for title in head {
        match title.strip_prefix('#') {
            Some(title) => page.raw("<th scope=\"col\" class=\"num\">").raw(title),
            None => page.raw("<th scope=\"col\">").raw(title),
        };
        page.raw("</th>");
    }
    page.raw("</tr></thead><tbody>\n");
    for row in rows {
        page.raw("<tr>");
        for cell in row {
            match cell {
                Cell::Text(text) => page.tag("<td>", &text, "</td>"),
                Cell::Code(text) => page.tag("<td><code>", &text, "</code></td>"),
                Cell::Number(text) => page.tag("<td class=\"num\">", &text, "</td>"),
                Cell::Piece(piece) => page.raw("<td>").add(&piece).raw("</td>"),
            };
        }
        page.raw("</tr>\n");
    }
    page.raw("</tbody></table></div>\n");
    page
}

fn escape(out: &mut String, text: &str, limit: usize) {
    for (count, sign) in text.chars().enumerate() {
        if count == limit {
            let all = text.chars().count();
            write!(out, "… ({all} characters)").expect("strings take all that is written");
            return;
        }
        match sign {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\n' | '\t' => out.push(sign),
            _ if is_hidden(sign) => {
                write!(out, "\\u{{{:x}}}", u32::from(sign)).expect("strings take all");
            }
            _ => out.push(sign),
        }
    }
}

/// Signs that cannot be seen, or that turn or hide what stands around them.
pub(crate) fn is_hidden(sign: char) -> bool {
    sign.is_control()
        || matches!(sign,
            '\u{00ad}' | '\u{061c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        let mut page = Markup::new();
        page.text(text);
        page.into_string()
    }

    #[test]
    fn nothing_that_is_shown_is_markup() {
        let shown = shown("</script><img src=x onerror='a\"b'>&amp;");
        assert!(!shown.contains(['<', '>', '"', '\'']), "{shown}");
        assert!(shown.ends_with("&amp;amp;"), "{shown}");
    }

    #[test]
    fn what_cannot_be_seen_is_told() {
        assert_eq!(shown("a\0b\u{202e}c\r"), "a\\u{0}b\\u{202e}c\\u{d}");
        assert_eq!(shown("שלום Ωμέγα 名前"), "שלום Ωμέγα 名前");
    }

    #[test]
    fn what_is_too_long_is_cut_and_says_so() {
        let shown = shown(&"x".repeat(1 << 20));
        assert!(
            shown.ends_with("x… (1048576 characters)"),
            "{}",
            shown.len()
        );
        assert!(shown.len() < 500);
    }
}
