//! Owns the way of one received datagram through a room: no allocation, no lock, at most one transcoding by table. What needs
//! more is decoded in the room's own time (see [`super::mix`]).

use std::net::SocketAddr;

use clock::Instant;
use sdp::KeyWay;

use super::Room;
use crate::codec::{self, Codec};
use crate::command::Event;
use crate::g711::{self, Law};
use crate::port::{Carries, Kind, Port, Speech};
use crate::rtcp;
use crate::rtp::{self, HEADER, Header};
use crate::rtp_receive::{Place, Received, Timing};
use crate::sink::{Channel, PortIndex, Side, Sink, TapPacket};

impl Room {
    /// Takes a datagram that came to `channel` of port `index` from `source`, and hands out what follows. The
    /// datagram is written over.
    #[inline]
    pub fn forward(
        &mut self,
        now: Instant,
        (index, channel): (PortIndex, Channel),
        source: SocketAddr,
        datagram: &mut [u8],
        sink: &mut impl Sink,
    ) {
        let room = self.id;
        let Some(port) = self.port_at(index) else { return };
        if port.carries == Carries::Fax {
            return self.pass_fax(now, (index, channel), source, datagram, sink);
        }
        // RFC 5761 §4: RTCP may come to the RTP port.
        let is_report = channel == Channel::Rtcp || rtp::is_rtcp(datagram);
        let datagram = match port.open(datagram, is_report) {
            Some(datagram) => datagram,
            None => return,
        };
        if is_report {
            port.take_report(now, source, datagram);
            return;
        }
        let Some((header, kind)) = port.check(now, source, datagram) else {
            port.dropped += 1;
            return;
        };
        if header.ssrc == port.send.ssrc && !self.lets_echo(index) {
            if let Some(port) = self.port_at(index) {
                port.dropped += 1;
            }
            return;
        }
        let Some(port) = self.port_at(index) else { return };
        if port.heard_at.replace(now).is_none() {
            sink.event(Event::FirstPacket { room, port: port.leg });
        }
        let watch_ended = port.watch.is_some_and(|watch| watch.due.is_none());
        let raised = port.alarm.is_some_and(|alarm| alarm.is_raised());
        if let Some(watch) = port.watch.as_mut().filter(|_| watch_ended) {
            watch.begin(now);
        }
        match kind {
            Kind::Audio(codec) => {
                let timing = Timing::Audio(port.ticks_of(codec));
                if let Received::Placed(place) = port.receive.take(now, &header, timing) {
                    let sound = (codec, &datagram[header.payload()]);
                    let has_sound = port.loudness.look(now, place.sequence, sound, raised);
                    if raised {
                        port.heard_again(now, room, has_sound, sink);
                    }
                    self.relay_audio(now, index, (place, codec), &header, datagram, sink);
                }
            }
            Kind::Noise => {
                if let Received::Placed(place) = port.receive.take(now, &header, Timing::Noise) {
                    self.relay_noise(now, index, place, &header, datagram, sink);
                }
            }
            Kind::Key => {
                let clock = port.agreed.map_or(8_000, |agreed| agreed.dtmf_clock);
                let timing = Timing::Event(codec::ticks_per_sample(clock));
                if let Received::Placed(place) = port.receive.take(now, &header, timing) {
                    let told = port.keys_in.take(now, &header, &datagram[header.payload()], clock);
                    for pressed in told.into_iter().flatten() {
                        self.tell_key(now, index, pressed, KeyWay::Events, sink);
                    }
                    self.relay_key(now, (index, clock), place, &header, datagram, sink);
                }
                self.rearm();
            }
            Kind::Unknown => {}
        }
        if watch_ended || raised {
            self.rearm();
        }
    }

    #[inline]
    fn relay_audio(
        &mut self,
        now: Instant,
        talker: PortIndex,
        (place, spoken): (Place, Codec),
        header: &Header,
        datagram: &mut [u8],
        sink: &mut impl Sink,
    ) {
        if !self.recordings.is_empty() {
            self.tap(now, talker, (place, spoken), &datagram[header.payload()], sink);
        }
        let Some(port) = self.port_at(talker) else { return };
        if let Some(jitter) = &mut port.jitter {
            jitter.push(place.media_time, spoken, &datagram[header.payload()]);
        }
        let listeners = port.heard_by.len();
        let mut written = spoken;
        let mut misfit = false;
        // Those of the talker's own law come first, since the payload is transcoded where it lies.
        for turn in [Turn::SameLaw, Turn::OtherLaw] {
            let mut left = false;
            for nth in 0..listeners {
                let Some(to) = self.listener(talker, nth) else { continue };
                let Some(listener) = self.port_at(to) else { continue };
                if listener.is_decoded() || !listener.listens() {
                    continue;
                }
                let Some(outlet) = listener.outlet() else { continue };
                if (outlet.codec == spoken) != (turn == Turn::SameLaw) {
                    left = true;
                    continue;
                }
                if written != outlet.codec {
                    let (Some(from), Some(to)) = (Law::of(written), Law::of(outlet.codec)) else {
                        misfit = true;
                        continue;
                    };
                    g711::transcode(from, to, &mut datagram[header.payload()]);
                    written = outlet.codec;
                }
                if let Some(slot) = listener.send.relay(now, talker.0, place) {
                    let packet = rewrite(datagram, header, outlet.payload_type, slot, listener.send.ssrc);
                    listener.send.sent(packet.len() - HEADER);
                    listener.transmit(to, outlet.to, packet, sink);
                }
            }
            if !left {
                break;
            }
        }
        if misfit {
            self.decode_from_now_on(now, talker, Speech::Varied);
        }
    }

    /// What `talker` says no longer fits all who hear it packet by packet.
    #[cold]
    fn decode_from_now_on(&mut self, now: Instant, talker: PortIndex, speech: Speech) {
        let Some(port) = self.port_at(talker) else { return };
        if port.speech != Speech::Varied && port.speech != speech {
            port.speech = speech;
            self.line_up(now);
            self.rearm();
        }
    }

    /// Hands comfort noise (RFC 3389) to those who hear the talker and know it; the others hear it decoded.
    fn relay_noise(
        &mut self,
        now: Instant,
        talker: PortIndex,
        place: Place,
        header: &Header,
        datagram: &mut [u8],
        sink: &mut impl Sink,
    ) {
        self.decode_from_now_on(now, talker, Speech::Noisy);
        let Some(port) = self.port_at(talker) else { return };
        if let Some(jitter) = &mut port.jitter {
            jitter.push_noise(place.media_time, &datagram[header.payload()]);
        }
        for nth in 0..port.heard_by.len() {
            let Some(to) = self.listener(talker, nth) else { continue };
            let Some(listener) = self.port_at(to) else { continue };
            if listener.is_decoded() || !listener.listens() {
                continue;
            }
            let Some(outlet) = listener.outlet() else { continue };
            let Some(number) = outlet.noise_payload_type else { continue };
            if let Some(slot) = listener.send.relay(now, talker.0, place) {
                let packet = rewrite(datagram, header, number, slot, listener.send.ssrc);
                listener.send.sent(packet.len() - HEADER);
                listener.transmit(to, outlet.to, packet, sink);
            }
        }
    }

    /// Hands an event packet to those who hear the talker and know events, under their own number.
    fn relay_key(
        &mut self,
        now: Instant,
        (talker, clock): (PortIndex, u32),
        place: Place,
        header: &Header,
        datagram: &mut [u8],
        sink: &mut impl Sink,
    ) {
        let Some(listeners) = self.port_at(talker).map(|port| port.heard_by.len()) else { return };
        for nth in 0..listeners {
            let Some(to) = self.listener(talker, nth) else { continue };
            let Some(listener) = self.port_at(to) else { continue };
            if listener.is_decoded() || !listener.listens() {
                continue;
            }
            let Some(outlet) = listener.outlet() else { continue };
            // Another clock counts other durations: such a key is pressed anew.
            if outlet.keys != KeyWay::Events || outlet.key_clock != clock {
                continue;
            }
            let Some(number) = outlet.key_payload_type else { continue };
            if let Some(slot) = listener.send.relay(now, talker.0, place) {
                let first = if header.marker { rtp::Marker::First } else { slot.marker };
                let slot = crate::rtp_send::Slot { marker: first, ..slot };
                let packet = rewrite(datagram, header, number, slot, listener.send.ssrc);
                listener.send.sent(packet.len() - HEADER);
                listener.transmit(to, outlet.to, packet, sink);
            }
        }
    }

    /// Hands a packet to the recordings that keep it: on the left what the caller says, on the right what the
    /// caller hears of persons.
    #[inline]
    fn tap(
        &mut self,
        now: Instant,
        talker: PortIndex,
        (place, codec): (Place, Codec),
        payload: &[u8],
        sink: &mut impl Sink,
    ) {
        let Some(leg) = self.port_at(talker).map(|port| port.leg) else { return };
        for tapped in &self.recordings {
            let side = if leg == tapped.caller {
                Side::Left
            } else if tapped.persons.contains(&leg) && self.is_kept(talker, tapped.caller) {
                Side::Right
            } else {
                continue;
            };
            // A mask keeps audio out of the journal itself.
            if tapped.masks.are_none() {
                let packet = TapPacket {
                    side,
                    leg,
                    sequence: place.sequence,
                    media_time: place.media_time,
                    arrival: now,
                    codec,
                    payload,
                };
                sink.record(tapped.recording, &packet);
            }
        }
    }

    /// Whether what a person says belongs into a recording of what `caller` hears.
    fn is_kept(&self, talker: PortIndex, caller: model::LegId) -> bool {
        match self.index_of(caller) {
            Some(_) => self.is_heard(talker, caller),
            None => self.ports[usize::from(talker.0)].as_ref().is_some_and(|port| !port.heard_by.is_empty()),
        }
    }

    /// Whether a port's peer may send our own stream back. RFC 3550 §8.2 leaves it to us: an echo test or SIPp's
    /// `-rtp_echo` is heard like any peer, but between two echoes, or one and itself, a packet would run in circles.
    #[cold]
    fn lets_echo(&mut self, index: PortIndex) -> bool {
        let hears_itself = self.port_at(index).is_some_and(|port| port.heard_by.contains(&index.0));
        !hears_itself && *self.echo.get_or_insert(index) == index
    }

    /// Whether `listener` hears `talker` at this moment.
    fn is_heard(&self, talker: PortIndex, listener: model::LegId) -> bool {
        let Some(Some(port)) = self.ports.get(usize::from(talker.0)) else { return false };
        port.heard_by.iter().any(|place| {
            let hearer = self.ports.get(usize::from(*place)).and_then(Option::as_deref);
            hearer.is_some_and(|hearer| hearer.leg == listener && hearer.listens())
        })
    }

    #[inline]
    pub(super) fn listener(&self, talker: PortIndex, nth: usize) -> Option<PortIndex> {
        let port = self.ports.get(usize::from(talker.0))?.as_deref()?;
        port.heard_by.get(nth).copied().map(PortIndex)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Turn {
    SameLaw,
    OtherLaw,
}

impl Port {
    /// The datagram in plain. One of SRTP that is not authentic, or came before, is counted and changes nothing: not
    /// even whose packets are believed.
    #[inline]
    fn open<'a>(&mut self, datagram: &'a mut [u8], is_report: bool) -> Option<&'a mut [u8]> {
        let Some(secured) = &mut self.secured else { return Some(datagram) };
        let opened = if is_report { secured.open_rtcp(datagram) } else { secured.open_rtp(datagram) };
        match opened {
            Ok(length) => datagram.get_mut(..length),
            Err(_) => {
                self.dropped += 1;
                self.unauthentic += 1;
                None
            }
        }
    }

    /// The header of a packet that is RTP, of a kind we agreed on, and from the peer.
    #[inline]
    fn check(&mut self, now: Instant, source: SocketAddr, datagram: &[u8]) -> Option<(Header, Kind)> {
        let header = Header::parse(datagram)?;
        let kind = self.kind_of(header.payload_type);
        let receives = self.agreed.is_some_and(|agreed| agreed.direction.receives());
        if kind == Kind::Unknown || !receives {
            if self.source.locked() == Some(source) {
                self.receive.pass_over(now, &header);
            }
            return None;
        }
        self.source.believes(now, source, header.ssrc).then_some((header, kind))
    }

    /// Whether RTCP from `source` is the peer's: it comes from where the peer said, or from where reports came before, or
    /// is the first of all and of the stream that is heard. Who shares the peer's address, as behind a NAT, gets no reports.
    fn believes_report(&self, source: SocketAddr, datagram: &[u8]) -> bool {
        let named = self.agreed.is_some_and(|agreed| agreed.remote_rtcp == source);
        let believed = match self.report.source {
            _ if named || self.source.locked() == Some(source) => true,
            Some(known) => known == source,
            None => match rtcp::packets(datagram).next() {
                Some(rtcp::Rtcp::SenderReport { ssrc, .. } | rtcp::Rtcp::ReceiverReport { ssrc, .. }) => {
                    self.receive.ssrc().is_none_or(|heard| heard == ssrc)
                }
                _ => false,
            },
        };
        believed && self.source.may_report(source)
    }

    fn take_report(&mut self, now: Instant, source: SocketAddr, datagram: &[u8]) {
        if !self.believes_report(source, datagram) {
            self.dropped += 1;
            return;
        }
        self.report.source = Some(source);
        let ours = self.send.ssrc;
        for packet in rtcp::packets(datagram) {
            self.report.take(now, &packet, ours);
        }
    }
}

/// Writes our header right before the payload, where the peer's header, its contributors and extension were.
#[inline]
fn rewrite<'a>(
    datagram: &'a mut [u8],
    header: &Header,
    payload_type: u8,
    slot: crate::rtp_send::Slot,
    ssrc: u32,
) -> &'a [u8] {
    let payload = header.payload();
    let packet = &mut datagram[payload.start - HEADER..payload.end];
    if let Some(out) = packet.first_chunk_mut::<HEADER>() {
        rtp::write_header(out, slot.marker, payload_type, slot.at, ssrc);
    }
    packet
}
