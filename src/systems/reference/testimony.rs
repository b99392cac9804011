//! What the nodes tell of themselves, as histories say it. Pure, so that real and simulated
//! nodes are quoted alike.

use std::sync::Arc;

use checkers::history::Value;
use fixtures::protocol::{Resolution, Role, Status};
use fixtures::record::{Command, Record};

use super::operator::number;
use crate::cluster::Testimony;

/// How histories call a role.
pub(super) fn role(role: Role) -> &'static str {
    match role {
        Role::Leader => "leader",
        Role::Follower => "follower",
        Role::Candidate => "candidate",
        Role::Peer => "peer",
    }
}

/// The nodes that answered, each with its role and its epoch.
pub(super) fn statuses<'a>(told: impl IntoIterator<Item = &'a Status>) -> Value {
    let part = |status: &'a Status| {
        let part = [
            ("role", Value::str(role(status.role))),
            ("epoch", number(status.epoch)),
        ];
        (status.name.as_str(), Value::map(part))
    };
    Value::map(told.into_iter().map(part))
}

/// What a node has of its log, up to where it has applied it, as a list of what identifies its
/// records: for a write the client and its count, for the opening of an epoch that epoch, less
/// than zero. If the beginning is gone, the argument says at which position it begins. None if it
/// has nothing.
pub(super) fn node_log(node: &Arc<str>, applied: u64, records: &[Record]) -> Option<Testimony> {
    let first = records.first()?.position;
    let within = records
        .iter()
        .take_while(|record| record.position <= applied);
    let name = |record: &Record| match &record.command {
        Command::Noop => Value::Int(-signed(record.epoch)),
        Command::Write { id, .. } => Value::Int(signed(id.client) << 32 | signed(id.number)),
    };
    Some(Testimony {
        node: Arc::clone(node),
        f: "node-log",
        key: Value::str(node),
        argument: if first == 1 {
            Value::Nil
        } else {
            number(first)
        },
        result: Value::List(within.map(name).collect()),
    })
}

/// A conflict that a node resolved. What it tells of is no operation on the register, and so has
/// a key of its own.
pub(super) fn resolved(node: &Arc<str>, resolution: &Resolution) -> Testimony {
    let siblings = resolution.siblings.iter().copied().map(Value::Int);
    Testimony {
        node: Arc::clone(node),
        f: "resolve",
        key: Value::str(&format!("conflict of {}", resolution.key)),
        argument: Value::List(siblings.collect()),
        result: Value::Int(resolution.result),
    }
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
