//! What the operators of the databases can do, one thing after the other on running clusters in a
//! lab: role, leader, transactions on lists, kill, start, pause, resume, another leader, logs, wipe.
//!
//! This test has no harness: it must enter the lab before it starts a thread.

mod harness;
mod surroundings;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use checkers::history::{F, Value};
use harness::{Harness, say};
use schism::client::{Client, Connect, Outcome};
use schism::cluster::{Db, Leaders, Node, Processes};
use schism::commands::image::ImagesArgs;
use schism::connect;
use schism::lab::{Lab, LabSpec};
use schism::plan::Plan;
use schism::remote::{Command, on_all};
use schism::systems::{Surroundings, System, SystemName};
use surroundings::enter;
use workloads::generator::Invocation;

/// The databases, and where each keeps everything of its own on a host.
const DATABASES: [(SystemName, &[&str]); 3] = [
    (SystemName::Etcd, &["/var/lib/schism/etcd"]),
    (
        SystemName::Redis,
        &["/var/lib/schism/redis", "/var/lib/schism/sentinel"],
    ),
    (SystemName::Postgresql, &["/var/lib/schism/postgresql"]),
];

/// How long anything may take that is not at once so.
const LIMIT: Duration = Duration::from_secs(25);

fn main() -> ExitCode {
    let names = DATABASES.map(|(system, _)| system.as_str());
    let Some(mut harness) = Harness::new(names) else {
        return ExitCode::SUCCESS;
    };
    let images = ImagesArgs {
        images: std::env::var_os("SCHISM_IMAGES").map(Into::into),
    };
    let images = images.images().expect("images have a directory");
    let built = images.list().expect("images can be listed");
    let mut layers = Vec::new();
    let mut ready = Vec::new();
    for (system, places) in DATABASES {
        let name = system.as_str();
        if !harness.wants(name) {
            continue;
        }
        let recipe = Plan::of_system(system).image();
        if built.iter().any(|image| image.recipe == recipe) {
            let layer = images.provide(&recipe, &mut say);
            layers.push(layer.expect("an image that is there can be used"));
            ready.push((system, places));
        } else {
            say(&format!(
                "test {name} ... not run, for want of an image: schism image build {name}"
            ));
        }
    }
    if ready.is_empty() {
        return ExitCode::SUCCESS;
    }
    let lab = match enter(&LabSpec {
        nodes: 3,
        layers,
        ..LabSpec::default()
    }) {
        Ok(lab) => lab,
        Err(code) => return code,
    };
    let runtime = tokio::runtime::Runtime::new().expect("a runtime can be made");
    for (system, places) in ready {
        harness.run(system.as_str(), || {
            runtime.block_on(walk(&Stage::new(&lab, system, places)));
        });
    }
    harness.end()
}

/// A database on the hosts of the lab.
struct Stage {
    nodes: Vec<Node>,
    system: System,
    operator_promotes: bool,
    places: &'static [&'static str],
}

impl Stage {
    fn new(lab: &Lab, name: SystemName, places: &'static [&'static str]) -> Self {
        let nodes = connect::nodes(lab.hosts()).expect("the lab's addresses are numbers");
        let surroundings = Surroundings {
            node_binary: std::path::Path::new("/no/such/program"),
        };
        let system = Plan::of_system(name).system(&nodes, &surroundings);
        Self {
            system: system.expect("a database needs no file of this machine"),
            operator_promotes: name.is_promoted_by_operator(),
            nodes,
            places,
        }
    }

    fn db(&self) -> &dyn Db {
        &*self.system.db
    }

    fn processes(&self) -> &dyn Processes {
        let processes = self.db().processes();
        processes.expect("its processes can be killed and paused")
    }

    fn leaders(&self) -> &dyn Leaders {
        self.db().leaders().expect("it has a leader")
    }

    async fn leader(&self) -> Option<usize> {
        let leader = self.leaders().leader(&self.nodes).await;
        leader.expect("the nodes can be asked who leads")
    }

    /// Writes at whoever takes it, by as many clients as it takes.
    async fn write(&self, value: i64) {
        let begun = Instant::now();
        for process in 0.. {
            let mut client = self.system.clients.open(0, process);
            let order = on_register("write", Value::Int(value), None);
            let reply = client.invoke(&order, Duration::from_secs(1)).await;
            if matches!(reply.outcome, Outcome::Ok(_)) {
                return;
            }
            assert!(begun.elapsed() < LIMIT, "{value}: {:?}", reply.outcome);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Lists grow by transactions, which read what they appended and what is not there.
    async fn append_and_read(&self) {
        let mut client = self.system.clients.open(0, 2_000_000);
        let items = |items: &[i64]| Value::List(items.iter().copied().map(Value::Int).collect());
        let step = |does, key, value| Value::List(vec![Value::str(does), Value::str(key), value]);
        let append = |item| step("append", "l1", Value::Int(item));
        let first = vec![append(1), append(2)];
        let asked = vec![
            append(3),
            step("r", "l1", Value::Nil),
            step("r", "l2", Value::Nil),
        ];
        let answered = vec![
            append(3),
            step("r", "l1", items(&[1, 2, 3])),
            step("r", "l2", Value::Nil),
        ];
        for (steps, told) in [(first.clone(), first), (asked, answered)] {
            let order = Invocation::new(F::new("txn"), None, Value::List(steps));
            let reply = client.invoke(&order, LIMIT).await;
            assert_eq!(reply.outcome, Outcome::Ok(Value::List(told)));
        }
    }

    /// All nodes are equal, and that one holds the value itself.
    async fn assert_follows(&self, at: usize, value: i64) {
        let equal = self.db().await_equal(&self.nodes, LIMIT).await;
        let equal = equal.expect("the nodes can be asked what they hold");
        assert!(equal.reached, "{:?}", equal.states);
        let mut client = self.system.clients.open(0, 1_000_000);
        let node = Arc::clone(&self.nodes[at].name);
        let order = on_register("final-read", Value::Nil, Some(node));
        let reply = client.invoke(&order, LIMIT).await;
        match reply.outcome {
            Outcome::Ok(read) => assert_eq!(read, Value::Int(value)),
            other => panic!("{}: {other:?}", self.nodes[at].name),
        }
    }

    async fn shell(&self, at: usize, script: &str) -> String {
        let command = Command::shell(script).as_root();
        let done = self.nodes[at].remote.run(&command).await;
        let done = done.unwrap_or_else(|error| panic!("failed to {error}"));
        done.stdout.trim().to_owned()
    }
}

fn on_register(f: &'static str, value: Value, node: Option<Arc<str>>) -> Invocation {
    Invocation {
        node,
        ..Invocation::new(F::new(f), Some(Value::str("r1")), value)
    }
}

/// Does all of it, and leaves nothing.
async fn walk(stage: &Stage) {
    let (db, nodes) = (stage.db(), &stage.nodes);
    let fine = |done: Result<String, _>| done.unwrap_or_else(|error| panic!("failed to {error}"));
    let set_up = on_all(nodes, async |node| db.setup(node, nodes).await).await;
    set_up.unwrap_or_else(|error| panic!("failed to {error}"));
    let ready = db.await_ready(nodes, LIMIT).await;
    ready.unwrap_or_else(|error| panic!("failed to {error}"));
    assert!(db.version().is_some(), "it was asked for its version");

    let leader = stage.leader().await.expect("somebody leads");
    let follower = (leader + 1) % nodes.len();
    stage.write(1).await;
    stage.assert_follows(follower, 1).await;
    stage.append_and_read().await;

    let processes = stage.processes();
    let proof = fine(processes.kill(&nodes[follower]).await);
    assert!(proof.contains("is gone"), "{proof}");
    let twice = processes.kill(&nodes[follower]).await;
    assert!(twice.is_err(), "what is dead cannot be killed");
    stage.write(2).await;
    assert_eq!(stage.leader().await, Some(leader));
    let proof = fine(processes.start(&nodes[follower]).await);
    assert!(proof.contains("answers"), "{proof}");
    stage.assert_follows(follower, 2).await;

    let proof = fine(processes.pause(&nodes[follower]).await);
    assert!(proof.contains("is stopped"), "{proof}");
    stage.write(3).await;
    let proof = fine(processes.resume(&nodes[follower]).await);
    assert!(proof.contains("is running"), "{proof}");
    stage.assert_follows(follower, 3).await;

    fine(processes.kill(&nodes[leader]).await);
    let others: Vec<usize> = (0..nodes.len()).filter(|at| *at != leader).collect();
    let promoted = stage.leaders().promote(nodes, &others).await;
    assert_eq!(promoted.is_ok(), stage.operator_promotes, "{promoted:?}");
    let begun = Instant::now();
    while stage.leader().await.is_none_or(|now| now == leader) {
        assert!(begun.elapsed() < LIMIT, "nobody leads after {leader}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    stage.write(4).await;
    fine(processes.start(&nodes[leader]).await);
    stage.assert_follows(leader, 4).await;

    for (at, node) in nodes.iter().enumerate() {
        for file in db.log_files(node) {
            let size = stage.shell(at, &format!("stat -c %s {file}")).await;
            assert_ne!(size, "0", "{file} on {} is empty", node.name);
        }
    }

    // One that was stopped before, and those that still run.
    fine(processes.kill(&nodes[follower]).await);
    let wiped = on_all(nodes, async |node| db.teardown(node).await).await;
    wiped.unwrap_or_else(|error| panic!("failed to {error}"));
    for at in 0..nodes.len() {
        let listing = format!("ls -A {}", stage.places[0]);
        assert_eq!(stage.shell(at, &listing).await, "");
        for place in stage.places {
            let left = format!("find {place} -mindepth 1");
            assert_eq!(stage.shell(at, &left).await, "");
        }
    }
    assert_eq!(stage.leader().await, None);
}
