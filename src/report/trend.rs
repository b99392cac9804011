//! How verdicts and figures of the same plan went over its runs.
//!
//! A row a plan and figure, from the verdicts alone; what a run did not measure is left out of
//! its row.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use super::table::thousands;
use crate::store::VERDICT;

/// A figure that is followed: its name, where it stands in a verdict, and how it is written.
struct Followed {
    name: &'static str,
    checker: &'static str,
    figure: &'static str,
    written: fn(i64) -> String,
}

const FOLLOWED: [Followed; 6] = [
    Followed {
        name: "lost writes",
        checker: "loss",
        figure: "lost",
        written: thousands,
    },
    Followed {
        name: "stale reads",
        checker: "stale",
        figure: "stale_reads",
        written: thousands,
    },
    Followed {
        name: "write p50, ms",
        checker: "availability",
        figure: "write_p50_us",
        written: milliseconds,
    },
    Followed {
        name: "write p99, ms",
        checker: "availability",
        figure: "write_p99_us",
        written: milliseconds,
    },
    Followed {
        name: "read p99, ms",
        checker: "availability",
        figure: "read_p99_us",
        written: milliseconds,
    },
    Followed {
        name: "writable, %",
        checker: "availability",
        figure: "writable_permille",
        written: tenths,
    },
];

fn milliseconds(us: i64) -> String {
    format!("{}.{}", thousands(us / 1000), us % 1000 / 100)
}

fn tenths(permille: i64) -> String {
    format!("{}.{}", permille / 10, permille % 10)
}

/// What is told of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Point {
    /// Held, violated, undecided, or something else.
    pub status: String,
    /// By the place among what is followed.
    figures: [Option<i64>; FOLLOWED.len()],
}

/// The runs of each plan, oldest first.
pub type Trends = BTreeMap<String, Vec<Point>>;

/// Reads the verdicts in these directories, oldest first, each a run or a campaign of several.
///
/// Directories without a readable verdict are passed over.
///
/// **Cost**: linear in the bytes of the verdicts.
#[must_use]
pub fn trends<'p>(directories: impl Iterator<Item = &'p Path>) -> Trends {
    let mut trends = Trends::new();
    for directory in directories {
        let verdict = std::fs::read(directory.join(VERDICT)).ok();
        let verdict = verdict.and_then(|text| serde_json::from_slice::<Value>(&text).ok());
        let Some(verdict) = verdict else {
            continue;
        };
        let runs = verdict.get("runs").and_then(Value::as_array);
        for run in runs.map_or(std::slice::from_ref(&verdict), Vec::as_slice) {
            if let Some(name) = run.get("name").and_then(Value::as_str) {
                trends.entry(name.to_owned()).or_default().push(point(run));
            }
        }
    }
    trends
}

fn point(verdict: &Value) -> Point {
    let figure = |of: &Followed| {
        verdict
            .get("figures")?
            .get(of.checker)?
            .get(of.figure)?
            .as_i64()
    };
    Point {
        status: verdict
            .get("status")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned(),
        figures: FOLLOWED.each_ref().map(figure),
    }
}

/// The head of [`rows`].
pub const HEAD: [&str; 6] = ["plan", "figure", "oldest first", "least", "most", "last"];

/// A row for the verdicts of each plan, and one for each of its figures, of the last `limit`
/// runs.
#[must_use]
pub fn rows(trends: &Trends, limit: usize) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    for (plan, points) in trends {
        let points = &points[points.len().saturating_sub(limit)..];
        let signs: String = points.iter().map(|point| sign(&point.status)).collect();
        let last = points.last().map_or("", |point| &point.status);
        let s = if points.len() == 1 { "" } else { "s" };
        let runs = format!("{} run{s}", points.len());
        let dash = || "–".to_owned();
        rows.push(vec![
            plan.clone(),
            runs,
            signs,
            dash(),
            dash(),
            last.replace('-', " "),
        ]);
        for (place, of) in FOLLOWED.iter().enumerate() {
            let values: Vec<Option<i64>> = points.iter().map(|p| p.figures[place]).collect();
            let known = || values.iter().copied().flatten();
            let (Some(least), Some(most), Some(last)) =
                (known().min(), known().max(), known().last())
            else {
                continue;
            };
            rows.push(vec![
                String::new(),
                of.name.to_owned(),
                bars(&values, most),
                (of.written)(least),
                (of.written)(most),
                (of.written)(last),
            ]);
        }
    }
    rows
}

/// The sign of a verdict.
#[must_use]
pub fn sign(status: &str) -> char {
    match status {
        "held" => '✓',
        "violated" => '✗',
        "undecided" => '?',
        _ => '!',
    }
}

const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// A bar a run, from zero to the most; a dot where nothing was measured.
fn bars(values: &[Option<i64>], most: i64) -> String {
    let bar = |value: &Option<i64>| match value {
        None => '·',
        Some(value) => {
            let highest = BARS.len() - 1;
            let part = i128::from(*value) * highest as i128 / i128::from(most.max(1));
            BARS[usize::try_from(part).unwrap_or(0).min(highest)]
        }
    };
    values.iter().map(bar).collect()
}

/// Bars as digits from 1 to 8, for where only ASCII may be printed.
#[must_use]
pub fn in_digits(text: &str) -> String {
    let digit = |c: char| match BARS.iter().position(|bar| *bar == c) {
        Some(height) => char::from_digit(u32::try_from(height).unwrap_or(0) + 1, 10),
        None if c == '·' => Some('.'),
        None => Some(c),
    };
    text.chars().filter_map(digit).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn run(name: &str, status: &str, lost: Option<i64>, p99: i64) -> Value {
        json!({
            "name": name,
            "status": status,
            "figures": {
                "loss": lost.map_or(json!({}), |lost| json!({ "lost": lost })),
                "availability": { "write_p99_us": p99 },
            },
        })
    }

    #[test]
    fn runs_of_a_plan_are_told_in_a_row() {
        let place = std::env::temp_dir().join(format!("schism-trend-{}", std::process::id()));
        let leave = |id: &str, verdict: &Value| {
            let directory = place.join(id);
            std::fs::create_dir_all(&directory).expect("a directory can be made");
            let text = serde_json::to_vec(verdict).expect("it has a form in JSON");
            std::fs::write(directory.join(VERDICT), text).expect("it is written");
            directory
        };
        let campaign =
            json!({ "runs": [run("a", "violated", Some(70), 20_000), run("b", "held", None, 7)] });
        let directories = [
            leave("1", &run("a", "held", Some(0), 10_000)),
            leave("2", &campaign),
            leave("3", &run("a", "undecided", None, 1_500_000)),
            leave("4", &json!({ "nothing": true })),
            place.join("nowhere"),
        ];
        let trends = trends(directories.iter().map(std::path::PathBuf::as_path));
        std::fs::remove_dir_all(&place).expect("it was made");
        let rows = rows(&trends, 10);
        let row = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        let expected: Vec<Vec<String>> = vec![
            row(&["a", "3 runs", "✓✗?", "–", "–", "undecided"]),
            row(&["", "lost writes", "▁█·", "0", "70", "70"]),
            row(&["", "write p99, ms", "▁▁█", "10.0", "1,500.0", "1,500.0"]),
            row(&["b", "1 run", "✓", "–", "–", "held"]),
            row(&["", "write p99, ms", "█", "0.0", "0.0", "0.0"]),
        ];
        assert_eq!(rows, expected);
        assert_eq!(super::rows(&trends, 1)[0][2], "?", "the last ones are told");
        assert_eq!(in_digits("▁█·"), "18.");
    }
}
