//! What is said to a server for each operation, and what is made of its answer. No socket here.

use checkers::history::Value;
use workloads::generator::Invocation;

use super::ERRORS;
use crate::client::Outcome;

/// The tables, empty; there are no standbys to wait for yet.
pub(super) const SCHEMA: &str = "set synchronous_commit = local;\n\
     create table registers (k text primary key, v bigint not null);\n\
     create table elements (k text not null, e bigint not null, primary key (k, e))";

/// A statement, by which clients prepare it once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Statement {
    Write,
    /// Of a register that holds something.
    Compare,
    /// Of a register that holds nothing.
    Create,
    Add,
    Read,
    ReadSet,
}

impl Statement {
    pub(super) const COUNT: usize = 6;

    pub(super) fn text(self) -> &'static str {
        match self {
            Self::Write => {
                "insert into registers values ($1, $2) on conflict (k) do update set v = excluded.v"
            }
            Self::Compare => "update registers set v = $2 where k = $1 and v = $3",
            Self::Create => "insert into registers values ($1, $2) on conflict (k) do nothing",
            Self::Add => "insert into elements values ($1, $2)",
            Self::Read => "select v from registers where k = $1",
            Self::ReadSet => "select e from elements where k = $1",
        }
    }

    pub(super) fn reads(self) -> bool {
        matches!(self, Self::Read | Self::ReadSet)
    }
}

/// A statement with what it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) statement: Statement,
    pub(super) key: String,
    pub(super) numbers: Vec<i64>,
}

/// What a server answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// So many rows were changed; and what it warned of meanwhile.
    Changed(u64, Option<String>),
    Rows(Vec<i64>),
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// No statement was sent.
    Refused(String),
    TimedOut,
    Lost(String),
    /// An SQLSTATE and its words.
    Said(String, String),
}

/// The statement for an operation of a workload.
pub(super) fn ask(op: &Invocation) -> Result<Asked, String> {
    let key = match &op.key {
        Some(Value::Str(text)) => text.to_string(),
        Some(Value::Int(number)) => number.to_string(),
        other => return Err(format!("{} needs a key, not {other:?}", op.f)),
    };
    let number = |value: &Value| {
        let number = value.as_int();
        number.ok_or_else(|| format!("{} needs a whole number, not {value}", op.f))
    };
    let (statement, numbers) = match op.f.as_str() {
        "write" => (Statement::Write, vec![number(&op.value)?]),
        "add" => (Statement::Add, vec![number(&op.value)?]),
        "cas" => match op.value.as_list() {
            Some([Value::Nil, new]) => (Statement::Create, vec![number(new)?]),
            Some([old, new]) => (Statement::Compare, vec![number(new)?, number(old)?]),
            _ => return Err(format!("cas needs two values, not {}", op.value)),
        },
        "read" | "final-read" => (Statement::Read, Vec::new()),
        "read-set" | "final-read-set" => (Statement::ReadSet, Vec::new()),
        other => return Err(format!("this system has no operation {other:?}")),
    };
    Ok(Asked {
        statement,
        key,
        numbers,
    })
}

/// What became of an operation.
pub(super) fn conclude(
    asked: &Asked,
    argument: &Value,
    answer: Result<Answer, Trouble>,
) -> Outcome {
    let unknown = |reason: String| {
        if asked.statement.reads() {
            Outcome::Fail(reason)
        } else {
            Outcome::Info(reason)
        }
    };
    match answer {
        Ok(Answer::Changed(_, Some(warning))) => {
            unknown(format!("commit with a warning: {warning}"))
        }
        Ok(Answer::Changed(0, None)) => Outcome::Fail("mismatch: it held another value".into()),
        Ok(Answer::Changed(_, None)) => Outcome::Ok(argument.clone()),
        Ok(Answer::Rows(rows)) => {
            let mut values = rows.into_iter().map(Value::Int);
            Outcome::Ok(match asked.statement {
                Statement::ReadSet => Value::List(values.collect()),
                _ => values.next().unwrap_or(Value::Nil),
            })
        }
        Err(Trouble::Refused(why)) => Outcome::Fail(format!("could not connect: {why}")),
        Err(Trouble::TimedOut) => unknown("timed out".into()),
        Err(Trouble::Lost(why)) => unknown(format!("connection lost: {why}")),
        Err(Trouble::Said(code, words)) => {
            let known = ERRORS
                .iter()
                .find(|(error, _)| error.split(' ').next() == Some(&code));
            let told = format!(
                "{}: {words}",
                known.map_or(code.as_str(), |(error, _)| error)
            );
            match known {
                Some((_, true)) => Outcome::Fail(told),
                _ => unknown(told),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use checkers::history::F;

    use super::*;

    fn asked(f: &'static str, value: Value) -> Asked {
        ask(&Invocation::new(F::new(f), Some(Value::str("k")), value)).unwrap()
    }

    #[test]
    fn answers_become_results() {
        let one = Value::Int(1);
        let write = asked("write", one.clone());
        let changed = |rows| Ok(Answer::Changed(rows, None));
        assert_eq!(conclude(&write, &one, changed(1)), Outcome::Ok(one.clone()));
        let read = asked("read", Value::Nil);
        assert_eq!(
            conclude(&read, &Value::Nil, Ok(Answer::Rows(Vec::new()))),
            Outcome::Ok(Value::Nil)
        );
        let pair = Value::List(vec![Value::Int(7), one]);
        let cas = asked("cas", pair.clone());
        assert_eq!(
            (cas.statement, cas.numbers.as_slice()),
            (Statement::Compare, &[1, 7][..])
        );
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
        let refused = Err(Trouble::Refused("nobody".into()));
        assert!(matches!(
            conclude(&write, &Value::Int(1), refused),
            Outcome::Fail(_)
        ));
    }
}
