//! Owns one queue's line. Does not own the callers in it (see `entry`) or whom they get (see `strategy`).

use std::collections::BTreeSet;

use crate::agent::AgentSlot;
use crate::entry::Rank;
use crate::{QueueSettings, Strategy};

/// A queue's place in the machine's tables; not reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub(crate) struct QueueSlot(pub(crate) u32);

/// One queue.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub(crate) struct Queue {
    pub(crate) settings: QueueSettings,
    /// The agents that exist, in the order of the settings.
    pub(crate) tiers: Vec<Place>,
    /// Everybody who waits.
    pub(crate) line: BTreeSet<Rank>,
    /// Of these, for whom nobody's phone rings.
    pub(crate) seeking: BTreeSet<Rank>,
    /// Of these, who may be told a better position: few, so that a line that moves costs little.
    pub(crate) eager: BTreeSet<Rank>,
    /// Whom it asked last, for 轮流.
    pub(crate) last_asked: Option<AgentSlot>,
}

/// An agent's place in the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Place {
    pub(crate) agent: AgentSlot,
    pub(crate) level: u32,
}

impl Queue {
    pub(crate) fn new(settings: QueueSettings) -> Queue {
        Queue {
            settings,
            tiers: Vec::new(),
            line: BTreeSet::new(),
            seeking: BTreeSet::new(),
            eager: BTreeSet::new(),
            last_asked: None,
        }
    }

    pub(crate) fn rings_all(&self) -> bool {
        self.settings.strategy == Strategy::AllAtOnce
    }

    /// How many stand before `rank`.
    pub(crate) fn ahead_of(&self, rank: &Rank) -> u32 {
        u32::try_from(self.line.range(..rank).count()).unwrap_or(u32::MAX)
    }

    pub(crate) fn level_of(&self, agent: AgentSlot) -> Option<u32> {
        self.tiers.iter().find(|place| place.agent == agent).map(|place| place.level)
    }
}
