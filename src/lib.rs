//! The control program: brings up hosts, deploys nodes, drives clients, breaks things, records
//! and judges.
//!
//! One run, told from end to end: [`cli`] turns flags into a [`plan::Plan`]; [`lab`] brings up
//! hosts unless the plan names some ([`inventory`]); [`connect`] opens a [`remote`] to each;
//! [`run`] sets the system of [`systems`] up through [`cluster::Db`], lets the [`interpreter`]
//! drive [`client`]s in [`worker`]s while the [`nemesis`] breaks things, heals, reads
//! everything back, has the checkers judge, and leaves it all in the [`store`]'s directory and
//! as words from [`report`]. [`simulate`] tells the same story in memory, in virtual time.

pub mod campaign;
pub mod certify;
pub mod check;
pub mod claim;
pub mod cli;
pub mod client;
pub mod cluster;
pub mod commands;
pub mod connect;
pub mod demo;
pub mod doctor;
pub mod explain;
pub mod heal;
pub mod image;
pub mod interpreter;
pub mod inventory;
pub mod lab;
pub mod ledger;
pub mod live;
pub mod matrix;
pub mod modes;
pub mod nemesis;
pub mod plan;
pub mod progress;
pub mod quorum;
pub mod remote;
pub mod report;
pub mod run;
pub mod selftest;
pub mod shrink;
pub mod simulate;
pub mod store;
pub mod suggest;
pub mod systems;
pub mod verify;
pub mod watch;
pub mod worker;
