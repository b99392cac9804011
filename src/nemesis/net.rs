//! Cutting the network, and the proof that it is cut: an nftables table of our own on each
//! host, so that healing removes only what is ours.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::NemesisError;
use super::partition::Grudge;
use crate::cluster::{Cluster, Node};
use crate::remote::{Command, on_all};

/// The name of our table; nothing else of the host's firewall is ever touched.
const TABLE: &str = "inet schism";
/// How long a probe waits for an answer; a local network answers within a millisecond.
const PROBE: &str = "0.4";
/// How long connections that should form may fail to.
const PATIENCE: Duration = Duration::from_secs(15);
const TIMEOUT: Duration = Duration::from_secs(10);

/// The rules that one node needs: whom it drops, and whom it only counts because that one has
/// gone deaf to it and the counter proves that it is still heard.
fn rules(cluster: &Cluster, grudge: &Grudge, node: usize) -> Option<String> {
    let dropped = grudge.drops.get(&node).cloned().unwrap_or_default();
    let counted: Vec<usize> = (0..cluster.nodes.len())
        .filter(|other| !grudge.hears(*other, node) && grudge.hears(node, *other))
        .collect();
    if dropped.is_empty() && counted.is_empty() {
        return None;
    }
    let mut chain = String::new();
    for (nodes, verdict) in [(dropped, " drop"), (counted, "")] {
        for (family, is_this) in FAMILIES {
            let addresses: Vec<String> = nodes
                .iter()
                .map(|n| cluster.nodes[*n].address)
                .filter(is_this)
                .map(|address| address.to_string())
                .collect();
            if !addresses.is_empty() {
                let set = addresses.join(", ");
                chain += &format!("    {family} saddr {{ {set} }} counter{verdict}\n");
            }
        }
    }
    // Making the table first lets the deletion succeed where there is none; all of it is one
    // transaction.
    Some(format!(
        "table {TABLE}\ndelete table {TABLE}\ntable {TABLE} {{\n  chain input {{\n    \
         type filter hook input priority -10; policy accept;\n{chain}  }}\n}}\n"
    ))
}

type IsFamily = fn(&IpAddr) -> bool;
const FAMILIES: [(&str, IsFamily); 2] = [("ip", IpAddr::is_ipv4), ("ip6", IpAddr::is_ipv6)];

/// Cuts as the grudge says, on all nodes at once, and proves it: whoever should be cut cannot
/// connect, whoever should not be still can, and in a one-way cut the counters tell who hears.
///
/// # Errors
///
/// [`NemesisError::Host`] when a command fails, [`NemesisError::Unproven`] when the probes
/// contradict the grudge.
pub async fn cut(cluster: &Cluster, grudge: &Grudge) -> Result<String, NemesisError> {
    let nodes: Vec<usize> = (0..cluster.nodes.len()).collect();
    on_all(&nodes, async |node| match rules(cluster, grudge, *node) {
        Some(rules) => {
            let command = Command::args(["nft", "-f", "-"]).stdin(rules.into_bytes());
            run(
                &cluster.nodes[*node],
                &command.timeout(TIMEOUT),
                "partition",
            )
            .await
            .map(drop)
        }
        None => drop_table(&cluster.nodes[*node], "partition").await,
    })
    .await?;
    prove(cluster, grudge).await
}

/// Removes our table everywhere and proves that all nodes reach each other. May be called at
/// any time, any number of times.
///
/// # Errors
///
/// As [`cut`].
pub async fn heal(cluster: &Cluster) -> Result<String, NemesisError> {
    let nodes: Vec<usize> = (0..cluster.nodes.len()).collect();
    on_all(&nodes, async |node| {
        drop_table(&cluster.nodes[*node], "heal").await
    })
    .await?;
    prove(cluster, &Grudge::default()).await
}

/// Removes our table from one host, if it is there.
///
/// # Errors
///
/// [`NemesisError::Host`] when the host refuses.
pub async fn drop_table(node: &Node, fault: &str) -> Result<(), NemesisError> {
    let script = format!("table {TABLE}\ndelete table {TABLE}\n");
    let command = Command::args(["nft", "-f", "-"])
        .stdin(script.into_bytes())
        .timeout(TIMEOUT);
    run(node, &command, fault).await.map(drop)
}

async fn run(node: &Node, command: &Command, fault: &str) -> Result<String, NemesisError> {
    let output = node.remote.run(&command.clone().as_root()).await;
    output
        .map(|output| output.stdout)
        .map_err(|error| NemesisError::Host {
            fault: fault.to_owned(),
            cause: format!("failed to {error}"),
        })
}

/// Connects from every node to every other and compares with the grudge. A connection that
/// should be refused and forms disproves a cut at once; one that should form may need more than
/// one try on hosts that are busy.
async fn prove(cluster: &Cluster, grudge: &Grudge) -> Result<String, NemesisError> {
    let fault = if grudge.drops.is_empty() {
        "heal"
    } else {
        "partition"
    };
    let begun = Instant::now();
    let (cut, open) = loop {
        match compare(cluster, grudge, fault).await? {
            Seen::AsSaid { cut, open } => break (cut, open),
            Seen::Silent(_) if begun.elapsed() < PATIENCE => {}
            Seen::Silent(evidence) | Seen::Reached(evidence) => {
                return Err(NemesisError::Unproven {
                    fault: fault.into(),
                    evidence,
                });
            }
        }
    };
    prove_counters(cluster, grudge).await?;
    Ok(format!("{cut} connections refused to form, {open} formed"))
}

/// What the probes saw.
enum Seen {
    /// As many pairs cut, and as many open, as the grudge says.
    AsSaid { cut: usize, open: usize },
    /// A pair that should be open did not connect in time.
    Silent(String),
    /// A pair that should be cut connected.
    Reached(String),
}

async fn compare(cluster: &Cluster, grudge: &Grudge, fault: &str) -> Result<Seen, NemesisError> {
    let nodes: Vec<usize> = (0..cluster.nodes.len()).collect();
    let seen = on_all(&nodes, async |node| probe(cluster, *node, fault).await).await?;
    let (mut cut, mut open) = (0, 0);
    let mut silent = None;
    for (from, reached) in seen.into_iter().enumerate() {
        for (to, reached) in reached {
            let (one, other) = (&cluster.nodes[from].name, &cluster.nodes[to].name);
            match (grudge.connected(from, to), reached) {
                (true, true) => open += 1,
                (false, false) => cut += 1,
                (true, false) => silent = Some(format!("{one} could not reach {other}")),
                (false, true) => return Ok(Seen::Reached(format!("{one} still reached {other}"))),
            }
        }
    }
    Ok(silent.map_or(Seen::AsSaid { cut, open }, Seen::Silent))
}

/// In a one-way cut connections fail in both directions, so only the counters tell which
/// direction is cut: every node with a rule must have seen packets of the others.
async fn prove_counters(cluster: &Cluster, grudge: &Grudge) -> Result<(), NemesisError> {
    let nodes: Vec<usize> = (0..cluster.nodes.len())
        .filter(|node| rules(cluster, grudge, *node).is_some())
        .collect();
    let list = Command::args(["nft", "list", "table", "inet", "schism"]).timeout(TIMEOUT);
    let tables = on_all(&nodes, async |node| {
        run(&cluster.nodes[*node], &list, "partition").await
    })
    .await?;
    for (node, table) in nodes.iter().zip(tables) {
        let counted = packets(&table);
        if counted.is_empty() || counted.contains(&0) {
            let evidence = format!(
                "no packet arrived at a rule on {}",
                cluster.nodes[*node].name
            );
            return Err(NemesisError::Unproven {
                fault: "partition".into(),
                evidence,
            });
        }
    }
    Ok(())
}

/// The numbers behind `counter packets` in a listing.
fn packets(table: &str) -> Vec<u64> {
    let after = table.split("counter packets ").skip(1);
    after
        .filter_map(|rest| rest.split_whitespace().next()?.parse().ok())
        .collect()
}

/// Which other nodes a TCP connection from this node reaches.
async fn probe(
    cluster: &Cluster,
    from: usize,
    fault: &str,
) -> Result<Vec<(usize, bool)>, NemesisError> {
    let others: Vec<usize> = (0..cluster.nodes.len()).filter(|to| *to != from).collect();
    let tries: String = others
        .iter()
        .map(|to| {
            let Node {
                address, ssh_port, ..
            } = &cluster.nodes[*to];
            format!("(exec 3<>/dev/tcp/{address}/{ssh_port}) & tries=\"$tries {to}:$!\"\n")
        })
        .collect();
    // As few processes as can be, as the hosts may be busy; whoever waits in vain is ended by the
    // timer.
    let script = format!(
        "{tries}\
         (sleep {PROBE}; for try in $tries; do kill ${{try#*:}}; done) >/dev/null & timer=$!\n\
         for try in $tries; do\n  \
           wait ${{try#*:}} && echo ${{try%:*}} up || echo ${{try%:*}} cut\n\
         done 2>/dev/null\n\
         kill $timer || true"
    );
    let script = format!(
        "command -v bash >/dev/null || exit 9\nexec bash 2>/dev/null <<'END'\n{script}\nEND"
    );
    let told = run(
        &cluster.nodes[from],
        &Command::shell(script).timeout(TIMEOUT),
        fault,
    )
    .await?;
    others
        .into_iter()
        .map(|to| {
            let says = |word| told.lines().any(|line| line == format!("{to} {word}"));
            match (says("up"), says("cut")) {
                (true, false) => Ok((to, true)),
                (false, true) => Ok((to, false)),
                _ => Err(NemesisError::Unproven {
                    fault: fault.to_owned(),
                    evidence: format!("the probe on {} said {told:?}", cluster.nodes[from].name),
                }),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_read() {
        let table = "chain input {\n ip saddr { 1.2.3.4 } counter packets 12 bytes 720 drop\n \
                     ip saddr 1.2.3.5 counter packets 0 bytes 0\n}";
        assert_eq!(packets(table), [12, 0]);
        assert!(packets("").is_empty());
    }
}
