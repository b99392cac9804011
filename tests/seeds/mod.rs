//! A trial in memory with many seeds.

use std::path::Path;

use schism::commands::sim::on_all_cores;
use schism::plan::Plan;
use schism::report::verdict::RunVerdict;

pub(crate) const SEEDS: u64 = 20;

/// A trial of three nodes and six clients, with this system and these faults, and more of its
/// load.
pub(crate) fn trial(name: &str, system: &str, load: &str, rest: &str) -> Plan {
    let text = format!(
        "name = \"{name}\"\n{system}\n[lab]\nnodes = 3\n[load]\nclients = 6\ntime = \"2s\"\n\
         timeout = \"300ms\"\nkeys = 4\nrate = 400\n{load}\n{rest}"
    );
    Plan::parse(&text, Path::new(name)).unwrap_or_else(|error| panic!("{text}\n{error}"))
}

pub(crate) fn fault(kind: &str, target: &str) -> String {
    format!(
        "[[fault]]\nkind = \"{kind}\"\ntarget = \"{target}\"\nat = \"500ms\"\nfor = \"700ms\"\n"
    )
}

/// What came of every seed; each run proves something.
pub(crate) fn judged(plan: &Plan) -> Vec<RunVerdict> {
    let plans: Vec<Plan> = (1..=SEEDS)
        .map(|seed| Plan {
            seed,
            ..plan.clone()
        })
        .collect();
    let verdicts = on_all_cores(&plans);
    for verdict in &verdicts {
        let (name, seed, why) = (&plan.name, verdict.seed, &verdict.why);
        assert!(!verdict.claims.is_empty(), "{name}, seed {seed}: {why:?}");
    }
    verdicts
}
