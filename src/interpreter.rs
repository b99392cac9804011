//! The event loop: sole writer of the history, sole reader of the clock.
//!
//! It takes completions before it asks for anything new, since waiting would invent
//! concurrency that was not there; it stamps a start before the operation is handed to its
//! client, and an end when it hears of it. A client whose operation ended in `Info` is over:
//! its worker goes on with a new client under a new process number.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use checkers::history::{F, Kind, Nanos, Op, Process, Value};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use tokio::sync::mpsc;
use workloads::generator::{Context, Generator, Invocation, Next};

use crate::client::{Connect, Outcome, Reply};
use crate::cluster::Testimony;
use crate::nemesis::{Nemesis, NemesisError};
use crate::store::Journal;
use crate::watch::Watch;
use crate::worker::{self, Completion};

/// Entries are handed to the journal in groups of this size, or when the loop has to wait.
const JOURNAL_BATCH: usize = 512;

/// The nemesis's order to ask the nodes what they say of themselves.
pub(crate) const STATUS: &str = "status";

/// Chance, one source a role, so that a change of the clients does not reshuffle the faults.
#[derive(Debug)]
pub struct Seeds {
    seed: u64,
}

impl Seeds {
    /// All chance of a run comes from this number.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { seed }
    }

    /// The source for a role, such as `"load"` or `"faults"`.
    #[must_use]
    pub fn source(&self, role: &str) -> ChaCha8Rng {
        // FNV-1a: stable over builds and platforms, which the standard hasher is not.
        let stream = role.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        let mut source = ChaCha8Rng::seed_from_u64(self.seed);
        source.set_stream(stream);
        source
    }
}

/// The history while it is written, with the clock that stamps it.
#[derive(Debug)]
pub struct Recorder {
    begun: Instant,
    ops: Vec<Op>,
    journaled: usize,
    journal: Option<Journal>,
    journal_open: bool,
    watch: Option<Watch>,
}

impl Recorder {
    /// Starts the clock. Without a journal the history is kept in memory alone.
    #[must_use]
    pub fn new(journal: Option<Journal>) -> Self {
        let journal_open = journal.is_some();
        Self {
            begun: Instant::now(),
            ops: Vec::new(),
            journaled: 0,
            journal,
            journal_open,
            watch: None,
        }
    }

    /// Nanoseconds since the run began.
    #[must_use]
    pub fn now(&self) -> Nanos {
        // 2^64 nanoseconds are 584 years.
        u64::try_from(self.begun.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// What was recorded so far.
    #[must_use]
    pub fn ops(&self) -> &[Op] {
        &self.ops
    }

    /// Judges from here on what is recorded, and ends the load with the first contradiction.
    pub fn watch(&mut self) {
        self.watch = Some(Watch::default());
    }

    /// Judges no more; why the load was ended early, if it was.
    pub fn unwatch(&mut self) -> Option<String> {
        self.watch.take()?.why()
    }

    fn has_seen_enough(&self) -> bool {
        self.watch.as_ref().is_some_and(Watch::has_seen)
    }

    fn push(&mut self, entry: Entry) -> &Op {
        let op = Op {
            index: self.ops.len(),
            time: self.now(),
            process: entry.process,
            kind: entry.kind,
            f: entry.f,
            key: entry.key,
            value: entry.value,
            node: entry.node,
            error: entry.error,
        };
        if let Some(watch) = &mut self.watch {
            watch.take(&op);
        }
        self.ops.push(op);
        if self.ops.len() - self.journaled >= JOURNAL_BATCH {
            self.flush();
        }
        self.ops.last().expect("one was just added")
    }

    /// Records something that the control process did, outside of any schedule.
    pub fn note(&mut self, f: F, value: Value, error: Option<String>) {
        let (process, kind) = (Process::Nemesis, Kind::Info);
        self.push(Entry {
            process,
            kind,
            f,
            key: None,
            value,
            node: None,
            error,
        });
        self.flush();
    }

    /// Records something that a node told after the run: asked by a process of its own.
    pub(crate) fn testify(&mut self, process: u32, testimony: Testimony) {
        let Testimony {
            node,
            f,
            key,
            argument,
            result,
        } = testimony;
        for (kind, value) in [(Kind::Invoke, argument), (Kind::Ok, result)] {
            self.push(Entry {
                process: Process::Client(process),
                kind,
                f: F::new(f),
                key: Some(key.clone()),
                value,
                node: Some(Arc::clone(&node)),
                error: None,
            });
        }
        self.flush();
    }

    fn flush(&mut self) {
        if let Some(journal) = self.journal.as_ref().filter(|_| self.journal_open)
            && self.journaled < self.ops.len()
        {
            self.journal_open = journal.append(self.ops[self.journaled..].to_vec());
            self.journaled = self.ops.len();
        }
    }

    /// Whether the disk still takes the history.
    #[must_use]
    pub fn is_recording(&self) -> bool {
        self.journal.is_none() || self.journal_open
    }

    /// Ends the recording: the entries, and whether all of them are on disk.
    pub fn finish(mut self) -> (Vec<Op>, Result<(), crate::store::StoreError>) {
        self.flush();
        let written = self.journal.take().map_or(Ok(()), Journal::finish);
        (self.ops, written)
    }
}

struct Entry {
    process: Process,
    kind: Kind,
    f: F,
    key: Option<Value>,
    value: Value,
    node: Option<Arc<str>>,
    error: Option<String>,
}

impl Entry {
    /// The beginning of what the nemesis is ordered to do.
    fn ordered(order: &Invocation) -> Self {
        Self {
            process: Process::Nemesis,
            kind: Kind::Info,
            f: order.f.clone(),
            key: order.key.clone(),
            value: order.value.clone(),
            node: order.node.clone(),
            error: None,
        }
    }
}

/// What one call of [`Interpreter::run`] is to do.
pub struct Script<'a> {
    /// The clients' operations.
    pub load: &'a mut dyn Generator,
    /// The nemesis's operations.
    pub schedule: &'a mut dyn Generator,
    /// How long a client's operation may take.
    pub timeout: Duration,
    /// How often the nemesis asks the nodes what they say of themselves, when it has nothing
    /// else to do.
    pub observe: Option<Duration>,
    /// When raised, nothing new is asked for; what is open is waited for.
    pub stop: &'a AtomicBool,
    /// Told of progress now and then, with all that was recorded so far.
    pub progress: &'a mut dyn FnMut(&Progress, &[Op]),
}

/// Counts for a progress line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Since the run began.
    pub now: Nanos,
    /// Operations that ended well.
    pub ok: u64,
    /// Operations that certainly did not happen.
    pub fail: u64,
    /// Operations of unknown outcome.
    pub info: u64,
    /// What the nemesis is doing or did last.
    pub fault: Option<String>,
}

/// Why the loop ended early.
#[derive(Debug, thiserror::Error)]
pub enum InterpretError {
    /// A fault could not be injected, proven or healed: the run proves nothing.
    #[error(transparent)]
    Nemesis(#[from] NemesisError),
    /// The disk no longer takes the history.
    #[error("the history can no longer be written")]
    Recording,
    /// A client's task died: a bug of ours.
    #[error("a client's task ended: {0}")]
    Worker(String),
}

/// The clients' tasks and what they are doing.
pub struct Interpreter<C: Connect> {
    workers: Vec<Worker>,
    completions: mpsc::UnboundedReceiver<Completion>,
    next_process: u32,
    connect: Arc<C>,
    load_rng: ChaCha8Rng,
    fault_rng: ChaCha8Rng,
}

struct Worker {
    process: u32,
    sender: mpsc::UnboundedSender<worker::Order>,
    open: Option<Invocation>,
}

impl<C: Connect + 'static> Interpreter<C> {
    /// Starts a task for each of `clients` clients.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    #[must_use]
    pub fn new(connect: C, clients: u32, seeds: &Seeds) -> Self {
        let connect = Arc::new(connect);
        let (done, completions) = mpsc::unbounded_channel();
        let workers = (0..clients)
            .map(|process| {
                let (sender, orders) = mpsc::unbounded_channel();
                let task = worker::run(Arc::clone(&connect), process, orders, done.clone());
                tokio::spawn(task);
                Worker {
                    process,
                    sender,
                    open: None,
                }
            })
            .collect();
        let (load_rng, fault_rng) = (seeds.source("load"), seeds.source("faults"));
        Self {
            workers,
            completions,
            next_process: clients,
            connect,
            load_rng,
            fault_rng,
        }
    }

    /// The number of a process that none of the clients is or will be.
    pub(crate) fn outsider(&mut self) -> u32 {
        self.next_process += 1;
        self.next_process - 1
    }

    /// What opens the clients.
    #[must_use]
    pub fn connect(&self) -> &C {
        &self.connect
    }

    /// Runs until both generators are done and nothing is open any more.
    ///
    /// # Errors
    ///
    /// [`InterpretError`]; what was recorded until then stands, and what was open stays open.
    pub async fn run<'a, N: Nemesis>(
        &'a mut self,
        recorder: &'a mut Recorder,
        nemesis: &mut N,
        script: Script<'a>,
    ) -> Result<Progress, InterpretError> {
        let numbers = self
            .workers
            .iter()
            .enumerate()
            .map(|(slot, w)| (w.process, slot))
            .collect();
        let free = self
            .workers
            .iter()
            .map(|w| Process::Client(w.process))
            .collect();
        let (orders, inbox) = mpsc::unbounded_channel();
        let (outbox, results) = mpsc::unbounded_channel();
        let mut task = std::pin::pin!(obey(nemesis, inbox, outbox));
        let mut turn = Turn {
            interpreter: self,
            recorder,
            script,
            numbers,
            free,
            open: 0,
            nemesis_open: None,
            observe_at: 0,
            progress: Progress::default(),
            orders,
            results,
        };
        // The nemesis works beside the loop; its errors come back through `results`.
        let mut nemesis_over = false;
        let outcome = {
            let mut spin = std::pin::pin!(turn.spin());
            loop {
                tokio::select! {
                    biased;
                    outcome = &mut spin => break outcome,
                    () = &mut task, if !nemesis_over => nemesis_over = true,
                }
            }
        };
        turn.recorder.flush();
        outcome.map(|()| turn.progress)
    }
}

type NemesisOutcome = (Invocation, Result<Value, NemesisError>);

/// The nemesis's work, done order by order as they come in; its outcomes come out.
async fn obey<N: Nemesis>(
    nemesis: &mut N,
    mut orders: mpsc::UnboundedReceiver<Invocation>,
    results: mpsc::UnboundedSender<NemesisOutcome>,
) {
    while let Some(order) = orders.recv().await {
        let result = nemesis.invoke(&order).await;
        if results.send((order, result)).is_err() {
            return;
        }
    }
}

/// One call of [`Interpreter::run`].
struct Turn<'a, C: Connect> {
    interpreter: &'a mut Interpreter<C>,
    recorder: &'a mut Recorder,
    script: Script<'a>,
    /// From process number to worker.
    numbers: HashMap<u32, usize>,
    /// Clients without an open operation.
    free: Vec<Process>,
    open: usize,
    nemesis_open: Option<Invocation>,
    /// When the nodes are to be asked of themselves again.
    observe_at: Nanos,
    progress: Progress,
    orders: mpsc::UnboundedSender<Invocation>,
    results: mpsc::UnboundedReceiver<NemesisOutcome>,
}

/// What a generator's answer means for the loop.
enum Asked {
    Started,
    Waiting(Option<Nanos>),
    Over,
}

impl<C: Connect + 'static> Turn<'_, C> {
    async fn spin(&mut self) -> Result<(), InterpretError> {
        let (mut load_over, mut schedule_over) = (false, false);
        let mut last_progress = 0;
        loop {
            self.take_what_is_there()?;
            if !self.recorder.is_recording() {
                return Err(InterpretError::Recording);
            }
            if self.script.stop.load(Ordering::Relaxed) || self.recorder.has_seen_enough() {
                (load_over, schedule_over) = (true, true);
            }
            if self.recorder.now() - last_progress > 100_000_000 {
                last_progress = self.recorder.now();
                self.progress.now = last_progress;
                (self.script.progress)(&self.progress, self.recorder.ops());
            }
            let mut wake = Some(self.recorder.now() + 100_000_000);
            let mut started = false;
            if !schedule_over && self.nemesis_open.is_none() {
                match self.ask_schedule() {
                    Asked::Started => started = true,
                    Asked::Waiting(until) => wake = sooner(wake, until),
                    Asked::Over => schedule_over = true,
                }
            }
            if let Some(every) = self.script.observe.filter(|_| !load_over) {
                self.observe(every);
                // What is busy is not asked when it is due, but when it is free again.
                if self.nemesis_open.is_none() {
                    wake = sooner(wake, Some(self.observe_at));
                }
            }
            if !load_over {
                match self.ask_load()? {
                    Asked::Started => started = true,
                    Asked::Waiting(until) => wake = sooner(wake, until),
                    Asked::Over => load_over = true,
                }
            }
            if load_over && schedule_over && self.open == 0 && self.nemesis_open.is_none() {
                return Ok(());
            }
            if !started {
                self.wait(wake).await?;
            }
        }
    }

    /// Takes every completion that has arrived, without waiting.
    fn take_what_is_there(&mut self) -> Result<(), InterpretError> {
        while let Ok(completion) = self.interpreter.completions.try_recv() {
            self.complete(completion)?;
        }
        while let Ok((order, result)) = self.results.try_recv() {
            self.nemesis_done(order, result)?;
        }
        Ok(())
    }

    async fn wait(&mut self, wake: Option<Nanos>) -> Result<(), InterpretError> {
        self.recorder.flush();
        let now = self.recorder.now();
        let patience = Duration::from_nanos(wake.unwrap_or(now).saturating_sub(now));
        tokio::select! {
            biased;
            Some(completion) = self.interpreter.completions.recv() => self.complete(completion),
            Some((order, result)) = self.results.recv() => self.nemesis_done(order, result),
            () = tokio::time::sleep(patience) => Ok(()),
        }
    }

    fn ask_schedule(&mut self) -> Asked {
        let free = [Process::Nemesis];
        let mut ctx = Context {
            now: self.recorder.now(),
            free: &free,
            total: 1,
            rng: &mut self.interpreter.fault_rng,
        };
        match self.script.schedule.next(&mut ctx) {
            Next::Done => Asked::Over,
            Next::Wait { until } => Asked::Waiting(until),
            Next::Invoke(_, order) => {
                self.progress.fault = Some(order.f.to_string());
                let op = self.recorder.push(Entry::ordered(&order));
                self.script.schedule.update(&ctx, op);
                self.give(order);
                Asked::Started
            }
        }
    }

    /// Has the nemesis ask the nodes of themselves, if that is due and it is free.
    fn observe(&mut self, every: Duration) {
        let now = self.recorder.now();
        if self.nemesis_open.is_some() || now < self.observe_at {
            return;
        }
        self.observe_at = now + u64::try_from(every.as_nanos()).unwrap_or(u64::MAX);
        let order = Invocation::new(F::new(STATUS), None, Value::Nil);
        self.recorder.push(Entry::ordered(&order));
        self.give(order);
    }

    fn give(&mut self, order: Invocation) {
        self.nemesis_open = Some(order.clone());
        self.orders
            .send(order)
            .expect("the nemesis's task lives as long as the loop");
    }

    fn ask_load(&mut self) -> Result<Asked, InterpretError> {
        if self.free.is_empty() {
            return Ok(Asked::Waiting(None));
        }
        let mut ctx = Context {
            now: self.recorder.now(),
            free: &self.free,
            total: self.interpreter.workers.len(),
            rng: &mut self.interpreter.load_rng,
        };
        match self.script.load.next(&mut ctx) {
            Next::Done => Ok(Asked::Over),
            Next::Wait { until } => Ok(Asked::Waiting(until)),
            Next::Invoke(process, invocation) => {
                self.start(process, invocation)?;
                Ok(Asked::Started)
            }
        }
    }

    fn start(&mut self, process: Process, invocation: Invocation) -> Result<(), InterpretError> {
        let position = self.free.iter().position(|free| *free == process);
        self.free
            .swap_remove(position.expect("a generator names only free processes"));
        let Process::Client(number) = process else {
            unreachable!("the nemesis is not among the clients")
        };
        let slot = self.numbers[&number];
        let op = self.recorder.push(Entry {
            process,
            kind: Kind::Invoke,
            f: invocation.f.clone(),
            key: invocation.key.clone(),
            value: invocation.value.clone(),
            node: invocation.node.clone(),
            error: None,
        });
        let ctx = Context {
            now: op.time,
            free: &self.free,
            total: self.interpreter.workers.len(),
            rng: &mut self.interpreter.load_rng,
        };
        self.script.load.update(&ctx, op);
        let worker = &mut self.interpreter.workers[slot];
        worker.open = Some(invocation.clone());
        self.open += 1;
        let order = worker::Order {
            process: number,
            invocation,
            timeout: self.script.timeout,
        };
        worker
            .sender
            .send(order)
            .map_err(|_| InterpretError::Worker(format!("that of process {number}")))
    }

    fn complete(&mut self, completion: Completion) -> Result<(), InterpretError> {
        let Completion {
            slot,
            process: number,
            reply,
        } = completion;
        let Reply { outcome, node } = reply;
        let worker = &mut self.interpreter.workers[slot];
        let asked = worker.open.take().ok_or_else(|| {
            InterpretError::Worker(format!("process {number} answered what nobody asked"))
        })?;
        self.open -= 1;
        let (kind, value, error) = match outcome {
            Outcome::Ok(value) => (Kind::Ok, value, None),
            // The value of an operation without result is its argument.
            Outcome::Fail(reason) => (Kind::Fail, asked.value, Some(reason)),
            Outcome::Info(reason) => (Kind::Info, asked.value, Some(reason)),
        };
        match kind {
            Kind::Ok => self.progress.ok += 1,
            Kind::Fail => self.progress.fail += 1,
            Kind::Info | Kind::Invoke => self.progress.info += 1,
        }
        if kind == Kind::Info {
            self.numbers.remove(&number);
            worker.process = self.interpreter.next_process;
            self.interpreter.next_process += 1;
            self.numbers.insert(worker.process, slot);
        }
        self.free.push(Process::Client(worker.process));
        let process = Process::Client(number);
        let (f, key) = (asked.f, asked.key);
        let op = self.recorder.push(Entry {
            process,
            kind,
            f,
            key,
            value,
            node,
            error,
        });
        let ctx = Context {
            now: op.time,
            free: &self.free,
            total: self.interpreter.workers.len(),
            rng: &mut self.interpreter.load_rng,
        };
        self.script.load.update(&ctx, op);
        Ok(())
    }

    fn nemesis_done(
        &mut self,
        order: Invocation,
        result: Result<Value, NemesisError>,
    ) -> Result<(), InterpretError> {
        self.nemesis_open = None;
        let (value, error) = match &result {
            Ok(value) => (value.clone(), None),
            Err(error) => (order.value.clone(), Some(error.to_string())),
        };
        let op = self.recorder.push(Entry {
            process: Process::Nemesis,
            kind: Kind::Info,
            f: order.f,
            key: order.key,
            value,
            node: order.node,
            error,
        });
        let free = [Process::Nemesis];
        let ctx = Context {
            now: op.time,
            free: &free,
            total: 1,
            rng: &mut self.interpreter.fault_rng,
        };
        self.script.schedule.update(&ctx, op);
        result.map(|_| ()).map_err(InterpretError::from)
    }
}

fn sooner(one: Option<Nanos>, other: Option<Nanos>) -> Option<Nanos> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}
