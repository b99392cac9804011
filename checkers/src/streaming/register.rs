//! Registers, by blocks that grow and are forgotten.
//!
//! The blocks are those of the [batch checker](crate::linearizable): the operations on a value,
//! and on those that compare-and-sets made of it. Of a block two times matter: `f`, by which it
//! was certainly in effect, and `s`, at which it was last asked for. Two blocks of which each
//! has `f` before the other's `s` are a contradiction, and it shows at the entry that moves one
//! of the four times.
//!
//! What comes later has a start at or after the **horizon**: the start of the oldest open read,
//! or now. A block is **dead** once some other must follow it and was in effect before the
//! horizon: whoever still reads it contradicts that. Once its times are before the horizon too,
//! it is forgotten; those that it must follow remember of it when it was in effect. A value
//! that a compare-and-set replaced is dead once any operation that needs the replacement ended
//! before the horizon; of a chain only the links after it are kept.
//!
//! A value that nobody remembers was never written, or is dead: reading it is a contradiction
//! either way. So is one that is written once more after it was forgotten: no operation can
//! confuse the two.
//!
//! **Cost**: linear in what is remembered of a key, an entry.

use std::collections::hash_map::DefaultHasher;
use std::collections::{HashMap, HashSet, VecDeque};
use std::hash::{Hash, Hasher};

use super::{Kind, Nanos, Op, Step, Streaming, Told, Value, Witness, anomaly, client, strange};
use crate::Anomaly;
use crate::explain;
use crate::objects::{BEFORE, Moment, NEVER, moment};

/// So many values of a key that were forgotten are still known by name, for the story.
const RECENT: usize = 16;

/// Judges every register of a history that is being written.
///
/// Of keys that nobody uses any more, the 128 that were used last are remembered whole; of
/// those before, that they were there. Whoever comes back to one is not judged.
#[derive(Clone, Debug, Default)]
pub struct Registers {
    keys: HashMap<Value, Register>,
    open: HashMap<u32, Open>,
    /// Keys with an operation that waits for another to begin at this very time.
    waiting: Vec<Value>,
    now: Moment,
    entries: u64,
    /// Keys that were dropped, by their hashes: a collision leaves a key unjudged.
    dropped: HashSet<u64>,
}

/// So many keys without open operations are remembered, at least; at most twice as many.
const IDLE_KEYS: usize = 128;

#[derive(Clone, Debug)]
struct Open {
    key: Value,
    what: What,
    told: Told,
}

#[derive(Clone, Debug)]
enum What {
    Read,
    Write,
    Cas,
    /// Of no register, or of one that is given up.
    Other,
}

/// Why nothing more is said of a key.
enum Halt {
    Violated(Box<Anomaly>),
    Unable(String),
}

type Judged = Result<(), Halt>;

impl From<Judged> for Step {
    fn from(judged: Judged) -> Self {
        match judged {
            Ok(()) => Self::Fine,
            Err(Halt::Violated(anomaly)) => Self::Violated(anomaly),
            Err(Halt::Unable(why)) => Self::Unable(why),
        }
    }
}

impl Streaming for Registers {
    fn entry(&mut self, op: &Op) -> Step {
        let now = moment(op.time).max(self.now);
        let due = if now > self.now {
            self.due()
        } else {
            Step::Fine
        };
        self.now = now;
        self.entries += 1;
        let step = match (client(op), op.kind) {
            (None, _) => Step::Fine,
            (Some(process), Kind::Invoke) => self.begins(process, op),
            (Some(process), _) => self.ends(process, op),
        };
        if self.keys.len() > 2 * IDLE_KEYS {
            self.drop_idle();
        }
        match due {
            Step::Fine => step,
            due => due,
        }
    }

    fn end(&mut self) -> Step {
        self.due()
    }

    fn retained(&self) -> usize {
        self.keys.values().map(Register::retained).sum()
    }
}

impl Registers {
    /// What waited for something to begin waited in vain.
    fn due(&mut self) -> Step {
        while let Some(key) = self.waiting.pop() {
            let Some(register) = self.keys.get_mut(&key) else {
                continue;
            };
            let Some(waiting) = register.waiting.first().cloned() else {
                continue;
            };
            let anomaly = register.unknown(&key, &waiting);
            register.close();
            return Step::Violated(anomaly);
        }
        Step::Fine
    }

    fn begins(&mut self, process: u32, op: &Op) -> Step {
        let key = op.key.clone().unwrap_or_default();
        let what = match op.f.as_str() {
            "read" => What::Read,
            "write" => What::Write,
            "cas" => What::Cas,
            "add" | "read-set" | "final-read" | "final-read-set" => return Step::Fine,
            _ => What::Other,
        };
        let told = Witness::begun(op);
        let known = self.keys.contains_key(&key);
        let open = Open { key, what, told };
        let step = self.on(&open.key, |key, register, now| {
            register.begins(key, process, &open, now)
        });
        self.open.insert(process, open);
        // Another's operations are nobody's business, until they touch a register.
        if known { step } else { only_violated(step) }
    }

    fn ends(&mut self, process: u32, op: &Op) -> Step {
        let Some(open) = self.open.remove(&process) else {
            return Step::Fine;
        };
        self.on(&open.key, |key, register, now| {
            register.open = register.open.saturating_sub(1);
            register.ends(key, process, &open, op, now)
        })
    }

    fn on(
        &mut self,
        key: &Value,
        act: impl FnOnce(&Value, &mut Register, Moment) -> Judged,
    ) -> Step {
        if !self.keys.contains_key(key) {
            let mut register = Register::default();
            if self.dropped.contains(&hash(key)) {
                register.close();
            }
            self.keys.insert(key.clone(), register);
        }
        let register = self.keys.get_mut(key).expect("it has just been put there");
        register.used = self.entries;
        let judged = act(key, register, self.now);
        if judged.is_err() {
            register.close();
        } else if !register.waiting.is_empty() && !self.waiting.contains(key) {
            self.waiting.push(key.clone());
        }
        judged.into()
    }

    /// Drops those keys without open operations that were not used for longest.
    fn drop_idle(&mut self) {
        let idle = self.keys.values().filter(|register| register.open == 0);
        let mut used: Vec<u64> = idle.map(|register| register.used).collect();
        if used.len() <= IDLE_KEYS {
            return;
        }
        let place = used.len() - IDLE_KEYS;
        let (_, &mut first_kept, _) = used.select_nth_unstable(place);
        let dropped = &mut self.dropped;
        let waiting = &self.waiting;
        self.keys.retain(|key, register| {
            let kept = register.open > 0 || register.used >= first_kept || waiting.contains(key);
            if !kept {
                dropped.insert(hash(key));
            }
            kept
        });
    }
}

fn only_violated(step: Step) -> Step {
    match step {
        Step::Unable(_) => Step::Fine,
        other => other,
    }
}

fn hash(key: &Value) -> u64 {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    hasher.finish()
}

/// A start or an end of a call, and whose it is; the initial value is nobody's.
#[derive(Clone, Debug)]
struct End {
    at: Moment,
    by: Option<Told>,
    /// The value that the call shows to be there.
    value: Value,
}

/// One value of a chain.
#[derive(Clone, Debug)]
struct Link {
    value: Value,
    /// What it was made from, if a compare-and-set made it.
    from: Option<Value>,
    maker: Option<Told>,
    /// The earliest end of its maker and of the reads of it.
    ended: End,
}

/// A value and those that were made from it; of a long chain the last ones.
#[derive(Clone, Debug)]
struct Block {
    links: VecDeque<Link>,
    /// The value at its head, though that may be forgotten.
    head: Value,
    f: End,
    s: End,
    /// Whether it took effect for certain.
    live: bool,
    /// Of the forgotten blocks that must follow it, the one that was in effect first: its two
    /// times.
    followed: Option<Box<(End, End)>>,
}

impl Block {
    fn last(&self) -> &Link {
        self.links.back().expect("no block is empty")
    }

    /// By when some forgotten block was in effect that must follow this one.
    fn followed_at(&self) -> Moment {
        self.followed.as_ref().map_or(NEVER, |times| times.0.at)
    }

    fn follow(&mut self, f: &End, s: &End) {
        if f.at < self.followed_at() {
            self.followed = Some(Box::new((f.clone(), s.clone())));
        }
    }

    fn sees(&mut self, place: usize, end: End, start: End) {
        let link = &mut self.links[place];
        if end.at < link.ended.at {
            link.ended = end.clone();
        }
        if end.at < self.f.at {
            self.f = end;
        }
        if start.at > self.s.at {
            self.s = start;
        }
    }
}

/// What waits for a value that nobody has begun to write.
#[derive(Clone, Debug)]
enum Waiting {
    /// A read that returned it.
    Read(Value, Told),
    /// A compare-and-set that must have taken effect and expected it; with what it made.
    Made(Value, Value, Option<Told>),
}

impl Waiting {
    fn value(&self) -> &Value {
        match self {
            Self::Read(value, _) | Self::Made(value, _, _) => value,
        }
    }

    fn witness(&self) -> Option<&Told> {
        match self {
            Self::Read(_, told) => Some(told),
            Self::Made(_, _, told) => told.as_ref(),
        }
    }
}

#[derive(Clone, Debug)]
struct Register {
    blocks: Vec<Block>,
    /// How many operations are open.
    open: usize,
    reads: Vec<(u32, Moment)>,
    cas: Vec<(u32, Moment)>,
    waiting: Vec<Waiting>,
    /// Values that were forgotten of late, with their makers, and whether these failed.
    recent: VecDeque<(Value, Option<Told>, bool)>,
    /// Whether older ones are not known any more.
    older: bool,
    /// Forgetting is worth trying with so many blocks.
    full: usize,
    used: u64,
    closed: bool,
}

impl Default for Register {
    fn default() -> Self {
        let end = End {
            at: BEFORE,
            by: None,
            value: Value::Nil,
        };
        let initial = Block {
            links: VecDeque::from([Link {
                value: Value::Nil,
                from: None,
                maker: None,
                ended: end.clone(),
            }]),
            head: Value::Nil,
            f: end.clone(),
            s: end,
            live: true,
            followed: None,
        };
        Self {
            blocks: vec![initial],
            open: 0,
            reads: Vec::new(),
            cas: Vec::new(),
            waiting: Vec::new(),
            recent: VecDeque::new(),
            older: false,
            full: 4,
            used: 0,
            closed: false,
        }
    }
}

impl Register {
    fn retained(&self) -> usize {
        self.blocks.iter().map(|block| block.links.len()).sum()
    }

    /// Says no more, and remembers nothing.
    fn close(&mut self) {
        let (open, used) = (self.open, self.used);
        *self = Self {
            blocks: Vec::new(),
            open,
            used,
            closed: true,
            ..Self::default()
        };
    }

    fn find(&self, value: &Value) -> Option<(usize, usize)> {
        self.blocks.iter().enumerate().find_map(|(b, block)| {
            let place = block.links.iter().position(|link| link.value == *value)?;
            Some((b, place))
        })
    }

    fn begins(&mut self, key: &Value, process: u32, open: &Open, now: Moment) -> Judged {
        self.open += 1;
        if self.closed {
            return Ok(());
        }
        let argument = &open.told.invoke.value;
        match open.what {
            What::Read => {
                self.reads.push((process, now));
                Ok(())
            }
            What::Write if *argument == Value::Nil => {
                let why = "it writes nil, which stands for an absent key";
                Err(Halt::Unable(why.to_owned()))
            }
            What::Write => self.making(key, argument, None, &open.told, now),
            What::Cas => match argument.as_list() {
                Some([old, new]) if *new != Value::Nil => {
                    self.cas.push((process, now));
                    self.making(key, new, Some(old), &open.told, now)
                }
                _ => Err(Halt::Unable(
                    "its argument is not a list of an old and a new value".to_owned(),
                )),
            },
            What::Other => {
                let f = &open.told.invoke.f;
                let why = format!("{f} is not an operation of registers or sets");
                Err(Halt::Unable(why))
            }
        }
    }

    fn ends(&mut self, key: &Value, process: u32, open: &Open, op: &Op, now: Moment) -> Judged {
        if self.closed {
            return Ok(());
        }
        self.reads.retain(|(other, _)| *other != process);
        self.cas.retain(|(other, _)| *other != process);
        if let Some(why) = strange(&open.told.invoke, Some(op)) {
            return Err(Halt::Unable(why));
        }
        let told = open.told.ended(op);
        let argument = &open.told.invoke.value;
        match (&open.what, argument.as_list()) {
            (What::Read, _) if op.kind != Kind::Ok => {}
            (What::Read, _) if matches!(op.value, Value::List(_) | Value::Map(_)) => {
                let why = "it returned several values, not one";
                return Err(Halt::Unable(why.to_owned()));
            }
            (What::Read, _) => self.read(key, op.value.clone(), told)?,
            (What::Write, _) => self.made(key, argument, &told, op.kind)?,
            (What::Cas, Some([_, new])) => self.made(key, new, &told, op.kind)?,
            (What::Cas | What::Other, _) => {}
        }
        let long = || self.blocks.iter().any(|block| block.links.len() > 4);
        if self.open == 0 || self.blocks.len() >= self.full || long() {
            self.forget(now);
            self.full = (2 * self.blocks.len()).max(4);
        }
        Ok(())
    }

    /// A value may take effect from now on.
    fn making(
        &mut self,
        key: &Value,
        value: &Value,
        from: Option<&Value>,
        told: &Told,
        now: Moment,
    ) -> Judged {
        if self.find(value).is_some() {
            let why = format!("{value} may have been written by two operations");
            return Err(Halt::Unable(why));
        }
        let end = |at, by: Option<&Told>| End {
            at,
            by: by.cloned(),
            value: value.clone(),
        };
        self.blocks.push(Block {
            links: VecDeque::from([Link {
                value: value.clone(),
                from: from.cloned(),
                maker: Some(told.clone()),
                ended: end(NEVER, None),
            }]),
            head: value.clone(),
            f: end(NEVER, None),
            s: end(now, Some(told)),
            live: false,
            followed: None,
        });
        // Whoever has seen it did so at this very time.
        let (waiting, rest) = std::mem::take(&mut self.waiting)
            .into_iter()
            .partition(|waiting| waiting.value() == value);
        self.waiting = rest;
        let waiting: Vec<Waiting> = waiting;
        for waiting in waiting {
            match waiting {
                Waiting::Read(value, told) => self.read(key, value, told)?,
                Waiting::Made(_, new, _) => {
                    self.enliven(key, value)?;
                    self.join(key, &new)?;
                }
            }
        }
        Ok(())
    }

    /// Whoever makes a value is done.
    fn made(&mut self, key: &Value, value: &Value, told: &Told, kind: Kind) -> Judged {
        let mine = |block: &Block| {
            let mut links = block.links.iter();
            links.position(|link| link.maker.as_ref().is_some_and(|maker| maker.is(told)))
        };
        let found = self.blocks.iter().enumerate();
        let found = found.clone().find_map(|(b, block)| Some((b, mine(block)?)));
        if kind == Kind::Fail {
            match found {
                Some((b, _)) if !self.blocks[b].live => {
                    self.blocks.remove(b);
                    self.bury(value.clone(), Some(told.clone()), true);
                    return Ok(());
                }
                // Only what took effect is ever forgotten.
                found => {
                    let seen = found.and_then(|(b, place)| self.seen(b, place));
                    let conclusion =
                        format!("{value} was there although the operation that made it failed.");
                    let calls = [Some(told.clone()), seen].into_iter().flatten();
                    return violated("dirty-read", key, calls, conclusion);
                }
            }
        }
        let Some((b, place)) = found else {
            return Ok(());
        };
        self.blocks[b].links[place].maker = Some(told.clone());
        if kind == Kind::Info {
            return Ok(());
        }
        self.enliven(key, value)?;
        let (b, place) = self.find(value).expect("it was there");
        let inv = moment(told.invoke.time);
        let (end, start) = self.ends_of(told, value, inv);
        self.blocks[b].sees(place, end, start);
        self.check(key, b)
    }

    fn ends_of(&self, told: &Told, value: &Value, inv: Moment) -> (End, End) {
        let complete = told.complete.as_ref().map_or(told.invoke.time, time_of);
        let end = |at| End {
            at,
            by: Some(told.clone()),
            value: value.clone(),
        };
        (end(moment(complete)), end(inv))
    }

    /// Somebody who saw the value of a link, or one of those made from it.
    fn seen(&self, b: usize, place: usize) -> Option<Told> {
        let mut links = self.blocks[b].links.iter().skip(place);
        links.find_map(|link| link.ended.by.clone())
    }

    fn read(&mut self, key: &Value, value: Value, told: Told) -> Judged {
        if self.find(&value).is_none() {
            self.waiting.push(Waiting::Read(value, told));
            return Ok(());
        }
        self.enliven(key, &value)?;
        let (b, place) = self.find(&value).expect("it was there");
        let inv = moment(told.invoke.time);
        let after = self.blocks[b].links.iter().skip(place + 1);
        let replaced = after.map(|link| &link.ended).min_by_key(|end| end.at);
        if let Some(end) = replaced.filter(|end| end.at < inv) {
            let conclusion = format!(
                "{} was in effect by {}, yet what must come before it began only at {}.",
                end.value,
                explain::at(end.at),
                explain::at(inv)
            );
            let mut calls = vec![told.clone()];
            calls.extend(end.by.clone());
            calls.extend(self.makers(&[&end.value, &value]));
            return violated("stale-read", key, calls, conclusion);
        }
        let (end, start) = self.ends_of(&told, &value, inv);
        self.blocks[b].sees(place, end, start);
        self.check(key, b)
    }

    /// A value took effect for certain, and with it those that it was made from.
    fn enliven(&mut self, key: &Value, value: &Value) -> Judged {
        let mut made = Vec::new();
        let mut next = Some(value.clone());
        while let Some(value) = next.take() {
            let Some((b, place)) = self.find(&value).filter(|(b, _)| !self.blocks[*b].live) else {
                break;
            };
            self.blocks[b].live = true;
            next.clone_from(&self.blocks[b].links[place].from);
            if next.is_some() {
                made.push(value);
            }
        }
        // From the beginning of the chain.
        made.iter()
            .rev()
            .try_for_each(|value| self.join(key, value))
    }

    /// Adds what a compare-and-set made to the chain of what it expected.
    fn join(&mut self, key: &Value, value: &Value) -> Judged {
        let (b, _) = self.find(value).expect("it is there");
        let link = &self.blocks[b].links[0];
        let (maker, from) = (link.maker.clone(), link.from.clone());
        let from = from.expect("a compare-and-set made it");
        let Some((a, place)) = self.find(&from) else {
            let waiting = Waiting::Made(from, value.clone(), maker);
            self.waiting.push(waiting);
            return Ok(());
        };
        if a == b {
            let makers = self.blocks[b].links.iter();
            let calls: Vec<Told> = makers.filter_map(|link| link.maker.clone()).collect();
            let conclusion = "each needs a value that only another of them makes.".to_owned();
            return violated("cas-cycle", key, calls, conclusion);
        }
        if let Some(other) = self.blocks[a].links.get(place + 1) {
            let conclusion =
                format!("both found {from}, which only one of them can have replaced.");
            let mut calls: Vec<Told> = maker.into_iter().chain(other.maker.clone()).collect();
            calls.extend(self.makers(&[&from]));
            calls.extend(self.seen(a, place + 1));
            calls.extend(self.seen(b, 0));
            return violated("lost-update", key, calls, conclusion);
        }
        let tail = self.blocks.remove(b);
        let a = if a > b { a - 1 } else { a };
        let block = &mut self.blocks[a];
        block.links.extend(tail.links);
        if tail.f.at < block.f.at {
            block.f = tail.f;
        }
        if tail.s.at > block.s.at {
            block.s = tail.s;
        }
        if let Some(times) = tail.followed {
            block.follow(&times.0, &times.1);
        }
        self.check(key, a)
    }

    /// Whether one block contradicts another.
    fn check(&self, key: &Value, b: usize) -> Judged {
        let block = &self.blocks[b];
        if block.followed_at() < block.s.at {
            let times = block.followed.as_ref().expect("it has a time");
            return self.conflict(key, block, (&times.0, &times.1, None));
        }
        let other = self.blocks.iter().find(|other| {
            !std::ptr::eq(*other, block) && block.f.at < other.s.at && other.f.at < block.s.at
        });
        match other {
            None => Ok(()),
            Some(other) => self.conflict(key, block, (&other.f, &other.s, Some(other))),
        }
    }

    /// Two blocks of which each must come before the other.
    fn conflict(
        &self,
        key: &Value,
        one: &Block,
        (f, s, other): (&End, &End, Option<&Block>),
    ) -> Judged {
        // The story reads best if it ends with whoever came last.
        let mine = (&one.f, &one.s, Some(one));
        let ((old_f, old_s, old), (new_f, new_s, _)) = if one.s.at >= s.at {
            (mine, (f, s, other))
        } else {
            ((f, s, other), mine)
        };
        let is_read = |end: &End| end.by.as_ref().is_some_and(|told| told.invoke.f == "read");
        let name = if is_read(old_s) {
            "stale-read"
        } else if old.is_none_or(|old| old.head == Value::Nil || old.head != old_s.value) {
            "stale-cas"
        } else {
            "not-linearizable"
        };
        let first = if old_f.at == BEFORE {
            format!("{} was there from the beginning, and", old_f.value)
        } else {
            let at = explain::at(old_f.at);
            format!("{} was in effect by {at}, before", old_f.value)
        };
        let conclusion = format!(
            "{first} an operation on {} began at {}; {} was in effect by {}, before an operation \
             on {} began at {}: neither value can come wholly before the other.",
            new_s.value,
            explain::at(new_s.at),
            new_f.value,
            explain::at(new_f.at),
            old_s.value,
            explain::at(old_s.at)
        );
        let ends = [old_f, new_s, new_f, old_s];
        let mut calls: Vec<Told> = ends.iter().filter_map(|end| end.by.clone()).collect();
        calls.extend(self.makers(&ends.map(|end| &end.value)));
        violated(name, key, calls, conclusion)
    }

    /// Who made these values, as far as that is remembered.
    fn makers(&self, values: &[&Value]) -> Vec<Told> {
        let remembered = values.iter().filter_map(|value| match self.find(value) {
            Some((b, place)) => self.blocks[b].links[place].maker.clone(),
            None => {
                let mut recent = self.recent.iter().rev();
                recent.find(|gone| gone.0 == **value)?.1.clone()
            }
        });
        remembered.collect()
    }

    /// What is said of a value that nobody remembers.
    fn unknown(&self, key: &Value, waiting: &Waiting) -> Box<Anomaly> {
        let value = waiting.value();
        let gone = self.recent.iter().rev().find(|gone| gone.0 == *value);
        let (name, conclusion) = match gone {
            Some((_, _, true)) => (
                "dirty-read",
                format!("{value} was there although every write of it failed."),
            ),
            Some(_) => (
                "stale-read",
                format!("{value} had certainly been replaced before."),
            ),
            None if self.older => (
                "not-linearizable",
                format!("{value} had certainly been replaced before, or nobody had written it."),
            ),
            None => (
                "phantom-read",
                format!("{value} was there although nobody had begun to write it."),
            ),
        };
        let maker = gone.and_then(|gone| gone.1.clone());
        // What was certainly in effect instead.
        let before = waiting
            .witness()
            .map_or(BEFORE, |told| moment(told.invoke.time));
        let instead = self.blocks.iter().filter(|block| block.f.at < before);
        let instead = instead.max_by_key(|block| block.f.at);
        let instead = instead.filter(|_| name == "stale-read");
        let instead = instead.and_then(|block| block.f.by.clone());
        let calls = [waiting.witness().cloned(), maker, instead];
        anomaly(name, key, calls.into_iter().flatten(), conclusion)
    }

    fn bury(&mut self, value: Value, maker: Option<Told>, failed: bool) {
        if self.recent.len() == RECENT {
            self.recent.pop_front();
            self.older = true;
        }
        self.recent.push_back((value, maker, failed));
    }

    /// Forgets what can no longer matter; see the module.
    fn forget(&mut self, now: Moment) {
        let horizon = self
            .reads
            .iter()
            .map(|(_, inv)| *inv)
            .fold(now, Moment::min);
        for b in 0..self.blocks.len() {
            let mut shown = NEVER;
            let mut kept = 1;
            for link in self.blocks[b].links.iter().skip(1).rev() {
                shown = shown.min(link.ended.at);
                if shown < horizon {
                    break;
                }
                kept += 1;
            }
            while self.blocks[b].links.len() > kept {
                let link = self.blocks[b].links.pop_front().expect("there are several");
                self.bury(link.value, link.maker, false);
            }
        }
        let mut b = 0;
        while b < self.blocks.len() {
            if !self.is_over(b, horizon) {
                b += 1;
                continue;
            }
            let gone = self.blocks.swap_remove(b);
            for block in &mut self.blocks {
                if block.f.at < gone.s.at {
                    block.follow(&gone.f, &gone.s);
                }
            }
            for link in gone.links {
                self.bury(link.value, link.maker, false);
            }
        }
    }

    /// Whether nothing that comes can touch a block without contradicting it.
    fn is_over(&self, b: usize, horizon: Moment) -> bool {
        let block = &self.blocks[b];
        if !block.live || block.f.at >= horizon || block.s.at >= horizon {
            return false;
        }
        let others = self.blocks.iter().filter(|other| block.f.at < other.s.at);
        let others = others.filter(|other| !std::ptr::eq(*other, block));
        let followed = others
            .map(|other| other.f.at)
            .fold(block.followed_at(), Moment::min);
        if followed >= horizon {
            return false;
        }
        // A compare-and-set that began in time may yet say that it took effect.
        let open = self.cas.iter().any(|(_, inv)| *inv <= followed);
        let takes = |other: &Block| {
            !other.live
                && other.s.at <= followed
                && other.links[0].from.as_ref() == Some(&block.last().value)
        };
        !(open && self.blocks.iter().any(takes))
    }
}

fn time_of(op: &Op) -> Nanos {
    op.time
}

fn violated(
    name: &str,
    key: &Value,
    calls: impl IntoIterator<Item = Told>,
    conclusion: String,
) -> Judged {
    Err(Halt::Violated(anomaly(name, key, calls, conclusion)))
}
