//! Owns one call: its caller, the parties it rings or talks with, and the stage it is in. Nothing else changes it.
//! Does not own transactions (see `Shard`) nor the choice of whom to call (see `acd`, `ivr`).
//!
//! ```text
//!            (1) port open                (3) Enqueue            (5) Left(Answered)
//!  Arriving ───────────────▶ InFlow ─────────────────▶ Queued ───────────────────────┐
//!                             │  ▲ ◀────────────────────┘ (4) Left(timed out, …)     ▼
//!                             │  │     (6) a phone answers                        Talking
//!                             │  └──────────────────── Dialling ─────────────────▶   │
//!                             │ (2) Dial ────────────────▲        (7) party left     │
//!                             │  ▲───────────────────────────────────────────────────┘
//!                             ▼ (8) release, from every stage, exactly once
//!                            Over
//! ```

mod acd_side;
mod arrive;
mod conferring;
mod consult;
mod divert;
mod early;
mod engaged;
mod escalation;
mod fax;
mod flow_side;
mod guests;
mod hearing;
mod hold;
mod joining;
mod media_side;
mod moving;
mod originate;
mod originated;
pub mod recording;
mod release;
mod seen;
mod talk;
mod terms;
mod transfer;
mod unanswered;
mod unheard;
mod visiting;
mod voicemail;
mod watched;
mod ways;

use std::collections::HashMap;
use std::sync::Arc;

use clock::{Instant, Machine};
use media::command::{Command, PlayMode, Voice};
use model::event::CallFact;
use model::outcome::{CallResult, HungUpBy};
use model::say::SayItem;
use model::{AgentId, CallId, EntryId, LegId, OfferId, PlayId, QueueName, RecordingId, TenantId};
use sip::session::SessionEvent;
use smallvec::SmallVec;

use crate::Settings;
use crate::context::Context;
use crate::leg::Leg;
use crate::party::{Party, PartyState};
use crate::visit::{Guest, Visit};

pub(crate) use engaged::ToldAgents;
pub(crate) use escalation::ESCALATE;
pub(crate) use joining::{Candidate, Departed};
pub(crate) use moving::Mover;
pub(crate) use terms::{CallFacts, CallPlan, CallerIs, Echo, Originated};
pub(crate) use transfer::{Aim, AimAt, Asked};
use unanswered::Unanswered;
pub(crate) use watched::ToldDialog;

/// One call.
#[derive(Debug)]
pub(crate) struct Call {
    pub id: CallId,
    pub tenant: TenantId,
    /// The settings it began with; a reload does not touch it.
    pub settings: Arc<Settings>,
    pub facts: CallFacts,
    pub plan: CallPlan,
    stage: Stage,
    /// The caller's leg; `None` before its port is open.
    caller: Option<Leg>,
    /// Where the caller's port is.
    port: PortIs,
    session: Option<ivr::Session>,
    parties: Vec<Party>,
    /// Supervisors who are in it.
    guests: Vec<Guest>,
    /// What people wrote on it.
    notes: Vec<Arc<str>>,
    /// Along which queue's escalation path it went, and how many steps of it.
    escalated: Option<Box<(QueueName, usize)>>,
    /// For whom the switch makes the call, while it is somebody else who was called first and is the caller.
    awaited: Option<AgentId>,
    /// How many parties have answered so far.
    answers: u32,
    /// Legs that were hung up and may still have something to retransmit.
    closing: Vec<Leg>,
    playing: HashMap<PlayId, Playing>,
    /// The playing that the flow waits for.
    flow_play: Option<PlayId>,
    /// Whose early media the caller was let hear last.
    early: Option<LegId>,
    /// The description for the 200 that has yet to be sent.
    answer_body: Option<bytes::Bytes>,
    recording: Option<RecordingId>,
    /// Why nothing is kept for the time being.
    masks: media::recording::Masks,
    /// Who is on the left of the recording that runs.
    recorded_left: RecordedLeft,
    /// A transfer that has not come to its end.
    transfer: Option<Box<transfer::Transfer>>,
    /// A fax between caller and party.
    fax: Option<fax::Fax>,
    /// Who of the conversation is watched for silence.
    alarms: unheard::Alarms,
    /// The last one that failed, while its phone may hang up because of it.
    refused: Option<Box<transfer::Refused>>,
    /// A number that is being pressed behind a code.
    asking: Option<Box<consult::Asking>>,
    /// Keys that may become a code.
    typed: Option<Box<consult::Typed>>,
    /// The last place in a queue, which the call has again when nobody else can be had.
    waited: Option<Box<Waited>>,
    /// What trunks' limits count for those who became the caller.
    tickets: Vec<routing::Ticket>,
    /// Ports whose figures have yet to come: the record is to have them.
    measured: SmallVec<[LegId; 2]>,
    /// What the call has come to so far, should it end now.
    so_far: SoFar,
    /// Why the last of those who were rung without a queue did not answer.
    unanswered: Option<Unanswered>,
    began: Instant,
}

#[derive(Debug)]
pub(crate) enum Stage {
    /// The caller's port is being opened.
    Arriving(Box<Arrival>),
    /// Who is to be the caller is rung.
    Originating,
    /// The flow leads.
    InFlow,
    /// Parked in a queue.
    Queued { entry: EntryId, queue: QueueName, music: Option<PlayId> },
    /// Parked in a `Dial` node.
    Dialling { waiting: Vec<ivr::BoundPhone>, rule: ivr::AnswerRule, tone: Option<PlayId> },
    /// Caller and party are connected.
    Talking(Talk),
    /// The caller leaves a message.
    Leaving(voicemail::Leaving),
    /// The caller hears a mailbox.
    Listening(Box<voicemail::Listening>),
    /// In a conference, or at its door: then it has no name yet.
    Conferring { conference: Option<CallId> },
    /// A supervisor's phone is called, who then goes into another call.
    Summoning(Visit),
    /// The caller is a supervisor in another call, whose room the port is in; one who was summoned has an offer.
    Visiting { host: CallId, summoned: Option<OfferId> },
    /// Released.
    Over,
}

/// The INVITE that waits for its port.
#[derive(Debug)]
pub(crate) struct Arrival {
    pub leg: LegId,
    pub session: Box<sip::session::Session>,
    pub offer: Option<bytes::Bytes>,
    pub media: crate::leg::MediaTerms,
}

/// A conversation.
#[derive(Debug)]
pub(crate) struct Talk {
    pub offer: OfferId,
    pub leg: LegId,
    /// The agent's number is being spoken to the caller; the bridge waits for its end.
    pub announcing: Option<PlayId>,
    /// Who holds, in the order in which they began.
    pub holders: Vec<(LegId, Option<PlayId>)>,
}

/// Where the caller's port is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PortIs {
    /// In the call's own room, and ends with it.
    AtHome,
    /// It was sent to a conference, which sends it home by a command of its own: that may come after our last ones.
    SentOut,
}

/// A place that the call had in a queue.
#[derive(Clone, Debug)]
struct Waited {
    queue: QueueName,
    priority: i32,
    /// Since when it waits, places before included.
    since: Instant,
}

/// Who is on the left of a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RecordedLeft {
    /// The caller.
    Caller,
    /// Whom the caller talks with: the one who called has left, and the one who was called has that place.
    OtherSide,
}

/// What a playing is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Playing {
    /// The flow asked for it.
    Flow(u32),
    /// The ACD asked for it.
    Announcement(EntryId),
    /// The agent's number and greeting before the bridge.
    AgentNumber(OfferId),
    /// Said to a caller who leaves a message.
    Voicemail,
    /// A listener of a mailbox asked for it.
    Mailbox(u32),
    /// Music or a tone that nobody waits for.
    Background,
}

/// What the call has come to so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct SoFar {
    /// A person talked with the caller.
    talked: bool,
    /// The caller left a message.
    message: bool,
    /// Who ended the last conversation, while the caller has heard nothing since.
    left_by: Option<HungUpBy>,
    /// How the last attempt to reach a person ended.
    unreached: Option<CallResult>,
    /// What it is where nobody was tried.
    otherwise: Option<CallResult>,
}

/// What every call is born with.
#[derive(Debug)]
pub(crate) struct Birth {
    pub began: Instant,
    pub id: CallId,
    pub tenant: TenantId,
    pub settings: Arc<Settings>,
    pub facts: CallFacts,
    pub plan: CallPlan,
}

impl Call {
    /// A call whose INVITE was accepted for routing; its caller's port is asked for.
    pub fn arriving(birth: Birth, arrival: Arrival) -> Call {
        Call::born(birth, Stage::Arriving(Box::new(arrival)))
    }

    /// A call at its beginning, whose flow has yet to be told.
    fn born(birth: Birth, stage: Stage) -> Call {
        let Birth { began, id, tenant, settings, facts, plan } = birth;
        let session = Some(ivr::Session::new(plan.flow.clone()));
        let so_far = SoFar { otherwise: plan.otherwise, ..SoFar::default() };
        Call {
            id,
            tenant,
            settings,
            facts,
            plan,
            stage,
            caller: None,
            port: PortIs::AtHome,
            session,
            // Most calls have one; a vector that grows by itself begins with room for four.
            parties: Vec::with_capacity(1),
            guests: Vec::new(),
            notes: Vec::new(),
            escalated: None,
            awaited: None,
            answers: 0,
            closing: Vec::new(),
            playing: HashMap::new(),
            flow_play: None,
            early: None,
            answer_body: None,
            recording: None,
            masks: media::recording::Masks::default(),
            recorded_left: RecordedLeft::Caller,
            transfer: None,
            fax: None,
            alarms: unheard::Alarms::default(),
            refused: None,
            asking: None,
            typed: None,
            waited: None,
            tickets: Vec::new(),
            measured: SmallVec::new(),
            so_far,
            unanswered: None,
            began,
        }
    }

    /// Whether nothing is left to do or to retransmit.
    pub fn is_finished(&self) -> bool {
        matches!(self.stage, Stage::Over)
            && self.closing.is_empty()
            && self.parties.is_empty()
            && self.measured.is_empty()
    }

    /// Whether the call was released.
    pub fn is_over(&self) -> bool {
        matches!(self.stage, Stage::Over)
    }

    /// The next instant at which [`Call::handle_timeout`] has something to do.
    pub fn next_timeout(&self) -> Option<Instant> {
        let legs = self.legs().filter_map(|leg| leg.session.poll_timeout());
        let arriving = match &self.stage {
            Stage::Arriving(arrival) => arrival.session.poll_timeout(),
            _ => None,
        };
        let flow = self.session.as_ref().and_then(|session| session.poll_timeout());
        let rings = self.parties.iter().filter_map(Party::ring_until);
        let quiet = self.parties.iter().filter_map(Party::quiet_until);
        let longest = (!self.is_over()).then(|| self.began + self.settings.plan.limits.max_duration);
        let number = self.number_due().into_iter().chain(self.voicemail_due());
        legs.chain(arriving).chain(flow).chain(rings).chain(quiet).chain(longest).chain(number).min()
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, context: &mut Context<'_>) {
        let now = context.now;
        for leg in self.legs_mut() {
            if leg.session.poll_timeout().is_some_and(|due| due <= now) {
                leg.session.handle_timeout(now, context.endpoint);
            }
        }
        if let Stage::Arriving(arrival) = &mut self.stage {
            arrival.session.handle_timeout(now, context.endpoint);
        }
        if let Some(session) = &mut self.session
            && session.poll_timeout().is_some_and(|due| due <= now)
        {
            session.handle_timeout(now);
        }
        self.stop_rings_that_ran_out(context);
        self.complete_number(context);
        self.leave_silent_ways(context);
        self.voicemail_timeout(context);
        if !self.is_over() && now >= self.began + self.settings.plan.limits.max_duration {
            self.release_by_switch(context, model::outcome::Termination::Limit);
        }
        self.settle(context);
    }

    /// Carries out everything that the last input caused, until nothing is left to carry out.
    pub fn settle(&mut self, context: &mut Context<'_>) {
        loop {
            if let Some((leg, event)) = self.next_session_event() {
                self.on_session_event(context, leg, event);
            } else if let Some(output) = self.session.as_mut().and_then(|session| session.poll_output()) {
                self.on_flow_output(context, output);
            } else if let Some(output) = self.next_of_listener() {
                self.on_listener(context, output);
            } else {
                break;
            }
        }
        self.closing.retain(|leg| !leg.session.is_over());
    }

    /// All legs that have a session, the caller's first.
    pub fn legs(&self) -> impl Iterator<Item = &Leg> {
        self.caller.iter().chain(self.parties.iter().flat_map(|party| &party.legs)).chain(&self.closing)
    }

    pub fn legs_mut(&mut self) -> impl Iterator<Item = &mut Leg> {
        let parties = self.parties.iter_mut().flat_map(|party| &mut party.legs);
        self.caller.iter_mut().chain(parties).chain(&mut self.closing)
    }

    /// The session of `leg`, wherever it stands.
    pub fn session_of(&mut self, leg: LegId) -> Option<&mut sip::session::Session> {
        let arriving = match &mut self.stage {
            Stage::Arriving(arrival) if arrival.leg == leg => Some(&mut *arrival.session),
            _ => None,
        };
        let parties = self.parties.iter_mut().flat_map(|party| &mut party.legs);
        let mut known = self.caller.iter_mut().chain(parties).chain(&mut self.closing);
        arriving.or_else(|| known.find(|known| known.id == leg).map(|leg| &mut *leg.session))
    }

    fn next_session_event(&mut self) -> Option<(LegId, SessionEvent)> {
        if let Stage::Arriving(arrival) = &mut self.stage
            && let Some(event) = arrival.session.poll_event()
        {
            return Some((arrival.leg, event));
        }
        self.legs_mut().find_map(|leg| leg.session.poll_event().map(|event| (leg.id, event)))
    }

    fn on_session_event(&mut self, context: &mut Context<'_>, leg: LegId, event: SessionEvent) {
        let closing = self.closing.iter().any(|known| known.id == leg);
        match event {
            // The shard routes by these; see `Shard::index`.
            SessionEvent::Transaction(tx) => context.routes.push(crate::context::Route::Begun(tx, leg)),
            SessionEvent::TransactionOver(tx) => context.routes.push(crate::context::Route::Over(tx)),
            // What a leg that was hung up still has to say changes nothing.
            _ if closing => {}
            event if self.is_caller(leg) => self.on_caller_event(context, event),
            event => self.on_party_event(context, leg, event),
        }
    }

    fn is_caller(&self, leg: LegId) -> bool {
        match &self.stage {
            Stage::Arriving(arrival) => arrival.leg == leg,
            _ => self.caller.as_ref().is_some_and(|caller| caller.id == leg),
        }
    }

    fn fact(&self, context: &mut Context<'_>, fact: CallFact) {
        let fact = match self.facts.caller_is {
            CallerIs::Customer => fact,
            CallerIs::Ours => turned(fact),
        };
        context.fact(&self.tenant, self.id, fact);
    }

    fn voice(&self) -> Voice {
        Voice { tenant: self.tenant.clone(), language: self.settings.language }
    }

    /// Starts a playing to the caller.
    fn play_to_caller(
        &mut self,
        context: &mut Context<'_>,
        purpose: Playing,
        items: Vec<SayItem>,
        mode: PlayMode,
    ) -> Option<PlayId> {
        let port = self.caller.as_ref()?.id;
        Some(self.play_to(context, port, purpose, items, mode))
    }

    fn play_to(
        &mut self,
        context: &mut Context<'_>,
        port: LegId,
        purpose: Playing,
        items: Vec<SayItem>,
        mode: PlayMode,
    ) -> PlayId {
        let play: PlayId = context.ids.mint();
        self.playing.insert(play, purpose);
        context.media(Command::Play { port, play, items, mode, voice: self.voice() });
        play
    }

    fn stop_playing(&mut self, context: &mut Context<'_>, port: LegId, play: Option<PlayId>) {
        if let Some(play) = play {
            context.media(Command::StopPlay { port, play });
        }
    }

    /// What the ACD still waits for from this call, for the shard when the call itself can no longer say it.
    pub fn owed_to_acd(&self) -> Vec<acd::Input> {
        let entry = match &self.stage {
            Stage::Queued { entry, .. } => Some(acd::Input::Leave { entry: *entry }),
            _ => None,
        };
        let offers =
            self.parties.iter().filter(|party| party.queue().is_some()).map(|party| match party.state {
                PartyState::Talking(_) | PartyState::Accepted(_) => {
                    acd::Input::ConversationEnded { offer: party.offer }
                }
                PartyState::Calling | PartyState::Ringing => {
                    acd::Input::OfferEnded { offer: party.offer, result: acd::OfferResult::Gone }
                }
            });
        entry.into_iter().chain(offers).collect()
    }

    /// The recordings that run, for the shard when the call itself can no longer end them.
    pub fn open_recordings(&self) -> impl Iterator<Item = RecordingId> {
        let message = match &self.stage {
            Stage::Leaving(leaving) => leaving.message(),
            _ => None,
        };
        self.recording.into_iter().chain(self.recording_of_consultation()).chain(message)
    }
}

/// A fact of a call in which the caller's leg is the agent's, and the party the customer.
fn turned(mut fact: CallFact) -> CallFact {
    match &mut fact {
        CallFact::HoldBegan { by }
        | CallFact::HoldEnded { by }
        | CallFact::FaxRefused { by, .. }
        | CallFact::AgentLeft { by, .. }
        | CallFact::ReasonGiven { by, .. }
        | CallFact::Ended { by, .. } => *by = by.opposite(),
        _ => {}
    }
    fact
}
