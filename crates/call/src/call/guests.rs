//! Owns the supervisors in a call: who they are, who hears them, what they ask for. A supervisor's leg is a call of its
//! own, which visits this one (see `visiting`): its port is in our room, its dialog is not ours. Does not own rights
//! (see `routing::Supervision`).
//!
//! ```text
//!            (1) GuestCame            (2) GuestWants(verb), if it is a right of theirs
//!  (nobody) ───────────────▶ listens ◀────────────▶ whispers ◀────────────▶ barges
//!                               │ (3) GuestLeft: the supervisor hung up          │
//!                               ▼ (4) the conversation ended: HostGone to them   ▼
//!                            (nobody)
//! ```

use media::command::{Command, Mark};
use model::event::CallFact;
use model::outcome::Termination;
use model::supervision::Verb;
use model::{AgentId, CallId, LegId};
use routing::Supervised;

use super::hearing::{Seat, Voice};
use super::{Call, Stage};
use crate::context::{Context, PlaceOf};
use crate::visit::{Guest, Side, Word};

impl Call {
    /// (1) A supervisor's port has come into our room.
    fn guest_came(&mut self, context: &mut Context<'_>, guest: Guest) {
        if !matches!(self.stage, Stage::Talking(_)) {
            return context.tell(guest.visit, Word::HostGone);
        }
        let Guest { visit, ref by, verb, .. } = guest;
        self.fact(context, CallFact::SupervisionBegan { visit, by: by.clone(), verb });
        let (leg, verb) = (guest.leg, guest.verb);
        self.guests.push(guest);
        self.mark_guest(context, leg, verb);
        self.connect(context);
    }

    /// (2) A supervisor asks for something else.
    fn guest_wants(&mut self, context: &mut Context<'_>, visit: CallId, verb: Verb) {
        let Some(at) = self.guests.iter().position(|guest| guest.visit == visit) else { return };
        let (by, beside, leg) = {
            let guest = &self.guests[at];
            (guest.by.clone(), guest.beside, guest.leg)
        };
        if let Err(why) = self.settings.plan.supervision.allows(&by, verb, &self.supervised(beside)) {
            context.tell(visit, Word::Denied);
            let by = Some(by);
            return self.fact(context, CallFact::SupervisionRefused { by, verb, why });
        }
        match verb {
            Verb::Hangup => self.end_for(context, by),
            Verb::Take => self.give_to_guest(context, at),
            Verb::Listen | Verb::Whisper | Verb::Barge if self.guests[at].verb == verb => {}
            Verb::Listen | Verb::Whisper | Verb::Barge => {
                self.guests[at].verb = verb;
                self.fact(context, CallFact::SupervisionChanged { visit, by, verb });
                self.mark_guest(context, leg, verb);
                self.connect(context);
            }
        }
    }

    /// 接管: the supervisor's leg may have the agent's place; the visit goes over to it by itself.
    fn give_to_guest(&mut self, context: &mut Context<'_>, at: usize) {
        let guest = &self.guests[at];
        let (visit, by, leg) = (guest.visit, guest.by.clone(), guest.leg);
        let of = self.leg_of(guest.beside).filter(|leg| self.grants(PlaceOf::Leg(*leg)).is_ok());
        // While the agent sends the caller elsewhere there is no place to take.
        let Some(of) = of else { return context.tell(visit, Word::Denied) };
        self.fact(context, CallFact::TakenOver { by });
        if let Some(recording) = self.recording {
            context.media(Command::MarkRecording { recording, mark: Mark::TookOver(leg) });
        }
        context.tell(visit, Word::PlaceGiven { of });
    }

    /// (3) A supervisor hung up.
    fn guest_left(&mut self, context: &mut Context<'_>, visit: CallId) {
        let Some(at) = self.guests.iter().position(|guest| guest.visit == visit) else { return };
        let guest = self.guests.remove(at);
        self.guest_is_out(context, &guest);
        self.connect(context);
    }

    /// What other calls of the shard tell this one.
    pub fn on_word(&mut self, context: &mut Context<'_>, word: Word) {
        match word {
            Word::GuestCame(guest) => self.guest_came(context, guest),
            Word::GuestWants { visit, verb } => self.guest_wants(context, visit, verb),
            Word::GuestLeft { visit } => self.guest_left(context, visit),
            Word::HostGone => self.host_gone(context),
            Word::Denied => self.denied(context),
            Word::PlaceGiven { of } => self.place_given(context, of),
            Word::Conference(word) => return self.on_conference(context, word),
        }
        self.settle(context);
    }

    /// (4) The conversation is over: supervisors have nothing to hear any more.
    pub(super) fn dismiss_guests(&mut self, context: &mut Context<'_>) {
        for guest in std::mem::take(&mut self.guests) {
            self.guest_is_out(context, &guest);
            context.tell(guest.visit, Word::HostGone);
        }
    }

    fn guest_is_out(&self, context: &mut Context<'_>, guest: &Guest) {
        if let Some(recording) = self.recording {
            context.media(Command::MarkRecording { recording, mark: Mark::GuestLeft(guest.leg) });
        }
        let (visit, by) = (guest.visit, guest.by.clone());
        self.fact(context, CallFact::SupervisionEnded { visit, by });
    }

    /// Who joins the conversation is in its recording, who listens or whispers is on its timeline.
    fn mark_guest(&self, context: &mut Context<'_>, leg: LegId, verb: Verb) {
        let mark = match verb {
            Verb::Listen => Mark::Listened(leg),
            Verb::Whisper => Mark::Whispered(leg),
            Verb::Barge => Mark::Barged(leg),
            Verb::Take | Verb::Hangup => return,
        };
        if let Some(recording) = self.recording {
            context.media(Command::MarkRecording { recording, mark });
        }
    }

    /// 强拆.
    pub fn end_for(&mut self, context: &mut Context<'_>, by: AgentId) {
        self.fact(context, CallFact::EndedBySupervisor { by });
        self.release_by_switch(context, Termination::Commanded);
    }

    /// Where the supervisors sit, for the one function of who hears whom.
    pub(super) fn seats(&self) -> Vec<Seat> {
        let seat = |guest: &Guest| {
            let voice = match (guest.verb, self.leg_of(guest.beside)) {
                (Verb::Whisper, Some(beside)) => Voice::HeardBy(beside),
                (Verb::Barge, _) => Voice::HeardByAll,
                _ => Voice::Unheard,
            };
            Seat { leg: guest.leg, voice }
        };
        self.guests.iter().map(seat).collect()
    }

    /// The leg on that side of the conversation.
    fn leg_of(&self, side: Side) -> Option<LegId> {
        match (side, &self.stage) {
            (Side::Caller, _) => self.caller.as_ref().map(|caller| caller.id),
            (Side::Party, Stage::Talking(talk)) => Some(talk.leg),
            (Side::Party, _) => None,
        }
    }

    /// Whose conversation it is, for a supervisor's right to it.
    pub fn supervised(&self, side: Side) -> Supervised<'_> {
        let party = match &self.stage {
            Stage::Talking(talk) => self.parties.iter().find(|party| party.offer == talk.offer),
            _ => None,
        };
        let agent = match side {
            Side::Caller => self.facts.calling_agent.as_ref(),
            Side::Party => party.and_then(|party| party.agent()),
        };
        Supervised { queue: party.and_then(|party| party.queue()), agent }
    }

    /// On which side of a conversation the agent or phone with this number is; `None` where there is no conversation, or
    /// another.
    pub fn talks(&self, number: &str) -> Option<Side> {
        let Stage::Talking(talk) = &self.stage else { return None };
        let phone = |aor: Option<&model::Aor>| aor.is_some_and(|aor| aor.user() == number);
        let agent = |agent: Option<&AgentId>| agent.is_some_and(|agent| &*agent.name == number);
        let party = self.parties.iter().find(|party| party.offer == talk.offer)?;
        let called = match &party.target {
            model::DialTarget::Phone(aor) => Some(aor),
            _ => None,
        };
        if phone(called) || agent(party.agent()) {
            return Some(Side::Party);
        }
        let calls = phone(self.facts.calling_phone.as_ref()) || agent(self.facts.calling_agent.as_ref());
        calls.then_some(Side::Caller)
    }

    /// The side on which an agent of ours talks, the one who was called first.
    pub fn agents_side(&self) -> Option<Side> {
        let Stage::Talking(_) = &self.stage else { return None };
        let called = self.supervised(Side::Party).agent.is_some();
        let calls = self.facts.calling_agent.is_some() || self.facts.calling_phone.is_some();
        Some(if !called && calls { Side::Caller } else { Side::Party })
    }

    /// Whether nobody holds: of two conversations of one agent this is the one to hear.
    pub fn is_open(&self) -> bool {
        matches!(&self.stage, Stage::Talking(talk) if talk.holders.is_empty())
    }

    /// The visit by which `by` is in this call already.
    pub fn visit_of(&self, by: &AgentId) -> Option<CallId> {
        self.guests.iter().find(|guest| guest.by == *by).map(|guest| guest.visit)
    }
}
