//! Owns what a room hands out: datagrams to send, events, packets to record. Does not own who takes them (see
//! `media-net`, which sends, reports and writes).

use std::net::SocketAddr;

use clock::Instant;
use model::{LegId, RecordingId};

use crate::codec::Codec;
use crate::command::Event;

/// Takes what a room hands out, in order. The worker implements it over sockets, tests over vectors.
pub trait Sink {
    /// Send an RTP datagram from `port`'s RTP socket to `to`.
    fn rtp(&mut self, port: PortIndex, to: SocketAddr, datagram: &[u8]);
    /// Send an RTCP datagram to `to`, from `port`'s RTCP socket, or with rtcp-mux from its RTP socket.
    fn rtcp(&mut self, port: PortIndex, socket: Channel, to: SocketAddr, datagram: &[u8]);
    /// A packet of a recording, already unmasked and heard by whom it is kept for.
    fn record(&mut self, recording: RecordingId, packet: &TapPacket<'_>);
    /// A fact for call control; never dropped.
    fn event(&mut self, event: Event);
}

/// A port's place in its room, as `Room::open` gave it; free again when the port is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PortIndex(pub u16);

/// Which socket of a port's pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channel {
    /// The even one.
    Rtp,
    /// The odd one.
    Rtcp,
}

/// Which channel of the stereo file a packet belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// What the caller says.
    Left,
    /// What the caller hears from persons.
    Right,
}

/// One packet of audio as it is kept.
#[derive(Clone, Copy, Debug)]
pub struct TapPacket<'a> {
    /// Where it belongs.
    pub side: Side,
    /// Who says it.
    pub leg: LegId,
    /// The sequence number as received, extended to 64 bits per leg: ascends across wraps and changes of SSRC.
    pub sequence: u64,
    /// The talker's media time in samples of 8 kHz, continuous across changes of SSRC.
    pub media_time: u64,
    /// When it arrived.
    pub arrival: Instant,
    /// How `payload` is encoded.
    pub codec: Codec,
    /// Bytes of `codec`.
    pub payload: &'a [u8],
}
