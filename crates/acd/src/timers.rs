//! Owns the deadlines of one tenant's entries, offers and agents. Does not own what happens at them.

use std::collections::{BTreeMap, BTreeSet};

use clock::Instant;
use model::{EntryId, OfferId};

use crate::agent::AgentSlot;

/// What a deadline is for; each has at most one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub(crate) enum Timer {
    /// The entry's maximum wait passes.
    MaxWait(EntryId),
    /// The entry may be told its position again.
    Tell(EntryId),
    /// The offer rang its time out.
    Ring(OfferId),
    /// The agent's wrap-up ends.
    WrapUp(AgentSlot),
    /// The agent who did not answer is asked again.
    Rest(AgentSlot),
}

/// All deadlines, set, cleared and popped in O(log n). Equal times fire in the order of [`Timer`].
#[derive(Clone, Debug, Default, serde::Serialize, serde::Deserialize)]
#[serde(from = "Vec<(Timer, Instant)>", into = "Vec<(Timer, Instant)>")]
pub(crate) struct Timers {
    by_time: BTreeSet<(Instant, Timer)>,
    by_timer: BTreeMap<Timer, Instant>,
}

impl Timers {
    pub(crate) fn set(&mut self, timer: Timer, at: Instant) {
        self.clear(timer);
        self.by_time.insert((at, timer));
        self.by_timer.insert(timer, at);
    }

    pub(crate) fn set_or_clear(&mut self, timer: Timer, at: Option<Instant>) {
        match at {
            Some(at) => self.set(timer, at),
            None => self.clear(timer),
        }
    }

    pub(crate) fn clear(&mut self, timer: Timer) {
        if let Some(at) = self.by_timer.remove(&timer) {
            self.by_time.remove(&(at, timer));
        }
    }

    pub(crate) fn next(&self) -> Option<Instant> {
        self.by_time.first().map(|(at, _)| *at)
    }

    /// Takes the earliest timer due at `now`.
    pub(crate) fn pop(&mut self, now: Instant) -> Option<Timer> {
        if self.next()? > now {
            return None;
        }
        let (_, timer) = self.by_time.pop_first()?;
        self.by_timer.remove(&timer);
        Some(timer)
    }

    pub(crate) fn at(&self, timer: Timer) -> Option<Instant> {
        self.by_timer.get(&timer).copied()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Timer> {
        self.by_timer.keys().copied()
    }
}

impl From<Vec<(Timer, Instant)>> for Timers {
    fn from(list: Vec<(Timer, Instant)>) -> Timers {
        let mut timers = Timers::default();
        for (timer, at) in list {
            timers.set(timer, at);
        }
        timers
    }
}

impl From<Timers> for Vec<(Timer, Instant)> {
    fn from(timers: Timers) -> Self {
        timers.by_timer.into_iter().collect()
    }
}
