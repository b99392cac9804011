//! Keys that are written once: long forks, causal reversal, one client's order.

use std::collections::{BTreeMap, BTreeSet};

use checkers::history::{Nanos, Value};
use checkers::invariants::{CausalReverse, LongFork, SequentialKeys};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use crate::made::{Made, Truth, agrees, calls, int, list, step};

/// Writes of one key or two and reads of several, in transactions. What was read is mostly what
/// some order would show.
pub(crate) fn steps(rng: &mut ChaCha8Rng) -> Vec<Made> {
    let count = rng.random_range(2..9);
    let objects = rng.random_range(1..3);
    let write_f = ["txn", "write"][rng.random_range(0..2)];
    let mut next = 0;
    let mut written: Vec<i64> = Vec::new();
    calls(rng, count, 3, |rng, _, call| {
        if objects > 1 {
            call.key = int(rng.random_range(0..objects));
        }
        if rng.random_bool(0.5) {
            let repeated = !written.is_empty() && rng.random_bool(0.03);
            let key = if repeated { 0 } else { next };
            next += i64::from(!repeated);
            let shows = call.may_have_happened() || rng.random_bool(0.1);
            written.extend(shows.then_some(key));
            call.f = write_f;
            call.argument = list([step("w", key, int(7 + key))]);
            if rng.random_bool(0.1) {
                let both = [step("w", key, int(7 + key)), step("w", next, int(7 + next))];
                call.argument = list(both);
                written.extend(shows.then_some(next));
                next += 1;
            } else if rng.random_bool(0.1) {
                let both = [step("r", 0, Value::Nil), step("w", key, int(7 + key))];
                call.argument = list(both);
            }
            call.result = call.argument.clone();
            return;
        }
        call.f = "txn";
        let newest = written.len();
        let cut = rng.random_range(0..=newest);
        let mut asked = Vec::new();
        let mut seen = Vec::new();
        for key in 0..rng.random_range(2..5_i64) {
            let there = written.iter().position(|other| *other == key);
            let visible = there.is_some_and(|place| place < cut || rng.random_bool(0.1));
            let value = match rng.random_range(0..120) {
                0 => int(99),
                1 => Value::Nil,
                _ if visible => int(7 + key),
                _ => Value::Nil,
            };
            asked.push(step("r", key, Value::Nil));
            seen.push(step("r", key, value));
        }
        if rng.random_bool(0.5) {
            asked.reverse();
            seen.reverse();
        }
        call.argument = list(asked);
        call.result = list(seen);
    })
}

/// Adds of elements and reads of lists.
pub(crate) fn lists(rng: &mut ChaCha8Rng) -> Vec<Made> {
    let count = rng.random_range(2..9);
    let objects = rng.random_range(1..3);
    let mut added: Vec<i64> = Vec::new();
    calls(rng, count, 3, |rng, number, call| {
        if objects > 1 {
            call.key = int(rng.random_range(0..objects));
        }
        if rng.random_bool(0.6) {
            let number = i64::try_from(number).expect("few");
            let element = if rng.random_bool(0.04) { 0 } else { number };
            call.f = ["add", "write", "append", "remove"][if rng.random_bool(0.02) {
                3
            } else {
                rng.random_range(0..3)
            }];
            call.argument = int(element);
            call.result = int(element);
            added.push(element);
            return;
        }
        call.f = ["read", "read-set"][rng.random_range(0..2)];
        let cut = rng.random_range(0..=added.len());
        let mut seen: Vec<i64> = added[..cut].to_vec();
        seen.extend(added[cut..].iter().filter(|_| rng.random_bool(0.1)));
        seen.retain(|_| rng.random_bool(0.9));
        if rng.random_bool(0.05) {
            seen.push(99);
        }
        call.result = list(seen.into_iter().map(int));
    })
}

/// A key, within its object.
type Name<'m> = (&'m Value, Value);

/// What a read saw and missed, by the definitions.
#[derive(Debug)]
struct Look<'m> {
    call: &'m Made,
    only_reads: bool,
    saw: BTreeMap<Name<'m>, Value>,
    missed: BTreeSet<Name<'m>>,
}

/// Everything the definitions speak of.
#[derive(Debug, Default)]
struct World<'m> {
    /// By key: every write that may have happened, and its value.
    writes: BTreeMap<Name<'m>, Vec<(&'m Made, Value)>>,
    failed: Vec<(Name<'m>, Value)>,
    looks: Vec<Look<'m>>,
    removed: BTreeSet<Name<'m>>,
    from_nowhere: bool,
    in_lists: bool,
}

fn parts(value: &Value) -> Vec<(bool, Value, Value)> {
    let steps = value.as_list().unwrap_or_default().iter();
    let steps = steps.map(|step| {
        let [f, key, value] = step.as_list().expect("a step") else {
            panic!("three parts")
        };
        (*f == Value::str("w"), key.clone(), value.clone())
    });
    steps.collect()
}

impl<'m> World<'m> {
    fn of_steps(made: &'m [Made]) -> Self {
        let mut world = World::default();
        for call in made {
            for (writes, key, value) in parts(&call.argument) {
                let name = (&call.key, key);
                if writes && call.may_have_happened() {
                    world.writes.entry(name).or_default().push((call, value));
                } else if writes {
                    world.failed.push((name, value));
                }
            }
        }
        let unwritten = world.writes.is_empty() && world.failed.is_empty();
        for call in made.iter().filter(|call| call.is_ok()) {
            let steps = parts(&call.result);
            if steps.iter().all(|(writes, _, _)| *writes) {
                continue;
            }
            let mut look = Look {
                call,
                only_reads: steps.iter().all(|(writes, _, _)| !writes),
                saw: BTreeMap::new(),
                missed: BTreeSet::new(),
            };
            for (writes, key, value) in steps.into_iter() {
                let name = (&call.key, key);
                if writes || world.left_out(&name) {
                    continue;
                }
                if value == Value::Nil {
                    look.missed.insert(name);
                } else if world.possible(&name, &value, call) || unwritten {
                    look.saw.insert(name, value);
                } else {
                    world.from_nowhere = true;
                }
            }
            world.looks.push(look);
        }
        // Where nobody wrote, a key with two values is none that was written once.
        let twice: BTreeSet<Name<'m>> = {
            let seen = world.looks.iter().flat_map(|look| &look.saw);
            let seen: Vec<_> = seen.collect();
            let differs = |(name, value): &(&Name<'m>, &Value)| {
                seen.iter()
                    .any(|(other, its)| other == name && its != value)
            };
            seen.iter()
                .filter(|s| differs(s))
                .map(|(name, _)| (*name).clone())
                .collect()
        };
        for look in &mut world.looks {
            look.saw.retain(|name, _| !twice.contains(name));
            look.missed.retain(|name| !twice.contains(name));
        }
        world.removed.extend(twice);
        world
    }

    fn of_lists(made: &'m [Made]) -> Self {
        let mut world = World {
            in_lists: true,
            ..World::default()
        };
        let reads = |call: &&Made| call.f.starts_with("read") && call.is_ok();
        let objects: BTreeSet<&Value> = made.iter().filter(reads).map(|c| &c.key).collect();
        let mut failed: BTreeSet<Name<'m>> = BTreeSet::new();
        for call in made {
            let name = (&call.key, call.argument.clone());
            if call.f.starts_with("read") || !objects.contains(&call.key) {
                continue;
            }
            if !call.may_have_happened() {
                failed.extend((call.f != "remove").then_some(name));
            } else if call.f == "remove" {
                world.removed.insert(name);
            } else {
                let value = call.argument.clone();
                world.writes.entry(name).or_default().push((call, value));
            }
        }
        for call in made.iter().filter(reads) {
            let mut look = Look {
                call,
                only_reads: true,
                saw: BTreeMap::new(),
                missed: BTreeSet::new(),
            };
            let seen = call.result.as_list().expect("a list");
            let only_failed = |item: &Value| {
                let name = (&call.key, item.clone());
                failed.contains(&name) && !world.writes.contains_key(&name)
            };
            world.from_nowhere |= seen.iter().any(only_failed);
            let names: Vec<Name<'m>> = world.writes.keys().cloned().collect();
            for name in names.iter().filter(|name| name.0 == &call.key) {
                if world.left_out(name) {
                    continue;
                }
                if seen.contains(&name.1) && !world.possible(name, &name.1, call) {
                    world.from_nowhere = true;
                } else if seen.contains(&name.1) {
                    look.saw.insert(name.clone(), name.1.clone());
                } else {
                    look.missed.insert(name.clone());
                }
            }
            world.looks.push(look);
        }
        world
    }

    fn left_out(&self, name: &Name<'m>) -> bool {
        let writes = self.writes.get(name).map_or(0, Vec::len);
        writes > 1 || self.removed.contains(name) && (writes > 0 || !self.in_lists)
    }

    fn any_left_out(&self) -> bool {
        let mut names = self.writes.keys().chain(&self.removed);
        names.any(|name| self.left_out(name))
    }

    /// Whether somebody may have written that by the end of the read.
    fn possible(&self, name: &Name<'m>, value: &Value, read: &Made) -> bool {
        let writes = self.writes.get(name).into_iter().flatten();
        writes
            .into_iter()
            .any(|(write, written)| written == value && write.begins <= read.ends)
    }

    fn writer(&self, name: &Name<'m>) -> Option<&'m Made> {
        Some(self.writes.get(name)?.first()?.0)
    }

    /// When a key had certainly been written.
    fn certain(&self, name: &Name<'m>) -> Option<Nanos> {
        let acknowledged = self.writer(name).filter(|write| write.is_ok());
        let seen = self.looks.iter().filter(|look| look.saw.contains_key(name));
        let seen = seen.map(|look| look.call.ends).min();
        let acknowledged = acknowledged.map(|write| write.ends);
        [acknowledged, seen].into_iter().flatten().min()
    }

    /// Whether there is a look with a pair of keys, the first of them missed or merely looked
    /// at, the second seen, for which `before` holds.
    fn reversed(&self, before: impl Fn(&Name<'m>, &Name<'m>) -> bool, missed: bool) -> bool {
        self.looks.iter().any(|look| {
            let earlier: Vec<&Name<'m>> = if missed {
                look.missed.iter().collect()
            } else {
                look.missed.iter().chain(look.saw.keys()).collect()
            };
            let mut seen = look.saw.keys();
            seen.any(|later| earlier.iter().any(|earlier| before(earlier, later)))
        })
    }

    fn in_real_time(&self, earlier: &Name<'m>, later: &Name<'m>) -> bool {
        let began = self.writer(later).map(|write| write.begins);
        self.certain(earlier)
            .zip(began)
            .is_some_and(|(certain, began)| certain < began)
    }

    fn by_one_client(&self, made: &[Made], earlier: &Name<'m>, later: &Name<'m>) -> bool {
        let place = |name: &Name<'m>| {
            let writer = self.writer(name)?;
            let place = made.iter().position(|call| std::ptr::eq(call, writer))?;
            Some((writer.process, place))
        };
        let (Some(one), Some(other)) = (place(earlier), place(later)) else {
            return false;
        };
        one.0 == other.0 && one.1 < other.1
    }
}

#[test]
fn long_forks_agree_with_their_definition() {
    agrees(&LongFork, steps, |made| {
        let world = World::of_steps(made);
        let keys = |look: &Look<'_>| -> Vec<Value> {
            let all = look.saw.keys().chain(&look.missed);
            let all: BTreeSet<Value> = all
                .map(|name| list([name.0.clone(), name.1.clone()]))
                .collect();
            all.into_iter().collect()
        };
        let looks = world
            .looks
            .iter()
            .filter(|look| look.only_reads && keys(look).len() > 1);
        let looks: Vec<&Look<'_>> = looks.collect();
        let partial = |look: &Look<'_>| !look.saw.is_empty() && !look.missed.is_empty();
        let mut truth = Truth {
            violated: world.from_nowhere,
            power: false,
        };
        for (place, one) in looks.iter().enumerate() {
            for other in &looks[..place] {
                if keys(one) != keys(other) {
                    continue;
                }
                let only = |a: &Look<'_>, b: &Look<'_>| a.saw.keys().any(|k| b.missed.contains(k));
                truth.violated |= only(one, other) && only(other, one);
                truth.power |= partial(one) && partial(other);
            }
        }
        truth.power &= !world.any_left_out();
        truth
    });
}

/// The truth of a claim about the order in which keys were written.
fn ordered(world: &World<'_>, before: impl Fn(&Name<'_>, &Name<'_>) -> bool) -> Truth {
    let happened = |name: &Name<'_>| world.certain(name).is_some();
    let gone = |one: &Name<'_>, other: &Name<'_>| happened(one) && before(one, other);
    Truth {
        violated: world.from_nowhere || world.reversed(gone, true),
        power: world.reversed(&before, false) && !world.any_left_out(),
    }
}

fn world(made: &[Made], in_lists: bool) -> World<'_> {
    if in_lists {
        World::of_lists(made)
    } else {
        World::of_steps(made)
    }
}

#[test]
fn causal_reversal_agrees_with_its_definition() {
    for in_lists in [false, true] {
        let make: fn(&mut ChaCha8Rng) -> Vec<Made> = if in_lists { lists } else { steps };
        agrees(&CausalReverse, make, |made| {
            let world = world(made, in_lists);
            ordered(&world, |one, other| world.in_real_time(one, other))
        });
    }
}

#[test]
fn the_order_of_one_client_agrees_with_its_definition() {
    for in_lists in [false, true] {
        let make: fn(&mut ChaCha8Rng) -> Vec<Made> = if in_lists { lists } else { steps };
        agrees(&SequentialKeys, make, |made| {
            let world = world(made, in_lists);
            ordered(&world, |one, other| world.by_one_client(made, one, other))
        });
    }
}
