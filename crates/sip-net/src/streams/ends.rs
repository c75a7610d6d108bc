//! Owns why connections end or never begin, and how often.

use std::sync::atomic::{AtomicU64, Ordering};

/// Why a connection ends or never begins, where that is not simply its peer's wish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamEnd {
    /// There are too many in all.
    TooMany,
    /// There are too many with its address.
    TooManyOfSource,
    /// There were too many, and its peer had got nothing but refusals for the longest.
    MadeWay,
    /// TLS or WebSocket was not agreed: a wrong certificate, another protocol.
    Handshake,
    /// TLS or WebSocket was not agreed in time.
    HandshakeSlow,
    /// Its first message was not complete in time.
    FirstMessageSlow,
    /// Its peer has got nothing but refusals for long.
    Refused,
    /// A message was not complete in time after its first byte.
    MessageSlow,
    /// Nothing came for long, not even an answer to a ping.
    Idle,
    /// What came is no SIP.
    Garbled,
    /// Its peer does not read.
    NotReading,
    /// It could not be opened.
    NotOpened,
}

impl StreamEnd {
    /// All of them, in their order.
    pub const ALL: [StreamEnd; 12] = [
        StreamEnd::TooMany,
        StreamEnd::TooManyOfSource,
        StreamEnd::MadeWay,
        StreamEnd::Handshake,
        StreamEnd::HandshakeSlow,
        StreamEnd::FirstMessageSlow,
        StreamEnd::Refused,
        StreamEnd::MessageSlow,
        StreamEnd::Idle,
        StreamEnd::Garbled,
        StreamEnd::NotReading,
        StreamEnd::NotOpened,
    ];

    /// Its word in figures.
    pub const fn word(self) -> &'static str {
        match self {
            StreamEnd::TooMany => "too_many",
            StreamEnd::TooManyOfSource => "too_many_of_address",
            StreamEnd::MadeWay => "made_way",
            StreamEnd::Handshake => "handshake_failed",
            StreamEnd::HandshakeSlow => "handshake_slow",
            StreamEnd::FirstMessageSlow => "first_message_slow",
            StreamEnd::Refused => "refused",
            StreamEnd::MessageSlow => "message_slow",
            StreamEnd::Idle => "idle",
            StreamEnd::Garbled => "garbled",
            StreamEnd::NotReading => "not_reading",
            StreamEnd::NotOpened => "not_opened",
        }
    }
}

/// How often connections ended for each reason. Each ascends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StreamEnds([u64; StreamEnd::ALL.len()]);

impl StreamEnds {
    /// How often for that reason.
    pub fn of(&self, end: StreamEnd) -> u64 {
        self.0[end as usize]
    }

    /// How often for any of these reasons.
    pub fn sum(&self) -> u64 {
        self.0.iter().sum()
    }
}

/// The counters themselves.
#[derive(Debug, Default)]
pub(super) struct Ends([AtomicU64; StreamEnd::ALL.len()]);

impl Ends {
    pub fn count(&self, end: StreamEnd) {
        self.0[end as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub fn so_far(&self) -> StreamEnds {
        StreamEnds(std::array::from_fn(|place| self.0[place].load(Ordering::Relaxed)))
    }
}
