//! A system's process on a host: started so that it outlives the session, found by its
//! process id and its program, and signalled with proof.

use std::time::Duration;

use crate::cluster::{DbError, Node};
use crate::remote::{Command, quote};

/// Where everything of ours lives on a host.
pub(super) const HOME: &str = "/var/lib/schism";

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
    /// As which user it runs, and owns its directory; none is root.
    pub user: Option<&'static str>,
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
             [ \"$(readlink /proc/$pid/exe)\" = \"$(readlink -f {program})\" ] \
             || {{ echo \"process $pid is not running\" >&2; exit 8; }}\n{CHILDREN}"
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
        let user = self.user.map_or(String::new(), |user| {
            format!("setpriv --reuid={user} --regid=\"$(id -g {user})\" --clear-groups ")
        });
        let script = format!(
            "cd {directory} || exit 1\n\
             pid=$(cat {pid_file} 2>/dev/null) \
             && [ \"$(readlink /proc/$pid/exe)\" = \"$(readlink -f {program})\" ] \
             && {{ echo \"process $pid is running already\" >&2; exit 9; }}\n\
             setsid {user}{command} </dev/null >>{log} 2>&1 &\n\
             echo $! > {pid_file}\n",
            directory = quote(&self.directory),
            program = quote(&self.program),
            command = words.join(" "),
        );
        run(node, script).await.map(drop)
    }

    /// Kills the process and its children, and waits until they are gone.
    ///
    /// # Errors
    ///
    /// [`DbError`] when it was not running, or is still there after two seconds.
    pub async fn kill(&self, node: &Node) -> Result<String, DbError> {
        // Stopped first, it has no more children.
        let script = self.find() + "kill -STOP $pid || exit 1\n" + STRIKE + GONE;
        run(node, script).await
    }

    /// Kills the process if it is running, and makes its directory anew, empty.
    ///
    /// # Errors
    ///
    /// [`DbError`] when the host refuses.
    pub async fn wipe(&self, node: &Node) -> Result<(), DbError> {
        let script = format!(
            "( {find} kill -STOP $pid\n{STRIKE}{GONE} ) >/dev/null 2>&1\n\
             rm -rf -- {directory} && mkdir -p -- {directory}{handed}\n",
            find = self.find(),
            directory = quote(&self.directory),
            handed = self.user.map_or(String::new(), |user| {
                format!(" && chown {user}: {}", quote(&self.directory))
            }),
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
            self.find()
                + "kill -STOP $pid || exit 1\n\
                   for child in $(children); do kill -STOP $child; done 2>/dev/null\n"
                + &until("T", "stopped"),
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
            self.find()
                + "for child in $(children); do kill -CONT $child; done 2>/dev/null\n\
                   kill -CONT $pid || exit 1\n"
                + &until("[RSDI]", "running"),
        )
        .await
    }

    /// Proves that the process that was last started is no more.
    ///
    /// # Errors
    ///
    /// [`DbError`] when it is still there after two seconds.
    pub async fn prove_gone(&self, node: &Node) -> Result<String, DbError> {
        let pid_file = quote(&self.pid_file());
        let pid = format!("pid=$(cat {pid_file} 2>/dev/null) || exit 8\nkids=\n");
        run(node, pid + GONE).await
    }

    /// Proves that the process is stopped.
    ///
    /// # Errors
    ///
    /// [`DbError`] when it is not running, or is not stopped after two seconds.
    pub async fn prove_stopped(&self, node: &Node) -> Result<String, DbError> {
        run(node, self.find() + &until("T", "stopped")).await
    }

    /// The end of the log, for an error message.
    pub async fn last_words(&self, node: &Node) -> String {
        let script = format!("tail -n 3 {} 2>/dev/null", quote(&self.log()));
        run(node, script).await.unwrap_or_default()
    }
}

/// Shell text: `children` prints those of process `$pid`. Some systems are a process a
/// connection, and each of them can still write.
const CHILDREN: &str = "children() {\n\
     grep -l \"^PPid:[[:space:]]*$pid\\$\" /proc/[0-9]*/status 2>/dev/null | cut -d/ -f3\n\
     }\n";

/// Shell text: kills `$pid`, which was stopped, and its children.
const STRIKE: &str = "kids=$(children)\n\
     for kid in $kids; do kill -9 $kid; done 2>/dev/null\n\
     kill -9 $pid || exit 1\n";

/// A process that was killed and not yet collected is a zombie: it runs no more, but holds its
/// ports until the last of its threads has ended.
const GONE: &str = "is_gone() {\n\
     [ -e /proc/$1 ] || return 0\n\
     grep -q '^State:[[:space:]]*[ZX]' /proc/$1/status 2>/dev/null || return 1\n\
     set -- /proc/$1/task/*\n\
     [ $# -le 1 ]\n\
     }\n\
     i=0\n\
     for one in $pid $kids; do\n\
     until is_gone $one; do\n\
       i=$((i+1)); [ $i -gt 200 ] && { echo \"process $one survives\" >&2; exit 7; }; sleep 0.01\n\
     done\n\
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

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    /// What the script says of a process, and how it ends.
    fn is_gone(pid: u32) -> (Option<i32>, String) {
        let script = format!("pid={pid}\nkids=\n{GONE}");
        let output = Command::new("sh").args(["-c", &script]).output().unwrap();
        let both = [output.stdout, output.stderr].concat();
        (
            output.status.code(),
            String::from_utf8_lossy(&both).into_owned(),
        )
    }

    /// A program whose first thread ends while another one sleeps.
    const FIRST_THREAD_ENDS: &str = "\
        #include <pthread.h>\n\
        #include <unistd.h>\n\
        static void *nap(void *none) { sleep(60); return none; }\n\
        int main(void) {\n\
            pthread_t other;\n\
            pthread_create(&other, 0, nap, 0);\n\
            pthread_exit(0);\n\
        }\n";

    #[test]
    fn a_process_is_there_until_its_last_thread_has_ended() {
        let place = std::env::temp_dir().join(format!("schism-threads-{}", std::process::id()));
        std::fs::create_dir_all(&place).unwrap();
        let (source, program) = (place.join("threads.c"), place.join("threads"));
        std::fs::write(&source, FIRST_THREAD_ENDS).unwrap();
        let mut compiler = Command::new("cc");
        let compiled = compiler.args(["-pthread", "-o"]).args([&program, &source]);
        assert!(compiled.status().unwrap().success());
        let mut child = Command::new(&program).spawn().unwrap();
        let status = format!("/proc/{}/status", child.id());
        let begun = std::time::Instant::now();
        while !std::fs::read_to_string(&status)
            .unwrap()
            .contains("State:\tZ")
        {
            assert!(begun.elapsed() < TIMEOUT, "it is no zombie");
            std::thread::sleep(Duration::from_millis(5));
        }
        let (code, said) = is_gone(child.id());
        assert!(code == Some(7) && said.contains("survives"), "{said}");
        child.kill().unwrap();
        let (code, said) = is_gone(child.id());
        assert!(code == Some(0) && said.contains("is gone"), "{said}");
        child.wait().unwrap();
        std::fs::remove_dir_all(&place).unwrap();
    }
}
