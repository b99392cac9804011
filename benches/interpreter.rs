//! How many operations a second pass through the interpreter, with clients that answer at once.
//!
//! `cargo bench --bench interpreter`

use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use checkers::history::{F, Op, Value};
use schism::client::{Client, Connect, Outcome, Reply};
use schism::interpreter::{Interpreter, Recorder, Script, Seeds};
use schism::nemesis::Peace;
use schism::store::Journal;
use workloads::generator::{Context, Generator, Invocation, Next};

struct Instantly;
struct Echo;

impl Connect for Instantly {
    type Client = Echo;
    fn open(&self, _: usize, _: u32) -> Echo {
        Echo
    }
}

impl Client for Echo {
    async fn invoke(&mut self, _: &Invocation, _: Duration) -> Reply {
        Reply {
            outcome: Outcome::Ok(Value::Nil),
            node: None,
        }
    }
}

struct Writes(u32);

impl Generator for Writes {
    fn next(&mut self, ctx: &mut Context<'_>) -> Next {
        if self.0 == 0 {
            return Next::Done;
        }
        self.0 -= 1;
        let value = Value::Int(i64::from(self.0));
        let write = Invocation::new(F::new("write"), Some(Value::str("r1")), value);
        Next::Invoke(ctx.free[0], write)
    }
    fn update(&mut self, _: &Context<'_>, _: &Op) {}
}

struct Nothing;

impl Generator for Nothing {
    fn next(&mut self, _: &mut Context<'_>) -> Next {
        Next::Done
    }
    fn update(&mut self, _: &Context<'_>, _: &Op) {}
}

const OPERATIONS: u32 = 500_000;

fn measure(clients: u32, journal: bool) -> f64 {
    let place = std::env::temp_dir().join(format!("schism-bench-{}", std::process::id()));
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let seconds = runtime.block_on(async {
        let journal = journal.then(|| Journal::create(&place).expect("a file"));
        let mut recorder = Recorder::new(journal);
        let mut interpreter = Interpreter::new(Instantly, clients, &Seeds::new(1));
        let begun = Instant::now();
        let script = Script {
            load: &mut Writes(OPERATIONS),
            schedule: &mut Nothing,
            timeout: Duration::from_secs(1),
            observe: None,
            stop: &AtomicBool::new(false),
            progress: &mut |_, _| {},
        };
        interpreter
            .run(&mut recorder, &mut Peace, script)
            .await
            .expect("a run");
        recorder.finish().1.expect("a journal");
        begun.elapsed().as_secs_f64()
    });
    if journal {
        std::fs::remove_file(&place).expect("the file goes");
    }
    f64::from(OPERATIONS) / seconds
}

#[expect(clippy::print_stdout, reason = "a benchmark prints its figures")]
fn main() {
    println!("{:>8}  {:>8}  {:>14}", "clients", "journal", "operations/s");
    for clients in [1, 20, 100] {
        for journal in [false, true] {
            let rate = measure(clients, journal);
            println!(
                "{clients:>8}  {:>8}  {rate:>14.0}",
                if journal { "yes" } else { "no" }
            );
        }
    }
}
