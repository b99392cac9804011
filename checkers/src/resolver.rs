#![doc = include_str!("../pages/resolver.md")]

use std::collections::{BTreeMap, HashMap};

use crate::calls::{Calls, NO_VALUE};
use crate::explain::anomaly;
use crate::history::Kind;
use crate::history::dictionary::Interned;
use crate::{Anomaly, Budget, Checker, Report, Verdict};

/// Tests a resolver's laws on what it resolved; see the [module](self).
#[derive(Clone, Copy, Debug, Default)]
pub struct Resolver;

impl Resolver {
    /// How many anomalies of each name are written out.
    pub const LISTED: usize = 10;

    /// How many ways of putting conflicts together are tried.
    pub const DERIVED: usize = 1_000_000;
}

/// Several values, sorted; a value may stand there twice.
type Siblings = Vec<u32>;

/// One conflict, and what came of it.
#[derive(Clone, Debug)]
struct Resolved {
    call: u32,
    /// As they were given.
    given: Vec<u32>,
    /// The same, sorted.
    siblings: Siblings,
    /// Each once.
    set: Siblings,
    result: Outcome,
}

/// What a resolver answered, so that equal answers are equal: a merged list has no order.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Outcome {
    One(u32),
    Merged(Siblings),
}

/// A law, and two or more conflicts that break it together.
struct Broken {
    name: &'static str,
    calls: Vec<u32>,
    why: &'static str,
}

impl Checker for Resolver {
    fn name(&self) -> &str {
        "resolver"
    }

    fn judge(&self, calls: &Calls, budget: &Budget) -> Report {
        let (by_key, unreadable) = read(calls);
        let mut report = Report::new(self.name(), Verdict::Held);
        let mut tested = Tested::default();
        let mut broken: BTreeMap<&str, usize> = BTreeMap::new();
        for (key, resolved) in &by_key {
            if budget.is_spent() {
                let why = "the budget was spent before every conflict was tried";
                return Report::undecided(self.name(), why);
            }
            for found in laws(resolved, &mut tested) {
                let count = broken.entry(found.name).or_default();
                *count += 1;
                if *count <= Self::LISTED {
                    report.anomalies.push(told(calls, *key, &found));
                }
            }
        }
        report.figure("conflicts", by_key.values().map(Vec::len).sum::<usize>());
        report.figure("unreadable", unreadable);
        report.figure("determinism_tested", tested.determinism);
        report.figure("commutativity_tested", tested.commutativity);
        report.figure("idempotence_tested", tested.idempotence);
        report.figure("associativity_tested", tested.associativity);
        for (name, count) in &broken {
            report.figure(&name.replace('-', "_"), *count);
        }
        let all = tested.determinism + tested.commutativity + tested.idempotence;
        let why = if by_key.is_empty() {
            Some("needs entries of resolve: no resolution was recorded".to_owned())
        } else if unreadable > 0 {
            Some(format!(
                "{unreadable} entries of resolve could not be read: their argument is no list"
            ))
        } else if tested.is_cut {
            Some("there are too many ways to put the conflicts together".to_owned())
        } else if all + tested.associativity == 0 {
            let why = "no two conflicts had the same siblings, or one the result of another";
            Some(format!("{why}; no law was tested"))
        } else {
            None
        };
        if !broken.is_empty() {
            report.verdict = Verdict::Violated;
        } else if why.is_some() {
            report.verdict = Verdict::Undecided;
            report.why = why;
        }
        report
    }
}

/// How often each law could have been broken.
#[derive(Default)]
struct Tested {
    determinism: usize,
    commutativity: usize,
    idempotence: usize,
    associativity: usize,
    is_cut: bool,
}

/// All conflicts by key, and how many entries cannot be read.
fn read(calls: &Calls) -> (BTreeMap<u32, Vec<Resolved>>, usize) {
    let mut by_key: BTreeMap<u32, Vec<Resolved>> = BTreeMap::new();
    let mut unreadable = 0;
    let Some(resolve) = calls.function("resolve") else {
        return (by_key, 0);
    };
    for call in 0..crate::by_key::narrow(calls.len()) {
        let at = call as usize;
        if calls.f[at] != resolve || calls.outcome[at] != Kind::Ok {
            continue;
        }
        let argument = calls.argument[at];
        let given = match (calls.second[at], calls.values.get(argument)) {
            (NO_VALUE, Interned::List(items)) => items.to_vec(),
            (NO_VALUE, _) => {
                unreadable += 1;
                continue;
            }
            (second, _) => vec![argument, second],
        };
        let result = match result(calls, call, &given) {
            Merged::Same => Outcome::Merged(sorted(&given)),
            Merged::Number(number) => match calls.values.get(number) {
                Interned::List(items) => Outcome::Merged(sorted(items)),
                _ => Outcome::One(number),
            },
        };
        let siblings = sorted(&given);
        let mut set = siblings.clone();
        set.dedup();
        by_key.entry(calls.key[at]).or_default().push(Resolved {
            call,
            given,
            siblings,
            set,
            result,
        });
    }
    (by_key, unreadable)
}

enum Merged {
    /// All siblings as they were given.
    Same,
    Number(u32),
}

fn result(calls: &Calls, call: u32, given: &[u32]) -> Merged {
    let number = calls.result(call);
    // A result that is the argument's pair once more has no number of its own.
    if number as usize >= calls.values.len() && given.len() == 2 {
        Merged::Same
    } else {
        Merged::Number(number)
    }
}

fn sorted(values: &[u32]) -> Siblings {
    let mut values = values.to_vec();
    values.sort_unstable();
    values
}

/// Every law that is broken, by the first conflicts that break it.
fn laws(resolved: &[Resolved], tested: &mut Tested) -> Vec<Broken> {
    let mut broken = Vec::new();
    let mut given: HashMap<&[u32], usize> = HashMap::new();
    let mut multisets: HashMap<&[u32], usize> = HashMap::new();
    let mut sets: HashMap<&[u32], usize> = HashMap::new();
    for (at, own) in resolved.iter().enumerate() {
        // The sharpest law first: what breaks it says nothing of the others.
        let mut differs = false;
        if let Some(&first) = given.get(own.given.as_slice()) {
            tested.determinism += 1;
            differs = resolved[first].result != own.result;
            if differs {
                let why = "the same siblings in the same order had two results.";
                broken.push(pair("resolver-not-deterministic", resolved, first, at, why));
            }
        } else if let Some(&first) = multisets.get(own.siblings.as_slice()) {
            tested.commutativity += 1;
            differs = resolved[first].result != own.result;
            if differs {
                let why = "the same siblings in another order had another result.";
                broken.push(pair("resolver-not-commutative", resolved, first, at, why));
            }
        } else if let Some(&first) = sets.get(own.set.as_slice()) {
            tested.idempotence += 1;
            differs = resolved[first].result != own.result;
            if differs {
                let why = "a sibling that stood there twice changed the result.";
                broken.push(pair("resolver-not-idempotent", resolved, first, at, why));
            }
        }
        if let [only] = own.set[..] {
            tested.idempotence += 1;
            let itself =
                Outcome::One(only) == own.result || Outcome::Merged(own.set.clone()) == own.result;
            if !itself && !differs {
                broken.push(Broken {
                    name: "resolver-not-idempotent",
                    calls: vec![own.call],
                    why: "a value in conflict with itself alone did not stay.",
                });
            }
        }
        given.entry(&own.given).or_insert(at);
        multisets.entry(&own.siblings).or_insert(at);
        sets.entry(&own.set).or_insert(at);
    }
    if broken.is_empty() {
        associativity(resolved, &sets, tested, &mut broken);
    }
    broken
}

fn pair(
    name: &'static str,
    resolved: &[Resolved],
    first: usize,
    second: usize,
    why: &'static str,
) -> Broken {
    Broken {
        name,
        calls: vec![resolved[first].call, resolved[second].call],
        why,
    }
}

/// Conflicts of which one sibling is the result of another conflict, opened up: however the same
/// values are put together, the result is the same.
fn associativity(
    resolved: &[Resolved],
    sets: &HashMap<&[u32], usize>,
    tested: &mut Tested,
    broken: &mut Vec<Broken>,
) {
    let mut distinct: Vec<usize> = sets.values().copied().collect();
    distinct.sort_unstable();
    // By result: the conflicts that had it.
    let mut makers: HashMap<u32, Vec<usize>> = HashMap::new();
    for &at in &distinct {
        if let Outcome::One(result) = resolved[at].result
            && resolved[at].set.len() > 1
        {
            makers.entry(result).or_default().push(at);
        }
    }
    // By all values: the result, and the conflicts that it was put together from.
    let mut known: HashMap<Siblings, (usize, Vec<u32>)> = HashMap::new();
    for &at in &distinct {
        known.insert(resolved[at].set.clone(), (at, vec![resolved[at].call]));
    }
    let mut left = Resolver::DERIVED;
    for &outer in &distinct {
        let own = &resolved[outer];
        for sibling in &own.set {
            for &inner in makers.get(sibling).into_iter().flatten() {
                if inner == outer {
                    continue;
                }
                if left == 0 {
                    tested.is_cut = true;
                    return;
                }
                left -= 1;
                let mut all: Siblings = own.set.iter().copied().filter(|v| v != sibling).collect();
                all.extend(&resolved[inner].set);
                all.sort_unstable();
                all.dedup();
                let calls = vec![resolved[inner].call, own.call];
                match known.get(&all) {
                    None => {
                        known.insert(all, (outer, calls));
                    }
                    Some((other, others)) => {
                        tested.associativity += usize::from(*others != calls);
                        if resolved[*other].result != own.result {
                            let mut shown = others.clone();
                            shown.extend(calls);
                            shown.sort_unstable();
                            shown.dedup();
                            broken.push(Broken {
                                name: "resolver-not-associative",
                                calls: shown,
                                why: "the same values put together in another order of conflicts \
                                      had another result.",
                            });
                            if broken.len() >= Resolver::LISTED {
                                return;
                            }
                        }
                    }
                }
            }
        }
    }
}

fn told(calls: &Calls, key: u32, broken: &Broken) -> Anomaly {
    let ops: Vec<_> = broken.calls.iter().map(|&call| calls.ops(call)).collect();
    let results = ops.iter().map(|(invoke, complete)| {
        let result = complete.as_ref().map_or(&invoke.value, |op| &op.value);
        format!("{} gave {result}", invoke.value)
    });
    let results: Vec<String> = results.collect();
    let conclusion = format!("{}: {}", results.join("; "), broken.why);
    let ops: Vec<_> = ops.iter().map(|ops| calls.call(ops)).collect();
    let ops: Vec<_> = ops.iter().collect();
    anomaly(broken.name, &calls.value(key), &ops, conclusion).1
}
