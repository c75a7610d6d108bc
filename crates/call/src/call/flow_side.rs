//! Owns carrying out what the caller's flow asks for.

use clock::Machine;
use media::command::{Mark, MaskCause, PlayMode};
use model::event::{CallFact, Direction};
use model::outcome::{CallResult, HungUpBy, Termination};
use model::say::{SayItem, Tone};
use routing::{MusicStart, QueueProfile};
use sip::HeaderName;

use super::{Call, Playing, SoFar, Stage, Waited};
use crate::context::Context;

impl Call {
    pub(super) fn on_flow_output(&mut self, context: &mut Context<'_>, output: ivr::Output) {
        if self.is_over() {
            return;
        }
        match output {
            ivr::Output::Play { play, items } => {
                self.so_far.left_by = None;
                // A caller who still hears ringing has no media to play into: the flow goes on at once.
                if self.plan.answer == routing::AnswerMode::ByParty && self.answer_body.is_some() {
                    self.flow(context, ivr::Input::NotPlayed { play });
                } else {
                    self.flow_play = self.play_to_caller(context, Playing::Flow(play), items, PlayMode::Once);
                }
            }
            ivr::Output::StopPlay { .. } => {
                if let Some(port) = self.caller.as_ref().map(|caller| caller.id) {
                    let play = self.flow_play.take();
                    self.stop_playing(context, port, play);
                }
            }
            ivr::Output::Enqueue { queue, priority } => self.enqueue(context, queue, priority),
            ivr::Output::Dial { phones, rule } => self.dial(context, phones, rule),
            ivr::Output::Confer { conference } => self.confer(context, &conference),
            ivr::Output::TakeMessage { mailbox } => self.take_message(context, &mailbox),
            ivr::Output::OpenMailbox { mailbox } => self.open_mailbox(context, &mailbox),
            ivr::Output::HangUp { served } => {
                let result = match served {
                    ivr::Served::ByMenu => CallResult::SelfServed,
                    ivr::Served::GaveUp => CallResult::EndedInMenu,
                };
                let result = self.so_far.result().unwrap_or(result);
                // R35: a flow with nothing left to say ends as the conversation did, by who left it.
                let (by, cause) = match self.so_far.left_by {
                    Some(by) => (by, Termination::Normal),
                    None => (HungUpBy::Switch, Termination::FlowEnded),
                };
                self.release(context, by, cause, Some(result));
            }
            ivr::Output::Mask => self.mask(context, Mark::Mask(MaskCause::Secret)),
            ivr::Output::Unmask => self.mask(context, Mark::Unmask(MaskCause::Secret)),
            ivr::Output::Fact(fact) => self.fact(context, fact),
        }
    }

    pub(super) fn flow(&mut self, context: &mut Context<'_>, input: ivr::Input) {
        if let Some(session) = &mut self.session {
            session.handle(context.now, input);
        }
    }

    /// (4), (7) The flow leads again.
    pub(super) fn resume_flow(&mut self, context: &mut Context<'_>, how: ivr::Parked) {
        self.so_far.note(how);
        if let (true, Some(told)) = (self.is_of_ours() && how == ivr::Parked::Unanswered, self.unanswered) {
            self.so_far.unreached = Some(told.result);
        }
        self.stage = Stage::InFlow;
        if self.session.is_none() {
            // Who called has sent the other side elsewhere, and no flow leads that one.
            let (by, cause) = match self.so_far.left_by {
                Some(by) => (by, Termination::Normal),
                None => (HungUpBy::Switch, Termination::FlowEnded),
            };
            return self.release(context, by, cause, None);
        }
        // A caller who was never answered cannot hear what the flow says next: RFC 3261 has a status for that.
        if self.answer_body.is_some() && self.plan.answer == routing::AnswerMode::ByParty {
            if let (true, Some(told)) = (self.is_of_ours() && how == ivr::Parked::Unanswered, self.unanswered)
            {
                let reason = crate::shard::reason(told.status, told.why);
                self.note_reason(context, HungUpBy::Switch, Some(told.why.to_owned()));
                return self.refuse(context, told.status, &[(HeaderName::Reason, &reason)], told.result);
            }
            let (status, result) = match how {
                ivr::Parked::Unanswered | ivr::Parked::NoMessage => (480, CallResult::RingNoAnswer),
                ivr::Parked::TimedOut => (480, CallResult::QueueTimeout),
                ivr::Parked::Full => (486, CallResult::QueueFull),
                ivr::Parked::NoAgent => (480, CallResult::NoAgent),
                ivr::Parked::NotConferred => (403, CallResult::SelfServed),
                ivr::Parked::MailboxClosed => (403, CallResult::SelfServed),
                ivr::Parked::PartyLeft
                | ivr::Parked::Conferred
                | ivr::Parked::MessageLeft
                | ivr::Parked::Failed => (500, CallResult::Failure),
            };
            return self.refuse(context, status, &[], result);
        }
        self.flow(context, ivr::Input::Resumed(how));
    }

    /// Whether one of ours called: its record says how the called party answered, not how a number's flow ended.
    fn is_of_ours(&self) -> bool {
        self.facts.direction != Direction::In
    }

    /// (3) The caller takes a place in a queue.
    pub(super) fn enqueue(&mut self, context: &mut Context<'_>, queue: model::QueueName, priority: i32) {
        if self.refuses_unrecorded(context, &queue) {
            return self.turn_away_unrecorded(context);
        }
        self.enqueue_at(context, Waited { queue, priority, since: context.now });
    }

    /// The same with the place that it had.
    pub(super) fn enqueue_at(&mut self, context: &mut Context<'_>, waited: Waited) {
        let entry = context.ids.mint();
        let Waited { queue, priority, since } = waited.clone();
        self.waited = Some(Box::new(waited));
        self.stage = Stage::Queued { entry, queue: queue.clone(), music: None };
        // Told here and not by the ACD, whose word may come after the caller has gone: no place without a record.
        self.fact(context, CallFact::Queued { entry, queue: queue.clone(), priority });
        let caller = self.facts.caller.clone();
        let input = acd::Input::Enqueue { entry, call: self.id, queue, priority, caller, since: Some(since) };
        context.acd(&self.tenant, input);
        self.play_music(context);
    }

    /// Music for a caller who waits in a queue.
    pub(super) fn play_music(&mut self, context: &mut Context<'_>) {
        let Stage::Queued { queue, .. } = &self.stage else { return };
        let (items, mode) = music_of(self.settings.plan.queues.get(queue));
        let play = self.play_to_caller(context, Playing::Background, items, mode);
        if let Stage::Queued { music, .. } = &mut self.stage {
            *music = play;
        }
    }
}

/// What a caller of a queue hears meanwhile, and where it begins.
pub(super) fn music_of(profile: Option<&QueueProfile>) -> (Vec<SayItem>, PlayMode) {
    let Some(profile) = profile else { return (vec![SayItem::Tone(Tone::Ringback)], PlayMode::Looped) };
    let mode = match profile.music_start {
        MusicStart::Shared => PlayMode::Joined,
        MusicStart::Beginning => PlayMode::Looped,
    };
    (vec![SayItem::Prompt(profile.music.clone())], mode)
}

impl super::SoFar {
    fn note(&mut self, how: ivr::Parked) {
        match how {
            ivr::Parked::PartyLeft => self.talked = true,
            ivr::Parked::TimedOut => self.unreached = Some(CallResult::QueueTimeout),
            ivr::Parked::Full => self.unreached = Some(CallResult::QueueFull),
            ivr::Parked::NoAgent => self.unreached = Some(CallResult::NoAgent),
            ivr::Parked::Unanswered => self.unreached = Some(CallResult::RingNoAnswer),
            ivr::Parked::MessageLeft => self.message = true,
            ivr::Parked::Conferred | ivr::Parked::NotConferred | ivr::Parked::MailboxClosed => {}
            // Who found the mailbox full was not served, whatever the flow says about it.
            ivr::Parked::NoMessage => {
                self.otherwise.get_or_insert(CallResult::EndedInMenu);
            }
            ivr::Parked::Failed => self.unreached = Some(CallResult::Failure),
        }
    }

    /// The result that what happened so far decides; None while only the menu was heard.
    pub(super) fn result(self) -> Option<CallResult> {
        match self {
            SoFar { talked: true, .. } => Some(CallResult::Answered),
            SoFar { message: true, .. } => Some(CallResult::Voicemail),
            SoFar { unreached, otherwise, .. } => unreached.or(otherwise),
        }
    }
}
