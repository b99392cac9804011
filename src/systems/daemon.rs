//! A system's process on a host: started so that it outlives the session, found by its
//! process id and its program, and signalled with proof.

use std::time::Duration;

use crate::cluster::{DbError, Node};
use crate::remote::{Command, quote};

const TIMEOUT: Duration = Duration::from_secs(10);

/// Where a process lives on a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Daemon {
    /// The program, absolute.
    pub program: String,
    /// Its arguments.
    pub args: Vec<String>,
    /// The directory that it runs in; its log and its process id are kept there.
    pub directory: String,
}

impl Daemon {
    /// The file that takes what the process prints.
    #[must_use]
    pub fn log(&self) -> String {
        format!("{}/log", self.directory)
    }

    fn pid_file(&self) -> String {
        format!("{}/pid", self.directory)
    }

    /// Shell text that sets `pid` to the id of the running process or ends with status 8. The
    /// program is compared, since an id may have been given to something else.
    fn find(&self) -> String {
        let (pid_file, program) = (quote(&self.pid_file()), quote(&self.program));
        format!(
            "pid=$(cat {pid_file} 2>/dev/null) || {{ echo 'no process id was kept' >&2; exit 8; }}\n\
             [ \"$(readlink /proc/$pid/exe)\" = {program} ] \
             || {{ echo \"process $pid is not running\" >&2; exit 8; }}\n"
        )
    }

    /// Starts the process and leaves it running after the session.
    ///
    /// # Errors
    ///
    /// [`DbError`] when the host refuses, or when the process is running already.
    pub async fn start(&self, node: &Node) -> Result<(), DbError> {
        let words: Vec<String> = std::iter::once(&self.program)
            .chain(&self.args)
            .map(|word| quote(word))
            .collect();
        let (log, pid_file) = (quote(&self.log()), quote(&self.pid_file()));
        let script = format!(
            "cd {directory} || exit 1\n\
             pid=$(cat {pid_file} 2>/dev/null) && [ \"$(readlink /proc/$pid/exe)\" = {program} ] \
             && {{ echo \"process $pid is running already\" >&2; exit 9; }}\n\
             setsid {command} </dev/null >>{log} 2>&1 &\n\
             echo $! > {pid_file}\n",
            directory = quote(&self.directory),
            program = quote(&self.program),
            command = words.join(" "),
        );
        run(node, script).await.map(drop)
    }

    /// Kills the process and waits until it is gone.
    ///
    /// # Errors
    ///
    /// [`DbError`] when it was not running, or is still there after two seconds.
    pub async fn kill(&self, node: &Node) -> Result<String, DbError> {
        let script = self.find() + "kill -9 $pid || exit 1\n" + GONE;
        run(node, script).await
    }

    /// Kills the process if it is running, and removes its directory.
    ///
    /// # Errors
    ///
    /// [`DbError`] when the host refuses.
    pub async fn wipe(&self, node: &Node) -> Result<(), DbError> {
        let script = format!(
            "( {find} kill -CONT $pid; kill -9 $pid\n {GONE} ) >/dev/null 2>&1\n\
             rm -rf -- {directory} && mkdir -p -- {directory}\n",
            find = self.find(),
            directory = quote(&self.directory),
        );
        run(node, script).await.map(drop)
    }

    /// Stops the process and proves that it is stopped.
    ///
    /// # Errors
    ///
    /// [`DbError`] when it is not running or does not stop.
    pub async fn pause(&self, node: &Node) -> Result<String, DbError> {
        run(
            node,
            self.find() + "kill -STOP $pid || exit 1\n" + &until("T", "stopped"),
        )
        .await
    }

    /// Lets the process go on and proves that it does.
    ///
    /// # Errors
    ///
    /// [`DbError`] when it is not running or does not go on.
    pub async fn resume(&self, node: &Node) -> Result<String, DbError> {
        run(
            node,
            self.find() + "kill -CONT $pid || exit 1\n" + &until("[RSDI]", "running"),
        )
        .await
    }

    /// The end of the log, for an error message.
    pub async fn last_words(&self, node: &Node) -> String {
        let script = format!("tail -n 3 {} 2>/dev/null", quote(&self.log()));
        run(node, script).await.unwrap_or_default()
    }
}

/// A process that was killed and not yet collected is a zombie: it runs no more.
const GONE: &str = "i=0\n\
     while [ -e /proc/$pid ] && ! grep -q '^State:[[:space:]]*[ZX]' /proc/$pid/status 2>/dev/null; do\n\
       i=$((i+1)); [ $i -gt 200 ] && { echo \"process $pid survives\" >&2; exit 7; }; sleep 0.01\n\
     done\n\
     echo \"process $pid is gone\"\n";

fn until(state: &str, word: &str) -> String {
    format!(
        "i=0\nuntil grep -q '^State:[[:space:]]*{state}' /proc/$pid/status; do\n\
         i=$((i+1)); [ $i -gt 200 ] && {{ echo \"process $pid is not {word}\" >&2; exit 7; }}\n\
         sleep 0.01\ndone\necho \"process $pid is {word}\"\n"
    )
}

async fn run(node: &Node, script: String) -> Result<String, DbError> {
    let command = Command::shell(script).timeout(TIMEOUT).as_root();
    Ok(node.remote.run(&command).await?.stdout.trim().to_owned())
}
