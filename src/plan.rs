//! All that one run needs, as a value: written as TOML, printed, saved, loaded again.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use checkers::Budget;
use checkers::calls::Calls;
use checkers::history::History;
use fixtures::config::{Conflict, LeaderlessMode, Mode, MultiLeaderMode, RaftMode, Replication};
use fixtures::failpoint::Failpoint;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use workloads::{Options, Workload};

use crate::claim::{Claim, Expected};
use crate::client::Clientele;
use crate::client::Route;
use crate::cluster::{DbError, Node};
use crate::image::Recipe;
use crate::inventory::Host;
use crate::nemesis::schedule::{FaultKind, FaultPlan};
use crate::suggest;
use crate::systems::reference::{self, Switches};
use crate::systems::{Surroundings, System, etcd, postgresql, redis};

pub use crate::systems::SystemName;

/// A trial: what is tested, with which load and faults, and what is expected.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Plan {
    /// Names the run's directory; letters, digits and `-`.
    pub name: String,
    /// Every random choice of the run comes from this number.
    #[serde(default = "default_seed")]
    pub seed: u64,
    /// What the rows of a campaign's table are called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<Label>,
    /// A file with hosts of your own, relative to the trial file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inventory: Option<PathBuf>,
    /// The system under test.
    #[serde(default)]
    pub system: SystemName,
    /// The switches of the leader–follower system.
    #[serde(default, skip_serializing_if = "is_default")]
    #[schemars(with = "serde_json::Value")]
    pub leader_follower: Switches<Mode>,
    /// Those of the nodes that agree by Raft.
    #[serde(default, skip_serializing_if = "is_default")]
    #[schemars(with = "serde_json::Value")]
    pub raft: Switches<RaftMode>,
    /// Those of the nodes with several leaders.
    #[serde(default, skip_serializing_if = "is_default")]
    #[schemars(with = "serde_json::Value")]
    pub multi_leader: Switches<MultiLeaderMode>,
    /// Those of the nodes without leaders.
    #[serde(default, skip_serializing_if = "is_default")]
    #[schemars(with = "serde_json::Value")]
    pub leaderless: Switches<LeaderlessMode>,
    /// The options of etcd.
    #[serde(default, skip_serializing_if = "is_default")]
    pub etcd: etcd::Options,
    /// The options of Redis.
    #[serde(default, skip_serializing_if = "is_default")]
    pub redis: redis::Options,
    /// The options of PostgreSQL.
    #[serde(default, skip_serializing_if = "is_default")]
    pub postgresql: postgresql::Options,
    /// Which operations, by how many clients, for how long.
    #[serde(default)]
    pub load: Load,
    /// What goes wrong and when.
    #[serde(default, rename = "fault", skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<FaultPlan>,
    /// What must come out; a run with expectations succeeds when all of them are met.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub expect: BTreeMap<Claim, Expected>,
    /// The hosts of the embedded lab; without meaning where hosts are given.
    #[serde(default)]
    pub lab: LabPlan,
    /// Hosts of your own, instead of the embedded lab.
    #[serde(default, rename = "host", skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<serde_json::Value>")]
    pub hosts: Vec<Host>,
}

/// What a row of a campaign's table is called.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Label {
    /// The replication mode.
    pub mode: String,
    /// What goes wrong.
    pub fault: String,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

fn default_seed() -> u64 {
    1
}

/// The embedded lab.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct LabPlan {
    /// How many hosts.
    #[serde(default = "default_nodes")]
    pub nodes: u8,
    /// What its hosts have besides the machine's own software; left out, what the system needs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<Recipe>,
}

fn default_nodes() -> u8 {
    5
}

impl Default for LabPlan {
    fn default() -> Self {
        Self {
            nodes: default_nodes(),
            image: None,
        }
    }
}

/// Which operations, by how many clients, for how long.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Load {
    /// The workload's name; `schism list workloads` has them.
    pub workload: String,
    /// How many clients at once.
    pub clients: u32,
    /// For how long, before the final reads.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub time: Duration,
    /// Open loop: operations a second over all clients, begun whether or not earlier ones have
    /// ended, as long as a client is free. Without it each client asks again as soon as it is
    /// answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<u32>,
    /// How long one operation may take.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub timeout: Duration,
    /// Which node a client asks.
    pub clients_ask: Route,
    /// The share of reads among the operations, in percent.
    pub read_percent: u8,
    /// The share of compare-and-set among the writes to registers, in percent.
    #[serde(skip_serializing_if = "is_default")]
    pub cas_percent: u8,
    /// The share of decrements among the changes of counters, in percent.
    #[serde(skip_serializing_if = "is_default")]
    pub decrement_percent: u8,
    /// How many registers are in use at a time.
    pub keys: usize,
    /// A register is retired after so many writes, and a fresh one takes its place.
    pub writes_per_key: u32,
    /// How long the nodes get, after the faults are healed, to become equal.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub recovery: Duration,
    /// End the load with the first operation on a register that certainly contradicts
    /// linearizability; healing, the final reads and the judgement follow as usual.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub stop_on_first: bool,
}

impl Default for Load {
    fn default() -> Self {
        Self {
            workload: "mixed".into(),
            clients: 20,
            time: Duration::from_secs(5),
            rate: None,
            timeout: Duration::from_millis(500),
            clients_ask: Route::Leader,
            read_percent: 50,
            cas_percent: 0,
            decrement_percent: 0,
            keys: 10,
            writes_per_key: 50,
            recovery: Duration::from_secs(10),
            stop_on_first: false,
        }
    }
}

/// A plan that cannot be carried out: what, where, how to mend it.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// The file could not be read.
    #[error("cannot read {path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The file is not a plan.
    #[error("{path}, line {line}: {reason}")]
    Syntax {
        /// The file.
        path: PathBuf,
        /// The line, counted from one.
        line: usize,
        /// What is wrong, and what was probably meant.
        reason: String,
    },
    /// The values do not go together.
    #[error("{path}: {reason}")]
    Meaning {
        /// The file.
        path: PathBuf,
        /// What is wrong, and how to mend it.
        reason: String,
    },
}

impl Plan {
    /// Reads a trial file, and the inventory that it names.
    ///
    /// # Errors
    ///
    /// [`PlanError`], which names the line and what was probably meant.
    pub fn load(path: &Path) -> Result<Self, PlanError> {
        let text = std::fs::read_to_string(path).map_err(|source| PlanError::Io {
            path: path.to_owned(),
            source,
        })?;
        let mut plan = Self::parse(&text, path)?;
        if let Some(inventory) = plan.inventory.take() {
            let file = path.parent().unwrap_or(Path::new(".")).join(inventory);
            plan.hosts = crate::inventory::load(&file).map_err(|error| PlanError::Meaning {
                path: file,
                reason: error.to_string(),
            })?;
        }
        Ok(plan)
    }

    /// Reads a plan from text; `path` is what errors call it.
    ///
    /// # Errors
    ///
    /// As [`Plan::load`].
    pub fn parse(text: &str, path: &Path) -> Result<Self, PlanError> {
        let plan: Self = toml::from_str(text).map_err(|error| PlanError::Syntax {
            path: path.to_owned(),
            line: line_of(text, error.span().map_or(0, |span| span.start)),
            reason: suggest::with_suggestion(error.message()),
        })?;
        let meaning = |reason| PlanError::Meaning {
            path: path.to_owned(),
            reason,
        };
        plan.validate().map_err(meaning)?;
        Ok(plan)
    }

    /// The plan as a trial file.
    ///
    /// # Panics
    ///
    /// Never: every plan has a form in TOML.
    #[must_use]
    pub fn to_toml(&self) -> String {
        toml::to_string_pretty(self).expect("every plan has a form in TOML")
    }

    /// What the plan chooses of its workload.
    ///
    /// # Panics
    ///
    /// If the plan was not validated and names no workload that exists.
    #[must_use]
    pub fn workload(&self) -> Workload {
        let options = Options {
            read_percent: self.load.read_percent.into(),
            cas_percent: self.load.cas_percent.into(),
            decrement_percent: self.load.decrement_percent.into(),
            active_keys: self.load.keys,
            writes_per_key: self.load.writes_per_key,
            ..Options::default()
        };
        let about = workloads::find(&self.load.workload);
        about
            .expect("a validated plan names a workload that exists")
            .build(&options)
    }

    /// What the workload claims: every claim that one of its checkers judges.
    ///
    /// # Panics
    ///
    /// If the plan was not validated and names no workload that exists.
    #[must_use]
    pub fn claims(&self) -> Vec<Claim> {
        let nothing = Calls::of(&History::default());
        let report = self
            .workload()
            .checker
            .judge(&nothing, &Budget::unlimited());
        let judged = crate::run::flat(report).into_iter();
        judged
            .filter_map(|report| Claim::of_checker(&report.checker))
            .collect()
    }

    /// A trial of that system, with everything else as it is by default. It is not validated: the
    /// system need not speak the operations of the default workload.
    ///
    /// # Panics
    ///
    /// Never: a name and a system have the form of a trial.
    #[must_use]
    pub fn of_system(system: SystemName) -> Self {
        let text = format!("name = {0:?}\nsystem = {0:?}\n", system.as_str());
        toml::from_str(&text).expect("a name and a system have the form of a trial")
    }

    /// What the lab's hosts need besides the machine's own software.
    #[must_use]
    pub fn image(&self) -> Recipe {
        let own = self.lab.image.clone();
        own.unwrap_or_else(|| self.recipe())
    }

    /// The clients of the plan.
    #[must_use]
    pub fn clientele(&self) -> Clientele {
        Clientele {
            workload: workloads::find(&self.load.workload).map_or("", |about| about.name),
            route: self.load.clients_ask,
            slots: self.load.clients,
            seed: self.seed,
        }
    }

    /// How many hosts the run uses.
    #[must_use]
    pub fn node_count(&self) -> usize {
        if self.hosts.is_empty() {
            usize::from(self.lab.nodes)
        } else {
            self.hosts.len()
        }
    }

    /// Checks that hosts can do what the plan asks for, and not simulated nodes alone.
    ///
    /// # Errors
    ///
    /// What they cannot do, in words.
    pub fn on_hosts(&self) -> Result<(), String> {
        let has_clocks = self.replication().is_some();
        let impossible = |fault: &&FaultPlan| match fault.kind {
            FaultKind::Clock => !has_clocks,
            kind => !kind.is_for_hosts(),
        };
        match self.faults.iter().find(impossible) {
            Some(fault) if fault.kind == FaultKind::Clock => Err(format!(
                "{}: the fault clock is for the reference nodes: the clocks of {} cannot be set",
                self.name,
                self.system.as_str()
            )),
            Some(fault) => Err(format!(
                "{}: the fault {} is done to simulated nodes alone; try schism sim",
                self.name,
                fault.kind.as_str()
            )),
            None => Ok(()),
        }
    }

    /// Whether the run brings its own hosts.
    #[must_use]
    pub fn uses_lab(&self) -> bool {
        self.hosts.is_empty()
    }

    /// Checks what the form of a trial file alone does not say.
    ///
    /// # Errors
    ///
    /// What is wrong, in words.
    pub(crate) fn validate(&self) -> Result<(), String> {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
        if self.name.is_empty() || !self.name.chars().all(plain) {
            return Err(format!(
                "the name {:?} must consist of letters, digits and `-`: it names a directory",
                self.name
            ));
        }
        let Some(workload) = workloads::find(&self.load.workload) else {
            let names = workloads::WORKLOADS.iter().map(|workload| workload.name);
            return Err(suggest::unknown("workload", &self.load.workload, names));
        };
        // Asked for only where the load says so.
        let asked = |f: &&&str| match **f {
            "cas" => self.load.cas_percent > 0,
            "decrement" => self.load.decrement_percent > 0,
            _ => true,
        };
        let spoken = self.operations();
        let lacks = |f: &&&str| !spoken.contains(f);
        if let Some(f) = workload.operations.iter().filter(asked).find(lacks) {
            let possible = workloads::WORKLOADS.iter().filter(|other| {
                let mut asked = other.operations.iter().filter(asked);
                asked.all(|f| spoken.contains(f))
            });
            let possible: Vec<&str> = possible.map(|other| other.name).collect();
            let (workload, system) = (workload.name, self.system.as_str());
            let (spoken, possible) = (spoken.join(", "), possible.join(", "));
            return Err(if self.system.operations().contains(f) {
                format!(
                    "the workload {workload} asks for {f}, which {system} with conflict = \"lww\" \
                     does not do, as it would lose some; write conflict = \"merge\" in [{system}]"
                )
            } else {
                format!(
                    "the workload {workload} asks for {f}, which {system} does not do; it does \
                     {spoken}, enough for the workloads: {possible}"
                )
            });
        }
        // The same word as that of counters, and more to answer.
        let unordered = matches!(
            self.system,
            SystemName::MultiLeader | SystemName::Leaderless
        );
        if workload.name == "monotonic" && unordered {
            return Err(format!(
                "the workload monotonic asks each increment for the value that it made, which {} \
                 cannot tell, as no node orders them; choose raft or leader-follower",
                self.system.as_str()
            ));
        }
        self.load.validate()?;
        for fault in &self.faults {
            fault.validate()?;
            if let Some(step) = &fault.step {
                self.validate_step(step)?;
            }
            if fault.promote_after.is_some() && !self.system.is_promoted_by_operator() {
                return Err(format!(
                    "promote-after is for systems whose leader an operator chooses; the nodes of {} \
                     choose it themselves",
                    self.system.as_str()
                ));
            }
        }
        if self.node_count() < 2 {
            return Err("replication takes at least two hosts; give more under [lab]".into());
        }
        self.validate_system()
    }
}

/// What depends on which system is tested; a new one gets a line in each.
impl Plan {
    /// The system of the plan, on these nodes.
    ///
    /// # Errors
    ///
    /// [`DbError`] when a file that it needs on this machine is missing or wrong.
    pub fn system(
        &self,
        nodes: &[Node],
        surroundings: &Surroundings<'_>,
    ) -> Result<System, DbError> {
        let clientele = self.clientele();
        match self.system {
            SystemName::LeaderFollower => reference::system(
                self.leader_follower.0.clone(),
                nodes,
                clientele,
                surroundings,
            ),
            SystemName::Raft => {
                reference::system(self.raft.0.clone(), nodes, clientele, surroundings)
            }
            SystemName::MultiLeader => {
                reference::system(self.multi_leader.0.clone(), nodes, clientele, surroundings)
            }
            SystemName::Leaderless => {
                reference::system(self.leaderless.0.clone(), nodes, clientele, surroundings)
            }
            SystemName::Etcd => Ok(etcd::system(&self.etcd, nodes, clientele)),
            SystemName::Redis => Ok(redis::system(&self.redis, nodes, clientele)),
            SystemName::Postgresql => Ok(postgresql::system(&self.postgresql, nodes, clientele)),
        }
    }

    /// The operations of workloads that the system does with the options of the plan.
    #[must_use]
    pub fn operations(&self) -> &'static [&'static str] {
        match self.system {
            SystemName::MultiLeader if self.multi_leader.0.conflict == Conflict::Lww => {
                reference::LAST_WINS
            }
            system => system.operations(),
        }
    }

    /// How the reference nodes of the plan replicate; none of other systems.
    pub(crate) fn replication(&self) -> Option<Replication> {
        match self.system {
            SystemName::LeaderFollower => Some(self.leader_follower.0.clone().into()),
            SystemName::Raft => Some(self.raft.0.clone().into()),
            SystemName::MultiLeader => Some(self.multi_leader.0.clone().into()),
            SystemName::Leaderless => Some(self.leaderless.0.clone().into()),
            SystemName::Etcd | SystemName::Redis | SystemName::Postgresql => None,
        }
    }

    /// A step must be one that the nodes come to.
    fn validate_step(&self, word: &str) -> Result<(), String> {
        let system = self.system.as_str();
        let Some(replication) = self.replication() else {
            return Err(format!(
                "step is for the reference nodes: {system} cannot be made to fail at {word}; leave \
                 it out"
            ));
        };
        let steps = Failpoint::ALL.into_iter();
        let steps = steps.filter(|step| step.is_step_of(&replication));
        let names: Vec<&str> = steps.map(Failpoint::name).collect();
        if names.contains(&word) {
            return Ok(());
        }
        match Failpoint::find(word) {
            Some(_) => Err(format!(
                "the nodes of {system} never come to the step {word}; choose {}",
                names.join(", ")
            )),
            None => Err(suggest::unknown("step", word, names.iter().copied())),
        }
    }

    /// The software that the system needs on its hosts.
    fn recipe(&self) -> Recipe {
        match self.system {
            SystemName::LeaderFollower
            | SystemName::Raft
            | SystemName::MultiLeader
            | SystemName::Leaderless => Recipe::default(),
            SystemName::Etcd => self.etcd.recipe(),
            SystemName::Redis => self.redis.recipe(),
            SystemName::Postgresql => self.postgresql.recipe(),
        }
    }

    /// The options of the system, as the verdict tells them.
    ///
    /// # Panics
    ///
    /// Never: options have a form in JSON.
    #[must_use]
    pub fn configuration(&self) -> serde_json::Value {
        let told = match self.system {
            SystemName::LeaderFollower => serde_json::to_value(&self.leader_follower),
            SystemName::Raft => serde_json::to_value(&self.raft),
            SystemName::MultiLeader => serde_json::to_value(&self.multi_leader),
            SystemName::Leaderless => serde_json::to_value(&self.leaderless),
            SystemName::Etcd => serde_json::to_value(&self.etcd),
            SystemName::Redis => serde_json::to_value(&self.redis),
            SystemName::Postgresql => serde_json::to_value(&self.postgresql),
        };
        told.expect("options have a form in JSON")
    }

    /// Whether there are options for that system.
    fn has_options(&self, system: SystemName) -> bool {
        match system {
            SystemName::LeaderFollower => !is_default(&self.leader_follower),
            SystemName::Raft => !is_default(&self.raft),
            SystemName::MultiLeader => !is_default(&self.multi_leader),
            SystemName::Leaderless => !is_default(&self.leaderless),
            SystemName::Etcd => !is_default(&self.etcd),
            SystemName::Redis => !is_default(&self.redis),
            SystemName::Postgresql => !is_default(&self.postgresql),
        }
    }

    /// Options of a system that is not tested would be without effect.
    fn validate_system(&self) -> Result<(), String> {
        let stray = |system: &SystemName| *system != self.system && self.has_options(*system);
        if let Some(system) = SystemName::ALL.into_iter().find(stray) {
            return Err(format!(
                "there are options in [{table}], but the system is {chosen}; write system = {table:?}",
                table = system.as_str(),
                chosen = self.system.as_str()
            ));
        }
        match self.system {
            SystemName::LeaderFollower => self.leader_follower.validate(self.node_count()),
            SystemName::Raft => self.raft.validate(self.node_count()),
            SystemName::MultiLeader => self.multi_leader.validate(self.node_count()),
            SystemName::Leaderless => self.leaderless.validate(self.node_count()),
            SystemName::Etcd => self.etcd.validate(),
            SystemName::Redis => self.redis.validate(self.node_count()),
            SystemName::Postgresql => self.postgresql.validate(self.node_count()),
        }
    }
}

impl Load {
    /// Checks what the form of a trial file alone does not say.
    ///
    /// # Errors
    ///
    /// What is wrong, in words.
    pub(crate) fn validate(&self) -> Result<(), String> {
        if self.clients == 0 {
            return Err("load.clients is 0: at least one client must ask something".into());
        }
        if self.time.is_zero() || self.timeout.is_zero() {
            return Err("load.time and load.timeout must be longer than 0s".into());
        }
        for (name, percent) in [
            ("read", self.read_percent),
            ("cas", self.cas_percent),
            ("decrement", self.decrement_percent),
        ] {
            if percent > 100 {
                return Err(format!("load.{name}-percent is {percent}: at most 100"));
            }
        }
        if self.keys == 0 || self.writes_per_key == 0 {
            return Err("load.keys and load.writes-per-key must be at least 1".into());
        }
        if self.rate == Some(0) {
            return Err("load.rate must be above 0 operations a second".into());
        }
        Ok(())
    }
}

/// The schema of a trial file, in JSON.
///
/// # Panics
///
/// Never: the schema has a form in JSON.
#[must_use]
pub fn schema() -> String {
    let schema = schemars::schema_for!(Plan);
    serde_json::to_string_pretty(&schema).expect("the schema has a form in JSON")
}

fn line_of(text: &str, offset: usize) -> usize {
    text.as_bytes()
        .iter()
        .take(offset)
        .filter(|byte| **byte == b'\n')
        .count()
        + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Plan, String> {
        Plan::parse(text, Path::new("trial.toml")).map_err(|error| error.to_string())
    }

    #[test]
    fn a_plan_reads_back() {
        let text = "name = \"x\"\nseed = 9\n[load]\ntime = \"3s\"\n[[fault]]\nkind = \"kill\"\n\
                    target = \"leader\"\nat = \"1s\"\nfor = \"500ms\"\npromote-after = \"200ms\"\n\
                    [expect]\nlinearizable = \"held\"\n";
        let plan = parse(text).unwrap();
        assert_eq!(
            plan.faults[0].promote_after,
            Some(Duration::from_millis(200))
        );
        assert_eq!(parse(&plan.to_toml()).unwrap(), plan);
        assert!(!plan.load.stop_on_first && !plan.to_toml().contains("stop-on-first"));
        let plan = parse("name = \"x\"\n[load]\nstop-on-first = true\n").unwrap();
        assert!(plan.load.stop_on_first);
        assert_eq!(parse(&plan.to_toml()).unwrap(), plan);
    }

    #[test]
    fn typos_are_named_with_line_and_suggestion() {
        let error = parse("name = \"x\"\n[load]\nclinets = 3\n").unwrap_err();
        assert!(
            error.starts_with("trial.toml, line 3: unknown field `clinets`"),
            "{error}"
        );
        assert!(error.ends_with("did you mean `clients`?"), "{error}");
        let fault = "name = \"x\"\n[[fault]]\nkind = \"partitoin\"\ntarget = \"leader\"\n\
                     at = \"1s\"\nfor = \"1s\"\n";
        let error = parse(fault).unwrap_err();
        assert!(
            error.contains("line 3") && error.contains("did you mean `partition`?"),
            "{error}"
        );
        let error = parse("name = \"x\"\n[load]\nworkload = \"mixd\"\n").unwrap_err();
        assert!(error.contains("did you mean `mixed`?"), "{error}");
    }

    #[test]
    fn what_cannot_be_is_refused() {
        for (text, word) in [
            ("name = \"x\"\nsystem = \"etdc\"", "did you mean `etcd`?"),
            (
                "name = \"x\"\n[etcd]\nreads = \"serializable\"",
                "write system = \"etcd\"",
            ),
            (
                "name = \"x\"\nsystem = \"etcd\"\n[etcd]\nread = 1",
                "did you mean `reads`?",
            ),
            (
                "name = \"x\"\nsystem = \"etcd\"\n[leader-follower]\nack = \"async\"",
                "the system is etcd",
            ),
            (
                "name = \"x\"\nsystem = \"etcd\"\n[[fault]]\nkind = \"kill\"\ntarget = \"leader\"\n\
              at = \"1s\"\nfor = \"1s\"\npromote-after = \"1s\"",
                "choose it themselves",
            ),
            (
                "name = \"x\"\n[[fault]]\nkind = \"kill\"\ntarget = \"leader\"\nat = \"1s\"\n\
                 for = \"1s\"\nstep = \"after-apend\"",
                "did you mean `after-append`?",
            ),
            (
                "name = \"x\"\n[[fault]]\nkind = \"pause\"\ntarget = \"all\"\nat = \"1s\"\n\
                 for = \"1s\"\nstep = \"after-snapshot\"",
                "never come to the step after-snapshot",
            ),
            (
                "name = \"x\"\nsystem = \"etcd\"\n[[fault]]\nkind = \"kill\"\n\
                 target = \"leader\"\nat = \"1s\"\nfor = \"1s\"\nstep = \"after-append\"",
                "is for the reference nodes",
            ),
            (
                "name = \"x\"\n[[fault]]\nkind = \"partition\"\ntarget = \"leader\"\n\
                 at = \"1s\"\nfor = \"1s\"\nstep = \"after-append\"",
                "is for kill and pause",
            ),
            (
                "name = \"x\"\nsystem = \"redis\"\n[load]\nworkload = \"write-skew\"",
                "asks for insert, which redis does not do",
            ),
            (
                "name = \"x\"\nsystem = \"redis\"\n[load]\nworkload = \"queue\"",
                "enough for the workloads: mixed, ",
            ),
            ("name = \"../x\"", "letters"),
            ("name = \"x\"\n[load]\nclients = 0", "at least one client"),
            ("name = \"x\"\n[load]\nread-percent = 101", "at most 100"),
            ("name = \"x\"\n[lab]\nnodes = 1", "at least two"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(word), "{error}");
        }
    }
}
