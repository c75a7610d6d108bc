//! Owns what time brings to a room: frames of playbacks, keys we press (see [`super::keys`]), ends of keys that were lost, reports, and
//! silence that lasts too long.

use clock::Instant;
use model::CallId;
use sdp::KeyWay;

use super::Room;
use crate::clip::ClipFrame;
use crate::codec::{Codec, Encoder, FRAME, LONGEST};
use crate::command::{Event, PlayEnd};
use crate::player::Frame;
use crate::port::{Carries, Outlet, Port};
use crate::rtcp;
use crate::rtp::{self, HEADER};
use crate::rtp_send::Slot;
use crate::sink::{Channel, PortIndex, Sink};

impl Room {
    /// Does what is due. Early, late and repeated calls are harmless.
    pub fn tick(&mut self, now: Instant, sink: &mut impl Sink) {
        if self.due.is_none_or(|due| due > now) {
            return;
        }
        let room = self.id;
        for place in 0..self.ports.len() {
            let Some(port) = &mut self.ports[place] else { continue };
            if let Some(pressed) = port.keys_in.handle_timeout(now) {
                self.tell_key(now, PortIndex(place as u16), pressed, KeyWay::Events, sink);
            }
        }
        // What was pressed in these frames is passed on at once.
        self.mix(now, sink);
        for (place, port) in self.ports.iter_mut().enumerate() {
            if let Some(port) = port {
                port.tick(now, (room, PortIndex(place as u16)), sink);
            }
        }
        self.rearm();
    }
}

impl Port {
    fn tick(&mut self, now: Instant, (room, index): (CallId, PortIndex), sink: &mut impl Sink) {
        if self.agreed.is_some() {
            self.press(now, index, sink);
            self.play(now, (room, index), sink);
            if self.carries == Carries::Audio && self.report.poll_timeout().is_some_and(|due| due <= now) {
                self.report(now, index, sink);
            }
        }
        self.watch_silence(now, room, sink);
        self.look_for_alarm(now, room, sink);
    }

    /// Sends the frames of the playback that are due, and says when it ended.
    fn play(&mut self, now: Instant, (room, index): (CallId, PortIndex), sink: &mut impl Sink) {
        let Some(codec) = self.agreed.as_ref().map(|agreed| agreed.codec) else { return };
        // Frames are sent while the player is out of the port, since both are needed.
        let Some(mut player) = self.player.take_if(|player| player.poll_timeout() <= now) else { return };
        let outlet = self.outlet();
        if self.is_pressed_to() {
            player.wait(now);
        }
        loop {
            match player.poll_frame(now, codec) {
                Frame::Due(frame) => {
                    // A peer that holds us hears nothing, but the prompt's time passes.
                    let Some(outlet) = outlet else { continue };
                    let mut payload = [0; LONGEST];
                    let length = match frame {
                        ClipFrame::Payload(known) => {
                            payload[..known.len()].copy_from_slice(known);
                            known.len()
                        }
                        ClipFrame::Linear(frame) => self.encoder_for(codec).encode(&frame, &mut payload),
                    };
                    let slot = self.send.own(now, player.take_ahead());
                    self.send_own(index, (outlet, outlet.payload_type), slot, &payload[..length], sink);
                }
                Frame::NotYet => {
                    self.player = Some(player);
                    return;
                }
                Frame::Finished => {
                    self.send.pause();
                    let (port, play) = (self.leg, player.play);
                    sink.event(Event::Played { room, port, play, how: PlayEnd::Finished });
                    return;
                }
            }
        }
    }

    /// What encodes our own sound for the peer.
    pub(super) fn encoder_for(&mut self, codec: Codec) -> &mut Encoder {
        if self.encoder.as_ref().is_some_and(|encoder| encoder.codec() != codec) {
            self.encoder = None;
        }
        self.encoder.get_or_insert_with(|| Encoder::new(codec))
    }

    /// Encodes and sends 20 ms of ours.
    pub(super) fn send_linear(
        &mut self,
        index: PortIndex,
        outlet: Outlet,
        slot: Slot,
        frame: &[i16; FRAME],
        sink: &mut impl Sink,
    ) {
        let mut payload = [0; LONGEST];
        let length = self.encoder_for(outlet.codec).encode(frame, &mut payload);
        self.send_own(index, (outlet, outlet.payload_type), slot, &payload[..length], sink);
    }

    /// Sends one packet of ours: at most a frame.
    pub(super) fn send_own(
        &mut self,
        index: PortIndex,
        (outlet, payload_type): (Outlet, u8),
        slot: Slot,
        payload: &[u8],
        sink: &mut impl Sink,
    ) {
        let mut packet = [0; HEADER + LONGEST];
        let length = HEADER + payload.len();
        if let Some((header, body)) = packet.split_first_chunk_mut::<HEADER>() {
            rtp::write_header(header, slot.marker, payload_type, slot.at, self.send.ssrc);
            body[..payload.len()].copy_from_slice(payload);
        }
        self.send.sent(payload.len());
        self.transmit(index, outlet.to, &packet[..length], sink);
    }

    /// RFC 3550 §6.4: a sender's report when we sent since the last one or before, else a receiver's.
    fn report(&mut self, now: Instant, index: PortIndex, sink: &mut impl Sink) {
        self.report.wait(now);
        let mut block = self.receive.report();
        if let Some(block) = &mut block {
            self.report.complete(now, block);
        }
        let sender = self.send.info(now);
        if sender.is_none() && block.is_none() {
            return;
        }
        let ssrc = self.send.ssrc;
        let mut out = [0; rtcp::MAX_COMPOUND];
        let length = rtcp::write_report(&mut out, ssrc, self.report.cname(ssrc), sender, block);
        self.send_report(index, &out[..length], sink);
    }

    /// RFC 3550 §6.6: tells the peer that our stream ends, when there was one.
    pub(super) fn say_bye(&mut self, index: PortIndex, sink: &mut impl Sink) {
        if self.send.packets() > 0 && self.carries == Carries::Audio {
            let ssrc = self.send.ssrc;
            let mut out = [0; rtcp::MAX_COMPOUND];
            let length = rtcp::write_bye(&mut out, ssrc, self.report.cname(ssrc));
            self.send_report(index, &out[..length], sink);
        }
    }

    fn send_report(&mut self, index: PortIndex, compound: &[u8], sink: &mut impl Sink) {
        let Some(agreed) = self.agreed else { return };
        let (channel, to) = if agreed.rtcp_mux {
            (Channel::Rtp, self.source.target())
        } else {
            (Channel::Rtcp, self.report_target(agreed.remote_rtcp))
        };
        if let Some(to) = to {
            self.transmit_report((index, channel), to, compound, sink);
        }
    }

    /// Where the peer's own reports come from, else where it said, unless its media come from elsewhere (NAT).
    fn report_target(&self, described: std::net::SocketAddr) -> Option<std::net::SocketAddr> {
        let elsewhere = self.source.locked().is_some_and(|locked| locked.ip() != described.ip());
        let known = self.report.source.filter(|source| self.source.may_report(*source));
        known.or_else(|| {
            Some(described).filter(|to| !elsewhere && !to.ip().is_unspecified() && to.port() != 0)
        })
    }

    fn look_for_alarm(&mut self, now: Instant, room: CallId, sink: &mut impl Sink) {
        let expected = self.is_expected_to_speak();
        let (packet, sound) = (self.heard_at, self.loudness.heard_at);
        let Some(alarm) = self.alarm.as_mut().filter(|alarm| alarm.due().is_some_and(|due| due <= now))
        else {
            return;
        };
        if !expected {
            alarm.wait(now);
        } else if let Some(how) = alarm.look(now, packet, sound) {
            sink.event(Event::Unheard { room, port: self.leg, how });
        }
    }

    /// A packet came from a peer who was told to be unheard.
    #[cold]
    pub(super) fn heard_again(&mut self, now: Instant, room: CallId, has_sound: bool, sink: &mut impl Sink) {
        if self.alarm.as_mut().is_some_and(|alarm| alarm.came(now, has_sound)) {
            sink.event(Event::HeardAgain { room, port: self.leg });
        }
    }

    fn watch_silence(&mut self, now: Instant, room: CallId, sink: &mut impl Sink) {
        let expected = self.is_expected_to_speak();
        let Some(watch) = self.watch.as_mut().filter(|watch| watch.due.is_some_and(|due| due <= now)) else {
            return;
        };
        if !expected {
            // The next description begins anew.
            watch.due = None;
        } else if watch.is_over(now, self.heard_at) {
            sink.event(Event::RtpTimeout { room, port: self.leg });
        }
    }
}
