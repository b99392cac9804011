//! Grow-only sets that are read often: when each element was first seen, and whether it stayed.
//!
//! Operations, arguments and results are those of [`set`](crate::set); of a hundred operations
//! forty read a set whole, and a set is retired after a third of the adds, so that reads stay
//! short. Every element is unique, and every set is finally read on every node, so that each
//! element is stable, late or lost, and none is left open.
//!
//! **Detects**: elements that are lost, that come and go, that are seen late and by how much, on
//! which node; elements from nowhere, twice, or whose add failed; outages.

use checkers::{AllOf, Availability, Checker, Loss, Set, SetFull};

use crate::load::Load;
use crate::{Options, Workload};

/// How many operations of a hundred read a set, at least.
const READ_PERCENT: u32 = 40;

/// The workload, as a value.
#[must_use]
pub fn workload(options: &Options) -> Workload {
    let all: Vec<Box<dyn Checker>> = vec![
        Box::new(Set),
        Box::new(SetFull::default()),
        Box::new(Loss),
        Box::new(Availability),
    ];
    let options = Options {
        read_set_percent: options.read_set_percent.max(READ_PERCENT),
        adds_per_set: (options.adds_per_set / 3).max(1),
        ..options.clone()
    };
    Workload {
        name: "set-full",
        generator: Box::new(Load::new(&options, 100)),
        checker: Box::new(AllOf::new("set-full", all)),
    }
}
