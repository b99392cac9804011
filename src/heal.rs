//! Mending hosts without knowing what was done to them.

use crate::cluster::Node;
use crate::nemesis::net;
use crate::remote::{Command, on_all};

/// Removes our firewall table and lets every process of ours that was stopped go on, on all
/// hosts at once. Safe at any time, any number of times.
///
/// # Errors
///
/// What could not be done, a line a host; the other hosts were mended.
pub async fn heal(nodes: &[Node]) -> Result<(), String> {
    let results = on_all(nodes, async |node| Ok::<_, String>(mend(node).await)).await?;
    let failures: Vec<String> = results.into_iter().filter_map(Result::err).collect();
    if failures.is_empty() {
        Ok(())
    } else {
        Err(failures.join("\n"))
    }
}

/// What we deploy lies under this directory, or runs in it, so its processes are known by that.
const RESUME: &str = "for p in /proc/[0-9]*; do\n\
     case \"$(readlink $p/exe 2>/dev/null) $(readlink $p/cwd 2>/dev/null)\" in\n\
     */var/lib/schism/*) kill -CONT ${p#/proc/};; esac\n\
     done; true\n";

async fn mend(node: &Node) -> Result<(), String> {
    net::drop_table(node, "heal")
        .await
        .map_err(|error| error.to_string())?;
    let resumed = node.remote.run(&Command::shell(RESUME).as_root()).await;
    resumed
        .map(drop)
        .map_err(|error| format!("failed to {error}"))
}
