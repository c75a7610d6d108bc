//! Owns the contract with call control: what it may ask of media, and what media reports. Does not own how either
//! is carried out (see [`crate::room`] and `media-net`).

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use clock::WallTime;
use model::outcome::Unheard;
use model::say::{Key, SayItem};
use model::{CallId, LegId, PlayId, RecordingId, TenantId};

/// A wish of call control.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Bind a port pair for a leg. Answered by [`Event::PortOpened`] or [`Event::PortFailed`].
    OpenPort {
        /// The room it belongs to; the first port makes the room.
        room: CallId,
        /// The leg, whose port has its id.
        port: LegId,
        /// Index of the interface in the configuration.
        interface: u16,
        /// Who sends to it.
        peer: Peer,
    },
    /// A new or changed agreement with the leg's peer.
    Describe {
        /// Which port.
        port: LegId,
        /// What was agreed.
        negotiated: sdp::Negotiated,
    },
    /// The leg's peer and we agreed on T.38: until the next [`Command::Describe`] its datagrams pass to those who hear it
    /// and have fax too, as they came, and no audio goes to or from it.
    DescribeFax {
        /// Which port.
        port: LegId,
        /// Where its UDPTL datagrams go.
        remote: SocketAddr,
    },
    /// Who hears whom from now on.
    Hear {
        /// Which room.
        room: CallId,
        /// All (talker, listener) pairs; replaces what was.
        matrix: Vec<(LegId, LegId)>,
    },
    /// Speak to a port. What it heard from others is silent until the end. Answered by [`Event::Played`].
    Play {
        /// Who listens.
        port: LegId,
        /// The id of this playback. A playback that runs on the port already is stopped.
        play: PlayId,
        /// What, in order.
        items: Vec<SayItem>,
        /// Once or again and again.
        mode: PlayMode,
        /// In whose voice.
        voice: Voice,
    },
    /// End a playback; nothing happens when it has ended. Answered by [`Event::Played`].
    StopPlay {
        /// On which port.
        port: LegId,
        /// Which.
        play: PlayId,
    },
    /// Begin to keep audio.
    Record {
        /// Which room.
        room: CallId,
        /// The recording's id.
        recording: RecordingId,
        /// Whose.
        tenant: TenantId,
        /// The left channel. Where no port has this id nobody stands on the left, and of the persons those are kept whom
        /// anybody hears.
        caller: LegId,
        /// The right channel: those whom the caller may hear as persons.
        persons: Vec<LegId>,
        /// Wall time of the beginning.
        started: WallTime,
    },
    /// Something happened that the recording's timeline shows. Masks also stop and start the keeping.
    MarkRecording {
        /// Which.
        recording: RecordingId,
        /// What happened.
        mark: Mark,
    },
    /// End a recording. Answered by [`Event::RecordingClosed`].
    StopRecording {
        /// Which room.
        room: CallId,
        /// Which.
        recording: RecordingId,
    },
    /// Press a key towards a port's peer, as RFC 4733 events.
    SendDigit {
        /// Which port.
        port: LegId,
        /// The key.
        key: Key,
        /// How long it is held, 40–6,000 ms.
        millis: u32,
    },
    /// Watch a port's input.
    Watch {
        /// Which port.
        port: LegId,
        /// Report [`Event::RtpTimeout`] after this long without a packet; `None` stops watching.
        rtp_timeout: Option<Duration>,
    },
    /// Watch whether a port's peer is heard. Answered by [`Event::Unheard`] and [`Event::HeardAgain`].
    Alarm {
        /// Which port.
        port: LegId,
        /// Report who is not heard for this long; `None` stops watching. The same again changes nothing.
        after: Option<Duration>,
    },
    /// A port goes over to another room, with its peer, its agreement and its numbers. It takes nobody along whom it
    /// heard, and what was played to it ends. Nothing happens when there is no such port.
    MovePort {
        /// Which.
        port: LegId,
        /// Where to; the port makes the room if need be.
        room: CallId,
    },
    /// Give a port back. Answered by [`Event::Quality`].
    ClosePort {
        /// Which.
        port: LegId,
    },
    /// Give all of a room back: recordings end, ports close.
    CloseRoom {
        /// Which.
        room: CallId,
    },
}

/// Who sends to a port, which decides whose packets it believes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Peer {
    /// A carrier: the described address with any port, or an address of these networks; the first packet locks.
    Trunk {
        /// Networks (address, prefix length) that may send instead of the described address.
        media_from: Vec<(IpAddr, u8)>,
    },
    /// A phone. One whose description names the address that its requests come from has no NAT before it, and is believed
    /// from there with any port. Of one behind a NAT, the first source that sends a few packets of one SSRC locks.
    Phone {
        /// Where its requests come from.
        signals_from: IpAddr,
    },
}

/// How often a playback is heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlayMode {
    /// To its end.
    Once,
    /// Until it is stopped.
    Looped,
    /// Until it is stopped, and from where everybody is who hears the same: music on hold that all share.
    Joined,
}

/// In whose words something is said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Voice {
    /// Whose prompts come before the built-in ones.
    pub tenant: TenantId,
    /// The listener's language.
    pub language: Language,
}

/// A language prompts exist in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// 普通话
    #[default]
    Zh,
    /// English
    En,
}

/// What a recording's timeline shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// A party put the other on hold.
    Hold,
    /// The hold ended.
    Resume,
    /// Audio is not kept from here.
    Mask(MaskCause),
    /// That cause is over; audio is kept again when no other is left.
    Unmask(MaskCause),
    /// A person joined the right channel.
    PartyJoined(LegId),
    /// A person left.
    PartyLeft(LegId),
    /// The call was transferred to this person.
    Transferred(LegId),
    /// A supervisor listens to the call.
    Listened(LegId),
    /// A supervisor speaks to the agent alone.
    Whispered(LegId),
    /// A supervisor speaks to both.
    Barged(LegId),
    /// A supervisor took the agent's place.
    TookOver(LegId),
    /// A supervisor left.
    GuestLeft(LegId),
    /// From here on the left channel is what this leg says, and the right what it hears.
    CallerBecame(LegId),
    /// Caller and party send each other a fax (T.38), which is not kept.
    FaxBegan,
    /// They speak again.
    FaxEnded,
}

impl Mark {
    /// Its name in a recording's timeline file.
    pub const fn word(self) -> &'static str {
        match self {
            Mark::Hold => "hold",
            Mark::Resume => "resume",
            Mark::Mask(_) => "mask",
            Mark::Unmask(_) => "unmask",
            Mark::PartyJoined(_) => "party_joined",
            Mark::PartyLeft(_) => "party_left",
            Mark::Transferred(_) => "transferred",
            Mark::Listened(_) => "listened",
            Mark::Whispered(_) => "whispered",
            Mark::Barged(_) => "barged",
            Mark::TookOver(_) => "took_over",
            Mark::GuestLeft(_) => "guest_left",
            Mark::CallerBecame(_) => "caller_became",
            Mark::FaxBegan => "fax",
            Mark::FaxEnded => "fax_ended",
        }
    }

    /// Whom it is about.
    pub const fn leg(self) -> Option<LegId> {
        match self {
            Mark::Hold | Mark::Resume | Mark::Mask(_) | Mark::Unmask(_) | Mark::FaxBegan | Mark::FaxEnded => {
                None
            }
            Mark::PartyJoined(leg)
            | Mark::PartyLeft(leg)
            | Mark::Transferred(leg)
            | Mark::Listened(leg)
            | Mark::Whispered(leg)
            | Mark::Barged(leg)
            | Mark::TookOver(leg)
            | Mark::GuestLeft(leg)
            | Mark::CallerBecame(leg) => Some(leg),
        }
    }
}

/// Why audio is not kept for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MaskCause {
    /// The caller keys in a secret.
    Secret,
    /// Somebody paused the recording.
    Paused,
}

impl MaskCause {
    /// Its name in a recording's timeline file.
    pub const fn word(self) -> &'static str {
        match self {
            MaskCause::Secret => "secret",
            MaskCause::Paused => "paused",
        }
    }
}

/// A fact of media. Events are never dropped.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A port is bound.
    PortOpened {
        /// The room.
        room: CallId,
        /// The port.
        port: LegId,
        /// The advertised RTP address for the session description.
        address: SocketAddr,
    },
    /// A port could not be bound.
    PortFailed {
        /// The room.
        room: CallId,
        /// The port.
        port: LegId,
        /// Why, in words.
        cause: String,
    },
    /// The peer pressed a key; once per press, at its end.
    Digit {
        /// The room.
        room: CallId,
        /// The port.
        port: LegId,
        /// The key.
        key: Key,
        /// How long it was held.
        millis: u32,
    },
    /// A playback ended.
    Played {
        /// The room.
        room: CallId,
        /// The port.
        port: LegId,
        /// Which playback.
        play: PlayId,
        /// How.
        how: PlayEnd,
    },
    /// The first believed packet came.
    FirstPacket {
        /// The room.
        room: CallId,
        /// The port.
        port: LegId,
    },
    /// No packet came for the watched time although the peer should send; once until packets come again.
    RtpTimeout {
        /// The room.
        room: CallId,
        /// The port.
        port: LegId,
    },
    /// The peer has not been heard for the alarm's time, or not in the way that was told before.
    Unheard {
        /// The room.
        room: CallId,
        /// The port.
        port: LegId,
        /// Why.
        how: Unheard,
    },
    /// A peer that was told to be unheard makes a sound.
    HeardAgain {
        /// The room.
        room: CallId,
        /// The port.
        port: LegId,
    },
    /// A port's figures, when it closes.
    Quality {
        /// The room.
        room: CallId,
        /// The port.
        port: LegId,
        /// The figures.
        quality: crate::quality::Quality,
    },
    /// A recording ended: all its packets are handed over.
    RecordingClosed {
        /// The room.
        room: CallId,
        /// Which.
        recording: RecordingId,
    },
}

impl Event {
    /// The room it happened in.
    pub const fn room(&self) -> CallId {
        match self {
            Event::PortOpened { room, .. }
            | Event::PortFailed { room, .. }
            | Event::Digit { room, .. }
            | Event::Played { room, .. }
            | Event::FirstPacket { room, .. }
            | Event::RtpTimeout { room, .. }
            | Event::Unheard { room, .. }
            | Event::HeardAgain { room, .. }
            | Event::Quality { room, .. }
            | Event::RecordingClosed { room, .. } => *room,
        }
    }

    /// The port that it is about; None for a recording.
    pub const fn port(&self) -> Option<LegId> {
        match self {
            Event::PortOpened { port, .. }
            | Event::PortFailed { port, .. }
            | Event::Digit { port, .. }
            | Event::Played { port, .. }
            | Event::FirstPacket { port, .. }
            | Event::RtpTimeout { port, .. }
            | Event::Unheard { port, .. }
            | Event::HeardAgain { port, .. }
            | Event::Quality { port, .. } => Some(*port),
            Event::RecordingClosed { .. } => None,
        }
    }
}

/// How a playback ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PlayEnd {
    /// It was heard to its end.
    Finished,
    /// It was stopped, or another took its place.
    Stopped,
    /// It could not be played, in words: a prompt is missing.
    Failed(String),
}
