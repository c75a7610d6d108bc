//! Owns how a leg goes from one call to another: what a call gives away, and whose place a leg takes. Does not own why (see
//! `transfer`) nor who finds the two calls (see `Shard`).

use std::sync::Arc;

use media::command::{Command, Mark};
use model::event::{CallFact, TransferKind, TransferOutcome};
use model::outcome::{CallResult, HungUpBy, Termination, WithdrawCause};
use model::{AgentId, CallId, DialTarget, EntryId, LegId, OfferId};
use routing::Ticket;

use super::talk::Then;
use super::{Call, Stage};
use crate::Output;
use crate::context::{Context, PlaceOf, Route};
use crate::leg::Leg;
use crate::party::{AskedBy, Party, PartyState};

/// Who somebody in a call is, and how they are called again.
#[derive(Clone, Debug)]
pub(crate) struct Who {
    /// As people write it.
    pub label: Arc<str>,
    pub target: DialTarget,
    pub agent: Option<AgentId>,
}

/// A leg between two calls.
#[derive(Debug)]
pub(crate) struct Mover {
    pub leg: Leg,
    pub who: Who,
    /// What its trunk's limit counts.
    pub ticket: Option<Ticket>,
    /// Its port's figures have yet to come.
    pub measured: Measured,
}

/// Whether a port's figures have yet to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Measured {
    NotYet,
    Already,
}

/// Whose place a leg would take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whose {
    Caller,
    /// Of the phones that ring for the party at this place.
    Ringing(usize),
    /// Of the party at this place, who talks.
    Talking(usize),
}

impl Call {
    /// Whether a leg may have that place now.
    ///
    /// # Errors
    /// The status to refuse it with (RFC 3891 §3).
    pub fn grants(&self, of: PlaceOf) -> Result<(), u16> {
        let declined = match of {
            PlaceOf::Leg(leg) if self.is_caller(leg) || self.party_of(leg).is_some() => 603,
            PlaceOf::Leg(_) | PlaceOf::Offer(_) => 481,
        };
        self.whose(of).map(drop).ok_or(declined)
    }

    fn whose(&self, of: PlaceOf) -> Option<Whose> {
        let at = match of {
            PlaceOf::Offer(offer) => self.parties.iter().position(|party| party.offer == offer)?,
            PlaceOf::Leg(leg) => match self.party_of(leg) {
                Some(at) => at,
                None => {
                    let talks = matches!(self.stage, Stage::Talking(_)) && self.transfer.is_none();
                    return (talks && self.is_caller(leg)).then_some(Whose::Caller);
                }
            },
        };
        match self.parties[at].state {
            // A phone that rings to become the caller itself has no place that another could take.
            PartyState::Calling | PartyState::Ringing => self.caller.is_some().then_some(Whose::Ringing(at)),
            PartyState::Talking(_) if matches!(of, PlaceOf::Leg(_)) && self.transfer.is_none() => {
                Some(Whose::Talking(at))
            }
            PartyState::Talking(_) | PartyState::Accepted(_) => None,
        }
    }

    /// A leg that called in takes a place that [`Call::grants`] granted in the same turn.
    pub fn take_place(&mut self, context: &mut Context<'_>, mover: Mover, of: PlaceOf) {
        match self.whose(of) {
            Some(Whose::Caller) => self.replace_caller(context, mover),
            Some(Whose::Ringing(at)) => self.pick_up(context, at, mover),
            Some(Whose::Talking(at)) => self.replace_party(context, at, mover),
            None => self.send_away(context, mover),
        }
        self.settle(context);
    }

    /// Nobody wants it here any more.
    pub(super) fn send_away(&mut self, context: &mut Context<'_>, mover: Mover) {
        let Mover { mut leg, ticket, measured, .. } = mover;
        if measured == Measured::NotYet {
            self.measured.push(leg.id);
        }
        if let Some(ticket) = ticket {
            context.admission.lock().release(ticket);
        }
        leg.session.hang_up(context.now, context.endpoint, None, 480);
        context.media(Command::ClosePort { port: leg.id });
        self.closing.push(leg);
    }

    /// The caller's leg goes over to the call `into`, and this call ends.
    pub fn go_over(&mut self, context: &mut Context<'_>, into: CallId) -> Option<Mover> {
        self.answer_caller(context);
        self.settle(context);
        let who = self.who_calls();
        let leg = self.caller.take()?;
        let mover = self.moving(context, leg, who, into);
        self.fact(context, CallFact::WentInto { call: into });
        let (by, result) = (HungUpBy::Switch, CallResult::SelfServed);
        self.release(context, by, Termination::Transferred, Some(result));
        Some(mover)
    }

    /// What leads to a leg leads to the call `into` from here on, and its port goes there.
    pub(super) fn moving(
        &mut self,
        context: &mut Context<'_>,
        mut leg: Leg,
        who: Who,
        into: CallId,
    ) -> Mover {
        if leg.media.is_fax() {
            let offer = leg.media.offer();
            leg.session.offer(context.now, context.endpoint, offer);
        }
        self.lead_into(context, &leg, into);
        let before = self.measured.len();
        self.measured.retain(|port| *port != leg.id);
        let measured = if self.measured.len() < before { Measured::NotYet } else { Measured::Already };
        Mover { leg, who, ticket: None, measured }
    }

    /// Port, routes and kept messages of a leg go to the call `into`.
    pub(super) fn lead_into(&self, context: &mut Context<'_>, leg: &Leg, into: CallId) {
        context.media(Command::MovePort { port: leg.id, room: into });
        context.routes.push(Route::Moved(leg.id, into));
        let sip_call_id = leg.session.shared_call_id();
        context.out.push_back(Output::LegNamed { tenant: self.tenant.clone(), call: into, sip_call_id });
    }

    /// Who calls, for records and for calling back.
    pub(super) fn who_calls(&self) -> Who {
        let facts = &self.facts;
        let target = match (&facts.calling_phone, &facts.trunk) {
            (Some(aor), _) => DialTarget::Phone(aor.clone()),
            (None, Some(trunk)) => DialTarget::Trunk { trunk: trunk.clone(), number: facts.caller.clone() },
            (None, None) => DialTarget::Uri(facts.caller.clone()),
        };
        let agent = match &target {
            DialTarget::Phone(_) => self.settings.agent_at(&self.tenant, &target),
            DialTarget::Trunk { .. } | DialTarget::Uri(_) => None,
        };
        Who { label: facts.caller.clone(), target, agent }
    }

    /// A leg of another call becomes a party that has answered.
    pub(super) fn adopt(
        &mut self,
        context: &mut Context<'_>,
        mover: Mover,
        entry: Option<EntryId>,
        reason: &str,
    ) -> OfferId {
        let Mover { leg, who, ticket, measured } = mover;
        let offer: OfferId = context.ids.mint();
        if measured == Measured::NotYet {
            self.measured.push(leg.id);
        }
        let (agent, label) = (who.agent, who.label);
        let fact = CallFact::Offered {
            offer,
            entry,
            agent: agent.clone(),
            party: label.clone(),
            reason: reason.into(),
        };
        self.fact(context, fact);
        let asked_by = AskedBy::Flow { until: context.now, agent };
        let mut party = Party::new(offer, asked_by, label, who.target);
        self.answers += 1;
        party.answered_as = self.answers;
        party.state = PartyState::Accepted(leg.id);
        party.set_ticket(ticket);
        party.legs.push(leg);
        self.parties.push(party);
        offer
    }

    pub(super) fn talk_with(&mut self, context: &mut Context<'_>, offer: OfferId) {
        if let Some(at) = self.parties.iter().position(|party| party.offer == offer) {
            self.talk(context, at);
        }
    }

    /// 代接: the one who called in has the call for which the phones of the party at `at` ring (R36).
    fn pick_up(&mut self, context: &mut Context<'_>, at: usize, mover: Mover) {
        let rung_for = self.parties[at].offer;
        let entry = match &self.stage {
            Stage::Queued { entry, .. } => Some(*entry),
            _ => None,
        };
        let offer = self.adopt(context, mover, entry, "代接 / picked up");
        if self.transfer_is_for(rung_for) {
            self.withdraw_ringing(context, |party| party.offer == rung_for);
            self.transfer_goes_to(offer);
            return self.transfer_answered(context, offer);
        }
        if entry.is_some() {
            self.stop_music(context);
        }
        let rung = self.parties.iter().position(|party| party.offer == rung_for);
        if let Some(at) = rung.filter(|at| self.parties[*at].queue().is_some()) {
            self.drop_party(context, at, Some("SIP;cause=200;text=\"Call completed elsewhere\""));
            context.acd(&self.tenant, acd::Input::PickedUp { offer: rung_for });
        }
        self.withdraw_ringing(context, |party| party.offer != offer);
        self.talk_with(context, offer);
    }

    /// Phones that ring for these stop.
    pub(super) fn withdraw_ringing(&mut self, context: &mut Context<'_>, of: impl Fn(&Party) -> bool) {
        let rings = |party: &Party| matches!(party.state, PartyState::Calling | PartyState::Ringing);
        while let Some(at) = self.parties.iter().position(|party| rings(party) && of(party)) {
            let (offer, by_acd) = (self.parties[at].offer, self.parties[at].queue().is_some());
            self.drop_party(context, at, Some("SIP;cause=200;text=\"Call completed elsewhere\""));
            if by_acd {
                let input = acd::Input::OfferEnded { offer, result: acd::OfferResult::Gone };
                context.acd(&self.tenant, input);
            } else {
                let cause = WithdrawCause::AnsweredElsewhere;
                self.fact(context, CallFact::OfferWithdrawn { offer, cause });
            }
        }
    }

    /// RFC 3891: the leg of the party at `at` is replaced: by another phone of theirs, or by somebody else.
    fn replace_party(&mut self, context: &mut Context<'_>, at: usize, mover: Mover) {
        let PartyState::Talking(old) = self.parties[at].state else {
            return self.send_away(context, mover);
        };
        let party = &self.parties[at];
        let agent = party.agent();
        let same = party.target == mover.who.target || (agent.is_some() && agent == mover.who.agent.as_ref());
        if same {
            return self.change_leg(context, at, old, mover);
        }
        let (by, to) = (Some(party.label.clone()), mover.who.label.clone());
        self.fact(context, CallFact::TransferBegan { kind: TransferKind::Attended, by, to });
        let Stage::Talking(talk) = std::mem::replace(&mut self.stage, Stage::InFlow) else {
            return self.send_away(context, mover);
        };
        self.end_talk(context, &talk, (HungUpBy::Agent, Termination::Transferred), Then::GoesOn);
        if let Some(at) = self.parties.iter().position(|party| party.offer == talk.offer) {
            self.drop_party(context, at, None);
        }
        let offer = self.adopt(context, mover, None, "取代 / took the place by Replaces");
        self.fact(context, CallFact::TransferEnded { outcome: TransferOutcome::Done });
        self.talk_with(context, offer);
        self.mark_transferred(context);
    }

    /// The same party goes on at another phone.
    fn change_leg(&mut self, context: &mut Context<'_>, at: usize, old: LegId, mover: Mover) {
        self.hold_ends_with(context, old);
        let Mover { leg, who, ticket, measured } = mover;
        let new = leg.id;
        if measured == Measured::NotYet {
            self.measured.push(new);
        }
        let party = &mut self.parties[at];
        let before = party.take_ticket();
        party.set_ticket(ticket);
        party.state = PartyState::Talking(new);
        party.legs.push(leg);
        if let Some(ticket) = before {
            context.admission.lock().release(ticket);
        }
        self.hang_up_leg(context, at, old, None);
        if let Stage::Talking(talk) = &mut self.stage {
            talk.leg = new;
        }
        if let Some(recording) = self.recording {
            context.media(Command::MarkRecording { recording, mark: Mark::PartyLeft(old) });
            let mark = self.joins_as(new);
            context.media(Command::MarkRecording { recording, mark });
        }
        self.leg_replaced(context, old, new, who.label);
    }

    /// RFC 3891: somebody takes the caller's place.
    fn replace_caller(&mut self, context: &mut Context<'_>, mover: Mover) {
        let Some(old) = self.caller.as_ref().map(|caller| caller.id) else {
            return self.send_away(context, mover);
        };
        self.hold_ends_with(context, old);
        let Mover { leg, who, ticket, measured } = mover;
        let new = leg.id;
        if measured == Measured::NotYet {
            self.measured.push(new);
        }
        self.tickets.extend(ticket);
        self.facts.calling_agent = who.agent;
        self.facts.calling_phone = match who.target {
            DialTarget::Phone(aor) => Some(aor),
            DialTarget::Trunk { .. } | DialTarget::Uri(_) => None,
        };
        if let Some(mut caller) = self.caller.replace(leg) {
            caller.session.hang_up(context.now, context.endpoint, None, 480);
            context.media(Command::ClosePort { port: old });
            self.closing.push(caller);
        }
        if let Some(recording) = self.recording {
            context.media(Command::MarkRecording { recording, mark: Mark::CallerBecame(new) });
        }
        self.leg_replaced(context, old, new, who.label);
    }

    fn leg_replaced(&mut self, context: &mut Context<'_>, old: LegId, new: LegId, party: Arc<str>) {
        self.fact(context, CallFact::LegReplaced { old, new, party });
        context.media(Command::Watch { port: new, rtp_timeout: self.settings.plan.rtp_timeout });
        self.play_hold_music(context);
        self.connect(context);
        self.on_media_changed(context, new);
    }
}
