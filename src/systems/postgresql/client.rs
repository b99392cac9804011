//! One client process: a connection a node, opened when it is first needed.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio_postgres::{AsyncMessage, Config, Error, NoTls, Statement as Prepared};
use workloads::generator::Invocation;

use super::statements::{Answer, Asked, Statement, Trouble, ask, conclude};
use super::{Options, PORT};
use crate::client::{Client, Clientele, Connect, Outcome, Reply};
use crate::cluster::Node;
use crate::systems::routing::{Directory, Heard, Router, Routing};

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
        }
    }
}

/// A client process.
pub struct PostgresqlClient {
    connections: Vec<Option<Connection>>,
    addresses: Arc<[SocketAddr]>,
    router: Router,
    options: Options,
}

/// A connection to a server.
pub(super) struct Connection {
    client: tokio_postgres::Client,
    prepared: [Option<Prepared>; Statement::COUNT],
    /// What the server warned of last.
    warning: Arc<Mutex<Option<String>>>,
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

    /// The statement, prepared; nothing of an operation is sent by that.
    async fn prepare(&mut self, statement: Statement) -> Result<Prepared, Error> {
        let slot = &mut self.prepared[statement as usize];
        if let Some(prepared) = slot {
            return Ok(prepared.clone());
        }
        let prepared = self.client.prepare(statement.text()).await?;
        *slot = Some(prepared.clone());
        Ok(prepared)
    }

    async fn perform(&self, prepared: &Prepared, asked: &Asked) -> Result<Answer, Error> {
        if let Ok(mut warning) = self.warning.lock() {
            warning.take();
        }
        let mut parameters: Vec<&(dyn tokio_postgres::types::ToSql + Sync)> = vec![&asked.key];
        for number in &asked.numbers {
            parameters.push(number);
        }
        if asked.statement.reads() {
            let rows = self.client.query(prepared, &parameters).await?;
            let rows = rows.iter().map(|row| row.try_get(0));
            return Ok(Answer::Rows(rows.collect::<Result<Vec<i64>, Error>>()?));
        }
        let changed = self.client.execute(prepared, &parameters).await?;
        let warning = self
            .warning
            .lock()
            .ok()
            .and_then(|mut warning| warning.take());
        Ok(Answer::Changed(changed, warning))
    }
}

impl Client for PostgresqlClient {
    async fn invoke(&mut self, op: &Invocation, timeout: Duration) -> Reply {
        let asked = match ask(op) {
            Ok(asked) => asked,
            Err(reason) => {
                return Reply {
                    outcome: Outcome::Fail(reason),
                    node: op.node.clone(),
                };
            }
        };
        let position = self
            .router
            .choose(op.node.as_ref(), asked.statement.reads());
        let answer = self.send(position, &asked, timeout).await;
        // A refused compare-and-set, or one that lost to another, was met by a primary.
        let heard = match &answer {
            Ok(_) => Heard::Served,
            Err(Trouble::Said(code, _)) if code.starts_with("40") || code == "57014" => {
                Heard::Served
            }
            Err(_) => Heard::NotLeader(None),
        };
        self.router.learn(position, heard);
        Reply {
            outcome: conclude(&asked, &op.value, answer),
            node: Some(self.router.name(position)),
        }
    }
}

impl PostgresqlClient {
    async fn send(
        &mut self,
        position: usize,
        asked: &Asked,
        timeout: Duration,
    ) -> Result<Answer, Trouble> {
        let deadline = tokio::time::Instant::now() + timeout;
        let opening = self.ready(position, asked.statement);
        let (connection, prepared) = match tokio::time::timeout_at(deadline, opening).await {
            Ok(Ok(ready)) => ready,
            Ok(Err(error)) => return Err(Trouble::Refused(in_words(&error))),
            Err(_) => return Err(Trouble::Refused("no answer in time".into())),
        };
        let answer = {
            let mut performing = std::pin::pin!(connection.perform(&prepared, asked));
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
                        Err(_) => return Err(Trouble::TimedOut),
                    }
                }
            }
        };
        if answer.is_ok() || !connection.client.is_closed() {
            // Only a connection with nothing open on it is used again.
            self.connections[position] = Some(connection);
        }
        answer.map_err(|error| trouble(&error))
    }

    /// A connection on which the statement is prepared; it is taken out until it is free again.
    async fn ready(
        &mut self,
        position: usize,
        statement: Statement,
    ) -> Result<(Connection, Prepared), Error> {
        let held = self.connections[position].take();
        let mut connection = match held.filter(|held| !held.client.is_closed()) {
            Some(connection) => connection,
            None => Connection::open(self.addresses[position], &self.options.user).await?,
        };
        let prepared = connection.prepare(statement).await?;
        Ok((connection, prepared))
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
