//! What is said to a server for each operation, and what is made of its answer. No socket here.

use std::collections::BTreeMap;

use checkers::history::Value;
use workloads::generator::Invocation;

use super::ERRORS;
use crate::client::Outcome;
use crate::systems::steps::{Does, Step, steps, told};
use crate::systems::{arguments, guarded};

/// The tables, empty; there are no standbys to wait for yet.
pub(super) const SCHEMA: &str = "set synchronous_commit = local;\n\
     create table registers (k text primary key, v bigint not null);\n\
     create table elements (k text not null, e bigint not null, primary key (k, e));\n\
     create table items (k text primary key, is_list boolean not null, v bigint[] not null);\n\
     create table pairs (k text not null, side bigint not null, id bigint not null);\n\
     create index on pairs (k);\n\
     create table locks (k text primary key, token bigint not null);\n\
     create sequence tokens;\n\
     create table guarded (k text primary key, token bigint not null, v bigint not null)";

/// All that a server holds, a text a table.
pub(super) const CONTENTS: &str = "select coalesce(string_agg(k || '=' || v, ',' order by k), '') from registers \
     union all select coalesce(string_agg(k || '+' || e, ',' order by k, e), '') from elements \
     union all select coalesce(string_agg(k || '=' || v::text, ',' order by k), '') from items \
     union all select coalesce(string_agg(k || side || '=' || id, ',' order by k, side, id), '') from pairs \
     union all select coalesce(string_agg(k || '=' || token, ',' order by k), '') from locks \
     union all select coalesce(string_agg(k || '=' || token || ' ' || v, ',' order by k), '') from guarded";

/// A statement, by which clients prepare it once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Statement {
    Write,
    /// Of a register that holds something.
    Compare,
    /// Of a register that holds nothing.
    Create,
    Add,
    Remove,
    Read,
    ReadSet,
    Acquire,
    Release,
    GuardedWrite,
    GuardedRead,
    /// Steps of transactions.
    ReadItem,
    WriteItem,
    AppendItem,
    CountPairs,
    InsertPair,
}

impl Statement {
    pub(super) const COUNT: usize = 16;

    pub(super) fn text(self) -> &'static str {
        match self {
            Self::Write => {
                "insert into registers values ($1, $2) on conflict (k) do update set v = excluded.v"
            }
            Self::Compare => "update registers set v = $2 where k = $1 and v = $3",
            Self::Create => "insert into registers values ($1, $2) on conflict (k) do nothing",
            Self::Add => "insert into elements values ($1, $2)",
            Self::Remove => "delete from elements where k = $1 and e = $2",
            Self::Read => "select v from registers where k = $1",
            Self::ReadSet => "select e from elements where k = $1",
            Self::Acquire => {
                "insert into locks values ($1, nextval('tokens')) on conflict (k) do nothing \
                 returning token"
            }
            Self::Release => "delete from locks where k = $1 and token = $2",
            Self::GuardedWrite => {
                "insert into guarded values ($1, $2, $3) on conflict (k) do update \
                 set token = excluded.token, v = excluded.v where guarded.token <= excluded.token"
            }
            Self::GuardedRead => "select token, v from guarded where k = $1",
            Self::ReadItem => "select is_list, v from items where k = $1",
            Self::WriteItem => {
                "insert into items values ($1, false, array[$2::bigint]) on conflict (k) do update \
                 set is_list = false, v = excluded.v"
            }
            Self::AppendItem => {
                "insert into items values ($1, true, array[$2::bigint]) on conflict (k) do update \
                 set is_list = true, v = items.v || excluded.v"
            }
            Self::CountPairs => "select count(*) from pairs where k = $1",
            Self::InsertPair => "insert into pairs values ($1, $2, $3)",
        }
    }

    /// Whether it answers rows, and not how many it changed.
    pub(super) fn returns_rows(self) -> bool {
        self.reads() || self == Self::Acquire
    }

    pub(super) fn reads(self) -> bool {
        matches!(
            self,
            Self::Read | Self::ReadSet | Self::GuardedRead | Self::ReadItem | Self::CountPairs
        )
    }

    /// The one that carries out a step.
    pub(super) fn of(step: &Step) -> Self {
        match step.does {
            Does::Read => Self::ReadItem,
            Does::Write(_) => Self::WriteItem,
            Does::Append(_) => Self::AppendItem,
        }
    }
}

/// The tokens of the locks that a client holds, by lock.
pub(super) type Tokens = BTreeMap<String, i64>;

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// One statement, committed by itself.
    One {
        statement: Statement,
        key: String,
        numbers: Vec<i64>,
    },
    /// Steps in one transaction.
    Steps(Vec<Step>),
    /// A row of a pair, in one transaction that looks first whether there is any.
    Insert { key: String, row: [i64; 2] },
}

impl Asked {
    pub(super) fn reads(&self) -> bool {
        match self {
            Self::One { statement, .. } => statement.reads(),
            Self::Steps(steps) => steps.iter().all(Step::reads),
            Self::Insert { .. } => false,
        }
    }

    /// The statements that must be prepared for it.
    pub(super) fn statements(&self) -> Vec<Statement> {
        match self {
            Self::One { statement, .. } => vec![*statement],
            Self::Steps(steps) => steps.iter().map(Statement::of).collect(),
            Self::Insert { .. } => vec![Statement::CountPairs, Statement::InsertPair],
        }
    }
}

/// What a server answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// So many rows were changed; and what it warned of meanwhile.
    Changed(u64, Option<String>),
    Rows(Vec<Vec<i64>>, Option<String>),
    /// What the steps of a transaction read, and what the commit warned of.
    Steps(Vec<Value>, Option<String>),
}

impl Answer {
    fn warning(&self) -> Option<&String> {
        match self {
            Self::Changed(_, warning) | Self::Rows(_, warning) | Self::Steps(_, warning) => {
                warning.as_ref()
            }
        }
    }
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// No statement was sent.
    Refused(String),
    /// The server said so before anything was sent.
    NotPrimary,
    /// The transaction ended before its commit was sent.
    Undone(String),
    TimedOut,
    Lost(String),
    /// An SQLSTATE and its words.
    Said(String, String),
}

/// What is asked for an operation of a workload, by a client that holds such locks.
pub(super) fn ask(op: &Invocation, tokens: &mut Tokens) -> Result<Asked, String> {
    if op.f == "txn" {
        return Ok(Asked::Steps(steps(&op.value)?));
    }
    let key = arguments::key(op)?;
    let number = |value| arguments::number(op, value);
    let (statement, numbers) = match op.f.as_str() {
        "write" => (Statement::Write, vec![number(&op.value)?]),
        "add" => (Statement::Add, vec![number(&op.value)?]),
        "remove" => (Statement::Remove, vec![number(&op.value)?]),
        "cas" => match arguments::old_and_new(op)? {
            (None, new) => (Statement::Create, vec![new]),
            (Some(old), new) => (Statement::Compare, vec![new, old]),
        },
        "insert" => {
            let row = match op.value.as_list() {
                Some([id, Value::Nil]) => [0, number(id)?],
                Some([Value::Nil, id]) => [1, number(id)?],
                _ => return Err(format!("insert needs one of two rows, not {}", op.value)),
            };
            return Ok(Asked::Insert { key, row });
        }
        "acquire" => (Statement::Acquire, Vec::new()),
        "release" => {
            let token = tokens.remove(&key);
            let token = token.ok_or("not held: this client has no token of it")?;
            (Statement::Release, vec![token])
        }
        "guarded-write" => (Statement::GuardedWrite, guarded::written(op)?.to_vec()),
        "guarded-read" => (Statement::GuardedRead, Vec::new()),
        "read" | "final-read" => (Statement::Read, Vec::new()),
        "read-set" | "final-read-set" => (Statement::ReadSet, Vec::new()),
        _ => return Err(arguments::unknown(op)),
    };
    Ok(Asked::One {
        statement,
        key,
        numbers,
    })
}

/// What became of an operation; a lock that was granted is kept in mind.
pub(super) fn conclude(
    asked: &Asked,
    argument: &Value,
    answer: Result<Answer, Trouble>,
    tokens: &mut Tokens,
) -> Outcome {
    let unknown = |reason| Outcome::unknown(reason, asked.reads());
    let answer = match answer {
        Ok(answer) => answer,
        Err(Trouble::Refused(why)) => return Outcome::Fail(format!("could not connect: {why}")),
        Err(Trouble::NotPrimary) => return Outcome::Fail("not the primary".into()),
        Err(Trouble::Undone(why)) => return Outcome::Fail(format!("not committed: {why}")),
        Err(Trouble::TimedOut) => return unknown("timed out".into()),
        Err(Trouble::Lost(why)) => return unknown(format!("connection lost: {why}")),
        Err(Trouble::Said(code, words)) => return refusal(&code, &words, unknown),
    };
    if let Some(warning) = answer.warning()
        && !asked.reads()
    {
        return unknown(format!("commit with a warning: {warning}"));
    }
    match (asked, answer) {
        (Asked::One { statement, key, .. }, Answer::Rows(rows, _)) => {
            of_rows(*statement, key, rows, tokens)
        }
        (Asked::One { statement, .. }, Answer::Changed(0, _)) => {
            Outcome::Fail(unchanged(*statement).into())
        }
        (
            Asked::One {
                statement: Statement::Release,
                ..
            },
            _,
        ) => Outcome::Ok(Value::Nil),
        (Asked::Insert { .. }, Answer::Changed(0, _)) => {
            Outcome::Fail("mismatch: there is a row already".into())
        }
        (Asked::Steps(_), Answer::Steps(read, _)) => match told(argument, read) {
            Some(told) => Outcome::Ok(told),
            None => unknown("not understood: other steps than were asked for".into()),
        },
        _ => Outcome::Ok(argument.clone()),
    }
}

fn of_rows(statement: Statement, key: &str, rows: Vec<Vec<i64>>, tokens: &mut Tokens) -> Outcome {
    let first = rows.first().map(Vec::as_slice);
    Outcome::Ok(match (statement, first) {
        (Statement::Acquire, None) => return Outcome::Fail("held by another".into()),
        (Statement::Acquire, Some([token, ..])) => {
            tokens.insert(key.to_owned(), *token);
            Value::Int(*token)
        }
        (Statement::GuardedRead, Some([token, value])) => guarded::pair([*token, *value]),
        (Statement::ReadSet, _) => {
            let all = rows.into_iter().flatten();
            Value::List(all.map(Value::Int).collect())
        }
        (_, Some([value, ..])) => Value::Int(*value),
        (_, Some([]) | None) => Value::Nil,
    })
}

/// What it means that a statement changed nothing.
fn unchanged(statement: Statement) -> &'static str {
    match statement {
        Statement::Release => "not held: the lock has another token, or none",
        Statement::GuardedWrite => "refused: a higher token was here",
        Statement::Remove => "mismatch: it was not there",
        _ => "mismatch: it held another value",
    }
}

fn refusal(code: &str, words: &str, unknown: impl Fn(String) -> Outcome) -> Outcome {
    let known = ERRORS
        .iter()
        .find(|(error, _)| error.split(' ').next() == Some(code));
    let told = format!("{}: {words}", known.map_or(code, |(error, _)| error));
    match known {
        Some((_, true)) => Outcome::Fail(told),
        _ => unknown(told),
    }
}

#[cfg(test)]
mod tests {
    use checkers::history::F;

    use super::*;

    fn of(f: &'static str, value: Value, tokens: &mut Tokens) -> Result<Asked, String> {
        let op = Invocation::new(F::new(f), Some(Value::str("k")), value);
        ask(&op, tokens)
    }

    fn asked(f: &'static str, value: Value) -> Asked {
        of(f, value, &mut Tokens::new()).unwrap()
    }

    /// The outcome, for a client without locks.
    fn conclude(asked: &Asked, argument: &Value, answer: Result<Answer, Trouble>) -> Outcome {
        super::conclude(asked, argument, answer, &mut Tokens::new())
    }

    #[test]
    fn answers_become_results() {
        let one = Value::Int(1);
        let write = asked("write", one.clone());
        let changed = |rows| Ok(Answer::Changed(rows, None));
        assert_eq!(conclude(&write, &one, changed(1)), Outcome::Ok(one.clone()));
        let read = asked("read", Value::Nil);
        assert_eq!(
            conclude(&read, &Value::Nil, Ok(Answer::Rows(Vec::new(), None))),
            Outcome::Ok(Value::Nil)
        );
        let pair = Value::List(vec![Value::Int(7), one]);
        let cas = asked("cas", pair.clone());
        let expected = Asked::One {
            statement: Statement::Compare,
            key: "k".into(),
            numbers: vec![1, 7],
        };
        assert_eq!(cas, expected);
        assert!(matches!(
            conclude(&cas, &pair, changed(0)),
            Outcome::Fail(_)
        ));
    }

    #[test]
    fn a_cancelled_commit_that_answers_success_is_unknown() {
        let write = asked("write", Value::Int(1));
        let warned = Ok(Answer::Changed(1, Some("canceling wait".into())));
        assert!(matches!(
            conclude(&write, &Value::Int(1), warned),
            Outcome::Info(_)
        ));
    }

    #[test]
    fn only_the_table_makes_a_write_fail() {
        let (write, read) = (asked("write", Value::Int(1)), asked("read", Value::Nil));
        let said = |code: &str| Err(Trouble::Said(code.to_owned(), "because".to_owned()));
        for (error, definite) in ERRORS
            .iter()
            .filter(|(error, _)| error.starts_with(|c: char| c.is_ascii_digit()))
        {
            let code = error.split(' ').next().unwrap();
            let failed = matches!(
                conclude(&write, &Value::Int(1), said(code)),
                Outcome::Fail(_)
            );
            assert_eq!(failed, *definite, "{error}");
            assert!(matches!(
                conclude(&read, &Value::Nil, said(code)),
                Outcome::Fail(_)
            ));
        }
        assert!(matches!(
            conclude(&write, &Value::Int(1), said("XX000")),
            Outcome::Info(_)
        ));
        assert!(matches!(
            conclude(&write, &Value::Int(1), Err(Trouble::TimedOut)),
            Outcome::Info(_)
        ));
        for refused in [Trouble::Refused("nobody".into()), Trouble::NotPrimary] {
            assert!(matches!(
                conclude(&write, &Value::Int(1), Err(refused)),
                Outcome::Fail(_)
            ));
        }
    }

    #[test]
    fn what_was_not_yet_to_be_committed_did_not_happen() {
        let step = |f: &str, value| Value::List(vec![Value::str(f), Value::Int(1), value]);
        let steps = |read| Value::List(vec![step("append", Value::Int(7)), step("r", read)]);
        let txn = asked("txn", steps(Value::Nil));
        assert!(!txn.reads());
        assert_eq!(
            txn.statements(),
            [Statement::AppendItem, Statement::ReadItem]
        );
        let of = |answer| conclude(&txn, &steps(Value::Nil), answer);
        let list = Value::List(vec![Value::Int(7)]);
        let read = Answer::Steps(vec![list.clone()], None);
        assert_eq!(of(Ok(read)), Outcome::Ok(steps(list.clone())));
        let warned = Answer::Steps(vec![list], Some("canceling wait".into()));
        assert!(matches!(of(Ok(warned)), Outcome::Info(_)));
        assert!(matches!(
            of(Err(Trouble::Undone("40001".into()))),
            Outcome::Fail(_)
        ));
        assert!(matches!(of(Err(Trouble::TimedOut)), Outcome::Info(_)));
        let pair = asked("insert", Value::List(vec![Value::Nil, Value::Int(3)]));
        assert_eq!(
            pair,
            Asked::Insert {
                key: "k".into(),
                row: [1, 3]
            }
        );
        let there = conclude(&pair, &Value::Nil, Ok(Answer::Changed(0, None)));
        assert!(matches!(there, Outcome::Fail(_)));
    }

    #[test]
    fn a_lock_is_given_back_with_the_token_that_it_was_granted_with() {
        let mut tokens = Tokens::new();
        assert!(of("release", Value::Nil, &mut tokens).is_err());
        let acquire = of("acquire", Value::Nil, &mut tokens).unwrap();
        let rows = |rows| Ok(Answer::Rows(rows, None));
        let granted = super::conclude(&acquire, &Value::Nil, rows(vec![vec![5]]), &mut tokens);
        assert_eq!(granted, Outcome::Ok(Value::Int(5)));
        let held = conclude(&acquire, &Value::Nil, rows(Vec::new()));
        assert!(matches!(held, Outcome::Fail(why) if why.starts_with("held")));
        let Ok(Asked::One { numbers, .. }) = of("release", Value::Nil, &mut tokens) else {
            panic!("it holds the lock");
        };
        assert_eq!(numbers, [5]);
        let pair = Value::map([("token", Value::Int(5)), ("value", Value::Int(9))]);
        let write = asked("guarded-write", pair.clone());
        let refused = conclude(&write, &pair, Ok(Answer::Changed(0, None)));
        assert!(matches!(refused, Outcome::Fail(why) if why.starts_with("refused")));
        let read = asked("guarded-read", Value::Nil);
        assert_eq!(
            conclude(&read, &Value::Nil, rows(vec![vec![5, 9]])),
            Outcome::Ok(pair)
        );
    }
}
