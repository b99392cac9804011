//! Logs in Kafka's style: what was sent stands at one offset, and is polled in order.
//!
//! **Claim**: a log holds at each offset one value for ever, each value once; whoever polls sees
//! the offsets in order and without gaps; what was acknowledged is not passed over; nothing is
//! polled that nobody sent.
//!
//! | word | meaning |
//! |---|---|
//! | **inconsistent offsets** | an offset at which different values were seen |
//! | **duplicate** | a value that stands at several offsets |
//! | **lost write** | acknowledged at an offset that a poll got beyond, and never polled |
//! | unseen | acknowledged and never polled, and no poll got beyond it, or its offset is not known: the history does not tell |
//! | **aborted read** | polled although its send failed |
//! | **phantom value** | polled although nobody had begun to send it |
//! | **poll skip** | a consumer passed over an offset that holds a value, in one poll ("int-poll-skip") or from one to the next |
//! | **nonmonotonic poll** | a consumer went back or stayed, in one poll ("int-nonmonotonic-poll") or from one to the next |
//! | **nonmonotonic send** | a process sent one value after another, and the offset of the later is not higher |
//! | send inversion | the same of two processes, the one send over before the other began: counted only |
//! | lag | the time from when the next message after those that a poll returned was known to be there, to the start of that poll |
//!
//! A consumer is a process. It starts over when it is assigned its logs or subscribes; between
//! polls of one that subscribed, skips and repeats are counted apart, since its logs may be given
//! to another and back. A poll whose argument is a map from logs to offsets reads on from there:
//! what it passes over and what is before are told by those offsets, and it gets beyond nothing
//! that stands before them. Every other consumer is taken to start at the beginning of a log,
//! unless some poll is of unknown outcome: then others may go on where that one ended, and a
//! consumer passes over only what stands between two messages that it got itself.
//!
//! Offsets need not be next to one another: what counts are those that hold something.
//!
//! **Needs**: `send` and `poll` with offsets, as the table of its reader (`log/parse.rs`) has them; values that are
//! unique in a log; polls until everything was read. Repeated values are called duplicates only
//! if they were sent once. What is unseen leaves the claim undecided.
//!
//! **Figures**: `logs`, `sends`, `acknowledged`, `polls`, `polled` (messages in them), `seen`
//! (different values), `polled_again`, `lost`, `unseen`, `inconsistent_offsets`, `duplicates`,
//! `aborted_reads`, `phantoms`, `poll_skips`, `nonmonotonic_polls`, `rebalanced_skips`,
//! `rebalanced_repeats`, `nonmonotonic_sends`, `send_inversions`, `values_sent_again`,
//! `lagging_polls`, `lag_p50_us`, `lag_p99_us`, `lag_max_us`.
//!
//! **Cost**: linear in operations and messages polled where offsets are close together; at most
//! 64 bytes an operation where each message is polled once.
//!
//! **Source**: Jepsen's Kafka test (jepsen.tests.kafka); lag is the certain age of Golab, Li and
//! Shah with offsets as versions.

mod gather;
mod judge;
mod parse;

use std::collections::BTreeMap;

use crate::calls::Calls;
use crate::counts::Counts;
use crate::percentile::percentile;
use crate::{Anomaly, Budget, Checker, Report, Verdict};
use gather::Logs;
use judge::Judge;

/// Judges logs; see the [module](self).
#[derive(Clone, Copy, Debug, Default)]
pub struct Log;

impl Log {
    /// How many anomalies of each name are written out.
    pub const LISTED: usize = 10;
}

/// What was found of all logs so far.
#[derive(Default)]
struct Tally {
    counts: Counts,
    anomalies: BTreeMap<&'static str, Vec<Anomaly>>,
    /// Of polls that lagged.
    lags: Vec<u64>,
    polls: usize,
}

impl Tally {
    fn add(&mut self, name: &'static str, count: usize) {
        self.counts.add(name, count);
    }

    /// Whether one more of that name is to be written out.
    fn is_open(&self, name: &str) -> bool {
        self.anomalies
            .get(name)
            .is_none_or(|list| list.len() < Log::LISTED)
    }

    fn list(&mut self, name: &'static str, anomaly: Anomaly) {
        self.anomalies.entry(name).or_default().push(anomaly);
    }
}

const FIGURES: [&str; 19] = [
    "logs",
    "sends",
    "acknowledged",
    "polls",
    "polled",
    "seen",
    "polled_again",
    "lost",
    "unseen",
    "inconsistent_offsets",
    "duplicates",
    "aborted_reads",
    "phantoms",
    "poll_skips",
    "nonmonotonic_polls",
    "rebalanced_skips",
    "rebalanced_repeats",
    "nonmonotonic_sends",
    "send_inversions",
];

/// What must not be.
const BAD: [&str; 8] = [
    "lost",
    "inconsistent_offsets",
    "duplicates",
    "aborted_reads",
    "phantoms",
    "poll_skips",
    "nonmonotonic_polls",
    "nonmonotonic_sends",
];

impl Checker for Log {
    fn name(&self) -> &str {
        "log"
    }

    fn judge(&self, calls: &Calls, budget: &Budget) -> Report {
        let logs = Logs::of(calls);
        let mut tally = Tally::default();
        let mut slots = vec![0_u32; calls.values.len()];
        for log in 0..logs.list.len() {
            if budget.is_spent() {
                let why = "the budget was spent before every log was judged";
                return Report::undecided(self.name(), why);
            }
            tally.add("logs", 1);
            Judge::of(calls, &logs, log, &mut slots).judge(&mut tally);
        }
        report(self.name(), &logs, tally)
    }
}

fn report(name: &str, logs: &Logs, mut tally: Tally) -> Report {
    let mut report = Report::new(name, Verdict::Held);
    for name in FIGURES.into_iter().chain(["values_sent_again"]) {
        report.figure(name, tally.counts.of(name));
    }
    report.figure("lagging_polls", tally.lags.len());
    let zeros = tally.polls.saturating_sub(tally.lags.len());
    tally.lags.sort_unstable();
    for (percent, word) in [(50, "p50"), (99, "p99"), (100, "max")] {
        // Polls that did not lag come first.
        let place = (tally.polls.saturating_sub(1) * percent).div_ceil(100);
        let lag = match place.checked_sub(zeros) {
            Some(place) => tally.lags.get(place).copied(),
            None => Some(0),
        };
        let lag = lag.or_else(|| percentile(&tally.lags, 100)).unwrap_or(0);
        report.figure(&format!("lag_{word}_us"), lag / 1_000);
    }
    let number = |name: &str| report.number(name).unwrap_or(0);
    let bad: i64 = BAD.iter().map(|name| number(name)).sum();
    let why = if number("sends") == 0 || number("polled") == 0 {
        Some("needs sends to logs and polls that return their messages".to_owned())
    } else if let Some((index, reason)) = &logs.unreadable {
        Some(format!(
            "{} operations could not be read; the first, at index {index}: {reason}",
            logs.unreadable_count
        ))
    } else if number("acknowledged") == 0 {
        Some("needs acknowledged sends; nothing could be lost".to_owned())
    } else if number("unseen") > 0 {
        Some(format!(
            "needs polls up to the end of each log; {} acknowledged messages were never polled",
            number("unseen")
        ))
    } else if number("values_sent_again") > 0 {
        Some("needs values that are sent once; some were sent again".to_owned())
    } else {
        None
    };
    report.anomalies = tally.anomalies.into_values().flatten().collect();
    if bad > 0 {
        report.verdict = Verdict::Violated;
    } else if why.is_some() {
        report.verdict = Verdict::Undecided;
        report.why = why;
    }
    report
}

#[cfg(test)]
mod tests;
