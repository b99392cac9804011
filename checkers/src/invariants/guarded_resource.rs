//! A resource that refuses old tokens; the page is `checkers/pages/guarded-resource.md`.

use super::findings::{Findings, anomaly, word};
use super::ordered::{Entry, sweep};
use super::places::Places;
use crate::calls::{Calls, NEVER};
use crate::hash::Table;
use crate::history::Kind;
use crate::history::dictionary::{Interned, NIL};
use crate::{Budget, Checker, Report};

/// Once it has accepted a token, a resource accepts none that is lower.
#[derive(Clone, Copy, Debug, Default)]
pub struct GuardedResource;

/// Who wrote a token and a value, or tried to.
#[derive(Clone, Copy, Debug)]
struct Writers {
    /// The one that may have been accepted, or [`NOBODY`]; and whether there are more.
    accepted: u32,
    several: bool,
    refused: u32,
}

const NOBODY: u32 = u32::MAX;

/// No pair: nobody read it.
const UNREAD: u32 = u32::MAX;

/// The token of `{token, value}`.
fn token(calls: &Calls, number: u32) -> Option<i64> {
    let Interned::Map(parts) = calls.values.get(number) else {
        return None;
    };
    let mut parts = parts.chunks_exact(2);
    parts.find_map(
        |part| match (calls.values.get(part[0]), calls.values.get(part[1])) {
            (Interned::Str("token"), Interned::Int(token)) => Some(token),
            _ => None,
        },
    )
}

#[derive(Debug, Default)]
struct Read {
    resources: Places,
    /// What was accepted, or seen.
    evidence: Vec<Entry>,
    /// Writes of unknown outcome that were seen.
    observed: Vec<Entry>,
    refused: Vec<Entry>,
    unreadable: usize,
    /// By a call: who wrote what it read, or who read what it wrote.
    beside: Table<u32, u32>,
}

impl GuardedResource {
    fn read(calls: &Calls, findings: &mut Findings) -> Read {
        let (write, read) = (
            calls.function("guarded-write"),
            calls.function("guarded-read"),
        );
        let mut out = Read::default();
        let mut pairs = Places::default();
        let mut writers: Vec<Writers> = Vec::new();
        let mut seen: Vec<(u32, u32)> = Vec::new();
        let count = u32::try_from(calls.len()).expect("calls are numbered with 32 bits");
        // Only of what was read it matters who wrote it.
        let mut was_read = vec![false; calls.values.len()];
        for call in (0..count).filter(|&call| calls.outcome[call as usize] == Kind::Ok) {
            if Some(calls.f[call as usize]) == read {
                was_read[calls.result(call) as usize] = true;
            }
        }
        for call in 0..count {
            let at = call as usize;
            let (f, outcome) = (Some(calls.f[at]), calls.outcome[at]);
            let number = match f {
                _ if f == write => calls.argument[at],
                _ if f == read && outcome == Kind::Ok && calls.result(call) != NIL => {
                    calls.result(call)
                }
                _ => continue,
            };
            let Some(value) = token(calls, number) else {
                out.unreadable += 1;
                continue;
            };
            let object = out.resources.place((0, calls.key[at]));
            let pair = if was_read[number as usize] {
                pairs.place((object, number))
            } else {
                UNREAD
            };
            if pair as usize == writers.len() {
                writers.push(Writers {
                    accepted: NOBODY,
                    several: false,
                    refused: NOBODY,
                });
            }
            if f == read {
                seen.push((call, pair));
            } else if pair != UNREAD {
                let writers = &mut writers[pair as usize];
                if outcome == Kind::Fail {
                    writers.refused = writers.refused.min(call);
                } else {
                    writers.several = writers.accepted != NOBODY;
                    writers.accepted = writers.accepted.min(call);
                }
            }
            let entry = Entry {
                object,
                value,
                call,
            };
            match outcome {
                Kind::Ok => out.evidence.push(entry),
                Kind::Fail => out.refused.push(entry),
                Kind::Info | Kind::Invoke => {}
            }
        }
        let mut observed: Vec<(u32, u32)> = Vec::new();
        let mut unproven: Vec<u32> = Vec::new();
        for (reader, pair) in seen {
            let writers = writers[pair as usize];
            let ended = calls.ends[reader as usize];
            let in_time = |writer: &u32| calls.begins[*writer as usize] <= ended;
            let some = |writer: u32| (writer != NOBODY).then_some(writer);
            let accepted = some(writers.accepted).filter(in_time);
            match (accepted, some(writers.refused)) {
                // It was seen, so it happened.
                (Some(writer), _) => {
                    out.beside.insert(reader, writer);
                    if !writers.several && calls.ends[writer as usize] == NEVER {
                        observed.push((writer, reader));
                    }
                }
                (None, refused) => {
                    unproven.push(reader);
                    findings.add(|| shown(calls, reader, refused));
                }
            }
        }
        observed.sort_unstable();
        observed.dedup_by_key(|(writer, _)| *writer);
        for (call, reader) in observed {
            out.beside.insert(call, reader);
            let at = call as usize;
            out.observed.push(Entry {
                object: out.resources.place((0, calls.key[at])),
                value: token(calls, calls.argument[at]).unwrap_or_default(),
                call,
            });
        }
        // What nobody wrote, or only who was refused, tells of no token that was accepted.
        let is_proof = |evidence: &Entry| unproven.binary_search(&evidence.call).is_err();
        out.evidence.retain(is_proof);
        out
    }
}

fn shown(calls: &Calls, reader: u32, refused: Option<u32>) -> crate::Anomaly {
    let what = word(calls, calls.result(reader));
    let key = calls.key[reader as usize];
    match refused {
        Some(writer) => {
            let conclusion = format!("{what} was refused, and yet it was read.");
            anomaly(
                calls,
                "refused-write-visible",
                key,
                &[writer, reader],
                [conclusion],
            )
        }
        None => {
            let conclusion = format!("Nobody wrote {what}.");
            anomaly(calls, "phantom-read", key, &[reader], [conclusion])
        }
    }
}

impl Checker for GuardedResource {
    fn name(&self) -> &'static str {
        "guarded-resource"
    }

    fn judge(&self, calls: &Calls, _: &Budget) -> Report {
        if calls.function("guarded-write").is_none() {
            let why = "needs guarded-write of a token and a value, which no client asked for";
            return Report::undecided(self.name(), why);
        }
        let mut findings = Findings::default();
        let read = Self::read(calls, &mut findings);
        let write = calls.function("guarded-write");
        let is_write = |one: &&Entry| Some(calls.f[one.call as usize]) == write;
        let mut writes = read.observed.clone();
        writes.extend(read.evidence.iter().filter(is_write));
        writes.sort_unstable_by_key(|write| write.call);
        let accepted = writes.len();
        let by = |one: &Entry| calls.ends[one.call as usize].into();
        let begins = |one: &Entry| calls.begins[one.call as usize].into();
        let mut tried = 0_usize;
        sweep(&read.evidence, by, writes, begins, |sooner, later| {
            if later.value < sooner.value {
                tried += 1;
                findings.add(|| {
                    let key = calls.key[later.call as usize];
                    let conclusion = format!(
                        "Token {} had been accepted before this write began, and yet its lower \
                         token {} was accepted.",
                        sooner.value, later.value
                    );
                    let calls_of_both = [sooner.call, later.call];
                    let beside = calls_of_both
                        .iter()
                        .filter_map(|call| read.beside.get(call));
                    let proof: Vec<u32> = calls_of_both.iter().chain(beside).copied().collect();
                    anomaly(calls, "stale-token-accepted", key, &proof, [conclusion])
                });
            }
        });
        let mut rejected = 0_usize;
        let refused = read.refused.iter().copied();
        sweep(&read.evidence, by, refused, begins, |sooner, later| {
            rejected += usize::from(later.value < sooner.value);
        });
        let lacking = if read.unreadable > 0 {
            Some(format!(
                "needs writes and reads of {{token, value}}; {} were something else",
                read.unreadable
            ))
        } else if tried + rejected == 0 {
            let why = "needs a write with a lower token after a higher one was accepted: nobody \
                       tried";
            Some(why.to_owned())
        } else {
            None
        };
        let mut report = findings.report(self.name(), lacking);
        report.figure("writes_accepted", accepted);
        report.figure("stale_writes_refused", rejected);
        report.figure("stale_writes_accepted", tried);
        report.figure("resources", read.resources.list().len());
        report
    }
}
