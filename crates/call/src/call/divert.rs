//! Owns what a phone's forwards and its do-not-disturb make of a call that is for it. Does not own who sets them (see the
//! shard) nor where they are kept (see `routing::Diversions`).
//!
//! Calls that a queue offers come by the agent's own state, and those that a colleague transfers are for the one whom the
//! colleague chose: they are not forwarded, and a phone that is not to be disturbed refuses them.

use std::sync::Arc;

use model::diversion::{Disturb, ForwardWhen};
use model::event::CallFact;
use model::outcome::RefusalCause;
use model::{Aor, DialTarget, MailboxName, OfferId};
use routing::{Holder, Mailbox};

use super::{Call, Originated, Stage, Unanswered};
use crate::context::Context;
use crate::dialled;
use crate::party::{AskedBy, Party};

/// Where a forwarded call goes.
enum Onward {
    Person(DialTarget),
    Mailbox(MailboxName),
}

type Refusal = (RefusalCause, Option<u16>);

impl Call {
    /// Does with a party what its phone has set, before it rings. Says whether that ended the offer.
    pub(super) fn diverts(&mut self, context: &mut Context<'_>, offer: OfferId) -> bool {
        let Some(at) = self.parties.iter().position(|party| party.offer == offer) else { return true };
        if self.is_for(at) {
            return false;
        }
        let DialTarget::Phone(aor) = &self.parties[at].target else { return false };
        let diversion = context.diversions.lock().of(aor);
        let may_forward = self.may_forward(at);
        if let Some(to) = diversion.always.filter(|_| may_forward) {
            self.forward(context, at, (ForwardWhen::Always, &to), (RefusalCause::Forwarded, None));
            return true;
        }
        if diversion.disturb == Disturb::No {
            self.party_refused(context, offer, RefusalCause::Limit, Some(486));
            return true;
        }
        let goes_on = diversion.no_answer.is_some() || self.voicemail_of(context, at).is_some();
        if let (true, true, AskedBy::Flow { until, .. }) =
            (goes_on, may_forward, &mut self.parties[at].asked_by)
        {
            *until = (*until).min(context.now + self.settings.plan.dialling.forward_after);
        }
        false
    }

    /// Forwards a call whose party at `at` has just not answered, where its phone wishes so. Says whether it did.
    pub(super) fn forwards(&mut self, context: &mut Context<'_>, at: usize, refusal: Refusal) -> bool {
        let DialTarget::Phone(aor) = &self.parties[at].target else { return false };
        if !self.may_forward(at) || self.is_for(at) {
            return false;
        }
        let when = match refusal.0 {
            RefusalCause::Busy | RefusalCause::Rejected => ForwardWhen::Busy,
            // Do not disturb.
            RefusalCause::Limit if refusal.1 == Some(486) => ForwardWhen::Busy,
            RefusalCause::NoAnswer | RefusalCause::Unreachable => ForwardWhen::NoAnswer,
            RefusalCause::Limit
            | RefusalCause::Incompatible
            | RefusalCause::Barred
            | RefusalCause::Forwarded => return false,
        };
        let to = context.diversions.lock().of(aor).to(when).cloned();
        let Some(to) = to else { return self.falls_to_voicemail(context, at, refusal) };
        self.forward(context, at, (when, &to), refusal);
        true
    }

    fn may_forward(&self, at: usize) -> bool {
        matches!(self.stage, Stage::Dialling { .. }) && self.parties[at].queue().is_none()
    }

    /// Whether the party is the agent for whom the switch made the call: that one is to come to the phone itself.
    fn is_for(&self, at: usize) -> bool {
        let agent = self.awaited.as_ref().or(self.facts.calling_agent.as_ref());
        self.facts.originated == Originated::Yes && agent.is_some() && self.parties[at].agent() == agent
    }

    fn forward(
        &mut self,
        context: &mut Context<'_>,
        at: usize,
        (when, to): (ForwardWhen, &Arc<str>),
        (cause, status): Refusal,
    ) {
        let party = &self.parties[at];
        let DialTarget::Phone(from) = party.target.clone() else { return };
        let (old, mut passed_on) = (party.offer, party.passed_on.clone());
        passed_on.push(from.clone());
        let target = self.forward_target(context, to, &passed_on);
        self.drop_party(context, at, None);
        self.fact(context, CallFact::OfferRefused { offer: old, cause, status });
        let target = match target {
            Ok(Onward::Person(target)) => target,
            Ok(Onward::Mailbox(mailbox)) => {
                self.unanswered = Some(Unanswered::of(&DialTarget::Phone(from), cause, status));
                return self.go_to_voicemail(context, &mailbox);
            }
            Err((cause, status)) => {
                self.unanswered = Some(Unanswered::of(&DialTarget::Phone(from), cause, status));
                return self.dial_next(context);
            }
        };
        let reason = match when {
            ForwardWhen::Always => format!("{0} 无条件转移 / forwarded by {0}", from.user()),
            ForwardWhen::Busy => format!("{0} 遇忙转移 / forwarded by {0}, which is busy", from.user()),
            ForwardWhen::NoAnswer => {
                format!("{0} 无应答转移 / forwarded by {0}, which does not answer", from.user())
            }
        };
        let ring = match target {
            DialTarget::Phone(_) => self.settings.plan.dialling.ring,
            DialTarget::Trunk { .. } | DialTarget::Uri(_) => dialled::OUTSIDE_RINGS,
        };
        let mut party = self.flow_party(context, target, ring);
        party.passed_on = passed_on;
        // Who forwards pays: its class of service counts, not the caller's.
        party.holder = Some(Holder::Phone(from));
        self.offer_to(context, party, &Arc::from(reason));
    }

    /// Whom a forward means.
    fn forward_target(&self, context: &Context<'_>, to: &str, passed_on: &[Aor]) -> Result<Onward, Refusal> {
        let unknown = (RefusalCause::Unreachable, Some(404));
        // RFC 3261 §21.4.20, and §21.4.21 where there are too many hops: a call does not go round.
        let circle = (RefusalCause::Limit, Some(482));
        let phone = passed_on.last().and_then(|aor| context.router.phone(aor));
        if let Some(mailbox) = dialled::message_for(context.router, phone, &self.tenant, to) {
            let alone = self.parties.len() <= 1 && self.nobody_else_waits();
            return if alone { Ok(Onward::Mailbox(mailbox.name.clone())) } else { Err(unknown) };
        }
        let target = dialled::person(context.router, &self.settings, &self.tenant, to).ok_or(unknown)?;
        let came_from = |aor: &Aor| passed_on.contains(aor) || self.facts.calling_phone.as_ref() == Some(aor);
        match &target {
            _ if passed_on.len() > self.settings.plan.dialling.max_forwards => Err(circle),
            DialTarget::Phone(aor) if came_from(aor) => Err(circle),
            _ => Ok(Onward::Person(target)),
        }
    }

    /// The mailbox to which a call goes that the phone at `at` does not take: where the caller wants that phone's user, and
    /// nobody else may still answer.
    fn voicemail_of(&self, context: &Context<'_>, at: usize) -> Option<Arc<Mailbox>> {
        let DialTarget::Phone(aor) = &self.parties[at].target else { return None };
        let phone = context.router.phone(aor).filter(|phone| phone.voicemail)?;
        let session = self.session.as_ref()?;
        let by_extension =
            matches!(session.flow().nodes.get(session.node()), Some(ivr::Node::DialExtension { .. }));
        let wanted = self.facts.number.is_none() || by_extension;
        let alone = self.parties.len() == 1 && self.nobody_else_waits();
        let mailbox = self.settings.plan.mailboxes.get(phone.mailbox.as_ref()?)?;
        let takes = wanted && alone && self.facts.originated == Originated::No;
        (takes && Call::takes_messages(context, mailbox)).then(|| mailbox.clone())
    }

    fn nobody_else_waits(&self) -> bool {
        matches!(&self.stage, Stage::Dialling { waiting, .. } if waiting.is_empty())
    }

    fn falls_to_voicemail(&mut self, context: &mut Context<'_>, at: usize, (cause, status): Refusal) -> bool {
        let Some(mailbox) = self.voicemail_of(context, at) else { return false };
        let (offer, target) = (self.parties[at].offer, self.parties[at].target.clone());
        self.drop_party(context, at, None);
        self.fact(context, CallFact::OfferRefused { offer, cause, status });
        self.unanswered = Some(Unanswered::of(&target, cause, status));
        self.go_to_voicemail(context, &mailbox.name);
        true
    }

    /// Nobody took the call: its caller may leave a message, and the record says why until one is left.
    fn go_to_voicemail(&mut self, context: &mut Context<'_>, mailbox: &MailboxName) {
        self.so_far.unreached = self.unanswered.map(|told| told.result);
        self.stop_tone(context);
        self.take_message(context, mailbox);
    }

    /// Somebody rings at a phone: it may call back (回拨).
    pub(super) fn note_last_caller(&self, context: &mut Context<'_>, at: usize) {
        let caller = &self.facts.caller;
        if let DialTarget::Phone(aor) = &self.parties[at].target
            && self.facts.originated == Originated::No
            && &**caller != "anonymous"
        {
            context.diversions.lock().note_caller(&self.tenant, aor, caller);
        }
    }

    /// Somebody who is to be rung without a queue for so long.
    pub(super) fn flow_party(
        &self,
        context: &mut Context<'_>,
        target: DialTarget,
        ring: std::time::Duration,
    ) -> Party {
        let agent = self.settings.agent_at(&self.tenant, &target);
        let label: Arc<str> = match &agent {
            Some(agent) => agent.name.clone(),
            None => Arc::from(target.to_string()),
        };
        let asked_by = AskedBy::Flow { until: context.now + ring, agent };
        Party::new(context.ids.mint(), asked_by, label, target)
    }

    /// Tells of an offer that no queue made, and rings.
    pub(super) fn offer_to(&mut self, context: &mut Context<'_>, party: Party, reason: &Arc<str>) {
        let fact = CallFact::Offered {
            offer: party.offer,
            entry: None,
            agent: party.agent().cloned(),
            party: party.label.clone(),
            reason: reason.clone(),
        };
        self.fact(context, fact);
        self.ring_party(context, party);
    }
}
