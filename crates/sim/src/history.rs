//! Owns what a scenario leaves behind, as plain data. Does not own the judgement (see `checks`).

use std::net::SocketAddr;

use ledger::Cdr;
use model::RecordingId;
use model::event::Stamped;
use sip::audit::Entry;

use crate::studio::StudioLive;

/// What a scenario leaves behind.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// Every SIP packet, as it was sent.
    pub trace: Vec<Entry>,
    /// The switch's signalling addresses.
    pub switch: Vec<SocketAddr>,
    /// Addresses whose own packets are written by hand and may break rules on purpose.
    pub by_hand: Vec<SocketAddr>,
    /// INVITEs outside of a dialog that reached the switch, one per Call-ID.
    pub invites: Vec<NewCall>,
    /// Every fact, in order.
    pub facts: Vec<Stamped>,
    /// Every record, in the order of their calls' ends.
    pub cdrs: Vec<Cdr>,
    /// What the shard still holds.
    pub shard: call::Live,
    /// What the media worker still holds.
    pub studio: StudioLive,
    /// Recordings that the media worker was told to begin, and that it reported closed.
    pub recordings: (Vec<RecordingId>, Vec<RecordingId>),
    /// What the ACDs still hold.
    pub acds: Vec<AcdAtRest>,
    /// Peers that believe to be in a call.
    pub in_call: Vec<String>,
    /// What was seen on the way that must not happen.
    pub incidents: Vec<String>,
}

/// An INVITE outside of a dialog that reached the switch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewCall {
    /// Its Call-ID.
    pub call_id: String,
    /// Its source.
    pub from: SocketAddr,
    /// Whether the plan knows the source.
    pub known: Known,
}

/// Whether the plan knows the source of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// A trunk, or a phone by its From.
    Yes,
    /// A stranger.
    No,
}

/// What a tenant's ACD holds when all is quiet.
#[derive(Clone, Debug, PartialEq)]
pub struct AcdAtRest {
    /// Whose.
    pub tenant: model::TenantId,
    /// Entries, offers, conversations.
    pub live: acd::Live,
    /// Invariants that do not hold, in words.
    pub broken: Vec<String>,
    /// Agents that it believes to be in a call.
    pub engaged: Vec<model::AgentId>,
}
