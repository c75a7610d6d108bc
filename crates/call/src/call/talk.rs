//! Owns the conversation: from the winning answer to the moment one side leaves.

use media::command::{Command, Mark, MaskCause, PlayMode};
use model::event::{CallFact, Direction};
use model::outcome::{HungUpBy, Termination};
use model::say::{SayItem, Tone};
use model::{LegId, OfferId, PlayId, RecordingId};
use routing::RecordPolicy;
use smallvec::SmallVec;

use super::consult::With;
use super::hearing::{self, Person, Stands};
use super::transfer::Phase;
use super::{Call, Playing, RecordedLeft, Stage, Talk};
use crate::context::Context;
use crate::party::PartyState;

/// What comes after a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Then {
    /// Nothing that belongs to it.
    Ends,
    /// Another one with the same caller, in the same recording.
    GoesOn,
    /// The same for the party, who has the caller's place.
    TakesCallersPlace,
}

impl Call {
    /// (5), (6) The party at `at` answered and has the caller.
    pub(super) fn talk(&mut self, context: &mut Context<'_>, at: usize) {
        let party = &mut self.parties[at];
        let PartyState::Accepted(leg) = party.state else { return };
        party.state = PartyState::Talking(leg);
        let offer = party.offer;
        let heard_of_agent = self.heard_of_agent(at);
        self.stop_tone(context);
        self.answer_caller(context);
        self.fact(context, CallFact::AgentAnswered { offer, leg });
        match (self.plan.record, self.recording) {
            (RecordPolicy::Off, _) => {}
            (_, None) => self.begin_recording(context, vec![leg]),
            (_, Some(recording)) => {
                let mark = self.joins_as(leg);
                context.media(Command::MarkRecording { recording, mark });
            }
        }
        let announcing = if heard_of_agent.is_empty() {
            None
        } else {
            self.play_to_caller(context, Playing::AgentNumber(offer), heard_of_agent, PlayMode::Once)
        };
        self.stage = Stage::Talking(Talk { offer, leg, announcing, holders: Vec::new() });
        // Whoever the call is made for is in it, or no longer wanted.
        self.awaited = None;
        if announcing.is_none() {
            self.bridge(context);
        }
    }

    /// What the caller hears of the party at `at` before they hear each other: the number where its queue says so, and
    /// to callers of a hotline number the agent's own greeting (R33).
    fn heard_of_agent(&self, at: usize) -> Vec<SayItem> {
        let party = &self.parties[at];
        let Some(agent) = party.agent() else { return Vec::new() };
        let profile = party.queue().and_then(|queue| self.settings.plan.queues.get(queue));
        let number = profile.filter(|profile| profile.agent_number);
        let number = number.map(|_| SayItem::AgentNumber(agent.name.to_string()));
        let greets = self.facts.direction == Direction::In;
        let greeting = self.settings.plan.greetings.get(agent).filter(|_| greets);
        number.into_iter().chain(greeting.into_iter().flatten().cloned()).collect()
    }

    /// What the caller is to hear of the agent was spoken.
    pub(super) fn on_agent_number_said(&mut self, context: &mut Context<'_>, said: OfferId) {
        if let Stage::Talking(talk) = &mut self.stage
            && talk.offer == said
            && talk.announcing.take().is_some()
        {
            self.bridge(context);
        }
    }

    fn bridge(&mut self, context: &mut Context<'_>) {
        let Stage::Talking(talk) = &self.stage else { return };
        let (offer, leg) = (talk.offer, talk.leg);
        self.connect(context);
        context.media(Command::Watch { port: leg, rtp_timeout: self.settings.plan.rtp_timeout });
        self.fact(context, CallFact::Bridged { offer });
        self.note_holds(context);
    }

    /// Whoever held before the conversation began holds in it.
    pub(super) fn take_over_holds(&mut self, context: &mut Context<'_>) {
        self.connect(context);
        self.note_holds(context);
    }

    fn note_holds(&mut self, context: &mut Context<'_>) {
        let Stage::Talking(talk) = &self.stage else { return };
        let caller = self.caller.as_ref().map(|caller| caller.id);
        for leg in [Some(talk.leg), caller].into_iter().flatten() {
            self.on_media_changed(context, leg);
        }
    }

    /// What the recording is told when a party joins it.
    pub(super) fn joins_as(&self, leg: LegId) -> Mark {
        match self.recorded_left {
            RecordedLeft::Caller => Mark::PartyJoined(leg),
            RecordedLeft::OtherSide => Mark::CallerBecame(leg),
        }
    }

    /// Sets who hears whom by what holds now.
    pub(super) fn connect(&mut self, context: &mut Context<'_>) {
        self.check_fax(context);
        self.set_alarms(context);
        if matches!(self.stage, Stage::Talking(_)) {
            let matrix = hearing::matrix(&self.persons(), &self.seats());
            context.media(Command::Hear { room: self.id, matrix });
        }
    }

    /// The persons of the conversation, and how each of them stands.
    pub(super) fn persons(&self) -> SmallVec<[Person; 3]> {
        let (Stage::Talking(talk), Some(caller)) = (&self.stage, &self.caller) else {
            return SmallVec::new();
        };
        let holds = |leg: LegId| talk.holders.iter().any(|(holder, _)| *holder == leg);
        let waits = |leg: LegId| match self.transfer.as_ref().map(|transfer| (&transfer.phase, &transfer.by))
        {
            Some((Phase::Consulting(consultation), by)) => match consultation.with {
                With::Asked => leg != by.leg && leg != consultation.leg,
                With::Waiting => leg == consultation.leg,
                With::Everybody => false,
            },
            Some(_) => true,
            None => self.asking.is_some(),
        };
        let person = |leg: LegId| {
            let apart = talk.announcing.is_some() || holds(leg) || waits(leg);
            Person { leg, stands: if apart { Stands::Apart } else { Stands::Talking } }
        };
        let asked = match self.transfer.as_ref().map(|transfer| &transfer.phase) {
            Some(Phase::Consulting(consultation)) => Some(consultation.leg),
            _ => None,
        };
        [caller.id, talk.leg].into_iter().chain(asked).map(person).collect()
    }

    /// (7) The party left, or its leg was lost: the flow leads again.
    pub(super) fn party_left(&mut self, context: &mut Context<'_>, by: HungUpBy, cause: Termination) {
        let Stage::Talking(talk) = std::mem::replace(&mut self.stage, Stage::InFlow) else { return };
        self.end_talk(context, &talk, (by, cause), Then::Ends);
        context.media(Command::Hear { room: self.id, matrix: Vec::new() });
        if let Some(at) = self.parties.iter().position(|party| party.offer == talk.offer) {
            self.drop_party(context, at, None);
        }
        self.so_far.left_by = (by == HungUpBy::Agent).then_some(by);
        self.resume_flow(context, ivr::Parked::PartyLeft);
    }

    /// What every end of a conversation has in common.
    pub(super) fn end_talk(
        &mut self,
        context: &mut Context<'_>,
        talk: &Talk,
        (by, cause): (HungUpBy, Termination),
        then: Then,
    ) {
        self.so_far.talked = true;
        if let Some(caller) = self.caller.as_ref().map(|caller| caller.id) {
            self.stop_playing(context, caller, talk.announcing);
        }
        for (holder, music) in &talk.holders {
            if let Some(listener) = self.opposite(talk, *holder) {
                self.stop_playing(context, listener, *music);
            }
        }
        if let Some(asking) = self.asking.take()
            && let Some(listener) = self.opposite(talk, asking.leg)
        {
            self.stop_playing(context, listener, asking.music);
        }
        self.dismiss_guests(context);
        let caller = self.caller.as_ref().map(|caller| caller.id);
        let stays = if then == Then::TakesCallersPlace { Some(talk.leg) } else { caller };
        self.leave_fax(context, stays.filter(|_| !self.is_over()).as_slice());
        self.clear_alarms(context);
        self.fact(context, CallFact::AgentLeft { offer: talk.offer, by, cause });
        match (then, self.plan.record, self.recording) {
            (Then::TakesCallersPlace, ..) => {}
            (Then::GoesOn, _, Some(recording)) | (Then::Ends, RecordPolicy::All, Some(recording)) => {
                context.media(Command::MarkRecording { recording, mark: Mark::PartyLeft(talk.leg) });
            }
            (Then::GoesOn, _, None) => {}
            (Then::Ends, ..) => self.end_recording(context),
        }
        let party = self.parties.iter().find(|party| party.offer == talk.offer);
        if party.is_some_and(|party| party.queue().is_some()) {
            context.acd(&self.tenant, acd::Input::ConversationEnded { offer: talk.offer });
        }
    }

    /// The other leg of the conversation.
    pub(super) fn opposite(&self, talk: &Talk, leg: LegId) -> Option<LegId> {
        let caller = self.caller.as_ref()?.id;
        if leg == caller { Some(talk.leg) } else { Some(caller) }
    }

    pub(super) fn begin_recording(&mut self, context: &mut Context<'_>, persons: Vec<LegId>) {
        let Some(caller) = self.caller.as_ref().map(|caller| caller.id) else { return };
        if !context.disk.keeps_recordings() {
            return self.fact(context, CallFact::NotRecorded);
        }
        let recording: RecordingId = context.ids.mint();
        self.recording = Some(recording);
        self.recorded_left = RecordedLeft::Caller;
        let started = context.anchor.wall(context.now);
        let tenant = self.tenant.clone();
        context.media(Command::Record { room: self.id, recording, tenant, caller, persons, started });
        self.mask_from_its_beginning(context, recording);
        self.fact(context, CallFact::RecordingBegan { recording });
    }

    pub(super) fn end_recording(&mut self, context: &mut Context<'_>) {
        if let Some(recording) = self.recording.take() {
            self.masks.note(Mark::Unmask(MaskCause::Paused));
            context.media(Command::StopRecording { room: self.id, recording });
            self.fact(context, CallFact::RecordingEnded { recording });
        }
    }

    /// What a caller hears while bound phones ring.
    pub(super) fn play_ringback(&mut self, context: &mut Context<'_>) -> Option<PlayId> {
        let items = vec![SayItem::Tone(Tone::Ringback)];
        self.play_to_caller(context, Playing::Background, items, PlayMode::Looped)
    }

    /// Ends what the caller hears while bound phones ring.
    pub(super) fn stop_tone(&mut self, context: &mut Context<'_>) {
        let Stage::Dialling { tone, .. } = &mut self.stage else { return };
        let play = tone.take();
        if let Some(port) = self.caller.as_ref().map(|caller| caller.id) {
            self.stop_playing(context, port, play);
        }
    }
}
