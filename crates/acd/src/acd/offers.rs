//! Owns an offer's life: asked, ringing, withdrawn, refused, accepted, talked to its end.

use std::time::Duration;

use clock::Instant;
use model::OfferId;
use model::event::CallFact;
use model::outcome::{EntryOutcome, WithdrawCause};

use super::Acd;
use super::entries::Tell;
use crate::agent::AgentSlot;
use crate::offer::OfferState;
use crate::queue::QueueSlot;
use crate::timers::Timer;
use crate::{OfferResult, Output};

/// An agent whose phone refuses is passed over at least this long, so that a phone that refuses at once is not asked
/// in a tight ring.
const SHORTEST_REST: Duration = Duration::from_secs(1);

impl Acd {
    /// Arrow 6: the ring time counts from the phone's first ring, which through a trunk comes seconds after the asking.
    pub(super) fn offer_ringing(&mut self, now: Instant, id: OfferId) {
        let Some(offer) = self.offers.get_mut(&id) else { return };
        if offer.state != OfferState::Asked {
            return;
        }
        offer.state = OfferState::Ringing;
        if let Some(queue) = self.queues.get(&offer.queue) {
            self.timers.set(Timer::Ring(id), now + queue.settings.ring);
        }
    }

    /// Arrow 8, for the ring time.
    pub(super) fn rang_out(&mut self, now: Instant, id: OfferId) {
        let Some(offer) = self.offers.get(&id) else { return };
        let (agent, queue) = (offer.agent, offer.queue);
        self.rest(now, agent, queue);
        self.withdraw(now, id, WithdrawCause::RingTimeout);
    }

    /// Arrow 8: takes an offer back; the caller seeks somebody else at once, the agent is engaged until the end is
    /// reported.
    pub(super) fn withdraw(&mut self, now: Instant, id: OfferId, cause: WithdrawCause) {
        let Some(offer) = self.offers.get_mut(&id) else { return };
        if !offer.state.is_open() {
            return;
        }
        offer.state = OfferState::Withdrawing { cause };
        let (call, agent) = (offer.call, offer.agent);
        self.timers.clear(Timer::Ring(id));
        self.out.push_back(Output::Withdraw { offer: id, call, cause });
        self.rings_no_more(id);
        self.refresh(now, agent);
    }

    pub(super) fn offer_ended(&mut self, now: Instant, id: OfferId, result: OfferResult) {
        let Some(offer) = self.offers.get(&id) else { return };
        let (call, agent, queue, entry) = (offer.call, offer.agent, offer.queue, offer.entry);
        match (offer.state, result) {
            // One offer ends once.
            (OfferState::Talking { .. }, _) => {}
            (_, OfferResult::Accepted) if self.entries.contains_key(&entry) => self.accepted(now, id),
            // The caller went first: `call` ends what the answer began, and told that it was answered.
            (_, OfferResult::Accepted) => self.drop_offer(now, id),
            // Arrow 9.
            (OfferState::Withdrawing { cause }, _) => {
                self.tell_call(call, CallFact::OfferWithdrawn { offer: id, cause });
                self.drop_offer(now, id);
            }
            // Arrow 7.
            (_, OfferResult::Refused(cause, status)) => {
                self.tell_call(call, CallFact::OfferRefused { offer: id, cause, status });
                self.rest(now, agent, queue);
                self.rings_no_more(id);
                self.drop_offer(now, id);
            }
            // Nobody withdrew it, so the call itself is gone.
            (_, OfferResult::Gone) => {
                let cause = WithdrawCause::CallerGone;
                self.tell_call(call, CallFact::OfferWithdrawn { offer: id, cause });
                self.rings_no_more(id);
                self.drop_offer(now, id);
                self.remove_entry(now, entry, EntryOutcome::Abandoned, cause, Tell::Call);
            }
        }
    }

    /// Arrows 4 and 10.
    fn accepted(&mut self, now: Instant, id: OfferId) {
        let Some(offer) = self.offers.get_mut(&id) else { return };
        offer.state = OfferState::Talking { counted_from: now, held: false };
        let (entry, slot) = (offer.entry, offer.agent);
        self.timers.clear(Timer::Ring(id));
        if let Some(agent) = self.agents.get_mut(&slot) {
            agent.today.calls += 1;
            agent.rest_until = None;
            self.timers.clear(Timer::Rest(slot));
        }
        self.remove_entry(now, entry, EntryOutcome::Answered, WithdrawCause::AnsweredElsewhere, Tell::Call);
        self.refresh(now, slot);
    }

    /// Somebody else's phone took the caller (代接): the place is answered, and no offer of it became the conversation.
    pub(super) fn picked_up(&mut self, now: Instant, id: OfferId) {
        let Some(offer) = self.offers.get(&id) else { return };
        // An answer that came first has the caller; the call tells the end of what it made of the pickup.
        if matches!(offer.state, OfferState::Talking { .. }) {
            return;
        }
        let (call, entry) = (offer.call, offer.entry);
        let cause = WithdrawCause::AnsweredElsewhere;
        self.tell_call(call, CallFact::OfferWithdrawn { offer: id, cause });
        if let Some(entry) = self.entries.get_mut(&entry) {
            entry.offers.retain(|other| *other != id);
        }
        self.drop_offer(now, id);
        self.remove_entry(now, entry, EntryOutcome::Answered, cause, Tell::Call);
    }

    pub(super) fn held(&mut self, now: Instant, id: OfferId, held_now: bool) {
        let Some(offer) = self.offers.get_mut(&id) else { return };
        if let OfferState::Talking { held, .. } = &mut offer.state {
            *held = held_now;
            let agent = offer.agent;
            self.refresh(now, agent);
        }
    }

    pub(super) fn conversation_ended(&mut self, now: Instant, id: OfferId) {
        let Some(offer) = self.offers.get(&id) else { return };
        let OfferState::Talking { counted_from, .. } = offer.state else { return };
        let slot = offer.agent;
        let wrap_up = self.queues.get(&offer.queue).map_or(Duration::ZERO, |queue| queue.settings.wrap_up);
        if let Some(agent) = self.agents.get_mut(&slot) {
            agent.today.talk += now.since(counted_from);
            agent.idle_since = now;
            if !wrap_up.is_zero() && agent.is_present() {
                agent.wrap_until = Some(now + wrap_up);
                self.timers.set(Timer::WrapUp(slot), now + wrap_up);
            }
        }
        self.drop_offer(now, id);
    }

    /// The entry, if it is still there, has one phone less that rings, and seeks when none is left.
    fn rings_no_more(&mut self, id: OfferId) {
        let Some(offer) = self.offers.get(&id) else { return };
        let Some(entry) = self.entries.get_mut(&offer.entry) else { return };
        entry.offers.retain(|other| *other != id);
        if entry.offers.is_empty() {
            let rank = entry.rank;
            if let Some(queue) = self.queues.get_mut(&entry.queue) {
                queue.seeking.insert(rank);
            }
            self.unsettled.seekers.push(rank.entry);
        }
    }

    /// Forgets an offer and lets its agent go.
    fn drop_offer(&mut self, now: Instant, id: OfferId) {
        self.timers.clear(Timer::Ring(id));
        let Some(offer) = self.offers.remove(&id) else { return };
        if let Some(agent) = self.agents.get_mut(&offer.agent) {
            agent.offer = None;
        }
        self.refresh(now, offer.agent);
    }

    /// Who did not answer is passed over for a while, and is no longer the longest idle.
    fn rest(&mut self, now: Instant, slot: AgentSlot, queue: QueueSlot) {
        let rest = self.queues.get(&queue).map_or(SHORTEST_REST, |queue| queue.settings.no_answer_rest);
        let until = now + rest.max(SHORTEST_REST);
        if let Some(agent) = self.agents.get_mut(&slot) {
            agent.rest_until = Some(until);
            agent.idle_since = now;
            self.timers.set(Timer::Rest(slot), until);
        }
    }
}
