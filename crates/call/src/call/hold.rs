//! Owns what a peer's new session description changes: hold, resume, a new address.

use bytes::Bytes;
use media::command::{Command, Mark, PlayMode};
use model::event::CallFact;
use model::outcome::HungUpBy;
use model::say::{Key, SayItem};
use model::{LegId, PromptName};
use sdp::KeyWay;

use super::flow_side::music_of;
use super::{Call, Playing, Stage};
use crate::context::Context;
use crate::leg::Hold;

impl Call {
    /// A re-INVITE or UPDATE: the media is anchored here, so that the other side never hears of it.
    pub(super) fn on_offered(&mut self, context: &mut Context<'_>, leg: LegId, sdp: Option<Bytes>) {
        let Some(known) = self.legs_mut().find(|known| known.id == leg) else { return };
        if let Some(fax) = sdp.as_deref().and_then(|offer| known.media.fax_in(offer)) {
            return self.on_fax_offered(context, leg, fax);
        }
        let answer = match sdp {
            Some(offer) => known.media.answer_again(&offer, known.session.last_description()),
            // RFC 3261 §14.2: a re-INVITE without a description asks for our offer.
            None => {
                let offer = known.media.offer();
                return known.session.accept_offer(context.now, context.endpoint, offer);
            }
        };
        match answer {
            Ok(answer) => {
                known.session.accept_offer(context.now, context.endpoint, answer);
                known.describe(context);
                self.fax_left_by(context, leg);
                self.on_media_changed(context, leg);
            }
            // RFC 3261 §14.2: what was agreed before stands.
            Err(unusable) => known.session.refuse_offer(context.now, context.endpoint, unusable.0),
        }
    }

    /// What was agreed with `leg` changed: hold may have begun or ended.
    pub(super) fn on_media_changed(&mut self, context: &mut Context<'_>, leg: LegId) {
        let Some(hold) = self.legs().find(|known| known.id == leg).map(|leg| leg.hold()) else { return };
        let Stage::Talking(talk) = &self.stage else { return };
        let held_before = talk.holders.iter().any(|(holder, _)| *holder == leg);
        let concerns = leg == talk.leg || self.is_caller(leg);
        match (hold, held_before) {
            (Hold::ByPeer, false) if concerns => self.begin_hold(context, leg),
            (Hold::Open, true) => self.end_hold(context, leg),
            _ => {}
        }
    }

    fn begin_hold(&mut self, context: &mut Context<'_>, holder: LegId) {
        let Stage::Talking(talk) = &self.stage else { return };
        let (offer, first) = (talk.offer, talk.holders.is_empty());
        let Some(listener) = self.opposite(talk, holder) else { return };
        let (items, mode) = self.hold_music();
        let music = self.play_to(context, listener, Playing::Background, items, mode);
        if let Stage::Talking(talk) = &mut self.stage {
            talk.holders.push((holder, Some(music)));
        }
        // Who holds need not send anything.
        context.media(Command::Watch { port: holder, rtp_timeout: None });
        self.connect(context);
        let by = self.side(holder);
        self.fact(context, CallFact::HoldBegan { by });
        if first {
            if let Some(recording) = self.recording {
                context.media(Command::MarkRecording { recording, mark: Mark::Hold });
            }
            context.acd(&self.tenant, acd::Input::Held { offer, held: true });
        }
    }

    fn end_hold(&mut self, context: &mut Context<'_>, holder: LegId) {
        let Stage::Talking(talk) = &mut self.stage else { return };
        let Some(at) = talk.holders.iter().position(|(known, _)| *known == holder) else { return };
        let (_, music) = talk.holders.remove(at);
        let (offer, last) = (talk.offer, talk.holders.is_empty());
        let Stage::Talking(talk) = &self.stage else { return };
        if let Some(listener) = self.opposite(talk, holder) {
            self.stop_playing(context, listener, music);
        }
        context.media(Command::Watch { port: holder, rtp_timeout: self.settings.plan.rtp_timeout });
        self.connect(context);
        let by = self.side(holder);
        self.fact(context, CallFact::HoldEnded { by });
        if last {
            if let Some(recording) = self.recording {
                context.media(Command::MarkRecording { recording, mark: Mark::Resume });
            }
            context.acd(&self.tenant, acd::Input::Held { offer, held: false });
        }
    }

    /// A leg that held leaves: whoever waited for it waits no longer.
    pub(super) fn hold_ends_with(&mut self, context: &mut Context<'_>, leg: LegId) {
        self.end_hold(context, leg);
    }

    /// Whoever is held hears music, after something else was played to them.
    pub(super) fn play_hold_music(&mut self, context: &mut Context<'_>) {
        let Stage::Talking(talk) = &self.stage else { return };
        let holders: Vec<LegId> = talk.holders.iter().map(|(holder, _)| *holder).collect();
        for holder in holders {
            let Stage::Talking(talk) = &self.stage else { return };
            let Some(listener) = self.opposite(talk, holder) else { continue };
            let (items, mode) = self.hold_music();
            let play = self.play_to(context, listener, Playing::Background, items, mode);
            if let Stage::Talking(talk) = &mut self.stage
                && let Some((_, music)) = talk.holders.iter_mut().find(|(known, _)| *known == holder)
            {
                *music = Some(play);
            }
        }
    }

    pub(super) fn hold_music(&self) -> (Vec<SayItem>, PlayMode) {
        let talking = match &self.stage {
            Stage::Talking(talk) => self.parties.iter().find(|party| party.offer == talk.offer),
            _ => None,
        };
        let queue = talking.and_then(|party| party.queue());
        let queue = queue.or(self.waited.as_ref().map(|waited| &waited.queue));
        let profile = queue.and_then(|queue| self.settings.plan.queues.get(queue));
        if profile.is_some() {
            return music_of(profile);
        }
        (vec![SayItem::Prompt(PromptName::new(&self.tenant, DEFAULT_MUSIC))], PlayMode::Joined)
    }

    pub(super) fn side(&self, leg: LegId) -> HungUpBy {
        if self.is_caller(leg) { HungUpBy::Caller } else { HungUpBy::Agent }
    }

    /// DTMF by SIP INFO (`application/dtmf-relay`, `application/dtmf`), from a peer that sends no RFC 4733 events.
    pub(super) fn on_info(&mut self, context: &mut Context<'_>, leg: LegId, content_type: &str, body: &[u8]) {
        let Some((key, millis)) = dtmf_relay(content_type, body) else { return };
        let others = match &self.stage {
            Stage::Talking(talk) if self.passes_keys() => self.opposite(talk, leg),
            _ => None,
        };
        if let Some(port) = others
            && !self.send_key_by_info(context, port, key, millis)
        {
            context.media(Command::SendDigit { port, key, millis });
        }
        self.on_key(context, leg, key);
    }
}

impl Call {
    /// Tells the peer of `leg` a key by SIP INFO; `false` when it wants keys in another way.
    pub(super) fn send_key_by_info(
        &mut self,
        context: &mut Context<'_>,
        leg: LegId,
        key: Key,
        millis: u32,
    ) -> bool {
        let Some(known) = self.legs_mut().find(|known| known.id == leg) else { return false };
        let by_info = known.media.agreed.is_some_and(|agreed| agreed.keys == KeyWay::Info);
        if by_info {
            let body = format!("Signal={}\r\nDuration={millis}\r\n", key.as_char());
            known.session.send_info(context.now, context.endpoint, "application/dtmf-relay", body.into());
        }
        by_info
    }
}

/// The music of who is held in a call that came by no queue.
const DEFAULT_MUSIC: &str = "default";

/// The key and its length in milliseconds from the body of an INFO.
fn dtmf_relay(content_type: &str, body: &[u8]) -> Option<(Key, u32)> {
    const USUAL_MILLIS: u32 = 160;
    let text = std::str::from_utf8(body).ok()?;
    let kind = content_type.split(';').next().unwrap_or_default().trim();
    if kind.eq_ignore_ascii_case("application/dtmf") {
        return Some((told_key(text)?, USUAL_MILLIS));
    }
    if !kind.eq_ignore_ascii_case("application/dtmf-relay") {
        return None;
    }
    let field = |name: &str| {
        text.lines()
            .filter_map(|line| line.split_once('='))
            .find_map(|(key, value)| key.trim().eq_ignore_ascii_case(name).then(|| value.trim()))
    };
    let key = told_key(field("Signal")?)?;
    let millis = field("Duration").and_then(|text| text.parse().ok()).unwrap_or(USUAL_MILLIS);
    Some((key, millis.clamp(40, 6_000)))
}

/// A key by its sign, or as some phones tell it by the number of its event: 10 is the star, 11 the hash.
fn told_key(text: &str) -> Option<Key> {
    let text = text.trim();
    text.parse().ok().map_or_else(|| Key::from_char(text.chars().next()?), Key::from_event)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dtmf_in_info_is_read_in_both_common_forms() {
        let key = Key::from_char('5').unwrap();
        assert_eq!(dtmf_relay("application/dtmf-relay", b"Signal=5\r\nDuration=250\r\n"), Some((key, 250)));
        assert_eq!(dtmf_relay("application/dtmf-relay;x=y", b"Signal= 5\n"), Some((key, 160)));
        assert_eq!(dtmf_relay("application/dtmf", b"5"), Some((key, 160)));
        for (told, meant) in [("*", '*'), ("10", '*'), ("11", '#'), ("12", 'A'), ("0", '0'), ("d", 'D')] {
            let key = Key::from_char(meant).unwrap();
            let body = format!("Signal={told}\r\nDuration=100\r\n");
            assert_eq!(dtmf_relay("application/dtmf-relay", body.as_bytes()), Some((key, 100)));
            assert_eq!(dtmf_relay("application/dtmf", told.as_bytes()), Some((key, 160)));
        }
        assert_eq!(dtmf_relay("application/dtmf-relay", b"Signal=16"), None);
        assert_eq!(dtmf_relay("text/plain", b"5"), None);
        assert_eq!(dtmf_relay("application/dtmf-relay", b"Signal=x"), None);
    }
}
