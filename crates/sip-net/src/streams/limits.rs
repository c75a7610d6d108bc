//! Owns how many connections there may be, and how long they may take.

use std::time::Duration;

/// How many connections there may be, and how long they may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamLimits {
    /// Connections in all.
    pub open: usize,
    /// Connections with one address.
    pub open_per_source: usize,
    /// TLS and WebSocket must be agreed after this.
    pub handshake: Duration,
    /// A new connection's first message must be complete after this.
    pub first_message: Duration,
    /// A connection whose peer has got nothing but refusals is closed this long after its beginning.
    pub refused: Duration,
    /// Every message must be complete this long after its first byte.
    pub message: Duration,
    /// A connection on which nothing came for this long is closed. Longer than the longest registration, so that a
    /// phone without keepalives stays reachable.
    pub idle: Duration,
    /// A connection that we open must be there after this.
    pub connect: Duration,
    /// A peer that reads nothing for this long, with something to read, is given up.
    pub write: Duration,
    /// Messages that may wait for a slow peer.
    pub queued: usize,
    /// A WebSocket on which nothing came for this long is pinged, and closed when nothing comes for as long again;
    /// None: never.
    pub ping: Option<Duration>,
}

impl Default for StreamLimits {
    /// 10,000 connections, 2,000 of one address; 10 s for handshakes and the first message, 20 s for each; 60 s of
    /// refusals; 3,900 s idle; 4 s to connect; 10 s to write; 1,024 queued; WebSockets pinged after 30 s.
    fn default() -> StreamLimits {
        StreamLimits {
            open: 10_000,
            open_per_source: 2_000,
            handshake: Duration::from_secs(10),
            first_message: Duration::from_secs(10),
            refused: Duration::from_secs(60),
            message: Duration::from_secs(20),
            idle: Duration::from_secs(3_900),
            connect: Duration::from_secs(4),
            write: Duration::from_secs(10),
            queued: 1_024,
            ping: Some(Duration::from_secs(30)),
        }
    }
}
