//! Squares of numbers as one picture: a heat map for each, the darker the more.

use std::fmt::Write;

/// One square.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Square {
    /// What is over it; plain words without `<` or `&`.
    pub(crate) title: String,
    /// Row and column, counted from one, the number that decides the colour, and what is
    /// written.
    pub(crate) cells: Vec<(usize, usize, f64, String)>,
}

const CELL: (usize, usize) = (72, 30);
const MARGIN: (usize, usize) = (48, 56);

/// The squares, so many a row, as SVG; `n` rows and columns each, called `r` and `w`.
#[must_use]
pub(crate) fn squares(n: usize, across: usize, squares: &[Square]) -> String {
    let (wide, high) = (MARGIN.0 + n * CELL.0 + 16, MARGIN.1 + n * CELL.1 + 16);
    let rows = squares.len().div_ceil(across.max(1));
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0} {1}\" width=\"{0}\" \
         height=\"{1}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n",
        wide * across,
        high * rows
    );
    for (place, square) in squares.iter().enumerate() {
        let (left, top) = (place % across * wide, place / across * high);
        draw(&mut text, n, square, left, top).expect("strings take all that is written");
    }
    text + "</svg>\n"
}

fn draw(text: &mut String, n: usize, square: &Square, left: usize, top: usize) -> std::fmt::Result {
    let most = square.cells.iter().map(|cell| cell.2).fold(0.0, f64::max);
    writeln!(
        text,
        "<text x=\"{}\" y=\"{}\" font-weight=\"bold\">{}</text>",
        left + MARGIN.0,
        top + 22,
        square.title
    )?;
    for number in 1..=n {
        writeln!(
            text,
            "<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">w = {number}</text>\
             <text x=\"{}\" y=\"{}\" text-anchor=\"end\">r = {number}</text>",
            left + MARGIN.0 + (number - 1) * CELL.0 + CELL.0 / 2,
            top + MARGIN.1 - 8,
            left + MARGIN.0 - 6,
            top + MARGIN.1 + (number - 1) * CELL.1 + 20
        )?;
    }
    for (r, w, number, told) in &square.cells {
        let share = if most > 0.0 { number / most } else { 0.0 };
        let ink = if share > 0.55 { "#fff" } else { "#12171e" };
        let (x, y) = (
            left + MARGIN.0 + (w - 1) * CELL.0,
            top + MARGIN.1 + (r - 1) * CELL.1,
        );
        writeln!(
            text,
            "<rect x=\"{x}\" y=\"{y}\" width=\"{}\" height=\"{}\" stroke=\"#98a3b0\" \
             fill=\"#a82c05\" fill-opacity=\"{share:.3}\"/>\
             <text x=\"{}\" y=\"{}\" text-anchor=\"middle\" fill=\"{ink}\">{told}</text>",
            CELL.0,
            CELL.1,
            x + CELL.0 / 2,
            y + 20
        )?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_is_the_darkest() {
        let square = Square {
            title: "stale".into(),
            cells: vec![(1, 1, 4.0, "4".into()), (1, 2, 1.0, "1".into())],
        };
        let picture = squares(2, 1, &[square]);
        let shades: Vec<&str> = picture
            .split("fill-opacity=\"")
            .skip(1)
            .filter_map(|rest| rest.split('"').next())
            .collect();
        assert_eq!(shades, ["1.000", "0.250"]);
        assert!(picture.ends_with("</svg>\n"));
    }
}
