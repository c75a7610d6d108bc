//! Owns one port: whom it believes, what it receives and sends, its playback, keys, reports and watch. Does not own
//! who hears whom (see [`crate::room`]).

use std::net::SocketAddr;
use std::time::Duration;

use clock::Instant;
use model::LegId;
use smallvec::SmallVec;

use sdp::Negotiated;

use crate::codec::Codec;
use crate::command::Peer;
use crate::dtmf::{KeyReceive, KeySend};
use crate::jitter::Jitter;
use crate::player::Player;
use crate::port_report::PortReport;
use crate::port_source::PortSource;
use crate::quality::Quality;
use crate::rtp_receive::RtpReceive;
use crate::rtp_send::RtpSend;

/// A port of a room. Indices are places in the room.
#[derive(Clone, Debug)]
pub(crate) struct Port {
    pub leg: LegId,
    pub agreed: Option<Negotiated>,
    pub source: PortSource,
    pub receive: RtpReceive,
    pub send: RtpSend,
    pub keys_in: KeyReceive,
    pub keys_out: KeySend,
    pub player: Option<Player>,
    pub report: PortReport,
    pub watch: Option<Watch>,
    /// Ports that hear this one.
    pub heard_by: SmallVec<[u16; 2]>,
    /// Ports that this one hears.
    pub hears: SmallVec<[u16; 2]>,
    /// What it says, while somebody hears it mixed with others.
    pub jitter: Option<Box<Jitter>>,
    /// Samples since the last mixed frame that was sent.
    pub mixed_ahead: u64,
    /// When the last believed packet came.
    pub heard_at: Option<Instant>,
    pub dropped: u64,
}

/// What a payload type means on a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Audio(Codec),
    Key,
    Unknown,
}

impl Port {
    pub fn new(now: Instant, leg: LegId, peer: Peer, seed: u64) -> Port {
        Port {
            leg,
            agreed: None,
            source: PortSource::new(peer),
            receive: RtpReceive::default(),
            send: RtpSend::new(seed),
            keys_in: KeyReceive::default(),
            keys_out: KeySend::default(),
            player: None,
            report: PortReport::new(now, seed),
            watch: None,
            heard_by: SmallVec::new(),
            hears: SmallVec::new(),
            jitter: None,
            mixed_ahead: 0,
            heard_at: None,
            dropped: 0,
        }
    }

    pub fn describe(&mut self, now: Instant, agreed: Negotiated) {
        self.source.describe(now, agreed.remote);
        self.agreed = Some(agreed);
        if let Some(watch) = &mut self.watch {
            watch.begin(now);
        }
    }

    #[inline]
    pub fn kind_of(&self, payload_type: u8) -> Kind {
        let Some(agreed) = &self.agreed else { return Kind::Unknown };
        if payload_type == agreed.receive_payload_type {
            Kind::Audio(agreed.codec)
        } else if agreed.receive_dtmf == Some(payload_type) {
            Kind::Key
        } else if payload_type == Codec::Pcma.payload_type() {
            // Static numbers mean what they always mean: some gateways change the law in mid-call.
            Kind::Audio(Codec::Pcma)
        } else if payload_type == Codec::Pcmu.payload_type() {
            Kind::Audio(Codec::Pcmu)
        } else {
            Kind::Unknown
        }
    }

    /// Where and how packets go out; `None` while the peer does not want any.
    #[inline]
    pub fn outlet(&self) -> Option<Outlet> {
        let agreed = self.agreed.as_ref().filter(|agreed| agreed.direction.sends())?;
        Some(Outlet {
            to: self.source.target()?,
            codec: agreed.codec,
            payload_type: agreed.payload_type,
            key_payload_type: agreed.dtmf,
        })
    }

    /// Whether what others say goes to this port now: nothing else is said or pressed to it.
    #[inline]
    pub fn listens(&self) -> bool {
        self.player.is_none() && !self.keys_out.is_pressing()
    }

    /// Whether it hears several others, mixed by us.
    #[inline]
    pub fn is_mixed(&self) -> bool {
        self.hears.len() > 1
    }

    /// Whether the peer should send at all (RFC 3264 §8.4).
    pub fn is_expected_to_speak(&self) -> bool {
        self.agreed.is_some_and(|agreed| agreed.direction.receives() && !agreed.on_hold)
    }

    pub fn quality(&self) -> Quality {
        Quality {
            received: self.receive.received,
            lost: self.receive.lost(),
            dropped: self.dropped,
            sent: self.send.packets(),
            jitter_us: self.receive.jitter_us(),
            jitter_max_us: self.receive.jitter_max_us(),
            round_trip_us: self.report.round_trip_us(),
            remote_lost: self.report.remote_lost(),
        }
    }

    /// When something of this port is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let described = self.agreed.is_some();
        [
            // Nothing is said or pressed to a peer that has not said how.
            self.player.as_ref().filter(|_| described).map(Player::poll_timeout),
            self.keys_out.poll_timeout().filter(|_| described),
            self.report.poll_timeout().filter(|_| described),
            self.keys_in.poll_timeout(),
            self.watch.as_ref().and_then(|watch| watch.due),
        ]
        .into_iter()
        .flatten()
        .min()
    }
}

/// Where and how a port's packets go out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outlet {
    pub to: SocketAddr,
    pub codec: Codec,
    pub payload_type: u8,
    pub key_payload_type: Option<u8>,
}

/// Waits for a port's silence.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Watch {
    after: Duration,
    since: Instant,
    /// `None` after the silence was told, or while the peer need not speak.
    pub due: Option<Instant>,
}

impl Watch {
    pub fn new(now: Instant, after: Duration) -> Watch {
        Watch { after, since: now, due: Some(now + after) }
    }

    /// Begins to wait anew.
    pub fn begin(&mut self, now: Instant) {
        *self = Watch::new(now, self.after);
    }

    /// Whether silence since `heard_at` has lasted long enough; waits on when not.
    pub fn is_over(&mut self, now: Instant, heard_at: Option<Instant>) -> bool {
        let since = heard_at.map_or(self.since, |heard| heard.max(self.since));
        let over = now >= since + self.after;
        self.due = if over { None } else { Some(since + self.after) };
        over
    }
}
