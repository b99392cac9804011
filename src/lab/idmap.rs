//! Which user ids exist inside a user namespace, and whom they are outside.

use std::fs;
use std::io;
use std::path::Path;
use std::process::Command;

use rustix::process::Pid;

use super::{LabError, tool};

/// A run of ids: `inside..inside + count` are `outside..` in the parent namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Extent {
    pub(super) inside: u32,
    pub(super) outside: u32,
    pub(super) count: u32,
}

/// Whom a node's users are in the lab's own namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NodeIds {
    /// The id that is root inside the node.
    pub(super) base: u32,
    /// How many ids a node has.
    pub(super) count: u32,
    /// Whether nodes have a user namespace at all.
    pub(super) user_namespace: bool,
}

/// Far above any id a machine gives out, so that a node's root owns nothing on it.
const HIGH_BASE: u32 = 1_879_048_192;
const NODE_COUNT: u32 = 65_536;

/// Chooses the ids of nodes among those that this process sees.
pub(super) fn node_ids(own: &[Extent], user_namespace: bool) -> NodeIds {
    if !user_namespace {
        return NodeIds {
            base: 0,
            count: NODE_COUNT,
            user_namespace,
        };
    }
    let is_roomy = |extent: &Extent| {
        extent.inside <= HIGH_BASE
            && u64::from(extent.inside) + u64::from(extent.count)
                >= u64::from(HIGH_BASE) + u64::from(NODE_COUNT)
    };
    if own.iter().any(is_roomy) {
        return NodeIds {
            base: HIGH_BASE,
            count: NODE_COUNT,
            user_namespace,
        };
    }
    let widest = own.iter().max_by_key(|extent| extent.count);
    let (base, count) = widest.map_or((0, 1), |extent| (extent.inside, extent.count));
    NodeIds {
        base,
        count: count.min(NODE_COUNT),
        user_namespace,
    }
}

/// The ids that this process sees, from `/proc/self/uid_map` or `gid_map`.
pub(super) fn own_extents(file: &str) -> io::Result<Vec<Extent>> {
    Ok(parse_extents(&fs::read_to_string(
        Path::new("/proc/self").join(file),
    )?))
}

fn parse_extents(text: &str) -> Vec<Extent> {
    text.lines()
        .filter_map(|line| {
            let mut numbers = line.split_whitespace().map(|word| word.parse().ok());
            let mut next = || numbers.next().flatten();
            Some(Extent {
                inside: next()?,
                outside: next()?,
                count: next()?,
            })
        })
        .collect()
}

fn render(extents: impl IntoIterator<Item = Extent>) -> String {
    extents
        .into_iter()
        .map(
            |Extent {
                 inside,
                 outside,
                 count,
             }| format!("{inside} {outside} {count}\n"),
        )
        .collect()
}

/// Gives `child` every id that this process has, each under its own number.
pub(super) fn map_identity(child: Pid) -> io::Result<()> {
    for file in ["uid_map", "gid_map"] {
        let same = own_extents(file)?.into_iter().map(|e| Extent {
            outside: e.inside,
            ..e
        });
        fs::write(map_file(child, file), render(same))?;
    }
    Ok(())
}

/// Gives a node its ids.
pub(super) fn map_node(node: Pid, ids: NodeIds) -> io::Result<()> {
    let map = render([Extent {
        inside: 0,
        outside: ids.base,
        count: ids.count,
    }]);
    for file in ["uid_map", "gid_map"] {
        fs::write(map_file(node, file), &map)?;
    }
    Ok(())
}

fn map_file(process: Pid, file: &str) -> String {
    format!("/proc/{}/{file}", process.as_raw_nonzero())
}

/// Gives `child` this ordinary user as root, and the user's subordinate ids above it.
pub(super) fn map_subordinate(child: Pid) -> Result<(), LabError> {
    let uid = rustix::process::getuid().as_raw();
    let gid = rustix::process::getgid().as_raw();
    let user = user_name(uid).unwrap_or_else(|| uid.to_string());
    for (helper, own, ranges) in [
        ("newuidmap", uid, "/etc/subuid"),
        ("newgidmap", gid, "/etc/subgid"),
    ] {
        let helper_path = tool(helper, "uidmap")?;
        let text = fs::read_to_string(ranges).unwrap_or_default();
        let Some((start, count)) = subordinate_range(&text, &user, uid) else {
            return Err(LabError::NoSubordinateIds { user, file: ranges });
        };
        let output = Command::new(helper_path)
            .arg(child.as_raw_nonzero().to_string())
            .args([
                "0",
                &own.to_string(),
                "1",
                "1",
                &start.to_string(),
                &count.to_string(),
            ])
            .output()
            .map_err(|error| LabError::step(format!("run {helper}"), error))?;
        if !output.status.success() {
            let cause = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            return Err(LabError::step(format!("map ids with {helper}"), cause));
        }
    }
    Ok(())
}

fn subordinate_range(text: &str, user: &str, uid: u32) -> Option<(u32, u32)> {
    text.lines().find_map(|line| {
        let mut words = line.trim().split(':');
        let owner = words.next()?;
        if owner != user && owner != uid.to_string() {
            return None;
        }
        let (start, count) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
        (count >= 65_535).then_some((start, count))
    })
}

fn user_name(uid: u32) -> Option<String> {
    let passwd = fs::read_to_string("/etc/passwd").ok()?;
    passwd.lines().find_map(|line| {
        let words: Vec<&str> = line.split(':').collect();
        (words.get(2)?.parse() == Ok(uid)).then(|| words[0].to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_nodes_stay_away_from_the_machines_own() {
        let root = parse_extents("         0          0 4294967295\n");
        assert_eq!(node_ids(&root, true).base, HIGH_BASE);
        let rootless = parse_extents("0 1000 1\n1 100000 65536\n");
        let ids = node_ids(&rootless, true);
        assert_eq!((ids.base, ids.count), (1, 65_536));
        assert_eq!(node_ids(&root, false).base, 0);
    }

    #[test]
    fn a_subordinate_range_is_found_by_name_or_number_and_must_be_wide() {
        let text = "eve:1:10\nbob:100000:65536\n1001:200000:65536\n";
        assert_eq!(subordinate_range(text, "bob", 7), Some((100_000, 65_536)));
        assert_eq!(
            subordinate_range(text, "ann", 1001),
            Some((200_000, 65_536))
        );
        assert_eq!(subordinate_range(text, "eve", 7), None);
    }
}
