//! Owns what two sides agreed on: codec, numbers, addresses, direction. Does not own how they agreed (see
//! `offer_answer`).

use std::net::{IpAddr, SocketAddr};

/// An audio codec that a port can carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Codec {
    /// G.711 A-law, 8 kHz mono, one byte per sample (RFC 3551 §4.5.14).
    Pcma,
    /// G.711 µ-law, 8 kHz mono, one byte per sample (RFC 3551 §4.5.14).
    Pcmu,
}

impl Codec {
    /// The static payload type (RFC 3551 §6).
    pub const fn payload_type(self) -> u8 {
        match self {
            Codec::Pcma => 8,
            Codec::Pcmu => 0,
        }
    }

    /// The encoding's name in `a=rtpmap` (RFC 3551 §6).
    pub const fn name(self) -> &'static str {
        match self {
            Codec::Pcma => "PCMA",
            Codec::Pcmu => "PCMU",
        }
    }

    /// RTP clock rate in Hz.
    pub const fn clock_rate(self) -> u32 {
        8_000
    }
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
    pub codecs: Vec<Codec>,
    /// Whether we speak telephone-event (RFC 4733).
    pub dtmf: bool,
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
    /// Payload type of telephone-event (8 kHz) in what we send; `None` when the peer does not know it.
    pub dtmf: Option<u8>,
    /// Payload type of telephone-event in what we receive.
    pub receive_dtmf: Option<u8>,
    /// Milliseconds of audio per packet that the peer wants, 10–60.
    pub ptime_ms: u16,
    /// Which way audio flows.
    pub direction: Direction,
    /// The peer put us on hold: sendonly, inactive or address `0.0.0.0` (RFC 3264 §8.4).
    pub on_hold: bool,
    /// RTCP comes and goes on the RTP port (RFC 5761).
    pub rtcp_mux: bool,
}
