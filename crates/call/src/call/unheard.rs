//! Owns the alarm of a conversation in which somebody is not heard (R37 单通, 无声): whom media watches, and who is
//! unheard now. Does not own what a sound is (see `media`), nor calls that end because nothing comes (see `media_side`).

use media::command::Command;
use model::LegId;
use model::event::CallFact;
use model::outcome::Unheard;
use smallvec::SmallVec;

use super::hearing::Stands;
use super::voicemail::PAUSE;
use super::{Call, Stage};
use crate::context::Context;
use crate::live::LiveAudio;

/// Whom media watches, and who of them is unheard.
#[derive(Debug, Default)]
pub(super) struct Alarms(SmallVec<[(LegId, Option<Unheard>); 2]>);

impl Alarms {
    fn of(&mut self, leg: LegId) -> Option<&mut Option<Unheard>> {
        self.0.iter_mut().find(|(known, _)| *known == leg).map(|(_, how)| how)
    }

    fn is_unheard(&self, leg: LegId) -> bool {
        self.0.iter().any(|(known, how)| *known == leg && how.is_some())
    }
}

impl Call {
    /// Whoever talks is watched; who holds, or waits, need not be heard.
    pub(super) fn set_alarms(&mut self, context: &mut Context<'_>) {
        let after = self.settings.plan.silence_alarm;
        if after.is_none() {
            return;
        }
        let persons = self.persons();
        let talks = |leg| persons.iter().any(|person| person.leg == leg && person.stands == Stands::Talking);
        self.alarms.0.retain(|(port, _)| {
            let stays = talks(*port);
            if !stays {
                context.media(Command::Alarm { port: *port, after: None });
            }
            stays
        });
        for person in persons.iter().filter(|person| talks(person.leg)) {
            if self.alarms.of(person.leg).is_none() {
                self.alarms.0.push((person.leg, None));
                context.media(Command::Alarm { port: person.leg, after });
            }
        }
    }

    /// Nobody talks any more.
    pub(super) fn clear_alarms(&mut self, context: &mut Context<'_>) {
        for (port, _) in self.alarms.0.drain(..) {
            context.media(Command::Alarm { port, after: None });
        }
    }

    pub(super) fn on_unheard(&mut self, context: &mut Context<'_>, leg: LegId, how: Unheard) {
        if let Some(known) = self.alarms.of(leg) {
            *known = Some(how);
            self.fact(context, CallFact::Unheard { leg, how });
        } else {
            self.on_pause(leg, Some(context.now.saturating_sub(PAUSE)));
        }
    }

    pub(super) fn on_heard_again(&mut self, context: &mut Context<'_>, leg: LegId) {
        if self.alarms.of(leg).and_then(Option::take).is_some() {
            self.fact(context, CallFact::HeardAgain { leg });
        } else {
            self.on_pause(leg, None);
        }
    }

    /// What an operator sees of the call's audio.
    pub(super) fn live_audio(&self) -> LiveAudio {
        let Stage::Talking(talk) = &self.stage else { return LiveAudio::Fine };
        let caller = self.caller.as_ref().is_some_and(|caller| self.alarms.is_unheard(caller.id));
        match (caller, self.alarms.is_unheard(talk.leg)) {
            _ if self.has_fax() => LiveAudio::Fax,
            (false, false) => LiveAudio::Fine,
            (true, false) => LiveAudio::CallerUnheard,
            (false, true) => LiveAudio::PartyUnheard,
            (true, true) => LiveAudio::NobodyHeard,
        }
    }

    /// Whether somebody in the call is unheard.
    pub fn has_unheard(&self) -> bool {
        self.alarms.0.iter().any(|(_, how)| how.is_some())
    }
}
