//! Locks: a mutex, a re-entrant mutex and a semaphore.
//!
//! They judge the system's own order of grants. A lease that ran out while its client was
//! paused is held twice in the clients' view, and that is a violation here.

use super::Model;
use crate::history::{Call, Kind, Process};

/// What a lock was asked; it did it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum LockCall {
    /// This process took it.
    Acquire(Process),
    /// This process gave it back.
    Release(Process),
}

fn decode(call: &Call<'_>) -> Result<Option<LockCall>, String> {
    let who = call.invoke.process;
    Ok(match call.invoke.f.as_str() {
        _ if call.outcome() == Kind::Fail => None,
        "acquire" => Some(LockCall::Acquire(who)),
        "release" => Some(LockCall::Release(who)),
        f => return Err(format!("{f} is neither acquire nor release")),
    })
}

/// A mutex: `acquire`, `release` by the holder. Free at first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Mutex(pub Option<Process>);

impl Model for Mutex {
    type Call = LockCall;

    fn decode(call: &Call<'_>) -> Result<Option<LockCall>, String> {
        decode(call)
    }

    fn shown(&self) -> String {
        self.0
            .map_or("free".to_owned(), |who| format!("held by {who}"))
    }

    fn step(&self, call: &LockCall) -> Option<Self> {
        match call {
            LockCall::Acquire(who) => self.0.is_none().then_some(Self(Some(*who))),
            LockCall::Release(who) => (self.0 == Some(*who)).then_some(Self(None)),
        }
    }
}

/// A mutex that its holder may acquire again, up to [`ReentrantMutex::DEPTH`] times at once.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ReentrantMutex(pub Option<(Process, u32)>);

impl ReentrantMutex {
    /// How often it can be held at once.
    pub const DEPTH: u32 = 1 << 20;
}

impl Model for ReentrantMutex {
    type Call = LockCall;

    fn decode(call: &Call<'_>) -> Result<Option<LockCall>, String> {
        decode(call)
    }

    fn shown(&self) -> String {
        match self.0 {
            None => "free".to_owned(),
            Some((who, depth)) => format!("held {depth} times by {who}"),
        }
    }

    fn step(&self, call: &LockCall) -> Option<Self> {
        match (call, self.0) {
            (LockCall::Acquire(who), None) => Some(Self(Some((*who, 1)))),
            (LockCall::Acquire(who), Some((holder, depth))) => {
                (*who == holder && depth < Self::DEPTH).then_some(Self(Some((holder, depth + 1))))
            }
            (LockCall::Release(who), Some((holder, depth))) => {
                (*who == holder).then_some(Self((depth > 1).then_some((holder, depth - 1))))
            }
            (LockCall::Release(_), None) => None,
        }
    }
}

/// A semaphore; its state is how many permits are free. `acquire` and `release` move one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Semaphore {
    /// Permits free now.
    pub free: u32,
    /// Permits there are.
    pub permits: u32,
}

impl Semaphore {
    /// A semaphore of which all `permits` are free.
    #[must_use]
    pub fn new(permits: u32) -> Self {
        Self {
            free: permits,
            permits,
        }
    }
}

impl Model for Semaphore {
    /// Whether a permit is taken or given back; by whom does not matter.
    type Call = bool;
    const IMPERSONAL: bool = true;

    fn decode(call: &Call<'_>) -> Result<Option<bool>, String> {
        Ok(decode(call)?.map(|call| matches!(call, LockCall::Acquire(_))))
    }

    fn shown(&self) -> String {
        format!("{} of {} free", self.free, self.permits)
    }

    fn step(&self, takes: &bool) -> Option<Self> {
        let free = if *takes {
            self.free.checked_sub(1)?
        } else {
            self.free + 1
        };
        (free <= self.permits).then_some(Self { free, ..*self })
    }
}
