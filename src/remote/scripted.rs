//! A host that exists on paper only, for tests: it records what it is asked and answers from a
//! script.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::{Command, Exit, Output, Pending, Remote, RemoteError};

/// What a scripted host was asked to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// To run this.
    Run(Command),
    /// To take this file, under that name.
    Upload(PathBuf, String),
    /// To give that file, into this one.
    Download(String, PathBuf),
}

/// What it answers to a command, given the line that its shell would see.
pub type Answer = dyn Fn(&str) -> Result<String, Exit> + Send + Sync;

/// A host on paper.
pub struct Scripted {
    node: String,
    answer: Box<Answer>,
    asked: Mutex<Vec<Asked>>,
}

impl Scripted {
    /// A host that answers every command with nothing.
    pub fn silent(node: impl Into<String>) -> Self {
        Self::new(node, |_| Ok(String::new()))
    }

    /// A host that answers commands so: standard output, or how the command ends.
    pub fn new(
        node: impl Into<String>,
        answer: impl Fn(&str) -> Result<String, Exit> + Send + Sync + 'static,
    ) -> Self {
        Self {
            node: node.into(),
            answer: Box::new(answer),
            asked: Mutex::default(),
        }
    }

    /// All that was asked so far, in order.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The lines that its shell saw.
    pub fn lines(&self) -> Vec<String> {
        let line = |asked| match asked {
            Asked::Run(command) => Some(Command::to_shell(&command, "root")),
            Asked::Upload(..) | Asked::Download(..) => None,
        };
        self.asked().into_iter().filter_map(line).collect()
    }

    fn note(&self, asked: Asked) {
        self.asked
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(asked);
    }
}

impl Remote for Scripted {
    fn node(&self) -> &str {
        &self.node
    }

    fn run<'a>(&'a self, command: &'a Command) -> Pending<'a, Output> {
        self.note(Asked::Run(command.clone()));
        let result = (self.answer)(&command.to_shell("root"));
        Box::pin(async move {
            match result {
                Ok(stdout) => Ok(Output {
                    stdout,
                    stderr: String::new(),
                }),
                Err(exit) => Err(RemoteError::Failed {
                    node: self.node.clone(),
                    command: command.shortened(),
                    exit,
                    stderr_tail: "scripted".to_owned(),
                }),
            }
        })
    }

    fn upload<'a>(&'a self, from: &'a Path, to: &'a str, _mode: u32) -> Pending<'a, ()> {
        self.note(Asked::Upload(from.to_owned(), to.to_owned()));
        Box::pin(async { Ok(()) })
    }

    fn download<'a>(&'a self, from: &'a str, to: &'a Path) -> Pending<'a, ()> {
        self.note(Asked::Download(from.to_owned(), to.to_owned()));
        Box::pin(async { Ok(()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::remote::on_all;

    #[tokio::test]
    async fn it_answers_from_its_script_and_remembers() {
        let answer = |line: &str| {
            if line == "false" {
                Err(Exit::Status(1))
            } else {
                Ok("x".into())
            }
        };
        let nodes = ["n1", "n2"].map(|name| Scripted::new(name, answer));
        let command = Command::args(["hostname"]);
        let outputs = on_all(&nodes, |node| node.run(&command)).await.unwrap();
        assert!(outputs.iter().all(|output| output.stdout == "x"));
        let error = nodes[0]
            .run(&Command::args(["false"]))
            .await
            .unwrap_err()
            .to_string();
        assert_eq!(error, "run `false` on n1: exit status 1: scripted");
        assert_eq!(nodes[0].lines(), ["hostname", "false"]);
    }
}
