//! Owns what goes into and comes out of one tenant's ACD machine.

use std::sync::Arc;
use std::time::Duration;

use clock::Instant;
use model::event::{AgentState, Event};
use model::outcome::{EntryOutcome, RefusalCause, WithdrawCause};
use model::say::{Key, SayItem};
use model::{AgentId, CallId, DialTarget, EntryId, OfferId, QueueName};

use crate::TenantSettings;

/// Facts and wishes for one tenant's ACD.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// New settings; entries, offers and states of agents that still exist are kept.
    Configure(Arc<TenantSettings>),
    /// A caller asks for a place, of which the call has told (`Queued`): it must stand in the journal before whatever
    /// ends the call. Ends with exactly one `Left`, unless the caller goes first by `Leave`.
    Enqueue {
        /// The place, minted by the call.
        entry: EntryId,
        /// Whose.
        call: CallId,
        /// The queue.
        queue: QueueName,
        /// Higher goes first.
        priority: i32,
        /// The caller's number, for 主叫记忆 and views.
        caller: Arc<str>,
        /// Since when it waits: before now for a caller who has its place again. None: from now.
        since: Option<Instant>,
    },
    /// The caller hung up or left by himself; offers of the place are withdrawn.
    Leave {
        /// The place.
        entry: EntryId,
    },
    /// The phone rings.
    OfferRinging {
        /// The attempt.
        offer: OfferId,
    },
    /// The one result of an offer.
    OfferEnded {
        /// The attempt.
        offer: OfferId,
        /// Which.
        result: OfferResult,
    },
    /// The conversation that came of an accepted offer ended: wrap-up begins.
    ConversationEnded {
        /// The attempt that became it.
        offer: OfferId,
    },
    /// Hold began or ended within the conversation.
    Held {
        /// The conversation.
        offer: OfferId,
        /// Whether somebody holds now.
        held: bool,
    },
    /// The announcement ended (played, interrupted or impossible).
    Said {
        /// The place.
        entry: EntryId,
    },
    /// The waiting caller pressed a key.
    KeyPressed {
        /// The place.
        entry: EntryId,
        /// The key.
        key: Key,
    },
    /// The agent chose a state.
    ChooseState {
        /// Who.
        agent: AgentId,
        /// What.
        state: AgentState,
    },
    /// The agent's phone can or cannot be reached (bindings came or went).
    PhoneReachable {
        /// Whose.
        agent: AgentId,
        /// Whether it can be reached now.
        reachable: bool,
    },
    /// A call that the ACD did not make (direct, outbound, picked up) occupies the agent from its first ring on; told
    /// again whenever the agent does something else in it.
    Occupied {
        /// Who.
        agent: AgentId,
        /// By which call.
        call: CallId,
        /// What the agent does in it.
        engaged: Engaged,
    },
    /// The agent is no longer part of that call: it ended, was not answered, or went on without the agent.
    Freed {
        /// Who.
        agent: AgentId,
        /// Which call.
        call: CallId,
    },
    /// Somebody else took the call whose offer rings (代接): the place is answered, its phones ring no more.
    PickedUp {
        /// The attempt that rang.
        offer: OfferId,
    },
    /// The agent's state becomes `to` if it is `from`; else nothing happens.
    ReplaceState {
        /// Who.
        agent: AgentId,
        /// The state that is replaced.
        from: AgentState,
        /// The state that follows.
        to: AgentState,
    },
    /// The tenant's midnight passed: the day's counters start anew.
    DayBegan,
}

/// What an agent does in a call that the ACD did not make.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Engaged {
    /// The agent's phone rings, or the agent waits for somebody to answer.
    Ringing,
    /// A conversation.
    Talking,
    /// A conversation on hold.
    Held,
    /// A supervisor in somebody else's conversation.
    Supervising,
}

/// The one result of an offer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OfferResult {
    /// The agent answered and is joined with the caller.
    Accepted,
    /// It did not come to that.
    Refused(RefusalCause, Option<u16>),
    /// The withdrawal was carried out, or the call is gone.
    Gone,
}

/// What one tenant's ACD asks for. `call` carries it out.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Ring this agent for this place; answered by `OfferRinging` and one `OfferEnded`.
    Offer {
        /// The attempt.
        offer: OfferId,
        /// The place.
        entry: EntryId,
        /// The caller's call.
        call: CallId,
        /// Who.
        agent: AgentId,
        /// Where.
        target: DialTarget,
        /// The queue it is for.
        queue: QueueName,
        /// The ACD withdraws by itself after this; for the phone's display only.
        ring: Duration,
    },
    /// Stop ringing; answered by `OfferEnded` (`Gone`, or `Accepted` when the answer crossed it).
    Withdraw {
        /// The attempt.
        offer: OfferId,
        /// Whose call it is part of.
        call: CallId,
        /// Why.
        cause: WithdrawCause,
    },
    /// Tell the waiting caller; answered by `Said`.
    Say {
        /// The place.
        entry: EntryId,
        /// The caller's call.
        call: CallId,
        /// What.
        items: Vec<SayItem>,
    },
    /// The place ended without the caller's doing, or by an answer.
    Left {
        /// The place.
        entry: EntryId,
        /// The caller's call.
        call: CallId,
        /// How.
        outcome: EntryOutcome,
    },
    /// A fact to journal.
    Event(Event),
}
