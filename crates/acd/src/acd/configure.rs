//! Owns taking over new settings while callers wait and agents talk.

use std::collections::BTreeSet;
use std::sync::Arc;

use clock::Instant;
use model::event::{AgentFact, AgentState};
use model::outcome::EntryOutcome;

use super::Acd;
use crate::agent::{Agent, AgentSlot, Listed, has_phone};
use crate::entry::{Rank, Telling};
use crate::queue::{Place, Queue, QueueSlot};
use crate::timers::Timer;
use crate::{AgentSettings, QueueSettings, SignIn, TenantSettings};

impl Acd {
    /// Entries, offers and states of what still exists are kept; an agent who was removed finishes its talk, callers
    /// of a queue that was removed leave as failed.
    pub(super) fn configure(&mut self, now: Instant, settings: &TenantSettings) {
        self.own_calls_wrap_up = settings.own_calls_wrap_up;
        self.configure_agents(now, &settings.agents);
        self.configure_queues(now, &settings.queues);
        for (slot, queue) in &self.queues {
            self.unsettled.thinned.insert(*slot);
            self.unsettled.seekers.extend(queue.seeking.iter().map(|rank| rank.entry));
        }
        let slots: Vec<AgentSlot> = self.agents.keys().copied().collect();
        for slot in slots {
            self.refresh(now, slot);
        }
    }

    fn configure_agents(&mut self, now: Instant, agents: &[AgentSettings]) {
        let kept: BTreeSet<&str> = agents.iter().map(|agent| agent.id.as_str()).collect();
        let removed: Vec<AgentSlot> = self
            .by_number
            .iter()
            .filter(|(number, _)| !kept.contains(&***number))
            .map(|(_, slot)| *slot)
            .collect();
        for slot in removed {
            // Offline first, while it still has its queues.
            self.set_state(now, slot, AgentState::Offline);
            if let Some(agent) = self.agents.get_mut(&slot) {
                agent.listed = Listed::No;
            }
        }
        for settings in agents {
            match self.agent_slot(&settings.id) {
                Some(slot) => self.change_agent(now, slot, settings),
                None => self.add_agent(now, settings),
            }
        }
    }

    fn add_agent(&mut self, now: Instant, settings: &AgentSettings) {
        let slot = AgentSlot(self.mint_slot());
        let agent = Agent::new(now, settings.clone());
        let state = agent.state.clone();
        self.agents.insert(slot, agent);
        self.by_number.insert(settings.id.name.clone(), slot);
        if state != AgentState::Offline {
            self.tell_agent(settings.id.clone(), AgentFact::StateChosen { state });
        }
    }

    fn change_agent(&mut self, now: Instant, slot: AgentSlot, settings: &AgentSettings) {
        let Some(agent) = self.agents.get_mut(&slot) else { return };
        let before = std::mem::replace(&mut agent.settings, settings.clone());
        let back = std::mem::replace(&mut agent.listed, Listed::Yes) == Listed::No;
        if before.target != settings.target {
            // Another phone: whether it can be reached is heard anew.
            agent.reachable = !has_phone(settings);
        }
        let new_rule = back || before.sign_in != settings.sign_in;
        let state = match settings.sign_in {
            SignIn::Always if new_rule => AgentState::Ready,
            SignIn::ByRegistering if new_rule && agent.reachable => AgentState::Ready,
            SignIn::ByRegistering if !agent.reachable => AgentState::Offline,
            _ => return,
        };
        if (agent.state == AgentState::Offline) != (state == AgentState::Offline) {
            self.set_state(now, slot, state);
        }
    }

    fn configure_queues(&mut self, now: Instant, queues: &[QueueSettings]) {
        let kept: BTreeSet<&str> = queues.iter().map(|queue| queue.name.as_str()).collect();
        let removed: Vec<(Arc<str>, QueueSlot)> = self
            .by_name
            .iter()
            .filter(|(name, _)| !kept.contains(&***name))
            .map(|(name, slot)| (name.clone(), *slot))
            .collect();
        for (name, slot) in removed {
            self.let_go_all(now, slot, EntryOutcome::Failed);
            self.queues.remove(&slot);
            self.by_name.remove(&name);
        }
        for agent in self.agents.values_mut() {
            agent.queues.clear();
        }
        for settings in queues {
            let slot = match self.queue_slot(&settings.name) {
                Some(slot) => slot,
                None => {
                    let slot = QueueSlot(self.mint_slot());
                    self.by_name.insert(settings.name.name.clone(), slot);
                    self.queues.insert(slot, Queue::new(settings.clone()));
                    slot
                }
            };
            self.change_queue(slot, settings);
        }
    }

    fn change_queue(&mut self, slot: QueueSlot, settings: &QueueSettings) {
        let mut tiers: Vec<Place> = Vec::with_capacity(settings.tiers.len());
        for tier in &settings.tiers {
            let Some(agent) = self.agent_slot(&tier.agent) else { continue };
            if tiers.iter().any(|place| place.agent == agent) || self.agents[&agent].listed == Listed::No {
                continue;
            }
            tiers.push(Place { agent, level: tier.level });
        }
        for place in &tiers {
            if let Some(agent) = self.agents.get_mut(&place.agent) {
                agent.queues.push(slot);
            }
        }
        let Some(queue) = self.queues.get_mut(&slot) else { return };
        queue.settings = settings.clone();
        queue.tiers = tiers;
        // Priority and maximum wait hold for those who wait already.
        let waiting = std::mem::take(&mut queue.line);
        queue.seeking.clear();
        queue.eager.clear();
        for old in waiting {
            let Some(entry) = self.entries.get_mut(&old.entry) else { continue };
            entry.rank = Rank::new(settings.priority, entry.priority, entry.since, old.entry);
            queue.line.insert(entry.rank);
            if entry.offers.is_empty() {
                queue.seeking.insert(entry.rank);
            }
            if entry.telling == Telling::May {
                queue.eager.insert(entry.rank);
            }
            let leave_at = settings.max_wait.map(|max_wait| entry.entered + max_wait);
            self.timers.set_or_clear(Timer::MaxWait(old.entry), leave_at);
        }
    }
}
