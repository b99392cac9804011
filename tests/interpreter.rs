//! The event loop with clients in memory: what it records, and when it ends.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use checkers::history::{F, History, Kind, Op, Process, Value};
use schism::client::{Client, Connect, Outcome, Reply};
use schism::interpreter::{InterpretError, Interpreter, Recorder, Script, Seeds};
use schism::nemesis::{Nemesis, NemesisError, Peace};
use schism::store::{Journal, read_history};
use workloads::generator::{Context, Generator, Invocation, Next};

/// Asks `left` more times, whoever is free.
struct Writes {
    left: u32,
}

impl Generator for Writes {
    fn next(&mut self, ctx: &mut Context<'_>) -> Next {
        if self.left == 0 {
            return Next::Done;
        }
        let Some(process) = ctx.free.first() else {
            return Next::Wait { until: None };
        };
        self.left -= 1;
        let value = Value::Int(i64::from(self.left));
        Next::Invoke(*process, Invocation::new(F::new("write"), None, value))
    }

    fn update(&mut self, _: &Context<'_>, _: &Op) {}
}

/// Orders of the nemesis, one after the other.
struct Orders(VecDeque<&'static str>);

impl Generator for Orders {
    fn next(&mut self, _: &mut Context<'_>) -> Next {
        match self.0.pop_front() {
            Some(f) => Next::Invoke(
                Process::Nemesis,
                Invocation::new(F::new(f), None, Value::Nil),
            ),
            None => Next::Done,
        }
    }

    fn update(&mut self, _: &Context<'_>, _: &Op) {}
}

/// Answers by the value asked: of the writes below 100 every tenth panics, hangs or fails.
struct Fickle {
    opened: Arc<AtomicU32>,
}

struct FickleClient;

impl Connect for Fickle {
    type Client = FickleClient;

    fn open(&self, _: usize, _: u32) -> FickleClient {
        self.opened.fetch_add(1, Ordering::Relaxed);
        FickleClient
    }
}

impl Client for FickleClient {
    async fn invoke(&mut self, op: &Invocation, _: Duration) -> Reply {
        let number = op.value.as_int().unwrap_or(0);
        let outcome = match number % 10 {
            _ if number >= 100 => Outcome::Ok(Value::Nil),
            0 => panic!("a bug of the client"),
            1 => std::future::pending().await,
            2 => Outcome::Fail("refused".into()),
            _ => Outcome::Ok(Value::Nil),
        };
        Reply {
            outcome,
            node: None,
        }
    }
}

struct Breaks;

impl Nemesis for Breaks {
    async fn invoke(&mut self, order: &Invocation) -> Result<Value, NemesisError> {
        tokio::time::sleep(Duration::from_millis(5)).await;
        match order.f.as_str() {
            "kill" => Ok(Value::str("n1")),
            other => Err(NemesisError::NoTarget {
                fault: other.into(),
                cause: "test".into(),
            }),
        }
    }
}

async fn play<N: Nemesis>(
    recorder: &mut Recorder,
    writes: u32,
    orders: &[&'static str],
    nemesis: &mut N,
) -> (Result<(), InterpretError>, u32) {
    let opened = Arc::new(AtomicU32::new(0));
    let connect = Fickle {
        opened: Arc::clone(&opened),
    };
    let mut interpreter = Interpreter::new(connect, 4, &Seeds::new(1));
    let script = Script {
        load: &mut Writes { left: writes },
        schedule: &mut Orders(orders.iter().copied().collect()),
        timeout: Duration::from_millis(20),
        observe: None,
        stop: &AtomicBool::new(false),
        progress: &mut |_, _| {},
    };
    let done = interpreter.run(recorder, nemesis, script).await;
    (done.map(drop), opened.load(Ordering::Relaxed))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_operation_ends_and_the_history_keeps_its_laws() {
    let mut recorder = Recorder::new(None);
    let (done, opened) = play(&mut recorder, 100, &[], &mut Peace).await;
    done.unwrap();
    let history = History::new(recorder.finish().0).unwrap();
    let calls: Vec<_> = history.calls().collect();
    let count = |kind| calls.iter().filter(|call| call.outcome() == kind).count();
    assert_eq!(
        (count(Kind::Ok), count(Kind::Fail), count(Kind::Info)),
        (70, 10, 20)
    );
    assert!(
        calls.iter().all(|call| call.complete.is_some()),
        "even a panic closes its operation"
    );
    // Each of the 20 unknown outcomes ends a process; a client is opened when it is first used.
    assert!(
        (20..=24).contains(&opened),
        "{opened} clients for 4 workers and 20 crashes"
    );
}

/// Writes and reads by turns, without end.
struct Turns {
    next: i64,
}

impl Generator for Turns {
    fn next(&mut self, ctx: &mut Context<'_>) -> Next {
        let Some(process) = ctx.free.first() else {
            return Next::Wait { until: None };
        };
        self.next += 1;
        let (f, value) = match self.next % 2 {
            0 => ("read", Value::Nil),
            _ => ("write", Value::Int(self.next)),
        };
        Next::Invoke(*process, Invocation::new(F::new(f), None, value))
    }

    fn update(&mut self, _: &Context<'_>, _: &Op) {}
}

/// Takes every write and forgets it.
struct Forgetful;

impl Connect for Forgetful {
    type Client = Self;

    fn open(&self, _: usize, _: u32) -> Self {
        Self
    }
}

impl Client for Forgetful {
    async fn invoke(&mut self, _: &Invocation, _: Duration) -> Reply {
        Reply {
            outcome: Outcome::Ok(Value::Nil),
            node: None,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_contradiction_ends_a_load_that_is_watched() {
    let mut recorder = Recorder::new(None);
    recorder.watch();
    let mut interpreter = Interpreter::new(Forgetful, 1, &Seeds::new(1));
    let script = Script {
        load: &mut Turns { next: 0 },
        schedule: &mut Orders(VecDeque::new()),
        timeout: Duration::from_millis(20),
        observe: None,
        stop: &AtomicBool::new(false),
        progress: &mut |_, _| {},
    };
    interpreter
        .run(&mut recorder, &mut Peace, script)
        .await
        .unwrap();
    let why = recorder.unwatch().expect("a write was forgotten");
    assert!(why.contains("stale-read"), "{why}");
    assert!(recorder.unwatch().is_none());
    // A write, a read of nothing; what began before the loop looked is waited for.
    assert!(
        (4..=8).contains(&recorder.ops().len()),
        "{:?}",
        recorder.ops()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_are_recorded_as_pairs_beside_the_load() {
    let mut recorder = Recorder::new(None);
    let (done, _) = play(&mut recorder, 50, &["kill", "kill"], &mut Breaks).await;
    done.unwrap();
    let history = History::new(recorder.finish().0).unwrap();
    let told: Vec<Value> = history.nemesis().map(|op| op.value.clone()).collect();
    let done = Value::str("n1");
    assert_eq!(told, [Value::Nil, done.clone(), Value::Nil, done]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fault_that_fails_ends_the_run() {
    let mut recorder = Recorder::new(None);
    let (done, _) = play(&mut recorder, 1_000_000, &["explode"], &mut Breaks).await;
    assert!(done.unwrap_err().to_string().contains("explode"));
    assert!(
        recorder.ops().iter().any(|op| op.error.is_some()),
        "the failure is in the history"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_recorded_before_a_kill_can_be_read() {
    let place = std::env::temp_dir().join(format!("schism-journal-{}", std::process::id()));
    std::fs::create_dir_all(&place).unwrap();
    let file = place.join("history.jsonl.zst");
    let mut recorder = Recorder::new(Some(Journal::create(&file).unwrap()));
    play(&mut recorder, 30_000, &[], &mut Peace)
        .await
        .0
        .unwrap();
    let (ops, written) = recorder.finish();
    written.unwrap();
    let whole = std::fs::read(&file).unwrap();
    let read = read_history(&file).unwrap();
    assert!(read.ops == ops && !read.truncated);
    // As after `kill -9`, or a full disk: the file ends anywhere.
    for share in [1, 50, 90, 99] {
        std::fs::write(&file, &whole[..whole.len() * share / 100]).unwrap();
        let read = read_history(&file).unwrap();
        assert!(read.truncated && read.ops.len() < ops.len());
        assert_eq!(read.ops, ops[..read.ops.len()]);
        History::new(read.ops).unwrap();
    }
    std::fs::remove_dir_all(&place).unwrap();
}
