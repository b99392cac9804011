//! From hosts as an inventory gives them to nodes that can be commanded.

use std::net::{IpAddr, ToSocketAddrs};
use std::sync::Arc;

use crate::cluster::Node;
use crate::inventory::Host;
use crate::remote::ssh::Ssh;

/// A node for each host. Nothing is connected yet: that happens with the first command.
///
/// # Errors
///
/// A sentence that names the host whose address is not known.
pub fn nodes(hosts: &[Host]) -> Result<Vec<Node>, String> {
    hosts.iter().map(node).collect()
}

fn node(host: &Host) -> Result<Node, String> {
    let remote = Ssh::new(host.endpoint());
    Ok(Node {
        name: Arc::from(host.name.as_str()),
        address: resolve(host)?,
        ssh_port: host.port,
        remote: Arc::new(remote),
    })
}

fn resolve(host: &Host) -> Result<IpAddr, String> {
    let found = (host.address.as_str(), host.port).to_socket_addrs();
    let found = found.ok().and_then(|mut addresses| addresses.next());
    found.map(|address| address.ip()).ok_or_else(|| {
        format!(
            "the address {:?} of host {} is not known here; write a number, or add it to /etc/hosts",
            host.address, host.name
        )
    })
}
