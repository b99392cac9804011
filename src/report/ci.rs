//! What a build server is told: annotations and outputs in GitHub's words.

use super::told::Told;

/// GitHub shows ten errors of a step; the tenth says how many more there are.
const SHOWN: usize = 10;

/// An annotation for each kind of finding: title and message.
#[must_use]
pub fn annotations(told: &Told, failing: &[(String, String)]) -> Vec<String> {
    let mut lines = Vec::new();
    let shown = if failing.len() > SHOWN {
        SHOWN - 1
    } else {
        failing.len()
    };
    for (title, message) in &failing[..shown] {
        lines.push(format!(
            "::error title={}::{}",
            property(title),
            data(message)
        ));
    }
    if failing.len() > shown {
        let more = failing.len() - shown;
        lines.push(format!(
            "::error title={}::and {more} more",
            property(&told.name)
        ));
    }
    lines
}

/// The outputs of a step.
#[must_use]
pub fn outputs(told: &Told, directory: &str, code: u8) -> String {
    let line = |text: &str| text.replace(['\n', '\r'], " ");
    format!(
        "verdict={}\nexit-code={code}\nrun-dir={}\nfindings={}\n",
        line(&told.status),
        line(directory),
        told.findings.len()
    )
}

fn data(text: &str) -> String {
    let short: String = text.chars().take(500).collect();
    short
        .replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_annotation_cannot_become_another_command() {
        let told = Told::default();
        let failing = vec![("a:b,c\n::set-env".to_owned(), "x%\n::error::y".to_owned())];
        let lines = annotations(&told, &failing);
        assert_eq!(
            lines,
            ["::error title=a%3Ab%2Cc%0A%3A%3Aset-env::x%25%0A::error::y"]
        );
        let many = vec![failing[0].clone(); 15];
        let lines = annotations(&told, &many);
        assert_eq!(lines.len(), 10);
        assert!(lines[9].ends_with("and 6 more"), "{}", lines[9]);
        let told = Told {
            status: "a\nb=c".into(),
            ..Told::default()
        };
        assert_eq!(outputs(&told, "x\ny", 1).lines().count(), 4);
    }
}
