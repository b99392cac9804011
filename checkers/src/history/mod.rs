//! What happened, in the order it was seen: operations, values, and the history they form.

mod history;
pub mod jsonl;
mod op;
mod value;

pub use history::{Call, History, Malformed};
pub use op::{F, Kind, Nanos, Op, Process};
pub use value::Value;
