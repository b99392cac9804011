//! The control program: brings up hosts, deploys nodes, drives clients, breaks things, records
//! and judges.

pub mod client;
pub mod remote;
