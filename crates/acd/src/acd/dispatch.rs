//! Owns who is offered to whom: callers in order, agents by strategy. Does not own what becomes of an offer.

use clock::Instant;
use model::event::CallFact;
use model::{EntryId, OfferId};
use std::sync::Arc;

use super::Acd;
use crate::agent::AgentSlot;
use crate::entry::Rank;
use crate::offer::{Offer, OfferState};
use crate::queue::{Queue, QueueSlot};
use crate::strategy::{self, Candidate};
use crate::timers::Timer;
use crate::{Output, Strategy};

impl Acd {
    /// Brings together whom the input set free, until no free agent has anybody to take.
    pub(super) fn settle(&mut self, now: Instant) {
        while let Some(queue) = self.unsettled.thinned.pop_first() {
            self.let_go_if_deserted(now, queue);
        }
        let seekers = std::mem::take(&mut self.unsettled.seekers);
        let mut order: Vec<Rank> = seekers.iter().filter_map(|id| Some(self.entries.get(id)?.rank)).collect();
        order.sort_unstable();
        for rank in &order {
            self.seek(now, rank.entry);
        }
        for agent in std::mem::take(&mut self.unsettled.freed) {
            self.take_first_in_line(now, agent);
        }
        while let Some(queue) = self.unsettled.moved.pop_first() {
            self.tell_line(now, queue);
        }
        for rank in order {
            self.tell_if_better(now, rank.entry);
        }
    }

    pub(super) fn has_free_agent(&self, slot: QueueSlot) -> bool {
        let Some(queue) = self.queues.get(&slot) else { return false };
        queue.tiers.iter().any(|place| self.agents[&place.agent].is_free())
    }

    /// Finds somebody for a caller for whom no phone rings.
    fn seek(&mut self, now: Instant, id: EntryId) {
        let Some(entry) = self.entries.get(&id) else { return };
        let Some(queue) = self.queues.get(&entry.queue) else { return };
        if !entry.offers.is_empty() {
            return;
        }
        let strategy = queue.settings.strategy;
        let candidates = self.candidates(queue, id);
        let Some(best) = strategy::choose(strategy, &candidates) else { return };
        let group = (best.tries, best.level);
        let chosen: Vec<(AgentSlot, u32, Arc<str>)> = candidates
            .iter()
            .filter(|c| match strategy {
                Strategy::AllAtOnce => (c.tries, c.level) == group,
                _ => c.slot == best.slot,
            })
            .map(|c| (c.slot, c.level, strategy::reason(strategy, now, c, candidates.len())))
            .collect();
        for (agent, level, reason) in chosen {
            self.offer_to(now, id, agent, level, reason);
        }
    }

    /// The queue's free agents, as the caller `id` meets them.
    fn candidates(&self, queue: &Queue, id: EntryId) -> Vec<Candidate<'_>> {
        let entry = self.entries.get(&id);
        let places = queue.tiers.len();
        // The one behind who was asked last is next in turn.
        let next = queue
            .last_asked
            .and_then(|last| queue.tiers.iter().position(|place| place.agent == last))
            .map_or(0, |last| last + 1);
        queue
            .tiers
            .iter()
            .enumerate()
            .filter_map(|(place, tier)| {
                let agent = &self.agents[&tier.agent];
                agent.is_free().then(|| Candidate {
                    slot: tier.agent,
                    agent,
                    place,
                    level: tier.level,
                    tries: entry.map_or(0, |entry| entry.tries_of(tier.agent)),
                    turn: (place + places - next) % places,
                })
            })
            .collect()
    }

    /// Gives an agent who became free the caller who goes first in all its queues.
    fn take_first_in_line(&mut self, now: Instant, slot: AgentSlot) {
        let Some(agent) = self.agents.get(&slot) else { return };
        if !agent.is_free() {
            return;
        }
        let best = agent
            .queues
            .iter()
            .filter_map(|queue| {
                let queue = self.queues.get(queue)?;
                let level = queue.level_of(slot)?;
                Some((self.first_for(queue, slot, level)?, level))
            })
            .min();
        if let Some((rank, level)) = best {
            self.offer_to(now, rank.entry, slot, level, strategy::reason_of_first_in_line());
        }
    }

    /// Who goes first in `queue` for this agent: a caller who seeks or, where all ring at once, one for whom agents of
    /// no better level ring already.
    fn first_for(&self, queue: &Queue, slot: AgentSlot, level: u32) -> Option<Rank> {
        let seeking = queue.seeking.first().copied();
        if !queue.rings_all() {
            return seeking;
        }
        // No more callers ring than there are agents.
        let joinable = queue
            .line
            .iter()
            .take_while(|rank| seeking.is_none_or(|first| **rank < first))
            .find(|rank| self.may_join(rank.entry, slot, level));
        joinable.copied().or(seeking)
    }

    fn may_join(&self, id: EntryId, slot: AgentSlot, level: u32) -> bool {
        self.entries.get(&id).is_some_and(|entry| {
            entry.tries_of(slot) == 0
                && entry.offers.iter().any(|offer| self.offers.get(offer).is_some_and(|o| o.level >= level))
        })
    }

    /// Arrow 5: rings one agent for one caller.
    fn offer_to(&mut self, now: Instant, entry_id: EntryId, slot: AgentSlot, level: u32, reason: Arc<str>) {
        let id: OfferId = self.ids.mint();
        let Some(entry) = self.entries.get_mut(&entry_id) else { return };
        let Some(queue) = self.queues.get_mut(&entry.queue) else { return };
        let Some(agent) = self.agents.get_mut(&slot) else { return };
        entry.offers.push(id);
        entry.tried(slot);
        queue.seeking.remove(&entry.rank);
        queue.last_asked = Some(slot);
        agent.offer = Some(id);
        let (call, ring) = (entry.call, queue.settings.ring);
        self.offers.insert(
            id,
            Offer {
                entry: entry_id,
                call,
                agent: slot,
                queue: entry.queue,
                level,
                strategy: queue.settings.strategy,
                state: OfferState::Asked,
            },
        );
        self.timers.set(Timer::Ring(id), now + ring);
        let wish = Output::Offer {
            offer: id,
            entry: entry_id,
            call,
            agent: agent.settings.id.clone(),
            target: agent.settings.target.clone(),
            queue: queue.settings.name.clone(),
            ring,
        };
        let agent_id = agent.settings.id.clone();
        let party = agent_id.name.clone();
        let agent = Some(agent_id);
        self.tell_call(call, CallFact::Offered { offer: id, entry: Some(entry_id), agent, party, reason });
        self.out.push_back(wish);
        self.refresh(now, slot);
    }
}
