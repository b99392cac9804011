//! The lab that tests without harness enter.

use std::process::ExitCode;

use schism::lab::{self, Entered, Lab, LabSpec};

use crate::harness::say;

/// Enters a lab. Where there is none, or this is the process outside that waited for it, the
/// program is to end with that code.
pub(crate) fn enter(spec: &LabSpec) -> Result<Lab, ExitCode> {
    match lab::enter(spec) {
        Ok(Entered::Inside(lab)) => Ok(lab),
        Ok(Entered::Outside(code)) => Err(ExitCode::from(code)),
        Err(error) => {
            say(&format!(
                "FAILED: the surroundings are missing: failed to {error}"
            ));
            Err(ExitCode::FAILURE)
        }
    }
}
