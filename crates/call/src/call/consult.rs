//! Owns what keys do in a conversation: the codes that ask for a transfer, the number behind them, and the keys of who
//! consults (咨询) before it hands over. Does not own the transfer itself (see `transfer`).
//!
//! A consultation is in the call's own room: who waits hears music and nobody, and the two who talk have a recording of
//! their own. `*` changes whom the one who asks talks with, `0` brings all together (三方), `#` takes it back, hanging up
//! hands the call over.

use std::time::Duration;

use clock::Instant;
use media::command::{Command, Mark, PlayMode};
use model::event::{CallFact, TransferKind, TransferOutcome};
use model::outcome::{HungUpBy, RefusalCause, Termination};
use model::say::{Key, SayItem, Tone};
use model::{LegId, OfferId, PlayId, RecordingId};
use routing::RecordPolicy;

use super::escalation::ESCALATE;
use super::transfer::{Phase, Transfer};
use super::{Call, Playing, Stage, Talk};
use crate::context::{Context, Wish};
use crate::party::PartyState;

/// A talk about a call that waits.
#[derive(Debug)]
pub(super) struct Consultation {
    pub offer: OfferId,
    pub leg: LegId,
    pub with: With,
    recording: Option<RecordingId>,
}

/// Whom the one who asks talks with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum With {
    /// The one who is asked.
    Asked,
    /// The one who waited.
    Waiting,
    /// Both, and they hear each other.
    Everybody,
}

/// Keys that may become a code.
#[derive(Debug)]
pub(super) struct Typed {
    leg: LegId,
    keys: String,
    until: Instant,
}

/// A code was pressed: the number is awaited.
#[derive(Debug)]
pub(super) struct Asking {
    pub leg: LegId,
    kind: TransferKind,
    digits: String,
    /// None once it is being looked up.
    until: Option<Instant>,
    pub music: Option<PlayId>,
}

/// Keys of one code come within this time of each other.
const BETWEEN_KEYS: Duration = Duration::from_secs(2);
/// So long a number may be thought about.
const FIRST_DIGIT: Duration = Duration::from_secs(10);
/// A number without `#` behind it is complete so long after its last digit.
const NEXT_DIGIT: Duration = Duration::from_secs(4);
/// The longest number that is dialled.
const MOST_DIGITS: usize = 32;

impl Call {
    /// When the number behind a code counts as complete.
    pub(super) fn number_due(&self) -> Option<Instant> {
        self.asking.as_ref()?.until
    }

    /// Nobody presses a further key.
    pub(super) fn complete_number(&mut self, context: &mut Context<'_>) {
        if self.number_due().is_some_and(|due| due <= context.now) {
            self.ask_for_transfer(context);
        }
    }

    /// A key in a conversation. Keys pass from side to side by themselves.
    pub(super) fn on_key_in_talk(&mut self, context: &mut Context<'_>, leg: LegId, key: Key) {
        if let Some(Transfer { phase: Phase::Consulting(_), by, .. }) = self.transfer.as_deref() {
            if by.leg == leg {
                self.on_consulting_key(context, key);
            }
            return;
        }
        match &mut self.asking {
            Some(asking) if asking.leg == leg && asking.until.is_some() => match key.as_char() {
                '#' => self.ask_for_transfer(context),
                digit => {
                    asking.digits.push(digit);
                    asking.until = Some(context.now + NEXT_DIGIT);
                    if asking.digits.len() >= MOST_DIGITS {
                        self.ask_for_transfer(context);
                    }
                }
            },
            Some(_) => {}
            None => self.on_code_key(context, leg, key),
        }
    }

    fn on_code_key(&mut self, context: &mut Context<'_>, leg: LegId, key: Key) {
        let codes = &self.settings.plan.codes.in_talk;
        let table =
            [(codes.transfer.clone(), TransferKind::Blind), (codes.consult.clone(), TransferKind::Attended)];
        if table.iter().all(|(code, _)| code.is_empty()) || self.may_transfer(leg).is_err() {
            return;
        }
        let now = context.now;
        let fresh = || Box::new(Typed { leg, keys: String::new(), until: now });
        let typed = self.typed.take().filter(|typed| typed.leg == leg && typed.until >= now);
        let mut typed = typed.unwrap_or_else(fresh);
        typed.keys.push(key.as_char());
        typed.until = now + BETWEEN_KEYS;
        let meant = table.into_iter().find(|(code, _)| !code.is_empty() && typed.keys.ends_with(&**code));
        match meant {
            Some((_, kind)) => self.await_number(context, leg, kind),
            None => {
                // More than the longest code cannot become one.
                if typed.keys.len() > MOST_DIGITS {
                    typed.keys.remove(0);
                }
                self.typed = Some(typed);
            }
        }
    }

    /// The other side waits with music while the number is pressed.
    fn await_number(&mut self, context: &mut Context<'_>, leg: LegId, kind: TransferKind) {
        let Stage::Talking(talk) = &self.stage else { return };
        let Some(waits) = self.opposite(talk, leg) else { return };
        let (items, mode) = self.hold_music();
        let music = self.play_to(context, waits, Playing::Background, items, mode);
        let until = Some(context.now + FIRST_DIGIT);
        self.asking = Some(Box::new(Asking { leg, kind, digits: String::new(), until, music: Some(music) }));
        self.connect(context);
        let beep = vec![SayItem::Tone(Tone::Beep)];
        self.play_to(context, leg, Playing::Background, beep, PlayMode::Once);
    }

    fn ask_for_transfer(&mut self, context: &mut Context<'_>) {
        let Some(asking) = &mut self.asking else { return };
        asking.until = None;
        let (leg, kind) = (asking.leg, asking.kind);
        let to: Box<str> = asking.digits.as_str().into();
        // No number: along the escalation path, where there is one.
        if to.is_empty() && self.escalates_to().is_none() {
            self.stop_asking(context);
            return self.connect(context);
        }
        let to = if to.is_empty() { ESCALATE.into() } else { to };
        context.wishes.push(Wish::TransferByKeys { leg, to, kind });
    }

    /// The number leads nowhere: a tone says so, and the conversation goes on.
    pub fn number_unknown(&mut self, context: &mut Context<'_>, leg: LegId) {
        self.stop_asking(context);
        self.connect(context);
        let tone = vec![SayItem::Tone(Tone::Beep), SayItem::Pause(200), SayItem::Tone(Tone::Beep)];
        self.play_to(context, leg, Playing::Background, tone, PlayMode::Once);
        self.settle(context);
    }

    /// The number behind a code is no longer awaited.
    pub(super) fn stop_asking(&mut self, context: &mut Context<'_>) {
        let Some(asking) = self.asking.take() else { return };
        if let Stage::Talking(talk) = &self.stage
            && let Some(waits) = self.opposite(talk, asking.leg)
        {
            self.stop_playing(context, waits, asking.music);
        }
        self.play_hold_music(context);
    }

    /// Who asks hears that the one who is asked rings.
    pub(super) fn let_hear_ringing(&mut self, context: &mut Context<'_>, leg: LegId) {
        let items = vec![SayItem::Tone(Tone::Ringback)];
        let play = self.play_to(context, leg, Playing::Background, items, PlayMode::Looped);
        if let Some(transfer) = &mut self.transfer {
            transfer.heard = Some(play);
        }
    }

    /// The one who is asked answered: the two talk, and the third hears nothing of it.
    pub(super) fn consult(&mut self, context: &mut Context<'_>, offer: OfferId) {
        let Some(party) = self.parties.iter_mut().find(|party| party.offer == offer) else { return };
        let PartyState::Accepted(leg) = party.state else { return };
        party.state = PartyState::Talking(leg);
        let Some(transfer) = &mut self.transfer else { return };
        let (by, heard) = (transfer.by.leg, transfer.heard.take());
        self.stop_playing(context, by, heard);
        self.fact(context, CallFact::AgentAnswered { offer, leg });
        self.fact(context, CallFact::ConsultationBegan { offer });
        let recording = self.record_consultation(context, by, leg);
        if let Some(transfer) = &mut self.transfer {
            transfer.phase = Phase::Consulting(Consultation { offer, leg, with: With::Asked, recording });
        }
        context.media(Command::Watch { port: leg, rtp_timeout: self.settings.plan.rtp_timeout });
        self.connect(context);
        self.fact(context, CallFact::Bridged { offer });
    }

    /// What the caller cannot hear is a recording of its own.
    fn record_consultation(
        &mut self,
        context: &mut Context<'_>,
        caller: LegId,
        asked: LegId,
    ) -> Option<RecordingId> {
        if self.plan.record == RecordPolicy::Off || !context.disk.keeps_recordings() {
            return None;
        }
        let recording: RecordingId = context.ids.mint();
        let (started, tenant) = (context.anchor.wall(context.now), self.tenant.clone());
        let persons = vec![asked];
        context.media(Command::Record { room: self.id, recording, tenant, caller, persons, started });
        self.fact(context, CallFact::RecordingBegan { recording });
        Some(recording)
    }

    fn on_consulting_key(&mut self, context: &mut Context<'_>, key: Key) {
        let Some(Transfer { phase: Phase::Consulting(consultation), .. }) = self.transfer.as_deref() else {
            return;
        };
        let with = match (key.as_char(), consultation.with) {
            ('*', With::Asked) => With::Waiting,
            ('*', With::Waiting) => With::Asked,
            ('0', With::Asked | With::Waiting) => With::Everybody,
            ('#', _) => {
                self.end_consultation(context, (HungUpBy::Agent, Termination::Normal));
                self.fact(context, CallFact::TransferEnded { outcome: TransferOutcome::TakenBack });
                self.go_on_as_before(context);
                return;
            }
            _ => return,
        };
        self.talk_among(context, with);
    }

    /// Changes who of the three talk. Whoever does not, hears music.
    fn talk_among(&mut self, context: &mut Context<'_>, with: With) {
        let Some(Transfer { phase: Phase::Consulting(consultation), by, tone, .. }) =
            self.transfer.as_deref_mut()
        else {
            return;
        };
        let before = std::mem::replace(&mut consultation.with, with);
        let (asked, by, music) = (consultation.leg, by.leg, tone.take());
        let Stage::Talking(talk) = &self.stage else { return };
        let Some(waiting) = self.opposite(talk, by) else { return };
        let listens = |with: With| match with {
            With::Asked => Some(waiting),
            With::Waiting => Some(asked),
            With::Everybody => None,
        };
        if let Some(listener) = listens(before) {
            self.stop_playing(context, listener, music);
        }
        if let Some(listener) = listens(with) {
            let (items, mode) = self.hold_music();
            let music = self.play_to(context, listener, Playing::Background, items, mode);
            if let Some(transfer) = &mut self.transfer {
                transfer.tone = Some(music);
            }
        }
        if with == With::Everybody {
            self.fact(context, CallFact::ConsultationEnded);
            self.end_recording_of_consultation(context);
            if let Some(recording) = self.recording {
                let mark = Mark::PartyJoined(asked);
                context.media(Command::MarkRecording { recording, mark });
            }
        }
        self.connect(context);
    }

    fn end_recording_of_consultation(&mut self, context: &mut Context<'_>) {
        let Some(Transfer { phase: Phase::Consulting(consultation), .. }) = self.transfer.as_deref_mut()
        else {
            return;
        };
        if let Some(recording) = consultation.recording.take() {
            context.media(Command::StopRecording { room: self.id, recording });
            self.fact(context, CallFact::RecordingEnded { recording });
        }
    }

    /// The recording of a consultation that goes on.
    pub(super) fn recording_of_consultation(&self) -> Option<RecordingId> {
        match self.transfer.as_ref().map(|transfer| &transfer.phase) {
            Some(Phase::Consulting(consultation)) => consultation.recording,
            _ => None,
        }
    }

    /// Whether `leg` is of the one who is asked.
    pub(super) fn is_asked(&self, leg: LegId) -> bool {
        matches!(self.transfer.as_deref(),
            Some(Transfer { phase: Phase::Consulting(consultation), .. }) if consultation.leg == leg)
    }

    /// The one who is asked left: the others go on.
    pub(super) fn asked_left(&mut self, context: &mut Context<'_>, by: HungUpBy, cause: Termination) {
        self.end_consultation(context, (by, cause));
        let outcome = TransferOutcome::Failed { cause: RefusalCause::Rejected, status: None };
        self.fact(context, CallFact::TransferEnded { outcome });
        self.go_on_as_before(context);
    }

    /// Ends the part of the one who is asked; the transfer itself is the caller's of this to end.
    pub(super) fn end_consultation(
        &mut self,
        context: &mut Context<'_>,
        (by, cause): (HungUpBy, Termination),
    ) {
        let Some(Transfer { phase: Phase::Consulting(consultation), tone, .. }) =
            self.transfer.as_deref_mut()
        else {
            return;
        };
        let (offer, leg, with) = (consultation.offer, consultation.leg, consultation.with);
        // Music that the others wait with ends with the transfer; that of the one who leaves, with its port.
        if with == With::Waiting {
            *tone = None;
        }
        self.end_recording_of_consultation(context);
        match (with, self.recording) {
            (With::Everybody, Some(recording)) => {
                context.media(Command::MarkRecording { recording, mark: Mark::PartyLeft(leg) });
            }
            (With::Everybody, None) => {}
            (With::Asked | With::Waiting, _) => self.fact(context, CallFact::ConsultationEnded),
        }
        self.fact(context, CallFact::AgentLeft { offer, by, cause });
        if let Some(at) = self.parties.iter().position(|party| party.offer == offer) {
            self.drop_party(context, at, None);
        }
    }

    /// Who asked hung up: the one who waited and the one who was asked have each other.
    pub(super) fn consultation_completes(&mut self, context: &mut Context<'_>, cause: Termination) {
        let Some(Transfer { phase: Phase::Consulting(consultation), .. }) = self.transfer.as_deref() else {
            return;
        };
        let (offer, leg, with) = (consultation.offer, consultation.leg, consultation.with);
        self.end_recording_of_consultation(context);
        if with != With::Everybody {
            self.fact(context, CallFact::ConsultationEnded);
        }
        if let (With::Waiting, Some(transfer)) = (with, &mut self.transfer) {
            let music = transfer.tone.take();
            self.stop_playing(context, leg, music);
        }
        self.transferor_leaves(context, cause);
        self.stop_tone(context);
        self.transfer = None;
        self.fact(context, CallFact::TransferEnded { outcome: TransferOutcome::Done });
        if let Some(recording) = self.recording {
            let mark = self.joins_as(leg);
            context.media(Command::MarkRecording { recording, mark });
            self.mark(context, Mark::Transferred(leg));
        }
        self.stage = Stage::Talking(Talk { offer, leg, announcing: None, holders: Vec::new() });
        self.take_over_holds(context);
    }
}
