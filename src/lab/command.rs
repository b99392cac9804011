//! `schism lab`: up, shell, exec, down.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use super::{Entered, Lab, LabError, LabSpec, Phase, UserNamespace, background, enter};
use crate::doctor;
use crate::inventory::{self, Host};

/// The variable in which programs inside a lab find its inventory's path.
pub const INVENTORY_VARIABLE: &str = "SCHISM_LAB_INVENTORY";

/// Hosts on this machine, each with its own address, files, processes and sshd.
#[derive(Debug, clap::Args)]
pub struct LabArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Start a lab in the background.
    Up {
        #[command(flatten)]
        lab: SpecArgs,
        #[command(flatten)]
        name: NameArgs,
    },
    /// Open a shell beside the nodes of the running lab, or on one of them.
    Shell {
        /// The node to log in to; without one, a shell on the control side.
        node: Option<String>,
        #[command(flatten)]
        name: NameArgs,
    },
    /// Run a command on the control side of a lab made for it alone, or of the running one.
    Exec {
        #[command(flatten)]
        lab: SpecArgs,
        /// Use the running lab instead.
        #[arg(long)]
        running: bool,
        #[command(flatten)]
        name: NameArgs,
        /// The command and its arguments; SCHISM_LAB_INVENTORY names the hosts' inventory.
        #[arg(required = true, last = true)]
        command: Vec<String>,
    },
    /// End the running lab; nothing of it is left.
    Down {
        #[command(flatten)]
        name: NameArgs,
    },
}

#[derive(Debug, clap::Args)]
struct SpecArgs {
    /// How many nodes.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u8).range(1..=200))]
    nodes: u8,
    /// Whether root puts the lab into a user namespace.
    #[arg(long, value_enum, default_value = "if-possible")]
    user_namespace: UserNamespace,
    /// Stop for good at a point of the lab's life (for tests).
    #[arg(long, value_enum, hide = true)]
    halt_at: Option<Phase>,
}

#[derive(Debug, clap::Args)]
struct NameArgs {
    /// Which lab, where there is more than one.
    #[arg(long, default_value = "default")]
    name: String,
}

impl SpecArgs {
    fn spec(&self) -> LabSpec {
        LabSpec {
            nodes: self.nodes.into(),
            user_namespace: self.user_namespace,
            layers: Vec::new(),
            halt_at: self.halt_at,
        }
    }
}

/// Runs the command; returns the exit code.
///
/// # Errors
///
/// When there is no lab or the command in it cannot be started; each error says the remedy.
pub fn run(args: &LabArgs, out: &mut impl Write) -> Result<u8, LabError> {
    match &args.action {
        Action::Up { lab, name } => {
            let table = background::start(&name.name, &lab.spec(), greet)?;
            say(out, &table)
        }
        Action::Down { name } => {
            let running = background::find(&name.name)?;
            running.end()?;
            say(
                out,
                &format!("The lab and its {} nodes are gone.\n", running.nodes()),
            )
        }
        Action::Shell { node, name } => {
            let running = background::find(&name.name)?;
            let mut command = match node {
                Some(node) => ssh(running.ssh_config(), node)?,
                None => Command::new(super::find_tool("bash").unwrap_or("/bin/sh".into())),
            };
            command.env(INVENTORY_VARIABLE, running.inventory());
            running.within(|| become_program(command))
        }
        Action::Exec {
            lab,
            running,
            name,
            command,
        } => {
            let mut program = Command::new(&command[0]);
            program.args(&command[1..]);
            if *running {
                let lab = background::find(&name.name)?;
                program.env(INVENTORY_VARIABLE, lab.inventory());
                return lab.within(|| become_program(program));
            }
            match enter(&lab.spec())? {
                Entered::Outside(code) => Ok(code),
                Entered::Inside(lab) => {
                    program.env(INVENTORY_VARIABLE, lab.inventory_file());
                    Err(become_program(program))
                }
            }
        }
    }
}

/// Moves this process into the running lab, so that it reaches the nodes, and returns them. The
/// process must have one thread.
///
/// # Errors
///
/// When no lab runs, or the kernel refuses.
pub fn running_hosts() -> Result<Vec<Host>, LabError> {
    let running = background::find("default")?;
    running.visit()?;
    inventory::load(running.inventory())
        .map_err(|error| LabError::step("ask the running lab for its hosts", error))
}

fn say(out: &mut impl Write, text: &str) -> Result<u8, LabError> {
    out.write_all(text.as_bytes())
        .map(|()| 0)
        .map_err(|e| LabError::step("print", e))
}

/// Becomes the program: signals then reach it and not a process around it.
fn become_program(mut program: Command) -> LabError {
    let name = program.get_program().to_string_lossy().into_owned();
    LabError::step(format!("run {name}"), program.exec())
}

fn ssh(config: &Path, node: &str) -> Result<Command, LabError> {
    let mut command = Command::new(super::tool("ssh", "openssh-client")?);
    command.arg("-F").arg(config).arg("--").arg(node);
    Ok(command)
}

/// One line a node, as measured over SSH.
fn greet(lab: &Lab) -> String {
    let mut text = doctor::table_of_hosts(lab.hosts());
    let count = lab.hosts().len();
    text += &format!(
        "{count} nodes ready in {:.2} s.  Inside: schism lab shell [NODE], schism lab exec \
         --running -- COMMAND (inventory {}).  Remove: schism lab down\n",
        lab.boot_time().as_secs_f64(),
        lab.inventory_file().display()
    );
    text
}
