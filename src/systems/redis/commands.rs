//! What is said to a server for each operation, and what is made of its answer. No socket here.

use std::collections::BTreeMap;

use checkers::history::Value;
use workloads::generator::Invocation;

use super::resp::Said;
use super::{ERRORS, Options};
use crate::client::Outcome;
use crate::systems::steps::{Does, Step, steps, told};
use crate::systems::{arguments, guarded};

/// Sets a key if it holds what is expected; nothing is expected of a key that is not there.
const COMPARE_AND_SET: &str = "local held = redis.call('GET', KEYS[1])\n\
     if (held or '') == ARGV[1] then redis.call('SET', KEYS[1], ARGV[2]) return 1 end\n\
     return 0";

/// Makes the key of a lock, with a lifetime and a token that was never given, if it is not there.
const ACQUIRE: &str = "if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end\n\
     local token = redis.call('INCR', KEYS[2])\n\
     redis.call('SET', KEYS[1], token, 'PX', ARGV[1])\n\
     return token";

/// Removes the key of a lock if it still has the token.
const RELEASE: &str = "if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end\n\
     redis.call('DEL', KEYS[1])\n\
     return 1";

/// Writes to a resource unless it has heard of a higher token.
const GUARDED_WRITE: &str = "local held = redis.call('GET', KEYS[1])\n\
     if held and tonumber(string.match(held, '%d+')) > tonumber(ARGV[1]) then return 0 end\n\
     redis.call('SET', KEYS[1], ARGV[1] .. ' ' .. ARGV[2])\n\
     return 1";

/// The tokens of the locks that a client holds, by lock.
pub(super) type Tokens = BTreeMap<String, i64>;

/// Commands that are sent together, and what the answer to the last of them means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) commands: Vec<Vec<String>>,
    pub(super) kind: Kind,
}

/// What an answer means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Write,
    Compared,
    Register,
    Set,
    /// The token of a lock with this key, and how long it lasts.
    Granted(String, u32),
    Released,
    Fenced,
    Guarded,
    /// The answers to steps.
    Steps(Vec<Step>),
}

impl Asked {
    pub(super) fn reads(&self) -> bool {
        match &self.kind {
            Kind::Register | Kind::Set | Kind::Guarded => true,
            Kind::Steps(steps) => steps.iter().all(Step::reads),
            Kind::Write | Kind::Compared | Kind::Granted(..) | Kind::Released | Kind::Fenced => {
                false
            }
        }
    }
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    Refused,
    /// The server said so before anything was sent.
    NotPrimary,
    TimedOut,
    Lost(String),
}

/// A write that too few replicas have is as if it had not been answered; `have` is what `WAIT`
/// said, where it was asked.
pub(super) fn judge_wait(said: Said, have: Option<Said>, wait: u8) -> Said {
    match have {
        Some(Said::Number(number)) if number >= i64::from(wait) => said,
        // A script that compared and found something else has written nothing to wait for.
        _ if said == Said::Number(0) => said,
        Some(Said::Number(number)) => {
            Said::Error(format!("too few replicas: {number} of {wait} have it"))
        }
        Some(other) => Said::Error(format!("UNBLOCKED: {other:?}")),
        None => said,
    }
}

/// The commands for an operation of a workload, by a client that holds such locks.
pub(super) fn ask(
    op: &Invocation,
    options: &Options,
    tokens: &mut Tokens,
) -> Result<Asked, String> {
    let f = op.f.as_str();
    if f == "txn" {
        return Ok(transaction(steps(&op.value)?));
    }
    let key = arguments::key(op)?;
    let number = || Ok::<String, String>(arguments::number(op, &op.value)?.to_string());
    let one = |words: &[&str], kind| Asked {
        commands: vec![words.iter().map(|word| (*word).to_owned()).collect()],
        kind,
    };
    let (lock, resource) = (format!("{key}/lock"), format!("{key}/resource"));
    Ok(match f {
        "write" => one(&["SET", &key, &number()?], Kind::Write),
        "add" => one(&["SADD", &key, &number()?], Kind::Write),
        "remove" => one(&["SREM", &key, &number()?], Kind::Write),
        "cas" => {
            let (old, new) = arguments::old_and_new(op)?;
            let old = old.map_or(String::new(), |old| old.to_string());
            let words = ["EVAL", COMPARE_AND_SET, "1", &key, &old, &new.to_string()];
            one(&words, Kind::Compared)
        }
        "acquire" => {
            let last = format!("{key}/token");
            let lasts = options.lease_ms.to_string();
            let words = ["EVAL", ACQUIRE, "2", &lock, &last, &lasts];
            one(&words, Kind::Granted(key, options.lease_ms))
        }
        "release" => {
            let token = tokens
                .remove(&key)
                .ok_or("not held: this client has no token of it")?;
            let words = ["EVAL", RELEASE, "1", &lock, &token.to_string()];
            one(&words, Kind::Released)
        }
        "guarded-write" => {
            let [token, value] = guarded::written(op)?.map(|number| number.to_string());
            let words = ["EVAL", GUARDED_WRITE, "1", &resource, &token, &value];
            one(&words, Kind::Fenced)
        }
        "guarded-read" => one(&["GET", &resource], Kind::Guarded),
        "read" | "final-read" => one(&["GET", &key], Kind::Register),
        "read-set" | "final-read-set" => one(&["SMEMBERS", &key], Kind::Set),
        _ => return Err(arguments::unknown(op)),
    })
}

/// All steps between `MULTI` and `EXEC`: a list is text with a comma after each element.
fn transaction(steps: Vec<Step>) -> Asked {
    let command = |step: &Step| match step.does {
        Does::Read => vec!["GET".to_owned(), step.key.clone()],
        Does::Write(value) => vec!["SET".to_owned(), step.key.clone(), value.to_string()],
        Does::Append(element) => vec!["APPEND".to_owned(), step.key.clone(), format!("{element},")],
    };
    let word = |word: &str| std::iter::once(vec![word.to_owned()]);
    let commands = word("MULTI")
        .chain(steps.iter().map(command))
        .chain(word("EXEC"));
    Asked {
        commands: commands.collect(),
        kind: Kind::Steps(steps),
    }
}

/// What a key of transactions holds.
fn step_value(said: &Said) -> Option<Value> {
    let number = |text: &str| text.parse().ok().map(Value::Int);
    match said {
        Said::Nil => Some(Value::Nil),
        Said::Text(text) => match text.strip_suffix(',') {
            Some(elements) => elements
                .split(',')
                .map(number)
                .collect::<Option<_>>()
                .map(Value::List),
            None => number(text),
        },
        Said::Error(_) | Said::Number(_) | Said::List(_) => None,
    }
}

/// What became of an operation; a lock that was granted is kept in mind.
pub(super) fn conclude(
    asked: &Asked,
    argument: &Value,
    answer: Result<Said, Trouble>,
    tokens: &mut Tokens,
) -> Outcome {
    let unknown = |reason| Outcome::unknown(reason, asked.reads());
    let said = match answer {
        Ok(said) => said,
        Err(Trouble::Refused) => return Outcome::Fail("could not connect".into()),
        Err(Trouble::NotPrimary) => return Outcome::Fail("not the primary".into()),
        Err(Trouble::TimedOut) => return unknown("timed out".into()),
        Err(Trouble::Lost(why)) => return unknown(format!("connection lost: {why}")),
    };
    let number = |text: &str| text.parse().ok().map(Value::Int);
    let told = match (&asked.kind, &said) {
        (_, Said::Error(error)) => return refusal(error, unknown),
        (Kind::Write, Said::Text(_) | Said::Number(_))
        | (Kind::Compared | Kind::Fenced, Said::Number(1)) => Some(argument.clone()),
        (Kind::Compared, Said::Number(0)) => {
            return Outcome::Fail("mismatch: it held another value".into());
        }
        (Kind::Granted(..), Said::Number(0)) => return Outcome::Fail("held by another".into()),
        (Kind::Granted(key, lasts), Said::Number(token)) => {
            tokens.insert(key.clone(), *token);
            let grant = [("token", *token), ("ttl-ms", i64::from(*lasts))];
            Some(Value::map(
                grant.map(|(name, value)| (name, Value::Int(value))),
            ))
        }
        (Kind::Released, Said::Number(1)) => Some(Value::Nil),
        (Kind::Released, Said::Number(0)) => {
            return Outcome::Fail("not held: the lock has another token, or none".into());
        }
        (Kind::Fenced, Said::Number(0)) => {
            return Outcome::Fail("refused: a higher token was here".into());
        }
        (Kind::Register | Kind::Guarded, Said::Nil) => Some(Value::Nil),
        (Kind::Register, Said::Text(text)) => number(text),
        (Kind::Guarded, Said::Text(text)) => guarded::told(text),
        (Kind::Set, Said::List(items)) => {
            let items = items.iter().map(|item| number(&item.text()?));
            items.collect::<Option<Vec<Value>>>().map(Value::List)
        }
        (Kind::Steps(steps), Said::List(items)) => read_by(steps, items, argument),
        _ => None,
    };
    told.map_or_else(|| unknown(format!("not understood: {said:?}")), Outcome::Ok)
}

/// The steps with what was read.
fn read_by(steps: &[Step], items: &[Said], argument: &Value) -> Option<Value> {
    if steps.len() != items.len() || items.iter().any(|item| matches!(item, Said::Error(_))) {
        return None;
    }
    let read = steps.iter().zip(items).filter(|(step, _)| step.reads());
    let read = read.map(|(_, item)| step_value(item));
    told(argument, read.collect::<Option<_>>()?)
}

fn refusal(error: &str, unknown: impl Fn(String) -> Outcome) -> Outcome {
    let definite = ERRORS
        .iter()
        .any(|(known, definite)| *definite && error.starts_with(known));
    // What stands before the first blank tells errors apart.
    match error.split_once(' ') {
        Some((kind, rest)) if definite => Outcome::Fail(format!("{kind}: {rest}")),
        _ if definite => Outcome::Fail(error.to_owned()),
        _ => unknown(error.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use checkers::history::F;

    use super::*;

    fn of(f: &'static str, value: Value, tokens: &mut Tokens) -> Result<Asked, String> {
        let op = Invocation::new(F::new(f), Some(Value::str("k")), value);
        ask(&op, &Options::default(), tokens)
    }

    fn asked(f: &'static str, value: Value) -> Asked {
        of(f, value, &mut Tokens::new()).unwrap()
    }

    fn told(asked: &Asked, argument: &Value, said: Said) -> Outcome {
        conclude(asked, argument, Ok(said), &mut Tokens::new())
    }

    #[test]
    fn answers_become_results() {
        let one = Value::Int(1);
        let write = asked("write", one.clone());
        assert_eq!(write.commands, [["SET", "k", "1"]]);
        let ok = Said::Text("OK".into());
        assert_eq!(told(&write, &one, ok), Outcome::Ok(one.clone()));
        let read = asked("read", Value::Nil);
        assert_eq!(told(&read, &Value::Nil, Said::Nil), Outcome::Ok(Value::Nil));
        let text = Said::Text("1".into());
        assert_eq!(told(&read, &Value::Nil, text), Outcome::Ok(one.clone()));
        let pair = Value::List(vec![Value::Nil, one]);
        let cas = asked("cas", pair.clone());
        assert_eq!(cas.commands[0][3..], ["k", "", "1"]);
        let done = told(&cas, &pair, Said::Number(1));
        assert_eq!(done, Outcome::Ok(pair.clone()));
        assert!(matches!(
            told(&cas, &pair, Said::Number(0)),
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
            let said = || Said::Error(format!("{error} because"));
            let failed = matches!(told(&write, &Value::Int(1), said()), Outcome::Fail(_));
            assert_eq!(failed, *definite, "{error}");
            assert!(matches!(told(&read, &Value::Nil, said()), Outcome::Fail(_)));
        }
        let unknown = |answer| {
            let outcome = conclude(&write, &Value::Int(1), answer, &mut Tokens::new());
            matches!(outcome, Outcome::Info(_))
        };
        assert!(unknown(Ok(Said::Error("ERR something new".into()))));
        assert!(unknown(Err(Trouble::TimedOut)) && unknown(Err(Trouble::Lost("reset".into()))));
        assert!(!unknown(Err(Trouble::Refused)) && !unknown(Err(Trouble::NotPrimary)));
    }

    #[test]
    fn a_write_that_too_few_replicas_have_is_unknown() {
        let write = asked("write", Value::Int(1));
        let after = |have| {
            let said = judge_wait(Said::Text("OK".into()), Some(Said::Number(have)), 2);
            told(&write, &Value::Int(1), said)
        };
        assert_eq!(after(2), Outcome::Ok(Value::Int(1)));
        assert!(matches!(after(1), Outcome::Info(_)));
    }

    #[test]
    fn a_lock_is_given_back_with_the_token_that_it_was_granted_with() {
        let mut tokens = Tokens::new();
        assert!(
            of("release", Value::Nil, &mut tokens)
                .unwrap_err()
                .starts_with("not held")
        );
        let acquire = of("acquire", Value::Nil, &mut tokens).unwrap();
        let granted = conclude(&acquire, &Value::Nil, Ok(Said::Number(5)), &mut tokens);
        let grant = [("token", Value::Int(5)), ("ttl-ms", Value::Int(2000))];
        assert_eq!(granted, Outcome::Ok(Value::map(grant)));
        let release = of("release", Value::Nil, &mut tokens).unwrap();
        assert_eq!(release.commands[0].last().unwrap(), "5");
        let lost = told(&release, &Value::Nil, Said::Number(0));
        assert!(matches!(lost, Outcome::Fail(_)));
        let held = told(&acquire, &Value::Nil, Said::Number(0));
        assert!(matches!(held, Outcome::Fail(_)));
        let pair = Value::map([("token", Value::Int(5)), ("value", Value::Int(9))]);
        let write = asked("guarded-write", pair.clone());
        let refused = told(&write, &pair, Said::Number(0));
        assert!(matches!(refused, Outcome::Fail(why) if why.starts_with("refused")));
        let read = asked("guarded-read", Value::Nil);
        let there = told(&read, &Value::Nil, Said::Text("5 9".into()));
        assert_eq!(there, Outcome::Ok(pair));
    }

    #[test]
    fn a_transaction_is_one_block_and_lists_are_read_back() {
        let step =
            |f: &str, key: i64, value| Value::List(vec![Value::str(f), Value::Int(key), value]);
        let steps = |read| Value::List(vec![step("append", 1, Value::Int(7)), step("r", 1, read)]);
        let txn = asked("txn", steps(Value::Nil));
        let words: Vec<String> = txn.commands.iter().map(|words| words.join(" ")).collect();
        assert_eq!(words, ["MULTI", "APPEND 1 7,", "GET 1", "EXEC"]);
        let answer = Said::List(vec![Said::Number(4), Said::Text("3,7,".into())]);
        let list = Value::List(vec![Value::Int(3), Value::Int(7)]);
        let done = told(&txn, &steps(Value::Nil), answer);
        assert_eq!(done, Outcome::Ok(steps(list)));
        // Half a block was carried out, or another answer than to what was asked.
        let odd = told(&txn, &steps(Value::Nil), Said::List(vec![Said::Number(4)]));
        assert!(matches!(odd, Outcome::Info(_)));
        let refused = Said::Error("EXECABORT Transaction discarded".into());
        assert!(matches!(
            told(&txn, &steps(Value::Nil), refused),
            Outcome::Fail(_)
        ));
    }
}
