//! Verdicts as files and as text: everything here reads what a run left and writes words.

pub mod dot;
pub mod table;
pub mod tally;
pub mod terminal;
pub mod timeline;
pub mod verdict;
