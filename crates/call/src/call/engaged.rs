//! Owns what the ACD hears of agents in calls that it did not make: colleagues, calls out, bound phones, supervisors. What
//! agents do is told from how the call stands, after each input (see `Shard::with_call`). Does not own what an agent's state
//! means (see `acd`).

use acd::Engaged;
use model::{AgentId, LegId, OfferId};

use super::{Call, Stage};
use crate::party::{AskedBy, Party, PartyState};

/// What an ACD was told last of the agents in a call.
pub(crate) type ToldAgents = Vec<(AgentId, Engaged)>;

impl Call {
    /// What the ACD must hear for `told` to become what agents do now: first who does something else, then who is no
    /// longer part of the call.
    pub fn tell_acd(&self, told: &mut ToldAgents) -> (Vec<acd::Input>, Vec<acd::Input>) {
        let (mut occupied, mut freed) = (Vec::new(), Vec::new());
        if told.is_empty() && !self.has_agents_of_its_own() {
            return (occupied, freed);
        }
        let now = self.engaged_here();
        for (agent, engaged) in &now {
            if !told.contains(&(agent.clone(), *engaged)) {
                let (agent, engaged) = (agent.clone(), *engaged);
                occupied.push(acd::Input::Occupied { agent, call: self.id, engaged });
            }
        }
        for (agent, _) in told.iter() {
            if !now.iter().any(|(other, _)| other == agent) {
                freed.push(acd::Input::Freed { agent: agent.clone(), call: self.id });
            }
        }
        *told = now;
        (occupied, freed)
    }

    /// Every agent in the call, those of queues included, and what each of them does.
    pub fn engagements(&self) -> ToldAgents {
        let (of_talk, talking) = self.talking();
        let of_queues = self.parties.iter().filter(|party| party.queue().is_some() && !self.is_over());
        let of_queues =
            of_queues.filter_map(|party| Some((party.agent()?.clone(), party.engaged(of_talk, talking))));
        of_queues.chain(self.engaged_here()).collect()
    }

    /// The party of the conversation, and what those do who talk in it.
    fn talking(&self) -> (Option<OfferId>, Engaged) {
        match &self.stage {
            Stage::Talking(talk) if talk.holders.is_empty() => (Some(talk.offer), Engaged::Talking),
            Stage::Talking(talk) => (Some(talk.offer), Engaged::Held),
            _ => (None, Engaged::Talking),
        }
    }

    fn has_agents_of_its_own(&self) -> bool {
        let calls = self.facts.calling_agent.is_some() || self.awaited.is_some();
        calls || self.parties.iter().any(|party| party.unqueued_agent().is_some())
    }

    /// What agents do whom no queue gave the call. Who is in it twice is seen by what is said first of them.
    fn engaged_here(&self) -> ToldAgents {
        if self.is_over() {
            return Vec::new();
        }
        let (of_talk, talking) = self.talking();
        let calls = match &self.stage {
            Stage::Talking(_) => talking,
            Stage::Conferring { conference: Some(_) } => Engaged::Talking,
            Stage::Visiting { .. } => Engaged::Supervising,
            _ => Engaged::Ringing,
        };
        let caller = self.facts.calling_agent.as_ref().map(|agent| (agent, calls));
        let called = self.parties.iter();
        let called =
            called.filter_map(|party| Some((party.unqueued_agent()?, party.engaged(of_talk, talking))));
        let awaited = self.awaited.as_ref().map(|agent| (agent, Engaged::Ringing));
        let mut seen = ToldAgents::new();
        for (agent, engaged) in caller.into_iter().chain(called).chain(awaited) {
            if !seen.iter().any(|(other, _)| other == agent) {
                seen.push((agent.clone(), engaged));
            }
        }
        seen
    }

    /// The agent who goes to another call when `leg` gives away whom it talks with or waits for, and what they do there.
    pub fn agent_given_away_by(&self, leg: LegId) -> Option<(AgentId, Engaged)> {
        if !self.is_caller(leg) {
            return Some((self.facts.calling_agent.clone()?, Engaged::Talking));
        }
        let (of_talk, _) = self.talking();
        match of_talk {
            Some(offer) => {
                let party = self.parties.iter().find(|party| party.offer == offer)?;
                Some((party.agent()?.clone(), Engaged::Talking))
            }
            None => Some((self.parties.first()?.unqueued_agent()?.clone(), Engaged::Ringing)),
        }
    }

    /// The agent who goes with the caller's leg.
    pub fn agent_who_calls(&self) -> Option<AgentId> {
        self.who_calls().agent
    }
}

impl Party {
    /// What its agent does.
    fn engaged(&self, of_talk: Option<OfferId>, talking: Engaged) -> Engaged {
        match (self.state, &self.asked_by) {
            (PartyState::Talking(_), _) if Some(self.offer) == of_talk => talking,
            // One who is asked about the call, or who awaits the word that their answer won.
            (PartyState::Talking(_), _) | (PartyState::Accepted(_), AskedBy::Acd { .. }) => Engaged::Talking,
            _ => Engaged::Ringing,
        }
    }

    /// The agent of an offer that no queue made.
    pub fn unqueued_agent(&self) -> Option<&AgentId> {
        match &self.asked_by {
            AskedBy::Acd { .. } => None,
            AskedBy::Flow { agent, .. } => agent.as_ref(),
        }
    }
}
