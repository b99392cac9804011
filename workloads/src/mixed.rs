//! Registers and sets together: what [`register`](crate::register) and [`set`](crate::set) do,
//! at once, on the same nodes.
//!
//! Operations, arguments and results are those of the two. Registers show stale reads and
//! orders that cannot be; sets count what is lost.

use crate::load::Load;
use crate::{Options, Workload, register};

/// The workload, as a value.
#[must_use]
pub fn workload(options: &Options) -> Workload {
    Workload {
        name: "mixed",
        generator: Box::new(Load::new(options, options.set_percent.min(100))),
        checker: register::checker("mixed"),
    }
}
