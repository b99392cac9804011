//! A later write without an earlier one, on one node, across registers.

use crate::calls::{BEFORE, Calls, NEVER, Rank};

/// A read of a node that is known: its value's `a`, and the `f` of the first certainly newer one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shown {
    pub(super) call: u32,
    pub(super) node: u16,
    /// When the write of what it shows began.
    pub(super) written: Rank,
    /// When the first certainly newer value of its register had certainly taken effect.
    pub(super) replaced: Rank,
}

/// A node showed a write in the first read, and in the second lacks one that certainly was there
/// before that write began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Gap {
    pub(super) later: u32,
    pub(super) lacking: u32,
}

/// How many reads followed another of their node, and those that lack something; `shown` stand in
/// the order of their starts.
///
/// **Cost**: that of sorting.
pub(super) fn gaps(calls: &Calls, shown: &[Shown], nodes: usize) -> (usize, Vec<Gap>) {
    let mut ended: Vec<u32> = (0..crate::by_key::narrow(shown.len())).collect();
    ended.sort_unstable_by_key(|&at| calls.ends[shown[at as usize].call as usize]);
    // By node: the latest start of a write that it showed, and the read.
    let mut latest: Vec<(Rank, u32)> = vec![(BEFORE, NOBODY); nodes];
    let mut over = 0;
    let mut compared = 0;
    let mut gaps = Vec::new();
    for read in shown {
        let i = calls.begins[read.call as usize];
        while over < ended.len() {
            let other = &shown[ended[over] as usize];
            if calls.ends[other.call as usize] >= i {
                break;
            }
            let latest = &mut latest[usize::from(other.node)];
            if other.written > latest.0 || latest.1 == NOBODY {
                *latest = (other.written, other.call);
            }
            over += 1;
        }
        let (written, later) = latest[usize::from(read.node)];
        if later == NOBODY {
            continue;
        }
        compared += 1;
        if read.replaced != NEVER && read.replaced < written {
            gaps.push(Gap {
                later,
                lacking: read.call,
            });
        }
    }
    (compared, gaps)
}

const NOBODY: u32 = u32::MAX;
