//! Owns what a shard must know beyond the plan: flows, and what its own parts are called.

use std::collections::HashMap;
use std::sync::Arc;

use model::{AgentId, DialTarget, FlowName, TenantId};
use routing::Plan;

/// Everything a shard must know. Never changed in place: a reload makes a new one, calls in progress keep theirs.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Listeners, trunks, numbers, phones, limits.
    pub plan: Arc<Plan>,
    /// Flows by name.
    pub flows: HashMap<FlowName, Arc<ivr::Flow>>,
    /// Where each agent is reached, for extensions and feature codes.
    pub agents: HashMap<AgentId, DialTarget>,
    /// Tenants that have an ACD.
    pub tenants: Vec<TenantId>,
    /// Where the listeners really are, by place in `Plan::interfaces` (advertised address and bound port).
    pub advertised: Vec<sip::endpoint::Advertised>,
    /// The product's name on the wire (User-Agent, Server).
    pub product: Arc<str>,
}
