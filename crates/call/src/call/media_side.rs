//! Owns what media reports: ports, keys, played prompts, silence.

use media::command::{Event, PlayEnd};
use model::event::CallFact;
use model::outcome::{CallResult, HungUpBy, Termination};
use model::say::Key;
use model::{LegId, PlayId};
use sip::HeaderName;

use super::{Call, Playing, Stage};
use crate::context::Context;

impl Call {
    /// A fact of media for this call.
    pub fn on_media(&mut self, context: &mut Context<'_>, event: Event) {
        if let Event::PortOpened { port, .. } = &event {
            self.measured.push(*port);
        }
        match event {
            Event::PortOpened { port, address, .. } if self.is_arriving(port) => {
                self.on_caller_port(context, address);
            }
            Event::PortOpened { port, address, .. } => self.on_party_port(context, port, address),
            Event::PortFailed { port, .. } if self.is_arriving(port) => {
                self.refuse(context, 503, &[(HeaderName::RetryAfter, "5")], CallResult::Failure);
            }
            Event::PortFailed { port, .. } => self.on_party_port_failed(context, port),
            Event::Digit { port, key, millis, .. } => {
                // Media has passed it on as events and tones; INFO is ours.
                let other = match &self.stage {
                    Stage::Talking(talk) if talk.holders.is_empty() && self.passes_keys() => {
                        self.opposite(talk, port)
                    }
                    _ => None,
                };
                if let Some(other) = other {
                    self.send_key_by_info(context, other, key, millis);
                }
                self.on_key(context, port, key);
            }
            Event::Played { play, how, .. } => self.on_played(context, play, &how),
            Event::RtpTimeout { port, .. } => {
                if !self.is_over() {
                    self.fact(context, CallFact::MediaLost { leg: port });
                    self.release(context, HungUpBy::Switch, Termination::MediaTimeout, None);
                }
            }
            Event::Unheard { port, how, .. } => self.on_unheard(context, port, how),
            Event::HeardAgain { port, .. } => self.on_heard_again(context, port),
            Event::Quality { port, quality, .. } => {
                self.measured.retain(|known| *known != port);
                let fact = CallFact::Quality {
                    leg: port,
                    received: quality.received,
                    lost: quality.lost,
                    jitter_us: quality.jitter_us,
                    round_trip_us: quality.round_trip_us,
                    mos_centi: if quality.received == 0 { 0 } else { quality.mos_centi() },
                    silent: quality.silent,
                    dropped: quality.dropped,
                    unauthentic: quality.unauthentic,
                };
                self.fact(context, fact);
            }
            Event::FirstPacket { .. } | Event::RecordingClosed { .. } => {}
        }
        self.settle(context);
    }

    fn is_arriving(&self, port: LegId) -> bool {
        matches!(&self.stage, Stage::Arriving(arrival) if arrival.leg == port)
    }

    /// Whether keys go from one side of the conversation to the other.
    pub(super) fn passes_keys(&self) -> bool {
        self.transfer.is_none() && self.asking.is_none()
    }

    /// A key, by RFC 4733 or INFO.
    pub(super) fn on_key(&mut self, context: &mut Context<'_>, leg: LegId, key: Key) {
        if matches!(self.stage, Stage::Talking(_)) {
            return self.on_key_in_talk(context, leg, key);
        }
        if !self.is_caller(leg) {
            return;
        }
        match &self.stage {
            Stage::InFlow => self.flow(context, ivr::Input::Key(key)),
            Stage::Queued { entry, .. } => {
                let entry = *entry;
                context.acd(&self.tenant, acd::Input::KeyPressed { entry, key });
            }
            Stage::Visiting { .. } => self.on_supervisors_key(context, key),
            Stage::Conferring { .. } => self.on_conference_key(context, key),
            Stage::Leaving(_) | Stage::Listening(_) => self.on_voicemail_key(context, key),
            Stage::Arriving(_)
            | Stage::Originating
            | Stage::Dialling { .. }
            | Stage::Talking(_)
            | Stage::Summoning(_)
            | Stage::Over => {}
        }
    }

    fn on_played(&mut self, context: &mut Context<'_>, play: PlayId, how: &PlayEnd) {
        match self.playing.remove(&play) {
            // R41: a notice that could not be heard was not given.
            Some(Playing::Flow(number)) if matches!(how, PlayEnd::Failed(_)) => {
                self.flow(context, ivr::Input::NotPlayed { play: number });
            }
            Some(Playing::Flow(number)) => self.flow(context, ivr::Input::Played { play: number }),
            Some(Playing::Voicemail) => self.voicemail_said(context),
            Some(Playing::Mailbox(play)) => {
                let failed = matches!(how, PlayEnd::Failed(_));
                let heard = if failed { ivr::Input::NotPlayed { play } } else { ivr::Input::Played { play } };
                self.listener_heard(context, heard);
            }
            Some(Playing::Announcement(entry)) => self.on_said(context, entry),
            Some(Playing::AgentNumber(offer)) => self.on_agent_number_said(context, offer),
            Some(Playing::Background) | None => {}
        }
    }
}
