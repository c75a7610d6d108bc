//! Owns what must hold between any two inputs. Does not own how it comes to hold.

use clock::Instant;
use model::{AgentId, EntryId, OfferId, QueueName};

use super::Acd;
use crate::Strategy;
use crate::entry::Telling;
use crate::offer::OfferState;
use crate::timers::Timer;

/// An invariant that does not hold: a defect.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// An agent has an offer that does not exist or is another's.
    #[error("agent {0} has offer {1}, which is not its own")]
    StrangeOffer(AgentId, OfferId),
    /// An offer's agent does not have it: it has two, or none.
    #[error("offer {0} is not the one offer of its agent")]
    SecondOffer(OfferId),
    /// An open offer rings for an entry that does not know it.
    #[error("offer {0} rings for a place that does not know it")]
    UnknownToEntry(OfferId),
    /// An entry counts an offer that does not ring for it.
    #[error("place {0} counts an offer that does not ring for it")]
    NotRinging(EntryId),
    /// Several phones ring for a caller though not all at once.
    #[error("several phones ring for place {0}")]
    RingsTwice(EntryId),
    /// A caller talks and waits at the same time.
    #[error("place {0} was answered and still waits")]
    AnsweredAndWaiting(EntryId),
    /// A caller has two conversations of one place.
    #[error("place {0} has two winners")]
    TwoWinners(EntryId),
    /// A queue's line is not its entries.
    #[error("the line of {0} is not the places in it")]
    WrongLine(QueueName),
    /// A queue's seekers are not the entries without offers.
    #[error("the seekers of {0} are not the places for which nothing rings")]
    WrongSeekers(QueueName),
    /// A queue's eager are not the entries that may be told.
    #[error("the eager of {0} are not the places that may be told their position")]
    WrongEager(QueueName),
    /// A caller waits beside a free agent.
    #[error("agent {1} is free while {0} has callers for whom nothing rings")]
    IdleBesideLine(QueueName, AgentId),
    /// A queue's tiers name an agent who does not exist.
    #[error("the tiers of {0} name an agent who does not exist")]
    NobodyInTier(QueueName),
    /// An agent's and a queue's view of the tiers differ.
    #[error("agent {1} and queue {0} disagree about its tiers")]
    WrongTiers(QueueName, AgentId),
    /// An agent counts a queue twice, or one that does not name it.
    #[error("agent {0} counts a queue that does not name it")]
    StrangeQueue(AgentId),
    /// The told activity is not what is seen.
    #[error("the activity of agent {0} was not told")]
    Untold(AgentId),
    /// A deadline of nobody, or one that is missing.
    #[error("a deadline and what it is for disagree: {0}")]
    WrongTimer(String),
}

impl Acd {
    /// Whether everything holds that must hold between two inputs; for tests and simulations, cost O(all).
    ///
    /// # Errors
    /// The first invariant that is broken.
    pub fn check_invariants(&self) -> Result<(), Broken> {
        self.check_offers()?;
        self.check_entries()?;
        self.check_queues()?;
        self.check_agents()?;
        self.check_timers()
    }

    fn check_offers(&self) -> Result<(), Broken> {
        let mut answered = std::collections::BTreeSet::new();
        for (id, offer) in &self.offers {
            if self.agents.get(&offer.agent).and_then(|agent| agent.offer) != Some(*id) {
                return Err(Broken::SecondOffer(*id));
            }
            let entry = self.entries.get(&offer.entry);
            match offer.state {
                OfferState::Asked | OfferState::Ringing => {
                    if !entry.is_some_and(|entry| entry.offers.contains(id)) {
                        return Err(Broken::UnknownToEntry(*id));
                    }
                }
                OfferState::Talking { .. } => {
                    if entry.is_some() {
                        return Err(Broken::AnsweredAndWaiting(offer.entry));
                    }
                    if !answered.insert(offer.entry) {
                        return Err(Broken::TwoWinners(offer.entry));
                    }
                }
                OfferState::Withdrawing { .. } => {}
            }
        }
        Ok(())
    }

    fn check_entries(&self) -> Result<(), Broken> {
        for (id, entry) in &self.entries {
            let mut alone = 0;
            for offer in &entry.offers {
                match self.offers.get(offer) {
                    Some(offer) if offer.entry == *id && offer.state.is_open() => {
                        alone += u32::from(offer.strategy != Strategy::AllAtOnce);
                    }
                    _ => return Err(Broken::NotRinging(*id)),
                }
            }
            if alone > 1 {
                return Err(Broken::RingsTwice(*id));
            }
        }
        Ok(())
    }

    fn check_queues(&self) -> Result<(), Broken> {
        for (slot, queue) in &self.queues {
            let name = &queue.settings.name;
            let here = || self.entries.values().filter(|entry| entry.queue == *slot);
            let in_line = here().filter(|entry| queue.line.contains(&entry.rank)).count();
            if in_line != queue.line.len() || in_line != here().count() {
                return Err(Broken::WrongLine(name.clone()));
            }
            let seek = || here().filter(|entry| entry.offers.is_empty());
            let seeking = seek().filter(|entry| queue.seeking.contains(&entry.rank)).count();
            if seeking != queue.seeking.len() || seeking != seek().count() {
                return Err(Broken::WrongSeekers(name.clone()));
            }
            let eager = || here().filter(|entry| entry.telling == Telling::May);
            let known = eager().filter(|entry| queue.eager.contains(&entry.rank)).count();
            if known != queue.eager.len() || known != eager().count() {
                return Err(Broken::WrongEager(name.clone()));
            }
            for place in &queue.tiers {
                let Some(agent) = self.agents.get(&place.agent) else {
                    return Err(Broken::NobodyInTier(name.clone()));
                };
                if !agent.queues.contains(slot) {
                    return Err(Broken::WrongTiers(name.clone(), agent.settings.id.clone()));
                }
                if agent.is_free() && !queue.seeking.is_empty() {
                    return Err(Broken::IdleBesideLine(name.clone(), agent.settings.id.clone()));
                }
            }
        }
        Ok(())
    }

    fn check_agents(&self) -> Result<(), Broken> {
        for (slot, agent) in &self.agents {
            let offer = agent.offer.and_then(|offer| self.offers.get(&offer));
            if let Some(id) = agent.offer
                && offer.is_none_or(|offer| offer.agent != *slot)
            {
                return Err(Broken::StrangeOffer(agent.settings.id.clone(), id));
            }
            for (place, queue) in agent.queues.iter().enumerate() {
                let known = self.queues.get(queue);
                let twice = agent.queues[..place].contains(queue);
                if twice || known.is_none_or(|queue| queue.level_of(*slot).is_none()) {
                    return Err(Broken::StrangeQueue(agent.settings.id.clone()));
                }
            }
            if agent.activity(offer) != (agent.seen.activity, agent.seen.call) {
                return Err(Broken::Untold(agent.settings.id.clone()));
            }
        }
        Ok(())
    }

    fn check_timers(&self) -> Result<(), Broken> {
        let wrong = |timer: Timer| Err(Broken::WrongTimer(format!("{timer:?}")));
        for timer in self.timers.iter() {
            let wanted = match timer {
                Timer::MaxWait(id) | Timer::Tell(id) => self.entries.contains_key(&id),
                Timer::Ring(id) => self.offers.get(&id).is_some_and(|offer| offer.state.is_open()),
                Timer::WrapUp(slot) => self.deadline(slot, |agent| agent.wrap_until) == self.timers.at(timer),
                Timer::Rest(slot) => self.deadline(slot, |agent| agent.rest_until) == self.timers.at(timer),
            };
            if !wanted {
                return wrong(timer);
            }
        }
        for (slot, agent) in &self.agents {
            for (deadline, timer) in
                [(agent.wrap_until, Timer::WrapUp(*slot)), (agent.rest_until, Timer::Rest(*slot))]
            {
                if self.timers.at(timer) != deadline {
                    return wrong(timer);
                }
            }
        }
        for (id, offer) in &self.offers {
            if offer.state.is_open() && self.timers.at(Timer::Ring(*id)).is_none() {
                return wrong(Timer::Ring(*id));
            }
        }
        for (id, entry) in &self.entries {
            let max_wait = self.queues.get(&entry.queue).and_then(|queue| queue.settings.max_wait);
            if self.timers.at(Timer::MaxWait(*id)) != max_wait.map(|max_wait| entry.entered + max_wait) {
                return wrong(Timer::MaxWait(*id));
            }
        }
        Ok(())
    }

    fn deadline(
        &self,
        slot: crate::agent::AgentSlot,
        of: impl Fn(&crate::agent::Agent) -> Option<Instant>,
    ) -> Option<Instant> {
        self.agents.get(&slot).and_then(of)
    }
}
