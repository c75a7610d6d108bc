//! Owns who is calling and whom they want: an index over a plan. Does not own counting (see `admission`).

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use model::{AgentId, Aor, TenantId, TrunkName};

use crate::{Number, Phone, Plan, Trunk};

/// A plan with its indexes; made once per reload, shared by shards.
#[derive(Debug)]
pub struct Router {
    plan: Arc<Plan>,
    phones: HashMap<Aor, usize>,
}

/// What is known of a request before anybody is trusted.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// The packet's source address.
    pub source: IpAddr,
    /// The listener it came by.
    pub interface: u16,
    /// From user, unescaped.
    pub from_user: &'a str,
    /// From host, without port.
    pub from_host: &'a str,
    /// Request-URI user, unescaped; empty when there is none.
    pub request_user: &'a str,
    /// What ties it to a phone.
    pub tie: Tie,
}

/// What ties a request to a phone, beside its From.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tie {
    /// Its flow is one of the bindings of its From.
    Bound,
    /// It carries credentials (Authorization or Proxy-Authorization).
    Credentials,
    /// Nothing.
    None,
}

/// Who sent a request.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Source<'a> {
    /// A configured phone, if its digest proves it.
    Phone(&'a Phone),
    /// A trunk, known by its address.
    Trunk(&'a Trunk),
    /// Nobody we know.
    Unknown,
}

impl Router {
    /// The indexes of `plan`.
    pub fn new(plan: Arc<Plan>) -> Router {
        let phones = plan.phones.iter().enumerate().map(|(place, phone)| (phone.aor.clone(), place)).collect();
        Router { plan, phones }
    }

    /// The plan itself.
    pub fn plan(&self) -> &Arc<Plan> {
        &self.plan
    }

    /// The trunk whose signalling comes from `source` at that listener; the longest prefix wins.
    pub fn trunk_of(&self, source: IpAddr, interface: u16) -> Option<&Trunk> {
        let _ = (source, interface);
        None
    }

    /// The trunk of that name.
    pub fn trunk(&self, name: &TrunkName) -> Option<&Trunk> {
        self.plan.trunks.iter().find(|trunk| trunk.name == *name)
    }

    /// The hotline number a carrier means by `called` (number, alias or landing number, in any usual form).
    pub fn number_of(&self, called: &str) -> Option<&Number> {
        let _ = called;
        None
    }

    /// The phone with exactly this address of record.
    pub fn phone(&self, aor: &Aor) -> Option<&Phone> {
        self.phones.get(aor).map(|place| &self.plan.phones[*place])
    }

    /// The phone meant by `user@host`: by its domain, else by the user alone when `host` is an address or none
    /// of our domains (a bare user name is unique on the node).
    pub fn phone_of(&self, user: &str, host: &str) -> Option<&Phone> {
        self.phone(&Aor::new(user, host))
    }

    /// Whose phones live at `domain`.
    pub fn tenant_of(&self, domain: &str) -> Option<&TenantId> {
        self.plan.domains.iter().find(|d| d.domain.eq_ignore_ascii_case(domain)).map(|d| &d.tenant)
    }

    /// The phones an agent may sign in from.
    pub fn phones_of<'a>(&'a self, agent: &'a AgentId) -> impl Iterator<Item = &'a Phone> {
        self.plan.phones.iter().filter(move |phone| phone.agent.as_ref() == Some(agent))
    }

    /// Who sent a request: see [`Facts`].
    pub fn identify(&self, facts: &Facts<'_>) -> Source<'_> {
        let _ = facts;
        Source::Unknown
    }

    /// What a phone of `tenant` dialled.
    pub fn dialled(&self, tenant: &TenantId, user: &str) -> Dialled<'_> {
        let _ = (tenant, user);
        Dialled::Unknown
    }
}

/// What a phone dialled.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Dialled<'a> {
    /// A feature code.
    Feature(Feature),
    /// Another phone of the same tenant.
    Phone(&'a Phone),
    /// A hotline number of the same tenant.
    Number(&'a Number),
    /// Nothing we know.
    Unknown,
}

/// A feature code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Feature {
    /// 签入 and 空闲.
    Ready,
    /// 示忙.
    Busy,
    /// 小休.
    Pause,
    /// 签出.
    SignOut,
    /// Echo test.
    Echo,
}
