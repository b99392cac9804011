#![doc = include_str!("../../pages/prefix.md")]

mod across;
mod crossing;
mod followed;
mod graph;
mod lists;
mod logs;
mod order;
mod proof;

use std::collections::BTreeMap;

use across::{Across, Outcome};
use crossing::{Gap, Shown};
use lists::Conflict;
use logs::Apart;
use order::Step;

use crate::calls::{BEFORE, Calls};
use crate::explain::{anomaly, time};
use crate::history::Kind;
use crate::history::dictionary::Interned;
use crate::stale::growing::revealed;
use crate::stale::kinds::{Objects, Sort};
use crate::stale::register::{NOBODY, Register, new_value};
use crate::{Anomaly, Budget, Checker, Report, Verdict};

/// Judges whether every node's states are prefixes of one order; see the [module](self).
#[derive(Clone, Copy, Debug, Default)]
pub struct Prefix;

impl Prefix {
    /// How many anomalies of each name are written out.
    pub const LISTED: usize = 10;
}

/// What was found.
#[derive(Default)]
struct Book {
    /// Reads of nodes that are known.
    reads: usize,
    reads_without_node: usize,
    /// Reads of registers whose order was sought together.
    reads_across: usize,
    /// The budget was spent before that was done.
    unfinished: bool,
    /// None was found, and none refuted.
    open: bool,
    skipped: usize,
    orders_compared: usize,
    gaps_compared: usize,
    lists_compared: usize,
    logs: usize,
    logs_compared: usize,
    sizes_compared: usize,
    /// By name: how many contradictions.
    counts: BTreeMap<&'static str, usize>,
    anomalies: Vec<Anomaly>,
}

const NO_ORDER: &str = "no-single-order";
const GAP: &str = "gap-in-prefix";
const INCOMPATIBLE: &str = "incompatible-order";
const LOGS: &str = "log-divergence";
const REGRESSION: &str = "prefix-regression";

impl Book {
    fn add(&mut self, name: &'static str, told: impl FnOnce() -> Anomaly) {
        let count = self.counts.entry(name).or_default();
        *count += 1;
        if *count <= Prefix::LISTED {
            self.anomalies.push(told());
        }
    }
}

impl Checker for Prefix {
    fn name(&self) -> &str {
        "prefix"
    }

    fn judge(&self, calls: &Calls, budget: &Budget) -> Report {
        let mut objects = Objects::of(calls);
        let mut book = Book::default();
        let mut register = Register::new(calls);
        let registers = (0..objects.by_key.len()).filter(|&at| objects.sorts[at] == Sort::Register);
        let most = registers.map(|at| objects.by_key.calls(at).len()).sum();
        let mut shown = Vec::with_capacity(most);
        let mut across = Across::new(calls.nodes().len(), most);
        for (place, sort) in objects.sorts.iter().enumerate() {
            if budget.is_spent() {
                let why = "the budget was spent before every key was judged";
                return Report::undecided(self.name(), why);
            }
            let of = objects.by_key.calls(place);
            match sort {
                Sort::Other => book.skipped += 1,
                Sort::Register => {
                    if register.load(calls, &objects.functions, of) {
                        one_order(calls, &objects, &register, of, &mut book);
                        show(calls, &objects, &register, of, &mut shown);
                        across.add(calls, &objects.functions, &register, of);
                    } else {
                        book.skipped += 1;
                    }
                    register.unload(calls);
                }
                Sort::List | Sort::Counter => grown(calls, &objects, *sort, of, &mut book),
            }
        }
        shown.sort_unstable_by_key(|read| read.call);
        let (compared, gaps) = crossing::gaps(calls, &shown, calls.nodes().len());
        book.gaps_compared = compared;
        // Within one register the order of its values has told.
        let key = |call: u32| calls.key[call as usize];
        for gap in gaps {
            if key(gap.later) != key(gap.lacking) {
                let told = || told_gap(calls, &objects, &mut register, gap);
                book.add(GAP, told);
            }
        }
        // What is no longer needed makes room for clocks.
        drop((shown, register, std::mem::take(&mut objects.by_key)));
        // Any of these would be found once more.
        if book.counts.is_empty() {
            all_registers(calls, across, budget, &mut book);
        }
        node_logs(calls, &mut book);
        report(self.name(), calls, &objects, book)
    }
}

fn is_read(calls: &Calls, objects: &Objects, call: u32) -> bool {
    let at = call as usize;
    calls.f[at] == objects.functions.read && calls.outcome[at] == Kind::Ok
}

fn one_order(calls: &Calls, objects: &Objects, register: &Register, of: &[u32], book: &mut Book) {
    let found = order::judge(calls, &objects.functions, register, of);
    book.reads += found.reads;
    book.orders_compared += found.compared;
    let all = of.iter().filter(|&&call| is_read(calls, objects, call));
    book.reads_without_node += all.filter(|&&call| calls.node(call).is_none()).count();
    if let Some(steps) = found.cycle {
        book.add(NO_ORDER, || told_cycle(calls, register, of, &steps));
    }
}

/// One order of the writes to all registers.
fn all_registers(calls: &Calls, mut across: Across, budget: &Budget, book: &mut Book) {
    across.sort(calls);
    book.reads_across = across.reads;
    match across.judge(calls, budget, |_, _| {}) {
        Outcome::Fits => {}
        Outcome::Open => book.open = true,
        Outcome::Spent => book.unfinished = true,
        Outcome::Broken(_) => book.add(NO_ORDER, || match proof::trace(calls, &across, budget) {
            Some(proof) => {
                let because = proof.because.join("; ");
                told(calls, NO_ORDER, proof.calls, format!("{because}."))
            }
            None => told(calls, NO_ORDER, Vec::new(), UNTRACED.to_owned()),
        }),
    }
}

/// What nodes showed of several registers has no order, and there was no time to say why.
const UNTRACED: &str = "No one order of all writes has what the nodes showed; the budget was spent \
                        before that could be traced.";

/// What the nodes showed of a register.
fn show(calls: &Calls, objects: &Objects, register: &Register, of: &[u32], shown: &mut Vec<Shown>) {
    for &call in of {
        if is_read(calls, objects, call)
            && let Some(node) = calls.node(call)
            && let Some(place) = register.place(calls.result(call))
        {
            let version = &register.versions[place];
            // A value that was seen before its write began is another checker's to tell.
            let early = version.a > version.f;
            shown.push(Shown {
                call,
                node,
                written: if early { BEFORE } else { version.a },
                replaced: register.after[place].replaced,
            });
        }
    }
}

/// Lists must be prefixes of one another; neither they nor counters shrink on a node.
fn grown(calls: &Calls, objects: &Objects, sort: Sort, of: &[u32], book: &mut Book) {
    let reads: Vec<u32> = (of.iter().copied())
        .filter(|&call| is_read(calls, objects, call))
        .collect();
    let sizes = reads.iter();
    let sizes: Vec<(u32, u64)> = sizes
        .filter_map(|&call| Some((call, revealed(calls, sort, call)?)))
        .collect();
    book.reads += sizes.len();
    let (compared, shrunk) = lists::shrunk(calls, &sizes);
    book.sizes_compared += compared;
    for conflict in shrunk {
        let why = "the node shows less than it had shown before.";
        book.add(REGRESSION, || {
            told_conflict(calls, REGRESSION, conflict, why)
        });
    }
    if sort == Sort::List {
        let (compared, conflicts) = lists::not_prefixes(calls, &reads);
        book.lists_compared += compared;
        for conflict in conflicts {
            let why = "neither is a prefix of the other.";
            book.add(INCOMPATIBLE, || {
                told_conflict(calls, INCOMPATIBLE, conflict, why)
            });
        }
    }
}

/// The nodes' own logs.
fn node_logs(calls: &Calls, book: &mut Book) {
    let Some(f) = calls.function("node-log") else {
        return;
    };
    let is_log = |&call: &u32| {
        let at = call as usize;
        let list = matches!(
            calls.values.get(calls.result(call)),
            Interned::List(_) | Interned::Nil
        );
        calls.f[at] == f && calls.outcome[at] == Kind::Ok && list
    };
    let all: Vec<u32> = (0..crate::by_key::narrow(calls.len()))
        .filter(is_log)
        .collect();
    book.logs = all.len();
    let (compared, found) = logs::apart(calls, &all);
    book.logs_compared = compared;
    for apart in found {
        book.add(LOGS, || told_apart(calls, apart));
    }
}

fn report(name: &str, calls: &Calls, objects: &Objects, book: Book) -> Report {
    let mut report = Report::new(name, Verdict::Held);
    let compared = book.orders_compared
        + book.gaps_compared
        + book.lists_compared
        + book.logs_compared
        + book.sizes_compared;
    let counts = [
        ("reads_with_node", book.reads),
        ("reads_without_node", book.reads_without_node),
        ("reads_across", book.reads_across),
        ("keys_skipped", book.skipped),
        ("orders_compared", book.orders_compared),
        ("gaps_compared", book.gaps_compared),
        ("lists_compared", book.lists_compared),
        ("sizes_compared", book.sizes_compared),
        ("logs", book.logs),
        ("logs_compared", book.logs_compared),
    ];
    for (name, count) in counts {
        report.figure(name, count);
    }
    for (name, count) in &book.counts {
        report.figure(&name.replace('-', "_"), *count);
    }
    report.anomalies = book.anomalies;
    let why = if compared == 0 && book.reads_without_node > 0 {
        Some("needs the names of the nodes that answered the reads".to_owned())
    } else if compared == 0 {
        let why = "needs two reads of one node, two reads of a list, or the logs of two nodes";
        Some(
            objects
                .why_unreadable(calls)
                .unwrap_or_else(|| why.to_owned()),
        )
    } else if objects.unreadable > 0 {
        objects.why_unreadable(calls)
    } else if book.unfinished {
        Some(
            "the budget was spent before an order of the writes to all registers was refuted or \
              not"
            .to_owned(),
        )
    } else if book.open {
        let why = "no order of the writes to all registers was found that every node follows, and \
                   nothing refutes all of them";
        Some(why.to_owned())
    } else if book.skipped > 0 {
        Some("some keys were written the same value twice and could not be judged".to_owned())
    } else {
        None
    };
    if !book.counts.is_empty() {
        report.verdict = Verdict::Violated;
    } else if why.is_some() {
        report.verdict = Verdict::Undecided;
        report.why = why;
    }
    report
}

fn told(calls: &Calls, name: &str, mut of: Vec<u32>, conclusion: String) -> Anomaly {
    of.sort_unstable();
    of.dedup();
    let keys: Vec<u32> = of.iter().map(|&call| calls.key[call as usize]).collect();
    let one = keys.windows(2).all(|pair| pair[0] == pair[1]);
    let key = if one { keys.first().copied() } else { None };
    let ops: Vec<_> = of.iter().map(|&call| calls.ops(call)).collect();
    let ops: Vec<_> = ops.iter().map(|ops| calls.call(ops)).collect();
    let ops: Vec<_> = ops.iter().collect();
    let key = key.map(|key| calls.value(key)).unwrap_or_default();
    anomaly(name, &key, &ops, conclusion).1
}

fn node(calls: &Calls, call: u32) -> &str {
    let place = calls.node(call).map(usize::from);
    place.map_or("unknown", |place| &calls.nodes()[place])
}

fn told_cycle(calls: &Calls, register: &Register, of: &[u32], steps: &[Step]) -> Anomaly {
    let value = |place: u32| match register.versions[place as usize].writer {
        NOBODY => "the initial value".to_owned(),
        writer => calls.value(new_value(calls, writer)).to_string(),
    };
    let mut shown = Vec::new();
    let mut because = Vec::new();
    for (at, step) in steps.iter().enumerate() {
        let next = steps[(at + 1) % steps.len()].value;
        let (one, other) = (value(step.value), value(next));
        let version = &register.versions[step.value as usize];
        let following = &register.versions[next as usize];
        if let Some((first, second)) = step.reads {
            shown.extend([first, second]);
            let node = node(calls, first);
            because.push(format!("{node} showed {one} before {other}"));
        } else if version.f < following.a {
            let seen = (version.seen_by != NOBODY).then_some(version.seen_by);
            let writers = [version.writer, following.writer];
            shown.extend(writers.into_iter().filter(|writer| *writer != NOBODY));
            shown.extend(seen);
            because.push(format!(
                "{one} had taken effect before the write of {other} began"
            ));
        } else {
            let swaps = of.iter().filter(|&&call| {
                let made = register.place(new_value(calls, call));
                calls.second[call as usize] != crate::calls::NO_VALUE && made == Some(next as usize)
            });
            shown.extend(swaps);
            because.push(format!("{other} was made of {one}"));
        }
    }
    told(calls, NO_ORDER, shown, format!("{}.", because.join("; ")))
}

fn told_gap(calls: &Calls, objects: &Objects, register: &mut Register, gap: Gap) -> Anomaly {
    let mut shown = vec![gap.later, gap.lacking];
    let key = calls.key[gap.lacking as usize];
    let mut missing = None;
    if let Some(place) = objects.by_key.place(key) {
        register.load(calls, &objects.functions, objects.by_key.calls(place));
        let seen = register.place(calls.result(gap.lacking));
        if let Some(newer) = seen.and_then(|seen| register.replacer(seen)) {
            shown.push(newer.writer);
            let late = calls.ends[newer.writer as usize] > newer.f;
            shown.extend((late && newer.seen_by != NOBODY).then_some(newer.seen_by));
            missing = Some((
                calls.value(new_value(calls, newer.writer)),
                time(calls.time(newer.f), calls.is_untimed()),
            ));
        }
        register.unload(calls);
    }
    let later = calls.value(calls.result(gap.later));
    let missing = missing.map_or(String::new(), |(value, at)| {
        format!(
            ", and then lacked {value}, which had taken effect by {at}, before that write began"
        )
    });
    let node = node(calls, gap.later);
    let conclusion = format!("{node} showed {later}{missing}.");
    told(calls, GAP, shown, conclusion)
}

fn told_conflict(calls: &Calls, name: &str, conflict: Conflict, why: &str) -> Anomaly {
    let shown = vec![conflict.first, conflict.second];
    let item = |call: u32| match calls.values.get(calls.result(call)) {
        Interned::List(items) => items.get(conflict.at).map_or_else(
            || "nothing".to_owned(),
            |&item| calls.value(item).to_string(),
        ),
        _ => calls.value(calls.result(call)).to_string(),
    };
    let conclusion = format!(
        "at place {} the one has {}, the other {}: {why}",
        conflict.at,
        item(conflict.first),
        item(conflict.second)
    );
    told(calls, name, shown, conclusion)
}

fn told_apart(calls: &Calls, apart: Apart) -> Anomaly {
    let [one, other] = apart.items.map(|item| calls.value(item));
    let conclusion = format!(
        "at position {} the one has {one}, the other {other}: neither log is a prefix of the other.",
        apart.position
    );
    told(calls, LOGS, vec![apart.first, apart.second], conclusion)
}
