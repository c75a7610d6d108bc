//! Owns how a supervisor finds a call: by the extension behind a feature code, by an operator's command. Does not own
//! rights (see `routing::Supervision`) nor what happens in the call (see `call::guests`).

use std::sync::Arc;

use clock::Instant;
use model::event::CallFact;
use model::outcome::CallResult;
use model::supervision::Verb;
use model::{AgentId, CallId, LegId, TenantId};
use routing::Phone;

use super::incoming::{Newcomer, Refused, call_event};
use super::{Found, Shard, Slot};
use crate::call::{Birth, Call, CallFacts, CallPlan};
use crate::visit::{Letter, Side, Visit, Word};
use crate::{Output, unsent};

impl Shard {
    /// What a supervisor's code asks for: the conversation of that extension, if it is one to which `phone` has a right.
    pub(super) fn visit_by_code(
        &mut self,
        phone: &Phone,
        (verb, extension): (Verb, &str),
        newcomer: &Newcomer<'_>,
    ) -> Result<Visit, Refused> {
        let refused = |status, why: &str| Refused::because(status, CallResult::Failure, why);
        let Some(by) = phone.agent.clone() else {
            let why = "话机不属于任何坐席 / the phone is no agent's";
            self.supervision_refused(newcomer, None, verb, why.into());
            return Err(refused(403, why));
        };
        let Some((host, beside)) = self.conversation_of(&phone.tenant, extension) else {
            // RFC 3261 §21.4.18: whoever it is, there is nothing to hear of them now.
            return Err(refused(480, "该分机没有在通话 / the extension is in no conversation"));
        };
        match self.may_supervise(host, beside, &by, verb) {
            Ok(()) => Ok(Visit { host, by, verb, beside }),
            Err(why) => {
                let refusal = refused(403, &why);
                self.supervision_refused(newcomer, Some(by), verb, why);
                Err(refusal)
            }
        }
    }

    /// Whether an operator's wish for `call` can be granted now; the reason when not, in words.
    ///
    /// # Errors
    /// Why not (Chinese first).
    pub fn check_supervision(&self, call: CallId, by: &AgentId, verb: Verb) -> Result<(), Arc<str>> {
        let slot = self.calls.get(&call).filter(|slot| !slot.call.is_over());
        let slot = slot.ok_or_else(|| Arc::from("没有这个进行中的通话 / no such call is up"))?;
        if slot.call.tenant != by.tenant {
            return Err("通话不属于这个坐席的租户 / the call is another tenant's".into());
        }
        match (verb, slot.call.agents_side()) {
            (_, Some(side)) => self.may_supervise(call, side, by, verb),
            (Verb::Hangup, None) => self.may_supervise(call, Side::Party, by, verb),
            (_, None) => Err("通话中没有人在交谈 / nobody talks in this call".into()),
        }
    }

    /// An operator's wish.
    pub(super) fn supervise(&mut self, now: Instant, call: CallId, by: &AgentId, verb: Verb) {
        if self.check_supervision(call, by, verb).is_err() {
            return self.out.push_back(Output::Counted("supervision_refused"));
        }
        if verb == Verb::Hangup {
            let by = by.clone();
            self.with_call(now, call, |call, context| call.end_for(context, by));
            return;
        }
        let visit = self.calls.get(&call).and_then(|slot| slot.call.visit_of(by));
        if let Some(visit) = visit {
            let letter = Letter::ToCall(call, Word::GuestWants { visit, verb });
            return self.letters.push_back(letter);
        }
        let beside = self.calls.get(&call).and_then(|slot| slot.call.agents_side()).unwrap_or(Side::Party);
        self.ring_supervisor(now, Visit { host: call, by: by.clone(), verb, beside });
    }

    /// The switch calls a supervisor, whose leg goes into the call.
    fn ring_supervisor(&mut self, now: Instant, visit: Visit) {
        let Some(target) = self.settings.agents.get(&visit.by).cloned() else {
            return self.out.push_back(Output::Counted("supervision_refused"));
        };
        let Ok(ticket) = self.admit(now, None) else {
            return self.out.push_back(Output::Counted("supervision_refused"));
        };
        let (id, leg): (CallId, LegId) = (self.ids.mint(), self.ids.mint());
        let tenant = visit.by.tenant.clone();
        let shown = self.calls.get(&visit.host).map(|slot| slot.call.facts.caller.clone());
        let facts = CallFacts::of_switch(shown.unwrap_or_default(), visit.by.name.clone(), &target);
        let fact = unsent::began(facts.direction, &facts.caller, &facts.called, leg);
        self.out.push_back(call_event(&tenant, id, fact));
        let plan = CallPlan::of_code(&tenant);
        let birth = Birth { began: now, id, tenant, settings: self.settings.clone(), facts, plan };
        let call = Call::summoning(birth, visit);
        self.calls.insert(id, Slot::new(call, ticket));
        self.with_call(now, id, |call, context| call.summon(context, target));
    }

    /// Hands a word over; a host that is gone cannot answer for itself.
    pub(super) fn pass_on_word(&mut self, now: Instant, call: CallId, word: Word) {
        let visitor = match &word {
            Word::GuestCame(guest) => Some(guest.visit),
            _ => None,
        };
        let found = self.with_call(now, call, |call, context| call.on_word(context, word));
        if let (Found::No, Some(visitor)) = (found, visitor) {
            self.letters.push_back(Letter::ToCall(visitor, Word::HostGone));
        }
    }

    fn may_supervise(&self, call: CallId, side: Side, by: &AgentId, verb: Verb) -> Result<(), Arc<str>> {
        let gone = || Arc::from("通话已结束 / the call is over");
        let slot = self.calls.get(&call).ok_or_else(gone)?;
        self.settings.plan.supervision.allows(by, verb, &slot.call.supervised(side))
    }

    /// The conversation of the phone or agent with this number; of several the one that is not held.
    fn conversation_of(&self, tenant: &TenantId, number: &str) -> Option<(CallId, Side)> {
        let of_tenant = self.calls.iter().filter(|(_, slot)| slot.call.tenant == *tenant);
        let talking =
            of_tenant.filter_map(|(id, slot)| Some((slot.call.is_open(), *id, slot.call.talks(number)?)));
        let found = talking.max_by_key(|(open, id, _)| (*open, *id));
        found.map(|(_, id, side)| (id, side))
    }

    fn supervision_refused(
        &mut self,
        newcomer: &Newcomer<'_>,
        by: Option<AgentId>,
        verb: Verb,
        why: Arc<str>,
    ) {
        let fact = CallFact::SupervisionRefused { by, verb, why };
        self.out.push_back(call_event(&newcomer.tenant, newcomer.id, fact));
        self.out.push_back(Output::Counted("supervision_refused"));
    }
}
