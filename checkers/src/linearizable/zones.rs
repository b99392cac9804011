//! Blocks that are contiguous in every legal order, against real time.
//!
//! Of a block let `f` be the earliest end and `s` the latest start of its calls: some call of
//! A must come before some call of B exactly if `f(A) < s(B)`. If blocks may otherwise follow
//! one another in any order, there is a legal one exactly if no two must each come before the
//! other: in a longer cycle the block with the smallest `f` comes before all the others.
//!
//! A block with `f < s` is **forward**: it certainly lasted from f to s. No two of these may
//! overlap, and no other may lie strictly inside one.
//!
//! **Source**: the zones of Gibbons and Korach, "Testing shared memories", 1997.

use super::grouping::{low_half, narrow, pack};
use crate::calls::Rank;

/// A block: its earliest end and its latest start.
#[derive(Clone, Copy, Debug)]
pub(super) struct Zone {
    pub(super) f: Rank,
    pub(super) s: Rank,
}

const FORWARD: u32 = 1 << 31;

/// The blocks in a legal order, by their places; or two of which each must come before the
/// other, the one that certainly began to hold first in front.
///
/// **Cost**: that of sorting; 12 bytes a block.
pub(super) fn arrange(zones: &[Zone]) -> Result<Vec<u32>, (usize, usize)> {
    let mut keys: Vec<u64> = Vec::with_capacity(zones.len());
    for (place, zone) in zones.iter().enumerate() {
        let place = narrow(place);
        assert!(place < FORWARD, "fewer than two billion blocks");
        // At the same instant, what lies before a forward block comes first.
        keys.push(if zone.f < zone.s {
            pack(zone.f, place | FORWARD)
        } else {
            pack(zone.s, place)
        });
    }
    keys.sort_unstable();
    let mut around: Option<usize> = None;
    for &key in &keys {
        let place = (low_half(key) & !FORWARD) as usize;
        let zone = zones[place];
        if let Some(around) = around
            && zone.f < zones[around].s
            && zones[around].f < zone.s
        {
            return Err((around, place));
        }
        if zone.f < zone.s {
            around = Some(place);
        }
    }
    let place = |key: u64| low_half(key) & !FORWARD;
    Ok(keys.into_iter().map(place).collect())
}

#[cfg(test)]
mod tests {
    use petgraph::algo::is_cyclic_directed;
    use petgraph::graph::DiGraph;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::calls::NEVER;

    #[test]
    fn an_order_is_found_exactly_if_the_relation_has_no_cycle() {
        let mut cyclic = 0;
        for seed in 0..50_000 {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let span: Rank = rng.random_range(3..60);
            let zones: Vec<Zone> = (0..rng.random_range(0..9))
                .map(|_| {
                    let f: Rank = rng.random_range(0..span);
                    let s = (f + rng.random_range(0..5)).saturating_sub(rng.random_range(0..5));
                    let held = rng.random_bool(0.03);
                    Zone {
                        f,
                        s: if held { NEVER } else { s },
                    }
                })
                .collect();
            let mut graph = DiGraph::<(), ()>::new();
            let nodes: Vec<_> = zones.iter().map(|_| graph.add_node(())).collect();
            for (a, from) in zones.iter().enumerate() {
                for (b, to) in zones.iter().enumerate() {
                    if a != b && from.f < to.s {
                        graph.add_edge(nodes[a], nodes[b], ());
                    }
                }
            }
            match arrange(&zones) {
                Err((a, b)) => {
                    cyclic += 1;
                    assert!(is_cyclic_directed(&graph), "seed {seed}: {zones:?}");
                    let (a, b) = (zones[a], zones[b]);
                    assert!(a.f < b.s && b.f < a.s, "seed {seed}: {zones:?}");
                }
                Ok(order) => {
                    let mut before = 0;
                    for &place in &order {
                        let zone = zones[place as usize];
                        assert!(zone.f >= before, "seed {seed}: {order:?}, {zones:?}");
                        before = before.max(zone.s);
                    }
                    assert_eq!(order.len(), zones.len());
                }
            }
        }
        assert!((5_000..45_000).contains(&cyclic), "lopsided: {cyclic}");
    }
}
