//! Several checkers as one: the worst verdict stands.

use std::num::NonZero;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::available_parallelism;

use crate::calls::Calls;
use crate::{Budget, Checker, Report, Verdict};

/// All of several checkers. **Cost**: theirs, side by side on all cores.
pub struct AllOf {
    name: String,
    checkers: Vec<Box<dyn Checker>>,
}

impl AllOf {
    /// Runs `checkers` in this order; their reports become the parts of one.
    #[must_use]
    pub fn new(name: &str, checkers: Vec<Box<dyn Checker>>) -> Self {
        Self {
            name: name.to_owned(),
            checkers,
        }
    }
}

impl Checker for AllOf {
    fn name(&self) -> &str {
        &self.name
    }

    fn judge(&self, calls: &Calls, budget: &Budget) -> Report {
        of_parts(&self.name, side_by_side(&self.checkers, calls, budget))
    }
}

/// One report of several: the worst verdict stands.
pub(crate) fn of_parts(name: &str, parts: Vec<Report>) -> Report {
    let Some(worst) = parts.iter().map(|part| part.verdict).max() else {
        return Report::undecided(name, "it has no parts; nothing was checked");
    };
    let mut report = Report::new(name, worst);
    if worst == Verdict::Undecided {
        let open = parts.iter().filter_map(|part| {
            let why = part.why.as_ref()?;
            Some(format!("{}: {why}", part.checker))
        });
        report.why = Some(open.collect::<Vec<_>>().join("; "));
    }
    report.parts = parts;
    report
}

/// The reports of several checkers on one history, in their order. Each is taken up as soon as
/// a core is free.
///
/// # Panics
///
/// Never: what panics inside a checker is [`guarded`].
#[must_use]
pub fn side_by_side(checkers: &[Box<dyn Checker>], calls: &Calls, budget: &Budget) -> Vec<Report> {
    let next = AtomicUsize::new(0);
    let reports: Vec<OnceLock<Report>> = checkers.iter().map(|_| OnceLock::new()).collect();
    let work = || {
        while let place = next.fetch_add(1, Ordering::Relaxed)
            && let Some(checker) = checkers.get(place)
        {
            let report = guarded(&**checker, calls, budget);
            reports[place]
                .set(report)
                .expect("each place is taken once");
        }
    };
    let cores = available_parallelism().map_or(1, NonZero::get);
    std::thread::scope(|scope| {
        for _ in 1..cores.min(checkers.len()) {
            scope.spawn(work);
        }
        work();
    });
    let reports = reports.into_iter().map(OnceLock::into_inner);
    reports
        .map(|report| report.expect("every place was taken"))
        .collect()
}

/// Runs a checker; if it panics, that is our fault and proves nothing: its report is
/// undecided and says so.
#[must_use]
pub fn guarded(checker: &dyn Checker, calls: &Calls, budget: &Budget) -> Report {
    // A checker keeps no state between calls, so nothing half-changed can be seen later.
    catch_unwind(AssertUnwindSafe(|| checker.judge(calls, budget))).unwrap_or_else(|panic| {
        let message = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| panic.downcast_ref::<&str>().copied())
            .unwrap_or("without a message");
        let why = format!("the checker itself failed, which is a bug of ours: {message}");
        Report::undecided(checker.name(), why)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::notation::h;

    struct Says(&'static str, Verdict);

    impl Checker for Says {
        fn name(&self) -> &str {
            self.0
        }

        fn judge(&self, _: &Calls, _: &Budget) -> Report {
            Report::new(self.0, self.1)
        }
    }

    struct Panics;

    impl Checker for Panics {
        fn name(&self) -> &str {
            "panics"
        }

        fn judge(&self, _: &Calls, _: &Budget) -> Report {
            panic!("an invariant is broken: {}", 7)
        }
    }

    fn all(checkers: Vec<Box<dyn Checker>>) -> Report {
        AllOf::new("all", checkers).check(&h("0:r 0:ok=nil"), &Budget::unlimited())
    }

    #[test]
    fn the_worst_verdict_stands() {
        use Verdict::{Held, Undecided, Violated};
        let says = |verdict| Box::new(Says("says", verdict)) as Box<dyn Checker>;
        assert_eq!(all(vec![says(Held), says(Held)]).verdict, Held);
        assert_eq!(all(vec![says(Undecided), says(Held)]).verdict, Undecided);
        let all_three = all(vec![says(Held), says(Violated), says(Undecided)]);
        assert_eq!(all_three.verdict, Violated);
        assert_eq!(all_three.parts.len(), 3);
        assert_eq!(all(Vec::new()).verdict, Undecided);
    }

    #[test]
    fn a_panic_inside_is_undecided_and_says_why() {
        let report = all(vec![
            Box::new(Panics),
            Box::new(Says("says", Verdict::Held)),
        ]);
        assert_eq!(report.verdict, Verdict::Undecided);
        assert!(report.why.unwrap().contains("an invariant is broken: 7"));
    }
}
