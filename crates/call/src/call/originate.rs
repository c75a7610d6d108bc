//! Owns ringing a party: its bindings, ports and INVITEs, until one phone answers or none is left.

use std::net::SocketAddr;
use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use media::command::Command;
use model::event::{CallFact, TransferOutcome};
use model::outcome::{RefusalCause, WithdrawCause};
use model::{DialTarget, LegId, OfferId};
use sip::resolve::Target;
use sip::session::{Session, SessionEvent};

use super::{Call, Stage, Unanswered};
use crate::context::{Context, Route};
use crate::destination::{self, Address, Destination};
use crate::leg::{Leg, LegMedia};
use crate::party::{AskedBy, Party, PartyState, PendingInvite, PendingLeg, Way, refusal_of};
use crate::{Binding, Output};

impl Call {
    /// Begins to ring a party.
    pub(super) fn call_party(
        &mut self,
        context: &mut Context<'_>,
        offer: OfferId,
        asked_by: AskedBy,
        label: Arc<str>,
        target: DialTarget,
    ) {
        self.ring_party(context, Party::new(offer, asked_by, label, target));
    }

    /// Begins to ring a party as its phone has set it.
    pub(super) fn ring_party(&mut self, context: &mut Context<'_>, party: Party) {
        let (offer, leg): (OfferId, LegId) = (party.offer, context.ids.mint());
        self.parties.push(party);
        if self.diverts(context, offer) {
            return;
        }
        let Some(mut party) = self.parties.pop() else { return };
        match &party.target {
            DialTarget::Phone(aor) => {
                party.pending.push(PendingLeg { id: leg, invite: PendingInvite::Bindings });
                context.out.push_back(Output::Locate { call: self.id, leg, aor: aor.clone() });
                self.parties.push(party);
            }
            DialTarget::Trunk { .. } => {
                self.parties.push(party);
                self.call_by_trunk(context, offer);
            }
            DialTarget::Uri(_) => {
                let found = destination::of_address(&self.settings, &party.target);
                if let Some(Address::Named(wanted)) = found {
                    party.pending.push(PendingLeg { id: leg, invite: PendingInvite::Targets });
                    context.out.push_back(Output::Resolve { call: self.id, leg, wanted });
                    return self.parties.push(party);
                }
                self.parties.push(party);
                match found {
                    Some(Address::Numbered(destination)) => {
                        self.open_port_for(context, offer, leg, *destination);
                    }
                    _ => self.party_refused(context, offer, RefusalCause::Unreachable, None),
                }
            }
        }
    }

    /// The bindings of a phone are known.
    pub fn on_located(&mut self, context: &mut Context<'_>, leg: LegId, bindings: Vec<Binding>) {
        let waits = |party: &&mut Party| party.pending.iter().any(|pending| pending.id == leg);
        let Some(party) = self.parties.iter_mut().find(waits) else { return };
        party.pending.retain(|pending| pending.id != leg);
        let (offer, target) = (party.offer, party.target.clone());
        for binding in bindings {
            let leg = context.ids.mint();
            // A contact that is no URI cannot be called; the registrar keeps none.
            if let Some(destination) = destination::binding(&self.settings, &target, binding) {
                self.open_port_for(context, offer, leg, destination);
            }
        }
        self.refuse_if_exhausted(context, offer);
        self.settle(context);
    }

    /// The name in an address leads to `targets`, best first: those that a listener of ours reaches are called in turn.
    pub fn on_resolved(&mut self, context: &mut Context<'_>, leg: LegId, targets: &[Target]) {
        let waits = |party: &&mut Party| party.pending.iter().any(|pending| pending.id == leg);
        let Some(party) = self.parties.iter_mut().find(waits) else { return };
        party.pending.retain(|pending| pending.id != leg);
        let offer = party.offer;
        if let DialTarget::Uri(uri) = &party.target {
            let reached = targets.iter().filter_map(|at| destination::resolved(&self.settings, uri, at));
            party.ways = reached.map(|at| Way::Address(Box::new(at))).collect();
        }
        self.next_way(context, offer);
        self.refuse_if_exhausted(context, offer);
        self.settle(context);
    }

    pub(super) fn open_port_for(
        &mut self,
        context: &mut Context<'_>,
        offer: OfferId,
        leg: LegId,
        destination: Destination,
    ) {
        let Some(party) = self.parties.iter_mut().find(|party| party.offer == offer) else { return };
        let (interface, peer) = (destination.flow.interface, destination.peer.clone());
        party.pending.push(PendingLeg { id: leg, invite: PendingInvite::Port(Box::new(destination)) });
        context.media(Command::OpenPort { room: self.id, port: leg, interface, peer });
    }

    /// The port of a party's leg is open: its INVITE goes out.
    pub(super) fn on_party_port(&mut self, context: &mut Context<'_>, leg: LegId, address: SocketAddr) {
        let caller_agreed = self.caller.as_ref().and_then(|caller| caller.media.agreed);
        let caller_codecs = self.caller.as_ref().map(|caller| caller.media.preference()).unwrap_or_default();
        let of_transfer = self.queue_of_transfer().cloned();
        let shown_queue = |party: &Party| party.queue().cloned().or(of_transfer.clone());
        let at = self.parties.iter().position(|party| party.pending.iter().any(|pending| pending.id == leg));
        let Some(at) = at else {
            // The party was dropped in the same turn.
            return context.media(Command::ClosePort { port: leg });
        };
        let shown = destination::shown(&self.settings, &self.facts, shown_queue(&self.parties[at]).as_ref());
        let party = &mut self.parties[at];
        let Some(pending) = party.pending.iter().position(|pending| pending.id == leg) else { return };
        let PendingInvite::Port(destination) = party.pending.swap_remove(pending).invite else { return };
        // The caller's codec goes first, so that nothing need be transcoded.
        let terms = destination.media.clone().preferring(&caller_codecs).heard_by(caller_agreed.as_ref());
        let mut media = LegMedia::new(leg, address, terms, |leg| context.media_key(leg));
        let body = media.offer();
        let call_id = context.endpoint.mint_call_id();
        let Some(outgoing) = destination.invite(&self.settings, &shown, call_id, body) else {
            context.media(Command::ClosePort { port: leg });
            let offer = party.offer;
            return self.refuse_if_exhausted(context, offer);
        };
        if destination.large_over_tcp {
            context.endpoint.allow_large_over_tcp(destination.flow.interface, destination.flow.remote);
        }
        let session = Session::outgoing(context.now, context.endpoint, destination.flow, outgoing);
        // What it sends is passed on after this.
        context.out.push_back(crate::Output::LegNamed {
            tenant: self.tenant.clone(),
            call: self.id,
            sip_call_id: session.shared_call_id(),
        });
        context.routes.push(Route::dialog(context.hashing, &session, leg));
        party.legs.push(Leg { id: leg, session: Box::new(session), media });
    }

    pub(super) fn on_party_port_failed(&mut self, context: &mut Context<'_>, leg: LegId) {
        let waits = |party: &&mut Party| party.pending.iter().any(|pending| pending.id == leg);
        let Some(party) = self.parties.iter_mut().find(waits) else { return };
        party.pending.retain(|pending| pending.id != leg);
        // No port is free for another trunk either.
        party.ways.clear();
        let offer = party.offer;
        self.refuse_if_exhausted(context, offer);
    }

    pub(super) fn on_party_event(&mut self, context: &mut Context<'_>, leg: LegId, event: SessionEvent) {
        let Some(at) = self.party_of(leg) else { return };
        match event {
            SessionEvent::Progress { status, sdp, .. } => self.on_progress(context, at, leg, status, sdp),
            SessionEvent::Answered { sdp } => self.on_answered(context, at, leg, sdp),
            SessionEvent::Refused { status, retry_after, q850, .. } => {
                let reason = q850.map(|cause| format!("Q.850;cause={cause}"));
                self.note_reason(context, model::outcome::HungUpBy::Agent, reason);
                self.parties[at].note_refusal(refusal_of(status), Some(status));
                self.way_refused(context, at, leg, (status, retry_after));
                self.lose_leg(context, at, leg);
            }
            SessionEvent::Offered { sdp } => self.on_offered(context, leg, sdp),
            SessionEvent::OfferAccepted { sdp } => {
                let is_fax = self.fax_answered(context, leg, sdp.as_deref());
                if let (Some(answer), false) = (sdp, is_fax) {
                    self.on_party_accepted(context, at, leg, &answer);
                }
            }
            SessionEvent::OfferRefused { status } => self.on_offer_refused(context, leg, status),
            SessionEvent::Info { content_type, body } => self.on_info(context, leg, &content_type, &body),
            SessionEvent::Ended { cause, .. } => self.on_party_ended(context, at, leg, &cause),
            SessionEvent::Transferred { tx, refer_to, replaces, .. } => {
                self.on_refer(context, leg, tx, (refer_to, replaces));
            }
            // A leg that called in, and was answered with an offer of ours.
            SessionEvent::Acknowledged { sdp: Some(answer) } => {
                self.on_party_accepted(context, at, leg, &answer)
            }
            SessionEvent::Acknowledged { sdp: None }
            | SessionEvent::Cancelled { .. }
            | SessionEvent::ReferProgress { .. }
            | SessionEvent::Transaction(_)
            | SessionEvent::TransactionOver(_) => {}
        }
    }

    /// An offer of ours was answered. What cannot be used changes nothing (RFC 3261 §14.1).
    fn on_party_accepted(&mut self, context: &mut Context<'_>, at: usize, leg: LegId, answer: &[u8]) {
        let known = self.parties[at].legs.iter_mut().find(|known| known.id == leg);
        if let Some(known) = known
            && known.media.accept(answer).is_ok()
        {
            known.describe(context);
            self.fax_left_by(context, leg);
            self.on_media_changed(context, leg);
        }
    }

    fn on_progress(
        &mut self,
        context: &mut Context<'_>,
        at: usize,
        leg: LegId,
        status: u16,
        sdp: Option<Bytes>,
    ) {
        let described = sdp.is_some();
        let party = &mut self.parties[at];
        if let (Some(sdp), Some(known)) = (sdp, party.legs.iter_mut().find(|known| known.id == leg)) {
            // An early answer counts when the 200 brings none (RFC 3262 §5); a 200 that brings one replaces it.
            let _early = known.media.accept(&sdp);
        }
        if let Some(attempt) = &mut party.attempt {
            attempt.quiet_until = None;
        }
        if described {
            self.pass_early_media(context, at, leg);
        }
        let party = &mut self.parties[at];
        if !matches!(status, 180 | 183) || party.state != PartyState::Calling {
            return;
        }
        party.state = PartyState::Ringing;
        self.note_last_caller(context, at);
        let party = &self.parties[at];
        let (offer, by_acd) = (party.offer, matches!(party.asked_by, AskedBy::Acd { .. }));
        self.fact(context, CallFact::Ringing { offer });
        if by_acd {
            context.acd(&self.tenant, acd::Input::OfferRinging { offer });
        }
    }

    fn on_answered(&mut self, context: &mut Context<'_>, at: usize, leg: LegId, sdp: Option<Bytes>) {
        let party = &mut self.parties[at];
        let Some(known) = party.legs.iter_mut().find(|known| known.id == leg) else { return };
        let usable = match &sdp {
            Some(answer) => known.media.accept(answer).is_ok(),
            None => known.media.agreed.is_some(),
        };
        if !usable {
            known.session.hang_up(context.now, context.endpoint, None, 488);
            party.note_refusal(RefusalCause::Incompatible, Some(488));
            return self.lose_leg(context, at, leg);
        }
        if matches!(party.state, PartyState::Accepted(_) | PartyState::Talking(_)) {
            // Two phones of one party answered at once: the first one has it.
            return self.lose_leg(context, at, leg);
        }
        known.describe(context);
        self.answers += 1;
        party.answered_as = self.answers;
        party.state = PartyState::Accepted(leg);
        party.pending.clear();
        party.ways.clear();
        let others: Vec<LegId> = party.legs.iter().map(|leg| leg.id).filter(|id| *id != leg).collect();
        let (offer, by_acd) = (party.offer, matches!(party.asked_by, AskedBy::Acd { .. }));
        for other in others {
            self.hang_up_leg(context, at, other, Some("SIP;cause=200;text=\"Call completed elsewhere\""));
        }
        if by_acd {
            let input = acd::Input::OfferEnded { offer, result: acd::OfferResult::Accepted };
            context.acd(&self.tenant, input);
        } else if self.transfer_is_for(offer) {
            self.transfer_answered(context, offer);
        } else if matches!(self.stage, Stage::Summoning(_)) {
            if let Some(at) = self.parties.iter().position(|party| party.offer == offer) {
                self.summoned(context, at);
            }
        } else if matches!(self.stage, Stage::Originating) {
            self.caller_reached(context, offer);
        } else if matches!(self.stage, Stage::Dialling { .. }) {
            self.withdraw_others(context, offer);
            if let Some(at) = self.parties.iter().position(|party| party.offer == offer) {
                self.talk(context, at);
            }
        }
    }

    fn on_party_ended(
        &mut self,
        context: &mut Context<'_>,
        at: usize,
        leg: LegId,
        cause: &sip::session::EndCause,
    ) {
        let (offer, state) = (self.parties[at].offer, self.parties[at].state);
        if let sip::session::EndCause::Bye { reason } = cause {
            self.note_reason(context, model::outcome::HungUpBy::Agent, reason.clone());
        }
        match state {
            PartyState::Talking(talking) if talking == leg => {
                let cause = super::arrive::termination_of(cause);
                let by = match cause {
                    model::outcome::Termination::Normal => model::outcome::HungUpBy::Agent,
                    _ => model::outcome::HungUpBy::Switch,
                };
                if self.is_asked(leg) {
                    return self.asked_left(context, by, cause);
                }
                if self.is_transferor(context.now, leg) {
                    return self.transferor_lost(context, cause);
                }
                self.drop_transfer(context, TransferOutcome::CallOver);
                self.party_left(context, by, cause);
            }
            PartyState::Accepted(accepted) if accepted == leg => {
                self.drop_party(context, at, None);
                context.acd(&self.tenant, acd::Input::ConversationEnded { offer });
            }
            _ => {
                self.parties[at].note_refusal(RefusalCause::Unreachable, None);
                self.lose_leg(context, at, leg);
            }
        }
    }

    pub(super) fn party_of(&self, leg: LegId) -> Option<usize> {
        self.parties.iter().position(|party| party.legs.iter().any(|known| known.id == leg))
    }

    /// A leg of a party is gone; with the last one the party has refused.
    fn lose_leg(&mut self, context: &mut Context<'_>, at: usize, leg: LegId) {
        let offer = self.parties[at].offer;
        self.hang_up_leg(context, at, leg, None);
        self.next_way(context, offer);
        self.refuse_if_exhausted(context, offer);
    }

    pub(super) fn hang_up_leg(
        &mut self,
        context: &mut Context<'_>,
        at: usize,
        leg: LegId,
        reason: Option<&str>,
    ) {
        let legs = &mut self.parties[at].legs;
        let Some(place) = legs.iter().position(|known| known.id == leg) else { return };
        let mut leg = legs.swap_remove(place);
        leg.session.hang_up(context.now, context.endpoint, reason, 487);
        context.media(Command::ClosePort { port: leg.id });
        self.closing.push(leg);
    }

    pub(super) fn refuse_if_exhausted(&mut self, context: &mut Context<'_>, offer: OfferId) {
        let Some(party) = self.parties.iter().find(|party| party.offer == offer) else { return };
        if party.is_exhausted() {
            let (cause, status) = party.refusal.unwrap_or((RefusalCause::Unreachable, None));
            self.party_refused(context, offer, cause, status);
        }
    }

    /// No phone of the party answered.
    pub(super) fn party_refused(
        &mut self,
        context: &mut Context<'_>,
        offer: OfferId,
        cause: RefusalCause,
        status: Option<u16>,
    ) {
        let Some(at) = self.parties.iter().position(|party| party.offer == offer) else { return };
        if self.forwards(context, at, (cause, status)) {
            return;
        }
        let by_acd = matches!(self.parties[at].asked_by, AskedBy::Acd { .. });
        let unanswered = Unanswered::of(&self.parties[at].target, cause, status);
        self.drop_party(context, at, None);
        if by_acd {
            let result = acd::OfferResult::Refused(cause, status);
            context.acd(&self.tenant, acd::Input::OfferEnded { offer, result });
        } else {
            self.unanswered = Some(unanswered);
            self.fact(context, CallFact::OfferRefused { offer, cause, status });
            if self.transfer_is_for(offer) {
                return self.transfer_failed(context, cause, status);
            }
            self.dial_next(context);
            self.summons_failed(context);
        }
    }

    /// Hangs up everything of a party and forgets it.
    pub(super) fn drop_party(&mut self, context: &mut Context<'_>, at: usize, reason: Option<&str>) {
        let mut party = self.parties.remove(at);
        if let Some(ticket) = party.take_ticket() {
            context.admission.lock().release(ticket);
        }
        for pending in party.pending.drain(..) {
            if matches!(pending.invite, PendingInvite::Port(_)) {
                context.media(Command::ClosePort { port: pending.id });
            }
        }
        for mut leg in party.legs.drain(..) {
            leg.session.hang_up(context.now, context.endpoint, reason, 487);
            context.media(Command::ClosePort { port: leg.id });
            self.closing.push(leg);
        }
    }

    /// (2) A `Dial` node: ring the first phone, or all.
    pub(super) fn dial(
        &mut self,
        context: &mut Context<'_>,
        phones: Vec<ivr::BoundPhone>,
        rule: ivr::AnswerRule,
    ) {
        let tone = match self.answer_body {
            Some(_) if self.plan.answer == routing::AnswerMode::ByParty => None,
            _ => self.play_ringback(context),
        };
        self.stage = Stage::Dialling { waiting: phones, rule, tone };
        self.dial_next(context);
    }

    /// The next phone of the `Dial` node, or the end of it.
    pub(super) fn dial_next(&mut self, context: &mut Context<'_>) {
        if matches!(self.stage, Stage::Originating) && self.parties.is_empty() {
            return self.caller_unreached(context);
        }
        let Stage::Dialling { waiting, rule, .. } = &mut self.stage else { return };
        let take = match rule {
            ivr::AnswerRule::InOrder if !self.parties.is_empty() => 0,
            ivr::AnswerRule::InOrder => waiting.len().min(1),
            ivr::AnswerRule::AllAtOnce => waiting.len(),
        };
        let reason = match rule {
            ivr::AnswerRule::InOrder => &*IN_ORDER,
            ivr::AnswerRule::AllAtOnce => &*ALL_AT_ONCE,
        };
        let phones: Vec<ivr::BoundPhone> = waiting.drain(..take).collect();
        if phones.is_empty() {
            if self.parties.is_empty() {
                self.stop_tone(context);
                self.resume_flow(context, ivr::Parked::Unanswered);
            }
            return;
        }
        for phone in phones {
            let party = self.flow_party(context, phone.target, phone.ring);
            self.offer_to(context, party, reason);
        }
    }

    fn withdraw_others(&mut self, context: &mut Context<'_>, winner: OfferId) {
        let cause = WithdrawCause::AnsweredElsewhere;
        while let Some(at) = self.parties.iter().position(|party| party.offer != winner) {
            let offer = self.parties[at].offer;
            self.drop_party(context, at, Some("SIP;cause=200;text=\"Call completed elsewhere\""));
            self.fact(context, CallFact::OfferWithdrawn { offer, cause });
        }
    }

    pub(super) fn stop_rings_that_ran_out(&mut self, context: &mut Context<'_>) {
        let ran_out = |party: &Party| party.ring_until().is_some_and(|until| until <= context.now);
        let offers: Vec<OfferId> = self.parties.iter().filter(|p| ran_out(p)).map(|p| p.offer).collect();
        for offer in offers {
            self.party_refused(context, offer, RefusalCause::NoAnswer, None);
        }
    }
}

/// Why a `Dial` node rings somebody.
static IN_ORDER: LazyLock<Arc<str>> = LazyLock::new(|| Arc::from("按顺序 / in order"));
static ALL_AT_ONCE: LazyLock<Arc<str>> = LazyLock::new(|| Arc::from("同振 / all at once"));
