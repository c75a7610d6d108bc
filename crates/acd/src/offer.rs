//! Owns one attempt to give an entry to an agent, and the talk it becomes. Does not own how a phone is rung.

use clock::Instant;
use model::outcome::WithdrawCause;
use model::{CallId, EntryId};

use crate::Strategy;
use crate::agent::AgentSlot;
use crate::queue::QueueSlot;

/// One attempt.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub(crate) struct Offer {
    pub(crate) entry: EntryId,
    pub(crate) call: CallId,
    pub(crate) agent: AgentSlot,
    /// The queue it is for, which a reload may have removed since.
    pub(crate) queue: QueueSlot,
    /// The agent's level there.
    pub(crate) level: u32,
    /// By which it was chosen; only `AllAtOnce` rings beside others.
    pub(crate) strategy: Strategy,
    pub(crate) state: OfferState,
}

/// How far an attempt is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) enum OfferState {
    /// Its phone was called.
    Asked,
    /// Its phone rings.
    Ringing,
    /// Taken back; its end is awaited, and an answer may still cross.
    Withdrawing { cause: WithdrawCause },
    /// Agent and caller talk; the entry is gone.
    Talking {
        /// The start of what the day's counters lack.
        counted_from: Instant,
        held: bool,
    },
}

impl OfferState {
    /// Whether it may still be taken back.
    pub(crate) const fn is_open(self) -> bool {
        matches!(self, OfferState::Asked | OfferState::Ringing)
    }
}
