//! Owns what an agent chooses and what is heard of its phone and its other calls.

use clock::Instant;
use model::event::{AgentFact, AgentState};
use model::outcome::WithdrawCause;
use model::{AgentId, CallId};

use super::Acd;
use crate::agent::{AgentSlot, Listed, Occupation, Seen, Today, has_phone};
use crate::offer::OfferState;
use crate::timers::Timer;
use crate::{Engaged, SignIn};

impl Acd {
    /// What the agent chose: ready ends wrap-up and rest, offline ends wrap-up and takes a ringing offer back, busy
    /// and break let a ringing offer ring and wrap-up run out.
    pub(super) fn choose_state(&mut self, now: Instant, id: &AgentId, state: AgentState) {
        let Some(slot) = self.agent_slot(id) else { return };
        self.set_state(now, slot, state);
    }

    pub(super) fn set_state(&mut self, now: Instant, slot: AgentSlot, state: AgentState) {
        let Some(agent) = self.agents.get_mut(&slot) else { return };
        let (ready, offline) = (state == AgentState::Ready, state == AgentState::Offline);
        if ready || offline {
            if agent.wrap_until.take().is_some() {
                agent.idle_since = now;
            }
            agent.rest_until = None;
            self.timers.clear(Timer::WrapUp(slot));
            self.timers.clear(Timer::Rest(slot));
        }
        if agent.state != state {
            agent.state = state.clone();
            agent.state_since = now;
            if ready {
                agent.idle_since = now;
            }
            let id = agent.settings.id.clone();
            self.tell_agent(id, AgentFact::StateChosen { state });
        }
        if offline {
            self.gone(now, slot);
        }
        self.refresh(now, slot);
    }

    /// Bindings of the agent's phone came or went. Agents who are reached elsewhere do not depend on it.
    pub(super) fn phone_reachable(&mut self, now: Instant, id: &AgentId, reachable: bool) {
        let Some(slot) = self.agent_slot(id) else { return };
        let Some(agent) = self.agents.get_mut(&slot) else { return };
        if !has_phone(&agent.settings) || agent.reachable == reachable {
            return;
        }
        agent.reachable = reachable;
        if reachable {
            agent.idle_since = now;
        }
        match (agent.settings.sign_in, reachable) {
            (SignIn::ByRegistering, true) if agent.state == AgentState::Offline => {
                self.set_state(now, slot, AgentState::Ready);
            }
            (SignIn::ByRegistering, false) => self.set_state(now, slot, AgentState::Offline),
            (_, false) => self.take_back_offer(now, slot),
            (_, true) => {}
        }
        self.refresh(now, slot);
    }

    /// The agent signed out or is no longer configured.
    pub(super) fn gone(&mut self, now: Instant, slot: AgentSlot) {
        if let Some(agent) = self.agents.get(&slot) {
            self.unsettled.thinned.extend(agent.queues.iter().copied());
        }
        self.take_back_offer(now, slot);
    }

    fn take_back_offer(&mut self, now: Instant, slot: AgentSlot) {
        if let Some(offer) = self.agents.get(&slot).and_then(|agent| agent.offer) {
            self.withdraw(now, offer, WithdrawCause::AgentGone);
        }
    }

    /// A state that depends on the one before it: what somebody chose meanwhile stands.
    pub(super) fn replace_state(&mut self, now: Instant, id: &AgentId, from: &AgentState, to: AgentState) {
        let Some(slot) = self.agent_slot(id) else { return };
        if self.agents.get(&slot).is_some_and(|agent| agent.state == *from) {
            self.set_state(now, slot, to);
        }
    }

    /// A call that the ACD did not make. It counts from its first conversation.
    pub(super) fn occupied(&mut self, now: Instant, id: &AgentId, call: CallId, engaged: Engaged) {
        let Some(slot) = self.agent_slot(id) else { return };
        let Some(agent) = self.agents.get_mut(&slot) else { return };
        let place = match agent.occupied.iter().position(|o| o.call == call) {
            Some(place) => place,
            None => {
                agent.occupied.push(Occupation { call, engaged, counted_from: None });
                agent.occupied.len() - 1
            }
        };
        let occupation = &mut agent.occupied[place];
        occupation.engaged = engaged;
        // R25: a supervisor's listening is no call of theirs, unless they take it over.
        if matches!(engaged, Engaged::Talking | Engaged::Held) && occupation.counted_from.is_none() {
            occupation.counted_from = Some(now);
            agent.today.calls += 1;
        }
        self.refresh(now, slot);
    }

    pub(super) fn freed(&mut self, now: Instant, id: &AgentId, call: CallId) {
        let Some(slot) = self.agent_slot(id) else { return };
        let Some(agent) = self.agents.get_mut(&slot) else { return };
        let Some(place) = agent.occupied.iter().position(|o| o.call == call) else { return };
        let occupation = agent.occupied.remove(place);
        agent.idle_since = now;
        if let Some(counted_from) = occupation.counted_from {
            agent.today.talk += now.since(counted_from);
            let wrap_up = self.own_calls_wrap_up;
            if !wrap_up.is_zero() && agent.is_disengaged() && agent.is_present() {
                agent.wrap_until = Some(now + wrap_up);
                self.timers.set(Timer::WrapUp(slot), now + wrap_up);
            }
        }
        self.refresh(now, slot);
    }

    pub(super) fn wrap_up_ended(&mut self, now: Instant, slot: AgentSlot) {
        if let Some(agent) = self.agents.get_mut(&slot) {
            agent.wrap_until = None;
            agent.idle_since = now;
        }
        self.refresh(now, slot);
    }

    pub(super) fn rest_ended(&mut self, now: Instant, slot: AgentSlot) {
        if let Some(agent) = self.agents.get_mut(&slot) {
            agent.rest_until = None;
        }
        self.refresh(now, slot);
    }

    /// R25: the counters start anew; of a talk under way, what follows counts for the new day.
    pub(super) fn day_began(&mut self, now: Instant) {
        for agent in self.agents.values_mut() {
            agent.today = Today::default();
            for occupation in &mut agent.occupied {
                occupation.counted_from = occupation.counted_from.map(|_| now);
            }
        }
        for offer in self.offers.values_mut() {
            if let OfferState::Talking { counted_from, .. } = &mut offer.state {
                *counted_from = now;
            }
        }
    }

    /// Tells the agent's activity if it changed, and notes the agent if it may have become free. An agent who is no
    /// longer configured goes with its last call.
    pub(super) fn refresh(&mut self, now: Instant, slot: AgentSlot) {
        let Some(agent) = self.agents.get_mut(&slot) else { return };
        let offer = agent.offer.and_then(|offer| self.offers.get(&offer));
        let (activity, call) = agent.activity(offer);
        if (agent.seen.activity, agent.seen.call) != (activity, call) {
            agent.seen = Seen { activity, call, since: now };
            let id = agent.settings.id.clone();
            self.tell_agent(id, AgentFact::ActivityChanged { activity, call });
        }
        let Some(agent) = self.agents.get(&slot) else { return };
        if agent.is_free() {
            self.unsettled.freed.push(slot);
        }
        if agent.listed == Listed::No && agent.is_disengaged() {
            let number = agent.settings.id.name.clone();
            self.agents.remove(&slot);
            self.by_number.remove(&number);
            self.timers.clear(Timer::WrapUp(slot));
            self.timers.clear(Timer::Rest(slot));
        }
    }
}
