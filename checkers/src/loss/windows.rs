//! When acknowledged writes were lost: stretches of time between the remedies of the nemesis.

use super::ledger::Ledger;
use crate::history::Nanos;

/// A stretch of time between two remedies in which acknowledged writes were lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LossWindow {
    /// The first acknowledgement of a lost write.
    pub from: Nanos,
    /// The last.
    pub to: Nanos,
    /// How many were lost.
    pub lost: usize,
    /// What was broken meanwhile, in words.
    pub faults: Vec<String>,
}

impl LossWindow {
    /// Its length.
    #[must_use]
    pub fn length(&self) -> Nanos {
        self.to - self.from
    }
}

/// **Cost**: logarithmic for each lost write.
pub(super) fn of(ledger: &Ledger<'_>) -> Vec<LossWindow> {
    let mut remedies: Vec<Nanos> = ledger.faults.iter().filter_map(|fault| fault.to).collect();
    remedies.sort_unstable();
    let mut windows: Vec<(usize, LossWindow)> = Vec::new();
    // Lost writes stand in the order of their acknowledgements.
    for call in &ledger.lost {
        let at = ledger.calls.time(ledger.calls.ends[*call as usize]);
        let group = remedies.partition_point(|remedy| *remedy <= at);
        match windows.last_mut() {
            Some((of, window)) if *of == group => {
                window.to = at;
                window.lost += 1;
            }
            _ => windows.push((
                group,
                LossWindow {
                    from: at,
                    to: at,
                    lost: 1,
                    faults: Vec::new(),
                },
            )),
        }
    }
    let told = windows.into_iter().map(|(_, mut window)| {
        let active = ledger
            .faults
            .iter()
            .filter(|fault| fault.from <= window.to && fault.to.is_none_or(|to| to >= window.from));
        window.faults = active.map(|fault| fault.event.in_words()).collect();
        window
    });
    told.collect()
}
