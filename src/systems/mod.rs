//! The systems that can be tested: how each is installed and talked to, and its table of
//! definite errors.

pub mod daemon;
pub mod leader_follower;
