//! Owns how two calls become one (咨询转 by REFER with Replaces): what the one gives away and the other takes. Does not own
//! which of the two goes on (see `Shard`).

use std::sync::Arc;

use model::event::{CallFact, Direction, TransferKind};
use model::outcome::{HungUpBy, Termination, WithdrawCause};
use model::{CallId, LegId, OfferId};

use super::moving::{Measured, Mover, Who};
use super::talk::Then;
use super::transfer::Phase;
use super::{AimAt, Asked, Call, Stage};
use crate::context::Context;
use crate::party::{AskedBy, Party, PartyState};

/// Whom a call gives to another.
#[derive(Debug)]
pub(crate) enum Departed {
    /// One who talks.
    Talking(Box<Mover>),
    /// One who rings, with the ports whose figures have yet to come.
    Ringing(Box<Party>, Vec<LegId>),
    /// Nobody yet: where the one who consulted waits.
    To(AimAt),
}

/// A call that may become one with another.
#[derive(Clone, Debug)]
pub(crate) struct Candidate {
    pub direction: Direction,
    pub began: clock::Instant,
    /// Who has the leg that both calls share.
    pub who: Who,
    /// Whether that leg talks, so that the other side can be sent elsewhere.
    pub talks: bool,
    /// Whom or what it talks with or waits for, as people write it.
    pub label: Arc<str>,
}

impl Call {
    /// What must be known of a call whose `leg` stands in two calls that are to become one.
    pub fn candidate(&self, leg: LegId) -> Option<Candidate> {
        let (who, label) = if self.is_caller(leg) {
            (self.who_calls(), self.facts.called.clone())
        } else {
            let party = &self.parties[self.party_of(leg)?];
            let agent = party.agent().cloned();
            let who = Who { label: party.label.clone(), target: party.target.clone(), agent };
            (who, self.facts.caller.clone())
        };
        let talks = self.may_transfer(leg).is_ok();
        let departs = talks || (self.is_caller(leg) && self.transfer.is_none() && !self.is_over());
        let (direction, began) = (self.facts.direction, self.began);
        departs.then_some(Candidate { direction, began, who, talks, label })
    }

    /// Accepts the REFER, and tells at once that what it asks for is done.
    pub fn refer_is_done(&mut self, context: &mut Context<'_>, leg: LegId, tx: sip::transaction::ServerTx) {
        self.accept_refer(context, leg, tx);
        if let Some(known) = self.legs_mut().find(|known| known.id == leg) {
            known.session.notify_refer(context.now, context.endpoint, 200);
        }
        self.settle(context);
    }

    /// Gives away whom `leg` talks with or waits for, to the call `into`, and ends.
    pub fn part_with(&mut self, context: &mut Context<'_>, leg: LegId, into: CallId) -> Option<Departed> {
        let (by, departed) = if self.is_caller(leg) {
            (HungUpBy::Caller, self.party_departs(context, into))
        } else {
            (HungUpBy::Agent, self.caller_departs(context, into))
        };
        self.fact(context, CallFact::WentInto { call: into });
        let answered = self.so_far.talked;
        let result = (!answered).then_some(model::outcome::CallResult::SelfServed);
        self.release(context, by, Termination::Transferred, result);
        self.settle(context);
        departed
    }

    fn party_departs(&mut self, context: &mut Context<'_>, into: CallId) -> Option<Departed> {
        match &self.stage {
            Stage::Talking(talk) => {
                let offer = talk.offer;
                let Stage::Talking(talk) = std::mem::replace(&mut self.stage, Stage::InFlow) else {
                    return None;
                };
                let agent = self.parties.iter().find(|p| p.offer == offer)?.agent().cloned();
                self.end_talk(context, &talk, (HungUpBy::Caller, Termination::Transferred), Then::Ends);
                let at = self.parties.iter().position(|party| party.offer == offer)?;
                let mut party = self.parties.remove(at);
                let PartyState::Talking(leg) = party.state else { return None };
                let place = party.legs.iter().position(|known| known.id == leg)?;
                let who = Who { label: party.label.clone(), target: party.target.clone(), agent };
                let leg = party.legs.swap_remove(place);
                let mut mover = self.moving(context, leg, who, into);
                mover.ticket = party.take_ticket();
                Some(Departed::Talking(Box::new(mover)))
            }
            Stage::Dialling { waiting, .. } if waiting.is_empty() && self.rings_one() => {
                let mut party = self.parties.remove(0);
                let (offer, cause) = (party.offer, WithdrawCause::CallerGone);
                self.fact(context, CallFact::OfferWithdrawn { offer, cause });
                party.legs.iter().for_each(|leg| self.lead_into(context, leg, into));
                let legs: Vec<LegId> = party.legs.iter().map(|leg| leg.id).collect();
                let (moved, kept): (Vec<LegId>, Vec<LegId>) =
                    self.measured.drain(..).partition(|port| legs.contains(port));
                self.measured = kept.into();
                party.answered_as = 0;
                Some(Departed::Ringing(Box::new(party), moved))
            }
            Stage::Queued { queue, .. } => {
                let priority = self.waited.as_ref().map_or(0, |waited| waited.priority);
                Some(Departed::To(AimAt::Queue { queue: queue.clone(), priority }))
            }
            Stage::InFlow
            | Stage::Dialling { .. }
            | Stage::Leaving(_)
            | Stage::Listening(_)
            | Stage::Conferring { .. } => Some(Departed::To(AimAt::Flow(self.plan.flow.clone()))),
            Stage::Arriving(_)
            | Stage::Originating
            | Stage::Over
            | Stage::Summoning(_)
            | Stage::Visiting { .. } => None,
        }
    }

    /// Whether one phone rings, and nothing of it waits for a name or a port.
    fn rings_one(&self) -> bool {
        let rings = |party: &Party| matches!(party.state, PartyState::Calling | PartyState::Ringing);
        matches!(&self.parties[..], [party] if rings(party) && party.pending.is_empty() && !party.legs.is_empty())
    }

    fn caller_departs(&mut self, context: &mut Context<'_>, into: CallId) -> Option<Departed> {
        let who = self.who_calls();
        let Stage::Talking(talk) = std::mem::replace(&mut self.stage, Stage::InFlow) else { return None };
        self.end_talk(context, &talk, (HungUpBy::Agent, Termination::Transferred), Then::Ends);
        let caller = self.caller.take()?;
        Some(Departed::Talking(Box::new(self.moving(context, caller, who, into))))
    }

    /// The other side of `leg` has whom the other call gave away, and `leg` leaves.
    pub fn take_from(&mut self, context: &mut Context<'_>, leg: LegId, departed: Departed, label: Arc<str>) {
        let asked = Asked { leg, tx: None, kind: TransferKind::Attended };
        self.stop_asking(context);
        self.begin_transfer(context, &asked, label);
        self.transferor_leaves(context, Termination::Transferred);
        match departed {
            Departed::Talking(mover) => {
                let offer = self.adopt(context, *mover, None, "咨询转 / after a consultation");
                self.transfer_done(context, offer);
            }
            Departed::Ringing(party, measured) => self.take_ringing(context, *party, measured),
            Departed::To(AimAt::Queue { queue, priority }) => self.send_to_queue(context, queue, priority),
            Departed::To(AimAt::Flow(flow)) => self.send_to_flow(context, flow),
            // What rings is a party.
            Departed::To(AimAt::Phone { .. }) => {}
        }
        self.settle(context);
    }

    fn take_ringing(&mut self, context: &mut Context<'_>, mut party: Party, measured: Vec<LegId>) {
        let offer: OfferId = context.ids.mint();
        let agent = party.agent().cloned();
        let until = party.ring_until().unwrap_or(context.now);
        party.offer = offer;
        party.asked_by = AskedBy::Flow { until, agent: agent.clone() };
        let fact = CallFact::Offered {
            offer,
            entry: None,
            agent,
            party: party.label.clone(),
            reason: "咨询转 / after a consultation".into(),
        };
        self.fact(context, fact);
        if party.state == PartyState::Ringing {
            self.fact(context, CallFact::Ringing { offer });
        }
        self.measured.extend(measured);
        self.parties.push(party);
        let rings = self.play_ringback(context);
        if let Stage::Dialling { tone, .. } = &mut self.stage {
            *tone = rings;
        }
        if let Some(transfer) = &mut self.transfer {
            transfer.phase = Phase::Alone { offer };
        }
    }

    /// What of a leg that another call gave away nobody takes.
    pub fn send_departed_away(&mut self, context: &mut Context<'_>, departed: Departed) {
        match departed {
            Departed::Talking(mover) => self.send_away(context, *mover),
            Departed::Ringing(mut party, measured) => {
                self.measured.extend(measured);
                let ticket = party.take_ticket();
                for leg in party.legs.drain(..) {
                    let who = Who { label: party.label.clone(), target: party.target.clone(), agent: None };
                    let measured = Measured::Already;
                    self.send_away(context, Mover { leg, who, ticket: None, measured });
                }
                if let Some(ticket) = ticket {
                    context.admission.lock().release(ticket);
                }
            }
            Departed::To(_) => {}
        }
        self.settle(context);
    }
}
