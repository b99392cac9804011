//! When things go wrong: a list of moments, and the generator that works through it.

use std::time::Duration;

use checkers::history::{F, Nanos, Op, Process, Value};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use workloads::generator::{Context, Generator, Invocation, Next};

use super::target::Target;

/// Something that goes wrong for a while.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct FaultPlan {
    /// What happens.
    pub kind: FaultKind,
    /// To whom.
    pub target: Target,
    /// When, since the load began.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub at: Duration,
    /// With kill and pause: not at once, but when the node next comes to this step of its
    /// protocol; of several targets the first that comes there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    /// For how long; with a step, also how long it may take until a node comes there.
    #[serde(rename = "for", with = "humantime_serde")]
    #[schemars(with = "String")]
    pub lasts: Duration,
    /// Again and again, this long after the last beginning.
    #[serde(
        default,
        with = "humantime_serde",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(with = "Option<String>")]
    pub every: Option<Duration>,
    /// The operator promotes a follower this long after the fault began.
    #[serde(
        default,
        with = "humantime_serde",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(with = "Option<String>")]
    pub promote_after: Option<Duration>,
    /// With `kind = "clock"`: wall clocks jump by so many milliseconds, back if below zero.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by_ms: Option<i64>,
    /// With `kind = "clock"`: clocks run faster by so many percent, or slower if below zero.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate_percent: Option<i64>,
    /// With `kind = "slow"`: messages take up to so many milliseconds, by chance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub up_to_ms: Option<u64>,
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FaultKind {
    /// Hosts no longer hear each other.
    Partition,
    /// The system's process is killed with SIGKILL, and started again.
    Kill,
    /// The system's process is stopped with SIGSTOP, and goes on.
    Pause,
    /// Clocks jump, or run at another rate, until they are set right. On hosts, those of the
    /// reference nodes' processes: a process that is killed comes back with clocks that are right.
    Clock,
    /// What clients ask arrives, and arrives again a little later. In memory only.
    Repeat,
    /// Messages take longer, each as long as chance will have it, so that they overtake each
    /// other. In memory only.
    Slow,
}

/// A step at which the nemesis is ordered to have a node fail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AtStep {
    /// Its name.
    pub step: String,
    /// How long it may take until a node comes there.
    pub within: Duration,
}

impl AtStep {
    /// The step that an order names, if it names one.
    #[must_use]
    pub fn of(order: &Invocation) -> Option<Self> {
        let step = order.value.get("step")?.as_str()?.to_owned();
        let within = order.value.get("within-ms").and_then(Value::as_int);
        let within = within.and_then(|within| u64::try_from(within).ok());
        let within = Duration::from_millis(within.unwrap_or_default());
        Some(Self { step, within })
    }
}

impl FaultKind {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Partition,
        Self::Kill,
        Self::Pause,
        Self::Clock,
        Self::Repeat,
        Self::Slow,
    ];

    /// Whether it can be done to hosts, and not to simulated nodes alone.
    #[must_use]
    pub fn is_for_hosts(self) -> bool {
        match self {
            Self::Partition | Self::Kill | Self::Pause | Self::Clock => true,
            Self::Repeat | Self::Slow => false,
        }
    }

    /// The targets that it can have, in words.
    #[must_use]
    pub fn targets(self) -> &'static str {
        match self {
            Self::Partition => "leader, follower, random, halves, one-way",
            Self::Kill | Self::Pause | Self::Clock | Self::Repeat => {
                "leader, follower, random, all"
            }
            Self::Slow => "all",
        }
    }

    /// The operation that begins it, as histories say it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Partition => "partition",
            Self::Kill => "kill",
            Self::Pause => "pause",
            Self::Clock => "clock",
            Self::Repeat => "repeat",
            Self::Slow => "slow",
        }
    }

    /// The operation that undoes it.
    #[must_use]
    pub fn undone_by(self) -> &'static str {
        match self {
            Self::Partition => "heal",
            Self::Kill => "start",
            Self::Pause => "resume",
            Self::Clock => "reset-clock",
            Self::Repeat => "repeat-no-more",
            Self::Slow => "fast",
        }
    }
}

impl FaultPlan {
    /// Checks that it can happen.
    ///
    /// # Errors
    ///
    /// What is wrong with it, in words.
    pub fn validate(&self) -> Result<(), String> {
        let partition_only = matches!(self.target, Target::Halves | Target::OneWay);
        if partition_only && self.kind != FaultKind::Partition {
            let target = self.target.as_str();
            return Err(format!(
                "the target {target:?} is for partitions only; choose leader, follower, random or all"
            ));
        }
        if self.step.is_some() && !matches!(self.kind, FaultKind::Kill | FaultKind::Pause) {
            return Err(format!(
                "step is for kill and pause: a {} hits at once",
                self.kind.as_str()
            ));
        }
        if self.kind == FaultKind::Partition && self.target == Target::All {
            return Err("a partition cannot hit all nodes; choose halves, or one of them".into());
        }
        let changes_clocks = self.by_ms.is_some() || self.rate_percent.is_some();
        if changes_clocks != (self.kind == FaultKind::Clock) {
            return Err(
                "a clock fault, and no other, says by-ms (as -2000), rate-percent (as -75) or both"
                    .into(),
            );
        }
        if self.up_to_ms.is_some() != (self.kind == FaultKind::Slow) {
            return Err("a fault of kind slow, and no other, says up-to-ms (as 20)".into());
        }
        if self.kind == FaultKind::Slow && self.target != Target::All {
            return Err("all links are slow or none: the target of slow is all".into());
        }
        if self.rate_percent.is_some_and(|percent| percent <= -100) {
            return Err("rate-percent must be above -100: clocks never stand still".into());
        }
        if self.lasts.is_zero() || self.every.is_some_and(|every| every <= self.lasts) {
            return Err("a fault must last longer than 0s, and end before it comes again".into());
        }
        Ok(())
    }
}

/// Something that the nemesis is to do at a moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moment {
    /// Since the load began.
    pub at: Duration,
    /// What.
    pub order: Invocation,
}

/// The moments of a plan's faults within `load`, by time. A fault that would begin after the
/// load is left out; one that would outlast it is undone with the healing after the load.
#[must_use]
pub fn moments(faults: &[FaultPlan], load: Duration) -> Vec<Moment> {
    let mut moments = Vec::new();
    for fault in faults {
        let mut at = fault.at;
        while at < load {
            moments.extend(
                occurrence(fault, at)
                    .into_iter()
                    .filter(|moment| moment.at < load),
            );
            let Some(every) = fault.every else { break };
            at += every;
        }
    }
    moments.sort_by_key(|moment| moment.at);
    moments
}

/// One occurrence: the fault, the operator's promotion where there is one, and the undoing.
fn occurrence(fault: &FaultPlan, at: Duration) -> Vec<Moment> {
    let order = |f: &'static str, value| Invocation::new(F::new(f), None, value);
    let mut target = vec![("target", Value::str(fault.target.as_str()))];
    if let Some(step) = &fault.step {
        let within = i64::try_from(fault.lasts.as_millis()).unwrap_or(i64::MAX);
        target.extend([
            ("step", Value::str(step)),
            ("within-ms", Value::Int(within)),
        ]);
    }
    let up_to_ms = fault.up_to_ms.and_then(|ms| i64::try_from(ms).ok());
    let numbers = [
        ("by-ms", fault.by_ms),
        ("rate-percent", fault.rate_percent),
        ("up-to-ms", up_to_ms),
    ];
    target.extend(
        numbers
            .into_iter()
            .filter_map(|(name, number)| Some((name, Value::Int(number?)))),
    );
    let target = Value::map(target);
    let (begin, end) = (fault.kind.as_str(), fault.kind.undone_by());
    let mut moments = vec![Moment {
        at,
        order: order(begin, target),
    }];
    if let Some(wait) = fault.promote_after {
        moments.push(Moment {
            at: at + wait,
            order: order("promote", Value::Nil),
        });
    }
    moments.push(Moment {
        at: at + fault.lasts,
        order: order(end, Value::Nil),
    });
    moments
}

/// Works through moments, each as soon as its time has come and the one before is done.
#[derive(Clone, Debug)]
pub struct Timeline {
    origin: Nanos,
    moments: std::collections::VecDeque<Moment>,
}

impl Timeline {
    /// The moments count from `origin`.
    #[must_use]
    pub fn new(origin: Nanos, moments: Vec<Moment>) -> Self {
        Self {
            origin,
            moments: moments.into(),
        }
    }
}

impl Generator for Timeline {
    fn next(&mut self, ctx: &mut Context<'_>) -> Next {
        let Some(first) = self.moments.front() else {
            return Next::Done;
        };
        let due = self.origin + u64::try_from(first.at.as_nanos()).unwrap_or(u64::MAX);
        if ctx.now < due || !ctx.free.contains(&Process::Nemesis) {
            return Next::Wait { until: Some(due) };
        }
        let moment = self.moments.pop_front().expect("it was just looked at");
        Next::Invoke(Process::Nemesis, moment.order)
    }

    fn update(&mut self, _: &Context<'_>, _: &Op) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(at: u64, lasts: u64) -> FaultPlan {
        FaultPlan {
            kind: FaultKind::Kill,
            target: Target::Leader,
            step: None,
            at: Duration::from_secs(at),
            lasts: Duration::from_secs(lasts),
            every: None,
            promote_after: Some(Duration::from_millis(300)),
            by_ms: None,
            rate_percent: None,
            up_to_ms: None,
        }
    }

    fn told(moments: &[Moment]) -> Vec<(u128, String)> {
        moments
            .iter()
            .map(|m| (m.at.as_millis(), m.order.f.to_string()))
            .collect()
    }

    #[test]
    fn a_fault_is_followed_by_its_undoing() {
        let moments = moments(&[fault(2, 1)], Duration::from_secs(5));
        let expected = [(2000, "kill"), (2300, "promote"), (3000, "start")];
        assert_eq!(told(&moments), expected.map(|(at, f)| (at, f.to_owned())));
    }

    #[test]
    fn repeats_end_with_the_load() {
        let repeated = FaultPlan {
            every: Some(Duration::from_secs(2)),
            ..fault(1, 1)
        };
        let moments = moments(&[repeated], Duration::from_secs(4));
        assert_eq!(moments.iter().filter(|m| m.order.f == "kill").count(), 2);
        // The second start would come with the end of the load and is left to the healing.
        assert_eq!(moments.iter().filter(|m| m.order.f == "start").count(), 1);
    }
}
