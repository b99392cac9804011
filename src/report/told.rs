//! A `verdict.json` as far as it can be understood, whoever wrote it.
//!
//! [`RunVerdict`](super::verdict::RunVerdict) is strict, because what judges must not guess. What
//! only shows takes any claim, checker, anomaly and figure by its name, and says what it could
//! not read.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// The schema that is understood in full.
const SCHEMA: &str = super::verdict::SCHEMA;

/// What a run found out, by name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Told {
    /// The plan's name.
    pub name: String,
    /// Mode and fault, as a campaign's table has them.
    pub label: Option<(String, String)>,
    /// Every random choice came from this number.
    pub seed: Option<u64>,
    /// `held`, `violated`, `undecided`, `not-valid`, `nothing-to-check`, or something newer.
    pub status: String,
    /// The exit code.
    pub exit_code: Option<u64>,
    /// Why nothing could be judged, or why the run is partial.
    pub why: Option<String>,
    /// One for each claim.
    pub claims: Vec<ToldClaim>,
    /// The contradictions.
    pub findings: Vec<ToldFinding>,
    /// What was done to the system, in order.
    pub faults: Vec<ToldFault>,
    /// Whether the nodes became equal.
    pub equal: Option<bool>,
    /// What each node said of itself at the end.
    pub nodes: BTreeMap<String, Value>,
    /// For each operation: ok, fail, info.
    pub coverage: BTreeMap<String, [u64; 3]>,
    /// For each operation: errors by kind.
    pub errors: BTreeMap<String, BTreeMap<String, u64>>,
    /// The figures of each checker.
    pub figures: Map<String, Value>,
    /// Commands.
    pub reproduce: Vec<String>,
    /// Other fields, such as an environment.
    pub rest: Map<String, Value>,
    /// What could not be understood, in sentences.
    pub unclear: Vec<String>,
}

/// A claim and what became of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ToldClaim {
    /// Its name.
    pub claim: String,
    /// `held`, `violated`, `undecided`.
    pub verdict: String,
    /// What the plan says must come out.
    pub expected: Option<String>,
    /// Whether it did.
    pub as_expected: bool,
    /// Why, when undecided.
    pub why: Option<String>,
    /// The findings that refute it.
    pub findings: Vec<String>,
}

/// One contradiction.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ToldFinding {
    /// `F1`, `F2` …
    pub id: String,
    /// The claim that it refutes.
    pub claim: String,
    /// The literature's word.
    pub anomaly: String,
    /// The object.
    pub key: Option<String>,
    /// The entries of the history that prove it.
    pub ops: Vec<usize>,
    /// One sentence a step.
    pub argument: Vec<String>,
    /// The edges of a cycle, where there is one.
    pub cycle: Vec<ToldEdge>,
    /// Other fields.
    pub rest: Map<String, Value>,
}

/// Why one operation comes before another in a cycle.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ToldEdge {
    /// The index of an entry of the earlier operation.
    pub from: usize,
    /// The index of an entry of the later operation.
    pub to: usize,
    /// `ww`, `wr`, `rw`, or another word.
    pub kind: String,
    /// In a sentence.
    pub why: String,
}

/// Something that was done to the system.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ToldFault {
    /// What.
    pub fault: String,
    /// When it was ordered, in milliseconds since the run began.
    pub begun_ms: u64,
    /// When it was done and proven; none if it never was.
    pub done_ms: Option<u64>,
    /// What was in fact done, and the proof.
    pub done: Value,
}

impl Told {
    /// Reads what can be read.
    ///
    /// # Errors
    ///
    /// A sentence if the text is not a JSON object.
    pub fn parse(text: &[u8]) -> Result<Self, String> {
        let value: Value = serde_json::from_slice(text).map_err(|error| error.to_string())?;
        let Value::Object(mut fields) = value else {
            return Err("it is not a JSON object".to_owned());
        };
        let mut told = Self::default();
        match text_of(fields.remove("schema")).as_deref() {
            Some(SCHEMA) => {}
            Some(other) => told.unclear.push(format!(
                "its schema is {other}, and this program knows {SCHEMA}: shown as far as understood"
            )),
            None => (told.unclear).push("it names no schema: shown as far as understood".into()),
        }
        told.name = text_of(fields.remove("name")).unwrap_or_default();
        told.label = fields.remove("label").and_then(|label| {
            let word = |name: &str| Some(label.get(name)?.as_str()?.to_owned());
            Some((word("mode")?, word("fault")?))
        });
        told.seed = fields.remove("seed").and_then(|seed| seed.as_u64());
        told.status = text_of(fields.remove("status")).unwrap_or_default();
        told.exit_code = fields.remove("exit-code").and_then(|code| code.as_u64());
        told.why = text_of(fields.remove("why"));
        told.claims = told.each(fields.remove("claims"), "claim", claim);
        told.findings = told.each(fields.remove("findings"), "finding", finding);
        told.faults = told.each(fields.remove("faults"), "fault", fault);
        if let Some(Value::Object(mut recovery)) = fields.remove("recovery") {
            told.equal = recovery.remove("equal").and_then(|equal| equal.as_bool());
            told.nodes = object(recovery.remove("nodes")).into_iter().collect();
        }
        for (name, outcomes) in object(fields.remove("coverage")) {
            let count = |kind: &str| outcomes.get(kind).and_then(Value::as_u64).unwrap_or(0);
            let counts = [count("ok"), count("fail"), count("info")];
            let errors = outcomes.get("errors").and_then(Value::as_object);
            let errors = errors.into_iter().flatten();
            let errors = errors.filter_map(|(kind, n)| Some((kind.clone(), n.as_u64()?)));
            told.errors.insert(name.clone(), errors.collect());
            told.coverage.insert(name, counts);
        }
        told.figures = object(fields.remove("figures"));
        told.reproduce = texts(fields.remove("reproduce"));
        told.rest = fields;
        Ok(told)
    }

    fn each<T>(
        &mut self,
        list: Option<Value>,
        what: &str,
        read: fn(&mut Map<String, Value>) -> Option<T>,
    ) -> Vec<T> {
        let Some(Value::Array(list)) = list else {
            self.unclear.push(format!("it has no list of {what}s"));
            return Vec::new();
        };
        let all = list.len();
        let read: Vec<T> = list
            .into_iter()
            .filter_map(|entry| match entry {
                Value::Object(mut entry) => read(&mut entry),
                _ => None,
            })
            .collect();
        if read.len() < all {
            let lost = all - read.len();
            self.unclear
                .push(format!("{lost} of its {what}s are not understood"));
        }
        read
    }

    /// A figure of a checker, if it is there and a number.
    #[must_use]
    pub fn figure(&self, checker: &str, name: &str) -> Option<i64> {
        self.figures.get(checker)?.get(name)?.as_i64()
    }

    /// A finding by its id, whatever the case of its letters.
    #[must_use]
    pub fn finding(&self, id: &str) -> Option<&ToldFinding> {
        (self.findings.iter()).find(|finding| finding.id.eq_ignore_ascii_case(id))
    }

    /// How many operations clients asked for.
    #[must_use]
    pub fn operations(&self) -> u64 {
        self.coverage.values().flatten().sum()
    }

    /// How many claims came out so.
    #[must_use]
    pub fn count(&self, verdict: &str) -> usize {
        let same = |claim: &&ToldClaim| claim.verdict == verdict;
        self.claims.iter().filter(same).count()
    }

    /// Sign and word of the run as a whole, for people.
    #[must_use]
    pub fn words(&self) -> String {
        match self.status.as_str() {
            "held" => "✓ HELD".into(),
            "violated" => "✗ VIOLATED".into(),
            "undecided" => "? UNDECIDED".into(),
            "not-valid" => "! NOT VALID".into(),
            "nothing-to-check" => "! NOTHING TO CHECK".into(),
            "" => "! NO VERDICT".into(),
            other => format!("! {}", other.to_uppercase()),
        }
    }
}

impl ToldFault {
    /// The nodes that it hit, where it says so.
    #[must_use]
    pub fn nodes(&self) -> Vec<&str> {
        let named = self.done.get("nodes").unwrap_or(&self.done);
        let list = named.as_array().into_iter().flatten();
        list.filter_map(Value::as_str).collect()
    }
}

fn claim(entry: &mut Map<String, Value>) -> Option<ToldClaim> {
    Some(ToldClaim {
        claim: text_of(entry.remove("claim"))?,
        verdict: text_of(entry.remove("verdict"))?,
        expected: text_of(entry.remove("expected")),
        as_expected: (entry.get("as-expected").and_then(Value::as_bool)).unwrap_or(true),
        why: text_of(entry.remove("why")),
        findings: texts(entry.remove("findings")),
    })
}

fn finding(entry: &mut Map<String, Value>) -> Option<ToldFinding> {
    let id = text_of(entry.remove("id"))?;
    let anomaly = text_of(entry.remove("anomaly"))?;
    let ops = entry.remove("ops");
    let ops = ops.as_ref().and_then(Value::as_array).into_iter().flatten();
    let cycle = entry.remove("cycle");
    let cycle = cycle.as_ref().and_then(Value::as_array);
    Some(ToldFinding {
        id,
        anomaly,
        claim: text_of(entry.remove("claim")).unwrap_or_default(),
        key: text_of(entry.remove("key")),
        ops: ops.filter_map(index).collect(),
        argument: texts(entry.remove("argument")),
        cycle: cycle.into_iter().flatten().filter_map(edge).collect(),
        rest: std::mem::take(entry),
    })
}

fn edge(edge: &Value) -> Option<ToldEdge> {
    let word = |name: &str| edge.get(name).and_then(Value::as_str).unwrap_or_default();
    Some(ToldEdge {
        from: index(edge.get("from")?)?,
        to: index(edge.get("to")?)?,
        kind: word("kind").to_owned(),
        why: word("why").to_owned(),
    })
}

fn fault(entry: &mut Map<String, Value>) -> Option<ToldFault> {
    Some(ToldFault {
        fault: text_of(entry.remove("fault"))?,
        begun_ms: entry.get("begun-ms").and_then(Value::as_u64)?,
        done_ms: entry.get("done-ms").and_then(Value::as_u64),
        done: entry.remove("done").unwrap_or_default(),
    })
}

fn index(value: &Value) -> Option<usize> {
    usize::try_from(value.as_u64()?).ok()
}

fn text_of(value: Option<Value>) -> Option<String> {
    match value? {
        Value::String(text) => Some(text),
        Value::Null => None,
        other => Some(other.to_string()),
    }
}

fn texts(value: Option<Value>) -> Vec<String> {
    match value {
        Some(Value::Array(list)) => list.into_iter().filter_map(|v| text_of(Some(v))).collect(),
        _ => Vec::new(),
    }
}

fn object(value: Option<Value>) -> Map<String, Value> {
    match value {
        Some(Value::Object(map)) => map,
        _ => Map::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_is_kept_by_name() {
        let text = br#"{"schema":"schism.verdict/7","name":"n","status":"odd","claims":[
            {"claim":"causal","verdict":"violated","findings":["F1"]},3],
            "findings":[{"id":"F1","anomaly":"G-single","ops":[1,2],"argument":["a"],
            "cycle":[{"from":1,"to":2,"kind":"rw","why":"w"}],"extra":1}],
            "figures":{"new":{"x":4}},"weather":"wet"}"#;
        let told = Told::parse(text).expect("it is an object");
        assert_eq!(told.claims[0].claim, "causal");
        assert_eq!(told.findings[0].cycle[0].kind, "rw");
        assert!(told.findings[0].rest.contains_key("extra"));
        assert_eq!(told.figure("new", "x"), Some(4));
        assert_eq!(told.words(), "! ODD");
        assert!(told.rest.contains_key("weather"));
        let unclear = told.unclear.join("\n");
        assert!(unclear.contains("schism.verdict/7"), "{unclear}");
        assert!(
            unclear.contains("1 of its claims are not understood"),
            "{unclear}"
        );
        assert!(unclear.contains("no list of faults"), "{unclear}");
    }

    #[test]
    fn what_is_no_object_is_refused() {
        assert!(Told::parse(b"[1]").is_err());
        assert!(Told::parse(b"{\"schema\"").is_err());
    }
}
