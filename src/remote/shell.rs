//! From a command as data to a line for a remote shell: the only place that quotes.

use super::{Command, Script};

/// Makes one word of any text, for a POSIX shell.
pub fn quote(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-./:=@,+%".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

impl Command {
    /// The line to hand to the shell of the login user `login`.
    pub fn to_shell(&self, login: &str) -> String {
        let plain = self.in_directory();
        match self.user.as_deref() {
            None => plain,
            Some(user) if user == login => plain,
            // Root needs no sudo, which many a small host lacks.
            Some(user) if login == "root" => {
                format!(
                    "exec runuser -u {} -- /bin/sh -c {}",
                    quote(user),
                    quote(&plain)
                )
            }
            Some(user) => {
                format!(
                    "exec sudo -n -u {} -- /bin/sh -c {}",
                    quote(user),
                    quote(&plain)
                )
            }
        }
    }

    fn in_directory(&self) -> String {
        let what = self.script();
        match &self.directory {
            None => what,
            Some(directory) => {
                format!("cd -- {} && {what}", quote(&directory.to_string_lossy()))
            }
        }
    }

    fn script(&self) -> String {
        match &self.what {
            Script::Args(words) => {
                let words: Vec<String> = words.iter().map(|word| quote(word)).collect();
                // `env` so that no word is a keyword or a builtin, and `a=b` no assignment.
                match words.first() {
                    Some(first) if first.contains('=') => format!("env -- {}", words.join(" ")),
                    _ => words.join(" "),
                }
            }
            // The login shell may be another than the one the text is written for.
            Script::Shell(text) => format!("exec /bin/sh -c {}", quote(text)),
        }
    }

    /// The command as errors name it: one line, not too long.
    pub fn shortened(&self) -> String {
        let text = match &self.what {
            Script::Args(words) => words.join(" "),
            Script::Shell(text) => text.clone(),
        };
        let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
        match line.char_indices().nth(100) {
            Some((cut, _)) => format!("{}…", &line[..cut]),
            None => line,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sh(line: &str) -> String {
        let output = std::process::Command::new("/bin/sh")
            .args(["-c", line])
            .output()
            .unwrap();
        assert!(output.status.success(), "{line:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn hostile() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            Just("'".to_owned()),
            Just("\\".to_owned()),
            Just("\n".to_owned()),
            Just("$(touch x)".to_owned()),
            Just("`id`".to_owned()),
            Just("\"; rm -rf / #".to_owned()),
            Just("!!".to_owned()),
            Just("a=b".to_owned()),
            Just("*".to_owned()),
            Just("-n".to_owned()),
            "[^\\x00]{0,4}",
        ];
        prop::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(100))]

        #[test]
        fn any_text_comes_through_a_real_shell_as_one_word(text in hostile()) {
            prop_assert_eq!(sh(&format!("printf '%s' {}", quote(&text))), text);
        }

        #[test]
        fn arguments_arrive_as_they_are(words in prop::collection::vec(hostile(), 1..4)) {
            let all = ["printf".to_owned(), "<%s>".to_owned()].into_iter().chain(words.clone());
            let line = Command::args(all).directory("/").to_shell("root");
            let expected: String = words.iter().map(|word| format!("<{word}>")).collect();
            prop_assert_eq!(sh(&line), expected);
        }

        #[test]
        fn a_script_survives_the_second_shell_that_another_user_needs(text in hostile()) {
            let script = format!("printf '%s' {}", quote(&text));
            let line = Command::shell(script).user("bob").to_shell("ann");
            // The words behind `sudo` must be what sudo would run.
            let line = line.replacen("exec sudo -n -u bob --", "exec", 1);
            prop_assert_eq!(sh(&line), text);
        }
    }

    #[test]
    fn a_program_whose_name_has_an_equals_sign_is_no_assignment() {
        assert_eq!(Command::args(["a=b"]).to_shell("root"), "env -- a=b");
    }

    #[test]
    fn sudo_is_for_another_user_only() {
        let command = Command::args(["id"]);
        assert_eq!(command.clone().user("ann").to_shell("ann"), "id");
        let other = command.clone().user("bob").to_shell("ann");
        assert_eq!(other, "exec sudo -n -u bob -- /bin/sh -c id");
        assert_eq!(
            command.user("bob").to_shell("root"),
            "exec runuser -u bob -- /bin/sh -c id"
        );
    }

    #[test]
    fn a_long_command_is_named_by_its_start() {
        let short = Command::shell("é ".repeat(200)).shortened();
        assert_eq!(short.chars().count(), 101);
    }
}
