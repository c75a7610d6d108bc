//! Owns what two sides agreed on: codec, numbers, addresses, direction. Does not own how they agreed (see
//! `offer_answer`).

use std::net::{IpAddr, SocketAddr};

use smallvec::SmallVec;

use crate::crypto::{Secrecy, Srtp};

/// An audio codec that a port can carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Codec {
    /// G.711 A-law, 8 kHz mono, one byte per sample (RFC 3551 §4.5.14).
    Pcma,
    /// G.711 µ-law, 8 kHz mono, one byte per sample (RFC 3551 §4.5.14).
    Pcmu,
    /// G.722 at 64 kbit/s, 16 kHz mono, whose RTP clock is 8 kHz by a mistake that became the rule (RFC 3551 §4.5.2).
    G722,
    /// G.729 Annex A at 8 kbit/s, 8 kHz mono, 10 bytes per 10 ms (RFC 3551 §4.5.6).
    G729,
    /// Opus, RTP clock 48 kHz (RFC 7587).
    Opus,
}

impl Codec {
    /// All of them, those that cost the least first.
    pub const ALL: [Codec; 5] = [Codec::Pcma, Codec::Pcmu, Codec::G722, Codec::G729, Codec::Opus];

    /// The static payload type (RFC 3551 §6), or the dynamic one under which we offer the codec.
    pub const fn payload_type(self) -> u8 {
        match self {
            Codec::Pcma => 8,
            Codec::Pcmu => 0,
            Codec::G722 => 9,
            Codec::G729 => 18,
            Codec::Opus => 111,
        }
    }

    /// Whether [`Codec::payload_type`] means this codec without an `a=rtpmap` (RFC 3551 §6).
    pub const fn is_static(self) -> bool {
        !matches!(self, Codec::Opus)
    }

    /// The encoding's name in `a=rtpmap` (RFC 3551 §6, RFC 7587 §6.1).
    pub const fn name(self) -> &'static str {
        match self {
            Codec::Pcma => "PCMA",
            Codec::Pcmu => "PCMU",
            Codec::G722 => "G722",
            Codec::G729 => "G729",
            Codec::Opus => "opus",
        }
    }

    /// RTP clock rate in Hz.
    pub const fn clock_rate(self) -> u32 {
        match self {
            Codec::Pcma | Codec::Pcmu | Codec::G722 | Codec::G729 => 8_000,
            Codec::Opus => 48_000,
        }
    }

    /// What stands behind the clock rate in `a=rtpmap`. RFC 7587 §6.1: Opus always says two channels.
    pub(crate) const fn rtpmap_channels(self) -> &'static str {
        match self {
            Codec::Opus => "/2",
            Codec::Pcma | Codec::Pcmu | Codec::G722 | Codec::G729 => "",
        }
    }

    /// Our `a=fmtp`, when the codec needs one.
    pub(crate) const fn format_parameters(self) -> Option<&'static str> {
        match self {
            // RFC 4856 §2.1.9: silence suppression is on unless it is refused.
            Codec::G729 => Some("annexb=no"),
            // RFC 7587 §6.1: losses are mended from the packet behind, and one channel is enough for a call.
            Codec::Opus => Some("useinbandfec=1;stereo=0;sprop-stereo=0"),
            Codec::Pcma | Codec::Pcmu | Codec::G722 => None,
        }
    }
}

/// Milliseconds of audio per packet that are asked for where nobody wants others, and assumed of a peer that says nothing
/// (RFC 3551 §4.2).
pub const PTIME_MS: u16 = 20;

/// Codecs, the best first.
pub type Codecs = SmallVec<[Codec; 8]>;

/// How keys travel on a leg.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyWay {
    /// As RFC 4733 events beside the audio.
    #[default]
    Events,
    /// As tones in the audio (ITU-T Q.23).
    Inband,
    /// As SIP INFO.
    Info,
    /// Not at all: the peer has no way that it may use.
    Nowhere,
}

/// Which way audio flows, seen by the side that says so (RFC 3264 §5.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// Both ways.
    #[default]
    SendRecv,
    /// We send and hear nothing.
    SendOnly,
    /// We hear and send nothing.
    RecvOnly,
    /// Neither.
    Inactive,
}

impl Direction {
    /// Whether we send.
    pub const fn sends(self) -> bool {
        matches!(self, Direction::SendRecv | Direction::SendOnly)
    }

    /// Whether we receive.
    pub const fn receives(self) -> bool {
        matches!(self, Direction::SendRecv | Direction::RecvOnly)
    }

    /// The direction for sending and receiving as told.
    pub const fn of(sends: bool, receives: bool) -> Direction {
        match (sends, receives) {
            (true, true) => Direction::SendRecv,
            (true, false) => Direction::SendOnly,
            (false, true) => Direction::RecvOnly,
            (false, false) => Direction::Inactive,
        }
    }

    /// The same stream seen by the other side.
    pub const fn reversed(self) -> Direction {
        Direction::of(self.receives(), self.sends())
    }

    /// What is left of `self` where only `limit` is allowed.
    pub const fn within(self, limit: Direction) -> Direction {
        Direction::of(self.sends() && limit.sends(), self.receives() && limit.receives())
    }

    /// The attribute's name.
    pub const fn name(self) -> &'static str {
        match self {
            Direction::SendRecv => "sendrecv",
            Direction::SendOnly => "sendonly",
            Direction::RecvOnly => "recvonly",
            Direction::Inactive => "inactive",
        }
    }
}

/// The numbers of our `o=` line: the id stays for a dialog, the version ascends with each changed description.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct Session {
    /// `sess-id`.
    pub id: u64,
    /// `sess-version`.
    pub version: u64,
}

/// What we bring to an offer or answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Local {
    /// The advertised address of our port.
    pub address: IpAddr,
    /// Our RTP port; RTCP is on the next one.
    pub port: u16,
    /// Codecs we speak, the best first.
    pub codecs: Codecs,
    /// Whether we speak telephone-event (RFC 4733).
    pub dtmf: bool,
    /// Whether we speak comfort noise (RFC 3389), so that the peer may suppress silence.
    pub noise: bool,
    /// Whether and with which key we speak SRTP.
    pub secrecy: Secrecy,
    /// Milliseconds of audio per packet that we ask for, 10–60.
    pub ptime_ms: u16,
    /// The numbers of the `o=` line.
    pub session: Session,
    /// What we want to do; an answer may narrow it.
    pub direction: Direction,
}

/// What an offer and its answer agreed on, as seen by us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Negotiated {
    /// Where we send RTP. The address is unspecified (`0.0.0.0`, `::`) or the port 9 when the peer holds by address.
    pub remote: SocketAddr,
    /// Where we send RTCP (RFC 3605, RFC 5761, else port + 1).
    pub remote_rtcp: SocketAddr,
    /// What is spoken.
    pub codec: Codec,
    /// Payload type of `codec` in what we send.
    pub payload_type: u8,
    /// Payload type of `codec` in what we receive.
    pub receive_payload_type: u8,
    /// Payload type of telephone-event in what we send; `None` when the peer does not know it.
    pub dtmf: Option<u8>,
    /// Payload type of telephone-event in what we receive.
    pub receive_dtmf: Option<u8>,
    /// Clock rate of telephone-event in Hz: the codec's where the peer can (RFC 4733 §2.1), else 8,000.
    pub dtmf_clock: u32,
    /// How keys travel.
    pub keys: KeyWay,
    /// Payload type of comfort noise (RFC 3389) in what we send; `None` when the peer does not know it.
    pub noise: Option<u8>,
    /// Payload type of comfort noise in what we receive.
    pub receive_noise: Option<u8>,
    /// The keys of both ways when the stream is SRTP (RFC 4568).
    pub srtp: Option<Srtp>,
    /// Milliseconds of audio per packet that the peer wants, 10–60: whoever it hears is asked for that.
    pub ptime_ms: u16,
    /// Which way audio flows.
    pub direction: Direction,
    /// The peer put us on hold: sendonly, inactive or address `0.0.0.0` (RFC 3264 §8.4).
    pub on_hold: bool,
    /// RTCP comes and goes on the RTP port (RFC 5761).
    pub rtcp_mux: bool,
}

impl Negotiated {
    /// A plain stream of `codec` both ways with `remote`, its payload types those that we offer, keys in the audio.
    pub const fn plain(remote: SocketAddr, codec: Codec) -> Negotiated {
        Negotiated {
            remote,
            remote_rtcp: remote,
            codec,
            payload_type: codec.payload_type(),
            receive_payload_type: codec.payload_type(),
            dtmf: None,
            receive_dtmf: None,
            dtmf_clock: 8_000,
            keys: KeyWay::Inband,
            noise: None,
            receive_noise: None,
            srtp: None,
            ptime_ms: PTIME_MS,
            direction: Direction::SendRecv,
            on_hold: false,
            rtcp_mux: false,
        }
    }
}
