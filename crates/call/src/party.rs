//! Owns the one who is called: an agent or bound phone, with a leg per binding until one answers.
//! Does not own the choice of whom to call (see `acd`, `ivr`).

use std::collections::VecDeque;
use std::sync::Arc;

use clock::Instant;
use model::outcome::RefusalCause;
use model::{AgentId, Aor, DialTarget, LegId, OfferId, QueueName};

use routing::{Holder, Ticket, WayOut};

use crate::destination::Destination;
use crate::leg::Leg;

/// The one who is called.
#[derive(Debug)]
pub(crate) struct Party {
    pub offer: OfferId,
    pub asked_by: AskedBy,
    /// 接听号码: the agent's number or the bound phone's.
    pub label: Arc<str>,
    pub target: DialTarget,
    pub state: PartyState,
    pub legs: Vec<Leg>,
    /// Legs that wait for their bindings or ports.
    pub pending: Vec<PendingLeg>,
    /// What the trunk's limit counts for it.
    ticket: Option<Box<Ticket>>,
    /// What is tried after the present attempt.
    pub ways: VecDeque<Way>,
    /// The way that is tried at present.
    pub attempt: Option<Attempt>,
    /// Its answer's place among the answers of this call.
    pub answered_as: u32,
    /// Phones that passed the call on to this one, the first of them first.
    pub passed_on: Vec<Aor>,
    /// By whose class of service it is called outside; None: the caller's.
    pub holder: Option<Holder>,
    /// The last refusal of a fork; the best one speaks for all (RFC 3261 §16.7).
    pub refusal: Option<(RefusalCause, Option<u16>)>,
}

/// One of several ways to a party, which are tried in turn.
#[derive(Clone, Debug)]
pub(crate) enum Way {
    /// By a trunk.
    Trunk(WayOut),
    /// To one of the addresses that a name led to (RFC 3263 §4.3).
    Address(Box<Destination>),
}

/// A call out by one way.
#[derive(Clone, Debug)]
pub(crate) struct Attempt {
    pub leg: LegId,
    /// The trunk that it goes by; None: to an address.
    pub trunk: Option<WayOut>,
    /// Until any response must have come.
    pub quiet_until: Option<Instant>,
}

/// Who asked for the party, and so who must be told what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum AskedBy {
    /// A queue's ACD.
    Acd { agent: AgentId, queue: QueueName },
    /// A `Dial` node or an extension.
    Flow { until: Instant, agent: Option<AgentId> },
}

/// How far it got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PartyState {
    /// INVITEs are on their way.
    Calling,
    /// A phone rings.
    Ringing,
    /// A phone answered; the ACD has yet to say whether this answer wins.
    Accepted(LegId),
    /// It talks with the caller.
    Talking(LegId),
}

/// A leg that has no session yet.
#[derive(Clone, Debug)]
pub(crate) struct PendingLeg {
    pub id: LegId,
    pub invite: PendingInvite,
}

/// What the leg waits for.
#[derive(Clone, Debug)]
pub(crate) enum PendingInvite {
    /// The bindings of its phone.
    Bindings,
    /// Where the name in its address leads.
    Targets,
    /// Its port; then this is sent.
    Port(Box<Destination>),
}

impl Party {
    pub fn new(offer: OfferId, asked_by: AskedBy, label: Arc<str>, target: DialTarget) -> Party {
        // Most have one; a vector that grows by itself begins with room for four.
        let (legs, pending) = (Vec::with_capacity(1), Vec::with_capacity(1));
        Party {
            offer,
            asked_by,
            label,
            target,
            state: PartyState::Calling,
            legs,
            pending,
            ticket: None,
            ways: VecDeque::new(),
            attempt: None,
            answered_as: 0,
            passed_on: Vec::new(),
            holder: None,
            refusal: None,
        }
    }

    /// What the trunk's limit counts for it is somebody else's from now on.
    pub fn take_ticket(&mut self) -> Option<Ticket> {
        self.ticket.take().map(|ticket| *ticket)
    }

    /// What the trunk's limit counts for it, which had none, from now on.
    pub fn set_ticket(&mut self, ticket: Option<Ticket>) {
        self.ticket = ticket.map(Box::new);
    }

    /// When it stops ringing by itself; the ACD keeps that time for its own.
    pub fn ring_until(&self) -> Option<Instant> {
        match (&self.asked_by, self.state) {
            (AskedBy::Flow { until, .. }, PartyState::Calling | PartyState::Ringing) => Some(*until),
            _ => None,
        }
    }

    /// When a way on which nobody has said anything yet is given up.
    pub fn quiet_until(&self) -> Option<Instant> {
        self.attempt.as_ref()?.quiet_until
    }

    pub fn agent(&self) -> Option<&AgentId> {
        match &self.asked_by {
            AskedBy::Acd { agent, .. } => Some(agent),
            AskedBy::Flow { agent, .. } => agent.as_ref(),
        }
    }

    pub fn queue(&self) -> Option<&QueueName> {
        match &self.asked_by {
            AskedBy::Acd { queue, .. } => Some(queue),
            AskedBy::Flow { .. } => None,
        }
    }

    /// Nothing is left that could still answer.
    pub fn is_exhausted(&self) -> bool {
        self.legs.is_empty() && self.pending.is_empty() && self.ways.is_empty()
    }

    /// Remembers a fork's refusal; busy and rejected say more than unreachable (RFC 3261 §16.7 step 6).
    pub fn note_refusal(&mut self, cause: RefusalCause, status: Option<u16>) {
        let says = |cause: RefusalCause| match cause {
            RefusalCause::Barred | RefusalCause::Forwarded => 6,
            RefusalCause::Rejected => 5,
            RefusalCause::Busy => 4,
            RefusalCause::Limit => 3,
            RefusalCause::NoAnswer => 2,
            RefusalCause::Incompatible => 1,
            RefusalCause::Unreachable => 0,
        };
        if self.refusal.is_none_or(|(known, _)| says(known) < says(cause)) {
            self.refusal = Some((cause, status));
        }
    }
}

/// What a final status of an outgoing INVITE means for an offer.
pub(crate) fn refusal_of(status: u16) -> RefusalCause {
    match status {
        486 | 600 => RefusalCause::Busy,
        603 | 480 | 607 | 403 => RefusalCause::Rejected,
        488 | 606 | 415 => RefusalCause::Incompatible,
        487 => RefusalCause::NoAnswer,
        _ => RefusalCause::Unreachable,
    }
}
