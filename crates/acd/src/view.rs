//! Owns what an operator sees of the machine: agents, queues, explanations, and the counts of a leak check.

use std::sync::Arc;
use std::time::Duration;

use clock::Instant;
use model::event::{AgentActivity, AgentState};
use model::{AgentId, CallId, EntryId, OfferId, QueueName};

use crate::acd::Acd;
use crate::agent::{Agent, Standing};
use crate::offer::OfferState;
use crate::{Engaged, SignIn, Strategy};

/// One agent, now.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct AgentView {
    /// 工号
    pub id: AgentId,
    /// The name people know.
    pub name: Arc<str>,
    /// Where the agent is reached, as people write it.
    pub party: String,
    /// How the agent signs in.
    pub sign_in: SignIn,
    /// What was chosen.
    pub state: AgentState,
    /// Since when.
    pub state_since: Instant,
    /// What is seen.
    pub activity: AgentActivity,
    /// Since when.
    pub activity_since: Instant,
    /// In which call.
    pub call: Option<CallId>,
    /// Whether a caller can be offered, and if not, why.
    pub standing: Standing,
    /// Whether the phone can be reached.
    pub reachable: bool,
    /// Its queues.
    pub queues: Vec<QueueName>,
    /// Calls talked today, in and out.
    pub calls_today: u32,
    /// Talk time today, without what is talked now.
    pub talk_today: Duration,
}

/// One queue, now.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct QueueView {
    /// Its name.
    pub name: QueueName,
    /// How it chooses.
    pub strategy: Strategy,
    /// Everybody who waits, first in line first.
    pub entries: Vec<EntryView>,
    /// Agents configured.
    pub agents: usize,
    /// Agents signed in, on a break or busy too.
    pub present: usize,
    /// Agents who can be offered a caller now.
    pub free: usize,
    /// Conversations that came of this queue.
    pub talking: usize,
}

/// One caller's place, now.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct EntryView {
    /// The place.
    pub entry: EntryId,
    /// Whose.
    pub call: CallId,
    /// The caller's number.
    pub caller: Arc<str>,
    /// Its own priority.
    pub priority: i32,
    /// When it came.
    pub since: Instant,
    /// Whose phones ring for it.
    pub ringing: Vec<AgentId>,
}

/// Why a caller still waits: who could take it, and why they do not.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Explanation {
    /// The place.
    pub entry: EntryId,
    /// The queue.
    pub queue: QueueName,
    /// How many are ahead.
    pub ahead: u32,
    /// The queue's agents in the order of its list.
    pub agents: Vec<StandingOf>,
}

/// One agent within an [`Explanation`].
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct StandingOf {
    /// Who.
    pub agent: AgentId,
    /// The level within the queue.
    pub level: u32,
    /// Why it can or cannot take the caller.
    pub standing: Standing,
    /// Its offer for this very caller, while it rings.
    pub offer: Option<OfferId>,
    /// How often it was asked for this caller.
    pub tries: u32,
}

/// What an agent does in a call.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Engagement {
    /// Who.
    pub agent: AgentId,
    /// In which call.
    pub call: CallId,
    /// What.
    pub engaged: Engaged,
}

/// How much is alive: all zero when nobody calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Live {
    /// Callers who wait.
    pub entries: usize,
    /// Attempts that ring or are being withdrawn.
    pub offers: usize,
    /// Conversations that came of a queue.
    pub conversations: usize,
    /// Calls of agents that the ACD did not make.
    pub occupied: usize,
}

impl Acd {
    /// All agents, by number.
    pub fn agents(&self) -> impl Iterator<Item = AgentView> {
        self.by_number.values().filter_map(|slot| self.agents.get(slot)).map(|agent| self.view_of(agent))
    }

    /// All queues, by name.
    pub fn queues(&self) -> impl Iterator<Item = QueueView> {
        self.by_name.values().filter_map(|slot| {
            let queue = self.queues.get(slot)?;
            let agents = || queue.tiers.iter().filter_map(|place| self.agents.get(&place.agent));
            Some(QueueView {
                name: queue.settings.name.clone(),
                strategy: queue.settings.strategy,
                entries: queue.line.iter().filter_map(|rank| self.entry_view(rank.entry)).collect(),
                agents: queue.tiers.len(),
                present: agents().filter(|agent| agent.is_present()).count(),
                free: agents().filter(|agent| agent.is_free()).count(),
                talking: self
                    .offers
                    .values()
                    .filter(|offer| offer.queue == *slot && matches!(offer.state, OfferState::Talking { .. }))
                    .count(),
            })
        })
    }

    /// Why a caller still waits.
    pub fn explain(&self, entry: EntryId) -> Option<Explanation> {
        let waiting = self.entries.get(&entry)?;
        let queue = self.queues.get(&waiting.queue)?;
        let agents = queue.tiers.iter().filter_map(|place| {
            let agent = self.agents.get(&place.agent)?;
            Some(StandingOf {
                agent: agent.settings.id.clone(),
                level: place.level,
                standing: self.standing_of(agent),
                offer: agent.offer.filter(|offer| waiting.offers.contains(offer)),
                tries: waiting.tries_of(place.agent),
            })
        });
        Some(Explanation {
            entry,
            queue: queue.settings.name.clone(),
            ahead: queue.ahead_of(&waiting.rank),
            agents: agents.collect(),
        })
    }

    /// How much is alive, for leak checks.
    pub fn live(&self) -> Live {
        let talks =
            self.offers.values().filter(|offer| matches!(offer.state, OfferState::Talking { .. })).count();
        Live {
            entries: self.entries.len(),
            offers: self.offers.len() - talks,
            conversations: talks,
            occupied: self.agents.values().map(|agent| agent.occupied.len()).sum(),
        }
    }

    /// Every call that an agent is believed to be in: those of queues and all others.
    pub fn engagements(&self) -> Vec<Engagement> {
        let of = |agent: &Agent| {
            let id = agent.settings.id.clone();
            let offered = agent.offer.and_then(|offer| self.offers.get(&offer)).map(|offer| {
                let engaged = match offer.state {
                    OfferState::Talking { held: true, .. } => Engaged::Held,
                    OfferState::Talking { held: false, .. } => Engaged::Talking,
                    OfferState::Asked | OfferState::Ringing | OfferState::Withdrawing { .. } => {
                        Engaged::Ringing
                    }
                };
                (offer.call, engaged)
            });
            let others = agent.occupied.iter().map(|occupation| (occupation.call, occupation.engaged));
            let all = offered.into_iter().chain(others);
            all.map(|(call, engaged)| Engagement { agent: id.clone(), call, engaged }).collect::<Vec<_>>()
        };
        self.agents.values().flat_map(of).collect()
    }

    fn standing_of(&self, agent: &Agent) -> Standing {
        agent.standing(agent.offer.and_then(|offer| self.offers.get(&offer)))
    }

    fn view_of(&self, agent: &Agent) -> AgentView {
        AgentView {
            id: agent.settings.id.clone(),
            name: agent.settings.name.clone(),
            party: agent.settings.target.to_string(),
            sign_in: agent.settings.sign_in,
            state: agent.state.clone(),
            state_since: agent.state_since,
            activity: agent.seen.activity,
            activity_since: agent.seen.since,
            call: agent.seen.call,
            standing: self.standing_of(agent),
            reachable: agent.reachable,
            queues: agent
                .queues
                .iter()
                .filter_map(|slot| Some(self.queues.get(slot)?.settings.name.clone()))
                .collect(),
            calls_today: agent.today.calls,
            talk_today: agent.today.talk,
        }
    }

    fn entry_view(&self, id: EntryId) -> Option<EntryView> {
        let entry = self.entries.get(&id)?;
        let ringing = entry.offers.iter().filter_map(|offer| {
            let agent = self.agents.get(&self.offers.get(offer)?.agent)?;
            Some(agent.settings.id.clone())
        });
        Some(EntryView {
            entry: id,
            call: entry.call,
            caller: entry.caller.clone(),
            priority: entry.priority,
            since: entry.since,
            ringing: ringing.collect(),
        })
    }
}
