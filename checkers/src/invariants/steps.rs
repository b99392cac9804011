//! The steps of transactions: `["r" key value]` and `["w" key value]`, in lists.

use crate::calls::{Calls, NO_VALUE};
use crate::history::dictionary::Interned;

/// One step: what it reads or writes, key and value by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) writes: bool,
    pub(super) key: u32,
    pub(super) value: u32,
}

fn step(calls: &Calls, number: u32) -> Option<Step> {
    let Interned::List(&[f, key, value]) = calls.values.get(number) else {
        return None;
    };
    let writes = match calls.values.get(f) {
        Interned::Str("r") => false,
        Interned::Str("w") => true,
        _ => return None,
    };
    Some(Step { writes, key, value })
}

fn all(calls: &Calls, numbers: &[u32], out: &mut Vec<Step>) -> bool {
    for &number in numbers {
        let Some(step) = step(calls, number) else {
            return false;
        };
        out.push(step);
    }
    !numbers.is_empty()
}

/// Puts the steps that a call was asked for in place of what `out` held. False if it was asked
/// for something else.
pub(super) fn asked(calls: &Calls, call: u32, out: &mut Vec<Step>) -> bool {
    out.clear();
    let at = call as usize;
    let (first, second) = (calls.argument[at], calls.second[at]);
    if second != NO_VALUE {
        return all(calls, &[first, second], out);
    }
    match calls.values.get(first) {
        Interned::List(numbers) => all(calls, numbers, out),
        _ => false,
    }
}

/// The same of the steps with which a call was answered.
pub(super) fn answered(calls: &Calls, call: u32, out: &mut Vec<Step>) -> bool {
    out.clear();
    match calls.values.get(calls.result(call)) {
        Interned::List(numbers) => all(calls, numbers, out),
        _ => false,
    }
}
