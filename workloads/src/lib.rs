//! Intent: which operations to ask for, and which checkers judge the answers.
//!
//! A [`generator`] decides what to do next, given the time, who is free and a source of
//! chance. It knows no host, socket, clock or fault.

pub mod generator;
