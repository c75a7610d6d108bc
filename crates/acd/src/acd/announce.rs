//! Owns when a waiting caller is told how many are ahead: when that got better, and not more often than set.

use clock::Instant;
use model::EntryId;
use model::event::CallFact;
use model::say::SayItem;

use super::Acd;
use crate::Output;
use crate::entry::Telling;
use crate::queue::QueueSlot;
use crate::timers::Timer;

impl Acd {
    /// The line of this queue moved up, or somebody joined it.
    pub(super) fn tell_line(&mut self, now: Instant, slot: QueueSlot) {
        let Some(queue) = self.queues.get(&slot) else { return };
        if !queue.settings.announce.position {
            return;
        }
        // Both are in the order of the line.
        let mut eager = queue.eager.iter().peekable();
        let mut better: Vec<(EntryId, u32)> = Vec::new();
        for (rank, ahead) in queue.line.iter().zip(0u32..) {
            let Some(next) = eager.peek() else { break };
            if *next == rank {
                eager.next();
                if self.wants_to_hear(rank.entry, ahead) {
                    better.push((rank.entry, ahead));
                }
            }
        }
        for (entry, ahead) in better {
            self.tell_position(now, entry, ahead);
        }
    }

    /// Tells one caller, if it has something better to hear.
    pub(super) fn tell_if_better(&mut self, now: Instant, id: EntryId) {
        let Some(entry) = self.entries.get(&id) else { return };
        let Some(queue) = self.queues.get(&entry.queue) else { return };
        if !queue.settings.announce.position || entry.telling != Telling::May {
            return;
        }
        let ahead = queue.ahead_of(&entry.rank);
        if self.wants_to_hear(id, ahead) {
            self.tell_position(now, id, ahead);
        }
    }

    fn wants_to_hear(&self, id: EntryId, ahead: u32) -> bool {
        self.entries.get(&id).is_some_and(|entry| {
            entry.telling == Telling::May
                && entry.offers.is_empty()
                && entry.told.is_none_or(|told| ahead < told)
        })
    }

    fn tell_position(&mut self, now: Instant, id: EntryId, ahead: u32) {
        let Some(entry) = self.entries.get_mut(&id) else { return };
        entry.told = Some(ahead);
        let call = entry.call;
        self.set_telling(id, Telling::Saying { since: now });
        let items = vec![SayItem::QueuePosition(ahead)];
        self.out.push_back(Output::Say { entry: id, call, items });
        self.tell_call(call, CallFact::PositionTold { entry: id, ahead });
    }

    /// The announcement ended.
    pub(super) fn was_told(&mut self, now: Instant, id: EntryId) {
        let Some(entry) = self.entries.get(&id) else { return };
        let Telling::Saying { since } = entry.telling else { return };
        let Some(queue) = self.queues.get(&entry.queue) else { return };
        let next = since + queue.settings.announce.every;
        if next > now {
            self.set_telling(id, Telling::Resting);
            self.timers.set(Timer::Tell(id), next);
        } else {
            self.may_tell(now, id);
        }
    }

    pub(super) fn may_tell(&mut self, now: Instant, id: EntryId) {
        self.set_telling(id, Telling::May);
        self.tell_if_better(now, id);
    }

    fn set_telling(&mut self, id: EntryId, telling: Telling) {
        let Some(entry) = self.entries.get_mut(&id) else { return };
        entry.telling = telling;
        let Some(queue) = self.queues.get_mut(&entry.queue) else { return };
        if telling == Telling::May {
            queue.eager.insert(entry.rank);
        } else {
            queue.eager.remove(&entry.rank);
        }
    }
}
