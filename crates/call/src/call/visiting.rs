//! Owns a supervisor's own call while it visits another: its port is in the other's room, its keys ask the other for
//! what a supervisor may do. Does not own what becomes of that (see `guests`).

use std::time::Duration;

use media::command::{Command, PlayMode};
use model::event::CallFact;
use model::outcome::{CallResult, HungUpBy, Termination};
use model::say::{Key, SayItem, Tone};
use model::supervision::Verb;
use model::{CallId, DialTarget, LegId, OfferId};

use super::{Birth, Call, Playing, Stage};
use crate::context::{Context, Place, PlaceOf, Route, Wish};
use crate::party::AskedBy;
use crate::visit::{Guest, Visit, Word};

/// How long a supervisor's phone rings.
const SUMMONS_RINGS: Duration = Duration::from_secs(30);

impl Call {
    /// A call that the switch makes to a supervisor's phone; [`Call::summon`] rings it.
    pub fn summoning(birth: Birth, visit: Visit) -> Call {
        let by = visit.by.clone();
        let mut call = Call { session: None, ..Call::born(birth, Stage::Summoning(visit)) };
        call.facts.calling_agent = Some(by);
        call
    }

    /// Rings the supervisor's phone.
    pub fn summon(&mut self, context: &mut Context<'_>, target: DialTarget) {
        let Stage::Summoning(visit) = &self.stage else { return };
        let (offer, party): (OfferId, _) = (context.ids.mint(), visit.by.name.clone());
        let (entry, reason) = (None, "监听 / supervision".into());
        let fact = CallFact::Offered { offer, entry, agent: None, party: party.clone(), reason };
        self.fact(context, fact);
        let asked_by = AskedBy::Flow { until: context.now + SUMMONS_RINGS, agent: None };
        self.call_party(context, offer, asked_by, party, target);
        self.settle(context);
    }

    /// The supervisor answered: from here on that leg is the caller's.
    pub(super) fn summoned(&mut self, context: &mut Context<'_>, at: usize) {
        let Stage::Summoning(visit) = std::mem::replace(&mut self.stage, Stage::InFlow) else { return };
        let mut party = self.parties.remove(at);
        self.tickets.extend(party.take_ticket());
        let Some(leg) = party.legs.pop() else { return };
        let (offer, leg_id) = (party.offer, leg.id);
        // From here on it is the supervisor's call, whom the phone showed the customer's number.
        self.facts.caller = party.label.clone();
        if let DialTarget::Phone(aor) = &party.target {
            self.facts.calling_phone = Some(aor.clone());
        }
        self.caller = Some(leg);
        self.fact(context, CallFact::AgentAnswered { offer, leg: leg_id });
        context.media(Command::Watch { port: leg_id, rtp_timeout: self.settings.plan.rtp_timeout });
        self.begin_visit(context, visit);
        if let Stage::Visiting { summoned, .. } = &mut self.stage {
            *summoned = Some(offer);
        }
    }

    /// The supervisor's phone did not answer.
    pub(super) fn summons_failed(&mut self, context: &mut Context<'_>) {
        if matches!(self.stage, Stage::Summoning(_)) {
            let result = Some(CallResult::RingNoAnswer);
            self.release(context, HungUpBy::Switch, Termination::Commanded, result);
        }
    }

    /// The caller can hear and be heard: into the other call.
    pub(super) fn begin_visit(&mut self, context: &mut Context<'_>, visit: Visit) {
        let Some(leg) = self.caller.as_ref().map(|caller| caller.id) else { return };
        let Visit { host, by, verb, beside } = visit;
        self.session = None;
        self.stage = Stage::Visiting { host, summoned: None };
        context.media(Command::MovePort { port: leg, room: host });
        context.routes.push(Route::Visits(leg));
        self.fact(context, CallFact::Visited { call: host });
        let first = if matches!(verb, Verb::Take | Verb::Hangup) { Verb::Listen } else { verb };
        let guest = Guest { visit: self.id, leg, by, verb: first, beside };
        context.tell(host, Word::GuestCame(guest));
        if verb != first {
            context.tell(host, Word::GuestWants { visit: self.id, verb });
        }
    }

    /// A key of a supervisor.
    pub(super) fn on_supervisors_key(&mut self, context: &mut Context<'_>, key: Key) {
        let Stage::Visiting { host, .. } = self.stage else { return };
        if let Some(verb) = self.settings.plan.supervision.keys.verb(key) {
            context.tell(host, Word::GuestWants { visit: self.id, verb });
        }
    }

    /// The visit is over, whoever ended it.
    pub(super) fn leave_host(
        &self,
        context: &mut Context<'_>,
        (host, summoned): (CallId, Option<OfferId>),
        (by, cause): (HungUpBy, Termination),
    ) {
        if let Some(offer) = summoned {
            let by = if by == HungUpBy::Caller { HungUpBy::Agent } else { by };
            self.fact(context, CallFact::AgentLeft { offer, by, cause });
        }
        context.tell(host, Word::GuestLeft { visit: self.id });
        // It is in the other call's room, which does not end with ours.
        if let Some(port) = self.caller.as_ref().map(|caller| caller.id) {
            context.media(Command::ClosePort { port });
        }
    }

    /// The conversation that was supervised is over.
    pub(super) fn host_gone(&mut self, context: &mut Context<'_>) {
        if matches!(self.stage, Stage::Visiting { .. }) {
            self.release(context, HungUpBy::Switch, Termination::Normal, None);
        }
    }

    /// The place that the supervisor asked for is this leg's: the visit goes over to it, and ends.
    pub(super) fn place_given(&mut self, context: &mut Context<'_>, of: LegId) {
        if let Stage::Visiting { host, .. } = self.stage {
            context.wishes.push(Wish::TakePlace(Place { call: host, of: PlaceOf::Leg(of) }));
        }
    }

    /// The supervisor has no such right: a tone says so.
    pub(super) fn denied(&mut self, context: &mut Context<'_>) {
        if matches!(self.stage, Stage::Visiting { .. }) {
            let items = vec![SayItem::Tone(Tone::Busy)];
            self.play_to_caller(context, Playing::Background, items, PlayMode::Once);
        }
    }
}
