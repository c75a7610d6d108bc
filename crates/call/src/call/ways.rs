//! Owns trying one way after the other to whom is called: trunks, or the addresses that a name led to. Does not own
//! their order (see `routing::TrunkStates`, `sip::resolve`) nor the INVITE (see `destination`).

use std::sync::Arc;
use std::time::Duration;

use model::event::CallFact;
use model::outcome::RefusalCause;
use model::{DialTarget, LegId, OfferId};
use routing::{CallOut, Ticket, Trunk, TrunkChange, WayOut};

use super::Call;
use crate::Output;
use crate::context::Context;
use crate::destination::{self, Destination};
use crate::party::{Attempt, PartyState, Way};

impl Call {
    /// Begins with the first of the ways to a number.
    pub(super) fn call_by_trunk(&mut self, context: &mut Context<'_>, offer: OfferId) {
        let Some(at) = self.parties.iter().position(|party| party.offer == offer) else { return };
        let DialTarget::Trunk { trunk, .. } = &self.parties[at].target else { return };
        let Context { endpoint, trunks, now, .. } = context;
        let dice = |below| endpoint.random_below(below);
        let out = trunks.ways_out(&self.settings.plan, trunk, *now, dice);
        self.parties[at].ways = out.ways.into_iter().map(Way::Trunk).collect();
        for (trunk, why) in out.passed_over {
            let why = Arc::from(why.words());
            self.fact(context, CallFact::WayFailed { offer, trunk, to: None, status: None, why });
        }
        self.next_way(context, offer);
        self.refuse_if_exhausted(context, offer);
    }

    /// Calls by the next way, while nothing else of the party may still answer.
    pub(super) fn next_way(&mut self, context: &mut Context<'_>, offer: OfferId) {
        let Some(at) = self.parties.iter().position(|party| party.offer == offer) else { return };
        if !(self.parties[at].legs.is_empty() && self.parties[at].pending.is_empty()) {
            return;
        }
        while let Some(way) = self.parties[at].ways.pop_front() {
            let tried = match way {
                Way::Trunk(way) => self.try_trunk(context, at, &way),
                Way::Address(destination) => {
                    self.try_address(context, at, *destination);
                    true
                }
            };
            if tried {
                return;
            }
        }
        self.parties[at].attempt = None;
    }

    /// Calls one of the addresses of a name. RFC 3263 §4.3 waits for Timer F before the next; a caller does not.
    fn try_address(&mut self, context: &mut Context<'_>, at: usize, destination: Destination) {
        let offer = self.parties[at].offer;
        let leg: LegId = context.ids.mint();
        let quiet_until = Some(context.now + SILENT_ADDRESS);
        self.parties[at].attempt = Some(Attempt { leg, trunk: None, quiet_until });
        self.open_port_for(context, offer, leg, destination);
    }

    /// Whether the call goes out by the trunk of `way`.
    fn try_trunk(&mut self, context: &mut Context<'_>, at: usize, way: &WayOut) -> bool {
        let (offer, target) = (self.parties[at].offer, self.parties[at].target.clone());
        let DialTarget::Trunk { number, .. } = target else { return false };
        if let Some(ticket) = self.parties[at].take_ticket() {
            context.admission.lock().release(ticket);
        }
        match self.leg_out(context, offer, &way.trunk, &number) {
            Ok(ticket) => self.parties[at].set_ticket(Some(ticket)),
            Err((cause, status, why)) => {
                self.parties[at].note_refusal(cause, status);
                self.way_failed(context, offer, way, (status, why));
                return false;
            }
        }
        let binding = context.trunks.binding(&way.trunk.name);
        let Some(destination) = destination::through_trunk(way, &number, binding) else {
            let why = "号码无法写成对方的形式 / the number cannot be written for this trunk";
            self.way_failed(context, offer, way, (None, Arc::from(why)));
            return false;
        };
        let (trunk, to) = (way.trunk.name.clone(), way.to);
        self.fact(context, CallFact::WayTried { offer, trunk, to });
        let leg: LegId = context.ids.mint();
        let quiet_until = Some(context.now + way.trunk.way.no_response);
        self.parties[at].attempt = Some(Attempt { leg, trunk: Some(way.clone()), quiet_until });
        self.open_port_for(context, offer, leg, destination);
        true
    }

    /// What a call to `number` through a trunk counts for, if the trunk has room and the caller's class of service has
    /// the number.
    fn leg_out(
        &self,
        context: &mut Context<'_>,
        offer: OfferId,
        trunk: &Trunk,
        number: &str,
    ) -> Result<Ticket, (RefusalCause, Option<u16>, Arc<str>)> {
        let plan = &self.settings.plan;
        let party = self.parties.iter().find(|party| party.offer == offer);
        let holder = party.and_then(|party| party.holder.as_ref()).unwrap_or_else(|| self.holder_for(offer));
        let class = plan.class_of(holder);
        let destination = routing::Destination::of_number(number, trunk.numbers.home_area.as_deref());
        let minute_of_week = context.minute_of_week();
        let call = CallOut { holder, class: &class, destination: &destination, minute_of_week };
        let mut admission = context.admission.lock();
        let mut ticket = admission
            .admit_leg(context.now, trunk)
            .map_err(|refusal| (RefusalCause::Limit, None, Arc::from(refusal.cause.to_string())))?;
        if let Err(barred) = admission.admit_out(context.now, &mut ticket, &call) {
            admission.release(ticket);
            drop(admission);
            context.out.push_back(Output::Counted(barred.as_str()));
            // RFC 3261 §21.4.4: understood, and refused for good.
            return Err((RefusalCause::Barred, Some(403), Arc::from(barred.to_string())));
        }
        Ok(ticket)
    }

    /// The call was refused on one way: whether others are tried depends on why (RFC 3261 §21, RFC 3263 §4.3).
    pub(super) fn way_refused(
        &mut self,
        context: &mut Context<'_>,
        at: usize,
        leg: LegId,
        (status, retry_after): (u16, Option<Duration>),
    ) {
        let party = &mut self.parties[at];
        let Some(attempt) = party.attempt.take_if(|attempt| attempt.leg == leg) else { return };
        let of_the_way = match attempt.trunk {
            Some(_) => is_of_the_trunk(status),
            None => matches!(status, 408 | 503),
        };
        // A phone that rang has said what there was to say.
        if !(of_the_way && party.state == PartyState::Calling) {
            party.ways.clear();
        }
        let (offer, Some(way)) = (party.offer, attempt.trunk) else { return };
        if let Some(after) = retry_after.filter(|_| (500..600).contains(&status)) {
            let until = context.now + after.min(LONGEST_AVOIDED);
            context.trunk(&way.trunk.name, TrunkChange::Avoid(way.to, until));
        }
        let why = match status {
            408 => "没有应答 / no answer",
            500..=599 => "对方故障或过载 / the other side is broken or overloaded",
            _ => "对方拒绝 / refused",
        };
        self.way_failed(context, offer, &way, (Some(status), Arc::from(why)));
    }

    /// Ways on which nobody has said a word in time are left for the next; where there is no other they keep their time.
    pub(super) fn leave_silent_ways(&mut self, context: &mut Context<'_>) {
        let now = context.now;
        let is_due = |due: Option<clock::Instant>| due.is_some_and(|due| due <= now);
        let due = self.parties.iter().filter(|party| is_due(party.quiet_until()));
        let offers: Vec<OfferId> = due.map(|party| party.offer).collect();
        for offer in offers {
            let Some(at) = self.parties.iter().position(|party| party.offer == offer) else { continue };
            let party = &mut self.parties[at];
            let Some(attempt) = &mut party.attempt else { continue };
            attempt.quiet_until = None;
            let leg = attempt.leg;
            let session = party.legs.iter().find(|known| known.id == leg).map(|known| &known.session);
            let Some(session) = session else { continue };
            let heard = session.client_transactions().any(|tx| context.endpoint.has_heard(tx));
            if heard || party.ways.is_empty() {
                continue;
            }
            let Some(attempt) = party.attempt.take() else { continue };
            if let Some(way) = &attempt.trunk {
                let why = Arc::from("没有任何响应 / no response at all");
                self.way_failed(context, offer, way, (None, why));
            }
            self.hang_up_leg(context, at, leg, None);
            self.next_way(context, offer);
            self.refuse_if_exhausted(context, offer);
        }
    }

    fn way_failed(
        &self,
        context: &mut Context<'_>,
        offer: OfferId,
        way: &WayOut,
        (status, why): (Option<u16>, Arc<str>),
    ) {
        let (trunk, to) = (way.trunk.name.clone(), Some(way.to));
        self.fact(context, CallFact::WayFailed { offer, trunk, to, status, why });
    }
}

/// Whether a refusal speaks of the trunk rather than of whom it was to call. A 6xx speaks for everybody (§21.6).
fn is_of_the_trunk(status: u16) -> bool {
    matches!(status, 408 | 500..=599)
}

/// An address that has said nothing for so long is left for the next one of its name, as a trunk is by default.
const SILENT_ADDRESS: Duration = Duration::from_secs(6);

/// However long a carrier asks to be left alone, it is tried again after an hour.
const LONGEST_AVOIDED: Duration = Duration::from_secs(3_600);
