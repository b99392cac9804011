//! Invariants of particular objects: what ids, locks, leaders, banks and write-once keys promise.
//!
//! Each checker reads the operations it knows and passes over all others. What each claims,
//! needs and can name, and what it costs, stands on its page in `checkers/pages`; the module
//! pages here say how it is done.

mod bank;
mod causal_reverse;
mod fencing_tokens;
mod findings;
mod guarded_resource;
mod leader_terms;
mod locks;
mod long_fork;
mod monotonic;
mod ordered;
mod ordered_ids;
mod places;
mod sequential_keys;
mod steps;
mod unique_ids;
mod write_once;
mod write_skew;

pub use bank::{Bank, Overdraft};
pub use causal_reverse::CausalReverse;
pub use fencing_tokens::FencingTokens;
pub use guarded_resource::GuardedResource;
pub use leader_terms::LeaderTerms;
pub use locks::Locks;
pub use long_fork::LongFork;
pub use monotonic::Monotonic;
pub use ordered_ids::OrderedIds;
pub use sequential_keys::SequentialKeys;
pub use unique_ids::UniqueIds;
pub use write_skew::WriteSkew;
