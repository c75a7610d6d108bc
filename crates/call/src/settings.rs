//! Owns what a shard must know beyond the plan: flows, agents, and what its own parts are called.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use media::command::Language;
use model::{AgentId, DialTarget, FlowName, TenantId};
use routing::Plan;
use sip::endpoint::{Advertised, Transport};

/// Everything a shard must know. Never changed in place: a reload makes a new one, calls in progress keep theirs.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Listeners, trunks, numbers, phones, limits.
    pub plan: Arc<Plan>,
    /// Flows by name.
    pub flows: HashMap<FlowName, Arc<ivr::Flow>>,
    /// Where each agent is reached, for extensions and records.
    pub agents: HashMap<AgentId, DialTarget>,
    /// Where the listeners really are, by place in `Plan::interfaces` (advertised address and bound port).
    pub advertised: Vec<Advertised>,
    /// The product's name on the wire (User-Agent, Server).
    pub product: Arc<str>,
    /// The language of prompts.
    pub language: Language,
}

impl Settings {
    /// The agent who is reached at `target`.
    pub(crate) fn agent_at(&self, tenant: &TenantId, target: &DialTarget) -> Option<AgentId> {
        let ours = |(agent, at): &(&AgentId, &DialTarget)| agent.tenant == *tenant && *at == target;
        self.agents.iter().find(ours).map(|(agent, _)| agent.clone())
    }

    /// The listener from which `remote` is reached best: one of the same network family that serves `transport`,
    /// loopback to loopback.
    pub(crate) fn interface_for(&self, remote: SocketAddr, transport: Transport) -> Option<u16> {
        let serves = |interface: &routing::Interface| match transport {
            Transport::Udp => interface.udp,
            Transport::Tcp => interface.tcp,
            Transport::Tls => interface.tls.is_some(),
            // Only browsers open a WebSocket (RFC 7118).
            Transport::Ws | Transport::Wss => false,
        };
        let fits = |interface: &routing::Interface| {
            let bind = interface.bind.ip();
            bind.is_ipv4() == remote.is_ipv4()
                && (bind.is_unspecified() || bind.is_loopback() == remote.ip().is_loopback())
                && serves(interface)
        };
        self.plan.interfaces.iter().position(fits).and_then(|at| u16::try_from(at).ok())
    }
}
