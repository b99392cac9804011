//! One entry of a history.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use super::Value;

/// Nanoseconds since the run began, on the control node's monotonic clock.
pub type Nanos = u64;

/// A logical single-threaded client, or the one process that breaks things.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Process {
    /// A client; the number is never used again after an `Info`.
    Client(u32),
    /// The process whose operations are faults and the phases of the run.
    Nemesis,
}

impl fmt::Display for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Client(number) => write!(f, "p{number}"),
            Self::Nemesis => f.write_str("nemesis"),
        }
    }
}

/// Which end of an operation an entry records, and how the operation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// It was asked for.
    Invoke,
    /// It happened.
    Ok,
    /// It certainly did not happen, and will not.
    Fail,
    /// It may have happened, or may yet.
    Info,
}

impl Kind {
    /// The word that histories use.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Invoke => "invoke",
            Self::Ok => "ok",
            Self::Fail => "fail",
            Self::Info => "info",
        }
    }
}

/// The name of an operation: "read", "write", "partition".
#[derive(Clone)]
pub struct F(Name);

/// Copying either takes no memory.
#[derive(Clone)]
enum Name {
    Known(&'static str),
    Read(Arc<str>),
}

impl F {
    /// A name known when the program was written.
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        Self(Name::Known(name))
    }

    /// A name read from a file.
    #[must_use]
    pub fn owned(name: String) -> Self {
        Self(Name::Read(Arc::from(name)))
    }

    /// The name itself.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match &self.0 {
            Name::Known(name) => name,
            Name::Read(name) => name,
        }
    }
}

impl PartialEq for F {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for F {}

impl Hash for F {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl PartialOrd for F {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for F {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_str().cmp(other.as_str())
    }
}

impl fmt::Debug for F {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for F {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl PartialEq<str> for F {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other
    }
}

impl PartialEq<&str> for F {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == *other
    }
}

/// One entry of a history: the start or the end of an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Op {
    /// Its line in the history as recorded; evidence points at it.
    pub index: usize,
    /// When it was seen.
    pub time: Nanos,
    /// Who asked.
    pub process: Process,
    /// Start, or how it ended; written as "type".
    pub kind: Kind,
    /// What was asked.
    pub f: F,
    /// The object it is about, where the system holds several.
    pub key: Option<Value>,
    /// The argument when invoked, the result when ok; `Nil` is "absent" in the result of a
    /// read and "not known yet" in its invocation.
    pub value: Value,
    /// The node that was asked, or that answered.
    pub node: Option<Arc<str>>,
    /// Why not, when fail or info.
    pub error: Option<String>,
}
