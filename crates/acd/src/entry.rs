//! Owns one caller's place. Does not own the line it stands in (see `queue`).

use std::sync::Arc;

use clock::Instant;
use model::{CallId, EntryId, OfferId};
use smallvec::SmallVec;

use crate::agent::AgentSlot;
use crate::queue::QueueSlot;

/// A place's order in every line: the smaller goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub(crate) struct Rank {
    /// The negated priority of queue and entry together.
    urgency: i64,
    since: Instant,
    pub(crate) entry: EntryId,
}

impl Rank {
    pub(crate) fn new(queue_priority: i32, entry_priority: i32, since: Instant, entry: EntryId) -> Rank {
        Rank { urgency: -(i64::from(queue_priority) + i64::from(entry_priority)), since, entry }
    }
}

/// A caller's place in a queue. It is gone as soon as somebody answers or the caller leaves.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub(crate) struct Entry {
    pub(crate) call: CallId,
    pub(crate) caller: Arc<str>,
    pub(crate) queue: QueueSlot,
    pub(crate) priority: i32,
    /// Since when it waits, places before this one included.
    pub(crate) since: Instant,
    /// When it took this place: the maximum wait counts from here.
    pub(crate) entered: Instant,
    pub(crate) rank: Rank,
    /// Offers that ring for it; those being withdrawn are not here.
    pub(crate) offers: SmallVec<[OfferId; 1]>,
    /// How often each agent was asked.
    pub(crate) tries: SmallVec<[(AgentSlot, u32); 4]>,
    /// How many were ahead when the caller was last told.
    pub(crate) told: Option<u32>,
    pub(crate) telling: Telling,
}

/// Whether a caller may be told its position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) enum Telling {
    /// As soon as it is better than what was told.
    May,
    /// It is being told.
    Saying { since: Instant },
    /// Not before the timer.
    Resting,
}

impl Entry {
    pub(crate) fn tries_of(&self, agent: AgentSlot) -> u32 {
        self.tries.iter().find(|(a, _)| *a == agent).map_or(0, |(_, tries)| *tries)
    }

    pub(crate) fn tried(&mut self, agent: AgentSlot) {
        match self.tries.iter_mut().find(|(a, _)| *a == agent) {
            Some((_, tries)) => *tries += 1,
            None => self.tries.push((agent, 1)),
        }
    }
}
