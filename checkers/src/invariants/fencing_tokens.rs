//! Fencing tokens that rise; the page is `checkers/pages/fencing-tokens.md`.

use super::findings::{Findings, anomaly, on_node};
use super::locks::answer;
use super::ordered::{Entry, repeated, sweep};
use super::places::Places;
use crate::calls::Calls;
use crate::history::Kind;
use crate::{Budget, Checker, Report};

/// Every token of a lock is higher than those granted before, and no two are the same.
#[derive(Clone, Copy, Debug, Default)]
pub struct FencingTokens;

impl Checker for FencingTokens {
    fn name(&self) -> &'static str {
        "fencing-tokens"
    }

    fn judge(&self, calls: &Calls, _: &Budget) -> Report {
        let Some(acquire) = calls.function("acquire") else {
            return Report::undecided(self.name(), "needs acquire, which no client asked for");
        };
        let mut locks = Places::default();
        let mut findings = Findings::default();
        let mut granted: Vec<Entry> = Vec::new();
        let mut without = 0_usize;
        let count = u32::try_from(calls.len()).expect("calls are numbered with 32 bits");
        for call in 0..count {
            let at = call as usize;
            if calls.f[at] != acquire || calls.outcome[at] != Kind::Ok {
                continue;
            }
            let (Some(value), _) = answer(calls, call) else {
                without += 1;
                continue;
            };
            let object = locks.place((0, calls.key[at]));
            granted.push(Entry {
                object,
                value,
                call,
            });
        }
        repeated(
            &granted,
            |_| true,
            |before, call| {
                findings.add(|| {
                let (there, here) = (on_node(calls, before.call), on_node(calls, call.call));
                let conclusion = format!(
                    "Token {} was granted{there} and again{here}: who guards the resource cannot \
                     tell the two holders apart.",
                    call.value
                );
                let proof = [before.call, call.call];
                let key = calls.key[call.call as usize];
                anomaly(calls, "duplicate-token", key, &proof, [conclusion])
            });
            },
        );
        let tokens = granted.len();
        let mut pairs = 0_usize;
        let by = |one: &Entry| calls.ends[one.call as usize].into();
        let begins = |one: &Entry| calls.begins[one.call as usize].into();
        let later = granted.iter().copied();
        sweep(&granted, by, later, begins, |sooner, later| {
            pairs += 1;
            if later.value < sooner.value {
                findings.add(|| {
                    let conclusion = format!(
                        "Token {} is below token {}, which had been granted before it was asked \
                         for: the older holder shuts out the newer.",
                        later.value, sooner.value
                    );
                    let key = calls.key[later.call as usize];
                    let proof = [sooner.call, later.call];
                    anomaly(calls, "token-went-back", key, &proof, [conclusion])
                });
            }
        });
        let lacking = if tokens == 0 {
            Some("needs acquires that are answered with a fencing token".to_owned())
        } else if without > 0 {
            Some(format!(
                "needs a token in every acknowledged acquire; {without} had none"
            ))
        } else if pairs == 0 {
            Some("needs an acquire that began after another of that lock was granted".to_owned())
        } else {
            None
        };
        let mut report = findings.report(self.name(), lacking);
        report.figure("tokens", tokens);
        report.figure("tokens_after_another", pairs);
        report.figure("locks", locks.list().len());
        report
    }
}
