//! Owns one port: whom it believes, what it receives and sends, its playback, keys, reports and watch. Does not own
//! who hears whom (see [`crate::room`]).

use std::net::SocketAddr;
use std::time::Duration;

use clock::Instant;
use model::LegId;
use smallvec::SmallVec;

use sdp::{KeyWay, Negotiated};

use crate::alarm::Alarm;
use crate::codec::{self, Codec, Encoder};
use crate::command::Peer;
use crate::dtmf::inband::ToneReceive;
use crate::dtmf::{KeyReceive, KeySend};
use crate::jitter::Jitter;
use crate::loudness::Loudness;
use crate::player::Player;
use crate::port_report::PortReport;
use crate::port_source::PortSource;
use crate::quality::Quality;
use crate::rtp_receive::RtpReceive;
use crate::rtp_send::RtpSend;
use crate::sink::{Channel, PortIndex, Sink};
use crate::srtp::Secured;

/// A port of a room. Indices are places in the room.
#[derive(Debug)]
pub(crate) struct Port {
    pub leg: LegId,
    pub agreed: Option<Negotiated>,
    pub carries: Carries,
    pub source: PortSource,
    pub receive: RtpReceive,
    pub send: RtpSend,
    pub keys_in: KeyReceive,
    /// Keys that are pressed towards it.
    pub keys_out: Option<Box<KeySend>>,
    pub player: Option<Box<Player>>,
    pub report: PortReport,
    pub watch: Option<Watch>,
    pub alarm: Option<Alarm>,
    /// Ports that hear this one.
    pub heard_by: SmallVec<[u16; 2]>,
    /// Ports that this one hears.
    pub hears: SmallVec<[u16; 2]>,
    /// What it says, while somebody hears it decoded, or keys are looked for in it.
    pub jitter: Option<Box<Jitter>>,
    /// Keys in what it says, while they have no other way, until it is heard to be a fax device.
    pub tones: Option<Box<ToneReceive>>,
    /// How what others say reaches it.
    pub hearing: Hearing,
    /// What it has said so far.
    pub speech: Speech,
    /// What we say to it, when its codec has a state.
    pub encoder: Option<Encoder>,
    /// Keys and counters of its SRTP.
    pub secured: Option<Box<Secured>>,
    /// The level of what it says.
    pub loudness: Loudness,
    /// Samples since the last mixed frame that was sent.
    pub mixed_ahead: u64,
    /// When the peer was last told of a silence, while it goes on.
    pub noise_told: Option<Instant>,
    /// When the last believed packet came.
    pub heard_at: Option<Instant>,
    pub dropped: u64,
    /// Packets whose tag was wrong, or that came before (SRTP).
    pub unauthentic: u64,
}

/// What is exchanged with a port's peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Carries {
    /// RTP.
    Audio,
    /// UDPTL (ITU-T T.38), which passes as it comes.
    Fax,
}

/// How what others say reaches a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hearing {
    /// Packet by packet, with another header.
    Relayed,
    /// Decoded, mixed and encoded in our own time.
    Decoded,
}

/// What a port's peer has said so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Speech {
    /// The agreed codec, or the other law.
    Agreed,
    /// Comfort noise beside it: who does not know noise cannot be relayed to.
    Noisy,
    /// A codec that was not agreed: nobody can be relayed to.
    Varied,
}

/// What a payload type means on a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Audio(Codec),
    Key,
    Noise,
    Unknown,
}

impl Port {
    pub fn new(now: Instant, leg: LegId, peer: Peer, seed: u64) -> Port {
        Port {
            leg,
            agreed: None,
            carries: Carries::Audio,
            source: PortSource::new(peer),
            receive: RtpReceive::default(),
            send: RtpSend::new(seed),
            keys_in: KeyReceive::default(),
            keys_out: None,
            player: None,
            report: PortReport::new(now, seed),
            watch: None,
            alarm: None,
            heard_by: SmallVec::new(),
            hears: SmallVec::new(),
            jitter: None,
            tones: None,
            hearing: Hearing::Relayed,
            speech: Speech::Agreed,
            encoder: None,
            secured: None,
            loudness: Loudness::default(),
            mixed_ahead: 0,
            noise_told: None,
            heard_at: None,
            dropped: 0,
            unauthentic: 0,
        }
    }

    pub fn describe(&mut self, now: Instant, agreed: Negotiated) {
        self.source.describe(now, agreed.remote);
        self.report.source = None;
        self.send.set_clock(codec::ticks_per_sample(agreed.codec.clock_rate()));
        if self.encoder.as_ref().is_some_and(|encoder| encoder.codec() != agreed.codec) {
            self.encoder = None;
        }
        if agreed.keys != KeyWay::Inband {
            self.tones = None;
        } else if self.tones.is_none() {
            self.tones = Some(Box::default());
        }
        self.speech = Speech::Agreed;
        self.carries = Carries::Audio;
        self.agreed = Some(agreed);
        self.secure();
        if let Some(watch) = &mut self.watch {
            watch.begin(now);
        }
    }

    /// The peer has fax from now on.
    pub fn describe_fax(&mut self, now: Instant, remote: SocketAddr) {
        self.source.describe(now, remote);
        self.carries = Carries::Fax;
        self.send.pause();
        if let Some(watch) = &mut self.watch {
            watch.begin(now);
        }
    }

    /// Takes the agreed keys. Keys that the machine cannot use end the stream: nothing goes out in plain instead.
    fn secure(&mut self) {
        let Some(srtp) = self.agreed.and_then(|agreed| agreed.srtp) else {
            self.secured = None;
            return;
        };
        let keyed = match self.secured.take() {
            Some(mut secured) => secured.rekey(srtp).map(|()| secured),
            None => Secured::new(srtp).map(Box::new),
        };
        self.secured = keyed;
        if let (None, Some(agreed)) = (&self.secured, &mut self.agreed) {
            agreed.direction = sdp::Direction::Inactive;
        }
    }

    /// Sends a packet of RTP to the peer, encrypted where that was agreed.
    #[inline]
    pub fn transmit(&mut self, index: PortIndex, to: SocketAddr, packet: &[u8], sink: &mut impl Sink) {
        match &mut self.secured {
            None => sink.rtp(index, to, packet),
            Some(secured) => {
                if let Some(sealed) = secured.seal_rtp(packet) {
                    sink.rtp(index, to, &sealed);
                }
            }
        }
    }

    /// Sends a compound of RTCP to the peer, encrypted where that was agreed.
    pub fn transmit_report(
        &mut self,
        (index, channel): (PortIndex, Channel),
        to: SocketAddr,
        compound: &[u8],
        sink: &mut impl Sink,
    ) {
        match &mut self.secured {
            None => sink.rtcp(index, channel, to, compound),
            Some(secured) => {
                if let Some(sealed) = secured.seal_rtcp(compound) {
                    sink.rtcp(index, channel, to, &sealed);
                }
            }
        }
    }

    #[inline]
    pub fn kind_of(&self, payload_type: u8) -> Kind {
        let Some(agreed) = &self.agreed else { return Kind::Unknown };
        if payload_type == agreed.receive_payload_type {
            Kind::Audio(agreed.codec)
        } else if agreed.receive_dtmf == Some(payload_type) {
            Kind::Key
        } else if agreed.receive_noise == Some(payload_type) {
            Kind::Noise
        } else if payload_type == Codec::Pcma.payload_type() {
            // Static numbers mean what they always mean: some gateways change the law in mid-call.
            Kind::Audio(Codec::Pcma)
        } else if payload_type == Codec::Pcmu.payload_type() {
            Kind::Audio(Codec::Pcmu)
        } else if payload_type == STATIC_NOISE {
            Kind::Noise
        } else {
            Kind::Unknown
        }
    }

    /// Units of the peer's RTP clock in a sample of 8 kHz, for audio of `codec`.
    #[inline]
    pub fn ticks_of(&self, codec: Codec) -> u32 {
        codec::ticks_per_sample(codec.clock_rate())
    }

    /// Where and how packets go out; `None` while the peer does not want any.
    #[inline]
    pub fn outlet(&self) -> Option<Outlet> {
        let agreed = self.agreed.as_ref().filter(|agreed| agreed.direction.sends())?;
        if self.carries == Carries::Fax {
            return None;
        }
        Some(Outlet {
            to: self.source.target()?,
            codec: agreed.codec,
            payload_type: agreed.payload_type,
            keys: agreed.keys,
            key_payload_type: agreed.dtmf,
            key_clock: agreed.dtmf_clock,
            noise_payload_type: agreed.noise,
        })
    }

    /// Whether what the peer says sounds like a key, which a listener that knows another way should not hear twice.
    pub fn is_hushed_for(&self, keys: KeyWay) -> bool {
        keys != KeyWay::Inband && self.tones.as_ref().is_some_and(|tones| tones.suspects())
    }

    /// Whether keys are looked for in what the peer says.
    pub fn is_listened_to_for_keys(&self) -> bool {
        self.tones.as_ref().is_some_and(|tones| !tones.is_fax())
    }

    /// Whether what others say goes to this port now: nothing else is said or pressed to it.
    #[inline]
    pub fn listens(&self) -> bool {
        self.player.is_none() && !self.is_pressed_to()
    }

    /// Whether a key is being pressed to this port.
    #[inline]
    pub fn is_pressed_to(&self) -> bool {
        self.keys_out.as_ref().is_some_and(|keys| keys.is_pressing())
    }

    /// Whether what it hears was decoded by us.
    #[inline]
    pub fn is_decoded(&self) -> bool {
        self.hearing == Hearing::Decoded
    }

    /// Whether what it says is heard by nobody while it hears a playback (see [`crate::room::Room::can_wait`]).
    #[inline]
    pub fn can_wait(&self) -> bool {
        // Without a description no frame is ever due.
        self.player.is_some()
            && self.agreed.is_some()
            && self.heard_by.is_empty()
            && self.jitter.is_none()
            && self.carries == Carries::Audio
            && self.source.settled_on().is_some()
    }

    /// Whether the peer should send at all (RFC 3264 §8.4).
    pub fn is_expected_to_speak(&self) -> bool {
        // Fax devices may be silent for as long as they like (ITU-T T.30): they end their calls themselves.
        self.carries == Carries::Audio
            && self.agreed.is_some_and(|agreed| agreed.direction.receives() && !agreed.on_hold)
    }

    pub fn quality(&self) -> Quality {
        Quality {
            received: self.receive.received,
            lost: self.receive.lost(),
            dropped: self.dropped,
            unauthentic: self.unauthentic,
            silent: self.loudness.is_silent(),
            codec: self.agreed.map(|agreed| agreed.codec),
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
            self.player.as_deref().filter(|_| described).map(Player::poll_timeout),
            self.keys_out.as_ref().and_then(|keys| keys.poll_timeout()).filter(|_| described),
            self.report.poll_timeout().filter(|_| described && self.carries == Carries::Audio),
            self.keys_in.poll_timeout(),
            self.watch.as_ref().and_then(|watch| watch.due),
            self.alarm.as_ref().and_then(Alarm::due),
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
    pub keys: KeyWay,
    pub key_payload_type: Option<u8>,
    pub key_clock: u32,
    pub noise_payload_type: Option<u8>,
}

/// RFC 3551 §6: comfort noise at 8 kHz, which gateways send whether or not it was agreed.
const STATIC_NOISE: u8 = 13;

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
