//! Owns what of an agent outlives the process: the chosen state and the day's counters. Does not own where it is kept;
//! callers' places, offers and conversations end with their calls.

use std::time::Duration;

use clock::Instant;
use model::AgentId;
use model::event::{AgentFact, AgentState};

use super::Acd;
use crate::SignIn;
use crate::agent::{AgentSlot, Today, has_phone};

/// What a restart must know of one agent.
#[derive(Clone, Debug, PartialEq)]
pub struct Kept {
    /// Who.
    pub agent: AgentId,
    /// What was chosen.
    pub state: AgentState,
    /// Since when.
    pub since: Instant,
    /// Calls talked today, in and out.
    pub calls: u32,
    /// Talk time today.
    pub talk: Duration,
    /// Whether the phone can be reached.
    pub reachable: bool,
}

impl Acd {
    /// What a restart must know of each agent, in the order of the settings.
    pub fn kept(&self) -> impl Iterator<Item = Kept> {
        self.agents.values().map(|agent| Kept {
            agent: agent.settings.id.clone(),
            state: agent.state.clone(),
            since: agent.state_since,
            calls: agent.today.calls,
            talk: agent.today.talk,
            reachable: agent.reachable,
        })
    }

    /// Takes over what was kept of agents that still exist, before anything else is heard. Who signs in by registering
    /// and whose phone can no longer be reached is offline, as if it had gone now.
    pub fn restore(&mut self, now: Instant, kept: impl IntoIterator<Item = Kept>) {
        for one in kept {
            if let Some(slot) = self.agent_slot(&one.agent) {
                self.restore_agent(now, slot, one);
            }
        }
        self.settle(now);
    }

    fn restore_agent(&mut self, now: Instant, slot: AgentSlot, kept: Kept) {
        let Some(agent) = self.agents.get_mut(&slot) else { return };
        agent.today = Today { calls: kept.calls, talk: kept.talk };
        agent.reachable = kept.reachable || !has_phone(&agent.settings);
        if agent.settings.sign_in != SignIn::ByRegistering || agent.reachable {
            // What it does changed when its state did, as far as anybody knows.
            (agent.state_since, agent.seen.since) = (kept.since, kept.since);
            if agent.state != kept.state {
                agent.state = kept.state.clone();
                self.tell_agent(kept.agent, AgentFact::StateChosen { state: kept.state });
            }
        }
        self.refresh(now, slot);
    }
}
