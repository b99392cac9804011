//! Verdicts as files and as text: everything here reads what a run left and writes words.

pub mod brief;
pub mod catalogue;
pub mod ci;
pub mod compare;
pub mod csv;
pub mod dot;
pub mod fingerprint;
pub mod html;
pub mod junit;
pub mod known;
pub mod markdown;
pub mod recorded;
pub(crate) mod surface;
pub mod table;
pub mod tally;
pub mod terminal;
pub mod timeline;
pub mod told;
pub mod trend;
pub mod verdict;
