//! Owns how a caller gets a place and loses it.

use std::sync::Arc;

use clock::Instant;
use model::event::CallFact;
use model::outcome::{EntryOutcome, WithdrawCause};
use model::{CallId, EntryId, QueueName};
use smallvec::SmallVec;

use super::Acd;
use crate::Output;
use crate::entry::{Entry, Rank, Telling};
use crate::queue::QueueSlot;
use crate::timers::Timer;

/// Who asks for a place.
pub(super) struct Arrival {
    pub(super) call: CallId,
    pub(super) caller: Arc<str>,
    pub(super) priority: i32,
    /// Since when it waits, places before included.
    pub(super) since: Instant,
}

/// Whether the call has to be told that the place ended.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Tell {
    Call,
    Nobody,
}

impl Acd {
    /// Arrow 1.
    pub(super) fn enqueue(&mut self, now: Instant, id: EntryId, queue: QueueName, arrival: Arrival) {
        let Arrival { call, caller, priority, since } = arrival;
        if self.entries.contains_key(&id) {
            return;
        }
        let slot = self.queue_slot(&queue);
        let refusal = match slot {
            None => Some(EntryOutcome::Failed),
            Some(slot) => self.refusal_of(slot),
        };
        let (Some(slot), None) = (slot, refusal) else {
            return self.ended(id, call, refusal.unwrap_or(EntryOutcome::Failed), Tell::Call);
        };
        let Some(queue) = self.queues.get_mut(&slot) else { return };
        let rank = Rank::new(queue.settings.priority, priority, since, id);
        queue.line.insert(rank);
        queue.seeking.insert(rank);
        queue.eager.insert(rank);
        if let Some(max_wait) = queue.settings.max_wait {
            self.timers.set(Timer::MaxWait(id), now + max_wait);
        }
        self.entries.insert(
            id,
            Entry {
                call,
                caller,
                queue: slot,
                priority,
                since,
                entered: now,
                rank,
                offers: SmallVec::new(),
                tries: SmallVec::new(),
                told: None,
                telling: Telling::May,
            },
        );
        self.unsettled.seekers.push(id);
    }

    /// Why a caller gets no place: nobody is signed in, or all places are taken and nobody is free.
    fn refusal_of(&self, slot: QueueSlot) -> Option<EntryOutcome> {
        let queue = self.queues.get(&slot)?;
        if self.is_deserted(slot) {
            return Some(EntryOutcome::NoAgent);
        }
        let full = queue.settings.max_waiting.is_some_and(|max| queue.seeking.len() >= max);
        (full && !self.has_free_agent(slot)).then_some(EntryOutcome::Full)
    }

    /// Whether callers must not wait here because nobody is signed in.
    fn is_deserted(&self, slot: QueueSlot) -> bool {
        self.queues.get(&slot).is_some_and(|queue| {
            queue.settings.leave_when_nobody
                && !queue.tiers.iter().any(|place| self.agents[&place.agent].is_present())
        })
    }

    /// The caller hung up or went elsewhere.
    pub(super) fn caller_left(&mut self, now: Instant, id: EntryId) {
        self.remove_entry(now, id, EntryOutcome::Abandoned, WithdrawCause::CallerGone, Tell::Nobody);
    }

    pub(super) fn waited_too_long(&mut self, now: Instant, id: EntryId) {
        self.remove_entry(now, id, EntryOutcome::TimedOut, WithdrawCause::QueueTimeout, Tell::Call);
    }

    /// Lets everybody go who waits where nobody is signed in any more.
    pub(super) fn let_go_if_deserted(&mut self, now: Instant, slot: QueueSlot) {
        if self.is_deserted(slot) {
            self.let_go_all(now, slot, EntryOutcome::NoAgent);
        }
    }

    pub(super) fn let_go_all(&mut self, now: Instant, slot: QueueSlot, outcome: EntryOutcome) {
        let Some(queue) = self.queues.get(&slot) else { return };
        let waiting: Vec<EntryId> = queue.line.iter().map(|rank| rank.entry).collect();
        for id in waiting {
            self.remove_entry(now, id, outcome, WithdrawCause::AgentGone, Tell::Call);
        }
    }

    /// Takes a place away: offers that still ring are withdrawn for `cause`, and the one `Dequeued` is told.
    pub(super) fn remove_entry(
        &mut self,
        now: Instant,
        id: EntryId,
        outcome: EntryOutcome,
        cause: WithdrawCause,
        tell: Tell,
    ) {
        let Some(entry) = self.entries.remove(&id) else { return };
        self.timers.clear(Timer::MaxWait(id));
        self.timers.clear(Timer::Tell(id));
        if let Some(queue) = self.queues.get_mut(&entry.queue) {
            queue.line.remove(&entry.rank);
            queue.seeking.remove(&entry.rank);
            queue.eager.remove(&entry.rank);
            self.unsettled.moved.insert(entry.queue);
        }
        self.ended(id, entry.call, outcome, tell);
        for offer in entry.offers {
            self.withdraw(now, offer, cause);
        }
    }

    fn ended(&mut self, entry: EntryId, call: CallId, outcome: EntryOutcome, tell: Tell) {
        self.tell_call(call, CallFact::Dequeued { entry, outcome });
        if tell == Tell::Call {
            self.out.push_back(Output::Left { entry, call, outcome });
        }
    }
}
