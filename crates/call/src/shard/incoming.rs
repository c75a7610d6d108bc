//! Owns the birth of a call: who sent the INVITE, whether there is room, and the refusals. Does not own what phones dial
//! (see `phone`).

mod phone;

use std::sync::Arc;

use clock::Instant;
use media::command::{Command, Peer};
use model::event::{CallFact, Direction, Event};
use model::outcome::{CallResult, HungUpBy, Termination};
use model::{AgentId, CallId, LegId, TenantId};
use routing::{
    Claim, Facts, Holder, Hours, Number, RecordPolicy, Refusal, Reliable, Source, Ticket, Tie, Trunk,
    WhenDiskFull,
};
use sip::endpoint::Flow;
use sip::headers::Replaces;
use sip::session::{Outgoing, Reach, Session};
use sip::transaction::ServerTx;
use sip::{HeaderName, Request};

use super::{Intake, Shard, Slot, handover, trunks};
use crate::call::{Arrival, Birth, Call, CallFacts, CallPlan, CallerIs, Originated};
use crate::context::{Place, Route};
use crate::identity::{self, Caller};
use crate::leg::MediaTerms;
use crate::{Output, destination, dialled};

/// Who sent a request.
#[derive(Debug)]
pub(super) enum Known {
    Phone,
    Trunk(Arc<Trunk>),
    Unknown,
}

/// A call about to be born.
pub(super) struct Newcomer<'a> {
    pub id: CallId,
    leg: LegId,
    flow: Flow,
    request: &'a Request,
    pub tenant: TenantId,
    facts: CallFacts,
}

/// Why there will be no call.
pub(super) struct Refused {
    pub status: u16,
    pub result: CallResult,
    pub retry_after: Option<u64>,
    /// In words, for whom it may be told (Chinese, then English).
    pub why: Option<Arc<str>>,
}

impl Refused {
    pub(super) fn with(status: u16, result: CallResult) -> Refused {
        Refused { status, result, retry_after: None, why: None }
    }

    pub(super) fn because(status: u16, result: CallResult, why: impl ToString) -> Refused {
        Refused { why: Some(Arc::from(why.to_string())), ..Refused::with(status, result) }
    }
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Refused {
        let retry_after = refusal.retry_after.map(|length| length.as_secs().max(1));
        Refused { retry_after, ..Refused::with(refusal.status, CallResult::Limit) }
    }
}

/// What a newcomer is given.
struct Welcome {
    plan: CallPlan,
    media: MediaTerms,
    peer: Peer,
    reliable: Reliable,
    ticket: Ticket,
    /// The agent who calls, and so cannot take a queue's call meanwhile.
    occupies: Option<AgentId>,
}

impl Welcome {
    fn reach(&self) -> Reach {
        match self.peer {
            Peer::Phone { .. } => Reach::Source,
            Peer::Trunk { .. } => Reach::Target,
        }
    }
}

impl Shard {
    pub(super) fn source_of(&self, flow: Flow, request: &Request, caller: &Caller) -> Known {
        let user = request.uri.user().unwrap_or_default();
        let credentials = [HeaderName::Authorization, HeaderName::ProxyAuthorization];
        let tie = if credentials.iter().any(|name| request.headers.has(*name)) {
            Tie::Credentials
        } else {
            Tie::None
        };
        let peer = flow.connection.and_then(|connection| self.peers.get(&connection));
        let claimed = trunks::claimed_user(request);
        let facts = Facts {
            source: flow.remote.ip(),
            interface: flow.interface,
            from_user: &caller.user(),
            from_host: caller.host(),
            request_user: &user,
            tie,
            claim: Claim {
                line: request.uri.param("line"),
                tls_names: peer.map(|names| &**names).unwrap_or_default(),
                user: claimed.as_deref(),
            },
        };
        match self.router.identify(&facts) {
            Source::Phone(_) => Known::Phone,
            Source::Trunk(trunk) => Known::Trunk(trunk.clone()),
            Source::Unknown => {
                let source = (flow.remote.ip(), flow.interface);
                self.trunk_by_target(source, request).map_or(Known::Unknown, Known::Trunk)
            }
        }
    }

    pub(super) fn on_invite(&mut self, now: Instant, tx: ServerTx, flow: Flow, request: &Request) {
        let caller = identity::caller(request);
        match self.source_of(flow, request, &caller) {
            Known::Trunk(trunk) => {
                if trunk.access.challenge.is_some()
                    && let Err(challenge) = self.prove_trunk(now, request, Some(&trunk))
                {
                    return self.refuse(now, tx, flow, *challenge);
                }
                if !self.is_trunk(flow) {
                    // It has shown what only that carrier knows: from here on its flow is no stranger's.
                    self.logged_in(now, flow);
                }
                self.on_trunk_invite(now, tx, (flow, request), &trunk, caller);
            }
            // Whoever is no trunk is asked who they are, whoever they say they are.
            Known::Phone | Known::Unknown => match self.authenticate(now, flow, request) {
                Ok(phone) => self.on_phone_invite(now, tx, flow, request, &phone),
                Err(challenge) => self.refuse(now, tx, flow, *challenge),
            },
        }
    }

    /// A carrier's call to a hotline number.
    fn on_trunk_invite(
        &mut self,
        now: Instant,
        tx: ServerTx,
        (flow, request): (Flow, &Request),
        trunk: &Trunk,
        caller: Caller,
    ) {
        let (newcomer, caller, number) = self.trunk_newcomer(flow, request, trunk, caller);
        self.began(&newcomer, &caller);
        match self.welcome_from_trunk(now, trunk, number.as_ref(), &newcomer) {
            Ok(welcome) => self.born(now, tx, newcomer, welcome),
            Err(refused) => self.refused(now, tx, &newcomer, &refused),
        }
    }

    /// What is known of a carrier's call before it is a call.
    pub(super) fn trunk_newcomer<'a>(
        &mut self,
        flow: Flow,
        request: &'a Request,
        trunk: &Trunk,
        caller: Caller,
    ) -> (Newcomer<'a>, Caller, Option<Number>) {
        let (caller, withheld) = identity::caller_of_trunk(caller, request, trunk);
        let dialled = identity::called(request, trunk);
        let number = dialled.iter().find_map(|called| self.router.number_of(called)).cloned();
        let shown = dialled::normalised(&caller.raw, trunk.numbers.home_area.as_deref());
        let newborn = Newborn {
            tenant: number.as_ref().map(|number| number.number.tenant.clone()).unwrap_or_default(),
            direction: Direction::In,
            trunk: Some(trunk.name.clone()),
            number: number.as_ref().map(|number| number.number.clone()),
            caller: shown,
            withheld,
            called: dialled.first().map(String::as_str).unwrap_or_default(),
            holder: Holder::Trunk(trunk.name.clone()),
        };
        (self.newcomer(flow, request, newborn), caller, number)
    }

    fn welcome_from_trunk(
        &mut self,
        now: Instant,
        trunk: &Trunk,
        number: Option<&Number>,
        newcomer: &Newcomer<'_>,
    ) -> Result<Welcome, Refused> {
        let takes = self.replaces(newcomer)?;
        let mut ticket = self.admit(now, Some(trunk))?;
        let plan = match takes {
            Some(place) => Ok(CallPlan::taking(&newcomer.tenant, place)),
            None => self.plan_of(now, number, newcomer, &mut ticket),
        };
        match plan {
            Ok(plan) => Ok(Welcome {
                plan,
                media: MediaTerms::of(&trunk.media),
                peer: Peer::Trunk { media_from: destination::media_from(trunk) },
                reliable: trunk.reliable,
                ticket,
                occupies: None,
            }),
            Err(refused) => {
                self.node.admission.lock().release(ticket);
                Err(refused)
            }
        }
    }

    /// RFC 3891 §3: an INVITE that wants another call's place goes to that call, which decides.
    fn replaces(&mut self, newcomer: &Newcomer<'_>) -> Result<Option<Place>, Refused> {
        let replaces = Replaces::of(newcomer.request).map_err(|_| Refused::with(400, CallResult::Failure))?;
        let Some(replaces) = replaces else { return Ok(None) };
        let unknown = Refused::with(481, CallResult::Failure);
        let Some((call, leg)) = self.index.by_dialog(replaces.dialog_key().parts()) else {
            return Err(unknown);
        };
        match self.calls.get_mut(&call) {
            Some(slot) if slot.call.tenant == newcomer.tenant => {
                let verdict = slot.call.on_replace_asked(leg, &replaces);
                let of = verdict.map_err(|status| Refused::with(status, CallResult::Failure))?;
                Ok(Some(Place { call, of }))
            }
            _ => Err(unknown),
        }
    }

    /// The node's own limits: 503, which tells the carrier to try elsewhere.
    pub(super) fn admit(&mut self, now: Instant, trunk: Option<&Trunk>) -> Result<Ticket, Refused> {
        if self.intake == Intake::Closed {
            let retry_after = Some(SECONDS_TO_LEAVE_ALONE);
            return Err(Refused { retry_after, ..Refused::with(503, CallResult::Limit) });
        }
        Ok(self.node.admission.lock().admit(now, &self.settings.plan.limits, trunk)?)
    }

    /// The number's flow and its own limit: 486, since a 503 would take the whole trunk out of service.
    fn plan_of(
        &mut self,
        now: Instant,
        number: Option<&Number>,
        newcomer: &Newcomer<'_>,
        ticket: &mut Ticket,
    ) -> Result<CallPlan, Refused> {
        let number = number.ok_or(Refused::with(404, CallResult::Failure))?;
        let fact = CallFact::Routed { number: number.number.clone() };
        self.out.push_back(call_event(&newcomer.tenant, newcomer.id, fact));
        // A 503 is what tells the carrier to try the number's other place.
        let unkept = number.record != RecordPolicy::Off && !self.disk.keeps_recordings();
        if unkept && number.when_disk_full == WhenDiskFull::Refuse {
            return Err(Refused { retry_after: Some(30), ..Refused::with(503, CallResult::Limit) });
        }
        self.node.admission.lock().admit_to(ticket, number)?;
        // R40: out of hours a flow answers all the same.
        let night = number.night_flow.as_ref().and_then(|flow| Some((flow, self.closed(now, number)?)));
        let flow = self.settings.flows.get(night.as_ref().map_or(&number.flow, |(flow, _)| flow)).cloned();
        let flow = flow.ok_or(Refused::with(500, CallResult::Failure))?;
        let otherwise = night.is_some().then_some(CallResult::Closed);
        if let Some((_, fact)) = night {
            self.out.push_back(call_event(&newcomer.tenant, newcomer.id, fact));
        }
        let (answer, record) = (number.answer, number.record);
        Ok(CallPlan { answer, record, otherwise, ..CallPlan::through(flow) })
    }

    /// Why `number` is closed, if it is.
    fn closed(&self, now: Instant, number: &Number) -> Option<CallFact> {
        let switch = self.node.night.lock().of(&number.number).cloned();
        let turned = switch.map(|switch| CallFact::WentToNight { by: switch.by, since: switch.since });
        let minute_of_week = Hours::minute_of_week(self.anchor.wall(now), self.utc_offset);
        turned.or_else(|| (!number.is_open(minute_of_week)).then_some(CallFact::OutOfHours))
    }

    fn newcomer<'a>(&mut self, flow: Flow, request: &'a Request, newborn: Newborn<'_>) -> Newcomer<'a> {
        let facts = CallFacts {
            direction: newborn.direction,
            trunk: newborn.trunk,
            number: newborn.number,
            caller: newborn.caller,
            withheld: newborn.withheld,
            called: Arc::from(newborn.called),
            holder: newborn.holder,
            calling_agent: None,
            calling_phone: None,
            shows: None,
            caller_is: CallerIs::Customer,
            originated: Originated::No,
            hops: hops_left(request),
        };
        let (id, leg) = (self.ids.mint(), self.ids.mint());
        Newcomer { id, leg, flow, request, tenant: newborn.tenant, facts }
    }

    pub(super) fn began(&mut self, newcomer: &Newcomer<'_>, caller: &Caller) {
        let facts = &newcomer.facts;
        let sip_call_id: Arc<str> = Arc::from(newcomer.request.headers.call_id().unwrap_or_default());
        self.out.push_back(Output::LegNamed {
            tenant: newcomer.tenant.clone(),
            call: newcomer.id,
            sip_call_id: sip_call_id.clone(),
        });
        let fact = CallFact::Began {
            direction: facts.direction,
            trunk: facts.trunk.clone(),
            source: newcomer.flow.remote,
            caller: facts.caller.clone(),
            caller_raw: caller.raw.clone(),
            called: facts.called.clone(),
            sip_call_id,
            leg: newcomer.leg,
        };
        self.out.push_back(call_event(&newcomer.tenant, newcomer.id, fact));
    }

    fn refused(&mut self, now: Instant, tx: ServerTx, newcomer: &Newcomer<'_>, refused: &Refused) {
        let retry_after = refused.retry_after.map(|secs| secs.to_string());
        let reason = refused.why.as_ref().map(|why| reason(refused.status, why));
        let retry_after = retry_after.iter().map(|secs| (HeaderName::RetryAfter, secs.as_str()));
        let reasons = reason.iter().map(|reason| (HeaderName::Reason, reason.as_str()));
        let headers: Vec<_> = retry_after.chain(reasons).collect();
        self.answer(now, tx, newcomer.request, refused.status, &headers);
        if let Some(why) = &refused.why {
            let fact = CallFact::ReasonGiven { by: HungUpBy::Switch, reason: why.clone() };
            self.out.push_back(call_event(&newcomer.tenant, newcomer.id, fact));
        }
        self.ended(newcomer, refused.status, refused.result);
    }

    pub(super) fn ended(&mut self, newcomer: &Newcomer<'_>, status: u16, result: CallResult) {
        let cause = Termination::Refused(status);
        let fact = CallFact::Ended { result, by: HungUpBy::Switch, cause };
        self.out.push_back(call_event(&newcomer.tenant, newcomer.id, fact));
    }

    /// The call exists; its caller's port is asked for.
    fn born(&mut self, now: Instant, tx: ServerTx, mut newcomer: Newcomer<'_>, welcome: Welcome) {
        let (id, leg, flow) = (newcomer.id, newcomer.leg, newcomer.flow);
        let (reach, reliable) = (welcome.reach(), welcome.reliable);
        let local = destination::local(&self.settings, &flow, &newcomer.facts.called, reach, reliable);
        let tag = self.endpoint.mint_tag();
        let session = Session::incoming(now, tx, flow, newcomer.request, local, tag).map(Box::new);
        let session = match session {
            Ok(session) => session,
            Err(rejection) => {
                self.node.admission.lock().release(welcome.ticket);
                let tag = self.endpoint.mint_tag();
                self.endpoint.respond(now, tx, rejection.response(newcomer.request, &tag));
                return self.ended(&newcomer, rejection.status, CallResult::Failure);
            }
        };
        newcomer.facts.calling_agent = welcome.occupies.clone();
        if let Some(agent) = welcome.occupies {
            let fact = CallFact::CallerIs { agent };
            self.out.push_back(call_event(&newcomer.tenant, id, fact));
        }
        let dialog = Route::dialog(self.index.hashing(), &session, leg);
        let arrival = Arrival { leg, offer: session.offered(), session, media: welcome.media };
        let birth = Birth {
            began: now,
            id,
            tenant: newcomer.tenant,
            settings: self.settings.clone(),
            facts: newcomer.facts,
            plan: welcome.plan,
        };
        let call = Call::arriving(birth, arrival);
        self.calls.insert(id, Slot::new(call, welcome.ticket));
        let routes = [dialog, Route::Invite(tx, leg)];
        handover::take_routes(&self.node.whereabouts, &mut self.index, id, &routes);
        let command =
            Command::OpenPort { room: id, port: leg, interface: flow.interface, peer: welcome.peer };
        self.out.push_back(Output::Media(command));
        self.with_call(now, id, |call, context| call.settle(context));
    }
}

/// For how many seconds a switch that ends is to be left alone.
pub(super) const SECONDS_TO_LEAVE_ALONE: u64 = 30;

/// What is known of a call before it is born.
struct Newborn<'a> {
    tenant: TenantId,
    direction: Direction,
    trunk: Option<model::TrunkName>,
    number: Option<model::HotlineNumber>,
    caller: Arc<str>,
    withheld: Option<Arc<str>>,
    called: &'a str,
    holder: Holder,
}

/// The value of a Reason header (RFC 3326) that says in words why a status is sent.
pub(crate) fn reason(status: u16, why: &str) -> String {
    format!("SIP;cause={status};text=\"{}\"", why.replace(['"', '\\', '\r', '\n'], " "))
}

pub(super) fn call_event(tenant: &TenantId, call: CallId, fact: CallFact) -> Output {
    Output::Event(Event::Call { tenant: tenant.clone(), call, fact })
}

/// How many hops the calls out of an INVITE's call may take: one fewer than it has left, and never more than a request of
/// ours begins with.
fn hops_left(invite: &Request) -> u8 {
    let left = invite.headers.max_forwards().ok().flatten();
    left.map_or(Outgoing::HOPS, |left| left.min(Outgoing::HOPS)).saturating_sub(1)
}
