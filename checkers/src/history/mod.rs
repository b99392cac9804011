//! What happened, in the order it was seen: operations, values, and the history they form.

#[expect(
    clippy::module_inception,
    reason = "the file holds the type `History`, as the others hold `Op` and `Value`"
)]
mod history;
pub mod jsonl;
#[doc(hidden)]
pub mod notation;
mod op;
mod value;

pub use history::{Call, History, Malformed};
pub use op::{F, Kind, Nanos, Op, Process};
pub use value::Value;
