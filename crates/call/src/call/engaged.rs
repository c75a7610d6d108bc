//! Owns what the ACD hears of agents in calls that it did not make: colleagues, calls out, bound phones. Does not own what
//! an agent's state means (see `acd`).

use acd::Engaged;
use model::{AgentId, OfferId};

use super::{Call, Stage};
use crate::context::Context;
use crate::party::{AskedBy, Party};

impl Call {
    /// The agent does this in the call from now on.
    pub(super) fn engage(&self, context: &mut Context<'_>, agent: Option<&AgentId>, engaged: Engaged) {
        if let Some(agent) = agent.cloned() {
            context.acd(&self.tenant, acd::Input::Occupied { agent, call: self.id, engaged });
        }
    }

    /// The agent is no longer part of the call, unless by another phone.
    pub(super) fn free(&self, context: &mut Context<'_>, agent: Option<&AgentId>) {
        let Some(agent) = agent else { return };
        if !self.engaged_agents().any(|engaged| engaged == agent) {
            context.acd(&self.tenant, acd::Input::Freed { agent: agent.clone(), call: self.id });
        }
    }

    /// The agents of the conversation talk, or stand in hold.
    pub(super) fn engage_talkers(&self, context: &mut Context<'_>) {
        let Stage::Talking(talk) = &self.stage else { return };
        let engaged = if talk.holders.is_empty() { Engaged::Talking } else { Engaged::Held };
        let party = self.parties.iter().find(|party| party.offer == talk.offer);
        self.engage(context, self.facts.calling_agent.as_ref(), engaged);
        self.engage(context, party.and_then(Party::unqueued_agent), engaged);
    }

    /// Agents whom the ACD holds for occupied by this call.
    pub(super) fn engaged_agents(&self) -> impl Iterator<Item = &AgentId> {
        let rung = self.parties.iter().filter_map(Party::unqueued_agent);
        self.facts.calling_agent.iter().chain(rung)
    }

    /// A party is rung without a queue.
    pub(super) fn engage_rung(&self, context: &mut Context<'_>, offer: OfferId) {
        let party = self.parties.iter().find(|party| party.offer == offer);
        let agent = party.and_then(Party::unqueued_agent);
        // Who calls himself by another phone of his is seen as the one who calls.
        if agent != self.facts.calling_agent.as_ref() {
            self.engage(context, agent, Engaged::Ringing);
        }
    }
}

impl Party {
    /// The agent of an offer that no queue made.
    pub fn unqueued_agent(&self) -> Option<&AgentId> {
        match &self.asked_by {
            AskedBy::Acd { .. } => None,
            AskedBy::Flow { agent, .. } => agent.as_ref(),
        }
    }
}
