//! The laws of generators, over random trees of all combinators, and exact schedules.

use std::collections::BTreeSet;
use std::time::Duration;

use checkers::history::{F, Kind, Nanos, Op, Process, Value};
use proptest::prelude::{ProptestConfig, any as anything, proptest};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use workloads::generator::{
    Context, Generator, Invocation, Next, any, clients, cycle, delay, each_process, flip_flop,
    from_fn, limit, list, mix, nemesis, on, once, phases, rate, sequence, simulate, sleep, stagger,
    synchronize, then, time_limit, until,
};

const MS: Nanos = 1_000_000;

fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

fn op(f: &'static str) -> Invocation {
    Invocation::new(F::new(f), None, Value::Nil)
}

fn numbered(f: &'static str) -> impl Generator {
    let mut number = 0;
    from_fn(move |_| {
        number += 1;
        Some(Invocation::new(F::new(f), None, Value::Int(number)))
    })
}

fn times(f: &'static str, count: usize) -> impl Generator {
    limit(count, numbered(f))
}

/// A random tree of combinators.
fn tree(rng: &mut ChaCha8Rng, depth: u32) -> Box<dyn Generator> {
    let pause = ms(rng.random_range(0..30));
    if depth == 0 {
        return match rng.random_range(0..5) {
            0 => Box::new(once(op("once"))),
            1 => Box::new(list([op("one"), op("two"), op("three")])),
            2 => Box::new(sleep(pause)),
            3 => Box::new(times("some", rng.random_range(0..6))),
            _ => Box::new(from_fn(|ctx| {
                let number = ctx.rng.random_range(0..20);
                (number > 0).then(|| Invocation::new(F::new("dice"), None, Value::Int(number)))
            })),
        };
    }
    let one = tree(rng, depth - 1);
    let other = tree(rng, rng.clone().random_range(0..depth));
    let count = rng.random_range(0..12);
    match rng.random_range(0..20) {
        0 => Box::new(limit(count, one)),
        1 => Box::new(time_limit(pause * 3, one)),
        2 => Box::new(until(|op| op.kind == Kind::Fail, one)),
        3 => Box::new(stagger(pause, one)),
        4 => Box::new(delay(pause, one)),
        5 => Box::new(rate(rng.random_range(1..300), one)),
        6 => Box::new(then(one, other)),
        7 => Box::new(sequence(vec![one, other])),
        8 => Box::new(phases(vec![one, other])),
        9 => Box::new(synchronize(one)),
        10 => Box::new(limit(
            count,
            cycle(|| then(once(op("cycle")), sleep(ms(3)))),
        )),
        11 => Box::new(mix(vec![(1, one), (3, other)])),
        12 => Box::new(any(vec![one, other])),
        13 => Box::new(flip_flop(one, other)),
        14 => Box::new(each_process(move |_| delay(pause, times("own", count)))),
        15 => Box::new(clients(one)),
        16 => Box::new(nemesis(one)),
        17 => Box::new(on(|process| process != Process::Client(1), one)),
        18 => Box::new(any(vec![
            Box::new(clients(one)) as Box<dyn Generator>,
            Box::new(nemesis(other)),
        ])),
        _ => one,
    }
}

/// What happened to one generator, with every question and every entry.
struct Drive<'a> {
    generator: &'a mut dyn Generator,
    seed: u64,
    /// Whether to ask again when the answer is to wait.
    pesters: bool,
}

impl Drive<'_> {
    /// Asks with chance that depends on the step alone.
    fn ask(&mut self, step: u64, now: Nanos, free: &[Process], total: usize) -> Next {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed ^ step.wrapping_mul(0x9e37_79b9));
        let mut ctx = Context {
            now,
            free,
            total,
            rng: &mut rng,
        };
        let next = self.generator.next(&mut ctx);
        if self.pesters && matches!(next, Next::Wait { .. }) {
            for _ in 0..3 {
                let mut ctx = Context {
                    now,
                    free,
                    total,
                    rng: &mut rng,
                };
                let again = self.generator.next(&mut ctx);
                assert_eq!(
                    again, next,
                    "asked again at the same moment, it answers otherwise"
                );
            }
        }
        next
    }

    /// Runs against a system that answers by chance; the questions' answers in order.
    fn run(&mut self) -> Vec<Next> {
        let mut fate = ChaCha8Rng::seed_from_u64(self.seed);
        let mut free: Vec<Process> = (0..3).map(Process::Client).collect();
        free.push(Process::Nemesis);
        let total = free.len();
        let mut open: Vec<Op> = Vec::new();
        let (mut now, mut next_client, mut index) = (0, 3, 0);
        let mut answers = Vec::new();
        for step in 0..400 {
            let next = self.ask(step, now, &free, total);
            answers.push(next.clone());
            match next {
                Next::Invoke(process, invocation) => {
                    let place = free.iter().position(|other| *other == process);
                    free.swap_remove(place.expect("it names only a free process"));
                    let kind = match process {
                        Process::Client(_) => Kind::Invoke,
                        Process::Nemesis => Kind::Info,
                    };
                    let op = Op {
                        index,
                        time: now,
                        process,
                        kind,
                        f: invocation.f,
                        key: invocation.key,
                        value: invocation.value,
                        node: None,
                        error: None,
                    };
                    index += 1;
                    self.tell(now, &free, total, &op);
                    open.push(op);
                }
                Next::Wait { until } => {
                    if let Some(until) = until {
                        assert!(
                            until > now,
                            "it waits for what has passed: the loop would spin"
                        );
                    }
                    if open.is_empty() {
                        now = until.unwrap_or(now + MS);
                    }
                }
                Next::Done => {
                    for later in 0..4 {
                        now += later * 10 * MS;
                        let few = &free[..free.len().min(usize::try_from(later).expect("few"))];
                        let after = self.ask(step + later, now, few, total);
                        assert_eq!(after, Next::Done, "it was over and is not");
                    }
                    if open.is_empty() {
                        return answers;
                    }
                }
            }
            if !open.is_empty() && fate.random_bool(0.6) {
                now += fate.random_range(0..5 * MS);
                let mut op = open.swap_remove(fate.random_range(0..open.len()));
                op.index = index;
                index += 1;
                op.time = now;
                op.kind = match op.process {
                    Process::Client(_) => {
                        [Kind::Ok, Kind::Ok, Kind::Fail, Kind::Info][fate.random_range(0..4)]
                    }
                    Process::Nemesis => Kind::Info,
                };
                free.push(match (op.process, op.kind) {
                    (Process::Client(_), Kind::Info) => {
                        next_client += 1;
                        Process::Client(next_client - 1)
                    }
                    (process, _) => process,
                });
                self.tell(now, &free, total, &op);
            }
        }
        answers
    }

    fn tell(&mut self, now: Nanos, free: &[Process], total: usize, op: &Op) {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        self.generator.update(
            &Context {
                now,
                free,
                total,
                rng: &mut rng,
            },
            op,
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, ..ProptestConfig::default() })]

    #[test]
    fn every_tree_of_combinators_keeps_the_laws(seed in anything::<u64>(), depth in 0_u32..4) {
        let make = || tree(&mut ChaCha8Rng::seed_from_u64(seed), depth);
        let plain = Drive { generator: &mut make(), seed, pesters: false }.run();
        let pestered = Drive { generator: &mut make(), seed, pesters: true }.run();
        assert_eq!(plain, pestered, "waiting changed it, or chance came from elsewhere");
    }
}

/// The starts: who, when in milliseconds, what.
fn starts(ops: &[Op]) -> Vec<(String, Nanos, String)> {
    let starts = ops.iter().filter(|op| op.kind == Kind::Invoke);
    starts
        .map(|op| (op.process.to_string(), op.time / MS, op.f.to_string()))
        .collect()
}

fn when(ops: &[Op]) -> Vec<Nanos> {
    starts(ops).into_iter().map(|(_, at, _)| at).collect()
}

fn what(ops: &[Op]) -> String {
    let names: Vec<String> = starts(ops).into_iter().map(|(_, _, f)| f).collect();
    names.join(" ")
}

#[test]
fn a_list_is_asked_once_and_in_order() {
    let ops = simulate::perfect(&mut list([op("a"), op("b"), op("c")]), 1, 1);
    assert_eq!(what(&ops), "a b c");
    let entries: Vec<(Nanos, Kind)> = ops.iter().map(|op| (op.time, op.kind)).collect();
    assert_eq!(
        entries,
        [
            (0, Kind::Invoke),
            (10, Kind::Ok),
            (10, Kind::Invoke),
            (20, Kind::Ok),
            (20, Kind::Invoke),
            (30, Kind::Ok),
        ]
    );
}

#[test]
fn paces_are_exact() {
    let ops = simulate::perfect(&mut delay(ms(10), times("a", 4)), 3, 1);
    assert_eq!(when(&ops), [0, 10, 20, 30]);
    let ops = simulate::perfect(&mut rate(3, times("a", 5)), 3, 1);
    assert_eq!(when(&ops), [0, 333, 666, 1_000, 1_333]);
    let ops = simulate::perfect(&mut then(sleep(ms(7)), once(op("a"))), 1, 1);
    assert_eq!(when(&ops), [7]);
    let paced = stagger(ms(10), times("a", 2_000));
    let ops = simulate::perfect(&mut { paced }, 3, 1);
    let last = *when(&ops).last().unwrap();
    assert!((19_000..21_000).contains(&last), "the mean is off: {last}");
}

#[test]
fn an_open_loop_makes_up_for_what_it_missed_and_a_staggered_one_does_not() {
    let one_slow = |generator: &mut dyn Generator| {
        let mut first = true;
        simulate::simulate(generator, 1, 1, |_, _, _| simulate::Answer {
            kind: Kind::Ok,
            value: Value::Nil,
            latency: if std::mem::take(&mut first) {
                50 * MS
            } else {
                1
            },
        })
    };
    let ops = one_slow(&mut rate(100, times("a", 8)));
    assert_eq!(when(&ops), [0, 50, 50, 50, 50, 50, 60, 70]);
    let ops = one_slow(&mut delay(ms(10), times("a", 4)));
    assert_eq!(when(&ops), [0, 50, 60, 70]);
}

#[test]
fn limits_end() {
    assert!(simulate::perfect(&mut times("a", 0), 1, 1).is_empty());
    let ops = simulate::perfect(&mut time_limit(ms(35), delay(ms(10), numbered("a"))), 1, 1);
    assert_eq!(
        when(&ops),
        [0, 10, 20, 30],
        "what begins at the deadline begins too late"
    );
    let last = |op: &Op| op.kind == Kind::Ok && op.value == Value::Int(3);
    let ops = simulate::perfect(&mut until(last, numbered("a")), 1, 1);
    assert_eq!(when(&ops).len(), 3);
    let forever = time_limit(ms(5), synchronize(sleep(Duration::MAX)));
    assert!(
        simulate::perfect(&mut { forever }, 1, 1).is_empty(),
        "a wait is cut short"
    );
}

#[test]
fn phases_do_not_overlap_even_when_processes_crash() {
    for seed in 0..50 {
        let mut two = phases(vec![Box::new(times("a", 20)), Box::new(times("b", 20))]);
        let ops = simulate::crashing(&mut two, 5, seed);
        let first = ops.iter().position(|op| op.f == "b").unwrap();
        assert!(ops[first..].iter().all(|op| op.f == "b"), "seed {seed}");
        assert_eq!(when(&ops).len(), 40);
    }
    let mut two = then(times("a", 20), times("b", 20));
    let ops = simulate::slow(&mut two, 5, 1);
    let first = ops.iter().position(|op| op.f == "b").unwrap();
    assert!(
        ops[first..].iter().any(|op| op.f == "a"),
        "without a barrier they overlap"
    );
}

#[test]
fn a_crashed_process_is_never_asked_again() {
    let ops = simulate::crashing(&mut times("a", 300), 4, 1);
    let mut gone = BTreeSet::new();
    for op in &ops {
        assert!(
            !gone.contains(&op.process),
            "{} was heard of again",
            op.process
        );
        if op.kind == Kind::Info {
            gone.insert(op.process);
        }
    }
    assert!(gone.len() > 50);
    checkers::history::History::new(ops).unwrap();
}

#[test]
fn flip_flop_alternates_until_one_is_over() {
    let ops = simulate::slow(&mut flip_flop(times("a", 9), times("b", 2)), 3, 1);
    assert_eq!(what(&ops), "a b a b a");
}

#[test]
fn mix_keeps_the_weights_and_outlives_its_branches() {
    let branches = || -> Vec<(u32, Box<dyn Generator>)> {
        vec![(3, Box::new(numbered("a"))), (1, Box::new(numbered("b")))]
    };
    let ops = simulate::perfect(&mut limit(4_000, mix(branches())), 3, 1);
    let count = ops
        .iter()
        .filter(|op| op.kind == Kind::Invoke && op.f == "a")
        .count();
    assert!((2_900..3_100).contains(&count), "{count} of 4000");
    let mut mixed = mix(vec![
        (1, Box::new(times("a", 3))),
        (1, Box::new(times("b", 30))),
    ]);
    assert_eq!(when(&simulate::perfect(&mut mixed, 3, 1)).len(), 33);
    let waiting = then(sleep(ms(9)), once(op("late")));
    let mut mixed = mix(vec![
        (1_000, Box::new(waiting)),
        (1, Box::new(times("soon", 2))),
    ]);
    let ops = simulate::perfect(&mut mixed, 3, 1);
    assert_eq!(
        what(&ops),
        "soon soon late",
        "what has nothing yet is passed over"
    );
}

#[test]
fn any_takes_turns_and_starves_nobody() {
    let mut both = any(vec![Box::new(times("a", 3)), Box::new(times("b", 3))]);
    assert_eq!(what(&simulate::perfect(&mut both, 3, 1)), "a b a b a b");
    let slow = delay(ms(10), times("slow", 3));
    let mut both = any(vec![Box::new(slow), Box::new(delay(ms(3), times("a", 8)))]);
    assert_eq!(
        when(&simulate::perfect(&mut both, 3, 1)),
        [0, 0, 3, 6, 9, 10, 12, 15, 18, 20, 21]
    );
}

#[test]
fn each_process_has_its_own() {
    let mut each = each_process(|process| {
        let Process::Client(number) = process else {
            panic!("there is no nemesis here");
        };
        times("a", usize::try_from(number).unwrap() + 1)
    });
    let ops = simulate::slow(&mut each, 3, 1);
    let mut count = [0; 3];
    for (process, _, _) in starts(&ops) {
        count[process[1..].parse::<usize>().unwrap()] += 1;
    }
    assert_eq!(count, [1, 2, 3]);
}

#[test]
fn processes_are_kept_apart() {
    let even = |process| matches!(process, Process::Client(number) if number % 2 == 0);
    let mut split = any(vec![
        Box::new(on(even, times("even", 40))),
        Box::new(on(move |process| !even(process), times("odd", 40))),
    ]);
    for op in simulate::slow(&mut split, 5, 1) {
        assert_eq!(op.f == "even", even(op.process), "{op:?}");
    }
    // A barrier among some waits for those alone.
    let mut split = any(vec![
        Box::new(on(
            |process| process == Process::Client(0),
            phases(vec![Box::new(times("a", 2)), Box::new(times("b", 2))]),
        )),
        Box::new(on(|process| process != Process::Client(0), times("c", 500))),
    ]);
    let ops = simulate::slow(&mut split, 5, 1);
    let last_a = ops.iter().rposition(|op| op.f == "a").unwrap();
    let first_b = ops.iter().position(|op| op.f == "b").unwrap();
    let last_c = ops.iter().rposition(|op| op.f == "c").unwrap();
    assert!(last_a < first_b && first_b < last_c);
}

#[test]
fn a_cycle_begins_anew() {
    let round = || {
        sequence(vec![
            Box::new(sleep(ms(5))),
            Box::new(once(op("break"))),
            Box::new(sleep(ms(5))),
            Box::new(once(op("mend"))),
        ])
    };
    let ops = simulate::perfect(&mut time_limit(ms(23), cycle(round)), 1, 1);
    assert_eq!(what(&ops), "break mend break mend");
    assert_eq!(when(&ops), [5, 10, 15, 20]);
    assert!(
        simulate::perfect(&mut cycle(|| times("a", 0)), 1, 1).is_empty(),
        "nothing, for ever"
    );
}
