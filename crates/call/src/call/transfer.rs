//! Owns the transfer (转接): who asked for it, whom it rings meanwhile, and to whom the call goes if that fails. Does not own
//! where a dialled number leads (see `Shard::aim`) nor what keys ask for (see `consult`).
//!
//! ```text
//!              asked                      answers
//!   Talking ───────────▶ Ringing ──────────────────────────▶ Talking with the new one
//!      ▲     refused        │ the transferor hangs up           ▲       ▲
//!      └────────────────────┤                                   │       │ answers
//!                           ▼       answers                     │       │
//!                         Alone ────────────────────────────────┘       │
//!                           │ refused                                   │
//!                           ▼                      refused              │
//!                      BringingBack ──────────────────────▶ the queue, with its place; else the flow
//! ```

use std::sync::Arc;
use std::time::Duration;

use media::command::{Command, Mark, PlayMode};
use model::event::{CallFact, TransferKind, TransferOutcome};
use model::outcome::{HungUpBy, RefusalCause, Termination, WithdrawCause};
use model::say::{SayItem, Tone};
use model::{DialTarget, EntryId, LegId, OfferId, PlayId, QueueName};
use routing::Holder;
use sip::transaction::ServerTx;

use super::consult::Consultation;
use super::moving::Who;
use super::talk::Then;
use super::{Call, Playing, Stage};
use crate::context::Context;
use crate::party::{AskedBy, PartyState};

/// A transfer that has not come to its end.
#[derive(Debug)]
pub(crate) struct Transfer {
    /// Who sends the other side elsewhere.
    pub(super) by: Transferor,
    pub(super) kind: TransferKind,
    pub(super) phase: Phase,
    /// What the one who waits hears.
    pub(super) tone: Option<PlayId>,
    /// What the transferor hears while the new one rings.
    pub(super) heard: Option<PlayId>,
}

/// Who makes a transfer.
#[derive(Debug)]
pub(super) struct Transferor {
    pub leg: LegId,
    pub who: Who,
    /// For whom the call came, for the new one's display.
    pub queue: Option<QueueName>,
    /// By whose class of service the new one is called.
    pub holder: Option<Holder>,
    /// Whether the peer is to be told how it goes (RFC 3515 §2.4.4).
    pub told: Told,
}

/// Whether somebody is told how a transfer goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    ByNotify,
    Not,
}

/// How far a transfer got.
#[derive(Debug)]
pub(super) enum Phase {
    /// The new one rings, the transferor waits too.
    Ringing { offer: OfferId },
    /// The transferor talks with the new one, or with both.
    Consulting(Consultation),
    /// The transferor left while the new one rings.
    Alone { offer: OfferId },
    /// The call waits in the queue that it was sent to.
    Waiting { entry: EntryId },
    /// The new one could not be had: the transferor rings.
    BringingBack { offer: OfferId },
}

/// Where a call is sent.
#[derive(Clone, Debug)]
pub(crate) struct Aim {
    /// As it was asked for.
    pub label: Arc<str>,
    pub at: AimAt,
}

/// What a number that was dialled leads to.
#[derive(Clone, Debug)]
pub(crate) enum AimAt {
    /// One phone: an extension, a bound phone, an outside number.
    Phone { target: DialTarget, ring: Duration },
    /// A place in a queue.
    Queue { queue: QueueName, priority: i32 },
    /// A flow from its beginning.
    Flow(Arc<ivr::Flow>),
}

/// What is asked for, and by whom.
#[derive(Debug)]
pub(crate) struct Asked {
    pub leg: LegId,
    /// The REFER that asks.
    pub tx: Option<ServerTx>,
    pub kind: TransferKind,
}

/// How long who made a transfer that failed is rung.
const BACK_RINGS: Duration = Duration::from_secs(30);

/// A phone that hangs up so soon after it was told of the failure did so because it had sent the other side on.
const FAREWELL: Duration = Duration::from_secs(2);

/// A blind transfer of which its phone was told that it failed.
#[derive(Debug)]
pub(crate) struct Refused {
    transfer: Box<Transfer>,
    /// Until when the phone may hang up as if the transfer were still under way.
    until: clock::Instant,
}

impl Call {
    /// Whether `leg` may send the other side of the conversation elsewhere: only our own phones may.
    ///
    /// # Errors
    /// The status that says why not.
    pub fn may_transfer(&self, leg: LegId) -> Result<(), u16> {
        let Stage::Talking(talk) = &self.stage else { return Err(603) };
        if self.transfer.is_some() || talk.announcing.is_some() {
            return Err(491);
        }
        let ours = if self.is_caller(leg) {
            self.facts.calling_phone.is_some()
        } else {
            let party = self.parties.iter().find(|party| party.offer == talk.offer && talk.leg == leg);
            party.is_some_and(|party| matches!(party.target, DialTarget::Phone(_)))
        };
        if ours { Ok(()) } else { Err(603) }
    }

    /// The leg that an operator's command sends away: the agent's.
    pub fn transferor_for_operator(&self) -> Option<LegId> {
        let Stage::Talking(talk) = &self.stage else { return None };
        let caller = self.caller.as_ref()?.id;
        let leg = if self.may_transfer(talk.leg).is_ok() { talk.leg } else { caller };
        self.may_transfer(leg).is_ok().then_some(leg)
    }

    /// Refuses the REFER that asks for a transfer.
    pub fn refuse_transfer(&mut self, context: &mut Context<'_>, leg: LegId, tx: ServerTx, status: u16) {
        if let Some(known) = self.legs_mut().find(|known| known.id == leg) {
            known.session.refuse_request(context.now, context.endpoint, tx, status);
        }
        self.settle(context);
    }

    /// Sends the other side of `asked.leg` to `aim`.
    pub fn transfer(&mut self, context: &mut Context<'_>, asked: Asked, aim: Aim) {
        if let Err(status) = self.may_transfer(asked.leg) {
            return match asked.tx {
                Some(tx) => self.refuse_transfer(context, asked.leg, tx, status),
                None => self.settle(context),
            };
        }
        self.stop_asking(context);
        if let Some(tx) = asked.tx {
            self.accept_refer(context, asked.leg, tx);
        }
        self.begin_transfer(context, &asked, aim.label.clone());
        match aim.at {
            AimAt::Phone { target, ring } => self.ring_new_one(context, aim.label, target, ring),
            AimAt::Queue { queue, priority } => {
                self.report(context, 200);
                self.transferor_leaves(context, Termination::Transferred);
                self.send_to_queue(context, queue, priority);
            }
            AimAt::Flow(flow) => {
                self.report(context, 200);
                self.transferor_leaves(context, Termination::Transferred);
                self.send_to_flow(context, flow);
            }
        }
        self.settle(context);
    }

    pub(super) fn accept_refer(&mut self, context: &mut Context<'_>, leg: LegId, tx: ServerTx) {
        if let Some(known) = self.legs_mut().find(|known| known.id == leg) {
            known.session.accept_refer(context.now, context.endpoint, tx);
        }
    }

    /// Writes down who sends whom where.
    pub(super) fn begin_transfer(&mut self, context: &mut Context<'_>, asked: &Asked, to: Arc<str>) {
        let Stage::Talking(talk) = &self.stage else { return };
        let party = self.parties.iter().find(|party| party.offer == talk.offer);
        let queue = party.and_then(|party| party.queue().cloned());
        let who = match party.filter(|_| !self.is_caller(asked.leg)) {
            Some(party) => {
                let agent = party.agent().cloned();
                Who { label: party.label.clone(), target: party.target.clone(), agent }
            }
            None => self.who_calls(),
        };
        let holder = match &who.target {
            DialTarget::Phone(aor) => Some(Holder::Phone(aor.clone())),
            DialTarget::Trunk { .. } | DialTarget::Uri(_) => None,
        };
        let told = if asked.tx.is_some() { Told::ByNotify } else { Told::Not };
        let by = Some(who.label.clone());
        self.fact(context, CallFact::TransferBegan { kind: asked.kind, by, to });
        self.transfer = Some(Box::new(Transfer {
            by: Transferor { leg: asked.leg, who, queue, holder, told },
            kind: asked.kind,
            phase: Phase::Ringing { offer: OfferId::from(0) },
            tone: None,
            heard: None,
        }));
    }

    fn ring_new_one(
        &mut self,
        context: &mut Context<'_>,
        label: Arc<str>,
        target: DialTarget,
        ring: Duration,
    ) {
        let Some(transfer) = &self.transfer else { return };
        let (leg, kind) = (transfer.by.leg, transfer.kind);
        let (items, mode) = match kind {
            TransferKind::Blind => (vec![SayItem::Tone(Tone::Ringback)], PlayMode::Looped),
            TransferKind::Attended => self.hold_music(),
        };
        let Stage::Talking(talk) = &self.stage else { return };
        let waits = self.opposite(talk, leg);
        let tone = waits.map(|port| self.play_to(context, port, Playing::Background, items, mode));
        let offer: OfferId = context.ids.mint();
        if let Some(transfer) = &mut self.transfer {
            transfer.tone = tone;
            transfer.phase = Phase::Ringing { offer };
        }
        self.connect(context);
        let (by, words) = (leg, "转接 / by transfer");
        self.call_for_transfer(context, offer, (label, target), context_until(context, ring), words);
        if kind == TransferKind::Attended && self.transfer_is_for(offer) {
            self.let_hear_ringing(context, by);
        }
    }

    fn call_for_transfer(
        &mut self,
        context: &mut Context<'_>,
        offer: OfferId,
        (label, target): (Arc<str>, DialTarget),
        until: clock::Instant,
        reason: &str,
    ) {
        let agent = self.settings.agent_at(&self.tenant, &target);
        let label = agent.as_ref().map_or(label, |agent| agent.name.clone());
        let fact = CallFact::Offered {
            offer,
            entry: None,
            agent: agent.clone(),
            party: label.clone(),
            reason: reason.into(),
        };
        self.fact(context, fact);
        self.call_party(context, offer, AskedBy::Flow { until, agent }, label, target);
    }

    /// Whether the party of this attempt is the one that a transfer rings.
    pub(super) fn transfer_is_for(&self, offer: OfferId) -> bool {
        self.transfer.as_ref().is_some_and(|transfer| match &transfer.phase {
            Phase::Ringing { offer: rung }
            | Phase::Alone { offer: rung }
            | Phase::BringingBack { offer: rung } => *rung == offer,
            Phase::Consulting(_) | Phase::Waiting { .. } => false,
        })
    }

    /// Somebody else answers in the place of the one who was rung.
    pub(super) fn transfer_goes_to(&mut self, answered: OfferId) {
        match self.transfer.as_mut().map(|transfer| &mut transfer.phase) {
            Some(Phase::Ringing { offer } | Phase::Alone { offer } | Phase::BringingBack { offer }) => {
                *offer = answered;
            }
            Some(Phase::Consulting(_) | Phase::Waiting { .. }) | None => {}
        }
    }

    /// For the new one's display: the queue that the call came by.
    pub(super) fn queue_of_transfer(&self) -> Option<&QueueName> {
        self.transfer.as_ref()?.by.queue.as_ref()
    }

    /// By whose class of service the party of this attempt is called.
    pub(super) fn holder_for(&self, offer: OfferId) -> &Holder {
        let of_transfer = self.transfer.as_ref().filter(|_| self.transfer_is_for(offer));
        of_transfer.and_then(|transfer| transfer.by.holder.as_ref()).unwrap_or(&self.facts.holder)
    }

    /// The one whom a transfer rings answered.
    pub(super) fn transfer_answered(&mut self, context: &mut Context<'_>, offer: OfferId) {
        let Some(transfer) = &self.transfer else { return };
        match (&transfer.phase, transfer.kind) {
            (Phase::Ringing { .. }, TransferKind::Attended) => self.consult(context, offer),
            (Phase::Ringing { .. }, TransferKind::Blind) => {
                self.report(context, 200);
                self.transferor_leaves(context, Termination::Transferred);
                self.transfer_done(context, offer);
            }
            (Phase::Alone { .. }, _) => self.transfer_done(context, offer),
            (Phase::BringingBack { .. }, _) => {
                self.transfer = None;
                self.talk_with(context, offer);
            }
            (Phase::Consulting(_) | Phase::Waiting { .. }, _) => {}
        }
    }

    pub(super) fn transfer_done(&mut self, context: &mut Context<'_>, offer: OfferId) {
        self.transfer = None;
        self.fact(context, CallFact::TransferEnded { outcome: TransferOutcome::Done });
        self.talk_with(context, offer);
        self.mark_transferred(context);
    }

    /// The one whom a transfer rings cannot be had.
    pub(super) fn transfer_failed(
        &mut self,
        context: &mut Context<'_>,
        cause: RefusalCause,
        status: Option<u16>,
    ) {
        let Some(transfer) = &self.transfer else { return };
        let outcome = TransferOutcome::Failed { cause, status };
        match transfer.phase {
            Phase::Ringing { .. } => {
                self.report(context, status.unwrap_or(480));
                self.fact(context, CallFact::TransferEnded { outcome });
                let refused = self.go_on_as_before(context).filter(|transfer| {
                    transfer.by.told == Told::ByNotify && transfer.kind == TransferKind::Blind
                });
                self.refused =
                    refused.map(|transfer| Box::new(Refused { transfer, until: context.now + FAREWELL }));
            }
            Phase::Alone { .. } => {
                self.fact(context, CallFact::TransferEnded { outcome });
                self.bring_back(context);
            }
            Phase::BringingBack { .. } => self.back_to_queue(context),
            Phase::Consulting(_) | Phase::Waiting { .. } => {}
        }
    }

    /// The conversation goes on as if nobody had asked for the transfer, which is given back.
    pub(super) fn go_on_as_before(&mut self, context: &mut Context<'_>) -> Option<Box<Transfer>> {
        let mut transfer = self.transfer.take()?;
        if let Stage::Talking(talk) = &self.stage
            && let Some(waits) = self.opposite(talk, transfer.by.leg)
        {
            self.stop_playing(context, waits, transfer.tone.take());
            self.stop_playing(context, transfer.by.leg, transfer.heard.take());
            self.play_hold_music(context);
        }
        self.connect(context);
        Some(transfer)
    }

    /// The new one could not be had and the transferor has gone: it rings.
    fn bring_back(&mut self, context: &mut Context<'_>) {
        let offer: OfferId = context.ids.mint();
        let Some(transfer) = &mut self.transfer else { return };
        transfer.phase = Phase::BringingBack { offer };
        let who = transfer.by.who.clone();
        let until = context_until(context, BACK_RINGS);
        let reason = "转接未成,叫回 / brought back: the transfer failed";
        self.call_for_transfer(context, offer, (who.label, who.target), until, reason);
    }

    /// Nobody is left to bring the call back to: it has its place in its queue again.
    fn back_to_queue(&mut self, context: &mut Context<'_>) {
        self.transfer = None;
        self.stop_tone(context);
        match self.waited.clone() {
            Some(waited) => self.enqueue_at(context, *waited),
            None => self.resume_flow(context, ivr::Parked::PartyLeft),
        }
    }

    pub(super) fn send_to_queue(&mut self, context: &mut Context<'_>, queue: QueueName, priority: i32) {
        self.stop_tone(context);
        let before = self.waited.take();
        self.enqueue(context, queue, priority);
        // Should nobody take the call there, it has the place again that it had before.
        self.waited = before.or(self.waited.take());
        if let (Stage::Queued { entry, .. }, Some(transfer)) = (&self.stage, &mut self.transfer) {
            transfer.phase = Phase::Waiting { entry: *entry };
        } else if self.transfer.take().is_some() {
            // The queue takes nobody who cannot be recorded, and the flow has gone on.
            let outcome = TransferOutcome::Failed { cause: RefusalCause::Limit, status: None };
            self.fact(context, CallFact::TransferEnded { outcome });
        }
    }

    pub(super) fn send_to_flow(&mut self, context: &mut Context<'_>, flow: Arc<ivr::Flow>) {
        self.stop_tone(context);
        self.transfer = None;
        self.fact(context, CallFact::TransferEnded { outcome: TransferOutcome::Done });
        self.plan.flow = flow.clone();
        self.flow_play = None;
        self.session = Some(ivr::Session::new(flow));
        self.stage = Stage::InFlow;
        self.flow(context, ivr::Input::Begin);
    }

    /// The place in the queue that the call was sent to ended. Says whether the call is brought back.
    pub(super) fn left_queue_of_transfer(
        &mut self,
        context: &mut Context<'_>,
        entry: EntryId,
        served: Served,
    ) -> bool {
        let waits = matches!(self.transfer.as_deref(),
            Some(Transfer { phase: Phase::Waiting { entry: known }, .. }) if *known == entry);
        if !waits {
            return false;
        }
        if served == Served::Yes {
            self.transfer = None;
            self.fact(context, CallFact::TransferEnded { outcome: TransferOutcome::Done });
            return false;
        }
        let outcome = TransferOutcome::Failed { cause: RefusalCause::NoAnswer, status: None };
        self.fact(context, CallFact::TransferEnded { outcome });
        let tone = self.play_ringback(context);
        self.stage = Stage::Dialling { waiting: Vec::new(), rule: ivr::AnswerRule::InOrder, tone };
        self.bring_back(context);
        true
    }

    /// Whether `leg` is of somebody who waits for a transfer of theirs, talks about it, or has just been told that it
    /// failed.
    pub(super) fn is_transferor(&self, now: clock::Instant, leg: LegId) -> bool {
        let refused = self.refused.as_ref().filter(|refused| now < refused.until && self.transfer.is_none());
        let transfer = self.transfer.as_ref().or(refused.map(|refused| &refused.transfer));
        matches!(self.stage, Stage::Talking(_)) && transfer.is_some_and(|transfer| transfer.by.leg == leg)
    }

    /// The transferor hung up, or was lost: what it asked for goes on without it.
    pub(super) fn transferor_lost(&mut self, context: &mut Context<'_>, cause: Termination) {
        if self.transfer.is_none()
            && let Some(refused) = self.refused.take()
        {
            self.transfer = Some(refused.transfer);
            self.transferor_leaves(context, cause);
            let ringing = self.play_ringback(context);
            if let Stage::Dialling { tone, .. } = &mut self.stage {
                *tone = ringing;
            }
            return self.bring_back(context);
        }
        let Some(transfer) = &self.transfer else { return };
        match &transfer.phase {
            Phase::Ringing { offer } => {
                let offer = *offer;
                self.transferor_leaves(context, cause);
                if let Some(transfer) = &mut self.transfer {
                    transfer.phase = Phase::Alone { offer };
                }
            }
            Phase::Consulting(_) => self.consultation_completes(context, cause),
            Phase::Alone { .. } | Phase::Waiting { .. } | Phase::BringingBack { .. } => {}
        }
    }

    /// The transferor's part in the call is over. The one who waited has the caller's place, and nobody to talk with.
    pub(super) fn transferor_leaves(&mut self, context: &mut Context<'_>, cause: Termination) {
        let Some(transfer) = &mut self.transfer else { return };
        let (leg, tone) = (transfer.by.leg, transfer.tone.take());
        let Stage::Talking(talk) = std::mem::replace(&mut self.stage, Stage::InFlow) else { return };
        let was_caller = self.caller.as_ref().is_some_and(|caller| caller.id == leg);
        if was_caller {
            self.end_talk(context, &talk, (HungUpBy::Caller, cause), Then::TakesCallersPlace);
            self.party_takes_callers_place(context, talk.offer);
        } else {
            self.end_talk(context, &talk, (HungUpBy::Agent, cause), Then::GoesOn);
            context.media(Command::Hear { room: self.id, matrix: Vec::new() });
            if let Some(at) = self.parties.iter().position(|party| party.offer == talk.offer) {
                self.drop_party(context, at, None);
            }
        }
        self.stage = Stage::Dialling { waiting: Vec::new(), rule: ivr::AnswerRule::InOrder, tone };
    }

    /// Who called sends the one who was called elsewhere: that one is now whom the call is about.
    fn party_takes_callers_place(&mut self, context: &mut Context<'_>, offer: OfferId) {
        context.media(Command::Hear { room: self.id, matrix: Vec::new() });
        let Some(at) = self.parties.iter().position(|party| party.offer == offer) else { return };
        let mut party = self.parties.remove(at);
        let PartyState::Talking(leg) = party.state else { return };
        let Some(place) = party.legs.iter().position(|known| known.id == leg) else { return };
        self.tickets.extend(party.take_ticket());
        let agent = party.agent().cloned();
        let Some(mut old) = self.caller.replace(party.legs.swap_remove(place)) else { return };
        old.session.hang_up(context.now, context.endpoint, None, 480);
        context.media(Command::ClosePort { port: old.id });
        let fact = CallFact::LegReplaced { old: old.id, new: leg, party: party.label.clone() };
        self.fact(context, fact);
        if let Some(recording) = self.recording {
            context.media(Command::MarkRecording { recording, mark: Mark::PartyLeft(old.id) });
            self.recorded_left = super::RecordedLeft::OtherSide;
        }
        self.closing.push(old);
        self.facts.calling_agent = agent;
        self.facts.caller = match &party.target {
            DialTarget::Trunk { number, .. } => number.clone(),
            DialTarget::Phone(_) | DialTarget::Uri(_) => party.label.clone(),
        };
        self.facts.withheld = None;
        self.facts.caller_is = super::CallerIs::Customer;
        self.facts.calling_phone = match party.target {
            DialTarget::Phone(aor) => Some(aor),
            DialTarget::Trunk { .. } | DialTarget::Uri(_) => None,
        };
        // The flow was the caller's who has left.
        self.session = None;
    }

    /// The one who waits has gone: nobody is sent anywhere.
    pub(super) fn drop_transfer(&mut self, context: &mut Context<'_>, outcome: TransferOutcome) {
        self.end_consultation(context, (HungUpBy::Caller, Termination::Normal));
        let Some(transfer) = self.transfer.take() else { return };
        if transfer.by.told == Told::ByNotify
            && let Some(known) = self.legs_mut().find(|known| known.id == transfer.by.leg)
        {
            known.session.notify_refer(context.now, context.endpoint, 487);
        }
        match transfer.phase {
            Phase::Ringing { offer } | Phase::Alone { offer } | Phase::BringingBack { offer } => {
                if let Some(at) = self.parties.iter().position(|party| party.offer == offer) {
                    self.drop_party(context, at, None);
                    let cause = WithdrawCause::CallerGone;
                    self.fact(context, CallFact::OfferWithdrawn { offer, cause });
                }
                if !matches!(transfer.phase, Phase::BringingBack { .. }) {
                    self.fact(context, CallFact::TransferEnded { outcome });
                }
            }
            Phase::Consulting(_) | Phase::Waiting { .. } => {
                self.fact(context, CallFact::TransferEnded { outcome });
            }
        }
    }

    /// Tells who sent the REFER how it goes (RFC 3515 §2.4.4).
    pub(super) fn report(&mut self, context: &mut Context<'_>, status: u16) {
        let Some(transfer) = &self.transfer else { return };
        if transfer.by.told == Told::Not {
            return;
        }
        let leg = transfer.by.leg;
        if let Some(known) = self.legs_mut().find(|known| known.id == leg) {
            known.session.notify_refer(context.now, context.endpoint, status);
        }
    }
}

/// Whether somebody took the call out of its queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Served {
    Yes,
    No,
}

fn context_until(context: &Context<'_>, length: Duration) -> clock::Instant {
    context.now + length
}
