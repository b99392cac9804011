//! The smallest trial that still shows what a larger one showed.
//!
//! Pure: which smaller trials there are, and in which order they are tried. What is tried is
//! carried out by whoever asks.

use std::time::Duration;

use crate::plan::Plan;

/// No load is made shorter than this.
const SHORTEST: Duration = Duration::from_millis(50);

/// A slower load than this, in operations a second, is not tried.
const SLOWEST: u32 = 10;

/// What a closed loop is replaced with first, in operations a second.
const PACED: u32 = 1_000;

/// Makes a trial smaller, step by step, as long as `shows` says with which seed what is left
/// still shows it. Returns the smallest that was found.
///
/// **Cost**: each step halves or removes something, so the number of trials grows with the
/// logarithm of each number in the trial, times how often removing one thing makes another
/// removable; `shows` may answer none to everything to end it.
pub fn smallest(trial: &Plan, mut shows: impl FnMut(&Plan) -> Option<u64>) -> Plan {
    let mut smallest = trial.clone();
    loop {
        let mut progressed = false;
        for change in CHANGES {
            // What worked once is done again before anything else is tried.
            let mut place = 0;
            while let Some(smaller) = change(&smallest, place) {
                if smaller == smallest {
                    break;
                }
                match shows(&smaller) {
                    Some(seed) => {
                        smallest = Plan { seed, ..smaller };
                        progressed = true;
                    }
                    None => place += 1,
                }
            }
        }
        if !progressed {
            return smallest;
        }
    }
}

/// A trial made smaller at some place: the first, the second and so on; none if there is no
/// such place.
type Change = fn(&Plan, usize) -> Option<Plan>;

/// What matters most to a reader first.
const CHANGES: [Change; 12] = [
    without_fault,
    fault_once,
    fault_without_promotion,
    fewer_nodes,
    fewer_clients,
    fewer_keys,
    shorter,
    no_longer_than_faults,
    slower,
    sooner,
    fault_shorter,
    without_cas,
];

fn changed(plan: &Plan, change: impl FnOnce(&mut Plan)) -> Plan {
    let mut smaller = plan.clone();
    change(&mut smaller);
    smaller
}

/// The only place there is.
fn once(place: usize, smaller: Option<Plan>) -> Option<Plan> {
    smaller.filter(|_| place == 0)
}

fn without_fault(plan: &Plan, place: usize) -> Option<Plan> {
    plan.faults.get(place)?;
    Some(changed(plan, |smaller| {
        smaller.faults.remove(place);
    }))
}

fn fault_once(plan: &Plan, place: usize) -> Option<Plan> {
    let mut repeated = (0..plan.faults.len()).filter(|&at| plan.faults[at].every.is_some());
    let at = repeated.nth(place)?;
    Some(changed(plan, |smaller| smaller.faults[at].every = None))
}

fn fault_without_promotion(plan: &Plan, place: usize) -> Option<Plan> {
    let mut promoted = (0..plan.faults.len()).filter(|&at| plan.faults[at].promote_after.is_some());
    let at = promoted.nth(place)?;
    Some(changed(plan, |smaller| {
        smaller.faults[at].promote_after = None
    }))
}

fn fewer_nodes(plan: &Plan, place: usize) -> Option<Plan> {
    // Those that switches name may be needed; what cannot be carried out shows nothing.
    let nodes = (2..plan.lab.nodes).nth(place)?;
    Some(changed(plan, |smaller| smaller.lab.nodes = nodes))
}

/// Smaller numbers: one, then halfway there, a quarter off, one less.
fn less(number: u64, place: usize) -> Option<u64> {
    let mut all = vec![1, number / 2, number - number / 4, number.saturating_sub(1)];
    all.retain(|&smaller| smaller >= 1 && smaller < number);
    all.sort_unstable();
    all.dedup();
    all.get(place).copied()
}

fn fewer_clients(plan: &Plan, place: usize) -> Option<Plan> {
    let clients = less(plan.load.clients.into(), place)?;
    let clients = u32::try_from(clients).ok()?;
    Some(changed(plan, |smaller| smaller.load.clients = clients))
}

fn fewer_keys(plan: &Plan, place: usize) -> Option<Plan> {
    let keys = less(plan.load.keys as u64, place)?;
    let keys = usize::try_from(keys).ok()?;
    Some(changed(plan, |smaller| smaller.load.keys = keys))
}

fn shorter(plan: &Plan, place: usize) -> Option<Plan> {
    let time = plan.load.time;
    let shares = [time / 4, time / 2, time - time / 4, time - time / 10];
    let shorter = rounded(*shares.get(place)?);
    let shorter = (shorter >= SHORTEST && shorter < time).then_some(shorter)?;
    Some(changed(plan, |smaller| smaller.load.time = shorter))
}

fn no_longer_than_faults(plan: &Plan, place: usize) -> Option<Plan> {
    let ends = plan.faults.iter().map(|fault| fault.at + fault.lasts);
    let end = ends.max()?;
    let shorter = (end < plan.load.time).then_some(end);
    once(
        place,
        shorter.map(|end| changed(plan, |smaller| smaller.load.time = end)),
    )
}

fn slower(plan: &Plan, place: usize) -> Option<Plan> {
    let rate = match plan.load.rate {
        None => PACED,
        Some(rate) => rate / 2,
    };
    let slower = (rate >= SLOWEST).then_some(rate);
    once(
        place,
        slower.map(|rate| changed(plan, |smaller| smaller.load.rate = Some(rate))),
    )
}

/// All that happens after some moment happens earlier, and the load ends as much earlier.
fn sooner(plan: &Plan, place: usize) -> Option<Plan> {
    let fault = plan.faults.get(place)?;
    let by = rounded(fault.at / 2);
    (!by.is_zero()).then_some(())?;
    Some(changed(plan, |smaller| {
        let from = fault.at;
        for fault in smaller.faults.iter_mut().filter(|fault| fault.at >= from) {
            fault.at -= by;
        }
        smaller.load.time = smaller.load.time.saturating_sub(by).max(SHORTEST);
    }))
}

fn fault_shorter(plan: &Plan, place: usize) -> Option<Plan> {
    let fault = plan.faults.get(place)?;
    let lasts = rounded(fault.lasts / 2);
    // An operator who promotes does so while the fault lasts.
    let least = fault.promote_after.unwrap_or_default().max(SHORTEST);
    if lasts <= least {
        // At least what comes after is looked at.
        return fault_shorter_after(plan, place + 1);
    }
    Some(changed(plan, |smaller| smaller.faults[place].lasts = lasts))
}

fn fault_shorter_after(plan: &Plan, place: usize) -> Option<Plan> {
    (place < plan.faults.len())
        .then(|| fault_shorter(plan, place))
        .flatten()
}

fn without_cas(plan: &Plan, place: usize) -> Option<Plan> {
    let has = plan.load.cas_percent > 0;
    let without = has.then(|| changed(plan, |smaller| smaller.load.cas_percent = 0));
    once(place, without)
}

/// Whole hundredths of a second, so that the file reads well.
fn rounded(time: Duration) -> Duration {
    let hundredths = time.as_millis() / 10;
    Duration::from_millis(
        u64::try_from(hundredths)
            .unwrap_or(u64::MAX)
            .saturating_mul(10),
    )
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn trial() -> Plan {
        let text = "name = \"large\"\nseed = 3\n[load]\nworkload = \"register\"\nclients = 20\n\
                    time = \"10s\"\n[[fault]]\nkind = \"pause\"\ntarget = \"random\"\nat = \"1s\"\n\
                    for = \"1s\"\nevery = \"3s\"\n[[fault]]\nkind = \"kill\"\ntarget = \"leader\"\n\
                    at = \"4s\"\nfor = \"2s\"\npromote-after = \"500ms\"\n";
        Plan::parse(text, Path::new("large.toml")).expect("it is a trial")
    }

    #[test]
    fn what_matters_is_left_and_nothing_else() {
        // It takes a kill with a promotion, three clients and a load of at least two seconds.
        let mut tried = 0;
        let shows = |plan: &Plan| {
            tried += 1;
            let kill = plan.faults.iter().any(|f| f.promote_after.is_some());
            let enough = plan.load.clients >= 3 && plan.load.time >= Duration::from_secs(2);
            (kill && enough).then_some(plan.seed + 1)
        };
        let least = smallest(&trial(), shows);
        assert_eq!(least.faults.len(), 1, "{}", least.to_toml());
        assert_eq!(least.load.clients, 3);
        assert_eq!(least.load.keys, 1);
        assert_eq!(least.lab.nodes, 2);
        assert!(least.load.rate.is_some_and(|rate| rate < 2 * SLOWEST));
        assert!(
            least.load.time < Duration::from_millis(2_500),
            "{:?}",
            least.load.time
        );
        assert!(
            least.faults[0].lasts <= Duration::from_secs(1),
            "{:?}",
            least.faults
        );
        assert!(least.seed > 3, "the seed is the one that showed it");
        assert!(tried < 200, "{tried}");
        // It is a trial that can be read again.
        let again = Plan::parse(&least.to_toml(), Path::new("least.toml"));
        assert_eq!(again.expect("it is a trial"), least);
    }

    #[test]
    fn where_nothing_smaller_shows_it_nothing_changes() {
        let trial = trial();
        assert_eq!(smallest(&trial, |_| None), trial);
    }
}
