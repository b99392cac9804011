//! The control program: brings up hosts, deploys nodes, drives clients, breaks things, records
//! and judges.

pub mod client;
pub mod doctor;
pub mod inventory;
pub mod lab;
pub mod remote;
