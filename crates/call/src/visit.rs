//! Owns what calls of one shard tell each other when one visits the other: a supervisor's call, whose port is in the
//! room of the call that is supervised. Does not own what they make of it (see `call::visiting`, `call::guests`).

use crate::conference::{ConferenceInput, MemberWord};
use model::supervision::Verb;
use model::{AgentId, CallId, LegId};

/// A supervisor in somebody else's call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Guest {
    /// The supervisor's own call.
    pub visit: CallId,
    /// Its caller's leg, whose port is in the host's room.
    pub leg: LegId,
    pub by: AgentId,
    /// `Listen`, `Whisper` or `Barge`.
    pub verb: Verb,
    /// On whose side: who hears a whisper, and whose place is taken.
    pub beside: Side,
}

/// One side of a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// Who called.
    Caller,
    /// Who was called.
    Party,
}

/// Where a call is to go once its caller can hear and be heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Visit {
    pub host: CallId,
    pub by: AgentId,
    /// What the supervisor asks for first: `Take` listens until the place is given.
    pub verb: Verb,
    pub beside: Side,
}

/// What one call tells another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Word {
    /// To the host: a supervisor is here.
    GuestCame(Guest),
    /// To the host: the supervisor asks for this.
    GuestWants { visit: CallId, verb: Verb },
    /// To the host: the supervisor is gone.
    GuestLeft { visit: CallId },
    /// To the visitor: the conversation is over, or never was.
    HostGone,
    /// To the visitor: what was asked for is no right of theirs.
    Denied,
    /// To the visitor: the leg may take the place of this one.
    PlaceGiven { of: LegId },
    /// To a participant: what the conference says.
    Conference(MemberWord),
}

/// What a call says, and to whom.
#[derive(Debug)]
pub(crate) enum Letter {
    ToCall(CallId, Word),
    ToConference(ConferenceInput),
}
