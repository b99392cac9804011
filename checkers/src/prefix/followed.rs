//! Whether all nodes follow one order of the writes to all registers: what proves a held claim.

use super::across::Across;
use super::graph::NOBODY;
use crate::by_key::narrow;
use crate::calls::{Calls, NEVER, Rank};

/// Why an order is not followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Not {
    /// A node read of the first block when its prefix had grown to the second, of the same register.
    Pair(u32, u32),
    /// It breaks something else.
    Otherwise,
}

/// Whether this order of the blocks with a write is one that every node follows: it keeps real
/// time, what a compare-and-set made comes after what it found, and each node's reads can be
/// answered by prefixes of it that only grow. What nobody saw and may not have happened did not.
///
/// It looks at nothing that was concluded.
///
/// **Cost**: linear; eight bytes a block.
pub(super) fn is_followed(calls: &Calls, across: &Across, order: &[u32]) -> Result<(), Not> {
    // By block: how many writes there are up to its own, and up to the next of its register.
    let mut upto = vec![0; across.blocks()];
    let mut next = vec![narrow(order.len()) + 1; across.blocks()];
    for (place, &block) in (1..).zip(order) {
        upto[block as usize] = place;
    }
    let mut nexts: Vec<u32> = Vec::new();
    for &block in order.iter().rev() {
        let place = upto[block as usize];
        let register = across.register_of(block) as usize;
        if nexts.len() <= register {
            nexts.resize(register + 1, narrow(order.len()) + 1);
        }
        next[block as usize] = std::mem::replace(&mut nexts[register], place);
        let found = across.made_of(block);
        if found != NOBODY && upto[found as usize] >= place {
            return Err(Not::Otherwise);
        }
    }
    for (register, next_of) in nexts.into_iter().enumerate() {
        next[across.initial(register) as usize] = next_of;
    }
    // By line: how many writes there are at least in what was shown on it.
    let mut shown: Vec<u32> = Vec::new();
    // By item that is not over: how many there are at least in what it showed.
    let mut open = crate::hash::Table::<u32, u32>::default();
    let mut over = 0;
    for (at, item) in (0..).zip(&across.items) {
        let begin: Rank = calls.begins[item.call as usize];
        while let Some(&stop) = across.stops.get(over) {
            let ended = across.items[stop as usize];
            if across.end(calls, ended) >= begin {
                break;
            }
            over += 1;
            if let Some(least) = open.remove(&stop) {
                let line = ended.line(calls);
                shown.resize(shown.len().max(line + 1), 0);
                shown[line] = shown[line].max(least);
            }
        }
        let before = shown.get(item.line(calls)).copied().unwrap_or(0);
        let own = upto[item.block() as usize];
        if item.is_write() {
            if across.end(calls, *item) == NEVER {
                continue;
            }
            if own <= before {
                return Err(Not::Otherwise);
            }
            open.insert(at, own);
        } else {
            let least = own.max(before);
            let next = next[item.block() as usize];
            if least >= next {
                return Err(Not::Pair(item.block(), order[next as usize - 1]));
            }
            open.insert(at, least);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::notation::h;
    use crate::stale::kinds::Objects;
    use crate::stale::register::Register;

    /// Whether the writes of these values, in this order, are followed.
    fn are_followed(text: &str, values: &[&str]) -> bool {
        let calls = Calls::of(&h(text));
        let objects = Objects::of(&calls);
        let mut across = Across::new(calls.nodes().len(), calls.len());
        let mut register = Register::new(&calls);
        for place in 0..objects.by_key.len() {
            let of = objects.by_key.calls(place);
            assert!(register.load(&calls, &objects.functions, of), "{text}");
            across.add(&calls, &objects.functions, &register, of);
            register.unload(&calls);
        }
        across.sort(&calls);
        let writes = || across.items.iter().filter(|item| item.is_write());
        let block = |value: &&str| {
            let made = |call| calls.value(crate::stale::register::new_value(&calls, call));
            let item = writes().find(|item| made(item.call).to_string() == **value);
            item.expect("it is written").block()
        };
        let order: Vec<u32> = values.iter().map(block).collect();
        assert_eq!(order.len(), writes().count());
        is_followed(&calls, &across, &order).is_ok()
    }

    #[test]
    fn an_order_is_followed_if_reads_are_prefixes_of_it_that_grow() {
        // Both writes are going on while a node shows the one and then not the other.
        let text = "0:w1@x 1:w2@y 2:r@x 2:ok=1%n 2:r@y 2:ok=nil%n 0:ok 1:ok";
        assert!(are_followed(text, &["1", "2"]));
        assert!(!are_followed(text, &["2", "1"]));
        // Two nodes that disagree follow neither.
        let text = "0:w1@x 1:w2@y 2:r@x 2:ok=1%n 2:r@y 2:ok=nil%n 3:r@y 3:ok=2%m 3:r@x 3:ok=nil%m \
                    0:ok 1:ok";
        assert!(!are_followed(text, &["1", "2"]));
        assert!(!are_followed(text, &["2", "1"]));
        // A node goes back.
        let text = "0:w1@x 1:w2@x 2:r@x 2:ok=1%n 2:r@x 2:ok=2%n 0:ok 1:ok";
        assert!(are_followed(text, &["1", "2"]));
        assert!(!are_followed(text, &["2", "1"]));
    }

    #[test]
    fn an_order_is_followed_if_it_keeps_real_time_and_what_was_found() {
        let text = "0:w1@x 0:ok 1:w2@y 1:ok 2:r@x 2:ok=1%n";
        assert!(are_followed(text, &["1", "2"]));
        assert!(!are_followed(text, &["2", "1"]));
        let text = "0:w1@x 1:c1,2@x 0:ok 1:ok 2:r@x 2:ok=2%n";
        assert!(are_followed(text, &["1", "2"]));
        assert!(!are_followed(text, &["2", "1"]));
    }
}
