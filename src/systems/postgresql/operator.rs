//! What an operator does with the servers: set up, watch, kill, start, promote, rebuild.

use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::time::Duration;

use checkers::history::Value;

use super::client::{Connection, in_words};
use super::statements::{CONTENTS, SCHEMA};
use super::{PORT, Servers, USER};
use crate::cluster::{Db, DbError, Equal, Job, Leaders, Node, Processes};
use crate::remote::{Command, on_all};
use crate::systems::host::{
    Needed, State, check_free, digest, put, shell, until, until_equal, wrong,
};

const ASK_LIMIT: Duration = Duration::from_secs(2);
const START_LIMIT: Duration = Duration::from_secs(20);
/// A whole copy of a small database, on a loaded machine.
const COPY_LIMIT: Duration = Duration::from_secs(40);

/// How long a standby may take to connect again after a fault, until it gets a copy.
const FOLLOW_LIMIT: Duration = Duration::from_secs(6);

/// Shell text: runs a program as the servers' user.
const AS_USER: &str = "as_user() {\n\
     setpriv --reuid=postgres --regid=\"$(id -g postgres)\" --clear-groups \"$@\"\n}\n";

impl Servers {
    /// Asks once, on a connection of its own.
    async fn ask(&self, node: &Node, sql: &str) -> Result<Vec<Vec<String>>, String> {
        let address = SocketAddr::new(node.address, PORT);
        let asking = async {
            Connection::open(address, &self.options.user)
                .await?
                .ask(sql)
                .await
        };
        match tokio::time::timeout(ASK_LIMIT, asking).await {
            Ok(answer) => answer.map_err(|error| in_words(&error)),
            Err(_) => Err("no answer in time".into()),
        }
    }

    async fn one(&self, node: &Node, sql: &str) -> Result<String, String> {
        let rows = self.ask(node, sql).await?;
        let first = rows
            .into_iter()
            .next()
            .and_then(|row| row.into_iter().next());
        first.ok_or_else(|| format!("no row for {sql:?}"))
    }

    async fn is_standby(&self, node: &Node) -> Result<bool, String> {
        Ok(self.one(node, "select pg_is_in_recovery()").await? == "t")
    }

    /// How much of the primary's log a standby has received.
    async fn received(&self, node: &Node) -> Result<u64, String> {
        if !self.is_standby(node).await? {
            return Err(format!("{} is no standby", node.name));
        }
        let sql =
            "select greatest(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn()) - '0/0'::pg_lsn";
        let bytes = self.one(node, sql).await?;
        bytes
            .parse()
            .map_err(|_| format!("its log end is not understood: {bytes:?}"))
    }

    fn data(&self) -> String {
        format!("{}/data", self.daemon().directory)
    }

    fn node_config(&self) -> String {
        format!("{}/node.conf", self.daemon().directory)
    }

    /// What differs between the nodes lies beside the data, which is copied from node to node. A
    /// standby without a primary waits for one.
    async fn configure(
        &self,
        node: &Node,
        all: &[Node],
        primary: Option<&Node>,
    ) -> Result<(), DbError> {
        let own = all
            .iter()
            .position(|other| other.name == node.name)
            .unwrap_or(0);
        let mut text = format!(
            "listen_addresses = '{}'\nsynchronous_standby_names = '{}'\n",
            node.address,
            self.options.standby_names(own, all),
        );
        if let Some(primary) = primary.filter(|primary| primary.name != node.name) {
            text += &format!(
                "primary_conninfo = 'host={} port={PORT} user={USER} application_name={} connect_timeout=2'\n",
                primary.address, node.name
            );
        }
        put(node, &self.node_config(), text).await
    }

    /// Has a running standby follow another primary, or none.
    async fn point(
        &self,
        node: &Node,
        all: &[Node],
        primary: Option<&Node>,
    ) -> Result<(), DbError> {
        self.configure(node, all, primary).await?;
        // Asked again where there is no answer, as a loaded machine takes long to log in.
        let load = || async { self.one(node, "select pg_reload_conf()").await.map(drop) };
        let loaded = until(FOLLOW_LIMIT, load).await;
        loaded.map_err(|why| wrong("follow another primary", &node.name, why))
    }

    /// Has a standby hear no more of the primary, dead or alive: what the host of one that was
    /// killed still sends would otherwise arrive after the standbys were compared.
    async fn part(&self, node: &Node, all: &[Node]) -> Result<(), DbError> {
        self.point(node, all, None).await?;
        let parted = || async {
            match &*self
                .one(node, "select count(*) from pg_stat_wal_receiver")
                .await?
            {
                "0" => Ok(()),
                _ => Err("it still receives".to_owned()),
            }
        };
        let parted = until(FOLLOW_LIMIT, parted).await;
        parted.map_err(|why| wrong("leave the old primary", &node.name, why))
    }

    /// Whether a standby receives from that primary, on the timeline that it is on.
    async fn follows(&self, node: &Node, primary: &Node, timeline: &str) -> Result<(), String> {
        let sql = format!(
            "select count(*) from pg_stat_wal_receiver where status = 'streaming' \
             and sender_host = '{}' and received_tli = {timeline}",
            primary.address
        );
        match &*self.one(node, &sql).await? {
            "1" => Ok(()),
            _ => Err(format!("{} does not follow {}", node.name, primary.name)),
        }
    }

    fn common_config(&self) -> String {
        format!(
            "port = {PORT}\nunix_socket_directories = ''\nshared_buffers = 32MB\nmax_connections = 300\n\
             wal_level = replica\nmax_wal_senders = 20\nwal_keep_size = 256MB\nhot_standby = on\n\
             wal_retrieve_retry_interval = 200ms\nwal_receiver_timeout = 3s\n\
             wal_receiver_status_interval = 1s\nrecovery_target_timeline = latest\njit = off\n\
             synchronous_commit = {}\ndefault_transaction_isolation = '{}'\ninclude = '{}'\n",
            self.options.commit.setting(),
            self.options.isolation.of_statements(),
            self.node_config(),
        )
    }

    /// A new database on the first node.
    async fn create(&self, node: &Node, all: &[Node]) -> Result<(), DbError> {
        let data = self.data();
        let script = format!(
            "cd {home} && {AS_USER}as_user {initdb} -D {data} -A trust -U {USER} --no-sync \
             --locale=C -E UTF8 --no-instructions --wal-segsize=1 >/dev/null",
            home = self.daemon().directory,
            initdb = self.options.program("initdb"),
        );
        shell(node, script).await?;
        // The control host and the nodes; trust, because nothing but this run is in there.
        let mut access =
            "host all all samenet trust\nhost replication all samenet trust\n".to_owned();
        for other in all {
            access += &format!(
                "host all all {0}/32 trust\nhost replication all {0}/32 trust\n",
                other.address
            );
        }
        let script = format!(
            "cat >> {data}/pg_hba.conf; client=${{SSH_CONNECTION%% *}}\n\
             [ -z \"$client\" ] || echo \"host all all $client/32 trust\" >> {data}/pg_hba.conf\n"
        );
        let command = Command::shell(script).stdin(access.into_bytes()).as_root();
        node.remote.run(&command).await?;
        let command = Command::shell(format!("cat >> {data}/postgresql.conf"));
        node.remote
            .run(&command.stdin(self.common_config().into_bytes()).as_root())
            .await?;
        self.start_server(node).await?;
        let made = self.ask(node, SCHEMA).await;
        made.map(drop)
            .map_err(|why| wrong("make the tables", &node.name, why))
    }

    /// A whole copy of a primary, as its standby.
    async fn copy(&self, node: &Node, primary: &Node) -> Result<(), DbError> {
        let script = format!(
            "cd {home} && rm -rf {data} && {AS_USER}as_user {copy} -h {from} -p {PORT} -U {USER} -D {data} \
             -X stream --no-sync -c fast && touch {data}/standby.signal && chown {USER}: {data}/standby.signal",
            home = self.daemon().directory,
            data = self.data(),
            copy = self.options.program("pg_basebackup"),
            from = primary.address,
        );
        let command = Command::shell(script).timeout(COPY_LIMIT).as_root();
        node.remote.run(&command).await?;
        self.start_server(node).await
    }

    async fn start_server(&self, node: &Node) -> Result<(), DbError> {
        let daemon = self.daemon();
        // Left by a server that was killed; that it is gone, the start itself proves.
        shell(node, format!("rm -f {}/postmaster.pid", self.data())).await?;
        daemon.start(node).await?;
        let answers = || async { self.one(node, "select 1").await.map(drop) };
        match until(START_LIMIT, answers).await {
            Ok(()) => Ok(()),
            Err(why) => {
                let cause = format!("{why}; its log ends: {:?}", daemon.last_words(node).await);
                Err(wrong("log in to PostgreSQL", &node.name, cause))
            }
        }
    }

    fn primary<'a>(&self, nodes: &'a [Node]) -> (usize, &'a Node) {
        let position = self.primary.load(Ordering::Relaxed).min(nodes.len() - 1);
        (position, &nodes[position])
    }

    /// What was primary before it was replaced, and a standby that has more than the new primary
    /// began with, can follow no one: they get a copy.
    async fn rejoin(&self, nodes: &[Node]) -> Result<(), DbError> {
        let (position, primary) = self.primary(nodes);
        let others: Vec<&Node> = nodes
            .iter()
            .enumerate()
            .filter(|(at, _)| *at != position)
            .map(|(_, node)| node)
            .collect();
        let sql = "select ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int";
        // Where nobody leads, nobody can be followed: the states tell.
        let Ok(timeline) = self.one(primary, sql).await else {
            return Ok(());
        };
        on_all(&others, async |node| {
            // Of one that does not answer the states tell.
            let Ok(stands_by) = self.is_standby(node).await else {
                return Ok(());
            };
            if stands_by {
                let pointed = self.point(node, nodes, Some(primary)).await;
                let follows = || self.follows(node, primary, &timeline);
                if pointed.is_ok() && until(FOLLOW_LIMIT, follows).await.is_ok() {
                    return Ok(());
                }
            }
            self.daemon().kill(node).await?;
            self.configure(node, nodes, Some(primary)).await?;
            self.copy(node, primary).await
        })
        .await
        .map(drop)
    }

    async fn state(&self, node: &Node, should_stand_by: bool) -> State {
        let stands_by = self.is_standby(node).await?;
        let rows = self.ask(node, CONTENTS).await?;
        let mut digest = digest(format!("{rows:?}").as_bytes());
        let told = Value::map([
            (
                "role",
                Value::str(if stands_by { "standby" } else { "primary" }),
            ),
            ("state", Value::str(&digest)),
        ]);
        if stands_by != should_stand_by {
            // Alike in what it holds, and yet not what it should be.
            digest += &format!(" {}", node.name);
        }
        Ok((told, digest))
    }

    async fn states(&self, nodes: &[Node]) -> Vec<State> {
        let (position, _) = self.primary(nodes);
        let numbers: Vec<usize> = (0..nodes.len()).collect();
        let all = on_all(&numbers, async |at| {
            Ok::<_, String>(self.state(&nodes[*at], *at != position).await)
        });
        all.await.unwrap_or_default()
    }

    async fn is_formed(&self, nodes: &[Node]) -> Result<(), String> {
        let sql = "select count(*) from pg_stat_replication where state = 'streaming'";
        let streaming = self.one(&nodes[0], sql).await?;
        let standbys = (nodes.len() - 1).to_string();
        if streaming == standbys {
            Ok(())
        } else {
            Err(format!(
                "{streaming} of {standbys} standbys stream from {}",
                nodes[0].name
            ))
        }
    }

    /// How many standbys an operator must hear to know all that was acknowledged.
    fn needed(&self, nodes: usize) -> usize {
        self.options
            .synchronous
            .map_or(1, |synchronous| nodes - synchronous.count())
    }

    /// The standbys that answer, and how much each has received.
    async fn heard(&self, nodes: &[Node], of: &[usize]) -> Result<Vec<(u64, usize)>, DbError> {
        let heard = on_all(of, async |at| {
            Ok::<_, DbError>(self.received(&nodes[*at]).await.ok().map(|end| (end, *at)))
        });
        Ok(heard.await?.into_iter().flatten().collect())
    }

    async fn failover(&self, nodes: &[Node], reachable: &[usize]) -> Result<Value, DbError> {
        let refuse = |cause: String| wrong("promote a standby", "the cluster", cause);
        let answering = self.heard(nodes, reachable).await?;
        let answering: Vec<usize> = answering.into_iter().map(|(_, at)| at).collect();
        let needed = self.needed(nodes.len());
        let enough = |count: usize| {
            let few = || refuse(format!("{count} standbys answer, {needed} must"));
            (count >= needed).then_some(()).ok_or_else(few)
        };
        enough(answering.len())?;
        on_all(&answering, async |at| self.part(&nodes[*at], nodes).await).await?;
        let heard = self.heard(nodes, &answering).await?;
        enough(heard.len())?;
        // Of several equal ones the first.
        let chosen = heard.iter().rev().max_by_key(|(end, _)| *end);
        let (_, chosen) = *chosen.ok_or_else(|| refuse("no standby answers".into()))?;
        let promoted = self
            .one(&nodes[chosen], "select pg_promote(true, 10)")
            .await;
        if promoted.as_deref() != Ok("t") {
            return Err(refuse(format!("{} says {promoted:?}", nodes[chosen].name)));
        }
        self.primary.store(chosen, Ordering::Relaxed);
        self.directory.announce(chosen);
        on_all(&heard, async |(_, at)| {
            if *at == chosen {
                return Ok(());
            }
            self.point(&nodes[*at], nodes, Some(&nodes[chosen])).await
        })
        .await?;
        let ends = heard.iter().map(|(end, at)| {
            (
                &*nodes[*at].name,
                Value::Int(i64::try_from(*end).unwrap_or(i64::MAX)),
            )
        });
        Ok(Value::map([
            ("leader", Value::str(&nodes[chosen].name)),
            ("log-ends", Value::map(ends)),
            ("proven", Value::Bool(true)),
        ]))
    }
}

impl Db for Servers {
    fn setup<'a>(&'a self, node: &'a Node, all: &'a [Node]) -> Job<'a, ()> {
        Box::pin(async move {
            let daemon = self.daemon();
            let needed = Needed {
                program: &daemon.program,
                flag: "--version",
                version: Some(&self.options.version),
                package: &format!("postgresql-{}", self.options.version),
            };
            let version = needed.check(node).await?;
            self.version.get_or_init(|| version);
            daemon.wipe(node).await?;
            check_free(node, &[PORT], &daemon.directory).await?;
            self.configure(node, all, Some(&all[0])).await?;
            if node.name == all[0].name {
                return self.create(node, all).await;
            }
            let made = || async {
                self.one(&all[0], "select count(*) from elements")
                    .await
                    .map(drop)
            };
            // It is created meanwhile, which takes a processor that others may want as well.
            match until(COPY_LIMIT, made).await {
                Ok(()) => self.copy(node, &all[0]).await,
                Err(why) => Err(wrong("copy the primary", &node.name, why)),
            }
        })
    }

    fn await_ready<'a>(&'a self, nodes: &'a [Node], limit: Duration) -> Job<'a, ()> {
        Box::pin(async move {
            let formed = until(limit, || self.is_formed(nodes)).await;
            formed.map_err(|why| wrong("form the cluster", "the servers", why))
        })
    }

    fn await_equal<'a>(&'a self, nodes: &'a [Node], limit: Duration) -> Job<'a, Equal> {
        Box::pin(async move {
            self.rejoin(nodes).await?;
            Ok(until_equal(nodes, limit, || self.states(nodes)).await)
        })
    }

    fn teardown<'a>(&'a self, node: &'a Node) -> Job<'a, ()> {
        Box::pin(async move { self.daemon().wipe(node).await })
    }

    fn log_files(&self, _: &Node) -> Vec<String> {
        vec![self.daemon().log(), self.node_config()]
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

impl Processes for Servers {
    fn kill<'a>(&'a self, node: &'a Node) -> Job<'a, String> {
        Box::pin(async move { self.daemon().kill(node).await })
    }

    fn start<'a>(&'a self, node: &'a Node) -> Job<'a, String> {
        Box::pin(async move {
            self.start_server(node).await?;
            Ok(format!("{} answers", node.name))
        })
    }

    fn pause<'a>(&'a self, node: &'a Node) -> Job<'a, String> {
        Box::pin(async move { self.daemon().pause(node).await })
    }

    fn resume<'a>(&'a self, node: &'a Node) -> Job<'a, String> {
        Box::pin(async move { self.daemon().resume(node).await })
    }
}

impl Leaders for Servers {
    fn leader<'a>(&'a self, nodes: &'a [Node]) -> Job<'a, Option<usize>> {
        Box::pin(async move {
            let (position, primary) = self.primary(nodes);
            Ok((self.is_standby(primary).await == Ok(false)).then_some(position))
        })
    }

    fn promote<'a>(&'a self, nodes: &'a [Node], reachable: &'a [usize]) -> Job<'a, Value> {
        Box::pin(self.failover(nodes, reachable))
    }
}
