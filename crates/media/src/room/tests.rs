//! A room in virtual time: talkers with their own clocks, and everything the room hands out.

mod attacks;
mod bridges;
mod codecs;
mod continuity;
mod fax;
mod keys;
mod mixing;
mod noise;
mod playing;
mod recording;
mod relay;
mod reports;
mod secret;
mod sources;
mod tones;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use clock::Instant;
use model::{CallId, LegId, PlayId, RecordingId};

use sdp::{Codec, Direction, KeyWay, Negotiated};

use super::Room;
use crate::clip::Clip;
use crate::command::{Event, Peer, PlayEnd, PlayMode};
use crate::g711::{self, Law};
use crate::rtp::{self, HEADER, Header, Marker};
use crate::sink::{Channel, PortIndex, Side, Sink, TapPacket};

pub(super) const FRAME_TIME: Duration = Duration::from_millis(20);

/// A phone behind a NAT.
pub(super) const PHONE: Peer =
    Peer::Phone { signals_from: std::net::IpAddr::V4(std::net::Ipv4Addr::new(203, 0, 113, 1)) };

/// What a room handed out.
#[derive(Default)]
pub(super) struct Sunk {
    pub now: Instant,
    pub rtp: Vec<Sent>,
    pub rtcp: Vec<(PortIndex, Channel, SocketAddr, Vec<u8>)>,
    pub kept: Vec<Kept>,
    pub events: Vec<Event>,
}

/// An RTP packet that the room sent.
#[derive(Clone, Debug)]
pub(super) struct Sent {
    pub at: Instant,
    pub port: PortIndex,
    pub to: SocketAddr,
    pub header: Header,
    pub payload: Vec<u8>,
}

/// A packet that the room handed to a recording.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Kept {
    pub recording: RecordingId,
    pub side: Side,
    pub leg: LegId,
    pub sequence: u64,
    pub media_time: u64,
    pub codec: Codec,
    pub payload: Vec<u8>,
}

impl Sink for Sunk {
    fn rtp(&mut self, port: PortIndex, to: SocketAddr, datagram: &[u8]) {
        let header = Header::parse(datagram).expect("what we send is RTP");
        assert_eq!(header.payload().start, HEADER);
        self.rtp.push(Sent { at: self.now, port, to, header, payload: datagram[HEADER..].to_vec() });
    }

    fn rtcp(&mut self, port: PortIndex, socket: Channel, to: SocketAddr, datagram: &[u8]) {
        self.rtcp.push((port, socket, to, datagram.to_vec()));
    }

    fn record(&mut self, recording: RecordingId, packet: &TapPacket<'_>) {
        self.kept.push(Kept {
            recording,
            side: packet.side,
            leg: packet.leg,
            sequence: packet.sequence,
            media_time: packet.media_time,
            codec: packet.codec,
            payload: packet.payload.to_vec(),
        });
    }

    fn event(&mut self, event: Event) {
        self.events.push(event);
    }
}

/// A peer with its own RTP clock.
#[derive(Clone, Debug)]
pub(super) struct Talker {
    pub port: PortIndex,
    pub source: SocketAddr,
    pub ssrc: u32,
    pub sequence: u16,
    pub timestamp: u32,
    pub payload_type: u8,
}

impl Talker {
    /// The next packet of 20 ms with `payload`.
    pub fn datagram(&mut self, payload: &[u8]) -> Vec<u8> {
        let mut header = [0; HEADER];
        let at = (self.sequence, self.timestamp);
        rtp::write_header(&mut header, Marker::Following, self.payload_type, at, self.ssrc);
        self.sequence = self.sequence.wrapping_add(1);
        self.timestamp = self.timestamp.wrapping_add(160);
        [&header[..], payload].concat()
    }
}

pub(super) struct World {
    pub now: Instant,
    pub room: Room,
    pub sunk: Sunk,
}

pub(super) const CALLER: u64 = 1;
pub(super) const AGENT: u64 = 2;

pub(super) fn leg(raw: u64) -> LegId {
    LegId::from(raw)
}

pub(super) fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

pub(super) fn agreed(remote: &str, codec: Codec) -> Negotiated {
    let remote = address(remote);
    Negotiated {
        remote_rtcp: SocketAddr::new(remote.ip(), remote.port() + 1),
        dtmf: Some(101),
        receive_dtmf: Some(101),
        keys: KeyWay::Events,
        ..Negotiated::plain(remote, codec)
    }
}

impl World {
    pub fn new() -> World {
        World { now: Instant::from_secs(3_600), room: Room::new(CallId::from(7)), sunk: Sunk::default() }
    }

    /// A room with a caller from a trunk (10.0.0.1) and an agent's phone (10.0.0.2) that hear each other.
    pub fn bridged(caller: Codec, agent: Codec) -> (World, Talker, Talker) {
        let mut world = World::new();
        let caller = world.join(CALLER, Peer::Trunk { media_from: Vec::new() }, "10.0.0.1:4000", caller);
        let agent = world.join(AGENT, PHONE, "10.0.0.2:5000", agent);
        world.hear(&[(CALLER, AGENT), (AGENT, CALLER)]);
        (world, caller, agent)
    }

    pub fn join(&mut self, raw: u64, peer: Peer, remote: &str, codec: Codec) -> Talker {
        let port = self.room.open(self.now, leg(raw), peer, raw.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        self.room.describe(self.now, leg(raw), agreed(remote, codec));
        Talker {
            port,
            source: address(remote),
            ssrc: 0x1000 + raw as u32,
            sequence: 65_530,
            timestamp: u32::MAX - 1_000,
            payload_type: codec.payload_type(),
        }
    }

    pub fn hear(&mut self, pairs: &[(u64, u64)]) {
        let matrix: Vec<_> = pairs.iter().map(|(talker, listener)| (leg(*talker), leg(*listener))).collect();
        self.room.hear(self.now, &matrix);
    }

    /// A datagram comes in; what is sent because of it.
    pub fn came(&mut self, port: PortIndex, source: SocketAddr, mut datagram: Vec<u8>) -> Vec<Sent> {
        let before = self.sunk.rtp.len();
        self.sunk.now = self.now;
        self.room.forward(self.now, (port, Channel::Rtp), source, &mut datagram, &mut self.sunk);
        self.sunk.rtp[before..].to_vec()
    }

    /// `talker` says 20 ms at `level`; what is sent because of it.
    pub fn says(&mut self, talker: &mut Talker, level: i16) -> Vec<Sent> {
        let law = if talker.payload_type == 8 { Law::Pcma } else { Law::Pcmu };
        let datagram = talker.datagram(&[g711::encode(law, level); 160]);
        self.came(talker.port, talker.source, datagram)
    }

    /// Time passes to the end of `length`, and the room does what is due on the way; what is sent meanwhile.
    pub fn pass(&mut self, length: Duration) -> Vec<Sent> {
        let before = self.sunk.rtp.len();
        let end = self.now + length;
        while let Some(due) = self.room.poll_timeout().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            self.sunk.now = self.now;
            self.room.tick(self.now, &mut self.sunk);
            let next = self.room.poll_timeout();
            assert!(next.is_none_or(|next| next > due), "a tick that is done is no longer due");
        }
        self.now = end;
        self.sunk.rtp[before..].to_vec()
    }

    pub fn play(&mut self, raw: u64, play: u64, clips: &[Arc<Clip>], mode: PlayMode) {
        let play = (PlayId::from(play), mode);
        self.room.play(self.now, leg(raw), play, clips.to_vec(), &mut self.sunk);
    }

    /// Events since the last look.
    pub fn events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.sunk.events)
    }

    /// How playbacks ended since the last look.
    pub fn played(&mut self) -> Vec<(u64, PlayEnd)> {
        let ended = |event| match event {
            Event::Played { play, how, .. } => Some((play.raw(), how)),
            _ => None,
        };
        self.events().into_iter().filter_map(ended).collect()
    }
}

/// A clip of `frames` × 20 ms at one level.
pub(super) fn clip(frames: usize, level: i16) -> Arc<Clip> {
    Arc::new(Clip::from_samples(&vec![level; frames * 160]))
}

/// The level a listener hears of a payload, after one law's rounding.
pub(super) fn level(codec: Codec, payload: &[u8]) -> i16 {
    g711::decode(Law::of(codec).unwrap(), payload[payload.len() / 2])
}

/// The level that a listener of `codec` hears of `level`.
pub(super) fn heard(codec: Codec, level: i16) -> i16 {
    g711::decode(Law::of(codec).unwrap(), g711::encode(Law::of(codec).unwrap(), level))
}
