//! What goes wrong, when, and how it is undone.
//!
//! Choosing is pure: [`schedule`] makes the times, [`target`] the nodes, [`partition`] who no
//! longer hears whom. Doing is a handful of commands over SSH ([`net`]) or the system's own
//! [`Db`](crate::cluster::Db); every fault is proven by a probe, and whatever was broken can be
//! mended at any time, twice over, after any error.

pub mod faults;
pub mod net;
pub mod partition;
pub mod schedule;
pub mod target;

use checkers::history::Value;
use workloads::generator::Invocation;

pub use faults::Faults;

/// Why a fault could not be injected, proven or healed. The run then proves nothing.
#[derive(Debug, thiserror::Error)]
pub enum NemesisError {
    /// A host did not do what it was asked.
    #[error("failed to {fault}: {cause}")]
    Host {
        /// The fault or its healing.
        fault: String,
        /// Why not.
        cause: String,
    },
    /// The commands succeeded, and yet the fault is not there, or has not gone.
    #[error("{fault} did not take effect: {evidence}")]
    Unproven {
        /// The fault or its healing.
        fault: String,
        /// What the probe saw.
        evidence: String,
    },
    /// There is nothing that the fault could hit.
    #[error("found no node for {fault}: {cause}")]
    NoTarget {
        /// The fault.
        fault: String,
        /// Why not.
        cause: String,
    },
}

/// Breaks and mends.
pub trait Nemesis {
    /// Does what the order says; the answer says what was in fact done, and its proof.
    fn invoke(&mut self, order: &Invocation) -> impl Future<Output = Result<Value, NemesisError>>;
}

/// Breaks nothing: for runs without faults.
#[derive(Clone, Copy, Debug, Default)]
pub struct Peace;

impl Nemesis for Peace {
    async fn invoke(&mut self, order: &Invocation) -> Result<Value, NemesisError> {
        let cause = "this run has no nemesis".to_owned();
        Err(NemesisError::NoTarget {
            fault: order.f.to_string(),
            cause,
        })
    }
}
