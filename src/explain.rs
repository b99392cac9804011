//! `schism explain`: what a word means, of those that verdicts and reports use.

use checkers::lattice::{self, Level};
use checkers::pages::{self, Page};

use crate::claim::Claim;
use crate::suggest;

/// Words that are neither a guarantee nor an anomaly.
const WORDS: [(&str, &str); 8] = [
    (
        "held",
        "Nothing in this history contradicts the claim, and there was something that could \
         have. It is no proof: another run may refute it.",
    ),
    (
        "violated",
        "The history contradicts the claim. It is a proof: the finding names the operations.",
    ),
    (
        "undecided",
        "The history does not tell: something is lacking in it, or a search came to the end of \
         its time or memory. The verdict says which, and what would settle it.",
    ),
    (
        "not-valid",
        "The harness, a host or a fault failed, so the run proves nothing of the system.",
    ),
    (
        "ok",
        "The operation happened, between its start and its end.",
    ),
    (
        "fail",
        "The operation certainly did not happen, and never will.",
    ),
    (
        "info",
        "Nobody knows what came of the operation: it may have happened, at any time after its \
         start, may yet happen, or never. It is never guessed.",
    ),
    (
        "power",
        "How much a check could have found in this history: reads that could have been stale, \
         pairs whose order could have been wrong, elements that could have been lost. A claim \
         that nothing could have refuted is undecided, not held.",
    ),
];

/// What a word means, at most `width` wide.
///
/// # Errors
///
/// A sentence with the nearest word, if it is none of ours.
pub fn explain(word: &str, width: usize) -> Result<String, String> {
    let mut parts: Vec<String> = Vec::new();
    if let Some((word, meaning)) = WORDS.iter().find(|(other, _)| *other == word) {
        parts.push(format!("{word}\n\n{}", wrapped(meaning, width)));
    }
    let claim = word.parse::<Claim>().ok();
    let level = lattice::find(word);
    if let Some(level) = level {
        parts.push(of_level(level, width));
    }
    let checker = claim.map_or(word, |claim| claim.checker());
    match pages::find(checker) {
        Some(page) if level.is_some_and(|level| level.checker() == page.name) => {
            parts.push(wrapped(
                page.text
                    .split_once('\n')
                    .map_or("", |(_, rest)| rest.trim()),
                width,
            ));
        }
        Some(page) => parts.push(wrapped(page.text.trim(), width)),
        None => {}
    }
    let told: Vec<(&Page, String)> = pages::about_anomaly(word).collect();
    if !told.is_empty() {
        parts.push(of_anomaly(word, &told, width));
    }
    if parts.is_empty() {
        let words = words();
        return Err(suggest::unknown("word", word, words.iter().copied()));
    }
    Ok(parts.join("\n\n"))
}

/// All that can be explained.
#[must_use]
pub fn words() -> Vec<&'static str> {
    let mut words: Vec<&str> = WORDS.iter().map(|(word, _)| *word).collect();
    words.extend(
        lattice::LEVELS
            .iter()
            .flat_map(|level| [level.name].into_iter().chain(level.also.iter().copied())),
    );
    words.extend(Claim::all().map(Claim::as_str));
    words.extend(
        checkers::CHECKERS
            .iter()
            .flat_map(|about| [about.name].into_iter().chain(about.names.iter().copied())),
    );
    words.sort_unstable();
    words.dedup();
    words
}

fn of_level(level: &Level, width: usize) -> String {
    let mut text = format!("{}, a guarantee", level.name);
    if !level.also.is_empty() {
        text += &format!("; also: {}", level.also.join(", "));
    }
    text += &format!("\n\n{}\n", wrapped(level.about, width));
    let weaker: Vec<&str> = level.weaker().iter().skip(1).map(|l| l.name).collect();
    if !weaker.is_empty() {
        text += &format!(
            "\n{}",
            wrapped(&format!("implies: {}", weaker.join(", ")), width)
        );
    }
    let stronger = lattice::LEVELS.iter().filter(|other| {
        other.name != level.name && other.weaker().iter().any(|l| l.name == level.name)
    });
    let stronger: Vec<&str> = stronger.map(|l| l.name).collect();
    if !stronger.is_empty() {
        text += &format!(
            "\n{}",
            wrapped(&format!("implied by: {}", stronger.join(", ")), width)
        );
    }
    let judge = Claim::of_checker(level.checker());
    text += &match judge {
        Some(claim) => format!("\njudged by: schism check HISTORY --claim {claim}"),
        None if !level.refuted_by.is_empty() => {
            format!("\nrefuted by: {}", level.refuted_by.join(", "))
        }
        None => "\nnot judged by a checker of its own".to_owned(),
    };
    text
}

fn of_anomaly(word: &str, told: &[(&Page, String)], width: usize) -> String {
    let mut text = format!("{word}, an anomaly\n");
    for (page, meaning) in told {
        let claim = Claim::of_checker(page.name).map_or(page.name, Claim::as_str);
        let meaning = meaning
            .split_once(": ")
            .map_or(meaning.as_str(), |(_, rest)| rest);
        text += &format!(
            "\n{}\n",
            wrapped(&format!("It refutes {claim}: {meaning}"), width)
        );
    }
    text.trim_end().to_owned()
}

/// Paragraphs, lists and headings of Markdown, with lines at most so wide.
fn wrapped(text: &str, width: usize) -> String {
    let stands_alone = |line: &str| line.is_empty() || line.starts_with(['#', '|']);
    let mut blocks: Vec<String> = Vec::new();
    for line in text.lines().map(str::trim_end) {
        match blocks.last_mut() {
            Some(open) if !stands_alone(open) && !stands_alone(line) && !line.starts_with("- ") => {
                *open += " ";
                *open += line.trim_start();
            }
            _ => blocks.push(line.to_owned()),
        }
    }
    let folded = blocks.iter().map(|block| fold(block, width));
    folded.collect::<Vec<_>>().join("\n")
}

/// One paragraph or item of a list.
fn fold(block: &str, width: usize) -> String {
    let indent = if block.starts_with("- ") {
        "\n  "
    } else {
        "\n"
    };
    let mut text = String::new();
    let mut column = 0;
    for word in block.split_whitespace() {
        let length = word.chars().count();
        if column > 0 && column + 1 + length > width {
            text += indent;
            column = indent.len() - 1;
        } else if column > 0 {
            text += " ";
            column += 1;
        }
        text += word;
        column += length;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_explained_within_the_width() {
        for word in words() {
            let text = explain(word, 80).expect("a word of ours");
            let long = text.lines().find(|line| line.chars().count() > 80);
            assert_eq!(long, None, "{word}");
        }
    }

    #[test]
    fn a_guarantee_tells_its_place_and_who_judges_it() {
        let text = explain("SC", 80).expect("a name of sequential consistency");
        assert!(
            text.starts_with("sequential, a guarantee; also: "),
            "{text}"
        );
        assert!(text.contains("implied by: strict-serializable, linearizable"));
        let wrong = explain("lineariseable", 80).expect_err("it is misspelt");
        assert!(wrong.contains("`linearizable`"), "{wrong}");
    }

    #[test]
    fn an_anomaly_tells_which_claims_it_refutes() {
        let text = explain("future-read", 80).expect("an anomaly");
        assert!(
            text.contains("It refutes linearizable: a value was read before"),
            "{text}"
        );
    }
}
