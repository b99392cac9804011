//! What was probably meant.

/// The nearest of `names`, if one is near enough to be a typo of `word`.
#[must_use]
pub fn nearest<'a>(word: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let scored = names
        .into_iter()
        .map(|name| (strsim::jaro_winkler(word, name), name));
    scored
        .filter(|(score, _)| *score > 0.75)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, n)| n)
}

/// The sentence for a name that does not exist.
#[must_use]
pub fn unknown<'a>(
    what: &str,
    word: &str,
    names: impl IntoIterator<Item = &'a str> + Clone,
) -> String {
    if let Some(name) = nearest(word, names.clone()) {
        return format!("no {what} is called `{word}`; did you mean `{name}`?");
    }
    let all: Vec<&str> = names.into_iter().collect();
    format!(
        "no {what} is called `{word}`; there are: {}",
        all.join(", ")
    )
}

/// Adds a suggestion to serde's "unknown field `x`, expected one of `a`, `b`".
#[must_use]
pub fn with_suggestion(message: &str) -> String {
    let message = message.trim_end();
    let names: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
    match names.split_first() {
        Some((word, expected)) if message.starts_with("unknown") => {
            match nearest(word, expected.iter().copied()) {
                Some(name) => format!("{message}; did you mean `{name}`?"),
                None => message.to_owned(),
            }
        }
        _ => message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_are_suggested_and_far_ones_are_not() {
        assert_eq!(nearest("clinets", ["seed", "clients"]), Some("clients"));
        assert_eq!(nearest("zzz", ["seed", "clients"]), None);
        let message = "unknown field `sed`, expected one of `seed`, `name`";
        assert!(with_suggestion(message).ends_with("did you mean `seed`?"));
    }
}
