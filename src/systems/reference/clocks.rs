//! Clocks that go wrong on hosts: the nodes' own, which they set when they are told to; a host's
//! is left alone. The proof compares what a node's clocks show with the clock of its host.

use std::time::Duration;

use fixtures::protocol::{ClockShows, SetClock};

use super::Nodes;
use super::operator::system;
use crate::cluster::{Clocks, DbError, Job, Node};
use crate::remote::Command;

const PATH: &str = "/admin/clock";
/// Between two looks at a clock, which tell how fast it runs.
const BETWEEN: Duration = Duration::from_millis(60);
/// How often it is looked at again before it is given up.
const LOOKS: usize = 8;

/// What a node's clocks showed at some time between two on its host's clock, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Look {
    after: i128,
    before: i128,
    shows: ClockShows,
}

impl Look {
    /// By how much the wall clock is ahead, at least and at most.
    fn ahead(&self) -> (i128, i128) {
        let wall = i128::from(self.shows.wall_ns);
        (wall - self.before, wall - self.after)
    }
}

impl Clocks for Nodes {
    fn set<'a>(&'a self, node: &'a Node, ahead_ms: i64, rate_percent: i64) -> Job<'a, String> {
        Box::pin(async move {
            let order = SetClock {
                ahead_ms,
                rate_percent,
            };
            let begun = self.host_clock(node).await?;
            let _shows: ClockShows = self.ask(node, PATH, Some(&order)).await?;
            let first = self.look(node).await?;
            let mut cause = String::new();
            for _ in 0..LOOKS {
                tokio::time::sleep(BETWEEN).await;
                let second = self.look(node).await?;
                match proof(&order, begun, &first, &second) {
                    Ok(proof) => return Ok(format!("{}: {proof}", node.name)),
                    Err(why) => cause = why,
                }
            }
            Err(system("set the clocks", &node.name, cause))
        })
    }
}

impl Nodes {
    async fn look(&self, node: &Node) -> Result<Look, DbError> {
        let after = self.host_clock(node).await?;
        let shows = self.ask(node, PATH, None::<&()>).await?;
        let before = self.host_clock(node).await?;
        Ok(Look {
            after,
            before,
            shows,
        })
    }

    /// What the host's wall clock shows, in nanoseconds since 1970.
    async fn host_clock(&self, node: &Node) -> Result<i128, DbError> {
        let command = Command::args(["date", "+%s%N"]);
        let told = node.remote.run(&command).await?.stdout;
        told.trim().parse().map_err(|_| {
            let cause = format!("its date says {:?}, and not nanoseconds", told.trim());
            system("read the clock of the host", &node.name, cause)
        })
    }
}

/// That two looks are of a clock as it was ordered, after `begun`, to be, and not of one that is
/// right; or what speaks against it, or leaves it open.
fn proof(order: &SetClock, begun: i128, first: &Look, second: &Look) -> Result<String, String> {
    let ordered = i128::from(order.ahead_ms) * 1_000_000;
    // What it has gained since it was set.
    let gained = (first.before - begun) * i128::from(order.rate_percent) / 100;
    let (least, most) = first.ahead();
    let in_ms = |nanos: i128| nanos / 1_000_000;
    let fits = least <= ordered + gained.max(0) && ordered + gained.min(0) <= most;
    let is_right = least <= 0 && 0 <= most;
    if !fits || (order.ahead_ms != 0 && is_right) {
        return Err(format!(
            "it was set {} ms ahead of its host's clock, and is ahead by {} to {} ms",
            order.ahead_ms,
            in_ms(least),
            in_ms(most)
        ));
    }
    let showed = i128::from(second.shows.monotonic_ns) - i128::from(first.shows.monotonic_ns);
    let (shortest, longest) = (second.after - first.before, second.before - first.after);
    // In percent of the host's: what it showed is at least `least` of the longest time that can
    // have passed, and at most `most` of the shortest.
    let least = showed * 100 / longest.max(1);
    let most = showed * 100 / shortest.max(1) + 1;
    let ordered = i128::from(100 + order.rate_percent).max(0);
    let is_right = least <= 100 && 100 <= most;
    if !(least..=most).contains(&ordered) || (order.rate_percent != 0 && is_right) {
        return Err(format!(
            "it was to run at {ordered} % of its host's clock, and runs at {least} to {most} %"
        ));
    }
    let (least_ahead, most_ahead) = first.ahead();
    Ok(format!(
        "ahead of its host by {} to {} ms, at {least} to {most} % of its rate",
        in_ms(least_ahead),
        in_ms(most_ahead)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: i128 = 1_000_000;

    /// A look at 10 ms of the host's clock and at most 4 ms later, at a clock that was set at 5
    /// ms and runs at so many percent.
    fn look(at: i128, ahead_ms: i128, percent: i128) -> Look {
        let true_now = at + 2 * MS;
        let gained = (true_now - 5 * MS) * (percent - 100) / 100;
        let narrow = |nanos: i128| u64::try_from(nanos).unwrap();
        Look {
            after: at,
            before: at + 4 * MS,
            shows: ClockShows {
                wall_ns: narrow(true_now + ahead_ms * MS + gained),
                monotonic_ns: narrow(true_now + gained),
            },
        }
    }

    fn told(order: (i64, i64), is: (i128, i128), apart: i128) -> Result<String, String> {
        let order = SetClock {
            ahead_ms: order.0,
            rate_percent: order.1,
        };
        let start = 10_000 * MS;
        let at = |at| look(start + at, is.0, is.1);
        let mut first = at(0);
        // It was set a moment before.
        let since = (start + 2 * MS - 5 * MS) * (is.1 - 100) / 100;
        let right = |shows: u64| u64::try_from(i128::from(shows) - since).unwrap();
        first.shows.wall_ns = right(first.shows.wall_ns);
        first.shows.monotonic_ns = right(first.shows.monotonic_ns);
        let mut second = at(apart * MS);
        second.shows.wall_ns = right(second.shows.wall_ns);
        second.shows.monotonic_ns = right(second.shows.monotonic_ns);
        proof(&order, start - 3 * MS, &first, &second)
    }

    #[test]
    fn a_clock_that_is_as_ordered_is_told_from_one_that_is_right() {
        assert!(told((-2_000, -75), (-2_000, 25), 60).is_ok());
        assert!(told((0, 0), (0, 100), 60).is_ok());
        assert!(told((500, 0), (500, 100), 60).is_ok());
        assert!(told((0, 50), (0, 150), 60).is_ok());
        // The order was not carried out, or not taken back.
        assert!(told((-2_000, 0), (0, 100), 60).is_err());
        assert!(told((0, -75), (0, 100), 60).is_err());
        assert!(told((0, 0), (-2_000, 100), 60).is_err());
        assert!(told((0, 0), (0, 25), 60).is_err());
        assert!(told((-2_000, -75), (-2_000, 100), 60).is_err());
        // Too small, or seen for too short a time, to be told from a right clock.
        assert!(told((1, 0), (1, 100), 60).is_err());
        assert!(told((0, -10), (0, 90), 5).is_err());
    }
}
