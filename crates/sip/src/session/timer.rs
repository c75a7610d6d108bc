//! Owns the names of a session's timers. Does not own what they do (see [`super::Session::handle_timeout`]).

/// What a session waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Timer {
    /// The 2xx is repeated (RFC 3261 §13.3.1.4).
    Answer,
    /// The ACK has not come in 64 × T1.
    AnswerEnd,
    /// The reliable provisional response is repeated (RFC 3262 §3).
    Reliable,
    /// The PRACK has not come in 64 × T1.
    ReliableEnd,
    /// A provisional response each minute (RFC 3261 §13.3.1.1).
    Progress,
    /// The wait after 491 (RFC 3261 §14.1).
    Glare,
    /// A re-INVITE of ours has a provisional response and no final one.
    OfferEnd,
    /// Time for a session refresh (RFC 4028 §10).
    Refresh,
    /// The session expires (RFC 4028 §10).
    Expiry,
    /// No retransmission of the 2xx can come any more.
    AckEnd,
    /// The INVITE's Expires has passed (RFC 3261 §13.3.1).
    InviteEnd,
}

impl clock::TimerKey for Timer {
    fn index(self) -> usize {
        self as usize
    }
    fn from_index(index: usize) -> Timer {
        Timer::ALL[index]
    }
}

impl Timer {
    const ALL: [Timer; 11] = [
        Timer::Answer,
        Timer::AnswerEnd,
        Timer::Reliable,
        Timer::ReliableEnd,
        Timer::Progress,
        Timer::Glare,
        Timer::OfferEnd,
        Timer::Refresh,
        Timer::Expiry,
        Timer::AckEnd,
        Timer::InviteEnd,
    ];
}
