//! Sequential specifications: what one correct, single-threaded copy would do.
//!
//! A [`Model`] is a state and how calls change it. The general search in
//! [`linearizable::search`](crate::linearizable::search) does the rest: it knows nothing of
//! any model but this trait.
//!
//! A new one, judged:
//!
//! ```
//! use checkers::history::notation::h;
//! use checkers::history::{Call, Kind, Value};
//! use checkers::linearizable::Search;
//! use checkers::model::Model;
//! use checkers::{Budget, Checker, Verdict};
//!
//! /// A register whose value only rises: a write of less changes nothing.
//! #[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
//! struct Highest(i64);
//!
//! #[derive(Clone, Debug, PartialEq, Eq, Hash)]
//! enum Ask {
//!     Raise(i64),
//!     Read(i64),
//! }
//!
//! impl Model for Highest {
//!     type Call = Ask;
//!
//!     fn decode(call: &Call<'_>) -> Result<Option<Ask>, String> {
//!         let number = |value: &Value| value.as_int().ok_or("it is not a number".to_owned());
//!         Ok(match (call.invoke.f.as_str(), call.outcome()) {
//!             ("write", Kind::Ok | Kind::Info) => Some(Ask::Raise(number(&call.invoke.value)?)),
//!             ("read", Kind::Ok) => Some(Ask::Read(number(&call.complete.unwrap().value)?)),
//!             _ => None,
//!         })
//!     }
//!
//!     fn step(&self, ask: &Ask) -> Option<Self> {
//!         match ask {
//!             Ask::Raise(to) => Some(Self(self.0.max(*to))),
//!             Ask::Read(seen) => (*seen == self.0).then(|| self.clone()),
//!         }
//!     }
//! }
//!
//! let checker = Search::new("highest", Highest(0));
//! let good = h("0:w5 0:ok 0:w3 0:ok 1:r 1:ok=5");
//! let bad = h("0:w5 0:ok 0:w3 0:ok 1:r 1:ok=3");
//! let judge = |history| checker.check(&history, &Budget::unlimited()).verdict;
//! assert_eq!(judge(good), Verdict::Held);
//! assert_eq!(judge(bad), Verdict::Violated);
//! ```

mod counter;
mod key_value;
mod known;
mod list;
mod lock;
mod queue;
mod register;
mod set;

pub use counter::{Counter, CounterCall};
pub use key_value::{KeyCall, KeyValue, MultiCall, MultiRegister};
pub use known::{Known, UnknownModel};
pub use list::{AppendList, ListCall};
pub use lock::{LockCall, Mutex, ReentrantMutex, Semaphore};
pub use queue::{FifoQueue, PriorityQueue, QueueCall, Stack, UnorderedQueue};
pub use register::{CasRegister, Register, RegisterCall};
pub use set::{GrowOnlySet, Set, SetCall, UniqueId};

use std::fmt::Debug;
use std::hash::Hash;

use crate::history::{Call, Value};

/// What one correct, single-threaded copy would do; a value of it is one state.
pub trait Model: Clone + Eq + Hash + Debug + Send + Sync {
    /// A decoded call: the input, and the output if it was ever learned.
    type Call: Clone + Eq + Hash + Debug + Send + Sync;

    /// Whether all that [`decode`](Self::decode) and [`objects`](Self::objects) look at is key,
    /// function, argument, result, outcome and error of a call, and not who asked or when. Then
    /// calls that are alike are decoded once. Saying no is always right.
    const IMPERSONAL: bool = false;

    /// What a recorded call asks of the model; none if it constrains nothing, as a read
    /// without an answer or most failed calls do.
    ///
    /// What comes from a call that failed is evidence: it must have been so at some instant
    /// between its start and its end.
    ///
    /// # Errors
    ///
    /// Why the call cannot be read; its object is undecided then.
    fn decode(call: &Call<'_>) -> Result<Option<Self::Call>, String>;

    /// The state after the call; none if it could not have happened here.
    fn step(&self, call: &Self::Call) -> Option<Self>;

    /// The state in words, for people.
    fn shown(&self) -> String {
        format!("{self:?}")
    }

    /// Whether the call never changes any state in which it is possible. Saying no is always
    /// right; saying yes lets the search take it as soon as it is possible.
    fn observes(_call: &Self::Call) -> bool {
        false
    }

    /// The objects that a call touches. Objects that no call connects are judged apart.
    fn objects(call: &Call<'_>) -> Vec<Object> {
        vec![Object::whole(call.invoke.key.clone().unwrap_or_default())]
    }

    /// Which of `calls`, if they may or may not have happened, can be of any use to the
    /// required ones, which are marked. Such calls of no use are left out. Saying yes is always
    /// right.
    fn useful(calls: &[(&Self::Call, bool)]) -> Vec<bool> {
        vec![true; calls.len()]
    }
}

/// An object, or a part of one that behaves as an object of its own unless some call touches
/// the whole.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Object {
    /// Its key.
    pub key: Value,
    /// The part; none for the whole.
    pub part: Option<Value>,
}

impl Object {
    /// All of the object of that key.
    #[must_use]
    pub fn whole(key: Value) -> Self {
        Self { key, part: None }
    }

    /// One part of it.
    #[must_use]
    pub fn part(key: Value, part: Value) -> Self {
        Self {
            key,
            part: Some(part),
        }
    }
}

/// Elements in words: `[1 2 3]`, or how many there are.
fn listed<'e>(elements: impl IntoIterator<Item = &'e Value, IntoIter: Clone>) -> String {
    let elements = elements.into_iter();
    let count = elements.clone().count();
    if count > 8 {
        return format!("one with {count} elements");
    }
    let words: Vec<String> = elements.map(ToString::to_string).collect();
    format!("[{}]", words.join(" "))
}
