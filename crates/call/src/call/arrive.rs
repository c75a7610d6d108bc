//! Owns the caller's leg: from the open port to the answer, and what its session reports.

use std::net::SocketAddr;

use media::command::Command;
use model::event::CallFact;
use model::outcome::{HungUpBy, Termination};
use routing::{AnswerMode, RecordPolicy};
use sip::session::{Early, EndCause, SessionEvent};

use super::{Call, Echo, Stage};
use crate::context::{Context, PlaceOf, Wish};
use crate::leg::{Leg, LegMedia};
use crate::party::{Party, PartyState};

impl Call {
    /// (1) The caller's port is open: answer, ring or send early media as the number says.
    pub(super) fn on_caller_port(&mut self, context: &mut Context<'_>, address: SocketAddr) {
        let Stage::Arriving(arrival) = std::mem::replace(&mut self.stage, Stage::InFlow) else {
            return;
        };
        let mut leg = Leg {
            id: arrival.leg,
            session: arrival.session,
            media: LegMedia::new(arrival.leg, address, arrival.media, |leg| context.media_key(leg)),
        };
        let body = match &arrival.offer {
            Some(offer) => leg.media.answer(offer),
            // RFC 3261 §13.2.1: an INVITE without a description asks for our offer in the 2xx.
            None => Ok(leg.media.offer()),
        };
        let body = match body {
            Ok(body) => body,
            Err(unusable) => {
                self.caller = Some(leg);
                return self.refuse(context, unusable.0, &[], model::outcome::CallResult::Failure);
            }
        };
        leg.describe(context);
        if let Some(place) = self.plan.takes {
            self.answer_body = Some(body);
            self.caller = Some(leg);
            return context.wishes.push(Wish::TakePlace(place));
        }
        if leg.session.early() == Early::No && self.plan.answer == AnswerMode::EarlyMedia {
            // Who asks for our offer and takes no reliable responses can hear nothing before the answer.
            self.plan.answer = AnswerMode::AtOnce;
        }
        let mode = self.plan.answer;
        let (now, delayed) = (context.now, arrival.offer.is_none());
        match mode {
            AnswerMode::AtOnce => {
                leg.session.answer(now, context.endpoint, body.clone());
                self.fact(context, CallFact::SwitchAnswered);
            }
            AnswerMode::EarlyMedia => {
                leg.session.ring(now, context.endpoint, 183, Some(body.clone()));
                self.fact(context, CallFact::EarlyMediaBegan);
            }
            AnswerMode::ByParty => {
                // RFC 3261 §13.2.1: the first reliable response carries our offer.
                let offer = (delayed && leg.session.requires_reliable()).then(|| body.clone());
                leg.session.ring(now, context.endpoint, 180, offer);
            }
        }
        self.answer_body = (mode != AnswerMode::AtOnce).then_some(body);
        self.caller = Some(leg);
        // A flow that speaks waits for the answer to our offer: the ACK's, or the PRACK's.
        if mode == AnswerMode::ByParty || (mode == AnswerMode::EarlyMedia && !delayed) {
            self.begin_flow(context);
        }
    }

    /// Answers a caller who heard ringing or early media so far.
    pub(super) fn answer_caller(&mut self, context: &mut Context<'_>) {
        let (Some(body), Some(caller)) = (self.answer_body.take(), &mut self.caller) else {
            return;
        };
        caller.session.answer(context.now, context.endpoint, body);
        self.watch_caller(context);
        self.fact(context, CallFact::SwitchAnswered);
    }

    /// From its answer on a caller has to send; before, most phones and carriers do not.
    fn watch_caller(&mut self, context: &mut Context<'_>) {
        if let (Some(caller), None) = (&self.caller, &self.answer_body) {
            let rtp_timeout = self.settings.plan.rtp_timeout;
            context.media(Command::Watch { port: caller.id, rtp_timeout });
        }
    }

    fn begin_flow(&mut self, context: &mut Context<'_>) {
        let Some(caller) = &self.caller else { return };
        let port = caller.id;
        self.watch_caller(context);
        if self.plan.record == RecordPolicy::All && self.recording.is_none() {
            self.begin_recording(context, Vec::new());
        }
        if let Some(visit) = self.plan.visits.take() {
            return self.begin_visit(context, visit);
        }
        if self.plan.echo == Echo::On {
            context.media(Command::Hear { room: self.id, matrix: vec![(port, port)] });
        } else if let Some(session) = &mut self.session {
            clock::Machine::handle(session, context.now, ivr::Input::Begin);
        }
    }

    pub(super) fn on_caller_event(&mut self, context: &mut Context<'_>, event: SessionEvent) {
        match event {
            // The caller can hear us from here on: nothing of a prompt is lost while the answer travels.
            SessionEvent::Acknowledged { sdp } => {
                if let Some(answer) = sdp {
                    self.on_delayed_answer(context, &answer);
                }
                if self.plan.answer == AnswerMode::AtOnce && matches!(self.stage, Stage::InFlow) {
                    self.begin_flow(context);
                }
            }
            SessionEvent::Offered { sdp } => {
                if let Some(leg) = self.caller.as_ref().map(|caller| caller.id) {
                    self.on_offered(context, leg, sdp);
                }
            }
            SessionEvent::OfferAccepted { sdp } => {
                let leg = self.caller.as_ref().map(|caller| caller.id);
                let is_fax = leg.is_some_and(|leg| self.fax_answered(context, leg, sdp.as_deref()));
                if let (Some(answer), false) = (sdp, is_fax) {
                    self.on_caller_accepted(context, &answer);
                }
            }
            SessionEvent::OfferRefused { status } => {
                if let Some(leg) = self.caller.as_ref().map(|caller| caller.id) {
                    self.on_offer_refused(context, leg, status);
                }
            }
            SessionEvent::Info { content_type, body } => {
                if let Some(leg) = self.caller.as_ref().map(|caller| caller.id) {
                    self.on_info(context, leg, &content_type, &body);
                }
            }
            SessionEvent::Cancelled { reason } => {
                self.note_reason(context, HungUpBy::Caller, reason);
                self.release(context, HungUpBy::Caller, Termination::Cancelled, None);
            }
            SessionEvent::Ended { cause, .. } => {
                let (by, cause) = match cause {
                    EndCause::Bye { reason } => {
                        self.note_reason(context, HungUpBy::Caller, reason);
                        (HungUpBy::Caller, Termination::Normal)
                    }
                    EndCause::Cancelled => (HungUpBy::Caller, Termination::Cancelled),
                    other => (HungUpBy::Switch, termination_of(&other)),
                };
                if let Some(leg) = self.caller.as_ref().map(|caller| caller.id)
                    && self.is_transferor(context.now, leg)
                {
                    return self.transferor_lost(context, cause);
                }
                self.release(context, by, cause, None);
            }
            SessionEvent::Transferred { tx, refer_to, replaces, .. } => {
                if let Some(leg) = self.caller.as_ref().map(|caller| caller.id) {
                    self.on_refer(context, leg, tx, (refer_to, replaces));
                }
            }
            SessionEvent::ReferProgress { .. }
            | SessionEvent::Progress { .. }
            | SessionEvent::Answered { .. }
            | SessionEvent::Refused { .. }
            | SessionEvent::Transaction(_)
            | SessionEvent::TransactionOver(_) => {}
        }
    }

    /// An offer of ours was answered: of an early one, which the PRACK answers, or of a re-INVITE.
    fn on_caller_accepted(&mut self, context: &mut Context<'_>, answer: &[u8]) {
        let Some(caller) = &mut self.caller else { return };
        let first = caller.media.agreed.is_none();
        match caller.media.accept(answer) {
            Ok(()) => {
                caller.describe(context);
                let leg = caller.id;
                self.fax_left_by(context, leg);
                self.on_media_changed(context, leg);
                if first && self.plan.answer == AnswerMode::EarlyMedia && matches!(self.stage, Stage::InFlow)
                {
                    self.begin_flow(context);
                }
            }
            Err(unusable) if first => {
                self.refuse(context, unusable.0, &[], model::outcome::CallResult::Failure);
            }
            // RFC 3261 §14.1: what was agreed before stands.
            Err(_) => {}
        }
    }

    /// What a peer gave as its reason, for the record (RFC 3326).
    pub(super) fn note_reason(&self, context: &mut Context<'_>, by: HungUpBy, reason: Option<String>) {
        if let Some(reason) = reason {
            // A peer may write as much as a datagram holds.
            let reason: String = reason.chars().take(200).collect();
            self.fact(context, CallFact::ReasonGiven { by, reason: reason.into() });
        }
    }

    /// RFC 3891: a caller wants the place of `leg`, which its Replaces names.
    ///
    /// # Errors
    /// The status to refuse it with.
    pub fn on_replace_asked(
        &mut self,
        leg: model::LegId,
        replaces: &sip::headers::Replaces,
    ) -> Result<PlaceOf, u16> {
        let session = self.session_of(leg).ok_or(481_u16)?;
        session.replaceable(replaces)?;
        let rings = |party: &&Party| matches!(party.state, PartyState::Calling | PartyState::Ringing);
        let rung = self.party_of(leg).map(|at| &self.parties[at]).filter(rings);
        // Of several phones that ring any may be named: it is the call that is wanted.
        let of = rung.map_or(PlaceOf::Leg(leg), |party| PlaceOf::Offer(party.offer));
        self.grants(of).map(|()| of)
    }

    /// A REFER within the dialog of `leg`: what it names, the shard finds.
    pub(super) fn on_refer(
        &mut self,
        context: &mut Context<'_>,
        leg: model::LegId,
        tx: sip::transaction::ServerTx,
        (to, replaces): (String, Option<String>),
    ) {
        if let Err(status) = self.may_transfer(leg) {
            if let Some(known) = self.legs_mut().find(|known| known.id == leg) {
                known.session.refuse_request(context.now, context.endpoint, tx, status);
            }
            return;
        }
        let (to, replaces) = (to.into(), replaces.map(Into::into));
        context.wishes.push(Wish::Refer { leg, tx, to, replaces });
    }

    fn on_delayed_answer(&mut self, context: &mut Context<'_>, answer: &[u8]) {
        let Some(caller) = &mut self.caller else { return };
        match caller.media.accept(answer) {
            Ok(()) => caller.describe(context),
            Err(unusable) => {
                let cause = Termination::Refused(unusable.0);
                self.release(context, HungUpBy::Switch, cause, Some(model::outcome::CallResult::Failure));
            }
        }
    }
}

/// What the end of a session means for its call.
pub(super) fn termination_of(cause: &EndCause) -> Termination {
    match cause {
        EndCause::Bye { .. } => Termination::Normal,
        EndCause::Cancelled => Termination::Cancelled,
        EndCause::Refused(status) => Termination::Refused(*status),
        EndCause::NoAck | EndCause::NoPrack | EndCause::DialogLost(_) => Termination::SignallingTimeout,
        EndCause::SessionExpired => Termination::SessionExpired,
        EndCause::TransportFailed => Termination::TransportFailed,
    }
}
