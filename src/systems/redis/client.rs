//! One client process: a connection a node, opened when it is first needed.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use checkers::history::Value;
use workloads::generator::Invocation;

use super::resp::{Connection, Said};
use super::{ERRORS, Options, PORT, address};
use crate::client::{Client, Clientele, Connect, Outcome, Reply};
use crate::cluster::Node;
use crate::systems::routing::{Directory, Heard, Router, Routing};

const CONNECT_LIMIT: Duration = Duration::from_millis(300);

/// Sets a key if it holds what is expected; nothing is expected of a key that is not there.
const COMPARE_AND_SET: &str = "local held = redis.call('GET', KEYS[1])\n\
     if (held or '') == ARGV[1] then redis.call('SET', KEYS[1], ARGV[2]) return 1 end\n\
     return 0";

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
        Self {
            routing: Routing::new(names, clientele, directory),
            addresses: nodes.iter().map(|node| address(node, PORT)).collect(),
            options: options.clone(),
        }
    }
}

impl Connect for Clients {
    type Client = RedisClient;

    fn open(&self, worker: usize, process: u32) -> RedisClient {
        RedisClient {
            connections: self.addresses.iter().map(|_| None).collect(),
            addresses: Arc::clone(&self.addresses),
            router: self.routing.open(worker, process),
            options: self.options.clone(),
        }
    }
}

/// A client process.
pub struct RedisClient {
    connections: Vec<Option<Connection>>,
    addresses: Arc<[SocketAddr]>,
    router: Router,
    options: Options,
}

/// A command, and what its answer means.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Asked {
    words: Vec<String>,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Write,
    Compared,
    Register,
    Set,
}

impl Kind {
    fn reads(self) -> bool {
        matches!(self, Self::Register | Self::Set)
    }
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Trouble {
    Refused,
    TimedOut,
    Lost(String),
}

impl Client for RedisClient {
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
        let position = self.router.choose(op.node.as_ref(), asked.kind.reads());
        let answer = self.send(position, &asked, timeout).await;
        let outcome = conclude(&asked, &op.value, answer);
        self.router.learn(position, heard(&outcome));
        Reply {
            outcome,
            node: Some(self.router.name(position)),
        }
    }
}

/// A primary serves, and compares; anything else sends clients on.
fn heard(outcome: &Outcome) -> Heard<'static> {
    match outcome {
        Outcome::Ok(_) => Heard::Served,
        Outcome::Fail(why) | Outcome::Info(why)
            if why.starts_with("mismatch") || why.starts_with("too few replicas") =>
        {
            Heard::Served
        }
        Outcome::Fail(_) | Outcome::Info(_) => Heard::NotLeader(None),
    }
}

/// What a server said, and of a write that waits how many replicas have it.
type Answer = (Said, Option<Said>);

impl RedisClient {
    async fn send(
        &mut self,
        position: usize,
        asked: &Asked,
        timeout: Duration,
    ) -> Result<Answer, Trouble> {
        let deadline = tokio::time::Instant::now() + timeout;
        let mut connection = match self.connections[position].take() {
            Some(connection) => connection,
            None => self.connect(position).await?,
        };
        let words: Vec<&str> = asked.words.iter().map(String::as_str).collect();
        let talk = async {
            let said = connection.ask(&words).await?;
            let waits = self.options.wait > 0 && !asked.kind.reads();
            if !waits || matches!(said, Said::Error(_)) {
                return Ok((said, None));
            }
            let (replicas, limit) = (
                self.options.wait.to_string(),
                self.options.wait_ms.to_string(),
            );
            let have = connection.ask(&["WAIT", &replicas, &limit]).await?;
            Ok::<Answer, std::io::Error>((said, Some(have)))
        };
        let answer = match tokio::time::timeout_at(deadline, talk).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => return Err(Trouble::Lost(error.to_string())),
            Err(_) => return Err(Trouble::TimedOut),
        };
        // Only a connection with nothing open on it is used again.
        self.connections[position] = Some(connection);
        match self.options.wait {
            0 => Ok(answer),
            wait => Ok(judge_wait(answer, wait)),
        }
    }

    /// Whatever fails here fails before the operation is sent.
    async fn connect(&self, position: usize) -> Result<Connection, Trouble> {
        let opening = Connection::open(self.addresses[position]);
        match tokio::time::timeout(CONNECT_LIMIT, opening).await {
            Ok(Ok(connection)) => Ok(connection),
            Ok(Err(_)) | Err(_) => Err(Trouble::Refused),
        }
    }
}

/// A write that too few replicas have is as if it had not been answered.
fn judge_wait((said, have): Answer, wait: u8) -> Answer {
    match have {
        Some(Said::Number(number)) if number >= i64::from(wait) => (said, None),
        // A script that compared and found something else has written nothing to wait for.
        _ if said == Said::Number(0) => (said, None),
        Some(Said::Number(number)) => (
            Said::Error(format!("too few replicas: {number} of {wait} have it")),
            None,
        ),
        Some(other) => (Said::Error(format!("UNBLOCKED: {other:?}")), None),
        None => (said, None),
    }
}

/// The command for an operation of a workload.
fn ask(op: &Invocation) -> Result<Asked, String> {
    let key = match &op.key {
        Some(Value::Str(text)) => text.to_string(),
        Some(Value::Int(number)) => number.to_string(),
        other => return Err(format!("{} needs a key, not {other:?}", op.f)),
    };
    let number = |value: &Value| {
        let number = value.as_int();
        let number = number.ok_or_else(|| format!("{} needs a whole number, not {value}", op.f))?;
        Ok::<String, String>(number.to_string())
    };
    let words = |words: &[&str], kind| {
        Ok(Asked {
            words: words.iter().map(|word| (*word).to_owned()).collect(),
            kind,
        })
    };
    match op.f.as_str() {
        "write" => words(&["SET", &key, &number(&op.value)?], Kind::Write),
        "add" => words(&["SADD", &key, &number(&op.value)?], Kind::Write),
        "cas" => {
            let Some([old, new]) = op.value.as_list() else {
                return Err(format!("cas needs two values, not {}", op.value));
            };
            let old = if *old == Value::Nil {
                String::new()
            } else {
                number(old)?
            };
            let new = number(new)?;
            words(
                &["EVAL", COMPARE_AND_SET, "1", &key, &old, &new],
                Kind::Compared,
            )
        }
        "read" | "final-read" => words(&["GET", &key], Kind::Register),
        "read-set" | "final-read-set" => words(&["SMEMBERS", &key], Kind::Set),
        other => Err(format!("this system has no operation {other:?}")),
    }
}

/// What became of an operation.
fn conclude(asked: &Asked, argument: &Value, answer: Result<Answer, Trouble>) -> Outcome {
    let unknown = |reason: String| {
        if asked.kind.reads() {
            Outcome::Fail(reason)
        } else {
            Outcome::Info(reason)
        }
    };
    let said = match answer {
        Ok((said, _)) => said,
        Err(Trouble::Refused) => return Outcome::Fail("could not connect".into()),
        Err(Trouble::TimedOut) => return unknown("timed out".into()),
        Err(Trouble::Lost(why)) => return unknown(format!("connection lost: {why}")),
    };
    let number = |text: &str| text.parse().ok().map(Value::Int);
    match (asked.kind, &said) {
        (_, Said::Error(error)) => {
            let definite = ERRORS
                .iter()
                .any(|(known, definite)| *definite && error.starts_with(known));
            // What stands before the first blank tells errors apart.
            let told = match error.split_once(' ') {
                Some((kind, rest)) if definite => format!("{kind}: {rest}"),
                _ => error.clone(),
            };
            if definite {
                Outcome::Fail(told)
            } else {
                unknown(told)
            }
        }
        (Kind::Write, Said::Text(_) | Said::Number(_)) | (Kind::Compared, Said::Number(1)) => {
            Outcome::Ok(argument.clone())
        }
        (Kind::Compared, Said::Number(0)) => {
            Outcome::Fail("mismatch: it held another value".into())
        }
        (Kind::Register, Said::Nil) => Outcome::Ok(Value::Nil),
        (Kind::Register, Said::Text(text)) => match number(text) {
            Some(value) => Outcome::Ok(value),
            None => Outcome::Fail(format!("not understood: {text:?}")),
        },
        (Kind::Set, Said::List(items)) => {
            let items = items.iter().map(|item| number(&item.text()?));
            match items.collect::<Option<Vec<Value>>>() {
                Some(elements) => Outcome::Ok(Value::List(elements)),
                None => Outcome::Fail(format!("not understood: {said:?}")),
            }
        }
        _ => unknown(format!("not understood: {said:?}")),
    }
}

#[cfg(test)]
mod tests {
    use checkers::history::F;

    use super::*;

    fn asked(f: &'static str, value: Value) -> Asked {
        ask(&Invocation::new(F::new(f), Some(Value::str("k")), value)).unwrap()
    }

    fn says(said: Said) -> Result<Answer, Trouble> {
        Ok((said, None))
    }

    #[test]
    fn answers_become_results() {
        let one = Value::Int(1);
        let write = asked("write", one.clone());
        assert_eq!(write.words, ["SET", "k", "1"]);
        assert_eq!(
            conclude(&write, &one, says(Said::Text("OK".into()))),
            Outcome::Ok(one.clone())
        );
        let read = asked("read", Value::Nil);
        assert_eq!(
            conclude(&read, &Value::Nil, says(Said::Nil)),
            Outcome::Ok(Value::Nil)
        );
        assert_eq!(
            conclude(&read, &Value::Nil, says(Said::Text("1".into()))),
            Outcome::Ok(one.clone())
        );
        let pair = Value::List(vec![Value::Nil, one]);
        let cas = asked("cas", pair.clone());
        assert_eq!(cas.words[3..], ["k", "", "1"]);
        assert_eq!(
            conclude(&cas, &pair, says(Said::Number(1))),
            Outcome::Ok(pair.clone())
        );
        assert!(matches!(
            conclude(&cas, &pair, says(Said::Number(0))),
            Outcome::Fail(_)
        ));
    }

    #[test]
    fn only_the_table_makes_a_write_fail() {
        let (write, read) = (asked("write", Value::Int(1)), asked("read", Value::Nil));
        for (error, definite) in ERRORS
            .iter()
            .filter(|(error, _)| error.starts_with(char::is_uppercase))
        {
            let said = || says(Said::Error(format!("{error} because")));
            let failed = matches!(conclude(&write, &Value::Int(1), said()), Outcome::Fail(_));
            assert_eq!(failed, *definite, "{error}");
            assert!(matches!(
                conclude(&read, &Value::Nil, said()),
                Outcome::Fail(_)
            ));
        }
        let unknown = |answer| matches!(conclude(&write, &Value::Int(1), answer), Outcome::Info(_));
        assert!(unknown(says(Said::Error("ERR something new".into()))));
        assert!(unknown(Err(Trouble::TimedOut)) && unknown(Err(Trouble::Lost("reset".into()))));
        assert!(!unknown(Err(Trouble::Refused)));
    }

    #[test]
    fn a_write_that_too_few_replicas_have_is_unknown() {
        let write = asked("write", Value::Int(1));
        let ok = Said::Text("OK".into());
        let after = |have| {
            conclude(
                &write,
                &Value::Int(1),
                Ok(judge_wait((ok.clone(), Some(Said::Number(have))), 2)),
            )
        };
        assert_eq!(after(2), Outcome::Ok(Value::Int(1)));
        assert!(matches!(after(1), Outcome::Info(_)));
    }
}
