//! One client process: a connection a node, opened when it is first needed.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use checkers::history::Value;
use tokio_postgres::{AsyncMessage, Config, Error, NoTls, Row, Statement as Prepared};
use workloads::generator::Invocation;

use super::statements::{Answer, Asked, Statement, Tokens, Trouble, ask, conclude};
use super::{Isolation, Options, PORT};
use crate::client::{Client, Clientele, Connect, Reply};
use crate::cluster::Node;
use crate::systems::routing::{Directory, Heard, Router, Routing};
use crate::systems::steps::{Does, Step};

/// A server forks a process for each connection, which takes its time on a loaded machine.
const CONNECT_LIMIT: Duration = Duration::from_secs(1);

/// Opens clients.
pub struct Clients {
    routing: Routing,
    addresses: Arc<[SocketAddr]>,
    options: Options,
}

impl Clients {
    /// All begin by believing that the first node is the primary.
    #[must_use]
    pub fn new(
        nodes: &[Node],
        clientele: Clientele,
        options: &Options,
        directory: Arc<Directory>,
    ) -> Self {
        let names = nodes.iter().map(|node| Arc::clone(&node.name));
        let address = |node: &Node| SocketAddr::new(node.address, PORT);
        Self {
            routing: Routing::new(names, clientele, directory),
            addresses: nodes.iter().map(address).collect(),
            options: options.clone(),
        }
    }
}

impl Connect for Clients {
    type Client = PostgresqlClient;

    fn open(&self, worker: usize, process: u32) -> PostgresqlClient {
        PostgresqlClient {
            connections: self.addresses.iter().map(|_| None).collect(),
            addresses: Arc::clone(&self.addresses),
            router: self.routing.open(worker, process),
            options: self.options.clone(),
            tokens: Tokens::new(),
        }
    }
}

/// A client process.
pub struct PostgresqlClient {
    connections: Vec<Option<Connection>>,
    addresses: Arc<[SocketAddr]>,
    router: Router,
    options: Options,
    tokens: Tokens,
}

/// A connection to a server.
pub(super) struct Connection {
    client: tokio_postgres::Client,
    prepared: [Option<Prepared>; Statement::COUNT],
    /// What the server warned of last.
    warning: Arc<Mutex<Option<String>>>,
    /// Whether the commit of the transaction was sent.
    committing: AtomicBool,
    /// Whether the server said that it is the primary; it stays one until it is started anew.
    leads: bool,
}

impl Connection {
    /// Logs in. Nothing is opened anew when the connection ends.
    pub(super) async fn open(address: SocketAddr, user: &str) -> Result<Self, Error> {
        let mut config = Config::new();
        config.host(address.ip().to_string()).port(address.port());
        config
            .user(user)
            .dbname("postgres")
            .connect_timeout(CONNECT_LIMIT);
        let (client, mut connection) = config.connect(NoTls).await?;
        let warning = Arc::<Mutex<Option<String>>>::default();
        let heard = Arc::clone(&warning);
        // Ends when the client is dropped, or the connection ends.
        tokio::spawn(async move {
            while let Some(message) = poll_fn(|context| connection.poll_message(context)).await {
                match message {
                    Ok(AsyncMessage::Notice(notice)) => {
                        if let Ok(mut warning) = heard.lock() {
                            *warning = Some(notice.message().to_owned());
                        }
                    }
                    Ok(_) => {}
                    Err(_) => return,
                }
            }
        });
        Ok(Self {
            client,
            prepared: Default::default(),
            warning,
            committing: AtomicBool::new(false),
            leads: false,
        })
    }

    /// The first column of all rows, as text.
    pub(super) async fn ask(&self, sql: &str) -> Result<Vec<Vec<String>>, Error> {
        let rows = self.client.simple_query(sql).await?;
        let rows = rows.iter().filter_map(|message| match message {
            tokio_postgres::SimpleQueryMessage::Row(row) => {
                let column = |at| row.get(at).unwrap_or_default().to_owned();
                Some((0..row.len()).map(column).collect())
            }
            _ => None,
        });
        Ok(rows.collect())
    }

    /// Prepares what is not yet; nothing of an operation is sent by that.
    async fn prepare(&mut self, statements: &[Statement]) -> Result<(), Error> {
        for statement in statements {
            let slot = &mut self.prepared[*statement as usize];
            if slot.is_none() {
                *slot = Some(self.client.prepare(statement.text()).await?);
            }
        }
        Ok(())
    }

    fn prepared(&self, statement: Statement) -> &Prepared {
        let prepared = self.prepared[statement as usize].as_ref();
        prepared.expect("it was prepared before anything was asked")
    }

    /// Whether a transaction that was given up ended before its commit was sent: with the
    /// connection it is undone.
    fn is_undone(&self, asked: &Asked) -> bool {
        !matches!(asked, Asked::One { .. }) && !self.committing.load(Ordering::Relaxed)
    }

    /// What was warned of since this was asked last.
    fn warned(&self) -> Option<String> {
        let mut warning = self.warning.lock().ok()?;
        warning.take()
    }

    async fn perform(&self, asked: &Asked, isolation: Isolation) -> Result<Answer, Trouble> {
        match asked {
            Asked::One {
                statement,
                key,
                numbers,
            } => {
                let done = self.single(*statement, key, numbers).await;
                done.map_err(|error| trouble(&error))
            }
            Asked::Steps(_) | Asked::Insert { .. } => self.transaction(asked, isolation).await,
        }
    }

    async fn single(
        &self,
        statement: Statement,
        key: &str,
        numbers: &[i64],
    ) -> Result<Answer, Error> {
        self.warned();
        let mut parameters: Vec<&(dyn tokio_postgres::types::ToSql + Sync)> = vec![&key];
        for number in numbers {
            parameters.push(number);
        }
        let prepared = self.prepared(statement);
        if statement.returns_rows() {
            let rows = self.client.query(prepared, &parameters).await?;
            let numbers = |row: &Row| (0..row.len()).map(|at| row.try_get(at)).collect();
            let rows = rows.iter().map(numbers);
            let rows = rows.collect::<Result<Vec<Vec<i64>>, Error>>()?;
            return Ok(Answer::Rows(rows, self.warned()));
        }
        let changed = self.client.execute(prepared, &parameters).await?;
        Ok(Answer::Changed(changed, self.warned()))
    }

    /// Several statements between a begin and a commit. Until that is sent nothing can have
    /// happened, whatever goes wrong.
    async fn transaction(&self, asked: &Asked, isolation: Isolation) -> Result<Answer, Trouble> {
        self.committing.store(false, Ordering::Relaxed);
        let answer = match self.before_commit(asked, isolation).await {
            Ok(Answer::Changed(0, _)) => Ok(Answer::Changed(0, None)),
            Ok(answer) => {
                self.warned();
                self.committing.store(true, Ordering::Relaxed);
                let committed = self.client.batch_execute("commit").await;
                committed.map_err(|error| trouble(&error))?;
                return Ok(match answer {
                    Answer::Steps(read, _) => Answer::Steps(read, self.warned()),
                    Answer::Changed(rows, _) => Answer::Changed(rows, self.warned()),
                    Answer::Rows(rows, _) => Answer::Rows(rows, self.warned()),
                });
            }
            Err(error) => Err(Trouble::Undone(in_words(&error))),
        };
        if let Err(error) = self.client.batch_execute("rollback").await {
            tracing::debug!("a rollback did not arrive: {error}");
        }
        answer
    }

    async fn before_commit(&self, asked: &Asked, isolation: Isolation) -> Result<Answer, Error> {
        let begin = format!("begin isolation level {}", isolation.setting());
        self.client.batch_execute(&begin).await?;
        let mut read = Vec::new();
        match asked {
            Asked::Steps(steps) => {
                for step in steps {
                    if let Some(value) = self.step(step).await? {
                        read.push(value);
                    }
                }
                Ok(Answer::Steps(read, None))
            }
            Asked::Insert { key, row } => {
                let counted = self.single(Statement::CountPairs, key, &[]).await?;
                if counted != Answer::Rows(vec![vec![0]], None) {
                    return Ok(Answer::Changed(0, None));
                }
                self.single(Statement::InsertPair, key, row).await
            }
            Asked::One {
                statement,
                key,
                numbers,
            } => self.single(*statement, key, numbers).await,
        }
    }

    /// Carries out a step; what it read, if it reads.
    async fn step(&self, step: &Step) -> Result<Option<Value>, Error> {
        let statement = Statement::of(step);
        match step.does {
            Does::Write(value) | Does::Append(value) => {
                self.single(statement, &step.key, &[value]).await?;
                Ok(None)
            }
            Does::Read => {
                let row = self
                    .client
                    .query_opt(self.prepared(statement), &[&step.key])
                    .await?;
                let Some(row) = row else {
                    return Ok(Some(Value::Nil));
                };
                let (is_list, items): (bool, Vec<i64>) = (row.try_get(0)?, row.try_get(1)?);
                let mut items = items.into_iter().map(Value::Int);
                Ok(Some(if is_list {
                    Value::List(items.collect())
                } else {
                    items.next().unwrap_or_default()
                }))
            }
        }
    }
}

impl Client for PostgresqlClient {
    async fn invoke(&mut self, op: &Invocation, timeout: Duration) -> Reply {
        let asked = match ask(op, &mut self.tokens) {
            Ok(asked) => asked,
            Err(reason) => return Reply::not_sent(op, reason),
        };
        let must_lead = self.router.must_lead(op.node.as_ref());
        let position = self.router.choose(op.node.as_ref(), asked.reads());
        let answer = self.send(position, &asked, must_lead, timeout).await;
        // A refused compare-and-set, or one that lost to another, was met by a primary.
        let heard = match &answer {
            Ok(_) => Heard::Served,
            Err(Trouble::Said(code, _)) if code.starts_with("40") || code == "57014" => {
                Heard::Served
            }
            Err(Trouble::Undone(why)) if !why.contains("read-only") => Heard::Served,
            Err(_) => Heard::NotLeader(None),
        };
        self.router.learn(position, heard);
        Reply {
            outcome: conclude(&asked, &op.value, answer, &mut self.tokens),
            node: Some(self.router.name(position)),
        }
    }
}

impl PostgresqlClient {
    async fn send(
        &mut self,
        position: usize,
        asked: &Asked,
        must_lead: bool,
        timeout: Duration,
    ) -> Result<Answer, Trouble> {
        let deadline = tokio::time::Instant::now() + timeout;
        let statements = asked.statements();
        let opening = self.ready(position, &statements, must_lead);
        let connection = match tokio::time::timeout_at(deadline, opening).await {
            Ok(Ok(ready)) if must_lead && !ready.leads => return Err(Trouble::NotPrimary),
            Ok(Ok(ready)) => ready,
            Ok(Err(error)) => return Err(Trouble::Refused(in_words(&error))),
            Err(_) => return Err(Trouble::Refused("no answer in time".into())),
        };
        let answer = {
            let performing = connection.perform(asked, self.options.isolation);
            let mut performing = std::pin::pin!(performing);
            let patience = self
                .options
                .cancel_after_ms
                .map(|ms| Duration::from_millis(ms.into()));
            let early = match patience {
                Some(patience) => tokio::time::timeout(patience, &mut performing).await.ok(),
                None => None,
            };
            match early {
                Some(answer) => answer,
                None => {
                    if patience.is_some() {
                        // Whether it arrives or not, the answer tells what came of it.
                        if let Err(error) =
                            connection.client.cancel_token().cancel_query(NoTls).await
                        {
                            tracing::debug!("a cancel did not arrive: {error}");
                        }
                    }
                    match tokio::time::timeout_at(deadline, performing).await {
                        Ok(answer) => answer,
                        Err(_) if connection.is_undone(asked) => {
                            return Err(Trouble::Undone("timed out".into()));
                        }
                        Err(_) => return Err(Trouble::TimedOut),
                    }
                }
            }
        };
        if answer.is_ok() || !connection.client.is_closed() {
            // Only a connection with nothing open on it is used again.
            self.connections[position] = Some(connection);
        }
        answer
    }

    /// A connection on which these are prepared, and that knows, if it must, whether the server is
    /// the primary; it is taken out until it is free again.
    async fn ready(
        &mut self,
        position: usize,
        statements: &[Statement],
        must_lead: bool,
    ) -> Result<Connection, Error> {
        let held = self.connections[position].take();
        let mut connection = match held.filter(|held| !held.client.is_closed()) {
            Some(connection) => connection,
            None => Connection::open(self.addresses[position], &self.options.user).await?,
        };
        if must_lead && !connection.leads {
            let replays = connection.ask("select pg_is_in_recovery()").await?;
            connection.leads = replays == [["f"]];
        }
        connection.prepare(statements).await?;
        Ok(connection)
    }
}

/// An error of the library hides the server's words behind its own.
pub(super) fn in_words(error: &Error) -> String {
    match error.as_db_error() {
        Some(said) => said.message().to_owned(),
        None => {
            let mut cause: &dyn std::error::Error = error;
            while let Some(deeper) = cause.source() {
                cause = deeper;
            }
            cause.to_string()
        }
    }
}

fn trouble(error: &Error) -> Trouble {
    match error.as_db_error() {
        Some(said) => Trouble::Said(said.code().code().to_owned(), said.message().to_owned()),
        None => Trouble::Lost(in_words(error)),
    }
}
