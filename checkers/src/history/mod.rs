//! What happened, in the order it was seen: operations, values, and the history they form.

pub mod binary;
pub mod columns;
pub mod dictionary;
mod edn;
mod event;
mod fields;
mod format;
#[expect(
    clippy::module_inception,
    reason = "the file holds the type `History`, as the others hold `Op` and `Value`"
)]
mod history;
pub mod jepsen;
pub mod jepsen_edn;
pub mod jepsen_json;
pub mod jepsen_log;
mod json;
pub mod jsonl;
mod mend;
mod mixed;
pub(crate) mod names;
#[doc(hidden)]
pub mod notation;
mod op;
mod packed;
pub mod porcupine;
mod quick;
mod read;
mod scan;
mod stream;
mod value;

pub use columns::Columns;
pub use event::{Entries, Event, Items, Sink, ValueRef, with_pair};
pub use format::{Format, Unknown, WriteError};
pub use history::{Call, History, Malformed};
pub use op::{F, Kind, Nanos, Op, Process};
pub use read::{Ending, Ops, Read, ReadError, Warning};
pub use value::Value;
