//! Owns what is known of a call from its birth: who calls whom, and how it is to be treated. Does not own its stages (see
//! `call`).

use std::sync::Arc;

use model::event::Direction;
use model::outcome::CallResult;
use model::{AgentId, DialTarget, HotlineNumber, TenantId, TrunkName};
use routing::{AnswerMode, Holder, RecordPolicy};
use sip::session::Outgoing;

use crate::context::Place;
use crate::visit::Visit;

/// What is known of a call for records and displays.
#[derive(Clone, Debug)]
pub(crate) struct CallFacts {
    pub direction: Direction,
    pub trunk: Option<TrunkName>,
    pub number: Option<HotlineNumber>,
    pub caller: Arc<str>,
    /// The caller's number where the network told it to us alone; it is not shown.
    pub withheld: Option<Arc<str>>,
    pub called: Arc<str>,
    /// By whose class of service it is sent out.
    pub holder: Holder,
    /// The agent whose phone called, so that it can be freed again.
    pub calling_agent: Option<AgentId>,
    /// The phone of ours that called.
    pub calling_phone: Option<model::Aor>,
    /// The number that our phone wishes to show outside.
    pub shows: Option<Arc<str>>,
    pub caller_is: CallerIs,
    pub originated: Originated,
    /// How many hops it may still take (RFC 7332 §4: what sends a call on counts as one).
    pub hops: u8,
}

/// Whether the switch made the call by itself, for an agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Originated {
    No,
    Yes,
}

/// Which side of the records the caller's leg is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CallerIs {
    /// 客户, or a colleague who calls a colleague.
    Customer,
    /// 坐席: one of ours who calls a customer.
    Ours,
}

impl CallFacts {
    /// Of a call that the switch makes to a phone of ours, which shows `caller`.
    pub fn of_switch(caller: Arc<str>, called: Arc<str>, target: &DialTarget) -> CallFacts {
        let phone = match target {
            DialTarget::Phone(aor) => Some(aor.clone()),
            DialTarget::Trunk { .. } | DialTarget::Uri(_) => None,
        };
        CallFacts {
            direction: Direction::Internal,
            trunk: None,
            number: None,
            caller,
            withheld: None,
            called,
            holder: phone.map_or_else(|| Holder::Trunk(TrunkName::new("")), Holder::Phone),
            calling_agent: None,
            calling_phone: None,
            shows: None,
            caller_is: CallerIs::Customer,
            originated: Originated::No,
            hops: Outgoing::HOPS,
        }
    }
}

/// How the call is to be treated.
#[derive(Clone, Debug)]
pub(crate) struct CallPlan {
    pub flow: Arc<ivr::Flow>,
    pub answer: AnswerMode,
    pub record: RecordPolicy,
    /// The caller hears itself (echo test).
    pub echo: Echo,
    /// The caller's leg is to go on in another call.
    pub takes: Option<Place>,
    /// The caller is a supervisor, who goes into another call.
    pub visits: Option<Visit>,
    /// What the call comes to where nothing else decides it.
    pub otherwise: Option<CallResult>,
}

impl CallPlan {
    /// A leg that called in is to have a place in another call.
    pub fn taking(tenant: &TenantId, place: Place) -> CallPlan {
        CallPlan { takes: Some(place), ..CallPlan::of_code(tenant) }
    }

    /// A code was obeyed, which is confirmed.
    pub fn of_code(tenant: &TenantId) -> CallPlan {
        CallPlan::through(crate::dialled::confirmation(tenant, 1))
    }

    /// The caller goes through `flow`: answered at once, nothing kept.
    pub fn through(flow: Arc<ivr::Flow>) -> CallPlan {
        CallPlan {
            flow,
            answer: AnswerMode::AtOnce,
            record: RecordPolicy::Off,
            echo: Echo::Off,
            takes: None,
            visits: None,
            otherwise: None,
        }
    }
}

/// Whether the caller hears itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Echo {
    Off,
    On,
}
