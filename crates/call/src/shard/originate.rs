//! Owns the birth of a call that nobody's INVITE asked for (双线外呼): whom it is for, whether it may be, and its record's
//! first facts. Does not own how its two sides are called (see `call::originated`).

use std::sync::Arc;

use clock::Instant;
use model::command::{First, Originate};
use model::event::{CallFact, Direction, Event};
use model::{Aor, CallId, DialTarget, LegId};
use routing::{Dialled, Holder, NoWayOut, Outside};

use super::{Shard, Slot};
use crate::call::{Birth, Call, CallFacts, CallPlan, CallerIs, Originated};
use crate::dialled;
use crate::{Output, unsent};

impl Shard {
    /// Calls the first of the two.
    ///
    /// # Errors
    /// Why there is no call, in words; nothing has begun.
    pub(super) fn originate(&mut self, now: Instant, wish: &Originate) -> Result<CallId, Arc<str>> {
        let Originate { agent, to, first } = wish;
        let tenant = &agent.tenant;
        let at = self.settings.agents.get(agent).cloned();
        let at = at.ok_or_else(|| words(format!("没有坐席 {agent} / no such agent")))?;
        let called = match self.router.number_called(tenant, to) {
            Dialled::Phone(phone) => DialTarget::Phone(phone.aor.clone()),
            Dialled::Outside(Outside { number, trunk }) => DialTarget::Trunk { trunk, number },
            Dialled::NoTrunk => return Err(words(NoWayOut::NoTrunk)),
            _ => return Err(words(NoWayOut::NoNumber)),
        };
        if called == at {
            return Err(words("坐席不能呼叫自己 / an agent cannot be joined with itself"));
        }
        let holder = self.holder_of(&at, tenant, agent.as_str());
        self.permit_target(now, &holder, &called).map_err(words)?;
        let full = |_| words("系统已满或正在停机 / the switch takes no new calls");
        let ticket = self.admit(now, None).map_err(full)?;
        let (id, leg): (CallId, LegId) = (self.ids.mint(), self.ids.mint());
        let phone = self.settings.plan.phones.iter().find(|phone| DialTarget::Phone(phone.aor.clone()) == at);
        let outside = matches!(called, DialTarget::Trunk { .. });
        let dialling = &self.settings.plan.dialling;
        let record = if outside { dialling.record_outside } else { dialling.record_inside };
        let facts = CallFacts {
            direction: if outside { Direction::Out } else { Direction::Internal },
            trunk: None,
            number: None,
            caller: Arc::from(phone.map_or(agent.as_str(), |phone| phone.aor.user())),
            withheld: None,
            called: to.clone(),
            holder,
            calling_agent: Some(agent.clone()),
            calling_phone: None,
            shows: phone.and_then(|phone| phone.caller.clone()),
            caller_is: if outside && *first == First::Agent { CallerIs::Ours } else { CallerIs::Customer },
            originated: Originated::Yes,
            hops: sip::session::Outgoing::HOPS,
        };
        let (first, second) = match first {
            First::Agent => (at, called),
            First::Number => (called, at),
        };
        let ring = |target: &DialTarget| match target {
            DialTarget::Phone(_) => dialling.ring,
            DialTarget::Trunk { .. } | DialTarget::Uri(_) => dialled::OUTSIDE_RINGS,
        };
        let (first_rings, second_rings) = (ring(&first), ring(&second));
        let flow = dialled::joining(tenant, second, second_rings);
        let plan = CallPlan { record, ..CallPlan::through(flow) };
        let began = unsent::began(facts.direction, &facts.caller, &facts.called, leg);
        let tenant = tenant.clone();
        for fact in [began, CallFact::CallerIs { agent: agent.clone() }] {
            self.out.push_back(Output::Event(Event::Call { tenant: tenant.clone(), call: id, fact }));
        }
        let birth = Birth { began: now, id, tenant, settings: self.settings.clone(), facts, plan };
        let call = Call::originated(birth);
        self.calls.insert(id, Slot::new(call, ticket));
        self.with_call(now, id, |call, context| call.call_first(context, first, first_rings));
        Ok(id)
    }

    /// By whose class of service an agent is joined with a number: the phone's, else that of the trunk which leads to the
    /// agent; who is reached by an address has the usual one.
    fn holder_of(&self, at: &DialTarget, tenant: &model::TenantId, agent: &str) -> Holder {
        match at {
            DialTarget::Phone(aor) => Holder::Phone(aor.clone()),
            DialTarget::Trunk { trunk, .. } => Holder::Trunk(trunk.clone()),
            DialTarget::Uri(_) => {
                let domain = self.settings.plan.domains.iter().find(|domain| domain.tenant == *tenant);
                Holder::Phone(Aor::new(agent, domain.map_or("", |domain| &domain.domain)))
            }
        }
    }
}

fn words(why: impl ToString) -> Arc<str> {
    Arc::from(why.to_string())
}
