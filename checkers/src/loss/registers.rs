//! Registers: an acknowledged value that no node holds was replaced, may have been, or is lost.
//!
//! For a value, `a` is the earliest moment at which it can have taken effect and `f` one by
//! which it certainly had (notation of Golab, Li and Shah, 2011). A missing value is lost if
//! for each value that is left `f` comes before the start of its own write.

use super::gather::{Final, Object, Role};
use super::ledger::{Fate, Ledger, Left, Stray};
use crate::calls::{BEFORE, NEVER, Rank};
use crate::history::Kind;
use crate::history::dictionary::{Interned, NIL};
use crate::linearizable::grouping::narrow;

const NOBODY: u32 = u32::MAX;

/// One value of the register at hand.
#[derive(Clone, Copy, Debug)]
struct Version {
    value: u32,
    /// The first write that may have made it, failed ones apart.
    writer: u32,
    /// A write that failed.
    failed: u32,
    /// The read that ended first of those that returned it.
    seen: u32,
    a: Rank,
    f: Rank,
    /// Whether some node holds it, and a final read that shows it.
    held: Option<(u16, u32)>,
}

/// All values of the register at hand, found by their numbers.
struct Versions<'s> {
    list: Vec<Version>,
    slots: &'s mut [u32],
    is_repeated: bool,
}

impl Versions<'_> {
    fn of(&mut self, value: u32) -> &mut Version {
        let slot = &mut self.slots[value as usize];
        if *slot == 0 {
            self.list.push(Version {
                value,
                writer: NOBODY,
                failed: NOBODY,
                seen: NOBODY,
                a: NEVER,
                f: NEVER,
                held: None,
            });
            *slot = narrow(self.list.len());
        }
        &mut self.list[*slot as usize - 1]
    }

    fn get(&self, value: u32) -> &Version {
        &self.list[self.slots[value as usize] as usize - 1]
    }
}

impl Ledger<'_> {
    /// Enters what became of the writes of a register.
    pub(super) fn register(&mut self, place: u32, object: &Object, slots: &mut [u32]) {
        let mut versions = Versions {
            list: Vec::new(),
            slots,
            is_repeated: false,
        };
        self.gather_versions(object, &mut versions);
        let finals: Vec<Final> = self.gathered.finals(object, false).to_vec();
        self.keys_finally_read += usize::from(!finals.is_empty());
        if object.is_spoiled() || versions.is_repeated {
            let key = self.calls.value(object.key);
            let why = format!("{key} was written the same value twice, or by an unknown operation");
            self.why.get_or_insert(why);
            self.leave_open(object);
        } else {
            self.hold(object, &finals, &mut versions);
            self.judge_writes(place, object, &finals, &versions);
        }
        for version in &versions.list {
            versions.slots[version.value as usize] = 0;
        }
    }

    /// Each acknowledged write of a register is undecided.
    fn leave_open(&mut self, object: &Object) {
        for at in object.calls.clone() {
            let call = self.gathered.order[at];
            let role = self.gathered.role(self.calls, call);
            if matches!(role, Role::Write | Role::Cas)
                && self.calls.outcome[call as usize] == Kind::Ok
            {
                self.note(call, Fate::Undecided);
            }
        }
    }

    fn gather_versions(&self, object: &Object, versions: &mut Versions<'_>) {
        let calls = self.calls;
        let nil = versions.of(NIL);
        (nil.a, nil.f) = (BEFORE, BEFORE);
        for &call in &self.gathered.order[object.calls.clone()] {
            let at = call as usize;
            let (begins, ends, outcome) = (calls.begins[at], calls.ends[at], calls.outcome[at]);
            let new = match self.gathered.role(calls, call) {
                Role::Read if outcome == Kind::Ok => {
                    let version = versions.of(calls.result(call));
                    if ends < version.f || version.seen == NOBODY {
                        version.seen = call;
                    }
                    version.f = version.f.min(ends);
                    continue;
                }
                Role::Write => calls.argument[at],
                Role::Cas => calls.second[at],
                Role::Read
                | Role::Add
                | Role::Remove
                | Role::ReadSet
                | Role::Final
                | Role::Foreign => continue,
            };
            let version = versions.of(new);
            if outcome == Kind::Fail {
                if version.failed == NOBODY {
                    version.failed = call;
                }
                continue;
            }
            let is_repeated = version.writer != NOBODY;
            if !is_repeated {
                version.writer = call;
            }
            version.a = version.a.min(begins);
            version.f = version.f.min(ends);
            versions.is_repeated |= is_repeated;
            if self.gathered.role(calls, call) == Role::Cas {
                let old = versions.of(calls.argument[at]);
                if outcome == Kind::Ok {
                    old.f = old.f.min(ends);
                }
            }
        }
    }

    /// Notes what the nodes hold, and what of it should not be there.
    fn hold(&mut self, object: &Object, finals: &[Final], versions: &mut Versions<'_>) {
        let differ = |pair: &[Final]| pair[0].held != pair[1].held;
        self.divergent_registers += usize::from(finals.windows(2).any(differ));
        let mut held: Vec<u32> = Vec::new();
        for of in finals {
            let siblings = match self.calls.values.get(of.held) {
                Interned::List(siblings) => siblings,
                _ => std::slice::from_ref(&of.held),
            };
            for &value in siblings {
                let version = versions.of(value);
                if version.held.is_none() {
                    version.held = Some((of.node, of.call));
                    held.push(value);
                }
            }
        }
        held.sort_unstable_by_key(|value| self.calls.value(*value));
        for value in held.into_iter().filter(|value| *value != NIL) {
            let version = *versions.of(value);
            let (Some((node, read)), NOBODY) = (version.held, version.writer) else {
                continue;
            };
            let write = (version.failed != NOBODY).then_some(version.failed);
            self.strays.push(Stray {
                fate: if write.is_some() {
                    Fate::Dirty
                } else {
                    Fate::Phantom
                },
                key: object.key,
                value,
                is_element: false,
                node,
                read,
                write,
            });
        }
    }

    fn judge_writes(
        &mut self,
        place: u32,
        object: &Object,
        finals: &[Final],
        versions: &Versions<'_>,
    ) {
        let calls = self.calls;
        let held = versions
            .list
            .iter()
            .filter(|version| version.held.is_some());
        // The latest moment by which a value that is left had taken effect.
        let youngest = held.clone().map(|version| version.f).max();
        let newest = held.clone().filter(|version| version.a != NEVER);
        let newest = newest.map(|version| version.a).max().unwrap_or(BEFORE);
        let several = finals.len() > 1 && held.clone().nth(1).is_some();
        let mut any_lost = false;
        for at in object.calls.clone() {
            let call = self.gathered.order[at];
            let value = match self.gathered.role(calls, call) {
                Role::Write => calls.argument[call as usize],
                Role::Cas => calls.second[call as usize],
                Role::Read
                | Role::Add
                | Role::Remove
                | Role::ReadSet
                | Role::Final
                | Role::Foreign => continue,
            };
            let is_held = versions.get(value).held.is_some();
            let (begins, ends) = (calls.begins[call as usize], calls.ends[call as usize]);
            let fate = match calls.outcome[call as usize] {
                Kind::Info if is_held => Fate::Recovered,
                Kind::Info | Kind::Invoke | Kind::Fail => continue,
                Kind::Ok if is_held => Fate::Present,
                Kind::Ok if youngest.is_some_and(|youngest| youngest >= begins) => {
                    if newest > ends {
                        Fate::Replaced
                    } else {
                        Fate::Overwritten
                    }
                }
                Kind::Ok if self.is_settled(object, finals, call) => {
                    any_lost = true;
                    self.lost.push(call);
                    Fate::Lost
                }
                Kind::Ok => Fate::Undecided,
            };
            if is_held && several {
                self.note_lacking(call, value, finals);
            }
            self.note(call, fate);
        }
        if any_lost {
            self.prove(place, object, versions, youngest.unwrap_or(BEFORE));
        }
    }

    /// Notes the nodes that hold another value.
    fn note_lacking(&mut self, call: u32, value: u32, finals: &[Final]) {
        for of in finals {
            let has = of.held == value
                || matches!(self.calls.values.get(of.held), Interned::List(siblings) if siblings.contains(&value));
            if !has {
                self.lacking.push((call, of.node));
            }
        }
    }

    /// Keeps what proves the losses of a register, and counts those whose own process had read
    /// or written what is left before it wrote.
    fn prove(&mut self, place: u32, object: &Object, versions: &Versions<'_>, youngest: Rank) {
        let calls = self.calls;
        let mut makers = Vec::new();
        for version in versions
            .list
            .iter()
            .filter(|version| version.held.is_some())
        {
            if version.writer == NOBODY {
                continue;
            }
            makers.push(version.writer);
            if version.seen != NOBODY && calls.ends[version.writer as usize] > version.f {
                makers.push(version.seen);
            }
        }
        self.left.insert(
            object.key,
            Left {
                object: place,
                makers,
                youngest,
            },
        );
        let mut aware: Vec<u32> = Vec::new();
        for &call in &self.gathered.order[object.calls.clone()] {
            let at = call as usize;
            let process = calls.process_place(call);
            if self.fates[at] == Fate::Lost as u8 {
                self.seen_winner += usize::from(aware.binary_search(&process).is_ok());
            }
            let touched = match self.gathered.role(calls, call) {
                _ if calls.outcome[at] != Kind::Ok => continue,
                Role::Read => calls.result(call),
                Role::Write => calls.argument[at],
                Role::Cas => calls.second[at],
                Role::Add | Role::Remove | Role::ReadSet | Role::Final | Role::Foreign => continue,
            };
            // A process does one thing after another, so this had ended before its next began.
            if touched != NIL
                && versions.get(touched).held.is_some()
                && let Err(slot) = aware.binary_search(&process)
            {
                aware.insert(slot, process);
            }
        }
    }
}
