//! The models by name, as flags and reports have them.

use std::fmt;
use std::str::FromStr;

/// A model that has a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Known {
    /// [`Register`](super::Register): `read`, `write`, `cas`.
    Register,
    /// [`CasRegister`](super::CasRegister): a `cas` that failed found another value.
    CasRegister,
    /// [`MultiRegister`](super::MultiRegister): `txn` of reads and writes.
    MultiRegister,
    /// [`KeyValue`](super::KeyValue): `get`, `put`, `append`, `delete`.
    KeyValue,
    /// [`Mutex`](super::Mutex): `acquire`, `release`.
    Mutex,
    /// [`ReentrantMutex`](super::ReentrantMutex): `acquire`, `release`.
    ReentrantMutex,
    /// [`Semaphore`](super::Semaphore) of so many permits: `acquire`, `release`.
    Semaphore(u32),
    /// [`FifoQueue`](super::FifoQueue): `enqueue`, `dequeue`.
    FifoQueue,
    /// [`UnorderedQueue`](super::UnorderedQueue): `enqueue`, `dequeue`.
    UnorderedQueue,
    /// [`PriorityQueue`](super::PriorityQueue): `enqueue`, `dequeue`.
    PriorityQueue,
    /// [`Stack`](super::Stack): `push`, `pop`.
    Stack,
    /// [`Set`](super::Set): `add`, `remove`, `contains`, `read-set`.
    Set,
    /// [`GrowOnlySet`](super::GrowOnlySet): `add`, `read-set` or `read`.
    GrowOnlySet,
    /// [`Counter`](super::Counter): `add`, `decrement`, `read`.
    Counter,
    /// [`AppendList`](super::AppendList): `append`, `read`.
    AppendList,
    /// [`UniqueId`](super::UniqueId): `generate`.
    UniqueIds,
}

impl Known {
    /// All of them; of semaphores one.
    pub const ALL: [Self; 16] = [
        Self::Register,
        Self::CasRegister,
        Self::MultiRegister,
        Self::KeyValue,
        Self::Mutex,
        Self::ReentrantMutex,
        Self::Semaphore(1),
        Self::FifoQueue,
        Self::UnorderedQueue,
        Self::PriorityQueue,
        Self::Stack,
        Self::Set,
        Self::GrowOnlySet,
        Self::Counter,
        Self::AppendList,
        Self::UniqueIds,
    ];

    /// The name, without the permits of a semaphore.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Register => "register",
            Self::CasRegister => "cas-register",
            Self::MultiRegister => "multi-register",
            Self::KeyValue => "key-value",
            Self::Mutex => "mutex",
            Self::ReentrantMutex => "reentrant-mutex",
            Self::Semaphore(_) => "semaphore",
            Self::FifoQueue => "fifo-queue",
            Self::UnorderedQueue => "unordered-queue",
            Self::PriorityQueue => "priority-queue",
            Self::Stack => "stack",
            Self::Set => "set",
            Self::GrowOnlySet => "grow-only-set",
            Self::Counter => "counter",
            Self::AppendList => "append-list",
            Self::UniqueIds => "unique-ids",
        }
    }

    /// The functions that it has.
    #[must_use]
    pub fn functions(self) -> &'static [&'static str] {
        match self {
            Self::Register | Self::CasRegister => &["read", "write", "cas"],
            Self::MultiRegister => &["txn"],
            Self::KeyValue => &["get", "put", "append", "delete"],
            Self::Mutex | Self::ReentrantMutex | Self::Semaphore(_) => &["acquire", "release"],
            Self::FifoQueue | Self::UnorderedQueue | Self::PriorityQueue => &["enqueue", "dequeue"],
            Self::Stack => &["push", "pop"],
            Self::Set => &["add", "remove", "contains", "read-set"],
            Self::GrowOnlySet => &["add", "read-set", "read"],
            Self::Counter => &["add", "increment", "decrement", "read"],
            Self::AppendList => &["append", "read"],
            Self::UniqueIds => &["generate"],
        }
    }
}

impl fmt::Display for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Semaphore(permits) => write!(f, "semaphore:{permits}"),
            other => f.write_str(other.name()),
        }
    }
}

/// A name that no model has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnknownModel {
    /// There is no such name.
    #[error("there is no model {0:?}")]
    Name(String),
    /// A semaphore without its permits.
    #[error("a semaphore is named with its permits, as semaphore:3")]
    Permits,
}

impl FromStr for Known {
    type Err = UnknownModel;

    fn from_str(text: &str) -> Result<Self, UnknownModel> {
        if let Some(permits) = text.strip_prefix("semaphore") {
            let permits = permits.strip_prefix(':').and_then(|p| p.parse().ok());
            return permits.map(Self::Semaphore).ok_or(UnknownModel::Permits);
        }
        let named = Self::ALL.into_iter().find(|known| known.name() == text);
        named.ok_or_else(|| UnknownModel::Name(text.to_owned()))
    }
}
