//! What an operator does with the servers and sentinels: set up, watch, kill, start.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use checkers::history::Value;

use super::resp::{Connection, Said};
use super::{GROUP, PORT, SENTINEL_PORT, Servers, address};
use crate::cluster::{Db, Equal, Job, Leaders, Node, Processes};
use crate::remote::on_all;
use crate::systems::host::{Needed, State, check_free, put, until, until_equal, wrong};

const ASK_LIMIT: Duration = Duration::from_secs(1);
const START_LIMIT: Duration = Duration::from_secs(10);

/// What a server says of its part.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Role {
    Primary { replicas: usize },
    Replica { of: String, is_connected: bool },
}

/// Asks once, on a connection of its own.
async fn ask(address: SocketAddr, words: &[&str]) -> Result<Said, String> {
    let asking = async { Connection::open(address).await?.ask(words).await };
    match tokio::time::timeout(ASK_LIMIT, asking).await {
        Ok(Ok(Said::Error(error))) => Err(error),
        Ok(Ok(said)) => Ok(said),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err("no answer in time".into()),
    }
}

async fn role(node: &Node) -> Result<Role, String> {
    let said = ask(address(node, PORT), &["ROLE"]).await?;
    let odd = || format!("its role is not understood: {said:?}");
    let text = |at: usize| said.list().get(at).and_then(Said::text).ok_or_else(odd);
    match text(0)?.as_str() {
        "master" => Ok(Role::Primary {
            replicas: said.list().get(2).ok_or_else(odd)?.list().len(),
        }),
        "slave" => Ok(Role::Replica {
            of: text(1)?,
            is_connected: text(3)? == "connected",
        }),
        _ => Err(odd()),
    }
}

async fn roles(nodes: &[Node]) -> Vec<Result<Role, String>> {
    let all = on_all(nodes, async |node| Ok::<_, String>(role(node).await)).await;
    all.unwrap_or_default()
}

/// The address that a sentinel names as the primary's.
async fn named_by(sentinel: SocketAddr) -> Option<String> {
    let said = ask(sentinel, &["SENTINEL", "GET-MASTER-ADDR-BY-NAME", GROUP])
        .await
        .ok()?;
    said.list().first()?.text()
}

/// The primary that a majority of all sentinels names, by position.
async fn named_by_most(nodes: &[(SocketAddr, String)]) -> Option<usize> {
    let named = on_all(nodes, async |(sentinel, _)| {
        Ok::<_, String>(named_by(*sentinel).await)
    })
    .await;
    let named: Vec<String> = named.unwrap_or_default().into_iter().flatten().collect();
    nodes.iter().position(|(_, address)| {
        named.iter().filter(|name| *name == address).count() > nodes.len() / 2
    })
}

fn sentinels(nodes: &[Node]) -> Vec<(SocketAddr, String)> {
    nodes
        .iter()
        .map(|node| (address(node, SENTINEL_PORT), node.address.to_string()))
        .collect()
}

/// All other nodes replicate from the first one.
async fn has_replicas(nodes: &[Node]) -> Result<(), String> {
    match role(&nodes[0]).await? {
        Role::Primary { replicas } if replicas + 1 == nodes.len() => Ok(()),
        other => Err(format!("{} is {other:?}", nodes[0].name)),
    }
}

/// One primary, the first node, with all others connected, and sentinels that know each other.
async fn is_formed(nodes: &[Node]) -> Result<(), String> {
    for (node, role) in nodes.iter().zip(roles(nodes).await) {
        match role.map_err(|why| format!("{}: {why}", node.name))? {
            Role::Primary { replicas }
                if node.name == nodes[0].name && replicas + 1 == nodes.len() => {}
            Role::Replica {
                is_connected: true, ..
            } if node.name != nodes[0].name => {}
            other => return Err(format!("{} is {other:?}", node.name)),
        }
    }
    for node in nodes {
        let said = ask(address(node, SENTINEL_PORT), &["SENTINEL", "MASTER", GROUP]).await;
        let said = said.map_err(|why| format!("the sentinel of {}: {why}", node.name))?;
        let fields: Vec<String> = said.list().iter().filter_map(Said::text).collect();
        let field = |name: &str| {
            let at = fields.iter().position(|field| field == name)?;
            fields.get(at + 1).map(String::as_str)
        };
        let others = (nodes.len() - 1).to_string();
        for (name, wanted) in [
            ("num-other-sentinels", others.as_str()),
            ("num-slaves", &others),
            ("flags", "master"),
        ] {
            if field(name) != Some(wanted) {
                return Err(format!(
                    "to the sentinel of {} {name} is {:?}",
                    node.name,
                    field(name)
                ));
            }
        }
    }
    Ok(())
}

async fn state(node: &Node) -> State {
    let role = role(node).await?;
    let digest = ask(address(node, PORT), &["DEBUG", "DIGEST"]).await?;
    let digest = digest.text().ok_or("its digest is not understood")?;
    let (word, settled) = match &role {
        Role::Primary { .. } => ("primary".to_owned(), true),
        Role::Replica { of, is_connected } => (format!("replica of {of}"), *is_connected),
    };
    let told = Value::map([
        ("role", Value::str(&word)),
        ("connected", Value::Bool(settled)),
        ("state", Value::str(&digest)),
    ]);
    Ok((told, digest))
}

/// Tells the sentinels to look at the servers more often. By themselves they leave a primary that
/// was replaced as it is for eight seconds. Those that are too old to be told take that long.
async fn hurry(nodes: &[Node]) {
    for words in [["publish-period", "250"], ["info-period", "500"]] {
        let order = ["SENTINEL", "DEBUG", words[0], words[1]];
        let told = on_all(nodes, async |node| {
            Ok::<_, String>(ask(address(node, SENTINEL_PORT), &order).await)
        });
        drop(told.await);
    }
}

/// The states of all, equal only if one is primary and the others follow it.
async fn states(nodes: &[Node]) -> Vec<State> {
    let all = on_all(nodes, async |node| Ok::<_, String>(state(node).await)).await;
    let mut all = all.unwrap_or_default();
    let says = |state: &State, name: &str, value: &Value| {
        state
            .as_ref()
            .is_ok_and(|(told, _)| told.get(name) == Some(value))
    };
    let primaries = all
        .iter()
        .filter(|state| says(state, "role", &Value::str("primary")))
        .count();
    let connected = all
        .iter()
        .all(|state| says(state, "connected", &Value::Bool(true)));
    if primaries != 1 || !connected {
        // Alike in what they hold, and yet not settled.
        for (at, state) in all.iter_mut().enumerate() {
            if let Ok((_, digest)) = state {
                *digest = format!("{digest} {at}");
            }
        }
    }
    all
}

impl Servers {
    async fn start_server(&self, node: &Node) -> Result<(), crate::cluster::DbError> {
        let daemon = Self::server();
        daemon.start(node).await?;
        let answers = || async { role(node).await.map(drop) };
        match until(START_LIMIT, answers).await {
            Ok(()) => Ok(()),
            Err(why) => {
                let cause = format!("{why}; its log ends: {:?}", daemon.last_words(node).await);
                Err(wrong("start redis-server", &node.name, cause))
            }
        }
    }

    /// Tells clients that listen of a new primary, as soon as most sentinels name it.
    fn announce(&self, nodes: &[Node]) {
        let sentinels: Arc<[_]> = sentinels(nodes).into();
        self.announcer.watch(Arc::clone(&self.directory), move || {
            let sentinels = Arc::clone(&sentinels);
            async move { named_by_most(&sentinels).await }
        });
    }
}

impl Db for Servers {
    fn setup<'a>(&'a self, node: &'a Node, all: &'a [Node]) -> Job<'a, ()> {
        Box::pin(async move {
            let (server, sentinel) = (Self::server(), Self::sentinel());
            sentinel.wipe(node).await?;
            server.wipe(node).await?;
            check_free(node, &[PORT], &server.directory).await?;
            check_free(node, &[SENTINEL_PORT], &sentinel.directory).await?;
            for daemon in [&server, &sentinel] {
                let needed = Needed {
                    program: &daemon.program,
                    flag: "--version",
                    version: Some(&self.options.version),
                    package: "redis-server redis-sentinel",
                };
                let version = needed.check(node).await?;
                self.version.get_or_init(|| version);
            }
            let config = self.server_config(node, &all[0]);
            put(node, &server.args[0], config).await?;
            let config = self.sentinel_config(node, &all[0], all.len());
            put(node, &sentinel.args[0], config).await?;
            if node.name != all[0].name {
                // A replica that finds no primary looks again only a second later.
                let is_there = || async { role(&all[0]).await.map(drop) };
                if let Err(why) = until(START_LIMIT, is_there).await {
                    return Err(wrong("find the primary", &node.name, why));
                }
            }
            self.start_server(node).await?;
            // A sentinel asks the primary for its replicas at once, and then not for ten seconds.
            if let Err(why) = until(START_LIMIT, || has_replicas(all)).await {
                return Err(wrong("replicate", &all[0].name, why));
            }
            sentinel.start(node).await
        })
    }

    fn await_ready<'a>(&'a self, nodes: &'a [Node], limit: Duration) -> Job<'a, ()> {
        Box::pin(async move {
            let formed = until(limit, || is_formed(nodes)).await;
            formed.map_err(|why| wrong("form the group", "the servers", why))?;
            let held = ask(address(&nodes[0], PORT), &["DBSIZE"]).await;
            if held != Ok(Said::Number(0)) {
                let cause = format!("asked for the number of its keys it says {held:?}");
                return Err(wrong("begin with an empty store", &nodes[0].name, cause));
            }
            self.announce(nodes);
            Ok(())
        })
    }

    fn await_equal<'a>(&'a self, nodes: &'a [Node], limit: Duration) -> Job<'a, Equal> {
        Box::pin(async move {
            hurry(nodes).await;
            Ok(until_equal(nodes, limit, || states(nodes)).await)
        })
    }

    fn teardown<'a>(&'a self, node: &'a Node) -> Job<'a, ()> {
        Box::pin(async move {
            Self::sentinel().wipe(node).await?;
            Self::server().wipe(node).await
        })
    }

    fn log_files(&self, _: &Node) -> Vec<String> {
        [Self::server(), Self::sentinel()]
            .iter()
            .flat_map(|daemon| [daemon.log(), daemon.args[0].clone()])
            .collect()
    }

    fn version(&self) -> Option<String> {
        self.version.get().cloned()
    }

    fn processes(&self) -> Option<&dyn Processes> {
        Some(self)
    }

    fn leaders(&self) -> Option<&dyn Leaders> {
        Some(self)
    }
}

/// The server's process; the sentinel beside it goes on.
impl Processes for Servers {
    fn kill<'a>(&'a self, node: &'a Node) -> Job<'a, String> {
        Box::pin(async move { Self::server().kill(node).await })
    }

    fn start<'a>(&'a self, node: &'a Node) -> Job<'a, String> {
        Box::pin(async move {
            self.start_server(node).await?;
            Ok(format!("{} answers", node.name))
        })
    }

    fn pause<'a>(&'a self, node: &'a Node) -> Job<'a, String> {
        Box::pin(async move { Self::server().pause(node).await })
    }

    fn resume<'a>(&'a self, node: &'a Node) -> Job<'a, String> {
        Box::pin(async move { Self::server().resume(node).await })
    }
}

impl Leaders for Servers {
    fn leader<'a>(&'a self, nodes: &'a [Node]) -> Job<'a, Option<usize>> {
        Box::pin(async move { Ok(named_by_most(&sentinels(nodes)).await) })
    }
}
